//! Suite `range`: reading parts of an object.

use proofmark::case::values::completed;
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::units::Bytes;
use proofmark::wire::{Answer, WireError};

const SIZE: usize = 1000;

/// Ranges that lie in an object of 1000 bytes: id, row, header, first byte, byte behind the last.
const SATISFIABLE: [(&str, &str, &str, usize, usize); 14] = [
    ("inside", "GET-09", "bytes=100-299", 100, 300),
    ("first_byte", "GET-09", "bytes=0-0", 0, 1),
    ("last_byte", "GET-09", "bytes=999-999", 999, 1000),
    ("all_bytes", "GET-09", "bytes=0-999", 0, 1000),
    ("open_end", "GET-10", "bytes=990-", 990, 1000),
    ("open_end_from_start", "GET-10", "bytes=0-", 0, 1000),
    ("open_end_at_last_byte", "GET-10", "bytes=999-", 999, 1000),
    ("suffix", "GET-11", "bytes=-8", 992, 1000),
    ("suffix_of_one", "GET-11", "bytes=-1", 999, 1000),
    ("suffix_as_long_as_object", "GET-11", "bytes=-1000", 0, 1000),
    ("suffix_longer_than_object", "GET-11", "bytes=-5000", 0, 1000),
    ("end_is_clipped", "GET-12", "bytes=900-1999", 900, 1000),
    ("end_just_behind_object", "GET-12", "bytes=0-1000", 0, 1000),
    ("end_is_largest_number", "GET-12", "bytes=900-9223372036854775806", 900, 1000),
];

/// Ranges that do not touch an object of 1000 bytes.
const UNSATISFIABLE: [(&str, &str); 4] = [
    ("start_behind_end", "bytes=1000-1001"),
    ("open_start_at_end", "bytes=1000-"),
    ("start_far_behind_end", "bytes=5000-6000"),
    ("suffix_of_zero", "bytes=-0"),
];

/// Ranges that are none: RFC 9110, 14.2, leaves a server the choice between ignoring and refusing them.
const INVALID: [(&str, &str); 8] = [
    ("reversed", "bytes=9-2"),
    ("not_a_number", "bytes=a-b"),
    ("empty", "bytes="),
    ("no_dash", "bytes=5"),
    ("only_dash", "bytes=-"),
    ("two_dashes", "bytes=0--9"),
    ("trailing_letter", "bytes=0-9x"),
    ("no_unit", "0-9"),
];

/// A range in a unit that S3 does not know: RFC 9110, 14.2, says that it must be ignored.
const OTHER_UNIT: (&str, &str) = ("other_unit", "lines=1-2");

/// Stores 1000 bytes and asks for a range of them.
async fn ranged(fx: &Fixture, method: &str, range: &str) -> Checked<(Vec<u8>, Result<Answer, WireError>)> {
    let body = fx.random_bytes(Bytes(SIZE as u64));
    fx.put("k", &body).await?;
    let operation = if method == "HEAD" { "HeadObject" } else { "GetObject" };
    Ok((body, fx.raw_object(operation, method, "k", "").header("Range", range).send().await))
}

/// Stores 1000 bytes and claims that `range` answers 206 with exactly `from..to` of them.
async fn partial(fx: Fixture, range: &'static str, from: usize, to: usize) -> Checked {
    let body = fx.random_bytes(Bytes(SIZE as u64));
    fx.put("k", &body).await?;
    let got = expect::ok(fx.get_object("k").range(range).send().await)?;
    let expected = format!("bytes {from}-{}/{SIZE}", to - 1);
    expect::eq(&format!("Content-Range of {range}"), got.content_range(), Some(expected.as_str()))?;
    expect::eq("Content-Length", got.content_length(), i64::try_from(to - from).ok())?;
    expect::bytes("body", &fx.collect(got.body).await?, &body[from..to])
}

/// Claims that the range was ignored.
fn ignored(answer: Result<Answer, WireError>, body: &[u8]) -> Checked {
    let answer = expect::ok(answer)?;
    expect::eq("status", answer.status, 200)?;
    expect::eq("Content-Range", answer.header("content-range"), None::<&str>)?;
    expect::bytes("body", &answer.body, body)
}

/// The suite.
pub fn suite() -> Suite {
    special(heads(pinned(malformed(unsatisfiable(satisfiable(Suite::new("range").source("S3 API reference, GetObject; RFC 9110, section 14")))))))
}

