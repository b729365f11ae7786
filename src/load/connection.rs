//! The lean HTTP/1.1 path: one request at a time over one connection, with nothing between it and hyper.
//!
//! The main type is [`Messenger`]. The wire's dialer, addresses and signatures are used as they are; its recording is not.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;

use super::LoadSpec;
use super::draw::Planned;
use super::engine::Shared;
use super::sign::Signer;
use crate::config::{Addressing, Endpoint, Operation};
use crate::wire::{Address, Link};

/// Longest wait for a connection, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Longest time of a request, beside that of its body.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Slowest transfer that is waited for.
const SLOWEST_BYTES_PER_S: u64 = 1 << 20;

/// A connection, open or to be opened, to one of the vendor's endpoints.
#[derive(Debug)]
pub(super) struct Lane {
    /// Position of the endpoint in the book of addresses.
    turn: usize,
    /// Value of the Host header.
    host: String,
    /// What the certificate must be made out to.
    server_name: String,
    sender: Option<SendRequest<Full<Bytes>>>,
    address: Option<Address>,
}

/// What became of one request.
#[derive(Debug)]
pub(super) struct Answer {
    /// 0 where none came.
    pub status: u16,
    pub started: Instant,
    /// When the head of the answer was there.
    pub first_byte: Option<Instant>,
    pub ended: Instant,
    /// Body bytes received.
    pub download: u64,
    /// Object bytes moved, either way.
    pub payload_bytes: u64,
    /// Class of the failure.
    pub failure: Option<String>,
    /// False when no connection could be opened, so that nothing reached the vendor.
    pub was_sent: bool,
}

/// Sends the requests of one worker.
pub(super) struct Messenger {
    link: Link,
    spec: std::sync::Arc<LoadSpec>,
    addresses: usize,
    signer: RefCell<Signer>,
}

enum Sent {
    Answered(http::Response<Incoming>),
    NotConnected,
    Broken,
}

impl Messenger {
    pub(super) fn new(shared: &Shared) -> Self {
        let signer = Signer::new(shared.credentials.clone(), &shared.link.access.region, shared.spec.payload);
        Self { link: shared.link.clone(), spec: shared.spec.clone(), addresses: shared.addresses, signer: RefCell::new(signer) }
    }

    /// The connections of one slot: together, all slots cover every address.
    pub(super) fn lanes(&self) -> Vec<Lane> {
        let count = self.addresses.div_ceil(self.spec.concurrency as usize).max(1);
        (0..count).map(|_| self.lane()).collect()
    }
    fn lane(&self) -> Lane {
        let turn = self.link.net.book.turn();
        let endpoints = &self.link.access.endpoints;
        // Behind a fault proxy there is one address, but hosts and signatures stay the endpoints'.
        let endpoint: &Endpoint = endpoints.get(turn).unwrap_or(&endpoints[0]);
        let in_host = |name: String| match self.link.access.addressing {
            Addressing::Path => name,
            Addressing::VirtualHost => format!("{}.{name}", self.spec.bucket),
        };
        Lane { turn, host: in_host(endpoint.authority()), server_name: in_host(endpoint.host.clone()), sender: None, address: None }
    }

    /// Opens the connection if it is not open; whether it is then.
    pub(super) async fn open(&self, lane: &mut Lane) -> bool {
        if lane.sender.as_ref().is_some_and(|sender| !sender.is_closed()) {
            return true;
        }
        lane.sender = None;
        let Ok(addresses) = self.link.net.book.addresses(lane.turn).await else { return false };
        let Ok((stream, address)) = self.link.net.open(&addresses, &lane.server_name, CONNECT_LIMIT).await else { return false };
        let Ok((sender, connection)) = Builder::new().handshake(TokioIo::new(stream)).await else { return false };
        // Its errors reach whoever waits for an answer.
        tokio::task::spawn_local(async move { connection.await.ok() });
        (lane.sender, lane.address) = (Some(sender), Some(address));
        true
    }

    /// Bytes of the request's body.
    pub(super) fn upload(&self, planned: &Planned) -> u64 {
        if planned.operation == Operation::PutObject { self.spec.bodies.size() } else { 0 }
    }

    /// Sends one request and reads its answer to the end.
    pub(super) async fn exchange(&self, lane: &mut Lane, planned: &Planned) -> Answer {
        let request = self.request(&lane.host, planned);
        let started = Instant::now();
        let mut answer =
            Answer { status: 0, started, first_byte: None, ended: started, download: 0, payload_bytes: 0, failure: None, was_sent: true };
        let limit = REQUEST_LIMIT + Duration::from_secs(self.spec.bodies.size() / SLOWEST_BYTES_PER_S);
        let finished = tokio::time::timeout(limit, self.attempt(lane, planned, request, &mut answer)).await;
        answer.ended = Instant::now();
        answer.failure = finished.unwrap_or_else(|_| Err("timeout".to_owned())).err();
        if matches!(answer.failure.as_deref(), Some("connection" | "timeout" | "truncated")) {
            // Its answer was not read to its end.
            lane.sender = None;
        }
        if let Some(address) = lane.address.as_ref().filter(|_| answer.was_sent) {
            self.link.net.book.used(address, answer.first_byte.map(|at| at - started));
        }
        answer
    }

