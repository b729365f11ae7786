//! Suite `authorization`: Authorization headers, dates and payload hashes that are malformed or unusual.

use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::config::Secret;
use proofmark::wire::sigv4::sha256_hex;
use proofmark::wire::{Answer, Credentials, Message, Payload, RawRequest, WireError};

const MALFORMED: (u16, &str) = (400, "AuthorizationHeaderMalformed");

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("authorization").source("S3 API reference, Authenticating requests: using the Authorization header");
    let suite = values(hashes(dates(scopes(components(shapes(suite))))));
    tokens(suite.source("IAM user guide, Using temporary credentials with AWS resources"))
}

/// A signed GET of an object that is there.
async fn private(fx: &Fixture) -> Checked<RawRequest> {
    fx.put("k", b"private").await?;
    Ok(fx.raw_object("GetObject", "GET", "k", ""))
}

/// Changes the Authorization header after signing.
fn authorized(request: RawRequest, change: impl FnOnce(String) -> String + Send + Sync + 'static) -> RawRequest {
    request.tamper(|message: &mut Message| {
        let value = message.header("Authorization").unwrap_or_default();
        message.set("Authorization", change(value));
    })
}

fn shapes(mut suite: Suite) -> Suite {
    suite = suite.extended("get_object/empty_header", &["SIG-06"], "An empty Authorization header is refused with 403 AccessDenied.", async |fx| {
        let got = authorized(private(&fx).await?, |_| String::new()).send().await;
        expect::refused_or(got, (403, "AccessDenied"), &[(400, "InvalidArgument"), MALFORMED])
    });
    for (name, value) in [("one_word", "AWS4-HMAC-SHA256"), ("no_scheme", "Credential=a/b/c/s3/aws4_request,SignedHeaders=host,Signature=0")] {
        let rule = "An Authorization header that is not an algorithm, a space and the rest answers 400 InvalidArgument.";
        suite = suite.extended(&format!("get_object/header_of_{name}"), &["SIG-07"], rule, move |fx| async move {
            let got = authorized(private(&fx).await?, |_| value.to_owned()).send().await;
            expect::refused_as(got, &[(400, "InvalidArgument")])
        });
    }
    suite.extended("get_object/unknown_algorithm", &["SIG-08"], "An unknown signature algorithm answers 400 InvalidArgument.", async |fx| {
        let got = authorized(private(&fx).await?, |value| value.replacen("AWS4-HMAC-SHA256", "FOO4-HMAC-SHA256", 1)).send().await;
        expect::refused_as(got, &[(400, "InvalidArgument")])
    })
}

/// `value` without the component `name=...` and the comma at its side.
fn without_component(value: &str, name: &str) -> String {
    let (algorithm, rest) = value.split_once(' ').unwrap_or((value, ""));
    let kept: Vec<&str> = rest.split(',').map(str::trim).filter(|part| !part.starts_with(&format!("{name}="))).collect();
    format!("{algorithm} {}", kept.join(", "))
}

fn components(mut suite: Suite) -> Suite {
    for (name, component) in [("credential", "Credential"), ("signed_headers", "SignedHeaders"), ("signature", "Signature")] {
        let rule = format!("An Authorization header without {component} answers 400 AuthorizationHeaderMalformed.");
        suite = suite.extended(&format!("get_object/no_{name}"), &["SIG-09"], &rule, move |fx| async move {
            let got = authorized(private(&fx).await?, move |value| without_component(&value, component)).send().await;
            expect::refused_as(got, &[MALFORMED])
        });
    }
    for (name, from, to) in [("too_short", "/s3/aws4_request", "/aws4_request"), ("too_long", "/s3/aws4_request", "/s3/extra/aws4_request")] {
        let rule = format!("A credential scope that is {} answers 400 AuthorizationHeaderMalformed.", name.replace('_', " "));
        suite = suite.extended(&format!("get_object/scope_{name}"), &["SIG-10"], &rule, move |fx| async move {
            let got = authorized(private(&fx).await?, move |value| value.replacen(from, to, 1)).send().await;
            expect::refused_as(got, &[MALFORMED])
        });
    }
    suite
}

