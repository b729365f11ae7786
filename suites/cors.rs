//! Suite `cors`: cross-origin requests.

use aws_sdk_s3::types::{CorsConfiguration, CorsRule};
use proofmark::case::values::encode_path;
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::{UnsafeIgnore, WrongCode};
use proofmark::wire::{Answer, RawRequest, WireError};

/// The origin of the page that asks.
pub const ORIGIN: &str = "https://console.example.com";

/// A rule that exposes two headers for five minutes.
pub fn rule(origins: &[&str], methods: &[&str], headers: &[&str]) -> CorsRule {
    let owned = |words: &[&str]| Some(words.iter().map(ToString::to_string).collect());
    let rule = CorsRule::builder().set_allowed_origins(owned(origins)).set_allowed_methods(owned(methods));
    let rule = rule.set_allowed_headers(owned(headers).filter(|words: &Vec<String>| !words.is_empty()));
    rule.expose_headers("ETag").expose_headers("x-amz-request-id").max_age_seconds(300).build().expect("origins and methods were given")
}

/// Prepares the bucket's rules.
pub async fn impose(fx: &Fixture, rules: &[CorsRule]) -> Checked {
    let rules = CorsConfiguration::builder().set_cors_rules(Some(rules.to_vec())).build().expect("rules were given");
    fx.set_up("PutBucketCors", fx.s3().put_bucket_cors().bucket(fx.bucket()).cors_configuration(rules).send().await).map(drop)
}

/// A rule for one origin that lets it read, write and delete with two kinds of header.
pub async fn usual(fx: &Fixture) -> Checked {
    impose(fx, &[rule(&[ORIGIN], &["GET", "PUT", "DELETE"], &["content-type", "x-amz-*"])]).await
}

/// What a browser asks before it sends `method` with `headers` from `origin`; an empty text leaves its header out.
fn preflight(fx: &Fixture, name: &str, origin: &str, method: &str, headers: &str) -> RawRequest {
    let mut request = fx.raw().request("OPTIONS", fx.bucket(), &encode_path(name)).operation("Preflight").anonymous();
    for (name, value) in [("Origin", origin), ("Access-Control-Request-Method", method), ("Access-Control-Request-Headers", headers)] {
        if !value.is_empty() {
            request = request.header(name, value);
        }
    }
    request
}

/// The items of a list in a header, in lower case.
pub fn items(answer: &Answer, name: &str) -> Vec<String> {
    let all = answer.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).flat_map(|(_, value)| value.split(','));
    all.map(|item| item.trim().to_ascii_lowercase()).filter(|item| !item.is_empty()).collect()
}

/// Claims that the answer lets a page of `origin` read it, as a browser decides it.
pub fn lets_in(answer: &Answer, origin: &str) -> Checked {
    let allowed = answer.header("access-control-allow-origin");
    expect::that("Access-Control-Allow-Origin", allowed == Some(origin) || allowed == Some("*"), "the origin or *", allowed)
}

/// Claims that a page of another origin may not read the answer.
pub fn keeps_out(answer: &Answer, origin: &str) -> Checked {
    let allowed = answer.header("access-control-allow-origin");
    expect::that("Access-Control-Allow-Origin", allowed != Some(origin) && allowed != Some("*"), "neither the origin nor *", allowed)
}

/// Claims that a page of that origin is stopped: a browser goes by the headers, whatever the code.
async fn stopped(fx: &Fixture, origin: &str, method: &str, headers: &str) -> Checked<Result<Answer, WireError>> {
    let answer = preflight(fx, "k", origin, method, headers).send().await;
    if let Ok(answer) = &answer {
        keeps_out(answer, origin).class(UnsafeIgnore)?;
    }
    Ok(answer)
}

/// A preflight that is refused as it should be.
async fn refused(fx: &Fixture, origin: &str, method: &str, headers: &str) -> Checked {
    let answer = stopped(fx, origin, method, headers).await?;
    if matches!(&answer, Ok(answer) if answer.status == 403 && answer.code().as_deref() == Some("AccessDenied")) {
        return expect::variant("403 AccessDenied instead of AccessForbidden");
    }
    expect::error(answer, 403, "AccessForbidden").class(WrongCode)
}

