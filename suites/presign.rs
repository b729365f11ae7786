//! Suite `presign`: signatures in the query, right and wrong.

use proofmark::case::values::{crc32_base64, encode_query};
use proofmark::case::{Suite, expect};
use proofmark::config::Secret;
use proofmark::units::Bytes;
use proofmark::wire::Credentials;

/// The suite.
pub fn suite() -> Suite {
    wrong(checksums(right(Suite::new("presign").source("S3 API reference, Authenticating requests: using query parameters"))))
}

fn right(suite: Suite) -> Suite {
    suite
        .core("get_object/valid", &["PRE-01"], "A presigned GET answers the body without an Authorization header.", async |fx| {
            let body = fx.random_bytes(Bytes::kib(7));
            fx.put("k", &body).await?;
            let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "").presigned(600).send().await)?;
            expect::bytes("body", &got.body, &body)
        })
        .dependents(&["browsers", "GitLab", "Snowflake"])
        .core("put_object/valid", &["PRE-02"], "A presigned PUT stores the body and its Content-Type.", async |fx| {
            let body = fx.random_bytes(Bytes::kib(7));
            let put = fx.raw_object("PutObject", "PUT", "k", "").presigned(600).body(body.clone());
            expect::ok(put.tamper(|message| message.set("Content-Type", "image/gif")).send().await)?;
            fx.holds("k", &body).await?;
            expect::eq("Content-Type", expect::ok(fx.head_object("k").send().await)?.content_type(), Some("image/gif"))
        })
        .common("head_object/valid", &["PRE-03"], "A presigned HEAD answers 200.", async |fx| {
            fx.put("k", b"x").await?;
            expect::ok(fx.raw_object("HeadObject", "HEAD", "k", "").presigned(600).send().await).map(drop)
        })
        .common("delete_object/valid", &["PRE-03"], "A presigned DELETE deletes.", async |fx| {
            fx.put("k", b"x").await?;
            expect::ok(fx.raw_object("DeleteObject", "DELETE", "k", "").presigned(600).send().await)?;
            fx.absent("k").await
        })
        .common("upload_part/valid", &["PRE-04"], "A presigned UploadPart answers an ETag.", async |fx| {
            let id = fx.start_upload("k").await?;
            let query = format!("?partNumber=1&uploadId={}", encode_query(&id));
            let uploaded = expect::ok(fx.raw_object("UploadPart", "PUT", "k", &query).presigned(600).body("part").send().await)?;
            expect::some("ETag", uploaded.header("etag")).map(drop)
        })
        .common("get_object/special_key", &["PRE-05"], "A presigned GET works for a key with special characters.", async |fx| {
            let name = "a b+c%d/\u{e4}\u{65e5}";
            fx.put(name, b"x").await?;
            expect::ok(fx.raw_object("GetObject", "GET", name, "").presigned(600).send().await).map(drop)
        })
        .common("get_object/response_headers", &["PRE-17"], "A presigned GET overrides response headers.", async |fx| {
            fx.put("k", b"x").await?;
            let query = "?response-content-type=text%2Fcsv&response-content-disposition=attachment";
            let got = expect::ok(fx.raw_object("GetObject", "GET", "k", query).presigned(600).send().await)?;
            expect::eq("Content-Type", got.header("content-type"), Some("text/csv"))?;
            expect::eq("Content-Disposition", got.header("content-disposition"), Some("attachment"))
        })
        .dependents(&["GitLab", "Nextcloud"])
}

