//! How a server is brought back, and how long it is given until it is itself again.

use std::time::{Duration, Instant};

use super::pulse::{Down, PROBE_PAUSE, probe, takes_write};
use super::{Guard, Pass, Phase};
use crate::model::Recovery;

/// Most times that a server is brought back in one run.
const MOST_RECOVERIES: u32 = 5;
/// A server that is up again is not quite itself for up to this many times the patience. Ceph's gateway, for one, creates no bucket until
/// the cluster gives up on its killed predecessor, 30 s later, and sets no lifecycle until that one's lock runs out, after 60 s.
const AFTERMATH: u32 = 3;
/// Longest wait for the other cases before the server is restarted on purpose.
const ALONE: Duration = Duration::from_secs(300);

/// How the server came back, and for how long it answered nothing and took no writes.
pub(super) struct Outage {
    pub(super) recovery: Recovery,
    pub(super) down_s: f64,
    pub(super) no_writes_s: Option<f64>,
}

impl Guard {
    /// Whether [`Guard::restart`] can restart the server.
    pub(in crate::case) fn can_restart(&self) -> bool {
        self.revive.is_some()
    }
    /// Kills the server and starts it again for a case that wants to see what is left afterwards. No other case runs meanwhile: those that
    /// run are waited for, and none begins.
    pub(in crate::case) async fn restart(&self) -> Result<(), String> {
        let Some(revive) = self.revive.clone() else { return Err("the server has no restart hook that may be used".to_owned()) };
        let mut changed = self.changed.subscribe();
        let _closed = loop {
            if let Some(closed) = Closed::of(self)? {
                break closed;
            }
            // The sender lives in self, so the channel cannot close.
            let _ = changed.changed().await;
        };
        let drained = changed.wait_for(|()| self.lock().in_flight <= 1);
        if tokio::time::timeout(ALONE, drained).await.is_err() {
            return Err(format!("other cases were still running after {} s", ALONE.as_secs()));
        }
        revive(Down::Silent).await?;
        if !self.wait_up(self.patience).await {
            return Err(format!("it did not answer within {} s", self.patience.as_secs()));
        }
        self.wait_writable().await;
        Ok(())
    }
    /// Whether the attempt began soon after the server came back.
    pub(super) fn is_aftermath(&self, pass: &Pass) -> bool {
        self.lock().back.is_some_and(|back| pass.since < back + self.patience * AFTERMATH)
    }

    pub(super) async fn bring_back(&self, down: Down, since: Instant) -> Outage {
        let recovery = self.answering(down).await;
        let down_s = since.elapsed().as_secs_f64();
        let is_writable = !matches!(recovery, Recovery::Never(_)) && self.wait_writable().await;
        Outage { recovery, down_s, no_writes_s: is_writable.then(|| since.elapsed().as_secs_f64()) }
    }

    async fn answering(&self, down: Down) -> Recovery {
        let recoveries = self.change(|state| {
            state.recoveries += 1;
            state.recoveries
        });
        if recoveries > MOST_RECOVERIES {
            return Recovery::Never(format!("it went down {recoveries} times in this run, and is not brought back any more"));
        }
        let tried = match &self.revive {
            Some(revive) => match revive(down).await {
                Ok(()) => Ok(()),
                Err(error) => Err(format!("its restart hook failed: {error}")),
            },
            None => Err(format!("no restart hook, and it did not answer within {} s", self.patience.as_secs())),
        };
        let is_back = self.wait_up(if tried.is_err() && self.revive.is_some() { Duration::ZERO } else { self.patience }).await;
        match (tried, is_back) {
            (Ok(()), true) => Recovery::Restarted,
            (Err(_), true) => Recovery::CameBack,
            (Ok(()), false) => Recovery::Never(format!("it was restarted and did not answer within {} s", self.patience.as_secs())),
            (Err(why), false) => Recovery::Never(why),
        }
    }

    async fn wait_up(&self, limit: Duration) -> bool {
        self.wait_until(limit, || async { probe(&self.direct).await.is_none() }).await
    }

    /// Whether the server, which is up again, takes a write before the patience for that is over. One that does not is left to the cases to
    /// judge.
    async fn wait_writable(&self) -> bool {
        self.change(|state| state.back = Some(Instant::now()));
        let writes = || {
            let label = self.change(|state| {
                state.writes += 1;
                format!("recovery-{}", state.writes)
            });
            async move { takes_write(&self.direct, &label, self.patience / 4).await }
        };
        self.wait_until(self.patience * AFTERMATH, writes).await
    }

    async fn wait_until<F: Future<Output = bool>>(&self, limit: Duration, holds: impl Fn() -> F) -> bool {
        let started = Instant::now();
        while !holds().await {
            if started.elapsed() >= limit || self.direct.meter.is_closed() {
                return false;
            }
            tokio::time::sleep(PROBE_PAUSE).await;
        }
        true
    }
}

/// The server is closed to other cases while this lives, also when the case that restarts it is cut off.
struct Closed<'a>(&'a Guard);

impl<'a> Closed<'a> {
    /// Closes it; `None` while it is down already.
    fn of(guard: &'a Guard) -> Result<Option<Self>, String> {
        let mut state = guard.lock();
        match state.phase {
            Phase::Open => state.phase = Phase::Down,
            Phase::Down => return Ok(None),
            Phase::Trials(_) | Phase::Over(..) => return Err("the server went down by itself before".to_owned()),
        }
        Ok(Some(Self(guard)))
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            if matches!(state.phase, Phase::Down) {
                state.phase = Phase::Open;
                // Whoever met the closed server without having been waited for runs again as it is.
                state.joined.clear();
            }
        });
    }
}
