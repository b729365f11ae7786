//! Quantities as a card counts them: bytes of a GB, hours of a month, GB-months, billed objects, tiers.

use rust_decimal::Decimal;

use super::month::{EarlyDelete, Stored, StoredSpan};
use crate::config::{Averaging, Gigabyte, Month, PriceCard, StorageUnit, Tier};

const HOURS_PER_DAY: u32 = 24;
/// Minimum durations are billed in months of 30 days by every card known to us.
pub(super) const DAYS_PER_MONTH: u32 = 30;
/// Digits kept before rounding up, so that 166.66… + 833.33… is 1000 and not one unit more.
const ROUNDING_DIGITS: u32 = 12;

pub(super) fn bytes_per_gb(gb: Gigabyte) -> Decimal {
    Decimal::from(match gb {
        Gigabyte::Decimal => 1_000_000_000_u64,
        Gigabyte::Binary => 1 << 30,
    })
}

fn month_hours(month: Month, calendar_days: u32) -> Decimal {
    Decimal::from(match month {
        Month::Hours730 => 730,
        Month::Days30 => DAYS_PER_MONTH * HOURS_PER_DAY,
        Month::Calendar => calendar_days * HOURS_PER_DAY,
    })
}

/// Mean stored amount in GB, by the card's averaging.
pub(super) fn average_gb(card: &PriceCard, stored: &Stored, calendar_days: u32) -> Decimal {
    let hours = month_hours(card.month, calendar_days);
    let days = hours / Decimal::from(HOURS_PER_DAY);
    let gb = bytes_per_gb(card.gb);
    match (stored, card.storage.averaging) {
        (Stored::Level(level), _) => *level,
        (Stored::Course(spans), Averaging::ByteHours) => spans.iter().map(|span| span.gb * Decimal::from(span.hours)).sum::<Decimal>() / hours,
        (Stored::Course(spans), Averaging::DailyPeak) => daily_peaks(spans).into_iter().sum::<Decimal>() / days,
        (Stored::Metered { byte_hours, .. }, Averaging::ByteHours) => byte_hours / gb / hours,
        (Stored::Metered { peak_bytes, .. }, Averaging::DailyPeak) => Decimal::from(*peak_bytes) / gb / days,
    }
}

/// The highest amount of each day that the course touches.
fn daily_peaks(spans: &[StoredSpan]) -> Vec<Decimal> {
    let mut peaks: Vec<Decimal> = Vec::new();
    let mut start = 0;
    for span in spans.iter().filter(|span| span.hours > 0) {
        let end = start + span.hours;
        for day in start / HOURS_PER_DAY..end.div_ceil(HOURS_PER_DAY) {
            let day = day as usize;
            peaks.resize(peaks.len().max(day + 1), Decimal::ZERO);
            peaks[day] = peaks[day].max(span.gb);
        }
        start = end;
    }
    peaks
}

/// Billed bytes over stored bytes: minimum object size and overhead.
pub(super) fn object_factor(card: &PriceCard, object_bytes: Option<u64>) -> Decimal {
    let Some(size) = object_bytes.filter(|size| *size > 0) else { return Decimal::ONE };
    let billed = size.max(card.storage.min_object_bytes) + card.storage.object_overhead_bytes;
    Decimal::from(billed) / Decimal::from(size)
}

/// GB-months in the card's storage unit.
pub(super) fn in_storage_unit(card: &PriceCard, gb_months: Decimal, calendar_days: u32) -> Decimal {
    match card.storage.unit {
        StorageUnit::GbMonth => gb_months,
        StorageUnit::GibHour => gb_months * month_hours(card.month, calendar_days),
        StorageUnit::TbMonth => gb_months / Decimal::from(gb_per_tb(card.gb)),
    }
}

fn gb_per_tb(gb: Gigabyte) -> u32 {
    match gb {
        Gigabyte::Decimal => 1000,
        Gigabyte::Binary => 1024,
    }
}

/// GB-months that are billed because data was deleted before the card's minimum duration.
pub(super) fn early_gb_months(card: &PriceCard, deletes: &[EarlyDelete]) -> Decimal {
    let least = card.storage.min_duration_days;
    deletes.iter().map(|delete| delete.gb * Decimal::from(least.saturating_sub(delete.age_days)) / Decimal::from(DAYS_PER_MONTH)).sum()
}

/// What is billed of a quantity: the allowance off, then up to a multiple of `step` (0 = as it is).
pub(super) fn billable(quantity: Decimal, free: Decimal, step: Decimal) -> Decimal {
    let over = (quantity - free).max(Decimal::ZERO);
    if step.is_zero() { over } else { (over / step).round_dp(ROUNDING_DIGITS).ceil() * step }
}

/// Price of a quantity through its tiers.
pub(super) fn tiered(quantity: Decimal, tiers: &[Tier]) -> Decimal {
    let mut start = Decimal::ZERO;
    let mut sum = Decimal::ZERO;
    for tier in tiers {
        let end = tier.up_to.map_or(quantity, |end| end.min(quantity));
        sum += (end - start).max(Decimal::ZERO) * tier.price;
        start = tier.up_to.unwrap_or(quantity);
    }
    sum
}

/// The tiers as text: `0.023 up to 51200, then 0.022`.
pub(super) fn tier_text(tiers: &[Tier]) -> String {
    let texts: Vec<String> = tiers
        .iter()
        .map(|tier| match tier.up_to {
            Some(end) => format!("{} up to {end}", tier.price),
            None => tier.price.to_string(),
        })
        .collect();
    texts.join(", then ")
}
