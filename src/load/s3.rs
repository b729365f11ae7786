//! One connection to a vendor: it sends a signed request, reads the answer and judges it, one at a time.
//!
//! The main type is [`S3Lane`]. It adds nothing to what crosses the wire and never repeats a request.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use super::Receive;
use super::content::{SLICES, Stamps};
use super::hashes::Sum;
use super::http::{Body, Head, Inbox, Sink, event};
use super::reactor::Reactor;
use super::request::{Answer, Failure, Request};
use super::sign::{Hex, Parts, Signer};
use super::socket::{Remote, Socket};
use super::worker::Worker;
use crate::config::{Addressing, Operation, PayloadMode};
use crate::wire::sigv4::{EMPTY_SHA256, UNSIGNED_PAYLOAD};
use crate::wire::{Address, AddressStats};

/// Longest wait for a connection, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Longest time of a request, beside that of its body.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// Slowest transfer that is waited for.
const SLOWEST_BYTES_PER_S: u64 = 1 << 20;
/// A connection that was idle for longer is looked at before it is used: servers close idle connections.
const IDLE: Duration = Duration::from_secs(1);

/// One connection of a load, open or to be opened.
#[derive(Debug)]
pub struct S3Lane {
    /// Position of the endpoint in the book of addresses.
    turn: usize,
    host: String,
    server_name: String,
    base: String,
    address: Option<Address>,
    socket: Option<Socket>,
    last_used: Instant,
    inbox: Inbox,
    head: Vec<u8>,
    range: String,
    used: AddressStats,
}

impl S3Lane {
    /// A connection to the endpoint whose turn it is.
    pub(super) fn new(worker: &Worker) -> Self {
        let (link, bucket) = (&worker.shared.link, &worker.shared.spec.bucket);
        let turn = link.net.book.turn();
        let endpoints = &link.access.endpoints;
        // Behind a fault proxy there is one address, but hosts and signatures stay the endpoints'.
        let endpoint = endpoints.get(turn).unwrap_or(&endpoints[0]);
        let is_path = link.access.addressing == Addressing::Path;
        let in_host = |name: String| if is_path { name } else { format!("{bucket}.{name}") };
        Self {
            turn,
            host: in_host(endpoint.authority()),
            server_name: in_host(endpoint.host.clone()),
            base: if is_path { format!("/{bucket}") } else { String::new() },
            address: None,
            socket: None,
            last_used: Instant::now(),
            inbox: Inbox::default(),
            head: Vec::with_capacity(1024),
            range: String::new(),
            used: AddressStats::default(),
        }
    }

    /// The ETag of the last answer, quotes included.
    pub fn etag(&self) -> &str {
        &self.inbox.etag
    }

    /// Opens the connection if it is not open; whether it is then.
    pub(super) async fn open(&mut self, worker: &Worker) -> bool {
        if self.socket.as_ref().is_some_and(|socket| self.last_used.elapsed() < IDLE || !socket.is_stale()) {
            return true;
        }
        self.socket = None;
        let net = &worker.shared.link.net;
        worker.reactor.limit(Some(Instant::now() + CONNECT_LIMIT));
        for address in net.book.known(self.turn) {
            let remote = Remote {
                address: address.socket,
                target: address.to_string(),
                tls: address.endpoint.tls.then(|| (net.access.tls(), self.server_name.clone())),
                proxy: net.access.dialer.proxy.clone(),
            };
            let opened = Socket::open(&worker.reactor, &remote).await;
            let was_good = net.book.is_known_good(&address);
            net.book.connected(&address, opened.is_ok());
            if let Ok(socket) = opened {
                if self.address.as_ref() != Some(&address) {
                    self.settle(worker);
                }
                (self.socket, self.address) = (Some(socket), Some(address));
                break;
            }
            if was_good {
                break;
            }
        }
        worker.reactor.limit(None);
        self.socket.is_some()
    }

    /// Tells the book of addresses what went over this connection.
    pub(super) fn settle(&mut self, worker: &Worker) {
        if let Some(address) = &self.address {
            worker.shared.link.net.book.add(address, &std::mem::take(&mut self.used));
        }
    }

    /// Closes the connection; the next request opens another one.
    pub(super) fn close(&mut self) {
        self.socket = None;
    }

