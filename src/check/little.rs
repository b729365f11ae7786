//! Little's law: does a load's own count of requests in flight agree with its rate and its latency?
//!
//! The main function is [`broken_littles_law`]. It catches a client that measures itself wrongly: latencies that leave out waiting,
//! requests that are counted twice or not at all, connections that idle.

/// What a load measured over one window. All four are means or totals of the same window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadWindow {
    /// Requests that ended per second, failed ones included.
    pub rate_per_s: f64,
    /// Mean latency of those requests, in seconds, from being sent to being answered.
    pub latency_s_mean: f64,
    /// Mean number of requests in flight; for a closed loop without pauses its concurrency.
    pub in_flight_mean: f64,
    /// Length of the window in seconds.
    pub window_s: f64,
}

/// What a client may need between an answer and its next request, and what rounding in a histogram may hide, as a share of the requests
/// in flight.
const TURNAROUND_SHARE: f64 = 0.05;

/// A sentence where the mean number in flight is not the rate times the mean latency (Little, "A proof for the queuing formula L = λW",
/// 1961), as it must be for any arrivals and any service; `None` where the two agree, or where the window is too short to tell.
///
/// The law is exact but for the window's edges: a request that began before the window counts with its whole latency, and one that has
/// not ended does not count. At each edge that is at most every request in flight for one latency, so the tolerance is
/// `in_flight * (2 * latency / window + 5 %)`; the 5 % are the client's own time between two requests. A window of fewer than four
/// latencies has a tolerance of half of all requests and says nothing.
pub fn broken_littles_law(load: &LoadWindow) -> Option<String> {
    let LoadWindow { rate_per_s, latency_s_mean, in_flight_mean, window_s } = *load;
    let is_known = [rate_per_s, latency_s_mean, in_flight_mean, window_s].iter().all(|value| value.is_finite() && *value >= 0.0);
    if !is_known || window_s < 4.0 * latency_s_mean || window_s == 0.0 {
        return None;
    }
    let expected = rate_per_s * latency_s_mean;
    let tolerance = in_flight_mean * (2.0 * latency_s_mean / window_s + TURNAROUND_SHARE);
    let difference = in_flight_mean - expected;
    if difference.abs() <= tolerance {
        return None;
    }
    let cause = if difference > 0.0 {
        "connections idled, or latencies leave out waiting"
    } else {
        "requests are counted twice, or latencies hold more than the request"
    };
    Some(format!(
        "Little's law is broken: {in_flight_mean:.2} requests were in flight, but {rate_per_s:.2} per s x {:.3} ms make {expected:.2} \
         (tolerance {tolerance:.2}): {cause}.",
        latency_s_mean * 1e3
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rate_per_s: f64, latency_s_mean: f64, in_flight_mean: f64, window_s: f64) -> LoadWindow {
        LoadWindow { rate_per_s, latency_s_mean, in_flight_mean, window_s }
    }

    #[test]
    fn a_closed_loop_that_counts_rightly_keeps_the_law() {
        assert_eq!(broken_littles_law(&load(1600.0, 0.010, 16.0, 8.0)), None);
        assert_eq!(broken_littles_law(&load(1540.0, 0.010, 16.0, 8.0)), None, "the client's own time between two requests");
        assert_eq!(broken_littles_law(&load(0.0, 0.0, 0.0, 8.0)), None);
    }

    #[test]
    fn latency_that_leaves_out_waiting_breaks_it() {
        let sentence = broken_littles_law(&load(1600.0, 0.005, 16.0, 8.0)).unwrap();
        assert!(
            sentence.contains("16.00 requests were in flight") && sentence.contains("make 8.00") && sentence.contains("leave out waiting"),
            "{sentence}"
        );
    }

    #[test]
    fn requests_that_are_counted_twice_break_it() {
        assert!(broken_littles_law(&load(3200.0, 0.010, 16.0, 8.0)).unwrap().contains("counted twice"));
    }

    #[test]
    fn the_tolerance_grows_as_the_window_shrinks() {
        // 15 % off: more than the edges of a long window explain, less than those of a short one.
        assert!(broken_littles_law(&load(1360.0, 0.010, 16.0, 8.0)).is_some());
        assert_eq!(broken_littles_law(&load(1360.0, 0.010, 16.0, 0.15)), None);
        assert_eq!(broken_littles_law(&load(1.0, 0.010, 16.0, 0.03)), None, "too short to tell");
        assert_eq!(broken_littles_law(&load(f64::NAN, 0.010, 16.0, 8.0)), None);
    }

    #[test]
    fn a_simulated_closed_loop_keeps_the_law_whatever_its_latencies_are() {
        // Four connections with latencies of 1 to 50 ms by a fixed recurrence; only what ends within the window counts.
        let (from, to, mut state) = (1.0, 4.0, 12_345_u64);
        let (mut ended, mut sum) = (0.0, 0.0);
        for _ in 0..4 {
            let mut now = 0.0;
            while now < to {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let latency = 0.001 + 0.049 * (state >> 40) as f64 / f64::from(1_u32 << 24);
                now += latency;
                if (from..to).contains(&now) {
                    (ended, sum) = (ended + 1.0, sum + latency);
                }
            }
        }
        let window = to - from;
        assert_eq!(broken_littles_law(&load(ended / window, sum / ended, 4.0, window)), None);
        assert!(broken_littles_law(&load(ended / window, sum / ended, 5.0, window)).is_some());
    }
}
