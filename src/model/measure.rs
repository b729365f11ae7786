//! Numbers that conformance cases find out beside their verdict: limits, waiting times, shares of trials.

use serde::{Deserialize, Serialize};

/// A number of a case. What it is stands in the name, unit included (`key_length_bytes_max`, `policy_propagation_ms_max`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Name with unit and statistic, most significant word first.
    pub name: String,
    /// Unit as printed, e.g. `bytes`, `ms`, `1`.
    pub unit: String,
    /// `None` where it could not be found out; never 0 instead.
    pub value: Option<f64>,
    /// Lower end of its 95 % interval, where it has one.
    #[serde(default)]
    pub low: Option<f64>,
    /// Upper end of its 95 % interval, where it has one.
    #[serde(default)]
    pub high: Option<f64>,
    /// Trials or samples behind it.
    pub n: u64,
    /// What limits it, e.g. "at least: the search stopped at 5 GiB".
    #[serde(default)]
    pub note: Option<String>,
}

impl Measure {
    /// A plain number.
    pub fn new(name: &str, unit: &str, value: f64, n: u64) -> Self {
        Self { name: name.to_owned(), unit: unit.to_owned(), value: Some(value), low: None, high: None, n, note: None }
    }
    /// `k` of `n` trials, as a share from 0 to 1 with Wilson's interval.
    pub fn share(name: &str, k: u64, n: u64) -> Self {
        let (low, high) = wilson(k, n);
        let value = (n > 0).then(|| k as f64 / n as f64);
        Self { value, low: Some(low), high: Some(high), note: Some(format!("{k} of {n}")), ..Self::new(name, "1", 0.0, n) }
    }
    /// The same with a remark on what limits it.
    #[must_use]
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

/// The 97.5 % quantile of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;

/// Wilson's 95 % interval of a share; 0 to 1 without trials.
pub fn wilson(successes: u64, trials: u64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (n, p, square) = (trials as f64, successes as f64 / trials as f64, Z_95 * Z_95);
    let center = (p + square / (2.0 * n)) / (1.0 + square / n);
    let half = Z_95 / (1.0 + square / n) * (p * (1.0 - p) / n + square / (4.0 * n * n)).sqrt();
    ((center - half).max(0.0), (center + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_gives_a_share_its_interval() {
        let (low, high) = wilson(8, 10);
        assert!((low - 0.490_162).abs() < 1e-6 && (high - 0.943_318).abs() < 1e-6, "{low} {high}");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(wilson(0, 10).0, 0.0);
        let share = Measure::share("lost_share", 0, 0);
        assert_eq!((share.value, share.low, share.high), (None, Some(0.0), Some(1.0)));
    }
}
