//! Suite `limit`: how much a vendor takes, found by bisection and measured. S3's documented limits are what is judged.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_s3::types::{Delete, ObjectIdentifier, Tag, Tagging};
use proofmark::case::limit::{Limit, highest};
use proofmark::case::values::{completed, encode_query};
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, expect};
use proofmark::model::Measure;
use proofmark::units::Bytes;
use proofmark::wire::{Failure, WireError};

const SEARCH: Duration = Duration::from_secs(300);

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("limit").source("S3 user guide, Amazon S3 multipart upload limits, Object keys, Metadata, Tagging and Presigned URLs");
    sizes(parts(lists(tags(metadata(names(suite))))))
}

/// Whether it was taken; a refusal with 4xx is what a limit looks like, and anything else ends the search.
fn taken<A: Answer>(answer: A) -> Checked<bool> {
    match answer.settle() {
        Ok(_) => Ok(true),
        Err(Refusal::Answered { status: 400..=499, code }) if !["SlowDown", "RequestTimeout"].contains(&code.as_str()) => Ok(false),
        Err(refusal) => expect::lost(&refusal, "success or a refusal with 4xx"),
    }
}

/// Keeps the number and judges it: at least what S3 documents.
fn judged(fx: &Fixture, name: &str, unit: &str, limit: Limit, documented: u64) -> Checked {
    let measure = Measure { value: limit.value.map(|value| value as f64), ..Measure::new(name, unit, 0.0, limit.probes) };
    fx.measure(if limit.is_open { measure.noted("at least: the search ended here") } else { measure });
    expect::that(name, limit.value.is_some_and(|value| value >= documented), &format!("{documented} or more"), limit.value)
}

fn times(text: &str, count: u64) -> String {
    text.repeat(usize::try_from(count).unwrap_or_default())
}

/// Another letter for each probe, so that none overwrites what the one before it stored.
fn letter(turn: &AtomicU64) -> &'static str {
    const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";
    let at = usize::try_from(turn.fetch_add(1, Ordering::Relaxed)).unwrap_or_default() % LETTERS.len();
    &LETTERS[at..=at]
}

fn names(suite: Suite) -> Suite {
    suite
        .common("put_object/key_length_max", &["PUT-05"], "A key may have 1024 bytes; the longest one is measured.", async |fx| {
            let own = fx.prefix().len() as u64;
            let turn = AtomicU64::new(0);
            let limit = highest(own + 1, 4096, async |length| {
                // Slashes, so that no component is longer than what file systems take.
                let name: String =
                    times(letter(&turn), length - own).chars().enumerate().map(|(at, letter)| if at % 200 == 100 { '/' } else { letter }).collect();
                taken(fx.put_object(&name).body(b"x".to_vec().into()).send().await)
            });
            judged(&fx, "key_length_bytes_max", "bytes", limit.await?, 1024)
        })
        .slow()
        .deadline(SEARCH)
        .common(
            "put_object/key_component_length_max",
            &["PUT-05"],
            "A key without a slash may have 1024 bytes; the longest part of a key is measured.",
            async |fx| {
                let own = fx.prefix().len() as u64;
                let turn = AtomicU64::new(0);
                let limit = highest(1, 1024 - own, async |length| {
                    taken(fx.put_object(&times(letter(&turn), length)).body(b"x".to_vec().into()).send().await)
                });
                judged(&fx, "key_component_length_bytes_max", "bytes", limit.await?, 1024 - own)
            },
        )
        .slow()
        .deadline(SEARCH)
        .common(
            "create_bucket/name_length_max",
            &["BKT-08", "BKT-07"],
            "A bucket's name may have 63 characters; the longest one is measured.",
            async |fx| {
                let own = fx.new_bucket_name(1)?;
                let limit = highest(own.len() as u64, 63, async |length| {
                    let name = format!("{own}{}", times("a", length - own.len() as u64));
                    let made = taken(fx.create_bucket(&name).send().await)?;
                    if made {
                        fx.set_up("DeleteBucket", fx.s3().delete_bucket().bucket(&name).send().await)?;
                    }
                    Ok(made)
                });
                judged(&fx, "bucket_name_length_max", "1", limit.await?, 63)
            },
        )
        .slow()
        .deadline(SEARCH)
}

