//! Failure scenarios: a workload, a fault, and what must hold.

use serde::{Deserialize, Serialize};

use super::FaultKind;
use crate::model::{Estimate, Impact};
use crate::units::{Bytes, Span};

/// `scenarios/failure/<id>.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureSpec {
    /// Title for people.
    pub title: String,
    /// Short code, e.g. `F02`.
    pub code: String,
    /// What question it answers.
    pub about: String,
    /// What it does beyond its own prefix.
    #[serde(default)]
    pub impact: Impact,
    /// Sizes of the objects.
    pub object_size: Vec<Bytes>,
    /// Writers and readers at once.
    pub concurrency: u32,
    /// Faults of the wire, for client-side scenarios.
    #[serde(default)]
    pub faults: Vec<FaultKind>,
    /// Hooks called in turn during the fault phase (`kill`, `restart`, `pause`, `resume`), for server-side scenarios.
    #[serde(default)]
    pub hooks: Vec<String>,
}

/// Lengths of the phases of a failure scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureTiming {
    /// Before anything counts.
    pub warm_up: Span,
    /// Undisturbed load that recovery is compared with.
    pub baseline: Span,
    /// The fault is on.
    pub fault: Span,
    /// Longest watch for recovery after the heal.
    pub recovery: Span,
}

impl FailureSpec {
    /// An upper estimate of one repeat.
    pub fn estimate(&self, _timing: &FailureTiming) -> Estimate {
        Estimate::default()
    }
}
