//! Comparison of the vendors by the decision metrics, and how each vendor scales: part of section 7, `comparison.csv` and `scaling.csv`.

use serde::Serialize;

use super::columns::Source;
use crate::model::Direction;
use crate::report::number::{number, optional};
use crate::score::contrast::{Difference, Doubt, REPEATS_MAX};
use crate::score::scaling::Sweep;
use crate::score::{Against, Compared, Decision, Decisions, decisions, sweeps};

/// The vendors of one run by the decision metrics of its profile.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The column that the others are compared with.
    pub leader: String,
    /// How many decision metrics there are: the Holm family.
    pub family: usize,
    /// Keys of the columns.
    pub keys: Vec<String>,
    pub rows: Vec<ComparisonRow>,
    /// Lines of `comparison.csv`.
    #[serde(skip)]
    pub lines: Vec<Vec<String>>,
}

/// One decision metric.
#[derive(Debug, Clone, Serialize)]
pub struct ComparisonRow {
    /// Scenario and cell.
    pub name: String,
    pub metric: String,
    pub unit: String,
    /// `lower_better` or `higher_better`.
    pub direction: &'static str,
    /// In the order of the keys.
    pub cells: Vec<ComparisonCell>,
}

/// One vendor on one decision metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparisonCell {
    /// `faster`, `slower`, `equivalent`, `inconclusive`, `reference` (the leader), `not comparable` or `not measured`.
    pub outcome: &'static str,
    /// The numbers behind it; empty, or it begins with a space or a colon.
    pub text: String,
    /// The median, or empty.
    pub median: String,
}

/// The sweeps of one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct ScalingRow {
    /// The cells without their concurrency.
    pub cell: String,
    /// In the order of the measured columns.
    pub cells: Vec<ScalingCell>,
}

/// How one vendor scales in a sweep.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ScalingCell {
    /// Where the peak is, or that there is none; empty where nothing was fitted.
    pub text: String,
    /// The law behind it.
    pub law: String,
}

/// Below this R² a fit is said to be bad.
const GOOD_FIT: f64 = 0.9;

/// Header of `comparison.csv`.
pub const COMPARISON_COLUMNS: [&str; 19] = [
    "run_id",
    "scenario",
    "metric",
    "unit",
    "direction",
    "vendor",
    "leader",
    "median",
    "leader_median",
    "repeats",
    "leader_repeats",
    "client_limited",
    "times_as_good",
    "ci_low",
    "ci_high",
    "p",
    "p_holm",
    "outcome",
    "further_repeats",
];
/// Header of `scaling.csv`.
pub const SCALING_COLUMNS: [&str; 12] = [
    "run_id",
    "vendor",
    "scenario",
    "concurrency_min",
    "concurrency_max",
    "lambda_per_s",
    "sigma",
    "kappa",
    "r_squared",
    "peak_concurrency",
    "peak_requests_s",
    "client_limited",
];

