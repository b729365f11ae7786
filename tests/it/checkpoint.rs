//! Checkpoints, restores, model loads, KV caches and list storms against a small server that keeps a log and misbehaves on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use proofmark::config::{PayloadMode, Program, ProgramSpec, RestoreProgram, Root, Scale, ScenarioSpec, load_scenario};
use proofmark::load::{Content, Hashes, LoadSpec, Meeting, Receive, Stamping, Task, Worker};
use proofmark::model::ai::CheckpointShape;
use proofmark::model::{Gate, GateVerdict, Outcome, ScenarioId, ScenarioRecord};
use proofmark::scenario::training::Runner;
use proofmark::units::{Bytes, Span};
use proofmark::wire::Link;

use crate::load_server::link_to;
use crate::object_server::{Flaw, ObjectServer};

/// A shipped scenario.
fn shipped(id: &str) -> ProgramSpec {
    let root = Root::new(env!("CARGO_MANIFEST_DIR"));
    match load_scenario(&root, &ScenarioId(format!("throughput/{id}")), Scale::Default).unwrap().spec {
        ScenarioSpec::Program(spec) => spec,
        other => panic!("{id}: {other:?}"),
    }
}

/// The shape of a model that fits into a few hundred kilobytes.
fn small(mut shape: CheckpointShape) -> CheckpointShape {
    (shape.model.hidden, shape.model.ffn, shape.model.vocab, shape.model.layers) = (64, 128, 256, 4);
    shape
}

/// Makes its program one of small objects, in parts where they are larger than 16 KiB.
fn shrink(spec: &mut ProgramSpec) {
    match &mut spec.program {
        Program::Checkpoint(program) => {
            program.shape.iter_mut().for_each(|shape| *shape = small(*shape));
            (program.part_size, program.pause) = (Bytes::kib(16), Span(Duration::from_millis(20)));
        }
        Program::Restore(program) => {
            program.shape.iter_mut().for_each(|shape| *shape = small(*shape));
            (program.part_size, program.range_size) = (Bytes::kib(16), Bytes::kib(20));
        }
        other => panic!("{other:?}"),
    }
}

/// Runs the first cell.
fn run(link: &Link, spec: &ProgramSpec) -> ScenarioRecord {
    run_cell(link, spec, 0)
}

fn run_cell(link: &Link, spec: &ProgramSpec, cell: usize) -> ScenarioRecord {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let times = spec.times(Some(Span(Duration::from_secs(30))), Some(Span(Duration::from_millis(100))));
    let mut runner = Runner::new(link, ScenarioId::from("throughput/test"), spec.clone(), times);
    runtime.block_on(runner.run_cell(&spec.cells()[cell], 1))
}

fn gate<'a>(record: &'a ScenarioRecord, name: &str) -> &'a Gate {
    record.gates.iter().find(|gate| gate.name == name).unwrap_or_else(|| panic!("no gate {name}: {record:?}"))
}

fn start(flaw: Flaw) -> (ObjectServer, Link) {
    let server = ObjectServer::start(flaw);
    let link = link_to(vec![server.endpoint.clone()], "");
    (server, link)
}

#[test]
fn the_checkpoints_of_a7_and_a8_have_the_objects_and_bytes_of_their_tables() {
    for (id, objects, bytes) in [("a07-checkpoint-zero3", 16, 154_324_480), ("a08-checkpoint-zero1", 30, 154_333_184)] {
        let (server, link) = start(Flaw::None);
        let mut spec = shipped(id);
        let Program::Checkpoint(program) = &mut spec.program else { panic!("{id}") };
        program.rounds = 1;
        let planned: BTreeMap<String, u64> =
            program.shape[0].objects(None).into_iter().map(|object| (format!("test/checkpoint-000001/{}", object.name), object.bytes)).collect();
        let record = run(&link, &spec);
        let written: BTreeMap<String, u64> = server.logged("PutObject").into_iter().map(|put| (put.key, put.bytes)).collect();
        assert_eq!(written, planned, "{id}");
        assert_eq!((written.len(), written.values().sum::<u64>()), (objects, bytes), "{id}");
        assert_eq!(record.outcome, Outcome::Measured);
        assert_eq!(gate(&record, "checkpoint_complete").verdict, GateVerdict::Met, "{record:?}");
        assert!(record.metric("checkpoint_s").unwrap() > 0.0 && record.metric("straggler_ratio").unwrap() >= 1.0);
        let mib_s = bytes as f64 / f64::from(1 << 20) / record.metric("checkpoint_s").unwrap();
        assert!((record.metric("throughput_mib_s").unwrap() / mib_s - 1.0).abs() < 1e-6);
        assert!(server.objects().is_empty(), "a cell leaves nothing behind");
    }
}

