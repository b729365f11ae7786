//! Tests of the reshard plan: every byte of the state is read exactly as often as needed.

use proptest::prelude::*;

use super::super::checkpoint::tests::shape;
use super::super::restore::restore;
use super::*;

const MINI: [u64; 6] = [256, 896, 8, 2, 8, 8192];

/// A part of the state, whichever objects hold it or a copy of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Tensor of a layer; whether every tensor rank needs it whole.
    Weights { layer: u64, tensor: usize, is_whole: bool },
    /// A tensor of the optimiser.
    Moment(u64),
    /// The group of such a tensor, which every rank needs whole.
    Group(u64),
}

/// What a run of bytes of an object is: which state, and where in it.
struct Segment {
    bytes: ByteRange,
    state: State,
    at: u64,
}

/// Every byte of every object, as part of the state.
fn segments(source: &CheckpointShape) -> BTreeMap<String, Vec<Segment>> {
    let mut all: BTreeMap<String, Vec<Segment>> = BTreeMap::new();
    let (held, group) = (source.moment_numbers() * MOMENT_BYTES, GROUP_VECTORS * source.model.hidden * MOMENT_BYTES);
    for rank in 0..source.parallelism.ranks() {
        for moment in 0..MOMENTS {
            let start = moment * (held + group);
            let own = all.entry(optimizer_name(rank)).or_default();
            own.push(Segment { bytes: ByteRange { start, len: held }, state: State::Moment(moment), at: u64::from(rank) * held });
            own.push(Segment { bytes: ByteRange { start: start + held, len: group }, state: State::Group(moment), at: 0 });
        }
        let (tensor_rank, stage, copy) = source.parallelism.place(rank);
        let is_three = source.zero == ZeroStage::Three;
        let mut start = 0;
        for layer in source.layers_of(stage).filter(|_| copy == 0 || is_three) {
            start = if is_three { start } else { 0 };
            for (tensor, kind) in source.model.tensors(layer).into_iter().enumerate() {
                let len = source.held(kind) * WEIGHT_BYTES;
                let index = if kind.1 { u64::from(tensor_rank) * source.copies_split() } else { 0 } + if is_three { u64::from(copy) } else { 0 };
                let object = if is_three { model_name(rank) } else { layer_name(layer, tensor_rank) };
                let state = State::Weights { layer, tensor, is_whole: !kind.1 };
                all.entry(object).or_default().push(Segment { bytes: ByteRange { start, len }, state, at: index * len });
                start += len;
            }
        }
    }
    all
}

/// The state that a plan reads: for each part the borders at which the number of readers changes.
fn depth(source: &CheckpointShape, plan: &[RankReads]) -> BTreeMap<State, BTreeMap<u64, i64>> {
    let segments = segments(source);
    let mut depth: BTreeMap<State, BTreeMap<u64, i64>> = BTreeMap::new();
    for read in plan.iter().flat_map(|rank| &rank.reads) {
        let mut left = read.range.len;
        for Segment { bytes, state, at } in &segments[&read.object] {
            let (start, end) = (read.range.start.max(bytes.start), read.range.end().min(bytes.end()));
            if start < end {
                let borders = depth.entry(*state).or_default();
                *borders.entry(at + start - bytes.start).or_default() += 1;
                *borders.entry(at + end - bytes.start).or_default() -= 1;
                left -= end - start;
            }
        }
        assert_eq!(left, 0, "{source}: {read:?} reads more than the object holds");
    }
    depth
}

/// The size of each part of the state.
fn sizes(source: &CheckpointShape) -> BTreeMap<State, u64> {
    let mut sizes: BTreeMap<State, u64> = BTreeMap::new();
    for segment in segments(source).values().flatten() {
        let size = sizes.entry(segment.state).or_default();
        *size = (*size).max(segment.at + segment.bytes.len);
    }
    sizes
}

/// Least and most readers of the bytes from 0 to `size`.
fn readers(borders: &BTreeMap<u64, i64>, size: u64) -> (i64, i64) {
    let (mut least, mut most, mut at, mut open) = (i64::MAX, 0, 0, 0);
    for (border, change) in borders.iter().chain([(&size, &0)]) {
        if *border > at {
            (least, most) = (least.min(open), most.max(open));
        }
        open += change;
        at = *border;
    }
    (least, most)
}

