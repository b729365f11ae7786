//! Comparing vendors: throughput repeats take turns, and repeats that could not tell vendors apart are refused.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proofmark::config::{Cap, Root};
use proofmark::model::{ClientShard, ProfileId, VendorId, VendorState};
use proofmark::run::{Done, Evaluation, Event, Executed, Inputs, Stop, facts, new_run_id, plan};
use proofmark::store::{self, FORMAT, Run, RunDir, RunHeader};

use crate::load_server::{Misbehaviour, Server};
use crate::site::Site;

const SCENARIO: &str = r#"
title = "t"
code = "T4"
about = "a"
mix = [[{ operation = "get_object" }]]
object_size = ["2 KiB"]
objects = 4
concurrency = [1, 2]
duration = "100 ms"
warm_up = "0 s"
"#;

const DECISION: &str = r#"
[[curve]]
scenario = "throughput/tiny"
cell = "x2"
metric = "requests_s"
direction = "higher_better"
good = 1000
median = 100
decision = true
"#;

/// A site with a profile `turns` of one tiny scenario and no case; `curves` is appended to it.
fn site(repeats: u32, curves: &str) -> Site {
    let site = Site::new();
    site.quick_profile("[\"nothing\"]");
    let quick = std::fs::read_to_string(site.path("scenarios/profiles/quick.toml")).unwrap();
    let text = quick.replace("scenarios = []", "scenarios = [\"throughput/tiny\"]").replace("repeats = 1", &format!("repeats = {repeats}"));
    let text = text.replace("cell_duration = \"1 s\"", "cell_duration = \"100 ms\"").replace("cell_warm_up = \"250 ms\"", "cell_warm_up = \"0 s\"");
    site.write("scenarios/profiles/turns.toml", &format!("{text}{curves}"));
    site.write("scenarios/throughput/tiny.toml", SCENARIO);
    site
}

/// A vendor file whose keys come from a command, so that no environment variable is needed.
fn add_vendor(site: &Site, id: &str, endpoint: &str) {
    let keys = r#"{"access_key_id":"an-access-key","secret_access_key":"a-secret-key"}"#;
    let text = format!(
        "title = \"{id}\"\ndeployment = \"self-run\"\nendpoints = [\"{endpoint}\"]\n[credentials]\naccess_key_env = \"A\"\nsecret_key_env = \"B\"\n\
         refresh_command = ['echo', '{keys}']\n"
    );
    site.write(&format!("vendors/{id}.toml"), &text);
}

