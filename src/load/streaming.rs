//! Bodies in signed chunks (`STREAMING-AWS4-HMAC-SHA256-PAYLOAD`): each chunk is hashed and signed when it is sent.
//!
//! Source: "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks" of the Amazon S3 API reference.

use std::io::IoSlice;

use ring::digest::{Context, SHA256};
use ring::hmac;

use super::content::{Extent, SLICES, Stamps};
use super::request::{Failure, Request};
use super::s3::Sending;
use super::sign::Hex;
use super::worker::Worker;
use crate::wire::sigv4::EMPTY_SHA256;

/// Bytes of a chunk before its last.
const CHUNK: u64 = 64 << 10;
/// `;chunk-signature=`, 64 digits and two line ends.
const OVERHEAD: u64 = 17 + 64 + 4;

/// Bytes of the coded body of `size` bytes.
pub(super) fn length(size: u64) -> u64 {
    let digits = |size: u64| format!("{size:x}").len() as u64;
    let (whole, rest) = (size / CHUNK, size % CHUNK);
    let last = if rest > 0 { digits(rest) + OVERHEAD + rest } else { 0 };
    whole * (digits(CHUNK) + OVERHEAD + CHUNK) + last + 1 + OVERHEAD
}

/// Sends a request's body chunk by chunk. False when the server answered before it had everything.
pub(super) async fn send(sending: &mut Sending<'_>, worker: &Worker, request: &Request, seed: Hex) -> Result<bool, Failure> {
    let content = &worker.shared.spec.content;
    let whole = request.extent();
    // Of the moment of the head: another connection of this thread may sign at a later one meanwhile.
    let signing = worker.signer.borrow().seed();
    let Some((time, scope, key)) = signing else { return Err(Failure::Connection) };
    let (mut at, mut previous) = (whole.from, seed);
    loop {
        let chunk = Extent { from: at, to: whole.to.min(at + CHUNK), ..whole };
        let mut context = Context::new(&SHA256);
        content.pieces(chunk, |piece| context.update(piece));
        let hash = Hex::of(context.finish().as_ref());
        let text = format!("AWS4-HMAC-SHA256-PAYLOAD\n{time}\n{scope}\n{}\n{EMPTY_SHA256}\n{}", previous.as_str(), hash.as_str());
        previous = Hex::of(hmac::sign(&key, text.as_bytes()).as_ref());
        let head = format!("{:x};chunk-signature={}\r\n", chunk.to - chunk.from, previous.as_str());
        if !sending.all(head.as_bytes()).await? {
            return Ok(false);
        }
        let mut rest = chunk;
        while rest.from < rest.to {
            let (mut stamps, mut slices) = (Stamps::default(), [IoSlice::new(&[]); SLICES]);
            let count = content.slices(rest, &mut stamps, &mut slices);
            let Some(sent) = sending.some(&slices[..count]).await? else { return Ok(false) };
            rest.from += sent;
        }
        if !sending.all(b"\r\n").await? {
            return Ok(false);
        }
        if chunk.from == chunk.to {
            return Ok(true);
        }
        at = chunk.to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coded_length_is_that_of_the_published_example() {
        // The reference's example: 65 KiB in chunks of 64 KiB, with Content-Length 66824.
        assert_eq!(length(66_560), 66_824);
        assert_eq!(length(0), 86);
    }
}
