//! Tests of the checkpoint's objects against the published shapes and the mini ones of the scenarios.

use super::*;

pub(in super::super) fn shape(dims: [u64; 6], (tensor, pipeline, data): (u32, u32, u32), zero: ZeroStage) -> CheckpointShape {
    let [hidden, ffn, heads, kv_heads, layers, vocab] = dims;
    let model = ModelShape { hidden, ffn, heads, kv_heads, layers, vocab };
    CheckpointShape { model, parallelism: Parallelism { tensor, pipeline, data }, zero }
}

const GIB: f64 = (1u64 << 30) as f64;
const MINI: [u64; 6] = [256, 896, 8, 2, 8, 8192];

/// Rounds as the table does.
fn to(digits: i32, value: f64) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

struct Row {
    shape: CheckpointShape,
    parameters_b: (i32, f64),
    total_gib: (i32, f64),
    model_gib: (i32, f64),
    optimizer_gib: (i32, f64),
    objects: usize,
    optimizer_bytes: u64,
    rank_gib: (f64, f64),
    skew: f64,
    smallest: u64,
    layer: Option<u64>,
    parts: u64,
    first_eight_gib: f64,
}

/// 8B, 70B, 405B and 1T.
fn rows() -> Vec<Row> {
    sharded_rows().into_iter().chain(layered_rows()).collect()
}

fn sharded_rows() -> [Row; 2] {
    let three = ZeroStage::Three;
    [
        Row {
            shape: shape([4096, 14336, 32, 8, 32, 128_256], (1, 1, 8), three),
            parameters_b: (3, 8.030),
            total_gib: (1, 104.7),
            model_gib: (1, 15.0),
            optimizer_gib: (1, 89.7),
            objects: 16,
            optimizer_bytes: 12_045_637_632,
            rank_gib: (13.09, 13.09),
            skew: 1.00,
            smallest: 2_007_565_312,
            layer: None,
            parts: 1680,
            first_eight_gib: 104.7,
        },
        Row {
            shape: shape([8192, 28672, 128, 8, 80, 128_256], (8, 1, 8), three),
            parameters_b: (2, 69.88),
            total_gib: (1, 911.2),
            model_gib: (0, 130.0),
            optimizer_gib: (0, 781.0),
            objects: 128,
            optimizer_bytes: 13_103_482_368,
            rank_gib: (14.24, 14.24),
            skew: 1.00,
            smallest: 2_184_120_320,
            layer: None,
            parts: 14_656,
            first_eight_gib: 113.9,
        },
    ]
}

fn layered_rows() -> [Row; 2] {
    let one = ZeroStage::One;
    [
        Row {
            shape: shape([16384, 53248, 128, 8, 126, 128_256], (8, 32, 2), one),
            parameters_b: (2, 405.85),
            total_gib: (0, 5292.0),
            model_gib: (0, 756.0),
            optimizer_gib: (0, 4536.0),
            objects: 1544,
            optimizer_bytes: 9_513_171_840,
            rank_gib: (8.86, 12.32),
            skew: 1.19,
            smallest: 32_768,
            layer: Some(796_983_296),
            parts: 84_936,
            first_eight_gib: 98.5,
        },
        Row {
            shape: shape([25872, 98304, 192, 32, 128, 128_256], (8, 64, 2), one),
            parameters_b: (1, 1183.0),
            total_gib: (0, 15_427.0),
            model_gib: (0, 2204.0),
            optimizer_gib: (0, 13_223.0),
            objects: 2072,
            optimizer_bytes: 13_865_244_924,
            rank_gib: (12.91, 17.97),
            skew: 1.19,
            smallest: 51_744,
            layer: Some(2_297_744_064),
            parts: 248_024,
            first_eight_gib: 143.7,
        },
    ]
}

