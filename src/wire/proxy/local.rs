//! Answers that the proxy gives itself, because a rule says so.

use std::io;

use md5::{Digest, Md5};
use tokio::io::AsyncWriteExt;

use super::message::{Body, Head, Incoming, Side};
use super::relay::Next;
use super::rules::Fault;
use super::throttle;
use crate::config::FaultKind;
use crate::wire::sigv4::Check;
use crate::wire::sigv4::aws_chunked::{Decoder, Event};

/// A request whose body has not been read yet.
pub(super) struct Asked<'a> {
    pub head: &'a Head,
    pub body: &'a Body,
    pub check: &'a Check,
    /// Whether the bucket is named in the host.
    pub in_host: bool,
}

/// Does a fault whose requests never reach the server; none if this request is to go there.
pub(super) async fn answer(client: &mut Side, fault: &Fault, asked: &Asked<'_>) -> io::Result<Option<Next>> {
    let Asked { head, body, .. } = *asked;
    let is_waiting = head.has_word("expect", "100-continue");
    match fault.kind() {
        FaultKind::BlackHole {} => {
            fault.fire();
            while client.incoming.fill().await? > 0 {
                client.incoming.take_rest();
            }
            Ok(Some(Next::Close))
        }
        FaultKind::Status { status: code, code: name } => {
            fault.fire();
            refuse(client, asked, &status(*code, name, head, "")).await.map(Some)
        }
        FaultKind::Throttle(limits) => {
            let share = throttle::share(head.method(), head.target(), head.header("host").filter(|_| asked.in_host), limits.prefix_depth);
            let Some((prefix, direction)) = share else { return Ok(None) };
            if fault.admits(&prefix, direction) {
                return Ok(None);
            }
            fault.fire();
            let wait = limits.retry_after.map(|wait| format!("retry-after: {}\r\n", wait.0.as_secs_f64().ceil()));
            refuse(client, asked, &status(503, "SlowDown", head, &wait.unwrap_or_default())).await.map(Some)
        }
        // A request that the server would refuse is left to the server, and a copy is answered with more than we could make up.
        FaultKind::Swallow {}
            if head.method() == "PUT" && head.header("x-amz-copy-source").is_none() && matches!(asked.check, Check::Valid(_) | Check::NotOurs) =>
        {
            fault.fire();
            if is_waiting {
                client.out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            let etag = swallow(head, body.clone(), &mut client.incoming).await?;
            client.out.write_all(&stored(&etag)).await?;
            Ok(Some(if head.closes() { Next::Close } else { Next::Again }))
        }
        _ => Ok(None),
    }
}

/// Reads what the client sends on anyway, then refuses.
async fn refuse(client: &mut Side, asked: &Asked<'_>, answer: &[u8]) -> io::Result<Next> {
    let is_waiting = asked.head.has_word("expect", "100-continue");
    if !is_waiting {
        discard(asked.body.clone(), &mut client.incoming).await?;
    }
    client.out.write_all(answer).await?;
    Ok(if is_waiting || asked.head.closes() { Next::Close } else { Next::Again })
}

/// An answer of our own: head, with further header lines, and body.
fn status(status: u16, code: &str, request: &Head, headers: &str) -> Vec<u8> {
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
    let head = format!("HTTP/1.1 {status} {reason}\r\nx-amz-request-id: {REQUEST_ID}\r\n{headers}{kind}content-length: {}\r\n\r\n", body.len());
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
async fn swallow(head: &Head, mut body: Body, from: &mut Incoming) -> io::Result<String> {
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
