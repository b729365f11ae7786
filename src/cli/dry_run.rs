//! Printing a plan: what would run, what would not and why, and what it would send and cost.

use std::collections::BTreeMap;

use super::output;
use crate::config::Profile;
use crate::model::{Plan, PlannedVendor};
use crate::units::Bytes;

/// The plan as text.
pub fn text(profile_id: &str, profile: &Profile, plan: &Plan) -> String {
    let mut text = format!("profile {profile_id}: {}\n", profile.title);
    for note in &plan.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    for vendor in &plan.vendors {
        text.push('\n');
        text.push_str(&vendor_text(vendor));
    }
    text.push_str("\nnothing was sent\n");
    text
}

fn vendor_text(vendor: &PlannedVendor) -> String {
    if !vendor.measured {
        return format!("{}: price-only, nothing is sent\n", vendor.vendor);
    }
    let estimate = &vendor.estimate;
    let requests: u64 = estimate.requests.values().sum();
    let impacts: Vec<&str> = vendor.impacts.iter().map(|impact| impact.name()).collect();
    let row = |name: &str, value: String| vec![format!("  {name}"), value];
    let rows = vec![
        row("cases", vendor.cases.len().to_string()),
        row("scenario cells", vendor.scenarios.len().to_string()),
        row("requests, about", requests.to_string()),
        row("sent, about", size(estimate.upload_bytes)),
        row("received, about", size(estimate.download_bytes)),
        row("stored at once, at most", size(estimate.stored_bytes)),
        row("buckets, at most", estimate.buckets.to_string()),
        row("time, about", format!("{:.0} s", estimate.duration_s)),
        row("money, about", vendor.cost_usd.clone().unwrap_or_else(|| "unknown: no price card".to_owned())),
        row("impacts", if impacts.is_empty() { "none beyond its own buckets".to_owned() } else { impacts.join(", ") }),
    ];
    let mut text = format!("{}\n{}", vendor.vendor, output::table(&rows));
    let by_operation: Vec<String> = estimate.requests.iter().map(|(operation, count)| format!("{operation} {count}")).collect();
    text.push_str(&format!("  requests by operation (a case's set-up counts as PutObject): {}\n", by_operation.join(", ")));
    if vendor.scenarios.iter().any(|scenario| scenario.starts_with("throughput/")) {
        text.push_str("  closed loops go as fast as the vendor answers: only its [budget] is a limit\n");
    }
    for scenario in &vendor.scenarios {
        text.push_str(&format!("  runs {scenario}\n"));
    }
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for skip in &vendor.skipped {
        reasons.entry(&skip.reason).or_default().push(&skip.what);
    }
    for (reason, what) in reasons {
        text.push_str(&format!("  skips {} ({reason}): {}\n", what.len(), what.join(", ")));
    }
    text
}

/// Bytes to two digits in the unit that fits: an estimate needs no more.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = (0..UNITS.len()).rev().find(|step| bytes >= 1 << (10 * step)).unwrap_or(0);
    match step {
        0 => Bytes(bytes).to_string(),
        _ => format!("{:.1} {}", bytes as f64 / (1u64 << (10 * step)) as f64, UNITS[step]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_printed_in_the_unit_that_fits() {
        assert_eq!((size(0), size(1023), size(1536 << 20)), ("0 B".to_owned(), "1023 B".to_owned(), "1.5 GiB".to_owned()));
    }
}
