//! Failure scenarios on real servers of the test's own: kill -9 and pause under load, and what a client alone can do.

use std::path::Path;
use std::sync::Arc;

use proofmark::config::{Root, load_vendor};
use proofmark::lab::{Hooked, Server};
use proofmark::model::{GateVerdict, Outcome, ScenarioRecord, VendorId};
use proofmark::store::RunDir;
use proofmark::wire::{Access, Link};
use tempfile::TempDir;

use super::failure::{broken, gate, run, summary};

/// A lab vendor with state of its own, so that killing it disturbs no other test. Stopped on drop.
struct Lab {
    directory: TempDir,
    link: Link,
    server: Server,
}

impl Lab {
    async fn start(id: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let repository = Root::new(env!("CARGO_MANIFEST_DIR"));
        let id = VendorId::from(id);
        let mut vendor = load_vendor(&repository, &id).unwrap();
        let lifecycle = vendor.lifecycle.as_mut().unwrap();
        let script = repository.vendors().join(&lifecycle.script);
        lifecycle.script = "own.sh".into();
        let own = directory.path().join("vendors/own.sh");
        let state = directory.path().join("state");
        std::fs::create_dir_all(own.parent().unwrap()).unwrap();
        let text = format!("#!/bin/sh\nPROOFMARK_LAB_STATE={} exec {} \"$@\"\n", state.display(), script.display());
        super::failure::write_script(&own, &text);
        let hooked = Hooked::of(&Root::new(directory.path()), &id, &vendor).unwrap();
        let started = hooked.up().await.unwrap();
        let access = Access::resolve(&id, &vendor, Path::new("/"), &|name| started.environment.get(name).cloned()).unwrap();
        let sink = Arc::new(RunDir::create(directory.path().join("run")).unwrap().vendor(&id).unwrap());
        let link = Link::open(id, Arc::new(vendor), access, sink, 11, "pm-real0000-").unwrap();
        Self { directory, link, server: Server::Hooked(hooked) }
    }
    async fn run(&self, scenario: &str) -> ScenarioRecord {
        let record = run(&self.link, scenario, Some(&self.server)).await;
        summary(&record);
        assert_eq!(record.outcome, Outcome::Measured);
        record
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        std::process::Command::new(self.directory.path().join("vendors/own.sh")).arg("down").status().unwrap();
    }
}

async fn survives_every_fault(id: &str) {
    let lab = Lab::start(id).await;
    let crash = lab.run("process-crash").await;
    assert_eq!(broken(&crash), Vec::<&str>::new());
    assert!(crash.metric("unavailable_s").unwrap() > 0.5, "a dead server answers nothing");
    assert!(crash.metric("availability_share").unwrap() < 0.3);
    assert!(crash.metric("acked_writes").unwrap() > 20.0);
    let pause = lab.run("pause").await;
    assert_eq!(broken(&pause), Vec::<&str>::new());
    assert!(pause.metric("indeterminate_writes").unwrap() > 0.0, "a PUT that timed out may be applied afterwards");
    for scenario in ["upload-cut", "corrupt-upload", "duplicate-request", "overwrite-storm"] {
        let record = lab.run(scenario).await;
        assert_eq!(broken(&record), Vec::<&str>::new(), "{scenario}");
        assert_eq!(gate(&record, "three_views_agree"), GateVerdict::Met);
        assert_eq!(record.metric("leaked_parts"), Some(0.0));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn minio_loses_nothing_to_kill_pause_or_a_client() {
    survives_every_fault("minio").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn versitygw_loses_nothing_to_kill_pause_or_a_client() {
    survives_every_fault("versitygw").await;
}
