//! A vendor's file: who is evaluated, how it is reached, what it claims and what may be done to it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{DegradeRule, Endpoint, PriceCard};
use crate::model::{Deployment, Impact, Setting};
use crate::units::{Bytes, Span};

/// `vendors/<id>.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vendor {
    /// Name for people.
    pub title: String,
    /// Version, where it is known beforehand.
    #[serde(default)]
    pub version: Option<String>,
    /// Who runs it.
    pub deployment: Deployment,
    /// How far its numbers can be trusted; loopback and same-host endpoints are demo or lab whatever stands here.
    #[serde(default)]
    pub setting: Option<Setting>,
    /// URLs, all used evenly. Empty for a price-only vendor and for `serve`.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// Environment variable with further endpoints, comma-separated; it replaces `endpoints` when it is set.
    #[serde(default)]
    pub endpoints_env: Option<String>,
    /// Signing region.
    #[serde(default = "default_region")]
    pub region: String,
    /// How a bucket is named in a request.
    #[serde(default)]
    pub addressing: Addressing,
    /// PEM file of the certificate authority that signed the server's certificate; relative to the vendor file.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// PEM file of the client's certificate chain.
    #[serde(default)]
    pub client_certificate_file: Option<PathBuf>,
    /// PEM file of the client's key.
    #[serde(default)]
    pub client_key_file: Option<PathBuf>,
    /// HTTP proxy that every connection goes through (`http://host:port`), always by CONNECT: a proxy that reads requests may change them.
    #[serde(default)]
    pub proxy: Option<String>,
    /// Environment variables that hold the credentials.
    #[serde(default)]
    pub credentials: Option<CredentialNames>,
    /// Run everything in this existing bucket instead of creating buckets.
    #[serde(default)]
    pub use_bucket: Option<String>,
    /// Optional S3 features that the vendor claims.
    #[serde(default)]
    pub features: Vec<String>,
    /// The consistency that it declares, in words.
    #[serde(default)]
    pub declared_consistency: Option<String>,
    /// What may be done to it.
    #[serde(default)]
    pub safety: Safety,
    /// Upper limits of one run, over all families.
    #[serde(default)]
    pub budget: Budget,
    /// Served by a child process of this binary.
    #[serde(default)]
    pub serve: Option<Serve>,
    /// Standing faults between client and server (a degraded vendor).
    #[serde(default)]
    pub degrade: Vec<DegradeRule>,
    /// Hooks to start, kill and pause it.
    #[serde(default)]
    pub lifecycle: Option<Lifecycle>,
    /// Its price card.
    #[serde(default)]
    pub pricing: Option<PriceCard>,
    /// Agreed, dated exceptions.
    #[serde(default, rename = "waiver")]
    pub waivers: Vec<Waiver>,
    /// What the buyer needs.
    #[serde(default, rename = "requirement")]
    pub requirements: Vec<Requirement>,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

/// How a bucket is named in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Addressing {
    /// `https://host/bucket/key`.
    #[default]
    Path,
    /// `https://bucket.host/key`.
    VirtualHost,
}

/// Names of environment variables; the values are read when the run starts and never stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CredentialNames {
    /// Holds the access key id.
    pub access_key_env: String,
    /// Holds the secret access key.
    pub secret_key_env: String,
    /// Holds a session token.
    #[serde(default)]
    pub session_token_env: Option<String>,
    /// Command (argument list) that prints fresh credentials as JSON: `access_key_id`, `secret_access_key`, `session_token`, `expiration`.
    #[serde(default)]
    pub refresh_command: Option<Vec<String>>,
    /// A second account, which unlocks cross-account cases.
    #[serde(default)]
    pub alt: Option<Box<CredentialNames>>,
}

/// What may be done to the vendor beyond the run's own buckets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Safety {
    /// Impacts that are allowed.
    #[serde(default)]
    pub allow: Vec<Impact>,
    /// The servers may be killed and their data lost. Needed, with a hook that echoes the vendor id, for destructive scenarios.
    #[serde(default)]
    pub disposable: bool,
}

