//! What S3 must do: one file per feature family. A suite never names a vendor.

mod auth;
mod bucket;
mod checksum;
mod conditional;
mod consistency;
mod copy;
mod delete;
mod error;
mod listing;
mod lock;
mod metadata;
mod multipart;
mod object;
mod pages;
mod pagination;
mod presign;
mod range;
mod streaming;
mod tagging;
mod transport;
mod versioning;

use proofmark::case::Suite;

/// Every suite, in the order of the report.
pub fn all() -> Vec<Suite> {
    vec![
        object::suite(),
        metadata::suite(),
        range::suite(),
        conditional::suite(),
        delete::suite(),
        listing::suite(),
        pagination::suite(),
        copy::suite(),
        multipart::suite(),
        checksum::suite(),
        streaming::suite(),
        auth::suite(),
        presign::suite(),
        transport::suite(),
        bucket::suite(),
        versioning::suite(),
        lock::suite(),
        tagging::suite(),
        consistency::suite(),
        error::suite(),
    ]
}
