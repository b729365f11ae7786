//! A load over many prefixes against a model of a throttling server: discrete events in simulated time, without I/O.
//!
//! The server is the fault proxy's own token buckets ([`Throttle`]); an answer takes a round trip of 20 to 25 ms. The clients are the adaptive
//! one and one that sends again at once, which shows that each check can fail.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use super::*;
use crate::config::{LimiterRules, SplitRules, ThrottleLimits};
use crate::load::schedule::{Arrivals, Schedule, Share};
use crate::units::Span;
use crate::wire::proxy::{Direction, Throttle};

const LIMIT_PER_S: f64 = 50.0;
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// Requests that a client which does not adapt keeps in flight for each prefix.
const AT_ONCE: usize = 16;

/// What a prefix has to do.
#[derive(Clone, Copy)]
enum Offer {
    /// Always one more.
    Endless,
    /// Arrivals at this rate per s.
    Rate(f64),
}

#[derive(Clone, Copy)]
enum Client {
    Adaptive,
    AtOnce,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Due { prefix: u32 },
    Wake { leaf: Leaf },
    Answer { leaf: Leaf, sent_at: Duration, is_admitted: bool },
    Look,
}

struct State {
    limiter: Limiter,
    name: String,
    waiting: VecDeque<u64>,
    is_waking: bool,
}

struct Simulation {
    client: Client,
    offers: Vec<Offer>,
    schedules: Vec<Option<Schedule>>,
    server: Throttle,
    branches: Branches,
    heat: Option<Heat>,
    leaves: BTreeMap<Leaf, State>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    number: u64,
    now: Duration,
    /// For each second and prefix.
    seconds: Vec<Vec<PrefixCount>>,
}

fn limits(burst_s: f64) -> ThrottleLimits {
    ThrottleLimits {
        writes_per_s: Some(LIMIT_PER_S),
        reads_per_s: None,
        prefix_depth: 1,
        burst: Span(Duration::from_secs_f64(burst_s)),
        retry_after: None,
        split_after: None,
    }
}

impl Simulation {
    fn new(client: Client, offers: Vec<Offer>, limits: ThrottleLimits, splits: bool) -> Self {
        let rules = SplitRules::default();
        let prefixes = offers.len() as u32;
        let schedule = |(worker, offer): (usize, &Offer)| match offer {
            Offer::Endless => None,
            Offer::Rate(rate) => {
                let workers = prefixes;
                Some(Schedule::new(Arrivals::Poisson, rate * f64::from(workers), 5, Share { worker: worker as u32, workers }))
            }
        };
        let mut simulation = Self {
            client,
            schedules: offers.iter().enumerate().map(schedule).collect(),
            offers,
            server: Throttle::new(limits),
            branches: Branches::new(prefixes, &rules, 3),
            heat: splits.then(|| Heat::new(prefixes, &rules)),
            leaves: BTreeMap::new(),
            events: BinaryHeap::new(),
            number: 0,
            now: Duration::ZERO,
            seconds: Vec::new(),
        };
        (0..prefixes).for_each(|prefix| simulation.begin(prefix));
        simulation.at(rules.look_every.0, Event::Look);
        simulation
    }

    fn at(&mut self, moment: Duration, event: Event) {
        self.number += 1;
        self.events.push(Reverse((moment, self.number, event)));
    }

    fn begin(&mut self, prefix: u32) {
        let leaf = self.branches.leaf(prefix, 0);
        self.open(leaf, Limiter::new(LimiterRules::default(), Duration::ZERO));
        match (self.offers[prefix as usize], self.client) {
            (Offer::Endless, Client::Adaptive) => self.at(Duration::ZERO, Event::Wake { leaf }),
            (Offer::Endless, Client::AtOnce) => (0..AT_ONCE).for_each(|_| self.at(Duration::ZERO, Event::Wake { leaf })),
            (Offer::Rate(_), _) => self.next_due(prefix),
        }
    }

    fn open(&mut self, leaf: Leaf, limiter: Limiter) {
        let name = self.branches.name(&format!("{:04}/", leaf.prefix), leaf);
        self.leaves.insert(leaf, State { limiter, name, waiting: VecDeque::new(), is_waking: false });
    }

    fn next_due(&mut self, prefix: u32) {
        if let Some(due) = self.schedules[prefix as usize].as_mut().and_then(Iterator::next) {
            self.at(due, Event::Due { prefix });
        }
    }

    fn count(&mut self, prefix: u32) -> &mut PrefixCount {
        let second = self.now.as_secs() as usize;
        self.seconds.resize(self.seconds.len().max(second + 1), vec![PrefixCount::default(); self.offers.len()]);
        &mut self.seconds[second][prefix as usize]
    }

