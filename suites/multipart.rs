//! Suite `multipart`: uploads in parts.

use aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder;
use aws_sdk_s3::types::CompletedPart;
use proofmark::case::values::{completed, encode_query, multipart_etag};
use proofmark::case::{Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::units::Bytes;

/// The smallest part that is not the last one.
pub(super) const PART: Bytes = Bytes::mib(5);

pub(super) fn complete(fx: &Fixture, id: &str, parts: impl IntoIterator<Item = CompletedPart>) -> CompleteMultipartUploadFluentBuilder {
    fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id).multipart_upload(completed(parts))
}

pub(super) fn part(number: i32, etag: &str) -> CompletedPart {
    CompletedPart::builder().part_number(number).e_tag(etag).build()
}

/// The suite.
pub fn suite() -> Suite {
    copies(endings(wrong_completions(wrong(joining(parts(starting(Suite::new("multipart").source("S3 user guide, Multipart upload"))))))))
}

fn starting(suite: Suite) -> Suite {
    suite
        .core(
            "create_multipart_upload/unique_ids",
            &["MPU-01"],
            "Each CreateMultipartUpload answers its bucket, its key and another, non-empty upload id.",
            async |fx| {
                let create = || fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).send();
                let (first, second) = (expect::ok(create().await)?, expect::ok(create().await)?.upload_id);
                expect::eq("Bucket", first.bucket(), Some(fx.bucket())).class(WrongCode)?;
                expect::eq("Key", first.key(), Some(fx.key("k").as_str())).class(WrongCode)?;
                let first = first.upload_id;
                expect::that("UploadId", first.as_deref().is_some_and(|id| !id.is_empty()), "not empty", &first)?;
                expect::that("two upload ids", first != second, "different", (&first, &second))
            },
        )
        .core(
            "create_multipart_upload/missing_bucket",
            &["MPU-02"],
            "CreateMultipartUpload in a bucket that does not exist answers 404 NoSuchBucket.",
            async |fx| {
                let create = fx.s3().create_multipart_upload().bucket(fx.missing_bucket()).key("k").send().await;
                expect::error(create, 404, "NoSuchBucket")
            },
        )
        .core(
            "create_multipart_upload/metadata",
            &["MPU-03"],
            "Metadata and content headers given at the start are the finished object's.",
            async |fx| {
                let create = fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).metadata("colour", "red");
                let created = expect::ok(create.content_type("video/mp4").cache_control("no-cache").send().await)?;
                let id = created.upload_id.unwrap_or_default();
                let one = fx.upload_part("k", &id, 1, b"x").await?;
                fx.set_up("CompleteMultipartUpload", complete(&fx, &id, [one]).send().await)?;
                let head = expect::ok(fx.head_object("k").send().await)?;
                expect::eq("metadata", head.metadata().and_then(|metadata| metadata.get("colour")).map(String::as_str), Some("red"))?;
                expect::eq("Content-Type", head.content_type(), Some("video/mp4"))?;
                expect::eq("Cache-Control", head.cache_control(), Some("no-cache"))
            },
        )
}

