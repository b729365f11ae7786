//! HTTP/1.1 messages as they stand on the wire: heads are kept byte for byte, bodies pass piece by piece.
//!
//! A library that reads messages into a model writes them differently (order, case, framing, interim answers), and then a fault
//! proxy would test itself. So only the ends of head and body are found here; what is not understood is passed on as it is.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::wire::Stream;
use crate::wire::sigv4::Header;

/// Longest head that is understood, in bytes.
const MAX_HEAD: usize = 256 << 10;
const MAX_LINE: usize = 16 << 10;
const MAX_HEADERS: usize = 256;

/// One side of the proxy: the client's connection or the server's.
pub(super) struct Side {
    pub incoming: Incoming,
    pub out: WriteHalf<Stream>,
}

impl Side {
    pub fn new(stream: Stream) -> Self {
        let (io, out) = tokio::io::split(stream);
        Self { incoming: Incoming { io, buffer: BytesMut::new() }, out }
    }
    /// Closes with RST instead of FIN: the peer sees a reset connection.
    pub fn reset(self) {
        let stream = self.incoming.io.unsplit(self.out);
        // Fails only on a connection that is already gone.
        let _ = stream.tcp().set_zero_linger();
    }
    /// Closes with FIN, and lets the peer read what was sent before: data that arrives at a closed socket would reset it.
    pub async fn close(mut self) {
        let _ = self.out.shutdown().await;
        let drain = async {
            while self.incoming.fill().await.is_ok_and(|count| count > 0) {
                self.incoming.buffer.clear()
            }
        };
        let _ = tokio::time::timeout(std::time::Duration::from_secs(1), drain).await;
    }
}

/// Bytes that arrive, with those that were read but not yet used.
pub(super) struct Incoming {
    io: ReadHalf<Stream>,
    buffer: BytesMut,
}

/// What begins at this point of the connection.
pub(super) enum Start<T> {
    Head(T),
    /// Not HTTP/1.1 as we know it.
    Opaque,
    /// The peer closed between messages.
    Closed,
}

/// A head: first line and headers.
#[derive(Debug, Clone)]
pub(super) struct Head {
    /// Without its line end.
    pub line: String,
    pub headers: Vec<Header>,
    /// As received; none after a change.
    raw: Option<Bytes>,
}

impl Head {
    /// A head with this first line and no headers.
    #[cfg(test)]
    pub fn of(line: &str) -> Self {
        Self { line: line.to_owned(), headers: Vec::new(), raw: None }
    }
    /// First value of a header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(present, _)| present.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| std::str::from_utf8(value).ok()).map(str::trim)
    }
    /// Whether a comma-separated header holds this word.
    pub fn has_word(&self, name: &str, word: &str) -> bool {
        let mut values = self.headers.iter().filter(|(present, _)| present.eq_ignore_ascii_case(name));
        values.any(|(_, value)| String::from_utf8_lossy(value).split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    }
    /// Tells that line or headers are no longer as received.
    pub fn touch(&mut self) {
        self.raw = None;
    }
    /// Sets the value of every header of this name.
    pub fn set(&mut self, name: &str, value: &str) {
        for (_, old) in self.headers.iter_mut().filter(|(present, _)| present.eq_ignore_ascii_case(name)) {
            *old = value.as_bytes().to_vec();
        }
        self.touch();
    }
    /// Removes headers by name, or by a prefix that ends in `*`. Tells whether there were any.
    pub fn remove(&mut self, pattern: &str) -> bool {
        let before = self.headers.len();
        self.headers.retain(|(name, _)| !matches(pattern, name));
        let is_changed = self.headers.len() < before;
        if is_changed {
            self.touch();
        }
        is_changed
    }
    /// As it goes on the wire.
    pub fn to_bytes(&self) -> Bytes {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let mut text = format!("{}\r\n", self.line).into_bytes();
        for (name, value) in &self.headers {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value);
            text.extend_from_slice(b"\r\n");
        }
        text.extend_from_slice(b"\r\n");
        text.into()
    }
    /// Method of a request.
    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }
    /// Path and query of a request.
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
    pub fn set_target(&mut self, target: &str) {
        let version = self.line.rsplit(' ').next().unwrap_or_default();
        self.line = format!("{} {target} {version}", self.method());
        self.touch();
    }
    /// Status of a response.
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }
    /// Whether the sender closes after this message.
    pub fn closes(&self) -> bool {
        let is_old = self.line.contains("HTTP/1.0");
        self.has_word("connection", "close") || (is_old && !self.has_word("connection", "keep-alive"))
    }
    fn framing(&self, otherwise: Framing) -> Option<Framing> {
        if self.header("transfer-encoding").is_some() {
            return self.has_word("transfer-encoding", "chunked").then_some(Framing::Size);
        }
        match self.header("content-length") {
            Some(text) => text.parse().ok().map(Framing::Length),
            None => Some(otherwise),
        }
    }
    /// The body after a request head; none where its length cannot be told.
    pub fn request_body(&self) -> Option<Body> {
        self.framing(Framing::Length(0)).map(|framing| Body { framing })
    }
    /// The body after a response head; none where its length cannot be told.
    pub fn response_body(&self, method: &str) -> Option<Body> {
        let is_empty = method == "HEAD" || matches!(self.status(), 100..=199 | 204 | 304);
        let framing = if is_empty { Some(Framing::Length(0)) } else { self.framing(Framing::UntilClose) };
        framing.map(|framing| Body { framing })
    }
}

