//! A list storm (A17): all ranks list the whole data set at once, page after page, and each has to see every key once.
//!
//! The main type is [`Storm`].

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::Context;
use super::crew::{Hand, Moved};
use super::data::Object;
use super::record::{self, metric};
use super::steps::{self, Naming, Step, Steps};
use super::xml;
use crate::config::{ListStorm, Operation, ProgramCell};
use crate::load::{Meeting, Program, Task, Worker};
use crate::model::{Direction, Gate, GateVerdict, ScenarioRecord};
use crate::wire::sigv4::encode_query_part;

/// What one rank saw in one pass that had no failed request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    /// Keys of the data set that it never saw.
    missing: u64,
    /// Keys that it saw again.
    again: u64,
    /// Keys that are not of the data set.
    foreign: u64,
}

impl Seen {
    fn is_right(self) -> bool {
        self == Seen::default()
    }
}

/// Which keys of the data set were seen: a bit for each.
#[derive(Debug)]
struct Marks<'a> {
    bits: Vec<u64>,
    keys: u64,
    /// Each key begins with this; its number follows.
    stem: &'a str,
    seen: Seen,
}

impl<'a> Marks<'a> {
    fn new(keys: u64, stem: &'a str) -> Self {
        Self { bits: vec![0; keys.div_ceil(64) as usize], keys, stem, seen: Seen::default() }
    }
    fn mark(&mut self, key: &str) {
        let number = key.strip_prefix(self.stem).and_then(|number| number.parse::<u64>().ok()).filter(|number| *number < self.keys);
        let Some(number) = number else { return self.seen.foreign += 1 };
        let (word, bit) = (&mut self.bits[(number / 64) as usize], 1 << (number % 64));
        self.seen.again += u64::from(*word & bit != 0);
        *word |= bit;
    }
    fn done(mut self) -> Seen {
        self.seen.missing = self.keys - self.bits.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        self.seen
    }
}

/// Ranks that begin each pass together and list until there is no page left.
#[derive(Debug)]
struct Storm {
    /// What the listings ask for: keys begin with it, their numbers follow.
    prefix: String,
    program: ListStorm,
    ranks: u32,
    limit: Duration,
    meeting: Meeting,
    steps: Steps,
    seen: Mutex<Vec<Seen>>,
}

/// Where a listing goes on.
enum Page {
    Last,
    Next(String),
}

impl Storm {
    async fn rank(&self, worker: &Worker) {
        let mut hand = Hand::begin(worker).await;
        let (mut steps, mut seen) = (Vec::new(), Vec::new());
        for number in 1..=self.program.passes {
            if self.meeting.join(worker, worker.is_stopped() || worker.elapsed() >= self.limit).await {
                break;
            }
            let (start, mut marks) = (worker.elapsed(), Marks::new(self.program.keys, &self.prefix));
            let moved = self.list(&mut hand, &mut marks).await;
            if moved.failed == 0 {
                seen.push(marks.done());
            }
            steps.push(Step { number, start, end: worker.elapsed(), moved });
        }
        self.steps.add(steps);
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).extend(seen);
        hand.end();
    }

    /// Lists all pages; a page that fails ends it, for nothing retries and no later page is known.
    async fn list(&self, hand: &mut Hand<'_>, marks: &mut Marks<'_>) -> Moved {
        let (mut moved, mut token) = (Moved::default(), None);
        let prefix = encode_query_part(self.prefix.as_bytes());
        loop {
            hand.request.reset(Operation::ListObjectsV2, 0, 0);
            let query = &mut hand.request.query;
            if let Some(token) = &token {
                // Writing to memory does not fail.
                let _ = write!(query, "continuation-token={token}&");
            }
            let _ = write!(query, "list-type=2&max-keys={}&prefix={prefix}", self.program.page_size);
            let page = match hand.send().await {
                Ok(None) => read_page(hand.lane.text(), |key| marks.mark(key)),
                Ok(Some(failure)) => Err(failure.to_string()),
                Err(()) => Err("the load was stopped".to_owned()),
            };
            moved.complete += u64::from(page.is_ok());
            match page {
                Ok(Page::Last) => return moved,
                // Far more pages than there are keys for: a listing that begins again and again.
                Ok(Page::Next(_)) if moved.complete > 2 * self.program.pages() + 10 => {
                    moved.fail(&self.prefix, "list", "it does not end");
                    return moved;
                }
                Ok(Page::Next(next)) => token = Some(encode_query_part(next.as_bytes())),
                Err(why) => {
                    moved.fail(&self.prefix, "list", &why);
                    return moved;
                }
            }
        }
    }
}

/// Hands every key of a page to `take` and tells where the listing goes on.
fn read_page(text: &[u8], mut take: impl FnMut(&str)) -> Result<Page, String> {
    let (mut is_truncated, mut next) = (None, None);
    xml::each(text, |name, text| match name {
        b"Key" => take(text),
        b"IsTruncated" => is_truncated = Some(text == "true"),
        b"NextContinuationToken" => next = Some(text.to_owned()),
        _ => {}
    })?;
    match (is_truncated, next) {
        (Some(true), Some(next)) => Ok(Page::Next(next)),
        (Some(true), None) => Err("a truncated page without a continuation token".to_owned()),
        (Some(false), _) => Ok(Page::Last),
        (None, _) => Err("a page that does not say whether it is the last one".to_owned()),
    }
}

