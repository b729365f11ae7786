//! Waking up on time: the runtime's own timer is only good to a millisecond.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime};
use tokio::io::unix::AsyncFd;

/// A kernel timer that wakes its task within tens of microseconds.
#[derive(Debug)]
pub struct Timer(AsyncFd<OwnedFd>);

impl Timer {
    /// A timer of the current runtime.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    #[expect(deprecated, reason = "its successor is unsafe for types that close another descriptor than they show; OwnedFd does not")]
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self(AsyncFd::new(timer)?))
    }
    /// Sleeps for `time`.
    pub async fn sleep(&self, time: Duration) {
        // A timer set to zero would be disarmed.
        let time = time.max(Duration::from_nanos(1));
        let once = Itimerspec { it_interval: Timespec::default(), it_value: Timespec::try_from(time).unwrap_or_default() };
        if timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once).is_err() {
            return tokio::time::sleep(time).await;
        }
        while let Ok(mut ready) = self.0.readable().await {
            let mut expirations = [0; 8];
            if rustix::io::read(self.0.get_ref(), &mut expirations).is_ok() {
                return;
            }
            ready.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_timer_never_wakes_early_and_can_be_used_again() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let timer = Timer::new().unwrap();
            for micros in [0, 300, 2_500] {
                let start = Instant::now();
                timer.sleep(Duration::from_micros(micros)).await;
                assert!(start.elapsed() >= Duration::from_micros(micros));
            }
        });
    }
}
