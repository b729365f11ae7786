//! Bodies that say who wrote them, so that a reader can tell a whole value from a torn, foreign or invented one.
//!
//! Layout: a header of 64 bytes (magic, run, key hash, write id, length, seed), a xorshift stream, a stamp of the write id at
//! every 4 KiB, and a CRC-64/NVME of all that precedes in the last 8 bytes.

use std::collections::BTreeSet;

use crc_fast::{CrcAlgorithm, checksum};

use super::Seen;

const MAGIC: &[u8; 8] = b"PMARKv1\n";
const HEADER: usize = 64;
const STRIDE: usize = 4096;
const STAMP: usize = 16;
const TRAILER: usize = 8;

/// Length of the shortest body: a header and a checksum.
pub const MIN_LEN: usize = HEADER + TRAILER;

/// Who wrote a body, and where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The run and scenario: bodies of another one are phantoms.
    pub run: u64,
    /// [`hash_key`] of the object's key.
    pub key: u64,
    /// Unique among the writes of the run.
    pub write: u64,
}

/// The hash of a key (or of any other name) as it stands in bodies.
pub fn hash_key(key: &str) -> u64 {
    checksum(CrcAlgorithm::Crc64Nvme, key.as_bytes())
}

fn put(body: &mut [u8], at: usize, value: u64) {
    body[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn take(body: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(body[at..at + 8].try_into().expect("a slice of 8 bytes"))
}

fn stamps(len: usize) -> impl Iterator<Item = usize> {
    (1..).map(|n| n * STRIDE).take_while(move |at| at + STAMP + TRAILER <= len)
}

/// The body of `len` bytes (at least [`MIN_LEN`]) that `identity` writes; the same arguments give the same bytes.
pub fn encode(identity: Identity, len: usize, seed: u64) -> Vec<u8> {
    let len = len.max(MIN_LEN);
    let mut body = vec![0; len];
    let mut state = (seed ^ identity.write.rotate_left(32)) | 1;
    for chunk in body[HEADER..].chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    body[..8].copy_from_slice(MAGIC);
    for (at, value) in [(8, identity.run), (16, identity.key), (24, identity.write), (32, len as u64), (40, seed)] {
        put(&mut body, at, value);
    }
    for at in stamps(len) {
        put(&mut body, at, identity.write);
        put(&mut body, at + 8, identity.key ^ at as u64);
    }
    let sum = checksum(CrcAlgorithm::Crc64Nvme, &body[..len - TRAILER]);
    put(&mut body, len - TRAILER, sum);
    body
}

/// What a body read from `key` of `run` is: a whole value, a torn one, or one that was never written there.
///
/// Whether a whole value's write id was ever issued is for the history to say.
pub fn decode(run: u64, key: u64, body: &[u8]) -> Seen {
    if body.len() < MIN_LEN {
        return Seen::Torn(format!("{} bytes, less than any body that was written", body.len()));
    }
    if &body[..8] != MAGIC {
        return Seen::Torn("the header is not one that was written".to_owned());
    }
    let (write, announced) = (take(body, 24), take(body, 32));
    if announced != body.len() as u64 {
        return Seen::Torn(format!("write {write} has {announced} bytes, {} were read", body.len()));
    }
    let ids: BTreeSet<u64> =
        std::iter::once(write).chain(stamps(body.len()).filter(|at| take(body, at + 8) == key ^ *at as u64).map(|at| take(body, at))).collect();
    if ids.len() > 1 {
        return Seen::Torn(format!("parts of the writes {ids:?} are mixed"));
    }
    if checksum(CrcAlgorithm::Crc64Nvme, &body[..body.len() - TRAILER]) != take(body, body.len() - TRAILER) {
        return Seen::Torn(format!("the checksum inside the body of write {write} is wrong"));
    }
    if take(body, 8) != run {
        return Seen::Phantom(format!("write {write} of another run or scenario"));
    }
    if take(body, 16) != key {
        return Seen::Phantom(format!("write {write} of another key"));
    }
    Seen::Value(write)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ME: Identity = Identity { run: 7, key: 11, write: 42 };

    #[test]
    fn a_whole_body_says_who_wrote_it() {
        for len in [0, MIN_LEN, 4096, 4119, 4120, 4121, 20_000] {
            assert_eq!(decode(7, 11, &encode(ME, len, 3)), Seen::Value(42), "{len}");
        }
    }

    #[test]
    fn two_writes_mixed_at_a_stride_are_torn_and_both_are_named() {
        let (a, b) = (encode(ME, 20_000, 3), encode(Identity { write: 43, ..ME }, 20_000, 3));
        let mixed = [&a[..8192], &b[8192..]].concat();
        assert_eq!(decode(7, 11, &mixed), Seen::Torn("parts of the writes {42, 43} are mixed".to_owned()));
    }

    #[test]
    fn a_body_of_another_key_or_run_is_a_phantom() {
        assert!(matches!(decode(7, 12, &encode(ME, 100, 3)), Seen::Phantom(why) if why.contains("another key")));
        assert!(matches!(decode(8, 11, &encode(ME, 100, 3)), Seen::Phantom(why) if why.contains("another run")));
    }

    proptest! {
        #[test]
        fn every_flipped_bit_and_every_cut_is_torn(len in MIN_LEN..9000_usize, at in 0..9000_usize, bit in 0..8_u8, seed: u64) {
            let whole = encode(ME, len, seed);
            let mut flipped = whole.clone();
            flipped[at % len] ^= 1 << bit;
            prop_assert!(matches!(decode(7, 11, &flipped), Seen::Torn(_)));
            prop_assert!(matches!(decode(7, 11, &whole[..at % len]), Seen::Torn(_)));
        }
    }
}
