//! Suite `pagination`: walks over several pages lose nothing, repeat nothing and end.

use proofmark::case::{Checked, Fixture, Suite, expect};

use super::listing::{fx_keys, put_all, put_concurrently};
use super::pages::{API, Page, Query};

/// The suite.
pub fn suite() -> Suite {
    positions(large(boundaries(walks(Suite::new("pagination").source("S3 API reference, ListObjects and ListObjectsV2")))))
}

/// Keys of all pages in their order.
fn keys(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| page.keys.iter().cloned()).collect()
}

fn prefixes(pages: &[Page]) -> Vec<String> {
    pages.iter().flat_map(|page| page.prefixes.iter().cloned()).collect()
}

fn walks(mut suite: Suite) -> Suite {
    for api in API {
        suite = suite
            .core(
                &api.id("order_across_pages"),
                &["LST-04"],
                "Keys come in ascending order of their UTF-8 bytes across pages.",
                move |fx| async move {
                    let names = ["-", "0", "A", "Z", "a-", "a/x", "aa", "z", "\u{e4}", "\u{ff5e}", "\u{1f980}"];
                    put_all(&fx, &names).await?;
                    let pages = api.walk(&fx, Query { max_keys: Some(5), ..Query::default() }).await?;
                    expect::eq("keys", keys(&pages), fx_keys(&names))
                },
            )
            .core(&api.id("one_key_per_page"), &["LST-14"], "Pages of one key walk everything exactly once.", move |fx| async move {
                let names = ["a", "b/1", "b/2", "c", "d"];
                put_all(&fx, &names).await?;
                let pages = api.walk(&fx, Query { max_keys: Some(1), ..Query::default() }).await?;
                expect::eq("keys", keys(&pages), fx_keys(&names))?;
                expect::that("page sizes", pages.iter().all(|page| page.keys.len() <= 1), "at most 1", pages.len())
            })
            .core(
                &api.id("common_prefix_counts_once"),
                &["LST-12"],
                "A common prefix counts as one key and is on one page only.",
                move |fx| async move {
                    put_all(&fx, &["a/1", "a/2", "a/3", "b", "c/1", "c/2"]).await?;
                    let pages = api.walk(&fx, Query { delimiter: Some("/"), max_keys: Some(1), ..Query::default() }).await?;
                    expect::eq("common prefixes", prefixes(&pages), fx_keys(&["a/", "c/"]))?;
                    expect::eq("keys", keys(&pages), fx_keys(&["b"]))?;
                    expect::eq("pages with entries", pages.iter().filter(|page| page.keys.len() + page.prefixes.len() == 1).count(), 3)
                },
            )
            .dependents(&["rclone", "S3A"])
            .core(
                &api.id("key_behind_prefix"),
                &["LST-13"],
                "A page that ends with a common prefix does not skip keys that sort right behind it.",
                move |fx| async move {
                    put_all(&fx, &["0/", "0/1", "00", "1999", "1999#", "1999+", "2000"]).await?;
                    let pages = api.walk(&fx, Query { delimiter: Some("/"), max_keys: Some(1), ..Query::default() }).await?;
                    expect::eq("common prefixes", prefixes(&pages), fx_keys(&["0/"]))?;
                    expect::eq("keys", keys(&pages), fx_keys(&["00", "1999", "1999#", "1999+", "2000"]))
                },
            );
    }
    suite
}

