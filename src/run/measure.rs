//! Measuring: conformance and failure vendor by vendor, throughput in turns; each record is appended when it is made.
//!
//! The main type is [`Measurement`], one vendor's; it cleans nothing up. [`take_turns`] lets several of them take turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use libtest_mimic::Arguments;
use tokio::runtime::Handle;

use super::events::{Event, Tell};
use super::plan::is_mine;
use super::{Done, Inputs, NamedVendor, Stage, Task, TaskCell, tasks};
use crate::case::{self, Case, Down, Guard};
use crate::config::{FailureSpec, Phase, Scenario, ScenarioSpec};
use crate::lab::{Hook, LabError, Server};
use crate::load::Progress;
use crate::model::{CaseRecord, ClientId, ClientShard, Kind, Outcome, ScenarioId, ScenarioRecord, Skip, VendorId, Verdict};
use crate::scenario::{failure, throughput, training};
use crate::store::StoreError;

/// How often a load's progress is told.
const GLANCE: std::time::Duration = std::time::Duration::from_millis(500);

/// One vendor's measurement.
pub struct Measurement<'a> {
    /// The vendor, ready.
    pub stage: &'a Stage,
    /// Its file.
    pub vendor: &'a NamedVendor,
    /// Profile and scenarios.
    pub inputs: &'a Inputs,
    /// The profile's cases.
    pub cases: &'a [Case],
    /// Flags of the test runner.
    pub libtest: &'a Arguments,
    /// What an earlier, killed part of the run has recorded already.
    pub done: &'a Done,
    /// This client.
    pub shard: ClientShard,
    /// Who is told.
    pub tell: Tell<'a>,
}

