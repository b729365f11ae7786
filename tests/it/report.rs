//! The report: what it shows, what it escapes, and that it is the same every time.

#[path = "report/browser.rs"]
pub mod browser;
#[path = "report/page.rs"]
pub mod page;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use page::Grid;
use proofmark::model::{CaseRecord, HostFacts, RunId, ScenarioRecord, VendorId, Verdict};
use proofmark::report::{self, sample};
use proofmark::store::{self, Run, RunDir};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn templates() -> PathBuf {
    root().join("report-templates")
}

/// Renders runs and returns the files' texts by name.
fn rendered(runs: &[Run]) -> BTreeMap<String, String> {
    let out = TempDir::new().unwrap();
    let files = report::render(runs, &templates(), out.path()).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

fn csv_rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader.deserialize().map(Result::unwrap).collect()
}

/// Writes a run as a run directory.
fn write_run(run: &Run, path: &Path) {
    let directory = RunDir::create(path).unwrap();
    directory.write_header(&run.header).unwrap();
    for vendor in &run.vendors {
        let sink = directory.vendor(&vendor.record.vendor).unwrap();
        sink.vendor(&vendor.record).unwrap();
        vendor.cases.iter().for_each(|record| sink.case(record).unwrap());
        vendor.scenarios.iter().for_each(|record| sink.scenario(record).unwrap());
        sink.usage(&vendor.usage).unwrap();
    }
}

#[test]
fn every_template_renders_on_a_full_and_an_empty_sample() {
    report::check_templates(&templates()).unwrap();
}

#[test]
fn the_view_and_the_tables_are_as_agreed() {
    let runs = sample::full();
    let files = rendered(&runs);
    insta::assert_json_snapshot!("report_view", report::view(&runs).unwrap());
    for name in ["results.csv", "scores.csv", "cost.csv", "comparison.csv", "scaling.csv", "summary.md", "junit.xml"] {
        insta::assert_snapshot!(format!("report_{name}"), files[name]);
    }
}

#[test]
fn a_recorded_run_renders_as_it_did_in_memory() {
    let fixture = root().join("tests/fixtures/three-vendors");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        let _ = std::fs::remove_dir_all(&fixture);
        write_run(&sample::full()[0], &fixture);
    }
    let recorded = store::load(&fixture).unwrap();
    assert!(rendered(&[recorded]) == rendered(&sample::full()), "set UPDATE_FIXTURES=1 when the sample was meant to change");
}

#[test]
fn rendering_again_gives_the_same_bytes() {
    assert!(rendered(&sample::full()) == rendered(&sample::full()));
}

#[test]
fn the_page_loads_nothing_from_elsewhere() {
    let page = &rendered(&sample::full())["report.html"];
    for value in page::attributes(page, &["href", "src", "action", "data", "srcset", "poster"]) {
        assert!(!value.contains("://") && !value.starts_with("//") && !value.starts_with("javascript:"), "{value}");
        assert!(!value.contains(':') || value == "data:," || value.starts_with('#'), "{value}");
    }
    for loader in ["url(", "@import", "<iframe", "<img", "<object", "<embed", " onload=", " onclick=", " onerror="] {
        assert!(!page.contains(loader), "{loader}");
    }
    let script = page.rsplit_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script.as_bytes()));
    assert!(page.contains(&format!("script-src 'sha256-{hash}'")) && page.contains("default-src 'none'"));
}

#[test]
fn what_a_server_said_is_text_and_nothing_else() {
    let files = rendered(&sample::full());
    let page = &files["report.html"];
    assert_eq!(page.matches("<script").count(), 1, "only our own");
    assert!(page.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;"));
    assert!(!files["summary.md"].contains("<script"));
    quick_xml_is_well_formed(&files["junit.xml"]);
    for name in ["results.csv", "scores.csv", "cost.csv", "comparison.csv", "scaling.csv"] {
        assert!(files[name].lines().next().unwrap().ends_with('\r') || files[name].contains("\r\n"), "{name} has RFC 4180 line ends");
        for cell in csv_rows(&files[name]).iter().flat_map(|row| row.values()) {
            let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
            assert!(!formula, "{name}: {cell}");
        }
    }
}

fn quick_xml_is_well_formed(text: &str) {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => break,
            event => drop(event),
        }
    }
}

#[test]
fn every_verdict_metric_and_gate_stands_in_html_with_the_value_of_the_csv() {
    let files = rendered(&sample::full());
    let checked = page::compare(&files["report.html"], &csv_rows(&files["results.csv"]));
    assert!(checked > 150, "{checked} rows were compared");
}

