//! Who may write to which sub-prefix: leases with an owner and an end.
//!
//! The main type is [`Leases`], the one table that all clients ask. A lease ends for its owner a margin before it ends for the table, so that two
//! clients whose clocks differ by no more than the margin are never both sure of the same one (Gray and Cheriton, "Leases", 1989).

use std::collections::BTreeMap;
use std::time::Duration;

/// What an owner holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Grows with every change of owner: who shows an older one is refused.
    pub term: u64,
    /// The owner, by its own clock, stops before this.
    pub use_until: Duration,
}

/// Why there is no grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Somebody else holds it.
    #[error("held by client {owner} until {until:?}")]
    Held {
        /// By whom.
        owner: u32,
        /// By the table's clock.
        until: Duration,
    },
    /// It ran out, was given back, or belongs to a later term.
    #[error("the lease is lost")]
    Lost,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    owner: u32,
    term: u64,
    until: Duration,
}

/// The leases of items `K`, for example [`super::Leaf`].
#[derive(Debug, Clone)]
pub struct Leases<K> {
    lasts: Duration,
    margin: Duration,
    terms: u64,
    held: BTreeMap<K, Lease>,
}

impl<K: Ord + Copy> Leases<K> {
    /// Leases that last so long without being renewed. `margin` is the most that two clocks may differ by; it must be shorter.
    pub fn new(lasts: Duration, margin: Duration) -> Self {
        Self { lasts, margin, terms: 0, held: BTreeMap::new() }
    }

    /// Takes an item that nobody holds at `now`, or goes on holding one's own.
    ///
    /// # Errors
    /// When somebody else holds it.
    pub fn acquire(&mut self, item: K, owner: u32, now: Duration) -> Result<Grant, Refused> {
        let term = match self.held.get(&item) {
            Some(lease) if now < lease.until && lease.owner != owner => return Err(Refused::Held { owner: lease.owner, until: lease.until }),
            Some(lease) if now < lease.until => lease.term,
            _ => {
                self.terms += 1;
                self.terms
            }
        };
        Ok(self.grant(item, owner, term, now))
    }

    /// Holds on to an item.
    ///
    /// # Errors
    /// When the lease has run out or is of an earlier term: the owner must have stopped by then, and may acquire it anew.
    pub fn renew(&mut self, item: K, owner: u32, term: u64, now: Duration) -> Result<Grant, Refused> {
        match self.held.get(&item) {
            Some(lease) if lease.owner == owner && lease.term == term && now < lease.until => Ok(self.grant(item, owner, term, now)),
            _ => Err(Refused::Lost),
        }
    }

    /// Gives an item back before its end; nothing happens if it is lost already.
    pub fn release(&mut self, item: K, owner: u32, term: u64) {
        if self.held.get(&item).is_some_and(|lease| lease.owner == owner && lease.term == term) {
            self.held.remove(&item);
        }
    }

    /// Who holds an item at `now`.
    pub fn owner(&self, item: K, now: Duration) -> Option<u32> {
        self.held.get(&item).filter(|lease| now < lease.until).map(|lease| lease.owner)
    }

    /// Forgets what has run out, and gives the items.
    pub fn expire(&mut self, now: Duration) -> Vec<K> {
        let over: Vec<K> = self.held.iter().filter(|(_, lease)| lease.until <= now).map(|(item, _)| *item).collect();
        self.held.retain(|_, lease| now < lease.until);
        over
    }

