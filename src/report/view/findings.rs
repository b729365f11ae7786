//! Section 10: everything that somebody may have to act on, worst first, each with the way to see it again.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;

use super::cases::{Quoted, last_records, waiver};
use super::columns::Source;
use super::{Link, slug};
use crate::model::{CaseRecord, FailureClass, GateVerdict, Level, Outcome, ScenarioRecord, VendorState, Verdict};
use crate::report::number::cut;

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Id of its place in the report: a case's own row, or that of the finding.
    pub anchor: String,
    /// Whether it is a case: its row among the cases shows the rule and the evidence.
    pub is_case: bool,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: &'static str,
    /// Column keys: vendors where the same was seen in a case share a finding.
    pub keys: Vec<String>,
    /// Case id, or scenario and cell.
    pub subject: String,
    /// What is the matter, in a plain sentence.
    pub sentence: String,
    /// The same without the rule; empty where it is no case.
    pub brief: String,
    /// Command that shows it again; empty where there is none.
    pub reproduce: String,
    /// Of a scenario; a case's row has its own.
    pub evidence: Option<Link>,
}

const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

/// Longest quotation inside a sentence.
const LONGEST: usize = 160;

pub fn findings(sources: &[&Source<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        findings.extend(abandoned(source));
        for record in &source.vendor.scenarios {
            findings.extend(scenario(source, record));
        }
    }
    findings.extend(cases(sources));
    let place = |finding: &Finding| SEVERITIES.iter().position(|severity| *severity == finding.severity);
    findings.sort_by(|a, b| (place(a), &a.subject, &a.keys).cmp(&(place(b), &b.subject, &b.keys)));
    unique_anchors(&mut findings);
    findings
}

/// The first finding keeps the plain anchor; later ones of the same fault and vendor get a number.
fn unique_anchors(findings: &mut [Finding]) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for finding in findings.iter_mut().filter(|finding| !finding.is_case) {
        let times = seen.entry(finding.anchor.clone()).or_default();
        *times += 1;
        if *times > 1 {
            finding.anchor = format!("{}-{times}", finding.anchor);
        }
    }
}

fn abandoned(source: &Source<'_>) -> Option<Finding> {
    let VendorState::Abandoned(reason) = &source.vendor.record.state else { return None };
    Some(Finding {
        anchor: format!("f-vendor.{}", slug(&source.column.key)),
        is_case: false,
        severity: "critical",
        keys: vec![source.column.key.clone()],
        subject: "vendor".to_owned(),
        sentence: format!("It could not be evaluated: {}", cut(reason, LONGEST)),
        brief: String::new(),
        reproduce: format!("proofmark run --vendor {}", source.column.vendor),
        evidence: None,
    })
}

/// One finding for each case and for each thing that was seen in it.
fn cases(sources: &[&Source<'_>]) -> Vec<Finding> {
    let mut found: BTreeMap<(&str, &str, String), Finding> = BTreeMap::new();
    for source in sources {
        for (id, record) in last_records(source) {
            let Some(finding) = case(source, record) else { continue };
            match found.entry((id, finding.severity, finding.sentence.clone())) {
                Entry::Occupied(mut other) => other.get_mut().keys.extend(finding.keys),
                Entry::Vacant(place) => drop(place.insert(finding)),
            }
        }
    }
    found.into_values().collect()
}

fn case(source: &Source<'_>, record: &CaseRecord) -> Option<Finding> {
    if !matches!(record.verdict, Verdict::Fail | Verdict::Unresolved) {
        return None;
    }
    let waived = waiver(source, record);
    let severity = match record.class {
        None => "info",
        Some(_) if waived.is_some() => "info",
        Some(class) => severity(class, record.case.level),
    };
    let (sentence, brief) = case_sentences(record, waived);
    Some(Finding {
        anchor: record.case.id.to_string(),
        is_case: true,
        severity,
        keys: vec![source.column.key.clone()],
        subject: record.case.id.to_string(),
        sentence,
        brief,
        reproduce: format!("proofmark conformance --vendor {} --exact '{}'", source.column.vendor, record.case.id),
        evidence: None,
    })
}

fn severity(class: FailureClass, level: Level) -> &'static str {
    match (class, level) {
        (FailureClass::Corrupt | FailureClass::UnsafeIgnore, _) => "critical",
        (FailureClass::Crash, _) | (FailureClass::WrongEffect | FailureClass::Timeout, Level::Core) => "high",
        (FailureClass::WrongEffect | FailureClass::Timeout, _) | (FailureClass::WrongCode, Level::Core) => "medium",
        (FailureClass::WrongCode, _) => "low",
    }
}

/// With and without the rule.
fn case_sentences(record: &CaseRecord, waived: Option<String>) -> (String, String) {
    let rule = record.case.rule.trim_end_matches('.');
    let class = record.class.map(|class| class.name().replace('_', " "));
    let (what, mut brief) = match (class, Quoted::new(record, LONGEST)) {
        (None, _) => ("Not decided", cut(record.reason.as_deref().unwrap_or_default(), LONGEST)),
        (Some(class), Quoted { claim, expected, observed }) if record.deviation.is_some() => {
            let claim = if claim == "answer" { String::new() } else { format!("{claim}: ") };
            ("Broken rule", format!("{claim}{expected} expected, {observed} seen ({class})."))
        }
        (Some(class), _) => ("Broken rule", format!("{class}.")),
    };
    if let Some(reason) = waived {
        brief.push_str(&format!(" Waived: {reason}."));
    }
    (format!("{what}: {rule}. {brief}"), brief)
}

fn scenario(source: &Source<'_>, record: &ScenarioRecord) -> Vec<Finding> {
    let new = |severity, sentence: String, evidence: Option<&str>| Finding {
        anchor: format!("f-{}.{}", slug(&record.code), slug(&source.column.key)),
        is_case: false,
        severity,
        keys: vec![source.column.key.clone()],
        subject: format!("{} {}", record.scenario, record.cell).trim_end().to_owned(),
        sentence,
        brief: String::new(),
        reproduce: format!(
            "proofmark run --vendor {} --profile {} --seed {}",
            source.column.vendor, source.run.header.profile_id, source.run.header.seed
        ),
        evidence: source.evidence(evidence.or(record.evidence.as_deref())),
    };
    let mut findings = Vec::new();
    for gate in &record.gates {
        let (severity, word) = match gate.verdict {
            GateVerdict::NotMet => ("critical", "is not met"),
            GateVerdict::Waived => ("info", "is not met, but waived"),
            GateVerdict::Met | GateVerdict::Untested => continue,
        };
        let sentence = format!(
            "{} ({}), repeat {}: the limit \"{}\" {word}: {}.",
            record.title,
            record.code,
            record.repeat,
            gate.limit,
            cut(&gate.observed, LONGEST)
        );
        findings.push(new(severity, sentence, gate.evidence.as_deref()));
    }
    if let Outcome::Unresolved(reason) = &record.outcome {
        findings.push(new("info", format!("{} ({}) could not be decided: {}", record.title, record.code, cut(reason, LONGEST)), None));
    }
    findings.extend(record.findings.iter().map(|sentence| new("medium", cut(sentence, 400), None)));
    findings
}
