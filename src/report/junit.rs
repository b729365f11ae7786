//! `junit.xml`: a case or scenario is a test case; a broken rule or gate is a failure, what the harness could not decide an error.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::model::{CaseRecord, GateVerdict, Outcome, ScenarioRecord, Verdict};
use crate::store::Run;

/// The document, one test suite per vendor and run.
pub fn junit(runs: &[Run]) -> String {
    let mut report = Report::new("proofmark");
    for run in runs {
        for vendor in &run.vendors {
            let mut suite = TestSuite::new(format!("{}.{}", vendor.record.vendor, run.header.run));
            suite.add_test_cases(vendor.cases.iter().map(case));
            suite.add_test_cases(vendor.scenarios.iter().map(scenario));
            report.add_test_suite(suite);
        }
    }
    report.to_string().expect("a report of text and durations can be written to memory")
}

fn failed(kind: NonSuccessKind, what: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(what).set_message(message);
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message);
    status
}

fn case(record: &CaseRecord) -> TestCase {
    let reason = record.reason.as_deref().unwrap_or_default();
    let status = match record.verdict {
        Verdict::Pass | Verdict::Variant => TestCaseStatus::success(),
        Verdict::Fail => {
            let class = record.class.map_or("fail", |class| class.name());
            let seen = record.deviation.as_ref().map(|seen| format!("{}: expected {}, observed {}", seen.claim, seen.expected, seen.observed));
            failed(NonSuccessKind::Failure, class, seen.as_deref().unwrap_or(reason))
        }
        Verdict::Unresolved => failed(NonSuccessKind::Error, "unresolved", reason),
        Verdict::Unsupported | Verdict::Untested => skipped(&format!("{}: {reason}", record.verdict)),
    };
    let mut case = TestCase::new(record.case.id.as_str(), status);
    case.set_classname(format!("conformance.{}", record.case.suite())).set_time(span(record.duration_ms));
    case
}

fn scenario(record: &ScenarioRecord) -> TestCase {
    let broken: Vec<String> = record
        .gates
        .iter()
        .filter(|gate| gate.verdict == GateVerdict::NotMet)
        .map(|gate| format!("{}: {} expected, {}", gate.name, gate.limit, gate.observed))
        .collect();
    let status = match &record.outcome {
        _ if !broken.is_empty() => failed(NonSuccessKind::Failure, "gate", &broken.join("; ")),
        Outcome::Measured => TestCaseStatus::success(),
        Outcome::Untested(reason) => skipped(&format!("untested: {reason}")),
        Outcome::Unresolved(reason) => failed(NonSuccessKind::Error, "unresolved", reason),
    };
    let name = format!("{} {} #{}", record.scenario, record.cell, record.repeat);
    let mut case = TestCase::new(name, status);
    case.set_classname(record.kind.name()).set_time(span(record.duration_ms));
    case
}

fn span(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}
