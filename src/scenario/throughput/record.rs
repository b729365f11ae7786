//! A load's result as a record: metrics, gates, histograms, series.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Cell, Load, Runner};
use crate::config::{LoopKind, Operation, PayloadMode};
use crate::load::{Failure, LoadResult, Steady, Stop, Tally, series_width};
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
    let is_open = matches!(load.mix.load_loop, LoopKind::Open { .. });
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
    record.outcome = outcome(result, &all);
}

fn outcome(result: &LoadResult, all: &Tally) -> Outcome {
    if let Some((Stop::Budget(limit), at)) = &result.stopped {
        return Outcome::Unresolved(format!("stopped after {:.1} s: {limit}", at.as_secs_f64()));
    }
    if result.to.saturating_sub(result.from) < result.ledger.bucket() {
        return Outcome::Unresolved("the objects were used up before anything could be measured".to_owned());
    }
    let unanswered = [Failure::Connection, Failure::Timeout].iter().filter_map(|class| all.errors.get(class)).sum::<u64>();
    if all.ok == 0 && unanswered == all.failed() {
        return Outcome::Unresolved(format!("no request was answered: {}", list_errors(&all.errors)));
    }
    Outcome::Measured
}

fn parameters(cell: &Cell, load: &Load, result: &LoadResult) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::new();
    let mut set = |name: &str, value: String| drop(parameters.insert(name.to_owned(), value));
    set(
        "loop",
        match load.mix.load_loop {
            LoopKind::Closed => "closed".to_owned(),
            LoopKind::Open { rate_per_s } => format!("open, Poisson, {rate_per_s} requests/s"),
        },
    );
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
    if let LoopKind::Open { .. } = load.mix.load_loop {
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
