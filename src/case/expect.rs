//! Claims: plain functions that let a case go on or end it with a finding that carries `suites/file.rs:line`.
//!
//! Defaults of the failure class: another status or error code is `wrong_code`; a refusal where success is due, a missing
//! effect or another value is `wrong_effect`; other bytes are `corrupt`; success where [`refused`] demands an error is
//! `unsafe_ignore`. Where a default does not fit, `.class(..)` of [`super::WithClass`] says so at the claim.
//! A 501 is always a clean refusal (unsupported), a 5xx or a reset is trouble that the engine repeats; no case decides that.

use std::fmt::Debug;
use std::panic::Location;

use super::answer::{Answer, Refusal};
use super::finding::{Checked, Finding, Trouble, deviation};
use crate::model::FailureClass;

/// Error codes of a 4xx that say "this server does not do that", whichever operation it was.
const NOT_SUPPORTED: [&str; 5] = ["NotImplemented", "XNotImplemented", "UnsupportedOperation", "NotSupported", "VersioningNotConfigured"];

type Place = &'static Location<'static>;

fn broken<T>(place: Place, class: FailureClass, claim: &str, expected: String, observed: String) -> Checked<T> {
    Err(Finding::Broken(class, deviation(place, claim, expected, observed)))
}

/// A finding for what no claim may decide: trouble, clean refusals, requests that never left.
fn undecided(place: Place, refusal: &Refusal, expected: &str) -> Option<Finding> {
    let trouble = |kind| Some(Finding::Trouble(kind, deviation(place, "answer", expected.to_owned(), refusal.describe())));
    match refusal {
        Refusal::NotSent(detail) => Some(Finding::Unresolved(detail.clone())),
        Refusal::Broken(kind, _) => trouble(*kind),
        Refusal::Answered { status: 501, .. } => Some(Finding::Unsupported(refusal.describe())),
        Refusal::Answered { status: 503 | 429, .. } => trouble(Trouble::Throttled),
        Refusal::Answered { status: 500.., .. } => trouble(Trouble::ServerError),
        // A long operation may have sent its 200 before it failed.
        Refusal::Answered { status: 200, code } if code == "SlowDown" => trouble(Trouble::Throttled),
        Refusal::Answered { status: 200, code } if code == "InternalError" => trouble(Trouble::ServerError),
        Refusal::Answered { code, .. } if NOT_SUPPORTED.contains(&code.as_str()) => Some(Finding::Unsupported(refusal.describe())),
        Refusal::Answered { .. } | Refusal::Unreadable { .. } => None,
    }
}

/// The operation succeeds; returns what it answered.
///
/// # Errors
/// A refusal is `wrong_effect`, an answer that cannot be read `wrong_code`.
#[track_caller]
pub fn ok<A: Answer>(answer: A) -> Checked<A::Value> {
    ok_at(Location::caller(), answer)
}

pub(super) fn ok_at<A: Answer>(place: Place, answer: A) -> Checked<A::Value> {
    answer.settle().or_else(|refusal| match undecided(place, &refusal, "success") {
        Some(finding) => Err(finding),
        None => {
            let class = if matches!(refusal, Refusal::Unreadable { .. }) { FailureClass::WrongCode } else { FailureClass::WrongEffect };
            broken(place, class, "answer", "success".to_owned(), refusal.describe())
        }
    })
}

/// The operation fails with this status and S3 error code.
///
/// # Errors
/// Success is `wrong_effect`, another error `wrong_code`.
#[track_caller]
pub fn error<A: Answer>(answer: A, status: u16, code: &str) -> Checked {
    one_of_at(Location::caller(), answer, &[(status, code)], FailureClass::WrongEffect)
}

/// Like [`error`], for a protection: success means that it was accepted and not enforced (`unsafe_ignore`).
///
/// # Errors
/// Success is `unsafe_ignore`, another error `wrong_code`.
#[track_caller]
pub fn refused<A: Answer>(answer: A, status: u16, code: &str) -> Checked {
    one_of_at(Location::caller(), answer, &[(status, code)], FailureClass::UnsafeIgnore)
}

/// The operation fails with this status; the answer has no body to carry a code (HEAD).
///
/// # Errors
/// Success is `wrong_effect`, another status `wrong_code`.
#[track_caller]
pub fn status<A: Answer>(answer: A, status: u16) -> Checked {
    one_of_at(Location::caller(), answer, &[(status, "")], FailureClass::WrongEffect)
}

