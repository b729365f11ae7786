//! Suite `list_encoding`: encoding-type=url, element by element, and keys that XML cannot hold.

use proofmark::case::values::{encode_path, encode_query, well_formed};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::wire::Answer;

use super::listing::put_all;
use super::pages::{API, Api};

/// A raw list of what begins with `prefix` below the own prefix; `query` is what follows in the query.
async fn list(fx: &Fixture, api: Api, prefix: &str, query: &str) -> Checked<Answer> {
    let (operation, version) = if api == Api::V2 { ("ListObjectsV2", "list-type=2&") } else { ("ListObjects", "") };
    let query = format!("?{version}prefix={}{query}", encode_query(&fx.key(prefix)));
    expect::ok(fx.raw_bucket(operation, "GET", &query).send().await)
}

/// Undoes percent-encoding and nothing else.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Claims that the element's text stands for `due`, with what needs it percent-encoded.
fn encoded(answer: &Answer, element: &str, due: &str) -> Checked {
    let found = expect::some(element, answer.element(element))?;
    let is_bare = found.chars().any(|c| !c.is_ascii() || c.is_ascii_control() || matches!(c, ' ' | '"' | '<' | '>' | '&'));
    // What decodes to itself proves nothing: a percent sign and a plus must be encoded to be told apart.
    let is_bare = is_bare || (due.contains('%') && !found.contains("%25")) || (due.contains('+') && !found.contains("%2B"));
    expect::that(element, !is_bare, "percent-encoded", &found).class(WrongCode)?;
    // A space may be written as a plus, as forms do.
    let plain = [decoded(&found), decoded(&found.replace('+', " "))];
    expect::that(element, plain.iter().any(|plain| plain == due), &format!("{due:?}, encoded"), &found)
}

/// The suite.
pub fn suite() -> Suite {
    illegal(boundaries(elements(keys(Suite::new("list_encoding").source("S3 API reference, ListObjectsV2, encoding-type")))))
}

/// Names that need encoding, each by itself.
const NAMES: [(&str, &str); 9] = [
    ("space", "a b"),
    ("plus", "a+b"),
    ("percent", "a%b"),
    ("percent_and_hex", "a%2Fb"),
    ("ampersand", "a&b"),
    ("less_than", "a<b"),
    ("umlaut", "a\u{e4}b"),
    ("emoji", "a\u{1f980}b"),
    ("line_feed", "a\nb"),
];

fn keys(mut suite: Suite) -> Suite {
    for api in API {
        for (name, key) in NAMES {
            let rule = format!("With encoding-type=url the key {key:?} is percent-encoded once.");
            suite = suite
                .core(&api.id(&format!("key_with_{name}")), &["LST-26"], &rule, move |fx| async move {
                    fx.put(key, b"x").await?;
                    encoded(&list(&fx, api, "a", "&encoding-type=url").await?, "Key", &fx.key(key))
                })
                .dependents(&["boto3", "rclone", "aws-cli"]);
        }
        let rule = "With encoding-type=url a plus and a space are told apart.";
        suite = suite.core(&api.id("plus_and_space"), &["LST-26"], rule, move |fx| async move {
            put_all(&fx, &["a b", "a+b"]).await?;
            let answer = list(&fx, api, "a", "&encoding-type=url").await?;
            let found = answer.text().matches("<Key>").count();
            expect::eq("keys", found, 2)?;
            let space = expect::some("Key", answer.element("Key"))?;
            let tail = space.strip_prefix(&encode_path(&fx.key(""))).or_else(|| space.rsplit_once("%2F").map(|(_, tail)| tail)).unwrap_or(&space);
            expect::that("the key `a b`", tail == "a+b" || tail == "a%20b", "a+b or a%20b", tail)?;
            let other = if answer.text().contains("a%2Bb") { "a%2Bb" } else { "a+b" };
            expect::that("the key `a+b`", other == "a%2Bb", "a%2Bb", other)
        });
    }
    suite
}

