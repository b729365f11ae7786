//! What makes a vendor not eligible or incomplete.

use super::*;

#[test]
fn unsafe_corrupt_and_core_wrong_effect_make_a_vendor_not_eligible() {
    for (class, name) in
        [(FailureClass::UnsafeIgnore, "no_unsafe_ignore"), (FailureClass::Corrupt, "no_corrupt"), (FailureClass::WrongEffect, "no_core_wrong_effect")]
    {
        let mut bad = good("bad");
        bad.cases.push(case("object::put/b", Level::Core, Verdict::Fail, Some(class)));
        let card = scored(vec![good("good"), bad]);
        assert_eq!(card.vendors[1].eligibility, Eligibility::NotEligible(vec![name.to_owned()]));
        assert_eq!(
            (gate(&card.vendors[1], name).deciders.as_slice(), gate(&card.vendors[0], name).verdict),
            (&["object::put/b".to_owned()][..], GateVerdict::Met)
        );
        assert!(card.has_gate_not_met());
    }
    let mut mild = good("mild");
    mild.cases.push(case("object::put/b", Level::Common, Verdict::Fail, Some(FailureClass::WrongEffect)));
    assert!(!scored(vec![mild]).has_gate_not_met(), "a wrong effect below core is no gate");
}

#[test]
fn a_required_suite_needs_every_core_case_and_a_required_case_itself() {
    let with = |verdict, class| {
        let mut vendor = good("v");
        vendor.cases.push(case("lock::put/a", Level::Core, verdict, class));
        vendor.cases.push(case("lock::put/b", Level::Rare, Verdict::Unsupported, None));
        let mut profile = profile();
        profile.gates.required = vec!["lock".to_owned()];
        let card = score(&[run(vec![vendor])], &profile);
        gate(&card.vendors[0], "required lock").verdict
    };
    assert_eq!(with(Verdict::Pass, None), GateVerdict::Met);
    assert_eq!(with(Verdict::Unsupported, None), GateVerdict::NotMet);
    assert_eq!(with(Verdict::Fail, Some(FailureClass::WrongCode)), GateVerdict::NotMet);
    assert_eq!(with(Verdict::Unresolved, None), GateVerdict::Untested);

    let mut vendor = good("v");
    vendor.cases.push(case("lock::put/b", Level::Rare, Verdict::Unsupported, None));
    let read = |case: &str| toml::from_str::<crate::config::Requirement>(&format!("case = \"{case}\"\nreason = \"r\"")).unwrap();
    vendor.record.file.requirements.extend(["lock::put/b", "lock::put/z"].map(read));
    let card = scored(vec![vendor]);
    assert_eq!(gate(&card.vendors[0], "required lock::put/b").verdict, GateVerdict::NotMet);
    assert_eq!(gate(&card.vendors[0], "required lock::put/z").verdict, GateVerdict::Untested);
}

#[test]
fn a_waiver_changes_gates_only_and_only_until_its_day() {
    let mut bad = good("v");
    bad.cases.push(case("object::put/b", Level::Core, Verdict::Fail, Some(FailureClass::Corrupt)));
    let plain = scored(vec![bad.clone()]);
    let waive = |until: jiff::civil::Date| {
        let mut vendor = bad.clone();
        vendor.record.file.waivers.push(Waiver { case: "object::put/b".to_owned(), reason: "ACME-1".to_owned(), owner: String::new(), until });
        scored(vec![vendor])
    };
    let waived = waive(jiff::civil::date(2026, 11, 21));
    assert_eq!(gate(&waived.vendors[0], "no_corrupt").verdict, GateVerdict::Waived);
    assert!(!waived.has_gate_not_met());
    for category in Category::ALL {
        let score = |card: &Scorecard| self::category(&card.vendors[0], category).score;
        assert_eq!(score(&waived), score(&plain));
    }
    assert!(category(&waived.vendors[0], Category::Compatibility).items[1].rule.contains("waived until 2026-11-21"));
    assert!(waive(jiff::civil::date(2026, 11, 20)).has_gate_not_met(), "expired");
}

#[test]
fn too_many_unresolved_cases_make_a_vendor_incomplete() {
    let mut vendor = good("v");
    vendor.cases.push(case("object::get/b", Level::Core, Verdict::Unresolved, None));
    let card = scored(vec![vendor.clone()]);
    assert!(card.has_too_many_unresolved() && !card.has_gate_not_met());
    assert!(matches!(card.vendors[0].eligibility, Eligibility::Incomplete(_)));
    vendor.cases.extend((0..4).map(|n| case(&format!("object::get/c{n}"), Level::Core, Verdict::Pass, None)));
    assert!(!scored(vec![vendor]).has_too_many_unresolved(), "one of six is below 20 %");
}
