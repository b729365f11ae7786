//! The command line as it is typed: one struct per command, each with an example.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::Endpoint;
use crate::model::{ClientShard, Level};

pub use super::args_load::{CalibrateArgs, LoadArgs, ServeNullArgs};

/// Evaluates S3 storage vendors: compatibility, failure injection, throughput and cost, as one scored report.
#[derive(Debug, Parser)]
#[command(name = "proofmark", version, term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 ok; 1 internal error; 2 usage or configuration; 10 a gate is not met; 11 too many unresolved; \
    12 regression against the baseline.\n\nExample:\n  proofmark run      evaluate the two embedded vendors, about a minute")]
pub struct Arguments {
    /// Directory that holds vendors/, scenarios/ and report-templates/ [default: the nearest one here or above].
    #[arg(long, global = true, value_name = "DIR")]
    pub root: Option<PathBuf>,
    /// Read fault points of our own code from the environment variable FAILPOINTS.
    #[arg(long, global = true, hide = true)]
    pub fault_points: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Evaluate vendors and write the scored report.
    Run(RunArgs),
    /// Run conformance cases alone, with the flags of Rust's own test runner.
    Conformance(ConformanceArgs),
    /// Load a vendor once, with flags instead of a scenario file.
    Load(LoadArgs),
    /// Measure what this client can do at most: a ladder from raw sockets to verified TLS, against a server that does nothing.
    Calibrate(CalibrateArgs),
    /// Print a presigned URL, as the lines of tickets use it.
    Presign(PresignArgs),
    /// Prove that the conformance cases can fail: run them against mutants of a server.
    Mutants(MutantsArgs),
    /// Run a fault proxy in front of a server.
    Proxy(ProxyArgs),
    /// Install, start and stop the servers of vendors that have a lifecycle script.
    Lab(LabArgs),
    /// Render the report of one run, or the comparison of several.
    Report(ReportArgs),
    /// Name what changed between two runs: regressions, fixes, waivers that can go.
    Compare(CompareArgs),
    /// Price a month of use on every price card.
    Cost(CostArgs),
    /// Check vendor, scenario, profile and template files without sending anything.
    Check(CheckArgs),
    /// List cases, scenarios, vendors and profiles.
    List(ListArgs),
    /// Delete what killed runs left behind on their vendors.
    Clean(CleanArgs),
    /// Print the arithmetic behind a score.
    Explain(ExplainArgs),
    /// Serve the embedded vendor; `run` starts it.
    #[command(hide = true)]
    ServeEmbedded(ServeEmbeddedArgs),
    /// Serve answers without content; `calibrate` starts it.
    #[command(hide = true)]
    ServeNull(ServeNullArgs),
}

/// `proofmark run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  proofmark run                                     the two embedded vendors, about a minute\n  \
    proofmark run --dry-run --vendor acme             what would be sent to acme, and what it costs\n  \
    proofmark run --profile smoke --vendor acme       evaluate vendors/acme.toml\n  \
    proofmark run --resume 20261121t071500z-3fa9      go on with a run that was killed")]
