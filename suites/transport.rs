//! Suite `transport`: HTTP below the S3 operations.

use std::time::Duration;

use proofmark::case::values::{encode_path, md5_base64};
use proofmark::case::{Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::units::Bytes;

/// The suite.
pub fn suite() -> Suite {
    connections(requests(Suite::new("transport").source("S3 user guide, Virtual hosting of buckets; RFC 9110 and RFC 9112")))
}

fn requests(suite: Suite) -> Suite {
    suite
        .core("get_object/path_style", &["PRO-01"], "A path-style request is served.", async |fx| {
            fx.put("k", b"body").await?;
            let target = format!("/{}/{}", fx.bucket(), encode_path(&fx.key("k")));
            let got = expect::ok(fx.raw().exact("GET", &target).operation("GetObject").send().await)?;
            expect::bytes("body", &got.body, b"body")
        })
        .core("put_object/body_cut_short", &["PRO-13", "CON-07"], "A body that ends before its Content-Length leaves no object.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").body(fx.random_bytes(Bytes::kib(256)));
            let _ = put.abandon_after(100_000, false).await;
            fx.absent("k").await
        })
        .core("put_object/reset_keeps_old", &["CON-07"], "A writer that is cut off in its body leaves the previous object.", async |fx| {
            fx.put("k", b"previous").await?;
            let put = fx.raw_object("PutObject", "PUT", "k", "").body(fx.random_bytes(Bytes::kib(256)));
            let _ = put.abandon_after(100_000, true).await;
            fx.holds("k", b"previous").await
        })
        .core("get_object/x_id_is_ignored", &["PRO-17"], "The query parameter x-id of new SDKs changes nothing.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "?x-id=PutObject").body("body").send().await;
            expect::ok(put)?;
            let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "?x-id=GetObject").send().await)?;
            expect::bytes("body", &got.body, b"body")
        })
        .core("head_object/no_body", &["PRO-18"], "HEAD answers the entity's Content-Length and no body, so the connection goes on.", async |fx| {
            fx.put("k", b"0123456789").await?;
            let Ok(mut connection) = fx.raw().connect().await else { return expect::unresolved("cannot connect") };
            let head = expect::ok(fx.raw_object("HeadObject", "HEAD", "k", "").send_on(&mut connection).await)?;
            expect::eq("Content-Length", head.header("content-length"), Some("10"))?;
            expect::eq("bytes behind the head", connection.unread().len(), 0)?;
            if !connection.keeps_open() {
                return Ok(());
            }
            let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "").send_on(&mut connection).await)?;
            expect::bytes("body of the next answer", &got.body, b"0123456789")
        })
}

fn connections(suite: Suite) -> Suite {
    suite
        .common("get_object/request_id", &["PRO-04"], "Answers carry x-amz-request-id, and it is the RequestId of an error's body.", async |fx| {
            let Ok(got) = fx.raw_object("GetObject", "GET", "absent", "").send().await else { return expect::unresolved("no answer") };
            let id = expect::some("x-amz-request-id", got.header("x-amz-request-id"))?;
            expect::eq("RequestId", got.element("RequestId").as_deref(), Some(id))
        })
        .common("put_object/keep_alive_after_error", &["PRO-06"], "A connection goes on after an error.", async |fx| {
            let Ok(mut connection) = fx.raw().connect().await else { return expect::unresolved("cannot connect") };
            let bad = fx.raw_object("PutObject", "PUT", "k", "").header("Content-MD5", md5_base64(b"other")).body("this");
            expect::error(bad.send_on(&mut connection).await, 400, "BadDigest")?;
            if !connection.keeps_open() {
                return expect::variant("the server closes the connection after an error");
            }
            expect::ok(fx.raw_object("PutObject", "PUT", "k", "").body("this").send_on(&mut connection).await).map(drop)
        })
        .common("put_object/expect_continue", &["PRO-07"], "Expect: 100-continue is answered with 100 before the body is sent.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").body("body").expect_continue(Duration::from_secs(5)).send().await;
            let put = expect::ok(put)?;
            expect::that("interim answers", put.interim.contains(&100), "100", &put.interim)?;
            fx.holds("k", b"body").await
        })
        .common("put_object/expect_continue_refused", &["PRO-08"], "With a wrong signature the final 403 comes instead of 100.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").wrong_secret("not-the-secret-of-this-key").body("body");
            let Ok(put) = put.expect_continue(Duration::from_secs(5)).send().await else { return expect::unresolved("no answer") };
            expect::eq("status", put.status, 403)?;
            expect::eq("interim answers", put.interim, Vec::<u16>::new()).class(WrongCode)
        })
        .common("put_object/no_content_length", &["PRO-11"], "A PUT without Content-Length answers 411 MissingContentLength.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").without("Content-Length").limit(Duration::from_secs(5));
            expect::error(put.send().await, 411, "MissingContentLength")
        })
}
