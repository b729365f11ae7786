//! Ranks that write a checkpoint at once, and what is kept of them.
//!
//! The main type is [`CheckpointProgram`].

use serde::{Deserialize, Serialize};

use super::super::throughput::CellTimes;
use super::super::value::{filled, positive};
use super::tally::rounds;
use super::{Judged, ProgramCell, Tally, wrong};
use crate::model::ai::CheckpointShape;
use crate::units::{Bytes, Span};

/// Parts of one upload at most (S3).
pub(super) const PARTS_MAX: u64 = 10_000;
/// Least size of a part but the last one (S3).
const PART_MIN: Bytes = Bytes::mib(5);

/// `[checkpoint]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointProgram {
    /// What is written; each is a cell.
    #[serde(deserialize_with = "filled")]
    pub shape: Vec<CheckpointShape>,
    /// Only the first so many ranks write: a client that is smaller than the job.
    #[serde(default)]
    pub ranks: Option<u32>,
    /// Checkpoints of a cell at most.
    #[serde(deserialize_with = "positive")]
    pub rounds: u32,
    /// Checkpoints that are kept: when one is complete, the oldest beyond them is deleted while the next one is written.
    #[serde(deserialize_with = "positive")]
    pub keep: u32,
    /// Between two checkpoints.
    #[serde(default)]
    pub pause: Span,
    /// Larger objects are written in parts of this size.
    #[serde(default = "part_size")]
    pub part_size: Bytes,
    /// Parts in flight of each rank.
    #[serde(default = "four", deserialize_with = "positive")]
    pub part_concurrency: u32,
    /// On a file system: whether a file is flushed before it counts as written. S3 says nothing of an object that may still be lost.
    #[serde(default = "yes")]
    pub fsync: bool,
}

pub(super) fn part_size() -> Bytes {
    Bytes::mib(64)
}
fn four() -> u32 {
    4
}
fn yes() -> bool {
    true
}

/// Whether S3 takes uploads of so many bytes in such parts.
pub(super) fn judge_parts(part: Bytes, largest: u64) -> Judged {
    if part < PART_MIN {
        return wrong("part_size", format!("{part} is too small: S3 takes parts of {PART_MIN} and more"));
    }
    if largest.div_ceil(part.0) > PARTS_MAX {
        return wrong("part_size", format!("{part} makes more than {PARTS_MAX} parts of {largest} B"));
    }
    Ok(())
}

/// Whether every shape is one, and of all its ranks some write.
pub(super) fn judge_shapes(shapes: &[CheckpointShape], ranks: Option<u32>) -> Judged {
    for shape in shapes {
        shape.validate().map_err(|reason| ("shape".to_owned(), reason))?;
    }
    if ranks == Some(0) { wrong("ranks", "expected a number above 0, or no such line for all ranks") } else { Ok(()) }
}

impl CheckpointProgram {
    /// The prefix of a round's objects below the scenario's prefix; rounds count from 1.
    pub fn round_prefix(round: u32) -> String {
        format!("checkpoint-{round:06}/")
    }
    /// The round whose objects are deleted when round `complete` is.
    pub fn expired(&self, complete: u32) -> Option<u32> {
        complete.checked_sub(self.keep).filter(|round| *round > 0)
    }
    /// Bytes and objects of one checkpoint, as far as it is written here.
    pub fn size(&self, shape: &CheckpointShape) -> (u64, u64) {
        let objects = shape.objects(self.ranks);
        (objects.iter().map(|object| object.bytes).sum(), objects.len() as u64)
    }

    pub(super) fn cells(&self) -> Vec<ProgramCell> {
        self.shape.iter().map(|shape| ProgramCell::Checkpoint { shape: *shape }).collect()
    }

    pub(super) fn estimate(&self, times: CellTimes, tally: &mut Tally) {
        let mut largest = 0;
        for shape in &self.shape {
            largest = largest.max(self.estimate_rounds(shape, u64::from(self.rounds), times, tally));
            tally.lasts(times);
        }
        // A cell leaves nothing behind.
        tally.stored(largest);
    }

    /// Counts at most so many rounds; returns what lies there at once.
    pub(super) fn estimate_rounds(&self, shape: &CheckpointShape, most: u64, times: CellTimes, tally: &mut Tally) -> u64 {
        let (bytes, objects) = self.size(shape);
        let rounds = rounds(bytes, 1, self.pause.0.as_secs_f64(), times).min(most);
        let written = shape.objects(self.ranks);
        written.iter().for_each(|object| tally.upload(rounds, object.bytes, self.part_size.0));
        tally.count("DeleteObject", rounds * objects);
        bytes * (u64::from(self.keep) + 1).min(rounds)
    }

    pub(super) fn validate(&self) -> Judged {
        judge_shapes(&self.shape, self.ranks)?;
        let sizes = self.shape.iter().flat_map(|shape| shape.objects(self.ranks)).map(|object| object.bytes);
        judge_parts(self.part_size, sizes.max().unwrap_or_default())
    }
}
