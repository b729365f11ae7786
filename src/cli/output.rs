//! Printing. The only place of the library that writes to the terminal.

use std::io::{ErrorKind, Write};

use super::Failure;

/// Prints text on standard output, or says that nobody reads any more.
///
/// # Errors
/// When standard output cannot be written; a closed pipe too.
pub fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints the result of a command; a reader that has gone away (`| head`) has read what it wanted.
pub fn print(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::internal(format!("standard output: {error}"))),
        _ => Ok(()),
    }
}

/// Prints `error: ...` on standard error, on one line.
pub fn complain(message: &impl std::fmt::Display) {
    let one_line = message.to_string().split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    // Nothing can be done about a closed standard error; the exit code tells.
    let _ = writeln!(std::io::stderr(), "error: {one_line}");
}

/// Prints a remark on standard error, beside the results.
pub fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Text aligned in columns, two spaces between.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..columns).map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let line: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_space() {
        let rows = vec![vec!["a".to_owned(), "bb".to_owned(), String::new()], vec!["ccc".to_owned(), "d".to_owned(), "e".to_owned()]];
        assert_eq!(table(&rows), "a    bb\nccc  d   e\n");
    }
}
