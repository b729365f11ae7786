//! The flags of `load` and `calibrate`.

use std::path::PathBuf;

use clap::Args;

use crate::config::{ArrivalKind, Checksum, Entropy, MixEntry, Operation, PayloadMode, Verify};
use crate::units::{Bytes, Span};

/// `proofmark load`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  proofmark load --op get --size 4KiB --concurrency 8 --duration 10s --vendor acme\n  \
    proofmark load --op get:45,head:30,put:15,delete:10 --size 256KiB --vendor acme      a mix\n  \
    proofmark load --op put --size 8MiB --rate 50 --json --vendor acme                   an open loop, for programs")]
pub struct LoadArgs {
    /// Vendor to load; repeatable, then one after the other [default: embedded].
    #[arg(long = "vendor", value_name = "NAME")]
    pub vendors: Vec<String>,
    /// What is sent: get, put, head, delete or list, or a mix with shares.
    #[arg(long = "op", value_name = "OP[:SHARE],...", value_parser = parse_mix)]
    pub mix: Mix,
    /// Size of every object.
    #[arg(long, value_name = "SIZE", default_value = "1MiB", value_parser = parse_size)]
    pub size: Bytes,
    /// Read ranges of this size instead of whole objects.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub range: Option<Bytes>,
    /// Objects that are read, listed, overwritten in turn or deleted [default: what fits into 256 MiB, 16 to 2,000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub objects: Option<u64>,
    /// Requests in flight; in an open loop, at most.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrency: u32,
    /// Measured time.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_time)]
    pub duration: Span,
    /// Time before the measurement [default: a fifth of it, at most 2 s].
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub warm_up: Option<Span>,
    /// Requests per second, due whether the last ones are answered or not: an open loop [default: a closed loop].
    #[arg(long, value_name = "NUMBER", value_parser = parse_rate)]
    pub rate: Option<f64>,
    /// Shape of an open loop over time: poisson or constant.
    #[arg(long, value_name = "SHAPE", default_value = "poisson", requires = "rate", value_parser = parse_word::<ArrivalKind>)]
    pub arrivals: ArrivalKind,
    /// Read keys by popularity: the k-th in proportion to 1 / k^THETA, e.g. 0.99 [default: all alike].
    #[arg(long, value_name = "THETA", value_parser = parse_theta)]
    pub zipf: Option<f64>,
    /// How the bodies of PUTs are signed: cached-signed, tail-unique, unique-signed, unsigned or streaming-signed.
    #[arg(long, value_name = "MODE", default_value = "cached-signed", value_parser = parse_word::<PayloadMode>)]
    pub payload: PayloadMode,
    /// Checksum of PUTs: none, crc32c, crc64nvme or sha256.
    #[arg(long, value_name = "NAME", default_value = "none", value_parser = parse_word::<Checksum>)]
    pub checksum: Checksum,
    /// What bodies hold: random, compressible or duplicate.
    #[arg(long, value_name = "KIND", default_value = "random", value_parser = parse_word::<Entropy>)]
    pub entropy: Entropy,
    /// What is done with bodies that are read: off (thrown away uncopied), sampled (1 % compared, all copied) or full (all compared).
    #[arg(long, value_name = "HOW", default_value = "sampled", value_parser = parse_word::<Verify>)]
    pub verify: Verify,
    /// A new connection for every request.
    #[arg(long)]
    pub no_keep_alive: bool,
    /// Repeats.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub repeats: u32,
    /// Seed of every random choice [default: drawn, and recorded in run.json].
    #[arg(long, value_name = "NUMBER")]
    pub seed: Option<u64>,
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
    /// Directory that runs are written to; load.csv and load.json stand in the run's own.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub out: PathBuf,
    /// What the run may send.
    #[command(flatten)]
    pub cap: super::args::CapArgs,
}

/// `proofmark calibrate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  proofmark calibrate                      against a server of our own that does nothing\n  \
    proofmark calibrate --vendor minio       the same rungs against a vendor, TLS left out")]
pub struct CalibrateArgs {
    /// Measure against this vendor instead of the null server.
    #[arg(long, value_name = "NAME")]
    pub vendor: Option<String>,
    /// Measured time of each rung.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = parse_time)]
    pub duration: Span,
    /// Connections.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub concurrency: u32,
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub json: bool,
}

