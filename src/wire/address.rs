//! All addresses of a vendor's endpoints, used evenly.
//!
//! The main type is [`Book`]: it resolves names again every 30 s, hands out addresses in turn and counts per address.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::config::Endpoint;

use super::dial::DialError;
use super::record::Failure;

const RESOLVE_AGAIN: Duration = Duration::from_secs(30);

/// What was sent to one address.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct AddressStats {
    /// `address:port`, or `host:port` where a proxy resolves the name.
    pub address: String,
    /// The endpoint that it belongs to.
    pub endpoint: String,
    /// Requests sent to it, failed ones included.
    pub requests: u64,
    /// Requests without a complete answer.
    pub failures: u64,
    /// Connections that could not be opened.
    pub connect_failures: u64,
    /// Sum of the times from the start of a request to its response head, in ms; divide by the answered requests.
    pub first_byte_ms_sum: f64,
    /// Longest of these times.
    pub first_byte_ms_max: f64,
    /// Whether a connection to it has ever been opened.
    pub is_known_good: bool,
}

impl AddressStats {
    /// Counts a request; `first_byte` is the time to the head of its answer, absent where none came.
    pub(crate) fn count(&mut self, first_byte: Option<Duration>) {
        self.requests += 1;
        match first_byte.map(|time| time.as_secs_f64() * 1e3) {
            Some(time) => {
                self.first_byte_ms_sum += time;
                self.first_byte_ms_max = self.first_byte_ms_max.max(time);
            }
            None => self.failures += 1,
        }
    }
    /// Adds what was counted elsewhere.
    fn merge(&mut self, other: &AddressStats) {
        self.requests += other.requests;
        self.failures += other.failures;
        self.first_byte_ms_sum += other.first_byte_ms_sum;
        self.first_byte_ms_max = self.first_byte_ms_max.max(other.first_byte_ms_max);
    }
    /// Mean time to the response head, in ms; absent when nothing was answered.
    pub fn first_byte_ms_mean(&self) -> Option<f64> {
        let answered = self.requests - self.failures;
        (answered > 0).then(|| self.first_byte_ms_sum / answered as f64)
    }
}

/// Where to connect to for one request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub endpoint: Endpoint,
    /// Absent where a proxy resolves the name.
    pub socket: Option<SocketAddr>,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.socket {
            Some(socket) => write!(f, "{socket}"),
            None => write!(f, "{}:{}", self.endpoint.host, self.endpoint.port),
        }
    }
}

fn key(address: &Address) -> String {
    format!("{} {address}", address.endpoint)
}

#[derive(Debug, Default)]
struct Entry {
    sockets: Vec<SocketAddr>,
    resolved_at: Option<Instant>,
    /// Position of the next address of this endpoint.
    next: usize,
}

#[derive(Debug)]
struct Pages {
    entries: Vec<Entry>,
    /// Position over all addresses of all endpoints.
    next: usize,
    stats: BTreeMap<String, AddressStats>,
}

/// All addresses of a vendor's endpoints.
#[derive(Debug)]
pub(crate) struct Book {
    endpoints: Vec<Endpoint>,
    resolves: bool,
    pages: Mutex<Pages>,
}

