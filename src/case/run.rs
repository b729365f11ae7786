//! Runs cases through libtest-mimic: a trial is a case, its name the case's id.
//!
//! The main function is [`run`]. Trials run on libtest-mimic's own threads and block on the caller's runtime.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde::Serialize;
use tokio::runtime::Handle;

use super::fixture::Measures;
use super::guard::{Guard, Halt, Sight};
use super::judge::{Attempt, Judged, crashed, judge};
use super::{BucketNeed, Case, Fixture, replay};
use crate::config::Vendor;
use crate::model::{CaseRecord, Verdict};
use crate::store::StoreError;
use crate::wire::{Exchange, Failure, Link, Recorder};

/// Trials wait on the network, so there are more of them than cores; each may hold a body of 16 MiB and what its thread keeps of it.
const THREADS: usize = 20;
/// Cases that send this many requests begin first, so that nobody waits for them at the end.
const LONG: u64 = 400;
/// A request that had no answer for this long when the case's deadline came was left hanging by the server.
const HANGING: Duration = Duration::from_secs(10);

/// How the cases of one vendor ended.
#[derive(Debug, Default)]
pub struct Summary {
    /// Verdict -> cases.
    pub verdicts: BTreeMap<Verdict, u64>,
    /// Cases that the arguments' filters left out.
    pub filtered_out: u64,
}

/// Runs `cases` against one vendor, appends a record of each to its sink and calls `seen` with it. Cases that may not run here
/// are untested and send nothing; the guard keeps the run going when the server goes down. Blocks until all have ended; call it outside of the runtime.
///
/// # Errors
/// When a record or its evidence cannot be written; no further case is started then.
pub fn run(
    link: &Link,
    guard: &Guard,
    cases: &[Case],
    mut arguments: Arguments,
    handle: &Handle,
    seen: &(dyn Fn(&CaseRecord) + Sync),
) -> Result<Summary, StoreError> {
    arguments.test_threads.get_or_insert(THREADS);
    let (sender, receiver) = channel();
    let mut cases: Vec<&Case> = cases.iter().collect();
    cases.sort_by_key(|case| case.most_requests < LONG);
    let trials = cases.into_iter().map(|case| trial(link, guard, case, handle, sender.clone())).collect();
    drop(sender);
    std::thread::scope(|scope| {
        let collector = scope.spawn(move || collect(&receiver, seen));
        let conclusion = libtest_mimic::run(&arguments, trials);
        let mut summary = collector.join().expect("the collector does not panic")?;
        summary.filtered_out = conclusion.num_filtered_out;
        Ok(summary)
    })
}

fn collect(receiver: &Receiver<Result<CaseRecord, StoreError>>, seen: &(dyn Fn(&CaseRecord) + Sync)) -> Result<Summary, StoreError> {
    let mut summary = Summary::default();
    for record in receiver {
        let record = record?;
        *summary.verdicts.entry(record.verdict).or_default() += 1;
        seen(&record);
    }
    Ok(summary)
}

fn trial(link: &Link, guard: &Guard, case: &Case, handle: &Handle, sender: Sender<Result<CaseRecord, StoreError>>) -> Trial {
    let (link, guard, case, handle) = (link.clone(), guard.clone(), case.clone(), handle.clone());
    Trial::ignorable_test(case.info.id.as_str().to_owned(), move || {
        let Some(written) = handle.block_on(record(&link, &guard, &case)).transpose() else {
            return Err("the run was stopped".into());
        };
        let outcome = outcome(&written);
        // The collector is gone only after a record could not be written: then nothing further is started.
        sender.send(written).map_err(|_| "the run was stopped")?;
        outcome
    })
}

/// What libtest-mimic prints; the verdict itself is in the record.
fn outcome(written: &Result<CaseRecord, StoreError>) -> Result<Completion, Failed> {
    let record = written.as_ref().map_err(|error| Failed::from(error.to_string()))?;
    match (record.verdict, &record.deviation, &record.reason) {
        (Verdict::Pass | Verdict::Variant, _, _) => Ok(Completion::Completed),
        (Verdict::Fail, Some(deviation), _) => {
            let class = record.class.map_or("", |class| class.name());
            let text = format!("{class}: {}: expected {}, got {}", deviation.claim, deviation.expected, deviation.observed);
            Err(format!("{}\n{text} ({})", record.case.rule, deviation.location).into())
        }
        (verdict, _, reason) => Ok(Completion::ignored_with(format!("{verdict}: {}", reason.as_deref().unwrap_or_default()))),
    }
}

