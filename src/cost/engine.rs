//! Card and use -> cost sheet.

use std::num::NonZeroU64;

use rust_decimal::Decimal;

use super::class;
use super::month::{EarlyDelete, MonthlyUse, Stored};
use super::quantity::{average_gb, billable, bytes_per_gb, early_gb_months, in_storage_unit, object_factor, tier_text, tiered};
use super::sheet::{CostGroup, CostLine, CostSheet};
use crate::config::{CostWorkload, OverRatio, PriceCard, StorageUnit};
use crate::model::Usage;
use crate::units::Money;

/// Use that cannot be priced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CostError {
    /// The use has operations that no class of the card names: free ones need a class with price 0.
    #[error("price card {card}: no request class names {}: add them to `ops` of a class (price 0 where they are free)", operations.join(", "))]
    UnknownOperations {
        /// The card.
        card: String,
        /// All of them, sorted.
        operations: Vec<String>,
    },
    /// The card itself is wrong.
    #[error("price card {card}: {field}: {message}")]
    Card {
        /// The card.
        card: String,
        /// The field, dotted from the vendor file's top.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// The workload itself is wrong.
    #[error("{field}: {message}")]
    Workload {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A metered number that is not finite.
    #[error("metered {0} is not a finite number")]
    Metered(&'static str),
}

/// Prices a month of use.
///
/// # Errors
/// When the card is not valid, or no class of it names an operation of the use.
pub fn price(card: &PriceCard, use_: &MonthlyUse) -> Result<CostSheet, CostError> {
    card.validate().map_err(|(field, message)| CostError::Card { card: card.id.clone(), field, message })?;
    let operations = class::unknown(&use_.requests, &card.requests);
    if !operations.is_empty() {
        return Err(CostError::UnknownOperations { card: card.id.clone(), operations });
    }
    let stored_gb = average_gb(card, &use_.stored, use_.month_days);
    let mut lines = storage_lines(card, use_, stored_gb);
    lines.extend(class::lines(&use_.requests, &card.requests));
    let (egress, warning) = egress_line(card, use_.egress_gb, stored_gb);
    lines.extend(egress);
    lines.extend(fee("retrieval", use_.retrieval_gb, card.retrieval.per_gb));
    lines.extend(fee("upload", use_.upload_gb, card.retrieval.upload_per_gb));
    let mut sheet = CostSheet::new(card, lines);
    sheet.warnings.extend(warning);
    if card.currency == "USD" && stored_gb > Decimal::ZERO {
        sheet.usd_per_tb_month = Some(sheet.total.0 / stored_gb * Decimal::ONE_THOUSAND);
    }
    Ok(sheet)
}

/// Prices one workload on several cards.
///
/// # Errors
/// When the workload is not valid, or as [`price`], for the first card that has an error.
pub fn compare<'a>(cards: impl IntoIterator<Item = &'a PriceCard>, workload: &CostWorkload) -> Result<Vec<CostSheet>, CostError> {
    workload.validate().map_err(|(field, message)| CostError::Workload { field, message })?;
    cards.into_iter().map(|card| price(card, &MonthlyUse::from_workload(workload, card))).collect()
}

/// Prices the metered use of a run at the margin: as if the account's free allowances, monthly minimum and lower tiers were used up by
/// other work, nothing is rounded up, and all that was written was deleted at once. It is an upper bound of what the run adds to a bill.
///
/// # Errors
/// As [`price`].
pub fn price_usage(card: &PriceCard, usage: &Usage) -> Result<CostSheet, CostError> {
    let byte_hours = Decimal::try_from(usage.stored_byte_hours).map_err(|_| CostError::Metered("stored_byte_hours"))?;
    let gb = bytes_per_gb(card.gb);
    let upload_gb = Decimal::from(usage.upload_bytes) / gb;
    let download_gb = Decimal::from(usage.download_bytes) / gb;
    let use_ = MonthlyUse {
        stored: Stored::Metered { byte_hours, peak_bytes: usage.stored_bytes_peak },
        requests: usage.requests.clone(),
        egress_gb: download_gb,
        retrieval_gb: download_gb,
        upload_gb,
        deletes: vec![EarlyDelete { age_days: 0, gb: upload_gb }],
        ..MonthlyUse::default()
    };
    let mut sheet = price(&marginal(card), &use_)?;
    sheet.usd_per_tb_month = None;
    let ok: u64 = usage.requests.values().flat_map(|statuses| statuses.range(200..400)).map(|(_, count)| count).sum();
    let million = Decimal::from(1_000_000);
    sheet.requests_per_million_ok = NonZeroU64::new(ok).map(|ok| Money(sheet.group(CostGroup::Requests).0 / Decimal::from(ok.get()) * million));
    sheet
        .warnings
        .push("priced at the margin: no free allowance, no monthly minimum, nothing rounded up; all data out counted as internet egress".to_owned());
    if card.storage.min_duration_days > 0 {
        sheet.warnings.push(format!("each byte written is billed for the minimum of {} days", card.storage.min_duration_days));
    }
    Ok(sheet)
}

/// The card without what only a whole month has.
fn marginal(card: &PriceCard) -> PriceCard {
    let mut card = card.clone();
    card.storage.free = Decimal::ZERO;
    card.storage.round_up_to = Decimal::ZERO;
    card.storage.min_monthly_qty = Decimal::ZERO;
    for class in &mut card.requests {
        class.free = 0;
        class.round_up_to = 0;
    }
    card.egress.free_gb = Decimal::ZERO;
    card.egress.free_ratio_of_stored = Decimal::ZERO;
    card.egress.over_ratio = OverRatio::Price;
    card
}

fn storage_lines(card: &PriceCard, use_: &MonthlyUse, stored_gb: Decimal) -> Vec<CostLine> {
    let storage = &card.storage;
    let factor = object_factor(card, use_.object_bytes);
    let in_unit = |gb_months: Decimal| in_storage_unit(card, gb_months * factor, use_.month_days);
    let bill = |quantity: Decimal| billable(quantity, storage.free, storage.round_up_to);
    let active = in_unit(stored_gb);
    let with_early = bill(active + in_unit(early_gb_months(card, &use_.deletes)));
    let active = bill(active);
    let parts =
        [("storage", active, Decimal::ZERO), ("early deletion", with_early, active), ("monthly minimum", storage.min_monthly_qty, with_early)];
    let line = |(item, up_to, from): (&str, Decimal, Decimal)| CostLine {
        group: CostGroup::Storage,
        item: item.to_owned(),
        quantity: up_to - from,
        unit: unit_name(storage.unit).to_owned(),
        price: tier_text(&storage.tiers),
        amount: Money(tiered(up_to, &storage.tiers) - tiered(from, &storage.tiers)),
    };
    parts.into_iter().filter(|(item, up_to, from)| *item == "storage" || up_to > from).map(line).collect()
}

fn unit_name(unit: StorageUnit) -> &'static str {
    match unit {
        StorageUnit::GbMonth => "GB-month",
        StorageUnit::GibHour => "GiB-hour",
        StorageUnit::TbMonth => "TB-month",
    }
}

