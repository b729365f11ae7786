//! Passing one client connection's exchanges on, and doing the faults that hit them on the way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::answer::{Answer, End};
use super::local::Asked;
use super::message::{Body, Head, Incoming, Piece, Side, Start};
use super::mutate::{Hit, Outcome};
use super::pace::Pace;
use super::rules::Fault;
use super::tamper::{self, Whole};
use super::{MAX_WHOLE, Shared, local};
use crate::config::FaultKind;
use crate::wire::sigv4::Check;
use crate::wire::{Stream, operation};

/// Between the last byte and a reset: what the peer has not read by then, a reset would take away from it.
pub(super) const SETTLE: Duration = Duration::from_millis(50);
/// How long a request may still arrive after its answer is complete.
const LATE_BODY: Duration = Duration::from_secs(5);

/// How an exchange ended.
pub(super) enum Next {
    /// Both connections can take the next request.
    Again,
    /// Close both.
    Close,
    /// Reset the client's connection, and the server's too if `both`.
    Reset { both: bool },
    /// Neither side speaks HTTP/1.1 as we know it, or no longer: pass bytes blindly.
    Tunnel,
}

/// Serves one client connection to its end.
pub(super) async fn serve(stream: Stream, shared: Arc<Shared>) {
    let mut connection = Connection { client: Side::new(stream), server: None, shared, doubles: JoinSet::new() };
    let end = loop {
        match connection.exchange().await {
            Ok(Next::Again) => {}
            Ok(end) => break end,
            Err(_) => break Next::Close,
        }
    };
    let Connection { client, server, mut doubles, .. } = connection;
    match end {
        Next::Reset { both } => {
            tokio::time::sleep(SETTLE).await;
            client.reset();
            if let Some(server) = server {
                if both { server.reset() } else { drop(server) }
            }
        }
        Next::Tunnel => tunnel(client, server).await,
        Next::Again | Next::Close => {
            drop(server);
            client.close().await;
        }
    }
    while doubles.join_next().await.is_some() {}
}

struct Connection {
    client: Side,
    server: Option<Side>,
    shared: Arc<Shared>,
    doubles: JoinSet<()>,
}

/// A request on its way to the server: what has been read of it, and what has not.
struct Outbound {
    head: Head,
    pieces: Vec<Piece>,
    body: Body,
    /// We have told the client to go on already, so the server's word for it is not passed on.
    has_continued: bool,
}

impl Connection {
    async fn exchange(&mut self) -> io::Result<Next> {
        let head = match self.next_request().await? {
            Some(Start::Head(head)) => head,
            Some(Start::Opaque) => return self.opaque().await,
            Some(Start::Closed) | None => return Ok(Next::Close),
        };
        let Some(body) = head.request_body() else {
            // The server refuses what has no length that can be read; its answer may be one that the mutant touches.
            if let Some(hit) = self.hit(&head).filter(|hit| !hit.wants_request()) {
                self.pass(Outbound { head, pieces: Vec::new(), body: Body::none(), has_continued: false }, &[], Some(&hit)).await?;
                return Ok(Next::Close);
            }
            let Some(server) = self.server().await else { return Ok(Next::Close) };
            server.out.write_all(&head.to_bytes()).await?;
            return Ok(Next::Tunnel);
        };
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        if let Some(hit) = self.hit(&head) {
            return self.mutated(head, body, &hit).await;
        }
        let operation = self.operation(&head);
        let faults = self.shared.rules.choose(operation);
        // Without a fault that changes or swallows nothing depends on the signature, and a benchmark should not pay for its check.
        let is_blind = faults.iter().all(|fault| matches!(fault.kind(), FaultKind::Throttle(_)));
        let check = if is_blind { Check::NotOurs } else { tamper::check(&head, &self.shared.credentials) };
        let asked = Asked { head: &head, body: &body, check: &check, in_host: self.in_host(&head) };
        for fault in &faults {
            if let Some(next) = local::answer(&mut self.client, fault, &asked).await? {
                return Ok(next);
            }
        }
        let outbound = self.prepare(head, body, &faults, check).await?;
        self.double(&outbound, &faults);
        self.pass(outbound, &faults, None).await
    }

    fn hit(&self, head: &Head) -> Option<Hit> {
        self.shared.mutation.as_ref().and_then(|mutation| Hit::of(mutation, self.operation(head), head))
    }

