//! Failure scenarios: a workload, a fault, a heal, and a check of everything that was acknowledged.
//!
//! The main function is [`run`]. Every operation is sent once and journalled before it counts; a write without an answer may be
//! applied at any later time and is never blamed on the vendor. Nothing is claimed about a vendor from answers that we injected.

mod client;
mod corrupt;
mod cut;
mod duplicate;
mod heal;
mod load;
mod record;
mod storm;
mod timeline;
mod verify;

use std::sync::Arc;

use client::Client;
use record::Report;

use crate::config::{FailureProbe, FailureSpec, FailureTiming};
use crate::lab::Server;
use crate::model::{Impact, ScenarioId, ScenarioRecord};
use crate::wire::{Failure, Link};

/// Runs one repeat of a failure scenario. The server is needed for scenarios with hooks only.
///
/// Without permission or hook the record says "untested" and nothing was sent.
pub async fn run(link: &Link, server: Option<&Server>, id: &ScenarioId, spec: &FailureSpec, repeat: u32, timing: &FailureTiming) -> ScenarioRecord {
    let mut report = Report::new(id, spec, repeat);
    let stem = id.as_str().rsplit('/').next().unwrap_or_default();
    report.parameter("tolerates_fault", link.vendor.features.iter().any(|feature| *feature == format!("tolerates-{stem}")));
    if !link.vendor.allows(spec.impact) {
        return report.untested(format!("not permitted: safety.allow does not name {:?}, or the vendor is not disposable", spec.impact.name()));
    }
    let fault = match (spec.probe, server) {
        (FailureProbe::LoadUnderFault, None) => return report.untested("no hook: this run does not control the vendor's servers"),
        (FailureProbe::LoadUnderFault, Some(server)) => match load::hooks(server, spec) {
            Ok(_) if spec.impact == Impact::Destructive && !server.is_identified().await => {
                return report.untested("not permitted: the hook does not echo the vendor's id");
            }
            Ok((inject, heal)) => Some((server, inject, heal)),
            Err(reason) => return report.untested(reason),
        },
        _ => None,
    };
    let space = match link.space("failure").await {
        Ok(space) => space,
        Err(error) => return report.unresolved(error.to_string()),
    };
    let client = Arc::new(Client::new(link, space, format!("{id}#{repeat}"), spec.operation_limit.0));
    let done = match (spec.probe, fault) {
        (FailureProbe::LoadUnderFault, Some((server, inject, heal))) => {
            Box::pin(load::run(&mut report, &client, spec, timing, server, (inject, heal))).await
        }
        (FailureProbe::CorruptUpload, _) => Box::pin(corrupt::run(&mut report, &client, spec)).await,
        (FailureProbe::UploadCut, _) => Box::pin(cut::run(&mut report, &client, spec)).await,
        (FailureProbe::DuplicateRequest, _) => Box::pin(duplicate::run(&mut report, &client, spec)).await,
        (FailureProbe::OverwriteStorm, _) => Box::pin(storm::run(&mut report, &client, spec)).await,
        (FailureProbe::LoadUnderFault, None) => Err("there is no server".to_owned()),
    };
    let exchanges = client.recorder.exchanges();
    match done.and_then(|()| ours(&client)) {
        Ok(()) => report.finish(link, load::worth_keeping(exchanges)),
        Err(reason) => report.unresolved(reason),
    }
}

/// What went wrong on our own side, if anything: the vendor is not judged by it.
fn ours(client: &Client) -> Result<(), String> {
    if let Some(error) = client.journal_error() {
        return Err(format!("the journal could not be written: {error}"));
    }
    match client.recorder.exchanges().into_iter().find(|exchange| matches!(exchange.failure, Some(Failure::Budget | Failure::Local))) {
        Some(exchange) => Err(format!("{} was not sent: {}", exchange.operation, exchange.error.unwrap_or_default())),
        None => Ok(()),
    }
}