/// A protection that the catalogue lets vendors express in several ways, all of them equally right.
///
/// # Errors
/// Success is `unsafe_ignore`, an error that is not listed `wrong_code`.
#[track_caller]
pub fn refused_as<A: Answer>(answer: A, accepted: &[(u16, &str)]) -> Checked {
    one_of_at(Location::caller(), answer, accepted, FailureClass::UnsafeIgnore)
}

/// The operation fails in one of several documented ways, all of them equally right.
///
/// # Errors
/// Success is `wrong_effect`, an error that is not listed `wrong_code`.
#[track_caller]
pub fn error_as<A: Answer>(answer: A, accepted: &[(u16, &str)]) -> Checked {
    one_of_at(Location::caller(), answer, accepted, FailureClass::WrongEffect)
}

/// Where sources disagree on how the operation fails: the first way is right, each of the `others` is a recorded variant.
///
/// # Errors
/// One of the others is a variant, success `wrong_effect`, any other error `wrong_code`.
#[track_caller]
pub fn error_or<A: Answer>(answer: A, first: (u16, &str), others: &[(u16, &str)]) -> Checked {
    one_or_variant(Location::caller(), answer, first, others, FailureClass::WrongEffect)
}

/// Like [`error_or`], for a protection.
///
/// # Errors
/// One of the others is a variant, success `unsafe_ignore`, any other error `wrong_code`.
#[track_caller]
pub fn refused_or<A: Answer>(answer: A, first: (u16, &str), others: &[(u16, &str)]) -> Checked {
    one_or_variant(Location::caller(), answer, first, others, FailureClass::UnsafeIgnore)
}

fn one_or_variant<A: Answer>(place: Place, answer: A, first: (u16, &str), others: &[(u16, &str)], on_success: FailureClass) -> Checked {
    let answer = answer.settle().map(drop);
    one_of_at(place, answer.clone(), &[&[first], others].concat(), on_success)?;
    match answer {
        Err(refusal) if one_of_at(place, Err::<(), _>(refusal.clone()), &[first], on_success).is_err() => variant(refusal.describe()),
        _ => Ok(()),
    }
}

fn one_of_at<A: Answer>(place: Place, answer: A, accepted: &[(u16, &str)], on_success: FailureClass) -> Checked {
    let expected = accepted.iter().map(|(status, code)| format!("{status} {code}").trim_end().to_owned()).collect::<Vec<_>>().join(" or ");
    let refusal = match answer.settle() {
        Ok(_) => return broken(place, on_success, "answer", expected, "success".to_owned()),
        Err(refusal) => refusal,
    };
    let is_accepted = |&(status, code): &(u16, &str)| matches!(&refusal, Refusal::Answered { status: s, code: c } if *s == status && (code.is_empty() || c == code));
    if accepted.iter().any(is_accepted) {
        return Ok(());
    }
    match undecided(place, &refusal, &expected) {
        Some(finding) => Err(finding),
        None => broken(place, FailureClass::WrongCode, "answer", expected, refusal.describe()),
    }
}

/// What is judged here asks for no feature (a method that nothing has, a signature for another service), or for one that the server has
/// shown to have: a 501 is another code than `expected` and no clean refusal.
///
/// # Errors
/// With the finding as it was, but `wrong_code` in place of unsupported.
#[track_caller]
pub fn no_feature<T>(judged: Checked<T>, expected: &str) -> Checked<T> {
    let place = Location::caller();
    match judged {
        Err(Finding::Unsupported(met)) => broken(place, FailureClass::WrongCode, "answer", expected.to_owned(), met),
        judged => judged,
    }
}

/// Ends the case for a refusal that a case looked at itself and does not accept.
///
/// # Errors
/// Always: trouble and clean refusals as they are, any other error is `wrong_code`.
#[track_caller]
pub fn lost<T>(refusal: &Refusal, expected: &str) -> Checked<T> {
    let place = Location::caller();
    match undecided(place, refusal, expected) {
        Some(finding) => Err(finding),
        None => broken(place, FailureClass::WrongCode, "answer", expected.to_owned(), refusal.describe()),
    }
}

/// A value is what the rule says.
///
/// # Errors
/// Another value is `wrong_effect`.
#[track_caller]
pub fn eq<A: Debug + PartialEq<B>, B: Debug>(claim: &str, observed: A, expected: B) -> Checked {
    if observed == expected {
        return Ok(());
    }
    broken(Location::caller(), FailureClass::WrongEffect, claim, short(&expected), short(&observed))
}