impl Measurement<'_> {
    /// Runs the cases, and records which scenarios will not be run and why.
    ///
    /// # Errors
    /// When the run directory cannot be written.
    pub async fn cases(&self) -> Result<(), StoreError> {
        self.conformance().await?;
        self.skip(&tasks(self.inputs, &self.vendor.file, self.shard).1)
    }

    /// What is planned of a kind and not yet done.
    fn left(&self, kind: Kind) -> Vec<Task> {
        let is_of_kind = |task: &Task| self.inputs.scenarios.iter().any(|scenario| scenario.id == task.scenario && scenario.kind() == kind);
        let (planned, _) = tasks(self.inputs, &self.vendor.file, self.shard);
        planned.into_iter().filter(|task| is_of_kind(task) && !self.is_done(task)).collect()
    }

    fn is_done(&self, task: &Task) -> bool {
        self.done.scenarios.contains(&(task.scenario.0.clone(), task.cell_name(), task.repeat))
    }

    fn begin(&self, phase: Phase, name: &'static str, steps: usize) {
        self.stage.set_phase(phase);
        (self.tell)(Event::Phase { vendors: vec![self.vendor.id.clone()], name, steps: steps as u64 });
    }

    /// Ends a phase: what it used is on disk before the next one begins.
    fn end(&self) -> Result<(), StoreError> {
        self.flush()?;
        (self.tell)(Event::PhaseEnd);
        Ok(())
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.stage.link.sink.usage(&self.stage.link.meter.take())
    }

    /// Appends a record; its step is told with the words before it.
    fn keep(&self, mut record: ScenarioRecord, before: &str) -> Result<(), StoreError> {
        record.client = self.client();
        self.stage.link.sink.scenario(&record)?;
        (self.tell)(Event::Step { what: format!("{before}{} {} #{}", record.scenario, record.cell, record.repeat) });
        Ok(())
    }

    fn client(&self) -> ClientId {
        ClientId(format!("{}/{}", self.shard.index, self.shard.of))
    }

    async fn conformance(&self) -> Result<(), StoreError> {
        let is_left = |case: &&Case| is_mine(self.shard, case.info.id.as_str()) && !self.done.cases.contains(case.info.id.as_str());
        let cases: Vec<Case> = self.cases.iter().filter(is_left).cloned().collect();
        if cases.is_empty() {
            return Ok(());
        }
        self.begin(Phase::Conformance, "conformance", cases.len());
        let unpaid = AtomicUsize::new(0);
        let seen = |record: &CaseRecord| {
            let is_unpaid = record.verdict == Verdict::Untested && record.reason.as_ref().is_some_and(|reason| reason.starts_with("budget"));
            unpaid.fetch_add(usize::from(is_unpaid), Ordering::Relaxed);
            (self.tell)(Event::Step { what: format!("{} {}", record.verdict, record.case.id) });
        };
        let handle = Handle::current();
        let note = |text: String| (self.tell)(Event::Note { vendor: self.vendor.id.clone(), text });
        let (told, notes) = channel();
        let notes_of_guard = told.clone();
        let guard = self.guard().await.telling(move |text| drop(notes_of_guard.send(Some(text))));
        tokio::task::block_in_place(|| {
            std::thread::scope(|scope| {
                scope.spawn(move || notes.into_iter().map_while(|text| text).for_each(note));
                let ended = case::run(&self.stage.link, &guard, &cases, self.libtest.clone(), &handle, &seen);
                // A case that was cut off may still hold the guard: the end is said, not waited for.
                let _ = told.send(None);
                ended
            })
        })?;
        if let Some(why) = self.stage.link.meter.spent() {
            note(format!("{} cases were not run or not finished: {why}", unpaid.load(Ordering::Relaxed)));
        }
        self.end()
    }

    /// Watches over the server; restarts it where that is allowed and the script is this vendor's for sure.
    async fn guard(&self) -> Guard {
        let guard = Guard::new(self.stage.direct.clone());
        match &self.stage.server {
            Some(server) if self.may_restart(server).await => {
                let server = server.clone();
                guard.reviving(Arc::new(move |down| {
                    let server = server.clone();
                    Box::pin(async move { restart(&server, down).await.map_err(|error| error.to_string()) })
                }))
            }
            _ => guard,
        }
    }

    async fn may_restart(&self, server: &Server) -> bool {
        let is_disposable = self.vendor.file.safety.disposable || self.vendor.file.serve.is_some();
        is_disposable && server.has(Hook::Restart) && server.is_identified().await
    }

    /// What loads this vendor with a scenario; it remembers what is prepared from repeat to repeat.
    fn runner(&self, scenario: &Scenario, progress: &Arc<Progress>) -> Option<Runner> {
        let profile = &self.inputs.profile;
        let (link, id) = (&self.stage.link, scenario.id.clone());
        match &scenario.spec {
            ScenarioSpec::Throughput(spec) => {
                let times = spec.times(profile.cell_duration, profile.cell_warm_up);
                let runner = throughput::Runner::new(link, id, spec.clone(), times).by_client(self.client());
                Some(Runner::Mix(Box::new(runner.shown_by(Arc::clone(progress)))))
            }
            ScenarioSpec::Program(spec) => {
                let times = spec.times(profile.cell_duration, profile.cell_warm_up);
                if throughput::ProgramRunner::runs(&spec.program) {
                    let runner = throughput::ProgramRunner::new(link, id, spec.clone(), times, self.client(), Arc::clone(progress));
                    return Some(Runner::Plain(Box::new(runner)));
                }
                let runner = training::Runner::new(link, id, spec.clone(), times).by_client(self.client());
                Some(Runner::Program(Box::new(runner.shown_by(Arc::clone(progress)))))
            }
            ScenarioSpec::Failure(_) | ScenarioSpec::Cost(_) => None,
        }
    }

    /// Waits for a load and tells meanwhile how it goes.
    async fn shown<T>(&self, progress: &Progress, load: impl Future<Output = T>) -> T {
        let mut load = std::pin::pin!(load);
        let mut ticks = tokio::time::interval(GLANCE);
        loop {
            tokio::select! {
                ended = &mut load => return ended,
                _ = ticks.tick() => (self.tell)(Event::Load(progress.glance())),
            }
        }
    }

    /// Injects the faults that are planned and not yet done.
    ///
    /// # Errors
    /// When the run directory cannot be written.
    pub async fn failure(&self) -> Result<(), StoreError> {
        let tasks = self.left(Kind::Failure);
        if tasks.is_empty() {
            return Ok(());
        }
        self.begin(Phase::Failure, "failure", tasks.len());
        for scenario in &self.inputs.scenarios {
            if let ScenarioSpec::Failure(spec) = &scenario.spec {
                self.faults(scenario, spec, &tasks).await?;
            }
        }
        self.end()
    }

    async fn faults(&self, scenario: &Scenario, spec: &FailureSpec, tasks: &[Task]) -> Result<(), StoreError> {
        let (link, server, timing) = (&self.stage.link, self.stage.server.as_deref(), &self.inputs.profile.failure_timing);
        for task in tasks.iter().filter(|task| task.scenario == scenario.id) {
            self.keep(failure::run(link, server, &scenario.id, spec, task.repeat, timing).await, "")?;
        }
        Ok(())
    }

    /// Records what is not run, so that the report shows it as untested with its reason.
    fn skip(&self, skipped: &[Skip]) -> Result<(), StoreError> {
        for scenario in &self.inputs.scenarios {
            let is_recorded = self.done.scenarios.contains(&(scenario.id.0.clone(), String::new(), 1));
            if let Some(skip) = skipped.iter().find(|skip| skip.what == scenario.id.as_str()).filter(|_| !is_recorded) {
                self.stage.link.sink.scenario(&untested(scenario, &skip.reason, self.client()))?;
            }
        }
        Ok(())
    }
}

