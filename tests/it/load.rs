//! The load engine against a small server that counts what reaches it and can misbehave on purpose.

use std::time::Duration;

use proofmark::config::{CellTimes, Operation, ThroughputSpec};
use proofmark::model::{GateVerdict, Outcome, ScenarioId, ScenarioRecord};
use proofmark::scenario::throughput::Runner;
use proofmark::wire::Link;

use crate::load_server::{Misbehaviour, Server, link};
use crate::{wire_fake, wire_real};

const TIMES: CellTimes = CellTimes { duration: Duration::from_millis(600), warm_up: Duration::from_millis(50) };

pub fn spec(mix: &str, more: &str) -> ThroughputSpec {
    let text = format!(
        r#"
        title = "test"
        code = "T0"
        about = "test"
        mix = [[{mix}]]
        object_size = ["16 KiB"]
        objects = 40
        concurrency = [4]
        duration = "600 ms"
        warm_up = "50 ms"
        {more}
        "#
    );
    toml::from_str(&text).expect("the test's own text is valid")
}

fn measure(link: &Link, spec: ThroughputSpec) -> ScenarioRecord {
    measure_for(link, spec, TIMES)
}

pub fn measure_for(link: &Link, spec: ThroughputSpec, times: CellTimes) -> ScenarioRecord {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let cell = spec.cells().remove(0);
    runtime.block_on(Runner::new(link, ScenarioId::from("throughput/test"), spec, times).run_cell(&cell, 1))
}

const MIXED: &str = r#"{ operation = "get_object", share = 40 }, { operation = "head_object", share = 20 }, { operation = "put_object", share = 20 },
    { operation = "delete_object", share = 10 }, { operation = "list_objects_v2", share = 10 }"#;
pub const GET: &str = r#"{ operation = "get_object" }"#;

#[test]
fn every_request_at_the_server_is_in_the_meter_and_no_other() {
    let server = Server::start(Misbehaviour::None);
    let link = link(&[&server], "");
    let record = measure(&link, spec(MIXED, ""));
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    let usage = link.meter.take();
    for (operation, method) in [
        (Operation::PutObject, "PUT object"),
        (Operation::HeadObject, "HEAD object"),
        (Operation::DeleteObject, "DELETE object"),
        (Operation::GetObject, "GET object"),
        (Operation::ListObjectsV2, "GET bucket"),
    ] {
        let counted: u64 = usage.requests[operation.camel()].values().sum();
        assert_eq!(counted, server.count(method), "{method}");
        assert!(counted > 0);
        assert!(record.metric(&format!("{}.latency_ms_p50", operation.name())).is_some(), "{}", operation.name());
    }
    // An overwrite in flight counts beside what it replaces, and four may be.
    let most = (40 + 40 + 4) * 16_384;
    assert!(usage.stored_bytes_peak <= most, "forty to read, and forty written again and again: {} of {most}", usage.stored_bytes_peak);
    assert_eq!(record.metric("errors"), Some(0.0), "{:?}", record.findings);
    assert!(record.metric("throughput_mib_s").unwrap() > 0.0);
    assert_eq!(record.parameters["payload"].split(':').next(), Some("cached-signed"));
    assert!(record.histograms["get_object.service"].len() > 20);
    assert!(record.series.iter().map(|point| point.ok).sum::<u64>() > 0);
}

#[test]
fn a_failed_request_is_counted_and_not_sent_again() {
    let server = Server::start(Misbehaviour::FailEvery(5));
    let link = link(&[&server], "");
    let record = measure(&link, spec(GET, ""));
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    let usage = link.meter.take();
    assert_eq!(usage.requests["GetObject"][&503] + usage.requests["PutObject"][&503], server.count("503"));
    assert_eq!(usage.requests["GetObject"].values().sum::<u64>(), server.count("GET object"));
    let share = record.metric("error_share").unwrap();
    assert!((0.15..0.25).contains(&share), "{share}");
    assert!(record.findings.iter().any(|finding| finding.contains("status 503")), "{:?}", record.findings);
}

