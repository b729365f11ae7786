//! `proofmark cost`: a month of use on every price card.

use std::process::ExitCode;

use super::args::CostArgs;
use super::{Context, Failure, output};
use crate::config::{CostWorkload, PriceCard, Root, load_vendor, parse, toml_stems};
use crate::cost;
use crate::model::VendorId;

/// Prices a usage file and prints the lines of each bill.
pub fn main(context: &Context, args: &CostArgs) -> Result<ExitCode, Failure> {
    let root = context.root()?;
    let workload: CostWorkload = parse(&args.usage)?;
    let cards = cards(&root, &args.vendors)?;
    let sheets = cost::compare(&cards, &workload).map_err(|error| Failure::usage(format!("{}: {error}", args.usage.display())))?;
    output::print(&cost::table(&sheets))?;
    Ok(ExitCode::SUCCESS)
}

fn cards(root: &Root, named: &[String]) -> Result<Vec<PriceCard>, Failure> {
    let stems = if named.is_empty() { toml_stems(&root.vendors()) } else { named.to_vec() };
    let mut cards = Vec::new();
    for stem in stems {
        match load_vendor(root, &VendorId(stem.clone()))?.pricing {
            Some(card) => cards.push(card),
            None if named.is_empty() => {}
            None => return Err(Failure::usage(format!("vendors/{stem}.toml: pricing: there is no price card to price with"))),
        }
    }
    Ok(cards)
}
