//! The client of a failure scenario: one attempt per operation, a body that names its writer, a journal line before anything counts.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_sdk_s3::config::ResponseChecksumValidation;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;

use crate::check::{Identity, JournalEntry, ObjectView, Op, OpOutcome, Seen, decode, encode, hash_key};
use crate::wire::{Link, RawClient, Recorder, Space, WireError};

/// Metadata of every object: the id of the write that made it. What PUT sends must come back.
pub(super) const WRITE_ID: &str = "write-id";
/// Keys per page of a listing: few, so that pages are really turned.
const PAGE: i32 = 50;
/// Tries at a write that a probe needs beforehand.
const TRIES_BEFORE: u32 = 5;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// What the client learnt of one operation.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub outcome: OpOutcome,
    pub http: u16,
    pub code: String,
    pub etag: String,
    pub seen: Option<Seen>,
}

impl Answer {
    /// A success.
    pub fn ok(http: u16, etag: Option<&str>) -> Self {
        Self { outcome: OpOutcome::Ok, http, code: String::new(), etag: unquoted(etag), seen: None }
    }
    /// A refusal or a request without an answer.
    pub fn failed(http: u16, code: String, nothing_sent: bool) -> Self {
        Self { outcome: outcome_of(http, nothing_sent), http, code, etag: String::new(), seen: None }
    }
    /// No answer within the client's patience.
    pub fn timeout() -> Self {
        Self::failed(0, "timeout".to_owned(), false)
    }
}

/// What an answer without success says about the effect: refused (4xx but those that may follow a half-done request), or nothing.
pub(super) fn outcome_of(http: u16, nothing_sent: bool) -> OpOutcome {
    match http {
        408 | 409 | 425 | 429 => OpOutcome::Info,
        400..=499 => OpOutcome::Fail,
        0 if nothing_sent => OpOutcome::Fail,
        _ => OpOutcome::Info,
    }
}

fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

/// Status, S3 error code (or what happened on the connection) and whether nothing was sent.
pub(super) fn refusal<E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static>(error: SdkError<E>) -> Answer {
    let http = error.raw_response().map_or(0, |response| response.status().as_u16());
    let wire = WireError::find(&error);
    let on_wire = || wire.map_or("no answer".to_owned(), |error| format!("{:?}", error.failure).to_lowercase());
    let code = error.code().map_or_else(on_wire, str::to_owned);
    let nothing_sent = wire.is_some_and(|error| error.failure.nothing_sent()) || matches!(error, SdkError::ConstructionFailure(_));
    Answer::failed(http, code, nothing_sent)
}

/// What the client learnt of a byte-exact request.
pub(super) fn answer(sent: Result<crate::wire::Answer, WireError>) -> Answer {
    match sent {
        // CompleteMultipartUpload may answer 200 and then report an error in the body.
        Ok(answer) if answer.status == 200 && answer.code().is_none() => {
            let etag = answer.element("ETag").or_else(|| answer.header("etag").map(str::to_owned));
            Answer::ok(200, etag.as_deref())
        }
        Ok(answer) => Answer::failed(answer.status, answer.code().unwrap_or_default(), false),
        Err(error) => Answer::failed(0, format!("{:?}", error.failure).to_lowercase(), error.failure.nothing_sent()),
    }
}

fn is_absent(answer: &Answer) -> bool {
    answer.http == 404 && answer.code != "NoSuchBucket"
}

/// The result of a GET.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub entry: JournalEntry,
    /// As [`crate::check::Views`] needs it.
    pub view: Result<Option<ObjectView>, String>,
}

