//! `proofmark load` and `proofmark calibrate` as their users type them.

use serde_json::Value;

use crate::site::{Site, files_below};

fn load(site: &Site, more: &[&str]) -> (Option<i32>, Value, String) {
    let mut arguments = vec!["load", "--size", "4KiB", "--objects", "20", "--duration", "400ms", "--json", "--seed", "7"];
    arguments.extend(more);
    let ran = site.run(&arguments);
    let document = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    (ran.code, document, ran.err)
}

fn number(document: &Value, name: &str) -> f64 {
    document[name].as_f64().unwrap_or_else(|| panic!("{name} is no number: {document:#}"))
}

#[test]
fn a_load_is_one_document_with_every_figure_and_leaves_nothing_behind() {
    let site = Site::new();
    let (code, document, _) = load(&site, &["--op", "get:60,head:20,put:20", "--concurrency", "4"]);
    assert_eq!(code, Some(0), "{document:#}");
    assert_eq!((document["vendor"].as_str(), document["outcome"].as_str()), (Some("embedded"), Some("measured")));
    for name in ["throughput_mib_s", "requests_s", "client_cpu_us_per_request", "client_cpu_s_per_gib", "latency_ms_p50", "service_latency_ms_p50"] {
        assert!(number(&document, name) > 0.0, "{name}");
    }
    assert_eq!(document["latency_ms_p50"], document["service_latency_ms_p50"], "a closed loop sends what is due");
    assert_eq!(number(&document, "errors"), 0.0);
    assert!(document["client_limited"].as_bool().unwrap(), "a debug build always is");
    let csv = files_below(&site.path("runs")).into_iter().find(|path| path.ends_with("load.csv")).unwrap();
    let mut reader = csv::Reader::from_path(csv).unwrap();
    let column = reader.headers().unwrap().iter().position(|name| name == "requests_s").unwrap();
    let line = reader.records().next().unwrap().unwrap();
    assert!((line[column].parse::<f64>().unwrap() - number(&document, "requests_s")).abs() < 1e-9);
}

#[test]
fn every_payload_mode_and_checksum_is_taken_by_the_embedded_server() {
    let site = Site::new();
    for more in [
        &["--payload", "tail-unique"][..],
        &["--payload", "unique-signed", "--checksum", "crc32c"],
        &["--payload", "unsigned", "--checksum", "sha256", "--entropy", "compressible"],
        &["--payload", "streaming-signed", "--entropy", "duplicate"],
        &["--no-keep-alive", "--verify", "full"],
        &["--rate", "50", "--verify", "off"],
    ] {
        let all = [&["--op", "put:50,get:50", "--concurrency", "3"][..], more].concat();
        let (code, document, errors) = load(&site, &all);
        assert_eq!(code, Some(0), "{more:?}: {document:#} {errors}");
        assert_eq!(number(&document, "errors"), 0.0, "{more:?}: {document:#}");
        assert!(number(&document, "requests_s") > 1.0, "{more:?}");
    }
}

#[test]
fn loads_that_cannot_be_are_refused_before_anything_is_sent() {
    let site = Site::new();
    for (wrong, parts) in [
        (["load", "--op", "get", "--duration", "0s"].as_slice(), ["--duration", "at least 100 ms"]),
        (&["load", "--op", "fetch"], ["--op", "expected get, put, head, delete or list"]),
    ] {
        let ran = site.run(wrong);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        ran.says(&parts);
    }
    site.run(&["load", "--op", "put", "--size", "6GiB"]).is_refused(&["6 GiB", "at most 5 GiB"]);
    site.run(&["load", "--op", "get", "--size", "10MiB", "--range", "3MiB"]).is_refused(&["3 MiB does not divide the object size 10 MiB"]);
    site.run(&["load", "--op", "get", "--size", "5GiB", "--objects", "1000000"]).is_refused(&["would store", "are free", "TMPDIR"]);
    site.run(&["load", "--op", "get", "--concurrency", "2000000000"]).is_refused(&["file descriptors", "ulimit -n"]);
    assert!(!site.path("runs").exists(), "a refused load leaves no run");
}

#[test]
fn the_ladder_climbs_every_rung_over_tls_too() {
    let site = Site::new();
    let ran = site.run(&["calibrate", "--duration", "700ms", "--concurrency", "2", "--json"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    let rungs = document["rungs"].as_array().unwrap();
    for operation in ["get_object", "head_object", "put_object"] {
        let of = |name: &str| rungs.iter().filter(|rung| rung["operation"] == operation && rung["rung"] == name).collect::<Vec<_>>();
        for name in ["raw TCP", "+ HTTP", "+ SigV4", "+ TLS"] {
            assert!(!of(name).is_empty(), "{operation} {name}");
            for rung in of(name) {
                // Without optimisation a large object over TLS may take longer than the rung lasts: its bytes count all the same.
                let is_large = number(rung, "size_bytes") > 1e6;
                assert!(number(rung, if is_large { "throughput_mib_s" } else { "requests" }) > 0.0, "{rung:#}");
                assert!(number(rung, if is_large { "client_cpu_s_per_gib" } else { "client_cpu_us_per_request" }) > 0.0, "{rung:#}");
            }
        }
    }
    assert_eq!(rungs.iter().map(|rung| number(rung, "failed")).sum::<f64>(), 0.0);
}
