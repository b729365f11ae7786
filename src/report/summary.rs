//! `summary.md`: the first screen as Markdown, for the step summary of a continuous integration job.

use super::View;
use super::number::cut;

/// Most bytes; GitHub refuses a step summary above 1 MiB, and a page that long is not read.
const LIMIT: usize = 200 * 1024;
/// Findings that are listed.
const FINDINGS: usize = 50;

/// The page.
pub fn markdown(view: &View) -> String {
    let mut text = format!("# {}\n\n**{}**\n", inline(&view.title), inline(&view.summary.headline));
    if !view.summary.lead.is_empty() {
        text.push_str(&format!("\n{}\n", inline(&view.summary.lead)));
    }
    for sentence in &view.notes.incomplete {
        text.push_str(&format!("\n> **INCOMPLETE**: {}\n", inline(sentence)));
    }
    scorecard(view, &mut text);
    applications(view, &mut text);
    list(&mut text, "Reasons", view.summary.reasons.iter().map(String::as_str));
    list(&mut text, "Risks", view.summary.risks.iter().map(|risk| risk.sentence.as_str()));
    list(&mut text, "Not tested", view.summary.untested.iter().map(String::as_str));
    findings(view, &mut text);
    list(&mut text, "Notes", view.notes.sentences.iter().map(String::as_str));
    cap(text)
}

fn scorecard(view: &View, text: &mut String) {
    text.push_str("\n| vendor | standing | rank | overall |");
    view.scorecard.categories.iter().for_each(|category| text.push_str(&format!(" {} |", category.title)));
    text.push_str("\n|---|---|---:|---:|");
    view.scorecard.categories.iter().for_each(|_| text.push_str("---:|"));
    text.push('\n');
    for row in &view.scorecard.rows {
        let missing = |score: &str| if score.is_empty() { "not tested".to_owned() } else { score.to_owned() };
        text.push_str(&format!("| {} | {} {} | {} | {} |", inline(&row.key), row.symbol, row.state_text, row.rank, missing(&row.overall.text)));
        for cell in &row.cells {
            let range = if cell.score.range.is_empty() { String::new() } else { format!(" ({})", cell.score.range) };
            text.push_str(&format!(" {}{range} |", missing(&cell.score.text)));
        }
        text.push('\n');
    }
}

fn applications(view: &View, text: &mut String) {
    let rows: Vec<_> = view.applications.applications.iter().chain(&view.applications.sdks).collect();
    if rows.is_empty() {
        return;
    }
    let keys: String = view.measured.iter().map(|column| format!(" {} |", inline(&column.key))).collect();
    text.push_str(&format!("\n| application |{keys}\n|---|{}\n", "---|".repeat(view.measured.len())));
    for row in rows {
        let cells: String = row.cells.iter().map(|cell| format!(" {} |", cell.verdict)).collect();
        text.push_str(&format!("| {} |{cells}\n", inline(&row.title)));
    }
}

fn findings(view: &View, text: &mut String) {
    if view.findings.is_empty() {
        return;
    }
    text.push_str(&format!("\n## Findings ({})\n\n", view.findings.len()));
    for finding in view.findings.iter().take(FINDINGS) {
        text.push_str(&format!("- **{}** {}: {}\n", finding.severity, inline(&finding.keys.join(", ")), inline(&cut(&finding.sentence, 300))));
    }
    if view.findings.len() > FINDINGS {
        text.push_str(&format!("- and {} more in report.html\n", view.findings.len() - FINDINGS));
    }
}

fn list<'a>(text: &mut String, title: &str, items: impl Iterator<Item = &'a str>) {
    let items: Vec<String> = items.map(|item| format!("- {}\n", inline(item))).collect();
    if !items.is_empty() {
        text.push_str(&format!("\n## {title}\n\n{}", items.concat()));
    }
}

/// One line in which nothing that a server said is markup.
pub(super) fn inline(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '!' => safe.extend(['\\', c]),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

fn cap(mut text: String) -> String {
    const CLOSING: &str = "\n\nCut here: the whole of it stands in report.html.\n";
    if text.len() > LIMIT {
        let end = (0..=LIMIT - CLOSING.len()).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push_str(CLOSING);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_said_is_not_markup() {
        assert_eq!(inline("<b>|x|\n`y`"), "&lt;b&gt;\\|x\\| \\`y\\`");
    }

    #[test]
    fn a_long_page_is_cut_at_the_limit_and_says_so() {
        let page = cap("é".repeat(LIMIT));
        assert!(page.len() <= LIMIT && page.ends_with("report.html.\n"));
        assert_eq!(cap("short".to_owned()), "short");
    }
}