#[test]
fn retention_keeps_the_newest_checkpoints_and_large_objects_go_in_parts() {
    let (server, link) = start(Flaw::None);
    let mut spec = shipped("a12-retention");
    shrink(&mut spec);
    let Program::Checkpoint(program) = &spec.program else { panic!() };
    let (bytes, objects) = program.size(&program.shape[0]);
    let parts: u64 =
        program.shape[0].objects(None).iter().filter(|object| object.bytes > 16 << 10).map(|object| object.bytes.div_ceil(16 << 10)).sum();
    let record = run(&link, &spec);
    assert_eq!(gate(&record, "checkpoint_complete").verdict, GateVerdict::Met, "{record:?}");
    let (sent, puts) = (server.logged("UploadPart"), server.logged("PutObject"));
    assert!(parts > objects && sent.len() as u64 == 6 * parts, "{parts} parts each, {} in all", sent.len());
    assert_eq!(sent.iter().chain(&puts).map(|sent| sent.bytes).sum::<u64>(), 6 * bytes);
    assert_eq!((server.logged("DeleteObject").len() as u64, server.objects().len(), server.open_uploads()), (6 * objects, 0, 0));
    let most = server.most_objects() as u64;
    assert!((3 * objects..=5 * objects).contains(&most), "three are kept while the fourth is written: {most} of {objects} each");
    for name in ["gc_lag_s", "gc_deletes_s", "stall_share", "round_6.checkpoint_s"] {
        assert!(record.metric(name).is_some_and(|value| value > 0.0), "{name}: {:?}", record.metrics);
    }
    assert_eq!(record.metric("errors"), Some(0.0), "{:?}", record.findings);
    let (usage, estimate) = (link.meter.take(), spec.estimate(spec.times(None, None)));
    assert!(usage.stored_bytes_peak <= 5 * bytes, "what is deleted is not stored any more: {} of {bytes} each", usage.stored_bytes_peak);
    for (operation, most) in estimate.requests {
        let requests: u64 = usage.requests.get(&operation).map_or(0, |statuses| statuses.values().sum());
        assert!(requests > 0 && requests <= most, "{operation}: {requests} of {most}");
    }
}

#[test]
fn an_upload_whose_part_or_completion_fails_is_aborted_and_reported() {
    for (flaw, word) in [(Flaw::FailPart, "status 500"), (Flaw::FailComplete, "InternalError")] {
        let (server, link) = start(flaw);
        let mut spec = shipped("a07-checkpoint-zero3");
        shrink(&mut spec);
        let record = run(&link, &spec);
        let created = server.logged("CreateMultipartUpload").len();
        assert!(created > 0 && server.logged("AbortMultipartUpload").len() == created, "{flaw:?}: {created}");
        assert_eq!(server.open_uploads(), 0, "{flaw:?}");
        assert_eq!(gate(&record, "checkpoint_complete").verdict, GateVerdict::NotMet);
        let told = record.findings.iter().any(|finding| finding.contains(word) && finding.contains("the upload was aborted"));
        assert!(told, "{flaw:?}: {:?}", record.findings);
        assert_eq!(record.metric("checkpoint_s"), None, "what is not complete has no duration");
    }
}

