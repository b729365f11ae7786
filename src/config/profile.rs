//! Profiles: what one evaluation runs, how long, and how it is scored.

use serde::{Deserialize, Serialize};

use super::{FailureTiming, Requirement, Scale, Waiver};
use crate::model::{Category, Direction, Level, ScenarioId, VendorId};
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
    /// Whether cases that wait for the vendor or search for limits run, too; `--slow` adds them.
    #[serde(default)]
    pub slow: bool,
    /// Scenarios in the order in which they run.
    pub scenarios: Vec<ScenarioId>,
    /// Which values of the throughput scenarios are used.
    #[serde(default)]
    pub scale: Scale,
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
    /// What the buyer needs of every vendor; a vendor's file may add to it.
    #[serde(default, rename = "requirement")]
    pub requirements: Vec<Requirement>,
    /// Agreed, dated exceptions that hold for every vendor.
    #[serde(default, rename = "waiver")]
    pub waivers: Vec<Waiver>,
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
    /// Whether vendors are compared by this metric; see [`Profile::decisions`].
    #[serde(default)]
    pub decision: bool,
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

/// How far the sum of the weights may be from 1: a weight that was forgotten or mistyped is far more.
const WEIGHT_SLACK: f64 = 1e-9;

impl Weights {
    /// In the order of [`Category::ALL`].
    pub fn all(&self) -> [f64; 5] {
        [self.compatibility, self.durability, self.performance, self.cost, self.operability]
    }
}

impl Profile {
    /// What no single field's type refuses.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let weights = self.weights.all();
        for (weight, category) in weights.iter().zip(Category::ALL) {
            if !(0.0..=1.0).contains(weight) {
                return Err((weight_field(category), format!("{weight} is not a weight from 0 to 1")));
            }
        }
        let sum: f64 = weights.iter().sum();
        if (sum - 1.0).abs() > WEIGHT_SLACK {
            return Err(("weights", format!("their sum is {sum}, not 1")));
        }
        for (field, share) in [("gates.coverage_min", self.gates.coverage_min), ("gates.unresolved_max", self.gates.unresolved_max)] {
            if !(0.0..=1.0).contains(&share) {
                return Err((field, format!("{share} is not a share from 0 to 1")));
            }
        }
        if self.levels.is_empty() {
            return Err(("levels", "is empty: give at least one of core, common, extended, rare".to_owned()));
        }
        if self.repeats == 0 {
            return Err(("repeats", "must be at least 1".to_owned()));
        }
        if self.cost.budget_usd_per_tb_month <= rust_decimal::Decimal::ZERO {
            return Err(("cost.budget_usd_per_tb_month", "must be above 0".to_owned()));
        }
        self.curves.iter().try_for_each(Curve::validate)
    }
}

fn weight_field(category: Category) -> &'static str {
    match category {
        Category::Compatibility => "weights.compatibility",
        Category::Durability => "weights.durability",
        Category::Performance => "weights.performance",
        Category::Cost => "weights.cost",
        Category::Operability => "weights.operability",
    }
}

impl Curve {
    fn validate(&self) -> Result<(), (&'static str, String)> {
        let of = format!("the curve of {} {}", self.scenario, self.metric);
        for (field, value) in [("curve.good", self.good), ("curve.median", self.median), ("curve.weight", self.weight)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err((field, format!("{of}: {value} is not a number above 0")));
            }
        }
        match self.direction {
            Direction::LowerBetter if self.good >= self.median => {
                Err(("curve.good", format!("{of}: lower is better, so good ({}) must be below median ({})", self.good, self.median)))
            }
            Direction::HigherBetter if self.good <= self.median => {
                Err(("curve.good", format!("{of}: higher is better, so good ({}) must be above median ({})", self.good, self.median)))
            }
            Direction::Neutral => Err(("curve.direction", format!("{of}: neutral cannot be scored; expected lower_better or higher_better"))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"
title = "t"
about = "a"
levels = ["core"]
scenarios = []
repeats = 3
failure_timing = { warm_up = "1 s", baseline = "1 s", fault = "1 s", recovery = "1 s" }
weights = { compatibility = 0.3, durability = 0.25, performance = 0.2, cost = 0.15, operability = 0.1 }
gates = { coverage_min = 0.8, unresolved_max = 0.1 }
cost = { workload = "cost/workload-h", budget_usd_per_tb_month = 10 }
[[curve]]
scenario = "throughput/get-large"
metric = "throughput_mib_s"
direction = "higher_better"
good = 2000
median = 500
"#;

    fn validated(old: &str, new: &str) -> Result<(), (&'static str, String)> {
        let text = PROFILE.replacen(old, new, 1);
        assert!(text != PROFILE || old == new, "{old} is not in the profile");
        toml::from_str::<Profile>(&text).unwrap().validate()
    }

    #[test]
    fn the_default_weights_sum_to_one() {
        assert_eq!(validated("", ""), Ok(()));
    }

    #[test]
    fn each_problem_of_a_profile_names_its_field() {
        for (old, new, field) in [
            ("cost = 0.15", "cost = 0.16", "weights"),
            ("cost = 0.15", "cost = -0.15", "weights.cost"),
            ("coverage_min = 0.8", "coverage_min = 80.0", "gates.coverage_min"),
            ("unresolved_max = 0.1", "unresolved_max = nan", "gates.unresolved_max"),
            ("levels = [\"core\"]", "levels = []", "levels"),
            ("repeats = 3", "repeats = 0", "repeats"),
            ("month = 10", "month = 0", "cost.budget_usd_per_tb_month"),
            ("good = 2000", "good = 500", "curve.good"),
            ("higher_better", "lower_better", "curve.good"),
            ("higher_better", "neutral", "curve.direction"),
            ("median = 500", "median = 0", "curve.median"),
            ("median = 500", "median = 500\nweight = 0", "curve.weight"),
        ] {
            assert_eq!(validated(old, new).unwrap_err().0, field, "{new}");
        }
    }
}
