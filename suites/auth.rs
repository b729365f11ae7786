//! Suite `auth`: signatures in the Authorization header, right and wrong.

use proofmark::case::values::encode_path;
use proofmark::case::{Checked, Suite, expect};
use proofmark::config::Secret;
use proofmark::units::Bytes;
use proofmark::wire::{Answer, Credentials, Payload};

/// The suite.
pub fn suite() -> Suite {
    details(wrong(right(Suite::new("auth").source("S3 API reference, Authenticating requests (AWS Signature Version 4)"))))
}

fn right(mut suite: Suite) -> Suite {
    for (name, payload, row) in [("signed_payload", Payload::Signed, "SIG-01"), ("unsigned_payload", Payload::Unsigned, "SIG-02")] {
        let rule = format!("A right SigV4 signature with {} is accepted.", if row == "SIG-01" { "the body's SHA-256" } else { "UNSIGNED-PAYLOAD" });
        suite = suite.core(&format!("put_object/{name}"), &[row], &rule, move |fx| {
            let payload = payload.clone();
            async move {
                let body = fx.random_bytes(Bytes::kib(10));
                expect::ok(fx.raw_object("PutObject", "PUT", "k", "").payload(payload).body(body.clone()).send().await)?;
                fx.holds("k", &body).await
            }
        });
    }
    for (name, key) in [("space", "a b"), ("plus", "a+b"), ("percent", "100%"), ("tilde", "a~b"), ("unicode", "\u{fc}/\u{65e5}")] {
        let rule = format!("A signature over the key `{key}` is right for PUT, GET, list and DELETE.");
        suite = suite.core(&format!("put_object/key_with_{name}"), &["SIG-25"], &rule, move |fx| async move {
            expect::ok(fx.raw_object("PutObject", "PUT", key, "").body(key).send().await)?;
            let got = expect::ok(fx.raw_object("GetObject", "GET", key, "").send().await)?;
            expect::bytes("body", &got.body, key.as_bytes())?;
            let prefix = encode_path(&fx.key(key)).replace('/', "%2F");
            let listed = expect::ok(fx.raw_bucket("ListObjectsV2", "GET", &format!("?list-type=2&prefix={prefix}")).send().await)?;
            expect::eq("Key", listed.element("Key"), Some(fx.key(key)))?;
            expect::ok(fx.raw_object("DeleteObject", "DELETE", key, "").send().await)?;
            fx.absent(key).await
        });
    }
    suite
        .core("get_bucket_location/query_without_value", &["SIG-26"], "A query parameter without a value is signed as an empty one.", async |fx| {
            expect::ok(fx.raw_bucket("GetBucketLocation", "GET", "?location").send().await)?;
            expect::ok(fx.raw_bucket("GetBucketLocation", "GET", "?location=").send().await).map(drop)
        })
        .core(
            "list_objects_v2/query_with_empty_values",
            &["SIG-26"],
            "Query parameters in any order, with empty values, are signed right.",
            async |fx| {
                let query = "?prefix=&list-type=2&delimiter=&max-keys=1";
                expect::ok(fx.raw_bucket("ListObjectsV2", "GET", query).send().await).map(drop)
            },
        )
        .core("get_object_acl/query_without_value", &["SIG-26"], "`?acl` is signed as an empty value.", async |fx| {
            fx.put("k", b"x").await?;
            expect::ok(fx.raw_object("GetObjectAcl", "GET", "k", "?acl").send().await).map(drop)
        })
        .core("delete_objects/query_without_value", &["SIG-26"], "`?delete` is signed as an empty value.", async |fx| {
            fx.put("k", b"x").await?;
            let list = format!("<Delete><Object><Key>{}</Key></Object></Delete>", fx.key("k"));
            expect::ok(super::delete_body::delete_with_md5(&fx, &list).send().await)?;
            fx.absent("k").await
        })
        .core("list_objects_v2/repeated_query", &["SIG-26"], "A query parameter that repeats is signed each time.", async |fx| {
            expect::ok(fx.raw_bucket("ListObjectsV2", "GET", "?list-type=2&prefix=a&prefix=a").send().await).map(drop)
        })
}

