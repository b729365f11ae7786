//! The fault proxy byte for byte: a server that keeps what it got and answers what it is told.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proofmark::config::{Endpoint, FaultKind};
use proofmark::wire::Access;
use proofmark::wire::proxy::{Proxy, RuleFile, Upstream, serve_alone};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::proxy::always;
use crate::support;

/// Each time the bytes received on a connection end with `until`, the next answer is written. No answer left: the connection is closed.
struct Origin {
    endpoint: Endpoint,
    received: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Origin {
    async fn start(script: &'static [(&'static [u8], &'static [u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::try_from(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let kept = received.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let index = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(Vec::new());
                    kept.len() - 1
                };
                let kept = kept.clone();
                tokio::spawn(async move {
                    for (until, answer) in script {
                        loop {
                            if kept.lock().unwrap()[index].ends_with(until) {
                                break;
                            }
                            let mut buffer = [0; 4096];
                            let count = stream.read(&mut buffer).await.unwrap_or(0);
                            if count == 0 {
                                return;
                            }
                            kept.lock().unwrap()[index].extend_from_slice(&buffer[..count]);
                        }
                        stream.write_all(answer).await.unwrap();
                    }
                });
            }
        });
        Self { endpoint, received }
    }
    fn upstream(&self) -> Upstream {
        Upstream::of(&Access::direct(self.endpoint.clone(), "us-east-1", support::credentials()))
    }
    async fn proxy(&self, rules: Vec<proofmark::config::DegradeRule>) -> Proxy {
        Proxy::start(SocketAddr::from(([127, 0, 0, 1], 0)), self.upstream(), vec![support::credentials()], rules).await.unwrap()
    }
    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect((proxy.endpoint().host.as_str(), proxy.endpoint().port)).await.unwrap()
}

async fn read(stream: &mut TcpStream, until: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(until.as_bytes()) {
        let byte = tokio::time::timeout(Duration::from_secs(5), stream.read_u8()).await.expect("an answer in time");
        text.push(byte.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&text))));
    }
    String::from_utf8(text).unwrap()
}

/// What comes until the connection ends, and whether it ended in order.
async fn rest(stream: &mut TcpStream) -> (String, bool) {
    let mut bytes = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut bytes)).await.expect("an end in time");
    (String::from_utf8(bytes).unwrap(), ended.is_ok())
}

const PUT: &str =
    "PUT /b/k?x-id=PutObject HTTP/1.1\r\nhOsT: example\r\nX-ODD-case:  two  spaces \r\nContent-Length: 5\r\nx-odd-case: again\r\n\r\nhello";
