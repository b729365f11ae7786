//! The last look when all is quiet: three views of every key, durability, and the judgement of the whole history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::client::{Client, Read};
use super::record::{Problem, Report};
use crate::check::{Disagreement, Durability, History, JournalEntry, OpOutcome, Seen, Views, ViolationKind, check_reads, disagreements, durability};

/// Keys looked at at once.
const AT_ONCE: usize = 12;
/// Looks at a key whose views disagree, before that counts.
const LOOKS: u32 = 4;
/// Looks at a key that does not answer (throttled, reset, 5xx), before it counts as unreadable. Each is a separate, counted request.
const PATIENT_LOOKS: u32 = 16;
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What the last look saw.
pub(super) struct Quiet {
    views: BTreeMap<String, Views>,
    finals: BTreeMap<String, Result<JournalEntry, String>>,
    disagreements: Vec<Disagreement>,
    /// Disagreements that were gone at a later look.
    settled: Vec<Disagreement>,
    since_ns: u64,
    open_uploads: Result<u64, String>,
}

impl Quiet {
    /// What was read last from a key.
    pub fn seen(&self, key: &str) -> Option<&Seen> {
        self.finals.get(key)?.as_ref().ok()?.seen.as_ref()
    }
    /// Keeps what a look saw; a view that did not answer now does not unsay what it answered before.
    fn note(&mut self, key: String, last: Result<JournalEntry, String>, mut views: Views) {
        if let Some(before) = self.views.remove(&key) {
            views.head = views.head.or(before.head);
            if views.get.is_err() {
                views.get = before.get;
                views.body_id = before.body_id;
            }
        }
        if last.is_ok() || !self.finals.get(&key).is_some_and(Result::is_ok) {
            self.finals.insert(key.clone(), last);
        }
        self.views.insert(key, views);
    }
    fn is_unanswered(&self, keys: &BTreeSet<String>) -> bool {
        keys.iter().filter_map(|key| self.views.get(key)).any(|views| views.head.is_err() || views.get.is_err())
    }
}

