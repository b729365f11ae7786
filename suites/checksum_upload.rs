//! Suite `checksum_upload`: checksums of parts and of the objects that they make.

use proofmark::case::values::{combined_base64, composite_base64, encode_query};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::Corrupt;
use proofmark::units::Bytes;
use proofmark::wire::RawRequest;

use super::checksum::{ALGORITHMS, Algorithm, CRC32, SHA256, head};
use super::multipart::PART;
use super::multipart_size::raw_completion;

const FULL: &str = "FULL_OBJECT";
const COMPOSITE: &str = "COMPOSITE";

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("checksum_upload").source("S3 user guide, Checking object integrity: multipart uploads");
    wrong_ends(missing(edges(values(pairs(suite)))))
}

fn create(fx: &Fixture) -> RawRequest {
    fx.raw_object("CreateMultipartUpload", "POST", "k", "?uploads")
}

/// Prepares an upload of `k` with this algorithm and type; its id.
async fn start(fx: &Fixture, algorithm: &Algorithm, kind: &str) -> Checked<String> {
    let create = create(fx).header("x-amz-checksum-algorithm", algorithm.upper()).header("x-amz-checksum-type", kind);
    let answer = fx.set_up("CreateMultipartUpload", create.send().await)?;
    expect::some("UploadId", answer.element("UploadId"))
}

fn upload(fx: &Fixture, id: &str, number: usize, body: &[u8]) -> RawRequest {
    fx.raw_object("UploadPart", "PUT", "k", &format!("?partNumber={number}&uploadId={}", encode_query(id))).body(body)
}

/// A part as a completion lists it: ETag, and element and value of its checksum.
type Listed = (String, Option<(String, String)>);

/// Prepares a part with the right checksum.
async fn part(fx: &Fixture, id: &str, number: usize, body: &[u8], algorithm: &Algorithm) -> Checked<Listed> {
    let value = (algorithm.compute)(body);
    let sent = upload(fx, id, number, body).header(&algorithm.header(), &value).send().await;
    let etag = fx.set_up("UploadPart", sent)?.header("etag").unwrap_or_default().to_owned();
    Ok((etag, Some((algorithm.element(), value))))
}

