//! Section 6: conformance, as counts per suite and as a table of all cases.

use std::collections::BTreeMap;

use serde::Serialize;

use super::columns::Source;
use super::{Link, slug};
use crate::model::{CaseInfo, CaseRecord, Level, Verdict};
use crate::report::number::cut;

/// Section 6.
#[derive(Debug, Clone, Serialize)]
pub struct Compatibility {
    /// Counts per suite; the first row is the total.
    pub suites: Vec<SuiteRow>,
    /// All cases, those that fail somewhere first.
    pub cases: Vec<CaseRow>,
    /// How many of them fail somewhere.
    pub failing: usize,
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
}

/// How often a verdict occurs.
#[derive(Debug, Clone, Serialize)]
pub struct Count {
    pub verdict: &'static str,
    pub count: usize,
}

/// A case at each vendor.
#[derive(Debug, Clone, Serialize)]
pub struct CaseRow {
    pub id: String,
    pub anchor: String,
    pub rule: String,
    pub level: &'static str,
    /// Catalogue rows that it proves, as one text.
    pub rows: String,
    /// Applications that depend on it, as one text.
    pub dependents: String,
    pub source: String,
    /// Whether it fails at any vendor.
    pub fails: bool,
    pub cells: Vec<CaseCell>,
    /// What was expected and seen, where the verdict is neither pass nor a plain `untested`.
    pub details: Vec<CaseDetail>,
}

/// A case at one vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseCell {
    /// As in CSV; `not run` where there is no record.
    pub verdict: &'static str,
    /// Failure class, or empty.
    pub class: &'static str,
    /// Covered by a dated exception.
    pub waived: bool,
    /// Repeated after a 503, 500 or reset.
    pub repeated: bool,
}

/// What happened at one vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseDetail {
    pub key: String,
    pub verdict: &'static str,
    /// What was looked at; empty without a deviation.
    pub claim: String,
    pub expected: String,
    pub observed: String,
    pub reason: String,
    /// Reason of the waiver, or empty.
    pub waiver: String,
    pub request_id: String,
    pub evidence: Option<Link>,
}

/// Longest quotation from a server in the table; the evidence holds the rest.
const LONGEST: usize = 240;

pub fn compatibility(sources: &[&Source<'_>]) -> Compatibility {
    let mut infos: BTreeMap<&str, &CaseInfo> = BTreeMap::new();
    let records: Vec<BTreeMap<&str, &CaseRecord>> = sources.iter().map(|source| last_records(source)).collect();
    for (id, record) in records.iter().flatten() {
        infos.entry(id).or_insert(&record.case);
    }
    let mut rows: Vec<(Level, CaseRow)> = infos.values().map(|info| (info.level, case_row(info, sources, &records))).collect();
    rows.sort_by(|(a_level, a), (b_level, b)| (!a.fails, a_level, &a.id).cmp(&(!b.fails, b_level, &b.id)));
    let cases: Vec<CaseRow> = rows.into_iter().map(|(_, row)| row).collect();
    let mut suites: Vec<&str> = infos.values().map(|info| info.suite()).collect();
    suites.dedup();
    let suite = |name: &str| SuiteRow {
        suite: name.to_owned(),
        cells: records.iter().map(|records| counts(records.values().filter(|record| name.is_empty() || record.case.suite() == name))).collect(),
    };
    let mut table: Vec<SuiteRow> = if cases.is_empty() { Vec::new() } else { vec![SuiteRow { suite: "all suites".to_owned(), ..suite("") }] };
    table.extend(suites.into_iter().map(suite));
    Compatibility { suites: table, failing: cases.iter().filter(|row| row.fails).count(), cases }
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
    let total = found.values().sum();
    SuiteCell { counts: found.into_iter().map(|(verdict, count)| Count { verdict: verdict.name(), count }).collect(), total }
}

fn case_row(info: &CaseInfo, sources: &[&Source<'_>], records: &[BTreeMap<&str, &CaseRecord>]) -> CaseRow {
    let mut row = CaseRow {
        id: info.id.to_string(),
        anchor: format!("case-{}", slug(info.id.as_str())),
        rule: info.rule.clone(),
        level: info.level.name(),
        rows: info.rows.join(", "),
        dependents: info.dependents.join(", "),
        source: info.source.clone(),
        fails: false,
        cells: Vec::new(),
        details: Vec::new(),
    };
    for (source, records) in sources.iter().zip(records) {
        let Some(record) = records.get(info.id.as_str()) else {
            row.cells.push(CaseCell { verdict: "not run", class: "", waived: false, repeated: false });
            continue;
        };
        let waiver = waiver(source, record);
        row.fails |= record.verdict == Verdict::Fail;
        row.cells.push(CaseCell {
            verdict: record.verdict.name(),
            class: record.class.map(|class| class.name()).unwrap_or_default(),
            waived: waiver.is_some(),
            repeated: record.attempts > 1,
        });
        if record.verdict != Verdict::Pass {
            row.details.push(detail(source, record, waiver.unwrap_or_default()));
        }
    }
    row
}

/// The reason of a waiver that covers this failed case on the day of the run.
pub fn waiver(source: &Source<'_>, record: &CaseRecord) -> Option<String> {
    if record.verdict != Verdict::Fail {
        return None;
    }
    let waiver = source.run.waiver(source.vendor, record.case.id.as_str())?;
    Some(format!("{} (until {})", waiver.reason, waiver.until))
}

fn detail(source: &Source<'_>, record: &CaseRecord, waiver: String) -> CaseDetail {
    let deviation = record.deviation.as_ref();
    CaseDetail {
        key: source.column.key.clone(),
        verdict: record.verdict.name(),
        claim: deviation.map(|deviation| cut(&deviation.claim, LONGEST)).unwrap_or_default(),
        expected: deviation.map(|deviation| cut(&deviation.expected, LONGEST)).unwrap_or_default(),
        observed: deviation.map(|deviation| cut(&deviation.observed, LONGEST)).unwrap_or_default(),
        reason: cut(record.reason.as_deref().unwrap_or_default(), LONGEST),
        waiver,
        request_id: record.request_id.clone().unwrap_or_default(),
        evidence: source.evidence(record.evidence.as_deref()),
    }
}
