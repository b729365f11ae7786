//! Sending one HTTP request: choose an address, take or open a connection, send once, stream the answer.
//!
//! The main type is [`Net`], which all clients of a link share. Nothing is sent twice: a pooled connection that turns out to be
//! closed is replaced only when hyper hands the request back unsent.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_smithy_types::body::SdkBody;
use http::header::{HOST, HeaderValue};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::address::{Address, Book};
use super::body::{Received, Sent};
use super::dial::{DialError, Stream};
use super::pool::{Lane, Pool};
use super::record::{Failure, Flight, Head, Recorder, Watch};
use super::{Access, Account, BudgetExceeded, Credentials, Meter, Redactor, fault};

/// A request without a complete answer. It stands in the source chain of the SDK's errors: see [`WireError::find`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WireError {
    /// What is known of it.
    pub failure: Failure,
    /// In words.
    pub message: String,
    /// The limit that was reached, if it was the budget.
    pub budget: Option<Box<BudgetExceeded>>,
}

impl WireError {
    pub(crate) fn new(failure: Failure, message: impl Into<String>) -> Self {
        Self { failure, message: message.into(), budget: None }
    }
    /// The wire's error inside an error of the SDK, if the request failed on the wire.
    pub fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a WireError> {
        std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
    }
}

impl From<DialError> for WireError {
    fn from(error: DialError) -> Self {
        Self::new(error.failure, error.message)
    }
}

impl From<BudgetExceeded> for WireError {
    fn from(error: BudgetExceeded) -> Self {
        Self { failure: Failure::Budget, message: error.to_string(), budget: Some(Box::new(error)) }
    }
}

/// What kind of failure an I/O error is.
pub(crate) fn classify_io(error: &std::io::Error) -> Failure {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    match error.kind() {
        ConnectionReset | ConnectionAborted | BrokenPipe => Failure::Reset,
        UnexpectedEof => Failure::ClosedEarly,
        _ => Failure::Other,
    }
}

/// What kind of failure an error of hyper is.
pub(crate) fn classify(error: &hyper::Error) -> WireError {
    if let Some(ours) = WireError::find(error) {
        return ours.clone();
    }
    let inner = std::iter::successors(std::error::Error::source(error), |error| error.source()).find_map(|error| error.downcast_ref());
    let failure = match inner {
        _ if error.is_parse() => Failure::Malformed,
        _ if error.is_incomplete_message() => Failure::ClosedEarly,
        _ if error.is_user() => Failure::Local,
        Some(io) => classify_io(io),
        None if error.is_closed() || error.is_canceled() => Failure::ClosedEarly,
        None => Failure::Other,
    };
    let chain = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    WireError::new(failure, chain.map(ToString::to_string).collect::<Vec<_>>().join(": "))
}

/// How long to wait.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// For the next byte in either direction.
    pub idle: Duration,
}

/// Who asks: where to record, what to count against.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub recorder: Recorder,
    pub meter: Arc<Meter>,
    pub is_cleanup: bool,
    pub limits: Limits,
}

impl Caller {
    /// Asks the budget for one request.
    pub(crate) async fn admit(&self, operation: &str, upload: u64) -> Result<(), WireError> {
        let admitted = match self.is_cleanup {
            true => self.meter.admit_cleanup(operation).await,
            false => self.meter.admit(operation, upload).await,
        };
        admitted.map_err(WireError::from)
    }
}

/// Addresses, connections and keys of one vendor.
#[derive(Debug)]
pub(crate) struct Net {
    /// The vendor's id, which scopes fault points.
    scope: String,
    pub access: Arc<Access>,
    pub book: Arc<Book>,
    pub redactor: Arc<Redactor>,
    pool: Arc<Pool>,
}

