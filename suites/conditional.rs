//! Suite `conditional`: reads and writes that depend on the object's present state.

use proofmark::case::values::completed;
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::model::Measure;
use proofmark::units::Bytes;

pub(super) const OTHER_ETAG: &str = "\"00000000000000000000000000000000\"";

/// The suite.
pub fn suite() -> Suite {
    races(completions(writes(reads(Suite::new("conditional").source("S3 user guide, Conditional requests")))))
}

fn reads(suite: Suite) -> Suite {
    suite
        .core("get_object/if_match_equal", &["CRD-01"], "If-Match with the object's ETag answers 200, quoted or not.", async |fx| {
            let etag = fx.put("k", b"x").await?;
            expect::ok(fx.get_object("k").if_match(&etag).send().await)?;
            expect::ok(fx.get_object("k").if_match(etag.trim_matches('"')).send().await).map(drop)
        })
        .core("get_object/if_match_other", &["CRD-01"], "If-Match with another ETag answers 412 PreconditionFailed.", async |fx| {
            fx.put("k", b"x").await?;
            expect::refused(fx.get_object("k").if_match(OTHER_ETAG).send().await, 412, "PreconditionFailed")
        })
        .core("get_object/if_none_match_equal", &["CRD-02"], "If-None-Match with the object's ETag answers 304.", async |fx| {
            let etag = fx.put("k", b"x").await?;
            expect::status(fx.get_object("k").if_none_match(etag).send().await, 304)
        })
        .core("get_object/if_none_match_other", &["CRD-02"], "If-None-Match with another ETag answers 200.", async |fx| {
            fx.put("k", b"x").await?;
            expect::ok(fx.get_object("k").if_none_match(OTHER_ETAG).send().await).map(drop)
        })
        .common(
            "get_object/if_modified_since",
            &["CRD-04"],
            "If-Modified-Since answers 200 for an older date and 304 for the object's own.",
            async |fx| {
                fx.put("k", b"x").await?;
                let modified = expect::some("Last-Modified", expect::ok(fx.head_object("k").send().await)?.last_modified)?;
                let older = aws_sdk_s3::primitives::DateTime::from_secs(modified.secs() - 3600);
                expect::ok(fx.get_object("k").if_modified_since(older).send().await)?;
                expect::status(fx.get_object("k").if_modified_since(modified).send().await, 304)
            },
        )
        .common(
            "get_object/if_unmodified_since",
            &["CRD-05"],
            "If-Unmodified-Since answers 412 for an older date and 200 for the object's own.",
            async |fx| {
                fx.put("k", b"x").await?;
                let modified = expect::some("Last-Modified", expect::ok(fx.head_object("k").send().await)?.last_modified)?;
                let older = aws_sdk_s3::primitives::DateTime::from_secs(modified.secs() - 3600);
                expect::refused(fx.get_object("k").if_unmodified_since(older).send().await, 412, "PreconditionFailed")?;
                expect::ok(fx.get_object("k").if_unmodified_since(modified).send().await).map(drop)
            },
        )
        .common("head_object/conditions", &["CRD-10"], "HEAD answers 412 and 304 as GET does.", async |fx| {
            let etag = fx.put("k", b"x").await?;
            expect::status(fx.head_object("k").if_match(OTHER_ETAG).send().await, 412)?;
            expect::status(fx.head_object("k").if_none_match(etag).send().await, 304)
        })
}

