//! How the case engine judges, against a server that does as it is told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proofmark::case::{self, Checked, Fixture, Guard, Suite, expect};
use proofmark::model::{CaseRecord, FailureClass, Impact, VendorId, Verdict};
use proofmark::store::RunDir;
use proofmark::wire::{Access, Link};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Reply {
    Status(u16, &'static str),
    Body(&'static str),
    Reset,
    Hang,
}

/// A server whose bucket requests always succeed and whose object requests follow a script; the last reply repeats.
struct Scripted {
    endpoint: String,
    targets: Arc<Mutex<Vec<String>>>,
    runtime: tokio::runtime::Runtime,
}

impl Scripted {
    fn start(script: &[Reply]) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (targets, script) = (Arc::new(Mutex::new(Vec::new())), script.to_vec());
        let seen = targets.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, seen.clone(), script.clone()));
            }
        });
        Self { endpoint, targets, runtime }
    }
    fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap().clone()
    }
    /// Runs one suite; its records in the order of their cases' ids, and the vendor's directory.
    fn run(&self, extra: &str, suite: &Suite) -> (Vec<CaseRecord>, tempfile::TempDir) {
        run(&self.runtime, &self.endpoint, extra, suite)
    }
    /// Runs one case that gets an object.
    fn judge(&self, body: fn(Fixture) -> std::pin::Pin<Box<dyn Future<Output = Checked> + Send>>) -> CaseRecord {
        let suite = Suite::new("engine").core("get_object/case", &["GET-01"], "A rule.", body).deadline(Duration::from_millis(700));
        self.run("", &suite).0.remove(0)
    }
}

fn run(runtime: &tokio::runtime::Runtime, endpoint: &str, extra: &str, suite: &Suite) -> (Vec<CaseRecord>, tempfile::TempDir) {
    guarded(runtime, endpoint, extra, suite, |guard| guard.patient(Duration::from_millis(300)))
}

/// Runs one suite under a guard; its records in the order of their cases' ids, and the vendor's directory.
pub fn guarded(
    runtime: &tokio::runtime::Runtime,
    endpoint: &str,
    extra: &str,
    suite: &Suite,
    guard: impl FnOnce(Guard) -> Guard,
) -> (Vec<CaseRecord>, tempfile::TempDir) {
    let toml = format!(
        "title = \"Scripted\"\ndeployment = \"self-run\"\nendpoints = [\"{endpoint}\"]\n{extra}\n[credentials]\naccess_key_env = \"A\"\nsecret_key_env = \"S\"\n"
    );
    let vendor = toml::from_str(&toml).unwrap();
    let (id, directory) = (VendorId::from("scripted"), tempfile::tempdir().unwrap());
    let access = Access::resolve(&id, &vendor, directory.path(), &|_| Some("secret-of-the-test".to_owned())).unwrap();
    let sink = Arc::new(RunDir::create(directory.path()).unwrap().vendor(&id).unwrap());
    let link = Link::open(id, Arc::new(vendor), access, sink, 1, "pm-00000000-").unwrap();
    let arguments =
        libtest_mimic::Arguments { logfile: Some(directory.path().join("log").display().to_string()), ..libtest_mimic::Arguments::default() };
    let records = Mutex::new(Vec::new());
    let cases = case::cases(std::slice::from_ref(suite));
    let guard = guard(Guard::new(link.clone()));
    case::run(&link, &guard, &cases, arguments, runtime.handle(), &|record| records.lock().unwrap().push(record.clone())).unwrap();
    let mut records = records.into_inner().unwrap();
    records.sort_by(|a, b| a.case.id.cmp(&b.case.id));
    (records, directory)
}

