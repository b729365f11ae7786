//! The two-sided permutation test of two small samples: exact where it can be, drawn with the run's seed where there are too many splits.
//!
//! The main function is [`permutation_p`].

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

/// Up to so many splits are all looked at: 9 repeats against 9 have 48,620.
const SPLITS_MAX: f64 = 100_000.0;
/// Splits that are drawn where there are more: a p of 0.05 is then known to 0.0015 (one standard error).
const DRAWS: u32 = 20_000;
/// Differences this near are equal, relative to the values: sums of the same numbers in another order differ in their last digits.
const SLACK: f64 = 1e-12;

/// The share of all ways to split the pooled values into groups of these sizes whose means differ at least as much as those of `a` and `b`
/// (Fisher's randomisation test). 1 where a side is empty.
///
/// Of more than 100,000 splits 20,000 are drawn with `seed`, and the observed one counts among them, so that p is never 0
/// (Phipson and Smyth, "Permutation p-values should never be zero", 2010). Swapping `a` and `b` or reordering them changes nothing.
pub fn permutation_p(a: &[f64], b: &[f64], seed: u64) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 1.0;
    }
    if splits(a.len(), b.len()) <= SPLITS_MAX { exact(a, b) } else { drawn(a, b, seed) }
}

/// (n + m) choose n.
fn splits(n: usize, m: usize) -> f64 {
    (1..=n.min(m)).map(|k| (n.max(m) + k) as f64 / k as f64).product()
}

/// The pooled values, the size of the smaller group, and how far apart the observed means are.
struct Pool {
    values: Vec<f64>,
    size: usize,
    total: f64,
    observed: f64,
    slack: f64,
}

impl Pool {
    fn new(a: &[f64], b: &[f64]) -> Self {
        let mut values: Vec<f64> = a.iter().chain(b).copied().collect();
        // In one order, whichever way the groups and their values come: then the draws are the same, too.
        values.sort_by(f64::total_cmp);
        let smaller = if a.len() <= b.len() { a } else { b };
        let total: f64 = values.iter().sum();
        let slack = SLACK * values.iter().map(|value| value.abs()).sum::<f64>();
        let mut pool = Self { values, size: smaller.len(), total, observed: 0.0, slack };
        pool.observed = pool.distance(smaller.iter().sum());
        pool
    }
    /// How far the means are apart when the smaller group sums to this.
    fn distance(&self, sum: f64) -> f64 {
        let rest = self.values.len() - self.size;
        (sum / self.size as f64 - (self.total - sum) / rest as f64).abs()
    }
    fn is_as_far(&self, sum: f64) -> bool {
        self.distance(sum) >= self.observed - self.slack
    }
}

fn exact(a: &[f64], b: &[f64]) -> f64 {
    let pool = Pool::new(a, b);
    let mut chosen: Vec<usize> = (0..pool.size).collect();
    let (mut as_far, mut all) = (0_u32, 0_u32);
    loop {
        all += 1;
        as_far += u32::from(pool.is_as_far(chosen.iter().map(|index| pool.values[*index]).sum()));
        if !advance(&mut chosen, pool.values.len()) {
            return f64::from(as_far) / f64::from(all);
        }
    }
}

/// The next combination in lexicographic order; false after the last.
fn advance(chosen: &mut [usize], of: usize) -> bool {
    let size = chosen.len();
    let Some(at) = (0..size).rev().find(|at| chosen[*at] < of - size + at) else { return false };
    chosen[at] += 1;
    for next in at + 1..size {
        chosen[next] = chosen[next - 1] + 1;
    }
    true
}

fn drawn(a: &[f64], b: &[f64], seed: u64) -> f64 {
    let pool = Pool::new(a, b);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut values = pool.values.clone();
    let mut as_far = 1_u32;
    for _ in 0..DRAWS {
        let (group, _) = values.partial_shuffle(&mut random, pool.size);
        as_far += u32::from(pool.is_as_far(group.iter().sum()));
    }
    f64::from(as_far) / f64::from(DRAWS + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn samples(sizes: std::ops::Range<usize>) -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
        let sample = move || prop::collection::vec(0.0..10.0_f64, sizes.clone());
        (sample(), sample())
    }

    #[test]
    fn fully_parted_samples_have_the_smallest_p_there_is() {
        let sample = |repeats: u32, from: f64| (0..repeats).map(|n| from + f64::from(n)).collect::<Vec<_>>();
        for repeats in 1..=9 {
            let p = permutation_p(&sample(repeats, 0.0), &sample(repeats, 100.0), 1);
            assert!((p - crate::config::smallest_p(repeats)).abs() < 1e-12, "{repeats}: {p}");
        }
    }

    #[test]
    fn a_worked_example() {
        // Of the 20 splits of 1 2 3 4 5 6, {1 2 4} against {3 5 6} is as far apart as 4: those with sums 6, 7, 14 and 15.
        assert!((permutation_p(&[1.0, 2.0, 4.0], &[3.0, 5.0, 6.0], 1) - 0.2).abs() < 1e-12);
        assert_eq!(permutation_p(&[5.0, 5.0], &[5.0, 5.0], 1), 1.0);
        assert_eq!(permutation_p(&[], &[1.0], 1), 1.0);
    }

    #[test]
    fn p_is_uniform_where_there_is_no_difference() {
        // 2,000 comparisons of 5 with 5 from one source: the share of p up to x must be near x, and never far above it.
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut draw = || (0..5).map(|_| rand::RngExt::random::<f64>(&mut random)).collect::<Vec<_>>();
        let found: Vec<f64> = (0..2000).map(|_| permutation_p(&draw(), &draw(), 1)).collect();
        for x in [0.05, 0.1, 0.25, 0.5, 0.75, 0.9] {
            let share = found.iter().filter(|p| **p <= x).count() as f64 / 2000.0;
            // Four standard errors, and one step of 2/252 below, since p is a multiple of it.
            let error = 4.0 * (x * (1.0 - x) / 2000.0_f64).sqrt();
            assert!(share <= x + error && share >= x - 2.0 / 252.0 - error, "{share} of p are up to {x}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn exact_and_drawn_agree((a, b) in samples(2..7)) {
            let (exact, drawn) = (exact(&a, &b), drawn(&a, &b, 3));
            let error = 5.0 * (exact * (1.0 - exact) / f64::from(DRAWS)).sqrt() + 1e-3;
            prop_assert!((exact - drawn).abs() <= error, "{exact} and {drawn}");
        }

        #[test]
        fn swapping_and_reordering_change_nothing((mut a, mut b) in samples(1..12)) {
            let p = permutation_p(&a, &b, 3);
            prop_assert!((permutation_p(&b, &a, 3) - p).abs() < 1e-12);
            a.reverse();
            b.rotate_left(1);
            prop_assert!((permutation_p(&a, &b, 3) - p).abs() < 1e-12);
            prop_assert!(p > 0.0 && p <= 1.0);
        }

        #[test]
        fn a_common_scale_or_shift_changes_nothing((a, b) in samples(2..7), scale in 0.5..4.0_f64, shift in -5.0..5.0_f64) {
            let moved = |values: &[f64]| values.iter().map(|value| value * scale + shift).collect::<Vec<_>>();
            prop_assert!((permutation_p(&moved(&a), &moved(&b), 3) - permutation_p(&a, &b, 3)).abs() < 1e-12);
        }
    }
}
