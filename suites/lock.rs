//! Suite `lock`: retention and legal hold. Retentions last seconds, so that nothing stays locked after a run for long.

use aws_sdk_s3::operation::put_object_retention::builders::PutObjectRetentionFluentBuilder;
use aws_sdk_s3::types::{
    Delete, ObjectIdentifier, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode,
};
use proofmark::case::values::{completed, from_now};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::{UnsafeIgnore, WrongCode};

/// How long a locked version stays locked: longer than a case takes, short enough for the clean-up to wait for.
const LOCKED_S: i64 = 20;

/// Prepares a version of `name` under retention; its id.
async fn locked(fx: &Fixture, name: &str, mode: ObjectLockMode) -> Checked<String> {
    let put = fx.put_object(name).object_lock_mode(mode).object_lock_retain_until_date(from_now(LOCKED_S)).body(b"locked".to_vec().into());
    let put = fx.set_up("PutObject with retention", put.send().await)?;
    expect::some("x-amz-version-id", put.version_id)
}

fn retain(fx: &Fixture, id: &str, mode: ObjectLockRetentionMode, seconds: i64) -> PutObjectRetentionFluentBuilder {
    let retention = ObjectLockRetention::builder().mode(mode).retain_until_date(from_now(seconds)).build();
    fx.s3().put_object_retention().bucket(fx.bucket()).key(fx.key("k")).version_id(id).retention(retention)
}

/// Claims that HEAD shows a retention of `k` that ends about `seconds` from now.
async fn retained_for(fx: &Fixture, id: &str, seconds: i64) -> Checked {
    let head = expect::ok(fx.head_object("k").version_id(id).send().await)?;
    let left = head.object_lock_retain_until_date().map(|until| until.secs() - from_now(0).secs());
    expect::that("seconds left", left.is_some_and(|left| (seconds - 8..=seconds).contains(&left)), &format!("about {seconds}"), left)
}

async fn still_there(fx: &Fixture, name: &str, id: &str) -> Checked {
    let got = expect::ok(fx.get_object(name).version_id(id).send().await)?;
    expect::bytes("locked version", &fx.collect(got.body).await?, b"locked")
}

/// The only version of a key is gone: sources disagree whether the version or the key is what is missing.
async fn gone(fx: &Fixture, name: &str, id: &str) -> Checked {
    expect::error_as(fx.get_object(name).version_id(id).send().await, &[(404, "NoSuchVersion"), (404, "NoSuchKey")])
}

/// The suite.
pub fn suite() -> Suite {
    versions(deletes(changes(headers(Suite::new("lock").source("S3 user guide, Locking objects with Object Lock")))))
}

fn headers(suite: Suite) -> Suite {
    suite
        .core("put_object/retention_is_stored", &["LCK-11"], "Lock headers of a PUT are stored and returned by HEAD.", async |fx| {
            let until = from_now(LOCKED_S);
            let put = fx.put_object("k").object_lock_mode(ObjectLockMode::Governance).object_lock_retain_until_date(until);
            expect::ok(put.body(b"locked".to_vec().into()).send().await)?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            expect::eq("x-amz-object-lock-mode", head.object_lock_mode(), Some(&ObjectLockMode::Governance))?;
            expect::eq("retain-until date in s", head.object_lock_retain_until_date().map(|date| date.secs()), Some(until.secs()))
        })
        .lock_bucket()
        .dependents(&["Veeam", "Kasten"])
        .core(
            "create_multipart_upload/retention_is_kept",
            &["LCK-29"],
            "Retention given at the start of an upload protects the finished object.",
            async |fx| {
                let create = fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).object_lock_mode(ObjectLockMode::Governance);
                let id = expect::ok(create.object_lock_retain_until_date(from_now(LOCKED_S)).send().await)?.upload_id.unwrap_or_default();
                let part = fx.upload_part("k", &id, 1, b"locked").await?;
                let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
                let done = fx.set_up("CompleteMultipartUpload", complete.multipart_upload(completed([part])).send().await)?;
                let version = expect::some("x-amz-version-id", done.version_id)?;
                expect::refused(fx.delete_object("k").version_id(&version).send().await, 403, "AccessDenied")?;
                still_there(&fx, "k", &version).await
            },
        )
        .lock_bucket()
}

