//! Evidence: what was sent and answered, with secrets redacted.
//!
//! The main type is [`Recorder`]. A request is in it from its start on, so that one that never ended is seen, too.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Meter, Redactor};

/// Bytes of a body that are recorded.
const BODY_KEPT: usize = 4 << 10;
/// Bytes beyond these that are held until the body is redacted, so that the cut does not leave half a secret.
const BODY_MARGIN: usize = 4 << 10;

/// Why a request has no complete answer. Decides what is known of its effect; never decided from a message's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The run's budget did not allow it.
    Budget,
    /// No credentials to sign with, or the request could not be built.
    Local,
    /// The host's name has no address.
    Resolve,
    /// Refused or unreachable.
    Connect,
    /// No connection within the limit.
    ConnectTimeout,
    /// The TLS handshake failed, e.g. an unknown certificate authority.
    Tls,
    /// The HTTP proxy did not open a tunnel.
    Proxy,
    /// The connection was closed before the first byte of this request.
    Stale,
    /// Reset while sending or waiting.
    Reset,
    /// Closed without a complete response head.
    ClosedEarly,
    /// A response head came, but its body ended before its announced length.
    Truncated,
    /// No progress within the limit.
    Timeout,
    /// The answer is not HTTP.
    Malformed,
    /// The caller stopped waiting, or closed the connection on purpose.
    Abandoned,
    /// Another error of the connection.
    Other,
}

impl Failure {
    /// Whether certainly no byte of the request reached the server. Of all others the effect is unknown.
    pub fn nothing_sent(self) -> bool {
        use Failure::{Budget, Connect, ConnectTimeout, Local, Proxy, Resolve, Stale, Tls};
        matches!(self, Budget | Local | Resolve | Connect | ConnectTimeout | Tls | Proxy | Stale)
    }
    /// Whether the client or its budget, not the vendor, is the cause.
    pub fn is_ours(self) -> bool {
        matches!(self, Failure::Budget | Failure::Local | Failure::Abandoned)
    }
}

/// One request and its answer, as far as it got. Authorization, tokens, signatures and presigned queries are already redacted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Exchange {
    /// Operation in camel case, e.g. `PutObject`.
    pub operation: String,
    /// Address that it was sent to.
    pub address: String,
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Request headers in order.
    pub request_headers: Vec<(String, String)>,
    /// First bytes of the request body, lossy UTF-8.
    pub request_body: String,
    /// Length of the request body.
    pub request_body_bytes: u64,
    /// 0 where no answer came.
    pub status: u16,
    /// Response headers in order.
    pub response_headers: Vec<(String, String)>,
    /// First bytes of the response body, lossy UTF-8.
    pub response_body: String,
    /// Length of the response body as received.
    pub response_body_bytes: u64,
    /// What went wrong on the connection.
    pub error: Option<String>,
    /// Which kind of thing went wrong on the connection; absent for a complete answer.
    #[serde(default)]
    pub failure: Option<Failure>,
    /// Whether the connection had carried an earlier request.
    #[serde(default)]
    pub reused: bool,
    /// Start, ms after the recorder was made.
    pub offset_ms: f64,
    /// Until the response headers.
    pub first_byte_ms: f64,
    /// Until the end of the response body.
    pub duration_ms: f64,
}

