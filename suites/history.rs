//! Suite `history`: the versions of keys as lists, copies, uploads and many writers see them.

use aws_sdk_s3::operation::list_object_versions::ListObjectVersionsOutput;
use aws_sdk_s3::types::{Delete, ObjectIdentifier, Tag, Tagging};
use proofmark::case::values::completed;
use proofmark::case::{Checked, Fixture, Suite, Trials, WithClass, expect};
use proofmark::model::FailureClass::Corrupt;
use proofmark::model::Measure;

/// The suite.
pub fn suite() -> Suite {
    let suite = pages(lists(Suite::new("history").source("S3 API reference, ListObjectVersions")));
    let suite = copies(suite.source("S3 user guide, Restoring previous versions"));
    current(many(writes(suite.source("S3 user guide, Using versioning in S3 buckets"))))
}

/// Prepares a version of `name`; its id.
async fn put_version(fx: &Fixture, name: &str, body: &[u8]) -> Checked<String> {
    let put = fx.set_up("PutObject", fx.put_object(name).body(body.to_vec().into()).send().await)?;
    expect::some("x-amz-version-id", put.version_id)
}

/// Prepares a delete marker; its version id.
async fn mark(fx: &Fixture, name: &str) -> Checked<String> {
    let deleted = fx.set_up("DeleteObject", fx.delete_object(name).send().await)?;
    expect::some("x-amz-version-id of the marker", deleted.version_id)
}

async fn version_is(fx: &Fixture, name: &str, id: &str, body: &[u8]) -> Checked {
    let got = expect::ok(fx.get_object(name).version_id(id).send().await).class(Corrupt)?;
    expect::bytes("body of the version", &fx.collect(got.body).await?, body)
}

/// Key, version id and IsLatest of a page's versions, then of its delete markers.
type Shown = (Vec<(String, String, bool)>, Vec<(String, String, bool)>);

fn shown(page: &ListObjectVersionsOutput) -> Shown {
    let entry = |key: Option<&str>, id: Option<&str>, is_latest: Option<bool>| {
        (key.unwrap_or_default().to_owned(), id.unwrap_or_default().to_owned(), is_latest.unwrap_or_default())
    };
    let versions = page.versions().iter().map(|version| entry(version.key(), version.version_id(), version.is_latest()));
    let markers = page.delete_markers().iter().map(|marker| entry(marker.key(), marker.version_id(), marker.is_latest()));
    (versions.collect(), markers.collect())
}

fn row(key: &str, id: &str, is_latest: bool) -> (String, String, bool) {
    (key.to_owned(), id.to_owned(), is_latest)
}

fn lists(suite: Suite) -> Suite {
    suite
        .core(
            "list_object_versions/keys_ascending",
            &["VER-18"],
            "Keys are listed in ascending order, the versions of each newest first.",
            async |fx| {
                fx.enable_versioning().await?;
                let mut ids = Vec::new();
                for name in ["b", "a", "c", "a", "b"] {
                    ids.push(put_version(&fx, name, b"x").await?);
                }
                let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).send().await)?;
                let expected = [("a", 3, true), ("a", 1, false), ("b", 4, true), ("b", 0, false), ("c", 2, true)];
                expect::eq("versions", shown(&listed).0, expected.map(|(key, at, is_latest): (_, usize, _)| row(key, &ids[at], is_latest)).to_vec())
            },
        )
        .versioned()
        .dependents(&["Snowflake"])
        .core("list_object_versions/owner", &["VER-18"], "Each version is listed with the id of its owner.", async |fx| {
            fx.enable_versioning().await?;
            put_version(&fx, "k", b"x").await?;
            put_version(&fx, "k", b"y").await?;
            let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).send().await)?;
            let owner = |version: &aws_sdk_s3::types::ObjectVersion| version.owner().and_then(|owner| owner.id()).map(str::to_owned);
            let owners: Vec<Option<String>> = listed.versions().iter().map(owner).collect();
            expect::eq("versions", owners.len(), 2)?;
            expect::that("owners", owners[0].is_some() && owners[0] == owners[1], "the same id twice", &owners)
        })
        .versioned()
        .rare("list_object_versions/version_marker_alone", &["VER-22"], "A version-id-marker without a key-marker answers 400 InvalidArgument.", {
            async |fx| {
                fx.enable_versioning().await?;
                let id = put_version(&fx, "k", b"x").await?;
                let list = fx.s3().list_object_versions().bucket(fx.bucket()).version_id_marker(id).send().await;
                expect::no_feature(expect::error(list, 400, "InvalidArgument"), "400 InvalidArgument")
            }
        })
        .versioned()
}