    fn send(&mut self, leaf: Leaf) {
        self.count(leaf.prefix).sent += 1;
        let is_admitted = self.server.admit(&self.leaves[&leaf].name, Direction::Write, self.now);
        let jitter = Duration::from_micros(self.number * 7919 % 5000);
        self.at(self.now + ROUND_TRIP + jitter, Event::Answer { leaf, sent_at: self.now, is_admitted });
    }

    /// Sends what a leaf has and may; else wakes up when it may.
    fn pump(&mut self, leaf: Leaf) {
        let is_endless = matches!(self.offers[leaf.prefix as usize], Offer::Endless);
        loop {
            let now = self.now;
            let Some(state) = self.leaves.get_mut(&leaf) else { return };
            if state.is_waking || (state.waiting.is_empty() && !is_endless) {
                return;
            }
            match state.limiter.ask(now) {
                Permit::Now => {
                    state.waiting.pop_front();
                    self.send(leaf);
                }
                Permit::NotBefore(moment) => {
                    state.is_waking = true;
                    return self.at(moment, Event::Wake { leaf });
                }
            }
        }
    }

    fn answer(&mut self, leaf: Leaf, sent_at: Duration, is_admitted: bool) {
        let now = self.now;
        let count = self.count(leaf.prefix);
        let outcome = if is_admitted {
            count.succeeded += 1;
            Answer::Succeeded
        } else {
            count.throttled += 1;
            Answer::Throttled { retry_after: None }
        };
        if matches!(self.client, Client::AtOnce) {
            return self.send(leaf);
        }
        // The leaf may have been split meanwhile: what failed goes to the new one.
        if let Some(state) = self.leaves.get_mut(&leaf) {
            state.limiter.answered(sent_at, now, outcome);
        }
        if !is_admitted && matches!(self.offers[leaf.prefix as usize], Offer::Rate(_)) {
            let key = self.number;
            let target = self.branches.leaf(leaf.prefix, key);
            self.leaves.get_mut(&target).unwrap().waiting.push_back(key);
            self.pump(target);
        }
    }

    fn look(&mut self) {
        let prefixes = self.offers.len() as u32;
        let look = |prefix| {
            let of: Vec<&State> = self.branches.leaves(prefix).map(|leaf| &self.leaves[&leaf]).collect();
            Look { waiting: of.iter().map(|state| state.waiting.len() as u64).sum(), is_pinned: of.iter().all(|state| state.limiter.is_pinned()) }
        };
        let looks: Vec<Look> = (0..prefixes).map(look).collect();
        let hot = self.heat.as_mut().map(|heat| heat.look(&looks)).unwrap_or_default();
        hot.into_iter().for_each(|prefix| self.split(prefix));
        self.at(self.now + SplitRules::default().look_every.0, Event::Look);
    }

    fn split(&mut self, prefix: u32) {
        let old: Vec<Leaf> = self.branches.leaves(prefix).collect();
        if !self.branches.split(prefix) {
            return;
        }
        let closed: Vec<State> = old.iter().map(|leaf| self.leaves.remove(leaf).unwrap()).collect();
        let rate = closed.iter().map(|state| state.limiter.rate_per_s()).sum::<f64>();
        let new: Vec<Leaf> = self.branches.leaves(prefix).collect();
        for leaf in &new {
            self.open(*leaf, Limiter::starting_at(LimiterRules::default(), rate / new.len() as f64, self.now));
        }
        for key in closed.into_iter().flat_map(|state| state.waiting) {
            let leaf = self.branches.leaf(prefix, key);
            self.leaves.get_mut(&leaf).unwrap().waiting.push_back(key);
        }
        new.into_iter().for_each(|leaf| self.pump(leaf));
    }

    fn run(mut self, seconds: u64) -> Self {
        while let Some(Reverse((moment, number, event))) = self.events.pop() {
            if moment >= Duration::from_secs(seconds) {
                break;
            }
            self.now = moment;
            match event {
                Event::Due { prefix } => {
                    let leaf = self.branches.leaf(prefix, number);
                    self.leaves.get_mut(&leaf).unwrap().waiting.push_back(number);
                    self.pump(leaf);
                    self.next_due(prefix);
                }
                Event::Wake { leaf } if matches!(self.client, Client::AtOnce) => self.send(leaf),
                Event::Wake { leaf } => {
                    self.leaves.get_mut(&leaf).into_iter().for_each(|state| state.is_waking = false);
                    self.pump(leaf);
                }
                Event::Answer { leaf, sent_at, is_admitted } => self.answer(leaf, sent_at, is_admitted),
                Event::Look => self.look(),
            }
        }
        self
    }

