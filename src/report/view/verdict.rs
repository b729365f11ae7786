//! Section 1: what leadership reads first.

use serde::Serialize;

use super::columns::Source;
use super::scorecard::{self, ScoreText};
use super::{Finding, Notes};
use crate::model::{GateVerdict, Outcome, Verdict};
use crate::report::number::{cut, score};
use crate::score::{Scorecard, VendorScore};

/// Section 1.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The recommendation, or that there is none and why.
    pub headline: String,
    /// `recommended`, `tie` or `none`; also the CSS class.
    pub kind: &'static str,
    /// One sentence below it.
    pub lead: String,
    /// One card per measured vendor, ranked ones first.
    pub cards: Vec<Card>,
    /// Top three.
    pub reasons: Vec<String>,
    /// Top three.
    pub risks: Vec<Risk>,
    /// Categories that are shown but do not count for some vendor, or empty.
    pub uncounted: String,
    /// What was not tested.
    pub untested: Vec<String>,
}

/// A risk and the finding behind it.
#[derive(Debug, Clone, Serialize)]
pub struct Risk {
    pub sentence: String,
    /// Fragment id, or empty.
    pub anchor: String,
}

/// A vendor at a glance.
#[derive(Debug, Clone, Serialize)]
pub struct Card {
    pub key: String,
    pub title: String,
    pub version: String,
    pub state: &'static str,
    pub state_text: &'static str,
    pub symbol: &'static str,
    /// Why it is not eligible or incomplete: the first of them.
    pub reasons: Vec<String>,
    /// How many more there are.
    pub more_reasons: usize,
    pub rank: String,
    pub leading: bool,
    pub overall: ScoreText,
    pub bars: Vec<CardBar>,
}

/// A category on a card.
#[derive(Debug, Clone, Serialize)]
pub struct CardBar {
    pub category: &'static str,
    pub title: &'static str,
    pub score: ScoreText,
    /// Why it is not scored, or empty.
    pub note: &'static str,
}

/// Reasons and risks that fit on the first screen.
const TOP: usize = 3;

