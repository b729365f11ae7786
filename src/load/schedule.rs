//! When the requests of an open loop are due: at a constant pace, as a Poisson process, or in bursts.
//!
//! The main type is [`Schedule`], the due times of one of several workers that together have the stated rate: Poisson processes add up to one
//! (superposition), and the workers of a constant pace take turns. Bursts are an inhomogeneous Poisson process, drawn by change of time: unit
//! exponentials are summed and mapped back through the exact inverse of the integral of the rate (Lewis and Shedler, 1979; Devroye, 1986, VI.1.3).

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use crate::config::{ArrivalKind, BurstRules, OpenLoop};

/// The shape of the load over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// Evenly spaced.
    Constant,
    /// Exponential gaps.
    Poisson,
    /// Poisson at the base rate, and at `factor` times it in the last part of each period.
    Bursts(Bursts),
}

/// A burst at the end of each period: the calm before it is what its recovery is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// Length of a period in s.
    every_s: f64,
    /// Length of the burst in s.
    lasts_s: f64,
    /// How many times the base rate.
    factor: f64,
}

/// Bursts that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a burst must last some time, be no longer than its period, and have a finite factor above 0")]
pub struct BurstsError;

impl Bursts {
    /// Bursts of `lasts` at `factor` times the base rate, one at the end of each period `every`.
    ///
    /// # Errors
    /// When the burst lasts no time or longer than its period, or the factor is not a finite number above 0.
    pub fn new(every: Duration, lasts: Duration, factor: f64) -> Result<Self, BurstsError> {
        let is_sound = !lasts.is_zero() && lasts <= every && factor.is_finite() && factor > 0.0;
        is_sound.then_some(Self { every_s: every.as_secs_f64(), lasts_s: lasts.as_secs_f64(), factor }).ok_or(BurstsError)
    }

    fn calm_s(self) -> f64 {
        self.every_s - self.lasts_s
    }

    /// Arrivals of one period at a base rate of 1 per s.
    fn of_period(self) -> f64 {
        self.calm_s() + self.lasts_s * self.factor
    }

    /// Expected arrivals until `at_s` at a base rate of 1 per s.
    fn integral(self, at_s: f64) -> f64 {
        let periods = (at_s / self.every_s).floor();
        let within = at_s - periods * self.every_s;
        periods * self.of_period() + within.min(self.calm_s()) + (within - self.calm_s()).max(0.0) * self.factor
    }

    /// The moment in s until which `expected` arrivals are expected: the inverse of [`Bursts::integral`].
    fn moment(self, expected: f64) -> f64 {
        let periods = (expected / self.of_period()).floor();
        let within = expected - periods * self.of_period();
        periods * self.every_s + within.min(self.calm_s()) + (within - self.calm_s()).max(0.0) / self.factor
    }
}

impl Arrivals {
    /// How many arrivals are expected from the start until `at`, at a base rate.
    pub fn expected(&self, rate_per_s: f64, at: Duration) -> f64 {
        match self {
            Self::Constant | Self::Poisson => rate_per_s * at.as_secs_f64(),
            Self::Bursts(bursts) => rate_per_s * bursts.integral(at.as_secs_f64()),
        }
    }

    /// The mean rate over whole periods, per s.
    pub fn mean_rate_per_s(&self, rate_per_s: f64) -> f64 {
        match self {
            Self::Constant | Self::Poisson => rate_per_s,
            Self::Bursts(bursts) => rate_per_s * bursts.of_period() / bursts.every_s,
        }
    }
}

/// The pace of an open loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Its shape.
    pub arrivals: Arrivals,
    /// Requests per s of all workers together: the base rate where there are bursts.
    pub rate_per_s: f64,
}

impl Pace {
    /// The pace that a scenario file states.
    ///
    /// # Errors
    /// When its bursts are none.
    pub fn of(open: OpenLoop) -> Result<Self, BurstsError> {
        let arrivals = match open.arrivals {
            ArrivalKind::Poisson => Arrivals::Poisson,
            ArrivalKind::Constant => Arrivals::Constant,
            ArrivalKind::Bursts(BurstRules { every, lasts, factor }) => Arrivals::Bursts(Bursts::new(every.0, lasts.0, factor)?),
        };
        Ok(Self { arrivals, rate_per_s: open.rate_per_s })
    }
}

/// Which of how many workers a schedule is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// From 0.
    pub worker: u32,
    /// All of them; at least 1.
    pub workers: u32,
}

impl Share {
    /// The only worker.
    pub const WHOLE: Share = Share { worker: 0, workers: 1 };
}

/// Streams of the generator from here on are the schedules': who draws keys from the same seed must not draw the same numbers.
const STREAMS: u64 = 1 << 32;

