//! How a vendor's rate grows with the requests in flight: the Universal Scalability Law fitted to a closed sweep.
//!
//! The main functions are [`fit`] and [`sweeps`]; the main type is [`Scaling`].

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Source;
use super::stats::median;
use crate::model::{Kind, Outcome, ScenarioRecord};
use crate::store::{Run, VendorRun};

/// Fewest different concurrencies: the law has three parameters, and one more has to be left to judge it by.
const CONCURRENCIES_MIN: usize = 4;
/// The metric whose growth is fitted.
const METRIC: &str = "requests_s";
/// A peak is believed up to so many times the largest concurrency that was measured.
const REACH: f64 = 2.0;

/// `X(N) = lambda * N / (1 + sigma * (N - 1) + kappa * N * (N - 1))` (Gunther, "Guerrilla Capacity Planning", 2007), N requests in flight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// Rate of one request in flight, in operations per second.
    pub lambda: f64,
    /// Contention: the share that waits in line. 0 to 1, below 0 where the rate grows faster than the requests in flight.
    pub sigma: f64,
    /// Crosstalk: what every pair of requests costs. Above 0, more requests in flight become slower at some point.
    pub kappa: f64,
    /// Share of the variance of the rate that the law explains, at most 1.
    pub r_squared: f64,
    /// Smallest and largest concurrency that was measured.
    pub measured: (f64, f64),
}

/// The best that a vendor does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peak {
    /// Requests in flight there.
    pub in_flight: f64,
    /// Operations per second there.
    pub rate_per_s: f64,
}

impl Scaling {
    /// The rate at so many requests in flight.
    pub fn rate_per_s(&self, in_flight: f64) -> f64 {
        self.lambda * in_flight / (1.0 + self.sigma * (in_flight - 1.0) + self.kappa * in_flight * (in_flight - 1.0))
    }
    /// The peak at `N* = sqrt((1 - sigma) / kappa)`, at 1 at least. `None` where the rate does not fall again (kappa not above 0), or only
    /// at more than twice the largest concurrency that was measured, which the fit cannot know.
    pub fn peak(&self) -> Option<Peak> {
        if self.kappa <= 0.0 {
            return None;
        }
        let in_flight = ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt().max(1.0);
        (in_flight <= REACH * self.measured.1).then(|| Peak { in_flight, rate_per_s: self.rate_per_s(in_flight) })
    }
    /// Whether the peak lies beyond what was measured.
    pub fn is_beyond(&self, peak: &Peak) -> bool {
        peak.in_flight > self.measured.1
    }
}

/// Fits the law to points of concurrency and rate by least squares; several points may share a concurrency. `None` for fewer than four
/// different concurrencies, for rates that are not above 0, and where the points determine no law.
///
/// `N / X` is linear in `1 / lambda`, `sigma / lambda` and `kappa / lambda`, so no search is needed; each residual is taken relative to
/// `N / X`, since a rate's error grows with the rate.
pub fn fit(points: &[(f64, f64)]) -> Option<Scaling> {
    let concurrencies: BTreeSet<u64> = points.iter().map(|(in_flight, _)| in_flight.to_bits()).collect();
    if concurrencies.len() < CONCURRENCIES_MIN || points.iter().any(|(in_flight, rate)| !(*in_flight >= 1.0 && *rate > 0.0 && rate.is_finite())) {
        return None;
    }
    let mut matrix = [[0.0; 4]; 3];
    for (in_flight, rate) in points {
        let weight = rate / in_flight;
        let row = [weight, weight * (in_flight - 1.0), weight * in_flight * (in_flight - 1.0), 1.0];
        for (index, line) in matrix.iter_mut().enumerate() {
            line.iter_mut().zip(row).for_each(|(cell, value)| *cell += row[index] * value);
        }
    }
    let [base, contention, crosstalk] = solve(matrix)?;
    if base <= 0.0 {
        return None;
    }
    let ends = points.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), (in_flight, _)| (low.min(*in_flight), high.max(*in_flight)));
    let mut scaling = Scaling { lambda: 1.0 / base, sigma: contention / base, kappa: crosstalk / base, r_squared: 0.0, measured: ends };
    let mean = points.iter().map(|(_, rate)| rate).sum::<f64>() / points.len() as f64;
    let left: f64 = points.iter().map(|(in_flight, rate)| (rate - scaling.rate_per_s(*in_flight)).powi(2)).sum();
    let all: f64 = points.iter().map(|(_, rate)| (rate - mean).powi(2)).sum();
    scaling.r_squared = if all > 0.0 { 1.0 - left / all } else { 1.0 };
    scaling.r_squared.is_finite().then_some(scaling)
}

/// Gauss-Jordan elimination with pivots; `None` where there is no single solution.
fn solve(mut matrix: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot = (column..3).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        matrix.swap(column, pivot);
        let lead = matrix[column][column];
        if lead.abs() < 1e-300 {
            return None;
        }
        let line = matrix[column].map(|cell| cell / lead);
        matrix[column] = line;
        for other in (0..3).filter(|other| *other != column) {
            let factor = matrix[other][column];
            matrix[other].iter_mut().zip(line).for_each(|(cell, value)| *cell -= factor * value);
        }
    }
    Some([matrix[0][3], matrix[1][3], matrix[2][3]])
}

