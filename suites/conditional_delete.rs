//! Suite `conditional_delete`: deletes that depend on what they would delete.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;

use super::conditional::OTHER_ETAG;

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("conditional_delete").source("S3 user guide, How to perform conditional deletes");
    let suite = many(doubtful(present(suite))).source("S3 API reference, DeleteObject: x-amz-if-match-size and x-amz-if-match-last-modified-time");
    properties(suite)
}

fn present(suite: Suite) -> Suite {
    suite
        .extended("delete_object/if_match_equal", &["CWR-16"], "A DELETE with the present ETag in If-Match deletes the object.", async |fx| {
            let etag = fx.put("k", b"x").await?;
            expect::ok(fx.delete_object("k").if_match(etag).send().await)?;
            fx.absent("k").await
        })
        .extended(
            "delete_object/if_match_other",
            &["CWR-16"],
            "A DELETE with another ETag in If-Match answers 412 and deletes nothing.",
            async |fx| {
                fx.put("k", b"x").await?;
                expect::refused(fx.delete_object("k").if_match(OTHER_ETAG).send().await, 412, "PreconditionFailed")?;
                fx.holds("k", b"x").await
            },
        )
        .dependents(&["table formats' garbage collection"])
        .extended("delete_object/if_match_any_present", &["CWR-17"], "A DELETE with If-Match: * deletes a present object.", async |fx| {
            fx.put("k", b"x").await?;
            expect::ok(fx.delete_object("k").if_match("*").send().await)?;
            fx.absent("k").await
        })
}

/// Sources disagree what a condition on nothing answers: names which of their answers it was.
async fn answered(fx: &Fixture, if_match: &str) -> Checked {
    match fx.delete_object("k").if_match(if_match).send().await.settle() {
        Ok(_) => expect::variant("204"),
        Err(Refusal::Answered { status: status @ (412 | 404), code }) => expect::variant(format!("{status} {code}")),
        Err(other) => expect::lost(&other, "204, 404 or 412"),
    }
}

fn doubtful(suite: Suite) -> Suite {
    const MARKER: &str = "where a delete marker is current answers 204, 404 or 412";
    suite
        .extended(
            "delete_object/if_match_absent",
            &["CWR-18"],
            "A DELETE with an ETag in If-Match on an absent key answers 204, 404 or 412.",
            async |fx| answered(&fx, OTHER_ETAG).await,
        )
        .extended(
            "delete_object/if_match_any_absent",
            &["CWR-18"],
            "A DELETE with If-Match: * on an absent key answers 204, 404 or 412.",
            async |fx| answered(&fx, "*").await,
        )
        .rare("delete_object/if_match_any_on_delete_marker", &["CWR-19"], &format!("A DELETE with If-Match: * {MARKER}."), async |fx| {
            fx.enable_versioning().await?;
            fx.put("k", b"x").await?;
            fx.set_up("DeleteObject", fx.delete_object("k").send().await)?;
            answered(&fx, "*").await
        })
        .versioned()
        .rare("delete_object/if_match_etag_on_delete_marker", &["CWR-19"], &format!("A DELETE with an ETag in If-Match {MARKER}."), async |fx| {
            fx.enable_versioning().await?;
            let etag = fx.put("k", b"x").await?;
            fx.set_up("DeleteObject", fx.delete_object("k").send().await)?;
            answered(&fx, &etag).await
        })
        .versioned()
}

fn many(suite: Suite) -> Suite {
    suite.source("S3 API reference, DeleteObjects").extended(
        "delete_objects/etag_per_key",
        &["CWR-21"],
        "DeleteObjects deletes the keys whose ETag is right and answers PreconditionFailed for the others.",
        async |fx| {
            let right = fx.put("right", b"x").await?;
            fx.put("wrong", b"x").await?;
            let object = |name: &str, etag: &str| ObjectIdentifier::builder().key(fx.key(name)).e_tag(etag).build().expect("a key was given");
            let delete = Delete::builder().objects(object("right", &right)).objects(object("wrong", OTHER_ETAG)).build().expect("objects were given");
            let deleted = expect::ok(fx.s3().delete_objects().bucket(fx.bucket()).delete(delete).send().await)?;
            let errors: Vec<_> = deleted.errors().iter().map(|error| (error.key().map(str::to_owned), error.code().map(str::to_owned))).collect();
            expect::that("errors", !errors.is_empty(), "PreconditionFailed for one key", "none").class(UnsafeIgnore)?;
            expect::eq("errors", errors, vec![(Some(fx.key("wrong")), Some("PreconditionFailed".to_owned()))])?;
            fx.holds("wrong", b"x").await?;
            fx.absent("right").await
        },
    )
}

fn properties(suite: Suite) -> Suite {
    suite
        .rare("delete_object/if_match_size_equal", &["CWR-20"], "A DELETE with the object's size in x-amz-if-match-size deletes it.", async |fx| {
            fx.put("k", b"four").await?;
            expect::ok(fx.delete_object("k").if_match_size(4).send().await)?;
            fx.absent("k").await
        })
        .rare(
            "delete_object/if_match_size_other",
            &["CWR-20"],
            "A DELETE with another size in x-amz-if-match-size answers 412 and deletes nothing.",
            async |fx| {
                fx.put("k", b"four").await?;
                expect::refused(fx.delete_object("k").if_match_size(5).send().await, 412, "PreconditionFailed")?;
                fx.holds("k", b"four").await
            },
        )
        .rare(
            "delete_object/if_match_last_modified_equal",
            &["CWR-20"],
            "A DELETE with the object's time in x-amz-if-match-last-modified-time deletes it.",
            async |fx| {
                fx.put("k", b"x").await?;
                let modified = expect::some("Last-Modified", expect::ok(fx.head_object("k").send().await)?.last_modified)?;
                expect::ok(fx.delete_object("k").if_match_last_modified_time(modified).send().await)?;
                fx.absent("k").await
            },
        )
        .rare(
            "delete_object/if_match_last_modified_other",
            &["CWR-20"],
            "A DELETE with another time in x-amz-if-match-last-modified-time answers 412 and deletes nothing.",
            async |fx| {
                fx.put("k", b"x").await?;
                let modified = expect::some("Last-Modified", expect::ok(fx.head_object("k").send().await)?.last_modified)?;
                let other = DateTime::from_secs(modified.secs() - 3600);
                expect::refused(fx.delete_object("k").if_match_last_modified_time(other).send().await, 412, "PreconditionFailed")?;
                fx.holds("k", b"x").await
            },
        )
}
