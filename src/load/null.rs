//! The null server: it answers every request at once and stores nothing, so that what is measured against it is the client.
//!
//! The main type is [`NullServer`]. An object's size stands in the bucket's name (`null-4096`), its content is the one that
//! [`NULL_SEED`] gives, so that reads can be compared. One blocking thread serves each connection: the cheapest way to answer.

use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use rustix::net::{RecvFlags, recv};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::content::{Content, Extent, SLICES, Stamping, Stamps};
use crate::config::Entropy;

/// The seed of the content that it serves.
pub const NULL_SEED: u64 = 0x6e75_6c6c;
/// Largest head of a request.
const HEAD: usize = 16 << 10;
/// Bytes of a body that are thrown away in one call.
const SINK: usize = 256 << 10;

/// A server that is listening on a loopback port.
#[derive(Debug)]
pub struct NullServer {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    content: Arc<Content>,
}

enum Line {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

struct Asked {
    method: Method,
    extent: Extent,
    is_range: bool,
    upload: u64,
    head: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Head,
    Put,
    Other,
}

impl NullServer {
    /// Listens on a free loopback port; with `tls`, speaks TLS.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn bind(tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let content = Arc::new(Content::new(NULL_SEED, u64::MAX >> 1, Entropy::Random, Stamping::Blocks));
        Ok(Self { listener: TcpListener::bind(("127.0.0.1", 0))?, tls, content })
    }
    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
    /// Serves until the process ends.
    ///
    /// # Errors
    /// When no connection can be accepted any more.
    pub fn serve(&self) -> io::Result<()> {
        loop {
            let (stream, _) = self.listener.accept()?;
            stream.set_nodelay(true)?;
            let (tls, content) = (self.tls.clone(), Arc::clone(&self.content));
            let line = match tls {
                None => Line::Plain(stream),
                Some(config) => match ServerConnection::new(config) {
                    Ok(session) => Line::Tls(Box::new(StreamOwned::new(session, stream))),
                    Err(_) => continue,
                },
            };
            // A connection that breaks ends its thread, which is all that there is to do about it.
            std::thread::Builder::new().name("null".to_owned()).spawn(move || drop(answer_all(line, &content)))?;
        }
    }
}

impl Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Line::Plain(stream) => stream.read(buffer),
            Line::Tls(stream) => stream.read(buffer),
        }
    }
    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Line::Plain(stream) => stream.write_vectored(slices),
            Line::Tls(stream) => stream.write_vectored(slices),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match self {
            Line::Plain(_) => Ok(()),
            Line::Tls(stream) => stream.flush(),
        }
    }
    fn discard(&mut self, mut left: u64, scratch: &mut [u8]) -> io::Result<()> {
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(scratch.len());
            let dropped = match self {
                Line::Plain(stream) => recv(stream, &mut scratch[..most], RecvFlags::TRUNC)?.1,
                Line::Tls(stream) => stream.read(&mut scratch[..most])?,
            };
            if dropped == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            left -= dropped as u64;
        }
        Ok(())
    }
}

fn answer_all(mut line: Line, content: &Content) -> io::Result<()> {
    let (mut scratch, mut filled) = (vec![0; SINK], 0);
    loop {
        let asked = loop {
            if let Some(asked) = parse(&scratch[..filled])? {
                break asked;
            }
            let read = line.read(&mut scratch[filled..HEAD])?;
            if read == 0 {
                return Ok(());
            }
            filled += read;
        };
        let own = (filled - asked.head).min(usize::try_from(asked.upload).unwrap_or(usize::MAX));
        scratch.copy_within(asked.head + own..filled, 0);
        filled -= asked.head + own;
        if asked.upload > own as u64 {
            line.discard(asked.upload - own as u64, &mut scratch)?;
        }
        answer(&mut line, content, &asked)?;
    }
}

fn answer(line: &mut Line, content: &Content, asked: &Asked) -> io::Result<()> {
    let Extent { from, to, end, .. } = asked.extent;
    let has_body = asked.method == Method::Get;
    let length = if matches!(asked.method, Method::Get | Method::Head) { to - from } else { 0 };
    let head = if asked.is_range {
        format!("HTTP/1.1 206 Partial Content\r\nContent-Length: {length}\r\nContent-Range: bytes {from}-{}/{end}\r\n\r\n", to - 1)
    } else {
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nETag: \"0\"\r\n\r\n")
    };
    let (mut extent, mut head) = (if has_body { asked.extent } else { Extent { to: from, ..asked.extent } }, head.as_bytes());
    let mut stamps = Stamps::default();
    while !head.is_empty() || extent.from < extent.to {
        let mut slices = [IoSlice::new(&[]); SLICES + 1];
        let mut body = [IoSlice::new(&[]); SLICES];
        let count = content.slices(extent, &mut stamps, &mut body);
        slices[0] = IoSlice::new(head);
        slices[1..=count].copy_from_slice(&body[..count]);
        let written = line.write_vectored(&slices[usize::from(head.is_empty())..=count])?;
        let of_head = written.min(head.len());
        head = &head[of_head..];
        extent.from += (written - of_head) as u64;
    }
    line.flush()
}

/// What the request asks for, once its head is there.
fn parse(data: &[u8]) -> io::Result<Option<Asked>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    let head = match request.parse(data).map_err(io::Error::other)? {
        httparse::Status::Complete(head) => head,
        httparse::Status::Partial => return Ok(None),
    };
    let path = request.path.unwrap_or_default();
    let bucket = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let size = bucket.strip_prefix("null-").and_then(|size| size.parse::<u64>().ok()).unwrap_or(0);
    let number = path.rsplit('/').next().and_then(|name| name.parse::<u64>().ok()).unwrap_or(0);
    let (mut upload, mut range) = (0, None);
    for header in request.headers.iter() {
        let text = std::str::from_utf8(header.value).unwrap_or_default();
        if header.name.eq_ignore_ascii_case("content-length") {
            upload = text.parse().unwrap_or(0);
        } else if header.name.eq_ignore_ascii_case("range") {
            let ends = text.strip_prefix("bytes=").and_then(|text| text.split_once('-'));
            range = ends.and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()? + 1)));
        }
    }
    let range = range.filter(|(from, to)| from < to && *to <= size);
    let (from, to) = range.unwrap_or((0, size));
    let method = match request.method {
        Some("GET") => Method::Get,
        Some("HEAD") => Method::Head,
        Some("PUT") => Method::Put,
        _ => Method::Other,
    };
    Ok(Some(Asked { method, extent: Extent { number, from, to, end: size }, is_range: range.is_some(), upload, head }))
}
