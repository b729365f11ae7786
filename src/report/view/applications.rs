//! Section 6: which applications and SDK generations work, and what decides it.

use std::collections::BTreeSet;

use serde::Serialize;

use super::columns::Source;
use super::slug;
use crate::config::ApplicationKind;
use crate::score::{ApplicationVerdict, Readiness};

/// The tables of one kind.
#[derive(Debug, Clone, Serialize)]
pub struct Applications {
    pub applications: Vec<ApplicationRow>,
    pub sdks: Vec<ApplicationRow>,
}

/// An application at each vendor.
#[derive(Debug, Clone, Serialize)]
pub struct ApplicationRow {
    pub id: String,
    pub anchor: String,
    pub title: String,
    pub about: String,
    pub source: String,
    pub cells: Vec<ApplicationCell>,
}

/// An application at one vendor.
#[derive(Debug, Clone, Serialize)]
pub struct ApplicationCell {
    pub key: String,
    pub verdict: &'static str,
    /// `pass`, `variant`, `fail` or `untested`: how it is coloured.
    pub state: &'static str,
    pub settings: Vec<String>,
    pub deciders: Vec<DeciderText>,
    /// How many of what it needs were not decided.
    pub open: usize,
    pub needed: usize,
    /// The first of what was not decided, as one text.
    pub open_names: String,
}

/// A case that decided, as the table shows it.
#[derive(Debug, Clone, Serialize)]
pub struct DeciderText {
    /// Also the id of its place in the report.
    pub case: String,
    pub found: String,
    pub why: String,
    pub setting: String,
}

/// Deciding cases that a cell lists.
const DECIDERS: usize = 8;
/// Undecided rows that a cell lists.
const OPEN: usize = 12;

pub fn applications(sources: &[&Source<'_>]) -> Applications {
    Applications { applications: rows(sources, ApplicationKind::Application), sdks: rows(sources, ApplicationKind::Sdk) }
}

impl Applications {
    /// The cases that its tables lead to.
    pub fn linked(&self) -> BTreeSet<&str> {
        let cells = self.applications.iter().chain(&self.sdks).flat_map(|row| &row.cells);
        cells.flat_map(|cell| &cell.deciders).map(|decider| decider.case.as_str()).collect()
    }
}

fn rows(sources: &[&Source<'_>], kind: ApplicationKind) -> Vec<ApplicationRow> {
    let mut rows: Vec<ApplicationRow> = Vec::new();
    for source in sources {
        for application in source.run.header.applications.iter().filter(|application| application.file.kind == kind) {
            if !rows.iter().any(|row| row.id == application.id) {
                rows.push(ApplicationRow {
                    id: application.id.clone(),
                    anchor: format!("app-{}", slug(&application.id)),
                    title: application.file.title.clone(),
                    about: application.file.about.clone(),
                    source: application.file.source.clone(),
                    cells: Vec::new(),
                });
            }
        }
    }
    for row in &mut rows {
        row.cells = sources.iter().map(|source| cell(source, &row.id)).collect();
    }
    rows
}

fn cell(source: &Source<'_>, id: &str) -> ApplicationCell {
    let verdict = source.score.and_then(|score| score.applications.iter().find(|verdict| verdict.id == id));
    let key = source.column.key.clone();
    let Some(verdict) = verdict else {
        let (settings, deciders) = (Vec::new(), Vec::new());
        return ApplicationCell { key, verdict: "not judged", state: "untested", settings, deciders, open: 0, needed: 0, open_names: String::new() };
    };
    ApplicationCell {
        key,
        verdict: verdict.readiness.name(),
        state: state(verdict.readiness),
        settings: verdict.settings.clone(),
        deciders: deciders(verdict),
        open: verdict.open.len(),
        needed: verdict.needed,
        open_names: verdict.open.iter().take(OPEN).cloned().collect::<Vec<_>>().join(", "),
    }
}

fn deciders(verdict: &ApplicationVerdict) -> Vec<DeciderText> {
    let text = |decider: &crate::score::Decider| DeciderText {
        case: decider.case.clone(),
        found: decider.found.replace('_', " "),
        why: decider.why.clone(),
        setting: decider.setting.clone().unwrap_or_default(),
    };
    verdict.deciders.iter().take(DECIDERS).map(text).collect()
}

fn state(readiness: Readiness) -> &'static str {
    match readiness {
        Readiness::Usable => "pass",
        Readiness::WithSetting => "variant",
        Readiness::Unsafe | Readiness::NotUsable => "fail",
        Readiness::Undecided => "untested",
    }
}
