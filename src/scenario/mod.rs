//! What a scenario file's kind does: load and measure it, or break and check it.

pub mod failure;
mod figures;
pub mod throughput;
pub mod training;