fn changes(suite: Suite) -> Suite {
    suite
        .core("put_object_retention/extend", &["LCK-15"], "Retention can be extended in the same mode.", async |fx| {
            let id = locked(&fx, "k", ObjectLockMode::Governance).await?;
            expect::ok(retain(&fx, &id, ObjectLockRetentionMode::Governance, LOCKED_S + 5).send().await)?;
            let get = fx.s3().get_object_retention().bucket(fx.bucket()).key(fx.key("k")).version_id(&id).send().await;
            let until = expect::ok(get)?.retention.and_then(|retention| retention.retain_until_date);
            let left = until.map(|until| until.secs() - from_now(0).secs());
            let is_later = left.is_some_and(|left| (LOCKED_S..=LOCKED_S + 5).contains(&left));
            expect::that("seconds until RetainUntilDate", is_later, &format!("about {}", LOCKED_S + 5), left)
        })
        .lock_bucket()
        .dependents(&["Veeam"])
        .core(
            "put_object_retention/shorten_governance",
            &["LCK-16"],
            "GOVERNANCE retention is not shortened without the bypass header.",
            async |fx| {
                let id = locked(&fx, "k", ObjectLockMode::Governance).await?;
                expect::refused(retain(&fx, &id, ObjectLockRetentionMode::Governance, 3).send().await, 403, "AccessDenied")?;
                retained_for(&fx, &id, LOCKED_S).await
            },
        )
        .lock_bucket()
        .core(
            "put_object_retention/shorten_governance_with_bypass",
            &["LCK-16"],
            "GOVERNANCE retention is shortened with the bypass header.",
            async |fx| {
                let id = locked(&fx, "k", ObjectLockMode::Governance).await?;
                expect::ok(retain(&fx, &id, ObjectLockRetentionMode::Governance, 3).bypass_governance_retention(true).send().await)?;
                retained_for(&fx, &id, 3).await
            },
        )
        .lock_bucket()
        .core("put_object_retention/shorten_compliance", &["LCK-17"], "COMPLIANCE retention is shortened by nobody.", async |fx| {
            let id = locked(&fx, "k", ObjectLockMode::Compliance).await?;
            let bypass = retain(&fx, &id, ObjectLockRetentionMode::Compliance, 3).bypass_governance_retention(true).send().await;
            expect::refused(bypass, 403, "AccessDenied")?;
            expect::refused(fx.delete_object("k").version_id(&id).bypass_governance_retention(true).send().await, 403, "AccessDenied")?;
            still_there(&fx, "k", &id).await
        })
        .lock_bucket()
        .dependents(&["Veeam"])
        .core("put_object_retention/compliance_to_governance", &["LCK-19"], "COMPLIANCE retention does not become GOVERNANCE.", async |fx| {
            let id = locked(&fx, "k", ObjectLockMode::Compliance).await?;
            let change = retain(&fx, &id, ObjectLockRetentionMode::Governance, LOCKED_S).bypass_governance_retention(true).send().await;
            expect::refused(change, 403, "AccessDenied")
        })
        .lock_bucket()
}

fn deletes(mut suite: Suite) -> Suite {
    for (name, mode) in [("governance", ObjectLockMode::Governance), ("compliance", ObjectLockMode::Compliance)] {
        let rule = format!("A version under {} retention is not deleted by its id.", mode.as_str());
        suite = suite
            .core(&format!("delete_object/{name}_version"), &["LCK-20"], &rule, move |fx| {
                let mode = mode.clone();
                async move {
                    let id = locked(&fx, "k", mode).await?;
                    expect::refused(fx.delete_object("k").version_id(&id).send().await, 403, "AccessDenied")?;
                    still_there(&fx, "k", &id).await
                }
            })
            .lock_bucket()
            .dependents(&["Veeam"]);
    }
    suite
        .core("delete_object/version_on_hold", &["LCK-20"], "A version on legal hold is not deleted by its id.", async |fx| {
            let put = fx.set_up("PutObject", fx.put_object("k").body(b"locked".to_vec().into()).send().await)?;
            let id = expect::some("x-amz-version-id", put.version_id)?;
            let hold = |status| {
                let hold = ObjectLockLegalHold::builder().status(status).build();
                fx.s3().put_object_legal_hold().bucket(fx.bucket()).key(fx.key("k")).version_id(&id).legal_hold(hold).send()
            };
            fx.set_up("PutObjectLegalHold ON", hold(ObjectLockLegalHoldStatus::On).await)?;
            let refused = expect::refused(fx.delete_object("k").version_id(&id).send().await, 403, "AccessDenied");
            let kept = still_there(&fx, "k", &id).await;
            // A hold has no end of its own: it is lifted whatever was found.
            fx.set_up("PutObjectLegalHold OFF", hold(ObjectLockLegalHoldStatus::Off).await)?;
            refused.and(kept)
        })
        .lock_bucket()
        .common(
            "delete_object/governance_bypass",
            &["LCK-21"],
            "A version under GOVERNANCE retention is deleted with the bypass header.",
            async |fx| {
                let id = locked(&fx, "k", ObjectLockMode::Governance).await?;
                expect::ok(fx.delete_object("k").version_id(&id).bypass_governance_retention(true).send().await)?;
                gone(&fx, "k", &id).await
            },
        )
        .lock_bucket()
}

