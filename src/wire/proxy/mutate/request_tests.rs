//! Each change of a request on small bytes: what is right is signed anew, what is wrong stays wrong unless it is forgiven.

use std::sync::Arc;

use bytes::Bytes;

use super::super::message::Piece;
use super::super::tamper::{self, Whole};
use super::response_tests::{head, mutation};
use super::{Hit, Mutation, Outcome};
use crate::wire::sigv4::aws_chunked::{Body, Chunk};
use crate::wire::sigv4::{Check, Header, STREAMING_SIGNED, Scope, Signature, UNSIGNED_PAYLOAD, presign, sha256_hex, sign_headers};
use crate::wire::{Credentials, sigv4};

fn account(name: &str) -> Credentials {
    use crate::config::Secret;
    Credentials { access_key: Secret::new(name), secret_key: Secret::new(format!("{name}-secret").as_str()), session_token: None }
}

fn whole(method: &str, target: &str, headers: Vec<Header>, body: &[u8]) -> Whole {
    let mut head = head(&format!("{method} {target} HTTP/1.1"));
    head.headers = headers;
    let pieces = if body.is_empty() { Vec::new() } else { vec![Piece { bytes: Bytes::copy_from_slice(body), is_payload: true }] };
    Whole { head, pieces }
}

fn own(headers: &[(&str, &str)]) -> Vec<Header> {
    let host = std::iter::once(&("Host", "s3"));
    host.chain(headers).map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

/// A request that is signed right.
fn signed(target: &str, headers: &[(&str, &str)], body: &[u8]) -> Whole {
    let mut headers = own(headers);
    sign_headers("PUT", target, &mut headers, &sha256_hex(body), &account("first"), &Scope::now("us-east-1", "s3"));
    whole("PUT", target, headers, body)
}

/// Two signed chunks.
fn chunked(body: &[u8], tamper: impl Fn(&mut Body)) -> Whole {
    let scope = Scope::now("us-east-1", "s3");
    let mut headers = own(&[("x-amz-decoded-content-length", &body.len().to_string()), ("Content-Encoding", "gzip,aws-chunked")]);
    let seed: Signature = sign_headers("PUT", "/b/k", &mut headers, STREAMING_SIGNED, &account("first"), &scope);
    let mut signer = seed.chunks(&scope);
    let mut coded = Body::default();
    for data in [&body[..2], &body[2..], &[]] {
        coded.chunks.push(Chunk { data: data.to_vec(), signature: Some(signer.chunk(data)) });
    }
    tamper(&mut coded);
    whole("PUT", "/b/k", headers, &coded.encode())
}

fn does(changes: &str) -> Arc<Mutation> {
    mutation(&format!("changes = [{changes}]"), vec![account("first"), account("second")])
}

fn change(changes: &str, whole: &mut Whole) -> Option<Vec<u8>> {
    let hit = Hit::of(&does(changes), "PutObject", &whole.head).expect("the operation is touched");
    match hit.request(whole) {
        Outcome::Send => None,
        Outcome::Answered(bytes) => Some(bytes),
    }
}

/// Whether a server takes the request as one of `account`'s.
fn is_right(whole: &Whole, name: &str) -> bool {
    match tamper::check(&whole.head, &[account("first"), account("second")]) {
        Check::Valid(verified) => verified.access_key() == name && verified.check_body(&whole.body()).is_ok(),
        _ => false,
    }
}

#[test]
fn headers_and_query_change_and_the_request_is_signed_anew() {
    for (changes, gone, there) in
        [("{ remove-header = { name = 'if-*' } }", "if-match", ""), ("{ set-header = { name = 'x-amz-acl', value = 'private' } }", "", "x-amz-acl")]
    {
        let mut request = signed("/b/k?a=1&b=2", &[("If-Match", "\"e\"")], b"hello");
        change(changes, &mut request);
        assert!(is_right(&request, "first"), "{changes}");
        assert!(request.head.header(gone).is_none() && (there.is_empty() || request.head.header(there).is_some()), "{changes}");
    }
    for (changes, target) in [("{ remove-query = { name = 'a' } }", "/b/k?b=2"), ("{ set-query = { name = 'a', value = '3' } }", "/b/k?b=2&a=3")] {
        let mut request = signed("/b/k?a=1&b=2", &[], b"");
        change(changes, &mut request);
        assert!(is_right(&request, "first") && request.head.target() == target, "{}", request.head.target());
    }
}

#[test]
fn a_changed_body_takes_its_fitting_checksums_along_and_leaves_wrong_ones() {
    let md5 = "XUFAKrxLKna5cZ2REBfFkg==";
    let mut request = signed("/b/k", &[("Content-MD5", md5), ("x-amz-checksum-crc32", "AAAAAA==")], b"hello");
    change("{ replace-body = { from = 'h*l', to = 'J' } }", &mut request);
    assert_eq!(request.body(), b"Jlo");
    assert!(is_right(&request, "first") && request.head.header("content-md5") != Some(md5));
    assert_eq!(request.head.header("x-amz-checksum-crc32"), Some("AAAAAA=="));
    let mut request = signed("/b/k", &[], b"hello");
    change("{ flip-body = { at = -1 } }", &mut request);
    assert_eq!(request.body(), b"helln");
}

#[test]
fn what_is_wrong_stays_wrong() {
    let mut broken = signed("/b/k", &[("If-Match", "\"e\"")], b"hello");
    broken.head.set("x-amz-date", "20130524T000000Z");
    let mut late_headers = own(&[("If-Match", "\"e\"")]);
    let late = Scope { time: "20130524T000000Z".to_owned(), date: "20130524".to_owned(), ..Scope::now("us-east-1", "s3") };
    sign_headers("PUT", "/b/k", &mut late_headers, UNSIGNED_PAYLOAD, &account("first"), &late);
    let other_body =
        Whole { pieces: vec![Piece { bytes: Bytes::from_static(b"other"), is_payload: true }], ..signed("/b/k", &[("If-Match", "\"e\"")], b"hello") };
    let bad_chunk = chunked(b"hello", |body| body.chunks[1].signature = Some("0".repeat(64)));
    for mut request in [broken, whole("PUT", "/b/k", late_headers, b""), other_body, bad_chunk] {
        let before = request.head.to_bytes();
        change("{ remove-header = { name = 'if-match' } }, { set-header = { name = 'x-amz-acl', value = 'private' } }", &mut request);
        assert_eq!(request.head.to_bytes(), before);
    }
}

#[test]
fn an_anonymous_request_is_changed_and_stays_anonymous_unless_forgiven() {
    let mut request = whole("PUT", "/b/k", own(&[("If-Match", "\"e\"")]), b"x");
    change("{ remove-header = { name = 'if-match' } }", &mut request);
    assert!(request.head.header("authorization").is_none() && request.head.header("if-match").is_none());
    change("{ forgive = { what = 'anonymous' } }", &mut request);
    assert!(is_right(&request, "first"));
}

#[test]
fn each_flaw_is_forgiven_by_its_own_change_only() {
    let wrong_secret = || {
        let mut headers = own(&[]);
        let wrong = Credentials { secret_key: crate::config::Secret::new("no"), ..account("first") };
        sign_headers("PUT", "/b/k", &mut headers, &sha256_hex(b"hello"), &wrong, &Scope::now("us-east-1", "s3"));
        whole("PUT", "/b/k", headers, b"hello")
    };
    let at = |time: &str, region: &str, hash: &str| {
        let mut headers = own(&[]);
        let scope = Scope { time: time.to_owned(), date: time[..8].to_owned(), ..Scope::now(region, "s3") };
        sign_headers("PUT", "/b/k", &mut headers, hash, &account("first"), &scope);
        whole("PUT", "/b/k", headers, b"hello")
    };
    let now = Scope::now("", "s3").time;
    let expired = || {
        let scope = Scope { time: "20130524T000000Z".to_owned(), date: "20130524".to_owned(), ..Scope::now("us-east-1", "s3") };
        whole("PUT", &presign("PUT", "/b/k", &own(&[]), &account("first"), &scope, "60"), own(&[]), b"hello")
    };
    let unsigned = || {
        let mut request = signed("/b/k", &[], b"hello");
        request.head.headers.push(("x-amz-meta-a".to_owned(), b"1".to_vec()));
        request
    };
    let flaws: [(&str, &dyn Fn() -> Whole); 7] = [
        ("signature", &wrong_secret),
        ("time", &|| at("20130524T000000Z", "us-east-1", UNSIGNED_PAYLOAD)),
        ("time", &expired),
        ("region", &|| at(&now, "mars-1", UNSIGNED_PAYLOAD)),
        ("payload", &|| at(&now, "us-east-1", &sha256_hex(b"other"))),
        ("chunks", &|| chunked(b"hello", |body| body.chunks[1].signature = Some("0".repeat(64)))),
        ("unsigned-header", &unsigned),
    ];
    for (flaw, make) in flaws {
        for (what, _) in flaws {
            let mut request = make();
            let before = request.head.to_bytes();
            change(&format!("{{ forgive = {{ what = '{what}' }} }}"), &mut request);
            if what == flaw {
                assert!(is_right(&request, "first") && request.body() == b"hello", "{flaw}");
            } else {
                assert_eq!(request.head.to_bytes(), before, "{flaw} is not {what}");
            }
        }
    }
}

#[test]
fn a_wrong_checksum_is_forgiven_in_headers_and_trailers() {
    let mut request = signed("/b/k", &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-none", "x"), ("Content-MD5", "no")], b"123456789");
    change("{ forgive = { what = 'checksum' } }", &mut request);
    assert_eq!(request.head.header("x-amz-checksum-crc32"), Some("y/Q5Jg=="));
    assert!(is_right(&request, "first") && request.head.header("x-amz-checksum-none").is_none());
    let mut headers = own(&[("x-amz-decoded-content-length", "9"), ("x-amz-trailer", "x-amz-checksum-crc32")]);
    sign_headers("PUT", "/b/k", &mut headers, sigv4::STREAMING_UNSIGNED_TRAILER, &account("first"), &Scope::now("us-east-1", "s3"));
    let mut request = whole("PUT", "/b/k", headers, b"9\r\n123456789\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n");
    change("{ forgive = { what = 'checksum' } }", &mut request);
    assert_eq!((request.body(), request.head.header("x-amz-checksum-crc32")), (b"123456789".to_vec(), Some("y/Q5Jg==")));
    assert!(is_right(&request, "first") && request.head.header("x-amz-trailer").is_none());
}

#[test]
fn who_waits_for_leave_is_refused_before_the_body() {
    let refusal = |headers: &[(&str, &str)], status: u16| {
        let request = signed("/b/k", headers, b"");
        let hit = Hit::of(&does(&format!("{{ answer = {{ status = {status} }} }}")), "PutObject", &request.head).expect("the operation is touched");
        hit.refusal(&request.head)
    };
    let waiting = [("Expect", "100-continue")];
    assert!(refusal(&waiting, 400).is_some_and(|answer| answer.starts_with(b"HTTP/1.1 400 ")));
    assert_eq!(refusal(&[], 400), None, "a client that does not wait has its body read");
    assert_eq!(refusal(&waiting, 200), None, "success comes after the body");
}

#[test]
fn members_of_json_are_dropped_at_any_depth() {
    let policy = br#"{"Statement":[{"Effect":"Allow","Condition":{"Bool":{"a":"b"}}}]}"#;
    let mut whole = signed("/b?policy", &[], policy);
    change("{ drop-member = { name = 'Condition' } }", &mut whole);
    assert_eq!(whole.body(), br#"{"Statement":[{"Effect":"Allow"}]}"#);
    assert!(is_right(&whole, "first"));
}

#[test]
fn a_body_that_ended_early_is_kept_only_where_the_mutant_says_so() {
    let cut = || {
        let mut whole = signed("/b/k", &[("Content-Length", "7")], b"content");
        whole.pieces[0].bytes.truncate(3);
        whole
    };
    let mut whole = cut();
    change("{ remove-header = { name = 'absent' } }", &mut whole);
    assert!(!is_right(&whole, "first"));
    change("{ keep-cut = {} }", &mut whole);
    assert_eq!(whole.body(), b"con");
    assert!(is_right(&whole, "first"));
    let mut complete = signed("/b/k", &[("Content-Length", "7")], b"content");
    complete.pieces[0].bytes = Bytes::from_static(b"CONTENT");
    change("{ keep-cut = {} }", &mut complete);
    assert!(!is_right(&complete, "first"), "another body of the same length is no cut one");
}

#[test]
fn framing_can_be_kept_in_what_is_stored() {
    let mut request = chunked(b"hello", |_| ());
    let coded = request.body();
    change("{ keep-framing = {} }", &mut request);
    assert_eq!(request.body(), coded);
    assert!(is_right(&request, "first"));
    assert_eq!(request.head.header("content-encoding"), Some("gzip"));
    assert!(request.head.header("x-amz-decoded-content-length").is_none());
}

#[test]
fn another_account_is_taken_for_the_first() {
    let mut headers = own(&[]);
    sign_headers("PUT", "/b/k", &mut headers, &sha256_hex(b""), &account("second"), &Scope::now("us-east-1", "s3"));
    let mut request = whole("PUT", "/b/k", headers, b"");
    change("{ as-owner = {} }", &mut request);
    assert!(is_right(&request, "first"));
}

#[test]
fn some_requests_are_answered_without_the_server() {
    let answer = change("{ answer = { status = 204 } }", &mut signed("/b/k", &[], b"x")).expect("it is answered");
    assert!(answer.starts_with(b"HTTP/1.1 204 No Content\r\n"));
    assert!(change("{ answer = { status = 204 } }", &mut whole("PUT", "/b/k", own(&[]), b"")).is_none(), "rights of others are the server's affair");
    let repeat = does("{ swallow-repeat = {} }");
    let send = |target: &str| {
        let mut request = signed(target, &[], b"hello");
        let hit = Hit::of(&repeat, "PutObject", &request.head).expect("the operation is touched");
        matches!(hit.request(&mut request), Outcome::Answered(_))
    };
    assert_eq!([send("/b/k"), send("/b/l"), send("/b/k"), send("/b/l?x-id=PutObject")], [false, false, true, true]);
}

#[test]
fn the_first_answer_is_given_again() {
    let replay = does("{ replay-first = {} }");
    let exchange = |target: &str, status: u16, body: &[u8]| {
        let mut request = signed(target, &[], b"");
        let hit = Hit::of(&replay, "PutObject", &request.head).expect("the operation is touched");
        match hit.request(&mut request) {
            Outcome::Answered(bytes) => bytes,
            Outcome::Send => hit.answer(head(&format!("HTTP/1.1 {status} OK")), body.to_vec()),
        }
    };
    exchange("/b/k", 404, b"none");
    assert!(exchange("/b/k", 200, b"old").ends_with(b"old"));
    assert!(exchange("/b/k", 200, b"new").ends_with(b"old"));
    assert!(exchange("/b/other", 200, b"new").ends_with(b"new"));
}

#[test]
fn a_condition_on_the_body_is_asked_before_anything_changes() {
    let conditional = mutation("when = { body = 'Quiet' }\nchanges = [{ flip-body = { at = 0 } }]", vec![account("first")]);
    for (body, is_changed) in [(&b"<Quiet/>"[..], true), (b"<Loud/>", false)] {
        let mut request = signed("/b/k", &[], body);
        let hit = Hit::of(&conditional, "PutObject", &request.head).expect("the operation is touched");
        assert!(matches!(hit.request(&mut request), Outcome::Send));
        assert_eq!(request.body() != body, is_changed);
    }
    assert_eq!(conditional.fired(), 1);
}
