//! How a vendor is reached and signed for: endpoints, region, addressing, trust, credentials.

use crate::config::{Addressing, Endpoint, Secret};

/// Keys to sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Access key id (not a secret, but redacted in evidence all the same).
    pub access_key: Secret,
    /// Secret access key.
    pub secret_key: Secret,
    /// Session token of temporary credentials.
    pub session_token: Option<Secret>,
}

/// A vendor that cannot be reached as configured; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// An environment variable that the vendor file names is not set.
    #[error("vendor {vendor}: {field}: the environment variable {name} is not set")]
    MissingVariable {
        /// The vendor.
        vendor: String,
        /// The field of the vendor file that names it.
        field: String,
        /// The variable.
        name: String,
    },
    /// A PEM file, proxy or refresh command that does not work.
    #[error("vendor {vendor}: {field}: {message}")]
    Invalid {
        /// The vendor.
        vendor: String,
        /// The field of the vendor file.
        field: String,
        /// What is wrong.
        message: String,
    },
}

/// How a vendor is reached and signed for in this run.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where requests go; the proxy's address while a fault proxy stands between.
    pub endpoints: Vec<Endpoint>,
    /// Signing region.
    pub region: String,
    /// How a bucket is named in a request.
    pub addressing: Addressing,
    /// First account.
    pub credentials: Credentials,
    /// Second account.
    pub alt: Option<Credentials>,
}
