//! `proofmark report`: old runs rendered again, offline.

use std::path::Path;
use std::process::ExitCode;

use super::args::ReportArgs;
use super::{Context, Failure, conclusion, output};
use crate::report;
use crate::score::score;
use crate::store;

/// Renders one run, or the comparison of several.
pub fn main(context: &Context, args: &ReportArgs) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let runs = args.runs.iter().map(|path| Ok(store::load(path)?)).collect::<Result<Vec<_>, Failure>>()?;
    let Some(first) = args.runs.first() else { return Err(Failure::usage("name at least one run")) };
    let out: &Path = args.out.as_deref().unwrap_or(first);
    let written = report::render(&runs, &root.templates(), out)?;
    output::print(&conclusion::summary(&score(&runs, &runs[0].header.profile)))?;
    for run in runs.iter().filter(|run| !run.is_complete()) {
        output::print(&format!("INCOMPLETE: {}\n", run.header.run))?;
    }
    output::print(&format!("\nreport: {}\n", out.join("report.html").display()))?;
    output::print(&format!("{} files written\n", written.len()))?;
    Ok(ExitCode::SUCCESS)
}