impl Exchange {
    /// The first response header of that name, in any case.
    pub fn response_header(&self, name: &str) -> Option<&str> {
        self.response_headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// Collects the exchanges of one case or scenario. Clones share the collection.
#[derive(Debug, Clone)]
pub struct Recorder {
    started: Instant,
    body_limit: usize,
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self { started: Instant::now(), body_limit: BODY_KEPT, exchanges: Arc::default() }
    }
}

impl Recorder {
    /// An empty one; offsets count from now.
    pub fn new() -> Self {
        Self::default()
    }
    /// One that keeps less of each body, for thousands of requests.
    pub fn with_body_limit(bytes: usize) -> Self {
        Self { body_limit: bytes.min(BODY_KEPT), ..Self::default() }
    }
    /// A copy of what was recorded so far, in the order of the requests' starts.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.lock().clone()
    }
    /// How many requests were started.
    pub fn len(&self) -> usize {
        self.lock().len()
    }
    /// Whether nothing was started.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
    /// The operations that wait for their answer, and for how long.
    pub fn waiting(&self) -> Vec<(String, Duration)> {
        let now = ms(self.started.elapsed());
        let exchanges = self.lock();
        let open = exchanges.iter().filter(|exchange| exchange.status == 0 && exchange.duration_ms == 0.0);
        open.map(|exchange| (exchange.operation.clone(), Duration::from_secs_f64((now - exchange.offset_ms).max(0.0) / 1e3))).collect()
    }
    /// The exchange that was started last.
    pub fn last(&self) -> Option<Exchange> {
        self.lock().last().cloned()
    }
    fn lock(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.exchanges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The head of a request, before it is redacted.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub operation: String,
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Body {
    held: Vec<u8>,
    bytes: u64,
}

impl Body {
    fn push(&mut self, data: &[u8], limit: usize) {
        let room = (limit + BODY_MARGIN).saturating_sub(self.held.len());
        self.held.extend_from_slice(&data[..data.len().min(room)]);
        self.bytes += data.len() as u64;
    }
    fn text(&self, redactor: &Redactor, limit: usize) -> String {
        let mut text = redactor.text(&String::from_utf8_lossy(&self.held));
        if text.len() > limit {
            text.truncate((0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0));
        }
        text
    }
}

#[derive(Debug)]
struct State {
    request: Body,
    response: Body,
    status: u16,
    failure: Option<(Failure, String)>,
    done: bool,
    progress: Instant,
}

/// A request on its way. Records and meters itself when it ends or when its [`Watch`] is dropped.
#[derive(Debug)]
pub(crate) struct Flight {
    recorder: Recorder,
    slot: usize,
    redactor: Arc<Redactor>,
    meter: Arc<Meter>,
    operation: String,
    started: Instant,
    state: Mutex<State>,
}

impl Flight {
    pub(crate) fn start(recorder: &Recorder, redactor: Arc<Redactor>, meter: Arc<Meter>, head: Head) -> Self {
        let started = Instant::now();
        let exchange = Exchange {
            operation: head.operation.clone(),
            method: head.method,
            target: redactor.text(&head.target),
            request_headers: head.headers.iter().map(|(name, value)| (name.clone(), redactor.header(name, value))).collect(),
            offset_ms: ms(started.duration_since(recorder.started)),
            failure: Some(Failure::Abandoned),
            ..Exchange::default()
        };
        let slot = {
            let mut exchanges = recorder.lock();
            exchanges.push(exchange);
            exchanges.len() - 1
        };
        let state = State { request: Body::default(), response: Body::default(), status: 0, failure: None, done: false, progress: Instant::now() };
        Self { recorder: recorder.clone(), slot, redactor, meter, operation: head.operation, started, state: Mutex::new(state) }
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn edit(&self, edit: impl FnOnce(&mut Exchange)) {
        edit(&mut self.recorder.lock()[self.slot]);
    }
    pub(crate) fn connected(&self, address: String, reused: bool) {
        self.edit(|exchange| {
            exchange.address = address;
            exchange.reused = reused;
        });
    }
    pub(crate) fn sent(&self, data: &[u8]) {
        let mut state = self.state();
        state.progress = Instant::now();
        state.request.push(data, self.recorder.body_limit);
    }
    pub(crate) fn received(&self, data: &[u8]) {
        let mut state = self.state();
        state.progress = Instant::now();
        state.response.push(data, self.recorder.body_limit);
    }
    /// Time since the last byte moved.
    pub(crate) fn idle(&self) -> std::time::Duration {
        self.state().progress.elapsed()
    }
    pub(crate) fn answered(&self, status: u16, headers: impl Iterator<Item = (String, String)>) {
        let first_byte = self.started.elapsed();
        let headers = headers.map(|(name, value)| (name.clone(), self.redactor.header(&name, &value))).collect();
        let mut state = self.state();
        state.status = status;
        state.progress = Instant::now();
        drop(state);
        self.edit(|exchange| {
            exchange.status = status;
            exchange.response_headers = headers;
            exchange.first_byte_ms = ms(first_byte);
        });
    }
    pub(crate) fn failed(&self, failure: Failure, message: &str) {
        let mut state = self.state();
        if state.done {
            return;
        }
        state.failure = Some((failure, message.to_owned()));
        drop(state);
        self.finish();
    }
    pub(crate) fn operation(&self) -> &str {
        &self.operation
    }
    /// Time since the start.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.started.elapsed()
    }
    /// The end: the answer is complete, or it failed.
    pub(crate) fn finish(&self) {
        let mut state = self.state();
        if std::mem::replace(&mut state.done, true) {
            return;
        }
        let limit = self.recorder.body_limit;
        let (request, response) = (state.request.text(&self.redactor, limit), state.response.text(&self.redactor, limit));
        let error = state.failure.as_ref().map(|(failure, message)| (*failure, self.redactor.text(message)));
        let (upload, download, status) = (state.request.bytes, state.response.bytes, state.status);
        drop(state);
        let is_sent = error.as_ref().is_none_or(|(failure, _)| !failure.nothing_sent());
        self.edit(|exchange| {
            exchange.request_body = request;
            exchange.request_body_bytes = upload;
            exchange.response_body = response;
            exchange.response_body_bytes = download;
            exchange.failure = error.as_ref().map(|(failure, _)| *failure);
            exchange.error = error.map(|(_, message)| message);
            exchange.duration_ms = ms(self.started.elapsed());
        });
        if is_sent {
            self.meter.count(&self.operation, status, upload, download);
        }
    }
}

/// Ends a flight that nobody waits for any more.
#[derive(Debug)]
pub(crate) struct Watch(pub(crate) Arc<Flight>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.failed(Failure::Abandoned, "the caller stopped waiting or reading");
    }
}

fn ms(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
