//! Linearizability of a register that is changed by compare-and-set only (a PUT with If-Match), with unique values, in O(n log n).
//!
//! Each write names the value that it replaced, so the order of the effective writes is forced: a chain that starts at the first value. What
//! is left is to place each operation at a moment between its start and finish, in that order; the earliest possible moment is always best.

use std::collections::{BTreeMap, BTreeSet};

/// A compare-and-set that stored a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CasWrite {
    /// The value; unique in its history.
    pub id: u64,
    /// The value that it demanded to replace.
    pub replaced: u64,
    /// Start.
    pub start: u64,
    /// Acknowledgement; `None` where nobody knows whether it was applied.
    pub finish: Option<u64>,
}

/// A completed operation that names a value: a read of it, or a compare-and-set that was refused because it was not the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CasLook {
    /// The value.
    pub id: u64,
    /// Start.
    pub start: u64,
    /// End.
    pub finish: u64,
}

/// Why no order of the operations explains the history that begins with the value `first`; `None` where one does. Times are distinct.
pub fn cas_violation(first: u64, writes: &[CasWrite], reads: &[CasLook], refusals: &[CasLook]) -> Option<String> {
    let observed = observed(writes, reads);
    let (effective, doubtful): (Vec<&CasWrite>, Vec<&CasWrite>) =
        writes.iter().partition(|write| write.finish.is_some() || observed.contains(&write.id));
    let mut next: BTreeMap<u64, &CasWrite> = BTreeMap::new();
    for write in &effective {
        if let Some(other) = next.insert(write.replaced, write) {
            return Some(format!("writes {} and {} both replaced value {}", other.id, write.id, write.replaced));
        }
    }
    let (mut value, mut now, mut placed, mut seen) = (first, 0, 0, 0);
    loop {
        for read in reads.iter().filter(|read| read.id == value) {
            seen += 1;
            let at = now.max(read.start);
            if at > read.finish {
                return Some(format!("value {value} was read before it was written"));
            }
        }
        // A value is replaced only after everyone who read it began to.
        now = reads.iter().filter(|read| read.id == value).map(|read| read.start).fold(now, u64::max);
        let Some(write) = next.get(&value) else { break };
        now = now.max(write.start);
        if write.finish.is_some_and(|finish| now > finish) {
            return Some(format!("value {value} was still read after write {} had replaced it", write.id));
        }
        if refusals.iter().any(|refusal| refusal.id == value && now.max(refusal.start) > refusal.finish) {
            return Some(format!("a write was refused although value {value}, which it demanded, was still the present one"));
        }
        (value, placed) = (write.id, placed + 1);
    }
    // The last value may have been replaced by a write of which nobody knows.
    let unknown = doubtful.iter().filter(|write| write.replaced == value).map(|write| now.max(write.start)).min();
    let is_explained = |refusal: &CasLook| unknown.is_some_and(|at| at.max(refusal.start) <= refusal.finish);
    if refusals.iter().any(|refusal| refusal.id == value && !is_explained(refusal)) {
        return Some(format!("a write was refused although value {value}, which it demanded, was never replaced"));
    }
    if placed < effective.len() {
        return Some(format!("{} acknowledged writes are missing from the chain of values that ends with {value}", effective.len() - placed));
    }
    (seen < reads.len()).then(|| "a value was read that nobody wrote".to_owned())
}

