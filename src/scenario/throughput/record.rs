//! A load's result as a record: metrics, gates, histograms, series.

use std::collections::BTreeMap;
use std::time::Duration;

use super::recovery::Recovery;
use super::{Cell, Load, Runner};
use crate::check::{LoadWindow, broken_littles_law};
use crate::config::{BurstRules, KneeRules, Operation, PayloadMode};
use crate::load::knee::{KneeSearch, Next, Step};
use crate::load::multipart::{MultipartSpec, Upload};
use crate::load::schedule::{Arrivals, Pace};
use crate::load::{Failure, Latencies, LoadResult, Steady, Stop, Tally, series_width};
use crate::model::{Direction, Kind, Metric, Outcome, ScenarioRecord, Window};
use crate::scenario::figures::{
    BUILD, client_load, corruption_gate, list_errors, metric, millis, push_client_cpu, push_errors, push_latencies, series,
};

impl Runner {
    /// The record of a cell before anything is measured.
    pub(super) fn blank(&self, cell: &Cell, repeat: u32) -> ScenarioRecord {
        ScenarioRecord {
            cell: cell.to_string(),
            repeat,
            client: self.client.clone(),
            ..ScenarioRecord::new(self.id.clone(), Kind::Throughput, &self.spec.code, &self.spec.title)
        }
    }
}

/// Fills the record of a cell with what was measured.
pub(super) fn fill(record: &mut ScenarioRecord, cell: &Cell, load: &Load, result: &LoadResult) {
    let all = result.ledger.window_of_all(result.from, result.to);
    record.parameters = parameters(cell, load, result);
    record.metrics = metrics(cell, load, result, &all);
    record.gates.extend(cell.sends(Operation::GetObject).then(|| corruption_gate(result)));
    let is_open = load.mix.pace.is_some();
    for operation in result.ledger.operations() {
        let tally = result.ledger.window(operation, result.from, result.to);
        record.histograms.insert(format!("{}.service", operation.name()), tally.service.encode());
        if is_open {
            record.histograms.insert(format!("{}.response", operation.name()), tally.response.encode());
        }
    }
    record.series = series(result, series_width(load.spec.span()), result.to);
    record.windows = windows(load, result);
    record.findings = findings(load, result, &all);
    record.client_load = Some(client_load(result));
    record.outcome = outcome(load, result, &all);
}

/// What uploads in parts took, as whole objects; the parts' latencies and the errors of all requests.
pub(super) fn fill_multipart(record: &mut ScenarioRecord, spec: &MultipartSpec, uploads: &[Upload], result: &LoadResult) {
    let all = result.ledger.window_of_all(Duration::ZERO, Duration::MAX);
    let mut whole = Latencies::default();
    let complete: Vec<&Upload> = uploads.iter().filter(|upload| upload.is_complete).collect();
    complete.iter().for_each(|upload| whole.record(upload.ended.saturating_sub(upload.started)));
    let seconds = uploads.last().map_or(0.0, |last| last.ended.as_secs_f64());
    let mib = complete.len() as f64 * spec.size as f64 / (1u64 << 20) as f64;
    let n = complete.len() as u64;
    let throughput = (seconds > 0.0).then(|| mib / seconds);
    record.metrics.push(metric("throughput_mib_s", "MiB/s", Direction::HigherBetter, throughput, n));
    push_latencies(&mut record.metrics, "object_ms", &whole);
    let parts = result.ledger.window(Operation::UploadPart, Duration::ZERO, Duration::MAX);
    push_latencies(&mut record.metrics, "part_latency_ms", &parts.service);
    let (failed, sent, aborted) = (all.failed(), all.failed() + all.ok, uploads.len() as u64 - n);
    record.metrics.push(metric("uploads_failed", "1", Direction::LowerBetter, Some(aborted as f64), uploads.len() as u64));
    record.metrics.push(metric("errors", "1", Direction::LowerBetter, Some(failed as f64), sent));
    record.metrics.push(metric("error_share", "1", Direction::LowerBetter, (sent > 0).then(|| failed as f64 / sent as f64), sent));
    for operation in result.ledger.operations() {
        let tally = result.ledger.window(operation, Duration::ZERO, Duration::MAX);
        record.histograms.insert(format!("{}.service", operation.name()), tally.service.encode());
    }
    if failed > 0 {
        record.findings.push(format!("{failed} of {sent} requests failed: {}; {aborted} uploads did not complete.", list_errors(&all.errors)));
    }
    record.outcome = ended(result, &all).unwrap_or(Outcome::Measured);
}

