//! Signatures of the chunks and the trailer of an aws-chunked body: each covers the one before it.

use super::{EMPTY_SHA256, Scope, SigningKey, sha256_hex};

/// Signs chunk after chunk, and then the trailer, of one body.
#[derive(Debug, Clone)]
pub struct ChunkSigner {
    key: SigningKey,
    time: String,
    credential_scope: String,
    previous: String,
}

impl ChunkSigner {
    /// Starts from the signature of the request, its `seed`.
    pub fn new(key: SigningKey, scope: &Scope, seed: &str) -> Self {
        Self { key, time: scope.time.clone(), credential_scope: scope.credential_scope(), previous: seed.to_owned() }
    }
    /// The signature of the next chunk; the last one is empty.
    pub fn chunk(&mut self, data: &[u8]) -> String {
        self.next("AWS4-HMAC-SHA256-PAYLOAD", &format!("{EMPTY_SHA256}\n{}", sha256_hex(data)))
    }
    /// The signature of the trailer (`x-amz-trailer-signature`), after the empty chunk. Names in any case and order.
    pub fn trailer(&mut self, trailer: &[(String, String)]) -> String {
        let mut lines: Vec<String> = trailer.iter().map(|(name, value)| format!("{}:{}\n", name.to_ascii_lowercase(), value.trim())).collect();
        lines.sort();
        self.next("AWS4-HMAC-SHA256-TRAILER", &sha256_hex(lines.concat().as_bytes()))
    }
    fn next(&mut self, algorithm: &str, what: &str) -> String {
        let Self { key, time, credential_scope, previous } = self;
        *previous = key.sign(&format!("{algorithm}\n{time}\n{credential_scope}\n{previous}\n{what}"));
        previous.clone()
    }
}
