//! What the wire makes of servers that misbehave: one request each, its failure's kind, nothing sent twice.

use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::primitives::ByteStream;
use proofmark::wire::{Failure, Link, Recorder, Resource, WireError};

use crate::wire_fake::{Act, CREDENTIALS, KEY, OK, SECRET, Seen, TOKEN, connect_proxy, has_signature, link, link_to, serve, try_link};

async fn get(s3: &Client) -> Result<usize, Failure> {
    let sent = s3.get_object().bucket("b").key("k").send().await;
    let got = sent.map_err(|error| WireError::find(&error).unwrap_or_else(|| panic!("{error:?}")).failure)?;
    let body = got.body.collect().await.map_err(|error| WireError::find(&error).unwrap_or_else(|| panic!("{error:?}")).failure)?;
    Ok(body.into_bytes().len())
}

const HALF: &str = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234";

#[tokio::test]
async fn each_way_to_fail_has_its_kind_and_is_tried_once() {
    let table = [
        (Act::Reset, Failure::Reset, 0),
        (Act::SayAndClose(""), Failure::ClosedEarly, 0),
        (Act::SayAndClose("HTTP/1.1 200 OK\r\nConte"), Failure::ClosedEarly, 0),
        (Act::SayAndClose(HALF), Failure::Truncated, 200),
        (Act::SayAndClose("SSH-2.0-OpenSSH_9.6\r\n"), Failure::Malformed, 0),
    ];
    for (act, failure, status) in table {
        let directory = tempfile::tempdir().unwrap();
        let (port, seen) = serve(vec![act.clone()]).await;
        let link = link_to(directory.path(), port);
        let recorder = Recorder::new();
        assert_eq!(get(&link.sdk(&recorder)).await, Err(failure), "{act:?}");
        assert!(!failure.nothing_sent());
        assert_eq!(seen.requests(), 1, "{act:?}");
        let exchanges = recorder.exchanges();
        assert_eq!((exchanges.len(), exchanges[0].failure, exchanges[0].status), (1, Some(failure), status), "{act:?}");
        assert_eq!(link.meter.take().total(), 1, "{act:?}");
        let raw = link.raw(&Recorder::new()).request("GET", "b", "k").send().await;
        assert_eq!(raw.unwrap_err().failure, failure, "raw {act:?}");
        assert_eq!(seen.requests(), 2, "raw {act:?}");
    }
}

#[tokio::test]
async fn a_refused_connection_surely_sent_nothing_and_is_not_metered() {
    let directory = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let link = link_to(directory.path(), port);
    let recorder = Recorder::new();
    assert_eq!(get(&link.sdk(&recorder)).await, Err(Failure::Connect));
    assert!(Failure::Connect.nothing_sent());
    let exchange = recorder.last().unwrap();
    assert_eq!((exchange.failure, exchange.operation.as_str(), exchange.status), (Some(Failure::Connect), "GetObject", 0));
    assert!(exchange.error.unwrap().contains(&format!("127.0.0.1:{port}")));
    assert_eq!(link.meter.take().total(), 0);
    assert_eq!(link.addresses()[0].connect_failures, 1);
    let unknown = link_without_server(directory.path(), "http://does-not-exist.invalid");
    assert_eq!(get(&unknown.sdk(&recorder)).await, Err(Failure::Resolve));
}

fn link_without_server(directory: &std::path::Path, endpoint: &str) -> Link {
    link(directory, &format!("endpoints = ['{endpoint}']\n{CREDENTIALS}"), &[])
}

