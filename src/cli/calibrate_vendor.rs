//! `proofmark calibrate --vendor`: the ladder's rungs against a vendor, so that bare sockets and the engine meet the same server in one run.

use std::process::ExitCode;
use std::sync::Arc;

use super::args_load::CalibrateArgs;
use super::calibrate::{CLIMBS, Line, Workshop, show};
use super::{Context, Failure, runtime};
use crate::config::{Cap, load_vendor};
use crate::load::{Climb, RungKind, climb, fill};
use crate::model::VendorId;
use crate::run::{NamedVendor, Shared, Stage, draw_seed, new_run_id, prefix};
use crate::store::RunDir;
use crate::wire;

/// Climbs every ladder against a vendor. TLS is what the vendor's endpoint speaks: the rung of its own is left out.
pub fn main(context: &Context, args: &CalibrateArgs, vendor: &str) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let id = VendorId::from(vendor);
    let named = NamedVendor { file: load_vendor(&root, &id)?, id: id.clone() };
    let run = new_run_id(jiff::Timestamp::now());
    let workshop = Workshop::new();
    let sink = Arc::new(RunDir::create(workshop.path())?.vendor(&id)?);
    let shared = Shared { root, seed: draw_seed(), prefix: prefix(&run), cap: Cap::default() };
    let lines = runtime()?.block_on(async {
        let stage = Stage::open(&shared, &named, sink).await?;
        let lines = ladders(args, &stage).await;
        let cleaned = wire::clean(&stage.direct).await;
        stage.close().await.map_err(|error| Failure::internal(error.to_string()))?;
        match cleaned.failed.first() {
            Some(left) => Err(Failure::internal(format!("left behind: {left}"))),
            None => lines,
        }
    })?;
    show(&lines, args.json)
}

async fn ladders(args: &CalibrateArgs, stage: &Stage) -> Result<Vec<Line>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::internal(error.to_string());
    let space = stage.link.space("calibrate").await.map_err(|error| failed(&error))?;
    let mut lines = Vec::new();
    for (operation, size, payload, kinds) in CLIMBS {
        let prefix = format!("{}{size}/", space.prefix);
        let seed = stage.link.seed;
        let plan =
            Climb { operation, size, bucket: space.bucket.clone(), prefix, concurrency: args.concurrency, duration: args.duration.0, seed, payload };
        fill(&stage.link, &plan).await.map_err(|error| failed(&error))?;
        for kind in kinds.iter().filter(|kind| **kind != RungKind::Tls && **kind != RungKind::Http) {
            let rung = climb(&stage.link, &plan, *kind).await.map_err(|error| failed(&error))?;
            lines.push(Line { operation, size, payload, rung, server_cpu: None });
        }
    }
    Ok(lines)
}
