//! Formulas of AI storage: what a training job reads, writes, restores, and how well it is fed. Pure: no clock, no I/O.
//!
//! Results that follow the rules of MLPerf Storage are named [`RESULT_NAME`], never by the trademark alone: they are not verified by it.

mod accelerator;
mod checkpoint;
mod dataset;
mod goodput;
mod inference;
mod reads;
mod reshard;
mod restore;
mod windows;

pub use accelerator::{Block, EpochUse, RankUse, RunUse, StepTimes, demand_mib_per_s, gets_per_s, io_mib_per_s, minimum_samples, run_use};
pub use checkpoint::{CheckpointShape, ModelShape, ObjectKind, Parallelism, StateObject, ZeroStage};
pub use dataset::{Dataset, epoch_order};
pub use goodput::{goodput, stall_share, straggler, young_interval};
pub use inference::{CacheShape, CacheStep, WeightFile, cache_steps};
pub use reads::{ByteRange, ObjectRange, coalesce, pieces};
pub use reshard::reshard;
pub use restore::{RankReads, restore};
pub use windows::{Window, WindowRead, WindowReader};

/// How results of these formulas are called in records and reports.
pub const RESULT_NAME: &str = "MLPerf-Storage-like";
