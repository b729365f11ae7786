//! The proof as tables for people and programs.

use super::proof::{CAUGHT_MIN, Catch, Proof, State};

fn csv(header: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let mut text = header.join(",") + "\n";
    for row in rows {
        let cells: Vec<String> =
            row.iter().map(|cell| if cell.contains([',', '"']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.clone() }).collect();
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

/// One row per mutant: what became of it, and who noticed.
pub fn mutants_csv(proof: &Proof) -> String {
    let rows = proof.mutants.iter().map(|row| {
        let cases: Vec<&str> = row.catches.iter().map(|found| found.case.as_str()).collect();
        let mut classes: Vec<&str> = row.catches.iter().map(|found| found.class.name()).collect();
        classes.sort_unstable();
        classes.dedup();
        let mutant = &row.mutant;
        let numbers = [row.cases.to_string(), row.changed.to_string(), row.catches.len().to_string()];
        let start = [mutant.id.clone(), mutant.areas.join(" "), mutant.operations.join(" "), row.state.name().to_owned()];
        start.into_iter().chain(numbers).chain([cases.join(" "), classes.join(" "), mutant.title.clone()]).collect()
    });
    csv(&["mutant", "areas", "operations", "state", "cases_run", "changed", "caught_by", "catching_cases", "classes", "title"], rows)
}

/// One row per case: how often it was seen failing, and on what.
pub fn cases_csv(proof: &Proof) -> String {
    let rows = proof.cases.iter().map(|row| {
        let first: Vec<&str> = row.caught.iter().take(5).map(String::as_str).collect();
        let verdict = row.verdict.map_or("unstable", |verdict| verdict.name());
        let numbers = [row.mutants.to_string(), row.caught.len().to_string(), first.join(" ")];
        [row.case.as_str().to_owned(), row.level.name().to_owned(), verdict.to_owned()].into_iter().chain(numbers).collect()
    });
    csv(&["case", "level", "without_mutant", "mutants_met", "mutants_caught", "first_caught"], rows)
}

/// One line with the rate.
pub fn rate_line(proof: &Proof) -> String {
    let (caught, judged) = proof.caught();
    let rate = proof.rate().map_or_else(String::new, |rate| format!(" ({:.1} %)", rate * 100.0));
    format!("{caught} of {judged} mutants are caught{rate}; at least {:.0} % are due", CAUGHT_MIN * 100.0)
}

/// The summary: rate, areas, what was missed, which cases never failed.
pub fn summary(proof: &Proof, vendor: &str) -> String {
    let mut text = format!("# Mutants of {vendor}\n\n{}.\n", rate_line(proof));
    let (elsewhere, untouched) = (proof.count(State::NotHere), proof.count(State::Untouched));
    text.push_str(&format!(
        "{elsewhere} more change a feature that {vendor} does not claim, and {untouched} what no case does that passes there.\n\n\
         | area | caught | missed | untouched | not here |\n| --- | --- | --- | --- | --- |\n"
    ));
    let mut areas: Vec<&str> = proof.mutants.iter().flat_map(|row| &row.mutant.areas).map(String::as_str).collect();
    areas.sort_unstable();
    areas.dedup();
    for area in areas {
        let count = |state| proof.mutants.iter().filter(|row| row.state == state && row.mutant.areas.iter().any(|own| own == area)).count();
        text.push_str(&format!(
            "| {area} | {} | {} | {} | {} |\n",
            count(State::Caught),
            count(State::Missed),
            count(State::Untouched),
            count(State::NotHere)
        ));
    }
    section(
        &mut text,
        "Missed mutants",
        proof.missed().map(|row| format!("`{}` ({} cases ran, {} changes): {}", row.mutant.id, row.cases, row.changed, row.mutant.title)),
    );
    let untouched = proof.mutants.iter().filter(|row| row.state == State::Untouched);
    section(&mut text, "Mutants that no passing case touches", untouched.map(|row| format!("`{}`: {}", row.mutant.id, row.mutant.title)));
    section(&mut text, "Cases whose verdict changes without a mutant", proof.unstable().map(|row| format!("`{}`", row.case)));
    if proof.is_whole {
        let never = proof.never_caught().map(|row| format!("`{}` ({}, met {} mutants)", row.case, row.level, row.mutants));
        section(&mut text, "Core and common cases that pass and never failed", never);
    }
    text
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.collect();
    text.push_str(&format!("\n## {title}: {}\n\n", lines.len()));
    for line in lines {
        text.push_str(&format!("- {line}\n"));
    }
}

/// `case (class)` for the terminal.
pub fn shown(found: &Catch) -> String {
    format!("{} ({})", found.case, found.class)
}
