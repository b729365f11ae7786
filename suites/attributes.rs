//! Suite `attributes`: GetObjectAttributes.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("attributes")
}