fn check(source: &CheckpointShape, parallelism: Parallelism, zero: ZeroStage, herd: bool) {
    let plan = reshard(source, parallelism, zero, herd);
    assert_eq!(plan.len(), parallelism.ranks() as usize);
    let (depth, tensor) = (depth(source, &plan), i64::from(parallelism.tensor));
    let copies = if zero == ZeroStage::One && herd { i64::from(parallelism.data) } else { 1 };
    for (state, size) in sizes(source) {
        let expected = match state {
            State::Moment(_) => 1,
            State::Group(_) => i64::from(parallelism.ranks()),
            State::Weights { is_whole: true, .. } => copies * tensor,
            State::Weights { is_whole: false, .. } => copies,
        };
        assert_eq!(readers(&depth[&state], size), (expected, expected), "{source} -> {parallelism} {zero}: {state:?}");
    }
}

const ALONE: Parallelism = Parallelism { tensor: 1, pipeline: 1, data: 1 };

#[test]
fn one_rank_reads_every_byte_of_the_state_exactly_once() {
    for source in [shape(MINI, (2, 2, 2), ZeroStage::One), shape(MINI, (1, 1, 8), ZeroStage::Three), shape(MINI, (2, 1, 4), ZeroStage::Three)] {
        let plan = reshard(&source, ALONE, ZeroStage::One, true);
        let groups = MOMENTS * GROUP_VECTORS * source.model.hidden * MOMENT_BYTES;
        assert_eq!(plan[0].bytes(), source.model.parameters() * 14 + groups, "{source}: 14 B per parameter");
        let (depth, sizes) = (depth(&source, &plan), sizes(&source));
        assert!(sizes.iter().all(|(state, size)| readers(&depth[state], *size) == (1, 1)), "{source}");
    }
}

#[test]
fn the_same_parallelism_reads_what_a_restore_reads() {
    for source in [shape(MINI, (2, 2, 2), ZeroStage::One), shape(MINI, (2, 1, 4), ZeroStage::Three)] {
        let whole = |plan: Vec<RankReads>| -> Vec<Vec<ObjectRange>> {
            plan.into_iter()
                .map(|mut rank| {
                    rank.reads.sort();
                    rank.reads
                })
                .collect()
        };
        assert_eq!(whole(reshard(&source, source.parallelism, source.zero, true)), whole(restore(&source, None, 0, true)), "{source}");
    }
}

#[test]
fn the_reshard_of_the_scenario_reads_each_half_where_it_lies() {
    let source = shape(MINI, (2, 2, 2), ZeroStage::One);
    let plan = reshard(&source, Parallelism { tensor: 1, pipeline: 2, data: 4 }, ZeroStage::One, true);
    assert_eq!(plan.len(), 8);
    let first = &plan[0].reads;
    let of = |name: &str| first.iter().filter(|read| read.object == name).map(|read| read.range.len).sum::<u64>();
    // Both halves of the embedding, whole; of the second half of a layer all but its norms.
    let embedding = 8192 * 256 * 2;
    assert_eq!(of(&layer_name(0, 0)) + of(&layer_name(0, 1)), embedding);
    assert_eq!(of(&layer_name(1, 0)), source.layer_bytes(1));
    assert_eq!(of(&layer_name(1, 1)), source.layer_bytes(1) - 2 * 256 * 2);
    assert_eq!(of(&layer_name(5, 0)), 0, "of the other stage");
}

#[test]
fn a_byte_that_is_not_read_or_read_twice_is_noticed() {
    let borders = BTreeMap::from([(0, 1), (10, -1), (20, 2), (30, -2)]);
    assert_eq!((readers(&borders, 30), readers(&BTreeMap::from([(0, 1), (10, -1)]), 11)), ((0, 2), (0, 1)));
    let source = shape(MINI, (2, 2, 2), ZeroStage::One);
    let mut plan = reshard(&source, ALONE, ZeroStage::One, true);
    plan[0].reads[5].range.len -= 1;
    let found = depth(&source, &plan);
    assert_eq!(sizes(&source).iter().filter(|(state, size)| readers(&found[state], **size) != (1, 1)).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_reshard_reads_every_byte_of_the_state(
        (heads, each, layers) in (1u64..5, 4u64..9, 1u64..6),
        source in (1u32..4, 1u32..4, 1u32..4),
        target in (1u32..5, 1u32..4, 1u32..5),
        zeros in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let of = |is_three: bool| if is_three { ZeroStage::Three } else { ZeroStage::One };
        let stages = |stages: u32, zero: ZeroStage| if zero == ZeroStage::Three { 1 } else { stages.min(layers as u32) };
        let (written, read) = (of(zeros.0), of(zeros.1));
        let source = shape([heads * each * 4, 97, heads, 1, layers, 61], (source.0, stages(source.1, written), source.2), written);
        prop_assume!(source.validate().is_ok());
        let parallelism = Parallelism { tensor: target.0, pipeline: stages(target.1, read), data: target.2 };
        check(&source, parallelism, read, zeros.2);
    }
}
