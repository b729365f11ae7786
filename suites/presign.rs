//! Suite `presign`: signatures in the query, right and wrong.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use proofmark::case::values::{crc32_base64, encode_query};
use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::config::Secret;
use proofmark::model::Impact;
use proofmark::units::Bytes;
use proofmark::wire::sigv4::Scope;
use proofmark::wire::{Credentials, RawRequest};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("presign").source("S3 API reference, Authenticating requests: using query parameters");
    let suite = scopes(missing(expiries(headers(wrong(checksums(right(suite)))))));
    overrides(tokens(suite).source("S3 API reference, GetObject: overriding response header values"))
}

fn right(mut suite: Suite) -> Suite {
    suite = suite
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
        .common("list_objects_v2/valid", &["PRE-03"], "A presigned ListObjectsV2 lists.", async |fx| {
            fx.put("k", b"x").await?;
            let query = format!("?list-type=2&prefix={}", encode_query(fx.prefix()));
            let listed = expect::ok(fx.raw_bucket("ListObjectsV2", "GET", &query).presigned(600).send().await)?;
            expect::eq("Key", listed.element("Key"), Some(fx.key("k")))
        });
    for (name, key) in
        [("space", "a b"), ("plus", "a+b"), ("percent", "100%d"), ("tilde", "a~b"), ("ampersand", "a&b=c"), ("unicode", "\u{e4}/\u{65e5}")]
    {
        let rule = format!("Presigned PUT and GET work for the key `{key}`.");
        suite = suite.common(&format!("get_object/key_with_{name}"), &["PRE-05"], &rule, move |fx| async move {
            expect::ok(fx.raw_object("PutObject", "PUT", key, "").presigned(600).body(key).send().await)?;
            fx.holds(key, key.as_bytes()).await?;
            let got = expect::ok(fx.raw_object("GetObject", "GET", key, "").presigned(600).send().await)?;
            expect::bytes("body", &got.body, key.as_bytes())
        });
    }
    reused(suite)
}

