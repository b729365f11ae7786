//! How records become category scores.

use super::*;

#[test]
fn every_verdict_has_its_value_and_every_level_its_weight() {
    use FailureClass::{Corrupt, Crash, Timeout, UnsafeIgnore, WrongCode, WrongEffect};
    let fail = Verdict::Fail;
    let table = [
        (Level::Core, Verdict::Pass, None, 10.0, 1.0),
        (Level::Common, Verdict::Variant, None, 5.0, 1.0),
        (Level::Extended, Verdict::Unsupported, None, 2.0, 0.3),
        (Level::Rare, fail, Some(WrongCode), 1.0, 0.6),
        (Level::Core, fail, Some(WrongEffect), 10.0, 0.1),
        (Level::Core, fail, Some(UnsafeIgnore), 10.0, 0.0),
        (Level::Core, fail, Some(Corrupt), 10.0, 0.0),
        (Level::Core, fail, Some(Crash), 10.0, 0.0),
        (Level::Core, fail, Some(Timeout), 10.0, 0.0),
    ];
    for (level, verdict, class, weight, value) in table {
        let mut vendor = vendor("v");
        vendor.cases.push(case("s::o/a", level, verdict, class));
        let card = scored(vec![vendor]);
        let item = &category(&card.vendors[0], Category::Compatibility).items[0];
        assert_eq!((item.weight, item.score.unwrap()), (weight, Interval::exact(value)), "{verdict} {class:?}");
        assert_eq!(item.evidence.as_deref(), Some("v/evidence/x.json"));
    }
}

#[test]
fn untested_lowers_coverage_and_unresolved_widens_the_interval() {
    let mut vendor = vendor("v");
    vendor.cases.push(case("s::o/pass", Level::Core, Verdict::Pass, None));
    vendor.cases.push(case("s::o/unresolved", Level::Common, Verdict::Unresolved, None));
    vendor.cases.push(case("s::o/untested", Level::Common, Verdict::Untested, None));
    let card = scored(vec![vendor]);
    let compatibility = category(&card.vendors[0], Category::Compatibility);
    near(compatibility.coverage, 0.75);
    let score = compatibility.score.unwrap();
    near(score.low, 10.0 / 15.0);
    assert_eq!((score.value, score.high), (1.0, 1.0));
    assert_eq!(compatibility.items.len(), 3, "untested is shown");
}

#[test]
fn a_planned_case_without_a_record_counts_as_untested() {
    let mut run = run(vec![good("v")]);
    let planned = PlannedVendor {
        vendor: VendorId::from("v"),
        measured: true,
        cases: vec!["object::get/a".to_owned(), "object::get/b".to_owned()],
        scenarios: vec!["failure/crash #1".to_owned(), "failure/pause #1".to_owned(), "throughput/get get_object 1 MiB x1 #1".to_owned()],
        skipped: vec![Skip { what: "object::get/c".to_owned(), reason: "not permitted".to_owned() }],
        estimate: Estimate::default(),
        cost_usd: None,
        impacts: Vec::new(),
    };
    run.header.plan.vendors.push(planned);
    let card = score(&[run], &profile_with_curve());
    near(category(&card.vendors[0], Category::Compatibility).coverage, 1.0 / 3.0);
    near(category(&card.vendors[0], Category::Durability).coverage, 0.5);
    let performance = category(&card.vendors[0], Category::Performance);
    assert_eq!((performance.coverage, performance.items[0].id.as_str()), (0.0, "throughput/get get_object 1 MiB x1 throughput_mib_s"));
    assert!(
        matches!(&card.vendors[0].eligibility, Eligibility::Incomplete(reasons) if reasons.iter().any(|reason| reason.starts_with("coverage compatibility")))
    );
    assert_eq!(card.vendors[0].rank, None);
}

#[test]
fn a_managed_vendor_is_not_incomplete_for_faults_that_need_its_servers() {
    let mut managed = good("v");
    managed.record.file.deployment = Deployment::Managed;
    managed.scenarios.extend(
        [1, 2].map(|repeat| ScenarioRecord {
            outcome: Outcome::Untested("no hook".to_owned()),
            ..scenario(Kind::Failure, "failure/pause", repeat, &[])
        }),
    );
    let mut self_run = managed.clone();
    self_run.record.file.deployment = Deployment::SelfRun;
    let card = score(&[run(vec![managed, self_run])], &profile());
    near(category(&card.vendors[0], Category::Durability).coverage, 0.5);
    assert_eq!(card.vendors[0].eligibility, Eligibility::Eligible);
    assert!(matches!(card.vendors[1].eligibility, Eligibility::Incomplete(_)));
}

