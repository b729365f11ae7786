//! The life of a vendor's servers: start, wait until ready, kill, pause, resume, stop; the embedded server; lab scripts.
//!
//! The main type is [`Server`].

/// A server whose life this run may control, through the vendor's hooks or because it is our own child process.
#[derive(Debug)]
pub struct Server {}

/// What can be done to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// SIGKILL all its processes.
    Kill,
    /// Start again after a kill, on the same data and address.
    Restart,
    /// SIGSTOP.
    Pause,
    /// SIGCONT.
    Resume,
}

/// A hook that does not exist or did not work.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The vendor's file names no such hook: the scenario is untested.
    #[error("no hook {0}")]
    NoHook(&'static str),
    /// The hook ran and failed.
    #[error("{hook}: {message}")]
    Failed {
        /// Which.
        hook: String,
        /// Its output.
        message: String,
    },
}

impl Server {
    /// Whether the hook exists.
    pub fn has(&self, _hook: Hook) -> bool {
        false
    }
    /// Calls a hook and waits for it.
    ///
    /// # Errors
    /// When it does not exist or fails.
    pub async fn call(&self, _hook: Hook) -> Result<(), LabError> {
        unimplemented!("lab")
    }
    /// Waits until the server answers.
    ///
    /// # Errors
    /// When it does not within the vendor's limit.
    pub async fn wait_ready(&self) -> Result<(), LabError> {
        unimplemented!("lab")
    }
}
