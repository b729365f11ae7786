//! Tests of the answers: each is sent by a real socket in pieces of one byte, of seven, and whole.

use std::io::Write as _;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::*;
use crate::load::socket::Remote;

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    body: Vec<u8>,
    keeps_alive: bool,
    etag: String,
}

fn read_pieces(answer: &[u8], piece: usize, is_head: bool) -> Result<Seen, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = Remote { address: Some(listener.local_addr().unwrap()), target: String::new(), tls: None, proxy: None };
    let mut result = Err(Failure::Timeout);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            for part in answer.chunks(piece) {
                // A client that has seen enough hangs up.
                if stream.write_all(part).is_err() {
                    break;
                }
                if piece < answer.len() {
                    std::thread::sleep(Duration::from_micros(300));
                }
            }
        });
        let reactor = Reactor::new().unwrap();
        let scratch = RefCell::new(vec![0; SCRATCH]);
        let task = async {
            reactor.limit(Some(Instant::now() + Duration::from_secs(5)));
            let mut socket = Socket::open(&reactor, &remote).await.unwrap();
            let (mut inbox, mut kept) = (Inbox::default(), Vec::new());
            let read = async {
                let (head, mut body) = inbox.head((&mut socket, &reactor, &scratch), is_head, 0, |_| Sink::Collect(&mut kept)).await?;
                inbox.rest(&mut body, (&mut socket, &reactor, &scratch)).await?;
                Ok(head)
            };
            let head = read.await;
            result = head.map(|head| Seen { status: head.status, keeps_alive: head.keeps_alive, etag: inbox.etag.clone(), body: kept });
        };
        reactor.run(vec![Box::pin(task)], |_| {}).unwrap();
    });
    result
}

/// The same in all pieces.
fn read_answer(answer: &str, is_head: bool) -> Result<Seen, Failure> {
    let whole = read_pieces(answer.as_bytes(), usize::MAX, is_head);
    for piece in [1, 7] {
        assert_eq!(read_pieces(answer.as_bytes(), piece, is_head), whole, "in pieces of {piece}");
    }
    whole
}

fn seen(status: u16, body: &str, keeps_alive: bool, etag: &str) -> Result<Seen, Failure> {
    Ok(Seen { status, body: body.into(), keeps_alive, etag: etag.into() })
}

#[test]
fn bodies_end_by_length_by_chunks_or_with_the_connection() {
    assert_eq!(read_answer("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 5\r\n\r\nhello", false), seen(200, "hello", true, "\"e\""));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: 1\r\n\r\n";
    assert_eq!(read_answer(chunked, false), seen(200, "hello", true, ""));
    assert_eq!(read_answer("HTTP/1.1 200 OK\r\n\r\nhello", false), seen(200, "hello", false, ""));
    assert_eq!(read_answer("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n", false), seen(404, "", false, ""));
    assert_eq!(read_answer("HTTP/1.1 204 No Content\r\n\r\n", false), seen(204, "", true, ""));
    assert_eq!(read_answer("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", false), seen(200, "x", false, ""));
}

#[test]
fn a_head_request_has_no_body_and_interim_answers_are_skipped() {
    assert_eq!(read_answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", true), seen(200, "", true, ""));
    assert_eq!(read_answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false), seen(200, "ok", true, ""));
}

#[test]
fn an_answer_that_ends_early_or_is_no_http_is_truncated_and_silence_is_no_connection() {
    assert_eq!(read_answer("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", false), Err(Failure::Truncated));
    assert_eq!(read_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello", false), Err(Failure::Truncated));
    assert_eq!(read_answer("HTTP/1.1 200", false), Err(Failure::Truncated));
    assert_eq!(read_answer("this is not HTTP\r\n\r\n", false), Err(Failure::Truncated));
    assert_eq!(read_answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", false), Err(Failure::Truncated));
    assert_eq!(read_pieces(b"", 1, false), Err(Failure::Connection));
}
