//! Steps that all ranks take together: how long the slowest one took, and how far it was behind the others.
//!
//! The main type is [`Round`]. Its duration is the maximum over the ranks and its throughput all bytes by that, whatever any single rank
//! achieved: nobody goes on before the last one has come.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::crew::Moved;
use super::record::metric;
use crate::load::LoadResult;
use crate::model::ai::straggler;
use crate::model::{Direction, Gate, GateVerdict, Metric, ScenarioRecord, Window};

/// Rounds whose own numbers stand in the record, at most; the others are in its medians.
const SHOWN: usize = 12;

/// When a rank's step began and ended, and what it moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Which step, from 1.
    pub number: u32,
    /// When its rank began it.
    pub start: Duration,
    /// When its rank had done it.
    pub end: Duration,
    /// What the rank moved.
    pub moved: Moved,
}

/// The steps of all ranks: each adds its own when it has ended.
#[derive(Debug, Default)]
pub(super) struct Steps(Mutex<Vec<Step>>);

impl Steps {
    /// Adds those of one rank.
    pub(super) fn add(&self, steps: Vec<Step>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(steps);
    }
    /// One round for each step, in their order.
    pub(super) fn rounds(&self) -> Vec<Round> {
        let steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = steps.iter().map(|step| step.number).max().unwrap_or(0);
        (1..=last).filter_map(|number| Round::of(number, steps.iter().filter(|step| step.number == number))).collect()
    }
}

/// A step of all ranks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Round {
    /// Which, from 1.
    pub number: u32,
    /// When the first rank began.
    pub start: Duration,
    /// From then until each rank had done its part.
    pub ranks: Vec<Duration>,
    /// What all of them moved.
    pub moved: Moved,
}

impl Round {
    fn of<'a>(number: u32, steps: impl Iterator<Item = &'a Step> + Clone) -> Option<Self> {
        let start = steps.clone().map(|step| step.start).min()?;
        let ranks = steps.clone().map(|step| step.end.saturating_sub(start)).collect();
        let mut moved = Moved::default();
        steps.for_each(|step| moved.add(step.moved.clone()));
        Some(Self { number, start, ranks, moved })
    }
    /// Until the last rank had done its part.
    pub(super) fn duration(&self) -> Duration {
        self.ranks.iter().max().copied().unwrap_or_default()
    }
    /// Whether everything was moved that was to be.
    pub(super) fn is_complete(&self) -> bool {
        self.moved.failed == 0
    }
}

/// The middle value; the mean of the two middle ones where their number is even.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    Some((upper + values[(values.len() - 1) / 2]) / 2.0)
}

/// The whole time of a load that ended by itself, its last and partial bucket included.
pub(super) fn whole(result: &LoadResult) -> (Duration, Duration) {
    (Duration::ZERO, result.to + result.ledger.bucket())
}

/// What rounds are called in a record: `checkpoint` makes `checkpoint_s` and `round_1.checkpoint_s`.
pub(super) struct Naming {
    /// What a round is.
    pub what: &'static str,
    /// What its single rounds are called, before their number.
    pub round: &'static str,
}

/// Writes what rounds took into the record. A round that is not complete has no duration: it says nothing about a whole one.
pub(super) fn fill(record: &mut ScenarioRecord, naming: &Naming, rounds: &[Round]) {
    let whole: Vec<&Round> = rounds.iter().filter(|round| round.is_complete()).collect();
    let seconds = |round: &&Round| round.duration().as_secs_f64();
    let n = whole.len() as u64;
    record.metrics.push(metric(format!("{}_s", naming.what), "s", Direction::LowerBetter, median(whole.iter().map(seconds).collect()), n));
    let longest = whole.iter().map(seconds).max_by(f64::total_cmp);
    record.metrics.push(metric(format!("{}_s_max", naming.what), "s", Direction::LowerBetter, longest, n));
    record.metrics.push(metric("throughput_mib_s", "MiB/s", Direction::HigherBetter, throughput(&whole), n));
    let ratios = whole.iter().filter_map(|round| straggler(&round.ranks)).collect();
    record.metrics.push(metric("straggler_ratio", "1", Direction::LowerBetter, median(ratios), n));
    for round in whole.iter().take(SHOWN) {
        let name = format!("{}_{}", naming.round, round.number);
        record.metrics.extend(metrics_of(&name, naming.what, round));
    }
    record.windows.extend(rounds.iter().map(|round| Window {
        label: format!("{} {}", naming.round, round.number),
        start_ms: round.start.as_secs_f64() * 1e3,
        end_ms: (round.start + round.duration()).as_secs_f64() * 1e3,
    }));
    for round in rounds.iter().filter(|round| !round.is_complete()) {
        let (moved, number) = (&round.moved, round.number);
        let of = moved.failed + moved.complete;
        record.findings.push(format!("{} of {of} failed in {} {number}: {}.", moved.failed, naming.round, moved.reasons.join("; ")));
    }
}

