//! What a conformance case is written with, and what runs it: [`Suite`], [`Fixture`], [`expect`] and [`run()`].
//!
//! A case is one call: `.core("get_object/absent_key", &["GET-04"], "An absent key answers 404 NoSuchKey.", async |fx| ..)`.
//! Arrange with the fixture's helpers (what fails there is "set-up" and decides nothing), act with a client of the fixture,
//! and make one `expect` per claim; `?` ends the case. No clean-up, no sleeping, no retrying, no printing.
//! Invariant: the engine knows no rule and no vendor; it decides only what no claim may decide (see `judge`).

mod answer;
pub mod event_stream;
pub mod expect;
mod finding;
mod fixture;
pub mod form;
mod guard;
mod judge;
pub mod limit;
mod replay;
mod run;
mod steps;
mod suite;
mod trials;
pub mod values;

pub use answer::{Answer, Refusal};
pub use finding::{Checked, Finding, Trouble, WithClass};
pub use fixture::Fixture;
pub use guard::{Down, Guard, Revive};
pub use run::{Ran, Summary, hindrance, run, run_one};
pub use suite::{BucketNeed, Case, MOST_REQUESTS, Suite};
pub use trials::Trials;

use crate::model::CaseInfo;

/// All cases of `suites` in their order.
pub fn cases(suites: &[Suite]) -> Vec<Case> {
    suites.iter().flat_map(|suite| suite.cases().iter().cloned()).collect()
}

/// What `proofmark list` prints: one row per case, in the order of the suites.
pub fn list(suites: &[Suite]) -> Vec<CaseInfo> {
    suites.iter().flat_map(|suite| suite.cases().iter().map(|case| case.info.clone())).collect()
}
