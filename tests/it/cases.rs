//! The suites as data, compared with the catalogue.

#[path = "../../suites/mod.rs"]
pub mod suites;

use std::collections::{BTreeMap, BTreeSet};

use proofmark::case::{self, Suite};
use proofmark::model::Level;

use crate::site::Site;

/// The catalogue of behaviours: id -> level.
fn catalogue() -> BTreeMap<String, Level> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/suites/catalogue.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows = reader.records().map(|record| record.unwrap());
    rows.map(|row| (row[0].to_owned(), serde_json::from_value(row[1].into()).unwrap())).collect()
}

fn area(row: &str) -> &str {
    row.split('-').next().unwrap()
}

#[test]
fn the_catalogue_has_every_behaviour_once() {
    let catalogue = catalogue();
    assert_eq!(catalogue.len(), 617);
    assert_eq!(catalogue.keys().map(|row| area(row)).collect::<BTreeSet<_>>().len(), 31);
    assert_eq!(catalogue.values().filter(|level| **level == Level::Core).count(), 177);
}

#[test]
fn case_ids_are_unique_and_well_formed() {
    let mut seen = BTreeSet::new();
    for info in case::list(&suites::all()) {
        let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        let behaviour = info.id.as_str().split('/').nth(1).unwrap_or_default();
        assert!(is_word(info.suite()) && is_word(info.operation()) && is_word(behaviour), "{} is not suite::operation/behaviour", info.id);
        assert_eq!(info.id.as_str(), format!("{}::{}/{behaviour}", info.suite(), info.operation()));
        assert!(seen.insert(info.id.clone()), "{} is there twice", info.id);
    }
}

#[test]
fn cases_name_rows_of_the_catalogue_and_have_the_first_rows_level() {
    let catalogue = catalogue();
    for info in case::list(&suites::all()) {
        assert!(!info.rows.is_empty(), "{} proves no row", info.id);
        for row in &info.rows {
            assert!(catalogue.contains_key(row), "{}: {row} is not in the catalogue", info.id);
        }
        assert_eq!(info.level, catalogue[&info.rows[0]], "{}: level of {}", info.id, info.rows[0]);
    }
}

#[test]
fn rules_are_one_sentence() {
    for info in case::list(&suites::all()) {
        assert!(info.rule.ends_with('.') && !info.rule.contains(". "), "{}: {}", info.id, info.rule);
        assert!(!info.source.is_empty(), "{} has no source", info.id);
    }
}

/// A row that no case proves, and why.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct NotCovered {
    id: String,
    reason: String,
}

fn not_covered() -> Vec<NotCovered> {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(default)]
        row: Vec<NotCovered>,
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/suites/not-covered.toml")).unwrap();
    toml::from_str::<File>(&text).unwrap().row
}

#[test]
fn every_row_of_the_catalogue_is_listed_or_left_out_with_a_reason() {
    let listed = Site::new().run(&["list", "--format", "markdown"]);
    let rows = listed.out.lines().filter(|line| line.contains("::")).filter_map(|line| line.split('|').nth(3));
    let covered: BTreeSet<String> = rows.flat_map(str::split_whitespace).map(str::to_owned).collect();
    let (catalogue, left_out) = (catalogue(), not_covered());
    let names: BTreeSet<&str> = left_out.iter().map(|row| row.id.as_str()).collect();
    let missing: Vec<&String> = catalogue.keys().filter(|row| !covered.contains(*row) && !names.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "{} rows have neither a case nor a reason: {missing:?}", missing.len());
    for row in &left_out {
        assert!(catalogue.contains_key(&row.id) && !covered.contains(&row.id), "{} is no row, or has a case", row.id);
        assert!(matches!(catalogue[&row.id], Level::Extended | Level::Rare), "{} is {:?}", row.id, catalogue[&row.id]);
        assert!(row.reason.len() >= 20, "{}: {:?} is no reason", row.id, row.reason);
    }
    assert_eq!(names.len(), left_out.len(), "a row is left out twice");
    assert!(left_out.len() * 100 <= catalogue.len() * 3, "{} rows are left out", left_out.len());
}

#[test]
fn every_case_of_an_sdk_generation_is_named_by_its_file() {
    let root = proofmark::config::Root::new(env!("CARGO_MANIFEST_DIR"));
    let files = proofmark::config::load_applications(&root).unwrap();
    let needs = files.iter().flat_map(|application| &application.file.needs);
    let named: BTreeSet<&String> = needs.flat_map(|need| need.cases.iter().chain(need.setting.iter().flat_map(|setting| &setting.cases))).collect();
    for info in case::list(&suites::all()).into_iter().filter(|info| info.suite() == "client") {
        assert!(named.contains(&info.id.0), "no file of suites/applications names {}", info.id);
    }
}

#[test]
fn every_suite_file_is_mounted() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/suites");
    let mounted: BTreeSet<&str> = suites::all().iter().map(Suite::name).collect();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let names: BTreeSet<String> = files.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    for name in names.iter().filter(|name| !["grants", "mod", "pages", "shapes"].contains(&name.as_str())) {
        assert!(mounted.contains(name.as_str()), "suites/{name}.rs is not in suites::all()");
    }
    assert!(mounted.iter().all(|name| names.contains(*name)), "a suite's name is the stem of its file");
}
