//! Requests that no SDK would send: every byte is the caller's choice.
//!
//! The main types are [`RawClient`] and its builder [`RawRequest`]. By default a request is what a careful client sends: Host,
//! Content-Length and a header signature over the whole body. Each part can be replaced before signing, or after it.

mod answer;
mod connection;
mod message;

pub use answer::Answer;
pub use connection::RawConnection;
pub use message::{Chunks, Message, Payload};

use std::sync::Arc;
use std::time::Duration;

use super::http::{Caller, Net, WireError};
use super::record::{Flight, Head, Watch};
use super::sigv4::{Header, Scope, UNSIGNED_HEADERS, aws_chunked};
use super::{Account, Credentials, Failure};
use crate::config::{Addressing, Secret};

type Change<T> = Box<dyn FnOnce(&mut T) + Send + Sync>;

/// Sends byte-exact requests to one vendor. Each goes over a connection of its own, unless it is sent on a [`RawConnection`].
#[derive(Debug, Clone)]
pub struct RawClient {
    pub(crate) net: Arc<Net>,
    pub(crate) account: Account,
    pub(crate) caller: Caller,
}

impl RawClient {
    /// A request to a bucket. `rest` is what follows `/bucket/`, sent as it stands: encode it as the case demands. The vendor's addressing applies.
    pub fn request(&self, method: &str, bucket: &str, rest: &str) -> RawRequest {
        let endpoint = self.net.book.turn() % self.net.access.endpoints.len();
        let authority = self.net.access.endpoints[endpoint].authority();
        let (host, target) = match self.net.access.addressing {
            Addressing::Path => (authority, format!("/{bucket}/{rest}")),
            Addressing::VirtualHost => (format!("{bucket}.{authority}"), format!("/{rest}")),
        };
        RawRequest::new(self.clone(), endpoint, method, host, target)
    }
    /// A request whose whole target is given, to the endpoint's own host name.
    pub fn exact(&self, method: &str, target: &str) -> RawRequest {
        let endpoint = self.net.book.turn() % self.net.access.endpoints.len();
        RawRequest::new(self.clone(), endpoint, method, self.net.access.endpoints[endpoint].authority(), target.to_owned())
    }
    /// Opens a connection that several requests can use one after the other.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn connect(&self) -> Result<RawConnection, WireError> {
        let endpoint = self.net.book.turn() % self.net.access.endpoints.len();
        let host = self.net.access.endpoints[endpoint].host.clone();
        self.open(endpoint, &host).await
    }
    async fn open(&self, endpoint: usize, server_name: &str) -> Result<RawConnection, WireError> {
        let addresses = self.net.book.addresses(endpoint).await?;
        let (stream, address) = self.net.open(&addresses, server_name, self.caller.limits.connect).await?;
        Ok(RawConnection::new(stream, address))
    }
}

/// How the request proves who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Proof {
    Header,
    Presigned { expires_s: String },
    None,
}

/// How the bytes are handed to the connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace {
    /// Largest single write; absent = as large as possible.
    pub piece: Option<usize>,
    /// Wait after each piece.
    pub pause: Duration,
    /// Wait once when this many body bytes are written.
    pub stall: Option<(usize, Duration)>,
    /// Send the body only after `100 Continue`, or after this time without any answer.
    pub await_continue: Option<Duration>,
    /// Stop when this many body bytes are written.
    pub stop_after: Option<usize>,
    /// Write the body this many further times.
    pub repeats: u64,
}

/// A request in the making. Nothing is sent before [`RawRequest::send`].
pub struct RawRequest {
    client: RawClient,
    endpoint: usize,
    operation: String,
    method: String,
    target: String,
    host: String,
    headers: Vec<Header>,
    omitted: Vec<String>,
    body: Vec<u8>,
    proof: Proof,
    payload: Payload,
    credentials: Option<Credentials>,
    secret: Option<Secret>,
    unsigned: Vec<String>,
    skew: jiff::SignedDuration,
    on_scope: Option<Change<Scope>>,
    on_chunks: Option<Change<aws_chunked::Body>>,
    on_message: Vec<Change<Message>>,
    pace: Pace,
}