#[test]
fn a_flipped_byte_in_a_read_breaks_the_gate_and_intact_reads_meet_it() {
    for (misbehaviour, verdict) in [(Misbehaviour::None, GateVerdict::Met), (Misbehaviour::FlipByte, GateVerdict::NotMet)] {
        let server = Server::start(misbehaviour);
        let record = measure(&link(&[&server], ""), spec(GET, ""));
        assert_eq!(record.gates[0].name, "no_corrupt_reads");
        assert_eq!(record.gates[0].verdict, verdict, "{:?}", record.gates[0]);
    }
}

#[test]
fn a_read_that_is_complete_but_too_short_is_corrupt_even_where_it_is_not_compared() {
    let server = Server::start(Misbehaviour::Shorten);
    let record = measure(&link(&[&server], ""), spec(GET, ""));
    assert_eq!(record.gates[0].verdict, GateVerdict::NotMet);
    assert_eq!(record.metric("error_share"), Some(1.0));
}

#[test]
fn the_budget_stops_the_load() {
    let server = Server::start(Misbehaviour::None);
    let record = measure(&link(&[&server], "[budget]\nrequests = 200"), spec(GET, ""));
    let Outcome::Unresolved(reason) = &record.outcome else { panic!("{:?}", record.outcome) };
    assert!(reason.contains("requests is used up"), "{reason}");
    // A tenth is kept for clean-up, and one request made the bucket.
    assert_eq!(server.total(), 179);
}

