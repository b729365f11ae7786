//! Suite `multipart_size`: the smallest and the largest uploads.

use std::time::{Duration, Instant};

use proofmark::case::values::encode_query;
use proofmark::case::{Checked, Finding, Fixture, Suite, expect};
use proofmark::model::{Impact, Measure};
use proofmark::units::Bytes;
use proofmark::wire::RawRequest;

use super::multipart::{PART, complete};

/// Parts that are copied at a time.
const AT_ONCE: i32 = 8;
/// How long ordinary SDKs wait for the answer to a completion.
const PATIENCE: Duration = Duration::from_secs(60);

/// The suite.
pub fn suite() -> Suite {
    large(small(Suite::new("multipart_size").source("S3 user guide, Amazon S3 multipart upload limits")))
}

/// Goes on only where the vendor's budget says that this much may be stored: no case may fill a disk that nobody offered.
pub(super) fn room_for(fx: &Fixture, size: Bytes) -> Checked {
    match fx.link().vendor.budget.stored {
        Some(stored) if stored >= size => Ok(()),
        _ => expect::untested(format!("stores {size}: needs budget.stored of at least that")),
    }
}

/// The body of a completion.
pub(super) fn completion(parts: &[(i32, String)]) -> String {
    let part = |(number, etag): &(i32, String)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.iter().map(part).collect::<String>())
}

/// A completion of the upload of `name` with any body.
pub(super) fn raw_completion(fx: &Fixture, name: &str, id: &str, body: String) -> RawRequest {
    let query = format!("?uploadId={}", encode_query(id));
    fx.raw_object("CompleteMultipartUpload", "POST", name, &query).header("Content-Type", "application/xml").body(body)
}

/// Copies the whole of `from` as one part; the part's ETag. Content-Length is sent as most SDKs do, for servers that insist on it.
async fn copied(fx: Fixture, from: String, to: String, id: String, number: i32) -> Checked<String> {
    let query = format!("?partNumber={number}&uploadId={}", encode_query(&id));
    let copy = fx.raw_object("UploadPartCopy", "PUT", &to, &query).header("x-amz-copy-source", fx.source(&from));
    let answer = fx.set_up("UploadPartCopy", copy.send().await)?;
    answer.element("ETag").ok_or_else(|| Finding::Unresolved("set-up: UploadPartCopy: no ETag".to_owned()))
}

/// Prepares an upload of `to` that consists of `parts` copies of `from`; its completion, not yet sent.
pub(super) async fn repeated(fx: &Fixture, from: &str, to: &str, parts: i32) -> Checked<RawRequest> {
    let id = fx.start_upload(to).await?;
    let mut listed = Vec::new();
    for first in (1..=parts).step_by(AT_ONCE.unsigned_abs() as usize) {
        let copy = |number| tokio::spawn(copied(fx.clone(), from.to_owned(), to.to_owned(), id.clone(), number));
        let copies: Vec<_> = (first..=parts.min(first + AT_ONCE - 1)).map(|number| (number, copy(number))).collect();
        for (number, copy) in copies {
            let Ok(etag) = copy.await else { return expect::unresolved("harness: a copier panicked") };
            listed.push((number, etag?));
        }
    }
    Ok(raw_completion(fx, to, &id, completion(&listed)).limit(PATIENCE))
}

fn small(mut suite: Suite) -> Suite {
    // Name, sizes of the parts.
    let table: [(&str, &[u64]); 4] =
        [("one_byte", &[1]), ("zero_bytes", &[0]), ("last_part_of_one_byte", &[PART.0, 1]), ("last_part_of_zero_bytes", &[PART.0, 0])];
    for (name, sizes) in table {
        let rule = format!("An upload of parts of {sizes:?} bytes is completed and reads back.");
        suite = suite.common(&format!("complete_multipart_upload/{name}"), &["MPU-18"], &rule, move |fx| async move {
            let id = fx.start_upload("k").await?;
            let (mut parts, mut whole) = (Vec::new(), Vec::new());
            for (size, number) in sizes.iter().zip(1..) {
                let body = fx.random_bytes(Bytes(*size));
                let upload = fx.s3().upload_part().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).part_number(number);
                let etag = expect::some("ETag", expect::ok(upload.body(body.clone().into()).send().await)?.e_tag)?;
                parts.push(super::multipart::part(number, &etag));
                whole.extend(body);
            }
            expect::ok(complete(&fx, &id, parts).send().await)?;
            fx.holds("k", &whole).await
        });
    }
    suite
}

