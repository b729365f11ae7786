//! Suite `list_parameter`: sizes, positions and extensions in the query of a list.

use std::time::Duration;

use proofmark::case::values::encode_query;
use proofmark::case::{Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::model::{Impact, Measure};
use proofmark::wire::{Answer, WireError};

use super::listing::{fx_keys, put_all, put_concurrently};
use super::pages::{API, Api, Query};

/// Keys of the long walk.
const MANY: usize = 10_000;

/// A raw list of the own prefix; `query` is what follows in the query.
async fn list(fx: &Fixture, api: Api, query: &str) -> Result<Answer, WireError> {
    let (operation, version) = if api == Api::V2 { ("ListObjectsV2", "list-type=2&") } else { ("ListObjects", "") };
    fx.raw_bucket(operation, "GET", &format!("?{version}prefix={}{query}", encode_query(fx.prefix()))).send().await
}

/// The keys of a raw list, without the own prefix.
fn keys(fx: &Fixture, answer: &Answer) -> Vec<String> {
    let text = answer.text();
    let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
    keys.map(|(key, _)| key.strip_prefix(fx.prefix()).unwrap_or(key).to_owned()).collect()
}

/// The suite.
pub fn suite() -> Suite {
    long(extensions(owners(positions(tokens(sizes(Suite::new("list_parameter").source("S3 API reference, ListObjects and ListObjectsV2")))))))
}

/// Values of max-keys that are no size.
const NO_SIZES: [(&str, &str); 3] = [("letters", "many"), ("negative", "-1"), ("fraction", "1.5")];

fn sizes(mut suite: Suite) -> Suite {
    for api in API {
        for (name, value) in NO_SIZES {
            let rule = format!("max-keys={value} answers 400 InvalidArgument.");
            suite = suite.extended(&api.id(&format!("max_keys_{name}")), &["LST-17"], &rule, move |fx| async move {
                expect::error(list(&fx, api, &format!("&max-keys={value}")).await, 400, "InvalidArgument")
            });
        }
        suite = suite
            .extended(&api.id("max_keys_zero"), &["LST-15"], "max-keys=0 answers no entries and is not truncated.", move |fx| async move {
                fx.put("k", b"x").await?;
                let answer = expect::ok(list(&fx, api, "&max-keys=0").await)?;
                expect::eq("keys", keys(&fx, &answer), Vec::<String>::new())?;
                expect::eq("IsTruncated", answer.element("IsTruncated").as_deref(), Some("false"))
            })
            .common(&api.id("max_keys_above_1000"), &["LST-16"], "max-keys above 1000 is told as 1000.", move |fx| async move {
                fx.put("k", b"x").await?;
                let answer = expect::ok(list(&fx, api, "&max-keys=1001").await)?;
                expect::eq("MaxKeys", answer.element("MaxKeys").as_deref(), Some("1000")).class(WrongCode)
            })
            .core(
                &api.id("max_keys_is_echoed"),
                &["LST-14"],
                "A list echoes its max-keys, and 1000 where none was asked for.",
                move |fx| async move {
                    fx.put("k", b"x").await?;
                    let answer = expect::ok(list(&fx, api, "&max-keys=7").await)?;
                    expect::eq("MaxKeys", answer.element("MaxKeys").as_deref(), Some("7")).class(WrongCode)?;
                    let answer = expect::ok(list(&fx, api, "").await)?;
                    expect::eq("MaxKeys unasked", answer.element("MaxKeys").as_deref(), Some("1000")).class(WrongCode)
                },
            )
            .core(&api.id("last_page"), &["LST-18"], "A page that is not truncated names no next one.", move |fx| async move {
                put_all(&fx, &["a", "b"]).await?;
                let answer = expect::ok(list(&fx, api, "&max-keys=2").await)?;
                expect::eq("IsTruncated", answer.element("IsTruncated").as_deref(), Some("false"))?;
                expect::eq("NextContinuationToken", answer.element("NextContinuationToken"), None)?;
                expect::eq("NextMarker", answer.element("NextMarker").unwrap_or_default(), String::new())
            });
    }
    suite
}

fn tokens(suite: Suite) -> Suite {
    suite
        .rare("list_objects_v2/empty_token", &["LST-22"], "An empty continuation token lists from the start.", async |fx| {
            put_all(&fx, &["a", "b"]).await?;
            match list(&fx, Api::V2, "&continuation-token=").await {
                Ok(answer) if answer.status == 400 => expect::variant("400: an empty token is refused"),
                other => expect::eq("keys", keys(&fx, &expect::ok(other)?), fx_keys(&["a", "b"])),
            }
        })
        .extended("list_objects_v2/garbage_token", &["LST-23"], "A continuation token that no list answered is refused with 400.", async |fx| {
            put_all(&fx, &["a", "b"]).await?;
            expect::error(list(&fx, Api::V2, "&continuation-token=%21%21no%20token%21%21").await, 400, "InvalidArgument")
        })
        .extended(
            "list_objects_v2/token_wins_over_start_after",
            &["LST-25"],
            "With both start-after and a continuation token the list goes on at the token.",
            async |fx| {
                put_all(&fx, &["a", "b", "c", "d"]).await?;
                let first = expect::ok(list(&fx, Api::V2, "&max-keys=1").await)?;
                let token = expect::some("NextContinuationToken", first.element("NextContinuationToken"))?;
                let query = format!("&continuation-token={}&start-after={}", encode_query(&token), encode_query(&fx.key("c")));
                let second = expect::ok(list(&fx, Api::V2, &query).await)?;
                expect::eq("keys", keys(&fx, &second), fx_keys(&["b", "c", "d"]))
            },
        )
        .extended("list_objects_v2/start_after_beside_token", &["LST-25"], "A list with a token echoes start-after, if it was sent.", async |fx| {
            put_all(&fx, &["a", "b", "c"]).await?;
            let start = format!("&start-after={}", encode_query(&fx.key("a")));
            let first = expect::ok(list(&fx, Api::V2, &format!("&max-keys=1{start}")).await)?;
            expect::eq("StartAfter of the first page", first.element("StartAfter"), Some(fx.key("a")))?;
            let token = expect::some("NextContinuationToken", first.element("NextContinuationToken"))?;
            let second = expect::ok(list(&fx, Api::V2, &format!("{start}&continuation-token={}", encode_query(&token))).await)?;
            expect::eq("keys", keys(&fx, &second), fx_keys(&["c"]))?;
            match second.element("StartAfter") {
                None => expect::variant("not echoed, because the token decides"),
                told => expect::eq("StartAfter", told, Some(fx.key("a"))),
            }
        })
        .core("list_objects_v2/token_is_echoed", &["LST-21"], "A list echoes the continuation token that it was given.", async |fx| {
            put_all(&fx, &["a", "b"]).await?;
            let first = expect::ok(list(&fx, Api::V2, "&max-keys=1").await)?;
            let token = expect::some("NextContinuationToken", first.element("NextContinuationToken"))?;
            let second = expect::ok(list(&fx, Api::V2, &format!("&continuation-token={}", encode_query(&token))).await)?;
            expect::eq("ContinuationToken", second.element("ContinuationToken"), Some(token)).class(WrongCode)
        })
}

/// Where to go on, and what is left of a, b/1, b/2, c then: between keys, on them, in and behind a directory.
const POSITIONS: [(&str, &str, &[&str]); 7] = [
    ("on_a_key", "a", &["b/1", "b/2", "c"]),
    ("between_keys", "aa", &["b/1", "b/2", "c"]),
    ("before_all_keys", "0", &["a", "b/1", "b/2", "c"]),
    ("on_a_directory", "b/", &["b/1", "b/2", "c"]),
    ("in_a_directory", "b/1", &["b/2", "c"]),
    ("on_the_last_key", "c", &[]),
    ("behind_all_keys", "zz", &[]),
];

fn positions(mut suite: Suite) -> Suite {
    for (name, position, expected) in POSITIONS {
        let rule = format!("A list with the marker `{position}` shows exactly the keys behind it.");
        suite = suite.core(&format!("list_objects/marker_{name}"), &["LST-19"], &rule, move |fx| async move {
            put_all(&fx, &["a", "b/1", "b/2", "c"]).await?;
            let answer = expect::ok(list(&fx, Api::V1, &format!("&marker={}", encode_query(&fx.key(position)))).await)?;
            expect::eq("keys", keys(&fx, &answer), fx_keys(expected))
        });
        let rule = format!("A list with start-after `{position}` shows exactly the keys behind it.");
        suite = suite.common(&format!("list_objects_v2/start_after_{name}"), &["LST-24"], &rule, move |fx| async move {
            put_all(&fx, &["a", "b/1", "b/2", "c"]).await?;
            let answer = expect::ok(list(&fx, Api::V2, &format!("&start-after={}", encode_query(&fx.key(position)))).await)?;
            expect::eq("keys", keys(&fx, &answer), fx_keys(expected))
        });
    }
    suite
}

fn owners(suite: Suite) -> Suite {
    suite
        .core("list_objects/marker_is_echoed", &["LST-19"], "A list echoes the marker that it was given.", async |fx| {
            fx.put("b", b"x").await?;
            let answer = expect::ok(list(&fx, Api::V1, &format!("&marker={}", encode_query(&fx.key("a")))).await)?;
            expect::eq("Marker", answer.element("Marker"), Some(fx.key("a"))).class(WrongCode)
        })
        .extended("list_objects/owner", &["LST-06"], "A V1 list shows the owner of each key.", async |fx| {
            put_all(&fx, &["a", "b"]).await?;
            let list = fx.s3().list_objects().bucket(fx.bucket()).set_prefix(Some(fx.prefix().to_owned()));
            let page = expect::ok(list.send().await)?;
            expect::eq("entries", page.contents().len(), 2)?;
            let owned = page.contents().iter().filter(|entry| entry.owner().is_some_and(|owner| owner.id().is_some())).count();
            expect::eq("entries with an owner's id", owned, 2)
        })
        .rare("list_objects_v2/checksum_algorithm", &["LST-31"], "A list shows the checksum algorithm of an object that has one.", async |fx| {
            let put = fx.put_object("k").checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Sha256).body(b"x".to_vec().into()).send().await;
            fx.set_up("PutObject", put)?;
            let page = expect::ok(fx.list("").send().await)?;
            let entry = expect::some("the entry", page.contents().first())?;
            let algorithms: Vec<&str> = entry.checksum_algorithm().iter().map(aws_sdk_s3::types::ChecksumAlgorithm::as_str).collect();
            expect::eq("ChecksumAlgorithm", algorithms, vec!["SHA256"])
        })
        .needs(&["checksums"])
        .rare("list_objects_v2/checksum_type", &["LST-31"], "A list shows the checksum type of an object that has one.", async |fx| {
            let put = fx.put_object("k").checksum_algorithm(aws_sdk_s3::types::ChecksumAlgorithm::Sha256).body(b"x".to_vec().into()).send().await;
            fx.set_up("PutObject", put)?;
            let answer = expect::ok(list(&fx, Api::V2, "").await)?;
            expect::eq("ChecksumType", answer.element("ChecksumType").as_deref(), Some("FULL_OBJECT"))
        })
        .needs(&["checksums"])
}

