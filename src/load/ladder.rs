//! The calibration ladder: what each layer of the client costs, from a bare socket upwards, on one machine in one run.
//!
//! The main function is [`climb`]. Rungs: raw TCP (blocking sockets that send one prepared request again and again and parse nothing),
//! + HTTP (the engine without signatures), + SigV4, + TLS, + verify.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::client::process_cpu;
use super::content::{Content, Extent, SLICES, Stamping, Stamps};
use super::hashes::Hashes;
use super::mix::{Mix, MixSpec, Work};
use super::sign::{Parts, Signer};
use super::zipf::Keys;
use super::{LoadError, LoadSpec, Receive, run};
use crate::config::{Addressing, Checksum, Entropy, MixEntry, Operation, PayloadMode};
use crate::wire::Link;
use crate::wire::sigv4::{EMPTY_SHA256, UNSIGNED_PAYLOAD};

/// Time before a rung is measured.
const WARM_UP: Duration = Duration::from_millis(300);
/// Objects that are read and written in turn.
const OBJECTS: u64 = 16;

/// A layer of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RungKind {
    /// Blocking sockets, one prepared request, nothing parsed.
    Raw,
    /// The engine, unsigned.
    Http,
    /// The engine, signed; reads are copied and not compared.
    SigV4,
    /// The same, with reads thrown away uncopied.
    Discard,
    /// The same as [`RungKind::SigV4`], over TLS.
    Tls,
    /// The same as [`RungKind::SigV4`], with every read compared byte for byte.
    Verify,
}

impl RungKind {
    /// The word used in output.
    pub fn name(self) -> &'static str {
        match self {
            RungKind::Raw => "raw TCP",
            RungKind::Http => "+ HTTP",
            RungKind::SigV4 => "+ SigV4",
            RungKind::Discard => "discard",
            RungKind::Tls => "+ TLS",
            RungKind::Verify => "+ verify",
        }
    }
}

/// What is sent on each rung.
#[derive(Debug, Clone)]
pub struct Climb {
    /// The operation: GetObject, HeadObject or PutObject.
    pub operation: Operation,
    /// Bytes of the object.
    pub size: u64,
    /// The bucket.
    pub bucket: String,
    /// Every key starts with this.
    pub prefix: String,
    /// Connections.
    pub concurrency: u32,
    /// Measured time of each rung.
    pub duration: Duration,
    /// The seed of the objects' contents.
    pub seed: u64,
    /// How the bodies of PUTs are signed.
    pub payload: PayloadMode,
}

/// What one rung achieved and what it cost this process.
#[derive(Debug, Clone, PartialEq)]
pub struct Rung {
    /// Which.
    pub kind: RungKind,
    /// Requests that succeeded.
    pub requests: u64,
    /// Requests that failed; a rung with failures says nothing.
    pub failed: u64,
    /// Object bytes moved.
    pub payload_bytes: u64,
    /// Measured time.
    pub wall: Duration,
    /// CPU time of this process over it.
    pub cpu: Duration,
}

impl Rung {
    /// Microseconds of this process's CPU for each request.
    pub fn cpu_us_per_request(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.cpu.as_secs_f64() * 1e6 / self.requests as f64)
    }
    /// Seconds of this process's CPU for each GiB of objects.
    pub fn cpu_s_per_gib(&self) -> Option<f64> {
        (self.payload_bytes > 0).then(|| self.cpu.as_secs_f64() * (1u64 << 30) as f64 / self.payload_bytes as f64)
    }
    /// Requests per second.
    pub fn requests_s(&self) -> f64 {
        self.requests as f64 / self.wall.as_secs_f64().max(1e-9)
    }
}