/// A sentence where rate, latency and requests in flight cannot all be true.
fn impossible(load: &Load, result: &LoadResult, all: &Tally) -> Option<String> {
    let window_s = result.to.saturating_sub(result.from).as_secs_f64();
    let latency_s_mean = all.service.mean_s().filter(|_| all.failed() * 100 <= all.ok)?;
    let rate_per_s = (all.ok + all.failed()) as f64 / window_s;
    let seen = |in_flight_mean: f64| broken_littles_law(&LoadWindow { rate_per_s, latency_s_mean, in_flight_mean, window_s });
    // The mean of the histogram against the sum of all times; and never more in flight than there are connections.
    let most = f64::from(load.spec.concurrency);
    seen(all.busy_s / window_s).or_else(|| seen(most).filter(|_| rate_per_s * latency_s_mean > most))
}

fn outcome(load: &Load, result: &LoadResult, all: &Tally) -> Outcome {
    if result.to.saturating_sub(result.from) < result.ledger.bucket() && !matches!(result.stopped, Some((Stop::Budget(_), _))) {
        return Outcome::Unresolved("the objects were used up before anything could be measured".to_owned());
    }
    ended(result, all).unwrap_or_else(|| impossible(load, result, all).map_or(Outcome::Measured, Outcome::Unresolved))
}

/// Why a load that ended has no figures.
fn ended(result: &LoadResult, all: &Tally) -> Option<Outcome> {
    if let Some((Stop::Budget(limit), at)) = &result.stopped {
        return Some(Outcome::Unresolved(format!("stopped after {:.1} s: {limit}", at.as_secs_f64())));
    }
    let unanswered = [Failure::Connection, Failure::Timeout].iter().filter_map(|class| all.errors.get(class)).sum::<u64>();
    if all.ok == 0 && unanswered == all.failed() {
        return Some(Outcome::Unresolved(format!("no request was answered: {}", list_errors(&all.errors))));
    }
    None
}

fn parameters(cell: &Cell, load: &Load, result: &LoadResult) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut set = |name: &str, value: String| drop(parameters.insert(name.to_owned(), value));
    set("loop", loop_name(load.mix.pace.as_ref()));
    set("keys", cell.keys.to_string());
    set("object_size", cell.object_size.to_string());
    set("objects", load.mix.objects.to_string());
    set("concurrency", cell.concurrency.to_string());
    set("build", BUILD.to_owned());
    set(
        "engine",
        format!("HTTP/1.1, thread per core, {}, no retries", if cell.style.keep_alive { "keep-alive" } else { "a connection per request" }),
    );
    let warm_up = if cell.needs_doomed() { "none: deleting uses its objects up".to_owned() } else { format!("{} ms", millis(load.spec.warm_up)) };
    set("warm_up", warm_up);
    set(
        "warm_up_cut",
        match result.steady {
            Steady::After(buckets) => format!("{} ms more by MSER-5", millis(result.ledger.bucket() * buckets as u32)),
            Steady::Never => "MSER-5: no steady state in the first half, nothing cut".to_owned(),
            Steady::TooShort => "MSER-5: too short to judge, nothing cut".to_owned(),
        },
    );
    set("measured_ms", format!("{:.0}", millis(result.to.saturating_sub(result.from))));
    if cell.sends(Operation::PutObject) {
        set(
            "payload",
            match load.spec.payload {
                PayloadMode::CachedSigned => {
                    format!(
                        "cached-signed: {} bodies in turn, hashed beforehand; a server that deduplicates sees them again",
                        load.mix.cached.unwrap_or(0)
                    )
                }
                PayloadMode::TailUnique => {
                    "tail-unique: bodies differ in their last 16 bytes; a server that deduplicates sees the rest again".to_owned()
                }
                PayloadMode::StreamingSigned => "streaming-signed: every body is new and sent in signed chunks of 64 KiB".to_owned(),
                PayloadMode::UniqueSigned => "unique-signed: every body is new and hashed when it is sent".to_owned(),
                PayloadMode::Unsigned => "unsigned: every body is new, UNSIGNED-PAYLOAD".to_owned(),
            },
        );
        set(
            "written_keys",
            format!("each connection writes its own keys in turn, {} in all", load.mix.objects.max(u64::from(load.spec.concurrency))),
        );
    }
    if cell.sends(Operation::PutObject) || cell.sends(Operation::GetObject) {
        set("entropy", load.spec.content.entropy().name().to_owned());
    }
    if cell.sends(Operation::PutObject) {
        set("checksum", cell.style.checksum.name().to_owned());
    }
    if cell.sends(Operation::GetObject) {
        set("verify", cell.style.verify.name().to_owned());
        set("verified_reads", result.ledger.verified.to_string());
    }
    parameters
}

