//! Suite `streaming`: aws-chunked bodies with signed chunks and with trailers, as SDKs send them.

use proofmark::case::values::{crc32_base64, crc32c_base64, encode_query};
use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::units::Bytes;
use proofmark::wire::{Chunks, Payload, RawRequest};

const CHUNK: usize = 64 << 10;
const CRC32: &str = "x-amz-checksum-crc32";

/// A PUT of `body` in chunks.
fn put(fx: &Fixture, body: &[u8], chunks: Chunks) -> RawRequest {
    fx.raw_object("PutObject", "PUT", "k", "").payload(Payload::Chunks(chunks)).body(body)
}

/// Claims that the object is `body` without any framing.
async fn stored(fx: &Fixture, body: &[u8]) -> Checked {
    let head = expect::ok(fx.head_object("k").send().await)?;
    expect::eq("Content-Length", head.content_length(), i64::try_from(body.len()).ok())?;
    fx.holds("k", body).await
}

/// The suite.
pub fn suite() -> Suite {
    details(wrong(right(Suite::new("streaming").source("S3 API reference, Signature calculations: transferring payload in multiple chunks"))))
}

fn right(suite: Suite) -> Suite {
    suite
        .core("put_object/signed_chunks", &["STR-01"], "A body in signed chunks is stored without their framing.", async |fx| {
            let body = fx.random_bytes(Bytes(200_001));
            expect::ok(put(&fx, &body, Chunks::signed(CHUNK)).send().await)?;
            stored(&fx, &body).await
        })
        .dependents(&["AWS SDK for Java v1", "minio-go", "S3A"])
        .core(
            "put_object/signed_chunks_without_content_encoding",
            &["STR-02"],
            "Signed chunks are decoded although Content-Encoding does not announce them.",
            async |fx| {
                let body = fx.random_bytes(Bytes(200_001));
                expect::ok(put(&fx, &body, Chunks::signed(CHUNK)).without("Content-Encoding").send().await)?;
                stored(&fx, &body).await
            },
        )
        .dependents(&["minio-go", "warp"])
        .core(
            "put_object/unsigned_chunks_with_crc32_trailer",
            &["STR-03"],
            "Unsigned chunks with a CRC32 trailer are stored without their framing.",
            async |fx| {
                let body = fx.random_bytes(Bytes(200_001));
                expect::ok(put(&fx, &body, Chunks::unsigned(CHUNK, CRC32, &crc32_base64(&body))).send().await)?;
                stored(&fx, &body).await
            },
        )
        .dependents(&["aws-cli", "boto3", "mountpoint"])
        .core(
            "put_object/signed_chunks_with_crc32_trailer",
            &["STR-04"],
            "Signed chunks with a signed CRC32 trailer are stored without their framing.",
            async |fx| {
                let body = fx.random_bytes(Bytes(200_001));
                expect::ok(put(&fx, &body, Chunks::signed(CHUNK).trailer(CRC32, &crc32_base64(&body))).send().await)?;
                stored(&fx, &body).await
            },
        )
        .core("upload_part/trailer", &["STR-19"], "UploadPart takes a trailer of the upload's own checksum algorithm.", async |fx| {
            let create = fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k"));
            let create = create.checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Crc32).send().await;
            let id = fx.set_up("CreateMultipartUpload", create)?.upload_id.unwrap_or_default();
            let body = fx.random_bytes(Bytes(100_000));
            let part = fx.raw_object("UploadPart", "PUT", "k", &format!("?partNumber=1&uploadId={}", encode_query(&id)));
            let part = part.payload(Payload::Chunks(Chunks::unsigned(CHUNK, CRC32, &crc32_base64(&body)))).body(body);
            expect::some("ETag", expect::ok(part.send().await)?.header("etag")).map(drop)
        })
        .core("put_object/empty_with_trailer", &["STR-20"], "A body of zero bytes with a trailer is an empty object.", async |fx| {
            expect::ok(put(&fx, b"", Chunks::unsigned(CHUNK, CRC32, &crc32_base64(b""))).send().await)?;
            stored(&fx, b"").await
        })
        .dependents(&["mountpoint", "S3A"])
}

