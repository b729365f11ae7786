//! Whole evaluations of real servers, driven as a user drives them: one command, then what it wrote.

use std::collections::{BTreeMap, BTreeSet};

use crate::report::{browser, page};
use crate::sandbox::{Evaluation, Sandbox};

/// Parts of the ids of the cases that a lost `x-amz-meta-*` header may fail.
const TOUCHED: [&str; 3] = ["metadata", "put_object/overwrite_replaces_all", "put_object/signed_header_sent"];
/// Cases whose verdict on a server that is not atomic is a matter of luck.
const RACES: [&str; 4] = ["consistency::", "_race", "_counter", "_under_writers"];
const VENDORS: [&str; 4] = ["embedded", "minio", "ceph", "versitygw"];

/// What does not depend on the vendor's speed stays within what the plan announced.
fn nothing_exceeds_the_plan(evaluation: &Evaluation, vendor: &str) {
    let run = proofmark::store::load(&evaluation.directory).unwrap();
    let planned = &run.header.plan.vendors.iter().find(|planned| planned.vendor.as_str() == vendor).unwrap().estimate;
    let used = run.vendors.iter().find(|used| used.record.vendor.as_str() == vendor).unwrap();
    let created: u64 = used.usage.requests.get("CreateBucket").map_or(0, |statuses| statuses.values().sum());
    assert!(created <= planned.requests["CreateBucket"], "{vendor}: {created} CreateBucket, and the plan says {}", planned.requests["CreateBucket"]);
    let requests: u64 = used.cases.iter().map(|case| case.requests).sum();
    let announced = planned.requests.values().sum();
    assert!(requests <= announced, "{vendor}: {requests} requests of cases alone, and the plan says {announced} in all");
}

#[test]
#[ignore = "needs the lab servers: tests/run runs it"]
fn four_vendors_are_evaluated_and_html_and_csv_agree() {
    let sandbox = Sandbox::new();
    // The demo's short times, and the pause that it leaves to lab vendors.
    let demo = std::fs::read_to_string(sandbox.root().join("scenarios/profiles/demo.toml")).unwrap();
    let crash = "\"failure/process-crash\",";
    assert!(demo.contains(crash));
    sandbox.write("scenarios/profiles/lab.toml", &demo.replace(crash, &format!("{crash} \"failure/pause\",")));
    let arguments: Vec<&str> = ["--profile", "lab"].into_iter().chain(VENDORS.iter().flat_map(|vendor| ["--vendor", vendor])).collect();
    let evaluation = sandbox.run(&arguments, &[0, 10]);

    let rows = evaluation.csv("results.csv");
    let compared = page::compare(&evaluation.read("report.html"), &rows);
    assert!(compared >= 500, "only {compared} values of {} rows were compared", rows.len());

    for vendor in VENDORS {
        let verdicts = evaluation.verdicts(vendor);
        assert!(verdicts.len() >= 100, "{vendor}: {} cases", verdicts.len());
        let csv: BTreeSet<&str> = rows.iter().filter(|row| row["vendor"] == vendor).map(|row| row["scenario"].as_str()).collect();
        assert!(verdicts.keys().all(|case| csv.contains(case.as_str())), "{vendor}: a case is not in results.csv");
        let unresolved = verdicts.values().filter(|verdict| *verdict == "unresolved").count();
        assert!(unresolved * 20 <= verdicts.len(), "{vendor}: {unresolved} of {} cases are unresolved", verdicts.len());
        nothing_exceeds_the_plan(&evaluation, vendor);
        let gates = evaluation.gates(vendor);
        for gate in ["F10 no_acked_loss", "F12 no_acked_loss"] {
            assert_eq!(gates.get(gate).map(String::as_str), Some("met"), "{vendor} {gate}: {gates:?}");
        }
    }
    browser::opens_cleanly(&evaluation.directory.join("report.html"), "four-vendors");
}

#[test]
#[ignore = "two whole evaluations: tests/run runs it"]
fn the_degraded_vendor_scores_lower_where_its_faults_touch_and_only_there() {
    let sandbox = Sandbox::new();
    let evaluation = sandbox.run(&["--profile", "demo"], &[0, 10]);
    let mut scores: BTreeMap<(String, String), Option<f64>> = BTreeMap::new();
    for row in evaluation.csv("scores.csv").iter().filter(|row| row["item"].is_empty()) {
        scores.insert((row["vendor"].clone(), row["category"].clone()), row["score"].parse().ok());
    }
    let score = |vendor: &str, category: &str| scores[&(vendor.to_owned(), category.to_owned())];
    for category in ["compatibility", "durability", "performance"] {
        let (whole, degraded) = (score("embedded", category).unwrap(), score("embedded-degraded", category).unwrap());
        assert!(degraded < whole, "{category}: degraded {degraded} against {whole}");
    }
    for category in ["cost", "operability"] {
        assert_eq!(score("embedded", category), score("embedded-degraded", category), "{category}");
    }
    let (whole, degraded) = (evaluation.verdicts("embedded"), evaluation.verdicts("embedded-degraded"));
    for (case, _) in whole.iter().filter(|(case, verdict)| *verdict == "pass" && degraded[*case] == "fail") {
        let known = TOUCHED.iter().chain(&RACES).any(|part| case.contains(part));
        assert!(known, "{case} passes without the faults and fails with them, and no fault touches it");
    }
}
