//! Reading small windows at random places of one large object, as a loader of token shards does, with and without read-ahead.
//!
//! The main type is [`WindowReader`].

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use super::reads::ByteRange;

/// What is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Size of the object.
    pub object_bytes: u64,
    /// Least and most bytes of a window.
    pub bytes: (u64, u64),
    /// A window that is not at hand is fetched with at least this many bytes, from its start on; 0 fetches the window alone.
    pub read_ahead: u64,
}

/// One step of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowRead {
    /// The bytes that the reader asks for.
    pub window: ByteRange,
    /// The range to request; `None` where the last request has brought the window along.
    pub fetch: Option<ByteRange>,
}

/// The endless sequence of one reader's steps, by seed.
#[derive(Debug)]
pub struct WindowReader {
    window: Window,
    random: ChaCha8Rng,
    held: Option<ByteRange>,
}

impl WindowReader {
    /// Of reader `reader`; readers share nothing. The object must be at least as large as the largest window.
    pub fn new(window: Window, seed: u64, reader: u32) -> Self {
        let random = ChaCha8Rng::seed_from_u64(seed ^ u64::from(reader).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Self { window, random, held: None }
    }
    /// The last range did not come: nothing is held.
    pub fn forget(&mut self) {
        self.held = None;
    }
}

impl Iterator for WindowReader {
    type Item = WindowRead;
    fn next(&mut self) -> Option<WindowRead> {
        let Window { object_bytes, bytes: (least, most), read_ahead } = self.window;
        let len = self.random.random_range(least..=most);
        let start = self.random.random_range(0..=object_bytes.saturating_sub(len));
        let window = ByteRange { start, len };
        if self.held.is_some_and(|held| held.holds(window)) {
            return Some(WindowRead { window, fetch: None });
        }
        let fetch = ByteRange { start, len: len.max(read_ahead).min(object_bytes - start) };
        self.held = Some(fetch);
        Some(WindowRead { window, fetch: Some(fetch) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(object_bytes: u64, read_ahead: u64) -> Vec<WindowRead> {
        WindowReader::new(Window { object_bytes, bytes: (2048, 8192), read_ahead }, 7, 1).take(2000).collect()
    }

    #[test]
    fn windows_lie_within_the_object_and_are_fetched_alone_without_read_ahead() {
        for step in steps(1 << 27, 0) {
            assert!((2048..=8192).contains(&step.window.len) && step.window.end() <= 1 << 27);
            assert_eq!(step.fetch, Some(step.window));
        }
    }

    #[test]
    fn read_ahead_fetches_more_and_saves_a_request_where_the_next_window_lies_within() {
        let far = steps(1 << 27, 1 << 20);
        assert!(far.iter().filter_map(|step| step.fetch).all(|fetch| fetch.end() <= 1 << 27 && (fetch.len == 1 << 20 || fetch.end() == 1 << 27)));
        let near = steps(1 << 21, 1 << 20);
        let saved = |steps: &[WindowRead]| steps.iter().filter(|step| step.fetch.is_none()).count();
        assert!(saved(&far) < 50 && saved(&near) > 400, "{} {}", saved(&far), saved(&near));
    }

    #[test]
    fn what_did_not_come_serves_no_window() {
        let mut reader = WindowReader::new(Window { object_bytes: 1 << 16, bytes: (2048, 8192), read_ahead: 1 << 16 }, 7, 1);
        let lost = (0..200).filter(|_| {
            let fetched = reader.next().and_then(|step| step.fetch);
            reader.forget();
            fetched.is_none()
        });
        assert_eq!(lost.count(), 0);
    }

    #[test]
    fn readers_differ_and_repeat_by_seed() {
        let of = |reader| WindowReader::new(Window { object_bytes: 1 << 27, bytes: (2048, 8192), read_ahead: 0 }, 7, reader).next();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