/// Upper limits of one run. Absent = no limit.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Estimated money for requests and egress, in the price card's currency; needs `pricing`.
    #[serde(default)]
    pub money: Option<rust_decimal::Decimal>,
    /// Requests in all.
    #[serde(default)]
    pub requests: Option<u64>,
    /// Requests per second, all families and clients of this process together.
    #[serde(default)]
    pub requests_per_s: Option<f64>,
    /// Body bytes sent.
    #[serde(default)]
    pub upload: Option<Bytes>,
    /// Body bytes received.
    #[serde(default)]
    pub download: Option<Bytes>,
    /// Bytes stored at once.
    #[serde(default)]
    pub stored: Option<Bytes>,
    /// Buckets created.
    #[serde(default)]
    pub buckets: Option<u64>,
}

/// What the command line allows one run to send, beside the vendor file's own limits.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cap {
    /// Requests in all.
    pub requests: Option<u64>,
    /// Estimated money, in the price card's currency.
    pub money: Option<rust_decimal::Decimal>,
}

impl Budget {
    /// The same, lowered to `cap` where that is less.
    #[must_use]
    pub fn capped(mut self, cap: Cap) -> Self {
        self.requests = self.requests.into_iter().chain(cap.requests).min();
        self.money = self.money.into_iter().chain(cap.money).min();
        self
    }
}

/// A server that this binary runs itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Serve {
    /// s3s-fs over a temporary directory on a loopback port.
    Embedded,
}

/// How the vendor's servers are started, killed and paused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lifecycle {
    /// Script below `vendors/`, called as `SCRIPT install|up|ready|env|identify|kill|pause|resume|restart|pids|down`.
    pub script: PathBuf,
    /// Verbs that the script knows beyond install, up, ready, env, identify and down: `kill`, `pause`, `resume`, `restart`, `pids`.
    #[serde(default)]
    pub hooks: Vec<String>,
    /// Longest wait for one call.
    #[serde(default = "default_hook_limit")]
    pub limit: Span,
}

fn default_hook_limit() -> Span {
    Span(std::time::Duration::from_secs(120))
}

/// An agreed, dated exception: the verdict stays, the gate ignores it, the report shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Case id.
    pub case: String,
    /// Why, with a reference.
    pub reason: String,
    /// Who agreed to it and answers for it.
    #[serde(default)]
    pub owner: String,
    /// Last day on which it holds.
    pub until: jiff::civil::Date,
}

/// Something that the buyer needs, would like, or does not use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Case id, catalogue row, or a suite id for all of its core cases.
    pub case: String,
    /// How much depends on it.
    #[serde(default)]
    pub priority: Priority,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    #[serde(default)]
    pub owner: String,
    /// Last day on which it is asked for; absent = always.
    #[serde(default)]
    pub until: Option<jiff::civil::Date>,
}

/// How much depends on a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// A gate: not met makes the vendor not eligible.
    #[default]
    Must,
    /// Shown as met or not met.
    Should,
    /// The buyer does not use it: what fails there is shown, and breaks no gate.
    Wont,
}

impl Priority {
    /// The word used in TOML, CSV and the report.
    pub fn name(self) -> &'static str {
        match self {
            Priority::Must => "must",
            Priority::Should => "should",
            Priority::Wont => "wont",
        }
    }
}

impl Vendor {
    /// Whether anything can be sent to it.
    pub fn is_measurable(&self) -> bool {
        !self.endpoints.is_empty() || self.endpoints_env.is_some() || self.serve.is_some()
    }
    /// Whether an impact is allowed here.
    pub fn allows(&self, impact: Impact) -> bool {
        match impact {
            Impact::None => true,
            Impact::Destructive => self.safety.disposable && self.safety.allow.contains(&impact),
            other => self.safety.allow.contains(&other),
        }
    }
}
