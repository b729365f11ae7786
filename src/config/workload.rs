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
