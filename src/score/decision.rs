//! The vendors of one run compared by the profile's decision metrics, each against the vendor that leads.
//!
//! The main function is [`decisions`], the main type [`Decisions`].

use std::collections::{BTreeMap, BTreeSet};

use super::contrast::{Contrast, Difference, Repeats, contrast, holm, judge};
use super::draft::Source;
use super::stats::median;
use crate::config::{Curve, Profile};
use crate::model::{Direction, Kind, Outcome, VendorId};
use crate::store::{Run, VendorRun};

/// How the vendors of a run compare.
#[derive(Debug, Clone, PartialEq)]
pub struct Decisions {
    /// The vendor that has the best median of most decision metrics (the first of several): the one that the others are compared with.
    pub leader: VendorId,
    /// One per decision metric, in the order of the profile.
    pub metrics: Vec<Decision>,
}

/// One decision metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The scenario.
    pub scenario: String,
    /// Its cell.
    pub cell: String,
    /// The metric.
    pub metric: String,
    /// Its unit; empty where nobody measured it.
    pub unit: String,
    /// Which way is better.
    pub direction: Direction,
    /// Every vendor that was to be measured, in the order of the run.
    pub vendors: Vec<Compared>,
}

/// One vendor on one decision metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The vendor.
    pub vendor: VendorId,
    /// Median of its repeats; `None` where it was not measured.
    pub median: Option<f64>,
    /// Repeats that were measured.
    pub repeats: usize,
    /// Whether the client was the limit in any of them.
    pub client_limited: bool,
    /// Against the leader; `None` for the leader itself, and where one of the two has no value above 0.
    pub against: Option<Against>,
}

/// How a vendor compares with the leader.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Against {
    /// The numbers; a ratio above 1 says that this vendor is better than the leader.
    pub contrast: Contrast,
    /// p after Holm's adjustment over the profile's decision metrics, for this pair of vendors.
    pub p: f64,
    /// What follows for this vendor.
    pub difference: Difference,
}

/// Compares the measured vendors of a run; `None` where there are fewer than two with a number, or the profile has no decision metrics.
///
/// Only vendors of the same run are compared: their repeats took turns, so that a slow hour of the client or the network fell on all of
/// them. The decision metrics are the Holm family of each pair of vendors; the seed of drawn permutations is the run's. The leader is
/// chosen by the same numbers: among more than two vendors that flatters it a little, and it is a reference, not a verdict.
pub fn decisions(run: &Run, profile: &Profile) -> Option<Decisions> {
    let vendors: Vec<&VendorRun> = run.vendors.iter().filter(|vendor| vendor.record.file.is_measurable()).collect();
    let curves: Vec<&Curve> = profile.decisions().collect();
    let measured: Vec<Vec<Measured>> = vendors.iter().map(|vendor| curves.iter().map(|curve| measured(run, vendor, curve)).collect()).collect();
    let has_value = |own: &&Vec<Measured>| own.iter().any(|metric| metric.median().is_some());
    if curves.is_empty() || measured.iter().filter(has_value).count() < 2 {
        return None;
    }
    let leader = leader(&measured, &curves);
    let against: Vec<Vec<Option<Against>>> = (0..vendors.len())
        .map(
            |vendor| {
                if vendor == leader { vec![None; curves.len()] } else { compare(&measured[vendor], &measured[leader], &curves, run.header.seed) }
            },
        )
        .collect();
    let compared = |metric: usize| {
        let of_vendor = |vendor: usize| Compared {
            vendor: vendors[vendor].record.vendor.clone(),
            median: measured[vendor][metric].median(),
            repeats: measured[vendor][metric].repeats.values.len(),
            client_limited: measured[vendor][metric].repeats.client_limited,
            against: against[vendor][metric],
        };
        (0..vendors.len()).map(of_vendor).collect()
    };
    let metrics = curves.iter().enumerate().map(|(index, curve)| {
        let any = measured.iter().map(|own| &own[index]).find(|own| !own.unit.is_empty());
        Decision {
            scenario: curve.scenario.to_string(),
            cell: any.map_or(curve.cell.clone(), |own| own.cell.clone()),
            metric: curve.metric.clone(),
            unit: any.map(|own| own.unit.clone()).unwrap_or_default(),
            direction: curve.direction,
            vendors: compared(index),
        }
    });
    Some(Decisions { leader: vendors[leader].record.vendor.clone(), metrics: metrics.collect() })
}

/// One vendor's repeats of one decision metric.
#[derive(Default)]
struct Measured {
    cell: String,
    unit: String,
    repeats: Repeats,
}

impl Measured {
    fn median(&self) -> Option<f64> {
        median(&self.repeats.values)
    }
}

fn measured(run: &Run, vendor: &VendorRun, curve: &Curve) -> Measured {
    let source = Source { run, vendor };
    let records: Vec<_> = source.records(Kind::Throughput).filter(|record| record.scenario == curve.scenario).collect();
    let names: BTreeSet<&str> = records.iter().map(|record| record.cell.as_str()).collect();
    // The profile was checked to name one cell; a run of another profile may hold several, and then there is not one number.
    let [cell] = curve.cells(names)[..] else { return Measured::default() };
    let own = records.iter().filter(|record| record.cell == cell && record.outcome == Outcome::Measured);
    let mut found = Measured { cell: cell.to_owned(), ..Measured::default() };
    // A resumed run may hold a repeat twice: the last record of each counts.
    let repeats: BTreeMap<u32, _> = own.map(|record| (record.repeat, record)).collect();
    for record in repeats.into_values() {
        let Some(metric) = record.metrics.iter().find(|metric| metric.name == curve.metric) else { continue };
        found.unit.clone_from(&metric.unit);
        if let Some(value) = metric.value {
            found.repeats.values.push(value);
            found.repeats.client_limited |= record.client_load.as_ref().is_some_and(|load| load.limited.is_some());
        }
    }
    found
}

/// The vendor with the best median of most metrics; the first of several.
fn leader(measured: &[Vec<Measured>], curves: &[&Curve]) -> usize {
    let mut wins = vec![0_usize; measured.len()];
    for (metric, curve) in curves.iter().enumerate() {
        let mut best: Option<(usize, f64)> = None;
        for (vendor, own) in measured.iter().enumerate() {
            let is_better = |value: f64, most: f64| if curve.direction == Direction::HigherBetter { value > most } else { value < most };
            if let Some(value) = own[metric].median().filter(|value| best.is_none_or(|(_, most)| is_better(*value, most))) {
                best = Some((vendor, value));
            }
        }
        if let Some((vendor, _)) = best {
            wins[vendor] += 1;
        }
    }
    (0..wins.len()).rev().max_by_key(|vendor| wins[*vendor]).unwrap_or_default()
}

/// One vendor against the leader, over all metrics: they are one family.
fn compare(own: &[Measured], leader: &[Measured], curves: &[&Curve], seed: u64) -> Vec<Option<Against>> {
    let contrasts: Vec<Option<Contrast>> = curves
        .iter()
        .zip(own.iter().zip(leader))
        .map(|(curve, (own, leader))| contrast(&own.repeats, &leader.repeats, curve.direction, seed))
        .collect();
    let adjusted = holm(&contrasts.iter().map(|contrast| contrast.map(|contrast| contrast.p)).collect::<Vec<_>>());
    let judged = contrasts.into_iter().zip(adjusted);
    judged.map(|(contrast, p)| contrast.map(|contrast| Against { contrast, p, difference: judge(&contrast, p, curves.len()) })).collect()
}
