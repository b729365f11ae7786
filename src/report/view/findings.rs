//! Section 10: everything that somebody may have to act on, worst first, each with the way to see it again.

use serde::Serialize;

use super::cases::{last_records, waiver};
use super::columns::Source;
use super::{Link, slug};
use crate::model::{CaseRecord, FailureClass, GateVerdict, Level, Outcome, ScenarioRecord, VendorState, Verdict};
use crate::report::number::cut;

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// Id of its place in the report; stable over re-rendering.
    pub anchor: String,
    /// `critical`, `high`, `medium`, `low` or `info`.
    pub severity: &'static str,
    /// Column key.
    pub key: String,
    /// Case id, or scenario and cell.
    pub subject: String,
    /// What is the matter, in a plain sentence.
    pub sentence: String,
    /// Command that shows it again; empty where there is none.
    pub reproduce: String,
    /// The server's request id of the deciding response, or empty.
    pub request_id: String,
    pub evidence: Option<Link>,
}

const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

/// Longest quotation inside a sentence.
const LONGEST: usize = 160;

pub fn findings(sources: &[&Source<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        findings.extend(abandoned(source));
        findings.extend(last_records(source).values().filter_map(|record| case(source, record)));
        for record in &source.vendor.scenarios {
            findings.extend(scenario(source, record));
        }
    }
    let place = |finding: &Finding| SEVERITIES.iter().position(|severity| *severity == finding.severity);
    findings.sort_by(|a, b| (place(a), &a.subject, &a.key).cmp(&(place(b), &b.subject, &b.key)));
    unique_anchors(&mut findings);
    findings
}

/// The first finding keeps the plain anchor; later ones of the same fault and vendor get a number.
fn unique_anchors(findings: &mut [Finding]) {
    let mut seen: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
    for finding in findings {
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
        severity: "critical",
        key: source.column.key.clone(),
        subject: "vendor".to_owned(),
        sentence: format!("It could not be evaluated: {}", cut(reason, LONGEST)),
        reproduce: format!("proofmark run --vendor {}", source.column.vendor),
        request_id: String::new(),
        evidence: None,
    })
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
    Some(Finding {
        anchor: format!("f-{}.{}", slug(record.case.id.as_str()), slug(&source.column.key)),
        severity,
        key: source.column.key.clone(),
        subject: record.case.id.to_string(),
        sentence: case_sentence(record, waived),
        reproduce: format!("proofmark conformance --vendor {} --exact '{}'", source.column.vendor, record.case.id),
        request_id: record.request_id.clone().unwrap_or_default(),
        evidence: source.evidence(record.evidence.as_deref()),
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

fn case_sentence(record: &CaseRecord, waived: Option<String>) -> String {
    let rule = record.case.rule.trim_end_matches('.');
    let mut sentence = match (&record.class, &record.deviation) {
        (Some(class), Some(deviation)) => format!(
            "Broken rule: {rule}. {}: {} expected, {} seen ({}).",
            deviation.claim,
            cut(&deviation.expected, LONGEST),
            cut(&deviation.observed, LONGEST),
            class.name().replace('_', " "),
        ),
        (Some(class), None) => format!("Broken rule: {rule} ({}).", class.name().replace('_', " ")),
        _ => format!("Not decided: {rule}. {}", cut(record.reason.as_deref().unwrap_or_default(), LONGEST)),
    };
    if let Some(reason) = waived {
        sentence.push_str(&format!(" Waived: {reason}."));
    }
    sentence
}

fn scenario(source: &Source<'_>, record: &ScenarioRecord) -> Vec<Finding> {
    let new = |severity, sentence: String, evidence: Option<&str>| Finding {
        anchor: format!("f-{}.{}", slug(&record.code), slug(&source.column.key)),
        severity,
        key: source.column.key.clone(),
        subject: format!("{} {}", record.scenario, record.cell).trim_end().to_owned(),
        sentence,
        reproduce: format!(
            "proofmark run --vendor {} --profile {} --seed {}",
            source.column.vendor, source.run.header.profile_id, source.run.header.seed
        ),
        request_id: String::new(),
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