    /// An exchange that the proxy's mutant touches.
    async fn mutated(&mut self, head: Head, body: Body, hit: &Hit) -> io::Result<Next> {
        if let Some(refusal) = hit.refusal(&head) {
            self.client.out.write_all(&refusal).await?;
            return Ok(Next::Close);
        }
        if !hit.wants_request() {
            return self.pass(Outbound { head, pieces: Vec::new(), body, has_continued: false }, &[], Some(hit)).await;
        }
        let closes = head.closes();
        let (mut whole, body, has_continued) = self.read_whole(head, body, hit.keeps_cut()).await?;
        if body.is_empty()
            && let Outcome::Answered(answer) = hit.request(&mut whole)
        {
            self.client.out.write_all(&answer).await?;
            return Ok(if closes { Next::Close } else { Next::Again });
        }
        self.pass(Outbound { head: whole.head, pieces: whole.pieces, body, has_continued }, &[], Some(hit)).await
    }

    /// Reads a request to its end, or to what can be held of it; one that the client breaks off ends there, if it is to be kept.
    async fn read_whole(&mut self, head: Head, mut body: Body, keeps_cut: bool) -> io::Result<(Whole, Body, bool)> {
        let mut whole = Whole { head, pieces: Vec::new() };
        let has_continued = !body.is_empty() && whole.head.has_word("expect", "100-continue");
        if has_continued {
            self.client.out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let mut held = 0;
        while held <= MAX_WHOLE {
            let piece = match body.next(&mut self.client.incoming).await {
                Err(_) if keeps_cut && held > 0 => {
                    body = Body::none();
                    break;
                }
                piece => piece?,
            };
            let Some(piece) = piece else { break };
            held += piece.bytes.len();
            whole.pieces.push(piece);
        }
        Ok((whole, body, has_continued))
    }

    /// The next request; none when the server ended the idle connection first, which the client is to see as well, with its last words.
    async fn next_request(&mut self) -> io::Result<Option<Start<Head>>> {
        let Some(server) = &mut self.server else { return self.client.incoming.request().await.map(Some) };
        tokio::select! {
            start = self.client.incoming.request() => start.map(Some),
            _ = server.incoming.fill() => {
                self.client.out.write_all(&server.incoming.take_rest()).await?;
                Ok(None)
            }
        }
    }

    fn operation(&self, head: &Head) -> &'static str {
        operation::name(head.method(), head.target(), self.in_host(head), |name| head.header(name))
    }

    /// Whether the bucket is named in the host.
    fn in_host(&self, head: &Head) -> bool {
        let bases = self.shared.upstream.endpoints.iter().map(|endpoint| endpoint.host.as_str()).chain(["localhost"]);
        head.header("host").is_some_and(|host| operation::bucket_in_host(host, bases))
    }

    async fn server(&mut self) -> Option<&mut Side> {
        if self.server.is_none() {
            self.server = self.shared.dial().await.map(Side::new);
        }
        self.server.as_mut()
    }

    async fn opaque(&mut self) -> io::Result<Next> {
        let rest = self.client.incoming.take_rest();
        let Some(server) = self.server().await else { return Ok(Next::Close) };
        server.out.write_all(&rest).await?;
        Ok(Next::Tunnel)
    }

    /// Reads the body if a fault needs it, and changes what the faults say.
    async fn prepare(&mut self, mut head: Head, body: Body, faults: &[Fault], check: Check) -> io::Result<Outbound> {
        if !tamper::wants_body(faults, &head, &check) || body.is_empty() {
            tamper::tamper_head(&mut head, faults, &check);
            return Ok(Outbound { head, pieces: Vec::new(), body, has_continued: false });
        }
        let (mut whole, body, has_continued) = self.read_whole(head, body, false).await?;
        if body.is_empty() {
            tamper::tamper(&mut whole, faults, check);
        }
        Ok(Outbound { head: whole.head, pieces: whole.pieces, body, has_continued })
    }

    /// Sends a copy on a connection of its own, at the same moment.
    fn double(&mut self, outbound: &Outbound, faults: &[Fault]) {
        let Some(fault) = faults.iter().find(|fault| matches!(fault.kind(), FaultKind::DuplicateRequest {})) else { return };
        if !outbound.body.is_empty() {
            return;
        }
        fault.fire();
        let bytes: Vec<Bytes> = std::iter::once(outbound.head.to_bytes()).chain(outbound.pieces.iter().map(|piece| piece.bytes.clone())).collect();
        let (shared, method) = (self.shared.clone(), outbound.head.method().to_owned());
        self.doubles.spawn(async move {
            // What becomes of the copy is the server's affair: the client must not notice.
            if let Some(stream) = shared.dial().await {
                let _ = send_copy(Side::new(stream), bytes, &method).await;
            }
        });
    }

