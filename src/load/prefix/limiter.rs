//! How fast one prefix may be asked: additive increase, multiplicative decrease.
//!
//! The main type is [`Limiter`]. It halves no rate twice for one cause: only what was sent after a cut can cut again, which is once per round
//! trip without having to know how long that is. Clients that share a prefix are not made equal, since the step follows the rate: a prefix
//! is to have one owner (see [`super::Leases`]).

use std::time::Duration;

use crate::config::LimiterRules;

/// Cut of the first push-back, after doubling.
const CUT_WHILE_DOUBLING: f64 = 0.5;
/// A raise needs at least this share of the rate to have been used: a rate that nobody asked for proves nothing.
const USED: f64 = 0.5;
/// Weight of the newest latency in the smoothed one (as in TCP's estimate: Jacobson, 1988).
const SMOOTHING: f64 = 0.125;
/// Latencies before the smoothed one is believed.
const SAMPLES: u32 = 8;
/// The lowest latency is that of the last one to two of these.
const EPOCH: Duration = Duration::from_secs(10);

/// Whether a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Now; it is counted as sent.
    Now,
    /// Not before this moment.
    NotBefore(Duration),
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As it should.
    Succeeded,
    /// The server was too busy: 503, 429, or no answer in time.
    Throttled {
        /// The wait that it asked for.
        retry_after: Option<Duration>,
    },
    /// Anything else: it tells nothing about the rate.
    Failed,
}

/// The pace of one prefix.
#[derive(Debug, Clone)]
pub struct Limiter {
    rules: LimiterRules,
    rate_per_s: f64,
    step_per_s: f64,
    is_doubling: bool,
    next_at: Duration,
    /// Start of the window towards the next raise, and what has succeeded of the requests sent in it.
    window_from: Duration,
    succeeded: u32,
    cut_at: Option<Duration>,
    latency: Latency,
}

#[derive(Debug, Clone, Default)]
struct Latency {
    smoothed_s: Option<f64>,
    samples: u32,
    lowest_s: Option<f64>,
    lowest_before_s: Option<f64>,
    epoch_from: Duration,
}

impl Latency {
    /// Takes a latency in; tells whether the smoothed one is too high by now.
    fn is_high(&mut self, latency: Duration, rules: &LimiterRules, now: Duration) -> bool {
        let latency_s = latency.as_secs_f64();
        if now.saturating_sub(self.epoch_from) >= EPOCH {
            self.lowest_before_s = self.lowest_s.take();
            self.epoch_from = now;
        }
        let lower = |known: Option<f64>| known.map_or(latency_s, |known| known.min(latency_s));
        self.lowest_s = Some(lower(self.lowest_s));
        let smoothed_s = self.smoothed_s.map_or(latency_s, |before| before + (latency_s - before) * SMOOTHING);
        self.smoothed_s = Some(smoothed_s);
        self.samples += 1;
        let lowest_s = self.lowest_before_s.unwrap_or(f64::INFINITY).min(lower(self.lowest_s));
        self.samples >= SAMPLES && smoothed_s > lowest_s * rules.latency_factor + rules.latency_slack.0.as_secs_f64()
    }
    /// What is known of the requests before a cut does not count after it.
    fn restart(&mut self) {
        self.smoothed_s = None;
        self.samples = 0;
    }
}

impl Limiter {
    /// A prefix about which nothing is known.
    pub fn new(rules: LimiterRules, now: Duration) -> Self {
        Self::starting_at(rules, rules.start_per_s, now)
    }

    /// A prefix that is expected to take about this rate: after a split, its part of what the whole took.
    pub fn starting_at(rules: LimiterRules, rate_per_s: f64, now: Duration) -> Self {
        Self {
            rules,
            rate_per_s: rate_per_s.clamp(rules.floor_per_s, rules.ceiling_per_s),
            step_per_s: rules.step_per_s,
            is_doubling: true,
            next_at: now,
            window_from: now,
            succeeded: 0,
            cut_at: None,
            latency: Latency { epoch_from: now, ..Latency::default() },
        }
    }