/// Loads vendors in turns (A B, B A, A B), so that a slow minute of the client or the network does not fall on one of them alone: of each
/// scenario the first repeat of all vendors, then the second of all, each time beginning with the next vendor.
///
/// # Errors
/// When a run directory cannot be written.
pub async fn take_turns(vendors: &[Measurement<'_>]) -> Result<(), StoreError> {
    let left: Vec<(&Measurement<'_>, Vec<Task>)> = vendors.iter().map(|vendor| (vendor, vendor.left(Kind::Throughput))).collect();
    let left: Vec<_> = left.into_iter().filter(|(_, tasks)| !tasks.is_empty()).collect();
    let Some((first, _)) = left.first() else { return Ok(()) };
    let steps = left.iter().map(|(_, tasks)| tasks.len() as u64).sum();
    let ids: Vec<VendorId> = left.iter().map(|(vendor, _)| vendor.vendor.id.clone()).collect();
    left.iter().for_each(|(vendor, _)| vendor.stage.set_phase(Phase::Throughput));
    (first.tell)(Event::Phase { vendors: ids, name: "throughput", steps });
    for scenario in &first.inputs.scenarios {
        let progress = Arc::new(Progress::default());
        let mut turns = Vec::new();
        for (vendor, tasks) in &left {
            let Some(runner) = vendor.runner(scenario, &progress) else { continue };
            turns.push(Turn { vendor, tasks, runner, progress: &progress, is_alone: left.len() == 1 });
        }
        for repeat in 1..=first.inputs.profile.repeats {
            for turn in &mut turns {
                turn.repeat(&scenario.id, repeat).await?;
            }
            let next = turns.len().min(1);
            turns.rotate_left(next);
        }
    }
    (first.tell)(Event::PhaseEnd);
    Ok(())
}

/// One of the vendors that take turns at a scenario.
struct Turn<'a> {
    vendor: &'a Measurement<'a>,
    tasks: &'a [Task],
    runner: Runner,
    progress: &'a Progress,
    is_alone: bool,
}

/// What loads a vendor with a scenario.
enum Runner {
    Mix(Box<throughput::Runner>),
    Plain(Box<throughput::ProgramRunner>),
    Program(Box<training::Runner>),
}

impl Runner {
    async fn run_cell(&mut self, cell: &TaskCell, repeat: u32) -> Option<ScenarioRecord> {
        match (self, cell) {
            (Runner::Mix(runner), TaskCell::Mix(cell)) => Some(runner.run_cell(cell, repeat).await),
            (Runner::Plain(runner), TaskCell::Program(cell)) => Some(runner.run_cell(cell, repeat).await),
            (Runner::Program(runner), TaskCell::Program(cell)) => Some(runner.run_cell(cell, repeat).await),
            _ => None,
        }
    }
}

impl Turn<'_> {
    /// Loads the cells of one repeat; what that used is on disk before the next vendor's turn.
    async fn repeat(&mut self, scenario: &ScenarioId, repeat: u32) -> Result<(), StoreError> {
        let before = if self.is_alone { String::new() } else { format!("{} ", self.vendor.vendor.id) };
        let mut loaded = false;
        for task in self.tasks.iter().filter(|task| task.scenario == *scenario && task.repeat == repeat) {
            let Some(cell) = &task.cell else { continue };
            self.progress.clear();
            if let Some(record) = self.vendor.shown(self.progress, self.runner.run_cell(cell, repeat)).await {
                self.vendor.keep(record, &before)?;
                loaded = true;
            }
        }
        if loaded { self.vendor.flush() } else { Ok(()) }
    }
}

async fn restart(server: &Server, down: Down) -> Result<(), LabError> {
    if down == Down::Silent && server.has(Hook::Kill) {
        // It may have ended by now; then there is nothing to kill.
        let _ = server.call(Hook::Kill).await;
    }
    server.call(Hook::Restart).await?;
    server.wait_ready().await
}

fn untested(scenario: &Scenario, reason: &str, client: ClientId) -> ScenarioRecord {
    let (code, title) = match &scenario.spec {
        ScenarioSpec::Throughput(spec) => (&spec.code, &spec.title),
        ScenarioSpec::Program(spec) => (&spec.head.code, &spec.head.title),
        ScenarioSpec::Failure(spec) => (&spec.code, &spec.title),
        ScenarioSpec::Cost(workload) => (&workload.title, &workload.title),
    };
    let outcome = Outcome::Untested(reason.to_owned());
    ScenarioRecord { outcome, client, ..ScenarioRecord::new(scenario.id.clone(), scenario.kind(), code, title) }
}
