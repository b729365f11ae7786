//! Runs + templates -> files. Pure: it reads templates and writes outputs, never asks for the time, and gives the same bytes again.
//!
//! The main functions are [`render`] (everything a run's directory gets) and [`check_templates`]. What templates see is [`View`];
//! the order is runs -> scorecard -> view -> HTML, CSV, JUnit and Markdown.

mod chart;
mod csv;
mod html;
mod junit;
mod number;
pub mod sample;
mod summary;
mod tickets;
mod view;

pub use view::View;

use std::path::{Path, PathBuf};

use crate::score::{self, Scorecard};
use crate::store::Run;

/// A report that cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// There is nothing to render.
    #[error("there is no run to report on")]
    NoRun,
    /// A template that is not valid or names something that the view does not hold.
    #[error("{}:{line}: {message}", file.display())]
    Template {
        /// The template.
        file: PathBuf,
        /// 1-based line; 0 where it is not known.
        line: usize,
        /// What is wrong; names the variable.
        message: String,
    },
    /// A template that cannot be read or an output that cannot be written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Renders the report of one run, or the comparison of several, into the directory `out` and returns the files it wrote.
/// The same runs and templates give the same bytes. Links to evidence are relative: to `out` for one run, to its sibling `../<run>/` for several.
///
/// # Errors
/// When there is no run, a template is not valid, or the disk does not take a file.
pub fn render(runs: &[Run], templates: &Path, out: &Path) -> Result<Vec<PathBuf>, ReportError> {
    let card = scorecard(runs)?;
    let view = View::new(runs, &card);
    let mut files = vec![
        ("report.html".to_owned(), html::page(templates, &view)?),
        ("results.csv".to_owned(), csv::results(runs, &card)),
        ("scores.csv".to_owned(), csv::scores(runs, &card)),
        ("cost.csv".to_owned(), csv::cost(&view)),
        ("comparison.csv".to_owned(), csv::comparison(&view)),
        ("scaling.csv".to_owned(), csv::scaling(&view)),
        ("junit.xml".to_owned(), junit::junit(runs)),
        ("summary.md".to_owned(), summary::markdown(&view)),
    ];
    let run_of = |key: &str| view.measured.iter().find(|column| column.key == key).map_or("", |column| column.run.as_str());
    files.extend(view.causes.iter().map(|vendor| (vendor.tickets.href.clone(), tickets::markdown(vendor, run_of(&vendor.key)))));
    std::fs::create_dir_all(out).map_err(|source| ReportError::Io { path: out.to_owned(), source })?;
    files.into_iter().map(|(name, text)| write(&out.join(&name), &text)).collect()
}

/// The view of runs, as templates see it.
///
/// # Errors
/// When there is no run.
pub fn view(runs: &[Run]) -> Result<View, ReportError> {
    Ok(View::new(runs, &scorecard(runs)?))
}

/// Renders every template on a full and on an empty sample, so that a mistake in one is found without a run.
///
/// # Errors
/// The first template that is not valid or names something that the view does not hold.
pub fn check_templates(templates: &Path) -> Result<(), ReportError> {
    for runs in [sample::full(), sample::empty()] {
        html::page(templates, &view(&runs)?)?;
    }
    Ok(())
}

/// Several runs are scored by the profile of the first.
fn scorecard(runs: &[Run]) -> Result<Scorecard, ReportError> {
    let first = runs.first().ok_or(ReportError::NoRun)?;
    Ok(score::score(runs, &first.header.profile))
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str) -> Result<PathBuf, ReportError> {
    let temporary = path.with_extension("tmp");
    std::fs::write(&temporary, text)
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|source| ReportError::Io { path: path.to_owned(), source })?;
    Ok(path.to_owned())
}
