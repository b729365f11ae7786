//! The proof that the suites can fail: every mutant of a server against the cases that were seen doing what it touches.
//!
//! The main types are [`Matrix`], which runs, and [`Proof`], what it found; [`tables`] writes it down. A baseline of three runs without a
//! mutant decides which cases count; a mutant runs only against those whose exchanges of the baseline it would have touched: against any
//! other it could change nothing. It is done with once it is caught; then each core and common case that was not yet seen failing runs against
//! what touches it.

mod choose;
mod matrix;
mod proof;
pub mod tables;

pub use matrix::{Choice, Matrix};
pub use proof::{CaseRow, Catch, MutantRow, Proof, State, verdicts};