/// A client with its own keys, clock and journal.
pub(super) struct Client {
    pub link: Link,
    pub s3: aws_sdk_s3::Client,
    pub raw: RawClient,
    pub space: Space,
    /// Start of all keys of this history.
    pub root: String,
    pub recorder: Recorder,
    /// Patience of one operation.
    pub limit: Duration,
    history: String,
    run: u64,
    started: Instant,
    writes: AtomicU64,
    journal: Mutex<Vec<JournalEntry>>,
    journal_error: Mutex<Option<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Client {
    /// A client for the history `<scenario>#<repeat>` with keys below `<space>/<root>`.
    pub fn new(link: &Link, space: Space, history: String, limit: Duration) -> Self {
        let recorder = Recorder::default();
        // The bodies tell a torn read from a cut one themselves; an SDK that refuses a body whose checksum is wrong would hide which it is.
        let plain = link.sdk(&recorder).config().to_builder().response_checksum_validation(ResponseChecksumValidation::WhenRequired).build();
        // A resumed run repeats a history whose keys may be there already: the moment of its start keeps them apart.
        let root = format!("{}{}-{:x}/", space.prefix, history.replace(['/', '#'], "-"), jiff::Timestamp::now().as_millisecond());
        let run = hash_key(&format!("{}{}{root}", link.prefix, link.id));
        Self {
            s3: aws_sdk_s3::Client::from_conf(plain),
            raw: link.raw(&recorder),
            link: link.clone(),
            space,
            root,
            recorder,
            limit,
            history,
            run,
            started: Instant::now(),
            writes: AtomicU64::new(1),
            journal: Mutex::default(),
            journal_error: Mutex::default(),
        }
    }
    /// The full key of a name.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.root)
    }
    /// Time since the history's start.
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }
    fn now_ns(&self) -> u64 {
        self.now().as_nanos() as u64
    }
    /// A new write's id.
    pub fn next_write(&self) -> u64 {
        self.writes.fetch_add(1, Ordering::Relaxed)
    }
    /// The body of a write.
    pub fn body(&self, key: &str, write: u64, size: u64) -> Vec<u8> {
        encode(Identity { run: self.run, key: hash_key(key), write }, size as usize, self.link.seed)
    }
    /// What a body that was read from a key is.
    pub fn decode(&self, key: &str, body: &[u8]) -> Seen {
        decode(self.run, hash_key(key), body)
    }
    /// The journal so far.
    pub fn entries(&self) -> Vec<JournalEntry> {
        locked(&self.journal).clone()
    }
    /// Why the journal could not be written, if so: nothing can be said then.
    pub fn journal_error(&self) -> Option<String> {
        locked(&self.journal_error).clone()
    }
    /// Runs one operation within the client's patience and journals it before it counts.
    pub async fn operation(&self, op: Op, key: &str, write_id: Option<u64>, request: impl Future<Output = Answer>) -> JournalEntry {
        let invoke_ns = self.now_ns();
        // Boxed: an SDK operation inside another one (a PUT during a GET) would overflow a thread's stack in a debug build.
        let answer = tokio::time::timeout(self.limit, Box::pin(request)).await.unwrap_or_else(|_| Answer::timeout());
        self.note(op, key, write_id, (invoke_ns, self.now_ns()), answer)
    }
    /// Journals an operation that was carried out elsewhere.
    pub fn note(&self, op: Op, key: &str, write_id: Option<u64>, span_ns: (u64, u64), answer: Answer) -> JournalEntry {
        let Answer { outcome, http, code, etag, seen } = answer;
        let write_id = write_id.or(if let Some(Seen::Value(id)) = &seen { Some(*id) } else { None });
        let (invoke_ns, complete_ns) = span_ns;
        let (history, key) = (self.history.clone(), key.to_owned());
        let entry = JournalEntry { history, invoke_ns, complete_ns, op, key, write_id, outcome, http, code, etag, seen };
        match self.link.sink.journal(&entry) {
            Ok(()) => locked(&self.journal).push(entry.clone()),
            Err(error) => *locked(&self.journal_error) = Some(error.to_string()),
        }
        entry
    }
    /// Writes a new value; with `create_only`, only where there is no object.
    pub async fn put(&self, key: &str, size: u64, create_only: bool) -> JournalEntry {
        let write = self.next_write();
        let body = self.body(key, write, size);
        let request = self.s3.put_object().bucket(&self.space.bucket).key(key).metadata(WRITE_ID, write.to_string()).body(ByteStream::from(body));
        let request = if create_only { request.if_none_match("*") } else { request };
        let send = async {
            match request.send().await {
                Ok(output) => Answer::ok(200, output.e_tag()),
                Err(error) => refusal(error),
            }
        };
        self.operation(Op::Put, key, Some(write), send).await
    }
    /// Writes a value that a probe needs beforehand. A try that fails (a busy server) is followed by another write, which counts as one.
    ///
    /// # Errors
    /// When no try is acknowledged.
    pub async fn put_before(&self, key: &str, size: u64) -> Result<JournalEntry, String> {
        let mut entry = self.put(key, size, false).await;
        for _ in 1..TRIES_BEFORE {
            if entry.outcome == OpOutcome::Ok {
                break;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
            entry = self.put(key, size, false).await;
        }
        let failed = || format!("the old value of {key} could not be written: {} {}", entry.http, entry.code);
        if entry.outcome == OpOutcome::Ok { Ok(entry) } else { Err(failed()) }
    }
    /// Deletes.
    pub async fn delete(&self, key: &str) -> JournalEntry {
        let request = self.s3.delete_object().bucket(&self.space.bucket).key(key);
        let send = async {
            match request.send().await {
                Ok(_) => Answer::ok(204, None),
                Err(error) => refusal(error),
            }
        };
        self.operation(Op::Delete, key, Some(self.next_write()), send).await
    }
    /// Reads; between the first piece of the body and the rest, `pause` runs.
    pub async fn get_with(&self, key: &str, pause: impl AsyncFnOnce()) -> Read {
        let mut view = Err("no answer".to_owned());
        let send = async {
            match self.s3.get_object().bucket(&self.space.bucket).key(key).send().await {
                Ok(output) => {
                    let shown = (output.e_tag().map(str::to_owned), metadata_id(output.metadata()));
                    match collect(output, pause).await {
                        Ok(body) => {
                            let etag = unquoted(shown.0.as_deref());
                            view = Ok(Some(ObjectView { size: body.len() as u64, etag, metadata_id: shown.1 }));
                            Answer { seen: Some(self.decode(key, &body)), ..Answer::ok(200, shown.0.as_deref()) }
                        }
                        Err(code) => Answer::failed(200, code, false),
                    }
                }
                Err(error) => {
                    let answer = refusal(error);
                    if is_absent(&answer) {
                        view = Ok(None);
                        return Answer { outcome: OpOutcome::Ok, seen: Some(Seen::Absent), ..answer };
                    }
                    answer
                }
            }
        };
        let mut entry = self.operation(Op::Get, key, None, send).await;
        if entry.outcome == OpOutcome::Info {
            // A read changes nothing: one without an answer just failed.
            entry.outcome = OpOutcome::Fail;
        }
        if view.is_err() {
            view = Err(format!("{} {}", entry.http, entry.code));
        }
        Read { entry, view }
    }
    /// Reads.
    pub async fn get(&self, key: &str) -> Read {
        self.get_with(key, async || ()).await
    }
    /// HeadObject.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectView>, String> {
        let send = self.s3.head_object().bucket(&self.space.bucket).key(key).send();
        match tokio::time::timeout(self.limit, send).await {
            Ok(Ok(output)) => {
                let size = output.content_length().unwrap_or_default().max(0) as u64;
                Ok(Some(ObjectView { size, etag: unquoted(output.e_tag()), metadata_id: metadata_id(output.metadata()) }))
            }
            Ok(Err(error)) => {
                let answer = refusal(error);
                if is_absent(&answer) { Ok(None) } else { Err(format!("{} {}", answer.http, answer.code)) }
            }
            Err(_) => Err("timeout".to_owned()),
        }
    }
    /// Everything that the listing shows below this history's root, in small pages.
    pub async fn list(&self) -> Result<BTreeMap<String, ObjectView>, String> {
        let mut found = BTreeMap::new();
        let mut token = None;
        loop {
            let request = self.s3.list_objects_v2().bucket(&self.space.bucket).prefix(&self.root).max_keys(PAGE).set_continuation_token(token);
            let page = match tokio::time::timeout(self.limit, request.send()).await {
                Ok(Ok(page)) => page,
                Ok(Err(error)) => {
                    let answer = refusal(error);
                    return Err(format!("ListObjectsV2: {} {}", answer.http, answer.code));
                }
                Err(_) => return Err("ListObjectsV2: timeout".to_owned()),
            };
            for object in page.contents() {
                let size = object.size().unwrap_or_default().max(0) as u64;
                let view = ObjectView { size, etag: unquoted(object.e_tag()), metadata_id: None };
                found.insert(object.key().unwrap_or_default().to_owned(), view);
            }
            token = page.next_continuation_token().map(str::to_owned);
            if token.is_none() {
                return Ok(found);
            }
        }
    }
    /// Uploads below this history's root that were begun and neither completed nor aborted.
    pub async fn open_uploads(&self) -> Result<u64, String> {
        let request = self.s3.list_multipart_uploads().bucket(&self.space.bucket).prefix(&self.root);
        match tokio::time::timeout(self.limit, request.send()).await {
            Ok(Ok(page)) => Ok(page.uploads().len() as u64),
            Ok(Err(error)) => Err(refusal(error).code),
            Err(_) => Err("timeout".to_owned()),
        }
    }
}

