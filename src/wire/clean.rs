//! Clean-up: the only place of the project that deletes remote data, and only what carries the run's prefix.
//!
//! The main function is [`clean`]. Buckets are found by listing them and in `resources.jsonl`, so that neither a killed run nor a
//! vendor that does not list buckets leaves anything behind. What is locked is quarantined: reported with its date, not failed.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{Delete, EncodingType, ObjectIdentifier, ObjectLockLegalHold, ObjectLockLegalHoldStatus};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::resources::{journalled_buckets, journalled_objects};
use super::{Failure, Link, RawClient, Recorder, WireError};

const BUCKETS_AT_ONCE: usize = 8;
const DELETES_AT_ONCE: usize = 16;
/// The end of a directory bucket's name.
const DIRECTORY_BUCKET: &str = "--x-s3";

/// What was deleted and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// Objects, versions and delete markers.
    pub objects: u64,
    /// Multipart uploads that were aborted.
    pub uploads: u64,
    /// Buckets.
    pub buckets: u64,
    /// What is locked: object and until when. It is ours, harmless, and deleted by a later `clean`.
    pub quarantined: Vec<String>,
    /// What should have gone and did not, with the vendor's answer.
    pub failed: Vec<String>,
}

impl Cleaned {
    fn add(&mut self, other: Cleaned) {
        self.objects += other.objects;
        self.uploads += other.uploads;
        self.buckets += other.buckets;
        self.quarantined.extend(other.quarantined);
        self.failed.extend(other.failed);
    }
}

/// Deletes everything that carries the run's prefix: its buckets with all they hold or, where the vendor file names a bucket to
/// use, its keys and uploads in there. Foreign data is never listed beyond its names and never touched.
pub async fn clean(link: &Link) -> Cleaned {
    let (recorder, link) = (Recorder::new(), &link.for_cleanup());
    let client = link.sdk(&recorder);
    remove_unlisted(link, &link.raw(&recorder)).await;
    if let Some(bucket) = &link.vendor.use_bucket {
        return empty(&client, bucket, &link.prefix).await;
    }
    let mut cleaned = Cleaned::default();
    let mut names: BTreeSet<String> = journalled_buckets(&link.sink).into_iter().collect();
    match client.list_buckets().send().await {
        Ok(listed) => names.extend(listed.buckets().iter().filter_map(|bucket| bucket.name().map(str::to_owned))),
        Err(error) if WireError::find(&error).is_some_and(|wire| is_dead(wire.failure)) => {
            let left = if names.is_empty() { String::new() } else { format!("; up to {} buckets are left", names.len()) };
            cleaned.failed.push(format!("the server does not answer: {}{left}", told(&error)));
            return cleaned;
        }
        Err(error) if names.is_empty() => cleaned.failed.push(format!("buckets cannot be listed: {}", told(&error))),
        Err(_) => {}
    }
    let slots = Arc::new(Semaphore::new(BUCKETS_AT_ONCE));
    let mut jobs = JoinSet::new();
    for name in names.into_iter().filter(|name| name.starts_with(&link.prefix)) {
        let (client, raw, slots) = (client.clone(), link.raw(&recorder), slots.clone());
        jobs.spawn(async move {
            let _slot = slots.acquire().await.expect("the semaphore is never closed");
            if name.ends_with(DIRECTORY_BUCKET) { remove_misnamed(&raw, &name).await } else { remove_bucket(&client, &name).await }
        });
    }
    while let Some(done) = jobs.join_next().await {
        match done {
            Ok(part) => cleaned.add(part),
            Err(error) => cleaned.failed.push(format!("clean-up: {error}")),
        }
    }
    cleaned
}

/// Deletes what no list may show, by the paths that were sent. What is still there shows when its bucket is deleted.
async fn remove_unlisted(link: &Link, raw: &RawClient) {
    for (bucket, path) in journalled_objects(&link.sink) {
        let is_ours = bucket.starts_with(&link.prefix) || link.vendor.use_bucket.as_ref() == Some(&bucket) && path.starts_with(&link.prefix);
        if is_ours {
            let _ = raw.request("DELETE", &bucket, &path).operation("DeleteObject").send().await;
        }
    }
}

