//! Records -> scorecard. Pure: no I/O, no clock, no randomness but the run's seed.

mod card;
pub mod stats;

pub use card::{CategoryScore, Eligibility, GateOutcome, Interval, ScoreItem, Scorecard, VendorScore};
