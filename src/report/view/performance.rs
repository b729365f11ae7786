//! Section 7: throughput and latency per scenario, cell and vendor.

use serde::Serialize;

use super::columns::Source;
use super::comparison::{self, Comparison, ScalingRow};
use super::faults::{GateRow, MOST_CHARTS, gates, marks};
use super::metrics::{self, MetricRow, MetricTable};
use super::{Notes, slug};
use crate::model::Kind;
use crate::report::chart::{Bar, Chart, Marks, Range};

/// Section 7.
#[derive(Debug, Clone, Serialize)]
pub struct Performance {
    /// The sentence on every chart in demo and lab settings; empty in the others.
    pub caveat: String,
    /// The vendors by the decision metrics; one per run that compares some.
    pub comparisons: Vec<Comparison>,
    pub scenarios: Vec<PerformanceScenario>,
    /// One row per gate of each scenario and cell.
    pub gates: Vec<GateRow>,
    /// Rates over time.
    pub series: Vec<Chart>,
    /// Charts left out to keep the report small.
    pub more_charts: usize,
    /// Lines of `scaling.csv`.
    #[serde(skip)]
    pub scaling_lines: Vec<Vec<String>>,
}

/// A throughput scenario.
#[derive(Debug, Clone, Serialize)]
pub struct PerformanceScenario {
    pub table: MetricTable,
    /// How each vendor scales: one row per sweep of concurrency.
    pub scaling: Vec<ScalingRow>,
    /// Bars of its first higher-is-better metric, and ranges of its latency percentiles.
    pub charts: Vec<Chart>,
}