/// Looks at every key of the journal and of the listing.
///
/// # Errors
/// When the bucket cannot be listed.
pub(super) async fn look(client: &Arc<Client>) -> Result<Quiet, String> {
    let since_ns = client.now().as_nanos() as u64;
    let mut quiet = Quiet {
        views: BTreeMap::new(),
        finals: BTreeMap::new(),
        disagreements: Vec::new(),
        settled: Vec::new(),
        since_ns,
        open_uploads: client.open_uploads().await,
    };
    let mut keys: BTreeSet<String> = client.entries().into_iter().map(|entry| entry.key).collect();
    for round in 0..PATIENT_LOOKS {
        let listed = match client.list().await {
            Ok(listed) => listed,
            Err(_) if round + 1 < PATIENT_LOOKS => {
                tokio::time::sleep(BETWEEN_LOOKS).await;
                continue;
            }
            Err(error) => return Err(error),
        };
        if round == 0 || quiet.views.is_empty() {
            keys.extend(listed.keys().cloned());
        }
        for (key, head, read) in look_at(client, &keys).await {
            let body_id = if let Some(Seen::Value(id)) = read.entry.seen { Some(id) } else { None };
            let last = if read.entry.outcome == OpOutcome::Ok { Ok(read.entry) } else { Err(format!("{} {}", read.entry.http, read.entry.code)) };
            let views = Views { list: listed.get(&key).cloned(), head, get: read.view, body_id };
            quiet.note(key, last, views);
        }
        let now = disagreements(&quiet.views);
        let is_gone = |known: &Disagreement| !now.iter().any(|found| found.key == known.key && found.metadata == known.metadata);
        quiet.settled.extend(quiet.disagreements.iter().filter(|known| is_gone(known)).cloned());
        keys = now.iter().map(|found| found.key.clone()).collect();
        quiet.disagreements = now;
        if keys.is_empty() || (round + 1 >= LOOKS && !quiet.is_unanswered(&keys)) {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(quiet)
}

type Look = (String, Result<Option<crate::check::ObjectView>, String>, Read);

async fn look_at(client: &Arc<Client>, keys: &BTreeSet<String>) -> Vec<Look> {
    let mut looks = JoinSet::new();
    let mut found = Vec::with_capacity(keys.len());
    for key in keys {
        if looks.len() >= AT_ONCE
            && let Some(Ok(look)) = looks.join_next().await
        {
            found.push(look);
        }
        let (client, key) = (client.clone(), key.clone());
        looks.spawn(async move {
            let head = client.head(&key).await;
            let read = client.get(&key).await;
            (key, head, read)
        });
    }
    found.extend(looks.join_all().await);
    found
}

/// Judges the whole history: the gates and metrics that every failure scenario has. Returns it for further questions.
pub(super) fn judge(report: &mut Report, client: &Client, quiet: &Quiet) -> History {
    let history = History::new(client.entries());
    let kept = durability(&history, &quiet.finals);
    let lost: Vec<Problem> =
        kept.lost.iter().map(|loss| Problem { sentence: loss.sentence.clone(), history: history.slice(&loss.key, u64::MAX) }).collect();
    let lost_keys: BTreeSet<&str> = kept.lost.iter().map(|loss| loss.key.as_str()).collect();
    let (mut torn, mut phantom, mut stale, mut ages) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut reads = 0;
    reads += history.entries().filter(|entry| entry.seen.is_some()).count() as u64;
    for violation in check_reads(&history) {
        let problem = Problem { history: history.slice(&violation.read.key, violation.read.invoke_ns), sentence: violation.sentence };
        match violation.kind {
            ViolationKind::Torn => torn.push(problem),
            ViolationKind::Phantom => phantom.push(problem),
            // That an acknowledged write is gone for good is said once, by durability.
            ViolationKind::Stale { .. } if violation.read.invoke_ns >= quiet.since_ns && lost_keys.contains(violation.read.key.as_str()) => {}
            ViolationKind::Stale { age_ns } => {
                ages.push(age_ns as f64 / 1e6);
                stale.push(problem);
            }
        }
    }
    metrics(report, &history, &kept, [torn.len(), phantom.len(), stale.len()], &ages, reads);
    report.gate("no_acked_loss", "every acknowledged write that nothing replaced is readable at the end", kept.checked, lost);
    report.gate("no_torn_read", "every body read is one that was written, whole", reads, torn);
    report.gate("no_phantom", "nothing is read that was not written to that key, or was refused", reads, phantom);
    report.gate("no_stale_read", "no read returns what an acknowledged write had replaced", reads, stale);
    views(report, quiet);
    history
}

fn metrics(report: &mut Report, history: &History, kept: &Durability, [torn, phantom, stale]: [usize; 3], ages: &[f64], reads: u64) {
    let indeterminate = history.entries().filter(|entry| entry.is_write() && entry.outcome == OpOutcome::Info).count();
    report.count("acked_writes", kept.acked);
    report.less("lost_writes", "1", Some(kept.lost.len() as f64), kept.checked);
    report.less("torn_reads", "1", Some(torn as f64), reads);
    report.less("phantom_reads", "1", Some(phantom as f64), reads);
    report.less("stale_reads", "1", Some(stale as f64), reads);
    if let Some(age) = ages.iter().copied().reduce(f64::max) {
        report.less("stale_ms_max", "ms", Some(age), stale as u64);
    }
    report.count("indeterminate_writes", indeterminate as u64);
    report.count("late_applied_writes", kept.late_applied);
    report.less("lossy_events", "1", Some(if kept.lost.is_empty() { 0.0 } else { 1.0 }), 1);
    if kept.late_applied > 0 {
        report.finding(format!("{} writes that the client had given up were applied later: a timeout is not a failure", kept.late_applied));
    }
}

fn views(report: &mut Report, quiet: &Quiet) {
    let of = |metadata: bool| {
        let found = quiet.disagreements.iter().filter(move |found| found.metadata == metadata);
        found.map(|found| Problem::from(found.sentence.clone())).collect::<Vec<_>>()
    };
    let keys = quiet.views.len() as u64;
    let bodies = quiet.views.values().filter(|views| views.body_id.is_some()).count() as u64;
    report.gate("three_views_agree", "LIST, HEAD and GET agree on existence, size and ETag of every key at rest", keys, of(false));
    report.gate("metadata_kept", "HEAD and GET show the metadata of the write whose body is there", bodies, of(true));
    let unlisted = quiet.views.values().filter(|views| views.list.as_ref().is_some_and(|view| view.etag.is_empty())).count();
    if unlisted > 0 {
        report.finding(format!("ListObjectsV2 shows no ETag for {unlisted} of {keys} keys"));
    }
    if !quiet.settled.is_empty() {
        let first = &quiet.settled[0].sentence;
        report.finding(format!("{} keys disagreed between views for less than {} ms: {first}", quiet.settled.len(), BETWEEN_LOOKS.as_millis()));
    }
    match &quiet.open_uploads {
        Ok(count) => {
            report.less("leaked_parts", "1", Some(*count as f64), 1);
            if *count > 0 {
                report.finding(format!("{count} multipart uploads were left open"));
            }
        }
        Err(code) => {
            report.less("leaked_parts", "1", None, 0);
            report.finding(format!("ListMultipartUploads was refused ({code}): leaked parts could not be counted"));
        }
    }
}

/// The gate of interrupted or refused writes: each key holds what it held before, given as write id, or nothing.
pub(super) fn old_value_kept(report: &mut Report, history: &History, quiet: &Quiet, expected: &BTreeMap<String, Option<u64>>) {
    let describe = |seen: Option<&Seen>| match seen {
        None => "cannot be read".to_owned(),
        Some(Seen::Absent) => "is gone".to_owned(),
        Some(Seen::Value(id)) => format!("holds write {id}"),
        Some(Seen::Torn(why)) => format!("holds a torn body: {why}"),
        Some(Seen::Phantom(why)) => format!("holds a phantom: {why}"),
    };
    let problem = |(key, old): (&String, &Option<u64>)| {
        let (right, before) = match old {
            Some(id) => (Seen::Value(*id), format!("write {id} was there before")),
            None => (Seen::Absent, "nothing was there before".to_owned()),
        };
        let seen = quiet.seen(key);
        let sentence = (seen != Some(&right)).then(|| format!("{key} {}, and {before}", describe(seen)))?;
        Some(Problem { sentence, history: history.slice(key, u64::MAX) })
    };
    let problems = expected.iter().filter_map(problem).collect();
    report.gate("old_value_kept", "what a cut or refused upload leaves is what was there before", expected.len() as u64, problems);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_that_is_throttled_at_a_later_look_keeps_what_it_answered_before() {
        let mut quiet = Quiet {
            views: BTreeMap::new(),
            finals: BTreeMap::new(),
            disagreements: Vec::new(),
            settled: Vec::new(),
            since_ns: 0,
            open_uploads: Ok(0),
        };
        let silent = || Views { list: None, head: Err("503".to_owned()), get: Err("503".to_owned()), body_id: None };
        let keys = BTreeSet::from(["k".to_owned()]);
        quiet.note("k".to_owned(), Err("503 SlowDown".to_owned()), silent());
        assert!(quiet.is_unanswered(&keys));
        let answered = Views { list: None, head: Ok(None), get: Ok(None), body_id: Some(7) };
        quiet.note("k".to_owned(), Ok(crate::check::read("k", Seen::Value(7), (1, 2))), answered);
        quiet.note("k".to_owned(), Err("503 SlowDown".to_owned()), silent());
        assert!(!quiet.is_unanswered(&keys));
        assert_eq!(quiet.seen("k"), Some(&Seen::Value(7)));
        assert_eq!(quiet.views["k"].body_id, Some(7));
    }
}
