//! Suite `expiry`: what lifecycle rules do to objects, versions and uploads, and what they leave alone.
//!
//! Servers may act once a day, so a rule that did nothing within a case's patience decides nothing: the case is unresolved and keeps how long
//! it waited. A server that acts is judged by what it did.

use std::future::Future;
use std::time::{Duration, Instant};

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockMode, StorageClass};
use proofmark::case::{Answer, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::{Corrupt, UnsafeIgnore, WrongEffect};
use proofmark::model::{Impact, Measure};

use super::lifecycle::{impose, put};

/// How long a case waits for a rule to act.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a rule has acted and keeps the time that it took.
async fn acted<F, Fut>(fx: &Fixture, measure: &str, probe: F) -> Checked
where
    F: Fn() -> Fut,
    Fut: Future<Output = Checked>,
{
    let started = Instant::now();
    let ended = fx.eventually(PATIENCE, probe).await;
    let waited = Measure::new(measure, "s", started.elapsed().as_secs_f64(), 1);
    match ended {
        Err(Finding::Broken(..)) => {
            fx.measure(waited.noted("at least: the rule had not acted when the case stopped waiting"));
            expect::unresolved(format!("the rule is accepted and had not acted after {} s", PATIENCE.as_secs()))
        }
        ended => {
            fx.measure(waited);
            ended
        }
    }
}

/// A rule for what lies below `x/` with this action.
fn below_x(action: &str) -> String {
    format!("<Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter>{action}</Rule>")
}

const PAST: &str = "<Expiration><Date>2020-01-01T00:00:00Z</Date></Expiration>";
const ONE_DAY: &str = "<Expiration><Days>1</Days></Expiration>";

/// What every case that waits needs.
fn waiting(suite: Suite) -> Suite {
    suite.needs(&["lifecycle"]).own_bucket().slow().deadline(Duration::from_secs(100)).sends(700)
}

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("expiry").source("S3 user guide, Expiring objects, and Lifecycle configuration elements");
    archives(locked(uploads(versions(objects(suite)))))
}

/// What is not covered by a rule stays: id, the rule, a name and tags that it covers, a name and tags and a body that it does not.
type Spared = (&'static str, &'static str, (&'static str, &'static str), (&'static str, &'static str));

const SPARED: [Spared; 4] = [
    ("other_prefix", "<Filter><Prefix>x/</Prefix></Filter>", ("x/k", ""), ("y/k", "")),
    ("other_tag", "<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>", ("k", "a=b"), ("other", "a=c")),
    ("prefix_without_tag", "<Filter><And><Prefix>x/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter>", ("x/k", "a=b"), ("x/other", "")),
    ("small_object", "<Filter><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan></Filter>", ("k", ""), ("other", "")),
];

async fn put_tagged(fx: &Fixture, (name, tags): (&str, &str), body: &[u8]) -> Checked {
    let put = fx.put_object(name).set_tagging(Some(tags.to_owned()).filter(|tags| !tags.is_empty()));
    fx.set_up("PutObject", put.body(body.to_vec().into()).send().await).map(drop)
}

fn objects(mut suite: Suite) -> Suite {
    for (id, action, measure) in [("date", PAST, "lifecycle_expiry_by_date_s"), ("days", ONE_DAY, "lifecycle_expiry_by_days_s")] {
        let rule = format!("An accepted rule that expires by {id} is executed: the canary object is gone in the end.");
        let case = move |fx: Fixture| async move {
            fx.put("x/k", b"canary").await?;
            expect::ok(put(&fx, &below_x(action)).await)?;
            acted(&fx, measure, || fx.absent("x/k")).await
        };
        suite = waiting(suite.common(&format!("put_bucket_lifecycle_configuration/by_{id}"), &["LFC-07", "LFC-15"], &rule, case));
    }
    for (id, filter, covered, spared) in SPARED {
        let rule = format!("A rule that expires one object spares what its filter does not cover ({}).", id.replace('_', " "));
        let case = move |fx: Fixture| async move {
            put_tagged(&fx, covered, b"longer than ten bytes").await?;
            put_tagged(&fx, spared, b"short").await?;
            impose(&fx, &format!("<Rule><ID>r</ID><Status>Enabled</Status>{filter}{PAST}</Rule>")).await?;
            let ended = acted(&fx, "lifecycle_expiry_by_date_s", || fx.absent(covered.0)).await;
            fx.holds(spared.0, b"short").await?;
            ended
        };
        suite = waiting(suite.common(&format!("put_bucket_lifecycle_configuration/spares_{id}"), &["LFC-07"], &rule, case));
    }
    let rule = "A disabled rule expires nothing while an enabled one does.";
    waiting(suite.common("put_bucket_lifecycle_configuration/disabled", &["LFC-07"], rule, async |fx| {
        fx.put("x/k", b"x").await?;
        fx.put("y/k", b"y").await?;
        let disabled = below_x(PAST).replace("x/", "y/").replace("Enabled", "Disabled").replace("<ID>r", "<ID>off");
        impose(&fx, &format!("{disabled}{}", below_x(PAST))).await?;
        let ended = acted(&fx, "lifecycle_expiry_by_date_s", || fx.absent("x/k")).await;
        fx.holds("y/k", b"y").await?;
        ended
    }))
}

