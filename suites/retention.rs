//! Suite `retention`: the lock headers of uploads, right and wrong. Retentions last seconds.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode};
use proofmark::case::values::{completed, encode_path, from_now};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::wire::RawRequest;

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("retention").source("S3 user guide, Locking objects with Object Lock");
    refused(without_lock(stored(suite)))
}

/// Refusals of a lock; which code is right is judged where the rule is about the refusal.
const LOCKED: &[(u16, &str)] = &[(403, ""), (400, "")];

/// How long a locked version stays locked.
const LOCKED_S: i64 = 20;

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";
const HOLD: &str = "x-amz-object-lock-legal-hold";

/// A date so many seconds from now as a header carries it.
fn date(seconds: i64) -> String {
    format!("{:.0}", jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds))
}

fn hold(fx: &Fixture, status: ObjectLockLegalHoldStatus) -> aws_sdk_s3::operation::put_object_legal_hold::builders::PutObjectLegalHoldFluentBuilder {
    let hold = ObjectLockLegalHold::builder().status(status).build();
    fx.s3().put_object_legal_hold().bucket(fx.bucket()).key(fx.key("k")).legal_hold(hold)
}

/// The operations that take lock headers.
const UPLOADS: [&str; 3] = ["put_object", "copy_object", "create_multipart_upload"];

/// Sends an upload of `k` with lock headers; an upload in parts is completed.
async fn upload(fx: &Fixture, operation: &str, until: Option<DateTime>, held: Option<ObjectLockLegalHoldStatus>) -> Checked {
    let mode = until.map(|_| ObjectLockMode::Governance);
    match operation {
        "put_object" => {
            let put = fx.put_object("k").set_object_lock_mode(mode).set_object_lock_retain_until_date(until).set_object_lock_legal_hold_status(held);
            expect::ok(put.body(b"locked".to_vec().into()).send().await).map(drop)
        }
        "copy_object" => {
            fx.put("source", b"locked").await?;
            let copy = fx.copy_object("source", "k").set_object_lock_mode(mode).set_object_lock_retain_until_date(until);
            expect::ok(copy.set_object_lock_legal_hold_status(held).send().await).map(drop)
        }
        _ => {
            let create = fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).set_object_lock_mode(mode);
            let create = create.set_object_lock_retain_until_date(until).set_object_lock_legal_hold_status(held);
            let id = expect::some("UploadId", expect::ok(create.send().await)?.upload_id)?;
            let part = fx.upload_part("k", &id, 1, b"locked").await?;
            let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
            fx.set_up("CompleteMultipartUpload", complete.multipart_upload(completed([part])).send().await).map(drop)
        }
    }
}

fn stored(mut suite: Suite) -> Suite {
    for operation in UPLOADS {
        suite = suite
            .core(
                &format!("{operation}/mode_and_date_are_stored"),
                &["LCK-11"],
                "Retention that an upload names is in force and shown by HEAD, its date in ISO 8601.",
                move |fx| async move {
                    let until = from_now(LOCKED_S);
                    upload(&fx, operation, Some(until), None).await?;
                    let head = expect::ok(fx.raw_object("HeadObject", "HEAD", "k", "").send().await)?;
                    let id = expect::some("x-amz-version-id", head.header("x-amz-version-id"))?;
                    expect::refused_as(fx.delete_object("k").version_id(id).send().await, LOCKED)?;
                    expect::eq(MODE, head.header(MODE), Some("GOVERNANCE"))?;
                    let shown = head.header(UNTIL).and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(|until| until.as_second());
                    expect::that(UNTIL, shown == Some(until.secs()), "the date of the upload in ISO 8601", head.header(UNTIL))
                },
            )
            .lock_bucket()
            .dependents(&["Veeam", "Kasten"])
            .core(
                &format!("{operation}/hold_is_stored"),
                &["LCK-11"],
                "A legal hold that an upload names is in force and shown by HEAD.",
                move |fx| async move {
                    upload(&fx, operation, None, Some(ObjectLockLegalHoldStatus::On)).await?;
                    let head = expect::ok(fx.head_object("k").send().await)?;
                    let deleted = fx.delete_object("k").set_version_id(head.version_id.clone()).send().await;
                    // A hold has no end of its own: it is lifted whatever was found.
                    let lifted = hold(&fx, ObjectLockLegalHoldStatus::Off).set_version_id(head.version_id).send().await;
                    expect::refused_as(deleted, LOCKED)?;
                    fx.set_up("PutObjectLegalHold OFF", lifted)?;
                    expect::eq(HOLD, head.object_lock_legal_hold_status, Some(ObjectLockLegalHoldStatus::On))
                },
            )
            .lock_bucket()
            .dependents(&["Kasten"]);
    }
    suite
}

