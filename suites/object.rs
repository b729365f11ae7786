//! Suite `object`: writing and reading single objects, and the names they may have.

use proofmark::case::values::{crc32_base64, md5_base64, md5_etag};
use proofmark::case::{Suite, expect};
use proofmark::units::Bytes;

/// The suite.
pub fn suite() -> Suite {
    names(reading(failures(digests(writing(Suite::new("object").source("S3 API reference, PutObject and GetObject"))))))
}

fn writing(suite: Suite) -> Suite {
    suite
        .core("put_object/etag_is_quoted_md5", &["PUT-01"], "A plain PUT answers the quoted hexadecimal MD5 of the body as ETag.", async |fx| {
            let body = fx.random_bytes(Bytes::kib(3));
            let put = expect::ok(fx.put_object("a").body(body.clone().into()).send().await)?;
            expect::eq("ETag", put.e_tag(), Some(md5_etag(&body).as_str()))
        })
        .dependents(&["rclone", "restic", "aws-cli"])
        .core("put_object/zero_bytes", &["PUT-02"], "An object of zero bytes is stored and reads back as zero bytes.", async |fx| {
            let put = expect::ok(fx.put_object("empty").body(Vec::new().into()).send().await)?;
            expect::eq("ETag", put.e_tag(), Some("\"d41d8cd98f00b204e9800998ecf8427e\""))?;
            let head = expect::ok(fx.head_object("empty").send().await)?;
            expect::eq("Content-Length", head.content_length(), Some(0))?;
            fx.holds("empty", b"").await
        })
        .dependents(&["S3A", "Spark"])
        .core("put_object/read_after_write", &["PUT-03", "GET-01"], "A PUT object reads back byte for byte.", async |fx| {
            let body = fx.random_bytes(Bytes::mib(1));
            expect::ok(fx.put_object("k").body(body.clone().into()).send().await)?;
            fx.holds("k", &body).await
        })
        .core("put_object/overwrite_replaces_all", &["PUT-03"], "An overwrite replaces data, headers and metadata as a whole.", async |fx| {
            let (old, new) = (fx.random_bytes(Bytes::kib(64)), fx.random_bytes(Bytes::kib(1)));
            let first = fx.put_object("k").body(old.into()).metadata("colour", "red").cache_control("no-store").send().await;
            fx.set_up("PutObject", first)?;
            expect::ok(fx.put_object("k").body(new.clone().into()).metadata("shape", "round").send().await)?;
            fx.holds("k", &new).await?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            let metadata = head.metadata().cloned().unwrap_or_default();
            expect::eq("old metadata", metadata.get("colour"), None::<&String>)?;
            expect::eq("new metadata", metadata.get("shape").map(String::as_str), Some("round"))?;
            expect::eq("old Cache-Control", head.cache_control(), None::<&str>)
        })
        .core("put_object/missing_bucket", &["PUT-04"], "A PUT into a bucket that does not exist answers 404 NoSuchBucket.", async |fx| {
            let put = fx.s3().put_object().bucket(fx.missing_bucket()).key("a").body(b"x".to_vec().into()).send().await;
            expect::error(put, 404, "NoSuchBucket")
        })
}

fn digests(suite: Suite) -> Suite {
    suite
        .core("put_object/content_md5_right", &["PUT-18"], "A PUT with the right Content-MD5 is stored.", async |fx| {
            let body = fx.random_bytes(Bytes::kib(5));
            let md5 = md5_base64(&body);
            expect::ok(fx.put_object("k").content_md5(md5).body(body.clone().into()).send().await)?;
            fx.holds("k", &body).await
        })
        .core("put_object/content_md5_wrong", &["PUT-19"], "A PUT with a wrong Content-MD5 answers 400 BadDigest and stores nothing.", async |fx| {
            let md5 = md5_base64(b"another body");
            let put = fx.put_object("k").content_md5(md5).body(fx.random_bytes(Bytes::kib(5)).into()).send().await;
            expect::refused(put, 400, "BadDigest")?;
            fx.absent("k").await
        })
        .common(
            "put_object/content_md5_malformed",
            &["PUT-20"],
            "A Content-MD5 that is not the base64 of 16 bytes answers 400 InvalidDigest.",
            async |fx| {
                let put = fx.put_object("k").content_md5("bm90IGFuIG1kNQ==").body(b"x".to_vec().into()).send().await;
                expect::refused(put, 400, "InvalidDigest")?;
                fx.absent("k").await
            },
        )
        .core("put_object/failed_overwrite_keeps_old", &["PUT-27"], "A PUT that fails its digest leaves the previous object readable.", async |fx| {
            let old = fx.random_bytes(Bytes::kib(8));
            fx.put("k", &old).await?;
            let md5 = md5_base64(b"another body");
            let put = fx.put_object("k").content_md5(md5).body(fx.random_bytes(Bytes::kib(8)).into()).send().await;
            expect::refused(put, 400, "BadDigest")?;
            fx.holds("k", &old).await
        })
}

