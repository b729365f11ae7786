//! Secrets: named by environment variable, held in a type that cannot print itself.

use std::fmt;

/// A secret value. Neither `Debug` nor `Display` nor serde shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value read from the environment or a refresh command.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }
    /// The value, for signing only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}
