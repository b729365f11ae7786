//! Suite `form`: browser uploads with POST, from the request to the stored object. What a policy forbids is suite `form_policy`.

use aws_sdk_s3::types::{MetadataDirective, ObjectOwnership, OwnershipControls, OwnershipControlsRule};
use proofmark::case::form::{Form, Upload, redirect_query};
use proofmark::case::values::{md5_etag, percent_decoded};
use proofmark::case::{Checked, Finding, Fixture, Suite, WithClass, expect};
use proofmark::config::Secret;
use proofmark::model::FailureClass::{UnsafeIgnore, WrongCode, WrongEffect};
use proofmark::model::Impact;
use proofmark::units::Bytes;
use proofmark::wire::{Answer, WireError};

const NEEDS: &[&str] = &["post-object"];
/// Where a browser would be sent; nothing is ever asked of it.
const DONE: &str = "http://done.example/thanks";

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("form").source("S3 API reference, POST Object, and Browser-based uploads using POST (Signature Version 4)");
    proofs(malformed(fields(answers(suite))))
}

/// A redirect is an answer here, too.
fn answered(answer: Result<Answer, WireError>) -> Checked<Answer> {
    match answer {
        Ok(answer) if (300..400).contains(&answer.status) => Ok(answer),
        other => expect::ok(other),
    }
}

