//! Accelerators that read batches: the data set, the step loop, and how files are read.
//!
//! The main type is [`Dataloader`]. The loop is that of DLIO: load, compute (a sleep), barrier; `read_threads` workers load ahead.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::super::throughput::CellTimes;
use super::super::value::{filled, positive, positives, refuse};
use super::{Judged, ProgramCell, Tally, wrong};
use crate::model::ai::{ByteRange, Dataset, ObjectRange, coalesce, demand_mib_per_s, minimum_samples, pieces};
use crate::units::{Bytes, Span};

/// `[dataloader]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataloader {
    /// Files of the data set.
    #[serde(deserialize_with = "positive")]
    pub files: u64,
    /// Samples in each file.
    #[serde(default = "one", deserialize_with = "positive")]
    pub samples_per_file: u64,
    /// Nominal size of a sample.
    #[serde(deserialize_with = "positive")]
    pub record_size: Bytes,
    /// Configured deviation of its size; the law of sizes makes an effective one of `record_sd / sqrt(2)`.
    #[serde(default)]
    pub record_sd: Bytes,
    /// Samples of a step.
    #[serde(deserialize_with = "positive")]
    pub batch: u64,
    /// Requests in flight of each accelerator.
    #[serde(deserialize_with = "positive")]
    pub read_threads: u32,
    /// Batches that each accelerator loads ahead; each read thread holds the same number of them, one at least.
    #[serde(default = "two", deserialize_with = "positive")]
    pub prefetch: u32,
    /// Computing time of a step.
    #[serde(deserialize_with = "positive")]
    pub compute_time: Span,
    /// Accelerators at once; each is a cell.
    #[serde(deserialize_with = "positives")]
    pub accelerators: Vec<u32>,
    /// How often the data set is read.
    #[serde(default = "one_epoch", deserialize_with = "positive")]
    pub epochs: u32,
    /// Steps of an epoch at most; all that the data set holds where it is not given.
    #[serde(default)]
    pub steps: Option<u64>,
    /// Whether each epoch has an order of its own.
    #[serde(default = "yes")]
    pub shuffle: bool,
    /// How files are read; each is a cell.
    #[serde(deserialize_with = "filled")]
    pub access: Vec<Access>,
    /// Utilisation below which an accelerator counts as starved, 0 to 1.
    #[serde(deserialize_with = "share")]
    pub au_min: f64,
}

fn one() -> u64 {
    1
}
fn two() -> u32 {
    2
}
fn one_epoch() -> u32 {
    1
}
fn yes() -> bool {
    true
}
fn share<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(input)?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err(refuse("a share from 0 to 1")) }
}

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Access {
    /// With one request.
    WholeObject,
    /// From its start to its end in pieces, as a stream of records is.
    ShardStream {
        /// Size of a piece.
        #[serde(deserialize_with = "positive")]
        range: Bytes,
    },
    /// One row group after the other, all columns, as tables in Parquet are.
    RowGroups {
        /// Samples of a row group.
        #[serde(deserialize_with = "positive")]
        rows: u64,
    },
    /// Some columns of each row group; they lie evenly among the others.
    Columns {
        /// Samples of a row group.
        #[serde(deserialize_with = "positive")]
        rows: u64,
        /// Columns, of equal size.
        #[serde(deserialize_with = "positive")]
        columns: u64,
        /// Columns that are read.
        #[serde(deserialize_with = "positive")]
        projected: u64,
        /// Column chunks between which at most so many bytes lie are read with one request.
        gap: Bytes,
    },
}

/// `whole-object`, `shard-stream[256 KiB]`, `row-groups[48]`, `columns[40/200 gap 1 MiB]`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Access::WholeObject => f.write_str("whole-object"),
            Access::ShardStream { range } => write!(f, "shard-stream[{range}]"),
            Access::RowGroups { rows } => write!(f, "row-groups[{rows}]"),
            Access::Columns { columns, projected, gap, .. } => write!(f, "columns[{projected}/{columns} gap {gap}]"),
        }
    }
}

impl Access {
    /// Samples of a row group, where files are read by them.
    fn rows(&self) -> Option<u64> {
        match self {
            Access::RowGroups { rows } | Access::Columns { rows, .. } => Some(*rows),
            Access::WholeObject | Access::ShardStream { .. } => None,
        }
    }
}

