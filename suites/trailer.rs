//! Suite `trailer`: trailers of aws-chunked bodies that are wrong, unusual or of another algorithm.

use std::future::Future;

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};
use proofmark::case::values::{crc32_base64, crc32c_base64, crc64nvme_base64, encode_query, md5_base64, sha1_base64, sha256_base64};
use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::units::Bytes;
use proofmark::wire::{Answer, Chunks, Payload, RawRequest, WireError};

const CHUNK: usize = 64 << 10;
const CRC32: &str = "x-amz-checksum-crc32";
const CRC32C: &str = "x-amz-checksum-crc32c";
const INVALID: (u16, &str) = (400, "InvalidRequest");

/// Trailer name and the checksum that belongs to it.
type Algorithm = (&'static str, &'static str, fn(&[u8]) -> String);
const ALGORITHMS: [Algorithm; 4] = [
    ("crc32c", CRC32C, crc32c_base64),
    ("crc64nvme", "x-amz-checksum-crc64nvme", crc64nvme_base64),
    ("sha1", "x-amz-checksum-sha1", sha1_base64),
    ("sha256", "x-amz-checksum-sha256", sha256_base64),
];

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("trailer").source("S3 user guide, Checking object integrity: trailing checksums");
    elsewhere(parts(stored(declarations(values(algorithms(suite))))))
}

/// A PUT of `body` in chunks.
fn put(fx: &Fixture, body: &[u8], chunks: Chunks) -> RawRequest {
    fx.raw_object("PutObject", "PUT", "k", "").payload(Payload::Chunks(chunks)).body(body)
}

/// Unsigned chunks with the body's CRC32 behind them.
fn crc32(body: &[u8]) -> Chunks {
    Chunks::unsigned(CHUNK, CRC32, &crc32_base64(body))
}

/// Claims that the upload was refused with one of these and nothing is there.
async fn nothing(fx: Fixture, put: RawRequest, refusals: &[(u16, &str)]) -> Checked {
    expect::refused_as(put.send().await, refusals)?;
    fx.absent("k").await
}

/// The same where success would skip no check: a request that contradicts itself.
async fn not_taken(fx: Fixture, put: RawRequest, refusals: &[(u16, &str)]) -> Checked {
    expect::error_as(put.send().await, refusals)?;
    fx.absent("k").await
}

fn algorithms(mut suite: Suite) -> Suite {
    for (name, header, checksum) in ALGORITHMS {
        suite = suite
            .core(
                &format!("put_object/{name}"),
                &["STR-03"],
                &format!("Unsigned chunks with the trailer {header} are stored without their framing."),
                move |fx| async move {
                    let body = fx.random_bytes(Bytes(100_000));
                    expect::ok(put(&fx, &body, Chunks::unsigned(CHUNK, header, &checksum(&body))).send().await)?;
                    fx.holds("k", &body).await
                },
            )
            .core(
                &format!("put_object/wrong_{name}"),
                &["STR-15"],
                &format!("A trailer {header} that is not the body's answers 400 BadDigest and stores nothing."),
                move |fx| async move {
                    let put = put(&fx, b"this body", Chunks::unsigned(CHUNK, header, &checksum(b"another body")));
                    nothing(fx, put, &[(400, "BadDigest")]).await
                },
            );
    }
    suite
}

fn values(mut suite: Suite) -> Suite {
    for (name, value) in [("no_base64", "not*base64"), ("too_short", "AAAA"), ("too_long", "AAAAAAAAAAA="), ("empty", "")] {
        let rule = format!("A CRC32 trailer whose value is {} answers 400 InvalidRequest and stores nothing.", name.replace('_', " "));
        suite = suite.extended(&format!("put_object/value_{name}"), &["STR-14"], &rule, move |fx| async move {
            let put = put(&fx, b"body", Chunks::unsigned(CHUNK, CRC32, value));
            nothing(fx, put, &[INVALID]).await
        });
    }
    suite
}

