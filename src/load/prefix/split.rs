//! Splitting hot prefixes into sub-prefixes, so that the server can put them on partitions of their own.
//!
//! The main types are [`Branches`], which names sub-prefixes and routes keys to them, and [`Heat`], which finds the prefixes that need it.

use crate::config::SplitRules;
use crate::load::zipf::mix;

/// A prefix as it is sent to: one of the branches of a prefix; the only one if it is not split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf {
    /// Number of the prefix.
    pub prefix: u32,
    /// How often the prefix was split.
    pub level: u32,
    /// Number of the branch, below the fan-out to the power of the level.
    pub branch: u32,
}

/// How often each prefix was split. Names and routes depend on the seed alone: clients that know the level of a prefix agree on them.
#[derive(Debug, Clone)]
pub struct Branches {
    seed: u64,
    fan_out: u32,
    levels_max: u32,
    levels: Vec<u8>,
}

impl Branches {
    /// So many prefixes, none of them split.
    pub fn new(prefixes: u32, rules: &SplitRules, seed: u64) -> Self {
        Self { seed, fan_out: rules.fan_out, levels_max: rules.levels, levels: vec![0; prefixes as usize] }
    }

    /// The leaf that a key of a prefix is written to. Keys spread evenly, and a key's branch after a split is one of the branch that it had.
    pub fn leaf(&self, prefix: u32, key: u64) -> Leaf {
        let level = self.level(prefix);
        let hash = mix(self.seed ^ mix(key) ^ mix(u64::from(prefix)).rotate_left(32));
        let branch = ((u128::from(hash) * u128::from(self.count(level))) >> u64::BITS) as u32;
        Leaf { prefix, level, branch }
    }

    /// The leaves of a prefix.
    pub fn leaves(&self, prefix: u32) -> impl Iterator<Item = Leaf> + use<> {
        let level = self.level(prefix);
        (0..self.count(level)).map(move |branch| Leaf { prefix, level, branch })
    }

    /// Splits each leaf of a prefix; false if it was split as often as the rules allow.
    pub fn split(&mut self, prefix: u32) -> bool {
        let levels_max = self.levels_max;
        self.levels.get_mut(prefix as usize).filter(|level| u32::from(**level) < levels_max).is_some_and(|level| {
            *level += 1;
            true
        })
    }

    /// The name of a leaf, by the name of its prefix, which ends in `/`: `hot/` becomes `9f3c21d0~hot~1-3/`. It has as many parts as before, since a
    /// server may look at the first parts of a key only, and starts are scattered (a hash first), since partitions are ranges of keys.
    pub fn name(&self, base: &str, leaf: Leaf) -> String {
        if leaf.level == 0 {
            return base.to_owned();
        }
        let stem = base.strip_suffix('/').unwrap_or(base);
        let (parent, last) = stem.rsplit_once('/').map_or(("", stem), |(parent, last)| (parent, last));
        let slash = if parent.is_empty() { "" } else { "/" };
        let number = (u64::from(leaf.prefix) << 32) | (u64::from(leaf.level) << 24) | u64::from(leaf.branch);
        // A bijection of the number, cut to 32 bits: the branch is named as well, so that two leaves never share a name.
        let hash = mix(self.seed ^ number) as u32;
        format!("{parent}{slash}{hash:08x}~{last}~{}-{}/", leaf.level, leaf.branch)
    }

    fn level(&self, prefix: u32) -> u32 {
        self.levels.get(prefix as usize).copied().map_or(0, u32::from)
    }

    fn count(&self, level: u32) -> u32 {
        self.fan_out.pow(level)
    }
}

/// What is seen of one prefix, its branches together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Operations that are due and wait for leave.
    pub waiting: u64,
    /// Every limiter of it is pinned at its floor (see [`super::Limiter::is_pinned`]).
    pub is_pinned: bool,
}

/// Which prefixes are hot: pinned at the floor with work waiting, or with a backlog that grows far beyond the others', at several looks in a row.
#[derive(Debug, Clone)]
pub struct Heat {
    looks: u32,
    ratio: f64,
    /// The last backlog of each prefix, and at how many looks in a row it was hot.
    seen: Vec<(u64, u32)>,
}

impl Heat {
    /// Nothing has been seen yet.
    pub fn new(prefixes: u32, rules: &SplitRules) -> Self {
        Self { looks: rules.looks, ratio: rules.ratio, seen: vec![(0, 0); prefixes as usize] }
    }

