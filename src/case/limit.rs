//! The search for a limit: the highest number that a server still takes.
//!
//! The main function is [`highest`].

use std::future::Future;

use super::finding::{Checked, Finding};

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The highest number that was taken; `None` where not even the lowest was.
    pub value: Option<u64>,
    /// Whether the search ended at its own upper end, so that the server's limit is that or more.
    pub is_open: bool,
    /// Probes sent.
    pub probes: u64,
}

/// The highest number from `low` to `high` for which `probe` says true, by bisection. A server need not be monotonic, so what was
/// found is looked at once more, and so is its successor.
///
/// # Errors
/// With what a probe ends with; unresolved where the second look differs from the first, because then there is no one limit.
pub async fn highest<F, Fut>(low: u64, high: u64, probe: F) -> Checked<Limit>
where
    F: Fn(u64) -> Fut,
    Fut: Future<Output = Checked<bool>>,
{
    if !probe(low).await? {
        return Ok(Limit { value: None, is_open: false, probes: 1 });
    }
    if probe(high).await? {
        return Ok(Limit { value: Some(high), is_open: true, probes: 2 });
    }
    let (mut taken, mut refused, mut probes) = (low, high, 2);
    while refused - taken > 1 {
        let middle = taken + (refused - taken) / 2;
        probes += 1;
        if probe(middle).await? {
            taken = middle;
        } else {
            refused = middle;
        }
    }
    probes += 2;
    if !probe(taken).await? || probe(refused).await? {
        let differs = format!("there is no one limit: at {taken} and {refused} a second look differs from the first");
        return Err(Finding::Unresolved(differs));
    }
    Ok(Limit { value: Some(taken), is_open: false, probes })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_highest_taken_number_is_found_and_looked_at_twice() {
        for limit in [1, 2, 1023, 1024, 1025, 4095] {
            let seen = AtomicU64::new(0);
            let found = highest(1, 4096, async |n| {
                seen.fetch_add(u64::from(n == limit), Ordering::Relaxed);
                Ok(n <= limit)
            });
            let found = found.await.unwrap();
            assert_eq!((found.value, found.is_open), (Some(limit), false), "{limit}");
            assert!(seen.load(Ordering::Relaxed) == 2 && found.probes <= 16, "{limit}: {found:?}");
        }
    }

    #[tokio::test]
    async fn both_ends_of_the_search_are_told() {
        assert_eq!(highest(1, 9, async |_| Ok(true)).await.unwrap(), Limit { value: Some(9), is_open: true, probes: 2 });
        assert_eq!(highest(1, 9, async |_| Ok(false)).await.unwrap(), Limit { value: None, is_open: false, probes: 1 });
    }

    #[tokio::test]
    async fn a_server_that_changes_its_mind_has_no_limit() {
        let turn = AtomicU64::new(0);
        let found = highest(1, 8, async |n| Ok(n <= 4 && turn.fetch_add(1, Ordering::Relaxed) < 2)).await;
        assert!(matches!(found, Err(Finding::Unresolved(_))), "{found:?}");
    }
}
