//! Measuring one vendor: conformance, throughput, failure; each record is appended when it is made.
//!
//! The main type is [`Measurement`]. It knows nothing of other vendors and cleans nothing up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;

use libtest_mimic::Arguments;
use tokio::runtime::Handle;

use super::events::{Event, Tell};
use super::plan::is_mine;
use super::{Done, Inputs, NamedVendor, Stage, Task, TaskCell, tasks};
use crate::case::{self, Case, Down, Guard};
use crate::config::{FailureSpec, Phase, ProgramSpec, Scenario, ScenarioSpec, ThroughputSpec};
use crate::lab::{Hook, LabError, Server};
use crate::load::Progress;
use crate::model::{CaseRecord, ClientId, ClientShard, Kind, Outcome, ScenarioRecord, Skip, Verdict};
use crate::scenario::{failure, throughput};
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
    /// Measures whatever is planned and not yet done.
    ///
    /// # Errors
    /// When the run directory cannot be written.
    pub async fn run(&self) -> Result<(), StoreError> {
        self.conformance().await?;
        let (tasks, skipped) = tasks(self.inputs, &self.vendor.file, self.shard);
        let left: Vec<Task> = tasks.into_iter().filter(|task| !self.is_done(task)).collect();
        self.skip(&skipped)?;
        self.throughput(&left).await?;
        self.failure(&left).await
    }

    fn is_done(&self, task: &Task) -> bool {
        self.done.scenarios.contains(&(task.scenario.0.clone(), task.cell_name(), task.repeat))
    }

    fn begin(&self, phase: Phase, name: &'static str, steps: usize) {
        self.stage.set_phase(phase);
        (self.tell)(Event::Phase { vendor: self.vendor.id.clone(), name, steps: steps as u64 });
    }

    /// Ends a phase: what it used is on disk before the next one begins.
    fn end(&self) -> Result<(), StoreError> {
        self.stage.link.sink.usage(&self.stage.link.meter.take())?;
        (self.tell)(Event::PhaseEnd);
        Ok(())
    }

    fn keep(&self, mut record: ScenarioRecord) -> Result<(), StoreError> {
        record.client = self.client();
        self.stage.link.sink.scenario(&record)?;
        (self.tell)(Event::Step { what: format!("{} {} #{}", record.scenario, record.cell, record.repeat) });
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

    async fn throughput(&self, tasks: &[Task]) -> Result<(), StoreError> {
        let planned = self.of_kind(tasks, Kind::Throughput);
        if planned == 0 {
            return Ok(());
        }
        self.begin(Phase::Throughput, "throughput", planned);
        for scenario in &self.inputs.scenarios {
            match &scenario.spec {
                ScenarioSpec::Throughput(spec) => self.cells(scenario, spec, tasks).await?,
                ScenarioSpec::Program(spec) => self.programs(scenario, spec, tasks)?,
                ScenarioSpec::Failure(_) | ScenarioSpec::Cost(_) => {}
            }
        }
        self.end()
    }

    async fn cells(&self, scenario: &Scenario, spec: &ThroughputSpec, tasks: &[Task]) -> Result<(), StoreError> {
        let profile = &self.inputs.profile;
        let times = spec.times(profile.cell_duration, profile.cell_warm_up);
        let progress = Arc::new(Progress::default());
        let runner = throughput::Runner::new(&self.stage.link, scenario.id.clone(), spec.clone(), times);
        let mut runner = runner.by_client(self.client()).shown_by(Arc::clone(&progress));
        for task in tasks.iter().filter(|task| task.scenario == scenario.id) {
            if let Some(TaskCell::Mix(cell)) = &task.cell {
                progress.clear();
                self.keep(self.shown(&progress, runner.run_cell(cell, task.repeat)).await)?;
            }
        }
        Ok(())
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

    /// The cells of a program. Nothing runs them yet: each is recorded as untested, so that no coverage is claimed for them.
    fn programs(&self, scenario: &Scenario, spec: &ProgramSpec, tasks: &[Task]) -> Result<(), StoreError> {
        let reason = format!("this build does not run {} yet", spec.head.code);
        for task in tasks.iter().filter(|task| task.scenario == scenario.id) {
            self.keep(ScenarioRecord { cell: task.cell_name(), repeat: task.repeat, ..untested(scenario, &reason, self.client()) })?;
        }
        Ok(())
    }

    async fn failure(&self, tasks: &[Task]) -> Result<(), StoreError> {
        let planned = self.of_kind(tasks, Kind::Failure);
        if planned == 0 {
            return Ok(());
        }
        self.begin(Phase::Failure, "failure", planned);
        for scenario in &self.inputs.scenarios {
            if let ScenarioSpec::Failure(spec) = &scenario.spec {
                self.faults(scenario, spec, tasks).await?;
            }
        }
        self.end()
    }

    async fn faults(&self, scenario: &Scenario, spec: &FailureSpec, tasks: &[Task]) -> Result<(), StoreError> {
        let (link, server, timing) = (&self.stage.link, self.stage.server.as_deref(), &self.inputs.profile.failure_timing);
        for task in tasks.iter().filter(|task| task.scenario == scenario.id) {
            self.keep(failure::run(link, server, &scenario.id, spec, task.repeat, timing).await)?;
        }
        Ok(())
    }

    fn of_kind(&self, tasks: &[Task], kind: Kind) -> usize {
        let is_of_kind = |task: &&Task| self.inputs.scenarios.iter().any(|scenario| scenario.id == task.scenario && scenario.kind() == kind);
        tasks.iter().filter(is_of_kind).count()
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
