//! Many prefixes against a server that pushes back: how many, what is written, and how the client adapts.
//!
//! The main type is [`PrefixScaleSpec`], the table `[prefix_scale]` of a throughput scenario. A cell is a number of prefixes with one way of
//! retrying; each writes its objects once.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::Estimate;
use crate::units::{Bytes, Span};

/// `[prefix_scale]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrefixScaleSpec {
    /// Numbers of prefixes; each is a cell.
    pub prefixes: Vec<u32>,
    /// Ways of retrying; each is a cell.
    #[serde(default = "adaptive")]
    pub clients: Vec<Retrying>,
    /// Objects that a cell writes, over all prefixes.
    pub objects: u64,
    /// Size of each.
    pub object_size: Bytes,
    /// Requests in flight at most.
    pub concurrency: u32,
    /// Share of the objects that go to one prefix, 0 to 1; 0 = all prefixes are equal.
    #[serde(default)]
    pub hot_share: f64,
    /// An object is given up after so many requests: it bounds what a cell sends.
    #[serde(default = "default_attempts")]
    pub attempts: u32,
    /// A cell ends after this time, done or not.
    pub limit: Span,
    /// How the adaptive client paces each prefix.
    #[serde(default)]
    pub limiter: LimiterRules,
    /// When a hot prefix is split; none = never.
    #[serde(default)]
    pub split: Option<SplitRules>,
}

fn adaptive() -> Vec<Retrying> {
    vec![Retrying::Adaptive]
}

fn default_attempts() -> u32 {
    8
}

/// What a client does with a 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retrying {
    /// Paces each prefix by what the server takes.
    Adaptive,
    /// Sends again at once: what the adaptive client is compared with.
    AtOnce,
}

/// How the rate of one prefix is found: doubled until the server first pushes back, then raised by steps and cut by a factor (AIMD: Chiu and
/// Jain, 1989). Push-back is a 503, or a latency far above the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimiterRules {
    /// Requests each second at the start (default 10).
    pub start_per_s: f64,
    /// Never below this (default 1): a prefix that is never asked is never found to have recovered.
    pub floor_per_s: f64,
    /// Never above this (default 100,000).
    pub ceiling_per_s: f64,
    /// Least step of a raise, per s (default 1).
    pub step_per_s: f64,
    /// Step of a raise as a share of the rate that was last pushed back (default 0.01): a limit of 3,500 is regained as soon as one of 50.
    pub step_share: f64,
    /// A raise needs this much time without push-back (default 100 ms) and a round trip.
    pub window: Span,
    /// A raise needs so many successes (default 4).
    pub successes: u32,
    /// Factor of a cut (default 0.85; while doubling it is 0.5, since up to half of the rate is too much).
    pub cut: f64,
    /// Smoothed latency above `latency_factor` times the lowest of the last 10 to 20 s plus `latency_slack` is push-back (default 4).
    pub latency_factor: f64,
    /// See `latency_factor` (default 20 ms): short latencies scatter by more than a factor.
    pub latency_slack: Span,
    /// How much a late wake-up may catch up (default 10 ms).
    pub catch_up: Span,
    /// Longest pause that a `Retry-After` can ask for (default 5 s).
    pub pause_max: Span,
}

impl Default for LimiterRules {
    fn default() -> Self {
        let millis = |count| Span(Duration::from_millis(count));
        Self {
            start_per_s: 10.0,
            floor_per_s: 1.0,
            ceiling_per_s: 100_000.0,
            step_per_s: 1.0,
            step_share: 0.01,
            window: millis(100),
            successes: 4,
            cut: 0.85,
            latency_factor: 4.0,
            latency_slack: millis(20),
            catch_up: millis(10),
            pause_max: millis(5000),
        }
    }
}

