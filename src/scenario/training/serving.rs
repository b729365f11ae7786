//! Serving a model: hosts that load the same weights (A13), and workers that fetch and store chunks of a KV cache (A14).
//!
//! The main functions are [`load_model`] and [`use_cache`].

use std::sync::Arc;

use super::Context;
use super::crew::Read;
use super::data::{Object, Sampler};
use super::record::{self, metric};
use super::restore::Herd;
use super::steps::{self, Naming};
use crate::config::{KvCache, ModelLoad, Operation, ProgramCell};
use crate::load::{self, Program, Request, Task, Worker};
use crate::model::ai::{CacheStep, cache_steps};
use crate::model::{Direction, ScenarioRecord};

/// Runs one cell of a model load: how long until the last host has all weights.
///
/// # Errors
/// When the weights cannot be written or the load cannot start, the reason.
pub(super) async fn load_model(
    context: &mut Context<'_>,
    program: &ModelLoad,
    cell: &ProgramCell,
    record: &mut ScenarioRecord,
) -> Result<(), String> {
    let ProgramCell::ModelLoad { size, range, readers } = *cell else { return Err(format!("{cell} is no cell of a model load")) };
    let file = program.file(size);
    let weights = |index: u64| {
        let key = program.file_name(size, index);
        Object { number: load::seed_of(0, &key), key, size: file.bytes }
    };
    let objects: Vec<Object> = (0..program.files).map(weights).collect();
    context.prepare(&objects, program.part_size.0).await?;
    let ranges = file.reads(range.0);
    let of_file = |object: Object| {
        let object = Arc::new(object);
        ranges.iter().map(move |range| Read { object: Arc::clone(&object), from: range.start, to: range.end() })
    };
    let reads: Arc<[Read]> = objects.into_iter().flat_map(of_file).collect();
    let hosts = vec![reads; readers as usize];
    let herd = Arc::new(Herd::new(&context.key(""), hosts, (program.passes, program.concurrency), context.times.duration));
    let result = context.load(Arc::clone(&herd) as Arc<dyn Program>, herd.connections(), None).await?;
    record::fill(record, &result, steps::whole(&result));
    let plan = herd.plan();
    record::set(record, "weights", format!("{} files of {} B, {} tensors each", program.files, file.bytes, program.tensors));
    record::set(
        record,
        "reads",
        format!("{} ranges of each host in each pass, {} in flight", ranges.len() as u64 * program.files, program.concurrency),
    );
    record.gates.push(steps::plan_gate("model_complete", &herd.rounds(), plan));
    steps::fill(record, &Naming { what: "model_load", round: "pass" }, &herd.rounds());
    Ok(())
}

/// Workers that fetch and store whole chunks of a cache, each one after the other.
#[derive(Debug)]
struct Cache {
    chunks: Vec<Object>,
    ratio: (u32, u32),
    workers: u32,
    seed: u64,
}

impl Cache {
    async fn serve(&self, number: u32, worker: &Worker) {
        let (mut lane, mut request) = (worker.lane(), Request::default());
        worker.open(&mut lane).await;
        worker.start().await;
        let mut sampler = Sampler::new(self.seed, u64::from(number));
        for step in cache_steps(self.chunks.len() as u64, self.ratio, self.seed, number) {
            if worker.is_over() {
                break;
            }
            let (operation, CacheStep::Read(chunk) | CacheStep::Write(chunk)) = (operation_of(step), step);
            let Object { key, number, size } = &self.chunks[chunk as usize];
            request.reset(operation, *number, *size);
            request.key.push_str(key);
            match step {
                CacheStep::Read(_) => request.verify = sampler.is_verified(),
                CacheStep::Write(_) => request.frees = *size,
            }
            if worker.perform(&mut lane, &request, None).await.is_none() {
                break;
            }
        }
        lane.settle(worker);
        worker.finish();
    }
}

fn operation_of(step: CacheStep) -> Operation {
    match step {
        CacheStep::Read(_) => Operation::GetObject,
        CacheStep::Write(_) => Operation::PutObject,
    }
}

impl Program for Cache {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        let own = (worker.index..self.workers).step_by(worker.of() as usize);
        own.map(|number| Box::pin(self.serve(number, worker)) as Task<'w>).collect()
    }
}

/// Runs one cell of a KV cache. A chunk's key stands for its tokens, so that it holds the same bytes whenever it is stored.
///
/// # Errors
/// When the chunks cannot be written or the load cannot start, the reason.
pub(super) async fn use_cache(context: &mut Context<'_>, program: &KvCache, cell: &ProgramCell, record: &mut ScenarioRecord) -> Result<(), String> {
    let ProgramCell::KvCache { model, chunk, concurrency } = *cell else { return Err(format!("{cell} is no cell of a KV cache")) };
    let named = |index: u64| {
        let key = program.chunk_name(&model, index);
        Object { number: load::seed_of(0, &key), key, size: chunk.0 }
    };
    let mut chunks: Vec<Object> = (0..program.chunks).map(named).collect();
    context.prepare(&chunks, chunk.0).await?;
    chunks.iter_mut().for_each(|chunk| chunk.key = context.key(&chunk.key));
    let cache = Cache { chunks, ratio: (program.reads, program.writes), workers: concurrency, seed: context.seed };
    let result = context.load(Arc::new(cache), concurrency, Some(context.times.duration)).await?;
    let (from, to) = (context.times.warm_up, result.to);
    record::fill(record, &result, (from, to));
    record::set(record, "chunks", format!("{} of {chunk}, {} tokens each; rewritten with the same bytes", program.chunks, program.chunk_tokens));
    record::set(record, "ratio", format!("{} reads to {} writes", program.reads, program.writes));
    let seconds = to.saturating_sub(from).as_secs_f64();
    let all = result.ledger.window_of_all(from, to);
    let mut add = |name: &str, unit: &str, direction, value, n| record.metrics.push(metric(name, unit, direction, value, n));
    let per_s = |amount: f64| (seconds > 0.0).then(|| amount / seconds);
    add("throughput_mib_s", "MiB/s", Direction::HigherBetter, per_s(all.payload_bytes / (1u64 << 20) as f64), all.ok);
    add("requests_s", "1/s", Direction::HigherBetter, per_s(all.ok as f64), all.ok);
    let sides = [("read", Operation::GetObject, program.read_p95), ("write", Operation::PutObject, program.write_p95)];
    for (side, operation, mark) in sides {
        let latencies = result.ledger.window(operation, from, to).service;
        let p95 = latencies.quantile_ms(0.95);
        record.metrics.push(metric(format!("{side}_latency_ms_p95"), "ms", Direction::LowerBetter, p95, latencies.count()));
        let limit = mark.0.as_secs_f64() * 1e3;
        record::set(record, &format!("{side}_p95_mark"), format!("{limit} ms, as in MLPerf Storage's tool: no rule passes or fails by it"));
        if let Some(p95) = p95.filter(|p95| *p95 > limit) {
            record
                .findings
                .push(format!("A {side} takes {p95:.0} ms at the 95th percentile, more than the mark of {limit} ms; no rule fails by it."));
        }
    }
    Ok(())
}
