//! Read after write for several writers (a regular register): every read returns a write that no later acknowledged write has replaced.
//!
//! The candidates of a key at one moment are the latest completed writes that no write replaced which started after they completed,
//! the writes in progress, and every indeterminate write since its start. A read must return a member of the union of the candidates
//! over its own duration (the rule of Garage's own Jepsen suite). A delete is a write of "absent".

use std::collections::BTreeMap;

use super::history::{History, JournalEntry, OpOutcome, Seen};

/// How a read is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViolationKind {
    /// A value that an acknowledged write had replaced.
    Stale {
        /// How long before the read's start the first replacing write was acknowledged.
        age_ns: u64,
    },
    /// A body that no write sent.
    Torn,
    /// A value that was never written to this key, was refused, or was read before its write began.
    Phantom,
}

/// A read that no order of the writes explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// How it is wrong.
    pub kind: ViolationKind,
    /// The read.
    pub read: JournalEntry,
    /// What happened, in a sentence.
    pub sentence: String,
}

/// The writes of one key, ready to answer who wrote what and what had been replaced when.
pub(super) struct Writes<'a> {
    /// (start, least finish of this and all later-started writes) of the acknowledged ones, by start.
    suffix: Vec<(u64, u64)>,
    /// Those that leave a value, by id.
    values: BTreeMap<u64, &'a JournalEntry>,
    /// Deletes that may have been applied.
    deletes: Vec<&'a JournalEntry>,
}

impl<'a> Writes<'a> {
    pub(super) fn new(entries: &'a [JournalEntry]) -> Self {
        let mut suffix: Vec<(u64, u64)> =
            entries.iter().filter(|e| e.is_write() && e.outcome == OpOutcome::Ok).map(|e| (e.invoke_ns, e.complete_ns)).collect();
        suffix.sort_unstable();
        for at in (1..suffix.len()).rev() {
            suffix[at - 1].1 = suffix[at - 1].1.min(suffix[at].1);
        }
        let value = |entry: &'a JournalEntry| if let (true, Seen::Value(id)) = (entry.is_write(), entry.value()) { Some((id, entry)) } else { None };
        let values = entries.iter().filter_map(value).collect();
        let deletes = entries.iter().filter(|e| e.is_write() && e.value() == Seen::Absent && e.outcome != OpOutcome::Fail).collect();
        Self { suffix, values, deletes }
    }
    /// When the first acknowledged write that started after `finish_ns` was complete; `None` while there is no such write.
    pub(super) fn since(&self, finish_ns: Option<u64>) -> Option<u64> {
        let at = finish_ns.map_or(0, |finish| self.suffix.partition_point(|(start, _)| *start <= finish));
        self.suffix.get(at).map(|(_, finish)| *finish)
    }
}

/// Every read of the history that its writes cannot explain.
pub fn check_reads(history: &History) -> Vec<Violation> {
    let mut found = Vec::new();
    for (_, entries) in history.keys() {
        let writes = Writes::new(entries);
        for read in entries {
            if let Some(violation) = judge(&writes, read) {
                found.push(violation);
            }
        }
    }
    found
}

/// Judges one read against the writes of its key; anything but a successful read is fine.
pub(super) fn judge(writes: &Writes<'_>, read: &JournalEntry) -> Option<Violation> {
    let violation = |kind, sentence| Some(Violation { kind, read: read.clone(), sentence });
    match read.seen.as_ref()? {
        Seen::Torn(why) => violation(ViolationKind::Torn, format!("GET {} returned a torn body: {why}", read.key)),
        Seen::Phantom(why) => violation(ViolationKind::Phantom, format!("GET {} returned a phantom: {why}", read.key)),
        Seen::Value(id) => match writes.values.get(id) {
            None => violation(ViolationKind::Phantom, format!("GET {} returned write {id}, which nobody sent", read.key)),
            Some(write) if write.outcome == OpOutcome::Fail => violation(
                ViolationKind::Phantom,
                format!("GET {} returned write {id}, which was refused with {} {}", read.key, write.http, write.code),
            ),
            Some(write) if write.invoke_ns > read.complete_ns => {
                violation(ViolationKind::Phantom, format!("GET {} returned write {id} before it was sent", read.key))
            }
            Some(write) => {
                let age = age(writes, read, Some(write.finish_ns()))?;
                violation(ViolationKind::Stale { age_ns: age }, stale(read, &format!("write {id}"), age))
            }
        },
        Seen::Absent => {
            let possible = writes.deletes.iter().filter(|delete| delete.invoke_ns <= read.complete_ns).map(|delete| Some(delete.finish_ns()));
            // Absence is explained by any one of its causes: the state before the history, or a delete.
            let ages: Option<Vec<u64>> = std::iter::once(None).chain(possible).map(|finish| age(writes, read, finish)).collect();
            let age = ages?.into_iter().min()?;
            violation(ViolationKind::Stale { age_ns: age }, stale(read, "no object", age))
        }
    }
}

/// How long before the read's start the value that finished at `finish` had been replaced, if it had.
fn age(writes: &Writes<'_>, read: &JournalEntry, finish: Option<u64>) -> Option<u64> {
    writes.since(finish).filter(|at| *at < read.invoke_ns).map(|at| read.invoke_ns - at)
}

