//! Suite `streaming`: aws-chunked bodies with signed chunks and with trailers, as SDKs send them.

use std::time::Duration;

use proofmark::case::values::{crc32_base64, crc32c_base64, encode_query};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongEffect;
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
    let suite = Suite::new("streaming").source("S3 API reference, Signature calculations: transferring payload in multiple chunks");
    lengths(broken(details(wrong(right(suite)))))
}

/// How a body is sent.
type Sending = fn(&Fixture, &[u8]) -> RawRequest;

/// Bodies that must be decoded: id, row, rule, size, how they are sent, who sends them so.
type Right = (&'static str, &'static str, &'static str, Bytes, Sending, &'static [&'static str]);
const RIGHT: [Right; 5] = [
    (
        "signed_chunks",
        "STR-01",
        "A body in signed chunks is stored without their framing.",
        Bytes(200_001),
        |fx, body| put(fx, body, Chunks::signed(CHUNK)),
        &["AWS SDK for Java v1", "minio-go", "S3A"],
    ),
    (
        "signed_chunks_without_content_encoding",
        "STR-02",
        "Signed chunks are decoded although Content-Encoding does not announce them.",
        Bytes(200_001),
        |fx, body| put(fx, body, Chunks::signed(CHUNK)).without("Content-Encoding"),
        &["minio-go", "warp"],
    ),
    (
        "unsigned_chunks_with_crc32_trailer",
        "STR-03",
        "Unsigned chunks with a CRC32 trailer are stored without their framing.",
        Bytes(200_001),
        |fx, body| put(fx, body, crc32(body)),
        &["aws-cli", "boto3", "mountpoint"],
    ),
    (
        "signed_chunks_with_crc32_trailer",
        "STR-04",
        "Signed chunks with a signed CRC32 trailer are stored without their framing.",
        Bytes(200_001),
        |fx, body| put(fx, body, Chunks::signed(CHUNK).trailer(CRC32, &crc32_base64(body))),
        &[],
    ),
    (
        "empty_with_trailer",
        "STR-20",
        "A body of zero bytes with a trailer is an empty object.",
        Bytes(0),
        |fx, body| put(fx, body, crc32(body)),
        &["mountpoint", "S3A"],
    ),
];

fn right(mut suite: Suite) -> Suite {
    for (name, row, rule, size, sending, dependents) in RIGHT {
        suite = suite
            .core(&format!("put_object/{name}"), &[row], rule, move |fx| async move {
                let body = fx.random_bytes(size);
                expect::ok(sending(&fx, &body).send().await)?;
                stored(&fx, &body).await
            })
            .dependents(dependents);
    }
    suite.core("upload_part/trailer", &["STR-19"], "UploadPart takes a trailer of the upload's own checksum algorithm.", async |fx| {
        let create = fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k"));
        let create = create.checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Crc32).send().await;
        let id = fx.set_up("CreateMultipartUpload", create)?.upload_id.unwrap_or_default();
        let body = fx.random_bytes(Bytes(100_000));
        let part = fx.raw_object("UploadPart", "PUT", "k", &format!("?partNumber=1&uploadId={}", encode_query(&id)));
        let part = part.payload(Payload::Chunks(crc32(&body))).body(body);
        expect::some("ETag", expect::ok(part.send().await)?.header("etag")).map(drop)
    })
}

/// Bodies that must be refused: id, row, what is wrong, status and code, how they are sent.
type Wrong = (&'static str, &'static str, &'static str, (u16, &'static str), Sending);
const WRONG: [Wrong; 7] = [
    ("decoded_length_too_long", "STR-08", "A decoded length that is more than was sent", (400, "IncompleteBody"), |fx, body| {
        put(fx, body, Chunks::signed(CHUNK)).header("x-amz-decoded-content-length", (body.len() + 1).to_string())
    }),
    (
        "decoded_length_too_long_unsigned",
        "STR-08",
        "A decoded length that is more than is in unsigned chunks",
        (400, "IncompleteBody"),
        |fx, body| put(fx, body, crc32(body)).header("x-amz-decoded-content-length", (body.len() + 1).to_string()),
    ),
    ("decoded_length_too_short", "STR-08", "A decoded length that is less than was sent", (400, "IncompleteBody"), |fx, body| {
        put(fx, body, Chunks::signed(CHUNK)).header("x-amz-decoded-content-length", (body.len() - 1).to_string())
    }),
    ("wrong_chunk_signature", "STR-09", "A wrong signature of a chunk", (403, "SignatureDoesNotMatch"), |fx, body| {
        put(fx, body, Chunks::signed(CHUNK)).tamper_chunks(|body| body.chunks[1].signature = Some("0".repeat(64)))
    }),
    ("altered_chunk", "STR-09", "A chunk that was altered after it was signed", (403, "SignatureDoesNotMatch"), |fx, body| {
        put(fx, body, Chunks::signed(CHUNK)).tamper_chunks(|body| body.chunks[1].data[0] ^= 1)
    }),
    ("wrong_trailer_checksum", "STR-15", "A trailer checksum that is not the body's", (400, "BadDigest"), |fx, body| {
        put(fx, body, crc32(b"another body"))
    }),
    ("wrong_signed_trailer_checksum", "STR-15", "A signed trailer checksum that is not the body's", (400, "BadDigest"), |fx, body| {
        put(fx, body, Chunks::signed(CHUNK).trailer(CRC32, &crc32_base64(b"another body")))
    }),
];

