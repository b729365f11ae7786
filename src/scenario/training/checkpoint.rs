//! Checkpoints (A7, A8, A12): all ranks write their objects at once, and old checkpoints are deleted while the next one is written.
//!
//! The main type is [`Burst`].

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Context;
use super::crew::{Crew, Hand, Moved};
use super::data::Object;
use super::record::{self, metric};
use super::steps::{self, Naming, Round, Step, Steps, median};
use crate::config::{CheckpointProgram, ProgramCell};
use crate::load::{Bell, Meeting, Program, Task, Worker};
use crate::model::ai::{CheckpointShape, stall_share};
use crate::model::{Direction, ScenarioRecord};

/// The program that writes one checkpoint after the other. Ranks begin each together and wait for each other at its end.
#[derive(Debug)]
pub(super) struct Burst {
    prefix: String,
    program: CheckpointProgram,
    /// The objects of each rank below a round's prefix.
    ranks: Vec<Vec<Object>>,
    /// No round begins later.
    limit: Duration,
    meeting: Meeting,
    steps: Steps,
    sweeps: Mutex<Vec<Sweep>>,
}

/// An old checkpoint of one rank that is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sweep {
    /// The round that wrote it.
    round: u32,
    /// Whether it is deleted because newer ones are there; otherwise the cell only leaves nothing behind.
    is_retention: bool,
    /// When it had to go: its successor was complete.
    due: Duration,
    /// When the first object's deletion was sent.
    start: Duration,
    /// When the last object was gone.
    end: Duration,
    deleted: u64,
    failed: u64,
}

/// What a rank has written and will delete. The size is 0 where nothing is stored.
type Kept = (u32, Vec<Object>);

/// What a rank's deletions wait for.
#[derive(Debug, Default)]
struct Broom {
    due: RefCell<VecDeque<(Kept, bool, Duration)>>,
    is_over: Cell<bool>,
    bell: Bell,
}

impl Broom {
    fn hand_over(&self, kept: Kept, is_retention: bool, worker: &Worker) {
        self.due.borrow_mut().push_back((kept, is_retention, worker.elapsed()));
        self.bell.ring(&worker.reactor);
    }
    fn close(&self, worker: &Worker) {
        self.is_over.set(true);
        self.bell.ring(&worker.reactor);
    }
}

impl Burst {
    /// Checkpoints of `shape` below `prefix`; no round begins after `limit`. Content numbers begin at `first_number`.
    pub(super) fn new(prefix: &str, program: &CheckpointProgram, shape: &CheckpointShape, limit: Duration) -> Self {
        let mut ranks: Vec<Vec<Object>> = Vec::new();
        for (number, object) in shape.objects(program.ranks).into_iter().enumerate() {
            ranks.resize_with(ranks.len().max(object.rank as usize + 1), Vec::new);
            ranks[object.rank as usize].push(Object { key: object.name, number: number as u64, size: object.bytes });
        }
        let meeting = Meeting::new(ranks.len() as u32);
        let (steps, sweeps) = (Steps::default(), Mutex::default());
        Self { prefix: prefix.to_owned(), program: program.clone(), ranks, limit, meeting, steps, sweeps }
    }
    /// Connections in all: those that write, and one of each rank that deletes.
    pub(super) fn connections(&self) -> u32 {
        self.ranks.len() as u32 * (self.program.part_concurrency + 1)
    }
    /// What each round took, once the load is over.
    pub(super) fn rounds(&self) -> Vec<Round> {
        self.steps.rounds()
    }
    /// The deletions, once the load is over.
    pub(super) fn sweeps(&self) -> Vec<Sweep> {
        self.sweeps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The objects of a rank's round. Their content is new in each: a server that stores equal blocks once would write nothing otherwise.
    fn objects(&self, rank: usize, round: u32) -> Vec<Object> {
        let count: u64 = self.ranks.iter().map(|objects| objects.len() as u64).sum();
        let of_round = |object: &Object| Object {
            key: format!("{}{}", CheckpointProgram::round_prefix(round), object.key),
            number: u64::from(round) * count + object.number,
            size: object.size,
        };
        self.ranks[rank].iter().map(of_round).collect()
    }

    async fn lead(&self, rank: usize, crew: Rc<Crew>, broom: Rc<Broom>, worker: &Worker) {
        let mut hand = Hand::begin(worker).await;
        let (mut steps, mut kept): (Vec<Step>, VecDeque<Kept>) = (Vec::new(), VecDeque::new());
        for round in 1..=self.program.rounds {
            if self.meeting.join(worker, worker.is_stopped() || worker.elapsed() >= self.limit).await {
                break;
            }
            let (start, mut moved, mut written) = (worker.elapsed(), Moved::default(), Vec::new());
            for object in self.objects(rank, round) {
                let one = crew.write(&mut hand, &object, self.program.part_size.0).await;
                written.push(Object { size: one.bytes, ..object });
                moved.add(one);
            }
            steps.push(Step { number: round, start, end: worker.elapsed(), moved });
            kept.push_back((round, written));
            self.meeting.join(worker, false).await;
            while kept.front().is_some_and(|(written, _)| self.program.expired(round).is_some_and(|expired| *written <= expired)) {
                kept.pop_front().into_iter().for_each(|old| broom.hand_over(old, true, worker));
            }
            let next = worker.elapsed() + self.program.pause.0;
            if round < self.program.rounds && next < self.limit {
                worker.sleep_until(next).await;
            }
        }
        kept.into_iter().for_each(|rest| broom.hand_over(rest, false, worker));
        self.steps.add(steps);
        crew.dismiss(worker);
        broom.close(worker);
        hand.end();
    }

    /// Deletes what the rank hands over, beside the ranks' writes.
    async fn sweep(&self, broom: Rc<Broom>, worker: &Worker) {
        let mut hand = Hand::begin(worker).await;
        let mut sweeps = Vec::new();
        loop {
            let next = || broom.due.borrow_mut().pop_front().map(Some).or_else(|| broom.is_over.get().then_some(None));
            let Some(((round, objects), is_retention, due)) = broom.bell.wait(&worker.reactor, next).await else { break };
            let (start, mut deleted, mut failed) = (worker.elapsed(), 0, 0);
            for object in &objects {
                match hand.delete([&self.prefix, &object.key], object.size).await {
                    Ok(None) => deleted += 1,
                    Ok(Some(_)) => failed += 1,
                    // The run's clean-up deletes what is left.
                    Err(()) => break,
                }
            }
            sweeps.push(Sweep { round, is_retention, due, start, end: worker.elapsed(), deleted, failed });
        }
        self.sweeps.lock().unwrap_or_else(PoisonError::into_inner).extend(sweeps);
        hand.end();
    }
}

impl Program for Burst {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        let mut tasks: Vec<Task<'w>> = Vec::new();
        for rank in (worker.index as usize..self.ranks.len()).step_by(worker.of() as usize) {
            let (crew, broom) = (Crew::new(&self.prefix), Rc::new(Broom::default()));
            tasks.push(Box::pin(self.lead(rank, Rc::clone(&crew), Rc::clone(&broom), worker)));
            tasks.push(Box::pin(self.sweep(broom, worker)));
            for _ in 1..self.program.part_concurrency {
                tasks.push(Box::pin(Rc::clone(&crew).help(worker)));
            }
        }
        tasks
    }
}

