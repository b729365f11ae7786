//! The cells of programs: one combination of the values that a program lists.
//!
//! The main type is [`ProgramCell`].

use std::fmt;

use super::{Access, Reshard};
use crate::config::PrefixCell;
use crate::model::ai::{CacheShape, CheckpointShape};
use crate::units::Bytes;

/// One cell. It holds the values that vary; the rest stands in the program.
#[derive(Debug, Clone, PartialEq)]
pub enum ProgramCell {
    /// Of [`super::Dataloader`].
    Dataloader {
        /// How files are read.
        access: Access,
        /// Accelerators at once.
        accelerators: u32,
    },
    /// Of [`super::TokenWindows`].
    Windows {
        /// Least bytes of a request.
        read_ahead: Bytes,
        /// Readers at once.
        readers: u32,
    },
    /// Of [`super::CheckpointProgram`].
    Checkpoint {
        /// What is written.
        shape: CheckpointShape,
    },
    /// Of [`super::RestoreProgram`].
    Restore {
        /// What was written.
        shape: CheckpointShape,
        /// The parallelism that reads it, where it is another one.
        target: Option<Reshard>,
        /// How far ranks have moved on since it was written.
        rank_shift: u32,
    },
    /// Of [`super::Interference`].
    Interference {
        /// How files are read.
        access: Access,
        /// Accelerators at once.
        accelerators: u32,
        /// What is written beside them.
        shape: CheckpointShape,
    },
    /// Of [`super::ModelLoad`].
    ModelLoad {
        /// All weights together.
        size: Bytes,
        /// Most bytes of a request; 0 reads tensor by tensor.
        range: Bytes,
        /// Hosts at once.
        readers: u32,
    },
    /// Of [`super::KvCache`].
    KvCache {
        /// The model whose cache it is.
        model: CacheShape,
        /// Size of a chunk.
        chunk: Bytes,
        /// Workers at once.
        concurrency: u32,
    },
    /// Of [`super::ListStorm`].
    ListStorm {
        /// Ranks at once.
        ranks: u32,
    },
    /// Of [`super::MultipartSweep`].
    Multipart {
        /// Size of a part.
        part_size: Bytes,
        /// Parts at once.
        at_once: u32,
    },
    /// Of [`crate::config::PrefixScaleSpec`].
    PrefixScale(PrefixCell),
}

/// `dataloader whole-object x2`, `reshard T2P2D2 ZeRO-1 h256 L8 to T1P2D4 ZeRO-1`, `kv-cache 1 MiB x8`.
impl fmt::Display for ProgramCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramCell::Dataloader { access, accelerators } => write!(f, "dataloader {access} x{accelerators}"),
            ProgramCell::Windows { read_ahead, readers } => write!(f, "windows ahead {read_ahead} x{readers}"),
            ProgramCell::Checkpoint { shape } => write!(f, "checkpoint {shape}"),
            ProgramCell::Restore { shape, target: Some(target), .. } => write!(f, "reshard {shape} to {target}"),
            ProgramCell::Restore { shape, target: None, rank_shift } => write!(f, "restore {shape} shift {rank_shift}"),
            ProgramCell::Interference { access, accelerators, shape } => write!(f, "dataloader {access} x{accelerators} beside checkpoint {shape}"),
            ProgramCell::ModelLoad { size, range: Bytes(0), readers } => write!(f, "model-load {size} by tensor x{readers}"),
            ProgramCell::ModelLoad { size, range, readers } => write!(f, "model-load {size} by {range} x{readers}"),
            ProgramCell::KvCache { chunk, concurrency, .. } => write!(f, "kv-cache {chunk} x{concurrency}"),
            ProgramCell::ListStorm { ranks } => write!(f, "list-storm x{ranks}"),
            ProgramCell::Multipart { part_size, at_once } => write!(f, "multipart {part_size} x{at_once}"),
            ProgramCell::PrefixScale(cell) => write!(f, "prefix-scale {}", cell.name()),
        }
    }
}
