//! proofmark: a storage vendor evaluation and S3 conformance suite.
//!
//! The modules are listed in reading order; each may use only those before it in its half (see `DESIGN.md`, "Layers").
#![doc = include_str!("DESIGN.md")]

pub mod config;
pub mod model;
pub mod store;
pub mod units;

pub mod check;
pub mod cost;
pub mod report;
pub mod score;

#[cfg(feature = "live")]
pub mod case;
#[cfg(feature = "live")]
pub mod cli;
#[cfg(feature = "live")]
pub mod lab;
#[cfg(feature = "live")]
pub mod load;
#[cfg(feature = "live")]
pub mod run;
#[cfg(feature = "live")]
pub mod scenario;
#[cfg(feature = "live")]
pub mod wire;
