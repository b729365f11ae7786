//! How well a load over many prefixes went: fairness, goodput, amplification, time to converge.
//!
//! The main type is [`Measures`], made by [`measure`].

use std::time::Duration;

/// What was sent to one prefix, its sub-prefixes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrefixCount {
    /// Requests.
    pub sent: u64,
    /// Operations that succeeded.
    pub succeeded: u64,
    /// Requests that were throttled.
    pub throttled: u64,
}

impl PrefixCount {
    /// Throttled over sent; none if nothing was sent.
    pub fn throttled_share(&self) -> Option<f64> {
        ratio(self.throttled, self.sent)
    }
}

/// The whole load.
#[derive(Debug, Clone, PartialEq)]
pub struct Measures {
    /// Jain's index of the operations that succeeded, over the prefixes: 1 = all equal, 1/n = one has it all.
    pub fairness: Option<f64>,
    /// Operations that succeeded, each second.
    pub goodput_per_s: f64,
    /// Requests sent over operations that succeeded: 1 = no retry. None if none succeeded.
    pub amplification: Option<f64>,
    /// Throttled over sent, for each prefix.
    pub throttled_share: Vec<Option<f64>>,
}

/// The measures of a load that lasted `over`, above zero.
pub fn measure(counts: &[PrefixCount], over: Duration) -> Measures {
    let total = |of: fn(&PrefixCount) -> u64| counts.iter().map(of).sum::<u64>();
    let succeeded = total(|count| count.succeeded);
    let rates: Vec<f64> = counts.iter().map(|count| count.succeeded as f64).collect();
    Measures {
        fairness: jain(&rates),
        goodput_per_s: succeeded as f64 / over.as_secs_f64(),
        amplification: ratio(total(|count| count.sent), succeeded),
        throttled_share: counts.iter().map(PrefixCount::throttled_share).collect(),
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Jain's fairness index, (sum x)^2 / (n * sum x^2) (Jain, Chiu and Hawe, DEC-TR-301, 1984). None for no values, or if all are 0.
pub fn jain(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    let squares: f64 = values.iter().map(|value| value * value).sum();
    (squares > 0.0).then(|| sum * sum / (values.len() as f64 * squares))
}

/// From which point of a series on it has converged: the mean of every `hold` points in a row stays within `tolerance` (a share) of the target,
/// to the end. None if it never does.
pub fn converged_at(series: &[f64], target: f64, tolerance: f64, hold: usize) -> Option<usize> {
    let is_near = |window: &[f64]| (window.iter().sum::<f64>() / window.len() as f64 / target - 1.0).abs() <= tolerance;
    let near: Vec<bool> = series.windows(hold.max(1)).map(is_near).collect();
    let far = near.iter().rposition(|near| !near).map_or(0, |last| last + 1);
    (far < near.len()).then_some(far)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jain_is_one_for_equal_parts_and_one_nth_for_a_single_winner() {
        assert_eq!(jain(&[5.0; 8]), Some(1.0));
        assert_eq!(jain(&[9.0, 0.0, 0.0, 0.0]), Some(0.25));
        assert_eq!(jain(&[1.0, 2.0, 3.0]), Some(36.0 / 42.0));
        assert_eq!((jain(&[]), jain(&[0.0, 0.0])), (None, None));
    }

    #[test]
    fn measures_are_those_of_the_sums_and_what_is_missing_is_none() {
        let counts =
            [PrefixCount { sent: 30, succeeded: 20, throttled: 10 }, PrefixCount { sent: 20, succeeded: 20, throttled: 0 }, PrefixCount::default()];
        let measures = measure(&counts, Duration::from_secs(4));
        assert_eq!((measures.goodput_per_s, measures.amplification), (10.0, Some(1.25)));
        assert_eq!(measures.throttled_share, [Some(1.0 / 3.0), Some(0.0), None]);
        assert_eq!(measures.fairness, Some(1600.0 / (3.0 * 800.0)));
        assert_eq!(measure(&[PrefixCount { sent: 3, ..PrefixCount::default() }], Duration::from_secs(1)).amplification, None);
    }

    #[test]
    fn a_series_converges_where_it_stays_near_its_target() {
        assert_eq!(converged_at(&[10.0, 50.0, 95.0, 105.0, 99.0, 101.0], 100.0, 0.1, 1), Some(2));
        assert_eq!(converged_at(&[10.0, 80.0, 120.0, 80.0, 120.0], 100.0, 0.1, 2), Some(1));
        assert_eq!(converged_at(&[100.0, 100.0, 100.0, 50.0], 100.0, 0.1, 1), None);
        assert_eq!(converged_at(&[], 100.0, 0.1, 1), None);
    }
}
