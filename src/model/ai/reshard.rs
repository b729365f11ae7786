//! Restoring a checkpoint at another parallelism: which byte ranges of which objects each new rank reads.
//!
//! The main function is [`reshard`]. A weight tensor is split in equal runs of numbers, the optimiser in equal runs over all ranks, as the
//! sizes of the objects imply. Norms and the optimiser's groups are whole on every rank; a new rank reads one copy of them, not always the
//! same, so that no object is read by all.

use std::collections::BTreeMap;

use super::checkpoint::{
    CheckpointShape, GROUP_VECTORS, MOMENT_BYTES, MOMENTS, Parallelism, WEIGHT_BYTES, ZeroStage, layer_name, model_name, optimizer_name,
};
use super::reads::{ByteRange, ObjectRange, coalesce};
use super::restore::RankReads;

/// What each rank of the new parallelism reads of a checkpoint that `source` has written, sorted by object and place, neighbours joined.
/// Each copy of the model reads the weights that it needs if `herd` is true; otherwise the first copy reads them and hands them on.
pub fn reshard(source: &CheckpointShape, parallelism: Parallelism, zero: ZeroStage, herd: bool) -> Vec<RankReads> {
    let target = CheckpointShape { model: source.model, parallelism, zero };
    let offsets = layer_offsets(source);
    (0..parallelism.ranks())
        .map(|rank| {
            let mut found: BTreeMap<String, Vec<ByteRange>> = BTreeMap::new();
            let mut read = |object: String, range: ByteRange| found.entry(object).or_default().push(range);
            optimizer_reads(source, &target, rank, &mut read);
            let (_, stage, copy) = parallelism.place(rank);
            if herd || copy == 0 || zero == ZeroStage::Three {
                target.layers_of(stage).for_each(|layer| layer_reads(source, &target, rank, layer, offsets[layer as usize], &mut read));
            }
            let joined = found
                .into_iter()
                .flat_map(|(object, ranges)| coalesce(&ranges, 0).into_iter().map(move |range| ObjectRange { object: object.clone(), range }));
            RankReads { rank, reads: joined.collect() }
        })
        .collect()
}

/// Where each layer begins in its object: one after the other in a rank's object of ZeRO-3, each in its own otherwise.
fn layer_offsets(source: &CheckpointShape) -> Vec<u64> {
    let mut next = 0;
    let place = |layer: u64| {
        let offset = next;
        if source.zero == ZeroStage::Three {
            next += source.layer_bytes(layer);
        }
        offset
    };
    (0..=source.model.layers + 2).map(place).collect()
}

/// The run of numbers that is part `index` of `parts` equal ones.
fn part(numbers: u64, index: u64, parts: u64) -> (u64, u64) {
    (numbers * index / parts, numbers * (index + 1) / parts)
}

/// The overlaps of a run with runs of `each` numbers: index of the run, first number in it, how many.
fn overlaps((start, end): (u64, u64), each: u64) -> impl Iterator<Item = (u64, u64, u64)> {
    let runs = if start < end { start / each..end.div_ceil(each) } else { 0..0 };
    runs.map(move |run| {
        let (from, to) = (start.max(run * each), end.min((run + 1) * each));
        (run, from - run * each, to - from)
    })
}

fn layer_reads(source: &CheckpointShape, target: &CheckpointShape, rank: u32, layer: u64, offset: u64, read: &mut impl FnMut(String, ByteRange)) {
    let (tensor, _, copy) = target.parallelism.place(rank);
    let (copies, new_copies) = (source.copies_split(), target.copies_split());
    let shard = if target.zero == ZeroStage::Three { u64::from(copy) } else { 0 };
    let mut at = offset;
    for (numbers, is_split) in source.model.tensors(layer) {
        let held = source.held((numbers, is_split));
        let (splits, new_splits) = if is_split { (u64::from(source.parallelism.tensor), u64::from(target.parallelism.tensor)) } else { (1, 1) };
        let own = if is_split { u64::from(tensor) } else { 0 };
        let run = part(held * splits * copies, own * new_copies + shard, new_splits * new_copies);
        for (piece, first, count) in overlaps(run, held) {
            let holder = if is_split { (piece / copies) as u32 } else { tensor % source.parallelism.tensor };
            let object = match source.zero {
                ZeroStage::Three => model_name(source.parallelism.rank((holder, 0, (piece % copies) as u32))),
                ZeroStage::One => layer_name(layer, holder),
            };
            read(object, ByteRange { start: at + first * WEIGHT_BYTES, len: count * WEIGHT_BYTES });
        }
        at += held * WEIGHT_BYTES;
    }
}

fn optimizer_reads(source: &CheckpointShape, target: &CheckpointShape, rank: u32, read: &mut impl FnMut(String, ByteRange)) {
    let (ranks, new_ranks) = (u64::from(source.parallelism.ranks()), u64::from(target.parallelism.ranks()));
    let (held, group) = (source.moment_numbers(), GROUP_VECTORS * source.model.hidden);
    for moment in 0..MOMENTS {
        let at = moment * (held + group);
        for (holder, first, count) in overlaps(part(held * ranks, u64::from(rank), new_ranks), held) {
            read(optimizer_name(holder as u32), ByteRange { start: (at + first) * MOMENT_BYTES, len: count * MOMENT_BYTES });
        }
        let copy_of_group = optimizer_name(rank % source.parallelism.ranks());
        read(copy_of_group, ByteRange { start: (at + held) * MOMENT_BYTES, len: group * MOMENT_BYTES });
    }
}

#[cfg(test)]
#[path = "reshard_tests.rs"]
mod tests;