fn parts(suite: Suite) -> Suite {
    suite
        .core(
            "upload_part/etag_is_stable",
            &["MPU-04"],
            "UploadPart answers a quoted ETag that ListParts repeats; part 10000 is accepted.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                let upload = fx.s3().upload_part().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id);
                let uploaded = expect::ok(upload.part_number(10_000).body(b"last".to_vec().into()).send().await)?;
                let etag = expect::some("ETag", uploaded.e_tag)?;
                expect::that("ETag", etag.starts_with('"') && etag.ends_with('"'), "quoted", &etag)?;
                let listed = expect::ok(fx.s3().list_parts().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).send().await)?;
                let shown: Vec<_> = listed.parts().iter().map(|part| (part.part_number(), part.e_tag().map(str::to_owned))).collect();
                expect::eq("parts", shown, vec![(Some(10_000), Some(etag))])
            },
        )
        .core("upload_part/reupload_replaces", &["MPU-08"], "A part that is uploaded again replaces the first.", async |fx| {
            let id = fx.start_upload("k").await?;
            fx.upload_part("k", &id, 1, b"first").await?;
            let second = fx.upload_part("k", &id, 1, b"second").await?;
            expect::ok(complete(&fx, &id, [second]).send().await)?;
            fx.holds("k", b"second").await
        })
        .core(
            "upload_part/repeated_part_is_stored_once",
            &["MPU-42"],
            "A part that is sent twice with the same bytes is in the object once.",
            async |fx| {
                let (first, second) = (fx.random_bytes(PART), fx.random_bytes(Bytes(1000)));
                let id = fx.start_upload("k").await?;
                fx.upload_part("k", &id, 1, &first).await?;
                let parts = [fx.upload_part("k", &id, 1, &first).await?, fx.upload_part("k", &id, 2, &second).await?];
                fx.set_up("CompleteMultipartUpload", complete(&fx, &id, parts).send().await)?;
                fx.holds("k", &[first, second].concat()).await
            },
        )
        .core("upload_part/out_of_order_and_parallel", &["MPU-09"], "Parts that arrive in any order are joined by their numbers.", async |fx| {
            let bodies = [fx.random_bytes(PART), fx.random_bytes(PART), fx.random_bytes(Bytes(1234))];
            let id = fx.start_upload("k").await?;
            let (third, second, first) = tokio::join!(
                fx.upload_part("k", &id, 3, &bodies[2]),
                fx.upload_part("k", &id, 2, &bodies[1]),
                fx.upload_part("k", &id, 1, &bodies[0])
            );
            fx.set_up("CompleteMultipartUpload", complete(&fx, &id, [first?, second?, third?]).send().await)?;
            fx.holds("k", &bodies.concat()).await
        })
}

fn joining(suite: Suite) -> Suite {
    suite
        .core("upload_part/unequal_sizes", &["MPU-17"], "Parts may have different sizes.", async |fx| {
            let bodies = [fx.random_bytes(Bytes::mib(6)), fx.random_bytes(PART), fx.random_bytes(Bytes(1))];
            let id = fx.start_upload("k").await?;
            let mut parts = Vec::new();
            for (body, number) in bodies.iter().zip(1..) {
                parts.push(fx.upload_part("k", &id, number, body).await?);
            }
            expect::ok(complete(&fx, &id, parts).send().await)?;
            fx.holds("k", &bodies.concat()).await
        })
        .source("S3 API reference, UploadPart and CompleteMultipartUpload")
        .core(
            "complete_multipart_upload/etag",
            &["MPU-10"],
            "A completion answers the MD5 of the parts' MD5s and their number as ETag.",
            async |fx| {
                let (first, second) = (fx.random_bytes(PART), fx.random_bytes(Bytes(99)));
                let id = fx.start_upload("k").await?;
                let parts = [fx.upload_part("k", &id, 1, &first).await?, fx.upload_part("k", &id, 2, &second).await?];
                let done = expect::ok(complete(&fx, &id, parts).send().await)?;
                expect::eq("ETag", done.e_tag(), Some(multipart_etag(&[&first, &second]).as_str()))?;
                expect::some("Location", done.location())?;
                fx.holds("k", &[first, second].concat()).await
            },
        )
        .common(
            "complete_multipart_upload/subset_of_parts",
            &["MPU-11"],
            "Only the listed parts are in the object; numbers may have gaps.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                fx.upload_part("k", &id, 1, b"unused").await?;
                let seventh = fx.upload_part("k", &id, 7, b"used").await?;
                expect::ok(complete(&fx, &id, [seventh]).send().await)?;
                fx.holds("k", b"used").await
            },
        )
}