fn metadata(suite: Suite) -> Suite {
    suite
        .extended("put_object/metadata_size_max", &["PUT-15"], "User metadata may have 2 KiB; the most is measured.", async |fx| {
            let limit = highest(16, 65536, async |size| {
                // The size is that of names and values together.
                taken(fx.put_object("k").metadata("m", times("v", size - 1)).body(b"x".to_vec().into()).send().await)
            });
            let limit = limit.await?;
            let is_short_by_prefix = limit.value.is_some_and(|value| (2048 - "x-amz-meta-".len() as u64..2048).contains(&value));
            let found = judged(&fx, "metadata_size_bytes_max", "bytes", limit, 2048);
            // The reference counts names and values, and leaves open whether the prefix belongs to the name.
            if is_short_by_prefix { expect::variant("the prefix x-amz-meta- counts as part of the name") } else { found }
        })
        .slow()
        .deadline(SEARCH)
        .extended(
            "put_object/metadata_entries_max",
            &["PUT-15"],
            "User metadata may have several entries; the most is measured, as S3 limits nothing but their size.",
            async |fx| {
                let limit = highest(1, 400, async |count| {
                    let put = (0..count).fold(fx.put_object("k"), |put, number| put.metadata(format!("m{number}"), "v"));
                    taken(put.body(b"x".to_vec().into()).send().await)
                });
                judged(&fx, "metadata_entries_max", "1", limit.await?, 2)
            },
        )
        .slow()
        .deadline(SEARCH)
}

/// How many, or how long, tags of an object may be.
async fn tagged(fx: &Fixture, count: u64, key: u64, value: u64) -> Checked<bool> {
    let tag = |number: u64| {
        let name = format!("{}{number}", times("k", key.saturating_sub(number.to_string().len() as u64)));
        Tag::builder().key(name).value(times("v", value)).build().expect("key and value were given")
    };
    let tags = Tagging::builder().set_tag_set(Some((0..count).map(tag).collect())).build().expect("tags were given");
    taken(fx.s3().put_object_tagging().bucket(fx.bucket()).key(fx.key("k")).tagging(tags).send().await)
}

fn tags(mut suite: Suite) -> Suite {
    for (id, name, most, documented) in
        [("tags", "object_tags_max", 64, 10), ("tag_key", "tag_key_length_max", 1024, 128), ("tag_value", "tag_value_length_max", 2048, 256)]
    {
        let rule = format!("The limit of {} is {documented} or more, and it is measured.", id.replace('_', " "));
        suite = suite
            .extended(&format!("put_object_tagging/{id}_max"), &[if id == "tags" { "TAG-03" } else { "TAG-04" }], &rule, move |fx| async move {
                fx.put("k", b"x").await?;
                let limit = highest(1, most, async |number| match id {
                    "tags" => tagged(&fx, number, 4, 1).await,
                    "tag_key" => tagged(&fx, 1, number, 1).await,
                    _ => tagged(&fx, 1, 4, number).await,
                });
                judged(&fx, name, "1", limit.await?, documented)
            })
            .needs(&["tagging"])
            .slow()
            .deadline(SEARCH);
    }
    suite
}

fn lists(suite: Suite) -> Suite {
    suite
        .core(
            "list_objects_v2/page_size_max",
            &["LST-18", "LST-16"],
            "A page of a list holds up to 1000 keys, and the most is measured.",
            async |fx| {
                for first in (0..1100).step_by(50) {
                    let puts = (first..first + 50).map(|number| fx.put(&format!("k{number:04}"), b"x"));
                    let puts: Vec<_> = puts.map(tokio::spawn).collect();
                    for put in puts {
                        if let Ok(put) = put.await {
                            put?;
                        }
                    }
                }
                let list = expect::ok(fx.list("").max_keys(1100).send().await)?;
                let found = list.contents().len();
                let measure = Measure::new("list_page_keys_max", "1", found as f64, 1);
                fx.measure(if found == 1100 { measure.noted("at least: the search ended here") } else { measure });
                expect::that("list_page_keys_max", found >= 1000, "1000 or more", found)
            },
        )
        .slow()
        .sends(1200)
        .deadline(SEARCH)
        .common("delete_objects/keys_max", &["DEL-05"], "DeleteObjects takes 1000 keys, and the most is measured.", async |fx| {
            let limit = highest(1, 4096, async |count| {
                let entry = |number| ObjectIdentifier::builder().key(fx.key(&format!("absent{number}"))).build().expect("a key was given");
                let delete = Delete::builder().set_objects(Some((0..count).map(entry).collect())).quiet(true).build().expect("objects were given");
                taken(fx.s3().delete_objects().bucket(fx.bucket()).delete(delete).send().await)
            });
            judged(&fx, "delete_objects_keys_max", "1", limit.await?, 1000)
        })
        .slow()
        .deadline(SEARCH)
        .extended(
            "get_object/presigned_expiry_max",
            &["PRE-09"],
            "A presigned URL may last seven days, and the longest time is measured.",
            async |fx| {
                fx.put("k", b"x").await?;
                let limit =
                    highest(60, 10_000_000, async |seconds| taken(fx.raw_object("GetObject", "GET", "k", "").presigned(seconds).send().await));
                judged(&fx, "presigned_expiry_s_max", "s", limit.await?, 604_800)
            },
        )
        .slow()
        .deadline(SEARCH)
}

