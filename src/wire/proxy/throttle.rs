//! A server that throttles per prefix: token buckets that decide which requests pass.
//!
//! The main type is [`Throttle`]. It has no clock: moments are given as time since any fixed one, so that a simulation can use it as a model.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::ThrottleLimits;

/// Rates double so often at most: a factor of 1024.
const DOUBLINGS_MAX: u32 = 10;
/// A prefix keeps the rates that a split gave it for this long without a request; then its partitions are merged.
const MERGE_AFTER: Duration = Duration::from_secs(300);
/// Prefixes that are kept before idle ones are looked for.
const SWEEP_FROM: usize = 1024;
/// A bucket of a single token would lose the fraction that is over each time a request comes a little late, and so never reach its rate.
const ROOM_MIN: f64 = 2.0;
/// What rounding may take from a token.
const CRUMB: f64 = 1e-9;

/// What a request does to the prefix: the two have limits of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// PUT, POST, DELETE.
    Write,
    /// GET, HEAD.
    Read,
}

/// The token buckets of all prefixes. A prefix that has been idle long enough to have all its tokens again is forgotten: memory is bounded
/// by twice the prefixes that are in use at a time.
#[derive(Debug)]
pub struct Throttle {
    limits: ThrottleLimits,
    prefixes: BTreeMap<Box<str>, Prefix>,
    sweep_at: usize,
}

#[derive(Debug)]
struct Prefix {
    writes: Tokens,
    reads: Tokens,
    doublings: u32,
    /// When the present overload began, and its last refusal.
    overload: Option<(Duration, Duration)>,
    used_at: Duration,
}

/// A token bucket: what was left at a moment.
#[derive(Debug, Clone, Copy)]
struct Tokens {
    left: f64,
    at: Duration,
}

impl Tokens {
    /// Takes a token if there is one. No rate is no limit.
    fn take(&mut self, rate_per_s: Option<f64>, burst: Duration, now: Duration) -> bool {
        let Some(rate_per_s) = rate_per_s else { return true };
        let room = (rate_per_s * burst.as_secs_f64()).max(ROOM_MIN);
        self.left = (self.left + rate_per_s * now.saturating_sub(self.at).as_secs_f64()).min(room);
        self.at = self.at.max(now);
        let has_one = self.left >= 1.0 - CRUMB;
        if has_one {
            self.left -= 1.0;
        }
        has_one
    }
}

impl Prefix {
    /// All its tokens are there.
    fn new(now: Duration) -> Self {
        let full = Tokens { left: f64::INFINITY, at: now };
        Self { writes: full, reads: full, doublings: 0, overload: None, used_at: now }
    }

    fn admit(&mut self, direction: Direction, limits: &ThrottleLimits, now: Duration) -> bool {
        self.used_at = now;
        let factor = f64::from(1u32 << self.doublings);
        let (tokens, rate) = match direction {
            Direction::Write => (&mut self.writes, limits.writes_per_s),
            Direction::Read => (&mut self.reads, limits.reads_per_s),
        };
        let is_admitted = tokens.take(rate.map(|rate| rate * factor), limits.burst.0, now);
        if !is_admitted {
            self.refused(limits, now);
        }
        is_admitted
    }

    /// Splits when the overload has lasted long enough.
    fn refused(&mut self, limits: &ThrottleLimits, now: Duration) {
        let Some(split_after) = limits.split_after else { return };
        let since = match self.overload {
            Some((since, last)) if now.saturating_sub(last) <= split_after.0 / 2 => since,
            _ => now,
        };
        self.overload = Some((since, now));
        if now.saturating_sub(since) >= split_after.0 && self.doublings < DOUBLINGS_MAX {
            self.doublings += 1;
            self.overload = Some((now, now));
        }
    }

    /// Whether it is no different from a prefix that was never used.
    fn is_idle(&self, limits: &ThrottleLimits, now: Duration) -> bool {
        let idle = now.saturating_sub(self.used_at);
        if self.doublings > 0 {
            return idle >= MERGE_AFTER.max(limits.burst.0);
        }
        let slowest = [limits.writes_per_s, limits.reads_per_s].into_iter().flatten().fold(f64::INFINITY, f64::min);
        let full_s = if slowest.is_finite() { ROOM_MIN / slowest } else { 0.0 };
        let overload = limits.split_after.map_or(Duration::ZERO, |after| after.0 / 2);
        idle.as_secs_f64() >= full_s && idle >= limits.burst.0 && idle > overload
    }
}

