//! The fault proxy: stands between a client and a server, and does to connections, requests and answers what its rules say.
//!
//! The main type is [`Proxy`]. Without a rule that hits, every byte passes as it came, in both directions and as it arrives; each client
//! connection has one server connection of its own, so that what one side does to its connection reaches the other. A server that
//! cannot be reached, or breaks off, shows as a closed connection: the proxy makes up no answer that no rule asks for.
//!
//! A changed request is signed anew only if it was signed right: see `tamper`. [`Proxy::mutant`] makes the server one that breaks a rule of
//! S3, to prove that the suites notice: see `mutate`. Limits: a body that a fault must see as a whole is at most
//! [`MAX_WHOLE`] long, else the request passes unchanged; a flipped byte in a part of a multipart upload with checksums is found by the
//! server on completion, because the client lists the checksums of its parts.

mod alone;
mod answer;
mod digest;
mod local;
mod message;
mod mutate;
mod pace;
mod relay;
mod rules;
mod tamper;
mod throttle;

pub use alone::{RuleFile, serve_alone};
pub use rules::RuleCount;
pub use throttle::{Direction, Throttle};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::address::Address;
use super::{Access, Credentials, Dialer, Stream};
use crate::config::{DegradeRule, Endpoint, Mutant, Phase};
use mutate::Mutation;
use rules::Rules;

/// Longest request body that is held as a whole for a fault that must see or change it, in bytes.
pub const MAX_WHOLE: usize = 64 << 20;

/// Longest wait for a connection to the server.
const DIAL_LIMIT: Duration = Duration::from_secs(10);

/// The servers behind a proxy, and how to reach them.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// Used in turn, one for each client connection.
    pub endpoints: Vec<Endpoint>,
    /// Opens connections.
    pub dialer: Dialer,
}

impl Upstream {
    /// The servers of a vendor.
    pub fn of(access: &Access) -> Self {
        let endpoints = access.dial_to.clone().map_or_else(|| access.endpoints.clone(), |endpoint| vec![endpoint]);
        Self { endpoints, dialer: access.dialer.clone() }
    }
}

/// What passed so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ProxyCounts {
    /// Client connections.
    pub connections: u64,
    /// Requests that were understood.
    pub requests: u64,
    /// Connections to the server that could not be opened, or broke off before a whole answer.
    pub upstream_errors: u64,
    /// One entry for each rule, in their order.
    pub rules: Vec<RuleCount>,
}

/// What all connections of a proxy share.
#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    credentials: Vec<Credentials>,
    rules: Rules,
    mutation: Option<Arc<Mutation>>,
    next_endpoint: AtomicUsize,
    connections: AtomicU64,
    requests: AtomicU64,
    upstream_errors: AtomicU64,
}

impl Shared {
    async fn dial(&self) -> Option<Stream> {
        let endpoints = &self.upstream.endpoints;
        let turn = self.next_endpoint.fetch_add(1, Ordering::Relaxed);
        let endpoint = endpoints.get(turn % endpoints.len().max(1))?.clone();
        let server_name = endpoint.host.clone();
        let stream = self.upstream.dialer.dial(&Address { endpoint, socket: None }, &server_name, DIAL_LIMIT).await;
        stream.inspect_err(|error| self.broken(&error.message)).ok()
    }
    fn broken(&self, why: &str) {
        self.upstream_errors.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(why, "the server's side of the fault proxy broke");
    }
}

/// A fault proxy on a local address. It stops, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on `listen` (port 0 = any) and passes everything to `upstream`. `credentials` are those whose signatures can be checked and
    /// made anew.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(listen: SocketAddr, upstream: Upstream, credentials: Vec<Credentials>, rules: Vec<DegradeRule>) -> io::Result<Self> {
        Self::start_with(listen, upstream, credentials, rules, None).await
    }
    async fn start_with(
        listen: SocketAddr,
        upstream: Upstream,
        credentials: Vec<Credentials>,
        rules: Vec<DegradeRule>,
        mutation: Option<Arc<Mutation>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream,
            credentials,
            rules: Rules::default(),
            mutation,
            next_endpoint: AtomicUsize::new(0),
            connections: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            upstream_errors: AtomicU64::new(0),
        });
        shared.rules.set(rules);
        let task = tokio::spawn(accept(listener, shared.clone()));
        Ok(Self { address, shared, task })
    }
    /// A proxy in front of a vendor's servers, on any loopback port, that knows both of its accounts.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn before(access: &Access, rules: Vec<DegradeRule>) -> io::Result<Self> {
        let credentials = std::iter::once(&access.credentials).chain(&access.alt).cloned().collect();
        Self::start(SocketAddr::from(([127, 0, 0, 1], 0)), Upstream::of(access), credentials, rules).await
    }
    /// A proxy that makes a vendor's servers behave as a mutant does.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub async fn mutant(access: &Access, mutant: Mutant) -> io::Result<Self> {
        let credentials: Vec<Credentials> = std::iter::once(&access.credentials).chain(&access.alt).cloned().collect();
        let mutation = Arc::new(Mutation::new(mutant, credentials.clone(), &access.region));
        Self::start_with(SocketAddr::from(([127, 0, 0, 1], 0)), Upstream::of(access), credentials, Vec::new(), Some(mutation)).await
    }
    /// How many requests or answers the mutant changed.
    pub fn mutated(&self) -> u64 {
        self.shared.mutation.as_ref().map_or(0, |mutation| mutation.fired())
    }
    /// Where to connect to.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { tls: false, host: self.address.ip().to_string(), port: self.address.port() }
    }
    /// Replaces the rules, and with them their counters. A request that is under way keeps its faults.
    pub fn set_rules(&self, rules: Vec<DegradeRule>) {
        self.shared.rules.set(rules);
    }
    /// Tells in which part of a run we are. Before the first call, rules with phases are off.
    pub fn set_phase(&self, phase: Phase) {
        self.shared.rules.set_phase(Some(phase));
    }
    /// What passed so far.
    pub fn counters(&self) -> ProxyCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Shared { connections, requests, upstream_errors, rules, .. } = &*self.shared;
        ProxyCounts { connections: of(connections), requests: of(requests), upstream_errors: of(upstream_errors), rules: rules.counts() }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // The set ends its tasks when it is dropped, and it is dropped with this task.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    shared.connections.fetch_add(1, Ordering::Relaxed);
                    // Only a hint: a connection without it works, too.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(relay::serve(Stream::Plain(stream), shared.clone()));
                }
                // Out of descriptors, or a client that is gone already: others may still be served.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
