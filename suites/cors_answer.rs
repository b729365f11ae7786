//! Suite `cors_answer`: what answers carry for the scripts of other origins.

use proofmark::case::values::encode_query;
use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::wire::{Answer, RawRequest};

use super::cors::{ORIGIN, impose, items, keeps_out, lets_in, rule, ruled, usual};

/// Headers of an answer that scripts may read without being told so (Fetch standard, CORS-safelisted response-header names).
const SAFELISTED: [&str; 7] = ["cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"];

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("cors_answer").source("S3 user guide, Using cross-origin resource sharing, and Fetch standard, CORS protocol");
    presigned(errors(safelisted(actual(suite))))
}

/// Claims that a script may read that header, as a browser decides it: named in Access-Control-Expose-Headers, or safelisted.
fn exposes(answer: &Answer, header: &str) -> Checked {
    let named = items(answer, "access-control-expose-headers");
    let is_readable = SAFELISTED.contains(&header) || named.iter().any(|name| name == header || name == "*");
    expect::that(&format!("whether a script reads {header}"), is_readable, "yes", &named)
}

/// An operation with an Origin on an object: id, operation, method, query.
const ACTUAL: [(&str, &str, &str); 4] = [
    ("get_object", "GetObject", "GET"),
    ("put_object", "PutObject", "PUT"),
    ("head_object", "HeadObject", "HEAD"),
    ("delete_object", "DeleteObject", "DELETE"),
];

/// A rule for all methods that the cases use.
async fn all_methods(fx: &Fixture) -> Checked {
    impose(fx, &[rule(&[ORIGIN], &["GET", "PUT", "HEAD", "DELETE", "POST"], &["*"])]).await
}

fn request(fx: &Fixture, operation: &str, method: &str, origin: &str) -> RawRequest {
    fx.raw_object(operation, method, "k", "").header("Origin", origin).body(if method == "PUT" { "new" } else { "" })
}

fn actual(mut suite: Suite) -> Suite {
    for (id, operation, method) in ACTUAL {
        let rule = format!("{operation} with an Origin that a rule allows carries Access-Control-Allow-Origin.");
        let case = move |fx: Fixture| async move {
            fx.put("k", b"x").await?;
            all_methods(&fx).await?;
            lets_in(&expect::ok(request(&fx, operation, method, ORIGIN).send().await)?, ORIGIN)
        };
        suite = ruled(suite.common(&format!("{id}/allow_origin"), &["COR-08"], &rule, case));
        let rule = format!("{operation} with an Origin that no rule allows is served without Access-Control-Allow-Origin.");
        let case = move |fx: Fixture| async move {
            fx.put("k", b"x").await?;
            all_methods(&fx).await?;
            let other = "https://evil.example.net";
            keeps_out(&expect::ok(request(&fx, operation, method, other).send().await)?, other)
        };
        suite = ruled(suite.common(&format!("{id}/other_origin"), &["COR-08"], &rule, case));
    }
    for (id, operation, method) in &ACTUAL[..3] {
        let rule = format!("{operation} with an Origin exposes the headers that the rule names, ETag among them.");
        let case = move |fx: Fixture| async move {
            fx.put("k", b"x").await?;
            all_methods(&fx).await?;
            let answer = expect::ok(request(&fx, operation, method, ORIGIN).send().await)?;
            exposes(&answer, "etag")?;
            exposes(&answer, "x-amz-request-id")
        };
        suite = ruled(suite.common(&format!("{id}/expose_headers"), &["COR-08"], &rule, case)).dependents(&["browser upload"]);
    }
    let rule = "UploadPart with an Origin exposes the part's ETag, which a browser needs to complete its upload.";
    suite = ruled(suite.common("upload_part/expose_headers", &["COR-08"], rule, async |fx| {
        all_methods(&fx).await?;
        let id = fx.start_upload("k").await?;
        let query = format!("?partNumber=1&uploadId={}", encode_query(&id));
        let part = fx.raw_object("UploadPart", "PUT", "k", &query).header("Origin", ORIGIN).body("part").send().await;
        let part = expect::ok(part)?;
        lets_in(&part, ORIGIN)?;
        exposes(&part, "etag")
    }))
    .dependents(&["browser upload"]);
    let rule = "Without an Origin an answer carries no Access-Control-Allow-Origin of a named origin.";
    ruled(suite.common("get_object/no_origin", &["COR-08"], rule, async |fx| {
        fx.put("k", b"x").await?;
        usual(&fx).await?;
        keeps_out(&expect::ok(fx.raw_object("GetObject", "GET", "k", "").send().await)?, ORIGIN)
    }))
}