#[tokio::test]
async fn errors_of_the_server_are_never_retried() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![Act::Say("HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")]).await;
    let recorder = Recorder::new();
    let s3 = link_to(directory.path(), port).sdk(&recorder);
    let error = s3.put_object().bucket("b").key("k").body(ByteStream::from_static(b"x")).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 503);
    assert!(WireError::find(&error).is_none());
    assert_eq!((seen.requests(), recorder.len()), (1, 1));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced_unused() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![OK, Act::SayAndClose("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), OK]).await;
    let recorder = Recorder::new();
    let s3 = link_to(directory.path(), port).sdk(&recorder);
    for _ in 0..2 {
        get(&s3).await.unwrap();
    }
    assert_eq!(seen.connections(), 1);
    tokio::time::sleep(Duration::from_millis(100)).await;
    get(&s3).await.unwrap();
    assert_eq!((seen.connections(), seen.requests()), (2, 3));
    let reused: Vec<bool> = recorder.exchanges().iter().map(|exchange| exchange.reused).collect();
    assert_eq!(reused, [false, true, false]);
}

#[tokio::test]
async fn a_reused_connection_that_dies_under_a_request_is_an_error_and_no_second_request() {
    let directory = tempfile::tempdir().unwrap();
    for act in [Act::Reset, Act::SayAndClose("")] {
        let (port, seen) = serve(vec![OK, act]).await;
        let s3 = link_to(directory.path(), port).sdk(&Recorder::new());
        get(&s3).await.unwrap();
        assert!(get(&s3).await.is_err());
        assert_eq!((seen.connections(), seen.requests()), (1, 2));
    }
}

#[tokio::test]
async fn a_fresh_link_opens_a_new_connection() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![OK]).await;
    let link = link_to(directory.path(), port);
    get(&link.sdk(&Recorder::new())).await.unwrap();
    get(&link.sdk(&Recorder::new())).await.unwrap();
    assert_eq!(seen.connections(), 1);
    get(&link.fresh().sdk(&Recorder::new())).await.unwrap();
    assert_eq!(seen.connections(), 2);
}

#[tokio::test]
async fn silence_times_out_before_the_answer_and_inside_its_body() {
    let directory = tempfile::tempdir().unwrap();
    for (act, status) in [(Act::Hang, 0), (Act::Say(HALF), 200)] {
        let (port, seen) = serve(vec![act]).await;
        let recorder = Recorder::new();
        let s3 = link_to(directory.path(), port).sdk(&recorder);
        let timeouts = TimeoutConfig::builder().read_timeout(Duration::from_millis(200)).build();
        let s3 = Client::from_conf(s3.config().to_builder().timeout_config(timeouts).build());
        assert_eq!(get(&s3).await, Err(Failure::Timeout));
        assert_eq!((recorder.last().unwrap().status, seen.requests()), (status, 1));
    }
}

#[tokio::test]
async fn a_request_that_the_caller_gave_up_is_recorded_as_abandoned() {
    let directory = tempfile::tempdir().unwrap();
    let (port, _) = serve(vec![Act::Hang]).await;
    let link = link_to(directory.path(), port);
    let recorder = Recorder::new();
    assert!(tokio::time::timeout(Duration::from_secs(1), get(&link.sdk(&recorder))).await.is_err());
    let exchange = recorder.last().unwrap();
    assert_eq!(exchange.failure, Some(Failure::Abandoned));
    assert!(exchange.duration_ms >= 100.0, "{exchange:?}");
    assert_eq!(link.meter.take().total(), 1);
}

#[tokio::test]
async fn the_budget_refuses_before_anything_is_sent_and_keeps_a_share_for_clean_up() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![OK]).await;
    let limits = "[budget]\nrequests = 20\nupload = '100 B'\nbuckets = 1\n";
    let link = link(directory.path(), &format!("endpoints = ['http://127.0.0.1:{port}']\n{CREDENTIALS}{limits}"), &[]);
    let recorder = Recorder::new();
    let s3 = link.sdk(&recorder);
    let large = s3.put_object().bucket("b").key("k").body(ByteStream::from(vec![0; 101])).send().await.unwrap_err();
    let error = WireError::find(&large).unwrap();
    assert_eq!((error.failure, error.budget.as_ref().unwrap().limit.as_str()), (Failure::Budget, "upload"));
    link.create_bucket("one").await.unwrap();
    assert!(link.create_bucket("two").await.unwrap_err().to_string().contains("buckets is used up"));
    while get(&s3).await.is_ok() {}
    // A tenth would be two; a bucket needs nine to be found, emptied and removed.
    assert_eq!(seen.requests(), 11);
    assert!(link.raw(&recorder).request("GET", "b", "k").send().await.unwrap_err().budget.is_some());
    let cleaner = link.for_cleanup().sdk(&recorder);
    for _ in 0..9 {
        assert_eq!(get(&cleaner).await, Ok(0));
    }
    assert_eq!(get(&cleaner).await, Err(Failure::Budget));
    assert_eq!(seen.requests(), 20);
    assert_eq!(recorder.last().unwrap().failure, Some(Failure::Budget));
}

