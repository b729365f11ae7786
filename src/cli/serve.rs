//! `proofmark serve-embedded`: the child process behind the embedded vendor.

use std::process::ExitCode;
use std::time::Duration;

use super::Failure;
use super::args::ServeEmbeddedArgs;
use crate::lab;

/// Longest wait for writes that are under way when the parent ends.
const WRITES_END: Duration = Duration::from_secs(2);
/// Threads that read and write files. The usual 512 spend more time waking each other than working.
const FILE_THREADS: usize = 8;
/// A write that outlasts that may put a file into a directory that is being removed: it is removed again.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Serves until standard input closes, that is until the parent is gone; then the data goes too, as nobody else would remove it.
pub fn main(args: &ServeEmbeddedArgs) -> Result<ExitCode, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(FILE_THREADS).build();
    let runtime = built.map_err(|error| Failure::internal(format!("the runtime cannot be started: {error}")))?;
    let served = runtime.block_on(lab::serve_main(&args.data, args.listen));
    // Requests under way still write files; they end with the runtime.
    runtime.shutdown_timeout(WRITES_END);
    served.map_err(|error| Failure::internal(error.to_string()))?;
    let mut removed = lab::remove_data(&args.data);
    for _ in 0..TRIES {
        if !args.data.exists() {
            break;
        }
        std::thread::sleep(PAUSE);
        removed = lab::remove_data(&args.data);
    }
    match removed {
        Err(error) if args.data.exists() => Err(Failure::internal(format!("{}: {error}", args.data.display()))),
        _ => Ok(ExitCode::SUCCESS),
    }
}
