//! Records -> scorecard. Pure: no I/O, no clock, no randomness but the run's seed.
//!
//! The main function is [`score()`]; [`decisions`] compares vendors and [`sweeps`] fits how they scale. The path: records -> a draft per category ([`table`] holds the numbers) -> gates ->
//! the categories that all compared vendors have -> overall, ranks and leading group.

mod card;
mod compare;
mod compatibility;
pub mod contrast;
mod cost;
mod decision;
mod draft;
mod durability;
mod explain;
mod gates;
mod performance;
mod rank;
mod readiness;
mod requirements;
pub mod scaling;
pub mod stats;
pub mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use card::{CategoryScore, Eligibility, GateOutcome, Interval, ScoreItem, Scorecard, VendorScore};
pub use compare::{Change, Changes, compare};
pub use decision::{Against, Compared, Decision, Decisions, decisions};
pub use explain::explain;
pub use readiness::{ApplicationVerdict, Decider, Readiness};
pub use requirements::{RequirementOutcome, Standing};
pub use scaling::sweeps;

use crate::config::Profile;
use crate::model::{Category, GateVerdict, VendorState};
use crate::store::Run;
use draft::{Draft, Source};

/// Scores every vendor of the runs by one profile and compares them. A vendor of several runs stands once per run.
///
/// All are priced on the workload of the first run.
pub fn score(runs: &[Run], profile: &Profile) -> Scorecard {
    let sources: Vec<Source<'_>> = runs.iter().flat_map(|run| run.vendors.iter().map(move |vendor| Source { run, vendor })).collect();
    let drafts: Vec<Vec<Draft>> = sources.iter().map(|source| drafts(source, profile, runs)).collect();
    let gates: Vec<Vec<GateOutcome>> = sources.iter().zip(&drafts).map(|(source, drafts)| gates_of(source, drafts, profile)).collect();
    let eligibilities: Vec<Eligibility> =
        sources.iter().zip(&gates).map(|(source, gates)| gates::eligibility(&source.vendor.record.state, gates)).collect();
    let weights = rank::weights(&profile.weights, &compared(&sources, &drafts, &eligibilities));
    let mut vendors: Vec<VendorScore> = Vec::new();
    for (((source, drafts), gates), eligibility) in sources.iter().zip(drafts).zip(gates).zip(eligibilities) {
        let mut vendor = VendorScore {
            vendor: source.vendor.record.vendor.clone(),
            run: source.run.header.run.clone(),
            categories: drafts.into_iter().zip(weights).map(|(draft, weight)| draft.finish(weight)).collect(),
            gates,
            eligibility,
            overall: None,
            geometric: None,
            rank: None,
            leading: false,
            requirements: Vec::new(),
            applications: Vec::new(),
        };
        if vendor.eligibility != Eligibility::PriceOnly {
            vendor.requirements = requirements::requirements(source);
            vendor.applications = readiness::readiness(&compatibility::cases(source), &source.run.header.applications);
            (vendor.overall, vendor.geometric) = rank::overall(&vendor);
        }
        vendors.push(vendor);
    }
    rank::rank(&mut vendors);
    let notes = notes(runs, profile, &weights, &vendors);
    Scorecard { model_version: table::VERSION, model_hash: table::hash(profile), vendors, notes }
}

impl Scorecard {
    /// Whether a gate of any vendor is not met (exit code 10).
    pub fn has_gate_not_met(&self) -> bool {
        self.vendors.iter().flat_map(|vendor| &vendor.gates).any(|gate| gate.verdict == GateVerdict::NotMet)
    }
    /// Whether too many cases of any vendor are unresolved (exit code 11).
    pub fn has_too_many_unresolved(&self) -> bool {
        self.vendors.iter().flat_map(|vendor| &vendor.gates).any(|gate| gate.name == gates::UNRESOLVED && gate.verdict != GateVerdict::Met)
    }
}

/// In the order of [`Category::ALL`].
fn drafts(source: &Source<'_>, profile: &Profile, runs: &[Run]) -> Vec<Draft> {
    let workload = runs.first().map_or(&source.run.header.workload, |run| &run.header.workload);
    let mut operability = Draft::new(Category::Operability, Vec::new());
    operability.leave_out("not tested in this version of proofmark: not counted".to_owned());
    let cost = cost::score(source, profile, workload);
    if source.vendor.record.state == VendorState::PriceOnly {
        let only_priced = |category| {
            let mut draft = Draft::new(category, Vec::new());
            draft.leave_out("only prices are known".to_owned());
            draft
        };
        let [compatibility, durability, performance] = [Category::Compatibility, Category::Durability, Category::Performance].map(only_priced);
        return vec![compatibility, durability, performance, cost, operability];
    }
    vec![compatibility::score(source), durability::score(source), performance::score(source, profile), cost, operability]
}

fn gates_of(source: &Source<'_>, drafts: &[Draft], profile: &Profile) -> Vec<GateOutcome> {
    if source.vendor.record.state == VendorState::PriceOnly { Vec::new() } else { gates::judge(source, drafts, &profile.gates) }
}

/// The drafts of the vendors that decide what is compared; all measured ones where none is complete.
fn compared<'a>(sources: &[Source<'_>], drafts: &'a [Vec<Draft>], eligibilities: &[Eligibility]) -> Vec<&'a [Draft]> {
    let pick = |wanted: &dyn Fn(usize) -> bool| -> Vec<&'a [Draft]> {
        drafts.iter().enumerate().filter(|(index, _)| wanted(*index)).map(|(_, drafts)| drafts.as_slice()).collect()
    };
    let state = |index: usize| &sources[index].vendor.record.state;
    let complete = pick(&|index| rank::is_compared(state(index), &eligibilities[index]));
    if !complete.is_empty() {
        return complete;
    }
    pick(&|index| !matches!(state(index), VendorState::PriceOnly | VendorState::Abandoned(_)))
}

/// What qualifies the whole comparison.
fn notes(runs: &[Run], profile: &Profile, weights: &[f64; 5], vendors: &[VendorScore]) -> Vec<String> {
    let mut notes = Vec::new();
    let left_out = rank::left_out(&profile.weights, weights);
    if !left_out.is_empty() && vendors.iter().any(|vendor| vendor.overall.is_some()) {
        notes.push(format!("The overall score leaves out {}: not scored, or not to be counted, for every compared vendor.", left_out.join(", ")));
    }
    let mut said = BTreeSet::new();
    for vendor in vendors {
        let performance = vendor.categories.iter().find(|category| category.category == Category::Performance);
        if let Some(note) = performance.filter(|_| vendor.eligibility != Eligibility::PriceOnly).and_then(|category| category.note.as_ref())
            && said.insert(note.as_str())
        {
            notes.push(format!("Performance: {note}."));
        }
    }
    let hosts: BTreeSet<&str> = runs.iter().map(|run| run.header.host.name.as_str()).collect();
    if hosts.len() > 1 {
        notes.push(format!("The runs were made on different hosts: {}.", hosts.into_iter().collect::<Vec<_>>().join(", ")));
    }
    if runs.iter().skip(1).any(|run| run.header.workload != runs[0].header.workload) {
        notes.push(format!("The runs name different cost workloads: all are priced on that of {}.", runs[0].header.run));
    }
    if runs.iter().any(|run| run.header.profile != *profile) {
        notes.push("Some runs were made with another profile than the one they are scored by.".to_owned());
    }
    notes.extend(rank::order_note(vendors));
    notes
}
