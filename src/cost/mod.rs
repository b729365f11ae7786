//! Price cards and use -> money. Pure: no I/O, no clock, decimal throughout, rounded only when printed.
//!
//! The main types are [`MonthlyUse`] (what is used) and [`CostSheet`] (what it costs, line by line). Conventions, which the
//! golden tests hold: a free allowance is taken off before tiering; usage is rounded up after it; the extra months of objects
//! that were deleted too early are priced on top of the active quantity, in the tiers that they reach.

mod class;
mod engine;
#[cfg(test)]
mod golden;
mod month;
mod quantity;
mod sheet;

pub use engine::{CostError, compare, price, price_usage};
pub use month::{EarlyDelete, MonthlyUse, Stored, StoredSpan};
pub use sheet::{COST_COLUMNS, CostGroup, CostLine, CostSheet, table};
