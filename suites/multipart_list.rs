//! Suite `multipart_list`: what is known of unfinished uploads and of their parts.

use std::time::Duration;

use aws_sdk_s3::operation::list_multipart_uploads::builders::ListMultipartUploadsFluentBuilder;
use aws_sdk_s3::operation::list_parts::builders::ListPartsFluentBuilder;
use aws_sdk_s3::types::MultipartUpload;
use proofmark::case::values::{encode_query, md5_etag};
use proofmark::case::{Answer, Checked, Fixture, Suite, expect};

use super::multipart::complete;

/// The suite.
pub fn suite() -> Suite {
    let suite = parts(Suite::new("multipart_list").source("S3 API reference, ListParts"));
    let suite = pages(order(bad_numbers(suite).source("S3 API reference, ListMultipartUploads")));
    owners(visible(markers(suite)))
}

fn list_parts(fx: &Fixture, id: &str) -> ListPartsFluentBuilder {
    fx.s3().list_parts().bucket(fx.bucket()).key(fx.key("k")).upload_id(id)
}

/// An upload of `k` with a part of each of these numbers, each with another body.
async fn with_parts(fx: &Fixture, numbers: &[i32]) -> Checked<String> {
    let id = fx.start_upload("k").await?;
    for number in numbers {
        fx.upload_part("k", &id, *number, format!("part {number}").as_bytes()).await?;
    }
    Ok(id)
}

/// The numbers of all parts, page by page; the sizes of the pages too.
async fn paged(fx: &Fixture, id: &str, size: i32) -> Checked<(Vec<i32>, Vec<usize>)> {
    let (mut numbers, mut pages, mut marker) = (Vec::new(), Vec::new(), None);
    for _ in 0..8 {
        let page = expect::ok(list_parts(fx, id).max_parts(size).set_part_number_marker(marker.take()).send().await)?;
        pages.push(page.parts().len());
        numbers.extend(page.parts().iter().filter_map(|part| part.part_number()));
        if page.is_truncated() != Some(true) {
            return Ok((numbers, pages));
        }
        marker = Some(expect::some("NextPartNumberMarker of a truncated page", page.next_part_number_marker().map(str::to_owned))?);
    }
    expect::that("pages", false, "an end", pages).map(|()| Default::default())
}

fn parts(suite: Suite) -> Suite {
    suite
        .common(
            "list_parts/ascending_with_sizes_and_etags",
            &["MPU-28"],
            "ListParts answers the parts by number, each with its size and ETag.",
            async |fx| {
                let id = with_parts(&fx, &[30, 2, 1]).await?;
                let listed = expect::ok(list_parts(&fx, &id).send().await)?;
                let shown: Vec<_> = listed.parts().iter().map(|part| (part.part_number(), part.size(), part.e_tag().map(str::to_owned))).collect();
                let expected = |number: i32| {
                    let body = format!("part {number}");
                    (Some(number), i64::try_from(body.len()).ok(), Some(md5_etag(body.as_bytes())))
                };
                expect::eq("parts", shown, vec![expected(1), expected(2), expected(30)])?;
                expect::that("IsTruncated", listed.is_truncated() != Some(true), "false", listed.is_truncated())
            },
        )
        .common("list_parts/pages", &["MPU-28"], "Pages of max-parts follow each other by NextPartNumberMarker without gap or repeat.", async |fx| {
            let id = with_parts(&fx, &[1, 2, 5, 9, 12]).await?;
            expect::eq("part numbers and page sizes", paged(&fx, &id, 2).await?, (vec![1, 2, 5, 9, 12], vec![2, 2, 1]))
        })
        .common("list_parts/marker", &["MPU-28"], "ListParts begins after part-number-marker, whether there is such a part or not.", async |fx| {
            let id = with_parts(&fx, &[1, 2, 5, 9]).await?;
            for (marker, expected) in [("2", vec![5, 9]), ("3", vec![5, 9]), ("9", vec![])] {
                let listed = expect::ok(list_parts(&fx, &id).part_number_marker(marker).send().await)?;
                let numbers: Vec<i32> = listed.parts().iter().filter_map(|part| part.part_number()).collect();
                expect::eq(&format!("parts after {marker}"), numbers, expected)?;
            }
            Ok(())
        })
        .common("list_parts/no_more_than_1000", &["MPU-28"], "A larger max-parts is taken as 1000.", async |fx| {
            let id = with_parts(&fx, &[1]).await?;
            expect::eq("MaxParts", expect::ok(list_parts(&fx, &id).max_parts(5000).send().await)?.max_parts(), Some(1000))
        })
        .common("list_parts/page_of_1000", &["MPU-28"], "Of 1001 parts ListParts answers 1000 at a time.", async |fx| {
            let id = fx.start_upload("k").await?;
            for first in (1..=1001).step_by(16) {
                let upload = |number| tokio::spawn(fx.upload_part("k", &id, number, b"x"));
                for part in (first..=1001.min(first + 15)).map(upload).collect::<Vec<_>>() {
                    let Ok(part) = part.await else { return expect::unresolved("harness: an uploader panicked") };
                    part?;
                }
            }
            let (numbers, pages) = paged(&fx, &id, 1000).await?;
            expect::eq("sizes of the pages", pages, vec![1000, 1])?;
            expect::eq("part numbers", numbers, (1..=1001).collect::<Vec<i32>>())
        })
        .sends(1010)
        .slow()
        .deadline(Duration::from_secs(300))
}

