//! Latency histograms: merged, never averaged.

use std::time::Duration;

use base64::Engine as _;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};

/// Latencies in microseconds with three significant digits. Two of them merge into what one would have recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Latencies(Histogram<u32>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three significant digits are within the histogram's limits"))
    }
}

impl Latencies {
    /// Records one latency; below a microsecond counts as one.
    pub fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).clamp(1, 24 * 3_600_000_000);
        self.0.record(micros).expect("a histogram that resizes itself takes every value");
    }
    /// Adds everything that another worker or bucket recorded.
    pub fn merge(&mut self, other: &Latencies) {
        self.0.add(&other.0).expect("a histogram that resizes itself takes every value");
    }
    /// How many were recorded.
    pub fn count(&self) -> u64 {
        self.0.len()
    }
    /// The mean in seconds; `None` without samples.
    pub fn mean_s(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.0.mean() / 1e6)
    }
    /// The quantile in ms. `None` where so few were recorded that none of them lies beyond it (p99 needs 100): it is never invented.
    pub fn quantile_ms(&self, quantile: f64) -> Option<f64> {
        // Rounded: 1 / (1 - 0.99) is a little more than 100.
        let needed = (1.0 / (1.0 - quantile)).round();
        (self.count() as f64 >= needed).then(|| self.0.value_at_quantile(quantile) as f64 / 1000.0)
    }
    /// The largest in ms.
    pub fn max_ms(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.0.max() as f64 / 1000.0)
    }
    /// HDR V2 deflate in base64, as other tools read it.
    pub fn encode(&self) -> String {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.0, &mut bytes).expect("writing to memory does not fail");
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Latencies {
        let mut latencies = Latencies::default();
        millis.into_iter().for_each(|ms| latencies.record(Duration::from_millis(ms)));
        latencies
    }

    #[test]
    fn merged_percentiles_are_not_the_mean_of_percentiles() {
        let fast = of(std::iter::repeat_n(1, 900));
        let slow = of(std::iter::repeat_n(101, 100));
        let averaged = (fast.quantile_ms(0.5).unwrap() + slow.quantile_ms(0.5).unwrap()) / 2.0;
        let mut merged = fast.clone();
        merged.merge(&slow);
        assert!((averaged - 51.0).abs() < 0.1, "{averaged}");
        assert!((merged.quantile_ms(0.5).unwrap() - 1.0).abs() < 0.01);
        assert!((merged.quantile_ms(0.99).unwrap() - 101.0).abs() < 0.2);
    }

    #[test]
    fn merging_gives_what_one_histogram_would_have_recorded() {
        let mut merged = of([1, 5, 9]);
        merged.merge(&of([2, 400]));
        assert_eq!(merged, of([1, 2, 5, 9, 400]));
        assert_eq!(merged.count(), 5);
    }

    #[test]
    fn a_percentile_of_too_few_requests_is_absent() {
        assert_eq!(of(1..=99).quantile_ms(0.99), None);
        assert!(of(1..=100).quantile_ms(0.99).is_some());
        assert_eq!(of(1..=999).quantile_ms(0.999), None);
        assert!(of(1..=1000).quantile_ms(0.999).is_some());
        assert_eq!((of([]).quantile_ms(0.5), of([]).max_ms()), (None, None));
    }

    #[test]
    fn an_encoded_histogram_decodes_to_the_same_counts() {
        use hdrhistogram::serialization::Deserializer;
        let bytes = base64::engine::general_purpose::STANDARD.decode(of([3, 3, 70]).encode()).unwrap();
        let decoded: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap();
        assert_eq!((decoded.len(), decoded.count_between(2_900, 3_100)), (3, 2));
    }
}
