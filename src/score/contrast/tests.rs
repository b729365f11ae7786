//! What a comparison of two vendors may and may not say.

use proptest::prelude::*;

use super::*;
use Direction::{HigherBetter, LowerBetter};

fn repeats(values: &[f64]) -> Repeats {
    Repeats { values: values.to_vec(), client_limited: false }
}

fn limited(values: &[f64]) -> Repeats {
    Repeats { client_limited: true, ..repeats(values) }
}

fn judged(a: &Repeats, b: &Repeats, direction: Direction) -> Difference {
    let contrast = contrast(a, b, direction, 1).unwrap();
    judge(&contrast, contrast.p, 1)
}

const FAST: [f64; 5] = [132.0, 130.0, 135.0, 128.0, 133.0];
const SLOW: [f64; 5] = [100.0, 98.0, 103.0, 101.0, 99.0];

#[test]
fn a_clear_difference_is_a_ratio_of_medians_with_interval_and_p() {
    let found = contrast(&repeats(&FAST), &repeats(&SLOW), HigherBetter, 1).unwrap();
    let (low, high) = found.interval.unwrap();
    assert!((found.ratio - 1.32).abs() < 1e-12 && (found.p - 2.0 / 252.0).abs() < 1e-12);
    // Means of the logs 4.879598 and 4.607021, variances 0.000422665 and 0.000366189: 7.96 degrees of freedom, of which 7 count: t = 2.364624.
    assert!((low.ln() - 0.242_875).abs() < 1e-6 && (high.ln() - 0.302_278).abs() < 1e-6, "{low} to {high}");
    assert_eq!(judge(&found, found.p, 6), Difference::Faster);
    assert_eq!(judge(&found, 0.0501, 6), Difference::Inconclusive(Doubt::Repeats(Some(1))), "after Holm it is not significant");
}

#[test]
fn less_latency_is_faster() {
    assert_eq!(judged(&repeats(&FAST), &repeats(&SLOW), LowerBetter), Difference::Slower);
    assert_eq!(judged(&repeats(&SLOW), &repeats(&FAST), LowerBetter), Difference::Faster);
}

#[test]
fn a_small_difference_is_no_difference_even_where_it_is_significant() {
    let (a, b) = (repeats(&[100.0, 100.1, 100.2, 99.9, 99.8]), repeats(&[102.0, 102.1, 102.2, 101.9, 101.8]));
    assert!(contrast(&a, &b, HigherBetter, 1).unwrap().p < 0.01);
    assert_eq!(judged(&a, &b, HigherBetter), Difference::Equivalent);
}

#[test]
fn a_wide_spread_asks_for_more_repeats() {
    let (a, b) = (repeats(&[100.0, 140.0, 90.0, 120.0, 80.0]), repeats(&[80.0, 70.0, 105.0, 65.0, 95.0]));
    let Difference::Inconclusive(Doubt::Repeats(Some(more))) = judged(&a, &b, HigherBetter) else { panic!("it is decided") };
    // About 2 (s (1.96 + 0.84) / ln r)^2 of each with s = 0.213 and r = 1.25, and two more because t is wider than z.
    assert!((9..14).contains(&more), "{more}");
    let few = (repeats(&FAST[..1]), repeats(&SLOW[..1]));
    assert_eq!(judged(&few.0, &few.1, HigherBetter), Difference::Inconclusive(Doubt::Repeats(Some(3))), "4 of each can tell one metric apart");
}

#[test]
fn the_repeats_that_are_asked_for_do_decide() {
    // Both vendors' logs have the same spread; with the repeats that are asked for, four runs of five find the difference.
    let mut random = <rand::rngs::ChaCha8Rng as rand::SeedableRng>::seed_from_u64(11);
    let mut normal = || (0..12).map(|_| rand::RngExt::random::<f64>(&mut random)).sum::<f64>() - 6.0;
    let mut sample = |center: f64, count: u32| repeats(&(0..count).map(|_| center * (0.1 * normal()).exp()).collect::<Vec<_>>());
    let known = Contrast { ratio: 1.15, interval: Some((0.9, 1.4)), p: 0.5, repeats: (5, 5), spread: 0.1, limited: (false, false) };
    let needed = 5 + further(&known, 1).unwrap();
    let decided = (0..400).filter(|_| judged(&sample(115.0, needed), &sample(100.0, needed), HigherBetter) == Difference::Faster).count();
    assert!((280..380).contains(&decided), "{decided} of 400 with {needed} repeats");
}

