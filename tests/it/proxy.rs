//! The fault proxy in front of an S3 server that checks signatures: what it changes is accepted, what was wrong stays refused.

use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use proofmark::config::{DegradeRule, FaultKind};
use proofmark::units::{Bytes, Span};
use proofmark::wire::proxy::Proxy;
use proofmark::wire::{Chunks, Failure, Link, Payload, RawRequest, Recorder};

use crate::support::Server;
use crate::{wire_fake, wire_tls};

const BODY: &[u8] = b"the quick brown fox jumps over the lazy dog";
const CRC32C: &str = "x-amz-checksum-crc32c";
const CRC32C_OF_BODY: &str = "PBj01g==";

/// A rule that hits each request of one operation.
pub fn always(operation: &str, fault: FaultKind) -> DegradeRule {
    DegradeRule { fault, every: 1, operations: vec![operation.to_owned()], phases: Vec::new() }
}

struct Scene {
    _server: Server,
    proxy: Proxy,
    /// Straight to the server.
    direct: Link,
    /// Through the proxy.
    link: Link,
    bucket: String,
}

impl Scene {
    async fn new(rules: Vec<DegradeRule>) -> Self {
        let server = Server::start().await;
        let direct = server.link();
        let proxy = Proxy::before(&direct.access, rules).await.unwrap();
        let link = direct.via(proxy.endpoint());
        let bucket = direct.create_bucket("proxy").await.unwrap();
        Self { _server: server, proxy, direct, link, bucket }
    }
    fn put(&self, key: &str) -> RawRequest {
        self.link.raw(&Recorder::new()).request("PUT", &self.bucket, key).body(BODY)
    }
    fn get(&self, key: &str) -> RawRequest {
        self.link.raw(&Recorder::new()).request("GET", &self.bucket, key)
    }
    async fn stored(&self, key: &str) -> Option<Vec<u8>> {
        let answer = self.direct.raw(&Recorder::new()).request("GET", &self.bucket, key).send().await.unwrap();
        (answer.status == 200).then_some(answer.body)
    }
    fn fired(&self) -> u64 {
        self.proxy.counters().rules.iter().map(|rule| rule.fired).sum()
    }
    /// The ways to send [`BODY`], each signed right and with checksums that fit.
    fn ways(&self) -> Vec<(&'static str, RawRequest)> {
        let chunked = |chunks| Payload::Chunks(chunks);
        vec![
            ("signed", self.put("signed").header("x-amz-meta-a", "1")),
            ("md5", self.put("md5").header("Content-MD5", "d63R1fQSI9VYL8pzalyzNQ==").header(CRC32C, CRC32C_OF_BODY)),
            ("unsigned", self.put("unsigned").payload(Payload::Unsigned).header("x-amz-meta-a", "1")),
            ("presigned", self.put("presigned").presigned(60).header("x-amz-meta-a", "1")),
            ("chunks", self.put("chunks").payload(chunked(Chunks::signed(8))).header("x-amz-meta-a", "1")),
            ("trailer", self.put("trailer").payload(chunked(Chunks::signed(8).trailer(CRC32C, CRC32C_OF_BODY)))),
            ("unsigned-trailer", self.put("unsigned-trailer").payload(chunked(Chunks::unsigned(8, CRC32C, CRC32C_OF_BODY)))),
        ]
    }
    /// The same with a wrong secret, a wrong chunk signature, a wrong hash of the body. How this server refuses them (partly with 500) is its affair.
    fn wrong_ways(&self) -> Vec<(&'static str, RawRequest)> {
        let mut ways: Vec<_> = self.ways().into_iter().map(|(name, request)| (name, request.wrong_secret("nonsense"))).collect();
        let last_chunk = self.put("bad-chunk").payload(Payload::Chunks(Chunks::signed(8)));
        ways.push(("bad-chunk", last_chunk.tamper_chunks(|body| body.chunks[1].signature = Some("0".repeat(64)))));
        let other_body = self.put("bad-hash").payload(Payload::Hash("0".repeat(64)));
        ways.push(("bad-hash", other_body));
        ways
    }
}

