//! `proofmark check`: everything that is wrong in the files, found without sending anything.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::args::CheckArgs;
use super::{Context, Failure, output};
use crate::config::{
    Application, ConfigError, Mutant, Profile, Requirement, Root, Scenario, Vendor, Waiver, check_decisions, check_files, error_at, load_mutants,
    load_scenario, load_vendor, nearest, parse, stem, toml_stems,
};
use crate::model::{ScenarioId, VendorId};
use crate::report::{ReportError, check_templates};
use crate::wire::operation;

/// Checks the named files, or all of them; every error is printed on a line of its own.
pub fn main(context: &Context, args: &CheckArgs) -> Result<ExitCode, Failure> {
    let everything = args.files.is_empty();
    let root = context.root().or_else(|error| match args.files.first().and_then(|file| file.canonicalize().ok()) {
        Some(file) => Root::find(&file).map_err(Failure::from),
        None => Err(error),
    })?;
    let files = if everything { all_files(&root) } else { args.files.clone() };
    let (pages, files): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(|file| file.extension().is_some_and(|end| end == "html"));
    let mut errors = check_files(&files);
    let broken: BTreeSet<PathBuf> = errors.iter().map(|error| error.file.clone()).collect();
    for file in files.iter().filter(|file| !broken.contains(*file)) {
        errors.extend(references(context, &root, file));
    }
    if everything || !pages.is_empty() {
        errors.extend(templates(&root).err());
    }
    for error in &errors {
        output::complain(error);
    }
    if !errors.is_empty() {
        return Ok(ExitCode::from(2));
    }
    output::print(&format!("{} files are valid\n", files.len() + pages.len()))?;
    Ok(ExitCode::SUCCESS)
}

/// Templates depend on each other, so they are checked together, whichever is named.
fn templates(root: &Root) -> Result<(), ConfigError> {
    check_templates(&root.templates()).map_err(|error| match error {
        ReportError::Template { file, line, message } => ConfigError { line: (line > 0).then_some(line), ..ConfigError::new(file, message) },
        error => ConfigError::new(root.templates(), error.to_string()),
    })
}

fn all_files(root: &Root) -> Vec<PathBuf> {
    let scenarios = ["throughput", "failure", "cost", "profiles"].map(|kind| root.scenarios().join(kind));
    let folders = [root.vendors(), root.applications()].into_iter().chain(scenarios);
    let files = folders.flat_map(|folder| toml_stems(&folder).into_iter().map(move |stem| folder.join(format!("{stem}.toml"))));
    files.chain([root.suites().join("mutants.toml")].into_iter().filter(|file| file.exists())).collect()
}

/// Names in a valid file that must exist elsewhere.
fn references(context: &Context, root: &Root, file: &Path) -> Vec<ConfigError> {
    match file.parent().and_then(Path::file_name).and_then(|name| name.to_str()) {
        Some("vendors") => parse::<Vendor>(file).map(|vendor| vendor_references(context, file, &vendor)).unwrap_or_default(),
        Some("applications") => parse::<Application>(file).map(|application| application_references(context, file, &application)).unwrap_or_default(),
        Some("suites") if stem(file) == "mutants" => load_mutants(root).map(|mutants| unknown_operations(file, &mutants)).unwrap_or_default(),
        Some("profiles") => parse::<Profile>(file).map(|profile| profile_references(context, root, file, &profile)).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn unknown_operations(file: &Path, mutants: &[Mutant]) -> Vec<ConfigError> {
    let known = operation::names();
    let named = mutants.iter().flat_map(|mutant| &mutant.operations).filter(|name| !known.contains(name.as_str()));
    let told = named.collect::<BTreeSet<_>>().into_iter().map(|name| {
        let hint = nearest(name, known.iter().copied()).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
        error_at(file, "mutant.operations", &format!("\"{name}\""), format!("there is no operation {name:?}{hint}"))
    });
    told.collect()
}

fn vendor_references(context: &Context, file: &Path, vendor: &Vendor) -> Vec<ConfigError> {
    agreed_references(context, file, &vendor.waivers, &vendor.requirements)
}

fn agreed_references(context: &Context, file: &Path, waivers: &[Waiver], requirements: &[Requirement]) -> Vec<ConfigError> {
    let waived = waivers.iter().map(|waiver| ("waiver.case", waiver.case.as_str()));
    let required = requirements.iter().map(|requirement| ("requirement.case", requirement.case.as_str()));
    waived.chain(required).filter_map(|(field, name)| unknown_case(context, file, field, name)).collect()
}

/// Rows and cases that no case of the suites bears.
fn application_references(context: &Context, file: &Path, application: &Application) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for need in &application.needs {
        let instead = need.setting.iter();
        let rows = need.rows.iter().chain(instead.clone().flat_map(|setting| &setting.rows)).map(|name| ("need.rows", name));
        let cases = need.cases.iter().chain(instead.flat_map(|setting| &setting.cases)).map(|name| ("need.cases", name));
        errors.extend(rows.chain(cases).filter_map(|(field, name)| unknown_case(context, file, field, name)));
    }
    errors
}

fn profile_references(context: &Context, root: &Root, file: &Path, profile: &Profile) -> Vec<ConfigError> {
    let vendor =
        |field: &'static str| move |id: &VendorId| load_vendor(root, id).err().map(|error| error_at(file, field, id.as_str(), error.message));
    let scenario = |field: &'static str| {
        move |id: &ScenarioId| load_scenario(root, id, profile.scale).err().map(|error| error_at(file, field, id.as_str(), error.message))
    };
    let mut errors: Vec<ConfigError> = profile.vendors.iter().filter_map(vendor("vendors")).collect();
    errors.extend(profile.price_only.iter().filter_map(vendor("price_only")));
    errors.extend(profile.scenarios.iter().filter_map(scenario("scenarios")));
    errors.extend(profile.curves.iter().map(|curve| &curve.scenario).filter_map(scenario("curve.scenario")));
    let known: Vec<Scenario> = profile.scenarios.iter().filter_map(|id| load_scenario(root, id, profile.scale).ok()).collect();
    if known.len() == profile.scenarios.len() {
        errors.extend(check_decisions(file, profile, &known).err());
    }
    errors.extend(scenario("cost.workload")(&profile.cost.workload));
    errors.extend(agreed_references(context, file, &profile.waivers, &profile.requirements));
    errors.extend(profile.suites.iter().filter_map(|name| unknown_case(context, file, "suites", name)));
    errors.extend(profile.gates.required.iter().filter_map(|name| unknown_case(context, file, "gates.required", name)));
    errors
}

/// An error where `name` is neither a suite, a case nor a row that a case proves.
fn unknown_case(context: &Context, file: &Path, field: &str, name: &str) -> Option<ConfigError> {
    let known = context.case_and_suite_names();
    if known.contains(name) {
        return None;
    }
    let hint = nearest(name, known.iter().map(String::as_str))
        .map_or_else(|| "`proofmark list` names them all".to_owned(), |near| format!("did you mean {near:?}?"));
    Some(error_at(file, field, name, format!("there is no case, row or suite {name:?}; {hint}")))
}