#[test]
fn a_vendor_whose_client_was_the_limit_is_never_slower_and_never_equivalent() {
    for direction in [HigherBetter, LowerBetter] {
        let (good, bad) = if direction == HigherBetter { (&FAST, &SLOW) } else { (&SLOW, &FAST) };
        assert_eq!(judged(&limited(bad), &repeats(good), direction), Difference::Inconclusive(Doubt::ClientLimit));
        assert_eq!(judged(&repeats(good), &limited(bad), direction), Difference::Inconclusive(Doubt::ClientLimit));
        assert_eq!(judged(&limited(good), &repeats(bad), direction), Difference::Faster, "at least that much");
        assert_eq!(judged(&repeats(bad), &limited(good), direction), Difference::Slower);
        assert_eq!(judged(&limited(good), &limited(bad), direction), Difference::Inconclusive(Doubt::ClientLimit));
    }
    assert_eq!(judged(&limited(&SLOW), &repeats(&SLOW), HigherBetter), Difference::Inconclusive(Doubt::ClientLimit));
}

#[test]
fn without_values_above_0_there_is_no_ratio() {
    for (a, b) in [(vec![], vec![1.0]), (vec![1.0, 0.0], vec![1.0, 2.0]), (vec![1.0], vec![f64::NAN])] {
        assert_eq!(contrast(&repeats(&a), &repeats(&b), HigherBetter, 1), None);
    }
}

#[test]
fn holm_is_as_in_its_worked_example() {
    let adjusted = holm(&[Some(0.01), Some(0.04), Some(0.03), None, Some(0.005)]);
    for (found, expected) in adjusted.iter().zip([0.04, 0.09, 0.09, 1.0, 0.025]) {
        assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
    }
}

fn any_repeats() -> impl Strategy<Value = Repeats> {
    (prop::collection::vec(50.0..150.0_f64, 1..7), any::<bool>()).prop_map(|(values, client_limited)| Repeats { values, client_limited })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn swapping_the_vendors_mirrors_everything(a in any_repeats(), b in any_repeats(), higher in any::<bool>()) {
        let direction = if higher { HigherBetter } else { LowerBetter };
        let (one, other) = (contrast(&a, &b, direction, 1).unwrap(), contrast(&b, &a, direction, 1).unwrap());
        prop_assert!((one.ratio * other.ratio - 1.0).abs() < 1e-9 && (one.p - other.p).abs() < 1e-12);
        if let (Some(one), Some(other)) = (one.interval, other.interval) {
            prop_assert!((one.0 * other.1 - 1.0).abs() < 1e-9 && (one.1 * other.0 - 1.0).abs() < 1e-9);
        }
        let mirrored = match judge(&other, other.p, 3) {
            Difference::Faster => Difference::Slower,
            Difference::Slower => Difference::Faster,
            same => same,
        };
        prop_assert_eq!(judge(&one, one.p, 3), mirrored);
    }

    #[test]
    fn the_order_and_the_unit_of_the_repeats_do_not_matter(a in any_repeats(), b in any_repeats(), scale in 0.001..1000.0_f64) {
        let changed = |repeats: &Repeats| Repeats { values: repeats.values.iter().rev().map(|value| value * scale).collect(), ..repeats.clone() };
        let (one, other) = (contrast(&a, &b, HigherBetter, 1).unwrap(), contrast(&changed(&a), &changed(&b), HigherBetter, 1).unwrap());
        prop_assert!((one.ratio / other.ratio - 1.0).abs() < 1e-9 && (one.p - other.p).abs() < 1e-12);
        prop_assert_eq!(judge(&one, one.p, 3).name(), judge(&other, other.p, 3).name());
    }

    #[test]
    fn the_interval_holds_the_ratio(a in any_repeats(), b in any_repeats()) {
        let found = contrast(&a, &b, HigherBetter, 1).unwrap();
        if let Some((low, high)) = found.interval {
            prop_assert!(low <= found.ratio && found.ratio <= high);
        }
    }

    #[test]
    fn holm_is_monotone_and_never_below_the_raw_p(family in prop::collection::vec(prop::option::of(0.0..=1.0_f64), 1..7)) {
        let adjusted = holm(&family);
        for (raw, own) in family.iter().zip(&adjusted) {
            prop_assert!(*own >= raw.unwrap_or(1.0) && *own <= 1.0);
            for (other, its) in family.iter().zip(&adjusted) {
                prop_assert!(raw.unwrap_or(1.0) > other.unwrap_or(1.0) || own <= its, "{family:?} {adjusted:?}");
            }
        }
    }
}
