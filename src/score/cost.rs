//! Cost: the profile's workload on the vendor's price card, against the budget.

use super::draft::{Draft, Source, significant};
use super::{Interval, ScoreItem, stats};
use crate::config::{CostWorkload, Profile};
use crate::cost::{MonthlyUse, price};
use crate::model::{Category, Direction};
use crate::units::Money;

pub(super) fn score(source: &Source<'_>, profile: &Profile, workload: &CostWorkload) -> Draft {
    let mut item = ScoreItem {
        id: profile.cost.workload.to_string(),
        score: None,
        weight: 1.0,
        observed: "untested: no price card".to_owned(),
        rule: "not counted".to_owned(),
        evidence: None,
    };
    let mut note = None;
    match &source.vendor.record.file.pricing {
        None => note = Some("the vendor file has no price card: cost is not scored".to_owned()),
        Some(card) => match price(card, &MonthlyUse::from_workload(workload, card)) {
            Err(error) => item.observed = format!("untested: {error}"),
            Ok(sheet) => {
                let budget = profile.cost.budget_usd_per_tb_month;
                item.observed = sheet.usd_per_tb_month.map_or_else(
                    || format!("untested: priced in {}, not in USD", sheet.currency),
                    |price| format!("{} USD per TB-month, prices of {} ({})", price.round_dp(6).normalize(), sheet.as_of, sheet.trust.name()),
                );
                let figures = sheet.usd_per_tb_month.and_then(|price| Some((f64::try_from(price).ok()?, f64::try_from(budget).ok()?)));
                item.score = figures.map(|(price, budget)| Interval::exact(stats::curve(Direction::LowerBetter, price, budget, 2.0 * budget)));
                item.rule = format!(
                    "LN, lower is better: budget {} scores .9, twice the budget scores .5",
                    significant(f64::try_from(budget).unwrap_or_default())
                );
                let stale = source.day().is_some_and(|day| sheet.is_stale(day));
                let stale = stale.then(|| format!("prices of {} are older than {} days", sheet.as_of, sheet.stale_after_days));
                let total = format!("{} {} a month on {}", Money(sheet.total.0), sheet.currency, workload.title);
                note = Some([Some(total), stale].into_iter().flatten().chain(sheet.warnings).collect::<Vec<_>>().join("; "));
            }
        },
    }
    let mut draft = Draft::new(Category::Cost, vec![item]);
    draft.note = note;
    draft.never_incomplete();
    draft
}