fn metadata_id(metadata: Option<&std::collections::HashMap<String, String>>) -> Option<String> {
    metadata.and_then(|metadata| metadata.get(WRITE_ID)).cloned()
}

async fn collect(mut output: GetObjectOutput, pause: impl AsyncFnOnce()) -> Result<Vec<u8>, String> {
    let announced = output.content_length().unwrap_or_default().max(0) as usize;
    let mut body = Vec::with_capacity(announced.min(64 << 20));
    let mut pause = Some(pause);
    while let Some(piece) = output.body.next().await {
        body.extend_from_slice(&piece.map_err(|_| "body broken off".to_owned())?);
        if let Some(pause) = pause.take() {
            pause().await;
        }
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_that_no_half_done_request_explains_is_a_failure() {
        for (http, nothing_sent, outcome) in [
            (403, false, OpOutcome::Fail),
            (412, false, OpOutcome::Fail),
            (404, false, OpOutcome::Fail),
            (408, false, OpOutcome::Info),
            (409, false, OpOutcome::Info),
            (429, false, OpOutcome::Info),
            (500, false, OpOutcome::Info),
            (503, false, OpOutcome::Info),
            (200, false, OpOutcome::Info),
            (0, false, OpOutcome::Info),
            (0, true, OpOutcome::Fail),
        ] {
            assert_eq!(outcome_of(http, nothing_sent), outcome, "{http} {nothing_sent}");
        }
    }
}
