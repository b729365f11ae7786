//! The whole catalogue on each lab vendor, held against the verdicts that were reviewed and explained in `tests/expected/`.
//!
//! `UPDATE_EXPECTED=1` rewrites a file from what was found; explanations stay with their cases, and new cases stand below an empty one,
//! which the test refuses: a difference is explained before it is agreed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use proofmark::model::{CaseRecord, Verdict};
use serde::Deserialize;

/// `tests/expected/<vendor>.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// Cases that do not pass, by explanation.
    #[serde(default)]
    difference: Vec<Difference>,
}

/// Cases that do not pass for one reason.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Difference {
    /// Whose fault it is and why.
    why: String,
    /// Verdict and class, e.g. `fail: wrong_code`.
    found: String,
    /// It depends on timing: passing is agreed, too.
    #[serde(default)]
    varies: bool,
    cases: Vec<String>,
}

fn file(vendor: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/expected/{vendor}.toml"))
}

fn expected(vendor: &str) -> Expected {
    let text = std::fs::read_to_string(file(vendor)).unwrap_or_default();
    toml::from_str(&text).unwrap_or_else(|error| panic!("tests/expected/{vendor}.toml: {error}"))
}

/// Cases whose verdict on this vendor depends on timing.
pub fn varying(vendor: &str) -> BTreeSet<String> {
    expected(vendor).difference.into_iter().filter(|difference| difference.varies).flat_map(|difference| difference.cases).collect()
}

/// The verdict and class of a case that does not pass. What the vendor's file decides beforehand, without a request, is no difference.
fn found(record: &CaseRecord) -> Option<String> {
    match record.verdict {
        Verdict::Pass | Verdict::Untested => None,
        Verdict::Unsupported if record.requests == 0 => None,
        verdict => Some(record.class.map_or_else(|| verdict.to_string(), |class| format!("{verdict}: {class}"))),
    }
}

/// Runs every case that is not slow, or those that are named, as a user does; the lab vendors are started and stopped by their scripts.
fn run(vendor: &str, cases: &[&str]) -> Vec<CaseRecord> {
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofmark"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(["conformance", "--vendor", vendor, "--seed", "1", "--out"]).arg(out.path()).args(cases);
    let ran = command.output().unwrap();
    assert!([0, 10, 11].contains(&ran.status.code().unwrap_or(-1)), "{}", String::from_utf8_lossy(&ran.stderr));
    let run = std::fs::read_dir(out.path()).unwrap().next().unwrap().unwrap().path();
    proofmark::store::load(&run).unwrap().vendors.remove(0).cases
}

/// What is neither as agreed nor allowed to vary, one line each.
fn surprises(expected: &Expected, records: &[CaseRecord]) -> Vec<String> {
    let mut agreed: BTreeMap<&str, (&str, bool)> = BTreeMap::new();
    for difference in &expected.difference {
        agreed.extend(difference.cases.iter().map(|case| (case.as_str(), (difference.found.as_str(), difference.varies))));
    }
    let mut lines = Vec::new();
    for record in records {
        let (id, now) = (record.case.id.as_str(), found(record));
        let was = agreed.remove(id);
        let is_agreed = match (&was, &now) {
            (None, None) => true,
            (Some((_, varies)), None) => *varies,
            (Some((was, _)), Some(now)) => was == now,
            (None, Some(_)) => false,
        };
        if !is_agreed {
            let said = record
                .deviation
                .as_ref()
                .map(|deviation| format!("{}: expected {}, got {}", deviation.claim, deviation.expected, deviation.observed));
            let said = said.or(record.reason.clone()).unwrap_or_default();
            lines.push(format!("{id}: agreed {}, found {}: {said}", was.map_or("pass", |(was, _)| was), now.as_deref().unwrap_or("pass")));
        }
    }
    lines.extend(agreed.keys().map(|id| format!("{id}: agreed, but there is no such case")));
    lines
}

#[expect(clippy::print_stdout, reason = "the first look belongs to the test's output, too")]
fn judge(vendor: &str) {
    let records = run(vendor, &[]);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        update(vendor, &records);
    }
    let mut expected = expected(vendor);
    let unexplained: Vec<_> = expected.difference.iter().filter(|difference| difference.why.len() < 15).collect();
    assert!(unexplained.is_empty(), "{vendor}: not explained: {unexplained:#?}");
    let surprising = surprises(&expected, &records);
    if surprising.is_empty() {
        return;
    }
    // A server that stalls, or forgets for a moment, in a crowd of cases is no change of its behaviour: what is one is met again alone.
    println!("{vendor}: looked at again: {surprising:#?}");
    let ids: Vec<&str> = surprising.iter().filter_map(|line| line.split(": ").next()).collect();
    let again: Vec<CaseRecord> = run(vendor, &ids).into_iter().filter(|record| ids.contains(&record.case.id.as_str())).collect();
    let is_of_them = |case: &String| ids.contains(&case.as_str());
    expected.difference.iter_mut().for_each(|difference| difference.cases.retain(is_of_them));
    let surprising = surprises(&expected, &again);
    assert!(surprising.is_empty(), "{vendor}, {} cases: {surprising:#?}", records.len());
}

/// Writes what was found; explanations stay with their cases.
fn update(vendor: &str, records: &[CaseRecord]) {
    let old = expected(vendor);
    let mut groups: BTreeMap<(String, String, bool), BTreeSet<String>> = BTreeMap::new();
    for record in records {
        let id = record.case.id.as_str();
        let known = old.difference.iter().find(|difference| difference.cases.iter().any(|case| case == id));
        let Some(found) = found(record).or_else(|| known.filter(|known| known.varies).map(|known| known.found.clone())) else { continue };
        let known = known.filter(|known| known.found == found);
        let key = (known.map_or(String::new(), |known| known.why.clone()), found, known.is_some_and(|known| known.varies));
        groups.entry(key).or_default().insert(id.to_owned());
    }
    let mut text = format!("# What does not pass on {vendor}, reviewed. `UPDATE_EXPECTED=1` rewrites it; see tests/it/expected.rs.\n");
    for ((why, found, varies), cases) in groups {
        let why = format!("\"{}\"", why.replace('\\', "\\\\").replace('"', "\\\""));
        text.push_str(&format!("\n[[difference]]\nwhy = {}\nfound = \"{found}\"\n", why));
        if varies {
            text.push_str("varies = true\n");
        }
        text.push_str("cases = [\n");
        cases.iter().for_each(|case| text.push_str(&format!("    \"{case}\",\n")));
        text.push_str("]\n");
    }
    std::fs::write(file(vendor), text).unwrap();
}

#[test]
#[ignore = "the embedded server, with every case: tests/run runs it"]
fn embedded_is_as_agreed() {
    judge("embedded");
}

#[test]
#[ignore = "needs the lab servers: tests/run runs it"]
fn minio_is_as_agreed() {
    judge("minio");
}

#[test]
#[ignore = "needs the lab servers: tests/run runs it"]
fn ceph_is_as_agreed() {
    judge("ceph");
}

#[test]
#[ignore = "needs the lab servers: tests/run runs it"]
fn versitygw_is_as_agreed() {
    judge("versitygw");
}

#[test]
fn every_agreed_difference_is_explained_once() {
    for vendor in ["embedded", "minio", "ceph", "versitygw"] {
        let expected = expected(vendor);
        let mut seen = BTreeSet::new();
        for difference in &expected.difference {
            assert!(difference.why.len() >= 15, "{vendor}: {difference:?}");
            assert!(difference.cases.iter().all(|case| seen.insert(case.clone())), "{vendor}: a case stands twice: {difference:?}");
        }
    }
}
