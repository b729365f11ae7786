//! Suite `version`: what each operation does with version ids, null versions, suspended versioning and wrong ids.

use aws_sdk_s3::types::{BucketVersioningStatus, MfaDelete, ObjectVersion, VersioningConfiguration};
use proofmark::case::values::{camel, encode_path};
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::{Corrupt, WrongCode};
use proofmark::model::Impact;

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("version").source("S3 API reference, PutBucketVersioning");
    let suite = states(suite).source("S3 user guide, Working with objects in a versioning-enabled bucket");
    let suite = markers(malformed_ids(unknown_ids(suite)));
    null_versions(suite.source("S3 user guide, Working with objects in a versioning-suspended bucket"))
}

/// Prepares a version of `name`; its id.
async fn put_version(fx: &Fixture, name: &str, body: &[u8]) -> Checked<String> {
    let put = fx.set_up("PutObject", fx.put_object(name).body(body.to_vec().into()).send().await)?;
    expect::some("x-amz-version-id", put.version_id)
}

/// Prepares a delete marker on `k`; its version id.
async fn mark(fx: &Fixture) -> Checked<String> {
    let deleted = fx.set_up("DeleteObject", fx.delete_object("k").send().await)?;
    expect::some("x-amz-version-id of the marker", deleted.version_id)
}

async fn suspend(fx: &Fixture) -> Checked {
    let suspended = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    let put = fx.s3().put_bucket_versioning().bucket(fx.bucket()).versioning_configuration(suspended).send().await;
    fx.set_up("PutBucketVersioning Suspended", put).map(drop)
}

async fn version_is(fx: &Fixture, name: &str, id: &str, body: &[u8]) -> Checked {
    let got = expect::ok(fx.get_object(name).version_id(id).send().await).class(Corrupt)?;
    expect::bytes("body of the version", &fx.collect(got.body).await?, body)
}

/// Ids of the versions and of the delete markers, as listed.
async fn listed(fx: &Fixture) -> Checked<(Vec<String>, Vec<String>)> {
    let page = expect::ok(fx.s3().list_object_versions().bucket(fx.bucket()).send().await)?;
    let id = |version: &ObjectVersion| version.version_id().unwrap_or_default().to_owned();
    let markers = page.delete_markers().iter().map(|marker| marker.version_id().unwrap_or_default().to_owned());
    Ok((page.versions().iter().map(id).collect(), markers.collect()))
}

fn states(mut suite: Suite) -> Suite {
    for (name, status) in [("lower_case", "enabled"), ("unknown_word", "Disabled"), ("empty", "")] {
        suite = suite
            .extended(
                &format!("put_bucket_versioning/status_{name}"),
                &["VER-03"],
                "A versioning status that is not Enabled or Suspended answers 400 MalformedXML and changes nothing.",
                move |fx| async move {
                    let xml = format!("<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>");
                    let put = fx.raw_document("PutBucketVersioning", "?versioning", &xml).send().await;
                    let state = expect::ok(fx.s3().get_bucket_versioning().bucket(fx.bucket()).send().await)?;
                    expect::eq("Status afterwards", state.status(), None)?;
                    expect::error_or(put, (400, "MalformedXML"), &[(400, "IllegalVersioningConfigurationException")])
                },
            )
            .versioned();
    }
    suite
        .rare("put_bucket_versioning/mfa_delete", &["VER-28"], "MFA delete is not switched on without a code of the device.", async |fx| {
            let wanted = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).mfa_delete(MfaDelete::Enabled).build();
            let put = fx.s3().put_bucket_versioning().bucket(fx.bucket()).versioning_configuration(wanted).send().await;
            expect::refused_as(put, &[(400, ""), (403, ""), (501, "")])
        })
        .versioned()
        .impact(Impact::Irreversible)
}

