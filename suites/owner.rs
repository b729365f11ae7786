//! Suite `owner`: requests that name the owner whose bucket they expect.

use proofmark::case::values::md5_base64;
use proofmark::case::{Fixture, Suite, expect};
use proofmark::wire::{Answer, RawRequest, WireError};

/// A well-formed account number that is nobody's.
const NOBODY: &str = "000000000000";

/// What a request is addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Bucket,
    Object,
}

/// Requests that change nothing: case, operation, method, target, query.
const READS: [(&str, &str, &str, Target, &str); 9] = [
    ("head_bucket", "HeadBucket", "HEAD", Target::Bucket, ""),
    ("list_objects", "ListObjects", "GET", Target::Bucket, ""),
    ("list_objects_v2", "ListObjectsV2", "GET", Target::Bucket, "?list-type=2"),
    ("list_multipart_uploads", "ListMultipartUploads", "GET", Target::Bucket, "?uploads"),
    ("get_bucket_location", "GetBucketLocation", "GET", Target::Bucket, "?location"),
    ("get_bucket_versioning", "GetBucketVersioning", "GET", Target::Bucket, "?versioning"),
    ("get_object", "GetObject", "GET", Target::Object, ""),
    ("head_object", "HeadObject", "HEAD", Target::Object, ""),
    ("create_multipart_upload", "CreateMultipartUpload", "POST", Target::Object, "?uploads"),
];

fn request(fx: &Fixture, operation: &str, method: &str, target: Target, query: &str) -> RawRequest {
    let request = match target {
        Target::Bucket => fx.raw_bucket(operation, method, query),
        Target::Object => fx.raw_object(operation, method, "k", query),
    };
    request.header("x-amz-expected-bucket-owner", NOBODY)
}

fn refused(answer: Result<Answer, WireError>, method: &str) -> proofmark::case::Checked {
    // The answer to HEAD has no body that could carry a code.
    expect::refused(answer, 403, if method == "HEAD" { "" } else { "AccessDenied" })
}

/// The suite.
pub fn suite() -> Suite {
    deletes(writes(reads(Suite::new("owner").source("S3 user guide, Verifying bucket ownership with bucket owner condition"))))
}

fn reads(mut suite: Suite) -> Suite {
    for (case, operation, method, target, query) in READS {
        let rule = format!("{operation} with another account in x-amz-expected-bucket-owner answers 403 AccessDenied.");
        suite = suite
            .extended(&format!("{case}/of_another_owner"), &["BKT-35"], &rule, move |fx| async move {
                fx.put("k", b"x").await?;
                refused(request(&fx, operation, method, target, query).send().await, method)
            })
            .dependents(&["AWS-hardened tools"]);
    }
    suite
}

fn writes(suite: Suite) -> Suite {
    suite
        .extended(
            "put_object/of_another_owner",
            &["BKT-35"],
            "PutObject with another account in x-amz-expected-bucket-owner answers 403 AccessDenied and stores nothing.",
            async |fx| {
                fx.put("k", b"old").await?;
                refused(request(&fx, "PutObject", "PUT", Target::Object, "").body(b"new".to_vec()).send().await, "PUT")?;
                fx.holds("k", b"old").await
            },
        )
        .extended(
            "copy_object/from_another_owner",
            &["BKT-35"],
            "CopyObject with another account in x-amz-source-expected-bucket-owner answers 403 AccessDenied and stores nothing.",
            async |fx| {
                fx.put("k", b"x").await?;
                let copy = fx.raw_object("CopyObject", "PUT", "copy", "").header("x-amz-copy-source", fx.source("k"));
                refused(copy.header("x-amz-source-expected-bucket-owner", NOBODY).send().await, "PUT")?;
                fx.absent("copy").await
            },
        )
        .extended(
            "delete_bucket/of_another_owner",
            &["BKT-35"],
            "DeleteBucket with another account in x-amz-expected-bucket-owner answers 403 AccessDenied and deletes nothing.",
            async |fx| {
                refused(request(&fx, "DeleteBucket", "DELETE", Target::Bucket, "").send().await, "DELETE")?;
                expect::ok(fx.s3().head_bucket().bucket(fx.bucket()).send().await).map(drop)
            },
        )
        .own_bucket()
}

fn deletes(suite: Suite) -> Suite {
    suite
        .rare(
            "delete_object/of_another_owner",
            &["DEL-16", "BKT-35"],
            "DeleteObject with another account in x-amz-expected-bucket-owner answers 403 AccessDenied and deletes nothing.",
            async |fx| {
                fx.put("k", b"kept").await?;
                refused(request(&fx, "DeleteObject", "DELETE", Target::Object, "").send().await, "DELETE")?;
                fx.holds("k", b"kept").await
            },
        )
        .rare(
            "delete_objects/of_another_owner",
            &["DEL-16", "BKT-35"],
            "DeleteObjects with another account in x-amz-expected-bucket-owner answers 403 AccessDenied and deletes nothing.",
            async |fx| {
                fx.put("k", b"kept").await?;
                let body = format!("<Delete><Object><Key>{}</Key></Object></Delete>", fx.key("k"));
                let delete = request(&fx, "DeleteObjects", "POST", Target::Bucket, "?delete").header("Content-MD5", md5_base64(body.as_bytes()));
                refused(delete.body(body).send().await, "POST")?;
                fx.holds("k", b"kept").await
            },
        )
}
