//! The work of one worker: which object may be written to which prefix, and when.
//!
//! The main type is [`Pool`]. It has no clock and sends nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::program::{PrefixOutcome, PrefixPlan};
use super::{Answer, Branches, Heat, Leaf, Limiter, Look, Permit, PrefixCount};
use crate::config::{Retrying, SplitRules};

/// One object to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    /// Where it goes to.
    pub leaf: Leaf,
    /// Its number.
    pub key: u64,
    /// Requests so far.
    pub attempts: u32,
}

/// What there is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Take {
    /// This; it is counted as sent.
    Send(Job),
    /// Nothing before this moment, unless an answer brings some.
    NotBefore(Duration),
    /// Nothing any more.
    Over,
}

#[derive(Debug)]
struct State {
    limiter: Limiter,
    name: String,
    waiting: VecDeque<(u64, u32)>,
    /// Whether the queue of moments holds it.
    is_queued: bool,
}

/// The prefixes of one worker.
#[derive(Debug)]
pub(super) struct Pool {
    plan: Arc<PrefixPlan>,
    /// Which prefixes are its own, in order.
    own: Vec<u32>,
    branches: Branches,
    heat: Option<(Heat, SplitRules)>,
    next_look: Duration,
    leaves: BTreeMap<Leaf, State>,
    /// When a leaf with work is looked at next; the number keeps the order of those that are due together.
    moments: BinaryHeap<Reverse<(Duration, u64, Leaf)>>,
    number: u64,
    /// Jobs that are under way.
    running: u64,
    counts: BTreeMap<u32, PrefixCount>,
    given_up: u64,
    splits: u64,
    ended: Duration,
}

impl Pool {
    /// The prefixes that leave `worker` when divided by `workers`, with all their objects waiting.
    pub(super) fn new(plan: Arc<PrefixPlan>, worker: u32, workers: u32) -> Self {
        let own: Vec<u32> = (worker..plan.prefixes).step_by(workers.max(1) as usize).collect();
        let splits = plan.spec.split.filter(|_| plan.client == Retrying::Adaptive);
        let rules = splits.unwrap_or_default();
        let mut pool = Self {
            branches: Branches::new(plan.prefixes, &rules, plan.seed),
            heat: splits.map(|rules| (Heat::new(own.len() as u32, &rules), rules)),
            next_look: rules.look_every.0,
            leaves: BTreeMap::new(),
            moments: BinaryHeap::new(),
            number: 0,
            running: 0,
            counts: own.iter().map(|prefix| (*prefix, PrefixCount::default())).collect(),
            given_up: 0,
            splits: 0,
            ended: Duration::ZERO,
            own,
            plan,
        };
        for prefix in pool.own.clone() {
            let leaf = pool.branches.leaf(prefix, 0);
            pool.open(leaf, Limiter::new(pool.plan.spec.limiter, Duration::ZERO));
            (0..objects(&pool.plan, prefix)).for_each(|key| pool.put(prefix, key, 0, Duration::ZERO));
        }
        pool
    }

    fn open(&mut self, leaf: Leaf, limiter: Limiter) {
        let base = format!("{}{:06}/", self.plan.base, leaf.prefix);
        let name = self.branches.name(&base, leaf);
        self.leaves.insert(leaf, State { limiter, name, waiting: VecDeque::new(), is_queued: false });
    }

    /// Has an object wait; it goes to the branch that is its own by now.
    fn put(&mut self, prefix: u32, key: u64, attempts: u32, now: Duration) {
        let leaf = self.branches.leaf(prefix, key);
        if let Some(state) = self.leaves.get_mut(&leaf) {
            state.waiting.push_back((key, attempts));
            self.queue(leaf, now);
        }
    }

    fn queue(&mut self, leaf: Leaf, at: Duration) {
        self.number += 1;
        if let Some(state) = self.leaves.get_mut(&leaf).filter(|state| !state.is_queued && !state.waiting.is_empty()) {
            state.is_queued = true;
            self.moments.push(Reverse((at, self.number, leaf)));
        }
    }

    /// The next job that may be sent at `now`.
    pub(super) fn take(&mut self, now: Duration) -> Take {
        self.look(now);
        while let Some(Reverse((moment, _, leaf))) = self.moments.peek().copied() {
            if moment > now {
                return Take::NotBefore(moment);
            }
            self.moments.pop();
            // A leaf that was split is gone.
            let Some(state) = self.leaves.get_mut(&leaf) else { continue };
            state.is_queued = false;
            let permit = if self.plan.client == Retrying::Adaptive { state.limiter.ask(now) } else { Permit::Now };
            let at = match permit {
                Permit::NotBefore(at) => at,
                Permit::Now => now,
            };
            let job = if permit == Permit::Now { state.waiting.pop_front() } else { None };
            self.queue(leaf, at);
            if let Some((key, attempts)) = job {
                self.running += 1;
                self.counts.entry(leaf.prefix).or_default().sent += 1;
                return Take::Send(Job { leaf, key, attempts: attempts + 1 });
            }
        }
        // What is under way may come back.
        if self.running > 0 { Take::NotBefore(Duration::MAX) } else { Take::Over }
    }