impl Dataloader {
    /// The data set.
    pub fn dataset(&self) -> Dataset {
        let (record_bytes, record_sd) = (self.record_size.0, self.record_sd.0);
        Dataset { files: self.files, samples_per_file: self.samples_per_file, record_bytes, record_sd }
    }
    /// The key of a file below the scenario's prefix.
    pub fn file_name(&self, file: u64) -> String {
        format!("train/{file:08}")
    }
    /// What one accelerator demands when it never waits, in MiB/s of nominal samples.
    pub fn demand_mib_per_s(&self) -> f64 {
        demand_mib_per_s(self.batch, self.record_size.0, self.compute_time.0)
    }
    /// Samples that the rules of MLPerf Storage want at least for so many accelerators on hosts with so much memory together.
    pub fn minimum_samples(&self, accelerators: u32, memory_bytes: u64) -> u64 {
        minimum_samples(self.batch, u64::from(accelerators), memory_bytes, self.record_size.0)
    }
    /// What is read one after the other and shuffled: files or row groups.
    pub fn units(&self, access: Access) -> u64 {
        self.files * (self.samples_per_file / self.samples_per_unit(access))
    }
    /// Samples of a unit.
    pub fn samples_per_unit(&self, access: Access) -> u64 {
        access.rows().unwrap_or(self.samples_per_file)
    }
    /// Steps of an epoch for each of so many accelerators; a last, smaller batch is dropped.
    pub fn steps_per_epoch(&self, access: Access, accelerators: u32) -> u64 {
        let held = self.units(access) / u64::from(accelerators) * self.samples_per_unit(access) / self.batch;
        self.steps.map_or(held, |steps| steps.min(held))
    }
    /// The requests that bring a unit; `seed` is the one that the files were written with.
    pub fn reads(&self, access: Access, seed: u64, unit: u64) -> Vec<ObjectRange> {
        let Some(rows) = access.rows() else {
            let whole = ByteRange { start: 0, len: self.dataset().file_bytes(seed, unit) };
            let most = if let Access::ShardStream { range } = access { range.0 } else { 0 };
            return self.of_file(unit, pieces(whole, most));
        };
        let groups = self.samples_per_file / rows;
        let bytes = rows * self.record_size.0;
        let start = unit % groups * bytes;
        let ranges = match access {
            Access::Columns { columns, projected, gap, .. } => {
                let border = |column: u64| start + bytes * column / columns;
                let chunk = |index: u64| index * columns / projected;
                let chunks =
                    (0..projected).map(|index| ByteRange { start: border(chunk(index)), len: border(chunk(index) + 1) - border(chunk(index)) });
                coalesce(&chunks.collect::<Vec<_>>(), gap.0)
            }
            _ => vec![ByteRange { start, len: bytes }],
        };
        self.of_file(unit / groups, ranges)
    }
    fn of_file(&self, file: u64, ranges: Vec<ByteRange>) -> Vec<ObjectRange> {
        ranges.into_iter().map(|range| ObjectRange { object: self.file_name(file), range }).collect()
    }

    pub(super) fn cells(&self) -> Vec<ProgramCell> {
        let of = |access: &Access| self.accelerators.iter().map(|count| ProgramCell::Dataloader { access: *access, accelerators: *count }).collect();
        self.access.iter().flat_map(|access: &Access| -> Vec<ProgramCell> { of(access) }).collect()
    }

    pub(super) fn estimate(&self, times: CellTimes, tally: &mut Tally) {
        self.estimate_files(tally);
        for access in &self.access {
            for accelerators in &self.accelerators {
                self.estimate_cell(*access, *accelerators, times, tally);
                tally.lasts(times);
            }
        }
    }

    /// Four standard deviations of the sum above the nominal size.
    pub(super) fn estimate_files(&self, tally: &mut Tally) {
        let bytes = self.dataset().bytes() + self.spread(self.files);
        tally.put(self.files, bytes);
        tally.prepared(self.files, bytes);
        tally.stored(bytes);
    }

    fn spread(&self, files: u64) -> u64 {
        (4.0 * self.dataset().effective_sd() * (files as f64).sqrt()) as u64 * self.samples_per_file
    }

    /// An accelerator never steps faster than it computes; each thread reads ahead, and may hold a unit that no step took.
    pub(super) fn estimate_cell(&self, access: Access, accelerators: u32, times: CellTimes, tally: &mut Tally) {
        let in_time = (times.duration.as_secs_f64() / self.compute_time.0.as_secs_f64()) as u64 + 1;
        let steps = (self.steps_per_epoch(access, accelerators) * u64::from(self.epochs)).min(in_time);
        let ahead = u64::from(self.prefetch.div_ceil(self.read_threads) * self.read_threads);
        let samples = (steps + ahead) * self.batch;
        let each = samples.div_ceil(self.samples_per_unit(access)) + u64::from(self.read_threads);
        let units = each.min(self.units(access).div_ceil(u64::from(accelerators)) * u64::from(self.epochs)) * u64::from(accelerators);
        let nominal = Self { record_sd: Bytes(0), ..self.clone() };
        let reads = nominal.reads(access, 0, 0);
        let bytes: u64 = reads.iter().map(|read| read.range.len).sum();
        tally.get(units * reads.len() as u64, units * bytes + self.spread(units));
    }

    pub(super) fn validate(&self) -> Judged {
        for access in &self.access {
            if let Some(rows) = access.rows() {
                if !self.samples_per_file.is_multiple_of(rows) {
                    let held = self.samples_per_file;
                    return wrong("access", format!("row groups of {rows} do not divide the {held} samples of a file: expected a number that does"));
                }
                if self.record_sd.0 > 0 {
                    return wrong("record_sd", "rows of a table are of one size: expected no deviation with row groups or columns");
                }
            }
            if let Access::Columns { columns, projected, .. } = access
                && projected > columns
            {
                return wrong("access", format!("{projected} of {columns} columns cannot be read: expected projected <= columns"));
            }
            for accelerators in &self.accelerators {
                if self.steps_per_epoch(*access, *accelerators) < 2 {
                    let sentence =
                        format!("{access}: the data set is less than two steps of {accelerators} accelerators, and the first one does not count");
                    return wrong("accelerators", sentence);
                }
            }
        }
        Ok(())
    }
}