/// `proofmark serve-null`.
#[derive(Debug, Args)]
pub struct ServeNullArgs {
    /// Speak TLS with a certificate made for this process; its PEM goes to standard output.
    #[arg(long)]
    pub tls: bool,
}

/// The operations and their shares, as they were typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix(pub Vec<MixEntry>);

const OPERATIONS: [(&str, Operation); 5] = [
    ("get", Operation::GetObject),
    ("put", Operation::PutObject),
    ("head", Operation::HeadObject),
    ("delete", Operation::DeleteObject),
    ("list", Operation::ListObjectsV2),
];

fn parse_mix(text: &str) -> Result<Mix, String> {
    let entry = |part: &str| {
        let (name, share) = part.split_once(':').unwrap_or((part, "100"));
        let share = share.parse::<u32>().ok().filter(|share| *share > 0).ok_or_else(|| format!("{share:?}: expected a share above 0"))?;
        let known = OPERATIONS.iter().find(|(known, operation)| *known == name || operation.name() == name);
        let (_, operation) = known.ok_or_else(|| format!("{name:?}: expected get, put, head, delete or list"))?;
        Ok(MixEntry::new(*operation, share))
    };
    text.split(',').map(entry).collect::<Result<_, String>>().map(Mix)
}

/// `4KiB` or `4 KiB`: on a command line a quantity needs no space.
fn parse_quantity<T: std::str::FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    format!("{number} {}", unit.trim()).parse().map_err(|error: T::Err| error.to_string())
}

fn parse_size(text: &str) -> Result<Bytes, String> {
    parse_quantity::<Bytes>(text)
}

fn parse_span(text: &str) -> Result<Span, String> {
    parse_quantity::<Span>(text)
}

fn parse_time(text: &str) -> Result<Span, String> {
    let span = parse_span(text)?;
    if span.0 < std::time::Duration::from_millis(100) { Err("expected at least 100 ms, e.g. 10s".to_owned()) } else { Ok(span) }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|rate| rate.is_finite() && *rate > 0.0).ok_or_else(|| "expected a rate above 0 requests per second".to_owned())
}

fn parse_theta(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|theta| theta.is_finite() && *theta >= 0.0).ok_or_else(|| "expected an exponent of 0 or more".to_owned())
}

/// A word that a TOML file would hold.
fn parse_word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    #[derive(serde::Deserialize)]
    struct Holder<T> {
        word: T,
    }
    let parsed: Result<Holder<T>, _> = toml::from_str(&format!("word = {text:?}"));
    parsed.map(|holder| holder.word).map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_come_alone_or_with_shares() {
        let entries = |text: &str| parse_mix(text).map(|mix| mix.0.iter().map(|entry| (entry.operation, entry.share)).collect::<Vec<_>>());
        assert_eq!(entries("get"), Ok(vec![(Operation::GetObject, 100)]));
        assert_eq!(entries("head:30,put:70"), Ok(vec![(Operation::HeadObject, 30), (Operation::PutObject, 70)]));
        assert!(entries("fetch").unwrap_err().contains("expected get"));
        assert!(entries("get:0").unwrap_err().contains("above 0"));
    }

    #[test]
    fn quantities_need_no_space_and_a_time_of_nothing_is_refused() {
        assert_eq!(parse_size("4KiB"), Ok(Bytes(4096)));
        assert_eq!(parse_size("1.5 MiB"), Ok(Bytes(3 << 19)));
        assert_eq!(parse_time("10s").map(|span| span.0.as_secs()), Ok(10));
        for wrong in ["0s", "50ms"] {
            assert!(parse_time(wrong).unwrap_err().contains("at least 100 ms"), "{wrong}");
        }
        assert!(parse_size("4").is_err() && parse_size("KiB").is_err());
    }

    #[test]
    fn words_are_those_of_the_files() {
        assert_eq!(parse_word::<PayloadMode>("tail-unique"), Ok(PayloadMode::TailUnique));
        assert_eq!(parse_word::<ArrivalKind>("constant"), Ok(ArrivalKind::Constant));
        assert!(parse_word::<ArrivalKind>("bursts").is_err(), "they need rules, which a word has not");
        assert_eq!(parse_theta("0.99"), Ok(0.99));
        assert!(parse_theta("-1").is_err() && parse_theta("nan").is_err());
        assert!(parse_word::<Checksum>("md5").unwrap_err().contains("crc32c"));
    }
}
