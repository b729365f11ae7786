//! The scorecard as a whole: one rule per test, on small runs made by hand, and properties on random ones. Here stand the makers.

mod categories;
mod changes;
mod decisions;
mod demands;
mod gates;
mod properties;
mod ranks;

use super::*;
use crate::config::{Vendor, Waiver};
use crate::model::*;
use crate::store::{FORMAT, RunHeader, VendorRecord, VendorRun};

const PROFILE: &str = r#"
title = "t"
about = "a"
levels = ["core", "common", "extended", "rare"]
scenarios = []
repeats = 3
failure_timing = { warm_up = "1 s", baseline = "1 s", fault = "1 s", recovery = "1 s" }
weights = { compatibility = 0.3, durability = 0.25, performance = 0.2, cost = 0.15, operability = 0.1 }
gates = { coverage_min = 0.8, unresolved_max = 0.2 }
cost = { workload = "cost/h", budget_usd_per_tb_month = 10 }
"#;

const CURVE: &str = r#"
[[curve]]
scenario = "throughput/get"
metric = "throughput_mib_s"
direction = "higher_better"
good = 2000
median = 500
"#;

const PRICING: &str = r#"
[pricing]
id = "x"
currency = "USD"
as_of = "2026-01-01"
stale_after_days = 180
sources = ["s"]
trust = "quote"
gb = "decimal"
month = "30d"
storage = { unit = "gb_month", averaging = "byte_hours", tiers = [{ price = 0.012 }] }
egress = { tiers = [{ price = 0 }] }
"#;

/// Without a curve, so that a vendor needs no throughput records to be complete.
fn profile() -> Profile {
    toml::from_str(PROFILE).unwrap()
}

fn profile_with_curve() -> Profile {
    toml::from_str(&format!("{PROFILE}{CURVE}")).unwrap()
}

fn vendor(id: &str) -> VendorRun {
    let file: Vendor = toml::from_str("title = \"v\"\ndeployment = \"self-run\"\nendpoints = [\"http://127.0.0.1:1\"]\n").unwrap();
    let record = VendorRecord { vendor: VendorId::from(id), file, setting: Setting::Production, probe: None, state: VendorState::Complete };
    VendorRun { record, cases: Vec::new(), scenarios: Vec::new(), usage: Usage::default(), crashes: Vec::new() }
}

fn run(vendors: Vec<VendorRun>) -> Run {
    let header = RunHeader {
        format: FORMAT,
        run: RunId::from("r1"),
        started_at: "2026-11-21T07:00:00Z".to_owned(),
        finished_at: Some("2026-11-21T08:00:00Z".to_owned()),
        tool_version: "0".to_owned(),
        build_profile: "release".to_owned(),
        seed: 1,
        command: Vec::new(),
        host: HostFacts::default(),
        client: ClientShard { index: 1, of: 1 },
        profile_id: ProfileId::from("p"),
        profile: profile(),
        workload: toml::from_str("title = \"H\"\nabout = \"a\"\nstored_gb = 1000\n").unwrap(),
        applications: Vec::new(),
        plan: Plan::default(),
    };
    Run { header, vendors }
}

fn case(id: &str, level: Level, verdict: Verdict, class: Option<FailureClass>) -> CaseRecord {
    let info = CaseInfo {
        id: CaseId::from(id),
        rule: "It holds.".to_owned(),
        rows: Vec::new(),
        level,
        source: "s".to_owned(),
        dependents: Vec::new(),
        impact: Impact::None,
        features: Vec::new(),
        slow: false,
    };
    CaseRecord {
        case: info,
        verdict,
        class,
        deviation: None,
        reason: None,
        attempts: 1,
        requests: 1,
        operations: Default::default(),
        measures: Vec::new(),
        duration_ms: 1.0,
        evidence: Some("evidence/x.json".to_owned()),
        request_id: None,
        curl: None,
        client: ClientId::from("1/1"),
    }
}

fn scenario(kind: Kind, id: &str, repeat: u32, metrics: &[(&str, Option<f64>)]) -> ScenarioRecord {
    let metric = |(name, value): &(&str, Option<f64>)| Metric {
        name: (*name).to_owned(),
        unit: "u".to_owned(),
        direction: Direction::Neutral,
        value: *value,
        n: 1,
    };
    ScenarioRecord { repeat, metrics: metrics.iter().map(metric).collect(), ..ScenarioRecord::new(ScenarioId::from(id), kind, "X", "x") }
}

fn judged(name: &str, verdict: GateVerdict) -> Gate {
    Gate { name: name.to_owned(), verdict, limit: "l".to_owned(), observed: "o".to_owned(), evidence: None }
}

/// A vendor with compatibility and durability at 1.
fn good(id: &str) -> VendorRun {
    let mut vendor = vendor(id);
    vendor.cases.push(case("object::get/a", Level::Core, Verdict::Pass, None));
    let mut crash = scenario(Kind::Failure, "failure/crash", 1, &[]);
    crash.gates.push(judged("no_acked_loss", GateVerdict::Met));
    vendor.scenarios.push(crash);
    vendor
}

fn throughput(values: &[f64]) -> Vec<ScenarioRecord> {
    (1..).zip(values).map(|(repeat, value)| scenario(Kind::Throughput, "throughput/get", repeat, &[("throughput_mib_s", Some(*value))])).collect()
}

fn scored(vendors: Vec<VendorRun>) -> Scorecard {
    score(&[run(vendors)], &profile())
}

fn scored_with_curve(vendors: Vec<VendorRun>) -> Scorecard {
    score(&[run(vendors)], &profile_with_curve())
}

fn category(vendor: &VendorScore, category: Category) -> &CategoryScore {
    vendor.categories.iter().find(|candidate| candidate.category == category).unwrap()
}

fn gate<'a>(vendor: &'a VendorScore, name: &str) -> &'a GateOutcome {
    vendor.gates.iter().find(|gate| gate.name == name).unwrap_or_else(|| panic!("no gate {name} among {:?}", vendor.gates))
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}
