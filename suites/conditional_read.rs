//! Suite `conditional_read`: how the conditions of a read combine, on GET and HEAD, on present and absent keys.

use aws_sdk_s3::primitives::DateTime;
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::{UnsafeIgnore, WrongCode};
use proofmark::wire::{Answer, RawRequest, WireError};

const OTHER_ETAG: &str = "\"00000000000000000000000000000000\"";
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";
/// How much older the date of an outdated copy is.
const HOUR_S: i64 = 3600;

/// One condition: absent, or present and true or false for the object.
type Condition = Option<bool>;

/// The four conditions of a read: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since.
#[derive(Debug, Clone, Copy)]
struct Conditions {
    matches: Condition,
    none_match: Condition,
    modified: Condition,
    unmodified: Condition,
}

impl Conditions {
    /// The status by RFC 9110, 13.2.2, which S3 follows.
    fn status(self) -> u16 {
        match self {
            Conditions { matches: Some(false), .. } | Conditions { matches: None, unmodified: Some(false), .. } => 412,
            Conditions { none_match: Some(false), .. } | Conditions { none_match: None, modified: Some(false), .. } => 304,
            _ => 200,
        }
    }
    fn name(self) -> String {
        let names = ["if_match", "if_none_match", "if_modified", "if_unmodified"];
        let states = [self.matches, self.none_match, self.modified, self.unmodified];
        let present = names.iter().zip(states).filter_map(|(name, state)| state.map(|state| format!("{name}_{state}")));
        present.collect::<Vec<_>>().join("_")
    }
    fn all() -> Vec<Self> {
        let states = [None, Some(true), Some(false)];
        let mut all = Vec::new();
        for number in 1..81_usize {
            let state = |place: u32| states[number / 3_usize.pow(place) % 3];
            all.push(Conditions { matches: state(3), none_match: state(2), modified: state(1), unmodified: state(0) });
        }
        all
    }
}

/// An object and what conditions need to know of it.
struct Stored {
    etag: String,
    modified: DateTime,
}

async fn store(fx: &Fixture) -> Checked<Stored> {
    let etag = fx.put("k", b"stored").await?;
    let head = fx.set_up("HeadObject", fx.head_object("k").send().await)?;
    match head.last_modified {
        Some(modified) => Ok(Stored { etag, modified }),
        None => expect::unresolved("set-up: HeadObject: no Last-Modified"),
    }
}

/// Sends the conditions with GET and claims the status.
async fn read(fx: Fixture, conditions: Conditions) -> Checked {
    let stored = store(&fx).await?;
    let older = DateTime::from_secs(stored.modified.secs() - HOUR_S);
    let get = fx
        .get_object("k")
        .set_if_match(conditions.matches.map(|holds| if holds { stored.etag.clone() } else { OTHER_ETAG.to_owned() }))
        .set_if_none_match(conditions.none_match.map(|holds| if holds { OTHER_ETAG.to_owned() } else { stored.etag.clone() }))
        .set_if_modified_since(conditions.modified.map(|holds| if holds { older } else { stored.modified }))
        .set_if_unmodified_since(conditions.unmodified.map(|holds| if holds { stored.modified } else { older }));
    let answer = get.send().await;
    match conditions.status() {
        200 => expect::bytes("body", &fx.collect(expect::ok(answer)?.body).await?, b"stored"),
        412 => expect::refused(answer, 412, "PreconditionFailed"),
        status => expect::status(answer, status),
    }
}

/// The suite.
pub fn suite() -> Suite {
    absent(answers(dates(stars(heads(table(Suite::new("conditional_read")))))))
}

fn table(suite: Suite) -> Suite {
    let mut suite = suite.source("RFC 9110, section 13.2.2; S3 API reference, GetObject, request headers");
    for conditions in Conditions::all() {
        let (name, status) = (conditions.name(), conditions.status());
        // S3 documents this pair by itself.
        let is_pair = matches!(conditions, Conditions { matches: Some(true), unmodified: Some(false), none_match: None, modified: None });
        let rows: &[&str] = if is_pair { &["CRD-06", "CRD-07"] } else { &["CRD-07"] };
        let rule = format!("A GET with {} answers {status}.", name.replace("_if_", " and if_").replace('_', "-"));
        suite = suite.extended(&format!("get_object/{name}"), rows, &rule, move |fx| read(fx, conditions));
    }
    suite
}