/// Carries out the profile `turns` on the vendors; `tell` sees the events.
fn execute(site: &Site, vendors: &[&str], done: BTreeMap<VendorId, Done>, stop: Stop, tell: &(dyn Fn(Event) + Sync)) -> (Executed, Run) {
    let root = Root::find(&site.path(".")).unwrap();
    let vendors: Vec<VendorId> = vendors.iter().map(|id| VendorId::from(*id)).collect();
    let inputs = Inputs::load(&root, &ProfileId::from("turns"), &vendors).unwrap();
    let client = ClientShard { index: 1, of: 1 };
    let header = RunHeader {
        format: FORMAT,
        run: new_run_id(jiff::Timestamp::now()),
        started_at: "2026-11-21T07:00:00Z".to_owned(),
        finished_at: None,
        tool_version: "0".to_owned(),
        build_profile: "debug".to_owned(),
        seed: 7,
        command: Vec::new(),
        host: facts(),
        client,
        profile_id: inputs.profile_id.clone(),
        profile: inputs.profile.clone(),
        workload: inputs.workload.clone(),
        applications: Vec::new(),
        plan: plan(&inputs, &[], client).unwrap(),
    };
    let path = site.path("runs").join(header.run.as_str());
    let mut evaluation = Evaluation {
        root,
        inputs,
        cases: Vec::new(),
        directory: RunDir::create(&path).unwrap(),
        header,
        done,
        libtest: libtest_mimic::Arguments::default(),
        start_at: None,
        keep: false,
        cap: Cap { requests: None, money: None },
        stop,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let executed = runtime.block_on(evaluation.execute(tell)).unwrap();
    (executed, store::load(&path).unwrap())
}

/// The steps in the order in which they were told.
fn steps(events: &Mutex<Vec<Event>>) -> Vec<String> {
    let events = events.lock().unwrap();
    events.iter().filter_map(|event| if let Event::Step { what } = event { Some(what.clone()) } else { None }).collect()
}

fn servers<const N: usize>() -> [Server; N] {
    std::array::from_fn(|_| Server::start(Misbehaviour::None))
}

#[test]
fn throughput_repeats_of_several_vendors_take_turns() {
    let (site, [a, b]) = (site(4, DECISION), servers());
    add_vendor(&site, "va", &a.endpoint.to_string());
    add_vendor(&site, "vb", &b.endpoint.to_string());
    let events = Mutex::new(Vec::new());
    let (executed, run) = execute(&site, &["va", "vb"], BTreeMap::new(), Stop::default(), &|event| events.lock().unwrap().push(event));
    assert_eq!((executed.completed, executed.abandoned.len()), (2, 0), "{executed:?}");
    let turns: Vec<String> = steps(&events).iter().map(|what| format!("{} {}", &what[..2], what.rsplit('#').next().unwrap())).collect();
    let both = |turns: &[&str]| turns.iter().flat_map(|turn| [(*turn).to_owned(), (*turn).to_owned()]).collect::<Vec<_>>();
    assert_eq!(turns, both(&["va 1", "vb 1", "vb 2", "va 2", "va 3", "vb 3", "vb 4", "va 4"]), "two cells a turn, another vendor first each time");
    for vendor in run.vendors.iter().filter(|vendor| vendor.record.state != VendorState::PriceOnly) {
        assert_eq!((vendor.scenarios.len(), &vendor.record.state), (8, &VendorState::Complete), "{}", vendor.record.vendor);
        assert!(vendor.usage.total() > 0 && vendor.scenarios.iter().all(|record| record.metric("requests_s").is_some()));
    }
    let phases = events.lock().unwrap().iter().filter(|event| matches!(event, Event::Phase { name: "throughput", steps: 16, .. })).count();
    assert_eq!(phases, 1, "one phase for both");
    let decisions = proofmark::score::decisions(&run, &run.header.profile).unwrap();
    assert_eq!(decisions.metrics[0].cell, "get_object 2 KiB x2");
    assert!(decisions.metrics[0].vendors.iter().all(|vendor| vendor.repeats == 4));
}

#[test]
fn a_vendor_that_cannot_be_measured_leaves_the_turns_to_the_others() {
    let (site, [a, b]) = (site(1, ""), servers());
    add_vendor(&site, "va", &a.endpoint.to_string());
    add_vendor(&site, "down", "http://127.0.0.1:9");
    add_vendor(&site, "vb", &b.endpoint.to_string());
    let events = Mutex::new(Vec::new());
    let (executed, run) = execute(&site, &["va", "down", "vb"], BTreeMap::new(), Stop::default(), &|event| events.lock().unwrap().push(event));
    assert_eq!((executed.completed, executed.abandoned[0].0.as_str()), (2, "down"));
    assert_eq!(steps(&events).len(), 4);
    let state = |id: &str| run.vendors.iter().find(|vendor| vendor.record.vendor.as_str() == id).unwrap().record.state.clone();
    assert!(matches!(state("down"), VendorState::Abandoned(_)) && state("vb") == VendorState::Complete);
}

#[test]
fn a_stop_between_turns_leaves_every_vendor_incomplete_and_cleaned_up_and_resuming_does_the_rest() {
    let (site, [a, b]) = (site(4, DECISION), servers());
    add_vendor(&site, "va", &a.endpoint.to_string());
    add_vendor(&site, "vb", &b.endpoint.to_string());
    let (stop, events) = (Stop::default(), Mutex::new(Vec::new()));
    let tell = |event: Event| {
        events.lock().unwrap().push(event);
        if steps(&events).len() == 3 {
            stop.set("interrupted");
        }
    };
    let (executed, run) = execute(&site, &["va", "vb"], BTreeMap::new(), stop.clone(), &tell);
    assert_eq!((executed.completed, run.is_complete()), (0, false));
    let ended = |state: &VendorState| {
        events.lock().unwrap().iter().filter(|event| matches!(event, Event::VendorEnd { state: found, .. } if found == state)).count()
    };
    let cleaned = events.lock().unwrap().iter().filter(|event| matches!(event, Event::Phase { name: "clean-up", .. })).count();
    assert_eq!((ended(&VendorState::Incomplete), cleaned), (2, 2));
    let done: BTreeMap<VendorId, Done> = run.vendors.iter().map(|vendor| (vendor.record.vendor.clone(), Done::of(vendor))).collect();
    let before: usize = done.values().map(|done| done.scenarios.len()).sum();
    assert_eq!(before, 3);
    let again = Mutex::new(Vec::new());
    let (executed, _) = execute(&site, &["va", "vb"], done, Stop::default(), &|event| again.lock().unwrap().push(event));
    assert_eq!((executed.completed, steps(&again).len()), (2, 16 - before), "only what was left");
    assert!(steps(&again)[0].starts_with("vb throughput/tiny") && steps(&again)[0].ends_with("#1"), "{:?}", steps(&again));
}

#[test]
fn repeats_that_cannot_tell_vendors_apart_are_refused_before_anything_is_sent() {
    let [server] = servers();
    for (repeats, vendors, expected) in
        [(3, vec!["va", "vb"], Some("set repeats to 4 or more, or remove every decision = true")), (4, vec!["va", "vb"], None), (3, vec!["va"], None)]
    {
        let site = site(repeats, DECISION);
        vendors.iter().for_each(|id| add_vendor(&site, id, &server.endpoint.to_string()));
        let arguments: Vec<&str> =
            ["run", "--profile", "turns", "--dry-run"].into_iter().chain(vendors.iter().flat_map(|id| ["--vendor", id])).collect();
        let ran = site.run(&arguments);
        match expected {
            Some(text) => ran.is_refused(&["profile turns: repeats: 3 of each of 2 vendors", "1 decision metric:", "is 0.100", text]),
            None => assert_eq!(ran.code, Some(0), "{repeats} {vendors:?}: {ran:?}"),
        }
    }
    let several = format!("{DECISION}{}", DECISION.replace("x2", "x1"));
    let refused = site(4, &several);
    ["va", "vb"].iter().for_each(|id| add_vendor(&refused, id, &server.endpoint.to_string()));
    let ran = refused.run(&["run", "--profile", "turns", "--dry-run", "--vendor", "va", "--vendor", "vb"]);
    ran.is_refused(&["after Holm 0.057", "set repeats to 5 or more, or keep decision = true on 1 at most"]);
    let plain = site(1, "");
    ["va", "vb"].iter().for_each(|id| add_vendor(&plain, id, &server.endpoint.to_string()));
    let ran = plain.run(&["run", "--profile", "turns", "--dry-run", "--vendor", "va", "--vendor", "vb"]);
    assert!(ran.code == Some(0) && ran.out.contains("1 repeat: no interval"), "{ran:?}");
    assert!(!refused.path("runs").exists());
}

#[test]
fn the_profiles_that_compare_vendors_can_tell_them_apart() {
    let site = Site::new();
    for profile in ["smoke", "demo", "nightly", "procurement"] {
        let ran = site.run(&["run", "--profile", profile, "--dry-run", "--vendor", "embedded", "--vendor", "embedded-degraded"]);
        assert_eq!(ran.code, Some(0), "{profile}: {ran:?}");
    }
}

#[test]
fn a_decision_metric_that_is_not_one_number_is_refused_with_file_line_and_field() {
    let bad = |text: &str| {
        let site = site(5, text);
        site.run(&["check", site.path("scenarios/profiles/turns.toml").to_str().unwrap()])
    };
    let file = "scenarios/profiles/turns.toml:";
    bad(&DECISION.replace("x2", "get_object")).says(&[file, "curve.cell: ", "is of 2 cells", "get_object 2 KiB x1, get_object 2 KiB x2"]);
    bad(&DECISION.replace("x2", "put_object")).says(&[file, "curve.cell: ", "no cell is named \"put_object\""]);
    bad(&DECISION.replace("throughput/tiny", "throughput/mixed")).says(&[
        file,
        "curve.scenario: ",
        "throughput/mixed is no throughput scenario of this profile",
    ]);
    let seven = bad(&DECISION.repeat(7));
    seven.says(&["curve.decision: 7 decision metrics: at most 6 can decide"]);
    let line = seven.err.split("turns.toml:").nth(1).unwrap().split(':').next().unwrap().parse::<usize>().unwrap();
    let text = std::fs::read_to_string(site(5, &DECISION.repeat(7)).path("scenarios/profiles/turns.toml")).unwrap();
    let marks: Vec<usize> = (1..).zip(text.lines()).filter(|(_, line)| *line == "decision = true").map(|(line, _)| line).collect();
    assert_eq!(line, marks[6]);
    assert!(!bad(DECISION).err.contains("curve."));
}
