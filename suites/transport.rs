//! Suite `transport`: HTTP below the S3 operations.

use std::time::Duration;

use proofmark::case::values::{encode_path, md5_base64, sha256_hex};
use proofmark::case::{Checked, Suite, WithClass, expect};
use proofmark::model::FailureClass::{WrongCode, WrongEffect};
use proofmark::units::Bytes;
use proofmark::wire::{Addressing, Answer, Failure, Payload, RawRequest, WireError};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("transport").source("S3 user guide, Virtual hosting of buckets; RFC 9110 and RFC 9112");
    addresses(answers(expectations(connections(requests(suite)))))
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
            // The server may see the end of the connection only after it answered the first GET.
            for _ in 0..5 {
                fx.absent("k").await?;
            }
            Ok(())
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
    let suite = suite
        .common("get_object/request_id", &["PRO-04"], "Answers carry x-amz-request-id, and it is the RequestId of an error's body.", async |fx| {
            let Ok(got) = fx.raw_object("GetObject", "GET", "absent", "").send().await else { return expect::unresolved("no answer") };
            let id = expect::some("x-amz-request-id", got.header("x-amz-request-id"))?;
            expect::eq("RequestId", got.element("RequestId").as_deref(), Some(id))
        })
        .common("get_object/host_id", &["PRO-04"], "Answers carry x-amz-id-2, and it is the HostId of an error's body.", async |fx| {
            let Ok(got) = fx.raw_object("GetObject", "GET", "absent", "").send().await else { return expect::unresolved("no answer") };
            let id = expect::some("x-amz-id-2", got.header("x-amz-id-2"))?;
            expect::eq("HostId", got.element("HostId").as_deref(), Some(id))
        })
        .common("get_object/keep_alive_after_success", &["PRO-06"], "A connection goes on after a success.", async |fx| {
            fx.put("k", b"body").await?;
            let Ok(mut connection) = fx.raw().connect().await else { return expect::unresolved("cannot connect") };
            for _ in 0..3 {
                if !connection.keeps_open() {
                    return expect::variant("the server closes the connection after a success");
                }
                let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "").send_on(&mut connection).await)?;
                expect::bytes("body", &got.body, b"body")?;
            }
            Ok(())
        })
        .common(
            "put_object/keep_alive_after_early_error",
            &["PRO-06"],
            "After an error that needs no body, a connection goes on or is closed.",
            async |fx| {
                let Ok(mut connection) = fx.raw().connect().await else { return expect::unresolved("cannot connect") };
                let put = fx.raw_object("PutObject", "PUT", "k", "").wrong_secret("not-the-secret-of-this-key").body(fx.random_bytes(Bytes::kib(32)));
                expect::error(put.send_on(&mut connection).await, 403, "SignatureDoesNotMatch")?;
                if !connection.keeps_open() {
                    return expect::variant("the server closes the connection after an error that needs no body");
                }
                match fx.raw_object("PutObject", "PUT", "k", "").body("this").send_on(&mut connection).await {
                    Err(error) if matches!(error.failure, Failure::ClosedEarly | Failure::Reset | Failure::Stale) => {
                        return expect::variant("the server closes the connection without saying so");
                    }
                    put => expect::ok(put)?,
                };
                fx.holds("k", b"this").await
            },
        )
        .common("put_object/keep_alive_after_error", &["PRO-06"], "A connection goes on after an error.", async |fx| {
            let Ok(mut connection) = fx.raw().connect().await else { return expect::unresolved("cannot connect") };
            let bad = fx.raw_object("PutObject", "PUT", "k", "").header("Content-MD5", md5_base64(b"other")).body("this");
            expect::error(bad.send_on(&mut connection).await, 400, "BadDigest")?;
            if !connection.keeps_open() {
                return expect::variant("the server closes the connection after an error");
            }
            expect::ok(fx.raw_object("PutObject", "PUT", "k", "").body("this").send_on(&mut connection).await).map(drop)
        });
    continues(suite)
}

