//! What buyers and applications ask for, held against verdicts.

use super::*;
use crate::config::{NamedApplication, Priority, Requirement};

fn requirement(name: &str, priority: Priority) -> Requirement {
    Requirement { case: name.to_owned(), priority, reason: "r".to_owned(), owner: "o".to_owned(), until: None }
}

fn waiver(case: &str, until: jiff::civil::Date) -> Waiver {
    Waiver { case: case.to_owned(), reason: "TICKET-1".to_owned(), owner: "o".to_owned(), until }
}

const TODAY: jiff::civil::Date = jiff::civil::date(2026, 11, 21);
const YESTERDAY: jiff::civil::Date = jiff::civil::date(2026, 11, 20);

fn standing(verdict: Verdict, class: Option<FailureClass>, until: Option<jiff::civil::Date>) -> Standing {
    let mut vendor = good("v");
    vendor.cases.push(case("lock::put/a", Level::Core, verdict, class));
    vendor.record.file.requirements.push(requirement("lock::put/a", Priority::Should));
    vendor.record.file.waivers.extend(until.map(|until| waiver("lock::put/a", until)));
    scored(vec![vendor]).vendors[0].requirements[0].standing
}

#[test]
fn the_ratchet_works_both_ways() {
    let fail = (Verdict::Fail, Some(FailureClass::WrongEffect));
    assert_eq!(standing(fail.0, fail.1, None), Standing::NotMet);
    assert_eq!(standing(fail.0, fail.1, Some(TODAY)), Standing::Waived);
    assert_eq!(standing(fail.0, fail.1, Some(YESTERDAY)), Standing::WaiverExpired);
    assert_eq!(standing(Verdict::Pass, None, None), Standing::Met);
    assert_eq!(standing(Verdict::Pass, None, Some(TODAY)), Standing::NewlyPassing);
    assert_eq!(standing(Verdict::Untested, None, None), Standing::Untested);
}

#[test]
fn only_a_must_is_a_gate_and_what_is_not_used_breaks_none() {
    let with = |priority| {
        let mut vendor = good("v");
        vendor.cases.push(case("lock::put/a", Level::Core, Verdict::Fail, Some(FailureClass::UnsafeIgnore)));
        vendor.record.file.requirements.push(requirement("lock", priority));
        scored(vec![vendor]).vendors.remove(0)
    };
    assert_eq!(gate(&with(Priority::Must), "required lock").verdict, GateVerdict::NotMet);
    assert!(with(Priority::Should).gates.iter().all(|gate| gate.name != "required lock"));
    assert_eq!(gate(&with(Priority::Should), "no_unsafe_ignore").verdict, GateVerdict::NotMet);
    let unused = with(Priority::Wont);
    assert_eq!(gate(&unused, "no_unsafe_ignore").verdict, GateVerdict::Met);
    assert_eq!(unused.requirements[0].standing, Standing::NotUsed);
}

#[test]
fn a_requirement_of_the_profile_holds_for_every_vendor_until_its_day() {
    let mut profile = profile();
    profile.requirements =
        vec![requirement("PUT-01", Priority::Must), Requirement { until: Some(YESTERDAY), ..requirement("PUT-02", Priority::Must) }];
    let mut vendor = good("v");
    let mut failing = case("object::put/z", Level::Common, Verdict::Fail, Some(FailureClass::WrongCode));
    failing.case.rows = vec!["PUT-01".to_owned()];
    vendor.cases.push(failing);
    let mut run = run(vec![vendor]);
    run.header.profile = profile.clone();
    let card = score(&[run], &profile);
    assert_eq!(gate(&card.vendors[0], "required PUT-01").verdict, GateVerdict::NotMet);
    assert!(card.vendors[0].requirements.iter().all(|outcome| outcome.name != "PUT-02"), "it has run out");
}