fn safelisted(mut suite: Suite) -> Suite {
    for header in ["content-type", "content-length", "last-modified", "cache-control"] {
        let rule = format!("A script of an allowed origin can read {header}, which needs no Access-Control-Expose-Headers.");
        let case = move |fx: Fixture| async move {
            let put = fx.put_object("k").cache_control("max-age=60").content_type("text/plain").body(b"x".to_vec().into());
            fx.set_up("PutObject", put.send().await)?;
            all_methods(&fx).await?;
            let got = expect::ok(request(&fx, "GetObject", "GET", ORIGIN).send().await)?;
            lets_in(&got, ORIGIN)?;
            expect::some(header, got.header(header))?;
            exposes(&got, header)
        };
        suite = ruled(suite.common(&format!("get_object/reads_{}", header.replace('-', "_")), &["COR-11"], &rule, case));
    }
    suite
}

fn errors(mut suite: Suite) -> Suite {
    for (id, rule, is_missing) in [
        ("absent_key", "A 404 with an allowed Origin carries Access-Control-Allow-Origin, so that a script sees the error.", true),
        ("denied", "A 403 with an allowed Origin carries Access-Control-Allow-Origin, so that a script sees the error.", false),
    ] {
        let case = move |fx: Fixture| async move {
            fx.put("k", b"x").await?;
            all_methods(&fx).await?;
            let name = if is_missing { "absent" } else { "k" };
            let request = fx.raw_object("GetObject", "GET", name, "").header("Origin", ORIGIN);
            let request = if is_missing { request } else { request.wrong_secret("not-the-secret-of-this-key") };
            let answer = request.send().await;
            let Ok(answer) = answer else { return expect::ok(answer).map(drop) };
            expect::eq("status", answer.status, if is_missing { 404 } else { 403 })?;
            lets_in(&answer, ORIGIN)
        };
        suite = ruled(suite.extended(&format!("get_object/{id}"), &["COR-09"], rule, case)).dependents(&["browser upload"]);
    }
    let rule = "A refused upload with an allowed Origin carries Access-Control-Allow-Origin, so that a script sees the error.";
    ruled(suite.extended("put_object/bad_digest", &["COR-09"], rule, async |fx| {
        all_methods(&fx).await?;
        let put = request(&fx, "PutObject", "PUT", ORIGIN).header("Content-MD5", proofmark::case::values::md5_base64(b"another body"));
        let answer = put.send().await;
        let Ok(answer) = answer else { return expect::ok(answer).map(drop) };
        expect::eq("status", answer.status, 400)?;
        lets_in(&answer, ORIGIN)
    }))
    .dependents(&["browser upload"])
}

fn presigned(mut suite: Suite) -> Suite {
    for (id, operation, method) in &ACTUAL[..2] {
        let rule = format!("A presigned {method} from an allowed origin works and carries Access-Control-Allow-Origin.");
        let case = move |fx: Fixture| async move {
            fx.put("k", b"x").await?;
            all_methods(&fx).await?;
            let sent = fx.raw_object(operation, method, "k", "").presigned(600).body(if *method == "PUT" { "new" } else { "" });
            // A browser adds Origin by itself: it is not among the signed headers.
            lets_in(&expect::ok(sent.tamper(|message| message.set("Origin", ORIGIN)).send().await)?, ORIGIN)
        };
        suite = ruled(suite.common(&format!("{id}/presigned"), &["COR-10"], &rule, case)).dependents(&["browser upload"]);
        let rule = format!("The preflight of a presigned {method} is answered without a signature of its own.");
        let case = move |fx: Fixture| async move {
            all_methods(&fx).await?;
            let sent = fx.raw_object("Preflight", method, "k", "").presigned(600).header("Origin", ORIGIN);
            // The browser asks with the URL that was signed for another method.
            let sent = sent.tamper(move |message| {
                message.method = "OPTIONS".to_owned();
                message.set("Access-Control-Request-Method", method);
                message.remove("Content-Length");
            });
            lets_in(&expect::ok(sent.send().await)?, ORIGIN)
        };
        suite =
            ruled(suite.common(&format!("preflight/presigned_{}", method.to_lowercase()), &["COR-10"], &rule, case)).dependents(&["browser upload"]);
    }
    suite
}
