//! The canonical request: what both sides must build alike, byte for byte.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use super::{Header, Request};

const UNRESERVED_KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH_KEPT: AsciiSet = UNRESERVED_KEPT.remove(b'/');

/// Percent-encodes the bytes of a path as S3 signs them: all but unreserved characters and `/`.
pub fn encode_path(path: &[u8]) -> String {
    percent_encode(path, &PATH_KEPT).to_string()
}

/// Percent-encodes a name or value of a query as it is signed: all but unreserved characters.
pub fn encode_query_part(part: &[u8]) -> String {
    percent_encode(part, &UNRESERVED_KEPT).to_string()
}

/// Sorted lower-case names of the headers, each once.
pub(super) fn names(headers: &[Header]) -> Vec<String> {
    let mut names: Vec<String> = headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort();
    names.dedup();
    names
}

/// The canonical request and its list of signed headers.
pub(super) fn request(request: &Request<'_>, signed: &[&str], payload_hash: &str) -> (Vec<u8>, String) {
    let (path, query) = split_target(request.target);
    let mut signed: Vec<String> = signed.iter().map(|name| name.to_ascii_lowercase()).collect();
    signed.sort();
    signed.dedup();
    let list = signed.join(";");
    let mut text = format!("{}\n{}\n{}\n", request.method, uri(path), canonical_query(query)).into_bytes();
    for name in &signed {
        let values: Vec<Vec<u8>> =
            request.headers.iter().filter(|(present, _)| present.eq_ignore_ascii_case(name)).map(|(_, value)| trimmed(value)).collect();
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(&values.join(&b","[..]));
        text.push(b'\n');
    }
    text.extend_from_slice(format!("\n{list}\n{payload_hash}").as_bytes());
    (text, list)
}

/// Path and query (without `?`) of a request target.
pub(super) fn split_target(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

/// The path as S3 signs it: what was meant, encoded once (no `.` or `//` is resolved).
fn uri(path: &str) -> String {
    let meant: Vec<u8> = percent_decode_str(path).collect();
    if meant.is_empty() { "/".to_owned() } else { encode_path(&meant) }
}

/// Names and values as they were meant, in the order of the query.
pub(super) fn query_pairs(query: &str) -> Vec<(Vec<u8>, Vec<u8>)> {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).collect();
    query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query_pairs(query)
        .iter()
        .filter(|(name, _)| name != b"X-Amz-Signature")
        .map(|(name, value)| (encode_query_part(name), encode_query_part(value)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// A header value without space around it, and with one space for each run of white space inside.
fn trimmed(value: &[u8]) -> Vec<u8> {
    value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(&b" "[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_signed_as_it_was_meant_and_encoded_once() {
        for (sent, signed) in [
            ("/b/plain~key-1_2.txt", "/b/plain~key-1_2.txt"),
            ("/b/with%20space", "/b/with%20space"),
            ("/b/a+b", "/b/a%2Bb"),
            ("/b/a%2Bb", "/b/a%2Bb"),
            ("/b/100%25", "/b/100%25"),
            ("/b/%7Etilde", "/b/~tilde"),
            ("/b/%e2%82%ac", "/b/%E2%82%AC"),
            ("/b/€", "/b/%E2%82%AC"),
            ("/b//a/../c", "/b//a/../c"),
            ("/b/(1)*'!", "/b/%281%29%2A%27%21"),
            ("", "/"),
        ] {
            assert_eq!(uri(sent), signed, "{sent}");
        }
    }

    #[test]
    fn a_query_is_sorted_and_valueless_or_repeated_names_are_kept() {
        for (sent, signed) in [
            ("", ""),
            ("acl", "acl="),
            ("acl=", "acl="),
            ("prefix=a%20b&delimiter=/&max-keys=2", "delimiter=%2F&max-keys=2&prefix=a%20b"),
            ("prefix=a+b", "prefix=a%20b"),
            ("x=2&x=1&x", "x=&x=1&x=2"),
            ("b=1&B=1&a=~", "B=1&a=~&b=1"),
            ("a-b=1&a=1", "a=1&a-b=1"),
            ("X-Amz-Signature=abc&X-Amz-Date=d", "X-Amz-Date=d"),
        ] {
            assert_eq!(canonical_query(sent), signed, "{sent}");
        }
    }

    #[test]
    fn header_values_are_trimmed_joined_and_may_be_any_bytes() {
        let headers =
            [("HOST", b" h ".to_vec()), ("X-Amz-Meta-A", b"  a   b\t c ".to_vec()), ("x-amz-meta-a", b"d".to_vec()), ("x-amz-meta-b", vec![0xff])]
                .map(|(name, value)| (name.to_owned(), value));
        let (text, list) = request(&Request { method: "GET", target: "/", headers: &headers }, &["x-amz-meta-b", "Host", "x-amz-meta-a"], "H");
        assert_eq!(list, "host;x-amz-meta-a;x-amz-meta-b");
        let expected = [&b"GET\n/\n\nhost:h\nx-amz-meta-a:a b c,d\nx-amz-meta-b:\xff\n\nhost;x-amz-meta-a;x-amz-meta-b\nH"[..]].concat();
        assert_eq!(text, expected);
    }
}
