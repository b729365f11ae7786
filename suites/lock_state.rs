//! Suite `lock_state`: legal holds, changes of mode, what is not locked, and how long a lock holds. Retentions last seconds.

use std::time::Duration;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter, ObjectLockLegalHold,
    ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode,
};
use proofmark::case::values::{encode_path, from_now};
use proofmark::case::{Answer, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::{UnsafeIgnore, WrongCode};

/// The suite.
pub fn suite() -> Suite {
    let suite = holds(Suite::new("lock_state").source("S3 API reference, PutObjectLegalHold"));
    let suite = without_lock(unset(suite.source("S3 API reference, GetObjectRetention")));
    waits(lifecycle(changes(suite.source("S3 user guide, Locking objects with Object Lock"))))
}

/// Refusals of a lock; which code is right is judged where the rule is about the refusal.
const LOCKED: &[(u16, &str)] = &[(403, ""), (400, "")];

/// How long a locked version stays locked.
const LOCKED_S: i64 = 20;

async fn locked(fx: &Fixture, mode: ObjectLockMode, seconds: i64) -> Checked<String> {
    let put = fx.put_object("k").object_lock_mode(mode).object_lock_retain_until_date(from_now(seconds)).body(b"locked".to_vec().into());
    let put = fx.set_up("PutObject with retention", put.send().await)?;
    expect::some("x-amz-version-id", put.version_id)
}

async fn still_there(fx: &Fixture, id: &str) -> Checked {
    let got = expect::ok(fx.get_object("k").version_id(id).send().await).class(UnsafeIgnore)?;
    expect::bytes("locked version", &fx.collect(got.body).await?, b"locked")
}

fn hold(fx: &Fixture, status: ObjectLockLegalHoldStatus) -> aws_sdk_s3::operation::put_object_legal_hold::builders::PutObjectLegalHoldFluentBuilder {
    let hold = ObjectLockLegalHold::builder().status(status).build();
    fx.s3().put_object_legal_hold().bucket(fx.bucket()).key(fx.key("k")).legal_hold(hold)
}

fn retain(fx: &Fixture, mode: ObjectLockRetentionMode) -> aws_sdk_s3::operation::put_object_retention::builders::PutObjectRetentionFluentBuilder {
    let retention = ObjectLockRetention::builder().mode(mode).retain_until_date(from_now(LOCKED_S)).build();
    fx.s3().put_object_retention().bucket(fx.bucket()).key(fx.key("k")).retention(retention)
}

fn holds(mut suite: Suite) -> Suite {
    for (name, xml) in [
        ("unknown_status", "<LegalHold><Status>MAYBE</Status></LegalHold>"),
        ("lower_case_status", "<LegalHold><Status>on</Status></LegalHold>"),
        ("no_status", "<LegalHold></LegalHold>"),
    ] {
        suite = suite
            .common(
                &format!("put_object_legal_hold/{name}"),
                &["LCK-25"],
                "A legal hold that is neither ON nor OFF answers 400 MalformedXML and changes nothing.",
                move |fx| async move {
                    fx.put("k", b"x").await?;
                    let target = format!("{}?legal-hold", encode_path(&fx.key("k")));
                    let put = fx.raw_document("PutObjectLegalHold", &target, xml).send().await;
                    let status = expect::ok(fx.head_object("k").send().await)?.object_lock_legal_hold_status;
                    expect::that("hold afterwards", status != Some(ObjectLockLegalHoldStatus::On), "not ON", status)?;
                    expect::error(put, 400, "MalformedXML")
                },
            )
            .lock_bucket();
    }
    suite
        .common("put_object_legal_hold/round_trip", &["LCK-25"], "A legal hold is set and lifted, and shown each time.", async |fx| {
            fx.put("k", b"x").await?;
            let get = || fx.s3().get_object_legal_hold().bucket(fx.bucket()).key(fx.key("k")).send();
            expect::ok(hold(&fx, ObjectLockLegalHoldStatus::On).send().await)?;
            let on = get().await;
            let lifted = hold(&fx, ObjectLockLegalHoldStatus::Off).send().await;
            let status = expect::ok(on)?.legal_hold.and_then(|hold| hold.status);
            expect::eq("Status after ON", status, Some(ObjectLockLegalHoldStatus::On))?;
            expect::ok(lifted)?;
            let status = expect::ok(get().await)?.legal_hold.and_then(|hold| hold.status);
            expect::eq("Status after OFF", status, Some(ObjectLockLegalHoldStatus::Off))
        })
        .lock_bucket()
}

/// What others answer for an object that is not locked.
const UNSET: &[(u16, &str)] = &[(400, ""), (404, "ObjectLockConfigurationNotFoundError")];

fn unset(suite: Suite) -> Suite {
    suite
        .common("get_object_retention/unset", &["LCK-26"], "An object without retention answers 404 NoSuchObjectLockConfiguration.", async |fx| {
            fx.put("k", b"x").await?;
            let got = fx.s3().get_object_retention().bucket(fx.bucket()).key(fx.key("k")).send().await;
            expect::error_or(got, (404, "NoSuchObjectLockConfiguration"), UNSET)
        })
        .lock_bucket()
        .dependents(&["Veeam"])
        .common("get_object_legal_hold/unset", &["LCK-26"], "An object without legal hold answers 404 NoSuchObjectLockConfiguration.", async |fx| {
            fx.put("k", b"x").await?;
            let got = fx.s3().get_object_legal_hold().bucket(fx.bucket()).key(fx.key("k")).send().await;
            if let Ok(answer) = &got {
                let status = answer.legal_hold().and_then(|hold| hold.status());
                expect::that("Status", status.is_none_or(|status| *status == ObjectLockLegalHoldStatus::Off), "not ON", status)?;
                return expect::variant("200 and no hold");
            }
            expect::error_or(got, (404, "NoSuchObjectLockConfiguration"), UNSET)
        })
        .lock_bucket()
}

fn without_lock(mut suite: Suite) -> Suite {
    for (operation, name, method, query, xml) in [
        ("get_object_retention", "GetObjectRetention", "GET", "retention", ""),
        ("get_object_legal_hold", "GetObjectLegalHold", "GET", "legal-hold", ""),
        ("put_object_retention", "PutObjectRetention", "PUT", "retention", ""),
        ("put_object_legal_hold", "PutObjectLegalHold", "PUT", "legal-hold", "<LegalHold><Status>ON</Status></LegalHold>"),
    ] {
        let rule = "Retention and legal hold in a bucket without object lock answer 400 InvalidRequest.";
        suite = suite
            .common(&format!("{operation}/without_lock"), &["LCK-27"], rule, move |fx| async move {
                fx.put("k", b"x").await?;
                let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(LOCKED_S);
                let retention = format!("<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{until:.0}</RetainUntilDate></Retention>");
                let target = format!("{}?{query}", encode_path(&fx.key("k")));
                let answer = match (method, xml) {
                    ("GET", _) => fx.raw_object(name, "GET", "k", &format!("?{query}")).send().await,
                    (_, "") => fx.raw_document(name, &target, &retention).send().await,
                    _ => fx.raw_document(name, &target, xml).send().await,
                };
                if method == "PUT" { expect::refused(answer, 400, "InvalidRequest") } else { expect::error(answer, 400, "InvalidRequest") }
            })
            .needs(&["object-lock"]);
    }
    suite
}

fn changes(suite: Suite) -> Suite {
    suite
        .core("put_object_retention/remove_compliance", &["LCK-17"], "COMPLIANCE retention is removed by nobody.", async |fx| {
            let id = locked(&fx, ObjectLockMode::Compliance, LOCKED_S).await?;
            let target = format!("{}?retention&versionId={id}", encode_path(&fx.key("k")));
            let put = fx.raw_document("PutObjectRetention", &target, "<Retention></Retention>").header("x-amz-bypass-governance-retention", "true");
            let put = put.send().await;
            let deleted = fx.delete_object("k").version_id(&id).bypass_governance_retention(true).send().await;
            still_there(&fx, &id).await?;
            expect::refused_as(deleted, LOCKED)?;
            // What is empty may be refused as malformed before anyone looks at the lock.
            expect::refused_as(put, &[(403, "AccessDenied"), (400, "MalformedXML"), (400, "InvalidRequest"), (400, "InvalidArgument")])
        })
        .lock_bucket()
        .dependents(&["Veeam"])
        .extended(
            "put_object_retention/governance_to_compliance",
            &["LCK-18"],
            "GOVERNANCE retention does not become COMPLIANCE without the bypass header.",
            async |fx| {
                let id = locked(&fx, ObjectLockMode::Governance, LOCKED_S).await?;
                let put = retain(&fx, ObjectLockRetentionMode::Compliance).version_id(&id).send().await;
                expect::error(put, 403, "AccessDenied")?;
                let mode = expect::ok(fx.head_object("k").send().await)?.object_lock_mode;
                expect::eq("x-amz-object-lock-mode", mode, Some(ObjectLockMode::Governance))
            },
        )
        .lock_bucket()
        .extended(
            "put_object_retention/governance_to_compliance_with_bypass",
            &["LCK-18"],
            "GOVERNANCE retention becomes COMPLIANCE with the bypass header.",
            async |fx| {
                let id = locked(&fx, ObjectLockMode::Governance, LOCKED_S).await?;
                let put = retain(&fx, ObjectLockRetentionMode::Compliance).version_id(&id).bypass_governance_retention(true).send().await;
                expect::ok(put)?;
                let mode = expect::ok(fx.head_object("k").send().await)?.object_lock_mode;
                expect::eq("x-amz-object-lock-mode", mode, Some(ObjectLockMode::Compliance))?;
                let deleted = fx.delete_object("k").version_id(&id).bypass_governance_retention(true).send().await;
                expect::refused_as(deleted, LOCKED)
            },
        )
        .lock_bucket()
        .common("delete_bucket/with_locked_data", &["LCK-32"], "A bucket with a locked version is not deleted: 409 BucketNotEmpty.", async |fx| {
            let id = locked(&fx, ObjectLockMode::Governance, LOCKED_S).await?;
            fx.set_up("DeleteObject", fx.delete_object("k").send().await)?;
            let deleted = fx.s3().delete_bucket().bucket(fx.bucket()).send().await;
            still_there(&fx, &id).await?;
            expect::refused(deleted, 409, "BucketNotEmpty")
        })
        .lock_bucket()
}

/// Claims that a lifecycle rule left the locked version: listed, not deletable, readable.
async fn kept(fx: &Fixture, id: &str) -> Checked {
    let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).prefix(fx.key("k")).send().await)?;
    let is_listed = listed.versions().iter().any(|version| version.version_id() == Some(id));
    expect::that("locked version", is_listed, "listed", "not listed").class(UnsafeIgnore)?;
    expect::refused_as(fx.delete_object("k").version_id(id).send().await, LOCKED)?;
    let got = expect::ok(fx.get_object("k").version_id(id).send().await)?;
    expect::bytes("locked version", &fx.collect(got.body).await?, b"locked")
}

