//! `proofmark load`: one cell with flags instead of a scenario file. It is a run like any other: same engine, records and clean-up.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::args_load::LoadArgs;
use super::progress::Progress;
use super::{Context, Failure, output, run};
use crate::config::{KeyChoice, LoopKind, OpenLoop, Scenario, ScenarioSpec, Style, ThroughputSpec};
use crate::model::{ClientShard, Impact, Outcome, ProfileId, ScenarioId, ScenarioRecord, VendorId};
use crate::run::Inputs;
use crate::store::{self, Run};
use crate::units::Span;

/// The profile whose other settings hold here.
const PROFILE: &str = "demo";
const DEFAULT_VENDOR: &str = "embedded";
const ID: &str = "throughput/load";
/// Bytes of the objects that are read, unless their number is given.
const WORKING_SET: u64 = 256 << 20;

/// Loads each vendor, prints what was measured, and keeps it as a run.
pub fn main(context: &Context, args: &LoadArgs) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let spec = spec(args);
    spec.validate().map_err(|(field, message)| Failure::usage(format!("--{field}: {message}")))?;
    let named = if args.vendors.is_empty() { vec![DEFAULT_VENDOR.to_owned()] } else { args.vendors.clone() };
    let vendors: Vec<VendorId> = named.iter().map(|name| VendorId::from(name.as_str())).collect();
    let mut inputs = Inputs::load(&root, &ProfileId::from(PROFILE), &vendors)?;
    inputs.without_scenarios();
    inputs.profile.repeats = args.repeats;
    (inputs.profile.cell_duration, inputs.profile.cell_warm_up) = (None, None);
    inputs.profile.scenarios = vec![ScenarioId::from(ID)];
    inputs.scenarios = vec![Scenario { id: ScenarioId::from(ID), spec: ScenarioSpec::Throughput(spec) }];
    let options = run::Options {
        out: args.out.clone(),
        seed: args.seed,
        client: ClientShard { index: 1, of: 1 },
        start_at: None,
        keep: false,
        cap: run::cap(&args.cap),
        libtest: None,
    };
    let started = run::start(&root, inputs, &[], options)?;
    let path = started.path.clone();
    let progress = Progress::new(started.evaluation.stop.clone());
    // The lines of a run would stand between a program and its document.
    run::measure(started, &|event| {
        if !args.json || progress.has_bars() {
            progress.tell(event)
        }
    })?;
    let loaded = store::load(&path)?;
    let documents = documents(&loaded);
    let document = json!({ "run": path, "loads": documents });
    let text = serde_json::to_string_pretty(&document).map_err(|error| Failure::internal(error.to_string()))?;
    let write = |name: &str, text: &str| {
        let file = path.join(name);
        std::fs::write(&file, text).map_err(|error| Failure::internal(format!("{}: {error}", file.display())))
    };
    write("load.json", &text)?;
    write("load.csv", &csv(&documents)?)?;
    if args.json {
        // One load is the document itself, so that a program need not look for it.
        let single = match documents.as_slice() {
            [one] => serde_json::to_string_pretty(one).map_err(|error| Failure::internal(error.to_string()))?,
            _ => text,
        };
        output::print(&format!("{single}\n"))?;
    } else {
        output::print(&plain(&loaded))?;
        output::print(&format!("records: {}\n", path.display()))?;
    }
    let is_measured = loaded.vendors.iter().flat_map(|vendor| &vendor.scenarios).all(|record| record.outcome == Outcome::Measured);
    Ok(if is_measured { ExitCode::SUCCESS } else { ExitCode::from(11) })
}

fn spec(args: &LoadArgs) -> ThroughputSpec {
    let mut mix = args.mix.0.clone();
    for entry in mix.iter_mut().filter(|entry| entry.operation == crate::config::Operation::GetObject) {
        entry.range = args.range;
    }
    let warm_up = args.warm_up.unwrap_or(Span((args.duration.0 / 5).min(std::time::Duration::from_secs(2))));
    ThroughputSpec {
        title: "A load of its own".to_owned(),
        code: "load".to_owned(),
        about: "Asked for on the command line.".to_owned(),
        impact: Impact::None,
        mix: vec![mix],
        object_size: vec![args.size],
        objects: args.objects.unwrap_or(WORKING_SET / args.size.0.max(1)).clamp(16, if args.objects.is_some() { u64::MAX } else { 2000 }),
        concurrency: vec![args.concurrency],
        load_loop: args.rate.map_or(LoopKind::Closed, |rate_per_s| LoopKind::Open(OpenLoop { rate_per_s, arrivals: args.arrivals })),
        prefixes: 0,
        knee_shares: Vec::new(),
        keys: vec![args.zipf.map_or(KeyChoice::Uniform, KeyChoice::Zipf)],
        style: vec![Style {
            name: String::new(),
            payload: args.payload,
            checksum: args.checksum,
            entropy: args.entropy,
            verify: args.verify,
            keep_alive: !args.no_keep_alive,
        }],
        duration: args.duration,
        warm_up,
    }
}

