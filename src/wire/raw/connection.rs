//! One connection of the raw client: writes as it is told, reads exactly what comes.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::Notify;

use super::answer::{Length, Piece, length_of, parse_chunk, parse_head};
use super::{Answer, Message, Pace};
use crate::wire::address::Address;
use crate::wire::http::{classify_io, with_progress};
use crate::wire::record::{Failure, Flight};
use crate::wire::{Stream, WireError};

/// An open connection that carries one request after the other.
#[derive(Debug)]
pub struct RawConnection {
    stream: Option<Stream>,
    address: Address,
    /// Bytes that came behind the last answer.
    rest: Vec<u8>,
    requests: u64,
    keeps_open: bool,
}

impl RawConnection {
    pub(super) fn new(stream: Stream, address: Address) -> Self {
        Self { stream: Some(stream), address, rest: Vec::new(), requests: 0, keeps_open: true }
    }
    pub(super) fn address(&self) -> &Address {
        &self.address
    }
    /// Requests that it carried so far.
    pub fn requests(&self) -> u64 {
        self.requests
    }
    /// Whether the last answer left it open.
    pub fn keeps_open(&self) -> bool {
        self.keeps_open && self.stream.is_some()
    }
    /// Bytes that the server sent behind the last answer: a second answer nobody asked for.
    pub fn unread(&self) -> &[u8] {
        &self.rest
    }
    pub(super) async fn exchange(&mut self, message: &Message, pace: &Pace, limit: Duration, flight: &Flight) -> Result<Answer, WireError> {
        let stale = || WireError::new(Failure::Stale, "the connection is closed");
        let stream = self.stream.take().filter(|_| self.keeps_open).ok_or_else(stale)?;
        self.requests += 1;
        let (read, mut write) = tokio::io::split(stream);
        let proceed = Notify::new();
        let mut reader = Reader { half: read, buffer: std::mem::take(&mut self.rest), flight, proceed: &proceed };
        let talk = talk(&mut reader, &mut write, message, pace, &proceed, flight);
        let late = || WireError::new(Failure::Timeout, format!("no progress within {limit:?}"));
        // A wait that the caller asked for is no lack of progress.
        let patience = limit + pace.pause + pace.stall.map_or(Duration::ZERO, |(_, pause)| pause);
        let answer = with_progress(flight, patience, talk).await.ok_or_else(late)?;
        let Reader { half, buffer, .. } = reader;
        let answer = answer?;
        self.rest = buffer;
        self.keeps_open = answer.keeps_open;
        self.stream = Some(half.unsplit(write));
        Ok(answer)
    }
    /// Writes up to where `pace` stops and closes the connection.
    pub(super) async fn write_and_close(&mut self, message: &Message, pace: &Pace, reset: bool, flight: &Flight) -> Result<(), WireError> {
        let Some(stream) = self.stream.take() else { return Err(WireError::new(Failure::Stale, "the connection is closed")) };
        let (read, mut write) = tokio::io::split(stream);
        write_message(&mut write, message, pace, &Notify::new(), flight).await?;
        let mut stream = read.unsplit(write);
        if reset {
            // Time to let what was written reach the server: RST overtakes what is still queued.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.tcp().set_zero_linger().map_err(|error| WireError::new(Failure::Local, error.to_string()))?;
        } else {
            // The server may be gone already; then it is closed, too.
            let _ = stream.shutdown().await;
        }
        Ok(())
    }
}

/// Writes and reads at once, because a server may answer before it has read everything.
async fn talk(
    reader: &mut Reader<'_>,
    write: &mut WriteHalf<Stream>,
    message: &Message,
    pace: &Pace,
    proceed: &Notify,
    flight: &Flight,
) -> Result<Answer, WireError> {
    let writing = write_message(write, message, pace, proceed, flight);
    let reading = reader.answer(&message.method);
    tokio::pin!(writing, reading);
    let written = tokio::select! {
        biased;
        answer = &mut reading => {
            // The rest of the request will not follow, so no further one can either.
            return answer.map(|answer| Answer { keeps_open: false, request_whole: false, ..answer });
        }
        written = &mut writing => written,
    };
    // What the server said before it closed is worth more than the write error.
    let answer = reading.await;
    match (answer, written) {
        (Ok(answer), Ok(())) => Ok(answer),
        (Ok(answer), Err(_)) => Ok(Answer { keeps_open: false, request_whole: false, ..answer }),
        (Err(_), Err(error)) | (Err(error), Ok(())) => Err(error),
    }
}

