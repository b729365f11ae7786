//! Suite `cors`: cross-origin requests.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("cors")
}
