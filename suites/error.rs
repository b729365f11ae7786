//! Suite `error`: what an error looks like on the wire.

use std::time::Duration;

use proofmark::case::values::{camel, crc32_base64, encode_query, md5_base64, well_formed};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::units::Bytes;
use proofmark::wire::{Answer, Failure, RawRequest, WireError};

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
    let suite = Suite::new("error").source("S3 API reference, Error responses");
    plain(streams(details(refusals(absent(pairs(escapes(format(suite))))))))
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

/// A name with every character that XML must escape.
const NAME: &str = "a<b>&\"c'\u{e4}";

fn escapes(mut suite: Suite) -> Suite {
    for (operation, query) in [("list_objects", ""), ("list_object_versions", "versions&")] {
        let rule = format!("{} of keys with special characters is well-formed XML.", camel(operation));
        suite = suite.core(&format!("{operation}/escaped_keys"), &["ERR-08"], &rule, move |fx| async move {
            fx.put(NAME, b"x").await?;
            let query = format!("?{query}prefix={}", encode_query(&fx.key("a")));
            let answer = expect::ok(fx.raw_bucket(&camel(operation), "GET", &query).send().await)?;
            parses(&answer)?;
            expect::eq("Key", answer.element("Key"), Some(fx.key(NAME)))
        });
    }
    suite
        .core("list_multipart_uploads/escaped_keys", &["ERR-08"], "A list of uploads of special keys is well-formed XML.", async |fx| {
            fx.start_upload(NAME).await?;
            let query = format!("?uploads&prefix={}", encode_query(&fx.key(NAME)));
            let answer = expect::ok(fx.raw_bucket("ListMultipartUploads", "GET", &query).send().await)?;
            parses(&answer)?;
            expect::eq("Key", answer.element("Key"), Some(fx.key(NAME)))
        })
        .core("delete_objects/escaped_keys", &["ERR-08"], "The result of a multi-delete of special keys is well-formed XML.", async |fx| {
            fx.put(NAME, b"x").await?;
            let key = fx.key(NAME).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let list = format!("<Delete><Object><Key>{key}</Key></Object></Delete>");
            let answer = expect::ok(super::delete_body::delete_with_md5(&fx, &list).send().await)?;
            parses(&answer)?;
            expect::eq("Key", answer.element("Key"), Some(fx.key(NAME)))
        })
        .core("get_object/escaped_bucket", &["ERR-08"], "An error about a bucket name that is none is well-formed XML.", async |fx| {
            let target = format!("/{}/k", encode_query("a<b>&c"));
            let Ok(answer) = fx.raw().exact("GET", &target).operation("GetObject").send().await else { return expect::unresolved("no answer") };
            expect::that("status", (400..500).contains(&answer.status), "an error of the request", answer.status)?;
            parses(&answer)
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

/// Operation, method and what follows the key or the bucket.
type Call = (&'static str, &'static str, &'static str);
const ON_MISSING_BUCKET: [Call; 8] = [
    ("put_object", "PUT", "k"),
    ("delete_object", "DELETE", "k"),
    ("create_multipart_upload", "POST", "k?uploads"),
    ("list_objects", "GET", ""),
    ("list_objects_v2", "GET", "?list-type=2"),
    ("list_multipart_uploads", "GET", "?uploads"),
    ("get_bucket_location", "GET", "?location"),
    ("delete_bucket", "DELETE", ""),
];
const ON_MISSING_UPLOAD: [Call; 3] = [
    ("upload_part", "PUT", "?partNumber=1&uploadId="),
    ("complete_multipart_upload", "POST", "?uploadId="),
    ("abort_multipart_upload", "DELETE", "?uploadId="),
];

fn absent(mut suite: Suite) -> Suite {
    for (operation, method, rest) in ON_MISSING_BUCKET {
        let rule = format!("{} in a missing bucket is 404 with NoSuchBucket.", camel(operation));
        suite = suite.core(&format!("{operation}/no_such_bucket"), &["ERR-02"], &rule, move |fx| async move {
            let sent = fx.raw().request(method, &fx.missing_bucket(), rest).operation(&camel(operation)).send().await;
            expect::error(sent, 404, "NoSuchBucket")
        });
    }
    for (operation, method, query) in ON_MISSING_UPLOAD {
        let rule = format!("{} of an upload that was aborted is 404 with NoSuchUpload.", camel(operation));
        suite = suite.core(&format!("{operation}/no_such_upload"), &["ERR-02"], &rule, move |fx| async move {
            let id = fx.start_upload("k").await?;
            let abort = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).send().await;
            fx.set_up("AbortMultipartUpload", abort)?;
            let list = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"00000000000000000000000000000000\"</ETag></Part></CompleteMultipartUpload>";
            let sent = fx.raw_object(&camel(operation), method, "k", &format!("{query}{}", encode_query(&id)));
            let sent = if method == "DELETE" { sent } else { sent.body(list) };
            expect::error(sent.send().await, 404, "NoSuchUpload")
        });
    }
    suite
        .core("copy_object/no_such_key", &["ERR-02"], "A copy of an absent key is 404 with NoSuchKey.", async |fx| {
            expect::error(fx.copy_object("absent", "k").send().await, 404, "NoSuchKey")
        })
        .core("copy_object/no_such_bucket", &["ERR-02"], "A copy from a missing bucket is 404 with NoSuchBucket.", async |fx| {
            let source = format!("{}/k", fx.missing_bucket());
            let copy = fx.s3().copy_object().bucket(fx.bucket()).key(fx.key("k")).copy_source(source).send().await;
            expect::error(copy, 404, "NoSuchBucket")
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
            let name = camel(operation);
            let answer = fx.raw_bucket(&name, "GET", query).send().await;
            expect::error_as(answer, &[(501, ""), (404, "NoSuchConfiguration")])
        });
    }
    suite
}

/// Claims that an error with this status and code has all of these elements.
fn shows(answer: Result<Answer, WireError>, status: u16, code: &str, elements: &[&str]) -> Checked {
    let copy = answer.as_ref().ok().cloned();
    expect::error(answer, status, code)?;
    let answer = expect::some("answer", copy)?;
    for element in elements {
        expect::some(element, answer.element(element)).class(WrongCode)?;
    }
    Ok(())
}

fn details(suite: Suite) -> Suite {
    suite
        .extended("list_objects_v2/argument_details", &["ERR-03"], "InvalidArgument names the argument and its value.", async |fx| {
            let list = fx.raw_bucket("ListObjectsV2", "GET", "?list-type=2&max-keys=many").send().await;
            shows(list, 400, "InvalidArgument", &["ArgumentName", "ArgumentValue"])
        })
        .extended("complete_multipart_upload/size_details", &["ERR-03"], "EntityTooSmall names the proposed size and the least one.", async |fx| {
            let id = fx.start_upload("k").await?;
            let mut list = String::new();
            for number in [1, 2] {
                let part = fx.upload_part("k", &id, number, b"small").await?;
                let etag = part.e_tag.unwrap_or_default().replace('"', "&quot;");
                list.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
            }
            let complete = fx.raw_object("CompleteMultipartUpload", "POST", "k", &format!("?uploadId={}", encode_query(&id)));
            let complete = complete.body(format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>"));
            shows(complete.send().await, 400, "EntityTooSmall", &["ProposedSize", "MinSizeAllowed"])
        })
        .extended("get_object/condition_details", &["ERR-03"], "PreconditionFailed names the condition.", async |fx| {
            fx.put("k", b"x").await?;
            let get = fx.raw_object("GetObject", "GET", "k", "").header("If-Match", "\"00000000000000000000000000000000\"");
            shows(get.send().await, 412, "PreconditionFailed", &["Condition"])
        })
        .extended("get_object/range_details", &["ERR-03"], "InvalidRange names the range and the object's size.", async |fx| {
            fx.put("k", b"0123456789").await?;
            let get = fx.raw_object("GetObject", "GET", "k", "").header("Range", "bytes=50-60");
            shows(get.send().await, 416, "InvalidRange", &["RangeRequested", "ActualObjectSize"])
        })
        .extended("put_object/metadata_details", &["ERR-03"], "MetadataTooLarge names the size and the most that is allowed.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-meta-a", "v".repeat(3000)).body("x");
            shows(put.send().await, 400, "MetadataTooLarge", &["Size", "MaxSizeAllowed"])
        })
        .extended("get_object/key_details", &["ERR-03"], "NoSuchKey names the key.", async |fx| {
            shows(fx.raw_object("GetObject", "GET", "absent", "").send().await, 404, "NoSuchKey", &["Key"])
        })
        .extended("list_objects_v2/bucket_details", &["ERR-03"], "NoSuchBucket names the bucket.", async |fx| {
            let list = fx.raw().request("GET", &fx.missing_bucket(), "?list-type=2").operation("ListObjectsV2").send().await;
            shows(list, 404, "NoSuchBucket", &["BucketName"])
        })
        .extended("get_object/skew_details", &["ERR-03", "SIG-16"], "RequestTimeTooSkewed names the request's and the server's time.", async |fx| {
            let get = fx.raw_object("GetObject", "GET", "k", "").skewed(-7200).send().await;
            shows(get, 403, "RequestTimeTooSkewed", &["RequestTime", "ServerTime", "MaxAllowedSkewMilliseconds"])
        })
        .extended(
            "get_object/expiry_details",
            &["ERR-03", "PRE-07"],
            "The refusal of an expired link names the expiry and the server's time.",
            async |fx| {
                let get = fx.raw_object("GetObject", "GET", "k", "").skewed(-120).presigned(60).send().await;
                shows(get, 403, "AccessDenied", &["Expires", "ServerTime"])
            },
        )
        .extended("get_object/region_details", &["ERR-03", "SIG-13"], "The refusal of a wrong region names the right one.", async |fx| {
            let get = fx.raw_object("GetObject", "GET", "absent", "").scope(|scope| "xx-nowhere-9".clone_into(&mut scope.region)).send().await;
            if get.as_ref().is_ok_and(|answer| answer.status == 404) {
                return expect::variant("any region is accepted");
            }
            shows(get, 400, "AuthorizationHeaderMalformed", &["Region"])
        })
}

/// A PUT that is refused, and how.
type Upload = (&'static str, &'static str, fn(&Fixture) -> RawRequest, u16, &'static str);
const UPLOADS: [Upload; 4] = [
    ("wrong_signature", "a wrong signature", |fx| fx.raw_object("PutObject", "PUT", "k", "").wrong_secret("not-the-secret-of-this-key"), 403, ""),
    ("missing_bucket", "a missing bucket", |fx| fx.raw().request("PUT", &fx.missing_bucket(), "k").operation("PutObject"), 404, ""),
    ("wrong_md5", "another Content-MD5", |fx| fx.raw_object("PutObject", "PUT", "k", "").header("Content-MD5", md5_base64(b"other")), 400, ""),
    (
        "wrong_checksum",
        "another checksum",
        |fx| fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-checksum-crc32", crc32_base64(b"other")),
        400,
        "",
    ),
];

fn streams(mut suite: Suite) -> Suite {
    for (name, what, put, status, code) in UPLOADS {
        let rule = format!("After an upload that is refused for {what} the connection carries the next request, or is closed.");
        suite = suite.common(&format!("put_object/next_after_{name}"), &["ERR-05"], &rule, move |fx| async move {
            fx.put("other", b"next").await?;
            let Ok(mut connection) = fx.raw().connect().await else { return expect::unresolved("cannot connect") };
            let refused = put(&fx).body(fx.random_bytes(Bytes::kib(48))).send_on(&mut connection).await;
            if refused.as_ref().is_ok_and(|answer| answer.status == 200) {
                return expect::variant("such an upload is taken");
            }
            expect::error(refused, status, code)?;
            if !connection.keeps_open() {
                return Ok(());
            }
            expect::eq("bytes behind the answer", connection.unread().len(), 0)?;
            match fx.raw_object("GetObject", "GET", "other", "").send_on(&mut connection).await {
                // A server may close at any time; only an answer to bytes of the body would be wrong.
                Err(error) if matches!(error.failure, Failure::ClosedEarly | Failure::Reset | Failure::Stale) => Ok(()),
                got => expect::bytes("body of the next answer", &expect::ok(got)?.body, b"next"),
            }
        });
    }
    suite
}

/// A request that is refused, by S3 or by what stands in front of it.
type Wrong = (&'static str, &'static str, fn(&Fixture) -> RawRequest);
const WRONGS: [Wrong; 7] = [
    ("get_object/xml_of_404", "an absent key", |fx| fx.raw_object("GetObject", "GET", "absent", "")),
    ("get_object/xml_of_403", "a wrong signature", |fx| fx.raw_object("GetObject", "GET", "k", "").wrong_secret("not-the-secret-of-this-key")),
    ("get_object/xml_of_anonymous", "no signature", |fx| fx.raw_object("GetObject", "GET", "k", "").anonymous()),
    ("get_object/xml_of_bad_escape", "a path that is no URI", |fx| fx.raw().request("GET", fx.bucket(), "%zz").operation("GetObject")),
    ("put_object/xml_of_large_head", "headers of 40 KiB", |fx| {
        (0..40).fold(fx.raw_object("PutObject", "PUT", "k", ""), |put, number| put.header(&format!("x-amz-meta-{number}"), "v".repeat(1000)))
    }),
    ("put_object/xml_of_bad_length", "a Content-Length that is no number", |fx| {
        fx.raw_object("PutObject", "PUT", "k", "").header("Content-Length", "four")
    }),
    ("unknown/xml_of_unknown_method", "an unknown method", |fx| fx.raw_object("Unknown", "FROBNICATE", "k", "")),
];

fn plain(mut suite: Suite) -> Suite {
    for (id, what, request) in WRONGS {
        let rule = format!("The error for {what} is XML and no HTML page.");
        suite = suite.common(id, &["ERR-06"], &rule, move |fx| async move {
            let Ok(answer) = request(&fx).limit(Duration::from_secs(10)).send().await else { return expect::unresolved("no answer") };
            if answer.status < 400 {
                return expect::variant(format!("no error: answered with {}", answer.status));
            }
            let text = answer.text().trim_start().to_ascii_lowercase();
            let kind = answer.header("content-type").unwrap_or_default().to_ascii_lowercase();
            let is_page = kind.contains("html") || text.starts_with("<!doctype") || text.starts_with("<html");
            expect::that("body", !is_page, "no HTML page", &text).class(WrongCode)?;
            if answer.element("Code").is_none() {
                return expect::variant(format!("{} without XML, by HTTP itself", answer.status));
            }
            parses(&answer)
        });
    }
    suite
}