/// The due times of one worker, from the start of the load. It never ends; the same seed gives the same times.
#[derive(Debug)]
pub struct Schedule {
    arrivals: Arrivals,
    /// Base rate of all workers together.
    rate_per_s: f64,
    share: Share,
    random: ChaCha8Rng,
    drawn: u64,
    /// Arrivals of all workers that were expected until the last one: the process in its own time.
    passed: f64,
}

impl Schedule {
    /// The share of one worker in arrivals at `rate_per_s`, the base rate of all workers together: above 0.
    pub fn new(arrivals: Arrivals, rate_per_s: f64, seed: u64, share: Share) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(STREAMS + u64::from(share.worker));
        Self { arrivals, rate_per_s, share, random, drawn: 0, passed: 0.0 }
    }

    /// The next arrival in the process's own time, in which one is expected per unit over all workers.
    fn advance(&mut self) -> f64 {
        let workers = f64::from(self.share.workers.max(1));
        match self.arrivals {
            // A product, not a sum: no error adds up, and the workers stay in step.
            Arrivals::Constant => self.drawn as f64 * workers + f64::from(self.share.worker),
            Arrivals::Poisson | Arrivals::Bursts(_) => {
                let gap: f64 = Exp1.sample(&mut self.random);
                self.passed += gap * workers;
                self.passed
            }
        }
    }
}

