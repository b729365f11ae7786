//! One run: inputs -> plan (pure) -> probe -> measure -> clean-up, appended to the run directory as it goes.
//!
//! A vendor that cannot be evaluated is abandoned with one sentence and the run
//! goes on with the others; only a run directory that cannot be written ends it.

mod error;
mod host;
mod identity;
mod inputs;
mod setting;
mod stop;

pub use error::RunError;
pub use host::facts;
pub use identity::{draw_seed, new_run_id, prefix};
pub use inputs::{Inputs, NamedVendor};
pub use setting::setting_of;
pub use stop::Stop;