pub struct RunArgs {
    /// What to run and how to score it: demo, smoke, nightly, procurement, or another file of scenarios/profiles/.
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Vendor to evaluate, the stem of its file in vendors/; repeatable [default: the profile's vendors].
    #[arg(long = "vendor", value_name = "NAME")]
    pub vendors: Vec<String>,
    /// Directory that runs are written to.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Seed of every random choice [default: drawn, and recorded in run.json].
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Run slow cases, too: lifecycle and propagation waits, limits by bisection.
    #[arg(long)]
    pub slow: bool,
    /// Print the plan and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Go on with a run that was killed: its id below --out, or its directory.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["profile", "vendors", "seed", "client", "dry_run"])]
    pub resume: Option<PathBuf>,
    /// Which client of several this is; it runs its share of the plan.
    #[arg(long, value_name = "I/N", default_value = "1/1", value_parser = parse_shard)]
    pub client: ClientShard,
    /// Wait until this moment (RFC 3339) before measuring, so that several clients start together.
    #[arg(long, value_name = "TIME")]
    pub start_at: Option<jiff::Timestamp>,
    /// Leave what the run created on the vendor; `proofmark clean` removes it later.
    #[arg(long)]
    pub keep: bool,
    /// What the run may send.
    #[command(flatten)]
    pub cap: CapArgs,
}

/// Limits of one run, beside the vendor files' own.
#[derive(Debug, Args)]
pub struct CapArgs {
    /// Send at most this many requests to each vendor, clean-up included; cases beyond it are untested.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_requests: Option<u64>,
    /// Spend at most this much on requests and traffic of each vendor, clean-up included, in the currency of its price card.
    #[arg(long, value_name = "MONEY", value_parser = parse_money)]
    pub max_cost: Option<rust_decimal::Decimal>,
}

fn parse_money(text: &str) -> Result<rust_decimal::Decimal, String> {
    match text.parse::<rust_decimal::Decimal>() {
        Ok(money) if money > rust_decimal::Decimal::ZERO => Ok(money),
        _ => Err("expected an amount above 0, e.g. 0.50".to_owned()),
    }
}

fn parse_shard(text: &str) -> Result<ClientShard, String> {
    let parsed = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    match parsed {
        Some((index, of)) if (1..=of).contains(&index) => Ok(ClientShard { index, of }),
        _ => Err("expected I/N with 1 <= I <= N, e.g. 3/8".to_owned()),
    }
}

fn parse_level(text: &str) -> Result<Level, String> {
    let known = [Level::Core, Level::Common, Level::Extended, Level::Rare];
    known.into_iter().find(|level| level.name() == text).ok_or_else(|| "expected core, common, extended or rare".to_owned())
}

/// `proofmark conformance`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  proofmark conformance --vendor acme multipart:: copy::  two suites\n  \
    proofmark conformance --vendor acme --exact object::get_object/absent_key\n  \
    proofmark conformance --vendor acme --level core --max-requests 5000\n  proofmark conformance --list")]
pub struct ConformanceArgs {
    /// Vendor to test; repeatable [default: embedded].
    #[arg(long = "vendor", value_name = "NAME")]
    pub vendors: Vec<String>,
    /// Directory that runs are written to.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Seed of every random choice [default: drawn, and recorded in run.json].
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Run slow cases, too: lifecycle and propagation waits, limits by bisection.
    #[arg(long)]
    pub slow: bool,
    /// Only cases of this level: core, common, extended or rare; repeatable [default: all of the demo profile].
    #[arg(long = "level", value_name = "LEVEL", value_parser = parse_level)]
    pub levels: Vec<Level>,
    /// What the run may send.
    #[command(flatten)]
    pub cap: CapArgs,
    /// Flags of Rust's own test runner.
    #[command(flatten)]
    pub libtest: libtest_mimic::Arguments,
    /// Further filters: a case runs where any of them is part of its name.
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
}

/// `proofmark presign`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  curl -i \"$(proofmark presign --vendor acme GET https://s3.eu-1.acme.example/bucket/key)\"")]
pub struct PresignArgs {
    /// Vendor whose credentials and region sign.
    #[arg(long, value_name = "NAME")]
    pub vendor: String,
    /// A header that the sender must send as well; repeatable. Every x-amz- header has to be named.
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub headers: Vec<String>,
    /// Seconds until it runs out.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    pub expires: u32,
    /// HTTP method.
    #[arg(value_name = "METHOD")]
    pub method: String,
    /// The URL, encoded as it is to be sent.
    #[arg(value_name = "URL")]
    pub url: String,
}

/// `proofmark mutants`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  proofmark mutants --vendor minio --sample 40                      a seeded choice, a few minutes\n  \
    proofmark mutants --vendor minio                                  the whole table of mutants and cases\n  \
    proofmark mutants --vendor minio --mutant put-if-match-ignored --case conditional::")]
pub struct MutantsArgs {
    /// Vendor whose server is mutated; its own verdicts are the baseline.
    #[arg(long, value_name = "NAME")]
    pub vendor: String,
    /// Run this many mutants, chosen by the seed, each against a few cases of its areas.
    #[arg(long, value_name = "NUMBER")]
    pub sample: Option<usize>,
    /// Only mutants whose id holds this; repeatable.
    #[arg(long = "mutant", value_name = "ID", num_args = 1..)]
    pub mutants: Vec<String>,
    /// Only cases whose id holds this; repeatable.
    #[arg(long = "case", value_name = "FILTER")]
    pub cases: Vec<String>,
    /// A case whose verdict is known to vary on this vendor without a mutant: named as such, and no reason to fail; repeatable.
    #[arg(long = "varies", value_name = "FILTER")]
    pub varies: Vec<String>,
    /// Directory that runs are written to.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// Mutants at work at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 6)]
    pub jobs: usize,
    /// Seed of every random choice [default: drawn, and recorded in run.json].
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
}

/// `proofmark proxy`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  proofmark proxy --vendor acme --listen 127.0.0.1:9100 --rule 'every = 3, fault = { status = { status = 503, code = \"SlowDown\" } }'\n  \
    A server that throttles each prefix (first part of the key) at 50 PUT and 80 GET per second, with bursts of 100 ms:\n  \
    proofmark proxy --vendor acme --rule 'fault = { throttle = { writes_per_s = 50, reads_per_s = 80, burst = \"100 ms\" } }'\n  \
    Optional: prefix_depth = 2, retry_after = \"1 s\", split_after = \"30 s\" (double a hot prefix's rates after each 30 s of overload)"
)]
pub struct ProxyArgs {
    /// Vendor whose endpoints, region and credentials are used.
    #[arg(long, value_name = "NAME")]
    pub vendor: String,
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// A rule as in a vendor file's `degrade`, written as the inside of a TOML inline table; repeatable.
    #[arg(long = "rule", value_name = "TOML")]
    pub rules: Vec<String>,
    /// Forward here instead of to the vendor's endpoints.
    #[arg(long, value_name = "URL", value_parser = |text: &str| Endpoint::try_from(text.to_owned()))]
    pub upstream: Option<Endpoint>,
}

