//! Suite `consistency`: what readers and writers see of each other.

use std::time::Duration;

use proofmark::case::{Checked, Fixture, Suite, Trials, WithClass, expect};
use proofmark::model::FailureClass::Corrupt;
use proofmark::model::Impact;
use proofmark::units::Bytes;

/// The suite.
pub fn suite() -> Suite {
    restarts(concurrent(sequential(Suite::new("consistency").source("S3 user guide, Amazon S3 data consistency model"))))
}

/// A client whose requests go over connections of their own.
fn other_client(fx: &Fixture) -> aws_sdk_s3::Client {
    fx.link().fresh().sdk(fx.recorder())
}

fn sequential(suite: Suite) -> Suite {
    lists(suite)
        .core("get_object/after_first_put", &["CON-01"], "A new object is readable at once over another connection.", async |fx| {
            let other = other_client(&fx);
            let trials = Trials::at_once(12, |turn| {
                let (fx, other, name, body) = (fx.clone(), other.clone(), format!("k{turn}"), fx.random_bytes(Bytes::kib(4)));
                async move {
                    fx.put(&name, &body).await?;
                    let got = expect::ok(other.get_object().bucket(fx.bucket()).key(fx.key(&name)).send().await)?;
                    expect::bytes("body", &fx.collect(got.body).await?, &body)
                }
            });
            trials.await?.settle(&fx, "unreadable_share")
        })
        .core("get_object/after_overwrite", &["CON-02"], "After an overwrite is acknowledged no reader sees the old object.", async |fx| {
            let (other, mut trials) = (other_client(&fx), Trials::default());
            for turn in 0..16 {
                let body = fx.random_bytes(Bytes(1000 + turn));
                fx.put("k", &body).await?;
                let got = other.get_object().bucket(fx.bucket()).key(fx.key("k")).send().await;
                trials.add(match got {
                    Ok(got) => expect::bytes("body", &fx.collect(got.body).await?, &body),
                    got => expect::ok(got).map(drop),
                })?;
            }
            trials.settle(&fx, "stale_read_share")
        })
        .core("get_object/after_delete", &["CON-03"], "After a delete is acknowledged no reader sees the object.", async |fx| {
            let other = other_client(&fx);
            let trials = Trials::at_once(12, |turn| {
                let (fx, other, name) = (fx.clone(), other.clone(), format!("k{turn}"));
                async move {
                    fx.put(&name, b"x").await?;
                    fx.set_up("DeleteObject", fx.delete_object(&name).send().await)?;
                    expect::error(other.get_object().bucket(fx.bucket()).key(fx.key(&name)).send().await, 404, "NoSuchKey")
                }
            });
            trials.await?.settle(&fx, "stale_read_share")
        })
}

fn lists(suite: Suite) -> Suite {
    suite.core(
        "list_objects_v2/after_put_and_delete",
        &["CON-04"],
        "A list over another connection shows every acknowledged PUT and no deleted key.",
        async |fx| {
            let (other, mut trials) = (other_client(&fx), Trials::default());
            let shown = async || {
                let page = expect::ok(other.list_objects_v2().bucket(fx.bucket()).prefix(fx.prefix()).send().await)?;
                Ok(page.contents().len())
            };
            for turn in 0..8 {
                fx.put(&format!("k{turn}"), b"x").await?;
                trials.add(expect::eq("keys after PUT", shown().await?, turn + 1))?;
            }
            for turn in 0..8 {
                fx.set_up("DeleteObject", fx.delete_object(&format!("k{turn}")).send().await)?;
                trials.add(expect::eq("keys after DELETE", shown().await?, 7 - turn))?;
            }
            trials.settle(&fx, "wrong_list_share")
        },
    )
}

/// A body that tells its writer at every offset, so that a mixture shows.
fn filled(size: Bytes, writer: u8) -> Vec<u8> {
    vec![writer; usize::try_from(size.0).unwrap_or_default()]
}

/// Claims that `body` is whole and from one writer.
fn one_writer(body: &[u8], size: Bytes) -> Checked {
    expect::eq("length of the body", body.len() as u64, size.0).class(Corrupt)?;
    expect::that("body", body.iter().all(|byte| *byte == body[0]), "bytes of one writer", "a mixture of two").class(Corrupt)
}