impl Program for Storm {
    fn tasks<'w>(&'w self, worker: &'w Worker) -> Vec<Task<'w>> {
        let own = (worker.index..self.ranks).step_by(worker.of() as usize);
        own.map(|_| Box::pin(self.rank(worker)) as Task<'w>).collect()
    }
}

/// Runs one cell.
///
/// # Errors
/// When the data set cannot be written or the load cannot start, the reason.
pub(super) async fn run(context: &mut Context<'_>, program: &ListStorm, cell: &ProgramCell, record: &mut ScenarioRecord) -> Result<(), String> {
    let ProgramCell::ListStorm { ranks } = *cell else { return Err(format!("{cell} is no cell of a list storm")) };
    let objects: Vec<Object> =
        (0..program.keys).map(|file| Object { key: program.file_name(file), number: file, size: program.object_size.0 }).collect();
    context.prepare(&objects, program.object_size.0).await?;
    let storm = Arc::new(Storm {
        prefix: context.key(ListStorm::FOLDER),
        program: program.clone(),
        ranks,
        limit: context.times.duration,
        meeting: Meeting::new(ranks),
        steps: Steps::default(),
        seen: Mutex::default(),
    });
    let result = context.load(Arc::clone(&storm) as Arc<dyn Program>, ranks, None).await?;
    record::fill(record, &result, steps::whole(&result));
    let rounds = storm.steps.rounds();
    record::set(record, "ranks", ranks.to_string());
    record::set(record, "listing", format!("{} keys, {} pages of {} keys", program.keys, program.pages(), program.page_size));
    record.gates.push(gate(&storm.seen.lock().unwrap_or_else(PoisonError::into_inner)));
    steps::fill(record, &Naming { what: "listing", round: "pass" }, &rounds);
    let whole = || rounds.iter().filter(|round| round.is_complete());
    let (pages, seconds) = whole().fold((0, 0.0), |(pages, s), round| (pages + round.moved.complete, s + round.duration().as_secs_f64()));
    record.metrics.push(metric("pages_s", "1/s", Direction::HigherBetter, (seconds > 0.0).then(|| pages as f64 / seconds), pages));
    Ok(())
}

fn gate(seen: &[Seen]) -> Gate {
    let wrong: Vec<&Seen> = seen.iter().filter(|seen| !seen.is_right()).collect();
    let verdict = match (seen.is_empty(), wrong.is_empty()) {
        (true, _) => GateVerdict::Untested,
        (false, true) => GateVerdict::Met,
        (false, false) => GateVerdict::NotMet,
    };
    let sum = |field: fn(&Seen) -> u64| wrong.iter().map(|seen| field(seen)).sum::<u64>();
    let counts = (sum(|seen| seen.missing), sum(|seen| seen.again), sum(|seen| seen.foreign));
    let observed =
        format!("{} of {} listings are wrong: {} keys missing, {} seen again, {} of nobody", wrong.len(), seen.len(), counts.0, counts.1, counts.2);
    let limit = "every rank sees every key exactly once in each pass".to_owned();
    Gate { name: "listing_complete".to_owned(), verdict, limit, observed, evidence: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_missing_seen_again_or_of_nobody() {
        let mut marks = Marks::new(70, "p/train/");
        (0..70).filter(|number| *number != 66).for_each(|number| marks.mark(&format!("p/train/{number:012}")));
        marks.mark("p/train/000000000003");
        ["p/train/000000000070", "p/train/x", "train/000000000001"].iter().for_each(|key| marks.mark(key));
        let seen = marks.done();
        assert_eq!(seen, Seen { missing: 1, again: 1, foreign: 3 });
        assert_eq!(gate(&[Seen::default(), seen]).verdict, GateVerdict::NotMet);
        assert_eq!(gate(&[Seen::default()]).verdict, GateVerdict::Met);
        assert_eq!(gate(&[]).verdict, GateVerdict::Untested);
    }

    #[test]
    fn a_page_says_where_it_goes_on_or_is_no_page() {
        let page = |more: &str| {
            let mut keys = Vec::new();
            let read = read_page(format!("<L><Contents><Key>a</Key></Contents>{more}</L>").as_bytes(), |key| keys.push(key.to_owned()));
            (read.map(|page| if let Page::Next(token) = page { Some(token) } else { None }), keys.len())
        };
        assert_eq!(page("<IsTruncated>false</IsTruncated>"), (Ok(None), 1));
        assert_eq!(page("<IsTruncated>true</IsTruncated><NextContinuationToken>x&amp;y</NextContinuationToken>").0, Ok(Some("x&y".to_owned())));
        assert!(page("<IsTruncated>true</IsTruncated>").0.is_err() && page("").0.is_err());
    }
}