/// `proofmark lab`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  proofmark lab install minio ceph && eval \"$(proofmark lab up minio ceph)\"")]
pub struct LabArgs {
    /// What to do.
    #[arg(value_enum)]
    pub verb: LabVerb,
    /// Vendors that have a lifecycle script [default for status: all of them].
    #[arg(value_name = "VENDOR")]
    pub vendors: Vec<String>,
}

/// What to do with a lab vendor's servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LabVerb {
    /// Fetch or build what the servers need.
    Install,
    /// Start them and print `export NAME=value` lines; the secrets are random and throwaway.
    Up,
    /// Stop them and remove their data.
    Down,
    /// Say which ones answer.
    Status,
}

/// `proofmark report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  proofmark report runs/20261121t071500z-3fa9\n  proofmark report --out comparison runs/RUN1 runs/RUN2")]
pub struct ReportArgs {
    /// Run directories.
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Directory to write to [default: the first run's].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `proofmark compare`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exits with 12 where something got worse.\n\nExample:\n  proofmark compare runs/20261120t021500z-77b0 runs/20261121t071500z-3fa9"
)]
pub struct CompareArgs {
    /// Run directory that is compared with.
    #[arg(value_name = "BASE")]
    pub base: PathBuf,
    /// Run directory that is judged.
    #[arg(value_name = "HEAD")]
    pub head: PathBuf,
}

/// `proofmark cost`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  proofmark cost --usage scenarios/cost/workload-h.toml --vendor aws-s3 --vendor cloudflare-r2")]
pub struct CostArgs {
    /// A month of use, a file as in scenarios/cost/.
    #[arg(long, value_name = "FILE")]
    pub usage: PathBuf,
    /// Vendor to price; repeatable [default: every vendor with a price card].
    #[arg(long = "vendor", value_name = "NAME")]
    pub vendors: Vec<String>,
}

/// `proofmark check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  proofmark check                       everything\n  proofmark check vendors/acme.toml     one file")]
pub struct CheckArgs {
    /// Files to check [default: all vendors, scenarios, profiles and templates].
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// `proofmark list`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  proofmark list --format markdown")]
pub struct ListArgs {
    /// How to print it.
    #[arg(long, value_enum, default_value_t = ListFormat::Text)]
    pub format: ListFormat,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// Aligned columns.
    Text,
    /// Tables.
    Markdown,
    /// For programs.
    Json,
}

/// `proofmark clean`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  proofmark clean                                     every run below runs/\n  \
    proofmark clean --vendor acme runs/20261121t071500z-3fa9")]
pub struct CleanArgs {
    /// Run directories whose leftovers are deleted [default: every run below --out].
    #[arg(value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Only on this vendor; repeatable.
    #[arg(long = "vendor", value_name = "NAME")]
    pub vendors: Vec<String>,
    /// Directory that runs were written to.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
}

/// `proofmark explain`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  proofmark explain runs/20261121t071500z-3fa9 embedded compatibility")]
pub struct ExplainArgs {
    /// Run directory.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Vendor.
    #[arg(value_name = "VENDOR")]
    pub vendor: String,
    /// Category: compatibility, durability, performance, cost or operability; or `overall`.
    #[arg(value_name = "AREA")]
    pub area: String,
}

/// `proofmark serve-embedded`.
#[derive(Debug, Args)]
pub struct ServeEmbeddedArgs {
    /// Directory of the data.
    #[arg(long)]
    pub data: PathBuf,
    /// Address to listen on.
    #[arg(long)]
    pub listen: SocketAddr,
}
