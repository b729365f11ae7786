//! The connections of one rank: the first one leads, the others help it with the parts of an upload or the ranges that it reads.
//!
//! The main type is [`Crew`]. A rank writes its objects one after the other, as training frameworks do, and only the parts of one object
//! together; what it reads has no order that anybody waits for, so that all its connections read together.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use super::data::Object;
use super::xml;
use crate::config::Operation;
use crate::load::{Bell, Failure, Lane, Request, Worker};
use crate::wire::sigv4::encode_query_part;

/// Of the reads of a rank every so many is compared byte for byte, the first one among them.
const VERIFIED: usize = 100;
/// Failures of a rank that are told in words, at most.
const TOLD: usize = 4;

/// A range of an object that a rank reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    /// What it reads of.
    pub object: Arc<Object>,
    /// First byte.
    pub from: u64,
    /// Byte after the last one.
    pub to: u64,
}

/// What all connections of a rank do at a time.
#[derive(Debug)]
enum Order {
    /// Parts of one object.
    Parts { object: Object, upload: String, part: u64 },
    /// Ranges.
    Reads(Arc<[Read]>),
}

impl Order {
    fn count(&self) -> usize {
        match self {
            Order::Parts { object, part, .. } => object.size.div_ceil(*part) as usize,
            Order::Reads(reads) => reads.len(),
        }
    }
    /// Whether what is left is in vain once something has failed.
    fn needs_all(&self) -> bool {
        matches!(self, Order::Parts { .. })
    }
    fn render(&self, prefix: &str, index: usize, request: &mut Request) {
        match self {
            Order::Parts { object, upload, part } => {
                request.reset(Operation::UploadPart, object.number, object.size);
                request.key.extend([prefix, &object.key]);
                (request.from, request.to) = (index as u64 * part, object.size.min((index as u64 + 1) * part));
                // Writing to memory does not fail.
                let _ = write!(request.query, "partNumber={}&uploadId={upload}", index + 1);
            }
            Order::Reads(reads) => {
                let Read { object, from, to } = &reads[index];
                request.reset(Operation::GetObject, object.number, object.size);
                request.key.extend([prefix, &object.key]);
                if (*from, *to) != (0, object.size) {
                    request.range = Some((*from, to - 1));
                }
                request.verify = index.is_multiple_of(VERIFIED);
            }
        }
    }
}

/// One connection of a rank.
#[derive(Debug)]
pub(super) struct Hand<'w> {
    /// Its thread.
    pub worker: &'w Worker,
    /// Its connection.
    pub lane: Lane,
    /// The request that it uses again and again.
    pub request: Request,
}

impl<'w> Hand<'w> {
    /// A connection that is open, at the start of the load.
    pub(super) async fn begin(worker: &'w Worker) -> Self {
        let mut lane = worker.lane();
        worker.open(&mut lane).await;
        worker.start().await;
        Self { worker, lane, request: Request::default() }
    }
    /// The end of the task.
    pub(super) fn end(mut self) {
        self.lane.settle(self.worker);
        self.worker.finish();
    }
    /// Sends the request: the failure, `None` when it succeeded. `Err` when the load is stopped.
    pub(super) async fn send(&mut self) -> Result<Option<Failure>, ()> {
        if self.worker.is_stopped() {
            return Err(());
        }
        let answer = self.worker.perform(&mut self.lane, &self.request, None).await;
        answer.map(|answer| answer.failure).ok_or(())
    }
    /// Makes it a request about an object without a body of its own.
    fn about(&mut self, operation: Operation, key: [&str; 2], query: &str) {
        self.request.reset(operation, 0, 0);
        self.request.key.extend(key);
        self.request.query.push_str(query);
    }
    /// Deletes an object of `size` stored bytes.
    pub(super) async fn delete(&mut self, key: [&str; 2], size: u64) -> Result<Option<Failure>, ()> {
        self.about(Operation::DeleteObject, key, "");
        self.request.frees = size;
        self.send().await
    }
}

