//! A run that ends in the middle: killed, interrupted, without a reader, on a full disk.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::site::{Ran, Site, files_below};
use proofmark::model::VendorState;
use proofmark::run::{data_directory, prefix};
use proofmark::store::{self, Run};

const SIGINT: &str = "INT";
const SIGKILL: &str = "KILL";

/// A run of the embedded vendor in the background, once it has recorded its first cases.
fn in_mid_run(site: &Site) -> (Child, PathBuf) {
    // Enough to be in the middle of, and not so much that the tests beside it starve.
    site.quick_profile(r#"["object", "metadata", "range", "listing", "pagination", "multipart", "copy", "delete", "checksum"]"#);
    let mut child = site.command(&["run", "--profile", "quick"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_under_way = || std::fs::read_dir(site.path("runs")).ok()?.next()?.ok().map(|entry| entry.path()).filter(|run| cases(run) >= 3);
    let mut run = None;
    while run.is_none() && Instant::now() < deadline && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(5));
        run = is_under_way();
    }
    let Some(run) = run else {
        let _ = child.kill().and_then(|()| child.wait());
        panic!("the run ended, or a minute passed, before it had recorded a case");
    };
    (child, run)
}

fn cases(run: &Path) -> usize {
    std::fs::read_to_string(run.join("embedded/cases.jsonl")).map_or(0, |text| text.lines().count())
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap().success());
}

fn ended(mut child: Child) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut err).unwrap();
    let status = child.wait().unwrap();
    Ran { code: status.code(), out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

fn data(run: &Run) -> PathBuf {
    data_directory(&prefix(&run.header.run), &"embedded".into())
}

/// The server's process ends with its parent and takes its data along.
fn goes_away(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while path.exists() {
        assert!(Instant::now() < deadline, "{} is still there", path.display());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_run_is_readable_and_resumes_and_leaves_nothing() {
    let site = Site::new();
    let (child, path) = in_mid_run(&site);
    signal(&child, SIGKILL);
    ended(child);
    let killed = store::load(&path).unwrap();
    assert!(!killed.is_complete());
    let recorded = killed.vendors[0].cases.len();
    assert!(recorded < killed.header.plan.vendors[0].cases.len(), "the run was over before it was killed");
    goes_away(&data(&killed));

    let rendered = site.run(&["report", path.to_str().unwrap()]);
    assert_eq!(rendered.code, Some(0), "{rendered:?}");
    assert!(std::fs::read_to_string(path.join("report.html")).unwrap().contains("INCOMPLETE"));

    let resumed = site.run(&["run", "--resume", path.to_str().unwrap()]);
    assert!([Some(0), Some(10), Some(11)].contains(&resumed.code), "{resumed:?}");
    let whole = store::load(&path).unwrap();
    assert!(whole.is_complete() && whole.vendors[0].record.state == VendorState::Complete);
    let ids: BTreeSet<&str> = whole.vendors[0].cases.iter().map(|record| record.case.id.as_str()).collect();
    assert_eq!(ids.len(), whole.vendors[0].cases.len(), "no case is recorded twice");
    let planned = &whole.header.plan.vendors[0];
    assert!(planned.cases.iter().all(|case| ids.contains(case.as_str())), "every planned case is recorded");

    site.run(&["run", "--resume", path.to_str().unwrap()]).is_refused(&["is complete"]);
    let cleaned = site.run(&["clean"]);
    assert!(cleaned.code == Some(0) && cleaned.out.contains("nothing was left"), "{cleaned:?}");
}

#[test]
fn a_run_whose_vendor_file_changed_is_not_resumed() {
    let site = Site::new();
    let (child, path) = in_mid_run(&site);
    signal(&child, SIGKILL);
    ended(child);
    let file = "vendors/embedded.toml";
    let text = std::fs::read_to_string(site.path(file)).unwrap();
    site.write(file, &text.replace("features = [", "features = [\"tagging\", "));
    site.run(&["run", "--resume", path.to_str().unwrap()]).is_refused(&["embedded.toml", "has changed", "start a new run"]);
}

#[test]
fn an_interrupted_run_stops_its_server_and_says_how_to_go_on() {
    let site = Site::new();
    let (child, path) = in_mid_run(&site);
    signal(&child, SIGINT);
    let ran = ended(child);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    ran.says(&["interrupted", "--resume"]);
    let run = store::load(&path).unwrap();
    assert!(!run.is_complete() && !data(&run).exists());
    let undecided = run.vendors[0].cases.iter().filter(|record| record.reason.as_deref().is_some_and(|reason| reason.contains("budget")));
    assert_eq!(undecided.count(), 0, "a case that was cut off has no record");
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let site = Site::new();
    let (mut child, path) = in_mid_run(&site);
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{err}");
    assert!(err.contains("nobody reads the output any more"), "{err}");
    assert!(store::load(&path).is_ok());
}

#[test]
fn a_full_disk_is_one_clear_line() {
    let site = Site::new();
    site.quick_profile("[]");
    let run = site.command(&["run", "--profile", "quick"]);
    let (program, args): (_, Vec<_>) = (run.get_program(), run.get_args().collect());
    // No file may grow beyond 300 KiB: to the program that is a disk that is full in the middle of the cases.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 600; exec \"$0\" \"$@\""])
        .arg(program)
        .args(args)
        .current_dir(site.path("."))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let ran = Ran::of(output);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert_eq!(ran.err.lines().count(), 1, "{ran:?}");
    ran.says(&["error: ", "/embedded/", "File too large", "make room"]);
    let run = store::load(&site.only_run()).unwrap();
    assert!(!run.is_complete() && !data(&run).exists());
    assert!(files_below(&site.only_run()).iter().all(|file| file.metadata().unwrap().len() <= 301 << 10));
}