/// Claims that `k` is the object of one of the two writers, and its ETag that writer's.
async fn one_won(fx: &Fixture, size: Bytes, etags: [String; 2]) -> Checked {
    let got = expect::ok(fx.get_object("k").send().await)?;
    let etag = got.e_tag.clone().unwrap_or_default();
    let body = fx.collect(got.body).await?;
    one_writer(&body, size)?;
    expect::eq("ETag", etag.as_str(), etags[usize::from(body[0] == 2)].as_str())
}

fn concurrent(mut suite: Suite) -> Suite {
    for size in [1, 4, 8] {
        let id = format!("get_object/during_overwrite_{size}_mib");
        suite = suite.core(
            &id,
            &["CON-05"],
            &format!("A reader of {size} MiB during an overwrite sees all of the old or all of the new object."),
            move |fx| async move {
                let size = Bytes::mib(size);
                fx.put("k", &filled(size, 0)).await?;
                let writer = tokio::spawn({
                    let fx = fx.clone();
                    async move {
                        for turn in 1..4 {
                            fx.put("k", &filled(size, turn)).await?;
                        }
                        Ok(())
                    }
                });
                let mut trials = Trials::default();
                while !writer.is_finished() {
                    trials.add(fx.get("k").await.and_then(|body| one_writer(&body, size)))?;
                }
                writer.await.unwrap_or_else(|_| expect::unresolved("harness: the writer panicked"))?;
                trials.settle(&fx, "torn_read_share")
            },
        );
    }
    suite
        .core("put_object/two_writers", &["CON-06"], "Of two concurrent writers of a key one wins whole, and the ETag is its.", async |fx| {
            let (size, mut trials) = (Bytes::mib(1), Trials::default());
            for _ in 0..6 {
                let (first, second) = tokio::join!(fx.put("k", &filled(size, 1)), fx.put("k", &filled(size, 2)));
                trials.add(one_won(&fx, size, [first?, second?]).await)?;
            }
            trials.settle(&fx, "mixed_object_share")
        })
        .core("get_object/pinned_range_during_overwrite", &["CON-09"], "Ranges pinned with If-Match are of one object or answer 412.", async |fx| {
            let size = Bytes::mib(1);
            let etag = fx.put("k", &filled(size, 1)).await?;
            let first = expect::ok(fx.get_object("k").range("bytes=0-65535").if_match(&etag).send().await)?;
            let first = fx.collect(first.body).await?;
            fx.put("k", &filled(size, 2)).await?;
            expect::refused(fx.get_object("k").range("bytes=65536-131071").if_match(etag).send().await, 412, "PreconditionFailed")?;
            expect::bytes("first range", &first, &filled(Bytes::kib(64), 1))
        })
        .dependents(&["S3A", "mountpoint"])
}

fn restarts(suite: Suite) -> Suite {
    suite
        .core(
            "get_object/after_restart",
            &["CON-16"],
            "After the server is killed and started again, every acknowledged object is there and whole, and what was deleted stays away.",
            async |fx| {
                fx.can_restart()?;
                let bodies: Vec<Vec<u8>> = (0..24).map(|turn| fx.random_bytes(Bytes(turn * turn * 997))).collect();
                for (turn, body) in bodies.iter().enumerate() {
                    let name = format!("k{turn}");
                    if turn % 3 == 0 {
                        fx.put(&name, b"old").await?;
                    }
                    fx.put(&name, body).await?;
                    if turn % 6 == 1 {
                        fx.set_up("DeleteObject", fx.delete_object(&name).send().await)?;
                    }
                }
                fx.restart().await?;
                let (other, mut trials) = (other_client(&fx), Trials::default());
                for (turn, body) in bodies.iter().enumerate() {
                    let got = other.get_object().bucket(fx.bucket()).key(fx.key(&format!("k{turn}"))).send().await;
                    trials.add(match got {
                        got if turn % 6 == 1 => expect::error(got, 404, "NoSuchKey"),
                        Ok(got) => expect::bytes("body", &fx.collect(got.body).await?, body),
                        got => expect::ok(got).map(drop).class(Corrupt),
                    })?;
                }
                trials.settle(&fx, "lost_object_share")
            },
        )
        .impact(Impact::Destructive)
        .slow()
        .deadline(Duration::from_secs(600))
        .sends(80)
}
