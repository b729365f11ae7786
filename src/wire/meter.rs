//! Counting every request against the run's one budget.
//!
//! The main type is [`Meter`]. A tenth of the requests is kept back for clean-up, and more where many buckets have to be removed.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rust_decimal::Decimal;

use super::Tariff;
use crate::config::Budget;
use crate::model::Usage;

/// The share of the requests that only clean-up may use: one in this many.
const RESERVE_ONE_IN: u64 = 10;

/// What clean-up sends for a bucket of a few objects: uploads, versions, a batch of deletions, versions and objects once more and the
/// bucket itself are six; two more for what a batch does not delete.
const CLEANUP_PER_BUCKET: u64 = 8;

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
    spent: Option<String>,
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
            spent: None,
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
    /// Why nothing further is worth starting: the requests or the money are used up.
    pub fn spent(&self) -> Option<String> {
        self.state().spent.clone()
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Asks to send one request with a body of `upload` bytes; waits as `requests_per_s` demands.
    ///
    /// # Errors
    /// When a limit is used up.
    pub async fn admit(&self, operation: &str, upload: u64) -> Result<(), BudgetExceeded> {
        pause(self.enter_now(operation, upload)?).await;
        Ok(())
    }
    /// As [`Meter::admit`], for who waits by itself: how long it has to before it sends.
    ///
    /// # Errors
    /// When a limit is used up.
    pub fn enter_now(&self, operation: &str, upload: u64) -> Result<Duration, BudgetExceeded> {
        let mut state = self.state();
        let checked = self.check(&state, operation, upload);
        if let Err(refused) = checked.as_ref()
            && ["requests", "money"].contains(&refused.limit.as_str())
        {
            state.spent.get_or_insert_with(|| refused.to_string());
        }
        checked?;
        Ok(self.enter(&mut state, operation, upload))
    }
    /// Whether nothing limits this run: then who sends much may ask and count for many requests at once.
    pub fn is_unlimited(&self) -> bool {
        self.budget == Budget::default()
    }
    /// Counts requests that were sent without asking, as only an unlimited run may; `stored` is by how much the stored bytes grew.
    pub fn count_many(&self, usage: &Usage, stored: i64) {
        let mut state = self.state();
        let money: Decimal = usage
            .requests
            .iter()
            .map(|(operation, statuses)| state.tariff.request(operation, 0) * Decimal::from(statuses.values().sum::<u64>()))
            .sum();
        let money = money + state.tariff.download(usage.download_bytes);
        let totals = &mut state.totals;
        totals.requests += usage.total();
        totals.upload += usage.upload_bytes;
        totals.download += usage.download_bytes;
        totals.money += money;
        state.delta.add(usage);
        state.store(|before| before.saturating_add_signed(stored));
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
        let needed = if totals.buckets == 0 { 0 } else { 1 + CLEANUP_PER_BUCKET * totals.buckets };
        let kept = needed.max(budget.requests.unwrap_or_default() / RESERVE_ONE_IN);
        if let Some(allowed) = budget.requests.map(|all| all.saturating_sub(kept)).filter(|allowed| totals.requests >= *allowed) {
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
        let price = state.tariff.request(operation, upload);
        let cleanup = state.tariff.other_request * Decimal::from(needed);
        if let Some(allowed) = budget.money.filter(|allowed| totals.money + price + cleanup > *allowed) {
            return Err(refuse("money", totals.money, allowed));
        }
        Ok(())
    }
    fn enter(&self, state: &mut State, operation: &str, upload: u64) -> Duration {
        let price = state.tariff.request(operation, upload);
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
        let price = state.tariff.download(download);
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

async fn pause(wait: Duration) {
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    async fn limit(meter: &Meter, operation: &str, upload: u64) -> Result<(), String> {
        meter.admit(operation, upload).await.map_err(|refused| refused.limit)
    }

    #[tokio::test]
    async fn stored_bytes_grow_with_successful_writes_and_shrink_when_released() {
        let meter = Meter::new(Budget { stored: Some(Bytes(100)), ..Budget::default() });
        limit(&meter, "PutObject", 80).await.unwrap();
        meter.count("PutObject", 503, 80, 0);
        limit(&meter, "PutObject", 80).await.unwrap();
        meter.count("PutObject", 200, 80, 0);
        assert_eq!(limit(&meter, "UploadPart", 21).await, Err("stored".to_owned()));
        limit(&meter, "PutObject", 20).await.unwrap();
        limit(&meter, "GetObject", 0).await.unwrap();
        meter.released(80);
        limit(&meter, "PutObject", 100).await.unwrap();
        assert_eq!(meter.take().stored_bytes_peak, 80);
        assert_eq!(meter.take().total(), 0);
    }

    #[tokio::test]
    async fn money_counts_requests_and_what_came_back() {
        let price = |text: &str| text.parse::<Decimal>().unwrap();
        let meter = Meter::new(Budget { money: Some(price("0.10")), ..Budget::default() });
        limit(&meter, "PutObject", 0).await.unwrap();
        meter.set_tariff(Tariff { other_request: price("0.02"), download_byte: price("0.001"), ..Tariff::default() });
        limit(&meter, "GetObject", 0).await.unwrap();
        meter.count("GetObject", 200, 0, 50);
        limit(&meter, "GetObject", 0).await.unwrap();
        assert_eq!(limit(&meter, "GetObject", 0).await, Err("money".to_owned()));
        meter.admit_cleanup("DeleteObjects").await.unwrap();
    }

    #[tokio::test]
    async fn each_bucket_keeps_requests_and_money_for_its_removal() {
        let meter = Meter::new(Budget { requests: Some(26), ..Budget::default() });
        limit(&meter, "CreateBucket", 0).await.unwrap();
        limit(&meter, "CreateBucket", 0).await.unwrap();
        for _ in 0..7 {
            limit(&meter, "PutObject", 0).await.unwrap();
        }
        assert_eq!(meter.spent(), None);
        assert_eq!(limit(&meter, "PutObject", 0).await, Err("requests".to_owned()));
        assert_eq!(meter.spent().as_deref(), Some("budget: requests is used up: 9 of 9, and 17 kept for clean-up"));
        for _ in 0..17 {
            meter.admit_cleanup("DeleteObjects").await.unwrap();
        }
        let price: Decimal = "0.01".parse().unwrap();
        let meter = Meter::new(Budget { money: Some(price * Decimal::from(11)), ..Budget::default() });
        meter.set_tariff(Tariff { other_request: price, ..Tariff::default() });
        limit(&meter, "CreateBucket", 0).await.unwrap();
        limit(&meter, "PutObject", 0).await.unwrap();
        assert_eq!(limit(&meter, "PutObject", 0).await, Err("money".to_owned()));
    }

    #[tokio::test]
    async fn downloads_are_refused_once_their_limit_is_reached() {
        let meter = Meter::new(Budget { download: Some(Bytes(10)), ..Budget::default() });
        limit(&meter, "GetObject", 0).await.unwrap();
        meter.count("GetObject", 200, 0, 10);
        assert_eq!(limit(&meter, "GetObject", 0).await, Err("download".to_owned()));
    }
}
