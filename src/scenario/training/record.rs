//! What the records of all programs have: latencies by operation, errors, the gate of intact reads, series, the client's own load.
//!
//! The main function is [`fill`].

use std::time::Duration;

use crate::config::Operation;
use crate::load::{Failure, Ledger, LoadResult, Stop, series_width};
use crate::model::{Direction, Outcome, ScenarioRecord, Window};
use crate::scenario::figures;
pub(super) use crate::scenario::figures::{metric, millis};

/// The errors of a whole load: `connection x12, status 503 x3`.
pub(super) fn list_errors(ledger: &Ledger) -> String {
    figures::list_errors(&ledger.window_of_all(Duration::ZERO, Duration::MAX).errors)
}

/// Sets a parameter.
pub(super) fn set(record: &mut ScenarioRecord, name: &str, value: impl Into<String>) {
    record.parameters.insert(name.to_owned(), value.into());
}

/// Adds a number that a program has measured.
pub(super) fn push(record: &mut ScenarioRecord, name: &str, unit: &str, direction: Direction, value: Option<f64>, n: u64) {
    record.metrics.push(metric(name, unit, direction, value, n));
}

/// Adds what the engine has measured from `from` to `to`, the program's own measured time, and judges whether it is a measurement at all.
/// Where it is none, the outcome says why: a program need not say so itself.
pub(super) fn fill(record: &mut ScenarioRecord, result: &LoadResult, (from, to): (Duration, Duration)) {
    // Requests count in the bucket in which they were started: the last one is not full.
    let last = to + result.ledger.bucket();
    let all = result.ledger.window_of_all(from, last);
    set(record, "build", figures::BUILD);
    set(record, "engine", "HTTP/1.1, thread per core, keep-alive, no retries");
    set(record, "measured_ms", format!("{:.0}", millis(to.saturating_sub(from))));
    for operation in result.ledger.operations() {
        let tally = result.ledger.window(operation, from, last);
        figures::push_latencies(&mut record.metrics, &format!("{}.latency_ms", operation.name()), &tally.service);
        record.histograms.insert(format!("{}.service", operation.name()), tally.service.encode());
    }
    if result.ledger.operations().any(|operation| operation == Operation::GetObject) {
        set(record, "verified_reads", result.ledger.verified.to_string());
        record.gates.push(figures::corruption_gate(result));
    }
    figures::push_client_cpu(&mut record.metrics, from, to, result);
    figures::push_errors(&mut record.metrics, all.failed(), all.failed() + all.ok);
    record.series = figures::series(result, series_width(to).max(result.ledger.bucket()), last);
    for (label, start, end) in [("warm-up", Duration::ZERO, from), ("measure", from, to)] {
        if start < end {
            record.windows.push(Window { label: label.to_owned(), start_ms: millis(start), end_ms: millis(end) });
        }
    }
    record.client_load = Some(figures::client_load(result));
    if all.failed() > 0 {
        let errors = figures::list_errors(&all.errors);
        record.findings.push(format!("{} of {} requests failed: {errors}.", all.failed(), all.failed() + all.ok));
    }
    if let Some((Stop::Budget(limit), at)) = &result.stopped {
        record.outcome = Outcome::Unresolved(format!("stopped after {:.1} s: {limit}", at.as_secs_f64()));
    }
    let unanswered = [Failure::Connection, Failure::Timeout].iter().filter_map(|class| all.errors.get(class)).sum::<u64>();
    if all.ok == 0 && unanswered == all.failed() {
        record.outcome = Outcome::Unresolved(format!("no request was answered: {}", figures::list_errors(&all.errors)));
    }
}
