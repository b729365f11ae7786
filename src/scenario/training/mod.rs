//! AI-storage scenarios: data loading, checkpoints, restore and the others that are programs instead of mixes.
//!
//! The main type is [`Runner`].

use crate::config::{ProgramCell, ProgramSpec};
use crate::model::{Kind, Outcome, ScenarioId, ScenarioRecord};

/// Runs the cells of one scenario against one vendor.
#[derive(Debug)]
pub struct Runner {
    id: ScenarioId,
    spec: ProgramSpec,
}

impl Runner {
    /// A runner that has prepared nothing yet.
    pub fn new(id: ScenarioId, spec: ProgramSpec) -> Self {
        Self { id, spec }
    }

    /// Records the cell. Nothing runs it in this version: it is untested, so that no coverage is claimed for it.
    pub fn run_cell(&mut self, cell: &ProgramCell, repeat: u32) -> ScenarioRecord {
        let head = &self.spec.head;
        ScenarioRecord {
            cell: cell.to_string(),
            repeat,
            outcome: Outcome::Untested(format!("this version does not run {} yet", head.code)),
            ..ScenarioRecord::new(self.id.clone(), Kind::Throughput, &head.code, &head.title)
        }
    }
}