fn without_lock(mut suite: Suite) -> Suite {
    for operation in UPLOADS {
        for (name, mode, held) in [("retention", Some(ObjectLockMode::Governance), None), ("hold", None, Some(ObjectLockLegalHoldStatus::On))] {
            let rule = "Lock headers for a bucket without object lock answer 400 InvalidRequest and store nothing.";
            suite = suite
                .common(&format!("{operation}/{name}_without_lock"), &["LCK-12"], rule, move |fx| {
                    let (mode, held) = (mode.clone(), held.clone());
                    async move {
                        let until = mode.as_ref().map(|_| from_now(LOCKED_S));
                        let (bucket, key) = (fx.bucket(), fx.key("k"));
                        match operation {
                            "put_object" => {
                                let put = fx.put_object("k").set_object_lock_mode(mode).set_object_lock_retain_until_date(until);
                                let put = put.set_object_lock_legal_hold_status(held).body(b"x".to_vec().into()).send().await;
                                expect::refused(put, 400, "InvalidRequest")?;
                            }
                            "copy_object" => {
                                fx.put("source", b"x").await?;
                                let copy = fx.copy_object("source", "k").set_object_lock_mode(mode).set_object_lock_retain_until_date(until);
                                expect::refused(copy.set_object_lock_legal_hold_status(held).send().await, 400, "InvalidRequest")?;
                            }
                            _ => {
                                let create = fx.s3().create_multipart_upload().bucket(bucket).key(key).set_object_lock_mode(mode);
                                let create = create.set_object_lock_retain_until_date(until).set_object_lock_legal_hold_status(held);
                                expect::refused(create.send().await, 400, "InvalidRequest")?;
                            }
                        }
                        fx.absent("k").await
                    }
                })
                .needs(&["object-lock"]);
        }
    }
    suite
}

/// A PUT of `k` with these headers and a Content-MD5.
fn put_with(fx: &Fixture, headers: &[(&str, String)]) -> RawRequest {
    let put = fx.raw_document("PutObject", &encode_path(&fx.key("k")), "x");
    headers.iter().fold(put, |put, (name, value)| put.header(name, value))
}

fn refused(mut suite: Suite) -> Suite {
    /// Wrong headers: name, row, mode, date in seconds from now or in another form, hold.
    type Row = (&'static str, &'static str, Option<&'static str>, Option<Result<i64, &'static str>>, Option<&'static str>);
    const WRONG: [Row; 7] = [
        ("mode_without_date", "LCK-13", Some("GOVERNANCE"), None, None),
        ("date_without_mode", "LCK-13", None, Some(Ok(LOCKED_S)), None),
        ("date_in_the_past", "LCK-14", Some("GOVERNANCE"), Some(Ok(-3600)), None),
        ("date_as_http_date", "LCK-14", Some("GOVERNANCE"), Some(Err("http")), None),
        ("date_of_words", "LCK-14", Some("GOVERNANCE"), Some(Err("words")), None),
        ("unknown_mode", "LCK-14", Some("SECRET"), Some(Ok(LOCKED_S)), None),
        ("unknown_hold", "LCK-14", None, None, Some("MAYBE")),
    ];
    for (name, row, mode, until, held) in WRONG {
        let rule = "Lock headers that are incomplete or wrong answer 400 InvalidArgument and store nothing.";
        suite = suite
            .common(&format!("put_object/{name}"), &[row], rule, move |fx| async move {
                let until = until.map(|until| match until {
                    Ok(seconds) => date(seconds),
                    // Near, so that a server that takes it locks for seconds.
                    Err("http") => {
                        (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(LOCKED_S)).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
                    }
                    Err(_) => "tomorrow".to_owned(),
                });
                let headers = [(MODE, mode.map(str::to_owned)), (UNTIL, until), (HOLD, held.map(str::to_owned))];
                let headers: Vec<(&str, String)> = headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
                expect::refused(put_with(&fx, &headers).send().await, 400, "InvalidArgument")?;
                fx.absent("k").await
            })
            .lock_bucket();
    }
    suite
        .common("put_object_retention/date_in_the_past", &["LCK-14"], "Retention until a date in the past answers 400 InvalidArgument.", async |fx| {
            fx.put("k", b"x").await?;
            let past = ObjectLockRetention::builder().mode(ObjectLockRetentionMode::Governance).retain_until_date(from_now(-3600)).build();
            let put = fx.s3().put_object_retention().bucket(fx.bucket()).key(fx.key("k")).retention(past).send().await;
            expect::error(put, 400, "InvalidArgument")
        })
        .lock_bucket()
        .common(
            "put_object/retention_without_digest",
            &["LCK-28"],
            "A PUT with retention but neither Content-MD5 nor a checksum answers 400 InvalidRequest.",
            async |fx| {
                let put = fx.raw_object("PutObject", "PUT", "k", "").header(MODE, "GOVERNANCE").header(UNTIL, date(LOCKED_S)).body(b"x");
                let put = put.send().await;
                if put.as_ref().is_ok_and(|answer| answer.status == 200) {
                    let head = expect::ok(fx.head_object("k").send().await)?;
                    expect::eq(MODE, head.object_lock_mode, Some(ObjectLockMode::Governance)).class(UnsafeIgnore)?;
                    return expect::variant("stored and locked without a digest");
                }
                expect::error(put, 400, "InvalidRequest")?;
                fx.absent("k").await
            },
        )
        .lock_bucket()
}
