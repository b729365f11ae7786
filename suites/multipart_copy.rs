//! Suite `multipart_copy`: parts that are copied from objects. Sent with Content-Length, as most SDKs do: some servers insist on it.

use proofmark::case::values::encode_query;
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, expect};
use proofmark::wire::RawRequest;

use super::copy_condition::{CONDITIONS, conditional, outcome, rule};
use super::copy_source::{MALFORMED, refused_source};
use super::multipart::{complete, part};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("multipart_copy").source("S3 API reference, UploadPartCopy");
    characters(malformed(conditions(ranges(others(sources(suite))))))
}

/// A copy into part 1 of the upload of `k`, without its source.
fn copy(fx: &Fixture, id: &str) -> RawRequest {
    fx.raw_object("UploadPartCopy", "PUT", "k", &format!("?partNumber=1&uploadId={}", encode_query(id)))
}

/// Claims that the copy was made and that the finished object has this data.
async fn taken<A>(fx: &Fixture, id: &str, answer: A, data: &[u8]) -> Checked
where
    A: Answer<Value = proofmark::wire::Answer>,
{
    let etag = expect::some("ETag in CopyPartResult", expect::ok(answer)?.element("ETag"))?;
    fx.set_up("CompleteMultipartUpload", complete(fx, id, [part(1, &etag)]).send().await)?;
    fx.holds("k", data).await
}

/// Claims that the upload has no part.
async fn no_part(fx: &Fixture, id: &str) -> Checked {
    let listed = expect::ok(fx.s3().list_parts().bucket(fx.bucket()).key(fx.key("k")).upload_id(id).send().await)?;
    expect::eq("parts", listed.parts().len(), 0)
}

fn sources(suite: Suite) -> Suite {
    suite
        .common("upload_part_copy/source_version", &["MPU-37"], "UploadPartCopy of a version takes that version's data.", async |fx| {
            fx.enable_versioning().await?;
            let first = fx.set_up("PutObject", fx.put_object("from").body(b"first".to_vec().into()).send().await)?;
            let version = expect::some("x-amz-version-id", first.version_id)?;
            fx.put("from", b"second").await?;
            let id = fx.start_upload("k").await?;
            let source = format!("{}?versionId={}", fx.source("from"), encode_query(&version));
            let copied = copy(&fx, &id).header("x-amz-copy-source", source).send().await;
            taken(&fx, &id, copied, b"first").await
        })
        .versioned()
        .common("upload_part_copy/other_bucket", &["MPU-37"], "UploadPartCopy takes its source from another bucket.", async |fx| {
            let other = fx.other_bucket(1).await?;
            let put = fx.s3().put_object().bucket(&other).key("from").body(b"elsewhere".to_vec().into()).send().await;
            fx.set_up("PutObject", put)?;
            let id = fx.start_upload("k").await?;
            let copied = copy(&fx, &id).header("x-amz-copy-source", format!("{other}/from")).send().await;
            taken(&fx, &id, copied, b"elsewhere").await
        })
        .own_bucket()
        .common("upload_part_copy/missing_key", &["MPU-37"], "UploadPartCopy of an absent key answers 404 NoSuchKey.", async |fx| {
            let id = fx.start_upload("k").await?;
            let copied = copy(&fx, &id).header("x-amz-copy-source", fx.source("absent")).send().await;
            expect::error(copied, 404, "NoSuchKey")?;
            no_part(&fx, &id).await
        })
        .common(
            "upload_part_copy/missing_bucket",
            &["MPU-37"],
            "UploadPartCopy from a bucket that does not exist answers 404 NoSuchBucket.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                let copied = copy(&fx, &id).header("x-amz-copy-source", format!("{}/from", fx.missing_bucket())).send().await;
                expect::error(copied, 404, "NoSuchBucket")?;
                no_part(&fx, &id).await
            },
        )
        .core(
            "upload_part_copy/with_content_length",
            &["MPU-34"],
            "UploadPartCopy with Content-Length: 0 takes a whole object as a part.",
            async |fx| {
                fx.put("from", b"whole").await?;
                let id = fx.start_upload("k").await?;
                let copied = copy(&fx, &id).header("x-amz-copy-source", fx.source("from")).send().await;
                taken(&fx, &id, copied, b"whole").await
            },
        )
}

