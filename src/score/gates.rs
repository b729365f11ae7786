//! Gates: what must hold for a vendor to be eligible, whatever its score.

use std::collections::BTreeMap;

use super::compatibility::cases;
use super::draft::{Draft, Source};
use super::{Eligibility, GateOutcome};
use crate::config::{GateRules, Priority};
use crate::model::{CaseRecord, FailureClass, GateVerdict, Level, VendorState, Verdict};
use crate::store::covers;

/// Name of the gate on the share of unresolved cases; the run's exit code asks for it.
pub(super) const UNRESOLVED: &str = "unresolved_share";
/// Names of gates that make a vendor incomplete instead of not eligible start with this or with `required `, or are [`UNRESOLVED`].
const COVERAGE: &str = "coverage ";

type Cases<'a> = BTreeMap<&'a str, &'a CaseRecord>;

pub(super) fn judge(source: &Source<'_>, drafts: &[Draft], rules: &GateRules) -> Vec<GateOutcome> {
    let cases = cases(source);
    let mut gates = vec![
        class_gate(source, &cases, "no_unsafe_ignore", "nothing is accepted and then not enforced", |record| {
            record.class == Some(FailureClass::UnsafeIgnore)
        }),
        class_gate(source, &cases, "no_corrupt", "no data comes back different or is lost", |record| record.class == Some(FailureClass::Corrupt)),
        class_gate(source, &cases, "no_core_wrong_effect", "no core operation does something else than it must", |record| {
            record.class == Some(FailureClass::WrongEffect) && record.case.level == Level::Core
        }),
    ];
    let musts = source.run.requirements(source.vendor).filter(|requirement| requirement.priority == Priority::Must);
    let own = musts.map(|requirement| requirement.case.as_str());
    let mut required: Vec<&str> = rules.required.iter().map(String::as_str).chain(own).collect();
    required.sort_unstable();
    required.dedup();
    gates.extend(required.into_iter().map(|name| required_gate(source, &cases, name)));
    gates.extend(scenario_gates(source));
    gates.extend(drafts.iter().filter_map(|draft| coverage_gate(draft, rules.coverage_min)));
    gates.extend(unresolved_gate(&cases, rules.unresolved_max));
    gates
}

fn gate(name: impl Into<String>, verdict: GateVerdict, limit: impl Into<String>, observed: impl Into<String>) -> GateOutcome {
    GateOutcome { name: name.into(), verdict, limit: limit.into(), observed: observed.into(), deciders: Vec::new(), evidence: None }
}

/// Not met when a breaking case has no waiver, waived when each has one.
fn decided_by(source: &Source<'_>, mut outcome: GateOutcome, breaking: &[&CaseRecord], total: usize) -> GateOutcome {
    let (waived, open): (Vec<&CaseRecord>, Vec<&CaseRecord>) = breaking.iter().partition(|record| source.waiver(record.case.id.as_str()).is_some());
    outcome.verdict = match (open.is_empty(), waived.is_empty()) {
        (false, _) => GateVerdict::NotMet,
        (true, false) => GateVerdict::Waived,
        (true, true) => outcome.verdict,
    };
    if !breaking.is_empty() {
        outcome.observed = format!("{} of {total} cases break it, {} of them waived", breaking.len(), waived.len());
        outcome.deciders = open.iter().chain(&waived).map(|record| record.case.id.to_string()).collect();
        outcome.evidence = open.iter().chain(&waived).find_map(|record| source.evidence(record.evidence.as_deref()));
    }
    outcome
}

fn class_gate(source: &Source<'_>, cases: &Cases<'_>, name: &str, limit: &str, breaks: impl Fn(&CaseRecord) -> bool) -> GateOutcome {
    let ran = cases.values().filter(|record| record.verdict != Verdict::Untested).count();
    let verdict = if ran == 0 { GateVerdict::Untested } else { GateVerdict::Met };
    let is_used = |record: &&CaseRecord| source.run.unused(source.vendor, &record.case).is_none();
    let breaking: Vec<&CaseRecord> = cases.values().copied().filter(|record| breaks(record)).filter(is_used).collect();
    decided_by(source, gate(name, verdict, limit, format!("0 of {ran} cases break it")), &breaking, ran)
}

/// A case that must pass, or a suite of which every core case must.
fn required_gate(source: &Source<'_>, cases: &Cases<'_>, name: &str) -> GateOutcome {
    let limit = match name {
        case if case.contains("::") => "the case passes",
        row if row.contains('-') => "every case of the row passes",
        _ => "every core case of the suite passes",
    };
    let wanted: Vec<&CaseRecord> = cases.values().copied().filter(|record| covers(name, &record.case)).collect();
    let undecided: Vec<&CaseRecord> =
        wanted.iter().copied().filter(|record| matches!(record.verdict, Verdict::Untested | Verdict::Unresolved)).collect();
    let breaking: Vec<&CaseRecord> = wanted.iter().copied().filter(|record| matches!(record.verdict, Verdict::Fail | Verdict::Unsupported)).collect();
    let (verdict, observed) = match (wanted.len(), undecided.len()) {
        (0, _) => (GateVerdict::Untested, "no such case ran".to_owned()),
        (all, 0) => (GateVerdict::Met, format!("{all} of {all} pass")),
        (all, open) => (GateVerdict::Untested, format!("{open} of {all} are untested or unresolved")),
    };
    let mut outcome = gate(format!("required {name}"), verdict, limit, observed);
    outcome.deciders = undecided.iter().map(|record| record.case.id.to_string()).collect();
    decided_by(source, outcome, &breaking, wanted.len())
}

