//! What serving a model reads and writes: its weights when it starts, its KV cache while it answers.
//!
//! The main types are [`CacheShape`] and [`WeightFile`].

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

use super::reads::{ByteRange, pieces};

/// Bytes of a cached number (fp16).
const CACHED_BYTES: u64 = 2;
/// A file of safetensors begins with the length of its header, in this many bytes.
const LENGTH_BYTES: u64 = 8;

/// Dimensions of a model that decide the size of its KV cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheShape {
    /// Transformer layers.
    pub layers: u64,
    /// Key and value heads.
    pub kv_heads: u64,
    /// Width of a head.
    pub head_dim: u64,
}

impl CacheShape {
    /// Bytes that one token adds: key and value of each layer, `2 * layers * kv_heads * head_dim * 2 B`.
    pub fn bytes_per_token(&self) -> u64 {
        2 * self.layers * self.kv_heads * self.head_dim * CACHED_BYTES
    }
    /// Bytes of a chunk (or a whole entry) of so many tokens.
    pub fn bytes(&self, tokens: u64) -> u64 {
        tokens * self.bytes_per_token()
    }
}

/// A request of a serving process to its cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheStep {
    /// Fetch chunk number ... of those that exist.
    Read(u64),
    /// Store chunk number ...: a new one or, when all exist, an old one again.
    Write(u64),
}

/// The endless sequence of a worker's requests: of `reads + writes` in a row so many are reads, in seeded order; chunks 0 to `chunks` exist.
pub fn cache_steps(chunks: u64, (reads, writes): (u32, u32), seed: u64, worker: u32) -> impl Iterator<Item = CacheStep> {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ u64::from(worker).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let (mut reads_left, mut writes_left) = (reads, writes);
    std::iter::repeat_with(move || {
        if reads_left + writes_left == 0 {
            (reads_left, writes_left) = (reads, writes);
        }
        let chunk = random.random_range(0..chunks);
        if random.random_range(0..reads_left + writes_left) < reads_left {
            reads_left -= 1;
            CacheStep::Read(chunk)
        } else {
            writes_left -= 1;
            CacheStep::Write(chunk)
        }
    })
}

/// A file of weights in the layout of safetensors: the header's length, the header, then the tensors without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightFile {
    /// Size of the file.
    pub bytes: u64,
    /// Size of the header with its length.
    pub header: u64,
    /// Tensors, of equal size.
    pub tensors: u64,
}

impl WeightFile {
    /// The requests of one reader, in order: the header's length, the header, the tensors. Neighbouring tensors are read together up to
    /// `range` bytes, larger ones in pieces of it; 0 reads each tensor whole and alone.
    pub fn reads(&self, range: u64) -> Vec<ByteRange> {
        let body = self.bytes - self.header;
        let at = |tensor: u64| self.header + (u128::from(body) * u128::from(tensor) / u128::from(self.tensors)) as u64;
        let mut reads = vec![ByteRange { start: 0, len: LENGTH_BYTES }, ByteRange { start: LENGTH_BYTES, len: self.header - LENGTH_BYTES }];
        let mut open = ByteRange { start: self.header, len: 0 };
        for tensor in 0..self.tensors {
            let len = at(tensor + 1) - at(tensor);
            if range == 0 || open.len + len > range {
                reads.extend(pieces(open, range));
                open = ByteRange { start: at(tensor), len: 0 };
            }
            open.len += len;
        }
        reads.extend(pieces(open, range));
        reads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_takes_128_kib_in_8b_and_320_kib_in_70b() {
        let (small, large) = (CacheShape { layers: 32, kv_heads: 8, head_dim: 128 }, CacheShape { layers: 80, kv_heads: 8, head_dim: 128 });
        assert_eq!((small.bytes_per_token(), large.bytes_per_token()), (128 << 10, 320 << 10));
        assert_eq!((small.bytes(256), large.bytes(256)), (32 << 20, 80 << 20));
    }

    #[test]
    fn every_round_of_requests_keeps_the_ratio() {
        let steps: Vec<CacheStep> = cache_steps(200, (3, 1), 7, 0).take(400).collect();
        for round in steps.chunks(4) {
            assert_eq!(round.iter().filter(|step| matches!(step, CacheStep::Read(_))).count(), 3);
        }
        assert!(steps.iter().all(|step| matches!(step, CacheStep::Read(chunk) | CacheStep::Write(chunk) if *chunk < 200)));
        assert_ne!(steps, cache_steps(200, (3, 1), 7, 1).take(400).collect::<Vec<_>>());
    }

    #[test]
    fn the_reads_of_a_weight_file_cover_it_once() {
        let file = WeightFile { bytes: 1 << 26, header: 10_000, tensors: 75 };
        for range in [0, 1 << 20, 8 << 20, 1 << 30] {
            let reads = file.reads(range);
            let mut next = 0;
            for read in &reads {
                assert_eq!(read.start, next);
                next = read.end();
            }
            assert_eq!(next, file.bytes, "{range}");
            assert!(range == 0 || reads.iter().all(|read| read.len <= range));
        }
        // 894,700 B each: alone, nine to 8 MiB, all at once.
        assert_eq!([0, 8 << 20, 1 << 30].map(|range| file.reads(range).len()), [77, 2 + 75u64.div_ceil(9) as usize, 3]);
        assert_eq!(file.reads(500_000).len(), 2 + 75 * 2, "a tensor in two pieces");
    }
}
