//! Programs of AI storage against a small server that counts what reaches it and is as slow as told.

use std::time::Duration;

use proofmark::config::{CellTimes, Program, ProgramHead, ProgramSpec};
use proofmark::model::{GateVerdict, Outcome, ScenarioId, ScenarioRecord};
use proofmark::scenario::training::Runner;
use proofmark::wire::Link;

use crate::load_server::{Misbehaviour, Server, link};

const SECONDS: fn(u64) -> Duration = Duration::from_secs;

fn spec(program: &str) -> ProgramSpec {
    let head: ProgramHead = toml::from_str("title = \"test\"\ncode = \"A0\"\nabout = \"test\"\nduration = \"20 s\"").unwrap();
    let program: Program = toml::from_str(program).unwrap();
    let spec = ProgramSpec { head, program };
    spec.validate().unwrap();
    spec
}

/// A data set of 10,000-byte samples; `more` is the rest of the table.
fn dataloader(more: &str) -> ProgramSpec {
    spec(&format!("[dataloader]\nrecord_size = \"10000 B\"\nau_min = 0.9\n{more}"))
}

/// Every cell once.
fn measure(link: &Link, spec: &ProgramSpec, duration: Duration) -> Vec<ScenarioRecord> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let times = CellTimes { duration, warm_up: Duration::ZERO };
    let mut runner = Runner::new(link, ScenarioId::from("throughput/test"), spec.clone(), times);
    spec.cells().iter().map(|cell| runtime.block_on(runner.run_cell(cell, 1))).collect()
}

fn metric(record: &ScenarioRecord, name: &str) -> f64 {
    record.metric(name).unwrap_or_else(|| panic!("no {name}: {record:?}"))
}

fn gate<'a>(record: &'a ScenarioRecord, name: &str) -> &'a proofmark::model::Gate {
    record.gates.iter().find(|gate| gate.name == name).unwrap_or_else(|| panic!("no {name}: {record:?}"))
}

#[test]
fn utilisation_is_what_the_delay_of_each_read_makes_it() {
    let server = Server::start(Misbehaviour::Delay(Duration::from_millis(160)));
    let link = link(&[&server], "");
    let spec =
        dataloader("files = 40\nbatch = 2\nread_threads = 2\ncompute_time = \"100 ms\"\naccelerators = [1]\nepochs = 2\naccess = [\"whole-object\"]");
    // Each of two workers needs 320 ms for a batch and begins the next one when its batch is taken; two steps compute for 200 ms. So a pair
    // of steps lasts 320 ms: batch 18 of 20 is taken after ten times 320 ms, batch 19 by then is there 100 ms later and takes 100 ms itself.
    let elapsed = 10.0 * 320.0 + 100.0 + 100.0;
    let au = 19.0 * 100.0 / (elapsed - 320.0 - 100.0);
    // Other tests share the machine: a busy moment may spoil one look, not three.
    let is_near = |record: &ScenarioRecord| (metric(record, "au_percent") / 100.0 / au - 1.0).abs() < 0.05;
    let record = (0..3).map(|_| measure(&link, &spec, SECONDS(20)).remove(0)).find(is_near);
    let record = record.unwrap_or_else(|| panic!("never within 5 % of {au}"));
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    // DLIO leaves out two steps.
    let rate = 18.0 * 2.0 / ((elapsed - 320.0 - 100.0) / 1e3);
    assert!((metric(&record, "samples_s") / rate - 1.0).abs() < 0.05, "{} instead of {rate}", metric(&record, "samples_s"));
    assert_eq!(gate(&record, "au_min").verdict, GateVerdict::NotMet, "{:?}", record.gates);
    assert!((metric(&record, "epoch_rest.au_percent") / 100.0 / au - 1.0).abs() < 0.05);
    assert!((110.0..150.0).contains(&metric(&record, "step_load_ms_p90")), "{record:?}");
}

#[test]
fn two_accelerators_wait_for_each_other_and_are_busy_where_reads_are_fast_enough() {
    let server = Server::start(Misbehaviour::None);
    let link = link(&[&server], "");
    let spec = dataloader(
        "files = 96\nbatch = 2\nread_threads = 4\ncompute_time = \"40 ms\"\naccelerators = [1, 2]\naccess = [\"whole-object\"]\nsteps = 20",
    );
    for record in measure(&link, &spec, SECONDS(20)) {
        assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
        assert!(metric(&record, "au_percent") > 95.0, "{record:?}");
        assert_eq!(gate(&record, "au_min").verdict, GateVerdict::Met);
        assert_eq!(gate(&record, "no_corrupt_reads").verdict, GateVerdict::Met);
        assert!(record.findings.iter().any(|finding| finding.starts_with("The data set holds 96 samples, fewer")), "{:?}", record.findings);
        assert!(record.parameters["rules"].starts_with("MLPerf-Storage-like"));
        assert_eq!(record.metric("epoch_rest.au_percent"), None, "there is one epoch only");
    }
}