/// What became of the bytes that a rank was to move in one step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Moved {
    /// Objects or ranges that are complete.
    pub complete: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Objects or ranges that are not.
    pub failed: u64,
    /// Why, for the first of them.
    pub reasons: Vec<String>,
}

impl Moved {
    /// Counts one that failed, and why.
    pub(super) fn fail(&mut self, key: &str, what: &str, why: &str) {
        self.failed += 1;
        if self.reasons.len() < TOLD {
            self.reasons.push(format!("{what} {key}: {why}"));
        }
    }
    /// Adds what was moved elsewhere.
    pub(super) fn add(&mut self, other: Moved) {
        (self.complete, self.bytes, self.failed) = (self.complete + other.complete, self.bytes + other.bytes, self.failed + other.failed);
        self.reasons.extend(other.reasons);
        self.reasons.truncate(TOLD);
    }
}

/// What the connections of one rank share.
#[derive(Debug, Default)]
pub(super) struct Crew {
    /// Every key starts with this.
    prefix: String,
    order: RefCell<Option<Rc<Order>>>,
    next: Cell<usize>,
    in_flight: Cell<usize>,
    moved: RefCell<Moved>,
    tags: RefCell<Vec<String>>,
    is_over: Cell<bool>,
    bell: Bell,
}

impl Crew {
    /// A crew whose objects' keys all start with `prefix`.
    pub(super) fn new(prefix: &str) -> Rc<Self> {
        Rc::new(Self { prefix: prefix.to_owned(), ..Self::default() })
    }
    /// Tells the helpers that nothing comes any more.
    pub(super) fn dismiss(&self, worker: &Worker) {
        self.is_over.set(true);
        self.bell.ring(&worker.reactor);
    }

    /// Helps with every order until the crew is dismissed.
    pub(super) async fn help(self: Rc<Self>, worker: &Worker) {
        let mut hand = Hand::begin(worker).await;
        loop {
            let found = |crew: &Self| {
                let order = crew.order.borrow().clone();
                let open = order.filter(|order| crew.has_work(order, worker));
                if open.is_none() && crew.is_over.get() { Some(None) } else { open.map(Some) }
            };
            let Some(order) = self.bell.wait(&worker.reactor, || found(&self)).await else { break };
            self.work(&mut hand, &order).await;
        }
        hand.end();
    }

    fn has_work(&self, order: &Order, worker: &Worker) -> bool {
        let is_in_vain = order.needs_all() && self.moved.borrow().failed > 0;
        self.next.get() < order.count() && !is_in_vain && !worker.is_stopped()
    }

    async fn work(&self, hand: &mut Hand<'_>, order: &Order) {
        while self.has_work(order, hand.worker) {
            let index = self.next.replace(self.next.get() + 1);
            self.in_flight.set(self.in_flight.get() + 1);
            order.render(&self.prefix, index, &mut hand.request);
            let outcome = hand.send().await;
            self.in_flight.set(self.in_flight.get() - 1);
            let extent = hand.request.extent();
            let mut moved = self.moved.borrow_mut();
            match outcome {
                Ok(None) => {
                    (moved.complete, moved.bytes) = (moved.complete + 1, moved.bytes + extent.to - extent.from);
                    if let Some(tag) = self.tags.borrow_mut().get_mut(index) {
                        hand.lane.etag().clone_into(tag);
                    }
                }
                Ok(Some(failure)) => moved.fail(&hand.request.key, hand.request.operation.name(), &failure.to_string()),
                Err(()) => moved.fail(&hand.request.key, hand.request.operation.name(), "the load was stopped"),
            }
        }
        self.bell.ring(&hand.worker.reactor);
    }

    /// Has all hands carry an order out, the leader's too: what was moved.
    async fn carry_out(&self, hand: &mut Hand<'_>, order: Order) -> Moved {
        let order = Rc::new(order);
        self.next.set(0);
        self.moved.take();
        *self.tags.borrow_mut() = if order.needs_all() { vec![String::new(); order.count()] } else { Vec::new() };
        *self.order.borrow_mut() = Some(Rc::clone(&order));
        self.bell.ring(&hand.worker.reactor);
        self.work(hand, &order).await;
        self.bell.wait(&hand.worker.reactor, || (self.in_flight.get() == 0).then_some(())).await;
        self.order.take();
        let mut moved = self.moved.take();
        // What nobody began any more, because it was in vain or the load was stopped.
        moved.failed = order.count() as u64 - moved.complete;
        moved
    }