/// The gates that scenarios judged, one for all cells and repeats: the worst verdict decides, untested repeats do not.
fn scenario_gates(source: &Source<'_>) -> Vec<GateOutcome> {
    let mut gates: BTreeMap<String, GateOutcome> = BTreeMap::new();
    let mut counts: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for record in source.scenarios() {
        for judged in &record.gates {
            let name = format!("{} {}", record.scenario, judged.name);
            let decider = if record.cell.is_empty() { format!("#{}", record.repeat) } else { format!("{} #{}", record.cell, record.repeat) };
            let (met, all) = counts.entry(name.clone()).or_default();
            *met += u32::from(judged.verdict == GateVerdict::Met);
            *all += 1;
            let outcome = gates.entry(name.clone()).or_insert_with(|| gate(name, GateVerdict::Untested, &judged.limit, &judged.observed));
            if severity(judged.verdict) > severity(outcome.verdict) {
                outcome.verdict = judged.verdict;
                outcome.observed.clone_from(&judged.observed);
                outcome.evidence = source.evidence(judged.evidence.as_deref());
                outcome.deciders.clear();
            }
            if judged.verdict == outcome.verdict && judged.verdict != GateVerdict::Met {
                outcome.deciders.push(decider);
            }
        }
    }
    for (name, outcome) in &mut gates {
        let (met, all) = counts[name];
        if all > 1 {
            outcome.observed = format!("{} (met in {met} of {all})", outcome.observed);
        }
    }
    gates.into_values().collect()
}

fn severity(verdict: GateVerdict) -> u8 {
    match verdict {
        GateVerdict::Untested => 0,
        GateVerdict::Met => 1,
        GateVerdict::Waived => 2,
        GateVerdict::NotMet => 3,
    }
}

fn coverage_gate(draft: &Draft, least: f64) -> Option<GateOutcome> {
    let coverage = draft.gate_coverage?;
    let verdict = if coverage >= least { GateVerdict::Met } else { GateVerdict::Untested };
    let limit = format!("at least {:.0} % of the weight that this deployment can test", least * 100.0);
    Some(gate(format!("{COVERAGE}{}", draft.category), verdict, limit, format!("{:.1} %", coverage * 100.0)))
}

fn unresolved_gate(cases: &Cases<'_>, most: f64) -> Option<GateOutcome> {
    let ran: Vec<&&CaseRecord> = cases.values().filter(|record| record.verdict != Verdict::Untested).collect();
    let unresolved: Vec<String> =
        ran.iter().filter(|record| record.verdict == Verdict::Unresolved).map(|record| record.case.id.to_string()).collect();
    if ran.is_empty() {
        return None;
    }
    let share = unresolved.len() as f64 / ran.len() as f64;
    let verdict = if share <= most { GateVerdict::Met } else { GateVerdict::Untested };
    let limit = format!("at most {:.0} % of the cases are unresolved", most * 100.0);
    let observed = format!("{} of {} ({:.1} %)", unresolved.len(), ran.len(), share * 100.0);
    Some(GateOutcome { deciders: unresolved, ..gate(UNRESOLVED, verdict, limit, observed) })
}

pub(super) fn eligibility(state: &VendorState, gates: &[GateOutcome]) -> Eligibility {
    let broken: Vec<String> = gates.iter().filter(|gate| gate.verdict == GateVerdict::NotMet).map(|gate| gate.name.clone()).collect();
    if *state == VendorState::PriceOnly {
        return Eligibility::PriceOnly;
    }
    if !broken.is_empty() {
        return Eligibility::NotEligible(broken);
    }
    let decides = |name: &str| name.starts_with(COVERAGE) || name.starts_with("required ") || name == UNRESOLVED;
    let mut open: Vec<String> = match state {
        VendorState::Incomplete => vec!["the run did not finish".to_owned()],
        VendorState::Abandoned(reason) => vec![format!("could not be evaluated: {reason}")],
        VendorState::PriceOnly | VendorState::Complete => Vec::new(),
    };
    let untested = gates.iter().filter(|gate| gate.verdict == GateVerdict::Untested && decides(&gate.name));
    open.extend(untested.map(|gate| format!("{}: {}, needed: {}", gate.name, gate.observed, gate.limit)));
    if open.is_empty() { Eligibility::Eligible } else { Eligibility::Incomplete(open) }
}
