//! Restoring a checkpoint at the shape in which it was written: which rank reads which objects.
//!
//! The main function is [`restore`].

use serde::Serialize;

use super::checkpoint::{CheckpointShape, ZeroStage};
use super::reads::{ByteRange, ObjectRange};

/// What one rank reads, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RankReads {
    /// The rank.
    pub rank: u32,
    /// Whole objects or ranges of them.
    pub reads: Vec<ObjectRange>,
}

impl RankReads {
    /// Bytes that it reads.
    pub fn bytes(&self) -> u64 {
        self.reads.iter().map(|read| read.range.len).sum()
    }
}

/// What each of the first `ranks` ranks (of all, where it is `None`) reads of a checkpoint that `shape` has written.
///
/// `shift` moves the ranks on, so that nobody reads what its own client wrote and may still hold (MLPerf Storage shifts by the ranks of a
/// host). Where copies of the model share the weights (ZeRO-1), all of them read the same objects at once if `herd` is true; otherwise the
/// first copy reads them and hands them on.
pub fn restore(shape: &CheckpointShape, ranks: Option<u32>, shift: u32, herd: bool) -> Vec<RankReads> {
    let all = shape.parallelism.ranks();
    (0..ranks.unwrap_or(all).min(all))
        .map(|rank| {
            let own = (rank + shift % all) % all;
            let mut objects = shape.objects_of(own);
            let (tensor, stage, copy) = shape.parallelism.place(own);
            if herd && shape.zero == ZeroStage::One && copy > 0 {
                let first = shape.parallelism.rank((tensor, stage, 0));
                objects.extend(shape.objects_of(first).into_iter().skip(1));
            }
            let reads = objects.into_iter().map(|object| ObjectRange { object: object.name, range: ByteRange { start: 0, len: object.bytes } });
            RankReads { rank, reads: reads.collect() }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::checkpoint::tests::shape;
    use super::*;

    const MINI: [u64; 6] = [256, 896, 8, 2, 8, 8192];

    fn times_read(plan: &[RankReads]) -> BTreeMap<&str, usize> {
        let mut times = BTreeMap::new();
        plan.iter().flat_map(|rank| &rank.reads).for_each(|read| *times.entry(read.object.as_str()).or_default() += 1);
        times
    }

    #[test]
    fn each_object_is_read_once_and_weights_once_for_each_copy_in_a_herd() {
        let shape = shape(MINI, (2, 2, 2), ZeroStage::One);
        let alone = restore(&shape, None, 0, false);
        assert_eq!(alone.iter().map(RankReads::bytes).sum::<u64>(), 154_333_184);
        assert!(times_read(&alone).values().all(|times| *times == 1) && times_read(&alone).len() == 30);
        let herd = restore(&shape, None, 0, true);
        for (object, times) in times_read(&herd) {
            assert_eq!(times, if object.starts_with("model/") { 2 } else { 1 }, "{object}");
        }
    }

    #[test]
    fn a_shift_gives_every_rank_what_another_one_wrote() {
        let shape = shape(MINI, (1, 1, 8), ZeroStage::Three);
        let plan = restore(&shape, None, 3, true);
        for RankReads { rank, reads } in &plan {
            let written: Vec<String> = shape.objects_of((rank + 3) % 8).into_iter().map(|object| object.name).collect();
            assert_eq!(reads.iter().map(|read| read.object.clone()).collect::<Vec<_>>(), written);
        }
        assert_eq!(times_read(&plan).len(), 16);
        assert_eq!(restore(&shape, Some(2), 8, true)[0], restore(&shape, None, 0, true)[0], "a whole turn is none");
    }
}
