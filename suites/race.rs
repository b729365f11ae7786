//! Suite `race`: operations on one key or bucket at the same time. Each race is run several times, and the share of violations is kept.

use std::time::Duration;

use aws_sdk_s3::types::{MetadataDirective, ObjectCannedAcl, Tag, Tagging};
use proofmark::case::values::completed;
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, Trials, WithClass, expect};
use proofmark::model::FailureClass::{Corrupt, UnsafeIgnore};
use proofmark::model::Measure;
use proofmark::units::Bytes;
use tokio::task::JoinSet;

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("race").source("S3 user guide, Amazon S3 data consistency model");
    let suite = times(metadata(completions(buckets(pinned(suite)))));
    herd(suite.source("S3 user guide, Best practices design patterns: optimizing Amazon S3 performance"))
}

fn filled(size: Bytes, writer: u8) -> Vec<u8> {
    vec![writer; usize::try_from(size.0).unwrap_or_default()]
}

/// Whether the operation took place; a clean refusal is no violation here.
fn took_place<A: Answer>(answer: A) -> Checked<bool> {
    match answer.settle() {
        Ok(_) => Ok(true),
        Err(Refusal::Answered { status: 400..500 | 503, .. }) => Ok(false),
        Err(other) => expect::lost(&other, "success or a clean refusal"),
    }
}

fn pinned(suite: Suite) -> Suite {
    suite
        .core(
            "get_object/pinned_ranges_race",
            &["CON-09"],
            "Ranges pinned with If-Match while the key is overwritten are of the pinned object or answer 412.",
            async |fx| {
                let trials = Trials::at_once(5, |turn| {
                    let fx = fx.clone();
                    async move {
                        let (name, size) = (format!("k{turn}"), Bytes::kib(512));
                        let etag = fx.put(&name, &filled(size, 1)).await?;
                        let writer = tokio::spawn(fx.put(&name, &filled(size, 2)));
                        for part in 0..8 {
                            let range = format!("bytes={}-{}", part * 65_536, part * 65_536 + 65_535);
                            match fx.get_object(&name).range(range).if_match(&etag).send().await.settle() {
                                Ok(got) => expect::bytes("range", &fx.collect(got.body).await?, &filled(Bytes::kib(64), 1))?,
                                Err(Refusal::Answered { status: 412, .. }) => break,
                                Err(other) => expect::lost(&other, "the pinned object's range or 412")?,
                            }
                        }
                        writer.await.unwrap_or_else(|_| expect::unresolved("harness: the writer panicked"))?;
                        let late = fx.get_object(&name).range("bytes=0-9").if_match(&etag).send().await;
                        expect::refused(late, 412, "PreconditionFailed")
                    }
                });
                trials.await?.settle(&fx, "mixed_range_share")
            },
        )
        .sends(60)
        .dependents(&["S3A", "mountpoint"])
}

fn buckets(suite: Suite) -> Suite {
    suite
        .rare(
            "delete_bucket/racing_put",
            &["CON-08"],
            "A bucket is not deleted while a PUT into it is acknowledged: one of the two is refused.",
            async |fx| {
                // So many that a server that loses one race in thirty (MinIO, versitygw) is found out in all but one run of a hundred.
                let trials = Trials::at_once(150, |turn| {
                    let fx = fx.clone();
                    async move {
                        let bucket = fx.other_bucket(u32::try_from(turn).unwrap_or_default()).await?;
                        let put = fx.s3().put_object().bucket(&bucket).key("k").body(b"x".to_vec().into()).send();
                        let (put, deleted) = tokio::join!(put, fx.s3().delete_bucket().bucket(&bucket).send());
                        let (is_put, is_deleted) = (took_place(put)?, took_place(deleted)?);
                        expect::that("PUT and DeleteBucket", !(is_put && is_deleted), "one of them refused", "both acknowledged").class(Corrupt)?;
                        if is_put {
                            let got = expect::ok(fx.s3().get_object().bucket(&bucket).key("k").send().await).class(Corrupt)?;
                            expect::bytes("body", &fx.collect(got.body).await?, b"x")?;
                        }
                        Ok(())
                    }
                });
                trials.await?.settle(&fx, "orphan_share")
            },
        )
        .sends(650)
        .own_bucket()
        .slow()
        .deadline(Duration::from_secs(120))
        .common(
            "create_bucket/lock_while_buckets_are_listed",
            &["LCK-01"],
            "A bucket created with object lock has it, whoever lists the buckets at that moment.",
            async |fx| {
                // MinIO loses the lock of about one bucket in a hundred so: a list that reads the bucket's state before it is written keeps
                // what it read after it is written.
                let trials = Trials::at_once(60, |turn| {
                    let fx = fx.clone();
                    async move {
                        let bucket = fx.new_bucket_name(u32::try_from(turn).unwrap_or_default())?;
                        let create = fx.create_bucket(&bucket).object_lock_enabled_for_bucket(true).send();
                        let lists = async || -> Checked {
                            for _ in 0..3 {
                                took_place(fx.s3().list_buckets().send().await)?;
                            }
                            Ok(())
                        };
                        let (created, one, two, three) = tokio::join!(create, lists(), lists(), lists());
                        one.and(two).and(three)?;
                        fx.set_up("CreateBucket", created)?;
                        expect::ok(fx.s3().get_object_lock_configuration().bucket(&bucket).send().await).class(UnsafeIgnore).map(drop)
                    }
                });
                trials.await?.settle(&fx, "lost_lock_share")
            },
        )
        .needs(&["object-lock"])
        .sends(700)
        .own_bucket()
        .slow()
}

