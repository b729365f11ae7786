//! The objects that a program reads: each is written once and serves every cell and repeat.
//!
//! The main type is [`Data`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use super::xml;
use crate::config::{Checksum, Entropy, Operation, PayloadMode, Verify};
use crate::load::{self, Content, Hashes, Lane, LoadSpec, Program, Request, Stamping, Stop, Task, Worker};
use crate::wire::Link;
use crate::wire::sigv4::encode_query_part;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Requests in flight while objects are written.
pub(super) const FILL_CONCURRENCY: u32 = 8;
/// How often an object that could not be written is tried again; each try is counted.
const ROUNDS: u32 = 5;
/// Largest object that the content is laid out for: any size goes, it repeats beyond this one.
const LARGEST: u64 = 8 << 20;

/// An object of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Object {
    /// Its key below the scenario's folder, of characters that a URL does not encode.
    pub key: String,
    /// Number of its content.
    pub number: u64,
    /// Its bytes.
    pub size: u64,
}

/// What is known of a scenario's objects, from repeat to repeat.
#[derive(Debug)]
pub(super) struct Data {
    content: Arc<Content>,
    written: BTreeMap<String, (u64, u64)>,
}

/// How bodies of objects that are written once are signed: none of them is sent twice, so none can be hashed beforehand.
pub(super) fn unique(payload: PayloadMode) -> PayloadMode {
    if payload == PayloadMode::CachedSigned { PayloadMode::UniqueSigned } else { payload }
}

impl Data {
    /// Nothing is written yet.
    pub fn new(seed: u64) -> Self {
        Self { content: Arc::new(Content::new(seed, LARGEST, Entropy::Random, Stamping::Blocks)), written: BTreeMap::new() }
    }
    /// What the objects hold.
    pub fn content(&self) -> Arc<Content> {
        Arc::clone(&self.content)
    }
    /// What signs the bodies of writes.
    pub fn hashes(&self, payload: PayloadMode) -> Arc<Hashes> {
        Arc::new(Hashes::new(unique(payload), Checksum::None))
    }
    /// Those of the objects that are not there as they are asked for.
    pub fn missing(&self, objects: &[Object]) -> Vec<Object> {
        let is_there = |object: &&Object| self.written.get(&object.key) == Some(&(object.number, object.size));
        objects.iter().filter(|object| !is_there(object)).cloned().collect()
    }
    /// Writes them. What could not be written is tried again in the next round.
    ///
    /// # Errors
    /// When some cannot be written, the reason.
    pub async fn fill(&mut self, link: &Link, spec: &LoadSpec, mut fill: Fill) -> Result<(), String> {
        let (all, mut failures) = (fill.objects.len(), String::new());
        for _ in 0..ROUNDS {
            let program = Arc::new(fill);
            let result = load::run(link, spec, Arc::clone(&program) as Arc<dyn Program>, None).await.map_err(|error| error.to_string())?;
            for index in program.done.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                let object = &program.objects[*index];
                self.written.insert(object.key.clone(), (object.number, object.size));
            }
            let missing = self.missing(&program.objects);
            if missing.is_empty() {
                return Ok(());
            }
            if let Some((Stop::Budget(limit), _)) = result.stopped {
                return Err(format!("preparation stopped: {limit}"));
            }
            failures = super::record::list_errors(&result.ledger);
            fill = Fill::new(&program.prefix, missing, program.part);
        }
        Err(format!("{} of {all} objects could not be written: {failures}", fill.objects.len()))
    }
}

/// The program that writes objects.
#[derive(Debug)]
pub(super) struct Fill {
    prefix: String,
    objects: Vec<Object>,
    part: u64,
    /// Positions of those that are written.
    done: Mutex<Vec<usize>>,
}

impl Fill {
    /// Writes the objects below a prefix, those larger than `part` in parts.
    pub fn new(prefix: &str, objects: Vec<Object>, part: u64) -> Self {
        Self { prefix: prefix.to_owned(), objects, part, done: Mutex::default() }
    }

