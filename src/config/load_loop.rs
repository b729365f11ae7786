//! When requests are sent and which keys they are about: closed and open loops, arrivals, popularity.
//!
//! The main types are [`LoopKind`] and [`KeyChoice`].

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::value::refuse;
use crate::units::Span;

/// Closed: each worker sends when its last request is answered. Open: requests are due at a rate, answered or not.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum LoopKind {
    /// As fast as the answers come.
    #[default]
    Closed,
    /// At a mean rate; latency counts from the intended start.
    Open(OpenLoop),
    /// An open loop with Poisson arrivals at rising rates, until the vendor does not keep up; or at shares of the rate that it still keeps.
    Knee(KneeRules),
}

/// How the highest rate that a vendor keeps up with is looked for: a ramp, then a bisection of its last step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KneeRules {
    /// The first rate, requests per second.
    #[serde(deserialize_with = "rate")]
    pub start_per_s: f64,
    /// The highest rate.
    #[serde(deserialize_with = "rate")]
    pub cap_per_s: f64,
    /// Objective: the p99 of the response time, counted from when requests were due, must not be above it.
    pub p99_max: Span,
}

impl KneeRules {
    /// Factor of the ramp.
    pub const GROWTH: f64 = 1.25;
    /// The bisection ends when the lowest rate that was too high is at most this much above the highest that held: 3 %.
    pub const TOLERANCE: f64 = 0.03;

    /// Bisecting a step of the ramp, on a log scale, down to the tolerance.
    fn halvings() -> f64 {
        (Self::GROWTH.ln() / (1.0 + Self::TOLERANCE).ln()).log2().ceil()
    }
    /// Steps of a search at most.
    pub fn steps_max(&self) -> f64 {
        ((self.cap_per_s / self.start_per_s).ln() / Self::GROWTH.ln()).max(0.0).ceil() + 1.0 + Self::halvings()
    }
    /// Sum of the rates of all steps at most: a ramp up to the cap is a geometric series.
    pub fn offered_max_per_s(&self) -> f64 {
        self.cap_per_s * (1.0 / (1.0 - 1.0 / Self::GROWTH) + 1.0 + Self::halvings())
    }
    /// # Errors
    /// When there is nothing to search in, or no objective.
    pub(super) fn validate(&self) -> Result<(), String> {
        match self.start_per_s <= self.cap_per_s && !self.p99_max.0.is_zero() {
            true => Ok(()),
            false => Err("expected start_per_s not above cap_per_s, and a p99_max above 0".to_owned()),
        }
    }
}

/// The pace of an open loop.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenLoop {
    /// Requests per second; between bursts where there are some.
    #[serde(deserialize_with = "rate")]
    pub rate_per_s: f64,
    /// Their shape over time.
    #[serde(default)]
    pub arrivals: ArrivalKind,
}

impl OpenLoop {
    /// The mean rate over whole periods, per s.
    pub fn mean_rate_per_s(&self) -> f64 {
        match self.arrivals {
            ArrivalKind::Poisson | ArrivalKind::Constant => self.rate_per_s,
            ArrivalKind::Bursts(BurstRules { every, lasts, factor }) => {
                let share = lasts.0.as_secs_f64() / every.0.as_secs_f64();
                self.rate_per_s * (1.0 + share * (factor - 1.0))
            }
        }
    }
}

/// The shape of an open loop over time.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum ArrivalKind {
    /// Exponential gaps, as of many clients that know nothing of each other.
    #[default]
    Poisson,
    /// Evenly spaced.
    Constant,
    /// Poisson arrivals that come faster at the end of each period.
    Bursts(BurstRules),
}

impl ArrivalKind {
    /// The word used in records.
    pub fn name(self) -> &'static str {
        match self {
            ArrivalKind::Poisson => "Poisson",
            ArrivalKind::Constant => "constant",
            ArrivalKind::Bursts(_) => "bursts",
        }
    }
}

/// A burst at the end of each period.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BurstRules {
    /// Length of a period.
    pub every: Span,
    /// Length of the burst.
    pub lasts: Span,
    /// How many times the rate of the calm.
    pub factor: f64,
}

impl BurstRules {
    /// # Errors
    /// When a burst would leave no calm to compare it with, or be none.
    pub(super) fn validate(&self) -> Result<(), String> {
        let is_sound = !self.lasts.0.is_zero() && self.lasts.0 * 2 <= self.every.0 && self.factor.is_finite() && self.factor > 1.0;
        let expected = "expected bursts that last at most half of their period and have a factor above 1";
        if is_sound { Ok(()) } else { Err(expected.to_owned()) }
    }
}

/// Which objects are read.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyChoice {
    /// Each as likely as any other.
    #[default]
    Uniform,
    /// The k-th in popularity in proportion to 1 / k^theta (YCSB: Cooper and others, 2010, uses 0.99).
    Zipf(#[serde(deserialize_with = "theta")] f64),
}

/// `uniform`, `zipf 0.99`.
impl fmt::Display for KeyChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyChoice::Uniform => f.write_str("uniform"),
            KeyChoice::Zipf(theta) => write!(f, "zipf {theta}"),
        }
    }
}

pub(super) fn rate<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    let rate = f64::deserialize(input)?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err(refuse("a rate above 0 requests per second")) }
}

fn theta<'de, D: Deserializer<'de>>(input: D) -> Result<f64, D::Error> {
    let theta = f64::deserialize(input)?;
    if theta.is_finite() && theta >= 0.0 { Ok(theta) } else { Err(refuse("an exponent of 0 or more")) }
}
