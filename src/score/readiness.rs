//! Which applications and SDK generations work on a store: their needs held against the verdicts of the cases.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::{ApplicationKind, NamedApplication, Need};
use crate::model::{CaseRecord, FailureClass, Verdict};

/// The answer to "can we use it with this store?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// It works, but a protection that it relies on is accepted and not enforced, or data come back wrong.
    Unsafe,
    /// Something that it cannot do without does not work.
    NotUsable,
    /// Nothing that ran speaks against it, but not everything that it needs was decided.
    Undecided,
    /// It works with a setting that does without what does not.
    WithSetting,
    /// Everything that it needs holds.
    Usable,
}

impl Readiness {
    /// The words used in CSV and the report.
    pub fn name(self) -> &'static str {
        match self {
            Readiness::Unsafe => "unsafe",
            Readiness::NotUsable => "not usable",
            Readiness::Undecided => "not tested in full",
            Readiness::WithSetting => "usable with a setting",
            Readiness::Usable => "usable",
        }
    }
}

/// A case that decided against an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decider {
    /// Case id.
    pub case: String,
    /// Verdict and class.
    pub found: String,
    /// What the application uses it for.
    pub why: String,
    /// The setting that does without it, if there is one that holds.
    pub setting: Option<String>,
}

/// One application on one store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplicationVerdict {
    /// Stem of its file.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// What it is.
    pub kind: ApplicationKind,
    /// The answer.
    pub readiness: Readiness,
    /// Settings that it takes, each with its cost, where the answer is [`Readiness::WithSetting`].
    pub settings: Vec<String>,
    /// The cases that decided.
    pub deciders: Vec<Decider>,
    /// Rows and cases that nothing decided.
    pub open: Vec<String>,
    /// Rows and cases that it needs.
    pub needed: usize,
}

type Cases<'a> = BTreeMap<&'a str, &'a CaseRecord>;

/// Judges every application; `cases` holds the last record of each case.
pub fn readiness(cases: &Cases<'_>, applications: &[NamedApplication]) -> Vec<ApplicationVerdict> {
    let by_row = by_row(cases, &own_cases(applications));
    applications.iter().map(|application| judge(cases, &by_row, application)).collect()
}

/// The cases that are an SDK generation's own requests: they speak for that generation, not for everything that needs the same rows.
fn own_cases(applications: &[NamedApplication]) -> BTreeSet<&str> {
    let sdks = applications.iter().filter(|application| application.file.kind == ApplicationKind::Sdk);
    let needs = sdks.flat_map(|application| &application.file.needs);
    let named = needs.flat_map(|need| need.cases.iter().chain(need.setting.iter().flat_map(|setting| &setting.cases)));
    named.map(String::as_str).collect()
}

fn by_row<'a>(cases: &Cases<'a>, own: &BTreeSet<&str>) -> BTreeMap<&'a str, Vec<&'a CaseRecord>> {
    let mut rows: BTreeMap<&str, Vec<&CaseRecord>> = BTreeMap::new();
    for record in cases.values().filter(|record| !own.contains(record.case.id.as_str())) {
        for row in &record.case.rows {
            rows.entry(row).or_default().push(record);
        }
    }
    rows
}

/// What the cases say about rows and single cases.
struct Held<'a> {
    broken: Vec<&'a CaseRecord>,
    open: Vec<String>,
}

fn held<'a>(cases: &Cases<'a>, rows: &BTreeMap<&str, Vec<&'a CaseRecord>>, wanted: (&[String], &[String]), exact: bool) -> Held<'a> {
    let mut held = Held { broken: Vec::new(), open: Vec::new() };
    let (wanted_rows, wanted_cases) = wanted;
    let of_rows = wanted_rows.iter().map(|row| (row, rows.get(row.as_str()).cloned().unwrap_or_default()));
    let of_cases = wanted_cases.iter().map(|case| (case, cases.get(case.as_str()).copied().into_iter().collect()));
    for (name, records) in of_rows.chain(of_cases) {
        let records: Vec<&CaseRecord> = records;
        if !records.iter().any(|record| is_decided(record)) {
            held.open.push(name.clone());
        }
        held.broken.extend(records.into_iter().filter(|record| is_broken(record, exact)));
    }
    held
}

fn is_decided(record: &CaseRecord) -> bool {
    !matches!(record.verdict, Verdict::Untested | Verdict::Unresolved)
}

/// A refusal with another code than the documented one stops only an application that looks at the code.
fn is_broken(record: &CaseRecord, exact: bool) -> bool {
    match record.verdict {
        Verdict::Fail => exact || record.class != Some(FailureClass::WrongCode),
        Verdict::Unsupported => true,
        _ => false,
    }
}

fn is_unsafe(record: &CaseRecord) -> bool {
    matches!(record.class, Some(FailureClass::UnsafeIgnore | FailureClass::Corrupt))
}

fn judge<'a>(cases: &Cases<'a>, rows: &BTreeMap<&str, Vec<&'a CaseRecord>>, NamedApplication { id, file }: &NamedApplication) -> ApplicationVerdict {
    let mut settings: BTreeSet<String> = BTreeSet::new();
    let (mut deciders, mut open) = (Vec::new(), Vec::new());
    let (mut has_unsafe, mut has_broken) = (false, false);
    for need in &file.needs {
        let held_here = held(cases, rows, (&need.rows, &need.cases), need.exact);
        open.extend(held_here.open);
        if held_here.broken.is_empty() {
            continue;
        }
        let setting = working_setting(cases, rows, need);
        match &setting {
            Some(setting) => drop(settings.insert(setting.clone())),
            None => {
                has_unsafe |= held_here.broken.iter().any(|record| is_unsafe(record));
                has_broken = true;
            }
        }
        deciders.extend(held_here.broken.iter().map(|record| Decider {
            case: record.case.id.to_string(),
            found: record.class.map_or_else(|| record.verdict.to_string(), |class| class.name().to_owned()),
            why: need.why.clone(),
            setting: setting.clone(),
        }));
    }
    let readiness = match (has_unsafe, has_broken, open.is_empty(), settings.is_empty()) {
        (true, ..) => Readiness::Unsafe,
        (false, true, ..) => Readiness::NotUsable,
        (false, false, false, _) => Readiness::Undecided,
        (false, false, true, false) => Readiness::WithSetting,
        (false, false, true, true) => Readiness::Usable,
    };
    let mut seen = BTreeSet::new();
    deciders.retain(|decider| seen.insert(decider.case.clone()));
    let needed = file.needs.iter().map(|need| need.rows.len() + need.cases.len()).sum();
    // Where more is broken than settings can help with, naming them would promise too much; the deciders still do.
    settings.retain(|_| readiness == Readiness::WithSetting);
    let (id, title, settings) = (id.clone(), file.title.clone(), settings.into_iter().collect());
    ApplicationVerdict { id, title, kind: file.kind, readiness, settings, deciders, open, needed }
}

/// The need's setting with its cost, where everything that it asks for instead is decided and holds.
fn working_setting<'a>(cases: &Cases<'a>, rows: &BTreeMap<&str, Vec<&'a CaseRecord>>, need: &Need) -> Option<String> {
    let setting = need.setting.as_ref()?;
    let instead = held(cases, rows, (&setting.rows, &setting.cases), need.exact);
    (instead.broken.is_empty() && instead.open.is_empty()).then(|| format!("{} ({})", setting.name, setting.cost))
}
