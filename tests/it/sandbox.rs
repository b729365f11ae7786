//! A project root of its own for a test: the repository's folders, with other vendors and profiles laid over them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A copy of the folders that `proofmark --root` reads, and where its runs go.
pub struct Sandbox {
    directory: TempDir,
    environment: BTreeMap<String, String>,
}

impl Sandbox {
    pub fn new() -> Self {
        let directory = TempDir::new().unwrap();
        for folder in ["vendors", "scenarios", "report-templates", "suites/applications"] {
            copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &directory.path().join(folder));
        }
        Self { directory, environment: BTreeMap::new() }
    }

    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file below the root.
    pub fn write(&self, file: &str, text: &str) {
        let path = self.root().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes a vendor that is another vendor's file with text added.
    pub fn vendor_like(&self, id: &str, other: &str, added: &str) {
        let text = std::fs::read_to_string(self.root().join(format!("vendors/{other}.toml"))).unwrap();
        self.write(&format!("vendors/{id}.toml"), &format!("{text}\n{added}\n"));
    }

    /// Sets an environment variable for every later command.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofmark"));
        command.arg("--root").arg(self.root()).args(arguments).envs(&self.environment).stdin(Stdio::null()).current_dir(self.root());
        command
    }

    pub fn proofmark(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// `proofmark run` with these arguments; panics with the whole output where it ends with another exit code than one of `codes`.
    pub fn run(&self, arguments: &[&str], codes: &[i32]) -> Evaluation {
        let runs = TempDir::new_in(self.root()).unwrap().keep();
        let mut all = vec!["run", "--out", runs.to_str().unwrap()];
        all.extend(arguments);
        let output = self.proofmark(&all);
        let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.code().is_some_and(|code| codes.contains(&code)), "{arguments:?}: {:?}\n{text}", output.status);
        let mut entries: Vec<PathBuf> = std::fs::read_dir(&runs).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(entries.len(), 1, "one run directory\n{text}");
        Evaluation { directory: entries.remove(0) }
    }
}

/// What `proofmark run` left.
pub struct Evaluation {
    pub directory: PathBuf,
}

/// A line of `results.csv` by column name.
pub type Row = BTreeMap<String, String>;

impl Evaluation {
    pub fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.directory.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
    }

    pub fn csv(&self, file: &str) -> Vec<Row> {
        let text = self.read(file);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        reader.deserialize().map(|row| row.unwrap()).collect()
    }

    /// The verdicts of the cases of one vendor, from the records.
    pub fn verdicts(&self, vendor: &str) -> BTreeMap<String, String> {
        let records = self.read(&format!("{vendor}/cases.jsonl"));
        let records = records.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        records.map(|record| (text(&record["case"]["id"]), text(&record["verdict"]))).collect()
    }

    /// The gates of the scenarios of one vendor: `<code> <gate>` -> verdict, the worst of several cells.
    pub fn gates(&self, vendor: &str) -> BTreeMap<String, String> {
        let mut gates: BTreeMap<String, String> = BTreeMap::new();
        for line in self.read(&format!("{vendor}/scenarios.jsonl")).lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            for gate in record["gates"].as_array().unwrap() {
                let name = format!("{} {}", text(&record["code"]), text(&gate["name"]));
                let verdict = text(&gate["verdict"]);
                let worst = gates.entry(name).or_insert_with(|| verdict.clone());
                if verdict == "not_met" {
                    *worst = verdict;
                }
            }
        }
        gates
    }
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            // Copies the permissions too: the lab scripts stay executable.
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