fn bad_numbers(mut suite: Suite) -> Suite {
    let table = [("max_parts", "max-parts"), ("marker", "part-number-marker")];
    for (parameter, query) in table {
        for (name, value) in [("minus_one", "-1"), ("text", "many"), ("above_32_bits", "4294967297")] {
            let rule = format!("ListParts with {query}={value} answers 400 InvalidArgument.");
            suite = suite.extended(&format!("list_parts/{parameter}_{name}"), &["MPU-29"], &rule, move |fx| async move {
                let id = fx.start_upload("k").await?;
                let list = fx.raw_object("ListParts", "GET", "k", &format!("?{query}={value}&uploadId={}", encode_query(&id)));
                expect::error(list.send().await, 400, "InvalidArgument")
            });
        }
    }
    suite
}

fn list(fx: &Fixture) -> ListMultipartUploadsFluentBuilder {
    fx.s3().list_multipart_uploads().bucket(fx.bucket())
}

type Names = Vec<(String, String)>;

/// Keys and upload ids, in the order of the answer.
fn shown(uploads: &[MultipartUpload]) -> Names {
    uploads.iter().map(|upload| (upload.key().unwrap_or_default().to_owned(), upload.upload_id().unwrap_or_default().to_owned())).collect()
}

/// Starts an upload of each of these keys, in this order, in the case's own bucket.
async fn start(fx: &Fixture, keys: &[&str]) -> Checked<Names> {
    let mut started = Vec::new();
    for key in keys {
        started.push(((*key).to_owned(), fx.start_upload(key).await?));
    }
    Ok(started)
}

fn keys(names: &[(String, String)]) -> Vec<&str> {
    names.iter().map(|(key, _)| key.as_str()).collect()
}