fn loop_name(pace: Option<&Pace>) -> String {
    match pace {
        None => "closed".to_owned(),
        Some(Pace { arrivals, rate_per_s }) => {
            let shape = match arrivals {
                Arrivals::Poisson => "Poisson".to_owned(),
                Arrivals::Constant => "constant".to_owned(),
                Arrivals::Bursts(_) => format!("Poisson with bursts, {} requests/s over all", arrivals.mean_rate_per_s(*rate_per_s)),
            };
            format!("open, {shape}, {rate_per_s} requests/s")
        }
    }
}

/// How many times the p99 of all keys alike a skewed choice of keys has.
pub(super) fn skew(ratio: f64) -> Metric {
    metric("latency_p99_over_uniform", "1", Direction::LowerBetter, Some(ratio), 1)
}

/// What follows from bursts, over everything after the fixed warm-up: a series with bursts has no steady state to wait for.
pub(super) fn add_recovery(record: &mut ScenarioRecord, rules: BurstRules, load: &Load, result: &LoadResult) {
    let recovery = Recovery::of(&result.ledger, rules, series_width(load.spec.span()), (load.spec.warm_up, result.to));
    let longest = recovery.longest_s();
    record.metrics.push(metric("recovery_s", "s", Direction::LowerBetter, longest, recovery.bursts.len() as u64));
    record.metrics.push(metric("calm_latency_ms_p99", "ms", Direction::LowerBetter, recovery.baseline_ms, recovery.bursts.len() as u64));
    let stuck = recovery.bursts.iter().filter(|burst| burst.is_none()).count();
    if stuck > 0 {
        record.findings.push(format!(
            "After {stuck} of {} bursts the response time was not back within 1.5 times that of the calm before the next one.",
            recovery.bursts.len()
        ));
    }
}

/// What a search found. Where even the first rate was too high, there is no value, and the finding says so.
pub(super) fn add_knee(record: &mut ScenarioRecord, rules: KneeRules, search: &KneeSearch) {
    let objective = millis(rules.p99_max.0);
    let (value, finding) = match search.next() {
        Next::Found(rate) => (Some(rate), format!("The knee lies at {rate:.1} requests/s or up to 3 % above it.")),
        Next::AtLeast(rate) => (Some(rate), format!("The knee lies above the cap of the search: at least {rate:.1} requests/s.")),
        Next::Below(rate) | Next::Try(rate) => (None, format!("Not even {rate:.1} requests/s were kept up with: the knee lies below.")),
    };
    record.metrics.push(metric("knee_requests_s", "1/s", Direction::HigherBetter, value, search.steps().len() as u64));
    record.findings.push(finding);
    let step = |step: &Step| {
        let share = step.achieved.map_or("nothing due".to_owned(), |achieved| format!("{:.1} %", achieved * 100.0));
        let p99 = step.p99.map_or("too few".to_owned(), |p99| format!("{:.1} ms", millis(p99)));
        format!("{:.1}/s: {share}, p99 {p99}", step.offered_per_s)
    };
    let steps = search.steps().iter().map(step).collect::<Vec<_>>().join("; ");
    record.parameters.insert("knee_steps".to_owned(), steps);
    record.parameters.insert("knee_objective".to_owned(), format!("97 % succeed, response time p99 of {objective} ms"));
}

