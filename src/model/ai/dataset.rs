//! The data set of a training job: how large its files are, and in which order its units are read.
//!
//! The main type is [`Dataset`]. Sizes follow DLIO's generator, which MLPerf Storage uses.

use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// Files of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dataset {
    /// How many files.
    pub files: u64,
    /// Samples in each.
    pub samples_per_file: u64,
    /// Nominal bytes of a sample.
    pub record_bytes: u64,
    /// Configured standard deviation of a sample's bytes. The effective one is smaller: see [`Dataset::effective_sd`].
    pub record_sd: u64,
}

impl Dataset {
    /// Nominal bytes of the whole set.
    pub fn bytes(&self) -> u64 {
        self.files * self.samples_per_file * self.record_bytes
    }
    /// The standard deviation that DLIO's law really has: a sample is an array with two sides, each drawn from N(sqrt(L), sd/(2*sqrt(L))),
    /// so that the bytes vary by about `sd / sqrt(2)`.
    pub fn effective_sd(&self) -> f64 {
        self.record_sd as f64 / std::f64::consts::SQRT_2
    }
    /// Bytes of one file; with the same seed always the same.
    pub fn file_bytes(&self, seed: u64, file: u64) -> u64 {
        if self.record_sd == 0 {
            return self.samples_per_file * self.record_bytes;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ file.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mean = (self.record_bytes as f64).sqrt();
        let (first, second) = normal_pair(&mut random);
        let side = |drawn: f64| (mean + drawn * self.record_sd as f64 / (2.0 * mean)).max(1.0);
        self.samples_per_file * (side(first) * side(second)).round().max(1.0) as u64
    }
}

/// Two independent draws from N(0, 1) (Box and Muller 1958), by `libm` so that they are the same on every machine.
fn normal_pair(random: &mut ChaCha8Rng) -> (f64, f64) {
    let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
    let length = libm::sqrt(-2.0 * libm::log(radius));
    let turn = std::f64::consts::TAU * angle;
    (length * libm::cos(turn), length * libm::sin(turn))
}

/// The units (files, shards or row groups) that a rank reads in an epoch, in its order: its contiguous slice of all units, permuted anew
/// each epoch if `shuffle` is true. What does not divide among the ranks is left out.
pub fn epoch_order(units: u64, (rank, ranks): (u32, u32), shuffle: bool, seed: u64, epoch: u32) -> Vec<u64> {
    let each = units / u64::from(ranks);
    let mut order: Vec<u64> = (each * u64::from(rank)..each * u64::from(rank + 1)).collect();
    if shuffle {
        let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(u64::from(epoch)) ^ u64::from(rank).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        order.shuffle(&mut random);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNET3D: Dataset = Dataset { files: 4000, samples_per_file: 1, record_bytes: 146_600_628, record_sd: 68_341_808 };

    #[test]
    fn the_sizes_follow_the_law_of_dlio() {
        let mut sizes: Vec<f64> = (0..UNET3D.files).map(|file| UNET3D.file_bytes(7, file) as f64 / 1e6).collect();
        let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
        let sd = (sizes.iter().map(|size| (size - mean).powi(2)).sum::<f64>() / sizes.len() as f64).sqrt();
        sizes.sort_by(f64::total_cmp);
        // Of a large sample of DLIO's: mean 146.5 MB, sd 49.0 MB, p1 50 MB, p99 277 MB.
        assert!((mean - 146.5).abs() < 3.0 && (sd - 49.0).abs() < 2.0, "{mean} {sd}");
        assert!((sizes[40] - 50.0).abs() < 6.0 && (sizes[3960] - 277.0).abs() < 10.0, "{} {}", sizes[40], sizes[3960]);
        assert!((UNET3D.effective_sd() / 1e6 - 48.3).abs() < 0.1);
    }

    #[test]
    fn the_sizes_repeat_by_seed_and_are_nominal_without_a_deviation() {
        assert_eq!(UNET3D.file_bytes(7, 3), UNET3D.file_bytes(7, 3));
        assert_ne!(UNET3D.file_bytes(7, 3), UNET3D.file_bytes(8, 3));
        let plain = Dataset { record_sd: 0, samples_per_file: 128, record_bytes: 14_332, files: 48 };
        assert_eq!((plain.file_bytes(7, 3), plain.bytes()), (128 * 14_332, 48 * 128 * 14_332));
    }

    #[test]
    fn the_ranks_share_the_units_and_each_epoch_has_an_order_of_its_own() {
        let orders: Vec<Vec<u64>> = (0..3).map(|rank| epoch_order(31, (rank, 3), true, 7, 0)).collect();
        let mut all: Vec<u64> = orders.concat();
        all.sort_unstable();
        assert_eq!(all, (0..30).collect::<Vec<u64>>());
        assert!(orders[1].iter().all(|unit| (10..20).contains(unit)));
        assert_ne!(epoch_order(31, (0, 3), true, 7, 0), epoch_order(31, (0, 3), true, 7, 1));
        assert_eq!(epoch_order(31, (1, 3), false, 7, 0), (10..20).collect::<Vec<u64>>());
    }
}