fn satisfiable(mut suite: Suite) -> Suite {
    for (name, row, range, from, to) in SATISFIABLE {
        let rule = format!("The range {range} of 1000 bytes answers 206 with the bytes {from} to {} and says so.", to - 1);
        suite = suite.core(&format!("get_object/{name}"), &[row], &rule, move |fx| partial(fx, range, from, to));
        suite = suite.dependents(&["Parquet readers", "mountpoint", "Snowflake"]);
    }
    suite
}

fn unsatisfiable(mut suite: Suite) -> Suite {
    for (name, range) in UNSATISFIABLE {
        let rule = format!("The range {range} of 1000 bytes answers 416 InvalidRange.");
        suite = suite.core(&format!("get_object/{name}"), &["GET-13"], &rule, move |fx| async move {
            let (_, answer) = ranged(&fx, "GET", range).await?;
            expect::error(answer, 416, "InvalidRange")
        });
    }
    for (name, range) in [("first_byte", "bytes=0-0"), ("open", "bytes=0-"), ("suffix", "bytes=-5")] {
        let rule = format!("The range {range} of an empty object answers 416 InvalidRange.");
        suite = suite.common(&format!("get_object/{name}_of_empty_object"), &["GET-14"], &rule, move |fx| async move {
            fx.put("k", b"").await?;
            match fx.raw_object("GetObject", "GET", "k", "").header("Range", range).send().await {
                // RFC 9110 calls a suffix of an empty object satisfiable.
                Ok(answer) if range == "bytes=-5" && answer.status == 200 && answer.body.is_empty() => expect::variant("200 with no bytes"),
                other => expect::error(other, 416, "InvalidRange"),
            }
        });
    }
    suite.core("get_object/unsatisfiable_tells_size", &["GET-13"], "A 416 tells the actual size of the object.", async |fx| {
        let (_, answer) = ranged(&fx, "GET", "bytes=1000-1001").await?;
        let copy = answer.as_ref().ok().cloned();
        expect::status(answer, 416)?;
        let answer = expect::some("answer", copy)?;
        let told = answer.element("ActualObjectSize").or_else(|| answer.header("content-range").map(str::to_owned));
        let is_told = matches!(told.as_deref(), Some("1000" | "bytes */1000"));
        expect::that("ActualObjectSize or Content-Range", is_told, "1000 or bytes */1000", told).class(WrongCode)
    })
}

fn malformed(mut suite: Suite) -> Suite {
    for (name, range) in INVALID {
        let rule = format!("The range `{range}` is ignored: 200 with the whole object.");
        suite = suite.extended(&format!("get_object/{name}_range_is_ignored"), &["GET-15"], &rule, move |fx| async move {
            match ranged(&fx, "GET", range).await? {
                (_, Ok(answer)) if answer.status == 416 || answer.status == 400 => {
                    expect::variant(format!("{}: the range is refused", answer.status))
                }
                (body, answer) => ignored(answer, &body),
            }
        });
    }
    let (name, range) = OTHER_UNIT;
    let rule = format!("The range `{range}` is ignored: 200 with the whole object.");
    suite = suite.extended(&format!("get_object/{name}_range_is_ignored"), &["GET-15"], &rule, move |fx| async move {
        let (body, answer) = ranged(&fx, "GET", range).await?;
        ignored(answer, &body)
    });
    for (name, range) in [("two_ranges", "bytes=0-9,20-29"), ("overlapping_ranges", "bytes=0-9,5-19"), ("range_and_suffix", "bytes=0-9,-10")] {
        let rule = format!("The ranges `{range}` answer 200 with the whole object.");
        suite = suite.rare(&format!("get_object/{name}"), &["GET-16"], &rule, move |fx| async move {
            match ranged(&fx, "GET", range).await? {
                (_, Ok(answer))
                    if answer.status == 206 && answer.header("content-type").is_some_and(|kind| kind.starts_with("multipart/byteranges")) =>
                {
                    expect::variant("206 with multipart/byteranges, as RFC 9110 allows")
                }
                (_, Ok(answer)) if answer.status == 416 || answer.status == 400 => {
                    expect::variant(format!("{}: several ranges are refused", answer.status))
                }
                (body, answer) => ignored(answer, &body),
            }
        });
    }
    suite
}

