//! Throughput scenarios: data is prepared once per size, then each cell is loaded and recorded.
//!
//! The main type is [`Runner`].

mod knee;
mod prefix_scale;
mod programs;
mod record;
mod recovery;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{ArrivalKind, Checksum, KeyChoice, LoopKind, OpenLoop, Operation, PayloadMode, ThroughputSpec, Verify};
pub use crate::config::{Cell, CellTimes};
use crate::load::schedule::{Arrivals, Pace};
use crate::load::zipf::{Keys, Popularity};
use crate::load::{self, Content, Extent, Hashes, LoadResult, LoadSpec, Mix, MixSpec, Progress, Receive, Stamping, Stop, Work};
use crate::model::{ClientId, ScenarioId, ScenarioRecord};
use crate::wire::{Link, Space};
pub use programs::ProgramRunner;

/// Requests in flight while data is prepared.
const PREPARE_CONCURRENCY: u32 = 8;
/// How often an object that could not be written is tried again; each try is a counted request.
const PREPARE_ROUNDS: u32 = 5;

/// The cells of a scenario's matrix, in the order in which they share prepared data.
pub fn cells(spec: &ThroughputSpec) -> Vec<Cell> {
    spec.cells()
}

/// What objects look like: their size, entropy, and whether only their tails differ. Objects of one shape serve all cells that read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    size: u64,
    entropy: &'static str,
    has_tail: bool,
}

impl Shape {
    fn of(cell: &Cell) -> Self {
        let has_tail = cell.style.payload == PayloadMode::TailUnique;
        Self { size: cell.object_size.0, entropy: cell.style.entropy.name(), has_tail }
    }
    /// The folder of the objects below the scenario's.
    fn folder(self) -> String {
        let tail = if self.has_tail { "-tail" } else { "" };
        format!("{}-{}{tail}", self.size, self.entropy)
    }
}

/// Runs the cells of one scenario against one vendor. Keep it for all cells and repeats: it remembers what is prepared.
#[derive(Debug)]
pub struct Runner {
    link: Link,
    id: ScenarioId,
    spec: ThroughputSpec,
    times: CellTimes,
    client: ClientId,
    contents: BTreeMap<Shape, Arc<Content>>,
    readable: BTreeMap<Shape, Result<(), String>>,
    /// Written objects that earlier cells have left.
    written: BTreeMap<Shape, Arc<BTreeSet<u64>>>,
    /// Objects to delete that earlier cells have left.
    doomed_left: BTreeMap<Shape, u64>,
    /// p99 in ms of the cells that read all keys alike, by name and repeat: what a skewed choice of keys is compared with.
    uniform_ms: BTreeMap<(String, u32), f64>,
    /// Knees that shares were taken of, by the name of the cell without its share.
    knees: BTreeMap<String, f64>,
    progress: Option<Arc<Progress>>,
}

impl Runner {
    /// A runner that has prepared nothing yet.
    pub fn new(link: &Link, id: ScenarioId, spec: ThroughputSpec, times: CellTimes) -> Self {
        Self {
            link: link.clone(),
            id,
            spec,
            times,
            client: ClientId::from("1/1"),
            contents: BTreeMap::new(),
            readable: BTreeMap::new(),
            written: BTreeMap::new(),
            doomed_left: BTreeMap::new(),
            uniform_ms: BTreeMap::new(),
            knees: BTreeMap::new(),
            progress: None,
        }
    }
    /// Tells `progress` how the measured loads go.
    pub fn shown_by(self, progress: Arc<Progress>) -> Self {
        Self { progress: Some(progress), ..self }
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
        if let Err(reason) = self.measure(&mut record, cell, repeat).await {
            record.outcome = crate::model::Outcome::Unresolved(reason);
        }
        record.duration_ms = started.elapsed().as_secs_f64() * 1e3;
        record
    }

