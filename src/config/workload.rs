//! Cost workloads: a month of use, written by hand, to price every vendor on.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `scenarios/cost/<id>.toml`: one month of use, and what `proofmark cost --usage FILE` reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CostWorkload {
    /// Title for people.
    pub title: String,
    /// What it stands for.
    pub about: String,
    /// Stored all month, in GB as each vendor counts them (the workload is scaled to the card's gigabyte).
    pub stored_gb: Decimal,
    /// Mean object size in bytes, for minimum object sizes and overheads.
    #[serde(default)]
    pub object_bytes: Option<u64>,
    /// Requests per month by operation in camel case.
    #[serde(default)]
    pub requests: BTreeMap<String, u64>,
    /// Data out per month, in GB.
    #[serde(default)]
    pub egress_gb: Decimal,
    /// Data read inside the vendor's region per month, in GB (retrieval fees).
    #[serde(default)]
    pub retrieval_gb: Decimal,
    /// Data written per month, in GB (upload fees).
    #[serde(default)]
    pub upload_gb: Decimal,
    /// GB deleted per month, by age in days at deletion.
    #[serde(default)]
    pub deleted_gb_by_age_days: BTreeMap<String, Decimal>,
}

/// Ten exabytes; far above it the products would leave the range of decimals.
const MOST_GB: u64 = 10_000_000_000;

impl CostWorkload {
    /// What no single field's type refuses.
    ///
    /// # Errors
    /// The field, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let amounts =
            [("stored_gb", self.stored_gb), ("egress_gb", self.egress_gb), ("retrieval_gb", self.retrieval_gb), ("upload_gb", self.upload_gb)];
        let deleted = self.deleted_gb_by_age_days.values().map(|gb| ("deleted_gb_by_age_days", *gb));
        if let Some((field, gb)) = amounts.into_iter().chain(deleted).find(|(_, gb)| gb.is_sign_negative() || *gb > Decimal::from(MOST_GB)) {
            return Err((field, format!("{gb} is not an amount from 0 to {MOST_GB} GB")));
        }
        if self.object_bytes == Some(0) {
            return Err(("object_bytes", "must be above 0; leave it out where object sizes do not matter".to_owned()));
        }
        match self.deleted_gb_by_age_days.keys().find(|age| age.parse::<u32>().is_err()) {
            Some(age) => Err(("deleted_gb_by_age_days", format!("{age:?} is not an age in whole days"))),
            None => Ok(()),
        }
    }

    /// GB deleted, by age in days; an age that is not a number is left out (see [`CostWorkload::validate`]).
    pub fn deletes(&self) -> impl Iterator<Item = (u32, Decimal)> {
        self.deleted_gb_by_age_days.iter().filter_map(|(age, gb)| age.parse().ok().map(|age| (age, *gb)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_of_a_workload_names_its_field() {
        let validated = |line: &str| toml::from_str::<CostWorkload>(&format!("title = \"t\"\nabout = \"a\"\n{line}")).unwrap().validate();
        assert_eq!(validated("stored_gb = 10\ndeleted_gb_by_age_days = { 15 = 1000 }"), Ok(()));
        for (line, field) in [
            ("stored_gb = -1", "stored_gb"),
            ("stored_gb = 1\negress_gb = 1e11", "egress_gb"),
            ("stored_gb = 1\nobject_bytes = 0", "object_bytes"),
            ("stored_gb = 1\ndeleted_gb_by_age_days = { soon = 1 }", "deleted_gb_by_age_days"),
            ("stored_gb = 1\ndeleted_gb_by_age_days = { 1 = -1 }", "deleted_gb_by_age_days"),
        ] {
            assert_eq!(validated(line).unwrap_err().0, field);
        }
    }
}
