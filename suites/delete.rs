//! Suite `delete`: deleting one object or many.

use aws_sdk_s3::operation::delete_objects::builders::DeleteObjectsFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, Delete, ObjectIdentifier};
use proofmark::case::values::md5_base64;
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::{Corrupt, WrongCode};
use proofmark::model::Measure;
use proofmark::units::Bytes;

/// `DeleteObjects` of names below the case's prefix.
fn delete_all(fx: &Fixture, names: &[&str], quiet: bool) -> DeleteObjectsFluentBuilder {
    let objects = names.iter().map(|name| ObjectIdentifier::builder().key(fx.key(name)).build().expect("a key was given")).collect();
    let delete = Delete::builder().set_objects(Some(objects)).quiet(quiet).build().expect("objects were given");
    fx.s3().delete_objects().bucket(fx.bucket()).delete(delete)
}

/// The suite.
pub fn suite() -> Suite {
    while_reading(integrity(many(single(Suite::new("delete").source("S3 API reference, DeleteObject and DeleteObjects")))))
}

fn single(suite: Suite) -> Suite {
    suite
        .core("delete_object/existing", &["DEL-01"], "DELETE answers 204, and the object 404 afterwards.", async |fx| {
            fx.put("k", b"x").await?;
            let deleted = expect::ok(fx.raw_object("DeleteObject", "DELETE", "k", "").send().await)?;
            expect::eq("status", deleted.status, 204).class(WrongCode)?;
            expect::error(fx.get_object("k").send().await, 404, "NoSuchKey")
        })
        .core("delete_object/absent_key", &["DEL-02"], "Deleting an absent key succeeds.", async |fx| {
            expect::ok(fx.delete_object("absent").send().await).map(drop)
        })
        .core("delete_object/missing_bucket", &["DEL-03"], "A DELETE in a bucket that does not exist answers 404 NoSuchBucket.", async |fx| {
            expect::error(fx.s3().delete_object().bucket(fx.missing_bucket()).key("a").send().await, 404, "NoSuchBucket")
        })
        .core("delete_object/directory_marker", &["DEL-14"], "Deleting `dir/` leaves `dir/x` alone.", async |fx| {
            fx.put("dir/", b"").await?;
            fx.put("dir/x", b"child").await?;
            expect::ok(fx.delete_object("dir/").send().await)?;
            fx.holds("dir/x", b"child").await?;
            fx.absent("dir/").await
        })
        .dependents(&["S3A"])
        .core("delete_object/child_leaves_marker", &["DEL-14"], "Deleting `dir/x` leaves the marker `dir/` alone.", async |fx| {
            fx.put("dir/", b"").await?;
            fx.put("dir/x", b"child").await?;
            expect::ok(fx.delete_object("dir/x").send().await)?;
            expect::ok(fx.head_object("dir/").send().await).map(drop)
        })
}