fn wrong(mut suite: Suite) -> Suite {
    for (name, number) in [("zero", 0), ("10001", 10_001)] {
        let id = format!("upload_part/number_{name}");
        suite = suite.common(&id, &["MPU-05"], &format!("Part number {number} answers 400 InvalidArgument."), move |fx| async move {
            let id = fx.start_upload("k").await?;
            let upload = fx.s3().upload_part().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
            expect::error(upload.part_number(number).body(b"x".to_vec().into()).send().await, 400, "InvalidArgument")
        });
    }
    suite
        .core("upload_part/unknown_upload", &["MPU-06"], "A part of an upload id that was aborted answers 404 NoSuchUpload.", async |fx| {
            let id = fx.start_upload("k").await?;
            let abort = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).send().await;
            fx.set_up("AbortMultipartUpload", abort)?;
            let upload = fx.s3().upload_part().bucket(fx.bucket()).key(fx.key("k")).upload_id(id).part_number(1);
            expect::error(upload.body(b"x".to_vec().into()).send().await, 404, "NoSuchUpload")
        })
        .core("upload_part/upload_of_another_key", &["MPU-06"], "A part under another key than the upload's answers 404 NoSuchUpload.", async |fx| {
            let id = fx.start_upload("k").await?;
            let upload = fx.s3().upload_part().bucket(fx.bucket()).key(fx.key("other")).upload_id(id).part_number(1);
            expect::error(upload.body(b"x".to_vec().into()).send().await, 404, "NoSuchUpload")
        })
}

fn wrong_completions(suite: Suite) -> Suite {
    suite
        .core(
            "complete_multipart_upload/missing_part",
            &["MPU-13"],
            "A completion that lists a part that was never uploaded answers 400 InvalidPart.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                let first = fx.upload_part("k", &id, 1, b"x").await?;
                let ghost = part(2, first.e_tag().unwrap_or_default());
                expect::refused(complete(&fx, &id, [ghost]).send().await, 400, "InvalidPart")?;
                fx.absent("k").await
            },
        )
        .core(
            "complete_multipart_upload/wrong_etag",
            &["MPU-13"],
            "A completion with another ETag than the part's answers 400 InvalidPart.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                fx.upload_part("k", &id, 1, b"x").await?;
                let wrong = part(1, "\"00000000000000000000000000000000\"");
                expect::refused(complete(&fx, &id, [wrong]).send().await, 400, "InvalidPart")?;
                fx.absent("k").await
            },
        )
        .common(
            "complete_multipart_upload/wrong_order",
            &["MPU-12"],
            "A completion that lists its parts out of order answers 400 InvalidPartOrder.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                let first = fx.upload_part("k", &id, 1, &fx.random_bytes(PART)).await?;
                let second = fx.upload_part("k", &id, 2, &fx.random_bytes(PART)).await?;
                expect::refused(complete(&fx, &id, [second, first]).send().await, 400, "InvalidPartOrder")
            },
        )
        .common(
            "complete_multipart_upload/small_part",
            &["MPU-16"],
            "A part below 5 MiB that is not the last answers 400 EntityTooSmall.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                let parts = [fx.upload_part("k", &id, 1, b"small").await?, fx.upload_part("k", &id, 2, b"last").await?];
                expect::error(complete(&fx, &id, parts).send().await, 400, "EntityTooSmall")
            },
        )
        .core("complete_multipart_upload/unknown_upload", &["MPU-19"], "A completion of an unknown upload answers 404 NoSuchUpload.", async |fx| {
            let id = fx.start_upload("k").await?;
            let first = fx.upload_part("k", &id, 1, b"x").await?;
            let abort = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).send().await;
            fx.set_up("AbortMultipartUpload", abort)?;
            expect::error(complete(&fx, &id, [first]).send().await, 404, "NoSuchUpload")
        })
}

