//! The check of a request's signature, and signing anew what was signed right.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::aws_chunked::Body;
use super::{ALGORITHM, ChunkSigner, Header, Request, STREAMING_SIGNED, STREAMING_SIGNED_TRAILER, Scope, SigningKey, UNSIGNED_PAYLOAD};
use super::{canonical, encode_query_part, sha256_hex, sign_with};
use crate::wire::Credentials;

/// What the signature of a request is worth.
#[derive(Debug, Clone)]
pub enum Check {
    /// Signed right with one of the known credentials. The body is checked apart: [`Verified::check_body`].
    Valid(Box<Verified>),
    /// Signed with a known access key, but wrong or malformed; says why.
    Invalid(String),
    /// Not signed at all.
    Anonymous,
    /// Signed with an unknown access key or another algorithm: cannot be judged.
    NotOurs,
}

/// A request whose signature is right.
#[derive(Debug, Clone)]
pub struct Verified {
    scope: Scope,
    key: SigningKey,
    access_key: String,
    presigned: bool,
    signed: Vec<String>,
    payload_hash: String,
    signature: String,
}

/// A request signed anew: what to put in place of the old.
#[derive(Debug, Clone)]
pub struct Resigned {
    /// Path and query; changed only for a presigned request.
    pub target: String,
    /// Value of `Authorization`; none for a presigned request.
    pub authorization: Option<String>,
    /// Signs the chunks of its body.
    pub chunks: ChunkSigner,
}

/// The parts of a signature as the client sent them.
struct Claim {
    credential: String,
    signed: Vec<String>,
    signature: String,
    time: String,
    payload_hash: Option<String>,
    presigned: bool,
}

/// Checks the signature of a request against `known` credentials. Neither the clock nor an expiry nor the credential's region is judged:
/// they stay as they are when the request is signed anew. `service` is `s3` or `sts`. `body_sha256` is needed only where the service lets
/// the client leave `x-amz-content-sha256` out (not S3).
pub fn verify(request: &Request<'_>, service: &str, body_sha256: Option<&str>, known: &[Credentials]) -> Check {
    let claim = match claim(request) {
        Ok(claim) => claim,
        Err(check) => return check,
    };
    let Some((access_key, scope)) = split_credential(&claim) else {
        return Check::Invalid("the credential is not ACCESS_KEY/DATE/REGION/SERVICE/aws4_request".to_owned());
    };
    let Some(credentials) = known.iter().find(|credentials| credentials.access_key.expose() == access_key) else {
        return Check::NotOurs;
    };
    if scope.service != service || scope.terminal != "aws4_request" || !claim.time.starts_with(&scope.date) {
        return Check::Invalid(format!("the credential scope {} does not fit the request", scope.credential_scope()));
    }
    let Some(payload_hash) = claim.payload_hash.clone().or_else(|| body_sha256.map(str::to_owned)) else {
        return Check::Invalid("no x-amz-content-sha256".to_owned());
    };
    if !claim.signed.iter().any(|name| name == "host") {
        return Check::Invalid("the host is not signed".to_owned());
    }
    let key = SigningKey::new(credentials.secret_key.expose(), &scope);
    let names: Vec<&str> = claim.signed.iter().map(String::as_str).collect();
    let ours = sign_with(request, &names, &payload_hash, access_key, key.clone(), &scope);
    if !same(&ours.hex, &claim.signature) {
        return Check::Invalid("the signature does not match".to_owned());
    }
    let access_key = access_key.to_owned();
    let Claim { presigned, signature, .. } = claim;
    Check::Valid(Box::new(Verified { scope, key, access_key, presigned, signed: claim.signed, payload_hash, signature }))
}

/// Compares in a time that does not depend on where the texts differ.
fn same(ours: &str, theirs: &str) -> bool {
    let tag = |text: &str| Hmac::<Sha256>::new_from_slice(ours.as_bytes()).expect("HMAC takes a key of any length").chain_update(text).finalize();
    tag(ours) == tag(theirs)
}

fn claim(request: &Request<'_>) -> Result<Claim, Check> {
    let header = |name: &str| {
        let value = request.headers.iter().find(|(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        value.map(|value| String::from_utf8_lossy(value).trim().to_owned())
    };
    let pairs = canonical::query_pairs(canonical::split_target(request.target).1);
    let query = |name: &str| {
        let pair = pairs.iter().find(|(present, _)| present.eq_ignore_ascii_case(name.as_bytes()));
        pair.map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    };
    let incomplete = || Check::Invalid("the signature lacks a component".to_owned());
    if let Some(authorization) = header("authorization") {
        let Some(rest) = authorization.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with([' ', '\t'])) else {
            return Err(Check::NotOurs);
        };
        let part =
            |name: &str| rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned)).ok_or_else(incomplete);
        return Ok(Claim {
            credential: part("Credential")?,
            signed: split_names(&part("SignedHeaders")?),
            signature: part("Signature")?,
            time: header("x-amz-date").ok_or_else(|| Check::Invalid("no x-amz-date".to_owned()))?,
            payload_hash: header("x-amz-content-sha256"),
            presigned: false,
        });
    }
    match query("X-Amz-Algorithm") {
        Some(algorithm) if algorithm == ALGORITHM => {}
        Some(_) => return Err(Check::NotOurs),
        None if query("Signature").is_some() || query("AWSAccessKeyId").is_some() => return Err(Check::NotOurs),
        None => return Err(Check::Anonymous),
    }
    let part = |name: &str| query(name).ok_or_else(incomplete);
    Ok(Claim {
        credential: part("X-Amz-Credential")?,
        signed: split_names(&part("X-Amz-SignedHeaders")?),
        signature: part("X-Amz-Signature")?,
        time: part("X-Amz-Date")?,
        payload_hash: Some(header("x-amz-content-sha256").unwrap_or_else(|| UNSIGNED_PAYLOAD.to_owned())),
        presigned: true,
    })
}

