//! What ends a case before its last line: a broken claim, a refusal, trouble on the way.
//!
//! The main type is [`Finding`], the error type of every case, `expect` function and fixture helper.

use std::panic::Location;

use crate::model::{Deviation, FailureClass};

/// What a case, an `expect` function or a fixture helper returns: `?` ends the case with the finding.
pub type Checked<T = ()> = Result<T, Finding>;

/// Why a case ended before its last line. Vendor misbehaviour is data, so nothing here is a Rust error.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The vendor broke the rule.
    Broken(FailureClass, Deviation),
    /// The vendor does another documented thing; the text says which.
    Variant(String),
    /// A clean refusal; the text says by what.
    Unsupported(String),
    /// The harness could not decide: set-up, network.
    Unresolved(String),
    /// It must not or cannot run here, and nothing was sent.
    Untested(String),
    /// The vendor was not well at that moment: worth one repetition.
    Trouble(Trouble, Deviation),
}

/// What a repetition on a fresh connection may cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// 503 or 429.
    Throttled,
    /// 500, 502, 504 or another 5xx that is not 501.
    ServerError,
    /// The connection was reset or closed before the answer was complete.
    Reset,
    /// No answer within the client's own limit for one request.
    NoAnswer,
    /// A place to work in could not be made, because there was no complete answer.
    Unreachable,
}

impl Finding {
    /// The same broken claim with another failure class; every other finding stays as it is.
    pub fn with_class(self, class: FailureClass) -> Self {
        match self {
            Finding::Broken(_, deviation) => Finding::Broken(class, deviation),
            other => other,
        }
    }
    /// The same finding when it comes from a preparation and not from the rule: a broken claim there decides nothing.
    pub fn in_set_up(self, step: &str) -> Self {
        match self {
            Finding::Broken(_, deviation) => {
                Finding::Unresolved(format!("set-up: {step}: {}: expected {}, got {}", deviation.claim, deviation.expected, deviation.observed))
            }
            other => other,
        }
    }
}

/// Changes the class of a broken claim where an `expect` function's default does not fit.
pub trait WithClass {
    /// A broken claim becomes one of this class.
    #[must_use]
    fn class(self, class: FailureClass) -> Self;
}

impl<T> WithClass for Checked<T> {
    fn class(self, class: FailureClass) -> Self {
        self.map_err(|finding| finding.with_class(class))
    }
}

/// `suites/file.rs:line` of a claim.
pub(super) fn place(location: &Location<'_>) -> String {
    let file = location.file().rfind("suites/").map_or(location.file(), |start| &location.file()[start..]);
    format!("{file}:{}", location.line())
}

pub(super) fn deviation(location: &Location<'_>, claim: &str, expected: String, observed: String) -> Deviation {
    Deviation { claim: claim.to_owned(), expected, observed, location: place(location) }
}