/// Prepares a lifecycle rule by which every object has been due for years.
async fn expire_all(fx: &Fixture) -> Checked {
    let due = LifecycleExpiration::builder().date(DateTime::from_secs(1_577_836_800)).build();
    let filter = LifecycleRuleFilter::builder().prefix("").build();
    let rule = LifecycleRule::builder().id("all").filter(filter).status(ExpirationStatus::Enabled).expiration(due).build();
    let rules = BucketLifecycleConfiguration::builder().rules(rule.expect("a status was given")).build().expect("a rule was given");
    let put = fx.s3().put_bucket_lifecycle_configuration().bucket(fx.bucket()).lifecycle_configuration(rules).send().await;
    fx.set_up("PutBucketLifecycleConfiguration", put).map(drop)
}

/// How long a lifecycle rule is waited for.
const LIFECYCLE: Duration = Duration::from_secs(150);

fn lifecycle(suite: Suite) -> Suite {
    suite
        .core(
            "put_bucket_lifecycle_configuration/lock_stays_in_force",
            &["LCK-30"],
            "A lifecycle rule by which a locked version is due neither removes nor unlocks it.",
            async |fx| {
                let id = locked(&fx, ObjectLockMode::Governance, LOCKED_S).await?;
                expire_all(&fx).await?;
                kept(&fx, &id).await
            },
        )
        .lock_bucket()
        .needs(&["object-lock", "lifecycle"])
        .core(
            "put_bucket_lifecycle_configuration/locked_version_outlives_expiry",
            &["LCK-30"],
            "When a lifecycle rule has expired the other objects of a bucket, a locked version is still there.",
            async |fx| {
                let id = locked(&fx, ObjectLockMode::Governance, 240).await?;
                fx.put("free", b"x").await?;
                expire_all(&fx).await?;
                let expired = fx.eventually(LIFECYCLE, || fx.absent("free")).await;
                let kept = kept(&fx, &id).await;
                let unlocked = fx.delete_object("k").version_id(&id).bypass_governance_retention(true).send().await;
                kept?;
                fx.set_up("DeleteObject with bypass", unlocked)?;
                match expired {
                    Err(Finding::Broken(..)) => expect::unresolved(format!("no object was expired within {} s", LIFECYCLE.as_secs())),
                    settled => settled,
                }
            },
        )
        .lock_bucket()
        .needs(&["object-lock", "lifecycle"])
        .slow()
        .deadline(Duration::from_secs(200))
        .sends(900)
}

fn waits(mut suite: Suite) -> Suite {
    for (name, mode) in [("governance", ObjectLockMode::Governance), ("compliance", ObjectLockMode::Compliance)] {
        suite = suite
            .common(
                &format!("delete_object/after_{name}_retention"),
                &["LCK-31"],
                "A version can be deleted as soon as its retention is over, and not before.",
                move |fx| {
                    let mode = mode.clone();
                    async move {
                        let id = locked(&fx, mode, 4).await?;
                        let delete = || fx.delete_object("k").version_id(&id).send();
                        expect::refused_as(delete().await, LOCKED)?;
                        let early = fx.eventually(Duration::from_secs(12), async || match delete().await.settle() {
                            Err(Refusal::Answered { status: 400 | 403, .. }) => {
                                expect::that("deletion", false, "success once the date is past", "a refusal")
                            }
                            answer => expect::ok(answer).map(drop),
                        });
                        early.await?;
                        let got = fx.get_object("k").version_id(&id).send().await;
                        expect::error_as(got, &[(404, "NoSuchVersion"), (404, "NoSuchKey")]).class(WrongCode)
                    }
                },
            )
            .lock_bucket()
            .dependents(&["Veeam"])
            .slow()
            .sends(100);
    }
    suite
}