    async fn attempt(&self, lane: &mut Lane, planned: &Planned, request: http::Request<Full<Bytes>>, answer: &mut Answer) -> Result<(), String> {
        let response = match self.transmit(lane, request).await {
            Sent::Answered(response) => response,
            Sent::Broken => return Err("connection".to_owned()),
            Sent::NotConnected => {
                answer.was_sent = false;
                return Err("connection".to_owned());
            }
        };
        (answer.first_byte, answer.status) = (Some(Instant::now()), response.status().as_u16());
        let announced = response.headers().get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let expected = self.expected(planned);
        let matches = read(response.into_body(), expected.as_ref().filter(|_| planned.verify), &mut answer.download).await?;
        self.check(planned, answer, announced, expected.map(|body| body.len() as u64))?;
        if !matches {
            return Err("corrupt".to_owned());
        }
        answer.payload_bytes = if planned.operation == Operation::GetObject { answer.download } else { self.upload(planned) };
        Ok(())
    }

    /// Hands the request to hyper. A pooled connection that closed before any byte of it was written is replaced once: nothing was sent.
    async fn transmit(&self, lane: &mut Lane, mut request: http::Request<Full<Bytes>>) -> Sent {
        for _ in 0..2 {
            let reused = lane.sender.as_ref().is_some_and(|sender| !sender.is_closed());
            if !self.open(lane).await {
                return Sent::NotConnected;
            }
            let Some(sender) = lane.sender.as_mut() else { return Sent::NotConnected };
            if sender.ready().await.is_err() {
                lane.sender = None;
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Sent::Answered(response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if reused => (request, lane.sender) = (unsent, None),
                    Some(_) => return Sent::NotConnected,
                    None => return Sent::Broken,
                },
            }
        }
        Sent::NotConnected
    }

    /// The body that a GET must return.
    fn expected(&self, planned: &Planned) -> Option<Bytes> {
        if planned.operation != Operation::GetObject {
            return None;
        }
        let body = self.spec.bodies.body(planned.body);
        Some(planned.range.map_or(body.clone(), |(first, last)| body.slice(first as usize..=last as usize)))
    }

    fn check(&self, planned: &Planned, answer: &Answer, announced: Option<u64>, expected: Option<u64>) -> Result<(), String> {
        let is_right = match planned.operation {
            Operation::GetObject => answer.status == if planned.range.is_some() { 206 } else { 200 },
            Operation::DeleteObject => matches!(answer.status, 200 | 204),
            _ => answer.status == 200,
        };
        if !is_right {
            return Err(format!("status {}", answer.status));
        }
        let has_right_length = match planned.operation {
            Operation::GetObject => Some(answer.download) == expected,
            Operation::HeadObject => announced.is_none_or(|length| length == self.spec.bodies.size()),
            Operation::ListObjectsV2 => answer.download > 0,
            _ => true,
        };
        // The answer is complete and has another length than what was written.
        if has_right_length { Ok(()) } else { Err("corrupt".to_owned()) }
    }

    fn request(&self, host: &str, planned: &Planned) -> http::Request<Full<Bytes>> {
        let base = match self.link.access.addressing {
            Addressing::Path => format!("/{}", self.spec.bucket),
            Addressing::VirtualHost => String::new(),
        };
        let target = match planned.operation {
            // Parameters in the order of their names: that is also their canonical order.
            Operation::ListObjectsV2 => {
                let encode = |text: &str| text.replace('/', "%2F");
                let (prefix, after) = (encode(&self.spec.key("read", 0)), encode(&planned.key));
                let prefix = prefix.trim_end_matches(|c: char| c.is_ascii_digit());
                format!("{}?list-type=2&max-keys=1000&prefix={prefix}&start-after={after}", if base.is_empty() { "/" } else { &base })
            }
            _ => format!("{base}/{}", planned.key),
        };
        let (method, body) = match planned.operation {
            Operation::PutObject => ("PUT", self.spec.bodies.body(planned.body)),
            Operation::HeadObject => ("HEAD", Bytes::new()),
            Operation::DeleteObject => ("DELETE", Bytes::new()),
            Operation::GetObject | Operation::ListObjectsV2 => ("GET", Bytes::new()),
        };
        let range = planned.range.map(|(first, last)| format!("bytes={first}-{last}"));
        let put = (method == "PUT").then_some((&*self.spec.bodies, planned.body));
        let headers = self.signer.borrow_mut().headers(method, &target, host, range, put);
        let mut request = http::Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.body(Full::new(body)).expect("method, target and headers are plain ASCII")
    }
}

/// Reads a body to its end; whether it is `expected`, where there is something to compare with.
async fn read(mut body: Incoming, expected: Option<&Bytes>, received: &mut u64) -> Result<bool, String> {
    let mut matches = true;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err("truncated".to_owned()) };
        let Some(data) = frame.data_ref() else { continue };
        if let Some(expected) = expected {
            let at = usize::try_from(*received).unwrap_or(usize::MAX);
            matches &= at.checked_add(data.len()).and_then(|end| expected.get(at..end)) == Some(data);
        }
        *received += data.len() as u64;
    }
    Ok(matches)
}
