//! Durability: every failure scenario by its gates and, where they are met, by availability, recovery, errors and leaks.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, Source, item_id, significant};
use super::table::{FaultInputs, fault_score};
use super::{Interval, ScoreItem};
use crate::model::{Category, Deployment, GateVerdict, Kind, Outcome, ScenarioRecord};

const RULE: &str = "mean of the repeats, interval from the worst to the best; a gate not met = 0, else .40 LN(U; 1 s, 10 s) + .30 LN(R; 5 s, 30 s) \
                    + .20 correct errors + .10 no leak, \
                    rescaled without U (not claimed to tolerate) and leak (not looked for); \
                    not recovered within the watch = R from there to never";

pub(super) fn score(source: &Source<'_>) -> Draft {
    let mut groups: BTreeMap<String, Vec<&ScenarioRecord>> = BTreeMap::new();
    for record in source.records(Kind::Failure) {
        groups.entry(item_id(&record.scenario, &record.cell)).or_default().push(record);
    }
    let mut items: Vec<ScoreItem> = groups.iter().map(|(id, records)| item(source, id, records)).collect();
    let seen: BTreeSet<&str> = groups.keys().map(String::as_str).collect();
    let planned = source.planned_cells(Kind::Failure);
    items.extend(planned.iter().filter(|id| !seen.contains(id.as_str())).map(|id| untested(id, "not run")));
    let skipped = source.skipped(Kind::Failure);
    let unseen = |id: &str| !seen.contains(id) && !planned.contains(id);
    items.extend(skipped.iter().filter(|(id, _)| unseen(id)).map(|(id, reason)| untested(id, reason)));
    items.sort_by(|a, b| a.id.cmp(&b.id));
    let mut draft = Draft::new(Category::Durability, items);
    if source.vendor.record.file.deployment == Deployment::Managed {
        // Nobody can kill a managed vendor's servers, so what was left out beforehand does not make it incomplete.
        draft.leave_out_of_gate(|id| skipped.contains_key(id) || groups.get(id).is_some_and(|records| records.iter().all(is_untested)));
    }
    draft
}

fn is_untested(record: &&ScenarioRecord) -> bool {
    matches!(record.outcome, Outcome::Untested(_))
}

fn untested(id: &str, reason: &str) -> ScoreItem {
    ScoreItem {
        id: id.to_owned(),
        score: None,
        weight: 1.0,
        observed: format!("untested: {reason}"),
        rule: "not counted, lowers coverage".to_owned(),
        evidence: None,
    }
}

fn item(source: &Source<'_>, id: &str, records: &[&ScenarioRecord]) -> ScoreItem {
    let scores: Vec<Interval> = records.iter().filter_map(|record| repeat_score(record)).collect();
    let evidence = records.iter().find_map(|record| source.evidence(record.evidence.as_deref()));
    if scores.is_empty() {
        let reason = records.iter().find_map(|record| match &record.outcome {
            Outcome::Untested(reason) => Some(reason.as_str()),
            _ => None,
        });
        return ScoreItem { evidence, ..untested(id, reason.unwrap_or("no gate could be judged")) };
    }
    let mean = scores.iter().map(|score| score.value).sum::<f64>() / scores.len() as f64;
    let (low, high) = scores.iter().fold((1.0_f64, 0.0_f64), |(low, high), score| (low.min(score.low), high.max(score.high)));
    let observed: Vec<String> = records.iter().map(|record| observed(record)).collect();
    ScoreItem {
        id: id.to_owned(),
        score: Some(Interval::around(mean, low, high)),
        weight: 1.0,
        observed: observed.join("; "),
        rule: RULE.to_owned(),
        evidence,
    }
}

fn tolerates(record: &ScenarioRecord) -> bool {
    record.parameters.get("tolerates_fault").is_some_and(|claim| claim == "true")
}

/// False where the watch ended before the service was back: `recovery_s` is then a lower bound.
fn recovered(record: &ScenarioRecord) -> bool {
    record.parameters.get("recovered").is_none_or(|said| said == "true")
}

fn inputs(record: &ScenarioRecord) -> FaultInputs {
    FaultInputs {
        unavailable_s: if tolerates(record) { record.metric("unavailable_s") } else { None },
        recovery_s: record.metric("recovery_s"),
        correct_error_share: record.metric("correct_error_share"),
        leaked_parts: record.metric("leaked_parts"),
    }
}

/// The score of a repeat; `None` where it was not run or none of its gates could be judged.
fn repeat_score(record: &ScenarioRecord) -> Option<Interval> {
    let has = |verdict: GateVerdict| record.gates.iter().any(|gate| gate.verdict == verdict);
    if has(GateVerdict::NotMet) || has(GateVerdict::Waived) {
        return Some(Interval::exact(0.0));
    }
    match record.outcome {
        Outcome::Untested(_) => None,
        Outcome::Unresolved(_) => Some(Interval { low: 0.0, value: 0.5, high: 1.0 }),
        Outcome::Measured if !record.gates.is_empty() && !has(GateVerdict::Met) => None,
        Outcome::Measured => Some(measured_score(record)),
    }
}

fn measured_score(record: &ScenarioRecord) -> Interval {
    let inputs = inputs(record);
    let best = fault_score(&inputs);
    if recovered(record) {
        return Interval::exact(best);
    }
    let worst = fault_score(&FaultInputs { recovery_s: Some(f64::INFINITY), ..inputs });
    Interval { low: worst, value: f64::midpoint(worst, best), high: best }
}

fn observed(record: &ScenarioRecord) -> String {
    let text = match &record.outcome {
        Outcome::Untested(reason) => return format!("#{} untested: {reason}", record.repeat),
        Outcome::Unresolved(reason) => format!("unresolved: {reason}"),
        Outcome::Measured => {
            let inputs = inputs(record);
            let bound = if recovered(record) { "" } else { ">= " };
            let parts = [
                inputs.unavailable_s.map(|value| format!("U {} s", significant(value))),
                inputs.recovery_s.map(|value| format!("R {bound}{} s", significant(value))),
                inputs.correct_error_share.map(|share| format!("correct errors {}", significant(share))),
                inputs.leaked_parts.map(|parts| format!("leaked parts {}", significant(parts))),
            ];
            parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
    };
    let broken: Vec<&str> = record.gates.iter().filter(|gate| gate.verdict == GateVerdict::NotMet).map(|gate| gate.name.as_str()).collect();
    let gates = if broken.is_empty() { "no gate broken".to_owned() } else { format!("not met: {}", broken.join(", ")) };
    let separator = if text.is_empty() { "" } else { ", " };
    format!("#{} {text}{separator}{gates}", record.repeat)
}
