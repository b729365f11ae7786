//! The `proofmark` command: the engine with the suites mounted.

#[path = "../suites/mod.rs"]
mod suites;

/// Gives memory back: cases hold bodies of some megabytes for a moment, and a client of 256 MiB fits beside what it measures.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    proofmark::cli::main(suites::all())
}
