//! Suite `policy`: bucket policies.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("policy")
}
