//! What a run tells while it goes on, for whoever shows it.

use crate::load::Glance;
use crate::model::{VendorId, VendorState};

/// One thing that happened. The engine tells; how it is shown is up to the command line.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A phase of a vendor begins, or of several that take turns; it has this many steps.
    Phase {
        /// Whose it is.
        vendors: Vec<VendorId>,
        /// `prepare`, `probe`, `conformance`, `throughput`, `failure`, `clean-up`.
        name: &'static str,
        /// How many steps it has.
        steps: u64,
    },
    /// A step of the current phase ended.
    Step {
        /// What it was: a case or a cell; where vendors take turns, the vendor stands before it.
        what: String,
    },
    /// How the load that is under way goes, twice a second.
    Load(Glance),
    /// The current phase ended.
    PhaseEnd,
    /// Something that the user should know, in a sentence.
    Note {
        /// The vendor.
        vendor: VendorId,
        /// The sentence.
        text: String,
    },
    /// A vendor's evaluation ended.
    VendorEnd {
        /// The vendor.
        vendor: VendorId,
        /// How.
        state: VendorState,
    },
}

/// Who is told.
pub type Tell<'a> = &'a (dyn Fn(Event) + Sync);
