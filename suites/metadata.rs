//! Suite `metadata`: the headers and metadata stored with an object.

use aws_sdk_s3::primitives::DateTime;
use proofmark::case::{Suite, expect};

/// The suite.
pub fn suite() -> Suite {
    metadata(headers(Suite::new("metadata").source("S3 user guide, Working with object metadata")))
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
            fx.put("k", b"x").await?;
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
