//! The program that writes one object in parts again and again, several parts at once.
//!
//! The main type is [`Multipart`]. All connections are one worker's: the parts of an upload share what is known of it. An upload of which
//! anything fails is aborted, so that no parts are left that somebody pays for.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Program;
use super::reactor::{Bell, Task};
use super::request::Request;
use super::worker::{Lane, Worker};
use crate::config::Operation;

/// What a query does not hold as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MultipartSpec {
    /// The key, as it stands in a URL.
    pub key: String,
    /// Bytes of the object.
    pub size: u64,
    /// Bytes of each part but the last.
    pub part_size: u64,
    /// Parts at once.
    pub at_once: u32,
    /// How many contents the uploads take in turn.
    pub contents: u64,
    /// No upload begins after this time.
    pub until: Duration,
}

impl MultipartSpec {
    fn parts(&self) -> u64 {
        self.size.div_ceil(self.part_size.max(1)).max(1)
    }
    /// First byte of a part, and the byte after its last one.
    pub fn part(&self, index: u64) -> (u64, u64) {
        (index * self.part_size, ((index + 1) * self.part_size).min(self.size))
    }
}

/// One upload, from the request that creates it to the answer that completes or aborts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upload {
    /// Since the start of the load.
    pub started: Duration,
    /// Since the start of the load.
    pub ended: Duration,
    /// Whether the object was there at the end.
    pub is_complete: bool,
}

/// The program.
#[derive(Debug)]
pub struct Multipart {
    spec: MultipartSpec,
    uploads: Mutex<Vec<Upload>>,
}

impl Multipart {
    /// A program that has written nothing.
    pub fn new(spec: MultipartSpec) -> Self {
        Self { spec, uploads: Mutex::default() }
    }
    /// The uploads so far, in their order.
    pub fn uploads(&self) -> Vec<Upload> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Program for Multipart {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        if worker.index > 0 {
            return Vec::new();
        }
        let shared = Rc::new(Shared::default());
        let of = |number| {
            let writer = Writer { worker, spec: &self.spec, shared: Rc::clone(&shared), lane: worker.lane(), request: Request::default() };
            Box::pin(writer.run((number == 0).then_some(&self.uploads))) as Task<'w>
        };
        (0..self.spec.at_once.max(1)).map(of).collect()
    }
}

/// What the connections know of the upload under way.
#[derive(Default)]
struct Shared {
    state: RefCell<State>,
    bell: Bell,
}

#[derive(Default)]
struct State {
    /// Of the upload, encoded for a query.
    id: String,
    /// Which content it has.
    content: u64,
    next: u64,
    running: u32,
    etags: Vec<String>,
    stored: u64,
    has_failed: bool,
    is_over: bool,
}

impl State {
    /// The next part to send; none where all are under way, or one has failed.
    fn take(&mut self) -> Option<u64> {
        if self.has_failed || self.next >= self.etags.len() as u64 {
            return None;
        }
        self.next += 1;
        self.running += 1;
        Some(self.next - 1)
    }
}

/// One connection.
struct Writer<'w> {
    worker: &'w Worker,
    spec: &'w MultipartSpec,
    shared: Rc<Shared>,
    lane: Lane,
    request: Request,
}

