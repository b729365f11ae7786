//! Suite `client`: the request shapes of SDK generations.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("client")
}
