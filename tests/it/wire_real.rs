//! The wire against real servers, each started here on a free loopback port.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::ByteStream;
use proofmark::wire::{Chunks, Credentials, Failure, Link, Payload, Recorder, WireError};

use crate::wire_fake::{CREDENTIALS, KEY, SECRET, has_signature, link};
use crate::wire_tls::{authority, certificate};

/// A server process; killed at the end.
pub struct Server {
    child: Child,
    pub port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn binary(name: &str) -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let home = std::env::var("HOME").unwrap_or_default();
    let mut folders: Vec<PathBuf> = path.split(':').map(PathBuf::from).collect();
    folders.push(Path::new(&home).join("go/bin"));
    folders.into_iter().map(|folder| folder.join(name)).find(|path| path.exists()).unwrap_or_else(|| panic!("{name} is not installed"))
}

fn start(mut command: Command, port: u16) -> Server {
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = Server { child, port };
    let started = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(started.elapsed() < Duration::from_secs(60), "the server does not listen");
        std::thread::sleep(Duration::from_millis(50));
    }
    server
}

pub fn minio(data: &Path, prepare: impl FnOnce(&mut Command) -> &mut Command) -> Server {
    let port = free_port();
    let mut command = Command::new(binary("minio"));
    command.env("MINIO_ROOT_USER", KEY).env("MINIO_ROOT_PASSWORD", SECRET).env("MINIO_UPDATE", "off").env("MINIO_BROWSER", "off");
    command.arg("server").arg("--address").arg(format!("127.0.0.1:{port}"));
    prepare(&mut command);
    command.arg(data.join("minio"));
    start(command, port)
}

/// Gateways that are given one directory serve the same objects.
pub fn versitygw(directory: &Path) -> Server {
    let port = free_port();
    let mut command = Command::new(binary("versitygw"));
    for folder in ["data", "iam", "versions"] {
        std::fs::create_dir_all(directory.join(folder)).unwrap();
    }
    command.env("ROOT_ACCESS_KEY", KEY).env("ROOT_SECRET_KEY", SECRET).arg("--port").arg(format!("127.0.0.1:{port}"));
    command.arg("--iam-dir").arg(directory.join("iam")).arg("posix").arg("--versioning-dir").arg(directory.join("versions"));
    command.arg(directory.join("data"));
    start(command, port)
}

