//! The journal's entries and the history that checkers read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// PutObject, or CompleteMultipartUpload: writes a value.
    Put,
    /// DeleteObject: writes "absent".
    Delete,
    /// GetObject.
    Get,
}

/// What the client knows of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpOutcome {
    /// Acknowledged: 2xx, and no error document in the body.
    Ok,
    /// Surely not applied: refused by the server, or never sent.
    Fail,
    /// Nobody knows: timeout, reset, 5xx. It may be applied at any later time.
    Info,
}

/// What a reader got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// The whole value of this write.
    Value(u64),
    /// No object.
    Absent,
    /// A body that no write sent: cut, changed or mixed; how.
    Torn(String),
    /// A whole body that was never written to this key; whose.
    Phantom(String),
}

/// One operation of a scenario's client: one line of `journal.jsonl`, appended before the operation counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Scenario and repeat, e.g. `failure/pause#1`: one history each.
    pub history: String,
    /// Start, in ns of one monotonic clock that starts with the history.
    pub invoke_ns: u64,
    /// When the client knew the outcome, or gave up.
    pub complete_ns: u64,
    /// What was asked for.
    pub op: Op,
    /// The object.
    pub key: String,
    /// The write's id; for a read, the id of the value that was read.
    pub write_id: Option<u64>,
    /// What the client knows.
    pub outcome: OpOutcome,
    /// HTTP status; 0 where no answer came.
    pub http: u16,
    /// S3 error code, or what went wrong on the connection; empty for success.
    pub code: String,
    /// The ETag in the answer; empty where there was none.
    pub etag: String,
    /// For a successful read: what it got.
    pub seen: Option<Seen>,
}

impl JournalEntry {
    /// Whether it changes the object.
    pub fn is_write(&self) -> bool {
        self.op != Op::Get
    }
    /// When its effect is over: never, for an indeterminate write.
    pub fn finish_ns(&self) -> u64 {
        if self.outcome == OpOutcome::Info { u64::MAX } else { self.complete_ns }
    }
    /// The value that a write leaves.
    pub fn value(&self) -> Seen {
        match (self.op, self.write_id) {
            (Op::Put, Some(id)) => Seen::Value(id),
            _ => Seen::Absent,
        }
    }
}

/// A history by key. Every key is absent before it.
#[derive(Debug, Clone, Default)]
pub struct History {
    keys: BTreeMap<String, Vec<JournalEntry>>,
}

impl History {
    /// The history of these entries, in any order.
    pub fn new(entries: impl IntoIterator<Item = JournalEntry>) -> Self {
        let mut history = Self::default();
        for entry in entries {
            history.keys.entry(entry.key.clone()).or_default().push(entry);
        }
        for entries in history.keys.values_mut() {
            entries.sort_by_key(|entry| (entry.invoke_ns, entry.complete_ns));
        }
        history
    }
    /// Keys with their operations by start.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &[JournalEntry])> {
        self.keys.iter().map(|(key, entries)| (key.as_str(), entries.as_slice()))
    }
    /// The operations of one key by start.
    pub fn of(&self, key: &str) -> &[JournalEntry] {
        self.keys.get(key).map_or(&[], Vec::as_slice)
    }
    /// All operations.
    pub fn entries(&self) -> impl Iterator<Item = &JournalEntry> {
        self.keys.values().flatten()
    }
    /// The part of a key's history that matters for what was seen at `at_ns`: the last operations before it, and a few after.
    pub fn slice(&self, key: &str, at_ns: u64) -> Vec<JournalEntry> {
        let entries = self.of(key);
        let middle = entries.partition_point(|entry| entry.invoke_ns <= at_ns);
        entries[middle.saturating_sub(12)..(middle + 4).min(entries.len())].to_vec()
    }
}

#[cfg(test)]
pub(super) fn entry(op: Op, key: &str, id: Option<u64>, span: (u64, u64), outcome: OpOutcome) -> JournalEntry {
    let (invoke_ns, complete_ns) = span;
    let (http, code, etag) = (200, String::new(), String::new());
    let key = key.to_owned();
    JournalEntry { history: "failure/x#1".to_owned(), invoke_ns, complete_ns, op, key, write_id: id, outcome, http, code, etag, seen: None }
}

#[cfg(test)]
pub(crate) fn read(key: &str, seen: Seen, span: (u64, u64)) -> JournalEntry {
    let id = if let Seen::Value(id) = seen { Some(id) } else { None };
    JournalEntry { seen: Some(seen), ..entry(Op::Get, key, id, span, OpOutcome::Ok) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_line_reads_back_as_it_was() {
        let line = serde_json::to_string(&read("k", Seen::Value(5), (1, 2))).unwrap();
        assert_eq!(serde_json::from_str::<JournalEntry>(&line).unwrap(), read("k", Seen::Value(5), (1, 2)));
        for field in ["invoke_ns", "complete_ns", "\"op\":\"get\"", "\"key\":\"k\"", "\"write_id\":5", "\"outcome\":\"ok\"", "http", "code", "etag"] {
            assert!(line.contains(field), "{field} is missing in {line}");
        }
    }
}