/// Values of Content-MD5 that are not the base64 of 16 bytes.
const NO_MD5: [(&str, &str); 3] = [("empty", ""), ("no_base64", "no base64 at all"), ("too_long", "bm90IGFuIG1kNSBub3QgYW4gbWQ1IQ==")];

fn failures(mut suite: Suite) -> Suite {
    for (name, md5) in NO_MD5 {
        let rule = format!("A PUT with the Content-MD5 `{md5}` answers 400 InvalidDigest and stores nothing.");
        suite = suite.common(&format!("put_object/content_md5_{name}"), &["PUT-20"], &rule, move |fx| async move {
            let put = fx.raw_object("PutObject", "PUT", "k", "").header("Content-MD5", md5).body(b"x".to_vec());
            expect::refused(put.send().await, 400, "InvalidDigest")?;
            fx.absent("k").await
        });
    }
    for (name, is_reset) in [("closed", false), ("reset", true)] {
        let rule = format!("A PUT whose connection is {name} in its middle leaves the previous object readable.");
        suite = suite.core(&format!("put_object/connection_{name}_keeps_old"), &["PUT-27"], &rule, move |fx| async move {
            let old = fx.random_bytes(Bytes::kib(8));
            fx.put("k", &old).await?;
            let put = fx.raw_object("PutObject", "PUT", "k", "").body(fx.random_bytes(Bytes::kib(64)));
            if put.abandon_after(32 << 10, is_reset).await.is_err() {
                return expect::unresolved("the half request could not be sent");
            }
            fx.holds("k", &old).await?;
            // The server may need a moment to see that no more is coming.
            fx.put("another", b"x").await?;
            fx.holds("k", &old).await
        });
        let rule = format!("A PUT of a new key whose connection is {name} in its middle leaves nothing.");
        suite = suite.core(&format!("put_object/connection_{name}_leaves_nothing"), &["PUT-02", "PUT-27"], &rule, move |fx| async move {
            let put = fx.raw_object("PutObject", "PUT", "k", "").body(fx.random_bytes(Bytes::kib(64)));
            if put.abandon_after(32 << 10, is_reset).await.is_err() {
                return expect::unresolved("the half request could not be sent");
            }
            fx.put("another", b"x").await?;
            fx.absent("k").await?;
            expect::eq("listed keys", expect::ok(fx.list("").send().await)?.contents().len(), 1)
        });
    }
    suite
        .core("put_object/failed_checksum_keeps_old", &["PUT-27"], "A PUT that fails its CRC32 leaves the previous object readable.", async |fx| {
            let old = fx.random_bytes(Bytes::kib(8));
            fx.put("k", &old).await?;
            let wrong = crc32_base64(b"another body");
            let put = fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-checksum-crc32", wrong).body(fx.random_bytes(Bytes::kib(8)));
            expect::refused_as(put.send().await, &[(400, "")])?;
            fx.holds("k", &old).await
        })
        .core(
            "put_object/failed_condition_keeps_old",
            &["PUT-27"],
            "A PUT that fails If-None-Match: * leaves the previous object readable.",
            async |fx| {
                let old = fx.random_bytes(Bytes::kib(8));
                fx.put("k", &old).await?;
                let put = fx.put_object("k").if_none_match("*").body(fx.random_bytes(Bytes::kib(8)).into()).send().await;
                expect::refused_as(put, &[(412, "")])?;
                fx.holds("k", &old).await
            },
        )
}

