//! Which object is touched next: uniform or Zipf over up to 10^9 and more keys, in constant memory and time per draw.
//!
//! The main types are [`Keys`], which draws, and [`Scatter`], a seeded permutation that spreads the popular ranks over the key space, so that
//! hot keys are no neighbours in a listing or a partition. Draws follow Zipf's law exactly: rejection sampling of the `rand_distr` crate.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, Zipf};

/// How popular the keys are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Popularity {
    /// Each key is as likely as any other.
    Uniform,
    /// The key of rank k is drawn in proportion to 1 / k^theta (YCSB uses theta = 0.99; 0 is uniform).
    Zipf {
        /// The exponent: 0 or more.
        theta: f64,
    },
}

/// What no keys can be drawn from.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum KeysError {
    /// There is no key.
    #[error("there are no keys to choose from")]
    Empty,
    /// The exponent is no number, or below 0.
    #[error("theta = {0} is not a number of 0 or more")]
    Theta(f64),
}

/// Draws numbers of keys below `count`. It holds no random numbers itself: the caller's generator decides.
#[derive(Debug, Clone)]
pub struct Keys {
    count: u64,
    zipf: Option<(Zipf<f64>, Scatter)>,
}

impl Keys {
    /// Keys `0..count`; `seed` decides which of them are the popular ones.
    ///
    /// # Errors
    /// When there is no key, or the law cannot be drawn from.
    pub fn new(count: u64, popularity: Popularity, seed: u64) -> Result<Self, KeysError> {
        if count == 0 {
            return Err(KeysError::Empty);
        }
        let zipf = match popularity {
            Popularity::Uniform => None,
            Popularity::Zipf { theta } if !theta.is_finite() => return Err(KeysError::Theta(theta)),
            Popularity::Zipf { theta } => {
                let law = Zipf::new(count as f64, theta).map_err(|_| KeysError::Theta(theta))?;
                Some((law, Scatter::new(count, seed)))
            }
        };
        Ok(Self { count, zipf })
    }

    /// Keys `0..count`, each as likely as any other; of none at all, key 0.
    pub fn uniform(count: u64) -> Self {
        Self { count: count.max(1), zipf: None }
    }

    /// The number of the next key.
    pub fn draw(&self, random: &mut impl Rng) -> u64 {
        match &self.zipf {
            None => random.random_range(0..self.count),
            Some((law, scatter)) => scatter.place(rank(law, self.count, random)),
        }
    }

    /// The key of a rank, 0 being the most popular; none for ranks that do not exist or have no order (uniform).
    pub fn of_rank(&self, rank: u64) -> Option<u64> {
        self.zipf.as_ref().filter(|_| rank < self.count).map(|(_, scatter)| scatter.place(rank))
    }
}

/// A rank from 0. Rounding at the far end may give one past the last.
fn rank(law: &Zipf<f64>, count: u64, random: &mut impl Rng) -> u64 {
    (law.sample(random) as u64).clamp(1, count) - 1
}

/// Rounds of the Feistel network: four make a pseudo-random permutation (Luby and Rackoff, 1988).
const ROUNDS: usize = 4;

/// A seeded bijection of `0..count` onto itself: a Feistel network over the next power of four, walked until it falls inside (Black and
/// Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). Fewer than four steps are expected for any count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scatter {
    count: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

impl Scatter {
    /// The permutation of `0..count` that the seed names.
    pub fn new(count: u64, seed: u64) -> Self {
        let bits = u64::BITS - count.saturating_sub(1).leading_zeros();
        Self { count, half_bits: bits.div_ceil(2).max(1), keys: ChaCha8Rng::seed_from_u64(seed).random() }
    }

    /// Where a number goes; what is not below the count stays where it is.
    pub fn place(&self, number: u64) -> u64 {
        if number >= self.count {
            return number;
        }
        let mut at = self.step(number);
        while at >= self.count {
            at = self.step(at);
        }
        at
    }

    fn step(&self, number: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (number >> self.half_bits, number & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (mix(right ^ key) & mask));
        }
        (left << self.half_bits) | right
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every bit of the input changes half of the output.
pub(super) fn mix(value: u64) -> u64 {
    let mut mixed = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: usize = 200_000;

    fn counts(keys: &Keys, seed: u64) -> Vec<u64> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut counts = vec![0; keys.count as usize];
        (0..DRAWS).for_each(|_| counts[keys.draw(&mut random) as usize] += 1);
        counts
    }

    /// Chi-square over its degrees of freedom, as a standard normal deviate (Wilson and Hilferty, 1931).
    fn deviate(counts: &[u64], weights: &[f64]) -> f64 {
        let total: f64 = weights.iter().sum();
        let expected = weights.iter().map(|weight| weight / total * DRAWS as f64);
        let chi: f64 = counts.iter().zip(expected).map(|(count, expected)| (*count as f64 - expected).powi(2) / expected).sum();
        let free = (weights.len() - 1) as f64;
        let spread = 2.0 / (9.0 * free);
        ((chi / free).cbrt() - (1.0 - spread)) / spread.sqrt()
    }

    fn weights(keys: &Keys, theta: f64) -> Vec<f64> {
        let mut weights = vec![0.0; keys.count as usize];
        (0..keys.count).for_each(|rank| weights[keys.of_rank(rank).unwrap() as usize] = ((rank + 1) as f64).powf(-theta));
        weights
    }

