//! The fault proxy as a program of its own, for tools other than ours.

use std::io;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Proxy, Upstream};
use crate::config::DegradeRule;
use crate::wire::Credentials;

/// A file of rules: `[[rule]]` entries as in a vendor file's `[[degrade]]`. Rules with phases never fire in a stand-alone proxy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleFile {
    /// The rules.
    #[serde(default, rename = "rule")]
    pub rules: Vec<DegradeRule>,
}

/// Serves until `stop` completes. `started` gets the proxy when it listens, e.g. to print its address; the counters are given back at the end.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve_alone(
    listen: SocketAddr,
    upstream: Upstream,
    credentials: Vec<Credentials>,
    rules: RuleFile,
    started: impl FnOnce(&Proxy),
    stop: impl Future<Output = ()>,
) -> io::Result<super::ProxyCounts> {
    let proxy = Proxy::start(listen, upstream, credentials, rules.rules).await?;
    started(&proxy);
    stop.await;
    Ok(proxy.counters())
}
