//! One error type for everything that is wrong in a file that a user wrote.

use std::fmt;
use std::path::PathBuf;

/// A file that is not valid: where, which field, what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// 1-based line, where it is known.
    pub line: Option<usize>,
    /// 1-based column, where it is known.
    pub column: Option<usize>,
    /// The field, dotted, where it is known.
    pub field: Option<String>,
    /// What is wrong, what was expected and what to do.
    pub message: String,
}

impl ConfigError {
    /// An error of the whole file.
    pub fn new(file: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self { file: file.into(), line: None, column: None, field: None, message: message.into() }
    }
    /// The same, of one field.
    pub fn field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        write!(f, ": ")?;
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        write!(f, "{}", self.message)
    }
}

/// The known name that is nearest to a misspelt one, if any is near enough to suggest.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.len() / 3).max(2);
    known.into_iter().map(|candidate| (edit_distance(name, candidate), candidate)).filter(|(distance, _)| *distance <= limit).min().map(|(_, c)| c)
}

fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_suggested_and_nothing_when_all_are_far() {
        let known = ["minio", "ceph", "versitygw"];
        assert_eq!(nearest("mino", known), Some("minio"));
        assert_eq!(nearest("versity-gw", known), Some("versitygw"));
        assert_eq!(nearest("azure-blob", known), None);
    }
}
