//! Throughput scenarios: what is sent, how much at once, for how long.
//!
//! The main type is [`ThroughputSpec`]; [`ThroughputSpec::cells`] is its matrix, [`ThroughputSpec::estimate`] what it may send.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

use super::load_loop::{ArrivalKind, KeyChoice, LoopKind, OpenLoop};
use super::value::{filled, lasting, positive, positives, refuse};
use super::{Operation, Style};
use crate::model::{Estimate, Impact};
use crate::units::{Bytes, Span};

/// `scenarios/throughput/<id>.toml`. Every combination of the matrix values is a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThroughputSpec {
    /// Title for people.
    pub title: String,
    /// Short code, e.g. `T1`.
    pub code: String,
    /// What question it answers.
    pub about: String,
    /// What it does beyond its own prefix.
    #[serde(default)]
    pub impact: Impact,
    /// Operation mixes; each is a cell of the matrix.
    #[serde(deserialize_with = "mixes")]
    pub mix: Vec<Vec<MixEntry>>,
    /// Sizes of the objects; each is a cell.
    #[serde(deserialize_with = "filled")]
    pub object_size: Vec<Bytes>,
    /// Objects that are read, listed, overwritten in turn, or written to be deleted.
    #[serde(deserialize_with = "positive")]
    pub objects: u64,
    /// Folders that the objects are spread over in turn; 0 = all lie in one.
    #[serde(default)]
    pub prefixes: u64,
    /// Which objects are read; each is a cell.
    #[serde(default = "uniform", deserialize_with = "filled")]
    pub keys: Vec<KeyChoice>,
    /// Requests in flight (the cap on them in an open loop); each is a cell.
    #[serde(deserialize_with = "positives")]
    pub concurrency: Vec<u32>,
    /// Closed or open loop.
    #[serde(rename = "loop", default)]
    pub load_loop: LoopKind,
    /// With the loop `knee`: shares of the knee to load with, 0 to 1, each a cell. Without any, the search itself is the cell.
    #[serde(default)]
    pub knee_shares: Vec<f64>,
    /// How requests are sent and bodies made; each is a cell.
    #[serde(default = "plain", deserialize_with = "filled")]
    pub style: Vec<Style>,
    /// Measured time of a cell, after the warm-up; a profile may shorten it.
    #[serde(deserialize_with = "lasting")]
    pub duration: Span,
    /// Time before the measurement; what it holds is cut, and MSER-5 may cut more.
    pub warm_up: Span,
}

/// An operation's share of a mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixEntry {
    /// The operation.
    pub operation: Operation,
    /// Its weight among the entries of the mix.
    #[serde(default = "hundred", deserialize_with = "positive")]
    pub share: u32,
    /// For GET: read aligned ranges of this size instead of whole objects.
    #[serde(default)]
    pub range: Option<Bytes>,
    /// For listings: what they ask for.
    #[serde(default)]
    pub list: ListOptions,
}

impl MixEntry {
    /// The operation with a share and nothing special.
    pub fn new(operation: Operation, share: u32) -> Self {
        Self { operation, share, range: None, list: ListOptions::default() }
    }
}

/// What a listing asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListOptions {
    /// Keys of a page (default 1000, the most that S3 gives).
    pub max_keys: u32,
    /// Ask with `delimiter=/`: folders come as common prefixes.
    pub delimiter: bool,
    /// List one of the folders, drawn anew for each request, instead of all keys after a random one.
    pub in_prefix: bool,
}

impl Default for ListOptions {
    fn default() -> Self {
        Self { max_keys: PAGE_MAX, delimiter: false, in_prefix: false }
    }
}

/// Keys of a page at most (S3).
const PAGE_MAX: u32 = 1000;

/// `/of-prefix`, `/delimiter`, `/100`: what differs from the default.
impl fmt::Display for ListOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = if self.in_prefix { "/of-prefix" } else { "" };
        write!(f, "{of}{}", if self.delimiter { "/delimiter" } else { "" })?;
        if self.max_keys == PAGE_MAX { Ok(()) } else { write!(f, "/{}", self.max_keys) }
    }
}