async fn accepted(fx: &Fixture, origin: &str, method: &str, headers: &str) -> Checked<Answer> {
    let answer = expect::ok(preflight(fx, "k", origin, method, headers).send().await)?;
    lets_in(&answer, origin)?;
    Ok(answer)
}

/// What every case with rules needs.
pub fn ruled(suite: Suite) -> Suite {
    suite.needs(&["cors"]).own_bucket().dependents(&["browsers"])
}

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("cors").source("S3 user guide, Using cross-origin resource sharing, and Fetch standard, CORS protocol");
    headers(origins(preflights(malformed(life(suite)))))
}

fn life(suite: Suite) -> Suite {
    let suite =
        suite.common("put_bucket_cors/put", &["COR-01"], "PutBucketCors is answered with success and GetBucketCors returns the rules.", async |fx| {
            let wanted = rule(&[ORIGIN, "http://*.example.org"], &["GET", "PUT", "HEAD"], &["content-type", "x-amz-*"]);
            let rules = CorsConfiguration::builder().cors_rules(wanted.clone()).build().expect("a rule was given");
            expect::ok(fx.s3().put_bucket_cors().bucket(fx.bucket()).cors_configuration(rules).send().await)?;
            let got = expect::ok(fx.s3().get_bucket_cors().bucket(fx.bucket()).send().await)?;
            let sorted = |words: &[String]| {
                let mut words = words.to_vec();
                words.sort_unstable();
                words
            };
            let shown = |rule: &CorsRule| {
                (
                    sorted(rule.allowed_origins()),
                    sorted(rule.allowed_methods()),
                    sorted(rule.allowed_headers()),
                    sorted(rule.expose_headers()),
                    rule.max_age_seconds(),
                )
            };
            expect::eq("rules", got.cors_rules().iter().map(shown).collect::<Vec<_>>(), vec![shown(&wanted)])
        });
    let suite = ruled(suite).dependents(&["Terraform"]);
    let rule = "GetBucketCors without rules answers 404 NoSuchCORSConfiguration.";
    let suite = ruled(suite.common("get_bucket_cors/none", &["COR-01"], rule, async |fx| {
        expect::error(fx.s3().get_bucket_cors().bucket(fx.bucket()).send().await, 404, "NoSuchCORSConfiguration")
    }));
    let rule = "DeleteBucketCors answers 204 and removes the rules.";
    ruled(suite.common("delete_bucket_cors/delete", &["COR-01"], rule, async |fx| {
        usual(&fx).await?;
        let deleted = expect::ok(fx.raw_bucket("DeleteBucketCors", "DELETE", "?cors").send().await)?;
        expect::error(fx.s3().get_bucket_cors().bucket(fx.bucket()).send().await, 404, "NoSuchCORSConfiguration")?;
        expect::eq("status", deleted.status, 204).class(WrongCode)
    }))
}

/// What is wrong and the inside of a rule.
const WRONG: [(&str, &str, &str); 9] = [
    ("lower_case_method", "a lower-case method", "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>get</AllowedMethod>"),
    ("patch", "the method PATCH", "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>"),
    ("options", "the method OPTIONS", "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>OPTIONS</AllowedMethod>"),
    ("empty_method", "an empty method", "<AllowedOrigin>*</AllowedOrigin><AllowedMethod></AllowedMethod>"),
    ("no_method", "no method", "<AllowedOrigin>*</AllowedOrigin>"),
    ("no_origin", "no origin", "<AllowedMethod>GET</AllowedMethod>"),
    (
        "two_wildcards_in_origin",
        "an origin with two wildcards",
        "<AllowedOrigin>http://*.example.*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>",
    ),
    (
        "two_wildcards_in_header",
        "a header with two wildcards",
        "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>x-*-meta-*</AllowedHeader>",
    ),
    (
        "space_in_header",
        "a header's name with a space",
        "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>two words</AllowedHeader>",
    ),
];