fn extensions(mut suite: Suite) -> Suite {
    for api in API {
        let operation = if api == Api::V2 { "ListObjectsV2" } else { "ListObjects" };
        let query = if api == Api::V2 { "?list-type=2" } else { "" };
        let rule = "A list that asks for RestoreStatus answers 200 with its keys.";
        suite = suite
            .extended(&api.id("restore_status"), &["LST-33"], rule, move |fx| async move {
                fx.put("k", b"x").await?;
                let request = fx.raw_bucket(operation, "GET", query).header("x-amz-optional-object-attributes", "RestoreStatus");
                let answer = expect::ok(request.send().await)?;
                expect::that("the key", answer.text().contains(&fx.key("k")), "listed", answer.body.len())
            })
            .own_bucket()
            .dependents(&["mountpoint"]);
        let rule = "A list in a bucket whose owner pays answers 200 to x-amz-request-payer.";
        suite = suite
            .rare(&api.id("request_payer"), &["LST-39"], rule, move |fx| async move {
                fx.put("k", b"x").await?;
                let answer = expect::ok(fx.raw_bucket(operation, "GET", query).header("x-amz-request-payer", "requester").send().await)?;
                expect::that("the key", answer.text().contains(&fx.key("k")), "listed", answer.body.len())
            })
            .own_bucket();
        suite = suite
            .rare(&api.id("unordered"), &["LST-38"], "A list with allow-unordered=true shows every key, in any order.", move |fx| async move {
                put_all(&fx, &["a", "b", "c"]).await?;
                let mut found = keys(&fx, &expect::ok(list(&fx, api, "&allow-unordered=true").await)?);
                found.sort();
                expect::eq("keys, sorted", found, fx_keys(&["a", "b", "c"]))
            })
            .rare(
                &api.id("unordered_with_delimiter"),
                &["LST-38"],
                "A list with allow-unordered=true and a delimiter answers 400, where the extension is known.",
                move |fx| async move {
                    put_all(&fx, &["a", "b"]).await?;
                    match list(&fx, api, "&allow-unordered=true&delimiter=%2F").await {
                        Ok(answer) if answer.status == 200 => {
                            expect::eq("keys", keys(&fx, &answer), fx_keys(&["a", "b"]))?;
                            expect::variant("200: the extension of Ceph is not known and ignored")
                        }
                        other => expect::error(other, 400, "InvalidArgument"),
                    }
                },
            );
    }
    suite
}

fn long(mut suite: Suite) -> Suite {
    for api in API {
        suite = suite
            .common(&api.id("ten_thousand_keys"), &["LST-36"], "A walk over 10000 keys shows each of them once, in order.", move |fx| async move {
                put_concurrently(&fx, (0..MANY).map(|n| format!("n{n:05}"))).await?;
                let started = std::time::Instant::now();
                let pages = api.walk(&fx, Query::default()).await?;
                let seconds = started.elapsed().as_secs_f64();
                fx.measure(Measure::new("list_keys_per_s", "1/s", MANY as f64 / seconds.max(1e-6), 1));
                let shown: Vec<String> = pages.iter().flat_map(|page| page.keys.iter().cloned()).collect();
                let due: Vec<String> = (0..MANY).map(|n| format!("n{n:05}")).collect();
                expect::eq("keys", shown.len(), MANY)?;
                expect::that("keys", shown == due, "n00000 to n09999", shown.iter().zip(&due).position(|(a, b)| a != b))
            })
            .deadline(Duration::from_secs(600))
            .sends(10_100)
            .impact(Impact::Overload)
            .dependents(&["data lakes"])
            .slow();
    }
    suite
}
