//! `proofmark run`: plan, measure, score, report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::{CapArgs, RunArgs};
use super::progress::Progress;
use super::{Context, Failure, conclusion, dry_run, output, runtime, signals};
use crate::case::Case;
use crate::config::{Cap, Root, ScenarioSpec};
use crate::load::admit_descriptors;
use crate::model::{ClientShard, Plan, PlannedVendor, ProfileId, VendorId};
use crate::run::{Done, Evaluation, Executed, Inputs, Stop, Tell, check_access, draw_seed, facts, new_run_id, plan, resume, same_plan, selected};
use crate::store::{FORMAT, RunDir, RunHeader};

const DEFAULT_PROFILE: &str = "demo";

/// Evaluates vendors and renders the report; the exit code says whether the gates are met.
pub fn main(context: &Context, args: &RunArgs) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let started = match &args.resume {
        Some(run) => resumed(context, args, &root, run)?,
        None => {
            let profile = ProfileId::from(args.profile.as_deref().unwrap_or(DEFAULT_PROFILE));
            let vendors: Vec<VendorId> = args.vendors.iter().map(|name| VendorId::from(name.as_str())).collect();
            let mut inputs = Inputs::load(&root, &profile, &vendors)?;
            inputs.profile.slow |= args.slow;
            let Some(started) = fresh(context, args, &root, inputs)? else { return Ok(ExitCode::SUCCESS) };
            started
        }
    };
    carry_out(&root, started)
}

/// A run that is ready to begin or go on, and the directory that it writes.
pub struct Started {
    /// The run.
    pub evaluation: Evaluation,
    /// Its directory.
    pub path: PathBuf,
}

/// What a new run is told beside its inputs.
pub struct Options {
    /// Directory that runs are written to.
    pub out: PathBuf,
    /// The seed; drawn where there is none.
    pub seed: Option<u64>,
    /// This client of several.
    pub client: ClientShard,
    /// Wait for this moment.
    pub start_at: Option<jiff::Timestamp>,
    /// Leave what the run created.
    pub keep: bool,
    /// What it may send to each vendor.
    pub cap: Cap,
    /// Flags of the test runner; its output goes to a file where there are none.
    pub libtest: Option<libtest_mimic::Arguments>,
}

fn fresh(context: &Context, args: &RunArgs, root: &Root, inputs: Inputs) -> Result<Option<Started>, Failure> {
    let cases = crate::case::cases(&context.suites);
    if args.dry_run {
        let plan = plan(&inputs, &cases, args.client)?;
        output::print(&dry_run::text(inputs.profile_id.as_str(), &inputs.profile, &plan))?;
        return Ok(None);
    }
    let (out, seed, client, start_at, keep) = (args.out.clone(), args.seed, args.client, args.start_at, args.keep);
    start(root, inputs, &cases, Options { out, seed, client, start_at, keep, cap: cap(&args.cap), libtest: None }).map(Some)
}

/// Plans a new run and creates its directory; sends nothing.
pub fn start(root: &Root, inputs: Inputs, cases: &[Case], options: Options) -> Result<Started, Failure> {
    for vendor in &inputs.vendors {
        check_access(root, vendor)?;
    }
    check_cap(options.cap, &inputs)?;
    let plan = plan(&inputs, cases, options.client)?;
    check_client(&inputs, &plan)?;
    let header = RunHeader {
        format: FORMAT,
        run: new_run_id(jiff::Timestamp::now()),
        started_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        finished_at: None,
        tool_version: env!("CARGO_PKG_VERSION").to_owned(),
        build_profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
        seed: options.seed.unwrap_or_else(draw_seed),
        command: std::env::args().collect(),
        host: facts(),
        client: options.client,
        profile_id: inputs.profile_id.clone(),
        profile: inputs.profile.clone(),
        workload: inputs.workload.clone(),
        applications: inputs.applications.clone(),
        plan,
    };
    let path = options.out.join(header.run.as_str());
    let evaluation = Evaluation {
        root: root.clone(),
        cases: selected(&inputs.profile, cases),
        directory: RunDir::create(&path)?,
        libtest: options.libtest.unwrap_or_else(quiet),
        done: BTreeMap::new(),
        start_at: options.start_at,
        keep: options.keep,
        cap: options.cap,
        stop: Stop::default(),
        inputs,
        header,
    };
    Ok(Started { evaluation, path })
}

