//! What templates see: every number already text, every sentence already chosen, nothing to compute.
//!
//! The main type is [`View`]; each section has its own module and struct. Formatting lives in `report::number`.

mod applications;
pub(super) mod cases;
pub(super) mod causes;
pub(super) mod columns;
pub(super) mod comparison;
mod cost;
mod faults;
mod findings;
mod measures;
mod method;
pub(super) mod metrics;
mod notes;
mod performance;
mod requirements;
pub(super) mod scorecard;
mod verdict;

use serde::Serialize;

use crate::score::Scorecard;
use crate::store::Run;

use applications::Applications;
use cases::Compatibility;
use causes::VendorCauses;
use columns::Column;
use cost::Cost;
use faults::Durability;
use findings::Finding;
use measures::MeasureRow;
use method::Method;
use notes::Notes;
use performance::Performance;
use requirements::RequirementRow;
use scorecard::ScoreSection;
use verdict::Summary;

/// A text and where it leads, relative to the report's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Link {
    pub text: String,
    pub href: String,
}

/// The data of a whole report.
#[derive(Debug, Clone, Serialize)]
pub struct View {
    /// Title of the page.
    pub title: String,
    /// One column per vendor of each run.
    pub columns: Vec<Column>,
    /// Columns that were meant to be measured, as opposed to price-only ones.
    pub measured: Vec<Column>,
    /// What qualifies the whole report.
    pub notes: Notes,
    /// Section 1.
    pub summary: Summary,
    /// Section 2.
    pub scorecard: ScoreSection,
    /// Section 4.
    pub cost: Cost,
    /// Section 5.
    pub durability: Durability,
    /// Section 6.
    pub applications: Applications,
    /// Section 6.
    pub requirements: Vec<RequirementRow>,
    /// Section 6.
    pub causes: Vec<VendorCauses>,
    /// Section 6.
    pub measures: Vec<MeasureRow>,
    /// Section 6.
    pub compatibility: Compatibility,
    /// Section 7.
    pub performance: Performance,
    /// Section 10.
    pub findings: Vec<Finding>,
    /// Section 11.
    pub method: Method,
}

impl View {
    /// Turns recorded runs and their scorecard into what the report shows.
    pub fn new(runs: &[Run], card: &Scorecard) -> Self {
        let sources = columns::sources(runs, card);
        let columns: Vec<Column> = sources.iter().map(|source| source.column.clone()).collect();
        let measured: Vec<&columns::Source<'_>> = sources.iter().filter(|source| source.column.measured).collect();
        let notes = notes::notes(runs, &sources, card);
        let findings = findings::findings(&measured);
        let applications = applications::applications(&measured);
        let found = findings.iter().filter(|finding| finding.is_case).map(|finding| finding.subject.as_str());
        let linked = applications.linked().into_iter().chain(found).collect();
        Self {
            title: title(&columns),
            summary: verdict::summary(&sources, card, &notes, &findings),
            scorecard: scorecard::section(&sources, card),
            cost: cost::cost(runs, &sources),
            durability: faults::durability(&measured, &findings),
            requirements: requirements::requirements(&measured),
            causes: causes::causes(&measured),
            measures: measures::measures(&measured),
            compatibility: cases::compatibility(&measured, &linked),
            applications,
            performance: performance::performance(&measured, &notes),
            method: method::method(runs, &sources, card),
            measured: measured.iter().map(|source| source.column.clone()).collect(),
            columns,
            notes,
            findings,
        }
    }
}

fn title(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().filter(|column| column.measured).map(|column| column.title.as_str()).collect();
    match names.as_slice() {
        [] => "Storage prices".to_owned(),
        [only] => format!("Evaluation of {only}"),
        [first, second] => format!("{first} and {second} compared"),
        [first @ .., last] if names.len() <= 4 => format!("{} and {last} compared", first.join(", ")),
        many => format!("{} storage vendors compared", many.len()),
    }
}

/// An id for a fragment link: what stands outside letters, digits, `.` and `_` becomes `-`.
fn slug(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' }).collect()
}
