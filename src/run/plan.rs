//! The plan: what will run on which vendor, what will not and why, what it sends and costs. Pure: reads nothing, sends nothing.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{Inputs, NamedVendor, RunError};
use crate::case::{BucketNeed, Case, hindrance};
use crate::config::{
    Cell, FailureSpec, Profile, ProgramCell, ProgramSpec, SIGNIFICANCE, Scenario, ScenarioSpec, ThroughputSpec, Vendor, can_decide, least_repeats,
    smallest_p,
};
use crate::cost;
use crate::lab::Hook;
use crate::model::{ClientShard, Estimate, Impact, Plan, PlannedVendor, ScenarioId, Skip, Usage};

/// A cell of a throughput scenario of either form.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskCell {
    /// Of a mix.
    Mix(Cell),
    /// Of a program.
    Program(ProgramCell),
}

impl std::fmt::Display for TaskCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TaskCell::Mix(cell) => cell.fmt(f),
            TaskCell::Program(cell) => cell.fmt(f),
        }
    }
}

/// One repeat of one cell: the unit that is recorded, and skipped when a run is resumed.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// The scenario.
    pub scenario: ScenarioId,
    /// The cell; `None` where the scenario has no matrix.
    pub cell: Option<TaskCell>,
    /// 1-based.
    pub repeat: u32,
}

impl Task {
    /// The cell as it is recorded: empty where there is none.
    pub fn cell_name(&self) -> String {
        self.cell.as_ref().map(ToString::to_string).unwrap_or_default()
    }
    /// `<scenario> <cell> #<repeat>`, as it stands in the plan.
    pub fn name(&self) -> String {
        match &self.cell {
            Some(cell) => format!("{} {cell} #{}", self.scenario, self.repeat),
            None => format!("{} #{}", self.scenario, self.repeat),
        }
    }
}

/// Whether this client of several has to run the item of that name. Every client decides alike, without talking to the others.
pub fn is_mine(shard: ClientShard, name: &str) -> bool {
    let digest = Sha256::digest(name);
    let hash = digest.iter().take(8).fold(0u64, |hash, byte| hash << 8 | u64::from(*byte));
    hash % u64::from(shard.of) == u64::from(shard.index - 1)
}

/// What runs of the profile's scenarios on one vendor, and what does not and why. Repeats are interleaved: all cells once, then
/// all of them again, so that a slow minute does not fall on one cell alone.
pub fn tasks(inputs: &Inputs, vendor: &Vendor, shard: ClientShard) -> (Vec<Task>, Vec<Skip>) {
    let mut tasks = Vec::new();
    let mut skipped = Vec::new();
    for scenario in &inputs.scenarios {
        if let Some(reason) = scenario_hindrance(scenario, vendor) {
            skipped.push(Skip { what: scenario.id.0.clone(), reason });
            continue;
        }
        let cells = match &scenario.spec {
            ScenarioSpec::Throughput(spec) => spec.cells().into_iter().map(|cell| Some(TaskCell::Mix(cell))).collect(),
            ScenarioSpec::Program(spec) => spec.cells().into_iter().map(|cell| Some(TaskCell::Program(cell))).collect(),
            _ => vec![None],
        };
        for repeat in 1..=inputs.profile.repeats {
            tasks.extend(cells.iter().map(|cell| Task { scenario: scenario.id.clone(), cell: cell.clone(), repeat }));
        }
    }
    tasks.retain(|task| is_mine(shard, &task.name()));
    (tasks, skipped)
}

/// Why a scenario may not or cannot run on a vendor; decided from its file alone.
fn scenario_hindrance(scenario: &Scenario, vendor: &Vendor) -> Option<String> {
    let (impact, hooks): (Impact, &[String]) = match &scenario.spec {
        ScenarioSpec::Throughput(spec) => (spec.impact, &[]),
        ScenarioSpec::Program(spec) => (spec.head.impact, &[]),
        ScenarioSpec::Failure(spec) => (spec.impact, &spec.hooks),
        ScenarioSpec::Cost(_) => (Impact::None, &[]),
    };
    if let Some(hook) = hooks.iter().find(|hook| !has_hook(vendor, hook)) {
        return Some(format!("no hook: the vendor file's lifecycle.hooks does not name {hook:?}"));
    }
    if vendor.allows(impact) {
        return None;
    }
    let disposable = if impact == Impact::Destructive { " and safety.disposable = true" } else { "" };
    Some(format!("not permitted: needs safety.allow = [\"{impact}\"]{disposable}"))
}

fn has_hook(vendor: &Vendor, hook: &str) -> bool {
    let known = [Hook::Kill, Hook::Restart, Hook::Pause, Hook::Resume].iter().any(|known| known.name() == hook);
    known && (vendor.serve.is_some() || vendor.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.hooks.iter().any(|name| name == hook)))
}

/// The cases that the profile asks for: its suites and levels.
pub fn selected(profile: &Profile, cases: &[Case]) -> Vec<Case> {
    let wanted = |case: &&Case| {
        let suite = profile.suites.is_empty() || profile.suites.iter().any(|name| name == case.info.suite() || name == case.info.id.as_str());
        suite && profile.levels.contains(&case.info.level) && (profile.slow || !case.info.slow)
    };
    cases.iter().filter(wanted).cloned().collect()
}