fn metrics_of(name: &str, what: &str, round: &Round) -> [Metric; 3] {
    let ranks = round.ranks.len() as u64;
    [
        metric(format!("{name}.{what}_s"), "s", Direction::LowerBetter, Some(round.duration().as_secs_f64()), ranks),
        metric(format!("{name}.throughput_mib_s"), "MiB/s", Direction::HigherBetter, throughput(&[round]), round.moved.complete),
        metric(format!("{name}.straggler_ratio"), "1", Direction::LowerBetter, straggler(&round.ranks), ranks),
    ]
}

/// All bytes by all durations, in MiB/s. `None` where nothing moves bytes, as in a listing.
fn throughput(rounds: &[&Round]) -> Option<f64> {
    let seconds: f64 = rounds.iter().map(|round| round.duration().as_secs_f64()).sum();
    let bytes: u64 = rounds.iter().map(|round| round.moved.bytes).sum();
    (seconds > 0.0 && bytes > 0).then(|| bytes as f64 / (1u64 << 20) as f64 / seconds)
}

/// Whether each round moved exactly these pieces and bytes.
pub(super) fn plan_gate(name: &str, rounds: &[Round], (pieces, bytes): (u64, u64)) -> Gate {
    let wrong = |round: &&Round| (round.moved.complete, round.moved.bytes) != (pieces, bytes);
    let found = rounds.iter().find(wrong);
    let verdict = match (found, rounds.is_empty()) {
        (Some(_), _) => GateVerdict::NotMet,
        (None, true) => GateVerdict::Untested,
        (None, false) => GateVerdict::Met,
    };
    let observed = match found {
        Some(round) => format!("round {} moved {} pieces, {} B", round.number, round.moved.complete, round.moved.bytes),
        None => format!("{} rounds as planned", rounds.len()),
    };
    Gate { name: name.to_owned(), verdict, limit: format!("each round moves {pieces} objects or ranges, {bytes} B"), observed, evidence: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u32, start: u64, end: u64, failed: u64) -> Step {
        let moved = Moved { complete: 2, bytes: 1 << 20, failed, reasons: Vec::new() };
        Step { number, start: Duration::from_millis(start), end: Duration::from_millis(end), moved }
    }

    #[test]
    fn a_round_lasts_from_the_first_rank_to_the_last_and_moves_what_all_of_them_moved() {
        let steps = Steps::default();
        steps.add(vec![step(1, 10, 60, 0), step(2, 200, 300, 1)]);
        steps.add(vec![step(1, 12, 110, 0), step(2, 201, 250, 0)]);
        let rounds = steps.rounds();
        assert_eq!(rounds[0].duration(), Duration::from_millis(100));
        assert_eq!(rounds[0].ranks, [50, 100].map(Duration::from_millis));
        assert_eq!((rounds[0].moved.complete, rounds[0].moved.bytes), (4, 2 << 20));
        assert!(rounds[0].is_complete() && !rounds[1].is_complete());
        assert!((throughput(&[&rounds[0]]).unwrap() - 20.0).abs() < 1e-9);
    }

    #[test]
    fn a_round_that_moved_something_else_breaks_the_gate() {
        let steps = Steps::default();
        steps.add(vec![step(1, 0, 10, 0)]);
        let verdict = |plan| plan_gate("as_planned", &steps.rounds(), plan).verdict;
        assert_eq!(verdict((2, 1 << 20)), GateVerdict::Met);
        assert_eq!(verdict((2, 1 << 19)), GateVerdict::NotMet);
        assert_eq!(verdict((3, 1 << 20)), GateVerdict::NotMet);
        assert_eq!(plan_gate("as_planned", &[], (1, 1)).verdict, GateVerdict::Untested);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 30.0]), Some(3.0));
        assert_eq!((median(vec![5.0, 1.0, 2.0]), median(Vec::new())), (Some(2.0), None));
    }
}
