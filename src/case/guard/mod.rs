//! Keeps a run going when the server goes down under it.
//!
//! The main type is [`Guard`]. After a broken connection a health probe decides whether the server is up. If it is down, no further
//! case starts, those that run are waited for, and the server is brought back. Then the suspects (cases whose request was on its
//! way) run one at a time: the one that brings it down again, alone, is the culprit and is not run a third time. Everybody else
//! runs again as if nothing had happened. A server that stays down ends the remaining cases at once.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use self::pulse::{PROBE_PAUSE, probe};
use self::recovery::Outage;
use self::suspicion::{Joined, has_waited, hung, is_troubled, joined, over, suspects_of};
use super::judge::Attempt;
use crate::model::{CaseId, Crash, Recovery, Suspect};
use crate::wire::{Exchange, Link, Recorder};

pub use self::pulse::Down;
pub(super) use self::suspicion::{Halt, Sight};

mod pulse;
mod recovery;
mod suspicion;

/// How long a server that nobody restarts may take to come back.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest wait for the cases that run when the server goes down.
const DRAIN: Duration = Duration::from_secs(5);
/// After this many answers that never came, an operation is not waited for any longer than [`SHORT`].
const MOST_HANGS: u32 = 3;
/// How long an operation that hangs is still waited for.
const SHORT: Duration = Duration::from_secs(4);

/// Starts the server again.
pub type Revive = Arc<dyn Fn(Down) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Keeps a run going when the server goes down. Clones share everything.
#[derive(Clone)]
pub struct Guard {
    direct: Link,
    revive: Option<Revive>,
    patience: Duration,
    short: Duration,
    tell: Option<Arc<dyn Fn(String) + Send + Sync>>,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    phase: Phase,
    /// How often the server was found down.
    downs: u64,
    in_flight: usize,
    joined: Vec<Joined>,
    recoveries: u32,
    /// Writes that a server that was up again was asked for.
    writes: u32,
    /// When it last came back.
    back: Option<Instant>,
    crashes: Vec<Crash>,
    /// Operation -> answers that never came although the server was up.
    hangs: BTreeMap<String, u32>,
}

#[derive(Debug, Default)]
enum Phase {
    /// Cases run.
    #[default]
    Open,
    /// The server is down.
    Down,
    /// It is up again, and these run one at a time, the first one now.
    Trials(VecDeque<CaseId>),
    /// It stays down; why, and the one case that is to blame for it.
    Over(String, Option<Suspect>),
}

/// Leave to run one attempt.
#[derive(Debug)]
pub(super) struct Pass {
    since: Instant,
    downs: u64,
    is_alone: bool,
}

impl Guard {
    /// A guard of the server that `direct` leads to, without any fault in between.
    pub fn new(direct: Link) -> Self {
        let changed = watch::Sender::new(());
        Self { direct, revive: None, patience: PATIENCE, short: SHORT, tell: None, state: Arc::default(), changed }
    }
    /// Starts the server again when it is down.
    #[must_use]
    pub fn reviving(mut self, revive: Revive) -> Self {
        self.revive = Some(revive);
        self
    }
    /// How long a server that nobody restarts may take to come back.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
    /// How long an operation that hangs in several cases is still waited for in the next ones.
    #[must_use]
    pub fn waiting_for_hangs(mut self, short: Duration) -> Self {
        self.short = short;
        self
    }
    /// Tells when the server is found down and how that ended, each at its moment.
    #[must_use]
    pub fn telling(mut self, tell: impl Fn(String) + Send + Sync + 'static) -> Self {
        self.tell = Some(Arc::new(tell));
        self
    }
    fn tell(&self, sentence: impl FnOnce() -> String) {
        if let Some(tell) = &self.tell {
            tell(sentence());
        }
    }
    /// How often the server went down so far, and how that ended.
    pub fn crashes(&self) -> Vec<Crash> {
        self.lock().crashes.clone()
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_replace(());
        result
    }

    /// Waits until the case may run.
    pub(super) async fn turn(&self, case: &CaseId) -> Result<Pass, Halt> {
        let mut changed = self.changed.subscribe();
        loop {
            {
                let mut state = self.lock();
                let (since, downs) = (Instant::now(), state.downs);
                match &state.phase {
                    Phase::Open => {
                        state.in_flight += 1;
                        return Ok(Pass { since, downs, is_alone: false });
                    }
                    Phase::Trials(queue) if queue.front() == Some(case) => return Ok(Pass { since, downs, is_alone: true }),
                    Phase::Over(_, Some(culprit)) if culprit.case == *case => return Err(Halt::Culprit(culprit.clone())),
                    Phase::Over(why, _) => return Err(Halt::Down(why.clone())),
                    Phase::Down | Phase::Trials(_) => {}
                }
            }
            // The sender lives in self, so the channel cannot close.
            let _ = changed.changed().await;
        }
    }

    /// Takes an attempt's end, and looks after the server where its connections broke.
    pub(super) async fn leave(&self, pass: Pass, case: &CaseId, attempt: &Attempt, exchanges: &[Exchange]) -> Sight {
        let down = if is_troubled(attempt, exchanges) { self.down(&pass).await } else { Ok(None) };
        let joined = joined(case, exchanges);
        match down {
            // A server that has just come back owes nobody an answer yet: the case tries again until it does.
            Ok(None) if has_waited(attempt) && self.is_aftermath(&pass) => {
                if !pass.is_alone {
                    self.up(&pass, None);
                }
                Sight::Again
            }
            Ok(None) => {
                self.up(&pass, hung(attempt, exchanges));
                Sight::Up
            }
            Ok(Some(down)) if pass.is_alone => {
                self.condemn(down, joined.suspect.clone()).await;
                Sight::Culprit(joined.suspect)
            }
            Ok(Some(down)) => {
                if self.join(&pass, joined) {
                    self.recover(down).await;
                }
                Sight::Again
            }
            Err(KnownDown) => {
                self.join(&pass, joined);
                Sight::Again
            }
        }
    }

