//! Many writers on one key, reads during overwrites, and races of conditional creates (F09).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;

use super::client::Client;
use super::record::{Problem, Report};
use super::verify;
use crate::check::{History, JournalEntry, Op, OpOutcome, RegisterRead, RegisterWrite, Seen, is_linearizable};
use crate::config::FailureSpec;
use crate::units::Bytes;

/// Large enough that its end is still with the server when the client has read its start.
const SLOWLY_READ: Bytes = Bytes::mib(4);
/// Readers beside the writers of one key.
const READERS: u32 = 4;

/// Runs the probe.
pub(super) async fn run(report: &mut Report, client: &Arc<Client>, spec: &FailureSpec) -> Result<(), String> {
    for n in 0..spec.keys {
        let key = client.key(&format!("storm/{n}"));
        storm(client, spec, &key).await;
    }
    let slow = overwrite_during_get(client).await?;
    let mut races = Vec::new();
    for n in 0..spec.keys {
        races.push(race(client, spec, &client.key(&format!("create/{n}"))).await);
    }
    let quiet = verify::look(client).await?;
    winners(report, &races);
    errors(report, &client.entries());
    let history = verify::judge(report, client, &quiet);
    report.count("reads_during_overwrite", slow);
    linearizable(report, &history);
    Ok(())
}

async fn storm(client: &Arc<Client>, spec: &FailureSpec, key: &str) {
    let is_over = Arc::new(AtomicBool::new(false));
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let (client, key, is_over) = (client.clone(), key.to_owned(), is_over.clone());
        readers.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                client.get(&key).await;
            }
        });
    }
    let mut writers = JoinSet::new();
    for writer in 0..spec.concurrency {
        let (client, key, sizes, writes) = (client.clone(), key.to_owned(), spec.object_size.clone(), spec.writes);
        writers.spawn(async move {
            for n in 0..writes {
                // Lengths differ from write to write, so that an old body's tail behind a shorter new one is seen.
                let size = sizes[n as usize % sizes.len()].0 + u64::from(writer) * 16;
                client.put(&key, size, false).await;
            }
        });
    }
    writers.join_all().await;
    is_over.store(true, Ordering::Relaxed);
    readers.join_all().await;
}

/// Overwrites an object while its old value is half read: the reader must get one of the two, whole. Returns the reads.
async fn overwrite_during_get(client: &Arc<Client>) -> Result<u64, String> {
    let key = client.key("slow");
    client.put_before(&key, SLOWLY_READ.0).await?;
    for _ in 0..2 {
        client
            .get_with(&key, async || {
                Box::pin(client.put(&key, SLOWLY_READ.0, false)).await;
            })
            .await;
    }
    Ok(2)
}

async fn race(client: &Arc<Client>, spec: &FailureSpec, key: &str) -> Vec<JournalEntry> {
    let mut writers = JoinSet::new();
    for _ in 0..spec.concurrency {
        let (client, key, size) = (client.clone(), key.to_owned(), spec.object_size[0].0);
        writers.spawn(async move { client.put(&key, size, true).await });
    }
    writers.join_all().await
}

fn winners(report: &mut Report, races: &[Vec<JournalEntry>]) {
    let limit = "of concurrent PUTs with If-None-Match: * on a fresh key exactly one is answered 200, the others 412 or 409";
    let is_refused_cleanly = |entry: &JournalEntry| matches!(entry.http, 412 | 409);
    if races.iter().flatten().all(|entry| entry.http == 501 || entry.code == "NotImplemented") {
        return report.untested_gate("one_winner", limit, "conditional writes are not supported: 501 NotImplemented");
    }
    let problem = |race: &Vec<JournalEntry>| {
        let won = race.iter().filter(|entry| entry.outcome == OpOutcome::Ok).count();
        let odd: Vec<String> =
            race.iter().filter(|e| e.outcome != OpOutcome::Ok && !is_refused_cleanly(e)).map(|e| format!("{} {}", e.http, e.code)).collect();
        let key = race.first().map(|entry| entry.key.clone()).unwrap_or_default();
        (won != 1 || !odd.is_empty()).then(|| {
            let others = if odd.is_empty() { String::new() } else { format!(", and {} got {}", odd.len(), odd[0]) };
            Problem { sentence: format!("{key}: {won} of {} conditional creates were answered 200{others}", race.len()), history: race.clone() }
        })
    };
    report.gate("one_winner", limit, races.len() as u64, races.iter().filter_map(problem).collect());
}

/// Of the refusals and errors: how many are what S3 answers under contention.
fn errors(report: &mut Report, entries: &[JournalEntry]) {
    let answered: Vec<&JournalEntry> = entries.iter().filter(|e| e.http >= 300 && e.outcome != OpOutcome::Ok).collect();
    let right = answered.iter().filter(|e| matches!(e.http, 409 | 412 | 503 | 429)).count();
    let share = if answered.is_empty() { 1.0 } else { right as f64 / answered.len() as f64 };
    report.more("correct_error_share", "1", Some(share), answered.len() as u64);
}

/// The strongest level: whether one order of all operations explains every read. S3 does not promise it; no gate.
fn linearizable(report: &mut Report, history: &History) {
    let (mut keys, mut atomic) = (0_u64, 0_u64);
    for (_, entries) in history.keys() {
        if entries.iter().any(|entry| entry.op == Op::Delete) || entries.len() < 3 {
            continue;
        }
        let writes: Vec<RegisterWrite> = entries.iter().filter(|e| e.op == Op::Put && e.outcome != OpOutcome::Fail).filter_map(write).collect();
        let reads: Vec<RegisterRead> = entries.iter().filter_map(read).collect();
        keys += 1;
        atomic += u64::from(is_linearizable(&writes, &reads));
    }
    report.more("linearizable_keys_share", "1", (keys > 0).then(|| atomic as f64 / keys as f64), keys);
}

fn write(entry: &JournalEntry) -> Option<RegisterWrite> {
    let finish = (entry.outcome == OpOutcome::Ok).then_some(entry.complete_ns);
    Some(RegisterWrite { id: entry.write_id?, start: entry.invoke_ns, finish })
}

fn read(entry: &JournalEntry) -> Option<RegisterRead> {
    let id = match entry.seen.as_ref()? {
        Seen::Value(id) => Some(*id),
        Seen::Absent => None,
        Seen::Torn(_) | Seen::Phantom(_) => return None,
    };
    Some(RegisterRead { id, start: entry.invoke_ns, finish: entry.complete_ns })
}
