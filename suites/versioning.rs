//! Suite `versioning`: versions of an object and delete markers.

use aws_sdk_s3::types::{BucketVersioningStatus, Delete, ObjectIdentifier, ObjectVersion, VersioningConfiguration};
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;

/// The suite.
pub fn suite() -> Suite {
    many(listing(markers(versions(states(Suite::new("versioning").source("S3 user guide, Using versioning in S3 buckets"))))))
}

/// Prepares `bodies` as versions of `k` in a versioned bucket; their version ids, oldest first.
async fn put_versions(fx: &Fixture, bodies: &[&str]) -> Checked<Vec<String>> {
    fx.enable_versioning().await?;
    let mut ids = Vec::new();
    for body in bodies {
        let put = fx.set_up("PutObject", fx.put_object("k").body(body.as_bytes().to_vec().into()).send().await)?;
        ids.push(expect::some("x-amz-version-id", put.version_id)?);
    }
    Ok(ids)
}

async fn version_is(fx: &Fixture, id: &str, body: &str) -> Checked {
    let got = expect::ok(fx.get_object("k").version_id(id).send().await)?;
    expect::eq("x-amz-version-id", got.version_id(), Some(id))?;
    expect::bytes("body of the version", &fx.collect(got.body).await?, body.as_bytes())
}

/// Prepares a delete marker on `k`; its version id.
async fn mark(fx: &Fixture) -> Checked<String> {
    let deleted = fx.set_up("DeleteObject", fx.delete_object("k").send().await)?;
    expect::some("x-amz-version-id of the marker", deleted.version_id)
}

fn states(suite: Suite) -> Suite {
    suite
        .core("get_bucket_versioning/never_enabled", &["VER-01"], "A bucket that was never versioned answers no Status.", async |fx| {
            let state = expect::ok(fx.s3().get_bucket_versioning().bucket(fx.bucket()).send().await)?;
            expect::eq("Status", state.status(), None)
        })
        .versioned()
        .dependents(&["Terraform", "Veeam"])
        .core(
            "put_bucket_versioning/enable_and_suspend",
            &["VER-02"],
            "Versioning can be enabled and suspended, and the state is visible.",
            async |fx| {
                for status in [BucketVersioningStatus::Enabled, BucketVersioningStatus::Suspended] {
                    let wanted = VersioningConfiguration::builder().status(status.clone()).build();
                    expect::ok(fx.s3().put_bucket_versioning().bucket(fx.bucket()).versioning_configuration(wanted).send().await)?;
                    let state = expect::ok(fx.s3().get_bucket_versioning().bucket(fx.bucket()).send().await)?;
                    expect::eq("Status", state.status, Some(status))?;
                }
                Ok(())
            },
        )
        .versioned()
}

fn versions(suite: Suite) -> Suite {
    suite
        .core("put_object/new_version_each_time", &["VER-04"], "Each PUT makes another version, and GET answers the newest.", async |fx| {
            let ids = put_versions(&fx, &["one", "two", "three"]).await?;
            expect::that("version ids", ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2], "all different", &ids)?;
            let got = expect::ok(fx.get_object("k").send().await)?;
            expect::eq("x-amz-version-id", got.version_id(), Some(ids[2].as_str()))?;
            expect::bytes("body", &fx.collect(got.body).await?, b"three")
        })
        .versioned()
        .dependents(&["Veeam", "S3A"])
        .core("get_object/by_version", &["VER-05"], "GET by version id answers that version's data.", async |fx| {
            let ids = put_versions(&fx, &["one", "two"]).await?;
            version_is(&fx, &ids[0], "one").await?;
            version_is(&fx, &ids[1], "two").await
        })
        .versioned()
        .core("head_object/by_version", &["VER-05"], "HEAD by version id answers that version's headers.", async |fx| {
            let ids = put_versions(&fx, &["one", "longer"]).await?;
            for (id, length) in ids.iter().zip([3, 6]) {
                expect::eq("Content-Length", expect::ok(fx.head_object("k").version_id(id).send().await)?.content_length(), Some(length))?;
            }
            Ok(())
        })
        .versioned()
        .core("delete_object/by_version", &["VER-12"], "DELETE by version id removes exactly that version.", async |fx| {
            let ids = put_versions(&fx, &["one", "two", "three"]).await?;
            expect::ok(fx.delete_object("k").version_id(&ids[1]).send().await)?;
            expect::error(fx.get_object("k").version_id(&ids[1]).send().await, 404, "NoSuchVersion")?;
            version_is(&fx, &ids[0], "one").await?;
            version_is(&fx, &ids[2], "three").await
        })
        .versioned()
        .dependents(&["restic", "Veeam"])
}

