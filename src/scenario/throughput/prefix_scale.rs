//! Many prefixes: the plan of a cell and its record.

use std::time::Duration;

use crate::config::{PrefixCell, PrefixScaleSpec};
use crate::load::LoadResult;
use crate::load::prefix::{PrefixLoad, PrefixPlan, measure};
use crate::model::{Direction, Outcome, ScenarioRecord};
use crate::scenario::figures::{list_errors, metric, push_latencies};

/// The program of a cell.
pub(super) fn program(spec: &PrefixScaleSpec, cell: PrefixCell, base: String, seed: u64) -> PrefixLoad {
    PrefixLoad::new(PrefixPlan { spec: spec.clone(), prefixes: cell.prefixes, client: cell.client, base, seed })
}

/// Fills the record with what became of a cell.
pub(super) fn fill(record: &mut ScenarioRecord, program: &PrefixLoad, result: &LoadResult) {
    let (outcome, plan) = (program.outcome(), program.plan());
    let all = result.ledger.window_of_all(Duration::ZERO, Duration::MAX);
    let took = if outcome.ended.is_zero() { plan.spec.limit.0 } else { outcome.ended };
    let found = measure(&outcome.counts, took);
    let (failed, sent) = (all.failed(), all.failed() + all.ok);
    let mut add = |name: &str, unit: &str, direction, value: Option<f64>| record.metrics.push(metric(name, unit, direction, value, sent));
    add("goodput_s", "1/s", Direction::HigherBetter, Some(found.goodput_per_s));
    add("fairness_jain", "1", Direction::HigherBetter, found.fairness);
    add("amplification", "1", Direction::LowerBetter, found.amplification);
    let worst = found.throttled_share.iter().flatten().copied().reduce(f64::max);
    add("throttled_share_worst_prefix", "1", Direction::LowerBetter, worst);
    add("unwritten", "1", Direction::LowerBetter, Some(outcome.unwritten as f64));
    add("prefixes_split", "1", Direction::LowerBetter, Some(outcome.splits as f64));
    add("errors", "1", Direction::LowerBetter, Some(failed as f64));
    add("error_share", "1", Direction::LowerBetter, (sent > 0).then(|| failed as f64 / sent as f64));
    push_latencies(&mut record.metrics, "latency_ms", &all.service);
    record.histograms.insert("put_object.service".to_owned(), all.service.encode());
    let mut set = |name: &str, value: String| drop(record.parameters.insert(name.to_owned(), value));
    set("prefixes", plan.prefixes.to_string());
    set("objects", plan.spec.objects.to_string());
    set("object_size", plan.spec.object_size.to_string());
    set("concurrency", plan.spec.concurrency.to_string());
    set("hot_share", plan.spec.hot_share.to_string());
    set("attempts", format!("{} at most for each object", plan.spec.attempts));
    if failed > 0 {
        record.findings.push(format!("{failed} of {sent} requests failed: {}.", list_errors(&all.errors)));
    }
    if outcome.unwritten > 0 {
        record.findings.push(format!("{} of {} objects were not written.", outcome.unwritten, plan.spec.objects));
    }
    record.outcome = match all.ok {
        0 => Outcome::Unresolved(format!("no object was written: {}", list_errors(&all.errors))),
        _ => Outcome::Measured,
    };
}