/// The ids of the versions of a key and of its markers, the latest first.
async fn history(fx: &Fixture, key: &str) -> Checked<(Vec<String>, Vec<String>)> {
    let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).prefix(key).send().await)?;
    let versions = listed.versions().iter().filter_map(|version| version.version_id().map(str::to_owned)).collect();
    Ok((versions, listed.delete_markers().iter().filter_map(|marker| marker.version_id().map(str::to_owned)).collect()))
}

/// Prepares `count` versions of a key; their ids, the oldest first.
async fn put_versions(fx: &Fixture, key: &str, count: u8) -> Checked<Vec<String>> {
    fx.enable_versioning().await?;
    let mut ids = Vec::new();
    for number in 0..count {
        let put = fx.set_up("PutObject", fx.put_object(key).body(vec![number].into()).send().await)?;
        ids.push(expect::some("x-amz-version-id", put.version_id)?);
    }
    Ok(ids)
}

fn versions(suite: Suite) -> Suite {
    let versioned = |suite: Suite| waiting(suite).needs(&["lifecycle", "versioning"]);
    let rule = "Expiration in a bucket with versioning adds a delete marker and keeps the version.";
    let suite = versioned(suite.common("put_bucket_lifecycle_configuration/adds_marker", &["LFC-07"], rule, async |fx| {
        let ids = put_versions(&fx, "x/k", 1).await?;
        impose(&fx, &below_x(PAST)).await?;
        let ended = acted(&fx, "lifecycle_expiry_by_date_s", || fx.absent("x/k")).await;
        let (versions, markers) = history(&fx, "x/k").await?;
        expect::eq("versions", &versions, &ids).class(Corrupt)?;
        ended?;
        expect::eq("delete markers", markers.len(), 1)
    }));
    let rule = "NoncurrentVersionExpiration removes versions that are not current and keeps the current one.";
    let suite = versioned(suite.common("put_bucket_lifecycle_configuration/noncurrent", &["LFC-08"], rule, async |fx| {
        let ids = put_versions(&fx, "x/k", 3).await?;
        let action = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>";
        impose(&fx, &below_x(action)).await?;
        let ended = acted(&fx, "lifecycle_noncurrent_s", || async {
            let (versions, _) = history(&fx, "x/k").await?;
            expect::eq("versions", versions.len(), 1)
        });
        let ended = ended.await;
        expect::that("current version", history(&fx, "x/k").await?.0.contains(&ids[2]), "kept", &ids[2]).class(Corrupt)?;
        ended
    }));
    let rule = "NewerNoncurrentVersions keeps that many of the versions that are not current, the newest ones.";
    let suite = versioned(suite.common("put_bucket_lifecycle_configuration/newer_noncurrent", &["LFC-08"], rule, async |fx| {
        let ids = put_versions(&fx, "x/k", 5).await?;
        let action = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions>\
            </NoncurrentVersionExpiration>";
        expect::ok(put(&fx, &below_x(action)).await)?;
        let ended = acted(&fx, "lifecycle_noncurrent_s", || async {
            let (versions, _) = history(&fx, "x/k").await?;
            expect::that("versions", versions.len() <= 3, "3", versions.len())
        });
        let ended = ended.await;
        let left = history(&fx, "x/k").await?.0;
        expect::that("the three newest versions", ids[2..].iter().all(|id| left.contains(id)), "kept", left.len()).class(Corrupt)?;
        ended
    }));
    let rule = "ExpiredObjectDeleteMarker removes a delete marker that stands alone, and not one with a version behind it.";
    versioned(suite.extended("put_bucket_lifecycle_configuration/lone_marker", &["LFC-09"], rule, async |fx| {
        let ids = put_versions(&fx, "x/lone", 1).await?;
        put_versions(&fx, "x/kept", 1).await?;
        fx.set_up("DeleteObject", fx.delete_object("x/lone").send().await)?;
        fx.set_up("DeleteObject", fx.delete_object("x/kept").send().await)?;
        fx.set_up("DeleteObject of the version", fx.delete_object("x/lone").version_id(&ids[0]).send().await)?;
        impose(&fx, &below_x("<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>")).await?;
        let ended = acted(&fx, "lifecycle_marker_s", || async { expect::eq("markers", history(&fx, "x/lone").await?.1.len(), 0) }).await;
        let (versions, markers) = history(&fx, "x/kept").await?;
        expect::eq("version and marker of the other key", (versions.len(), markers.len()), (1, 1)).class(Corrupt)?;
        ended
    }))
}

