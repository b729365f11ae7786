//! Suite `conditional_write`: further forms of conditions on writes, and where they are refused.

use aws_sdk_s3::primitives::DateTime;
use proofmark::case::{Answer, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::model::Impact;

use super::conditional::{OTHER_ETAG, one_part};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("conditional_write").source("S3 user guide, How to prevent object overwrites with conditional writes");
    let suite = versions(unusual(forms(never_ignored(suite)))).source("S3 API reference, CopyObject: If-Match and If-None-Match");
    let suite = policies(copies(suite).source("S3 user guide, Enforce conditional writes on Amazon S3 buckets"));
    aborts(suite.source("S3 API reference, AbortMultipartUpload: x-amz-if-match-initiated-time"))
}

/// A refusal of any kind that leaves the old data alone; storing in spite of the condition is what must not happen.
async fn refused_and_kept<A: Answer>(fx: &Fixture, answer: A) -> Checked {
    expect::refused_as(answer, &[(412, ""), (501, ""), (400, "")])?;
    fx.holds("k", b"old").await.class(UnsafeIgnore)
}

fn never_ignored(suite: Suite) -> Suite {
    const RULE: &str = "A server refuses a condition that it cannot check and never stores in spite of it";
    suite
        .core("put_object/if_none_match_is_never_ignored", &["CWR-15"], &format!("{RULE}: If-None-Match of a PUT."), async |fx| {
            fx.put("k", b"old").await?;
            let put = fx.put_object("k").if_none_match("*").body(b"new".to_vec().into()).send().await;
            refused_and_kept(&fx, put).await
        })
        .core("put_object/if_match_is_never_ignored", &["CWR-15"], &format!("{RULE}: If-Match of a PUT."), async |fx| {
            fx.put("k", b"old").await?;
            let put = fx.put_object("k").if_match(OTHER_ETAG).body(b"new".to_vec().into()).send().await;
            refused_and_kept(&fx, put).await
        })
        .core(
            "complete_multipart_upload/if_none_match_is_never_ignored",
            &["CWR-15"],
            &format!("{RULE}: If-None-Match of a completion."),
            async |fx| {
                fx.put("k", b"old").await?;
                let complete = one_part(&fx, b"new").await?.if_none_match("*").send().await;
                refused_and_kept(&fx, complete).await
            },
        )
        .core("complete_multipart_upload/if_match_is_never_ignored", &["CWR-15"], &format!("{RULE}: If-Match of a completion."), async |fx| {
            fx.put("k", b"old").await?;
            let complete = one_part(&fx, b"new").await?.if_match(OTHER_ETAG).send().await;
            refused_and_kept(&fx, complete).await
        })
}

fn forms(suite: Suite) -> Suite {
    suite
        .common("put_object/if_match_quoted", &["CWR-05"], "A PUT takes the present ETag in If-Match with its quotes.", async |fx| {
            let etag = fx.put("k", b"old").await?;
            expect::ok(fx.put_object("k").if_match(format!("\"{}\"", etag.trim_matches('"'))).body(b"new".to_vec().into()).send().await)?;
            fx.holds("k", b"new").await
        })
        .common("put_object/if_match_unquoted", &["CWR-05"], "A PUT takes the present ETag in If-Match without quotes.", async |fx| {
            let etag = fx.put("k", b"old").await?;
            expect::ok(fx.put_object("k").if_match(etag.trim_matches('"')).body(b"new".to_vec().into()).send().await)?;
            fx.holds("k", b"new").await
        })
        .common("put_object/if_match_other_unquoted", &["CWR-05"], "A PUT with another ETag without quotes in If-Match answers 412.", async |fx| {
            fx.put("k", b"old").await?;
            let put = fx.put_object("k").if_match(OTHER_ETAG.trim_matches('"')).body(b"new".to_vec().into()).send().await;
            expect::refused(put, 412, "PreconditionFailed")?;
            fx.holds("k", b"old").await
        })
        .core(
            "complete_multipart_upload/upload_after_refused_condition",
            &["CWR-08", "CWR-09"],
            "After a refused condition an upload can be completed, or its id answers 404 NoSuchUpload.",
            async |fx| {
                fx.put("k", b"old").await?;
                let complete = one_part(&fx, b"new").await?;
                expect::refused(complete.clone().if_none_match("*").send().await, 412, "PreconditionFailed")?;
                fx.set_up("DeleteObject", fx.delete_object("k").send().await)?;
                match complete.send().await.settle() {
                    Ok(_) => fx.holds("k", b"new").await,
                    Err(Refusal::Answered { status: 404, code }) if code == "NoSuchUpload" => {
                        expect::variant("404 NoSuchUpload: the upload is used up")
                    }
                    Err(other) => expect::lost(&other, "success or 404 NoSuchUpload"),
                }
            },
        )
}