impl Throttle {
    /// No request has come yet: every prefix has all its tokens.
    pub fn new(limits: ThrottleLimits) -> Self {
        Self { limits, prefixes: BTreeMap::new(), sweep_at: SWEEP_FROM }
    }

    /// Whether a request to a prefix passes at `now`, which must not lie before the last call's. A refused request takes no token.
    pub fn admit(&mut self, prefix: &str, direction: Direction, now: Duration) -> bool {
        if let Some(known) = self.prefixes.get_mut(prefix) {
            return known.admit(direction, &self.limits, now);
        }
        if self.prefixes.len() >= self.sweep_at {
            self.prefixes.retain(|_, known| !known.is_idle(&self.limits, now));
            self.sweep_at = SWEEP_FROM.max(self.prefixes.len() * 2);
        }
        self.prefixes.entry(prefix.into()).or_insert_with(|| Prefix::new(now)).admit(direction, &self.limits, now)
    }

    /// Prefixes whose tokens are kept.
    pub fn kept(&self) -> usize {
        self.prefixes.len()
    }
}

/// The prefix that a request counts for, with its bucket, and what it does to it. None for what concerns a bucket as a whole, and for deletions
/// of many keys in one request: their keys stand in the body. `target` is path and query as sent; `host` is given if the bucket stands there.
pub(super) fn share(method: &str, target: &str, host: Option<&str>, depth: u32) -> Option<(String, Direction)> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = path.strip_prefix('/').unwrap_or(path);
    let (bucket, key) = match host {
        Some(host) => (host, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    let direction = match method {
        "GET" | "HEAD" => Direction::Read,
        "PUT" | "POST" | "DELETE" => Direction::Write,
        _ => return None,
    };
    let key = match key {
        "" => query.split('&').find_map(|part| part.strip_prefix("prefix=")).filter(|_| direction == Direction::Read)?,
        key => key,
    };
    let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy();
    let end = key.match_indices('/').take(depth as usize).last().map_or(0, |(at, _)| at + 1);
    Some((format!("{bucket}/{}", &key[..end]), direction))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    fn limits(writes_per_s: f64, burst_ms: u64) -> ThrottleLimits {
        ThrottleLimits {
            writes_per_s: Some(writes_per_s),
            reads_per_s: None,
            prefix_depth: 1,
            burst: Span(Duration::from_millis(burst_ms)),
            retry_after: None,
            split_after: None,
        }
    }

    /// Admitted of one write every `gap_ms` from `from_s` to `to_s`.
    fn admitted(throttle: &mut Throttle, prefix: &str, gap_ms: u64, from_s: u64, to_s: u64) -> usize {
        let moments = (from_s * 1000..to_s * 1000).step_by(gap_ms as usize).map(Duration::from_millis);
        moments.filter(|now| throttle.admit(prefix, Direction::Write, *now)).count()
    }

    #[test]
    fn what_comes_faster_than_the_rate_passes_at_the_rate() {
        for rate in [0.5, 3.0, 50.0, 333.3] {
            let mut throttle = Throttle::new(limits(rate, 0));
            let passed = admitted(&mut throttle, "b/p/", 1, 0, 100) as f64;
            assert!((passed - 100.0 * rate).abs() <= 1.0 + rate, "{rate}: {passed}");
        }
        // Slower than the rate: all.
        assert_eq!(admitted(&mut Throttle::new(limits(50.0, 0)), "b/p/", 20, 0, 10), 500);
    }

    #[test]
    fn an_idle_prefix_saves_the_tokens_of_its_burst_and_no_more() {
        let mut throttle = Throttle::new(limits(50.0, 200));
        let at_once = |throttle: &mut Throttle, now| (0..100).filter(|_| throttle.admit("b/p/", Direction::Write, Duration::from_secs(now))).count();
        assert_eq!(at_once(&mut throttle, 1), 10);
        assert_eq!(at_once(&mut throttle, 1), 0);
        assert_eq!(at_once(&mut throttle, 100), 10);
    }

    #[test]
    fn prefixes_and_directions_do_not_touch_each_other() {
        let mut throttle = Throttle::new(ThrottleLimits { reads_per_s: Some(80.0), ..limits(50.0, 1000) });
        assert_eq!(admitted(&mut throttle, "b/hot/", 1, 0, 10), 50 + 50 * 10 - 1);
        assert_eq!(admitted(&mut throttle, "b/calm/", 25, 10, 20), 400);
        let now = Duration::from_secs(20);
        assert_eq!((0..200).filter(|_| throttle.admit("b/hot/", Direction::Read, now)).count(), 80);
        let mut unlimited = Throttle::new(ThrottleLimits { writes_per_s: None, ..limits(1.0, 0) });
        assert!((0..1000).all(|_| unlimited.admit("b/hot/", Direction::Write, now)));
    }

    #[test]
    fn a_hot_prefix_doubles_after_sustained_overload_only() {
        let splitting = ThrottleLimits { split_after: Some(Span(Duration::from_secs(4))), ..limits(50.0, 0) };
        let mut throttle = Throttle::new(splitting.clone());
        let per_s: Vec<usize> = (0..13).map(|second| admitted(&mut throttle, "b/hot/", 1, second, second + 1)).collect();
        let near = |found: usize, expected: usize| found.abs_diff(expected) <= 2;
        assert!(per_s[..4].iter().all(|found| near(*found, 50)), "{per_s:?}");
        assert!(per_s[5..8].iter().all(|found| near(*found, 100)), "{per_s:?}");
        assert!(per_s[9..12].iter().all(|found| near(*found, 200)), "{per_s:?}");
        // One second of overload out of four, again and again, is not sustained.
        let mut throttle = Throttle::new(splitting);
        let rounds: Vec<usize> = (0..10).map(|round| admitted(&mut throttle, "b/hot/", 1, round * 4, round * 4 + 1)).collect();
        assert!(rounds.iter().all(|found| near(*found, 50)), "{rounds:?}");
        // Off by default.
        let mut throttle = Throttle::new(limits(50.0, 0));
        assert!(near(admitted(&mut throttle, "b/hot/", 1, 0, 100), 5000));
    }

    #[test]
    fn memory_holds_prefixes_in_use_and_forgetting_the_others_changes_nothing() {
        let mut throttle = Throttle::new(limits(50.0, 100));
        for number in 0..200_000u64 {
            assert!(throttle.admit(&format!("b/{number}/"), Direction::Write, Duration::from_micros(number * 500)));
            // A prefix under overload is never forgotten, or its tokens would be back too early.
            throttle.admit("b/hot/", Direction::Write, Duration::from_micros(number * 500));
        }
        assert!(throttle.kept() <= 2 * SWEEP_FROM, "{}", throttle.kept());
        let mut throttle = Throttle::new(limits(50.0, 100));
        let mut hot = 0;
        for number in 0..100_000u64 {
            let now = Duration::from_micros(number * 100);
            throttle.admit(&format!("b/{number}/"), Direction::Write, now);
            hot += usize::from(throttle.admit("b/hot/", Direction::Write, now));
        }
        assert!(hot.abs_diff(505) <= 1, "{hot}");
    }

    #[test]
    fn requests_count_for_the_parts_of_their_key_that_end_in_a_slash() {
        use Direction::{Read, Write};
        for (method, target, host, depth, expected) in [
            ("PUT", "/b/a/c/k", None, 1, Some(("b/a/", Write))),
            ("PUT", "/b/a%2Fc%2Fk?x-id=PutObject", None, 2, Some(("b/a/c/", Write))),
            ("GET", "/b/a/c/k", None, 9, Some(("b/a/c/", Read))),
            ("HEAD", "/b/k", None, 1, Some(("b/", Read))),
            ("DELETE", "/b/a/k", None, 0, Some(("b/", Write))),
            ("POST", "/b/a/k?uploads", None, 1, Some(("b/a/", Write))),
            ("PUT", "/a/k", Some("b.host"), 1, Some(("b.host/a/", Write))),
            ("GET", "/b?list-type=2&prefix=a%2Fc", None, 1, Some(("b/a/", Read))),
            ("GET", "/?prefix=a%2F", Some("b.host"), 1, Some(("b.host/a/", Read))),
            ("GET", "/b?list-type=2", None, 1, None),
            ("PUT", "/b", None, 1, None),
            ("POST", "/b?delete", None, 1, None),
            ("GET", "/", None, 1, None),
            ("OPTIONS", "/b/a/k", None, 1, None),
        ] {
            let found = share(method, target, host, depth);
            assert_eq!(found.as_ref().map(|(prefix, direction)| (prefix.as_str(), *direction)), expected, "{method} {target} {depth}");
        }
    }
}