impl Writer<'_> {
    /// The first writer leads: it creates and completes uploads, and sends parts like the others.
    async fn run(mut self, uploads: Option<&Mutex<Vec<Upload>>>) {
        self.worker.open(&mut self.lane).await;
        self.worker.start().await;
        match uploads {
            Some(uploads) => {
                let done = self.lead().await;
                uploads.lock().unwrap_or_else(PoisonError::into_inner).extend(done);
            }
            None => self.follow().await,
        }
        self.lane.settle(self.worker);
        self.worker.finish();
    }

    async fn lead(&mut self) -> Vec<Upload> {
        let (mut uploads, mut exists) = (Vec::new(), false);
        while !self.worker.is_over() && self.worker.elapsed() < self.spec.until {
            let started = self.worker.elapsed();
            let is_complete = self.upload(uploads.len() as u64 % self.spec.contents.max(1), exists).await;
            exists |= is_complete;
            uploads.push(Upload { started, ended: self.worker.elapsed(), is_complete });
        }
        self.shared.state.borrow_mut().is_over = true;
        self.shared.bell.ring(&self.worker.reactor);
        uploads
    }

    async fn upload(&mut self, content: u64, exists: bool) -> bool {
        if !self.send(Operation::CreateMultipartUpload, "uploads=").await {
            return false;
        }
        let Some(id) = element(self.lane.text(), "UploadId") else { return false };
        let id = utf8_percent_encode(&id, RESERVED).to_string();
        let etags = vec![String::new(); self.spec.parts() as usize];
        *self.shared.state.borrow_mut() = State { id: id.clone(), content, etags, ..State::default() };
        self.shared.bell.ring(&self.worker.reactor);
        loop {
            let Some(part) = self.shared.state.borrow_mut().take() else { break };
            self.part(part).await;
        }
        let shared = Rc::clone(&self.shared);
        shared.bell.wait(&self.worker.reactor, || (shared.state.borrow().running == 0).then_some(())).await;
        let is_complete = !shared.state.borrow().has_failed && self.complete(&id, exists).await;
        if !is_complete {
            self.request.reset(Operation::AbortMultipartUpload, 0, 0);
            self.request.frees = shared.state.borrow().stored;
            self.send_as_it_is(&format!("uploadId={id}")).await;
        }
        is_complete
    }

    async fn complete(&mut self, id: &str, exists: bool) -> bool {
        let shared = Rc::clone(&self.shared);
        self.request.reset(Operation::CompleteMultipartUpload, 0, 0);
        self.request.frees = if exists { self.spec.size } else { 0 };
        let mut text = String::from("<CompleteMultipartUpload>");
        for (number, etag) in (1..).zip(&shared.state.borrow().etags) {
            // Writing to memory does not fail.
            let _ = write!(text, "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>", etag.replace('"', "&quot;"));
        }
        text.push_str("</CompleteMultipartUpload>");
        self.request.text.extend_from_slice(text.as_bytes());
        // S3 may send the head of the answer early and an error in its body.
        self.send_as_it_is(&format!("uploadId={id}")).await && element(self.lane.text(), "Code").is_none()
    }

    async fn follow(&mut self) {
        let shared = Rc::clone(&self.shared);
        let next = || {
            let mut state = shared.state.borrow_mut();
            if state.is_over { Some(None) } else { state.take().map(Some) }
        };
        while let Some(part) = shared.bell.wait(&self.worker.reactor, next).await {
            self.part(part).await;
        }
    }

    async fn part(&mut self, index: u64) {
        let shared = Rc::clone(&self.shared);
        let (from, to) = self.spec.part(index);
        let query = {
            let state = shared.state.borrow();
            self.request.reset(Operation::UploadPart, state.content, self.spec.size);
            format!("partNumber={}&uploadId={}", index + 1, state.id)
        };
        (self.request.from, self.request.to) = (from, to);
        let is_ok = self.send_as_it_is(&query).await;
        let mut state = shared.state.borrow_mut();
        state.running -= 1;
        state.has_failed |= !is_ok;
        if is_ok {
            state.stored += to - from;
            state.etags[index as usize] = self.lane.etag().to_owned();
        }
        drop(state);
        shared.bell.ring(&self.worker.reactor);
    }

    async fn send(&mut self, operation: Operation, query: &str) -> bool {
        self.request.reset(operation, 0, 0);
        self.send_as_it_is(query).await
    }

    /// Sends the request about the key; whether it succeeded.
    async fn send_as_it_is(&mut self, query: &str) -> bool {
        self.request.key.push_str(&self.spec.key);
        self.request.query.push_str(query);
        self.worker.perform(&mut self.lane, &self.request, None).await.is_some_and(|answer| answer.is_ok())
    }
}

/// The text of the first element of this name; S3 writes ids without characters that XML escapes.
fn element(xml: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(xml).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(value, _)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_object_once_and_the_last_one_is_shorter() {
        let spec = MultipartSpec { key: "k".into(), size: 64, part_size: 5, at_once: 1, contents: 2, until: Duration::ZERO };
        let parts: Vec<(u64, u64)> = (0..spec.parts()).map(|part| spec.part(part)).collect();
        assert_eq!((parts.len(), parts[0], parts[12]), (13, (0, 5), (60, 64)));
        assert!(parts.windows(2).all(|pair| pair[0].1 == pair[1].0));
    }

    #[test]
    fn ids_and_errors_are_found_in_answers() {
        assert_eq!(element(b"<R><Key>k</Key><UploadId>a/b+c</UploadId></R>", "UploadId").as_deref(), Some("a/b+c"));
        assert_eq!(element(b"<Error><Code>InternalError</Code></Error>", "Code").as_deref(), Some("InternalError"));
        assert_eq!((element(b"", "UploadId"), element(b"<UploadId>x", "UploadId")), (None, None));
        assert_eq!(utf8_percent_encode("a/b+c~", RESERVED).to_string(), "a%2Fb%2Bc~");
    }

    #[test]
    fn no_part_is_taken_after_one_has_failed() {
        let mut state = State { etags: vec![String::new(); 2], ..State::default() };
        assert_eq!((state.take(), state.take(), state.take(), state.running), (Some(0), Some(1), None, 2));
        let mut failed = State { etags: vec![String::new(); 2], has_failed: true, ..State::default() };
        assert_eq!(failed.take(), None);
    }
}