fn elements(mut suite: Suite) -> Suite {
    for api in API {
        suite = suite
            .core(&api.id("prefix_is_encoded"), &["LST-26"], "With encoding-type=url Prefix is percent-encoded.", move |fx| async move {
                fx.put("a b\u{e4}/1", b"x").await?;
                encoded(&list(&fx, api, "a b\u{e4}/", "&encoding-type=url").await?, "Prefix", &fx.key("a b\u{e4}/"))
            })
            .core(&api.id("delimiter_is_encoded"), &["LST-26"], "With encoding-type=url Delimiter is percent-encoded.", move |fx| async move {
                fx.put("a\u{e4}1", b"x").await?;
                encoded(&list(&fx, api, "a", "&encoding-type=url&delimiter=%C3%A4").await?, "Delimiter", "\u{e4}")
            })
            .core(
                &api.id("common_prefix_is_encoded"),
                &["LST-26"],
                "With encoding-type=url the Prefix in CommonPrefixes is percent-encoded.",
                move |fx| async move {
                    fx.put("a b\u{e4}/1", b"x").await?;
                    let mut answer = list(&fx, api, "a", "&encoding-type=url&delimiter=%2F").await?;
                    let text = answer.text();
                    let inside = expect::some("CommonPrefixes", text.split_once("<CommonPrefixes>"))?.1.to_owned();
                    answer.body = inside.into_bytes();
                    encoded(&answer, "Prefix", &fx.key("a b\u{e4}/"))
                },
            )
            .core(&api.id("encoding_is_told"), &["LST-26"], "EncodingType is told where it was asked for.", move |fx| async move {
                fx.put("a", b"x").await?;
                let answer = list(&fx, api, "a", "&encoding-type=url").await?;
                expect::eq("EncodingType", answer.element("EncodingType").as_deref(), Some("url")).class(WrongCode)
            })
            .core(&api.id("encoding_is_not_told"), &["LST-26"], "EncodingType is not told where it was not asked for.", move |fx| async move {
                fx.put("a", b"x").await?;
                expect::eq("EncodingType", list(&fx, api, "a", "").await?.element("EncodingType"), None).class(WrongCode)
            })
            .core(&api.id("unknown_encoding"), &["LST-26"], "Another encoding-type than url answers 400 InvalidArgument.", move |fx| async move {
                let (operation, version) = if api == Api::V2 { ("ListObjectsV2", "list-type=2&") } else { ("ListObjects", "") };
                let answer = fx.raw_bucket(operation, "GET", &format!("?{version}encoding-type=other")).send().await;
                expect::error(answer, 400, "InvalidArgument")
            });
    }
    suite
}

fn boundaries(suite: Suite) -> Suite {
    suite
        .core("list_objects/marker_is_encoded", &["LST-26"], "With encoding-type=url Marker is percent-encoded.", async |fx| {
            put_all(&fx, &["a \u{e4}", "b"]).await?;
            let query = format!("&encoding-type=url&marker={}", encode_query(&fx.key("a \u{e4}")));
            encoded(&list(&fx, Api::V1, "", &query).await?, "Marker", &fx.key("a \u{e4}"))
        })
        .core("list_objects/next_marker_is_encoded", &["LST-26"], "With encoding-type=url NextMarker is percent-encoded.", async |fx| {
            put_all(&fx, &["a \u{e4}/1", "b"]).await?;
            let answer = list(&fx, Api::V1, "", "&encoding-type=url&delimiter=%2F&max-keys=1").await?;
            let found = expect::some("NextMarker", answer.element("NextMarker"))?;
            // Some servers add to a marker what they want to remember, which is none of the client's business.
            let due = fx.key("a \u{e4}/");
            let is_encoded = found.is_ascii() && [decoded(&found), decoded(&found.replace('+', " "))].iter().any(|plain| plain.starts_with(&due));
            expect::that("NextMarker", is_encoded, &format!("{due:?}, encoded"), &found).class(WrongCode)
        })
        .core("list_objects_v2/start_after_is_encoded", &["LST-26"], "With encoding-type=url StartAfter is percent-encoded.", async |fx| {
            put_all(&fx, &["a \u{e4}", "b"]).await?;
            let query = format!("&encoding-type=url&start-after={}", encode_query(&fx.key("a \u{e4}")));
            encoded(&list(&fx, Api::V2, "", &query).await?, "StartAfter", &fx.key("a \u{e4}"))
        })
        .core(
            "list_objects_v2/token_is_not_encoded",
            &["LST-26"],
            "A continuation token goes on as it was answered, also with encoding-type=url.",
            async |fx| {
                put_all(&fx, &["a+\u{e4}%", "b"]).await?;
                let first = list(&fx, Api::V2, "", "&encoding-type=url&max-keys=1").await?;
                let token = expect::some("NextContinuationToken", first.element("NextContinuationToken"))?;
                let second = list(&fx, Api::V2, "", &format!("&encoding-type=url&continuation-token={}", encode_query(&token))).await?;
                encoded(&second, "Key", &fx.key("b"))
            },
        )
}

/// Control characters: XML 1.0 holds none of them but tab, line feed and carriage return.
const CONTROLS: [(&str, &str); 4] = [("x01", "a\u{1}b"), ("x1f", "a\u{1f}b"), ("x08", "a\u{8}b"), ("x7f", "a\u{7f}b")];

fn illegal(mut suite: Suite) -> Suite {
    for (name, key) in CONTROLS {
        let rule = format!("A key with the control character {name} is listed percent-encoded with encoding-type=url.");
        suite = suite.extended(&format!("list_objects_v2/control_{name}"), &["LST-28"], &rule, move |fx| async move {
            fx.unlisted(&encode_path(&fx.key(key)))?;
            let put = fx.raw_object("PutObject", "PUT", key, "").body(b"x".to_vec()).send().await;
            expect::ok(put)?;
            let answer = list(&fx, Api::V2, "", "&encoding-type=url").await?;
            expect::eq("XML of the body", well_formed(&answer.body), Ok(()))?;
            encoded(&answer, "Key", &fx.key(key))
        });
    }
    suite
}
