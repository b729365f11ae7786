//! Suite `copy_condition`: copies that depend on the state of their source.

use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, expect};
use proofmark::wire::RawRequest;

/// What a condition compares with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value {
    /// The source's ETag.
    Same,
    /// An ETag that no object has.
    Other,
    /// A date before the source was written.
    Older,
    /// The source's own date.
    Own,
}

/// Name in ids, conditions (what follows `x-amz-copy-source-if-`), whether the copy is made.
pub(super) type Condition = (&'static str, &'static [(&'static str, Value)], bool);

/// Each condition with both of its outcomes, and the two pairs whose date is not looked at.
pub(super) const CONDITIONS: [Condition; 10] = [
    ("if_match_equal", &[("match", Value::Same)], true),
    ("if_match_other", &[("match", Value::Other)], false),
    ("if_none_match_other", &[("none-match", Value::Other)], true),
    ("if_none_match_equal", &[("none-match", Value::Same)], false),
    ("if_modified_since_older", &[("modified-since", Value::Older)], true),
    ("if_modified_since_own_date", &[("modified-since", Value::Own)], false),
    ("if_unmodified_since_own_date", &[("unmodified-since", Value::Own)], true),
    ("if_unmodified_since_older", &[("unmodified-since", Value::Older)], false),
    ("if_match_before_unmodified_since", &[("match", Value::Same), ("unmodified-since", Value::Older)], true),
    ("if_none_match_before_modified_since", &[("none-match", Value::Same), ("modified-since", Value::Older)], false),
];

/// What the rule of a condition says.
pub(super) fn rule(what: &str, condition: &Condition) -> String {
    let words: Vec<String> = condition.1.iter().map(|(name, value)| format!("if-{name} {}", describe(*value))).collect();
    let outcome = if condition.2 { "is made" } else { "answers 412 PreconditionFailed" };
    format!("{what} with copy-source-{} {outcome}.", words.join(" and "))
}

fn describe(value: Value) -> &'static str {
    match value {
        Value::Same => "of the source's ETag",
        Value::Other => "of another ETag",
        Value::Older => "of an older date",
        Value::Own => "of the source's own date",
    }
}

/// Adds the source `from` and the conditions to a copy.
pub(super) async fn conditional(fx: &Fixture, copy: RawRequest, condition: &Condition) -> Checked<RawRequest> {
    let head = fx.set_up("HeadObject", fx.raw_object("HeadObject", "HEAD", "from", "").send().await)?;
    let shown = |name: &str| head.header(name).unwrap_or_default().to_owned();
    let text = |value| match value {
        Value::Same => shown("etag"),
        Value::Other => "\"00000000000000000000000000000000\"".to_owned(),
        Value::Older => "Sat, 01 Jan 2022 00:00:00 GMT".to_owned(),
        Value::Own => shown("last-modified"),
    };
    let copy = copy.header("x-amz-copy-source", fx.source("from"));
    Ok(condition.1.iter().fold(copy, |copy, (name, value)| copy.header(&format!("x-amz-copy-source-if-{name}"), text(*value))))
}

/// Claims the outcome; returns whether the copy was made. A 304 where 412 is due is documented by some: a variant.
pub(super) fn outcome<A: Answer>(answer: A, is_made: bool) -> Checked<bool> {
    if is_made {
        return expect::ok(answer).map(|_| true);
    }
    match answer.settle() {
        Err(Refusal::Answered { status: 304, .. }) => expect::variant("304 instead of 412")?,
        settled => expect::refused(settled, 412, "PreconditionFailed")?,
    }
    Ok(false)
}

/// The suite.
pub fn suite() -> Suite {
    let mut suite = Suite::new("copy_condition").source("S3 API reference, CopyObject: x-amz-copy-source-if headers");
    for condition in &CONDITIONS {
        let id = format!("copy_object/{}", condition.0);
        suite = suite.extended(&id, &["CPY-14"], &rule("A copy", condition), move |fx| async move {
            fx.put("from", b"data").await?;
            let copy = conditional(&fx, fx.raw_object("CopyObject", "PUT", "to", ""), condition).await?;
            if outcome(copy.send().await, condition.2)? { fx.holds("to", b"data").await } else { fx.absent("to").await }
        });
    }
    suite.dependents(&["S3A"])
}