    /// Appends the key of a job.
    pub(super) fn write_key(&self, key: &mut String, job: &Job) {
        if let Some(state) = self.leaves.get(&job.leaf) {
            key.push_str(&state.name);
        } else {
            // Split since it was taken: the name of the leaf is still the one that it was to go to.
            key.push_str(&self.branches.name(&format!("{}{:06}/", self.plan.base, job.leaf.prefix), job.leaf));
        }
        // Writing to memory does not fail.
        let _ = write!(key, "{:08}", job.key);
    }

    /// Takes an answer in. A client that sends again at once gets the job back, counted as sent.
    pub(super) fn answered(&mut self, job: Job, sent_at: Duration, now: Duration, answer: Answer) -> Option<Job> {
        let count = self.counts.entry(job.leaf.prefix).or_default();
        count.succeeded += u64::from(answer == Answer::Succeeded);
        count.throttled += u64::from(matches!(answer, Answer::Throttled { .. }));
        if let Some(state) = self.leaves.get_mut(&job.leaf) {
            state.limiter.answered(sent_at, now, answer);
        }
        let is_again = answer != Answer::Succeeded && job.attempts < self.plan.spec.attempts;
        if is_again && self.plan.client == Retrying::AtOnce {
            self.counts.entry(job.leaf.prefix).or_default().sent += 1;
            return Some(Job { attempts: job.attempts + 1, ..job });
        }
        self.running -= 1;
        if is_again {
            self.put(job.leaf.prefix, job.key, job.attempts, now);
        } else {
            self.given_up += u64::from(answer != Answer::Succeeded);
            self.ended = now;
        }
        None
    }

    /// Looks for hot prefixes when it is time to, and splits them.
    fn look(&mut self, now: Duration) {
        let Some((mut heat, rules)) = self.heat.take() else { return };
        if now >= self.next_look {
            self.next_look = now + rules.look_every.0;
            let looks: Vec<Look> = self.own.iter().map(|prefix| self.seen(*prefix)).collect();
            for index in heat.look(&looks) {
                self.split(self.own[index as usize], now);
            }
        }
        self.heat = Some((heat, rules));
    }

    fn seen(&self, prefix: u32) -> Look {
        let of: Vec<&State> = self.branches.leaves(prefix).filter_map(|leaf| self.leaves.get(&leaf)).collect();
        Look { waiting: of.iter().map(|state| state.waiting.len() as u64).sum(), is_pinned: of.iter().all(|state| state.limiter.is_pinned()) }
    }

    fn split(&mut self, prefix: u32, now: Duration) {
        let old: Vec<Leaf> = self.branches.leaves(prefix).collect();
        if !self.branches.split(prefix) {
            return;
        }
        self.splits += 1;
        let closed: Vec<State> = old.iter().filter_map(|leaf| self.leaves.remove(leaf)).collect();
        let rate = closed.iter().map(|state| state.limiter.rate_per_s()).sum::<f64>();
        let new: Vec<Leaf> = self.branches.leaves(prefix).collect();
        for leaf in &new {
            self.open(*leaf, Limiter::starting_at(self.plan.spec.limiter, rate / new.len() as f64, now));
        }
        for (key, attempts) in closed.into_iter().flat_map(|state| state.waiting) {
            self.put(prefix, key, attempts, now);
        }
    }

    /// Adds what became of this worker's prefixes to the whole.
    pub(super) fn add_to(&self, outcome: &mut PrefixOutcome) {
        for (prefix, count) in &self.counts {
            if let Some(sum) = outcome.counts.get_mut(*prefix as usize) {
                *sum = *count;
            }
        }
        let waiting = self.leaves.values().map(|state| state.waiting.len() as u64).sum::<u64>();
        outcome.unwritten += self.given_up + self.running + waiting;
        outcome.splits += self.splits;
        outcome.ended = outcome.ended.max(self.ended);
    }
}