fn complete(fx: &Fixture, id: &str, parts: &[Listed]) -> RawRequest {
    let part = |(at, (etag, checksum)): (usize, &Listed)| {
        let checksum = checksum.as_ref().map(|(element, value)| format!("<{element}>{value}</{element}>")).unwrap_or_default();
        format!("<Part><PartNumber>{}</PartNumber><ETag>{etag}</ETag>{checksum}</Part>", at + 1)
    };
    let parts: String = parts.iter().enumerate().map(part).collect();
    raw_completion(fx, "k", id, format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>"))
}

/// Uploads these bodies with their checksums as parts and completes them.
async fn whole(fx: &Fixture, algorithm: &Algorithm, kind: &str, bodies: &[&[u8]]) -> Checked {
    let id = start(fx, algorithm, kind).await?;
    let mut parts = Vec::new();
    for (at, body) in bodies.iter().enumerate() {
        parts.push(part(fx, &id, at + 1, body, algorithm).await?);
    }
    fx.set_up("CompleteMultipartUpload", complete(fx, &id, &parts).send().await).map(drop)
}

fn pairs(mut suite: Suite) -> Suite {
    for algorithm in &ALGORITHMS {
        for (kind, is_possible) in [(FULL, algorithm.full), (COMPOSITE, algorithm.composite)] {
            let outcome = if is_possible { "gives the object a checksum of that type" } else { "answers 400 InvalidRequest" };
            let rule = format!("An upload with {} of type {kind} {outcome}.", algorithm.upper());
            let id = format!("create_multipart_upload/{}_{}", algorithm.name, kind.to_ascii_lowercase());
            suite = suite.extended(&id, &["CKS-12"], &rule, move |fx| async move {
                let created = create(&fx).header("x-amz-checksum-algorithm", algorithm.upper()).header("x-amz-checksum-type", kind).send().await;
                if !is_possible {
                    return expect::error(created, 400, "InvalidRequest");
                }
                let id = expect::some("UploadId", expect::ok(created)?.element("UploadId"))?;
                let listed = [part(&fx, &id, 1, b"x", algorithm).await?];
                expect::ok(complete(&fx, &id, &listed).send().await)?;
                expect::eq("x-amz-checksum-type", head(&fx, "k").await?.header("x-amz-checksum-type"), Some(kind))
            });
            suite = suite.needs(&["checksums"]);
        }
    }
    suite
        .extended(
            "create_multipart_upload/algorithm_is_told",
            &["CKS-12"],
            "CreateMultipartUpload tells the algorithm and type of its checksums.",
            async |fx| {
                let created = create(&fx).header("x-amz-checksum-algorithm", "SHA256").header("x-amz-checksum-type", COMPOSITE).send().await;
                let created = expect::ok(created)?;
                expect::eq("x-amz-checksum-algorithm", created.header("x-amz-checksum-algorithm"), Some("SHA256"))?;
                expect::eq("x-amz-checksum-type", created.header("x-amz-checksum-type"), Some(COMPOSITE))
            },
        )
        .needs(&["checksums"])
        .rare(
            "create_multipart_upload/type_without_algorithm",
            &["CKS-13"],
            "CreateMultipartUpload with a checksum type and no algorithm answers 400 InvalidRequest.",
            async |fx| expect::error(create(&fx).header("x-amz-checksum-type", FULL).send().await, 400, "InvalidRequest"),
        )
        .needs(&["checksums"])
}

/// Claims that a checksum is there (else it is `wrong_effect`) and right (else it is `corrupt`).
fn same(claim: &str, shown: Option<&str>, expected: &str) -> Checked {
    expect::eq(claim, expect::some(claim, shown)?, expected).class(Corrupt)
}

fn values(mut suite: Suite) -> Suite {
    for algorithm in &ALGORITHMS {
        let (name, upper) = (algorithm.name, algorithm.upper());
        if algorithm.composite {
            let rule = format!("A composite {upper} is the {upper} of the parts' values, a dash and their number.");
            suite = suite.common(&format!("complete_multipart_upload/composite_{name}"), &["CKS-14"], &rule, move |fx| async move {
                let bodies = [fx.random_bytes(PART), fx.random_bytes(Bytes(11))];
                let bodies = [bodies[0].as_slice(), bodies[1].as_slice()];
                whole(&fx, algorithm, COMPOSITE, &bodies).await?;
                let expected = composite_base64(algorithm.compute, &bodies);
                same(&algorithm.header(), head(&fx, "k").await?.header(&algorithm.header()), &expected)
            });
            suite = suite.needs(&["checksums"]);
        }
        if algorithm.full {
            let rule = format!("A full-object {upper} of an upload is the {upper} of the whole object.");
            suite = suite.common(&format!("complete_multipart_upload/full_object_{name}"), &["CKS-15"], &rule, move |fx| async move {
                let bodies = [fx.random_bytes(PART), fx.random_bytes(Bytes(11))];
                whole(&fx, algorithm, FULL, &[&bodies[0], &bodies[1]]).await?;
                let expected = (algorithm.compute)(&bodies.concat());
                same(&algorithm.header(), head(&fx, "k").await?.header(&algorithm.header()), &expected)
            });
            suite = suite.needs(&["checksums"]);
            suite = suite.dependents(&["mountpoint", "transfer managers"]);
        }
    }
    suite
}

fn edges(suite: Suite) -> Suite {
    suite
        .core(
            "complete_multipart_upload/stored_checksum_is_recomputable",
            &["CKS-26"],
            "The stored CRC32 of an upload is that of its bytes, whose parts end around block edges.",
            async |fx| {
                let odd = u64::from(fx.random_bytes(Bytes(1))[0]);
                for (first, second) in [(PART.0, 1), (PART.0 + 1, 4096), (PART.0 + 65_536 + odd, 4095 - odd)] {
                    let bodies = [fx.random_bytes(Bytes(first)), fx.random_bytes(Bytes(second))];
                    let parts = [bodies[0].as_slice(), bodies[1].as_slice()];
                    whole(&fx, &CRC32, FULL, &parts).await?;
                    let claim = format!("CRC32 of {first} + {second} bytes");
                    let expected = combined_base64("crc32", &parts).unwrap_or_default();
                    same(&claim, head(&fx, "k").await?.header("x-amz-checksum-crc32"), &expected)?;
                }
                Ok(())
            },
        )
        .core(
            "get_object/part_has_no_object_checksum",
            &["CKS-10"],
            "A part that is read by its number answers no checksum of other bytes than its own.",
            async |fx| {
                let bodies = [fx.random_bytes(PART), fx.random_bytes(Bytes(321))];
                whole(&fx, &CRC32, FULL, &[&bodies[0], &bodies[1]]).await?;
                let get = fx.raw_object("GetObject", "GET", "k", "?partNumber=2").header("x-amz-checksum-mode", "ENABLED").send().await;
                let got = expect::ok(get)?;
                let shown = got.header("x-amz-checksum-crc32");
                let right = (CRC32.compute)(&got.body);
                expect::that("x-amz-checksum-crc32", shown.is_none_or(|shown| shown == right), "none, or that of the bytes of the answer", shown)
            },
        )
        .dependents(&["boto3"])
}

fn missing(suite: Suite) -> Suite {
    suite
        .extended(
            "upload_part/without_checksum_in_composite",
            &["CKS-16"],
            "A part without a checksum answers 400 InvalidRequest in an upload with a composite SHA256.",
            async |fx| {
                let id = start(&fx, &SHA256, COMPOSITE).await?;
                expect::error(upload(&fx, &id, 1, b"x").send().await, 400, "InvalidRequest")
            },
        )
        .needs(&["checksums"])
        .extended(
            "upload_part/without_checksum_in_full_object",
            &["CKS-17"],
            "A part without a checksum is accepted in an upload with a full-object CRC32, and the server computes it.",
            async |fx| {
                let id = start(&fx, &CRC32, FULL).await?;
                let body = fx.random_bytes(Bytes(777));
                let etag = expect::ok(upload(&fx, &id, 1, &body).send().await)?.header("etag").unwrap_or_default().to_owned();
                let expected = (CRC32.compute)(&body);
                let listed = (etag, Some((CRC32.element(), expected.clone())));
                expect::ok(complete(&fx, &id, &[listed]).send().await)?;
                same("x-amz-checksum-crc32", head(&fx, "k").await?.header("x-amz-checksum-crc32"), &expected)
            },
        )
        .needs(&["checksums"])
        .common(
            "upload_part/other_algorithm",
            &["CKS-18"],
            "A part with another algorithm's checksum than the upload's answers 400 InvalidRequest.",
            async |fx| {
                let id = start(&fx, &CRC32, COMPOSITE).await?;
                let sent = upload(&fx, &id, 1, b"x").header(&SHA256.header(), (SHA256.compute)(b"x")).send().await;
                expect::error(sent, 400, "InvalidRequest")
            },
        )
        .needs(&["checksums"])
        .core("upload_part/wrong_checksum", &["CKS-02"], "A part with a wrong CRC32 answers 400 BadDigest.", async |fx| {
            let id = fx.start_upload("k").await?;
            let sent = upload(&fx, &id, 1, b"x").header(&CRC32.header(), (CRC32.compute)(b"y")).send().await;
            expect::refused(sent, 400, "BadDigest")
        })
        .dependents(&["aws-cli", "boto3", "mountpoint"])
}

fn wrong_ends(suite: Suite) -> Suite {
    /// How a server may say that the list does not fit the parts.
    const MISMATCH: [(u16, &str); 3] = [(400, "InvalidRequest"), (400, "InvalidPart"), (400, "BadDigest")];
    let suite = suite
        .common(
            "complete_multipart_upload/part_checksum_missing",
            &["CKS-19"],
            "A completion that lists a part of a composite SHA256 upload without its checksum answers 400.",
            async |fx| {
                let id = start(&fx, &SHA256, COMPOSITE).await?;
                let (etag, _) = part(&fx, &id, 1, b"x", &SHA256).await?;
                expect::error_as(complete(&fx, &id, &[(etag, None)]).send().await, &MISMATCH)?;
                fx.absent("k").await
            },
        )
        .needs(&["checksums"])
        .common(
            "complete_multipart_upload/part_checksum_wrong",
            &["CKS-19"],
            "A completion that lists a part with another checksum than it was uploaded with answers 400.",
            async |fx| {
                let id = start(&fx, &SHA256, COMPOSITE).await?;
                let (etag, _) = part(&fx, &id, 1, b"x", &SHA256).await?;
                let wrong = (etag, Some((SHA256.element(), (SHA256.compute)(b"y"))));
                expect::refused_as(complete(&fx, &id, &[wrong]).send().await, &MISMATCH)?;
                fx.absent("k").await
            },
        )
        .needs(&["checksums"]);
    let table = [
        ("final_checksum_wrong", FULL, &CRC32, "x-amz-checksum-crc32", (CRC32.compute)(b"y"), "BadDigest"),
        ("final_composite_wrong", COMPOSITE, &SHA256, "x-amz-checksum-sha256", composite_base64(SHA256.compute, &[b"y"]), "BadDigest"),
        ("final_type_differs", FULL, &CRC32, "x-amz-checksum-type", COMPOSITE.to_owned(), "InvalidRequest"),
    ];
    table.into_iter().fold(suite, |suite, (name, kind, algorithm, header, value, code)| {
        let rule = format!("A completion of a {kind} upload with a wrong {header} answers 400 {code} and creates no object.");
        let case = suite.common(&format!("complete_multipart_upload/{name}"), &["CKS-20"], &rule, move |fx| {
            let value = value.clone();
            async move {
                let id = start(&fx, algorithm, kind).await?;
                let listed = [part(&fx, &id, 1, b"x", algorithm).await?];
                expect::refused(complete(&fx, &id, &listed).header(header, value).send().await, 400, code)?;
                fx.absent("k").await
            }
        });
        case.needs(&["checksums"])
    })
}
