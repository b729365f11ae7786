//! An open loop of reads, writes and deletes while a hook harms the server and another heals it (F10, F12).

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::client::Client;
use super::heal::Fault;
use super::record::{Problem, Report};
use super::timeline::{self, Sample};
use super::verify;
use crate::check::{JournalEntry, OpOutcome, loss_upper_bound};
use crate::config::{FailureSpec, FailureTiming};
use crate::lab::{Hook, LabError, Server};
use crate::model::Window;
use crate::wire::Exchange;

/// Latencies below this count as back to normal whatever the baseline was: a quick baseline must not make noise a failure.
const CALM_MS: f64 = 100.0;
/// Exchanges kept in the evidence.
const EXCHANGES_KEPT: usize = 60;

/// The hooks of a scenario, if the server has them.
pub(super) fn hooks(server: &Server, spec: &FailureSpec) -> Result<(Hook, Hook), String> {
    let known = [Hook::Kill, Hook::Restart, Hook::Pause, Hook::Resume];
    let find = |at: usize| {
        let name = spec.hooks.get(at).map_or("", String::as_str);
        let hook = known.into_iter().find(|hook| hook.name() == name && server.has(*hook));
        hook.ok_or_else(|| format!("no hook: {name:?} is not among the vendor's lifecycle hooks"))
    };
    Ok((find(0)?, find(1)?))
}

/// The exchanges that explain something: those without a plain success, and a few others from the start.
pub(super) fn worth_keeping(exchanges: Vec<Exchange>) -> Vec<Exchange> {
    let (plain, odd): (Vec<Exchange>, Vec<Exchange>) = exchanges.into_iter().partition(|exchange| (200..300).contains(&exchange.status));
    let odd: Vec<Exchange> = odd.into_iter().take(EXCHANGES_KEPT).collect();
    let rest = EXCHANGES_KEPT.saturating_sub(odd.len());
    let mut kept: Vec<Exchange> = odd.into_iter().chain(plain.into_iter().take(rest)).collect();
    kept.sort_by(|a, b| a.offset_ms.total_cmp(&b.offset_ms));
    kept
}

