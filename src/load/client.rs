//! What the client itself used while it measured, and whether it was the limit.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::LoadError;
use super::host::HostUse;
use super::latency::Latencies;
use crate::model::ClientLoad;

/// Cores that this process may use (affinity and cgroup included).
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32)
}

/// Memory of this machine, in bytes.
pub fn memory_bytes() -> u64 {
    let system = rustix::system::sysinfo();
    system.totalram as u64 * u64::from(system.mem_unit)
}

/// CPU time that the process has used so far.
pub fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

/// CPU time that the calling thread has used so far.
pub fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

/// File descriptors beside those of the connections: files, event queues, the run's own requests.
const OTHER_DESCRIPTORS: u64 = 128;

/// Sees to it that so many connections can be open: raises the soft limit of file descriptors as far as it goes.
///
/// # Errors
/// When the hard limit is too low.
pub fn admit_descriptors(connections: u32) -> Result<(), LoadError> {
    let wanted = u64::from(connections) + OTHER_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    if wanted <= allowed && setrlimit(Resource::Nofile, raised).is_ok() { Ok(()) } else { Err(LoadError::Descriptors { wanted, allowed }) }
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// The client's state over the measured time.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Measured time.
    pub wall: Duration,
    /// CPU of the process over it.
    pub process: Duration,
    /// CPU of the busiest worker thread over it.
    pub busiest_thread: Duration,
    /// Cores that it may use.
    pub cores: u32,
    /// Lateness of the event loops.
    pub loop_lag: Latencies,
    /// Lateness of an open loop's starts while a connection was free.
    pub schedule_lag: Latencies,
    /// Median response time, which the schedule's lateness is compared to.
    pub latency_ms_p50: Option<f64>,
    /// What the machine went through.
    pub host: HostUse,
}

impl Observed {
    /// CPU, cores and every reason for which the result is only a lower bound of the vendor.
    pub fn judge(&self) -> ClientLoad {
        let wall = self.wall.as_secs_f64().max(1e-9);
        let cpu_percent = 100.0 * self.process.as_secs_f64() / wall;
        let allotted = cpu_percent / f64::from(self.cores.max(1));
        let thread = 100.0 * self.busiest_thread.as_secs_f64() / wall;
        let mut reasons = Vec::new();
        if allotted >= 85.0 {
            reasons.push(format!("the client used {allotted:.0} % of its {} cores (limit 85 %)", self.cores));
        }
        if thread >= 95.0 {
            reasons.push(format!("a client thread was busy for {thread:.0} % of the time (limit 95 %)"));
        }
        if let Some(lag) = self.loop_lag.quantile_ms(0.99).filter(|lag| *lag > 1.0) {
            reasons.push(format!("the client's event loop woke up {lag:.1} ms late (p99, limit 1 ms)"));
        }
        if let (Some(lag), Some(median)) = (self.schedule_lag.quantile_ms(0.99), self.latency_ms_p50)
            && lag > 0.1 * median
        {
            reasons.push(format!("requests were started {lag:.2} ms late (p99, limit 10 % of the median latency of {median:.2} ms)"));
        }
        reasons.extend(self.host.limits());
        ClientLoad { cpu_percent, cores: self.cores, limited: (!reasons.is_empty()).then(|| reasons.join("; ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lags(ms: f64) -> Latencies {
        let mut lags = Latencies::default();
        (0..200).for_each(|_| lags.record(Duration::from_secs_f64(ms / 1000.0)));
        lags
    }

    fn idle() -> Observed {
        let seconds = Duration::from_secs_f64;
        Observed { wall: seconds(10.0), process: seconds(8.0), busiest_thread: seconds(4.0), cores: 2, ..Observed::default() }
    }

    #[test]
    fn a_client_with_room_is_not_the_limit() {
        let load = Observed { loop_lag: lags(0.2), schedule_lag: lags(0.05), latency_ms_p50: Some(1.0), ..idle() }.judge();
        assert_eq!((load.limited, load.cpu_percent.round(), load.cores), (None, 80.0, 2));
    }

    #[test]
    fn each_sign_of_a_busy_client_is_a_reason_of_its_own() {
        for (observed, word) in [
            (Observed { process: Duration::from_secs(18), ..idle() }, "2 cores"),
            (Observed { busiest_thread: Duration::from_millis(9_600), ..idle() }, "thread"),
            (Observed { loop_lag: lags(1.5), ..idle() }, "event loop"),
            (Observed { schedule_lag: lags(0.3), latency_ms_p50: Some(2.0), ..idle() }, "started"),
        ] {
            let reason = observed.judge().limited.unwrap_or_default();
            assert!(reason.contains(word) && !reason.contains(';'), "{word}: {reason}");
        }
    }

    #[test]
    fn work_shows_in_the_cpu_clocks() {
        let before = (process_cpu(), thread_cpu());
        let mut sum = 0u64;
        while thread_cpu() - before.1 < Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(process_cpu() - before.0 >= Duration::from_millis(4));
    }
}
