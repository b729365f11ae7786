//! Which vendors are compared by what, and which cells make a sweep.

use super::contrast::{Difference, Doubt};
use super::*;

const DECISIONS: &str = r#"
[[curve]]
scenario = "throughput/get"
cell = "get x8"
metric = "rate"
direction = "higher_better"
good = 2000
median = 500
decision = true
[[curve]]
scenario = "throughput/get"
cell = "get x8"
metric = "latency"
direction = "lower_better"
good = 5
median = 50
decision = true
"#;

const FAST: [f64; 5] = [131.0, 132.0, 133.0, 134.0, 135.0];
const SLOW: [f64; 5] = [99.0, 100.0, 101.0, 102.0, 103.0];

fn profile_with_decisions() -> Profile {
    toml::from_str(&format!("{PROFILE}{DECISIONS}")).unwrap()
}

fn loaded(cell: &str, repeat: u32, metrics: &[(&str, Option<f64>)]) -> ScenarioRecord {
    ScenarioRecord { cell: cell.to_owned(), ..scenario(Kind::Throughput, "throughput/get", repeat, metrics) }
}

/// A vendor with these rates and latencies of the cell that decides, and another cell beside it.
fn measured(id: &str, rates: &[f64], latencies: &[f64]) -> VendorRun {
    let mut made = vendor(id);
    for ((repeat, rate), latency) in (1..).zip(rates).zip(latencies) {
        made.scenarios.push(loaded("get x8", repeat, &[("rate", Some(*rate)), ("latency", Some(*latency))]));
        made.scenarios.push(loaded("get x80", repeat, &[("rate", Some(1.0)), ("latency", Some(1e6))]));
    }
    made
}

fn decided(vendors: Vec<VendorRun>) -> Option<Decisions> {
    decisions(&run(vendors), &profile_with_decisions())
}

fn outcomes(decisions: &Decisions, vendor: &str) -> Vec<Option<Difference>> {
    let of = |metric: &Decision| metric.vendors.iter().find(|own| own.vendor.as_str() == vendor).unwrap().against.map(|against| against.difference);
    decisions.metrics.iter().map(of).collect()
}

#[test]
fn each_vendor_is_compared_with_the_one_that_has_the_best_medians() {
    let found = decided(vec![measured("slow", &SLOW, &FAST), measured("fast", &FAST, &SLOW), measured("like-slow", &SLOW, &SLOW)]).unwrap();
    assert_eq!(found.leader, VendorId::from("fast"));
    assert_eq!(outcomes(&found, "slow"), [Some(Difference::Slower); 2]);
    assert_eq!(outcomes(&found, "like-slow"), [Some(Difference::Slower), Some(Difference::Equivalent)]);
    assert_eq!(outcomes(&found, "fast"), [None, None]);
    let against = found.metrics[0].vendors[0].against.unwrap();
    assert!((against.p - 2.0 * 2.0 / 252.0).abs() < 1e-12 && found.metrics[0].cell == "get x8", "Holm over both metrics: {against:?}");
}

#[test]
fn a_repeat_that_a_resumed_run_holds_twice_counts_once() {
    let mut again = measured("a", &FAST, &SLOW);
    again.scenarios.push(loaded("get x8", 5, &[("rate", Some(1.0)), ("latency", Some(1.0))]));
    let found = decided(vec![again, measured("b", &SLOW, &FAST)]).unwrap();
    assert_eq!((found.metrics[0].vendors[0].repeats, found.metrics[0].vendors[0].median), (5, Some(132.0)), "the last record counts");
}

#[test]
fn a_client_limit_in_one_repeat_bounds_the_vendor() {
    let mut limited = measured("limited", &SLOW, &FAST);
    limited.scenarios[0].client_load = Some(ClientLoad { cpu_percent: 190.0, cores: 2, limited: Some("cpu".to_owned()) });
    let found = decided(vec![limited, measured("fast", &FAST, &SLOW)]).unwrap();
    assert_eq!(outcomes(&found, "limited"), [Some(Difference::Inconclusive(Doubt::ClientLimit)); 2]);
}

#[test]
fn what_was_not_measured_is_not_compared_and_does_not_shrink_the_family() {
    let mut partly = measured("partly", &SLOW, &FAST);
    for record in &mut partly.scenarios {
        record.metrics.retain(|metric| metric.name == "rate");
    }
    let found = decided(vec![measured("fast", &FAST, &SLOW), partly]).unwrap();
    assert_eq!(outcomes(&found, "partly"), [Some(Difference::Slower), None]);
    assert!((found.metrics[0].vendors[1].against.unwrap().p - 2.0 * 2.0 / 252.0).abs() < 1e-12);
    let mut unresolved = measured("unresolved", &SLOW, &FAST);
    unresolved.scenarios.iter_mut().for_each(|record| record.outcome = Outcome::Unresolved("x".to_owned()));
    assert_eq!(decided(vec![measured("fast", &FAST, &SLOW), unresolved]), None, "nobody is left to compare with");
    assert_eq!(decisions(&run(vec![measured("a", &FAST, &SLOW), measured("b", &SLOW, &FAST)]), &profile()), None, "no metric decides");
}

#[test]
fn cells_that_differ_only_in_concurrency_are_a_sweep_of_a_closed_loop() {
    let mut made = vendor("a");
    let mut add = |cell: &str, rate: f64, kind: &str| {
        let mut record = loaded(cell, 1, &[("requests_s", Some(rate))]);
        record.parameters.insert("loop".to_owned(), kind.to_owned());
        made.scenarios.push(record);
    };
    for n in [1.0, 2.0, 4.0, 8.0_f64] {
        add(&format!("get 4 KiB x{n}"), 100.0 * n / (1.0 + 0.1 * (n - 1.0) + 0.02 * n * (n - 1.0)), "closed");
        add(&format!("put 4 KiB x{n}"), 100.0 * n, "open, Poisson, 100 requests/s");
    }
    [1, 2, 4].iter().for_each(|n| add(&format!("head 4 KiB x{n}"), f64::from(*n), "closed"));
    let run = run(vec![made]);
    let found = sweeps(&run, &run.vendors[0]);
    let names: Vec<&str> = found.iter().map(|sweep| sweep.cell.as_str()).collect();
    assert_eq!(names, ["get 4 KiB"], "open loops and three concurrencies are none");
    let peak = found[0].scaling.peak().unwrap();
    assert!((peak.in_flight - 45.0_f64.sqrt()).abs() < 1e-6 && found[0].scaling.measured == (1.0, 8.0), "{peak:?}");
}