    /// The measures of the seconds from `from` on.
    fn measures(&self, from: usize, to: usize) -> Measures {
        let mut sums = vec![PrefixCount::default(); self.offers.len()];
        for (sum, count) in self.seconds[from..to].iter().flat_map(|second| second.iter().enumerate()) {
            sums[sum].sent += count.sent;
            sums[sum].succeeded += count.succeeded;
            sums[sum].throttled += count.throttled;
        }
        measure(&sums, Duration::from_secs((to - from) as u64))
    }

    fn goodput(&self, prefix: usize) -> Vec<f64> {
        self.seconds.iter().map(|second| second[prefix].succeeded as f64).collect()
    }
}

/// Highest amplification of the adaptive client that is accepted: one refused request for each twenty-five that succeed. It has 1.02.
const AMPLIFICATION_MAX: f64 = 1.04;

#[test]
fn equal_prefixes_converge_to_the_limit_fairly_and_with_few_retries() {
    for burst_s in [0.05, 1.0] {
        let simulation = Simulation::new(Client::Adaptive, vec![Offer::Endless; 64], limits(burst_s), false).run(40);
        let found = simulation.measures(10, 40);
        let (fairness, amplification) = (found.fairness.unwrap(), found.amplification.unwrap());
        let of_limit = found.goodput_per_s / (64.0 * LIMIT_PER_S);
        assert!((of_limit - 1.0).abs() <= 0.1, "burst {burst_s}: {of_limit} of the limit");
        assert!(fairness >= 0.95, "burst {burst_s}: {fairness}");
        assert!(amplification <= AMPLIFICATION_MAX, "burst {burst_s}: {amplification}");
        for prefix in 0..64 {
            let at = converged_at(&simulation.goodput(prefix)[..40], LIMIT_PER_S, 0.1, 5);
            assert!(at.is_some_and(|second| second <= 5), "burst {burst_s}, prefix {prefix}: {at:?} {:?}", simulation.goodput(prefix));
        }
    }
}

#[test]
fn a_client_that_sends_again_at_once_is_told_by_its_amplification() {
    let simulation = Simulation::new(Client::AtOnce, vec![Offer::Endless; 8], limits(1.0), false).run(20);
    let found = simulation.measures(5, 20);
    assert!(found.amplification.is_some_and(|amplification| amplification > 10.0), "{found:?}");
    assert!(found.throttled_share.iter().flatten().all(|share| *share > 0.9), "{found:?}");
}

#[test]
fn a_limit_that_the_server_doubles_is_found_again() {
    let limits = ThrottleLimits { split_after: Some(Span(Duration::from_secs(10))), ..limits(0.1) };
    let simulation = Simulation::new(Client::Adaptive, vec![Offer::Endless; 4], limits, false).run(60);
    let before = simulation.measures(3, 10).goodput_per_s / 4.0;
    let after = simulation.measures(30, 40).goodput_per_s / 4.0;
    assert!((before / LIMIT_PER_S - 1.0).abs() < 0.15 && after > 1.7 * before, "{before}, then {after}");
}

/// One prefix with three times what a partition takes, seven with a tenth.
fn hot(splits: bool) -> Simulation {
    let offers = (0..8).map(|prefix| Offer::Rate(if prefix == 0 { 3.0 } else { 0.1 } * LIMIT_PER_S)).collect();
    Simulation::new(Client::Adaptive, offers, limits(0.1), splits).run(40)
}

#[test]
fn a_hot_prefix_gets_faster_by_its_split_and_the_others_do_not_notice() {
    let (split, whole) = (hot(true), hot(false));
    let goodput = |simulation: &Simulation, prefix| simulation.goodput(prefix)[25..40].iter().sum::<f64>() / 15.0;
    assert!(goodput(&split, 0) >= 2.5 * LIMIT_PER_S, "{:?}", split.goodput(0));
    assert!(goodput(&whole, 0) <= 1.1 * LIMIT_PER_S, "{:?}", whole.goodput(0));
    assert!(split.branches.leaves(0).count() >= 4 && (1..8).all(|prefix| split.branches.leaves(prefix).count() == 1));
    for prefix in 1..8 {
        assert!((goodput(&split, prefix) - 5.0).abs() < 2.0, "{prefix}: {:?}", split.goodput(prefix));
    }
}

#[test]
fn unequal_service_shows_as_unfairness() {
    let offers = (0..8).map(|prefix| if prefix < 2 { Offer::Endless } else { Offer::Rate(2.0) }).collect();
    let found = Simulation::new(Client::Adaptive, offers, limits(0.1), false).run(20).measures(5, 20);
    assert!(found.fairness.is_some_and(|fairness| fairness < 0.5), "{found:?}");
}