const APPLICATION: &str = r#"
title = "App"
kind = "application"
about = "a"
source = "s"
[[need]]
rows = ["PUT-01"]
why = "writes"
[[need]]
cases = ["delete::many/all"]
why = "bulk deletes"
setting = { name = "bulk=false", cost = "slower", cases = ["delete::one/it"] }
"#;

fn judged_applications(mut run: Run, texts: &[(&str, &str)]) -> Vec<ApplicationVerdict> {
    run.header.applications = NamedApplication::parse(texts).unwrap();
    score(&[run], &profile()).vendors.remove(0).applications
}

fn judged(put: (Verdict, Option<FailureClass>), many: (Verdict, Option<FailureClass>), one: Verdict) -> ApplicationVerdict {
    let mut vendor = good("v");
    let mut writes = case("object::put/w", Level::Core, put.0, put.1);
    writes.case.rows = vec!["PUT-01".to_owned()];
    vendor.cases.extend([writes, case("delete::many/all", Level::Core, many.0, many.1), case("delete::one/it", Level::Core, one, None)]);
    let run = run(vec![vendor]);
    judged_applications(run, &[("app", APPLICATION)]).remove(0)
}

#[test]
fn an_application_is_judged_by_the_cases_of_its_needs() {
    let (pass, wrong) = ((Verdict::Pass, None), |class| (Verdict::Fail, Some(class)));
    let readiness = |put, many, one| judged(put, many, one).readiness;
    assert_eq!(readiness(pass, pass, Verdict::Pass), Readiness::Usable);
    assert_eq!(readiness(wrong(FailureClass::WrongCode), pass, Verdict::Pass), Readiness::Usable, "it does not look at codes");
    assert_eq!(readiness(wrong(FailureClass::WrongEffect), pass, Verdict::Pass), Readiness::NotUsable);
    assert_eq!(readiness(wrong(FailureClass::UnsafeIgnore), pass, Verdict::Pass), Readiness::Unsafe);
    assert_eq!(readiness((Verdict::Untested, None), pass, Verdict::Pass), Readiness::Undecided);
}

#[test]
fn a_setting_helps_only_where_it_holds_itself() {
    let (pass, unsupported) = ((Verdict::Pass, None), (Verdict::Unsupported, None));
    let helped = judged(pass, unsupported, Verdict::Pass);
    assert_eq!((helped.readiness, helped.settings.as_slice()), (Readiness::WithSetting, &["bulk=false (slower)".to_owned()][..]));
    assert_eq!(helped.deciders[0].case, "delete::many/all");
    assert_eq!(judged(pass, unsupported, Verdict::Untested).readiness, Readiness::NotUsable);
    let corrupting = judged(pass, (Verdict::Fail, Some(FailureClass::Corrupt)), Verdict::Unsupported);
    assert_eq!(corrupting.readiness, Readiness::Unsafe);
}

#[test]
fn an_sdk_generations_own_requests_speak_for_it_alone() {
    let mut vendor = good("v");
    for (id, class) in [("object::put/w", None), ("client::put/old", Some(FailureClass::WrongEffect))] {
        let mut record = case(id, Level::Core, if class.is_some() { Verdict::Fail } else { Verdict::Pass }, class);
        record.case.rows = vec!["PUT-01".to_owned()];
        vendor.cases.push(record);
    }
    let sdk = "title = \"Old\"\nkind = \"sdk\"\nabout = \"a\"\nsource = \"s\"\n[[need]]\nwhy = \"w\"\ncases = [\"client::put/old\"]\n";
    let application = "title = \"App\"\nkind = \"application\"\nabout = \"a\"\nsource = \"s\"\n[[need]]\nwhy = \"w\"\nrows = [\"PUT-01\"]\n";
    let judged = judged_applications(run(vec![vendor]), &[("app", application), ("old", sdk)]);
    assert_eq!((judged[0].readiness, judged[1].readiness), (Readiness::Usable, Readiness::NotUsable));
}
