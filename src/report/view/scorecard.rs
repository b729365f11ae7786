//! Section 2: vendors by category, with intervals, coverage and gates.

use serde::Serialize;

use super::columns::Source;
use super::faults::{GateCell, GateRow};
use super::slug;
use crate::model::{Category, GateVerdict};
use crate::report::number::{cut, number, percent, score};
use crate::score::{CategoryScore, Eligibility, Interval, Scorecard, VendorScore};

/// A score as text, 0 to 100.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScoreText {
    /// Empty where nothing was scored.
    pub text: String,
    pub low: String,
    pub high: String,
    /// `low–high`, or empty where they are one.
    pub range: String,
    /// `good` from 90, `fair` from 50, `poor` below, `none`; also the CSS class.
    pub band: &'static str,
}

/// A score as text.
pub fn text(interval: Option<Interval>) -> ScoreText {
    let Some(Interval { low, value, high }) = interval else {
        return ScoreText { text: String::new(), low: String::new(), high: String::new(), range: String::new(), band: "none" };
    };
    let band = if value >= 0.9 {
        "good"
    } else if value >= 0.5 {
        "fair"
    } else {
        "poor"
    };
    let (low, high) = (score(low), score(high));
    let range = if low == high { String::new() } else { format!("{low}–{high}") };
    ScoreText { text: score(value), low, high, range, band }
}

/// Section 2.
#[derive(Debug, Clone, Serialize)]
pub struct ScoreSection {
    pub categories: Vec<CategoryHead>,
    /// What qualifies single cells; the cells hold their numbers.
    pub notes: Vec<String>,
    /// Ranked vendors first.
    pub rows: Vec<ScoreRow>,
    /// Gates that are not met, waived or not tested at one vendor or more; broken ones first.
    pub gates: Vec<GateRow>,
    /// Gates that are met wherever they exist.
    pub gates_met: Vec<GateRow>,
    /// Keys of the columns of `gates`.
    pub gate_keys: Vec<String>,
    /// Where the scores of each category but compatibility come from.
    pub items: Vec<ItemTable>,
}

/// A category's heading.
#[derive(Debug, Clone, Serialize)]
pub struct CategoryHead {
    pub name: &'static str,
    pub title: &'static str,
    /// Share of the overall score, or empty where it does not count.
    pub weight: String,
    /// Id of the place that explains it.
    pub anchor: String,
}

/// A vendor in the scorecard.
#[derive(Debug, Clone, Serialize)]
pub struct ScoreRow {
    pub key: String,
    pub title: String,
    pub version: String,
    /// `eligible`, `not-eligible`, `incomplete` or `price-only`; also the CSS class.
    pub state: &'static str,
    pub state_text: &'static str,
    pub symbol: &'static str,
    /// Why it is not eligible or incomplete.
    pub reasons: Vec<String>,
    /// `1`, or empty where it is not ranked.
    pub rank: String,
    /// Member of a leading group of several.
    pub leading: bool,
    pub overall: ScoreText,
    /// Geometric mean, 0 to 100, or empty.
    pub geometric: String,
    pub cells: Vec<ScoreCell>,
    pub gates_met: usize,
    pub gates_not_met: usize,
    pub gates_untested: usize,
    pub gates_waived: usize,
}

/// A category of a vendor.
#[derive(Debug, Clone, Serialize)]
pub struct ScoreCell {
    pub category: &'static str,
    pub title: &'static str,
    pub score: ScoreText,
    pub coverage: String,
    /// Whether it counts in the overall score.
    pub counts: bool,
    /// Number of its note, or empty.
    pub note: String,
}

/// The scored parts of a category.
#[derive(Debug, Clone, Serialize)]
pub struct ItemTable {
    pub category: &'static str,
    pub title: &'static str,
    pub anchor: String,
    pub rows: Vec<ItemRow>,
}

/// A scored part at each vendor.
#[derive(Debug, Clone, Serialize)]
pub struct ItemRow {
    pub id: String,
    pub weight: String,
    /// Why the scores are what they are, where that is the same for all vendors; else empty.
    pub rule: String,
    pub cells: Vec<ItemCell>,
}

/// A scored part at one vendor.
#[derive(Debug, Clone, Serialize)]
pub struct ItemCell {
    pub score: ScoreText,
    pub observed: String,
    /// Why, where it differs between vendors; else empty.
    pub rule: String,
}

/// The heading of a category.
pub fn title(category: Category) -> &'static str {
    match category {
        Category::Compatibility => "Compatibility",
        Category::Durability => "Durability & consistency",
        Category::Performance => "Performance",
        Category::Cost => "Cost",
        Category::Operability => "Operability",
    }
}

/// `text` or `{low}`; the CSS class, the words and the symbol of a vendor's standing.
pub fn standing(eligibility: &Eligibility) -> (&'static str, &'static str, &'static str, Vec<String>) {
    match eligibility {
        Eligibility::Eligible => ("eligible", "eligible", "✓", Vec::new()),
        Eligibility::NotEligible(reasons) => ("not-eligible", "not eligible", "✕", reasons.clone()),
        Eligibility::Incomplete(reasons) => ("incomplete", "INCOMPLETE", "?", reasons.clone()),
        Eligibility::PriceOnly => ("price-only", "price only", "$", Vec::new()),
    }
}

