//! `proofmark list`: what can be run, from the code and the files themselves.

use std::process::ExitCode;

use serde::Serialize;

use super::args::{ListArgs, ListFormat};
use super::{Context, Failure, output};
use crate::case;
use crate::config::{Root, Scale, ScenarioSpec, load_profile, load_scenario, load_vendor, toml_stems};
use crate::model::{CaseInfo, ProfileId, ScenarioId, VendorId};

#[derive(Serialize)]
struct Listing {
    cases: Vec<CaseInfo>,
    scenarios: Vec<Entry>,
    vendors: Vec<Entry>,
    profiles: Vec<Entry>,
}

/// A file and what it says about itself.
#[derive(Serialize)]
struct Entry {
    name: String,
    title: String,
    about: String,
}

/// Prints cases, scenarios, vendors and profiles.
pub fn main(context: &Context, args: &ListArgs) -> Result<ExitCode, Failure> {
    let listing = listing(context)?;
    let text = match args.format {
        ListFormat::Json => serde_json::to_string_pretty(&listing).expect("a listing holds only text") + "\n",
        ListFormat::Text => tables(&listing).iter().map(|(title, rows)| format!("{title}\n{}\n", output::table(rows))).collect(),
        ListFormat::Markdown => tables(&listing).iter().map(|(title, rows)| format!("## {title}\n\n{}\n", markdown(rows))).collect(),
    };
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn listing(context: &Context) -> Result<Listing, Failure> {
    let root = context.root()?;
    Ok(Listing { cases: case::list(&context.suites), scenarios: scenarios(&root)?, vendors: vendors(&root)?, profiles: profiles(&root)? })
}

fn scenarios(root: &Root) -> Result<Vec<Entry>, Failure> {
    let mut entries = Vec::new();
    for kind in ["throughput", "failure", "cost"] {
        for stem in toml_stems(&root.scenarios().join(kind)) {
            let id = ScenarioId(format!("{kind}/{stem}"));
            let (title, about) = match load_scenario(root, &id, Scale::Default)?.spec {
                ScenarioSpec::Throughput(spec) => (format!("{} {}", spec.code, spec.title), spec.about),
                ScenarioSpec::Program(spec) => (format!("{} {}", spec.head.code, spec.head.title), spec.head.about),
                ScenarioSpec::Failure(spec) => (format!("{} {}", spec.code, spec.title), spec.about),
                ScenarioSpec::Cost(spec) => (spec.title, spec.about),
            };
            entries.push(Entry { name: id.0, title, about });
        }
    }
    Ok(entries)
}

fn vendors(root: &Root) -> Result<Vec<Entry>, Failure> {
    let stems = toml_stems(&root.vendors()).into_iter();
    stems
        .map(|stem| {
            let vendor = load_vendor(root, &VendorId(stem.clone()))?;
            let about = match (&vendor.pricing, vendor.is_measurable()) {
                (Some(card), true) => format!("measured; priced as of {}", card.as_of),
                (Some(card), false) => format!("price-only, as of {}", card.as_of),
                (None, _) => "measured; no price card".to_owned(),
            };
            Ok(Entry { name: stem, title: vendor.title, about })
        })
        .collect()
}

fn profiles(root: &Root) -> Result<Vec<Entry>, Failure> {
    let stems = toml_stems(&root.scenarios().join("profiles")).into_iter();
    stems
        .map(|stem| {
            let profile = load_profile(root, &ProfileId(stem.clone()))?;
            Ok(Entry { name: stem, title: profile.title, about: profile.about })
        })
        .collect()
}

fn tables(listing: &Listing) -> Vec<(String, Vec<Vec<String>>)> {
    let row = |cells: &[&str]| cells.iter().map(ToString::to_string).collect::<Vec<String>>();
    let mut cases = vec![row(&["case", "level", "rows", "impact", "features", "rule"])];
    cases.extend(
        listing
            .cases
            .iter()
            .map(|case| row(&[case.id.as_str(), case.level.name(), &case.rows.join(" "), case.impact.name(), &case.features.join(" "), &case.rule])),
    );
    let mut titled = vec![(format!("Cases ({})", listing.cases.len()), cases)];
    for (title, entries) in [("Scenarios", &listing.scenarios), ("Vendors", &listing.vendors), ("Profiles", &listing.profiles)] {
        let mut rows = vec![row(&["name", "title", "about"])];
        rows.extend(entries.iter().map(|entry| row(&[&entry.name, &entry.title, &entry.about])));
        titled.push((format!("{title} ({})", entries.len()), rows));
    }
    titled
}

fn markdown(rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "));
    let mut text = String::new();
    for (index, cells) in rows.iter().enumerate() {
        text.push_str(&line(cells));
        if index == 0 {
            text.push_str(&line(&vec!["---".to_owned(); cells.len()]));
        }
    }
    text
}