fn scopes(mut suite: Suite) -> Suite {
    suite = suite
        .extended(
            "get_object/scope_terminal",
            &["SIG-11"],
            "A credential scope that does not end in aws4_request answers 400 AuthorizationHeaderMalformed.",
            async |fx| {
                let got = private(&fx).await?.scope(|scope| scope.terminal = "aws5_request".to_owned());
                expect::refused_as(got.send().await, &[MALFORMED])
            },
        )
        .extended(
            "get_object/scope_date_differs",
            &["SIG-15"],
            "A credential date that is not the day of x-amz-date answers 400 AuthorizationHeaderMalformed.",
            async |fx| {
                let got = private(&fx).await?.scope(|scope| scope.date = "20200101".to_owned());
                expect::refused_as(got.send().await, &[MALFORMED])
            },
        );
    for (name, date) in [("words", "today"), ("dashes", "2024-01-31"), ("month_13", "20241301")] {
        let rule = format!("A credential date `{date}` answers 400 AuthorizationHeaderMalformed.");
        suite = suite.extended(&format!("get_object/scope_date_with_{name}"), &["SIG-14"], &rule, move |fx| async move {
            let got = private(&fx).await?.scope(move |scope| date.clone_into(&mut scope.date));
            expect::refused_as(got.send().await, &[MALFORMED])
        });
    }
    suite
}

fn http_date(shift_s: i64) -> String {
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(shift_s);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn dates(mut suite: Suite) -> Suite {
    let wrong: [(&str, &[(&str, &str)]); 4] = [
        ("no_date", &[]),
        ("unparsable_amz_date", &[("x-amz-date", "yesterday at noon")]),
        ("empty_amz_date", &[("x-amz-date", "")]),
        ("unparsable_date", &[("Date", "Bad Date")]),
    ];
    for (name, headers) in wrong {
        let rule = format!("A signed request with {} answers 403 AccessDenied.", name.replace("amz_date", "x-amz-date").replace('_', " "));
        suite = suite.extended(&format!("get_object/{name}"), &["SIG-17"], &rule, move |fx| async move {
            let mut got = private(&fx).await?.without("x-amz-date");
            for (header, value) in headers {
                got = got.header(header, value);
            }
            expect::refused_as(got.send().await, &[(403, "AccessDenied")])
        });
    }
    suite
        .common("get_object/amz_date_alone", &["SIG-18"], "A request with x-amz-date and no Date header is accepted.", async |fx| {
            let got = expect::ok(private(&fx).await?.tamper(|message| message.remove("Date")).send().await)?;
            expect::bytes("body", &got.body, b"private")
        })
        .extended("get_object/amz_date_wins", &["SIG-19"], "With an old Date and a right x-amz-date a request is accepted.", async |fx| {
            expect::ok(private(&fx).await?.header("Date", http_date(-7200)).send().await).map(drop)
        })
        .extended(
            "get_object/skewed_amz_date_wins",
            &["SIG-19"],
            "With a right Date and an old x-amz-date a request answers 403 RequestTimeTooSkewed.",
            async |fx| {
                let got = private(&fx).await?.skewed(-7200).header("Date", http_date(0)).send().await;
                expect::refused_as(got, &[(403, "RequestTimeTooSkewed")])
            },
        )
}

fn hashes(mut suite: Suite) -> Suite {
    suite = suite.extended(
        "put_object/no_payload_hash",
        &["SIG-20"],
        "A SigV4 request without x-amz-content-sha256 answers 400 InvalidRequest.",
        async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").without("x-amz-content-sha256").body("x").send().await;
            expect::error(put, 400, "InvalidRequest")?;
            fx.absent("k").await
        },
    );
    let hash = sha256_hex(b"x");
    for (name, value) in [
        ("no_hash", "not-a-hash".to_owned()),
        ("empty", String::new()),
        ("too_short", hash[..63].to_owned()),
        ("no_hex", format!("{}g", &hash[..63])),
        ("an_unknown_sentinel", "STREAMING-AWS9-HMAC-SHA512-PAYLOAD".to_owned()),
    ] {
        let rule = format!("An x-amz-content-sha256 that is {} answers 400 InvalidArgument and stores nothing.", name.replace('_', " "));
        suite = suite.extended(&format!("put_object/payload_hash_{name}"), &["SIG-21"], &rule, move |fx| {
            let value = value.clone();
            async move {
                let put = fx.raw_object("PutObject", "PUT", "k", "").payload(Payload::Hash(value)).body("x").send().await;
                let empty = if name == "empty" { (400, "InvalidRequest") } else { (400, "InvalidArgument") };
                expect::refused_as(put, &[(400, "InvalidArgument"), empty])?;
                fx.absent("k").await
            }
        });
    }
    suite
}

