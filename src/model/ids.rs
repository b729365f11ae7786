//! Identifiers: strings that may not be mixed up.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

id!(
    /// A vendor: the stem of its file in `vendors/`.
    VendorId
);
id!(
    /// A case: `<suite>::<operation>/<behaviour>`, the operation in the SDK's snake case.
    CaseId
);
id!(
    /// A scenario: `<kind>/<file stem>`, e.g. `throughput/get-large`.
    ScenarioId
);
id!(
    /// A profile: the stem of its file in `scenarios/profiles/`.
    ProfileId
);
id!(
    /// A run: `<UTC date and time>-<4 hexadecimal digits>`, e.g. `20261121t071500z-3fa9`; also the name of its directory.
    RunId
);
id!(
    /// The client (shard) that made a record, e.g. `1/1`.
    ClientId
);