/// The SDK signs requests to such a name for another service. Only a case about names makes one, and leaves it empty.
async fn remove_misnamed(raw: &RawClient, name: &str) -> Cleaned {
    let mut cleaned = Cleaned::default();
    match raw.request("DELETE", name, "").operation("DeleteBucket").send().await {
        Ok(answer) if answer.status < 300 => cleaned.buckets += 1,
        Ok(answer) if answer.status == 404 => {}
        Ok(answer) => cleaned.failed.push(format!("bucket {name}: {} {}", answer.status, answer.code().unwrap_or_default())),
        Err(error) => cleaned.failed.push(format!("bucket {name}: {error}")),
    }
    cleaned
}

async fn remove_bucket(client: &Client, name: &str) -> Cleaned {
    let cleaned = empty_and_delete(client, name).await;
    if !cleaned.failed.iter().any(|what| what.contains("AccessDenied")) {
        return cleaned;
    }
    // A policy that a cut-off case left may deny its owner, too. The second look says what still fails.
    let _ = client.delete_bucket_policy().bucket(name).send().await;
    let mut again = empty_and_delete(client, name).await;
    again.add(Cleaned { failed: Vec::new(), ..cleaned });
    again
}

async fn empty_and_delete(client: &Client, name: &str) -> Cleaned {
    let mut cleaned = Cleaned::default();
    abort_uploads(client, name, "", &mut cleaned).await;
    let mut refused = String::new();
    for plus in LOOKS {
        let is_worth_another = look(client, name, "", plus, &mut cleaned).await;
        match client.delete_bucket().bucket(name).send().await {
            Ok(_) => {
                cleaned.buckets += 1;
                return cleaned;
            }
            Err(error) if is_gone(&error) => return Cleaned::default(),
            Err(error) => refused = told(&error),
        }
        if !is_worth_another {
            break;
        }
    }
    // Where it holds what is locked, that was said already.
    if cleaned.quarantined.is_empty() {
        cleaned.failed.push(format!("bucket {name}: {refused}"));
    }
    cleaned
}

/// Aborts the uploads and deletes the objects, versions and delete markers of a bucket that is not ours, below our prefix.
async fn empty(client: &Client, bucket: &str, prefix: &str) -> Cleaned {
    let mut cleaned = Cleaned::default();
    abort_uploads(client, bucket, prefix, &mut cleaned).await;
    for plus in LOOKS {
        if !look(client, bucket, prefix, plus, &mut cleaned).await {
            break;
        }
    }
    cleaned
}

/// Some vendors leave a delete marker for a version that was deleted while it was listed, and some answer success to the deletion of a key
/// that they do not have: looked at again until nothing is there, a plus read the other way in between.
const LOOKS: [Plus; 3] = [Plus::Space, Plus::Plus, Plus::Space];

/// Deletes what is listed now; whether another look is worth while.
async fn look(client: &Client, bucket: &str, prefix: &str, plus: Plus, cleaned: &mut Cleaned) -> bool {
    let found = match versions(client, bucket, prefix, plus).await {
        Ok(found) if !found.is_empty() => found,
        _ => match current_objects(client, bucket, prefix, plus).await {
            Ok(found) => found,
            Err(error) if error == "gone" => return false,
            Err(error) => {
                cleaned.failed.push(format!("bucket {bucket}: {error}"));
                return false;
            }
        },
    };
    let (kept, before) = (cleaned.quarantined.len() + cleaned.failed.len(), cleaned.objects);
    delete_all(client, bucket, found, cleaned).await;
    cleaned.objects > before && cleaned.quarantined.len() + cleaned.failed.len() == kept
}