    async fn measure(&mut self, record: &mut ScenarioRecord, cell: &Cell, repeat: u32) -> Result<(), String> {
        let mut load = self.ready(cell, repeat).await?;
        let mut knee = None;
        if let LoopKind::Knee(rules) = self.spec.load_loop {
            let Some(share) = cell.knee_share else { return self.find_knee(record, cell, load, rules).await };
            let found = self.knee_of(cell, &mut load, rules).await?;
            load.mix.pace = Some(Pace { arrivals: Arrivals::Poisson, rate_per_s: found * share });
            knee = Some(found);
        }
        let result = load.run(&self.link, self.progress.clone()).await?;
        self.note_left(cell, &result);
        record::fill(record, cell, &load, &result);
        knee.into_iter().for_each(|knee| drop(record.parameters.insert("knee_requests_s".to_owned(), format!("{knee:.1}"))));
        self.compare_keys(record, cell, repeat);
        if let LoopKind::Open(OpenLoop { arrivals: ArrivalKind::Bursts(rules), .. }) = self.spec.load_loop {
            record::add_recovery(record, rules, &load, &result);
        }
        Ok(())
    }

    /// Remembers what a load has left written, and left to delete.
    fn note_left(&mut self, cell: &Cell, result: &LoadResult) {
        if cell.needs_doomed() {
            let deleted = result.ledger.window_of_all(Duration::ZERO, Duration::MAX).ok;
            self.doomed_left.insert(Shape::of(cell), self.spec.objects.saturating_sub(deleted));
        }
        if cell.sends(Operation::PutObject) {
            self.written.insert(Shape::of(cell), Arc::new(result.ledger.left.clone()));
        }
    }

    /// How much the popularity of keys costs: the p99 over that of the cell that differs in nothing else, where that came before.
    fn compare_keys(&mut self, record: &mut ScenarioRecord, cell: &Cell, repeat: u32) {
        let Some(p99) = record.metric("latency_ms_p99") else { return };
        let twin = (Cell { keys: KeyChoice::Uniform, ..cell.clone() }.to_string(), repeat);
        if cell.keys == KeyChoice::Uniform {
            self.uniform_ms.insert(twin, p99);
        } else if let Some(uniform) = self.uniform_ms.get(&twin).filter(|uniform| **uniform > 0.0) {
            record.metrics.push(record::skew(p99 / uniform));
        }
    }

    /// A cell's load, with all that it needs prepared.
    async fn ready(&mut self, cell: &Cell, repeat: u32) -> Result<Load, String> {
        let space = self.link.space("load").await.map_err(|error| format!("no bucket to load: {error}"))?;
        let mut load = self.plan(&space, cell, repeat)?;
        if cell.reads() && !matches!(self.readable.get(&Shape::of(cell)), Some(Ok(()))) {
            let prepared = self.prepare(&load, "read").await;
            self.readable.insert(Shape::of(cell), prepared.clone());
            prepared?;
        }
        if cell.needs_doomed() {
            let left = self.doomed_left.insert(Shape::of(cell), 0).unwrap_or(0);
            self.link.meter.released(left * cell.object_size.0);
            self.prepare(&load, "delete").await?;
            // Deleting uses the objects up: a warm-up would measure the rest of them only.
            load.spec.warm_up = Duration::ZERO;
        }
        Ok(load)
    }

    fn plan(&mut self, space: &Space, cell: &Cell, repeat: u32) -> Result<Load, String> {
        let (size, seed, style, shape) = (cell.object_size.0, self.link.seed, &cell.style, Shape::of(cell));
        let payload = style.payload;
        let stem = self.id.as_str().rsplit('/').next().unwrap_or_default();
        let stamping = if shape.has_tail { Stamping::Tail } else { Stamping::Blocks };
        let content = self.contents.entry(shape).or_insert_with(|| Arc::new(Content::new(seed, size, style.entropy, stamping)));
        let cached = matches!(payload, PayloadMode::CachedSigned).then(|| cached_bodies(size));
        let mix = MixSpec {
            prefix: format!("{}{stem}/{}/", space.prefix, shape.folder()),
            work: Work::Mix { mix: cell.mix.clone(), doomed: cell.needs_doomed() },
            size,
            objects: self.spec.objects,
            existing: self.written.get(&shape).cloned().unwrap_or_default(),
            concurrency: cell.concurrency,
            pace: pace(self.spec.load_loop)?,
            keys: keys(cell.keys, self.spec.objects, seed)?,
            prefixes: self.spec.prefixes,
            cached,
            verify_share: style.verify.share(),
            seed: load::seed_of(seed, &format!("{} {cell} #{repeat}", self.id)),
        };
        let mut hashes = Hashes::new(payload, style.checksum);
        if cell.sends(Operation::PutObject) {
            let beforehand = if payload == PayloadMode::TailUnique { 1 } else { cached.unwrap_or(0) };
            hashes.warm(content, (0..beforehand).map(|number| Extent { number, from: 0, to: size, end: size }));
        }
        let spec = LoadSpec {
            bucket: space.bucket.clone(),
            content: Arc::clone(content),
            hashes: Arc::new(hashes),
            payload,
            receive: if style.verify == Verify::Off { Receive::Discard } else { Receive::Copy },
            keep_alive: style.keep_alive,
            is_signed: true,
            concurrency: cell.concurrency,
            warm_up: self.times.warm_up,
            duration: Some(self.times.duration),
        };
        Ok(Load { spec, mix })
    }

