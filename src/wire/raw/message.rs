//! A request as it goes over the wire, and how it is signed.

use super::{Proof, RawRequest};
use crate::wire::Credentials;
use crate::wire::sigv4::{
    self, Header, STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, STREAMING_UNSIGNED_TRAILER, Scope, UNSIGNED_PAYLOAD, aws_chunked, sha256_hex,
};

/// What the signature says of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// Its SHA-256.
    Signed,
    /// `UNSIGNED-PAYLOAD`.
    Unsigned,
    /// This text in place of the hash.
    Hash(String),
    /// aws-chunked coding.
    Chunks(Chunks),
}

/// An aws-chunked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunks {
    /// Bytes of each chunk but the last.
    pub size: usize,
    /// Whether each chunk carries a signature; if not, a trailer is due.
    pub signed: bool,
    /// Trailer lines, e.g. a checksum.
    pub trailers: Vec<(String, String)>,
}

impl Chunks {
    /// Signed chunks without a trailer.
    pub fn signed(size: usize) -> Self {
        Self { size, signed: true, trailers: Vec::new() }
    }
    /// Unsigned chunks with a trailer, as SDKs send over TLS.
    pub fn unsigned(size: usize, name: &str, value: &str) -> Self {
        Self { size, signed: false, trailers: vec![(name.to_owned(), value.to_owned())] }
    }
    /// With a further trailer line.
    pub fn trailer(mut self, name: &str, value: &str) -> Self {
        self.trailers.push((name.to_owned(), value.to_owned()));
        self
    }
    fn hash(&self) -> &'static str {
        match (self.signed, self.trailers.is_empty()) {
            (true, true) => STREAMING_SIGNED,
            (true, false) => STREAMING_SIGNED_TRAILER,
            (false, _) => STREAMING_UNSIGNED_TRAILER,
        }
    }
    /// The coded body. `signatures` gives the signature of a chunk, and after the empty chunk that of the trailer.
    fn code(&self, body: &[u8], mut signature: impl FnMut(Part<'_>) -> String) -> aws_chunked::Body {
        let mut coded = aws_chunked::Body::default();
        for data in body.chunks(self.size.max(1)).chain(std::iter::once(&[][..])) {
            let signature = self.signed.then(|| signature(Part::Chunk(data)));
            coded.chunks.push(aws_chunked::Chunk { data: data.to_vec(), signature });
        }
        coded.trailers.clone_from(&self.trailers);
        if self.signed && !self.trailers.is_empty() {
            coded.trailers.push(("x-amz-trailer-signature".to_owned(), signature(Part::Trailer(&self.trailers))));
        }
        coded
    }
}

enum Part<'a> {
    Chunk(&'a [u8]),
    Trailer(&'a [(String, String)]),
}

/// A request as it goes over the wire. Whatever is set here is sent, valid or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Method.
    pub method: String,
    /// Target: path and query.
    pub target: String,
    /// Version, `HTTP/1.1`.
    pub version: String,
    /// Headers in order.
    pub headers: Vec<Header>,
    /// Body as coded.
    pub body: Vec<u8>,
}

impl Message {
    /// Sets the first header of that name, or adds it.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref().to_vec();
        match self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.headers.push((name.to_owned(), value)),
        }
    }
    /// Removes all headers of that name.
    pub fn remove(&mut self, name: &str) {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<String> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
    /// Request line and headers with the empty line behind them.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(name.as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    }
}

fn has(headers: &[Header], name: &str) -> bool {
    headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// Completes and signs a request.
pub(super) fn sign(request: &mut RawRequest, keys: Option<&Credentials>, scope: &Scope) -> Message {
    let mut message = Message {
        method: request.method.clone(),
        target: request.target.clone(),
        version: "HTTP/1.1".to_owned(),
        headers: Vec::new(),
        body: std::mem::take(&mut request.body),
    };
    let is_automatic = |name: &str| !has(&request.headers, name) && !request.wishes.omitted.iter().any(|omitted| omitted == name);
    if is_automatic("host") {
        message.set("Host", &request.host);
    }
    message.headers.append(&mut request.headers.clone());
    let mut chunks = None;
    let plain = std::mem::take(&mut message.body);
    let (hash, length) = match &request.payload {
        Payload::Signed => (sha256_hex(&plain), plain.len()),
        Payload::Unsigned => (UNSIGNED_PAYLOAD.to_owned(), plain.len()),
        Payload::Hash(hash) => (hash.clone(), plain.len()),
        Payload::Chunks(coding) => {
            chunks = Some(coding.clone());
            // All signatures have 64 digits, so the length is known before they are.
            (coding.hash().to_owned(), coding.code(&plain, |_| "0".repeat(64)).encode().len())
        }
    };
    if let Some(coding) = &chunks {
        announce(&mut message, coding, plain.len(), &request.wishes.omitted);
    }
    let needs_length = (length > 0 || ["PUT", "POST"].contains(&message.method.as_str())) && !has(&message.headers, "transfer-encoding");
    let length = (needs_length && is_automatic("content-length")).then(|| length.to_string());
    if let (Some(length), Proof::Header) = (&length, &request.proof) {
        message.set("Content-Length", length);
    }
    let signature = match (keys, &request.proof) {
        (Some(keys), Proof::Header) => {
            Some(sigv4::sign_headers_as(&request.wishes, &message.method, &message.target, &mut message.headers, &hash, keys, scope))
        }
        (Some(keys), Proof::Presigned { expires_s }) => {
            message.target = sigv4::presign(&message.method, &message.target, &message.headers, keys, scope, expires_s);
            None
        }
        _ => None,
    };
    if let Some(length) = length {
        message.set("Content-Length", length);
    }
    message.body = match chunks {
        None => plain,
        Some(coding) => {
            let mut signer = signature.map(|signature| signature.chunks(scope));
            let mut coded = coding.code(&plain, |part| match (&mut signer, part) {
                (Some(signer), Part::Chunk(data)) => signer.chunk(data),
                (Some(signer), Part::Trailer(lines)) => signer.trailer(lines),
                (None, _) => "0".repeat(64),
            });
            if let Some(change) = request.on_chunks.take() {
                change(&mut coded);
            }
            coded.encode()
        }
    };
    message
}

/// The headers that announce an aws-chunked body.
fn announce(message: &mut Message, coding: &Chunks, plain_bytes: usize, omitted: &[String]) {
    let mut add = |name: &str, value: String| {
        if !has(&message.headers, name) && !omitted.iter().any(|omitted| omitted.eq_ignore_ascii_case(name)) {
            message.set(name, value);
        }
    };
    add("Content-Encoding", "aws-chunked".to_owned());
    add("x-amz-decoded-content-length", plain_bytes.to_string());
    if !coding.trailers.is_empty() {
        add("x-amz-trailer", coding.trailers.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(","));
    }
}
