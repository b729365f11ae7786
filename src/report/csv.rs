//! `results.csv`, `scores.csv`, `cost.csv`, `comparison.csv` and `scaling.csv`: RFC 4180, one header, tidy long form. A missing value is an empty cell.

use super::View;
use super::number::{number, optional, score};
use super::view::comparison::{COMPARISON_COLUMNS, SCALING_COLUMNS};
use super::view::metrics::fold;
use super::view::{columns, metrics};
use crate::cost::COST_COLUMNS;
use crate::model::{Category, Direction, GateVerdict, Kind, Measure, Outcome, ScenarioRecord};
use crate::score::{ScoreItem, Scorecard};
use crate::store::Run;

/// Header of `results.csv`.
const RESULTS: [&str; 19] = [
    "run_id",
    "started_at",
    "vendor",
    "vendor_version",
    "category",
    "scenario",
    "repeat",
    "metric",
    "unit",
    "direction",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "status",
    "score",
    "weight",
    "gate",
    "evidence",
];
/// Header of `scores.csv`.
const SCORES: [&str; 13] = [
    "run_id",
    "vendor",
    "category",
    "item",
    "observed",
    "rule",
    "score_low",
    "score",
    "score_high",
    "weight",
    "category_weight",
    "coverage_percent",
    "evidence",
];

/// Writes rows whose text cells may hold anything; numeric cells pass through `guard` unchanged.
struct Table(csv::Writer<Vec<u8>>);

impl Table {
    fn new(header: &[&str]) -> Self {
        let mut table = Self(csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new()));
        table.0.write_record(header).expect("writing to memory cannot fail");
        table
    }
    fn row(&mut self, cells: &[String]) {
        let cells: Vec<String> = cells.iter().map(|cell| guard(cell)).collect();
        self.0.write_record(&cells).expect("every row has as many cells as the header");
    }
    fn finish(self) -> String {
        let bytes = self.0.into_inner().expect("writing to memory cannot fail");
        String::from_utf8(bytes).expect("only text was written")
    }
}

/// Keeps spreadsheets from running a text as a formula. Numbers stay as they are, negative ones too.
fn guard(cell: &str) -> String {
    let risky = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if risky && cell.parse::<f64>().is_err() { format!("'{cell}") } else { cell.to_owned() }
}

/// The cells of one row of `results.csv`; what is not set stays empty.
#[derive(Default)]
struct Row {
    category: &'static str,
    scenario: String,
    repeat: String,
    metric: String,
    unit: String,
    direction: &'static str,
    value: String,
    low: String,
    high: String,
    n: String,
    status: &'static str,
    score: String,
    weight: String,
    gate: String,
    evidence: String,
}

/// `results.csv`: every verdict, metric, gate and score.
pub fn results(runs: &[Run], card: &Scorecard) -> String {
    let mut table = Table::new(&RESULTS);
    for source in columns::sources(runs, card) {
        let column = &source.column;
        let head = [column.run.clone(), source.run.header.started_at.clone(), column.key.clone(), column.version.clone()];
        let rows = case_rows(&source).into_iter().chain(demand_rows(&source)).chain(scenario_rows(&source)).chain(score_rows(&source));
        for row in rows {
            let [run, started, vendor, version] = head.clone();
            table.row(&[
                run,
                started,
                vendor,
                version,
                row.category.to_owned(),
                row.scenario,
                row.repeat,
                row.metric,
                row.unit,
                row.direction.to_owned(),
                row.value,
                row.low,
                row.high,
                row.n,
                row.status.to_owned(),
                row.score,
                row.weight,
                row.gate,
                row.evidence,
            ]);
        }
    }
    table.finish()
}

fn item<'a>(source: &columns::Source<'a>, category: Category, id: &str) -> Option<&'a ScoreItem> {
    source.score?.categories.iter().find(|part| part.category == category)?.items.iter().find(|item| item.id == id)
}

fn case_rows(source: &columns::Source<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (id, record) in super::view::cases::last_records(source) {
        let item = item(source, Category::Compatibility, id);
        let new = || Row {
            category: Category::Compatibility.name(),
            scenario: id.to_owned(),
            evidence: source.evidence(record.evidence.as_deref()).map(|link| link.href).unwrap_or_default(),
            ..Row::default()
        };
        rows.push(Row {
            metric: "verdict".to_owned(),
            status: record.verdict.name(),
            score: optional_score(item),
            weight: item.map(|item| number(item.weight)).unwrap_or_default(),
            ..new()
        });
        if let Some(class) = record.class {
            rows.push(Row { metric: "failure_class".to_owned(), status: class.name(), ..new() });
        }
        rows.extend(record.measures.iter().map(|measure| measure_row(measure, new())));
    }
    rows
}