fn versions(suite: Suite) -> Suite {
    suite
        .core("delete_object/marker_on_locked", &["LCK-22"], "DELETE without a version id adds a marker and keeps the locked version.", async |fx| {
            let id = locked(&fx, "k", ObjectLockMode::Governance).await?;
            expect::eq("x-amz-delete-marker", expect::ok(fx.delete_object("k").send().await)?.delete_marker(), Some(true))?;
            still_there(&fx, "k", &id).await
        })
        .lock_bucket()
        .core("put_object/overwrite_keeps_locked", &["LCK-23"], "An overwrite adds a version and keeps the locked one.", async |fx| {
            let id = locked(&fx, "k", ObjectLockMode::Governance).await?;
            expect::ok(fx.put_object("k").body(b"new".to_vec().into()).send().await)?;
            still_there(&fx, "k", &id).await?;
            fx.holds("k", b"new").await
        })
        .lock_bucket()
        .core(
            "delete_objects/locked_among_others",
            &["LCK-24", "DEL-13"],
            "DeleteObjects reports AccessDenied for the locked version and deletes the others.",
            async |fx| {
                let locked_id = locked(&fx, "k", ObjectLockMode::Governance).await?;
                let free = fx.set_up("PutObject", fx.put_object("free").body(b"x".to_vec().into()).send().await)?;
                let free_id = expect::some("x-amz-version-id", free.version_id)?;
                let entry = |name: &str, id: &str| ObjectIdentifier::builder().key(fx.key(name)).version_id(id).build().expect("a key was given");
                let delete = Delete::builder().objects(entry("k", &locked_id)).objects(entry("free", &free_id)).build().expect("objects were given");
                let deleted = expect::ok(fx.s3().delete_objects().bucket(fx.bucket()).delete(delete).send().await)?;
                let errors: Vec<_> = deleted.errors().iter().map(|error| error.key()).collect();
                expect::eq("keys of Errors", errors, vec![Some(fx.key("k").as_str())]).class(UnsafeIgnore)?;
                still_there(&fx, "k", &locked_id).await?;
                gone(&fx, "free", &free_id).await?;
                expect::eq("code of the error", deleted.errors()[0].code(), Some("AccessDenied")).class(WrongCode)
            },
        )
        .lock_bucket()
        .dependents(&["Veeam"])
        .core(
            "delete_objects/partial_failure",
            &["DEL-13"],
            "DeleteObjects with one locked version answers 200 and an entry for each key.",
            async |fx| {
                let id = locked(&fx, "k", ObjectLockMode::Governance).await?;
                fx.put("free", b"x").await?;
                let locked = ObjectIdentifier::builder().key(fx.key("k")).version_id(id).build().expect("a key was given");
                let free = ObjectIdentifier::builder().key(fx.key("free")).build().expect("a key was given");
                let delete = Delete::builder().objects(locked).objects(free).build().expect("objects were given");
                let deleted = expect::ok(fx.s3().delete_objects().bucket(fx.bucket()).delete(delete).send().await)?;
                expect::eq("Deleted and Errors", (deleted.deleted().len(), deleted.errors().len()), (1, 1))
            },
        )
        .lock_bucket()
}
