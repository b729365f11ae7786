//! Data loading (A1 to A5): accelerators read batches, and how well they are fed is judged as MLPerf Storage judges it.
//!
//! The main function is [`run`]; what it measures comes from [`Trainer`].

use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::data::Object;
use super::record::{self, millis, push, set};
use super::trainer::{Log, Plan, Trainer};
use crate::config::{Access, Dataloader, ProgramCell};
use crate::load::{Latencies, LoadResult, Program, memory_bytes};
use crate::model::ai::{Block, RESULT_NAME, RunUse, io_mib_per_s, run_use};
use crate::model::{Direction, Gate, GateVerdict, Outcome, ScenarioRecord};
use crate::scenario::figures;

/// Runs a cell.
///
/// # Errors
/// When the data set cannot be written or the load cannot start, the reason.
pub(super) async fn run(context: &mut Context<'_>, spec: &Dataloader, cell: &ProgramCell, record: &mut ScenarioRecord) -> Result<(), String> {
    let ProgramCell::Dataloader { access, accelerators } = *cell else { return Err(format!("{cell} is no cell of a data loader")) };
    let sweep = format!("{access} #{}", record.repeat);
    if let Some(starved) = context.starved.get(&sweep).filter(|starved| **starved < accelerators) {
        record.outcome = Outcome::Untested(format!("the sweep has ended: {starved} accelerators were starved already"));
        return Ok(());
    }
    prepare(context, spec).await?;
    let trainer = Arc::new(Trainer::new(plan(context, spec, access, accelerators)));
    let result = context.load(Arc::clone(&trainer) as Arc<dyn Program>, accelerators, Some(context.times.duration)).await?;
    let run = Run::new(spec, access, accelerators, trainer.logs());
    parameters(record, spec, &run);
    metrics(record, spec, &run, &result);
    record::fill(record, &result, (Duration::ZERO, run.end));
    record.gates.push(gate(spec, &run));
    findings(record, spec, &run);
    if run.used.as_ref().is_none_or(|used| used.au < spec.au_min) {
        context.starved.insert(sweep, accelerators);
    }
    Ok(())
}

/// Writes the files of the data set that are not there yet.
///
/// # Errors
/// When they cannot be written, the reason.
pub(super) async fn prepare(context: &mut Context<'_>, spec: &Dataloader) -> Result<(), String> {
    let (set, seed) = (spec.dataset(), context.link.seed);
    let file = |file| Object { key: spec.file_name(file), number: file, size: set.file_bytes(seed, file) };
    context.prepare(&(0..spec.files).map(file).collect::<Vec<_>>(), PART).await
}

/// Files beyond this are written in parts.
const PART: u64 = 64 << 20;

/// The job of a cell.
pub(super) fn plan(context: &Context<'_>, spec: &Dataloader, access: Access, accelerators: u32) -> Plan {
    let (sizes, seed, prefix) = (context.link.seed, context.seed, context.space.prefix.clone());
    Plan { spec: spec.clone(), access, accelerators, epochs: spec.epochs, prefix, sizes, seed }
}

/// What a job came to.
pub(super) struct Run {
    access: Access,
    accelerators: u32,
    /// Utilisation and throughput; absent where fewer than two steps were made, or none had its samples.
    pub used: Option<RunUse>,
    /// Waiting for a batch, the first step of each epoch left out.
    pub waits: Latencies,
    /// Steps of all accelerators, and how many of them lacked a sample.
    pub steps: u64,
    spoiled: u64,
    /// When the last step of all ended, from the start of the load.
    pub end: Duration,
    /// Steps of one accelerator in the epoch that the time has cut.
    cut: Option<u64>,
}

impl Run {
    /// Judges what the accelerators did. An epoch that the time has cut counts only where there is no whole one.
    pub fn new(spec: &Dataloader, access: Access, accelerators: u32, logs: Vec<Log>) -> Self {
        let planned = spec.steps_per_epoch(access, accelerators);
        let begun = logs.iter().map(|log| log.blocks.len()).max().unwrap_or(0);
        let of = |epoch: usize| -> Vec<Vec<Block>> { logs.iter().map(|log| log.blocks.get(epoch).cloned().into_iter().collect()).collect() };
        let least =
            |ranks: &[Vec<Block>]| ranks.iter().map(|blocks| blocks.iter().map(|block| block.steps.len() as u64).sum::<u64>()).min().unwrap_or(0);
        let mut epochs: Vec<Vec<Vec<Block>>> = (0..begun).map(of).collect();
        let cut = epochs.last().map(|ranks| least(ranks)).filter(|steps| *steps < planned);
        if cut.is_some() && epochs.len() > 1 {
            epochs.pop();
        }
        let mut waits = Latencies::default();
        let blocks = || logs.iter().flat_map(|log| &log.blocks);
        blocks().flat_map(|block| block.steps.iter().skip(1)).for_each(|step| waits.record(step.load));
        Self {
            access,
            accelerators,
            used: run_use(&epochs, spec.batch),
            waits,
            steps: blocks().map(|block| block.steps.len() as u64).sum(),
            spoiled: logs.iter().map(|log| log.spoiled).sum(),
            end: logs.iter().map(|log| log.end).max().unwrap_or_default(),
            cut,
        }
    }
}

