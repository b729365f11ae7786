//! `proofmark conformance`: the cases alone, with the flags of Rust's own test runner.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};

use super::args::ConformanceArgs;
use super::{Context, Failure, output, run};
use crate::case::{self, Case};
use crate::model::{CaseRecord, ClientShard, ProfileId, VendorId, VendorState, Verdict};
use crate::run::{Event, Inputs};
use crate::store::{self, VendorRun};

/// The profile whose levels and limits hold here.
const PROFILE: &str = "demo";
const DEFAULT_VENDOR: &str = "embedded";
/// How many of the cases with the most requests are named at the end.
const DEAREST: usize = 10;

/// Runs the cases that the filters leave on each vendor; records and evidence go to a run directory as in `run`.
pub fn main(context: &Context, args: &ConformanceArgs) -> Result<ExitCode, Failure> {
    let chosen: Vec<Case> = case::cases(&context.suites).into_iter().filter(|case| is_chosen(args, case.info.id.as_str())).collect();
    // All filters have done their work by now.
    let libtest = Arguments { filter: None, skip: Vec::new(), ..args.libtest.clone() };
    if libtest.list {
        let _ = libtest_mimic::run(&libtest, chosen.iter().map(|case| Trial::test(case.info.id.as_str(), || Ok(()))).collect());
        return Ok(ExitCode::SUCCESS);
    }
    if chosen.is_empty() {
        return Err(Failure::usage("no case is left by the filters: `proofmark conformance --list` names them all"));
    }
    let root = context.root()?;
    let named = if args.vendors.is_empty() { vec![DEFAULT_VENDOR.to_owned()] } else { args.vendors.clone() };
    let vendors: Vec<VendorId> = named.iter().map(|name| VendorId::from(name.as_str())).collect();
    let mut inputs = Inputs::load(&root, &ProfileId::from(PROFILE), &vendors)?;
    inputs.without_scenarios();
    inputs.profile.slow |= args.slow;
    if !args.levels.is_empty() {
        inputs.profile.levels.clone_from(&args.levels);
    }
    let options = run::Options {
        out: args.out.clone(),
        seed: args.seed,
        client: ClientShard { index: 1, of: 1 },
        start_at: None,
        keep: false,
        cap: run::cap(&args.cap),
        libtest: Some(libtest),
    };
    let started = run::start(&root, inputs, &chosen, options)?;
    let (path, began) = (started.path.clone(), Instant::now());
    run::measure(started, &tell)?;
    let loaded = store::load(&path)?;
    output::print(&summary(&loaded.vendors, began.elapsed()))?;
    output::print(&format!("records: {}\n", path.display()))?;
    Ok(ExitCode::from(exit_code(&loaded.vendors, loaded.header.profile.gates.unresolved_max)))
}

/// The test runner prints the cases itself; only what concerns a whole vendor is added.
fn tell(event: Event) {
    match event {
        Event::Note { vendor, text } => output::remark(&format!("{vendor}: {text}")),
        Event::VendorEnd { vendor, state: VendorState::Abandoned(reason) } => output::complain(&format!("{vendor} is left out: {reason}")),
        _ => {}
    }
}

/// As libtest chooses: a filter or a skip is part of the name, or the whole of it.
fn is_chosen(args: &ConformanceArgs, name: &str) -> bool {
    let matches = |pattern: &String| if args.libtest.exact { name == pattern } else { name.contains(pattern.as_str()) };
    let mut filters = args.libtest.filter.iter().chain(&args.filters).peekable();
    (filters.peek().is_none() || filters.any(matches)) && !args.libtest.skip.iter().any(matches)
}

/// What the cases cost: requests in all, per case, and those of the dearest cases. `cases.jsonl` has every case's own.
fn summary(vendors: &[VendorRun], wall: Duration) -> String {
    let mut text = String::new();
    for vendor in vendors {
        let total: u64 = vendor.cases.iter().map(|record| record.requests).sum();
        let ran: Vec<&CaseRecord> = vendor.cases.iter().filter(|record| record.requests > 0).collect();
        let mean = total as f64 / ran.len().max(1) as f64;
        let _ = writeln!(text, "{}: {} cases, {} of them sent {total} requests, {mean:.1} each", vendor.record.vendor, vendor.cases.len(), ran.len());
        let mut dearest = ran;
        dearest.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.case.id.cmp(&b.case.id)));
        for record in dearest.iter().take(DEAREST) {
            let _ = writeln!(text, "{:>8} requests {:>8.0} ms  {}", record.requests, record.duration_ms, record.case.id);
        }
        let _ = writeln!(text, "{:>8} requests in all, probe and clean-up included", vendor.usage.total());
    }
    let _ = writeln!(text, "wall time: {:.1} s", wall.as_secs_f64());
    text
}

fn exit_code(vendors: &[VendorRun], unresolved_max: f64) -> u8 {
    let with = |vendor: &VendorRun, verdict| vendor.cases.iter().filter(|record| record.verdict == verdict).count();
    let is_undecided = |vendor: &VendorRun| with(vendor, Verdict::Unresolved) as f64 > unresolved_max * vendor.cases.len() as f64;
    if vendors.iter().any(|vendor| with(vendor, Verdict::Fail) > 0) {
        10
    } else if vendors.iter().any(|vendor| is_undecided(vendor) || matches!(vendor.record.state, VendorState::Abandoned(_))) {
        11
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn filters_choose_as_those_of_libtest_do() {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: ConformanceArgs,
        }
        let is_chosen = |line: &str| {
            let Line { args } = Line::try_parse_from(["conformance"].into_iter().chain(line.split_whitespace())).unwrap();
            is_chosen(&args, "object::get_object/absent_key")
        };
        assert!(is_chosen("") && is_chosen("object::") && is_chosen("--exact object::get_object/absent_key"));
        assert!(!is_chosen("--exact object::") && !is_chosen("object:: --skip absent") && !is_chosen("copy::"));
        assert!(is_chosen("copy:: bucket:: object::") && !is_chosen("copy:: bucket:: lock::"));
    }
}
