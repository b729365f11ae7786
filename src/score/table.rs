//! The scoring model's own numbers: level weights, values of verdicts, the fault formula. A change here needs a new [`VERSION`].

use sha2::{Digest, Sha256};

use super::Interval;
use super::stats::curve;
use crate::config::Profile;
use crate::model::{Direction, FailureClass, Level, Verdict};

/// Version of the scoring model.
pub const VERSION: u32 = 1;

/// How much a case of this level weighs inside compatibility.
pub fn level_weight(level: Level) -> f64 {
    match level {
        Level::Core => 10.0,
        Level::Common => 5.0,
        Level::Extended => 2.0,
        Level::Rare => 1.0,
    }
}

/// What a verdict is worth; `None` where it is not counted (untested) or not known (unresolved).
pub fn verdict_value(verdict: Verdict, class: Option<FailureClass>) -> Option<f64> {
    match verdict {
        Verdict::Pass | Verdict::Variant => Some(1.0),
        Verdict::Unsupported => Some(0.3),
        Verdict::Unresolved | Verdict::Untested => None,
        Verdict::Fail => Some(match class {
            Some(FailureClass::WrongCode) => 0.6,
            Some(FailureClass::WrongEffect) => 0.1,
            _ => 0.0,
        }),
    }
}

/// What one repeat of a failure scenario is scored by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultInputs {
    /// Seconds with fewer than 99 % successes; `None` where no load ran or the topology does not claim to tolerate the fault.
    pub unavailable_s: Option<f64>,
    /// Seconds to recover, infinite = never; `None` = the fault did not reach the servers, so there was nothing to recover from.
    pub recovery_s: Option<f64>,
    /// Share of error answers with the right status and code; `None` = there were none.
    pub correct_error_share: Option<f64>,
    /// Multipart parts left behind; `None` = not looked for.
    pub leaked_parts: Option<f64>,
}

/// `.40 LN(U; 1 s, 10 s) + .30 LN(R; 5 s, 30 s) + .20 correct errors + .10 no leak`, rescaled without U and leak where these are `None`.
///
/// R counts as 0 s where there was nothing to recover from: a server that keeps all data and only answers with wrong codes then
/// gets 0.6, as a case with `wrong_code` does.
pub fn fault_score(inputs: &FaultInputs) -> f64 {
    let lower = |value, good, median| curve(Direction::LowerBetter, value, good, median);
    let terms = [
        inputs.unavailable_s.map(|seconds| (0.40, lower(seconds, 1.0, 10.0))),
        Some((0.30, lower(inputs.recovery_s.unwrap_or(0.0), 5.0, 30.0))),
        Some((0.20, inputs.correct_error_share.unwrap_or(1.0).clamp(0.0, 1.0))),
        inputs.leaked_parts.map(|parts| (0.10, if parts > 0.0 { 0.0 } else { 1.0 })),
    ];
    super::stats::weighted_mean(terms.into_iter().flatten()).unwrap_or(1.0)
}

/// First 16 hexadecimal digits of the SHA-256 over this model's tables and the profile's weights, curves, gates and cost rule.
pub fn hash(profile: &Profile) -> String {
    let mut text = format!("model {VERSION}\n");
    for level in [Level::Core, Level::Common, Level::Extended, Level::Rare] {
        text.push_str(&format!("level {level} {}\n", level_weight(level)));
    }
    for verdict in [Verdict::Pass, Verdict::Variant, Verdict::Unsupported] {
        text.push_str(&format!("verdict {verdict} {:?}\n", verdict_value(verdict, None)));
    }
    use FailureClass::{Corrupt, Crash, Timeout, UnsafeIgnore, WrongCode, WrongEffect};
    for class in [WrongCode, WrongEffect, UnsafeIgnore, Corrupt, Crash, Timeout] {
        text.push_str(&format!("fail {class} {:?}\n", verdict_value(Verdict::Fail, Some(class))));
    }
    text.push_str("fault .40 LN(U;1,10) if tolerated, .30 LN(R;5,30) or 1, .20 errors, .10 leak if looked for\n");
    let weights = profile.weights.all();
    let gates = &profile.gates;
    text.push_str(&format!("weights {weights:?}\ngates {} {:?} {}\n", gates.coverage_min, gates.required, gates.unresolved_max));
    text.push_str(&format!("cost {} {}\n", profile.cost.workload, profile.cost.budget_usd_per_tb_month.normalize()));
    for curve in &profile.curves {
        let direction = curve.direction.name();
        text.push_str(&format!(
            "curve {:?} {:?} {:?} {direction} {} {} {}\n",
            curve.scenario.as_str(),
            curve.cell,
            curve.metric,
            curve.good,
            curve.median,
            curve.weight
        ));
    }
    hex::encode(&Sha256::digest(text)[..8])
}

impl Interval {
    /// Nothing is uncertain.
    pub fn exact(value: f64) -> Self {
        Self { low: value, value, high: value }
    }
    /// Two ends in any order around a value; widened so that it holds the value.
    pub(super) fn around(value: f64, a: f64, b: f64) -> Self {
        Self { low: a.min(b).min(value), value, high: a.max(b).max(value) }
    }
    /// Whether two intervals have a point in common.
    pub fn overlaps(&self, other: &Interval) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_score_of_the_worked_example() {
        let inputs = FaultInputs { unavailable_s: Some(4.0), recovery_s: Some(12.0), correct_error_share: Some(0.98), leaked_parts: Some(0.0) };
        // .4 x .694967 + .3 x .743887 + .2 x .98 + .1, each curve value rounded to six digits.
        assert!((fault_score(&inputs) - 0.797153).abs() < 5e-7, "{}", fault_score(&inputs));
    }

    #[test]
    fn unavailability_and_leaks_that_were_not_judged_are_dropped_and_the_rest_is_rescaled() {
        let nothing = FaultInputs { unavailable_s: None, recovery_s: None, correct_error_share: None, leaked_parts: None };
        assert_eq!(fault_score(&nothing), 1.0);
        assert!((fault_score(&FaultInputs { leaked_parts: Some(2.0), ..nothing }) - 0.5 / 0.6).abs() < 1e-12);
        assert!((fault_score(&FaultInputs { recovery_s: Some(f64::INFINITY), ..nothing }) - 0.4).abs() < 1e-12, "never recovered");
        assert!((fault_score(&FaultInputs { correct_error_share: Some(0.0), ..nothing }) - 0.6).abs() < 1e-12, "wrong codes only");
    }
}
