//! Serving a model: hosts that read the same weights, and chunks of a KV cache.
//!
//! The main types are [`ModelLoad`] and [`KvCache`].

use serde::{Deserialize, Serialize};

use super::super::throughput::CellTimes;
use super::super::value::{filled, positive, positives};
use super::checkpoint::{judge_parts, part_size};
use super::tally::{closed_loop, rounds};
use super::{Judged, ProgramCell, Tally, wrong};
use crate::model::ai::{CacheShape, WeightFile};
use crate::units::{Bytes, Span};

/// `[model_load]`: hosts that start at once and read all weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelLoad {
    /// All weights together; each is a cell.
    #[serde(deserialize_with = "filled")]
    pub size: Vec<Bytes>,
    /// Files that hold them, of equal size.
    #[serde(default = "one", deserialize_with = "positive")]
    pub files: u64,
    /// Header of each file, with its length.
    #[serde(default = "header")]
    pub header: Bytes,
    /// Tensors of each file, of equal size.
    #[serde(deserialize_with = "positive")]
    pub tensors: u64,
    /// Most bytes of a request, 0 for tensor by tensor; each is a cell.
    #[serde(deserialize_with = "filled")]
    pub range_size: Vec<Bytes>,
    /// Hosts at once; each is a cell.
    #[serde(deserialize_with = "positives")]
    pub readers: Vec<u32>,
    /// Requests in flight of each host.
    #[serde(default = "four", deserialize_with = "positive")]
    pub concurrency: u32,
    /// How often all hosts load.
    #[serde(default = "one_pass", deserialize_with = "positive")]
    pub passes: u32,
    /// Larger files are written in parts of this size.
    #[serde(default = "part_size")]
    pub part_size: Bytes,
}

fn one() -> u64 {
    1
}
fn one_pass() -> u32 {
    1
}
fn four() -> u32 {
    4
}
fn header() -> Bytes {
    Bytes::kib(64)
}

impl ModelLoad {
    /// The key of a file below the scenario's prefix.
    pub fn file_name(&self, size: Bytes, file: u64) -> String {
        format!("weights-{}/{file:05}", size.0)
    }
    /// One of the files of a cell; its reads are those of every host.
    pub fn file(&self, size: Bytes) -> WeightFile {
        WeightFile { bytes: size.0 / self.files, header: self.header.0, tensors: self.tensors }
    }

    pub(super) fn cells(&self) -> Vec<ProgramCell> {
        let mut cells = Vec::new();
        for size in &self.size {
            for range in &self.range_size {
                cells.extend(self.readers.iter().map(|readers| ProgramCell::ModelLoad { size: *size, range: *range, readers: *readers }));
            }
        }
        cells
    }

    pub(super) fn estimate(&self, times: CellTimes, tally: &mut Tally) {
        for size in &self.size {
            tally.upload(self.files, self.file(*size).bytes, self.part_size.0);
            tally.prepared(self.files, size.0);
            tally.stored(size.0);
        }
        for cell in self.cells() {
            let ProgramCell::ModelLoad { size, range, readers } = cell else { continue };
            let (readers, file) = (u64::from(readers), self.file(size));
            let bytes = file.bytes * self.files * readers;
            let passes = rounds(bytes, 1, 0.0, times).min(u64::from(self.passes));
            tally.get(file.reads(range.0).len() as u64 * self.files * readers * passes, bytes * passes);
            tally.lasts(times);
        }
    }

    pub(super) fn validate(&self) -> Judged {
        let Some(least) = self.size.iter().map(|size| self.file(*size).bytes).min() else { return Ok(()) };
        if self.header.0 <= 8 {
            return wrong("header", "a file begins with the header's length, 8 bytes, and the header: expected more than 8 B");
        }
        if least < self.header.0 + self.tensors {
            return wrong("tensors", format!("{} tensors do not fit into a file of {least} B", self.tensors));
        }
        judge_parts(self.part_size, self.size.iter().map(|size| self.file(*size).bytes).max().unwrap_or_default())
    }
}

/// `[kv_cache]`: workers that fetch and store chunks of cached tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KvCache {
    /// Models whose caches it holds; each is a cell.
    #[serde(deserialize_with = "filled")]
    pub model: Vec<CacheShape>,
    /// Tokens of a chunk.
    #[serde(deserialize_with = "positive")]
    pub chunk_tokens: u64,
    /// Chunks that exist.
    #[serde(deserialize_with = "positive")]
    pub chunks: u64,
    /// Reads in each round of requests.
    #[serde(deserialize_with = "positive")]
    pub reads: u32,
    /// Writes in each round of requests.
    #[serde(deserialize_with = "positive")]
    pub writes: u32,
    /// Workers at once; each is a cell.
    #[serde(deserialize_with = "positives")]
    pub concurrency: Vec<u32>,
    /// Reads are late beyond this at the 95th percentile. A mark for the reader: no rule of MLPerf Storage passes or fails by it.
    pub read_p95: Span,
    /// Writes are late beyond this at the 95th percentile.
    pub write_p95: Span,
}

impl KvCache {
    /// Size of a chunk.
    pub fn chunk(&self, model: &CacheShape) -> Bytes {
        Bytes(model.bytes(self.chunk_tokens))
    }
    /// The key of a chunk below the scenario's prefix.
    pub fn chunk_name(&self, model: &CacheShape, chunk: u64) -> String {
        format!("kv-{}/{chunk:08}", self.chunk(model).0)
    }

    pub(super) fn cells(&self) -> Vec<ProgramCell> {
        let of = |model: CacheShape| {
            let chunk = self.chunk(&model);
            self.concurrency.iter().map(move |concurrency| ProgramCell::KvCache { model, chunk, concurrency: *concurrency })
        };
        self.model.iter().flat_map(|model| of(*model)).collect()
    }

    pub(super) fn estimate(&self, times: CellTimes, tally: &mut Tally) {
        for model in &self.model {
            let bytes = self.chunks * self.chunk(model).0;
            tally.put(self.chunks, bytes);
            tally.prepared(self.chunks, bytes);
            tally.stored(bytes);
        }
        let round = u64::from(self.reads) + u64::from(self.writes);
        for cell in self.cells() {
            let ProgramCell::KvCache { chunk, concurrency, .. } = cell else { continue };
            let rounds = closed_loop(concurrency, chunk.0 as f64, times).div_ceil(round) + u64::from(concurrency);
            tally.get(rounds * u64::from(self.reads), rounds * u64::from(self.reads) * chunk.0);
            tally.put(rounds * u64::from(self.writes), rounds * u64::from(self.writes) * chunk.0);
            tally.lasts(times);
        }
    }

    pub(super) fn validate(&self) -> Judged {
        if self.model.iter().any(|model| model.bytes_per_token() == 0) {
            return wrong("model", "each dimension of a model must be above 0");
        }
        Ok(())
    }
}
