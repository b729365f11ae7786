//! Tests of the signed heads: they are held against the wire's own signatures, which are held against published vectors.

use super::*;
use crate::config::Secret;
use crate::wire::sigv4::{EMPTY_SHA256, Header, UNSIGNED_PAYLOAD, sign_headers};

fn keys(token: Option<&str>) -> Credentials {
    Credentials { access_key: Secret::new("a"), secret_key: Secret::new("s"), session_token: token.map(Secret::new) }
}

const GET: Parts<'static> = Parts {
    method: "GET",
    base: "/bucket",
    key: "a/key%20b",
    query: "",
    host: "host:1",
    range: "",
    hash: EMPTY_SHA256,
    checksum: None,
    length: None,
    decoded_length: None,
};

fn render(signer: &mut Signer, parts: &Parts<'_>) -> String {
    let mut out = Vec::new();
    signer.render(&mut out, parts);
    String::from_utf8(out).unwrap()
}

/// Splits a head into its request line and its headers.
fn read(head: &str) -> (&str, Vec<Header>) {
    let mut lines = head.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
    let first = lines.next().unwrap();
    let header = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).unwrap();
    (first, lines.map(header).collect())
}

fn value(headers: &[Header], name: &str) -> String {
    let found = headers.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("no {name}"));
    String::from_utf8(found.1.clone()).unwrap()
}

#[test]
fn heads_are_signed_as_the_wire_signs_them() {
    let put = Parts { method: "PUT", hash: UNSIGNED_PAYLOAD, checksum: Some(("x-amz-checksum-crc32c", "AAAAAA==")), length: Some(9), ..GET };
    let all = [
        GET,
        Parts { range: "bytes=0-9", ..GET },
        Parts { base: "", key: "", query: "list-type=2&prefix=a%2Fb", ..GET },
        Parts { key: "", query: "delete=", method: "POST", length: Some(3), ..GET },
        Parts { decoded_length: Some("9"), ..put },
        put,
    ];
    for token in [None, Some("t")] {
        let mut signer = Signer::new(keys(token), "us-east-1");
        for parts in all {
            let head = render(&mut signer, &parts);
            let (line, own) = read(&head);
            let mut words = line.split(' ');
            assert_eq!(words.next(), Some(parts.method));
            let target = words.next().unwrap();
            let time = value(&own, "x-amz-date");
            let scope = Scope { date: time[..8].to_owned(), time, ..Scope::now("us-east-1", "s3") };
            let signed = |name: &str| !["authorization", "content-length"].contains(&name);
            let mut headers: Vec<Header> = own.iter().filter(|(name, _)| signed(name)).cloned().collect();
            sign_headers(parts.method, target, &mut headers, parts.hash, &keys(token), &scope);
            assert_eq!(value(&own, "authorization"), value(&headers, "Authorization"), "{head}");
            assert_eq!(parts.length.is_some(), head.contains("content-length: "));
        }
    }
}

#[test]
fn other_keys_sign_from_the_next_head_on() {
    let mut signer = Signer::new(keys(None), "us-east-1");
    let first = render(&mut signer, &GET);
    signer.renew(keys(Some("a-token")));
    let second = render(&mut signer, &GET);
    assert!(!first.contains("x-amz-security-token") && second.contains("x-amz-security-token: a-token"));
}

#[test]
fn a_signer_does_not_print_its_keys() {
    assert_eq!(format!("{:?}", Signer::new(keys(Some("t")), "r")), "Signer(***)");
}