/// Something holds; `expected` and `observed` say it in words.
///
/// # Errors
/// Otherwise it is `wrong_effect`.
#[track_caller]
pub fn that(claim: &str, holds: bool, expected: &str, observed: impl Debug) -> Checked {
    if holds {
        return Ok(());
    }
    broken(Location::caller(), FailureClass::WrongEffect, claim, expected.to_owned(), short(&observed))
}

/// A value is there; returns it.
///
/// # Errors
/// A missing value is `wrong_effect`.
#[track_caller]
pub fn some<T>(claim: &str, value: Option<T>) -> Checked<T> {
    match value {
        Some(value) => Ok(value),
        None => broken(Location::caller(), FailureClass::WrongEffect, claim, "present".to_owned(), "absent".to_owned()),
    }
}

/// Bytes are exactly these; the deviation names the first difference.
///
/// # Errors
/// Other bytes are `corrupt`.
#[track_caller]
pub fn bytes(claim: &str, observed: &[u8], expected: &[u8]) -> Checked {
    if observed == expected {
        return Ok(());
    }
    let at = observed.iter().zip(expected).position(|(a, b)| a != b).unwrap_or_else(|| observed.len().min(expected.len()));
    other_bytes(Location::caller(), claim, observed.len(), expected.len(), at)
}

/// So many bytes instead of the expected ones, which differ at an offset.
pub(super) fn other_bytes(place: Place, claim: &str, observed: usize, expected: usize, at: usize) -> Checked {
    let observed = format!("{observed} bytes, first difference at offset {at}");
    broken(place, FailureClass::Corrupt, claim, format!("{expected} bytes"), observed)
}

/// Ends the case: the vendor does another thing that a source documents. Recorded, not failed.
///
/// # Errors
/// Always, with the variant.
pub fn variant(what: impl Into<String>) -> Checked {
    Err(Finding::Variant(what.into()))
}

/// Ends the case: the rule does not apply here.
///
/// # Errors
/// Always, with the reason.
pub fn untested(why: impl Into<String>) -> Checked {
    Err(Finding::Untested(why.into()))
}

/// Ends the case: the harness cannot decide.
///
/// # Errors
/// Always, with the reason.
pub fn unresolved<T>(why: impl Into<String>) -> Checked<T> {
    Err(Finding::Unresolved(why.into()))
}

/// Debug text as a reader of the report expects it (a missing value is "none"), cut so that a record stays readable.
fn short(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let text = match text.strip_prefix("Some(").and_then(|rest| rest.strip_suffix(')')) {
        Some(inside) => inside.to_owned(),
        None if text == "None" => "none".to_owned(),
        None => text,
    };
    match text.char_indices().nth(400) {
        Some((end, _)) => format!("{}... ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documented_other_way_is_a_variant() {
        let refused = |status, code: &str| Err::<(), _>(Refusal::Answered { status, code: code.to_owned() });
        let judged = |answer| refused_or(answer, (409, "InvalidBucketState"), &[(400, "")]);
        assert_eq!(judged(refused(409, "InvalidBucketState")), Ok(()));
        assert_eq!(judged(refused(400, "X")), Err(Finding::Variant("400 X".to_owned())));
        assert!(matches!(judged(refused(409, "Other")), Err(Finding::Broken(FailureClass::WrongCode, _))));
        assert!(matches!(judged(Ok(())), Err(Finding::Broken(FailureClass::UnsafeIgnore, _))));
    }

    #[test]
    fn a_501_is_a_wrong_code_where_no_feature_is_asked_for() {
        let refused =
            |status, code: &str| no_feature(refused(Err::<(), _>(Refusal::Answered { status, code: code.to_owned() }), 403, "AccessDenied"), "403");
        assert_eq!(refused(403, "AccessDenied"), Ok(()));
        for (status, code) in [(501, "NotImplemented"), (400, "NotImplemented"), (400, "Other")] {
            assert!(matches!(refused(status, code), Err(Finding::Broken(FailureClass::WrongCode, _))), "{status} {code}");
        }
    }

    #[test]
    fn deviations_speak_of_values_and_not_of_options() {
        let deviation = |found: Checked| match found {
            Err(Finding::Broken(_, deviation)) => (deviation.expected, deviation.observed),
            other => panic!("{other:?}"),
        };
        assert_eq!(deviation(eq("MaxKeys", Some(5000), Some(1000))), ("1000".to_owned(), "5000".to_owned()));
        assert_eq!(deviation(eq("header", None, Some("gzip"))), ("\"gzip\"".to_owned(), "none".to_owned()));
    }
}
