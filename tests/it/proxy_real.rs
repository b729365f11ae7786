//! The fault proxy in front of real servers, driven by the SDK as applications drive it.

use std::path::Path;
use std::time::{Duration, Instant};

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ChecksumAlgorithm;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proofmark::config::{DegradeRule, FaultKind};
use proofmark::units::Bytes;
use proofmark::wire::proxy::Proxy;
use proofmark::wire::{Chunks, Link, Payload, Recorder};

use crate::proxy::always;
use crate::wire_fake::CREDENTIALS;
use crate::wire_real::{Server, minio, versitygw};

const SIZE: usize = 300_000;

fn link(data: &Path, server: &Server) -> Link {
    crate::wire_fake::link(data, &format!("endpoints = ['http://127.0.0.1:{}']\n{CREDENTIALS}", server.port), &[])
}

async fn bucket(link: &Link) -> String {
    let started = Instant::now();
    while link.sdk(&Recorder::new()).list_buckets().send().await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "the server is not ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    link.create_bucket("real").await.unwrap()
}

fn body() -> Vec<u8> {
    (0..SIZE).map(|byte| (byte % 251) as u8).collect()
}

fn flipped(at: usize) -> Vec<u8> {
    let mut body = body();
    body[at] ^= 1;
    body
}

fn rules(fault: FaultKind) -> Vec<DegradeRule> {
    vec![always("PutObject", fault.clone()), always("UploadPart", fault)]
}

const ALGORITHMS: [Option<ChecksumAlgorithm>; 6] = [
    None,
    Some(ChecksumAlgorithm::Crc32),
    Some(ChecksumAlgorithm::Crc32C),
    Some(ChecksumAlgorithm::Crc64Nvme),
    Some(ChecksumAlgorithm::Sha1),
    Some(ChecksumAlgorithm::Sha256),
];

async fn flips_are_stored_and_corruption_is_refused(link: Link) {
    let bucket = bucket(&link).await;
    let proxy = Proxy::before(&link.access, rules(FaultKind::FlipRequestByte { at: Bytes(100_000) })).await.unwrap();
    let through = link.via(proxy.endpoint());
    let (s3, direct) = (through.sdk(&Recorder::new()), link.sdk(&Recorder::new()));
    for algorithm in ALGORITHMS {
        let put = s3.put_object().bucket(&bucket).key("k").set_checksum_algorithm(algorithm.clone()).body(ByteStream::from(body()));
        put.send().await.unwrap_or_else(|error| panic!("{algorithm:?}: {error:?}"));
        let got = direct.get_object().bucket(&bucket).key("k").send().await.unwrap();
        assert!(got.body.collect().await.unwrap().to_vec() == flipped(100_000), "{algorithm:?}");
    }
    proxy.set_rules(rules(FaultKind::CorruptRequestByte { at: Bytes(100_000) }));
    for algorithm in ALGORITHMS {
        let put = s3.put_object().bucket(&bucket).key("bad").set_checksum_algorithm(algorithm.clone()).body(ByteStream::from(body()));
        let error = put.send().await.unwrap_err();
        let code = error.code().unwrap_or_default().to_owned();
        let codes = ["BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch", "SignatureDoesNotMatch"];
        assert!(codes.contains(&code.as_str()), "{algorithm:?}: {code} {error:?}");
        assert!(direct.head_object().bucket(&bucket).key("bad").send().await.is_err(), "{algorithm:?}");
    }
    assert_eq!(proxy.counters().rules[0].fired, 6);
}

/// Chunked, presigned and multipart requests, with a header taken away.
async fn removed_headers_are_signed_away(link: Link) {
    let bucket = bucket(&link).await;
    let remove = FaultKind::RemoveRequestHeader { name: "x-amz-meta-*".to_owned() };
    let proxy = Proxy::before(&link.access, vec![always("PutObject", remove.clone()), always("CreateMultipartUpload", remove)]).await.unwrap();
    let through = link.via(proxy.endpoint());
    let raw = through.raw(&Recorder::new());
    let put = |key: &str| raw.request("PUT", &bucket, key).header("x-amz-meta-a", "1").body(body());
    let crc = STANDARD.encode(crc_fast::crc32_iscsi(&body()).to_be_bytes());
    for (key, request) in [
        ("signed", put("signed")),
        ("presigned", put("presigned").presigned(60)),
        ("chunks", put("chunks").payload(Payload::Chunks(Chunks::signed(65_536)))),
        ("trailer", put("trailer").payload(Payload::Chunks(Chunks::signed(65_536).trailer("x-amz-checksum-crc32c", &crc)))),
        ("unsigned-trailer", put("unsigned-trailer").payload(Payload::Chunks(Chunks::unsigned(65_536, "x-amz-checksum-crc32c", &crc)))),
    ] {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, 200, "{key}: {}", answer.text());
        let got = link.raw(&Recorder::new()).request("GET", &bucket, key).send().await.unwrap();
        assert!(got.status == 200 && got.header("x-amz-meta-a").is_none() && got.body == body(), "{key}");
    }
    assert_eq!(proxy.counters().rules[0].fired, 5);
    assert_eq!(put("wrong").wrong_secret("nonsense").send().await.unwrap().status, 403);
    assert_eq!(proxy.counters().rules[0].fired, 5);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn minio_stores_a_flipped_byte_and_refuses_a_corrupted_one() {
    let directory = tempfile::tempdir().unwrap();
    let server = minio(directory.path(), |command| command);
    flips_are_stored_and_corruption_is_refused(link(directory.path(), &server)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn versitygw_stores_a_flipped_byte_and_refuses_a_corrupted_one() {
    let directory = tempfile::tempdir().unwrap();
    let server = versitygw(directory.path());
    flips_are_stored_and_corruption_is_refused(link(directory.path(), &server)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn minio_and_versitygw_accept_requests_that_lost_a_signed_header() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("a"), directory.path().join("b"));
    let server = minio(&first, |command| command);
    removed_headers_are_signed_away(link(&first, &server)).await;
    let server = versitygw(&second);
    removed_headers_are_signed_away(link(&second, &server)).await;
}
