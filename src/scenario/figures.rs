//! Figures of a load that mixes and programs record alike: metrics, the gate of intact reads, series, the client's own load.
//!
//! The main type is [`crate::model::Metric`], made by [`metric`].

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::{Failure, Latencies, LoadResult};
use crate::model::{ClientLoad, Direction, Gate, GateVerdict, Metric, SeriesPoint};

/// How this program was built: a debug build measures itself.
pub(super) const BUILD: &str = if cfg!(debug_assertions) { "debug" } else { "release" };

/// `connection x12, status 503 x3`.
pub(super) fn list_errors(errors: &BTreeMap<Failure, u64>) -> String {
    errors.iter().map(|(class, count)| format!("{class} x{count}")).collect::<Vec<_>>().join(", ")
}

/// A time in milliseconds.
pub(super) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A metric from `n` samples.
pub(super) fn metric(name: impl Into<String>, unit: &str, direction: Direction, value: Option<f64>, n: u64) -> Metric {
    Metric { name: name.into(), unit: unit.to_owned(), direction, value, n }
}

/// Percentiles and the maximum as `<name>_p50` and so on, in ms.
pub(super) fn push_latencies(metrics: &mut Vec<Metric>, name: &str, latencies: &Latencies) {
    for (suffix, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
        metrics.push(metric(format!("{name}_{suffix}"), "ms", Direction::LowerBetter, latencies.quantile_ms(quantile), latencies.count()));
    }
    metrics.push(metric(format!("{name}_max"), "ms", Direction::LowerBetter, latencies.max_ms(), latencies.count()));
}

/// What the client itself spent from the end of the warm-up to `to`: what is cut after the warm-up is the vendor's start, not the client's.
pub(super) fn push_client_cpu(metrics: &mut Vec<Metric>, warm_up: Duration, to: Duration, result: &LoadResult) {
    let all = result.ledger.window_of_all(warm_up, to);
    let (sent, gib) = (all.ok + all.failed(), all.payload_bytes / (1u64 << 30) as f64);
    let cpu = result.cpu.as_secs_f64();
    let mut add = |name: &str, unit: &str, value: Option<f64>| metrics.push(metric(name, unit, Direction::LowerBetter, value, sent));
    add("client_cpu_us_per_request", "us", (sent > 0).then(|| cpu * 1e6 / sent as f64));
    add("client_cpu_s_per_gib", "s/GiB", (gib > 0.0).then(|| cpu / gib));
}

/// `errors` and `error_share` of so many requests.
pub(super) fn push_errors(metrics: &mut Vec<Metric>, failed: u64, sent: u64) {
    metrics.push(metric("errors", "1", Direction::LowerBetter, Some(failed as f64), sent));
    metrics.push(metric("error_share", "1", Direction::LowerBetter, (sent > 0).then(|| failed as f64 / sent as f64), sent));
}

/// Judged over everything that was read, the warm-up included, and in debug builds too: a wrong byte is wrong at any speed.
pub(super) fn corruption_gate(result: &LoadResult) -> Gate {
    let reads = result.ledger.window(crate::config::Operation::GetObject, Duration::ZERO, Duration::MAX);
    let (corrupt, verified) = (reads.errors.get(&Failure::Corrupt).copied().unwrap_or(0), result.ledger.verified);
    let verdict = match (corrupt, verified) {
        (1.., _) => GateVerdict::NotMet,
        (0, 0) => GateVerdict::Untested,
        (0, _) => GateVerdict::Met,
    };
    let observed = format!("{corrupt} corrupt of {} reads; {verified} were compared byte for byte, all by length", reads.ok + reads.failed());
    let limit = "no read differs from what was written".to_owned();
    Gate { name: "no_corrupt_reads".to_owned(), verdict, limit, observed, evidence: None }
}

/// The load over time until `to`, in points of this width, a multiple of the ledger's buckets.
pub(super) fn series(result: &LoadResult, width: Duration, to: Duration) -> Vec<SeriesPoint> {
    let mut points = Vec::new();
    let mut start = Duration::ZERO;
    while start + width <= to {
        let tally = result.ledger.window_of_all(start, start + width);
        points.push(SeriesPoint {
            offset_ms: millis(start),
            ok: tally.ok,
            errors: tally.failed(),
            payload_bytes: tally.payload_bytes.round() as u64,
            latency_ms_p50: tally.response.quantile_ms(0.5),
            latency_ms_p99: tally.response.quantile_ms(0.99),
        });
        start += width;
    }
    points
}

/// The client's own load; a debug build is always a limit.
pub(super) fn client_load(result: &LoadResult) -> ClientLoad {
    let mut client_load = result.client_load.clone();
    if BUILD == "debug" {
        let reason = "the client is a debug build".to_owned();
        client_load.limited = Some(client_load.limited.map_or(reason.clone(), |other| format!("{other}; {reason}")));
    }
    client_load
}
