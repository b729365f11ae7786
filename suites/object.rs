//! Suite `object`: writing and reading single objects, and the names they may have.

use proofmark::case::values::{md5_base64, md5_etag};
use proofmark::case::{Suite, expect};
use proofmark::units::Bytes;

/// The suite.
pub fn suite() -> Suite {
    names(reading(digests(writing(Suite::new("object").source("S3 API reference, PutObject and GetObject")))))
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

/// Characters that clients put into keys; each is a case, because each breaks on another server.
const CHARACTERS: [(&str, &str); 9] = [
    ("safe_punctuation", "a!-_.*'()z"),
    ("ampersand_dollar_at", "a&$@z"),
    ("equals_semicolon_colon", "a=;:z"),
    ("plus_and_comma", "a+b,c+z"),
    ("question_mark_and_hash", "a?b#z"),
    ("spaces", "a b  c z"),
    ("percent", "a%b%20c%z"),
    ("caret_and_tilde", "a^b~z"),
    ("unicode", "a-\u{00e4}-\u{65e5}\u{672c}-\u{1f980}-z"),
];

/// Keys that look like paths but are not.
const PATHS: [(&str, &str); 4] =
    [("double_slash", "double//slash"), ("leading_slash", "/leading"), ("dot_segment", "a/./b"), ("dot_dot_segment", "up/../down")];

fn names(mut suite: Suite) -> Suite {
    for (name, key) in PATHS {
        let id = format!("put_object/key_with_{name}");
        suite = suite.common(&id, &["PUT-06"], &format!("The key `{key}` is kept as it is."), move |fx| async move {
            expect::ok(fx.put_object(key).body(b"here".to_vec().into()).send().await)?;
            fx.holds(key, b"here").await?;
            fx.absent("down").await
        });
    }
    for (name, key) in CHARACTERS {
        let id = format!("put_object/key_with_{name}");
        let rule = format!("A key with the characters `{key}` round-trips through PUT, GET, list and DELETE.");
        suite = suite.core(&id, &["PUT-08"], &rule, move |fx| async move {
            let body = fx.random_bytes(Bytes(100));
            expect::ok(fx.put_object(key).body(body.clone().into()).send().await)?;
            fx.holds(key, &body).await?;
            let listed = expect::ok(fx.list("").send().await)?;
            let keys: Vec<&str> = listed.contents().iter().filter_map(|object| object.key()).collect();
            expect::eq("listed keys", keys, vec![fx.key(key).as_str()])?;
            expect::ok(fx.delete_object(key).send().await)?;
            fx.absent(key).await
        });
    }
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
        .common("put_object/case_is_significant", &["PUT-09"], "Keys that differ only by case or by Unicode normal form are distinct.", async |fx| {
            let keys = ["Name", "name", "caf\u{e9}", "cafe\u{301}"];
            for key in keys {
                fx.put(key, key.as_bytes()).await?;
            }
            for key in keys {
                fx.holds(key, key.as_bytes()).await?;
            }
            Ok(())
        })
        .common("put_object/key_length", &["PUT-05"], "A key of 1024 bytes is stored, one of 1025 answers 400 KeyTooLongError.", async |fx| {
            let segments = "0123456789abcde/".repeat(64);
            let longest = &segments[..1024 - fx.prefix().len()];
            expect::ok(fx.put_object(longest).body(b"x".to_vec().into()).send().await)?;
            expect::error(fx.put_object(&segments[..1025 - fx.prefix().len()]).body(b"x".to_vec().into()).send().await, 400, "KeyTooLongError")
        })
}
