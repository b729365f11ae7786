//! Section 6: numbers that cases found out: limits, waiting times, shares of trials.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cases::last_records;
use super::columns::Source;
use crate::model::Measure;
use crate::report::number::optional;

/// A number at each vendor.
#[derive(Debug, Clone, Serialize)]
pub struct MeasureRow {
    pub name: String,
    pub unit: String,
    /// The case that finds it out.
    pub case: String,
    pub rule: String,
    pub cells: Vec<MeasureCell>,
}

/// A number at one vendor; all texts are empty where it was not measured.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MeasureCell {
    pub text: String,
    pub low: String,
    pub high: String,
    pub n: String,
    pub note: String,
}

pub fn measures(sources: &[&Source<'_>]) -> Vec<MeasureRow> {
    let records: Vec<_> = sources.iter().map(|source| last_records(source)).collect();
    let mut rows: BTreeMap<(&str, &str), MeasureRow> = BTreeMap::new();
    for (column, records) in records.iter().enumerate() {
        for (case, record) in records {
            for measure in &record.measures {
                let new = || MeasureRow {
                    name: measure.name.clone(),
                    unit: measure.unit.clone(),
                    case: (*case).to_owned(),
                    rule: record.case.rule.clone(),
                    cells: vec![MeasureCell::default(); sources.len()],
                };
                rows.entry((case, &measure.name)).or_insert_with(new).cells[column] = cell(measure);
            }
        }
    }
    rows.into_values().collect()
}

fn cell(measure: &Measure) -> MeasureCell {
    MeasureCell {
        text: if measure.value.is_some() { optional(measure.value) } else { "n/a".to_owned() },
        low: optional(measure.low),
        high: optional(measure.high),
        n: measure.n.to_string(),
        note: measure.note.clone().unwrap_or_default(),
    }
}
