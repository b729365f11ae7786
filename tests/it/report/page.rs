//! Reads the tables of a rendered page back, to compare them with the CSV.

use std::collections::BTreeMap;

/// Cells of all tables of one kind, by row and column.
pub struct Grid(BTreeMap<(String, String), String>);

impl Grid {
    /// Reads every `<table data-grid="kind">`.
    pub fn read(page: &str, kind: &str) -> Self {
        let mut cells = BTreeMap::new();
        for table in tables(page).into_iter().filter(|table| table.split('>').next().unwrap().contains(&format!("data-grid=\"{kind}\""))) {
            let (head, body) = table.split_once("</thead>").unwrap();
            let columns: Vec<Option<String>> = split_cells(head).iter().map(|cell| attribute(cell.0, "data-v")).collect();
            let mut group = String::new();
            for row in body.split("<tr").skip(1) {
                if row.contains("scope=rowgroup") {
                    group = format!("{}/", heading(row));
                    continue;
                }
                let named = attribute(row.split('>').next().unwrap(), "data-row");
                let Some(name) = named.or_else(|| (kind == "cases").then(|| format!("{group}{}", heading(row)))) else { continue };
                for (cell, column) in split_cells(row).into_iter().zip(&columns) {
                    if let Some(column) = column {
                        cells.insert((name.clone(), column.clone()), cell.1.to_owned());
                    }
                }
            }
        }
        Self(cells)
    }
    /// The markup inside a cell.
    pub fn cell(&self, row: &str, column: &str) -> Option<&str> {
        self.0.get(&(row.to_owned(), column.to_owned())).map(String::as_str)
    }
    /// The text of a cell up to its small print.
    fn value(&self, row: &str, column: &str) -> String {
        let cell = self.cell(row, column).unwrap_or_else(|| panic!("no cell for {row} at {column}"));
        let text = cell.strip_prefix("<small>").unwrap_or(cell);
        unescape(text.split('<').next().unwrap()).trim().to_owned()
    }
    fn smalls(&self, row: &str, column: &str) -> Vec<String> {
        self.cell(row, column).unwrap().split("<small>").skip(1).map(|part| unescape(part.split('<').next().unwrap())).collect()
    }
}

/// The tables of a page.
pub fn tables(page: &str) -> Vec<&str> {
    page.split("<table").skip(1).map(|rest| rest.split("</table>").next().unwrap()).collect()
}

/// Tag and inner markup of each `<th>` and `<td>`.
fn split_cells(row: &str) -> Vec<(&str, &str)> {
    let mut cells = Vec::new();
    let mut rest = row;
    while let Some(at) = [rest.find("<th>"), rest.find("<th "), rest.find("<td")].into_iter().flatten().min() {
        let (tag, inside) = rest[at..].split_once('>').unwrap();
        // End tags may be left out: a cell ends where the next one or the row's end begins.
        let end = ["<th", "<td", "<tbody", "</th>", "</td>", "</tr>", "</tbody>"]
            .into_iter()
            .filter_map(|tag| inside.find(tag))
            .min()
            .unwrap_or(inside.len());
        cells.push((tag, &inside[..end]));
        rest = &inside[end..];
    }
    cells
}

/// The text of a row's heading, up to its small print.
fn heading(row: &str) -> String {
    let (_, cell) = row.split_once("<th").unwrap().1.split_once('>').unwrap();
    unescape(cell.split('<').next().unwrap().trim_end())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split_once(&format!("{name}=\""))?.1;
    rest.split_once('"').map(|(value, _)| unescape(value))
}

/// Values of attributes anywhere in the page's markup.
pub fn attributes(page: &str, names: &[&str]) -> Vec<String> {
    let mut values = Vec::new();
    for tag in page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        values.extend(names.iter().filter_map(|name| attribute(tag, &format!(" {name}"))));
    }
    values
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&#47;", "/").replace("&amp;", "&")
}

/// Compares every row of `results.csv` with its cell; returns how many there were.
pub fn compare(page: &str, rows: &[BTreeMap<String, String>]) -> usize {
    let grid = |kind| Grid::read(page, kind);
    let (cases, metrics, gates, scores) = (grid("cases"), grid("metrics"), grid("gates"), grid("scores"));
    let (applications, requirements, measures) = (grid("applications"), grid("requirements"), grid("measures"));
    for row in rows {
        let (vendor, scenario, repeat) = (&row["vendor"], &row["scenario"], &row["repeat"]);
        match row["metric"].as_str() {
            "verdict" => assert_eq!(cases.value(scenario, vendor), row["status"], "{row:?}"),
            "failure_class" => assert!(cases.smalls(scenario, vendor)[0].starts_with(&row["status"]), "{row:?}"),
            "gate" => {
                let shown = gates.value(&format!("{scenario}|{}", row["gate"]), vendor);
                let shown: Vec<&str> = shown.split(", ").collect();
                let place = repeat.parse::<usize>().map_or(0, |repeat| (repeat - 1).min(shown.len() - 1));
                assert_eq!(shown[place], row["status"].replace('_', " "), "{row:?}");
            }
            "score" => {
                let shown = scores.value(vendor, &row["category"]);
                assert_eq!(shown, if row["value"].is_empty() { "not tested" } else { &row["value"] }, "{row:?}");
            }
            "readiness" => assert_eq!(applications.value(scenario.trim_start_matches("application/"), vendor), row["status"], "{row:?}"),
            asked if asked == "waiver" || asked.starts_with("requirement_") => {
                let priority = asked.trim_start_matches("requirement_");
                assert_eq!(requirements.value(&format!("{scenario}|{priority}"), vendor), row["status"], "{row:?}");
            }
            metric if scenario.contains("::") => {
                let shown = measures.value(&format!("{scenario}|{metric}"), vendor);
                assert_eq!(shown, if row["value"].is_empty() { "n/a" } else { &row["value"] }, "{row:?}");
            }
            metric => compare_metric(&metrics, &format!("{scenario}|{metric}"), vendor, row),
        }
    }
    rows.len()
}

/// A repeat of several stands in the small print; a single one, and the value over all of them, in the cell itself.
fn compare_metric(metrics: &Grid, name: &str, vendor: &str, row: &BTreeMap<String, String>) {
    let (value, smalls) = (metrics.value(name, vendor), metrics.smalls(name, vendor));
    let repeats = smalls.iter().find(|small| small.contains(" · "));
    let shown = match (repeats, row["repeat"].parse::<usize>()) {
        (Some(repeats), Ok(repeat)) => repeats.split(" · ").nth(repeat - 1).unwrap().to_owned(),
        _ => value.trim_start_matches(">= ").to_owned(),
    };
    let expected = if row["value"].is_empty() && repeats.is_none() { &row["status"] } else { &row["value"] };
    assert_eq!(&shown, expected, "{row:?}");
    if !row["ci_low"].is_empty() {
        assert!(smalls.contains(&format!("{}–{}", row["ci_low"], row["ci_high"])), "{row:?}: {smalls:?}");
    }
}
