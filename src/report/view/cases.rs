//! Section 6: conformance, as counts per suite and as a table of all cases.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::Link;
use super::columns::Source;
use crate::model::{CaseInfo, CaseRecord, Deviation, Level, Verdict};
use crate::report::number::cut;

/// Section 6.
#[derive(Debug, Clone, Serialize)]
pub struct Compatibility {
    /// Counts per suite; the first row is the total.
    pub suites: Vec<SuiteRow>,
    /// How many cases there are.
    pub total: usize,
    /// The cases that fail somewhere, those of the worst level first.
    pub failing: Vec<CaseRow>,
    /// All others, by suite and operation.
    pub others: Vec<CaseGroup>,
    /// Where the rules come from; a case names its source by its place here, counted from 1.
    pub sources: Vec<String>,
}

/// Cases of one suite and operation that fail nowhere.
#[derive(Debug, Clone, Serialize)]
pub struct CaseGroup {
    /// `<suite>::<operation>`.
    pub operation: String,
    pub cases: Vec<CaseRow>,
}

/// A suite at each vendor.
#[derive(Debug, Clone, Serialize)]
pub struct SuiteRow {
    pub suite: String,
    pub cells: Vec<SuiteCell>,
}

/// A suite at one vendor.
#[derive(Debug, Clone, Serialize)]
pub struct SuiteCell {
    /// Verdict and how often, in the order of severity; only what occurs.
    pub counts: Vec<Count>,
    pub total: usize,
    /// Where the bar's parts end, in percent of its length: passes, then what is open or varies, then failures.
    pub bar: [usize; 3],
}

/// How often a verdict occurs.
#[derive(Debug, Clone, Serialize)]
pub struct Count {
    pub verdict: &'static str,
    /// One letter for the style sheet.
    pub mark: &'static str,
    pub count: usize,
}

/// A case at each vendor.
#[derive(Debug, Clone, Serialize)]
pub struct CaseRow {
    /// The id; in a group only what follows the group's operation and the slash.
    pub name: String,
    /// Id of its place in the report: the case's id; empty where nothing leads there.
    pub anchor: String,
    pub rule: String,
    pub level: &'static str,
    /// Catalogue rows, place of the source, features and dependents, as one text.
    pub facts: String,
    pub cells: Vec<CaseCell>,
    /// What was seen where the verdict does not say it all; vendors where the same was seen share one.
    pub details: Vec<CaseDetail>,
}

/// A case at one vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseCell {
    /// As in CSV; `not run` where there is no record.
    pub verdict: &'static str,
    /// One letter for the style sheet.
    pub mark: &'static str,
    /// Failure class, whether it is waived, whether it was repeated; mostly empty.
    pub note: String,
}

/// What happened at one or several vendors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseDetail {
    pub traces: Vec<Trace>,
    pub seen: Quoted,
    pub reason: String,
    /// Reason of the waiver, or empty.
    pub waiver: String,
}

/// A broken claim as it was recorded; long texts are cut, the evidence holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Quoted {
    /// What was looked at; empty without a deviation.
    pub claim: String,
    pub expected: String,
    pub observed: String,
}

impl Quoted {
    /// The record's deviation, each part cut to `longest` characters; empty texts without one.
    pub fn new(record: &CaseRecord, longest: usize) -> Self {
        let part = |text: fn(&Deviation) -> &String| record.deviation.as_ref().map(|deviation| cut(text(deviation), longest)).unwrap_or_default();
        Self {
            claim: part(|deviation| &deviation.claim),
            expected: part(|deviation| &deviation.expected),
            observed: part(|deviation| &deviation.observed),
        }
    }
}

/// Where a vendor's exchange can be looked up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// Column key.
    pub key: String,
    /// The server's request id of the deciding response, or empty.
    pub request_id: String,
    pub evidence: Option<Link>,
}

impl Trace {
    /// Of a case's record.
    pub fn new(source: &Source<'_>, record: &CaseRecord) -> Self {
        Self {
            key: source.column.key.clone(),
            request_id: record.request_id.clone().unwrap_or_default(),
            evidence: source.evidence(record.evidence.as_deref()),
        }
    }
}

/// Longest quotation from a server in the table; the evidence holds the rest.
const LONGEST: usize = 240;

