//! Performance: the profile's curves over the throughput scenarios' metrics, repeats combined by their median.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, Source, item_id, significant};
use super::{Interval, ScoreItem, stats};
use crate::config::{Curve, Profile};
use crate::model::{Category, Direction, Kind, Outcome, ScenarioRecord};

pub(super) fn score(source: &Source<'_>, profile: &Profile) -> Draft {
    let mut cells: BTreeMap<(String, String), Vec<&ScenarioRecord>> = BTreeMap::new();
    for (scenario, cell) in source.planned_cell_parts(Kind::Throughput) {
        cells.entry((scenario, cell)).or_default();
    }
    for record in source.records(Kind::Throughput) {
        cells.entry((record.scenario.to_string(), record.cell.clone())).or_default().push(record);
    }
    let mut items = Vec::new();
    for curve in profile.curves.iter().filter(|curve| curve.scenario.as_str().starts_with("throughput/")) {
        let of_scenario = cells.keys().filter(|(scenario, _)| scenario == curve.scenario.as_str()).map(|(_, cell)| cell.as_str());
        let matching = curve.cells(of_scenario);
        let weight = curve.weight / matching.len().max(1) as f64;
        if matching.is_empty() {
            items.push(untested(curve, &curve.cell, weight, "no cell of that name was planned"));
        }
        for cell in matching {
            let records = &cells[&(curve.scenario.to_string(), cell.to_owned())];
            items.push(item(source, curve, cell, records, weight));
        }
    }
    let is_debug = source.run.header.build_profile == "debug";
    if is_debug {
        for item in &mut items {
            item.score = None;
            item.rule = "a debug build measures itself: not scored".to_owned();
        }
    }
    judged(source, profile, Draft::new(Category::Performance, items), is_debug)
}

/// Says whether the category may count, and why not.
fn judged(source: &Source<'_>, profile: &Profile, mut draft: Draft, is_debug: bool) -> Draft {
    let setting = source.vendor.record.setting;
    let wanted: BTreeSet<&str> = profile.curves.iter().map(|curve| curve.scenario.as_str()).collect();
    let repeats = source.records(Kind::Throughput).filter(|record| wanted.contains(record.scenario.as_str())).map(|record| record.repeat).max();
    let reason = if is_debug {
        Some("measured by a debug build: not scored; build with --release".to_owned())
    } else if !setting.scores_performance() {
        Some("client and servers share a machine (demo or lab setting): not vendor performance, stays out of the overall score".to_owned())
    } else if repeats == Some(1) {
        Some("one repeat has no interval and is never ranked: stays out of the overall score; run at least 3 repeats".to_owned())
    } else {
        None
    };
    if let Some(reason) = reason {
        draft.leave_out(reason);
    }
    draft
}

fn untested(curve: &Curve, cell: &str, weight: f64, reason: &str) -> ScoreItem {
    ScoreItem {
        id: format!("{} {}", item_id(&curve.scenario, cell), curve.metric),
        score: None,
        weight,
        observed: format!("untested: {reason}"),
        rule: "not counted, lowers coverage".to_owned(),
        evidence: None,
    }
}

fn item(source: &Source<'_>, curve: &Curve, cell: &str, records: &[&ScenarioRecord], weight: f64) -> ScoreItem {
    // A resumed run may hold a repeat twice: the last record of each counts.
    let repeats: BTreeMap<u32, &ScenarioRecord> = records.iter().map(|record| (record.repeat, *record)).collect();
    let values: Vec<f64> =
        repeats.values().filter(|record| record.outcome == Outcome::Measured).filter_map(|record| record.metric(&curve.metric)).collect();
    let (center, interval) = stats::center_and_interval(&values);
    let Some(center) = center else {
        let reason = records.iter().find_map(|record| match &record.outcome {
            Outcome::Untested(reason) | Outcome::Unresolved(reason) => Some(reason.as_str()),
            Outcome::Measured => None,
        });
        return untested(curve, cell, weight, reason.unwrap_or("not measured"));
    };
    let ln = |value: f64| stats::curve(curve.direction, value, curve.good, curve.median);
    let mut score = interval.map_or(Interval::exact(ln(center)), |(low, high)| Interval::around(ln(center), ln(low), ln(high)));
    let limited = records.iter().find_map(|record| record.client_load.as_ref().and_then(|load| load.limited.as_deref()));
    if limited.is_some() {
        score.high = 1.0;
    }
    let unit = records.iter().flat_map(|record| &record.metrics).find(|metric| metric.name == curve.metric).map_or("", |metric| metric.unit.as_str());
    ScoreItem {
        id: format!("{} {}", item_id(&curve.scenario, cell), curve.metric),
        score: Some(score),
        weight,
        observed: observed(center, interval, values.len(), unit, limited),
        rule: rule(curve, limited.is_some()),
        evidence: records.iter().find_map(|record| source.evidence(record.evidence.as_deref())),
    }
}

fn observed(center: f64, interval: Option<(f64, f64)>, repeats: usize, unit: &str, limited: Option<&str>) -> String {
    let spread = match interval {
        Some((low, high)) => format!("median of {repeats}, 95 % interval {} to {}", significant(low), significant(high)),
        None => "one repeat, no interval".to_owned(),
    };
    let limit = limited.map_or(String::new(), |reason| format!("; limited by the client: {reason}"));
    format!("{} {unit} ({spread}){limit}", significant(center))
}

fn rule(curve: &Curve, limited: bool) -> String {
    let better = if curve.direction == Direction::HigherBetter { "higher" } else { "lower" };
    let limit = if limited { "; the client was the limit, so up to 1" } else { "" };
    format!("LN, {better} is better: {} scores .9, {} scores .5{limit}", curve.good, curve.median)
}
