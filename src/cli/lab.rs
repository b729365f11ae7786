//! `proofmark lab`: the servers of vendors that have a lifecycle script.

use std::process::ExitCode;

use super::args::{LabArgs, LabVerb};
use super::{Context, Failure, output, runtime};
use crate::config::{Root, load_vendor, nearest, toml_stems};
use crate::lab::{Hooked, LabError};
use crate::model::VendorId;

/// Installs, starts or stops the named vendors' servers, or says which ones answer.
pub fn main(context: &Context, args: &LabArgs) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let known: Vec<(String, Hooked)> =
        toml_stems(&root.vendors()).into_iter().filter_map(|stem| Some((stem.clone(), hooked(&root, &stem)?))).collect();
    let chosen = if args.vendors.is_empty() {
        if args.verb != LabVerb::Status {
            return Err(Failure::usage(format!("name at least one of: {}", names(&known).join(", "))));
        }
        known
    } else {
        args.vendors.iter().map(|name| choose(&known, name)).collect::<Result<Vec<_>, _>>()?
    };
    runtime()?.block_on(async {
        for (name, hooked) in &chosen {
            let text = act(args.verb, name, hooked).await.map_err(|error| Failure::usage(error.to_string()))?;
            output::print(&text)?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn hooked(root: &Root, stem: &str) -> Option<Hooked> {
    let id = VendorId::from(stem);
    Hooked::of(root, &id, &load_vendor(root, &id).ok()?)
}

fn names(known: &[(String, Hooked)]) -> Vec<&str> {
    known.iter().map(|(name, _)| name.as_str()).collect()
}

fn choose(known: &[(String, Hooked)], name: &str) -> Result<(String, Hooked), Failure> {
    let found = known.iter().find(|(candidate, _)| candidate == name).cloned();
    found.ok_or_else(|| {
        let names = names(known);
        let hint =
            nearest(name, names.iter().copied()).map_or_else(|| format!("known: {}", names.join(", ")), |near| format!("did you mean {near:?}?"));
        Failure::usage(format!("there is no vendor {name:?} with a lifecycle script; {hint}"))
    })
}

async fn act(verb: LabVerb, name: &str, hooked: &Hooked) -> Result<String, LabError> {
    match verb {
        LabVerb::Install => hooked.install().await.map(|()| format!("{name}: installed\n")),
        // The one place that prints secrets: random, throwaway ones of a server on this machine.
        LabVerb::Up => {
            let started = hooked.up().await?;
            Ok(started.environment.iter().map(|(variable, value)| format!("export {variable}={value}\n")).collect())
        }
        LabVerb::Down => hooked.down().await.map(|()| format!("{name}: down\n")),
        LabVerb::Status => Ok(format!("{name}: {}\n", if hooked.is_up().await { "up" } else { "down" })),
    }
}