impl Book {
    /// `resolves` is false where a proxy does it.
    pub(crate) fn new(endpoints: Vec<Endpoint>, resolves: bool) -> Self {
        let entries = endpoints.iter().map(|_| Entry::default()).collect();
        Self { endpoints, resolves, pages: Mutex::new(Pages { entries, next: 0, stats: BTreeMap::new() }) }
    }
    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The endpoint whose turn it is: each as often as it has addresses.
    pub(crate) fn turn(&self) -> usize {
        let mut pages = self.pages();
        let weights: Vec<usize> = pages.entries.iter().map(|entry| entry.sockets.len().max(1)).collect();
        let mut position = pages.next % weights.iter().sum::<usize>().max(1);
        pages.next = pages.next.wrapping_add(1);
        for (index, weight) in weights.iter().enumerate() {
            if position < *weight {
                return index;
            }
            position -= weight;
        }
        0
    }
    /// The addresses of endpoint `index`, the one whose turn it is first.
    pub(crate) async fn addresses(&self, index: usize) -> Result<Vec<Address>, DialError> {
        let endpoint = &self.endpoints[index];
        if !self.resolves {
            return Ok(vec![Address { endpoint: endpoint.clone(), socket: None }]);
        }
        if self.pages().entries[index].resolved_at.is_none_or(|at| at.elapsed() > RESOLVE_AGAIN) {
            let found = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port)).await;
            let mut pages = self.pages();
            let entry = &mut pages.entries[index];
            match found {
                Ok(found) => {
                    let mut sockets: Vec<SocketAddr> = found.collect();
                    sockets.sort();
                    sockets.dedup();
                    (entry.sockets, entry.resolved_at) = (sockets, Some(Instant::now()));
                }
                // A resolver that is down for a moment must not stop a run whose addresses are known.
                Err(error) if entry.sockets.is_empty() => {
                    return Err(DialError { failure: Failure::Resolve, message: format!("cannot resolve {}: {error}", endpoint.host) });
                }
                Err(_) => entry.resolved_at = Some(Instant::now()),
            }
        }
        let usable = self.known(index);
        if usable.is_empty() {
            return Err(DialError { failure: Failure::Resolve, message: format!("{} has no address", endpoint.host) });
        }
        Ok(usable)
    }
    /// The addresses of endpoint `index` as they were resolved last, the one whose turn it is first; none before that.
    pub(crate) fn known(&self, index: usize) -> Vec<Address> {
        let endpoint = &self.endpoints[index];
        if !self.resolves {
            return vec![Address { endpoint: endpoint.clone(), socket: None }];
        }
        let mut pages = self.pages();
        let sockets = pages.entries[index].sockets.iter();
        let mut usable: Vec<Address> = sockets.map(|socket| Address { endpoint: endpoint.clone(), socket: Some(*socket) }).collect();
        // `localhost` also has an IPv6 address where nothing listens: such an address is left out once another one answers.
        let is_good = |address: &Address| pages.stats.get(&key(address)).is_some_and(|stats| stats.is_known_good);
        let is_dead = |address: &Address| pages.stats.get(&key(address)).is_some_and(|stats| stats.connect_failures > 0 && !stats.is_known_good);
        if usable.iter().any(is_good) {
            usable.retain(|address| !is_dead(address));
        }
        let entry = &mut pages.entries[index];
        let first = entry.next % usable.len().max(1);
        usable.rotate_left(first);
        entry.next = entry.next.wrapping_add(1);
        usable
    }
    /// How many endpoints there are.
    pub(crate) fn len(&self) -> usize {
        self.endpoints.len()
    }
    fn edit(&self, address: &Address, edit: impl FnOnce(&mut AddressStats)) {
        let mut pages = self.pages();
        let stats = pages.stats.entry(key(address)).or_insert_with(|| AddressStats {
            address: address.to_string(),
            endpoint: address.endpoint.to_string(),
            ..AddressStats::default()
        });
        edit(stats);
    }
    pub(crate) fn connected(&self, address: &Address, is_open: bool) {
        self.edit(address, |stats| {
            stats.is_known_good |= is_open;
            stats.connect_failures += u64::from(!is_open);
        });
    }
    pub(crate) fn is_known_good(&self, address: &Address) -> bool {
        self.pages().stats.get(&key(address)).is_some_and(|stats| stats.is_known_good)
    }
    /// Counts one request; `first_byte` is absent where no answer came.
    pub(crate) fn used(&self, address: &Address, first_byte: Option<Duration>) {
        self.edit(address, |stats| stats.count(first_byte));
    }
    /// Adds requests that were counted elsewhere.
    pub(crate) fn add(&self, address: &Address, counted: &AddressStats) {
        self.edit(address, |stats| stats.merge(counted));
    }
    pub(crate) fn stats(&self) -> Vec<AddressStats> {
        self.pages().stats.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(sockets: &[&[&str]]) -> Book {
        let endpoint = |index: usize| Endpoint::try_from(format!("http://host{index}")).unwrap();
        let book = Book::new((0..sockets.len()).map(endpoint).collect(), true);
        for (entry, texts) in book.pages().entries.iter_mut().zip(sockets) {
            entry.sockets = texts.iter().map(|text| text.parse().unwrap()).collect();
            entry.resolved_at = Some(Instant::now());
        }
        book
    }

    async fn used(book: &Book, requests: usize) -> BTreeMap<String, usize> {
        let mut used = BTreeMap::new();
        for _ in 0..requests {
            let addresses = book.addresses(book.turn()).await.unwrap();
            *used.entry(addresses[0].to_string()).or_default() += 1;
        }
        used
    }

    #[tokio::test]
    async fn every_address_of_every_endpoint_gets_its_even_share() {
        let book = book(&[&["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"], &["10.0.1.1:80"]]);
        assert_eq!(used(&book, 40).await.into_values().collect::<Vec<_>>(), [10, 10, 10, 10]);
    }

    #[tokio::test]
    async fn an_address_that_never_answered_is_left_out_and_one_that_did_is_not() {
        let book = book(&[&["127.0.0.1:80", "[::1]:80"]]);
        let both = book.addresses(0).await.unwrap();
        book.connected(&both[1], false);
        assert_eq!(used(&book, 10).await.len(), 2, "no other address is known to be better");
        book.connected(&both[0], true);
        assert_eq!(used(&book, 10).await, BTreeMap::from([(both[0].to_string(), 10)]));
        book.connected(&both[1], true);
        book.connected(&both[1], false);
        assert_eq!(used(&book, 10).await.len(), 2, "what was good once and fails now must be seen to fail");
    }
}
