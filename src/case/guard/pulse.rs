//! Whether a server is alive.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;

use crate::wire::{Failure, Link, Recorder, ResourceError};

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

/// Whether the server answers a write within `limit`: a new bucket, since it needs more of a server than an object does, or an object where
/// the account may not create buckets. `label` must be new: a bucket that is there already may be answered without any write. A refusal is
/// an answer, too.
pub(super) async fn takes_write(direct: &Link, label: &str, limit: Duration) -> bool {
    let link = direct.fresh().for_cleanup();
    let write = async {
        if link.vendor.use_bucket.is_none() {
            return !matches!(link.create_bucket(label).await, Err(ResourceError::Wire { .. }));
        }
        // Only a full disk of ours fails here, and the next record says so.
        let Ok(space) = link.space(label).await else { return true };
        let key = format!("{}object", space.prefix);
        let sent = link.sdk(&Recorder::new()).put_object().bucket(space.bucket).key(key).body(ByteStream::from_static(b"x")).send().await;
        sent.map_or_else(|error| error.raw_response().is_some(), |_| true)
    };
    tokio::time::timeout(limit, write).await.unwrap_or(false)
}
