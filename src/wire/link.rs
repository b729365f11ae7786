//! What is needed to talk to one vendor during one run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use super::address::AddressStats;
use super::http::{Caller, Limits, Net};
use super::sdk::{self, CONNECT_LIMIT, IDLE_LIMIT};
use super::{Access, AccessError, Account, Meter, RawClient, Recorder, Redactor, Space, Tariff};
use crate::config::{Endpoint, Vendor};
use crate::model::{ClientId, VendorId};
use crate::store::VendorSink;

type Spaces = Arc<Mutex<HashMap<String, Arc<OnceCell<Space>>>>>;

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
    /// Which client of several this is, as it stands in records; `1/1` unless set.
    pub client: ClientId,
    pub(crate) net: Arc<Net>,
    pub(crate) spaces: Spaces,
    is_cleanup: bool,
}

impl Link {
    /// Prepares to talk to a vendor; nothing is sent.
    ///
    /// # Errors
    /// When there is no endpoint.
    pub fn open(
        id: VendorId,
        vendor: Arc<Vendor>,
        access: Access,
        sink: Arc<VendorSink>,
        seed: u64,
        prefix: impl Into<String>,
    ) -> Result<Self, AccessError> {
        if access.endpoints.is_empty() {
            let (vendor, field) = (id.to_string(), "endpoints".to_owned());
            return Err(AccessError::Invalid { vendor, field, message: "there is none".to_owned() });
        }
        let access = Arc::new(access);
        let redactor = Arc::new(Redactor::new(std::iter::once(&access.credentials).chain(&access.alt)));
        let net = Arc::new(Net::new(id.as_str(), access.clone(), redactor));
        let meter = Arc::new(Meter::new(vendor.budget.clone()));
        if let Some(card) = &vendor.pricing {
            meter.set_tariff(Tariff::of(card));
        }
        Ok(Self {
            id,
            vendor,
            access,
            meter,
            sink,
            seed,
            prefix: prefix.into(),
            client: ClientId::from("1/1"),
            net,
            spaces: Spaces::default(),
            is_cleanup: false,
        })
    }
    /// The same vendor, connecting to `endpoint` (a fault proxy) instead. URLs, host names and signatures stay as they are.
    pub fn via(&self, endpoint: Endpoint) -> Self {
        let mut access = Access::clone(&self.access);
        access.dial_to = Some(endpoint);
        // The fault proxy is ours and near: the way out through the site's HTTP proxy is not for it.
        access.dialer.proxy = None;
        let access = Arc::new(access);
        Self { net: Arc::new(Net::new(self.id.as_str(), access.clone(), self.net.redactor.clone())), access, ..self.clone() }
    }
    /// The same vendor with buckets and prefixes of its own: what runs on it meets nothing of the others. Their names still start with the
    /// run's prefix.
    pub fn apart(&self, name: &str) -> Self {
        Self { prefix: format!("{}{name}-", self.prefix), spaces: Spaces::default(), ..self.fresh() }
    }
    /// The same link with no connection open.
    pub fn fresh(&self) -> Self {
        Self { net: Arc::new(self.net.fresh()), ..self.clone() }
    }
    /// The same link for clean-up: its requests may use the budget's reserve.
    pub fn for_cleanup(&self) -> Self {
        Self { is_cleanup: true, ..self.clone() }
    }
    pub(crate) fn caller(&self, recorder: &Recorder) -> Caller {
        let limits = Limits { connect: CONNECT_LIMIT, idle: IDLE_LIMIT };
        Caller { recorder: recorder.clone(), meter: self.meter.clone(), is_cleanup: self.is_cleanup, limits }
    }
    /// An SDK client of the first account that records into `recorder`. It never retries.
    pub fn sdk(&self, recorder: &Recorder) -> aws_sdk_s3::Client {
        sdk::client(&self.net, Account::First, self.caller(recorder))
    }
    /// An SDK client of the second account, if there is one.
    pub fn sdk_alt(&self, recorder: &Recorder) -> Option<aws_sdk_s3::Client> {
        self.access.alt.is_some().then(|| sdk::client(&self.net, Account::Alt, self.caller(recorder)))
    }
    /// A byte-exact client of the first account that records into `recorder`.
    pub fn raw(&self, recorder: &Recorder) -> RawClient {
        RawClient { net: self.net.clone(), account: Account::First, caller: self.caller(recorder) }
    }
    /// A byte-exact client of the second account, if there is one.
    pub fn raw_alt(&self, recorder: &Recorder) -> Option<RawClient> {
        self.access.alt.is_some().then(|| RawClient { net: self.net.clone(), account: Account::Alt, caller: self.caller(recorder) })
    }
    /// What was sent to each address so far, SDK and raw client together.
    pub fn addresses(&self) -> Vec<AddressStats> {
        self.net.book.stats()
    }
    /// What removes secrets from texts that are kept.
    pub fn redactor(&self) -> Arc<Redactor> {
        self.net.redactor.clone()
    }
}