/// A number that a case found out.
fn measure_row(measure: &Measure, row: Row) -> Row {
    Row {
        metric: measure.name.clone(),
        unit: measure.unit.clone(),
        direction: Direction::Neutral.name(),
        value: optional(measure.value),
        low: optional(measure.low),
        high: optional(measure.high),
        n: measure.n.to_string(),
        status: if measure.value.is_some() { "measured" } else { "n/a" },
        ..row
    }
}

/// What the buyer asked for, and which applications work.
fn demand_rows(source: &columns::Source<'_>) -> Vec<Row> {
    let Some(vendor) = source.score else { return Vec::new() };
    let new = |scenario: String, metric: String, status| Row { category: Category::Compatibility.name(), scenario, metric, status, ..Row::default() };
    let asked = vendor.requirements.iter().map(|outcome| {
        let metric = outcome.priority.map_or("waiver".to_owned(), |priority| format!("requirement_{}", priority.name()));
        new(outcome.name.clone(), metric, outcome.standing.name())
    });
    let usable =
        vendor.applications.iter().map(|verdict| new(format!("application/{}", verdict.id), "readiness".to_owned(), verdict.readiness.name()));
    asked.chain(usable).collect()
}

fn optional_score(item: Option<&ScoreItem>) -> String {
    item.and_then(|item| item.score).map(|interval| score(interval.value)).unwrap_or_default()
}

fn category(kind: Kind) -> Category {
    match kind {
        Kind::Throughput => Category::Performance,
        Kind::Failure => Category::Durability,
        Kind::Cost => Category::Cost,
        Kind::Operability => Category::Operability,
    }
}

fn name(record: &ScenarioRecord) -> String {
    format!("{} {}", record.scenario, record.cell).trim_end().to_owned()
}

/// Metrics and gates of each repeat, then each metric over all repeats where there are several.
fn scenario_rows(source: &columns::Source<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for record in &source.vendor.scenarios {
        let (status, _) = outcome(&record.outcome);
        let new = || Row {
            category: category(record.kind).name(),
            scenario: name(record),
            repeat: record.repeat.to_string(),
            evidence: source.evidence(record.evidence.as_deref()).map(|link| link.href).unwrap_or_default(),
            ..Row::default()
        };
        if record.metrics.is_empty() {
            rows.push(Row { metric: "outcome".to_owned(), status, ..new() });
        }
        rows.extend(record.metrics.iter().map(|metric| Row {
            metric: metric.name.clone(),
            unit: metric.unit.clone(),
            direction: metric.direction.name(),
            value: optional(metric.value),
            n: metric.n.to_string(),
            status: if metric.value.is_none() && status == "measured" { "n/a" } else { status },
            ..new()
        }));
        rows.extend(record.gates.iter().map(|gate| Row { metric: "gate".to_owned(), gate: gate.name.clone(), status: gate.verdict.name(), ..new() }));
        let repeats = metrics::repeats(source, record.scenario.as_str(), &record.cell);
        if repeats.len() > 1 && record.repeat == repeats[0].repeat {
            rows.extend(folded_rows(record, &repeats));
        }
    }
    rows
}

fn folded_rows(record: &ScenarioRecord, repeats: &[&ScenarioRecord]) -> Vec<Row> {
    let fold = |metric: &crate::model::Metric| {
        let cell = fold(repeats, &metric.name, metric.direction);
        Row {
            category: category(record.kind).name(),
            scenario: name(record),
            metric: metric.name.clone(),
            unit: metric.unit.clone(),
            direction: metric.direction.name(),
            value: cell.text,
            low: cell.low,
            high: cell.high,
            n: cell.repeats.iter().filter(|value| !value.is_empty()).count().to_string(),
            status: cell.state,
            ..Row::default()
        }
    };
    record.metrics.iter().map(fold).collect()
}

fn outcome(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Measured => ("measured", ""),
        Outcome::Untested(reason) => ("untested", reason),
        Outcome::Unresolved(reason) => ("unresolved", reason),
    }
}

