//! Faults that a proxy puts between client and server, and when they are on.

use serde::{Deserialize, Serialize};

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
}
