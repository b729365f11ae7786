//! What a comparison of vendors comes down to.

use serde::{Deserialize, Serialize};

use super::{ApplicationVerdict, RequirementOutcome};
use crate::model::{Category, GateVerdict, RunId, VendorId};

/// A score and its interval, each 0 to 1. `low == high` where nothing is uncertain; ranking uses `low`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// With every doubt against the vendor.
    pub low: f64,
    /// The best single estimate.
    pub value: f64,
    /// With every doubt in its favour.
    pub high: f64,
}

/// One scored thing: a case, a scenario's repeat set, a price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreItem {
    /// Case id, or scenario, cell and metric.
    pub id: String,
    /// Its score; `None` = not tested.
    pub score: Option<Interval>,
    /// Its weight inside the category.
    pub weight: f64,
    /// What was measured, as printed.
    pub observed: String,
    /// Why the score is what it is: verdict and class, or the curve.
    pub rule: String,
    /// Link to the evidence, relative to the run directory.
    pub evidence: Option<String>,
}

/// A category of one vendor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CategoryScore {
    /// Which.
    pub category: Category,
    /// Its weight in the overall score after rescaling; 0 where it does not count.
    pub weight: f64,
    /// `None` where nothing was scored.
    pub score: Option<Interval>,
    /// Weight scored over weight planned, 0 to 1.
    pub coverage: f64,
    /// The parts, in a stable order.
    pub items: Vec<ScoreItem>,
    /// Why it does not count or counts only in part, in a sentence.
    pub note: Option<String>,
}

/// A gate as it ended for one vendor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateOutcome {
    /// Name, e.g. `no_unsafe_ignore` or `failure/ack-lost no_acked_loss`.
    pub name: String,
    /// Met, not met, untested or waived.
    pub verdict: GateVerdict,
    /// The limit in words.
    pub limit: String,
    /// What was seen.
    pub observed: String,
    /// Case ids or scenarios that decided it.
    pub deciders: Vec<String>,
    /// Link to the evidence, relative to the run directory.
    pub evidence: Option<String>,
}

/// Whether a vendor can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Eligibility {
    /// Every gate is met.
    Eligible,
    /// A gate is not met; the names.
    NotEligible(Vec<String>),
    /// Too little was tested to say; the reasons.
    Incomplete(Vec<String>),
    /// Only prices are known.
    PriceOnly,
}

/// A vendor's scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VendorScore {
    /// The vendor.
    pub vendor: VendorId,
    /// The run that it was measured in.
    pub run: RunId,
    /// Always all five, in the order of [`Category::ALL`].
    pub categories: Vec<CategoryScore>,
    /// All gates.
    pub gates: Vec<GateOutcome>,
    /// Whether it can be chosen.
    pub eligibility: Eligibility,
    /// Weighted mean over the categories that count for all compared vendors.
    pub overall: Option<Interval>,
    /// Weighted geometric mean of the same: punishes one bad category.
    pub geometric: Option<f64>,
    /// 1-based; `None` where it is not ranked.
    pub rank: Option<u32>,
    /// Whether it belongs to the leading group: not distinguishable from the first.
    pub leading: bool,
    /// What the buyer asked for, and how it stands.
    pub requirements: Vec<RequirementOutcome>,
    /// Which applications and SDK generations work.
    pub applications: Vec<ApplicationVerdict>,
}

/// The comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scorecard {
    /// Version of the scoring model.
    pub model_version: u32,
    /// First 16 hexadecimal digits of the SHA-256 over the model's tables and the profile's weights, curves and gates.
    pub model_hash: String,
    /// In the order of the runs' plans.
    pub vendors: Vec<VendorScore>,
    /// Sentences that qualify the comparison (setting, one repeat, different hosts, order differs by mean).
    pub notes: Vec<String>,
}