    async fn write_every(&self, first: u32, worker: &Worker) {
        let (mut lane, mut request, mut done) = (worker.lane(), Request::default(), Vec::new());
        worker.open(&mut lane).await;
        worker.start().await;
        for index in (first as usize..self.objects.len()).step_by(FILL_CONCURRENCY as usize) {
            if worker.is_over() {
                break;
            }
            let object = &self.objects[index];
            let key = format!("{}{}", self.prefix, object.key);
            if upload(worker, &mut lane, &mut request, (&key, object.number, object.size), self.part).await {
                done.push(index);
            }
        }
        self.done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut done);
        lane.settle(worker);
        worker.finish();
    }
}

impl Program for Fill {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        let own = (worker.index..FILL_CONCURRENCY).step_by(worker.of() as usize);
        own.map(|number| Box::pin(self.write_every(number, worker)) as Task<'w>).collect()
    }
}

/// Writes an object (key, number of its content, bytes) over one connection, in parts where it is larger than one; whether it is there then.
/// An upload that fails is not completed, and left to the clean-up.
pub(super) async fn upload(worker: &Worker, lane: &mut Lane, request: &mut Request, (key, number, size): (&str, u64, u64), part: u64) -> bool {
    if size <= part {
        request.reset(Operation::PutObject, number, size);
        request.key.push_str(key);
        return worker.perform(lane, request, None).await.is_some_and(|answer| answer.is_ok());
    }
    request.reset(Operation::CreateMultipartUpload, number, 0);
    request.key.push_str(key);
    request.query.push_str("uploads=");
    if !worker.perform(lane, request, None).await.is_some_and(|answer| answer.is_ok()) {
        return false;
    }
    let Some(id) = xml::first(lane.text(), "UploadId").map(|id| encode_query_part(id.as_bytes())) else { return false };
    let mut list = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".to_owned();
    for index in 0..size.div_ceil(part) {
        request.reset(Operation::UploadPart, number, size);
        request.key.push_str(key);
        (request.from, request.to) = (index * part, size.min((index + 1) * part));
        // Writing to memory does not fail.
        let _ = write!(request.query, "partNumber={}&uploadId={id}", index + 1);
        if !worker.perform(lane, request, None).await.is_some_and(|answer| answer.is_ok()) {
            return false;
        }
        let _ = write!(list, "<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", index + 1, quick_xml::escape::escape(lane.etag()));
    }
    list.push_str("</CompleteMultipartUpload>");
    request.reset(Operation::CompleteMultipartUpload, number, 0);
    request.key.push_str(key);
    let _ = write!(request.query, "uploadId={id}");
    request.text.extend_from_slice(list.as_bytes());
    // It may answer 200 and then report an error in the body.
    worker.perform(lane, request, None).await.is_some_and(|answer| answer.is_ok()) && xml::first(lane.text(), "ETag").is_some()
}

/// Which reads are compared byte for byte: the first one of a connection, and a seeded share of the others.
#[derive(Debug)]
pub(super) struct Sampler {
    random: ChaCha8Rng,
    is_first: bool,
}

impl Sampler {
    /// Of one connection.
    pub fn new(seed: u64, connection: u64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed ^ connection.wrapping_mul(0x9E37_79B9_7F4A_7C15)), is_first: true }
    }
    /// Whether the next one is.
    pub fn is_verified(&mut self) -> bool {
        let drawn = self.random.random::<f64>() < Verify::Sampled.share();
        std::mem::take(&mut self.is_first) || drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_there_as_it_is_asked_for_is_missing() {
        let object = |key: &str, size| Object { key: key.to_owned(), number: 1, size };
        let mut data = Data::new(7);
        data.written.insert("a".to_owned(), (1, 10));
        assert_eq!(data.missing(&[object("a", 10), object("b", 10)]), [object("b", 10)]);
        assert_eq!(data.missing(&[object("a", 11)]), [object("a", 11)]);
    }

    #[test]
    fn the_first_read_and_about_one_in_a_hundred_are_compared() {
        let mut sampler = Sampler::new(7, 3);
        assert!(sampler.is_verified());
        let count = (0..20_000).filter(|_| sampler.is_verified()).count();
        assert!((140..260).contains(&count), "{count}");
    }
}
