//! Section 5: what survived which fault.

use serde::Serialize;

use super::columns::Source;
use super::metrics::{self, MetricTable};
use super::{Finding, Link, slug};
use crate::model::{GateVerdict, Kind, Outcome, ScenarioRecord, SeriesPoint, Window};
use crate::report::chart::{Chart, Line, Marks, Timeline};
use crate::report::number::{cut, number};

/// Section 5.
#[derive(Debug, Clone, Serialize)]
pub struct Durability {
    /// One row per fault scenario and cell; the last one is power loss, which no scenario can cause yet.
    pub matrix: Vec<FaultRow>,
    /// One row per gate of each scenario.
    pub gates: Vec<GateRow>,
    /// What each vendor declares about its consistency: shown, never scored.
    pub declared: Vec<String>,
    /// Recovery over time, with the fault shaded.
    pub charts: Vec<Chart>,
    /// Charts left out to keep the report small.
    pub more_charts: usize,
    /// The numbers.
    pub metrics: Vec<MetricTable>,
}

/// A fault at each vendor.
#[derive(Debug, Clone, Serialize)]
pub struct FaultRow {
    pub code: String,
    pub title: String,
    pub cell: String,
    pub cells: Vec<FaultCell>,
}

/// How a vendor came through a fault.
#[derive(Debug, Clone, Serialize)]
pub struct FaultCell {
    /// `met`, `not_met`, `waived`, `untested`, `unresolved` or `not run`; also the CSS class.
    pub state: &'static str,
    pub symbol: &'static str,
    pub text: String,
    /// Why, where it is not met or not tested.
    pub reason: String,
    /// Id of this place, or of the finding that it leads to.
    pub anchor: String,
    /// Whether a finding with that id exists.
    pub has_finding: bool,
}

/// A limit at each vendor.
#[derive(Debug, Clone, Serialize)]
pub struct GateRow {
    /// Scenario and cell, or empty for a gate of the whole vendor.
    pub scenario: String,
    pub name: String,
    pub limit: String,
    pub cells: Vec<GateCell>,
}

impl GateRow {
    /// Whether any vendor is in one of these states.
    pub fn has(&self, states: &[&str]) -> bool {
        self.cells.iter().any(|cell| states.contains(&cell.state))
    }
}

/// A limit at one vendor.
#[derive(Debug, Clone, Serialize)]
pub struct GateCell {
    /// As in CSV: `met`, `not_met`, `untested`, `waived`; empty where it does not exist.
    pub state: &'static str,
    /// The states of several repeats where they differ, else the one state.
    pub text: String,
    pub observed: String,
    pub evidence: Option<Link>,
}

/// Most charts of one kind in a report; the numbers of the others stand in the tables.
pub const MOST_CHARTS: usize = 24;

