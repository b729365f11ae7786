//! A request of the load engine and what became of it.
//!
//! The main types are [`Request`] and [`Answer`]. A request is reused: its texts keep their memory, so that the next one allocates nothing.

use std::fmt;
use std::time::Instant;

use super::content::Extent;
use crate::config::Operation;

/// One request, before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The operation: it decides the method and what counts as success.
    pub operation: Operation,
    /// The key as it stands in a URL (percent-encoded); empty for requests to the bucket.
    pub key: String,
    /// Names and values in canonical order and encoding, without the `?`.
    pub query: String,
    /// First and last byte that a read asks for.
    pub range: Option<(u64, u64)>,
    /// Number of the object's content: what a write sends, and what a read must return.
    pub number: u64,
    /// First byte of the object that a write sends or a whole read returns: not 0 for parts.
    pub from: u64,
    /// Byte after the last one: the object's size, or a part's end.
    pub to: u64,
    /// The object's size.
    pub end: u64,
    /// Whether the answer's body is compared byte for byte.
    pub verify: bool,
    /// Whether a size other than `from..to` is wrong. Off for objects that somebody else wrote.
    pub is_sized: bool,
    /// The body of requests that carry XML; its memory is reused.
    pub text: Vec<u8>,
    /// Bytes of stored objects that are gone when it succeeds: deleted or overwritten.
    pub frees: u64,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            operation: Operation::GetObject,
            key: String::new(),
            query: String::new(),
            range: None,
            number: 0,
            from: 0,
            to: 0,
            end: 0,
            verify: false,
            is_sized: true,
            text: Vec::new(),
            frees: 0,
        }
    }
}

impl Request {
    /// Makes it another request about an object of `size` bytes; what is special has to be set anew.
    pub fn reset(&mut self, operation: Operation, number: u64, size: u64) {
        self.operation = operation;
        self.key.clear();
        self.query.clear();
        self.text.clear();
        (self.range, self.verify, self.is_sized, self.frees) = (None, false, true, 0);
        (self.number, self.from, self.to, self.end) = (number, 0, size, size);
    }
    /// Bytes of its body.
    pub fn upload(&self) -> u64 {
        if self.operation.writes_content() { self.to - self.from } else { self.text.len() as u64 }
    }
    /// The bytes that a write sends, or that a successful read returns.
    pub fn extent(&self) -> Extent {
        let (from, to) = self.range.map_or((self.from, self.to), |(first, last)| (first, last + 1));
        Extent { number: self.number, from, to, end: self.end }
    }
}

/// How a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// No connection, or it broke before an answer.
    Connection,
    /// The answer is complete and is not what was written: other bytes or another length.
    Corrupt,
    /// An answer with a status that is not success.
    Status(u16),
    /// No complete answer in time.
    Timeout,
    /// The connection ended within the answer, or the answer is not HTTP.
    Truncated,
}

impl Failure {
    /// Whether the connection can be used again: the answer was read to its end.
    pub fn is_answered(self) -> bool {
        matches!(self, Failure::Corrupt | Failure::Status(_))
    }
}

/// `status 503`, `connection`, `timeout`, `truncated`, `corrupt`: as it stands in records.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connection => f.write_str("connection"),
            Failure::Corrupt => f.write_str("corrupt"),
            Failure::Status(status) => write!(f, "status {status}"),
            Failure::Timeout => f.write_str("timeout"),
            Failure::Truncated => f.write_str("truncated"),
        }
    }
}

/// What became of one request.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// HTTP status; 0 where no answer came.
    pub status: u16,
    /// When its first byte was about to be sent; the connection was open.
    pub started: Instant,
    /// When the head of the answer was there.
    pub first_byte: Option<Instant>,
    /// When the answer was complete, or the failure known.
    pub ended: Instant,
    /// Body bytes received.
    pub download: u64,
    /// Object bytes moved, either way, by a request that succeeded.
    pub payload_bytes: u64,
    /// How it failed.
    pub failure: Option<Failure>,
    /// False when no connection could be opened, so that nothing reached the vendor.
    pub was_sent: bool,
    /// Seconds of a Retry-After header.
    pub retry_after_s: Option<u32>,
}

impl Answer {
    /// Before anything has come back.
    pub fn pending(started: Instant) -> Self {
        let (first_byte, failure, retry_after_s) = (None, None, None);
        Self { status: 0, started, first_byte, ended: started, download: 0, payload_bytes: 0, failure, was_sent: true, retry_after_s }
    }
    /// Whether it succeeded.
    pub fn is_ok(&self) -> bool {
        self.failure.is_none()
    }
}