fn continues(suite: Suite) -> Suite {
    suite
        .common("put_object/expect_continue", &["PRO-07"], "Expect: 100-continue is answered with 100 before the body is sent.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").body("body").expect_continue(Duration::from_secs(5)).send().await;
            let put = expect::ok(put)?;
            expect::that("interim answers", put.interim.contains(&100), "100", &put.interim)?;
            fx.holds("k", b"body").await
        })
        .common("put_object/expect_continue_refused", &["PRO-08"], "With a wrong signature the final 403 comes instead of 100.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").wrong_secret("not-the-secret-of-this-key").body("body");
            final_instead_of_100(put, 403).await
        })
        .common("put_object/expect_continue_no_bucket", &["PRO-08"], "With a missing bucket the final 404 comes instead of 100.", async |fx| {
            let put = fx.raw().request("PUT", &fx.missing_bucket(), "k").operation("PutObject").body("body");
            final_instead_of_100(put, 404).await
        })
        .common("put_object/no_content_length", &["PRO-11"], "A PUT without Content-Length answers 411 MissingContentLength.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").without("Content-Length").limit(Duration::from_secs(5));
            expect::error(put.send().await, 411, "MissingContentLength")
        })
}

/// Claims that a request that expects 100 is refused with `status` before its body is asked for.
async fn final_instead_of_100(put: RawRequest, status: u16) -> Checked {
    let Ok(put) = put.expect_continue(Duration::from_secs(5)).send().await else { return expect::unresolved("no answer") };
    expect::eq("status", put.status, status)?;
    expect::eq("interim answers", put.interim, Vec::<u16>::new()).class(WrongCode)
}

fn expectations(mut suite: Suite) -> Suite {
    suite =
        suite.rare("put_object/expect_other", &["PRO-09"], "Another expectation than 100-continue is ignored or answered with 417.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").header("Expect", "200-perhaps").body("body").limit(Duration::from_secs(10));
            match put.send().await {
                Ok(answer) if answer.status == 200 => fx.holds("k", b"body").await,
                refused => {
                    expect::error_as(refused, &[(417, "")])?;
                    fx.absent("k").await
                }
            }
        });
    for (name, payload) in [("signed", Payload::Hash(sha256_hex(b"hello"))), ("unsigned", Payload::Unsigned)] {
        let rule = format!("A body in HTTP chunks with the {name} payload's hash and no length answers 411, or is stored as it was meant.");
        suite = suite.extended(&format!("put_object/http_chunks_{name}"), &["PRO-10"], &rule, move |fx| {
            let payload = payload.clone();
            async move {
                let put = fx.raw_object("PutObject", "PUT", "k", "").payload(payload).header("Transfer-Encoding", "chunked");
                let put = put.body("2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n").limit(Duration::from_secs(10)).send().await;
                if put.as_ref().is_ok_and(|answer| answer.status == 200) {
                    fx.holds("k", b"hello").await?;
                    return expect::variant("a body in HTTP chunks is stored");
                }
                expect::error(put, 411, "MissingContentLength")?;
                fx.absent("k").await
            }
        });
    }
    for (name, value) in [("negative", "-1"), ("words", "four"), ("list", "4, 5")] {
        let rule = format!("A Content-Length `{value}` answers 400 and stores nothing.");
        suite = suite.extended(&format!("put_object/content_length_{name}"), &["PRO-12"], &rule, move |fx| async move {
            let put = fx.raw_object("PutObject", "PUT", "k", "").header("Content-Length", value).body("four").limit(Duration::from_secs(10));
            expect::error_as(put.send().await, &[(400, "")])?;
            fx.absent("k").await
        });
    }
    for (name, headers, size) in [("many", 12, 1024), ("one", 1, 12 << 10)] {
        let rule = format!("User metadata of 12 KiB in {name} of the headers answers 400 and stores nothing.");
        suite = suite.extended(&format!("put_object/head_too_large_in_{name}"), &["PRO-14"], &rule, move |fx| async move {
            let mut put = fx.raw_object("PutObject", "PUT", "k", "").body("x");
            for number in 0..headers {
                put = put.header(&format!("x-amz-meta-{number}"), "v".repeat(size));
            }
            let refusals = [(400, "MetadataTooLarge"), (400, "RequestHeaderSectionTooLarge")];
            // 431 is what HTTP itself has for it (RFC 6585).
            expect::refused_or(put.send().await, refusals[0], &[refusals[1], (431, "")]).class(WrongEffect)?;
            fx.absent("k").await
        });
    }
    suite
}

/// Claims that `answer` names the moment within 15 minutes of this machine's clock.
fn dated(answer: &Answer) -> Checked {
    let text = expect::some("Date", answer.header("date"))?;
    let Ok(date) = jiff::fmt::rfc2822::parse(text) else { return expect::that("Date", false, "a date of RFC 1123", text) };
    let away = jiff::Timestamp::now().duration_since(date.timestamp()).abs();
    expect::that("Date", away <= jiff::SignedDuration::from_mins(15), "within 15 minutes of the client's clock", text)
}