#[tokio::test]
async fn requests_are_paced_without_bursts() {
    let directory = tempfile::tempdir().unwrap();
    let (port, _) = serve(vec![OK]).await;
    let toml = format!("endpoints = ['http://127.0.0.1:{port}']\n{CREDENTIALS}[budget]\nrequests_per_s = 40.0\n");
    let s3 = link(directory.path(), &toml, &[]).sdk(&Recorder::new());
    tokio::time::sleep(Duration::from_millis(200)).await;
    let started = Instant::now();
    for _ in 0..9 {
        get(&s3).await.unwrap();
    }
    assert!(started.elapsed() >= Duration::from_millis(200), "8 gaps of 25 ms took {:?}", started.elapsed());
}

#[tokio::test]
async fn endpoints_are_used_evenly_each_under_its_own_name() {
    let directory = tempfile::tempdir().unwrap();
    let ((first, seen_first), (second, seen_second)) = (serve(vec![OK]).await, serve(vec![OK]).await);
    let toml = format!("endpoints = ['http://127.0.0.1:{first}', 'http://localhost:{second}']\n{CREDENTIALS}");
    let link = link(directory.path(), &toml, &[]);
    let s3 = link.sdk(&Recorder::new());
    for _ in 0..10 {
        get(&s3).await.unwrap();
    }
    for _ in 0..10 {
        link.raw(&Recorder::new()).request("GET", "b", "k").send().await.unwrap();
    }
    assert_eq!((seen_first.requests(), seen_second.requests()), (10, 10));
    assert!(seen_first.head(0).contains(&format!("host: 127.0.0.1:{first}\r\n")), "{}", seen_first.head(0));
    assert!((0..10).all(|i| seen_second.head(i).to_lowercase().contains(&format!("host: localhost:{second}\r\n"))), "{}", seen_second.head(0));
    let used: Vec<u64> = link.addresses().iter().filter(|stats| stats.is_known_good).map(|stats| stats.requests).collect();
    assert_eq!(used, [10, 10]);
    assert!(link.addresses().iter().filter(|stats| stats.is_known_good).all(|stats| stats.first_byte_ms_mean().unwrap() > 0.0));
}

#[tokio::test]
async fn a_bucket_in_the_host_name_needs_no_name_service() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![OK]).await;
    let toml = format!("endpoints = ['http://localhost:{port}']\naddressing = 'virtual-host'\n{CREDENTIALS}");
    let link = link(directory.path(), &toml, &[]);
    link.sdk(&Recorder::new()).get_object().bucket("buck").key("a b").send().await.unwrap();
    assert!(seen.head(0).starts_with("GET /a%20b?x-id=GetObject HTTP/1.1\r\n"), "{}", seen.head(0));
    assert!(seen.head(0).contains(&format!("host: buck.localhost:{port}\r\n")), "{}", seen.head(0));
    link.raw(&Recorder::new()).request("GET", "buck", "k").send().await.unwrap();
    assert!(seen.head(1).contains(&format!("Host: buck.localhost:{port}\r\n")), "{}", seen.head(1));
}

#[tokio::test]
async fn through_a_fault_proxy_the_request_stays_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![OK]).await;
    let link = link_without_server(directory.path(), "https://s3.example.com").via(format!("http://127.0.0.1:{port}").try_into().unwrap());
    get(&link.sdk(&Recorder::new())).await.unwrap();
    link.raw(&Recorder::new()).request("GET", "b", "k").send().await.unwrap();
    assert!(seen.head(0).contains("host: s3.example.com\r\n") && seen.head(1).contains("Host: s3.example.com\r\n"), "{}", seen.head(0));
}

