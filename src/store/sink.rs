//! Appending to a run directory.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::Serialize;

use super::{RunHeader, StoreError, VendorRecord};
use crate::model::{CaseRecord, Crash, ScenarioRecord, Usage, VendorId};

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError + '_ {
    |source| StoreError::Io { path: path.to_owned(), source }
}

/// Writes a file whole or not at all: to a temporary name, synced, then renamed.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).map_err(io(&temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io(&temporary))?;
    std::fs::rename(&temporary, path).map_err(io(path))
}

/// Opens a file of lines to append to. A torn last line, which a killed run left, is cut off: appending to it would spoil the file.
fn append_whole_lines(path: &Path) -> std::io::Result<File> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if whole < bytes.len() {
        file.set_len(whole as u64)?;
    }
    Ok(file)
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("records hold only maps with text keys and finite numbers")
}

/// A run's directory.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Opens or creates the directory `path`.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let path = path.into();
        std::fs::create_dir_all(&path).map_err(io(&path))?;
        Ok(Self { path })
    }
    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
    /// Writes `run.json`.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write_header(&self, header: &RunHeader) -> Result<(), StoreError> {
        replace(&self.path.join("run.json"), &json(header))
    }
    /// The sink of one vendor; its directory is created.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn vendor(&self, vendor: &VendorId) -> Result<VendorSink, StoreError> {
        VendorSink::open(self.path.join(vendor.as_str()))
    }
}

/// A vendor's directory inside a run. Records are whole lines, written at once; appending is safe from several threads.
#[derive(Debug)]
pub struct VendorSink {
    path: PathBuf,
    cases: Mutex<File>,
    scenarios: Mutex<File>,
    usage: Mutex<File>,
    journal: Mutex<File>,
    resources: Mutex<File>,
    crashes: Mutex<File>,
}

impl VendorSink {
    fn open(path: PathBuf) -> Result<Self, StoreError> {
        let evidence = path.join("evidence");
        std::fs::create_dir_all(&evidence).map_err(io(&evidence))?;
        let append = |name: &str| {
            let file = path.join(name);
            append_whole_lines(&file).map(Mutex::new).map_err(io(&file))
        };
        Ok(Self {
            cases: append("cases.jsonl")?,
            scenarios: append("scenarios.jsonl")?,
            usage: append("usage.jsonl")?,
            journal: append("journal.jsonl")?,
            resources: append("resources.jsonl")?,
            crashes: append("crashes.jsonl")?,
            path,
        })
    }
    /// The vendor's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
    fn append<T: Serialize>(&self, file: &Mutex<File>, name: &str, record: &T) -> Result<(), StoreError> {
        let mut line = serde_json::to_vec(record).expect("records hold only maps with text keys and finite numbers");
        line.push(b'\n');
        let mut file = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&line).map_err(io(&self.path.join(name)))
    }
    /// Appends a case.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn case(&self, record: &CaseRecord) -> Result<(), StoreError> {
        self.append(&self.cases, "cases.jsonl", record)
    }
    /// Appends a scenario's repeat.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn scenario(&self, record: &ScenarioRecord) -> Result<(), StoreError> {
        self.append(&self.scenarios, "scenarios.jsonl", record)
    }
    /// Appends the use metered since the last call.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn usage(&self, delta: &Usage) -> Result<(), StoreError> {
        self.append(&self.usage, "usage.jsonl", delta)
    }
    /// Appends an entry of the ack journal.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn journal<T: Serialize>(&self, entry: &T) -> Result<(), StoreError> {
        self.append(&self.journal, "journal.jsonl", entry)
    }
    /// Appends a resource that is about to be created; call it before the request is sent.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn resource<T: Serialize>(&self, resource: &T) -> Result<(), StoreError> {
        self.append(&self.resources, "resources.jsonl", resource)
    }
    /// Appends what is known of a server that went down.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn crash(&self, crash: &Crash) -> Result<(), StoreError> {
        self.append(&self.crashes, "crashes.jsonl", crash)
    }
    /// Writes a transcript below `evidence/` and returns its path relative to the vendor's directory.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn evidence<T: Serialize>(&self, name: &str, transcript: &T) -> Result<String, StoreError> {
        let safe: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
        let relative = format!("evidence/{safe}.json");
        let path = self.path.join(&relative);
        std::fs::write(&path, json(transcript)).map_err(io(&path))?;
        Ok(relative)
    }
    /// Writes `vendor.json`.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn vendor(&self, record: &VendorRecord) -> Result<(), StoreError> {
        replace(&self.path.join("vendor.json"), &json(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_cut_off_before_anything_is_appended() {
        let directory = tempfile::tempdir().unwrap();
        let vendor = directory.path().join("acme");
        std::fs::create_dir_all(&vendor).unwrap();
        std::fs::write(vendor.join("usage.jsonl"), format!("{}\n{{\"requests\":", serde_json::to_string(&Usage::default()).unwrap())).unwrap();
        RunDir::create(directory.path()).unwrap().vendor(&"acme".into()).unwrap().usage(&Usage::default()).unwrap();
        let text = std::fs::read_to_string(vendor.join("usage.jsonl")).unwrap();
        assert_eq!(text.lines().filter(|line| serde_json::from_str::<Usage>(line).is_ok()).count(), 2);
    }
}
