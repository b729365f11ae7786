//! Linearizability of one key with unique values, in O(n log n): the zones of Gibbons and Korach.
//!
//! For each value: the least finish and the greatest start of its write and its reads. Where the finish comes first the zone is
//! forward (the value must hold all through it), else backward (one moment inside is enough). A history is linearizable when no
//! read finishes before its write starts, no two forward zones overlap, and no backward zone lies inside a forward one.

use std::collections::BTreeMap;

/// A write of a unique value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterWrite {
    /// The value.
    pub id: u64,
    /// Start.
    pub start: u64,
    /// Acknowledgement; `None` for an indeterminate write.
    pub finish: Option<u64>,
}

/// A completed read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterRead {
    /// The value; `None` = the state before the history.
    pub id: Option<u64>,
    /// Start.
    pub start: u64,
    /// End.
    pub finish: u64,
}

/// Whether some order of the operations, each taking effect between its start and finish, explains every read.
///
/// Times are distinct. A read of a value that was never written is not explained.
pub fn is_linearizable(writes: &[RegisterWrite], reads: &[RegisterRead]) -> bool {
    // (write start, least finish, greatest start) by value; the state before the history is a write at the beginning of time.
    let mut clusters: BTreeMap<Option<u64>, (i128, i128, i128)> = BTreeMap::from([(None, (-2, -1, -2))]);
    for write in writes {
        let (start, finish) = (i128::from(write.start), write.finish.map_or(i128::MAX, i128::from));
        clusters.insert(Some(write.id), (start, finish, start));
    }
    for read in reads {
        let Some((write_start, least_finish, greatest_start)) = clusters.get_mut(&read.id) else { return false };
        if i128::from(read.finish) < *write_start {
            return false;
        }
        *least_finish = (*least_finish).min(i128::from(read.finish));
        *greatest_start = (*greatest_start).max(i128::from(read.start));
    }
    // An indeterminate write that nobody read has an infinite least finish: it constrains nothing.
    let zones = clusters.into_values().filter(|(_, finish, _)| *finish != i128::MAX);
    type Zones = Vec<(i128, i128)>;
    let (mut forward, backward): (Zones, Zones) = zones.map(|(_, finish, start)| (finish, start)).partition(|(finish, start)| finish < start);
    forward.sort_unstable();
    if forward.windows(2).any(|pair| pair[1].0 < pair[0].1) {
        return false;
    }
    backward.into_iter().map(|(finish, start)| (start, finish)).all(|(low, high)| {
        let at = forward.partition_point(|(from, _)| *from < low);
        at == 0 || forward[at - 1].1 < high
    })
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn write(id: u64, start: u64, finish: u64) -> RegisterWrite {
        RegisterWrite { id, start, finish: Some(finish) }
    }
    fn read(id: u64, start: u64, finish: u64) -> RegisterRead {
        RegisterRead { id: Some(id), start, finish }
    }

    #[test]
    fn a_new_value_followed_by_the_old_one_is_not_linearizable_although_it_is_regular() {
        let writes = [write(1, 1, 2), write(2, 3, 20)];
        assert!(is_linearizable(&writes, &[read(1, 4, 5), read(2, 6, 7)]));
        assert!(!is_linearizable(&writes, &[read(2, 4, 5), read(1, 6, 7)]));
    }

    /// Tries every order: the next operation is any that no other remaining one precedes; an indeterminate write may also never happen.
    fn oracle(writes: &[RegisterWrite], reads: &[RegisterRead], state: Option<u64>) -> bool {
        let finishes = || writes.iter().filter_map(|w| w.finish).chain(reads.iter().map(|r| r.finish));
        if finishes().next().is_none() {
            return true;
        }
        let earliest = finishes().min().unwrap();
        let without = |at: usize| [&writes[..at], &writes[at + 1..]].concat();
        let wrote = (0..writes.len()).any(|at| writes[at].start < earliest && oracle(&without(at), reads, Some(writes[at].id)));
        wrote
            || (0..reads.len())
                .any(|at| reads[at].start < earliest && reads[at].id == state && oracle(writes, &[&reads[..at], &reads[at + 1..]].concat(), state))
    }

    fn history(rng: &mut StdRng) -> (Vec<RegisterWrite>, Vec<RegisterRead>) {
        let count = rng.random_range(2..=7_usize);
        let mut times: Vec<u64> = (0..2 * count as u64).collect();
        for at in (1..times.len()).rev() {
            times.swap(at, rng.random_range(0..=at));
        }
        let (mut writes, mut reads) = (Vec::new(), Vec::new());
        for at in 0..count {
            let (start, finish) = (times[2 * at].min(times[2 * at + 1]), times[2 * at].max(times[2 * at + 1]));
            if rng.random_bool(0.5) {
                writes.push(RegisterWrite { id: at as u64, start, finish: (!rng.random_bool(0.25)).then_some(finish) });
            } else {
                reads.push((start, finish));
            }
        }
        let ids: Vec<Option<u64>> = std::iter::once(None).chain(writes.iter().map(|w| Some(w.id))).collect();
        let pick = |(start, finish)| RegisterRead { id: ids[rng.random_range(0..ids.len())], start, finish };
        (writes, reads.into_iter().map(pick).collect())
    }

    #[test]
    fn the_zones_agree_with_trying_every_order() {
        let histories = 60_000;
        let mut rng = StdRng::seed_from_u64(1);
        let mut linearizable = 0;
        for _ in 0..histories {
            let (writes, reads) = history(&mut rng);
            let expected = oracle(&writes, &reads, None);
            linearizable += u32::from(expected);
            assert_eq!(is_linearizable(&writes, &reads), expected, "{writes:?} {reads:?}");
        }
        assert!((6_000..54_000).contains(&linearizable), "{linearizable} of {histories} are linearizable");
    }
}