fn many(suite: Suite) -> Suite {
    suite
        .core("delete_objects/several", &["DEL-04"], "DeleteObjects deletes every listed key and says so.", async |fx| {
            let names = ["a", "b", "c/d", "e f"];
            for name in names {
                fx.put(name, b"x").await?;
            }
            let deleted = expect::ok(delete_all(&fx, &names, false).send().await)?;
            let mut keys: Vec<&str> = deleted.deleted().iter().filter_map(|entry| entry.key()).collect();
            keys.sort_unstable();
            let expected = names.map(|name| fx.key(name));
            expect::eq("Deleted", keys, expected.iter().map(String::as_str).collect::<Vec<_>>())?;
            expect::eq("Errors", deleted.errors().len(), 0)?;
            expect::eq("what is left", expect::ok(fx.list("").send().await)?.contents().len(), 0)
        })
        .dependents(&["S3A", "Spark", "restic"])
        .core("delete_objects/thousand_keys", &["DEL-04"], "DeleteObjects takes 1000 keys.", async |fx| {
            fx.put("name-0500", b"x").await?;
            let names: Vec<String> = (0..1000).map(|n| format!("name-{n:04}")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let deleted = expect::ok(delete_all(&fx, &names, false).send().await)?;
            expect::eq("Deleted", deleted.deleted().len(), 1000)?;
            fx.absent("name-0500").await
        })
        .common(
            "delete_objects/more_than_thousand_keys",
            &["DEL-05"],
            "DeleteObjects of 1001 keys answers 400 MalformedXML and deletes nothing.",
            async |fx| {
                fx.put("name-0500", b"x").await?;
                let names: Vec<String> = (0..1001).map(|n| format!("name-{n:04}")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                expect::error(delete_all(&fx, &names, false).send().await, 400, "MalformedXML")?;
                fx.holds("name-0500", b"x").await
            },
        )
}

fn integrity(suite: Suite) -> Suite {
    suite
        .core("delete_objects/absent_keys", &["DEL-07"], "DeleteObjects reports absent keys as deleted.", async |fx| {
            fx.put("here", b"x").await?;
            let deleted = expect::ok(delete_all(&fx, &["here", "absent"], false).send().await)?;
            expect::eq("Deleted", deleted.deleted().len(), 2)?;
            expect::eq("Errors", deleted.errors().len(), 0)
        })
        .common("delete_objects/quiet", &["DEL-08"], "DeleteObjects in quiet mode lists no deleted key.", async |fx| {
            fx.put("k", b"x").await?;
            let deleted = expect::ok(delete_all(&fx, &["k"], true).send().await)?;
            fx.absent("k").await?;
            expect::eq("Deleted", deleted.deleted().len(), 0).class(WrongCode)
        })
        .core("delete_objects/crc32_without_md5", &["DEL-09"], "DeleteObjects with a CRC32 checksum and no Content-MD5 succeeds.", async |fx| {
            fx.put("k", b"x").await?;
            let deleted = delete_all(&fx, &["k"], false).checksum_algorithm(ChecksumAlgorithm::Crc32).send().await;
            expect::eq("Errors", expect::ok(deleted)?.errors().len(), 0)?;
            fx.absent("k").await
        })
        .dependents(&["aws-cli", "boto3", "Trino", "Iceberg"])
        .core(
            "delete_objects/wrong_md5",
            &["DEL-11"],
            "DeleteObjects with a wrong Content-MD5 answers 400 BadDigest and deletes nothing.",
            async |fx| {
                fx.put("k", b"x").await?;
                let wrong = md5_base64(b"another body");
                let sent = delete_all(&fx, &["k"], false).customize().mutate_request(move |request| {
                    request.headers_mut().insert("content-md5", wrong.clone());
                });
                expect::refused(sent.send().await, 400, "BadDigest")?;
                fx.holds("k", b"x").await
            },
        )
}

/// Bytes of the object that is deleted while it is read: more than the buffers between server and client hold.
const LARGE: usize = 16 << 20;
const TRIALS: u64 = 3;

/// Reads the rest of a body and compares it. Whether it came to its end; other bytes than were stored end the case.
async fn rest(mut body: ByteStream, expected: &[u8], mut at: usize) -> Checked<bool> {
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else { return Ok(false) };
        let end = at + piece.len();
        expect::that("length of the body", end <= expected.len(), &format!("at most {}", expected.len()), end).class(Corrupt)?;
        expect::bytes(&format!("body from byte {at}"), &piece, &expected[at..end])?;
        at = end;
    }
    expect::eq("bytes of a body that ended in order", at, expected.len()).class(Corrupt)?;
    Ok(true)
}

fn while_reading(suite: Suite) -> Suite {
    suite
        .common(
            "delete_object/while_it_is_read",
            &["DEL-15"],
            "A GET that was answered before a DELETE reads the object's own bytes to the end or breaks off, and never mixes data.",
            async |fx| {
                let mut content = fx.random_bytes(Bytes(4099)).repeat(LARGE / 4099 + 1);
                content.truncate(LARGE);
                let mut whole = 0;
                for _ in 0..TRIALS {
                    fx.put("k", &content).await?;
                    let mut got = expect::ok(fx.get_object("k").send().await)?;
                    let Some(Ok(first)) = got.body.next().await else { return expect::unresolved("no first byte of the body") };
                    expect::bytes("first bytes", &first, &content[..first.len()])?;
                    // Both at once: a server may keep the DELETE waiting until the reader is done.
                    let (deleted, read) = tokio::join!(fx.delete_object("k").send(), rest(got.body, &content, first.len()));
                    whole += u64::from(read?);
                    expect::ok(deleted)?;
                    fx.absent("k").await?;
                }
                fx.measure(Measure::share("reads_completed_after_delete_share", whole, TRIALS));
                Ok(())
            },
        )
        .deadline(std::time::Duration::from_secs(60))
}