/// One comparison per run that has something to compare, in the order of the runs.
pub fn comparisons(sources: &[&Source<'_>]) -> Vec<Comparison> {
    let mut runs: Vec<&str> = Vec::new();
    let mut found = Vec::new();
    for source in sources {
        let run = source.run;
        if runs.contains(&run.header.run.as_str()) {
            continue;
        }
        runs.push(run.header.run.as_str());
        if let Some(decisions) = decisions(run, &run.header.profile) {
            found.push(comparison(&decisions, sources, run.header.run.as_str()));
        }
    }
    found
}

fn comparison(decisions: &Decisions, sources: &[&Source<'_>], run: &str) -> Comparison {
    let key = |vendor: &str| {
        let own = sources.iter().find(|source| source.column.run == run && source.column.vendor == vendor);
        own.map_or(vendor.to_owned(), |source| source.column.key.clone())
    };
    let leader = key(decisions.leader.as_str());
    let row = |decision: &Decision| ComparisonRow {
        name: name(decision),
        metric: decision.metric.clone(),
        unit: decision.unit.clone(),
        direction: decision.direction.name(),
        cells: cells(decision, decisions),
    };
    let first = decisions.metrics.first();
    Comparison {
        family: decisions.metrics.len(),
        keys: first.iter().flat_map(|decision| &decision.vendors).map(|own| key(own.vendor.as_str())).collect(),
        rows: decisions.metrics.iter().map(row).collect(),
        lines: decisions.metrics.iter().flat_map(|decision| lines(decision, decisions, run, &key)).collect(),
        leader,
    }
}

fn name(decision: &Decision) -> String {
    format!("{} {}", decision.scenario, decision.cell).trim_end().to_owned()
}

fn cells(decision: &Decision, decisions: &Decisions) -> Vec<ComparisonCell> {
    let leader = decision.vendors.iter().find(|own| own.vendor == decisions.leader);
    let is_leader_limited = leader.is_some_and(|leader| leader.client_limited);
    let cell = |own: &Compared| {
        let bound = match (own.client_limited, decision.direction) {
            (false, _) => "",
            (true, Direction::HigherBetter) => ">= ",
            (true, _) => "<= ",
        };
        let (outcome, text) = match &own.against {
            _ if own.median.is_none() => ("not measured", String::new()),
            _ if own.vendor == decisions.leader => ("reference", String::new()),
            None => ("not comparable", ": one of the two is missing or 0".to_owned()),
            Some(against) => (against.difference.name(), numbers(against, own.client_limited || is_leader_limited)),
        };
        ComparisonCell { outcome, text, median: own.median.map(|median| format!("{bound}{} {}", number(median), decision.unit)).unwrap_or_default() }
    };
    decision.vendors.iter().map(cell).collect()
}

/// What follows `faster` and the like: ` by 1.32x (1.21 to 1.44), p 0.0476`; by at least that much where the client was a limit.
fn numbers(against: &Against, is_bound: bool) -> String {
    let (ratio, interval) = (against.contrast.ratio, against.contrast.interval);
    let p = significance(against.p);
    let range = |turned: bool| match interval {
        Some((low, high)) if turned => format!(" ({:.2} to {:.2})", 1.0 / high, 1.0 / low),
        Some((low, high)) => format!(" ({low:.2} to {high:.2})"),
        None => String::new(),
    };
    let by = if is_bound { "by at least" } else { "by" };
    match against.difference {
        Difference::Faster => format!(" {by} {ratio:.2}x{}, {p}", range(false)),
        Difference::Slower => format!(" {by} {:.2}x{}, {p}", 1.0 / ratio, range(true)),
        Difference::Equivalent => format!(" within 5 %: {ratio:.2}x{}", range(false)),
        Difference::Inconclusive(Doubt::ClientLimit) => format!(": the client was the limit; {ratio:.2}x{} as measured", range(false)),
        Difference::Inconclusive(Doubt::Repeats(Some(more))) => {
            let repeats = if more == 1 { "repeat" } else { "repeats" };
            format!(": about {more} more {repeats} needed; {ratio:.2}x{}, {p}", range(false))
        }
        Difference::Inconclusive(Doubt::Repeats(None)) => {
            format!(": more than {REPEATS_MAX} more repeats needed; {ratio:.2}x{}, {p}", range(false))
        }
    }
}

/// p with three significant digits.
fn significance(p: f64) -> String {
    if p < 0.001 {
        return "p below 0.001".to_owned();
    }
    let decimals = (2 - p.log10().floor() as i32).clamp(0, 5) as usize;
    format!("p {}", format!("{p:.decimals$}").trim_end_matches('0').trim_end_matches('.'))
}

fn lines(decision: &Decision, decisions: &Decisions, run: &str, key: &dyn Fn(&str) -> String) -> Vec<Vec<String>> {
    let Some(leader) = decision.vendors.iter().find(|own| own.vendor == decisions.leader) else { return Vec::new() };
    let line = |own: &Compared| {
        let contrast = own.against.map(|against| against.contrast);
        let interval = contrast.and_then(|contrast| contrast.interval);
        let limited = [(own, own.client_limited), (leader, leader.client_limited)];
        let further = own.against.and_then(|against| match against.difference {
            Difference::Inconclusive(Doubt::Repeats(more)) => more,
            _ => None,
        });
        vec![
            run.to_owned(),
            name(decision),
            decision.metric.clone(),
            decision.unit.clone(),
            decision.direction.name().to_owned(),
            key(own.vendor.as_str()),
            key(leader.vendor.as_str()),
            optional(own.median),
            optional(leader.median),
            own.repeats.to_string(),
            leader.repeats.to_string(),
            limited.iter().filter(|(_, is_limited)| *is_limited).map(|(own, _)| key(own.vendor.as_str())).collect::<Vec<_>>().join(" "),
            optional(contrast.map(|contrast| contrast.ratio)),
            optional(interval.map(|(low, _)| low)),
            optional(interval.map(|(_, high)| high)),
            optional(contrast.map(|contrast| contrast.p)),
            optional(own.against.map(|against| against.p)),
            own.against.map_or("untested", |against| against.difference.name()).to_owned(),
            further.map(|more| more.to_string()).unwrap_or_default(),
        ]
    };
    decision.vendors.iter().filter(|own| own.vendor != leader.vendor).map(line).collect()
}

/// The sweeps of every measured column, in the columns' order.
pub fn scalings(sources: &[&Source<'_>]) -> Vec<Vec<Sweep>> {
    sources.iter().map(|source| sweeps(source.run, source.vendor)).collect()
}

/// One row per sweep of the scenario that could be fitted at any vendor.
pub fn scaling_rows(scenario: &str, scalings: &[Vec<Sweep>]) -> Vec<ScalingRow> {
    let mut cells: Vec<&str> = Vec::new();
    for sweep in scalings.iter().flatten().filter(|sweep| sweep.scenario == scenario) {
        if !cells.contains(&sweep.cell.as_str()) {
            cells.push(&sweep.cell);
        }
    }
    let row = |cell: &str| {
        let of_vendor =
            |own: &Vec<Sweep>| own.iter().find(|sweep| sweep.scenario == scenario && sweep.cell == cell).map(scaling_cell).unwrap_or_default();
        ScalingRow { cell: cell.to_owned(), cells: scalings.iter().map(of_vendor).collect() }
    };
    cells.into_iter().map(row).collect()
}

fn scaling_cell(sweep: &Sweep) -> ScalingCell {
    let scaling = &sweep.scaling;
    let (low, high) = scaling.measured;
    let mut text = match scaling.peak() {
        None => format!("no peak within what was measured ({low} to {high} in flight)"),
        Some(peak) => {
            let at = format!("about {:.0} requests/s at {:.0} in flight", peak.rate_per_s, peak.in_flight);
            if scaling.is_beyond(&peak) { format!("still rising at {high} in flight; the fit's peak is {at}") } else { format!("peak {at}") }
        }
    };
    if sweep.client_limited {
        text.push_str("; the client was the limit in part: the vendor may do more");
    }
    if scaling.r_squared < GOOD_FIT {
        text.push_str("; the law fits badly");
    }
    let law = format!("R² {:.3}, σ {:.4}, κ {:.6}", scaling.r_squared, scaling.sigma, scaling.kappa);
    ScalingCell { text, law }
}

/// Lines of `scaling.csv`.
pub fn scaling_lines(sources: &[&Source<'_>], scalings: &[Vec<Sweep>]) -> Vec<Vec<String>> {
    let line = |source: &Source<'_>, sweep: &Sweep| {
        let (scaling, peak) = (&sweep.scaling, sweep.scaling.peak());
        vec![
            source.column.run.clone(),
            source.column.key.clone(),
            format!("{} {}", sweep.scenario, sweep.cell),
            number(scaling.measured.0),
            number(scaling.measured.1),
            number(scaling.lambda),
            number(scaling.sigma),
            number(scaling.kappa),
            number(scaling.r_squared),
            optional(peak.map(|peak| peak.in_flight)),
            optional(peak.map(|peak| peak.rate_per_s)),
            sweep.client_limited.to_string(),
        ]
    };
    sources.iter().zip(scalings).flat_map(|(source, own)| own.iter().map(|sweep| line(source, sweep)).collect::<Vec<_>>()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::contrast::{Repeats, contrast};

    fn said(values: &[f64], client_limited: bool, difference: Difference) -> String {
        let own = Repeats { values: values.to_vec(), client_limited };
        let other = Repeats { values: vec![100.0, 98.0, 103.0, 101.0, 99.0], client_limited: false };
        let contrast = contrast(&own, &other, Direction::HigherBetter, 1).unwrap();
        format!("{}{}", difference.name(), numbers(&Against { contrast, p: 0.047_619, difference }, client_limited))
    }

    #[test]
    fn outcomes_are_said_in_words_with_their_numbers() {
        let fast = [132.0, 130.0, 135.0, 128.0, 133.0];
        assert_eq!(said(&fast, false, Difference::Faster), "faster by 1.32x (1.27 to 1.35), p 0.0476");
        assert_eq!(said(&fast, true, Difference::Faster), "faster by at least 1.32x (1.27 to 1.35), p 0.0476");
        let slow = fast.map(|value| value / 2.0);
        assert_eq!(said(&slow, false, Difference::Slower), "slower by 1.52x (1.48 to 1.57), p 0.0476");
        assert_eq!(said(&[101.0; 5], false, Difference::Equivalent), "equivalent within 5 %: 1.01x (0.98 to 1.03)");
        let repeats = |more| said(&slow, false, Difference::Inconclusive(Doubt::Repeats(more)));
        assert!(repeats(Some(4)).starts_with("inconclusive: about 4 more repeats needed; 0.66x ("));
        assert!(repeats(Some(1)).starts_with("inconclusive: about 1 more repeat needed"));
        assert!(repeats(None).starts_with("inconclusive: more than 100 more repeats needed"));
        assert!(said(&slow, true, Difference::Inconclusive(Doubt::ClientLimit)).starts_with("inconclusive: the client was the limit; 0.66x ("));
    }

    #[test]
    fn p_keeps_three_digits() {
        assert_eq!([0.047_619, 0.2, 1.0, 0.000_4].map(significance), ["p 0.0476", "p 0.2", "p 1", "p below 0.001"]);
    }

    #[test]
    fn a_peak_says_how_far_it_can_be_trusted() {
        let cell = |kappa: f64, client_limited: bool| {
            let scaling = crate::score::scaling::Scaling { lambda: 100.0, sigma: 0.1, kappa, r_squared: 0.99, measured: (1.0, 32.0) };
            scaling_cell(&Sweep { scenario: "s".to_owned(), cell: "c".to_owned(), scaling, client_limited }).text
        };
        assert_eq!(cell(0.001, false), "peak about 629 requests/s at 30 in flight");
        assert_eq!(cell(0.000_4, false), "still rising at 32 in flight; the fit's peak is about 727 requests/s at 47 in flight");
        assert_eq!(cell(0.0, false), "no peak within what was measured (1 to 32 in flight)");
        assert!(cell(0.001, true).ends_with("; the client was the limit in part: the vendor may do more"));
        let bad = crate::score::scaling::Scaling { lambda: 1.0, sigma: 0.1, kappa: 0.0, r_squared: 0.6, measured: (1.0, 8.0) };
        let sweep = Sweep { scenario: "s".to_owned(), cell: "c".to_owned(), scaling: bad, client_limited: false };
        assert!(scaling_cell(&sweep).text.ends_with("; the law fits badly"));
    }
}
