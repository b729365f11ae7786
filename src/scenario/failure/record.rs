//! Building a failure scenario's record: metrics, gates with their evidence, findings.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use crate::check::JournalEntry;
use crate::config::FailureSpec;
use crate::model::{Direction, Gate, GateVerdict, Kind, Metric, Outcome, ScenarioId, ScenarioRecord};
use crate::wire::{Exchange, Link};

/// Problems that a gate's text lists; the evidence holds all of them.
const LISTED: usize = 3;

/// One broken limit with the part of the history that shows it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Problem {
    /// What happened.
    pub sentence: String,
    /// The operations on that key around it.
    pub history: Vec<JournalEntry>,
}

impl From<String> for Problem {
    fn from(sentence: String) -> Self {
        Self { sentence, history: Vec::new() }
    }
}

#[derive(Debug, Serialize)]
struct Evidence<'a> {
    scenario: &'a ScenarioId,
    repeat: u32,
    clock: &'static str,
    violations: &'a BTreeMap<String, Vec<Problem>>,
    findings: &'a [String],
    exchanges: Vec<Exchange>,
}

/// A record under construction.
pub(super) struct Report {
    pub record: ScenarioRecord,
    violations: BTreeMap<String, Vec<Problem>>,
    started: Instant,
}

impl Report {
    /// An empty record of one repeat.
    pub fn new(id: &ScenarioId, spec: &FailureSpec, repeat: u32) -> Self {
        let sizes: Vec<String> = spec.object_size.iter().map(ToString::to_string).collect();
        let parameters = [
            ("object_size", sizes.join(", ")),
            ("concurrency", spec.concurrency.to_string()),
            ("keys", spec.keys.to_string()),
            ("operation_limit", spec.operation_limit.to_string()),
            ("retries", "none".to_owned()),
        ];
        let parameters = parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let record = ScenarioRecord { repeat, parameters, ..ScenarioRecord::new(id.clone(), Kind::Failure, &spec.code, &spec.title) };
        Self { record, violations: BTreeMap::new(), started: Instant::now() }
    }
    /// A parameter worth printing.
    pub fn parameter(&mut self, name: &str, value: impl ToString) {
        self.record.parameters.insert(name.to_owned(), value.to_string());
    }
    /// A number of which less is better.
    pub fn less(&mut self, name: &str, unit: &str, value: Option<f64>, n: u64) {
        self.metric(name, unit, Direction::LowerBetter, value, n);
    }
    /// A number of which more is better.
    pub fn more(&mut self, name: &str, unit: &str, value: Option<f64>, n: u64) {
        self.metric(name, unit, Direction::HigherBetter, value, n);
    }
    /// A count that is a fact.
    pub fn count(&mut self, name: &str, value: u64) {
        self.metric(name, "1", Direction::Neutral, Some(value as f64), value);
    }
    fn metric(&mut self, name: &str, unit: &str, direction: Direction, value: Option<f64>, n: u64) {
        self.record.metrics.push(Metric { name: name.to_owned(), unit: unit.to_owned(), direction, value, n });
    }
    /// An observation in a plain sentence.
    pub fn finding(&mut self, sentence: impl Into<String>) {
        self.record.findings.push(sentence.into());
    }
    /// A limit that holds when there are no problems among `checked` things.
    pub fn gate(&mut self, name: &str, limit: &str, checked: u64, problems: Vec<Problem>) {
        let verdict = match (problems.len(), checked) {
            (0, 0) => GateVerdict::Untested,
            (0, _) => GateVerdict::Met,
            _ => GateVerdict::NotMet,
        };
        let observed = match verdict {
            GateVerdict::Untested => "nothing could be judged".to_owned(),
            GateVerdict::Met => format!("0 of {checked}"),
            _ => {
                let first: Vec<&str> = problems.iter().take(LISTED).map(|problem| problem.sentence.as_str()).collect();
                let more = problems.len().saturating_sub(LISTED);
                let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
                format!("{} of {checked}: {}{rest}", problems.len(), first.join("; "))
            }
        };
        self.push_gate(name, verdict, limit, observed);
        if !problems.is_empty() {
            self.violations.insert(name.to_owned(), problems);
        }
    }
    /// A limit that could not be judged.
    pub fn untested_gate(&mut self, name: &str, limit: &str, reason: impl Into<String>) {
        self.push_gate(name, GateVerdict::Untested, limit, reason.into());
    }
    fn push_gate(&mut self, name: &str, verdict: GateVerdict, limit: &str, observed: String) {
        self.record.gates.push(Gate { name: name.to_owned(), verdict, limit: limit.to_owned(), observed, evidence: None });
    }
    /// The finished record; the evidence is written.
    pub fn finish(mut self, link: &Link, exchanges: Vec<Exchange>) -> ScenarioRecord {
        self.record.duration_ms = self.started.elapsed().as_secs_f64() * 1e3;
        let clock = "history times are ns of one monotonic clock from the start of the scenario; exchange offsets are ms from about the same moment";
        let evidence = Evidence {
            scenario: &self.record.scenario,
            repeat: self.record.repeat,
            clock,
            violations: &self.violations,
            findings: &self.record.findings,
            exchanges,
        };
        match link.sink.evidence(&format!("{}-{}", self.record.scenario, self.record.repeat), &evidence) {
            Ok(path) => {
                for gate in self.record.gates.iter_mut().filter(|gate| gate.verdict == GateVerdict::NotMet) {
                    gate.evidence = Some(path.clone());
                }
                self.record.evidence = Some(path);
            }
            Err(error) => self.record.findings.push(format!("the evidence could not be written: {error}")),
        }
        self.record
    }
    /// The record of a scenario that did not run.
    pub fn untested(mut self, reason: impl Into<String>) -> ScenarioRecord {
        self.record.outcome = Outcome::Untested(reason.into());
        self.record
    }
    /// The record of a scenario of which nothing can be said.
    pub fn unresolved(mut self, reason: impl Into<String>) -> ScenarioRecord {
        self.record.outcome = Outcome::Unresolved(reason.into());
        self.record.duration_ms = self.started.elapsed().as_secs_f64() * 1e3;
        self.record
    }
}
