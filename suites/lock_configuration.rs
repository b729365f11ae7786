//! Suite `lock_configuration`: object lock of a bucket, and its default retention.

use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockConfiguration, ObjectLockEnabled, ObjectLockMode, ObjectLockRetentionMode, ObjectLockRule,
    VersioningConfiguration,
};
use proofmark::case::values::{completed, from_now};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::model::Impact;

/// The suite.
pub fn suite() -> Suite {
    let suite = wrong(periods(states(Suite::new("lock_configuration").source("S3 API reference, PutObjectLockConfiguration"))));
    defaults(suite.source("S3 user guide, Locking objects with Object Lock"))
}

/// Refusals of a lock; which code is right is judged where the rule is about the refusal.
const LOCKED: &[(u16, &str)] = &[(403, ""), (400, "")];

const DAY_S: i64 = 86_400;

/// A bucket's object lock, with the default retention that `set` gives it.
fn configuration(retention: Option<DefaultRetention>) -> ObjectLockConfiguration {
    let rule = retention.map(|retention| ObjectLockRule::builder().default_retention(retention).build());
    ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).set_rule(rule).build()
}

fn put(
    fx: &Fixture,
    wanted: ObjectLockConfiguration,
) -> aws_sdk_s3::operation::put_object_lock_configuration::builders::PutObjectLockConfigurationFluentBuilder {
    fx.s3().put_object_lock_configuration().bucket(fx.bucket()).object_lock_configuration(wanted)
}

/// The configuration as it is answered.
async fn present(fx: &Fixture) -> Checked<ObjectLockConfiguration> {
    let got = expect::ok(fx.s3().get_object_lock_configuration().bucket(fx.bucket()).send().await)?;
    expect::some("ObjectLockConfiguration", got.object_lock_configuration)
}

/// Its default retention; a rule without one says nothing.
fn default_of(configuration: &ObjectLockConfiguration) -> Option<&DefaultRetention> {
    configuration.rule().and_then(|rule| rule.default_retention())
}

fn states(suite: Suite) -> Suite {
    enabling(suite)
        .common(
            "get_object_lock_configuration/of_a_lock_bucket",
            &["LCK-01"],
            "A bucket created with object lock says that it is enabled.",
            async |fx| {
                let present = present(&fx).await?;
                expect::eq("ObjectLockEnabled", present.object_lock_enabled(), Some(&ObjectLockEnabled::Enabled))?;
                expect::eq("DefaultRetention", default_of(&present), None)
            },
        )
        .lock_bucket()
        .dependents(&["Veeam"])
        .common(
            "get_object_lock_configuration/not_configured",
            &["LCK-02"],
            "A bucket without object lock answers 404 ObjectLockConfigurationNotFoundError.",
            async |fx| {
                let got = fx.s3().get_object_lock_configuration().bucket(fx.bucket()).send().await;
                expect::error(got, 404, "ObjectLockConfigurationNotFoundError")
            },
        )
        .needs(&["object-lock"])
        .own_bucket()
        .dependents(&["Veeam", "Commvault"])
        .common(
            "put_bucket_versioning/suspend_with_lock",
            &["LCK-04"],
            "Versioning of a bucket with object lock cannot be suspended: 409 InvalidBucketState.",
            async |fx| {
                let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
                let put = fx.s3().put_bucket_versioning().bucket(fx.bucket()).versioning_configuration(suspended).send().await;
                let state = expect::ok(fx.s3().get_bucket_versioning().bucket(fx.bucket()).send().await)?;
                expect::eq("Status afterwards", state.status, Some(BucketVersioningStatus::Enabled)).class(UnsafeIgnore)?;
                expect::refused_or(put, (409, "InvalidBucketState"), &[(400, "")])
            },
        )
        .lock_bucket()
        .dependents(&["Veeam"])
}

fn enabling(suite: Suite) -> Suite {
    suite
        .common(
            "put_object_lock_configuration/on_a_versioned_bucket",
            &["LCK-03"],
            "Object lock can be enabled for a bucket that has versioning, and then locks.",
            async |fx| {
                fx.enable_versioning().await?;
                expect::ok(put(&fx, configuration(None)).send().await)?;
                expect::eq("ObjectLockEnabled", present(&fx).await?.object_lock_enabled(), Some(&ObjectLockEnabled::Enabled))?;
                let put = fx.put_object("k").object_lock_mode(ObjectLockMode::Governance).object_lock_retain_until_date(from_now(10));
                let id = expect::some("x-amz-version-id", expect::ok(put.body(b"locked".to_vec().into()).send().await)?.version_id)?;
                expect::refused_as(fx.delete_object("k").version_id(id).send().await, LOCKED)
            },
        )
        .needs(&["object-lock", "versioning"])
        .own_bucket()
        .impact(Impact::Irreversible)
        .common(
            "put_object_lock_configuration/on_an_unversioned_bucket",
            &["LCK-03"],
            "Object lock is not enabled for a bucket without versioning: 409 InvalidBucketState.",
            async |fx| {
                let put = put(&fx, configuration(None)).send().await;
                let state = fx.s3().get_object_lock_configuration().bucket(fx.bucket()).send().await;
                expect::error(put, 409, "InvalidBucketState")?;
                expect::error(state, 404, "ObjectLockConfigurationNotFoundError")
            },
        )
        .needs(&["object-lock", "versioning"])
        .own_bucket()
        .impact(Impact::Irreversible)
}

