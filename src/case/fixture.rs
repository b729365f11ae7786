//! What a case is handed: clients that record into its evidence, a place of its own, random bytes that the run's seed decides.
//!
//! The main type is [`Fixture`]. Its helpers come in two kinds. Those that prepare (`put`, `enable_versioning`, ...) turn a
//! refusal into "unresolved: set-up", because it says nothing of the rule; a rule that is about PUT itself calls the client and
//! judges with `expect::ok`. Those that look (`get`, `holds`, `absent`) judge, and carry the case's own line.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::operation::create_bucket::builders::CreateBucketFluentBuilder;
use aws_sdk_s3::operation::delete_object::builders::DeleteObjectFluentBuilder;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::builders::HeadObjectFluentBuilder;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};
use sha2::{Digest, Sha256};

use super::finding::{Checked, Finding, Trouble, deviation};
use super::values::{encode_path, md5_base64};
use super::{BucketNeed, Case, Guard};
use crate::model::Measure;
use crate::units::Bytes;
use crate::wire::{Link, RawClient, RawRequest, Recorder, ResourceError};

/// What a case is handed. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Fixture {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    sdk: Client,
    alt: Option<Client>,
    recorder: Recorder,
    bucket: String,
    prefix: String,
    /// Decides every random byte and every name of this attempt.
    identity: String,
    drawn: AtomicU64,
    measures: Measures,
    guard: Guard,
}

/// The numbers that a case found out so far. Clones share them, so that a case that is cut off keeps what it measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Measures(Arc<Mutex<Vec<Measure>>>);

impl Measures {
    fn lock(&self) -> MutexGuard<'_, Vec<Measure>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Takes them out.
    pub(super) fn taken(&self) -> Vec<Measure> {
        std::mem::take(&mut *self.lock())
    }
}

impl std::fmt::Debug for Fixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fixture").field("bucket", &self.inner.bucket).field("prefix", &self.inner.prefix).finish_non_exhaustive()
    }
}