fn wrong(suite: Suite) -> Suite {
    suite
        .core(
            "put_object/decoded_length_too_long",
            &["STR-08"],
            "A decoded length that is more than was sent answers 400 IncompleteBody and stores nothing.",
            async |fx| {
                let body = fx.random_bytes(Bytes(100_000));
                let put = put(&fx, &body, Chunks::signed(CHUNK)).header("x-amz-decoded-content-length", "100001").send().await;
                expect::refused(put, 400, "IncompleteBody")?;
                fx.absent("k").await
            },
        )
        .core(
            "put_object/wrong_chunk_signature",
            &["STR-09"],
            "A wrong signature of a chunk answers 403 SignatureDoesNotMatch and stores nothing.",
            async |fx| {
                let body = fx.random_bytes(Bytes(200_001));
                let put = put(&fx, &body, Chunks::signed(CHUNK)).tamper_chunks(|body| body.chunks[1].signature = Some("0".repeat(64)));
                expect::refused(put.send().await, 403, "SignatureDoesNotMatch")?;
                fx.absent("k").await
            },
        )
        .core(
            "put_object/altered_chunk",
            &["STR-09"],
            "A chunk that was altered after it was signed answers 403 SignatureDoesNotMatch and stores nothing.",
            async |fx| {
                let body = fx.random_bytes(Bytes(200_001));
                let put = put(&fx, &body, Chunks::signed(CHUNK)).tamper_chunks(|body| body.chunks[1].data[0] ^= 1);
                expect::refused(put.send().await, 403, "SignatureDoesNotMatch")?;
                fx.absent("k").await
            },
        )
        .core(
            "put_object/wrong_trailer_checksum",
            &["STR-15"],
            "A trailer checksum that is not the body's answers 400 BadDigest and stores nothing.",
            async |fx| {
                let body = fx.random_bytes(Bytes(100_000));
                let put = put(&fx, &body, Chunks::unsigned(CHUNK, CRC32, &crc32_base64(b"another body"))).send().await;
                expect::refused(put, 400, "BadDigest")?;
                fx.absent("k").await
            },
        )
        .core(
            "put_object/wrong_signed_trailer_checksum",
            &["STR-15"],
            "A signed trailer checksum that is not the body's answers 400 BadDigest and stores nothing.",
            async |fx| {
                let body = fx.random_bytes(Bytes(100_000));
                let put = put(&fx, &body, Chunks::signed(CHUNK).trailer(CRC32, &crc32_base64(b"another body"))).send().await;
                expect::refused(put, 400, "BadDigest")?;
                fx.absent("k").await
            },
        )
}

fn details(suite: Suite) -> Suite {
    suite
        .common("put_object/other_codings_kept", &["STR-06"], "Of `gzip, aws-chunked` the object keeps `gzip`.", async |fx| {
            let put = put(&fx, b"not really gzip", Chunks::signed(CHUNK)).header("Content-Encoding", "gzip, aws-chunked").send().await;
            expect::ok(put)?;
            expect::eq("Content-Encoding", expect::ok(fx.head_object("k").send().await)?.content_encoding(), Some("gzip"))
        })
        .common("put_object/aws_chunked_not_stored", &["STR-06"], "Of `aws-chunked` alone the object keeps no Content-Encoding.", async |fx| {
            expect::ok(put(&fx, b"plain", Chunks::signed(CHUNK)).send().await)?;
            expect::eq("Content-Encoding", expect::ok(fx.head_object("k").send().await)?.content_encoding().unwrap_or_default(), "")
        })
        .common(
            "put_object/undeclared_trailer",
            &["STR-12"],
            "A trailer other than the declared one answers 400 MalformedTrailerError and stores nothing.",
            async |fx| {
                let body = fx.random_bytes(Bytes(1000));
                let chunks = Chunks::unsigned(CHUNK, CRC32, &crc32_base64(&body));
                let other = ("x-amz-checksum-crc32c".to_owned(), crc32c_base64(&body));
                let put = put(&fx, &body, chunks).tamper_chunks(|body| body.trailers = vec![other]);
                expect::refused(put.send().await, 400, "MalformedTrailerError")?;
                fx.absent("k").await
            },
        )
        .common("put_object/one_byte_writes", &["STR-22"], "A chunked body that arrives byte by byte is decoded right.", async |fx| {
            let body = fx.random_bytes(Bytes(700));
            let put = put(&fx, &body, Chunks::signed(CHUNK)).in_pieces(1, std::time::Duration::ZERO).send().await;
            expect::ok(put)?;
            stored(&fx, &body).await
        })
}
