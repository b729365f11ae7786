//! Suite `copy`: CopyObject.

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, MetadataDirective, ServerSideEncryption, StorageClass, TaggingDirective};
use proofmark::case::values::{encode_path, sha256_base64};
use proofmark::case::{Answer, Checked, Finding, Fixture, Refusal, Suite, expect};
use proofmark::model::Impact;
use proofmark::units::Bytes;

/// The suite.
pub fn suite() -> Suite {
    applied(directives(sources(metadata(data(Suite::new("copy").source("S3 API reference, CopyObject"))))))
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
    let suite = suite
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
        .dependents(&["rclone"]);
    onto_itself(suite)
}

fn onto_itself(suite: Suite) -> Suite {
    suite
        .common("copy_object/onto_itself_with_storage_class", &["CPY-04"], "A copy onto itself may change the storage class.", async |fx| {
            fx.put("k", b"x").await?;
            let copy = fx.copy_object("k", "k").storage_class(StorageClass::ReducedRedundancy).send().await.settle();
            // Not every server has this class; "nothing would change" is another refusal.
            if let Err(refusal @ Refusal::Answered { code, .. }) = &copy
                && ["InvalidStorageClass", "InvalidArgument"].contains(&code.as_str())
            {
                return Err(Finding::Unsupported(refusal.describe()));
            }
            expect::ok(copy)?;
            fx.holds("k", b"x").await?;
            expect::eq("x-amz-storage-class", expect::ok(fx.head_object("k").send().await)?.storage_class(), Some(&StorageClass::ReducedRedundancy))
        })
        .dependents(&["rclone"])
        .common("copy_object/onto_itself_with_encryption", &["CPY-04"], "A copy onto itself may change the encryption.", async |fx| {
            fx.put("k", b"x").await?;
            let copied = expect::ok(fx.copy_object("k", "k").server_side_encryption(ServerSideEncryption::Aes256).send().await)?;
            expect::eq("x-amz-server-side-encryption", copied.server_side_encryption(), Some(&ServerSideEncryption::Aes256))?;
            fx.holds("k", b"x").await
        })
        .needs(&["encryption"])
        .common("copy_object/onto_itself_with_checksum", &["CPY-04"], "A copy onto itself may ask for another checksum.", async |fx| {
            fx.put("k", b"x").await?;
            expect::ok(fx.copy_object("k", "k").checksum_algorithm(ChecksumAlgorithm::Sha256).send().await)?;
            let head = expect::ok(fx.head_object("k").checksum_mode(ChecksumMode::Enabled).send().await)?;
            expect::eq("x-amz-checksum-sha256", head.checksum_sha256(), Some(sha256_base64(b"x").as_str()))
        })
        .needs(&["checksums"])
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

/// The tags of `to`, sorted.
async fn tags(fx: &Fixture) -> Checked<Vec<(String, String)>> {
    let got = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("to")).send().await)?;
    let mut tags: Vec<_> = got.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
    tags.sort();
    Ok(tags)
}

async fn tagged(fx: &Fixture) -> Checked {
    let put = fx.put_object("from").tagging("team=storage").body(b"x".to_vec().into()).send().await;
    fx.set_up("PutObject with tags", put).map(drop)
}

fn directives(mut suite: Suite) -> Suite {
    for (name, header) in [("metadata", "x-amz-metadata-directive"), ("tagging", "x-amz-tagging-directive")] {
        let rule = format!("A copy with an unknown {header} answers 400 InvalidArgument.");
        suite = suite.extended(&format!("copy_object/invalid_{name}_directive"), &["CPY-05"], &rule, move |fx| async move {
            fx.put("from", b"x").await?;
            let copy = fx.raw_object("CopyObject", "PUT", "to", "").header("x-amz-copy-source", fx.source("from")).header(header, "MERGE");
            expect::error(copy.send().await, 400, "InvalidArgument")?;
            fx.absent("to").await
        });
    }
    suite
        .extended("copy_object/tags_are_copied", &["CPY-06"], "By default a copy keeps the tags.", async |fx| {
            tagged(&fx).await?;
            expect::ok(fx.copy_object("from", "to").send().await)?;
            expect::eq("tags", tags(&fx).await?, vec![("team".to_owned(), "storage".to_owned())])
        })
        .needs(&["tagging"])
        .extended("copy_object/tags_are_copied_on_demand", &["CPY-06"], "With the tagging directive COPY a copy keeps the tags.", async |fx| {
            tagged(&fx).await?;
            expect::ok(fx.copy_object("from", "to").tagging_directive(TaggingDirective::Copy).send().await)?;
            expect::eq("tags", tags(&fx).await?, vec![("team".to_owned(), "storage".to_owned())])
        })
        .needs(&["tagging"])
        .extended(
            "copy_object/tags_are_replaced",
            &["CPY-06"],
            "With the tagging directive REPLACE a copy takes the tags of the request.",
            async |fx| {
                tagged(&fx).await?;
                expect::ok(fx.copy_object("from", "to").tagging_directive(TaggingDirective::Replace).tagging("tier=hot").send().await)?;
                expect::eq("tags", tags(&fx).await?, vec![("tier".to_owned(), "hot".to_owned())])
            },
        )
        .needs(&["tagging"])
        .extended("copy_object/tags_are_removed", &["CPY-06"], "With the tagging directive REPLACE and no tags a copy has none.", async |fx| {
            tagged(&fx).await?;
            expect::ok(fx.copy_object("from", "to").tagging_directive(TaggingDirective::Replace).send().await)?;
            expect::eq("tags", tags(&fx).await?, Vec::new())
        })
        .needs(&["tagging"])
}

/// Everybody, as an ACL names them.
const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";

fn applied(mut suite: Suite) -> Suite {
    for (name, header, value) in
        [("canned_acl", "x-amz-acl", "public-read"), ("grant", "x-amz-grant-read", r#"uri="http://acs.amazonaws.com/groups/global/AllUsers""#)]
    {
        let rule = format!("A copy with {header} gives the new object that access, not the source's.");
        suite = suite
            .rare(&format!("copy_object/{name}_is_applied"), &["CPY-15"], &rule, move |fx| async move {
                // Where ownership controls exist, ACLs are off until they are switched on; elsewhere there is nothing to switch.
                let ownership = fx.raw_bucket("PutBucketOwnershipControls", "PUT", "?ownershipControls").header("Content-Type", "application/xml");
                let rule = "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>";
                ownership.body(rule).send().await.ok();
                fx.put("from", b"x").await?;
                let copy = fx.raw_object("CopyObject", "PUT", "to", "").header("x-amz-copy-source", fx.source("from")).header(header, value);
                expect::ok(copy.send().await)?;
                let acl = expect::ok(fx.s3().get_object_acl().bucket(fx.bucket()).key(fx.key("to")).send().await)?;
                let uris: Vec<_> = acl.grants().iter().filter_map(|grant| grant.grantee().and_then(|grantee| grantee.uri())).collect();
                expect::eq("groups with a grant", uris, vec![EVERYBODY])
            })
            .own_bucket()
            .needs(&["acl"])
            .impact(Impact::Public);
    }
    suite
}
