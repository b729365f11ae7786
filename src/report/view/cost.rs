//! Section 4: what a month costs at each vendor, and what the run's own requests cost.

use jiff::civil::Date;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

use super::columns::Source;
use crate::config::PriceCard;
use crate::cost::{self, CostError, CostGroup, CostSheet, MonthlyUse};
use crate::report::chart::{Chart, Marks, Stack};
use crate::report::number::money;
use crate::store::Run;

/// Section 4.
#[derive(Debug, Clone, Serialize)]
pub struct Cost {
    /// Title of the workload.
    pub workload: String,
    /// What it stands for.
    pub about: String,
    /// Quantities of the workload, as text.
    pub quantities: Vec<String>,
    /// Headings of the parts of a bill.
    pub groups: Vec<&'static str>,
    /// Stacked bars, cheapest first; absent where nothing is priced.
    pub chart: Option<Chart>,
    /// The workload at each vendor with a price card, cheapest first.
    pub months: Vec<CostRow>,
    /// The metered requests of the run at each measured vendor with a price card.
    pub usage: Vec<CostRow>,
    /// Vendors without a price card.
    pub unpriced: Vec<String>,
    /// The rows of `cost.csv`, as `[run, vendor, basis, ...cost columns]`.
    #[serde(skip)]
    pub lines: Vec<Vec<String>>,
}

/// What one vendor charges.
#[derive(Debug, Clone, Serialize)]
pub struct CostRow {
    /// Column key.
    pub key: String,
    pub title: String,
    pub card: String,
    pub currency: String,
    /// Amount of each group; empty text where nothing is used.
    pub groups: Vec<String>,
    pub total: String,
    /// Per 1000 GB and month; empty where it is not defined.
    pub per_tb: String,
    /// Requests that were metered; empty for a month.
    pub requests: String,
    /// Day of the prices, and whether they are stale on the day of the run.
    pub as_of: String,
    pub stale: bool,
    pub trust: &'static str,
    pub sources: Vec<String>,
    pub warnings: Vec<String>,
    /// Why it could not be priced; empty otherwise.
    pub error: String,
    /// Total, for sorting and the chart.
    #[serde(skip)]
    amount: Option<Decimal>,
    #[serde(skip)]
    parts: Vec<f64>,
}

pub fn cost(runs: &[Run], sources: &[Source<'_>]) -> Cost {
    let mut lines = Vec::new();
    let mut months = Vec::new();
    let mut usage = Vec::new();
    let mut unpriced = Vec::new();
    for source in sources {
        match own_card(source) {
            Some(card) => {
                let month = cost::price(card, &MonthlyUse::from_workload(&source.run.header.workload, card));
                add_lines(&mut lines, source, "workload", &month);
                months.push(row(source, &card.id, month, String::new()));
            }
            None => unpriced.push(source.column.title.clone()),
        }
        for card in cards_of_use(source, sources) {
            let used = cost::price_usage(card, &source.vendor.usage);
            add_lines(&mut lines, source, "run", &used);
            let priced = row(source, &card.id, used, source.vendor.usage.total().to_string());
            usage.push(CostRow { key: format!("{} on {}", source.column.key, card.id), ..priced });
        }
    }
    months.sort_by(|a, b| (a.amount.is_none(), a.amount, &a.key).cmp(&(b.amount.is_none(), b.amount, &b.key)));
    let workload = runs.first().map(|run| &run.header.workload);
    Cost {
        workload: workload.map(|workload| workload.title.clone()).unwrap_or_default(),
        about: workload.map(|workload| workload.about.clone()).unwrap_or_default(),
        quantities: workload.map(quantities).unwrap_or_default(),
        groups: CostGroup::ALL.iter().map(|group| group.name()).collect(),
        chart: chart(&months),
        months,
        usage,
        unpriced,
        lines,
    }
}

fn own_card<'a>(source: &Source<'a>) -> Option<&'a PriceCard> {
    source.vendor.record.file.pricing.as_ref()
}

