//! Suite `metadata`: the headers and metadata stored with an object.

use std::time::Duration;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;

/// The suite.
pub fn suite() -> Suite {
    answers(redirects(special_values(metadata(headers(Suite::new("metadata").source("S3 user guide, Working with object metadata"))))))
}

fn headers(suite: Suite) -> Suite {
    suite
        .core("put_object/content_type", &["PUT-12"], "Content-Type is returned as it was stored.", async |fx| {
            let put = fx.put_object("k").content_type("text/html; charset=utf-8").body(b"x".to_vec().into()).send().await;
            expect::ok(put)?;
            expect::eq("Content-Type", expect::ok(fx.get_object("k").send().await)?.content_type(), Some("text/html; charset=utf-8"))
        })
        .core("put_object/cache_control", &["PUT-12"], "Cache-Control is returned as it was stored.", async |fx| {
            expect::ok(fx.put_object("k").cache_control("public, max-age=3600").body(b"x".to_vec().into()).send().await)?;
            expect::eq("Cache-Control", expect::ok(fx.head_object("k").send().await)?.cache_control(), Some("public, max-age=3600"))
        })
        .core("put_object/content_disposition", &["PUT-12"], "Content-Disposition is returned as it was stored.", async |fx| {
            let value = "attachment; filename=\"a b.txt\"";
            expect::ok(fx.put_object("k").content_disposition(value).body(b"x".to_vec().into()).send().await)?;
            expect::eq("Content-Disposition", expect::ok(fx.head_object("k").send().await)?.content_disposition(), Some(value))
        })
        .core("put_object/content_encoding", &["PUT-12"], "Content-Encoding is returned as it was stored.", async |fx| {
            expect::ok(fx.put_object("k").content_encoding("gzip").body(b"not really".to_vec().into()).send().await)?;
            expect::eq("Content-Encoding", expect::ok(fx.head_object("k").send().await)?.content_encoding(), Some("gzip"))
        })
        .core("put_object/content_language", &["PUT-12"], "Content-Language is returned as it was stored.", async |fx| {
            expect::ok(fx.put_object("k").content_language("de-CH").body(b"x".to_vec().into()).send().await)?;
            expect::eq("Content-Language", expect::ok(fx.head_object("k").send().await)?.content_language(), Some("de-CH"))
        })
        .core("put_object/expires", &["PUT-12"], "Expires is returned as it was stored.", async |fx| {
            let put = fx.put_object("k").expires(DateTime::from_secs(4_070_908_800)).body(b"x".to_vec().into()).send().await;
            expect::ok(put)?;
            expect::eq("Expires", expect::ok(fx.head_object("k").send().await)?.expires_string(), Some("Thu, 01 Jan 2099 00:00:00 GMT"))
        })
}

fn metadata(suite: Suite) -> Suite {
    suite
        .core("put_object/user_metadata", &["PUT-13"], "User metadata round-trips with lower-case names and values intact.", async |fx| {
            let put = fx.put_object("k").metadata("Mtime", "1700000000.123456789").metadata("with-dash", "a b;c=d");
            expect::ok(put.body(b"x".to_vec().into()).send().await)?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            let metadata = head.metadata().cloned().unwrap_or_default();
            expect::eq("metadata mtime", metadata.get("mtime").map(String::as_str), Some("1700000000.123456789"))?;
            expect::eq("metadata with-dash", metadata.get("with-dash").map(String::as_str), Some("a b;c=d"))?;
            expect::eq("names", metadata.len(), 2)
        })
        .dependents(&["restic", "Veeam", "rclone"])
        .common("put_object/content_type_default", &["PUT-11"], "An object stored without a Content-Type has a binary one.", async |fx| {
            // An SDK would send a type of its own.
            expect::ok(fx.raw_object("PutObject", "PUT", "k", "").body("x").send().await)?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            match head.content_type() {
                Some("binary/octet-stream") => Ok(()),
                Some("application/octet-stream") => expect::variant("application/octet-stream"),
                other => expect::eq("Content-Type", other, Some("binary/octet-stream")),
            }
        })
        .common("put_object/metadata_removed_on_overwrite", &["PUT-17"], "Metadata of an overwritten object is replaced, not merged.", async |fx| {
            let first = fx.put_object("k").metadata("a", "1").metadata("b", "2").body(b"x".to_vec().into()).send().await;
            fx.set_up("PutObject", first)?;
            expect::ok(fx.put_object("k").metadata("b", "3").body(b"x".to_vec().into()).send().await)?;
            let metadata = expect::ok(fx.head_object("k").send().await)?.metadata.unwrap_or_default();
            expect::eq("names", metadata.len(), 1)?;
            expect::eq("b", metadata.get("b").map(String::as_str), Some("3"))
        })
        .extended("put_object/metadata_too_large", &["PUT-15"], "User metadata of more than 2 KiB answers 400 MetadataTooLarge.", async |fx| {
            let put = fx.put_object("k").metadata("big", "x".repeat(2100)).body(b"x".to_vec().into()).send().await;
            expect::error(put, 400, "MetadataTooLarge")
        })
        .common("head_object/storage_class_consistent", &["PUT-24"], "HEAD and list agree on the storage class; absent means STANDARD.", async |fx| {
            fx.put("k", b"x").await?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            let listed = expect::ok(fx.list("k").send().await)?;
            let in_list = listed.contents().first().and_then(|object| object.storage_class()).map(|class| class.as_str().to_owned());
            let in_head = head.storage_class().map_or_else(|| "STANDARD".to_owned(), |class| class.as_str().to_owned());
            expect::eq("storage class", in_list.unwrap_or_else(|| "STANDARD".to_owned()), in_head)
        })
}

