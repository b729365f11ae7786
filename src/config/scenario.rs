//! A scenario file of any kind, and which kind of throughput scenario a file is.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::DeTable;

use super::file::{judged, located};
use super::scale::{KEY, Scale, settle};
use super::training::{Program, ProgramHead};
use super::{ConfigError, CostWorkload, FailureSpec, ProgramSpec, ThroughputSpec};
use crate::model::{Kind, ScenarioId};

/// A loaded scenario; its kind is its folder.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// `<kind>/<file stem>`.
    pub id: ScenarioId,
    /// What to do.
    pub spec: ScenarioSpec,
}

/// What to do, by kind.
#[derive(Debug, Clone, PartialEq)]
pub enum ScenarioSpec {
    /// Load: a mix of operations.
    Throughput(ThroughputSpec),
    /// Load as a program makes it: training, checkpoints, serving.
    Program(ProgramSpec),
    /// Faults.
    Failure(FailureSpec),
    /// A month of use to price.
    Cost(CostWorkload),
}

impl Scenario {
    /// The kind.
    pub fn kind(&self) -> Kind {
        match self.spec {
            ScenarioSpec::Throughput(_) | ScenarioSpec::Program(_) => Kind::Throughput,
            ScenarioSpec::Failure(_) => Kind::Failure,
            ScenarioSpec::Cost(_) => Kind::Cost,
        }
    }
}

/// Reads a throughput scenario: a mix, or exactly one program.
///
/// # Errors
/// When the file cannot be read, has neither or both, or holds a value that is not valid.
pub(super) fn read_throughput(file: &Path, scale: Scale) -> Result<ScenarioSpec, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError::new(file, format!("cannot be read: {error}")))?;
    throughput(file, &text, scale)
}

/// Reads a throughput scenario with its own values and, where it has a `[scale]` table, with those also.
///
/// # Errors
/// As [`read_throughput`].
pub(super) fn check_throughput(file: &Path) -> Result<(), ConfigError> {
    read_throughput(file, Scale::Default)?;
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let has_scale = DeTable::parse(&text).is_ok_and(|table| table.get_ref().contains_key(KEY));
    if has_scale { throughput(file, &text, Scale::Scale).map(drop) } else { Ok(()) }
}

pub(super) fn throughput(file: &Path, text: &str, scale: Scale) -> Result<ScenarioSpec, ConfigError> {
    let mut table = DeTable::parse(text).map_err(|error| located(file, text, &error))?;
    settle(table.get_mut(), scale).map_err(|message| ConfigError::new(file, message).field(KEY))?;
    let has_mix = table.get_ref().contains_key("mix");
    let programs: Vec<&str> = Program::NAMES.into_iter().filter(|name| table.get_ref().contains_key(*name)).collect();
    match (has_mix, programs.as_slice()) {
        (true, []) => {
            let spec: ThroughputSpec = read(file, text, table)?;
            judged(file, text, scaled(scale), spec.validate())?;
            Ok(ScenarioSpec::Throughput(spec))
        }
        (false, [program]) => {
            let spec = read_program(file, text, table, program)?;
            judged(file, text, scaled(scale), spec.validate())?;
            Ok(ScenarioSpec::Program(spec))
        }
        (false, []) => Err(ConfigError::new(file, format!("says nothing to do: expected mix or one of {}", listed(&Program::NAMES)))),
        _ => {
            let found: Vec<&str> = has_mix.then_some("mix").into_iter().chain(programs.iter().copied()).collect();
            Err(ConfigError::new(file, format!("a scenario has one of mix and the programs, and here are {}: split the file", listed(&found))))
        }
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| if *name == "mix" { (*name).to_owned() } else { format!("[{name}]") }).collect::<Vec<_>>().join(", ")
}

/// The prefix of a field that the `[scale]` table gives.
fn scaled(scale: Scale) -> Option<&'static str> {
    (scale == Scale::Scale).then_some(KEY)
}

fn read<'t, T: DeserializeOwned>(file: &Path, text: &'t str, table: Spanned<DeTable<'t>>) -> Result<T, ConfigError> {
    T::deserialize(toml::Deserializer::from(table)).map_err(|error| located(file, text, &error))
}

/// The head and the program are read one after the other, so that neither knows the other's fields.
fn read_program<'t>(file: &Path, text: &'t str, mut table: Spanned<DeTable<'t>>, program: &str) -> Result<ProgramSpec, ConfigError> {
    let mut alone = DeTable::new();
    alone.extend(table.get_mut().remove_entry(program));
    let program: Program = read(file, text, Spanned::new(table.span(), alone))?;
    let head: ProgramHead = read(file, text, table)?;
    Ok(ProgramSpec { head, program })
}

#[cfg(test)]
#[path = "scenario_tests.rs"]
mod tests;