/// The cells of one scenario that differ only in concurrency, at one vendor.
#[derive(Debug, Clone, PartialEq)]
pub struct Sweep {
    /// The scenario.
    pub scenario: String,
    /// The cells' name without their concurrency, e.g. `get_object 32 MiB`.
    pub cell: String,
    /// The law that fits.
    pub scaling: Scaling,
    /// Whether the client was the limit in a part of it: the vendor's own peak is then higher, or at more requests in flight.
    pub client_limited: bool,
}

/// The sweeps of a vendor's closed loops that can be fitted, in the order of their names. Each concurrency counts once, with the median of
/// its repeats.
pub fn sweeps(run: &Run, vendor: &VendorRun) -> Vec<Sweep> {
    let mut cells: BTreeMap<(&str, &str), BTreeMap<u32, Vec<&ScenarioRecord>>> = BTreeMap::new();
    for record in (Source { run, vendor }).records(Kind::Throughput) {
        let is_closed = record.parameters.get("loop").is_none_or(|kind| kind.starts_with("closed"));
        let parts = record.cell.rsplit_once(" x").and_then(|(cell, in_flight)| Some((cell, in_flight.parse().ok()?)));
        if let Some((cell, in_flight)) = parts.filter(|_| is_closed && record.outcome == Outcome::Measured) {
            cells.entry((record.scenario.as_str(), cell)).or_default().entry(in_flight).or_default().push(record);
        }
    }
    let of_cell = |((scenario, cell), points): ((&str, &str), BTreeMap<u32, Vec<&ScenarioRecord>>)| {
        let rate = |records: &[&ScenarioRecord]| median(&records.iter().filter_map(|record| record.metric(METRIC)).collect::<Vec<_>>());
        let medians: Vec<(f64, f64)> =
            points.iter().filter_map(|(in_flight, records)| rate(records).map(|rate| (f64::from(*in_flight), rate))).collect();
        let client_limited = points.values().flatten().any(|record| record.client_load.as_ref().is_some_and(|load| load.limited.is_some()));
        Some(Sweep { scenario: scenario.to_owned(), cell: cell.to_owned(), scaling: fit(&medians)?, client_limited })
    };
    cells.into_iter().filter_map(of_cell).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn law(lambda: f64, sigma: f64, kappa: f64) -> Scaling {
        Scaling { lambda, sigma, kappa, r_squared: 1.0, measured: (1.0, 64.0) }
    }

    fn points(law: &Scaling, noise: impl Fn(usize) -> f64) -> Vec<(f64, f64)> {
        let sweep = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
        sweep.iter().enumerate().map(|(index, in_flight)| (*in_flight, law.rate_per_s(*in_flight) * noise(index))).collect()
    }

    #[test]
    fn the_peak_is_where_the_law_says() {
        let peak = law(100.0, 0.1, 0.001).peak().unwrap();
        assert!((peak.in_flight - 30.0).abs() < 1e-9 && (peak.rate_per_s - 3000.0 / 4.77).abs() < 1e-6, "{peak:?}");
        assert_eq!(law(100.0, 1.5, 0.01).peak().unwrap().in_flight, 1.0, "one at a time is best");
    }

    #[test]
    fn without_crosstalk_or_far_out_there_is_no_peak_within_what_was_measured() {
        assert_eq!(law(100.0, 0.1, 0.0).peak(), None);
        assert_eq!(law(100.0, 0.1, -1e-4).peak(), None);
        assert_eq!(law(100.0, 0.0, 1.0 / (129.0 * 129.0)).peak(), None, "more than twice the 64 that were measured");
        let beyond = law(100.0, 0.0, 1e-4);
        assert!(beyond.is_beyond(&beyond.peak().unwrap()));
    }

    #[test]
    fn a_line_has_no_peak_and_few_points_have_no_law() {
        let line = [(1.0, 10.0), (2.0, 20.0), (4.0, 40.0), (8.0, 80.0)];
        let found = fit(&line).unwrap();
        assert!(found.sigma.abs() < 1e-9 && found.kappa.abs() < 1e-9 && found.r_squared > 0.999_999);
        assert_eq!(fit(&line[..3]), None);
        assert_eq!(fit(&[(1.0, 10.0), (2.0, 20.0), (4.0, 40.0), (4.0, 41.0)]), None, "three different concurrencies");
        assert_eq!(fit(&[(1.0, 10.0), (2.0, 0.0), (4.0, 40.0), (8.0, 80.0)]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn known_parameters_come_back(lambda in 1.0..10_000.0_f64, sigma in 0.0..0.5_f64, kappa in 0.0001..0.01_f64) {
            let found = fit(&points(&law(lambda, sigma, kappa), |_| 1.0)).unwrap();
            prop_assert!((found.lambda / lambda - 1.0).abs() < 1e-6 && (found.sigma - sigma).abs() < 1e-6 && (found.kappa - kappa).abs() < 1e-8);
            prop_assert!(found.r_squared > 1.0 - 1e-9);
        }

        #[test]
        fn noise_of_two_percent_moves_the_peak_little(sigma in 0.0..0.3_f64, kappa in 0.0008..0.01_f64, noise in prop::collection::vec(0.98..1.02_f64, 7)) {
            let known = law(1000.0, sigma, kappa);
            let found = fit(&points(&known, |index| noise[index])).unwrap();
            let (found, known) = (found.peak().unwrap(), known.peak().unwrap());
            prop_assert!((found.rate_per_s / known.rate_per_s - 1.0).abs() < 0.05, "{found:?} {known:?}");
            prop_assert!((found.in_flight / known.in_flight - 1.0).abs() < 0.2, "{found:?} {known:?}");
        }
    }
}