fn periods(mut suite: Suite) -> Suite {
    for (name, days, years) in [("days", Some(1), None), ("years", None, Some(1))] {
        suite = suite
            .extended(
                &format!("put_object_lock_configuration/default_in_{name}"),
                &["LCK-05"],
                "A default retention in days or in years is stored and returned.",
                move |fx| async move {
                    let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).set_days(days).set_years(years).build();
                    expect::ok(put(&fx, configuration(Some(retention.clone()))).send().await)?;
                    let rule = present(&fx).await?.rule.and_then(|rule| rule.default_retention);
                    let shown = rule.map(|rule| (rule.mode, rule.days.filter(|days| *days != 0), rule.years.filter(|years| *years != 0)));
                    expect::eq("DefaultRetention", shown, Some((retention.mode, days, years)))
                },
            )
            .lock_bucket();
    }
    for (name, days, years) in
        [("days_zero", Some(0), None), ("days_negative", Some(-1), None), ("years_zero", None, Some(0)), ("years_negative", None, Some(-1))]
    {
        suite = suite
            .extended(
                &format!("put_object_lock_configuration/{name}"),
                &["LCK-06"],
                "A default retention of no time or less answers 400 InvalidArgument and is not stored.",
                move |fx| async move {
                    let answer = put_default(&fx, days, years).await?;
                    expect::refused_or(answer, (400, "InvalidArgument"), &[(400, "InvalidRetentionPeriod")])
                },
            )
            .lock_bucket();
    }
    for (name, days, years) in [("days_36501", Some(36_501), None), ("years_101", None, Some(101))] {
        suite = suite
            .rare(
                &format!("put_object_lock_configuration/{name}"),
                &["LCK-07"],
                "A default retention of more than 100 years answers 400 InvalidArgument and is not stored.",
                move |fx| async move { expect::error(put_default(&fx, days, years).await?, 400, "InvalidArgument") },
            )
            .lock_bucket();
    }
    suite
}

/// Sends a default retention that is wrong, and claims that it is not in force; the answer is left to be judged.
async fn put_default(fx: &Fixture, days: Option<i32>, years: Option<i32>) -> Checked<impl proofmark::case::Answer + use<>> {
    let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).set_days(days).set_years(years).build();
    let answer = put(fx, configuration(Some(retention))).send().await;
    // Accepted and stored is judged by the answer.
    if answer.is_err() {
        expect::eq("DefaultRetention afterwards", default_of(&present(fx).await?), None)?;
    }
    Ok(answer)
}

/// Documents that no schema allows: name, rows, document.
const WRONG: [(&str, &str, &str); 8] = [
    ("days_and_years", "LCK-05", "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years></DefaultRetention></Rule>"),
    ("neither_days_nor_years", "LCK-05", "<Rule><DefaultRetention><Mode>GOVERNANCE</Mode></DefaultRetention></Rule>"),
    ("unknown_mode", "LCK-08", "<Rule><DefaultRetention><Mode>SECRET</Mode><Days>1</Days></DefaultRetention></Rule>"),
    ("lower_case_mode", "LCK-08", "<Rule><DefaultRetention><Mode>governance</Mode><Days>1</Days></DefaultRetention></Rule>"),
    ("no_mode", "LCK-08", "<Rule><DefaultRetention><Days>1</Days></DefaultRetention></Rule>"),
    ("unknown_status", "LCK-08", "Disabled"),
    ("empty_body", "LCK-08", ""),
    ("cut_body", "LCK-08", "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</Obj"),
];

fn wrong(mut suite: Suite) -> Suite {
    for (name, row, inner) in WRONG {
        let rule = "An object lock configuration that the schema does not allow answers 400 MalformedXML and is not stored.";
        suite = suite
            .extended(&format!("put_object_lock_configuration/{name}"), &[row], rule, move |fx| async move {
                let xml = match name {
                    "empty_body" | "cut_body" => inner.to_owned(),
                    "unknown_status" => format!("<ObjectLockConfiguration><ObjectLockEnabled>{inner}</ObjectLockEnabled></ObjectLockConfiguration>"),
                    _ => format!("<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>{inner}</ObjectLockConfiguration>"),
                };
                let put = fx.raw_document("PutObjectLockConfiguration", "?object-lock", &xml).send().await;
                let present = present(&fx).await?;
                match name {
                    "empty_body" => expect::error_or(put, (400, "MissingRequestBodyError"), &[(400, "MalformedXML")]),
                    _ => expect::error(put, 400, "MalformedXML"),
                }?;
                expect::eq("DefaultRetention afterwards", default_of(&present), None)?;
                expect::eq("ObjectLockEnabled afterwards", present.object_lock_enabled(), Some(&ObjectLockEnabled::Enabled))
            })
            .lock_bucket();
    }
    suite
}