async fn serve(mut stream: TcpStream, targets: Arc<Mutex<Vec<String>>>, script: Vec<Reply>) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let text = String::from_utf8(head).ok()?.to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).and_then(|digits| digits.parse().ok());
        stream.read_exact(&mut vec![0; length.unwrap_or(0)]).await.ok()?;
        let target = text.split(' ').nth(1)?.to_owned();
        let reply = if target.matches('/').count() < 2 || target.ends_with('/') {
            Reply::Status(200, "")
        } else {
            let mut targets = targets.lock().unwrap();
            targets.push(target);
            *script.get(targets.len() - 1).or(script.last())?
        };
        let (status, body) = match reply {
            Reply::Status(status, "") => (status, String::new()),
            Reply::Status(status, code) => (status, format!("<Error><Code>{code}</Code></Error>")),
            Reply::Body(body) => (200, body.to_owned()),
            Reply::Reset => return stream.set_zero_linger().ok(),
            Reply::Hang => std::future::pending().await,
        };
        let answer = format!("HTTP/1.1 {status} X\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

/// The object is there.
fn found(fx: Fixture) -> std::pin::Pin<Box<dyn Future<Output = Checked> + Send>> {
    Box::pin(async move { expect::ok(fx.get_object("k").send().await).map(drop) })
}

fn verdict(script: &[Reply]) -> (Verdict, Option<FailureClass>, u32) {
    let record = Scripted::start(script).judge(found);
    (record.verdict, record.class, record.attempts)
}

#[test]
fn trouble_is_repeated_once_and_both_attempts_count() {
    use Reply::{Reset, Status};
    let ok = Status(200, "");
    assert_eq!(verdict(&[ok]), (Verdict::Pass, None, 1));
    assert_eq!(verdict(&[Status(503, "SlowDown"), ok]), (Verdict::Pass, None, 2));
    assert_eq!(verdict(&[Status(503, "SlowDown")]), (Verdict::Unresolved, None, 2));
    assert_eq!(verdict(&[Status(500, "InternalError"), ok]), (Verdict::Pass, None, 2));
    assert_eq!(verdict(&[Status(500, "InternalError")]), (Verdict::Fail, Some(FailureClass::Crash), 2));
    assert_eq!(verdict(&[Reset, ok]), (Verdict::Pass, None, 2));
    assert_eq!(verdict(&[Reset]), (Verdict::Fail, Some(FailureClass::Crash), 2));
}

#[test]
fn the_repetition_uses_a_fresh_prefix() {
    let server = Scripted::start(&[Reply::Status(500, "InternalError")]);
    assert_eq!(server.judge(found).requests, 2);
    let targets = server.targets();
    assert!(targets[0].contains("/1/k") && targets[1].contains("/2/k"), "{targets:?}");
}

#[test]
fn refusals_and_hanging_servers_have_their_verdicts() {
    assert_eq!(verdict(&[Reply::Status(404, "NoSuchKey")]), (Verdict::Fail, Some(FailureClass::WrongEffect), 1));
    assert_eq!(verdict(&[Reply::Status(501, "NotImplemented")]), (Verdict::Unsupported, None, 1));
    assert_eq!(verdict(&[Reply::Status(400, "NotImplemented")]), (Verdict::Unsupported, None, 1));
    assert_eq!(verdict(&[Reply::Hang]), (Verdict::Fail, Some(FailureClass::Timeout), 1));
}

#[test]
fn a_claim_names_its_class_and_place() {
    let ignored = Scripted::start(&[Reply::Status(200, "")])
        .judge(|fx| Box::pin(async move { expect::refused(fx.get_object("k").send().await, 412, "PreconditionFailed") }));
    assert_eq!(ignored.class, Some(FailureClass::UnsafeIgnore));
    let deviation = ignored.deviation.unwrap();
    assert_eq!((deviation.expected.as_str(), deviation.observed.as_str()), ("412 PreconditionFailed", "success"));
    assert!(deviation.location.starts_with("tests/it/cases_engine.rs:"), "{}", deviation.location);
    let code = Scripted::start(&[Reply::Status(403, "AccessDenied")])
        .judge(|fx| Box::pin(async move { expect::error(fx.get_object("k").send().await, 404, "NoSuchKey") }));
    assert_eq!(code.class, Some(FailureClass::WrongCode));
    let corrupt = Scripted::start(&[Reply::Body("other")]).judge(|fx| Box::pin(async move { fx.holds("k", b"stored").await }));
    assert_eq!(corrupt.class, Some(FailureClass::Corrupt));
    let lost = Scripted::start(&[Reply::Status(404, "NoSuchKey")]).judge(|fx| Box::pin(async move { fx.holds("k", b"stored").await }));
    assert_eq!(lost.class, Some(FailureClass::Corrupt));
}

#[test]
fn the_harness_own_faults_are_unresolved() {
    let unresolved = |record: CaseRecord, reason: &str| {
        assert_eq!(record.verdict, Verdict::Unresolved);
        assert!(record.reason.as_deref().unwrap().starts_with(reason), "{:?}", record.reason);
    };
    let server = Scripted::start(&[Reply::Status(403, "AccessDenied")]);
    unresolved(server.judge(|_| Box::pin(async { panic!("on purpose") })), "harness: the case panicked");
    unresolved(server.judge(|_| Box::pin(async { std::future::pending().await })), "harness: not finished");
    unresolved(server.judge(|_| Box::pin(async { Ok(()) })), "harness: declared operation never sent");
    unresolved(server.judge(|fx| Box::pin(async move { fx.put("k", b"x").await.map(drop) })), "set-up: PutObject");
    let nowhere = Suite::new("engine").core("get_object/case", &["GET-01"], "A rule.", found);
    unresolved(run(&server.runtime, "http://127.0.0.1:1", "", &nowhere).0.remove(0), "server down since 20");
}

#[test]
fn what_is_not_permitted_or_claimed_sends_nothing() {
    let server = Scripted::start(&[Reply::Status(200, "")]);
    let suite = Suite::new("engine")
        .core("get_object/a", &["GET-01"], "A rule.", found)
        .impact(Impact::Irreversible)
        .core("get_object/b", &["GET-01"], "A rule.", found)
        .needs(&["versioning"])
        .core("get_object/c", &["GET-01"], "A rule.", found)
        .needs_alt()
        .core("get_object/d", &["GET-01"], "A rule.", found)
        .own_bucket();
    let (records, _directory) = server.run("use_bucket = \"theirs\"", &suite);
    let found: Vec<_> = records.iter().map(|record| (record.verdict, record.reason.as_deref().unwrap_or_default())).collect();
    assert_eq!(found[0], (Verdict::Untested, "not permitted: needs safety.allow = [\"irreversible\"]"));
    assert_eq!(found[1], (Verdict::Unsupported, "not claimed: versioning"));
    assert_eq!(found[2], (Verdict::Untested, "needs a second credential: credentials.alt"));
    assert_eq!(found[3], (Verdict::Untested, "needs a bucket of its own, and use_bucket allows none"));
    assert_eq!(server.targets(), Vec::<String>::new());
    assert!(records.iter().all(|record| record.requests == 0));
}

#[test]
fn every_case_is_recorded_and_only_what_did_not_pass_has_evidence() {
    let server = Scripted::start(&[Reply::Status(404, "NoSuchKey")]);
    let suite = Suite::new("engine")
        .core("get_object/absent", &["GET-04"], "A rule.", async |fx| expect::error(fx.get_object("k").send().await, 404, "NoSuchKey"))
        .core("get_object/present", &["GET-01"], "A rule.", found);
    let (records, directory) = server.run("", &suite);
    assert_eq!((records[0].verdict, &records[0].evidence), (Verdict::Pass, &None));
    let evidence = records[1].evidence.clone().unwrap();
    let transcript = std::fs::read_to_string(directory.path().join("scripted").join(evidence)).unwrap();
    assert!(transcript.contains("NoSuchKey") && !transcript.contains("secret-of-the-test"), "{transcript}");
    let lines = std::fs::read_to_string(directory.path().join("scripted/cases.jsonl")).unwrap();
    assert_eq!(lines.lines().count(), 2);
}
