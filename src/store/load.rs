//! Loading a run directory.

use std::path::Path;

use serde::de::DeserializeOwned;

use super::{FORMAT, Run, RunHeader, StoreError, VendorRecord, VendorRun};
use crate::model::Usage;

/// Loads a run, also one that was killed half way: a torn last line of a `.jsonl` file is left out.
///
/// # Errors
/// When a file is missing or unreadable, has another format, or was written by a newer proofmark.
pub fn load(directory: &Path) -> Result<Run, StoreError> {
    let header: RunHeader = read_header(&directory.join("run.json"))?;
    let mut vendors = Vec::new();
    for planned in &header.plan.vendors {
        let folder = directory.join(planned.vendor.as_str());
        if !folder.join("vendor.json").exists() {
            continue;
        }
        let record: VendorRecord = read_json(&folder.join("vendor.json"))?;
        let mut usage = Usage::default();
        for delta in read_lines::<Usage>(&folder.join("usage.jsonl"))? {
            usage.add(&delta);
        }
        vendors.push(VendorRun {
            record,
            cases: read_lines(&folder.join("cases.jsonl"))?,
            scenarios: read_lines(&folder.join("scenarios.jsonl"))?,
            usage,
            crashes: match folder.join("crashes.jsonl") {
                // Runs of earlier versions have none.
                file if file.exists() => read_lines(&file)?,
                _ => Vec::new(),
            },
        });
    }
    Ok(Run { header, vendors })
}

fn read(path: &Path) -> Result<String, StoreError> {
    std::fs::read_to_string(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

fn format_error(path: &Path, line: usize, error: &serde_json::Error) -> StoreError {
    StoreError::Format { path: path.to_owned(), line, message: error.to_string() }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    serde_json::from_str(&read(path)?).map_err(|error| format_error(path, error.line(), &error))
}

fn read_header(path: &Path) -> Result<RunHeader, StoreError> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: u32,
    }
    let version: Version = read_json(path)?;
    if version.format > FORMAT {
        return Err(StoreError::Newer { path: path.to_owned(), found: version.format });
    }
    read_json(path)
}

fn read_lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, StoreError> {
    let text = read(path)?;
    let mut records = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            Err(_) if !line.ends_with('\n') => break,
            Err(error) => return Err(format_error(path, index + 1, &error)),
        }
    }
    Ok(records)
}