pub fn durability(sources: &[&Source<'_>], findings: &[Finding]) -> Durability {
    let cells = metrics::cells(sources, Kind::Failure);
    let mut matrix = Vec::new();
    let mut charts = Vec::new();
    let mut seen = Vec::new();
    for (scenario, cell) in &cells {
        let repeats: Vec<Vec<&ScenarioRecord>> = sources.iter().map(|source| metrics::repeats(source, scenario, cell)).collect();
        let Some(any) = repeats.iter().flatten().next() else { continue };
        let (code, title) = (any.code.clone(), any.title.clone());
        let mut row = FaultRow { code: code.clone(), title, cell: cell.clone(), cells: Vec::new() };
        for (source, records) in sources.iter().zip(&repeats) {
            row.cells.push(fault_cell(&code, &source.column.key, records, findings, &mut seen));
            charts.extend(records.first().and_then(|record| timeline(source, record)));
        }
        matrix.push(row);
    }
    matrix.push(power_loss(sources));
    let more_charts = charts.len().saturating_sub(MOST_CHARTS);
    charts.truncate(MOST_CHARTS);
    let declared = sources.iter().map(|source| source.vendor.record.file.declared_consistency.clone().unwrap_or_default()).collect();
    let gates = gates(sources, Kind::Failure);
    Durability { matrix, gates, declared, charts, more_charts, metrics: metrics::tables(sources, Kind::Failure) }
}

/// Power loss is always in the matrix: kill -9 cannot see a missing fsync, and silence would look like a pass.
fn power_loss(sources: &[&Source<'_>]) -> FaultRow {
    let cell = |source: &&Source<'_>| FaultCell {
        state: "untested",
        symbol: symbol("untested"),
        text: "not tested".to_owned(),
        reason: "no power-loss hook".to_owned(),
        anchor: format!("f-F18.{}", slug(&source.column.key)),
        has_finding: false,
    };
    FaultRow {
        code: "F18".to_owned(),
        title: "Power loss after acknowledged writes".to_owned(),
        cell: String::new(),
        cells: sources.iter().map(cell).collect(),
    }
}

fn symbol(state: &str) -> &'static str {
    match state {
        "met" => "✓",
        "not_met" => "✕",
        "waived" => "~",
        "unresolved" => "?",
        _ => "–",
    }
}

fn fault_cell(code: &str, key: &str, records: &[&ScenarioRecord], findings: &[Finding], seen: &mut Vec<String>) -> FaultCell {
    let (state, reason) = fault_state(records);
    let text = match state {
        "met" => "met",
        "not_met" => "not met",
        "waived" => "waived",
        "unresolved" => "unresolved",
        "not run" => "not run",
        _ => "not tested",
    };
    let mut anchor = format!("f-{}.{}", slug(code), slug(key));
    let has_finding = findings.iter().any(|finding| finding.anchor == anchor);
    if seen.contains(&anchor) && !has_finding {
        anchor = format!("{anchor}-{}", seen.len());
    }
    seen.push(anchor.clone());
    FaultCell { state, symbol: symbol(state), text: text.to_owned(), reason: cut(&reason, 200), anchor, has_finding }
}

/// The worst state over repeats and gates, with its reason. A scenario without a judged gate was not tested, whatever it measured.
fn fault_state(records: &[&ScenarioRecord]) -> (&'static str, String) {
    let gates = || records.iter().flat_map(|record| &record.gates);
    if let Some(gate) = gates().find(|gate| gate.verdict == GateVerdict::NotMet) {
        return ("not_met", format!("{}: {}", gate.name, gate.observed));
    }
    for record in records {
        match &record.outcome {
            Outcome::Unresolved(reason) => return ("unresolved", reason.clone()),
            Outcome::Untested(reason) => return ("untested", reason.clone()),
            Outcome::Measured => {}
        }
    }
    if records.is_empty() {
        return ("not run", String::new());
    }
    if let Some(gate) = gates().find(|gate| gate.verdict == GateVerdict::Waived) {
        return ("waived", gate.observed.clone());
    }
    if gates().any(|gate| gate.verdict == GateVerdict::Met) {
        return ("met", String::new());
    }
    ("untested", gates().next().map(|gate| gate.observed.clone()).unwrap_or_default())
}