    fn grant(&mut self, item: K, owner: u32, term: u64, now: Duration) -> Grant {
        let until = now + self.lasts;
        self.held.insert(item, Lease { owner, term, until });
        Grant { term, use_until: until.saturating_sub(self.margin) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LASTS: Duration = Duration::from_millis(1000);
    const MARGIN: Duration = Duration::from_millis(100);
    const CLIENTS: usize = 4;
    const ITEMS: u32 = 3;

    fn millis(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// One step of some client: what it does, with which item, after how many ms.
    type Step = (u8, usize, u32, u64);

    /// Plays clients whose clocks lag by `lag_ms` behind one that is a margin ahead of the table's; the largest number of clients that were sure
    /// of one item at once.
    fn owners_at_most(steps: &[Step], lag_ms: [u64; CLIENTS]) -> usize {
        let mut leases = Leases::new(LASTS, MARGIN);
        let mut sure: BTreeMap<(usize, u32), Grant> = BTreeMap::new();
        let (mut now, mut most) = (Duration::ZERO, 0);
        for (action, client, item, wait_ms) in steps.iter().copied() {
            // Every ms on the way is looked at: an overlap may be short.
            for _ in 0..wait_ms {
                now += millis(1);
                for item in 0..ITEMS {
                    let uses = |client: &usize| {
                        let by_its_clock = (now + MARGIN).saturating_sub(millis(lag_ms[*client]));
                        sure.get(&(*client, item)).is_some_and(|grant| by_its_clock < grant.use_until)
                    };
                    most = most.max((0..CLIENTS).filter(uses).count());
                }
            }
            let (key, owner) = ((client, item), client as u32);
            let known = sure.get(&key).copied();
            match (action, known) {
                (0, _) => drop(leases.acquire(item, owner, now).map(|grant| sure.insert(key, grant))),
                (1, Some(grant)) => drop(leases.renew(item, owner, grant.term, now).map(|grant| sure.insert(key, grant))),
                (2, Some(grant)) => {
                    sure.remove(&key);
                    leases.release(item, owner, grant.term);
                }
                (3, _) => drop(leases.expire(now)),
                _ => {}
            }
        }
        most
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        proptest::collection::vec((0u8..4, 0..CLIENTS, 0..ITEMS, 0u64..400), 1..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_two_clients_are_ever_sure_of_one_item(steps in steps(), lag_ms in [0u64..200, 0u64..200, 0u64..200, 0u64..200]) {
            // Clocks from a margin ahead of the table's to a margin behind it.
            prop_assert!(owners_at_most(&steps, lag_ms) <= 1);
        }

        #[test]
        fn the_table_names_one_owner_and_terms_grow(steps in steps()) {
            let mut leases = Leases::new(LASTS, MARGIN);
            let (mut now, mut last) = (Duration::ZERO, BTreeMap::new());
            for (action, client, item, wait_ms) in steps {
                now += millis(wait_ms);
                let before = leases.owner(item, now);
                if action == 3 { leases.expire(now); }
                match leases.acquire(item, client as u32, now) {
                    Ok(grant) => {
                        prop_assert!(before.is_none_or(|owner| owner == client as u32));
                        prop_assert_eq!(leases.owner(item, now), Some(client as u32));
                        let newest = last.insert(item, grant.term).unwrap_or(0);
                        let is_next = if before.is_some() { grant.term == newest } else { grant.term > newest };
                        prop_assert!(is_next, "{} after {newest}", grant.term);
                    }
                    Err(Refused::Held { owner, until }) => prop_assert!(before == Some(owner) && until > now && owner != client as u32),
                    Err(Refused::Lost) => prop_assert!(false),
                }
            }
        }
    }

    #[test]
    fn clocks_that_differ_by_more_than_the_margin_give_two_owners() {
        // Client 0's clock is 150 ms behind, the margin is 100 ms: the search above would find it.
        let steps = [(0, 0, 0, 1), (0, 1, 0, 1000), (3, 1, 0, 30)];
        let at_most = |behind_ms: u64| {
            let mut leases = Leases::new(LASTS, MARGIN);
            let first = leases.acquire(0, 0, millis(1)).unwrap();
            let second = leases.acquire(0, 1, millis(1001)).unwrap();
            let uses = |grant: &Grant, clock: Duration| clock < grant.use_until;
            usize::from(uses(&first, millis(1001 - behind_ms))) + usize::from(uses(&second, millis(1001)))
        };
        assert_eq!((at_most(100), at_most(150)), (1, 2));
        assert_eq!(owners_at_most(&steps, [100; CLIENTS]), 1);
        assert_eq!(owners_at_most(&steps, [250, 100, 100, 100]), 2);
    }

    #[test]
    fn a_lease_that_is_renewed_stays_and_one_that_is_not_goes_to_the_next() {
        let mut leases = Leases::new(LASTS, MARGIN);
        let first = leases.acquire('a', 1, millis(0)).unwrap();
        assert_eq!(first.use_until, millis(900));
        assert_eq!(leases.acquire('a', 2, millis(500)), Err(Refused::Held { owner: 1, until: millis(1000) }));
        assert_eq!(leases.renew('a', 1, first.term, millis(800)).unwrap(), Grant { term: first.term, use_until: millis(1700) });
        assert_eq!(leases.renew('a', 2, first.term, millis(900)), Err(Refused::Lost));
        let second = leases.acquire('a', 2, millis(1800)).unwrap();
        assert_eq!(leases.renew('a', 1, first.term, millis(1801)), Err(Refused::Lost));
        leases.release('a', 1, first.term);
        assert_eq!(leases.owner('a', millis(1801)), Some(2));
        leases.release('a', 2, second.term);
        assert_eq!(leases.owner('a', millis(1801)), None);
        let third = leases.acquire('a', 1, millis(1802)).unwrap();
        assert!(third.term > second.term && leases.expire(millis(2000)).is_empty());
        assert_eq!(leases.expire(millis(2802)), ['a']);
    }
}