fn values(mut suite: Suite) -> Suite {
    for (name, value) in [("inner_spaces", "a   b  c"), ("outer_spaces", "  a b  ")] {
        let rule = format!("A signed header value with {} is signed with single spaces and accepted.", name.replace('_', " "));
        suite = suite.extended(&format!("put_object/value_with_{name}"), &["SIG-27"], &rule, move |fx| async move {
            expect::ok(fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-meta-words", value).body("x").send().await)?;
            fx.holds("k", b"x").await
        });
    }
    suite
        .common("get_object/signed_accept_encoding", &["SIG-28"], "A signed Accept-Encoding header reaches the check unchanged.", async |fx| {
            let got = private(&fx).await?.header("Accept-Encoding", "gzip").signing("Accept-Encoding");
            let got = expect::ok(got.send().await)?;
            expect::bytes("body", &got.body, b"private")
        })
        .dependents(&["AWS SDK for Go"])
        .common(
            "get_object/signed_accept_encoding_identity",
            &["SIG-28"],
            "A signed Accept-Encoding: identity reaches the check unchanged.",
            async |fx| {
                let got = private(&fx).await?.header("Accept-Encoding", "identity").signing("Accept-Encoding");
                expect::ok(got.send().await).map(drop)
            },
        )
        .dependents(&["AWS SDK for Go"])
}

/// The vendor's own keys with this token.
fn with_token(fx: &Fixture, token: Option<&str>) -> Credentials {
    Credentials { session_token: token.map(Secret::new), ..fx.link().access.credentials.clone() }
}

/// No `unsafe_ignore`: who signs with a permanent secret has every right that an ignored token could give.
fn refused_token(answer: Result<Answer, WireError>) -> Checked {
    expect::error_as(
        answer,
        &[(403, "InvalidToken"), (403, "AccessDenied"), (400, "InvalidToken"), (403, "InvalidAccessKeyId"), (403, "InvalidClientTokenId")],
    )
}

fn tokens(suite: Suite) -> Suite {
    suite
        .common("get_object/session_token", &["SIG-29"], "Temporary credentials with their session token are accepted.", async |fx| {
            if fx.link().access.credentials.session_token.is_none() {
                return expect::untested("the vendor's credentials have no session token");
            }
            expect::ok(private(&fx).await?.send().await).map(drop)
        })
        .dependents(&["Spark on Kubernetes"])
        .common("get_object/session_token_missing", &["SIG-29"], "Temporary credentials without their session token are refused.", async |fx| {
            if fx.link().access.credentials.session_token.is_none() {
                return expect::untested("the vendor's credentials have no session token");
            }
            refused_token(private(&fx).await?.credentials(with_token(&fx, None)).send().await)
        })
        .common("get_object/made_up_session_token", &["SIG-29"], "A session token that nobody issued is refused.", async |fx| {
            refused_token(private(&fx).await?.credentials(with_token(&fx, Some("FwoGZXIvYXdzEJr-made-up-token"))).send().await)
        })
}
