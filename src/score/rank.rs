//! Which categories are compared, the overall scores, the ranks and the leading group.

use std::cmp::Ordering;

use super::draft::Draft;
use super::{Eligibility, Interval, VendorScore, stats};
use crate::config::Weights;
use crate::model::{Category, VendorState};

/// Whether a vendor decides which categories are compared: a half-measured one must not take a category from all others.
pub(super) fn is_compared(state: &VendorState, eligibility: &Eligibility) -> bool {
    *state == VendorState::Complete && matches!(eligibility, Eligibility::Eligible | Eligibility::NotEligible(_))
}

/// The weight of each category in the comparison: the profile's, over the categories that count for every compared vendor,
/// rescaled to a sum of 1. All 0 where there are none.
pub(super) fn weights(profile: &Weights, compared: &[&[Draft]]) -> [f64; 5] {
    let counts = |index: usize| !compared.is_empty() && compared.iter().all(|drafts| drafts[index].counts && drafts[index].score().is_some());
    let mut weights = profile.all();
    for (index, weight) in weights.iter_mut().enumerate() {
        if !counts(index) {
            *weight = 0.0;
        }
    }
    let sum: f64 = weights.iter().sum();
    if sum > 0.0 { weights.map(|weight| weight / sum) } else { weights }
}

/// The weighted and the geometric mean; `None` where a category that counts is not scored for this vendor.
pub(super) fn overall(vendor: &VendorScore) -> (Option<Interval>, Option<f64>) {
    let counted: Vec<_> = vendor.categories.iter().filter(|category| category.weight > 0.0).collect();
    let Some(parts) = counted.iter().map(|category| category.score.map(|score| (category.weight, score))).collect::<Option<Vec<_>>>() else {
        return (None, None);
    };
    let mean = |part: fn(&Interval) -> f64| stats::weighted_mean(parts.iter().map(|(weight, score)| (*weight, part(score))));
    let interval = mean(|score| score.low).zip(mean(|score| score.value)).zip(mean(|score| score.high));
    let interval = interval.map(|((low, value), high)| Interval { low, value, high });
    (interval, stats::geometric_mean(parts.iter().map(|(weight, score)| (*weight, score.value))))
}

/// Ranks by the low end: eligible vendors first, then those that are not; the same low end gives the same rank.
pub(super) fn rank(vendors: &mut [VendorScore]) {
    let places: Vec<Option<(bool, f64)>> = vendors.iter().map(place).collect();
    let first =
        vendors.iter().zip(&places).filter(|(_, place)| matches!(place, Some((true, _)))).filter_map(|(vendor, _)| vendor.overall).max_by(by_low);
    for (vendor, own) in vendors.iter_mut().zip(&places) {
        let Some(own) = own else { continue };
        let before = places.iter().flatten().filter(|other| is_before(other, own)).count();
        vendor.rank = u32::try_from(before + 1).ok();
        vendor.leading = own.0 && first.zip(vendor.overall).is_some_and(|(first, overall)| overall.overlaps(&first));
    }
}

fn by_low(a: &Interval, b: &Interval) -> Ordering {
    a.low.total_cmp(&b.low)
}

fn place(vendor: &VendorScore) -> Option<(bool, f64)> {
    let eligible = match vendor.eligibility {
        Eligibility::Eligible => true,
        Eligibility::NotEligible(_) => false,
        Eligibility::Incomplete(_) | Eligibility::PriceOnly => return None,
    };
    vendor.overall.map(|overall| (eligible, overall.low))
}

fn is_before(other: &(bool, f64), own: &(bool, f64)) -> bool {
    match (other.0, own.0) {
        (true, false) => true,
        (false, true) => false,
        _ => other.1 > own.1,
    }
}

/// A sentence where the geometric mean puts two eligible vendors in the other order than the weighted mean.
pub(super) fn order_note(vendors: &[VendorScore]) -> Option<String> {
    let eligible: Vec<(&VendorScore, f64, f64)> = vendors
        .iter()
        .filter(|vendor| vendor.eligibility == Eligibility::Eligible)
        .filter_map(|vendor| Some((vendor, vendor.overall?.value, vendor.geometric?)))
        .collect();
    let turned = |a: f64, b: f64, x: f64, y: f64| a > b && x < y;
    for (first, mean, geometric) in &eligible {
        if let Some((second, _, _)) = eligible.iter().find(|(_, other, other_geometric)| turned(*mean, *other, *geometric, *other_geometric)) {
            return Some(format!(
                "The order depends on the mean: {} is before {} by the weighted mean and behind it by the geometric mean, which punishes one bad category.",
                first.vendor, second.vendor
            ));
        }
    }
    None
}

/// Names of the categories with a weight that are not compared.
pub(super) fn left_out(profile: &Weights, weights: &[f64; 5]) -> Vec<&'static str> {
    let all = profile.all();
    Category::ALL.iter().enumerate().filter(|(index, _)| all[*index] > 0.0 && weights[*index] == 0.0).map(|(_, category)| category.name()).collect()
}
