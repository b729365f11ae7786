//! Credentials that a command prints and that expire.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::Credentials;
use crate::config::Secret;

const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// What the command prints.
#[derive(Deserialize)]
struct Printed {
    access_key_id: String,
    secret_access_key: String,
    #[serde(default)]
    session_token: Option<String>,
    #[serde(default)]
    expiration: Option<Timestamp>,
}

#[derive(Debug)]
struct Held {
    credentials: Credentials,
    renew_at: Option<Timestamp>,
}

/// Runs a command for credentials, and again before they expire.
#[derive(Debug)]
pub(crate) struct Refresher {
    command: Vec<String>,
    directory: PathBuf,
    held: Mutex<Held>,
}

impl Refresher {
    /// Runs the command once.
    pub(crate) fn start(command: Vec<String>, directory: PathBuf) -> Result<(Credentials, Self), String> {
        let held = fetch(&command, &directory)?;
        Ok((held.credentials.clone(), Self { command, directory, held: Mutex::new(held) }))
    }
    /// Credentials that are valid now.
    pub(crate) async fn current(&self) -> Result<Credentials, String> {
        let mut held = self.held.lock().await;
        if held.renew_at.is_some_and(|at| Timestamp::now() >= at) {
            let (command, directory) = (self.command.clone(), self.directory.clone());
            let fetched = tokio::task::spawn_blocking(move || fetch(&command, &directory)).await;
            *held = fetched.map_err(|error| error.to_string())??;
        }
        Ok(held.credentials.clone())
    }
}

/// Runs the command. Its output is never part of a message: it holds secrets.
fn fetch(command: &[String], directory: &Path) -> Result<Held, String> {
    let (program, arguments) = command.split_first().ok_or("the argument list is empty")?;
    let started = Instant::now();
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut pipe = child.stdout.take().expect("stdout was piped");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text)
    });
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|error| error.to_string())? {
            break status;
        }
        if started.elapsed() > COMMAND_LIMIT {
            // It is too late for its answer, whatever becomes of it.
            let _ = child.kill().and_then(|()| child.wait());
            return Err(format!("{program}: not done within {COMMAND_LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if !status.success() {
        return Err(format!("{program}: {status}"));
    }
    let text = reader.join().map_err(|_| format!("{program}: its output cannot be read"))?.map_err(|error| format!("{program}: {error}"))?;
    let printed: Printed = serde_json::from_str(&text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        format!("{program}: expected JSON with access_key_id, secret_access_key, session_token and expiration (RFC 3339): {place}")
    })?;
    let credentials = Credentials {
        access_key: Secret::new(printed.access_key_id),
        secret_key: Secret::new(printed.secret_access_key),
        session_token: printed.session_token.map(Secret::new),
    };
    Ok(Held { credentials, renew_at: printed.expiration.map(renewal) })
}

/// After four fifths of the lifetime: requests that are under way keep valid keys.
fn renewal(expiration: Timestamp) -> Timestamp {
    let now = Timestamp::now();
    let lifetime = expiration.duration_since(now);
    now + lifetime * 4 / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(directory: &Path, seconds: i64) -> Vec<String> {
        let expiration = Timestamp::now() + Duration::from_secs(seconds.unsigned_abs());
        let script = format!(
            "echo x >> calls; printf '{{\"access_key_id\":\"key-%s\",\"secret_access_key\":\"s\",\"expiration\":\"{expiration}\"}}' $(wc -l < calls)"
        );
        let _ = directory;
        vec!["sh".to_owned(), "-c".to_owned(), script]
    }

    #[tokio::test]
    async fn the_command_runs_again_before_the_credentials_expire_and_not_earlier() {
        let directory = tempfile::tempdir().unwrap();
        let (first, long) = Refresher::start(command(directory.path(), 3600), directory.path().to_owned()).unwrap();
        assert_eq!(first.access_key.expose(), "key-1");
        assert_eq!(long.current().await.unwrap().access_key.expose(), "key-1");
        let (_, short) = Refresher::start(command(directory.path(), 0), directory.path().to_owned()).unwrap();
        assert_eq!(short.current().await.unwrap().access_key.expose(), "key-3");
    }

    #[test]
    fn a_command_that_fails_or_prints_something_else_is_an_error_without_its_output() {
        let directory = std::env::temp_dir();
        let run = |script: &str| Refresher::start(vec!["sh".into(), "-c".into(), script.into()], directory.clone()).unwrap_err();
        assert!(run("echo top-secret; exit 3").contains("exit status: 3"));
        let error = run("echo top-secret");
        assert!(error.contains("access_key_id") && !error.contains("top-secret"), "{error}");
        assert!(Refresher::start(vec!["/does/not/exist".into()], directory.clone()).is_err());
    }
}