    /// Asks for leave to send one request now.
    pub fn ask(&mut self, now: Duration) -> Permit {
        if now < self.next_at {
            return Permit::NotBefore(self.next_at);
        }
        let from = self.next_at.max(now.saturating_sub(self.rules.catch_up.0));
        self.next_at = from + Duration::from_secs_f64(1.0 / self.rate_per_s);
        Permit::Now
    }

    /// Tells how a request ended that was sent at `sent_at`.
    pub fn answered(&mut self, sent_at: Duration, now: Duration, answer: Answer) {
        let is_news = self.cut_at.is_none_or(|cut_at| sent_at >= cut_at);
        match answer {
            Answer::Throttled { retry_after } => {
                if let Some(wait) = retry_after {
                    self.next_at = self.next_at.max(now + wait.min(self.rules.pause_max.0));
                }
                if is_news {
                    self.cut(now);
                }
            }
            Answer::Succeeded if is_news => {
                if self.latency.is_high(now.saturating_sub(sent_at), &self.rules, now) {
                    self.cut(now);
                } else if sent_at >= self.window_from {
                    self.succeeded += 1;
                    self.consider_raise(now);
                }
            }
            Answer::Succeeded | Answer::Failed => {}
        }
    }

    /// The present rate.
    pub fn rate_per_s(&self) -> f64 {
        self.rate_per_s
    }

    /// Whether the server pushes back although it is asked as little as the rules allow.
    pub fn is_pinned(&self) -> bool {
        self.cut_at.is_some() && self.rate_per_s <= self.rules.floor_per_s
    }

    fn cut(&mut self, now: Duration) {
        let factor = if self.is_doubling { CUT_WHILE_DOUBLING } else { self.rules.cut };
        self.step_per_s = (self.rate_per_s * self.rules.step_share).max(self.rules.step_per_s);
        self.rate_per_s = (self.rate_per_s * factor).max(self.rules.floor_per_s);
        self.is_doubling = false;
        self.cut_at = Some(now);
        self.latency.restart();
        self.restart_window(now);
    }

    fn restart_window(&mut self, now: Duration) {
        self.window_from = now;
        self.succeeded = 0;
    }

