//! Suite `tagging`: tags of objects and buckets.

use aws_sdk_s3::types::{Tag, Tagging};
use proofmark::case::{Fixture, Suite, expect};

fn tags(pairs: &[(&str, &str)]) -> Tagging {
    let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build().expect("key and value were given");
    Tagging::builder().set_tag_set(Some(pairs.iter().map(tag).collect())).build().expect("a tag set was given")
}

fn shown(tags: &[Tag]) -> Vec<(String, String)> {
    let mut shown: Vec<_> = tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect();
    shown.sort();
    shown
}

fn put_tags(fx: &Fixture, pairs: &[(&str, &str)]) -> aws_sdk_s3::operation::put_object_tagging::builders::PutObjectTaggingFluentBuilder {
    fx.s3().put_object_tagging().bucket(fx.bucket()).key(fx.key("k")).tagging(tags(pairs))
}

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("tagging")
        .source("S3 user guide, Categorizing your storage using tags")
        .common("put_object_tagging/round_trip", &["TAG-01"], "Tags are stored, returned and deleted.", async |fx| {
            fx.put("k", b"x").await?;
            expect::ok(put_tags(&fx, &[("team", "storage"), ("tier", "hot")]).send().await)?;
            let get = || fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send();
            let expected = vec![("team".to_owned(), "storage".to_owned()), ("tier".to_owned(), "hot".to_owned())];
            expect::eq("tags", shown(expect::ok(get().await)?.tag_set()), expected)?;
            expect::ok(fx.s3().delete_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
            expect::eq("tags after the deletion", expect::ok(get().await)?.tag_set().len(), 0)
        })
        .needs(&["tagging"])
        .common("put_object/tags_in_header", &["TAG-02"], "Tags of a PUT's header are stored, and HEAD counts them.", async |fx| {
            expect::ok(fx.put_object("k").tagging("a=1&b=2").body(b"x".to_vec().into()).send().await)?;
            expect::eq("x-amz-tagging-count", expect::ok(fx.head_object("k").send().await)?.tag_count(), Some(2))
        })
        .needs(&["tagging"])
        .common("put_object_tagging/replaces_all", &["TAG-07"], "PutObjectTagging replaces the whole set.", async |fx| {
            fx.put("k", b"x").await?;
            fx.set_up("PutObjectTagging", put_tags(&fx, &[("a", "1"), ("b", "2")]).send().await)?;
            expect::ok(put_tags(&fx, &[("b", "3")]).send().await)?;
            let got = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
            expect::eq("tags", shown(got.tag_set()), vec![("b".to_owned(), "3".to_owned())])
        })
        .needs(&["tagging"])
        .common("put_object_tagging/absent_key", &["TAG-08"], "Tagging an absent key answers 404 NoSuchKey.", async |fx| {
            expect::error(put_tags(&fx, &[("a", "1")]).send().await, 404, "NoSuchKey")
        })
        .needs(&["tagging"]);
    sets(suite)
}

fn sets(suite: Suite) -> Suite {
    suite
        .common("get_object_tagging/none", &["TAG-10"], "An object without tags answers an empty set.", async |fx| {
            fx.put("k", b"x").await?;
            let got = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
            expect::eq("tags", got.tag_set().len(), 0)
        })
        .needs(&["tagging"])
        .common("put_object_tagging/object_is_untouched", &["TAG-11"], "Tagging changes neither ETag nor Last-Modified.", async |fx| {
            fx.put("k", b"x").await?;
            let before = expect::ok(fx.head_object("k").send().await)?;
            let listed = async || Ok(expect::ok(fx.list("k").send().await)?.contents().first().and_then(|object| object.last_modified().copied()));
            let listed_before = listed().await?;
            expect::ok(put_tags(&fx, &[("a", "1")]).send().await)?;
            let after = expect::ok(fx.head_object("k").send().await)?;
            expect::eq("ETag", after.e_tag(), before.e_tag())?;
            expect::eq("Last-Modified", after.last_modified(), before.last_modified())?;
            // A list tells parts of a second where the server has them.
            expect::eq("LastModified of the list", listed().await?, listed_before)
        })
        .needs(&["tagging"])
        .common(
            "put_bucket_tagging/round_trip",
            &["TAG-12"],
            "Bucket tags are stored, returned and deleted; without any the answer is 404 NoSuchTagSet.",
            async |fx| {
                let get = || fx.s3().get_bucket_tagging().bucket(fx.bucket()).send();
                expect::error(get().await, 404, "NoSuchTagSet")?;
                expect::ok(fx.s3().put_bucket_tagging().bucket(fx.bucket()).tagging(tags(&[("a", "1")])).send().await)?;
                expect::eq("tags", shown(expect::ok(get().await)?.tag_set()), vec![("a".to_owned(), "1".to_owned())])?;
                expect::ok(fx.s3().delete_bucket_tagging().bucket(fx.bucket()).send().await)?;
                expect::error(get().await, 404, "NoSuchTagSet")
            },
        )
        .needs(&["tagging"])
        .own_bucket()
        .dependents(&["Terraform"])
}