fn stale(read: &JournalEntry, what: &str, age_ns: u64) -> String {
    format!("GET {} returned {what} {:.1} ms after a later write was acknowledged", read.key, age_ns as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::history::{Op, entry, read};
    use super::*;

    fn put(id: u64, span: (u64, u64), outcome: OpOutcome) -> JournalEntry {
        entry(Op::Put, "k", Some(id), span, outcome)
    }

    fn kinds(entries: Vec<JournalEntry>) -> Vec<ViolationKind> {
        check_reads(&History::new(entries)).into_iter().map(|violation| violation.kind).collect()
    }

    #[test]
    fn a_value_that_an_acknowledged_write_replaced_is_stale() {
        let writes = [put(1, (1, 2), OpOutcome::Ok), put(2, (3, 4), OpOutcome::Ok)];
        assert_eq!(kinds([writes.to_vec(), vec![read("k", Seen::Value(1), (7, 8))]].concat()), [ViolationKind::Stale { age_ns: 3 }]);
        assert_eq!(kinds([writes.to_vec(), vec![read("k", Seen::Absent, (7, 8))]].concat()), [ViolationKind::Stale { age_ns: 5 }]);
        assert_eq!(kinds([writes.to_vec(), vec![read("k", Seen::Value(2), (7, 8))]].concat()), []);
        assert_eq!(kinds([writes.to_vec(), vec![read("k", Seen::Value(1), (4, 8))]].concat()), [], "the read began as the write ended");
    }

    #[test]
    fn a_write_that_timed_out_stays_a_candidate_for_ever() {
        let writes = vec![put(1, (1, 2), OpOutcome::Info), put(2, (3, 4), OpOutcome::Ok)];
        let reads = vec![read("k", Seen::Value(2), (5, 6)), read("k", Seen::Value(1), (900, 901))];
        assert_eq!(kinds([writes, reads].concat()), []);
        let deleted = vec![entry(Op::Delete, "k", Some(3), (1, 2), OpOutcome::Info), put(2, (3, 4), OpOutcome::Ok), read("k", Seen::Absent, (9, 10))];
        assert_eq!(kinds(deleted), []);
    }

    #[test]
    fn torn_refused_unknown_and_future_values_are_named() {
        assert_eq!(kinds(vec![read("k", Seen::Torn("cut".to_owned()), (1, 2))]), [ViolationKind::Torn]);
        assert_eq!(kinds(vec![read("k", Seen::Value(9), (1, 2))]), [ViolationKind::Phantom]);
        assert_eq!(kinds(vec![put(1, (1, 2), OpOutcome::Fail), read("k", Seen::Value(1), (3, 4))]), [ViolationKind::Phantom]);
        assert_eq!(kinds(vec![put(1, (5, 6), OpOutcome::Ok), read("k", Seen::Value(1), (3, 4))]), [ViolationKind::Phantom]);
    }

    /// The definition, taken literally: the candidates at each moment of the read.
    fn oracle(entries: &[JournalEntry], read: &JournalEntry) -> bool {
        let ok = |e: &&JournalEntry| e.is_write() && e.outcome == OpOutcome::Ok;
        let candidates = |now: u64| {
            let mut values = Vec::new();
            if !entries.iter().filter(ok).any(|w| w.complete_ns <= now) {
                values.push(Seen::Absent);
            }
            for write in entries.iter().filter(|e| e.is_write() && e.outcome != OpOutcome::Fail && e.invoke_ns <= now) {
                let replaced = entries.iter().filter(ok).any(|later| later.invoke_ns > write.finish_ns() && later.complete_ns <= now);
                if !replaced {
                    values.push(write.value());
                }
            }
            values
        };
        let seen = read.seen.as_ref().unwrap();
        (read.invoke_ns..=read.complete_ns).any(|now| candidates(now).contains(seen))
    }

    fn histories() -> impl Strategy<Value = Vec<JournalEntry>> {
        let times = Just((0..16_u64).collect::<Vec<_>>()).prop_shuffle();
        let ops = proptest::collection::vec((0..4_u8, 0..3_u8, 0..8_u64), 2..8);
        (times, ops).prop_map(|(times, ops)| {
            let op = |(at, (what, outcome, value)): (usize, &(u8, u8, u64))| {
                let (a, b) = (times[2 * at], times[2 * at + 1]);
                let span = (a.min(b), a.max(b));
                let outcome = [OpOutcome::Ok, OpOutcome::Fail, OpOutcome::Info][usize::from(*outcome)];
                match what {
                    0 | 1 => put(at as u64, span, outcome),
                    2 => entry(Op::Delete, "k", Some(at as u64), span, outcome),
                    _ => read("k", if *value == 7 { Seen::Absent } else { Seen::Value(*value) }, span),
                }
            };
            ops.iter().enumerate().map(op).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn the_checker_agrees_with_the_definition_taken_literally(entries in histories()) {
            let history = History::new(entries);
            let writes = Writes::new(history.of("k"));
            for read in history.of("k").iter().filter(|e| !e.is_write()) {
                let verdict = judge(&writes, read);
                prop_assert_eq!(verdict.is_none(), oracle(history.of("k"), read), "{:?} in {:#?}", verdict, history);
            }
        }
    }
}