/// When a prefix is hot, and what it is split into.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitRules {
    /// Sub-prefixes of one split (default 4).
    pub fan_out: u32,
    /// How often one prefix is split, each branch into as many again (default 2).
    pub levels: u32,
    /// Looks in a row at which it must be hot (default 3).
    pub looks: u32,
    /// Time between two looks (default 1 s).
    pub look_every: Span,
    /// A backlog must be so many times the median of all prefixes (default 10).
    pub ratio: f64,
    /// How long a client owns a sub-prefix without renewing its lease (default 10 s).
    pub lease: Span,
    /// A client stops using a lease this long before it ends (default 1 s): clocks may differ by as much.
    pub margin: Span,
}

impl Default for SplitRules {
    fn default() -> Self {
        let seconds = |count| Span(Duration::from_secs(count));
        Self { fan_out: 4, levels: 2, looks: 3, look_every: seconds(1), ratio: 10.0, lease: seconds(10), margin: seconds(1) }
    }
}

/// One number of prefixes with one way of retrying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrefixCell {
    /// How many prefixes.
    pub prefixes: u32,
    /// What the client does with a 503.
    pub client: Retrying,
}

impl PrefixCell {
    /// `adaptive-256`.
    pub fn name(&self) -> String {
        let client = match self.client {
            Retrying::Adaptive => "adaptive",
            Retrying::AtOnce => "at-once",
        };
        format!("{client}-{}", self.prefixes)
    }
}

impl PrefixScaleSpec {
    /// Numbers of prefixes outermost.
    pub fn cells(&self) -> Vec<PrefixCell> {
        let of = |prefixes: &u32| self.clients.iter().map(|client| PrefixCell { prefixes: *prefixes, client: *client }).collect::<Vec<_>>();
        self.prefixes.iter().flat_map(of).collect()
    }

    /// An upper bound of one repeat of all cells: every object needs all its attempts, and every cell all its time.
    pub fn estimate(&self) -> Estimate {
        let cells = self.cells().len() as u64;
        let requests = cells * self.objects * u64::from(self.attempts);
        Estimate {
            requests: BTreeMap::from([("PutObject".to_owned(), requests)]),
            upload_bytes: requests * self.object_size.0,
            stored_bytes: cells * self.objects * self.object_size.0,
            duration_s: cells as f64 * self.limit.0.as_secs_f64(),
            ..Estimate::default()
        }
    }

    /// What is wrong with it: the field, and what was expected.
    ///
    /// # Errors
    /// When a number lies outside of what can be run, or two contradict each other.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let rules = [
            ("prefixes", !self.prefixes.is_empty() && !self.prefixes.contains(&0), "numbers of prefixes above 0"),
            ("clients", !self.clients.is_empty(), "at least one way of retrying"),
            ("objects", self.prefixes.iter().all(|prefixes| self.objects >= u64::from(*prefixes)), "at least one object for each prefix"),
            ("concurrency", self.concurrency > 0, "requests in flight above 0"),
            ("hot_share", (0.0..=1.0).contains(&self.hot_share), "a share from 0 to 1"),
            ("attempts", self.attempts > 0, "at least one request for each object"),
            ("limit", self.limit.0 >= Duration::from_secs(1), "at least \"1 s\""),
        ];
        let broken = rules.into_iter().find(|(_, holds, _)| !holds).map(|(field, _, expected)| (field, format!("expected {expected}")));
        broken.map_or(Ok(()), Err)?;
        self.limiter.validate().map_err(|why| ("limiter", why))?;
        self.split.map_or(Ok(()), |split| split.validate()).map_err(|why| ("split", why))
    }
}

/// The first rule that does not hold.
fn all(rules: &[(bool, &str)]) -> Result<(), String> {
    rules.iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, expected)| Err(format!("expected {expected}")))
}

