//! What is used in a month: stored data, requests, data out, deletions.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::config::{CostWorkload, PriceCard};

/// One month of use. Every GB is a GB as the price card counts it.
#[derive(Debug, Clone, PartialEq)]
pub struct MonthlyUse {
    /// What is stored for how long.
    pub stored: Stored,
    /// Mean object size in bytes, for minimum sizes and overheads; `None` = objects so large that neither matters.
    pub object_bytes: Option<u64>,
    /// Length of the calendar month in days, for cards that bill by it.
    pub month_days: u32,
    /// Requests by operation in camel case and HTTP status (0 = no answer).
    pub requests: BTreeMap<String, BTreeMap<u16, u64>>,
    /// Data out to the internet, in GB.
    pub egress_gb: Decimal,
    /// Data read, in GB, for cards with a retrieval fee.
    pub retrieval_gb: Decimal,
    /// Data written, in GB, for cards with an upload fee.
    pub upload_gb: Decimal,
    /// Data that was deleted, by its age.
    pub deletes: Vec<EarlyDelete>,
}

/// Stored data over time. The card's averaging turns it into GB-months.
#[derive(Debug, Clone, PartialEq)]
pub enum Stored {
    /// The same amount all month, in GB.
    Level(Decimal),
    /// Amounts one after another; what is left of the month stores nothing.
    Course(Vec<StoredSpan>),
    /// What a run metered: both integrals, because a card bills by one of them.
    Metered {
        /// Integral of stored bytes over time, in byte-hours.
        byte_hours: Decimal,
        /// Most bytes at one moment; taken as the peak of one day.
        peak_bytes: u64,
    },
}

/// An amount that is stored for some hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSpan {
    /// In GB.
    pub gb: Decimal,
    /// For how long.
    pub hours: u32,
}

/// Data deleted at an age that may be below the card's minimum duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlyDelete {
    /// Age at deletion, in days.
    pub age_days: u32,
    /// How much, in GB.
    pub gb: Decimal,
}

impl Default for MonthlyUse {
    fn default() -> Self {
        Self {
            stored: Stored::Level(Decimal::ZERO),
            object_bytes: None,
            month_days: 30,
            requests: BTreeMap::new(),
            egress_gb: Decimal::ZERO,
            retrieval_gb: Decimal::ZERO,
            upload_gb: Decimal::ZERO,
            deletes: Vec::new(),
        }
    }
}

impl MonthlyUse {
    /// A workload file as a month of use of one card: its GB are GB as that card counts them, and all its requests succeed.
    pub fn from_workload(workload: &CostWorkload, _card: &PriceCard) -> Self {
        Self {
            stored: Stored::Level(workload.stored_gb),
            object_bytes: workload.object_bytes,
            requests: workload.requests.iter().map(|(operation, count)| (operation.clone(), BTreeMap::from([(200, *count)]))).collect(),
            egress_gb: workload.egress_gb,
            retrieval_gb: workload.retrieval_gb,
            upload_gb: workload.upload_gb,
            deletes: workload.deletes().map(|(age_days, gb)| EarlyDelete { age_days, gb }).collect(),
            ..Self::default()
        }
    }
}