fn uploads(suite: Suite) -> Suite {
    let rule = "AbortIncompleteMultipartUpload aborts an upload that was not completed, and no upload outside of its prefix.";
    waiting(suite.common("put_bucket_lifecycle_configuration/aborts_upload", &["LFC-10"], rule, async |fx| {
        let inside = fx.start_upload("x/k").await?;
        fx.upload_part("x/k", &inside, 1, b"part").await?;
        fx.start_upload("y/k").await?;
        let action = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
        expect::ok(put(&fx, &below_x(action)).await)?;
        let left = || async {
            let listed = expect::ok(fx.s3().list_multipart_uploads().bucket(fx.bucket()).send().await)?;
            Ok(listed.uploads().iter().filter_map(|upload| upload.key().map(str::to_owned)).collect::<Vec<_>>())
        };
        let ended =
            acted(&fx, "lifecycle_abort_s", || async { expect::that("uploads", !left().await?.contains(&fx.key("x/k")), "none below x/", "one") })
                .await;
        expect::that("uploads", left().await?.contains(&fx.key("y/k")), "the other one is kept", "it is gone").class(Corrupt)?;
        ended
    }))
}

/// Longer than a case waits; in GOVERNANCE mode, so that the clean-up can lift it.
const LOCKED_S: u64 = 300;

/// A version of `name` below `x/` under retention.
async fn put_locked(fx: &Fixture, name: &str) -> Checked<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let until = DateTime::from_secs(i64::try_from(now + LOCKED_S).unwrap_or_default());
    let put = fx.put_object(name).object_lock_mode(ObjectLockMode::Governance).object_lock_retain_until_date(until);
    let put = fx.set_up("PutObject with retention", put.body(b"locked".to_vec().into()).send().await)?;
    expect::some("x-amz-version-id", put.version_id)
}

/// Claims that a locked version is read by its id, now.
async fn read(fx: &Fixture, name: &str, id: &str) -> Checked {
    let got = expect::ok(fx.get_object(name).version_id(id).send().await)?;
    expect::bytes("locked version", &fx.collect(got.body).await?, b"locked")
}

/// Claims that a locked version was kept. That a server denies it in the moment of the key's expiry is a matter of another case.
async fn still_there(fx: &Fixture, name: &str, id: &str) -> Checked {
    fx.eventually(Duration::from_secs(5), || read(fx, name, id)).await.class(UnsafeIgnore)
}

const OLD_VERSIONS: &str = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>";

fn locked(suite: Suite) -> Suite {
    let rule = "A locked version is read by its id at every moment, also when a rule expires its key.";
    let suite = suite.core("get_object/locked_under_expired_rule", &["LFC-16"], rule, async |fx| {
        let id = put_locked(&fx, "x/k").await?;
        impose(&fx, &below_x(PAST)).await?;
        let first = read(&fx, "x/k", &id).await;
        still_there(&fx, "x/k", &id).await?;
        first.class(WrongEffect)
    });
    let rule = "A current version under retention survives expiration, which may only put a delete marker before it.";
    let suite =
        suite.lock_bucket().needs(&["object-lock", "lifecycle"]).core("get_object/locked_survives_expiration", &["LFC-16"], rule, async |fx| {
            let id = put_locked(&fx, "x/k").await?;
            fx.put("x/control", b"x").await?;
            impose(&fx, &below_x(PAST)).await?;
            let ended = acted(&fx, "lifecycle_expiry_by_date_s", || fx.absent("x/control")).await;
            still_there(&fx, "x/k", &id).await?;
            ended
        });
    let locked = |suite: Suite| {
        let suite = suite.lock_bucket().needs(&["object-lock", "lifecycle"]).impact(Impact::Irreversible);
        suite.slow().deadline(Duration::from_secs(100)).sends(700)
    };
    let rule = "An old version under retention survives the rule that expires old versions, while one without it goes.";
    locked(locked(suite).core("get_object/locked_survives_noncurrent", &["LFC-16"], rule, async |fx| {
        let id = put_locked(&fx, "x/k").await?;
        fx.put("x/k", b"newer").await?;
        let free = fx.set_up("PutObject", fx.put_object("x/control").body(b"x".to_vec().into()).send().await)?;
        let free = expect::some("x-amz-version-id", free.version_id)?;
        fx.put("x/control", b"newer").await?;
        impose(&fx, &below_x(OLD_VERSIONS)).await?;
        let gone = || async {
            let (versions, _) = history(&fx, "x/control").await?;
            expect::that("old version without retention", !versions.contains(&free), "gone", "there")
        };
        let ended = acted(&fx, "lifecycle_noncurrent_s", gone).await;
        still_there(&fx, "x/k", &id).await?;
        ended
    }))
}

