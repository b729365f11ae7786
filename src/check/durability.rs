//! Durability at quiescence: after the last fault is healed, every acknowledged write that nothing replaced is readable.

use std::collections::BTreeMap;

use super::history::{History, JournalEntry, Op, OpOutcome, Seen};
use super::regular::{ViolationKind, Writes, judge};

/// An acknowledged write that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The object.
    pub key: String,
    /// The acknowledged write that should be there.
    pub write_id: u64,
    /// What happened, in a sentence.
    pub sentence: String,
}

/// What the last reads say about the acknowledged writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durability {
    /// Acknowledged PUTs, replaced ones included.
    pub acked: u64,
    /// Keys whose last state an acknowledged PUT decides, so that losing it would be seen.
    pub checked: u64,
    /// Acknowledged writes that are gone, changed or unreadable.
    pub lost: Vec<Loss>,
    /// Indeterminate writes that turned out to be applied.
    pub late_applied: u64,
}

/// Judges the last read of every key: `finals` holds it, or the reason why the key could not be read at all.
///
/// A key without a last read is not judged.
pub fn durability(history: &History, finals: &BTreeMap<String, Result<JournalEntry, String>>) -> Durability {
    let mut result =
        Durability { acked: history.entries().filter(|e| e.op == Op::Put && e.outcome == OpOutcome::Ok).count() as u64, ..Default::default() };
    for (key, entries) in history.keys() {
        let Some(last) = finals.get(key) else { continue };
        let late = |e: &&JournalEntry| matches!(last, Ok(read) if e.outcome == OpOutcome::Info && e.op == Op::Put && read.seen == Some(e.value()));
        result.late_applied += entries.iter().filter(late).count() as u64;
        let Some(write) = deciding(entries) else { continue };
        result.checked += 1;
        let sentence = match last {
            Err(reason) => Some(format!("{key} cannot be read: {reason}")),
            Ok(read) => judge(&Writes::new(entries), read).map(|violation| match (&violation.kind, &read.seen) {
                (ViolationKind::Stale { .. }, Some(Seen::Absent)) => format!("{key} is gone"),
                (ViolationKind::Stale { .. }, Some(Seen::Value(old))) => format!("{key} has the older value of write {old}"),
                _ => violation.sentence,
            }),
        };
        if let Some(sentence) = sentence {
            let id = write.write_id.unwrap_or_default();
            let sentence = format!("{sentence}, although write {id} was acknowledged with {} {:.3} s into the scenario", write.http, seconds(write));
            result.lost.push(Loss { key: key.to_owned(), write_id: id, sentence });
        }
    }
    result
}

fn seconds(entry: &JournalEntry) -> f64 {
    entry.complete_ns as f64 / 1e9
}

/// The last acknowledged PUT of a key, if no acknowledged delete may have come after it.
fn deciding(entries: &[JournalEntry]) -> Option<&JournalEntry> {
    let acked = |op: Op| entries.iter().filter(move |e| e.op == op && e.outcome == OpOutcome::Ok);
    let last = acked(Op::Put).max_by_key(|e| e.complete_ns)?;
    acked(Op::Delete).all(|delete| delete.complete_ns < last.invoke_ns).then_some(last)
}

/// The 95 % upper bound of the share of lossy fault events, when none of `events` lost anything.
///
/// The trial is the fault event, not the write: the losses of one crash are correlated.
pub fn loss_upper_bound(events: u32) -> f64 {
    if events == 0 { 1.0 } else { 1.0 - 0.05_f64.powf(1.0 / f64::from(events)) }
}

#[cfg(test)]
mod tests {
    use super::super::history::{entry, read};
    use super::*;

    fn judge_last(writes: Vec<JournalEntry>, last: Result<Seen, String>) -> Durability {
        let last = last.map(|seen| read("k", seen, (100, 101)));
        durability(&History::new(writes), &BTreeMap::from([("k".to_owned(), last)]))
    }

    fn put(id: u64, span: (u64, u64), outcome: OpOutcome) -> JournalEntry {
        entry(Op::Put, "k", Some(id), span, outcome)
    }

    #[test]
    fn an_acknowledged_write_that_is_gone_old_torn_or_unreadable_is_lost() {
        let writes = || vec![put(1, (1, 2), OpOutcome::Ok), put(2, (3, 4), OpOutcome::Ok)];
        assert_eq!(judge_last(writes(), Ok(Seen::Value(2))), Durability { acked: 2, checked: 1, ..Default::default() });
        for (last, says) in [
            (Ok(Seen::Absent), "k is gone, although write 2 was acknowledged"),
            (Ok(Seen::Value(1)), "k has the older value of write 1"),
            (Ok(Seen::Torn("cut".to_owned())), "torn body: cut"),
            (Err("500 InternalError".to_owned()), "k cannot be read: 500 InternalError"),
        ] {
            let found = judge_last(writes(), last);
            assert_eq!(found.lost.iter().map(|loss| loss.write_id).collect::<Vec<_>>(), [2]);
            assert!(found.lost[0].sentence.contains(says), "{}", found.lost[0].sentence);
        }
    }

    #[test]
    fn an_indeterminate_write_may_replace_an_acknowledged_one_and_is_counted() {
        let writes = vec![put(1, (1, 2), OpOutcome::Info), put(2, (3, 4), OpOutcome::Ok)];
        assert_eq!(judge_last(writes, Ok(Seen::Value(1))), Durability { acked: 1, checked: 1, lost: vec![], late_applied: 1 });
    }

    #[test]
    fn a_concurrent_delete_excuses_absence_and_an_earlier_one_does_not() {
        let delete = |span| entry(Op::Delete, "k", Some(9), span, OpOutcome::Ok);
        assert_eq!(judge_last(vec![put(1, (1, 5), OpOutcome::Ok), delete((2, 6))], Ok(Seen::Absent)).lost, []);
        assert_eq!(judge_last(vec![delete((1, 2)), put(1, (3, 5), OpOutcome::Ok)], Ok(Seen::Absent)).lost.len(), 1);
    }

    #[test]
    fn none_of_k_events_bounds_the_share_of_lossy_events() {
        assert!((loss_upper_bound(10) - 0.2589).abs() < 1e-4);
        assert!((loss_upper_bound(60) - 0.0487).abs() < 1e-4);
        assert!((loss_upper_bound(1) - 0.95).abs() < 1e-12);
    }
}