/// The fields of an error's body that let a developer compare what both sides signed.
fn echo(answer: &Answer) -> Checked {
    let Some(text) = answer.element("StringToSign") else { return expect::variant("the error does not echo StringToSign") };
    expect::that("StringToSign", text.starts_with("AWS4-HMAC-SHA256\n"), "the text that the server signed", &text)?;
    match answer.element("CanonicalRequest") {
        Some(text) => expect::that("CanonicalRequest", text.starts_with("GET\n/"), "the request that the server signed", &text),
        None => expect::variant("the error does not echo CanonicalRequest"),
    }
}

fn wrong(suite: Suite) -> Suite {
    let suite = suite
        .core(
            "get_object/wrong_secret_echo",
            &["SIG-03"],
            "SignatureDoesNotMatch echoes the StringToSign and CanonicalRequest of the server.",
            async |fx| {
                fx.put("k", b"private").await?;
                let got = fx.raw_object("GetObject", "GET", "k", "").wrong_secret("not-the-secret-of-this-key").send().await;
                let answer = got.as_ref().ok().cloned();
                expect::refused(got, 403, "SignatureDoesNotMatch")?;
                echo(&expect::some("answer", answer)?)
            },
        )
        .core("get_object/wrong_secret", &["SIG-03"], "A signature with another secret answers 403 SignatureDoesNotMatch.", async |fx| {
            fx.put("k", b"private").await?;
            let got = fx.raw_object("GetObject", "GET", "k", "").wrong_secret("not-the-secret-of-this-key").send().await;
            expect::refused(got, 403, "SignatureDoesNotMatch")
        })
        .core("put_object/wrong_secret", &["SIG-03"], "A PUT signed with another secret answers 403 and stores nothing.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").wrong_secret("not-the-secret-of-this-key").body("x").send().await;
            expect::refused(put, 403, "SignatureDoesNotMatch")?;
            fx.absent("k").await
        })
        .core("get_object/unknown_access_key", &["SIG-04"], "An unknown access key answers 403 InvalidAccessKeyId.", async |fx| {
            fx.put("k", b"private").await?;
            let nobody = Credentials {
                access_key: Secret::new("AKIANOBODYKNOWSTHISX"),
                secret_key: Secret::new("nobody-knows-this-either"),
                session_token: None,
            };
            expect::refused(fx.raw_object("GetObject", "GET", "k", "").credentials(nobody).send().await, 403, "InvalidAccessKeyId")
        })
        .core("get_object/anonymous", &["SIG-05"], "A request without a signature for a private object answers 403 AccessDenied.", async |fx| {
            fx.put("k", b"private").await?;
            expect::refused(fx.raw_object("GetObject", "GET", "k", "").anonymous().send().await, 403, "AccessDenied")
        })
        .core("put_object/anonymous", &["SIG-05"], "A PUT without a signature answers 403 AccessDenied and stores nothing.", async |fx| {
            expect::refused(fx.raw_object("PutObject", "PUT", "k", "").anonymous().body("x").send().await, 403, "AccessDenied")?;
            fx.absent("k").await
        });
    wrong_parts(suite)
}