#[test]
fn every_comparison_stands_in_html_with_the_outcome_of_the_csv() {
    let files = rendered(&sample::full());
    let grid = Grid::read(&files["report.html"], "comparison");
    let rows = csv_rows(&files["comparison.csv"]);
    for row in &rows {
        let cell = grid.cell(&format!("{}|{}", row["scenario"], row["metric"]), &row["vendor"]).unwrap_or_else(|| panic!("no cell for {row:?}"));
        let outcome = if row["outcome"] == "untested" { "not measured" } else { &row["outcome"] };
        assert!(cell.starts_with(&format!("<b>{outcome}</b>")) && cell.contains(&row["median"]), "{row:?}: {cell}");
    }
    for outcome in ["slower", "equivalent", "inconclusive", "untested"] {
        assert!(rows.iter().any(|row| row["outcome"] == outcome), "the sample has no {outcome}");
    }
}

#[test]
fn a_changed_cell_in_the_page_is_noticed() {
    let files = rendered(&sample::full());
    let page = files["report.html"].replacen("<td class=u>unsupported", "<td class=u>pass", 1);
    let rows = csv_rows(&files["results.csv"]);
    assert!(std::panic::catch_unwind(|| page::compare(&page, &rows)).is_err());
}

#[test]
fn every_table_has_a_caption_and_scoped_headings() {
    let page = &rendered(&sample::full())["report.html"];
    for table in page::tables(page) {
        assert!(table.contains("<caption>") && table.contains("<thead>"), "{table:.80}");
        let heads = table.matches("<th").count() - table.matches("<thead").count();
        // Without a scope, a heading belongs to its row where that holds data: so HTML has it, and the many rows of cases rely on it.
        let of_rows = if table.contains("id=\"case-table\"") { table.matches("<tr><th>").count() + table.matches("\"><th>").count() } else { 0 };
        assert_eq!(heads, table.matches("<th scope=").count() + of_rows, "{table:.80}");
    }
    let mut ids = page::attributes(page, &["id"]);
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "every id is unique");
    for target in page::attributes(page, &["href"]).iter().filter_map(|href| href.strip_prefix('#')) {
        assert!(ids.binary_search(&target.to_owned()).is_ok(), "#{target} leads nowhere");
    }
}

#[test]
fn power_loss_is_always_listed_as_not_tested() {
    for runs in [sample::full(), sample::empty()] {
        let view = serde_json::to_value(report::view(&runs).unwrap()).unwrap();
        let last = view["durability"]["matrix"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["code"], "F18");
        assert!(last["cells"].as_array().unwrap().iter().all(|cell| cell["state"] == "untested"));
    }
}

#[test]
fn a_lab_makes_no_recommendation_and_a_trial_does() {
    let mut runs = sample::full();
    let headline = |runs: &[Run]| serde_json::to_value(report::view(runs).unwrap()).unwrap()["summary"]["headline"].as_str().unwrap().to_owned();
    assert!(headline(&runs).contains("No recommendation: this is a lab setting."));
    runs[0].vendors.iter_mut().for_each(|vendor| vendor.record.setting = proofmark::model::Setting::Trial);
    assert_eq!(headline(&runs), "Steady Store is recommended.");
    let page = &rendered(&runs)["report.html"];
    assert!(!page.contains("not vendor performance"));
}

#[test]
fn an_unfinished_run_says_incomplete_at_the_top() {
    let mut runs = sample::full();
    runs[0].header.finished_at = None;
    let files = rendered(&runs);
    let sentence = format!("run {} was stopped before its end", runs[0].header.run);
    assert!(files["report.html"].contains(&sentence));
    assert!(files["summary.md"].contains("**INCOMPLETE**"));
}

#[test]
fn merged_runs_say_in_what_they_differ_and_link_to_their_own_evidence() {
    let mut other = sample::full().remove(0);
    other.header.run = RunId::from("20261122t071500z-aaaa");
    other.header.started_at = "2026-11-22T07:15:00Z".to_owned();
    other.header.host = HostFacts { name: "bench-2".into(), ..other.header.host };
    other.vendors.retain(|vendor| vendor.record.vendor == VendorId::from("hasty"));
    let runs = [sample::full().remove(0), other];
    let page = &rendered(&runs)["report.html"];
    for text in ["differ in their hosts (bench-1, bench-2)", "differ in their days (2026-11-21, 2026-11-22)", "hasty@20261122t071500z-aaaa"] {
        assert!(page.contains(text), "{text}");
    }
    assert!(page.contains("href=\"../20261122t071500z-aaaa/hasty/evidence/"));
}

