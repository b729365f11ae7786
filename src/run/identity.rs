//! The run's id, its seed and the prefix that everything it creates carries.

use std::hash::{BuildHasher, Hasher};

use sha2::{Digest, Sha256};

use crate::model::RunId;

/// A new run id: the UTC time and four random hexadecimal digits.
pub fn new_run_id(now: jiff::Timestamp) -> RunId {
    RunId(format!("{}-{:04x}", now.strftime("%Y%m%dt%H%M%Sz"), draw_seed() & 0xffff))
}

/// A seed from the operating system's randomness. It is recorded: everything else derives from it.
pub fn draw_seed() -> u64 {
    // Keyed by the operating system; as a float-safe integer it survives every JSON reader.
    std::hash::RandomState::new().build_hasher().finish() >> 11
}

/// `pm-<8 hexadecimal digits>-`: what every bucket name of the run starts with. The same run always has the same one, so that
/// `clean` finds a killed run's leftovers from its id alone.
pub fn prefix(run: &RunId) -> String {
    format!("pm-{}-", &hex::encode(Sha256::digest(run.as_str()))[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_always_has_the_same_prefix_and_two_runs_of_one_second_have_different_ones() {
        let (a, b) = (RunId::from("20261121t071500z-3fa9"), RunId::from("20261121t071500z-3faa"));
        assert_eq!(prefix(&a), prefix(&a));
        assert_ne!(prefix(&a), prefix(&b));
        assert!(prefix(&a).starts_with("pm-") && prefix(&a).len() == 12);
    }

    #[test]
    fn a_run_id_begins_with_its_time() {
        let id = new_run_id("2026-11-21T07:15:00Z".parse().unwrap());
        assert!(id.as_str().starts_with("20261121t071500z-"), "{id}");
    }
}
