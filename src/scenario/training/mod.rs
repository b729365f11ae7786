//! AI-storage scenarios: data loading, checkpoints, restore and the others that are programs instead of mixes.
//!
//! The main type is [`Runner`]. Each kind of program has a file of its own, with one function that runs a cell and fills its record; what
//! they share is `Context`.

mod checkpoint;
mod crew;
mod data;
mod dataloader;
mod feed;
mod record;
mod restore;
mod serving;
mod steps;
mod storm;
mod trainer;
mod windows;
mod xml;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::data::{Data, Object};
use crate::config::{CellTimes, PayloadMode, Program as Kinds, ProgramCell, ProgramSpec};
use crate::load::{self, LoadResult, LoadSpec, Program, Progress, Receive};
use crate::model::{ClientId, Kind, Outcome, ScenarioId, ScenarioRecord};
use crate::wire::{Link, Space};

/// Runs the cells of one scenario against one vendor. Keep it for all cells and repeats: it remembers what is prepared.
#[derive(Debug)]
pub struct Runner {
    link: Link,
    id: ScenarioId,
    spec: ProgramSpec,
    times: CellTimes,
    client: ClientId,
    progress: Option<Arc<Progress>>,
    data: Data,
    starved: BTreeMap<String, u32>,
}

/// What a program has for one cell.
struct Context<'a> {
    /// The vendor.
    pub link: &'a Link,
    /// Where keys may be written; its prefix ends with the scenario's own folder.
    pub space: Space,
    /// What is drawn depends on this alone: it belongs to the cell and the repeat. Sizes of files come from the link's seed instead, so
    /// that each repeat finds the same ones.
    pub seed: u64,
    /// How long the cell is measured.
    pub times: CellTimes,
    /// How the bodies of writes are signed.
    pub payload: PayloadMode,
    progress: Option<Arc<Progress>>,
    data: &'a mut Data,
    /// Sweeps that have ended (how files are read, and the repeat), and at how many accelerators.
    starved: &'a mut BTreeMap<String, u32>,
}

impl Runner {
    /// A runner that has prepared nothing yet.
    pub fn new(link: &Link, id: ScenarioId, spec: ProgramSpec, times: CellTimes) -> Self {
        let (data, starved) = (Data::new(link.seed), BTreeMap::new());
        Self { link: link.clone(), id, spec, times, client: ClientId::from("1/1"), progress: None, data, starved }
    }
    /// Tells `progress` how the measured loads go.
    pub fn shown_by(self, progress: Arc<Progress>) -> Self {
        Self { progress: Some(progress), ..self }
    }
    /// Names the client (shard) in the records; `1/1` otherwise.
    pub fn by_client(self, client: ClientId) -> Self {
        Self { client, ..self }
    }

    /// Prepares what the cell reads and is not there yet, runs it once and tells what was measured. It never fails: what went wrong is the
    /// record's outcome.
    pub async fn run_cell(&mut self, cell: &ProgramCell, repeat: u32) -> ScenarioRecord {
        let (started, head) = (Instant::now(), &self.spec.head);
        let mut record = ScenarioRecord {
            cell: cell.to_string(),
            repeat,
            client: self.client.clone(),
            ..ScenarioRecord::new(self.id.clone(), Kind::Throughput, &head.code, &head.title)
        };
        if let Err(reason) = self.run(cell, repeat, &mut record).await {
            record.outcome = Outcome::Unresolved(reason);
        }
        record.duration_ms = started.elapsed().as_secs_f64() * 1e3;
        record
    }

    async fn run(&mut self, cell: &ProgramCell, repeat: u32, record: &mut ScenarioRecord) -> Result<(), String> {
        let mut space = self.link.space("load").await.map_err(|error| format!("no bucket to load: {error}"))?;
        let stem = self.id.as_str().rsplit('/').next().unwrap_or_default();
        space.prefix = format!("{}{stem}/", space.prefix);
        let mut context = Context {
            link: &self.link,
            space,
            seed: load::seed_of(self.link.seed, &format!("{} {cell} #{repeat}", self.id)),
            times: self.times,
            payload: self.spec.head.payload,
            progress: self.progress.clone(),
            data: &mut self.data,
            starved: &mut self.starved,
        };
        match &self.spec.program {
            Kinds::Dataloader(program) => dataloader::run(&mut context, program, cell, record).await,
            Kinds::Windows(program) => windows::run(&mut context, program, cell, record).await,
            Kinds::Checkpoint(program) => checkpoint::run(&mut context, program, cell, record).await,
            Kinds::Restore(program) => restore::run(&mut context, program, cell, record).await,
            Kinds::ModelLoad(program) => serving::load_model(&mut context, program, cell, record).await,
            Kinds::KvCache(program) => serving::use_cache(&mut context, program, cell, record).await,
            Kinds::ListStorm(program) => storm::run(&mut context, program, cell, record).await,
            _ => {
                record.outcome = Outcome::Untested(format!("this version does not run {} yet", self.spec.head.code));
                Ok(())
            }
        }
    }
}

impl Context<'_> {
    /// The URL form of the key of an object of the scenario.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.space.prefix)
    }

    /// Writes the objects that are not there yet, as an earlier cell or repeat has left them; larger ones than `part` in parts.
    ///
    /// # Errors
    /// When they cannot be written, the reason.
    pub async fn prepare(&mut self, objects: &[Object], part: u64) -> Result<(), String> {
        let missing = self.data.missing(objects);
        if missing.is_empty() {
            return Ok(());
        }
        let spec = self.load_spec(data::FILL_CONCURRENCY, None);
        let fill = data::Fill::new(&self.space.prefix, missing, part);
        self.data.fill(self.link, &spec, fill).await
    }

    /// Runs a program: on at most `threads` threads, for at most `duration` after the warm-up where the load is to end it.
    ///
    /// # Errors
    /// When it cannot start, the reason.
    pub async fn load(&self, program: Arc<dyn Program>, threads: u32, duration: Option<Duration>) -> Result<LoadResult, String> {
        load::run(self.link, &self.load_spec(threads, duration), program, self.progress.clone()).await.map_err(|error| error.to_string())
    }

    fn load_spec(&self, threads: u32, duration: Option<Duration>) -> LoadSpec {
        LoadSpec {
            bucket: self.space.bucket.clone(),
            content: self.data.content(),
            hashes: self.data.hashes(self.payload),
            payload: data::unique(self.payload),
            receive: Receive::Copy,
            keep_alive: true,
            is_signed: true,
            concurrency: threads,
            warm_up: if duration.is_some() { self.times.warm_up } else { Duration::ZERO },
            duration,
        }
    }
}