/// Values with which clients bring letters into metadata that a header should not hold.
const LETTERS: [(&str, &[u8]); 3] =
    [("utf8", "gr\u{fc}n \u{2014} \u{65e5}\u{672c}".as_bytes()), ("latin1", b"gr\xfcn"), ("rfc2047", b"=?UTF-8?B?Z3LDvG4=?=")];

/// Stores an object with one raw metadata value and reads it back from HEAD, as text.
async fn raw_value(fx: &Fixture, value: &[u8]) -> Checked<Option<String>> {
    expect::ok(fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-meta-note", value).body(b"x".to_vec()).send().await)?;
    let head = expect::ok(fx.raw_object("HeadObject", "HEAD", "k", "").send().await)?;
    Ok(head.header("x-amz-meta-note").map(str::to_owned))
}

fn special_values(mut suite: Suite) -> Suite {
    for (name, value) in LETTERS {
        let rule = format!("A metadata value with letters beyond ASCII ({name}) is answered as sent or encoded by RFC 2047.");
        suite = suite.extended(&format!("put_object/metadata_{name}"), &["PUT-16"], &rule, move |fx| async move {
            let sent = String::from_utf8_lossy(value).into_owned();
            match raw_value(&fx, value).await?.as_deref() {
                Some(told) if told == sent && name == "rfc2047" => Ok(()),
                Some(told) if told == sent => expect::variant("as sent"),
                Some(told) if told.starts_with("=?") && told.ends_with("?=") => Ok(()),
                other => expect::eq("x-amz-meta-note", other, Some(sent.as_str())),
            }
        });
    }
    suite
        .rare("put_object/metadata_name_twice", &["PUT-14"], "Two headers of one metadata name are joined with a comma.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-meta-note", "one").header("x-amz-meta-note", "two");
            expect::ok(put.body(b"x".to_vec()).send().await)?;
            let head = expect::ok(fx.raw_object("HeadObject", "HEAD", "k", "").send().await)?;
            let told = head.header("x-amz-meta-note").unwrap_or_default().replace(", ", ",");
            expect::eq("x-amz-meta-note", told.as_str(), "one,two")
        })
        .common("put_object/metadata_empty_value", &["PUT-17"], "A metadata value that is overwritten with an empty one is empty.", async |fx| {
            let first = fx.put_object("k").metadata("a", "1").body(b"x".to_vec().into()).send().await;
            fx.set_up("PutObject", first)?;
            expect::ok(fx.put_object("k").metadata("a", "").body(b"x".to_vec().into()).send().await)?;
            match expect::ok(fx.head_object("k").send().await)?.metadata.unwrap_or_default().get("a").map(String::as_str) {
                Some("") => Ok(()),
                None => expect::variant("an empty value is not stored"),
                other => expect::eq("a", other, Some("")),
            }
        })
        .extended("put_object/metadata_of_2000_bytes", &["PUT-15"], "User metadata of 2000 bytes is stored.", async |fx| {
            let value = "x".repeat(1997);
            expect::ok(fx.put_object("k").metadata("big", &value).body(b"x".to_vec().into()).send().await)?;
            let metadata = expect::ok(fx.head_object("k").send().await)?.metadata.unwrap_or_default();
            expect::eq("big", metadata.get("big").map(String::len), Some(1997))
        })
        .extended(
            "put_object/many_metadata_too_large",
            &["PUT-15"],
            "User metadata of more than 2 KiB in many small values answers 400 MetadataTooLarge and stores nothing.",
            async |fx| {
                let mut put = fx.put_object("k").body(b"x".to_vec().into());
                for number in 0..40 {
                    put = put.metadata(format!("name-{number:02}"), "x".repeat(60));
                }
                expect::error(put.send().await, 400, "MetadataTooLarge")?;
                fx.absent("k").await
            },
        )
}

