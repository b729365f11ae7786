//! The fault proxy as a server that throttles per prefix: a known limit gives that rate, and other prefixes do not notice.

use std::time::{Duration, Instant};

use proofmark::config::{DegradeRule, FaultKind, ThrottleLimits};
use proofmark::units::Span;
use proofmark::wire::proxy::Proxy;
use proofmark::wire::{Link, Recorder};

use crate::support::Server;

/// Low enough for a busy machine to ask for more.
const LIMIT_PER_S: f64 = 10.0;
/// Tokens that are there at the start: the burst. A stall that is shorter than a second loses none.
const BURST: f64 = 10.0;

fn throttle() -> DegradeRule {
    let limits = ThrottleLimits {
        writes_per_s: Some(LIMIT_PER_S),
        reads_per_s: Some(1.0),
        prefix_depth: 1,
        burst: Span(Duration::from_secs_f64(BURST / LIMIT_PER_S)),
        retry_after: Some(Span(Duration::from_millis(1500))),
        split_after: None,
    };
    DegradeRule { fault: FaultKind::Throttle(limits), every: 1, operations: Vec::new(), phases: Vec::new() }
}

/// What came of PUTs to one prefix.
#[derive(Debug, Default)]
struct Outcome {
    stored: u64,
    refused: u64,
    seconds: f64,
}

/// Writes to a prefix on one connection, one after another with a pause between them, as long as `goes_on` says so.
async fn write(link: &Link, bucket: &str, prefix: &str, pause: Duration, goes_on: impl Fn(&Outcome) -> bool) -> Outcome {
    let mut connection = link.raw(&Recorder::new()).connect().await.unwrap();
    let started = Instant::now();
    let mut outcome = Outcome::default();
    while goes_on(&outcome) {
        let key = format!("{prefix}/{}", outcome.stored);
        let answer = link.raw(&Recorder::new()).request("PUT", bucket, &key).body("x").send_on(&mut connection).await.unwrap();
        match answer.status {
            200 => outcome.stored += 1,
            _ => {
                assert_eq!((answer.status, answer.code().as_deref()), (503, Some("SlowDown")));
                assert_eq!(answer.header("retry-after"), Some("2"));
                outcome.refused += 1;
            }
        }
        tokio::time::sleep(pause).await;
        outcome.seconds = started.elapsed().as_secs_f64();
    }
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_prefix_gets_its_rate_and_the_others_all_they_ask_for() {
    let server = Server::start().await;
    let direct = server.link();
    let proxy = Proxy::before(&direct.access, vec![throttle()]).await.unwrap();
    let link = direct.via(proxy.endpoint());
    let bucket = direct.create_bucket("throttle").await.unwrap();
    let lasts = |outcome: &Outcome| outcome.seconds < 7.0;
    let hot = || write(&link, &bucket, "hot", Duration::from_millis(2), lasts);
    let (first, second, calm) = tokio::join!(hot(), hot(), write(&link, &bucket, "calm", Duration::from_millis(150), lasts));
    let seconds = first.seconds.min(second.seconds);
    let rate = ((first.stored + second.stored) as f64 - BURST) / seconds;
    assert!((rate / LIMIT_PER_S - 1.0).abs() <= 0.05, "{rate} per s: {first:?}, {second:?}");
    assert!(first.refused > 0 && second.refused > 0, "{first:?}, {second:?}");
    assert!(calm.refused == 0 && calm.stored > 20, "{calm:?}");
    let counts = proxy.counters();
    assert_eq!(counts.rules[0].fired, first.refused + second.refused);
    assert_eq!(counts.rules[0].matched, counts.requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_rule_the_same_load_is_not_refused_and_reads_have_a_limit_of_their_own() {
    let server = Server::start().await;
    let direct = server.link();
    let proxy = Proxy::before(&direct.access, Vec::new()).await.unwrap();
    let link = direct.via(proxy.endpoint());
    let bucket = direct.create_bucket("throttle").await.unwrap();
    let load = |outcome: &Outcome| outcome.stored + outcome.refused < 60;
    let free = write(&link, &bucket, "hot", Duration::ZERO, load).await;
    assert_eq!((free.stored, free.refused), (60, 0));
    proxy.set_rules(vec![throttle()]);
    assert!(write(&link, &bucket, "warm", Duration::ZERO, load).await.refused > 0);
    let get = |key: &'static str| link.raw(&Recorder::new()).request("GET", &bucket, key).send();
    let list = || link.raw(&Recorder::new()).request("GET", &bucket, "?list-type=2&prefix=hot%2F").send();
    let statuses = [get("hot/0").await.unwrap().status, list().await.unwrap().status, get("hot/0").await.unwrap().status];
    assert_eq!(statuses, [200, 200, 503]);
    assert_eq!(get("calm/0").await.unwrap().status, 404);
    assert_eq!(list().await.unwrap().status, 503);
}
