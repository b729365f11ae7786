//! Suite `listing`: what one page of ListObjects and ListObjectsV2 shows. Pages that follow each other: suite `pagination`.

use aws_sdk_s3::types::{EncodingType, Object};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;

use super::pages::{API, Query};

/// The suite.
pub fn suite() -> Suite {
    special(names(grouping(v2_entries(entries(Suite::new("listing").source("S3 API reference, ListObjects and ListObjectsV2"))))))
}

/// Prepares objects of these names; directory markers are empty, as clients make them.
pub(super) async fn put_all(fx: &Fixture, names: &[&str]) -> Checked {
    put_concurrently(fx, names.iter().map(ToString::to_string)).await
}

/// Prepares objects, 8 at once.
pub(super) async fn put_concurrently(fx: &Fixture, names: impl Iterator<Item = String>) -> Checked {
    let mut puts = tokio::task::JoinSet::new();
    for name in names {
        if puts.len() == 8 {
            put_done(puts.join_next().await)?;
        }
        let body = if name.ends_with('/') { Vec::new() } else { name.clone().into_bytes() };
        puts.spawn(fx.put(&name, &body));
    }
    while let Some(put) = puts.join_next().await {
        put_done(Some(put))?;
    }
    Ok(())
}

fn put_done(put: Option<Result<Checked<String>, tokio::task::JoinError>>) -> Checked {
    put.map_or(Ok(()), |put| put.unwrap_or_else(|_| expect::unresolved("harness: a writer panicked")).map(drop))
}

fn entries(mut suite: Suite) -> Suite {
    for api in API {
        suite = suite
            .core(
                &api.id("empty_bucket"),
                &["LST-01"],
                "A list of an empty bucket answers 200 without entries and is not truncated.",
                move |fx| async move {
                    let page = api.page(&fx, Query::default()).await?;
                    expect::eq("keys", page.keys.len(), 0)?;
                    expect::eq("IsTruncated", page.is_truncated, false)
                },
            )
            .own_bucket()
            .core(&api.id("missing_bucket"), &["LST-30"], "A list of a bucket that does not exist answers 404 NoSuchBucket.", move |fx| async move {
                api.missing_bucket(&fx).await
            })
            .core(
                &api.id("after_put_and_delete"),
                &["LST-35"],
                "A list shows a key at once after PUT and hides it at once after DELETE.",
                move |fx| async move {
                    for turn in 0..5 {
                        let name = format!("k{turn}");
                        fx.put(&name, b"x").await?;
                        expect::eq("keys after PUT", api.page(&fx, Query::default()).await?.keys, vec![name.clone()])?;
                        fx.set_up("DeleteObject", fx.delete_object(&name).send().await)?;
                        expect::eq("keys after DELETE", api.page(&fx, Query::default()).await?.keys, Vec::<String>::new())?;
                    }
                    Ok(())
                },
            )
            .core(&api.id("hides_uploads"), &["LST-32"], "A list shows no multipart upload that is in progress.", move |fx| async move {
                put_all(&fx, &["a", "z"]).await?;
                let id = fx.start_upload("m").await?;
                fx.upload_part("m", &id, 1, b"part").await?;
                expect::eq("keys", api.page(&fx, Query::default()).await?.keys, fx_keys(&["a", "z"]))?;
                let first = api.page(&fx, Query { max_keys: Some(1), ..Query::default() }).await?;
                expect::eq("first page", first.keys.clone(), fx_keys(&["a"]))?;
                expect::eq("second page", api.page(&fx, Query { next: first.next, ..Query::default() }).await?.keys, fx_keys(&["z"]))
            });
    }
    suite
}

const EQUAL: &str = "An entry's size, ETag, modification time and storage class are those of HEAD, and the page names its bucket.";

fn v2_entries(suite: Suite) -> Suite {
    suite
        .core("list_objects_v2/key_count", &["LST-02"], "KeyCount is the number of entries and common prefixes together.", async |fx| {
            put_all(&fx, &["a", "b/1", "b/2", "c/1"]).await?;
            let page = expect::ok(fx.list("").delimiter("/").send().await)?;
            expect::eq("KeyCount", page.key_count(), Some(3))
        })
        .core("list_objects_v2/entries_equal_head", &["LST-03"], EQUAL, async |fx| {
            put_all(&fx, &["one", "three"]).await?;
            let page = expect::ok(fx.list("").send().await)?;
            equal_head(&fx, page.name(), page.contents()).await
        })
        .core("list_objects/entries_equal_head", &["LST-03"], EQUAL, async |fx| {
            put_all(&fx, &["one", "three"]).await?;
            let page = expect::ok(fx.s3().list_objects().bucket(fx.bucket()).prefix(fx.prefix()).send().await)?;
            equal_head(&fx, page.name(), page.contents()).await
        })
}

