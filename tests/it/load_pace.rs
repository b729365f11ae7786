//! Known delays and rates come back as what was measured: paces, the knee, uploads in parts.

use std::sync::Arc;
use std::time::Duration;

use proofmark::config::{CellTimes, KneeRules, LoopKind, MultipartSweep, Program, ProgramHead, ProgramSpec};
use proofmark::load::Progress;
use proofmark::model::{ClientId, Impact, Outcome, ScenarioId, ScenarioRecord};
use proofmark::scenario::throughput::ProgramRunner;
use proofmark::units::{Bytes, Span};
use proofmark::wire::Link;

use crate::load::{GET, measure_for, spec};
use crate::load_server::{Misbehaviour, Server, link};

const TIMES: CellTimes = CellTimes { duration: Duration::from_millis(2000), warm_up: Duration::from_millis(200) };

/// Whether a value is within a share of what was expected.
fn is_near(found: Option<f64>, expected: f64, share: f64) -> bool {
    found.is_some_and(|found| (found / expected - 1.0).abs() <= share)
}

#[test]
fn a_known_delay_comes_back_as_the_latency() {
    let server = Server::start(Misbehaviour::Delay(Duration::from_millis(150)));
    // Fewer at once than the four connections carry, so that nothing waits for one.
    let constant = "loop = { open = { rate_per_s = 20.0, arrivals = 'constant' } }";
    let link = link(&[&server], "");
    // Other tests share the machine: a busy moment may spoil one look, not three.
    let record = (0..3).map(|_| measure_for(&link, spec(GET, constant), TIMES)).find(|record| is_near(record.metric("latency_ms_p50"), 150.0, 0.05));
    let record = record.expect("the delay comes back within 5 %");
    assert!(is_near(record.metric("service_latency_ms_p50"), 150.0, 0.05), "{:?}", record.metrics);
    assert!(is_near(record.metric("requests_s"), 20.0, 0.05), "a constant pace is kept: {:?}", record.metrics);
    assert!(record.parameters["loop"].starts_with("open, constant"), "{:?}", record.parameters);
}

#[test]
fn a_known_rate_limit_comes_back_as_the_rate() {
    let server = Server::start(Misbehaviour::Pace(200.0));
    let record = measure_for(&link(&[&server], ""), spec(GET, ""), TIMES);
    assert!(is_near(record.metric("requests_s"), 200.0, 0.05), "{:?}", record.metrics);
}

#[test]
fn the_knee_of_a_server_with_a_known_limit_is_found() {
    let server = Server::start(Misbehaviour::Pace(150.0));
    let mut spec = spec(GET, "");
    spec.load_loop = LoopKind::Knee(KneeRules { start_per_s: 80.0, cap_per_s: 1000.0, p99_max: Span(Duration::from_secs(1)) });
    spec.concurrency = vec![16];
    let record = measure_for(&link(&[&server], ""), spec, TIMES);
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    // Arrivals of two seconds scatter by 6 %.
    assert!(is_near(record.metric("knee_requests_s"), 150.0, 0.12), "{:?} {:?}", record.findings, record.parameters["knee_steps"]);
    assert!(record.findings.iter().any(|finding| finding.starts_with("The knee lies at")), "{:?}", record.findings);
}

#[test]
fn reads_by_popularity_are_compared_with_uniform_ones() {
    let server = Server::start(Misbehaviour::None);
    let link = link(&[&server], "");
    let spec = spec(GET, "keys = ['uniform', { zipf = 0.99 }]");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut runner = proofmark::scenario::throughput::Runner::new(&link, ScenarioId::from("throughput/test"), spec.clone(), TIMES);
    let records: Vec<ScenarioRecord> = spec.cells().iter().map(|cell| runtime.block_on(runner.run_cell(cell, 1))).collect();
    assert_eq!(records[0].metric("latency_p99_over_uniform"), None);
    let expected = records[1].metric("latency_ms_p99").unwrap() / records[0].metric("latency_ms_p99").unwrap();
    assert!(is_near(records[1].metric("latency_p99_over_uniform"), expected, 1e-9));
}

fn upload(link: &Link) -> ScenarioRecord {
    let head = ProgramHead {
        title: "t".into(),
        code: "T3".into(),
        about: "a".into(),
        impact: Impact::None,
        payload: proofmark::config::PayloadMode::Unsigned,
        duration: Span(Duration::from_millis(500)),
        warm_up: Span::default(),
    };
    let sweep = MultipartSweep { object_size: Bytes(22 << 20), part_size: vec![Bytes(5 << 20)], part_concurrency: vec![3] };
    let spec = ProgramSpec { head, program: Program::Multipart(sweep) };
    spec.validate().unwrap();
    let (cell, times) = (spec.cells().remove(0), spec.times(None, None));
    let mut runner =
        ProgramRunner::new(link, ScenarioId::from("throughput/parts"), spec, times, ClientId::from("1/1"), Arc::new(Progress::default()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(runner.run_cell(&cell, 1))
}

#[test]
fn an_upload_in_parts_is_completed_and_every_request_metered_by_its_operation() {
    let server = Server::start(Misbehaviour::None);
    let link = link(&[&server], "");
    let record = upload(&link);
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    assert_eq!((record.metric("errors"), record.metric("uploads_failed")), (Some(0.0), Some(0.0)), "{:?}", record.findings);
    let usage = link.meter.take();
    let count = |operation: &str| usage.requests.get(operation).map_or(0, |by_status| by_status.values().sum::<u64>());
    let uploads = count("CompleteMultipartUpload");
    assert!(uploads > 0 && count("CreateMultipartUpload") == uploads && count("UploadPart") == 5 * uploads, "{:?}", usage.requests);
    assert_eq!((count("AbortMultipartUpload"), server.count("PUT upload")), (0, 5 * uploads));
    // The object, and the one that is about to replace it.
    assert!(usage.stored_bytes_peak <= 44 << 20, "{}", usage.stored_bytes_peak);
    assert!(record.metric("throughput_mib_s").unwrap() > 0.0 && record.metric("object_ms_max").unwrap() > 0.0);
}

#[test]
fn an_upload_of_which_a_part_fails_is_aborted() {
    let server = Server::start(Misbehaviour::FailPart(4));
    let record = upload(&link(&[&server], ""));
    let aborted = server.count("DELETE upload");
    assert!(aborted > 0, "{record:?}");
    assert_eq!(record.metric("uploads_failed"), Some(aborted as f64));
    assert!(record.findings.iter().any(|finding| finding.contains("status 500")), "{:?}", record.findings);
}
