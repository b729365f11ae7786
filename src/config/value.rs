//! Checks of single values while they are read, so that an error names the line of the value.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::units::Span;

/// An error that says what was expected.
pub(super) fn refuse<E: serde::de::Error>(expected: &str) -> E {
    E::custom(format!("expected {expected}"))
}

/// A number, size or time above 0.
pub(super) fn positive<'de, D: Deserializer<'de>, T: Deserialize<'de> + PartialEq + Default>(input: D) -> Result<T, D::Error> {
    let number = T::deserialize(input)?;
    if number == T::default() { Err(refuse("a number above 0")) } else { Ok(number) }
}

/// A list that is not empty.
pub(super) fn filled<'de, D: Deserializer<'de>, T: Deserialize<'de>>(input: D) -> Result<Vec<T>, D::Error> {
    let values = Vec::deserialize(input)?;
    if values.is_empty() { Err(refuse("at least one value")) } else { Ok(values) }
}

/// A list of numbers above 0 that is not empty.
pub(super) fn positives<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<u32>, D::Error> {
    let values: Vec<u32> = filled(input)?;
    if values.contains(&0) { Err(refuse("numbers above 0")) } else { Ok(values) }
}

/// A time that something can be measured in.
pub(super) fn lasting<'de, D: Deserializer<'de>>(input: D) -> Result<Span, D::Error> {
    let span = Span::deserialize(input)?;
    if span.0 < Duration::from_millis(100) { Err(refuse("a measured time of at least \"100 ms\"")) } else { Ok(span) }
}