fn writes(suite: Suite) -> Suite {
    suite
        .core("put_object/if_none_match_absent", &["CWR-01"], "A PUT with If-None-Match: * stores a key that is absent.", async |fx| {
            let body = fx.random_bytes(Bytes(300));
            expect::ok(fx.put_object("k").if_none_match("*").body(body.clone().into()).send().await)?;
            fx.holds("k", &body).await
        })
        .dependents(&["Delta Lake", "Iceberg", "object_store", "Terraform"])
        .core(
            "put_object/if_none_match_existing",
            &["CWR-02"],
            "A PUT with If-None-Match: * on a present key answers 412 and keeps the old data.",
            async |fx| {
                fx.put("k", b"old").await?;
                let put = fx.put_object("k").if_none_match("*").body(b"new".to_vec().into()).send().await;
                expect::refused(put, 412, "PreconditionFailed")?;
                fx.holds("k", b"old").await
            },
        )
        .dependents(&["Delta Lake", "Iceberg", "object_store", "Terraform"])
        .core("put_object/if_match_equal", &["CWR-03"], "A PUT with the present ETag in If-Match replaces the object.", async |fx| {
            let etag = fx.put("k", b"old").await?;
            expect::ok(fx.put_object("k").if_match(etag).body(b"new".to_vec().into()).send().await)?;
            fx.holds("k", b"new").await
        })
        .core("put_object/if_match_other", &["CWR-03"], "A PUT with another ETag in If-Match answers 412 and keeps the old data.", async |fx| {
            fx.put("k", b"old").await?;
            let put = fx.put_object("k").if_match(OTHER_ETAG).body(b"new".to_vec().into()).send().await;
            expect::refused(put, 412, "PreconditionFailed")?;
            fx.holds("k", b"old").await
        })
        .dependents(&["Elasticsearch", "SlateDB"])
        .common("put_object/if_match_absent", &["CWR-04"], "A PUT with If-Match on an absent key answers 404 NoSuchKey.", async |fx| {
            let put = fx.put_object("k").if_match(OTHER_ETAG).body(b"new".to_vec().into()).send().await;
            expect::refused(put, 404, "NoSuchKey")?;
            fx.absent("k").await
        })
}

pub(super) async fn one_part(
    fx: &Fixture,
    body: &[u8],
) -> Checked<aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder> {
    let id = fx.start_upload("k").await?;
    let part = fx.upload_part("k", &id, 1, body).await?;
    let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
    Ok(complete.multipart_upload(completed([part])))
}

fn completions(suite: Suite) -> Suite {
    suite
        .core(
            "complete_multipart_upload/if_none_match_absent",
            &["CWR-08"],
            "A completion with If-None-Match: * creates a key that is absent.",
            async |fx| {
                expect::ok(one_part(&fx, b"new").await?.if_none_match("*").send().await)?;
                fx.holds("k", b"new").await
            },
        )
        .core(
            "complete_multipart_upload/if_none_match_existing",
            &["CWR-08"],
            "A completion with If-None-Match: * on a present key answers 412 and keeps the old data.",
            async |fx| {
                fx.put("k", b"old").await?;
                let complete = one_part(&fx, b"new").await?.if_none_match("*").send().await;
                expect::refused(complete, 412, "PreconditionFailed")?;
                fx.holds("k", b"old").await
            },
        )
        .dependents(&["S3A", "Iceberg", "object_store"])
        .common(
            "complete_multipart_upload/if_match_equal",
            &["CWR-09"],
            "A completion with the present ETag in If-Match replaces the object.",
            async |fx| {
                let etag = fx.put("k", b"old").await?;
                expect::ok(one_part(&fx, b"new").await?.if_match(etag).send().await)?;
                fx.holds("k", b"new").await
            },
        )
        .dependents(&["Elasticsearch"])
        .common(
            "complete_multipart_upload/if_match_other",
            &["CWR-09"],
            "A completion with another ETag in If-Match answers 412 and keeps the old data.",
            async |fx| {
                fx.put("k", b"old").await?;
                let complete = one_part(&fx, b"new").await?.if_match(OTHER_ETAG).send().await;
                expect::refused(complete, 412, "PreconditionFailed")?;
                fx.holds("k", b"old").await
            },
        )
        .dependents(&["Elasticsearch"])
        .common(
            "complete_multipart_upload/if_match_absent",
            &["CWR-09"],
            "A completion with If-Match on an absent key answers 404 NoSuchKey.",
            async |fx| {
                let complete = one_part(&fx, b"new").await?.if_match(OTHER_ETAG).send().await;
                expect::refused(complete, 404, "NoSuchKey")?;
                fx.absent("k").await
            },
        )
}

/// Sends `puts` at once and returns what each answered: whether it won. Losers answer 412 or 409.
async fn race<F: Future<Output = R> + Send + 'static, R: Answer + Send + 'static>(puts: Vec<F>) -> Checked<Vec<bool>> {
    let tasks: Vec<_> = puts.into_iter().map(tokio::spawn).collect();
    let mut won = Vec::new();
    for task in tasks {
        let Ok(answer) = task.await else { return expect::unresolved("harness: a writer panicked") };
        won.push(match answer.settle() {
            Ok(_) => true,
            Err(Refusal::Answered { status: 412 | 409, .. }) => false,
            Err(other) => expect::lost(&other, "success, 412 or 409")?,
        });
    }
    Ok(won)
}