fn heads(mut suite: Suite) -> Suite {
    for (name, range, from, to) in [("inside", "bytes=100-299", 100, 300), ("open_end", "bytes=990-", 990, 1000), ("suffix", "bytes=-8", 992, 1000)] {
        let rule = format!("HEAD with the range {range} answers 206 with the length and place of that part.");
        suite = suite.extended(&format!("head_object/{name}"), &["GET-17"], &rule, move |fx| async move {
            let (_, answer) = ranged(&fx, "HEAD", range).await?;
            let answer = expect::ok(answer)?;
            expect::eq("status", answer.status, 206)?;
            expect::eq("Content-Range", answer.header("content-range"), Some(format!("bytes {from}-{}/{SIZE}", to - 1).as_str()))?;
            expect::eq("Content-Length", answer.header("content-length"), Some((to - from).to_string().as_str()))
        });
    }
    suite
        .extended("head_object/start_behind_end", &["GET-17"], "HEAD with a range behind the end answers 416.", async |fx| {
            let (_, answer) = ranged(&fx, "HEAD", "bytes=1000-1001").await?;
            expect::status(answer, 416)
        })
        .common("head_object/accept_ranges", &["GET-08"], "HEAD answers Accept-Ranges: bytes.", async |fx| {
            fx.put("k", b"x").await?;
            expect::eq("Accept-Ranges", expect::ok(fx.head_object("k").send().await)?.accept_ranges(), Some("bytes"))
        })
        .common("get_object/accept_ranges", &["GET-08"], "GET answers Accept-Ranges: bytes.", async |fx| {
            fx.put("k", b"x").await?;
            expect::eq("Accept-Ranges", expect::ok(fx.get_object("k").send().await)?.accept_ranges(), Some("bytes"))
        })
}

fn pinned(suite: Suite) -> Suite {
    suite
        .core("get_object/range_if_match_same", &["GET-18"], "A range pinned with If-Match answers 206 while the object is the same.", async |fx| {
            let body = fx.random_bytes(Bytes(SIZE as u64));
            let etag = fx.put("k", &body).await?;
            let got = expect::ok(fx.get_object("k").range("bytes=10-19").if_match(etag).send().await)?;
            expect::eq("Content-Range", got.content_range(), Some("bytes 10-19/1000"))?;
            expect::bytes("body", &fx.collect(got.body).await?, &body[10..20])
        })
        .core("get_object/range_if_match_overwritten", &["GET-18"], "A range pinned with If-Match answers 412 after an overwrite.", async |fx| {
            let etag = fx.put("k", &fx.random_bytes(Bytes(SIZE as u64))).await?;
            fx.put("k", &fx.random_bytes(Bytes(SIZE as u64))).await?;
            expect::refused(fx.get_object("k").range("bytes=10-19").if_match(etag).send().await, 412, "PreconditionFailed")
        })
        .dependents(&["S3A", "mountpoint", "Elasticsearch"])
}

/// Two parts below one key: 5 MiB and some bytes. Returns all of the object's bytes.
pub(super) async fn two_parts(fx: &Fixture) -> Checked<Vec<u8>> {
    // The period is prime, so that no shift by a block goes unseen.
    let mut first = fx.random_bytes(Bytes(4099)).repeat(1280);
    first.truncate(5 << 20);
    let second = fx.random_bytes(Bytes(777));
    let id = fx.start_upload("k").await?;
    let parts = [fx.upload_part("k", &id, 1, &first).await?, fx.upload_part("k", &id, 2, &second).await?];
    let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
    let sent = complete.multipart_upload(completed(parts)).send().await;
    fx.set_up("CompleteMultipartUpload", sent)?;
    Ok([first, second].concat())
}

fn special(suite: Suite) -> Suite {
    suite
        .core(
            "get_object/across_parts",
            &["GET-25", "GET-09"],
            "A range across the parts of a multipart object answers exactly its bytes.",
            async |fx| {
                let body = two_parts(&fx).await?;
                let border = 5 << 20;
                let got = expect::ok(fx.get_object("k").range(format!("bytes={}-{}", border - 100, border + 99)).send().await)?;
                expect::bytes("body", &fx.collect(got.body).await?, &body[border - 100..border + 100])
            },
        )
        .core("get_object/range_as_partial_content", &["GET-09"], "A range answers 206 and not 200.", async |fx| {
            let (body, answer) = ranged(&fx, "GET", "bytes=10-19").await?;
            let answer = expect::ok(answer)?;
            expect::eq("status", answer.status, 206)?;
            expect::bytes("body", &answer.body, &body[10..20])
        })
}
