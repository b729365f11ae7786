//! Showing a run: a progress bar per vendor and phase on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::load::Glance;
use crate::model::{VendorId, VendorState};
use crate::run::{Event, Stop};

/// `12.0 s  8,123 requests/s  31.7 MiB/s  0 failed`: what a load has done so far, in the mean.
fn rates(glance: &Glance) -> String {
    let seconds = glance.elapsed.as_secs_f64().max(1e-9);
    let (requests, mib) = ((glance.ok + glance.failed) as f64 / seconds, glance.payload_bytes as f64 / (1u64 << 20) as f64 / seconds);
    format!("{seconds:.1} s  {requests:.0} requests/s  {mib:.1} MiB/s  {} failed", glance.failed)
}

/// Shows events as they come.
pub struct Progress {
    bars: Option<MultiProgress>,
    current: Mutex<Option<Shown>>,
    stop: Stop,
}

struct Shown {
    label: String,
    bar: Option<ProgressBar>,
    steps: u64,
    since: Instant,
}

/// `minio probe`, or `3 vendors in turn, throughput` where they take turns.
fn label(vendors: &[VendorId], name: &str) -> String {
    match vendors {
        [vendor] => format!("{vendor} {name}"),
        several => format!("{} vendors in turn, {name}", several.len()),
    }
}

impl Progress {
    /// Bars on standard error where that is a terminal, else lines on standard output. A reader that goes away stops the run.
    pub fn new(stop: Stop) -> Self {
        let bars = std::io::stderr().is_terminal().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));
        Self { bars, current: Mutex::new(None), stop }
    }

    /// Whether it draws bars on a terminal, so that standard output is left alone.
    pub fn has_bars(&self) -> bool {
        self.bars.is_some()
    }

    /// Shows one event.
    pub fn tell(&self, event: Event) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Phase { vendors, name, steps } => *current = Some(self.begin(label(&vendors, name), steps)),
            Event::Step { what } => {
                if let Some(bar) = current.as_ref().and_then(|shown| shown.bar.as_ref()) {
                    bar.set_message(what);
                    bar.inc(1);
                }
            }
            Event::Load(glance) => {
                if let Some(bar) = current.as_ref().and_then(|shown| shown.bar.as_ref()) {
                    bar.set_message(rates(&glance));
                }
            }
            Event::PhaseEnd => {
                if let Some(shown) = current.take() {
                    self.end(&shown);
                }
            }
            Event::Note { vendor, text } => self.line(&format!("{vendor}: {text}")),
            Event::VendorEnd { vendor, state } => match state {
                VendorState::Abandoned(reason) => self.beside_bars(|| output::complain(&format!("{vendor} is left out: {reason}"))),
                VendorState::Incomplete => self.line(&format!("{vendor}: stopped")),
                VendorState::Complete | VendorState::PriceOnly => {}
            },
        }
    }

    fn begin(&self, label: String, steps: u64) -> Shown {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(steps));
            let template =
                if steps > 0 { "{prefix:32} {bar:24} {pos}/{len} {elapsed} {wide_msg}" } else { "{prefix:32} {spinner} {elapsed} {wide_msg}" };
            bar.set_style(ProgressStyle::with_template(template).expect("the template is fixed and valid"));
            bar.set_prefix(label.clone());
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        if bar.is_none() && steps > 0 {
            self.line(&format!("{label}: {steps} steps"));
        }
        Shown { label, bar, steps, since: Instant::now() }
    }

    fn end(&self, shown: &Shown) {
        match &shown.bar {
            // Phases without steps are of interest only while they last.
            Some(bar) if shown.steps == 0 => bar.finish_and_clear(),
            Some(bar) => bar.finish_with_message("done"),
            None => self.line(&format!("{}: done in {:.1} s", shown.label, shown.since.elapsed().as_secs_f64())),
        }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(text)),
            None => {
                if output::write(&format!("{text}\n")).is_err() {
                    self.stop.set("nobody reads the output any more");
                }
            }
        }
    }

    fn beside_bars(&self, write: impl FnOnce()) {
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}