/// The line for data out, and a warning where the card does not sell what is used.
fn egress_line(card: &PriceCard, egress_gb: Decimal, stored_gb: Decimal) -> (Option<CostLine>, Option<String>) {
    if egress_gb.is_zero() {
        return (None, None);
    }
    let free = card.egress.free_gb.max(card.egress.free_ratio_of_stored * stored_gb);
    let over = billable(egress_gb, free, Decimal::ZERO);
    let violates = over > Decimal::ZERO && card.egress.over_ratio == OverRatio::PolicyViolation;
    let warning = violates.then(|| {
        format!(
            "policy violation: {} GB out is {} GB more than the vendor's policy allows; it is not priced and service may be limited",
            egress_gb.normalize(),
            over.normalize()
        )
    });
    let billed = if violates { Decimal::ZERO } else { over };
    let line = CostLine {
        group: CostGroup::Egress,
        item: "egress".to_owned(),
        quantity: billed,
        unit: "GB".to_owned(),
        price: tier_text(&card.egress.tiers),
        amount: Money(tiered(billed, &card.egress.tiers)),
    };
    (Some(line), warning)
}

fn fee(item: &str, quantity: Decimal, per_gb: Decimal) -> Option<CostLine> {
    (!per_gb.is_zero() && !quantity.is_zero()).then(|| CostLine {
        group: CostGroup::Transfer,
        item: item.to_owned(),
        quantity,
        unit: "GB".to_owned(),
        price: per_gb.to_string(),
        amount: Money(quantity * per_gb),
    })
}