fn wrong(mut suite: Suite) -> Suite {
    for (name, row, what, (status, code), sending) in WRONG {
        let rule = format!("{what} answers {status} {code} and stores nothing.");
        suite = suite.core(&format!("put_object/{name}"), &[row], &rule, move |fx| async move {
            let body = fx.random_bytes(Bytes(200_001));
            expect::refused(sending(&fx, &body).send().await, status, code)?;
            fx.absent("k").await
        });
    }
    suite
}

fn details(mut suite: Suite) -> Suite {
    for (name, coding) in [("after_gzip", "gzip, aws-chunked"), ("before_gzip", "aws-chunked, gzip"), ("before_gzip_tight", "aws-chunked,gzip")] {
        let rule = format!("Of the Content-Encoding `{coding}` the object keeps `gzip`.");
        suite = suite.common(&format!("put_object/aws_chunked_{name}"), &["STR-06"], &rule, move |fx| async move {
            expect::ok(put(&fx, b"not really gzip", Chunks::signed(CHUNK)).header("Content-Encoding", coding).send().await)?;
            let head = expect::ok(fx.raw_object("HeadObject", "HEAD", "k", "").send().await)?;
            expect::eq("Content-Encoding", head.header("content-encoding"), Some("gzip"))
        });
    }
    suite
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
                expect::refused(put.resized().send().await, 400, "MalformedTrailerError")?;
                fx.absent("k").await
            },
        )
        .common("put_object/one_byte_writes", &["STR-22"], "A chunked body that arrives byte by byte is decoded right.", async |fx| {
            let body = fx.random_bytes(Bytes(200));
            let put = put(&fx, &body, Chunks::signed(CHUNK)).in_pieces(1, Duration::ZERO).send().await;
            expect::ok(put)?;
            stored(&fx, &body).await
        })
}

/// Unsigned chunks with the body's CRC32 behind them.
fn crc32(body: &[u8]) -> Chunks {
    Chunks::unsigned(CHUNK, CRC32, &crc32_base64(body))
}

/// Replaces `from` in the coded body, where it must stand.
fn replaced(coded: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = coded.windows(from.len()).position(|window| window == from).unwrap_or(coded.len());
    let end = (at + from.len()).min(coded.len());
    [&coded[..at], to, &coded[end..]].concat()
}

