//! What checkpoints cost a training job: how often to take them, how much of the time is lost, who holds the others up.

use std::time::Duration;

/// Young's interval between checkpoints, `sqrt(2 * delta * MTBF)` (Young 1974): `delta` is how long one blocks the job, `mtbf` the mean
/// time between its failures.
pub fn young_interval(delta: Duration, mtbf: Duration) -> Duration {
    Duration::from_secs_f64((2.0 * delta.as_secs_f64() * mtbf.as_secs_f64()).sqrt())
}

/// Share of the time in which the job makes progress, to first order: `1 - delta/tau - tau/(2*MTBF) - R/MTBF`, where `restart` (R) is the
/// time from a failure to the first new step. Below 0 the job makes none: then it is 0. `None` where interval or MTBF are 0.
pub fn goodput(delta: Duration, interval: Duration, mtbf: Duration, restart: Duration) -> Option<f64> {
    let [delta, interval, mtbf, restart] = [delta, interval, mtbf, restart].map(|span| span.as_secs_f64());
    let share = 1.0 - delta / interval - interval / (2.0 * mtbf) - restart / mtbf;
    (interval > 0.0 && mtbf > 0.0).then_some(share.max(0.0))
}

/// Share of the time that training stands still for checkpoints, 0 to 1: `blocking / (interval + blocking)`, where `interval` is the
/// training time between two. `None` where both are 0.
pub fn stall_share(blocking: Duration, interval: Duration) -> Option<f64> {
    let whole = blocking + interval;
    (!whole.is_zero()).then(|| blocking.as_secs_f64() / whole.as_secs_f64())
}

/// How much longer the slowest rank takes than the median one: `max / median`. `None` without ranks, or where the median took no time.
pub fn straggler(ranks: &[Duration]) -> Option<f64> {
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    let slowest = sorted.last()?;
    let middle = sorted.len() / 2;
    let below = sorted.len().saturating_sub(1) / 2;
    let median = (sorted[middle] + sorted[below]) / 2;
    (!median.is_zero()).then(|| slowest.as_secs_f64() / median.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn youngs_interval_is_that_of_the_paper_and_the_best_of_its_neighbours() {
        assert_eq!(young_interval(s(50.0), s(10_000.0)), s(1000.0));
        let lost = |interval: f64| goodput(s(50.0), s(interval), s(10_000.0), s(100.0)).unwrap();
        assert!((lost(1000.0) - (1.0 - 0.05 - 0.05 - 0.01)).abs() < 1e-12);
        assert!(lost(1000.0) > lost(900.0) && lost(1000.0) > lost(1100.0));
    }

    #[test]
    fn a_job_that_fails_faster_than_it_restarts_makes_no_progress() {
        assert_eq!(goodput(s(1.0), s(10.0), s(10.0), s(60.0)), Some(0.0));
        assert_eq!(goodput(s(1.0), s(0.0), s(10.0), s(60.0)), None);
    }

    #[test]
    fn a_stall_is_the_blocking_share_of_the_whole() {
        assert_eq!(stall_share(s(1.0), s(3.0)), Some(0.25));
        assert_eq!(stall_share(s(0.0), s(3.0)), Some(0.0));
        assert_eq!(stall_share(s(0.0), s(0.0)), None);
    }

    #[test]
    fn a_straggler_is_measured_against_the_median_rank() {
        assert_eq!(straggler(&[s(2.0), s(8.0), s(1.0)]), Some(4.0));
        assert_eq!(straggler(&[s(1.0), s(8.0), s(2.0), s(3.0)]), Some(3.2));
        assert_eq!(straggler(&[]), None);
    }
}
