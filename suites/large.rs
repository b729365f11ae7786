//! Suite `large`: objects of 5 GiB and more. What really moves them is slow.

use std::time::Duration;

use proofmark::case::values::completed;
use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::model::Impact;
use proofmark::units::Bytes;
use proofmark::wire::{Answer, Failure, Payload, WireError};

const GIB: u64 = 1 << 30;
const PART: usize = 64 << 20;
/// 5 GiB and one part.
const PARTS: usize = 81;
/// The period of the content: prime, so that no shift by a block goes unseen.
const PERIOD: usize = 4099;
/// How long a server may take to refuse a request whose body is kept back.
const PATIENCE: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(1200);

/// What `at..` of an object reads as whose bytes repeat with [`PERIOD`]. `content` is one part and one period long.
fn window(content: &[u8], at: u64, length: usize) -> &[u8] {
    let phase = usize::try_from(at % PERIOD as u64).unwrap_or_default();
    &content[phase..phase + length]
}

fn content(fx: &Fixture) -> Vec<u8> {
    let mut content = fx.random_bytes(Bytes(PERIOD as u64)).repeat(PART / PERIOD + 3);
    content.truncate(PART + PERIOD);
    content
}

/// Announces a PUT of `length` bytes and keeps them back; the answer that comes without them, if one does.
async fn announced(fx: &Fixture, length: u64) -> Result<Answer, WireError> {
    let put = fx.raw_object("PutObject", "PUT", "k", "").payload(Payload::Unsigned).header("Content-Length", length.to_string());
    put.expect_continue(PATIENCE).limit(PATIENCE).send().await
}

fn is_silent(answer: &Result<Answer, WireError>) -> bool {
    matches!(answer, Err(error) if error.failure == Failure::Timeout)
}

/// The suite.
pub fn suite() -> Suite {
    streamed(announcements(Suite::new("large").source("S3 user guide, Uploading objects; Amazon S3 multipart upload limits")))
}

fn announcements(suite: Suite) -> Suite {
    suite
        .core(
            "put_object/five_gib_announced",
            &["PUT-21"],
            "A PUT that announces 5 GiB with Expect: 100-continue is not refused before its body.",
            async |fx| {
                let answer = announced(&fx, 5 * GIB).await;
                if is_silent(&answer) {
                    return Ok(());
                }
                expect::ok(answer).map(drop)
            },
        )
        .dependents(&["Snowflake"])
        .extended(
            "put_object/over_five_gib_announced",
            &["PUT-22"],
            "A PUT that announces more than 5 GiB answers 400 EntityTooLarge before its body.",
            async |fx| {
                let answer = announced(&fx, 5 * GIB + 1).await;
                if is_silent(&answer) {
                    return expect::variant("no refusal before the body: the server waits for it, or takes larger objects");
                }
                expect::error(answer, 400, "EntityTooLarge")?;
                fx.absent("k").await
            },
        )
}

/// An object of [`PARTS`] parts, sent part by part.
async fn upload(fx: &Fixture, content: &[u8]) -> Checked {
    let id = fx.start_upload("k").await?;
    let mut parts = Vec::new();
    for number in 1..=PARTS {
        let body = window(content, (number as u64 - 1) * PART as u64, PART).to_vec();
        let query = format!("?partNumber={number}&uploadId={}", proofmark::case::values::encode_query(&id));
        let sent = fx.raw_object("UploadPart", "PUT", "k", &query).payload(Payload::Unsigned).body(body).send().await;
        let sent = fx.set_up("UploadPart", sent)?;
        let number = i32::try_from(number).unwrap_or_default();
        let etag = sent.header("etag").map(str::to_owned);
        parts.push(aws_sdk_s3::types::CompletedPart::builder().part_number(number).set_e_tag(etag).build());
    }
    let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
    fx.set_up("CompleteMultipartUpload", complete.multipart_upload(completed(parts)).send().await).map(drop)
}

/// Reads the whole object and compares every byte.
async fn compare(fx: &Fixture, content: &[u8], total: u64) -> Checked {
    let got = expect::ok(fx.get_object("k").send().await)?;
    expect::eq("Content-Length", got.content_length(), i64::try_from(total).ok())?;
    let (mut body, mut at) = (got.body, 0_u64);
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else { return expect::that("the body", false, "complete", format!("broken at byte {at}")) };
        expect::bytes(&format!("body from byte {at}"), &piece, window(content, at, piece.len()))?;
        at += piece.len() as u64;
    }
    expect::eq("bytes", at, total)
}

async fn ranges(fx: &Fixture, content: &[u8], total: u64) -> Checked {
    for at in [PART as u64 - 500, 2 * GIB - 500, 4 * GIB - 500, 5 * GIB - 500, total - 1000] {
        let got = expect::ok(fx.get_object("k").range(format!("bytes={at}-{}", at + 999)).send().await)?;
        expect::eq("Content-Range", got.content_range(), Some(format!("bytes {at}-{}/{total}", at + 999).as_str()))?;
        expect::bytes(&format!("range at byte {at}"), &fx.collect(got.body).await?, window(content, at, 1000))?;
    }
    Ok(())
}

fn streamed(suite: Suite) -> Suite {
    suite
        .core(
            "get_object/more_than_five_gib",
            &["GET-25"],
            "An object of more than 5 GiB reads back byte for byte, as a whole and by ranges around 2, 4 and 5 GiB.",
            async |fx| {
                let (content, total) = (content(&fx), (PARTS * PART) as u64);
                upload(&fx, &content).await?;
                ranges(&fx, &content, total).await?;
                compare(&fx, &content, total).await
            },
        )
        .deadline(LONG)
        .sends(100)
        .impact(Impact::Overload)
        .slow()
        .core("put_object/five_gib", &["PUT-21"], "A single PUT of 5 GiB is stored and reads back in its middle and at its end.", async |fx| {
            let block = fx.random_bytes(Bytes::mib(1));
            let times = 5 * 1024;
            let put = fx.raw_object("PutObject", "PUT", "k", "").body(block.clone()).times(times).limit(Duration::from_secs(300));
            expect::ok(put.send().await)?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            expect::eq("Content-Length", head.content_length(), i64::try_from(5 * GIB).ok())?;
            for at in [4 * GIB - (1 << 20), 5 * GIB - (1 << 20)] {
                let got = expect::ok(fx.get_object("k").range(format!("bytes={at}-{}", at + (1 << 20) - 1)).send().await)?;
                expect::bytes(&format!("range at byte {at}"), &fx.collect(got.body).await?, &block)?;
            }
            Ok(())
        })
        .deadline(LONG)
        .impact(Impact::Overload)
        .dependents(&["Snowflake", "Elasticsearch"])
        .slow()
}
