//! Changing a request: a header less, a byte flipped; signed anew as its client would have, if it was signed right.
//!
//! What was wrong stays wrong: a signature or checksum that did not fit before is never replaced by one that does.

use bytes::Bytes;

use super::digest;
use super::message::{Head, Piece, matches};
use super::rules::Fault;
use crate::config::FaultKind;
use crate::wire::Credentials;
use crate::wire::sigv4::aws_chunked::{Decoder, Event};
use crate::wire::sigv4::{Check, ChunkSigner, Request, STREAMING_SIGNED_TRAILER, Verified, is_trailer_signature, sha256_hex, verify};

/// A request whose body has been read as a whole.
pub(super) struct Whole {
    pub head: Head,
    /// The body as it stood on the wire.
    pub pieces: Vec<Piece>,
}

impl Whole {
    /// The body without its HTTP framing.
    pub fn body(&self) -> Vec<u8> {
        self.pieces.iter().filter(|piece| piece.is_payload).flat_map(|piece| piece.bytes.iter().copied()).collect()
    }
    /// Puts another body of the same length into the same framing.
    fn set_body(&mut self, body: &[u8]) {
        let mut at = 0;
        for piece in self.pieces.iter_mut().filter(|piece| piece.is_payload) {
            let end = at + piece.bytes.len();
            piece.bytes = Bytes::copy_from_slice(&body[at..end]);
            at = end;
        }
    }
}

/// Checks the signature of a request head.
pub(super) fn check(head: &Head, known: &[Credentials]) -> Check {
    verify(&Request { method: head.method(), target: head.target(), headers: &head.headers }, "s3", None, known)
}

/// Whether a fault must see the whole body: to change it, to send it twice, or to sign its chunks anew.
pub(super) fn wants_body(faults: &[Fault], head: &Head, check: &Check) -> bool {
    let has_signed_chunks = matches!(check, Check::Valid(verified) if verified.has_signed_chunks());
    faults.iter().any(|fault| match fault.kind() {
        FaultKind::FlipRequestByte { .. } | FaultKind::CorruptRequestByte { .. } | FaultKind::DuplicateRequest {} => true,
        FaultKind::RemoveRequestHeader { name } => has_signed_chunks && head.headers.iter().any(|(present, _)| matches(name, present)),
        _ => false,
    })
}

/// Removes headers from a request whose body need not be seen, because its hash does not change.
pub(super) fn tamper_head(head: &mut Head, faults: &[Fault], check: &Check) {
    let verified = match check {
        Check::Valid(verified) => Some(verified),
        Check::Anonymous => None,
        Check::Invalid(_) | Check::NotOurs => return,
    };
    let mut is_changed = false;
    for fault in faults {
        if let FaultKind::RemoveRequestHeader { name } = fault.kind()
            && head.remove(name)
        {
            fault.fire();
            is_changed = true;
        }
    }
    if let Some(verified) = verified.filter(|_| is_changed) {
        sign_anew(head, verified, None);
    }
}

/// Signs a changed head; gives the signer of its chunks.
fn sign_anew(head: &mut Head, verified: &Verified, payload_hash: Option<&str>) -> ChunkSigner {
    let resigned = verified.resign(head.method(), head.target(), &head.headers, payload_hash);
    match &resigned.authorization {
        Some(authorization) => head.set("authorization", authorization),
        None => head.set_target(&resigned.target),
    }
    resigned.chunks
}

/// Does the faults that change the request; leaves it untouched if its signature is wrong or cannot be made anew.
pub(super) fn tamper(request: &mut Whole, faults: &[Fault], check: Check) {
    let body = request.body();
    let verified = match check {
        Check::Valid(verified) if verified.check_body(&body).is_ok() => Some(verified),
        Check::Anonymous => None,
        Check::Valid(_) | Check::Invalid(_) => return,
        Check::NotOurs => return corrupt(request, faults),
    };
    let mut changed = body.clone();
    let mut is_changed = false;
    for fault in faults {
        let done = match fault.kind() {
            FaultKind::RemoveRequestHeader { name } => request.head.remove(name),
            FaultKind::FlipRequestByte { at } => flip(&request.head, &mut changed, at.0),
            _ => false,
        };
        if done {
            fault.fire();
            is_changed = true;
        }
    }
    if is_changed {
        mend(request, verified.as_deref(), &body, changed);
    }
    corrupt(request, faults);
}

/// Flips bits and leaves everything else as it is.
fn corrupt(request: &mut Whole, faults: &[Fault]) {
    for fault in faults {
        if let FaultKind::CorruptRequestByte { at } = fault.kind() {
            let mut body = request.body();
            if flip(&request.head, &mut body, at.0) {
                request.set_body(&body);
                fault.fire();
            }
        }
    }
}

pub(super) fn is_aws_chunked(head: &Head) -> bool {
    head.header("x-amz-content-sha256").is_some_and(|hash| hash.starts_with("STREAMING-")) || head.has_word("content-encoding", "aws-chunked")
}

/// Flips the lowest bit of the byte at this offset of what the server will store. False if there is no such byte.
fn flip(head: &Head, body: &mut [u8], at: u64) -> bool {
    let position = if is_aws_chunked(head) { stored_ranges(body).and_then(|ranges| position(&ranges, at)) } else { usize::try_from(at).ok() };
    match position.and_then(|position| body.get_mut(position)) {
        Some(byte) => {
            *byte ^= 1;
            true
        }
        None => false,
    }
}

