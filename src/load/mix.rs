//! The program of throughput scenarios: every connection draws its next request from a mix, in a closed or an open loop; or writes a set.
//!
//! The main type is [`Mix`].

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::draw::Draw;
use super::reactor::Task;
use super::request::Request;
use super::schedule::{Pace, Schedule, Share};
use super::worker::{Lane, Worker};
use super::zipf::Keys;
use super::{Program, Stop};
use crate::config::MixEntry;

/// A start that is later than this counts as late.
const LATE: Duration = Duration::from_millis(1);
/// A fill is given up when so many of its writes fail, and a quarter of the objects.
const FAILING: u64 = 8;

/// What is sent.
#[derive(Debug, Clone)]
pub struct MixSpec {
    /// Every key starts with this; plain ASCII without characters that a URL encodes.
    pub prefix: String,
    /// What is done with the objects.
    pub work: Work,
    /// Bytes of every object.
    pub size: u64,
    /// How many objects are read, and how many each load keeps written at most.
    pub objects: u64,
    /// Numbers of the objects of the set `write` that exist already.
    pub existing: Arc<BTreeSet<u64>>,
    /// Requests in flight at most.
    pub concurrency: u32,
    /// When requests are due; absent in a closed loop.
    pub pace: Option<Pace>,
    /// Which objects are read.
    pub keys: Keys,
    /// Folders that the objects are spread over in turn; 0 = all lie in one.
    pub prefixes: u64,
    /// How many bodies writes take in turn; absent where each is new.
    pub cached: Option<u64>,
    /// Share of the reads that are compared byte for byte, 0 to 1; where it is above 0, the first read of each connection always is.
    pub verify_share: f64,
    /// What is drawn depends on this alone.
    pub seed: u64,
}

impl MixSpec {
    /// Appends the key of an object: `set` is `read`, `delete` or `write`.
    pub fn write_key(&self, key: &mut String, set: &str, number: u64) {
        use std::fmt::Write as _;
        self.write_folder(key, set, number.checked_rem(self.prefixes));
        // Writing to memory does not fail.
        let _ = write!(key, "{number:08}");
    }
    /// Appends the folder of a set, or one of the folders below it.
    pub fn write_folder(&self, key: &mut String, set: &str, folder: Option<u64>) {
        use std::fmt::Write as _;
        let _ = write!(key, "{}{set}/", self.prefix);
        if let Some(folder) = folder {
            let _ = write!(key, "{folder:06}/");
        }
    }
}

/// What is done with the objects.
#[derive(Debug, Clone, PartialEq)]
pub enum Work {
    /// Write each of these objects of a set once, then end.
    Fill {
        /// `read` or `delete`.
        set: &'static str,
        /// Which.
        numbers: Vec<u64>,
    },
    /// Draw operations by their shares until the time is over.
    Mix {
        /// The operations.
        mix: Vec<MixEntry>,
        /// Deletions take the objects of the set `delete` and end the load when these are used up.
        doomed: bool,
    },
}

/// The program of a mix or a fill.
#[derive(Debug)]
pub struct Mix(pub Arc<MixSpec>);

impl Program for Mix {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        let spec = &self.0;
        let arrivals = spec.pace.map(|pace| {
            let share = Share { worker: worker.index, workers: worker.of() };
            Rc::new(RefCell::new(Schedule::new(pace.arrivals, pace.rate_per_s, spec.seed, share)))
        });
        let own = (worker.index..spec.concurrency).step_by(worker.of() as usize);
        own.map(|number| {
            let slot = Slot {
                worker,
                spec,
                draw: Draw::new(Arc::clone(spec), u64::from(number)),
                lanes: worker.lanes(spec.concurrency),
                turn: 0,
                arrivals: arrivals.clone(),
            };
            Box::pin(slot.run()) as Task<'w>
        })
        .collect()
    }
}

/// One request in flight at a time, over its own connections.
struct Slot<'w> {
    worker: &'w Worker,
    spec: &'w Arc<MixSpec>,
    draw: Draw,
    lanes: Vec<Lane>,
    turn: usize,
    arrivals: Option<Rc<RefCell<Schedule>>>,
}

impl Slot<'_> {
    async fn run(mut self) {
        for lane in &mut self.lanes {
            self.worker.open(lane).await;
        }
        self.worker.start().await;
        self.drive().await;
        if matches!(self.spec.work, Work::Mix { doomed: false, .. }) {
            self.worker.note(|ledger| ledger.left.extend(self.draw.left()));
        }
        self.lanes.iter_mut().for_each(|lane| lane.settle(self.worker));
        self.worker.finish();
    }

    async fn drive(&mut self) {
        let mut request = Request::default();
        while let Some(due) = self.next_due().await {
            if !self.draw.next(&mut request) {
                // A fill is done when all its slots are; a mix that has nothing left ends for all, so that concurrency stays what it says.
                if matches!(self.spec.work, Work::Mix { .. }) {
                    self.worker.stop_early(Stop::UsedUp);
                }
                return;
            }
            self.turn = (self.turn + 1) % self.lanes.len();
            let Some(answer) = self.worker.perform(&mut self.lanes[self.turn], &request, due).await else { return };
            self.draw.done(&request, answer.is_ok());
            if !answer.is_ok() && matches!(self.spec.work, Work::Fill { .. }) {
                self.note_unwritten(request.number);
            }
        }
    }

    fn note_unwritten(&self, number: u64) {
        self.worker.note(|ledger| {
            ledger.unwritten.push(number);
            if ledger.unwritten.len() as u64 > FAILING + self.spec.objects / 4 {
                self.worker.stop_early(Stop::Failing);
            }
        });
    }

    /// Waits until the next request is due. `None` when the load is over.
    async fn next_due(&mut self) -> Option<Option<Duration>> {
        let Some(arrivals) = &self.arrivals else {
            return (!self.worker.is_over()).then_some(None);
        };
        let end = self.worker.end();
        loop {
            let due = arrivals.borrow_mut().next().filter(|due| *due < end)?;
            let early = due.saturating_sub(self.worker.elapsed());
            if !early.is_zero() {
                self.worker.sleep_until(due).await;
            }
            if self.worker.is_stopped() {
                return None;
            }
            let now = self.worker.elapsed();
            if now >= end {
                self.worker.note(|ledger| ledger.dropped += 1);
                continue;
            }
            let lag = now.saturating_sub(due);
            self.worker.note(|ledger| {
                if early.is_zero() {
                    ledger.late += u64::from(lag > LATE);
                } else if due >= self.worker.warm_up() {
                    ledger.schedule_lag.record(lag);
                }
            });
            return Some(Some(due));
        }
    }
}
