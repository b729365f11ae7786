//! Evidence: what was sent and answered, with secrets redacted.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

/// One request and its answer, as far as it got. Authorization, tokens, signatures and presigned queries are already redacted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Exchange {
    /// Operation in camel case, e.g. `PutObject`.
    pub operation: String,
    /// Address that it was sent to.
    pub address: String,
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Request headers in order.
    pub request_headers: Vec<(String, String)>,
    /// First bytes of the request body, lossy UTF-8.
    pub request_body: String,
    /// Length of the request body.
    pub request_body_bytes: u64,
    /// 0 where no answer came.
    pub status: u16,
    /// Response headers in order.
    pub response_headers: Vec<(String, String)>,
    /// First bytes of the response body, lossy UTF-8.
    pub response_body: String,
    /// Length of the response body as received.
    pub response_body_bytes: u64,
    /// What went wrong on the connection.
    pub error: Option<String>,
    /// Start, ms after the recorder was made.
    pub offset_ms: f64,
    /// Until the response headers.
    pub first_byte_ms: f64,
    /// Until the end of the response body.
    pub duration_ms: f64,
}

/// Collects the exchanges of one case or scenario. Clones share the collection.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    exchanges: Arc<Mutex<Vec<Exchange>>>,
}

impl Recorder {
    /// A copy of what was recorded so far, in the order of the requests' starts.
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.exchanges.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}
