//! What a month costs, line by line, and the rows and the table made of it.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::config::{PriceCard, Trust};
use crate::units::Money;

/// What a line is for; the parts of a stacked bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CostGroup {
    /// Stored data, minimum durations and minimum quantities.
    Storage,
    /// Requests.
    Requests,
    /// Data out.
    Egress,
    /// Retrieval and upload fees.
    Transfer,
}

impl CostGroup {
    /// All groups in the order of a bill.
    pub const ALL: [CostGroup; 4] = [CostGroup::Storage, CostGroup::Requests, CostGroup::Egress, CostGroup::Transfer];

    /// The word used in CSV and the report.
    pub fn name(self) -> &'static str {
        match self {
            CostGroup::Storage => "storage",
            CostGroup::Requests => "requests",
            CostGroup::Egress => "egress",
            CostGroup::Transfer => "transfer",
        }
    }
}

/// One line of a bill.
#[derive(Debug, Clone, PartialEq)]
pub struct CostLine {
    /// What it is for.
    pub group: CostGroup,
    /// What is billed, e.g. `storage` or `requests A`.
    pub item: String,
    /// Billed quantity in `unit`, after free allowances and rounding up.
    pub quantity: Decimal,
    /// Unit of `quantity`, e.g. `GB-month`.
    pub unit: String,
    /// Unit price or tiers as text, e.g. `0.023 up to 51200, then 0.022`.
    pub price: String,
    /// Not rounded; in the sheet's currency.
    pub amount: Money,
}

/// The price of a month (or of a run), with where its prices come from.
#[derive(Debug, Clone, PartialEq)]
pub struct CostSheet {
    /// Id of the price card.
    pub card: String,
    /// ISO 4217; of every amount here.
    pub currency: String,
    /// The day on which the prices were read.
    pub as_of: Date,
    /// Prices older than this are stale, see [`CostSheet::is_stale`].
    pub stale_after_days: u32,
    /// Where the prices stand.
    pub sources: Vec<String>,
    /// How good the source is.
    pub trust: Trust,
    /// In the order of a bill; only what is used.
    pub lines: Vec<CostLine>,
    /// Sum of the lines, not rounded.
    pub total: Money,
    /// Total per 1000 GB (as the card counts a GB) stored for a month; `None` where nothing is stored, where the sheet is not of a month, or where the
    /// card is not in USD.
    pub usd_per_tb_month: Option<Decimal>,
    /// Total of a run's requests per million of those that succeeded: errors are billed too. `None` for a month.
    pub requests_per_million_ok: Option<Money>,
    /// What the figures leave out or assume, in sentences.
    pub warnings: Vec<String>,
}

impl CostSheet {
    pub(super) fn new(card: &PriceCard, lines: Vec<CostLine>) -> Self {
        let total = lines.iter().map(|line| line.amount).sum();
        Self {
            card: card.id.clone(),
            currency: card.currency.clone(),
            as_of: card.as_of,
            stale_after_days: card.stale_after_days,
            sources: card.sources.clone(),
            trust: card.trust,
            lines,
            total,
            usd_per_tb_month: None,
            requests_per_million_ok: None,
            warnings: Vec::new(),
        }
    }
    /// Whether the prices are too old on a day. Give the day on which the run started, not today: a report must not change with time.
    pub fn is_stale(&self, on: Date) -> bool {
        (on - self.as_of).get_days() > i32::try_from(self.stale_after_days).unwrap_or(i32::MAX)
    }
    /// Sum of a group's lines, not rounded.
    pub fn group(&self, group: CostGroup) -> Money {
        self.lines.iter().filter(|line| line.group == group).map(|line| line.amount).sum()
    }
    /// The lines, then the total, as cells of [`COST_COLUMNS`]. Amounts keep four decimals so that the sum can be checked.
    pub fn rows(&self) -> Vec<[String; 11]> {
        let row = |group: &str, item: &str, quantity: String, unit: &str, price: &str, amount: Money| {
            [
                self.card.clone(),
                group.to_owned(),
                item.to_owned(),
                quantity,
                unit.to_owned(),
                price.to_owned(),
                format!("{:.4}", amount.0.round_dp(4)),
                self.currency.clone(),
                self.as_of.to_string(),
                self.trust.name().to_owned(),
                self.sources.join(" "),
            ]
        };
        let mut rows: Vec<_> = self
            .lines
            .iter()
            .map(|line| row(line.group.name(), &line.item, line.quantity.round_dp(6).normalize().to_string(), &line.unit, &line.price, line.amount))
            .collect();
        rows.push(row("total", "total", String::new(), "", "", self.total));
        rows
    }
}

/// Header of [`CostSheet::rows`].
pub const COST_COLUMNS: [&str; 11] = ["card", "group", "item", "quantity", "unit", "price", "amount", "currency", "as_of", "trust", "sources"];

/// Sheets side by side as plain text, cheapest first, each figure with its price date; warnings below.
pub fn table(sheets: &[CostSheet]) -> String {
    let mut sorted: Vec<&CostSheet> = sheets.iter().collect();
    sorted.sort_by(|a, b| a.total.cmp(&b.total).then_with(|| a.card.cmp(&b.card)));
    let header = ["card", "storage", "requests", "egress", "transfer", "total", "per TB-month", "currency", "prices of", "trust"];
    let mut rows: Vec<Vec<String>> = vec![header.iter().map(|cell| (*cell).to_owned()).collect()];
    for sheet in &sorted {
        let mut row = vec![sheet.card.clone()];
        row.extend(CostGroup::ALL.iter().map(|group| sheet.group(*group).to_string()));
        row.push(sheet.total.to_string());
        row.push(sheet.usd_per_tb_month.map_or_else(|| "-".to_owned(), |price| Money(price).to_string()));
        row.extend([sheet.currency.clone(), sheet.as_of.to_string(), sheet.trust.name().to_owned()]);
        rows.push(row);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| aligned(column, cell, *width)).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    for sheet in &sorted {
        for warning in &sheet.warnings {
            text.push_str(&format!("{}: {warning}\n", sheet.card));
        }
        text.push_str(&format!("{}: prices from {}\n", sheet.card, sheet.sources.join(", ")));
    }
    text
}

/// Amounts stand to the right, names to the left.
fn aligned(column: usize, cell: &str, width: usize) -> String {
    if (1..=6).contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
}
