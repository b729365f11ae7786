//! Heads of signed requests, written into a reused buffer with what a thread need not compute twice.
//!
//! The main type is [`Signer`]: the key of the day is kept as HMAC states, the date as text for a second.

use std::io::Write as _;
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::wire::Credentials;
use crate::wire::sigv4::{ALGORITHM, Scope, SigningKey};

/// Headers of a request at most.
const HEADERS: usize = 8;

/// What a request's head says.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// `GET`, `PUT`, ...
    pub method: &'a str,
    /// `/bucket`, or nothing where the host names the bucket.
    pub base: &'a str,
    /// The key, percent-encoded; empty for the bucket itself.
    pub key: &'a str,
    /// The query in canonical order and encoding, without `?`.
    pub query: &'a str,
    /// Value of the Host header.
    pub host: &'a str,
    /// Value of the Range header; empty for none.
    pub range: &'a str,
    /// SHA-256 of the body in hexadecimal, or a word that stands for it.
    pub hash: &'a str,
    /// Name and value of a checksum header.
    pub checksum: Option<(&'static str, &'a str)>,
    /// Bytes of the body where one is sent.
    pub length: Option<u64>,
    /// Bytes of an aws-chunked body before it was cut into chunks.
    pub decoded_length: Option<&'a str>,
}

/// Writes signed heads for one account.
pub struct Signer {
    credentials: Credentials,
    region: String,
    state: Option<State>,
    canonical: Vec<u8>,
    to_sign: Vec<u8>,
}

/// What holds for a second.
struct State {
    until: Instant,
    time: String,
    scope: String,
    key: hmac::Key,
    date: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

/// Hexadecimal digits of a digest, as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex([u8; 64]);

impl Hex {
    /// The digits of a SHA-256.
    pub fn of(digest: &[u8]) -> Self {
        let mut hex = [b'0'; 64];
        // A digest has half as many bytes: this cannot fail.
        let _ = hex::encode_to_slice(digest, &mut hex);
        Self(hex)
    }
    /// As text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Signer {
    /// Signs with these keys.
    pub fn new(credentials: Credentials, region: &str) -> Self {
        Self { credentials, region: region.to_owned(), state: None, canonical: Vec::new(), to_sign: Vec::new() }
    }

    /// Signs with other keys from now on.
    pub fn renew(&mut self, credentials: Credentials) {
        (self.credentials, self.state) = (credentials, None);
    }

    fn refresh(&mut self, now: Instant) {
        if self.state.as_ref().is_some_and(|state| now < state.until) {
            return;
        }
        let scope = Scope::now(&self.region, "s3");
        let kept = self.state.take().filter(|state| state.date == scope.date).map(|state| state.key);
        let derive = || hmac::Key::new(hmac::HMAC_SHA256, SigningKey::new(self.credentials.secret_key.expose(), &scope).as_bytes());
        let key = kept.unwrap_or_else(derive);
        // Half a second: the date is never older than one and a half.
        let until = now + Duration::from_millis(500);
        self.state = Some(State { until, scope: scope.credential_scope(), time: scope.time, date: scope.date, key });
    }

    /// The date and scope of the last head, and what signs its chunks.
    pub fn seed(&self) -> Option<(String, String, hmac::Key)> {
        self.state.as_ref().map(|state| (state.time.clone(), state.scope.clone(), state.key.clone()))
    }

    /// Appends the head of a request without date and signature, for a server that does not ask.
    pub fn render_unsigned(out: &mut Vec<u8>, parts: &Parts<'_>) {
        let headers = [("host", parts.host), ("range", parts.range)];
        write_head(out, parts, if parts.range.is_empty() { &headers[..1] } else { &headers });
        out.extend_from_slice(b"\r\n");
    }

    /// Appends the head of a request to `out`; returns its signature.
    pub fn render(&mut self, out: &mut Vec<u8>, parts: &Parts<'_>) -> Hex {
        self.refresh(Instant::now());
        let Self { credentials, state: Some(state), canonical, to_sign, .. } = self else { return Hex([b'0'; 64]) };
        let token = credentials.session_token.as_ref().map_or("", |token| token.expose());
        // In the order of their names, as they are signed.
        let mut headers = [("", ""); HEADERS];
        let mut count = 0;
        let decoded_length = parts.decoded_length.unwrap_or("");
        let all = [
            ("content-encoding", if decoded_length.is_empty() { "" } else { "aws-chunked" }),
            ("host", parts.host),
            ("range", parts.range),
            parts.checksum.unwrap_or_default(),
            ("x-amz-content-sha256", parts.hash),
            ("x-amz-date", state.time.as_str()),
            ("x-amz-decoded-content-length", decoded_length),
            ("x-amz-security-token", token),
        ];
        for header in all.into_iter().filter(|(_, value)| !value.is_empty()) {
            headers[count] = header;
            count += 1;
        }
        let headers = &headers[..count];
        canonical_request(canonical, parts, headers);
        to_sign.clear();
        let hash = Hex::of(digest(&SHA256, canonical).as_ref());
        for piece in [ALGORITHM, "\n", &state.time, "\n", &state.scope, "\n", hash.as_str()] {
            to_sign.extend_from_slice(piece.as_bytes());
        }
        let signature = Hex::of(hmac::sign(&state.key, to_sign).as_ref());
        write_head(out, parts, headers);
        let pieces = ["authorization: ", ALGORITHM, " Credential=", credentials.access_key.expose(), "/", &state.scope, ", SignedHeaders="];
        pieces.iter().for_each(|piece| out.extend_from_slice(piece.as_bytes()));
        names(out, headers);
        for piece in [", Signature=", signature.as_str(), "\r\n\r\n"] {
            out.extend_from_slice(piece.as_bytes());
        }
        signature
    }
}

/// Path and query as they are sent: the path is percent-encoded once, as it is signed.
fn target(out: &mut Vec<u8>, parts: &Parts<'_>) {
    out.extend_from_slice(parts.base.as_bytes());
    if parts.base.is_empty() || !parts.key.is_empty() {
        out.push(b'/');
        out.extend_from_slice(parts.key.as_bytes());
    }
}

fn names(out: &mut Vec<u8>, headers: &[(&str, &str)]) {
    for (index, (name, _)) in headers.iter().enumerate() {
        if index > 0 {
            out.push(b';');
        }
        out.extend_from_slice(name.as_bytes());
    }
}

fn canonical_request(out: &mut Vec<u8>, parts: &Parts<'_>, headers: &[(&str, &str)]) {
    out.clear();
    out.extend_from_slice(parts.method.as_bytes());
    out.push(b'\n');
    target(out, parts);
    out.push(b'\n');
    out.extend_from_slice(parts.query.as_bytes());
    out.push(b'\n');
    for (name, value) in headers {
        for piece in [name, ":", value, "\n"] {
            out.extend_from_slice(piece.as_bytes());
        }
    }
    out.push(b'\n');
    names(out, headers);
    out.push(b'\n');
    out.extend_from_slice(parts.hash.as_bytes());
}

fn write_head(out: &mut Vec<u8>, parts: &Parts<'_>, headers: &[(&str, &str)]) {
    out.extend_from_slice(parts.method.as_bytes());
    out.push(b' ');
    target(out, parts);
    if !parts.query.is_empty() {
        out.push(b'?');
        out.extend_from_slice(parts.query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    for (name, value) in headers {
        for piece in [name, ": ", value, "\r\n"] {
            out.extend_from_slice(piece.as_bytes());
        }
    }
    if let Some(length) = parts.length {
        // Writing to memory does not fail.
        let _ = write!(out, "content-length: {length}\r\n");
    }
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