#[test]
fn deletions_end_when_their_objects_are_used_up_and_say_so() {
    let server = Server::start(Misbehaviour::Delay(Duration::from_millis(10)));
    let record = measure(&link(&[&server], ""), spec(r#"{ operation = "delete_object" }"#, ""));
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    let deleted = server.count("DELETE object");
    assert!((30..=40).contains(&deleted), "it ends when the first connection has nothing left: {deleted}");
    assert!(record.findings.iter().any(|finding| finding.starts_with("The 40 objects to delete were used up")), "{:?}", record.findings);
    assert!(record.parameters["measured_ms"].parse::<f64>().unwrap() < 600.0);
}

/// How many requests took longer than 50 ms, estimated from the record's percentiles.
fn slow_share(record: &ScenarioRecord) -> f64 {
    let above = |name: &str| record.metric(name).is_some_and(|ms| ms > 50.0);
    match (above("latency_ms_p90"), above("latency_ms_p99")) {
        (true, _) => 0.1,
        (false, true) => 0.01,
        _ => 0.0,
    }
}

#[test]
fn a_stall_shows_in_many_requests_of_an_open_loop_and_in_few_of_a_closed_one() {
    let stall = Misbehaviour::StallOnce { after: Duration::from_millis(150), time: Duration::from_millis(200) };
    // So short that MSER-5 does not judge it.
    let times = CellTimes { duration: Duration::from_millis(450), warm_up: Duration::ZERO };
    let open = measure_for(&link(&[&Server::start(stall)], ""), spec(GET, "loop = { open = { rate_per_s = 400.0 } }"), times);
    let closed = measure_for(&link(&[&Server::start(stall)], ""), spec(GET, ""), times);
    assert!(closed.metric("latency_ms_max").unwrap() > 150.0, "the stall was in the measured time");
    assert!(slow_share(&closed) < 0.1, "{:?}", closed.metrics);
    assert!((slow_share(&open) - 0.1).abs() < 1e-9, "{:?}", open.metrics);
    // The service time alone hides it, as a closed loop does.
    assert!(open.metric("service_latency_ms_p90").unwrap() < open.metric("latency_ms_p90").unwrap() / 2.0);
    assert!(open.metric("late").unwrap() > 40.0);
}

#[test]
fn ranges_are_read_exactly() {
    let server = Server::start(Misbehaviour::None);
    let link = link(&[&server], "");
    let record = measure(&link, spec(r#"{ operation = "get_object", range = "4 KiB" }"#, ""));
    assert_eq!(record.metric("errors"), Some(0.0), "{:?}", record.findings);
    assert_eq!(record.gates[0].verdict, GateVerdict::Met);
    let usage = link.meter.take();
    assert_eq!(usage.download_bytes, usage.requests["GetObject"][&206] * 4096);
}

#[test]
fn two_endpoints_get_the_same_number_of_requests() {
    let servers = [Server::start(Misbehaviour::None), Server::start(Misbehaviour::None)];
    let mut one_at_a_time = spec(r#"{ operation = "put_object" }"#, "");
    one_at_a_time.concurrency = vec![1];
    let link = link(&[&servers[0], &servers[1]], "");
    assert_eq!(measure(&link, one_at_a_time).outcome, Outcome::Measured);
    let counts = servers.each_ref().map(|server| server.count("PUT object"));
    assert!(counts[0] > 10 && counts[0].abs_diff(counts[1]) <= 1, "{counts:?}");
    let used: Vec<u64> = link.addresses().iter().map(|address| address.requests).collect();
    // One of them made the bucket, too.
    assert_eq!(used.iter().sum::<u64>(), counts.iter().sum::<u64>() + 1);
}

#[test]
fn virtual_host_addressing_and_a_session_token_are_on_the_wire() {
    let server = Server::start(Misbehaviour::None);
    let record = measure(&link(&[&server], "addressing = \"virtual-host\""), spec(GET, ""));
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    let (host, token) = server.last_headers();
    assert!(host.starts_with("pm-test-load."), "{host}");
    assert_eq!(token, "a-session-token");
}

#[test]
fn a_server_that_is_gone_is_unresolved_and_never_a_number() {
    let server = Server::start(Misbehaviour::None);
    let link = link(&[&server], "");
    drop(server);
    let record = measure(&link, spec(r#"{ operation = "put_object" }"#, ""));
    assert!(matches!(&record.outcome, Outcome::Unresolved(reason) if reason.contains("load")), "{:?}", record.outcome);
    assert_eq!(record.metrics, []);
}

#[test]
#[ignore = "needs lab servers: tests/run runs it"]
fn a_real_server_takes_every_operation_of_the_engine() {
    let directory = tempfile::tempdir().unwrap();
    let server = wire_real::minio(directory.path(), |command| command);
    let toml = format!("endpoints = ['http://127.0.0.1:{}']\n{}", server.port, wire_fake::CREDENTIALS);
    let link = wire_fake::link(directory.path(), &toml, &[]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(wire_real::wait_ready(&link));
    for payload in ["cached-signed", "unique-signed"] {
        let mixed = format!(r#"{MIXED}, {{ operation = "get_object", range = "4 KiB" }}"#);
        let record = measure(&link, spec(&mixed, &format!("style = [{{ payload = \"{payload}\" }}]")));
        assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
        assert_eq!(record.metric("errors"), Some(0.0), "{:?}", record.findings);
        assert_eq!(record.gates[0].verdict, GateVerdict::Met, "{:?}", record.gates[0]);
    }
    let record = measure(&link, spec(r#"{ operation = "delete_object" }"#, ""));
    assert_eq!(record.metric("errors"), Some(0.0), "{:?}", record.findings);
}

#[test]
#[ignore = "needs lab servers: tests/run runs it"]
fn tls_with_a_private_authority_virtual_hosts_and_unsigned_payloads_work_together() {
    let directory = tempfile::tempdir().unwrap();
    let certificates = directory.path().join("certs");
    std::fs::create_dir(&certificates).unwrap();
    let names = ["localhost".to_owned(), "pm-12345678-load.localhost".to_owned()];
    let signed = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(certificates.join("public.crt"), signed.cert.pem()).unwrap();
    std::fs::write(certificates.join("private.key"), signed.signing_key.serialize_pem()).unwrap();
    let server = wire_real::minio(directory.path(), |command| command.env("MINIO_DOMAIN", "localhost").arg("--certs-dir").arg(&certificates));
    let toml = format!(
        "endpoints = ['https://localhost:{}']\naddressing = 'virtual-host'\nca_file = 'certs/public.crt'\n{}",
        server.port,
        wire_fake::CREDENTIALS
    );
    let link = wire_fake::link(directory.path(), &toml, &[]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(wire_real::wait_ready(&link));
    let record = measure(&link, spec(MIXED, "style = [{ payload = \"unsigned\" }]"));
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    assert_eq!(record.metric("errors"), Some(0.0), "{:?}", record.findings);
    assert!(record.parameters["payload"].starts_with("unsigned"));
}