fn parts(suite: Suite) -> Suite {
    suite
        .core("upload_part/number_max", &["MPU-04", "MPU-05"], "A part may have the number 10000, and the highest one is measured.", async |fx| {
            let id = fx.start_upload("k").await?;
            let limit = highest(1, 100_000, async |number| {
                let query = format!("?partNumber={number}&uploadId={}", encode_query(&id));
                taken(fx.raw_object("UploadPart", "PUT", "k", &query).body("x").send().await)
            });
            judged(&fx, "part_number_max", "1", limit.await?, 10_000)
        })
        .slow()
        .deadline(SEARCH)
        .core(
            "complete_multipart_upload/part_size_min",
            &["MPU-17"],
            "A part that is not the last may have 5 MiB, and the smallest one is measured.",
            async |fx| {
                let limit = highest(0, 5 << 20, async |missing| two_parts(&fx, (5 << 20) - missing).await);
                let limit = limit.await?;
                let smallest = limit.value.map(|missing| (5_u64 << 20) - missing);
                let measure = Measure::new("part_size_bytes_min", "bytes", 0.0, limit.probes);
                fx.measure(Measure { value: smallest.map(|size| size as f64), ..measure });
                expect::some("part of 5 MiB", smallest).map(drop)
            },
        )
        .slow()
        .sends(150)
        .deadline(SEARCH)
}

/// Whether an upload whose first part has this size can be completed.
async fn two_parts(fx: &Fixture, size: u64) -> Checked<bool> {
    let id = fx.start_upload("two").await?;
    let first = fx.upload_part("two", &id, 1, &fx.random_bytes(Bytes(size))).await?;
    let second = fx.upload_part("two", &id, 2, b"last").await?;
    let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("two")).upload_id(&id);
    let is_taken = taken(complete.multipart_upload(completed([first, second])).send().await)?;
    if !is_taken {
        // A server may have dropped the upload with its refusal, so this may fail.
        let _ = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("two")).upload_id(&id).send().await;
    }
    Ok(is_taken)
}

/// What a server that goes on waiting for the body would do: send `100 Continue` and nothing else.
const PATIENCE: Duration = Duration::from_millis(700);

fn sizes(suite: Suite) -> Suite {
    suite
        .common(
            "put_object/object_size_max",
            &["PRO-07"],
            "A single PUT may announce 5 GiB; the most that a server does not refuse at once is measured, and nothing of it is sent.",
            async |fx| {
                let limit = highest(1, 6 << 40, async |size| {
                    let put = fx.raw_object("PutObject", "PUT", "big", "").payload(proofmark::wire::Payload::Unsigned);
                    announced(put.header("Content-Length", size.to_string()).expect_continue(PATIENCE).limit(PATIENCE).send().await)
                });
                let limit = limit.await?;
                let measure = Measure::new("put_announced_bytes_max", "bytes", 0.0, limit.probes);
                let note = if limit.is_open {
                    "at least: the search ended here; announced only, nothing was sent"
                } else {
                    "announced only, nothing was sent"
                };
                fx.measure(Measure { value: limit.value.map(|value| value as f64), ..measure }.noted(note));
                expect::that("announced size", limit.value.is_some_and(|value| value >= 5 << 30), "5 GiB or more", limit.value)
            },
        )
        .slow()
        .sends(60)
        .deadline(SEARCH)
}

/// Whether the announced size was not refused: the server waits for the body.
fn announced(answer: Result<proofmark::wire::Answer, WireError>) -> Checked<bool> {
    match answer {
        Err(error) if error.failure == Failure::Timeout => Ok(true),
        // No room for so much just now: that is not a limit of the object's size.
        Ok(answer) if answer.status == 507 => Ok(true),
        other => taken(other),
    }
}