impl Iterator for Schedule {
    type Item = Duration;
    fn next(&mut self) -> Option<Duration> {
        let expected = self.advance() / self.rate_per_s;
        self.drawn += 1;
        let at_s = match self.arrivals {
            Arrivals::Constant | Arrivals::Poisson => expected,
            Arrivals::Bursts(bursts) => bursts.moment(expected),
        };
        Some(Duration::try_from_secs_f64(at_s).unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLION: usize = 1_000_000;

    fn bursts(every_s: f64, lasts_s: f64, factor: f64) -> Arrivals {
        Arrivals::Bursts(Bursts::new(Duration::from_secs_f64(every_s), Duration::from_secs_f64(lasts_s), factor).unwrap())
    }

    /// The due times in s of all workers, the first `count` of each.
    fn due(arrivals: Arrivals, rate_per_s: f64, seed: u64, workers: u32, count: usize) -> Vec<f64> {
        let of = |worker| Schedule::new(arrivals, rate_per_s, seed, Share { worker, workers });
        let mut due: Vec<f64> = (0..workers).flat_map(|worker| of(worker).take(count)).map(|due| due.as_secs_f64()).collect();
        due.sort_by(f64::total_cmp);
        due
    }

    fn gaps(due: &[f64]) -> Vec<f64> {
        due.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// Mean and variance.
    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64)
    }

    #[test]
    fn one_seed_gives_one_schedule_and_workers_differ() {
        for arrivals in [Arrivals::Poisson, bursts(5.0, 1.0, 10.0)] {
            let of = |seed, worker| Schedule::new(arrivals, 50.0, seed, Share { worker, workers: 2 }).take(100).collect::<Vec<_>>();
            assert_eq!(of(7, 0), of(7, 0));
            assert_ne!(of(7, 0), of(8, 0));
            assert_ne!(of(7, 0), of(7, 1));
        }
    }

    #[test]
    fn a_million_arrivals_have_the_stated_rate_within_one_percent() {
        for arrivals in [Arrivals::Constant, Arrivals::Poisson, bursts(5.0, 1.0, 10.0)] {
            for workers in [1, 4] {
                let last = due(arrivals, 20_000.0, 3, workers, MILLION / workers as usize).len() as f64;
                let ends = (0..workers).map(|worker| {
                    let mut schedule = Schedule::new(arrivals, 20_000.0, 3, Share { worker, workers });
                    schedule.nth(MILLION / workers as usize - 1).unwrap().as_secs_f64()
                });
                let end = ends.sum::<f64>() / f64::from(workers);
                let expected = arrivals.expected(20_000.0, Duration::from_secs_f64(end));
                assert!((last / expected - 1.0).abs() < 0.01, "{arrivals:?} x{workers}: {last} for {expected}");
            }
        }
    }

    #[test]
    fn poisson_gaps_have_mean_and_deviation_of_the_exponential_for_any_number_of_workers() {
        for workers in [1, 8] {
            let due = due(Arrivals::Poisson, 200.0, 1, workers, 200_000 / workers as usize);
            // At the very end some workers have no more arrivals: that part is left out.
            let gaps = gaps(&due[..190_000]);
            let (mean, variance) = moments(&gaps);
            assert!((mean * 200.0 - 1.0).abs() < 0.01, "x{workers}: mean {mean}");
            assert!((variance * 40_000.0 - 1.0).abs() < 0.02, "x{workers}: variance {variance}");
            let longer = gaps.iter().filter(|gap| **gap > 0.005).count() as f64 / gaps.len() as f64;
            assert!((longer - (-1f64).exp()).abs() < 0.005, "x{workers}: {longer}");
            let lagged = gaps.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / gaps.len() as f64 / variance;
            assert!(lagged.abs() < 0.01, "x{workers}: neighbouring gaps are correlated by {lagged}");
        }
    }

    #[test]
    fn workers_of_a_constant_pace_take_turns_exactly() {
        let due = due(Arrivals::Constant, 1000.0, 1, 7, 1000);
        assert_eq!(due[0], 0.0);
        assert!(gaps(&due).iter().all(|gap| (gap - 0.001).abs() < 2e-9));
        // The variance that tells it from Poisson: none.
        assert!(moments(&gaps(&due)).1 < 1e-12);
    }

    #[test]
    fn a_burst_holds_ten_times_the_base_rate_for_its_second_and_no_longer() {
        let arrivals = bursts(5.0, 1.0, 10.0);
        let due: Vec<f64> = due(arrivals, 100.0, 5, 2, 200_000).into_iter().filter(|due| *due < 1000.0).collect();
        let within = |from: f64, to: f64| due.iter().filter(|due| (from..to).contains(&(*due % 5.0))).count() as f64 / 200.0;
        for (from, to, expected) in [(0.0, 2.0, 200.0), (2.0, 4.0, 200.0), (4.0, 4.5, 500.0), (4.5, 5.0, 500.0)] {
            let found = within(from, to);
            // Four standard deviations of a Poisson count over 200 periods.
            assert!((found - expected).abs() < 4.0 * (expected / 200.0).sqrt(), "{from} to {to}: {found}");
        }
        assert_eq!(arrivals.mean_rate_per_s(100.0), 280.0);
        assert_eq!(arrivals.expected(100.0, Duration::from_millis(4_500)), 900.0);
        assert_eq!(arrivals.expected(100.0, Duration::from_secs(12)), 3000.0);
    }

    #[test]
    fn counts_of_short_windows_scatter_as_poisson_counts_do() {
        // Index of dispersion (variance over mean) of counts per 100 ms in the calm: 1 for Poisson, 0 for a constant pace.
        let dispersion = |arrivals| {
            let due = due(arrivals, 1000.0, 11, 4, 500_000);
            let mut counts = vec![0.0; 4000];
            due.iter().filter(|due| **due < 400.0).for_each(|due| counts[(due * 10.0) as usize] += 1.0);
            let calm: Vec<f64> = counts.chunks(50).flat_map(|period| period[..40].to_vec()).collect();
            let (mean, variance) = moments(&calm);
            variance / mean
        };
        for arrivals in [Arrivals::Poisson, bursts(5.0, 1.0, 10.0)] {
            let found = dispersion(arrivals);
            assert!((found - 1.0).abs() < 0.1, "{arrivals:?}: {found}");
        }
        assert!(dispersion(Arrivals::Constant) < 0.05);
    }

    #[test]
    fn bursts_that_are_none_are_refused() {
        let second = Duration::from_secs(1);
        for (every, lasts, factor) in [(second, Duration::ZERO, 2.0), (second, second * 2, 2.0), (second, second, 0.0), (second, second, f64::NAN)] {
            assert_eq!(Bursts::new(every, lasts, factor), Err(BurstsError));
        }
        assert!(Bursts::new(second, second, 3.0).is_ok());
    }

    proptest! {
        #[test]
        fn the_integral_and_its_inverse_fit_and_grow(every in 0.1f64..100.0, part in 0.01f64..1.0, factor in 0.01f64..100.0, at in 0.0f64..10_000.0, more in 1e-3f64..10.0) {
            let bursts = Bursts::new(Duration::from_secs_f64(every), Duration::from_secs_f64(every * part), factor).unwrap();
            prop_assert!((bursts.moment(bursts.integral(at)) - at).abs() < 1e-6 * (1.0 + at));
            prop_assert!(bursts.integral(at + more) > bursts.integral(at));
            // Between the slower and the faster rate, all the time.
            let slope = (bursts.integral(at + more) - bursts.integral(at)) / more;
            prop_assert!(slope >= factor.min(1.0) * 0.999 && slope <= factor.max(1.0) * 1.001, "{slope}");
        }

        #[test]
        fn due_times_never_go_back(seed: u64, rate in 0.1f64..10_000.0, workers in 1u32..9) {
            for arrivals in [Arrivals::Constant, Arrivals::Poisson, bursts(5.0, 1.0, 10.0)] {
                let schedule = Schedule::new(arrivals, rate, seed, Share { worker: workers - 1, workers });
                let due: Vec<Duration> = schedule.take(200).collect();
                prop_assert!(due.windows(2).all(|pair| pair[0] <= pair[1]));
            }
        }
    }
}
