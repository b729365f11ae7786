//! Programs: throughput scenarios that read and write as AI training and serving do, instead of drawing from a mix.
//!
//! The main type is [`ProgramSpec`]; [`ProgramSpec::cells`] is its matrix, [`ProgramSpec::estimate`] what it may send. What a program reads
//! and writes in detail is computed in `model::ai`.

mod cell;
mod checkpoint;
mod dataloader;
mod interference;
mod multipart;
mod restore;
mod serving;
mod storm;
mod tally;
mod windows;

use serde::{Deserialize, Serialize};

use super::throughput::CellTimes;
use super::value::lasting;
use super::{PayloadMode, PrefixScaleSpec};
use crate::model::{Estimate, Impact};
use crate::units::Span;
pub use cell::ProgramCell;
pub use checkpoint::CheckpointProgram;
pub use dataloader::{Access, Dataloader};
pub use interference::Interference;
pub use multipart::MultipartSweep;
pub use restore::{Reshard, RestoreProgram};
pub use serving::{KvCache, ModelLoad};
pub use storm::ListStorm;
use tally::Tally;
pub use windows::TokenWindows;

/// The field, dotted below the program's table, and what is wrong with it.
type Judged = Result<(), (String, String)>;

/// An error of one field.
fn wrong<T>(field: &str, message: impl Into<String>) -> Result<T, (String, String)> {
    Err((field.to_owned(), message.into()))
}

/// `scenarios/throughput/<id>.toml` with a program instead of a mix.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramSpec {
    /// What every program has.
    pub head: ProgramHead,
    /// What it does.
    pub program: Program,
}

/// The fields beside the program's table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramHead {
    /// Title for people.
    pub title: String,
    /// Short code, e.g. `A1`.
    pub code: String,
    /// What question it answers.
    pub about: String,
    /// What it does beyond its own prefix.
    #[serde(default)]
    pub impact: Impact,
    /// What is sent by PUT and how it is signed.
    #[serde(default)]
    pub payload: PayloadMode,
    /// Longest measured time of a cell; a profile may shorten it. No step, round or request begins after it, but one always ends.
    #[serde(deserialize_with = "lasting")]
    pub duration: Span,
    /// Time before the measurement, where a program has requests without an order (token windows, KV cache).
    #[serde(default)]
    pub warm_up: Span,
}

/// What a program does; in the file it is the table of this name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Program {
    /// Accelerators that read batches (A1 to A5).
    Dataloader(Dataloader),
    /// Random windows of one large object (A6).
    Windows(TokenWindows),
    /// Ranks that write a checkpoint at once, with retention (A7, A8, A12).
    Checkpoint(CheckpointProgram),
    /// Ranks that read one, at the same or another parallelism (A9, A10).
    Restore(RestoreProgram),
    /// Batches beside a checkpoint (A11).
    Interference(Interference),
    /// Hosts that read the same weights (A13).
    ModelLoad(ModelLoad),
    /// Chunks of a KV cache (A14).
    KvCache(KvCache),
    /// Ranks that list the data set at once (A17).
    ListStorm(ListStorm),
    /// One object in parts (T3).
    Multipart(MultipartSweep),
    /// Many prefixes against a server that pushes back (T13).
    PrefixScale(PrefixScaleSpec),
}

impl Program {
    /// The tables' names.
    pub const NAMES: [&'static str; 10] =
        ["dataloader", "windows", "checkpoint", "restore", "interference", "model_load", "kv_cache", "list_storm", "multipart", "prefix_scale"];

    /// The table's name.
    pub fn name(&self) -> &'static str {
        let index = match self {
            Program::Dataloader(_) => 0,
            Program::Windows(_) => 1,
            Program::Checkpoint(_) => 2,
            Program::Restore(_) => 3,
            Program::Interference(_) => 4,
            Program::ModelLoad(_) => 5,
            Program::KvCache(_) => 6,
            Program::ListStorm(_) => 7,
            Program::Multipart(_) => 8,
            Program::PrefixScale(_) => 9,
        };
        Self::NAMES[index]
    }
}

impl ProgramSpec {
    /// The times of its cells: the profile's where it gives some.
    pub fn times(&self, duration: Option<Span>, warm_up: Option<Span>) -> CellTimes {
        let warm_up = if self.head.warm_up == Span::default() { self.head.warm_up } else { warm_up.unwrap_or(self.head.warm_up) };
        CellTimes { duration: duration.unwrap_or(self.head.duration).min(self.head.duration).0, warm_up: warm_up.0 }
    }

    /// The matrix, in an order in which neighbours share prepared data.
    pub fn cells(&self) -> Vec<ProgramCell> {
        match &self.program {
            Program::Dataloader(program) => program.cells(),
            Program::Windows(program) => program.cells(),
            Program::Checkpoint(program) => program.cells(),
            Program::Restore(program) => program.cells(),
            Program::Interference(program) => program.cells(),
            Program::ModelLoad(program) => program.cells(),
            Program::KvCache(program) => program.cells(),
            Program::ListStorm(program) => program.cells(),
            Program::Multipart(program) => program.cells(),
            Program::PrefixScale(program) => program.cells().into_iter().map(ProgramCell::PrefixScale).collect(),
        }
    }

    /// An upper estimate of one repeat of all cells with their preparation: a server that answers in 500 us over 1 GB/s.
    pub fn estimate(&self, times: CellTimes) -> Estimate {
        let mut tally = Tally::default();
        match &self.program {
            Program::Dataloader(program) => program.estimate(times, &mut tally),
            Program::Windows(program) => program.estimate(times, &mut tally),
            Program::Checkpoint(program) => program.estimate(times, &mut tally),
            Program::Restore(program) => program.estimate(times, &mut tally),
            Program::Interference(program) => program.estimate(times, &mut tally),
            Program::ModelLoad(program) => program.estimate(times, &mut tally),
            Program::KvCache(program) => program.estimate(times, &mut tally),
            Program::ListStorm(program) => program.estimate(times, &mut tally),
            Program::Multipart(program) => program.estimate(times, &mut tally),
            Program::PrefixScale(program) => tally.also(&program.estimate()),
        }
        tally.done()
    }

    /// What no single field shows: the field, dotted, and what is wrong with it.
    ///
    /// # Errors
    /// When the program cannot run with these values.
    pub fn validate(&self) -> Result<(), (String, String)> {
        let verdict = match &self.program {
            Program::Dataloader(program) => program.validate(),
            Program::Windows(program) => program.validate(),
            Program::Checkpoint(program) => program.validate(),
            Program::Restore(program) => program.validate(),
            Program::Interference(program) => program.validate(),
            Program::ModelLoad(program) => program.validate(),
            Program::KvCache(program) => program.validate(),
            Program::ListStorm(program) => program.validate(),
            Program::Multipart(program) => program.validate(),
            Program::PrefixScale(program) => program.validate().map_err(|(field, message)| (field.to_owned(), message)),
        };
        let name = self.program.name();
        verdict.map_err(|(field, message)| (format!("{name}.{field}"), message))?;
        let cells: Vec<String> = self.cells().iter().map(ToString::to_string).collect();
        match cells.iter().enumerate().find(|(index, cell)| cells[..*index].contains(cell)) {
            Some((_, cell)) => Err((name.to_owned(), format!("two cells are called {cell:?}: expected lists without a value twice"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "training/tests.rs"]
mod tests;