async fn abort_uploads(client: &Client, bucket: &str, prefix: &str, cleaned: &mut Cleaned) {
    let (mut key, mut id) = (None, None);
    loop {
        let page = client.list_multipart_uploads().bucket(bucket).prefix(prefix).set_key_marker(key).set_upload_id_marker(id).send().await;
        // A vendor without this listing has no uploads that we could see; a bucket that is gone has none.
        let Ok(page) = page else { return };
        for upload in page.uploads() {
            let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else { continue };
            // The filter of the listing is the vendor's to get wrong, what we abort is not.
            if key.starts_with(prefix) && client.abort_multipart_upload().bucket(bucket).key(key).upload_id(id).send().await.is_ok() {
                cleaned.uploads += 1;
            }
        }
        (key, id) = (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
        if page.is_truncated() != Some(true) || key.is_none() {
            return;
        }
    }
}

type Found = Vec<(String, Option<String>)>;

async fn versions(client: &Client, bucket: &str, prefix: &str, plus: Plus) -> Result<Found, String> {
    let mut found = Found::new();
    let (mut key, mut version) = (None, None);
    loop {
        let list = client.list_object_versions().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
        let page = list.set_key_marker(key).set_version_id_marker(version).send().await.map_err(|error| told(&error))?;
        let plain = |key: &str| decoded(key, page.encoding_type(), plus);
        let objects = page.versions().iter().map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter().map(|marker| (marker.key(), marker.version_id()));
        let owned = objects.chain(markers).filter_map(|(key, version)| Some((plain(key?), version.map(str::to_owned))));
        found.extend(owned.filter(|(key, _)| key.starts_with(prefix)));
        (key, version) = (page.next_key_marker().map(plain), page.next_version_id_marker().map(str::to_owned));
        if page.is_truncated() != Some(true) || key.is_none() {
            return Ok(found);
        }
    }
}

async fn current_objects(client: &Client, bucket: &str, prefix: &str, plus: Plus) -> Result<Found, String> {
    let mut found = Found::new();
    let mut token = None;
    loop {
        let list = client.list_objects_v2().bucket(bucket).prefix(prefix).encoding_type(EncodingType::Url);
        let page = list.set_continuation_token(token).send().await;
        let page = page.map_err(|error| if is_gone(&error) { "gone".to_owned() } else { told(&error) })?;
        let keys = page.contents().iter().filter_map(|object| object.key()).map(|key| decoded(key, page.encoding_type(), plus));
        found.extend(keys.filter(|key| key.starts_with(prefix)).map(|key| (key, None)));
        token = page.next_continuation_token().map(str::to_owned);
        if page.is_truncated() != Some(true) || token.is_none() {
            return Ok(found);
        }
    }
}

/// What a plain `+` in an encoded listing stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Plus {
    /// A space, as S3 and forms have it.
    Space,
    /// Itself, on servers that encode all but that.
    Plus,
}

/// A key as it is: XML cannot carry every character, so listings are asked for percent-encoded ones; not every vendor encodes them.
fn decoded(key: &str, encoding: Option<&EncodingType>, plus: Plus) -> String {
    if encoding != Some(&EncodingType::Url) {
        return key.to_owned();
    }
    let key = if plus == Plus::Space { key.replace('+', " ") } else { key.to_owned() };
    percent_encoding::percent_decode_str(&key).decode_utf8_lossy().into_owned()
}

