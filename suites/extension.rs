//! Suite `extension`: newer operations and vendor extensions.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("extension")
}