/// Prepares an object in the archive; a vendor without one refuses the class.
async fn archive(fx: &Fixture) -> Checked {
    match fx.put_object("k").storage_class(StorageClass::Glacier).body(b"archived".to_vec().into()).send().await.settle() {
        Err(Refusal::Answered { status: 400, code }) => Err(Finding::Unsupported(format!("no class GLACIER: 400 {code}"))),
        put => fx.set_up("PutObject in GLACIER", put).map(drop),
    }
}

fn restore(fx: &Fixture, days: &str) -> proofmark::wire::RawRequest {
    let body = format!("<RestoreRequest xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{days}</RestoreRequest>");
    fx.raw_object("RestoreObject", "POST", "k", "?restore").body(body)
}

fn archives(suite: Suite) -> Suite {
    let suite = suite.source("S3 API reference, RestoreObject, and S3 user guide, Working with archived objects");
    let rule = "RestoreObject of an object that is not archived answers 403 InvalidObjectState.";
    let suite = suite.rare("restore_object/not_archived", &["LFC-14"], rule, async |fx| {
        fx.put("k", b"x").await?;
        expect::error(restore(&fx, "<Days>1</Days>").send().await, 403, "InvalidObjectState")
    });
    let rule = "GET of an archived object answers 403 InvalidObjectState.";
    let suite = suite.needs(&["lifecycle"]).rare("get_object/archived", &["LFC-14"], rule, async |fx| {
        archive(&fx).await?;
        match fx.get_object("k").send().await.settle() {
            Ok(_) => expect::variant("an object in GLACIER is read at once"),
            refused => expect::error(refused, 403, "InvalidObjectState"),
        }
    });
    let mut suite = suite.needs(&["lifecycle"]);
    for (id, days, words) in [("temporary", "<Days>1</Days>", "for a day"), ("permanent", "", "without days")] {
        let rule = format!("RestoreObject of an archived object {words} answers 202 or 200, and HEAD tells of it.");
        let case = move |fx: Fixture| async move {
            archive(&fx).await?;
            match restore(&fx, days).send().await.settle() {
                Err(Refusal::Answered { status: 400, code }) if days.is_empty() => return expect::variant(format!("days are due: 400 {code}")),
                restored => expect::ok(restored).map(drop)?,
            }
            let head = expect::ok(fx.head_object("k").send().await)?;
            expect::some("x-amz-restore", head.restore()).map(drop)
        };
        suite = suite.rare(&format!("restore_object/{id}"), &["LFC-14"], &rule, case).needs(&["lifecycle"]);
    }
    let rule = "An object that a rule moved to another class is read with the same bytes, length and ETag.";
    waiting(suite.extended("put_bucket_lifecycle_configuration/transition_keeps_data", &["LFC-13"], rule, async |fx| {
        let tag = fx.put("x/k", b"moved").await?;
        let action = "<Transition><Days>0</Days><StorageClass>GLACIER_IR</StorageClass></Transition>";
        if let Err(Refusal::Answered { status: 400, code }) = put(&fx, &below_x(action)).await {
            return Err(Finding::Unsupported(format!("no class GLACIER_IR: 400 {code}")));
        }
        let moved = || async {
            let head = expect::ok(fx.head_object("x/k").send().await)?;
            let class = head.storage_class().map(|class| class.as_str().to_owned());
            expect::that("x-amz-storage-class", class.is_some(), "another class", class)
        };
        let ended = acted(&fx, "lifecycle_transition_s", moved).await;
        fx.holds("x/k", b"moved").await?;
        expect::eq("ETag", expect::ok(fx.head_object("x/k").send().await)?.e_tag(), Some(tag.as_str()))?;
        ended
    }))
}
