//! Ctrl-C, a closed terminal and a polite kill: the run ends cleanly; the second time it ends at once.

use tokio::signal::unix::{SignalKind, signal};

use super::output;
use crate::run::Stop;

/// Sets `stop` at the first SIGINT, SIGTERM or SIGHUP and ends the process at the second. Call it inside the runtime.
///
/// # Errors
/// When the operating system gives no handler.
pub fn watch(stop: Stop) -> std::io::Result<()> {
    let (mut interrupt, mut terminate, mut hang_up) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    tokio::spawn(async move {
        let mut seen = false;
        loop {
            let reason = tokio::select! {
                _ = interrupt.recv() => "interrupted",
                _ = terminate.recv() => "terminated",
                _ = hang_up.recv() => "the terminal was closed",
            };
            if seen {
                output::complain(&"stopped without clean-up: `proofmark clean` removes what is left");
                std::process::exit(1);
            }
            seen = true;
            stop.set(reason);
        }
    });
    Ok(())
}
