//! Two vendors on one decision metric: how many times as good the one is as the other, how sure that is, and what follows from it.
//!
//! The main functions are [`contrast`] (the numbers) and [`judge`] (the outcome); [`permutation_p`] is the test behind them.

mod permutation;
#[cfg(test)]
mod tests;

pub use permutation::permutation_p;

use super::stats::{median, t_95};
use crate::config::{SIGNIFICANCE, least_repeats};
use crate::model::Direction;

/// Ratios from 1 / 1.05 to 1.05 make no difference to a buyer: the two vendors are equivalent. Symmetric on the logarithm, so that it
/// holds both ways round; both ends lie within 5 % of 1.
pub const EQUIVALENCE: f64 = 1.05;
/// More further repeats than this are not worth naming.
pub const REPEATS_MAX: u32 = 100;
/// The 80 % quantile of the normal distribution: planned repeats find a difference of the observed size four times of five.
const POWER: f64 = 0.841_621;
/// Two-sided quantiles of the normal distribution at 0.05 / k for k of 1 to 6: what the smallest p of a Holm family has to reach.
const FAMILY_Z: [f64; 6] = [1.959_964, 2.241_403, 2.393_980, 2.497_705, 2.575_829, 2.638_257];

/// The repeats of one metric at one vendor.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Repeats {
    /// One value per repeat.
    pub values: Vec<f64>,
    /// Whether the client was the limit in any of them. The vendor is then at least as good as the values say: its throughput at least
    /// as high, its latency at most as long.
    pub client_limited: bool,
}

/// How two vendors compare, before Holm's adjustment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// How many times as good the first vendor's median is as the second's: above 1 the first is better, whichever way the metric goes.
    pub ratio: f64,
    /// 95 % interval of the ratio; `None` where a vendor has a single repeat.
    pub interval: Option<(f64, f64)>,
    /// Two-sided p of the permutation test on the logarithms.
    pub p: f64,
    /// Repeats of each.
    repeats: (usize, usize),
    /// Standard deviation of the logarithms, pooled.
    spread: f64,
    /// Whether the client was the limit of the first and of the second.
    limited: (bool, bool),
}

/// What follows for the first of two vendors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It is better, and so much that chance does not explain it.
    Faster,
    /// It is worse, and so much that chance does not explain it.
    Slower,
    /// The whole interval lies within 5 % of 1.
    Equivalent,
    /// Neither can be said.
    Inconclusive(Doubt),
}

/// Why nothing can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// About so many further repeats of each vendor would do; `None` where more than [`REPEATS_MAX`] would be needed.
    Repeats(Option<u32>),
    /// The client was the limit of the vendor that looks worse, and so of how much worse it looks: no number of repeats will help.
    ClientLimit,
}

impl Difference {
    /// The word used in CSV.
    pub fn name(self) -> &'static str {
        match self {
            Difference::Faster => "faster",
            Difference::Slower => "slower",
            Difference::Equivalent => "equivalent",
            Difference::Inconclusive(_) => "inconclusive",
        }
    }
}