    /// Sends one request and reads its answer to the end. What it collects of the body (listings, errors, XML) goes to `text`.
    pub(super) async fn exchange(&mut self, worker: &Worker, request: &Request, text: &mut Vec<u8>) -> Answer {
        text.clear();
        let spec = &worker.shared.spec;
        let opens_within = !spec.keep_alive;
        let begun = Instant::now();
        if opens_within {
            self.close();
        }
        if !self.open(worker).await {
            let (failure, ended) = (Some(Failure::Connection), Instant::now());
            return Answer { was_sent: false, failure, ended, ..Answer::pending(begun) };
        }
        let sum = worker.sum(request);
        let signature = self.render(worker, request, sum.as_ref());
        // Without keep-alive the time to connect belongs to the request.
        let mut answer = Answer::pending(if opens_within { begun } else { Instant::now() });
        let size = request.extent().to - request.extent().from;
        worker.reactor.limit(Some(answer.started + REQUEST_LIMIT + Duration::from_secs(size / SLOWEST_BYTES_PER_S)));
        let result = self.attempt(worker, request, signature, &mut answer, text).await;
        worker.reactor.limit(None);
        answer.ended = Instant::now();
        answer.failure = result.err();
        if answer.failure.is_some_and(|failure| !failure.is_answered()) {
            self.close();
        }
        self.last_used = answer.ended;
        self.used.count(answer.first_byte.map(|at| at - answer.started));
        answer
    }

    async fn attempt(&mut self, worker: &Worker, request: &Request, signature: Hex, answer: &mut Answer, text: &mut Vec<u8>) -> Result<(), Failure> {
        let spec = &worker.shared.spec;
        let reactor = &worker.reactor;
        let socket = self.socket.as_mut().ok_or(Failure::Connection)?;
        let mut sending = Sending { socket, reactor, head: &self.head, head_sent: 0 };
        let is_whole = if request.operation.writes_content() && spec.payload == PayloadMode::StreamingSigned {
            super::streaming::send(&mut sending, worker, request, signature).await?
        } else {
            sending.request(worker, request).await?
        };
        let extent = request.extent();
        let is_read = request.operation == Operation::GetObject;
        let discards = spec.receive == Receive::Discard;
        let uncopied = if is_read && discards && !request.verify { extent.to - extent.from } else { 0 };
        let is_head = request.operation == Operation::HeadObject;
        let line = (&mut *socket, reactor, &worker.scratch);
        let sink = self.inbox.head(line, is_head, uncopied, |status| match status {
            200 | 206 if is_read && request.verify => Sink::Compare(&spec.content, extent),
            200 | 206 if is_read && discards => Sink::Discard,
            200 | 206 if is_read => Sink::Copy,
            _ => Sink::Collect(text),
        });
        let (head, mut body) = sink.await?;
        (answer.first_byte, answer.status, answer.retry_after_s) = (Some(Instant::now()), head.status, head.retry_after_s);
        let read = self.inbox.rest(&mut body, (socket, reactor, &worker.scratch)).await;
        answer.download = body.received;
        read?;
        let verdict = judge(request, &head, &body);
        if !head.keeps_alive || !is_whole || !spec.keep_alive {
            self.close();
        }
        verdict?;
        answer.payload_bytes = match request.operation {
            Operation::GetObject => answer.download,
            operation if operation.writes_content() => request.upload(),
            _ => 0,
        };
        Ok(())
    }

    /// Writes the signed head of a request into the connection's buffer.
    fn render(&mut self, worker: &Worker, request: &Request, sum: Option<&Sum>) -> Hex {
        let spec = &worker.shared.spec;
        self.range.clear();
        if let Some((first, last)) = request.range {
            // Writing to memory does not fail.
            let _ = write!(self.range, "bytes={first}-{last}");
        }
        let is_content = request.operation.writes_content();
        let streaming = is_content && spec.payload == PayloadMode::StreamingSigned;
        let text_hash = (!request.text.is_empty()).then(|| Hex::of(ring::digest::digest(&ring::digest::SHA256, &request.text).as_ref()));
        let hash = match (is_content, spec.payload) {
            (true, PayloadMode::Unsigned) => UNSIGNED_PAYLOAD,
            (true, PayloadMode::StreamingSigned) => crate::wire::sigv4::STREAMING_SIGNED,
            (true, _) => sum.map_or(EMPTY_SHA256, |sum| sum.sha256.as_str()),
            (false, _) => text_hash.as_ref().map_or(EMPTY_SHA256, Hex::as_str),
        };
        let decoded = if streaming { request.upload().to_string() } else { String::new() };
        let length = if streaming { super::streaming::length(request.upload()) } else { request.upload() };
        let parts = Parts {
            method: request.operation.method(),
            base: &self.base,
            key: &request.key,
            query: &request.query,
            host: &self.host,
            range: &self.range,
            hash,
            checksum: sum.and_then(Sum::header),
            length: matches!(request.operation.method(), "PUT" | "POST").then_some(length),
            decoded_length: streaming.then_some(decoded.as_str()),
        };
        self.head.clear();
        if !spec.is_signed {
            Signer::render_unsigned(&mut self.head, &parts);
            return Hex::of(&[0; 32]);
        }
        worker.signer.borrow_mut().render(&mut self.head, &parts)
    }
}