fn others(mut suite: Suite) -> Suite {
    for (name, range) in [("end", "bytes=5-10"), ("start", "bytes=10-12")] {
        let rule = format!("UploadPartCopy of {range} of a source of 10 bytes answers 400 InvalidArgument, or 400 or 416 InvalidRange.");
        suite = suite.extended(&format!("upload_part_copy/range_{name}_beyond_source"), &["MPU-35"], &rule, move |fx| async move {
            fx.put("from", b"0123456789").await?;
            let id = fx.start_upload("k").await?;
            let copied = copy(&fx, &id).header("x-amz-copy-source", fx.source("from")).header("x-amz-copy-source-range", range).send().await;
            match copied.settle() {
                Err(Refusal::Answered { status: status @ (400 | 416), code }) if code == "InvalidRange" => {
                    no_part(&fx, &id).await?;
                    expect::variant(format!("{status} InvalidRange"))
                }
                other => {
                    expect::error(other, 400, "InvalidArgument")?;
                    no_part(&fx, &id).await
                }
            }
        });
    }
    suite
}

fn ranges(mut suite: Suite) -> Suite {
    let table = [
        ("without_unit", "0-4"),
        ("reversed", "bytes=4-0"),
        ("open_ended", "bytes=4-"),
        ("suffix", "bytes=-4"),
        ("several", "bytes=0-1,4-5"),
        ("text", "bytes=a-b"),
        ("other_unit", "octets=0-4"),
    ];
    for (name, range) in table {
        let rule = format!("UploadPartCopy with the range `{range}` answers 400 InvalidArgument and copies nothing.");
        suite = suite.extended(&format!("upload_part_copy/range_{name}"), &["MPU-36"], &rule, move |fx| async move {
            fx.put("from", b"0123456789").await?;
            let id = fx.start_upload("k").await?;
            let copied = copy(&fx, &id).header("x-amz-copy-source", fx.source("from")).header("x-amz-copy-source-range", range).send().await;
            expect::error(copied, 400, "InvalidArgument")?;
            no_part(&fx, &id).await
        });
    }
    suite
}

fn conditions(mut suite: Suite) -> Suite {
    for condition in &CONDITIONS {
        let id = format!("upload_part_copy/{}", condition.0);
        suite = suite.rare(&id, &["MPU-38"], &rule("UploadPartCopy", condition), move |fx| async move {
            fx.put("from", b"data").await?;
            let id = fx.start_upload("k").await?;
            let answer = conditional(&fx, copy(&fx, &id), condition).await?.send().await;
            if condition.2 {
                return taken(&fx, &id, answer, b"data").await;
            }
            outcome(answer, false)?;
            no_part(&fx, &id).await
        });
    }
    suite
}

/// Last, because there is a server that does not outlive a source whose key is empty once it was decoded twice.
fn characters(mut suite: Suite) -> Suite {
    for (name, key) in [
        ("space", "a b"),
        ("plus", "a+b"),
        ("percent", "a%41b"),
        ("lone_percent", "100%"),
        ("question_mark", "a?versionId=b"),
        ("unicode", "\u{fc}-\u{65e5}"),
    ] {
        let rule = format!("UploadPartCopy takes the percent-encoded source `{key}`.");
        suite = suite.common(&format!("upload_part_copy/source_with_{name}"), &["MPU-37"], &rule, move |fx| async move {
            fx.put(key, b"right").await?;
            let id = fx.start_upload("k").await?;
            let copied = copy(&fx, &id).header("x-amz-copy-source", fx.source(key)).send().await;
            taken(&fx, &id, copied, b"right").await
        });
    }
    suite
        .common(
            "upload_part_copy/source_percent_alone",
            &["MPU-37"],
            "UploadPartCopy takes the percent-encoded source `%` at the root of a bucket.",
            async |fx| {
                fx.put("%", b"right").await?;
                let id = fx.start_upload("k").await?;
                let copied = copy(&fx, &id).header("x-amz-copy-source", fx.source("%")).send().await;
                taken(&fx, &id, copied, b"right").await
            },
        )
        .own_bucket()
}

fn malformed(mut suite: Suite) -> Suite {
    for (name, source) in MALFORMED {
        let rule = format!("UploadPartCopy of the source `{}` answers 400 InvalidArgument and copies nothing.", source.replace("{}", "bucket"));
        suite = suite.extended(&format!("upload_part_copy/source_{name}"), &["CPY-11"], &rule, move |fx| async move {
            let id = fx.start_upload("k").await?;
            let copied = copy(&fx, &id).header("x-amz-copy-source", source.replace("{}", fx.bucket())).send().await;
            let refused = refused_source(copied);
            no_part(&fx, &id).await?;
            refused
        });
    }
    suite
}
