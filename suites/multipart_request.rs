//! Suite `multipart_request`: requests of an upload that are wrong in some way, and answers as they stand on the wire.

use proofmark::case::values::{encode_query, well_formed};
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::units::Bytes;

use super::multipart::{PART, complete, part};
use super::multipart_size::{completion, raw_completion};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("multipart_request").source("S3 API reference, UploadPart");
    let suite = bodies(ids(numbers(suite)).source("S3 API reference, CompleteMultipartUpload"));
    lists(answers(sizes(suite))).source("S3 API reference, AbortMultipartUpload")
}

fn numbers(mut suite: Suite) -> Suite {
    for (name, number) in [("minus_one", "-1"), ("text", "one"), ("empty", ""), ("above_32_bits", "4294967297")] {
        let rule = format!("Part number {number:?} answers 400 InvalidArgument.");
        suite = suite.common(&format!("upload_part/number_{name}"), &["MPU-05"], &rule, move |fx| async move {
            let id = fx.start_upload("k").await?;
            let query = format!("?partNumber={number}&uploadId={}", encode_query(&id));
            expect::error(fx.raw_object("UploadPart", "PUT", "k", &query).body(b"x").send().await, 400, "InvalidArgument")
        });
    }
    for (name, query) in [("part_number_without_upload", "?partNumber=1"), ("upload_without_part_number", "?uploadId=")] {
        let rule = format!("A PUT with {} alone answers 400 InvalidArgument and writes no object.", query.trim_matches(['?', '=']));
        suite = suite.common(&format!("put_object/{name}"), &["MPU-07"], &rule, move |fx| async move {
            let id = fx.start_upload("k").await?;
            let query = if query.ends_with('=') { format!("{query}{}", encode_query(&id)) } else { query.to_owned() };
            let put = fx.raw_object("PutObject", "PUT", "k", &query).body(b"a part, not an object").send().await;
            // An object that nobody asked for weighs more than a code.
            fx.absent("k").await?;
            expect::error(put, 400, "InvalidArgument")
        });
    }
    suite
}

fn ids(suite: Suite) -> Suite {
    suite
        .core("upload_part/completed_upload", &["MPU-06"], "A part of an upload that was completed answers 404 NoSuchUpload.", async |fx| {
            let id = fx.start_upload("k").await?;
            let one = fx.upload_part("k", &id, 1, b"whole").await?;
            fx.set_up("CompleteMultipartUpload", complete(&fx, &id, [one]).send().await)?;
            let upload = fx.s3().upload_part().bucket(fx.bucket()).key(fx.key("k")).upload_id(id).part_number(2);
            expect::error(upload.body(b"late".to_vec().into()).send().await, 404, "NoSuchUpload")?;
            fx.holds("k", b"whole").await
        })
        .dependents(&["Elasticsearch"])
        .core("upload_part/made_up_upload", &["MPU-06"], "A part of an upload id that was never given answers 404 NoSuchUpload.", async |fx| {
            let upload = fx.s3().upload_part().bucket(fx.bucket()).key(fx.key("k")).upload_id("made-up").part_number(1);
            expect::error(upload.body(b"x".to_vec().into()).send().await, 404, "NoSuchUpload")?;
            fx.absent("k").await
        })
        .source("S3 API reference, AbortMultipartUpload")
        .common(
            "abort_multipart_upload/upload_of_another_key",
            &["MPU-26"],
            "An abort under another key answers 404 NoSuchUpload and leaves the upload alone.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                let one = fx.upload_part("k", &id, 1, b"x").await?;
                let abort = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("other")).upload_id(&id).send().await;
                expect::error(abort, 404, "NoSuchUpload")?;
                expect::ok(complete(&fx, &id, [one]).send().await)?;
                fx.holds("k", b"x").await
            },
        )
        .common(
            "abort_multipart_upload/made_up_upload",
            &["MPU-26"],
            "An abort of an upload id that was never given answers 404 NoSuchUpload.",
            async |fx| {
                let abort = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id("made-up").send().await;
                expect::error(abort, 404, "NoSuchUpload")
            },
        )
}

/// An upload with one part; id and ETag.
async fn started(fx: &Fixture) -> Checked<(String, String)> {
    let id = fx.start_upload("k").await?;
    let etag = fx.upload_part("k", &id, 1, b"x").await?.e_tag().unwrap_or_default().to_owned();
    Ok((id, etag))
}

