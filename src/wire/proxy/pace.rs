//! How fast bytes pass: a bandwidth, or small slices with pauses.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::rules::Fault;
use crate::config::FaultKind;

/// Pieces for a bandwidth: short enough to look like a slow link, long enough for the timer.
const TICK: Duration = Duration::from_millis(20);

/// How fast the bytes of one message pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    size: usize,
    pause: Duration,
}

impl Pace {
    /// The slowest that the faults ask for, by bytes per second.
    pub fn of(faults: &[Fault]) -> Self {
        let paces = faults.iter().filter_map(|fault| {
            let pace = match fault.kind() {
                FaultKind::Bandwidth { per_s } => {
                    let size = (per_s.0 as f64 * TICK.as_secs_f64()).max(1.0);
                    Self { size: size as usize, pause: Duration::from_secs_f64(size.floor() / (per_s.0.max(1)) as f64) }
                }
                FaultKind::Slice { size, pause } => Self { size: usize::try_from(size.0).unwrap_or(usize::MAX).max(1), pause: pause.0 },
                _ => return None,
            };
            Some(pace)
        });
        paces.min_by(|a, b| a.bytes_per_s().total_cmp(&b.bytes_per_s())).unwrap_or(Self { size: usize::MAX, pause: Duration::ZERO })
    }
    fn bytes_per_s(&self) -> f64 {
        self.size as f64 / self.pause.as_secs_f64()
    }
    /// Writes and flushes at this pace.
    pub async fn write(&self, to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
        for slice in bytes.chunks(self.size) {
            to.write_all(slice).await?;
            if !self.pause.is_zero() {
                to.flush().await?;
                let share = slice.len() as f64 / self.size as f64;
                tokio::time::sleep(self.pause.mul_f64(share.max(0.01))).await;
            }
        }
        Ok(())
    }
}