/// Prepares `a/1` (two versions), `a/2` (deleted), `b` (deleted, then back) and `c`; the rows of `b` and `c`: versions, then markers.
async fn mixed(fx: &Fixture) -> Checked<Shown> {
    fx.enable_versioning().await?;
    for name in ["a/1", "a/1", "a/2"] {
        put_version(fx, name, b"x").await?;
    }
    mark(fx, "a/2").await?;
    let (old, marker, new) = (put_version(fx, "b", b"x").await?, mark(fx, "b").await?, put_version(fx, "b", b"y").await?);
    let last = put_version(fx, "c", b"x").await?;
    Ok((vec![row("b", &new, true), row("b", &old, false), row("c", &last, true)], vec![row("b", &marker, false)]))
}

fn pages(suite: Suite) -> Suite {
    let suite = suite
        .core("list_object_versions/key_marker_alone", &["VER-19"], "A key-marker without a version id goes on after all versions of that key.", {
            async |fx| {
                fx.enable_versioning().await?;
                let (first, next) = (put_version(&fx, "a", b"x").await?, put_version(&fx, "b", b"x").await?);
                let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).key_marker("a").send().await)?;
                let (shown, rest) = (shown(&listed).0, vec![row("b", &next, true)]);
                // The reference speaks of "the key to start with"; S3 itself starts behind it.
                if shown == [vec![row("a", &first, true)], rest.clone()].concat() {
                    return expect::variant("the list starts with the marker's own key");
                }
                expect::eq("versions", shown, rest)
            }
        })
        .versioned()
        .common(
            "list_object_versions/delimiter_and_markers",
            &["VER-20"],
            "With a delimiter, keys are rolled up and the versions and delete markers of the others are listed.",
            async |fx| {
                let expected = mixed(&fx).await?;
                let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).delimiter("/").send().await)?;
                let prefixes: Vec<_> = listed.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).collect();
                expect::eq("CommonPrefixes", prefixes, vec!["a/"])?;
                expect::eq("versions and markers", shown(&listed), expected)
            },
        )
        .versioned()
        .dependents(&["rclone"]);
    filtered_pages(suite)
}