pub fn performance(sources: &[&Source<'_>], notes: &Notes) -> Performance {
    let mut budget = MOST_CHARTS * 2;
    let mut more_charts = 0;
    let scalings = comparison::scalings(sources);
    let mut scenarios = Vec::new();
    for table in metrics::tables(sources, Kind::Throughput) {
        let mut charts: Vec<Chart> = bars(sources, &table, notes).into_iter().chain(ranges(sources, &table, notes)).collect();
        more_charts += charts.len().saturating_sub(budget);
        charts.truncate(budget);
        budget -= charts.len();
        scenarios.push(PerformanceScenario { scaling: comparison::scaling_rows(&table.scenario, &scalings), table, charts });
    }
    let mut series: Vec<Chart> = sources.iter().flat_map(|source| time_series(source, notes)).collect();
    more_charts += series.len().saturating_sub(MOST_CHARTS);
    series.truncate(MOST_CHARTS);
    Performance {
        caveat: notes.performance.clone(),
        comparisons: comparison::comparisons(sources),
        scenarios,
        gates: gates(sources, Kind::Throughput),
        series,
        more_charts,
        scaling_lines: comparison::scaling_lines(sources, &scalings),
    }
}

/// Most rows of one chart; the tables hold all of them.
const MOST_ROWS: usize = 48;

/// Ends a description with what the chart leaves out.
fn left_out(rows: usize) -> String {
    if rows > MOST_ROWS { format!(" The first {MOST_ROWS} of {rows} rows; the table holds all of them.") } else { String::new() }
}

/// The axis label, with the caveat of demo and lab settings.
fn axis(text: &str, notes: &Notes) -> String {
    if notes.performance.is_empty() { text.to_owned() } else { format!("{text}\n{}", notes.performance) }
}

fn cell_text(cell: &metrics::MetricCell) -> String {
    match (cell.state, cell.low.is_empty()) {
        ("measured", true) => format!("{}{}", cell.bound, cell.text),
        ("measured", false) => format!("{}{} ({}–{})", cell.bound, cell.text, cell.low, cell.high),
        (state, _) => state.to_owned(),
    }
}

/// The rows of the metric that leads: the first that is better when higher.
fn bars(sources: &[&Source<'_>], table: &MetricTable, notes: &Notes) -> Option<Chart> {
    let lead = table.rows.iter().find(|row| row.direction == "higher_better")?;
    let mut rows = Vec::new();
    let mut best: Option<(f64, String)> = None;
    for row in table.rows.iter().filter(|row| row.metric == lead.metric) {
        for (index, (cell, source)) in row.cells.iter().zip(sources).enumerate() {
            if cell.value.is_some_and(|value| best.as_ref().is_none_or(|(most, _)| value > *most)) {
                best = cell.value.map(|value| (value, format!("{} {} at {}", cell_text(cell), lead.unit, source.column.key)));
            }
            rows.push(Bar {
                group: if index == 0 { row.cell.clone() } else { String::new() },
                label: source.column.key.clone(),
                series: source.column.series,
                value: cell.value,
                interval: cell.interval,
                text: cell_text(cell),
            });
        }
    }
    let left_out = left_out(rows.len());
    rows.truncate(MOST_ROWS);
    Some(Chart {
        id: format!("c-{}", slug(&table.scenario)),
        title: format!("{} {}: {}", table.code, table.title, lead.metric),
        description: format!("Most: {}.{left_out}", best.map(|(_, text)| text).unwrap_or_else(|| "nothing was measured".to_owned())),
        axis: axis(&format!("{}, higher is better →", lead.unit), notes),
        marks: Marks::Bars(rows),
    })
}

/// p50, p99 and p99.9 on a logarithmic axis, for the latency family that has the most of them.
fn ranges(sources: &[&Source<'_>], table: &MetricTable, notes: &Notes) -> Option<Chart> {
    let is_latency = |row: &&MetricRow| row.metric.contains("latency_ms_p");
    let family = table.rows.iter().find(is_latency)?.metric.split("_p").next()?.to_owned();
    let mut cells: Vec<&str> = table.rows.iter().filter(is_latency).map(|row| row.cell.as_str()).collect();
    cells.dedup();
    let mut rows = Vec::new();
    for cell in cells {
        let percentiles: Vec<&MetricRow> = ["_p50", "_p99", "_p99_9", "_p999"]
            .iter()
            .filter_map(|suffix| table.rows.iter().find(|row| row.cell == cell && row.metric == format!("{family}{suffix}")))
            .collect();
        for (index, source) in sources.iter().enumerate() {
            let points: Vec<f64> = percentiles.iter().filter_map(|row| row.cells[index].value).filter(|value| *value > 0.0).collect();
            let texts: Vec<String> = percentiles.iter().map(|row| cell_text(&row.cells[index])).collect();
            rows.push(Range {
                group: if index == 0 { cell.to_owned() } else { String::new() },
                label: source.column.key.clone(),
                series: source.column.series,
                text: if points.is_empty() { texts.first().cloned().unwrap_or_default() } else { plain(&percentiles, index) },
                points,
            });
        }
    }
    let left_out = left_out(rows.len());
    rows.truncate(MOST_ROWS);
    Some(Chart {
        id: format!("c-{}-latency", slug(&table.scenario)),
        title: format!("{} {}: {family}, p50 ● p99 | p99.9 |", table.code, table.title),
        description: format!("Latency percentiles of each vendor; the numbers stand in the table below.{left_out}"),
        axis: axis("ms, logarithmic axis, lower is better ←", notes),
        marks: Marks::Ranges(rows),
    })
}

fn plain(percentiles: &[&MetricRow], index: usize) -> String {
    let texts = percentiles.iter().map(|row| row.cells[index].text.as_str());
    texts.map(|text| if text.is_empty() { "n/a" } else { text }).collect::<Vec<_>>().join(" · ")
}

/// The rate over time of the first repeat of each cell.
fn time_series(source: &Source<'_>, notes: &Notes) -> Vec<Chart> {
    let records = source.vendor.scenarios.iter().filter(|record| record.kind == Kind::Throughput && record.repeat == 1);
    records
        .filter_map(|record| {
            let marks = marks(&record.series, &record.windows, source.column.series)?;
            Some(Chart {
                id: format!("c-{}-{}-{}-time", slug(record.scenario.as_str()), slug(&record.cell), slug(&source.column.key)),
                title: format!("{} {}: {}", record.code, if record.cell.is_empty() { &record.title } else { &record.cell }, source.column.key),
                description: format!("Operations per second over {} s of repeat 1.", crate::report::number::number(marks.end_s)),
                axis: axis("operations per s", notes),
                marks: Marks::Lines(marks),
            })
        })
        .collect()
}