/// Values that somebody read or replaced for sure: their writes took place, whatever their clients know.
fn observed(writes: &[CasWrite], reads: &[CasLook]) -> BTreeSet<u64> {
    let replaced = writes.iter().filter(|write| write.finish.is_some()).map(|write| write.replaced);
    let mut observed: BTreeSet<u64> = reads.iter().map(|read| read.id).chain(replaced).collect();
    loop {
        let before = observed.len();
        let more: Vec<u64> = writes.iter().filter(|write| observed.contains(&write.id)).map(|write| write.replaced).collect();
        observed.extend(more);
        if observed.len() == before {
            return observed;
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn write(id: u64, replaced: u64, start: u64, finish: u64) -> CasWrite {
        CasWrite { id, replaced, start, finish: Some(finish) }
    }
    fn look(id: u64, start: u64, finish: u64) -> CasLook {
        CasLook { id, start, finish }
    }

    #[test]
    fn lost_updates_stale_reads_and_false_refusals_are_told() {
        let chain = [write(1, 0, 1, 2), write(2, 1, 3, 9)];
        assert_eq!(cas_violation(0, &chain, &[look(1, 4, 5), look(2, 6, 7)], &[look(1, 8, 10)]), None);
        assert!(cas_violation(0, &[write(1, 0, 1, 4), write(2, 0, 2, 3)], &[], &[]).unwrap().contains("both replaced"));
        assert!(cas_violation(0, &chain, &[look(2, 4, 5), look(1, 6, 7)], &[]).unwrap().contains("still read"));
        assert!(cas_violation(0, &chain[..1], &[], &[look(1, 3, 4)]).unwrap().contains("never replaced"));
        assert!(cas_violation(0, &chain, &[look(7, 10, 11)], &[]).unwrap().contains("nobody wrote"));
        assert!(cas_violation(0, &[write(2, 1, 3, 9)], &[], &[]).unwrap().contains("missing"));
    }

    type Past<'a> = (&'a [CasWrite], &'a [CasLook], &'a [CasLook]);

    /// Tries every order: the next operation is any that no other remaining one precedes; a doubtful write may also never happen.
    fn oracle((writes, reads, refusals): Past<'_>, state: u64) -> bool {
        let finishes = writes.iter().filter_map(|w| w.finish).chain(reads.iter().chain(refusals).map(|look| look.finish));
        let Some(earliest) = finishes.min() else { return true };
        let without = |looks: &[CasLook], at: usize| [&looks[..at], &looks[at + 1..]].concat();
        (0..writes.len()).any(|at| {
            let rest = [&writes[..at], &writes[at + 1..]].concat();
            writes[at].start < earliest && writes[at].replaced == state && oracle((&rest, reads, refusals), writes[at].id)
        }) || (0..reads.len()).any(|at| {
            let fits = reads[at].start < earliest && reads[at].id == state;
            fits && oracle((writes, &without(reads, at), refusals), state)
        }) || (0..refusals.len()).any(|at| {
            let fits = refusals[at].start < earliest && refusals[at].id != state;
            fits && oracle((writes, reads, &without(refusals, at)), state)
        })
    }

    #[test]
    fn the_chain_agrees_with_trying_every_order() {
        let histories = 60_000;
        let mut rng = StdRng::seed_from_u64(1);
        let mut explained = 0;
        for _ in 0..histories {
            let count = rng.random_range(2..=6_u64);
            let mut times: Vec<u64> = (1..=2 * count).collect();
            for at in (1..times.len()).rev() {
                times.swap(at, rng.random_range(0..=at));
            }
            let (mut writes, mut reads, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
            for (at, span) in (1..=count).zip(times.chunks(2)) {
                let (start, finish) = (span[0].min(span[1]), span[0].max(span[1]));
                let id = rng.random_range(0..=count.min(3));
                match rng.random_range(0..4_u8) {
                    0 => reads.push(look(id, start, finish)),
                    1 => refusals.push(look(id, start, finish)),
                    // Most writes replace a value before them, so that chains come about.
                    _ => writes.push(CasWrite { id: at, replaced: rng.random_range(0..at), start, finish: rng.random_bool(0.8).then_some(finish) }),
                }
            }
            let expected = oracle((&writes, &reads, &refusals), 0);
            explained += u32::from(expected);
            let found = cas_violation(0, &writes, &reads, &refusals);
            assert_eq!(found.is_none(), expected, "{found:?}: {writes:?} {reads:?} {refusals:?}");
        }
        assert!((3_000..57_000).contains(&explained), "{explained} of {histories} are linearizable");
    }
}
