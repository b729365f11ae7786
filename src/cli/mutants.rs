//! `proofmark mutants`: the proof that the conformance cases can fail.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use super::args::MutantsArgs;
use super::progress::Progress;
use super::{Context, Failure, output, run, runtime, signals};
use crate::case::Case;
use crate::config::{Cap, Mutant, Root, load_mutants};
use crate::model::{ClientShard, ProfileId, VendorId};
use crate::run::mutants::{Choice, Matrix, Proof, tables};
use crate::run::{Evaluation, Inputs, RunError, Shared, Stage, prefix};

/// The profile whose levels hold here.
const PROFILE: &str = "demo";

/// Runs cases without a mutant and against each, and writes the tables; the exit code says whether the proof holds.
pub fn main(context: &Context, args: &MutantsArgs) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let cases = crate::case::cases(&context.suites);
    let chosen: Vec<Case> = cases.into_iter().filter(|case| is_chosen(&args.cases, case.info.id.as_str())).collect();
    let mutants: Vec<Mutant> = load_mutants(&root)?.into_iter().filter(|mutant| is_chosen(&args.mutants, &mutant.id)).collect();
    if chosen.is_empty() || mutants.is_empty() {
        return Err(Failure::usage("no case or no mutant is left by the filters: `proofmark list` and suites/mutants.toml name them all"));
    }
    let mut inputs = Inputs::load(&root, &ProfileId::from(PROFILE), &[VendorId::from(args.vendor.as_str())])?;
    inputs.without_scenarios();
    let client = ClientShard { index: 1, of: 1 };
    let options = run::Options { out: args.out.clone(), seed: args.seed, client, start_at: None, keep: false, cap: Cap::default(), libtest: None };
    let started = run::start(&root, inputs, &chosen, options)?;
    let progress = Progress::new(started.evaluation.stop.clone());
    let choice = args.sample.map_or(Choice::Whole, Choice::Sample);
    let proof = runtime()?.block_on(prove(&root, &started.evaluation, &mutants, choice, args.jobs, &progress))?;
    write(&started.path, &proof, &args.vendor)?;
    output::print(&format!("{}\nrecords: {}\n", told(&proof, &args.varies), started.path.display()))?;
    Ok(if proof.holds(|case| is_named(&args.varies, case.as_str())) { ExitCode::SUCCESS } else { ExitCode::from(10) })
}

fn is_chosen(filters: &[String], id: &str) -> bool {
    filters.is_empty() || is_named(filters, id)
}

fn is_named(filters: &[String], id: &str) -> bool {
    filters.iter().any(|filter| id.contains(filter.as_str()))
}

async fn prove(root: &Root, evaluation: &Evaluation, mutants: &[Mutant], choice: Choice, jobs: usize, progress: &Progress) -> Result<Proof, Failure> {
    let stop = evaluation.stop.clone();
    signals::watch(stop.clone()).map_err(|error| Failure::internal(format!("signal handlers: {error}")))?;
    let (header, directory) = (&evaluation.header, &evaluation.directory);
    directory.write_header(header).map_err(RunError::from)?;
    let Some(vendor) = evaluation.inputs.vendors.first() else { return Err(Failure::usage("the vendor has no endpoint to measure")) };
    let sink = Arc::new(directory.vendor(&vendor.id).map_err(RunError::from)?);
    let shared = Shared { root: root.clone(), seed: header.seed, prefix: prefix(&header.run), cap: Cap::default() };
    let stage = Stage::open(&shared, vendor, sink).await?;
    let tell = |event| progress.tell(event);
    let matrix = Matrix { stage: &stage, directory, cases: &evaluation.cases, mutants, choice, jobs, tell: &tell };
    let proof = tokio::select! {
        proof = matrix.run() => Ok(proof?),
        () = stop.wait() => Err(Failure::internal(format!("{}: `proofmark clean` removes what is left", stop.reason().unwrap_or_default()))),
    };
    stage.close().await.map_err(RunError::from)?;
    proof
}

fn write(path: &Path, proof: &Proof, vendor: &str) -> Result<(), Failure> {
    let files = [
        ("mutants.csv", tables::mutants_csv(proof)),
        ("cases-mutants.csv", tables::cases_csv(proof)),
        ("mutants.md", tables::summary(proof, vendor)),
    ];
    for (name, text) in files {
        std::fs::write(path.join(name), text).map_err(|error| Failure::internal(format!("{}: {error}", path.join(name).display())))?;
    }
    Ok(())
}

fn told(proof: &Proof, varies: &[String]) -> String {
    let mut text = String::new();
    for row in proof.missed() {
        text.push_str(&format!("missed: {} ({} cases ran, {} changes): {}\n", row.mutant.id, row.cases, row.changed, row.mutant.title));
    }
    for row in proof.unstable() {
        let how = if is_named(varies, row.case.as_str()) { "varies, as known" } else { "unstable" };
        text.push_str(&format!("{how}: {}\n", row.case));
    }
    let never = proof.never_caught().count();
    if never > 0 {
        text.push_str(&format!("{never} core and common cases were never seen failing: cases-mutants.csv\n"));
    }
    text + &tables::rate_line(proof)
}
