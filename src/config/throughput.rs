//! Throughput scenarios: what is sent, how much at once, for how long.

use serde::{Deserialize, Serialize};

use crate::model::{Estimate, Impact};
use crate::units::{Bytes, Span};

/// `scenarios/throughput/<id>.toml`. Every combination of the matrix values is a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThroughputSpec {
    /// Title for people.
    pub title: String,
    /// Short code, e.g. `T1`.
    pub code: String,
    /// What question it answers.
    pub about: String,
    /// What it does beyond its own prefix.
    #[serde(default)]
    pub impact: Impact,
    /// Operation mixes; each is a cell of the matrix.
    pub mix: Vec<Vec<MixEntry>>,
    /// Sizes of the objects; each is a cell.
    pub object_size: Vec<Bytes>,
    /// Objects written before the measurement; workers read, list and delete these.
    pub objects: u64,
    /// Requests in flight; each is a cell.
    pub concurrency: Vec<u32>,
    /// Closed or open loop.
    #[serde(rename = "loop", default)]
    pub load_loop: LoopKind,
    /// Measured time of a cell, after the warm-up; a profile may shorten it.
    pub duration: Span,
    /// Time before the measurement; what it holds is cut, and MSER-5 may cut more.
    pub warm_up: Span,
}

/// Closed: each worker sends when its last request is answered. Open: requests are due at a rate, answered or not.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum LoopKind {
    /// As fast as the answers come.
    #[default]
    Closed,
    /// Poisson arrivals at a mean rate; latency counts from the intended start.
    Open {
        /// Requests per second.
        rate_per_s: f64,
    },
}

/// An operation's share of a mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixEntry {
    /// The operation.
    pub operation: Operation,
    /// Its weight among the entries of the mix.
    #[serde(default = "hundred")]
    pub share: u32,
    /// For GET: read aligned ranges of this size instead of whole objects.
    #[serde(default)]
    pub range: Option<Bytes>,
}

fn hundred() -> u32 {
    100
}

/// What a worker can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// GetObject.
    GetObject,
    /// PutObject.
    PutObject,
    /// HeadObject.
    HeadObject,
    /// DeleteObject, of objects that were written for it.
    DeleteObject,
    /// ListObjectsV2.
    #[serde(rename = "list_objects_v2")]
    ListObjectsV2,
}

impl ThroughputSpec {
    /// An upper estimate of one repeat of all cells, `cell_duration` long each.
    pub fn estimate(&self, _cell_duration: std::time::Duration) -> Estimate {
        Estimate::default()
    }
}