#[test]
fn a_failure_scenario_is_scored_by_the_formula_and_by_0_when_a_gate_breaks() {
    let metrics = [("unavailable_s", Some(4.0)), ("recovery_s", Some(12.0)), ("correct_error_share", Some(0.98)), ("leaked_parts", Some(0.0))];
    let mut vendor = vendor("v");
    let mut first = scenario(Kind::Failure, "failure/crash", 1, &metrics);
    first.parameters.insert("tolerates_fault".to_owned(), "true".to_owned());
    first.gates.push(judged("no_acked_loss", GateVerdict::Met));
    vendor.scenarios.push(first.clone());
    let durability = |vendor: &VendorRun| category(&scored(vec![vendor.clone()]).vendors[0], Category::Durability).clone();
    near(durability(&vendor).score.unwrap().value, 0.797153);

    vendor.scenarios[0].parameters.clear();
    near(durability(&vendor).score.unwrap().value, (0.3 * 0.743887 + 0.2 * 0.98 + 0.1) / 0.6);

    vendor.scenarios[0].parameters.insert("recovered".to_owned(), "false".to_owned());
    let bound = durability(&vendor).score.unwrap();
    near(bound.high, (0.3 * 0.743887 + 0.2 * 0.98 + 0.1) / 0.6);
    near(bound.low, (0.2 * 0.98 + 0.1) / 0.6);

    vendor.scenarios[0] = first.clone();
    vendor.scenarios.push(ScenarioRecord { repeat: 2, gates: vec![judged("no_acked_loss", GateVerdict::NotMet)], ..first });
    let two = durability(&vendor).score.unwrap();
    near(two.value, 0.797153 / 2.0);
    assert_eq!(two.low, 0.0);
    near(two.high, 0.797153);
    let card = scored(vec![vendor]);
    let broken = gate(&card.vendors[0], "failure/crash no_acked_loss");
    assert_eq!(
        (broken.verdict, broken.observed.as_str(), broken.deciders.as_slice()),
        (GateVerdict::NotMet, "o (met in 1 of 2)", &["#2".to_owned()][..])
    );
    assert_eq!(card.vendors[0].eligibility, Eligibility::NotEligible(vec!["failure/crash no_acked_loss".to_owned()]));
}

#[test]
fn a_fault_without_a_judged_gate_proves_nothing_and_an_unresolved_one_is_0_to_1() {
    let mut vendor = vendor("v");
    vendor
        .scenarios
        .push(ScenarioRecord { gates: vec![judged("no_acked_loss", GateVerdict::Untested)], ..scenario(Kind::Failure, "failure/a", 1, &[]) });
    vendor.scenarios.push(ScenarioRecord { outcome: Outcome::Unresolved("reset".to_owned()), ..scenario(Kind::Failure, "failure/b", 1, &[]) });
    let card = scored(vec![vendor]);
    let items = &category(&card.vendors[0], Category::Durability).items;
    assert_eq!(items[0].score, None);
    assert_eq!(items[1].score.map(|score| (score.low, score.high)), Some((0.0, 1.0)));
}

#[test]
fn repeats_are_combined_by_their_median_with_an_interval() {
    let mut vendor = good("v");
    vendor.scenarios.extend(throughput(&[900.0, 1000.0, 1200.0]));
    let card = scored_with_curve(vec![vendor.clone()]);
    let performance = category(&card.vendors[0], Category::Performance);
    let score = performance.score.unwrap();
    near(score.value, 0.739166);
    let (low, high) = stats::t_interval(&[900.0, 1000.0, 1200.0]).unwrap();
    near(score.low, stats::curve(Direction::HigherBetter, low, 2000.0, 500.0));
    near(score.high, stats::curve(Direction::HigherBetter, high, 2000.0, 500.0));
    near(performance.weight, 0.2 / 0.75);
    assert!(performance.items[0].observed.starts_with("1000 u (median of 3, 95 % interval "), "{}", performance.items[0].observed);

    let limited = ClientLoad { cpu_percent: 200.0, cores: 2, limited: Some("CPU".to_owned()) };
    vendor.scenarios.last_mut().unwrap().client_load = Some(limited);
    let bound = category(&scored_with_curve(vec![vendor]).vendors[0], Category::Performance).score.unwrap();
    assert_eq!((bound.low, bound.value, bound.high), (score.low, score.value, 1.0));
}

#[test]
fn performance_stays_out_in_a_lab_in_a_debug_build_and_with_one_repeat() {
    let mut lab = good("v");
    lab.scenarios.extend(throughput(&[1000.0, 1000.0]));
    lab.record.setting = Setting::Lab;
    let card = scored_with_curve(vec![lab.clone()]);
    let performance = category(&card.vendors[0], Category::Performance);
    assert_eq!((performance.weight, performance.score.is_some()), (0.0, true), "shown, not counted");
    assert!(card.notes.iter().any(|note| note.contains("not vendor performance")), "{:?}", card.notes);

    lab.record.setting = Setting::Production;
    let mut debug = run(vec![lab]);
    debug.header.build_profile = "debug".to_owned();
    let card = score(&[debug], &profile_with_curve());
    assert_eq!(category(&card.vendors[0], Category::Performance).score, None);
    assert_eq!(card.vendors[0].eligibility, Eligibility::Eligible);

    let mut once = good("v");
    once.scenarios.extend(throughput(&[1000.0]));
    let card = scored_with_curve(vec![once]);
    assert_eq!(category(&card.vendors[0], Category::Performance).weight, 0.0);
    assert!(card.notes.iter().any(|note| note.contains("one repeat has no interval and is never ranked")), "{:?}", card.notes);
}

#[test]
fn cost_is_scored_against_the_budget_with_the_price_date() {
    let mut vendor = good("v");
    vendor.record.file = toml::from_str(&format!("title = \"v\"\ndeployment = \"managed\"\n{PRICING}")).unwrap();
    let card = scored(vec![vendor]);
    let cost = category(&card.vendors[0], Category::Cost);
    near(cost.score.unwrap().value, 0.827533);
    assert_eq!(cost.items[0].observed, "12 USD per TB-month, prices of 2026-01-01 (quote)");
    assert!(cost.note.as_ref().unwrap().contains("older than 180 days"), "{:?}", cost.note);
}

#[test]
fn the_explanation_shows_every_item_and_the_sum() {
    let mut vendor = good("v");
    vendor.cases.push(case("object::put/b", Level::Common, Verdict::Fail, Some(FailureClass::WrongCode)));
    let text = explain(&scored(vec![vendor]).vendors[0], Category::Compatibility);
    for part in ["object::put/b", "fail: wrong_code = 0.6", "coverage = 15 / 15", "score = 13.000000 / 15 = 0.866667"] {
        assert!(text.contains(part), "{part} is not in:\n{text}");
    }
}