#[test]
fn every_sample_is_read_once_in_each_epoch_however_files_are_read() {
    for (access, samples_per_file, batch, reads_of_a_file) in [
        ("\"whole-object\"", 1, 3, 1),
        ("\"whole-object\"", 8, 2, 1),
        ("{ shard-stream = { range = \"32 KiB\" } }", 8, 2, 3),
        ("{ row-groups = { rows = 4 } }", 8, 6, 2),
        ("{ columns = { rows = 4, columns = 10, projected = 10, gap = \"0 B\" } }", 8, 4, 2),
    ] {
        let server = Server::start(Misbehaviour::None);
        let link = link(&[&server], "");
        let spec = dataloader(&format!(
            "files = 24\nsamples_per_file = {samples_per_file}\nbatch = {batch}\nread_threads = 3\ncompute_time = \"1 ms\"\naccelerators = [2]\n\
             epochs = 2\naccess = [{access}]"
        ));
        let record = measure(&link, &spec, SECONDS(20)).remove(0);
        assert_eq!(record.outcome, Outcome::Measured, "{access}: {record:?}");
        let reads = server.reads();
        assert_eq!(reads.len(), 24, "{access}");
        assert!(reads.values().all(|count| *count == 2 * reads_of_a_file), "{access}: {reads:?}");
        let usage = link.meter.take();
        assert_eq!(usage.download_bytes, 2 * 24 * samples_per_file * 10_000, "{access}");
        assert_eq!(metric(&record, "errors"), 0.0, "{:?}", record.findings);
    }
}

#[test]
fn the_time_ends_a_job_with_a_whole_step_and_an_epoch_that_is_cut_stands_in_the_findings() {
    let server = Server::start(Misbehaviour::None);
    let spec = dataloader("files = 200\nbatch = 2\nread_threads = 2\ncompute_time = \"20 ms\"\naccelerators = [2]\naccess = [\"whole-object\"]");
    let record = measure(&link(&[&server], ""), &spec, Duration::from_millis(300)).remove(0);
    assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
    assert!(record.findings.iter().any(|finding| finding.contains("of its 50 steps")), "{:?}", record.findings);
    assert!((290.0..600.0).contains(&record.parameters["measured_ms"].parse().unwrap()), "{record:?}");
}

#[test]
fn a_server_that_fails_fast_feeds_nobody() {
    let server = Server::start(Misbehaviour::FailEvery(3));
    let spec = dataloader("files = 40\nbatch = 4\nread_threads = 1\ncompute_time = \"5 ms\"\naccelerators = [1]\naccess = [\"whole-object\"]");
    let record = measure(&link(&[&server], ""), &spec, SECONDS(20)).remove(0);
    assert_eq!(gate(&record, "au_min").verdict, GateVerdict::NotMet, "{record:?}");
    assert_eq!(record.metric("au_percent"), None, "no batch was whole");
    assert!(record.findings.iter().any(|finding| finding.starts_with("10 of 10 steps lacked samples")), "{:?}", record.findings);
}

#[test]
fn a_sweep_ends_where_accelerators_are_starved() {
    let server = Server::start(Misbehaviour::Delay(Duration::from_millis(20)));
    let spec = dataloader("files = 24\nbatch = 2\nread_threads = 1\ncompute_time = \"5 ms\"\naccelerators = [1, 2]\naccess = [\"whole-object\"]");
    let records = measure(&link(&[&server], ""), &spec, SECONDS(20));
    assert_eq!(gate(&records[0], "au_min").verdict, GateVerdict::NotMet);
    assert!(matches!(&records[1].outcome, Outcome::Untested(reason) if reason.contains("1 accelerators were starved")), "{:?}", records[1]);
}

#[test]
fn the_budget_ends_a_job_without_hanging() {
    let server = Server::start(Misbehaviour::None);
    let spec = dataloader("files = 100\nbatch = 2\nread_threads = 2\ncompute_time = \"1 ms\"\naccelerators = [2]\naccess = [\"whole-object\"]");
    let record = measure(&link(&[&server], "[budget]\nrequests = 150"), &spec, SECONDS(20)).remove(0);
    assert!(matches!(&record.outcome, Outcome::Unresolved(reason) if reason.contains("used up")), "{:?}", record.outcome);
}

#[test]
fn reading_ahead_moves_more_and_saves_requests_where_windows_lie_close() {
    let server = Server::start(Misbehaviour::None);
    let link = link(&[&server], "");
    let spec = spec(
        "[windows]\nobject_size = \"1 MiB\"\nwindow_min = \"2 KiB\"\nwindow_max = \"8 KiB\"\nread_ahead = [\"0 B\", \"512 KiB\"]\nreaders = [3]",
    );
    let records = measure(&link, &spec, Duration::from_millis(400));
    for record in &records {
        assert_eq!(record.outcome, Outcome::Measured, "{record:?}");
        assert_eq!(gate(record, "no_corrupt_reads").verdict, GateVerdict::Met);
    }
    let windows: f64 = records.iter().map(|record| metric(record, "requests_per_window") * metric(record, "windows_s") * 0.4).sum();
    let sent = server.count("GET object") as f64;
    assert!(windows <= sent + 0.5 && sent <= windows + 6.5, "each reader may have one in flight at the end of each load: {windows} {sent}");
    // Without reading ahead only a window that lies within the last one is at hand.
    assert!(metric(&records[0], "hit_percent") < 2.0 && (0.97..=1.0).contains(&metric(&records[0], "moved_per_used")), "{:?}", records[0]);
    assert!(metric(&records[1], "hit_percent") > 10.0 && metric(&records[1], "moved_per_used") > 20.0, "{:?}", records[1]);
}