/// How often each range is read, by object and first and last byte; a whole object counts as its range.
fn reads(server: &ObjectServer) -> BTreeMap<(String, usize, usize), usize> {
    let (sizes, mut reads) = (server.objects(), BTreeMap::new());
    for get in server.logged("GetObject") {
        let (first, last) = get.range.unwrap_or((0, sizes[&get.key] - 1));
        *reads.entry((get.key, first, last)).or_default() += 1;
    }
    reads
}

fn planned(program: &RestoreProgram, cell: &proofmark::config::ProgramCell) -> BTreeMap<(String, usize, usize), usize> {
    let proofmark::config::ProgramCell::Restore { shape, target, rank_shift } = cell else { panic!("{cell}") };
    let (folder, mut reads) = (shape.to_string().replace(' ', "-"), BTreeMap::new());
    for read in program.reads(shape, *target, *rank_shift).iter().flat_map(|rank| &rank.reads) {
        let key = format!("test/{folder}/{}", read.object);
        *reads.entry((key, read.range.start as usize, read.range.end() as usize - 1)).or_default() += program.passes as usize;
    }
    reads
}

#[test]
fn a_restore_reads_exactly_what_its_plan_says_at_any_parallelism() {
    for (id, cell) in [("a09-restore", 1), ("a09-restore", 3), ("a10-reshard", 0)] {
        let (server, link) = start(Flaw::None);
        let mut spec = shipped(id);
        shrink(&mut spec);
        let record = run_cell(&link, &spec, cell);
        let Program::Restore(program) = &spec.program else { panic!("{id}") };
        assert_eq!(reads(&server), planned(program, &spec.cells()[cell]), "{id} {cell}");
        assert_eq!(gate(&record, "restore_complete").verdict, GateVerdict::Met, "{record:?}");
        assert_eq!(gate(&record, "no_corrupt_reads").verdict, GateVerdict::Met);
        assert!(record.metric("restore_cold_s").is_some() && record.metric("restore_warm_s").is_some(), "{:?}", record.metrics);
        assert!(record.metric("read_per_needed").unwrap() >= 1.0);
        assert!(!server.logged("UploadPart").is_empty(), "what is read is written in parts");
    }
}

#[test]
fn every_host_of_a_model_load_reads_all_weights_in_each_pass() {
    let (server, link) = start(Flaw::None);
    let mut spec = shipped("a13-model-load");
    let Program::ModelLoad(program) = &mut spec.program else { panic!() };
    (program.size, program.part_size, program.files) = (vec![Bytes::mib(1)], Bytes::kib(128), 2);
    let record = run(&link, &spec);
    let reads = reads(&server);
    // Length, header and 75 tensors of two files, each read by eight hosts in two passes.
    assert_eq!((reads.len(), reads.values().all(|times| *times == 16)), (2 * 77, true), "{reads:?}");
    let bytes: usize = reads.keys().map(|(_, first, last)| last - first + 1).sum();
    assert_eq!(bytes, 1 << 20);
    assert_eq!(gate(&record, "model_complete").verdict, GateVerdict::Met, "{record:?}");
    assert!(record.metric("model_load_s").is_some() && record.metric("straggler_ratio").unwrap() >= 1.0);
}

#[test]
fn a_cache_reads_three_chunks_for_each_that_it_writes() {
    let (server, link) = start(Flaw::None);
    let mut spec = shipped("a14-kv-cache");
    let Program::KvCache(program) = &mut spec.program else { panic!() };
    (program.chunk_tokens, program.chunks) = (2, 20);
    let size = program.chunk(&program.model[0]).0;
    spec.head.duration = Span(Duration::from_secs(2));
    let record = run_cell(&link, &spec, 1);
    let (reads, writes) = (server.logged("GetObject").len(), server.logged("PutObject").len() - 20);
    assert!(writes > 20 && (2.5..3.5).contains(&(reads as f64 / writes as f64)), "{reads} reads, {writes} writes");
    assert!(server.logged("PutObject").iter().all(|put| put.bytes == size));
    assert_eq!(server.objects().len(), 20);
    assert_eq!(gate(&record, "no_corrupt_reads").verdict, GateVerdict::Met, "{:?}", record.gates);
    for name in ["read_latency_ms_p95", "write_latency_ms_p95", "throughput_mib_s", "requests_s"] {
        assert!(record.metric(name).is_some_and(|value| value > 0.0), "{name}: {:?}", record.metrics);
    }
    let peak = link.meter.take().stored_bytes_peak;
    assert!((20 * size..=28 * size).contains(&peak), "a chunk that is stored again replaces itself: {peak}");
}

