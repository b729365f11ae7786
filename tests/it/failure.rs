//! Failure scenarios against a server inside this process: what holds, holds; what lies, is found.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proofmark::check::JournalEntry;
use proofmark::config::{DegradeRule, Endpoint, FailureSpec, FailureTiming, FaultKind, Secret, Vendor, parse};
use proofmark::lab::{Hooked, Server};
use proofmark::model::{GateVerdict, Outcome, ScenarioId, ScenarioRecord, VendorId};
use proofmark::scenario::failure;
use proofmark::store::RunDir;
use proofmark::units::{Bytes, Span};
use proofmark::wire::proxy::Proxy;
use proofmark::wire::{Access, Credentials, Link};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tempfile::TempDir;
use tokio::net::TcpListener;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// s3s-fs in this process, with a script whose hooks make it hold back every request and go on again.
struct Site {
    directory: TempDir,
    link: Link,
}

impl Site {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (data, paused) = (directory.path().join("data"), directory.path().join("paused"));
        std::fs::create_dir(&data).unwrap();
        let endpoint = serve(&data, paused).await;
        let file = directory.path().join("here.toml");
        std::fs::write(&file, format!("title = \"Here\"\ndeployment = \"self-run\"\nendpoints = [{:?}]\n{VENDOR}", endpoint.to_string())).unwrap();
        let vendor: Vendor = parse(&file).unwrap();
        let sink = Arc::new(RunDir::create(directory.path().join("run")).unwrap().vendor(&VendorId::from("here")).unwrap());
        let access = Access::direct(endpoint, "us-east-1", credentials());
        let link = Link::open(VendorId::from("here"), Arc::new(vendor), access, sink, 7, "pm-test0000-").unwrap();
        Self { directory, link }
    }
    /// A server whose hooks are a script beside the data.
    fn server(&self) -> Server {
        let root = self.directory.path();
        std::fs::create_dir_all(root.join("vendors")).unwrap();
        let paused = root.join("paused").display().to_string();
        let text = format!("#!/bin/sh\ncase $1 in identify) echo here;; pause) touch {paused};; resume) rm {paused};; esac\n");
        write_script(&root.join("vendors/hooks.sh"), &text);
        let root = proofmark::config::Root::new(root);
        Server::Hooked(Hooked::of(&root, &self.link.id, &self.link.vendor).unwrap())
    }
    fn is_paused(&self) -> bool {
        self.directory.path().join("paused").exists()
    }
    async fn run(&self, scenario: &str, server: Option<&Server>) -> ScenarioRecord {
        run(&self.link, scenario, server).await
    }
    fn journal(&self) -> Vec<JournalEntry> {
        let text = std::fs::read_to_string(self.link.sink.path().join("journal.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

pub fn write_script(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

const VENDOR: &str = r#"
[safety]
allow = ["destructive"]
disposable = true
[lifecycle]
script = "hooks.sh"
hooks = ["pause", "resume"]
"#;

fn credentials() -> Credentials {
    Credentials { access_key: Secret::new("key"), secret_key: Secret::new("secretsecret"), session_token: None }
}

async fn serve(data: &Path, paused: PathBuf) -> Endpoint {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(data).unwrap());
    builder.set_auth(SimpleAuth::from_single("key", "secretsecret"));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let (service, paused) = (service.clone(), paused.clone());
            let held = hyper::service::service_fn(move |request| {
                let (service, paused) = (service.clone(), paused.clone());
                async move {
                    while paused.exists() {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    hyper::service::Service::call(&service, request).await
                }
            });
            tokio::spawn(async move { hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), held).await.ok() });
        }
    });
    Endpoint { tls: false, host: "127.0.0.1".to_owned(), port }
}

fn spec(scenario: &str) -> FailureSpec {
    parse(&Path::new(REPOSITORY).join(format!("scenarios/failure/{scenario}.toml"))).unwrap()
}

fn timing() -> FailureTiming {
    let span = |ms| Span(Duration::from_millis(ms));
    FailureTiming { warm_up: span(200), baseline: span(600), fault: span(1500), recovery: span(6000) }
}

pub async fn run(link: &Link, scenario: &str, server: Option<&Server>) -> ScenarioRecord {
    let id = ScenarioId(format!("failure/{scenario}"));
    failure::run(link, server, &id, &spec(scenario), 1, &timing()).await
}

