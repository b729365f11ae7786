//! Suite `copy_source`: how a copy names its source, and what kind of object that is.

use std::time::Duration;

use proofmark::case::values::{completed, encode_path, encode_query, md5_etag, multipart_etag, well_formed};
use proofmark::case::{Answer, Checked, Fixture, Suite, expect};
use proofmark::model::Impact;
use proofmark::units::Bytes;

use super::multipart_size::{repeated, room_for};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("copy_source").source("S3 API reference, CopyObject: x-amz-copy-source");
    large(versions(malformed(encodings(suite))))
}

async fn copy(fx: &Fixture, source: &str) -> Checked<String> {
    let answer = expect::ok(fx.raw_object("CopyObject", "PUT", "to", "").header("x-amz-copy-source", source).send().await)?;
    expect::some("ETag in CopyObjectResult", answer.element("ETag"))
}

/// Every byte percent-encoded but the slashes.
fn all_encoded(text: &str) -> String {
    let byte = |byte: u8| if byte == b'/' { "/".to_owned() } else { format!("%{byte:02X}") };
    text.bytes().map(byte).collect()
}

fn encodings(mut suite: Suite) -> Suite {
    type Encode = fn(&Fixture, &str) -> String;
    // Name, key, what the rule says of it, and how the header names it.
    let table: [(&str, &str, &str, Encode); 7] = [
        ("with_encoded_slashes", "a/b c", "whose slashes in the key are %2F", |fx, key| format!("{}/{}", fx.bucket(), encode_query(&fx.key(key)))),
        ("all_encoded", "a-b/c", "of which every byte is percent-encoded", |fx, key| format!("{}/{}", fx.bucket(), all_encoded(&fx.key(key)))),
        ("all_encoded_with_slash", "a-b/c", "that begins with a slash and is percent-encoded whole", |fx, key| {
            format!("/{}/{}", fx.bucket(), all_encoded(&fx.key(key)))
        }),
        ("in_lower_case_hex", "\u{fc}/\u{65e5}", "in lower-case hexadecimal digits", |fx, key| {
            format!("{}/{}", fx.bucket(), encode_path(fx.prefix()) + &encode_path(key).to_ascii_lowercase())
        }),
        ("with_sub_delimiters", "a!b'(c)*$&,;=:@", "with unencoded punctuation", |fx, key| format!("{}/{}", fx.bucket(), fx.key(key))),
        ("with_encoded_punctuation", "a!b'(c)*$&,;=:@", "with encoded punctuation", |fx, key| fx.source(key)),
        ("with_encoded_hash", "a#b", "with %23", |fx, key| fx.source(key)),
    ];
    for (name, key, words, encode) in table {
        let rule = format!("A copy source {words} names the object.");
        suite = suite.core(&format!("copy_object/source_{name}"), &["CPY-09"], &rule, move |fx| async move {
            fx.put(key, b"right").await?;
            copy(&fx, &encode(&fx, key)).await?;
            fx.holds("to", b"right").await
        });
    }
    suite
}

/// Sources that name no object; `{}` stands for the bucket.
pub const MALFORMED: [(&str, &str); 4] =
    [("percent_without_digits", "{}/a%zzb"), ("percent_at_the_end", "{}/a%2"), ("bucket_name_invalid", "A_B/key"), ("no_key", "{}")];

/// Claims that a source that names no object was refused.
pub fn refused_source<A: Answer>(answer: A) -> Checked {
    expect::error_or(answer, (400, "InvalidArgument"), &[(400, "InvalidBucketName")])
}

fn malformed(mut suite: Suite) -> Suite {
    for (name, source) in MALFORMED.into_iter().chain([("empty_key", "{}/")]) {
        let rule = format!("The copy source `{}` answers 400 InvalidArgument.", source.replace("{}", "bucket"));
        suite = suite.extended(&format!("copy_object/source_{name}"), &["CPY-11"], &rule, move |fx| async move {
            let copy = fx.raw_object("CopyObject", "PUT", "to", "").header("x-amz-copy-source", source.replace("{}", fx.bucket()));
            let refused = refused_source(copy.send().await);
            fx.absent("to").await?;
            refused
        });
    }
    suite
        .rare(
            "copy_object/source_of_unexpected_owner",
            &["CPY-19"],
            "A copy with another account in x-amz-source-expected-bucket-owner answers 403 AccessDenied.",
            async |fx| {
                fx.put("from", b"x").await?;
                let copy = fx.copy_object("from", "to").expected_source_bucket_owner("000000000000");
                expect::refused(copy.send().await, 403, "AccessDenied")?;
                fx.absent("to").await
            },
        )
        .extended(
            "copy_object/answer_is_whole_xml",
            &["CPY-20"],
            "A copy's 200 carries one whole CopyObjectResult after any white space, never an Error.",
            async |fx| {
                let body = fx.random_bytes(Bytes::mib(8));
                fx.put("from", &body).await?;
                let copy = fx.raw_object("CopyObject", "PUT", "to", "").header("x-amz-copy-source", fx.source("from"));
                let answer = expect::ok(copy.send().await)?;
                let text = answer.text();
                expect::eq("well-formed", well_formed(text.trim_start().as_bytes()), Ok(()))?;
                expect::eq("Error in a 200", answer.code(), None::<String>)?;
                expect::some("LastModified", answer.element("LastModified"))?;
                let etag = expect::some("ETag", answer.element("ETag"))?;
                same_etag(&fx, &etag).await?;
                fx.holds("to", &body).await
            },
        )
        .extended(
            "copy_object/late_error_is_an_error",
            &["CPY-20"],
            "A copy that fails says so in its status or in the body of its 200.",
            async |fx| {
                let copy = fx.raw_object("CopyObject", "PUT", "to", "").header("x-amz-copy-source", fx.source("absent"));
                match copy.send().await {
                    Ok(answer) if answer.status == 200 => {
                        expect::eq("Code in the 200", answer.code().as_deref(), Some("NoSuchKey"))?;
                        expect::variant("200 with an Error in its body")
                    }
                    answer => expect::error(answer, 404, "NoSuchKey"),
                }?;
                fx.absent("to").await
            },
        )
}