impl Net {
    pub(crate) fn new(scope: &str, access: Arc<Access>, redactor: Arc<Redactor>) -> Self {
        let targets = access.dial_to.as_ref().map_or_else(|| access.endpoints.clone(), |proxy| vec![proxy.clone()]);
        let book = Arc::new(Book::new(targets, access.dialer.proxy.is_none()));
        Self { scope: scope.to_owned(), access, book, redactor, pool: Arc::default() }
    }
    /// The same addresses and keys with no connection open.
    pub(crate) fn fresh(&self) -> Self {
        let (scope, access) = (self.scope.clone(), self.access.clone());
        Self { scope, access, book: self.book.clone(), redactor: self.redactor.clone(), pool: Arc::default() }
    }
    /// The keys of an account as they are valid now; from now on they are redacted.
    pub(crate) async fn keys(&self, account: Account) -> Result<Option<Credentials>, WireError> {
        let keys = self.access.current(account).await.map_err(|message| WireError::new(Failure::Local, message))?;
        keys.iter().for_each(|keys| self.redactor.learn(keys));
        Ok(keys)
    }
    /// Opens a connection to the first of `addresses`. Another one of the same name takes its place only if it has never been reachable.
    pub(crate) async fn open(&self, addresses: &[Address], server_name: &str, limit: Duration) -> Result<(Stream, Address), DialError> {
        let mut first_error = None;
        for address in addresses {
            let opened = self.access.dialer.dial(address, server_name, limit).await;
            let is_reachable = opened.as_ref().err().is_none_or(|error| !matches!(error.failure, Failure::Connect | Failure::ConnectTimeout));
            let was_good = self.book.is_known_good(address);
            self.book.connected(address, is_reachable);
            match opened {
                Ok(stream) => return Ok((stream, address.clone())),
                Err(error) if is_reachable || was_good => return Err(error),
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        Err(first_error.unwrap_or(DialError { failure: Failure::Resolve, message: "no address".to_owned() }))
    }
    async fn lane(&self, endpoint: usize, server_name: &str, limit: Duration, may_reuse: bool) -> Result<Lane, WireError> {
        let addresses = self.book.addresses(endpoint).await?;
        let key_of = |address: &Address| (address.clone(), if address.endpoint.tls { server_name.to_owned() } else { String::new() });
        if may_reuse {
            let key = key_of(&addresses[0]);
            if let Some(sender) = self.pool.take(&key).await {
                return Ok(Lane { sender, pool: self.pool.clone(), key, reused: true });
            }
        }
        let (stream, address) = self.open(&addresses, server_name, limit).await?;
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.preserve_header_case(true).max_headers(256);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|error| classify(&error))?;
        // Its errors reach whoever waits for a response; an idle connection's end concerns nobody.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Lane { sender, pool: self.pool.clone(), key: key_of(&address), reused: false })
    }
    /// Sends one request to `endpoint` (an index) and returns when the response's head is there.
    pub(crate) async fn send(
        &self,
        caller: &Caller,
        operation: &str,
        endpoint: usize,
        mut request: http::Request<SdkBody>,
    ) -> Result<http::Response<SdkBody>, WireError> {
        let host = request.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        to_origin_form(&mut request)?;
        let flight = Arc::new(Flight::start(&caller.recorder, self.redactor.clone(), caller.meter.clone(), head_of(operation, &request)));
        let watch = Watch(flight.clone());
        match self.exchange(caller, endpoint, &host, request, &flight).await {
            Ok((parts, body, lane, is_whole)) => {
                let body = Received::new(body, watch, lane, is_whole, caller.limits.idle);
                Ok(http::Response::from_parts(parts, SdkBody::from_body_1_x(body)))
            }
            Err(error) => {
                flight.failed(error.failure, &error.message);
                Err(error)
            }
        }
    }
    async fn exchange(
        &self,
        caller: &Caller,
        endpoint: usize,
        host: &str,
        request: http::Request<SdkBody>,
        flight: &Arc<Flight>,
    ) -> Result<(http::response::Parts, Incoming, Lane, Arc<AtomicBool>), WireError> {
        let upload = request.body().content_length().unwrap_or(0);
        caller.admit(flight.operation(), upload).await?;
        injected("wire.send", &self.scope)?;
        let (parts, body) = request.into_parts();
        let (body, is_whole) = Sent::new(body, flight.clone(), self.scope.clone());
        let mut request = http::Request::from_parts(parts, body);
        let mut may_reuse = true;
        loop {
            let mut lane = self.lane(endpoint, host, caller.limits.connect, may_reuse).await?;
            flight.connected(lane.key.0.to_string(), lane.reused);
            let answer = with_progress(flight, caller.limits.idle, lane.sender.try_send_request(request)).await;
            let answer = match answer {
                Some(Err(mut error)) => match error.take_message() {
                    // Handed back: hyper wrote no byte of it, so a fresh connection is no second request.
                    Some(unsent) if lane.reused => {
                        (request, may_reuse) = (unsent, false);
                        continue;
                    }
                    Some(_) => Err(WireError::new(Failure::Stale, classify(error.error()).message)),
                    None => Err(classify(error.error())),
                },
                Some(Ok(response)) => Ok(response),
                None => Err(WireError::new(Failure::Timeout, format!("no progress within {:?}", caller.limits.idle))),
            };
            self.book.used(&lane.key.0, answer.is_ok().then(|| flight.elapsed()));
            let (parts, body) = answer?.into_parts();
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            flight.answered(parts.status.as_u16(), parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))));
            return Ok((parts, body, lane, is_whole));
        }
    }
}

/// Asks the fault points `POINT` and `VENDOR/POINT`. They know the names of [`Failure`] in snake case, e.g. `return(reset)`.
///
/// # Errors
/// With the failure that a point asks for.
pub(crate) fn injected(point: &str, scope: &str) -> Result<(), WireError> {
    let Some(told) = fault::at(point).or_else(|| fault::at(&format!("{scope}/{point}"))) else { return Ok(()) };
    let failure = serde_json::from_value(serde_json::Value::String(told)).unwrap_or(Failure::Other);
    Err(WireError::new(failure, format!("fault point {point}")))
}

/// The path and query alone, and the Host header that the signature was made for.
fn to_origin_form(request: &mut http::Request<SdkBody>) -> Result<(), WireError> {
    let local = |error: &dyn std::fmt::Display| WireError::new(Failure::Local, error.to_string());
    let uri = request.uri().clone();
    if !request.headers().contains_key(HOST) {
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let host = uri.host().unwrap_or_default();
        let authority = uri.port_u16().filter(|port| *port != default).map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        request.headers_mut().insert(HOST, HeaderValue::from_str(&authority).map_err(|error| local(&error))?);
    }
    let origin = uri.path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = origin.parse().map_err(|error: http::uri::InvalidUri| local(&error))?;
    Ok(())
}

fn head_of(operation: &str, request: &http::Request<SdkBody>) -> Head {
    let headers = request.headers().iter();
    Head {
        operation: operation.to_owned(),
        method: request.method().to_string(),
        target: request.uri().to_string(),
        headers: headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect(),
    }
}

/// Waits for `future` as long as bytes move: a slow upload is no timeout.
pub(crate) async fn with_progress<T>(flight: &Flight, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::pin!(future);
    loop {
        let left = limit.checked_sub(flight.idle())?;
        tokio::select! {
            biased;
            answer = &mut future => return Some(answer),
            () = tokio::time::sleep(left) => {}
        }
    }
}