pub fn gate(record: &ScenarioRecord, name: &str) -> GateVerdict {
    record.gates.iter().find(|gate| gate.name == name).unwrap_or_else(|| panic!("no gate {name} in {record:#?}")).verdict
}

pub fn broken(record: &ScenarioRecord) -> Vec<&str> {
    record.gates.iter().filter(|gate| gate.verdict == GateVerdict::NotMet).map(|gate| gate.name.as_str()).collect()
}

/// A short upload-cut scenario: old values, cut uploads, a look at everything.
async fn cut(link: &Link) -> ScenarioRecord {
    let spec = FailureSpec { object_size: vec![Bytes::kib(64)], keys: 2, ..spec("upload-cut") };
    failure::run(link, None, &ScenarioId::from("failure/upload-cut"), &spec, 1, &timing()).await
}

async fn cut_behind(fault: FaultKind, operation: &str, every: u64) -> ScenarioRecord {
    let site = Site::start().await;
    let rule = DegradeRule { fault, every, operations: vec![operation.to_owned()], phases: vec![] };
    let proxy = Proxy::before(&site.link.access, vec![rule]).await.unwrap();
    let record = cut(&site.link.via(proxy.endpoint())).await;
    summary(&record);
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_and_duplicate_uploads_meet_every_gate_on_an_honest_server() {
    let site = Site::start().await;
    for record in [cut(&site.link).await, site.run("duplicate-request", None).await] {
        summary(&record);
        assert_eq!((record.outcome.clone(), broken(&record)), (Outcome::Measured, vec![]));
        assert!(record.gates.iter().all(|gate| gate.verdict == GateVerdict::Met) && record.gates.len() >= 7);
        let evidence = std::fs::read_to_string(site.link.sink.path().join(record.evidence.unwrap())).unwrap();
        assert!(!evidence.contains("secretsecret"));
    }
    let cuts = site.journal().iter().filter(|entry| entry.code.starts_with("cut after")).count();
    assert_eq!(cuts, 6, "three places to cut, an old value or none");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_that_is_acknowledged_and_swallowed_is_an_acknowledged_loss() {
    let record = cut_behind(FaultKind::Swallow {}, "PutObject", 1).await;
    assert_eq!(gate(&record, "no_acked_loss"), GateVerdict::NotMet);
    assert_eq!(gate(&record, "old_value_kept"), GateVerdict::NotMet);
    assert_eq!(gate(&record, "three_views_agree"), GateVerdict::Met, "nothing is there, and all views say so");
    assert_eq!(record.metric("lost_writes"), Some(3.0));
    let lost = record.gates.iter().find(|gate| gate.name == "no_acked_loss").unwrap();
    assert!(lost.observed.contains("is gone, although write") && lost.evidence.is_some(), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_that_changes_on_the_way_in_or_out_is_a_torn_read() {
    for (fault, operation) in
        [(FaultKind::FlipRequestByte { at: Bytes(2000) }, "PutObject"), (FaultKind::FlipResponseByte { at: Bytes(2000) }, "GetObject")]
    {
        let record = cut_behind(fault, operation, 1).await;
        assert_eq!(gate(&record, "no_torn_read"), GateVerdict::NotMet);
        assert_eq!(gate(&record, "no_acked_loss"), GateVerdict::NotMet);
        assert_eq!(gate(&record, "no_phantom"), GateVerdict::Met);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_metadata_header_is_found_and_nothing_else() {
    let record = cut_behind(FaultKind::RemoveRequestHeader { name: "x-amz-meta-*".to_owned() }, "PutObject", 1).await;
    assert_eq!(broken(&record), ["metadata_kept"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_denies_an_object_is_a_disagreement_of_views() {
    let record = cut_behind(FaultKind::Status { status: 404, code: "NoSuchKey".to_owned() }, "HeadObject", 1).await;
    assert_eq!(broken(&record), ["three_views_agree"]);
    let views = record.gates.iter().find(|gate| gate.name == "three_views_agree").unwrap();
    assert!(views.observed.contains("LIST says there, HEAD not there, GET there"), "{views:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stores_what_it_refused_is_found() {
    // s3s-fs moves the body into its place before it compares the checksum.
    let site = Site::start().await;
    let record = site.run("corrupt-upload", None).await;
    summary(&record);
    assert_eq!(gate(&record, "corrupt_upload_refused"), GateVerdict::Met);
    assert_eq!(gate(&record, "old_value_kept"), GateVerdict::NotMet);
    assert!(record.metric("correct_error_share").unwrap() >= 0.6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_checks_before_it_locks_has_several_winners() {
    // s3s-fs looks for the object before it reads the body.
    let site = Site::start().await;
    let record = site.run("overwrite-storm", None).await;
    summary(&record);
    assert_eq!(record.outcome, Outcome::Measured);
    assert_eq!(gate(&record, "one_winner"), GateVerdict::NotMet);
    assert_eq!(gate(&record, "no_torn_read"), GateVerdict::Met);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_makes_the_service_unavailable_and_loses_nothing() {
    let site = Site::start().await;
    let record = site.run("pause", Some(&site.server())).await;
    summary(&record);
    assert_eq!(record.outcome, Outcome::Measured);
    // Not metadata: s3s-fs forgets it when a client gives up between the body and its metadata.
    for name in ["comes_back", "no_acked_loss", "no_torn_read", "no_phantom", "no_stale_read", "three_views_agree"] {
        assert_eq!(gate(&record, name), GateVerdict::Met, "{name}");
    }
    assert!(record.metric("availability_share").unwrap() < 0.8);
    assert!(record.metric("unavailable_s").unwrap() >= 0.4);
    assert!(record.metric("indeterminate_writes").unwrap() > 0.0, "the client gave up on held PUTs");
    assert!(!site.is_paused());
    let labels: Vec<&str> = record.windows.iter().map(|window| window.label.as_str()).collect();
    assert_eq!(labels, ["warm-up", "baseline", "fault", "recovery"]);
    assert!(record.series.len() > 10 && record.series.iter().any(|point| point.errors > 0));
    let journalled = site.journal().iter().filter(|entry| entry.is_write()).count() as f64;
    assert!(journalled >= record.metric("acked_writes").unwrap() + record.metric("indeterminate_writes").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_scenario_still_heals_the_fault() {
    let site = Site::start().await;
    let server = site.server();
    let cancelled = tokio::time::timeout(Duration::from_millis(1400), site.run("pause", Some(&server)));
    let watch = async {
        while !site.is_paused() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (cancelled, ()) = tokio::join!(cancelled, watch);
    assert!(cancelled.is_err() && !site.is_paused());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_permission_hook_or_identity_a_scenario_is_untested_and_sends_nothing() {
    let site = Site::start().await;
    let untested = |record: ScenarioRecord| match record.outcome {
        Outcome::Untested(reason) => reason,
        other => panic!("{other:?}"),
    };
    assert!(untested(site.run("pause", None).await).starts_with("no hook"));
    assert!(untested(site.run("process-crash", Some(&site.server())).await).starts_with("no hook: \"kill\""));
    let server = site.server();
    write_script(&site.directory.path().join("vendors/hooks.sh"), "#!/bin/sh\necho another\n");
    assert!(untested(site.run("pause", Some(&server)).await).contains("does not echo"));
    let mut careful = site.link.clone();
    let mut vendor = Vendor::clone(&careful.vendor);
    vendor.safety.disposable = false;
    careful.vendor = Arc::new(vendor);
    assert!(untested(run(&careful, "pause", Some(&site.server())).await).starts_with("not permitted"));
    assert_eq!(site.link.meter.take().total(), 0);
    assert!(site.journal().is_empty());
}

#[expect(clippy::print_stdout, reason = "what was measured belongs to a failed test's output")]
pub fn summary(record: &ScenarioRecord) {
    println!("== {} {:?} {:.0} ms", record.scenario, record.outcome, record.duration_ms);
    for gate in &record.gates {
        println!("  {:22} {:8} {}", gate.name, gate.verdict.name(), gate.observed);
    }
    for metric in &record.metrics {
        println!("  {} = {:?} (n {})", metric.name, metric.value, metric.n);
    }
    for finding in &record.findings {
        println!("  - {finding}");
    }
}
