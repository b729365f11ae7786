//! Price cards: what a vendor charges, as of when, and who says so.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

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
    pub per: NonZeroU64,
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

impl Trust {
    /// The word used in TOML, CSV and the report.
    pub fn name(self) -> &'static str {
        match self {
            Trust::Primary => "primary",
            Trust::Secondary => "secondary",
            Trust::Quote => "quote",
        }
    }
}

impl PriceCard {
    /// What no single field's type refuses.
    ///
    /// # Errors
    /// The field, dotted from the vendor file's top, and what is wrong with it.
    pub fn validate(&self) -> Result<(), (&'static str, String)> {
        let storage = &self.storage;
        let amounts = [
            ("pricing.storage.free", storage.free),
            ("pricing.storage.round_up_to", storage.round_up_to),
            ("pricing.storage.min_monthly_qty", storage.min_monthly_qty),
            ("pricing.egress.free_gb", self.egress.free_gb),
            ("pricing.egress.free_ratio_of_stored", self.egress.free_ratio_of_stored),
        ];
        for (field, amount) in amounts {
            in_range(amount, LARGEST).map_err(|message| (field, message))?;
        }
        let fees = [("pricing.retrieval.per_gb", self.retrieval.per_gb), ("pricing.retrieval.upload_per_gb", self.retrieval.upload_per_gb)];
        for (field, price) in fees {
            in_range(price, DEAREST).map_err(|message| (field, message))?;
        }
        for (field, bytes) in
            [("pricing.storage.min_object_bytes", storage.min_object_bytes), ("pricing.storage.object_overhead_bytes", storage.object_overhead_bytes)]
        {
            if bytes > LARGEST_MINIMUM {
                return Err((field, format!("{bytes} is more than {LARGEST_MINIMUM}")));
            }
        }
        if storage.min_duration_days > LONGEST_DAYS {
            return Err(("pricing.storage.min_duration_days", format!("{} is more than {LONGEST_DAYS}", storage.min_duration_days)));
        }
        validate_tiers(&storage.tiers).map_err(|message| ("pricing.storage.tiers", message))?;
        validate_tiers(&self.egress.tiers).map_err(|message| ("pricing.egress.tiers", message))?;
        if self.sources.is_empty() {
            return Err(("pricing.sources", "is empty: say where the prices stand".to_owned()));
        }
        let mut seen = BTreeSet::new();
        for class in &self.requests {
            in_range(class.price, DEAREST).map_err(|message| ("pricing.requests.price", format!("class {}: {message}", class.class)))?;
            if let Some(twice) = class.ops.iter().find(|operation| !seen.insert(operation.as_str())) {
                return Err(("pricing.requests.ops", format!("{twice} stands in two classes or twice in class {}", class.class)));
            }
        }
        Ok(())
    }
}

// No card known to us comes near these limits; far above them the products would leave the range of decimals.
const LARGEST: u64 = 1_000_000_000;
const DEAREST: u64 = 1_000_000;
const LARGEST_MINIMUM: u64 = 10_000_000;
const LONGEST_DAYS: u32 = 3_650;

fn in_range(amount: Decimal, most: u64) -> Result<(), String> {
    if amount.is_sign_negative() || amount > Decimal::from(most) {
        return Err(format!("{amount} is not an amount from 0 to {most}"));
    }
    Ok(())
}

fn validate_tiers(tiers: &[Tier]) -> Result<(), String> {
    let Some((last, before)) = tiers.split_last() else { return Err("is empty: give at least one tier with a price".to_owned()) };
    let mut start = Decimal::ZERO;
    for tier in before {
        let end = tier.up_to.ok_or("a tier before the last one has no up_to")?;
        if end <= start {
            return Err(format!("up_to {end} is not above {start}, where the tier starts"));
        }
        start = end;
    }
    if let Some(end) = last.up_to {
        return Err(format!("the last tier ends at {end}: leave out its up_to, so that larger use has a price"));
    }
    tiers.iter().try_for_each(|tier| in_range(tier.price, DEAREST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = r#"
id = "x"
currency = "USD"
as_of = "2026-05-01"
stale_after_days = 180
sources = ["https://x.example/pricing"]
trust = "primary"
gb = "decimal"
month = "30d"
storage = { unit = "gb_month", averaging = "byte_hours", tiers = [{ up_to = 10, price = 0.02 }, { price = 0.01 }] }
egress = { tiers = [{ price = 0 }] }
requests = [{ class = "A", price = 1, per = 1000, ops = ["PutObject"] }, { class = "B", price = 1, per = 1000, ops = ["GetObject"] }]
"#;

    fn validated(old: &str, new: &str) -> Result<(), (&'static str, String)> {
        let text = CARD.replace(old, new);
        assert!(text != CARD || old == new, "{old} is not in the card");
        toml::from_str::<PriceCard>(&text).unwrap().validate()
    }

    #[test]
    fn a_valid_card_has_no_problem() {
        assert_eq!(validated("", ""), Ok(()));
    }

    #[test]
    fn each_problem_of_a_card_names_its_field() {
        for (old, new, field, message) in [
            ("price = 0.02", "price = -0.02", "storage.tiers", "not an amount"),
            ("{ up_to = 10, price = 0.02 }", "{ up_to = 0, price = 0.02 }", "storage.tiers", "not above"),
            (", { price = 0.01 }", "", "storage.tiers", "last tier ends"),
            ("up_to = 10, ", "", "storage.tiers", "no up_to"),
            ("tiers = [{ price = 0 }]", "tiers = []", "egress.tiers", "empty"),
            ("GetObject", "PutObject", "requests.ops", "two classes"),
            ("\"A\", price = 1", "\"A\", price = -1", "requests.price", "class A"),
            ("\"https://x.example/pricing\"", "", "sources", "empty"),
            ("tiers = [{ up_to", "min_object_bytes = 10000001, tiers = [{ up_to", "storage.min_object_bytes", "more than"),
            ("tiers = [{ up_to", "min_duration_days = 36500, tiers = [{ up_to", "storage.min_duration_days", "more than"),
            ("tiers = [{ up_to", "free = -1, tiers = [{ up_to", "storage.free", "not an amount"),
            ("egress = {", "retrieval = { per_gb = -1 }\negress = {", "retrieval.per_gb", "not an amount"),
        ] {
            let (found, text) = validated(old, new).unwrap_err();
            assert!(found == format!("pricing.{field}") && text.contains(message), "{found}: {text}");
        }
    }

    #[test]
    fn a_class_that_sells_zero_requests_is_refused_when_it_is_read() {
        assert!(toml::from_str::<PriceCard>(&CARD.replace("per = 1000", "per = 0")).is_err());
    }

    #[test]
    fn prices_are_read_exactly() {
        let card: PriceCard = toml::from_str(CARD).unwrap();
        assert_eq!(card.storage.tiers[0].price, Decimal::new(2, 2));
    }
}