/// `linked` are the cases that other sections lead to.
pub fn compatibility(sources: &[&Source<'_>], linked: &BTreeSet<&str>) -> Compatibility {
    let mut infos: BTreeMap<&str, &CaseInfo> = BTreeMap::new();
    let records: Vec<BTreeMap<&str, &CaseRecord>> = sources.iter().map(|source| last_records(source)).collect();
    for (id, record) in records.iter().flatten() {
        infos.entry(id).or_insert(&record.case);
    }
    let origins: BTreeSet<&str> = infos.values().map(|info| info.source.as_str()).filter(|origin| !origin.is_empty()).collect();
    let origins: Vec<String> = origins.into_iter().map(str::to_owned).collect();
    let mut failing: Vec<(Level, CaseRow)> = Vec::new();
    let mut others: Vec<CaseGroup> = Vec::new();
    for (id, info) in &infos {
        let mut row = case_row(info, sources, &records, &origins);
        if records.iter().any(|records| records.get(id).is_some_and(|record| record.verdict == Verdict::Fail)) {
            row.anchor = row.name.clone();
            failing.push((info.level, row));
            continue;
        }
        let (operation, behaviour) = id.split_once('/').unwrap_or((id, ""));
        row.name = behaviour.to_owned();
        row.anchor = if linked.contains(id) { (*id).to_owned() } else { String::new() };
        match others.last_mut().filter(|group| group.operation == operation) {
            Some(group) => group.cases.push(row),
            None => others.push(CaseGroup { operation: operation.to_owned(), cases: vec![row] }),
        }
    }
    failing.sort_by_key(|(level, _)| *level);
    let failing = failing.into_iter().map(|(_, row)| row).collect();
    Compatibility { suites: suites(&infos, &records), total: infos.len(), failing, others, sources: origins }
}

fn suites(infos: &BTreeMap<&str, &CaseInfo>, records: &[BTreeMap<&str, &CaseRecord>]) -> Vec<SuiteRow> {
    let mut names: Vec<&str> = infos.values().map(|info| info.suite()).collect();
    names.dedup();
    let suite = |name: &str| SuiteRow {
        suite: name.to_owned(),
        cells: records.iter().map(|records| counts(records.values().filter(|record| name.is_empty() || record.case.suite() == name))).collect(),
    };
    let mut table: Vec<SuiteRow> = if infos.is_empty() { Vec::new() } else { vec![SuiteRow { suite: "all suites".to_owned(), ..suite("") }] };
    table.extend(names.into_iter().map(suite));
    table
}

/// The last record of each case: a resumed run may hold one twice.
pub fn last_records<'a>(source: &Source<'a>) -> BTreeMap<&'a str, &'a CaseRecord> {
    source.vendor.cases.iter().map(|record| (record.case.id.as_str(), record)).collect()
}

fn counts<'a, 'b: 'a>(records: impl Iterator<Item = &'a &'b CaseRecord>) -> SuiteCell {
    let mut found: BTreeMap<Verdict, usize> = BTreeMap::new();
    for record in records {
        *found.entry(record.verdict).or_default() += 1;
    }
    let total: usize = found.values().sum();
    let upto = |verdicts: &[Verdict]| verdicts.iter().filter_map(|verdict| found.get(verdict)).sum::<usize>() * 100 / total.max(1);
    let order = [Verdict::Pass, Verdict::Variant, Verdict::Unresolved, Verdict::Fail];
    let bar = [upto(&order[..1]), upto(&order[..3]), upto(&order)];
    SuiteCell {
        counts: found.into_iter().map(|(verdict, count)| Count { verdict: verdict.name(), mark: mark(verdict), count }).collect(),
        total,
        bar,
    }
}

fn case_row(info: &CaseInfo, sources: &[&Source<'_>], records: &[BTreeMap<&str, &CaseRecord>], origins: &[String]) -> CaseRow {
    let mut row = CaseRow {
        name: info.id.to_string(),
        anchor: String::new(),
        rule: info.rule.clone(),
        level: info.level.name(),
        facts: facts(info, origins),
        cells: Vec::new(),
        details: Vec::new(),
    };
    for (source, records) in sources.iter().zip(records) {
        let Some(record) = records.get(info.id.as_str()) else {
            row.cells.push(CaseCell { verdict: "not run", mark: "n", note: String::new() });
            continue;
        };
        let waiver = waiver(source, record);
        row.cells.push(cell(record, waiver.is_some()));
        if record.verdict != Verdict::Pass && !is_plainly_unclaimed(record) {
            let seen = Quoted::new(record, LONGEST);
            let reason = cut(record.reason.as_deref().unwrap_or_default(), LONGEST);
            let waiver = waiver.unwrap_or_default();
            let trace = Trace::new(source, record);
            match row.details.iter_mut().find(|other| other.seen == seen && other.reason == reason && other.waiver == waiver) {
                Some(other) => other.traces.push(trace),
                None => row.details.push(CaseDetail { traces: vec![trace], seen, reason, waiver }),
            }
        }
    }
    row
}

fn cell(record: &CaseRecord, waived: bool) -> CaseCell {
    let class = record.class.map(|class| class.name()).unwrap_or_default();
    let notes = [class, if waived { "waived" } else { "" }, if record.attempts > 1 { "repeated" } else { "" }];
    let note = notes.into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join(" ");
    CaseCell { verdict: record.verdict.name(), mark: mark(record.verdict), note }
}

/// The style sheet's letter for a verdict.
fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "p",
        Verdict::Variant => "v",
        Verdict::Fail => "f",
        Verdict::Unsupported => "u",
        Verdict::Unresolved => "q",
        Verdict::Untested => "n",
    }
}

/// Not sent, because none of the features that the row names is claimed: the row says it all.
fn is_plainly_unclaimed(record: &CaseRecord) -> bool {
    let reason = record.reason.as_deref().unwrap_or_default();
    record.verdict == Verdict::Unsupported && reason.strip_prefix("not claimed: ").is_some_and(|names| names == record.case.features.join(", "))
}

fn facts(info: &CaseInfo, origins: &[String]) -> String {
    let source = origins.iter().position(|origin| *origin == info.source).map(|at| format!("[{}]", at + 1)).unwrap_or_default();
    let mut facts = vec![format!("{} {source}", info.rows.join(", ")).trim().to_owned()];
    if !info.features.is_empty() {
        facts.push(format!("needs {}", info.features.join(", ")));
    }
    if !info.dependents.is_empty() {
        facts.push(format!("needed by {}", info.dependents.join(", ")));
    }
    facts.retain(|fact| !fact.is_empty());
    facts.join(" · ")
}

/// The reason of a waiver that covers this failed case on the day of the run.
pub fn waiver(source: &Source<'_>, record: &CaseRecord) -> Option<String> {
    if record.verdict != Verdict::Fail {
        return None;
    }
    let waiver = source.run.waiver(source.vendor, record.case.id.as_str())?;
    Some(format!("{} (until {})", waiver.reason, waiver.until))
}
