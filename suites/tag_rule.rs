//! Suite `tag_rule`: how many tags, which characters, which version.

use aws_sdk_s3::types::{Tag, Tagging, TaggingDirective};
use proofmark::case::values::{completed, encode_query};
use proofmark::case::{Checked, Fixture, Suite, expect};

/// The suite.
pub fn suite() -> Suite {
    let suite = numbers(Suite::new("tag_rule").source("S3 user guide, Categorizing your storage using tags"));
    let suite = headers(characters(suite).source("S3 API reference, PutObject"));
    versions(uploads(suite)).source("S3 user guide, Categorizing your storage using tags")
}

/// Owned pairs, so that long ones can be computed.
type Pairs = Vec<(String, String)>;

fn tagging(pairs: &Pairs) -> Tagging {
    let tag = |(key, value): &(String, String)| Tag::builder().key(key).value(value).build().expect("key and value were given");
    Tagging::builder().set_tag_set(Some(pairs.iter().map(tag).collect())).build().expect("a tag set was given")
}

fn numbered(count: usize) -> Pairs {
    (0..count).map(|at| (format!("key{at:02}"), at.to_string())).collect()
}

fn pair(key: &str, value: &str) -> Pairs {
    vec![(key.to_owned(), value.to_owned())]
}

fn sorted(tags: &[Tag]) -> Pairs {
    let mut pairs: Pairs = tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
    pairs.sort();
    pairs
}

fn put(fx: &Fixture, pairs: &Pairs) -> aws_sdk_s3::operation::put_object_tagging::builders::PutObjectTaggingFluentBuilder {
    fx.s3().put_object_tagging().bucket(fx.bucket()).key(fx.key("k")).tagging(tagging(pairs))
}

/// Claims that `k` has exactly these tags.
async fn tagged(fx: &Fixture, pairs: &Pairs) -> Checked {
    let got = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
    expect::eq("tags", &sorted(got.tag_set()), pairs)
}

/// What others answer for too many tags.
const TOO_MANY: &[(u16, &str)] = &[(400, "InvalidTag")];

fn numbers(suite: Suite) -> Suite {
    suite
        .extended("put_object_tagging/ten_tags", &["TAG-03"], "An object takes 10 tags.", async |fx| {
            fx.put("k", b"x").await?;
            expect::ok(put(&fx, &numbered(10)).send().await)?;
            tagged(&fx, &numbered(10)).await
        })
        .needs(&["tagging"])
        .extended("put_object_tagging/eleven_tags", &["TAG-03"], "An object takes no 11 tags: 400 BadRequest, and the old tags stay.", async |fx| {
            fx.put("k", b"x").await?;
            fx.set_up("PutObjectTagging", put(&fx, &numbered(1)).send().await)?;
            let put = put(&fx, &numbered(11)).send().await;
            if put.is_err() {
                tagged(&fx, &numbered(1)).await?;
            }
            expect::error_or(put, (400, "BadRequest"), TOO_MANY)
        })
        .needs(&["tagging"])
        .extended("put_object/eleven_tags", &["TAG-03"], "A PUT with 11 tags answers 400 BadRequest and stores nothing.", async |fx| {
            let header: Vec<String> = numbered(11).into_iter().map(|(key, value)| format!("{key}={value}")).collect();
            let put = fx.put_object("k").tagging(header.join("&")).body(b"x".to_vec().into()).send().await;
            if put.is_err() {
                fx.absent("k").await?;
            }
            expect::error_or(put, (400, "BadRequest"), TOO_MANY)
        })
        .needs(&["tagging"])
        .rare("put_bucket_tagging/fifty_tags", &["TAG-13"], "A bucket takes 50 tags.", async |fx| {
            expect::ok(fx.s3().put_bucket_tagging().bucket(fx.bucket()).tagging(tagging(&numbered(50))).send().await)?;
            let got = expect::ok(fx.s3().get_bucket_tagging().bucket(fx.bucket()).send().await)?;
            expect::eq("tags", sorted(got.tag_set()), numbered(50))
        })
        .needs(&["tagging"])
        .own_bucket()
        .rare("put_bucket_tagging/fifty_one_tags", &["TAG-13"], "A bucket takes no 51 tags: 400 BadRequest, and none is stored.", async |fx| {
            let put = fx.s3().put_bucket_tagging().bucket(fx.bucket()).tagging(tagging(&numbered(51))).send().await;
            if put.is_err() {
                expect::error(fx.s3().get_bucket_tagging().bucket(fx.bucket()).send().await, 404, "NoSuchTagSet")?;
            }
            expect::error_or(put, (400, "BadRequest"), TOO_MANY)
        })
        .needs(&["tagging"])
        .own_bucket()
        .common("get_bucket_tagging/none", &["TAG-12"], "A bucket without tags answers 404 NoSuchTagSet.", async |fx| {
            expect::error(fx.s3().get_bucket_tagging().bucket(fx.bucket()).send().await, 404, "NoSuchTagSet")
        })
        .needs(&["tagging"])
        .own_bucket()
        .dependents(&["Terraform"])
}

