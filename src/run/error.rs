//! Why a run cannot start or go on.

use crate::config::ConfigError;
use crate::lab::LabError;
use crate::store::StoreError;
use crate::wire::AccessError;

/// Why a run cannot start or go on. A vendor's misbehaviour is data, never one of these.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file that a user wrote is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A vendor cannot be reached as configured.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The run directory cannot be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A server of ours cannot be started or stopped.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A combination of arguments that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// No vendor could be evaluated; each reason was said before.
    #[error("{0}")]
    NothingMeasured(String),
}

impl RunError {
    /// Whether the caller can mend it: wrong usage, configuration or reachability, as opposed to a failure of ours or of the disk.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Config(_) | Self::Access(_) | Self::Usage(_) | Self::NothingMeasured(_) | Self::Lab(_) => true,
            Self::Store(error) => !matches!(error, StoreError::Io { .. }),
        }
    }
}
