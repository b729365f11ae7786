//! A scenario file of any kind.

use super::{CostWorkload, FailureSpec, ThroughputSpec};
use crate::model::{Kind, ScenarioId};

/// A loaded scenario; its kind is its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// `<kind>/<file stem>`.
    pub id: ScenarioId,
    /// What to do.
    pub spec: ScenarioSpec,
}

/// What to do, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum ScenarioSpec {
    /// Load.
    Throughput(ThroughputSpec),
    /// Faults.
    Failure(FailureSpec),
    /// A month of use to price.
    Cost(CostWorkload),
}

impl Scenario {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self.spec {
            ScenarioSpec::Throughput(_) => Kind::Throughput,
            ScenarioSpec::Failure(_) => Kind::Failure,
            ScenarioSpec::Cost(_) => Kind::Cost,
        }
    }
}
