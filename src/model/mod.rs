//! What a run is made of: plain data with serde, no I/O. The words are those of the glossary in `DESIGN.md`.

pub mod ai;
mod case;
mod crash;
mod ids;
mod measure;
mod run;
mod scenario;
mod usage;
mod verdict;

pub use case::{CaseInfo, CaseRecord};
pub use crash::{Crash, Recovery, Suspect};
pub use ids::{CaseId, ClientId, ProfileId, RunId, ScenarioId, VendorId};
pub use measure::{Measure, wilson};
pub use run::{ClientShard, Deployment, Estimate, HostFacts, Plan, PlannedVendor, Probe, Setting, Skip, VendorState};
pub use scenario::{ClientLoad, Direction, Gate, GateVerdict, Kind, Metric, Outcome, ScenarioRecord, SeriesPoint, Window};
pub use usage::Usage;
pub use verdict::{Category, Deviation, FailureClass, Impact, Level, Verdict};
