//! The highest rate that a vendor keeps up with: a ramp that grows by a factor, then a bisection of the last step.
//!
//! The main type is [`KneeSearch`]. It is told what each step found and says which rate to try next; it sends nothing itself.

use std::time::Duration;

use crate::config::KneeRules;

/// A step holds when at least this share of what was due succeeded.
pub const ACHIEVED_MIN: f64 = 0.97;
/// Steps at most: a ramp from 1 to 10^7 requests per s and its bisection.
const STEPS_MAX: usize = 80;

/// What one rate brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Requests per s that were due.
    pub offered_per_s: f64,
    /// Share of them that succeeded, 0 to 1; none if none was due.
    pub achieved: Option<f64>,
    /// p99 of the response time, counted from when requests were due; none if too few succeeded.
    pub p99: Option<Duration>,
}

impl Step {
    /// Whether the vendor kept up: enough succeeded, and within the objective. A p99 that is missing for lack of requests is not held
    /// against it.
    pub fn holds(&self, objective: Duration) -> bool {
        self.achieved.is_some_and(|achieved| achieved >= ACHIEVED_MIN) && self.p99.is_none_or(|p99| p99 <= objective)
    }
    /// Requests per s that succeeded.
    pub fn achieved_per_s(&self) -> Option<f64> {
        self.achieved.map(|achieved| achieved * self.offered_per_s)
    }
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// Offer this rate.
    Try(f64),
    /// The knee lies between the rate that held last, which is given, and 3 % above it.
    Found(f64),
    /// The cap held: the knee lies above it.
    AtLeast(f64),
    /// Not even the first rate held: the knee lies below it.
    Below(f64),
}

/// A search for the knee.
#[derive(Debug, Clone, PartialEq)]
pub struct KneeSearch {
    rules: KneeRules,
    steps: Vec<Step>,
}

impl KneeSearch {
    /// A search that has tried nothing yet.
    pub fn new(rules: KneeRules) -> Self {
        Self { rules, steps: Vec::new() }
    }

