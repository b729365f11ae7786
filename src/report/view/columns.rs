//! The vendors of all runs as columns of one comparison.

use serde::Serialize;

use super::Link;
use crate::model::{Deployment, Setting, VendorState};
use crate::score::{Scorecard, VendorScore};
use crate::store::{Run, VendorRun};

/// A vendor as measured in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Column {
    /// Unique here: the vendor's id, or `<id>@<run>` when several runs hold it.
    pub key: String,
    /// The vendor's id.
    pub vendor: String,
    /// Name for people.
    pub title: String,
    /// Version as configured, or the `Server` header, or empty.
    pub version: String,
    /// The run it was measured in.
    pub run: String,
    /// `demo`, `lab`, `trial` or `production`.
    pub setting: &'static str,
    /// `managed` or `self-run`.
    pub deployment: &'static str,
    /// False for a price-only vendor.
    pub measured: bool,
    /// `complete`, `incomplete`, `abandoned` or `price-only`.
    pub state: &'static str,
    /// Why it was abandoned; empty otherwise.
    pub reason: String,
    /// Its place in the palette.
    pub series: usize,
}

/// A column with the records behind it.
pub struct Source<'a> {
    pub column: Column,
    pub run: &'a Run,
    pub vendor: &'a VendorRun,
    pub score: Option<&'a VendorScore>,
    /// Path from the report to the run's directory, with a slash at its end; empty when they are one.
    base: String,
}

impl Source<'_> {
    /// A link to a file that is named relative to the vendor's directory.
    pub fn evidence(&self, path: Option<&str>) -> Option<Link> {
        path.map(|path| self.link(&format!("{}/{path}", self.column.vendor)))
    }
    /// A link to a file that is rendered beside the report.
    pub fn report_file(&self, name: &str) -> Link {
        Link { text: name.to_owned(), href: name.to_owned() }
    }
    /// A link to a file that is named relative to the run's directory.
    pub fn link(&self, path: &str) -> Link {
        Link { text: "evidence".to_owned(), href: format!("{}{path}", self.base) }
    }
}

/// All vendors in the order of the runs and their plans.
pub fn sources<'a>(runs: &'a [Run], card: &'a Scorecard) -> Vec<Source<'a>> {
    let ids: Vec<&str> = runs.iter().flat_map(|run| run.vendors.iter().map(|vendor| vendor.record.vendor.as_str())).collect();
    let mut sources = Vec::new();
    for run in runs {
        for vendor in &run.vendors {
            let id = vendor.record.vendor.as_str();
            let several = ids.iter().filter(|other| **other == id).count() > 1;
            let key = if several { format!("{id}@{}", run.header.run) } else { id.to_owned() };
            sources.push(Source {
                column: column(key, run, vendor, sources.len()),
                run,
                vendor,
                score: card.vendors.iter().find(|score| score.vendor == vendor.record.vendor && score.run == run.header.run),
                base: if runs.len() == 1 { String::new() } else { format!("../{}/", run.header.run) },
            });
        }
    }
    sources
}

fn column(key: String, run: &Run, vendor: &VendorRun, series: usize) -> Column {
    let record = &vendor.record;
    let (state, reason) = match &record.state {
        VendorState::PriceOnly => ("price-only", String::new()),
        VendorState::Incomplete => ("incomplete", String::new()),
        VendorState::Complete => ("complete", String::new()),
        VendorState::Abandoned(reason) => ("abandoned", reason.clone()),
    };
    let server = record.probe.as_ref().and_then(|probe| probe.server.clone());
    Column {
        key,
        vendor: record.vendor.to_string(),
        title: record.file.title.clone(),
        version: record.file.version.clone().or(server).unwrap_or_default(),
        run: run.header.run.to_string(),
        setting: setting_name(record.setting),
        deployment: match record.file.deployment {
            Deployment::Managed => "managed",
            Deployment::SelfRun => "self-run",
        },
        measured: record.state != VendorState::PriceOnly,
        state,
        reason,
        series,
    }
}

/// The word for a setting.
pub fn setting_name(setting: Setting) -> &'static str {
    match setting {
        Setting::Demo => "demo",
        Setting::Lab => "lab",
        Setting::Trial => "trial",
        Setting::Production => "production",
    }
}
