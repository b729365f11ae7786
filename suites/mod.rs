//! What S3 must do: one file per feature family. A suite never names a vendor.

mod conditional;
mod delete;
mod listing;
mod metadata;
mod object;
mod pages;
mod pagination;
mod range;

use proofmark::case::Suite;

/// Every suite, in the order of the report.
pub fn all() -> Vec<Suite> {
    vec![object::suite(), metadata::suite(), range::suite(), conditional::suite(), delete::suite(), listing::suite(), pagination::suite()]
}