/// 64 bits of a name that depend on nothing but the text.
pub(super) fn digest(text: &str) -> u64 {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

impl Fixture {
    /// The fixture of one attempt; a bucket of its own is created here.
    pub(super) async fn prepare(link: &Link, guard: &Guard, recorder: &Recorder, measures: &Measures, case: &Case, attempt: u32) -> Checked<Self> {
        let name = case.info.id.as_str();
        let mut inner = Inner {
            link: link.clone(),
            sdk: link.sdk(recorder),
            alt: link.sdk_alt(recorder),
            recorder: recorder.clone(),
            bucket: String::new(),
            prefix: String::new(),
            identity: format!("{}/{name}/{attempt}", link.seed),
            drawn: AtomicU64::new(0),
            measures: measures.clone(),
            guard: guard.clone(),
        };
        if case.bucket == BucketNeed::Shared {
            let space = link.space(case.info.suite()).await.map_err(unprepared)?;
            inner.bucket = space.bucket;
            inner.prefix = format!("{}{}/{attempt}/", space.prefix, name.replace("::", "/"));
            return Ok(Self { inner: Arc::new(inner) });
        }
        let label = format!("{}-{:08x}", case.info.suite(), digest(&inner.identity) >> 32);
        inner.bucket = link.new_bucket(&label).map_err(unprepared)?;
        let fixture = Self { inner: Arc::new(inner) };
        if case.bucket == BucketNeed::Name {
            return Ok(fixture);
        }
        let create = fixture.create_bucket(fixture.bucket());
        let has_lock = (case.bucket == BucketNeed::OwnWithLock).then_some(true);
        fixture.set_up("CreateBucket", create.set_object_lock_enabled_for_bucket(has_lock).send().await)?;
        Ok(fixture)
    }
    /// `CreateBucket` in the vendor's region; `us-east-1` is the one region that must not be named.
    pub fn create_bucket(&self, name: &str) -> CreateBucketFluentBuilder {
        let region = &self.link().access.region;
        let place = (region != "us-east-1").then(|| BucketLocationConstraint::from(region.as_str()));
        let place = place.map(|place| CreateBucketConfiguration::builder().location_constraint(place).build());
        self.s3().create_bucket().bucket(name).set_create_bucket_configuration(place)
    }
    /// The SDK client. It never retries.
    pub fn s3(&self) -> &Client {
        &self.inner.sdk
    }
    /// The SDK client of the second account.
    ///
    /// # Errors
    /// Untested where there is none; a case says so beforehand with `.needs_alt()`.
    pub fn alt(&self) -> Checked<&Client> {
        self.inner.alt.as_ref().ok_or_else(|| Finding::Untested("needs a second credential: credentials.alt".to_owned()))
    }
    /// The client for requests that no SDK would send.
    pub fn raw(&self) -> RawClient {
        self.inner.link.raw(&self.inner.recorder)
    }
    /// The byte-exact client of the second account.
    ///
    /// # Errors
    /// Untested where there is none; a case says so beforehand with `.needs_alt()`.
    pub fn raw_alt(&self) -> Checked<RawClient> {
        let alt = self.inner.link.raw_alt(&self.inner.recorder);
        alt.ok_or_else(|| Finding::Untested("needs a second credential: credentials.alt".to_owned()))
    }
    /// A raw request for `name` below the own prefix; `query` is empty or begins with `?`, and is sent as it stands.
    pub fn raw_object(&self, operation: &str, method: &str, name: &str, query: &str) -> RawRequest {
        let rest = format!("{}{query}", encode_path(&self.key(name)));
        self.raw().request(method, self.bucket(), &rest).operation(operation)
    }
    /// A raw request for the case's bucket.
    pub fn raw_bucket(&self, operation: &str, method: &str, query: &str) -> RawRequest {
        self.raw().request(method, self.bucket(), query).operation(operation)
    }
    /// A raw PUT of a configuration in XML; `rest` is key (if any) and query as they stand, e.g. `?versioning`.
    pub fn raw_document(&self, operation: &str, rest: &str, xml: &str) -> RawRequest {
        let request = self.raw().request("PUT", self.bucket(), rest).operation(operation);
        request.header("Content-MD5", md5_base64(xml.as_bytes())).header("Content-Type", "application/xml").body(xml)
    }
    /// What was sent so far.
    pub fn recorder(&self) -> &Recorder {
        &self.inner.recorder
    }
    /// How the vendor is reached.
    pub fn link(&self) -> &Link {
        &self.inner.link
    }
    /// The bucket that the case works in.
    pub fn bucket(&self) -> &str {
        &self.inner.bucket
    }
    /// `name` below the case's own prefix.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.inner.prefix)
    }
    /// The case's own prefix, ending in `/`; empty in a bucket of its own.
    pub fn prefix(&self) -> &str {
        &self.inner.prefix
    }
    /// The name of another bucket of this run, journalled but not created; `number` tells several apart.
    ///
    /// # Errors
    /// Untested where the vendor may create none; unresolved where the journal cannot be written.
    pub fn new_bucket_name(&self, number: u32) -> Checked<String> {
        let label = format!("x-{:08x}-{number}", digest(&self.inner.identity) >> 32);
        self.inner.link.new_bucket(&label).map_err(unprepared)
    }
    /// The same with a label that may hold dots, for rules about names.
    ///
    /// # Errors
    /// As [`Fixture::new_bucket_name`].
    pub fn labelled_bucket_name(&self, label: &str) -> Checked<String> {
        let label = format!("x-{:08x}-{label}", digest(&self.inner.identity) >> 32);
        self.inner.link.new_bucket(&label).map_err(unprepared)
    }
    /// Says before it is put that no list may show this key as it is, so that the clean-up deletes it by its path: percent-encoded, below the bucket.
    ///
    /// # Errors
    /// Unresolved, when it cannot be noted.
    pub fn unlisted(&self, path: &str) -> Checked {
        self.inner.link.unlisted(self.bucket(), path).map_err(unprepared)
    }
    /// A valid bucket name that does not exist.
    pub fn missing_bucket(&self) -> String {
        format!("{}absent-{:08x}", self.inner.link.prefix, digest(&self.inner.identity) >> 32)
    }
    /// The next random bytes; the run's seed and the case decide them.
    pub fn random_bytes(&self, size: Bytes) -> Vec<u8> {
        let turn = self.inner.drawn.fetch_add(1, Ordering::Relaxed);
        let mut generator = ChaCha8Rng::seed_from_u64(digest(&format!("{}/{turn}", self.inner.identity)));
        let mut bytes = vec![0; usize::try_from(size.0).expect("a case's object fits in memory")];
        generator.fill_bytes(&mut bytes);
        bytes
    }

    /// Keeps a number for the report beside the verdict; a second one of the same name replaces the first.
    pub fn measure(&self, measure: Measure) {
        let mut measures = self.inner.measures.lock();
        measures.retain(|known| known.name != measure.name);
        measures.push(measure);
    }

    /// Claims that the server can be restarted; to be asked before anything is sent.
    ///
    /// # Errors
    /// Untested where there is no restart hook that may be used.
    pub fn can_restart(&self) -> Checked {
        let is_possible = self.inner.guard.can_restart();
        if is_possible { Ok(()) } else { Err(Finding::Untested("needs a restart hook of a disposable server".to_owned())) }
    }
    /// Kills the server and starts it again while no other case runs.
    ///
    /// # Errors
    /// Unresolved where that does not succeed.
    pub async fn restart(&self) -> Checked {
        self.inner.guard.restart().await.map_err(|why| Finding::Unresolved(format!("restart: {why}")))
    }

    /// `PutObject` of `name` below the own prefix, ready for more arguments.
    pub fn put_object(&self, name: &str) -> PutObjectFluentBuilder {
        self.s3().put_object().bucket(self.bucket()).key(self.key(name))
    }
    /// `GetObject` of `name` below the own prefix.
    pub fn get_object(&self, name: &str) -> GetObjectFluentBuilder {
        self.s3().get_object().bucket(self.bucket()).key(self.key(name))
    }
    /// `HeadObject` of `name` below the own prefix.
    pub fn head_object(&self, name: &str) -> HeadObjectFluentBuilder {
        self.s3().head_object().bucket(self.bucket()).key(self.key(name))
    }
    /// `DeleteObject` of `name` below the own prefix.
    pub fn delete_object(&self, name: &str) -> DeleteObjectFluentBuilder {
        self.s3().delete_object().bucket(self.bucket()).key(self.key(name))
    }
    /// `CopyObject` from and to names below the own prefix; the source's key is percent-encoded as SDKs do.
    pub fn copy_object(&self, from: &str, to: &str) -> CopyObjectFluentBuilder {
        self.s3().copy_object().bucket(self.bucket()).key(self.key(to)).copy_source(self.source(from))
    }
    /// `name` below the own prefix as a copy source: `bucket/percent-encoded key`.
    pub fn source(&self, name: &str) -> String {
        format!("{}/{}", self.bucket(), encode_path(&self.key(name)))
    }
    /// `ListObjectsV2` of the own prefix and what follows in `prefix`.
    pub fn list(&self, prefix: &str) -> ListObjectsV2FluentBuilder {
        self.s3().list_objects_v2().bucket(self.bucket()).prefix(self.key(prefix))
    }
}

/// What a place that could not be made means for the case.
pub(super) fn unprepared(error: ResourceError) -> Finding {
    let place = Location::caller();
    let trouble = |kind| Finding::Trouble(kind, deviation(place, "CreateBucket", "success".to_owned(), error.to_string()));
    match &error {
        ResourceError::NoBuckets => Finding::Untested(error.to_string()),
        ResourceError::Refused { status: 503 | 429, .. } => trouble(Trouble::Throttled),
        ResourceError::Wire { source, .. } if source.budget.is_some() => Finding::Untested(source.to_string()),
        ResourceError::Wire { .. } => trouble(Trouble::Unreachable),
        ResourceError::Journal(_) | ResourceError::Refused { .. } => Finding::Unresolved(format!("set-up: {error}")),
    }
}
