//! Running the cases without a mutant, and then against each.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::choose::{Baseline, Chooser};
use super::proof::{Catch, MutantRow, Proof, State, verdicts};
use crate::case::{self, Case, Guard, Ran};
use crate::config::Mutant;
use crate::model::{CaseId, CaseRecord, FailureClass, VendorId, Verdict};
use crate::run::{Event, RunError, Stage, Tell};
use crate::store::{RunDir, StoreError};
use crate::wire::proxy::Proxy;
use crate::wire::{self, Link, operation};

/// Runs without a mutant.
const BASELINES: usize = 3;
/// Cases at work at once: they wait on the network.
const CASES_AT_ONCE: usize = 24;
/// Cases of a sample's mutant, at most.
const SAMPLE_CASES: usize = 32;
/// Cases of one mutant that start together; it is done with after a batch that catches.
const BATCH: usize = 4;
/// How often a case that was never seen failing gets another mutant.
const ROUNDS: usize = 64;
/// Short locks of the cases' own buckets are over after this long.
const LOCKS: Duration = Duration::from_secs(40);

/// Which mutants run against which cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Each against what it touches until it is caught, and then each core and common case against what touches it until it fails.
    Whole,
    /// So many, drawn by the seed, each against a few cases until one catches.
    Sample(usize),
}

/// The runs to do.
pub struct Matrix<'a> {
    /// The vendor, ready.
    pub stage: &'a Stage,
    /// Where the records go.
    pub directory: &'a RunDir,
    /// The cases.
    pub cases: &'a [Case],
    /// The mutants.
    pub mutants: &'a [Mutant],
    /// Which of them.
    pub choice: Choice,
    /// Mutants at work at once.
    pub jobs: usize,
    /// Who is told.
    pub tell: Tell<'a>,
}

/// A mutant by its place, and the cases that run against it.
type Work = (usize, Vec<Case>);

/// What one mutant met.
#[derive(Debug, Default)]
struct Tally {
    ran: Vec<CaseId>,
    changed: u64,
    catches: Vec<Catch>,
}

