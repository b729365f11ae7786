//! Scenarios (throughput, failure, cost, operability) as they are recorded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ClientId, ScenarioId};

/// The kind of a scenario: its folder below `scenarios/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Load and its throughput and latency.
    Throughput,
    /// Faults under load, with a checked history.
    Failure,
    /// Prices.
    Cost,
    /// Work to run it.
    Operability,
}

impl Kind {
    /// The folder's name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Throughput => "throughput",
            Kind::Failure => "failure",
            Kind::Cost => "cost",
            Kind::Operability => "operability",
        }
    }
}

/// Which way of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Latency, loss, money.
    LowerBetter,
    /// Throughput, availability.
    HigherBetter,
    /// A fact without a better side.
    Neutral,
}

impl Direction {
    /// The word used in CSV.
    pub fn name(self) -> &'static str {
        match self {
            Direction::LowerBetter => "lower_better",
            Direction::HigherBetter => "higher_better",
            Direction::Neutral => "neutral",
        }
    }
}

/// A named number of one repeat. The unit is also part of the name (`latency_ms_p99`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Name with unit and statistic, most significant word first.
    pub name: String,
    /// Unit as printed, e.g. `ms`, `MiB/s`, `1`.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// `None` where it could not be measured; never 0 instead.
    pub value: Option<f64>,
    /// Samples behind it.
    pub n: u64,
}

/// What a gate said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// The limit holds.
    Met,
    /// The limit is broken.
    NotMet,
    /// There was nothing to judge; the reason stands in `observed`.
    Untested,
    /// Broken, but an agreed, dated exception covers it.
    Waived,
}

impl GateVerdict {
    /// The word used in CSV and the report.
    pub fn name(self) -> &'static str {
        match self {
            GateVerdict::Met => "met",
            GateVerdict::NotMet => "not_met",
            GateVerdict::Untested => "untested",
            GateVerdict::Waived => "waived",
        }
    }
}

/// A limit on something, met or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// Name, e.g. `no_acked_loss`.
    pub name: String,
    /// Met, not met or untested.
    pub verdict: GateVerdict,
    /// What the limit is, in words.
    pub limit: String,
    /// What was seen, in words.
    pub observed: String,
    /// Path of the evidence relative to the vendor's directory.
    pub evidence: Option<String>,
}

/// Whether a scenario's repeat produced numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ran to its end.
    Measured,
    /// It was not run, with the reason.
    Untested(String),
    /// It ran, but the harness cannot decide, with the reason.
    Unresolved(String),
}

/// One second (or one bucket) of a run, for charts over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// Start of the bucket, in ms from the start of the scenario's first phase.
    pub offset_ms: f64,
    /// Operations that succeeded.
    pub ok: u64,
    /// Operations that failed or are indeterminate.
    pub errors: u64,
    /// Object bytes moved, headers excluded.
    pub payload_bytes: u64,
    /// Median latency of the bucket.
    pub latency_ms_p50: Option<f64>,
    /// 99th percentile of the bucket.
    pub latency_ms_p99: Option<f64>,
}

/// A named span of the time series, e.g. the fault, to shade in charts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// `warm-up`, `baseline`, `fault`, `recovery`, ...
    pub label: String,
    /// Start, in ms from the start of the scenario's first phase.
    pub start_ms: f64,
    /// End, in ms.
    pub end_ms: f64,
}

/// What the client machine did while it measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientLoad {
    /// CPU of this process over the measured window, 100 = one core.
    pub cpu_percent: f64,
    /// Cores it may use.
    pub cores: u32,
    /// Why the result is a lower bound of the vendor (`>= X`), if it is.
    pub limited: Option<String>,
}

/// One line of `scenarios.jsonl`: one repeat of one cell of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScenarioRecord {
    /// `<kind>/<file stem>`.
    pub scenario: ScenarioId,
    /// Its kind.
    pub kind: Kind,
    /// Short code of the catalogue, e.g. `T1` or `F02`.
    pub code: String,
    /// Title for people.
    pub title: String,
    /// The cell of the scenario's matrix, e.g. `get_object 32 MiB x4`; empty where there is no matrix.
    pub cell: String,
    /// 1-based repeat.
    pub repeat: u32,
    /// Measured, untested or unresolved.
    pub outcome: Outcome,
    /// Parameters worth printing (payload mode, loop, fault), as text.
    pub parameters: BTreeMap<String, String>,
    /// Numbers.
    pub metrics: Vec<Metric>,
    /// Limits judged here.
    pub gates: Vec<Gate>,
    /// HDR histograms in microseconds (V2 deflate, base64) by operation, e.g. `get_object.service`.
    pub histograms: BTreeMap<String, String>,
    /// Over time.
    pub series: Vec<SeriesPoint>,
    /// Named spans of the series.
    pub windows: Vec<Window>,
    /// The client's own load.
    pub client_load: Option<ClientLoad>,
    /// Observations in plain sentences, each with enough detail to act on.
    pub findings: Vec<String>,
    /// Path of the evidence relative to the vendor's directory.
    pub evidence: Option<String>,
    /// Wall time in ms.
    pub duration_ms: f64,
    /// The client that ran it.
    pub client: ClientId,
}

impl ScenarioRecord {
    /// The first repeat of a scenario without a matrix, before anything is measured, by the only client.
    pub fn new(scenario: ScenarioId, kind: Kind, code: &str, title: &str) -> Self {
        Self {
            scenario,
            kind,
            code: code.to_owned(),
            title: title.to_owned(),
            cell: String::new(),
            repeat: 1,
            outcome: Outcome::Measured,
            parameters: BTreeMap::new(),
            metrics: Vec::new(),
            gates: Vec::new(),
            histograms: BTreeMap::new(),
            series: Vec::new(),
            windows: Vec::new(),
            client_load: None,
            findings: Vec::new(),
            evidence: None,
            duration_ms: 0.0,
            client: ClientId::from("1/1"),
        }
    }
    /// The value of the metric of that name, where it was measured.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|metric| metric.name == name).and_then(|metric| metric.value)
    }
}