fn checksums(suite: Suite) -> Suite {
    suite
        .core("put_object/checksum_in_query", &["PRE-16"], "A presigned PUT with the right checksum in its query is stored.", async |fx| {
            let body = fx.random_bytes(Bytes(500));
            let query = format!("?x-amz-checksum-crc32={}&x-amz-sdk-checksum-algorithm=CRC32", encode_query(&crc32_base64(&body)));
            expect::ok(fx.raw_object("PutObject", "PUT", "k", &query).presigned(600).body(body.clone()).send().await)?;
            fx.holds("k", &body).await
        })
        .dependents(&["AWS SDK for JavaScript"])
        .core(
            "put_object/wrong_checksum_in_query",
            &["PRE-16"],
            "A presigned PUT whose body is not what the query's checksum says answers 400 BadDigest.",
            async |fx| {
                let query = format!("?x-amz-checksum-crc32={}&x-amz-sdk-checksum-algorithm=CRC32", encode_query(&crc32_base64(b"another body")));
                let put = fx.raw_object("PutObject", "PUT", "k", &query).presigned(600).body("this body").send().await;
                expect::refused(put, 400, "BadDigest")?;
                fx.absent("k").await
            },
        )
}

fn wrong(suite: Suite) -> Suite {
    suite
        .core("get_object/expired", &["PRE-07"], "A presigned GET whose time is over answers 403 AccessDenied.", async |fx| {
            fx.put("k", b"private").await?;
            expect::refused(fx.raw_object("GetObject", "GET", "k", "").skewed(-120).presigned(60).send().await, 403, "AccessDenied")
        })
        .core("put_object/expired", &["PRE-07"], "A presigned PUT whose time is over answers 403 AccessDenied and stores nothing.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").skewed(-120).presigned(60).body("x").send().await;
            expect::refused(put, 403, "AccessDenied")?;
            fx.absent("k").await
        })
        .core("get_object/wrong_secret", &["PRE-14"], "A presigned GET with another secret answers 403 SignatureDoesNotMatch.", async |fx| {
            fx.put("k", b"private").await?;
            let got = fx.raw_object("GetObject", "GET", "k", "").wrong_secret("not-the-secret-of-this-key").presigned(600).send().await;
            expect::refused(got, 403, "SignatureDoesNotMatch")
        })
        .core("get_object/tampered_path", &["PRE-14"], "A presigned GET of one key is not good for another.", async |fx| {
            fx.put("mine", b"x").await?;
            fx.put("your", b"private").await?;
            let got = fx.raw_object("GetObject", "GET", "mine", "").presigned(600).tamper(|message| {
                message.target = message.target.replacen("mine?", "your?", 1);
            });
            expect::refused(got.send().await, 403, "SignatureDoesNotMatch")
        })
        .core("get_object/tampered_expiry", &["PRE-14"], "A presigned GET whose expiry was changed answers 403 SignatureDoesNotMatch.", async |fx| {
            fx.put("k", b"private").await?;
            let got = fx.raw_object("GetObject", "GET", "k", "").presigned(600).tamper(|message| {
                message.target = message.target.replacen("X-Amz-Expires=600", "X-Amz-Expires=86400", 1);
            });
            expect::refused(got.send().await, 403, "SignatureDoesNotMatch")
        })
        .common(
            "get_object/unknown_access_key",
            &["PRE-15"],
            "A presigned GET of an unknown access key answers 403 InvalidAccessKeyId.",
            async |fx| {
                fx.put("k", b"private").await?;
                let nobody = Credentials {
                    access_key: Secret::new("AKIANOBODYKNOWSTHISX"),
                    secret_key: Secret::new("nobody-knows-this"),
                    session_token: None,
                };
                let got = fx.raw_object("GetObject", "GET", "k", "").credentials(nobody).presigned(600).send().await;
                expect::refused(got, 403, "InvalidAccessKeyId")
            },
        )
        .common(
            "put_object/signed_header_altered",
            &["PRE-06"],
            "A presigned PUT whose signed header was altered answers 403 SignatureDoesNotMatch.",
            async |fx| {
                let put = fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-meta-colour", "red").presigned(600).body("x");
                let put = put.tamper(|message| message.set("x-amz-meta-colour", "blue"));
                expect::refused(put.send().await, 403, "SignatureDoesNotMatch")?;
                fx.absent("k").await
            },
        )
}
