//! Section 6: what the buyer asked for, and how it stands at each vendor.

use serde::Serialize;

use super::columns::Source;
use crate::score::Standing;

/// A requirement or a waiver at each vendor.
#[derive(Debug, Clone, Serialize)]
pub struct RequirementRow {
    pub name: String,
    /// `must`, `should`, `wont`, or `waiver`.
    pub priority: &'static str,
    pub reason: String,
    pub owner: String,
    pub cells: Vec<RequirementCell>,
}

/// How it stands at one vendor.
#[derive(Debug, Clone, Serialize)]
pub struct RequirementCell {
    /// Empty where nothing was asked of this vendor.
    pub standing: &'static str,
    /// `met`, `not_met`, `waived` or `untested`: how it is coloured.
    pub state: &'static str,
    pub observed: String,
    /// The cases that decided, as one text.
    pub deciders: String,
}

/// Deciding cases that a cell lists.
const DECIDERS: usize = 5;

pub fn requirements(sources: &[&Source<'_>]) -> Vec<RequirementRow> {
    let mut rows: Vec<RequirementRow> = Vec::new();
    let asked = sources.iter().filter_map(|source| source.score).flat_map(|score| &score.requirements);
    for outcome in asked {
        let priority = outcome.priority.map_or("waiver", crate::config::Priority::name);
        if !rows.iter().any(|row| row.name == outcome.name && row.priority == priority) {
            let (name, reason, owner) = (outcome.name.clone(), outcome.reason.clone(), outcome.owner.clone());
            rows.push(RequirementRow { name, priority, reason, owner, cells: Vec::new() });
        }
    }
    for row in &mut rows {
        row.cells = sources.iter().map(|source| cell(source, row.priority, &row.name)).collect();
    }
    rows
}

fn cell(source: &Source<'_>, priority: &str, name: &str) -> RequirementCell {
    let outcomes = source.score.map(|score| score.requirements.as_slice()).unwrap_or_default();
    let is_it =
        |outcome: &&crate::score::RequirementOutcome| outcome.name == name && outcome.priority.map_or("waiver", |known| known.name()) == priority;
    match outcomes.iter().find(is_it) {
        None => RequirementCell { standing: "", state: "", observed: String::new(), deciders: String::new() },
        Some(outcome) => RequirementCell {
            standing: outcome.standing.name(),
            state: state(outcome.standing),
            observed: outcome.observed.clone(),
            deciders: outcome.deciders.iter().take(DECIDERS).cloned().collect::<Vec<_>>().join(", "),
        },
    }
}

fn state(standing: Standing) -> &'static str {
    match standing {
        Standing::Met | Standing::NewlyPassing => "met",
        Standing::NotMet | Standing::WaiverExpired => "not_met",
        Standing::Waived => "waived",
        Standing::Untested | Standing::NotUsed => "untested",
    }
}