/// Prepares a default retention of one day in GOVERNANCE mode: the shortest that there is.
async fn retain_by_default(fx: &Fixture) -> Checked {
    let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(1).build();
    fx.set_up("PutObjectLockConfiguration", put(fx, configuration(Some(retention))).send().await).map(drop)
}

/// Claims that `k` is locked by default: for a day, and really. It is unlocked again whatever was found.
async fn locked_by_default(fx: &Fixture) -> Checked {
    let head = expect::ok(fx.head_object("k").send().await)?;
    let id = expect::some("x-amz-version-id", head.version_id())?;
    let refused = expect::refused_as(fx.delete_object("k").version_id(id).send().await, LOCKED);
    let unlocked = fx.delete_object("k").version_id(id).bypass_governance_retention(true).send().await;
    refused?;
    fx.set_up("DeleteObject with bypass", unlocked)?;
    for_a_day(&head)
}

fn for_a_day(head: &HeadObjectOutput) -> Checked {
    expect::eq("x-amz-object-lock-mode", head.object_lock_mode(), Some(&ObjectLockMode::Governance))?;
    let left = head.object_lock_retain_until_date().map(|until| until.secs() - from_now(0).secs());
    expect::that("seconds left", left.is_some_and(|left| (DAY_S - 120..=DAY_S + 60).contains(&left)), "about a day", left)
}

fn defaults(suite: Suite) -> Suite {
    suite
        .common("put_object/default_retention", &["LCK-09"], "A new version is locked by the bucket's default retention.", async |fx| {
            retain_by_default(&fx).await?;
            expect::ok(fx.put_object("k").body(b"x".to_vec().into()).send().await)?;
            locked_by_default(&fx).await
        })
        .lock_bucket()
        .common("copy_object/default_retention", &["LCK-09"], "A copy is locked by the bucket's default retention.", async |fx| {
            fx.put("source", b"x").await?;
            retain_by_default(&fx).await?;
            expect::ok(fx.copy_object("source", "k").send().await)?;
            locked_by_default(&fx).await
        })
        .lock_bucket()
        .common(
            "complete_multipart_upload/default_retention",
            &["LCK-09"],
            "A finished upload is locked by the bucket's default retention.",
            async |fx| {
                retain_by_default(&fx).await?;
                let upload = fx.start_upload("k").await?;
                let part = fx.upload_part("k", &upload, 1, b"x").await?;
                let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(upload);
                expect::ok(complete.multipart_upload(completed([part])).send().await)?;
                locked_by_default(&fx).await
            },
        )
        .lock_bucket()
        .common(
            "put_object_lock_configuration/old_versions_stay_free",
            &["LCK-09"],
            "A default retention does not lock the versions that are there already.",
            async |fx| {
                let old = fx.set_up("PutObject", fx.put_object("k").body(b"x".to_vec().into()).send().await)?;
                let id = expect::some("x-amz-version-id", old.version_id)?;
                let retention = DefaultRetention::builder().mode(ObjectLockRetentionMode::Governance).days(1).build();
                expect::ok(put(&fx, configuration(Some(retention))).send().await)?;
                expect::eq("x-amz-object-lock-mode", expect::ok(fx.head_object("k").version_id(&id).send().await)?.object_lock_mode(), None)?;
                expect::ok(fx.delete_object("k").version_id(id).send().await).map(drop)
            },
        )
        .lock_bucket()
        .common("put_object/retention_beats_default", &["LCK-10"], "The retention that a PUT names overrides the bucket's default.", async |fx| {
            retain_by_default(&fx).await?;
            let until = from_now(20);
            let put = fx.put_object("k").object_lock_mode(ObjectLockMode::Governance).object_lock_retain_until_date(until);
            let put = expect::ok(put.body(b"x".to_vec().into()).send().await)?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            let right = expect::eq("retain-until date in s", head.object_lock_retain_until_date().map(|date| date.secs()), Some(until.secs()));
            let id = expect::some("x-amz-version-id", put.version_id)?;
            fx.set_up("DeleteObject with bypass", fx.delete_object("k").version_id(id).bypass_governance_retention(true).send().await)?;
            right
        })
        .lock_bucket()
        .dependents(&["Veeam"])
}
