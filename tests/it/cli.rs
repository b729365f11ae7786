//! The command line: help, lists, plans, and secrets that stay secret.

use crate::site::{Embedded, Listener, Ran, Site, files_below};

const COMMANDS: [&str; 15] = [
    "run",
    "conformance",
    "load",
    "calibrate",
    "mutants",
    "presign",
    "proxy",
    "lab",
    "report",
    "cost",
    "check",
    "compare",
    "list",
    "clean",
    "explain",
];

#[test]
fn the_help_of_each_command_is_as_it_was_agreed() {
    let site = Site::new();
    let help = |args: &[&str]| {
        let ran = site.run(args);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out
    };
    insta::assert_snapshot!("help", help(&["--help"]));
    for command in COMMANDS {
        let text = help(&[command, "--help"]);
        assert!(text.contains("Example"), "{command} --help shows no example");
        insta::assert_snapshot!(format!("help-{command}"), text);
    }
}

#[test]
fn everything_that_ships_is_valid() {
    let ran = Site::new().run(&["check"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("files are valid"));
}

#[test]
fn lists_hold_every_kind_of_thing_in_each_format() {
    let site = Site::new();
    let json: serde_json::Value = serde_json::from_str(&site.run(&["list", "--format", "json"]).out).unwrap();
    for kind in ["cases", "scenarios", "vendors", "profiles"] {
        assert!(json[kind].as_array().is_some_and(|entries| !entries.is_empty()), "{kind}");
    }
    let first = json["cases"][0]["id"].as_str().unwrap().to_owned();
    let (text, markdown) = (site.run(&["list"]).out, site.run(&["list", "--format", "markdown"]).out);
    assert!(text.contains(&first) && markdown.contains(&format!("| {first} |")));
    assert!(text.contains("embedded-degraded") && markdown.contains("procurement"));
}

#[test]
fn the_plan_says_everything_and_sends_nothing() {
    let (site, server) = (Site::new(), Listener::answering("HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n".to_owned()));
    site.acme(&server.url());
    let ran = site.run(&["run", "--dry-run", "--vendor", "acme"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for part in ["requests, about", "received, about", "buckets, at most", "money, about", "impacts", "no hook", "nothing was sent"] {
        assert!(ran.out.contains(part), "{part:?} is not in {}", ran.out);
    }
    assert_eq!(server.connections(), 0);
    assert!(!site.path("runs").exists());
}

#[test]
fn one_seed_plans_the_same_twice() {
    let site = Site::new();
    let plan = || site.run(&["run", "--dry-run", "--seed", "7"]).out;
    assert_eq!(plan(), plan());
}

#[test]
fn the_shards_of_a_plan_are_the_whole_of_it() {
    let site = Site::new();
    let cells = |client: &str| {
        let out = site.run(&["run", "--dry-run", "--vendor", "embedded", "--client", client]).out;
        out.lines().filter(|line| line.starts_with("  runs ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut shards = [cells("1/3"), cells("2/3"), cells("3/3")].concat();
    let mut whole = cells("1/1");
    shards.sort();
    whole.sort();
    assert_eq!(shards, whole);
    assert_eq!(site.run(&["run", "--client", "4/3"]).code, Some(2));
}

#[test]
fn the_secret_is_in_no_file_and_on_no_screen() {
    let (key, secret) = ("AKPROOFMARKTESTKEY01", "s3cr3t/with+odd=characters0123456789abcdef");
    let (site, server) = (Site::new(), Embedded::start(key, secret));
    site.acme(&server.url);
    site.quick_profile("[\"range\", \"conditional\"]");
    let ran = site.run_as(key, secret, &["run", "--profile", "quick", "--vendor", "acme", "--keep"]);
    assert!([Some(0), Some(10), Some(11)].contains(&ran.code), "{ran:?}");
    let files = files_below(&site.path("runs"));
    assert!(files.iter().any(|file| file.to_string_lossy().contains("/evidence/")), "no evidence was written: the test sees too little");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(secret), "{} holds the secret", file.display());
        assert!(!text.contains(&secret[7..]), "{} holds half of the secret", file.display());
    }
    assert!(!ran.out.contains(secret) && !ran.err.contains(secret));
    cleaned(&site, key, secret);
}

/// What `--keep` left is there, and `clean` removes it; a second `clean` finds nothing.
fn cleaned(site: &Site, key: &str, secret: &str) {
    let clean = || Ran::of(site.command(&["clean"]).env("ACME_ACCESS_KEY", key).env("ACME_SECRET_KEY", secret).output().unwrap());
    let first = clean();
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.out.contains(" buckets") && !first.out.contains("deleted 0 objects, 0 uploads, 0 buckets"), "{first:?}");
    let second = clean();
    assert!(second.out.contains("deleted 0 objects, 0 uploads, 0 buckets"), "{second:?}");
}

#[test]
fn conformance_lists_and_filters_as_libtest_does() {
    let site = Site::new();
    let all = site.run(&["conformance", "--list"]).out;
    let name = all.lines().find_map(|line| line.strip_suffix(": test")).unwrap().to_owned();
    let ran = site.run(&["conformance", "--exact", &name]);
    assert!(ran.out.contains("running 1 test") && ran.out.contains(&name), "{ran:?}");
    site.run(&["conformance", "no-such-case"]).is_refused(&["no case is left"]);
}

#[test]
fn a_month_of_use_is_priced_on_every_card() {
    let ran = Site::new().run(&["cost", "--usage", "scenarios/cost/workload-h.toml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for vendor in ["aws", "r2", "b2", "wasabi"] {
        assert!(ran.out.to_lowercase().contains(vendor), "{vendor} is not in {}", ran.out);
    }
}

#[test]
fn a_profile_chooses_between_the_two_scales_of_a_program() {
    let site = Site::new();
    site.quick_profile("[\"range\"]");
    let profile = std::fs::read_to_string(site.path("scenarios/profiles/quick.toml")).unwrap();
    let with = |scenario: &str, scale: &str| {
        site.write("scenarios/profiles/quick.toml", &profile.replace("scenarios = []", &format!("scenarios = [\"{scenario}\"]\n{scale}")));
        site.run(&["run", "--profile", "quick", "--dry-run"])
    };
    let small = with("throughput/a01-unet3d", "").out;
    assert!(small.contains("runs throughput/a01-unet3d dataloader whole-object x2 #1") && !small.contains("x16 #1"), "{small}");
    let large = with("throughput/a01-unet3d", "scale = \"scale\"").out;
    assert!(large.contains("runs throughput/a01-unet3d dataloader whole-object x16 #1") && large.contains("998.3 GiB"), "{large}");
    with("throughput/demo-large", "scale = \"scale\"").is_refused(&["throughput/demo-large.toml: scale: ", "there is no [scale] table"]);
    with("throughput/a01-unet3d", "scale = \"huge\"").is_refused(&["profiles/quick.toml:", "scale", "unknown variant"]);
}
