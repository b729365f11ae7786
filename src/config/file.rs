//! Reading the files: TOML text -> type, with the place of every error.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::scenario::{check_throughput, read_throughput};
use super::{Application, ConfigError, DECISIONS_MAX, NamedApplication, Profile, Root, Scale, Scenario, ScenarioSpec, Vendor, nearest};
use crate::model::{Kind, ProfileId, ScenarioId, VendorId};

/// Reads one TOML file.
///
/// # Errors
/// When the file cannot be read, is not TOML, has an unknown key or a value of the wrong kind or unit.
pub fn parse<T: DeserializeOwned>(file: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError::new(file, format!("cannot be read: {error}")))?;
    parse_text(file, &text)
}

/// What a type says about values that only together are wrong: the field, dotted, and the message.
type Validated = Result<(), (&'static str, String)>;

/// Reads one TOML file and checks what no single field's type refuses.
fn parse_valid<T: DeserializeOwned>(file: &Path, validate: impl Fn(&T) -> Validated) -> Result<T, ConfigError> {
    let value = parse(file)?;
    let verdict = validate(&value);
    judged(file, &std::fs::read_to_string(file).unwrap_or_default(), None, verdict)?;
    Ok(value)
}

/// A type's verdict as an error with its line: that of the field in the table `over`, where it stands there, which is the one that is used.
pub(super) fn judged<F: AsRef<str>>(file: &Path, text: &str, over: Option<&str>, verdict: Result<(), (F, String)>) -> Result<(), ConfigError> {
    let Err((field, message)) = verdict else { return Ok(()) };
    let field = field.as_ref();
    let scaled = over.map(|table| format!("{table}.{field}")).filter(|name| text_has(text, name));
    let field = scaled.unwrap_or_else(|| field.to_owned());
    Err(ConfigError { line: line_of(text, &field), ..ConfigError::new(file, message) }.field(field))
}

fn text_has(text: &str, field: &str) -> bool {
    (0..text.lines().count()).any(|line| field_at(text, line).as_deref() == Some(field))
}

/// The 1-based line of a dotted field, or of the inline table that holds it; `None` where several lines could be meant.
fn line_of(text: &str, field: &str) -> Option<usize> {
    let holds = |found: &str| field == found || field.strip_prefix(found).is_some_and(|rest| rest.starts_with('.'));
    let is_value = |line: &str| !line.trim_start().starts_with(['[', '#']);
    let lines: Vec<(usize, usize)> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| is_value(line))
        .filter_map(|(index, _)| field_at(text, index).filter(|found| holds(found)).map(|found| (index + 1, found.len())))
        .collect();
    let nearest = lines.iter().map(|(_, length)| *length).max()?;
    let mut nearest = lines.iter().filter(|(_, length)| *length == nearest).map(|(line, _)| *line);
    nearest.next().filter(|_| nearest.next().is_none())
}

/// Reads a profile; the first decision metric that is too many is named with its line.
fn parse_profile(file: &Path) -> Result<Profile, ConfigError> {
    let profile: Profile = parse_valid(file, Profile::validate)?;
    let count = profile.decisions().count();
    if count <= DECISIONS_MAX {
        return Ok(profile);
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut marks = (0..).zip(text.lines()).filter(|(index, line)| {
        let value = line.split_once('=').map_or("", |(_, value)| value.trim());
        value.starts_with("true") && field_at(&text, *index).as_deref() == Some("curve.decision")
    });
    let line = marks.nth(DECISIONS_MAX).map(|(index, _)| index + 1);
    let message = format!("{count} decision metrics: at most {DECISIONS_MAX} can decide; take decision = true from the others");
    Err(ConfigError { line, ..ConfigError::new(file, message) }.field("curve.decision"))
}

fn validate_vendor(vendor: &Vendor) -> Validated {
    vendor.pricing.as_ref().map_or(Ok(()), super::PriceCard::validate)
}

pub(super) fn parse_text<T: DeserializeOwned>(file: &Path, text: &str) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| located(file, text, &error))
}

/// An error of the TOML reader with its place in the text.
pub(super) fn located(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let mut found = ConfigError::new(file, error.message().trim());
    if let Some(span) = error.span() {
        let before = &text[..span.start.min(text.len())];
        let line = before.matches('\n').count();
        found.line = Some(line + 1);
        found.column = Some(before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1);
        found.field = field_at(text, line);
    }
    found
}

/// The dotted field of a line: the table header above it and the key before `=`.
fn field_at(text: &str, line: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let header = |candidate: &&str| candidate.trim_start().starts_with('[').then(|| candidate.trim().trim_matches(['[', ']']).trim().to_owned());
    let own = lines.get(line)?;
    if let Some(table) = header(own) {
        return Some(table);
    }
    let key = own.split_once('=').map(|(key, _)| key.trim().trim_matches(['{', ' ', '[']).trim().to_owned()).filter(|key| !key.is_empty())?;
    let table = lines[..line].iter().rev().find_map(header);
    Some(table.map_or(key.clone(), |table| format!("{table}.{key}")))
}

