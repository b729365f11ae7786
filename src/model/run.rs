//! What a run plans and finds out beside its cases and scenarios: setting, host, plan, probe.

use serde::{Deserialize, Serialize};

use super::{Impact, VendorId};

/// Who runs the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deployment {
    /// The vendor does.
    Managed,
    /// The buyer does.
    SelfRun,
}

/// How far a result can be trusted for performance (decision 14 in `DESIGN.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Setting {
    /// Client and server are one program on one machine.
    Demo,
    /// Real servers beside the client.
    Lab,
    /// The vendor's own trial environment.
    Trial,
    /// Production.
    Production,
}

impl Setting {
    /// Whether performance may count in the overall score.
    pub fn scores_performance(self) -> bool {
        self >= Setting::Trial
    }
}

/// The client machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct HostFacts {
    /// Host name.
    pub name: String,
    /// Kernel and architecture.
    pub system: String,
    /// CPU model.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: u32,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Clock domain: boot id, so that several clients on one host are known to share a clock.
    pub clock_domain: String,
}

/// `--client 3/8`: the third of eight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientShard {
    /// 1-based.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

/// What will run, before anything is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Plan {
    /// Per vendor.
    pub vendors: Vec<PlannedVendor>,
    /// What the reader of the results should know beforehand, in sentences.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// The plan of one vendor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedVendor {
    /// The vendor.
    pub vendor: VendorId,
    /// False for a price-only vendor.
    pub measured: bool,
    /// Cases that will run.
    pub cases: Vec<String>,
    /// Scenario cells that will run, `<scenario> <cell> #<repeat>`.
    pub scenarios: Vec<String>,
    /// What will not run and why.
    pub skipped: Vec<Skip>,
    /// Requests, bytes, buckets and seconds.
    pub estimate: Estimate,
    /// Estimated money for the requests, where there is a price card.
    pub cost_usd: Option<String>,
    /// Every impact beyond none of what will run.
    pub impacts: Vec<Impact>,
}

/// Something that the plan leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    /// Case or scenario.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// An estimate of what something sends: an upper one of what cases and probes send, while a closed loop goes as fast as the vendor answers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// Requests by operation in camel case.
    pub requests: std::collections::BTreeMap<String, u64>,
    /// Body bytes sent.
    pub upload_bytes: u64,
    /// Body bytes received.
    pub download_bytes: u64,
    /// Most bytes stored at once.
    pub stored_bytes: u64,
    /// Buckets created.
    pub buckets: u64,
    /// Wall time in s.
    pub duration_s: f64,
}

impl Estimate {
    /// Adds what runs after it: sums, and the larger of the stored bytes.
    pub fn then(&mut self, next: &Estimate) {
        for (operation, count) in &next.requests {
            *self.requests.entry(operation.clone()).or_default() += count;
        }
        self.upload_bytes += next.upload_bytes;
        self.download_bytes += next.download_bytes;
        self.stored_bytes = self.stored_bytes.max(next.stored_bytes);
        self.buckets += next.buckets;
        self.duration_s += next.duration_s;
    }
}

/// How the evaluation of a vendor ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VendorState {
    /// Nothing to measure: only prices.
    PriceOnly,
    /// Still running, or killed.
    Incomplete,
    /// Everything planned was carried out.
    Complete,
    /// It could not be evaluated (unreachable, wrong secret, clock skew), said once.
    Abandoned(String),
}

/// What about 20 requests found out before the measurement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Probe {
    /// Addresses behind the endpoints.
    pub addresses: Vec<String>,
    /// `Server` header.
    pub server: Option<String>,
    /// Server's clock minus ours, in ms (whole seconds on the wire).
    pub clock_skew_ms: Option<i64>,
    /// The bucket region that the vendor reports.
    pub region: Option<String>,
    /// Feature -> whether a harmless read of it was answered (`versioning`, `policy`, ...).
    pub features: std::collections::BTreeMap<String, bool>,
    /// Whether a second credential is configured and works.
    pub second_credential: bool,
    /// Round trip of the cheapest request, in ms, median of several.
    pub round_trip_ms: Option<f64>,
    /// Anything odd, in sentences.
    pub notes: Vec<String>,
}
