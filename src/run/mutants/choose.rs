//! Which cases run against which mutants.

use std::collections::{BTreeMap, BTreeSet};

use super::proof::{CaseRow, MutantRow, State, can_catch};
use crate::case::Case;
use crate::config::Mutant;
use crate::model::{CaseId, Level, Verdict};
use crate::wire::Exchange;

/// What the runs without a mutant showed.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    /// The verdict in all runs, if they agree.
    pub verdicts: BTreeMap<CaseId, Option<Verdict>>,
    /// What each case sent and got.
    pub exchanges: BTreeMap<CaseId, Vec<Exchange>>,
}

/// Chooses by what was seen without a mutant.
pub(super) struct Chooser<'a> {
    pub cases: &'a [Case],
    pub baseline: &'a Baseline,
    pub mutants: &'a [Mutant],
}

fn is_of_area(mutant: &Mutant, case: &Case) -> bool {
    case.info.rows.iter().any(|row| mutant.areas.iter().any(|area| row.starts_with(area.as_str())))
}

impl Chooser<'_> {
    /// Whether a mutant may change what the case sees, and the case would fail then.
    fn meets(&self, mutant: &Mutant, case: &Case) -> bool {
        let id = &case.info.id;
        let sent = self.baseline.exchanges.get(id).map(Vec::as_slice).unwrap_or_default();
        self.passes(id) && sent.iter().any(|exchange| touches(mutant, exchange))
    }

    /// Whether the case passes without a mutant, in all runs.
    fn passes(&self, id: &CaseId) -> bool {
        can_catch(self.baseline.verdicts.get(id).copied().flatten())
    }

    /// Whether the vendor behaves like the mutant by itself: no case passes that must notice it.
    fn is_so_already(&self, mutant: &Mutant) -> bool {
        !mutant.noticed_by.is_empty() && !mutant.noticed_by.iter().any(|id| self.passes(id))
    }

    /// The cases that may notice a mutant, those that must first, then its own areas' and operations', at most `limit`.
    pub fn candidates(&self, index: usize, limit: usize) -> Vec<Case> {
        let mutant = &self.mutants[index];
        if self.is_so_already(mutant) {
            return Vec::new();
        }
        let mut found: Vec<Case> = self.cases.iter().filter(|case| self.meets(mutant, case)).cloned().collect();
        // One of a family is about its operation: cases that only use it on the way, and pass whatever it answers, say nothing.
        let is_own = |case: &Case| mutant.operations.contains(&case.info.api_operation());
        if mutant.is_of_family() && !found.iter().any(is_own) {
            return Vec::new();
        }
        found.sort_by_key(|case| {
            let must = mutant.noticed_by.contains(&case.info.id);
            (!must, !is_of_area(mutant, case), !is_own(case))
        });
        found.truncate(limit);
        found
    }

    /// For each core and common case that was never seen failing, the next mutant to try: first those of its own operation alone, then
    /// those of its areas. Grouped by mutant.
    pub fn owed(&self, seen: &BTreeSet<&CaseId>, tried: &BTreeSet<(usize, CaseId)>, is_here: &dyn Fn(usize) -> bool) -> Vec<(usize, Vec<Case>)> {
        let mut works: BTreeMap<usize, Vec<Case>> = BTreeMap::new();
        for case in self.cases.iter().filter(|case| case.info.level <= Level::Common && !seen.contains(&case.info.id)) {
            let is_new = |index: &usize| is_here(*index) && !tried.contains(&(*index, case.info.id.clone()));
            let own = [case.info.api_operation()];
            let rank = |index: &usize| (self.mutants[*index].operations != own, !is_of_area(&self.mutants[*index], case), *index);
            let next = (0..self.mutants.len()).filter(is_new).filter(|index| self.meets(&self.mutants[*index], case)).min_by_key(rank);
            if let Some(index) = next {
                works.entry(index).or_default().push(case.clone());
            }
        }
        works.into_iter().collect()
    }

    /// The cases and what they noticed.
    pub fn case_rows(&self, rows: &[MutantRow]) -> Vec<CaseRow> {
        let of = |case: &Case| {
            let id = &case.info.id;
            let caught = rows.iter().filter(|row| row.catches.iter().any(|found| found.case == *id)).map(|row| row.mutant.id.clone()).collect();
            let mutants = rows.iter().filter(|row| row.state != State::NotHere && self.meets(&row.mutant, case)).count();
            let verdict = self.baseline.verdicts.get(id).copied().flatten();
            CaseRow { case: id.clone(), level: case.info.level, verdict, mutants, caught }
        };
        self.cases.iter().map(of).collect()
    }
}