/// Prepares an upload of one part; its completion, ready to be sent.
async fn completion(
    fx: &Fixture,
    name: &str,
    body: &[u8],
) -> Checked<aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder> {
    let id = fx.start_upload(name).await?;
    let part = fx.upload_part(name, &id, 1, body).await?;
    let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key(name)).upload_id(id);
    Ok(complete.multipart_upload(completed([part])))
}

fn completions(suite: Suite) -> Suite {
    suite
        .extended(
            "complete_multipart_upload/racing_put",
            &["CON-10"],
            "Of a completion and a PUT at the same time one object stays whole, with its own ETag.",
            async |fx| {
                let trials = Trials::at_once(6, |turn| {
                    let fx = fx.clone();
                    async move {
                        let (name, bodies) = (format!("k{turn}"), [filled(Bytes::kib(64), 1), filled(Bytes::kib(48), 2)]);
                        let complete = completion(&fx, &name, &bodies[0]).await?;
                        let put = fx.put_object(&name).body(bodies[1].clone().into()).send();
                        let (done, put) = tokio::join!(complete.send(), put);
                        let etags = [expect::ok(done)?.e_tag, expect::ok(put)?.e_tag];
                        let got = expect::ok(fx.get_object(&name).send().await).class(Corrupt)?;
                        let etag = got.e_tag.clone();
                        let body = fx.collect(got.body).await?;
                        let winner = usize::from(body.first() == Some(&2));
                        expect::bytes("body", &body, &bodies[winner])?;
                        // Where the completion names no ETag, there is none to compare with.
                        let expected = etags[winner].clone().filter(|etag| !etag.is_empty());
                        if expected.is_none() { Ok(()) } else { expect::eq("ETag", etag, expected) }
                    }
                });
                trials.await?.settle(&fx, "mixed_object_share")
            },
        )
        .extended(
            "complete_multipart_upload/racing_delete",
            &["CON-10"],
            "After a completion and a DELETE at the same time the object is whole or absent, and lists agree.",
            async |fx| {
                let trials = Trials::at_once(6, |turn| {
                    let fx = fx.clone();
                    async move {
                        let (name, body) = (format!("k{turn}"), filled(Bytes::kib(64), 1));
                        let complete = completion(&fx, &name, &body).await?;
                        let (done, deleted) = tokio::join!(complete.send(), fx.delete_object(&name).send());
                        expect::ok(done)?;
                        expect::ok(deleted)?;
                        let is_listed = expect::ok(fx.list(&name).send().await)?.contents().len() == 1;
                        if is_listed { fx.holds(&name, &body).await } else { fx.absent(&name).await }
                    }
                });
                trials.await?.settle(&fx, "disagreement_share")
            },
        )
        .sends(50)
}

/// Runs `change` for 8 writers at once while others read `k`; every body must be `body`, then and afterwards.
async fn changed_at_once<F, Fut>(fx: &Fixture, body: &[u8], change: F) -> Checked<Trials>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = Checked<bool>> + Send + 'static,
{
    let (mut trials, mut writers, mut readers) = (Trials::default(), JoinSet::new(), JoinSet::new());
    for writer in 0..8 {
        writers.spawn(change(writer));
        readers.spawn(fx.holds("k", body));
    }
    let mut changes = 0;
    while let Some(done) = writers.join_next().await {
        let Ok(done) = done else { return expect::unresolved("harness: a writer panicked") };
        changes += u32::from(done?);
    }
    while let Some(read) = readers.join_next().await {
        let Ok(read) = read else { return expect::unresolved("harness: a reader panicked") };
        trials.add(read)?;
    }
    trials.add(fx.holds("k", body).await)?;
    trials.add(expect::that("changes that took place", changes > 0, "at least one of 8", changes))?;
    Ok(trials)
}