fn answers(suite: Suite) -> Suite {
    let suite = suite
        .extended(
            "post_object/anonymous_to_public_bucket",
            &["PST-01"],
            "A form without a policy stores an object in a bucket that everyone may write to.",
            async |fx| {
                let everyone = format!(
                    r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":["s3:PutObject"],"Resource":["arn:aws:s3:::{}/*"]}}]}}"#,
                    fx.bucket()
                );
                fx.set_up("PutBucketPolicy", fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(everyone).send().await)?;
                let form = Form::default().field("key", &fx.key("k")).file("photo.jpg", b"anyone's");
                let posted = fx.post(&form).send().await;
                fx.set_up("DeleteBucketPolicy", fx.s3().delete_bucket_policy().bucket(fx.bucket()).send().await)?;
                expect::ok(posted)?;
                fx.holds("k", b"anyone's").await
            },
        )
        .needs(&["post-object", "policy"])
        .own_bucket()
        .impact(Impact::Public)
        .extended("post_object/anonymous_to_private_bucket", &["PST-01"], "A form without a policy is refused by a private bucket.", async |fx| {
            let form = Form::default().field("key", &fx.key("k")).file("photo.jpg", b"anyone's");
            expect::refused(fx.post(&form).send().await, 403, "AccessDenied")?;
            fx.absent("k").await
        })
        .needs(NEEDS)
        .extended(
            "post_object/signed",
            &["PST-01", "PST-02"],
            "A form with a signed policy stores its file byte for byte and answers 204 with the ETag.",
            async |fx| {
                let body = fx.random_bytes(Bytes(70_001));
                let answer = expect::ok(Upload::begin(&fx, "k").await?.file(&body).send(&fx).await)?;
                fx.holds("k", &body).await?;
                expect::eq("ETag", answer.header("etag"), Some(md5_etag(&body).as_str()))?;
                expect::eq("status", answer.status, 204).class(WrongCode)
            },
        )
        .needs(NEEDS)
        .dependents(&["browsers"])
        .extended("post_object/empty_file", &["PST-01"], "A form with an empty file stores an empty object.", async |fx| {
            expect::ok(Upload::begin(&fx, "k").await?.file(b"").send(&fx).await)?;
            fx.holds("k", b"").await
        })
        .needs(NEEDS);
    redirects(statuses(suite))
}

fn statuses(mut suite: Suite) -> Suite {
    for (name, asked, due) in [("200", "200", 200), ("204", "204", 204), ("invalid", "404", 204), ("not_a_number", "soon", 204)] {
        let rule = format!("A form whose success_action_status is {asked} answers {due} without a body.");
        suite = suite
            .extended(&format!("post_object/status_{name}"), &["PST-02"], &rule, move |fx| async move {
                let form = Upload::begin(&fx, "k").await?.field("success_action_status", asked).file(b"file");
                let answer = expect::ok(form.send(&fx).await)?;
                fx.holds("k", b"file").await?;
                expect::eq("status and body", (answer.status, answer.text()), (due, String::new())).class(WrongCode)
            })
            .needs(NEEDS);
    }
    suite
        .extended(
            "post_object/status_201",
            &["PST-02"],
            "A form whose success_action_status is 201 answers 201 with Location, Bucket, Key and ETag as XML.",
            async |fx| {
                let form = Upload::begin(&fx, "k").await?.field("success_action_status", "201").file(b"file");
                let answer = expect::ok(form.send(&fx).await)?;
                expect::eq("status", answer.status, 201).class(WrongCode)?;
                expect::eq("Bucket", answer.element("Bucket").as_deref(), Some(fx.bucket()))?;
                expect::eq("Key", answer.element("Key"), Some(fx.key("k")))?;
                expect::eq("ETag", answer.element("ETag"), Some(md5_etag(b"file")))?;
                expect::some("Location", answer.element("Location")).map(drop)
            },
        )
        .needs(NEEDS)
}

fn redirects(mut suite: Suite) -> Suite {
    for (name, field) in [("redirect", "success_action_redirect"), ("old_redirect", "redirect")] {
        let rule = format!("A form with {field} answers 303 and a Location with bucket, key and etag in its query.");
        suite = suite
            .extended(&format!("post_object/{name}"), &["PST-03"], &rule, move |fx| async move {
                let answer = answered(Upload::begin(&fx, "k").await?.field(field, DONE).file(b"file").send(&fx).await)?;
                fx.holds("k", b"file").await?;
                if field == "redirect" && answer.status == 204 {
                    return expect::variant("the deprecated field redirect is ignored");
                }
                expect::eq("status", answer.status, 303).class(WrongCode)?;
                let (place, query) = location(&answer);
                expect::eq("page of Location", place.as_str(), DONE)?;
                let due = redirect_query(fx.bucket(), &fx.key("k"), &md5_etag(b"file"));
                expect::eq("query of Location", sorted(&query), sorted(&percent_decoded(&due)))
            })
            .needs(NEEDS);
    }
    suite
        .extended("post_object/redirect_with_query", &["PST-03"], "A redirect that has a query keeps it before bucket, key and etag.", async |fx| {
            let there = format!("{DONE}?from=form");
            let form = Upload::begin(&fx, "k").await?.field("success_action_redirect", &there).file(b"file");
            let answer = answered(form.send(&fx).await)?;
            expect::eq("status", answer.status, 303).class(WrongCode)?;
            let due = format!("from=form&{}", redirect_query(fx.bucket(), &fx.key("k"), &md5_etag(b"file")));
            expect::eq("query of Location", sorted(&location(&answer).1), sorted(&percent_decoded(&due)))
        })
        .needs(NEEDS)
        .extended("post_object/redirect_no_url", &["PST-03"], "A success_action_redirect that is no URL is ignored.", async |fx| {
            let form = Upload::begin(&fx, "k").await?.field("success_action_redirect", "//not a url").file(b"file");
            expect::ok(form.send(&fx).await)?;
            fx.holds("k", b"file").await
        })
        .needs(NEEDS)
}

/// The parts of a query; their order means nothing.
fn sorted(query: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.sort_unstable();
    parts
}

/// Location's page and its query, decoded.
fn location(answer: &Answer) -> (String, String) {
    let (page, query) = answer.header("location").unwrap_or_default().split_once('?').unwrap_or_default();
    (page.to_owned(), percent_decoded(query))
}

fn fields(suite: Suite) -> Suite {
    let suite = suite
        .extended("post_object/filename", &["PST-04"], "A key with ${filename} gets the name of the file in its place.", async |fx| {
            expect::ok(Upload::begin(&fx, "dir/${filename}").await?.file(b"file").send(&fx).await)?;
            fx.holds("dir/photo.jpg", b"file").await.class(WrongEffect)
        })
        .needs(NEEDS)
        .extended("post_object/filename_within_key", &["PST-04"], "${filename} is replaced wherever it stands in the key.", async |fx| {
            expect::ok(Upload::begin(&fx, "dir/${filename}.bak").await?.file(b"file").send(&fx).await)?;
            fx.holds("dir/photo.jpg.bak", b"file").await.class(WrongEffect)
        })
        .needs(NEEDS)
        .rare("post_object/field_behind_file", &["PST-05"], "A field behind the file is ignored.", async |fx| {
            let form = Upload::begin(&fx, "k").await?.file(b"file").signed().behind("x-amz-meta-late", "yes");
            expect::ok(fx.post(&form).send().await)?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            expect::eq("x-amz-meta-late", head.metadata().and_then(|meta| meta.get("late")), None::<&String>)
        })
        .needs(NEEDS)
        .rare("post_object/key_behind_file", &["PST-05"], "A form whose key stands behind the file is refused with 400.", async |fx| {
            let form = Upload::begin(&fx, "k").await?.file(b"file").signed().without("key").behind("key", &fx.key("k"));
            expect::error_as(fx.post(&form).send().await, &[(400, "InvalidArgument"), (400, "MalformedPOSTRequest")])?;
            fx.absent("k").await
        })
        .needs(NEEDS)
        .extended("post_object/ignored_field", &["PST-06"], "A field that begins with x-ignore- needs no condition and is not stored.", async |fx| {
            let form = Upload::begin(&fx, "k").await?.file(b"file");
            let form = Upload { form: form.form.field("x-ignore-me", "anything"), ..form };
            expect::ok(form.send(&fx).await)?;
            fx.holds("k", b"file").await
        })
        .needs(NEEDS)
        .extended("post_object/metadata", &["PST-06"], "A field that begins with x-amz-meta- is stored as metadata.", async |fx| {
            let form = Upload::begin(&fx, "k").await?.field("x-amz-meta-colour", "blue green").file(b"file");
            expect::ok(form.send(&fx).await)?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            let colour = head.metadata().and_then(|meta| meta.get("colour")).map(String::as_str);
            expect::eq("x-amz-meta-colour", colour, Some("blue green"))
        })
        .needs(NEEDS);
    stored_fields(tagging(suite))
}

fn tagging(suite: Suite) -> Suite {
    suite
        .rare("post_object/tagging", &["PST-16"], "A field tagging gives the object its tags.", async |fx| {
            let xml = "<Tagging><TagSet><Tag><Key>colour</Key><Value>blue</Value></Tag></TagSet></Tagging>";
            expect::ok(Upload::begin(&fx, "k").await?.field("tagging", xml).file(b"file").send(&fx).await)?;
            let tags = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
            let tags: Vec<_> = tags.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
            expect::eq("tags", tags, vec![("colour", "blue")])
        })
        .needs(&["post-object", "tagging"])
        .rare("post_object/tagging_not_xml", &["PST-16"], "A field tagging that is no XML answers 400 MalformedXML and stores nothing.", async |fx| {
            let form = Upload::begin(&fx, "k").await?.field("tagging", "<Tagging><TagSet><Tag>").file(b"file");
            expect::error(form.send(&fx).await, 400, "MalformedXML")?;
            fx.absent("k").await
        })
        .needs(&["post-object", "tagging"])
}

/// Field, value, and how HeadObject shows it.
const STORED: [(&str, &str); 6] = [
    ("Content-Type", "image/jpeg"),
    ("Cache-Control", "max-age=60"),
    ("Content-Disposition", "attachment"),
    ("Content-Encoding", "gzip"),
    ("Expires", "Wed, 21 Oct 2037 07:28:00 GMT"),
    ("x-amz-website-redirect-location", "/elsewhere"),
];

fn stored_fields(mut suite: Suite) -> Suite {
    for (field, value) in STORED {
        let id = format!("post_object/{}", field.to_ascii_lowercase().replace('-', "_"));
        suite = suite
            .extended(&id, &["PST-17"], &format!("A field {field} is stored with the object."), move |fx| async move {
                expect::ok(Upload::begin(&fx, "k").await?.field(field, value).file(b"file").send(&fx).await)?;
                let head = expect::ok(fx.raw_object("HeadObject", "HEAD", "k", "").send().await)?;
                expect::eq(field, head.header(field), Some(value))
            })
            .needs(if field.contains("website") { &["post-object", "website"] } else { NEEDS });
    }
    suite
        .extended("post_object/acl_private", &["PST-17"], "A form with acl=private stores an object that nobody else reads.", async |fx| {
            expect::ok(Upload::begin(&fx, "k").await?.field("acl", "private").file(b"file").send(&fx).await)?;
            fx.holds("k", b"file").await?;
            expect::refused(fx.raw_object("GetObject", "GET", "k", "").anonymous().send().await, 403, "AccessDenied")
        })
        .needs(NEEDS)
        .extended("post_object/acl_public_read", &["PST-17"], "A form with acl=public-read stores an object that everyone reads.", async |fx| {
            let open = OwnershipControlsRule::builder().object_ownership(ObjectOwnership::ObjectWriter).build().expect("an ownership was given");
            let open = OwnershipControls::builder().rules(open).build().expect("a rule was given");
            // Where ownership cannot be set, object ACLs are in force anyway.
            let _ = fx.s3().put_bucket_ownership_controls().bucket(fx.bucket()).ownership_controls(open).send().await;
            expect::ok(Upload::begin(&fx, "k").await?.field("acl", "public-read").file(b"file").send(&fx).await)?;
            let read = expect::ok(fx.raw_object("GetObject", "GET", "k", "").anonymous().send().await);
            // Public for no longer than the look takes.
            let hidden = fx.copy_object("k", "k").metadata_directive(MetadataDirective::Replace).send().await;
            fx.set_up("CopyObject", hidden)?;
            expect::bytes("body", &read?.body, b"file")
        })
        .needs(&["post-object", "acl"])
        .own_bucket()
        .impact(Impact::Public)
}

fn malformed(mut suite: Suite) -> Suite {
    let codes: &[(u16, &str)] = &[(400, "InvalidArgument"), (400, "MalformedPOSTRequest"), (400, "MissingFields")];
    for field in ["key", "file"] {
        let rule = format!("A form without {field} answers 400 and stores nothing.");
        suite = suite
            .extended(&format!("post_object/without_{field}"), &["PST-07"], &rule, move |fx| async move {
                let form = Upload::begin(&fx, "k").await?;
                let form = if field == "key" { form.file(b"file").signed().without("key") } else { form.signed() };
                expect::error_as(fx.post(&form).send().await, codes)?;
                fx.absent("k").await
            })
            .needs(NEEDS);
    }
    suite
        .extended("post_object/without_boundary", &["PST-07"], "A form whose Content-Type has no boundary answers 400.", async |fx| {
            let form = Upload::begin(&fx, "k").await?.file(b"file").signed();
            let post = fx.post(&form).tamper(|message| message.set("Content-Type", "multipart/form-data"));
            expect::error_as(post.send().await, codes)?;
            fx.absent("k").await
        })
        .needs(NEEDS)
        .extended("post_object/cut_short", &["PST-07"], "A form that ends within its file answers 400 and stores nothing.", async |fx| {
            let mut body = Upload::begin(&fx, "k").await?.file(&[b'x'; 500]).signed().encode();
            body.truncate(body.len() - 100);
            expect::error_as(fx.post(&Form::default()).body(body).send().await, codes)?;
            fx.absent("k").await
        })
        .needs(NEEDS)
        .extended(
            "post_object/not_multipart",
            &["PST-07"],
            "A POST to a bucket that is no multipart form answers 412 PreconditionFailed.",
            async |fx| {
                let form = Upload::begin(&fx, "k").await?.file(b"file").signed();
                let post = fx.post(&form).tamper(|message| message.set("Content-Type", "application/x-www-form-urlencoded"));
                expect::no_feature(expect::error(post.send().await, 412, "PreconditionFailed"), "412 PreconditionFailed")?;
                fx.absent("k").await
            },
        )
        .needs(NEEDS)
}

/// A form whose proof is incomplete or wrong is refused. Some servers take it for one without any, and some first see that the signature
/// does not fit what it was made for; both are as safe.
async fn unproven(fx: &Fixture, form: &Form) -> Checked {
    let due = (400, "InvalidArgument");
    let judged = expect::refused_or(fx.post(form).send().await, due, &[(403, "AccessDenied"), (403, "SignatureDoesNotMatch")]);
    let judged = expect::no_feature(judged, "400 InvalidArgument");
    if matches!(judged, Ok(()) | Err(Finding::Variant(_))) {
        fx.absent("k").await.class(UnsafeIgnore)?;
    }
    judged
}

fn proofs(mut suite: Suite) -> Suite {
    for field in ["x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature", "policy"] {
        let id = format!("post_object/without_{}", field.replace('-', "_"));
        suite = suite
            .extended(&id, &["PST-08"], &format!("A signed form without {field} is refused and stores nothing."), move |fx| async move {
                unproven(&fx, &Upload::begin(&fx, "k").await?.file(b"file").signed().without(field)).await
            })
            .needs(NEEDS);
    }
    for (name, field, value) in [
        ("wrong_algorithm", "x-amz-algorithm", "AWS5-HMAC-SHA1"),
        ("malformed_date", "x-amz-date", "yesterday"),
        ("other_date", "x-amz-date", "20200101T000000Z"),
        ("malformed_credential", "x-amz-credential", "nobody"),
        ("other_service", "x-amz-credential", "ec2"),
    ] {
        let rule = format!("A form with {} is refused and stores nothing.", name.replace('_', " "));
        suite = suite
            .extended(&format!("post_object/{name}"), &["PST-08"], &rule, move |fx| async move {
                let mut form = Upload::begin(&fx, "k").await?.file(b"file");
                if name == "other_service" {
                    form.scope.service = value.to_owned();
                    return unproven(&fx, &form.signed()).await;
                }
                // The policy says the same, so that nothing but the field itself is wrong.
                unproven(&fx, &form.form.signed_as(&form.policy, &form.keys, &form.scope, &[(field, value)])).await
            })
            .needs(NEEDS);
    }
    signatures(suite)
}

fn signatures(suite: Suite) -> Suite {
    suite
        .extended("post_object/wrong_signature", &["PST-09"], "A form signed with another secret answers 403 SignatureDoesNotMatch.", async |fx| {
            let mut form = Upload::begin(&fx, "k").await?.file(b"file");
            form.keys.secret_key = Secret::new("not-the-secret-of-this-key");
            expect::refused(form.send(&fx).await, 403, "SignatureDoesNotMatch")?;
            fx.absent("k").await
        })
        .needs(NEEDS)
        .extended(
            "post_object/altered_policy",
            &["PST-09"],
            "A policy that was altered after it was signed answers 403 SignatureDoesNotMatch.",
            async |fx| {
                let form = Upload::begin(&fx, "k").await?.file(b"file");
                let longer = Upload { policy: form.policy.clone().condition(serde_json::json!({ "acl": "private" })), ..form.clone() };
                let policy = longer.signed().value("policy").unwrap_or_default().to_owned();
                expect::refused(fx.post(&form.signed().replaced("policy", &policy)).send().await, 403, "SignatureDoesNotMatch")?;
                fx.absent("k").await
            },
        )
        .needs(NEEDS)
        .extended("post_object/unknown_key", &["PST-09"], "A form signed by an unknown access key answers 403 InvalidAccessKeyId.", async |fx| {
            let mut form = Upload::begin(&fx, "k").await?.file(b"file");
            form.keys.access_key = Secret::new("AKIANOBODYKNOWSTHISX");
            expect::refused(form.send(&fx).await, 403, "InvalidAccessKeyId")?;
            fx.absent("k").await
        })
        .needs(NEEDS)
}