fn large(suite: Suite) -> Suite {
    suite
        .common(
            "complete_multipart_upload/list_of_ten_thousand",
            &["MPU-39"],
            "A completion's list of 10,000 parts is read to its end: parts that were never uploaded answer 400 InvalidPart.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                let last = fx.upload_part("k", &id, 10_000, b"x").await?;
                let etag = last.e_tag().unwrap_or_default().to_owned();
                let listed: Vec<_> = (1..=10_000).map(|number| (number, etag.clone())).collect();
                expect::refused(raw_completion(&fx, "k", &id, completion(&listed)).send().await, 400, "InvalidPart")?;
                fx.absent("k").await?;
                expect::ok(complete(&fx, &id, [last]).send().await)?;
                fx.holds("k", b"x").await
            },
        )
        .dependents(&["Veeam"])
        .common(
            "complete_multipart_upload/ten_thousand_parts",
            &["MPU-39"],
            "An upload of 10,000 parts of 5 MiB is completed within a client's usual 60 s, and its first and last bytes are right.",
            async |fx| {
                const PARTS: i32 = 10_000;
                let size = PART.0 * u64::from(PARTS.unsigned_abs());
                room_for(&fx, Bytes(size + PART.0))?;
                let seed = fx.random_bytes(PART);
                fx.put("seed", &seed).await?;
                let complete = repeated(&fx, "seed", "k", PARTS).await?;
                let started = Instant::now();
                expect::some("ETag", expect::ok(complete.send().await)?.element("ETag"))?;
                fx.measure(Measure::new("complete_multipart_upload_ms", "ms", started.elapsed().as_secs_f64() * 1e3, 1));
                expect::eq("Content-Length", expect::ok(fx.head_object("k").send().await)?.content_length(), i64::try_from(size).ok())?;
                for (range, expected) in [("bytes=0-99".to_owned(), &seed[..100]), (format!("bytes={}-", size - 100), &seed[seed.len() - 100..])] {
                    let got = expect::ok(fx.get_object("k").range(&range).send().await)?;
                    expect::bytes(&range, &fx.collect(got.body).await?, expected)?;
                }
                Ok(())
            },
        )
        .dependents(&["Veeam", "database backups"])
        .impact(Impact::Overload)
        .sends(10_010)
        .deadline(Duration::from_secs(3600))
        .slow()
        .source("S3 API reference, HeadObject: x-amz-mp-parts-count")
        .rare("head_object/parts_count", &["MPU-43"], "HEAD of a part answers how many parts the object has.", async |fx| {
            two_parts(&fx).await?;
            let head = fx.raw_object("HeadObject", "HEAD", "k", "?partNumber=1").send().await;
            expect::eq("x-amz-mp-parts-count", expect::ok(head)?.header("x-amz-mp-parts-count"), Some("2"))
        })
        .rare(
            "head_object/no_parts_count_for_whole",
            &["MPU-43"],
            "HEAD of a whole multipart object does not answer how many parts it has.",
            async |fx| {
                two_parts(&fx).await?;
                let head = fx.raw_object("HeadObject", "HEAD", "k", "").send().await;
                expect::eq("x-amz-mp-parts-count", expect::ok(head)?.header("x-amz-mp-parts-count"), None)
            },
        )
}

/// Prepares `k` of two parts.
async fn two_parts(fx: &Fixture) -> Checked {
    let id = fx.start_upload("k").await?;
    let parts = [fx.upload_part("k", &id, 1, &fx.random_bytes(PART)).await?, fx.upload_part("k", &id, 2, b"end").await?];
    fx.set_up("CompleteMultipartUpload", complete(fx, &id, parts).send().await).map(drop)
}
