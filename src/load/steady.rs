//! Where the warm-up ends: MSER-5.

/// Values that are averaged into one batch before the rule is applied.
const BATCH: usize = 5;

/// Where a series becomes steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steady {
    /// After so many leading values, which are cut.
    After(usize),
    /// Not within its first half: nothing is cut, and the mean is not that of a steady state.
    Never,
    /// Fewer than four batches: not judged, nothing is cut.
    TooShort,
}

/// How many leading values to cut so that the rest has the smallest standard error of its mean (MSER-5: White, Cobb and Spratt,
/// "A comparison of five steady-state truncation heuristics for simulation", 2000). At most half is ever cut.
pub fn mser5(values: &[f64]) -> Steady {
    let batches: Vec<f64> = values.chunks_exact(BATCH).map(|batch| batch.iter().sum::<f64>() / BATCH as f64).collect();
    if batches.len() < 4 {
        return Steady::TooShort;
    }
    let statistic = |cut: usize| {
        let rest = &batches[cut..];
        let count = rest.len() as f64;
        let mean = rest.iter().sum::<f64>() / count;
        rest.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count * count)
    };
    // The last batches always look steady, so the rule is only trusted where its minimum lies in the first half.
    let best = (0..batches.len() - 2).min_by(|a, b| statistic(*a).total_cmp(&statistic(*b))).unwrap_or(0);
    if best <= batches.len() / 2 { Steady::After(best * BATCH) } else { Steady::Never }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_series_keeps_everything() {
        let steady: Vec<f64> = (0..60).map(|i| 100.0 + f64::from(i % 5)).collect();
        assert_eq!(mser5(&steady), Steady::After(0));
    }

    #[test]
    fn a_slow_start_is_cut_at_a_batch() {
        let series: Vec<f64> = (0..60).map(|i| if i < 12 { 10.0 } else { 100.0 + f64::from(i % 5) }).collect();
        assert_eq!(mser5(&series), Steady::After(15));
    }

    #[test]
    fn a_series_that_settles_only_in_its_second_half_has_no_cut() {
        let late: Vec<f64> = (0..60).map(|i| if i < 42 { f64::from(i) } else { 100.0 }).collect();
        assert_eq!(mser5(&late), Steady::Never);
    }

    #[test]
    fn too_few_values_are_not_judged() {
        assert_eq!(mser5(&[1.0; 19]), Steady::TooShort);
        assert_eq!(mser5(&[1.0; 20]), Steady::After(0));
    }
}