fn filtered_pages(suite: Suite) -> Suite {
    suite
        .common(
            "list_object_versions/prefix_and_markers",
            &["VER-20"],
            "With a prefix, only versions and delete markers below it are listed.",
            async |fx| {
                mixed(&fx).await?;
                let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).prefix("a/").delimiter("/").send().await)?;
                let keys = |rows: Vec<(String, String, bool)>| rows.into_iter().map(|(key, _, is_latest)| (key, is_latest)).collect::<Vec<_>>();
                let (versions, markers) = shown(&listed);
                let expected = [("a/1", true), ("a/1", false), ("a/2", false)].map(|(key, is_latest)| (key.to_owned(), is_latest));
                expect::eq("versions", keys(versions), expected.to_vec())?;
                expect::eq("markers", keys(markers), vec![("a/2".to_owned(), true)])?;
                expect::eq("CommonPrefixes", listed.common_prefixes().len(), 0)
            },
        )
        .versioned()
        .common(
            "list_object_versions/pages_with_delimiter",
            &["VER-20"],
            "Pages of a list with delimiter and delete markers lose nothing and repeat nothing.",
            async |fx| {
                let expected = mixed(&fx).await?;
                let (mut versions, mut markers, mut prefixes, mut key, mut id) = (Vec::new(), Vec::new(), Vec::new(), None, None);
                for _ in 0..8 {
                    let list = fx.s3().list_object_versions().bucket(fx.bucket()).delimiter("/").max_keys(1);
                    let page = expect::ok(list.set_key_marker(key).set_version_id_marker(id).send().await)?;
                    let rows = shown(&page);
                    versions.extend(rows.0);
                    markers.extend(rows.1);
                    prefixes.extend(page.common_prefixes().iter().filter_map(|prefix| prefix.prefix()).map(str::to_owned));
                    (key, id) = (page.next_key_marker.clone(), page.next_version_id_marker.clone());
                    if page.is_truncated() != Some(true) {
                        expect::eq("CommonPrefixes", prefixes, vec!["a/".to_owned()])?;
                        return expect::eq("versions and markers", (versions, markers), expected);
                    }
                }
                expect::that("the walk", false, "an end after 5 entries", "8 pages")
            },
        )
        .versioned()
        .dependents(&["rclone"])
}

fn writes(suite: Suite) -> Suite {
    suite
        .common(
            "complete_multipart_upload/new_version",
            &["VER-24"],
            "A completed upload is a new version, answers its id and keeps the old one.",
            async |fx| {
                fx.enable_versioning().await?;
                let old = put_version(&fx, "k", b"old").await?;
                let upload = fx.start_upload("k").await?;
                let part = fx.upload_part("k", &upload, 1, b"new").await?;
                let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(upload);
                let done = expect::ok(complete.multipart_upload(completed([part])).send().await)?;
                version_is(&fx, "k", &old, b"old").await?;
                fx.holds("k", b"new").await?;
                let id = expect::some("x-amz-version-id", done.version_id)?;
                expect::that("x-amz-version-id", id != old, "a new one", &id)?;
                version_is(&fx, "k", &id, b"new").await
            },
        )
        .versioned()
        .core(
            "delete_objects/with_and_without_version",
            &["VER-23"],
            "DeleteObjects adds a delete marker for an entry without a version id, and reports it, and removes the version of another.",
            async |fx| {
                fx.enable_versioning().await?;
                let kept = put_version(&fx, "a", b"kept").await?;
                let removed = put_version(&fx, "b", b"removed").await?;
                let entry = |key: &str| ObjectIdentifier::builder().key(key);
                let entries = [entry("a"), entry("b").version_id(&removed)].map(|entry| entry.build().expect("a key was given"));
                let delete = Delete::builder().set_objects(Some(entries.to_vec())).build().expect("objects were given");
                let deleted = expect::ok(fx.s3().delete_objects().bucket(fx.bucket()).delete(delete).send().await)?;
                let of = |key: &str| deleted.deleted().iter().find(|entry| entry.key() == Some(key));
                let marker = of("a").and_then(|entry| entry.delete_marker_version_id()).unwrap_or_default().to_owned();
                let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).send().await)?;
                expect::eq("versions and markers", shown(&listed), (vec![row("a", &kept, false)], vec![row("a", &marker, true)]))?;
                expect::eq("DeleteMarker of the first entry", of("a").and_then(|entry| entry.delete_marker()), Some(true))?;
                expect::eq("VersionId of the second entry", of("b").and_then(|entry| entry.version_id()), Some(removed.as_str()))
            },
        )
        .versioned()
}

/// How many versions one key gets.
const MANY: usize = 120;

