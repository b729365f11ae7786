//! Suite `form`: browser uploads by POST.

use proofmark::case::Suite;

/// The suite.
pub fn suite() -> Suite {
    Suite::new("form")
}
