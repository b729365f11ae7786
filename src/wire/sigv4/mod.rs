//! Our own AWS Signature Version 4: header signing, presigned URLs, signed chunks and trailers, and the check of all of these.
//!
//! The SDK signs only what is right; the raw client must be able to sign what is wrong, and the fault proxy must know what was
//! right before it changes a request and signs it anew. The main functions are [`sign`], [`presign`] and [`verify()`];
//! [`sign_headers`] is the short way to a signed request. Rules: "Authenticating Requests (AWS Signature Version 4)" of the
//! Amazon S3 API reference.
//!
//! ```text
//! let mut headers = vec![("Host".to_owned(), b"127.0.0.1:9000".to_vec())];
//! sign_headers("GET", "/bucket?acl", &mut headers, UNSIGNED_PAYLOAD, &credentials, &Scope::now("us-east-1", "s3"));
//! // headers now also holds x-amz-date, x-amz-content-sha256, x-amz-security-token where there is one, and Authorization.
//! ```

pub mod aws_chunked;
mod canonical;
mod chunk;
mod verify;

pub use canonical::{encode_path, encode_query_part};
pub use chunk::ChunkSigner;
pub(in crate::wire) use verify::is_trailer_signature;
pub use verify::{Check, Resigned, Verified, verify};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::Credentials;

/// The only algorithm name that is signed and checked here.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Payload hash of a body that the signature does not cover.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// Payload hash of an aws-chunked body with signed chunks.
pub const STREAMING_SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
/// Payload hash of an aws-chunked body with signed chunks and a signed trailer.
pub const STREAMING_SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
/// Payload hash of an aws-chunked body with an unsigned trailer.
pub const STREAMING_UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
/// SHA-256 of an empty body, in hex.
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A header as it stands on the wire: name in any case, value as bytes (it may be UTF-8 or anything else).
pub type Header = (String, Vec<u8>);

/// The signed parts of a request, exactly as it is sent.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Method in upper case.
    pub method: &'a str,
    /// Path and query as they stand in the request line.
    pub target: &'a str,
    /// All headers; a name may repeat.
    pub headers: &'a [Header],
}

/// Moment, region and service that a signature is good for. Every field may be set to something wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `20130524T000000Z`: the value of `x-amz-date`.
    pub time: String,
    /// `20130524`: the date of the credential scope.
    pub date: String,
    /// Region, e.g. `us-east-1`.
    pub region: String,
    /// `s3` or `sts`.
    pub service: String,
    /// `aws4_request`.
    pub terminal: String,
}

impl Scope {
    /// The scope of a request that is signed at `time`.
    pub fn at(time: jiff::Timestamp, region: &str, service: &str) -> Self {
        let time = time.strftime("%Y%m%dT%H%M%SZ").to_string();
        Self { date: time[..8].to_owned(), time, region: region.to_owned(), service: service.to_owned(), terminal: "aws4_request".to_owned() }
    }
    /// The scope of a request that is signed now.
    pub fn now(region: &str, service: &str) -> Self {
        Self::at(jiff::Timestamp::now(), region, service)
    }
    /// `20130524/us-east-1/s3/aws4_request`.
    pub fn credential_scope(&self) -> String {
        format!("{}/{}/{}/{}", self.date, self.region, self.service, self.terminal)
    }
}

/// The key derived from a secret for one scope. Does not print.
#[derive(Clone)]
pub struct SigningKey([u8; 32]);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