const CHUNKED: &str = "PUT /b/k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n02\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 Fine indeed\r\nETag: \"x\"\r\ncontent-length: 2\r\nX-Two: 1\r\nx-two: 2\r\n\r\nok";

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_answers_pass_byte_for_byte_and_the_connection_is_kept() {
    let origin = Origin::start(&[
        (b"hello", OK),
        (b"x\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        (b"HEAD\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n"),
        (b"last\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"),
    ])
    .await;
    let proxy = origin.proxy(Vec::new()).await;
    let mut client = connect(&proxy).await;
    client.write_all(PUT.as_bytes()).await.unwrap();
    assert_eq!(read(&mut client, "ok").await.as_bytes(), OK);
    client.write_all(CHUNKED.as_bytes()).await.unwrap();
    assert!(read(&mut client, "0\r\n\r\n").await.ends_with("chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"));
    client.write_all(b"HEAD /b/k HTTP/1.1\r\nHost: HEAD\r\n\r\n").await.unwrap();
    assert!(read(&mut client, "\r\n\r\n").await.contains("content-length: 99"));
    client.write_all(b"DELETE /b/k HTTP/1.1\r\nHost: last\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut client, "\r\n\r\n").await, "HTTP/1.1 204 No Content\r\n\r\n");
    // The server has nothing more to say and closes: the client sees that too.
    assert_eq!(rest(&mut client).await, (String::new(), true));
    let sent = format!("{PUT}{CHUNKED}HEAD /b/k HTTP/1.1\r\nHost: HEAD\r\n\r\nDELETE /b/k HTTP/1.1\r\nHost: last\r\n\r\n");
    assert_eq!(origin.received(), [sent]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_decides_on_100_continue() {
    const ASK: &[u8] = b"PUT /b/k HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let origin = Origin::start(&[(b"\r\n\r\n", b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n"), (b"hello", OK)]).await;
    let proxy = origin.proxy(Vec::new()).await;
    let mut client = connect(&proxy).await;
    client.write_all(ASK).await.unwrap();
    assert_eq!(read(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n");
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut client, "ok").await.as_bytes(), OK);

    let refusing = Origin::start(&[(b"\r\n\r\n", b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")]).await;
    let proxy = refusing.proxy(Vec::new()).await;
    let mut client = connect(&proxy).await;
    client.write_all(ASK).await.unwrap();
    let (answer, in_order) = rest(&mut client).await;
    assert!(answer.ends_with("no") && in_order, "{answer}");

    let rule = always("PutObject", FaultKind::CorruptRequestByte { at: proofmark::units::Bytes(0) });
    let origin = Origin::start(&[(b"iello", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")]).await;
    let proxy = origin.proxy(vec![rule]).await;
    let mut client = connect(&proxy).await;
    client.write_all(ASK).await.unwrap();
    assert_eq!(read(&mut client, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hello").await.unwrap();
    assert!(read(&mut client, "ok").await.starts_with("HTTP/1.1 200"), "one interim answer is enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_passes_as_it_is() {
    let origin = Origin::start(&[(b"end", b"what?")]).await;
    let proxy = origin.proxy(Vec::new()).await;
    let mut client = connect(&proxy).await;
    client.write_all(b"GET / b HTTP/9\x00\r\nend").await.unwrap();
    assert_eq!(rest(&mut client).await, ("what?".to_owned(), true));
    assert_eq!(origin.received(), ["GET / b HTTP/9\x00\r\nend"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_shows_as_a_closed_connection() {
    let origin = Origin::start(&[(b"hello", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok")]).await;
    let proxy = origin.proxy(Vec::new()).await;
    let mut client = connect(&proxy).await;
    client.write_all(PUT.as_bytes()).await.unwrap();
    assert_eq!(rest(&mut client).await, ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok".to_owned(), true));
    assert_eq!(proxy.counters().upstream_errors, 1);

    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let access = Access::direct(Endpoint::try_from(format!("http://{nobody}")).unwrap(), "us-east-1", support::credentials());
    let proxy = Proxy::before(&access, Vec::new()).await.unwrap();
    let mut client = connect(&proxy).await;
    client.write_all(PUT.as_bytes()).await.unwrap();
    assert_eq!(rest(&mut client).await, (String::new(), true));
    assert_eq!(proxy.counters().upstream_errors, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn resets_are_resets_on_both_sides() {
    let rule = always("PutObject", FaultKind::ResetRequest { after: proofmark::units::Bytes(3) });
    let origin = Origin::start(&[(b"hello", OK)]).await;
    let proxy = origin.proxy(vec![rule]).await;
    let mut client = connect(&proxy).await;
    client.write_all(PUT.as_bytes()).await.unwrap();
    assert_eq!(rest(&mut client).await, (String::new(), false), "RST, not FIN");
    assert!(origin.received()[0].ends_with("\r\n\r\nhel"));

    let rule = always("PutObject", FaultKind::ResetResponse { after: proofmark::units::Bytes(1) });
    let origin = Origin::start(&[(b"hello", OK)]).await;
    let proxy = origin.proxy(vec![rule]).await;
    let mut client = connect(&proxy).await;
    client.write_all(PUT.as_bytes()).await.unwrap();
    assert!(read(&mut client, "\r\n\r\no").await.starts_with("HTTP/1.1 200 Fine"));
    assert_eq!(rest(&mut client).await, (String::new(), false), "RST, not FIN");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_answer_ends_in_order_but_too_early() {
    let rule = always("PutObject", FaultKind::TruncateResponse { after: proofmark::units::Bytes(1) });
    let origin = Origin::start(&[(b"hello", OK), (b"never", b"")]).await;
    let proxy = origin.proxy(vec![rule]).await;
    let mut client = connect(&proxy).await;
    client.write_all(PUT.as_bytes()).await.unwrap();
    let (answer, in_order) = rest(&mut client).await;
    assert!(answer.contains("content-length: 2\r\n") && answer.ends_with("\r\n\r\no") && in_order, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_is_sent_on_a_connection_of_its_own() {
    let origin = Origin::start(&[(b"hello", OK)]).await;
    let proxy = origin.proxy(vec![always("PutObject", FaultKind::DuplicateRequest {})]).await;
    let mut client = connect(&proxy).await;
    client.write_all(PUT.as_bytes()).await.unwrap();
    assert_eq!(read(&mut client, "ok").await.as_bytes(), OK);
    for _ in 0..100 {
        if origin.received().len() == 2 && origin.received().iter().all(|got| got == PUT) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{:?}", origin.received());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_proxy_closes_its_listener_and_connections() {
    let origin = Origin::start(&[(b"never", OK)]).await;
    let proxy = origin.proxy(Vec::new()).await;
    let endpoint = proxy.endpoint();
    let mut client = connect(&proxy).await;
    client.write_all(PUT.as_bytes()).await.unwrap();
    while origin.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(proxy);
    rest(&mut client).await;
    let again = tokio::time::timeout(Duration::from_secs(5), async {
        while TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    again.await.expect("the listener is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stand_alone_proxy_takes_its_rules_from_a_file_and_counts_them() {
    let rules: RuleFile = toml::from_str(
        "[[rule]]\nfault = { status = { status = 503, code = 'SlowDown' } }\nevery = 2\noperations = ['PutObject']\n\n\
         [[rule]]\nfault = { slice = { size = '1 B', pause = '1 ms' } }\n",
    )
    .unwrap();
    assert!(toml::from_str::<RuleFile>("[[rules]]\n").is_err());
    let origin = Origin::start(&[(b"hello", OK)]).await;
    let (tell, told) = tokio::sync::oneshot::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve_alone(
        SocketAddr::from(([127, 0, 0, 1], 0)),
        origin.upstream(),
        Vec::new(),
        rules,
        move |proxy| tell.send(proxy.endpoint()).unwrap(),
        async { stopped.await.unwrap() },
    ));
    let endpoint = told.await.unwrap();
    let mut client = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.unwrap();
    for end in ["ok", "</Error>"] {
        client.write_all(PUT.as_bytes()).await.unwrap();
        read(&mut client, end).await;
        client = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await.unwrap();
    }
    stop.send(()).unwrap();
    let counts = serving.await.unwrap().unwrap();
    assert_eq!((counts.requests, counts.rules[0].matched, counts.rules[0].fired), (2, 2, 1));
}
