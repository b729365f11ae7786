//! Tests of the programs: the shipped scenarios have the sizes that they are meant to have, and estimates are upper bounds of the plans.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::config::{Root, Scale, ScenarioSpec, load_scenario, stem, toml_stems};
use crate::model::ScenarioId;
use crate::model::ai::{CheckpointShape, epoch_order};
use crate::units::Bytes;

fn root() -> Root {
    Root::new(env!("CARGO_MANIFEST_DIR"))
}

fn spec(id: &str, scale: Scale) -> ProgramSpec {
    match load_scenario(&root(), &ScenarioId(format!("throughput/{id}")), scale).unwrap().spec {
        ScenarioSpec::Program(spec) => spec,
        other => panic!("{id}: {other:?}"),
    }
}

fn default(id: &str) -> ProgramSpec {
    spec(id, Scale::Default)
}

fn dataloader(id: &str, scale: Scale) -> Dataloader {
    match spec(id, scale).program {
        Program::Dataloader(program) => program,
        Program::Interference(program) => program.dataloader,
        other => panic!("{id}: {other:?}"),
    }
}

const IDS: [&str; 16] = [
    "a01-unet3d",
    "a02-resnet50",
    "a03-cosmoflow",
    "a04-retinanet",
    "a05-dlrm",
    "a05-flux",
    "a06-token-windows",
    "a07-checkpoint-zero3",
    "a08-checkpoint-zero1",
    "a09-restore",
    "a10-reshard",
    "a11-interference",
    "a12-retention",
    "a13-model-load",
    "a14-kv-cache",
    "a17-list-storm",
];

fn estimate(spec: &ProgramSpec) -> Estimate {
    spec.estimate(spec.times(None, None))
}

#[test]
fn every_shipped_program_is_valid_at_both_scales_and_fits_a_small_machine_at_its_own() {
    let found: Vec<String> = toml_stems(&root().scenarios().join("throughput")).into_iter().filter(|id| id.starts_with("a")).collect();
    assert_eq!(found, IDS);
    let mut seconds = 0.0;
    for id in IDS {
        let (own, larger) = (default(id), spec(id, Scale::Scale));
        assert_eq!(own.head.code, format!("A{}", id[1..3].trim_start_matches('0')), "{id}");
        let (small, large) = (estimate(&own), estimate(&larger));
        assert!(small.stored_bytes > 0 && small.stored_bytes <= 1 << 30, "{id}: {}", small.stored_bytes);
        assert!(large.stored_bytes > small.stored_bytes && large.duration_s > small.duration_s, "{id}");
        assert!(!own.cells().is_empty() && !larger.cells().is_empty());
        seconds += small.duration_s;
    }
    // Three repeats within 40 minutes.
    assert!(seconds * 3.0 < 2400.0, "{seconds}");
}

#[test]
fn the_mini_training_scenarios_keep_the_sizes_of_the_catalogue() {
    let a1 = dataloader("a01-unet3d", Scale::Default);
    assert_eq!((a1.demand_mib_per_s().round(), a1.dataset().bytes() >> 20), (77.0, 611));
    assert_eq!(a1.steps_per_epoch(Access::WholeObject, 2), 80);
    let spread = a1.dataset().effective_sd() / a1.record_size.0 as f64;
    assert!((spread - 0.33).abs() < 0.005 && (a1.compute_time.0.as_secs_f64() - 0.05).abs() < 0.0005, "{spread}");
    let a2 = dataloader("a02-resnet50", Scale::Default);
    assert_eq!(
        (a2.files, a2.samples_per_file, a2.record_size, a2.batch, a2.compute_time.to_string().as_str()),
        (48, 128, Bytes(14_332), 32, "18 ms")
    );
    let a3 = dataloader("a03-cosmoflow", Scale::Default);
    assert_eq!((a3.files, a3.record_size, a3.batch, a3.compute_time.to_string().as_str()), (800, Bytes(176_780), 1, "3500 us"));
    assert_eq!(a3.accelerators, [2]);
    let a4 = dataloader("a04-retinanet", Scale::Default);
    assert_eq!((a4.files, a4.record_size, a4.batch, a4.compute_time.to_string().as_str()), (2400, Bytes(80_739), 24, "47550 us"));
    for id in ["a05-flux", "a05-dlrm"] {
        let a5 = dataloader(id, Scale::Default);
        let file = a5.samples_per_file * a5.record_size.0;
        assert_eq!((a5.files, (file as f64 / 1e6).round(), a5.compute_time.to_string().as_str()), (4, 75.0, "37500 us"), "{id}");
    }
    assert_eq!(dataloader("a05-flux", Scale::Default).demand_mib_per_s().round(), 73.0);
    assert_eq!(dataloader("a11-interference", Scale::Default), a1);
}