/// Whether the answer is what the operation promises.
fn judge(request: &Request, head: &Head, body: &Body<'_>) -> Result<(), Failure> {
    let is_right = match request.operation {
        Operation::GetObject => head.status == if request.range.is_some() { 206 } else { 200 },
        Operation::DeleteObject | Operation::AbortMultipartUpload => matches!(head.status, 200 | 204),
        _ => head.status == 200,
    };
    if !is_right {
        return Err(Failure::Status(head.status));
    }
    let extent = request.extent();
    let is_as_written = match request.operation {
        Operation::GetObject => body.matches && (!request.is_sized || body.received == extent.to - extent.from),
        Operation::HeadObject => !request.is_sized || head.length.is_none_or(|length| length == request.end),
        Operation::ListObjectsV2 => body.received > 0,
        _ => true,
    };
    if is_as_written { Ok(()) } else { Err(Failure::Corrupt) }
}

/// A request on its way out.
pub(super) struct Sending<'a> {
    pub(super) socket: &'a mut Socket,
    pub(super) reactor: &'a Reactor,
    head: &'a [u8],
    head_sent: usize,
}

impl Sending<'_> {
    /// Sends head and body. False when the server answered before it had everything: it wants no more.
    async fn request(&mut self, worker: &Worker, request: &Request) -> Result<bool, Failure> {
        if !request.operation.writes_content() {
            return self.all(&request.text).await;
        }
        let content = &worker.shared.spec.content;
        let mut extent = request.extent();
        let mut stamps = Stamps::default();
        while extent.from < extent.to || self.head_sent < self.head.len() {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = content.slices(extent, &mut stamps, &mut slices);
            let Some(sent) = self.some(&slices[..count]).await? else { return Ok(false) };
            extent.from += sent;
        }
        self.flushed().await
    }

    /// Sends what is left of the head, then these bytes.
    pub(super) async fn all(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        let mut sent = 0;
        while sent < bytes.len() || self.head_sent < self.head.len() {
            let Some(more) = self.some(&[IoSlice::new(&bytes[sent..])]).await? else { return Ok(false) };
            sent += more as usize;
        }
        self.flushed().await
    }

    /// Sends as much as goes in one call of the head and the slices: how many bytes of the slices went. `None` when the server answers.
    pub(super) async fn some(&mut self, slices: &[IoSlice<'_>]) -> Result<Option<u64>, Failure> {
        loop {
            let left = &self.head[self.head_sent..];
            let written = if left.is_empty() {
                self.socket.write(slices)
            } else if slices.iter().all(|slice| slice.is_empty()) {
                self.socket.write(&[IoSlice::new(left)])
            } else {
                let mut all = [IoSlice::new(&[]); SLICES + 1];
                all[0] = IoSlice::new(left);
                all[1..=slices.len()].copy_from_slice(slices);
                self.socket.write(&all[..=slices.len()])
            };
            match written {
                Ok(Some(written)) => {
                    let of_head = written.min(left.len());
                    self.head_sent += of_head;
                    return Ok(Some((written - of_head) as u64));
                }
                Ok(None) if self.socket.has_answer() => return Ok(None),
                Ok(None) => event(self.reactor).await?,
                // The server may have said why before it closed.
                Err(_) if self.socket.has_answer() => return Ok(None),
                Err(_) => return Err(Failure::Connection),
            }
        }
    }

    async fn flushed(&mut self) -> Result<bool, Failure> {
        loop {
            match self.socket.is_flushed() {
                Ok(true) => return Ok(true),
                Ok(false) if self.socket.has_answer() => return Ok(false),
                Ok(false) => event(self.reactor).await?,
                Err(_) => return Err(Failure::Connection),
            }
        }
    }
}

/// The buffer that a thread's connections read into.
pub(super) fn scratch() -> RefCell<Vec<u8>> {
    RefCell::new(vec![0; super::http::SCRATCH])
}
