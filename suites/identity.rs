//! Suite `identity`: users, temporary credentials and access keys.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("identity")
}
