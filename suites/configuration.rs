//! Suite `configuration`: notifications, logging, replication and other bucket configuration.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("configuration")
}
