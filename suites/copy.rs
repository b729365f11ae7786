//! Suite `copy`: CopyObject.

use aws_sdk_s3::types::MetadataDirective;
use proofmark::case::values::encode_path;
use proofmark::case::{Suite, expect};
use proofmark::units::Bytes;

/// The suite.
pub fn suite() -> Suite {
    sources(metadata(data(Suite::new("copy").source("S3 API reference, CopyObject"))))
}

fn data(mut suite: Suite) -> Suite {
    for (name, size) in [("same_bucket", Bytes::kib(40)), ("zero_bytes", Bytes(0)), ("sixteen_mib", Bytes::mib(16))] {
        let id = format!("copy_object/{name}");
        suite = suite.core(&id, &["CPY-01"], &format!("A copy of {size} inside a bucket reads back as its source."), move |fx| async move {
            let body = fx.random_bytes(size);
            fx.put("from", &body).await?;
            let copied = expect::ok(fx.copy_object("from", "to").send().await)?;
            expect::some("CopyObjectResult with ETag", copied.copy_object_result().and_then(|result| result.e_tag()))?;
            fx.holds("to", &body).await?;
            fx.holds("from", &body).await
        });
    }
    suite
        .core("copy_object/other_bucket", &["CPY-01"], "A copy into another bucket reads back as its source.", async |fx| {
            let body = fx.random_bytes(Bytes::kib(9));
            fx.put("from", &body).await?;
            let other = fx.other_bucket(1).await?;
            expect::ok(fx.copy_object("from", "to").bucket(&other).key("to").send().await)?;
            let got = expect::ok(fx.s3().get_object().bucket(&other).key("to").send().await)?;
            expect::bytes("body", &fx.collect(got.body).await?, &body)
        })
        .own_bucket()
        .dependents(&["aws-cli", "S3A"])
        .common("copy_object/onto_itself", &["CPY-03"], "A copy onto itself that changes nothing answers 400 InvalidRequest.", async |fx| {
            fx.put("k", b"x").await?;
            expect::error(fx.copy_object("k", "k").send().await, 400, "InvalidRequest")
        })
        .common("copy_object/onto_itself_with_metadata", &["CPY-04"], "A copy onto itself may replace the metadata.", async |fx| {
            fx.put("k", b"x").await?;
            let copy = fx.copy_object("k", "k").metadata_directive(MetadataDirective::Replace).metadata("touched", "yes");
            expect::ok(copy.send().await)?;
            fx.holds("k", b"x").await?;
            let metadata = expect::ok(fx.head_object("k").send().await)?.metadata.unwrap_or_default();
            expect::eq("metadata", metadata.get("touched").map(String::as_str), Some("yes"))
        })
        .dependents(&["rclone"])
}

fn metadata(suite: Suite) -> Suite {
    suite
        .core("copy_object/metadata_is_copied", &["CPY-02"], "By default a copy keeps metadata and content headers.", async |fx| {
            let put = fx.put_object("from").metadata("colour", "red").content_type("text/css").cache_control("no-cache");
            fx.set_up("PutObject", put.body(b"x".to_vec().into()).send().await)?;
            expect::ok(fx.copy_object("from", "to").send().await)?;
            let head = expect::ok(fx.head_object("to").send().await)?;
            expect::eq("metadata", head.metadata().and_then(|metadata| metadata.get("colour")).map(String::as_str), Some("red"))?;
            expect::eq("Content-Type", head.content_type(), Some("text/css"))?;
            expect::eq("Cache-Control", head.cache_control(), Some("no-cache"))
        })
        .core(
            "copy_object/metadata_is_replaced",
            &["CPY-02"],
            "With the directive REPLACE a copy takes metadata and headers of the request.",
            async |fx| {
                let put = fx.put_object("from").metadata("colour", "red").content_type("text/css").body(b"x".to_vec().into()).send().await;
                fx.set_up("PutObject", put)?;
                let copy = fx.copy_object("from", "to").metadata_directive(MetadataDirective::Replace).metadata("shape", "round");
                expect::ok(copy.content_type("text/plain").send().await)?;
                let head = expect::ok(fx.head_object("to").send().await)?;
                let metadata = head.metadata().cloned().unwrap_or_default();
                expect::eq("old metadata", metadata.get("colour"), None::<&String>)?;
                expect::eq("new metadata", metadata.get("shape").map(String::as_str), Some("round"))?;
                expect::eq("Content-Type", head.content_type(), Some("text/plain"))
            },
        )
        .dependents(&["rclone"])
}

fn sources(mut suite: Suite) -> Suite {
    for (name, key) in [("space", "a b"), ("plus", "a+b"), ("percent", "a%41b"), ("question_mark", "a?versionId=b"), ("unicode", "\u{fc}-\u{65e5}")] {
        let id = format!("copy_object/source_with_{name}");
        suite = suite.core(&id, &["CPY-09"], &format!("A percent-encoded source `{key}` is decoded once."), move |fx| async move {
            fx.put(key, b"right").await?;
            expect::ok(fx.copy_object(key, "to").send().await)?;
            fx.holds("to", b"right").await
        });
    }
    suite
        .core("copy_object/source_with_leading_slash", &["CPY-09"], "A source may begin with a slash.", async |fx| {
            fx.put("from", b"right").await?;
            expect::ok(fx.copy_object("from", "to").copy_source(format!("/{}", fx.source("from"))).send().await)?;
            fx.holds("to", b"right").await
        })
        .core("copy_object/source_is_decoded_once", &["CPY-10"], "A source is not decoded twice: `%2541` is `%41`, never `A`.", async |fx| {
            fx.put("A", b"secret").await?;
            let source = format!("{}/{}%2541", fx.bucket(), encode_path(fx.prefix()));
            expect::refused(fx.copy_object("A", "to").copy_source(source).send().await, 404, "NoSuchKey")?;
            fx.absent("to").await
        })
        .core("copy_object/missing_key", &["CPY-07"], "A copy of an absent key answers 404 NoSuchKey.", async |fx| {
            expect::error(fx.copy_object("absent", "to").send().await, 404, "NoSuchKey")
        })
        .core("copy_object/missing_bucket", &["CPY-07"], "A copy from a bucket that does not exist answers 404 NoSuchBucket.", async |fx| {
            let copy = fx.copy_object("from", "to").copy_source(format!("{}/from", fx.missing_bucket()));
            expect::error(copy.send().await, 404, "NoSuchBucket")
        })
        .core(
            "copy_object/source_of_another_account",
            &["CPY-08"],
            "A copy of an object that the caller may not read answers 403 AccessDenied.",
            async |fx| {
                fx.put("from", b"private").await?;
                let copy = fx.alt()?.copy_object().bucket(fx.bucket()).key(fx.key("to")).copy_source(fx.source("from"));
                expect::refused(copy.send().await, 403, "AccessDenied")?;
                fx.absent("to").await
            },
        )
        .needs_alt()
}
