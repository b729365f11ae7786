//! The suites as data, and on a server.

#[path = "../../suites/mod.rs"]
mod suites;

use std::sync::{Arc, Mutex};

use proofmark::case;
use proofmark::config::{Root, load_vendor};
use proofmark::model::VendorId;
use proofmark::store::RunDir;
use proofmark::wire::{Access, Link};

/// Runs the suites on the vendor that `PROOFMARK_TEST_VENDOR` names; its environment variables must be set.
#[test]
#[ignore = "needs lab servers: tests/run runs it"]
fn the_suites_run_on_a_server() {
    let id = VendorId(std::env::var("PROOFMARK_TEST_VENDOR").unwrap());
    let root = Root::new(env!("CARGO_MANIFEST_DIR"));
    let vendor = load_vendor(&root, &id).unwrap();
    let access = Access::resolve(&id, &vendor, root.path(), &|name| std::env::var(name).ok()).unwrap();
    let directory = tempfile::tempdir().unwrap().keep();
    let sink = Arc::new(RunDir::create(&directory).unwrap().vendor(&id).unwrap());
    let run = format!("pm-{:08x}-", std::process::id());
    let link = Link::open(id, Arc::new(vendor), access, sink, 1, run).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let cases = case::cases(&suites::all());
    let log = directory.join("log").display().to_string();
    let filter = std::env::var("PROOFMARK_TEST_FILTER").ok();
    let arguments = libtest_mimic::Arguments { logfile: Some(log), filter, ..Default::default() };
    let lines = Mutex::new(Vec::new());
    let summary = case::run(&link, &cases, arguments, runtime.handle(), &|record| {
        if record.verdict != proofmark::model::Verdict::Pass {
            let why = record
                .reason
                .clone()
                .or_else(|| record.deviation.as_ref().map(|d| format!("{}: expected {}, got {} ({})", d.claim, d.expected, d.observed, d.location)));
            let class = record.class.map_or("", |class| class.name());
            lines.lock().unwrap().push(format!(
                "{:11} {class:12} {} [{:.0} ms x{}] {}",
                record.verdict.name(),
                record.case.id,
                record.duration_ms,
                record.attempts,
                why.unwrap_or_default()
            ));
        }
    });
    let mut lines = lines.into_inner().unwrap();
    lines.sort();
    println!("{}\n{summary:?}\n{}", lines.join("\n"), directory.display());
}
