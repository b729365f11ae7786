//! What the runs against mutants prove: pure functions over verdicts.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::Mutant;
use crate::model::{CaseId, FailureClass, Level, Verdict};

/// Share of the mutants that must be caught.
pub const CAUGHT_MIN: f64 = 0.95;

/// A case that failed on a mutant and passes without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catch {
    /// The case.
    pub case: CaseId,
    /// How it failed.
    pub class: FailureClass,
}

/// What became of a mutant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// A case that passes without it fails.
    Caught,
    /// No case fails that passes without it.
    Missed,
    /// No case that passes without it does what it touches: the vendor does not do it right to begin with.
    Untouched,
    /// The vendor does not claim a feature that it changes.
    NotHere,
}

impl State {
    /// The word in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Caught => "caught",
            Self::Missed => "missed",
            Self::Untouched => "untouched",
            Self::NotHere => "not here",
        }
    }
}

/// A mutant and what it met.
#[derive(Debug, Clone, PartialEq)]
pub struct MutantRow {
    /// The mutant.
    pub mutant: Mutant,
    /// What became of it.
    pub state: State,
    /// Cases that ran against it.
    pub cases: usize,
    /// Requests and answers that it changed.
    pub changed: u64,
    /// Who noticed.
    pub catches: Vec<Catch>,
}

/// A case and what it noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRow {
    /// The case.
    pub case: CaseId,
    /// Its level.
    pub level: Level,
    /// Its verdict without a mutant; none where three runs disagree.
    pub verdict: Option<Verdict>,
    /// Mutants that it ran against.
    pub mutants: usize,
    /// Mutants that it caught.
    pub caught: Vec<String>,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Proof {
    /// The mutants in their order.
    pub mutants: Vec<MutantRow>,
    /// The cases in their order.
    pub cases: Vec<CaseRow>,
    /// Whether every mutant met every case that it touches; else nothing is said of cases that caught none.
    pub is_whole: bool,
}

/// The verdict of each case over several runs: none where they disagree, or where a run has no verdict of it.
pub fn verdicts(runs: &[BTreeMap<CaseId, Verdict>]) -> BTreeMap<CaseId, Option<Verdict>> {
    let cases: BTreeSet<&CaseId> = runs.iter().flat_map(BTreeMap::keys).collect();
    let of = |case: &CaseId| {
        let first = runs.first()?.get(case)?;
        runs.iter().all(|run| run.get(case) == Some(first)).then_some(*first)
    };
    cases.into_iter().map(|case| (case.clone(), of(case))).collect()
}

/// Whether a case can catch anything: it passes without a mutant.
pub fn can_catch(verdict: Option<Verdict>) -> bool {
    matches!(verdict, Some(Verdict::Pass | Verdict::Variant))
}

