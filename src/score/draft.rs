//! A category before the vendors are compared, and where its records come from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::{CategoryScore, Interval, ScoreItem, stats};
use crate::model::{Category, Kind, PlannedVendor, ScenarioId, ScenarioRecord};
use crate::store::{Run, VendorRun};

/// One vendor of one run.
pub(super) struct Source<'a> {
    pub run: &'a Run,
    pub vendor: &'a VendorRun,
}

impl<'a> Source<'a> {
    fn plan(&self) -> Option<&'a PlannedVendor> {
        self.run.header.plan.vendors.iter().find(|planned| planned.vendor == self.vendor.record.vendor)
    }
    /// Cases that the profile asks for, also those that the plan leaves out for this vendor.
    pub fn planned_cases(&self) -> Vec<&'a str> {
        let Some(plan) = self.plan() else { return Vec::new() };
        let skipped = plan.skipped.iter().map(|skip| &skip.what).filter(|what| what.contains("::"));
        plan.cases.iter().chain(skipped).map(String::as_str).collect()
    }
    /// Planned cells of a kind, as scenario and cell.
    pub fn planned_cell_parts(&self, kind: Kind) -> BTreeSet<(String, String)> {
        let scenarios = self.plan().map(|plan| plan.scenarios.as_slice()).unwrap_or_default();
        scenarios.iter().filter(|line| is_of(line, kind)).map(|line| parts(line)).collect()
    }
    /// Planned cells of a kind, as item ids.
    pub fn planned_cells(&self, kind: Kind) -> BTreeSet<String> {
        self.planned_cell_parts(kind).into_iter().map(|(scenario, cell)| item_id(&ScenarioId(scenario), &cell)).collect()
    }
    /// Scenarios of a kind that the plan leaves out, with the reason.
    pub fn skipped(&self, kind: Kind) -> BTreeMap<String, String> {
        let skipped = self.plan().map(|plan| plan.skipped.as_slice()).unwrap_or_default();
        skipped.iter().filter(|skip| is_of(&skip.what, kind)).map(|skip| (skip.what.clone(), skip.reason.clone())).collect()
    }
    /// All scenario records in a stable order; of a repeat that a resumed run holds twice, the last.
    pub fn scenarios(&self) -> Vec<&'a ScenarioRecord> {
        let last: BTreeMap<_, _> =
            self.vendor.scenarios.iter().map(|record| ((&record.scenario, &record.cell, record.repeat, record.client.as_str()), record)).collect();
        last.into_values().collect()
    }
    pub fn records(&self, kind: Kind) -> impl Iterator<Item = &'a ScenarioRecord> + use<'a> {
        self.scenarios().into_iter().filter(move |record| record.kind == kind)
    }
    /// The day on which the run started.
    pub fn day(&self) -> Option<Date> {
        self.run.day()
    }
    /// Last day of the case's waiver, where one holds on the day of the run.
    pub fn waiver(&self, case: &str) -> Option<Date> {
        self.run.waiver(self.vendor, case).map(|waiver| waiver.until)
    }
    /// A path below the vendor's directory as a path below the run's.
    pub fn evidence(&self, path: Option<&str>) -> Option<String> {
        path.map(|path| format!("{}/{path}", self.vendor.record.vendor))
    }
}

fn is_of(line: &str, kind: Kind) -> bool {
    line.strip_prefix(kind.name()).is_some_and(|rest| rest.starts_with('/'))
}

/// `throughput/get-large get_object 32 MiB x4 #2` -> scenario and cell.
fn parts(line: &str) -> (String, String) {
    let line = line.rsplit_once(" #").map_or(line, |(line, _)| line);
    let (scenario, cell) = line.split_once(' ').unwrap_or((line, ""));
    (scenario.to_owned(), cell.to_owned())
}

/// Scenario and cell as one id.
pub(super) fn item_id(scenario: &ScenarioId, cell: &str) -> String {
    if cell.is_empty() { scenario.to_string() } else { format!("{scenario} {cell}") }
}

/// Six significant digits: enough to derive the score again.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (5 - value.abs().log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A category of one vendor before it is known which categories count.
pub(super) struct Draft {
    pub category: Category,
    pub items: Vec<ScoreItem>,
    pub note: Option<String>,
    /// Whether it may count in the overall score.
    pub counts: bool,
    /// Coverage that decides whether the vendor is incomplete; `None` = not decided by it.
    pub gate_coverage: Option<f64>,
}

impl Draft {
    pub fn new(category: Category, items: Vec<ScoreItem>) -> Self {
        let gate_coverage = coverage(items.iter());
        Self { category, items, note: None, counts: true, gate_coverage }
    }
    /// Keeps it out of the overall score and of the coverage gate.
    pub fn leave_out(&mut self, note: String) {
        self.note = Some(note);
        self.counts = false;
        self.gate_coverage = None;
    }
    pub fn never_incomplete(&mut self) {
        self.gate_coverage = None;
    }
    /// Counts the coverage gate without the untested items that `excused` names.
    pub fn leave_out_of_gate(&mut self, excused: impl Fn(&str) -> bool) {
        self.gate_coverage = coverage(self.items.iter().filter(|item| item.score.is_some() || !excused(&item.id)));
    }
    pub fn score(&self) -> Option<Interval> {
        let part = |part: fn(&Interval) -> f64| {
            stats::weighted_mean(self.items.iter().filter_map(|item| item.score.as_ref().map(|score| (item.weight, part(score)))))
        };
        Some(Interval { low: part(|score| score.low)?, value: part(|score| score.value)?, high: part(|score| score.high)? })
    }
    /// With its weight in the comparison.
    pub fn finish(self, weight: f64) -> CategoryScore {
        CategoryScore {
            category: self.category,
            weight,
            score: self.score(),
            coverage: coverage(self.items.iter()).unwrap_or_default(),
            items: self.items,
            note: self.note,
        }
    }
}

/// Weight scored over weight planned; `None` where nothing was planned.
fn coverage<'a>(items: impl Iterator<Item = &'a ScoreItem>) -> Option<f64> {
    stats::weighted_mean(items.map(|item| (item.weight, f64::from(u8::from(item.score.is_some())))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planned_lines_fall_into_scenario_and_cell() {
        assert_eq!(parts("throughput/get-large get_object 32 MiB x4 #2"), ("throughput/get-large".into(), "get_object 32 MiB x4".into()));
        assert_eq!(parts("failure/upload-cut #1"), ("failure/upload-cut".into(), String::new()));
        assert_eq!(parts("failure/upload-cut  #1"), ("failure/upload-cut".into(), String::new()));
    }

    #[test]
    fn observed_numbers_keep_six_significant_digits() {
        let texts = [812.437_123, 0.000_123_456_7, 1_234_567.8, 0.0, 100.0].map(significant);
        assert_eq!(texts, ["812.437", "0.000123457", "1234568", "0", "100"]);
    }
}