async fn turned_down(fx: &Fixture, rules: String) -> Checked {
    let body = format!("<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{rules}</CORSConfiguration>");
    let put = fx.raw_document("PutBucketCors", "?cors", &body).send().await;
    expect::error_as(put, &[(400, "MalformedXML"), (400, "InvalidRequest")])?;
    expect::error(fx.s3().get_bucket_cors().bucket(fx.bucket()).send().await, 404, "NoSuchCORSConfiguration")
}

fn malformed(mut suite: Suite) -> Suite {
    for (id, what, inside) in WRONG {
        let rule = format!("A CORS rule with {what} answers 400 MalformedXML or InvalidRequest and is not stored.");
        let case = move |fx: Fixture| async move { turned_down(&fx, format!("<CORSRule>{inside}</CORSRule>")).await };
        suite = ruled(suite.extended(&format!("put_bucket_cors/{id}"), &["COR-02"], &rule, case));
    }
    let rule = "A CORS configuration without a rule answers 400 MalformedXML or InvalidRequest and is not stored.";
    ruled(suite.extended("put_bucket_cors/no_rules", &["COR-02"], rule, async |fx| turned_down(&fx, String::new()).await))
}

/// What a preflight asks for: id, origin, method, headers.
const DENIED: [(&str, &str, &str, &str); 5] = [
    ("other_origin", "https://evil.example.net", "GET", ""),
    ("other_method", ORIGIN, "POST", ""),
    ("other_header", ORIGIN, "PUT", "x-other"),
    ("one_header_of_two", ORIGIN, "PUT", "content-type,x-other"),
    ("origin_in_other_case", "https://CONSOLE.example.com", "GET", ""),
];

fn preflights(mut suite: Suite) -> Suite {
    for (id, method, headers) in [("get", "GET", ""), ("put", "PUT", "content-type"), ("delete", "DELETE", "x-amz-date,x-amz-content-sha256")] {
        let rule = format!("A preflight of a {method} that a rule allows answers 200 with origin, methods and headers.");
        let case = move |fx: Fixture| async move {
            usual(&fx).await?;
            let answer = accepted(&fx, ORIGIN, method, headers).await?;
            let methods = items(&answer, "access-control-allow-methods");
            expect::that("Access-Control-Allow-Methods", methods.contains(&method.to_ascii_lowercase()), "the method", &methods)?;
            let allowed = items(&answer, "access-control-allow-headers");
            for header in headers.split(',').filter(|header| !header.is_empty()) {
                expect::that("Access-Control-Allow-Headers", allowed.iter().any(|item| item == header || item == "*"), header, &allowed)?;
            }
            expect::eq("status", answer.status, 200).class(WrongCode)
        };
        suite = ruled(suite.common(&format!("preflight/{id}"), &["COR-03"], &rule, case));
    }
    let rule = "A preflight answers the rule's Access-Control-Max-Age.";
    suite = ruled(suite.common("preflight/max_age", &["COR-03"], rule, async |fx| {
        usual(&fx).await?;
        expect::eq("Access-Control-Max-Age", accepted(&fx, ORIGIN, "GET", "").await?.header("access-control-max-age"), Some("300"))
    }));
    let rule = "A preflight answer names Origin in Vary, so that no cache hands it to another origin.";
    suite = ruled(suite.common("preflight/vary", &["COR-03"], rule, async |fx| {
        usual(&fx).await?;
        let answer = accepted(&fx, ORIGIN, "GET", "").await?;
        let vary = items(&answer, "vary");
        expect::that("Vary", vary.iter().any(|item| item == "origin" || item == "*"), "Origin", &vary)
    }));
    let rule = "A preflight is answered by the first rule that fits, not only by the first.";
    suite = ruled(suite.common("preflight/second_rule", &["COR-03"], rule, async |fx| {
        impose(&fx, &[rule_for("https://first.example.com"), rule_for(ORIGIN)]).await?;
        accepted(&fx, ORIGIN, "GET", "").await.map(drop)
    }));
    for (id, origin, method, headers) in DENIED {
        let rule = format!("A preflight that no rule allows ({}) answers 403 AccessForbidden.", id.replace('_', " "));
        let case = move |fx: Fixture| async move {
            usual(&fx).await?;
            refused(&fx, origin, method, headers).await
        };
        suite = ruled(suite.common(&format!("preflight/{id}"), &["COR-04"], &rule, case));
    }
    let rule = "A preflight of a bucket without rules answers 403 AccessForbidden.";
    suite = ruled(suite.common("preflight/no_rules", &["COR-04"], rule, async |fx| refused(&fx, ORIGIN, "GET", "").await));
    for (id, origin, method) in [("no_origin", "", "GET"), ("no_method", ORIGIN, ""), ("unknown_method", ORIGIN, "BREW")] {
        let rule = format!("A preflight with {} answers 400 or 403.", id.replace('_', " "));
        let case = move |fx: Fixture| async move {
            usual(&fx).await?;
            let accepted = if id == "no_origin" { &[(400, "BadRequest")][..] } else { &[(400, ""), (403, "")] };
            expect::error_as(preflight(&fx, "k", origin, method, "").send().await, accepted)
        };
        suite = ruled(suite.extended(&format!("preflight/{id}"), &["COR-05"], &rule, case));
    }
    suite
}

