//! Faults that a proxy puts between client and server, and when they are on.
//!
//! The main type is [`FaultKind`].

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use crate::units::{Bytes, Span};

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
    /// Pass the body in pieces of this size with a pause after each, each way.
    Slice {
        /// Bytes of one piece.
        size: Bytes,
        /// Wait after each piece.
        pause: Span,
    },
    /// Let the server answer, throw the answer away and reset the connection (an acknowledgement that is lost).
    DropResponse {},
    /// Send the same request to the server a second time, at the same moment and on a connection of its own; the client gets the first one's answer.
    DuplicateRequest {},
    /// Refuse with 503 `SlowDown` what is faster than a rate per prefix, without asking the server; what has a token passes.
    Throttle(ThrottleLimits),
}

/// Rates per prefix, as object stores limit their partitions (AWS S3: at least 3,500 PUT/COPY/POST/DELETE and 5,500 GET/HEAD each second per
/// prefix, "Best practices design patterns: optimizing Amazon S3 performance"). Each prefix of each bucket has two token buckets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThrottleLimits {
    /// PUT, POST and DELETE requests each second; none = not limited.
    #[serde(default, deserialize_with = "rate")]
    pub writes_per_s: Option<f64>,
    /// GET and HEAD requests each second, listings of the prefix included; none = not limited.
    #[serde(default, deserialize_with = "rate")]
    pub reads_per_s: Option<f64>,
    /// How many `/`-separated parts of a key, its last part left out, make a prefix; 0 = the whole bucket is one.
    #[serde(default = "one_part")]
    pub prefix_depth: u32,
    /// How long an idle prefix saves tokens for: the requests of this time, and at least two, pass at once.
    #[serde(default = "one_second")]
    pub burst: Span,
    /// The wait that a refusal names in `Retry-After`, in whole seconds; none = no such header.
    #[serde(default)]
    pub retry_after: Option<Span>,
    /// Double both rates of a prefix each time that it was overloaded for so long (no half of it passed without a refusal), as object stores
    /// split a hot partition; none = never.
    #[serde(default, deserialize_with = "lasting")]
    pub split_after: Option<Span>,
}

fn one_part() -> u32 {
    1
}

fn one_second() -> Span {
    Span(Duration::from_secs(1))
}

fn rate<'de, D: Deserializer<'de>>(input: D) -> Result<Option<f64>, D::Error> {
    let rate = f64::deserialize(input)?;
    let is_rate = rate.is_finite() && rate > 0.0;
    is_rate.then_some(Some(rate)).ok_or_else(|| serde::de::Error::custom("expected a rate above 0 requests per second"))
}

fn lasting<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Span>, D::Error> {
    let span = Span::deserialize(input)?;
    (!span.0.is_zero()).then_some(Some(span)).ok_or_else(|| serde::de::Error::custom("expected a time above 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle(text: &str) -> Result<ThrottleLimits, String> {
        let rule: Result<DegradeRule, _> = toml::from_str(&format!("fault = {{ throttle = {{ {text} }} }}"));
        rule.map_err(|error| error.message().to_owned()).map(|rule| match rule.fault {
            FaultKind::Throttle(limits) => limits,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn a_throttle_limits_what_it_names_and_has_no_other_habits() {
        let second = Span(Duration::from_secs(1));
        let expected =
            ThrottleLimits { writes_per_s: Some(50.0), reads_per_s: None, prefix_depth: 1, burst: second, retry_after: None, split_after: None };
        assert_eq!(throttle("writes_per_s = 50"), Ok(expected));
        let full = throttle("writes_per_s = 5.5, reads_per_s = 80.0, prefix_depth = 0, burst = '100 ms', retry_after = '1 s', split_after = '5 s'");
        assert_eq!(full.map(|limits| (limits.prefix_depth, limits.split_after)), Ok((0, Some(Span(Duration::from_secs(5))))));
    }

    #[test]
    fn a_limit_that_is_none_is_refused() {
        for text in ["writes_per_s = 0.0", "reads_per_s = -1.0", "writes_per_s = inf", "writes_per_s = 1.0, split_after = '0 s'", "write_per_s = 1.0"]
        {
            assert!(throttle(text).is_err(), "{text}");
        }
    }
}
