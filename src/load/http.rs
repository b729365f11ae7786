//! Reading answers: the head by httparse, the body by its announced length, in chunks or until the server closes.
//!
//! The main type is [`Inbox`], one per connection. Bodies are read into a buffer that the connections of a thread share.

use std::cell::RefCell;
use std::io;

use super::content::{Content, Extent};
use super::reactor::Reactor;
use super::request::Failure;
use super::socket::Socket;

/// Most headers of an answer.
const HEADERS: usize = 64;
/// Longest head of an answer, and of a chunk.
const HEAD: usize = 64 << 10;
/// Bytes of the shared buffer; beyond this a larger read is no cheaper.
pub const SCRATCH: usize = 256 << 10;
/// What is read at first where the body will be thrown away uncopied.
const PEEK: usize = 2 << 10;
/// Bodies up to this size come with their head in one read.
const SMALL: u64 = 64 << 10;
/// Most that is kept of a body that is collected.
const COLLECT: usize = 64 << 20;

/// What is done with an answer's body.
#[derive(Debug)]
pub enum Sink<'a> {
    /// Nothing, without copying it where the kernel can throw it away.
    Discard,
    /// It is copied out of the kernel, as every application does, and left.
    Copy,
    /// It is compared with these bytes of an object.
    Compare(&'a Content, Extent),
    /// It is kept.
    Collect(&'a mut Vec<u8>),
}

/// The head of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// HTTP status.
    pub status: u16,
    /// Content-Length, which a HEAD answers, too.
    pub length: Option<u64>,
    /// Whether the connection stays open.
    pub keeps_alive: bool,
    /// Seconds of a Retry-After header.
    pub retry_after_s: Option<u32>,
    framing: Framing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    Close,
}

/// A body on its way.
#[derive(Debug)]
pub struct Body<'a> {
    left: Left,
    sink: Sink<'a>,
    /// What is left of a chunk's head that came in pieces.
    piece: Vec<u8>,
    /// Bytes so far.
    pub received: u64,
    /// Whether everything that was compared is as it was written.
    pub matches: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Bytes(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailer,
    UntilClose,
    Nothing,
}

/// What a connection has received and not used yet, and the ETag of its last answer.
#[derive(Debug, Default)]
pub struct Inbox {
    pending: Vec<u8>,
    /// The last answer's ETag, quotes included; empty where there was none.
    pub etag: String,
}

/// Waits for the next event of the socket.
pub(super) async fn event(reactor: &Reactor) -> Result<(), Failure> {
    if reactor.is_overdue() {
        return Err(Failure::Timeout);
    }
    reactor.park().await;
    Ok(())
}