fn plain() -> Vec<Style> {
    vec![Style::default()]
}

fn uniform() -> Vec<KeyChoice> {
    vec![KeyChoice::Uniform]
}

fn hundred() -> u32 {
    100
}

/// How long a cell warms up and is measured: the scenario's own times, or the profile's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellTimes {
    /// Measured time.
    pub duration: Duration,
    /// Time before it.
    pub warm_up: Duration,
}

/// One combination of the matrix values.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The operations and their shares.
    pub mix: Vec<MixEntry>,
    /// Size of every object.
    pub object_size: Bytes,
    /// Requests in flight.
    pub concurrency: u32,
    /// Which objects are read.
    pub keys: KeyChoice,
    /// Rate as a share of the vendor's knee.
    pub knee_share: Option<f64>,
    /// How requests are sent and bodies made.
    pub style: Style,
}

impl Cell {
    /// Whether the mix sends the operation.
    pub fn sends(&self, operation: Operation) -> bool {
        self.mix.iter().any(|entry| entry.operation == operation)
    }
    /// Whether objects must exist that are read, asked for or listed.
    pub fn reads(&self) -> bool {
        [Operation::GetObject, Operation::HeadObject, Operation::ListObjectsV2].into_iter().any(|operation| self.sends(operation))
    }
    /// Whether it deletes objects that it does not write itself: they are written beforehand, for each repeat anew.
    pub fn needs_doomed(&self) -> bool {
        self.sends(Operation::DeleteObject) && !self.sends(Operation::PutObject)
    }
}

/// `get_object 32 MiB x4`; `get_object:45+put_object:55 256 KiB x8`; ranges as `get_object[8 MiB]`.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.mix.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { "+" }, entry.operation.name())?;
            if let Some(range) = entry.range {
                write!(f, "[{range}]")?;
            }
            write!(f, "{}", entry.list)?;
            if self.mix.len() > 1 {
                write!(f, ":{}", entry.share)?;
            }
        }
        write!(f, " {} x{}", self.object_size, self.concurrency)?;
        if self.keys != KeyChoice::Uniform {
            write!(f, " {}", self.keys)?;
        }
        if let Some(share) = self.knee_share {
            write!(f, " at {:.0} % of the knee", share * 100.0)?;
        }
        if self.style.name.is_empty() { Ok(()) } else { write!(f, " {}", self.style.name) }
    }
}

/// The largest object that one PUT may write: 5 GiB ("Uploading and copying objects" of the Amazon S3 user guide).
const PUT_MOST: u64 = 5 << 30;
/// Assumed for the estimate: a request that moves nothing takes at least this long.
pub(super) const FASTEST_REQUEST: Duration = Duration::from_micros(500);
/// Assumed for the estimate: all connections of one client together move at most this many bytes each second.
pub(super) const FASTEST_BYTES_PER_S: f64 = 1e9;

impl ThroughputSpec {
    /// The times of its cells: the profile's where it gives some.
    pub fn times(&self, duration: Option<Span>, warm_up: Option<Span>) -> CellTimes {
        CellTimes { duration: duration.unwrap_or(self.duration).0, warm_up: warm_up.unwrap_or(self.warm_up).0 }
    }

    /// The matrix: sizes outermost, so that data is prepared once per size, then styles, mixes, concurrency, keys and shares of the knee.
    pub fn cells(&self) -> Vec<Cell> {
        let shares = if self.knee_shares.is_empty() { vec![None] } else { self.knee_shares.iter().copied().map(Some).collect() };
        let mut cells = Vec::new();
        for object_size in &self.object_size {
            for style in &self.style {
                for mix in &self.mix {
                    for concurrency in &self.concurrency {
                        for keys in &self.keys {
                            let (object_size, concurrency, keys) = (*object_size, *concurrency, *keys);
                            let of = |share: &Option<f64>| Cell {
                                mix: mix.clone(),
                                object_size,
                                concurrency,
                                keys,
                                knee_share: *share,
                                style: style.clone(),
                            };
                            cells.extend(shares.iter().map(of));
                        }
                    }
                }
            }
        }
        cells
    }

