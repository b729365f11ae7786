//! A small S3 server in memory with multipart uploads and listings in pages, which keeps a log and misbehaves as told. It checks no
//! signatures.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proofmark::config::Endpoint;

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Flaw {
    None,
    /// Each second part of an upload gets 500.
    FailPart,
    /// A completion answers 200 and reports an error in its body.
    FailComplete,
    /// Listings leave out a key.
    LoseKey,
    /// Listings show the last key of a page again on the next one.
    RepeatKey,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Logged {
    /// `PutObject`, `UploadPart`, ...
    pub operation: &'static str,
    pub key: String,
    /// First and last byte that were asked for.
    pub range: Option<(usize, usize)>,
    /// Bytes of its body.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    log: Vec<Logged>,
    most_objects: usize,
}

#[derive(Debug)]
pub struct ObjectServer {
    pub endpoint: Endpoint,
    state: Arc<Mutex<State>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl ObjectServer {
    pub fn start(flaw: Flaw) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = Endpoint::try_from(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let own = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&own);
                let service = hyper::service::service_fn(move |request| answer(Arc::clone(&state), flaw, request));
                tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { endpoint, state, runtime: Some(runtime) }
    }
    /// All requests of an operation.
    pub fn logged(&self, operation: &str) -> Vec<Logged> {
        self.state.lock().unwrap().log.iter().filter(|logged| logged.operation == operation).cloned().collect()
    }
    /// Keys of the objects and sizes.
    pub fn objects(&self) -> BTreeMap<String, usize> {
        self.state.lock().unwrap().objects.iter().map(|(key, body)| (key.clone(), body.len())).collect()
    }
    /// The most objects that were there at once.
    pub fn most_objects(&self) -> usize {
        self.state.lock().unwrap().most_objects
    }
    /// Uploads that are neither complete nor aborted.
    pub fn open_uploads(&self) -> usize {
        self.state.lock().unwrap().uploads.len()
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What a request asks for, by its method and its query.
fn operation(method: &str, is_object: bool, query: &HashMap<String, String>) -> &'static str {
    let has = |name: &str| query.contains_key(name);
    match (method, is_object) {
        ("PUT", false) => "CreateBucket",
        ("GET", false) => "ListObjectsV2",
        ("PUT", true) if has("partNumber") => "UploadPart",
        ("PUT", true) => "PutObject",
        ("POST", true) if has("uploads") => "CreateMultipartUpload",
        ("POST", true) => "CompleteMultipartUpload",
        ("DELETE", true) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", true) => "DeleteObject",
        ("GET", true) => "GetObject",
        _ => "other",
    }
}

async fn answer(state: Arc<Mutex<State>>, flaw: Flaw, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let pairs = head.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    let query: HashMap<String, String> = pairs.map(|(name, value)| (decode(name), decode(value))).collect();
    let path = decode(head.uri.path());
    let key = path.trim_start_matches('/').split_once('/').map(|(_, key)| key.to_owned()).filter(|key| !key.is_empty());
    let operation = operation(head.method.as_str(), key.is_some(), &query);
    let range = head.headers.get("range").and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'));
    let range = range.map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap()));
    let logged = Logged { operation, key: key.unwrap_or_default(), range, bytes: body.len() as u64 };
    let mut state = state.lock().unwrap();
    state.log.push(logged.clone());
    let (status, body) = state.serve(flaw, &logged, &query, body);
    state.most_objects = state.most_objects.max(state.objects.len());
    Ok(Response::builder().status(status).header("etag", "\"a&b\"").body(Full::new(body)).unwrap())
}

impl State {
    fn serve(&mut self, flaw: Flaw, asked: &Logged, query: &HashMap<String, String>, body: Bytes) -> (u16, Bytes) {
        let upload = query.get("uploadId").cloned().unwrap_or_default();
        match asked.operation {
            "PutObject" => drop(self.objects.insert(asked.key.clone(), body)),
            "DeleteObject" => return (if self.objects.remove(&asked.key).is_some() { 204 } else { 404 }, Bytes::new()),
            "AbortMultipartUpload" => return (if self.uploads.remove(&upload).is_some() { 204 } else { 404 }, Bytes::new()),
            "CreateMultipartUpload" => {
                // An id that has to be encoded in a query, and that XML spells with an entity.
                let id = format!("id/{}+&=", self.log.len());
                self.uploads.insert(id.clone(), BTreeMap::new());
                return (200, format!("<R><UploadId>{}</UploadId></R>", id.replace('&', "&amp;")).into());
            }
            "UploadPart" => {
                let number: u32 = query["partNumber"].parse().unwrap();
                let Some(parts) = self.uploads.get_mut(&upload) else { return (404, Bytes::new()) };
                if flaw == Flaw::FailPart && number == 2 {
                    return (500, Bytes::new());
                }
                parts.insert(number, body);
            }
            "CompleteMultipartUpload" => return self.complete(flaw, asked, &upload, &body),
            "ListObjectsV2" => return (200, self.list(flaw, query)),
            "GetObject" => return self.objects.get(&asked.key).map_or((404, Bytes::new()), |object| read(object, asked.range)),
            _ => {}
        }
        (200, Bytes::new())
    }

    /// Takes the parts that the body lists, in its order; each has to be named with its ETag.
    fn complete(&mut self, flaw: Flaw, asked: &Logged, upload: &str, body: &Bytes) -> (u16, Bytes) {
        if flaw == Flaw::FailComplete {
            return (200, Bytes::from_static(b"<Error><Code>InternalError</Code></Error>"));
        }
        let Some(parts) = self.uploads.remove(upload) else { return (404, Bytes::new()) };
        let listed: String =
            (1..=parts.len()).map(|number| format!("<Part><PartNumber>{number}</PartNumber><ETag>&quot;a&amp;b&quot;</ETag></Part>")).collect();
        if !String::from_utf8_lossy(body).contains(&listed) || *parts.keys().next_back().unwrap() as usize != parts.len() {
            return (400, Bytes::new());
        }
        self.objects.insert(asked.key.clone(), parts.values().flatten().copied().collect());
        (200, Bytes::from_static(b"<R><ETag>&quot;x-2&quot;</ETag></R>"))
    }

    /// A page of keys. A token is the last key of the page before.
    fn list(&self, flaw: Flaw, query: &HashMap<String, String>) -> Bytes {
        let most: usize = query["max-keys"].parse().unwrap();
        let prefix = &query["prefix"];
        let after = query.get("continuation-token").and_then(|token| token.strip_prefix("after/+"));
        let is_after = |key: &&String| after.is_none_or(|after| key.as_str() > after || flaw == Flaw::RepeatKey && *key == after);
        let mut keys = self.objects.keys().filter(|key| key.starts_with(prefix.as_str())).filter(is_after);
        let page: Vec<&String> = keys.by_ref().take(most).collect();
        let more = keys.next().is_some();
        let shown = page.iter().filter(|key| flaw != Flaw::LoseKey || !key.ends_with("17"));
        let mut xml: String = shown.map(|key| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>")).collect();
        if let Some(last) = page.last().filter(|_| more) {
            xml.push_str(&format!("<NextContinuationToken>after/+{last}</NextContinuationToken>"));
        }
        format!("<L><IsTruncated>{more}</IsTruncated>{xml}</L>").into()
    }
}

fn read(object: &Bytes, range: Option<(usize, usize)>) -> (u16, Bytes) {
    match range {
        Some((first, last)) => (206, object.slice(first..=last)),
        None => (200, object.clone()),
    }
}