#[test]
fn the_larger_training_scenarios_are_those_of_mlperf_storage() {
    for (id, demand, files, samples, epochs, au_min) in [
        ("a01-unet3d", 3030.0, 7200, 1, 5, 0.90),
        ("a02-resnet50", 195.0, 1024, 1251, 5, 0.90),
        ("a03-cosmoflow", 771.0, 524_288, 1, 5, 0.70),
        ("a04-retinanet", 155.0, 1_170_301, 1, 8, 0.85),
        ("a05-flux", 73.0, 4296, 288, 1, 0.90),
        ("a05-dlrm", 31_708.0, 8, 4_718_592, 1, 0.70),
    ] {
        let program = dataloader(id, Scale::Scale);
        let found = (program.demand_mib_per_s().round(), program.files, program.samples_per_file, program.epochs, program.au_min);
        assert_eq!(found, (demand, files, samples, epochs, au_min), "{id}");
    }
    let dlrm = dataloader("a05-dlrm", Scale::Scale);
    let projected: u64 = dlrm.reads(dlrm.access[0], 0, 0).iter().map(|read| read.range.len).sum();
    let share = projected as f64 / (6144.0 * 761.0);
    // About 160 of 761 B: the fifth of its columns.
    assert!((share * dlrm.demand_mib_per_s() - 6340.0).abs() < 10.0, "{share}");
}

