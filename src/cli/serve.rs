//! `proofmark serve-embedded`: the child process behind the embedded vendor.

use std::process::ExitCode;

use super::args::ServeEmbeddedArgs;
use super::{Failure, runtime};
use crate::lab;

/// Serves until standard input closes, that is until the parent is gone; then the data goes too, as nobody else would remove it.
pub fn main(args: &ServeEmbeddedArgs) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let served = runtime.block_on(lab::serve_main(&args.data, args.listen));
    // Reading standard input blocks a thread that only the end of the process ends.
    runtime.shutdown_background();
    served.map_err(|error| Failure::internal(error.to_string()))?;
    std::fs::remove_dir_all(&args.data).map_err(|error| Failure::internal(format!("{}: {error}", args.data.display())))?;
    Ok(ExitCode::SUCCESS)
}
