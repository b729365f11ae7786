//! What objects hold: seeded bytes that can be made again to check a read, without a copy of every object in memory.
//!
//! The main type is [`Content`]. All objects share one base; what makes each of them its own are stamps of 16 bytes, one per block of
//! 4 KiB, so that a server that stores equal blocks once finds as many as it is meant to find.

use std::io::IoSlice;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

use crate::config::Entropy;

/// Bytes of a block: what storage systems compare when they look for duplicates.
pub const BLOCK: u64 = 4096;
/// Bytes of a stamp.
const STAMP: u64 = 16;
/// Blocks that are sent in one call at most.
const BATCH: usize = 64;
/// Slices of one call at most: a stamp and the rest for each block.
pub const SLICES: usize = 2 * BATCH;
/// Bytes of the base at most; longer objects repeat it between their stamps.
const BASE: u64 = 8 << 20;

/// Room for the stamps of the blocks that one call sends.
#[derive(Debug, Clone, Copy)]
pub struct Stamps([[u8; STAMP as usize]; BATCH]);

impl Default for Stamps {
    fn default() -> Self {
        Self([[0; STAMP as usize]; BATCH])
    }
}

/// Some bytes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// Number of the object's content.
    pub number: u64,
    /// First byte.
    pub from: u64,
    /// Byte after the last one.
    pub to: u64,
    /// The object's size.
    pub end: u64,
}

/// The contents of all objects of a load.
#[derive(Debug)]
pub struct Content {
    base: Vec<u8>,
    seed: u64,
    stamping: Stamping,
    entropy: Entropy,
}

/// Which blocks are unique to their object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamping {
    /// Every block, or as few as the entropy setting says.
    Blocks,
    /// Only the last 64 bytes of the object differ from those of the others.
    Tail,
}

/// One step of the splitmix64 generator: every input bit changes half of the output bits.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Content {
    /// The contents that belong to `seed`; `largest` is the size in bytes of the largest object.
    pub fn new(seed: u64, largest: u64, entropy: Entropy, stamping: Stamping) -> Self {
        let length = largest.next_multiple_of(BLOCK).clamp(BLOCK, BASE);
        let mut base = vec![0; length as usize];
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        for block in base.chunks_mut(BLOCK as usize) {
            // Half of each block compresses to nothing.
            let filled = if entropy == Entropy::Compressible { block.len() / 2 } else { block.len() };
            random.fill_bytes(&mut block[..filled]);
        }
        Self { base, seed, stamping, entropy }
    }

    /// How compressible and how repetitive they are.
    pub fn entropy(&self) -> Entropy {
        self.entropy
    }

    /// Bytes of memory that they take.
    pub fn memory(&self) -> u64 {
        self.base.len() as u64
    }

    /// Whether a block of an object carries a stamp.
    fn is_stamped(&self, block: u64) -> bool {
        match self.stamping {
            Stamping::Tail => false,
            Stamping::Blocks => self.entropy != Entropy::Duplicate || block.is_multiple_of(2),
        }
    }

    fn stamp(&self, number: u64, block: u64) -> [u8; STAMP as usize] {
        let first = mix(self.seed ^ mix(number)).wrapping_add(mix(block));
        let mut stamp = [0; STAMP as usize];
        stamp[..8].copy_from_slice(&mix(first).to_le_bytes());
        stamp[8..].copy_from_slice(&mix(first ^ number).to_le_bytes());
        stamp
    }

    /// Some bytes of an object, or as many of them as go into one call: the slices, and how many there are.
    pub fn slices<'a>(&'a self, Extent { number, from, to, end }: Extent, stamps: &'a mut Stamps, out: &mut [IoSlice<'a>; SLICES]) -> usize {
        if self.stamping == Stamping::Tail {
            stamps.0[0] = self.stamp(number, u64::MAX);
            return self.tail_slices(from, to, end, stamps, out);
        }
        let first = from / BLOCK;
        let blocks = (to.div_ceil(BLOCK).saturating_sub(first) as usize).min(BATCH);
        for (index, stamp) in stamps.0[..blocks].iter_mut().enumerate() {
            *stamp = self.stamp(number, first + index as u64);
        }
        let stamps: &'a Stamps = stamps;
        let (mut at, mut count) = (from, 0);
        while at < to && count + 2 <= SLICES && at / BLOCK - first < BATCH as u64 {
            let block = at / BLOCK;
            let (start, end) = (at - block * BLOCK, to.min((block + 1) * BLOCK) - block * BLOCK);
            let cut = if self.is_stamped(block) { STAMP.min(end) } else { 0 };
            if start < cut {
                out[count] = IoSlice::new(&stamps.0[(block - first) as usize][start as usize..cut as usize]);
                count += 1;
            }
            let (begin, base) = (start.max(cut), (block * BLOCK) % self.base.len() as u64);
            if begin < end {
                out[count] = IoSlice::new(&self.base[(base + begin) as usize..(base + end) as usize]);
                count += 1;
            }
            at = (block + 1) * BLOCK;
        }
        count
    }

    fn tail_slices<'a>(&'a self, from: u64, to: u64, end: u64, stamps: &'a Stamps, out: &mut [IoSlice<'a>; SLICES]) -> usize {
        let (tail, length) = (end.saturating_sub(STAMP), self.base.len() as u64);
        let (mut at, mut count) = (from, 0);
        while at < tail.min(to) && count + 1 < SLICES {
            let begin = at % length;
            let stop = length.min(begin + tail.min(to) - at);
            out[count] = IoSlice::new(&self.base[begin as usize..stop as usize]);
            (at, count) = (at + stop - begin, count + 1);
        }
        if at >= tail && at < to {
            // An object shorter than a stamp is the end of one.
            let first = STAMP - (end - at);
            out[count] = IoSlice::new(&stamps.0[0][first as usize..(first + to - at) as usize]);
            count += 1;
        }
        count
    }

    /// Hands all pieces of some bytes of an object to `take`.
    pub fn pieces(&self, extent: Extent, mut take: impl FnMut(&[u8])) {
        let mut at = extent.from;
        while at < extent.to {
            let mut stamps = Stamps::default();
            let mut out = [IoSlice::new(&[]); SLICES];
            let count = self.slices(Extent { from: at, ..extent }, &mut stamps, &mut out);
            for slice in &out[..count] {
                take(slice);
                at += slice.len() as u64;
            }
        }
    }

    /// Whether `data` is what object `number`, which ends at `end`, holds from byte `from` on.
    pub fn matches(&self, number: u64, from: u64, end: u64, data: &[u8]) -> bool {
        let to = from + data.len() as u64;
        if to > end {
            return false;
        }
        let (mut rest, mut same) = (data, true);
        self.pieces(Extent { number, from, to, end }, |piece| {
            let (own, left) = rest.split_at(piece.len().min(rest.len()));
            same &= own == piece;
            rest = left;
        });
        same
    }

    /// Some bytes of an object, copied.
    pub fn bytes(&self, extent: Extent) -> Vec<u8> {
        let mut bytes = Vec::with_capacity((extent.to - extent.from) as usize);
        self.pieces(extent, |piece| bytes.extend_from_slice(piece));
        bytes
    }
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod tests;