/// Keeps in how many of `n` rounds a race ended as the rule says, and claims that it was all of them.
fn in_all_rounds(fx: &Fixture, measure: &str, k: u64, n: u64) -> Checked {
    fx.measure(Measure::share(measure, k, n));
    expect::eq("rounds that ended as they must", k, n).class(UnsafeIgnore)
}

fn races(suite: Suite) -> Suite {
    let suite = suite
        .core(
            "put_object/if_none_match_race",
            &["CWR-11"],
            "Of 8 concurrent PUTs with If-None-Match: * exactly one succeeds, and its data stays.",
            async |fx| {
                const ROUNDS: u64 = 5;
                let mut held = 0;
                for round in 0..ROUNDS {
                    let key = format!("k{round}");
                    let bodies: Vec<Vec<u8>> = (0..8).map(|_| fx.random_bytes(Bytes::kib(4))).collect();
                    let puts = bodies.iter().map(|body| fx.put_object(&key).if_none_match("*").body(body.clone().into()).send()).collect();
                    let winners: Vec<usize> = race(puts).await?.iter().enumerate().filter(|(_, won)| **won).map(|(at, _)| at).collect();
                    let kept = fx.get(&key).await?;
                    held += u64::from(matches!(winners.as_slice(), [winner] if bodies[*winner] == kept));
                }
                in_all_rounds(&fx, "one_winner_share", held, ROUNDS)
            },
        )
        .sends(50)
        .dependents(&["leader election", "Delta Lake"])
        .core("put_object/if_match_counter", &["CWR-12"], "A counter that 4 writers increment with If-Match counts every success once.", async |fx| {
            const ROUNDS: u64 = 6;
            fx.put("k", b"0").await?;
            let (mut held, mut counted, mut successes) = (0, 0, 0);
            for _ in 0..ROUNDS {
                let etag = expect::ok(fx.head_object("k").send().await)?.e_tag.unwrap_or_default();
                let next = |_| fx.put_object("k").if_match(&etag).body((counted + 1).to_string().into_bytes().into()).send();
                let won = race((0..4).map(next).collect()).await?.into_iter().filter(|won| *won).count();
                let now = String::from_utf8_lossy(&fx.get("k").await?).parse().unwrap_or(usize::MAX);
                held += u64::from(now == counted + won);
                (counted, successes) = (now, successes + won);
            }
            in_all_rounds(&fx, "counted_once_share", held, ROUNDS)?;
            expect::that("successes of 24 attempts", successes > 0, "at least one", successes)
        })
        .sends(60)
        .dependents(&["Elasticsearch", "SlateDB"]);
    race_with_delete(suite)
}

fn race_with_delete(suite: Suite) -> Suite {
    suite.extended(
        "put_object/if_none_match_against_delete",
        &["CWR-13"],
        "A PUT with If-None-Match: * that meets a DELETE stores its data whole, or is refused and stores nothing.",
        async |fx| {
            const ROUNDS: u64 = 8;
            let mut stored = 0;
            for round in 0..ROUNDS {
                let key = format!("k{round}");
                fx.put(&key, b"old").await?;
                let new = fx.random_bytes(Bytes::kib(16));
                let delete = tokio::spawn(fx.delete_object(&key).send());
                let won = race(vec![fx.put_object(&key).if_none_match("*").body(new.clone().into()).send()]).await? == [true];
                let Ok(deleted) = delete.await else { return expect::unresolved("harness: the deleter panicked") };
                expect::ok(deleted)?;
                stored += u64::from(won);
                match fx.get_object(&key).send().await.settle() {
                    // A PUT that came before the DELETE is deleted with the rest.
                    Err(Refusal::Answered { status: 404, .. }) => {}
                    Ok(got) if won => expect::bytes("body after the race", &fx.collect(got.body).await?, &new)?,
                    Ok(_) => expect::that("object after a refused PUT and a DELETE", false, "absent", "present").class(UnsafeIgnore)?,
                    Err(other) => expect::lost(&other, "the new object or 404")?,
                }
            }
            fx.measure(Measure::share("put_won_share", stored, ROUNDS));
            Ok(())
        },
    )
}