    #[test]
    fn zipf_frequencies_follow_the_exact_law() {
        for (count, theta) in [(2, 0.99), (50, 0.5), (50, 0.99), (50, 1.0), (50, 1.000_001), (200, 1.3), (30, 2.5)] {
            let keys = Keys::new(count, Popularity::Zipf { theta }, 7).unwrap();
            let found = deviate(&counts(&keys, 1), &weights(&keys, theta));
            assert!(found.abs() < 4.0, "n = {count}, theta = {theta}: {found}");
        }
    }

    #[test]
    fn a_slightly_wrong_law_would_be_found() {
        let keys = Keys::new(50, Popularity::Zipf { theta: 0.99 }, 7).unwrap();
        let counts = counts(&keys, 1);
        assert!(deviate(&counts, &weights(&keys, 0.96)) > 8.0);
        let unscattered = Keys { zipf: keys.zipf.clone().map(|(law, _)| (law, Scatter::new(50, 8))), ..keys };
        assert!(deviate(&counts, &weights(&unscattered, 0.99)) > 8.0);
    }

    #[test]
    fn uniform_draws_are_uniform_and_zipf_ones_are_not() {
        let uniform = Keys::new(100, Popularity::Uniform, 1).unwrap();
        assert!(deviate(&counts(&uniform, 2), &[1.0; 100]).abs() < 4.0);
        let flat = Keys::new(100, Popularity::Zipf { theta: 0.0 }, 1).unwrap();
        assert!(deviate(&counts(&flat, 2), &[1.0; 100]).abs() < 4.0);
        let skewed = Keys::new(100, Popularity::Zipf { theta: 0.2 }, 1).unwrap();
        assert!(deviate(&counts(&skewed, 2), &[1.0; 100]) > 8.0);
        assert_eq!((uniform.of_rank(0), flat.of_rank(100)), (None, None));
    }

    #[test]
    fn a_thousand_million_keys_are_drawn_from_at_once_and_the_first_ranks_have_their_share() {
        let count = 1_000_000_000;
        let keys = Keys::new(count, Popularity::Zipf { theta: 0.99 }, 3).unwrap();
        assert!(std::mem::size_of_val(&keys) <= 128);
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let hottest = keys.of_rank(0).unwrap();
        let draws: Vec<u64> = (0..DRAWS).map(|_| keys.draw(&mut random)).collect();
        assert!(draws.iter().all(|key| *key < count));
        // Euler and Maclaurin: the sum over k^-0.99 up to 10^9.
        let sum = ((count as f64).powf(0.01) - 1.0) / 0.01 + 0.577_2 + 0.000_7;
        let share = draws.iter().filter(|key| **key == hottest).count() as f64 / DRAWS as f64;
        assert!((share - 1.0 / sum).abs() < 0.002, "{share} for {}", 1.0 / sum);
    }

    #[test]
    fn a_scatter_is_a_bijection_for_every_small_count_and_many_seeds() {
        for count in (1..=300).chain([1023, 1024, 1025, 4096, 65_537]) {
            let seeds = if count < 100 { 0..4 } else { 0..1 };
            for seed in seeds {
                let scatter = Scatter::new(count, seed);
                let mut hit = vec![false; count as usize];
                (0..count).for_each(|number| {
                    let place = scatter.place(number) as usize;
                    assert!(!std::mem::replace(&mut hit[place], true), "n = {count}, seed {seed}: {place} is hit twice");
                });
            }
        }
    }

    #[test]
    fn large_scatters_stay_inside_and_never_meet() {
        for count in [1_000_000_007, (1 << 40) + 1, u64::MAX] {
            let scatter = Scatter::new(count, 5);
            let numbers = (0..5_000).chain(count - 5_000..count);
            let places: std::collections::BTreeSet<u64> = numbers.map(|number| scatter.place(number)).collect();
            assert_eq!(places.len(), 10_000, "{count}");
            assert!(places.iter().all(|place| *place < count));
        }
        assert_eq!(Scatter::new(10, 1).place(12), 12);
    }

    #[test]
    fn neighbouring_ranks_are_no_neighbouring_keys() {
        let count = 1_000_000;
        let near = |scatter: &dyn Fn(u64) -> u64| (0..1000).filter(|rank| scatter(*rank).abs_diff(scatter(rank + 1)) < 1000).count();
        let scatter = Scatter::new(count, 9);
        assert!(near(&|rank| scatter.place(rank)) < 10);
        assert_eq!(near(&|rank| rank), 1000);
        let moved = (0..1000).filter(|rank| scatter.place(*rank) != Scatter::new(count, 10).place(*rank)).count();
        assert!(moved > 990, "{moved}");
    }

    #[test]
    fn what_cannot_be_drawn_from_is_refused() {
        assert_eq!(Keys::new(0, Popularity::Uniform, 1).unwrap_err(), KeysError::Empty);
        for theta in [-0.1, f64::INFINITY] {
            assert_eq!(Keys::new(5, Popularity::Zipf { theta }, 1).unwrap_err(), KeysError::Theta(theta));
        }
        assert!(matches!(Keys::new(5, Popularity::Zipf { theta: f64::NAN }, 1), Err(KeysError::Theta(_))));
    }
}
