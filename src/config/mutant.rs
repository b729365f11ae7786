//! Mutants: named, single changes of a server's behaviour that the conformance suites must notice, one TOML entry each.
//!
//! The main types are [`Mutant`] and [`Change`]; [`load_mutants`] reads `suites/mutants.toml`. What a change does to a request or an
//! answer is said here; the fault proxy does it. A request that was signed right is signed anew by the same account after a change; what
//! was wrong stays wrong, unless the change is to forgive it.

mod change;

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::file::{error_at, parse};
use super::{ConfigError, Root};
use crate::model::CaseId;
pub use change::{Change, Flaw, Spelling, Which};

/// One change of a server's behaviour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mutant {
    /// Lower case words with hyphens; `id/Operation` for one of a family.
    pub id: String,
    /// What the changed server does, in one sentence.
    pub title: String,
    /// Areas of the catalogue that should notice, e.g. `CWR`.
    pub areas: Vec<String>,
    /// Operations in camel case that it touches.
    pub operations: Vec<String>,
    /// Features that a vendor must claim for this to change anything there.
    #[serde(default)]
    pub features: Vec<String>,
    /// Cases that must notice it. Where none of them passes without the mutant, the vendor behaves so by itself, and the mutant is no change.
    #[serde(default)]
    pub noticed_by: Vec<CaseId>,
    /// Which requests and answers it touches; all of its operations' by default.
    #[serde(default)]
    pub when: When,
    /// What is done, in this order.
    pub changes: Vec<Change>,
}

impl Mutant {
    /// Whether it is one of a family: of one operation.
    pub fn is_of_family(&self) -> bool {
        self.id.contains('/')
    }
}

/// The file: single mutants, and families that stand for one mutant per operation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MutantFile {
    #[serde(default, rename = "mutant")]
    mutants: Vec<Mutant>,
    #[serde(default, rename = "family")]
    families: Vec<Mutant>,
}

/// Which exchanges a mutant touches. All conditions must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct When {
    /// Request headers that are there: `name`, a prefix that ends in `*`, or `name: part of the value`.
    #[serde(default)]
    pub header: Vec<String>,
    /// Request headers that are not there.
    #[serde(default)]
    pub no_header: Vec<String>,
    /// Parts of the query that are there: `name` or `name=value`.
    #[serde(default)]
    pub query: Vec<String>,
    /// Parts of the query that are not there.
    #[serde(default)]
    pub no_query: Vec<String>,
    /// A part of the request body's text; only changes of the request look at it.
    #[serde(default)]
    pub body: Option<String>,
    /// How the request is signed.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Status of the server's answer: `404`, `2xx`, `4xx`. Changes of the request are done whatever the answer, but only a case that met
    /// this answer can notice.
    #[serde(default)]
    pub status: Option<String>,
    /// S3 error code of the answer.
    #[serde(default)]
    pub code: Option<String>,
    /// A part of the answer's text.
    #[serde(default)]
    pub answer: Option<String>,
    /// Response headers that are there, as in `header`.
    #[serde(default)]
    pub response_header: Vec<String>,
}

/// How a request is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// In the `Authorization` header.
    Header,
    /// In the query.
    Presigned,
    /// Not at all.
    Anonymous,
}

/// Headers by name and value, as text.
pub type TextHeaders = [(String, String)];

fn has_header(headers: &TextHeaders, wanted: &str) -> bool {
    let (name, part) = wanted.split_once(": ").map_or((wanted, None), |(name, part)| (name, Some(part)));
    let is_named = |present: &str| match name.strip_suffix('*') {
        Some(prefix) => present.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix)),
        None => present.eq_ignore_ascii_case(name),
    };
    headers.iter().any(|(present, value)| is_named(present) && part.is_none_or(|part| value.to_lowercase().contains(&part.to_lowercase())))
}

fn has_query(target: &str, wanted: &str) -> bool {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|part| if wanted.contains('=') { part == wanted } else { part.split('=').next() == Some(wanted) })
}

impl When {
    /// Whether a request is one of these, its body left aside.
    pub fn asks(&self, target: &str, headers: &TextHeaders) -> bool {
        let signed = match (has_header(headers, "authorization"), has_query(target, "X-Amz-Signature")) {
            (true, _) => Auth::Header,
            (false, true) => Auth::Presigned,
            (false, false) => Auth::Anonymous,
        };
        self.auth.is_none_or(|auth| auth == signed)
            && self.header.iter().all(|name| has_header(headers, name))
            && !self.no_header.iter().any(|name| has_header(headers, name))
            && self.query.iter().all(|name| has_query(target, name))
            && !self.no_query.iter().any(|name| has_query(target, name))
    }
    /// Whether the head of an answer is one of these.
    pub fn is_answered(&self, status: u16, headers: &TextHeaders) -> bool {
        let fits = |wanted: &String| wanted.strip_suffix("xx").map_or(status.to_string() == *wanted, |class| (status / 100).to_string() == class);
        self.status.as_ref().is_none_or(fits) && self.response_header.iter().all(|name| has_header(headers, name))
    }
    /// Whether the text of an answer is one of these.
    pub fn is_told(&self, text: &str) -> bool {
        self.code.as_ref().is_none_or(|code| text.contains(&format!("<Code>{code}</Code>")))
            && self.answer.as_ref().is_none_or(|part| text.contains(part.as_str()))
    }
}

/// Reads `suites/mutants.toml`; families are spread to one mutant per operation.
///
/// # Errors
/// When the file is not valid, or an id stands there twice.
pub fn load_mutants(root: &Root) -> Result<Vec<Mutant>, ConfigError> {
    read_mutants(&root.suites().join("mutants.toml"))
}

pub(super) fn read_mutants(path: &Path) -> Result<Vec<Mutant>, ConfigError> {
    let MutantFile { mut mutants, families } = parse(path)?;
    for family in families {
        mutants.extend(family.operations.iter().map(|operation| Mutant {
            id: format!("{}/{operation}", family.id),
            title: family.title.replace("{operation}", operation),
            operations: vec![operation.clone()],
            ..family.clone()
        }));
    }
    let mut ids = BTreeSet::new();
    for mutant in &mutants {
        let needle = format!("\"{}\"", mutant.id.split('/').next().unwrap_or_default());
        let wrong = |field: &str, message: String| Err(error_at(path, &format!("mutant.{field}"), &needle, message));
        let is_word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !is_word(mutant.id.split('/').next().unwrap_or_default()) {
            return wrong("id", format!("{:?}: expected lower case words with hyphens", mutant.id));
        }
        if !ids.insert(&mutant.id) {
            return wrong("id", format!("{:?} stands there twice: each mutant has an id of its own", mutant.id));
        }
        if !mutant.title.ends_with('.') {
            return wrong("title", format!("{:?}: expected a sentence that ends in a full stop", mutant.title));
        }
        if let Some(area) = mutant.areas.iter().find(|area| area.len() != 3 || !area.chars().all(|c| c.is_ascii_uppercase())) {
            return wrong("areas", format!("{area:?}: expected an area of the catalogue, e.g. \"CWR\""));
        }
        if mutant.areas.is_empty() || mutant.operations.is_empty() || mutant.changes.is_empty() {
            return wrong("changes", format!("{}: areas, operations and changes must not be empty", mutant.id));
        }
    }
    Ok(mutants)
}

#[cfg(test)]
mod tests;