/// PUTs of `names`, `at_once` of them at the same time; their version ids in any order.
async fn put_many(fx: &Fixture, bodies: Vec<Vec<u8>>) -> Checked<Vec<(String, Vec<u8>)>> {
    let puts: Vec<_> = bodies
        .into_iter()
        .map(|body| {
            let put = fx.put_object("k").body(body.clone().into());
            tokio::spawn(async move { (put.send().await, body) })
        })
        .collect();
    let mut ids = Vec::new();
    for put in puts {
        let Ok((put, body)) = put.await else { return expect::unresolved("harness: a writer panicked") };
        ids.push((expect::some("x-amz-version-id", fx.set_up("PutObject", put)?.version_id)?, body));
    }
    Ok(ids)
}

/// Claims that exactly these versions of `k` are listed.
async fn all_listed(fx: &Fixture, ids: &[(String, Vec<u8>)]) -> Checked {
    let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).send().await)?;
    let mut seen: Vec<String> = shown(&listed).0.into_iter().map(|(_, id, _)| id).collect();
    let mut expected: Vec<String> = ids.iter().map(|(id, _)| id.clone()).collect();
    seen.sort();
    expected.sort();
    expect::eq("number of versions", seen.len(), expected.len())?;
    expect::that("version ids", seen == expected, "those of the PUTs", "others")
}

fn many(suite: Suite) -> Suite {
    suite
        .common(
            "list_object_versions/many_of_one_key",
            &["VER-26"],
            "120 versions of one key are all listed, and each is read by its id.",
            async |fx| {
                fx.enable_versioning().await?;
                let mut ids = Vec::new();
                for turn in 0..MANY / 8 {
                    ids.extend(put_many(&fx, (0..8).map(|at| format!("{turn}/{at}").into_bytes()).collect()).await?);
                }
                let started = std::time::Instant::now();
                all_listed(&fx, &ids).await?;
                fx.measure(Measure::new("list_120_versions_ms", "ms", started.elapsed().as_secs_f64() * 1e3, 1));
                for (id, body) in ids.iter().step_by(MANY / 12) {
                    version_is(&fx, "k", id, body).await?;
                }
                Ok(())
            },
        )
        .versioned()
        .sends(150)
        .common("put_object/concurrent_versions", &["VER-27"], "Of concurrent PUTs on one key each stays as a version of its own.", async |fx| {
            fx.enable_versioning().await?;
            let (mut trials, mut ids) = (Trials::default(), Vec::new());
            for turn in 0..3 {
                ids.extend(put_many(&fx, (0..12).map(|at| format!("{turn}/{at}").into_bytes()).collect()).await?);
                trials.add(all_listed(&fx, &ids).await)?;
            }
            for (id, body) in &ids {
                trials.add(version_is(&fx, "k", id, body).await)?;
            }
            trials.settle(&fx, "lost_version_share")
        })
        .versioned()
        .sends(90)
}

fn current(suite: Suite) -> Suite {
    suite
        .extended(
            "put_object_tagging/current_version_only",
            &["VER-29"],
            "Tags that are put without a version id belong to the newest version only.",
            async |fx| {
                fx.enable_versioning().await?;
                let (old, new) = (put_version(&fx, "k", b"old").await?, put_version(&fx, "k", b"new").await?);
                let tag = Tag::builder().key("a").value("1").build().expect("key and value were given");
                let tagging = Tagging::builder().tag_set(tag).build().expect("a tag was given");
                expect::ok(fx.s3().put_object_tagging().bucket(fx.bucket()).key(fx.key("k")).tagging(tagging).send().await)?;
                for (id, count) in [(old, 0), (new, 1)] {
                    let got = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).version_id(id).send().await)?;
                    expect::eq("number of tags", got.tag_set().len(), count)?;
                }
                Ok(())
            },
        )
        .versioned()
        .needs(&["versioning", "tagging"])
}

