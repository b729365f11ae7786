//! What holds for any runs.

use proptest::prelude::*;

use super::*;

fn any_case() -> impl Strategy<Value = (Level, Verdict, Option<FailureClass>)> {
    let level = prop::sample::select(vec![Level::Core, Level::Common, Level::Extended, Level::Rare]);
    use FailureClass::{Corrupt, Crash, Timeout, UnsafeIgnore, WrongCode, WrongEffect};
    let class = prop::sample::select(vec![WrongCode, WrongEffect, UnsafeIgnore, Corrupt, Crash, Timeout]);
    let verdict =
        prop::sample::select(vec![Verdict::Pass, Verdict::Fail, Verdict::Variant, Verdict::Unsupported, Verdict::Unresolved, Verdict::Untested]);
    (level, verdict, class).prop_map(|(level, verdict, class)| (level, verdict, (verdict == Verdict::Fail).then_some(class)))
}

fn any_vendor(id: &'static str) -> impl Strategy<Value = VendorRun> {
    let cases = prop::collection::vec(any_case(), 0..12);
    let rates = prop::collection::vec(1.0..5000.0_f64, 0..5);
    let faults = prop::collection::vec((prop::option::of(0.0..100.0_f64), 0.0..1.0_f64, any::<bool>()), 0..4);
    (cases, rates, faults).prop_map(move |(cases, rates, faults)| {
        let mut made = vendor(id);
        made.cases = cases.iter().enumerate().map(|(n, (level, verdict, class))| case(&format!("s::o/{n:02}"), *level, *verdict, *class)).collect();
        made.scenarios = throughput(&rates);
        made.scenarios.extend((1..).zip(faults).map(|(repeat, (recovery, share, met))| {
            let verdict = if met { GateVerdict::Met } else { GateVerdict::NotMet };
            let metrics = [("recovery_s", recovery), ("correct_error_share", Some(share))];
            ScenarioRecord { gates: vec![judged("g", verdict)], ..scenario(Kind::Failure, "failure/a", repeat, &metrics) }
        }));
        made
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_score_lies_between_0_and_1_in_order(a in any_vendor("a"), b in any_vendor("b")) {
        for vendor in scored_with_curve(vec![a, b]).vendors {
            let items = vendor.categories.iter().flat_map(|category| category.items.iter().filter_map(|item| item.score));
            let categories = vendor.categories.iter().filter_map(|category| category.score);
            for score in items.chain(categories).chain(vendor.overall) {
                prop_assert!(0.0 <= score.low && score.low <= score.value + 1e-12 && score.value <= score.high + 1e-12 && score.high <= 1.0 + 1e-12, "{score:?}");
            }
            for category in &vendor.categories {
                prop_assert!((0.0..=1.0).contains(&category.coverage));
            }
        }
    }

    #[test]
    fn another_vendor_never_changes_a_vendors_categories_gates_or_eligibility(a in any_vendor("a"), b in any_vendor("b")) {
        let alone = scored_with_curve(vec![a.clone()]).vendors.remove(0);
        let beside = scored_with_curve(vec![a, b]).vendors.remove(0);
        for (one, two) in alone.categories.iter().zip(&beside.categories) {
            prop_assert_eq!((&one.score, one.coverage, &one.items), (&two.score, two.coverage, &two.items));
        }
        prop_assert_eq!((alone.gates, alone.eligibility), (beside.gates, beside.eligibility));
    }

    #[test]
    fn an_unresolved_case_never_lowers_the_high_end(mut a in any_vendor("a"), index in any::<prop::sample::Index>()) {
        let high = |vendor: &VendorRun| category(&scored_with_curve(vec![vendor.clone()]).vendors[0], Category::Compatibility).score.map_or(0.0, |score| score.high);
        let before = high(&a);
        if !a.cases.is_empty() {
            let record = index.index(a.cases.len());
            a.cases[record].verdict = Verdict::Unresolved;
            a.cases[record].class = None;
        }
        prop_assert!(high(&a) >= before - 1e-12);
    }

    #[test]
    fn a_waiver_never_changes_a_score(a in any_vendor("a")) {
        let plain = scored_with_curve(vec![a.clone()]).vendors.remove(0);
        let mut waived = a;
        let until = jiff::civil::date(2099, 1, 1);
        waived.record.file.waivers = waived.cases.iter().map(|record| Waiver { case: record.case.id.to_string(), reason: "r".to_owned(), owner: String::new(), until }).collect();
        let waived = scored_with_curve(vec![waived]).vendors.remove(0);
        for (one, two) in plain.categories.iter().zip(&waived.categories) {
            prop_assert_eq!((&one.score, one.coverage), (&two.score, two.coverage));
        }
        let scenario_gate = |name: &str| name.starts_with("failure/");
        prop_assert!(waived.gates.iter().all(|gate| gate.verdict != GateVerdict::NotMet || scenario_gate(&gate.name)));
    }
}