/// Single conditions of HEAD: name, header, whether it holds, status.
const HEADS: [(&str, &str, bool, u16); 8] = [
    ("if_match_equal", "If-Match", true, 200),
    ("if_match_other", "If-Match", false, 412),
    ("if_none_match_other", "If-None-Match", true, 200),
    ("if_none_match_equal", "If-None-Match", false, 304),
    ("if_modified_since_older", "If-Modified-Since", true, 200),
    ("if_modified_since_own_date", "If-Modified-Since", false, 304),
    ("if_unmodified_since_own_date", "If-Unmodified-Since", true, 200),
    ("if_unmodified_since_older", "If-Unmodified-Since", false, 412),
];

fn http_date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime(HTTP_DATE).to_string()
}

/// The value that makes the condition of this header hold or not.
fn value(header: &str, holds: bool, stored: &Stored) -> String {
    match (header, holds) {
        ("If-Match", true) | ("If-None-Match", false) => stored.etag.clone(),
        ("If-Match" | "If-None-Match", _) => OTHER_ETAG.to_owned(),
        ("If-Modified-Since", true) | ("If-Unmodified-Since", false) => http_date(stored.modified.secs() - HOUR_S),
        _ => http_date(stored.modified.secs()),
    }
}

/// Claims the status of an answer to a condition; a 412 that does not come is a condition that was ignored.
fn claim(answer: Result<Answer, WireError>, status: u16) -> Checked {
    match status {
        200 => expect::ok(answer).map(drop),
        412 => expect::refused_as(answer, &[(412, "")]),
        status => expect::status(answer, status),
    }
}

fn raw(fx: &Fixture, method: &str, name: &str, header: &str, value: &str) -> RawRequest {
    let operation = if method == "HEAD" { "HeadObject" } else { "GetObject" };
    fx.raw_object(operation, method, name, "").header(header, value)
}

fn heads(mut suite: Suite) -> Suite {
    for (name, header, holds, status) in HEADS {
        let rule = format!("A HEAD with {} answers {status}, without a body.", name.replace('_', "-"));
        suite = suite.common(&format!("head_object/{name}"), &["CRD-10"], &rule, move |fx| async move {
            let stored = store(&fx).await?;
            let Ok(mut connection) = fx.raw().connect().await else { return expect::unresolved("cannot connect") };
            let answer = raw(&fx, "HEAD", "k", header, &value(header, holds, &stored)).send_on(&mut connection).await;
            claim(answer, status)?;
            expect::eq("bytes behind the head", connection.unread().len(), 0).class(WrongCode)
        });
    }
    suite
}

fn stars(suite: Suite) -> Suite {
    let mut suite = suite.source("RFC 9110, sections 13.1.1 and 13.1.2");
    for (operation, method) in [("get_object", "GET"), ("head_object", "HEAD")] {
        for (header, status, name) in [("If-Match", 200, "if_match_star"), ("If-None-Match", 304, "if_none_match_star")] {
            let rule = format!("A {method} of a present key with {header}: * answers {status}.");
            suite = suite.extended(&format!("{operation}/{name}"), &["CRD-03", "CRD-10"], &rule, move |fx| async move {
                fx.put("k", b"x").await?;
                claim(raw(&fx, method, "k", header, "*").send().await, status)
            });
        }
    }
    suite
        .core("get_object/if_match_unquoted", &["CRD-01"], "If-Match with the object's ETag without its quotes answers 200.", async |fx| {
            let etag = fx.put("k", b"x").await?;
            expect::ok(raw(&fx, "GET", "k", "If-Match", etag.trim_matches('"')).send().await).map(drop)
        })
        .core("get_object/if_match_other_unquoted", &["CRD-01"], "If-Match with another ETag without quotes answers 412.", async |fx| {
            fx.put("k", b"x").await?;
            claim(raw(&fx, "GET", "k", "If-Match", OTHER_ETAG.trim_matches('"')).send().await, 412)
        })
        .core("get_object/if_none_match_unquoted", &["CRD-02"], "If-None-Match with the object's ETag without its quotes answers 304.", async |fx| {
            let etag = fx.put("k", b"x").await?;
            expect::status(raw(&fx, "GET", "k", "If-None-Match", etag.trim_matches('"')).send().await, 304)
        })
        .core("get_object/if_match_after_overwrite", &["CRD-01"], "If-Match with the ETag of before an overwrite answers 412.", async |fx| {
            let etag = fx.put("k", b"old").await?;
            fx.put("k", b"new").await?;
            claim(raw(&fx, "GET", "k", "If-Match", &etag).send().await, 412)
        })
}