/// One document for each repeat on each vendor. A number that was not measured is null.
fn documents(run: &Run) -> Vec<Value> {
    let of_vendor = |vendor: &store::VendorRun| {
        let id = vendor.record.vendor.to_string();
        vendor.scenarios.iter().map(|record| document(run, &id, record)).collect::<Vec<_>>()
    };
    run.vendors.iter().flat_map(of_vendor).collect()
}

fn document(run: &Run, vendor: &str, record: &ScenarioRecord) -> Value {
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
    set("vendor", json!(vendor));
    set("load", json!(record.cell));
    set("repeat", json!(record.repeat));
    let (outcome, reason) = match &record.outcome {
        Outcome::Measured => ("measured", None),
        Outcome::Untested(reason) => ("untested", Some(reason)),
        Outcome::Unresolved(reason) => ("unresolved", Some(reason)),
    };
    set("outcome", json!(outcome));
    set("reason", json!(reason));
    set("seed", json!(run.header.seed));
    set("build", json!(run.header.build_profile));
    for metric in &record.metrics {
        set(&metric.name, json!(metric.value));
    }
    // In a closed loop a request is due when it is sent: then both times are the same.
    for suffix in ["p50", "p90", "p99", "p999", "max"] {
        let (service, response) = (format!("service_latency_ms_{suffix}"), format!("latency_ms_{suffix}"));
        if record.metric(&service).is_none() {
            set(&service, json!(record.metric(&response)));
        }
    }
    let load = record.client_load.as_ref();
    set("client_cpu_percent", json!(load.map(|load| load.cpu_percent)));
    set("client_limited", json!(load.is_some_and(|load| load.limited.is_some())));
    set("client_limited_reason", json!(load.and_then(|load| load.limited.clone())));
    set("parameters", json!(record.parameters));
    set("findings", json!(record.findings));
    Value::Object(fields)
}

/// One line for each repeat; lists and tables inside are left to the JSON.
fn csv(documents: &[Value]) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::internal(format!("load.csv: {error}"));
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    let mut names: Vec<&String> = Vec::new();
    for (name, _) in documents.iter().filter_map(Value::as_object).flatten().filter(|(_, value)| is_plain(value)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&names).map_err(|error| failed(&error))?;
    for document in documents {
        let text = |name: &&String| match &document[name.as_str()] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        writer.write_record(names.iter().map(text)).map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

/// What a person wants to read first.
fn plain(run: &Run) -> String {
    let mut text = String::new();
    for vendor in &run.vendors {
        for record in &vendor.scenarios {
            let _ = writeln!(text, "{} {} #{}", vendor.record.vendor, record.cell, record.repeat);
            if let Outcome::Untested(reason) | Outcome::Unresolved(reason) = &record.outcome {
                let _ = writeln!(text, "  not measured: {reason}");
                continue;
            }
            let limited = record.client_load.as_ref().and_then(|load| load.limited.as_deref());
            let at_least = if limited.is_some() { "at least " } else { "" };
            let rows: Vec<Vec<String>> = record
                .metrics
                .iter()
                .map(|metric| {
                    let prefix = if metric.name.starts_with("throughput") || metric.name == "requests_s" { at_least } else { "" };
                    let value = metric.value.map_or("not measured".to_owned(), |value| format!("{prefix}{value:.3}"));
                    vec![format!("  {}", metric.name), value, metric.unit.clone()]
                })
                .collect();
            text.push_str(&output::table(&rows));
            for reason in limited.into_iter() {
                let _ = writeln!(text, "  limited by the client: {reason}");
            }
            for finding in &record.findings {
                let _ = writeln!(text, "  {finding}");
            }
        }
    }
    text
}