    /// Writes the objects of a set. What could not be written is tried again in the next round.
    async fn prepare(&self, load: &Load, set: &'static str) -> Result<(), String> {
        let mut numbers: Vec<u64> = (0..load.mix.objects).collect();
        let mut failures = String::new();
        for _ in 0..PREPARE_ROUNDS {
            let result = load.fill(set, numbers).run(&self.link, None).await?;
            let tally = result.ledger.window_of_all(Duration::ZERO, Duration::MAX);
            failures = super::figures::list_errors(&tally.errors);
            match result.stopped {
                Some((Stop::Budget(limit), _)) => return Err(format!("preparation stopped: {limit}")),
                Some(_) => break,
                None if result.ledger.unwritten.is_empty() => return Ok(()),
                None => numbers = result.ledger.unwritten,
            }
        }
        Err(format!("the {} objects to {set} could not be written: {failures}", load.mix.objects))
    }
}

fn pace(load_loop: LoopKind) -> Result<Option<Pace>, String> {
    match load_loop {
        LoopKind::Closed => Ok(None),
        LoopKind::Knee(rules) => Ok(Some(Pace { arrivals: Arrivals::Poisson, rate_per_s: rules.start_per_s })),
        LoopKind::Open(open) => Pace::of(open).map(Some).map_err(|error| error.to_string()),
    }
}

/// The popular keys are the same ones in every cell and repeat, so that they differ in nothing else.
fn keys(choice: KeyChoice, objects: u64, seed: u64) -> Result<Keys, String> {
    match choice {
        KeyChoice::Uniform => Ok(Keys::uniform(objects)),
        KeyChoice::Zipf(theta) => Keys::new(objects, Popularity::Zipf { theta }, seed).map_err(|error| error.to_string()),
    }
}

/// Bodies that cached-signed PUTs take in turn, at most.
const CACHED_BODIES: u64 = 16;
/// Bytes that are hashed beforehand for them, at most.
const CACHED_BYTES: u64 = 128 << 20;

/// How many bodies of `size` bytes cached-signed PUTs take in turn.
fn cached_bodies(size: u64) -> u64 {
    CACHED_BYTES.checked_div(size).unwrap_or(CACHED_BODIES).clamp(2, CACHED_BODIES)
}

/// A cell's load, ready to run.
#[derive(Debug, Clone)]
struct Load {
    spec: LoadSpec,
    mix: MixSpec,
}

impl Load {
    /// The load that writes these objects of a set.
    fn fill(&self, set: &'static str, numbers: Vec<u64>) -> Self {
        let payload = match self.spec.payload {
            PayloadMode::CachedSigned => PayloadMode::UniqueSigned,
            other => other,
        };
        Self {
            spec: LoadSpec {
                payload,
                hashes: Arc::new(Hashes::new(payload, Checksum::None)),
                keep_alive: true,
                concurrency: PREPARE_CONCURRENCY,
                warm_up: Duration::ZERO,
                duration: None,
                ..self.spec.clone()
            },
            mix: MixSpec { work: Work::Fill { set, numbers }, concurrency: PREPARE_CONCURRENCY, pace: None, ..self.mix.clone() },
        }
    }

    async fn run(&self, link: &Link, progress: Option<Arc<Progress>>) -> Result<LoadResult, String> {
        load::run(link, &self.spec, Arc::new(Mix(Arc::new(self.mix.clone()))), progress).await.map_err(|error| error.to_string())
    }
}
