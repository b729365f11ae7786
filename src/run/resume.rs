//! Going on with a run that was killed: what is done already, and whether the rest would still be measured in the same way.

use std::collections::BTreeSet;
use std::path::Path;

use super::{Inputs, RunError};
use crate::config::{Root, Vendor};
use crate::model::{Plan, VendorId, VendorState};
use crate::store::{self, Run, VendorRun};

/// What a vendor's directory already holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Ids of recorded cases.
    pub cases: BTreeSet<String>,
    /// Scenario, cell and repeat of recorded scenarios.
    pub scenarios: BTreeSet<(String, String, u32)>,
    /// Whether nothing is left to do.
    pub is_complete: bool,
}

impl Done {
    /// What a loaded vendor's records say.
    pub fn of(vendor: &VendorRun) -> Self {
        Self {
            cases: vendor.cases.iter().map(|record| record.case.id.0.clone()).collect(),
            scenarios: vendor.scenarios.iter().map(|record| (record.scenario.0.clone(), record.cell.clone(), record.repeat)).collect(),
            is_complete: matches!(vendor.record.state, VendorState::Complete | VendorState::PriceOnly),
        }
    }
}

/// Loads a run to go on with, and its inputs as they are now.
///
/// # Errors
/// When the run is complete, or when the profile or a vendor file has changed in a way that matters to what is measured.
pub fn resume(root: &Root, directory: &Path) -> Result<(Run, Inputs), RunError> {
    let run = store::load(directory)?;
    let name = directory.display();
    if run.is_complete() {
        return Err(RunError::Usage(format!("{name}: the run is complete, there is nothing to resume")));
    }
    let measured: Vec<VendorId> = run.header.plan.vendors.iter().map(|planned| planned.vendor.clone()).collect();
    let mut inputs = Inputs::load(root, &run.header.profile_id, &measured)?;
    // A flag may have added the slow cases to what the profile says.
    inputs.profile.slow |= run.header.profile.slow;
    let changed = |what: String| RunError::Usage(format!("{name}: {what} has changed since the run began: start a new run"));
    if inputs.profile != run.header.profile {
        return Err(changed(format!("the profile {}", run.header.profile_id)));
    }
    for vendor in &run.vendors {
        let now = inputs.vendors.iter().find(|named| named.id == vendor.record.vendor).map(|named| what_matters(&named.file));
        if now != Some(what_matters(&vendor.record.file)) {
            return Err(changed(format!("the vendor file {}.toml", vendor.record.vendor)));
        }
    }
    Ok((run, inputs))
}

/// Refuses to go on where the plan, made anew, is another one: the suites or scenarios have changed.
///
/// # Errors
/// With the vendor whose plan differs.
pub fn same_plan(then: &Plan, now: &Plan) -> Result<(), RunError> {
    for (old, new) in then.vendors.iter().zip(&now.vendors) {
        if (&old.vendor, &old.cases, &old.scenarios) != (&new.vendor, &new.cases, &new.scenarios) {
            let vendor = &old.vendor;
            return Err(RunError::Usage(format!("the suites or scenarios of {vendor} have changed since the run began: start a new run")));
        }
    }
    Ok(())
}

/// The vendor file without what only prices, judges or describes.
fn what_matters(vendor: &Vendor) -> Vendor {
    Vendor {
        title: String::new(),
        version: None,
        setting: None,
        declared_consistency: None,
        pricing: None,
        waivers: Vec::new(),
        requirements: Vec::new(),
        ..vendor.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_price_does_not_matter_and_a_new_region_does() {
        let vendor = |text: &str| toml::from_str::<Vendor>(&format!("title = \"x\"\ndeployment = \"managed\"\n{text}")).unwrap();
        assert_eq!(what_matters(&vendor("version = \"2\"")), what_matters(&vendor("")));
        assert_ne!(what_matters(&vendor("region = \"eu-1\"")), what_matters(&vendor("")));
    }
}
