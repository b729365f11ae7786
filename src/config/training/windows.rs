//! Token windows: small reads at random places of one large object.
//!
//! The main type is [`TokenWindows`].

use serde::{Deserialize, Serialize};

use super::super::throughput::CellTimes;
use super::super::value::{filled, positive, positives};
use super::checkpoint::{PARTS_MAX, judge_parts, part_size};
use super::tally::closed_loop;
use super::{Judged, ProgramCell, Tally, wrong};
use crate::model::ai::Window;
use crate::units::Bytes;

/// `[windows]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenWindows {
    /// Size of the object.
    #[serde(deserialize_with = "positive")]
    pub object_size: Bytes,
    /// Smallest window.
    #[serde(deserialize_with = "positive")]
    pub window_min: Bytes,
    /// Largest window.
    #[serde(deserialize_with = "positive")]
    pub window_max: Bytes,
    /// Least bytes of a request, from the window's start on; each is a cell.
    #[serde(deserialize_with = "filled")]
    pub read_ahead: Vec<Bytes>,
    /// Readers at once; each is a cell.
    #[serde(deserialize_with = "positives")]
    pub readers: Vec<u32>,
    /// Size of the parts in which the object is written.
    #[serde(default = "part_size")]
    pub part_size: Bytes,
}

impl TokenWindows {
    /// The key of the object below the scenario's prefix.
    pub const OBJECT: &'static str = "tokens";

    /// What the readers of a cell read.
    pub fn window(&self, read_ahead: Bytes) -> Window {
        Window { object_bytes: self.object_size.0, bytes: (self.window_min.0, self.window_max.0), read_ahead: read_ahead.0 }
    }

    pub(super) fn cells(&self) -> Vec<ProgramCell> {
        let of = |read_ahead: Bytes| self.readers.iter().map(move |readers| ProgramCell::Windows { read_ahead, readers: *readers });
        self.read_ahead.iter().flat_map(|read_ahead| of(*read_ahead)).collect()
    }

    pub(super) fn estimate(&self, times: CellTimes, tally: &mut Tally) {
        tally.upload(1, self.object_size.0, self.part_size.0);
        tally.prepared(1, self.object_size.0);
        tally.stored(self.object_size.0);
        let mean = (self.window_min.0 + self.window_max.0) / 2;
        for read_ahead in &self.read_ahead {
            for readers in &self.readers {
                let bytes = mean.max(read_ahead.0);
                let requests = closed_loop(*readers, bytes as f64, times);
                tally.get(requests, requests * bytes);
                tally.lasts(times);
            }
        }
    }

    pub(super) fn validate(&self) -> Judged {
        if self.window_min > self.window_max {
            return wrong("window_min", format!("{} is more than window_max, {}", self.window_min, self.window_max));
        }
        if self.window_max > self.object_size {
            return wrong("window_max", format!("{} is more than the object, {}", self.window_max, self.object_size));
        }
        if self.object_size.0.div_ceil(self.part_size.0) > PARTS_MAX {
            return wrong("part_size", format!("{} makes more than {PARTS_MAX} parts of {}", self.part_size, self.object_size));
        }
        judge_parts(self.part_size, self.object_size.0)
    }
}
