//! The arithmetic of a category, for people who want to check it.

use super::{Interval, VendorScore};
use crate::model::Category;

/// Every item of a category with what was observed, the rule and the weight, and how they add up. Plain text.
pub fn explain(vendor: &VendorScore, category: Category) -> String {
    let Some(scored) = vendor.categories.iter().find(|candidate| candidate.category == category) else {
        return format!("{} has no {category} score\n", vendor.vendor);
    };
    let mut text = format!("{} of {}, run {}\n", category, vendor.vendor, vendor.run);
    for item in &scored.items {
        let score = item.score.map_or_else(|| "not tested".to_owned(), interval);
        text.push_str(&format!(
            "  {}\n    observed: {}\n    rule: {}\n    score: {score}, weight {}\n",
            item.id, item.observed, item.rule, item.weight
        ));
    }
    let (scored_weight, planned): (f64, f64) =
        scored.items.iter().fold((0.0, 0.0), |(sum, all), item| (sum + if item.score.is_some() { item.weight } else { 0.0 }, all + item.weight));
    text.push_str(&format!("coverage = {scored_weight} / {planned} = {:.4}\n", scored.coverage));
    let sum: f64 = scored.items.iter().filter_map(|item| item.score.map(|score| score.value * item.weight)).sum();
    match scored.score {
        Some(score) => text.push_str(&format!("score = {sum:.6} / {scored_weight} = {}\n", interval(score))),
        None => text.push_str("score: not tested\n"),
    }
    text.push_str(&format!("weight in the overall score: {:.4}\n", scored.weight));
    if let Some(note) = &scored.note {
        text.push_str(&format!("note: {note}\n"));
    }
    text
}

fn interval(score: Interval) -> String {
    if score.low == score.high { format!("{:.6}", score.value) } else { format!("{:.6} ({:.6} to {:.6})", score.value, score.low, score.high) }
}
