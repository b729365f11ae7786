//! `proofmark clean`: what killed runs left behind on their vendors.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use super::args::CleanArgs;
use super::{Context, Failure, output, runtime};
use crate::config::{Cap, Root, Serve};
use crate::model::VendorState;
use crate::run::{NamedVendor, Shared, Stage, data_directory, prefix};
use crate::store::{self, Run, RunDir, VendorRun};
use crate::{lab, wire};

/// Deletes, for each run and vendor, everything that carries the run's prefix.
pub fn main(context: &Context, args: &CleanArgs) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let runtime = runtime()?;
    let mut is_clean = true;
    for path in runs(args)? {
        let run = store::load(&path)?;
        let directory = RunDir::create(&path)?;
        for vendor in run.vendors.iter().filter(|vendor| is_wanted(args, vendor)) {
            match runtime.block_on(sweep(&root, &run, vendor, &directory)) {
                Ok(text) => output::print(&format!("{} {}: {text}\n", run.header.run, vendor.record.vendor))?,
                Err(failure) => {
                    output::complain(&format!("{} {}: {failure}", run.header.run, vendor.record.vendor));
                    is_clean = false;
                }
            }
        }
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn runs(args: &CleanArgs) -> Result<Vec<PathBuf>, Failure> {
    if !args.runs.is_empty() {
        return Ok(args.runs.iter().map(|run| if run.join("run.json").exists() { run.clone() } else { args.out.join(run) }).collect());
    }
    let entries = std::fs::read_dir(&args.out)
        .map_err(|error| Failure::usage(format!("{}: {error}: name a run, or their directory with --out", args.out.display())))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.join("run.json").exists()).collect();
    paths.sort();
    Ok(paths)
}

fn is_wanted(args: &CleanArgs, vendor: &VendorRun) -> bool {
    let is_named = args.vendors.is_empty() || args.vendors.iter().any(|name| name == vendor.record.vendor.as_str());
    is_named && vendor.record.state != VendorState::PriceOnly
}

async fn sweep(root: &Root, run: &Run, vendor: &VendorRun, directory: &RunDir) -> Result<String, Failure> {
    let (id, prefix) = (&vendor.record.vendor, prefix(&run.header.run));
    if vendor.record.file.serve == Some(Serve::Embedded) {
        return remove_embedded(data_directory(&prefix, id));
    }
    let shared = Shared { root: root.clone(), seed: run.header.seed, prefix, cap: Cap::default() };
    let named = NamedVendor { id: id.clone(), file: vendor.record.file.clone() };
    let stage = Stage::open(&shared, &named, Arc::new(directory.vendor(id)?)).await?;
    let cleaned = wire::clean(&stage.direct).await;
    directory.vendor(id)?.usage(&stage.direct.meter.take())?;
    stage.close().await.map_err(|error| Failure::usage(error.to_string()))?;
    for what in &cleaned.quarantined {
        output::print(&format!("{id}: {what}\n"))?;
    }
    match cleaned.failed.as_slice() {
        [] => Ok(format!("deleted {} objects, {} uploads, {} buckets", cleaned.objects, cleaned.uploads, cleaned.buckets)),
        failed => Err(Failure::usage(format!("left behind: {}", failed.join("; ")))),
    }
}

/// The embedded server dies with the run and removes its data; only a machine that went down leaves any.
fn remove_embedded(data: PathBuf) -> Result<String, Failure> {
    match lab::remove_data(&data) {
        Ok(()) => Ok(format!("removed {}", data.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok("nothing was left".to_owned()),
        Err(error) => Err(Failure::internal(format!("{}: {error}", data.display()))),
    }
}