fn metrics(cell: &Cell, load: &Load, result: &LoadResult, all: &Tally) -> Vec<Metric> {
    let seconds = result.to.saturating_sub(result.from).as_secs_f64();
    let per_s = |amount: f64| (seconds > 0.0).then(|| amount / seconds);
    let mut metrics = Vec::new();
    if cell.sends(Operation::GetObject) || cell.sends(Operation::PutObject) {
        let mib = all.payload_bytes / (1u64 << 20) as f64;
        metrics.push(metric("throughput_mib_s", "MiB/s", Direction::HigherBetter, per_s(mib), all.ok));
    }
    metrics.push(metric("requests_s", "1/s", Direction::HigherBetter, per_s(all.ok as f64), all.ok));
    push_latencies(&mut metrics, "latency_ms", &all.response);
    if load.mix.pace.is_some() {
        push_latencies(&mut metrics, "service_latency_ms", &all.service);
        metrics.push(metric("late", "1", Direction::LowerBetter, Some(result.ledger.late as f64), all.ok));
        metrics.push(metric("dropped", "1", Direction::LowerBetter, Some(result.ledger.dropped as f64), all.ok));
    }
    let mixed = cell.mix.iter().any(|entry| entry.operation != cell.mix[0].operation);
    for operation in result.ledger.operations() {
        let tally = result.ledger.window(operation, result.from, result.to);
        let prefix = if mixed { format!("{}.", operation.name()) } else { String::new() };
        if mixed {
            push_latencies(&mut metrics, &format!("{prefix}latency_ms"), &tally.response);
            metrics.push(metric(format!("{prefix}requests_s"), "1/s", Direction::HigherBetter, per_s(tally.ok as f64), tally.ok));
        }
        if operation == Operation::GetObject {
            let (value, n) = (tally.first_byte.quantile_ms(0.5), tally.first_byte.count());
            metrics.push(metric(format!("{prefix}time_to_first_byte_ms_p50"), "ms", Direction::LowerBetter, value, n));
        }
    }
    push_client_cpu(&mut metrics, load.spec.warm_up, result.to, result);
    push_errors(&mut metrics, all.failed(), all.failed() + all.ok);
    metrics
}

fn windows(load: &Load, result: &LoadResult) -> Vec<Window> {
    let spans = [("warm-up", Duration::ZERO, load.spec.warm_up), ("cut", load.spec.warm_up, result.from), ("measure", result.from, result.to)];
    let not_empty = spans.into_iter().filter(|(_, start, end)| start < end);
    not_empty.map(|(label, start, end)| Window { label: label.to_owned(), start_ms: millis(start), end_ms: millis(end) }).collect()
}

fn findings(load: &Load, result: &LoadResult, all: &Tally) -> Vec<String> {
    let mut findings = Vec::new();
    if all.failed() > 0 {
        findings.push(format!("{} of {} requests failed: {}.", all.failed(), all.failed() + all.ok, list_errors(&all.errors)));
    }
    if let Some((Stop::UsedUp, at)) = &result.stopped {
        let planned = load.spec.span().as_secs_f64();
        findings.push(format!(
            "The {} objects to delete were used up after {:.2} s of {planned} s: measured until then.",
            load.mix.objects,
            at.as_secs_f64()
        ));
    }
    if result.steady == Steady::Never {
        findings.push("No steady state within the first half of the measured time: the mean may not be that of a longer run.".to_owned());
    }
    if result.ledger.dropped > 0 {
        let due = all.ok + all.failed() + result.ledger.dropped;
        findings.push(format!("{} of {due} requests that were due were never started: the rate is above the vendor's.", result.ledger.dropped));
    }
    findings
}