/// Sends an operation for a version id that is not the key's and judges its refusal.
async fn with_version(fx: &Fixture, operation: &str, id: &str, status: u16, code: &str) -> Checked {
    let (bucket, key) = (fx.bucket(), fx.key("k"));
    match operation {
        "get_object" => expect::error(fx.get_object("k").version_id(id).send().await, status, code),
        "head_object" => expect::status(fx.head_object("k").version_id(id).send().await, status),
        "delete_object" => expect::error(fx.delete_object("k").version_id(id).send().await, status, code),
        "get_object_tagging" => expect::error(fx.s3().get_object_tagging().bucket(bucket).key(key).version_id(id).send().await, status, code),
        "get_object_acl" => expect::error(fx.s3().get_object_acl().bucket(bucket).key(key).version_id(id).send().await, status, code),
        _ => {
            let source = format!("{bucket}/{}?versionId={id}", encode_path(&key));
            let copy = fx.s3().copy_object().bucket(bucket).key(fx.key("copy")).copy_source(source).send().await;
            expect::error(copy, status, code)?;
            fx.absent("copy").await
        }
    }
}

fn features(operation: &str) -> &'static [&'static str] {
    match operation {
        "get_object_tagging" => &["versioning", "tagging"],
        "get_object_acl" => &["versioning", "acl"],
        _ => &["versioning"],
    }
}

fn unknown_ids(mut suite: Suite) -> Suite {
    for operation in ["get_object", "head_object", "get_object_tagging", "get_object_acl", "copy_object"] {
        suite = suite
            .common(
                &format!("{operation}/unknown_version"),
                &["VER-06"],
                "A version id that belongs to another key answers 404 NoSuchVersion.",
                move |fx| async move {
                    fx.enable_versioning().await?;
                    put_version(&fx, "k", b"mine").await?;
                    let other = put_version(&fx, "other", b"other").await?;
                    with_version(&fx, operation, &other, 404, "NoSuchVersion").await
                },
            )
            .versioned()
            .needs(features(operation));
    }
    suite
        .common(
            "delete_object/unknown_version",
            &["VER-06"],
            "DELETE with the version id of another key removes no version of either key.",
            async |fx| {
                fx.enable_versioning().await?;
                let mine = put_version(&fx, "k", b"mine").await?;
                let other = put_version(&fx, "other", b"other").await?;
                let deleted = fx.delete_object("k").version_id(&other).send().await;
                version_is(&fx, "k", &mine, b"mine").await?;
                version_is(&fx, "other", &other, b"other").await?;
                match deleted.settle() {
                    Err(Refusal::Answered { status: 404, code }) if code == "NoSuchVersion" => expect::variant("404 NoSuchVersion instead of 204"),
                    deleted => expect::ok(deleted).map(drop).class(WrongCode),
                }
            },
        )
        .versioned()
}

/// No vendor's version ids look like this.
const MALFORMED: &str = "not!a*version(id)";

fn malformed_ids(mut suite: Suite) -> Suite {
    for operation in ["get_object", "head_object", "get_object_tagging", "get_object_acl", "copy_object"] {
        suite = suite
            .common(
                &format!("{operation}/malformed_version"),
                &["VER-07"],
                "A version id that cannot be one answers 400 InvalidArgument.",
                move |fx| async move {
                    fx.enable_versioning().await?;
                    put_version(&fx, "k", b"mine").await?;
                    with_version(&fx, operation, MALFORMED, 400, "InvalidArgument").await
                },
            )
            .versioned()
            .needs(features(operation));
    }
    suite
        .common(
            "delete_object/malformed_version",
            &["VER-07"],
            "DELETE with a version id that cannot be one answers 400 InvalidArgument and deletes nothing.",
            async |fx| {
                fx.enable_versioning().await?;
                put_version(&fx, "k", b"mine").await?;
                let deleted = fx.delete_object("k").version_id(MALFORMED).send().await;
                fx.holds("k", b"mine").await?;
                expect::error(deleted, 400, "InvalidArgument")
            },
        )
        .versioned()
        .common("get_object/empty_version", &["VER-07"], "An empty version id names no version: the answer is 400 InvalidArgument.", async |fx| {
            fx.enable_versioning().await?;
            put_version(&fx, "k", b"mine").await?;
            match fx.raw_object("GetObject", "GET", "k", "?versionId=").send().await {
                Ok(got) if got.status == 200 && got.body == b"mine" => expect::variant("an empty version id means the newest version"),
                got => expect::error(got, 400, "InvalidArgument"),
            }
        })
        .versioned()
}