fn split_names(list: &str) -> Vec<String> {
    list.split(';').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// An access key may hold `/`, so the scope is read from the end.
fn split_credential(claim: &Claim) -> Option<(&str, Scope)> {
    let mut parts = claim.credential.rsplitn(5, '/');
    let (terminal, service, region, date) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let access_key = parts.next()?;
    let own = str::to_owned;
    Some((access_key, Scope { time: claim.time.clone(), date: own(date), region: own(region), service: own(service), terminal: own(terminal) }))
}

impl Verified {
    /// The value that stands for the body in the signature: a SHA-256 in hex or one of the sentinels.
    pub fn payload_hash(&self) -> &str {
        &self.payload_hash
    }
    /// The access key that signed.
    pub fn access_key(&self) -> &str {
        &self.access_key
    }
    /// Names of the signed headers.
    pub fn signed(&self) -> &[String] {
        &self.signed
    }
    /// The region of the credential's scope.
    pub fn region(&self) -> &str {
        &self.scope.region
    }
    /// The moment of signing: `20130524T000000Z`.
    pub fn time(&self) -> &str {
        &self.scope.time
    }
    /// Whether the signature stands in the query.
    pub fn is_presigned(&self) -> bool {
        self.presigned
    }
    /// The signature in hex; the seed of signed chunks.
    pub fn signature(&self) -> &str {
        &self.signature
    }
    /// Whether chunks of the body carry signatures.
    pub fn has_signed_chunks(&self) -> bool {
        self.payload_hash == STREAMING_SIGNED || self.payload_hash == STREAMING_SIGNED_TRAILER
    }
    /// Signs (and so checks) the chunks of the body as the client had to.
    pub fn chunks(&self) -> ChunkSigner {
        ChunkSigner::new(self.key.clone(), &self.scope, &self.signature)
    }
    /// Checks a whole body, as it stands in the HTTP body, against the signature.
    ///
    /// # Errors
    /// Says what does not match.
    pub fn check_body(&self, body: &[u8]) -> Result<(), String> {
        if !self.has_signed_chunks() {
            let hashed = self.payload_hash.len() == 64;
            return if hashed && sha256_hex(body) != self.payload_hash { Err("the body does not match its hash".to_owned()) } else { Ok(()) };
        }
        let body = Body::decode(body).map_err(|error| error.to_string())?;
        let mut signer = self.chunks();
        for (index, chunk) in body.chunks.iter().enumerate() {
            if chunk.signature.as_deref() != Some(&signer.chunk(&chunk.data)) {
                return Err(format!("the signature of chunk {index} does not match"));
            }
        }
        if self.payload_hash == STREAMING_SIGNED_TRAILER {
            let (theirs, trailer): (Vec<_>, Vec<_>) = body.trailers.into_iter().partition(|(name, _)| is_trailer_signature(name));
            if theirs.first().map(|(_, signature)| signature) != Some(&signer.trailer(&trailer)) {
                return Err("the signature of the trailer does not match".to_owned());
            }
        }
        Ok(())
    }
    /// Signs the changed request as its client would have: same moment, scope, place and list of signed headers, less those that are gone.
    /// `payload_hash` stands in for a changed body; none keeps the old one.
    pub fn resign(&self, method: &str, target: &str, headers: &[Header], payload_hash: Option<&str>) -> Resigned {
        let present = |name: &str| headers.iter().any(|(present, _)| present.eq_ignore_ascii_case(name));
        let signed: Vec<&str> = self.signed.iter().map(String::as_str).filter(|name| present(name)).collect();
        let target = if self.presigned { presigned_target(target, &signed.join(";")) } else { target.to_owned() };
        let request = Request { method, target: &target, headers };
        let payload_hash = payload_hash.unwrap_or(&self.payload_hash);
        let signature = sign_with(&request, &signed, payload_hash, &self.access_key, self.key.clone(), &self.scope);
        let chunks = signature.chunks(&self.scope);
        if self.presigned {
            return Resigned { target: format!("{target}&X-Amz-Signature={}", signature.hex), authorization: None, chunks };
        }
        Resigned { authorization: Some(signature.authorization()), target, chunks }
    }
}

/// Whether a trailer line carries the signature of the others.
pub(in crate::wire) fn is_trailer_signature(name: &str) -> bool {
    name.eq_ignore_ascii_case("x-amz-trailer-signature")
}

/// A presigned target without its signature and with another list of signed headers.
fn presigned_target(target: &str, signed: &str) -> String {
    let (path, query) = canonical::split_target(target);
    let parts: Vec<String> = query
        .split('&')
        .filter(|part| !part.starts_with("X-Amz-Signature="))
        .map(|part| match part.strip_prefix("X-Amz-SignedHeaders=") {
            Some(_) => format!("X-Amz-SignedHeaders={}", encode_query_part(signed.as_bytes())),
            None => part.to_owned(),
        })
        .collect();
    format!("{path}?{}", parts.join("&"))
}
