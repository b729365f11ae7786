//! Many prefixes on the engine, against a server that throttles each of them: who adapts reaches the limit, who does not wastes requests.

use std::sync::Arc;
use std::time::Duration;

use proofmark::config::{DegradeRule, FaultKind, PrefixScaleSpec, Program, ProgramHead, ProgramSpec, Retrying, ThrottleLimits};
use proofmark::load::Progress;
use proofmark::model::{ClientId, Impact, Outcome, ScenarioId, ScenarioRecord};
use proofmark::scenario::throughput::ProgramRunner;
use proofmark::units::Span;
use proofmark::wire::proxy::Proxy;

use crate::load_server::{Misbehaviour, Server, link};

const PREFIXES: u32 = 4;
const LIMIT_PER_S: f64 = 40.0;
const OBJECTS: u64 = 1280;

fn throttle(prefix_depth: u32) -> DegradeRule {
    let limits = ThrottleLimits {
        writes_per_s: Some(LIMIT_PER_S),
        reads_per_s: None,
        prefix_depth,
        burst: Span(Duration::from_millis(100)),
        retry_after: None,
        split_after: None,
    };
    DegradeRule { fault: FaultKind::Throttle(limits), every: 1, operations: Vec::new(), phases: Vec::new() }
}

/// Eight seconds at the limit.
fn load(client: Retrying) -> ScenarioRecord {
    let server = Server::start(Misbehaviour::None);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(load_through_proxy(&server, client))
}

async fn load_through_proxy(server: &Server, client: Retrying) -> ScenarioRecord {
    let direct = link(&[server], "");
    // As many parts as stand before the object's own name.
    let prefix = direct.space("load").await.unwrap().prefix;
    let depth = format!("{prefix}parts/1-cell/000000/").matches('/').count() as u32;
    let proxy = Proxy::before(&direct.access, vec![throttle(depth)]).await.unwrap();
    let link = direct.via(proxy.endpoint());
    let table = format!("prefixes = [{PREFIXES}]\nobjects = {OBJECTS}\nobject_size = '1 KiB'\nconcurrency = 16\nlimit = '30 s'\n");
    let program = PrefixScaleSpec { clients: vec![client], ..toml::from_str(&table).unwrap() };
    let head = ProgramHead {
        title: "t".into(),
        code: "T13".into(),
        about: "a".into(),
        impact: Impact::None,
        payload: proofmark::config::PayloadMode::Unsigned,
        duration: Span(Duration::from_secs(30)),
        warm_up: Span::default(),
    };
    let spec = ProgramSpec { head, program: Program::PrefixScale(program) };
    spec.validate().unwrap();
    let (cell, times) = (spec.cells().remove(0), spec.times(None, None));
    let id = ScenarioId::from("throughput/parts");
    let mut runner = ProgramRunner::new(&link, id, spec, times, ClientId::from("1/1"), Arc::new(Progress::default()));
    runner.run_cell(&cell, 1).await
}

#[test]
fn the_adaptive_client_reaches_the_limit_of_every_prefix_with_few_retries() {
    let record = load(Retrying::Adaptive);
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    let goodput = record.metric("goodput_s").unwrap();
    let limit = LIMIT_PER_S * f64::from(PREFIXES);
    assert!((goodput / limit - 1.0).abs() <= 0.1, "{goodput} of {limit}: {:?}", record.metrics);
    assert!(record.metric("amplification").unwrap() <= 1.1, "{:?}", record.metrics);
    assert!(record.metric("fairness_jain").unwrap() >= 0.99, "{:?}", record.metrics);
    assert_eq!(record.metric("unwritten"), Some(0.0), "{:?}", record.findings);
}

#[test]
fn the_client_that_sends_again_at_once_floods_the_server_and_loses_objects() {
    let record = load(Retrying::AtOnce);
    assert!(record.metric("amplification").unwrap() > 2.0, "{:?}", record.metrics);
    assert!(record.metric("unwritten").unwrap() > 100.0, "{:?}", record.findings);
}