/// Tags that are stored as they are: name, row, key and how often it is repeated, value likewise.
const RIGHT: [(&str, &str, (&str, usize), (&str, usize)); 6] = [
    ("key_of_128", "TAG-04", ("k", 128), ("v", 1)),
    ("value_of_256", "TAG-04", ("k", 1), ("v", 256)),
    ("empty_value", "TAG-04", ("k", 1), ("", 1)),
    ("allowed_signs", "TAG-05", ("a b+c-d=e.f_g:h/i@j", 1), ("a b+c-d=e.f_g:h/i@j", 1)),
    ("unicode_key", "TAG-06", ("größe", 1), ("v", 1)),
    ("unicode_value", "TAG-06", ("k", 1), ("日本語", 1)),
];

/// Tags that are refused.
const WRONG: [(&str, &str, (&str, usize), (&str, usize)); 8] = [
    ("key_of_129", "TAG-04", ("k", 129), ("v", 1)),
    ("value_of_257", "TAG-04", ("k", 1), ("v", 257)),
    ("empty_key", "TAG-05", ("", 1), ("v", 1)),
    ("illegal_sign_in_key", "TAG-05", ("a{b", 1), ("v", 1)),
    ("illegal_sign_in_value", "TAG-05", ("k", 1), ("a{b", 1)),
    ("line_end_in_value", "TAG-05", ("k", 1), ("a\nb", 1)),
    ("reserved_key", "TAG-05", ("aws:k", 1), ("v", 1)),
    ("key_twice", "TAG-05", ("twice", 1), ("v", 1)),
];

fn characters(mut suite: Suite) -> Suite {
    for (name, row, (key, key_times), (value, value_times)) in RIGHT {
        let id = format!("put_object_tagging/{name}");
        let body = move |fx: Fixture| async move {
            let pairs = pair(&key.repeat(key_times), &value.repeat(value_times));
            fx.put("k", b"x").await?;
            expect::ok(put(&fx, &pairs).send().await)?;
            tagged(&fx, &pairs).await
        };
        suite = match row {
            "TAG-06" => suite.rare(&id, &[row], "Letters of any language in a tag are stored as they are.", body),
            _ => suite.extended(&id, &[row], "A tag with an allowed length and allowed characters is stored as it is.", body),
        };
        suite = suite.needs(&["tagging"]);
    }
    for (name, row, (key, key_times), (value, value_times)) in WRONG {
        let rule = "A tag that is too long, repeated or has a forbidden character answers 400 InvalidTag, and the old tags stay.";
        suite = suite
            .extended(&format!("put_object_tagging/{name}"), &[row], rule, move |fx| async move {
                let mut pairs = pair(&key.repeat(key_times), &value.repeat(value_times));
                if name == "key_twice" {
                    pairs.extend(pair(key, "other"));
                }
                fx.put("k", b"x").await?;
                fx.set_up("PutObjectTagging", put(&fx, &numbered(1)).send().await)?;
                expect::error(put(&fx, &pairs).send().await, 400, "InvalidTag")?;
                tagged(&fx, &numbered(1)).await
            })
            .needs(&["tagging"]);
    }
    suite
}

/// Wrong values of `x-amz-tagging`.
const WRONG_HEADER: [(&str, &str, usize); 7] = [
    ("bad_percent_encoding", "a=%zz", 1),
    ("header_key_twice", "a=1&a=2", 1),
    ("header_empty_key", "=1", 1),
    ("header_illegal_sign", "a=%7Bx", 1),
    ("header_reserved_key", "aws%3Ak=1", 1),
    ("header_key_of_129", "k=v", 129),
    ("header_value_of_257", "k=v", 257),
];

