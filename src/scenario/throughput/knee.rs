//! Searching a vendor's knee: one load for each step that [`KneeSearch`] asks for.

use std::sync::Arc;

use super::{Cell, Load, Runner, record};
use crate::config::{KneeRules, Operation};
use crate::load::knee::{KneeSearch, Next, Step};
use crate::load::schedule::{Arrivals, Pace};
use crate::load::seed_of;
use crate::load::{LoadResult, Stop};
use crate::model::ScenarioRecord;

/// A search that is over.
struct Searched {
    search: KneeSearch,
    /// The load of the highest rate that held, or else of the last step.
    load: (Load, LoadResult),
    /// Why the client was the limit of the lowest rate that did not hold.
    limited: Option<String>,
}

impl Runner {
    /// Records a search: the rate that it found, and the load at the highest rate that held.
    pub(super) async fn find_knee(&mut self, record: &mut ScenarioRecord, cell: &Cell, load: Load, rules: KneeRules) -> Result<(), String> {
        let searched = self.search(cell, load, rules).await?;
        let (load, result) = &searched.load;
        record::fill(record, cell, load, result);
        record::add_knee(record, rules, &searched.search);
        if let (Some(client), Some(limited)) = (&mut record.client_load, searched.limited) {
            client.limited.get_or_insert(limited);
        }
        Ok(())
    }

    /// The knee that a cell takes its share of; it is searched once for all shares and repeats, so that they mean the same rate.
    pub(super) async fn knee_of(&mut self, cell: &Cell, load: &mut Load, rules: KneeRules) -> Result<f64, String> {
        let name = Cell { knee_share: None, ..cell.clone() }.to_string();
        if let Some(known) = self.knees.get(&name) {
            return Ok(*known);
        }
        let searched = self.search(cell, load.clone(), rules).await?;
        load.mix.existing = searched.load.0.mix.existing;
        let (Next::Found(rate) | Next::AtLeast(rate)) = searched.search.next() else {
            return Err(format!("no knee to take a share of: not even {} requests/s were kept up with", rules.start_per_s));
        };
        self.knees.insert(name, rate);
        Ok(rate)
    }

    async fn search(&mut self, cell: &Cell, mut load: Load, rules: KneeRules) -> Result<Searched, String> {
        let (mut search, seed) = (KneeSearch::new(rules), load.mix.seed);
        let (mut kept, mut limited): (Option<(Load, LoadResult)>, Option<(f64, Option<String>)>) = (None, None);
        while let Next::Try(rate_per_s) = search.next() {
            load.mix.pace = Some(Pace { arrivals: Arrivals::Poisson, rate_per_s });
            load.mix.seed = seed_of(seed, &format!("step {}", search.steps().len()));
            let result = load.run(&self.link, self.progress.clone()).await?;
            if let Some((Stop::Budget(limit), _)) = &result.stopped {
                return Err(format!("stopped while the knee was searched: {limit}"));
            }
            let step = step(&load, &result, rate_per_s);
            search.tell(step);
            if !step.holds(rules.p99_max.0) && limited.as_ref().is_none_or(|(lowest, _)| rate_per_s < *lowest) {
                limited = Some((rate_per_s, result.client_load.limited.clone()));
            }
            self.note_left(cell, &result);
            let left = cell.sends(Operation::PutObject).then(|| Arc::new(result.ledger.left.clone()));
            if kept.is_none() || search.best() == Some(&step) {
                kept = Some((load.clone(), result));
            }
            load.mix.existing = left.unwrap_or_default();
        }
        let load = kept.ok_or("the search of the knee tried no rate")?;
        Ok(Searched { search, load, limited: limited.and_then(|(_, why)| why) })
    }
}

/// What a step of the search found after its warm-up. What was due and never started is counted as due: a rate above the vendor's leaves that.
fn step(load: &Load, result: &LoadResult, offered_per_s: f64) -> Step {
    let all = result.ledger.window_of_all(load.spec.warm_up, result.to);
    let due = all.ok + all.failed() + result.ledger.dropped;
    let p99 = all.response.quantile_ms(0.99).map(|ms| std::time::Duration::from_secs_f64(ms / 1e3));
    Step { offered_per_s, achieved: (due > 0).then(|| all.ok as f64 / due as f64), p99 }
}