impl LimiterRules {
    /// # Errors
    /// When the rules do not describe a limiter that rises and falls between its floor and its ceiling.
    pub fn validate(&self) -> Result<(), String> {
        all(&[
            (self.floor_per_s > 0.0, "floor_per_s above 0"),
            (self.floor_per_s <= self.start_per_s && self.start_per_s <= self.ceiling_per_s, "start_per_s from floor_per_s to ceiling_per_s"),
            (self.ceiling_per_s.is_finite(), "a finite ceiling_per_s"),
            (self.step_per_s > 0.0 && self.step_per_s.is_finite(), "step_per_s above 0"),
            ((0.0..=1.0).contains(&self.step_share), "step_share from 0 to 1"),
            (!self.window.0.is_zero() && self.successes > 0, "a window and successes above 0"),
            (self.cut > 0.0 && self.cut < 1.0, "cut between 0 and 1"),
            (self.latency_factor >= 1.0, "latency_factor of 1 or more"),
        ])
    }
}

impl SplitRules {
    /// # Errors
    /// When a split would make no sub-prefixes or too many, or a lease would end before it can be used.
    pub fn validate(&self) -> Result<(), String> {
        all(&[
            ((2..=64).contains(&self.fan_out), "fan_out from 2 to 64"),
            ((1..=4).contains(&self.levels), "levels from 1 to 4"),
            (self.looks > 0 && !self.look_every.0.is_zero(), "looks and look_every above 0"),
            (self.ratio >= 1.0, "ratio of 1 or more"),
            (self.lease.0 > self.margin.0, "a lease longer than its margin"),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "prefixes = [256, 4096]\nclients = ['adaptive', 'at-once']\nobjects = 5000\nobject_size = '4 KiB'\nconcurrency = 32\nlimit = '30 s'\n";

    fn spec(text: &str) -> Result<PrefixScaleSpec, String> {
        toml::from_str(text).map_err(|error: toml::de::Error| error.message().to_owned())
    }

    #[test]
    fn a_short_table_has_sound_defaults_and_a_cell_for_each_number_and_client() {
        let spec = spec(TABLE).unwrap();
        assert_eq!(spec.validate(), Ok(()));
        let cells: Vec<(u32, Retrying)> = spec.cells().iter().map(|cell| (cell.prefixes, cell.client)).collect();
        use Retrying::{Adaptive, AtOnce};
        assert_eq!(cells, [(256, Adaptive), (256, AtOnce), (4096, Adaptive), (4096, AtOnce)]);
        assert_eq!((SplitRules::default().validate(), spec.limiter, spec.split), (Ok(()), LimiterRules::default(), None));
    }

    #[test]
    fn the_estimate_bounds_every_attempt() {
        let estimate = spec(TABLE).unwrap().estimate();
        assert_eq!(estimate.requests["PutObject"], 4 * 5000 * 8);
        assert_eq!((estimate.upload_bytes, estimate.stored_bytes), (4 * 5000 * 8 * 4096, 4 * 5000 * 4096));
        assert_eq!(estimate.duration_s, 120.0);
    }

    #[test]
    fn what_cannot_be_run_is_refused_by_its_field() {
        for (from, to, field) in [
            ("[256, 4096]", "[]", "prefixes"),
            ("[256, 4096]", "[0]", "prefixes"),
            ("['adaptive', 'at-once']", "[]", "clients"),
            ("objects = 5000", "objects = 4095", "objects"),
            ("concurrency = 32", "concurrency = 0", "concurrency"),
            ("concurrency = 32", "concurrency = 32\nhot_share = 1.5", "hot_share"),
            ("concurrency = 32", "concurrency = 32\nattempts = 0", "attempts"),
            ("'30 s'", "'10 ms'", "limit"),
            ("'30 s'\n", "'30 s'\n[limiter]\ncut = 1.0", "limiter"),
            ("'30 s'\n", "'30 s'\n[limiter]\nstart_per_s = nan", "limiter"),
            ("'30 s'\n", "'30 s'\n[split]\nfan_out = 1", "split"),
            ("'30 s'\n", "'30 s'\n[split]\nlease = '1 s'", "split"),
        ] {
            assert_eq!(spec(&TABLE.replace(from, to)).unwrap().validate().unwrap_err().0, field, "{to}");
        }
        assert!(spec(&TABLE.replace("objects", "object")).is_err());
    }
}
