//! What a server that dies, hangs or refuses costs a run: the cases that did it, and nothing else.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proofmark::case::{Checked, Fixture, Guard, Revive, Suite, expect};
use proofmark::model::{CaseRecord, Crash, FailureClass, Recovery, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::cases_engine::guarded;

/// A server that ends, with all its connections, at a request for a key that ends in `poison`, and can be started again.
struct Mortal {
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
    life: Mutex<Option<JoinHandle<()>>>,
    /// Requests for the poison.
    doses: AtomicUsize,
    restarts: AtomicUsize,
    /// Whether the poison still works.
    is_deadly: AtomicBool,
    /// After a restart: until when no bucket is created, and until when nothing below `late` is answered.
    numb: Mutex<[Option<Instant>; 2]>,
}

impl Mortal {
    fn start() -> Arc<Self> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (life, doses, restarts) = (Mutex::default(), AtomicUsize::new(0), AtomicUsize::new(0));
        let server = Arc::new(Self { address, runtime, life, doses, restarts, is_deadly: AtomicBool::new(true), numb: Mutex::default() });
        server.live(listener);
        server
    }
    fn live(self: &Arc<Self>, listener: TcpListener) {
        let server = self.clone();
        let life = self.runtime.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            let (die, mut death) = tokio::sync::mpsc::channel::<()>(1);
            loop {
                tokio::select! {
                    accepted = listener.accept() => { connections.spawn(serve(accepted.unwrap().0, server.clone(), die.clone())); }
                    _ = death.recv() => return,
                }
            }
        });
        *self.life.lock().unwrap() = Some(life);
    }
    /// The hook that starts it again.
    fn reviving(self: &Arc<Self>) -> Revive {
        let server = self.clone();
        Arc::new(move |_| {
            let server = server.clone();
            Box::pin(async move {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                socket.bind(server.address).map_err(|error| error.to_string())?;
                server.restarts.fetch_add(1, Ordering::SeqCst);
                server.live(socket.listen(64).unwrap());
                Ok(())
            })
        })
    }
    fn run(self: &Arc<Self>, suite: &Suite, guard: impl FnOnce(Guard) -> Guard) -> (Vec<CaseRecord>, Vec<Crash>) {
        let (records, directory) = guarded(&self.runtime, &format!("http://{}", self.address), "", suite, guard);
        (records, crashes(directory.path()))
    }
}

fn crashes(directory: &Path) -> Vec<Crash> {
    let text = std::fs::read_to_string(directory.join("scripted/crashes.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn serve(mut stream: TcpStream, server: Arc<Mortal>, die: tokio::sync::mpsc::Sender<()>) -> Option<()> {
    stream.set_zero_linger().ok()?;
    loop {
        let (method, target) = request(&mut stream).await?;
        let creates_bucket = method == "PUT" && (target.matches('/').count() < 2 || target.ends_with('/'));
        let [no_buckets, no_late] = *server.numb.lock().unwrap();
        let until = if creates_bucket { no_buckets } else { no_late.filter(|_| target.ends_with("late")) };
        if let Some(until) = until {
            // What comes too early is answered after all, by then to nobody.
            tokio::time::sleep(until.saturating_duration_since(Instant::now()) * 3).await;
        }
        if target.ends_with("poison") {
            server.doses.fetch_add(1, Ordering::SeqCst);
            if server.is_deadly.load(Ordering::SeqCst) {
                die.send(()).await.ok()?;
                std::future::pending::<()>().await;
            }
        }
        if target.ends_with("hang") {
            std::future::pending::<()>().await;
        }
        // Long enough that many requests are on their way at once.
        tokio::time::sleep(Duration::from_millis(20)).await;
        answer(&mut stream, 200, "").await?;
    }
}

/// Reads one request; its method and path.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).ok()?;
    let lower = text.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()).and_then(|digits| digits.parse().ok());
    stream.read_exact(&mut vec![0; length.unwrap_or(0)]).await.ok()?;
    let mut words = text.split(' ');
    Some((words.next()?.to_owned(), words.next()?.split('?').next()?.to_owned()))
}

