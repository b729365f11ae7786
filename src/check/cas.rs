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
    let chain = chain(first, &next);
    if chain.len() < effective.len() {
        let last = chain.last().map_or(first, |write| write.id);
        return Some(format!("{} acknowledged writes are missing from the chain of values that ends with {last}", effective.len() - chain.len()));
    }
    let values: BTreeSet<u64> = std::iter::once(first).chain(chain.iter().map(|write| write.id)).collect();
    if reads.iter().any(|read| !values.contains(&read.id)) {
        return Some("a value was read that nobody wrote".to_owned());
    }
    Schedule { first, chain, reads, refusals }.violation_with(&doubtful)
}

/// The effective writes in the order that the replaced values force.
fn chain<'a>(first: u64, next: &BTreeMap<u64, &'a CasWrite>) -> Vec<&'a CasWrite> {
    let mut chain: Vec<&CasWrite> = Vec::new();
    let mut value = first;
    while let Some(write) = next.get(&value).filter(|_| chain.len() < next.len()) {
        chain.push(write);
        value = write.id;
    }
    chain
}

/// The chain and everything that has to find its place around it.
#[derive(Clone)]
struct Schedule<'a> {
    first: u64,
    chain: Vec<&'a CasWrite>,
    reads: &'a [CasLook],
    refusals: &'a [CasLook],
}

impl<'a> Schedule<'a> {
    fn value(&self, at: usize) -> u64 {
        if at == 0 { self.first } else { self.chain[at - 1].id }
    }
    /// The earliest moments at which the values can become present, and the last one be replaced (`u64::MAX`: never). Each moment has lower
    /// bounds only: its write's start, the moment before it, reads of the value before it, and refusals that fit nowhere but before the
    /// value was there. The least moments that satisfy all of them are found by going on until nothing changes.
    fn earliest(&self) -> Vec<u64> {
        let values = self.chain.len() + 1;
        let mut moments = vec![0; values + 1];
        moments[values] = u64::MAX;
        loop {
            let before = moments.clone();
            for at in 0..values {
                if at > 0 {
                    moments[at] = moments[at].max(moments[at - 1]).max(self.chain[at - 1].start);
                }
                let of_value = |look: &&CasLook| look.id == self.value(at);
                let replaced = self.reads.iter().filter(of_value).map(|read| read.start).fold(moments[at + 1].max(moments[at]), u64::max);
                moments[at + 1] = replaced;
                let too_early = self.refusals.iter().filter(of_value).filter(|refusal| refusal.finish < replaced).map(|refusal| refusal.start);
                moments[at] = too_early.fold(moments[at], u64::max);
            }
            if moments == before {
                return moments;
            }
        }
    }
    /// Each write of which nobody knows may have followed the last value, or never have happened.
    fn violation_with(&self, doubtful: &[&'a CasWrite]) -> Option<String> {
        let found = self.violation()?;
        let last = self.value(self.chain.len());
        let follows = |write: &&&CasWrite| write.replaced == last && !self.chain.iter().any(|known| known.id == write.id);
        let is_explained = doubtful.iter().filter(follows).any(|write| {
            let mut longer = self.clone();
            longer.chain.push(write);
            longer.violation_with(doubtful).is_none()
        });
        (!is_explained).then_some(found)
    }
    fn violation(&self) -> Option<String> {
        let moments = self.earliest();
        for (at, moment) in moments.iter().enumerate().take(self.chain.len() + 1) {
            let value = self.value(at);
            if at == 0 && *moment > 0 {
                return Some(format!("a write was refused although value {value}, which it demanded, was the present one from the beginning"));
            }
            if at > 0 && self.chain[at - 1].finish.is_some_and(|finish| *moment > finish) {
                return Some(format!("no moment is left for the write of value {value}: what it replaced was still read or demanded"));
            }
            if self.reads.iter().any(|read| read.id == value && *moment > read.finish) {
                return Some(format!("value {value} was read before it can have been written"));
            }
        }
        None
    }
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
        assert!(cas_violation(0, &chain, &[look(2, 4, 5), look(1, 6, 7)], &[]).unwrap().contains("was read before"));
        assert!(cas_violation(0, &chain[..1], &[], &[look(1, 3, 4)]).unwrap().contains("no moment is left"));
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