/// Deletes in batches; whatever a batch does not delete is deleted one by one.
async fn delete_all(client: &Client, bucket: &str, found: Found, cleaned: &mut Cleaned) {
    // No XML document can name a control character.
    let (mut left, found): (Found, Found) = found.into_iter().partition(|(key, _)| key.chars().any(char::is_control));
    for batch in found.chunks(1000) {
        let deleted = delete_batch(client, bucket, batch).await;
        cleaned.objects += (batch.len() - batch.iter().filter(|item| !deleted.contains(*item)).count()) as u64;
        left.extend(batch.iter().filter(|item| !deleted.contains(*item)).cloned());
    }
    let slots = Arc::new(Semaphore::new(DELETES_AT_ONCE));
    let mut jobs = JoinSet::new();
    for (key, version) in left {
        let (client, bucket, slots) = (client.clone(), bucket.to_owned(), slots.clone());
        jobs.spawn(async move {
            let _slot = slots.acquire().await.expect("the semaphore is never closed");
            delete_one(&client, &bucket, &key, version.as_deref()).await
        });
    }
    while let Some(done) = jobs.join_next().await {
        match done {
            Ok(Deleted::Gone) => cleaned.objects += 1,
            Ok(Deleted::Locked(what)) => cleaned.quarantined.push(what),
            Ok(Deleted::Failed(what)) => cleaned.failed.push(what),
            Err(error) => cleaned.failed.push(format!("clean-up: {error}")),
        }
    }
}

async fn delete_batch(client: &Client, bucket: &str, batch: &[(String, Option<String>)]) -> BTreeSet<(String, Option<String>)> {
    let identifiers = batch.iter().filter_map(|(key, version)| ObjectIdentifier::builder().key(key).set_version_id(version.clone()).build().ok());
    let Ok(delete) = Delete::builder().set_objects(Some(identifiers.collect())).build() else {
        return BTreeSet::new();
    };
    let Ok(answer) = client.delete_objects().bucket(bucket).delete(delete).send().await else {
        return BTreeSet::new();
    };
    let told =
        |key: &str, version: Option<&str>| answer.deleted().iter().any(|deleted| deleted.key() == Some(key) && deleted.version_id() == version);
    // Some vendors list the version of an unversioned object as "null" and do not name it when it is deleted.
    let is_told = |key: &str, version: Option<&str>| told(key, version) || version == Some("null") && told(key, None);
    batch.iter().filter(|(key, version)| is_told(key, version.as_deref())).cloned().collect()
}

enum Deleted {
    Gone,
    Locked(String),
    Failed(String),
}

async fn delete_one(client: &Client, bucket: &str, key: &str, version: Option<&str>) -> Deleted {
    let request = || client.delete_object().bucket(bucket).key(key).set_version_id(version.map(str::to_owned));
    let Err(refused) = request().send().await else {
        return Deleted::Gone;
    };
    if is_gone(&refused) {
        return Deleted::Gone;
    }
    // Retention in governance mode and legal holds are ours to lift; compliance mode is nobody's.
    let off = ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::Off).build();
    let _ = client.put_object_legal_hold().bucket(bucket).key(key).set_version_id(version.map(str::to_owned)).legal_hold(off).send().await;
    if request().bypass_governance_retention(true).send().await.is_ok() {
        return Deleted::Gone;
    }
    let retention = client.get_object_retention().bucket(bucket).key(key).set_version_id(version.map(str::to_owned)).send().await;
    let until = retention.ok().and_then(|answer| answer.retention().and_then(|retention| retention.retain_until_date().copied()));
    match until {
        Some(until) => Deleted::Locked(format!("{bucket}/{key} is locked until {until}")),
        None => Deleted::Failed(format!("{bucket}/{key}: {}", told(&refused))),
    }
}

/// Whether nobody answers: then every further request would only wait.
fn is_dead(failure: Failure) -> bool {
    matches!(failure, Failure::Connect | Failure::ConnectTimeout | Failure::Timeout)
}

fn is_gone<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code).is_some_and(|code| ["NoSuchBucket", "NoSuchKey", "NoSuchVersion"].contains(&code))
}

/// The vendor's error code, or what went wrong on the way.
fn told<E: ProvideErrorMetadata + std::error::Error + 'static, R: std::fmt::Debug + Send + Sync + 'static>(error: &SdkError<E, R>) -> String {
    match error.as_service_error() {
        Some(service) => service.code().unwrap_or("an error without a code").to_owned(),
        None => aws_sdk_s3::error::DisplayErrorContext(error).to_string(),
    }
}