fn order(suite: Suite) -> Suite {
    suite
        .common("list_multipart_uploads/by_key", &["MPU-31"], "ListMultipartUploads answers the uploads by their keys.", async |fx| {
            start(&fx, &["c", "a/2", "b", "a/1"]).await?;
            let listed = expect::ok(list(&fx).send().await)?;
            expect::eq("keys", keys(&shown(listed.uploads())), vec!["a/1", "a/2", "b", "c"])
        })
        .own_bucket()
        .common(
            "list_multipart_uploads/by_time_for_one_key",
            &["MPU-31"],
            "ListMultipartUploads answers the uploads of one key by the time they were started.",
            async |fx| {
                // So many that another order than by time is not met by chance.
                let started = start(&fx, &["k"; 7]).await?;
                expect::eq("uploads", shown(expect::ok(list(&fx).prefix("k").send().await)?.uploads()), started)
            },
        )
        .own_bucket()
        .common(
            "list_multipart_uploads/prefix",
            &["MPU-31"],
            "ListMultipartUploads with a prefix answers the uploads of its keys alone.",
            async |fx| {
                start(&fx, &["a/1", "a/2", "b/1"]).await?;
                let listed = expect::ok(list(&fx).prefix("a/").send().await)?;
                expect::eq("keys", keys(&shown(listed.uploads())), vec!["a/1", "a/2"])
            },
        )
        .own_bucket()
        .dependents(&["S3A magic committer"])
        .common(
            "list_multipart_uploads/delimiter",
            &["MPU-31"],
            "ListMultipartUploads with a delimiter folds keys into common prefixes.",
            async |fx| {
                start(&fx, &["a/1", "a/2", "b", "c/d/1"]).await?;
                let listed = expect::ok(list(&fx).delimiter("/").send().await)?;
                expect::eq("keys", keys(&shown(listed.uploads())), vec!["b"])?;
                let folded: Vec<_> = listed.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).collect();
                expect::eq("common prefixes", folded, vec!["a/", "c/"])
            },
        )
        .own_bucket()
}

fn pages(suite: Suite) -> Suite {
    suite
        .common("list_multipart_uploads/key_marker", &["MPU-31"], "ListMultipartUploads begins after key-marker.", async |fx| {
            start(&fx, &["a", "b", "b", "c"]).await?;
            let listed = expect::ok(list(&fx).key_marker("b").send().await)?;
            expect::eq("keys", keys(&shown(listed.uploads())), vec!["c"])
        })
        .own_bucket()
        .common(
            "list_multipart_uploads/upload_id_marker",
            &["MPU-31"],
            "With key-marker and upload-id-marker the list goes on after that upload of that key.",
            async |fx| {
                start(&fx, &["a", "b", "b", "b", "c"]).await?;
                let all = shown(expect::ok(list(&fx).send().await)?.uploads());
                expect::eq("uploads in all", all.len(), 5)?;
                let listed = expect::ok(list(&fx).key_marker("b").upload_id_marker(&all[1].1).send().await)?;
                expect::eq("uploads after the second", shown(listed.uploads()), all[2..].to_vec())
            },
        )
        .own_bucket()
        .common(
            "list_multipart_uploads/pages",
            &["MPU-31"],
            "Pages of max-uploads follow each other by their markers without gap or repeat.",
            async |fx| {
                let mut started = start(&fx, &["a", "b", "b", "c", "d/1"]).await?;
                let (mut seen, mut key, mut id) = (Vec::new(), None, None);
                for _ in 0..5 {
                    let page = list(&fx).max_uploads(2).set_key_marker(key.take()).set_upload_id_marker(id.take());
                    let page = expect::ok(page.send().await)?;
                    expect::that("uploads of a page", page.uploads().len() <= 2, "at most 2", page.uploads().len())?;
                    seen.extend(shown(page.uploads()));
                    if page.is_truncated() != Some(true) {
                        break;
                    }
                    (key, id) = (page.next_key_marker().map(str::to_owned), page.next_upload_id_marker().map(str::to_owned));
                    expect::some("NextKeyMarker of a truncated page", key.as_ref())?;
                }
                seen.sort();
                started.sort();
                expect::eq("uploads of all pages", seen, started)
            },
        )
        .own_bucket()
        .dependents(&["cleanup jobs"])
}

fn markers(suite: Suite) -> Suite {
    suite
        .rare("list_multipart_uploads/upload_id_marker_alone", &["MPU-32"], "An upload-id-marker without a key-marker is ignored.", async |fx| {
            start(&fx, &["a", "b"]).await?;
            let all = shown(expect::ok(list(&fx).send().await)?.uploads());
            let marker = expect::some("second upload", all.get(1))?.1.clone();
            expect::eq("uploads", shown(expect::ok(list(&fx).upload_id_marker(marker).send().await)?.uploads()), all)
        })
        .own_bucket()
        .rare(
            "list_multipart_uploads/made_up_upload_id_marker",
            &["MPU-32"],
            "An upload-id-marker that is no upload's answers 400 InvalidArgument, or is ignored.",
            async |fx| {
                start(&fx, &["a", "b"]).await?;
                match list(&fx).key_marker("a").upload_id_marker("made-up").send().await.settle() {
                    Ok(listed) => expect::variant(format!("ignored: {} of the 2 uploads are listed", listed.uploads().len())),
                    Err(refusal) => expect::error(Err::<(), _>(refusal), 400, "InvalidArgument"),
                }
            },
        )
        .own_bucket()
}