fn reading(suite: Suite) -> Suite {
    suite
        .core("get_object/headers", &["GET-01"], "A GET answers body, Content-Length, ETag, Last-Modified and Content-Type.", async |fx| {
            let body = fx.random_bytes(Bytes::kib(17));
            let put = fx.put_object("k").content_type("image/png").body(body.clone().into()).send().await;
            let etag = fx.set_up("PutObject", put)?.e_tag;
            let got = expect::ok(fx.get_object("k").send().await)?;
            expect::eq("Content-Length", got.content_length(), Some(17 * 1024))?;
            expect::eq("ETag", &got.e_tag, &etag)?;
            expect::eq("Content-Type", got.content_type(), Some("image/png"))?;
            expect::some("Last-Modified", got.last_modified())?;
            expect::bytes("body", &fx.collect(got.body).await?, &body)
        })
        .core("head_object/equals_get", &["GET-02"], "HEAD answers the headers of GET.", async |fx| {
            let put = fx.put_object("k").content_type("text/css").metadata("m", "1").body(fx.random_bytes(Bytes::kib(2)).into()).send().await;
            fx.set_up("PutObject", put)?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            let got = expect::ok(fx.get_object("k").send().await)?;
            expect::eq("Content-Length", head.content_length(), got.content_length())?;
            expect::eq("ETag", head.e_tag(), got.e_tag())?;
            expect::eq("Last-Modified", head.last_modified(), got.last_modified())?;
            expect::eq("Content-Type", head.content_type(), got.content_type())?;
            expect::eq("metadata", head.metadata(), got.metadata())
        })
        .core(
            "head_object/last_modified",
            &["GET-03"],
            "Last-Modified has whole seconds and does not go back when an object is overwritten.",
            async |fx| {
                fx.put("k", b"1").await?;
                let first = expect::some("Last-Modified", expect::ok(fx.head_object("k").send().await)?.last_modified)?;
                fx.put("k", b"2").await?;
                let second = expect::some("Last-Modified", expect::ok(fx.head_object("k").send().await)?.last_modified)?;
                expect::eq("fraction of a second", first.subsec_nanos(), 0)?;
                expect::that("Last-Modified after an overwrite", second >= first, "not earlier than before", (first, second))
            },
        )
        .dependents(&["rclone", "S3A"])
        .core("get_object/absent_key", &["GET-04"], "An absent key answers 404 NoSuchKey.", async |fx| {
            expect::error(fx.get_object("absent").send().await, 404, "NoSuchKey")
        })
        .core("head_object/absent_key", &["GET-04"], "HEAD of an absent key answers a bare 404.", async |fx| {
            expect::status(fx.head_object("absent").send().await, 404)
        })
        .core("get_object/missing_bucket", &["GET-06"], "A GET from a bucket that does not exist answers 404 NoSuchBucket.", async |fx| {
            expect::error(fx.s3().get_object().bucket(fx.missing_bucket()).key("a").send().await, 404, "NoSuchBucket")
        })
        .core("get_object/parent_is_no_object", &["GET-07"], "`a` answers 404 NoSuchKey when only `a/b` exists.", async |fx| {
            fx.put("a/b", b"x").await?;
            expect::error(fx.get_object("a").send().await, 404, "NoSuchKey")?;
            expect::status(fx.head_object("a").send().await, 404)
        })
        .core("get_object/before_completion", &["GET-24"], "An object is absent until its multipart upload is completed.", async |fx| {
            let id = fx.start_upload("k").await?;
            fx.upload_part("k", &id, 1, b"part").await?;
            expect::error(fx.get_object("k").send().await, 404, "NoSuchKey")
        })
}

fn names(suite: Suite) -> Suite {
    suite
        .core("put_object/object_and_directory_coexist", &["PUT-07"], "Keys `a`, `a/` and `a/b` coexist.", async |fx| {
            let objects = [("a", "one"), ("a/", ""), ("a/b", "three")];
            for (key, body) in objects {
                expect::ok(fx.put_object(key).body(body.as_bytes().to_vec().into()).send().await)?;
            }
            for (key, body) in objects {
                fx.holds(key, body.as_bytes()).await?;
            }
            Ok(())
        })
        .dependents(&["S3A"])
}