/// The scores of the categories and the gates of the whole vendor.
fn score_rows(source: &columns::Source<'_>) -> Vec<Row> {
    let Some(vendor) = source.score else { return Vec::new() };
    let mut rows: Vec<Row> = Vec::new();
    for part in &vendor.categories {
        let (low, high) = part.score.map(|interval| (score(interval.low), score(interval.high))).unwrap_or_default();
        rows.push(Row {
            category: part.category.name(),
            metric: "score".to_owned(),
            unit: "points of 100".to_owned(),
            direction: Direction::HigherBetter.name(),
            value: part.score.map(|interval| score(interval.value)).unwrap_or_default(),
            low,
            high,
            status: if part.score.is_some() { "measured" } else { "untested" },
            weight: number(part.weight),
            ..Row::default()
        });
    }
    rows.extend(vendor.gates.iter().map(|gate| Row {
        category: "overall",
        metric: "gate".to_owned(),
        gate: gate.name.clone(),
        status: gate.verdict.name(),
        evidence: gate.evidence.as_deref().map(|path| source.link(path).href).unwrap_or_default(),
        ..Row::default()
    }));
    rows
}

/// `scores.csv`: the parts of every score, so that each can be added up again.
pub fn scores(runs: &[Run], card: &Scorecard) -> String {
    let mut table = Table::new(&SCORES);
    let text = |interval: Option<crate::score::Interval>| match interval {
        Some(interval) => [score(interval.low), score(interval.value), score(interval.high)],
        None => Default::default(),
    };
    for source in columns::sources(runs, card) {
        let Some(vendor) = source.score else { continue };
        let head = [source.column.run.clone(), source.column.key.clone()];
        let mut row = |middle: [String; 4], interval, weight: String, category_weight: String, coverage: String, evidence: String| {
            let [low, value, high] = text(interval);
            let tail = [low, value, high, weight, category_weight, coverage, evidence];
            table.row(&head.iter().cloned().chain(middle).chain(tail).collect::<Vec<_>>());
        };
        for part in &vendor.categories {
            for item in &part.items {
                let evidence = item.evidence.as_deref().map(|path| source.link(path).href).unwrap_or_default();
                let middle = [part.category.name().to_owned(), item.id.clone(), item.observed.clone(), item.rule.clone()];
                row(middle, item.score, number(item.weight), String::new(), String::new(), evidence);
            }
            let middle = [part.category.name().to_owned(), String::new(), String::new(), part.note.clone().unwrap_or_default()];
            row(middle, part.score, String::new(), number(part.weight), number(part.coverage * 100.0), String::new());
        }
        let middle = ["overall".to_owned(), String::new(), String::new(), standing(vendor)];
        row(middle, vendor.overall, String::new(), String::new(), String::new(), String::new());
    }
    table.finish()
}

fn standing(vendor: &crate::score::VendorScore) -> String {
    let (_, words, _, reasons) = super::view::scorecard::standing(&vendor.eligibility);
    let not_met = vendor.gates.iter().filter(|gate| gate.verdict == GateVerdict::NotMet).count();
    if reasons.is_empty() { words.to_owned() } else { format!("{words}: {} ({not_met} gates not met)", reasons.join("; ")) }
}

/// `cost.csv`: the lines of every bill: of the workload and of the run's own requests.
pub fn cost(view: &View) -> String {
    let mut header = vec!["run_id", "vendor", "basis"];
    header.extend(COST_COLUMNS);
    header.push("age");
    let mut table = Table::new(&header);
    for line in &view.cost.lines {
        table.row(line);
    }
    table.finish()
}

/// `comparison.csv`: each vendor against the leader of its run, by each decision metric.
pub fn comparison(view: &View) -> String {
    let mut table = Table::new(&COMPARISON_COLUMNS);
    view.performance.comparisons.iter().flat_map(|comparison| &comparison.lines).for_each(|line| table.row(line));
    table.finish()
}

/// `scaling.csv`: the law that fits each sweep of concurrency.
pub fn scaling(view: &View) -> String {
    let mut table = Table::new(&SCALING_COLUMNS);
    view.performance.scaling_lines.iter().for_each(|line| table.row(line));
    table.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_become_formulas_and_negative_numbers_stay_numbers() {
        for (cell, guarded) in [
            ("=cmd()", "'=cmd()"),
            ("+1+1", "'+1+1"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("-1.5", "-1.5"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(guard(cell), guarded);
        }
    }
}
