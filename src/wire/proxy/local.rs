//! Answers that the proxy gives itself, because a rule says so.

use std::io;

use md5::{Digest, Md5};

use super::message::{Body, Head, Incoming};
use crate::wire::sigv4::aws_chunked::{Decoder, Event};

/// An answer of our own: head and body.
pub(super) fn status(status: u16, code: &str, request: &Head) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown");
    let body = match code {
        "" => String::new(),
        code => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Answered by a fault proxy.</Message>\
             <Resource>{}</Resource><RequestId>{REQUEST_ID}</RequestId></Error>",
            quick_xml::escape::escape(request.target().split('?').next().unwrap_or_default())
        ),
    };
    let kind = if body.is_empty() { "" } else { "content-type: application/xml\r\n" };
    let head = format!("HTTP/1.1 {status} {reason}\r\nx-amz-request-id: {REQUEST_ID}\r\n{kind}content-length: {}\r\n\r\n", body.len());
    let body = if request.method() == "HEAD" { "" } else { &body };
    format!("{head}{body}").into_bytes()
}

/// In place of the server's request id: the server never saw the request.
const REQUEST_ID: &str = "FAULTPROXY000000";

/// An answer with this status and body.
pub(super) fn plain(status: u16, body: &str, method: &str) -> Vec<u8> {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown");
    let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    let body = if method == "HEAD" { "" } else { body };
    format!("HTTP/1.1 {status} {reason}\r\nx-amz-request-id: {REQUEST_ID}\r\n{length}\r\n{body}").into_bytes()
}

/// The answer to a PUT that was taken and thrown away: the entity tag is the one that a server would give.
pub(super) fn stored(etag: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nx-amz-request-id: {REQUEST_ID}\r\netag: \"{etag}\"\r\ncontent-length: 0\r\n\r\n").into_bytes()
}

/// Reads a body to its end and gives the MD5, in hex, of what a server would store.
pub(super) async fn swallow(head: &Head, mut body: Body, from: &mut Incoming) -> io::Result<String> {
    let hash = head.header("x-amz-content-sha256").unwrap_or_default();
    let mut decoder = (hash.starts_with("STREAMING-") || head.has_word("content-encoding", "aws-chunked")).then(Decoder::default);
    let mut md5 = Md5::new();
    while let Some(piece) = body.next(from).await? {
        match &mut decoder {
            _ if !piece.is_payload => {}
            None => md5.update(&piece.bytes),
            Some(decoder) => {
                for event in decoder.push(&piece.bytes).map_err(io::Error::other)? {
                    if let Event::Data(range) = event {
                        md5.update(&piece.bytes[range]);
                    }
                }
            }
        }
    }
    Ok(hex::encode(md5.finalize()))
}

/// Reads a body to its end.
pub(super) async fn discard(mut body: Body, from: &mut Incoming) -> io::Result<()> {
    while body.next(from).await?.is_some() {}
    Ok(())
}