#[test]
fn the_checkpoint_scenarios_have_the_catalogues_objects() {
    let size = |id: &str, scale| match spec(id, scale).program {
        Program::Checkpoint(program) => program.shape.iter().map(|shape| program.size(shape)).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(size("a07-checkpoint-zero3", Scale::Default), [(154_324_480, 16)]);
    assert_eq!(size("a08-checkpoint-zero1", Scale::Default), [(154_333_184, 30)]);
    assert_eq!(size("a12-retention", Scale::Default), [(154_324_480, 16)]);
    let gib = |sizes: Vec<(u64, u64)>| sizes.iter().map(|(bytes, _)| (*bytes as f64 / f64::from(1 << 30) * 10.0).round() / 10.0).collect::<Vec<_>>();
    assert_eq!(gib(size("a07-checkpoint-zero3", Scale::Scale)), [104.7, 113.9]);
    assert_eq!(gib(size("a08-checkpoint-zero1", Scale::Scale)), [98.5, 143.7]);
    let Program::Checkpoint(a12) = default("a12-retention").program else { panic!() };
    assert_eq!((a12.rounds, (1..=6).filter_map(|round| a12.expired(round)).collect::<Vec<_>>()), (6, vec![1, 2, 3]));
}

#[test]
fn the_other_scenarios_have_the_catalogues_sizes() {
    let Program::Windows(a6) = default("a06-token-windows").program else { panic!() };
    assert_eq!((a6.object_size, a6.window(Bytes::mib(1)).bytes, a6.read_ahead.len()), (Bytes::mib(128), (2048, 8192), 2));
    let Program::ModelLoad(a13) = default("a13-model-load").program else { panic!() };
    assert_eq!((a13.size.as_slice(), a13.readers.as_slice()), ([Bytes::mib(64)].as_slice(), [8].as_slice()));
    let chunks = |scale| match spec("a14-kv-cache", scale).program {
        Program::KvCache(program) => program.model.iter().map(|model| program.chunk(model)).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!((chunks(Scale::Default), chunks(Scale::Scale)), (vec![Bytes::mib(1)], vec![Bytes::mib(32), Bytes::mib(80)]));
    let Program::ListStorm(a17) = default("a17-list-storm").program else { panic!() };
    assert_eq!((a17.keys, a17.pages(), a17.ranks), (5000, 5, vec![8]));
}

#[test]
fn cells_are_named_by_what_varies() {
    let names = |id: &str| default(id).cells().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names("a01-unet3d"), ["dataloader whole-object x2"]);
    assert_eq!(names("a02-resnet50")[3], "dataloader shard-stream[256 KiB] x2");
    assert_eq!(names("a05-dlrm"), ["dataloader columns[40/200 gap 0 B] x1", "dataloader columns[40/200 gap 1 MiB] x1"]);
    assert_eq!(names("a06-token-windows"), ["windows ahead 0 B x8", "windows ahead 1 MiB x8"]);
    assert_eq!(names("a07-checkpoint-zero3"), ["checkpoint T1P1D8 ZeRO-3 h256 L8"]);
    assert_eq!(names("a09-restore")[1], "restore T1P1D8 ZeRO-3 h256 L8 shift 4");
    assert_eq!(names("a10-reshard"), ["reshard T2P2D2 ZeRO-1 h256 L8 to T1P2D4 ZeRO-1"]);
    assert_eq!(names("a11-interference"), ["dataloader whole-object x2 beside checkpoint T1P1D8 ZeRO-3 h256 L8"]);
    assert_eq!(names("a13-model-load"), ["model-load 64 MiB by tensor x8", "model-load 64 MiB by 8 MiB x8"]);
    assert_eq!(names("a14-kv-cache"), ["kv-cache 1 MiB x1", "kv-cache 1 MiB x8"]);
    assert_eq!(names("a17-list-storm"), ["list-storm x8"]);
}

#[test]
fn the_reads_of_all_units_cover_every_file_once() {
    for (id, access) in ["a02-resnet50", "a05-flux", "a01-unet3d"].iter().flat_map(|id| {
        let program = dataloader(id, Scale::Default);
        program.access.into_iter().map(move |access| (*id, access))
    }) {
        let program = dataloader(id, Scale::Default);
        let mut next = std::collections::BTreeMap::new();
        for read in (0..program.units(access)).flat_map(|unit| program.reads(access, 7, unit)) {
            let at = next.entry(read.object).or_insert(0);
            assert_eq!(read.range.start, *at, "{id} {access}");
            *at = read.range.end();
        }
        for file in 0..program.files {
            assert_eq!(next[&program.file_name(file)], program.dataset().file_bytes(7, file), "{id} {access}");
        }
    }
}

#[test]
fn joining_column_chunks_saves_requests_and_costs_bytes() {
    let dlrm = dataloader("a05-dlrm", Scale::Default);
    let [alone, joined] = [dlrm.access[0], dlrm.access[1]].map(|access| dlrm.reads(access, 7, 17));
    assert_eq!((alone.len(), joined.len()), (40, 1));
    let bytes = |reads: &[crate::model::ai::ObjectRange]| reads.iter().map(|read| read.range.len).sum::<u64>();
    assert!(alone.iter().all(|read| (23_377..=23_378).contains(&read.range.len)) && bytes(&alone) < bytes(&joined));
    let group = 6144 * 761;
    assert!(alone.iter().chain(&joined).all(|read| read.object == "train/00000001" && read.range.start >= group && read.range.end() <= 2 * group));
}

#[test]
fn the_estimate_is_an_upper_bound_of_what_a_whole_run_of_the_plan_sends() {
    let spec = default("a01-unet3d");
    let program = dataloader("a01-unet3d", Scale::Default);
    let reads: Vec<_> =
        (0..2).flat_map(|rank| epoch_order(1120, (rank, 2), true, 7, 0)).flat_map(|unit| program.reads(Access::WholeObject, 7, unit)).collect();
    let (found, bytes) = (estimate(&spec), reads.iter().map(|read| read.range.len).sum::<u64>());
    assert_eq!((found.requests["GetObject"], found.requests["PutObject"]), (reads.len() as u64, 1120));
    assert!(found.download_bytes >= bytes && found.stored_bytes >= bytes && found.stored_bytes < bytes * 11 / 10);

    let shorter = spec.estimate(spec.times(Some(Span(Duration::from_secs(1))), None));
    assert!(shorter.requests["GetObject"] < found.requests["GetObject"] && shorter.duration_s < found.duration_s);

    // Both shapes are written once: 16 and 30 objects. Each of four cells reads twice, the herd its weights more often.
    let restored = estimate(&default("a09-restore"));
    assert_eq!(restored.requests["PutObject"], 46);
    assert_eq!(restored.stored_bytes, 154_324_480 + 154_333_184);
    assert!(restored.download_bytes >= 4 * restored.stored_bytes);

    let kept = estimate(&default("a12-retention"));
    assert_eq!((kept.requests["PutObject"], kept.requests["DeleteObject"], kept.stored_bytes), (96, 96, 4 * 154_324_480));
    let listed = estimate(&default("a17-list-storm"));
    assert_eq!((listed.requests["ListObjectsV2"], listed.requests["PutObject"]), (8 * 5 * 3, 5000));
    let loaded = estimate(&default("a13-model-load"));
    assert_eq!(loaded.requests["GetObject"], 2 * 8 * (77 + 2 + 75u64.div_ceil(9)));
    let storm = estimate(&default("a06-token-windows"));
    assert_eq!((storm.requests["UploadPart"], storm.requests["CompleteMultipartUpload"]), (2, 1));
}

#[test]
fn a_profile_shortens_a_program_and_never_prolongs_it() {
    let a14 = default("a14-kv-cache");
    let s = |seconds| Some(Span(Duration::from_secs(seconds)));
    let times = a14.times(s(2), s(3));
    assert_eq!((times.duration.as_secs(), times.warm_up.as_secs()), (2, 3));
    assert_eq!(a14.times(s(3600), None).duration.as_secs(), 10);
    assert!(default("a01-unet3d").times(None, s(3)).warm_up.is_zero(), "its first step is left out instead");
}

#[test]
fn the_needed_objects_of_a_part_of_the_ranks_are_those_that_it_reads() {
    let Program::Restore(mut a9) = default("a09-restore").program else { panic!() };
    a9.ranks = Some(2);
    let shape: CheckpointShape = a9.shape[1];
    let plan = a9.reads(&shape, None, 4);
    assert_eq!(plan.len(), 2);
    let needed = a9.needed(&shape, &plan);
    // Ranks 4 and 5 are the second copy of the first stage: their optimiser and the first copy's embedding and four layers.
    let names: Vec<&str> = needed.iter().map(|object| object.name.as_str()).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("optimizer/")).collect::<Vec<_>>(), [&"optimizer/rank-00004", &"optimizer/rank-00005"]);
    assert_eq!(names.len(), 2 + 2 * 5);
    assert!(plan.iter().flat_map(|rank| &rank.reads).all(|read| read.range.len <= 16 << 20));
}

