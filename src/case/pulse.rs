//! Whether a server is alive.

use std::time::Duration;

use crate::wire::{Failure, Link, Recorder};

/// Longest wait for the probe's answer.
const PROBE_LIMIT: Duration = Duration::from_secs(3);
/// Between two probes.
pub(super) const PROBE_PAUSE: Duration = Duration::from_millis(200);

/// How the server is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// Nothing listens.
    Gone,
    /// It takes connections and answers nothing: it has to be killed before it can be started.
    Silent,
}

/// Asks every endpoint for the cheapest thing there is, each over a fresh connection. Any answer means that the server is up,
/// and so does one that takes connections and closes them, since it may dislike our question.
pub(super) async fn probe(direct: &Link) -> Option<Down> {
    let raw = direct.fresh().for_cleanup().raw(&Recorder::new());
    let mut found = None;
    for _ in 0..2 * direct.access.endpoints.len() {
        let asked = raw.exact("GET", "/").operation("ListBuckets").anonymous().limit(PROBE_LIMIT).send().await;
        match asked.map_err(|error| error.failure) {
            Err(Failure::Connect) => found = Some(Down::Gone),
            Err(Failure::Timeout | Failure::ConnectTimeout) => found = Some(Down::Silent),
            // It may be about to end: look once more.
            Err(Failure::Reset | Failure::ClosedEarly | Failure::Truncated) => tokio::time::sleep(PROBE_PAUSE).await,
            _ => return None,
        }
    }
    found
}