fn bodies(mut suite: Suite) -> Suite {
    let table = [
        ("no_body", ""),
        ("empty_list", "<CompleteMultipartUpload></CompleteMultipartUpload>"),
        ("without_part_number", "<CompleteMultipartUpload><Part><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"),
        ("without_etag", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"),
        ("unclosed_element", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part>"),
        ("text_as_part_number", "<CompleteMultipartUpload><Part><PartNumber>one</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"),
    ];
    for (name, body) in table {
        let rule = format!("A completion with {} answers 400 MalformedXML and creates no object.", name.replace('_', " "));
        suite = suite.common(&format!("complete_multipart_upload/{name}"), &["MPU-14"], &rule, move |fx| async move {
            let (id, etag) = started(&fx).await?;
            let completed = raw_completion(&fx, "k", &id, body.replace("{etag}", &etag)).send().await;
            match completed.settle() {
                // AWS names it so where nothing is listed at all.
                Err(Refusal::Answered { status: 400, code }) if code == "InvalidRequest" && !body.contains("<Part>") => {
                    fx.absent("k").await?;
                    expect::variant("400 InvalidRequest")
                }
                completed => {
                    expect::error(completed, 400, "MalformedXML")?;
                    fx.absent("k").await
                }
            }
        });
    }
    for (name, number) in [("zero", 0), ("minus_one", -1)] {
        let rule = format!("A completion with part number {number} answers 400 InvalidArgument and creates no object.");
        suite = suite.rare(&format!("complete_multipart_upload/number_{name}"), &["MPU-15"], &rule, move |fx| async move {
            let (id, etag) = started(&fx).await?;
            expect::error(raw_completion(&fx, "k", &id, completion(&[(number, etag)])).send().await, 400, "InvalidArgument")?;
            fx.absent("k").await
        });
    }
    suite
}

fn sizes(mut suite: Suite) -> Suite {
    for (name, size) in [("too_small", "0"), ("too_large", "6"), ("negative", "-1")] {
        let rule = format!("A completion with x-amz-mp-object-size {size} for 5 bytes answers 400 InvalidRequest and creates no object.");
        suite = suite.rare(&format!("complete_multipart_upload/object_size_{name}"), &["MPU-24"], &rule, move |fx| async move {
            let id = fx.start_upload("k").await?;
            let etag = fx.upload_part("k", &id, 1, b"bytes").await?.e_tag().unwrap_or_default().to_owned();
            let completed = raw_completion(&fx, "k", &id, completion(&[(1, etag)])).header("x-amz-mp-object-size", size).send().await;
            expect::refused(completed, 400, "InvalidRequest")?;
            fx.absent("k").await
        });
    }
    suite.rare(
        "complete_multipart_upload/object_size_right",
        &["MPU-24"],
        "A completion with the right x-amz-mp-object-size creates the object.",
        async |fx| {
            let id = fx.start_upload("k").await?;
            let one = fx.upload_part("k", &id, 1, b"bytes").await?;
            expect::ok(complete(&fx, &id, [one]).mpu_object_size(5).send().await)?;
            fx.holds("k", b"bytes").await
        },
    )
}

fn answers(suite: Suite) -> Suite {
    suite
        .core(
            "complete_multipart_upload/answer_is_whole_xml",
            &["MPU-23"],
            "A completion's 200 carries one whole CompleteMultipartUploadResult after any white space, never an Error.",
            async |fx| {
                let bodies = [fx.random_bytes(PART), fx.random_bytes(Bytes(321))];
                let id = fx.start_upload("k").await?;
                let mut listed = Vec::new();
                for (body, number) in bodies.iter().zip(1..) {
                    listed.push((number, fx.upload_part("k", &id, number, body).await?.e_tag().unwrap_or_default().to_owned()));
                }
                let answer = expect::ok(raw_completion(&fx, "k", &id, completion(&listed)).send().await)?;
                expect::eq("well-formed", well_formed(answer.text().trim_start().as_bytes()), Ok(()))?;
                expect::eq("Error in a 200", answer.code(), None::<String>)?;
                expect::eq("Bucket", answer.element("Bucket").as_deref(), Some(fx.bucket()))?;
                expect::eq("Key", answer.element("Key"), Some(fx.key("k")))?;
                expect::some("ETag", answer.element("ETag"))?;
                fx.holds("k", &bodies.concat()).await
            },
        )
        .dependents(&["Elasticsearch"])
        .core(
            "complete_multipart_upload/late_error_is_an_error",
            &["MPU-23"],
            "A completion that fails says so in its status or in the body of its 200, and creates no object.",
            async |fx| {
                let (id, _) = started(&fx).await?;
                let wrong = completion(&[(1, "00000000000000000000000000000000".to_owned())]);
                let answer = raw_completion(&fx, "k", &id, wrong).send().await;
                fx.absent("k").await.class(UnsafeIgnore)?;
                match answer {
                    Ok(answer) if answer.status == 200 => {
                        expect::eq("Code in the 200", answer.code().as_deref(), Some("InvalidPart"))?;
                        expect::variant("200 with an Error in its body")
                    }
                    answer => expect::refused(answer, 400, "InvalidPart"),
                }
            },
        )
        .dependents(&["Elasticsearch"])
}

fn lists(suite: Suite) -> Suite {
    suite.common(
        "complete_multipart_upload/part_listed_twice",
        &["MPU-12"],
        "A completion that lists a part twice answers 400 InvalidPartOrder.",
        async |fx| {
            let id = fx.start_upload("k").await?;
            let one = fx.upload_part("k", &id, 1, &fx.random_bytes(PART)).await?;
            let again = part(1, one.e_tag().unwrap_or_default());
            expect::refused(complete(&fx, &id, [one, again]).send().await, 400, "InvalidPartOrder")?;
            fx.absent("k").await
        },
    )
}
