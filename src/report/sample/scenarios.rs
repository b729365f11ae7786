//! Scenarios of the sample: measured, limited by the client, broken, unresolved and untested ones.

use super::HOSTILE;
use crate::model::{ClientLoad, Direction, Gate, GateVerdict, Kind, Metric, Outcome, ScenarioRecord, SeriesPoint, Window};

/// Repeats of each throughput cell.
const REPEATS: u32 = 3;

/// The scenarios of one of the three vendors.
pub fn scenarios(vendor: &str) -> Vec<ScenarioRecord> {
    let speed = match vendor {
        "steady" => 1.0,
        "hasty" => 1.4,
        _ => 0.3,
    };
    let mut records: Vec<ScenarioRecord> = Vec::new();
    for (cell, rate) in [("get_object 32 MiB x4", 820.0), ("get_object 1 MiB x8", 412.5)] {
        records.extend((1..=REPEATS).map(|repeat| throughput(cell, repeat, rate * speed * (0.97 + 0.02 * f64::from(repeat)), vendor == "hasty")));
    }
    if vendor == "halfway" {
        records.truncate(1);
        return records;
    }
    records.extend(sweep(vendor == "hasty"));
    records.push(overwrite(vendor == "hasty"));
    records.push(kill(vendor == "hasty"));
    records.push(pause(vendor == "hasty"));
    records
}

fn metric(name: &str, unit: &str, direction: Direction, value: Option<f64>, n: u64) -> Metric {
    Metric { name: name.to_owned(), unit: unit.to_owned(), direction, value, n }
}

fn base(scenario: &str, kind: Kind, code: &str, title: &str) -> ScenarioRecord {
    ScenarioRecord { duration_ms: 5200.0, ..ScenarioRecord::new(scenario.into(), kind, code, title) }
}

fn throughput(cell: &str, repeat: u32, rate: f64, limited: bool) -> ScenarioRecord {
    let latency = 4000.0 / rate;
    ScenarioRecord {
        cell: cell.to_owned(),
        repeat,
        metrics: vec![
            metric("throughput_mib_s", "MiB/s", Direction::HigherBetter, Some(rate), 240),
            metric("latency_ms_p50", "ms", Direction::LowerBetter, Some(latency), 240),
            metric("latency_ms_p99", "ms", Direction::LowerBetter, Some(latency * 4.2), 240),
            metric("latency_ms_p99_9", "ms", Direction::LowerBetter, (repeat > 1).then_some(latency * 19.0), 240),
            metric("errors", "1", Direction::LowerBetter, Some(0.0), 240),
        ],
        client_load: Some(ClientLoad {
            cpu_percent: if limited { 188.0 } else { 91.5 },
            cores: 2,
            limited: limited.then(|| "the client used 94 % of its 2 cores".to_owned()),
        }),
        series: (0..5u32).map(|second| point(f64::from(second), (rate / 10.0) as u64 + u64::from(second % 2), 0)).collect(),
        ..base("throughput/get-large", Kind::Throughput, "T1", "Reading large objects")
    }
}

/// A closed sweep of concurrency: one repeat each, five of the last. The one vendor has its peak within it, the other grows on.
fn sweep(grows: bool) -> Vec<ScenarioRecord> {
    let (one, contention, crosstalk) = if grows { (140.0, 0.02, 0.0) } else { (540.0, 0.02, 0.0011) };
    let mut records = Vec::new();
    for (in_flight, repeats) in [(1_u32, 1_u32), (4, 1), (16, 1), (64, 5)] {
        let n = f64::from(in_flight);
        let rate = one * n / (1.0 + contention * (n - 1.0) + crosstalk * n * (n - 1.0));
        for repeat in 1..=repeats {
            let noise = 0.99 + 0.005 * f64::from(repeat) + if grows { -0.002 } else { 0.0 };
            records.push(ScenarioRecord {
                cell: format!("get_object 4 KiB x{in_flight}"),
                repeat,
                metrics: vec![
                    metric("requests_s", "1/s", Direction::HigherBetter, Some(rate * noise), 4000),
                    metric("latency_ms_p99", "ms", Direction::LowerBetter, Some(0.4 * n / noise), 4000),
                ],
                ..base("throughput/small-objects", Kind::Throughput, "T4", "Small objects")
            });
        }
    }
    records
}

fn point(second: f64, ok: u64, errors: u64) -> SeriesPoint {
    SeriesPoint {
        offset_ms: second * 1000.0,
        ok,
        errors,
        payload_bytes: ok << 20,
        latency_ms_p50: (ok > 0).then_some(3.1),
        latency_ms_p99: (ok > 0).then_some(12.0),
    }
}

fn gate(name: &str, verdict: GateVerdict, limit: &str, observed: &str) -> Gate {
    Gate { name: name.to_owned(), verdict, limit: limit.to_owned(), observed: observed.to_owned(), evidence: None }
}

fn overwrite(broken: bool) -> ScenarioRecord {
    let verdict = if broken { GateVerdict::NotMet } else { GateVerdict::Met };
    ScenarioRecord {
        metrics: vec![metric("stale_reads", "1", Direction::LowerBetter, Some(if broken { 3.0 } else { 0.0 }), 900)],
        gates: vec![gate("no_stale_read", verdict, "no read returns what an acknowledged write had replaced", HOSTILE)],
        findings: if broken { vec![format!("Key 7 went back to an older value: {HOSTILE}")] } else { Vec::new() },
        evidence: Some("evidence/F09.json".to_owned()),
        ..base("failure/concurrent-overwrite", Kind::Failure, "F09", "Many writers on one key")
    }
}

fn kill(broken: bool) -> ScenarioRecord {
    let series = (0..14u32).map(|second| match second {
        4..=6 => point(f64::from(second), 0, 18),
        7 => point(f64::from(second), 60, 4),
        _ => point(f64::from(second), 180 + u64::from(second % 3) * 7, 0),
    });
    let window = |label: &str, start: f64, end: f64| Window { label: label.to_owned(), start_ms: start * 1000.0, end_ms: end * 1000.0 };
    ScenarioRecord {
        metrics: vec![
            metric("recovery_s", "s", Direction::LowerBetter, (!broken).then_some(1.02), 1),
            metric("availability", "1", Direction::HigherBetter, Some(0.761), 1400),
        ],
        gates: vec![
            gate("no_acked_loss", GateVerdict::Met, "every acknowledged write is readable", "611 acknowledged writes read back"),
            gate("no_torn_object", GateVerdict::Met, "no object is a mix of two writes", "0 of 611"),
            gate("recovers", if broken { GateVerdict::Waived } else { GateVerdict::Met }, "healthy within 30 s", "after 1.02 s"),
        ],
        series: series.collect(),
        windows: vec![window("baseline", 0.0, 4.0), window("fault", 4.0, 7.0), window("recovery", 7.0, 14.0)],
        ..base("failure/kill-restart", Kind::Failure, "F10", "Process killed under load")
    }
}

fn pause(unresolved: bool) -> ScenarioRecord {
    let outcome = if unresolved { Outcome::Unresolved("the hook timed out".to_owned()) } else { Outcome::Untested("no hook: pause".to_owned()) };
    ScenarioRecord { outcome, ..base("failure/pause", Kind::Failure, "F12", "Process paused") }
}