fn declarations(suite: Suite) -> Suite {
    suite
        .common("put_object/declared_and_absent", &["STR-12"], "A trailer that is declared and not sent is refused and stores nothing.", async |fx| {
            let put = put(&fx, b"body", crc32(b"body")).tamper_chunks(|body| body.trailers.clear());
            // Some servers see a body that ends early.
            nothing(fx, put.resized(), &[(400, "MalformedTrailerError"), (400, "IncompleteBody")]).await
        })
        .common(
            "put_object/sent_and_not_declared",
            &["STR-12"],
            "A trailer that is sent and not declared answers 400 MalformedTrailerError or IncompleteBody and stores nothing.",
            async |fx| {
                let extra = (CRC32C.to_owned(), crc32c_base64(b"body"));
                let put = put(&fx, b"body", crc32(b"body")).tamper_chunks(|body| body.trailers.push(extra));
                not_taken(fx, put.resized(), &[(400, "MalformedTrailerError"), (400, "IncompleteBody")]).await
            },
        )
        .extended("put_object/unsupported_name", &["STR-13"], "An x-amz-trailer that is no checksum answers 400 InvalidRequest.", async |fx| {
            let put = put(&fx, b"body", Chunks::unsigned(CHUNK, "x-amz-meta-colour", "red"));
            not_taken(fx, put, &[INVALID]).await
        })
        .extended("put_object/unknown_algorithm", &["STR-13"], "An x-amz-trailer of an unknown algorithm answers 400 InvalidRequest.", async |fx| {
            let put = put(&fx, b"body", Chunks::unsigned(CHUNK, "x-amz-checksum-crc99", "AAAAAA=="));
            nothing(fx, put, &[INVALID]).await
        })
        .extended(
            "put_object/header_and_trailer",
            &["STR-16"],
            "A checksum both as a header and as a trailer answers 400 InvalidRequest.",
            async |fx| {
                let put = put(&fx, b"body", crc32(b"body")).header(CRC32, crc32_base64(b"body"));
                not_taken(fx, put, &[INVALID]).await
            },
        )
        .extended(
            "put_object/header_and_other_trailer",
            &["STR-16"],
            "A checksum as a header and one of another algorithm as a trailer answer 400 InvalidRequest.",
            async |fx| {
                let put = put(&fx, b"body", crc32(b"body")).header("x-amz-checksum-sha256", sha256_base64(b"body"));
                not_taken(fx, put, &[INVALID]).await
            },
        )
        .extended("put_object/two_trailers", &["STR-16"], "Trailers of two checksum algorithms answer 400 InvalidRequest.", async |fx| {
            let put = put(&fx, b"body", crc32(b"body").trailer(CRC32C, &crc32c_base64(b"body")));
            not_taken(fx, put, &[INVALID, (400, "MalformedTrailerError")]).await
        })
        .extended(
            "put_object/other_algorithm_announced",
            &["STR-17"],
            "An x-amz-sdk-checksum-algorithm other than the trailer's answers 400 InvalidRequest.",
            async |fx| {
                let put = put(&fx, b"body", crc32(b"body")).header("x-amz-sdk-checksum-algorithm", "SHA256");
                not_taken(fx, put, &[INVALID]).await
            },
        )
}

fn stored(suite: Suite) -> Suite {
    suite
        .extended("put_object/none_then_crc64nvme", &["STR-18"], "Chunks without a trailer get a CRC64NVME that HEAD shows.", async |fx| {
            let body = fx.random_bytes(Bytes(100_000));
            expect::ok(put(&fx, &body, Chunks::signed(CHUNK)).send().await)?;
            let head = expect::ok(fx.head_object("k").checksum_mode(ChecksumMode::Enabled).send().await)?;
            expect::eq("x-amz-checksum-crc64nvme", head.checksum_crc64_nvme(), Some(crc64nvme_base64(&body).as_str()))
        })
        .needs(&["checksums"])
        .core("put_object/kept", &["STR-03"], "The checksum of a trailer is kept, and HEAD shows it.", async |fx| {
            let body = fx.random_bytes(Bytes(100_000));
            expect::ok(put(&fx, &body, crc32(&body)).send().await)?;
            let head = expect::ok(fx.head_object("k").checksum_mode(ChecksumMode::Enabled).send().await)?;
            expect::eq(CRC32, head.checksum_crc32(), Some(crc32_base64(&body).as_str()))
        })
        .needs(&["checksums"])
        .core("put_object/kept_of_empty_body", &["STR-20"], "The checksum of a body of zero bytes is kept, and HEAD shows it.", async |fx| {
            expect::ok(put(&fx, b"", crc32(b"")).send().await)?;
            let head = expect::ok(fx.head_object("k").checksum_mode(ChecksumMode::Enabled).send().await)?;
            expect::eq(CRC32, head.checksum_crc32(), Some("AAAAAA=="))
        })
        .needs(&["checksums"])
        .core(
            "put_object/wrong_trailer_signature",
            &["STR-04"],
            "A signed trailer whose signature is wrong answers 403 SignatureDoesNotMatch and stores nothing.",
            async |fx| {
                let chunks = Chunks::signed(CHUNK).trailer(CRC32, &crc32_base64(b"body"));
                let put = put(&fx, b"body", chunks).tamper_chunks(|body| {
                    if let Some((_, signature)) = body.trailers.last_mut() {
                        *signature = "0".repeat(64);
                    }
                });
                nothing(fx, put, &[(403, "SignatureDoesNotMatch")]).await
            },
        )
}