/// Measures one rung. Objects to read must be there: numbers 0 to 15 of the set `read`.
///
/// # Errors
/// When the load cannot start or a socket cannot be opened.
pub async fn climb(link: &Link, plan: &Climb, kind: RungKind) -> Result<Rung, LoadError> {
    if kind == RungKind::Raw {
        let (link, plan) = (link.clone(), plan.clone());
        let addresses = link.net.book.addresses(0).await.map_err(|error| LoadError::Worker(io::Error::other(error)))?;
        let address = addresses.first().and_then(|address| address.socket).ok_or_else(|| LoadError::Worker(io::ErrorKind::NotFound.into()))?;
        let raw = tokio::task::spawn_blocking(move || raw(&link, &plan, address)).await;
        return raw.map_err(|error| LoadError::Worker(io::Error::other(error)))?.map_err(LoadError::Worker);
    }
    let (spec, mix) = specs(plan, kind);
    let result = run(link, &spec, Arc::new(Mix(Arc::new(mix))), None).await?;
    let all = result.ledger.window_of_all(WARM_UP, result.to);
    Ok(Rung { kind, requests: all.ok, failed: all.failed(), payload_bytes: all.payload_bytes as u64, wall: result.cpu_wall, cpu: result.cpu })
}

/// Writes the objects that the rungs read.
///
/// # Errors
/// When the load cannot start, or one of them could not be written.
pub async fn fill(link: &Link, plan: &Climb) -> Result<(), LoadError> {
    let (spec, mix) = specs(&Climb { operation: Operation::PutObject, ..plan.clone() }, RungKind::SigV4);
    let mix = MixSpec { work: Work::Fill { set: "read", numbers: (0..OBJECTS).collect() }, ..mix };
    let result = run(link, &LoadSpec { warm_up: Duration::ZERO, duration: None, ..spec }, Arc::new(Mix(Arc::new(mix))), None).await?;
    match result.ledger.unwritten.len() {
        0 => Ok(()),
        missing => Err(LoadError::Worker(io::Error::other(format!("{missing} of {OBJECTS} objects could not be written")))),
    }
}

fn whole(plan: &Climb, number: u64) -> Extent {
    Extent { number, from: 0, to: plan.size, end: plan.size }
}

fn specs(plan: &Climb, kind: RungKind) -> (LoadSpec, MixSpec) {
    let content = Arc::new(Content::new(plan.seed, plan.size, Entropy::Random, Stamping::Blocks));
    let mut hashes = Hashes::new(plan.payload, Checksum::None);
    if plan.operation == Operation::PutObject {
        hashes.warm(&content, (0..OBJECTS).map(|number| whole(plan, number)));
    }
    let spec = LoadSpec {
        bucket: plan.bucket.clone(),
        content,
        hashes: Arc::new(hashes),
        payload: plan.payload,
        receive: if kind == RungKind::Discard { Receive::Discard } else { Receive::Copy },
        keep_alive: true,
        is_signed: kind != RungKind::Http,
        concurrency: plan.concurrency,
        warm_up: WARM_UP,
        duration: Some(plan.duration),
    };
    let mix = MixSpec {
        prefix: plan.prefix.clone(),
        work: Work::Mix { mix: vec![MixEntry::new(plan.operation, 1)], doomed: false },
        size: plan.size,
        objects: OBJECTS,
        existing: Arc::default(),
        concurrency: plan.concurrency,
        pace: None,
        keys: Keys::uniform(OBJECTS),
        prefixes: 0,
        cached: Some(OBJECTS),
        verify_share: if kind == RungKind::Verify { 1.0 } else { 0.0 },
        seed: plan.seed,
    };
    (spec, mix)
}

/// What the threads of the raw rung share.
struct Counter {
    requests: AtomicU64,
    failed: AtomicU64,
    stop: AtomicBool,
}