impl Matrix<'_> {
    /// Runs everything and cleans up after itself.
    ///
    /// # Errors
    /// When the run directory cannot be written, or a proxy not be started.
    pub async fn run(&self) -> Result<Proof, RunError> {
        let slots = Arc::new(Semaphore::new(CASES_AT_ONCE));
        let proof = match self.baseline(&slots).await {
            Ok(baseline) => self.against_mutants(&baseline, &slots).await,
            Err(error) => Err(error),
        };
        self.clean_all().await;
        proof
    }

    fn vendor(&self) -> VendorId {
        self.stage.link.id.clone()
    }
    fn begin(&self, name: &'static str, steps: usize) {
        (self.tell)(Event::Phase { vendors: vec![self.vendor()], name, steps: steps as u64 });
    }

    /// The vendor as one part of the matrix sees it: buckets, records and evidence of its own.
    fn link_of(&self, name: &str, folder: &str) -> Result<Link, StoreError> {
        let mut link = self.stage.link.apart(name);
        link.sink = Arc::new(self.directory.vendor(&VendorId(format!("{}-{folder}", self.vendor())))?);
        Ok(link)
    }

    async fn baseline(&self, slots: &Arc<Semaphore>) -> Result<Baseline, RunError> {
        self.begin("baseline", self.cases.len() * BASELINES);
        let (mut runs, mut exchanges, known) = (Vec::new(), BTreeMap::new(), operation::names());
        for number in 1..=BASELINES {
            let link = self.link_of(&format!("b{number}"), &format!("baseline-{number}"))?;
            let proxy = Proxy::before(&link.access, Vec::new()).await.map_err(no_proxy)?;
            let guard = Guard::new(link.clone());
            let ran = run_cases(&link.via(proxy.endpoint()), &guard, self.cases.to_vec(), slots, self.tell).await?;
            runs.push(ran.iter().map(|ran| (ran.record.case.id.clone(), ran.record.verdict)).collect());
            for Ran { record, exchanges: mut own } in ran {
                // The proxy cannot tell what is none of S3's operations; the case that sent it can.
                own.iter_mut().filter(|sent| !known.contains(sent.operation.as_str())).for_each(|sent| "Unknown".clone_into(&mut sent.operation));
                exchanges.entry(record.case.id).or_insert_with(Vec::new).extend(own);
            }
            wire::clean(&link).await;
        }
        (self.tell)(Event::PhaseEnd);
        Ok(Baseline { verdicts: verdicts(&runs), exchanges })
    }

    async fn against_mutants(&self, baseline: &Baseline, slots: &Arc<Semaphore>) -> Result<Proof, RunError> {
        let mutants = self.chosen();
        let new = |mutant: &Mutant| {
            let state = if self.is_here(mutant) { State::Untouched } else { State::NotHere };
            MutantRow { mutant: mutant.clone(), state, cases: 0, changed: 0, catches: Vec::new() }
        };
        let mut rows: Vec<MutantRow> = mutants.iter().map(new).collect();
        let chooser = Chooser { cases: self.cases, baseline, mutants: &mutants };
        let here = |index: usize| self.is_here(&mutants[index]);
        let limit = if self.choice == Choice::Whole { usize::MAX } else { SAMPLE_CASES };
        let mut tried = BTreeSet::new();
        let works = (0..mutants.len()).filter(|index| here(*index)).map(|index| (index, chooser.candidates(index, limit))).collect();
        self.round("mutants", 0, &mut rows, &mut tried, works, slots).await?;
        for round in 1..=ROUNDS {
            let seen: BTreeSet<&CaseId> = rows.iter().flat_map(|row| &row.catches).map(|found| &found.case).collect();
            let works = if self.choice == Choice::Whole { chooser.owed(&seen, &tried, &here) } else { Vec::new() };
            if works.is_empty() {
                break;
            }
            self.round("cases never seen failing", round, &mut rows, &mut tried, works, slots).await?;
        }
        let cases = chooser.case_rows(&rows);
        Ok(Proof { mutants: rows, cases, is_whole: self.choice == Choice::Whole })
    }

    /// Runs each mutant against its cases, as many mutants at once as there are jobs. A mutant is done with as soon as it is caught, unless
    /// the round is about cases.
    async fn round(
        &self,
        name: &'static str,
        number: usize,
        rows: &mut [MutantRow],
        tried: &mut BTreeSet<(usize, CaseId)>,
        works: Vec<Work>,
        slots: &Arc<Semaphore>,
    ) -> Result<(), RunError> {
        self.begin(name, works.len());
        let queue = Mutex::new(works.into_iter().filter(|(_, cases)| !cases.is_empty()).collect::<VecDeque<Work>>());
        let mutants: Vec<Mutant> = rows.iter().map(|row| row.mutant.clone()).collect();
        let workers = (0..self.jobs.max(1)).map(|_| async {
            let mut done = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some((index, cases)) = next else { return Ok::<_, RunError>(done) };
                let mutant = &mutants[index];
                let tally = self.against(&format!("m{index}r{number}"), mutant, &cases, number > 0, slots).await?;
                let word = if tally.catches.is_empty() { "not noticed" } else { "caught" };
                (self.tell)(Event::Step { what: format!("{word} {}", mutant.id) });
                done.push((index, tally));
            }
        });
        for (index, tally) in try_all(workers.collect()).await? {
            let row = &mut rows[index];
            row.cases += tally.ran.len();
            row.changed += tally.changed;
            row.catches.extend(tally.catches);
            row.catches.sort_by(|a, b| a.case.cmp(&b.case));
            tried.extend(tally.ran.into_iter().map(|case| (index, case)));
            row.state = match (row.catches.is_empty(), row.changed) {
                (false, _) => State::Caught,
                // What was recorded in part, or in three runs, may have looked like more than there is.
                (true, 0) => State::Untouched,
                (true, _) => State::Missed,
            };
        }
        (self.tell)(Event::PhaseEnd);
        Ok(())
    }

    /// The mutants of this run: a sample leaves out what the vendor's features leave out.
    fn chosen(&self) -> Vec<Mutant> {
        let Choice::Sample(count) = self.choice else { return self.mutants.to_vec() };
        let mut chosen: Vec<Mutant> = self.mutants.iter().filter(|mutant| self.is_here(mutant)).cloned().collect();
        chosen.shuffle(&mut ChaCha8Rng::seed_from_u64(self.stage.link.seed));
        chosen.truncate(count);
        chosen.sort_by_key(|mutant| self.mutants.iter().position(|known| known.id == mutant.id));
        chosen
    }
    fn is_here(&self, mutant: &Mutant) -> bool {
        mutant.features.iter().all(|feature| self.stage.link.vendor.features.contains(feature))
    }

    async fn against(&self, name: &str, mutant: &Mutant, cases: &[Case], is_about_cases: bool, slots: &Arc<Semaphore>) -> Result<Tally, RunError> {
        let link = self.link_of(name, &format!("mutants/{}", mutant.id.replace('/', "-")))?;
        let proxy = Proxy::mutant(&link.access, mutant.clone()).await.map_err(no_proxy)?;
        let mutated = link.via(proxy.endpoint());
        let (guard, mut tally) = (Guard::new(link.clone()), Tally::default());
        for batch in cases.chunks(if is_about_cases { usize::MAX } else { BATCH }) {
            for ran in run_cases(&mutated, &guard, batch.to_vec(), slots, &|_| ()).await? {
                tally.catches.extend(caught(&ran.record));
                tally.ran.push(ran.record.case.id);
            }
            if !tally.catches.is_empty() && !is_about_cases {
                break;
            }
        }
        tally.changed = proxy.mutated();
        wire::clean(&link).await;
        Ok(tally)
    }

    /// What is left is locked for a moment: it is looked at until that is over.
    async fn clean_all(&self) {
        self.begin("clean-up", 0);
        let ended = tokio::time::timeout(LOCKS, async {
            loop {
                let cleaned = wire::clean(&self.stage.direct).await;
                if cleaned.quarantined.is_empty() {
                    break cleaned.failed;
                }
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        let left = ended.await.unwrap_or_else(|_| vec!["locked objects: `proofmark clean` deletes them later".to_owned()]);
        (self.tell)(Event::PhaseEnd);
        for what in left {
            (self.tell)(Event::Note { vendor: self.vendor(), text: format!("left behind: {what}") });
        }
    }
}

fn no_proxy(error: std::io::Error) -> RunError {
    RunError::Usage(format!("the fault proxy: {error}"))
}

/// Runs all at once; the first error ends it.
async fn try_all<T>(workers: Vec<impl Future<Output = Result<Vec<T>, RunError>>>) -> Result<Vec<T>, RunError> {
    let mut running: Vec<_> = workers.into_iter().map(|worker| Some(Box::pin(worker))).collect();
    let mut all = Vec::new();
    std::future::poll_fn(|context| {
        for slot in &mut running {
            let Some(worker) = slot else { continue };
            if let Poll::Ready(ended) = worker.as_mut().poll(context) {
                *slot = None;
                match ended {
                    Ok(done) => all.extend(done),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        }
        if running.iter().all(Option::is_none) { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await?;
    Ok(all)
}

/// Runs cases at once, as many as there are slots.
async fn run_cases(link: &Link, guard: &Guard, cases: Vec<Case>, slots: &Arc<Semaphore>, tell: Tell<'_>) -> Result<Vec<Ran>, StoreError> {
    let mut running = JoinSet::new();
    for case in cases {
        let (link, guard, slots) = (link.clone(), guard.clone(), slots.clone());
        running.spawn(async move {
            // The semaphore is never closed.
            let _slot = slots.acquire_owned().await;
            case::run_one(&link, &guard, &case).await
        });
    }
    let mut all = Vec::new();
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(ran) => {
                if let Some(ran) = ran? {
                    tell(Event::Step { what: format!("{} {}", ran.record.verdict, ran.record.case.id) });
                    all.push(ran);
                }
            }
            // A case's own panics are its verdict: this is one of ours.
            Err(ended) => std::panic::resume_unwind(ended.into_panic()),
        }
    }
    Ok(all)
}

fn caught(record: &CaseRecord) -> Option<Catch> {
    let class = record.class.unwrap_or(FailureClass::WrongEffect);
    (record.verdict == Verdict::Fail).then(|| Catch { case: record.case.id.clone(), class })
}
