//! Suite `encryption`: server-side encryption.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("encryption")
}