/// Whether the mutant would have changed this exchange, or may have: a body that was recorded in part counts.
fn touches(mutant: &Mutant, exchange: &Exchange) -> bool {
    let when = &mutant.when;
    let has_sent = |part: &String| exchange.request_body.contains(part.as_str()) || exchange.request_body_bytes > exchange.request_body.len() as u64;
    let is_cut = exchange.response_body_bytes > exchange.response_body.len() as u64;
    mutant.operations.contains(&exchange.operation)
        && when.asks(&exchange.target, &exchange.request_headers)
        && when.body.as_ref().is_none_or(has_sent)
        && (exchange.status == 0 || when.is_answered(exchange.status, &exchange.response_headers))
        && (is_cut || when.is_told(&exchange.response_body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::Suite;

    fn cases() -> Vec<Case> {
        let suite = Suite::new("s").core("get_object/a", &["GET-01"], "It reads.", async |_| Ok(())).common(
            "put_object/b",
            &["CWR-02"],
            "It writes.",
            async |_| Ok(()),
        );
        suite.rare("get_object/c", &["GET-02"], "It is rare.", async |_| Ok(())).cases().to_vec()
    }

    fn mutant(id: &str, area: &str, operations: &str, when: &str) -> Mutant {
        let text = format!(
            "id = '{id}'\ntitle = 'It.'\nareas = ['{area}']\noperations = {operations}\nwhen = {{ {when} }}\nchanges = [{{ swallow-repeat = {{}} }}]"
        );
        toml::from_str(&text).unwrap()
    }

    fn exchange(operation: &str, status: u16) -> Exchange {
        Exchange { operation: operation.to_owned(), status, target: "/b/k".to_owned(), ..Exchange::default() }
    }

    fn baseline() -> Baseline {
        let mut baseline = Baseline::default();
        for case in cases() {
            baseline.verdicts.insert(case.info.id.clone(), Some(Verdict::Pass));
            baseline.exchanges.insert(case.info.id.clone(), vec![exchange("PutObject", 200), exchange("GetObject", 404)]);
        }
        baseline
    }

    fn names(cases: &[Case]) -> Vec<&str> {
        cases.iter().map(|case| case.info.id.as_str()).collect()
    }

    #[test]
    fn only_cases_that_pass_and_did_what_a_mutant_touches_run_against_it_its_areas_first() {
        let (cases, mut baseline) = (cases(), baseline());
        let mutants = [
            mutant("a", "CWR", "['PutObject']", ""),
            mutant("b", "GET", "['GetObject']", "status = '2xx'"),
            mutant("c", "LST", "['ListObjects']", ""),
        ];
        let of = |baseline: &Baseline, index| names(&Chooser { cases: &cases, baseline, mutants: &mutants }.candidates(index, 2)).join(" ");
        assert_eq!(of(&baseline, 0), "s::put_object/b s::get_object/a");
        assert_eq!((of(&baseline, 1), of(&baseline, 2)), (String::new(), String::new()));
        baseline.verdicts.insert(CaseId::from("s::put_object/b"), Some(Verdict::Fail));
        baseline.verdicts.insert(CaseId::from("s::get_object/a"), None);
        assert_eq!(of(&baseline, 0), "s::get_object/c");
    }

    #[test]
    fn a_mutant_that_the_vendor_is_already_meets_no_case() {
        let (cases, mut baseline) = (cases(), baseline());
        let mut mutants = [mutant("a", "CWR", "['PutObject']", "")];
        mutants[0].noticed_by = vec![CaseId::from("s::get_object/c")];
        let of = |baseline: &Baseline| names(&Chooser { cases: &cases, baseline, mutants: &mutants }.candidates(0, 9)).join(" ");
        assert_eq!(of(&baseline), "s::get_object/c s::put_object/b s::get_object/a", "the one that must notice is first");
        baseline.verdicts.insert(CaseId::from("s::get_object/c"), Some(Verdict::Fail));
        assert_eq!(of(&baseline), "");
    }

    #[test]
    fn a_case_that_never_failed_gets_the_next_mutant_of_its_operation() {
        let (cases, baseline) = (cases(), baseline());
        let mutants =
            [mutant("a", "CWR", "['PutObject', 'GetObject']", ""), mutant("b", "ERR", "['GetObject']", ""), mutant("c", "ERR", "['PutObject']", "")];
        let chooser = Chooser { cases: &cases, baseline: &baseline, mutants: &mutants };
        let shown =
            |works: Vec<(usize, Vec<Case>)>| works.iter().map(|(index, cases)| format!("{index} {}", names(cases).join(" "))).collect::<Vec<_>>();
        let mut tried = BTreeSet::new();
        assert_eq!(shown(chooser.owed(&BTreeSet::new(), &tried, &|_| true)), ["1 s::get_object/a", "2 s::put_object/b"]);
        tried.insert((1, CaseId::from("s::get_object/a")));
        let seen = CaseId::from("s::put_object/b");
        assert_eq!(shown(chooser.owed(&BTreeSet::from([&seen]), &tried, &|_| true)), ["0 s::get_object/a"]);
        assert!(chooser.owed(&BTreeSet::from([&seen]), &tried, &|index| index == 1).is_empty());
    }
}
