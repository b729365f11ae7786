//! Verdicts and what goes with them.

use serde::{Deserialize, Serialize};

/// What a case found out. Never a bool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The rule holds.
    Pass,
    /// The vendor breaks the rule; a [`FailureClass`] says how.
    Fail,
    /// The sources disagree and the vendor does one of the documented things; recorded, not failed.
    Variant,
    /// A clean refusal (501, or a 400 that says so), or the vendor does not claim the feature.
    Unsupported,
    /// The harness could not decide: set-up, network, throttling. Never counted against the vendor.
    Unresolved,
    /// Not run: no permission, no second credential, no hook; the reason is recorded.
    Untested,
}

/// How a vendor broke a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The right outcome with the wrong status, error code, header or body of an error.
    WrongCode,
    /// The operation did something else than it must.
    WrongEffect,
    /// Accepted and answered with success, but not enforced.
    UnsafeIgnore,
    /// Data came back different from what was stored, or data was lost.
    Corrupt,
    /// The server died or answered 500 or a reset, twice.
    Crash,
    /// No answer within the case's deadline.
    Timeout,
}

/// How much depends on a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Ordinary clients break or data is at risk.
    Core,
    /// A widely used client or infrastructure tool needs it.
    Common,
    /// One product family needs it.
    Extended,
    /// Legacy or vendor-only.
    Rare,
}

/// What a case or scenario does beyond its own prefix and buckets. Everything but `none` needs the vendor file's permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// Only the run's own buckets and keys.
    #[default]
    None,
    /// Changes bucket or account settings.
    Account,
    /// Makes something readable by others.
    Public,
    /// Cannot be undone at once: locks, expiry.
    Irreversible,
    /// Loads the service beyond what it normally serves.
    Overload,
    /// Harms the server through hooks: kill, pause, fill a disk.
    Destructive,
}

/// A broken claim: what was expected, what was seen, and where the claim stands in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// What was looked at, e.g. `status` or `body`.
    pub claim: String,
    /// What the rule expects.
    pub expected: String,
    /// What the vendor did.
    pub observed: String,
    /// `file:line` of the claim.
    pub location: String,
}

/// One of the five parts of a scorecard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Conformance to the S3 API.
    Compatibility,
    /// What survives faults, and what readers see.
    Durability,
    /// Throughput and latency.
    Performance,
    /// Money per TB and month.
    Cost,
    /// Work to run it.
    Operability,
}

impl Category {
    /// All categories in the order of the scorecard.
    pub const ALL: [Category; 5] = [Category::Compatibility, Category::Durability, Category::Performance, Category::Cost, Category::Operability];
}

macro_rules! names {
    ($type:ident { $($variant:ident => $name:literal),+ $(,)? }) => {
        impl $type {
            /// The word used in TOML, CSV and the report.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
names!(Verdict { Pass => "pass", Fail => "fail", Variant => "variant", Unsupported => "unsupported", Unresolved => "unresolved", Untested => "untested" });
names!(FailureClass {
    WrongCode => "wrong_code", WrongEffect => "wrong_effect", UnsafeIgnore => "unsafe_ignore", Corrupt => "corrupt", Crash => "crash", Timeout => "timeout",
});
names!(Level { Core => "core", Common => "common", Extended => "extended", Rare => "rare" });
names!(Impact {
    None => "none", Account => "account", Public => "public", Irreversible => "irreversible", Overload => "overload", Destructive => "destructive",
});
names!(Category {
    Compatibility => "compatibility", Durability => "durability", Performance => "performance", Cost => "cost", Operability => "operability",
});