/// How many objects a prefix gets: the first one its hot share, the others as many as each other.
fn objects(plan: &PrefixPlan, prefix: u32) -> u64 {
    let (all, prefixes) = (plan.spec.objects, u64::from(plan.prefixes));
    let is_even = plan.spec.hot_share == 0.0 || prefixes == 1;
    let hot = if is_even { 0 } else { (all as f64 * plan.spec.hot_share) as u64 };
    let (rest, sharers, index) =
        if is_even { (all, prefixes, u64::from(prefix)) } else { (all - hot, prefixes - 1, u64::from(prefix).wrapping_sub(1)) };
    if !is_even && prefix == 0 { hot } else { rest / sharers + u64::from(index < rest % sharers) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PrefixScaleSpec;

    fn plan(client: Retrying, hot_share: f64) -> Arc<PrefixPlan> {
        let text = "prefixes = [5]\nobjects = 102\nobject_size = '4 KiB'\nconcurrency = 8\nlimit = '30 s'\nattempts = 3\n[split]\n";
        let spec: PrefixScaleSpec = toml::from_str(text).unwrap();
        Arc::new(PrefixPlan { spec: PrefixScaleSpec { hot_share, ..spec }, prefixes: 5, client, base: "run/".into(), seed: 7 })
    }

    const REFUSED: Answer = Answer::Throttled { retry_after: None };

    #[test]
    fn all_objects_have_a_prefix_and_the_hot_one_gets_its_share() {
        for hot_share in [0.0, 0.5, 1.0] {
            let plan = plan(Retrying::Adaptive, hot_share);
            let counts: Vec<u64> = (0..5).map(|prefix| objects(&plan, prefix)).collect();
            assert_eq!(counts.iter().sum::<u64>(), 102, "{counts:?}");
            let hot = if hot_share == 0.0 { 21 } else { (102.0 * hot_share) as u64 };
            assert_eq!(counts[0], hot, "{counts:?}");
            assert!(counts[1..].iter().all(|count| count.abs_diff(counts[4]) <= 1), "{counts:?}");
        }
    }

    #[test]
    fn workers_share_the_prefixes_and_every_object_is_sent_once() {
        let mut keys = std::collections::BTreeSet::new();
        for worker in 0..2 {
            let mut pool = Pool::new(plan(Retrying::Adaptive, 0.0), worker, 2);
            let mut now = Duration::ZERO;
            loop {
                match pool.take(now) {
                    Take::Send(job) => {
                        let mut key = String::new();
                        pool.write_key(&mut key, &job);
                        assert!(keys.insert(key));
                        assert_eq!(pool.answered(job, now, now, Answer::Succeeded), None);
                    }
                    Take::NotBefore(moment) => now = moment,
                    Take::Over => break,
                }
            }
            let mut outcome = PrefixOutcome { counts: vec![PrefixCount::default(); 5], ..PrefixOutcome::default() };
            pool.add_to(&mut outcome);
            assert_eq!(outcome.unwritten, 0);
            assert!(now >= Duration::from_millis(500), "the limiters pace: {now:?}");
        }
        assert_eq!(keys.len(), 102);
    }

    #[test]
    fn a_refused_object_waits_or_comes_back_at_once_and_is_given_up_after_its_attempts() {
        let mut at_once = Pool::new(plan(Retrying::AtOnce, 0.0), 0, 1);
        let Take::Send(mut job) = at_once.take(Duration::ZERO) else { panic!("all may be sent at once") };
        for attempts in 2..=3 {
            job = at_once.answered(job, Duration::ZERO, Duration::ZERO, REFUSED).unwrap();
            assert_eq!(job.attempts, attempts);
        }
        assert_eq!(at_once.answered(job, Duration::ZERO, Duration::ZERO, REFUSED), None);
        assert_eq!((at_once.given_up, at_once.counts[&0].sent, at_once.counts[&0].throttled), (1, 3, 3));
        let mut adaptive = Pool::new(plan(Retrying::Adaptive, 0.0), 0, 1);
        let Take::Send(job) = adaptive.take(Duration::ZERO) else { panic!("the first may be sent") };
        let before = adaptive.seen(job.leaf.prefix).waiting;
        assert_eq!(adaptive.answered(job, Duration::ZERO, Duration::ZERO, REFUSED), None);
        assert_eq!((adaptive.seen(job.leaf.prefix).waiting, adaptive.running), (before + 1, 0));
    }

    #[test]
    fn a_prefix_that_is_refused_again_and_again_is_split_and_loses_nothing() {
        let mut pool = Pool::new(plan(Retrying::Adaptive, 0.0), 0, 1);
        (0..1600).map(|number| Duration::from_millis(number * 25)).for_each(|now| {
            while let Take::Send(job) = pool.take(now) {
                // Tests of the limiter show what a real limit does; here one prefix takes nothing.
                let answer = if job.leaf.prefix == 2 && job.leaf.level == 0 { REFUSED } else { Answer::Succeeded };
                let job = Job { attempts: 1, ..job };
                pool.answered(job, now, now, answer);
            }
        });
        assert_eq!(pool.splits, 1, "{:?}", pool.counts);
        let mut outcome = PrefixOutcome { counts: vec![PrefixCount::default(); 5], ..PrefixOutcome::default() };
        pool.add_to(&mut outcome);
        assert_eq!(outcome.unwritten, 0);
        assert_eq!(outcome.counts.iter().map(|count| count.succeeded).sum::<u64>(), 102);
    }
}