fn boundaries(mut suite: Suite) -> Suite {
    for api in API {
        suite = suite
            .core(
                &api.id("special_keys_at_boundaries"),
                &["LST-29"],
                "Page boundaries on keys with special characters lose nothing and end.",
                move |fx| async move {
                    let names = ["a b", "a%20b", "a&b", "a+b", "a=b", "a%", "a\u{e4}"];
                    put_all(&fx, &names).await?;
                    let pages = api.walk(&fx, Query { max_keys: Some(1), ..Query::default() }).await?;
                    let mut sorted = fx_keys(&names);
                    sorted.sort();
                    expect::eq("keys", keys(&pages), sorted)
                },
            )
            .dependents(&["boto3"])
            .core(
                &api.id("stable_keys_under_writers"),
                &["LST-37"],
                "Keys that are there for the whole walk appear exactly once while others come and go.",
                move |fx| async move {
                    let stable: Vec<String> = (0..12).map(|n| format!("s{n:02}")).collect();
                    put_all(&fx, &stable.iter().map(String::as_str).collect::<Vec<_>>()).await?;
                    let writer = tokio::spawn(churn(fx.clone()));
                    let pages = api.walk(&fx, Query { max_keys: Some(3), ..Query::default() }).await;
                    let churned = writer.await;
                    let shown: Vec<String> = keys(&pages?).into_iter().filter(|key| stable.contains(key)).collect();
                    expect::eq("keys that stayed", shown, stable)?;
                    churned.unwrap_or_else(|_| expect::unresolved("harness: the writer panicked"))
                },
            )
            .sends(60);
    }
    suite
}

/// Creates and deletes keys that sort between the stable ones.
async fn churn(fx: Fixture) -> Checked {
    for turn in 0..12 {
        let name = format!("s{turn:02}-passing");
        fx.put(&name, b"x").await?;
        if turn % 2 == 0 {
            fx.set_up("DeleteObject", fx.delete_object(&name).send().await)?;
        }
    }
    Ok(())
}

fn large(suite: Suite) -> Suite {
    suite
        .core("list_objects_v2/default_page_size", &["LST-18"], "A list of 1001 objects is truncated after 1000 and goes on.", async |fx| {
            put_concurrently(&fx, (0..1001).map(|n| format!("n{n:04}"))).await?;
            let first = API[1].page(&fx, Query::default()).await?;
            expect::eq("keys of the first page", first.keys.len(), 1000)?;
            expect::eq("IsTruncated", first.is_truncated, true)?;
            let second = API[1].page(&fx, Query { next: first.next, ..Query::default() }).await?;
            expect::eq("keys of the second page", second.keys, fx_keys(&["n1000"]))?;
            expect::eq("IsTruncated of the second page", second.is_truncated, false)
        })
        .deadline(std::time::Duration::from_secs(180))
        .sends(1100)
}

fn positions(suite: Suite) -> Suite {
    suite
        .common("list_objects/next_marker", &["LST-20"], "A truncated V1 list with a delimiter answers NextMarker.", async |fx| {
            put_all(&fx, &["a/1", "b/1", "c"]).await?;
            let list = fx.s3().list_objects().bucket(fx.bucket()).set_prefix(Some(fx.prefix().to_owned()).filter(|prefix| !prefix.is_empty()));
            let page = expect::ok(list.delimiter("/").max_keys(1).send().await)?;
            expect::eq("IsTruncated", page.is_truncated(), Some(true))?;
            expect::some("NextMarker", page.next_marker())?;
            let next = page.next_marker.unwrap_or_default();
            let rest = fx.s3().list_objects().bucket(fx.bucket()).set_prefix(Some(fx.prefix().to_owned()).filter(|prefix| !prefix.is_empty()));
            let rest = expect::ok(rest.delimiter("/").marker(next).send().await)?;
            expect::eq("entries behind NextMarker", rest.common_prefixes().len() + rest.contents().len(), 2)
        })
        .core(
            "list_objects_v2/token_with_prefix_and_delimiter",
            &["LST-21"],
            "A continuation token goes on under a prefix and a delimiter.",
            async |fx| {
                put_all(&fx, &["d/a", "d/b/1", "d/b/2", "d/c", "e"]).await?;
                let pages = API[1].walk(&fx, Query { prefix: "d/", delimiter: Some("/"), max_keys: Some(2), ..Query::default() }).await?;
                expect::eq("pages", pages.len(), 2)?;
                expect::eq("keys", keys(&pages), fx_keys(&["d/a", "d/c"]))?;
                expect::eq("common prefixes", prefixes(&pages), fx_keys(&["d/b/"]))
            },
        )
}