fn headers(mut suite: Suite) -> Suite {
    for (name, text, length) in WRONG_HEADER {
        let row = if length > 1 { "TAG-04" } else { "TAG-05" };
        let rule = "A PUT with a wrong tag in x-amz-tagging answers 400 InvalidTag or InvalidArgument and stores nothing.";
        suite = suite
            .extended(&format!("put_object/{name}"), &[row], rule, move |fx| async move {
                let text = match length {
                    129 => text.replace('k', &"k".repeat(length)),
                    257 => text.replace('v', &"v".repeat(length)),
                    _ => text.to_owned(),
                };
                let put = fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-tagging", text).body(b"x").send().await;
                expect::error_as(put, &[(400, "InvalidTag"), (400, "InvalidArgument")])?;
                fx.absent("k").await
            })
            .needs(&["tagging"]);
    }
    suite
        .rare("put_object/unicode_in_header", &["TAG-06"], "Letters of any language in x-amz-tagging are stored as they are.", async |fx| {
            let header = format!("{}={}", encode_query("größe"), encode_query("日本語"));
            expect::ok(fx.put_object("k").tagging(header).body(b"x".to_vec().into()).send().await)?;
            tagged(&fx, &pair("größe", "日本語")).await
        })
        .needs(&["tagging"])
}

fn uploads(suite: Suite) -> Suite {
    suite
        .common(
            "create_multipart_upload/tags_in_header",
            &["TAG-02"],
            "Tags named at the start of an upload are those of the finished object.",
            async |fx| {
                let create = fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).tagging("a=1&b=2");
                let id = expect::some("UploadId", expect::ok(create.send().await)?.upload_id)?;
                let part = fx.upload_part("k", &id, 1, b"x").await?;
                let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
                fx.set_up("CompleteMultipartUpload", complete.multipart_upload(completed([part])).send().await)?;
                expect::eq("x-amz-tagging-count", expect::ok(fx.head_object("k").send().await)?.tag_count(), Some(2))?;
                tagged(&fx, &[pair("a", "1"), pair("b", "2")].concat()).await
            },
        )
        .needs(&["tagging"])
        .common("copy_object/tags_are_copied", &["TAG-02"], "A copy takes the tags of its source.", async |fx| {
            let put = fx.put_object("source").tagging("a=1&b=2").body(b"x".to_vec().into()).send().await;
            fx.set_up("PutObject with tags", put)?;
            expect::ok(fx.copy_object("source", "k").send().await)?;
            tagged(&fx, &[pair("a", "1"), pair("b", "2")].concat()).await
        })
        .needs(&["tagging"])
        .common("copy_object/tags_are_replaced", &["TAG-02"], "A copy with x-amz-tagging-directive REPLACE takes the tags it names.", async |fx| {
            let put = fx.put_object("source").tagging("a=1&b=2").body(b"x".to_vec().into()).send().await;
            fx.set_up("PutObject with tags", put)?;
            let copy = fx.copy_object("source", "k").tagging_directive(TaggingDirective::Replace).tagging("c=3");
            expect::ok(copy.send().await)?;
            tagged(&fx, &pair("c", "3")).await
        })
        .needs(&["tagging"])
}

fn versions(mut suite: Suite) -> Suite {
    for (operation, left) in [("put_object_tagging", [2, 1]), ("delete_object_tagging", [0, 1])] {
        suite = suite
            .extended(
                &format!("{operation}/of_a_version"),
                &["TAG-09"],
                "Tags are changed for the version that is named and for no other.",
                move |fx| async move {
                    fx.enable_versioning().await?;
                    let mut ids = Vec::new();
                    for body in [b"old", b"new"] {
                        let put = fx.put_object("k").tagging("a=1").body(body.to_vec().into()).send().await;
                        ids.push(expect::some("x-amz-version-id", fx.set_up("PutObject", put)?.version_id)?);
                    }
                    if operation == "put_object_tagging" {
                        expect::ok(put(&fx, &numbered(2)).version_id(&ids[0]).send().await)?;
                    } else {
                        let delete = fx.s3().delete_object_tagging().bucket(fx.bucket()).key(fx.key("k")).version_id(&ids[0]);
                        expect::ok(delete.send().await)?;
                    }
                    for (id, count) in ids.iter().zip(left) {
                        let got = fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).version_id(id).send().await;
                        expect::eq("number of tags", expect::ok(got)?.tag_set().len(), count)?;
                    }
                    Ok(())
                },
            )
            .versioned()
            .needs(&["versioning", "tagging"]);
    }
    suite
}
