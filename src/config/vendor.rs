//! A vendor's file: who is evaluated, how it is reached, what it claims and what may be done to it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::PriceCard;
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
    /// HTTP proxy that every connection goes through (`http://host:port`, CONNECT for https endpoints).
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

/// A checked `http://` or `https://` URL without path, query or credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    /// Whether it is `https`.
    pub tls: bool,
    /// Host name or address (IPv6 without brackets).
    pub host: String,
    /// Port, also when it is the default one.
    pub port: u16,
}

impl TryFrom<String> for Endpoint {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let expected = format!("{text:?} is not an endpoint URL: expected \"http://host:port\" or \"https://host\", without a path");
        let (scheme, rest) = text.split_once("://").ok_or(&expected)?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(expected),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.contains(['/', '?', '#', '@', ' ']) {
            return Err(expected);
        }
        let default = if tls { 443 } else { 80 };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse::<u16>().map_err(|_| expected.clone())?),
            _ => (rest, default),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || port == 0 {
            return Err(expected);
        }
        Ok(Self { tls, host, port })
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.to_string()
    }
}

impl Endpoint {
    /// `host:port` as it stands in a Host header: the port only when it is not the scheme's default.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default = if self.tls { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
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

/// A server that this binary runs itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Serve {
    /// s3s-fs over a temporary directory on a loopback port.
    Embedded,
}

/// A part of a run, for rules that hold in some parts only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The probe.
    Probe,
    /// Conformance cases.
    Conformance,
    /// Throughput scenarios.
    Throughput,
    /// Failure scenarios.
    Failure,
}

/// A standing fault of a degraded vendor: the fault, how often, and in which phases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DegradeRule {
    /// What is done.
    pub fault: FaultKind,
    /// Every n-th matching request; 1 = each.
    #[serde(default = "one")]
    pub every: u64,
    /// Operations in camel case that it touches; empty = all.
    #[serde(default)]
    pub operations: Vec<String>,
    /// Phases in which it is on; empty = all.
    #[serde(default)]
    pub phases: Vec<Phase>,
}

fn one() -> u64 {
    1
}

/// What the fault proxy can do to a connection, a request or a response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum FaultKind {
    /// Wait before the response is passed on.
    Delay {
        /// How long.
        time: Span,
        /// Uniform extra wait, up to this.
        #[serde(default)]
        jitter: Span,
    },
    /// Pass no more than this many bytes each second, each way.
    Bandwidth {
        /// Bytes per second.
        per_s: Bytes,
    },
    /// Reset the connection (RST) after this many body bytes of the request went to the server.
    ResetRequest {
        /// Body bytes passed before the reset.
        after: Bytes,
    },
    /// Reset the connection after this many body bytes of the response went to the client.
    ResetResponse {
        /// Body bytes passed before the reset.
        after: Bytes,
    },
    /// End the response body cleanly but too early, keeping the announced length.
    TruncateResponse {
        /// Body bytes passed.
        after: Bytes,
    },
    /// Accept and never answer.
    BlackHole {},
    /// Answer with this status and S3 error code without asking the server.
    Status {
        /// HTTP status.
        status: u16,
        /// S3 error code; empty = no body.
        #[serde(default)]
        code: String,
    },
    /// Remove a request header before the server sees it (and sign anew what was signed right).
    RemoveRequestHeader {
        /// Name, or a prefix that ends in `*`.
        name: String,
    },
    /// Remove a response header.
    RemoveResponseHeader {
        /// Name, or a prefix that ends in `*`.
        name: String,
    },
    /// Flip one bit of the request body and sign anew as a client with the flipped body would (a server that stores wrong bytes).
    FlipRequestByte {
        /// Offset of the byte in the body.
        at: Bytes,
    },
    /// Flip one bit of the request body on the way, leaving every checksum and signature as the client made it.
    CorruptRequestByte {
        /// Offset of the byte in the body.
        at: Bytes,
    },
    /// Flip one bit of the response body.
    FlipResponseByte {
        /// Offset of the byte in the body.
        at: Bytes,
    },
    /// Answer 200 to a PUT that never reaches the server.
    Swallow {},
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
    /// Last day on which it holds.
    pub until: jiff::civil::Date,
}

/// Something that the buyer needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Case id, or a suite id for all of its core cases.
    pub case: String,
    /// Why.
    pub reason: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_urls_without_a_path() {
        for (text, authority) in
            [("http://127.0.0.1:9000", "127.0.0.1:9000"), ("https://s3.example.com/", "s3.example.com"), ("http://[::1]:80", "[::1]")]
        {
            assert_eq!(Endpoint::try_from(text.to_owned()).unwrap().authority(), authority);
        }
        for text in ["s3.example.com", "ftp://x", "http://", "http://x/bucket", "http://user:pass@x", "http://x:port", "http://x:0"] {
            assert!(Endpoint::try_from(text.to_owned()).unwrap_err().contains("is not an endpoint URL"), "{text}");
        }
    }
}
