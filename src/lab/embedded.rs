//! The embedded vendor: s3s-fs over a temporary directory, served by a child process of this binary.
//!
//! A child process, so that client CPU is the client's and the server can be killed and paused like any other. It ends when its
//! standard input closes: a killed parent leaves nothing behind.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustix::process::{Pid, Signal, kill_process};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::{Hook, LabError};
use crate::config::{Endpoint, Secret};

const ACCESS_KEY_ENV: &str = "PROOFMARK_EMBEDDED_ACCESS_KEY";
const SECRET_KEY_ENV: &str = "PROOFMARK_EMBEDDED_SECRET_KEY";
const START_LIMIT: Duration = Duration::from_secs(20);
/// Threads that remove the data.
const REMOVERS: usize = 8;

/// A running embedded server. Dropping it kills the child; its data directory goes with it.
#[derive(Debug)]
pub struct Embedded {
    child: Mutex<Option<Child>>,
    address: SocketAddr,
    data: PathBuf,
    access_key: String,
    secret_key: Secret,
}

impl Embedded {
    /// Starts the server on a free loopback port with its data below `data`, which is created and, at the end, removed.
    ///
    /// # Errors
    /// When the child cannot be started or does not answer.
    pub async fn start(data: &Path, access_key: &str, secret_key: &Secret) -> Result<Self, LabError> {
        std::fs::create_dir_all(data).map_err(|error| LabError::failed(data.display().to_string(), error))?;
        let data = data.canonicalize().map_err(|error| LabError::failed(data.display().to_string(), error))?;
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let (child, address) = spawn(&data, free, access_key, secret_key).await?;
        Ok(Self { child: Mutex::new(Some(child)), address, data, access_key: access_key.to_owned(), secret_key: secret_key.clone() })
    }

    /// Where it listens.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { tls: false, host: self.address.ip().to_string(), port: self.address.port() }
    }

    fn pid(&self) -> Option<Pid> {
        let child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        child.as_ref().and_then(Child::id).and_then(|id| Pid::from_raw(id.cast_signed()))
    }

    fn signal(&self, hook: Hook, signal: Signal) -> Result<(), LabError> {
        let what = || format!("embedded {}", hook.name());
        let pid = self.pid().ok_or_else(|| LabError::failed(what(), "the server is not running"))?;
        kill_process(pid, signal).map_err(|error| LabError::failed(what(), error))
    }

    pub(super) async fn call(&self, hook: Hook) -> Result<(), LabError> {
        match hook {
            Hook::Pause => self.signal(hook, Signal::STOP),
            Hook::Resume => self.signal(hook, Signal::CONT),
            Hook::Kill => {
                self.signal(hook, Signal::KILL)?;
                let child = self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
                if let Some(mut child) = child {
                    child.wait().await.map_err(|error| LabError::failed("embedded kill", error))?;
                }
                Ok(())
            }
            Hook::Restart => {
                let (child, _) = spawn(&self.data, self.address, &self.access_key, &self.secret_key).await?;
                *self.child.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(child);
                Ok(())
            }
        }
    }

    pub(super) async fn wait_ready(&self) -> Result<(), LabError> {
        let connected = async {
            while TcpStream::connect(self.address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(START_LIMIT, connected).await.map_err(|_| LabError::Late {
            what: "embedded".to_owned(),
            seconds: START_LIMIT.as_secs(),
            hint: format!("nothing listens on {}", self.address),
        })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = remove_data(&self.data);
    }
}

/// Removes the server's data, several files at a time: where the file system gives freed blocks back to the disk at once, each file waits for it.
///
/// # Errors
/// When something is left, or there was nothing.
pub fn remove_data(data: &Path) -> std::io::Result<()> {
    let entries: Vec<std::fs::DirEntry> = std::fs::read_dir(data)?.filter_map(Result::ok).collect();
    let next = AtomicUsize::new(0);
    let remove = || {
        while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            // What stays is met again below.
            let _ = if is_folder { std::fs::remove_dir_all(entry.path()) } else { std::fs::remove_file(entry.path()) };
        }
    };
    std::thread::scope(|scope| (0..REMOVERS).for_each(|_| drop(scope.spawn(remove))));
    std::fs::remove_dir_all(data)
}

async fn spawn(data: &Path, listen: SocketAddr, access_key: &str, secret_key: &Secret) -> Result<(Child, SocketAddr), LabError> {
    let failed = |error: &dyn std::fmt::Display| LabError::failed("embedded start", error);
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    let mut child = Command::new(program)
        .args(["serve-embedded", "--listen", &listen.to_string(), "--data"])
        .arg(data)
        .env(ACCESS_KEY_ENV, access_key)
        .env(SECRET_KEY_ENV, secret_key.expose())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&error))?;
    let stdout = child.stdout.take().expect("stdout is piped above");
    let mut line = String::new();
    let read = tokio::time::timeout(START_LIMIT, BufReader::new(stdout).read_line(&mut line)).await;
    match read {
        Ok(Ok(_)) => line.trim().parse().map(|address| (child, address)).map_err(|_| failed(&format!("it printed {line:?}, not its address"))),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(LabError::Late {
            what: "embedded start".to_owned(),
            seconds: START_LIMIT.as_secs(),
            hint: "the child did not report its address".to_owned(),
        }),
    }
}

/// The child's program: serves `data` on `listen`, prints the address, and ends with its standard input.
///
/// # Errors
/// When the keys are not in the environment, or the directory or address cannot be used.
pub async fn serve_main(data: &Path, listen: SocketAddr) -> Result<(), LabError> {
    let failed = |error: &dyn std::fmt::Display| LabError::failed("serve-embedded", error);
    let variable = |name: &str| std::env::var(name).map_err(|_| failed(&format!("{name} is not set; `proofmark run` sets it")));
    let (access_key, secret_key) = (variable(ACCESS_KEY_ENV)?, variable(SECRET_KEY_ENV)?);
    let files = s3s_fs::FileSystem::new(data).map_err(|error| failed(&format!("{error:?}")))?;
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
    let service = builder.build();
    let listener = TcpListener::bind(listen).await.map_err(|error| failed(&error))?;
    announce(&listener).map_err(|error| failed(&error))?;
    let mut parent_ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.map_err(|error| failed(&error))?.0,
            _ = &mut parent_ended => return Ok(()),
        };
        // Delayed acknowledgements would add 40 ms to small answers.
        let _ = stream.set_nodelay(true);
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
        tokio::spawn(async move {
            // A client that goes away is the client's business.
            let _ = connection.await;
        });
    }
}

#[expect(clippy::print_stdout, reason = "the parent reads the address from the child's standard output")]
fn announce(listener: &TcpListener) -> std::io::Result<()> {
    println!("{}", listener.local_addr()?);
    std::io::Write::flush(&mut std::io::stdout())
}
