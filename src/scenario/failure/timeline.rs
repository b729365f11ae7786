//! What a load looked like over time: buckets, availability, and when it was back to normal.

use std::time::Duration;

use crate::model::SeriesPoint;

/// Buckets in a row that must be good for a recovery.
const GOOD_BUCKETS: usize = 5;
/// A bucket with a smaller share of successes is unavailable.
const GOOD_SHARE: f64 = 0.99;

/// One operation of the load.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// When it was due, from the start of the load.
    pub start: Duration,
    /// From then to its end.
    pub latency: Duration,
    /// Whether it did what was asked; a GET of an absent key that says so did.
    pub ok: bool,
    /// Object bytes moved.
    pub bytes: u64,
}

/// The length of a bucket: 1 s, or a tenth of the fault where that is shorter, so that short phases still hold several.
pub(super) fn bucket_for(fault: Duration) -> Duration {
    (fault / 10).clamp(Duration::from_millis(200), Duration::from_secs(1))
}

/// The buckets up to `end`; an operation belongs to the bucket in which it was due.
pub(super) fn series(samples: &[Sample], bucket: Duration, end: Duration) -> Vec<SeriesPoint> {
    let count = end.as_nanos().div_ceil(bucket.as_nanos().max(1)) as usize;
    let mut buckets: Vec<Vec<&Sample>> = vec![Vec::new(); count];
    for sample in samples {
        if let Some(at) = buckets.get_mut((sample.start.as_nanos() / bucket.as_nanos()) as usize) {
            at.push(sample);
        }
    }
    buckets.into_iter().enumerate().map(|(at, samples)| point(bucket.as_secs_f64() * 1e3 * at as f64, &samples)).collect()
}

fn point(offset_ms: f64, samples: &[&Sample]) -> SeriesPoint {
    let mut latencies: Vec<f64> = samples.iter().filter(|s| s.ok).map(|s| s.latency.as_secs_f64() * 1e3).collect();
    latencies.sort_by(f64::total_cmp);
    let ok = latencies.len() as u64;
    let payload_bytes = samples.iter().filter(|s| s.ok).map(|s| s.bytes).sum();
    let (latency_ms_p50, latency_ms_p99) = (percentile(&latencies, 0.5), percentile(&latencies, 0.99));
    SeriesPoint { offset_ms, ok, errors: samples.len() as u64 - ok, payload_bytes, latency_ms_p50, latency_ms_p99 }
}

/// The nearest-rank percentile of sorted values.
pub(super) fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

/// 99th percentile of the successful operations that were due in a span, in ms.
pub(super) fn latency_ms_p99(samples: &[Sample], from: Duration, to: Duration) -> Option<f64> {
    let due = samples.iter().filter(|s| s.ok && (from..to).contains(&s.start));
    let mut latencies: Vec<f64> = due.map(|s| s.latency.as_secs_f64() * 1e3).collect();
    latencies.sort_by(f64::total_cmp);
    percentile(&latencies, 0.99)
}

/// Successes among the operations that were due in a span, with their number.
pub(super) fn availability(samples: &[Sample], from: Duration, to: Duration) -> (Option<f64>, u64) {
    let due: Vec<&Sample> = samples.iter().filter(|s| (from..to).contains(&s.start)).collect();
    let ok = due.iter().filter(|s| s.ok).count();
    ((!due.is_empty()).then(|| ok as f64 / due.len() as f64), due.len() as u64)
}

fn is_available(point: &SeriesPoint) -> bool {
    let all = point.ok + point.errors;
    all == 0 || point.ok as f64 >= GOOD_SHARE * all as f64
}

/// Time in buckets from `from` on with too few successes, in s.
pub(super) fn unavailable_s(points: &[SeriesPoint], bucket: Duration, from: Duration) -> f64 {
    let first = from.as_secs_f64() * 1e3 - bucket.as_secs_f64() * 1e3;
    points.iter().filter(|p| p.offset_ms > first && !is_available(p)).count() as f64 * bucket.as_secs_f64()
}

/// The time from the heal to the first of five buckets in a row with enough successes and a p99 within the limit.
pub(super) fn recovery(points: &[SeriesPoint], heal: Duration, limit_ms: f64) -> Option<Duration> {
    let heal_ms = heal.as_secs_f64() * 1e3;
    let after: Vec<&SeriesPoint> = points.iter().filter(|p| p.offset_ms >= heal_ms).collect();
    let good = |p: &&SeriesPoint| p.ok > 0 && is_available(p) && p.latency_ms_p99.is_some_and(|p99| p99 <= limit_ms);
    let first = after.windows(GOOD_BUCKETS).find(|window| window.iter().all(good))?;
    Some(Duration::from_secs_f64((first[0].offset_ms - heal_ms) / 1e3))
}

/// The time from the heal to the first success that ended after it.
pub(super) fn first_success(samples: &[Sample], heal: Duration) -> Option<Duration> {
    samples.iter().filter(|s| s.ok && s.start + s.latency >= heal).map(|s| s.start + s.latency - heal).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUCKET: Duration = Duration::from_millis(200);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// 10 operations in each of 20 buckets; those due from 1 s to 2 s fail, those from 2.0 s to 2.4 s are slow.
    fn outage() -> Vec<Sample> {
        let sample = |n: u64| {
            let start = ms(n * 20);
            let latency = if (100..120).contains(&n) { ms(500) } else { ms(10) };
            Sample { start, latency, ok: !(50..100).contains(&n), bytes: 1 }
        };
        (0..200).map(sample).collect()
    }

    #[test]
    fn an_outage_is_seen_as_lost_availability_and_unavailable_seconds() {
        let samples = outage();
        assert_eq!(availability(&samples, ms(1000), ms(2000)), (Some(0.0), 50));
        assert_eq!(availability(&samples, ms(500), ms(1500)), (Some(0.5), 50));
        assert_eq!(availability(&samples, ms(9000), ms(9500)), (None, 0));
        let points = series(&samples, BUCKET, ms(4000));
        assert_eq!((points.len(), points[0].ok, points[5].errors), (20, 10, 10));
        assert!((unavailable_s(&points, BUCKET, ms(1000)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn recovery_waits_for_five_good_and_quick_buckets() {
        let points = series(&outage(), BUCKET, ms(4000));
        assert_eq!(recovery(&points, ms(2000), 100.0), Some(ms(400)), "the two slow buckets are not yet normal");
        assert_eq!(recovery(&points, ms(2000), 1000.0), Some(ms(0)));
        assert_eq!(recovery(&points[..16], ms(2000), 100.0), None, "four buckets do not show it");
        assert_eq!(first_success(&outage(), ms(2000)), Some(ms(410)), "what was due later but quick again ended first");
    }
}
