//! The request that decided a case, as a `curl` line that a vendor's support can send again.
//!
//! The line signs with `--aws-sigv4` and names environment variables in place of keys: a presigned URL would be out of date when it is
//! read, and would be a secret while it is not.

use crate::config::Vendor;
use crate::wire::Exchange;

/// Headers that curl makes itself, or that change nothing.
const LEFT_OUT: [&str; 13] = [
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
    "x-amz-date",
    "x-amz-user-agent",
    "x-id",
];

/// The line, or none where curl cannot send the same: where the signature itself is tested, and for bodies in signed chunks.
pub(super) fn curl(exchange: &Exchange, vendor: &Vendor, region: &str, is_tls: bool) -> Option<String> {
    let header = |name: &str| exchange.request_headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str());
    let host = header("host")?;
    let hash = header("x-amz-content-sha256").unwrap_or_default();
    if exchange.method.is_empty() || exchange.target.contains("***") || hash.starts_with("STREAMING-") {
        return None;
    }
    let mut words = vec!["curl -i --path-as-is --globoff".to_owned()];
    words.push(if exchange.method == "HEAD" { "-I".to_owned() } else { format!("-X {}", exchange.method) });
    if let Some(authorization) = header("authorization") {
        if !authorization.starts_with("AWS4-HMAC-SHA256 ") || has_unsigned_amz_header(exchange, authorization) {
            return None;
        }
        let names = vendor.credentials.as_ref().map(|names| (names.access_key_env.as_str(), names.secret_key_env.as_str()));
        let (key, secret) = names.unwrap_or(("ACCESS_KEY", "SECRET_KEY"));
        words.push(format!("--aws-sigv4 {} --user \"${key}:${secret}\"", quoted(&format!("aws:amz:{region}:s3"))));
    }
    for (name, value) in &exchange.request_headers {
        let is_own_hash = name.eq_ignore_ascii_case("x-amz-content-sha256") && hash != "UNSIGNED-PAYLOAD";
        if !is_own_hash && !LEFT_OUT.iter().any(|known| name.eq_ignore_ascii_case(known)) {
            words.push(format!("-H {}", quoted(&format!("{name}: {value}"))));
        }
    }
    words.extend(body(exchange, header("content-type").is_some()));
    let scheme = if is_tls { "https" } else { "http" };
    words.push(quoted(&format!("{scheme}://{host}{}", exchange.target)));
    Some(words.join(" "))
}

/// curl signs every `x-amz-` header, so it cannot leave one out as the case did.
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
    let is_whole = exchange.request_body.len() as u64 == exchange.request_body_bytes && !exchange.request_body.contains(['\u{fffd}', '\0']);
    let data = if is_whole { quoted(&exchange.request_body) } else { format!("@any-{}-bytes", exchange.request_body_bytes) };
    // curl calls every body a form unless it is told otherwise.
    let no_type = (!has_type).then(|| "-H 'Content-Type:'".to_owned());
    no_type.into_iter().chain([format!("--data-binary {data}")]).collect()
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vendor() -> Vendor {
        let text = "title = \"v\"\ndeployment = \"managed\"\n[credentials]\naccess_key_env = \"A_KEY\"\nsecret_key_env = \"A_SECRET\"\n";
        toml::from_str(text).unwrap()
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

    const SIGNED: (&str, &str) = ("Authorization", "AWS4-HMAC-SHA256 Credential=***, SignedHeaders=host;x-amz-date, Signature=***");

    #[test]
    fn a_signed_request_names_the_variables_and_quotes_for_the_shell() {
        let sent = exchange("PUT", "/b/it's?tagging", &[("Host", "s3.example"), SIGNED, ("If-None-Match", "*"), ("X-Amz-Date", "x")], "<a/>");
        assert_eq!(
            curl(&sent, &vendor(), "eu-1", true).unwrap(),
            r#"curl -i --path-as-is --globoff -X PUT --aws-sigv4 'aws:amz:eu-1:s3' --user "$A_KEY:$A_SECRET" -H 'If-None-Match: *' -H 'Content-Type:' --data-binary '<a/>' 'https://s3.example/b/it'\''s?tagging'"#
        );
    }

    #[test]
    fn an_anonymous_request_is_not_signed_and_a_long_body_is_named() {
        let mut sent = exchange("HEAD", "/b", &[("Host", "h")], "");
        assert_eq!(curl(&sent, &vendor(), "eu-1", false).unwrap(), "curl -i --path-as-is --globoff -I 'http://h/b'");
        sent.request_body_bytes = 5 << 20;
        assert!(curl(&sent, &vendor(), "eu-1", false).unwrap().contains("--data-binary @any-5242880-bytes"));
    }

    #[test]
    fn what_curl_cannot_send_again_has_no_line() {
        let presigned = exchange("GET", "/b/k?X-Amz-Signature=***", &[("Host", "h")], "");
        let chunked = exchange("PUT", "/b/k", &[("Host", "h"), SIGNED, ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")], "x");
        let older = exchange("GET", "/b/k", &[("Host", "h"), ("Authorization", "AWS ***")], "");
        let unsigned = exchange("PUT", "/b/k", &[("Host", "h"), SIGNED, ("x-amz-meta-injected", "yes")], "x");
        for sent in [presigned, chunked, older, unsigned] {
            assert_eq!(curl(&sent, &vendor(), "eu-1", false), None);
        }
    }
}