    /// Takes a look at every prefix, in their order, and gives those that are to be split now; their count starts anew.
    pub fn look(&mut self, looks: &[Look]) -> Vec<u32> {
        let mut sorted: Vec<u64> = looks.iter().map(|look| look.waiting).collect();
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
        let mut hot = Vec::new();
        for (number, (look, (last, count))) in (0..).zip(looks.iter().zip(&mut self.seen)) {
            let stands_out = look.waiting as f64 > self.ratio * (median.max(1)) as f64;
            let is_hot = (look.is_pinned && look.waiting > 0) || (stands_out && look.waiting > *last);
            *count = if is_hot { *count + 1 } else { 0 };
            *last = look.waiting;
            if *count >= self.looks {
                *count = 0;
                hot.push(number);
            }
        }
        hot
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    fn looks(waiting: [u64; 4]) -> Vec<Look> {
        waiting.into_iter().map(|waiting| Look { waiting, is_pinned: false }).collect()
    }

    #[test]
    fn a_growing_backlog_among_idle_prefixes_is_hot_at_the_third_look() {
        let mut heat = Heat::new(4, &SplitRules::default());
        assert!(heat.look(&looks([1, 30, 0, 1])).is_empty());
        assert!(heat.look(&looks([1, 60, 0, 1])).is_empty());
        assert_eq!(heat.look(&looks([1, 90, 0, 1])), [1]);
        assert!(heat.look(&looks([1, 120, 0, 1])).is_empty(), "it is given time after a split");
    }

    #[test]
    fn backlogs_that_shrink_or_that_all_have_are_not_hot() {
        let mut heat = Heat::new(4, &SplitRules::default());
        for waiting in [400, 300, 200, 100] {
            let _ = heat.look(&looks([0, 500, 0, 0]));
            assert!(heat.look(&looks([0, waiting, 0, 0])).is_empty());
        }
        let mut heat = Heat::new(4, &SplitRules::default());
        assert!((1..20).all(|turn| heat.look(&looks([turn * 90, turn * 100, turn * 80, turn * 95])).is_empty()));
    }

    #[test]
    fn a_prefix_that_is_pinned_at_its_floor_is_hot_if_it_has_work() {
        let mut heat = Heat::new(2, &SplitRules::default());
        let pinned = |waiting| [Look { waiting, is_pinned: true }, Look::default()];
        assert_eq!([heat.look(&pinned(3)), heat.look(&pinned(3)), heat.look(&pinned(3))], [vec![], vec![], vec![0]]);
        assert!((0..5).all(|_| heat.look(&pinned(0)).is_empty()));
    }

    #[test]
    fn keys_spread_evenly_over_the_branches_and_stay_below_their_parent() {
        let mut branches = Branches::new(3, &SplitRules::default(), 7);
        assert_eq!(branches.leaf(1, 5), Leaf { prefix: 1, level: 0, branch: 0 });
        assert!(branches.split(1));
        let before: Vec<Leaf> = (0..40_000).map(|key| branches.leaf(1, key)).collect();
        let mut counts: BTreeMap<Leaf, u32> = BTreeMap::new();
        before.iter().for_each(|leaf| *counts.entry(*leaf).or_default() += 1);
        assert!(counts.len() == 4 && counts.values().all(|count| count.abs_diff(10_000) < 400), "{counts:?}");
        assert!(branches.split(1) && !branches.split(1) && !branches.split(9));
        assert_eq!(branches.leaves(1).count(), 16);
        for (key, before) in (0..).zip(before) {
            assert_eq!(branches.leaf(1, key).branch / 4, before.branch);
        }
        assert_eq!((branches.leaf(0, 1).level, branches.leaves(0).count()), (0, 1));
    }

    #[test]
    fn names_are_unique_depend_on_the_seed_and_have_as_many_parts_as_before() {
        let mut branches = Branches::new(64, &SplitRules::default(), 7);
        (0..64).for_each(|prefix| assert!(branches.split(prefix) && branches.split(prefix)));
        let names = |branches: &Branches| -> BTreeSet<String> {
            let all = (0..64).flat_map(|prefix| branches.leaves(prefix).map(move |leaf| (prefix, leaf)));
            all.map(|(prefix, leaf)| branches.name(&format!("run/{prefix:04}/"), leaf)).collect()
        };
        let seven = names(&branches);
        assert_eq!(seven.len(), 64 * 16);
        assert!(seven.iter().all(|name| name.starts_with("run/") && name.ends_with('/') && name.matches('/').count() == 2));
        // Starts are scattered over the key space: all sixteen first digits occur.
        assert_eq!(seven.iter().map(|name| &name[4..5]).collect::<BTreeSet<_>>().len(), 16);
        assert_eq!(seven, names(&branches.clone()));
        assert!(seven.is_disjoint(&names(&Branches { seed: 8, ..branches.clone() })));
        assert_eq!(branches.name("hot/", Leaf { prefix: 0, level: 0, branch: 0 }), "hot/");
    }
}