fn endings(suite: Suite) -> Suite {
    suite
        .core(
            "complete_multipart_upload/overwrites_atomically",
            &["MPU-21"],
            "While a completion overwrites an object, readers see the old or the new one whole.",
            async |fx| {
                let (old, new) = (fx.random_bytes(Bytes::kib(64)), fx.random_bytes(PART));
                fx.put("k", &old).await?;
                let id = fx.start_upload("k").await?;
                let one = fx.upload_part("k", &id, 1, &new).await?;
                let completion = tokio::spawn(complete(&fx, &id, [one]).send());
                while !completion.is_finished() {
                    let seen = fx.get("k").await?;
                    expect::bytes("body during the completion", &seen, if seen.len() == old.len() { &old } else { &new })?;
                }
                let Ok(completed) = completion.await else { return expect::unresolved("harness: the completion panicked") };
                expect::ok(completed)?;
                fx.holds("k", &new).await
            },
        )
        .common("complete_multipart_upload/repeated", &["MPU-20"], "A completion that is repeated answers the same ETag.", async |fx| {
            let id = fx.start_upload("k").await?;
            let one = fx.upload_part("k", &id, 1, b"x").await?;
            let first = expect::ok(complete(&fx, &id, [one.clone()]).send().await)?;
            let second = expect::ok(complete(&fx, &id, [one]).send().await)?;
            expect::eq("ETag", second.e_tag(), first.e_tag())
        })
        .core("abort_multipart_upload/parts_are_gone", &["MPU-25"], "An abort answers 204, and ListParts 404 NoSuchUpload afterwards.", async |fx| {
            let id = fx.start_upload("k").await?;
            fx.upload_part("k", &id, 1, b"x").await?;
            let query = format!("?uploadId={}", encode_query(&id));
            let aborted = expect::ok(fx.raw_object("AbortMultipartUpload", "DELETE", "k", &query).send().await)?;
            expect::eq("status", aborted.status, 204).class(WrongCode)?;
            expect::error(fx.s3().list_parts().bucket(fx.bucket()).key(fx.key("k")).upload_id(id).send().await, 404, "NoSuchUpload")?;
            fx.absent("k").await
        })
        .common("abort_multipart_upload/unknown_upload", &["MPU-26"], "An abort of an unknown upload answers 404 NoSuchUpload.", async |fx| {
            let id = fx.start_upload("k").await?;
            let abort = || fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).send();
            fx.set_up("AbortMultipartUpload", abort().await)?;
            expect::error(abort().await, 404, "NoSuchUpload")
        })
        .common("list_multipart_uploads/shows_new_upload", &["MPU-30"], "ListMultipartUploads shows an upload at once.", async |fx| {
            let id = fx.start_upload("k").await?;
            let listed = expect::ok(fx.s3().list_multipart_uploads().bucket(fx.bucket()).prefix(fx.key("k")).send().await)?;
            let ids: Vec<&str> = listed.uploads().iter().filter_map(|upload| upload.upload_id()).collect();
            expect::eq("upload ids", ids, vec![id.as_str()])
        })
}

fn copies(suite: Suite) -> Suite {
    suite
        .core("upload_part_copy/whole_source", &["MPU-34"], "UploadPartCopy takes a whole object as a part.", async |fx| {
            let body = fx.random_bytes(Bytes::kib(30));
            fx.put("from", &body).await?;
            let id = fx.start_upload("k").await?;
            let copy = fx.s3().upload_part_copy().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).part_number(1);
            let copied = expect::ok(copy.copy_source(fx.source("from")).send().await)?;
            let etag = expect::some("CopyPartResult", copied.copy_part_result.and_then(|result| result.e_tag))?;
            expect::ok(complete(&fx, &id, [part(1, &etag)]).send().await)?;
            fx.holds("k", &body).await
        })
        .core("upload_part_copy/byte_range", &["MPU-34"], "UploadPartCopy takes a byte range of an object as a part.", async |fx| {
            let body = fx.random_bytes(Bytes::mib(6));
            fx.put("from", &body).await?;
            let id = fx.start_upload("k").await?;
            let mut parts = Vec::new();
            for (number, range) in [(1, format!("bytes=0-{}", PART.0 - 1)), (2, format!("bytes={}-{}", PART.0, body.len() - 1))] {
                let copy = fx.s3().upload_part_copy().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).part_number(number);
                let copied = expect::ok(copy.copy_source(fx.source("from")).copy_source_range(range).send().await)?;
                parts.push(part(number, &expect::some("CopyPartResult", copied.copy_part_result.and_then(|result| result.e_tag))?));
            }
            expect::ok(complete(&fx, &id, parts).send().await)?;
            fx.holds("k", &body).await
        })
        .dependents(&["S3A", "object_store"])
}
