//! Curves and intervals. All of it is plain arithmetic on `f64`; nothing here is random.

use crate::model::Direction;

/// Makes a curve score 0.9 at `good`: the inverse of `erfc` at 2 x 0.9, negated.
const SCALE: f64 = 0.906_193_802_436_823_2;
/// Two-sided 95 % quantile of the normal distribution.
const Z_95: f64 = 1.959_963_984_540_054;
/// Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom.
const T_95: [f64; 30] = [
    12.706_205, 4.302_653, 3.182_446, 2.776_445, 2.570_582, 2.446_912, 2.364_624, 2.306_004, 2.262_157, 2.228_139, 2.200_985, 2.178_813, 2.160_369,
    2.144_787, 2.131_450, 2.119_905, 2.109_816, 2.100_922, 2.093_024, 2.085_963, 2.079_614, 2.073_873, 2.068_658, 2.063_899, 2.059_539, 2.055_529,
    2.051_831, 2.048_407, 2.045_230, 2.042_272,
];

/// The log-normal curve: 0.9 at `good`, 0.5 at `median`, 1 and 0 at the ends.
///
/// `good` must lie on the better side of `median` and both above 0 (`Profile::validate` sees to it). A neutral metric scores as
/// one of which less is better.
pub fn curve(direction: Direction, value: f64, good: f64, median: f64) -> f64 {
    match direction {
        Direction::HigherBetter if value <= 0.0 => 0.0,
        Direction::HigherBetter => curve(Direction::LowerBetter, 1.0 / value, 1.0 / good, 1.0 / median),
        _ if value <= 0.0 => 1.0,
        _ => 0.5 * libm::erfc((value / median).ln() * SCALE / (median / good).ln()),
    }
}

/// The middle value, or the mean of the two middle ones; `None` without values.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len().is_multiple_of(2) { Some(f64::midpoint(sorted[sorted.len() / 2 - 1], upper)) } else { Some(upper) }
}

/// Two-sided 95 % quantile of Student's t; from 31 degrees of freedom on by the Cornish-Fisher expansion (error below 1e-5).
pub fn t_95(degrees: usize) -> f64 {
    if let Some(quantile) = degrees.checked_sub(1).and_then(|index| T_95.get(index)) {
        return *quantile;
    }
    let (z, n) = (Z_95, degrees.max(1) as f64);
    let first = (z.powi(3) + z) / (4.0 * n);
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n.powi(2));
    let third = (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / (384.0 * n.powi(3));
    z + first + second + third
}

/// 95 % interval of the centre of a few repeats: t on their logarithms, or on the values themselves where one is not above 0.
/// `None` for fewer than two repeats.
pub fn t_interval(values: &[f64]) -> Option<(f64, f64)> {
    if values.iter().all(|value| *value > 0.0) {
        let logs: Vec<f64> = values.iter().map(|value| value.ln()).collect();
        return plain_t_interval(&logs).map(|(low, high)| (low.exp(), high.exp()));
    }
    plain_t_interval(values)
}