fn parts(suite: Suite) -> Suite {
    suite
        .core(
            "upload_part/other_algorithm",
            &["STR-19"],
            "A part whose trailer is of another algorithm than the upload's answers 400 InvalidRequest.",
            async |fx| {
                let create = fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k"));
                let create = create.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await;
                let id = fx.set_up("CreateMultipartUpload", create)?.upload_id.unwrap_or_default();
                let part = fx.raw_object("UploadPart", "PUT", "k", &format!("?partNumber=1&uploadId={}", encode_query(&id)));
                let part = part.payload(Payload::Chunks(Chunks::unsigned(CHUNK, CRC32C, &crc32c_base64(b"part")))).body("part");
                expect::error(part.send().await, 400, "InvalidRequest")
            },
        )
        .core("upload_part/wrong_checksum", &["STR-15"], "A part whose trailer checksum is wrong answers 400 BadDigest.", async |fx| {
            let id = fx.start_upload("k").await?;
            let part = fx.raw_object("UploadPart", "PUT", "k", &format!("?partNumber=1&uploadId={}", encode_query(&id)));
            let part = part.payload(Payload::Chunks(crc32(b"another part"))).body("this part");
            expect::refused(part.send().await, 400, "BadDigest")
        })
}

const TAGS: &str = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";

/// A request whose operation takes no aws-chunked body; sent with one all the same.
fn chunked(request: RawRequest, body: &str) -> RawRequest {
    let md5 = md5_base64(body.as_bytes());
    request.header("Content-MD5", md5).payload(Payload::Chunks(Chunks::signed(CHUNK))).body(body)
}

/// The refusal that is due, or the effect that a decoded body has.
async fn refused_or_decoded(answer: Result<Answer, WireError>, effect: impl Future<Output = Checked>) -> Checked {
    if !answer.as_ref().is_ok_and(|answer| (200..300).contains(&answer.status)) {
        return expect::error(answer, 400, "InvalidRequest");
    }
    effect.await?;
    expect::variant("the chunks are decoded")
}

fn elsewhere(suite: Suite) -> Suite {
    suite
        .rare("put_bucket_tagging/chunked_body", &["STR-21"], "PutBucketTagging refuses an aws-chunked body or decodes it.", async |fx| {
            let put = chunked(fx.raw_bucket("PutBucketTagging", "PUT", "?tagging"), TAGS).send().await;
            refused_or_decoded(put, async {
                let tags = expect::ok(fx.s3().get_bucket_tagging().bucket(fx.bucket()).send().await)?;
                expect::eq("tags", tags.tag_set().len(), 1)
            })
            .await
        })
        .own_bucket()
        .needs(&["tagging"])
        .rare("put_object_tagging/chunked_body", &["STR-21"], "PutObjectTagging refuses an aws-chunked body or decodes it.", async |fx| {
            fx.put("k", b"x").await?;
            let put = chunked(fx.raw_object("PutObjectTagging", "PUT", "k", "?tagging"), TAGS).send().await;
            refused_or_decoded(put, async {
                let tags = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
                expect::eq("tags", tags.tag_set().len(), 1)
            })
            .await
        })
        .needs(&["tagging"])
        .rare("delete_objects/chunked_body", &["STR-21"], "DeleteObjects refuses an aws-chunked body or decodes it.", async |fx| {
            fx.put("k", b"x").await?;
            let list = format!("<Delete><Object><Key>{}</Key></Object></Delete>", fx.key("k"));
            let delete = chunked(fx.raw_bucket("DeleteObjects", "POST", "?delete"), &list).send().await;
            refused_or_decoded(delete, fx.absent("k")).await
        })
}
