//! Failure scenarios against a server inside this process: what holds, holds; what lies, is found.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use proofmark::check::JournalEntry;
use proofmark::config::{Endpoint, FailureSpec, FailureTiming, Secret, Vendor, parse};
use proofmark::lab::{Hooked, Server};
use proofmark::model::{GateVerdict, Outcome, ScenarioId, ScenarioRecord, VendorId};
use proofmark::scenario::failure;
use proofmark::store::RunDir;
use proofmark::units::Span;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_makes_the_service_unavailable_and_loses_nothing() {
    let site = Site::start().await;
    let record = site.run("pause", Some(&site.server())).await;
    summary(&record);
    assert_eq!((record.outcome.clone(), broken(&record)), (Outcome::Measured, vec![]), "{record:#?}");
    assert_eq!(gate(&record, "comes_back"), GateVerdict::Met);
    assert!(record.metric("availability_share").unwrap() < 0.7, "{record:#?}");
    assert!(record.metric("unavailable_s").unwrap() >= 0.8);
    assert!(record.metric("recovery_s").unwrap() < 5.0);
    assert!(record.metric("indeterminate_writes").unwrap() > 0.0, "the client gave up on held PUTs");
    assert!(!site.is_paused());
    assert_eq!(site.journal().iter().filter(|entry| entry.is_write()).count() > 40, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn show() {
    let site = Site::start().await;
    for name in ["upload-cut", "corrupt-upload", "duplicate-request", "overwrite-storm"] {
        let record = site.run(name, None).await;
        summary(&record);
    }
}

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