/// Operations on a delete marker by its id: name, method, query, XML body, features beside versioning.
const ON_MARKER: [(&str, &str, &str, &str, &[&str]); 7] = [
    ("get_object_tagging", "GET", "tagging", "", &["versioning", "tagging"]),
    (
        "put_object_tagging",
        "PUT",
        "tagging",
        "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>",
        &["versioning", "tagging"],
    ),
    ("delete_object_tagging", "DELETE", "tagging", "", &["versioning", "tagging"]),
    ("get_object_retention", "GET", "retention", "", &["object-lock"]),
    ("put_object_retention", "PUT", "retention", "", &["object-lock"]),
    ("get_object_legal_hold", "GET", "legal-hold", "", &["object-lock"]),
    ("put_object_legal_hold", "PUT", "legal-hold", "<LegalHold><Status>OFF</Status></LegalHold>", &["object-lock"]),
];

fn markers(mut suite: Suite) -> Suite {
    for (operation, method, query, body, features) in ON_MARKER {
        let rule = "A delete marker, named by its version id, has no tags, retention or hold: the answer is 405 MethodNotAllowed.";
        suite = suite.extended(&format!("{operation}/delete_marker"), &["VER-11"], rule, move |fx| async move {
            let has_lock = features.contains(&"object-lock");
            if !has_lock {
                fx.enable_versioning().await?;
            }
            put_version(&fx, "k", b"x").await?;
            let marker = mark(&fx).await?;
            let until = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(20);
            let retention = format!("<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{until:.0}</RetainUntilDate></Retention>");
            let body = if operation == "put_object_retention" { &retention } else { body };
            let target = format!("{}?{query}&versionId={marker}", encode_path(&fx.key("k")));
            let request = match method {
                "PUT" => fx.raw_document(&camel(operation), &target, body),
                _ => fx.raw().request(method, fx.bucket(), &target).operation(&camel(operation)),
            };
            expect::error(request.send().await, 405, "MethodNotAllowed")
        });
        suite = if features.contains(&"object-lock") { suite.lock_bucket() } else { suite.versioned().needs(features) };
    }
    suite
        .common("head_object/marker_by_version", &["VER-10"], "HEAD of a delete marker by its id answers 405 and says so.", async |fx| {
            fx.enable_versioning().await?;
            put_version(&fx, "k", b"x").await?;
            let marker = mark(&fx).await?;
            let head = fx.raw_object("HeadObject", "HEAD", "k", &format!("?versionId={marker}")).send().await;
            let says = head.as_ref().ok().and_then(|answer| answer.header("x-amz-delete-marker")).map(str::to_owned);
            expect::status(head, 405)?;
            expect::eq("x-amz-delete-marker", says.as_deref(), Some("true")).class(WrongCode)
        })
        .versioned()
        .common("get_object/marker_by_version_header", &["VER-10"], "GET of a delete marker by its id carries x-amz-delete-marker.", async |fx| {
            fx.enable_versioning().await?;
            put_version(&fx, "k", b"x").await?;
            let marker = mark(&fx).await?;
            let got = fx.raw_object("GetObject", "GET", "k", &format!("?versionId={marker}")).send().await;
            let says = got.as_ref().ok().and_then(|answer| answer.header("x-amz-delete-marker")).map(str::to_owned);
            expect::status(got, 405)?;
            expect::eq("x-amz-delete-marker", says.as_deref(), Some("true"))
        })
        .versioned()
        .common("delete_object/markers_stack", &["VER-14"], "Each DELETE of a versioned key adds another delete marker.", async |fx| {
            fx.enable_versioning().await?;
            let version = put_version(&fx, "k", b"x").await?;
            let ids = [mark(&fx).await?, mark(&fx).await?];
            expect::that("ids of the markers", ids[0] != ids[1], "different", &ids)?;
            expect::eq("versions and markers", listed(&fx).await?, (vec![version], vec![ids[1].clone(), ids[0].clone()]))
        })
        .versioned()
}

