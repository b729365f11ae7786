//! The life of a vendor's servers: start, wait until ready, kill, pause, resume, stop.
//!
//! The main type is [`Server`]: the [`Embedded`] server (a child process of this binary) or a [`Hooked`] one (a script below
//! `vendors/`). Invariant: only what this run started is stopped by it, and nothing is harmed whose hook does not echo the vendor's id.

mod embedded;
mod hooked;

pub use embedded::{Embedded, remove_data, serve_main};
pub use hooked::{Hooked, Started};

/// A server whose life this run may control.
#[derive(Debug)]
pub enum Server {
    /// Our own child process.
    Embedded(Embedded),
    /// A script of the vendor's file.
    Hooked(Hooked),
}

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

impl Hook {
    /// The verb of the script and the word in the vendor file's `hooks`.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Kill => "kill",
            Hook::Restart => "restart",
            Hook::Pause => "pause",
            Hook::Resume => "resume",
        }
    }
}

/// A hook that does not exist or did not work.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The vendor's file names no such hook: what needs it is untested.
    #[error("no hook: the vendor file's lifecycle.hooks does not name {0:?}")]
    NoHook(&'static str),
    /// The script or process failed.
    #[error("{what}: {message}")]
    Failed {
        /// Vendor and verb.
        what: String,
        /// What it said.
        message: String,
    },
    /// It did not end, or did not answer, in time.
    #[error("{what}: no success within {seconds} s; {hint}")]
    Late {
        /// Vendor and verb.
        what: String,
        /// The limit.
        seconds: u64,
        /// Where to look.
        hint: String,
    },
}

impl LabError {
    fn failed(what: impl Into<String>, message: impl std::fmt::Display) -> Self {
        Self::Failed { what: what.into(), message: message.to_string() }
    }
}

impl Server {
    /// Whether the hook exists.
    pub fn has(&self, hook: Hook) -> bool {
        match self {
            Server::Embedded(_) => true,
            Server::Hooked(hooked) => hooked.has(hook),
        }
    }
    /// Whether the server is the one that the vendor file means: our own child, or a script that echoes the vendor's id.
    pub async fn is_identified(&self) -> bool {
        match self {
            Server::Embedded(_) => true,
            Server::Hooked(hooked) => hooked.is_identified().await,
        }
    }
    /// Calls a hook and waits for it.
    ///
    /// # Errors
    /// When it does not exist or fails.
    pub async fn call(&self, hook: Hook) -> Result<(), LabError> {
        match self {
            Server::Embedded(embedded) => embedded.call(hook).await,
            Server::Hooked(hooked) => hooked.call(hook).await,
        }
    }
    /// Waits until the server answers.
    ///
    /// # Errors
    /// When it does not within the vendor's limit.
    pub async fn wait_ready(&self) -> Result<(), LabError> {
        match self {
            Server::Embedded(embedded) => embedded.wait_ready().await,
            Server::Hooked(hooked) => hooked.wait_ready().await,
        }
    }
}
