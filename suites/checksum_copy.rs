//! Suite `checksum_copy`: what becomes of a checksum when its object is copied, encrypted or overwritten, and checksums of forms.

use aws_sdk_s3::types::{MetadataDirective, ServerSideEncryption};
use proofmark::case::form::Upload;
use proofmark::case::values::encode_query;
use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::units::Bytes;

use super::checksum::{ALGORITHMS, Algorithm, SHA256, head, put};

/// The suite.
pub fn suite() -> Suite {
    let suite = survival(copies(Suite::new("checksum_copy").source("S3 user guide, Checking object integrity: copies")));
    forms(suite.source("S3 API reference, POST Object"))
}

/// Prepares `k` with this checksum; its value.
async fn summed(fx: &Fixture, algorithm: &Algorithm) -> Checked<String> {
    let body = fx.random_bytes(Bytes(5000));
    let value = (algorithm.compute)(&body);
    fx.set_up("PutObject", put(fx, &body).header(&algorithm.header(), &value).send().await)?;
    Ok(value)
}

fn copies(mut suite: Suite) -> Suite {
    for algorithm in &ALGORITHMS {
        let (name, upper) = (algorithm.name, algorithm.upper());
        let kept = format!("A copy that asks for nothing keeps the source's {upper}.");
        suite = suite.extended(&format!("copy_object/{name}_is_kept"), &["CPY-18", "CKS-21"], &kept, move |fx| async move {
            let value = summed(&fx, algorithm).await?;
            expect::ok(fx.copy_object("k", "to").send().await)?;
            expect::eq(&algorithm.header(), head(&fx, "to").await?.header(&algorithm.header()), Some(value.as_str()))
        });
        suite = suite.needs(&["checksums"]);
        let asked = format!("A copy that asks for {upper} answers it and has it.");
        suite = suite.extended(&format!("copy_object/{name}_is_computed"), &["CPY-18", "CKS-21"], &asked, move |fx| async move {
            let body = fx.random_bytes(Bytes(5000));
            let value = (algorithm.compute)(&body);
            fx.put("from", &body).await?;
            let copy = fx.raw_object("CopyObject", "PUT", "to", "").header("x-amz-copy-source", fx.source("from"));
            let answer = expect::ok(copy.header("x-amz-checksum-algorithm", algorithm.upper()).send().await)?;
            expect::eq(&algorithm.element(), answer.element(&algorithm.element()), Some(value.clone()))?;
            expect::eq(&algorithm.header(), head(&fx, "to").await?.header(&algorithm.header()), Some(value.as_str()))
        });
        suite = suite.needs(&["checksums"]);
    }
    suite
}

fn survival(suite: Suite) -> Suite {
    suite
        .extended(
            "copy_object/checksum_survives_encryption",
            &["CKS-25"],
            "A copy that encrypts keeps the source's checksum: it is that of the plain data.",
            async |fx| {
                let value = summed(&fx, &SHA256).await?;
                expect::ok(fx.copy_object("k", "to").server_side_encryption(ServerSideEncryption::Aes256).send().await)?;
                expect::eq("x-amz-checksum-sha256", head(&fx, "to").await?.header("x-amz-checksum-sha256"), Some(value.as_str()))
            },
        )
        .needs(&["checksums", "encryption"])
        .extended("head_object/checksum_of_old_version", &["CKS-25"], "An old version keeps its checksum when the key is overwritten.", async |fx| {
            fx.enable_versioning().await?;
            let value = (SHA256.compute)(b"first");
            let first = fx.set_up("PutObject", put(&fx, b"first").header("x-amz-checksum-sha256", &value).send().await)?;
            let id = expect::some("x-amz-version-id", first.header("x-amz-version-id"))?.to_owned();
            fx.put("k", b"second").await?;
            let head = fx.raw_object("HeadObject", "HEAD", "k", &format!("?versionId={}", encode_query(&id)));
            let head = expect::ok(head.header("x-amz-checksum-mode", "ENABLED").send().await)?;
            expect::eq("x-amz-checksum-sha256", head.header("x-amz-checksum-sha256"), Some(value.as_str()))
        })
        .own_bucket()
        .needs(&["checksums", "versioning"])
        .extended("copy_object/checksum_of_old_version", &["CKS-25"], "A copy of an old version keeps that version's checksum.", async |fx| {
            fx.enable_versioning().await?;
            let value = (SHA256.compute)(b"first");
            let first = fx.set_up("PutObject", put(&fx, b"first").header("x-amz-checksum-sha256", &value).send().await)?;
            let id = expect::some("x-amz-version-id", first.header("x-amz-version-id"))?.to_owned();
            fx.put("k", b"second").await?;
            let source = format!("{}?versionId={}", fx.source("k"), encode_query(&id));
            expect::ok(fx.copy_object("k", "to").copy_source(source).send().await)?;
            expect::eq("x-amz-checksum-sha256", head(&fx, "to").await?.header("x-amz-checksum-sha256"), Some(value.as_str()))
        })
        .own_bucket()
        .needs(&["checksums", "versioning"])
        .extended("copy_object/checksum_survives_new_metadata", &["CKS-25"], "A copy onto itself with new metadata keeps the checksum.", async |fx| {
            let value = summed(&fx, &SHA256).await?;
            let copy = fx.copy_object("k", "k").metadata_directive(MetadataDirective::Replace).metadata("touched", "yes");
            expect::ok(copy.send().await)?;
            expect::eq("x-amz-checksum-sha256", head(&fx, "k").await?.header("x-amz-checksum-sha256"), Some(value.as_str()))
        })
        .needs(&["checksums"])
}

fn forms(suite: Suite) -> Suite {
    suite
        .rare("post_object/checksum_right", &["CKS-22"], "A form with the right checksum in a field is stored.", async |fx| {
            let value = (SHA256.compute)(b"form");
            let form = Upload::begin(&fx, "k").await?.field("x-amz-checksum-sha256", &value).file(b"form");
            expect::ok(form.send(&fx).await)?;
            fx.holds("k", b"form").await
        })
        .needs(&["post-object", "checksums"])
        .rare("post_object/checksum_wrong", &["CKS-22"], "A form with a wrong checksum in a field answers 400 and stores nothing.", async |fx| {
            let value = (SHA256.compute)(b"another form");
            let form = Upload::begin(&fx, "k").await?.field("x-amz-checksum-sha256", &value).file(b"form");
            expect::refused_as(form.send(&fx).await, &[(400, "")])?;
            fx.absent("k").await
        })
        .needs(&["post-object", "checksums"])
}