fn flipped(at: usize) -> Vec<u8> {
    let mut body = BODY.to_vec();
    body[at] ^= 1;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn without_rules_bodies_and_headers_pass_and_wrong_signatures_are_refused() {
    let scene = Scene::new(Vec::new()).await;
    let s3 = scene.link.sdk(&Recorder::new());
    let body: Vec<u8> = (0..3_000_000u32).map(|byte| (byte % 251) as u8).collect();
    let put = s3.put_object().bucket(&scene.bucket).key("a b/ü").metadata("color", "green").body(ByteStream::from(body.clone()));
    put.send().await.unwrap();
    let got = s3.get_object().bucket(&scene.bucket).key("a b/ü").send().await.unwrap();
    assert_eq!(got.metadata().unwrap()["color"], "green");
    assert_eq!(got.body.collect().await.unwrap().to_vec(), body);
    for (name, request) in scene.ways() {
        assert_eq!(request.send().await.unwrap().status, 200, "{name}");
        assert_eq!(scene.stored(name).await.as_deref(), Some(BODY), "{name}");
    }
    for (name, request) in scene.wrong_ways() {
        assert!(request.send().await.unwrap().status >= 400, "{name}");
    }
    let counts = scene.proxy.counters();
    assert!(counts.requests >= 16 && counts.upstream_errors == 0, "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_is_stored_as_if_the_client_had_meant_it() {
    let scene = Scene::new(vec![always("PutObject", FaultKind::FlipRequestByte { at: Bytes(20) })]).await;
    let ways = scene.ways();
    let count = ways.len() as u64;
    for (name, request) in ways {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(scene.stored(name).await, Some(flipped(20)), "{name}");
    }
    assert_eq!(scene.fired(), count);
    let s3 = scene.link.sdk(&Recorder::new());
    s3.put_object().bucket(&scene.bucket).key("sdk").body(ByteStream::from_static(BODY)).send().await.unwrap();
    assert_eq!(scene.stored("sdk").await, Some(flipped(20)));
    scene.put("short").body("too short").send().await.unwrap();
    assert_eq!(scene.stored("short").await.as_deref(), Some(&b"too short"[..]));
    assert_eq!(scene.fired(), count + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_wrong_is_never_repaired() {
    let flip = always("PutObject", FaultKind::FlipRequestByte { at: Bytes(0) });
    let remove = always("PutObject", FaultKind::RemoveRequestHeader { name: "x-amz-meta-*".to_owned() });
    let scene = Scene::new(vec![flip, remove, always("PutObject", FaultKind::Swallow {})]).await;
    scene.proxy.set_rules(scene.proxy.counters().rules.into_iter().map(|count| count.rule).take(2).collect());
    for (name, request) in scene.wrong_ways() {
        let answer = request.send().await.unwrap();
        assert!(answer.status >= 400, "{name}: {}", answer.status);
        assert_eq!(scene.stored(name).await, None, "{name}");
    }
    assert_eq!(scene.fired(), 0);
    let wrong_checksum = scene.put("wrong").header(CRC32C, "AAAAAA==").send().await.unwrap();
    assert_eq!(wrong_checksum.status, 400, "{}", wrong_checksum.text());
    scene.proxy.set_rules(vec![always("PutObject", FaultKind::Swallow {})]);
    assert_eq!(scene.put("k").wrong_secret("nonsense").send().await.unwrap().status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_request_headers_are_signed_away() {
    let scene = Scene::new(vec![always("PutObject", FaultKind::RemoveRequestHeader { name: "X-Amz-Meta-*".to_owned() })]).await;
    for (name, request) in scene.ways() {
        assert_eq!(request.send().await.unwrap().status, 200, "{name}");
        let head = scene.link.raw(&Recorder::new()).request("HEAD", &scene.bucket, name).send().await.unwrap();
        assert_eq!((head.status, head.header("x-amz-meta-a")), (200, None), "{name}");
        assert_eq!(scene.stored(name).await.as_deref(), Some(BODY), "{name}");
    }
    assert_eq!(scene.fired(), 4);
    scene.proxy.set_rules(Vec::new());
    scene.put("kept").header("x-amz-meta-a", "1").send().await.unwrap();
    assert_eq!(scene.get("kept").send().await.unwrap().header("x-amz-meta-a"), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn corruption_on_the_way_is_refused() {
    let scene = Scene::new(vec![always("PutObject", FaultKind::CorruptRequestByte { at: Bytes(20) })]).await;
    for (name, request) in scene.ways().into_iter().filter(|(name, _)| !matches!(*name, "unsigned" | "presigned")) {
        let answer = request.send().await.unwrap();
        assert!(answer.status >= 400, "{name}: {}", answer.status);
        // This server checks trailers and header checksums only after it has stored the object.
        let expected = matches!(name, "unsigned-trailer").then(|| flipped(20));
        assert_eq!(scene.stored(name).await, expected, "{name}");
    }
    assert_eq!(scene.put("unsigned").payload(Payload::Unsigned).send().await.unwrap().status, 200);
    assert_eq!(scene.stored("unsigned").await, Some(flipped(20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swallowed_put_is_acknowledged_and_lost() {
    let scene = Scene::new(vec![always("PutObject", FaultKind::Swallow {})]).await;
    for (name, request) in scene.ways() {
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status, answer.header("etag")), (200, Some("\"77add1d5f41223d5582fca736a5cb335\"")), "{name}");
        assert_eq!(scene.stored(name).await, None, "{name}");
    }
    let s3 = scene.link.sdk(&Recorder::new());
    s3.put_object().bucket(&scene.bucket).key("sdk").body(ByteStream::from_static(BODY)).send().await.unwrap();
    assert!(s3.head_object().bucket(&scene.bucket).key("sdk").send().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn response_faults_change_what_the_client_sees_only() {
    let scene = Scene::new(Vec::new()).await;
    scene.put("k").header("x-amz-meta-a", "1").send().await.unwrap();
    scene.proxy.set_rules(vec![always("GetObject", FaultKind::FlipResponseByte { at: Bytes(3) })]);
    assert_eq!(scene.get("k").send().await.unwrap().body, flipped(3));
    scene.proxy.set_rules(vec![always("GetObject", FaultKind::RemoveResponseHeader { name: "x-amz-meta-*".to_owned() })]);
    let answer = scene.get("k").send().await.unwrap();
    assert_eq!((answer.header("x-amz-meta-a"), &answer.body[..]), (None, BODY));
    scene.proxy.set_rules(vec![always("GetObject", FaultKind::TruncateResponse { after: Bytes(5) })]);
    assert_eq!(scene.get("k").send().await.unwrap_err().failure, Failure::Truncated);
    scene.proxy.set_rules(vec![always("GetObject", FaultKind::TruncateResponse { after: Bytes(BODY.len() as u64) })]);
    assert_eq!((scene.get("k").send().await.unwrap().status, scene.fired()), (200, 0));
    scene.proxy.set_rules(vec![always("GetObject", FaultKind::ResetResponse { after: Bytes(5) })]);
    assert_eq!(scene.get("k").send().await.unwrap_err().failure, Failure::Reset);
    assert_eq!(scene.stored("k").await.as_deref(), Some(BODY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_acknowledgement_leaves_the_object_stored() {
    let scene = Scene::new(vec![always("PutObject", FaultKind::DropResponse {})]).await;
    assert_eq!(scene.put("k").send().await.unwrap_err().failure, Failure::Reset);
    assert_eq!(scene.stored("k").await.as_deref(), Some(BODY));
    assert_eq!(scene.fired(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_reset_midway_stores_nothing() {
    let scene = Scene::new(vec![always("PutObject", FaultKind::ResetRequest { after: Bytes(10) })]).await;
    assert_eq!(scene.put("k").send().await.unwrap_err().failure, Failure::Reset);
    assert_eq!((scene.stored("k").await, scene.fired()), (None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_answered_without_the_server() {
    let scene = Scene::new(vec![always("PutObject", FaultKind::Status { status: 503, code: "SlowDown".to_owned() })]).await;
    let mut connection = scene.link.raw(&Recorder::new()).connect().await.unwrap();
    let answer = scene.put("k").send_on(&mut connection).await.unwrap();
    assert_eq!((answer.status, answer.code().as_deref()), (503, Some("SlowDown")));
    assert!(answer.element("RequestId").is_some() && answer.header("x-amz-request-id").is_some());
    let next = scene.get("k").send_on(&mut connection).await.unwrap();
    assert_eq!((next.status, next.code().as_deref()), (404, Some("NoSuchKey")));
    scene.proxy.set_rules(vec![always("HeadObject", FaultKind::Status { status: 500, code: "InternalError".to_owned() })]);
    let head = scene.link.raw(&Recorder::new()).request("HEAD", &scene.bucket, "k").send().await.unwrap();
    assert_eq!((head.status, head.body.len()), (500, 0));
    let waiting = scene.put("k").expect_continue(Duration::from_secs(5)).send().await.unwrap();
    assert_eq!((waiting.status, waiting.interim), (200, vec![100]));
}

#[tokio::test(flavor = "multi_thread")]
async fn delays_and_slow_links_take_their_time_and_change_nothing() {
    let scene = Scene::new(Vec::new()).await;
    let millis = |count| Span(Duration::from_millis(count));
    let big = vec![b'x'; 50_000];
    for (fault, least) in [
        (FaultKind::Delay { time: millis(300), jitter: millis(50) }, 300),
        (FaultKind::Bandwidth { per_s: Bytes(100_000) }, 450),
        (FaultKind::Slice { size: Bytes(5_000), pause: millis(40) }, 380),
    ] {
        scene.proxy.set_rules(vec![always("PutObject", fault.clone())]);
        let started = Instant::now();
        scene.put("k").body(big.clone()).send().await.unwrap();
        assert!(started.elapsed() >= Duration::from_millis(least), "{fault:?}: {:?}", started.elapsed());
        assert_eq!(scene.stored("k").await.as_ref(), Some(&big));
        assert_eq!(scene.fired(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_never_answers() {
    let scene = Scene::new(vec![always("GetObject", FaultKind::BlackHole {})]).await;
    let error = scene.get("k").limit(Duration::from_millis(300)).send().await.unwrap_err();
    assert_eq!((error.failure, scene.fired()), (Failure::Timeout, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_https_server_is_reached_over_tls_and_keeps_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let authority = wire_tls::authority(&directory.path().join("ours.pem"));
    let (address, seen) = wire_tls::serve_tls(&authority, &["localhost"], None).await;
    let toml = format!("endpoints = ['https://localhost:{}']\nca_file = 'ours.pem'\n{}", address.port(), wire_fake::CREDENTIALS);
    let link = wire_fake::link(directory.path(), &toml, &[]);
    let proxy = Proxy::before(&link.access, Vec::new()).await.unwrap();
    let through = link.via(proxy.endpoint());
    assert_eq!(through.raw(&Recorder::new()).request("GET", "buck", "k").send().await.unwrap().status, 200);
    through.sdk(&Recorder::new()).get_object().bucket("buck").key("k").send().await.unwrap();
    assert!(seen.head(0).to_ascii_lowercase().contains(&format!("host: localhost:{}\r\n", address.port())));
    assert_eq!(proxy.counters().requests, 2);
}