fn markers(suite: Suite) -> Suite {
    suite
        .core("delete_object/adds_marker", &["VER-08"], "DELETE without a version id adds a delete marker and keeps the version.", async |fx| {
            let ids = put_versions(&fx, &["one"]).await?;
            let deleted = expect::ok(fx.delete_object("k").send().await)?;
            expect::eq("x-amz-delete-marker", deleted.delete_marker(), Some(true))?;
            expect::some("x-amz-version-id", deleted.version_id())?;
            version_is(&fx, &ids[0], "one").await
        })
        .versioned()
        .core(
            "get_object/current_marker",
            &["VER-09"],
            "GET of a key whose newest version is a delete marker answers 404 NoSuchKey and says so.",
            async |fx| {
                put_versions(&fx, &["one"]).await?;
                mark(&fx).await?;
                let got = fx.get_object("k").send().await;
                let header = got.as_ref().err().and_then(|error| error.raw_response()).and_then(|raw| raw.headers().get("x-amz-delete-marker"));
                let header = header.map(str::to_owned);
                expect::error(got, 404, "NoSuchKey")?;
                expect::eq("x-amz-delete-marker", header.as_deref(), Some("true")).class(WrongCode)
            },
        )
        .versioned()
        .common("get_object/marker_by_version", &["VER-10"], "GET of a delete marker by its id answers 405 MethodNotAllowed.", async |fx| {
            put_versions(&fx, &["one"]).await?;
            let marker = mark(&fx).await?;
            expect::error(fx.get_object("k").version_id(marker).send().await, 405, "MethodNotAllowed")
        })
        .versioned()
        .core("delete_object/marker_restores", &["VER-13"], "Deleting the delete marker brings the previous version back.", async |fx| {
            put_versions(&fx, &["one"]).await?;
            let marker = mark(&fx).await?;
            expect::ok(fx.delete_object("k").version_id(marker).send().await)?;
            fx.holds("k", b"one").await
        })
        .versioned()
}

fn shown(versions: &[ObjectVersion]) -> Vec<(String, bool)> {
    versions.iter().map(|version| (version.version_id().unwrap_or_default().to_owned(), version.is_latest().unwrap_or_default())).collect()
}

fn listing(suite: Suite) -> Suite {
    suite
        .core(
            "list_object_versions/newest_first",
            &["VER-18"],
            "ListObjectVersions shows a key's versions newest first, with IsLatest, size and ETag.",
            async |fx| {
                let ids = put_versions(&fx, &["one", "three"]).await?;
                let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).send().await)?;
                expect::eq("versions", shown(listed.versions()), vec![(ids[1].clone(), true), (ids[0].clone(), false)])?;
                let sizes: Vec<Option<i64>> = listed.versions().iter().map(|version| version.size()).collect();
                expect::eq("sizes", sizes, vec![Some(5), Some(3)])?;
                expect::eq("ETag", listed.versions()[0].e_tag(), expect::ok(fx.head_object("k").send().await)?.e_tag())
            },
        )
        .versioned()
        .core(
            "list_object_versions/pages_inside_a_key",
            &["VER-19"],
            "Pages that end inside a key's versions lose nothing and repeat nothing.",
            async |fx| {
                let mut expected = put_versions(&fx, &["1", "2", "3", "4", "5"]).await?;
                expected.reverse();
                let (mut seen, mut key, mut id) = (Vec::new(), None, None);
                loop {
                    let list = fx.s3().list_object_versions().bucket(fx.bucket()).max_keys(2).set_key_marker(key).set_version_id_marker(id);
                    let page = expect::ok(list.send().await)?;
                    expect::that("entries of a page", page.versions().len() <= 2, "at most max-keys=2", page.versions().len())?;
                    seen.extend(shown(page.versions()).into_iter().map(|(id, _)| id));
                    (key, id) = (page.next_key_marker.clone(), page.next_version_id_marker.clone());
                    expect::that("versions seen", seen.len() <= 5, "at most 5", seen.len())?;
                    if page.is_truncated() != Some(true) {
                        return expect::eq("version ids", seen, expected);
                    }
                }
            },
        )
        .versioned()
        .dependents(&["rclone", "Snowflake"])
        .core(
            "list_object_versions/never_versioned",
            &["VER-21"],
            "A bucket that was never versioned lists its objects with the version id null.",
            async |fx| {
                fx.put("k", b"x").await?;
                let listed = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).prefix(fx.key("k")).send().await)?;
                expect::eq("versions", shown(listed.versions()), vec![("null".to_owned(), true)])
            },
        )
        .dependents(&["rclone"])
}

fn many(suite: Suite) -> Suite {
    suite
        .core(
            "delete_objects/versions_and_markers",
            &["VER-23"],
            "DeleteObjects with version ids removes exactly those, delete markers too.",
            async |fx| {
                let ids = put_versions(&fx, &["one", "two"]).await?;
                let marker = mark(&fx).await?;
                let entry = |id: &str| ObjectIdentifier::builder().key(fx.key("k")).version_id(id).build().expect("a key was given");
                let delete = Delete::builder().objects(entry(&ids[1])).objects(entry(&marker)).build().expect("objects were given");
                let deleted = expect::ok(fx.s3().delete_objects().bucket(fx.bucket()).delete(delete).send().await)?;
                expect::eq("Deleted", deleted.deleted().len(), 2)?;
                expect::eq("Errors", deleted.errors().len(), 0)?;
                let of_marker = deleted.deleted().iter().find(|entry| entry.version_id() == Some(marker.as_str()));
                expect::eq("DeleteMarker of the marker's entry", of_marker.and_then(|entry| entry.delete_marker()), Some(true)).class(WrongCode)?;
                fx.holds("k", b"one").await
            },
        )
        .versioned()
}