#[tokio::test]
async fn an_http_proxy_opens_tunnels_and_resolves_names() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![OK]).await;
    let (proxy, asked) = connect_proxy(port, true).await;
    let toml = |proxy| format!("endpoints = ['http://s3.does-not-exist.invalid']\nproxy = 'http://127.0.0.1:{proxy}'\n{CREDENTIALS}");
    get(&link(directory.path(), &toml(proxy), &[]).sdk(&Recorder::new())).await.unwrap();
    assert!(asked.head(0).starts_with("CONNECT s3.does-not-exist.invalid:80 HTTP/1.1\r\n"), "{}", asked.head(0));
    assert!(seen.head(0).contains("host: s3.does-not-exist.invalid\r\n"));
    let (closed, _) = connect_proxy(port, false).await;
    assert_eq!(get(&link(directory.path(), &toml(closed), &[]).sdk(&Recorder::new())).await, Err(Failure::Proxy));
    let error = try_link(directory.path(), &toml(0), &[]).unwrap_err().to_string();
    assert!(error.contains("vendor acme: proxy:"), "{error}");
}

async fn everything_that_is_recorded(link: &Link) -> String {
    let recorder = Recorder::new();
    let s3 = link.sdk(&recorder);
    let key = "0123456789abcdef0123456789abcdef";
    let put = s3.put_object().bucket("b").key("k").body(ByteStream::from_static(b"body")).sse_customer_algorithm("AES256");
    let _ = put.sse_customer_key(key).sse_customer_key_md5("md5").send().await;
    let raw = link.raw(&recorder);
    let chunks = proofmark::wire::Payload::Chunks(proofmark::wire::Chunks::signed(4).trailer("x-amz-checksum-crc32", "AAAAAA=="));
    raw.request("PUT", "b", "k").body("0123456789").payload(chunks).send().await.unwrap();
    raw.request("GET", "b", "k").presigned(60).send().await.unwrap();
    raw.request("PUT", "b", "k").body(format!("here is {SECRET} and {TOKEN}")).header("x-amz-meta-note", KEY).send().await.unwrap();
    assert_eq!(recorder.len(), 4);
    let text = serde_json::to_string(&recorder.exchanges()).unwrap();
    assert!(!text.contains(key), "{text}");
    text
}

#[tokio::test]
async fn nothing_that_is_recorded_holds_a_secret_a_token_or_a_signature() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![Act::Echo]).await;
    let toml = format!("endpoints = ['http://127.0.0.1:{port}']\n{CREDENTIALS}session_token_env = 'T'\n");
    let text = everything_that_is_recorded(&link(directory.path(), &toml, &[("T", TOKEN)])).await;
    for secret in [KEY, SECRET, TOKEN, "wire%2Bsession%2Ftoken"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for marker in ["ignature=", "ignature:", "ignature: ", "ignatureProvided>"] {
        assert!(!has_signature(&text, marker), "{marker}: {text}");
    }
    let sent: String = (0..4).map(|index| seen.head(index)).collect();
    assert!(sent.contains(TOKEN) && has_signature(&sent, "Signature="), "the check can fail: {sent}");
}

#[tokio::test]
async fn a_space_is_created_once_and_journalled_before_the_request() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![Act::Reset, OK]).await;
    let link = link_to(directory.path(), port);
    let journal = || std::fs::read_to_string(directory.path().join("run/acme/resources.jsonl")).unwrap();
    assert!(link.space("read").await.is_err());
    assert_eq!(serde_json::from_str::<Resource>(&journal()).unwrap(), Resource::Bucket { name: "pm-12345678-read".into() });
    let (first, second) = tokio::join!(link.space("read"), link.space("read"));
    assert_eq!((first.unwrap().bucket.as_str(), second.unwrap().owned), ("pm-12345678-read", true));
    assert_eq!(requests_of(&seen), 2);
    let given = format!("endpoints = ['http://127.0.0.1:{port}']\nuse_bucket = 'theirs'\n{CREDENTIALS}");
    let given = crate::wire_fake::link(directory.path(), &given, &[]);
    let space = given.space("read").await.unwrap();
    assert_eq!((space.bucket.as_str(), space.prefix.as_str(), space.owned), ("theirs", "pm-12345678-read/", false));
    assert!(given.new_bucket("x").is_err());
    assert_eq!(requests_of(&seen), 2);
}

