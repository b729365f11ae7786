//! A copy of the project's folders to break, and the command line to run on it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

/// A throwaway root with the project's vendors, scenarios and templates.
pub struct Site {
    root: TempDir,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

impl Site {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let project = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["vendors", "scenarios", "report-templates", "suites/applications"] {
            copy(&project.join(folder), &root.path().join(folder));
        }
        Self { root }
    }
    pub fn path(&self, file: &str) -> PathBuf {
        self.root.path().join(file)
    }
    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path(file), text).unwrap();
    }
    /// A vendor whose keys stand in `ACME_ACCESS_KEY` and `ACME_SECRET_KEY`.
    pub fn acme(&self, endpoint: &str) {
        self.write("vendors/acme.toml", &acme(endpoint));
    }
    /// A profile that is over in seconds: one suite, no scenario.
    pub fn quick_profile(&self, suites: &str) {
        let demo = std::fs::read_to_string(self.path("scenarios/profiles/demo.toml")).unwrap();
        let (head, tail) = (demo.split("vendors =").next().unwrap(), &demo[demo.find("repeats =").unwrap()..]);
        let tail = tail.split("[[curve]]").next().unwrap();
        self.write(
            "scenarios/profiles/quick.toml",
            &format!("{head}vendors = [\"embedded\"]\nsuites = {suites}\nlevels = [\"core\"]\nscenarios = []\n{tail}"),
        );
    }
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_proofmark"));
        command.arg("--root").arg(self.root.path()).args(args).current_dir(self.root.path()).stdin(Stdio::null());
        command.env_remove("ACME_ACCESS_KEY").env_remove("ACME_SECRET_KEY");
        command
    }
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }
    /// The same with the keys of the vendor `acme`.
    pub fn run_as(&self, key: &str, secret: &str, args: &[&str]) -> Ran {
        Ran::of(self.command(args).env("ACME_ACCESS_KEY", key).env("ACME_SECRET_KEY", secret).output().unwrap())
    }
    /// The directory of the only run.
    pub fn only_run(&self) -> PathBuf {
        let mut runs: Vec<PathBuf> = std::fs::read_dir(self.path("runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(runs.len(), 1, "{runs:?}");
        runs.remove(0)
    }
}

pub fn acme(endpoint: &str) -> String {
    format!(
        "title = \"Acme\"\ndeployment = \"managed\"\nendpoints = [\"{endpoint}\"]\n\n[credentials]\n\
         access_key_env = \"ACME_ACCESS_KEY\"\nsecret_key_env = \"ACME_SECRET_KEY\"\n"
    )
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
    /// Asserts exit code 2 and one line on standard error that holds all `parts`.
    #[track_caller]
    pub fn is_refused(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(2), "{self:?}");
        assert_eq!(self.err.lines().count(), 1, "{self:?}");
        assert!(self.err.starts_with("error: "), "{self:?}");
        self.says(parts);
    }
    #[track_caller]
    pub fn says(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.err.contains(part), "{part:?} is not in {self:?}");
        }
    }
}

/// A listener that counts connections and answers each request with the same bytes.
pub struct Listener {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Listener {
    pub fn answering(answer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = connections.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = std::io::Read::read(&mut stream, &mut request);
                let _ = std::io::Write::write_all(&mut stream, answer.as_bytes());
            }
        });
        Self { address, connections }
    }
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// The embedded server alone, with known keys; it ends with its standard input.
pub struct Embedded {
    child: Child,
    pub url: String,
    _data: TempDir,
}

impl Embedded {
    pub fn start(key: &str, secret: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_proofmark"))
            .args(["serve-embedded", "--listen", "127.0.0.1:0", "--data"])
            .arg(data.path())
            .env("PROOFMARK_EMBEDDED_ACCESS_KEY", key)
            .env("PROOFMARK_EMBEDDED_SECRET_KEY", secret)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        Self { child, url: format!("http://{}", line.trim()), _data: data }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// Every file below a directory.
pub fn files_below(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