/// The gates of all scenarios of a kind, cell by cell.
pub fn gates(sources: &[&Source<'_>], kind: Kind) -> Vec<GateRow> {
    let of_cell = |(scenario, cell): &(String, String)| {
        let repeats: Vec<Vec<&ScenarioRecord>> = sources.iter().map(|source| metrics::repeats(source, scenario, cell)).collect();
        gate_rows(sources, &repeats, &format!("{scenario} {cell}"))
    };
    metrics::cells(sources, kind).iter().flat_map(of_cell).collect()
}

/// One row per gate name, the repeats folded.
fn gate_rows(sources: &[&Source<'_>], repeats: &[Vec<&ScenarioRecord>], scenario: &str) -> Vec<GateRow> {
    let mut rows: Vec<GateRow> = Vec::new();
    for gate in repeats.iter().flatten().flat_map(|record| &record.gates) {
        if rows.iter().any(|row| row.name == gate.name) {
            continue;
        }
        let cells = sources.iter().zip(repeats).map(|(source, records)| gate_cell(source, records, &gate.name)).collect();
        rows.push(GateRow { scenario: scenario.trim_end().to_owned(), name: gate.name.clone(), limit: gate.limit.clone(), cells });
    }
    rows
}

fn gate_cell(source: &Source<'_>, records: &[&ScenarioRecord], name: &str) -> GateCell {
    let gates: Vec<_> = records.iter().filter_map(|record| record.gates.iter().find(|gate| gate.name == name)).collect();
    let worst = gates.iter().find(|gate| gate.verdict == GateVerdict::NotMet).or(gates.first());
    let Some(worst) = worst else { return GateCell { state: "", text: String::new(), observed: String::new(), evidence: None } };
    let alike = gates.iter().all(|gate| gate.verdict == worst.verdict);
    let text = if alike { worst.verdict.name().to_owned() } else { gates.iter().map(|gate| gate.verdict.name()).collect::<Vec<_>>().join(", ") };
    GateCell { state: worst.verdict.name(), text, observed: cut(&worst.observed, 240), evidence: source.evidence(worst.evidence.as_deref()) }
}

/// The rate of operations over time, with the fault shaded.
fn timeline(source: &Source<'_>, record: &ScenarioRecord) -> Option<Chart> {
    let marks = marks(&record.series, &record.windows, source.column.series)?;
    let faults: Vec<String> = record
        .windows
        .iter()
        .filter(|window| window.label == "fault")
        .map(|window| format!("fault from {} to {} s", number(window.start_ms / 1000.0), number(window.end_ms / 1000.0)))
        .collect();
    let failed: u64 = record.series.iter().map(|point| point.errors).sum();
    let cell = if record.cell.is_empty() { String::new() } else { format!(", {}", record.cell) };
    Some(Chart {
        id: format!("c-{}-{}-{}", slug(&record.code), slug(&record.cell), slug(&source.column.key)),
        title: format!("{} {}{cell}: {}", record.code, record.title, source.column.key),
        description: format!("Operations per second over time; {}; {failed} operations failed or are indeterminate.", faults.join(", ")),
        axis: "operations per s".to_owned(),
        marks: Marks::Lines(marks),
    })
}

/// Successful and failed operations per second; `None` for fewer than two points.
pub fn marks(series: &[SeriesPoint], windows: &[Window], color: usize) -> Option<Timeline> {
    let (first, second) = (series.first()?, series.get(1)?);
    let bucket_s = ((second.offset_ms - first.offset_ms) / 1000.0).max(0.001);
    let rate = |count: fn(&SeriesPoint) -> u64| -> Vec<(f64, f64)> {
        series.iter().map(|point| (point.offset_ms / 1000.0 + bucket_s / 2.0, count(point) as f64 / bucket_s)).collect()
    };
    let (ok, errors) = (rate(|point| point.ok), rate(|point| point.errors));
    let top = ok.iter().chain(&errors).map(|(_, value)| *value).fold(0.0, f64::max);
    let mut lines = vec![Line { label: "ok".to_owned(), series: Some(color), points: ok }];
    if errors.iter().any(|(_, value)| *value > 0.0) {
        lines.push(Line { label: "✕ failed".to_owned(), series: None, points: errors });
    }
    let end_s = series.last().map_or(0.0, |point| point.offset_ms / 1000.0 + bucket_s);
    let shades = windows.iter().filter(|window| window.label == "fault");
    let shades = shades.map(|window| (window.label.clone(), window.start_ms / 1000.0, window.end_ms / 1000.0)).collect();
    Some(Timeline { end_s, top, lines, shades })
}