async fn write_message(write: &mut WriteHalf<Stream>, message: &Message, pace: &Pace, proceed: &Notify, flight: &Flight) -> Result<(), WireError> {
    let failed = |error: std::io::Error| WireError::new(classify_io(&error), format!("while sending: {error}"));
    write_pieces(write, &message.head(), pace, flight, false).await.map_err(failed)?;
    write.flush().await.map_err(failed)?;
    if let Some(patience) = pace.await_continue {
        // Without an answer the body is sent all the same: so says RFC 9110, 10.1.1.
        let _ = tokio::time::timeout(patience, proceed.notified()).await;
    }
    let end = pace.stop_after.unwrap_or(usize::MAX).min(message.body.len());
    let (first, second) = message.body[..end].split_at(pace.stall.map_or(end, |(after, _)| after.min(end)));
    write_pieces(write, first, pace, flight, true).await.map_err(failed)?;
    if let Some((_, pause)) = pace.stall {
        write.flush().await.map_err(failed)?;
        tokio::time::sleep(pause).await;
    }
    write_pieces(write, second, pace, flight, true).await.map_err(failed)?;
    for _ in 0..pace.repeats {
        write_pieces(write, &message.body, pace, flight, true).await.map_err(failed)?;
    }
    write.flush().await.map_err(failed)
}

async fn write_pieces(write: &mut WriteHalf<Stream>, data: &[u8], pace: &Pace, flight: &Flight, is_body: bool) -> std::io::Result<()> {
    for piece in data.chunks(pace.piece.unwrap_or(64 << 10)) {
        write.write_all(piece).await?;
        if is_body {
            flight.sent(piece);
        }
        if pace.piece.is_some() {
            write.flush().await?;
            // A busy runtime looks at its clock rarely: a timer for each of hundreds of pieces could take a minute.
            if pace.pause.is_zero() { tokio::task::yield_now().await } else { tokio::time::sleep(pace.pause).await }
        }
    }
    Ok(())
}

struct Reader<'a> {
    half: ReadHalf<Stream>,
    buffer: Vec<u8>,
    flight: &'a Flight,
    proceed: &'a Notify,
}

impl Reader<'_> {
    /// Reads more into the buffer; false at the end of the connection.
    async fn more(&mut self) -> Result<bool, WireError> {
        let read = self.half.read_buf(&mut self.buffer).await;
        let read = read.map_err(|error| WireError::new(classify_io(&error), format!("while reading: {error}")))?;
        Ok(read > 0)
    }
    async fn head(&mut self) -> Result<Answer, WireError> {
        loop {
            if let Some((answer, length)) = parse_head(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(answer);
            }
            if !self.more().await? {
                let seen = self.buffer.len();
                return Err(WireError::new(Failure::ClosedEarly, format!("closed after {seen} bytes of the answer's head")));
            }
        }
    }
    async fn answer(&mut self, method: &str) -> Result<Answer, WireError> {
        let mut interim = Vec::new();
        let mut answer = loop {
            let answer = self.head().await?;
            if !(100..200).contains(&answer.status) || answer.status == 101 {
                break answer;
            }
            interim.push(answer.status);
            self.proceed.notify_one();
        };
        answer.interim = interim;
        self.flight.answered(answer.status, answer.headers.iter().cloned());
        let length = length_of(&answer, method)?;
        match length {
            Length::Known(bytes) => self.sized(&mut answer, bytes).await?,
            Length::Chunked => self.chunked(&mut answer).await?,
            Length::UntilClose => {
                while self.more().await? {}
                let all = self.buffer.len();
                self.take(&mut answer, all);
            }
        }
        let says_close = answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        answer.keeps_open = length != Length::UntilClose && !says_close && answer.version_minor == 1;
        answer.request_whole = true;
        Ok(answer)
    }
    fn take(&mut self, answer: &mut Answer, bytes: usize) {
        self.flight.received(&self.buffer[..bytes]);
        answer.body.extend(self.buffer.drain(..bytes));
    }
    async fn sized(&mut self, answer: &mut Answer, bytes: u64) -> Result<(), WireError> {
        let mut left = bytes;
        loop {
            let now = left.min(self.buffer.len() as u64);
            self.take(answer, usize::try_from(now).expect("not more than the buffer holds"));
            left -= now;
            if left == 0 {
                return Ok(());
            }
            if !self.more().await? {
                return Err(WireError::new(Failure::Truncated, format!("the body ended {left} bytes before its announced {bytes}")));
            }
        }
    }
    async fn chunked(&mut self, answer: &mut Answer) -> Result<(), WireError> {
        let ended = || WireError::new(Failure::Truncated, "the body ended before its last chunk");
        loop {
            match parse_chunk(&self.buffer)? {
                Some(Piece::Chunk(start, size)) => {
                    self.buffer.drain(..start);
                    self.sized(answer, size as u64).await?;
                    while self.buffer.len() < 2 {
                        if !self.more().await? {
                            return Err(ended());
                        }
                    }
                    self.buffer.drain(..2);
                }
                Some(Piece::End(length, trailers)) => {
                    self.buffer.drain(..length);
                    answer.trailers = trailers;
                    return Ok(());
                }
                None if self.more().await? => {}
                None => return Err(ended()),
            }
        }
    }
}