/// The plan of a run: a function of its arguments alone, so that two runs with the same inputs plan the same.
///
/// # Errors
/// When vendors are to be compared and the repeats cannot show a difference whatever is measured; the sentence says what to change.
pub fn plan(inputs: &Inputs, cases: &[Case], shard: ClientShard) -> Result<Plan, RunError> {
    check_repeats(inputs)?;
    let cases = selected(&inputs.profile, cases);
    let vendors = inputs.vendors.iter().map(|vendor| plan_vendor(inputs, vendor, &cases, shard)).collect();
    Ok(Plan { vendors, notes: notes(&inputs.profile) })
}

/// Refuses repeats that are too few to compare vendors by the profile's decision metrics. Without such metrics, or with one vendor,
/// nothing is compared and any number will do.
fn check_repeats(inputs: &Inputs) -> Result<(), RunError> {
    let measured = inputs.vendors.iter().filter(|vendor| vendor.file.is_measurable()).count();
    let (repeats, decisions) = (inputs.profile.repeats, inputs.profile.decisions().count());
    if measured < 2 || decisions == 0 || can_decide(repeats, decisions) {
        return Ok(());
    }
    let fewer = (1..decisions).rev().find(|fewer| can_decide(repeats, *fewer));
    let or = fewer
        .map_or("remove every decision = true, so that nothing is compared".to_owned(), |fewer| format!("keep decision = true on {fewer} at most"));
    Err(RunError::Usage(format!(
        "profile {}: repeats: {repeats} of each of {measured} vendors cannot tell any two apart by {decisions} decision metric{}: the smallest p \
         of a permutation test is {:.3}, after Holm {:.3}, and {SIGNIFICANCE} is needed; set repeats to {} or more, or {or}",
        inputs.profile_id,
        if decisions == 1 { "" } else { "s" },
        smallest_p(repeats),
        (smallest_p(repeats) * decisions as f64).min(1.0),
        least_repeats(decisions),
    )))
}

fn plan_vendor(inputs: &Inputs, NamedVendor { id, file }: &NamedVendor, cases: &[Case], shard: ClientShard) -> PlannedVendor {
    let mut planned = PlannedVendor {
        vendor: id.clone(),
        measured: file.is_measurable(),
        cases: Vec::new(),
        scenarios: Vec::new(),
        skipped: Vec::new(),
        estimate: Estimate::default(),
        cost_usd: None,
        impacts: Vec::new(),
    };
    if !planned.measured {
        return planned;
    }
    planned.estimate.then(&probe_estimate());
    let has_alt = file.credentials.as_ref().is_some_and(|names| names.alt.is_some());
    for case in cases.iter().filter(|case| is_mine(shard, case.info.id.as_str())) {
        match hindrance(file, has_alt, case) {
            Some((_, reason)) => planned.skipped.push(Skip { what: case.info.id.0.clone(), reason }),
            None => {
                planned.cases.push(case.info.id.0.clone());
                planned.estimate.then(&case_estimate(case));
                planned.impacts.push(case.info.impact);
            }
        }
    }
    let (tasks, skipped) = tasks(inputs, file, shard);
    planned.skipped.extend(skipped);
    for scenario in &inputs.scenarios {
        let own = tasks.iter().filter(|task| task.scenario == scenario.id).count();
        add_scenario(&mut planned, inputs, scenario, own);
    }
    // The bucket that the cases of a suite share.
    let suites: BTreeSet<&str> = planned.cases.iter().filter_map(|case| case.split("::").next()).collect();
    let shared = suites.len() as u64;
    planned.estimate.then(&Estimate { requests: counted(&[("CreateBucket", shared)]), buckets: shared, ..Estimate::default() });
    let clean_up = clean_up_estimate(&planned.estimate);
    planned.estimate.then(&clean_up);
    planned.scenarios = tasks.iter().map(Task::name).collect();
    planned.impacts.sort_unstable();
    planned.impacts.dedup();
    planned.impacts.retain(|impact| *impact != Impact::None);
    planned.cost_usd = cost_of(file, &planned.estimate);
    planned
}

fn add_scenario(planned: &mut PlannedVendor, inputs: &Inputs, scenario: &Scenario, tasks: usize) {
    if tasks == 0 {
        return;
    }
    let (estimate, impact, per_repeat) = match &scenario.spec {
        ScenarioSpec::Throughput(spec) => (throughput_estimate(inputs, spec), spec.impact, spec.cells().len()),
        ScenarioSpec::Program(spec) => (program_estimate(inputs, spec), spec.head.impact, spec.cells().len()),
        ScenarioSpec::Failure(spec) => (failure_estimate(inputs, spec), spec.impact, 1),
        ScenarioSpec::Cost(_) => return,
    };
    planned.impacts.push(impact);
    // An upper bound: a repeat of which this client runs a part prepares as much as the whole.
    for _ in 0..tasks.div_ceil(per_repeat) {
        planned.estimate.then(&estimate);
    }
}

