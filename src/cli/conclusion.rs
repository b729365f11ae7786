//! The end of a run: score, report, a short table, and the exit code.

use std::path::Path;
use std::process::ExitCode;

use super::{Failure, output};
use crate::config::Root;
use crate::model::{Category, GateVerdict};
use crate::report;
use crate::run::Executed;
use crate::score::{Eligibility, Interval, Scorecard, VendorScore, score};
use crate::store;

/// A gate is not met.
const NOT_MET: u8 = 10;
/// Too many unresolved, or a vendor of the plan that could not be evaluated at all.
const UNRESOLVED: u8 = 11;

/// Scores and renders a run that was just measured.
pub fn conclude(root: &Root, path: &Path, executed: &Executed) -> Result<ExitCode, Failure> {
    let runs = [store::load(path)?];
    let card = score(&runs, &runs[0].header.profile);
    report::render(&runs, &root.templates(), path)?;
    output::print(&summary(&card))?;
    for (vendor, _) in &executed.abandoned {
        output::print(&format!("{vendor} was left out, see above\n"))?;
    }
    output::print(&format!("\nreport: {}\n", path.join("report.html").display()))?;
    Ok(ExitCode::from(exit_code(&card, !executed.abandoned.is_empty())))
}

/// A broken gate weighs more than what could not be decided.
fn exit_code(card: &Scorecard, is_vendor_left_out: bool) -> u8 {
    if card.has_gate_not_met() {
        NOT_MET
    } else if is_vendor_left_out || card.has_too_many_unresolved() {
        UNRESOLVED
    } else {
        0
    }
}

/// One line per vendor, the gates that are not met, and what qualifies the comparison.
pub fn summary(card: &Scorecard) -> String {
    let mut header = vec!["vendor".to_owned(), "overall".to_owned()];
    header.extend(Category::ALL.iter().map(ToString::to_string));
    header.push("verdict".to_owned());
    let mut rows = vec![header];
    rows.extend(card.vendors.iter().map(row));
    let mut text = format!("\n{}", output::table(&rows));
    for vendor in &card.vendors {
        let broken: Vec<&str> = vendor.gates.iter().filter(|gate| gate.verdict == GateVerdict::NotMet).map(|gate| gate.name.as_str()).collect();
        if !broken.is_empty() {
            text.push_str(&format!("{}: gates not met: {}\n", vendor.vendor, broken.join(", ")));
        }
    }
    for note in &card.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

fn row(vendor: &VendorScore) -> Vec<String> {
    let mut cells = vec![vendor.vendor.to_string(), percent(vendor.overall)];
    cells.extend(vendor.categories.iter().map(|category| percent(category.score)));
    cells.push(match &vendor.eligibility {
        Eligibility::Eligible => "eligible".to_owned(),
        Eligibility::NotEligible(_) => "not eligible".to_owned(),
        Eligibility::Incomplete(_) => "incomplete".to_owned(),
        Eligibility::PriceOnly => "price-only".to_owned(),
    });
    cells
}

/// 0 to 100, with the interval where there is one.
fn percent(score: Option<Interval>) -> String {
    match score {
        None => "not tested".to_owned(),
        Some(Interval { low, value, high }) if high - low < 0.005 => format!("{:.0}", value * 100.0),
        Some(Interval { low, value, high }) => format!("{:.0} ({:.0}-{:.0})", value * 100.0, low * 100.0, high * 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_printed_with_their_interval_and_never_as_0_when_untested() {
        let interval = |low, value, high| Some(Interval { low, value, high });
        assert_eq!(percent(None), "not tested");
        assert_eq!(percent(interval(0.72, 0.72, 0.72)), "72");
        assert_eq!(percent(interval(0.68, 0.72, 0.81)), "72 (68-81)");
    }

    #[test]
    fn a_vendor_that_was_left_out_is_not_a_success() {
        let card = Scorecard { model_version: 1, model_hash: String::new(), vendors: Vec::new(), notes: Vec::new() };
        assert_eq!((exit_code(&card, false), exit_code(&card, true)), (0, UNRESOLVED));
    }
}
