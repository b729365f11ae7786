//! Which categories are compared, and in which order vendors stand.

use super::*;

#[test]
fn vendors_are_compared_on_what_is_scored_for_all_of_them() {
    let mut priced = good("a");
    priced.record.file.pricing = toml::from_str::<Vendor>(&format!("title = \"v\"\ndeployment = \"managed\"\n{PRICING}")).unwrap().pricing;
    let alone = scored(vec![priced.clone()]);
    near(category(&alone.vendors[0], Category::Cost).weight, 0.15 / 0.7);
    let both = scored(vec![priced, good("b")]);
    assert_eq!(category(&both.vendors[0], Category::Cost).weight, 0.0);
    assert_eq!(both.vendors[0].overall, Some(Interval::exact(1.0)));
    assert!(both.notes[0].contains("leaves out performance, cost, operability"), "{:?}", both.notes);
}

#[test]
fn an_abandoned_or_unfinished_vendor_takes_no_category_from_the_others() {
    let mut abandoned = vendor("gone");
    abandoned.record.state = VendorState::Abandoned("does not answer".to_owned());
    let mut half = good("half");
    half.scenarios.clear();
    half.record.state = VendorState::Incomplete;
    let card = scored(vec![good("a"), abandoned, half]);
    assert_eq!(card.vendors[0].overall, Some(Interval::exact(1.0)));
    near(category(&card.vendors[0], Category::Durability).weight, 0.25 / 0.55);
    assert_eq!((card.vendors[1].overall, card.vendors[2].overall, card.vendors[2].rank), (None, None, None));
    assert!(matches!(&card.vendors[1].eligibility, Eligibility::Incomplete(reasons) if reasons[0].contains("does not answer")));
}

#[test]
fn ranks_follow_the_low_end_and_vendors_that_are_not_eligible_come_last() {
    let mut doubtful = good("doubtful");
    doubtful.cases.extend((0..8).map(|n| case(&format!("object::get/{n}"), Level::Core, Verdict::Pass, None)));
    doubtful.cases.push(case("object::get/u", Level::Core, Verdict::Unresolved, None));
    let mut weaker = good("weaker");
    weaker.cases.push(case("object::get/b", Level::Core, Verdict::Fail, Some(FailureClass::WrongCode)));
    let mut broken = good("broken");
    broken.cases.push(case("object::get/rare", Level::Rare, Verdict::Fail, Some(FailureClass::Corrupt)));
    let mut prices = vendor("prices");
    prices.record.state = VendorState::PriceOnly;
    let card = scored(vec![broken, weaker, doubtful, prices, good("best")]);
    let rows: Vec<_> = card.vendors.iter().map(|vendor| (vendor.vendor.as_str(), vendor.rank, vendor.leading)).collect();
    assert_eq!(
        rows,
        [("broken", Some(4), false), ("weaker", Some(3), false), ("doubtful", Some(2), true), ("prices", None, false), ("best", Some(1), true)]
    );
    assert_eq!(card.vendors[3].eligibility, Eligibility::PriceOnly);
}

#[test]
fn a_turned_order_by_the_geometric_mean_is_said() {
    let mixed = |id: &str, cases: &[Verdict], faults: &[bool]| {
        let mut vendor = vendor(id);
        vendor.cases.extend(cases.iter().enumerate().map(|(n, verdict)| case(&format!("s::o/{n}"), Level::Core, *verdict, None)));
        vendor.scenarios.extend((1..).zip(faults).map(|(repeat, met)| {
            let (recovery, share, leaked) = if *met { (0.0, 1.0, 0.0) } else { (1e9, 0.0, 1.0) };
            let metrics = [("recovery_s", Some(recovery)), ("correct_error_share", Some(share)), ("leaked_parts", Some(leaked))];
            ScenarioRecord { gates: vec![judged("g", GateVerdict::Met)], ..scenario(Kind::Failure, "failure/a", repeat, &metrics) }
        }));
        vendor
    };
    // Weighted .3 : .25. First: 1.0 and .5; second: .65 and .9.
    let uneven = mixed("uneven", &[Verdict::Pass; 2], &[true, false]);
    let even = mixed("even", &[Verdict::Pass, Verdict::Unsupported], &[true, true, true, true, true, true, true, true, true, false]);
    let card = scored(vec![uneven.clone(), even.clone()]);
    let (a, b) = (&card.vendors[0], &card.vendors[1]);
    let turned = (a.overall.unwrap().value > b.overall.unwrap().value) != (a.geometric.unwrap() > b.geometric.unwrap());
    assert_eq!(card.notes.iter().any(|note| note.contains("The order depends on the mean")), turned);
    let low = mixed("low", &[Verdict::Pass; 2], &[true, false, false, false]);
    let flat = mixed("flat", &[Verdict::Pass, Verdict::Unsupported], &[true, true, true, false, false]);
    let card = scored(vec![low, flat]);
    assert!(card.vendors[0].overall.unwrap().value > card.vendors[1].overall.unwrap().value);
    assert!(card.notes.iter().any(|note| note.contains("low is before flat by the weighted mean")), "{:?}", card.notes);
}

#[test]
fn the_hash_changes_with_the_profile_and_not_with_the_runs() {
    let base = scored_with_curve(vec![good("a")]).model_hash;
    assert_eq!((base.len(), &base), (16, &scored_with_curve(vec![good("b")]).model_hash));
    let mut other = profile_with_curve();
    other.curves[0].good = 2001.0;
    assert_ne!(score(&[run(vec![good("a")])], &other).model_hash, base);
}

#[test]
fn no_runs_give_an_empty_scorecard() {
    assert_eq!(score(&[], &profile()).vendors, Vec::new());
}
