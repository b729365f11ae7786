//! Tests of the throughput scenario file.

use std::path::Path;

use super::super::file::parse_text;
use super::*;

const FILE: &str = r#"
title = "t"
code = "T1"
about = "a"
mix = [[{ operation = "get_object" }, { operation = "delete_object", share = 50 }], [{ operation = "get_object", range = "1 MiB" }]]
object_size = ["4 MiB", "8 MiB"]
objects = 10
concurrency = [1, 4]
duration = "2 s"
warm_up = "1 s"
"#;

fn spec(text: &str) -> Result<ThroughputSpec, crate::config::ConfigError> {
    parse_text(Path::new("scenarios/throughput/t.toml"), text)
}

#[test]
fn every_combination_of_mix_size_and_concurrency_is_a_cell_with_its_own_name() {
    let names: Vec<String> = spec(FILE).unwrap().cells().iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), 2 * 2 * 2);
    assert_eq!(names[0], "get_object:100+delete_object:50 4 MiB x1");
    assert_eq!(names[7], "get_object[1 MiB] 8 MiB x4");
    let unique: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
}

#[test]
fn a_value_that_cannot_be_measured_is_refused_with_its_field_and_line() {
    for (from, to, field, line) in [
        ("concurrency = [1, 4]", "concurrency = [0]", "concurrency", 8),
        ("concurrency = [1, 4]", "concurrency = []", "concurrency", 8),
        ("objects = 10", "objects = 0", "objects", 7),
        ("share = 50", "share = 0", "mix", 5),
        ("duration = \"2 s\"", "duration = \"1 ms\"", "duration", 9),
        ("warm_up = \"1 s\"", "warm_up = 1", "warm_up", 10),
    ] {
        let error = spec(&FILE.replace(from, to)).unwrap_err();
        assert_eq!(error.line, Some(line), "{to}: {error}");
        assert!(error.field.as_deref().is_some_and(|found| found.starts_with(field)), "{to}: {error:?}");
    }
}

#[test]
fn a_range_must_divide_every_object_size_and_belong_to_a_get() {
    assert_eq!(spec(FILE).unwrap().validate(), Ok(()));
    for (from, to) in
        [("range = \"1 MiB\"", "range = \"3 MiB\""), ("range = \"1 MiB\"", "range = \"0 B\""), ("\"get_object\", range", "\"put_object\", range")]
    {
        assert_eq!(spec(&FILE.replace(from, to)).unwrap().validate().unwrap_err().0, "range", "{to}");
    }
}

#[test]
fn the_estimate_holds_preparation_and_an_upper_bound_of_each_operation() {
    let spec = spec(FILE).unwrap();
    let estimate = spec.estimate(spec.times(None, None));
    // Read sets of both sizes, and ten objects to delete for each of the four cells that delete.
    assert_eq!(estimate.requests["PutObject"], 10 * 2 + 10 * 4);
    assert_eq!(estimate.requests["DeleteObject"], 10 * 4);
    assert_eq!(estimate.upload_bytes, 60 * (4 << 20) / 2 + 60 * (8 << 20) / 2);
    assert_eq!(estimate.stored_bytes, 2 * 10 * (4 << 20) + 2 * 10 * (8 << 20));
    assert!(estimate.requests["GetObject"] > 1000 && estimate.download_bytes > 8_000_000_000);
    assert!(estimate.duration_s >= 8.0 * 3.0);
    let shorter = spec.estimate(spec.times(Some(Span(Duration::from_millis(500))), Some(Span::default())));
    assert!(shorter.duration_s < estimate.duration_s && shorter.requests["GetObject"] < estimate.requests["GetObject"]);
}

#[test]
fn an_open_loop_estimates_its_own_rate() {
    let open = FILE.replace("objects = 10", "objects = 10\nloop = { open = { rate_per_s = 10.0 } }");
    let spec = spec(&open).unwrap();
    assert!(spec.estimate(spec.times(None, None)).requests["GetObject"] < 8 * 3 * 10 + 8 * 4);
}

