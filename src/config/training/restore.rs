//! Ranks that read a checkpoint: as it was written, or at another parallelism.
//!
//! The main type is [`RestoreProgram`].

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::throughput::CellTimes;
use super::super::value::{filled, positive};
use super::checkpoint::{judge_parts, judge_shapes, part_size};
use super::tally::rounds;
use super::{Judged, ProgramCell, Tally, wrong};
use crate::model::ai::{CheckpointShape, ObjectRange, Parallelism, RankReads, StateObject, ZeroStage, pieces, reshard, restore};
use crate::units::Bytes;

/// `[restore]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreProgram {
    /// What was written; each is a cell.
    #[serde(deserialize_with = "filled")]
    pub shape: Vec<CheckpointShape>,
    /// Only the first so many ranks read.
    #[serde(default)]
    pub ranks: Option<u32>,
    /// The parallelisms that read it; each is a cell. None: that which wrote it.
    #[serde(default)]
    pub target: Vec<Reshard>,
    /// How many ranks on a rank stands from where it stood when it wrote; each is a cell.
    #[serde(default = "no_shift", deserialize_with = "filled")]
    pub rank_shift: Vec<u32>,
    /// Whether each copy of the model reads the weights, all at once; otherwise the first one reads them for all.
    #[serde(default = "yes")]
    pub herd: bool,
    /// How often it is read: the first time cold, as far as the client goes.
    #[serde(default = "two", deserialize_with = "positive")]
    pub passes: u32,
    /// Most bytes of a request; 0 reads in one.
    #[serde(default = "part_size")]
    pub range_size: Bytes,
    /// Requests in flight of each rank.
    #[serde(default = "four", deserialize_with = "positive")]
    pub concurrency: u32,
    /// Larger objects are written in parts of this size.
    #[serde(default = "part_size")]
    pub part_size: Bytes,
}

/// A parallelism that reads what another one has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reshard {
    /// Its ranks.
    pub parallelism: Parallelism,
    /// What its copies of the model split.
    pub zero: ZeroStage,
}

/// `T1P2D4 ZeRO-1`.
impl fmt::Display for Reshard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.parallelism, self.zero)
    }
}

fn no_shift() -> Vec<u32> {
    vec![0]
}
fn two() -> u32 {
    2
}
fn four() -> u32 {
    4
}
fn yes() -> bool {
    true
}

impl RestoreProgram {
    /// What each rank reads in a cell, in requests of at most `range_size`.
    pub fn reads(&self, shape: &CheckpointShape, target: Option<Reshard>, rank_shift: u32) -> Vec<RankReads> {
        let mut plan = match target {
            Some(target) => reshard(shape, target.parallelism, target.zero, self.herd),
            None => restore(shape, self.ranks, rank_shift, self.herd),
        };
        plan.truncate(self.ranks.map_or(usize::MAX, |ranks| ranks as usize));
        for rank in &mut plan {
            let cut = |read: ObjectRange| {
                let object = read.object;
                pieces(read.range, self.range_size.0).into_iter().map(move |range| ObjectRange { object: object.clone(), range })
            };
            rank.reads = std::mem::take(&mut rank.reads).into_iter().flat_map(cut).collect();
        }
        plan
    }
    /// The objects that a plan reads of: what must be written beforehand.
    pub fn needed(&self, shape: &CheckpointShape, plan: &[RankReads]) -> Vec<StateObject> {
        let read: BTreeSet<&str> = plan.iter().flat_map(|rank| &rank.reads).map(|read| read.object.as_str()).collect();
        shape.objects(None).into_iter().filter(|object| read.contains(object.name.as_str())).collect()
    }

    pub(super) fn cells(&self) -> Vec<ProgramCell> {
        let targets: Vec<Option<Reshard>> = if self.target.is_empty() { vec![None] } else { self.target.iter().copied().map(Some).collect() };
        let mut cells = Vec::new();
        for shape in &self.shape {
            for target in &targets {
                cells.extend(self.rank_shift.iter().map(|shift| ProgramCell::Restore { shape: *shape, target: *target, rank_shift: *shift }));
            }
        }
        cells
    }

    pub(super) fn estimate(&self, times: CellTimes, tally: &mut Tally) {
        for shape in &self.shape {
            let mut needed: Vec<StateObject> = Vec::new();
            for cell in self.cells() {
                let ProgramCell::Restore { shape: of, target, rank_shift } = cell else { continue };
                if of != *shape {
                    continue;
                }
                let plan = self.reads(shape, target, rank_shift);
                needed.extend(self.needed(shape, &plan));
                let (requests, bytes) =
                    plan.iter().fold((0, 0), |(requests, bytes), rank| (requests + rank.reads.len() as u64, bytes + rank.bytes()));
                let passes = rounds(bytes, 1, 0.0, times).min(u64::from(self.passes));
                tally.get(requests * passes, bytes * passes);
                tally.lasts(times);
            }
            needed.sort_by(|one, other| one.name.cmp(&other.name));
            needed.dedup();
            needed.iter().for_each(|object| tally.upload(1, object.bytes, self.part_size.0));
            let bytes = needed.iter().map(|object| object.bytes).sum();
            tally.prepared(needed.len() as u64, bytes);
            tally.stored(bytes);
        }
    }

    pub(super) fn validate(&self) -> Judged {
        judge_shapes(&self.shape, self.ranks)?;
        for (shape, target) in self.shape.iter().flat_map(|shape| self.target.iter().map(move |target| (shape, target))) {
            let new = CheckpointShape { model: shape.model, parallelism: target.parallelism, zero: target.zero };
            new.validate().map_err(|reason| ("target".to_owned(), reason))?;
        }
        if !self.target.is_empty() && self.rank_shift != no_shift() {
            return wrong("rank_shift", "a reshard reads other ranks' objects anyway: expected none beside target");
        }
        let sizes = self.shape.iter().flat_map(|shape| shape.objects(None)).map(|object| object.bytes);
        judge_parts(self.part_size, sizes.max().unwrap_or_default())
    }
}
