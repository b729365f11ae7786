//! Ranks that list the data set at once, as they do when a job starts.
//!
//! The main type is [`ListStorm`].

use serde::{Deserialize, Serialize};

use super::super::throughput::CellTimes;
use super::super::value::{positive, positives};
use super::tally::rounds;
use super::{Judged, ProgramCell, Tally, wrong};
use crate::units::Bytes;

/// Keys of a page at most (S3).
const PAGE_MAX: u64 = 1000;

/// `[list_storm]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListStorm {
    /// Keys of the data set.
    #[serde(deserialize_with = "positive")]
    pub keys: u64,
    /// Size of each object.
    #[serde(default)]
    pub object_size: Bytes,
    /// Keys of a page.
    #[serde(default = "page", deserialize_with = "positive")]
    pub page_size: u64,
    /// Ranks at once; each lists all keys, page after page. Each is a cell.
    #[serde(deserialize_with = "positives")]
    pub ranks: Vec<u32>,
    /// How often they list.
    #[serde(default = "one", deserialize_with = "positive")]
    pub passes: u32,
}

fn page() -> u64 {
    PAGE_MAX
}
fn one() -> u32 {
    1
}

impl ListStorm {
    /// Every key of the data set begins with this, below the scenario's prefix; the object's number follows.
    pub const FOLDER: &'static str = "train/";

    /// The key of an object below the scenario's prefix.
    pub fn file_name(&self, file: u64) -> String {
        format!("{}{file:012}", Self::FOLDER)
    }
    /// Requests of one rank.
    pub fn pages(&self) -> u64 {
        self.keys.div_ceil(self.page_size)
    }

    pub(super) fn cells(&self) -> Vec<ProgramCell> {
        self.ranks.iter().map(|ranks| ProgramCell::ListStorm { ranks: *ranks }).collect()
    }

    pub(super) fn estimate(&self, times: CellTimes, tally: &mut Tally) {
        let bytes = self.keys * self.object_size.0;
        tally.put(self.keys, bytes);
        tally.prepared(self.keys, bytes);
        tally.stored(bytes);
        for ranks in &self.ranks {
            let passes = rounds(0, self.pages(), 0.0, times).min(u64::from(self.passes));
            tally.count("ListObjectsV2", passes * u64::from(*ranks) * self.pages());
            tally.lasts(times);
        }
    }

    pub(super) fn validate(&self) -> Judged {
        if self.page_size > PAGE_MAX {
            return wrong("page_size", format!("{} is more than a page of S3 holds: expected at most {PAGE_MAX}", self.page_size));
        }
        Ok(())
    }
}