/// The bare loop: blocking sockets, a thread each.
fn raw(link: &Link, plan: &Climb, address: std::net::SocketAddr) -> io::Result<Rung> {
    let content = Content::new(plan.seed, plan.size, Entropy::Random, Stamping::Blocks);
    let heads: Vec<Vec<u8>> = (0..OBJECTS).map(|number| raw_head(link, plan, &content, number)).collect();
    let counter = Counter { requests: AtomicU64::new(0), failed: AtomicU64::new(0), stop: AtomicBool::new(false) };
    let look = || (counter.requests.load(Ordering::Relaxed), counter.failed.load(Ordering::Relaxed), Instant::now(), process_cpu());
    let run_one = |number: usize| {
        let done = raw_loop(plan, &content, &heads[number % heads.len()], number as u64 % OBJECTS, address, &counter);
        if done.is_err() {
            counter.failed.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let run_one = &run_one;
        for number in 0..plan.concurrency as usize {
            scope.spawn(move || run_one(number));
        }
        std::thread::sleep(WARM_UP);
        let begin = look();
        std::thread::sleep(plan.duration);
        let end = look();
        counter.stop.store(true, Ordering::Relaxed);
        let requests = end.0 - begin.0;
        let payload_bytes = if plan.operation == Operation::HeadObject { 0 } else { requests * plan.size };
        Ok(Rung { kind: RungKind::Raw, requests, failed: end.1, payload_bytes, wall: end.2 - begin.2, cpu: end.3.saturating_sub(begin.3) })
    })
}

/// A signed head that stays valid for the rung: a signature is good for a quarter of an hour.
fn raw_head(link: &Link, plan: &Climb, content: &Content, number: u64) -> Vec<u8> {
    let endpoint = &link.access.endpoints[0];
    let is_path = link.access.addressing == Addressing::Path;
    let is_put = plan.operation == Operation::PutObject;
    let host = if is_path { endpoint.authority() } else { format!("{}.{}", plan.bucket, endpoint.authority()) };
    let sum = Hashes::new(plan.payload, Checksum::None).sum(content, whole(plan, number)).filter(|_| is_put);
    let hash = match (is_put, plan.payload) {
        (false, _) => EMPTY_SHA256,
        (true, PayloadMode::Unsigned) => UNSIGNED_PAYLOAD,
        (true, _) => sum.as_ref().map_or(EMPTY_SHA256, |sum| sum.sha256.as_str()),
    };
    let parts = Parts {
        method: plan.operation.method(),
        base: &if is_path { format!("/{}", plan.bucket) } else { String::new() },
        key: &format!("{}{}/{number:08}", plan.prefix, if is_put { "write" } else { "read" }),
        query: "",
        host: &host,
        range: "",
        hash,
        checksum: None,
        length: is_put.then_some(plan.size),
        decoded_length: None,
    };
    let mut head = Vec::new();
    Signer::new(link.access.credentials.clone(), &link.access.region).render(&mut head, &parts);
    head
}

fn raw_loop(plan: &Climb, content: &Content, head: &[u8], number: u64, address: std::net::SocketAddr, counter: &Counter) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; super::http::SCRATCH];
    let body = if plan.operation == Operation::GetObject { plan.size } else { 0 };
    while !counter.stop.load(Ordering::Relaxed) {
        if plan.operation == Operation::PutObject {
            raw_put(&mut stream, content, head, whole(plan, number))?;
        } else {
            stream.write_all(head)?;
        }
        let mut filled = 0;
        let end_of_head = loop {
            let read = stream.read(&mut buffer[filled..])?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if let Some(at) = buffer[..filled.min(4096)].windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
        };
        if buffer[9] != b'2' {
            counter.failed.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let mut left = body.saturating_sub((filled - end_of_head) as u64);
        while left > 0 {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left = left.saturating_sub(read as u64);
        }
        counter.requests.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn raw_put(stream: &mut TcpStream, content: &Content, mut head: &[u8], mut extent: Extent) -> io::Result<()> {
    let mut stamps = Stamps::default();
    while !head.is_empty() || extent.from < extent.to {
        let (mut slices, mut body) = ([IoSlice::new(&[]); SLICES + 1], [IoSlice::new(&[]); SLICES]);
        let count = content.slices(extent, &mut stamps, &mut body);
        slices[0] = IoSlice::new(head);
        slices[1..=count].copy_from_slice(&body[..count]);
        let written = stream.write_vectored(&slices[..=count])?;
        let of_head = written.min(head.len());
        head = &head[of_head..];
        extent.from += (written - of_head) as u64;
    }
    Ok(())
}