/// Where in an aws-chunked body the stored bytes are; none if it is malformed.
fn stored_ranges(body: &[u8]) -> Option<Vec<std::ops::Range<usize>>> {
    let events = Decoder::default().push(body).ok()?;
    Some(events.into_iter().filter_map(|event| if let Event::Data(range) = event { Some(range) } else { None }).collect())
}

fn position(ranges: &[std::ops::Range<usize>], at: u64) -> Option<usize> {
    let mut left = usize::try_from(at).ok()?;
    for range in ranges {
        if left < range.len() {
            return Some(range.start + left);
        }
        left -= range.len();
    }
    None
}

fn stored(head: &Head, body: &[u8]) -> Vec<u8> {
    match is_aws_chunked(head).then(|| stored_ranges(body)).flatten() {
        Some(ranges) => ranges.into_iter().flat_map(|range| body[range].iter().copied()).collect(),
        None => body.to_vec(),
    }
}

/// Makes checksums and signatures fit again that did fit: what a client that meant the changed request would have sent.
fn mend(request: &mut Whole, verified: Option<&Verified>, before: &[u8], mut after: Vec<u8>) {
    let Whole { head, .. } = request;
    let (stored_before, stored_after) = (stored(head, before), stored(head, &after));
    let is_body_changed = before != &after[..];
    let mut payload_hash = None;
    if is_body_changed {
        mend_checksums(head, &stored_before, &stored_after);
        if verified.is_some_and(|verified| verified.payload_hash().len() == 64) {
            let hash = sha256_hex(&after);
            head.set("x-amz-content-sha256", &hash);
            payload_hash = Some(hash);
        }
    }
    let chunks = verified.map(|verified| sign_anew(head, verified, payload_hash.as_deref()));
    let chunks = chunks.filter(|_| verified.is_some_and(Verified::has_signed_chunks));
    if is_aws_chunked(head) {
        let has_signed_trailer = verified.is_some_and(|verified| verified.payload_hash() == STREAMING_SIGNED_TRAILER);
        mend_chunks(&mut after, &stored_before, &stored_after, chunks, has_signed_trailer);
    }
    request.set_body(&after);
}

fn mend_checksums(head: &mut Head, before: &[u8], after: &[u8]) {
    let names: Vec<String> = head.headers.iter().map(|(name, _)| name.clone()).collect();
    for name in names {
        if let Some(value) = head.header(&name).and_then(|old| digest::replacement(&name, old, before, after)) {
            head.set(&name, &value);
        }
    }
    // A presigned URL may carry the checksum in its query.
    let target = head.target();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let parts: Vec<String> = query
        .split('&')
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let old = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
            match digest::replacement(name, &old, before, after) {
                Some(new) => format!("{name}={}", crate::wire::sigv4::encode_query_part(new.as_bytes())),
                None => part.to_owned(),
            }
        })
        .collect();
    let mended = parts.join("&");
    if mended != query {
        let target = format!("{path}?{mended}");
        head.set_target(&target);
    }
}

/// Puts new chunk signatures and trailers in the places of the old ones. All are of the same length, so nothing moves.
fn mend_chunks(coded: &mut [u8], before: &[u8], after: &[u8], mut signer: Option<ChunkSigner>, has_signed_trailer: bool) {
    let source = coded.to_vec();
    let Ok(events) = Decoder::default().push(&source) else { return };
    let mut cursor = 0;
    let mut old_signature: Option<String> = None;
    let mut data = Vec::new();
    let mut trailers = Vec::new();
    let mut sign = |coded: &mut [u8], cursor: &mut usize, old: Option<String>, data: &[u8]| {
        if let (Some(signer), Some(old)) = (signer.as_mut(), old) {
            let new = signer.chunk(data);
            *cursor = replace(coded, *cursor, old.as_bytes(), new.as_bytes());
        }
    };
    for event in events {
        match event {
            Event::Chunk { signature, .. } => {
                sign(coded, &mut cursor, old_signature.take(), &data);
                data.clear();
                old_signature = signature;
            }
            Event::Data(range) => data.extend_from_slice(&source[range]),
            Event::Trailer(name, value) => trailers.push((name, value)),
        }
    }
    sign(coded, &mut cursor, old_signature, &data);
    mend_trailers(coded, before, after, signer.filter(|_| has_signed_trailer), trailers);
}

fn mend_trailers(coded: &mut [u8], before: &[u8], after: &[u8], signer: Option<ChunkSigner>, trailers: Vec<(String, String)>) {
    let (signatures, mut trailers): (Vec<_>, Vec<_>) = trailers.into_iter().partition(|(name, _)| is_trailer_signature(name));
    // Trailers follow the last data: searching from the end finds them and no look-alike inside the data.
    let mut put = |old: &str, new: &str| {
        if let Some(at) = coded.windows(old.len()).rposition(|window| window == old.as_bytes()) {
            replace(coded, at, old.as_bytes(), new.as_bytes());
        }
    };
    for (name, value) in &mut trailers {
        if let Some(new) = digest::replacement(name, value, before, after) {
            put(value, &new);
            *value = new;
        }
    }
    if let (Some(mut signer), Some((_, old))) = (signer, signatures.first()) {
        put(old, &signer.trailer(&trailers));
    }
}

/// Replaces the first `old` at or after `from` by `new` of the same length; gives the position behind it.
fn replace(coded: &mut [u8], from: usize, old: &[u8], new: &[u8]) -> usize {
    let found = coded[from..].windows(old.len()).position(|window| window == old).filter(|_| old.len() == new.len() && !old.is_empty());
    match found {
        Some(at) => {
            let end = from + at + old.len();
            coded[from + at..end].copy_from_slice(new);
            end
        }
        None => from,
    }
}