/// Runs one cell.
///
/// # Errors
/// When it cannot start, the reason.
pub(super) async fn run(
    context: &mut Context<'_>,
    program: &CheckpointProgram,
    cell: &ProgramCell,
    record: &mut ScenarioRecord,
) -> Result<(), String> {
    let ProgramCell::Checkpoint { shape } = cell else { return Err(format!("{cell} is no cell of a checkpoint")) };
    let burst = Arc::new(Burst::new(&context.key(""), program, shape, context.times.duration));
    let result = context.load(Arc::clone(&burst) as Arc<dyn Program>, burst.connections(), None).await?;
    record::fill(record, &result, steps::whole(&result));
    let (bytes, objects) = program.size(shape);
    let rounds = burst.rounds();
    let mut set = |name: &str, value: String| record::set(record, name, value);
    set("ranks", burst.ranks.len().to_string());
    set("checkpoint", format!("{objects} objects, {bytes} B"));
    set("part_size", format!("{}; {} parts in flight of each rank", program.part_size, program.part_concurrency));
    set("retention", format!("keeps {}, deletes the older ones while the next is written", program.keep));
    record.gates.push(steps::plan_gate("checkpoint_complete", &rounds, (objects, bytes)));
    steps::fill(record, &Naming { what: "checkpoint", round: "round" }, &rounds);
    let stalls = rounds.iter().filter(|round| round.is_complete()).filter_map(|round| stall_share(round.duration(), program.pause.0)).collect();
    record.metrics.push(metric("stall_share", "1", Direction::LowerBetter, median(stalls), rounds.len() as u64));
    retention(record, &rounds, &burst.sweeps());
    Ok(())
}

/// What deleting old checkpoints took, and how much longer a checkpoint took beside it.
fn retention(record: &mut ScenarioRecord, rounds: &[Round], sweeps: &[Sweep]) {
    let old: Vec<&Sweep> = sweeps.iter().filter(|sweep| sweep.is_retention).collect();
    let mut add = |name: &str, unit: &str, direction: Direction, value: Option<f64>, n: usize| {
        record.metrics.push(metric(name, unit, direction, value, n as u64));
    };
    // A checkpoint is gone when the last rank has deleted its part of it.
    let mut gone: Vec<(u32, Duration)> = Vec::new();
    for sweep in &old {
        let lag = sweep.end.saturating_sub(sweep.due);
        match gone.iter_mut().find(|(round, _)| *round == sweep.round) {
            Some((_, longest)) => *longest = lag.max(*longest),
            None => gone.push((sweep.round, lag)),
        }
    }
    let lags: Vec<f64> = gone.iter().map(|(_, lag)| lag.as_secs_f64()).collect();
    add("gc_lag_s", "s", Direction::LowerBetter, median(lags), gone.len());
    let busy: f64 = gone.iter().map(|(_, lag)| lag.as_secs_f64()).sum();
    let deleted: u64 = old.iter().map(|sweep| sweep.deleted).sum();
    add("gc_deletes_s", "1/s", Direction::HigherBetter, (busy > 0.0).then(|| deleted as f64 / busy), deleted as usize);
    let is_beside = |round: &&&Round| old.iter().any(|sweep| sweep.start < round.start + round.duration() && round.start < sweep.end);
    let whole: Vec<&Round> = rounds.iter().filter(|round| round.is_complete()).collect();
    let (beside, alone): (Vec<&Round>, Vec<&Round>) = whole.iter().partition(is_beside);
    let typical = |rounds: &[&Round]| median(rounds.iter().map(|round| round.duration().as_secs_f64()).collect());
    let slowdown = typical(&beside).zip(typical(&alone)).map(|(beside, alone)| beside / alone);
    add("gc_slowdown_ratio", "1", Direction::LowerBetter, slowdown, beside.len());
    let failed: u64 = sweeps.iter().map(|sweep| sweep.failed).sum();
    if failed > 0 {
        record.findings.push(format!("{failed} objects of old checkpoints could not be deleted."));
    }
}
