//! How numbers are printed: one place, so that HTML and CSV show the same digits.

use rust_decimal::Decimal;

/// A measured number with four significant digits, whole numbers in full, no exponent and no grouping; empty for what is not a number.
pub fn number(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = (3 - magnitude).clamp(0, 12) as usize;
    let text = format!("{value:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    let trimmed = text.trim_end_matches('0').trim_end_matches('.');
    if trimmed == "-0" { "0".to_owned() } else { trimmed.to_owned() }
}

/// The same of a value that may be missing: a missing one is empty, never 0.
pub fn optional(value: Option<f64>) -> String {
    value.map(number).unwrap_or_default()
}

/// A share or score of 0 to 1 as 0 to 100 with one decimal.
pub fn score(value: f64) -> String {
    format!("{:.1}", (value * 100.0).clamp(0.0, 100.0))
}

/// A share of 0 to 1 in whole percent; rounded down, so that 100 means all of it.
pub fn percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0 + 1e-9).floor())
}

/// Money to the cent; amounts below a cent keep two significant digits.
pub fn money(amount: Decimal) -> String {
    let cents = amount.round_dp(2);
    if cents.is_zero() && !amount.is_zero() {
        return amount.round_sf(2).unwrap_or(amount).normalize().to_string();
    }
    format!("{cents:.2}")
}

/// A number of bytes in the largest binary unit that keeps it above one.
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = (bytes.max(1).ilog2() / 10).min(4);
    format!("{} {}", number(bytes as f64 / f64::from(1u32 << (10 * power.min(3))) / if power == 4 { 1024.0 } else { 1.0 }), units[power as usize])
}

/// Text cut to `limit` characters, with an ellipsis where something is missing.
pub fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_four_significant_digits_and_whole_numbers_all() {
        for (value, text) in [
            (0.0, "0"),
            (1234.56, "1235"),
            (123.456, "123.5"),
            (1.5, "1.5"),
            (0.012345, "0.01235"),
            (-2.0, "-2"),
            (123_456_789.0, "123456789"),
            (99.999, "100"),
            (f64::NAN, ""),
        ] {
            assert_eq!(number(value), text);
        }
        assert_eq!(optional(None), "");
    }

    #[test]
    fn small_money_is_not_rounded_to_nothing() {
        assert_eq!(money("0.000414".parse().unwrap()), "0.00041");
        assert_eq!(money("1572.745".parse().unwrap()), "1572.74");
        assert_eq!(money("0".parse().unwrap()), "0.00");
    }

    #[test]
    fn sizes_take_the_unit_that_people_use() {
        assert_eq!((bytes(0).as_str(), bytes(1536).as_str(), bytes(3 << 40).as_str()), ("0 B", "1.5 KiB", "3 TiB"));
    }

    #[test]
    fn almost_complete_is_not_shown_as_complete() {
        assert_eq!((percent(0.999).as_str(), percent(1.0).as_str()), ("99 %", "100 %"));
    }
}