pub fn section(sources: &[Source<'_>], card: &Scorecard) -> ScoreSection {
    let mut scored: Vec<(&Source<'_>, &VendorScore)> = sources.iter().filter_map(|source| Some((source, source.score?))).collect();
    scored.sort_by_key(|(source, score)| (matches!(score.eligibility, Eligibility::PriceOnly), score.rank.unwrap_or(u32::MAX), source.column.series));
    let leaders = card.vendors.iter().filter(|vendor| vendor.leading).count();
    let measured: Vec<_> = scored.iter().filter(|(source, _)| source.column.measured).copied().collect();
    let mut notes: Vec<String> = Vec::new();
    for note in scored.iter().flat_map(|(_, vendor)| &vendor.categories).filter_map(|part| part.note.clone()) {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
    let (mut gates, gates_met): (Vec<GateRow>, Vec<GateRow>) =
        gates(&measured).into_iter().partition(|row| row.has(&["not_met", "untested", "waived"]));
    gates.sort_by_key(|row| !row.has(&["not_met"]));
    ScoreSection {
        categories: Category::ALL.iter().map(|category| head(*category, card)).collect(),
        rows: scored.iter().map(|(source, score)| row(source, score, leaders > 1, &notes)).collect(),
        notes,
        gates,
        gates_met,
        gate_keys: measured.iter().map(|(source, _)| source.column.key.clone()).collect(),
        items: Category::ALL.iter().filter(|category| **category != Category::Compatibility).map(|category| items(*category, &measured)).collect(),
    }
}

fn head(category: Category, card: &Scorecard) -> CategoryHead {
    let weights = card.vendors.iter().flat_map(|vendor| &vendor.categories).filter(|score| score.category == category).map(|score| score.weight);
    let weight = weights.fold(0.0, f64::max);
    CategoryHead {
        name: category.name(),
        title: title(category),
        weight: if weight > 0.0 { percent(weight) } else { String::new() },
        anchor: if category == Category::Compatibility { "compatibility".to_owned() } else { format!("cat-{}", category.name()) },
    }
}

fn row(source: &Source<'_>, vendor: &VendorScore, several_lead: bool, notes: &[String]) -> ScoreRow {
    let (state, state_text, symbol, mut reasons) = standing(&vendor.eligibility);
    for reason in &mut reasons {
        if let Some(gate) = vendor.gates.iter().find(|gate| gate.name == *reason) {
            *reason = format!("{}: {}", gate.limit, cut(&gate.observed, 60));
        }
    }
    let gates = |verdict: GateVerdict| vendor.gates.iter().filter(|gate| gate.verdict == verdict).count();
    ScoreRow {
        key: source.column.key.clone(),
        title: source.column.title.clone(),
        version: source.column.version.clone(),
        state,
        state_text,
        symbol,
        reasons,
        rank: vendor.rank.map(|rank| rank.to_string()).unwrap_or_default(),
        leading: vendor.leading && several_lead,
        overall: text(vendor.overall),
        geometric: vendor.geometric.map(score).unwrap_or_default(),
        cells: vendor.categories.iter().map(|part| cell(part, notes)).collect(),
        gates_met: gates(GateVerdict::Met),
        gates_not_met: gates(GateVerdict::NotMet),
        gates_untested: gates(GateVerdict::Untested),
        gates_waived: gates(GateVerdict::Waived),
    }
}

fn cell(score: &CategoryScore, notes: &[String]) -> ScoreCell {
    let note = notes.iter().position(|note| Some(note) == score.note.as_ref());
    ScoreCell {
        category: score.category.name(),
        title: title(score.category),
        score: text(score.score),
        coverage: percent(score.coverage),
        counts: score.weight > 0.0,
        note: note.map(|at| (at + 1).to_string()).unwrap_or_default(),
    }
}

fn gates(scored: &[(&Source<'_>, &VendorScore)]) -> Vec<GateRow> {
    let mut rows: Vec<GateRow> = Vec::new();
    for gate in scored.iter().flat_map(|(_, vendor)| &vendor.gates) {
        if rows.iter().any(|row| row.name == gate.name) {
            continue;
        }
        let cells = scored.iter().map(|(source, vendor)| gate_cell(source, vendor, &gate.name)).collect();
        rows.push(GateRow { scenario: String::new(), name: gate.name.clone(), limit: gate.limit.clone(), cells });
    }
    rows
}

fn gate_cell(source: &Source<'_>, vendor: &VendorScore, name: &str) -> GateCell {
    let Some(gate) = vendor.gates.iter().find(|gate| gate.name == name) else {
        return GateCell { state: "", text: String::new(), observed: String::new(), evidence: None };
    };
    GateCell {
        state: gate.verdict.name(),
        text: gate.verdict.name().to_owned(),
        observed: cut(&gate.observed, 240),
        evidence: gate.evidence.as_deref().map(|path| source.link(path)),
    }
}

fn items(category: Category, scored: &[(&Source<'_>, &VendorScore)]) -> ItemTable {
    let parts =
        |vendor: &VendorScore| vendor.categories.iter().find(|score| score.category == category).map(|score| score.items.clone()).unwrap_or_default();
    let all: Vec<_> = scored.iter().map(|(_, vendor)| parts(vendor)).collect();
    let mut rows: Vec<ItemRow> = Vec::new();
    for item in all.iter().flatten() {
        if rows.iter().any(|row| row.id == item.id) {
            continue;
        }
        let found: Vec<_> = all.iter().map(|items| items.iter().find(|other| other.id == item.id)).collect();
        let is_common = found.iter().flatten().all(|other| other.rule == item.rule);
        let cells = found.iter().map(|found| ItemCell {
            score: text(found.and_then(|item| item.score)),
            observed: found.map(|item| cut(&item.observed, 120)).unwrap_or_default(),
            rule: found.filter(|_| !is_common).map(|item| item.rule.clone()).unwrap_or_default(),
        });
        let rule = if is_common { item.rule.clone() } else { String::new() };
        rows.push(ItemRow { id: item.id.clone(), weight: number(item.weight), rule, cells: cells.collect() });
    }
    ItemTable { category: category.name(), title: title(category), anchor: format!("cat-{}", slug(category.name())), rows }
}