fn unusual(suite: Suite) -> Suite {
    suite
        .rare(
            "put_object/if_none_match_etag_equal",
            &["CWR-06"],
            "A PUT with the present ETag in If-None-Match answers 501 or, where ETags are compared, 412.",
            async |fx| {
                let etag = fx.put("k", b"old").await?;
                let put = fx.put_object("k").if_none_match(etag).body(b"new".to_vec().into()).send().await.settle();
                if matches!(put, Err(Refusal::Answered { status: 412, .. })) {
                    fx.holds("k", b"old").await?;
                    return expect::variant("412: the ETag is compared");
                }
                expect::refused(put, 501, "NotImplemented")?;
                fx.holds("k", b"old").await
            },
        )
        .rare(
            "put_object/if_none_match_etag_other",
            &["CWR-06"],
            "A PUT with another ETag in If-None-Match answers 501 or, where ETags are compared, 200.",
            async |fx| {
                fx.put("k", b"old").await?;
                let put = fx.put_object("k").if_none_match(OTHER_ETAG).body(b"new".to_vec().into()).send().await.settle();
                if let Ok(put) = put {
                    fx.holds("k", b"new").await?;
                    // A server that ignores the header takes the equal ETag, too.
                    let equal = fx.put_object("k").set_if_none_match(put.e_tag).body(b"newer".to_vec().into()).send().await;
                    expect::refused(equal, 412, "PreconditionFailed")?;
                    fx.holds("k", b"new").await?;
                    return expect::variant("200: the ETag is compared");
                }
                expect::error(put, 501, "NotImplemented")?;
                fx.holds("k", b"old").await
            },
        )
        .rare("put_object/both_conditions", &["CWR-07"], "A PUT with If-Match and If-None-Match answers 501 NotImplemented.", async |fx| {
            let etag = fx.put("k", b"old").await?;
            let put = fx.put_object("k").if_match(etag).if_none_match("*").body(b"new".to_vec().into()).send().await;
            let judged = expect::refused_or(put, (501, "NotImplemented"), &[(412, "PreconditionFailed")]);
            fx.holds("k", b"old").await.class(UnsafeIgnore)?;
            judged
        })
}

/// Prepares a versioned bucket in which the current version of `k` is a delete marker.
async fn marked(fx: &Fixture) -> Checked<String> {
    fx.enable_versioning().await?;
    let etag = fx.put("k", b"old").await?;
    fx.set_up("DeleteObject", fx.delete_object("k").send().await)?;
    Ok(etag)
}

fn versions(suite: Suite) -> Suite {
    suite
        .common(
            "put_object/if_none_match_on_delete_marker",
            &["CWR-14"],
            "A PUT with If-None-Match: * succeeds where the current version is a delete marker.",
            async |fx| {
                marked(&fx).await?;
                expect::ok(fx.put_object("k").if_none_match("*").body(b"new".to_vec().into()).send().await)?;
                fx.holds("k", b"new").await
            },
        )
        .versioned()
        .common(
            "put_object/if_match_on_delete_marker",
            &["CWR-14"],
            "A PUT with If-Match answers 404 NoSuchKey where the current version is a delete marker.",
            async |fx| {
                let etag = marked(&fx).await?;
                let put = fx.put_object("k").if_match(etag).body(b"new".to_vec().into()).send().await;
                expect::refused(put, 404, "NoSuchKey")?;
                fx.absent("k").await
            },
        )
        .versioned()
}

fn copies(suite: Suite) -> Suite {
    suite
        .extended("copy_object/if_none_match_absent", &["CWR-10"], "A copy with If-None-Match: * creates a key that is absent.", async |fx| {
            fx.put("from", b"new").await?;
            expect::ok(fx.copy_object("from", "k").if_none_match("*").send().await)?;
            fx.holds("k", b"new").await
        })
        .dependents(&["object_store"])
        .extended(
            "copy_object/if_none_match_existing",
            &["CWR-10"],
            "A copy with If-None-Match: * onto a present key answers 412 and keeps the old data.",
            async |fx| {
                fx.put("from", b"new").await?;
                fx.put("k", b"old").await?;
                expect::refused(fx.copy_object("from", "k").if_none_match("*").send().await, 412, "PreconditionFailed")?;
                fx.holds("k", b"old").await
            },
        )
        .dependents(&["object_store"])
        .extended("copy_object/if_match_equal", &["CWR-10"], "A copy with the target's ETag in If-Match replaces the target.", async |fx| {
            fx.put("from", b"new").await?;
            let etag = fx.put("k", b"old").await?;
            expect::ok(fx.copy_object("from", "k").if_match(etag).send().await)?;
            fx.holds("k", b"new").await
        })
        .extended("copy_object/if_match_other", &["CWR-10"], "A copy with another ETag in If-Match answers 412 and keeps the old data.", async |fx| {
            fx.put("from", b"new").await?;
            fx.put("k", b"old").await?;
            expect::refused(fx.copy_object("from", "k").if_match(OTHER_ETAG).send().await, 412, "PreconditionFailed")?;
            fx.holds("k", b"old").await
        })
}

