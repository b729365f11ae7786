//! What was agreed for a vendor on the day of its run: waivers and requirements of its own file and of the profile.

use jiff::civil::Date;

use super::{Run, VendorRun};
use crate::config::{Priority, Requirement, Waiver};
use crate::model::{CaseInfo, Level};

impl Requirement {
    /// Whether it speaks of this case: by its id, one of its rows, or as a core case of its suite.
    pub fn covers(&self, case: &CaseInfo) -> bool {
        covers(&self.case, case)
    }
}

/// Whether `name` (case id, catalogue row or suite) means this case; a suite means its core cases.
pub fn covers(name: &str, case: &CaseInfo) -> bool {
    name == case.id.as_str() || case.rows.iter().any(|row| row == name) || (name == case.suite() && case.level == Level::Core)
}

impl Run {
    /// The day on which the run started: what is stale or expired is judged by it, so that an old report never changes.
    pub fn day(&self) -> Option<Date> {
        self.header.started_at.get(..10)?.parse().ok()
    }
    /// All waivers for a case, expired ones too: the vendor's own first.
    pub fn waivers<'a>(&'a self, vendor: &'a VendorRun, case: &'a str) -> impl Iterator<Item = &'a Waiver> {
        let all = vendor.record.file.waivers.iter().chain(&self.header.profile.waivers);
        all.filter(move |waiver| waiver.case == case)
    }
    /// The waiver that holds for a case on the day of the run.
    pub fn waiver<'a>(&'a self, vendor: &'a VendorRun, case: &'a str) -> Option<&'a Waiver> {
        let day = self.day();
        self.waivers(vendor, case).find(|waiver| day.is_none_or(|day| waiver.until >= day))
    }
    /// What is asked for on the day of the run: the profile's requirements, then the vendor's own.
    pub fn requirements<'a>(&'a self, vendor: &'a VendorRun) -> impl Iterator<Item = &'a Requirement> {
        let day = self.day();
        let all = self.header.profile.requirements.iter().chain(&vendor.record.file.requirements);
        all.filter(move |requirement| requirement.until.is_none_or(|until| day.is_none_or(|day| until >= day)))
    }
    /// The reason why the buyer does not use what this case is about, if it was said.
    pub fn unused<'a>(&'a self, vendor: &'a VendorRun, case: &CaseInfo) -> Option<&'a str> {
        let wont = self.requirements(vendor).filter(|requirement| requirement.priority == Priority::Wont);
        wont.filter(|requirement| requirement.covers(case)).map(|requirement| requirement.reason.as_str()).next()
    }
}
