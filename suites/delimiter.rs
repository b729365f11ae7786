//! Suite `delimiter`: which keys a list rolls up, for every kind of delimiter and every place that a prefix can end at.

use proofmark::case::{Checked, Fixture, Suite, expect};

use super::listing::{fx_keys, put_all};
use super::pages::{API, Api, Page, Query};

/// Delimiters, the keys to list with them, and the common prefixes and keys that are due.
type Kind = (&'static str, &'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const KINDS: [Kind; 16] = [
    ("letter", "a", &["bar", "baz", "cab", "foo"], &["ba", "ca"], &["foo"]),
    ("hyphen", "-", &["a-1", "a-2", "b"], &["a-"], &["b"]),
    ("percent", "%", &["b%ar", "b%az", "c%ab", "foo"], &["b%", "c%"], &["foo"]),
    ("space", " ", &["b ar", "b az", "c ab", "foo"], &["b ", "c "], &["foo"]),
    ("dot", ".", &["b.ar", "b.az", "c.ab", "foo"], &["b.", "c."], &["foo"]),
    ("plus", "+", &["a+1", "a+2", "b"], &["a+"], &["b"]),
    ("ampersand", "&", &["a&1", "a&2", "b"], &["a&"], &["b"]),
    ("less_than", "<", &["a<1", "a<2", "b"], &["a<"], &["b"]),
    ("hash", "#", &["a#1", "a#2", "b"], &["a#"], &["b"]),
    ("backslash", "\\", &["a\\1", "a\\2", "b"], &["a\\"], &["b"]),
    ("two_characters", "::", &["a::1", "a::2", "a:3", "b"], &["a::"], &["a:3", "b"]),
    ("repeated_slash", "_/_", &["a_/_1", "a_/_2", "a_/3", "b"], &["a_/_"], &["a_/3", "b"]),
    ("word", "part", &["apart", "apartment", "par", "b"], &["apart"], &["b", "par"]),
    ("umlaut", "\u{e4}", &["a\u{e4}1", "a\u{e4}2", "b"], &["a\u{e4}"], &["b"]),
    ("emoji", "\u{1f980}", &["a\u{1f980}1", "a\u{1f980}2", "b"], &["a\u{1f980}"], &["b"]),
    ("that_no_key_has", "|", &["a/1", "b"], &[], &["a/1", "b"]),
];

/// Prefix and delimiter, and what is due of [`TREE`].
type Combination = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const TREE: [&str; 9] = ["asdf", "boo/bar", "boo/baz/xyzzy", "boo/baz/zyx", "cquux/bla", "cquux/thud", "d/", "d/e", "dd"];

const COMBINATIONS: [Combination; 14] = [
    ("no_prefix", "", "/", &["boo/", "cquux/", "d/"], &["asdf", "dd"]),
    ("prefix_of_a_directory", "boo/", "/", &["boo/baz/"], &["boo/bar"]),
    ("prefix_without_delimiter_at_end", "boo", "/", &["boo/"], &[]),
    ("prefix_of_part_of_a_name", "b", "/", &["boo/"], &[]),
    ("prefix_inside_a_directory", "boo/ba", "/", &["boo/baz/"], &["boo/bar"]),
    ("prefix_of_a_nested_directory", "boo/baz/", "/", &[], &["boo/baz/xyzzy", "boo/baz/zyx"]),
    ("prefix_that_is_a_key", "asdf", "/", &[], &["asdf"]),
    ("prefix_that_is_a_nested_key", "boo/baz/zyx", "/", &[], &["boo/baz/zyx"]),
    ("prefix_behind_all_keys", "zz", "/", &[], &[]),
    ("prefix_of_a_missing_directory", "asdf/", "/", &[], &[]),
    ("prefix_with_marker", "d/", "/", &[], &["d/", "d/e"]),
    ("prefix_of_marker_and_key", "d", "/", &["d/"], &["dd"]),
    ("delimiter_inside_prefix_only", "cquux/", "u", &["cquux/thu"], &["cquux/bla"]),
    ("other_delimiter_than_the_prefix_ends_with", "boo/", "z", &["boo/baz"], &["boo/bar"]),
];

async fn shows(fx: &Fixture, api: Api, query: Query<'_>, prefixes: &[&str], keys: &[&str]) -> Checked {
    let page: Page = api.page(fx, query).await?;
    expect::eq("common prefixes", page.prefixes, fx_keys(prefixes))?;
    expect::eq("keys", page.keys, fx_keys(keys))?;
    expect::eq("IsTruncated", page.is_truncated, false)
}

/// The suite.
pub fn suite() -> Suite {
    echoes(absent(combinations(kinds(Suite::new("delimiter").source("S3 user guide, Organizing objects using prefixes")))))
}

fn kinds(mut suite: Suite) -> Suite {
    for api in API {
        for (name, delimiter, keys, prefixes, rest) in KINDS {
            let rule = format!("The delimiter `{delimiter}` rolls keys up, each common prefix once.");
            suite = suite.common(&api.id(name), &["LST-09"], &rule, move |fx| async move {
                put_all(&fx, keys).await?;
                shows(&fx, api, Query { delimiter: Some(delimiter), ..Query::default() }, prefixes, rest).await
            });
        }
        let rule = "A delimiter that cannot be printed rolls keys up.";
        suite = suite.common(&api.id("control_character"), &["LST-09"], rule, move |fx| async move {
            put_all(&fx, &["a\u{a}1", "a\u{a}2", "b"]).await?;
            shows(&fx, api, Query { delimiter: Some("\u{a}"), ..Query::default() }, &["a\u{a}"], &["b"]).await
        });
    }
    suite
}

fn combinations(mut suite: Suite) -> Suite {
    for api in API {
        for (name, prefix, delimiter, prefixes, keys) in COMBINATIONS {
            let rule = format!("The prefix `{prefix}` and the delimiter `{delimiter}` show exactly what lies there.");
            suite = suite
                .core(&api.id(name), &["LST-11"], &rule, move |fx| async move {
                    put_all(&fx, &TREE).await?;
                    shows(&fx, api, Query { prefix, delimiter: Some(delimiter), ..Query::default() }, prefixes, keys).await
                })
                .dependents(&["S3A"]);
        }
    }
    suite
}

/// Keys without a directory marker.
const PLAIN: [&str; 7] = ["asdf", "boo/bar", "boo/baz/xyzzy", "boo/baz/zyx", "cquux/bla", "cquux/thud", "dd"];

/// What is asked for in place of a delimiter that rolls up.
const NONE: [(&str, Option<&str>); 2] = [("absent", None), ("empty", Some(""))];

/// Prefixes without a delimiter.
const PREFIXES: [(&str, &str, &[&str]); 5] = [
    ("prefix_of_a_name", "bo", &["boo/bar", "boo/baz/xyzzy", "boo/baz/zyx"]),
    ("prefix_of_a_whole_directory", "boo/baz/", &["boo/baz/xyzzy", "boo/baz/zyx"]),
    ("empty_prefix", "", &PLAIN),
    ("prefix_of_nothing", "zz", &[]),
    ("prefix_longer_than_any_key", "asdfasdfasdf", &[]),
];

fn absent(mut suite: Suite) -> Suite {
    for api in API {
        for (name, delimiter) in NONE {
            let rule = format!("With the delimiter {name} nothing is rolled up.");
            suite = suite.core(&api.id(&format!("delimiter_{name}")), &["LST-10"], &rule, move |fx| async move {
                put_all(&fx, &PLAIN).await?;
                shows(&fx, api, Query { delimiter, ..Query::default() }, &[], &PLAIN).await
            });
        }
        for (name, prefix, keys) in PREFIXES {
            let rule = format!("The prefix `{prefix}` shows exactly the keys that begin with it.");
            suite = suite.core(&api.id(name), &["LST-07"], &rule, move |fx| async move {
                put_all(&fx, &PLAIN).await?;
                shows(&fx, api, Query { prefix, ..Query::default() }, &[], keys).await
            });
        }
    }
    suite
}

/// Claims that a page of the prefix `a/` and the delimiter `/` says what was asked for.
fn echoed(fx: &Fixture, prefix: Option<&str>, delimiter: Option<&str>, name: Option<&str>) -> Checked {
    expect::eq("Prefix", prefix, Some(fx.key("a/").as_str()))?;
    expect::eq("Delimiter", delimiter, Some("/"))?;
    expect::eq("Name", name, Some(fx.bucket()))
}

fn echoes(suite: Suite) -> Suite {
    const ECHO: &str = "A list echoes its prefix, delimiter and bucket.";
    suite
        .core("list_objects_v2/echoes_the_question", &["LST-11"], ECHO, async |fx| {
            fx.put("a/1", b"x").await?;
            let page = expect::ok(fx.list("a/").delimiter("/").send().await)?;
            echoed(&fx, page.prefix(), page.delimiter(), page.name())
        })
        .core("list_objects/echoes_the_question", &["LST-11"], ECHO, async |fx| {
            fx.put("a/1", b"x").await?;
            let page = expect::ok(fx.s3().list_objects().bucket(fx.bucket()).prefix(fx.key("a/")).delimiter("/").send().await)?;
            echoed(&fx, page.prefix(), page.delimiter(), page.name())
        })
}
