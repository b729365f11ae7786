//! What a case is handed: clients that record into its evidence, a place of its own, random bytes that the run's seed decides.
//!
//! The main type is [`Fixture`]. Its helpers come in two kinds. Those that prepare (`put`, `enable_versioning`, ...) turn a
//! refusal into "unresolved: set-up", because it says nothing of the rule; a rule that is about PUT itself calls the client and
//! judges with `expect::ok`. Those that look (`get`, `holds`, `absent`) judge, and carry the case's own line.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::copy_object::builders::CopyObjectFluentBuilder;
use aws_sdk_s3::operation::create_bucket::builders::CreateBucketFluentBuilder;
use aws_sdk_s3::operation::delete_object::builders::DeleteObjectFluentBuilder;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::head_object::builders::HeadObjectFluentBuilder;
use aws_sdk_s3::operation::list_objects_v2::builders::ListObjectsV2FluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::{BucketLocationConstraint, BucketVersioningStatus, CompletedPart, CreateBucketConfiguration, VersioningConfiguration};
use rand::rngs::ChaCha8Rng;
use rand::{Rng as _, SeedableRng as _};
use sha2::{Digest, Sha256};

use super::expect::{bytes_at, ok_at};
use super::finding::{Checked, Finding, Trouble, deviation};
use super::values::encode_path;
use super::{Answer, BucketNeed, Case, Refusal};
use crate::model::FailureClass;
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
    pub(super) async fn prepare(link: &Link, recorder: &Recorder, case: &Case, attempt: u32) -> Checked<Self> {
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
    /// A raw request for `name` below the own prefix; `query` is empty or begins with `?`, and is sent as it stands.
    pub fn raw_object(&self, operation: &str, method: &str, name: &str, query: &str) -> RawRequest {
        let rest = format!("{}{query}", encode_path(&self.key(name)));
        self.raw().request(method, self.bucket(), &rest).operation(operation)
    }
    /// A raw request for the case's bucket.
    pub fn raw_bucket(&self, operation: &str, method: &str, query: &str) -> RawRequest {
        self.raw().request(method, self.bucket(), query).operation(operation)
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

    /// Judges a preparation: a refusal decides nothing about the rule.
    ///
    /// # Errors
    /// Unresolved, with the step's name; refusals that say "not supported" and trouble stay what they are.
    #[track_caller]
    pub fn set_up<A: Answer>(&self, step: &str, answer: A) -> Checked<A::Value> {
        ok_at(Location::caller(), answer).map_err(|finding| finding.in_set_up(step))
    }
    /// Prepares an object below the own prefix; returns its ETag as sent.
    #[track_caller]
    pub fn put(&self, name: &str, body: &[u8]) -> impl Future<Output = Checked<String>> + Send + use<> {
        let (here, key, body, place) = (self.clone(), self.key(name), body.to_vec(), Location::caller());
        async move {
            let step = format!("PutObject {key}");
            let sent = here.s3().put_object().bucket(here.bucket()).key(key).body(body.into()).send().await;
            let put = ok_at(place, sent).map_err(|finding| finding.in_set_up(&step))?;
            Ok(put.e_tag.unwrap_or_default())
        }
    }
    /// Reads an object below the own prefix: judged, not a preparation.
    #[track_caller]
    pub fn get(&self, name: &str) -> impl Future<Output = Checked<Vec<u8>>> + Send + use<> {
        let (here, key, place) = (self.clone(), self.key(name), Location::caller());
        async move {
            let got = ok_at(place, here.s3().get_object().bucket(here.bucket()).key(key).send().await)?;
            here.collect_at(place, got.body).await
        }
    }
    /// Claims that the object below the own prefix reads back as `expected`: lost or other data is `corrupt`.
    #[track_caller]
    pub fn holds(&self, name: &str, expected: &[u8]) -> impl Future<Output = Checked> + Send + use<> {
        let (got, expected, place, claim) = (self.get(name), expected.to_vec(), Location::caller(), format!("body of {name}"));
        async move {
            let got = got.await.map_err(|finding| finding.with_class(FailureClass::Corrupt))?;
            bytes_at(place, &claim, &got, &expected)
        }
    }
    /// Claims that there is no object of that name below the own prefix.
    #[track_caller]
    pub fn absent(&self, name: &str) -> impl Future<Output = Checked> + Send + use<> {
        let (here, key, place) = (self.clone(), self.key(name), Location::caller());
        async move {
            let claim = format!("object {key}");
            match here.s3().head_object().bucket(here.bucket()).key(key).send().await.settle() {
                Err(Refusal::Answered { status: 404, .. }) => Ok(()),
                Ok(_) => Err(Finding::Broken(FailureClass::WrongEffect, deviation(place, &claim, "absent".to_owned(), "present".to_owned()))),
                refused => ok_at(place, refused).map(drop),
            }
        }
    }
    /// The whole body of a streamed answer.
    #[track_caller]
    pub fn collect(&self, body: aws_sdk_s3::primitives::ByteStream) -> impl Future<Output = Checked<Vec<u8>>> + Send + use<> {
        self.clone().collect_at(Location::caller(), body)
    }
    fn collect_at(
        &self,
        place: &'static Location<'static>,
        body: aws_sdk_s3::primitives::ByteStream,
    ) -> impl Future<Output = Checked<Vec<u8>>> + Send + use<> {
        async move {
            let collected = body.collect().await.map_err(|error| super::answer::broken_body(&error));
            // A complete body that does not match its own checksum is other data than was stored.
            let collected = ok_at(place, collected).map_err(|finding| finding.with_class(FailureClass::Corrupt));
            collected.map(|bytes| bytes.into_bytes().to_vec())
        }
    }
    /// Repeats `probe` until its claims hold or `limit` is over; then the last finding stands. For effects that a vendor may
    /// document as eventual, never for what S3 guarantees at once.
    ///
    /// # Errors
    /// With the last finding.
    pub async fn eventually<F, Fut>(&self, limit: Duration, probe: F) -> Checked
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Checked>,
    {
        let started = Instant::now();
        loop {
            match probe().await {
                Err(Finding::Broken(..)) if started.elapsed() < limit => tokio::time::sleep(Duration::from_millis(200)).await,
                settled => return settled,
            }
        }
    }

    /// Prepares versioning in the case's own bucket.
    #[track_caller]
    pub fn enable_versioning(&self) -> impl Future<Output = Checked> + Send + use<> {
        let (here, place) = (self.clone(), Location::caller());
        async move {
            let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            let sent = here.s3().put_bucket_versioning().bucket(here.bucket()).versioning_configuration(enabled).send().await;
            ok_at(place, sent).map(drop).map_err(|finding| finding.in_set_up("PutBucketVersioning"))
        }
    }
    /// The name of another bucket of this run, journalled but not created; `number` tells several apart.
    ///
    /// # Errors
    /// Untested where the vendor may create none; unresolved where the journal cannot be written.
    pub fn new_bucket_name(&self, number: u32) -> Checked<String> {
        let label = format!("x-{:08x}-{number}", digest(&self.inner.identity) >> 32);
        self.inner.link.new_bucket(&label).map_err(unprepared)
    }
    /// Prepares another bucket of this run.
    #[track_caller]
    pub fn other_bucket(&self, number: u32) -> impl Future<Output = Checked<String>> + Send + use<> {
        let (here, place) = (self.clone(), Location::caller());
        async move {
            let name = here.new_bucket_name(number)?;
            let sent = here.create_bucket(&name).send().await;
            ok_at(place, sent).map_err(|finding| finding.in_set_up("CreateBucket"))?;
            Ok(name)
        }
    }
    /// Prepares a multipart upload below the own prefix; returns its id.
    #[track_caller]
    pub fn start_upload(&self, name: &str) -> impl Future<Output = Checked<String>> + Send + use<> {
        let (here, key, place) = (self.clone(), self.key(name), Location::caller());
        async move {
            let sent = here.s3().create_multipart_upload().bucket(here.bucket()).key(key).send().await;
            let created = ok_at(place, sent).map_err(|finding| finding.in_set_up("CreateMultipartUpload"))?;
            created.upload_id.ok_or_else(|| Finding::Unresolved("set-up: CreateMultipartUpload: no upload id".to_owned()))
        }
    }
    /// Prepares a part; returns it as the completion lists it.
    #[track_caller]
    pub fn upload_part(&self, name: &str, id: &str, number: i32, body: &[u8]) -> impl Future<Output = Checked<CompletedPart>> + Send + use<> {
        let (here, key, id, body, place) = (self.clone(), self.key(name), id.to_owned(), body.to_vec(), Location::caller());
        async move {
            let part = here.s3().upload_part().bucket(here.bucket()).key(key).upload_id(id).part_number(number).body(body.into()).send().await;
            let part = ok_at(place, part).map_err(|finding| finding.in_set_up("UploadPart"))?;
            Ok(CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build())
        }
    }
}

/// What a place that could not be made means for the case.
fn unprepared(error: ResourceError) -> Finding {
    let place = Location::caller();
    let trouble = |kind| Finding::Trouble(kind, deviation(place, "CreateBucket", "success".to_owned(), error.to_string()));
    match &error {
        ResourceError::NoBuckets => Finding::Untested(error.to_string()),
        ResourceError::Refused { status: 503 | 429, .. } => trouble(Trouble::Throttled),
        ResourceError::Journal(_) | ResourceError::Wire { .. } | ResourceError::Refused { .. } => Finding::Unresolved(format!("set-up: {error}")),
    }
}