/// Claims that HEAD of `to` answers the same ETag as the copy; whether a result's ETag stands in quotes is not this rule.
async fn same_etag(fx: &Fixture, etag: &str) -> Checked {
    let head = expect::ok(fx.head_object("to").send().await)?;
    expect::eq("ETag of HEAD", head.e_tag().map(|etag| etag.trim_matches('"')), Some(etag.trim_matches('"')))
}

/// Prepares two versions of `from`; the id of the first.
async fn two_versions(fx: &Fixture) -> Checked<String> {
    fx.enable_versioning().await?;
    let first = fx.set_up("PutObject", fx.put_object("from").body(b"first".to_vec().into()).send().await)?;
    fx.put("from", b"second").await?;
    expect::some("x-amz-version-id", first.version_id)
}

fn versions(suite: Suite) -> Suite {
    suite
        .common("copy_object/source_version", &["CPY-12", "CPY-09"], "A copy of a version has that version's data and names it.", async |fx| {
            let first = two_versions(&fx).await?;
            let source = format!("{}?versionId={}", fx.source("from"), encode_query(&first));
            let copied = expect::ok(fx.copy_object("from", "to").copy_source(source).send().await)?;
            fx.holds("to", b"first").await?;
            expect::eq("x-amz-copy-source-version-id", copied.copy_source_version_id(), Some(first.as_str()))
        })
        .versioned()
        .dependents(&["restore tools"])
        .common("copy_object/source_current_version", &["CPY-12"], "A copy without a version id takes the current version.", async |fx| {
            two_versions(&fx).await?;
            expect::ok(fx.copy_object("from", "to").send().await)?;
            fx.holds("to", b"second").await
        })
        .versioned()
        .extended(
            "copy_object/source_is_delete_marker",
            &["CPY-13"],
            "A copy of a key whose current version is a delete marker answers 404 NoSuchKey.",
            async |fx| {
                two_versions(&fx).await?;
                fx.set_up("DeleteObject", fx.delete_object("from").send().await)?;
                expect::error(fx.copy_object("from", "to").send().await, 404, "NoSuchKey")?;
                fx.absent("to").await
            },
        )
        .versioned()
        .extended(
            "copy_object/source_is_id_of_delete_marker",
            &["CPY-13"],
            "A copy of a delete marker by its version id answers 400 InvalidRequest.",
            async |fx| {
                two_versions(&fx).await?;
                let marker = fx.set_up("DeleteObject", fx.delete_object("from").send().await)?.version_id.unwrap_or_default();
                let source = format!("{}?versionId={}", fx.source("from"), encode_query(&marker));
                expect::error(fx.copy_object("from", "to").copy_source(source).send().await, 400, "InvalidRequest")?;
                fx.absent("to").await
            },
        )
        .versioned()
}

fn large(suite: Suite) -> Suite {
    suite
        .common(
            "copy_object/multipart_source",
            &["CPY-16"],
            "A copy of a multipart object has its data; its ETag is the data's MD5, or the source's.",
            async |fx| {
                let (first, second) = (fx.random_bytes(Bytes::mib(5)), fx.random_bytes(Bytes(77)));
                let id = fx.start_upload("from").await?;
                let parts = [fx.upload_part("from", &id, 1, &first).await?, fx.upload_part("from", &id, 2, &second).await?];
                let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("from")).upload_id(id);
                fx.set_up("CompleteMultipartUpload", complete.multipart_upload(completed(parts)).send().await)?;
                let copied = expect::ok(fx.copy_object("from", "to").send().await)?;
                let whole = [first.as_slice(), second.as_slice()].concat();
                fx.holds("to", &whole).await?;
                let etag = expect::some("ETag", copied.copy_object_result().and_then(|result| result.e_tag().map(str::to_owned)))?;
                same_etag(&fx, &etag).await?;
                match etag.trim_matches('"') {
                    etag if etag == md5_etag(&whole).trim_matches('"') => Ok(()),
                    etag if etag == multipart_etag(&[&first, &second]).trim_matches('"') => expect::variant("the copy keeps the multipart ETag"),
                    etag => expect::that("ETag", false, "the MD5 of the data or the source's ETag", etag),
                }
            },
        )
        .common("copy_object/source_above_5_gib", &["CPY-17"], "A copy of an object of more than 5 GiB answers 400 InvalidRequest.", async |fx| {
            room_for(&fx, Bytes(6 << 30))?;
            let seed = fx.random_bytes(Bytes::mib(8));
            fx.put("seed", &seed).await?;
            fx.set_up("CompleteMultipartUpload", repeated(&fx, "seed", "block", 65).await?.send().await)?;
            fx.set_up("CompleteMultipartUpload", repeated(&fx, "block", "from", 10).await?.send().await)?;
            expect::error(fx.copy_object("from", "to").send().await, 400, "InvalidRequest")?;
            fx.absent("to").await
        })
        .dependents(&["S3A"])
        .impact(Impact::Overload)
        .sends(100)
        .deadline(Duration::from_secs(600))
        .slow()
}
