//! What bodies hold, what their signatures and checksums cover: it decides how much the client pays per byte, so every record names it.

use serde::{Deserialize, Serialize};

/// How a PUT's body is signed, and whether it comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayloadMode {
    /// A few seeded bodies, hashed once beforehand: cheap and signed, but a server that deduplicates sees the same bytes again.
    #[default]
    CachedSigned,
    /// Bodies that differ in their last 16 bytes only: signed at the price of hashing these, but their blocks repeat.
    TailUnique,
    /// Every body is new and hashed when it is sent.
    UniqueSigned,
    /// Every body is new and not hashed (`UNSIGNED-PAYLOAD`).
    Unsigned,
    /// Every body is new and sent in signed chunks of 64 KiB, as older SDKs do over plain HTTP.
    StreamingSigned,
}

impl PayloadMode {
    /// The word used in TOML and records.
    pub fn name(self) -> &'static str {
        match self {
            PayloadMode::CachedSigned => "cached-signed",
            PayloadMode::TailUnique => "tail-unique",
            PayloadMode::UniqueSigned => "unique-signed",
            PayloadMode::Unsigned => "unsigned",
            PayloadMode::StreamingSigned => "streaming-signed",
        }
    }
}

/// The checksum that a PUT carries in a header, beside the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// None.
    #[default]
    None,
    /// `x-amz-checksum-crc32c`.
    Crc32c,
    /// `x-amz-checksum-crc64nvme`.
    Crc64Nvme,
    /// `x-amz-checksum-sha256`.
    Sha256,
}

impl Checksum {
    /// The word used in TOML and records.
    pub fn name(self) -> &'static str {
        match self {
            Checksum::None => "none",
            Checksum::Crc32c => "crc32c",
            Checksum::Crc64Nvme => "crc64nvme",
            Checksum::Sha256 => "sha256",
        }
    }
    /// The header's name.
    pub fn header(self) -> Option<&'static str> {
        match self {
            Checksum::None => None,
            Checksum::Crc32c => Some("x-amz-checksum-crc32c"),
            Checksum::Crc64Nvme => Some("x-amz-checksum-crc64nvme"),
            Checksum::Sha256 => Some("x-amz-checksum-sha256"),
        }
    }
}

/// How much of the bodies a server could save by compressing or by storing equal blocks once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entropy {
    /// Nothing: random bytes, and every block of 4 KiB its own.
    #[default]
    Random,
    /// Half: each block of 4 KiB ends in 2 KiB of zeros.
    Compressible,
    /// Half: every second block of 4 KiB is the same in all bodies.
    Duplicate,
}

impl Entropy {
    /// The word used in TOML and records.
    pub fn name(self) -> &'static str {
        match self {
            Entropy::Random => "random",
            Entropy::Compressible => "compressible",
            Entropy::Duplicate => "duplicate",
        }
    }
}

/// What is done with the bytes of a body that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verify {
    /// Nothing is compared, and the kernel throws bodies away uncopied where the connection is plain: the least that a client can do.
    Off,
    /// One read in a hundred, and the first of each connection, is compared byte for byte; all are copied, as applications do.
    #[default]
    Sampled,
    /// Every read is compared byte for byte.
    Full,
}

impl Verify {
    /// The word used in TOML and records.
    pub fn name(self) -> &'static str {
        match self {
            Verify::Off => "off",
            Verify::Sampled => "sampled",
            Verify::Full => "full",
        }
    }
    /// Share of the reads that are compared.
    pub fn share(self) -> f64 {
        match self {
            Verify::Off => 0.0,
            Verify::Sampled => 0.01,
            Verify::Full => 1.0,
        }
    }
}

/// How requests are sent and bodies made: each style of a scenario is a cell of its matrix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Style {
    /// What the cell is called; empty for the only style of a scenario.
    #[serde(default)]
    pub name: String,
    /// How bodies are signed.
    #[serde(default)]
    pub payload: PayloadMode,
    /// The checksum that a PUT carries.
    #[serde(default)]
    pub checksum: Checksum,
    /// What bodies hold.
    #[serde(default)]
    pub entropy: Entropy,
    /// What is done with bodies that are read.
    #[serde(default)]
    pub verify: Verify,
    /// Whether a connection carries more than one request.
    #[serde(default = "yes")]
    pub keep_alive: bool,
}

fn yes() -> bool {
    true
}

impl Default for Style {
    fn default() -> Self {
        Self {
            name: String::new(),
            payload: PayloadMode::default(),
            checksum: Checksum::default(),
            entropy: Entropy::default(),
            verify: Verify::default(),
            keep_alive: true,
        }
    }
}