    async fn pass(&mut self, outbound: Outbound, faults: &[Fault], hit: Option<&Hit>) -> io::Result<Next> {
        let answer = Answer::new(&outbound.head, outbound.has_continued, faults, hit);
        let closes = outbound.head.closes();
        let is_waiting = outbound.head.has_word("expect", "100-continue");
        let shared = self.shared.clone();
        if self.server().await.is_none() {
            return Ok(Next::Close);
        }
        let (client, Some(server)) = (&mut self.client, &mut self.server) else { return Ok(Next::Close) };
        let mut sending = Box::pin(send(outbound, &mut client.incoming, &mut server.out, faults));
        let mut answering = Box::pin(answer.pass(&mut server.incoming, &mut client.out));
        let ended = tokio::select! {
            sent = &mut sending => match sent {
                Ok(true) => return Ok(Next::Reset { both: true }),
                Ok(false) => {
                    drop(sending);
                    tokio::select! {
                        ended = &mut answering => ended,
                        () = watch(&mut client.incoming, &mut server.out) => return Ok(Next::Close),
                    }
                }
                // The server stopped reading; it may still have answered.
                Err(SendError::Server) => answering.await,
                Err(SendError::Client) => return Ok(Next::Reset { both: true }),
            },
            ended = &mut answering => {
                // A client that waited to be told to go on will not send the body any more: nothing on its connection could be trusted.
                let is_late = is_waiting || !matches!(tokio::time::timeout(LATE_BODY, sending).await, Ok(Ok(false)));
                if is_late { ended.map(|end| if matches!(end, End::Open) { End::Close } else { end }) } else { ended }
            }
        };
        match ended {
            Ok(End::Open) if !closes => Ok(Next::Again),
            Ok(End::Open | End::Close) => Ok(Next::Close),
            Ok(End::Reset) => Ok(Next::Reset { both: false }),
            Ok(End::Tunnel) => Ok(Next::Tunnel),
            Err(error) => {
                shared.broken(&error.to_string());
                Ok(Next::Close)
            }
        }
    }
}

/// Who ended a request before its end.
enum SendError {
    Client,
    Server,
}

/// Sends a request. True: cut by a fault, both connections are to be reset.
async fn send(outbound: Outbound, from: &mut Incoming, to: &mut tokio::io::WriteHalf<Stream>, faults: &[Fault]) -> Result<bool, SendError> {
    let pace = Pace::of(faults);
    let cut = faults.iter().find_map(|fault| if let FaultKind::ResetRequest { after } = fault.kind() { Some((fault, after.0)) } else { None });
    let Outbound { head, pieces, mut body, .. } = outbound;
    to.write_all(&head.to_bytes()).await.map_err(|_| SendError::Server)?;
    let mut held = pieces.into_iter();
    let mut passed = 0;
    loop {
        if let Some((fault, after)) = cut
            && passed >= after
        {
            to.flush().await.map_err(|_| SendError::Server)?;
            fault.fire();
            return Ok(true);
        }
        let next = match held.next() {
            Some(piece) => Some(piece),
            None => body.next(from).await.map_err(|_| SendError::Client)?,
        };
        let Some(mut piece) = next else { break };
        if piece.is_payload {
            let room = cut.map_or(u64::MAX, |(_, after)| after - passed);
            piece.bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX).min(piece.bytes.len()));
            passed += piece.bytes.len() as u64;
        }
        pace.write(to, &piece.bytes).await.map_err(|_| SendError::Server)?;
    }
    to.flush().await.map_err(|_| SendError::Server)?;
    Ok(false)
}

/// While an answer is awaited: a client that ends its side is passed on, a connection that is reset ends the exchange.
async fn watch(client: &mut Incoming, server: &mut tokio::io::WriteHalf<Stream>) {
    match client.fill().await {
        Ok(0) => {
            // Fails only if the server is gone, which the answer will show.
            let _ = server.shutdown().await;
            std::future::pending().await
        }
        Ok(_) => std::future::pending().await,
        Err(_) => {}
    }
}

async fn send_copy(mut server: Side, bytes: Vec<Bytes>, method: &str) -> io::Result<()> {
    for bytes in bytes {
        server.out.write_all(&bytes).await?;
    }
    loop {
        let Start::Head(head) = server.incoming.response().await? else { return Ok(()) };
        if head.status() >= 200 {
            let Some(body) = head.response_body(method) else { return Ok(()) };
            return local::discard(body, &mut server.incoming).await;
        }
    }
}

/// Passes bytes both ways, blindly, until both sides have ended.
async fn tunnel(mut client: Side, server: Option<Side>) {
    let Some(mut server) = server else { return };
    let (up, down) = (client.incoming.take_rest(), server.incoming.take_rest());
    if server.out.write_all(&up).await.is_err() || client.out.write_all(&down).await.is_err() {
        return;
    }
    let up = async {
        let copied = tokio::io::copy(client.incoming.reader(), &mut server.out).await;
        copied.and(server.out.shutdown().await)
    };
    let down = async {
        let copied = tokio::io::copy(server.incoming.reader(), &mut client.out).await;
        copied.and(client.out.shutdown().await)
    };
    // An error of one side ends both: that is how it reaches the other.
    let _ = tokio::try_join!(up, down);
}
