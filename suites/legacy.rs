//! Suite `legacy`: signature version 2, and version 4A, in headers, in the query and in chunked bodies.

use proofmark::case::values::{encode_query, sigv2};
use proofmark::case::{Answer as _, Checked, Fixture, Refusal, Suite, expect};
use proofmark::wire::{Answer, Payload, RawRequest, WireError};

/// How a server refuses version 2 as a whole, and how it refuses one wrong request of it.
const NO_VERSION_2: (u16, &str) = (400, "InvalidRequest");
const ECDSA: &str = "AWS4-ECDSA-P256-SHA256";

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("legacy").source("S3 user guide, Authenticating requests (AWS Signature Version 2)");
    let suite = presigned(wrong(right(suite))).source("S3 API reference, Authenticating requests: AWS Signature Version 4A");
    chunks(asymmetric(suite))
}

fn date(shift_s: i64) -> String {
    let time = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(shift_s);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The text that version 2 signs for a request of the key `k` without a body; `date` is a date or the time of expiry.
fn text(fx: &Fixture, method: &str, date: &str) -> String {
    let token = fx.link().access.credentials.session_token.as_ref();
    let token = token.map(|token| format!("x-amz-security-token:{}\n", token.expose())).unwrap_or_default();
    format!("{method}\n\n\n{date}\n{token}/{}/{}", fx.bucket(), proofmark::case::values::encode_path(&fx.key("k")))
}

/// A request of the key `k` with a signature of version 2, made with this secret (or the right one).
fn signed(fx: &Fixture, method: &str, date: &str, secret: Option<&str>) -> RawRequest {
    let keys = &fx.link().access.credentials;
    let signature = sigv2(secret.unwrap_or(keys.secret_key.expose()), &text(fx, method, date));
    let operation = if method == "GET" { "GetObject" } else { "DeleteObject" };
    let mut request = fx.raw_object(operation, method, "k", "").anonymous().header("Date", date);
    if let Some(token) = &keys.session_token {
        request = request.header("x-amz-security-token", token.expose());
    }
    request.header("Authorization", format!("AWS {}:{signature}", keys.access_key.expose()))
}

/// Served, which is a variant, or refused as a whole, which is what new regions do.
fn served(answer: Result<Answer, WireError>, refusals: &[(u16, &str)]) -> Checked {
    match answer.settle() {
        Ok(answer) => {
            expect::bytes("body", &answer.body, b"private")?;
            expect::variant("signature version 2 is served")
        }
        Err(refusal) => expect::refused_or(Err::<(), Refusal>(refusal), NO_VERSION_2, refusals),
    }
}

fn right(suite: Suite) -> Suite {
    suite.rare("get_object/version_2", &["SIG-30"], "A version 2 signature is served, or refused with 400 InvalidRequest.", async |fx| {
        fx.put("k", b"private").await?;
        served(signed(&fx, "GET", &date(0), None).send().await, &[(403, "AccessDenied")])
    })
}

fn wrong(mut suite: Suite) -> Suite {
    let dates: [(&str, fn() -> String); 6] = [
        ("unparsable_date", || "Bad Date".to_owned()),
        ("empty_date", String::new),
        ("date_before_1970", || "Tue, 07 Jul 1950 21:53:04 GMT".to_owned()),
        ("date_after_9999", || "Tue, 07 Jul 9999 21:53:04 GMT".to_owned()),
        ("date_of_yesterday", || date(-86_400)),
        ("date_of_tomorrow", || date(86_400)),
    ];
    for (name, date) in dates {
        let rule = format!("A version 2 signature with {} is refused with 403.", name.replace('_', " "));
        suite = suite.rare(&format!("get_object/version_2_{name}"), &["SIG-31"], &rule, move |fx| async move {
            fx.put("k", b"private").await?;
            let got = signed(&fx, "GET", &date(), None).send().await;
            expect::refused_as(got, &[(403, "AccessDenied"), (403, "RequestTimeTooSkewed"), NO_VERSION_2])
        });
    }
    for (name, header, code) in [
        ("garbage", "AWS HAHAHA", "InvalidArgument"),
        ("empty_signature", "AWS AKIA:", "InvalidArgument"),
        ("scheme_alone", "AWS", "InvalidArgument"),
    ] {
        let rule = format!("A version 2 Authorization header with {} is refused with 400 InvalidArgument.", name.replace('_', " "));
        suite = suite.rare(&format!("get_object/version_2_{name}"), &["SIG-31"], &rule, move |fx| async move {
            fx.put("k", b"private").await?;
            let got = fx.raw_object("GetObject", "GET", "k", "").anonymous().header("Date", date(0)).header("Authorization", header);
            expect::refused_or(got.send().await, (400, code), &[NO_VERSION_2, (403, "AccessDenied"), (403, "InvalidAccessKeyId")])
        });
    }
    suite
        .rare("get_object/version_2_wrong_secret", &["SIG-31"], "A version 2 signature with another secret is refused.", async |fx| {
            fx.put("k", b"private").await?;
            let got = signed(&fx, "GET", &date(0), Some("not-the-secret-of-this-key")).send().await;
            expect::refused_as(got, &[(403, "SignatureDoesNotMatch"), (403, "AccessDenied"), NO_VERSION_2])
        })
        .rare("delete_object/version_2_wrong_secret", &["SIG-31"], "A version 2 DELETE with another secret deletes nothing.", async |fx| {
            fx.put("k", b"private").await?;
            let delete = signed(&fx, "DELETE", &date(0), Some("not-the-secret-of-this-key")).send().await;
            expect::refused_as(delete, &[(403, "SignatureDoesNotMatch"), (403, "AccessDenied"), NO_VERSION_2])?;
            fx.holds("k", b"private").await
        })
}

/// A GET of the key `k` with a version 2 signature in the query that is good for this long.
fn link(fx: &Fixture, name: &str, good_s: i64, secret: Option<&str>) -> RawRequest {
    let keys = &fx.link().access.credentials;
    let expires = (jiff::Timestamp::now().as_second() + good_s).to_string();
    let signature = sigv2(secret.unwrap_or(keys.secret_key.expose()), &text(fx, "GET", &expires));
    let token = keys.session_token.as_ref().map(|token| format!("&x-amz-security-token={}", encode_query(token.expose()))).unwrap_or_default();
    let query = format!("?AWSAccessKeyId={}&Expires={expires}&Signature={}{token}", encode_query(keys.access_key.expose()), encode_query(&signature));
    fx.raw_object("GetObject", "GET", name, &query).anonymous()
}

fn presigned(suite: Suite) -> Suite {
    let refusals = [NO_VERSION_2, (403, "AccessDenied"), (403, "SignatureDoesNotMatch"), (400, "InvalidArgument")];
    suite
        .rare(
            "get_object/presigned_version_2",
            &["PRE-19"],
            "A version 2 link is served, or refused with a clean 400 or 403.",
            move |fx| async move {
                fx.put("k", b"private").await?;
                served(link(&fx, "k", 600, None).send().await, &refusals)
            },
        )
        .rare("get_object/presigned_version_2_expired", &["PRE-19"], "A version 2 link whose time is over is refused.", move |fx| async move {
            fx.put("k", b"private").await?;
            expect::refused_as(link(&fx, "k", -60, None).send().await, &refusals)
        })
        .rare("get_object/presigned_version_2_wrong_secret", &["PRE-19"], "A version 2 link with another secret is refused.", move |fx| async move {
            fx.put("k", b"private").await?;
            expect::refused_as(link(&fx, "k", 600, Some("not-the-secret-of-this-key")).send().await, &refusals)
        })
        .rare("get_object/presigned_version_2_other_key", &["PRE-19"], "A version 2 link of one key is not good for another.", move |fx| async move {
            fx.put("other", b"private").await?;
            expect::refused_as(link(&fx, "other", 600, None).send().await, &refusals)
        })
}

/// A request that claims a version 4A signature, which it does not have: the hexadecimal text is no signature of this request.
fn claims_4a(request: RawRequest) -> RawRequest {
    request.header("x-amz-region-set", "*").tamper(|message| {
        let value = message.header("Authorization").unwrap_or_default();
        let mut value = value.replacen("AWS4-HMAC-SHA256", ECDSA, 1);
        // The scope of version 4A has no region.
        let parts: Vec<&str> = value.splitn(4, '/').collect();
        if let [head, date, _region, rest] = parts[..] {
            value = format!("{head}/{date}/{rest}");
        }
        let start = value.find("Signature=").map_or(value.len(), |start| start + "Signature=".len());
        value.truncate(start);
        message.set("Authorization", format!("{value}3045022100{}0220{}", "5a".repeat(33), "3c".repeat(32)));
    })
}

const CLEAN: [(u16, &str); 3] = [(400, ""), (403, ""), (501, "")];

fn asymmetric(suite: Suite) -> Suite {
    suite
        .rare("get_object/version_4a", &["SIG-32"], "A version 4A signature that is not right is refused with 400, 403 or 501.", async |fx| {
            fx.put("k", b"private").await?;
            expect::refused_as(claims_4a(fx.raw_object("GetObject", "GET", "k", "")).send().await, &CLEAN)
        })
        .rare("put_object/version_4a", &["SIG-32"], "A PUT with a version 4A signature that is not right stores nothing.", async |fx| {
            expect::refused_as(claims_4a(fx.raw_object("PutObject", "PUT", "k", "").body("x")).send().await, &CLEAN)?;
            fx.absent("k").await
        })
}

fn chunks(mut suite: Suite) -> Suite {
    for (name, sentinel, trailer) in [
        ("chunks", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", ""),
        ("chunks_with_trailer", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", "x-amz-checksum-crc32:AAAAAA==\r\n"),
    ] {
        let rule = "Version 4A chunks with wrong signatures are refused with 400, 403 or 501 and never stored with their framing.";
        suite = suite.rare(&format!("put_object/version_4a_{name}"), &["STR-05"], rule, move |fx| async move {
            let signature = format!("{}{}", "3045022100", "**".repeat(67));
            let body = format!("5;chunk-signature={signature}\r\nhello\r\n0;chunk-signature={signature}\r\n{trailer}\r\n");
            let put = fx.raw_object("PutObject", "PUT", "k", "").payload(Payload::Hash(sentinel.to_owned())).body(body);
            let put = put.header("Content-Encoding", "aws-chunked").header("x-amz-decoded-content-length", "5");
            let put = if trailer.is_empty() { put } else { put.header("x-amz-trailer", "x-amz-checksum-crc32") };
            let put = put.send().await;
            if put.as_ref().is_ok_and(|answer| answer.status == 200) {
                fx.holds("k", b"hello").await?;
            }
            expect::refused_as(put, &CLEAN)?;
            fx.absent("k").await
        });
    }
    suite
}
