//! Section 6: failures grouped by what most likely causes them, each with the ticket for the vendor.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Link;
use super::cases::{Quoted, Trace, last_records};
use super::columns::Source;
use crate::model::{CaseRecord, FailureClass, Level, Verdict};
use crate::report::number::cut;

/// The causes found at one vendor.
#[derive(Debug, Clone, Serialize)]
pub struct VendorCauses {
    pub key: String,
    /// Name for people.
    pub title: String,
    /// Worst first.
    pub causes: Vec<Cause>,
    /// How many cases they explain.
    pub explained: usize,
    /// The file with all tickets, beside the report.
    pub tickets: Link,
}

/// One probable cause.
#[derive(Debug, Clone, Serialize)]
pub struct Cause {
    /// What is the matter, in a short sentence.
    pub title: String,
    /// Operation in camel case; empty for a missing feature.
    pub operation: String,
    /// Failure class, or `unsupported`.
    pub class: &'static str,
    /// The worst level among its cases.
    pub level: &'static str,
    /// The cases that it explains.
    pub cases: Vec<String>,
    /// The ticket, made from its gravest case.
    pub ticket: Ticket,
}

/// What a vendor's support needs to see it again.
#[derive(Debug, Clone, Serialize)]
pub struct Ticket {
    pub case: String,
    pub rule: String,
    pub source: String,
    /// Without a deviation: that the operation is due, and why it is unsupported.
    pub seen: Quoted,
    /// Empty where curl cannot send the same.
    pub curl: String,
    pub trace: Trace,
}

/// Longest quotation from a server in a ticket; the evidence holds the rest.
const LONGEST: usize = 400;

/// What cases of one cause have in common. The order is that of the report: graver classes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    gravity: u8,
    feature: String,
    operation: String,
    found: String,
}

pub fn causes(sources: &[&Source<'_>]) -> Vec<VendorCauses> {
    sources.iter().map(|source| of_vendor(source)).collect()
}

fn of_vendor(source: &Source<'_>) -> VendorCauses {
    let records = last_records(source);
    let mut groups: BTreeMap<Kind, Vec<&CaseRecord>> = BTreeMap::new();
    for record in records.values() {
        if let Some(kind) = kind(record) {
            groups.entry(kind).or_default().push(record);
        }
    }
    let explained = groups.values().map(Vec::len).sum();
    let mut causes: Vec<(u8, Cause)> = groups.into_iter().map(|(kind, records)| (kind.gravity, cause(source, &kind, records))).collect();
    causes.sort_by(|(a_gravity, a), (b_gravity, b)| (a_gravity, b.cases.len(), &a.title).cmp(&(b_gravity, a.cases.len(), &b.title)));
    VendorCauses {
        key: source.column.key.clone(),
        title: source.column.title.clone(),
        causes: causes.into_iter().map(|(_, cause)| cause).collect(),
        explained,
        tickets: source.report_file(&tickets_file(&source.column.key)),
    }
}

/// The name of a vendor's ticket file.
pub fn tickets_file(key: &str) -> String {
    format!("tickets-{}.md", super::slug(key))
}

fn kind(record: &CaseRecord) -> Option<Kind> {
    let operation = record.case.api_operation();
    if record.verdict == Verdict::Unsupported {
        let reason = record.reason.clone().unwrap_or_default();
        // A missing feature is one cause, however many operations it has.
        let feature = record.case.features.first().cloned().unwrap_or_default();
        let operation = if feature.is_empty() { operation } else { String::new() };
        let found = if reason.starts_with("not claimed") { "not claimed".to_owned() } else { "refused as not implemented".to_owned() };
        return Some(Kind { gravity: gravity(None), feature, operation, found });
    }
    let (class, deviation) = (record.class?, record.deviation.as_ref()?);
    // An answer's code tells what is wrong; without one, the looked-at value does.
    let found = if deviation.claim == "answer" || is_code(&deviation.observed) { deviation.observed.clone() } else { deviation.claim.clone() };
    Some(Kind { gravity: gravity(Some(class)), feature: record.case.suite().to_owned(), operation, found: cut(&found, 80) })
}

/// `404 NoSuchKey` or `404`.
fn is_code(text: &str) -> bool {
    text.split(' ').next().is_some_and(|status| status.len() == 3 && status.bytes().all(|byte| byte.is_ascii_digit()))
}

fn gravity(class: Option<FailureClass>) -> u8 {
    match class {
        Some(FailureClass::Corrupt) => 0,
        Some(FailureClass::UnsafeIgnore) => 1,
        Some(FailureClass::Crash) => 2,
        Some(FailureClass::Timeout) => 3,
        Some(FailureClass::WrongEffect) => 4,
        Some(FailureClass::WrongCode) => 5,
        None => 6,
    }
}

fn cause(source: &Source<'_>, kind: &Kind, mut records: Vec<&CaseRecord>) -> Cause {
    records.sort_by_key(|record| (record.case.level, record.case.id.clone()));
    let gravest = records[0];
    Cause {
        title: title(kind, gravest),
        operation: kind.operation.clone(),
        class: gravest.class.map_or("unsupported", FailureClass::name),
        level: records.iter().map(|record| record.case.level).min().unwrap_or(Level::Rare).name(),
        cases: records.iter().map(|record| record.case.id.to_string()).collect(),
        ticket: ticket(source, gravest),
    }
}

fn title(kind: &Kind, record: &CaseRecord) -> String {
    let (operation, suite) = (kind.operation.as_str(), record.case.suite());
    let Some((class, deviation)) = record.class.zip(record.deviation.as_ref()) else {
        let what = if kind.feature.is_empty() { operation } else { kind.feature.as_str() };
        return format!("{what} is {}", kind.found);
    };
    let (expected, observed) = (cut(&deviation.expected, 60), cut(&deviation.observed, 60));
    match class {
        FailureClass::Corrupt => format!("{operation} gives back other data than was stored ({suite})"),
        FailureClass::UnsafeIgnore => format!("{operation} accepts what it must refuse ({suite})"),
        FailureClass::Crash => format!("{operation} breaks the server or the connection: {observed}"),
        FailureClass::Timeout => format!("{operation} is left without an answer"),
        FailureClass::WrongEffect if is_code(&observed) => format!("{operation} is refused with {observed}"),
        FailureClass::WrongEffect => format!("{operation}: {} is {observed}, not {expected}", cut(&deviation.claim, 60)),
        FailureClass::WrongCode => format!("{operation} answers {observed} where {expected} is due"),
    }
}

fn ticket(source: &Source<'_>, record: &CaseRecord) -> Ticket {
    let mut seen = Quoted::new(record, LONGEST);
    if record.deviation.is_none() {
        seen.expected = "the operation is supported".to_owned();
        seen.observed = cut(record.reason.as_deref().unwrap_or_default(), LONGEST);
    }
    Ticket {
        case: record.case.id.to_string(),
        rule: record.case.rule.clone(),
        source: record.case.source.clone(),
        seen,
        curl: record.curl.clone().unwrap_or_default(),
        trace: Trace::new(source, record),
    }
}
