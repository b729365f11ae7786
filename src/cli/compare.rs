//! `proofmark compare`: what changed between two runs.

use std::process::ExitCode;

use super::args::CompareArgs;
use super::{Context, Failure, output};
use crate::score::{Change, Changes, compare};
use crate::store;

/// Something got worse.
const REGRESSION: u8 = 12;
/// Lines of one list.
const MOST: usize = 200;

/// Prints regressions first; exits with 12 where there are any.
pub fn main(_: &Context, args: &CompareArgs) -> Result<ExitCode, Failure> {
    let (base, head) = (store::load(&args.base)?, store::load(&args.head)?);
    let changes = compare(&base, &head);
    if changes.is_empty() {
        return Err(Failure::usage("the runs have no vendor in common: nothing can be compared"));
    }
    let mut text = format!("{} -> {}\n", base.header.run, head.header.run);
    for run in [&base, &head].into_iter().filter(|run| !run.is_complete()) {
        text.push_str(&format!("INCOMPLETE: {}\n", run.header.run));
    }
    changes.iter().for_each(|changes| text.push_str(&of_vendor(changes)));
    output::print(&text)?;
    Ok(ExitCode::from(if changes.iter().any(Changes::has_regression) { REGRESSION } else { 0 }))
}

fn of_vendor(changes: &Changes) -> String {
    let mut text = format!("\n{}\n", changes.vendor);
    let line = |change: &Change| format!("{}: {} -> {}", change.case, change.before, change.now);
    list(&mut text, "regressions", changes.regressions.iter().map(line).collect());
    list(&mut text, "gates not met any more", changes.gates_lost.clone());
    list(&mut text, "fixes", changes.fixes.iter().map(line).collect());
    list(&mut text, "unrecorded fixes: these waivers can go", changes.unrecorded.clone());
    list(&mut text, "gates met now", changes.gates_won.clone());
    list(&mut text, "other changes", changes.others.iter().map(line).collect());
    list(&mut text, "only in the first run", changes.only_base.clone());
    list(&mut text, "only in the second run", changes.only_head.clone());
    if text.lines().count() == 2 {
        text.push_str("  no change\n");
    }
    text
}

fn list(text: &mut String, title: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return;
    }
    text.push_str(&format!("  {title} ({})\n", lines.len()));
    lines.iter().take(MOST).for_each(|line| text.push_str(&format!("    {line}\n")));
    if lines.len() > MOST {
        text.push_str(&format!("    and {} more\n", lines.len() - MOST));
    }
}
