//! Throughput scenarios: data is prepared once per size, then each cell is loaded and recorded.
//!
//! The main type is [`Runner`].

mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use crate::config::{Cell, CellTimes};
use crate::config::{LoopKind, Operation, PayloadMode, ThroughputSpec};
use crate::load::{self, Bodies, LoadResult, LoadSpec, Stop, Work};
use crate::model::{ClientId, ScenarioId, ScenarioRecord};
use crate::wire::{Link, Space};

/// Share of the reads that are compared byte for byte.
const VERIFY_SHARE: f64 = 0.01;
/// Requests in flight while data is prepared.
const PREPARE_CONCURRENCY: u32 = 8;
/// How often an object that could not be written is tried again; each try is a counted request.
const PREPARE_ROUNDS: u32 = 5;

/// The cells of a scenario's matrix, in the order in which they share prepared data.
pub fn cells(spec: &ThroughputSpec) -> Vec<Cell> {
    spec.cells()
}

/// Runs the cells of one scenario against one vendor. Keep it for all cells and repeats: it remembers what is prepared.
#[derive(Debug)]
pub struct Runner {
    link: Link,
    id: ScenarioId,
    spec: ThroughputSpec,
    times: CellTimes,
    client: ClientId,
    bodies: BTreeMap<u64, Arc<Bodies>>,
    readable: BTreeMap<u64, Result<(), String>>,
    /// Written objects that earlier cells have left, by size.
    written: BTreeMap<u64, Arc<BTreeSet<u64>>>,
    /// Objects to delete that earlier cells have left, by size.
    doomed_left: BTreeMap<u64, u64>,
}

impl Runner {
    /// A runner that has prepared nothing yet.
    pub fn new(link: &Link, id: ScenarioId, spec: ThroughputSpec, times: CellTimes) -> Self {
        let (bodies, readable, written, doomed_left) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { link: link.clone(), id, spec, times, client: ClientId::from("1/1"), bodies, readable, written, doomed_left }
    }
    /// Names the client (shard) in the records; `1/1` otherwise.
    pub fn by_client(self, client: ClientId) -> Self {
        Self { client, ..self }
    }

    /// Prepares what the cell needs and is not there yet, loads it once and tells what was measured. It never fails: what went wrong
    /// is the record's outcome.
    pub async fn run_cell(&mut self, cell: &Cell, repeat: u32) -> ScenarioRecord {
        let started = Instant::now();
        let mut record = self.blank(cell, repeat);
        match self.load(cell, repeat).await {
            Ok((spec, result)) => {
                if cell.needs_doomed() {
                    let deleted = result.ledger.window_of_all(Duration::ZERO, Duration::MAX).ok;
                    self.doomed_left.insert(cell.object_size.0, self.spec.objects.saturating_sub(deleted));
                }
                if cell.sends(Operation::PutObject) {
                    self.written.insert(cell.object_size.0, Arc::new(result.ledger.left.clone()));
                }
                record::fill(&mut record, cell, &spec, &result);
            }
            Err(reason) => record.outcome = crate::model::Outcome::Unresolved(reason),
        }
        record.duration_ms = started.elapsed().as_secs_f64() * 1e3;
        record
    }

    async fn load(&mut self, cell: &Cell, repeat: u32) -> Result<(LoadSpec, LoadResult), String> {
        if self.spec.payload == PayloadMode::Unsigned && self.link.access.endpoints.iter().any(|endpoint| !endpoint.tls) {
            return Err("payload \"unsigned\" is only sent over TLS, and an endpoint is http".to_owned());
        }
        let space = self.link.space("load").await.map_err(|error| format!("no bucket to load: {error}"))?;
        let mut spec = self.load_spec(&space, cell, repeat);
        if cell.reads() && !matches!(self.readable.get(&cell.object_size.0), Some(Ok(()))) {
            let prepared = self.prepare(&spec, "read").await;
            self.readable.insert(cell.object_size.0, prepared.clone());
            prepared?;
        }
        if cell.needs_doomed() {
            let left = self.doomed_left.insert(cell.object_size.0, 0).unwrap_or(0);
            self.link.meter.released(left * cell.object_size.0);
            self.prepare(&spec, "delete").await?;
            // Deleting uses the objects up: a warm-up would measure the rest of them only.
            spec.warm_up = Duration::ZERO;
        }
        if spec.payload == PayloadMode::CachedSigned && cell.sends(Operation::PutObject) {
            spec.bodies.warm();
        }
        let result = load::run(&self.link, &spec).await.map_err(|error| error.to_string())?;
        Ok((spec, result))
    }

    fn load_spec(&mut self, space: &Space, cell: &Cell, repeat: u32) -> LoadSpec {
        let (size, seed) = (cell.object_size.0, self.link.seed);
        let stem = self.id.as_str().rsplit('/').next().unwrap_or_default();
        LoadSpec {
            bucket: space.bucket.clone(),
            prefix: format!("{}{stem}/{size}/", space.prefix),
            work: Work::Mix { mix: cell.mix.clone(), doomed: cell.needs_doomed() },
            bodies: Arc::clone(self.bodies.entry(size).or_insert_with(|| Arc::new(Bodies::new(seed, size)))),
            objects: self.spec.objects,
            existing: self.written.get(&size).cloned().unwrap_or_default(),
            concurrency: cell.concurrency,
            load_loop: self.spec.load_loop,
            payload: self.spec.payload,
            verify_share: VERIFY_SHARE,
            warm_up: self.times.warm_up,
            duration: self.times.duration,
            seed: seed_of(seed, &format!("{} {cell} #{repeat}", self.id)),
        }
    }

    /// Writes the objects of a set. What could not be written is tried again in the next round.
    async fn prepare(&self, spec: &LoadSpec, set: &'static str) -> Result<(), String> {
        let mut numbers: Vec<u64> = (0..spec.objects).collect();
        let mut failures = String::new();
        for _ in 0..PREPARE_ROUNDS {
            let fill = LoadSpec {
                work: Work::Fill { set, numbers },
                concurrency: PREPARE_CONCURRENCY,
                load_loop: LoopKind::Closed,
                payload: if spec.payload == PayloadMode::Unsigned { PayloadMode::Unsigned } else { PayloadMode::UniqueSigned },
                ..spec.clone()
            };
            let result = load::run(&self.link, &fill).await.map_err(|error| error.to_string())?;
            let tally = result.ledger.window_of_all(Duration::ZERO, Duration::MAX);
            failures = record::list_errors(&tally.errors);
            match result.stopped {
                Some((Stop::Budget(limit), _)) => return Err(format!("preparation stopped: {limit}")),
                Some(_) => break,
                None if result.ledger.unwritten.is_empty() => return Ok(()),
                None => numbers = result.ledger.unwritten,
            }
        }
        Err(format!("the {} objects to {set} could not be written: {failures}", spec.objects))
    }
}

/// A seed of its own for each cell and repeat: FNV-1a over its name, mixed with the run's seed.
fn seed_of(seed: u64, name: &str) -> u64 {
    name.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
