//! View + templates -> one HTML file that loads nothing from elsewhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tera::{Context, ErrorKind, Kwargs, State, Tera};

use super::chart::Chart;
use super::{ReportError, View};

/// A rendered section, as `base.html` sees it.
#[derive(Debug, Serialize)]
struct Section {
    /// File stem without its number; also the fragment id.
    id: String,
    html: String,
}

/// Where `base.html` wants the hash of its script.
const HASH_PLACE: &str = "SCRIPT-HASH";

/// The page. Sections are rendered in the order of their file names.
pub fn page(templates: &Path, view: &View) -> Result<String, ReportError> {
    let tera = load(templates)?;
    let mut context = Context::from_serialize(view).map_err(|error| template_error(templates, "base.html", &error))?;
    let mut names: Vec<String> = tera.get_template_names().filter(|name| name.starts_with("sections/")).map(str::to_owned).collect();
    names.sort();
    let mut sections = Vec::new();
    for name in &names {
        let html = render(&tera, templates, name, &context)?;
        sections.push(Section { id: section_id(name), html });
    }
    context.insert("sections", &sections);
    let page = render(&tera, templates, "base.html", &context)?;
    let hash = script_hash(&page);
    Ok(page.replacen(HASH_PLACE, &hash, 1))
}

/// `sections/04-cost.html` -> `cost`.
fn section_id(name: &str) -> String {
    let stem = name.trim_start_matches("sections/").trim_end_matches(".html");
    stem.split_once('-').map_or(stem, |(_, id)| id).to_owned()
}

/// The hash that lets exactly the script at the end of the page run. Everything that a vendor said stands before it.
fn script_hash(page: &str) -> String {
    let script = page.rsplit_once("<script>").and_then(|(_, rest)| rest.split_once("</script>")).map_or("", |(script, _)| script);
    STANDARD.encode(Sha256::digest(script.as_bytes()))
}

fn load(templates: &Path) -> Result<Tera, ReportError> {
    let mut tera = Tera::new();
    tera.register_function("chart", DrawChart);
    let sections = templates.join("sections");
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    for (folder, prefix) in [(templates, ""), (sections.as_path(), "sections/")] {
        let entries = std::fs::read_dir(folder).map_err(|source| ReportError::Io { path: folder.to_owned(), source })?;
        for path in entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "html")) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((format!("{prefix}{name}"), path));
        }
    }
    files.sort();
    let mut sources = Vec::new();
    for (name, path) in files {
        let text = std::fs::read_to_string(&path).map_err(|source| ReportError::Io { path, source })?;
        sources.push((name, text));
    }
    // Components must be known before the templates that call them; adding all at once resolves both ways.
    tera.add_raw_templates(sources).map_err(|error| template_error(templates, "base.html", &error))?;
    Ok(tera)
}

fn render(tera: &Tera, templates: &Path, name: &str, context: &Context) -> Result<String, ReportError> {
    check_names(tera, templates, name, context)?;
    tera.render(name, context).map_err(|error| template_error(templates, name, &error))
}

/// Finds names that the view does not hold also where rendering would not: inside a branch that is not taken.
fn check_names(tera: &Tera, templates: &Path, name: &str, context: &Context) -> Result<(), ReportError> {
    let used = tera.get_template_variables(name).map_err(|error| template_error(templates, name, &error))?;
    let unknown: BTreeSet<&str> = used.into_iter().filter(|variable| !context.contains_key(variable)).collect();
    let Some(variable) = unknown.first() else { return Ok(()) };
    let file = templates.join(name);
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let word = |line: &str| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == *variable);
    let line = text.lines().position(word).map_or(0, |at| at + 1);
    Err(ReportError::Template { file, line, message: format!("variable `{variable}` is not defined: the view does not hold it") })
}

fn template_error(templates: &Path, name: &str, error: &tera::Error) -> ReportError {
    let (name, line, message) = match error.kind() {
        ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) => {
            (report.filename(), report.span().start_line, located(templates, report))
        }
        _ => (name, 0, error.to_string()),
    };
    ReportError::Template { file: templates.join(name), line, message }
}

/// The message, with the expression that it is about where it does not name it itself.
fn located(templates: &Path, report: &tera::ReportError) -> String {
    let (message, span) = (report.message(), report.span());
    let text = std::fs::read_to_string(templates.join(report.filename())).unwrap_or_default();
    let line = text.lines().nth(span.start_line.saturating_sub(1)).unwrap_or_default();
    let end = if span.end_line == span.start_line { span.end_col } else { line.chars().count() };
    // A span may end after the first name of a path: the rest of the path belongs to it.
    let rest = line.chars().skip(end).take_while(|c| c.is_ascii_alphanumeric() || "._".contains(*c));
    let expression: String = line.chars().take(end).skip(span.start_col).chain(rest).collect();
    if message.contains(expression.trim()) { message.to_owned() } else { format!("{message}: `{}`", expression.trim()) }
}

/// `chart(of=...)`: draws a chart of the view.
struct DrawChart;

#[derive(Deserialize)]
struct DrawArguments {
    of: Chart,
}

impl tera::Function<tera::TeraResult<String>> for DrawChart {
    fn call(&self, arguments: Kwargs, _: &State) -> tera::TeraResult<String> {
        Ok(arguments.deserialize::<DrawArguments>()?.of.svg())
    }
    /// The chart escapes its texts itself.
    fn is_safe(&self) -> bool {
        true
    }
}