    /// An upper estimate of one repeat of all cells with their preparation: a server that answers in 500 us over 1 GB/s.
    pub fn estimate(&self, times: CellTimes) -> Estimate {
        let mut requests: BTreeMap<String, u64> = BTreeMap::new();
        let mut estimate = Estimate::default();
        let mut prepare = |size: u64, estimate: &mut Estimate| {
            *requests.entry(Operation::PutObject.camel().to_owned()).or_default() += self.objects;
            estimate.upload_bytes += self.objects * size;
            estimate.stored_bytes += self.objects * size;
            estimate.duration_s += (self.objects * size) as f64 / FASTEST_BYTES_PER_S * 4.0 + self.objects as f64 * 0.001;
        };
        for size in &self.object_size {
            let of_size: Vec<Cell> = self.cells().into_iter().filter(|cell| cell.object_size == *size).collect();
            if of_size.iter().any(Cell::reads) {
                prepare(size.0, &mut estimate);
            }
            // The objects to delete are written for each cell anew, but exist only once.
            let before = estimate.stored_bytes;
            of_size.iter().filter(|cell| cell.needs_doomed()).for_each(|cell| prepare(cell.object_size.0, &mut estimate));
            estimate.stored_bytes = estimate.stored_bytes.min(before + self.objects * size.0);
        }
        for cell in self.cells() {
            self.estimate_cell(&cell, times, &mut estimate, &mut requests);
        }
        if self.mix.iter().flatten().any(|entry| entry.operation == Operation::PutObject) {
            estimate.stored_bytes += self.object_size.iter().map(|size| size.0 * self.objects).sum::<u64>();
        }
        estimate.requests = requests;
        estimate
    }

    fn estimate_cell(&self, cell: &Cell, times: CellTimes, estimate: &mut Estimate, requests: &mut BTreeMap<String, u64>) {
        let seconds = (times.duration + times.warm_up).as_secs_f64();
        let shares: f64 = cell.mix.iter().map(|entry| f64::from(entry.share)).sum();
        let moved = |entry: &MixEntry| match entry.operation {
            Operation::GetObject => entry.range.unwrap_or(cell.object_size).0 as f64,
            Operation::PutObject => cell.object_size.0 as f64,
            _ => 0.0,
        };
        let mean_bytes: f64 = cell.mix.iter().map(|entry| moved(entry) * f64::from(entry.share) / shares).sum();
        let by_time = f64::from(cell.concurrency) / FASTEST_REQUEST.as_secs_f64();
        let by_bytes = if mean_bytes > 0.0 { FASTEST_BYTES_PER_S / mean_bytes } else { f64::INFINITY };
        let (rate, duration_s) = match self.load_loop {
            LoopKind::Closed => (by_time.min(by_bytes), seconds),
            LoopKind::Open(open) => (open.mean_rate_per_s(), seconds),
            // The search may come before each share of what it finds.
            LoopKind::Knee(rules) => (rules.offered_max_per_s() + rules.cap_per_s, seconds * (rules.steps_max() + 1.0)),
        };
        for entry in &cell.mix {
            let mut count = (rate * seconds * f64::from(entry.share) / shares).ceil() as u64 + u64::from(cell.concurrency);
            if entry.operation == Operation::DeleteObject && cell.needs_doomed() {
                count = count.min(self.objects);
            }
            *requests.entry(entry.operation.camel().to_owned()).or_default() += count;
            match entry.operation {
                Operation::GetObject => estimate.download_bytes += count * moved(entry) as u64,
                Operation::PutObject => estimate.upload_bytes += count * moved(entry) as u64,
                _ => {}
            }
        }
        estimate.duration_s += duration_s + 0.2;
    }

