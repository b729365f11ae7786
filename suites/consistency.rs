//! Suite `consistency`: what readers and writers see of each other.

use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::Corrupt;
use proofmark::units::Bytes;

/// The suite.
pub fn suite() -> Suite {
    model(concurrent(sequential(Suite::new("consistency").source("S3 user guide, Amazon S3 data consistency model"))))
}

/// A client whose requests go over connections of their own.
fn other_client(fx: &Fixture) -> aws_sdk_s3::Client {
    fx.link().fresh().sdk(fx.recorder())
}

fn sequential(suite: Suite) -> Suite {
    suite
        .core("get_object/after_first_put", &["CON-01"], "A new object is readable at once over another connection.", async |fx| {
            for turn in 0..5 {
                let (name, body) = (format!("k{turn}"), fx.random_bytes(Bytes::kib(4)));
                fx.put(&name, &body).await?;
                let got = expect::ok(other_client(&fx).get_object().bucket(fx.bucket()).key(fx.key(&name)).send().await)?;
                expect::bytes("body", &fx.collect(got.body).await?, &body)?;
            }
            Ok(())
        })
        .core("get_object/after_overwrite", &["CON-02"], "After an overwrite is acknowledged no reader sees the old object.", async |fx| {
            for turn in 0..8 {
                let body = fx.random_bytes(Bytes(1000 + turn));
                fx.put("k", &body).await?;
                let got = expect::ok(other_client(&fx).get_object().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
                expect::bytes("body", &fx.collect(got.body).await?, &body)?;
            }
            Ok(())
        })
        .core("get_object/after_delete", &["CON-03"], "After a delete is acknowledged no reader sees the object.", async |fx| {
            for turn in 0..5 {
                let name = format!("k{turn}");
                fx.put(&name, b"x").await?;
                fx.set_up("DeleteObject", fx.delete_object(&name).send().await)?;
                let got = other_client(&fx).get_object().bucket(fx.bucket()).key(fx.key(&name)).send().await;
                expect::error(got, 404, "NoSuchKey")?;
            }
            Ok(())
        })
        .core(
            "list_objects_v2/after_put_and_delete",
            &["CON-04"],
            "A list over another connection shows every acknowledged PUT and no deleted key.",
            async |fx| {
                let shown = || async {
                    let page = expect::ok(other_client(&fx).list_objects_v2().bucket(fx.bucket()).prefix(fx.prefix()).send().await)?;
                    Ok(page.contents().len())
                };
                for turn in 0..5 {
                    fx.put(&format!("k{turn}"), b"x").await?;
                    expect::eq("keys after PUT", shown().await?, turn + 1)?;
                }
                for turn in 0..5 {
                    fx.set_up("DeleteObject", fx.delete_object(&format!("k{turn}")).send().await)?;
                    expect::eq("keys after DELETE", shown().await?, 4 - turn)?;
                }
                Ok(())
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
                while !writer.is_finished() {
                    one_writer(&fx.get("k").await?, size)?;
                }
                writer.await.unwrap_or_else(|_| expect::unresolved("harness: the writer panicked"))
            },
        );
    }
    suite
        .core("put_object/two_writers", &["CON-06"], "Of two concurrent writers of a key one wins whole, and the ETag is its.", async |fx| {
            let size = Bytes::mib(1);
            for _ in 0..4 {
                let (first, second) = tokio::join!(fx.put("k", &filled(size, 1)), fx.put("k", &filled(size, 2)));
                let etags = [first?, second?];
                let got = expect::ok(fx.get_object("k").send().await)?;
                let etag = got.e_tag.clone().unwrap_or_default();
                let body = fx.collect(got.body).await?;
                one_writer(&body, size)?;
                expect::eq("ETag", etag.as_str(), etags[usize::from(body[0] == 2)].as_str())?;
            }
            Ok(())
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

/// The next operation and key of a random sequence.
fn step(random: &[u8]) -> (u8, String) {
    (random[0] % 4, format!("k{}", random[1] % 6))
}

fn model(suite: Suite) -> Suite {
    suite
        .core(
            "put_object/random_sequence_matches_model",
            &["CON-11"],
            "After each of 120 random operations, HEAD, GET and list agree with a model.",
            async |fx| {
                let mut model: std::collections::BTreeMap<String, (Vec<u8>, String)> = std::collections::BTreeMap::new();
                let random = fx.random_bytes(Bytes(240));
                for turn in random.chunks(2) {
                    let (operation, key) = step(turn);
                    match operation {
                        0 | 1 => {
                            let body = fx.random_bytes(Bytes(u64::from(turn[0]) * 37));
                            let etag = fx.put(&key, &body).await?;
                            model.insert(key.clone(), (body, etag));
                        }
                        2 => {
                            fx.set_up("DeleteObject", fx.delete_object(&key).send().await)?;
                            model.remove(&key);
                        }
                        _ => {
                            let page = expect::ok(fx.list("").send().await)?;
                            let shown: Vec<_> =
                                page.contents().iter().map(|o| (o.key().unwrap_or_default().to_owned(), o.size().unwrap_or(-1))).collect();
                            let expected: Vec<_> = model.iter().map(|(key, (body, _))| (fx.key(key), body.len() as i64)).collect();
                            expect::eq("list", shown, expected)?;
                        }
                    }
                    match model.get(&key) {
                        None => fx.absent(&key).await?,
                        Some((body, etag)) => {
                            fx.holds(&key, body).await?;
                            expect::eq("ETag of HEAD", expect::ok(fx.head_object(&key).send().await)?.e_tag(), Some(etag.as_str()))?;
                        }
                    }
                }
                Ok(())
            },
        )
        .sends(500)
}
