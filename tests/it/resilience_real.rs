//! Poison on a real server: an object that nobody can delete yet, and a kill -9 in the middle of a run, cost only their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proofmark::model::{FailureClass, Recovery, Verdict};
use proofmark::store::{self, VendorRun};
use proofmark::wire::Recorder;

use crate::site::{Ran, Site, acme};
use crate::wire_fake::{KEY, SECRET, link_to};
use crate::wire_real::{minio, wait_ready};

/// What a run says of each case.
type Verdicts = BTreeMap<String, (Verdict, Option<FailureClass>)>;

fn verdicts(vendor: &VendorRun) -> Verdicts {
    vendor.cases.iter().map(|record| (record.case.id.to_string(), (record.verdict, record.class))).collect()
}

/// The only vendor of the only run below `out`.
fn vendor_of(out: &Path) -> VendorRun {
    let run = std::fs::read_dir(out).unwrap().next().unwrap().unwrap().path();
    store::load(&run).unwrap().vendors.remove(0)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn a_locked_object_is_quarantined_changes_no_other_verdict_and_goes_later() {
    let (site, directory) = (Site::new(), tempfile::tempdir().unwrap());
    let server = minio(directory.path(), |command| command);
    let connection = link_to(directory.path(), server.port);
    wait_ready(&connection).await;
    let file = acme(&format!("http://127.0.0.1:{}", server.port))
        .replace("\n[credentials]", "features = [\"versioning\", \"object-lock\"]\n\n[credentials]");
    site.write("vendors/acme.toml", &format!("{file}\n[safety]\nallow = [\"account\", \"irreversible\"]\n"));
    let run = |suites: &str, out: &str| {
        site.quick_profile(suites);
        let ran = site.run_as(KEY, SECRET, &["run", "--profile", "quick", "--vendor", "acme", "--out", out]);
        assert!([Some(0), Some(10)].contains(&ran.code), "{ran:?}");
        (ran, vendor_of(&site.path(out)))
    };
    let (_, undisturbed) = run("[\"object\"]", "before");
    let (ran, poisoned) = run("[\"object\", \"lock\"]", "runs");
    let locked_until = Instant::now() + Duration::from_secs(21);
    let (expected, mut found) = (verdicts(&undisturbed), verdicts(&poisoned));
    let locks = |(id, (verdict, _)): (&String, &(Verdict, _))| id == "lock::put_object_retention/shorten_compliance" && *verdict != Verdict::Untested;
    assert!(found.iter().any(locks), "{found:?}");
    found.retain(|id, _| !id.starts_with("lock::"));
    assert_eq!(found, expected);

    let s3 = connection.sdk(&Recorder::new());
    let buckets =
        async || s3.list_buckets().send().await.unwrap().buckets().iter().filter_map(|bucket| bucket.name().map(str::to_owned)).collect::<Vec<_>>();
    let left = buckets().await;
    assert!(!left.is_empty(), "a locked object keeps its bucket");
    for bucket in &left {
        let told = |line: &str| {
            line.contains(&format!("{bucket}/")) && line.contains("is locked until 20") && line.ends_with("`proofmark clean` deletes it then")
        };
        assert!(ran.out.lines().any(told), "{bucket} is left and not named with what to do: {ran:?}");
    }
    tokio::time::sleep(locked_until.saturating_duration_since(Instant::now())).await;
    let cleaned = site.run_as(KEY, SECRET, &["clean"]);
    assert_eq!((cleaned.code, buckets().await), (Some(0), Vec::new()), "{cleaned:?}");
}

/// Waits until a file that a run writes holds so many lines.
fn wait_for_lines(find: impl Fn() -> Option<PathBuf>, lines: usize) {
    let started = Instant::now();
    let has_lines = |path: PathBuf| std::fs::read_to_string(path).is_ok_and(|text| text.lines().count() >= lines);
    while !find().is_some_and(has_lines) {
        assert!(started.elapsed() < Duration::from_secs(60), "the run does not get that far");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "needs lab servers: tests/run runs it"]
fn a_server_that_is_killed_under_the_cases_is_restarted_and_no_verdict_changes() {
    let site = Site::new();
    site.quick_profile("[\"object\", \"metadata\"]");
    let command = |out: &str| {
        let mut command = site.command(&["run", "--profile", "quick", "--vendor", "minio", "--out", out]);
        command.env_remove("PROOFMARK_LAB_DIR").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command
    };
    let undisturbed = Ran::of(command("before").output().unwrap());
    assert!([Some(0), Some(10)].contains(&undisturbed.code), "{undisturbed:?}");

    let child = command("killed").spawn().unwrap();
    let records = || Some(std::fs::read_dir(site.path("killed")).ok()?.next()?.ok()?.path().join("minio/cases.jsonl"));
    wait_for_lines(records, 5);
    let id = std::fs::read_to_string(site.path("lab-data/minio/server.pid")).unwrap();
    assert!(std::process::Command::new("kill").args(["-9", id.trim()]).status().unwrap().success());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, undisturbed.code, "{ran:?}");

    let vendor = vendor_of(&site.path("killed"));
    assert_eq!(verdicts(&vendor), verdicts(&vendor_of(&site.path("before"))));
    assert!(vendor.cases.iter().any(|record| record.attempts > 1), "some were on their way");
    assert_eq!(
        (vendor.crashes.len(), &vendor.crashes[0].culprit, &vendor.crashes[0].recovery),
        (1, &None, &Recovery::Restarted),
        "{:?}",
        vendor.crashes
    );
    let place = |part: &str| ran.out.lines().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part:?} is not told: {ran:?}"));
    let (down, up, end) = (place("minio: the server is down"), place("restarted, answered after"), place("minio conformance: done"));
    assert!(down < up && up < end, "each is told when it happens: {ran:?}");
}
