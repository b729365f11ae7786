//! Carrying out a plan: vendor after vendor, each made ready, probed, measured and cleaned up.
//!
//! The main types are [`Evaluation`] and [`Executed`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::Arguments;

use super::events::{Event, Tell};
use super::measure::Measurement;
use super::probe::probe;
use super::stage::Shared;
use super::{Done, Inputs, NamedVendor, RunError, Stage, Stop, prefix};
use crate::case::Case;
use crate::config::{Cap, Phase, Root, Serve, error_at};
use crate::model::{Setting, VendorId, VendorState};
use crate::store::{RunDir, RunHeader, VendorRecord, VendorSink};
use crate::wire;

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
        let mut executed = Executed::default();
        for vendor in self.inputs.vendors.iter().filter(|vendor| vendor.file.is_measurable()) {
            if self.stop.is_set() {
                break;
            }
            if self.done.get(&vendor.id).is_some_and(|done| done.is_complete) {
                executed.completed += 1;
                continue;
            }
            let state = self.evaluate(vendor, tell).await?;
            match &state {
                VendorState::Abandoned(reason) => executed.abandoned.push((vendor.id.clone(), reason.clone())),
                VendorState::Complete => executed.completed += 1,
                _ => {}
            }
            tell(Event::VendorEnd { vendor: vendor.id.clone(), state });
        }
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

    async fn evaluate(&self, vendor: &NamedVendor, tell: Tell<'_>) -> Result<VendorState, RunError> {
        let sink = Arc::new(self.directory.vendor(&vendor.id)?);
        let shared = Shared { root: self.root.clone(), seed: self.header.seed, prefix: prefix(&self.header.run), cap: self.cap };
        tell(Event::Phase { vendor: vendor.id.clone(), name: "prepare", steps: 0 });
        let opened = tokio::select! {
            opened = Stage::open(&shared, vendor, sink.clone()) => opened,
            () = self.stop.wait() => return Ok(VendorState::Incomplete),
        };
        tell(Event::PhaseEnd);
        let stage = match opened {
            Ok(stage) => stage,
            Err(RunError::Store(error)) => return Err(error.into()),
            Err(error) => return self.abandon(vendor, &sink, error.to_string()),
        };
        let measured = self.measure(vendor, &stage, tell).await;
        if measured.as_ref().is_ok_and(|state| !matches!(state, VendorState::Abandoned(_))) || measured.is_err() {
            self.clean(vendor, &stage, tell).await;
        }
        // A full disk must not keep a server of ours running.
        let flushed = sink.usage(&stage.link.meter.take());
        if let Err(error) = stage.close().await {
            tell(Event::Note { vendor: vendor.id.clone(), text: format!("its server does not stop: {error}") });
        }
        flushed?;
        measured
    }

    fn abandon(&self, vendor: &NamedVendor, sink: &VendorSink, reason: String) -> Result<VendorState, RunError> {
        let state = VendorState::Abandoned(reason);
        sink.vendor(&new_record(vendor, state.clone()))?;
        Ok(state)
    }

    /// Probes and measures until the end of the plan or until the run is asked to end.
    async fn measure(&self, vendor: &NamedVendor, stage: &Stage, tell: Tell<'_>) -> Result<VendorState, RunError> {
        let closing = {
            let (stop, meter) = (self.stop.clone(), stage.link.meter.clone());
            // The test runner blocks its thread: a closed meter is what ends it.
            tokio::spawn(async move {
                stop.wait().await;
                meter.close();
            })
        };
        let state = tokio::select! {
            biased;
            () = self.stop.wait() => Ok(VendorState::Incomplete),
            state = self.probe_and_measure(vendor, stage, tell) => state,
        };
        closing.abort();
        // The test runner may have come back because the meter was closed.
        if self.stop.is_set() { state.map(|_| VendorState::Incomplete) } else { state }
    }

    async fn probe_and_measure(&self, vendor: &NamedVendor, stage: &Stage, tell: Tell<'_>) -> Result<VendorState, RunError> {
        let sink = &stage.link.sink;
        let mut record = VendorRecord { setting: stage.setting, ..new_record(vendor, VendorState::Incomplete) };
        stage.set_phase(Phase::Probe);
        tell(Event::Phase { vendor: vendor.id.clone(), name: "probe", steps: 0 });
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
                let reason = error_at(&file, refusal.field, refusal.field, refusal.message).to_string();
                return self.abandon(vendor, sink, reason);
            }
        }
        sink.vendor(&record)?;
        let nothing = Done::default();
        let done = self.done.get(&vendor.id).unwrap_or(&nothing);
        let (inputs, cases, shard) = (&self.inputs, self.cases.as_slice(), self.header.client);
        Measurement { stage, vendor, inputs, cases, libtest: &self.libtest, done, shard, tell }.run().await?;
        if self.stop.is_set() {
            return Ok(VendorState::Incomplete);
        }
        record.state = VendorState::Complete;
        sink.vendor(&record)?;
        Ok(VendorState::Complete)
    }

    async fn clean(&self, vendor: &NamedVendor, stage: &Stage, tell: Tell<'_>) {
        // The embedded server's data goes with it.
        if self.keep || vendor.file.serve == Some(Serve::Embedded) {
            return;
        }
        tell(Event::Phase { vendor: vendor.id.clone(), name: "clean-up", steps: 0 });
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

/// A vendor's record before anything is known of it.
fn new_record(vendor: &NamedVendor, state: VendorState) -> VendorRecord {
    let setting = vendor.file.setting.unwrap_or(if vendor.file.serve.is_some() { Setting::Demo } else { Setting::Trial });
    VendorRecord { vendor: vendor.id.clone(), file: vendor.file.clone(), setting, probe: None, state }
}
