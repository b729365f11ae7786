//! From what the attempts at a case found to its verdict. Pure.
//!
//! The engine decides what no claim may decide: trouble that repeats (500 or a reset: crash; throttling: unresolved), a
//! deadline, a panic, an operation that was declared but never sent.

use super::finding::{Finding, Trouble};
use crate::model::{Deviation, FailureClass, Verdict};

/// How one attempt at a case ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Attempt {
    /// Every claim held.
    Passed,
    /// It ended with a finding.
    Found(Finding),
    /// The deadline came; the operation that was waiting for the server's answer then, if one was.
    Late(Option<String>),
    /// It waited this long for an operation that hangs in other cases, too.
    Hopeless(String, std::time::Duration),
    /// The case itself panicked.
    Panicked,
}

impl Attempt {
    /// Whether a repetition on a fresh prefix and connection may cure it. Once, and both attempts are counted.
    pub(super) fn is_repeatable(&self) -> bool {
        matches!(self, Attempt::Found(Finding::Trouble(Trouble::Throttled | Trouble::ServerError | Trouble::Reset, _)))
    }
}

/// The verdict and what goes with it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judged {
    pub(super) verdict: Verdict,
    pub(super) class: Option<FailureClass>,
    pub(super) deviation: Option<Deviation>,
    pub(super) reason: Option<String>,
}

impl Judged {
    pub(super) fn because(verdict: Verdict, reason: impl Into<String>) -> Self {
        Self { verdict, class: None, deviation: None, reason: Some(reason.into()) }
    }
    fn fail(class: FailureClass, deviation: Deviation) -> Self {
        Self { verdict: Verdict::Fail, class: Some(class), deviation: Some(deviation), reason: None }
    }
}

/// The verdict of the last attempt. `declared` is whether the operation that the case's id names was seen on the wire.
pub(super) fn judge(last: Attempt, declared: bool, limit: std::time::Duration, place: &str) -> Judged {
    let finding = match last {
        Attempt::Passed => {
            return if declared { Judged { verdict: Verdict::Pass, class: None, deviation: None, reason: None } } else { never_sent() };
        }
        Attempt::Panicked => return Judged::because(Verdict::Unresolved, "harness: the case panicked"),
        Attempt::Late(waiting) => return late(waiting, limit, place),
        Attempt::Hopeless(operation, waited) => {
            return hung(&operation, format!("an answer within {waited:?}, since it never came in other cases"), place);
        }
        Attempt::Found(finding) => finding,
    };
    match finding {
        Finding::Unsupported(reason) => Judged::because(Verdict::Unsupported, reason),
        Finding::Unresolved(reason) => Judged::because(Verdict::Unresolved, reason),
        Finding::Untested(reason) => Judged::because(Verdict::Untested, reason),
        Finding::Broken(..) | Finding::Variant(_) if !declared => never_sent(),
        Finding::Broken(class, deviation) => Judged::fail(class, deviation),
        Finding::Variant(which) => Judged::because(Verdict::Variant, which),
        Finding::Trouble(Trouble::NoAnswer, deviation) => Judged::fail(FailureClass::Timeout, deviation),
        Finding::Trouble(Trouble::Unreachable, deviation) => Judged::because(Verdict::Unresolved, format!("set-up: {}", deviation.observed)),
        Finding::Trouble(Trouble::Throttled, deviation) => Judged::because(Verdict::Unresolved, format!("throttled twice: {}", deviation.observed)),
        Finding::Trouble(Trouble::ServerError | Trouble::Reset, deviation) => Judged::fail(FailureClass::Crash, deviation),
    }
}

fn never_sent() -> Judged {
    Judged::because(Verdict::Unresolved, "harness: declared operation never sent")
}

fn hung(operation: &str, expected: String, place: &str) -> Judged {
    let claim = format!("answer to {operation}");
    Judged::fail(FailureClass::Timeout, Deviation { claim, expected, observed: "none".to_owned(), location: place.to_owned() })
}

/// The verdict on a case whose request brought the server down.
pub(super) fn crashed(request: &str, place: &str) -> Judged {
    let observed = format!("{request} brought the server down");
    let (claim, expected) = ("server".to_owned(), "it stays up".to_owned());
    Judged::fail(FailureClass::Crash, Deviation { claim, expected, observed, location: place.to_owned() })
}