impl Proof {
    /// How many mutants ended so.
    pub fn count(&self, state: State) -> usize {
        self.mutants.iter().filter(|row| row.state == state).count()
    }
    /// Caught mutants and all that were judged here.
    pub fn caught(&self) -> (usize, usize) {
        let caught = self.count(State::Caught);
        (caught, caught + self.count(State::Missed))
    }
    /// Share of the caught ones; none where none was judged.
    pub fn rate(&self) -> Option<f64> {
        let (caught, judged) = self.caught();
        (judged > 0).then(|| caught as f64 / judged as f64)
    }
    /// Mutants that nobody noticed.
    pub fn missed(&self) -> impl Iterator<Item = &MutantRow> {
        self.mutants.iter().filter(|row| row.state == State::Missed)
    }
    /// Cases whose verdict changes without a mutant.
    pub fn unstable(&self) -> impl Iterator<Item = &CaseRow> {
        self.cases.iter().filter(|row| row.verdict.is_none())
    }
    /// Core and common cases that pass and were never seen failing; empty where not every case met every mutant.
    pub fn never_caught(&self) -> impl Iterator<Item = &CaseRow> {
        let is_owed = |row: &&CaseRow| row.level <= Level::Common && can_catch(row.verdict) && row.caught.is_empty();
        self.cases.iter().filter(|_| self.is_whole).filter(is_owed)
    }
    /// Whether the suites are proven able to fail. `varies` says of which cases the vendor is known to answer differently by itself.
    pub fn holds(&self, varies: impl Fn(&CaseId) -> bool) -> bool {
        let is_stable = self.unstable().all(|row| varies(&row.case));
        self.rate().is_some_and(|rate| rate >= CAUGHT_MIN) && is_stable && self.never_caught().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(verdicts: &[(&str, Verdict)]) -> BTreeMap<CaseId, Verdict> {
        verdicts.iter().map(|(case, verdict)| (CaseId::from(*case), *verdict)).collect()
    }

    #[test]
    fn a_case_is_stable_when_all_runs_agree() {
        let runs = [
            run(&[("a", Verdict::Pass), ("b", Verdict::Pass), ("c", Verdict::Fail)]),
            run(&[("a", Verdict::Pass), ("b", Verdict::Fail), ("c", Verdict::Fail)]),
            run(&[("a", Verdict::Pass), ("b", Verdict::Pass)]),
        ];
        let found = verdicts(&runs);
        assert_eq!(found[&CaseId::from("a")], Some(Verdict::Pass));
        assert_eq!(found[&CaseId::from("b")], None);
        assert_eq!(found[&CaseId::from("c")], None, "one run has no verdict of it");
        assert!(verdicts(&[]).is_empty());
    }

    fn mutant(state: State) -> MutantRow {
        let mutant = Mutant {
            id: "m".to_owned(),
            title: "It forgets.".to_owned(),
            areas: Vec::new(),
            operations: Vec::new(),
            features: Vec::new(),
            noticed_by: Vec::new(),
            when: crate::config::When::default(),
            changes: Vec::new(),
        };
        MutantRow { mutant, state, cases: 1, changed: 1, catches: Vec::new() }
    }

    fn case(level: Level, verdict: Option<Verdict>, caught: &[&str]) -> CaseRow {
        CaseRow { case: CaseId::from("x"), level, verdict, mutants: 1, caught: caught.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn mutants_that_change_nothing_there_are_not_judged() {
        let mut proof = Proof { mutants: (0..19).map(|_| mutant(State::Caught)).collect(), ..Proof::default() };
        proof.mutants.extend([mutant(State::Missed), mutant(State::NotHere), mutant(State::Untouched)]);
        assert_eq!((proof.caught(), proof.rate(), proof.holds(|_| false)), ((19, 20), Some(0.95), true));
        proof.mutants.push(mutant(State::Missed));
        assert!(!proof.holds(|_| false) && proof.missed().count() == 2);
        assert!(!Proof::default().holds(|_| false), "nothing judged proves nothing");
    }

    #[test]
    fn core_and_common_cases_that_pass_must_have_failed_once() {
        let caught = case(Level::Core, Some(Verdict::Pass), &["m"]);
        let owed = case(Level::Common, Some(Verdict::Variant), &[]);
        let others = [case(Level::Extended, Some(Verdict::Pass), &[]), case(Level::Core, Some(Verdict::Fail), &[])];
        let mut proof = Proof { mutants: vec![mutant(State::Caught)], cases: vec![caught], is_whole: true };
        proof.cases.extend(others);
        assert!(proof.holds(|_| false));
        proof.cases.push(owed);
        assert!(!proof.holds(|_| false) && proof.never_caught().count() == 1);
        proof.is_whole = false;
        assert!(proof.holds(|_| false), "a sample says nothing of it");
    }

    #[test]
    fn a_case_that_changes_its_verdict_spoils_the_proof() {
        let proof = Proof { mutants: vec![mutant(State::Caught)], cases: vec![case(Level::Rare, None, &["m"])], is_whole: true };
        assert!(!proof.holds(|_| false) && proof.unstable().count() == 1 && proof.holds(|_| true));
    }
}
