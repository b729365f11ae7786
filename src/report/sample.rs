//! Built-in runs that reach every branch of every template: for [`check_templates`](super::check_templates) and for tests.
//!
//! Three made-up vendors and one that only has prices. One holds, one breaks rules and answers with hostile text, one was not
//! measured to the end.

mod cases;
mod scenarios;

use crate::config::{CostWorkload, NamedApplication, Profile, Vendor};
use crate::model::{ClientShard, HostFacts, Plan, PlannedVendor, Probe, Setting, Skip, Usage, VendorId, VendorState};
use crate::store::{FORMAT, Run, RunHeader, VendorRecord, VendorRun};

/// A text that would run, break a table or start a formula wherever it is not escaped.
pub const HOSTILE: &str = "=cmd()|' /C calc'!A0 <script>alert(\"x\")</script>\r\n\"quoted\", 'single' & \u{7} ```|";

const PROFILE: &str = r#"
title = "Sample"
about = "Every kind of result once."
levels = ["core", "common"]
scenarios = ["throughput/get-large", "throughput/small-objects", "failure/concurrent-overwrite"]
repeats = 3
failure_timing = { warm_up = "1 s", baseline = "1 s", fault = "2 s", recovery = "5 s" }
weights = { compatibility = 0.30, durability = 0.25, performance = 0.20, cost = 0.15, operability = 0.10 }
gates = { coverage_min = 0.8, unresolved_max = 0.2 }
cost = { workload = "cost/sample", budget_usd_per_tb_month = "10" }
[[curve]]
scenario = "throughput/get-large"
metric = "throughput_mib_s"
direction = "higher_better"
good = 2000.0
median = 500.0
[[curve]]
scenario = "throughput/get-large"
cell = "get_object 32 MiB x4"
metric = "latency_ms_p99"
direction = "lower_better"
good = 10.0
median = 100.0
decision = true
[[curve]]
scenario = "throughput/small-objects"
cell = "get_object 4 KiB x64"
metric = "requests_s"
direction = "higher_better"
good = 5000.0
median = 1000.0
decision = true
[[curve]]
scenario = "throughput/small-objects"
cell = "get_object 4 KiB x64"
metric = "latency_ms_p99"
direction = "lower_better"
good = 20.0
median = 50.0
decision = true
[[curve]]
scenario = "failure/kill-restart"
metric = "recovery_s"
direction = "lower_better"
good = 5.0
median = 30.0
"#;

const WORKLOAD: &str = r#"
title = "Archive with reads"
about = "100 TB stored, read in part each month."
stored_gb = "100000"
egress_gb = "20000"
[requests]
PutObject = 10000000
GetObject = 100000000
"#;

const STEADY: &str = r#"
title = "Steady Store"
version = "4.2"
deployment = "managed"
endpoints = ["https://s3.steady.example"]
declared_consistency = "strong read-after-write for all operations"
features = ["versioning"]
[pricing]
id = "steady-standard"
currency = "USD"
as_of = "2026-09-01"
stale_after_days = 180
sources = ["https://steady.example/prices"]
trust = "primary"
gb = "decimal"
month = "30d"
storage = { unit = "gb_month", averaging = "byte_hours", tiers = [{ price = "0.006" }] }
egress = { tiers = [{ price = "0" }] }
[[pricing.requests]]
class = "A"
price = "0.004"
per = 1000
ops = ["PutObject", "CreateBucket", "DeleteObject"]
[[pricing.requests]]
class = "B"
price = "0.0004"
per = 1000
ops = ["GetObject", "HeadObject", "ListObjectsV2"]
"#;

const HASTY: &str = r#"
title = "Hasty <Objects> & Sons"
deployment = "self-run"
endpoints = ["http://127.0.0.1:9000"]
[[waiver]]
case = "listing::list_objects_v2/start_after"
reason = "HASTY-7: fixed in the next release"
until = "2027-03-31"
owner = "storage team"
[[requirement]]
case = "object"
reason = "every application reads and writes objects"
owner = "platform"
[[requirement]]
case = "policy::put_bucket_policy/deny_wins"
priority = "should"
reason = "least privilege"
[[requirement]]
case = "multipart"
priority = "wont"
reason = "uploads are small"
"#;

const HALFWAY: &str = r#"
title = "Halfway Storage"
version = "0.9"
deployment = "self-run"
endpoints = ["http://127.0.0.1:9100"]
"#;

const LAKEHOUSE: &str = r#"
title = "Lakehouse 3"
kind = "application"
about = "Commits by conditional writes and lists in pages."
source = "Lakehouse 3.1 documentation"
[[need]]
cases = ["conditional::put_object/if_none_match"]
why = "commits"
[[need]]
cases = ["listing::list_objects_v2/start_after"]
why = "incremental listing"
setting = { name = "list.start-after=false", cost = "lists whole prefixes", cases = ["listing::list_objects_v2/thousand_keys"] }
[[need]]
rows = ["LCK-17"]
why = "immutable snapshots"
"#;

