//! A run as it stands in its directory.

use serde::{Deserialize, Serialize};

use crate::config::{CostWorkload, NamedApplication, Profile, Vendor};
use crate::model::{CaseRecord, ClientShard, Crash, HostFacts, Plan, Probe, ProfileId, RunId, ScenarioRecord, Setting, Usage, VendorId, VendorState};

/// Version of the run directory's format. A newer one is refused with a hint to update.
pub const FORMAT: u32 = 1;

/// `run.json`: written before the first request, completed at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// [`FORMAT`].
    pub format: u32,
    /// The run's id.
    pub run: RunId,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC; absent while the run is incomplete.
    pub finished_at: Option<String>,
    /// proofmark's version.
    pub tool_version: String,
    /// `debug` or `release`; throughput gates refuse debug builds.
    pub build_profile: String,
    /// The run's only randomness.
    pub seed: u64,
    /// The command line, without secrets (they are never on it).
    pub command: Vec<String>,
    /// The machine that ran it.
    pub host: HostFacts,
    /// Which part of the plan this client ran.
    pub client: ClientShard,
    /// The profile's id.
    pub profile_id: ProfileId,
    /// The profile as it was, so that re-rendering needs no file outside the run.
    pub profile: Profile,
    /// The month of use that vendors are priced on, as it was.
    pub workload: CostWorkload,
    /// What applications and SDK generations need, as it was.
    #[serde(default)]
    pub applications: Vec<NamedApplication>,
    /// The plan.
    pub plan: Plan,
}

/// `<vendor>/vendor.json`: the vendor's file as it was, what the probe found, and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VendorRecord {
    /// The vendor file's stem.
    pub vendor: VendorId,
    /// The file as it was read (it holds no secrets, only names of environment variables).
    pub file: Vendor,
    /// The setting that the result is judged under.
    pub setting: Setting,
    /// What the probe found.
    pub probe: Option<Probe>,
    /// How it ended.
    pub state: VendorState,
}

/// Everything recorded of one vendor.
#[derive(Debug, Clone, PartialEq)]
pub struct VendorRun {
    /// The vendor's record.
    pub record: VendorRecord,
    /// Conformance.
    pub cases: Vec<CaseRecord>,
    /// Throughput, failure, operability.
    pub scenarios: Vec<ScenarioRecord>,
    /// Metered use.
    pub usage: Usage,
    /// When and how its server went down while cases ran.
    pub crashes: Vec<Crash>,
}

/// A run as loaded from its directory.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The header.
    pub header: RunHeader,
    /// In the order of the plan.
    pub vendors: Vec<VendorRun>,
}

impl Run {
    /// False for a run that was killed or is still going.
    pub fn is_complete(&self) -> bool {
        self.header.finished_at.is_some() && self.vendors.iter().all(|vendor| vendor.record.state != VendorState::Incomplete)
    }
}
