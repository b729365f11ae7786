//! Suite `error`: what an error looks like on the wire.

use proofmark::case::values::{encode_query, well_formed};
use proofmark::case::{Checked, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::wire::{Answer, WireError};

/// An answer that is an error, whichever; a success is not.
fn error(answer: Result<Answer, WireError>, status: u16) -> Checked<Answer> {
    let copy = answer.as_ref().ok().cloned();
    expect::status(answer, status)?;
    expect::some("answer", copy)
}

fn parses(answer: &Answer) -> Checked {
    expect::eq("XML of the body", well_formed(&answer.body), Ok(()))
}

/// The suite.
pub fn suite() -> Suite {
    refusals(pairs(format(Suite::new("error").source("S3 API reference, Error responses"))))
}

fn format(suite: Suite) -> Suite {
    suite
        .core("get_object/xml_fields", &["ERR-01"], "An error is XML with Code, Message, RequestId and the resource it is about.", async |fx| {
            let answer = error(fx.raw_object("GetObject", "GET", "absent", "").send().await, 404)?;
            parses(&answer)?;
            for field in ["Code", "Message", "RequestId"] {
                expect::some(field, answer.element(field)).class(WrongCode)?;
            }
            let about = ["Resource", "Key", "BucketName"].into_iter().find_map(|field| answer.element(field));
            expect::some("Resource, Key or BucketName", about).map(drop).class(WrongCode)
        })
        .core("get_object/xml_content_type", &["ERR-01"], "An error has the Content-Type application/xml.", async |fx| {
            let answer = error(fx.raw_object("GetObject", "GET", "absent", "").send().await, 404)?;
            let kind = answer.header("content-type").unwrap_or_default();
            expect::that("Content-Type", kind.starts_with("application/xml"), "application/xml", kind).class(WrongCode)
        })
        .core("head_object/no_body", &["ERR-04"], "An error of HEAD has no body, so the connection goes on.", async |fx| {
            fx.put("k", b"next").await?;
            let Ok(mut connection) = fx.raw().connect().await else { return expect::unresolved("cannot connect") };
            expect::status(fx.raw_object("HeadObject", "HEAD", "absent", "").send_on(&mut connection).await, 404)?;
            expect::eq("bytes behind the head", connection.unread().len(), 0)?;
            if !connection.keeps_open() {
                return Ok(());
            }
            let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "").send_on(&mut connection).await)?;
            expect::bytes("body of the next answer", &got.body, b"next")
        })
        .core("get_object/escaped_key", &["ERR-08"], "An error about a key with special characters is well-formed XML.", async |fx| {
            let answer = error(fx.raw_object("GetObject", "GET", "a<b>&\"c'\u{e4}", "").send().await, 404)?;
            parses(&answer)?;
            expect::eq("Code", answer.code().as_deref(), Some("NoSuchKey"))
        })
        .core("list_objects_v2/escaped_keys", &["ERR-08"], "A list of keys with special characters is well-formed XML.", async |fx| {
            let name = "a<b>&\"c'\u{e4}";
            fx.put(name, b"x").await?;
            let query = format!("?list-type=2&prefix={}", encode_query(&fx.key("a")));
            let answer = expect::ok(fx.raw_bucket("ListObjectsV2", "GET", &query).send().await)?;
            parses(&answer)?;
            expect::eq("Key", answer.element("Key"), Some(fx.key(name)))
        })
}

fn pairs(suite: Suite) -> Suite {
    suite
        .core("get_object/no_such_key", &["ERR-02"], "An absent key is 404 with NoSuchKey and nothing else.", async |fx| {
            expect::error(fx.raw_object("GetObject", "GET", "absent", "").send().await, 404, "NoSuchKey")
        })
        .core("get_object/no_such_bucket", &["ERR-02"], "A missing bucket is 404 with NoSuchBucket, also for an object.", async |fx| {
            let got = fx.raw().request("GET", &fx.missing_bucket(), "absent").operation("GetObject").send().await;
            expect::error(got, 404, "NoSuchBucket")
        })
        .core("list_parts/no_such_upload", &["ERR-02"], "An upload that was aborted is 404 with NoSuchUpload.", async |fx| {
            let id = fx.start_upload("k").await?;
            let abort = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).send().await;
            fx.set_up("AbortMultipartUpload", abort)?;
            let query = format!("?uploadId={}", encode_query(&id));
            expect::error(fx.raw_object("ListParts", "GET", "k", &query).send().await, 404, "NoSuchUpload")
        })
}

fn refusals(mut suite: Suite) -> Suite {
    for (operation, query) in [
        ("get_bucket_inventory_configuration", "?inventory&id=none"),
        ("get_bucket_analytics_configuration", "?analytics&id=none"),
        ("get_bucket_metrics_configuration", "?metrics&id=none"),
    ] {
        let id = format!("{operation}/clean_refusal");
        let rule = "A feature that the server lacks is refused with 501; one that it has answers 404 for a configuration that is not there.";
        suite = suite.core(&id, &["ERR-07"], rule, move |fx| async move {
            let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
            let name: String = operation.split('_').map(capital).collect();
            let answer = fx.raw_bucket(&name, "GET", query).send().await;
            expect::error_as(answer, &[(501, ""), (404, "NoSuchConfiguration")])
        });
    }
    suite
}