/// Compares two vendors on one metric. `None` where one has no value, or one that is not above 0: there is no ratio then.
///
/// The ratio is that of the medians. Its interval is Welch's t on the logarithms of the repeats (degrees of freedom rounded down), widened
/// where needed so that it holds the ratio. The test permutes the logarithms, see [`permutation_p`].
pub fn contrast(first: &Repeats, second: &Repeats, direction: Direction, seed: u64) -> Option<Contrast> {
    let sign = if direction == Direction::HigherBetter { 1.0 } else { -1.0 };
    let logs = |repeats: &Repeats| -> Option<Vec<f64>> {
        let is_usable = |value: &f64| *value > 0.0 && value.is_finite();
        repeats.values.iter().all(is_usable).then(|| repeats.values.iter().map(|value| sign * value.ln()).collect())
    };
    let (a, b) = (logs(first)?, logs(second)?);
    let ratio = (sign * (median(&first.values)? / median(&second.values)?).ln()).exp();
    let interval = welch(&a, &b).map(|(low, high)| (low.exp().min(ratio), high.exp().max(ratio)));
    Some(Contrast {
        ratio,
        interval,
        p: permutation_p(&a, &b, seed),
        repeats: (a.len(), b.len()),
        spread: pooled_deviation(&a, &b),
        limited: (first.client_limited, second.client_limited),
    })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Sum of the squared distances from the mean.
fn squares(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}

/// 95 % interval of the difference of two means with unequal variances (Welch 1947); `None` for fewer than two values on a side.
fn welch(a: &[f64], b: &[f64]) -> Option<(f64, f64)> {
    if a.len() < 2 || b.len() < 2 {
        return None;
    }
    let share = |values: &[f64]| squares(values) / (values.len() - 1) as f64 / values.len() as f64;
    let (of_a, of_b) = (share(a), share(b));
    let difference = mean(a) - mean(b);
    if of_a + of_b == 0.0 {
        return Some((difference, difference));
    }
    let degrees = (of_a + of_b).powi(2) / (of_a.powi(2) / (a.len() - 1) as f64 + of_b.powi(2) / (b.len() - 1) as f64);
    // Never below that of the smaller sample alone, which rounding could undercut.
    let degrees = (degrees as usize).max(a.len().min(b.len()) - 1);
    let half = t_95(degrees) * (of_a + of_b).sqrt();
    Some((difference - half, difference + half))
}

/// 0 where there is nothing to estimate it from.
fn pooled_deviation(a: &[f64], b: &[f64]) -> f64 {
    let degrees = (a.len() + b.len()).saturating_sub(2);
    if degrees == 0 { 0.0 } else { ((squares(a) + squares(b)) / degrees as f64).sqrt() }
}

/// Holm's adjustment of a family of p (Holm 1979), in the order given: `None` stands for a test that could not be made and counts as 1.
///
/// The smallest p is multiplied by the size of the family, the next by one less, and so on; none becomes smaller than one before it.
pub fn holm(family: &[Option<f64>]) -> Vec<f64> {
    let raw: Vec<f64> = family.iter().map(|p| p.unwrap_or(1.0)).collect();
    let mut order: Vec<usize> = (0..raw.len()).collect();
    order.sort_by(|a, b| raw[*a].total_cmp(&raw[*b]));
    let mut adjusted = vec![1.0; raw.len()];
    let mut least = 0.0_f64;
    for (place, index) in order.into_iter().enumerate() {
        least = least.max((raw[index] * (raw.len() - place) as f64).min(1.0));
        adjusted[index] = least;
    }
    adjusted
}

/// What follows from a contrast, its p after Holm's adjustment over a family of `family` decision metrics.
///
/// - Equivalent: the whole interval lies from 1 / 1.05 to 1.05, significant or not.
/// - Faster or slower: p is below 0.05 and the interval leaves out 1; one of the two alone is too easily luck with five repeats.
/// - A vendor whose client was the limit is at least as good as it looks. So it is never slower, and never equivalent.
pub fn judge(contrast: &Contrast, p: f64, family: usize) -> Difference {
    let (first_limited, second_limited) = contrast.limited;
    let Some((low, high)) = contrast.interval else { return Difference::Inconclusive(Doubt::Repeats(further(contrast, family))) };
    if low >= 1.0 / EQUIVALENCE && high <= EQUIVALENCE && !first_limited && !second_limited {
        return Difference::Equivalent;
    }
    let is_blocked = (contrast.ratio >= 1.0 && second_limited) || (contrast.ratio <= 1.0 && first_limited);
    if is_blocked {
        return Difference::Inconclusive(Doubt::ClientLimit);
    }
    match p < SIGNIFICANCE {
        true if low > 1.0 => Difference::Faster,
        true if high < 1.0 => Difference::Slower,
        _ => Difference::Inconclusive(Doubt::Repeats(further(contrast, family))),
    }
}

/// About how many further repeats of each vendor would decide; `None` for more than [`REPEATS_MAX`].
///
/// The fewest repeats n of each with which, at the observed ratio r and pooled deviation s of the logarithms, either
/// `(t * z_family / z + 0.84) * s * sqrt(2 / n) <= |ln r|` (a difference is found; z_family because the smallest p of a family has to
/// reach 0.05 / family, and n must be able to), or `(t + 0.84) * s * sqrt(2 / n) <= ln 1.05 - |ln r|` (equivalence is shown), t having
/// 2n - 2 degrees of freedom; 0.84 makes it come true four times of five. An estimate: a few repeats know their own spread badly.
fn further(contrast: &Contrast, family: usize) -> Option<u32> {
    let now = u32::try_from(contrast.repeats.0.min(contrast.repeats.1)).unwrap_or(u32::MAX);
    if now < 2 {
        // Nothing is known of the spread: what the test needs at least.
        return Some(least_repeats(family).saturating_sub(now));
    }
    let distance = contrast.ratio.ln().abs();
    let is_bounded = contrast.limited.0 || contrast.limited.1;
    let stricter = FAMILY_Z[family.clamp(1, FAMILY_Z.len()) - 1] / FAMILY_Z[0];
    let is_enough = |repeats: u32| {
        let t = t_95(2 * repeats as usize - 2);
        let error = contrast.spread * (2.0 / f64::from(repeats)).sqrt();
        let differs = repeats >= least_repeats(family) && distance > 0.0 && (t * stricter + POWER) * error <= distance;
        let is_equal = !is_bounded && distance < EQUIVALENCE.ln() && (t + POWER) * error <= EQUIVALENCE.ln() - distance;
        differs || is_equal
    };
    (1..=REPEATS_MAX).find(|more| is_enough(now.saturating_add(*more)))
}
