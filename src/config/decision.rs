//! Decision metrics: the few numbers by which vendors are compared, and the repeats that a comparison takes.
//!
//! The main functions are [`Profile::decisions`], [`check_decisions`] and [`can_decide`]. A decision metric is a curve with `decision = true`.

use std::path::Path;

use super::{ConfigError, Curve, Profile, Scenario, ScenarioSpec, error_at};

/// Most decision metrics of a profile. They are one Holm family, and with six of them five repeats are just enough (0.048).
pub const DECISIONS_MAX: usize = 6;
/// A difference counts where its p after Holm's adjustment is below this.
pub const SIGNIFICANCE: f64 = 0.05;

/// The smallest two-sided p of a permutation test of `repeats` against `repeats`: 2 of (2n choose n) splits are as extreme.
pub fn smallest_p(repeats: u32) -> f64 {
    let splits: f64 = (1..=repeats).map(|k| f64::from(repeats + k) / f64::from(k)).product();
    (2.0 / splits).min(1.0)
}

/// Whether so many repeats of each vendor can show a difference in one of so many decision metrics: Holm multiplies the smallest p of
/// a family by the family's size.
pub fn can_decide(repeats: u32, decisions: usize) -> bool {
    smallest_p(repeats) * (decisions as f64) < SIGNIFICANCE
}

/// The fewest repeats that can decide so many metrics.
pub fn least_repeats(decisions: usize) -> u32 {
    (1..).find(|repeats| can_decide(*repeats, decisions)).unwrap_or(u32::MAX)
}

impl Profile {
    /// The curves by whose metric vendors are compared, in the order of the file.
    pub fn decisions(&self) -> impl Iterator<Item = &Curve> {
        self.curves.iter().filter(|curve| curve.decision)
    }
}

impl Curve {
    /// The cells that it holds for: the one of exactly this name where there is one, else all whose names contain its text.
    pub fn cells<'a>(&self, all: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
        let containing: Vec<&str> = all.into_iter().filter(|cell| cell.contains(&self.cell)).collect();
        match containing.iter().find(|cell| **cell == self.cell) {
            Some(exact) => vec![*exact],
            None => containing,
        }
    }
}

/// Checks that each decision metric of a profile is one number: of one cell of a throughput scenario that the profile runs.
///
/// # Errors
/// With the profile's file, the field, and the cells that are meant or could be meant.
pub fn check_decisions(file: &Path, profile: &Profile, scenarios: &[Scenario]) -> Result<(), ConfigError> {
    for curve in profile.decisions() {
        let scenario = scenarios.iter().find(|scenario| scenario.id == curve.scenario);
        let Some(ScenarioSpec::Throughput(spec)) = scenario.map(|scenario| &scenario.spec) else {
            let message = format!("{} is no throughput scenario of this profile: its metrics cannot decide", curve.scenario);
            return Err(error_at(file, "curve.scenario", &format!("scenario = \"{}\"", curve.scenario), message));
        };
        let names: Vec<String> = spec.cells().iter().map(ToString::to_string).collect();
        let cells = curve.cells(names.iter().map(String::as_str));
        if let [_] = cells.as_slice() {
            continue;
        }
        let of = format!("the decision metric {} {}", curve.scenario, curve.metric);
        let message = match cells.as_slice() {
            [] => format!("{of}: no cell is named {:?}; expected one of: {}", curve.cell, names.join(", ")),
            several => format!("{of} is of {} cells and must be of one: name one of: {}", several.len(), several.join(", ")),
        };
        let needle = if curve.cell.is_empty() { format!("scenario = \"{}\"", curve.scenario) } else { format!("cell = \"{}\"", curve.cell) };
        return Err(error_at(file, "curve.cell", &needle, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(text: &str) -> Curve {
        toml::from_str(&format!("scenario = \"throughput/a\"\nmetric = \"requests_s\"\ndirection = \"higher_better\"\ngood = 2\nmedian = 1\n{text}"))
            .unwrap()
    }

    #[test]
    fn the_smallest_p_is_that_of_the_permutation_test() {
        for (repeats, p) in [(1, 1.0), (2, 1.0 / 3.0), (3, 0.1), (4, 2.0 / 70.0), (5, 2.0 / 252.0)] {
            assert!((smallest_p(repeats) - p).abs() < 1e-12, "{repeats}");
        }
    }

    #[test]
    fn six_metrics_take_five_repeats_and_one_takes_four() {
        assert_eq!([1, 2, 6].map(least_repeats), [4, 5, 5]);
        assert!(can_decide(5, DECISIONS_MAX) && !can_decide(5, DECISIONS_MAX + 1) && can_decide(1, 0));
    }

    #[test]
    fn a_cell_of_exactly_that_name_is_meant_alone() {
        let all = ["get x1", "get x16", "put x1"];
        assert_eq!(curve("cell = \"get x1\"").cells(all), ["get x1"]);
        assert_eq!(curve("cell = \"x1\"").cells(all), all);
        assert_eq!(curve("").cells(all), all);
        assert!(curve("cell = \"head\"").cells(all).is_empty());
    }
}