fn requests_of(seen: &Seen) -> usize {
    seen.requests()
}

#[tokio::test]
async fn what_a_vendor_file_names_and_is_not_there_is_said_with_its_field() {
    let directory = tempfile::tempdir().unwrap();
    let base = "endpoints = ['https://h']\n";
    let table = [
        (
            format!("{base}[credentials]\naccess_key_env = 'NOPE'\nsecret_key_env = 'S'\n"),
            "credentials.access_key_env: the environment variable NOPE",
        ),
        (base.to_owned(), "credentials: missing"),
        (CREDENTIALS.to_owned(), "endpoints: there is none"),
        (format!("{base}ca_file = 'nope.pem'\n{CREDENTIALS}"), "ca_file: "),
        (format!("{base}client_key_file = 'k.pem'\n{CREDENTIALS}"), "client_certificate_file: missing"),
        (format!("{base}proxy = 'https://p'\n{CREDENTIALS}"), "proxy: "),
        (format!("endpoints_env = 'E'\n{CREDENTIALS}"), "endpoints_env: E: \"nonsense\" is not an endpoint URL"),
        (format!("{base}{CREDENTIALS}refresh_command = ['/does/not/exist']\n"), "credentials.refresh_command: /does/not/exist"),
    ];
    for (toml, message) in table {
        let error = try_link(directory.path(), &toml, &[("E", "nonsense")]).unwrap_err().to_string();
        assert!(error.starts_with("vendor acme: ") && error.contains(message), "{error}");
    }
}

#[tokio::test]
async fn fault_points_fail_a_request_before_it_is_sent_and_inside_its_body() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![OK]).await;
    let mut link = link_to(directory.path(), port);
    link.id = "faulty".into();
    let link = link.via(format!("http://127.0.0.1:{port}").try_into().unwrap());
    let recorder = Recorder::new();
    let s3 = link.sdk(&recorder);
    let put = || async { s3.put_object().bucket("b").key("k").body(ByteStream::from_static(b"0123456789")).send().await };
    let armed = proofmark::wire::fault::arm("faulty/wire.send", "return(timeout)").unwrap();
    assert_eq!(WireError::find(&put().await.unwrap_err()).unwrap().failure, Failure::Timeout);
    drop(armed);
    let armed = proofmark::wire::fault::arm("faulty/wire.request_body", "return(reset)").unwrap();
    assert_eq!(WireError::find(&put().await.unwrap_err()).unwrap().failure, Failure::Reset);
    drop(armed);
    assert_eq!(seen.requests(), 0, "no request came in whole");
    put().await.unwrap();
    assert_eq!((seen.requests(), recorder.len()), (1, 3));
}

#[tokio::test]
async fn refreshed_credentials_sign_the_next_request_and_are_redacted() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![OK]).await;
    let script = r#"echo x >> calls; n=$(wc -l < calls); printf '{"access_key_id":"fresh-key-%s","secret_access_key":"fresh-secret-%s","session_token":"fresh-token-%s","expiration":"2020-01-01T00:00:00Z"}' $n $n $n"#;
    std::fs::write(directory.path().join("refresh.sh"), script).unwrap();
    let toml = format!("endpoints = ['http://127.0.0.1:{port}']\n{CREDENTIALS}refresh_command = ['sh', 'refresh.sh']\n");
    let recorder = Recorder::new();
    let s3 = link(directory.path(), &toml, &[]).sdk(&recorder);
    for index in 0..2 {
        get(&s3).await.unwrap();
        let head = seen.head(index);
        let key = format!("fresh-key-{}", index + 2);
        assert!(head.contains(&key) && head.contains(&format!("fresh-token-{}", index + 2)), "{key}: {head}");
    }
    let text = serde_json::to_string(&recorder.exchanges()).unwrap();
    assert!(!text.contains("fresh-"), "{text}");
}
