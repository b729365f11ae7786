//! Carrying out a plan: each vendor is made ready, probed and put through the cases; then all are loaded in turns; then each meets its
//! faults and is cleaned up.
//!
//! The main types are [`Evaluation`] and [`Executed`].

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Arguments;

use super::events::{Event, Tell};
use super::measure::{Measurement, take_turns};
use super::probe::probe;
use super::stage::Shared;
use super::{Done, Inputs, NamedVendor, RunError, Stage, Stop, prefix};
use crate::case::Case;
use crate::config::{Cap, Phase, Root, Serve, error_at};
use crate::model::{Setting, VendorId, VendorState};
use crate::store::{RunDir, RunHeader, VendorRecord};
use crate::wire::{self, Meter};

/// Longest clean-up of one vendor; what is left then is named, and `clean` goes on with it.
const CLEAN_LIMIT: Duration = Duration::from_secs(600);
/// Longest clean-up of a run that was asked to end.
const CLEAN_LIMIT_STOPPED: Duration = Duration::from_secs(60);

/// A run, ready to be carried out.
pub struct Evaluation {
    /// Where the project's folders are.
    pub root: Root,
    /// What was planned from.
    pub inputs: Inputs,
    /// The profile's cases.
    pub cases: Vec<Case>,
    /// The run's directory.
    pub directory: RunDir,
    /// Its header; `finished_at` is set here.
    pub header: RunHeader,
    /// What an earlier, killed part of the run has done, by vendor.
    pub done: BTreeMap<VendorId, Done>,
    /// Flags of the test runner.
    pub libtest: Arguments,
    /// Wait for this moment before the first request.
    pub start_at: Option<jiff::Timestamp>,
    /// Leave what the run created on the vendors.
    pub keep: bool,
    /// What the command line allows the run to send to each vendor.
    pub cap: Cap,
    /// The wish to end early.
    pub stop: Stop,
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Executed {
    /// Vendors that could not be evaluated, each with its reason.
    pub abandoned: Vec<(VendorId, String)>,
    /// How many vendors were measured to the end of the plan.
    pub completed: usize,
}

impl Evaluation {
    /// Carries out the plan. The header is written before the first request and completed at the end.
    ///
    /// # Errors
    /// When the run directory cannot be written. Whatever a vendor does is recorded, not an error.
    pub async fn execute(&mut self, tell: Tell<'_>) -> Result<Executed, RunError> {
        self.directory.write_header(&self.header)?;
        for vendor in &self.inputs.vendors {
            if !self.done.contains_key(&vendor.id) {
                self.record_start(vendor)?;
            }
        }
        self.wait_for_start().await;
        let (mut executed, mut contenders) = (Executed::default(), Vec::new());
        let measured = self.measure(&mut contenders, &mut executed, tell).await;
        // Who is still here was interrupted; a full disk must not keep a server of ours running either.
        let mut left = Ok(());
        for contender in contenders {
            left = left.and(self.leave(contender, VendorState::Incomplete, tell).await);
        }
        measured.and(left)?;
        if !self.stop.is_set() {
            self.header.finished_at = Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
            self.directory.write_header(&self.header)?;
        }
        Ok(executed)
    }

    fn record_start(&self, vendor: &NamedVendor) -> Result<(), RunError> {
        let state = if vendor.file.is_measurable() { VendorState::Incomplete } else { VendorState::PriceOnly };
        Ok(self.directory.vendor(&vendor.id)?.vendor(&new_record(vendor, state))?)
    }

    async fn wait_for_start(&self) {
        let left = self.start_at.map_or(Duration::ZERO, |moment| moment.duration_since(jiff::Timestamp::now()).try_into().unwrap_or_default());
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = self.stop.wait() => {}
        }
    }

