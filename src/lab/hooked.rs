//! Vendors whose life a script controls: `SCRIPT install|up|ready|env|identify|kill|pause|resume|restart|pids|down`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::{Hook, LabError};
use crate::config::{Endpoint, Root, Vendor};
use crate::model::VendorId;

/// A vendor's lifecycle script. The script keeps its state (data, process ids, ports, keys) in the directory that it is told.
#[derive(Debug, Clone)]
pub struct Hooked {
    vendor: VendorId,
    script: PathBuf,
    state: PathBuf,
    hooks: Vec<String>,
    limit: Duration,
}

/// A lab vendor that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Whether this call started it (and so may stop it).
    pub by_us: bool,
    /// The environment variables that its vendor file names.
    pub environment: BTreeMap<String, String>,
}

impl Hooked {
    /// The script of a vendor, if its file names one. State is kept in `PROOFMARK_LAB_DIR` or `lab-data/` below the root.
    pub fn of(root: &Root, id: &VendorId, vendor: &Vendor) -> Option<Self> {
        let lifecycle = vendor.lifecycle.as_ref()?;
        let base = std::env::var_os("PROOFMARK_LAB_DIR").map_or_else(|| root.path().join("lab-data"), PathBuf::from);
        Some(Self {
            vendor: id.clone(),
            script: root.vendors().join(&lifecycle.script),
            state: base.join(id.as_str()),
            hooks: lifecycle.hooks.clone(),
            limit: lifecycle.limit.0,
        })
    }

    /// Whether the vendor file names the hook.
    pub fn has(&self, hook: Hook) -> bool {
        self.hooks.iter().any(|name| name == hook.name())
    }

    pub(super) async fn is_identified(&self) -> bool {
        self.run("identify", self.limit).await.is_ok_and(|output| output.trim() == self.vendor.as_str())
    }

    /// Whether the server answers now.
    pub async fn is_up(&self) -> bool {
        self.run("ready", Duration::from_secs(10)).await.is_ok()
    }

    /// Installs what the server needs; a no-op where it is there already. May take minutes the first time.
    ///
    /// # Errors
    /// When the script fails; its last lines say why.
    pub async fn install(&self) -> Result<(), LabError> {
        self.run("install", Duration::from_secs(1800)).await.map(drop)
    }

    /// Whether the endpoint is the one that the script's server listens on. A vendor file may point elsewhere through its environment
    /// variable; the hooks must then not be called.
    pub async fn serves(&self, endpoint: &Endpoint) -> bool {
        let url = endpoint.to_string();
        self.environment().await.is_ok_and(|variables| variables.values().any(|value| *value == url))
    }

    /// Starts the server unless it answers already; installs it first where needed.
    ///
    /// # Errors
    /// When the script fails or the server does not answer within the limit.
    pub async fn up(&self) -> Result<Started, LabError> {
        let by_us = !self.is_up().await;
        if by_us {
            self.install().await?;
            self.run("up", self.limit).await?;
        }
        Ok(Started { by_us, environment: self.environment().await? })
    }

    /// The environment variables to set, from the script's `export NAME=value` lines.
    ///
    /// # Errors
    /// When the server was never started.
    pub async fn environment(&self) -> Result<BTreeMap<String, String>, LabError> {
        let output = self.run("env", self.limit).await?;
        let pairs = output.lines().filter_map(|line| line.trim().strip_prefix("export ")?.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Stops the server and removes its data.
    ///
    /// # Errors
    /// When the script fails.
    pub async fn down(&self) -> Result<(), LabError> {
        self.run("down", self.limit).await.map(drop)
    }

    pub(super) async fn call(&self, hook: Hook) -> Result<(), LabError> {
        if !self.has(hook) {
            return Err(LabError::NoHook(hook.name()));
        }
        self.run(hook.name(), self.limit).await.map(drop)
    }

    pub(super) async fn wait_ready(&self) -> Result<(), LabError> {
        let ready = async {
            while !self.is_up().await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(self.limit, ready).await.map_err(|_| self.late("ready", self.limit))
    }

    fn late(&self, verb: &str, limit: Duration) -> LabError {
        LabError::Late { what: format!("{} {verb}", self.vendor), seconds: limit.as_secs(), hint: format!("logs are in {}", self.state.display()) }
    }

    async fn run(&self, verb: &str, limit: Duration) -> Result<String, LabError> {
        let what = || format!("{} {verb}", self.vendor);
        let log = self.log_file(verb).map_err(|error| LabError::failed(what(), error))?;
        let mut command = Command::new(&self.script);
        // The script's errors go to a file: a daemon that it starts may keep a pipe open for ever.
        command.arg(verb).env("PROOFMARK_LAB_STATE", &self.state).stdin(Stdio::null()).stderr(log.1).kill_on_drop(true);
        let output = tokio::time::timeout(limit, command.output()).await.map_err(|_| self.late(verb, limit))?;
        let output = output.map_err(|error| LabError::failed(format!("{} ({})", what(), self.script.display()), error))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let text = std::fs::read_to_string(&log.0).unwrap_or_default();
        let last: Vec<&str> = text.lines().rev().take(3).collect();
        let said = last.into_iter().rev().collect::<Vec<_>>().join(" | ");
        Err(LabError::failed(what(), format!("{}; {said}; the whole output is in {}", output.status, log.0.display())))
    }

    fn log_file(&self, verb: &str) -> std::io::Result<(PathBuf, std::fs::File)> {
        std::fs::create_dir_all(&self.state)?;
        let path = self.state.join(format!("{verb}.log"));
        let file = std::fs::File::create(&path)?;
        Ok((path, file))
    }
}