    /// Whether and how the server is down now, unless another case has found that out already.
    async fn down(&self, pass: &Pass) -> Result<Option<Down>, KnownDown> {
        let is_known = || !pass.is_alone && self.lock().downs != pass.downs;
        if is_known() {
            return Err(KnownDown);
        }
        let down = probe(&self.direct).await;
        if is_known() { Err(KnownDown) } else { Ok(down) }
    }

    fn up(&self, pass: &Pass, hung: Option<String>) {
        self.change(|state| {
            if let Some(operation) = hung {
                *state.hangs.entry(operation).or_default() += 1;
            }
            if !pass.is_alone {
                state.in_flight -= 1;
            } else if let Phase::Trials(queue) = &mut state.phase {
                queue.pop_front();
                if queue.is_empty() {
                    state.phase = Phase::Open;
                }
            }
        });
    }

    /// Adds a case to those that the server's end has hit; true for the first of them.
    fn join(&self, pass: &Pass, joined: Joined) -> bool {
        self.change(|state| {
            state.in_flight -= 1;
            match &mut state.phase {
                Phase::Open if state.downs == pass.downs => {
                    state.downs += 1;
                    state.phase = Phase::Down;
                    state.joined = vec![joined];
                    return true;
                }
                Phase::Down => state.joined.push(joined),
                Phase::Trials(queue) if joined.is_broken => queue.push_back(joined.suspect.case),
                _ => {}
            }
            false
        })
    }

    /// Waits for the cases that run, brings the server back and lines up the suspects.
    async fn recover(&self, down: Down) {
        let (at, since) = (now(), Instant::now());
        self.tell_down(down, "no further case starts");
        let mut changed = self.changed.subscribe();
        let drained = changed.wait_for(|()| self.lock().in_flight == 0);
        // Whoever is still running then joins later.
        let _ = tokio::time::timeout(DRAIN, drained).await;
        let Outage { recovery, down_s, no_writes_s } = self.bring_back(down, since).await;
        let joined = std::mem::take(&mut self.lock().joined);
        let mut suspects = suspects_of(joined);
        let culprit = if suspects.len() == 1 && matches!(recovery, Recovery::Never(_)) { suspects.pop() } else { None };
        let queue = suspects.iter().map(|suspect| suspect.case.clone()).collect();
        self.settle(Crash { at, culprit, suspects, recovery, down_s, no_writes_s }, queue);
    }

    /// Brings the server back from a case that ran alone.
    async fn condemn(&self, down: Down, culprit: Suspect) {
        let (at, since) = (now(), Instant::now());
        self.change(|state| {
            state.downs += 1;
            state.phase = Phase::Down;
        });
        self.tell_down(down, &culprit.to_string());
        let Outage { recovery, down_s, no_writes_s } = self.bring_back(down, since).await;
        self.settle(Crash { at, culprit: Some(culprit), suspects: Vec::new(), recovery, down_s, no_writes_s }, VecDeque::new());
    }

    fn tell_down(&self, down: Down, what: &str) {
        let how = match down {
            Down::Gone => "nothing listens",
            Down::Silent => "it answers nothing",
        };
        let next =
            if self.revive.is_some() { "it is being restarted".to_owned() } else { format!("waiting up to {} s for it", self.patience.as_secs()) };
        self.tell(|| format!("the server is down ({how}): {what}; {next}"));
    }

    fn settle(&self, crash: Crash, queue: VecDeque<CaseId>) {
        // The records of the cases say the same; a disk that takes nothing ends the run with the next one of them.
        let _ = self.direct.sink.crash(&crash);
        let trials = if queue.is_empty() { String::new() } else { format!("; {} cases run alone now, to find the one that did it", queue.len()) };
        self.tell(|| format!("{}{trials}", crash.sentence()));
        self.change(|state| {
            state.phase = match &crash.recovery {
                Recovery::Never(why) => Phase::Over(over(&crash, why), crash.culprit.clone()),
                _ if queue.is_empty() => Phase::Open,
                _ => Phase::Trials(queue),
            };
            state.crashes.push(crash);
        });
    }

    /// Returns when a request of the recorder waits for an operation that hung in several cases before, longer than it is worth.
    pub(super) async fn impatient(&self, recorder: &Recorder) -> (String, Duration) {
        loop {
            tokio::time::sleep(PROBE_PAUSE).await;
            let waiting = recorder.waiting();
            let state = self.lock();
            let is_hopeless =
                |operation: &String, since: Duration| since >= self.short && state.hangs.get(operation).is_some_and(|n| *n >= MOST_HANGS);
            if let Some((operation, _)) = waiting.into_iter().find(|(operation, since)| is_hopeless(operation, *since)) {
                return (operation, self.short);
            }
        }
    }
}

/// Another case has found the server down and looks after it.
struct KnownDown;

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").field("state", &self.state).finish_non_exhaustive()
    }
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