fn metadata(suite: Suite) -> Suite {
    suite
        .common(
            "put_object_tagging/concurrent_keeps_data",
            &["CON-13"],
            "Concurrent changes of the tags leave the data and one of the sets.",
            async |fx| {
                let body = fx.random_bytes(Bytes::kib(64));
                fx.put("k", &body).await?;
                let trials = changed_at_once(&fx, &body, |writer| {
                    let tag = Tag::builder().key("writer").value(writer.to_string()).build().expect("key and value were given");
                    let tagging = Tagging::builder().tag_set(tag).build().expect("a tag was given");
                    let put = fx.s3().put_object_tagging().bucket(fx.bucket()).key(fx.key("k")).tagging(tagging);
                    async move { took_place(put.send().await) }
                });
                trials.await?.settle(&fx, "lost_data_share")?;
                let got = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
                let values: Vec<_> = got.tag_set().iter().map(|tag| tag.value().parse::<usize>().ok()).collect();
                expect::that("tags", matches!(values[..], [Some(0..8)]), "one writer's", values)
            },
        )
        .needs(&["tagging"])
        .common(
            "copy_object/concurrent_metadata_keeps_data",
            &["CON-13"],
            "Concurrent copies onto the key itself with new metadata leave the data.",
            {
                async |fx| {
                    let body = fx.random_bytes(Bytes::kib(64));
                    fx.put("k", &body).await?;
                    let trials = changed_at_once(&fx, &body, |writer| {
                        let copy = fx.copy_object("k", "k").metadata_directive(MetadataDirective::Replace).metadata("writer", writer.to_string());
                        async move { took_place(copy.send().await) }
                    });
                    trials.await?.settle(&fx, "lost_data_share")?;
                    let metadata = expect::ok(fx.head_object("k").send().await)?.metadata.unwrap_or_default();
                    expect::that("x-amz-meta-writer", metadata.contains_key("writer"), "one writer's", metadata)
                }
            },
        )
        .common("put_object_acl/concurrent_keeps_data", &["CON-13"], "Concurrent changes of the access control list leave the data.", async |fx| {
            let body = fx.random_bytes(Bytes::kib(64));
            fx.put("k", &body).await?;
            fx.set_up("PutObjectAcl", fx.s3().put_object_acl().bucket(fx.bucket()).key(fx.key("k")).acl(ObjectCannedAcl::Private).send().await)?;
            let trials = changed_at_once(&fx, &body, |_| {
                let put = fx.s3().put_object_acl().bucket(fx.bucket()).key(fx.key("k")).acl(ObjectCannedAcl::Private);
                async move { took_place(put.send().await) }
            });
            trials.await?.settle(&fx, "lost_data_share")
        })
        .needs(&["acl"])
}

fn times(suite: Suite) -> Suite {
    suite.common(
        "put_object/time_never_goes_back",
        &["CON-12"],
        "Last-Modified of a key never goes back from one overwrite to the next.",
        async |fx| {
            let (mut trials, mut last, mut listed_last) = (Trials::default(), None, None);
            for turn in 0..8 {
                let put = fx.put_object("k").body(vec![turn; 10].into()).send().await;
                expect::ok(put)?;
                let head = expect::ok(fx.head_object("k").send().await)?.last_modified;
                let listed = expect::ok(fx.list("k").send().await)?.contents().first().and_then(|object| object.last_modified().copied());
                trials.add(expect::that("Last-Modified", head.is_some() && head >= last, "no earlier than before", (last, head)))?;
                let is_later = listed.is_some() && listed >= listed_last;
                trials.add(expect::that("LastModified of the list", is_later, "no earlier than before", (listed_last, listed)))?;
                (last, listed_last) = (head, listed);
            }
            trials.settle(&fx, "time_went_back_share")
        },
    )
}

/// Clients of the herd, and the requests of each.
const HERD: u64 = 100;
const TURNS: u64 = 2;

fn herd(suite: Suite) -> Suite {
    suite
        .common(
            "head_object/thundering_herd",
            &["CON-14"],
            "100 clients that ask for one key at once get fewer than 1 % server errors.",
            async |fx| {
                fx.put("k", b"x").await?;
                let mut clients = JoinSet::new();
                for _ in 0..HERD {
                    let head = fx.head_object("k");
                    clients.spawn(async move {
                        let mut errors = 0;
                        for _ in 0..TURNS {
                            match head.clone().send().await.settle() {
                                Ok(_) => {}
                                Err(Refusal::Answered { status: 500.., .. } | Refusal::Broken(..) | Refusal::NotSent(_)) => errors += 1,
                                Err(other) => expect::lost(&other, "success")?,
                            }
                        }
                        Ok(errors)
                    });
                }
                let mut errors = 0;
                while let Some(done) = clients.join_next().await {
                    let Ok(done) = done else { return expect::unresolved("harness: a client panicked") };
                    let done: Checked<u64> = done;
                    errors += done?;
                }
                fx.measure(Measure::share("server_error_share", errors, HERD * TURNS));
                expect::that("server errors", errors * 100 < HERD * TURNS, "fewer than 1 %", format!("{errors} of {}", HERD * TURNS))
            },
        )
        .sends(HERD * TURNS + 10)
}
