//! Batches beside a checkpoint: how much training slows down while its state is written in the background.
//!
//! The main type is [`Interference`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::throughput::CellTimes;
use super::super::value::positive;
use super::tally::rounds;
use super::{CheckpointProgram, Dataloader, Judged, ProgramCell, Tally, wrong};
use crate::model::ai::young_interval;
use crate::units::Span;

/// `[interference]`. A cell trains twice: alone, then with a checkpoint written beside it at each interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interference {
    /// From the start of a checkpoint to the start of the next one.
    #[serde(deserialize_with = "positive")]
    pub interval: Span,
    /// Mean time between failures of the job, for its goodput.
    #[serde(default)]
    pub mtbf: Option<Span>,
    /// Time from a failure to the first new step.
    #[serde(default)]
    pub restart: Span,
    /// Whether Young's interval of the first checkpoint's time takes the place of `interval` from then on.
    #[serde(default)]
    pub young: bool,
    /// What trains; its epochs begin anew until the time is over.
    pub dataloader: Dataloader,
    /// What is written beside it; without a pause of its own.
    pub checkpoint: CheckpointProgram,
}

impl Interference {
    /// The interval after the first checkpoint, which took `delta`.
    pub fn interval_after(&self, delta: Duration) -> Duration {
        match self.mtbf {
            Some(mtbf) if self.young => young_interval(delta, mtbf.0),
            _ => self.interval.0,
        }
    }

    pub(super) fn cells(&self) -> Vec<ProgramCell> {
        let mut cells = Vec::new();
        for cell in self.dataloader.cells() {
            let ProgramCell::Dataloader { access, accelerators } = cell else { continue };
            let of = |shape: &_| ProgramCell::Interference { access, accelerators, shape: *shape };
            cells.extend(self.checkpoint.shape.iter().map(of));
        }
        cells
    }

    pub(super) fn estimate(&self, times: CellTimes, tally: &mut Tally) {
        self.dataloader.estimate_files(tally);
        let mut largest = 0;
        let trained = Dataloader { epochs: u32::MAX, ..self.dataloader.clone() };
        for cell in self.cells() {
            let ProgramCell::Interference { access, accelerators, shape } = cell else { continue };
            for _ in 0..2 {
                trained.estimate_cell(access, accelerators, times, tally);
                tally.lasts(times);
            }
            let by_interval = if self.young { u64::MAX } else { rounds(0, 0, self.interval.0.as_secs_f64(), times) };
            let most = by_interval.min(u64::from(self.checkpoint.rounds));
            largest = largest.max(self.checkpoint.estimate_rounds(&shape, most, times, tally));
        }
        tally.stored(largest);
    }

    pub(super) fn validate(&self) -> Judged {
        if self.young && self.mtbf.is_none() {
            return wrong("young", "Young's interval needs the mean time between failures: expected mtbf");
        }
        if self.mtbf.is_some_and(|mtbf| mtbf.0.is_zero()) {
            return wrong("mtbf", "expected a time above 0 s");
        }
        if !self.checkpoint.pause.0.is_zero() {
            return wrong("checkpoint.pause", "the interval decides when the next one begins: expected no pause");
        }
        let within = |table: &'static str| move |(field, message): (String, String)| (format!("{table}.{field}"), message);
        self.dataloader.validate().map_err(within("dataloader"))?;
        self.checkpoint.validate().map_err(within("checkpoint"))
    }
}
