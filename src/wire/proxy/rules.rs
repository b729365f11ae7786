//! Which faults hit which request: every n-th that matches, counted per rule, so that a run can be repeated.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::throttle::{Direction, Throttle};
use crate::config::{DegradeRule, FaultKind, Phase};

/// How often one rule had its way.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleCount {
    /// The rule.
    pub rule: DegradeRule,
    /// Requests that it matched.
    pub matched: u64,
    /// Requests to which its fault was really done: not where the body was too short, or the signature was wrong to begin with.
    pub fired: u64,
}

#[derive(Debug)]
struct Counted {
    rule: DegradeRule,
    matched: AtomicU64,
    fired: AtomicU64,
    /// The state of a rule that throttles, and the moment that its time counts from.
    throttle: Option<(Instant, Mutex<Throttle>)>,
}

impl Counted {
    fn new(rule: DegradeRule) -> Self {
        let throttle = match &rule.fault {
            FaultKind::Throttle(limits) => Some((Instant::now(), Mutex::new(Throttle::new(limits.clone())))),
            _ => None,
        };
        Self { rule, matched: AtomicU64::new(0), fired: AtomicU64::new(0), throttle }
    }
}

#[derive(Debug, Default)]
struct Book {
    rules: Vec<Arc<Counted>>,
    phase: Option<Phase>,
}

/// The rules that are on, and their counters.
#[derive(Debug, Default)]
pub(super) struct Rules(Mutex<Book>);

/// A fault chosen for one request.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    counted: Arc<Counted>,
    /// How many requests the rule had matched, this one included.
    turn: u64,
}

impl Fault {
    pub fn kind(&self) -> &FaultKind {
        &self.counted.rule.fault
    }
    /// Counts the fault as done.
    pub fn fire(&self) {
        self.counted.fired.fetch_add(1, Ordering::Relaxed);
    }
    /// Whether a rule that throttles lets a request pass now; the others have no say.
    pub fn admits(&self, prefix: &str, direction: Direction) -> bool {
        self.counted.throttle.as_ref().is_none_or(|(started, throttle)| {
            let mut throttle = throttle.lock().unwrap_or_else(PoisonError::into_inner);
            throttle.admit(prefix, direction, started.elapsed())
        })
    }
    /// A part of `span` that is spread evenly over the rule's turns and the same in every run.
    pub fn spread(&self, span: Duration) -> Duration {
        let mut mixed = self.turn.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        span.mul_f64((mixed >> 11) as f64 / (1u64 << 53) as f64)
    }
}

impl Rules {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Replaces the rules; their counters start at 0.
    pub fn set(&self, rules: Vec<DegradeRule>) {
        self.book().rules = rules.into_iter().map(|rule| Arc::new(Counted::new(rule))).collect();
    }
    pub fn set_phase(&self, phase: Option<Phase>) {
        self.book().phase = phase;
    }
    /// The faults of the next request of this operation.
    pub fn choose(&self, operation: &str) -> Vec<Fault> {
        let book = self.book();
        let is_on = |rule: &DegradeRule| {
            (rule.operations.is_empty() || rule.operations.iter().any(|name| name == operation))
                && (rule.phases.is_empty() || book.phase.is_some_and(|phase| rule.phases.contains(&phase)))
        };
        let hits = book.rules.iter().filter(|counted| is_on(&counted.rule)).filter_map(|counted| {
            let turn = counted.matched.fetch_add(1, Ordering::Relaxed) + 1;
            turn.is_multiple_of(counted.rule.every.max(1)).then(|| Fault { counted: counted.clone(), turn })
        });
        hits.collect()
    }
    pub fn counts(&self) -> Vec<RuleCount> {
        let count = |counted: &Arc<Counted>| RuleCount {
            rule: counted.rule.clone(),
            matched: counted.matched.load(Ordering::Relaxed),
            fired: counted.fired.load(Ordering::Relaxed),
        };
        self.book().rules.iter().map(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(every: u64, operations: &[&str], phases: &[Phase]) -> DegradeRule {
        let operations = operations.iter().map(|name| (*name).to_owned()).collect();
        DegradeRule { fault: FaultKind::BlackHole {}, every, operations, phases: phases.to_vec() }
    }

    #[test]
    fn every_nth_matching_request_is_hit() {
        let rules = Rules::default();
        rules.set(vec![rule(3, &["PutObject"], &[])]);
        let hits: Vec<bool> = (0..6).map(|_| !rules.choose("PutObject").is_empty()).collect();
        assert_eq!(hits, [false, false, true, false, false, true]);
        assert!(rules.choose("GetObject").is_empty());
        assert_eq!(rules.counts()[0].matched, 6);
        assert_eq!(rules.counts()[0].fired, 0);
    }

    #[test]
    fn a_rule_with_phases_is_off_outside_of_them() {
        let rules = Rules::default();
        rules.set(vec![rule(1, &[], &[Phase::Failure, Phase::Throughput])]);
        assert!(rules.choose("GetObject").is_empty());
        rules.set_phase(Some(Phase::Conformance));
        assert!(rules.choose("GetObject").is_empty());
        rules.set_phase(Some(Phase::Throughput));
        assert_eq!(rules.choose("GetObject").len(), 1);
        assert_eq!(rules.counts()[0].matched, 1);
    }

    #[test]
    fn jitter_repeats_from_run_to_run_and_covers_its_span() {
        let times = || {
            let rules = Rules::default();
            rules.set(vec![rule(1, &[], &[])]);
            (0..200).map(|_| rules.choose("GetObject")[0].spread(Duration::from_secs(1)).as_secs_f64()).collect::<Vec<_>>()
        };
        assert_eq!(times(), times());
        let mean = times().iter().sum::<f64>() / 200.0;
        assert!((0.4..0.6).contains(&mean), "{mean}");
    }
}