/// Whether a header name fits a pattern: the name itself, or a prefix that ends in `*`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
        None => name.eq_ignore_ascii_case(pattern),
    }
}

/// Where a body is in its HTTP framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    UntilClose,
    /// Chunked: a size line comes next.
    Size,
    Data(u64),
    DataEnd,
    Trailer,
}

/// Some bytes of a body.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub bytes: Bytes,
    /// False for what belongs to the chunked framing.
    pub is_payload: bool,
}

/// A body that is being read.
#[derive(Debug, Clone)]
pub(super) struct Body {
    framing: Framing,
}

impl Body {
    /// Nothing left to read.
    pub fn none() -> Self {
        Self { framing: Framing::Length(0) }
    }
    pub fn is_empty(&self) -> bool {
        self.framing == Framing::Length(0)
    }
    /// Whether its end is the end of the connection.
    pub fn ends_by_close(&self) -> bool {
        self.framing == Framing::UntilClose
    }
    /// The next bytes as they stand on the wire; none at the end.
    pub async fn next(&mut self, from: &mut Incoming) -> io::Result<Option<Piece>> {
        let payload = |bytes| Some(Piece { bytes, is_payload: true });
        let framed = |bytes| Some(Piece { bytes, is_payload: false });
        match self.framing {
            Framing::Length(0) => Ok(None),
            Framing::UntilClose => Ok(from.some(u64::MAX).await?.and_then(payload)),
            Framing::Length(left) | Framing::Data(left) => {
                let bytes = from.some(left).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
                let left = left - bytes.len() as u64;
                self.framing = match self.framing {
                    Framing::Data(_) if left == 0 => Framing::DataEnd,
                    Framing::Data(_) => Framing::Data(left),
                    _ => Framing::Length(left),
                };
                Ok(payload(bytes))
            }
            Framing::Size => {
                let line = from.line().await?;
                let size = std::str::from_utf8(&line).ok().and_then(|text| text.split(';').next()).unwrap_or_default();
                let size = u64::from_str_radix(size.trim(), 16).map_err(|_| io::ErrorKind::InvalidData)?;
                self.framing = if size == 0 { Framing::Trailer } else { Framing::Data(size) };
                Ok(framed(line))
            }
            Framing::DataEnd => {
                self.framing = Framing::Size;
                Ok(framed(from.line().await?))
            }
            Framing::Trailer => {
                let line = from.line().await?;
                if matches!(&line[..], b"\r\n" | b"\n") {
                    self.framing = Framing::Length(0);
                }
                Ok(framed(line))
            }
        }
    }
}

impl Incoming {
    /// Reads more into the buffer; 0 at the end of the connection.
    pub async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(64 << 10);
        self.io.read_buf(&mut self.buffer).await
    }
    /// Whatever is there, at most `limit` bytes; none at the end.
    async fn some(&mut self, limit: u64) -> io::Result<Option<Bytes>> {
        if self.buffer.is_empty() && self.fill().await? == 0 {
            return Ok(None);
        }
        let count = usize::try_from(limit).unwrap_or(usize::MAX).min(self.buffer.len());
        Ok(Some(self.buffer.split_to(count).freeze()))
    }
    /// A line with its end.
    async fn line(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Ok(self.buffer.split_to(end + 1).freeze());
            }
            if self.buffer.len() > MAX_LINE {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if self.fill().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
    /// Bytes that were read and not used, e.g. to pass on blindly.
    pub fn take_rest(&mut self) -> Bytes {
        self.buffer.split().freeze()
    }
    pub fn reader(&mut self) -> &mut ReadHalf<Stream> {
        &mut self.io
    }
    /// The next request head. May be dropped and called again: nothing is lost.
    pub async fn request(&mut self) -> io::Result<Start<Head>> {
        self.head(parse_request).await
    }
    /// The next response head.
    pub async fn response(&mut self) -> io::Result<Start<Head>> {
        self.head(parse_response).await
    }
    async fn head(&mut self, parse: fn(&[u8]) -> Parsed) -> io::Result<Start<Head>> {
        loop {
            if !self.buffer.is_empty() {
                match parse(&self.buffer) {
                    Ok(Some((length, headers))) => {
                        let raw = self.buffer.split_to(length).freeze();
                        let line = raw.split(|byte| *byte == b'\n').find(|line| !matches!(line, [] | [b'\r'])).unwrap_or_default();
                        let line = String::from_utf8_lossy(line).trim_end_matches('\r').to_owned();
                        return Ok(Start::Head(Head { line, headers, raw: Some(raw) }));
                    }
                    Ok(None) if self.buffer.len() < MAX_HEAD => {}
                    Ok(None) | Err(_) => return Ok(Start::Opaque),
                }
            }
            if self.fill().await? == 0 {
                return Ok(if self.buffer.is_empty() { Start::Closed } else { Start::Opaque });
            }
        }
    }
}

/// Length of a head and its headers; none while it is incomplete.
type Parsed = Result<Option<(usize, Vec<Header>)>, httparse::Error>;

fn parse_request(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    Ok(match request.parse(bytes)? {
        httparse::Status::Complete(length) => Some((length, owned(request.headers))),
        httparse::Status::Partial => None,
    })
}

fn parse_response(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    Ok(match response.parse(bytes)? {
        httparse::Status::Complete(length) => Some((length, owned(response.headers))),
        httparse::Status::Partial => None,
    })
}

fn owned(headers: &[httparse::Header<'_>]) -> Vec<Header> {
    headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect()
}
