//! A small S3 server in memory that counts requests and misbehaves as told. It checks no signatures.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proofmark::config::{Endpoint, Secret, Vendor};
use proofmark::model::VendorId;
use proofmark::store::RunDir;
use proofmark::wire::{Access, Credentials, Link};

/// What the server does wrong.
#[derive(Debug, Clone, Copy)]
pub enum Misbehaviour {
    None,
    /// Every n-th request to an object gets 503.
    FailEvery(u64),
    /// Each read has a wrong byte.
    FlipByte,
    /// Each read lacks its last byte.
    Shorten,
    /// Each answer takes this long.
    Delay(Duration),
    /// Requests are answered at this rate per s and no faster, one after the other.
    Pace(f64),
    /// Every n-th part of an upload gets 500.
    FailPart(u64),
    /// Once, so long after the first read, no request is answered for this time.
    StallOnce {
        after: Duration,
        time: Duration,
    },
}

#[derive(Debug, Default)]
struct State {
    objects: HashMap<String, Bytes>,
    counts: BTreeMap<String, u64>,
    reads: BTreeMap<String, u64>,
    host: String,
    token: String,
    first_read: Option<Instant>,
    next_answer: Option<Instant>,
}

#[derive(Debug)]
pub struct Server {
    pub endpoint: Endpoint,
    state: Arc<Mutex<State>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Server {
    pub fn start(misbehaviour: Misbehaviour) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = Endpoint::try_from(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let own = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&own);
                let service = hyper::service::service_fn(move |request| answer(Arc::clone(&state), misbehaviour, request));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { endpoint, state, runtime: Some(runtime) }
    }
    /// Requests of a kind, e.g. `GET object`, or answers of a status, e.g. `503`.
    pub fn count(&self, kind: &str) -> u64 {
        self.state.lock().unwrap().counts.get(kind).copied().unwrap_or(0)
    }
    /// All requests but CreateBucket.
    pub fn total(&self) -> u64 {
        self.state.lock().unwrap().counts["all"]
    }
    /// How often each object was read, by its path; parts count as reads.
    pub fn reads(&self) -> BTreeMap<String, u64> {
        self.state.lock().unwrap().reads.clone()
    }
    /// The last Host header and session token.
    pub fn last_headers(&self) -> (String, String) {
        let state = self.state.lock().unwrap();
        (state.host.clone(), state.token.clone())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A link to the servers; `more` is appended to the vendor file.
pub fn link(servers: &[&Server], more: &str) -> Link {
    link_to(servers.iter().map(|server| server.endpoint.clone()).collect(), more)
}

/// A link to these endpoints; `more` is appended to the vendor file.
pub fn link_to(endpoints: Vec<Endpoint>, more: &str) -> Link {
    let vendor: Vendor = toml::from_str(&format!("title = \"t\"\ndeployment = \"self-run\"\n{more}")).unwrap();
    let credentials = Credentials {
        access_key: Secret::new("an-access-key"),
        secret_key: Secret::new("a-secret-key"),
        session_token: Some(Secret::new("a-session-token")),
    };
    let mut access = Access::direct(endpoints[0].clone(), "us-east-1", credentials);
    access.endpoints = endpoints;
    access.addressing = vendor.addressing;
    let directory = tempfile::tempdir().unwrap().keep();
    let sink = RunDir::create(Path::new(&directory)).unwrap().vendor(&VendorId::from("t")).unwrap();
    Link::open(VendorId::from("t"), Arc::new(vendor), access, Arc::new(sink), 7, "pm-test-").unwrap()
}

async fn answer(state: Arc<Mutex<State>>, misbehaviour: Misbehaviour, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let query = head.uri.query().unwrap_or_default().to_owned();
    let bucket_in_host = header("host").starts_with("pm-test-");
    let path = head.uri.path().trim_start_matches('/').to_owned();
    let is_object = if bucket_in_host { !path.is_empty() } else { path.trim_end_matches('/').contains('/') };
    let is_upload = ["uploads", "uploadId"].iter().any(|word| query.contains(word));
    let kind = format!(
        "{} {}",
        head.method,
        if is_upload {
            "upload"
        } else if is_object {
            "object"
        } else {
            "bucket"
        }
    );
    if kind == "PUT bucket" {
        return Ok(Response::new(Full::default()));
    }
    let (number, wait) = {
        let mut state = state.lock().unwrap();
        *state.counts.entry(kind.clone()).or_default() += 1;
        *state.counts.entry("all".to_owned()).or_default() += 1;
        (state.host, state.token) = (header("host"), header("x-amz-security-token"));
        if kind == "GET object" {
            *state.reads.entry(path.clone()).or_default() += 1;
        }
        let number = state.counts["all"];
        (number, wait(&mut state, misbehaviour, kind == "GET object"))
    };
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let mut state = state.lock().unwrap();
    if matches!(misbehaviour, Misbehaviour::FailEvery(every) if is_object && number.is_multiple_of(every)) {
        *state.counts.entry("503".to_owned()).or_default() += 1;
        return Ok(Response::builder().status(503).body(Full::default()).unwrap());
    }
    let parts = state.counts.get("PUT upload").copied().unwrap_or(0);
    if matches!(misbehaviour, Misbehaviour::FailPart(every) if kind == "PUT upload" && parts.is_multiple_of(every)) {
        return Ok(Response::builder().status(500).body(Full::default()).unwrap());
    }
    Ok(serve(&mut state, misbehaviour, &kind, &path, &header("range"), body))
}

fn wait(state: &mut State, misbehaviour: Misbehaviour, is_read: bool) -> Duration {
    match misbehaviour {
        Misbehaviour::Delay(time) => time,
        Misbehaviour::Pace(rate) => {
            let now = Instant::now();
            let at = state.next_answer.map_or(now, |next| next.max(now));
            state.next_answer = Some(at + Duration::from_secs_f64(1.0 / rate));
            at - now
        }
        Misbehaviour::StallOnce { after, time } if is_read => {
            let since = state.first_read.get_or_insert_with(Instant::now).elapsed();
            if since < after { Duration::ZERO } else { (after + time).saturating_sub(since) }
        }
        _ => Duration::ZERO,
    }
}

fn serve(state: &mut State, misbehaviour: Misbehaviour, kind: &str, path: &str, range: &str, body: Bytes) -> Response<Full<Bytes>> {
    let found = state.objects.get(path).cloned();
    let plain = |status: u16, body: Bytes| Response::builder().status(status).body(Full::new(body)).unwrap();
    match (kind, found) {
        ("PUT object", _) => {
            state.objects.insert(path.to_owned(), body);
            plain(200, Bytes::new())
        }
        ("POST upload", _) if body.is_empty() => plain(200, Bytes::from_static(b"<R><UploadId>an/id+1</UploadId></R>")),
        ("POST upload", _) => {
            // Every part has its number and the tag that it was given.
            let text = String::from_utf8_lossy(&body).into_owned();
            let tags = text.matches("<ETag>&quot;t&quot;</ETag>").count();
            let is_whole = tags > 0 && (1..=tags).all(|number| text.contains(&format!("<PartNumber>{number}</PartNumber>")));
            plain(if is_whole { 200 } else { 400 }, Bytes::from_static(b"<CompleteMultipartUploadResult/>"))
        }
        ("PUT upload", _) => Response::builder().header("etag", "\"t\"").body(Full::default()).unwrap(),
        ("DELETE upload", _) => plain(204, Bytes::new()),
        ("DELETE object", _) => {
            state.objects.remove(path);
            plain(204, Bytes::new())
        }
        ("GET bucket", _) => plain(200, Bytes::from_static(b"<ListBucketResult/>")),
        ("HEAD object", Some(object)) => Response::builder().header("content-length", object.len()).body(Full::default()).unwrap(),
        ("GET object", Some(object)) => {
            let mut bytes = object.to_vec();
            match misbehaviour {
                Misbehaviour::FlipByte => bytes[1000] ^= 1,
                Misbehaviour::Shorten => drop(bytes.pop()),
                _ => {}
            }
            match range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) {
                Some((first, last)) => plain(206, Bytes::copy_from_slice(&bytes[first.parse().unwrap()..=last.parse().unwrap()])),
                None => plain(200, bytes.into()),
            }
        }
        _ => plain(404, Bytes::new()),
    }
}