fn visible(suite: Suite) -> Suite {
    suite
        .source("S3 user guide, Multipart upload and pricing")
        .common(
            "list_multipart_uploads/until_aborted",
            &["MPU-41"],
            "An unfinished upload and its parts are listed until it is aborted, and are no object.",
            async |fx| {
                let id = with_parts(&fx, &[1]).await?;
                let listed = || async { Ok(shown(expect::ok(list(&fx).prefix(fx.key("k")).send().await)?.uploads())) };
                expect::eq("uploads", listed().await?, vec![(fx.key("k"), id.clone())])?;
                expect::eq(
                    "sizes of the parts",
                    expect::ok(list_parts(&fx, &id).send().await)?.parts().iter().filter_map(|part| part.size()).sum::<i64>(),
                    6_i64,
                )?;
                expect::eq("objects", expect::ok(fx.list("k").send().await)?.contents().len(), 0)?;
                let abort = fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).send().await;
                fx.set_up("AbortMultipartUpload", abort)?;
                expect::eq("uploads after the abort", listed().await?, Vec::new())
            },
        )
        .common("list_multipart_uploads/until_completed", &["MPU-41"], "An upload that was completed is not listed any more.", async |fx| {
            let id = fx.start_upload("k").await?;
            let one = fx.upload_part("k", &id, 1, b"x").await?;
            fx.set_up("CompleteMultipartUpload", complete(&fx, &id, [one]).send().await)?;
            let listed = expect::ok(list(&fx).prefix(fx.key("k")).send().await)?;
            expect::eq("uploads", shown(listed.uploads()), Vec::new())
        })
}

/// Claims that an upload's Owner is the caller as ListBuckets tells it (anybody where it tells nothing), and that its Initiator is too.
async fn is_mine(fx: &Fixture, owner: Option<&str>, initiator: Option<&str>) -> Checked {
    let known = fx.set_up("ListBuckets", fx.s3().list_buckets().send().await)?.owner.and_then(|owner| owner.id).filter(|id| !id.is_empty());
    let owner = expect::some("Owner", owner.filter(|id| !id.is_empty()))?;
    let me = known.unwrap_or_else(|| owner.to_owned());
    expect::eq("Owner", owner, me.as_str())?;
    // A user's initiator is an ARN, an account's its id.
    let initiator = expect::some("Initiator", initiator)?;
    expect::that("Initiator", initiator == me || initiator.starts_with("arn:"), "the caller", initiator)
}

fn owners(suite: Suite) -> Suite {
    suite
        .source("S3 API reference, Initiator and Owner")
        .rare("list_parts/initiator_and_owner", &["MPU-33"], "ListParts names the caller as Owner, and an Initiator.", async |fx| {
            let id = with_parts(&fx, &[1]).await?;
            let listed = expect::ok(list_parts(&fx, &id).send().await)?;
            is_mine(&fx, listed.owner().and_then(|owner| owner.id()), listed.initiator().and_then(|initiator| initiator.id())).await
        })
        .rare(
            "list_multipart_uploads/initiator_and_owner",
            &["MPU-33"],
            "ListMultipartUploads names the caller as Owner, and an Initiator.",
            async |fx| {
                fx.start_upload("k").await?;
                let listed = expect::ok(list(&fx).prefix(fx.key("k")).send().await)?;
                let upload = expect::some("upload", listed.uploads().first())?;
                is_mine(&fx, upload.owner().and_then(|owner| owner.id()), upload.initiator().and_then(|initiator| initiator.id())).await
            },
        )
}