struct Load {
    client: Arc<Client>,
    spec: FailureSpec,
    start: Duration,
    samples: Mutex<Vec<Sample>>,
    in_flight: Mutex<BTreeSet<(Duration, u64)>>,
    own_keys: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SplitMix64: the n-th number of a seed.
fn draw(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Load {
    fn now(&self) -> Duration {
        self.client.now() - self.start
    }
    /// Issues operations at their due times, answered or not, until it is over; then waits for the last of them.
    async fn drive(self: Arc<Self>) {
        let period = Duration::from_secs_f64(1.0 / self.spec.rate_per_s);
        let mut operations = JoinSet::new();
        for n in 0_u32.. {
            let due = period * n;
            tokio::time::sleep(due.saturating_sub(self.now())).await;
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            locked(&self.in_flight).insert((due, u64::from(n)));
            operations.spawn(self.clone().one(due, u64::from(n)));
            while operations.try_join_next().is_some() {}
        }
        operations.join_all().await;
    }
    async fn one(self: Arc<Self>, due: Duration, n: u64) {
        let (entry, size) = self.operation(n).await;
        let ok = entry.outcome == OpOutcome::Ok;
        let sample = Sample { start: due, latency: self.now().saturating_sub(due), ok, bytes: if ok { size } else { 0 } };
        locked(&self.samples).push(sample);
        locked(&self.in_flight).remove(&(due, n));
    }
    /// 35 % writes of new keys, 25 % overwrites of shared keys, 5 % deletes of shared keys, 35 % reads.
    async fn operation(&self, n: u64) -> (JournalEntry, u64) {
        let drawn = draw(self.client.link.seed, n);
        let size = self.spec.object_size[(drawn >> 8) as usize % self.spec.object_size.len()].0;
        let shared = self.client.key(&format!("shared/{}", (drawn >> 24) % u64::from(self.spec.keys)));
        match drawn % 100 {
            0..35 => {
                let key = self.client.key(&format!("writer-{}/{n:06}", n % u64::from(self.spec.concurrency)));
                locked(&self.own_keys).push(key.clone());
                (self.client.put(&key, size, false).await, size)
            }
            35..60 => (self.client.put(&shared, size, false).await, size),
            60..65 => (self.client.delete(&shared).await, 0),
            65..85 => (self.client.get(&shared).await.entry, size),
            _ => {
                let key = {
                    let keys = locked(&self.own_keys);
                    if keys.is_empty() { shared } else { keys[(drawn >> 40) as usize % keys.len()].clone() }
                };
                (self.client.get(&key).await.entry, size)
            }
        }
    }
    /// The time up to which every operation that was due is over.
    fn settled(&self) -> Duration {
        locked(&self.in_flight).first().map_or_else(|| self.now(), |(due, _)| *due)
    }
}

/// The moments of a run, from the start of the load.
struct Moments {
    fault: Duration,
    heal: Duration,
    end: Duration,
}

/// Runs the schedule: warm-up, baseline, fault, always heal, recovery watch, quiet, last look.
pub(super) async fn run(
    report: &mut Report,
    client: &Arc<Client>,
    spec: &FailureSpec,
    timing: &FailureTiming,
    server: &Server,
    hooks: (Hook, Hook),
) -> Result<(), String> {
    let bucket = timeline::bucket_for(timing.fault.0);
    let load = Arc::new(Load {
        client: client.clone(),
        spec: spec.clone(),
        start: client.now(),
        samples: Mutex::default(),
        in_flight: Mutex::default(),
        own_keys: Mutex::default(),
        is_over: AtomicBool::new(false),
    });
    // In a set, so that the load ends with the scenario, also when that is cancelled.
    let mut driver = JoinSet::new();
    driver.spawn(load.clone().drive());
    tokio::time::sleep(timing.warm_up.0 + timing.baseline.0).await;
    let fault_at = load.now();
    let (fault, injected) = Fault::inject(server, hooks.0, hooks.1).await;
    if injected.is_ok() {
        tokio::time::sleep((fault_at + timing.fault.0).saturating_sub(load.now())).await;
    }
    let heal_at = load.now();
    let healed = fault.heal().await;
    if let Err(error) = injected {
        return Err(format!("the fault could not be injected: {error}"));
    }
    let limit_ms = (2.0 * timeline::latency_ms_p99(&locked(&load.samples), timing.warm_up.0, fault_at).unwrap_or(0.0)).max(CALM_MS);
    if healed.is_ok() {
        watch(&load, bucket, heal_at, limit_ms, timing.recovery.0).await;
    }
    let end = load.now();
    load.is_over.store(true, Ordering::Relaxed);
    driver.join_all().await;
    report.parameter("bucket_ms", bucket.as_millis());
    report.parameter("rate_per_s", spec.rate_per_s);
    report.parameter("hooks", spec.hooks.join(", "));
    report.parameter("recovery_latency_limit_ms", format!("{limit_ms:.0}"));
    let samples = locked(&load.samples).clone();
    let moments = Moments { fault: fault_at, heal: heal_at, end };
    measure(report, &samples, bucket, timing, &moments, limit_ms);
    comes_back(report, &samples, heal_at, &healed)?;
    errors(report, &client.entries());
    if healed.is_err() {
        return Ok(());
    }
    let quiet = verify::look(client).await?;
    verify::judge(report, client, &quiet);
    if report.record.metric("lossy_events") == Some(0.0) {
        let bound = loss_upper_bound(1) * 100.0;
        report.finding(format!(
            "nothing acknowledged was lost in this one fault; one fault alone leaves up to {bound:.0} % lossy faults possible (95 % confidence)"
        ));
    }
    Ok(())
}

async fn watch(load: &Load, bucket: Duration, heal: Duration, limit_ms: f64, longest: Duration) {
    while load.now() < heal + longest {
        tokio::time::sleep(bucket / 2).await;
        let whole = bucket * (load.settled().as_nanos() / bucket.as_nanos()) as u32;
        let points = timeline::series(&locked(&load.samples), bucket, whole);
        if timeline::recovery(&points, heal, limit_ms).is_some() {
            return;
        }
    }
}

fn measure(report: &mut Report, samples: &[Sample], bucket: Duration, timing: &FailureTiming, moments: &Moments, limit_ms: f64) {
    let points = timeline::series(samples, bucket, moments.end);
    let (availability, n) = timeline::availability(samples, moments.fault, moments.heal);
    report.more("availability_share", "1", availability, n);
    let after = points.len() as u64;
    report.less("unavailable_s", "s", Some(timeline::unavailable_s(&points, bucket, moments.fault)), after);
    let watched = moments.end.saturating_sub(moments.heal);
    let recovery = timeline::recovery(&points, moments.heal, limit_ms);
    report.parameter("recovered", recovery.is_some());
    if recovery.is_none() {
        let seconds = watched.as_secs_f64();
        report.finding(format!("the service was not back to normal within the watch of {seconds:.1} s: recovery_s is that lower bound"));
    }
    report.less("recovery_s", "s", Some(recovery.unwrap_or(watched).as_secs_f64()), after);
    report.less("first_success_s", "s", timeline::first_success(samples, moments.heal).map(|time| time.as_secs_f64()), n);
    let baseline = timeline::latency_ms_p99(samples, timing.warm_up.0, moments.fault);
    report.less("baseline_latency_ms_p99", "ms", baseline, samples.len() as u64);
    report.count("issued_operations", samples.len() as u64);
    let window = |label: &str, start: Duration, end: Duration| Window {
        label: label.to_owned(),
        start_ms: start.as_secs_f64() * 1e3,
        end_ms: end.as_secs_f64() * 1e3,
    };
    report.record.windows = vec![
        window("warm-up", Duration::ZERO, timing.warm_up.0),
        window("baseline", timing.warm_up.0, moments.fault),
        window("fault", moments.fault, moments.heal),
        window("recovery", moments.heal, moments.end),
    ];
    report.record.series = points;
}

/// Whether the server serves again: its own failure is a gate, a hook's failure is ours.
fn comes_back(report: &mut Report, samples: &[Sample], heal: Duration, healed: &Result<(), LabError>) -> Result<(), String> {
    let limit = "the server answers again after the heal";
    match healed {
        Ok(()) if timeline::first_success(samples, heal).is_some() => report.gate("comes_back", limit, 1, Vec::new()),
        Ok(()) => report.gate("comes_back", limit, 1, vec![Problem::from("no operation succeeded after the heal".to_owned())]),
        Err(LabError::Late { .. }) => {
            let sentence = healed.as_ref().err().map(ToString::to_string).unwrap_or_default();
            report.gate("comes_back", limit, 1, vec![Problem::from(sentence)]);
            for gate in ["no_acked_loss", "no_torn_read", "no_phantom", "no_stale_read", "three_views_agree", "metadata_kept"] {
                report.untested_gate(gate, "as described in the scenario", "the server did not come back");
            }
        }
        Err(error) => return Err(format!("the fault could not be healed: {error}")),
    }
    Ok(())
}

/// Of the errors that the server itself answered under the fault: how many tell a client what to do (503, 429 or 408 with an S3 error code).
fn errors(report: &mut Report, entries: &[JournalEntry]) {
    let answered: Vec<&JournalEntry> = entries.iter().filter(|entry| entry.http >= 300 && entry.outcome != OpOutcome::Ok).collect();
    let right = answered.iter().filter(|entry| matches!(entry.http, 408 | 429 | 503) && !entry.code.is_empty()).count();
    let share = if answered.is_empty() { 1.0 } else { right as f64 / answered.len() as f64 };
    report.more("correct_error_share", "1", Some(share), answered.len() as u64);
    if let Some(wrong) = answered.iter().find(|entry| !matches!(entry.http, 408 | 429 | 503)) {
        report.finding(format!(
            "{} of {} errors under the fault were not 503, 429 or 408; the first was {} {}",
            answered.len() - right,
            answered.len(),
            wrong.http,
            wrong.code
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operations_of_a_load_depend_on_the_seed_alone() {
        let draws = |seed| (0..50).map(|n| draw(seed, n) % 100).collect::<Vec<_>>();
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
        assert!(draws(1).iter().any(|n| *n < 35) && draws(1).iter().any(|n| *n >= 65));
    }
}
