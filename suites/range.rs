//! Suite `range`: reading parts of an object.

use proofmark::case::values::completed;
use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::units::Bytes;

const SIZE: usize = 1000;

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

/// The suite.
pub fn suite() -> Suite {
    malformed(pinned(plain(Suite::new("range").source("S3 API reference, GetObject; RFC 9110, section 14"))))
}

fn malformed(mut suite: Suite) -> Suite {
    for (name, range) in [("reversed", "bytes=9-2"), ("other_unit", "lines=1-2"), ("not_a_number", "bytes=a-b")] {
        let id = format!("get_object/{name}_range_is_ignored");
        suite = suite.extended(&id, &["GET-15"], &format!("The range `{range}` is ignored: 200 with the whole object."), move |fx| async move {
            let body = fx.random_bytes(Bytes(SIZE as u64));
            fx.put("k", &body).await?;
            let got = expect::ok(fx.get_object("k").range(range).send().await)?;
            expect::eq("Content-Range", got.content_range(), None::<&str>)?;
            expect::bytes("body", &fx.collect(got.body).await?, &body)
        });
    }
    suite
}

fn plain(suite: Suite) -> Suite {
    suite
        .core("get_object/inside", &["GET-09"], "A range inside the object answers 206 with exactly those bytes.", async |fx| {
            partial(fx, "bytes=100-299", 100, 300).await
        })
        .dependents(&["Parquet readers", "mountpoint", "Snowflake"])
        .core("get_object/first_byte", &["GET-09"], "The range 0-0 answers 206 with the first byte.", async |fx| partial(fx, "bytes=0-0", 0, 1).await)
        .core("get_object/open_end", &["GET-10"], "A range without an end answers 206 up to the end.", async |fx| {
            partial(fx, "bytes=990-", 990, 1000).await
        })
        .core("get_object/suffix", &["GET-11"], "A suffix range answers 206 with the last bytes.", async |fx| {
            partial(fx, "bytes=-8", 992, 1000).await
        })
        .dependents(&["Parquet readers"])
        .core(
            "get_object/suffix_longer_than_object",
            &["GET-11"],
            "A suffix range longer than the object answers 206 with the whole object.",
            async |fx| partial(fx, "bytes=-5000", 0, 1000).await,
        )
        .core("get_object/end_is_clipped", &["GET-12"], "A range that ends behind the object is clipped to its end.", async |fx| {
            partial(fx, "bytes=900-1999", 900, 1000).await
        })
        .core("get_object/start_behind_end", &["GET-13"], "A range that starts at or behind the end answers 416 InvalidRange.", async |fx| {
            fx.put("k", &fx.random_bytes(Bytes(SIZE as u64))).await?;
            expect::error(fx.get_object("k").range("bytes=1000-1001").send().await, 416, "InvalidRange")
        })
        .core("get_object/suffix_of_zero", &["GET-13"], "The suffix range of zero bytes answers 416 InvalidRange.", async |fx| {
            fx.put("k", &fx.random_bytes(Bytes(SIZE as u64))).await?;
            expect::error(fx.get_object("k").range("bytes=-0").send().await, 416, "InvalidRange")
        })
        .common("get_object/range_of_empty_object", &["GET-14"], "Any range of an empty object answers 416 InvalidRange.", async |fx| {
            fx.put("k", b"").await?;
            expect::error(fx.get_object("k").range("bytes=0-0").send().await, 416, "InvalidRange")
        })
        .common("head_object/accept_ranges", &["GET-08"], "HEAD answers Accept-Ranges: bytes.", async |fx| {
            fx.put("k", b"x").await?;
            expect::eq("Accept-Ranges", expect::ok(fx.head_object("k").send().await)?.accept_ranges(), Some("bytes"))
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
        .extended("get_object/part_number", &["GET-19"], "partNumber answers 206 with the bytes of that part.", async |fx| {
            let (first, second) = (fx.random_bytes(Bytes::mib(5)), fx.random_bytes(Bytes(77)));
            let id = fx.start_upload("k").await?;
            let parts = [fx.upload_part("k", &id, 1, &first).await?, fx.upload_part("k", &id, 2, &second).await?];
            let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
            let completed = complete.multipart_upload(completed(parts)).send().await;
            fx.set_up("CompleteMultipartUpload", completed)?;
            let got = expect::ok(fx.get_object("k").part_number(2).send().await)?;
            expect::eq("x-amz-mp-parts-count", got.parts_count(), Some(2))?;
            expect::bytes("body", &fx.collect(got.body).await?, &second)
        })
}