impl Inbox {
    /// Reads the head of the answer, and what came with it of the body. `expected` is the size of a body that is worth being thrown
    /// away uncopied; HEAD has no body whatever it announces.
    ///
    /// # Errors
    /// How the request failed.
    pub async fn head<'a>(
        &mut self,
        line: (&mut Socket, &Reactor, &RefCell<Vec<u8>>),
        is_head: bool,
        expected: u64,
        sink: impl FnOnce(u16) -> Sink<'a>,
    ) -> Result<(Head, Body<'a>), Failure> {
        let (socket, reactor, scratch) = line;
        self.pending.clear();
        let mut sink = Some(sink);
        loop {
            {
                let mut buffer = scratch.borrow_mut();
                let kept = self.pending.len();
                let most = if expected > SMALL { kept + PEEK } else { buffer.len() };
                buffer[..kept].copy_from_slice(&self.pending);
                match socket.read(&mut buffer[kept..most]) {
                    Ok(None) => {}
                    Ok(Some(0)) => return Err(if kept == 0 { Failure::Connection } else { Failure::Truncated }),
                    Err(_) => return Err(if kept == 0 { Failure::Connection } else { Failure::Truncated }),
                    Ok(Some(read)) => {
                        let mut data = &buffer[..kept + read];
                        while let Some((head, used)) = self.parse(data, is_head)? {
                            data = &data[used..];
                            // Interim answers announce the real one.
                            if let (true, Some(sink)) = (head.status >= 200, sink.take_if(|_| head.status >= 200)) {
                                let mut body = Body::new(head.framing, sink(head.status));
                                body.feed(data)?;
                                return Ok((head, body));
                            }
                        }
                        self.pending.clear();
                        self.pending.extend_from_slice(data);
                        if self.pending.len() + PEEK > HEAD {
                            return Err(Failure::Truncated);
                        }
                        continue;
                    }
                }
            }
            event(reactor).await?;
        }
    }

    fn parse(&mut self, data: &[u8], is_head: bool) -> Result<Option<(Head, usize)>, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let used = match response.parse(data) {
            Ok(httparse::Status::Complete(used)) => used,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Failure::Truncated),
        };
        let status = response.code.unwrap_or(0);
        let mut head = Head { status, length: None, keeps_alive: response.version == Some(1), retry_after_s: None, framing: Framing::Close };
        let mut is_chunked = false;
        self.etag.clear();
        for header in response.headers.iter() {
            let text = || std::str::from_utf8(header.value).unwrap_or_default().trim();
            match header.name.len() {
                14 if header.name.eq_ignore_ascii_case("content-length") => head.length = text().parse().ok(),
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => is_chunked = text().eq_ignore_ascii_case("chunked"),
                10 if header.name.eq_ignore_ascii_case("connection") => head.keeps_alive &= !text().eq_ignore_ascii_case("close"),
                11 if header.name.eq_ignore_ascii_case("retry-after") => head.retry_after_s = text().parse().ok(),
                4 if header.name.eq_ignore_ascii_case("etag") => self.etag.push_str(text()),
                _ => {}
            }
        }
        head.framing = match head.length {
            _ if is_head || matches!(status, 100..200 | 204 | 304) => Framing::Length(0),
            _ if is_chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::Close,
        };
        head.keeps_alive &= head.framing != Framing::Close;
        Ok(Some((head, used)))
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// How the request failed.
    pub async fn rest(&self, body: &mut Body<'_>, line: (&mut Socket, &Reactor, &RefCell<Vec<u8>>)) -> Result<(), Failure> {
        let (socket, reactor, scratch) = line;
        while body.left != Left::Nothing {
            let read = body.read(socket, &mut scratch.borrow_mut());
            match read {
                Ok(None) => event(reactor).await?,
                Ok(Some(())) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}

impl<'a> Body<'a> {
    fn new(framing: Framing, sink: Sink<'a>) -> Self {
        let left = match framing {
            Framing::Length(0) => Left::Nothing,
            Framing::Length(length) => Left::Bytes(length),
            Framing::Chunked => Left::ChunkSize,
            Framing::Close => Left::UntilClose,
        };
        Self { left, sink, piece: Vec::new(), received: 0, matches: true }
    }

    /// Reads once; `None` when there is nothing yet.
    fn read(&mut self, socket: &mut Socket, scratch: &mut [u8]) -> Result<Option<()>, Failure> {
        if let (Left::Bytes(left), Sink::Discard) = (self.left, &self.sink) {
            let dropped = socket.discard(left, scratch);
            return match self.ended(dropped)? {
                None => Ok(None),
                Some(dropped) => {
                    self.received += dropped as u64;
                    self.left = if dropped as u64 == left { Left::Nothing } else { Left::Bytes(left - dropped as u64) };
                    Ok(Some(()))
                }
            };
        }
        let most = if let Left::Bytes(left) = self.left { usize::try_from(left).unwrap_or(usize::MAX).min(scratch.len()) } else { scratch.len() };
        let read = socket.read(&mut scratch[..most]);
        match self.ended(read)? {
            None => Ok(None),
            Some(read) => self.feed(&scratch[..read]).map(Some),
        }
    }

    /// Tells the end that is expected from the one that is not.
    fn ended(&mut self, read: io::Result<Option<usize>>) -> Result<Option<usize>, Failure> {
        match read {
            Ok(Some(0)) | Err(_) if self.left == Left::UntilClose => {
                self.left = Left::Nothing;
                Ok(Some(0))
            }
            Ok(Some(0)) | Err(_) => Err(Failure::Truncated),
            Ok(read) => Ok(read),
        }
    }

    /// Takes in bytes of the answer after its head.
    fn feed(&mut self, data: &[u8]) -> Result<(), Failure> {
        match self.left {
            Left::Bytes(left) => {
                let own = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.take(&data[..own]);
                self.left = if own as u64 == left { Left::Nothing } else { Left::Bytes(left - own as u64) };
                // Bytes after the end belong to no answer.
                if own < data.len() { Err(Failure::Truncated) } else { Ok(()) }
            }
            Left::UntilClose => {
                self.take(data);
                Ok(())
            }
            Left::Nothing => {
                if data.is_empty() {
                    Ok(())
                } else {
                    Err(Failure::Truncated)
                }
            }
            _ if self.piece.is_empty() => self.chunks(data),
            _ => {
                let mut joined = std::mem::take(&mut self.piece);
                joined.extend_from_slice(data);
                self.chunks(&joined)
            }
        }
    }

    /// Takes in bytes of a chunked body; an incomplete line is kept for the next time.
    fn chunks(&mut self, mut data: &[u8]) -> Result<(), Failure> {
        while !data.is_empty() {
            let used = match self.left {
                Left::ChunkSize => match httparse::parse_chunk_size(data) {
                    Ok(httparse::Status::Complete((used, size))) => {
                        self.left = if size == 0 { Left::Trailer } else { Left::Chunk(size) };
                        used
                    }
                    Ok(httparse::Status::Partial) => return self.keep(data),
                    Err(_) => return Err(Failure::Truncated),
                },
                Left::Chunk(left) => {
                    let own = data.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                    self.take(&data[..own]);
                    self.left = if own as u64 == left { Left::ChunkEnd } else { Left::Chunk(left - own as u64) };
                    own
                }
                Left::ChunkEnd if data.len() < 2 => return self.keep(data),
                Left::ChunkEnd => {
                    self.left = Left::ChunkSize;
                    2
                }
                _ => {
                    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
                    match httparse::parse_headers(data, &mut headers) {
                        Ok(httparse::Status::Complete(_)) => {
                            self.left = Left::Nothing;
                            return Ok(());
                        }
                        Ok(httparse::Status::Partial) => return self.keep(data),
                        Err(_) => return Err(Failure::Truncated),
                    }
                }
            };
            data = &data[used..];
        }
        Ok(())
    }

    fn keep(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.piece.extend_from_slice(data);
        if self.piece.len() > HEAD { Err(Failure::Truncated) } else { Ok(()) }
    }

    fn take(&mut self, data: &[u8]) {
        match &mut self.sink {
            Sink::Discard | Sink::Copy => {}
            Sink::Compare(content, extent) => {
                self.matches &= content.matches(extent.number, extent.from + self.received, extent.end, data);
            }
            Sink::Collect(kept) if kept.len() + data.len() <= COLLECT => kept.extend_from_slice(data),
            Sink::Collect(_) => {}
        }
        self.received += data.len() as u64;
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
