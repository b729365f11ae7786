//! Suite `object_name`: keys are any UTF-8 up to 1024 bytes, kept as they are.

use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::units::Bytes;

/// Characters that clients put into keys; each is a case, because each breaks on another server.
const CHARACTERS: [(&str, &str); 33] = [
    ("exclamation_mark", "!"),
    ("hyphen", "-"),
    ("underscore", "_"),
    ("dot", "."),
    ("asterisk", "*"),
    ("apostrophe", "'"),
    ("parenthesis_left", "("),
    ("parenthesis_right", ")"),
    ("ampersand", "&"),
    ("dollar", "$"),
    ("at", "@"),
    ("equals", "="),
    ("semicolon", ";"),
    ("colon", ":"),
    ("plus", "+"),
    ("comma", ","),
    ("question_mark", "?"),
    ("space", " "),
    ("two_spaces", "  "),
    ("hash", "#"),
    ("percent", "%"),
    ("percent_and_hex", "%20"),
    ("caret", "^"),
    ("tilde", "~"),
    ("quotation_mark", "\""),
    ("less_than", "<"),
    ("greater_than", ">"),
    ("square_brackets", "[]"),
    ("pipe", "|"),
    ("latin", "\u{e4}"),
    ("cjk", "\u{65e5}\u{672c}"),
    ("emoji", "\u{1f980}"),
    ("joined_emoji", "\u{1f469}\u{200d}\u{1f680}"),
];

/// Keys that look like paths but are not.
const PATHS: [(&str, &str); 9] = [
    ("inner_double_slash", "double//slash"),
    ("trailing_double_slash", "double//"),
    ("first_slash", "/leading"),
    ("first_double_slash", "//leading"),
    ("trailing_slash", "trailing/"),
    ("dot_segment", "a/./b"),
    ("dot_dot_segment", "up/../down"),
    ("last_dot_segment", "a/."),
    ("first_dot_dot_segment", "../a"),
];

/// Pairs of keys that a file system may take for one.
const PAIRS: [(&str, &str, &str); 4] = [
    ("case_is_significant", "Name", "name"),
    ("case_of_umlaut_is_significant", "\u{c4}", "\u{e4}"),
    ("unicode_form_is_significant", "caf\u{e9}", "cafe\u{301}"),
    ("trailing_space_is_significant", "a", "a "),
];

/// Keys whose order by UTF-8 bytes is another than by UTF-16 units, by case-blind letters, or by path segments.
const ORDERS: [(&str, &[&str]); 4] = [
    ("bytes_not_utf16", &["a\u{ff5e}", "a\u{1f980}"]),
    ("bytes_not_case_blind", &["B", "a", "b"]),
    ("prefix_first", &["a", "a\u{1f980}", "a\u{1f980}\u{10ffff}", "b"]),
    ("bytes_not_segments", &["a!b", "a-b", "a/b", "a0b"]),
];

/// Stores the key, reads it, lists exactly it, deletes it.
async fn round_trip(fx: &Fixture, key: &str) -> Checked {
    let body = if key.ends_with('/') { Vec::new() } else { fx.random_bytes(Bytes(100)) };
    expect::ok(fx.put_object(key).body(body.clone().into()).send().await)?;
    fx.holds(key, &body).await?;
    let listed = expect::ok(fx.list("").send().await)?;
    let keys: Vec<&str> = listed.contents().iter().filter_map(|object| object.key()).collect();
    expect::eq("listed keys", keys, vec![fx.key(key).as_str()])?;
    expect::ok(fx.delete_object(key).send().await)?;
    fx.absent(key).await
}

/// The suite.
pub fn suite() -> Suite {
    lengths(orders(pairs(paths(characters(Suite::new("object_name").source("S3 user guide, Naming Amazon S3 objects"))))))
}

fn characters(mut suite: Suite) -> Suite {
    for (name, characters) in CHARACTERS {
        let rule = format!("A key with `{characters}` round-trips through PUT, GET, list and DELETE.");
        suite = suite.core(&format!("put_object/key_with_{name}"), &["PUT-08"], &rule, move |fx| async move {
            round_trip(&fx, &format!("a{characters}z")).await
        });
    }
    suite
}

fn paths(mut suite: Suite) -> Suite {
    for (name, key) in PATHS {
        let rule = format!("The key `{key}` is listed as it is, and no other.");
        suite = suite
            .common(&format!("put_object/key_with_{name}"), &["PUT-06"], &rule, move |fx| async move { round_trip(&fx, key).await })
            .dependents(&["Hadoop", "Spark", "Nextcloud"]);
    }
    suite
}

fn pairs(mut suite: Suite) -> Suite {
    for (name, first, second) in PAIRS {
        let rule = format!("The keys `{first}` and `{second}` are two objects.");
        suite = suite.common(&format!("put_object/{name}"), &["PUT-09"], &rule, move |fx| async move {
            fx.put(first, b"first").await?;
            fx.put(second, b"second").await?;
            fx.holds(first, b"first").await?;
            fx.holds(second, b"second").await?;
            let listed = expect::ok(fx.list("").send().await)?;
            expect::eq("listed keys", listed.contents().len(), 2)
        });
    }
    suite
}

fn orders(mut suite: Suite) -> Suite {
    for (name, keys) in ORDERS {
        let rule = format!("Keys are listed in the order of their UTF-8 bytes: {}.", keys.join(", "));
        suite = suite
            .common(&format!("list_objects_v2/{name}"), &["PUT-10"], &rule, move |fx| async move {
                for key in keys.iter().rev() {
                    fx.put(key, b"x").await?;
                }
                let listed = expect::ok(fx.list("").send().await)?;
                let shown: Vec<&str> = listed.contents().iter().filter_map(|object| object.key()).collect();
                let expected: Vec<String> = keys.iter().map(|key| fx.key(key)).collect();
                expect::eq("listed keys", shown, expected.iter().map(String::as_str).collect::<Vec<_>>())
            })
            .dependents(&["rclone"]);
    }
    suite
}

/// A key of exactly this many bytes, prefix included, in segments of at most 16 characters.
fn long(fx: &Fixture, bytes: usize) -> String {
    let segments = "0123456789abcde/".repeat(70);
    let mut key = segments[..bytes - fx.prefix().len()].to_owned();
    if key.ends_with('/') {
        key.replace_range(key.len() - 1.., "x");
    }
    key
}

fn lengths(suite: Suite) -> Suite {
    suite
        .common("put_object/key_of_1024_bytes", &["PUT-05"], "A key of 1024 bytes is stored.", async |fx| {
            let key = long(&fx, 1024);
            expect::ok(fx.put_object(&key).body(b"x".to_vec().into()).send().await)?;
            fx.holds(&key, b"x").await
        })
        .common("put_object/key_of_1025_bytes", &["PUT-05"], "A key of 1025 bytes answers 400 KeyTooLongError.", async |fx| {
            let put = fx.put_object(&long(&fx, 1025)).body(b"x".to_vec().into()).send().await;
            expect::error(put, 400, "KeyTooLongError")
        })
        .common(
            "put_object/key_of_1025_bytes_in_fewer_characters",
            &["PUT-05"],
            "The length of a key counts in bytes of UTF-8: 1025 of them in fewer characters answer 400 KeyTooLongError.",
            async |fx| {
                let mut key = long(&fx, 1025 - 200);
                key.push_str(&"/\u{e4}\u{e4}\u{65e5}".repeat(25));
                let put = fx.put_object(&key).body(b"x".to_vec().into()).send().await;
                expect::error(put, 400, "KeyTooLongError")
            },
        )
}
