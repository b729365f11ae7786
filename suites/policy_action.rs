//! Suite `policy_action`: which action of a bucket policy governs which request.

use aws_sdk_s3::primitives::DateTime;
use proofmark::case::values::{completed, encode_query, md5_base64};
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::model::Impact;

use super::policy::{allowed, anonymous, denied, impose, lift_block, open, statement};

/// The suite.
pub fn suite() -> Suite {
    lock_out(uploads(versions(headers(Suite::new("policy_action").source("Service authorization reference, Actions for Amazon S3")))))
}

/// How long a version that nobody should have been able to lock stays locked.
const LOCKED_S: i64 = 20;

/// A header of a PUT, its value, and the action that it needs beside s3:PutObject.
const HEADERS: [(&str, &str, &str, &str); 4] = [
    ("tagging", "x-amz-tagging", "colour=red", "s3:PutObjectTagging"),
    ("acl", "x-amz-acl", "public-read", "s3:PutObjectAcl"),
    ("legal_hold", "x-amz-object-lock-legal-hold", "ON", "s3:PutObjectLegalHold"),
    ("retention", "x-amz-object-lock-mode", "GOVERNANCE", "s3:PutObjectRetention"),
];

/// An anonymous PUT of `k` with that header; a retention gets its date.
async fn put_with(fx: &Fixture, header: &str, value: &str) -> Result<proofmark::wire::Answer, Refusal> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let until = DateTime::from_secs(i64::try_from(now).unwrap_or_default() + LOCKED_S).to_string();
    let mut put = anonymous(fx, "PutObject", "k", "").header("Content-MD5", md5_base64(b"new")).header(header, value).body("new");
    if header == "x-amz-object-lock-mode" {
        put = put.header("x-amz-object-lock-retain-until-date", until);
    }
    put.send().await.settle()
}

/// Nothing stays on hold, whatever a case found.
async fn lift_hold(fx: &Fixture) {
    let off = aws_sdk_s3::types::ObjectLockLegalHold::builder().status(aws_sdk_s3::types::ObjectLockLegalHoldStatus::Off).build();
    let _ = fx.s3().put_object_legal_hold().bucket(fx.bucket()).key("k").legal_hold(off).send().await;
}

fn headers(mut suite: Suite) -> Suite {
    for (id, header, value, action) in HEADERS {
        for is_granted in [true, false] {
            let (word, rule) = match is_granted {
                true => ("with_own_action", format!("A PUT with {header} is allowed where s3:PutObject and {action} are.")),
                false => ("without_own_action", format!("A PUT with {header} is denied where s3:PutObject is allowed and {action} is not.")),
            };
            let case = move |fx: Fixture| async move {
                let actions = if is_granted { vec!["s3:PutObject", action] } else { vec!["s3:PutObject"] };
                impose(&fx, &[statement(&fx, "Allow", &actions, &["/*"])]).await?;
                allowed(&fx, "PutObject", "plain", "").await?;
                let put = put_with(&fx, header, value).await;
                if id == "legal_hold" {
                    lift_hold(&fx).await;
                }
                if is_granted {
                    return expect::ok(put).map(drop);
                }
                expect::refused(put, 403, "AccessDenied")?;
                fx.absent("k").await.class(UnsafeIgnore)
            };
            suite = suite.extended(&format!("put_object/{id}_{word}"), &["POL-20"], &rule, case);
            suite = match id {
                "tagging" => open(suite).needs(&["policy", "tagging"]),
                "acl" => open(suite).needs(&["policy", "acl"]),
                _ => suite.lock_bucket().needs(&["policy", "object-lock"]).impact(Impact::Public),
            };
        }
    }
    suite
}

