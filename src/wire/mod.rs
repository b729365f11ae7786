//! Everything that crosses the network: one connector, the SDK and the raw client on top of it, signing, the fault proxy.
//!
//! The main type is [`Link`]: what is needed to talk to one vendor during one run.
//! Invariant: nothing here retries, and nothing here knows a rule or a score.

mod access;
mod link;
mod meter;
mod record;

pub use access::{Access, AccessError, Credentials};
pub use link::Link;
pub use meter::{BudgetExceeded, Meter};
pub use record::{Exchange, Recorder};
