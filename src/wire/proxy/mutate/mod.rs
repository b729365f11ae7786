//! A mutant at work: one named change of the server's behaviour, done to the requests and answers that it touches.
//!
//! The main types are [`Mutation`], which a proxy holds, and [`Hit`], one exchange that it touches. Requests are changed in `request`,
//! answers in `response`; texts and XML elements in `text`. **Signatures:** a request that the server would take (signature, moment, region
//! and body all right) is sent in its plain form, signed anew in the header by the same account; an anonymous one stays anonymous; any
//! other is left as it is, so that a mutant changes the one thing that it names. Only a change that forgives a flaw mends it.

mod request;
mod response;
mod text;

#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod response_tests;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::local;
use super::message::Head;
use super::tamper::{self, Whole};
use crate::config::{Change, Mutant};
use crate::wire::Credentials;
use crate::wire::sigv4::Check;
pub(super) use response::Edited;

/// A mutant, the keys that its server knows, and what it remembers.
#[derive(Debug)]
pub(super) struct Mutation {
    mutant: Mutant,
    credentials: Vec<Credentials>,
    region: String,
    memory: Mutex<Memory>,
    fired: AtomicU64,
}

#[derive(Debug, Default)]
struct Memory {
    /// Keys that were put.
    put: HashSet<String>,
    /// First successful answers.
    answers: HashMap<String, Edited>,
}

/// One exchange that the mutant touches, as far as the head of its request tells.
pub(super) struct Hit {
    mutation: Arc<Mutation>,
    method: String,
    /// What makes two requests the same for a server that answers from memory.
    sameness: String,
}

/// What becomes of a request.
pub(super) enum Outcome {
    /// It goes to the server, changed or not.
    Send,
    /// It is answered here.
    Answered(Vec<u8>),
}

impl Mutation {
    pub fn new(mutant: Mutant, credentials: Vec<Credentials>, region: &str) -> Self {
        Self { mutant, credentials, region: region.to_owned(), memory: Mutex::default(), fired: AtomicU64::new(0) }
    }
    /// How many requests or answers were really changed.
    pub fn fired(&self) -> u64 {
        self.fired.load(Ordering::Relaxed)
    }
    fn fire(&self) {
        self.fired.fetch_add(1, Ordering::Relaxed);
    }
    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Headers as text, for conditions.
fn text_headers(head: &Head) -> Vec<(String, String)> {
    head.headers.iter().map(|(name, value)| (name.clone(), String::from_utf8_lossy(value).into_owned())).collect()
}

impl Hit {
    /// The hit on a request of this operation, if it is one.
    pub fn of(mutation: &Arc<Mutation>, operation: &str, head: &Head) -> Option<Self> {
        let Mutant { operations, when, .. } = &mutation.mutant;
        let is_hit = operations.iter().any(|name| name == operation) && when.asks(head.target(), &text_headers(head));
        is_hit.then(|| {
            let (path, query) = head.target().split_once('?').unwrap_or((head.target(), ""));
            let mut query: Vec<&str> = query.split('&').filter(|part| !part.starts_with("X-Amz-") && !part.starts_with("x-id=")).collect();
            query.sort_unstable();
            let headers = ["host", "range", "if-match", "if-none-match", "x-amz-checksum-mode"].map(|name| head.header(name).unwrap_or_default());
            let sameness = format!("{} {path}?{} {}", head.method(), query.join("&"), headers.join(" "));
            Self { mutation: mutation.clone(), method: head.method().to_owned(), sameness }
        })
    }
    fn changes(&self) -> &[Change] {
        &self.mutation.mutant.changes
    }
    /// Whether the request must be read as a whole.
    pub fn wants_request(&self) -> bool {
        self.changes().iter().any(Change::is_of_request)
    }
    /// The refusal of a request whose client waits for it before it sends the body.
    pub fn refusal(&self, head: &Head) -> Option<Vec<u8>> {
        let (status, body) = self.changes().iter().find_map(|change| match change {
            Change::Answer { status, body } if *status >= 400 => Some((*status, body)),
            _ => None,
        })?;
        let is_right = head.has_word("expect", "100-continue") && matches!(tamper::check(head, &self.mutation.credentials), Check::Valid(_));
        is_right.then(|| {
            self.mutation.fire();
            local::plain(status, body, &self.method)
        })
    }
    /// Whether a body that ends early is taken for whole.
    pub fn keeps_cut(&self) -> bool {
        self.changes().iter().any(|change| matches!(change, Change::KeepCut {}))
    }
    /// Changes the request, or answers it.
    pub fn request(&self, whole: &mut Whole) -> Outcome {
        let mutation = &*self.mutation;
        let Some(mut request) = request::Request::read(whole, &mutation.credentials, &mutation.region) else { return Outcome::Send };
        if self.mutation.mutant.when.body.as_ref().is_some_and(|part| !request.has_text(part)) {
            return Outcome::Send;
        }
        let mut is_changed = false;
        for change in self.changes() {
            if let Some(answer) = self.answer_alone(change, &request) {
                mutation.fire();
                return Outcome::Answered(answer);
            }
            is_changed |= request.apply(change);
        }
        if is_changed {
            mutation.fire();
            request.write(whole);
        }
        Outcome::Send
    }
    /// The answer that the mutant gives without the server, if any.
    fn answer_alone(&self, change: &Change, request: &request::Request<'_>) -> Option<Vec<u8>> {
        if !request.is_right() {
            return None;
        }
        match change {
            Change::Answer { status, body } => Some(local::plain(*status, body, &self.method)),
            Change::SwallowRepeat {} => {
                let is_new = self.mutation.memory().put.insert(self.sameness.clone());
                (!is_new).then(|| local::stored(&request.etag()))
            }
            Change::ReplayFirst {} => self.mutation.memory().answers.get(&self.sameness).map(|known| known.to_bytes(&self.method)),
            _ => None,
        }
    }
    /// Whether the answer with this head must be read as a whole.
    pub fn wants_answer(&self, head: &Head) -> bool {
        self.changes().iter().any(Change::is_of_answer) && self.mutation.mutant.when.is_answered(head.status(), &text_headers(head))
    }
    /// The answer that the client gets.
    pub fn answer(&self, head: Head, body: Vec<u8>) -> Vec<u8> {
        let mut edited = Edited::new(head, body);
        if self.mutation.mutant.when.is_told(&edited.text()) {
            let mut is_changed = false;
            for change in self.changes() {
                if matches!(change, Change::ReplayFirst {}) {
                    self.remember(&edited);
                }
                is_changed |= edited.apply(change);
            }
            if is_changed {
                self.mutation.fire();
            }
        }
        edited.to_bytes(&self.method)
    }
    fn remember(&self, edited: &Edited) {
        if edited.is_success() {
            self.mutation.memory().answers.entry(self.sameness.clone()).or_insert_with(|| edited.clone());
        }
    }
}
