//! Who may have brought the server down: read from what the cases under way had sent. Pure.

use crate::case::finding::{Finding, Trouble};
use crate::case::judge::Attempt;
use crate::model::{CaseId, Crash, Suspect};
use crate::wire::{Exchange, Failure};

/// A request that waited this long for an answer, in ms, was left hanging.
const LONG_MS: f64 = 3600.0;

/// A case that was running when the server went down.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) suspect: Suspect,
    /// Whether its request lost its answer.
    pub(super) is_broken: bool,
    /// Whether it had sent anything.
    has_sent: bool,
}

/// Why nothing runs any more on a server that stays down.
pub(super) fn over(crash: &Crash, why: &str) -> String {
    let known: Vec<String> = crash.culprit.iter().chain(&crash.suspects).take(3).map(ToString::to_string).collect();
    let more = crash.suspects.len().saturating_sub(known.len());
    let since = match known.as_slice() {
        [] => crash.at.clone(),
        [one] => one.clone(),
        several if more > 0 => format!("one of {}; and {more} more", several.join("; ")),
        several => format!("one of {}", several.join("; ")),
    };
    format!("server down since {since}: {why}")
}

/// Those whose request lost its answer; where nobody's did, those who had sent something. In the order of their ids.
pub(super) fn suspects_of(joined: Vec<Joined>) -> Vec<Suspect> {
    let has_broken = joined.iter().any(|case| case.is_broken);
    let is_suspect = |case: &Joined| if has_broken { case.is_broken } else { case.has_sent };
    let mut suspects: Vec<Suspect> = joined.into_iter().filter(is_suspect).map(|case| case.suspect).collect();
    suspects.sort_by(|a, b| a.case.cmp(&b.case));
    suspects
}

/// Whether the attempt saw something that a dead server explains.
pub(super) fn is_troubled(attempt: &Attempt, exchanges: &[Exchange]) -> bool {
    let is_unreachable = matches!(attempt, Attempt::Found(Finding::Trouble(Trouble::Unreachable | Trouble::NoAnswer, _)) | Attempt::Late(Some(_)));
    let is_dead = |failure| matches!(failure, Failure::Connect | Failure::ConnectTimeout) || is_broken(failure);
    is_unreachable || exchanges.iter().filter_map(|exchange| exchange.failure).any(is_dead)
}

/// Sent, and then no complete answer.
fn is_broken(failure: Failure) -> bool {
    matches!(failure, Failure::Reset | Failure::ClosedEarly | Failure::Truncated | Failure::Timeout | Failure::Other)
}

/// The operation whose missing answer ended the attempt.
pub(super) fn hung(attempt: &Attempt, exchanges: &[Exchange]) -> Option<String> {
    match attempt {
        Attempt::Late(operation) => operation.clone(),
        Attempt::Hopeless(operation, _) => Some(operation.clone()),
        Attempt::Found(Finding::Trouble(Trouble::NoAnswer, _)) => {
            exchanges.iter().rev().find(|exchange| exchange.failure == Some(Failure::Timeout)).map(|exchange| exchange.operation.clone())
        }
        _ => None,
    }
}

/// Whether the attempt ended because an answer did not come in time.
pub(super) fn has_waited(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Late(_) | Attempt::Hopeless(..) | Attempt::Found(Finding::Trouble(Trouble::NoAnswer, _)))
}

/// Whether the server owed the exchange an answer when the client gave up.
fn is_hang(exchange: &Exchange) -> bool {
    let is_cut_off = exchange.failure == Some(Failure::Abandoned) && exchange.status == 0 && exchange.duration_ms >= LONG_MS;
    exchange.failure == Some(Failure::Timeout) || is_cut_off
}

/// What a case that ran when the server went down had sent.
pub(super) fn joined(case: &CaseId, exchanges: &[Exchange]) -> Joined {
    let sent = || exchanges.iter().filter(|exchange| !exchange.failure.is_some_and(Failure::nothing_sent));
    let broken = sent().find(|exchange| is_hang(exchange) || exchange.failure.is_some_and(is_broken));
    let request = broken
        .or_else(|| sent().next_back())
        .map_or_else(|| "none".to_owned(), |exchange| format!("{} {} {}", exchange.operation, exchange.method, exchange.target).trim().to_owned());
    Joined { suspect: Suspect { case: case.clone(), request }, is_broken: broken.is_some(), has_sent: sent().next().is_some() }
}

/// What the attempt is worth.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::case) enum Sight {
    /// The server is up: the attempt is judged by what it found.
    Up,
    /// The server went down, by another case or for no reason, or was not quite back yet: the attempt counts for nothing.
    Again,
    /// The attempt brought the server down.
    Culprit(Suspect),
}

/// Why no attempt may run.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::case) enum Halt {
    /// The server stays down.
    Down(String),
    /// The server stays down, and this case is what brought it down.
    Culprit(Suspect),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(operation: &str, failure: Option<Failure>, duration_ms: f64) -> Exchange {
        Exchange { operation: operation.to_owned(), method: "PUT".to_owned(), target: "/b/k".to_owned(), failure, duration_ms, ..Exchange::default() }
    }
    fn case(id: &str, exchanges: &[Exchange]) -> Joined {
        joined(&CaseId::from(id), exchanges)
    }

    #[test]
    fn the_request_that_lost_its_answer_is_the_suspect_and_not_those_that_found_nobody() {
        let refused = exchange("GetObject", Some(Failure::Connect), 1.0);
        let reset = case("a", &[exchange("PutObject", None, 1.0), exchange("UploadPartCopy", Some(Failure::Reset), 1.0), refused.clone()]);
        assert_eq!((reset.suspect.request.as_str(), reset.is_broken), ("UploadPartCopy PUT /b/k", true));
        let victim = case("b", &[exchange("PutObject", None, 1.0), refused]);
        assert_eq!((victim.suspect.request.as_str(), victim.is_broken), ("PutObject PUT /b/k", false));
        let hanging = case("c", &[exchange("GetObject", Some(Failure::Abandoned), 30_000.0)]);
        let closed_on_purpose = case("d", &[exchange("PutObject", Some(Failure::Abandoned), 50.0)]);
        assert!(hanging.is_broken && !closed_on_purpose.is_broken);
    }

    #[test]
    fn only_where_nobody_lost_an_answer_everyone_who_sent_something_is_a_suspect() {
        let ids = |joined| suspects_of(joined).into_iter().map(|suspect| suspect.case.to_string()).collect::<Vec<_>>();
        let sent = || case("b", &[exchange("PutObject", None, 1.0)]);
        let idle = || case("a", &[exchange("PutObject", Some(Failure::Connect), 1.0)]);
        assert_eq!(ids(vec![sent(), idle()]), ["b"]);
        assert_eq!(ids(vec![sent(), idle(), case("0", &[exchange("GetObject", Some(Failure::ClosedEarly), 1.0)])]), ["0"]);
    }

    #[test]
    fn a_case_that_closes_connections_itself_gives_no_cause_for_a_probe() {
        assert!(!is_troubled(&Attempt::Passed, &[exchange("PutObject", Some(Failure::Abandoned), 50.0)]));
        assert!(is_troubled(&Attempt::Passed, &[exchange("PutObject", Some(Failure::ClosedEarly), 50.0)]));
        assert!(is_troubled(&Attempt::Late(Some("PutObject".to_owned())), &[]));
    }
}
