//! Suite `website`: static websites.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("website")
}