const SDK_OLD: &str = r#"
title = "Old SDK 1"
kind = "sdk"
about = "Signs chunks."
source = "its source code"
[[need]]
cases = ["multipart::upload_part_copy/range"]
why = "large copies"
setting = { name = "copy=false", cost = "copies through the client", cases = ["object::put_object/read_after_write"] }
"#;

const CLOUD: &str = r#"
title = "Big Cloud"
deployment = "managed"
[pricing]
id = "cloud-standard"
currency = "USD"
as_of = "2025-11-01"
stale_after_days = 180
sources = ["https://cloud.example/prices", "https://cloud.example/terms"]
trust = "secondary"
gb = "binary"
month = "730h"
storage = { unit = "gb_month", averaging = "byte_hours", tiers = [{ up_to = "51200", price = "0.023" }, { price = "0.022" }] }
egress = { free_gb = "100", tiers = [{ up_to = "10240", price = "0.09" }, { price = "0.085" }] }
[[pricing.requests]]
class = "PUT"
price = "0.005"
per = 1000
ops = ["PutObject"]
[[pricing.requests]]
class = "GET"
price = "0.0004"
per = 1000
ops = ["GetObject"]
"#;

fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    toml::from_str(text).expect("the sample is valid, a test reads it")
}

/// One run with every kind of result, in a lab setting.
pub fn full() -> Vec<Run> {
    let probe = Probe {
        addresses: vec!["127.0.0.1:9000".into()],
        server: Some(HOSTILE.into()),
        clock_skew_ms: Some(-1000),
        region: Some("us-east-1".into()),
        round_trip_ms: Some(0.42),
        ..Probe::default()
    };
    let vendors = vec![
        vendor("steady", STEADY, VendorState::Complete, Some(probe.clone())),
        vendor("hasty", HASTY, VendorState::Complete, Some(probe)),
        vendor("halfway", HALFWAY, VendorState::Incomplete, None),
        vendor("cloud", CLOUD, VendorState::PriceOnly, None),
    ];
    let mut header = header();
    header.plan.vendors = vendors.iter().map(planned).collect();
    header.plan.vendors.push(PlannedVendor { vendor: VendorId::from("never-begun"), ..planned(&vendors[2]) });
    vec![Run { header, vendors }]
}

/// A run that measured nothing.
pub fn empty() -> Vec<Run> {
    vec![Run { header: RunHeader { finished_at: None, ..header() }, vendors: Vec::new() }]
}

fn header() -> RunHeader {
    RunHeader {
        format: FORMAT,
        run: "20261121t071500z-3fa9".into(),
        started_at: "2026-11-21T07:15:00Z".into(),
        finished_at: Some("2026-11-21T07:19:41Z".into()),
        tool_version: "0.1.0".into(),
        build_profile: "release".into(),
        seed: 42,
        command: vec!["proofmark".into(), "run".into()],
        host: HostFacts {
            name: "bench-1".into(),
            system: "Linux 6.1 x86_64".into(),
            cpu: "Example CPU".into(),
            cores: 2,
            memory_bytes: 8 << 30,
            clock_domain: "boot-1".into(),
        },
        client: ClientShard { index: 1, of: 1 },
        profile_id: "sample".into(),
        profile: read::<Profile>(PROFILE),
        workload: read::<CostWorkload>(WORKLOAD),
        applications: NamedApplication::parse(&[("lakehouse", LAKEHOUSE), ("sdk-old", SDK_OLD)]).expect("the sample is valid, a test reads it"),
        plan: Plan::default(),
    }
}

fn planned(vendor: &VendorRun) -> PlannedVendor {
    PlannedVendor {
        vendor: vendor.record.vendor.clone(),
        measured: vendor.record.state != VendorState::PriceOnly,
        cases: vendor.cases.iter().map(|record| record.case.id.to_string()).collect(),
        scenarios: Vec::new(),
        skipped: vec![Skip { what: "failure/power-loss".into(), reason: "no hook power_loss".into() }],
        estimate: Default::default(),
        cost_usd: None,
        impacts: Vec::new(),
    }
}

fn vendor(id: &str, file: &str, state: VendorState, probe: Option<Probe>) -> VendorRun {
    let mut usage = Usage::default();
    let measured = state != VendorState::PriceOnly;
    if measured {
        for _ in 0..120 {
            usage.count("PutObject", 200, 1 << 20, 0);
            usage.count("GetObject", 200, 0, 1 << 20);
        }
        usage.count("GetObject", 404, 0, 300);
    }
    VendorRun {
        record: VendorRecord { vendor: id.into(), file: read::<Vendor>(file), setting: Setting::Lab, probe, state },
        cases: if measured { cases::cases(id) } else { Vec::new() },
        scenarios: if measured { scenarios::scenarios(id) } else { Vec::new() },
        usage,
        crashes: Vec::new(),
    }
}