fn dates(suite: Suite) -> Suite {
    let mut suite = suite.source("RFC 9110, sections 13.1.3 and 13.1.4");
    for (header, name) in [("If-Modified-Since", "if_modified_since_invalid"), ("If-Unmodified-Since", "if_unmodified_since_invalid")] {
        let rule = format!("{header} with a value that is no date is ignored and answers 200.");
        suite = suite.rare(&format!("get_object/{name}"), &["CRD-08"], &rule, move |fx| async move {
            fx.put("k", b"x").await?;
            match raw(&fx, "GET", "k", header, "not a date").send().await {
                // RFC 9110 has it ignored; S3 does not say, and some implementations refuse what they cannot parse.
                Ok(answer) if answer.status == 400 => expect::variant("400: a value that is no date is refused"),
                other => expect::ok(other).map(drop),
            }
        });
    }
    suite
        .rare(
            "get_object/if_modified_since_future",
            &["CRD-08"],
            "If-Modified-Since with a date in the future is ignored and answers 200.",
            async |fx| {
                let stored = store(&fx).await?;
                let answer = raw(&fx, "GET", "k", "If-Modified-Since", &http_date(stored.modified.secs() + 24 * HOUR_S)).send().await;
                match answer {
                    // RFC 9110 no longer tells servers to ignore such a date, and RFC 7232 did not either.
                    Ok(answer) if answer.status == 304 => expect::variant("304: a date in the future counts like any other"),
                    other => expect::ok(other).map(drop),
                }
            },
        )
        .rare("get_object/if_unmodified_since_future", &["CRD-08"], "If-Unmodified-Since with a date in the future answers 200.", async |fx| {
            let stored = store(&fx).await?;
            let future = http_date(stored.modified.secs() + 24 * HOUR_S);
            expect::ok(raw(&fx, "GET", "k", "If-Unmodified-Since", &future).send().await).map(drop)
        })
        .common("get_object/if_modified_since_older", &["CRD-04"], "If-Modified-Since with an older date answers 200.", async |fx| {
            let stored = store(&fx).await?;
            claim(raw(&fx, "GET", "k", "If-Modified-Since", &value("If-Modified-Since", true, &stored)).send().await, 200)
        })
        .common("get_object/if_modified_since_own_date", &["CRD-04"], "If-Modified-Since with the object's own date answers 304.", async |fx| {
            let stored = store(&fx).await?;
            claim(raw(&fx, "GET", "k", "If-Modified-Since", &value("If-Modified-Since", false, &stored)).send().await, 304)
        })
        .common("get_object/if_unmodified_since_older", &["CRD-05"], "If-Unmodified-Since with an older date answers 412.", async |fx| {
            let stored = store(&fx).await?;
            claim(raw(&fx, "GET", "k", "If-Unmodified-Since", &value("If-Unmodified-Since", false, &stored)).send().await, 412)
        })
        .common("get_object/if_unmodified_since_own_date", &["CRD-05"], "If-Unmodified-Since with the object's own date answers 200.", async |fx| {
            let stored = store(&fx).await?;
            claim(raw(&fx, "GET", "k", "If-Unmodified-Since", &value("If-Unmodified-Since", true, &stored)).send().await, 200)
        })
}

/// The answer to a GET whose condition does not hold.
async fn unmet(fx: &Fixture, header: &str, status: u16) -> Checked<(Answer, String)> {
    let stored = store(fx).await?;
    let answer = raw(fx, "GET", "k", header, &value(header, false, &stored)).send().await;
    let copy = answer.as_ref().ok().cloned();
    claim(answer, status)?;
    Ok((expect::some("answer", copy)?, stored.etag))
}

