//! Tables of metrics: one row per cell and metric, one column per vendor, repeats folded into a value with an interval.

use serde::Serialize;

use super::columns::Source;
use crate::model::{Direction, Kind, Outcome, ScenarioRecord};
use crate::report::number::{number, optional};
use crate::score::stats;

/// The metrics of one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct MetricTable {
    /// `<kind>/<name>`.
    pub scenario: String,
    /// Short code, e.g. `T1`.
    pub code: String,
    /// Title for people.
    pub title: String,
    /// Whether any row has a cell name.
    pub has_cells: bool,
    pub rows: Vec<MetricRow>,
}

/// One metric of one cell.
#[derive(Debug, Clone, Serialize)]
pub struct MetricRow {
    /// Cell of the scenario's matrix, or empty.
    pub cell: String,
    /// Whether it is the first row of its cell.
    pub first: bool,
    /// Metric name.
    pub metric: String,
    /// Unit as printed.
    pub unit: String,
    /// `lower_better`, `higher_better` or `neutral`.
    pub direction: &'static str,
    /// In the order of the measured columns.
    pub cells: Vec<MetricCell>,
}

/// A metric of one vendor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricCell {
    /// `measured`, `unresolved`, `untested`, `n/a` (measured, but without this number) or `not run`.
    pub state: &'static str,
    /// Empty, or `>= ` where the client limited the measurement.
    pub bound: &'static str,
    /// The value over all repeats; empty where there is none.
    pub text: String,
    /// Ends of the 95 % interval; empty where there is none.
    pub low: String,
    pub high: String,
    /// Repeats or, for one repeat, empty.
    pub repeats: Vec<String>,
    /// Why it is untested, unresolved or a lower bound.
    pub reason: String,
    /// The number behind the text, for charts.
    #[serde(skip)]
    pub value: Option<f64>,
    /// The interval behind the texts, for charts.
    #[serde(skip)]
    pub interval: Option<(f64, f64)>,
}

/// The repeats of one cell of a scenario at one vendor.
pub fn repeats<'a>(source: &Source<'a>, scenario: &str, cell: &str) -> Vec<&'a ScenarioRecord> {
    source.vendor.scenarios.iter().filter(|record| record.scenario.as_str() == scenario && record.cell == cell).collect()
}

/// Every `(scenario, cell)` of a kind, in the order of first appearance over all vendors.
pub fn cells(sources: &[&Source<'_>], kind: Kind) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for record in sources.iter().flat_map(|source| &source.vendor.scenarios).filter(|record| record.kind == kind) {
        let key = (record.scenario.to_string(), record.cell.clone());
        if !found.contains(&key) {
            found.push(key);
        }
    }
    found
}

/// The tables of all scenarios of a kind.
pub fn tables(sources: &[&Source<'_>], kind: Kind) -> Vec<MetricTable> {
    let mut tables: Vec<MetricTable> = Vec::new();
    for (scenario, cell) in cells(sources, kind) {
        let rows = rows(sources, &scenario, &cell);
        match tables.iter_mut().find(|table| table.scenario == scenario) {
            Some(table) => table.rows.extend(rows),
            None => {
                let any = sources.iter().flat_map(|source| &source.vendor.scenarios).find(|record| record.scenario.as_str() == scenario);
                let (code, title) = any.map(|record| (record.code.clone(), record.title.clone())).unwrap_or_default();
                tables.push(MetricTable { scenario, code, title, has_cells: false, rows });
            }
        }
    }
    for table in &mut tables {
        table.has_cells = table.rows.iter().any(|row| !row.cell.is_empty());
    }
    tables
}

fn rows(sources: &[&Source<'_>], scenario: &str, cell: &str) -> Vec<MetricRow> {
    let records: Vec<Vec<&ScenarioRecord>> = sources.iter().map(|source| repeats(source, scenario, cell)).collect();
    let mut rows: Vec<MetricRow> = Vec::new();
    for metric in records.iter().flatten().flat_map(|record| &record.metrics) {
        if rows.iter().any(|row| row.metric == metric.name) {
            continue;
        }
        rows.push(MetricRow {
            cell: cell.to_owned(),
            first: rows.is_empty(),
            metric: metric.name.clone(),
            unit: metric.unit.clone(),
            direction: metric.direction.name(),
            cells: records.iter().map(|repeats| fold(repeats, &metric.name, metric.direction)).collect(),
        });
    }
    if rows.is_empty() && records.iter().any(|repeats| !repeats.is_empty()) {
        rows.push(MetricRow {
            cell: cell.to_owned(),
            first: true,
            metric: "outcome".to_owned(),
            unit: String::new(),
            direction: Direction::Neutral.name(),
            cells: records.iter().map(|repeats| fold(repeats, "outcome", Direction::Neutral)).collect(),
        });
    }
    rows
}

/// Folds the repeats of a metric into one cell.
pub fn fold(records: &[&ScenarioRecord], metric: &str, direction: Direction) -> MetricCell {
    let values: Vec<Option<f64>> = records.iter().map(|record| record.metric(metric)).collect();
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let (state, reason) = state(records, !known.is_empty());
    let limited = records.iter().find_map(|record| record.client_load.as_ref().and_then(|load| load.limited.clone()));
    let bound = if limited.is_some() && direction == Direction::HigherBetter && !known.is_empty() { ">= " } else { "" };
    let (value, interval) = stats::center_and_interval(&known);
    MetricCell {
        state,
        bound,
        text: optional(value),
        low: interval.map(|(low, _)| number(low)).unwrap_or_default(),
        high: interval.map(|(_, high)| number(high)).unwrap_or_default(),
        repeats: if values.len() > 1 { values.iter().map(|value| optional(*value)).collect() } else { Vec::new() },
        reason: if bound.is_empty() { reason } else { limited.unwrap_or_default() },
        value,
        interval,
    }
}

fn state(records: &[&ScenarioRecord], has_value: bool) -> (&'static str, String) {
    if has_value {
        return ("measured", String::new());
    }
    let worst = records.iter().find_map(|record| match &record.outcome {
        Outcome::Measured => None,
        Outcome::Untested(reason) => Some(("untested", reason.clone())),
        Outcome::Unresolved(reason) => Some(("unresolved", reason.clone())),
    });
    match worst {
        Some(found) => found,
        None if records.is_empty() => ("not run", String::new()),
        None => ("n/a", String::new()),
    }
}