#[test]
fn keys_and_arrivals_are_values_of_the_matrix_and_of_the_loop() {
    let text = FILE.replace("objects = 10", "objects = 10\nprefixes = 2\nkeys = ['uniform', { zipf = 0.99 }]");
    let text = text.replace("{ operation = \"delete_object\", share = 50 }", "{ operation = 'list_objects_v2', list = { in_prefix = true } }");
    let bursts = "loop = { open = { rate_per_s = 100.0, arrivals = { bursts = { every = '5 s', lasts = '1 s', factor = 10.0 } } } }";
    let text = text.replace("objects = 10", &format!("objects = 10\n{bursts}"));
    let found = spec(&text).unwrap();
    assert_eq!(found.validate(), Ok(()));
    let names: Vec<String> = found.cells().iter().map(ToString::to_string).collect();
    assert_eq!(
        names[..2],
        ["get_object:100+list_objects_v2/of-prefix:100 4 MiB x1", "get_object:100+list_objects_v2/of-prefix:100 4 MiB x1 zipf 0.99"]
    );
    // 280 requests/s over whole periods, for each of 16 cells of 3 s; three quarters are reads.
    let estimate = found.estimate(found.times(None, None));
    assert!((9_500..10_500).contains(&estimate.requests["GetObject"]), "{:?}", estimate.requests);
    for (from, to, field) in [
        ("factor = 10.0", "factor = 0.5", "loop"),
        ("lasts = '1 s'", "lasts = '4 s'", "loop"),
        ("prefixes = 2", "prefixes = 0", "in_prefix"),
        ("['uniform', { zipf = 0.99 }]", "['uniform', 'uniform']", "keys"),
        ("in_prefix = true", "max_keys = 1001", "max_keys"),
        ("'list_objects_v2'", "'get_object'", "list"),
    ] {
        assert_eq!(spec(&text.replace(from, to)).unwrap().validate().unwrap_err().0, field, "{to}");
    }
    assert_eq!(spec(&text.replace("zipf = 0.99", "zipf = -1.0")).unwrap_err().line, Some(10));
}

#[test]
fn a_knee_is_a_cell_or_the_measure_of_several_and_bounds_its_estimate() {
    let knee = "knee = { start_per_s = 20.0, cap_per_s = 100.0, p99_max = '100 ms' }";
    let text = FILE.replace("objects = 10", &format!("objects = 10\nloop = {{ {knee} }}")).replace("{ operation = \"get_object\" }, ", "");
    let text = text.replace("\"delete_object\"", "\"head_object\"").replace("concurrency = [1, 4]", "concurrency = [4]");
    let search = spec(&text).unwrap();
    assert_eq!((search.validate(), search.cells().len()), (Ok(()), 4));
    let shares = spec(&text.replace("objects = 10", "objects = 10\nknee_shares = [0.25, 0.9]")).unwrap();
    assert_eq!((shares.validate(), shares.cells().len()), (Ok(()), 8));
    assert_eq!(shares.cells()[1].to_string(), "head_object 4 MiB x4 at 90 % of the knee");
    let estimate = search.estimate(search.times(None, None));
    // Two cells, each at most 10 times the cap for 3 s; a search of 13 steps.
    assert!((5_000..7_000).contains(&estimate.requests["HeadObject"]), "{:?}", estimate.requests);
    assert!(estimate.duration_s > 4.0 * 13.0 * 3.0, "{}", estimate.duration_s);
    for (from, to, field) in [
        ("cap_per_s = 100.0", "cap_per_s = 10.0", "loop"),
        ("objects = 10", "objects = 10\nknee_shares = [0.5, 0.5]", "knee_shares"),
        ("objects = 10", "objects = 10\nknee_shares = [1.5]", "knee_shares"),
        ("head_object", "delete_object", "mix"),
    ] {
        assert_eq!(spec(&text.replace(from, to)).unwrap().validate().unwrap_err().0, field, "{to}");
    }
    assert_eq!(spec(&FILE.replace("objects = 10", "objects = 10\nknee_shares = [0.5]")).unwrap().validate().unwrap_err().0, "knee_shares");
}
