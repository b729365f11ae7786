//! What qualifies the whole report: setting, incompleteness, runs that are not alike.

use std::collections::BTreeSet;

use serde::Serialize;

use super::columns::{Source, setting_name};
use crate::model::{Setting, VendorState};
use crate::score::Scorecard;
use crate::store::Run;

/// The notes at the top of the report.
#[derive(Debug, Clone, Serialize)]
pub struct Notes {
    /// `demo`, `lab`, `trial` or `production`: the lowest of the measured vendors.
    pub setting: &'static str,
    /// What a demo or lab setting means; empty in the others.
    pub setting_text: String,
    /// The sentence on every performance chart in demo and lab settings; empty in the others.
    pub performance: String,
    /// Whether a recommendation may be made.
    pub recommends: bool,
    /// Why the comparison is INCOMPLETE; empty when it is not.
    pub incomplete: Vec<String>,
    /// Other qualifications.
    pub sentences: Vec<String>,
}

pub fn notes(runs: &[Run], sources: &[Source<'_>], card: &Scorecard) -> Notes {
    let measured = || sources.iter().filter(|source| source.column.measured);
    let setting = measured().map(|source| source.vendor.record.setting).min();
    let trusted = setting.is_none_or(Setting::scores_performance);
    let performance = if trusted { String::new() } else { performance_sentence(sources) };
    let name = setting.map_or("production", setting_name);
    Notes {
        setting: name,
        setting_text: if trusted {
            String::new()
        } else {
            format!(
                "This is a {name} setting: client and servers share one machine. Compatibility, durability and cost rules hold here as anywhere; \
                 performance is shown, but not scored, and no recommendation is made."
            )
        },
        performance,
        recommends: trusted && setting.is_some(),
        incomplete: incomplete(runs, sources),
        sentences: differences(runs).into_iter().chain(card.notes.iter().cloned()).collect(),
    }
}

/// Decision 14 of the design: what a chart from one machine can and cannot say.
fn performance_sentence(sources: &[Source<'_>]) -> String {
    let cores = sources.iter().find(|source| source.column.measured).map_or(1, |source| source.run.header.host.cores);
    let loopback = sources.iter().filter(|source| source.column.measured).all(|source| {
        let addresses = source.vendor.record.probe.as_ref().map(|probe| probe.addresses.as_slice()).unwrap_or_default();
        addresses.iter().all(|address| address.starts_with("127.") || address.starts_with("[::1]") || address.starts_with("::1"))
    });
    let medium = if loopback { "loopback" } else { "one machine" };
    format!("client and servers share {cores} {} on {medium}: not vendor performance", if cores == 1 { "core" } else { "cores" })
}

fn incomplete(runs: &[Run], sources: &[Source<'_>]) -> Vec<String> {
    let mut sentences = Vec::new();
    for run in runs {
        if run.header.finished_at.is_none() {
            sentences.push(format!("run {} was stopped before its end or is still going", run.header.run));
        }
        for planned in &run.header.plan.vendors {
            if !run.vendors.iter().any(|vendor| vendor.record.vendor == planned.vendor) {
                sentences.push(format!("{} was planned in run {}, but not begun", planned.vendor, run.header.run));
            }
        }
    }
    for source in sources {
        match &source.vendor.record.state {
            VendorState::Incomplete => sentences.push(format!("{} was not measured to the end", source.column.key)),
            VendorState::Abandoned(reason) => sentences.push(format!("{} could not be evaluated: {reason}", source.column.key)),
            VendorState::PriceOnly | VendorState::Complete => {}
        }
    }
    sentences
}

/// What may differ between runs, and how to read it off one.
type Fact = (&'static str, fn(&Run) -> String);

/// Sentences for what differs between merged runs.
fn differences(runs: &[Run]) -> Vec<String> {
    let facts: [Fact; 5] = [
        ("hosts", |run| run.header.host.name.clone()),
        ("days", |run| run.header.started_at.chars().take(10).collect()),
        ("versions of proofmark", |run| run.header.tool_version.clone()),
        ("build profiles of proofmark", |run| run.header.build_profile.clone()),
        ("profiles", |run| run.header.profile_id.to_string()),
    ];
    let mut sentences = Vec::new();
    for (what, fact) in facts {
        let values: BTreeSet<String> = runs.iter().map(fact).collect();
        if values.len() > 1 {
            let values: Vec<String> = values.into_iter().collect();
            sentences.push(format!("The runs differ in their {what} ({}): compare with care.", values.join(", ")));
        }
    }
    for run in runs.iter().filter(|run| run.header.client.of > 1) {
        let client = run.header.client;
        sentences.push(format!("Run {} is client {} of {}: the load of the others is not in it.", run.header.run, client.index, client.of));
    }
    if runs.iter().any(|run| run.header.build_profile == "debug") {
        sentences.push("proofmark was built without optimisation: its client is slow, and throughput is a lower bound.".to_owned());
    }
    sentences
}
