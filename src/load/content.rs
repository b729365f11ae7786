//! What objects hold: seeded bytes that can be made again to check a read.

use std::sync::OnceLock;

use bytes::Bytes;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Offsets at which a body may start in the seeded stream: so many bodies of one size differ.
const WINDOW: usize = 1 << 20;
/// Coprime to the window, so that neighbours start far apart and no offset comes twice.
const STRIDE: u64 = 100_003;

/// Bodies that cached-signed PUTs take in turn, at most.
const CACHED_BODIES: u64 = 16;
/// Bytes that are hashed beforehand for them, at most.
const CACHED_BYTES: u64 = 128 << 20;

/// The bodies of all objects of one size: windows into one seeded, incompressible stream, taken without copying.
#[derive(Debug)]
pub struct Bodies {
    stream: Bytes,
    size: usize,
    hashes: Vec<OnceLock<String>>,
}

impl Bodies {
    /// The bodies of `size` bytes that belong to `seed`.
    pub fn new(seed: u64, size: u64) -> Self {
        let cached = CACHED_BYTES.checked_div(size).unwrap_or(CACHED_BODIES).clamp(2, CACHED_BODIES);
        let size = usize::try_from(size).expect("an object that is sent from memory fits into it");
        let mut stream = vec![0; size + WINDOW];
        Xoshiro256PlusPlus::seed_from_u64(seed).fill_bytes(&mut stream);
        Self { stream: stream.into(), size, hashes: (0..cached).map(|_| OnceLock::new()).collect() }
    }
    /// Bytes of each body.
    pub fn size(&self) -> u64 {
        self.size as u64
    }
    /// The body of that number; numbers below 2^20 all differ.
    pub fn body(&self, number: u64) -> Bytes {
        let start = (number.wrapping_mul(STRIDE) % WINDOW as u64) as usize;
        self.stream.slice(start..start + self.size)
    }
    /// How many bodies cached-signed PUTs take in turn.
    pub fn cached(&self) -> u64 {
        self.hashes.len() as u64
    }
    /// Hashes the cached bodies, so that no PUT pays for it.
    pub fn warm(&self) {
        (0..self.cached()).for_each(|number| drop(self.sha256(number)));
    }
    /// SHA-256 of a body in hexadecimal; of a cached one it is computed once.
    pub fn sha256(&self, number: u64) -> String {
        let compute = || hex::encode(Sha256::digest(self.body(number)));
        match self.hashes.get(number as usize) {
            Some(hash) => hash.get_or_init(compute).clone(),
            None => compute(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_depends_on_seed_and_number_only() {
        let bodies = Bodies::new(1, 1000);
        assert_eq!(bodies.body(5), Bodies::new(1, 1000).body(5));
        assert_ne!(bodies.body(5), bodies.body(6));
        assert_ne!(bodies.body(5), Bodies::new(2, 1000).body(5));
        assert_eq!(bodies.body(5).len(), 1000);
    }

    #[test]
    fn cached_and_uncached_hashes_are_those_of_their_bodies() {
        let bodies = Bodies::new(1, 100);
        for number in [0, 15, 16, 99] {
            assert_eq!(bodies.sha256(number), hex::encode(Sha256::digest(bodies.body(number))));
        }
    }

    #[test]
    fn few_large_and_many_small_bodies_are_cached_and_an_empty_one_is_possible() {
        assert_eq!((Bodies::new(1, 32 << 20).cached(), Bodies::new(1, 4096).cached()), (4, CACHED_BODIES));
        assert!(Bodies::new(1, 0).body(3).is_empty());
    }
}