/// Lets everybody put objects, but only with this condition. The owner of the bucket may be above its policy, so another account tries.
async fn force(fx: &Fixture, condition: &str) -> Checked {
    let all = format!(r#""Principal":{{"AWS":"*"}},"Action":"s3:PutObject","Resource":"arn:aws:s3:::{}/*""#, fx.bucket());
    let deny = format!(r#"{{"Effect":"Deny",{all},"Condition":{{"Null":{{"{condition}":"true"}}}}}}"#);
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{all}}},{deny}]}}"#);
    match fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(policy).send().await.settle() {
        Err(refusal @ Refusal::Answered { status: 400, .. }) => {
            Err(Finding::Unsupported(format!("policy condition {condition}: {}", refusal.describe())))
        }
        put => fx.set_up("PutBucketPolicy", put).map(drop),
    }
}

fn policies(suite: Suite) -> Suite {
    suite
        .rare(
            "put_object/policy_forces_if_none_match",
            &["CWR-22"],
            "A bucket policy can refuse PUTs without If-None-Match with 403 AccessDenied.",
            async |fx| {
                force(&fx, "s3:if-none-match").await?;
                let put = || fx.alt().map(|alt| alt.put_object().bucket(fx.bucket()).key("k").body(b"x".to_vec().into()));
                expect::refused(put()?.send().await, 403, "AccessDenied")?;
                expect::ok(put()?.if_none_match("*").send().await).map(drop)
            },
        )
        .own_bucket()
        .needs(&["policy"])
        .needs_alt()
        .impact(Impact::Public)
        .rare(
            "put_object/policy_forces_if_match",
            &["CWR-22"],
            "A bucket policy can refuse PUTs without If-Match with 403 AccessDenied.",
            async |fx| {
                let etag = fx.put("k", b"old").await?;
                force(&fx, "s3:if-match").await?;
                let put = || fx.alt().map(|alt| alt.put_object().bucket(fx.bucket()).key("k").body(b"x".to_vec().into()));
                expect::refused(put()?.send().await, 403, "AccessDenied")?;
                expect::ok(put()?.if_match(etag).send().await).map(drop)
            },
        )
        .own_bucket()
        .needs(&["policy"])
        .needs_alt()
        .impact(Impact::Public)
}

/// When the upload of `k` was started, as the server lists it.
async fn initiated(fx: &Fixture) -> Checked<DateTime> {
    let listed = fx.s3().list_multipart_uploads().bucket(fx.bucket()).prefix(fx.key("k")).send().await;
    let listed = fx.set_up("ListMultipartUploads", listed)?;
    let first = listed.uploads().first().and_then(|upload| upload.initiated().copied());
    first.ok_or_else(|| Finding::Unresolved("set-up: ListMultipartUploads: the upload has no Initiated".to_owned()))
}

fn aborts(suite: Suite) -> Suite {
    suite
        .rare(
            "abort_multipart_upload/initiated_time_equal",
            &["CWR-23"],
            "An abort with the upload's own time in x-amz-if-match-initiated-time answers 204.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                let time = initiated(&fx).await?;
                let abort = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id);
                expect::ok(abort.if_match_initiated_time(time).send().await).map(drop)
            },
        )
        .rare(
            "abort_multipart_upload/initiated_time_other",
            &["CWR-23"],
            "An abort with another time in x-amz-if-match-initiated-time answers 412 and keeps the upload.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                let other = DateTime::from_secs(initiated(&fx).await?.secs() - 3600);
                let abort = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id);
                expect::refused(abort.if_match_initiated_time(other).send().await, 412, "PreconditionFailed")?;
                expect::ok(fx.s3().list_parts().bucket(fx.bucket()).key(fx.key("k")).upload_id(id).send().await).map(drop)
            },
        )
}
