//! Bad input: one clear error each, with file, line and field where there is one, exit code 2, and nothing sent.

use crate::site::{Embedded, Listener, Site, acme, files_below};

/// A server that must not be asked anything.
fn unasked() -> Listener {
    Listener::answering("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n".to_owned())
}

#[test]
fn an_unknown_key_is_refused_with_its_file_line_and_name() {
    let (site, server) = (Site::new(), unasked());
    site.write("vendors/acme.toml", &acme(&server.url()).replace("[credentials]", "regoin = \"eu-1\"\n\n[credentials]"));
    let parts = ["vendors/acme.toml:5:", "regoin", "unknown field"];
    site.run_as("k", "s", &["run", "--vendor", "acme"]).is_refused(&parts);
    site.run(&["check", "vendors/acme.toml"]).is_refused(&parts);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_wrong_unit_is_refused_with_the_units_that_exist() {
    let site = Site::new();
    let file = "scenarios/throughput/demo-large.toml";
    let text = std::fs::read_to_string(site.path(file)).unwrap();
    site.write(file, &text.replace("duration = \"2 s\"", "duration = \"2 seconds\""));
    let parts = ["throughput/demo-large.toml:", "duration", "2 seconds", "units: us, ms, s"];
    site.run(&["check", file]).is_refused(&parts);
    site.run(&["run", "--profile", "demo"]).is_refused(&parts);
}

#[test]
fn a_missing_environment_variable_is_refused_with_the_line_that_names_it() {
    let (site, server) = (Site::new(), unasked());
    site.acme(&server.url());
    site.run(&["run", "--vendor", "acme"]).is_refused(&["vendors/acme.toml:6:", "credentials.access_key_env", "ACME_ACCESS_KEY is not set"]);
    assert_eq!(server.connections(), 0);
}

#[test]
fn an_endpoint_that_is_no_url_is_refused() {
    let site = Site::new();
    site.acme("s3.acme.example");
    let parts = ["vendors/acme.toml:3:", "endpoints", "is not an endpoint URL", "http://host:port"];
    site.run_as("k", "s", &["run", "--vendor", "acme"]).is_refused(&parts);
    site.run(&["check", "vendors/acme.toml"]).is_refused(&parts);
}

#[test]
fn an_unreachable_vendor_alone_is_refused() {
    let site = Site::new();
    site.acme("http://127.0.0.1:9");
    let ran = site.run_as("k", "s", &["run", "--vendor", "acme"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    ran.says(&["vendors/acme.toml:3: endpoints: the endpoint does not answer", "no vendor could be evaluated"]);
}

#[test]
fn an_unreachable_vendor_does_not_stop_the_others() {
    let site = Site::new();
    site.acme("http://127.0.0.1:9");
    site.quick_profile("[\"range\"]");
    let ran = site.run_as("k", "s", &["run", "--profile", "quick", "--vendor", "acme", "--vendor", "embedded"]);
    assert!([Some(10), Some(11)].contains(&ran.code), "{ran:?}");
    ran.says(&["acme is left out: ", "does not answer"]);
    let run = proofmark::store::load(&site.only_run()).unwrap();
    let embedded = run.vendors.iter().find(|vendor| vendor.record.vendor.as_str() == "embedded").unwrap();
    assert_eq!(embedded.record.state, proofmark::model::VendorState::Complete);
    assert!(embedded.cases.len() > 5);
}

#[test]
fn a_wrong_secret_is_said_once_and_no_case_is_tried() {
    let site = Site::new();
    let server = Embedded::start("the-key", "the-secret");
    site.acme(&server.url);
    let ran = site.run_as("the-key", "another-secret", &["run", "--vendor", "acme"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    ran.says(&["vendors/acme.toml:", "credentials", "secret key"]);
    assert_eq!(ran.err.matches("SignatureDoesNotMatch").count(), 1, "{ran:?}");
    assert_eq!(std::fs::read_to_string(site.only_run().join("acme/cases.jsonl")).unwrap(), "");
}

#[test]
fn a_clock_that_is_16_minutes_off_is_refused() {
    let site = Site::new();
    let late = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(16);
    let date = late.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let server = Listener::answering(format!(
        "HTTP/1.1 403 Forbidden\r\nDate: {date}\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: 46\r\n\r\n<Error><Code>RequestTimeTooSkewed</Code></Error>"
    ));
    site.acme(&server.url());
    let ran = site.run_as("k", "s", &["run", "--vendor", "acme"]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    ran.says(&["clock differs from ours by -16 minutes"]);
    assert_eq!(server.connections(), 1, "one request tells");
}

#[test]
fn a_run_of_a_newer_format_is_refused_with_the_hint_to_update() {
    let site = Site::new();
    site.write("run.json", "{\"format\": 99}");
    site.run(&["report", "."]).is_refused(&["run.json", "format 99", "update proofmark"]);
}

#[test]
fn unknown_names_are_refused_with_the_nearest_one() {
    let (site, server) = (Site::new(), unasked());
    site.run(&["run", "--vendor", "embeded"]).is_refused(&["embeded", "did you mean \"embedded\"?"]);
    site.run(&["run", "--profile", "smok"]).is_refused(&["smok", "did you mean \"smoke\"?"]);
    site.acme(&server.url());
    let profile = std::fs::read_to_string(site.path("scenarios/profiles/demo.toml")).unwrap();
    site.write("scenarios/profiles/mine.toml", &profile.replace("throughput/demo-large\",", "throughput/demo-lagre\","));
    site.run_as("k", "s", &["run", "--profile", "mine", "--vendor", "acme"]).is_refused(&["demo-lagre", "did you mean \"demo-large\"?"]);
    let waiver = "[[waiver]]\ncase = \"object::get_object/absent_kye\"\nreason = \"x\"\nuntil = \"2099-01-01\"\n";
    site.write("vendors/acme.toml", &format!("{}\n{waiver}", acme(&server.url())));
    site.run(&["check", "vendors/acme.toml"]).is_refused(&["vendors/acme.toml:10:", "waiver.case", "absent_kye", "did you mean"]);
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_template_with_an_undefined_variable_is_refused_with_its_line() {
    let site = Site::new();
    let section = files_below(&site.path("report-templates/sections")).into_iter().min().unwrap();
    let text = std::fs::read_to_string(&section).unwrap();
    std::fs::write(&section, format!("{text}\n{{{{ no_such_variable }}}}\n")).unwrap();
    let name = section.file_name().unwrap().to_string_lossy().into_owned();
    site.run(&["check"]).is_refused(&[&name, "no_such_variable"]);
}
