//! One large object written in parts: which part size and how many parts at once.
//!
//! The main type is [`MultipartSweep`].

use serde::{Deserialize, Serialize};

use super::super::throughput::CellTimes;
use super::super::value::{filled, positive, positives};
use super::tally::rounds;
use super::{Judged, ProgramCell, Tally, wrong};
use crate::units::Bytes;

/// Parts of an upload at most, and bytes of a part but the last at least (S3).
const PARTS_MAX: u64 = 10_000;
const PART_MIN: u64 = 5 << 20;

/// `[multipart]`. The same key is written again and again; an upload of which a part fails is aborted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultipartSweep {
    /// Size of the object.
    #[serde(deserialize_with = "positive")]
    pub object_size: Bytes,
    /// Sizes of a part; each is a cell.
    #[serde(deserialize_with = "filled")]
    pub part_size: Vec<Bytes>,
    /// Parts at once; each is a cell.
    #[serde(deserialize_with = "positives")]
    pub part_concurrency: Vec<u32>,
}

impl MultipartSweep {
    pub(super) fn cells(&self) -> Vec<ProgramCell> {
        let of = |part_size: Bytes| self.part_concurrency.iter().map(move |at_once| ProgramCell::Multipart { part_size, at_once: *at_once });
        self.part_size.iter().copied().flat_map(of).collect()
    }

    pub(super) fn estimate(&self, times: CellTimes, tally: &mut Tally) {
        let size = self.object_size.0;
        for part_size in &self.part_size {
            let parts = size.div_ceil(part_size.0);
            for at_once in &self.part_concurrency {
                let uploads = rounds(size, parts / u64::from(*at_once) + 2, 0.0, times);
                tally.count("CreateMultipartUpload", uploads);
                tally.count("UploadPart", uploads * parts);
                // Each upload ends by one of them, whose prices do not differ.
                tally.count("CompleteMultipartUpload", uploads);
                tally.bytes(uploads * size);
                tally.lasts(times);
            }
        }
        // The object, and the parts that are about to take its place.
        tally.stored(2 * size);
    }

    pub(super) fn validate(&self) -> Judged {
        for part in &self.part_size {
            let parts = self.object_size.0.div_ceil(part.0.max(1));
            if part.0 < PART_MIN.min(self.object_size.0) || parts > PARTS_MAX {
                return wrong("part_size", format!("{part}: expected at least {} and at most {PARTS_MAX} parts of the object", Bytes(PART_MIN)));
            }
        }
        Ok(())
    }
}
