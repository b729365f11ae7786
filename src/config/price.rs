//! Price cards: what a vendor charges, as of when, and who says so.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// `[pricing]` of a vendor file. Money is in `currency`, decimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceCard {
    /// Name of the card, e.g. `r2-standard`.
    pub id: String,
    /// ISO 4217.
    pub currency: String,
    /// The day on which the prices were read.
    pub as_of: jiff::civil::Date,
    /// Older cards are marked as stale.
    pub stale_after_days: u32,
    /// Where the prices stand.
    pub sources: Vec<String>,
    /// How good the source is.
    pub trust: Trust,
    /// What the vendor calls a gigabyte.
    pub gb: Gigabyte,
    /// What the vendor calls a month.
    pub month: Month,
    /// Storage.
    pub storage: StoragePrice,
    /// Requests by class.
    #[serde(default)]
    pub requests: Vec<RequestPrice>,
    /// Data out.
    pub egress: EgressPrice,
    /// Data retrieval and upload fees.
    #[serde(default)]
    pub retrieval: RetrievalPrice,
}

/// How good a price source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The vendor's own page.
    Primary,
    /// Somebody else's page.
    Secondary,
    /// An offer to the buyer.
    Quote,
}

/// What the vendor calls a gigabyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gigabyte {
    /// 10^9 bytes.
    Decimal,
    /// 2^30 bytes.
    Binary,
}

/// What the vendor calls a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Month {
    /// 730 hours.
    #[serde(rename = "730h")]
    Hours730,
    /// The hours of the calendar month.
    #[serde(rename = "calendar")]
    Calendar,
    /// 30 days.
    #[serde(rename = "30d")]
    Days30,
}

/// What storage is billed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageUnit {
    /// GB and month.
    GbMonth,
    /// GiB and hour.
    GibHour,
    /// TB and month.
    TbMonth,
}

/// How stored bytes are averaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Averaging {
    /// Integral over time.
    ByteHours,
    /// Mean of the daily peaks.
    DailyPeak,
}

/// Storage prices. Quantities are in `unit`; a free allowance is taken off before tiering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoragePrice {
    /// What is billed.
    pub unit: StorageUnit,
    /// How it is averaged.
    pub averaging: Averaging,
    /// Free quantity per month.
    #[serde(default)]
    pub free: Decimal,
    /// Usage is rounded up to a multiple of this; 0 = not rounded.
    #[serde(default)]
    pub round_up_to: Decimal,
    /// Objects deleted earlier are billed up to this age.
    #[serde(default)]
    pub min_duration_days: u32,
    /// Smaller objects are billed as this size.
    #[serde(default)]
    pub min_object_bytes: u64,
    /// Billed on top of each object.
    #[serde(default)]
    pub object_overhead_bytes: u64,
    /// Least billed quantity per month.
    #[serde(default)]
    pub min_monthly_qty: Decimal,
    /// Price tiers.
    pub tiers: Vec<Tier>,
}

/// A price up to a quantity; the last tier has no end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// End of the tier.
    #[serde(default)]
    pub up_to: Option<Decimal>,
    /// Price of one unit inside it.
    pub price: Decimal,
}

/// What a free allowance is counted over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// Each month.
    #[default]
    Month,
    /// Each day (a month has 30).
    Day,
}

/// The price of a class of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestPrice {
    /// The vendor's name of the class.
    pub class: String,
    /// Price of `per` requests.
    pub price: Decimal,
    /// Requests that `price` buys.
    pub per: u64,
    /// Free requests per `free_window`.
    #[serde(default)]
    pub free: u64,
    /// What `free` is counted over.
    #[serde(default)]
    pub free_window: Window,
    /// Usage is rounded up to a multiple of this; 0 = not rounded.
    #[serde(default)]
    pub round_up_to: u64,
    /// Operations in camel case.
    pub ops: Vec<String>,
    /// Error statuses that are billed; empty = all but `unbilled_errors`.
    #[serde(default)]
    pub billed_errors: Vec<u16>,
    /// Error statuses that are not billed.
    #[serde(default)]
    pub unbilled_errors: Vec<u16>,
}

/// What happens above the free egress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverRatio {
    /// It is billed by the tiers.
    #[default]
    Price,
    /// It breaks the vendor's policy: reported, not priced.
    PolicyViolation,
}

/// Data out to the internet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressPrice {
    /// Price tiers per GB.
    pub tiers: Vec<Tier>,
    /// Free GB per month.
    #[serde(default)]
    pub free_gb: Decimal,
    /// Free egress as a multiple of the stored quantity.
    #[serde(default)]
    pub free_ratio_of_stored: Decimal,
    /// What happens above it.
    #[serde(default)]
    pub over_ratio: OverRatio,
}

/// Per-GB fees beside egress.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrievalPrice {
    /// Per GB read.
    #[serde(default)]
    pub per_gb: Decimal,
    /// Per GB written.
    #[serde(default)]
    pub upload_per_gb: Decimal,
}
