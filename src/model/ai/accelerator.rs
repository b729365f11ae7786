//! How well accelerators are fed: utilisation (AU), throughput, and the rate that they demand, as MLPerf Storage defines them.
//!
//! The main function is [`run_use`], from a log of steps. The rules are those of MLPerf Storage 2.0 (3.3.2) and of DLIO, its load generator:
//! the first step of a block counts neither as computing nor as time; waiting at the barrier is time; what lies between two blocks (a
//! checkpoint) is neither.

use std::time::Duration;

use serde::Serialize;

/// Steps at the beginning of a block that utilisation leaves out: the pipeline is still empty.
const STEPS_EXCLUDED: usize = 1;
/// Steps that DLIO leaves out of its throughput, whatever it leaves out of the time.
const STEPS_NOT_COUNTED: usize = 2;
/// Steps of each accelerator that the data set must hold for an epoch.
const STEPS_MIN: u64 = 500;
/// The data set is at least this many times as large as the memory of all hosts, so that it is not cached.
const MEMORY_TIMES_MIN: u64 = 5;

/// One step of one rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct StepTimes {
    /// Waiting for the batch.
    pub load: Duration,
    /// Computing: the sleep as it was measured, longer than what was asked for.
    pub compute: Duration,
    /// Waiting for the other ranks.
    pub barrier: Duration,
}

/// Steps without a checkpoint between them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Block {
    /// In their order.
    pub steps: Vec<StepTimes>,
    /// From the start of the block to its end, on the rank's clock.
    pub elapsed: Duration,
}

/// What a rank made of a block or an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct RankUse {
    /// Computing over time, 0 to 1.
    pub au: f64,
    /// Samples each second, with the two steps that DLIO does not count.
    pub samples_per_s: f64,
}

impl Block {
    /// Utilisation and throughput. `None` where no step is left after the first one: there is nothing to judge.
    pub fn rank_use(&self, batch: u64) -> Option<RankUse> {
        let computing: Duration = self.steps.get(STEPS_EXCLUDED..)?.iter().map(|step| step.compute).sum();
        let excluded: Duration = self.steps[..STEPS_EXCLUDED].iter().map(|step| step.load + step.compute).sum();
        let time = self.elapsed.saturating_sub(excluded);
        if computing.is_zero() || time.is_zero() {
            return None;
        }
        let counted = self.steps.len().saturating_sub(STEPS_NOT_COUNTED) as f64;
        Some(RankUse { au: computing.as_secs_f64() / time.as_secs_f64(), samples_per_s: counted * batch as f64 / time.as_secs_f64() })
    }
}

/// One epoch over all ranks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EpochUse {
    /// Mean of the ranks, 0 to 1.
    pub au: f64,
    /// Sum of the ranks.
    pub samples_per_s: f64,
}

/// A run over all ranks and epochs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunUse {
    /// Mean of the epochs, 0 to 1.
    pub au: f64,
    /// Mean of the epochs.
    pub samples_per_s: f64,
    /// Each epoch.
    pub epochs: Vec<EpochUse>,
    /// Share of the ranks' time spent waiting for a batch, first steps left out.
    pub load_share: f64,
    /// Share of the ranks' time spent waiting for the others, first steps left out.
    pub barrier_share: f64,
}

/// The mean of a rank's blocks, weighted by their steps. Blocks in which nothing can be judged weigh nothing.
fn epoch_of(blocks: &[Block], batch: u64) -> Option<RankUse> {
    let judged: Vec<(f64, RankUse)> = blocks.iter().filter_map(|block| Some((block.steps.len() as f64, block.rank_use(batch)?))).collect();
    let steps: f64 = judged.iter().map(|(steps, _)| steps).sum();
    let mean = |value: fn(&RankUse) -> f64| judged.iter().map(|(steps, each)| steps * value(each)).sum::<f64>() / steps;
    (steps > 0.0).then(|| RankUse { au: mean(|each| each.au), samples_per_s: mean(|each| each.samples_per_s) })
}

