//! Quantities with their units: byte sizes, durations, money and moments, as they are written in TOML and printed.
//!
//! Every type parses from the text a person writes (`"8 MiB"`, `"500 ms"`) and refuses a bare number or a wrong unit.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not a quantity of the expected kind; the message says what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct QuantityError {
    text: String,
    expected: &'static str,
}

const BYTE_UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];
const BYTES_EXPECTED: &str = "a byte size such as \"8 MiB\" or \"8 MB\" (units: B, KiB, MiB, GiB, TiB, kB, MB, GB, TB)";

/// A number of bytes. Written `"8 MiB"` or `"8 MB"`; printed with the largest binary unit that divides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` KiB.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }
    /// `n` MiB.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
    /// As MiB, for rates and tables.
    pub fn as_mib(self) -> f64 {
        self.0 as f64 / (1u64 << 20) as f64
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, factor) =
            BYTE_UNITS[..5].iter().rev().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)).unwrap_or(&BYTE_UNITS[0]);
        write!(f, "{} {name}", self.0 / factor)
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError { text: text.to_owned(), expected: BYTES_EXPECTED };
        let (number, unit) = split_unit(text).ok_or_else(error)?;
        let factor = BYTE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?.1;
        let value = number.checked_mul(Decimal::from(factor)).ok_or_else(error)?;
        if !value.is_integer() {
            return Err(error());
        }
        u64::try_from(value).map(Bytes).map_err(|_| error())
    }
}

const TIME_UNITS: [(&str, u64); 6] =
    [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("min", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000)];
const TIME_EXPECTED: &str = "a duration such as \"5 s\" or \"250 ms\" (units: us, ms, s, min, h, d)";

/// A span of time. Written `"5 s"` or `"250 ms"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos() as u64;
        let (name, factor) = TIME_UNITS.iter().rev().find(|(_, factor)| nanos >= *factor && nanos.is_multiple_of(*factor)).unwrap_or(&TIME_UNITS[0]);
        write!(f, "{} {name}", nanos / factor)
    }
}

impl FromStr for Span {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let error = || QuantityError { text: text.to_owned(), expected: TIME_EXPECTED };
        let (number, unit) = split_unit(text).ok_or_else(error)?;
        let factor = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?.1;
        let nanos = number.checked_mul(Decimal::from(factor)).ok_or_else(error)?;
        u64::try_from(nanos.trunc()).map(|n| Span(Duration::from_nanos(n))).map_err(|_| error())
    }
}

fn split_unit(text: &str) -> Option<(Decimal, &str)> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number = Decimal::from_str(number).ok()?;
    (!number.is_sign_negative()).then_some((number, unit.trim()))
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
as_text!(Bytes);
as_text!(Span);

/// An amount of money in the currency of the price card it comes from. Decimal, never a float; rounded only when printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Money(pub Decimal);

impl Money {
    /// Nothing to pay.
    pub const ZERO: Money = Money(Decimal::ZERO);
    /// To the cent, half to even, as it is printed.
    pub fn to_cents(self) -> Decimal {
        self.0.round_dp(2)
    }
}

impl std::ops::Add for Money {
    type Output = Money;
    fn add(self, other: Money) -> Money {
        Money(self.0 + other.0)
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Money>>(items: I) -> Money {
        items.fold(Money::ZERO, |sum, item| sum + item)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.to_cents())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_sizes_are_read_and_printed_with_their_unit() {
        for (text, bytes, printed) in [("8 MiB", 8 << 20, "8 MiB"), ("8 MB", 8_000_000, "8000000 B"), ("0 B", 0, "0 B"), ("1.5 KiB", 1536, "1536 B")]
        {
            let parsed: Bytes = text.parse().unwrap();
            assert_eq!((parsed.0, parsed.to_string().as_str()), (bytes, printed), "{text}");
        }
    }

    #[test]
    fn a_wrong_unit_is_refused_with_the_units_that_exist() {
        for text in ["8", "8 mb", "8MiB", "-1 B", "0.5 B", "eight MiB", "8 s"] {
            let error = text.parse::<Bytes>().unwrap_err().to_string();
            assert!(error.contains("KiB") && error.contains(text), "{error}");
        }
        assert!("5 MiB".parse::<Span>().unwrap_err().to_string().contains("ms"));
    }

    #[test]
    fn spans_are_read_and_printed() {
        assert_eq!("250 ms".parse::<Span>().unwrap().0, Duration::from_millis(250));
        assert_eq!("1.5 s".parse::<Span>().unwrap().to_string(), "1500 ms");
    }
}