fn answers(mut suite: Suite) -> Suite {
    for (operation, method, query) in [
        ("get_object", "GET", ""),
        ("head_object", "HEAD", ""),
        ("put_object", "PUT", ""),
        ("delete_object", "DELETE", ""),
        ("get_object_tagging", "GET", "?tagging"),
    ] {
        let name: String = operation.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        suite = suite.common(
            &format!("{operation}/request_id_of_success"),
            &["PRO-04"],
            &format!("A successful {name} answers x-amz-request-id."),
            move |fx| {
                let name = name.clone();
                async move {
                    fx.put("k", b"x").await?;
                    let answer = expect::ok(fx.raw_object(&name, method, "k", query).send().await)?;
                    expect::some("x-amz-request-id", answer.header("x-amz-request-id")).map(drop)
                }
            },
        );
    }
    suite
        .common("get_object/date", &["PRO-05"], "A success carries a Date within 15 minutes of the client's clock.", async |fx| {
            fx.put("k", b"x").await?;
            dated(&expect::ok(fx.raw_object("GetObject", "GET", "k", "").send().await)?)
        })
        .common("get_object/date_of_error", &["PRO-05"], "An error carries a Date within 15 minutes of the client's clock.", async |fx| {
            let Ok(answer) = fx.raw_object("GetObject", "GET", "absent", "").send().await else { return expect::unresolved("no answer") };
            dated(&answer)
        })
        .common("head_bucket/server", &["PRO-05"], "Answers name their Server.", async |fx| {
            let answer = expect::ok(fx.raw_bucket("HeadBucket", "HEAD", "").send().await)?;
            match answer.header("server") {
                Some(name) => expect::that("Server", !name.trim().is_empty(), "a name", name),
                None => expect::variant("no Server header"),
            }
        })
}

fn addresses(suite: Suite) -> Suite {
    suite
        .common("get_object/virtual_host", &["PRO-02"], "A bucket in the host name is served, where the endpoint is set up for it.", async |fx| {
            fx.put("k", b"body").await?;
            let endpoint = fx.link().access.endpoints[0].authority();
            let get = fx.raw().exact("GET", &format!("/{}", encode_path(&fx.key("k")))).operation("GetObject");
            let got = match fx.link().access.addressing {
                Addressing::VirtualHost => fx.raw_object("GetObject", "GET", "k", "").send().await,
                Addressing::Path => get.header("Host", format!("{}.{endpoint}", fx.bucket())).send().await,
            };
            match got {
                Ok(answer) if answer.status == 200 => expect::bytes("body", &answer.body, b"body"),
                // No vendor has to serve what it is not set up for.
                Ok(answer) if fx.link().access.addressing == Addressing::Path && (400..500).contains(&answer.status) => {
                    expect::variant(format!("path style only: a bucket in the host name answers {}", answer.status))
                }
                other => expect::ok(other).map(drop),
            }
        })
        .dependents(&["Snowflake", "AWS SDKs by default"])
        .rare(
            "get_object/bucket_with_a_dot",
            &["PRO-03"],
            "A bucket with a dot in its name is served path-style, and over TLS at least so.",
            async |fx| {
                let bucket = fx.labelled_bucket_name("dotted.name")?;
                fx.set_up("CreateBucket", fx.create_bucket(&bucket).send().await)?;
                let target = format!("/{bucket}/k");
                expect::ok(fx.raw().exact("PUT", &target).operation("PutObject").body("body").send().await)?;
                let got = expect::ok(fx.raw().exact("GET", &target).operation("GetObject").send().await)?;
                expect::bytes("body", &got.body, b"body")?;
                if fx.link().access.addressing == Addressing::Path {
                    return Ok(());
                }
                match fx.raw().request("GET", &bucket, "k").operation("GetObject").send().await {
                    Ok(answer) => expect::ok(Ok::<_, WireError>(answer)).map(drop),
                    Err(error) => expect::variant(format!("path style only: {error}")),
                }
            },
        )
        .common("get_object/over_tls", &["PRO-21"], "The endpoint's TLS has a valid chain for its name and at least version 1.2.", async |fx| {
            if !fx.link().access.endpoints.iter().all(|endpoint| endpoint.tls) {
                return expect::untested("an endpoint is plain HTTP");
            }
            // The client verifies chain and name, and offers nothing below version 1.2.
            fx.put("k", b"body").await?;
            let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "").send().await)?;
            expect::bytes("body", &got.body, b"body")
        })
        .dependents(&["Snowflake", "Java trust stores"])
}
