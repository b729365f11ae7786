//! Each change of an answer on small bytes.

use std::sync::Arc;

use super::super::message::Head;
use super::{Hit, Mutation};
use crate::config::Mutant;
use crate::wire::Credentials;

pub(super) fn head(line: &str) -> Head {
    Head::of(line)
}

/// A mutant of PutObject and GetObject with these conditions and changes.
pub(super) fn mutation(rest: &str, credentials: Vec<Credentials>) -> Arc<Mutation> {
    let text = format!("id = 'm'\ntitle = 'It changes.'\nareas = ['GET']\noperations = ['PutObject', 'GetObject']\n{rest}");
    let mutant: Mutant = toml::from_str(&text).unwrap();
    Arc::new(Mutation::new(mutant, credentials, "us-east-1"))
}

const LIST: &str = "<L><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents><Contents><Key>b c</Key></Contents></L>";

/// What the client gets in place of an answer with this head and body.
fn answered(method: &str, rest: &str, status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let mutation = mutation(rest, Vec::new());
    let hit = Hit::of(&mutation, "GetObject", &head(&format!("{method} /b/k HTTP/1.1"))).expect("the operation is touched");
    let mut answer = head(&format!("HTTP/1.1 {status} OK"));
    answer.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    if !hit.wants_answer(&answer) {
        return "untouched".to_owned();
    }
    String::from_utf8(hit.answer(answer, body.as_bytes().to_vec())).unwrap()
}

fn changed(change: &str, status: u16, headers: &[(&str, &str)], body: &str) -> String {
    answered("GET", &format!("changes = [{change}]"), status, headers, body)
}

#[test]
fn status_and_whole_answers_change() {
    let headers = [("ETag", "\"e\""), ("Content-Length", "4"), ("x-amz-request-id", "R")];
    let text = changed("{ set-status = { status = 201 } }", 200, &headers, "body");
    assert!(text.starts_with("HTTP/1.1 201 Created\r\n") && text.ends_with("\r\n\r\nbody"), "{text}");
    let text = changed("{ error = { status = 404, code = 'NoSuchKey' } }", 200, &headers, "body");
    assert!(
        text.starts_with("HTTP/1.1 404 Not Found\r\n") && text.contains("<Code>NoSuchKey</Code>") && text.contains("x-amz-request-id: R"),
        "{text}"
    );
    assert!(!text.contains("ETag") && !text.contains("body"), "{text}");
    let text = changed("{ success = { status = 204 } }", 403, &headers, "denied");
    assert!(text.starts_with("HTTP/1.1 204 No Content\r\n") && !text.contains("denied") && !text.to_lowercase().contains("content-length"), "{text}");
    let text = changed("{ success = { status = 200, body = '<A/>' } }", 403, &headers, "denied");
    assert!(text.ends_with("Content-Length: 4\r\n\r\n<A/>"), "{text}");
}

#[test]
fn headers_are_set_removed_and_replaced() {
    let headers = [("ETag", "\"e\""), ("Content-Range", "bytes 0-4/10"), ("x-amz-meta-a", "1"), ("x-amz-meta-b", "2")];
    let changes = "{ set-response-header = { name = 'etag', value = 'x' } }, { remove-response-header = { name = 'x-amz-meta-*' } }, \
                   { replace-response-header = { name = 'content-range', from = '/*', to = '/99' } }";
    let text = changed(changes, 206, &headers, "hello");
    assert!(text.contains("etag: x\r\n") && text.contains("bytes 0-4/99") && !text.contains("x-amz-meta") && text.ends_with("hello"), "{text}");
}

#[test]
fn lists_lose_repeat_and_reorder_their_entries() {
    let body = |change: &str| changed(change, 200, &[], LIST).split_once("\r\n\r\n").expect("a head").1.to_owned();
    let first = "<Contents><Key>a</Key></Contents>";
    let last = "<Contents><Key>b c</Key></Contents>";
    assert_eq!(body("{ drop-element = { name = 'Contents', which = 'last' } }"), LIST.replace(last, ""));
    assert_eq!(body("{ repeat-element = { name = 'Contents', which = 'first' } }"), LIST.replace(first, &format!("{first}{first}")));
    assert_eq!(body("{ reverse-elements = { name = 'Contents' } }"), LIST.replace(&format!("{first}{last}"), &format!("{last}{first}")));
    assert_eq!(body("{ set-element = { name = 'KeyCount', value = '7' } }"), LIST.replace("</L>", "<KeyCount>7</KeyCount></L>"));
    assert_eq!(body("{ spell-element = { name = 'Key', spelling = 'encode' } }"), LIST.replace("b c", "b%20c"));
    assert_eq!(body("{ replace-text = { from = '<IsTruncated>true', to = '<IsTruncated>false' } }"), LIST.replace("true", "false"));
}

#[test]
fn bodies_are_shortened_lengthened_and_flipped_with_a_length_that_fits() {
    for (change, length, body) in [
        ("{ shorten-body = { by = 2 } }", 3, "hel"),
        ("{ append-body = { text = 'xy' } }", 7, "helloxy"),
        ("{ flip-answer = { at = 0 } }", 5, "iello"),
        ("{ flip-answer = { at = -1 } }", 5, "helln"),
        ("{ shorten-body = { by = 99 } }", 0, ""),
    ] {
        let text = changed(change, 200, &[("Transfer-Encoding", "chunked")], "hello");
        assert!(text.ends_with(&format!("Content-Length: {length}\r\n\r\n{body}")) && !text.contains("Transfer"), "{text}");
    }
}

#[test]
fn an_answer_without_a_body_keeps_its_length_and_may_get_a_stray_body() {
    let headers = [("Content-Length", "1000")];
    let change = "changes = [{ body-after-head = { text = 'stray' } }]";
    let text = answered("HEAD", change, 200, &headers, "");
    assert!(text.contains("Content-Length: 1000\r\n") && text.ends_with("\r\n\r\nstray"), "{text}");
    let text = answered("HEAD", "changes = [{ set-response-header = { name = 'Content-Length', value = '1' } }]", 200, &headers, "");
    assert!(text.contains("Content-Length: 1\r\n") && text.ends_with("\r\n\r\n"), "{text}");
}

#[test]
fn only_the_answers_that_the_conditions_name_change() {
    let rest = "when = { status = '4xx', code = 'NoSuchKey' }\nchanges = [{ set-status = { status = 410 } }]";
    assert!(answered("GET", rest, 404, &[], "<Code>NoSuchKey</Code>").starts_with("HTTP/1.1 410"));
    assert!(answered("GET", rest, 404, &[], "<Code>NoSuchBucket</Code>").starts_with("HTTP/1.1 404"));
    assert_eq!(answered("GET", rest, 200, &[], "<Code>NoSuchKey</Code>"), "untouched");
}