fn parameters(record: &mut ScenarioRecord, spec: &Dataloader, run: &Run) {
    set(record, "rules", format!("{RESULT_NAME}: not verified by MLCommons"));
    set(record, "access", run.access.to_string());
    set(record, "accelerators", run.accelerators.to_string());
    set(
        record,
        "data_set",
        format!("{} files of {} samples, {} each, configured deviation {}", spec.files, spec.samples_per_file, spec.record_size, spec.record_sd),
    );
    set(record, "batch", spec.batch.to_string());
    set(record, "compute_ms", millis(spec.compute_time.0).to_string());
    set(record, "read_threads", format!("{} of each accelerator, a connection each", spec.read_threads));
    let ahead = spec.prefetch.div_ceil(spec.read_threads);
    set(record, "prefetch", format!("{} batches: {ahead} of each read thread begun and not taken at most", spec.prefetch));
    set(record, "order", if spec.shuffle { "a contiguous slice of each accelerator, permuted each epoch" } else { "as written" });
    set(record, "demand_mib_s", format!("{:.1} of each accelerator, nominal", spec.demand_mib_per_s()));
    set(record, "epochs", spec.epochs.to_string());
}

fn metrics(record: &mut ScenarioRecord, spec: &Dataloader, run: &Run, result: &LoadResult) {
    let (higher, lower) = (Direction::HigherBetter, Direction::LowerBetter);
    let used = run.used.as_ref();
    let whole = (run.steps - run.spoiled) as f64 / run.steps.max(1) as f64;
    let samples_per_s = used.map(|used| used.samples_per_s * whole);
    let percent = |share: f64| 100.0 * share;
    let seconds = run.end.as_secs_f64();
    let moved = result.ledger.sums().2 as f64 / (1u64 << 20) as f64;
    let mut add = |name: &str, unit: &str, direction, value, n| push(record, name, unit, direction, value, n);
    add("au_percent", "%", higher, used.map(|used| percent(used.au)), run.steps);
    add("samples_s", "1/s", higher, samples_per_s, run.steps * spec.batch);
    add("nominal_mib_s", "MiB/s", higher, samples_per_s.map(|rate| io_mib_per_s(rate, spec.record_size.0)), run.steps * spec.batch);
    add("throughput_mib_s", "MiB/s", higher, (seconds > 0.0).then(|| moved / seconds), result.ledger.sums().0);
    add("load_share_percent", "%", lower, used.map(|used| percent(used.load_share)), run.steps);
    add("barrier_share_percent", "%", lower, used.map(|used| percent(used.barrier_share)), run.steps);
    if let Some([first, rest @ ..]) = used.map(|used| used.epochs.as_slice()) {
        let each = run.steps / (rest.len() as u64 + 1);
        add("epoch_1.au_percent", "%", higher, Some(percent(first.au)), each);
        if !rest.is_empty() {
            let mean = rest.iter().map(|epoch| epoch.au).sum::<f64>() / rest.len() as f64;
            add("epoch_rest.au_percent", "%", higher, Some(percent(mean)), run.steps - each);
        }
    }
    figures::push_latencies(&mut record.metrics, "step_load_ms", &run.waits);
}

fn gate(spec: &Dataloader, run: &Run) -> Gate {
    let limit = format!("accelerators compute at least {} % of the time", 100.0 * spec.au_min);
    let (verdict, observed) = match &run.used {
        None if run.steps < 2 * u64::from(run.accelerators) => {
            (GateVerdict::Untested, "the first step does not count, and there was no second one of each accelerator".to_owned())
        }
        None => (GateVerdict::NotMet, format!("{} of {} steps lacked samples because reads had failed", run.spoiled, run.steps)),
        Some(used) => {
            let verdict = if used.au >= spec.au_min { GateVerdict::Met } else { GateVerdict::NotMet };
            let waits = run.waits.quantile_ms(0.99).map(|p99| format!(", p99 {p99:.1} ms")).unwrap_or_default();
            let shares = format!("batches {:.1} % of the time{waits}, for each other {:.1} %", 100.0 * used.load_share, 100.0 * used.barrier_share);
            (verdict, format!("{:.1} % of {} accelerators over {} steps; they waited for {shares}", 100.0 * used.au, run.accelerators, run.steps))
        }
    };
    Gate { name: "au_min".to_owned(), verdict, limit, observed, evidence: None }
}

fn findings(record: &mut ScenarioRecord, spec: &Dataloader, run: &Run) {
    let held = spec.files * spec.samples_per_file;
    let least = spec.minimum_samples(run.accelerators, memory_bytes());
    if held < least {
        let sentence = format!("The data set holds {held} samples, fewer than the {least} that outgrow caches by the rules of MLPerf Storage");
        record.findings.push(format!("{sentence}: what is read again may come from one."));
    }
    if let Some(steps) = run.cut {
        let planned = spec.steps_per_epoch(run.access, run.accelerators);
        record.findings.push(format!("The time was over in an epoch after {steps} of its {planned} steps."));
    }
    if run.spoiled > 0 {
        record.findings.push(format!("{} of {} steps lacked samples because reads had failed: they count as waiting.", run.spoiled, run.steps));
    }
    if run.used.is_none() && run.spoiled == 0 && record.outcome == Outcome::Measured {
        record.outcome =
            Outcome::Unresolved("fewer than two steps of each accelerator fit into the time, and the first one does not count".to_owned());
    }
}
