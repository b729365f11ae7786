//! Passing the server's answer on, with the faults that hit answers.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWriteExt, WriteHalf};

use super::message::{Body, Head, Incoming, Start};
use super::mutate::Hit;
use super::pace::Pace;
use super::rules::Fault;
use crate::config::FaultKind;
use crate::wire::Stream;

/// What is to become of the connections after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Whole, and both can go on.
    Open,
    /// Whole or not: close.
    Close,
    /// A fault: reset the client's connection.
    Reset,
    /// The protocol changes, or is not understood.
    Tunnel,
}

/// The answer to one request.
pub(super) struct Answer<'a> {
    method: String,
    has_continued: bool,
    faults: &'a [Fault],
    hit: Option<&'a Hit>,
    pace: Pace,
    is_dropped: bool,
    delay: Duration,
}

impl<'a> Answer<'a> {
    pub fn new(request: &Head, has_continued: bool, faults: &'a [Fault], hit: Option<&'a Hit>) -> Self {
        let delays = faults.iter().map(|fault| match fault.kind() {
            FaultKind::Delay { time, jitter } => time.0 + fault.spread(jitter.0),
            _ => Duration::ZERO,
        });
        Self {
            method: request.method().to_owned(),
            has_continued,
            faults,
            hit,
            pace: Pace::of(faults),
            is_dropped: faults.iter().any(|fault| matches!(fault.kind(), FaultKind::DropResponse {})),
            delay: delays.sum(),
        }
    }

    /// Passes interim answers and the final one.
    pub async fn pass(self, from: &mut Incoming, to: &mut WriteHalf<Stream>) -> io::Result<End> {
        loop {
            let mut head = match from.response().await? {
                Start::Head(head) => head,
                Start::Closed => return Err(io::ErrorKind::UnexpectedEof.into()),
                Start::Opaque => {
                    to.write_all(&from.take_rest()).await?;
                    return Ok(End::Tunnel);
                }
            };
            let is_final = head.status() >= 200;
            if !is_final && head.status() != 101 {
                let is_ours = self.has_continued && head.status() == 100;
                if !is_ours && !self.is_dropped {
                    to.write_all(&head.to_bytes()).await?;
                }
                continue;
            }
            if let Some(hit) = self.hit.filter(|hit| is_final && hit.wants_answer(&head)) {
                return self.pass_mutated(hit, head, from, to).await;
            }
            self.count_tempo();
            tokio::time::sleep(self.delay).await;
            self.remove_headers(&mut head);
            if !self.is_dropped {
                to.write_all(&head.to_bytes()).await?;
            }
            return match head.response_body(&self.method) {
                Some(body) if is_final => self.pass_body(&head, body, from, to).await,
                _ => Ok(End::Tunnel),
            };
        }
    }

    /// Reads the answer to its end, and passes what the mutant makes of it.
    async fn pass_mutated(&self, hit: &Hit, head: Head, from: &mut Incoming, to: &mut WriteHalf<Stream>) -> io::Result<End> {
        let Some(mut body) = head.response_body(&self.method) else {
            to.write_all(&head.to_bytes()).await?;
            return Ok(End::Tunnel);
        };
        let closes = head.closes() || body.ends_by_close();
        let mut bytes = Vec::new();
        while let Some(piece) = body.next(from).await? {
            if piece.is_payload {
                bytes.extend_from_slice(&piece.bytes);
            }
        }
        to.write_all(&hit.answer(head, bytes)).await?;
        to.flush().await?;
        Ok(if closes { End::Close } else { End::Open })
    }

    /// Faults of tempo are done to every answer.
    fn count_tempo(&self) {
        let is_tempo = |kind: &FaultKind| matches!(kind, FaultKind::Delay { .. } | FaultKind::Bandwidth { .. } | FaultKind::Slice { .. });
        self.faults.iter().filter(|fault| is_tempo(fault.kind())).for_each(Fault::fire);
    }

    fn remove_headers(&self, head: &mut Head) {
        for fault in self.faults {
            if let FaultKind::RemoveResponseHeader { name } = fault.kind()
                && head.remove(name)
            {
                fault.fire();
            }
        }
    }

    async fn pass_body(&self, head: &Head, mut body: Body, from: &mut Incoming, to: &mut WriteHalf<Stream>) -> io::Result<End> {
        let closes = head.closes() || body.ends_by_close();
        let (mut passed, mut is_short) = (0, false);
        loop {
            if let Some(end) = self.cut(passed, body.is_empty() && !is_short) {
                to.flush().await?;
                return Ok(end);
            }
            let Some(piece) = body.next(from).await? else { break };
            let mut bytes = piece.bytes;
            if piece.is_payload {
                let room = usize::try_from(self.room(passed)).unwrap_or(usize::MAX);
                is_short = room < bytes.len();
                bytes.truncate(room);
                bytes = self.flip(bytes, passed);
                passed += bytes.len() as u64;
            }
            if !self.is_dropped {
                self.pace.write(to, &bytes).await?;
            }
        }
        to.flush().await?;
        if self.is_dropped {
            self.faults.iter().filter(|fault| matches!(fault.kind(), FaultKind::DropResponse {})).for_each(Fault::fire);
            return Ok(End::Reset);
        }
        Ok(if closes { End::Close } else { End::Open })
    }

    fn cuts(&self) -> impl Iterator<Item = (&Fault, u64, End)> {
        self.faults.iter().filter_map(|fault| match fault.kind() {
            FaultKind::ResetResponse { after } => Some((fault, after.0, End::Reset)),
            FaultKind::TruncateResponse { after } => Some((fault, after.0, End::Close)),
            _ => None,
        })
    }
    /// How the answer ends here, if a fault ends it. A complete body cannot be truncated any more.
    fn cut(&self, passed: u64, is_complete: bool) -> Option<End> {
        let (fault, _, end) = self.cuts().find(|(_, after, end)| passed >= *after && !(is_complete && *end == End::Close))?;
        fault.fire();
        Some(end)
    }
    /// Body bytes that may still pass before a cut. A cut that lies behind did not happen: the body was complete.
    fn room(&self, passed: u64) -> u64 {
        self.cuts().filter(|(_, after, _)| *after > passed).map(|(_, after, _)| after - passed).min().unwrap_or(u64::MAX)
    }
    fn flip(&self, bytes: Bytes, start: u64) -> Bytes {
        let mut bytes = BytesMut::from(bytes);
        for fault in self.faults {
            if let FaultKind::FlipResponseByte { at } = fault.kind()
                && let Some(byte) = at.0.checked_sub(start).and_then(|at| bytes.get_mut(usize::try_from(at).ok()?))
            {
                *byte ^= 1;
                fault.fire();
            }
        }
        bytes.freeze()
    }
}
