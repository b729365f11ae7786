//! Profiles: what one evaluation runs, how long, and how it is scored.

use serde::{Deserialize, Serialize};

use super::FailureTiming;
use crate::model::{Direction, Level, ScenarioId, VendorId};
use crate::units::Span;

/// `scenarios/profiles/<id>.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Title for people.
    pub title: String,
    /// When to use it.
    pub about: String,
    /// Vendors that are run when none is named.
    #[serde(default)]
    pub vendors: Vec<VendorId>,
    /// Price-only vendors shown beside the measured ones.
    #[serde(default)]
    pub price_only: Vec<VendorId>,
    /// Suites to run; empty = all.
    #[serde(default)]
    pub suites: Vec<String>,
    /// Levels to run.
    pub levels: Vec<Level>,
    /// Scenarios in the order in which they run.
    pub scenarios: Vec<ScenarioId>,
    /// Repeats of each throughput cell and failure scenario.
    pub repeats: u32,
    /// Replaces the duration of every throughput cell.
    #[serde(default)]
    pub cell_duration: Option<Span>,
    /// Replaces the warm-up of every throughput cell.
    #[serde(default)]
    pub cell_warm_up: Option<Span>,
    /// Phases of failure scenarios.
    pub failure_timing: FailureTiming,
    /// Weights of the categories.
    pub weights: Weights,
    /// Curves that turn a metric into a score.
    #[serde(rename = "curve", default)]
    pub curves: Vec<Curve>,
    /// Gates.
    pub gates: GateRules,
    /// How cost is scored.
    pub cost: CostRule,
}

/// Weights of the categories; they are rescaled over the categories that are scored.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Conformance.
    pub compatibility: f64,
    /// Durability and consistency.
    pub durability: f64,
    /// Throughput and latency.
    pub performance: f64,
    /// Money.
    pub cost: f64,
    /// Work to run it.
    pub operability: f64,
}

/// A log-normal curve: `good` scores 0.9, `median` scores 0.5 (after Lighthouse's scoring).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Scenario that the metric belongs to.
    pub scenario: ScenarioId,
    /// Cells that it holds for: the cell's name contains this text; empty = all.
    #[serde(default)]
    pub cell: String,
    /// Metric name.
    pub metric: String,
    /// Which way is better.
    pub direction: Direction,
    /// Scores 0.9: the target.
    pub good: f64,
    /// Scores 0.5: barely acceptable.
    pub median: f64,
    /// Weight among the curves of the category.
    #[serde(default = "one")]
    pub weight: f64,
}

fn one() -> f64 {
    1.0
}

/// What must hold for a vendor to be eligible.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRules {
    /// Least coverage of each scored category, 0 to 1; below it the vendor is incomplete.
    pub coverage_min: f64,
    /// Suites or case ids of which every core case must pass.
    #[serde(default)]
    pub required: Vec<String>,
    /// Share of unresolved cases above which the run exits with 11.
    pub unresolved_max: f64,
}

/// How cost is scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostRule {
    /// The workload that vendors are priced on.
    pub workload: ScenarioId,
    /// Scores 0.9, in USD per TB (1000 GB) and month; twice as much scores 0.5.
    pub budget_usd_per_tb_month: rust_decimal::Decimal,
}
