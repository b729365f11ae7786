//! How soon response times are back to normal after a burst.
//!
//! The main type is [`Recovery`].

use std::time::Duration;

use crate::config::BurstRules;
use crate::load::Ledger;

/// A point is back when its p99 is at most so many times that of the calm.
const BACK: f64 = 1.5;

/// What was found after the bursts of a load.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recovery {
    /// p99 in ms of the second half of the first calm: later ones may hold what a burst left behind.
    pub baseline_ms: Option<f64>,
    /// For each burst that has a whole calm after it: from its end until the first point that is back. None where no point before the next
    /// burst is.
    pub bursts: Vec<Option<Duration>>,
}

impl Recovery {
    /// Looks at the bursts of `from..to` that follow the first calm. A point is that wide; it moves by the ledger's buckets, whose
    /// latencies belong to the requests due in them.
    pub(super) fn of(ledger: &Ledger, rules: BurstRules, point: Duration, (from, to): (Duration, Duration)) -> Self {
        let (every, calm) = (rules.every.0, rules.every.0 - rules.lasts.0);
        let mut first = Duration::ZERO;
        while first + calm / 2 < from {
            first += every;
        }
        let (begin, end) = (first + calm / 2, first + calm);
        let baseline_ms = (end <= to).then(|| ledger.window_of_all(begin, end).response.quantile_ms(0.99)).flatten();
        let mut bursts = Vec::new();
        let mut ended = first + every;
        while ended + calm <= to {
            bursts.push(baseline_ms.and_then(|baseline| back(ledger, point, (ended, ended + calm), baseline)));
            ended += every;
        }
        Self { baseline_ms, bursts }
    }

    /// The longest one; none if there was no burst, or one after which it never recovered.
    pub(super) fn longest_s(&self) -> Option<f64> {
        let all: Option<Vec<f64>> = self.bursts.iter().map(|burst| burst.map(|time| time.as_secs_f64())).collect();
        all?.into_iter().reduce(f64::max)
    }
}

/// From `ended` to the start of the first point whose p99 is back. A point with too few requests for a p99 is not.
fn back(ledger: &Ledger, point: Duration, (ended, until): (Duration, Duration), baseline_ms: f64) -> Option<Duration> {
    let mut start = ended;
    while start + point <= until {
        let p99 = ledger.window_of_all(start, start + point).response.quantile_ms(0.99);
        if p99.is_some_and(|p99| p99 <= baseline_ms * BACK) {
            return Some(start - ended);
        }
        start += ledger.bucket();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Operation;
    use crate::load::Sample;
    use crate::units::Span;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A request every 5 ms that takes as long as `latency` says, in ms.
    fn ledger(latency: impl Fn(u64) -> u64) -> Ledger {
        let mut ledger = Ledger::new(MS(200));
        for due in (0..20_000).step_by(5) {
            let (at, end) = (MS(due), MS(due + latency(due)));
            ledger.record(&Sample { operation: Operation::GetObject, due: at, start: at, first_byte: None, end, payload_bytes: 0, failure: None });
        }
        ledger
    }

    fn recovery(ledger: &Ledger) -> Recovery {
        let rules = BurstRules { every: Span(MS(5000)), lasts: Span(MS(1000)), factor: 10.0 };
        Recovery::of(ledger, rules, MS(1000), (Duration::ZERO, MS(20_000)))
    }

    #[test]
    fn a_queue_that_drains_in_a_second_and_a_half_is_found_within_a_point() {
        let found = recovery(&ledger(|due| match due % 5000 {
            0..1500 if due > 5000 => 400,
            4000.. => 300,
            _ => 10,
        }));
        assert!((found.baseline_ms.unwrap() - 10.0).abs() < 0.5, "{found:?}");
        // The burst that ends with the load has no calm after it.
        assert_eq!(found.bursts.len(), 3);
        assert!(found.bursts.iter().all(|burst| burst.unwrap().abs_diff(MS(1500)) <= MS(200)), "{found:?}");
        assert!((found.longest_s().unwrap() - 1.5).abs() <= 0.2);
    }

    #[test]
    fn no_burst_that_shows_is_no_time_and_one_that_never_heals_has_none() {
        assert_eq!(recovery(&ledger(|_| 10)).longest_s(), Some(0.0));
        let never = recovery(&ledger(|due| if (5000..9000).contains(&due) { 400 } else { 10 }));
        assert_eq!((never.bursts[0], never.bursts[1], never.longest_s()), (None, Some(Duration::ZERO), None));
        assert_eq!(Recovery { baseline_ms: None, bursts: Vec::new() }.longest_s(), None);
    }
}