fn throughput_estimate(inputs: &Inputs, spec: &ThroughputSpec) -> Estimate {
    spec.estimate(spec.times(inputs.profile.cell_duration, inputs.profile.cell_warm_up))
}

fn program_estimate(inputs: &Inputs, spec: &ProgramSpec) -> Estimate {
    spec.estimate(spec.times(inputs.profile.cell_duration, inputs.profile.cell_warm_up))
}

fn failure_estimate(inputs: &Inputs, spec: &FailureSpec) -> Estimate {
    spec.estimate(&inputs.profile.failure_timing)
}

fn counted(requests: &[(&str, u64)]) -> BTreeMap<String, u64> {
    requests.iter().map(|(operation, count)| ((*operation).to_owned(), *count)).collect()
}

fn probe_estimate() -> Estimate {
    let requests = [("ListBuckets", 6), ("CreateBucket", 1), ("HeadBucket", 1), ("GetBucketLocation", 1), ("GetBucketVersioning", 9)];
    Estimate { requests: counted(&requests), buckets: 1, duration_s: 1.0, ..Estimate::default() }
}

/// What a case sends at most: two attempts, set-up included. Which operations its set-up uses is not known beforehand: those requests
/// are counted as PutObject, which no price card bills below another operation's class.
fn case_estimate(case: &Case) -> Estimate {
    // Cases about buckets create some besides the fixture's.
    let buckets = ATTEMPTS * (u64::from(case.bucket != BucketNeed::Shared) + if case.info.operation().ends_with("bucket") { 3 } else { 0 });
    let (most, declared) = (ATTEMPTS * case.most_requests, 2 * ATTEMPTS);
    let mut requests = counted(&[("CreateBucket", buckets), ("PutObject", most.saturating_sub(declared + buckets))]);
    *requests.entry(case.info.api_operation()).or_default() += declared;
    Estimate { requests, upload_bytes: 6 << 20, download_bytes: 6 << 20, stored_bytes: 6 << 20, buckets, duration_s: 0.1 }
}

/// Attempts at a case: it is repeated once after a 503, 500 or reset.
const ATTEMPTS: u64 = 2;

/// What removes it all: each bucket is looked through for objects, versions and uploads, and each object may be named in a deletion.
fn clean_up_estimate(planned: &Estimate) -> Estimate {
    let written = planned.requests.get("PutObject").copied().unwrap_or_default();
    let pages = 2 * planned.buckets + written / 1000 + 1;
    let requests = [
        ("ListBuckets", 2),
        ("ListObjectVersions", pages),
        ("ListObjectsV2", pages),
        ("ListMultipartUploads", pages),
        ("AbortMultipartUpload", pages),
        ("DeleteObjects", pages),
        ("DeleteBucket", 2 * planned.buckets),
    ];
    Estimate { requests: counted(&requests), duration_s: 0.02 * pages as f64, ..Estimate::default() }
}

fn cost_of(vendor: &Vendor, estimate: &Estimate) -> Option<String> {
    let card = vendor.pricing.as_ref()?;
    let requests = estimate.requests.iter().map(|(operation, count)| (operation.clone(), BTreeMap::from([(200, *count)]))).collect();
    let hours = estimate.duration_s / 3600.0;
    let usage = Usage {
        requests,
        upload_bytes: estimate.upload_bytes,
        download_bytes: estimate.download_bytes,
        stored_byte_hours: estimate.stored_bytes as f64 * hours,
        stored_bytes_peak: estimate.stored_bytes,
    };
    cost::price_usage(card, &usage).ok().map(|sheet| sheet.total.to_string())
}

/// What the reader of the results should know beforehand.
fn notes(profile: &Profile) -> Vec<String> {
    let repeats = profile.repeats;
    match repeats {
        1 => vec!["1 repeat: no interval, so vendors are not ranked by performance".to_owned()],
        _ if !can_decide(repeats, 1) => {
            let (smallest, least) = (smallest_p(repeats), least_repeats(1));
            vec![format!("{repeats} repeats: the smallest p of a comparison is {smallest:.2}, so none can be significant; {least} or more can")]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_repeats_are_said_to_show_no_difference() {
        let noted = |repeats: u32| {
            let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/profiles/demo.toml")).unwrap();
            notes(&toml::from_str(&text.replace("repeats = 1", &format!("repeats = {repeats}"))).unwrap())
        };
        assert!(noted(1)[0].contains("no interval") && noted(3)[0].contains("is 0.10, so none can be significant; 4 or more can"));
        assert!(noted(4).is_empty());
    }

    #[test]
    fn every_item_belongs_to_exactly_one_client() {
        for name in ["object::get_object/absent_key", "throughput/small #1", "throughput/small #2"] {
            let owners = (1..=8).filter(|index| is_mine(ClientShard { index: *index, of: 8 }, name)).count();
            assert_eq!(owners, 1, "{name}");
        }
        assert!(is_mine(ClientShard { index: 1, of: 1 }, "anything"));
    }
}