#[test]
fn a_key_that_is_lost_or_listed_twice_breaks_the_gate_of_a_list_storm() {
    for (flaw, verdict) in [(Flaw::None, GateVerdict::Met), (Flaw::LoseKey, GateVerdict::NotMet), (Flaw::RepeatKey, GateVerdict::NotMet)] {
        let (server, link) = start(flaw);
        let mut spec = shipped("a17-list-storm");
        let Program::ListStorm(program) = &mut spec.program else { panic!() };
        (program.keys, program.page_size) = (95, 10);
        let record = run(&link, &spec);
        assert_eq!(gate(&record, "listing_complete").verdict, verdict, "{:?}", record.gates);
        let listings = if flaw == Flaw::RepeatKey { 11 } else { 10 } * 8 * 3;
        assert_eq!(server.logged("ListObjectsV2").len(), listings, "{flaw:?}");
        assert!(record.metric("listing_s").is_some() && record.metric("list_objects_v2.latency_ms_p99").is_some(), "{:?}", record.metrics);
    }
}

/// Tasks without a connection that meet a hundred times; the third of them votes to end after ten.
#[derive(Debug)]
struct Meetings {
    meeting: Meeting,
    counts: [AtomicU32; 5],
    largest_gap: AtomicU32,
}

impl Meetings {
    async fn meet(&self, number: usize, worker: &Worker) {
        worker.start().await;
        for step in 1..=100 {
            worker.sleep_until(worker.elapsed() + Duration::from_micros(100 * number as u64)).await;
            let own = self.counts[number].fetch_add(1, Ordering::SeqCst) + 1;
            let ends = self.meeting.join(worker, number == 3 && step == 10).await;
            let least = self.counts.iter().map(|count| count.load(Ordering::SeqCst)).min().unwrap();
            self.largest_gap.fetch_max(own.saturating_sub(least), Ordering::SeqCst);
            if ends {
                break;
            }
        }
        worker.finish();
    }
}

impl proofmark::load::Program for Meetings {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        (worker.index as usize..5).step_by(worker.of() as usize).map(|number| Box::pin(self.meet(number, worker)) as Task<'w>).collect()
    }
}

#[test]
fn nobody_goes_on_before_all_have_come_and_one_vote_ends_it_for_all() {
    let (_server, link) = start(Flaw::None);
    let payload = PayloadMode::Unsigned;
    let spec = LoadSpec {
        bucket: "b".to_owned(),
        content: Arc::new(Content::new(1, 4096, proofmark::config::Entropy::Random, Stamping::Blocks)),
        hashes: Arc::new(Hashes::new(payload, proofmark::config::Checksum::None)),
        payload,
        receive: Receive::Copy,
        keep_alive: true,
        is_signed: true,
        concurrency: 5,
        warm_up: Duration::ZERO,
        duration: None,
    };
    let meetings = Arc::new(Meetings { meeting: Meeting::new(5), counts: Default::default(), largest_gap: AtomicU32::new(0) });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let program = Arc::clone(&meetings) as Arc<dyn proofmark::load::Program>;
    runtime.block_on(proofmark::load::run(&link, &spec, program, None)).unwrap();
    assert_eq!(meetings.largest_gap.load(Ordering::SeqCst), 0, "the others had come when one went on");
    assert!(meetings.counts.iter().all(|count| count.load(Ordering::SeqCst) == 10), "{:?}", meetings.counts);
}