    /// Reads all these ranges.
    pub(super) async fn read(&self, hand: &mut Hand<'_>, reads: Arc<[Read]>) -> Moved {
        self.carry_out(hand, Order::Reads(reads)).await
    }

    /// Writes an object, in parts where it is larger than one: what is complete when it returns.
    pub(super) async fn write(&self, hand: &mut Hand<'_>, object: &Object, part: u64) -> Moved {
        let mut moved = Moved::default();
        let outcome = if object.size <= part { self.put(hand, object).await } else { self.upload(hand, object, part).await };
        match outcome {
            Ok(()) => (moved.complete, moved.bytes) = (1, object.size),
            Err(why) => moved.fail(&object.key, "write", &why),
        }
        moved
    }

    async fn put(&self, hand: &mut Hand<'_>, object: &Object) -> Result<(), String> {
        hand.request.reset(Operation::PutObject, object.number, object.size);
        hand.request.key.extend([self.prefix.as_str(), &object.key]);
        outcome(hand.send().await, "put_object")
    }

    /// A multipart upload. Where a part or the completion fails it is aborted, so that no part stays behind.
    async fn upload(&self, hand: &mut Hand<'_>, object: &Object, part: u64) -> Result<(), String> {
        hand.about(Operation::CreateMultipartUpload, [&self.prefix, &object.key], "uploads=");
        outcome(hand.send().await, "create_multipart_upload")?;
        let id = xml::first(hand.lane.text(), "UploadId").filter(|id| !id.is_empty()).ok_or("the answer names no upload")?;
        let upload = encode_query_part(id.as_bytes());
        let order = Order::Parts { object: object.clone(), upload: upload.clone(), part };
        let parts = self.carry_out(hand, order).await;
        let done = if parts.failed > 0 {
            Err(parts.reasons.first().cloned().unwrap_or_else(|| "the load was stopped".to_owned()))
        } else {
            self.complete(hand, object, &upload).await
        };
        let Err(why) = done else { return Ok(()) };
        hand.about(Operation::AbortMultipartUpload, [&self.prefix, &object.key], &format!("uploadId={upload}"));
        hand.request.frees = parts.bytes;
        match outcome(hand.send().await, "abort_multipart_upload") {
            Ok(()) => Err(format!("{why}; the upload was aborted")),
            Err(also) => Err(format!("{why}; the upload could not be aborted: {also}")),
        }
    }

    async fn complete(&self, hand: &mut Hand<'_>, object: &Object, upload: &str) -> Result<(), String> {
        hand.about(Operation::CompleteMultipartUpload, [&self.prefix, &object.key], &format!("uploadId={upload}"));
        render_parts(&mut hand.request.text, &self.tags.borrow());
        outcome(hand.send().await, "complete_multipart_upload")?;
        // S3 may answer 200 before it has put the parts together, and say only in the body that it could not.
        let is_error = xml::first(hand.lane.text(), "ETag").is_none();
        if is_error { Err(format!("complete_multipart_upload: {}", String::from_utf8_lossy(hand.lane.text()))) } else { Ok(()) }
    }
}

fn outcome(sent: Result<Option<Failure>, ()>, what: &str) -> Result<(), String> {
    match sent {
        Ok(None) => Ok(()),
        Ok(Some(failure)) => Err(format!("{what}: {failure}")),
        Err(()) => Err(format!("{what}: the load was stopped")),
    }
}

/// The body of a completion: the parts by their numbers, with their ETags.
fn render_parts(text: &mut Vec<u8>, tags: &[String]) {
    text.extend_from_slice(b"<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for (index, tag) in tags.iter().enumerate() {
        let tag = quick_xml::escape::escape(tag);
        text.extend_from_slice(format!("<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", index + 1).as_bytes());
    }
    text.extend_from_slice(b"</CompleteMultipartUpload>");
}