#[test]
fn the_published_shapes_have_the_published_sizes() {
    for row in rows() {
        let objects = row.shape.objects(None);
        let gib_of = |kind: fn(&&StateObject) -> bool| objects.iter().filter(kind).map(|object| object.bytes).sum::<u64>() as f64 / GIB;
        let name = row.shape.to_string();
        assert_eq!(row.shape.validate(), Ok(()), "{name}");
        assert_eq!(to(row.parameters_b.0, row.shape.model.parameters() as f64 / 1e9), row.parameters_b.1, "{name}");
        assert_eq!(to(row.total_gib.0, gib_of(|_| true)), row.total_gib.1, "{name}");
        assert_eq!(to(row.model_gib.0, gib_of(|object| object.kind != ObjectKind::Optimizer)), row.model_gib.1, "{name}");
        assert_eq!(to(row.optimizer_gib.0, gib_of(|object| object.kind == ObjectKind::Optimizer)), row.optimizer_gib.1, "{name}");
        assert_eq!(objects.len(), row.objects, "{name}");
        assert_eq!(row.shape.optimizer_bytes(), row.optimizer_bytes, "{name}");
        let ranks: Vec<f64> = row.shape.bytes_by_rank(None).iter().map(|bytes| to(2, *bytes as f64 / GIB)).collect();
        let least = ranks.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!((least, ranks.iter().copied().fold(0.0, f64::max)), row.rank_gib, "{name}");
        assert_eq!(to(2, row.shape.skew()), row.skew, "{name}");
        assert_eq!(objects.iter().map(|object| object.bytes).min(), Some(row.smallest), "{name}");
        let layer = objects.iter().find(|object| object.name == layer_name(1, 0)).map(|object| object.bytes);
        assert_eq!(layer, row.layer, "{name}");
        assert_eq!(objects.iter().map(|object| object.bytes.div_ceil(64 << 20)).sum::<u64>(), row.parts, "{name}");
        assert_eq!(to(1, row.shape.bytes_by_rank(Some(8)).iter().sum::<u64>() as f64 / GIB), row.first_eight_gib, "{name}");
    }
}

#[test]
fn the_mini_shapes_have_the_sizes_of_the_scenarios() {
    let bytes = |shape: &CheckpointShape| shape.objects(None).iter().map(|object| object.bytes).sum::<u64>();
    let zero3 = shape(MINI, (1, 1, 8), ZeroStage::Three);
    assert_eq!(to(2, zero3.model.parameters() as f64 / 1e6), 11.01);
    assert_eq!((zero3.objects(None).len(), bytes(&zero3)), (16, 154_324_480));
    let zero1 = shape(MINI, (2, 2, 2), ZeroStage::One);
    let objects = zero1.objects(None);
    let (smallest, largest) = (objects.iter().map(|o| o.bytes).min().unwrap(), objects.iter().map(|o| o.bytes).max().unwrap());
    assert_eq!((objects.len(), bytes(&zero1), smallest), (30, 154_333_184, 512));
    assert_eq!((to(1, largest as f64 / 1e6), to(2, zero1.skew())), (16.5, 1.14));
    let larger = shape([512, 1792, 8, 2, 16, 8192], (2, 2, 2), ZeroStage::One);
    assert_eq!(to(0, bytes(&larger) as f64 / 1e6), 881.0);
}

#[test]
fn every_object_has_a_name_and_a_writer_of_its_own() {
    for Row { shape, .. } in rows() {
        let objects = shape.objects(None);
        let names: std::collections::BTreeSet<&str> = objects.iter().map(|object| object.name.as_str()).collect();
        assert_eq!(names.len(), objects.len(), "{shape}");
        assert!((0..shape.parallelism.ranks()).all(|rank| shape.parallelism.rank(shape.parallelism.place(rank)) == rank));
    }
}

#[test]
fn the_stages_share_the_layers_without_a_gap() {
    let shape = shape([16384, 53248, 128, 8, 126, 128_256], (8, 32, 2), ZeroStage::One);
    let layers: Vec<u64> = (0..32).flat_map(|stage| shape.layers_of(stage)).collect();
    assert_eq!(layers, (0..=128).collect::<Vec<u64>>());
}

#[test]
fn a_shape_that_no_checkpoint_has_is_refused() {
    let refused = |dims, parallelism, zero, word: &str| {
        let reason = shape(dims, parallelism, zero).validate().unwrap_err();
        assert!(reason.contains(word), "{reason}");
    };
    refused([0, 896, 8, 2, 8, 8192], (1, 1, 8), ZeroStage::Three, "above 0");
    refused([256, 896, 2, 8, 8, 8192], (1, 1, 8), ZeroStage::Three, "kv_heads");
    refused(MINI, (1, 0, 8), ZeroStage::One, "above 0");
    refused(MINI, (1, 9, 1), ZeroStage::One, "a layer for each");
    refused(MINI, (1, 2, 1), ZeroStage::Three, "pipeline = 1");
    refused(MINI, (512, 1, 1), ZeroStage::One, "too few");
}