fn null_versions(suite: Suite) -> Suite {
    suspended(suite)
        .common("get_object/null_version", &["VER-15"], "An object from before versioning is read with the version id null.", async |fx| {
            fx.put("k", b"before").await?;
            fx.enable_versioning().await?;
            put_version(&fx, "k", b"after").await?;
            version_is(&fx, "k", "null", b"before").await
        })
        .versioned()
        .common("delete_object/null_version", &["VER-15"], "An object from before versioning is removed with the version id null.", async |fx| {
            fx.put("k", b"before").await?;
            fx.enable_versioning().await?;
            let version = put_version(&fx, "k", b"after").await?;
            expect::ok(fx.delete_object("k").version_id("null").send().await)?;
            expect::eq("versions and markers", listed(&fx).await?, (vec![version], vec![]))?;
            fx.holds("k", b"after").await
        })
        .versioned()
        .common(
            "list_object_versions/null_version",
            &["VER-15"],
            "An object from before versioning is listed with the version id null, below newer versions.",
            async |fx| {
                fx.put("k", b"before").await?;
                fx.enable_versioning().await?;
                let version = put_version(&fx, "k", b"after").await?;
                expect::eq("versions and markers", listed(&fx).await?, (vec![version, "null".to_owned()], vec![]))
            },
        )
        .versioned()
}

fn suspended(suite: Suite) -> Suite {
    suite
        .common(
            "delete_object/suspended_replaces_null_marker",
            &["VER-14"],
            "While versioning is suspended, a second DELETE replaces the null delete marker.",
            async |fx| {
                fx.enable_versioning().await?;
                let version = put_version(&fx, "k", b"x").await?;
                suspend(&fx).await?;
                expect::ok(fx.delete_object("k").send().await)?;
                expect::ok(fx.delete_object("k").send().await)?;
                expect::eq("versions and markers", listed(&fx).await?, (vec![version], vec!["null".to_owned()]))
            },
        )
        .versioned()
        .common(
            "put_object/suspended_overwrites_null",
            &["VER-16"],
            "While versioning is suspended, a PUT overwrites the null version and keeps the others.",
            async |fx| {
                fx.enable_versioning().await?;
                let version = put_version(&fx, "k", b"kept").await?;
                suspend(&fx).await?;
                fx.put("k", b"first").await?;
                fx.put("k", b"second").await?;
                expect::eq("versions and markers", listed(&fx).await?, (vec!["null".to_owned(), version.clone()], vec![]))?;
                version_is(&fx, "k", &version, b"kept").await?;
                version_is(&fx, "k", "null", b"second").await
            },
        )
        .versioned()
        .common(
            "delete_object/suspended_removes_null",
            &["VER-16"],
            "While versioning is suspended, a DELETE puts a null marker in the null version's place and keeps the others.",
            async |fx| {
                fx.put("k", b"before").await?;
                fx.enable_versioning().await?;
                let version = put_version(&fx, "k", b"kept").await?;
                suspend(&fx).await?;
                expect::ok(fx.delete_object("k").send().await)?;
                expect::eq("versions and markers", listed(&fx).await?, (vec![version.clone()], vec!["null".to_owned()]))?;
                version_is(&fx, "k", &version, b"kept").await
            },
        )
        .versioned()
        .rare("put_object/suspended_names_no_version", &["VER-17"], "While versioning is suspended, PUT answers no version id.", async |fx| {
            fx.enable_versioning().await?;
            suspend(&fx).await?;
            let put = expect::ok(fx.put_object("k").body(b"x".to_vec().into()).send().await)?;
            match put.version_id() {
                Some("null") => expect::variant("x-amz-version-id: null"),
                other => expect::eq("x-amz-version-id", other, None),
            }
        })
        .versioned()
}