/// Copies the templates and appends a line to one of them.
fn broken_templates(line: &str) -> (TempDir, String) {
    let copy = TempDir::new().unwrap();
    std::fs::create_dir(copy.path().join("sections")).unwrap();
    for folder in ["", "sections"] {
        for entry in std::fs::read_dir(templates().join(folder)).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), copy.path().join(folder).join(entry.file_name())).unwrap();
        }
    }
    let file = copy.path().join("sections/04-cost.html");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}{line}\n")).unwrap();
    let place = format!("04-cost.html:{}:", text.lines().count() + 1);
    (copy, place)
}

#[test]
fn an_undefined_variable_is_an_error_with_file_line_and_name() {
    for (line, name) in [
        ("{{ nonsense }}", "nonsense"),
        ("{{ cost.nonsense }}", "nonsense"),
        ("{% if title == \"\" %}{{ nonsense }}{% endif %}", "nonsense"),
        ("{% if cost.workload %}{% for row in cost.nonsense %}{% endfor %}{% endif %}", "nonsense"),
    ] {
        let (copy, place) = broken_templates(line);
        let error = report::check_templates(copy.path()).unwrap_err().to_string();
        assert!(error.contains(&place) && error.contains(name), "{line}: {error}");
    }
}

/// 700 cases, every seventh of which is not a pass, spread over the sample's rules.
fn many_cases(pattern: &[CaseRecord]) -> Vec<CaseRecord> {
    let passes = pattern.iter().find(|record| record.verdict == Verdict::Pass).unwrap();
    let numbered = |n: usize| {
        let mut record = if n.is_multiple_of(7) { pattern[n % pattern.len()].clone() } else { passes.clone() };
        record.case.id = format!("suite_{}::put_object/behaviour_of_usual_length_{n}", n / 25).as_str().into();
        record.case.rule = "A PUT with a header that is not of the usual kind answers as documented.".to_owned();
        record
    };
    (0..700).map(numbered).collect()
}

/// The page of eight vendors with these cases each, and with so many cells of a throughput scenario.
fn page_of_eight(cases: &[CaseRecord], cells: usize) -> usize {
    let mut run = sample::full().remove(0);
    let pattern = run.vendors[0].clone();
    run.vendors = (0..8)
        .map(|vendor| {
            let mut copy = pattern.clone();
            copy.record.vendor = VendorId(format!("vendor-{vendor}"));
            copy.cases = cases.to_vec();
            let cell = |cell: usize| ScenarioRecord { cell: format!("get_object {cell} MiB x4"), ..pattern.scenarios[0].clone() };
            copy.scenarios = (0..cells).map(cell).collect();
            copy
        })
        .collect();
    rendered(&[run])["report.html"].len()
}

#[test]
fn the_page_of_a_large_comparison_stays_small() {
    let hasty = sample::full().remove(0).vendors.remove(1);
    let (scenarios, cases) = (page_of_eight(&hasty.cases, 400), page_of_eight(&many_cases(&hasty.cases), 60));
    assert!(scenarios <= 1_500_000 && cases <= 1_500_000, "{scenarios} and {cases} bytes");
}

#[test]
fn a_passing_case_costs_few_bytes() {
    let size_of = |cases: usize| {
        let mut run = sample::full().remove(0);
        let passes = run.vendors[0].cases.iter().find(|record| record.verdict == Verdict::Pass).unwrap().clone();
        run.vendors.truncate(2);
        for vendor in &mut run.vendors {
            vendor.cases = many_cases(std::slice::from_ref(&passes)).into_iter().take(cases).collect();
        }
        rendered(&[run])["report.html"].len()
    };
    let per_vendor = (size_of(700) - size_of(350)) / 350 / 2;
    assert!(per_vendor <= 110, "{per_vendor} bytes for a case at one of two vendors");
}

#[test]
fn grids_are_read_as_they_are_shown() {
    let html = "<table data-grid=\"cases\"><thead><tr><th scope=\"col\">case</th><th scope=\"col\" data-v=\"a&amp;b\">x</th></tr></thead>\
                <tbody><tr><th>s::o/b<td class=f>fail<small>crash</small>\
                <tbody><tr><th scope=rowgroup>s::o<tr><th>c<p>rule<td>pass</table>";
    let grid = Grid::read(html, "cases");
    assert_eq!(grid.cell("s::o/b", "a&b"), Some("fail<small>crash</small>"));
    assert_eq!(grid.cell("s::o/c", "a&b"), Some("pass"));
}
