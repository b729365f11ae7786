//! Compatibility: every case by its level's weight and its verdict's value.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, Source};
use super::table::{level_weight, verdict_value};
use super::{Interval, ScoreItem, stats};
use crate::model::{CaseRecord, Category, Level, Verdict};

/// The last record of each case, by id: a resumed run may hold an earlier one.
pub(super) fn cases<'a>(source: &Source<'a>) -> BTreeMap<&'a str, &'a CaseRecord> {
    source.vendor.cases.iter().map(|record| (record.case.id.as_str(), record)).collect()
}

pub(super) fn score(source: &Source<'_>) -> Draft {
    let cases = cases(source);
    let decided =
        cases.values().filter_map(|record| verdict_value(record.verdict, record.class).map(|value| (level_weight(record.case.level), value)));
    let mean = stats::weighted_mean(decided).unwrap_or(0.5);
    let mut items: Vec<ScoreItem> = cases.values().map(|record| item(source, record, mean)).collect();
    let missing: BTreeSet<&str> = source.planned_cases().into_iter().filter(|id| !cases.contains_key(id)).collect();
    items.extend(missing.into_iter().map(not_run));
    items.sort_by(|a, b| a.id.cmp(&b.id));
    Draft::new(Category::Compatibility, items)
}

fn item(source: &Source<'_>, record: &CaseRecord, mean: f64) -> ScoreItem {
    let level = record.case.level;
    let weight = level_weight(level);
    let name = match record.class {
        Some(class) => format!("{}: {class}", record.verdict),
        None => record.verdict.to_string(),
    };
    let (score, worth) = match (verdict_value(record.verdict, record.class), record.verdict) {
        (Some(value), _) => (Some(Interval::exact(value)), format!("{name} = {value}")),
        (None, Verdict::Unresolved) => {
            (Some(Interval { low: 0.0, value: mean, high: 1.0 }), format!("{name} = 0 to 1, at the mean of the decided cases"))
        }
        (None, _) => (None, format!("{name}: not counted, lowers coverage")),
    };
    let waived = source.waiver(record.case.id.as_str()).map_or(String::new(), |until| format!("; waived until {until} (gates ignore it)"));
    ScoreItem {
        id: record.case.id.to_string(),
        score,
        weight,
        observed: record.reason.as_ref().map_or(name.clone(), |reason| format!("{name} ({reason})")),
        rule: format!("{level} (weight {weight}): {worth}{waived}"),
        evidence: source.evidence(record.evidence.as_deref()),
    }
}

/// A planned case without a record; its level is not known here, so it weighs as much as a case can.
fn not_run(id: &str) -> ScoreItem {
    ScoreItem {
        id: id.to_owned(),
        score: None,
        weight: level_weight(Level::Core),
        observed: "not run".to_owned(),
        rule: "planned, no record: not counted, lowers coverage".to_owned(),
        evidence: None,
    }
}