/// Utilisation and throughput of a run: `epochs[e][r]` are the blocks of rank `r` in epoch `e`.
///
/// Each block by [`Block::rank_use`]; a rank's epoch is the mean of its blocks, weighted by steps; an epoch is the mean over the ranks
/// (throughput: their sum); the run is the mean over the epochs. `None` where an epoch has a rank without anything to judge.
pub fn run_use(epochs: &[Vec<Vec<Block>>], batch: u64) -> Option<RunUse> {
    let mut judged = Vec::new();
    for ranks in epochs {
        let uses = ranks.iter().map(|blocks| epoch_of(blocks, batch)).collect::<Option<Vec<RankUse>>>()?;
        let au = uses.iter().map(|each| each.au).sum::<f64>() / uses.len() as f64;
        judged.push(EpochUse { au, samples_per_s: uses.iter().map(|each| each.samples_per_s).sum() });
    }
    let count = judged.len() as f64;
    let mean = |value: fn(&EpochUse) -> f64| judged.iter().map(value).sum::<f64>() / count;
    let steps = || epochs.iter().flatten().flatten().flat_map(|block| block.steps.iter().skip(STEPS_EXCLUDED));
    let whole: Duration = steps().map(|step| step.load + step.compute + step.barrier).sum();
    let share = |part: fn(&StepTimes) -> Duration| steps().map(part).sum::<Duration>().as_secs_f64() / whole.as_secs_f64();
    let (load_share, barrier_share) = (share(|step| step.load), share(|step| step.barrier));
    let (au, samples_per_s) = (mean(|epoch| epoch.au), mean(|epoch| epoch.samples_per_s));
    au.is_finite().then_some(RunUse { au, samples_per_s, load_share, barrier_share, epochs: judged })
}

const MIB: f64 = (1u64 << 20) as f64;

/// What one accelerator demands when it never waits, in MiB/s: `batch * record / compute`.
pub fn demand_mib_per_s(batch: u64, record_bytes: u64, compute: Duration) -> f64 {
    batch as f64 * record_bytes as f64 / compute.as_secs_f64() / MIB
}

/// GETs each second of one accelerator that never waits, when each file is one GET.
pub fn gets_per_s(batch: u64, samples_per_file: u64, compute: Duration) -> f64 {
    batch as f64 / samples_per_file as f64 / compute.as_secs_f64()
}

/// The I/O rate that belongs to a throughput, in MiB/s. It counts the nominal record, not the bytes that were moved.
pub fn io_mib_per_s(samples_per_s: f64, record_bytes: u64) -> f64 {
    samples_per_s * record_bytes as f64 / MIB
}