fn rule_for(origin: &str) -> CorsRule {
    rule(&[origin], &["GET"], &[])
}

/// A form of origin: id, pattern, one that fits and one that does not.
const PATTERNS: [(&str, &str, &str, &str); 7] = [
    ("exact", "https://a.example.com", "https://a.example.com", "https://a.example.com.evil.net"),
    ("prefix", "https://app*", "https://app7.example.com", "http://app7.example.com"),
    ("suffix", "*.example.com", "https://x.example.com", "https://x.example.com.evil.net"),
    ("middle", "https://a*.example.com", "https://abc.example.com", "https://bc.example.com"),
    ("any", "*", "https://anything.example.net", ""),
    ("port", "http://localhost:8080", "http://localhost:8080", "http://localhost:8081"),
    ("scheme", "https://*", "https://x.example.com", "http://x.example.com"),
];

fn origins(mut suite: Suite) -> Suite {
    for (id, pattern, inside, outside) in PATTERNS {
        let rule = match outside {
            "" => format!("AllowedOrigin {pattern} fits {inside}."),
            outside => format!("AllowedOrigin {pattern} fits {inside} and not {outside}."),
        };
        let case = move |fx: Fixture| async move {
            impose(&fx, &[rule_for(pattern)]).await?;
            accepted(&fx, inside, "GET", "").await?;
            match outside {
                "" => Ok(()),
                outside => expect::error(stopped(&fx, outside, "GET", "").await?, 403, ""),
            }
        };
        suite = ruled(suite.common(&format!("preflight/origin_{id}"), &["COR-06"], &rule, case));
    }
    suite
}

/// AllowedHeader, what is asked for, and whether it is allowed.
const HEADERS: [(&str, &str, &str, bool); 7] = [
    ("any", "*", "x-one,x-two", true),
    ("one", "x-one", "x-one", true),
    ("other", "x-one", "x-two", false),
    ("case_of_request", "x-one", "X-ONE", true),
    ("case_of_rule", "X-One", "x-one", true),
    ("pattern", "x-amz-*", "x-amz-meta-colour", true),
    ("outside_pattern", "x-amz-*", "x-goog-meta-colour", false),
];

fn headers(mut suite: Suite) -> Suite {
    for (id, pattern, asked, is_allowed) in HEADERS {
        let rule_text = format!("AllowedHeader {pattern} {} {asked}.", if is_allowed { "allows" } else { "does not allow" });
        let case = move |fx: Fixture| async move {
            impose(&fx, &[rule(&[ORIGIN], &["PUT"], &[pattern])]).await?;
            if !is_allowed {
                return expect::error(stopped(&fx, ORIGIN, "PUT", asked).await?, 403, "");
            }
            let allowed = items(&accepted(&fx, ORIGIN, "PUT", asked).await?, "access-control-allow-headers");
            let is_named = |header: &str| allowed.iter().any(|item| item == "*" || *item == header.to_ascii_lowercase());
            expect::that("Access-Control-Allow-Headers", asked.split(',').all(is_named), asked, &allowed)
        };
        suite = ruled(suite.common(&format!("preflight/header_{id}"), &["COR-07"], &rule_text, case));
    }
    suite
}
