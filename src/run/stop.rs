//! The wish to end a run early: Ctrl-C, a closed terminal, a closed pipe.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

/// A shared wish to end the run. Clones share it.
#[derive(Debug, Clone)]
pub struct Stop {
    reason: Arc<Mutex<Option<String>>>,
    set: watch::Sender<bool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { reason: Arc::default(), set: watch::Sender::new(false) }
    }
}

impl Stop {
    /// Asks the run to end; the first reason stays.
    pub fn set(&self, reason: &str) {
        self.reason.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert_with(|| reason.to_owned());
        self.set.send_replace(true);
    }
    /// Why the run ends, if it was asked to.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
    /// Whether the run was asked to end.
    pub fn is_set(&self) -> bool {
        *self.set.borrow()
    }
    /// Returns when the run is asked to end.
    pub async fn wait(&self) {
        // The sender lives in self, so the channel cannot close.
        let _ = self.set.subscribe().wait_for(|set| *set).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_reason_stays_and_waiters_wake() {
        let stop = Stop::default();
        let waiter = tokio::spawn({
            let stop = stop.clone();
            async move { stop.wait().await }
        });
        stop.set("the terminal was closed");
        stop.set("interrupted");
        waiter.await.unwrap();
        assert_eq!(stop.reason().as_deref(), Some("the terminal was closed"));
    }
}
