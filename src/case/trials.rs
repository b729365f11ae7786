//! Repeated trials of a rule about a race: a share of violations instead of one lucky try.
//!
//! The main type is [`Trials`].

use tokio::task::JoinSet;

use super::finding::{Checked, Finding};
use super::fixture::Fixture;
use crate::model::Measure;

/// Counts trials of one rule and how many of them broke it. A single violation fails the case.
#[derive(Debug, Default)]
pub struct Trials {
    trials: u64,
    violations: u64,
    first: Option<Finding>,
}

impl Trials {
    /// Runs `count` trials at the same time; `trial` is handed their numbers, in order.
    ///
    /// # Errors
    /// Like [`Trials::add`].
    pub async fn at_once<F, Fut>(count: u64, trial: F) -> Checked<Self>
    where
        F: Fn(u64) -> Fut,
        Fut: Future<Output = Checked> + Send + 'static,
    {
        let (mut trials, mut tasks) = (Self::default(), JoinSet::new());
        for number in 0..count {
            tasks.spawn(trial(number));
        }
        while let Some(ended) = tasks.join_next().await {
            trials.add(ended.unwrap_or_else(|_| Err(Finding::Unresolved("harness: a trial panicked".to_owned()))))?;
        }
        Ok(trials)
    }
    /// Counts one trial.
    ///
    /// # Errors
    /// With what no trial may decide: trouble, clean refusals, failed preparations.
    pub fn add(&mut self, trial: Checked) -> Checked {
        match trial {
            Ok(()) => {}
            Err(finding @ Finding::Broken(..)) => {
                self.violations += 1;
                self.first.get_or_insert(finding);
            }
            Err(other) => return Err(other),
        }
        self.trials += 1;
        Ok(())
    }
    /// Keeps the share of violations as the number `name`.
    ///
    /// # Errors
    /// With the first violation, and of how many it was one.
    pub fn settle(self, fx: &Fixture, name: &str) -> Checked {
        fx.measure(Measure::share(name, self.violations, self.trials));
        match self.first {
            None => Ok(()),
            Some(Finding::Broken(class, mut deviation)) => {
                deviation.observed = format!("{} ({} of {} trials broke the rule)", deviation.observed, self.violations, self.trials);
                Err(Finding::Broken(class, deviation))
            }
            Some(other) => Err(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::expect;

    #[test]
    fn violations_are_counted_and_the_first_is_kept() {
        let mut trials = Trials::default();
        for observed in [1, 2, 1, 3] {
            trials.add(expect::eq("value", observed, 1)).unwrap();
        }
        assert_eq!((trials.trials, trials.violations), (4, 2));
        let Some(Finding::Broken(_, deviation)) = &trials.first else { panic!("{trials:?}") };
        assert_eq!(deviation.observed, "2");
    }

    #[tokio::test]
    async fn what_no_trial_may_decide_ends_them() {
        assert!(matches!(Trials::default().add(expect::unresolved("harness")), Err(Finding::Unresolved(_))));
        let counted = Trials::at_once(5, |number| async move { expect::eq("number", number, 3) }).await.unwrap();
        assert_eq!((counted.trials, counted.violations), (5, 4));
        assert!(matches!(Trials::at_once(2, |_| async { panic!("a trial") }).await, Err(Finding::Unresolved(_))));
    }
}
