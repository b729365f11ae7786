//! Running the cases without a mutant, and then against each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::proof::{CaseRow, Catch, MutantRow, Proof, State, can_catch, verdicts};
use crate::case::{self, Case, Ran};
use crate::config::Mutant;
use crate::model::{CaseId, CaseRecord, FailureClass, VendorId, Verdict};
use crate::run::{Event, RunError, Stage, Tell};
use crate::store::{RunDir, StoreError};
use crate::wire::proxy::Proxy;
use crate::wire::{self, Exchange, Link};

/// Runs without a mutant.
const BASELINES: usize = 3;
/// Cases at work at once: they wait on the network.
const CASES_AT_ONCE: usize = 24;
/// Cases of a sample's mutant, at most.
const SAMPLE_CASES: usize = 16;
/// Cases of one mutant that start together; a sample stops after a batch that catches.
const BATCH: usize = 4;
/// Short locks of the cases' own buckets are over after this long.
const LOCKS: Duration = Duration::from_secs(40);

/// Which mutants run against which cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Each against all that it touches.
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

/// What the runs without a mutant showed.
struct Baseline {
    verdicts: BTreeMap<CaseId, Option<Verdict>>,
    exchanges: BTreeMap<CaseId, Vec<Exchange>>,
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
        (self.tell)(Event::Phase { vendor: self.vendor(), name, steps: steps as u64 });
    }

    /// The vendor as one part of the matrix sees it: buckets, records and evidence of its own.
    fn link_of(&self, name: &str, folder: &str) -> Result<Link, StoreError> {
        let mut link = self.stage.link.apart(name);
        link.sink = Arc::new(self.directory.vendor(&VendorId(format!("{}-{folder}", self.vendor())))?);
        Ok(link)
    }

    async fn baseline(&self, slots: &Arc<Semaphore>) -> Result<Baseline, RunError> {
        self.begin("baseline", self.cases.len() * BASELINES);
        let (mut runs, mut exchanges) = (Vec::new(), BTreeMap::new());
        for number in 1..=BASELINES {
            let link = self.link_of(&format!("b{number}"), &format!("baseline-{number}"))?;
            let proxy = Proxy::before(&link.access, Vec::new()).await.map_err(no_proxy)?;
            let ran = run_cases(&link.via(proxy.endpoint()), self.cases.to_vec(), slots, self.tell).await?;
            runs.push(ran.iter().map(|ran| (ran.record.case.id.clone(), ran.record.verdict)).collect());
            for Ran { record, exchanges: own } in ran {
                exchanges.entry(record.case.id).or_insert_with(Vec::new).extend(own);
            }
            wire::clean(&link).await;
        }
        (self.tell)(Event::PhaseEnd);
        Ok(Baseline { verdicts: verdicts(&runs), exchanges })
    }

    async fn against_mutants(&self, baseline: &Baseline, slots: &Arc<Semaphore>) -> Result<Proof, RunError> {
        let mutants = self.chosen();
        self.begin("mutants", mutants.len());
        let at_once = Semaphore::new(self.jobs.max(1));
        let mut rows = Vec::new();
        let mut running = Vec::new();
        for (number, mutant) in mutants.iter().enumerate() {
            let (at_once, slots) = (&at_once, slots.clone());
            running.push(async move {
                let _slot = at_once.acquire().await.map_err(|_| RunError::Usage("the matrix was stopped".to_owned()))?;
                let row = self.against(number, mutant, baseline, &slots).await?;
                (self.tell)(Event::Step { what: format!("{} {}", row.state.name(), mutant.id) });
                Ok::<_, RunError>(row)
            });
        }
        for row in join_all(running).await {
            rows.push(row?);
        }
        (self.tell)(Event::PhaseEnd);
        let is_whole = self.choice == Choice::Whole;
        let cases = case_rows(self.cases, baseline, &rows);
        Ok(Proof { mutants: rows, cases, is_whole })
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

    async fn against(&self, number: usize, mutant: &Mutant, baseline: &Baseline, slots: &Arc<Semaphore>) -> Result<MutantRow, RunError> {
        let mut row = MutantRow { mutant: mutant.clone(), state: State::NotHere, cases: 0, changed: 0, catches: Vec::new() };
        if !self.is_here(mutant) {
            return Ok(row);
        }
        row.state = State::Untouched;
        let candidates = candidates(self.cases, baseline, mutant, self.choice);
        if candidates.is_empty() {
            return Ok(row);
        }
        let link = self.link_of(&format!("m{number}"), &format!("mutants/{}", mutant.id.replace('/', "-")))?;
        let proxy = Proxy::mutant(&link.access, mutant.clone()).await.map_err(no_proxy)?;
        let mutated = link.via(proxy.endpoint());
        let quiet = |_: Event| ();
        for batch in candidates.chunks(if self.choice == Choice::Whole { usize::MAX } else { BATCH }) {
            for ran in run_cases(&mutated, batch.to_vec(), slots, &quiet).await? {
                row.cases += 1;
                row.catches.extend(caught(&ran.record));
            }
            if !row.catches.is_empty() && self.choice != Choice::Whole {
                break;
            }
        }
        row.catches.sort_by(|a, b| a.case.cmp(&b.case));
        row.changed = proxy.mutated();
        row.state = match (row.catches.is_empty(), row.changed) {
            (false, _) => State::Caught,
            // What was recorded in part, or in three runs, may have looked like more than there is.
            (true, 0) => State::Untouched,
            (true, _) => State::Missed,
        };
        wire::clean(&link).await;
        Ok(row)
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

async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut pinned: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut is_pending = false;
        for (future, done) in pinned.iter_mut().filter(|(_, done)| done.is_none()) {
            match future.as_mut().poll(context) {
                std::task::Poll::Ready(value) => *done = Some(value),
                std::task::Poll::Pending => is_pending = true,
            }
        }
        if is_pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    pinned.into_iter().filter_map(|(_, done)| done).collect()
}

/// Runs cases at once, as many as there are slots.
async fn run_cases(link: &Link, cases: Vec<Case>, slots: &Arc<Semaphore>, tell: Tell<'_>) -> Result<Vec<Ran>, StoreError> {
    let mut running = JoinSet::new();
    for case in cases {
        let (link, slots) = (link.clone(), slots.clone());
        running.spawn(async move {
            // The semaphore is never closed.
            let _slot = slots.acquire_owned().await;
            case::run_one(&link, &case).await
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

/// The cases that may notice: those that pass without it and did what it touches; its own areas' first.
fn candidates(cases: &[Case], baseline: &Baseline, mutant: &Mutant, choice: Choice) -> Vec<Case> {
    let is_touched = |case: &&Case| {
        let id = &case.info.id;
        let sent = baseline.exchanges.get(id).map(Vec::as_slice).unwrap_or_default();
        can_catch(baseline.verdicts.get(id).copied().flatten()) && sent.iter().any(|exchange| touches(mutant, exchange))
    };
    let mut found: Vec<Case> = cases.iter().filter(is_touched).cloned().collect();
    let is_of_area = |case: &Case| case.info.rows.iter().any(|row| mutant.areas.iter().any(|area| row.starts_with(area.as_str())));
    let is_of_operation = |case: &Case| mutant.operations.contains(&case.info.api_operation());
    found.sort_by_key(|case| (!is_of_area(case), !is_of_operation(case)));
    if choice != Choice::Whole {
        found.truncate(SAMPLE_CASES);
    }
    found
}

/// Whether the mutant would have changed this exchange, or may have: a body that was recorded in part counts.
fn touches(mutant: &Mutant, exchange: &Exchange) -> bool {
    let when = &mutant.when;
    let has_sent = |part: &String| exchange.request_body.contains(part.as_str()) || exchange.request_body_bytes > exchange.request_body.len() as u64;
    let is_cut = exchange.response_body_bytes > exchange.response_body.len() as u64;
    mutant.operations.contains(&exchange.operation)
        && when.asks(&exchange.target, &exchange.request_headers)
        && when.body.as_ref().is_none_or(has_sent)
        && (exchange.status == 0 || when.is_answered(exchange.status, &exchange.response_headers))
        && (is_cut || when.is_told(&exchange.response_body))
}

fn caught(record: &CaseRecord) -> Option<Catch> {
    let class = record.class.unwrap_or(FailureClass::WrongEffect);
    (record.verdict == Verdict::Fail).then(|| Catch { case: record.case.id.clone(), class })
}

fn case_rows(cases: &[Case], baseline: &Baseline, rows: &[MutantRow]) -> Vec<CaseRow> {
    let of = |case: &Case| {
        let id = &case.info.id;
        let caught = rows.iter().filter(|row| row.catches.iter().any(|found| found.case == *id)).map(|row| row.mutant.id.clone()).collect();
        let sent = baseline.exchanges.get(id).map(Vec::as_slice).unwrap_or_default();
        let mutants = rows.iter().filter(|row| row.state != State::NotHere && sent.iter().any(|exchange| touches(&row.mutant, exchange))).count();
        CaseRow { case: id.clone(), level: case.info.level, verdict: baseline.verdicts.get(id).copied().flatten(), mutants, caught }
    };
    cases.iter().map(of).collect()
}
