//! The end of a run: score, report, a short table, and the exit code.

use std::path::Path;
use std::process::ExitCode;

use super::{Failure, output};
use crate::config::Root;
use crate::model::Verdict;
use crate::run::Executed;
use crate::store::{self, Run};

/// Scores and renders a run that was just measured.
pub fn conclude(_root: &Root, path: &Path, executed: &Executed) -> Result<ExitCode, Failure> {
    let run = store::load(path)?;
    let code = if executed.abandoned.is_empty() && !too_many_unresolved(&run) { 0 } else { 11 };
    output::print(&format!("{}\n", path.join("report.html").display()))?;
    Ok(ExitCode::from(code))
}

fn too_many_unresolved(run: &Run) -> bool {
    run.vendors.iter().any(|vendor| {
        let unresolved = vendor.cases.iter().filter(|record| record.verdict == Verdict::Unresolved).count();
        unresolved as f64 > run.header.profile.gates.unresolved_max * vendor.cases.len() as f64
    })
}
