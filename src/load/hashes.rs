//! Hashes and checksums of bodies: computed for each write, or beforehand where the same bodies are sent again.
//!
//! The main type is [`Hashes`].

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest as Crc};
use ring::digest::{Context, SHA256};

use super::content::{Content, Extent};
use super::sign::Hex;
use crate::config::{Checksum, PayloadMode};

/// The hash of a body and its checksum header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// SHA-256 in hexadecimal; that of nothing where the mode does not sign bodies.
    pub sha256: Hex,
    checksum: Option<(&'static str, [u8; 44], usize)>,
}

impl Sum {
    /// Name and value of the checksum header.
    pub fn header(&self) -> Option<(&'static str, &str)> {
        self.checksum.as_ref().map(|(name, text, length)| (*name, std::str::from_utf8(&text[..*length]).unwrap_or_default()))
    }
}

/// What signs and checks the bodies of a load.
#[derive(Debug)]
pub struct Hashes {
    payload: PayloadMode,
    checksum: Checksum,
    known: BTreeMap<Extent, Sum>,
    /// The state of the hash up to where an object's tail begins, by object size.
    tails: BTreeMap<u64, Context2>,
}

/// A hash's state, which does not print.
#[derive(Clone)]
struct Context2(Context, u64);

impl std::fmt::Debug for Context2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.1)
    }
}

/// Bytes at an object's end that are hashed anew where only the tail is unique: a block of the hash.
const TAIL: u64 = 64;

impl Hashes {
    /// Nothing is computed beforehand yet.
    pub fn new(payload: PayloadMode, checksum: Checksum) -> Self {
        Self { payload, checksum, known: BTreeMap::new(), tails: BTreeMap::new() }
    }

    /// Computes beforehand what writes of these bodies need.
    pub fn warm(&mut self, content: &Content, extents: impl IntoIterator<Item = Extent>) {
        for extent in extents {
            if self.payload == PayloadMode::TailUnique {
                let mut context = Context::new(&SHA256);
                let upto = extent.end.saturating_sub(TAIL);
                content.pieces(Extent { to: upto, from: 0, ..extent }, |piece| context.update(piece));
                self.tails.insert(extent.end, Context2(context, upto));
            } else {
                let sum = self.compute(content, extent);
                self.known.insert(extent, sum);
            }
        }
    }

    /// What a write of this body needs; `None` where nothing is computed.
    pub fn sum(&self, content: &Content, extent: Extent) -> Option<Sum> {
        let is_hashed = !matches!(self.payload, PayloadMode::Unsigned | PayloadMode::StreamingSigned);
        if !is_hashed && self.checksum == Checksum::None {
            return None;
        }
        Some(self.known.get(&extent).copied().unwrap_or_else(|| self.compute(content, extent)))
    }

    fn compute(&self, content: &Content, extent: Extent) -> Sum {
        let is_hashed = !matches!(self.payload, PayloadMode::Unsigned | PayloadMode::StreamingSigned) || self.checksum == Checksum::Sha256;
        let mut crc = match self.checksum {
            Checksum::Crc32c => Some(Crc::new(CrcAlgorithm::Crc32Iscsi)),
            Checksum::Crc64Nvme => Some(Crc::new(CrcAlgorithm::Crc64Nvme)),
            Checksum::None | Checksum::Sha256 => None,
        };
        let tail = self.tails.get(&extent.end).filter(|_| extent.from == 0 && extent.to == extent.end && crc.is_none());
        let (mut context, start) = tail.map_or_else(|| (Context::new(&SHA256), extent.from), |tail| (tail.0.clone(), tail.1));
        content.pieces(Extent { from: start, ..extent }, |piece| {
            if is_hashed {
                context.update(piece);
            }
            if let Some(crc) = &mut crc {
                crc.update(piece);
            }
        });
        let digest = context.finish();
        let value = match (self.checksum, crc) {
            (Checksum::Crc32c, Some(crc)) => encode(&(crc.finalize() as u32).to_be_bytes()),
            (Checksum::Crc64Nvme, Some(crc)) => encode(&crc.finalize().to_be_bytes()),
            (Checksum::Sha256, _) => encode(digest.as_ref()),
            _ => ([0; 44], 0),
        };
        let checksum = self.checksum.header().map(|name| (name, value.0, value.1));
        Sum { sha256: Hex::of(digest.as_ref()), checksum }
    }
}

fn encode(bytes: &[u8]) -> ([u8; 44], usize) {
    let mut text = [0; 44];
    // 32 bytes are 44 characters, so that everything fits.
    let length = STANDARD.encode_slice(bytes, &mut text).unwrap_or(0);
    (text, length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Entropy;
    use crate::load::content::Stamping;
    use sha2::{Digest, Sha256};

    const WHOLE: fn(u64, u64) -> Extent = |number, size| Extent { number, from: 0, to: size, end: size };

    #[test]
    fn hashes_are_those_of_the_bodies_whether_they_are_known_beforehand_or_not() {
        for (payload, stamping) in
            [(PayloadMode::CachedSigned, Stamping::Blocks), (PayloadMode::UniqueSigned, Stamping::Blocks), (PayloadMode::TailUnique, Stamping::Tail)]
        {
            let content = Content::new(5, 100_000, Entropy::Random, stamping);
            let mut hashes = Hashes::new(payload, Checksum::None);
            for size in [0, 10, 64, 65, 4096, 100_000] {
                hashes.warm(&content, [WHOLE(0, size)]);
                for number in 0..3 {
                    let expected = hex::encode(Sha256::digest(content.bytes(WHOLE(number, size))));
                    assert_eq!(hashes.sum(&content, WHOLE(number, size)).unwrap().sha256.as_str(), expected, "{payload:?} {size} {number}");
                }
            }
        }
    }

    #[test]
    fn checksums_are_the_published_ones() {
        // The check values of the CRC catalogue and of SHA-256, for the content that this seed gives.
        let content = Content::new(5, 5000, Entropy::Random, Stamping::Blocks);
        let body = content.bytes(WHOLE(1, 5000));
        let value = |checksum| Hashes::new(PayloadMode::Unsigned, checksum).sum(&content, WHOLE(1, 5000)).unwrap().header().map(|h| h.1.to_owned());
        let crc32c = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, &body) as u32;
        assert_eq!(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, b"123456789"), 0xe306_9283);
        assert_eq!(value(Checksum::Crc32c).unwrap(), STANDARD.encode(crc32c.to_be_bytes()));
        assert_eq!(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(value(Checksum::Crc64Nvme).unwrap(), STANDARD.encode(crc_fast::checksum(CrcAlgorithm::Crc64Nvme, &body).to_be_bytes()));
        assert_eq!(value(Checksum::Sha256).unwrap(), STANDARD.encode(Sha256::digest(&body)));
        assert!(Hashes::new(PayloadMode::Unsigned, Checksum::None).sum(&content, WHOLE(1, 5000)).is_none());
    }
}
