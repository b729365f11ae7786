//! What changed between two runs: regressions, fixes, and fixes that something still excuses.

use std::collections::{BTreeMap, BTreeSet};

use super::compatibility::cases;
use super::draft::Source;
use super::{Scorecard, score};
use crate::model::{CaseRecord, FailureClass, GateVerdict, VendorId, Verdict};
use crate::store::Run;

/// What changed at one vendor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The vendor.
    pub vendor: VendorId,
    /// Cases that got worse: exit code 12.
    pub regressions: Vec<Change>,
    /// Cases that failed and pass now.
    pub fixes: Vec<Change>,
    /// The fixes that a waiver still excuses: the waiver can go.
    pub unrecorded: Vec<String>,
    /// Cases that differ in another way: other class, other verdict that is neither better nor worse.
    pub others: Vec<Change>,
    /// Gates that were met and are not any more: exit code 12.
    pub gates_lost: Vec<String>,
    /// Gates that are met now.
    pub gates_won: Vec<String>,
    /// Cases of only one of the runs.
    pub only_base: Vec<String>,
    /// Cases of only one of the runs.
    pub only_head: Vec<String>,
}

/// A case before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Case id.
    pub case: String,
    /// Verdict and class before.
    pub before: String,
    /// Verdict and class now.
    pub now: String,
}

impl Changes {
    /// Whether something got worse.
    pub fn has_regression(&self) -> bool {
        !self.regressions.is_empty() || !self.gates_lost.is_empty()
    }
}

/// Compares the vendors that both runs hold, each judged by its own run's profile.
pub fn compare(base: &Run, head: &Run) -> Vec<Changes> {
    let scored = |run: &Run| score(std::slice::from_ref(run), &run.header.profile);
    let (base_card, head_card) = (scored(base), scored(head));
    let mut all = Vec::new();
    for vendor in &head.vendors {
        if let Some(before) = base.vendors.iter().find(|before| before.record.vendor == vendor.record.vendor) {
            let (old, new) = (Source { run: base, vendor: before }, Source { run: head, vendor });
            let mut changes = of_cases(&old, &new);
            (changes.gates_lost, changes.gates_won) = of_gates(&base_card, &head_card, &vendor.record.vendor);
            all.push(changes);
        }
    }
    all
}

fn of_cases(base: &Source<'_>, head: &Source<'_>) -> Changes {
    let (old, new) = (cases(base), cases(head));
    let only = |a: &BTreeMap<&str, &CaseRecord>, b: &BTreeMap<&str, &CaseRecord>| {
        a.keys().filter(|id| !b.contains_key(*id)).map(ToString::to_string).collect()
    };
    let mut changes = Changes {
        vendor: head.vendor.record.vendor.clone(),
        regressions: Vec::new(),
        fixes: Vec::new(),
        unrecorded: Vec::new(),
        others: Vec::new(),
        gates_lost: Vec::new(),
        gates_won: Vec::new(),
        only_base: only(&old, &new),
        only_head: only(&new, &old),
    };
    for (id, now) in &new {
        let Some(before) = old.get(id) else { continue };
        if (before.verdict, before.class) == (now.verdict, now.class) {
            continue;
        }
        let change = Change { case: (*id).to_owned(), before: name(before), now: name(now) };
        match (rank(before), rank(now)) {
            (Some(a), Some(b)) if b < a => changes.regressions.push(change),
            (Some(a), Some(b)) if b > a => {
                let excused = head.run.waivers(head.vendor, id).next();
                changes.unrecorded.extend(excused.map(|waiver| format!("{id} (waived until {}: {})", waiver.until, waiver.reason)));
                changes.fixes.push(change);
            }
            _ => changes.others.push(change),
        }
    }
    changes
}

fn name(record: &CaseRecord) -> String {
    record.class.map_or_else(|| record.verdict.to_string(), |class| format!("{}: {class}", record.verdict))
}

/// Higher is better; none where nothing was decided, which is no change of the vendor's.
fn rank(record: &CaseRecord) -> Option<u8> {
    match (record.verdict, record.class) {
        (Verdict::Pass | Verdict::Variant, _) => Some(4),
        (Verdict::Unsupported, _) => Some(3),
        (Verdict::Fail, Some(FailureClass::WrongCode)) => Some(2),
        (Verdict::Fail, Some(FailureClass::WrongEffect)) => Some(1),
        (Verdict::Fail, _) => Some(0),
        (Verdict::Unresolved | Verdict::Untested, _) => None,
    }
}

fn of_gates(base: &Scorecard, head: &Scorecard, vendor: &VendorId) -> (Vec<String>, Vec<String>) {
    let with = |card: &Scorecard, verdict: GateVerdict| -> BTreeSet<String> {
        let of_vendor = card.vendors.iter().filter(|score| score.vendor == *vendor);
        of_vendor.flat_map(|score| &score.gates).filter(|gate| gate.verdict == verdict).map(|gate| gate.name.clone()).collect()
    };
    let both = |a: BTreeSet<String>, b: BTreeSet<String>| a.intersection(&b).cloned().collect::<Vec<_>>();
    let lost = both(with(base, GateVerdict::Met), with(head, GateVerdict::NotMet));
    (lost, both(with(base, GateVerdict::NotMet), with(head, GateVerdict::Met)))
}
