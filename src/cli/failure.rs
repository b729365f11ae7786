//! Why a command ended without doing its work, and the exit code that says so.

use std::fmt;
use std::io::ErrorKind;

use crate::config::ConfigError;
use crate::report::ReportError;
use crate::run::RunError;
use crate::store::StoreError;

/// One clear sentence and an exit code.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// Exit code 1: something of ours, or of this machine, did not work.
    pub fn internal(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }
    /// Exit code 2: wrong usage or configuration; the caller can mend it.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: 2, message: message.into() }
    }
    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Io { source, .. } if [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge].contains(&source.kind()) => {
                Self::internal(format!("{error}: make room and go on with `proofmark run --resume`"))
            }
            StoreError::Io { source, .. } if source.kind() != ErrorKind::NotFound => Self::internal(error.to_string()),
            _ => Self::usage(error.to_string()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            error if error.is_usage() => Self::usage(error.to_string()),
            error => Self::internal(error.to_string()),
        }
    }
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Io { .. } => Self::internal(error.to_string()),
            ReportError::NoRun | ReportError::Template { .. } => Self::usage(error.to_string()),
        }
    }
}
