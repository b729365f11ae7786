//! Suite `register`: a key that several clients change by compare-and-set, and a model that random operations are compared with.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, Trials, WithClass, expect};
use proofmark::check::{CasLook, CasWrite, cas_violation};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::units::Bytes;
use tokio::task::JoinSet;

/// The suite.
pub fn suite() -> Suite {
    let suite = cas(Suite::new("register").source("S3 user guide, Conditional requests"));
    model(suite.source("S3 user guide, Amazon S3 data consistency model"))
}

/// What all clients of one register did.
#[derive(Default)]
struct Past {
    /// One tick per start and end, so that times are distinct and in the order of what happened.
    clock: AtomicU64,
    writes: Mutex<Vec<CasWrite>>,
    reads: Mutex<Vec<CasLook>>,
    refusals: Mutex<Vec<CasLook>>,
}

impl Past {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst) + 1
    }
}

fn keep<T>(list: &Mutex<Vec<T>>, item: T) {
    list.lock().unwrap_or_else(PoisonError::into_inner).push(item);
}

fn taken<T>(list: &Mutex<Vec<T>>) -> Vec<T> {
    std::mem::take(&mut *list.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Reads the register: its value and ETag.
async fn read(fx: &Fixture, name: &str, past: &Past) -> Checked<(u64, String)> {
    let start = past.tick();
    let got = expect::ok(fx.get_object(name).send().await)?;
    let etag = expect::some("ETag", got.e_tag.clone())?;
    let body = fx.collect(got.body).await?;
    let value = expect::some("a number in the body", String::from_utf8_lossy(&body).parse().ok())?;
    keep(&past.reads, CasLook { id: value, start, finish: past.tick() });
    Ok((value, etag))
}

/// Replaces `value`, if it is still the present one, by `next`.
async fn swap(fx: &Fixture, name: &str, past: &Past, (value, etag): (u64, String), next: u64) -> Checked {
    let start = past.tick();
    let put = fx.put_object(name).if_match(etag).body(next.to_string().into_bytes().into()).send().await.settle();
    let finish = past.tick();
    let write = |finish| CasWrite { id: next, replaced: value, start, finish };
    match put {
        Ok(_) => keep(&past.writes, write(Some(finish))),
        Err(Refusal::Answered { status: 412, .. }) => keep(&past.refusals, CasLook { id: value, start, finish }),
        // Another write was going on: nothing was stored, and nothing is said of the present value.
        Err(Refusal::Answered { status: 409, .. }) => {}
        // Nobody knows whether it was applied.
        Err(Refusal::Answered { status: 500 | 502..=504, .. } | Refusal::Broken(..)) => keep(&past.writes, write(None)),
        Err(other) => expect::lost(&other, "success, 412 or 409")?,
    }
    Ok(())
}

/// Clients of one register, and what each does.
const CLIENTS: u64 = 4;
const TURNS: u64 = 5;

/// One history of a register; `plan` decides which turns only read.
async fn history(fx: Fixture, name: String, plan: Vec<u8>) -> Checked {
    fx.put(&name, b"0").await?;
    let (past, mut clients) = (Arc::new(Past::default()), JoinSet::new());
    for client in 0..CLIENTS {
        let (fx, name, past, plan) = (fx.clone(), name.clone(), past.clone(), plan.clone());
        clients.spawn(async move {
            for turn in 0..TURNS {
                let number = client * TURNS + turn;
                let seen = read(&fx, &name, &past).await?;
                if plan[usize::try_from(number).unwrap_or_default()] > 60 {
                    swap(&fx, &name, &past, seen, number + 1).await?;
                }
            }
            Ok(())
        });
    }
    while let Some(done) = clients.join_next().await {
        let Ok(done) = done else { return expect::unresolved("harness: a client panicked") };
        let done: Checked = done;
        done?;
    }
    read(&fx, &name, &past).await?;
    let (writes, reads, refusals) = (taken(&past.writes), taken(&past.reads), taken(&past.refusals));
    expect::that("writes that took place", !writes.is_empty(), "at least one", writes.len())?;
    match cas_violation(0, &writes, &reads, &refusals) {
        None => Ok(()),
        Some(why) => expect::that("history of the register", false, "some order of its operations explains it", why).class(UnsafeIgnore),
    }
}

fn cas(suite: Suite) -> Suite {
    suite
        .core(
            "put_object/if_match_history_is_linearizable",
            &["CON-15"],
            "Reads and PUTs with If-Match of several clients on one key are explained by some order of them.",
            async |fx| {
                let trials = Trials::at_once(4, |turn| {
                    let plan = fx.random_bytes(Bytes(CLIENTS * TURNS));
                    history(fx.clone(), format!("k{turn}"), plan)
                });
                trials.await?.settle(&fx, "unexplained_history_share")
            },
        )
        .sends(200)
        .dependents(&["leader election", "Elasticsearch"])
}

/// What the model knows of a present object.
struct Known {
    body: Vec<u8>,
    etag: Option<String>,
    modified_s: Option<i64>,
}

/// Runs random operations on a few keys below `lane` and compares HEAD, GET and list with the model after each.
async fn compare(fx: Fixture, lane: String, random: Vec<u8>) -> Checked {
    let mut model: BTreeMap<String, Known> = BTreeMap::new();
    for (turn, choice) in random.chunks(2).enumerate() {
        let name = format!("{lane}/k{}", choice[1] % 6);
        match choice[0] % 4 {
            0 | 1 => {
                let body = format!("{turn}.").into_bytes().repeat(usize::from(choice[0]) * 8);
                let etag = expect::ok(fx.put_object(&name).body(body.clone().into()).send().await)?.e_tag;
                let modified_s = expect::ok(fx.head_object(&name).send().await)?.last_modified.map(|time| time.secs());
                model.insert(name.clone(), Known { body, etag, modified_s });
            }
            2 => {
                expect::ok(fx.delete_object(&name).send().await)?;
                model.remove(&name);
            }
            _ => same_list(&fx, &lane, &model).await?,
        }
        match model.get(&name) {
            None => fx.absent(&name).await?,
            Some(known) => same_object(&fx, &name, known).await?,
        }
    }
    Ok(())
}

async fn same_object(fx: &Fixture, name: &str, known: &Known) -> Checked {
    let head = expect::ok(fx.head_object(name).send().await)?;
    let shown = (head.e_tag, head.content_length, head.last_modified.map(|time| time.secs()));
    expect::eq("ETag, size and time of HEAD", shown, (known.etag.clone(), i64::try_from(known.body.len()).ok(), known.modified_s))?;
    let got = expect::ok(fx.get_object(name).send().await)?;
    let shown = (got.e_tag.clone(), got.last_modified.map(|time| time.secs()));
    expect::eq("ETag and time of GET", shown, (known.etag.clone(), known.modified_s))?;
    expect::bytes("body", &fx.collect(got.body).await?, &known.body)
}

async fn same_list(fx: &Fixture, lane: &str, model: &BTreeMap<String, Known>) -> Checked {
    let page = expect::ok(fx.list(&format!("{lane}/")).send().await)?;
    let shown = page.contents().iter().map(|object| {
        let time = object.last_modified().map(|time| time.secs());
        (object.key().unwrap_or_default().to_owned(), object.e_tag().map(str::to_owned), object.size(), time)
    });
    let expected = model.iter().map(|(name, known)| (fx.key(name), known.etag.clone(), i64::try_from(known.body.len()).ok(), known.modified_s));
    expect::eq("keys, ETags, sizes and times of the list", shown.collect::<Vec<_>>(), expected.collect::<Vec<_>>())
}

fn model(mut suite: Suite) -> Suite {
    for (name, lanes, operations, is_slow) in
        [("random_operations_match_model", 4, 40, false), ("ten_thousand_operations_match_model", 20, 500, true)]
    {
        let rule = "After each of many random operations on keys of its own, HEAD, GET and list agree with a model.";
        suite = suite
            .core(&format!("put_object/{name}"), &["CON-11"], rule, move |fx| async move {
                let trials = Trials::at_once(lanes, |lane| {
                    let random = fx.random_bytes(Bytes(operations * 2));
                    compare(fx.clone(), format!("lane{lane}"), random)
                });
                trials.await?.settle(&fx, "disagreeing_sequence_share")
            })
            .sends(lanes * operations * 4);
        if is_slow {
            suite = suite.slow().deadline(Duration::from_secs(600));
        }
    }
    suite
}
