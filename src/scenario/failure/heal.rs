//! A fault that is always healed: also when the scenario is cancelled or panics.

use crate::lab::{Hook, LabError, Server};

/// A fault that is on. Dropping it calls the healing hook.
pub(super) struct Fault<'a> {
    server: &'a Server,
    heal: Hook,
    is_on: bool,
}

impl<'a> Fault<'a> {
    /// Injects it. It counts as on from here, even when the hook fails half way.
    pub async fn inject(server: &'a Server, inject: Hook, heal: Hook) -> (Self, Result<(), LabError>) {
        let fault = Self { server, heal, is_on: true };
        let result = server.call(inject).await;
        (fault, result)
    }
    /// Heals it and waits until the server answers.
    ///
    /// # Errors
    /// When the hook fails or the server does not answer in time.
    pub async fn heal(mut self) -> Result<(), LabError> {
        let result = self.server.call(self.heal).await;
        self.is_on = result.is_err();
        result?;
        self.server.wait_ready().await
    }
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        if !self.is_on {
            return;
        }
        // A thread of its own: the runtime that polled the scenario may be gone or must not be blocked.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build()
                    && let Err(error) = runtime.block_on(self.server.call(self.heal))
                {
                    tracing::error!("the fault could not be healed: {error}");
                }
            });
        });
    }
}