/// Runs one case and appends its record. A case that the end of the run cut off has none: a resumed run begins it anew.
pub(super) async fn record(link: &Link, guard: &Guard, case: &Case) -> Result<Option<CaseRecord>, StoreError> {
    Ok(run_one(link, guard, case).await?.map(|ran| ran.record))
}

/// A case that ran: its record, and what was sent and answered.
#[derive(Debug)]
pub struct Ran {
    /// The record, as it was appended.
    pub record: CaseRecord,
    /// All attempts' exchanges.
    pub exchanges: Vec<Exchange>,
}

/// Runs one case, without the test runner, and appends its record; none where the end of the run cut it off.
///
/// # Errors
/// When the record or its evidence cannot be written.
pub async fn run_one(link: &Link, guard: &Guard, case: &Case) -> Result<Option<Ran>, StoreError> {
    let started = Instant::now();
    let (mut attempts, measures) = (Vec::new(), Measures::default());
    let judged = match hindrance(&link.vendor, link.access.alt.is_some(), case) {
        Some((verdict, reason)) => Judged::because(verdict, reason),
        None => attempt_all(link, guard, case, &mut attempts, &measures).await,
    };
    if link.meter.is_closed() {
        return Ok(None);
    }
    let exchanges = || attempts.iter().flat_map(|attempt: &Vec<Exchange>| attempt);
    let mut operations = BTreeMap::new();
    for exchange in exchanges().filter(|exchange| !exchange.failure.is_some_and(Failure::nothing_sent)) {
        *operations.entry(exchange.operation.clone()).or_default() += 1;
    }
    let evidence = match judged.verdict {
        Verdict::Pass | Verdict::Untested => None,
        _ if attempts.is_empty() => None,
        _ => Some(link.sink.evidence(case.info.id.as_str(), &Transcript { case: &case.info.id.0, judged: judged.verdict, attempts: &attempts })?),
    };
    let deciding = exchanges().last();
    let curl = deciding.filter(|_| matches!(judged.verdict, Verdict::Fail | Verdict::Unsupported));
    let record = CaseRecord {
        case: case.info.clone(),
        verdict: judged.verdict,
        class: judged.class,
        deviation: judged.deviation,
        reason: judged.reason,
        attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        requests: operations.values().sum(),
        operations,
        measures: measures.taken(),
        duration_ms: started.elapsed().as_secs_f64() * 1e3,
        evidence,
        request_id: deciding.and_then(|exchange| exchange.response_header("x-amz-request-id")).map(str::to_owned),
        curl: curl.and_then(|exchange| replay::curl(exchange, &link.id, link.access.endpoints[0].tls)),
        client: link.client.clone(),
    };
    link.sink.case(&record)?;
    Ok(Some(Ran { record, exchanges: attempts.into_iter().flatten().collect() }))
}

/// What was sent and answered, attempt by attempt.
#[derive(Serialize)]
struct Transcript<'a> {
    case: &'a str,
    judged: Verdict,
    attempts: &'a [Vec<Exchange>],
}

/// Why a case may not or need not run on a vendor, and what its verdict is then. Decided before anything is sent.
pub fn hindrance(vendor: &Vendor, has_alt: bool, case: &Case) -> Option<(Verdict, String)> {
    let unclaimed: Vec<&str> = case.info.features.iter().filter(|feature| !vendor.features.contains(feature)).map(String::as_str).collect();
    if !vendor.allows(case.info.impact) {
        return Some((Verdict::Untested, format!("not permitted: needs safety.allow = [\"{}\"]", case.info.impact)));
    }
    if vendor.use_bucket.is_some() && case.bucket != BucketNeed::Shared {
        return Some((Verdict::Untested, "needs a bucket of its own, and use_bucket allows none".to_owned()));
    }
    if !unclaimed.is_empty() {
        return Some((Verdict::Unsupported, format!("not claimed: {}", unclaimed.join(", "))));
    }
    if case.needs_alt && !has_alt {
        return Some((Verdict::Untested, "needs a second credential: credentials.alt".to_owned()));
    }
    None
}

