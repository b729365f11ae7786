//! Conformance cases as they are recorded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CaseId, ClientId, Deviation, FailureClass, Impact, Level, Measure, Verdict};

/// What is known of a case without running it; also the row that `proofmark list` prints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseInfo {
    /// `<suite>::<operation>/<behaviour>`.
    pub id: CaseId,
    /// One sentence, present tense, observable.
    pub rule: String,
    /// The catalogue rows that it proves, e.g. `PUT-07`.
    pub rows: Vec<String>,
    /// How much depends on it.
    pub level: Level,
    /// Where the rule comes from.
    pub source: String,
    /// Applications that depend on it.
    #[serde(default)]
    pub dependents: Vec<String>,
    /// What it does beyond its own prefix.
    #[serde(default)]
    pub impact: Impact,
    /// Features that the vendor must claim; else the verdict is unsupported.
    #[serde(default)]
    pub features: Vec<String>,
    /// Waits for the vendor (lifecycle, propagation) or searches for a limit: runs only when slow cases are asked for.
    #[serde(default)]
    pub slow: bool,
}

impl CaseInfo {
    /// The suite: the id up to `::`.
    pub fn suite(&self) -> &str {
        self.id.as_str().split("::").next().unwrap_or_default()
    }
    /// The operation in snake case: between `::` and `/`.
    pub fn operation(&self) -> &str {
        self.id.as_str().split("::").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default()
    }
    /// The operation as the API names it: `list_objects_v2` -> `ListObjectsV2`.
    pub fn api_operation(&self) -> String {
        let capital = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>();
        self.operation().split('_').map(capital).collect()
    }
}

/// One line of `cases.jsonl`: a case, its verdict and the evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// The case.
    pub case: CaseInfo,
    /// What it found.
    pub verdict: Verdict,
    /// How it failed; set exactly when the verdict is `fail`.
    pub class: Option<FailureClass>,
    /// The broken claim.
    pub deviation: Option<Deviation>,
    /// Why it is unsupported, unresolved or untested, or which variant was met.
    pub reason: Option<String>,
    /// 1, or 2 when it was repeated after a 503, 500 or reset.
    pub attempts: u32,
    /// Requests that it sent, repeats included.
    pub requests: u64,
    /// The same by operation in camel case.
    #[serde(default)]
    pub operations: BTreeMap<String, u64>,
    /// Numbers that it found out: limits, waiting times, shares of trials.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// From its first request to its verdict, in ms.
    pub duration_ms: f64,
    /// Path of the transcript, relative to the vendor's directory.
    pub evidence: Option<String>,
    /// The server's request id of the deciding response, to quote in a ticket.
    pub request_id: Option<String>,
    /// A `curl` line that sends the deciding request again, with the names of environment variables in place of secrets.
    #[serde(default)]
    pub curl: Option<String>,
    /// The client that ran it.
    pub client: ClientId,
}