/// What a measured vendor's use is priced on: its own card or, where it has none, every card of a price-only vendor.
fn cards_of_use<'a>(source: &Source<'a>, sources: &[Source<'a>]) -> Vec<&'a PriceCard> {
    if !source.column.measured {
        return Vec::new();
    }
    own_card(source).map_or_else(|| sources.iter().filter(|other| !other.column.measured).filter_map(own_card).collect(), |card| vec![card])
}

fn quantities(workload: &crate::config::CostWorkload) -> Vec<String> {
    let mut texts = vec![format!("{} GB stored", workload.stored_gb.normalize())];
    texts.extend(workload.requests.iter().map(|(operation, count)| format!("{count} {operation}")));
    for (quantity, what) in [(workload.egress_gb, "out"), (workload.retrieval_gb, "retrieved"), (workload.upload_gb, "written")] {
        if !quantity.is_zero() {
            texts.push(format!("{} GB {what}", quantity.normalize()));
        }
    }
    texts
}

fn add_lines(lines: &mut Vec<Vec<String>>, source: &Source<'_>, basis: &str, sheet: &Result<CostSheet, CostError>) {
    let Ok(sheet) = sheet else { return };
    let stale = day(source).is_some_and(|day| sheet.is_stale(day));
    for row in sheet.rows() {
        let mut line = vec![source.column.run.clone(), source.column.key.clone(), basis.to_owned()];
        line.extend(row);
        line.push(if stale { "stale" } else { "current" }.to_owned());
        lines.push(line);
    }
}

/// The day of the run: staleness must not change with the time of rendering.
fn day(source: &Source<'_>) -> Option<Date> {
    source.run.header.started_at.get(..10)?.parse().ok()
}

fn row(source: &Source<'_>, card: &str, sheet: Result<CostSheet, CostError>, requests: String) -> CostRow {
    let mut row = CostRow {
        key: source.column.key.clone(),
        title: source.column.title.clone(),
        card: card.to_owned(),
        currency: String::new(),
        groups: Vec::new(),
        total: String::new(),
        per_tb: String::new(),
        requests,
        as_of: String::new(),
        stale: false,
        trust: "",
        sources: Vec::new(),
        warnings: Vec::new(),
        error: String::new(),
        amount: None,
        parts: Vec::new(),
    };
    match sheet {
        Err(error) => row.error = error.to_string(),
        Ok(sheet) => {
            let amounts: Vec<Decimal> = CostGroup::ALL.iter().map(|group| sheet.group(*group).0).collect();
            row.groups = amounts.iter().map(|amount| money(*amount)).collect();
            row.parts = amounts.iter().map(|amount| amount.to_f64().unwrap_or(0.0)).collect();
            row.total = money(sheet.total.0);
            row.per_tb = sheet.usd_per_tb_month.map(money).unwrap_or_default();
            row.amount = Some(sheet.total.0);
            row.as_of = sheet.as_of.to_string();
            row.stale = day(source).is_some_and(|day| sheet.is_stale(day));
            row.trust = sheet.trust.name();
            row.currency = sheet.currency;
            row.sources = sheet.sources;
            row.warnings = sheet.warnings;
        }
    }
    row
}

/// Stacked bars of what a TB costs, for the vendors where that is defined.
fn chart(months: &[CostRow]) -> Option<Chart> {
    let mut stacks = Vec::new();
    for row in months {
        let (Some(total), Ok(per_tb)) = (row.amount.and_then(|amount| amount.to_f64()), row.per_tb.parse::<f64>()) else { continue };
        let scale = if total > 0.0 { per_tb / total } else { 0.0 };
        let parts = CostGroup::ALL.iter().zip(&row.parts).map(|(group, part)| (group.name().to_owned(), part * scale)).collect();
        let stale = if row.stale { ", stale" } else { "" };
        stacks.push(Stack { label: row.title.clone(), parts, text: format!("{} ({}{stale})", row.per_tb, row.as_of) });
    }
    let (first, last) = (stacks.first()?, stacks.last()?);
    Some(Chart {
        id: "c-cost".to_owned(),
        title: "Price of a TB and month".to_owned(),
        description: format!("From {} {} to {} {} USD per TB and month.", first.label, first.text, last.label, last.text),
        axis: "USD per TB (1000 GB) and month, lower is better ←\ndate: day of the prices".to_owned(),
        marks: Marks::Stacks(stacks),
    })
}
