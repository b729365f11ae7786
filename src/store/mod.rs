//! The run directory: appended to while measuring, loaded afterwards. The only link between the two halves.
//!
//! `<run>/run.json` holds the header; `<run>/<vendor>/` holds `vendor.json`, `cases.jsonl`, `scenarios.jsonl`, `usage.jsonl`,
//! `journal.jsonl` (acknowledged writes), `resources.jsonl` (what was created) and `evidence/`.

mod agreed;
mod load;
mod run;
mod sink;

pub use agreed::covers;
pub use load::load;
pub use run::{FORMAT, Run, RunHeader, VendorRecord, VendorRun};
pub use sink::{RunDir, VendorSink};

use std::path::PathBuf;

/// A run directory that cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, the directory is gone, permissions.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A record that is not what this version writes.
    #[error("{}:{line}: not a record of this format: {message}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// Why.
        message: String,
    },
    /// Written by a newer proofmark.
    #[error("{}: format: the run has format {found}, this proofmark reads up to {}: update proofmark to render it", path.display(), FORMAT)]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
}
