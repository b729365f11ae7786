//! What is needed to talk to one vendor during one run.

use std::sync::Arc;

use super::{Access, Meter, Recorder};
use crate::config::Vendor;
use crate::model::VendorId;
use crate::store::VendorSink;

/// What is needed to talk to one vendor during one run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Link {
    /// The vendor's id.
    pub id: VendorId,
    /// The vendor's file.
    pub vendor: Arc<Vendor>,
    /// How it is reached.
    pub access: Arc<Access>,
    /// Counts against the budget.
    pub meter: Arc<Meter>,
    /// Where records go.
    pub sink: Arc<VendorSink>,
    /// The run's seed.
    pub seed: u64,
    /// `pm-<8 characters of the run>-`: every bucket name starts with it, and every key of `use_bucket` mode.
    pub prefix: String,
}

impl Link {
    /// An SDK client of the first account that records into `recorder`. It never retries.
    pub fn sdk(&self, _recorder: &Recorder) -> aws_sdk_s3::Client {
        unimplemented!("wire::sdk")
    }
}
