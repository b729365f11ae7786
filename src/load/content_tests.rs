//! Tests of the contents.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const WHOLE: fn(u64, u64) -> Extent = |number, size| Extent { number, from: 0, to: size, end: size };

fn content(entropy: Entropy, stamping: Stamping) -> Content {
    Content::new(7, 100_000, entropy, stamping)
}

#[test]
fn a_body_depends_on_seed_and_number_only() {
    let bytes = |seed, number| Content::new(seed, 5000, Entropy::Random, Stamping::Blocks).bytes(WHOLE(number, 5000));
    assert_eq!(bytes(1, 5), bytes(1, 5));
    assert_ne!(bytes(1, 5), bytes(1, 6));
    assert_ne!(bytes(1, 5), bytes(2, 5));
    assert_eq!(bytes(1, 5).len(), 5000);
}

/// Blocks of 4 KiB that no other body has, of all blocks.
fn unique_share(entropy: Entropy, stamping: Stamping) -> f64 {
    let content = content(entropy, stamping);
    let bodies: Vec<Vec<u8>> = (0..8).map(|number| content.bytes(WHOLE(number, 16 * BLOCK))).collect();
    let blocks: Vec<&[u8]> = bodies.iter().flat_map(|body| body.chunks(BLOCK as usize)).collect();
    blocks.iter().collect::<BTreeSet<_>>().len() as f64 / blocks.len() as f64
}

#[test]
fn blocks_repeat_as_often_as_the_settings_say() {
    assert_eq!(unique_share(Entropy::Random, Stamping::Blocks), 1.0);
    assert_eq!(unique_share(Entropy::Compressible, Stamping::Blocks), 1.0);
    // Eight of sixteen blocks are the same in all eight bodies.
    assert_eq!(unique_share(Entropy::Duplicate, Stamping::Blocks), (8.0 * 8.0 + 8.0) / 128.0);
    assert!(unique_share(Entropy::Random, Stamping::Tail) < 0.2);
}

#[test]
fn half_of_a_compressible_body_is_zeros_and_nothing_of_a_random_one() {
    let zeros = |entropy| {
        let body = content(entropy, Stamping::Blocks).bytes(WHOLE(3, 64 * BLOCK));
        body.iter().filter(|byte| **byte == 0).count() as f64 / body.len() as f64
    };
    assert!((zeros(Entropy::Compressible) - 0.5).abs() < 0.01);
    assert!(zeros(Entropy::Random) < 0.01);
}

#[test]
fn objects_longer_than_the_base_are_compared_whole() {
    let content = Content::new(1, 20 << 20, Entropy::Random, Stamping::Blocks);
    assert_eq!(content.memory(), BASE);
    let size = BASE + 3 * BLOCK + 5;
    let mut body = content.bytes(WHOLE(2, size));
    assert!(content.matches(2, 0, size, &body));
    let last = body.len() - 1;
    body[last] ^= 1;
    assert!(!content.matches(2, 0, size, &body));
}

proptest! {
    #[test]
    fn any_piece_of_a_body_is_that_piece_and_a_flipped_bit_is_seen(
        number in 0u64..1000, size in 1u64..100_000, cut in any::<(prop::sample::Index, prop::sample::Index)>(), bit in 0u8..8,
        entropy in prop::sample::select(vec![Entropy::Random, Entropy::Compressible, Entropy::Duplicate]),
        stamping in prop::sample::select(vec![Stamping::Blocks, Stamping::Tail]),
    ) {
        let content = content(entropy, stamping);
        let whole = content.bytes(WHOLE(number, size));
        let (a, b) = (cut.0.index(size as usize), cut.1.index(size as usize));
        let (from, to) = (a.min(b), a.max(b) + 1);
        let mut piece = content.bytes(Extent { number, from: from as u64, to: to as u64, end: size });
        prop_assert_eq!(&piece, &whole[from..to]);
        prop_assert!(content.matches(number, from as u64, size, &piece));
        let at = piece.len() / 2;
        piece[at] ^= 1 << bit;
        prop_assert!(!content.matches(number, from as u64, size, &piece));
    }
}
