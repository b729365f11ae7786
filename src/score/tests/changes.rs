//! What changed between two runs.

use super::*;

fn with(verdict: Verdict, class: Option<FailureClass>) -> Run {
    let mut vendor = good("v");
    vendor.cases.push(case("lock::put/a", Level::Core, verdict, class));
    run(vec![vendor])
}

fn changes(before: (Verdict, Option<FailureClass>), now: (Verdict, Option<FailureClass>)) -> Changes {
    compare(&with(before.0, before.1), &with(now.0, now.1)).remove(0)
}

#[test]
fn worse_is_a_regression_and_better_a_fix() {
    let (pass, wrong_code) = ((Verdict::Pass, None), (Verdict::Fail, Some(FailureClass::WrongCode)));
    let corrupt = (Verdict::Fail, Some(FailureClass::Corrupt));
    for (before, now) in [(pass, corrupt), (pass, (Verdict::Unsupported, None)), (wrong_code, corrupt)] {
        assert!(changes(before, now).has_regression(), "{before:?} {now:?}");
        let back = changes(now, before);
        assert!(!back.has_regression() && back.fixes.len() == 1, "{before:?} {now:?}");
    }
    assert_eq!(changes(pass, corrupt).gates_lost, ["no_corrupt"]);
    assert_eq!(changes(pass, pass), changes(corrupt, corrupt));
}

#[test]
fn what_the_harness_could_not_decide_is_no_regression() {
    let undecided = changes((Verdict::Pass, None), (Verdict::Unresolved, None));
    assert!(undecided.regressions.is_empty() && undecided.others.len() == 1);
}

#[test]
fn a_fix_that_a_waiver_still_excuses_is_named() {
    let (before, mut now) = (with(Verdict::Fail, Some(FailureClass::WrongCode)), with(Verdict::Pass, None));
    let until = jiff::civil::date(2026, 12, 31);
    let waiver = Waiver { case: "lock::put/a".to_owned(), reason: "TICKET-1".to_owned(), owner: String::new(), until };
    now.vendors[0].record.file.waivers.push(waiver);
    let changes = compare(&before, &now).remove(0);
    assert_eq!(changes.unrecorded, ["lock::put/a (waived until 2026-12-31: TICKET-1)"]);
    assert!(!changes.has_regression());
}
