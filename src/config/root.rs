//! Where the project's folders are.

use std::path::{Path, PathBuf};

use super::ConfigError;

/// The directory that holds `vendors/`, `scenarios/` and `report-templates/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// A known root.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
    /// The nearest ancestor of `start` that holds the three folders.
    ///
    /// # Errors
    /// When there is none; the message says how to name one.
    pub fn find(start: &Path) -> Result<Self, ConfigError> {
        start
            .ancestors()
            .find(|path| ["vendors", "scenarios", "report-templates"].iter().all(|folder| path.join(folder).is_dir()))
            .map(|path| Self(path.to_owned()))
            .ok_or_else(|| ConfigError::new(start, "no vendors/, scenarios/ and report-templates/ here or above: name their directory with --root"))
    }
    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// `vendors/`.
    pub fn vendors(&self) -> PathBuf {
        self.0.join("vendors")
    }
    /// `scenarios/`.
    pub fn scenarios(&self) -> PathBuf {
        self.0.join("scenarios")
    }
    /// `report-templates/`.
    pub fn templates(&self) -> PathBuf {
        self.0.join("report-templates")
    }
    /// `suites/applications/`.
    pub fn applications(&self) -> PathBuf {
        self.suites().join("applications")
    }
    /// `suites/`.
    pub fn suites(&self) -> PathBuf {
        self.0.join("suites")
    }
}
