//! Counting every request against the run's one budget.
//!
//! The main type is [`Meter`]. A tenth of the requests is kept back for clean-up.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;

use crate::config::Budget;
use crate::model::Usage;

/// The share of the requests that only clean-up may use: one in this many.
const RESERVE_ONE_IN: u64 = 10;

/// Operations whose body is stored.
const STORING: [&str; 2] = ["PutObject", "UploadPart"];

/// A request that the budget does not allow; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("budget: {limit} is used up: {used} of {allowed}")]
pub struct BudgetExceeded {
    /// Field of `[budget]`.
    pub limit: String,
    /// Used so far.
    pub used: String,
    /// Allowed.
    pub allowed: String,
}

/// What requests and transfers cost at most, in the price card's currency: free allowances are left out of account.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tariff {
    /// Price of one request by operation in camel case.
    pub requests: BTreeMap<String, Decimal>,
    /// Price of one request of any other operation.
    pub other_request: Decimal,
    /// Price of one byte received.
    pub download_byte: Decimal,
    /// Price of one byte sent.
    pub upload_byte: Decimal,
}

#[derive(Debug, Default)]
struct Totals {
    requests: u64,
    upload: u64,
    download: u64,
    stored: u64,
    buckets: u64,
    money: Decimal,
}

#[derive(Debug)]
struct State {
    /// Since the last call of `take`.
    delta: Usage,
    totals: Totals,
    tariff: Tariff,
    stored_since: Instant,
    next_slot: Instant,
    is_closed: bool,
}

/// Counts requests and bytes of one vendor's run, and refuses what its budget does not allow.
#[derive(Debug)]
pub struct Meter {
    budget: Budget,
    state: Mutex<State>,
}

impl Default for Meter {
    fn default() -> Self {
        Self::new(Budget::default())
    }
}

fn refuse(limit: &str, used: impl ToString, allowed: impl ToString) -> BudgetExceeded {
    BudgetExceeded { limit: limit.to_owned(), used: used.to_string(), allowed: allowed.to_string() }
}