/// A shipped file with one change, as the reader judges it.
fn changed(id: &str, from: &str, to: &str) -> String {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/throughput/{id}.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.split("\n[scale]").next().unwrap().to_owned();
    let new = text.replacen(from, to, 1);
    assert_ne!(new, text, "{}: {from}", stem(&file));
    super::super::scenario::throughput(&file, &new, Scale::Default).unwrap_err().field.unwrap_or_default()
}

#[test]
fn what_no_program_can_run_with_is_refused_by_field() {
    for (id, from, to, field) in [
        ("a01-unet3d", "batch = 7", "batch = 0", "dataloader.batch"),
        ("a01-unet3d", "accelerators = [2]", "accelerators = []", "dataloader.accelerators"),
        ("a01-unet3d", "accelerators = [2]", "accelerators = [100]", "dataloader.accelerators"),
        ("a01-unet3d", "\"49.6875 ms\"", "\"0 s\"", "dataloader.compute_time"),
        ("a01-unet3d", "au_min = 0.90", "au_min = 90", "dataloader.au_min"),
        ("a01-unet3d", "[\"whole-object\"]", "[\"whole\"]", "dataloader.access"),
        ("a05-flux", "rows = 48", "rows = 49", "dataloader.access"),
        ("a05-flux", "batch = 48", "batch = 48\nrecord_sd = \"9 B\"", "dataloader.record_sd"),
        ("a05-dlrm", "projected = 40", "projected = 201", "dataloader.access"),
        ("a06-token-windows", "window_min = \"2 KiB\"", "window_min = \"9 KiB\"", "windows.window_min"),
        ("a06-token-windows", "window_max = \"8 KiB\"", "window_max = \"1 GiB\"", "windows.window_max"),
        ("a06-token-windows", "\"128 MiB\"", "\"1 TiB\"", "windows.part_size"),
        ("a07-checkpoint-zero3", "keep = 1", "keep = 0", "checkpoint.keep"),
        ("a07-checkpoint-zero3", "keep = 1", "keep = 1\npart_size = \"1 MiB\"", "checkpoint.part_size"),
        ("a07-checkpoint-zero3", "keep = 1", "keep = 1\nranks = 0", "checkpoint.ranks"),
        ("a07-checkpoint-zero3", "zero = 3", "zero = 2", "checkpoint.shape.zero"),
        ("a07-checkpoint-zero3", "pipeline = 1", "pipeline = 2", "checkpoint.shape"),
        ("a10-reshard", "range_size = \"16 MiB\"", "range_size = \"16 MiB\"\nrank_shift = [1]", "restore.rank_shift"),
        ("a10-reshard", "tensor = 1, pipeline = 2, data = 4", "tensor = 1, pipeline = 9, data = 4", "restore.target"),
        ("a11-interference", "mtbf = \"185.6 min\"", "young = true", "interference.young"),
        ("a11-interference", "keep = 1", "keep = 1\npause = \"1 s\"", "interference.checkpoint.pause"),
        ("a11-interference", "accelerators = [2]", "accelerators = [100]", "interference.dataloader.accelerators"),
        ("a13-model-load", "tensors = 75", "tensors = 75\nheader = \"8 B\"", "model_load.header"),
        ("a13-model-load", "tensors = 75", "tensors = 100000000", "model_load.tensors"),
        ("a14-kv-cache", "head_dim = 64", "head_dim = 0", "kv_cache.model"),
        ("a14-kv-cache", "concurrency = [1, 8]", "concurrency = [8, 8]", "kv_cache"),
        ("a17-list-storm", "passes = 3", "page_size = 1001", "list_storm.page_size"),
    ] {
        assert_eq!(changed(id, from, to), field, "{id}: {to}");
    }
}

#[test]
fn youngs_interval_takes_over_only_where_it_is_asked_for() {
    let Program::Interference(own) = default("a11-interference").program else { panic!() };
    assert_eq!(own.interval_after(Duration::from_secs(50)).as_secs(), 5);
    let young = Interference { young: true, mtbf: Some(Span(Duration::from_secs(10_000))), ..own };
    assert_eq!(young.interval_after(Duration::from_secs(50)).as_secs(), 1000);
}
