//! TOML files -> checked types. Every error names the file, the line and the field, and says what was expected.

mod application;
mod decision;
mod endpoint;
mod error;
mod failure;
mod fault;
mod file;
mod load_loop;
mod mutant;
mod operation;
mod payload;
mod prefix_scale;
mod price;
mod profile;
mod root;
mod scale;
mod scenario;
mod secret;
mod throughput;
mod training;
mod value;
mod vendor;
mod workload;

pub use application::{Application, ApplicationKind, ClientSetting, NamedApplication, Need};
pub use decision::{DECISIONS_MAX, SIGNIFICANCE, can_decide, check_decisions, least_repeats, smallest_p};
pub use endpoint::Endpoint;
pub use error::{ConfigError, nearest};
pub use failure::{FailureProbe, FailureSpec, FailureTiming, PART_SIZE};
pub use fault::{DegradeRule, FaultKind, Phase, ThrottleLimits};
pub use file::{check_files, error_at, load_applications, load_profile, load_scenario, load_vendor, parse, stem, toml_stems};
pub use load_loop::{ArrivalKind, BurstRules, KeyChoice, KneeRules, LoopKind, OpenLoop};
pub use mutant::{Auth, Change, Flaw, Mutant, Spelling, TextHeaders, When, Which, load_mutants};
pub use operation::Operation;
pub use payload::{Checksum, Entropy, PayloadMode, Style, Verify};
pub use prefix_scale::{LimiterRules, PrefixCell, PrefixScaleSpec, Retrying, SplitRules};
pub use price::{
    Averaging, EgressPrice, Gigabyte, Month, OverRatio, PriceCard, RequestPrice, RetrievalPrice, StoragePrice, StorageUnit, Tier, Trust, Window,
};
pub use profile::{CostRule, Curve, GateRules, Profile, Weights};
pub use root::Root;
pub use scale::Scale;
pub use scenario::{Scenario, ScenarioSpec};
pub use secret::Secret;
pub use throughput::{Cell, CellTimes, ListOptions, MixEntry, ThroughputSpec};
pub use training::{
    Access, CheckpointProgram, Dataloader, Interference, KvCache, ListStorm, ModelLoad, MultipartSweep, Program, ProgramCell, ProgramHead,
    ProgramSpec, Reshard, RestoreProgram, TokenWindows,
};
pub use vendor::{Addressing, Budget, Cap, CredentialNames, Lifecycle, Priority, Requirement, Safety, Serve, Vendor, Waiver};
pub use workload::CostWorkload;
