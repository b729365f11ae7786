//! The command line: arguments -> the engine -> text and an exit code.
//!
//! The main entry point is [`main`]. Each command is a module with one function that returns the exit code.

mod args;
mod args_load;
mod calibrate;
mod calibrate_vendor;
mod check;
mod clean;
mod compare;
mod conclusion;
mod conformance;
mod cost;
mod dry_run;
mod explain;
mod failure;
mod lab;
mod list;
mod load;
mod mutants;
mod output;
mod presign;
mod progress;
mod proxy;
mod report;
mod run;
mod serve;
mod signals;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;

use clap::Parser;

use crate::case::Suite;
use crate::config::Root;
use args::{Arguments, Command};
use failure::Failure;

/// What every command gets: the suites that the binary mounts and where the project's folders are.
struct Context {
    suites: Vec<Suite>,
    root: Option<std::path::PathBuf>,
}

impl Context {
    fn root(&self) -> Result<Root, Failure> {
        match &self.root {
            Some(path) => Ok(Root::find(path)?),
            None => Ok(Root::find(&std::env::current_dir().map_err(|error| Failure::usage(format!("the working directory: {error}")))?)?),
        }
    }
    /// What waivers, requirements and profiles may name.
    fn case_and_suite_names(&self) -> BTreeSet<String> {
        let infos = || self.suites.iter().flat_map(|suite| suite.cases()).map(|case| &case.info);
        let rows = infos().flat_map(|info| info.rows.iter().cloned());
        self.suites.iter().map(|suite| suite.name().to_owned()).chain(infos().map(|info| info.id.0.clone())).chain(rows).collect()
    }
}

/// The runtime that a command's requests run on.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Failure::internal(format!("the runtime cannot be started: {error}")))
}

/// Runs the command line of this process.
pub fn main(suites: Vec<Suite>) -> ExitCode {
    let arguments = Arguments::parse();
    // FAILPOINTS is read only behind the hidden flag: a stray variable must not break somebody's evaluation.
    let _fault_points = arguments.fault_points.then(fail::FailScenario::setup);
    let context = Context { suites, root: arguments.root };
    std::panic::set_hook(Box::new(|panic| output::complain(&format!("internal error: {panic}"))));
    let ended = std::panic::catch_unwind(AssertUnwindSafe(|| dispatch(&context, arguments.command)));
    let ended = ended.unwrap_or_else(|_| Err(Failure::internal("this is a bug of proofmark: please report it with the line above")));
    ended.unwrap_or_else(|failure| {
        output::complain(&failure);
        ExitCode::from(failure.code())
    })
}

fn dispatch(context: &Context, command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Check(args) => check::main(context, &args),
        Command::List(args) => list::main(context, &args),
        Command::Run(args) => run::main(context, &args),
        Command::ServeEmbedded(args) => serve::main(&args),
        Command::Conformance(args) => conformance::main(context, &args),
        Command::Load(args) => load::main(context, &args),
        Command::Calibrate(args) => calibrate::main(context, &args),
        Command::ServeNull(args) => calibrate::serve(&args),
        Command::Lab(args) => lab::main(context, &args),
        Command::Report(args) => report::main(context, &args),
        Command::Compare(args) => compare::main(context, &args),
        Command::Cost(args) => cost::main(context, &args),
        Command::Clean(args) => clean::main(context, &args),
        Command::Explain(args) => explain::main(&args),
        Command::Presign(args) => presign::main(context, &args),
        Command::Mutants(args) => mutants::main(context, &args),
        Command::Proxy(args) => proxy::main(context, &args),
    }
}
