//! One run: inputs -> plan (pure) -> probe -> measure -> clean-up, appended to the run directory as it goes.
//!
//! The main entry points are [`plan()`] and [`Evaluation::execute`]. A vendor that cannot be evaluated is abandoned with one sentence and
//! the run goes on with the others; only a run directory that cannot be written ends it.

mod error;
mod events;
mod execute;
mod host;
mod identity;
mod inputs;
mod measure;
pub mod mutants;
mod plan;
mod probe;
mod resume;
mod setting;
mod stage;
mod stop;
mod tariff;

pub use error::RunError;
pub use events::{Event, Tell};
pub use execute::{Evaluation, Executed};
pub use host::facts;
pub use identity::{draw_seed, new_run_id, prefix};
pub use inputs::{Inputs, NamedVendor};
pub use plan::{Task, TaskCell, plan, selected, tasks};
pub use resume::{Done, resume, same_plan};
pub use setting::setting_of;
pub use stage::{Shared, Stage, access, check_access, data_directory};
pub use stop::Stop;