impl RawRequest {
    fn new(client: RawClient, endpoint: usize, method: &str, host: String, target: String) -> Self {
        Self {
            client,
            endpoint,
            operation: String::new(),
            method: method.to_owned(),
            target,
            host,
            headers: Vec::new(),
            omitted: Vec::new(),
            body: Vec::new(),
            proof: Proof::Header,
            payload: Payload::Signed,
            credentials: None,
            secret: None,
            unsigned: UNSIGNED_HEADERS.map(str::to_owned).to_vec(),
            skew: jiff::SignedDuration::ZERO,
            on_scope: None,
            on_chunks: None,
            on_message: Vec::new(),
            pace: Pace::default(),
        }
    }
    /// Name of the operation in camel case, for evidence and prices.
    pub fn operation(mut self, name: &str) -> Self {
        name.clone_into(&mut self.operation);
        self
    }
    /// Adds a header before signing, also a second one of the same name. One that would be set anyway replaces the automatic one.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }
    /// Leaves out an automatic `Host` or `Content-Length`, or a header that announces an aws-chunked body.
    pub fn without(mut self, name: &str) -> Self {
        self.omitted.push(name.to_ascii_lowercase());
        self
    }
    /// The body (before any aws-chunked coding).
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
    /// What the signature says of the body.
    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }
    /// No signature at all.
    pub fn anonymous(mut self) -> Self {
        self.proof = Proof::None;
        self
    }
    /// The signature in the query. `expires_s` is text, so that a wrong one can be sent. Headers that are set are signed.
    pub fn presigned(mut self, expires_s: impl ToString) -> Self {
        self.proof = Proof::Presigned { expires_s: expires_s.to_string() };
        self
    }
    /// Other keys than the account's.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }
    /// The account's key id with another secret.
    pub fn wrong_secret(mut self, secret: &str) -> Self {
        self.secret = Some(Secret::new(secret));
        self
    }
    /// The headers that the signature leaves out, in place of the usual ones: clients differ in what they sign.
    pub fn unsigned(mut self, names: &[&str]) -> Self {
        self.unsigned = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        self
    }
    /// Signs as if it were this many seconds later (or earlier).
    pub fn skewed(mut self, seconds: i64) -> Self {
        self.skew = jiff::SignedDuration::from_secs(seconds);
        self
    }
    /// Changes date, region, service or any other part of the signature's scope.
    pub fn scope(mut self, change: impl FnOnce(&mut Scope) + Send + Sync + 'static) -> Self {
        self.on_scope = Some(Box::new(change));
        self
    }
    /// Changes chunks, chunk signatures or trailers of an aws-chunked body after they are signed.
    pub fn tamper_chunks(mut self, change: impl FnOnce(&mut aws_chunked::Body) + Send + Sync + 'static) -> Self {
        self.on_chunks = Some(Box::new(change));
        self
    }
    /// Changes anything after signing; calls add up.
    pub fn tamper(mut self, change: impl FnOnce(&mut Message) + Send + Sync + 'static) -> Self {
        self.on_message.push(Box::new(change));
        self
    }
    /// Writes at most `piece` bytes at once and waits between them.
    pub fn in_pieces(mut self, piece: usize, pause: Duration) -> Self {
        (self.pace.piece, self.pace.pause) = (Some(piece.max(1)), pause);
        self
    }
    /// Stands still for a while once `after` body bytes are written.
    pub fn stall(mut self, after: usize, pause: Duration) -> Self {
        self.pace.stall = Some((after, pause));
        self
    }
    /// Sends `Expect: 100-continue` and keeps the body back until the server answers, or for `patience`.
    pub fn expect_continue(mut self, patience: Duration) -> Self {
        self.pace.await_continue = Some(patience);
        self.header("Expect", "100-continue")
    }
    /// Sends a body that is this many times the one that was set, for sizes that do not fit in memory. The signature does not
    /// cover the body then.
    pub fn times(mut self, times: u64) -> Self {
        self.pace.repeats = times.saturating_sub(1);
        let length = self.body.len() as u64 * times;
        self.payload(Payload::Unsigned).header("Content-Length", length.to_string())
    }
    /// Waits no longer than this for the next byte.
    pub fn limit(mut self, idle: Duration) -> Self {
        self.client.caller.limits.idle = idle;
        self
    }
    async fn build(&mut self) -> Result<Message, WireError> {
        let mut keys = match self.credentials.take() {
            Some(credentials) => {
                self.client.net.redactor.learn(&credentials);
                Some(credentials)
            }
            None => self.client.net.keys(self.client.account).await?,
        };
        if let (Some(keys), Some(secret)) = (&mut keys, self.secret.take()) {
            keys.secret_key = secret;
        }
        let mut scope = Scope::at(jiff::Timestamp::now() + self.skew, &self.client.net.access.region, "s3");
        if let Some(change) = self.on_scope.take() {
            change(&mut scope);
        }
        let mut message = message::sign(self, keys.as_ref(), &scope);
        for change in self.on_message.drain(..) {
            change(&mut message);
        }
        Ok(message)
    }
    /// Sends the request over a connection of its own and reads the answer.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn send(mut self) -> Result<Answer, WireError> {
        let (message, watch) = self.prepare().await?;
        let sent = async {
            let mut connection = self.client.open(self.endpoint, host_of(&self.host)).await?;
            self.run(&mut connection, &message, &watch).await
        };
        settle(sent.await, &watch)
    }
    /// Sends the request over an open connection and reads the answer.
    ///
    /// # Errors
    /// When there is no complete answer, and when the connection is not open any more.
    pub async fn send_on(mut self, connection: &mut RawConnection) -> Result<Answer, WireError> {
        let (message, watch) = self.prepare().await?;
        settle(self.run(connection, &message, &watch).await, &watch)
    }
    /// Sends the head and `body_bytes` of the body, then closes the connection in order or, if `reset`, with RST. The answer is not read.
    ///
    /// # Errors
    /// When it cannot be sent so far.
    pub async fn abandon_after(mut self, body_bytes: usize, reset: bool) -> Result<(), WireError> {
        self.pace.stop_after = Some(body_bytes);
        let (message, watch) = self.prepare().await?;
        let sent = async {
            let mut connection = self.client.open(self.endpoint, host_of(&self.host)).await?;
            watch.0.connected(connection.address().to_string(), false);
            let written = connection.write_and_close(&message, &self.pace, reset, &watch.0).await;
            self.client.net.book.used(connection.address(), None);
            written
        };
        match sent.await {
            Ok(()) => {
                watch.0.failed(Failure::Abandoned, "closed on purpose");
                Ok(())
            }
            Err(error) => settle(Err(error), &watch),
        }
    }
    async fn prepare(&mut self) -> Result<(Message, Watch), WireError> {
        let message = self.build().await?;
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let head = Head {
            operation: self.operation.clone(),
            method: message.method.clone(),
            target: message.target.clone(),
            headers: message.headers.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        };
        let caller = &self.client.caller;
        let flight = Flight::start(&caller.recorder, self.client.net.redactor.clone(), caller.meter.clone(), head);
        let watch = Watch(Arc::new(flight));
        let admitted = caller.admit(&self.operation, message.body.len() as u64 * (self.pace.repeats + 1)).await;
        settle(admitted, &watch)?;
        Ok((message, watch))
    }
    async fn run(&self, connection: &mut RawConnection, message: &Message, watch: &Watch) -> Result<Answer, WireError> {
        let flight = &watch.0;
        flight.connected(connection.address().to_string(), connection.requests() > 0);
        let answer = connection.exchange(message, &self.pace, self.client.caller.limits.idle, flight).await;
        self.client.net.book.used(connection.address(), answer.as_ref().ok().map(|_| flight.elapsed()));
        if answer.is_ok() {
            flight.finish();
        }
        answer
    }
}

fn settle<T>(result: Result<T, WireError>, watch: &Watch) -> Result<T, WireError> {
    if let Err(error) = &result {
        watch.0.failed(error.failure, &error.message);
    }
    result
}

/// The name in a Host header, without its port.
fn host_of(authority: &str) -> &str {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    host.trim_matches(['[', ']'])
}

impl std::fmt::Debug for RawRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawRequest({} {})", self.method, self.client.net.redactor.text(&self.target))
    }
}
