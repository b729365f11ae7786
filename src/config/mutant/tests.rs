//! What a mutants file may say, and which exchanges a condition takes.

use super::*;

const ONE: &str = "[[mutant]]\nid = \"a-b\"\ntitle = \"It forgets.\"\nareas = [\"PUT\"]\noperations = [\"PutObject\"]\n";

fn read(text: &str) -> Result<Vec<Mutant>, String> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mutants.toml");
    std::fs::write(&file, text).unwrap();
    read_mutants(&file).map_err(|error| error.to_string())
}

#[test]
fn a_family_stands_for_one_mutant_per_operation() {
    let change = "changes = [{ set-status = { status = 201 } }]\n";
    let family = "[[family]]\nid = \"no\"\ntitle = \"{operation} is refused.\"\nareas = [\"GET\"]\noperations = [\"GetObject\", \"HeadObject\"]\n";
    let mutants = read(&format!("{ONE}{change}{family}{change}")).unwrap();
    let ids: Vec<&str> = mutants.iter().map(|mutant| mutant.id.as_str()).collect();
    assert_eq!(ids, ["a-b", "no/GetObject", "no/HeadObject"]);
    assert_eq!((mutants[2].title.as_str(), &mutants[2].operations[..]), ("HeadObject is refused.", &["HeadObject".to_owned()][..]));
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    let change = "changes = [{ set-status = { status = 201 } }]\n";
    for (text, line, word) in [
        (format!("{ONE}changes = [{{ set-statos = {{ status = 201 }} }}]\n"), ":6:", "set-statos"),
        (format!("{ONE}{change}wen = {{}}\n"), ":7:", "wen"),
        (format!("{ONE}{change}{ONE}{change}"), ":2:", "twice"),
        (format!("{ONE}changes = []\n"), ":2:", "must not be empty"),
        (format!("{}{change}", ONE.replace("PUT", "Put")), ":2:", "area"),
        (format!("{}{change}", ONE.replace("forgets.", "forgets")), ":2:", "full stop"),
    ] {
        let error = read(&text).unwrap_err();
        assert!(error.contains(line) && error.contains(word), "{error}");
    }
}

#[test]
fn conditions_look_at_headers_query_and_signature() {
    let headers = [("If-Match".to_owned(), "\"abc\"".to_owned()), ("Authorization".to_owned(), "AWS4".to_owned())];
    let when = |text: &str| toml::from_str::<When>(text).unwrap();
    for (text, is_asked) in [
        ("", true),
        ("header = ['if-match']", true),
        ("header = ['if-match: ABC']", true),
        ("header = ['if-*']", true),
        ("header = ['if-match: x']", false),
        ("no-header = ['if-match']", false),
        ("query = ['uploads']", true),
        ("query = ['a=1', 'uploads']", true),
        ("query = ['a=2']", false),
        ("no-query = ['b']", true),
        ("auth = 'header'", true),
        ("auth = 'anonymous'", false),
    ] {
        assert_eq!(when(text).asks("/b/k?a=1&uploads", &headers), is_asked, "{text}");
    }
    assert!(when("auth = 'presigned'").asks("/b/k?X-Amz-Signature=00", &[]));
}

#[test]
fn conditions_look_at_status_headers_and_text_of_the_answer() {
    let when: When = toml::from_str("status = '4xx'\ncode = 'NoSuchKey'\nresponse-header = ['x-amz-delete-marker']").unwrap();
    let headers = [("x-amz-delete-marker".to_owned(), "true".to_owned())];
    assert!(when.is_answered(404, &headers) && !when.is_answered(200, &headers) && !when.is_answered(404, &[]));
    assert!(when.is_told("<Error><Code>NoSuchKey</Code></Error>") && !when.is_told("<Code>NoSuchBucket</Code>"));
    assert!(!When { status: Some("404".to_owned()), ..When::default() }.is_answered(403, &[]));
}
