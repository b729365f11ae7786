//! Everything that crosses the network: one connector, the SDK and the raw client on top of it, signing, the fault proxy.
//!
//! The main type is [`Link`]: what is needed to talk to one vendor during one run.
//! Invariant: nothing here retries, and nothing here knows a rule or a score.

mod access;
mod address;
mod body;
mod clean;
mod dial;
pub mod fault;
mod http;
mod link;
mod meter;
pub mod operation;
mod pool;
pub mod proxy;
mod raw;
mod record;
mod redact;
mod refresh;
mod resources;
mod sdk;
pub mod sigv4;
mod tariff;

pub use crate::config::Addressing;
pub use access::{Access, AccessError, Account, Credentials};
pub(crate) use address::Address;
pub use address::AddressStats;
pub use clean::{Cleaned, clean};
pub use dial::{DialError, Dialer, Stream};
pub use http::WireError;
pub use link::Link;
pub use meter::{BudgetExceeded, Meter};
pub use raw::{Answer, Chunks, Message, Payload, RawClient, RawConnection, RawRequest};
pub use record::{Exchange, Failure, Recorder};
pub use redact::Redactor;
pub use resources::{Resource, ResourceError, Space};
pub use tariff::Tariff;