fn wrong_parts(suite: Suite) -> Suite {
    suite
        .core("list_buckets/wrong_secret", &["BKT-31"], "ListBuckets with a wrong signature answers 403.", async |fx| {
            let list = fx.raw().exact("GET", "/").operation("ListBuckets").wrong_secret("not-the-secret-of-this-key").send().await;
            expect::refused(list, 403, "SignatureDoesNotMatch")
        })
        .core(
            "put_object/wrong_payload_hash",
            &["SIG-22"],
            "A body that is not what x-amz-content-sha256 says answers 400 XAmzContentSHA256Mismatch and stores nothing.",
            async |fx| {
                let other = proofmark::case::values::sha256_hex(b"another body");
                let put = fx.raw_object("PutObject", "PUT", "k", "").payload(Payload::Hash(other)).body("this body").send().await;
                expect::refused(put, 400, "XAmzContentSHA256Mismatch")?;
                fx.absent("k").await
            },
        )
        .core("put_object/tampered_path", &["SIG-03"], "A signature of one key is not good for another.", async |fx| {
            let other = encode_path(&fx.key("other"));
            let put = fx.raw_object("PutObject", "PUT", "signed", "").body("x").tamper(move |message| {
                let start = message.target.rfind(other.trim_end_matches("other")).unwrap_or_default();
                message.target.truncate(start);
                message.target.push_str(&other);
            });
            expect::refused(put.send().await, 403, "SignatureDoesNotMatch")?;
            fx.absent("other").await
        })
}

fn details(mut suite: Suite) -> Suite {
    for (name, seconds) in [("past", -1200), ("future", 1200)] {
        let rule = format!("A request signed 20 minutes in the {name} answers 403 RequestTimeTooSkewed.");
        suite = suite.common(&format!("get_object/skewed_into_{name}"), &["SIG-16"], &rule, move |fx| async move {
            fx.put("k", b"x").await?;
            expect::refused(fx.raw_object("GetObject", "GET", "k", "").skewed(seconds).send().await, 403, "RequestTimeTooSkewed")
        });
    }
    suite
        .common(
            "put_object/unsigned_amz_header",
            &["SIG-23"],
            "An x-amz-* header that is not signed answers 403 AccessDenied and stores nothing.",
            async |fx| {
                let put = fx.raw_object("PutObject", "PUT", "k", "").body("x").tamper(|message| message.set("x-amz-meta-injected", "yes"));
                expect::refused_as(put.send().await, &[(403, "AccessDenied"), (403, "SignatureDoesNotMatch")])?;
                fx.absent("k").await
            },
        )
        .common(
            "copy_object/unsigned_copy_source",
            &["SIG-23"],
            "An x-amz-copy-source that is not signed does not turn a PUT into a copy.",
            async |fx| {
                fx.put("secret", b"secret").await?;
                let source = fx.source("secret");
                let put = fx.raw_object("CopyObject", "PUT", "k", "").tamper(move |message| message.set("x-amz-copy-source", source));
                expect::refused_as(put.send().await, &[(403, "AccessDenied"), (403, "SignatureDoesNotMatch")])?;
                fx.absent("k").await
            },
        )
        .extended("get_object/unsigned_other_header", &["SIG-24"], "Another header that is not signed is accepted.", async |fx| {
            fx.put("k", b"x").await?;
            let got = fx.raw_object("GetObject", "GET", "k", "").tamper(|message| message.set("X-Forwarded-For", "192.0.2.1"));
            expect::ok(got.send().await).map(drop)
        })
        .common(
            "get_object/wrong_region",
            &["SIG-13"],
            "A signature for another region answers 400 AuthorizationHeaderMalformed, or the vendor accepts any region.",
            async |fx| {
                fx.put("k", b"x").await?;
                let got = fx.raw_object("GetObject", "GET", "k", "").scope(|scope| scope.region = "xx-nowhere-9".to_owned()).send().await;
                match got {
                    Ok(answer) if answer.status == 200 => expect::variant("any region is accepted"),
                    other => expect::error(other, 400, "AuthorizationHeaderMalformed"),
                }
            },
        )
        .extended("get_object/wrong_service", &["SIG-12"], "A signature for another service answers 400 AuthorizationHeaderMalformed.", async |fx| {
            fx.put("k", b"x").await?;
            let got = fx.raw_object("GetObject", "GET", "k", "").scope(|scope| scope.service = "ec2".to_owned()).send().await;
            expect::no_feature(expect::refused(got, 400, "AuthorizationHeaderMalformed"), "400 AuthorizationHeaderMalformed")
        })
}
