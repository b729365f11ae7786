//! A server that went down while cases ran.

use serde::{Deserialize, Serialize};

use super::CaseId;

/// The server went down: one line of `crashes.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crash {
    /// When it was noticed; RFC 3339, UTC.
    pub at: String,
    /// What brought it down, where a case did so again when it ran alone, or was the only one running.
    pub culprit: Option<Suspect>,
    /// What was on its way when it went down, where that is not known yet.
    pub suspects: Vec<Suspect>,
    /// How it came back.
    pub recovery: Recovery,
    /// For how long it answered nothing, in s.
    pub down_s: f64,
    /// For how long it took no writes, in s; none where it took none for as long as was waited.
    pub no_writes_s: Option<f64>,
}

/// A request that may have brought the server down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    /// The case that sent it.
    pub case: CaseId,
    /// Operation, method and target; secrets are redacted.
    pub request: String,
}

/// How a server came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// The vendor's lifecycle hook restarted it.
    Restarted,
    /// Something else did.
    CameBack,
    /// It did not; the text says what was tried.
    Never(String),
}

impl Crash {
    /// One sentence for the user.
    pub fn sentence(&self) -> String {
        let suspects: Vec<String> = self.suspects.iter().take(3).map(ToString::to_string).collect();
        let more = self.suspects.len().saturating_sub(suspects.len());
        let cause = match (&self.culprit, suspects.is_empty()) {
            (Some(culprit), _) => format!("brought down by {culprit}"),
            (None, true) => "no request was on its way".to_owned(),
            (None, false) if more > 0 => format!("on their way were {} and {more} more", suspects.join(", ")),
            (None, false) => format!("on the way: {}", suspects.join(", ")),
        };
        let writes = match self.no_writes_s {
            Some(after) => format!("took writes after {after:.1} s"),
            None => "took no writes yet when the next case began".to_owned(),
        };
        let end = match &self.recovery {
            Recovery::Restarted => format!("restarted, answered after {:.1} s, {writes}", self.down_s),
            Recovery::CameBack => format!("it came back by itself, answered after {:.1} s, {writes}", self.down_s),
            Recovery::Never(why) => format!("it did not come back: {why}"),
        };
        format!("the server went down at {}; {cause}; {end}", self.at)
    }
}

impl std::fmt::Display for Suspect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, request {}", self.case, self.request)
    }
}