fn answers(suite: Suite) -> Suite {
    suite
        .source("RFC 9110, sections 15.4.5 and 15.5.13")
        .common("get_object/not_modified_has_etag", &["CRD-09"], "A 304 carries the object's ETag.", async |fx| {
            let (answer, etag) = unmet(&fx, "If-None-Match", 304).await?;
            expect::eq("ETag", answer.header("etag"), Some(etag.as_str())).class(WrongCode)
        })
        .dependents(&["CDN"])
        .common("get_object/not_modified_has_date", &["CRD-09"], "A 304 carries the object's Last-Modified.", async |fx| {
            let (answer, _) = unmet(&fx, "If-None-Match", 304).await?;
            match answer.header("last-modified") {
                Some(_) => Ok(()),
                // RFC 9110 asks for it only where there is no ETag.
                None => expect::variant("304 without Last-Modified"),
            }
        })
        .common("get_object/not_modified_has_no_body", &["CRD-09", "CRD-02"], "A 304 has no body, so the connection goes on.", async |fx| {
            let stored = store(&fx).await?;
            let Ok(mut connection) = fx.raw().connect().await else { return expect::unresolved("cannot connect") };
            let sent = raw(&fx, "GET", "k", "If-None-Match", &stored.etag).send_on(&mut connection).await;
            expect::status(sent, 304)?;
            expect::eq("bytes behind the head", connection.unread().len(), 0).class(WrongCode)?;
            if !connection.keeps_open() {
                return Ok(());
            }
            let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "").send_on(&mut connection).await)?;
            expect::bytes("body of the next answer", &got.body, b"stored")
        })
        .common("get_object/precondition_failed_has_no_data", &["CRD-09"], "A 412 carries an error and nothing of the object.", async |fx| {
            let (answer, _) = unmet(&fx, "If-Match", 412).await?;
            let has_data = answer.text().contains("stored");
            expect::that("body", !has_data, "no data of the object", answer.text()).class(UnsafeIgnore)?;
            expect::eq("Code", answer.code().as_deref(), Some("PreconditionFailed")).class(WrongCode)
        })
        .common("get_object/precondition_failed_has_etag", &["CRD-09"], "A 412 carries the object's ETag.", async |fx| {
            let (answer, etag) = unmet(&fx, "If-Match", 412).await?;
            match answer.header("etag") {
                None => expect::variant("412 without ETag, which no RFC demands"),
                found => expect::eq("ETag", found, Some(etag.as_str())).class(WrongCode),
            }
        })
}

/// Conditions that a missing object could meet or not.
const ON_ABSENT: [(&str, &str, &str); 6] = [
    ("if_match", "If-Match", OTHER_ETAG),
    ("if_match_star", "If-Match", "*"),
    ("if_none_match", "If-None-Match", OTHER_ETAG),
    ("if_none_match_star", "If-None-Match", "*"),
    ("if_modified_since", "If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT"),
    ("if_unmodified_since", "If-Unmodified-Since", "Mon, 01 Jan 2024 00:00:00 GMT"),
];

fn absent(suite: Suite) -> Suite {
    let mut suite = suite.source("S3 API reference, GetObject; RFC 9110, section 13.2.1");
    for (name, header, value) in ON_ABSENT {
        let rule = format!("A GET of an absent key with {header}: {} answers 404 NoSuchKey.", value.trim_matches('"'));
        suite = suite.extended(&format!("get_object/{name}_on_absent_key"), &["CRD-11"], &rule, move |fx| async move {
            expect::error(raw(&fx, "GET", "absent", header, value).send().await, 404, "NoSuchKey")
        });
        let rule = format!("A HEAD of an absent key with {header}: {} answers 404.", value.trim_matches('"'));
        suite = suite.extended(&format!("head_object/{name}_on_absent_key"), &["CRD-11", "CRD-10"], &rule, move |fx| async move {
            expect::status(raw(&fx, "HEAD", "absent", header, value).send().await, 404)
        });
    }
    suite
}
