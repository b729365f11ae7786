//! What a run reads before it plans: profile, vendors, scenarios, the month of use to price.

use crate::config::{
    ConfigError, CostWorkload, NamedApplication, Profile, Root, Scale, Scenario, ScenarioSpec, Vendor, check_decisions, load_applications,
    load_profile, load_scenario, load_vendor,
};
use crate::model::{Kind, ProfileId, ScenarioId, VendorId};

/// A vendor's file and its stem.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedVendor {
    /// The file's stem.
    pub id: VendorId,
    /// The file.
    pub file: Vendor,
}

/// Everything that a plan is made from, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Inputs {
    /// The profile's id.
    pub profile_id: ProfileId,
    /// The profile.
    pub profile: Profile,
    /// The vendors, measured ones first.
    pub vendors: Vec<NamedVendor>,
    /// The profile's scenarios that measure, in its order.
    pub scenarios: Vec<Scenario>,
    /// The month of use that vendors are priced on.
    pub workload: CostWorkload,
    /// What applications and SDK generations need.
    pub applications: Vec<NamedApplication>,
}

impl Inputs {
    /// Reads the profile, the named vendors (or the profile's own, where none is named), its price-only vendors and its scenarios.
    ///
    /// # Errors
    /// Unknown names, with the nearest known one, and files that are not valid.
    pub fn load(root: &Root, profile_id: &ProfileId, vendors: &[VendorId]) -> Result<Self, ConfigError> {
        let profile = load_profile(root, profile_id)?;
        let measured = if vendors.is_empty() { &profile.vendors } else { vendors };
        let mut seen: Vec<&VendorId> = Vec::new();
        for id in measured.iter().chain(&profile.price_only) {
            if !seen.contains(&id) {
                seen.push(id);
            }
        }
        let vendors = seen.into_iter().map(|id| load_vendor(root, id).map(|file| NamedVendor { id: id.clone(), file })).collect::<Result<_, _>>()?;
        let scenarios = profile.scenarios.iter().map(|id| load_scenario(root, id, profile.scale)).collect::<Result<Vec<_>, _>>()?;
        let scenarios: Vec<Scenario> = scenarios.into_iter().filter(|scenario| scenario.kind() != Kind::Cost).collect();
        check_decisions(&root.scenarios().join("profiles").join(format!("{profile_id}.toml")), &profile, &scenarios)?;
        let workload = load_workload(root, &profile.cost.workload)?;
        let applications = load_applications(root)?;
        Ok(Self { profile_id: profile_id.clone(), profile, vendors, scenarios, workload, applications })
    }
    /// Leaves only the conformance cases, on the vendors that can be measured.
    pub fn without_scenarios(&mut self) {
        self.scenarios.clear();
        self.profile.scenarios.clear();
        self.profile.curves.clear();
        self.profile.price_only.clear();
        self.vendors.retain(|vendor| vendor.file.is_measurable());
    }
}

fn load_workload(root: &Root, id: &ScenarioId) -> Result<CostWorkload, ConfigError> {
    match load_scenario(root, id, Scale::Default)?.spec {
        ScenarioSpec::Cost(workload) => Ok(workload),
        _ => Err(ConfigError::new(root.scenarios(), format!("{id} is not a cost scenario: expected \"cost/NAME\"")).field("cost.workload")),
    }
}