/// An error at the line of `file` that holds `needle`, for what only shows when the file meets the world: a name that does not
/// exist, a variable that is not set, an endpoint that does not answer.
pub fn error_at(file: &Path, field: &str, needle: &str, message: impl Into<String>) -> ConfigError {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().position(|line| !needle.is_empty() && !line.trim_start().starts_with('#') && line.contains(needle));
    ConfigError { line: line.map(|index| index + 1), ..ConfigError::new(file, message) }.field(field)
}

/// The file stem as text.
pub fn stem(file: &Path) -> String {
    file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned()
}

/// The stems of a folder's TOML files, sorted.
pub fn toml_stems(folder: &Path) -> Vec<String> {
    let mut stems: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| stem(&path))
        .collect();
    stems.sort();
    stems
}

fn known_file(folder: &Path, name: &str, what: &str) -> Result<PathBuf, ConfigError> {
    let stems = toml_stems(folder);
    if stems.iter().any(|known| known == name) {
        return Ok(folder.join(format!("{name}.toml")));
    }
    let hint = match nearest(name, stems.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("known: {}", stems.join(", ")),
    };
    Err(ConfigError::new(folder, format!("there is no {what} {name:?}; {hint}")))
}

/// Loads `vendors/<id>.toml`.
///
/// # Errors
/// An unknown id (with the nearest known one), or a file that is not valid.
pub fn load_vendor(root: &Root, id: &VendorId) -> Result<Vendor, ConfigError> {
    let file = known_file(&root.vendors(), id.as_str(), "vendor")?;
    parse_valid(&file, validate_vendor)
}

/// Loads `scenarios/profiles/<id>.toml`.
///
/// # Errors
/// An unknown id (with the nearest known one), or a file that is not valid.
pub fn load_profile(root: &Root, id: &ProfileId) -> Result<Profile, ConfigError> {
    parse_profile(&known_file(&root.scenarios().join("profiles"), id.as_str(), "profile")?)
}

/// Loads `scenarios/<kind>/<stem>.toml`; a throughput scenario with the values of the scale.
///
/// # Errors
/// An unknown id (with the nearest known one), or a file that is not valid.
pub fn load_scenario(root: &Root, id: &ScenarioId, scale: Scale) -> Result<Scenario, ConfigError> {
    let (kind, name) = id.as_str().split_once('/').unwrap_or(("", id.as_str()));
    let kinds = [Kind::Throughput, Kind::Failure, Kind::Cost];
    let Some(kind) = kinds.into_iter().find(|known| known.name() == kind) else {
        return Err(ConfigError::new(
            root.scenarios(),
            format!("there is no scenario {id:?}: expected \"throughput/NAME\", \"failure/NAME\" or \"cost/NAME\""),
        ));
    };
    let file = known_file(&root.scenarios().join(kind.name()), name, &format!("{} scenario", kind.name()))?;
    let spec = match kind {
        Kind::Throughput => read_throughput(&file, scale)?,
        Kind::Failure => ScenarioSpec::Failure(parse_valid(&file, super::FailureSpec::validate)?),
        _ => ScenarioSpec::Cost(parse_valid(&file, super::CostWorkload::validate)?),
    };
    Ok(Scenario { id: id.clone(), spec })
}

/// Loads every file of `suites/applications/`, in the order of their names. There may be none.
///
/// # Errors
/// A file that is not valid.
pub fn load_applications(root: &Root) -> Result<Vec<NamedApplication>, ConfigError> {
    let folder = root.applications();
    let load = |id: String| parse_valid(&folder.join(format!("{id}.toml")), Application::validate).map(|file| NamedApplication { id, file });
    toml_stems(&folder).into_iter().map(load).collect()
}

/// Checks files of any kind by the folder that they stand in, offline; returns every error.
pub fn check_files(files: &[PathBuf]) -> Vec<ConfigError> {
    files.iter().filter_map(|file| check_file(file).err()).collect()
}

fn check_file(file: &Path) -> Result<(), ConfigError> {
    let folder = file.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    match folder {
        "vendors" => parse_valid(file, validate_vendor).map(drop),
        "profiles" => parse_profile(file).map(drop),
        "throughput" => check_throughput(file),
        "failure" => parse_valid(file, super::FailureSpec::validate).map(drop),
        "applications" => parse_valid(file, Application::validate).map(drop),
        "cost" => parse_valid(file, super::CostWorkload::validate).map(drop),
        "suites" if stem(file) == "mutants" => super::mutant::read_mutants(file).map(drop),
        other => {
            Err(ConfigError::new(file, format!("is in the folder {other:?}: expected vendors, profiles, applications, throughput, failure or cost")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_field_is_found_in_tables_and_inline_tables() {
        let text =
            "title = \"t\"\n[gates]\ncoverage_min = 2\n[pricing]\nstorage = { unit = \"x\", tiers = [] }\n[[curve]]\ngood = 1\n[[curve]]\ngood = 2\n";
        assert_eq!(line_of(text, "gates.coverage_min"), Some(3));
        assert_eq!(line_of(text, "pricing.storage.tiers"), Some(5));
        assert_eq!(line_of(text, "curve.good"), None, "two curves");
        assert_eq!(line_of(text, "cost.budget"), None);
    }
}