/// How a coded body of one chunk `hello` is broken.
type Damage = (&'static str, &'static str, fn(&[u8]) -> Vec<u8>);
const DAMAGES: [Damage; 6] = [
    ("without_last_chunk", "whose last empty chunk is missing", |coded| {
        let at = coded.windows(7).position(|window| window == b"hello\r\n").map_or(0, |at| at + 7);
        coded[..at].to_vec()
    }),
    ("cut_in_data", "that ends in the data of a chunk", |coded| {
        let at = coded.windows(5).position(|window| window == b"hello").map_or(0, |at| at + 3);
        coded[..at].to_vec()
    }),
    ("without_crlf", "without CRLF behind the data of a chunk", |coded| replaced(coded, b"hello\r\n", b"hello")),
    ("with_other_bytes_for_crlf", "with other bytes for the CRLF behind a chunk", |coded| replaced(coded, b"hello\r\n", b"helloXY")),
    ("with_size_in_words", "whose chunk size is no number", |coded| [b"five", &coded[1..]].concat()),
    ("with_size_too_large", "whose chunk size is more than follows", |coded| [b"ffff", &coded[1..]].concat()),
];

fn broken(mut suite: Suite) -> Suite {
    for signed in [true, false] {
        let kind = if signed { "signed" } else { "unsigned" };
        for (name, what, damage) in DAMAGES {
            let id = format!("put_object/{kind}_{name}");
            let rule = format!("A body of {kind} chunks {what} answers 400 IncompleteBody and stores nothing.");
            suite = suite.common(&id, &["STR-10"], &rule, move |fx| async move {
                let chunks = if signed { Chunks::signed(CHUNK) } else { crc32(b"hello") };
                let put =
                    put(&fx, b"hello", chunks).limit(Duration::from_secs(10)).tamper(move |message| message.body = damage(&message.body)).resized();
                // Bytes that are no framing may also be told apart from a body that ends early.
                let refused =
                    expect::refused_or(put.send().await, (400, "IncompleteBody"), &[(400, "InvalidRequest"), (400, "MalformedTrailerError")]);
                // With signatures, all data is there and checked before the end that is missing.
                let is_whole = signed && name == "without_last_chunk";
                if is_whole {
                    refused.class(WrongEffect)?
                } else {
                    refused?
                }
                fx.absent("k").await
            });
        }
    }
    suite
}

fn lengths(mut suite: Suite) -> Suite {
    for (name, chunks) in [("signed", Chunks::signed as fn(usize) -> Chunks), ("unsigned", |_| crc32(b"hello"))] {
        let rule = format!(
            "{} chunks without x-amz-decoded-content-length answer 411 MissingContentLength.",
            if name == "signed" { "Signed" } else { "Unsigned" }
        );
        suite = suite.extended(&format!("put_object/{name}_no_decoded_length"), &["STR-07"], &rule, move |fx| async move {
            let put = put(&fx, b"hello", chunks(CHUNK)).without("x-amz-decoded-content-length").send().await;
            expect::error(put, 411, "MissingContentLength")?;
            fx.absent("k").await
        });
    }
    suite
        .extended(
            "put_object/small_chunks",
            &["STR-11"],
            "A chunk of less than 8 KiB that is not the last answers 400 InvalidChunkSizeError.",
            async |fx| {
                let put = put(&fx, &fx.random_bytes(Bytes::kib(4)), Chunks::signed(1024)).send().await;
                expect::error(put, 400, "InvalidChunkSizeError")?;
                fx.absent("k").await
            },
        )
        .extended("put_object/smallest_chunks", &["STR-11"], "Chunks of exactly 8 KiB are accepted.", async |fx| {
            let body = fx.random_bytes(Bytes::kib(20));
            expect::ok(put(&fx, &body, Chunks::signed(8192)).send().await)?;
            stored(&fx, &body).await
        })
        .common("put_object/uneven_writes", &["STR-22"], "Unsigned chunks that arrive in pieces of seven bytes are decoded right.", async |fx| {
            let body = fx.random_bytes(Bytes(2000));
            expect::ok(put(&fx, &body, crc32(&body)).in_pieces(7, Duration::ZERO).send().await)?;
            stored(&fx, &body).await
        })
}