/// Claims that what a list shows of the keys `one` and `three` is what HEAD says, and that it names its bucket.
async fn equal_head(fx: &Fixture, name: Option<&str>, entries: &[Object]) -> Checked {
    expect::eq("Name", name, Some(fx.bucket()))?;
    expect::eq("entries", entries.len(), 2)?;
    for (name, entry) in ["one", "three"].iter().zip(entries) {
        let head = expect::ok(fx.head_object(name).send().await)?;
        expect::eq("Key", entry.key(), Some(fx.key(name).as_str()))?;
        expect::eq("Size", entry.size(), head.content_length())?;
        expect::eq("ETag", entry.e_tag(), head.e_tag())?;
        expect::eq("LastModified in s", entry.last_modified().map(|at| at.secs()), head.last_modified().map(|at| at.secs()))?;
        // HEAD leaves out the class STANDARD.
        let class = head.storage_class().map_or("STANDARD", |class| class.as_str());
        expect::eq("StorageClass", entry.storage_class().map_or("STANDARD", |class| class.as_str()), class)?;
    }
    Ok(())
}

/// Names as a page without the case's prefix shows them.
pub(super) fn fx_keys(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn grouping(mut suite: Suite) -> Suite {
    for api in API {
        suite = suite
            .core(&api.id("delimiter"), &["LST-08"], "A delimiter rolls keys up into each common prefix once.", move |fx| async move {
                put_all(&fx, &["a/1", "a/2", "b", "c/1/2"]).await?;
                let page = api.page(&fx, Query { delimiter: Some("/"), ..Query::default() }).await?;
                expect::eq("keys", page.keys, fx_keys(&["b"]))?;
                expect::eq("common prefixes", page.prefixes, fx_keys(&["a/", "c/"]))
            })
            .core(
                &api.id("directory_marker"),
                &["LST-34"],
                "A marker `dir/` is a key inside `dir/` and a common prefix outside of it.",
                move |fx| async move {
                    put_all(&fx, &["dir/", "dir/x"]).await?;
                    let inside = api.page(&fx, Query { prefix: "dir/", delimiter: Some("/"), ..Query::default() }).await?;
                    expect::eq("keys inside", inside.keys, fx_keys(&["dir/", "dir/x"]))?;
                    let outside = api.page(&fx, Query { delimiter: Some("/"), ..Query::default() }).await?;
                    expect::eq("common prefixes outside", outside.prefixes, fx_keys(&["dir/"]))?;
                    expect::eq("keys outside", outside.keys.len(), 0)
                },
            );
    }
    suite
}

fn names(mut suite: Suite) -> Suite {
    for api in API {
        suite = suite
            .core(
                &api.id("encoding_type_url"),
                &["LST-26"],
                "With encoding-type=url keys are percent-encoded, and only then.",
                move |fx| async move {
                    put_all(&fx, &["a b", "a+b", "a%b", "\u{e4}"]).await?;
                    let encoded = api.page(&fx, Query { encoding: Some(EncodingType::Url), ..Query::default() }).await?;
                    expect::eq("EncodingType", encoded.encoding.as_deref(), Some("url")).class(WrongCode)?;
                    let expected = fx_keys(&["a b", "a%b", "a+b", "\u{e4}"]);
                    expect::eq("keys, decoded", encoded.keys, expected.clone())?;
                    expect::that("encoded percent sign", encoded.spelled.iter().any(|key| key.contains("%25")), "%25 in a key", &encoded.spelled)?;
                    let plain = api.page(&fx, Query::default()).await?;
                    expect::eq("EncodingType", plain.encoding, None)?;
                    expect::eq("keys, plain", plain.keys, expected)
                },
            )
            .dependents(&["boto3", "rclone", "aws-cli"])
            .core(
                &api.id("keys_verbatim"),
                &["LST-27"],
                "Without encoding-type keys are verbatim: a plus stays a plus, entities are decoded once.",
                move |fx| async move {
                    let names = ["a&b", "a+b", "a<b>", "quote\"'"];
                    put_all(&fx, &names).await?;
                    expect::eq("keys", api.page(&fx, Query::default()).await?.keys, fx_keys(&names))
                },
            );
    }
    suite
}

fn special(suite: Suite) -> Suite {
    suite.extended("list_objects_v2/fetch_owner", &["LST-05"], "The owner is shown only with fetch-owner=true.", async |fx| {
        fx.put("k", b"x").await?;
        let without = expect::ok(fx.list("").send().await)?;
        expect::eq("Owner", without.contents().first().and_then(|entry| entry.owner().cloned()), None)?;
        let with = expect::ok(fx.list("").fetch_owner(true).send().await)?;
        expect::some("Owner", with.contents().first().and_then(|entry| entry.owner())).map(drop)
    })
}