    fn consider_raise(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.window_from);
        if passed < self.rules.window.0 || self.succeeded < self.rules.successes {
            return;
        }
        // Successes lag by a round trip, in which the window's first requests were still under way.
        let is_used = f64::from(self.succeeded) >= USED * self.rate_per_s * passed.min(self.rules.window.0).as_secs_f64();
        if is_used {
            let raised = if self.is_doubling { self.rate_per_s * 2.0 } else { self.rate_per_s + self.step_per_s };
            self.rate_per_s = raised.min(self.rules.ceiling_per_s);
        }
        self.restart_window(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: Answer = Answer::Throttled { retry_after: None };

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// Sends whenever it may until `to`; `answer` decides by the moment of sending, the answer comes after `latency`.
    fn drive(limiter: &mut Limiter, from: Duration, to: Duration, latency: Duration, answer: impl Fn(Duration) -> Answer) -> u32 {
        let (mut under_way, mut now, mut sent) = (std::collections::VecDeque::new(), from, 0);
        while now < to {
            while under_way.front().is_some_and(|at: &Duration| *at + latency <= now) {
                let at = under_way.pop_front().unwrap();
                limiter.answered(at, at + latency, answer(at));
            }
            if limiter.ask(now) == Permit::Now {
                under_way.push_back(now);
                sent += 1;
            }
            now += millis(1);
        }
        sent
    }

    fn settled(rate_per_s: f64) -> Limiter {
        let mut limiter = Limiter::starting_at(LimiterRules::default(), rate_per_s * 2.0, Duration::ZERO);
        limiter.answered(Duration::ZERO, Duration::ZERO, REFUSED);
        assert_eq!(limiter.rate_per_s(), rate_per_s);
        limiter
    }

    #[test]
    fn requests_are_spaced_by_the_rate_and_a_late_caller_catches_up_little() {
        let mut limiter = settled(100.0);
        assert_eq!(limiter.ask(millis(5)), Permit::Now);
        assert_eq!(limiter.ask(millis(6)), Permit::NotBefore(millis(10)));
        assert_eq!(limiter.ask(millis(10)), Permit::Now);
        let at_once = (0..50).filter(|_| limiter.ask(millis(1000)) == Permit::Now).count();
        assert_eq!(at_once, 2);
        assert_eq!(drive(&mut settled(100.0), Duration::ZERO, millis(1000), millis(5), |_| Answer::Failed), 100);
    }

    #[test]
    fn one_round_trip_of_refusals_cuts_once_and_the_next_cuts_again() {
        let mut limiter = settled(100.0);
        (1..=10).for_each(|sent| limiter.answered(millis(sent), millis(50 + sent), REFUSED));
        assert!((limiter.rate_per_s() - 85.0).abs() < 1e-9);
        limiter.answered(millis(50), millis(90), REFUSED);
        assert!((limiter.rate_per_s() - 85.0).abs() < 1e-9);
        limiter.answered(millis(51), millis(91), REFUSED);
        assert!((limiter.rate_per_s() - 72.25).abs() < 1e-9);
    }

    #[test]
    fn the_rate_never_falls_below_its_floor_and_is_pinned_there() {
        let mut limiter = settled(100.0);
        assert!(!limiter.is_pinned());
        (1..200).for_each(|number| limiter.answered(millis(number), millis(number), REFUSED));
        assert!(limiter.rate_per_s() == 1.0 && limiter.is_pinned());
        drive(&mut limiter, millis(200), millis(20_000), millis(5), |_| Answer::Succeeded);
        assert!(!limiter.is_pinned() && limiter.rate_per_s() > 2.0);
    }

    #[test]
    fn success_doubles_at_first_and_adds_steps_after_the_first_push_back() {
        let mut fresh = Limiter::new(LimiterRules::default(), Duration::ZERO);
        drive(&mut fresh, Duration::ZERO, millis(2000), millis(5), |_| Answer::Succeeded);
        assert!(fresh.rate_per_s() >= 320.0, "{}", fresh.rate_per_s());
        let mut limiter = settled(100.0);
        drive(&mut limiter, Duration::ZERO, millis(2050), millis(5), |_| Answer::Succeeded);
        // Twenty windows of one step of 2 per s: 1 % of the rate that was pushed back.
        assert!((limiter.rate_per_s() - 138.0).abs() <= 4.0, "{}", limiter.rate_per_s());
    }

    #[test]
    fn a_rate_that_is_not_used_is_not_raised() {
        let mut limiter = settled(100.0);
        for number in 0..200 {
            let now = millis(number * 50);
            assert_eq!(limiter.ask(now), Permit::Now);
            limiter.answered(now, now + millis(5), Answer::Succeeded);
        }
        assert_eq!(limiter.rate_per_s(), 100.0);
    }

    #[test]
    fn growing_latency_is_push_back_and_scatter_is_not() {
        let mut limiter = settled(100.0);
        drive(&mut limiter, Duration::ZERO, millis(1000), millis(5), |_| Answer::Succeeded);
        let before = limiter.rate_per_s();
        drive(&mut limiter, millis(1000), millis(1500), millis(30), |_| Answer::Succeeded);
        assert!(limiter.rate_per_s() > before, "30 ms are within 4 x 5 ms + 20 ms");
        let before = limiter.rate_per_s();
        drive(&mut limiter, millis(1500), millis(2500), millis(200), |_| Answer::Succeeded);
        assert!(limiter.rate_per_s() < before, "{} after {before}", limiter.rate_per_s());
    }

    #[test]
    fn a_pause_that_the_server_asks_for_is_kept_up_to_the_longest() {
        let mut limiter = settled(100.0);
        limiter.answered(millis(1), millis(2), Answer::Throttled { retry_after: Some(Duration::from_secs(1)) });
        assert_eq!(limiter.ask(millis(900)), Permit::NotBefore(millis(1002)));
        limiter.answered(millis(1), millis(3), Answer::Throttled { retry_after: Some(Duration::from_secs(3600)) });
        assert_eq!(limiter.ask(millis(900)), Permit::NotBefore(millis(5003)));
    }
}
