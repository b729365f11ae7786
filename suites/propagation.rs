//! Suite `propagation`: how long a change of configuration takes to be in force.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("propagation")
}
