//! Token windows (A6): small reads at random places of one large object, with and without reading ahead.
//!
//! The main type is [`Readers`]. A window that the last request has brought along costs no request.

use std::sync::{Arc, Mutex, PoisonError};

use super::data::{Object, Sampler};
use super::{Context, record};
use crate::config::{Operation, ProgramCell, TokenWindows};
use crate::load::{Program, Request, Task, Worker};
use crate::model::ai::{Window, WindowReader};
use crate::model::{Direction, ScenarioRecord};

/// Runs a cell.
///
/// # Errors
/// When the object cannot be written or the load cannot start, the reason.
pub(super) async fn run(context: &mut Context<'_>, program: &TokenWindows, cell: &ProgramCell, record: &mut ScenarioRecord) -> Result<(), String> {
    let ProgramCell::Windows { read_ahead, readers } = *cell else { return Err(format!("{cell} is no cell of token windows")) };
    let object = Object { key: TokenWindows::OBJECT.to_owned(), number: 0, size: program.object_size.0 };
    context.prepare(std::slice::from_ref(&object), program.part_size.0).await?;
    let tasks = Arc::new(Readers {
        key: context.key(&object.key),
        size: object.size,
        window: program.window(read_ahead),
        readers,
        seed: context.seed,
        used: Mutex::default(),
    });
    let result = context.load(Arc::clone(&tasks) as Arc<dyn Program>, readers, Some(context.times.duration)).await?;
    let used = *tasks.used.lock().unwrap_or_else(PoisonError::into_inner);
    // What MSER-5 cuts is not cut here: the windows are counted where they are read, over the whole time after the warm-up.
    let (from, to) = (context.times.warm_up, result.to);
    let seconds = to.saturating_sub(from).as_secs_f64();
    let per_s = |amount: u64| (seconds > 0.0).then(|| amount as f64 / seconds);
    let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
    record::set(record, "object", program.object_size.to_string());
    record::set(record, "windows", format!("{} to {}, uniform", program.window_min, program.window_max));
    record::set(record, "read_ahead", read_ahead.to_string());
    record::set(record, "readers", readers.to_string());
    let (higher, lower, neutral) = (Direction::HigherBetter, Direction::LowerBetter, Direction::Neutral);
    let mut push = |name: &str, unit: &str, direction, value| record::push(record, name, unit, direction, value, used.windows);
    push("windows_s", "1/s", higher, per_s(used.windows));
    push("used_mib_s", "MiB/s", higher, per_s(used.bytes).map(|bytes| bytes / (1u64 << 20) as f64));
    push("moved_mib_s", "MiB/s", neutral, per_s(used.moved).map(|bytes| bytes / (1u64 << 20) as f64));
    push("hit_percent", "%", neutral, share(used.hits, used.windows).map(|share| 100.0 * share));
    push("requests_per_window", "1", neutral, share(used.windows - used.hits, used.windows));
    push("moved_per_used", "1", lower, share(used.moved, used.bytes));
    record::fill(record, &result, (from, to));
    Ok(())
}

/// What readers did in the measured time; windows whose request failed are in none of it.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    windows: u64,
    /// Windows that an earlier request had brought along.
    hits: u64,
    /// Bytes of the windows.
    bytes: u64,
    /// Bytes of the answers.
    moved: u64,
}

/// The program: each reader waits for one window before it asks for the next.
#[derive(Debug)]
struct Readers {
    key: String,
    size: u64,
    window: Window,
    readers: u32,
    seed: u64,
    used: Mutex<Used>,
}

impl Program for Readers {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        let own = (worker.index..self.readers).step_by(worker.of() as usize);
        own.map(|reader| Box::pin(self.read(reader, worker)) as Task<'w>).collect()
    }
}

impl Readers {
    async fn read(&self, reader: u32, worker: &Worker) {
        let (mut lane, mut request) = (worker.lane(), Request::default());
        worker.open(&mut lane).await;
        worker.start().await;
        let mut windows = WindowReader::new(self.window.clone(), self.seed, reader);
        let mut sampler = Sampler::new(self.seed, u64::from(reader));
        let mut used = Used::default();
        while let Some(step) = windows.next().filter(|_| !worker.is_over()) {
            let mut is_there = true;
            let moved = step.fetch.map_or(0, |range| range.len);
            if let Some(range) = step.fetch {
                request.reset(Operation::GetObject, 0, self.size);
                request.key.push_str(&self.key);
                request.range = Some((range.start, range.end() - 1));
                request.verify = sampler.is_verified();
                let Some(answer) = worker.perform(&mut lane, &request, None).await else { break };
                is_there = answer.is_ok();
                if !is_there {
                    windows.forget();
                }
            }
            let now = worker.elapsed();
            if is_there && now >= worker.warm_up() && now < worker.end() {
                used.windows += 1;
                used.hits += u64::from(step.fetch.is_none());
                (used.bytes, used.moved) = (used.bytes + step.window.len, used.moved + moved);
            }
        }
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *all = Used { windows: all.windows + used.windows, hits: all.hits + used.hits, bytes: all.bytes + used.bytes, moved: all.moved + used.moved };
        drop(all);
        lane.settle(worker);
        worker.finish();
    }
}
