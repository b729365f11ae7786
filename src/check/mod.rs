//! Checkers of histories: what was acknowledged, what was read, and whether the two can both be true.
//!
//! The main types are [`JournalEntry`] (one line of `journal.jsonl`) and [`History`]. Pure: no I/O, no clock.
//!
//! A client's timeout is not a failure: such a write may be applied later, so it stays a candidate of every later read
//! (Jepsen's `ok`, `fail`, `info`). Checkers never blame a vendor for what an indeterminate write explains.

mod atomic;
mod cas;
mod durability;
mod history;
mod little;
mod payload;
mod regular;
mod views;

pub use atomic::{RegisterRead, RegisterWrite, is_linearizable};
pub use cas::{CasLook, CasWrite, cas_violation};
pub use durability::{Durability, Loss, durability, loss_upper_bound};
#[cfg(test)]
pub(crate) use history::read;
pub use history::{History, JournalEntry, Op, OpOutcome, Seen};
pub use little::{LoadWindow, broken_littles_law};
pub use payload::{Identity, MIN_LEN, decode, encode, hash_key};
pub use regular::{Violation, ViolationKind, check_reads};
pub use views::{Disagreement, ObjectView, Views, disagreements};
