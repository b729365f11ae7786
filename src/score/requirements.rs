//! Requirements and waivers held against the verdicts. The ratchet works both ways: a waiver that is no longer needed is named, too.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::compatibility::cases;
use super::draft::Source;
use crate::config::{Priority, Requirement};
use crate::model::{CaseRecord, Verdict};
use crate::store::covers;

/// How a requirement or a waiver stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A case breaks it and no waiver holds.
    NotMet,
    /// A case breaks it, and the waiver that covered it has run out.
    WaiverExpired,
    /// Nothing decided it.
    Untested,
    /// A case breaks it, and a waiver holds.
    Waived,
    /// Everything passes, so its waiver can go.
    NewlyPassing,
    /// Everything passes.
    Met,
    /// The buyer does not use it.
    NotUsed,
}

impl Standing {
    /// The words used in CSV and the report.
    pub fn name(self) -> &'static str {
        match self {
            Standing::NotMet => "not met",
            Standing::WaiverExpired => "waiver expired",
            Standing::Untested => "untested",
            Standing::Waived => "waived",
            Standing::NewlyPassing => "newly passing",
            Standing::Met => "met",
            Standing::NotUsed => "not used",
        }
    }
}

/// A requirement, or a waiver that no requirement asks about, at one vendor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementOutcome {
    /// Case id, catalogue row or suite, as it was asked for.
    pub name: String,
    /// How much depends on it; none for a waiver of its own.
    pub priority: Option<Priority>,
    /// How it stands.
    pub standing: Standing,
    /// Why it is asked for or excused.
    pub reason: String,
    /// Who asked for it or agreed to it.
    pub owner: String,
    /// What was seen, in words.
    pub observed: String,
    /// Cases that decided.
    pub deciders: Vec<String>,
}

type Cases<'a> = BTreeMap<&'a str, &'a CaseRecord>;

/// Every requirement in the order of the files, then every waiver that none of them covers.
pub(super) fn requirements(source: &Source<'_>) -> Vec<RequirementOutcome> {
    let cases = cases(source);
    let asked: Vec<&Requirement> = source.run.requirements(source.vendor).collect();
    let mut outcomes: Vec<RequirementOutcome> = asked.iter().map(|requirement| requirement_outcome(source, &cases, requirement)).collect();
    let all = source.vendor.record.file.waivers.iter().chain(&source.run.header.profile.waivers);
    for waiver in all {
        let is_asked = cases.get(waiver.case.as_str()).is_some_and(|record| asked.iter().any(|requirement| requirement.covers(&record.case)));
        if !is_asked && !outcomes.iter().any(|outcome| outcome.name == waiver.case) {
            let (standing, observed, deciders) = stand(source, &cases, &waiver.case);
            let (name, reason, owner) = (waiver.case.clone(), waiver.reason.clone(), waiver.owner.clone());
            outcomes.push(RequirementOutcome { name, priority: None, standing, reason, owner, observed, deciders });
        }
    }
    outcomes
}

fn requirement_outcome(source: &Source<'_>, cases: &Cases<'_>, requirement: &Requirement) -> RequirementOutcome {
    let (mut standing, observed, deciders) = stand(source, cases, &requirement.case);
    if requirement.priority == Priority::Wont {
        standing = Standing::NotUsed;
    }
    RequirementOutcome {
        name: requirement.case.clone(),
        priority: Some(requirement.priority),
        standing,
        reason: requirement.reason.clone(),
        owner: requirement.owner.clone(),
        observed,
        deciders,
    }
}

fn stand(source: &Source<'_>, cases: &Cases<'_>, name: &str) -> (Standing, String, Vec<String>) {
    let wanted: Vec<&CaseRecord> = cases.values().copied().filter(|record| covers(name, &record.case)).collect();
    let with = |verdicts: &[Verdict]| wanted.iter().copied().filter(|record| verdicts.contains(&record.verdict)).collect::<Vec<&CaseRecord>>();
    let ids = |records: &[&CaseRecord]| records.iter().map(|record| record.case.id.to_string()).collect::<Vec<_>>();
    let breaking = with(&[Verdict::Fail, Verdict::Unsupported]);
    let open = with(&[Verdict::Untested, Verdict::Unresolved]);
    let waivers = |record: &CaseRecord| source.run.waivers(source.vendor, record.case.id.as_str()).count() > 0;
    let is_waived = |record: &&&CaseRecord| source.run.waiver(source.vendor, record.case.id.as_str()).is_some();
    if !breaking.is_empty() {
        let bare: Vec<&CaseRecord> = breaking.iter().filter(|record| !is_waived(record)).copied().collect();
        let standing = match bare.as_slice() {
            [] => Standing::Waived,
            bare if bare.iter().all(|record| waivers(record)) => Standing::WaiverExpired,
            _ => Standing::NotMet,
        };
        return (standing, format!("{} of {} cases break it", breaking.len(), wanted.len()), ids(&breaking));
    }
    if wanted.is_empty() {
        return (Standing::Untested, "no such case ran".to_owned(), Vec::new());
    }
    if !open.is_empty() {
        return (Standing::Untested, format!("{} of {} cases are untested or unresolved", open.len(), wanted.len()), ids(&open));
    }
    let excused: Vec<&CaseRecord> = wanted.iter().copied().filter(|record| waivers(record)).collect();
    let standing = if excused.is_empty() { Standing::Met } else { Standing::NewlyPassing };
    (standing, format!("{} of {} cases pass", wanted.len(), wanted.len()), ids(&excused))
}