    /// Measures until the end of the plan or until the run is asked to end. Vendors that were measured to the end are gone from
    /// `contenders` afterwards.
    async fn measure<'a>(&'a self, contenders: &mut Vec<Contender<'a>>, executed: &mut Executed, tell: Tell<'a>) -> Result<(), RunError> {
        for vendor in self.inputs.vendors.iter().filter(|vendor| vendor.file.is_measurable()) {
            if self.stop.is_set() {
                return Ok(());
            }
            if self.done_of(vendor).is_complete {
                executed.completed += 1;
                continue;
            }
            let Some(contender) = self.open(vendor, executed, tell).await? else { continue };
            contenders.push(contender);
            let Some(contender) = contenders.last_mut() else { continue };
            match self.until_stopped(&[contender.meter()], self.begin(contender, tell)).await? {
                None => return Ok(()),
                Some(None) => {}
                Some(Some(reason)) => {
                    if let Some(contender) = contenders.pop() {
                        let vendor = contender.vendor;
                        self.close(contender, tell).await?;
                        self.abandon(vendor, reason, executed, tell)?;
                    }
                }
            }
        }
        let meters: Vec<Arc<Meter>> = contenders.iter().map(Contender::meter).collect();
        let measurements: Vec<Measurement<'_>> = contenders.iter().map(|contender| self.measurement(contender, tell)).collect();
        if self.until_stopped(&meters, async { Ok(take_turns(&measurements).await?) }).await?.is_none() {
            return Ok(());
        }
        drop(measurements);
        while let Some(contender) = contenders.first_mut() {
            if self.until_stopped(&[contender.meter()], self.finish(contender, tell)).await?.is_none() {
                return Ok(());
            }
            self.leave(contenders.remove(0), VendorState::Complete, tell).await?;
            executed.completed += 1;
        }
        Ok(())
    }

    /// Lets work go on until it ends or the run is asked to end; `None` then. What blocks its thread, as the test runner does, is ended
    /// by its closed meter.
    async fn until_stopped<T>(&self, meters: &[Arc<Meter>], work: impl Future<Output = Result<T, RunError>>) -> Result<Option<T>, RunError> {
        let closing = {
            let (stop, meters) = (self.stop.clone(), meters.to_vec());
            tokio::spawn(async move {
                stop.wait().await;
                meters.iter().for_each(|meter| meter.close());
            })
        };
        let done = tokio::select! {
            biased;
            () = self.stop.wait() => {
                meters.iter().for_each(|meter| meter.close());
                Ok(None)
            }
            done = work => done.map(Some),
        };
        closing.abort();
        // The work may have come back because its meter was closed.
        if self.stop.is_set() { done.map(|_| None) } else { done }
    }

    /// Makes a vendor ready; `None` where it cannot be, or where the run was asked to end meanwhile.
    async fn open<'a>(&'a self, vendor: &'a NamedVendor, executed: &mut Executed, tell: Tell<'_>) -> Result<Option<Contender<'a>>, RunError> {
        let sink = Arc::new(self.directory.vendor(&vendor.id)?);
        let shared = Shared { root: self.root.clone(), seed: self.header.seed, prefix: prefix(&self.header.run), cap: self.cap };
        tell(phase(vendor, "prepare"));
        let opened = tokio::select! {
            opened = Stage::open(&shared, vendor, sink) => opened,
            () = self.stop.wait() => {
                tell(Event::VendorEnd { vendor: vendor.id.clone(), state: VendorState::Incomplete });
                return Ok(None);
            }
        };
        tell(Event::PhaseEnd);
        match opened {
            Ok(stage) => {
                let record = VendorRecord { setting: stage.setting, ..new_record(vendor, VendorState::Incomplete) };
                Ok(Some(Contender { vendor, stage, record }))
            }
            Err(RunError::Store(error)) => Err(error.into()),
            Err(error) => self.abandon(vendor, error.to_string(), executed, tell).map(|()| None),
        }
    }

    fn abandon(&self, vendor: &NamedVendor, reason: String, executed: &mut Executed, tell: Tell<'_>) -> Result<(), RunError> {
        let state = VendorState::Abandoned(reason.clone());
        self.directory.vendor(&vendor.id)?.vendor(&new_record(vendor, state.clone()))?;
        executed.abandoned.push((vendor.id.clone(), reason));
        tell(Event::VendorEnd { vendor: vendor.id.clone(), state });
        Ok(())
    }

    /// Probes and runs the cases; the reason, where the vendor cannot be measured at all.
    async fn begin(&self, contender: &mut Contender<'_>, tell: Tell<'_>) -> Result<Option<String>, RunError> {
        let Contender { vendor, stage, record } = &mut *contender;
        stage.set_phase(Phase::Probe);
        tell(phase(vendor, "probe"));
        let probed = probe(&stage.link).await;
        tell(Event::PhaseEnd);
        match probed {
            Ok(mut found) => {
                found.notes.extend(stage.notes.iter().cloned());
                for text in &found.notes {
                    tell(Event::Note { vendor: vendor.id.clone(), text: text.clone() });
                }
                record.probe = Some(found);
            }
            Err(refusal) => {
                let file = self.root.vendors().join(format!("{}.toml", vendor.id));
                return Ok(Some(error_at(&file, refusal.field, refusal.field, refusal.message).to_string()));
            }
        }
        stage.link.sink.vendor(record)?;
        self.measurement(contender, tell).cases().await?;
        Ok(None)
    }

    /// Injects the faults; then the vendor is complete.
    async fn finish(&self, contender: &mut Contender<'_>, tell: Tell<'_>) -> Result<(), RunError> {
        self.measurement(contender, tell).failure().await?;
        if !self.stop.is_set() {
            contender.record.state = VendorState::Complete;
            contender.stage.link.sink.vendor(&contender.record)?;
        }
        Ok(())
    }

    fn measurement<'a>(&'a self, contender: &'a Contender<'_>, tell: Tell<'a>) -> Measurement<'a> {
        let (stage, vendor, done) = (&contender.stage, contender.vendor, self.done_of(contender.vendor));
        let (inputs, cases, shard) = (&self.inputs, self.cases.as_slice(), self.header.client);
        Measurement { stage, vendor, inputs, cases, libtest: &self.libtest, done, shard, tell }
    }

    fn done_of(&self, vendor: &NamedVendor) -> &Done {
        static NOTHING: Done = Done { cases: BTreeSet::new(), scenarios: BTreeSet::new(), is_complete: false };
        self.done.get(&vendor.id).unwrap_or(&NOTHING)
    }

    /// Cleans up after a vendor and lets it go.
    async fn leave(&self, contender: Contender<'_>, state: VendorState, tell: Tell<'_>) -> Result<(), RunError> {
        let vendor = contender.vendor;
        self.clean(vendor, &contender.stage, tell).await;
        let closed = self.close(contender, tell).await;
        tell(Event::VendorEnd { vendor: vendor.id.clone(), state });
        closed
    }

    /// Stops what was started for a vendor.
    async fn close(&self, contender: Contender<'_>, tell: Tell<'_>) -> Result<(), RunError> {
        let Contender { vendor, stage, .. } = contender;
        // A full disk must not keep a server of ours running.
        let flushed = stage.link.sink.usage(&stage.link.meter.take());
        if let Err(error) = stage.close().await {
            tell(Event::Note { vendor: vendor.id.clone(), text: format!("its server does not stop: {error}") });
        }
        Ok(flushed?)
    }

    async fn clean(&self, vendor: &NamedVendor, stage: &Stage, tell: Tell<'_>) {
        // The embedded server's data goes with it.
        if self.keep || vendor.file.serve == Some(Serve::Embedded) {
            return;
        }
        tell(phase(vendor, "clean-up"));
        let limit = if self.stop.is_set() { CLEAN_LIMIT_STOPPED } else { CLEAN_LIMIT };
        let cleaned = tokio::time::timeout(limit, wire::clean(&stage.direct)).await;
        tell(Event::PhaseEnd);
        let note = |text: String| tell(Event::Note { vendor: vendor.id.clone(), text });
        match cleaned {
            Err(_) => note(format!("clean-up did not end within {} s: `proofmark clean` goes on with it", limit.as_secs())),
            Ok(cleaned) => {
                cleaned.quarantined.into_iter().for_each(|what| note(format!("{what}; `proofmark clean` deletes it then")));
                cleaned.failed.into_iter().for_each(|what| note(format!("left behind: {what}; `proofmark clean` tries again")));
            }
        }
    }
}

/// A vendor that is ready and takes part.
struct Contender<'a> {
    vendor: &'a NamedVendor,
    stage: Stage,
    record: VendorRecord,
}

impl Contender<'_> {
    fn meter(&self) -> Arc<Meter> {
        self.stage.link.meter.clone()
    }
}

/// A phase without steps.
fn phase(vendor: &NamedVendor, name: &'static str) -> Event {
    Event::Phase { vendors: vec![vendor.id.clone()], name, steps: 0 }
}

/// A vendor's record before anything is known of it.
fn new_record(vendor: &NamedVendor, state: VendorState) -> VendorRecord {
    let setting = vendor.file.setting.unwrap_or(if vendor.file.serve.is_some() { Setting::Demo } else { Setting::Trial });
    VendorRecord { vendor: vendor.id.clone(), file: vendor.file.clone(), setting, probe: None, state }
}