impl Meter {
    /// A meter that enforces `budget`.
    pub fn new(budget: Budget) -> Self {
        let now = Instant::now();
        let state = State {
            delta: Usage::default(),
            totals: Totals::default(),
            tariff: Tariff::default(),
            stored_since: now,
            next_slot: now,
            is_closed: false,
        };
        Self { budget, state: Mutex::new(state) }
    }
    /// Sets what requests cost; until then nothing counts against `money`.
    pub fn set_tariff(&self, tariff: Tariff) {
        self.state().tariff = tariff;
    }
    /// Refuses everything from now on but clean-up: the run was asked to end.
    pub fn close(&self) {
        self.state().is_closed = true;
    }
    /// Whether the run was asked to end.
    pub fn is_closed(&self) -> bool {
        self.state().is_closed
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Asks to send one request with a body of `upload` bytes; waits as `requests_per_s` demands.
    ///
    /// # Errors
    /// When a limit is used up.
    pub async fn admit(&self, operation: &str, upload: u64) -> Result<(), BudgetExceeded> {
        let wait = {
            let mut state = self.state();
            self.check(&state, operation, upload)?;
            self.enter(&mut state, operation, upload)
        };
        pause(wait).await;
        Ok(())
    }
    /// Asks to send one request that deletes or lists what the run created. It may use the reserve, and only the number of requests limits it.
    ///
    /// # Errors
    /// When even the reserve is used up.
    pub async fn admit_cleanup(&self, operation: &str) -> Result<(), BudgetExceeded> {
        let wait = {
            let mut state = self.state();
            if let Some(allowed) = self.budget.requests.filter(|allowed| state.totals.requests >= *allowed) {
                return Err(refuse("requests", state.totals.requests, allowed));
            }
            self.enter(&mut state, operation, 0)
        };
        pause(wait).await;
        Ok(())
    }
    fn check(&self, state: &State, operation: &str, upload: u64) -> Result<(), BudgetExceeded> {
        let (budget, totals) = (&self.budget, &state.totals);
        if state.is_closed {
            return Err(refuse("time", "the run was stopped", "no further request"));
        }
        if let Some(allowed) = budget.requests.map(|all| all - all / RESERVE_ONE_IN).filter(|allowed| totals.requests >= *allowed) {
            let kept = budget.requests.unwrap_or_default() - allowed;
            return Err(refuse("requests", totals.requests, format_args!("{allowed}, and {kept} kept for clean-up")));
        }
        if let Some(allowed) = budget.upload.filter(|allowed| totals.upload + upload > allowed.0) {
            return Err(refuse("upload", totals.upload, allowed));
        }
        if let Some(allowed) = budget.download.filter(|allowed| totals.download >= allowed.0) {
            return Err(refuse("download", totals.download, allowed));
        }
        if let Some(allowed) = budget.stored.filter(|allowed| STORING.contains(&operation) && totals.stored + upload > allowed.0) {
            return Err(refuse("stored", totals.stored, allowed));
        }
        if let Some(allowed) = budget.buckets.filter(|allowed| operation == "CreateBucket" && totals.buckets >= *allowed) {
            return Err(refuse("buckets", totals.buckets, allowed));
        }
        let price = price_of(&state.tariff, operation, upload);
        if let Some(allowed) = budget.money.filter(|allowed| totals.money + price > *allowed) {
            return Err(refuse("money", totals.money, allowed));
        }
        Ok(())
    }
    fn enter(&self, state: &mut State, operation: &str, upload: u64) -> Duration {
        let price = price_of(&state.tariff, operation, upload);
        let totals = &mut state.totals;
        totals.requests += 1;
        totals.upload += upload;
        totals.money += price;
        totals.buckets += u64::from(operation == "CreateBucket");
        let Some(rate) = self.budget.requests_per_s.filter(|rate| *rate > 0.0) else { return Duration::ZERO };
        // One slot after the other: time in which nothing was asked for is not saved up for a burst.
        let now = Instant::now();
        let slot = state.next_slot.max(now);
        state.next_slot = slot + Duration::from_secs_f64(1.0 / rate);
        slot - now
    }
    /// Counts one request that was sent. `status` is 0 where no answer came.
    pub fn count(&self, operation: &str, status: u16, upload: u64, download: u64) {
        let mut state = self.state();
        state.delta.count(operation, status, upload, download);
        state.totals.download += download;
        let price = state.tariff.download_byte * Decimal::from(download);
        state.totals.money += price;
        if (200..300).contains(&status) && STORING.contains(&operation) {
            state.store(|stored| stored + upload);
        }
    }
    /// Tells that `bytes` stored bytes were deleted.
    pub fn released(&self, bytes: u64) {
        self.state().store(|stored| stored.saturating_sub(bytes));
    }
    /// Everything since the last call, to append to the run.
    pub fn take(&self) -> Usage {
        let mut state = self.state();
        state.store(|stored| stored);
        std::mem::take(&mut state.delta)
    }
}

impl State {
    /// Changes the stored bytes and adds the time since the last change to the integral.
    fn store(&mut self, change: impl FnOnce(u64) -> u64) {
        let now = Instant::now();
        let hours = now.duration_since(self.stored_since).as_secs_f64() / 3600.0;
        self.delta.stored_byte_hours += self.totals.stored as f64 * hours;
        self.stored_since = now;
        self.totals.stored = change(self.totals.stored);
        self.delta.stored_bytes_peak = self.delta.stored_bytes_peak.max(self.totals.stored);
    }
}

fn price_of(tariff: &Tariff, operation: &str, upload: u64) -> Decimal {
    tariff.requests.get(operation).copied().unwrap_or(tariff.other_request) + tariff.upload_byte * Decimal::from(upload)
}

async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}
