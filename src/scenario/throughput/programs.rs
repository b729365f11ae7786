//! Throughput scenarios that are programs but have nothing to do with training: uploads in parts, many prefixes.
//!
//! The main type is [`ProgramRunner`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{cached_bodies, prefix_scale, record};
use crate::config::{CellTimes, Checksum, Entropy, MultipartSweep, PayloadMode, Program, ProgramCell, ProgramSpec};
use crate::load::multipart::{Multipart, MultipartSpec};
use crate::load::seed_of;
use crate::load::{self, Content, Extent, Hashes, LoadResult, LoadSpec, Progress, Receive, Stamping, Stop};
use crate::model::{ClientId, Kind, Outcome, ScenarioId, ScenarioRecord};
use crate::scenario::figures::client_load;
use crate::units::Bytes;
use crate::wire::{Link, Space};

/// Bytes that are hashed beforehand at most; beyond that each part is hashed when it is sent.
const HASHED_MAX: u64 = 4 << 30;

/// Runs the cells of one such scenario against one vendor.
#[derive(Debug)]
pub struct ProgramRunner {
    link: Link,
    id: ScenarioId,
    spec: ProgramSpec,
    times: CellTimes,
    client: ClientId,
    progress: Arc<Progress>,
}

impl ProgramRunner {
    /// Whether a program is run here.
    pub fn runs(program: &Program) -> bool {
        matches!(program, Program::Multipart(_) | Program::PrefixScale(_))
    }
    /// A runner that tells `progress` how its loads go.
    pub fn new(link: &Link, id: ScenarioId, spec: ProgramSpec, times: CellTimes, client: ClientId, progress: Arc<Progress>) -> Self {
        Self { link: link.clone(), id, spec, times, client, progress }
    }

    /// Runs the cell once and tells what was measured. It never fails: what went wrong is the record's outcome.
    pub async fn run_cell(&mut self, cell: &ProgramCell, repeat: u32) -> ScenarioRecord {
        let (started, head) = (Instant::now(), &self.spec.head);
        let mut record = ScenarioRecord {
            cell: cell.to_string(),
            repeat,
            client: self.client.clone(),
            ..ScenarioRecord::new(self.id.clone(), Kind::Throughput, &head.code, &head.title)
        };
        if let Err(reason) = self.measure(&mut record, cell, repeat).await {
            record.outcome = Outcome::Unresolved(reason);
        }
        record.duration_ms = started.elapsed().as_secs_f64() * 1e3;
        record
    }

    async fn measure(&self, record: &mut ScenarioRecord, cell: &ProgramCell, repeat: u32) -> Result<(), String> {
        let space = self.link.space("load").await.map_err(|error| format!("no bucket to load: {error}"))?;
        let stem = self.id.as_str().rsplit('/').next().unwrap_or_default();
        let prefix = format!("{}{stem}/", space.prefix);
        let seed = seed_of(self.link.seed, &format!("{} {cell} #{repeat}", self.id));
        match (&self.spec.program, cell) {
            (Program::Multipart(sweep), ProgramCell::Multipart { part_size, at_once }) => {
                self.multipart(record, &space, prefix, sweep, (*part_size, *at_once)).await
            }
            (Program::PrefixScale(spec), ProgramCell::PrefixScale(cell)) => {
                // Each repeat has keys of its own: an overwrite may cost a server more than a new object.
                let prefix = format!("{prefix}{repeat}-{}/", cell.name());
                let program = Arc::new(prefix_scale::program(spec, *cell, prefix, seed));
                let load = self.load_spec(&space, spec.object_size.0, spec.concurrency, None);
                let result = self.run(&load, Arc::clone(&program) as Arc<dyn load::Program>).await?;
                record.client_load = Some(client_load(&result));
                prefix_scale::fill(record, &program, &result);
                Ok(())
            }
            _ => Err(format!("{cell} is no cell of {}", self.id)),
        }
    }

    async fn multipart(
        &self,
        record: &mut ScenarioRecord,
        space: &Space,
        prefix: String,
        sweep: &MultipartSweep,
        (part_size, at_once): (Bytes, u32),
    ) -> Result<(), String> {
        let size = sweep.object_size.0;
        let spec = MultipartSpec {
            key: format!("{prefix}object"),
            size,
            part_size: part_size.0,
            at_once,
            contents: cached_bodies(size),
            until: self.times.duration,
        };
        let load = self.load_spec(space, size, 1, Some(&spec));
        let program = Arc::new(Multipart::new(spec.clone()));
        let result = self.run(&load, Arc::clone(&program) as Arc<dyn load::Program>).await?;
        record.parameters.insert("object_size".to_owned(), sweep.object_size.to_string());
        record.parameters.insert("part_size".to_owned(), part_size.to_string());
        record.parameters.insert("parts_at_once".to_owned(), at_once.to_string());
        record.parameters.insert("payload".to_owned(), self.spec.head.payload.name().to_owned());
        record.client_load = Some(client_load(&result));
        record::fill_multipart(record, &spec, &program.uploads(), &result);
        Ok(())
    }

    /// `parts` are hashed beforehand where the same bodies come again.
    fn load_spec(&self, space: &Space, size: u64, concurrency: u32, parts: Option<&MultipartSpec>) -> LoadSpec {
        let payload = self.spec.head.payload;
        let content = Content::new(self.link.seed, size, Entropy::Random, Stamping::Blocks);
        let mut hashes = Hashes::new(payload, Checksum::None);
        if let Some(spec) = parts.filter(|spec| payload == PayloadMode::CachedSigned && spec.contents * size <= HASHED_MAX) {
            for number in 0..spec.contents {
                let parts = (0..size.div_ceil(spec.part_size)).map(|index| spec.part(index));
                hashes.warm(&content, parts.map(|(from, to)| Extent { number, from, to, end: size }));
            }
        }
        LoadSpec {
            bucket: space.bucket.clone(),
            content: Arc::new(content),
            hashes: Arc::new(hashes),
            payload,
            receive: Receive::Copy,
            keep_alive: true,
            is_signed: true,
            concurrency,
            warm_up: Duration::ZERO,
            duration: None,
        }
    }

    async fn run(&self, spec: &LoadSpec, program: Arc<dyn load::Program>) -> Result<LoadResult, String> {
        let result = load::run(&self.link, spec, program, Some(Arc::clone(&self.progress))).await.map_err(|error| error.to_string())?;
        match &result.stopped {
            Some((Stop::Budget(limit), at)) => Err(format!("stopped after {:.1} s: {limit}", at.as_secs_f64())),
            _ => Ok(result),
        }
    }
}
