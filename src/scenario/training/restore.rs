//! Restoring a checkpoint (A9, A10): all ranks read at once what was written for them, or for ranks of another parallelism.
//!
//! The main type is [`Herd`], the program of readers that begin together.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Context;
use super::crew::{Crew, Hand, Read};
use super::data::Object;
use super::record::{self, metric};
use super::steps::{self, Naming, Round, Step, Steps, median};
use crate::config::{ProgramCell, RestoreProgram};
use crate::load::{self, Meeting, Program, Task, Worker};
use crate::model::ai::{CheckpointShape, RankReads, coalesce};
use crate::model::{Direction, ScenarioRecord};

/// Readers that begin each pass together; each reads its ranges over connections of its own.
#[derive(Debug)]
pub(super) struct Herd {
    prefix: String,
    readers: Vec<Arc<[Read]>>,
    passes: u32,
    /// Connections of each reader.
    hands: u32,
    /// No pass begins later.
    limit: Duration,
    meeting: Meeting,
    steps: Steps,
}

impl Herd {
    /// Readers of objects below `prefix`; each of `hands` connections reads one range at a time.
    pub(super) fn new(prefix: &str, readers: Vec<Arc<[Read]>>, (passes, hands): (u32, u32), limit: Duration) -> Self {
        let meeting = Meeting::new(readers.len() as u32);
        Self { prefix: prefix.to_owned(), readers, passes, hands, limit, meeting, steps: Steps::default() }
    }
    /// Connections in all.
    pub(super) fn connections(&self) -> u32 {
        self.readers.len() as u32 * self.hands
    }
    /// Ranges and bytes of one pass.
    pub(super) fn plan(&self) -> (u64, u64) {
        let reads = || self.readers.iter().flat_map(|reads| reads.iter());
        (reads().count() as u64, reads().map(|read| read.to - read.from).sum())
    }
    /// What each pass took, once the load is over.
    pub(super) fn rounds(&self) -> Vec<Round> {
        self.steps.rounds()
    }

    async fn lead(&self, reader: usize, crew: Rc<Crew>, worker: &Worker) {
        let mut hand = Hand::begin(worker).await;
        let mut steps = Vec::new();
        for pass in 1..=self.passes {
            if self.meeting.join(worker, worker.is_stopped() || worker.elapsed() >= self.limit).await {
                break;
            }
            let start = worker.elapsed();
            let moved = crew.read(&mut hand, Arc::clone(&self.readers[reader])).await;
            steps.push(Step { number: pass, start, end: worker.elapsed(), moved });
        }
        self.steps.add(steps);
        crew.dismiss(worker);
        hand.end();
    }
}

impl Program for Herd {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        let mut tasks: Vec<Task<'w>> = Vec::new();
        for reader in (worker.index as usize..self.readers.len()).step_by(worker.of() as usize) {
            let crew = Crew::new(&self.prefix);
            tasks.push(Box::pin(self.lead(reader, Rc::clone(&crew), worker)));
            for _ in 1..self.hands {
                tasks.push(Box::pin(Rc::clone(&crew).help(worker)));
            }
        }
        tasks
    }
}

/// Runs one cell.
///
/// # Errors
/// When the checkpoint cannot be written or the load cannot start, the reason.
pub(super) async fn run(context: &mut Context<'_>, program: &RestoreProgram, cell: &ProgramCell, record: &mut ScenarioRecord) -> Result<(), String> {
    let ProgramCell::Restore { shape, target, rank_shift } = cell else { return Err(format!("{cell} is no cell of a restore")) };
    let plan = program.reads(shape, *target, *rank_shift);
    let objects: BTreeMap<String, Arc<Object>> = needed(program, shape, &plan);
    let prepared: Vec<Object> = objects.values().map(|object| Object::clone(object)).collect();
    context.prepare(&prepared, program.part_size.0).await?;
    let readers = plan.iter().map(|rank| reads_of(rank, &objects)).collect::<Option<_>>().ok_or("a range of an object that nobody writes")?;
    let herd = Arc::new(Herd::new(&context.key(""), readers, (program.passes, program.concurrency), context.times.duration));
    let result = context.load(Arc::clone(&herd) as Arc<dyn Program>, herd.connections(), None).await?;
    record::fill(record, &result, steps::whole(&result));
    let rounds = herd.rounds();
    let (ranges, bytes) = herd.plan();
    record::set(record, "ranks", plan.len().to_string());
    record::set(record, "reads", format!("{ranges} ranges of {} objects, {bytes} B in each pass", prepared.len()));
    record::set(record, "range_size", format!("{} at most; {} in flight of each rank", program.range_size, program.concurrency));
    record::set(record, "passes", "the first is cold as far as the client goes; what the server still holds from writing it is not known");
    record.gates.push(steps::plan_gate("restore_complete", &rounds, (ranges, bytes)));
    steps::fill(record, &Naming { what: "restore", round: "pass" }, &rounds);
    let whole = |is_cold: bool| rounds.iter().filter(move |round| round.is_complete() && (round.number == 1) == is_cold);
    for (name, is_cold) in [("restore_cold_s", true), ("restore_warm_s", false)] {
        let seconds: Vec<f64> = whole(is_cold).map(|round| round.duration().as_secs_f64()).collect();
        let n = seconds.len() as u64;
        record.metrics.push(metric(name, "s", Direction::LowerBetter, median(seconds), n));
    }
    let (read, distinct) = (bytes as f64, distinct_bytes(&plan) as f64);
    let n = rounds.len() as u64;
    record.metrics.push(metric("read_per_needed", "1", Direction::Neutral, (distinct > 0.0).then(|| read / distinct), n));
    Ok(())
}

/// The objects that a plan reads, by their names in it. Each shape has a folder and contents of its own.
fn needed(program: &RestoreProgram, shape: &CheckpointShape, plan: &[RankReads]) -> BTreeMap<String, Arc<Object>> {
    let folder = shape.to_string().replace(' ', "-");
    let needed = program.needed(shape, plan).into_iter();
    let placed = needed.map(|object| {
        let key = format!("{folder}/{}", object.name);
        let number = load::seed_of(0, &key);
        (object.name, Arc::new(Object { key, number, size: object.bytes }))
    });
    placed.collect()
}

fn reads_of(rank: &RankReads, objects: &BTreeMap<String, Arc<Object>>) -> Option<Arc<[Read]>> {
    let read = |read: &crate::model::ai::ObjectRange| {
        let object = objects.get(&read.object)?;
        Some(Read { object: Arc::clone(object), from: read.range.start, to: read.range.end() })
    };
    rank.reads.iter().map(read).collect()
}

/// Bytes that any rank needs, each counted once.
fn distinct_bytes(plan: &[RankReads]) -> u64 {
    let mut ranges: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    for read in plan.iter().flat_map(|rank| &rank.reads) {
        ranges.entry(&read.object).or_default().push(read.range);
    }
    ranges.values().flat_map(|ranges| coalesce(ranges, 0)).map(|range| range.len).sum()
}