    /// Takes in what a step found.
    pub fn tell(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// The steps so far.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The step with the highest rate that held.
    pub fn best(&self) -> Option<&Step> {
        let bad = self.lowest_bad();
        let below = self.steps.iter().filter(|step| step.holds(self.rules.p99_max.0) && bad.is_none_or(|bad| step.offered_per_s < bad));
        below.max_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s))
    }

    /// A rate above one that did not hold is not tried, so that what held is always below what did not.
    fn lowest_bad(&self) -> Option<f64> {
        let bad = self.steps.iter().filter(|step| !step.holds(self.rules.p99_max.0)).map(|step| step.offered_per_s);
        bad.reduce(f64::min)
    }

    /// What to do next.
    pub fn next(&self) -> Next {
        let held = self.best().map(|step| (step.offered_per_s, step.achieved_per_s().unwrap_or(step.offered_per_s)));
        match (held, self.lowest_bad()) {
            (None, None) => Next::Try(self.rules.start_per_s),
            (None, Some(bad)) => Next::Below(bad),
            (Some((offered, achieved)), None) if offered >= self.rules.cap_per_s => Next::AtLeast(achieved),
            (Some((offered, _)), None) => Next::Try((offered * KneeRules::GROWTH).min(self.rules.cap_per_s)),
            (Some((offered, achieved)), Some(bad)) if bad / offered <= 1.0 + KneeRules::TOLERANCE || self.steps.len() >= STEPS_MAX => {
                Next::Found(achieved.min(offered))
            }
            // The middle on a log scale: both halves are as far from being found.
            (Some((offered, _)), Some(bad)) => Next::Try((offered * bad).sqrt()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    const OBJECTIVE: Duration = Duration::from_millis(100);

    fn rules(start_per_s: f64, cap_per_s: f64) -> KneeRules {
        KneeRules { start_per_s, cap_per_s, p99_max: Span(OBJECTIVE) }
    }

    /// Searches a server that answers a step as `server` says.
    fn search(start: f64, cap: f64, server: impl Fn(f64) -> (f64, Duration)) -> (Next, KneeSearch) {
        let mut search = KneeSearch::new(rules(start, cap));
        loop {
            let Next::Try(offered_per_s) = search.next() else { return (search.next(), search) };
            assert!(search.steps().len() < 60, "{search:?}");
            let (achieved, p99) = server(offered_per_s);
            search.tell(Step { offered_per_s, achieved: Some(achieved), p99: Some(p99) });
        }
    }

    /// A server that takes so many requests per s and no more: what is over waits until the step of 3 s ends.
    fn limited(limit: f64) -> impl Fn(f64) -> (f64, Duration) {
        move |offered| ((limit / offered).min(1.0), Duration::from_secs_f64(3.0 * (1.0 - limit / offered).max(0.0) + 0.005))
    }

    /// One server with a fixed service time and Poisson arrivals (M/D/1). In heavy traffic its wait is close to exponential with
    /// a decay of 2 (1 - rho) / (rho s) (Kingman, 1962).
    fn queue(service_s: f64) -> impl Fn(f64) -> (f64, Duration) {
        move |offered| {
            let rho = offered * service_s;
            if rho >= 1.0 {
                return (1.0 / rho, Duration::from_secs(1));
            }
            let decay = 2.0 * (1.0 - rho) / (rho * service_s);
            (1.0, Duration::from_secs_f64(service_s + (100.0 * rho).ln().max(0.0) / decay))
        }
    }

    #[test]
    fn a_hard_rate_limit_is_found_within_three_percent() {
        for limit in [37.0, 60.0, 333.3, 1000.0, 1900.0] {
            let (found, search) = search(20.0, 2000.0, limited(limit));
            let Next::Found(rate) = found else { panic!("{limit}: {found:?}") };
            assert!((rate / limit - 1.0).abs() <= KneeRules::TOLERANCE, "{limit}: {rate} after {:?}", search.steps());
        }
    }

    #[test]
    fn a_queue_is_found_where_its_tail_leaves_the_objective() {
        for service_s in [0.001, 0.004, 0.010] {
            // Solved by hand: the highest rate whose p99 is within the objective.
            let holds = |rate: f64| queue(service_s)(rate).1 <= OBJECTIVE;
            let knee = (1..200_000).map(|step| f64::from(step) * 0.01).take_while(|rate| holds(*rate)).last().unwrap();
            let (found, _) = search(20.0, 5000.0, queue(service_s));
            let Next::Found(rate) = found else { panic!("{service_s}: {found:?}") };
            assert!(rate <= knee && rate >= knee / (1.0 + KneeRules::TOLERANCE) - 0.01, "{service_s}: {rate} of {knee}");
        }
    }

    #[test]
    fn a_server_above_the_cap_or_below_the_start_has_a_bound_and_no_knee() {
        assert_eq!(search(20.0, 2000.0, limited(5000.0)).0, Next::AtLeast(2000.0));
        assert_eq!(search(20.0, 2000.0, limited(10.0)).0, Next::Below(20.0));
        assert_eq!(search(20.0, 20.0, limited(50.0)).0, Next::AtLeast(20.0));
    }

    #[test]
    fn errors_and_silence_do_not_hold_and_few_requests_do() {
        let step = Step { offered_per_s: 50.0, achieved: Some(1.0), p99: None };
        assert!(step.holds(OBJECTIVE));
        assert!(!Step { achieved: Some(0.96), ..step }.holds(OBJECTIVE));
        assert!(!Step { achieved: None, ..step }.holds(OBJECTIVE));
        assert!(!Step { p99: Some(OBJECTIVE * 2), ..step }.holds(OBJECTIVE));
    }

    #[test]
    fn the_plan_bounds_what_any_search_offers() {
        for limit in [25.0, 60.0, 333.3, 1000.0, 1990.0, 2100.0, 9999.0] {
            let (_, search) = search(20.0, 2000.0, limited(limit));
            let rules = rules(20.0, 2000.0);
            assert!(search.steps().len() as f64 <= rules.steps_max(), "{limit}: {:?}", search.steps());
            assert!(search.steps().iter().map(|step| step.offered_per_s).sum::<f64>() <= rules.offered_max_per_s(), "{limit}");
        }
    }

    #[test]
    fn a_lucky_step_above_a_bad_one_is_not_the_knee() {
        let mut search = KneeSearch::new(rules(100.0, 2000.0));
        for (offered_per_s, achieved) in [(100.0, 1.0), (125.0, 0.5), (130.0, 1.0)] {
            search.tell(Step { offered_per_s, achieved: Some(achieved), p99: None });
        }
        assert_eq!(search.best().unwrap().offered_per_s, 100.0);
    }
}