fn plain_t_interval(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < 2 {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half = t_95(values.len() - 1) * (variance / n).sqrt();
    Some((mean - half, mean + half))
}

/// Median of the repeats and its 95 % interval, widened where needed so that it holds the median.
pub fn center_and_interval(values: &[f64]) -> (Option<f64>, Option<(f64, f64)>) {
    let center = median(values);
    let interval = t_interval(values).zip(center).map(|((low, high), center)| (low.min(center), high.max(center)));
    (center, interval)
}

/// Weighted mean; `None` where the weights sum to 0.
pub fn weighted_mean(parts: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let (sum, weight) = parts.into_iter().fold((0.0, 0.0), |(sum, total), (weight, value)| (sum + weight * value, total + weight));
    (weight > 0.0).then(|| sum / weight)
}

/// Weighted geometric mean; a value below 0.01 counts as 0.01, so that one zero does not hide all the rest.
pub fn geometric_mean(parts: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    weighted_mean(parts.into_iter().map(|(weight, value)| (weight, value.max(0.01).ln()))).map(f64::exp)
}

/// The weight of category `index` at which two vendors change places, the other weights keeping their proportions.
/// `None` where no weight from 0 to 1 does it. `weights` must sum to 1.
pub fn flip_weight(a: &[f64], b: &[f64], weights: &[f64], index: usize) -> Option<f64> {
    let difference = |at: usize| a[at] - b[at];
    let rest: f64 = (0..weights.len()).filter(|at| *at != index).map(|at| weights[at] * difference(at)).sum();
    let rest = rest / (1.0 - weights[index]);
    let flip = rest / (rest - difference(index));
    (0.0..=1.0).contains(&flip).then_some(flip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: f64, expected: f64, slack: f64) {
        assert!((found - expected).abs() <= slack, "{found} is not {expected}");
    }

    #[test]
    fn lower_is_better_follows_the_log_normal_curve() {
        for (value, score) in [(20.0, 0.9), (50.0, 0.5), (100.0, 0.166159), (200.0, 0.026256), (0.0, 1.0), (-3.0, 1.0)] {
            near(curve(Direction::LowerBetter, value, 20.0, 50.0), score, 5e-7);
        }
        for (value, score) in [(1.0, 0.992507), (120.0, 0.160710), (12.0, 0.743887)] {
            near(curve(Direction::LowerBetter, value, 5.0, 30.0), score, 5e-7);
        }
        near(curve(Direction::LowerBetter, 4.0, 1.0, 10.0), 0.694967, 5e-7);
        for (price, score) in [(9.384, 0.919109), (12.0, 0.827533)] {
            near(curve(Direction::LowerBetter, price, 10.0, 20.0), score, 5e-7);
        }
    }

    #[test]
    fn higher_is_better_follows_the_mirrored_curve() {
        for (value, score) in [(250.0, 0.260834), (500.0, 0.5), (1000.0, 0.739166), (2000.0, 0.9), (4000.0, 0.972718), (0.0, 0.0)] {
            near(curve(Direction::HigherBetter, value, 2000.0, 500.0), score, 5e-7);
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!((median(&[]), median(&[3.0]), median(&[9.0, 1.0, 2.0]), median(&[1.0, 4.0])), (None, Some(3.0), Some(2.0), Some(2.5)));
    }

    #[test]
    fn t_quantiles_fall_towards_the_normal_one() {
        near(t_95(4), 2.776445, 1e-9);
        near(t_95(31), 2.039513, 1e-5);
        near(t_95(60), 2.000298, 1e-5);
        near(t_95(1_000_000), Z_95, 1e-5);
        assert!((1..60).all(|degrees| t_95(degrees) > t_95(degrees + 1)));
    }

    #[test]
    fn the_interval_of_five_repeats_is_t_on_their_logarithms() {
        // Logs 0, 1, 2, 3, 4: mean 2, standard deviation sqrt(2.5), half width 2.776445 * sqrt(0.5).
        let repeats: Vec<f64> = (0..5).map(|log| f64::from(log).exp()).collect();
        let (low, high) = t_interval(&repeats).unwrap();
        near(low.ln(), 2.0 - 1.963243, 1e-6);
        near(high.ln(), 2.0 + 1.963243, 1e-6);
        assert_eq!(t_interval(&[5.0]), None);
        assert_eq!(t_interval(&[0.0, 0.0]), Some((0.0, 0.0)));
    }

    #[test]
    fn the_interval_holds_the_median() {
        let (center, interval) = center_and_interval(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.2, 0.2]);
        let (low, high) = interval.unwrap();
        assert!(low <= center.unwrap() && center.unwrap() <= high);
    }

    const WEIGHTS: [f64; 5] = [0.30, 0.25, 0.20, 0.15, 0.10];
    const A: [f64; 5] = [0.92, 0.95, 0.55, 0.40, 0.60];
    const B: [f64; 5] = [0.85, 0.80, 0.80, 0.75, 0.50];

    fn parts(scores: [f64; 5]) -> impl Iterator<Item = (f64, f64)> {
        WEIGHTS.into_iter().zip(scores)
    }

    #[test]
    fn means_of_the_worked_example() {
        near(weighted_mean(parts(A)).unwrap(), 0.7435, 1e-12);
        near(weighted_mean(parts(B)).unwrap(), 0.7775, 1e-12);
        near(geometric_mean(parts(A)).unwrap(), 0.7076, 5e-5);
        near(geometric_mean(parts(B)).unwrap(), 0.7698, 5e-5);
        assert_eq!(weighted_mean([(0.0, 1.0)]), None);
    }

    #[test]
    fn weights_at_which_the_worked_example_flips() {
        for (index, expected) in [(0, 0.5288), (1, 0.3886), (4, 0.3284), (2, 0.0741), (3, 0.0585)] {
            near(flip_weight(&A, &B, &WEIGHTS, index).unwrap(), expected, 5e-5);
        }
        assert_eq!(flip_weight(&[1.0; 5], &[0.0; 5], &WEIGHTS, 0), None, "better everywhere: no weight turns it");
    }
}
