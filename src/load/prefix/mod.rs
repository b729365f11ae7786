//! The client's side of a server that throttles per prefix: pure state, fed with moments and answers by whoever does the sending.
//!
//! [`Limiter`] finds the rate that a prefix takes. [`Branches`] and [`Heat`] find prefixes that are too hot and split them into sub-prefixes
//! whose names depend on the seed alone. [`Leases`] makes sure that each sub-prefix has one owner among several clients, so that two limiters
//! never probe the same limit. [`measure`] says how well all of it went. Moments are times since the start of the load.

mod leases;
mod limiter;
mod measures;
mod pool;
mod program;
mod split;

#[cfg(test)]
mod simulation;

pub use leases::{Grant, Leases, Refused};
pub use limiter::{Answer, Limiter, Permit};
pub use measures::{Measures, PrefixCount, converged_at, jain, measure};
pub use program::{PrefixLoad, PrefixOutcome, PrefixPlan};
pub use split::{Branches, Heat, Leaf, Look};
