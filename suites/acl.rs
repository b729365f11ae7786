//! Suite `acl`: access control lists, object ownership and public access block.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("acl")
}
