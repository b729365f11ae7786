//! Connections that wait for their next request, by address and server name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::client::conn::http1::SendRequest;

use super::address::Address;
use super::body::Sent;

/// Servers close idle connections after 20 s or more; younger ones are almost never stale.
const LONGEST_IDLE: Duration = Duration::from_secs(15);

/// What must be equal for a connection to be reusable. The server name is empty where there is no TLS.
pub(crate) type Key = (Address, String);

type Idle = HashMap<Key, Vec<(Instant, SendRequest<Sent>)>>;

#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<Idle>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let idle: usize = self.lock().values().map(Vec::len).sum();
        write!(f, "Pool({idle} idle)")
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The connection that was used last, if one still lives.
    pub(crate) async fn take(&self, key: &Key) -> Option<SendRequest<Sent>> {
        loop {
            let (since, mut sender) = self.lock().get_mut(key)?.pop()?;
            if since.elapsed() > LONGEST_IDLE || sender.is_closed() {
                continue;
            }
            // The end of the last response was seen; its connection needs a moment to notice it, too.
            if let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(1), sender.ready()).await {
                return Some(sender);
            }
        }
    }
}

/// A connection in use.
pub(crate) struct Lane {
    pub sender: SendRequest<Sent>,
    pub pool: Arc<Pool>,
    pub key: Key,
    pub reused: bool,
}

impl Lane {
    /// For the next request.
    pub(crate) fn give_back(self) {
        if !self.sender.is_closed() {
            self.pool.lock().entry(self.key).or_default().push((Instant::now(), self.sender));
        }
    }
}