/// An operation on a version, the action for the latest one, and that for a version by its id.
const VERSIONS: [(&str, &str, &str, &str, &str); 4] = [
    ("get_object", "GetObject", "", "s3:GetObject", "s3:GetObjectVersion"),
    ("head_object", "HeadObject", "", "s3:GetObject", "s3:GetObjectVersion"),
    ("delete_object", "DeleteObject", "", "s3:DeleteObject", "s3:DeleteObjectVersion"),
    ("get_object_tagging", "GetObjectTagging", "tagging&", "s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
];

fn versions(mut suite: Suite) -> Suite {
    for (id, operation, part, plain, versioned) in VERSIONS {
        let latest = if part.is_empty() { String::new() } else { format!("?{}", part.trim_end_matches('&')) };
        let by_id = move |version: &str| format!("?{part}versionId={}", encode_query(version));
        for (word, granted, is_by_id) in [("by_id_needs_its_action", plain, false), ("by_id_with_its_action", versioned, true)] {
            let rule = match is_by_id {
                true => format!("{versioned} allows {operation} with a version id, and not without one."),
                false => format!("{plain} allows {operation} without a version id, and not with one."),
            };
            let latest = latest.clone();
            let case = move |fx: Fixture| {
                let latest = latest.clone();
                async move {
                    fx.enable_versioning().await?;
                    let put = fx.set_up("PutObject", fx.put_object("k").body(b"x".to_vec().into()).send().await)?;
                    let version = expect::some("x-amz-version-id", put.version_id)?;
                    fx.put("k", b"latest").await?;
                    fx.put("other", b"other").await?;
                    impose(&fx, &[statement(&fx, "Allow", &[granted], &["/*"])]).await?;
                    if is_by_id {
                        denied(&fx, operation, "k", &latest).await?;
                        return allowed(&fx, operation, "k", &by_id(&version)).await;
                    }
                    allowed(&fx, operation, "other", &latest).await?;
                    denied(&fx, operation, "k", &by_id(&version)).await
                }
            };
            suite = open(suite.extended(&format!("{id}/{word}"), &["POL-21"], &rule, case)).needs(&["policy", "versioning"]);
        }
    }
    suite
}

/// A step of an upload that nobody in particular takes: id, operation, the action that it needs.
const STEPS: [(&str, &str, &str); 5] = [
    ("create_multipart_upload", "CreateMultipartUpload", "s3:PutObject"),
    ("upload_part", "UploadPart", "s3:PutObject"),
    ("complete_multipart_upload", "CompleteMultipartUpload", "s3:PutObject"),
    ("abort_multipart_upload", "AbortMultipartUpload", "s3:AbortMultipartUpload"),
    ("list_parts", "ListParts", "s3:ListMultipartUploadParts"),
];

/// Takes one step of an upload of the owner's as nobody in particular.
async fn step(fx: &Fixture, operation: &str) -> Checked<Result<proofmark::wire::Answer, Refusal>> {
    if operation == "CreateMultipartUpload" {
        return Ok(anonymous(fx, operation, "k", "?uploads").send().await.settle());
    }
    let id = fx.start_upload("k").await?;
    let part = fx.upload_part("k", &id, 1, b"part").await?;
    let query = format!("uploadId={}", encode_query(&id));
    let request = match operation {
        "UploadPart" => anonymous(fx, operation, "k", &format!("?partNumber=2&{query}")).body("other part"),
        "CompleteMultipartUpload" => {
            let tag = part.e_tag().unwrap_or_default();
            let list = format!("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part></CompleteMultipartUpload>");
            anonymous(fx, operation, "k", &format!("?{query}")).body(list)
        }
        _ => anonymous(fx, operation, "k", &format!("?{query}")),
    };
    let answer = request.send().await.settle();
    if answer.is_err() {
        // What was refused must not have happened: the owner completes the upload with the one part.
        let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key("k").upload_id(id).multipart_upload(completed([part]));
        expect::ok(complete.send().await).class(UnsafeIgnore)?;
    }
    Ok(answer)
}

fn uploads(mut suite: Suite) -> Suite {
    for (id, operation, action) in STEPS {
        let rule = format!("{operation} is allowed where {action} is.");
        let case = move |fx: Fixture| async move {
            impose(&fx, &[statement(&fx, "Allow", &[action], &["/*"])]).await?;
            match step(&fx, operation).await? {
                Err(Refusal::Answered { status: 403, .. }) => {
                    expect::variant("uploads in parts are refused to anonymous users whatever a policy says")
                }
                answer => expect::ok(answer).map(drop),
            }
        };
        suite = open(suite.common(&format!("{id}/with_its_action"), &["POL-22"], &rule, case));
        let rule = format!("{operation} is denied where every action on objects but {action} is allowed.");
        let case = move |fx: Fixture| async move {
            let all = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
            let others: Vec<&str> = all.into_iter().filter(|other| *other != action).collect();
            impose(&fx, &[statement(&fx, "Allow", &others, &["/*"])]).await?;
            expect::refused(step(&fx, operation).await?, 403, "AccessDenied")
        };
        suite = open(suite.common(&format!("{id}/without_its_action"), &["POL-22"], &rule, case));
    }
    suite
}

/// A policy that denies everybody to read, change and remove it; all else stays allowed, so that the bucket can be deleted.
async fn lock_out_with(fx: &Fixture, confirmed: bool) -> Result<(), Refusal> {
    lift_block(fx).await;
    let deny = statement(fx, "Deny", &["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"], &[""]);
    let put = fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(super::policy::document(&[deny]));
    put.confirm_remove_self_bucket_access(confirmed).send().await.settle().map(drop)
}

fn lock_out(suite: Suite) -> Suite {
    suite
        .source("S3 API reference, PutBucketPolicy: ConfirmRemoveSelfBucketAccess")
        .extended(
            "delete_bucket_policy/locked_out",
            &["POL-23"],
            "The owner can delete a policy that denies its own removal and was put without confirmation.",
            async |fx| {
                let put = lock_out_with(&fx, false).await;
                let deleted = fx.s3().delete_bucket_policy().bucket(fx.bucket()).send().await.settle();
                match put {
                    Err(Refusal::Answered { status: 400 | 403, .. }) => expect::variant("a policy that locks its owner out is refused"),
                    put => {
                        fx.set_up("PutBucketPolicy", put)?;
                        expect::ok(deleted)?;
                        super::policy::none(&fx).await
                    }
                }
            },
        )
        .needs(&["policy"])
        .own_bucket()
        .extended(
            "delete_bucket_policy/locked_out_on_purpose",
            &["POL-23"],
            "The owner can delete a policy that denies its own removal although the loss was confirmed.",
            async |fx| {
                fx.set_up("PutBucketPolicy", lock_out_with(&fx, true).await)?;
                match fx.s3().delete_bucket_policy().bucket(fx.bucket()).send().await.settle() {
                    // It was asked for, in so many words.
                    Err(Refusal::Answered { status: 403, .. }) => expect::variant("a confirmed policy locks this credential out for good"),
                    deleted => {
                        expect::ok(deleted)?;
                        super::policy::none(&fx).await
                    }
                }
            },
        )
        .needs(&["policy"])
        .own_bucket()
}