async fn round_trip(link: &Link, recorder: &Recorder) -> Result<(), aws_sdk_s3::Error> {
    let space = link.space("round").await.expect("the bucket can be created");
    let s3 = link.sdk(recorder);
    let body = vec![7u8; 100_000];
    s3.put_object().bucket(&space.bucket).key("a b/ü").body(ByteStream::from(body.clone())).send().await?;
    let got = s3.get_object().bucket(&space.bucket).key("a b/ü").send().await?;
    assert_eq!(got.body.collect().await.unwrap().to_vec(), body);
    s3.head_object().bucket(&space.bucket).key("a b/ü").send().await?;
    s3.delete_object().bucket(&space.bucket).key("a b/ü").send().await?;
    let gone = s3.get_object().bucket(&space.bucket).key("a b/ü").send().await.unwrap_err();
    assert!(gone.as_service_error().unwrap().is_no_such_key());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn the_sdk_works_over_our_connector_and_every_request_is_recorded() {
    let directory = tempfile::tempdir().unwrap();
    let server = minio(directory.path(), |command| command);
    let link = link(directory.path(), &format!("endpoints = ['http://127.0.0.1:{}']\n{CREDENTIALS}", server.port), &[]);
    let recorder = Recorder::new();
    wait_ready(&link).await;
    round_trip(&link, &recorder).await.unwrap();
    let exchanges = recorder.exchanges();
    let operations: Vec<_> = exchanges.iter().map(|exchange| (exchange.operation.as_str(), exchange.status)).collect();
    let expected = [("PutObject", 200), ("GetObject", 200), ("HeadObject", 200), ("DeleteObject", 204), ("GetObject", 404)];
    assert_eq!(operations, expected);
    assert!(exchanges.iter().all(|exchange| exchange.failure.is_none()), "{exchanges:#?}");
    assert!(exchanges[1..].iter().all(|exchange| exchange.reused), "{exchanges:#?}");
    let text = serde_json::to_string(&exchanges).unwrap();
    assert!(!text.contains(KEY) && !text.contains(SECRET) && text.contains("Credential=***/"), "{text}");
    assert!(!has_signature(&text, "Signature="), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn raw_requests_are_accepted_when_right_and_refused_when_tampered_with() {
    let directory = tempfile::tempdir().unwrap();
    let server = minio(directory.path(), |command| command);
    let link = link(directory.path(), &format!("endpoints = ['http://127.0.0.1:{}']\n{CREDENTIALS}", server.port), &[]);
    wait_ready(&link).await;
    let bucket = link.create_bucket("raw").await.unwrap();
    let recorder = Recorder::new();
    let raw = link.raw(&recorder);
    let put = |key: &str| raw.request("PUT", &bucket, key).operation("PutObject").header("x-amz-meta-a", "1");
    let crc = ("x-amz-checksum-crc32c", "8P9ykg==");
    let good = [
        ("header", put("a").body("0123456789")),
        ("unsigned payload", put("b").body("0123456789").payload(Payload::Unsigned)),
        ("signed chunks", put("c").body(vec![b'x'; 70_000]).payload(Payload::Chunks(Chunks::signed(65_536)))),
        ("signed chunks and trailer", put("d").body("123456789").payload(Payload::Chunks(Chunks::signed(8192).trailer(crc.0, "4waSgw==")))),
        ("unsigned trailer", put("e").body("123456789").payload(Payload::Chunks(Chunks::unsigned(8192, crc.0, "4waSgw==")))),
        ("presigned", put("f").body("0123456789").presigned(60)),
        ("100-continue", put("g").body("0123456789").expect_continue(Duration::from_secs(5))),
        ("in pieces", put("h").body("0123456789").in_pieces(7, Duration::from_millis(1))),
        ("skew of 5 min", put("i").body("0").skewed(-300)),
    ];
    for (name, request) in good {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(answer.interim, if name == "100-continue" { vec![100] } else { vec![] }, "{name}");
    }
    assert_eq!(raw.request("GET", &bucket, "c").operation("GetObject").send().await.unwrap().body, vec![b'x'; 70_000]);
    let bad = [
        ("wrong secret", put("a").wrong_secret("another-secret"), "SignatureDoesNotMatch"),
        ("header changed", put("a").tamper(|message| message.set("x-amz-meta-a", "2")), "SignatureDoesNotMatch"),
        ("body changed", put("a").body("0123456789").tamper(|message| message.body[0] = b'9'), "XAmzContentSHA256Mismatch"),
        ("skew of 20 min", put("a").skewed(-1200), "RequestTimeTooSkewed"),
        ("anonymous", put("a").anonymous(), "AccessDenied"),
        (
            "chunk changed",
            put("a").body("0123").payload(Payload::Chunks(Chunks::signed(8192))).tamper_chunks(|body| body.chunks[0].data[0] = b'9'),
            "SignatureDoesNotMatch",
        ),
        ("wrong service", put("a").scope(|scope| scope.service = "ec2".to_owned()), "AuthorizationParametersError"),
        ("presigned for an hour, an hour too late", put("a").presigned(60).skewed(-3600), "AccessDenied"),
        (
            "wrong trailer",
            put("a").body("123456789").payload(Payload::Chunks(Chunks::unsigned(8192, crc.0, "AAAAAA=="))),
            "XAmzContentChecksumMismatch",
        ),
    ];
    for (name, request, code) in bad {
        let answer = request.send().await.unwrap();
        assert!(answer.status >= 400 && answer.code().as_deref() == Some(code), "{name}: {} {:?}", answer.status, answer.code());
    }
    let text = serde_json::to_string(&recorder.exchanges()).unwrap();
    assert!(!text.contains(KEY) && !text.contains(SECRET) && !text.contains("another-secret"), "{text}");
    for marker in ["Signature=", "signature=", "signature:"] {
        assert!(!has_signature(&text, marker), "{marker}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn a_put_that_ends_early_leaves_nothing_and_a_raw_connection_is_reusable() {
    let directory = tempfile::tempdir().unwrap();
    let server = minio(directory.path(), |command| command);
    let link = link(directory.path(), &format!("endpoints = ['http://127.0.0.1:{}']\n{CREDENTIALS}", server.port), &[]);
    wait_ready(&link).await;
    let bucket = link.create_bucket("raw").await.unwrap();
    let recorder = Recorder::new();
    let raw = link.raw(&recorder);
    let put = |key: &str| raw.request("PUT", &bucket, key).operation("PutObject");
    put("a").body("0123456789").send().await.unwrap();
    put("early").body(vec![0; 100_000]).abandon_after(1000, false).await.unwrap();
    put("early").body(vec![0; 100_000]).abandon_after(1000, true).await.unwrap();
    assert_eq!(raw.request("HEAD", &bucket, "early").send().await.unwrap().status, 404);
    let mut connection = raw.connect().await.unwrap();
    for count in 1..=3 {
        assert_eq!(raw.request("GET", &bucket, "a").send_on(&mut connection).await.unwrap().body, b"0123456789");
        assert_eq!((connection.requests(), connection.keeps_open(), connection.unread()), (count, true, &b""[..]));
    }
    let text = serde_json::to_string(&recorder.exchanges()).unwrap();
    assert!(!text.contains(KEY) && !text.contains(SECRET) && !text.contains("another-secret"), "{text}");
    for marker in ["Signature=", "signature=", "signature:"] {
        assert!(!has_signature(&text, marker), "{marker}: {text}");
    }
}

/// The port is open before the server answers.
pub async fn wait_ready(link: &Link) {
    let started = Instant::now();
    while let Err(error) = link.sdk(&Recorder::new()).list_buckets().send().await {
        assert!(started.elapsed() < Duration::from_secs(60), "{error:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Writes MinIO's key pair for `names` and the authority's certificate (`ca.pem`).
fn minio_certificates(directory: &Path, names: &[&str]) {
    let (chain, key) = certificate(&authority(&directory.join("ca.pem")), names, rcgen::ExtendedKeyUsagePurpose::ServerAuth);
    std::fs::create_dir(directory.join("certs")).unwrap();
    std::fs::write(directory.join("certs/public.crt"), chain).unwrap();
    std::fs::write(directory.join("certs/private.key"), key).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn minio_behind_a_private_authority_works_and_a_wrong_authority_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    minio_certificates(directory.path(), &["localhost"]);
    authority(&directory.path().join("other.pem"));
    let server = minio(directory.path(), |command| command.arg("--certs-dir").arg(directory.path().join("certs")));
    let link = |ca: &str| link(directory.path(), &format!("endpoints = ['https://localhost:{}']\nca_file = '{ca}'\n{CREDENTIALS}", server.port), &[]);
    let trusted = link("ca.pem");
    wait_ready(&trusted).await;
    let recorder = Recorder::new();
    round_trip(&trusted, &recorder).await.unwrap();
    assert!(recorder.exchanges()[1..].iter().all(|exchange| exchange.reused), "{recorder:#?}");
    let error = link("other.pem").sdk(&recorder).list_buckets().send().await.unwrap_err();
    let error = WireError::find(&error).unwrap();
    assert_eq!(error.failure, Failure::Tls);
    assert!(error.message.contains("UnknownIssuer"), "{}", error.message);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn minio_finds_the_bucket_in_the_host_name() {
    let directory = tempfile::tempdir().unwrap();
    let server = minio(directory.path(), |command| command.env("MINIO_DOMAIN", "localhost"));
    let link = link(directory.path(), &format!("endpoints = ['http://localhost:{}']\naddressing = 'virtual-host'\n{CREDENTIALS}", server.port), &[]);
    wait_ready(&link).await;
    let recorder = Recorder::new();
    round_trip(&link, &recorder).await.unwrap();
    let put = &recorder.exchanges()[0];
    let host = format!("pm-12345678-round.localhost:{}", server.port);
    assert!(put.request_headers.contains(&("host".to_owned(), host)) && put.target.starts_with("/a%20b/"), "{put:#?}");
    let raw = link.raw(&recorder).request("PUT", "pm-12345678-round", "raw").body("x").send().await.unwrap();
    assert_eq!(raw.status, 200, "{}", raw.text());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn two_gateways_on_one_directory_are_used_evenly() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (versitygw(directory.path()), versitygw(directory.path()));
    let toml = format!("endpoints = ['http://127.0.0.1:{}', 'http://127.0.0.1:{}']\n{CREDENTIALS}", first.port, second.port);
    let link = link(directory.path(), &toml, &[]);
    for _ in 0..10 {
        round_trip(&link, &Recorder::new()).await.unwrap();
    }
    let used: Vec<(u64, u64)> = link.addresses().iter().map(|stats| (stats.requests, stats.failures)).collect();
    let requests: u64 = used.iter().map(|(requests, _)| requests).sum();
    assert!(used.len() == 2 && used[0].0.abs_diff(used[1].0) <= 1 && requests == 51, "{used:?}");
    assert!(used.iter().all(|(_, failures)| *failures == 0), "{used:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn temporary_credentials_work_with_their_token_and_not_without() {
    let directory = tempfile::tempdir().unwrap();
    let server = minio(directory.path(), |command| command);
    let base = format!("endpoints = ['http://127.0.0.1:{}']\n{CREDENTIALS}", server.port);
    let lasting = link(directory.path(), &base, &[]);
    wait_ready(&lasting).await;
    let form = "Action=AssumeRole&Version=2011-06-15&DurationSeconds=900";
    let started = Instant::now();
    let (recorder, answer) = loop {
        let recorder = Recorder::new();
        let request = lasting.raw(&recorder).exact("POST", "/").operation("AssumeRole").header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.body(form).scope(|scope| scope.service = "sts".to_owned()).send().await.unwrap();
        // MinIO takes objects before it knows its users.
        if !answer.text().contains("Server not initialized") || started.elapsed() > Duration::from_secs(60) {
            break (recorder, answer);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let [key, secret, token] =
        ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(|name| answer.element(name).unwrap_or_else(|| panic!("{}", answer.text())));
    let evidence = serde_json::to_string(&recorder.exchanges()).unwrap();
    assert!([&key, &secret, &token].iter().all(|value| !evidence.contains(value.as_str())), "{evidence}");
    let env = [("K", key.as_str()), ("S", secret.as_str()), ("T", token.as_str())];
    let temporary = link(directory.path(), &format!("{base}session_token_env = 'T'\n"), &env);
    let recorder = Recorder::new();
    round_trip(&temporary, &recorder).await.unwrap();
    let raw = temporary.raw(&recorder);
    assert_eq!(raw.request("HEAD", "pm-12345678-round", "").send().await.unwrap().status, 200);
    assert_eq!(raw.request("GET", "pm-12345678-round", "").presigned(60).send().await.unwrap().status, 200);
    let evidence = serde_json::to_string(&recorder.exchanges()).unwrap();
    assert!([&key, &secret, &token].iter().all(|value| !evidence.contains(value.as_str())), "{evidence}");
    let refused = link(directory.path(), &base, &env[..2]).sdk(&Recorder::new()).list_buckets().send().await.unwrap_err();
    assert_eq!(refused.raw_response().unwrap().status().as_u16(), 403);
    let [access_key, secret_key] = [key, secret].map(proofmark::config::Secret::new);
    let without = Credentials { access_key, secret_key, session_token: None };
    assert_eq!(raw.request("HEAD", "pm-12345678-round", "").credentials(without).send().await.unwrap().status, 403);
}