fn reused(suite: Suite) -> Suite {
    suite
        .common("get_object/used_often", &["PRE-21"], "One presigned link answers the same each time it is used.", async |fx| {
            let body = fx.random_bytes(Bytes(2000));
            fx.put("k", &body).await?;
            let link = fx.get_object("k").presigned(PresigningConfig::expires_in(Duration::from_secs(600)).expect("ten minutes are valid"));
            let Ok(link) = link.await else { return expect::unresolved("the SDK does not presign") };
            let target = link.uri().splitn(4, '/').nth(3).unwrap_or_default().to_owned();
            let host = link.uri().split('/').nth(2).unwrap_or_default().to_owned();
            for _ in 0..5 {
                let again = fx.raw().exact("GET", &format!("/{target}")).operation("GetObject").anonymous().header("Host", &host);
                expect::bytes("body", &expect::ok(again.send().await)?.body, &body)?;
            }
            Ok(())
        })
        .common("get_object/range_unsigned", &["PRE-21"], "A presigned GET takes a Range header that is not signed.", async |fx| {
            fx.put("k", b"0123456789").await?;
            let got = fx.raw_object("GetObject", "GET", "k", "").presigned(600).tamper(|message| message.set("Range", "bytes=2-4"));
            let got = expect::ok(got.send().await)?;
            expect::eq("status", got.status, 206)?;
            expect::bytes("body", &got.body, b"234")
        })
        .dependents(&["DuckDB", "browsers"])
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
            "A presigned PUT whose body is not what the query's checksum says answers 400 BadDigest, or is stored whole as S3 itself does.",
            async |fx| {
                let query = format!("?x-amz-checksum-crc32={}&x-amz-sdk-checksum-algorithm=CRC32", encode_query(&crc32_base64(b"another body")));
                let put = fx.raw_object("PutObject", "PUT", "k", &query).presigned(600).body("this body").send().await;
                // Reports about S3 itself disagree; the SDK for JavaScript links hold the checksum of an empty body.
                if put.as_ref().is_ok_and(|answer| answer.status == 200) {
                    fx.holds("k", b"this body").await?;
                    return expect::variant("a checksum in the query is not checked");
                }
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
        .core("get_object/added_query", &["PRE-14"], "A presigned GET with a parameter added behind the signature is refused.", async |fx| {
            fx.put("k", b"private").await?;
            let got = fx.raw_object("GetObject", "GET", "k", "").presigned(600);
            let got = got.tamper(|message| message.target.push_str("&response-content-type=text%2Fhtml"));
            expect::refused(got.send().await, 403, "SignatureDoesNotMatch")
        })
        .core("delete_object/other_method", &["PRE-14"], "A link that was presigned for GET does not delete.", async |fx| {
            fx.put("k", b"private").await?;
            let delete = fx.raw_object("DeleteObject", "GET", "k", "").presigned(600).tamper(|message| "DELETE".clone_into(&mut message.method));
            expect::refused(delete.send().await, 403, "SignatureDoesNotMatch")?;
            fx.holds("k", b"private").await
        })
}

fn headers(mut suite: Suite) -> Suite {
    for (name, header, value, other) in [("header", "x-amz-meta-colour", "red", "blue"), ("acl", "x-amz-acl", "private", "public-read")] {
        let put = move |fx: &Fixture| fx.raw_object("PutObject", "PUT", "k", "").header(header, value).presigned(600).body("x");
        suite = suite
            .common(
                &format!("put_object/signed_{name}_sent"),
                &["PRE-06"],
                &format!("A presigned PUT that sends its signed {header} is stored."),
                move |fx| async move {
                    expect::ok(put(&fx).send().await)?;
                    fx.holds("k", b"x").await?;
                    let head = expect::ok(fx.raw_object("HeadObject", "HEAD", "k", "").send().await)?;
                    let is_metadata = header.starts_with("x-amz-meta-");
                    expect::that(header, !is_metadata || head.header(header) == Some(value), value, head.header(header))
                },
            )
            .common(
                &format!("put_object/signed_{name}_altered"),
                &["PRE-06"],
                &format!("A presigned PUT whose signed {header} was altered answers 403 SignatureDoesNotMatch."),
                move |fx| async move {
                    let put = put(&fx).tamper(move |message| message.set(header, other));
                    expect::refused(put.send().await, 403, "SignatureDoesNotMatch")?;
                    fx.absent("k").await
                },
            )
            .common(
                &format!("put_object/signed_{name}_missing"),
                &["PRE-06"],
                &format!("A presigned PUT without its signed {header} answers 403."),
                move |fx| async move {
                    let put = put(&fx).tamper(move |message| message.remove(header));
                    expect::refused_as(put.send().await, &[(403, "SignatureDoesNotMatch"), (403, "AccessDenied")])?;
                    fx.absent("k").await
                },
            );
    }
    suite
}

/// A presigned GET of an object that is there.
async fn private(fx: &Fixture, expires: &str) -> Checked<RawRequest> {
    fx.put("k", b"private").await?;
    Ok(fx.raw_object("GetObject", "GET", "k", "").presigned(expires))
}

const WRONG_QUERY: (u16, &str) = (400, "AuthorizationQueryParametersError");

fn expiries(mut suite: Suite) -> Suite {
    for (name, value, row) in [
        ("zero", "0", "PRE-08"),
        ("over_a_week", "604801", "PRE-09"),
        ("negative", "-60", "PRE-10"),
        ("words", "soon", "PRE-10"),
        ("empty", "", "PRE-10"),
    ] {
        let rule = format!("A presigned GET with the X-Amz-Expires `{value}` is refused with 400 AuthorizationQueryParametersError or 403.");
        suite = suite.extended(&format!("get_object/expires_{name}"), &[row], &rule, move |fx| async move {
            expect::refused_or(private(&fx, value).await?.send().await, WRONG_QUERY, &[(403, "AccessDenied")])
        });
    }
    suite
}

/// `target` without the parameter `name`.
fn without_parameter(target: &str, name: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let kept: Vec<&str> = query.split('&').filter(|part| part.split('=').next() != Some(name)).collect();
    format!("{path}?{}", kept.join("&"))
}

fn missing(mut suite: Suite) -> Suite {
    for (name, parameter) in [
        ("algorithm", "X-Amz-Algorithm"),
        ("credential", "X-Amz-Credential"),
        ("date", "X-Amz-Date"),
        ("expires", "X-Amz-Expires"),
        ("signed_headers", "X-Amz-SignedHeaders"),
        ("signature", "X-Amz-Signature"),
    ] {
        let rule = format!("A presigned GET without {parameter} answers 400 AuthorizationQueryParametersError.");
        suite = suite.extended(&format!("get_object/no_{name}"), &["PRE-11"], &rule, move |fx| async move {
            let got = private(&fx, "600").await?.tamper(move |message| message.target = without_parameter(&message.target, parameter));
            // Without the parameter by which servers know a presigned request, it is an anonymous one.
            let anonymous: &[(u16, &str)] = if ["algorithm", "signature"].contains(&name) { &[(403, "AccessDenied")] } else { &[] };
            expect::refused_or(got.send().await, WRONG_QUERY, anonymous)
        });
    }
    suite
}

fn scopes(mut suite: Suite) -> Suite {
    suite = suite
        .extended("get_object/wrong_algorithm", &["PRE-12"], "A presigned GET of another algorithm answers 400.", async |fx| {
            let got = private(&fx, "600").await?;
            let got = got.tamper(|message| message.target = message.target.replacen("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", 1));
            expect::no_feature(expect::refused_as(got.send().await, &[WRONG_QUERY]), "400 AuthorizationQueryParametersError")
        })
        .extended(
            "get_object/wrong_region",
            &["PRE-12"],
            "A presigned GET for another region answers 400, or the vendor accepts any region.",
            async |fx| {
                let got = private(&fx, "600").await?.scope(|scope| "xx-nowhere-9".clone_into(&mut scope.region)).send().await;
                match got {
                    Ok(answer) if answer.status == 200 => expect::variant("any region is accepted"),
                    other => expect::error_as(other, &[WRONG_QUERY]),
                }
            },
        )
        .extended("get_object/date_differs", &["PRE-13"], "A presigned GET whose credential is of another day answers 400.", async |fx| {
            let got = private(&fx, "600").await?.scope(|scope| "20200101".clone_into(&mut scope.date));
            expect::refused_as(got.send().await, &[WRONG_QUERY])
        });
    let changes: [(&str, fn(&mut Scope)); 3] = [
        ("service", |scope| "ec2".clone_into(&mut scope.service)),
        ("terminal", |scope| "aws5_request".clone_into(&mut scope.terminal)),
        ("date", |scope| "today".clone_into(&mut scope.date)),
    ];
    for (name, change) in changes {
        let rule = format!("A presigned GET with a wrong {name} in its credential answers 400 AuthorizationQueryParametersError.");
        suite = suite.extended(&format!("get_object/wrong_{name}"), &["PRE-12"], &rule, move |fx| async move {
            let refused = expect::refused_as(private(&fx, "600").await?.scope(change).send().await, &[WRONG_QUERY]);
            expect::no_feature(refused, "400 AuthorizationQueryParametersError")
        });
    }
    suite
}

fn tokens(suite: Suite) -> Suite {
    suite
        .common("get_object/security_token", &["PRE-20"], "A link of temporary credentials with its session token is served.", async |fx| {
            if fx.link().access.credentials.session_token.is_none() {
                return expect::untested("the vendor's credentials have no session token");
            }
            expect::ok(private(&fx, "600").await?.send().await).map(drop)
        })
        .common("get_object/made_up_security_token", &["PRE-20"], "A link with a session token that nobody issued is refused.", async |fx| {
            let made_up = Secret::new("FwoGZXIvYXdzEJr-made-up-token");
            let keys = Credentials { session_token: Some(made_up), ..fx.link().access.credentials.clone() };
            // No `unsafe_ignore`: who signs with a permanent secret has every right that an ignored token could give.
            let refusals = [(403, "InvalidToken"), (400, "InvalidToken"), (403, "AccessDenied"), (403, "InvalidAccessKeyId"), WRONG_QUERY];
            expect::error_as(private(&fx, "600").await?.credentials(keys).send().await, &refusals)
        })
}

/// Override parameter, its value, the header that shows it.
const OVERRIDES: [(&str, &str, &str); 6] = [
    ("response-content-type", "text/csv", "content-type"),
    ("response-content-disposition", "attachment; filename=\"a.csv\"", "content-disposition"),
    ("response-cache-control", "no-cache", "cache-control"),
    ("response-content-encoding", "x-other", "content-encoding"),
    ("response-content-language", "mi", "content-language"),
    ("response-expires", "Thu, 01 Dec 2033 16:00:00 GMT", "expires"),
];

fn overrides(mut suite: Suite) -> Suite {
    for (parameter, value, header) in OVERRIDES {
        let name = parameter.replace('-', "_");
        let rule = format!("A presigned GET with {parameter} answers that {header}.");
        let query = format!("?{parameter}={}", encode_query(value));
        suite = suite
            .common(&format!("get_object/{name}"), &["PRE-17"], &rule, move |fx| {
                let query = query.clone();
                async move {
                    fx.put("k", b"x").await?;
                    let got = expect::ok(fx.raw_object("GetObject", "GET", "k", &query).presigned(600).send().await)?;
                    expect::eq(header, got.header(header), Some(value))
                }
            })
            .dependents(&["GitLab", "Nextcloud"]);
        let query = format!("?{parameter}={}", encode_query(value));
        let rule = format!("An anonymous GET with {parameter} of an object that everybody may read answers 400 InvalidRequest.");
        suite = suite
            .extended(&format!("get_object/anonymous_{name}"), &["PRE-18"], &rule, move |fx| {
                let query = query.clone();
                async move {
                    publish(&fx).await?;
                    fx.set_up("anonymous GetObject", fx.raw_object("GetObject", "GET", "k", "").anonymous().send().await)?;
                    expect::error(fx.raw_object("GetObject", "GET", "k", &query).anonymous().send().await, 400, "InvalidRequest")
                }
            })
            .needs(&["policy"])
            .own_bucket()
            .impact(Impact::Public);
    }
    suite
}

/// Prepares the object `k` that everybody may read.
async fn publish(fx: &Fixture) -> Checked {
    fx.put("k", b"public").await?;
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{}/*"}}]}}"#,
        fx.bucket()
    );
    fx.set_up("PutBucketPolicy", fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(policy).send().await).map(drop)
}