async fn attempt_all(link: &Link, guard: &Guard, case: &Case, attempts: &mut Vec<Vec<Exchange>>, measures: &Measures) -> Judged {
    let (mut link, mut is_repeated) = (link.clone(), false);
    let last = loop {
        let pass = match guard.turn(&case.info.id).await {
            Ok(pass) => pass,
            Err(Halt::Culprit(suspect)) => return crashed(&suspect.request, &case.location),
            Err(Halt::Down(why)) => return Judged::because(Verdict::Unresolved, why),
        };
        if let Some(why) = link.meter.spent() {
            guard.leave(pass, &case.info.id, &Attempt::Passed, &[]).await;
            return Judged::because(Verdict::Untested, why);
        }
        // What an earlier attempt measured was measured on a server in trouble.
        measures.taken();
        let number = u32::try_from(attempts.len() + 1).unwrap_or(u32::MAX);
        let (last, exchanges) = attempt(&link, guard, case, number, measures).await;
        let sight = guard.leave(pass, &case.info.id, &last, &exchanges).await;
        attempts.push(exchanges);
        match sight {
            Sight::Culprit(suspect) => return crashed(&suspect.request, &case.location),
            Sight::Up if is_repeated || !last.is_repeatable() => break last,
            Sight::Up => is_repeated = true,
            Sight::Again => {}
        }
        link = link.fresh();
    };
    let exchanges = || attempts.iter().flatten();
    if let Some(refused) = exchanges().find(|exchange| exchange.failure == Some(Failure::Budget)) {
        return Judged::because(Verdict::Untested, refused.error.clone().unwrap_or_else(|| "budget".to_owned()));
    }
    let operation = case.info.api_operation();
    let is_declared_seen = exchanges().any(|exchange| exchange.operation == operation);
    judge(last, is_declared_seen, case.deadline, &case.location)
}

async fn attempt(link: &Link, guard: &Guard, case: &Case, number: u32, measures: &Measures) -> (Attempt, Vec<Exchange>) {
    let recorder = Recorder::new();
    let (own_link, own_guard, own_case) = (link.clone(), guard.clone(), case.clone());
    let (own_recorder, own_measures) = (recorder.clone(), measures.clone());
    // A task of its own, so that a panic ends this case and nothing else.
    let mut task = tokio::spawn(async move {
        tokio::time::timeout(own_case.deadline, async {
            let fixture = Fixture::prepare(&own_link, &own_guard, &own_recorder, &own_measures, &own_case, number).await?;
            own_case.start(fixture).await
        })
        .await
    });
    let ended = tokio::select! {
        ended = &mut task => ended,
        (operation, waited) = guard.impatient(&recorder) => {
            task.abort();
            let _ = task.await;
            return (Attempt::Hopeless(operation, waited), recorder.exchanges());
        }
    };
    let exchanges = recorder.exchanges();
    let attempt = match ended {
        Err(_) => Attempt::Panicked,
        Ok(Err(_)) => Attempt::Late(waiting(&exchanges, case.deadline.min(HANGING))),
        Ok(Ok(Ok(()))) => Attempt::Passed,
        Ok(Ok(Err(finding))) => Attempt::Found(finding),
    };
    (attempt, exchanges)
}

/// The operation that the vendor owed an answer to for `long` when its caller was cut off. A short wait is a busy client's.
fn waiting(exchanges: &[Exchange], long: Duration) -> Option<String> {
    let is_hanging = |exchange: &&Exchange| exchange.failure == Some(Failure::Abandoned) && exchange.duration_ms >= long.as_secs_f64() * 1e3 * 0.9;
    exchanges.iter().rev().find(is_hanging).map(|exchange| exchange.operation.clone())
}
