//! Suite `select`: S3 Select.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("select")
}
