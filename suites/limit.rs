//! Suite `limit`: limits, searched by bisection.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("limit")
}