fn copies(suite: Suite) -> Suite {
    source_markers(suite)
        .common("copy_object/source_version", &["VER-25"], "A copy of a version by its id takes that version's data and names it.", async |fx| {
            fx.enable_versioning().await?;
            let old = put_version(&fx, "k", b"old").await?;
            put_version(&fx, "k", b"new").await?;
            let source = format!("{}?versionId={old}", fx.source("k"));
            let copied = expect::ok(fx.s3().copy_object().bucket(fx.bucket()).key(fx.key("copy")).copy_source(source).send().await)?;
            fx.holds("copy", b"old").await?;
            expect::eq("x-amz-copy-source-version-id", copied.copy_source_version_id(), Some(old.as_str()))
        })
        .versioned()
        .common(
            "copy_object/source_version_special_characters",
            &["VER-25"],
            "A copy by version id finds a source key with special characters.",
            async |fx| {
                fx.enable_versioning().await?;
                let name = "a b+c%25?ä&=.txt";
                let old = put_version(&fx, name, b"old").await?;
                put_version(&fx, name, b"new").await?;
                let source = format!("{}?versionId={old}", fx.source(name));
                expect::ok(fx.s3().copy_object().bucket(fx.bucket()).key(fx.key("copy")).copy_source(source).send().await)?;
                fx.holds("copy", b"old").await
            },
        )
        .versioned()
        .common("copy_object/restores_version", &["VER-25"], "A copy of an old version onto its own key makes it the newest.", async |fx| {
            fx.enable_versioning().await?;
            let old = put_version(&fx, "k", b"old").await?;
            let new = put_version(&fx, "k", b"new").await?;
            let source = format!("{}?versionId={old}", fx.source("k"));
            let copied = expect::ok(fx.s3().copy_object().bucket(fx.bucket()).key(fx.key("k")).copy_source(source).send().await)?;
            fx.holds("k", b"old").await?;
            version_is(&fx, "k", &new, b"new").await?;
            let id = expect::some("x-amz-version-id", copied.version_id)?;
            expect::that("x-amz-version-id", id != old && id != new, "a new one", id)
        })
        .versioned()
        .common("upload_part_copy/source_version", &["VER-25"], "A part copied from a version by its id takes that version's data.", async |fx| {
            fx.enable_versioning().await?;
            let old = put_version(&fx, "source", b"old").await?;
            put_version(&fx, "source", b"new").await?;
            let upload = fx.start_upload("k").await?;
            let source = format!("{}?versionId={old}", fx.source("source"));
            let copy = fx.s3().upload_part_copy().bucket(fx.bucket()).key(fx.key("k")).upload_id(&upload).part_number(1).copy_source(source);
            let etag = expect::ok(copy.send().await)?.copy_part_result.and_then(|result| result.e_tag);
            let part = aws_sdk_s3::types::CompletedPart::builder().part_number(1).set_e_tag(etag).build();
            let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(upload);
            fx.set_up("CompleteMultipartUpload", complete.multipart_upload(completed([part])).send().await)?;
            fx.holds("k", b"old").await
        })
        .versioned()
}

fn source_markers(suite: Suite) -> Suite {
    suite
        .common("copy_object/source_marker_by_version", &["VER-25"], "A delete marker named by its id is no source of a copy: 400 InvalidRequest.", {
            async |fx| {
                fx.enable_versioning().await?;
                put_version(&fx, "k", b"x").await?;
                let marker = mark(&fx, "k").await?;
                let source = format!("{}?versionId={marker}", fx.source("k"));
                let copy = fx.s3().copy_object().bucket(fx.bucket()).key(fx.key("copy")).copy_source(source).send().await;
                expect::error(copy, 400, "InvalidRequest")?;
                fx.absent("copy").await
            }
        })
        .versioned()
        .common(
            "copy_object/source_current_marker",
            &["VER-25"],
            "A copy of a key whose newest version is a delete marker answers 404 NoSuchKey.",
            async |fx| {
                fx.enable_versioning().await?;
                put_version(&fx, "k", b"x").await?;
                mark(&fx, "k").await?;
                expect::error(fx.copy_object("k", "copy").send().await, 404, "NoSuchKey")?;
                fx.absent("copy").await
            },
        )
        .versioned()
}