/// Redirects that lead nowhere: they begin with neither a slash nor a web address.
const REDIRECTS: [(&str, &str); 3] = [("without_slash", "other"), ("other_scheme", "ftp://example.com/"), ("only_words", "no place at all")];

fn redirects(mut suite: Suite) -> Suite {
    suite = suite.source("S3 user guide, Configuring a webpage redirect; S3 API reference, PutObject");
    for (name, location) in REDIRECTS {
        let rule = format!("x-amz-website-redirect-location `{location}` answers 400 InvalidRedirectLocation and stores nothing.");
        suite = suite
            .rare(&format!("put_object/redirect_{name}"), &["PUT-25"], &rule, move |fx| async move {
                let put = fx.put_object("k").website_redirect_location(location).body(b"x".to_vec().into()).send().await;
                expect::error(put, 400, "InvalidRedirectLocation")?;
                fx.absent("k").await
            })
            .needs(&["website"]);
    }
    suite
}

fn answers(suite: Suite) -> Suite {
    suite
        .source("S3 API reference, PutObject, response")
        .common("put_object/version_id", &["PUT-26"], "PutObject in a versioned bucket answers the new version's id.", async |fx| {
            fx.enable_versioning().await?;
            let first = expect::ok(fx.put_object("k").body(b"1".to_vec().into()).send().await)?;
            let second = expect::ok(fx.put_object("k").body(b"2".to_vec().into()).send().await)?;
            let (first, second) = (expect::some("x-amz-version-id", first.version_id)?, expect::some("x-amz-version-id", second.version_id)?);
            expect::that("the second id", first != second, "another than the first", &second)?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            expect::eq("x-amz-version-id of HEAD", head.version_id(), Some(second.as_str()))
        })
        .versioned()
        .dependents(&["Veeam"])
        .common("put_object/no_version_id", &["PUT-26"], "PutObject in a bucket that never had versioning answers no version id.", async |fx| {
            let put = expect::ok(fx.put_object("k").body(b"1".to_vec().into()).send().await)?;
            match put.version_id() {
                Some("null") => expect::variant("the id null"),
                found => expect::eq("x-amz-version-id", found, None::<&str>),
            }
        })
        .own_bucket()
        .common(
            "put_object/expiration",
            &["PUT-26"],
            "PutObject below the prefix of an expiration rule answers x-amz-expiration with a date and the rule's id.",
            async |fx| {
                let expiration = LifecycleExpiration::builder().days(9).build();
                let filter = LifecycleRuleFilter::builder().prefix("going/").build();
                let rule = LifecycleRule::builder().id("nine").status(ExpirationStatus::Enabled).filter(filter).expiration(expiration);
                let rule = rule.build().expect("a status was given");
                let rules = BucketLifecycleConfiguration::builder().rules(rule).build().expect("a rule was given");
                let put = fx.s3().put_bucket_lifecycle_configuration().bucket(fx.bucket()).lifecycle_configuration(rules);
                fx.set_up("PutBucketLifecycleConfiguration", put.send().await)?;
                // Lifecycle rules take effect after a while on AWS.
                let here = &fx;
                fx.eventually(Duration::from_secs(3), || async move {
                    let put = expect::ok(here.put_object("going/k").body(b"1".to_vec().into()).send().await)?;
                    let told = expect::some("x-amz-expiration", put.expiration().map(str::to_owned))?;
                    let is_complete = told.contains("expiry-date=") && told.contains("rule-id=\"nine\"");
                    expect::that("x-amz-expiration", is_complete, "expiry-date and rule-id=\"nine\"", &told).class(WrongCode)
                })
                .await?;
                let put = expect::ok(fx.put_object("staying/k").body(b"1".to_vec().into()).send().await)?;
                expect::eq("x-amz-expiration of another prefix", put.expiration(), None::<&str>)
            },
        )
        .own_bucket()
        .needs(&["lifecycle"])
        .sends(80)
}