    /// What no single field shows: the field and what is wrong with it.
    ///
    /// # Errors
    /// When an object is larger than one PUT takes, a range does not divide every object size or stands at another operation than GET,
    /// styles have no names of their own, or bursts, keys or listings are none.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        if let Some(size) = self.object_size.iter().find(|size| size.0 > PUT_MOST) {
            return Err(("object_size", format!("{size} is more than one PUT takes: expected at most {}", Bytes(PUT_MOST))));
        }
        let mut names: Vec<&str> = self.style.iter().map(|style| style.name.as_str()).collect();
        names.sort_unstable();
        if names.len() > 1 && (names[0].is_empty() || names.windows(2).any(|pair| pair[0] == pair[1])) {
            return Err(("style", "several styles need a name each, and no two the same: expected name = \"...\"".to_owned()));
        }
        if self.keys.iter().enumerate().any(|(index, keys)| self.keys[..index].contains(keys)) {
            return Err(("keys", "expected a list without a value twice".to_owned()));
        }
        if let LoopKind::Open(OpenLoop { arrivals: ArrivalKind::Bursts(bursts), .. }) = self.load_loop {
            bursts.validate().map_err(|message| ("loop", message))?;
        }
        self.validate_knee()?;
        self.mix.iter().flatten().try_for_each(|entry| self.validate_entry(entry))
    }

    fn validate_knee(&self) -> Result<(), (&'static str, String)> {
        let LoopKind::Knee(rules) = self.load_loop else {
            let message = "there is no knee to take shares of: expected loop = { knee = { ... } }".to_owned();
            return if self.knee_shares.is_empty() { Ok(()) } else { Err(("knee_shares", message)) };
        };
        rules.validate().map_err(|message| ("loop", message))?;
        if self.cells().iter().any(Cell::needs_doomed) {
            return Err(("mix", "deletions alone use their objects up before a knee is found: expected a mix that writes also".to_owned()));
        }
        let is_wrong = |(index, share): (usize, &f64)| !(*share > 0.0 && *share <= 1.0) || self.knee_shares[..index].contains(share);
        match self.knee_shares.iter().enumerate().any(is_wrong) {
            true => Err(("knee_shares", "expected different shares above 0 and up to 1".to_owned())),
            false => Ok(()),
        }
    }

    fn validate_entry(&self, entry: &MixEntry) -> Result<(), (&'static str, String)> {
        let list = entry.list;
        if entry.operation != Operation::ListObjectsV2 && list != ListOptions::default() {
            return Err(("list", format!("{} lists nothing: only list_objects_v2 does", entry.operation.name())));
        }
        if !(1..=PAGE_MAX).contains(&list.max_keys) {
            return Err(("max_keys", format!("expected a page of 1 to {PAGE_MAX} keys")));
        }
        if list.in_prefix && self.prefixes == 0 {
            return Err(("in_prefix", "there are no prefixes to list: expected prefixes = a number above 0".to_owned()));
        }
        let Some(range) = entry.range else { return Ok(()) };
        if entry.operation != Operation::GetObject {
            return Err(("range", format!("{} reads no range: only get_object does", entry.operation.name())));
        }
        match self.object_size.iter().find(|size| range.0 == 0 || size.0 < range.0 || !size.0.is_multiple_of(range.0)) {
            Some(size) => Err(("range", format!("{range} does not divide the object size {size}: expected a size that does"))),
            None => Ok(()),
        }
    }
}

fn mixes<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<Vec<MixEntry>>, D::Error> {
    let values: Vec<Vec<MixEntry>> = filled(input)?;
    if values.iter().any(Vec::is_empty) { Err(refuse("at least one operation in each mix")) } else { Ok(values) }
}

#[cfg(test)]
#[path = "throughput_tests.rs"]
mod tests;