pub fn summary(sources: &[Source<'_>], card: &Scorecard, notes: &Notes, findings: &[Finding]) -> Summary {
    let section = scorecard::section(sources, card);
    let cards: Vec<Card> = section
        .rows
        .into_iter()
        .filter(|row| row.state != "price-only")
        .map(|row| Card {
            bars: row.cells.into_iter().map(bar).collect(),
            key: row.key,
            title: row.title,
            version: row.version,
            state: row.state,
            state_text: row.state_text,
            symbol: row.symbol,
            more_reasons: row.reasons.len().saturating_sub(TOP),
            reasons: row.reasons.into_iter().take(TOP).collect(),
            rank: if row.state == "eligible" { row.rank } else { String::new() },
            leading: row.leading,
            overall: row.overall,
        })
        .collect();
    let mut uncounted: Vec<&str> = cards.iter().flat_map(|card| &card.bars).filter(|bar| bar.note == "not counted").map(|bar| bar.title).collect();
    uncounted.sort_unstable();
    uncounted.dedup();
    let uncounted = uncounted.join(", ");
    let (kind, headline, lead) = headline(sources, notes, &cards);
    Summary { headline, kind, lead, reasons: reasons(sources), risks: risks(sources, findings), untested: untested(sources), uncounted, cards }
}

fn bar(cell: scorecard::ScoreCell) -> CardBar {
    let note = match (cell.score.text.is_empty(), cell.counts) {
        (true, _) => "not tested",
        (false, false) => "not counted",
        (false, true) => "",
    };
    CardBar { category: cell.category, title: cell.title, score: cell.score, note }
}

fn headline(sources: &[Source<'_>], notes: &Notes, cards: &[Card]) -> (&'static str, String, String) {
    let eligible: Vec<&Card> = cards.iter().filter(|card| card.state == "eligible").collect();
    let standing = standing_sentence(cards);
    if sources.iter().all(|source| !source.column.measured) {
        return ("none", "Prices only: nothing was measured.".to_owned(), String::new());
    }
    if !notes.recommends {
        let result = match cards.first() {
            Some(first) if eligible.len() > 1 && first.rank == "1" && !first.leading => format!("{} scores highest here. ", first.title),
            Some(first) if eligible.len() > 1 && first.leading => "The leading vendors cannot be told apart here. ".to_owned(),
            _ => String::new(),
        };
        return ("none", format!("{result}No recommendation: this is a {} setting.", notes.setting), standing);
    }
    let leading: Vec<&str> = eligible.iter().filter(|card| card.leading).map(|card| card.title.as_str()).collect();
    match (eligible.iter().find(|card| card.rank == "1"), leading.as_slice()) {
        (None, _) => ("none", "No recommendation: no vendor is eligible and ranked.".to_owned(), standing),
        (Some(first), []) => ("recommended", format!("{} is recommended.", first.title), standing),
        (Some(_), several) => ("tie", format!("{} lead and cannot be told apart.", several.join(" and ")), standing),
    }
}

/// How many are eligible, and who is not.
fn standing_sentence(cards: &[Card]) -> String {
    let names = |state: &str| cards.iter().filter(|card| card.state == state).map(|card| card.title.as_str()).collect::<Vec<_>>();
    let (eligible, barred, incomplete) = (names("eligible"), names("not-eligible"), names("incomplete"));
    let mut parts =
        vec![format!("{} of {} measured vendors {} eligible", eligible.len(), cards.len(), if eligible.len() == 1 { "is" } else { "are" })];
    if !barred.is_empty() {
        parts.push(format!("not eligible: {}", barred.join(", ")));
    }
    if !incomplete.is_empty() {
        parts.push(format!("INCOMPLETE: {}", incomplete.join(", ")));
    }
    let best = cards.first().filter(|card| cards.len() > 1 && !card.overall.text.is_empty());
    let best = best.map(|card| format!(" Highest overall score: {}, {} of 100.", card.title, card.overall.text)).unwrap_or_default();
    format!("{}.{best}", parts.join("; "))
}

/// The largest weighted leads of one vendor over the next in a category.
fn reasons(sources: &[Source<'_>]) -> Vec<String> {
    let scored: Vec<(&Source<'_>, &VendorScore)> =
        sources.iter().filter(|source| source.column.measured).filter_map(|source| Some((source, source.score?))).collect();
    let mut leads: Vec<(f64, String)> = Vec::new();
    let count = scored.first().map_or(0, |(_, vendor)| vendor.categories.len());
    for index in 0..count {
        let mut places: Vec<(&Source<'_>, f64, f64, crate::model::Category)> = scored
            .iter()
            .filter_map(|(source, vendor)| {
                vendor.categories.get(index).and_then(|part| Some((*source, part.score?.value, part.weight, part.category)))
            })
            .collect();
        places.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.column.series.cmp(&b.0.column.series)));
        match places.as_slice() {
            [(source, value, weight, category), (next, second, ..), ..] if value > second && *weight > 0.0 => leads.push((
                weight * (value - second),
                format!(
                    "{}: {} scores {}, {} {}.",
                    scorecard::title(*category),
                    source.column.title,
                    score(*value),
                    next.column.title,
                    score(*second)
                ),
            )),
            [(source, value, weight, category)] if *weight > 0.0 => {
                leads.push((weight * value * 0.01, format!("{}: {} scores {}.", scorecard::title(*category), source.column.title, score(*value))));
            }
            _ => {}
        }
    }
    leads.sort_by(|a, b| b.0.total_cmp(&a.0));
    leads.into_iter().take(TOP).map(|(_, sentence)| sentence).collect()
}

/// The gravest findings, each of another subject; at most one per vendor before a second one of any.
fn risks(sources: &[Source<'_>], findings: &[Finding]) -> Vec<Risk> {
    let mut chosen: Vec<&Finding> = Vec::new();
    let grave: Vec<&Finding> = findings.iter().filter(|finding| matches!(finding.severity, "critical" | "high" | "medium")).collect();
    for finding in &grave {
        if !chosen.iter().any(|other| other.keys.iter().any(|key| finding.keys.contains(key)) || other.subject == finding.subject) {
            chosen.push(finding);
        }
    }
    for finding in &grave {
        if !chosen.iter().any(|other| other.subject == finding.subject) {
            chosen.push(finding);
        }
    }
    let names = |finding: &Finding| {
        let of = sources.iter().filter(|source| finding.keys.contains(&source.column.key));
        of.map(|source| source.column.title.as_str()).collect::<Vec<_>>().join(", ")
    };
    let risks = chosen
        .into_iter()
        .take(TOP)
        .map(|finding| Risk { sentence: format!("{}: {}", names(finding), cut(&finding.sentence, 220)), anchor: finding.anchor.clone() });
    risks.collect()
}

/// What nobody may take for tested.
fn untested(sources: &[Source<'_>]) -> Vec<String> {
    let mut sentences =
        vec!["Power loss: no vendor was cut from power, so writes that were acknowledged but not yet on disk are unknown.".to_owned()];
    for source in sources.iter().filter(|source| source.column.measured) {
        let cases = super::cases::last_records(source).values().filter(|record| record.verdict == Verdict::Untested).count();
        let scenarios = source.vendor.scenarios.iter().filter(|record| matches!(record.outcome, Outcome::Untested(_))).count();
        let gates = source.score.map_or(0, |vendor| vendor.gates.iter().filter(|gate| gate.verdict == GateVerdict::Untested).count());
        let planned = source.run.header.plan.vendors.iter().find(|planned| planned.vendor == source.vendor.record.vendor);
        let skipped = planned.map_or(0, |planned| planned.skipped.len());
        let mut parts = Vec::new();
        for (count, what) in [(cases, "case"), (scenarios, "scenario"), (gates, "gate"), (skipped, "skipped item")] {
            if count > 0 {
                parts.push(format!("{count} {what}{}", if count == 1 { "" } else { "s" }));
            }
        }
        let categories = source.score.iter().flat_map(|vendor| &vendor.categories).filter(|part| part.score.is_none());
        let categories: Vec<&str> = categories.map(|part| scorecard::title(part.category)).collect();
        if !categories.is_empty() {
            parts.push(format!("the whole of {}", categories.join(", ")));
        }
        if !parts.is_empty() {
            sentences.push(format!("{}: {}.", source.column.title, parts.join(", ")));
        }
    }
    sentences
}
