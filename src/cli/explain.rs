//! `proofmark explain`: the arithmetic behind a score.

use std::process::ExitCode;

use super::args::ExplainArgs;
use super::{Failure, output};
use crate::config::nearest;
use crate::model::Category;
use crate::score::{VendorScore, explain, score};
use crate::store;

const OVERALL: &str = "overall";

/// Prints every item of an area with its observation, rule and weight, and how they add up.
pub fn main(args: &ExplainArgs) -> Result<ExitCode, Failure> {
    let runs = [store::load(&args.run)?];
    let card = score(&runs, &runs[0].header.profile);
    let vendors: Vec<&str> = card.vendors.iter().map(|vendor| vendor.vendor.as_str()).collect();
    let vendor = card.vendors.iter().find(|vendor| vendor.vendor.as_str() == args.vendor);
    let vendor = vendor.ok_or_else(|| unknown("vendor", &args.vendor, &vendors))?;
    let names: Vec<&str> = Category::ALL.iter().map(|category| category.name()).chain([OVERALL]).collect();
    let text = match Category::ALL.into_iter().find(|category| category.name() == args.area) {
        Some(category) => explain(vendor, category),
        None if args.area == OVERALL => overall(vendor),
        None => return Err(unknown("area", &args.area, &names)),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn unknown(what: &str, name: &str, known: &[&str]) -> Failure {
    let hint = nearest(name, known.iter().copied()).map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean {near:?}?"));
    Failure::usage(format!("there is no {what} {name:?} in this run; {hint}"))
}

fn overall(vendor: &VendorScore) -> String {
    let mut text = format!("overall of {}, run {}\n", vendor.vendor, vendor.run);
    for part in vendor.categories.iter().filter(|part| part.weight > 0.0) {
        let value = part.score.map_or_else(|| "not tested".to_owned(), |score| format!("{:.6}", score.value));
        text.push_str(&format!("  {}: {value} x {:.4}\n", part.category, part.weight));
    }
    match vendor.overall {
        Some(sum) => text.push_str(&format!("sum = {:.6} ({:.6} to {:.6})\n", sum.value, sum.low, sum.high)),
        None => text.push_str("not scored\n"),
    }
    for gate in &vendor.gates {
        text.push_str(&format!("gate {}: {}: {}, limit {}\n", gate.name, gate.verdict.name(), gate.observed, gate.limit));
    }
    text
}
