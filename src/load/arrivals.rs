//! When the requests of an open loop are due.

use std::time::Duration;

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Poisson arrivals: exponential gaps around a mean rate, the same for the same seed.
#[derive(Debug)]
pub struct Arrivals {
    random: ChaCha8Rng,
    mean_gap_s: f64,
    at_s: f64,
}

impl Arrivals {
    /// Arrivals at `rate_per_s` requests per second on average.
    pub fn new(seed: u64, rate_per_s: f64) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(seed), mean_gap_s: 1.0 / rate_per_s, at_s: 0.0 }
    }
}

impl Iterator for Arrivals {
    type Item = Duration;
    /// The next due time, from the start of the load.
    fn next(&mut self) -> Option<Duration> {
        let uniform: f64 = self.random.random();
        self.at_s -= (1.0 - uniform).ln() * self.mean_gap_s;
        Some(Duration::from_secs_f64(self.at_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_schedule() {
        let schedule = |seed| Arrivals::new(seed, 50.0).take(100).collect::<Vec<_>>();
        assert_eq!(schedule(7), schedule(7));
        assert_ne!(schedule(7), schedule(8));
    }

    #[test]
    fn gaps_are_exponential_with_the_mean_of_the_rate() {
        let due: Vec<f64> = Arrivals::new(1, 200.0).take(20_000).map(|due| due.as_secs_f64()).collect();
        assert!((due[19_999] - 100.0).abs() < 3.0, "{}", due[19_999]);
        let gaps: Vec<f64> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Of an exponential distribution, 1/e of the gaps are longer than the mean; of even spacing, none.
        let longer = gaps.iter().filter(|gap| **gap > 0.005).count() as f64 / gaps.len() as f64;
        assert!((longer - (-1f64).exp()).abs() < 0.02, "{longer}");
    }
}
