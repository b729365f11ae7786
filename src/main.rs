//! The `proofmark` command: the engine with the suites mounted.

#[path = "../suites/mod.rs"]
mod suites;

fn main() -> std::process::ExitCode {
    proofmark::cli::main(suites::all())
}