/// Samples that the data set must hold at least: `max(500*batch*accelerators, 5*memory/record)`, with the memory of all hosts together.
pub fn minimum_samples(batch: u64, accelerators: u64, memory_bytes: u64, record_bytes: u64) -> u64 {
    (STEPS_MIN * batch * accelerators).max((MEMORY_TIMES_MIN * memory_bytes).div_ceil(record_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(steps: &[(u64, u64, u64)], elapsed: u64) -> Block {
        let ms = Duration::from_millis;
        let steps =
            steps.iter().map(|(load, compute, barrier)| StepTimes { load: ms(*load), compute: ms(*compute), barrier: ms(*barrier) }).collect();
        Block { steps, elapsed: ms(elapsed) }
    }

    /// Three steps of 100 ms computing: the first waits long; 50 ms of loading and 30 ms of barrier are left beside it.
    fn hand_computed() -> Block {
        block(&[(900, 100, 10), (20, 100, 10), (30, 100, 10)], 1280)
    }

    #[test]
    fn the_first_step_is_left_out_and_its_barrier_is_not() {
        // 1280 - (900 + 100) = 280 ms; computing 200 ms; one counted step of four samples.
        let used = hand_computed().rank_use(4).unwrap();
        assert!((used.au - 200.0 / 280.0).abs() < 1e-12);
        assert!((used.samples_per_s - 4.0 / 0.280).abs() < 1e-9);
        assert_eq!(block(&[(900, 100, 10)], 1010).rank_use(4), None);
        assert_eq!(block(&[], 0).rank_use(4), None);
    }

    #[test]
    fn an_epoch_is_the_mean_of_its_blocks_weighted_by_steps_and_a_run_that_of_its_epochs() {
        // The second block: 5 steps, 1000 - 200 = 800 ms, computing 400 ms -> 0.5; 3 counted steps.
        let second = block(&[(100, 100, 0), (100, 100, 0), (100, 100, 0), (100, 100, 0), (100, 100, 0)], 1000);
        let first_au = 200.0 / 280.0;
        let epoch_au = (3.0 * first_au + 5.0 * 0.5) / 8.0;
        let epoch_rate = (3.0 * (4.0 / 0.28) + 5.0 * (12.0 / 0.8)) / 8.0;
        let both = vec![hand_computed(), second.clone()];
        let run = run_use(&[vec![both.clone(), both.clone()], vec![vec![second.clone()], vec![second]]], 4).unwrap();
        assert!((run.epochs[0].au - epoch_au).abs() < 1e-12 && (run.epochs[1].au - 0.5).abs() < 1e-12);
        assert!((run.epochs[0].samples_per_s - 2.0 * epoch_rate).abs() < 1e-9, "the ranks' sum");
        assert!((run.au - (epoch_au + 0.5) / 2.0).abs() < 1e-12);
        assert!((run.samples_per_s - (2.0 * epoch_rate + 2.0 * 15.0) / 2.0).abs() < 1e-9);
        // Steps without the first of each block: two first blocks (270 ms), four second ones (800 ms).
        let whole = 2.0 * 270.0 + 4.0 * 800.0;
        assert!((run.load_share - (2.0 * 50.0 + 4.0 * 400.0) / whole).abs() < 1e-12);
        assert!((run.barrier_share - 2.0 * 20.0 / whole).abs() < 1e-12);
    }

    #[test]
    fn ranks_are_averaged_and_one_without_steps_leaves_nothing_to_judge() {
        let full = block(&[(0, 100, 0), (0, 100, 0), (0, 100, 0)], 300);
        let run = run_use(&[vec![vec![full.clone()], vec![hand_computed()]]], 1).unwrap();
        assert!((run.au - (1.0 + 200.0 / 280.0) / 2.0).abs() < 1e-12);
        assert_eq!(run_use(&[vec![vec![full], vec![]]], 1), None);
        assert_eq!(run_use(&[], 1), None);
    }

    /// Name, record, samples per file, batch, (compute s, demand MiB/s)..., GET/s of the last.
    type Workload = (&'static str, u64, u64, u64, &'static [(f64, f64)], Option<f64>);
    const WORKLOADS: [Workload; 6] = [
        ("unet3d", 146_600_628, 1, 7, &[(0.636, 1539.0), (0.323, 3030.0), (0.162, 6041.0)], Some(43.0)),
        ("resnet50", 114_660, 1251, 400, &[(0.435, 101.0), (0.224, 195.0)], Some(1.4)),
        ("cosmoflow", 2_828_486, 1, 1, &[(0.00551, 490.0), (0.00350, 771.0)], Some(286.0)),
        ("retinanet", 322_957, 1, 24, &[(0.04755, 155.0)], Some(505.0)),
        ("flux", 2_164_832, 288, 48, &[(1.35, 73.0)], Some(0.12)),
        ("dlrm", 761, 4_718_592, 16_384, &[(0.000375, 31_700.0)], None),
    ];

    #[test]
    fn the_demand_and_gets_of_the_published_workloads_are_the_published_ones() {
        for (name, record, samples, batch, computes, gets) in WORKLOADS {
            for (compute, demand) in computes {
                let found = demand_mib_per_s(batch, record, Duration::from_secs_f64(*compute));
                let rounding = if name == "dlrm" { 50.0 } else { 0.5 };
                assert!((found - demand).abs() <= rounding, "{name}: {found}");
            }
            let newest = Duration::from_secs_f64(computes.last().unwrap().0);
            if let Some(gets) = gets {
                let found = gets_per_s(batch, samples, newest);
                let rounding = if gets < 1.0 {
                    0.005
                } else if gets < 10.0 {
                    0.05
                } else {
                    0.5
                };
                assert!((found - gets).abs() <= rounding, "{name}: {found}");
            }
        }
    }

    #[test]
    fn the_least_data_set_outgrows_steps_and_memory() {
        assert_eq!(minimum_samples(7, 2, 0, 146_600_628), 7000);
        assert_eq!(minimum_samples(7, 2, 1 << 40, 146_600_628), (5u64 << 40).div_ceil(146_600_628));
    }

    #[test]
    fn the_io_rate_counts_the_nominal_record() {
        assert!((io_mib_per_s(10.0, 1 << 20) - 10.0).abs() < 1e-12);
    }
}