impl SigningKey {
    /// Derives the key of `secret` for `scope`.
    pub fn new(secret: &str, scope: &Scope) -> Self {
        let mut key = hmac(format!("AWS4{secret}").as_bytes(), scope.date.as_bytes());
        for part in [&scope.region, &scope.service, &scope.terminal] {
            key = hmac(&key, part.as_bytes());
        }
        Self(key)
    }
    /// The key itself, for who keeps it in another form.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
    /// The signature of a string to sign, in hex.
    pub fn sign(&self, string_to_sign: &str) -> String {
        hex::encode(hmac(&self.0, string_to_sign.as_bytes()))
    }
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// SHA-256 in hex: the payload hash of a signed body.
pub fn sha256_hex(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// A signature and what it was made of.
#[derive(Debug, Clone)]
pub struct Signature {
    /// The signature in hex; the seed of a [`ChunkSigner`].
    pub hex: String,
    /// `access key/scope`, as it stands after `Credential=`.
    pub credential: String,
    /// Names of the signed headers, in lower case, sorted, joined with `;`.
    pub signed_headers: String,
    /// The canonical request, lossy where a header is not UTF-8.
    pub canonical_request: String,
    /// The string to sign.
    pub string_to_sign: String,
    /// To go on with chunks.
    pub key: SigningKey,
}

impl Signature {
    /// The value of the `Authorization` header.
    pub fn authorization(&self) -> String {
        format!("{ALGORITHM} Credential={}, SignedHeaders={}, Signature={}", self.credential, self.signed_headers, self.hex)
    }
    /// Signs the chunks of an aws-chunked body whose request has this signature.
    pub fn chunks(&self, scope: &Scope) -> ChunkSigner {
        ChunkSigner::new(self.key.clone(), scope, &self.hex)
    }
}

/// Signs `request` over the headers named in `signed` (any case; one that is absent counts as absent) and `payload_hash`.
/// Adds nothing to the request: `x-amz-date` and the others must already be among its headers.
pub fn sign(request: &Request<'_>, signed: &[&str], payload_hash: &str, credentials: &Credentials, scope: &Scope) -> Signature {
    let key = SigningKey::new(credentials.secret_key.expose(), scope);
    sign_with(request, signed, payload_hash, credentials.access_key.expose(), key, scope)
}

/// [`sign`] with a key that was derived before: for many requests of one day.
pub fn sign_with(request: &Request<'_>, signed: &[&str], payload_hash: &str, access_key: &str, key: SigningKey, scope: &Scope) -> Signature {
    let (canonical, signed_headers) = canonical::request(request, signed, payload_hash);
    let credential_scope = scope.credential_scope();
    let string_to_sign = format!("{ALGORITHM}\n{}\n{credential_scope}\n{}", scope.time, sha256_hex(&canonical));
    Signature {
        hex: key.sign(&string_to_sign),
        credential: format!("{access_key}/{credential_scope}"),
        signed_headers,
        canonical_request: String::from_utf8_lossy(&canonical).into_owned(),
        string_to_sign,
        key,
    }
}

/// Names of headers that are not signed by [`sign_headers`], because hops on the way may change them.
pub const UNSIGNED_HEADERS: [&str; 8] =
    ["authorization", "user-agent", "expect", "connection", "transfer-encoding", "te", "x-amzn-trace-id", "accept-encoding"];

/// Completes `headers` (which must hold `Host`) with `x-amz-date`, `x-amz-content-sha256`, the session token and `Authorization`,
/// and signs all of them but the ones that hops may change. A header that is already there is kept as it is, so that a caller can send a wrong one.
pub fn sign_headers(
    method: &str,
    target: &str,
    headers: &mut Vec<Header>,
    payload_hash: &str,
    credentials: &Credentials,
    scope: &Scope,
) -> Signature {
    sign_headers_as(&Wishes::default(), method, target, headers, payload_hash, credentials, scope)
}

/// What a caller wants otherwise than a careful client would have it. Names are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// Headers that are sent and not signed: clients differ in it.
    pub unsigned: Vec<String>,
    /// Headers that are not added.
    pub omitted: Vec<String>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { unsigned: UNSIGNED_HEADERS.map(str::to_owned).to_vec(), omitted: Vec::new() }
    }
}

/// [`sign_headers`] with other choices of what is added and signed.
pub fn sign_headers_as(
    wishes: &Wishes,
    method: &str,
    target: &str,
    headers: &mut Vec<Header>,
    payload_hash: &str,
    credentials: &Credentials,
    scope: &Scope,
) -> Signature {
    let mut add = |name: &str, value: &str| {
        let is_there = headers.iter().any(|(present, _)| present.eq_ignore_ascii_case(name));
        if !is_there && !wishes.omitted.iter().any(|omitted| omitted == name) {
            headers.push((name.to_owned(), value.as_bytes().to_vec()));
        }
    };
    add("x-amz-date", &scope.time);
    add("x-amz-content-sha256", payload_hash);
    if let Some(token) = &credentials.session_token {
        add("x-amz-security-token", token.expose());
    }
    let names: Vec<String> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).filter(|name| !wishes.unsigned.contains(name)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let signature = sign(&Request { method, target, headers }, &names, payload_hash, credentials, scope);
    headers.push(("Authorization".to_owned(), signature.authorization().into_bytes()));
    signature
}

/// The target (path and query) of a presigned request. `headers` are those that the holder must send; `Host` must be among them.
/// `expires_s` is text, so that a wrong one can be sent.
pub fn presign(method: &str, target: &str, headers: &[Header], credentials: &Credentials, scope: &Scope, expires_s: &str) -> String {
    let names: Vec<String> = canonical::names(headers);
    let credential = format!("{}/{}", credentials.access_key.expose(), scope.credential_scope());
    let mut query = vec![
        ("X-Amz-Algorithm", ALGORITHM.to_owned()),
        ("X-Amz-Credential", credential),
        ("X-Amz-Date", scope.time.clone()),
        ("X-Amz-Expires", expires_s.to_owned()),
        ("X-Amz-SignedHeaders", names.join(";")),
    ];
    if let Some(token) = &credentials.session_token {
        query.push(("X-Amz-Security-Token", token.expose().to_owned()));
    }
    let mut target = target.to_owned();
    for (name, value) in &query {
        target.push(if target.contains('?') { '&' } else { '?' });
        target.push_str(&format!("{name}={}", encode_query_part(value.as_bytes())));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let signature = sign(&Request { method, target: &target, headers }, &names, UNSIGNED_PAYLOAD, credentials, scope);
    format!("{target}&X-Amz-Signature={}", signature.hex)
}

#[cfg(test)]
mod tests;