fn resumed(context: &Context, args: &RunArgs, root: &Root, run: &Path) -> Result<Started, Failure> {
    let path = if run.join("run.json").exists() { run.to_owned() } else { args.out.join(run) };
    let (loaded, inputs) = resume(root, &path)?;
    let cases = crate::case::cases(&context.suites);
    same_plan(&loaded.header.plan, &plan(&inputs, &cases, loaded.header.client)?)?;
    for vendor in &inputs.vendors {
        check_access(root, vendor)?;
    }
    check_cap(cap(&args.cap), &inputs)?;
    let evaluation = Evaluation {
        root: root.clone(),
        cases: selected(&inputs.profile, &cases),
        directory: RunDir::create(&path)?,
        libtest: quiet(),
        done: loaded.vendors.iter().map(|vendor| (vendor.record.vendor.clone(), Done::of(vendor))).collect(),
        start_at: args.start_at,
        keep: args.keep,
        cap: cap(&args.cap),
        stop: Stop::default(),
        inputs,
        header: loaded.header,
    };
    Ok(Started { evaluation, path })
}

/// The limits as they were typed.
pub fn cap(args: &CapArgs) -> Cap {
    Cap { requests: args.max_requests, money: args.max_cost }
}

/// Money can only be counted with prices.
fn check_cap(cap: Cap, inputs: &Inputs) -> Result<(), Failure> {
    let unpriced = inputs.vendors.iter().find(|vendor| vendor.file.is_measurable() && vendor.file.pricing.is_none());
    match unpriced {
        Some(vendor) if cap.money.is_some() => Err(Failure::usage(format!(
            "--max-cost needs prices, and vendors/{}.toml has no [pricing]: add its price card (copy one of `proofmark list`), or give --max-requests",
            vendor.id
        ))),
        _ => Ok(()),
    }
}

/// What this machine has to give: file descriptors for the connections, and room for what the embedded server stores.
fn check_client(inputs: &Inputs, plan: &Plan) -> Result<(), Failure> {
    let concurrency = inputs.scenarios.iter().filter_map(|scenario| match &scenario.spec {
        ScenarioSpec::Throughput(spec) => spec.concurrency.iter().max().copied(),
        _ => None,
    });
    admit_descriptors(concurrency.max().unwrap_or(1)).map_err(|error| Failure::usage(error.to_string()))?;
    let directory = std::env::temp_dir();
    // Where the free space is not told, the disk will.
    let Ok(disk) = rustix::fs::statvfs(&directory) else { return Ok(()) };
    let free = disk.f_bavail * disk.f_frsize;
    let is_embedded = |planned: &&PlannedVendor| inputs.vendors.iter().any(|vendor| vendor.id == planned.vendor && vendor.file.serve.is_some());
    match plan.vendors.iter().filter(is_embedded).find(|planned| planned.estimate.stored_bytes > free) {
        Some(planned) => Err(Failure::usage(format!(
            "{} would store {} GB below {}, where {} GB are free: use smaller or fewer objects, or point TMPDIR to a larger disk",
            planned.vendor,
            planned.estimate.stored_bytes / 1_000_000_000,
            directory.display(),
            free / 1_000_000_000
        ))),
        None => Ok(()),
    }
}

/// Flags of the test runner inside a run: its lines say nothing that the records do not, the progress bars own the terminal, and a
/// log on a full disk would make it panic.
fn quiet() -> libtest_mimic::Arguments {
    libtest_mimic::Arguments { logfile: Some("/dev/null".to_owned()), ..libtest_mimic::Arguments::default() }
}

/// Measures, then scores and renders what was measured.
fn carry_out(root: &Root, started: Started) -> Result<ExitCode, Failure> {
    let path = started.path.clone();
    let progress = Progress::new(started.evaluation.stop.clone());
    let executed = measure(started, &|event| progress.tell(event))?;
    conclusion::conclude(root, &path, &executed)
}

/// Carries out a run; a signal ends it cleanly.
pub fn measure(Started { mut evaluation, path }: Started, tell: Tell<'_>) -> Result<Executed, Failure> {
    let stop = evaluation.stop.clone();
    let executed = runtime()?.block_on(async {
        signals::watch(stop.clone()).map_err(|error| Failure::internal(format!("signal handlers: {error}")))?;
        evaluation.execute(tell).await.map_err(Failure::from)
    })?;
    if let Some(reason) = stop.reason() {
        let run = path.display();
        return Err(Failure::internal(format!("{reason}: the run is incomplete but readable; go on with `proofmark run --resume {run}`")));
    }
    if executed.completed == 0 && !executed.abandoned.is_empty() {
        return Err(Failure::usage("no vendor could be evaluated"));
    }
    Ok(executed)
}
