//! The request that decided a case, as a `curl` line that a vendor's support can send again.
//!
//! The URL is presigned when the line is run (`proofmark presign`), so the line itself holds no signature, never runs out, and curl
//! sends every byte as the case did: curl's own signing encodes paths and sorts queries in its own way.

use sha2::{Digest, Sha256};

use crate::model::VendorId;
use crate::wire::Exchange;

/// Headers that curl makes itself, or that change nothing.
const LEFT_OUT: [&str; 14] = [
    "accept",
    "accept-encoding",
    "amz-sdk-invocation-id",
    "amz-sdk-request",
    "authorization",
    "connection",
    "content-length",
    "date",
    "host",
    "user-agent",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-user-agent",
    "x-id",
];

/// The line, or none where curl cannot send the same: where the signature itself is tested, and for bodies in signed chunks.
pub(super) fn curl(exchange: &Exchange, vendor: &VendorId, is_tls: bool) -> Option<String> {
    let header = |name: &str| exchange.request_headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let host = header("host")?;
    if exchange.method.is_empty() || exchange.target.contains("***") || !has_own_hash(exchange, header("x-amz-content-sha256")) {
        return None;
    }
    let sent = exchange.request_headers.iter().filter(|(name, _)| !LEFT_OUT.iter().any(|known| name.eq_ignore_ascii_case(known)));
    let words_of = |(name, value): &(String, String)| format!("-H {}", quoted(&format!("{name}: {value}")));
    let url = quoted(&format!("{}://{host}{}", if is_tls { "https" } else { "http" }, exchange.target));
    let url = match header("authorization") {
        None => url,
        Some(authorization) if !authorization.starts_with("AWS4-HMAC-SHA256 ") || has_unsigned_amz_header(exchange, authorization) => return None,
        Some(_) => {
            let amz = sent.clone().filter(|(name, _)| name.to_ascii_lowercase().starts_with("x-amz-"));
            let mut words = vec![format!("proofmark presign --vendor {vendor}")];
            words.extend(amz.map(words_of));
            words.extend([exchange.method.clone(), url]);
            format!("\"$({})\"", words.join(" "))
        }
    };
    let mut words = vec!["curl -i --path-as-is --globoff".to_owned()];
    words.push(if exchange.method == "HEAD" { "-I".to_owned() } else { format!("-X {}", exchange.method) });
    words.extend(sent.map(words_of));
    words.extend(body(exchange, header("content-type").is_some()));
    words.push(url);
    Some(words.join(" "))
}

/// Whether the request's hash is that of its body: a wrong one, and chunks that are signed one by one, are what such a case tests.
fn has_own_hash(exchange: &Exchange, hash: Option<&str>) -> bool {
    match hash {
        None | Some("UNSIGNED-PAYLOAD") => true,
        Some(hash) if hash.starts_with("STREAMING-") => false,
        Some(hash) => !is_whole(exchange) || hex::encode(Sha256::digest(&exchange.request_body)) == hash,
    }
}

/// Every `x-amz-` header of a presigned request is signed, so none can be left out as such a case does.
fn has_unsigned_amz_header(exchange: &Exchange, authorization: &str) -> bool {
    let listed = authorization.split_once("SignedHeaders=").map_or("", |(_, rest)| rest);
    let signed: Vec<&str> = listed.split(',').next().unwrap_or_default().split(';').collect();
    let names = exchange.request_headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    names.filter(|name| name.starts_with("x-amz-")).any(|name| !signed.contains(&name.as_str()))
}

/// The body as curl takes it: itself where it was kept whole and is text, else a file to be made.
fn body(exchange: &Exchange, has_type: bool) -> Vec<String> {
    if exchange.request_body_bytes == 0 {
        return Vec::new();
    }
    let data = if is_whole(exchange) { quoted(&exchange.request_body) } else { format!("@any-{}-bytes", exchange.request_body_bytes) };
    // curl calls every body a form unless it is told otherwise.
    let no_type = (!has_type).then(|| "-H 'Content-Type:'".to_owned());
    no_type.into_iter().chain([format!("--data-binary {data}")]).collect()
}

/// Whether the transcript kept all of the body, and as it was.
fn is_whole(exchange: &Exchange) -> bool {
    exchange.request_body.len() as u64 == exchange.request_body_bytes && !exchange.request_body.contains(['\u{fffd}', '\0'])
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(exchange: &Exchange, is_tls: bool) -> Option<String> {
        curl(exchange, &VendorId::from("acme"), is_tls)
    }
    fn exchange(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Exchange {
        Exchange {
            method: method.to_owned(),
            target: target.to_owned(),
            request_headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            request_body: body.to_owned(),
            request_body_bytes: body.len() as u64,
            ..Exchange::default()
        }
    }

    const SIGNED: (&str, &str) =
        ("Authorization", "AWS4-HMAC-SHA256 Credential=***, SignedHeaders=host;x-amz-acl;x-amz-content-sha256;x-amz-date, Signature=***");

    #[test]
    fn a_signed_request_is_presigned_when_the_line_is_run_and_quoted_for_the_shell() {
        let sent = exchange("PUT", "/b/it's?tagging", &[("Host", "s3.example"), SIGNED, ("X-Amz-Acl", "private"), ("X-Amz-Date", "x")], "<a/>");
        assert_eq!(
            line(&sent, true).unwrap(),
            r#"curl -i --path-as-is --globoff -X PUT -H 'X-Amz-Acl: private' -H 'Content-Type:' --data-binary '<a/>' "$(proofmark presign --vendor acme -H 'X-Amz-Acl: private' PUT 'https://s3.example/b/it'\''s?tagging')""#
        );
    }

    #[test]
    fn an_anonymous_request_is_not_signed_and_a_long_body_is_named() {
        let mut sent = exchange("HEAD", "/b", &[("Host", "h")], "");
        assert_eq!(line(&sent, false).unwrap(), "curl -i --path-as-is --globoff -I 'http://h/b'");
        sent.request_body_bytes = 5 << 20;
        assert!(line(&sent, false).unwrap().contains("--data-binary @any-5242880-bytes"));
    }

    #[test]
    fn what_curl_cannot_send_again_has_no_line() {
        let presigned = exchange("GET", "/b/k?X-Amz-Signature=***", &[("Host", "h")], "");
        let hashed = |hash| exchange("PUT", "/b/k", &[("Host", "h"), SIGNED, ("x-amz-content-sha256", hash)], "x");
        let older = exchange("GET", "/b/k", &[("Host", "h"), ("Authorization", "AWS ***")], "");
        let unsigned = exchange("PUT", "/b/k", &[("Host", "h"), SIGNED, ("x-amz-meta-injected", "yes")], "x");
        for sent in [presigned, hashed("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"), hashed(&"0".repeat(64)), older, unsigned] {
            assert_eq!(line(&sent, true), None);
        }
    }
}