fn late(waiting: Option<String>, limit: std::time::Duration, place: &str) -> Judged {
    let seconds = limit.as_secs_f64();
    match waiting {
        Some(operation) => hung(&operation, format!("an answer within the case's {seconds} s"), place),
        None => Judged::because(Verdict::Unresolved, format!("harness: not finished within {seconds} s, although no request was left hanging")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn deviation(observed: &str) -> Deviation {
        Deviation { claim: "answer".to_owned(), expected: "success".to_owned(), observed: observed.to_owned(), location: "suites/x.rs:1".to_owned() }
    }
    fn verdict(attempt: Attempt) -> (Verdict, Option<FailureClass>) {
        let judged = judge(attempt, true, Duration::from_secs(30), "suites/x.rs:1");
        (judged.verdict, judged.class)
    }

    #[test]
    fn a_broken_claim_fails_with_its_class() {
        for class in [FailureClass::WrongCode, FailureClass::WrongEffect, FailureClass::UnsafeIgnore, FailureClass::Corrupt] {
            assert_eq!(verdict(Attempt::Found(Finding::Broken(class, deviation("404")))), (Verdict::Fail, Some(class)));
        }
    }

    #[test]
    fn trouble_that_repeats_is_a_crash_unless_it_is_throttling() {
        for (trouble, expected) in [
            (Trouble::Throttled, (Verdict::Unresolved, None)),
            (Trouble::ServerError, (Verdict::Fail, Some(FailureClass::Crash))),
            (Trouble::Reset, (Verdict::Fail, Some(FailureClass::Crash))),
            (Trouble::NoAnswer, (Verdict::Fail, Some(FailureClass::Timeout))),
        ] {
            assert_eq!(verdict(Attempt::Found(Finding::Trouble(trouble, deviation("503")))), expected, "{trouble:?}");
        }
    }

    #[test]
    fn only_throttling_500_and_resets_are_repeated() {
        let found = |trouble| Attempt::Found(Finding::Trouble(trouble, deviation("x")));
        for trouble in [Trouble::Throttled, Trouble::ServerError, Trouble::Reset] {
            assert!(found(trouble).is_repeatable(), "{trouble:?}");
        }
        assert!(!found(Trouble::NoAnswer).is_repeatable());
        assert!(!Attempt::Passed.is_repeatable());
        assert!(!Attempt::Found(Finding::Broken(FailureClass::Corrupt, deviation("x"))).is_repeatable());
    }

    #[test]
    fn a_deadline_counts_against_the_vendor_only_while_it_owes_an_answer() {
        assert_eq!(verdict(Attempt::Late(Some("PutObject".to_owned()))), (Verdict::Fail, Some(FailureClass::Timeout)));
        assert_eq!(verdict(Attempt::Late(None)), (Verdict::Unresolved, None));
    }

    #[test]
    fn a_case_that_never_sent_its_operation_proves_nothing() {
        let claims =
            [Attempt::Passed, Attempt::Found(Finding::Broken(FailureClass::Corrupt, deviation("x"))), Attempt::Found(Finding::Variant("x".into()))];
        for attempt in claims {
            let judged = judge(attempt, false, Duration::from_secs(30), "suites/x.rs:1");
            assert_eq!((judged.verdict, judged.reason.as_deref()), (Verdict::Unresolved, Some("harness: declared operation never sent")));
        }
    }

    #[test]
    fn panics_refusals_variants_and_missing_preconditions_have_their_own_verdicts() {
        assert_eq!(verdict(Attempt::Panicked), (Verdict::Unresolved, None));
        assert_eq!(verdict(Attempt::Passed), (Verdict::Pass, None));
        for (finding, expected) in [
            (Finding::Unsupported("501".to_owned()), Verdict::Unsupported),
            (Finding::Unresolved("refused".to_owned()), Verdict::Unresolved),
            (Finding::Untested("no second credential".to_owned()), Verdict::Untested),
            (Finding::Variant("409".to_owned()), Verdict::Variant),
        ] {
            assert_eq!(verdict(Attempt::Found(finding)), (expected, None));
        }
    }

    #[test]
    fn what_fails_in_the_set_up_decides_nothing() {
        let broken = Finding::Broken(FailureClass::WrongEffect, deviation("403 AccessDenied"));
        let attempt = Attempt::Found(broken.in_set_up("PutObject a"));
        let judged = judge(attempt, true, Duration::from_secs(30), "suites/x.rs:1");
        assert_eq!(judged.verdict, Verdict::Unresolved);
        assert_eq!(judged.reason.as_deref(), Some("set-up: PutObject a: answer: expected success, got 403 AccessDenied"));
    }
}
