//! Suite `lifecycle`: lifecycle rules, transitions and restores.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("lifecycle")
}