async fn answer(stream: &mut TcpStream, status: u16, body: &str) -> Option<()> {
    let head = format!("HTTP/1.1 {status} X\r\nETag: \"e\"\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    stream.write_all(head.as_bytes()).await.ok()
}

type Body = std::pin::Pin<Box<dyn Future<Output = Checked> + Send>>;

fn poisons(fx: Fixture) -> Body {
    Box::pin(async move { expect::ok(fx.get_object("poison").send().await).map(drop) })
}

fn hangs(fx: Fixture) -> Body {
    Box::pin(async move { expect::ok(fx.head_object("hang").send().await).map(drop) })
}

fn reads(fx: Fixture) -> Body {
    Box::pin(async move {
        for _ in 0..5 {
            expect::ok(fx.get_object("k").send().await)?;
        }
        Ok(())
    })
}

/// Cases with a poisonous one in the middle.
fn suite(innocent: usize) -> Suite {
    let mut suite = Suite::new("engine");
    for number in 0..innocent {
        if number == innocent / 2 {
            suite = suite.core("get_object/poison", &["GET-01"], "A rule.", poisons);
        }
        suite = suite.core(&format!("get_object/{number:02}"), &["GET-01"], "A rule.", reads);
    }
    suite
}

#[test]
fn the_case_that_kills_the_server_is_found_and_the_others_run_again() {
    let server = Mortal::start();
    let told = Arc::new(Mutex::new(Vec::new()));
    let (notes, living) = (told.clone(), server.clone());
    let tell = move |text: String| notes.lock().unwrap().push((living.restarts.load(Ordering::SeqCst), text));
    let (records, crashes) = server.run(&suite(40), |guard| guard.reviving(server.reviving()).telling(tell));
    assert_eq!(records.len(), 41);
    let (guilty, innocent): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.case.id.as_str().ends_with("poison"));
    assert!(innocent.iter().all(|record| record.verdict == Verdict::Pass), "{innocent:?}");
    assert!(innocent.iter().any(|record| record.attempts > 1), "some were on their way");
    assert_eq!((guilty[0].verdict, guilty[0].class, guilty[0].attempts), (Verdict::Fail, Some(FailureClass::Crash), 2));
    let observed = &guilty[0].deviation.as_ref().unwrap().observed;
    assert!(observed.starts_with("GetObject GET /pm-00000000-engine/engine/get_object/poison/2/poison"), "{observed}");
    assert!(observed.ends_with("brought the server down") && !observed.contains("secret-of-the-test"), "{observed}");
    assert_eq!((server.doses.load(Ordering::SeqCst), server.restarts.load(Ordering::SeqCst)), (2, 2));
    assert_eq!(crashes.len(), 2);
    assert!(crashes[0].culprit.is_none() && crashes[0].suspects.len() > 1, "{crashes:?}");
    assert_eq!(crashes[1].culprit.as_ref().unwrap().case, guilty[0].case.id);
    assert!(crashes.iter().all(|crash| crash.recovery == Recovery::Restarted));
    // Each note comes at its moment, not at the end: before and after each restart.
    let told = told.lock().unwrap();
    let expected = [
        (0, "the server is down (nothing listens): no further case starts; it is being restarted"),
        (1, "run alone now, to find the one that did it"),
        (1, "the server is down (nothing listens): engine::get_object/poison, request GetObject GET /pm-"),
        (2, "brought down by engine::get_object/poison, request GetObject GET /pm-"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:?}");
    for ((restarts, text), (when, part)) in told.iter().zip(expected) {
        assert!(*restarts == when && text.contains(part), "{told:?}");
    }
}

#[test]
fn a_death_that_does_not_repeat_fails_nobody() {
    let server = Mortal::start();
    let revive = server.reviving();
    let antidote = server.clone();
    let (records, crashes) = server.run(&suite(20), |guard| {
        guard.reviving(Arc::new(move |down| {
            antidote.is_deadly.store(false, Ordering::SeqCst);
            revive(down)
        }))
    });
    assert!(records.iter().all(|record| record.verdict == Verdict::Pass), "{records:?}");
    assert_eq!((crashes.len(), &crashes[0].culprit), (1, &None));
}

#[test]
fn a_server_that_is_back_has_time_until_it_takes_writes_and_answers_everything() {
    let server = Mortal::start();
    let (revive, numbed) = (server.reviving(), server.clone());
    let revive: Revive = Arc::new(move |down| {
        let after = |millis| Some(Instant::now() + Duration::from_millis(millis));
        *numbed.numb.lock().unwrap() = [after(800), after(5000)];
        revive(down)
    });
    let late = |fx: Fixture| -> Body { Box::pin(async move { expect::ok(fx.get_object("late").send().await).map(drop) }) };
    let mut suite = suite(10);
    for number in 0..4 {
        suite = suite.core(&format!("get_object/late_{number}"), &["GET-01"], "A rule.", late).own_bucket().deadline(Duration::from_millis(1500));
    }
    let (records, crashes) = server.run(&suite, |guard| guard.reviving(revive).patient(Duration::from_secs(2)));
    for record in &records {
        let is_guilty = record.case.id.as_str().ends_with("poison");
        assert_eq!(record.verdict, if is_guilty { Verdict::Fail } else { Verdict::Pass }, "{record:?}");
    }
    assert!(records.iter().any(|record| record.case.id.as_str().contains("late") && record.attempts > 2), "{records:?}");
    assert!(crashes.iter().all(|crash| crash.no_writes_s.unwrap() >= 0.8 && crash.down_s < 0.8), "{crashes:?}");
    assert!(crashes[1].sentence().contains("s, took writes after "), "{crashes:?}");
}

#[test]
fn a_server_that_stays_down_ends_the_run_at_once() {
    let server = Mortal::start();
    let started = Instant::now();
    let (records, crashes) = server.run(&suite(300), |guard| guard.patient(Duration::from_millis(500)));
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let undecided: Vec<_> = records.iter().filter(|record| record.verdict == Verdict::Unresolved).collect();
    assert!(undecided.len() > 100);
    for record in undecided {
        let reason = record.reason.as_deref().unwrap();
        assert!(reason.starts_with("server down since one of engine::get_object/") && reason.contains(", request GetObject GET /pm-"), "{reason}");
    }
    assert!(crashes[0].suspects.iter().any(|suspect| suspect.case.as_str().ends_with("poison")), "{crashes:?}");
    assert!(matches!(&crashes[0].recovery, Recovery::Never(why) if why.starts_with("no restart hook")), "{crashes:?}");
}

#[test]
fn the_only_case_under_way_is_to_blame_for_a_server_that_stays_down() {
    let server = Mortal::start();
    let alone = Suite::new("engine").core("get_object/poison", &["GET-01"], "A rule.", poisons);
    let (records, crashes) = server.run(&alone, |guard| guard.patient(Duration::from_millis(300)));
    assert_eq!((records[0].verdict, records[0].class), (Verdict::Fail, Some(FailureClass::Crash)));
    assert_eq!(crashes[0].culprit.as_ref().unwrap().case, records[0].case.id);
}

#[test]
fn a_server_is_not_brought_back_for_ever() {
    let server = Mortal::start();
    let mut suite = Suite::new("engine");
    for number in 0..40 {
        suite = suite.core(&format!("get_object/{number:02}_poison"), &["GET-01"], "A rule.", poisons);
    }
    let (records, crashes) = server.run(&suite, |guard| guard.reviving(server.reviving()).patient(Duration::from_millis(300)));
    assert_eq!(server.restarts.load(Ordering::SeqCst), 5);
    let with = |verdict| records.iter().filter(|record| record.verdict == verdict).count();
    assert!((2..=6).contains(&with(Verdict::Fail)) && with(Verdict::Fail) + with(Verdict::Unresolved) == 40, "{records:?}");
    assert!(matches!(&crashes.last().unwrap().recovery, Recovery::Never(why) if why.contains("6 times")), "{crashes:?}");
}

#[test]
fn an_operation_that_hangs_costs_its_own_cases_and_soon_little_time() {
    let server = Mortal::start();
    let mut suite = Suite::new("engine");
    for number in 0..200 {
        suite = suite.core(&format!("head_object/{number:03}"), &["GET-01"], "A rule.", hangs).deadline(Duration::from_secs(4));
    }
    for number in 0..20 {
        suite = suite.core(&format!("get_object/{number:03}"), &["GET-01"], "A rule.", reads);
    }
    let (records, crashes) = server.run(&suite, |guard| guard.waiting_for_hangs(Duration::from_millis(300)));
    // Without the rule: 200 hanging cases of 4 s are 800 s of waiting.
    let waited: f64 = records.iter().filter(|record| record.case.operation() == "head_object").map(|record| record.duration_ms / 1e3).sum();
    assert!(waited < 400.0, "{waited} s");
    assert_eq!(crashes, []);
    for record in records {
        match record.case.operation() {
            // On a busy machine a case may begin too late for its wait to count as the server's.
            "head_object" => assert!(record.class == Some(FailureClass::Timeout) || record.verdict == Verdict::Unresolved, "{record:?}"),
            _ => assert_eq!(record.verdict, Verdict::Pass, "{record:?}"),
        }
    }
}

/// Runs cases on a server that answers object requests as told and refuses what `refuses` says.
fn refusing(suite: &Suite, refuses: fn(method: &str, target: &str) -> Option<(u16, &'static str)>) -> Vec<CaseRecord> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while let Some((method, target)) = request(&mut stream).await {
                    let (status, code) = refuses(&method, &target).unwrap_or((200, ""));
                    let body = if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
                    answer(&mut stream, status, &body).await?;
                }
                Some(())
            });
        }
    });
    guarded(&runtime, &endpoint, "", suite, |guard| guard).0
}

#[test]
fn a_quota_of_buckets_costs_only_the_cases_that_need_one() {
    for code in ["TooManyBuckets", "QuotaExceeded"] {
        let refuses = match code {
            "TooManyBuckets" => |method: &str, target: &str| (method == "PUT" && target.contains("engine-")).then_some((400, "TooManyBuckets")),
            _ => |method: &str, target: &str| (method == "PUT" && target.contains("engine-")).then_some((403, "QuotaExceeded")),
        };
        let suite = Suite::new("engine").core("get_object/own", &["GET-01"], "A rule.", reads).own_bucket().core(
            "get_object/shared",
            &["GET-01"],
            "A rule.",
            reads,
        );
        let records = refusing(&suite, refuses);
        assert_eq!(records[0].verdict, Verdict::Unresolved);
        let reason = records[0].reason.as_deref().unwrap();
        assert!(reason.starts_with("set-up: CreateBucket") && reason.contains(code), "{reason}");
        assert_eq!(records[1].verdict, Verdict::Pass, "{records:?}");
    }
}
