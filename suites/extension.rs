//! Suite `extension`: newer operations, and extensions that one vendor or another has.

use proofmark::case::values::{encode_path, encode_query};
use proofmark::case::{Answer as _, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::{UnsafeIgnore, WrongEffect};
use proofmark::wire::{Answer, RawRequest, WireError};

const OTHER_ETAG: &str = "\"00000000000000000000000000000000\"";

/// The suite.
pub fn suite() -> Suite {
    let suite = appends(Suite::new("extension").source("S3 API reference, PutObject: appending data (S3 Express One Zone)"));
    let suite = renames(suite.source("S3 API reference, RenameObject"));
    let suite = sessions(suite.source("S3 API reference, CreateSession"));
    let suite = gateway(suite.source("Ceph documentation, Ceph Object Gateway S3 API"));
    let suite = conditions(suite.source("Ceph documentation and versitygw documentation, conditional writes"));
    minio(suite.source("MinIO documentation, extensions of the S3 API"))
}

/// Ends the case: the vendor does not have what only some vendors have.
fn lacking(what: impl Into<String>) -> Checked {
    Err(Finding::Unsupported(what.into()))
}

/// A PUT of more bytes at this offset.
fn append(fx: &Fixture, offset: &str, more: &str) -> RawRequest {
    fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-write-offset-bytes", offset).body(more)
}

/// A refusal of appending as such, after which the object is as it was.
async fn refused_append<A: proofmark::case::Answer>(fx: &Fixture, answer: A) -> Checked {
    let settled = answer.settle().map(drop);
    fx.holds("k", b"abc").await.class(UnsafeIgnore)?;
    match settled {
        Err(Refusal::Answered { status: status @ (400 | 405 | 501), code }) => lacking(format!("{status} {code}")),
        other => expect::refused(other, 501, "NotImplemented"),
    }
}

fn appends(suite: Suite) -> Suite {
    suite
        .rare("put_object/append_at_end", &["NEW-01"], "A PUT at the end of an object appends, or is refused and changes nothing.", async |fx| {
            fx.put("k", b"abc").await?;
            let put = append(&fx, "3", "def").send().await;
            if put.as_ref().is_ok_and(|answer| answer.status == 200) {
                return fx.holds("k", b"abcdef").await.class(UnsafeIgnore);
            }
            refused_append(&fx, put).await
        })
        .dependents(&["mountpoint"])
        .rare("put_object/append_at_wrong_offset", &["NEW-01"], "A PUT behind the end of an object is refused and changes nothing.", async |fx| {
            fx.put("k", b"abc").await?;
            let put = append(&fx, "7", "def").send().await;
            match put.settle() {
                Err(Refusal::Answered { status: 400, code }) if code == "InvalidWriteOffset" => fx.holds("k", b"abc").await,
                other => refused_append(&fx, other).await,
            }
        })
        .dependents(&["mountpoint"])
}

/// A rename of `old` to `new`.
fn rename(fx: &Fixture) -> RawRequest {
    let source = format!("/{}/{}", fx.bucket(), encode_path(&fx.key("old")));
    fx.raw_object("RenameObject", "PUT", "new", "?renameObject")
        .header("x-amz-rename-source", source)
        .header("x-amz-client-token", "proofmark-rename")
}

/// A refusal of the whole operation, after which both names are as they were.
async fn not_renamed(fx: &Fixture, answer: Result<Answer, WireError>) -> Checked {
    fx.absent("new").await?;
    fx.holds("old", b"body").await?;
    match answer.settle() {
        Err(Refusal::Answered { status: status @ (400 | 405), code }) => lacking(format!("{status} {code}")),
        other => expect::error(other, 501, "NotImplemented").and_then(|()| lacking("501 NotImplemented")),
    }
}

fn renames(suite: Suite) -> Suite {
    suite
        .rare("rename_object/moves", &["NEW-02"], "RenameObject moves an object, or is refused and changes nothing.", async |fx| {
            fx.put("old", b"body").await?;
            let renamed = rename(&fx).send().await;
            if renamed.as_ref().is_ok_and(|answer| answer.status == 200) {
                // A server that does not know the query stores an empty object.
                fx.holds("new", b"body").await.class(WrongEffect)?;
                return fx.absent("old").await;
            }
            not_renamed(&fx, renamed).await
        })
        .dependents(&["mountpoint"])
        .rare("rename_object/source_changed", &["NEW-02"], "RenameObject with another ETag of the source answers 412.", async |fx| {
            fx.put("old", b"body").await?;
            let renamed = rename(&fx).header("x-amz-rename-source-if-match", OTHER_ETAG).send().await;
            if matches!(&renamed, Ok(answer) if answer.status == 200 || answer.status == 412) {
                fx.holds("old", b"body").await.class(UnsafeIgnore)?;
                return expect::error(renamed, 412, "PreconditionFailed");
            }
            not_renamed(&fx, renamed).await
        })
        .rare("rename_object/destination_present", &["NEW-02"], "RenameObject with If-None-Match: * on a present name answers 412.", async |fx| {
            fx.put("old", b"body").await?;
            fx.put("new", b"present").await?;
            let renamed = rename(&fx).header("If-None-Match", "*").send().await;
            fx.holds("new", b"present").await.class(UnsafeIgnore)?;
            fx.holds("old", b"body").await?;
            match renamed.settle() {
                Err(Refusal::Answered { status: status @ (400 | 405 | 501), code }) => lacking(format!("{status} {code}")),
                other => expect::refused(other, 412, "PreconditionFailed"),
            }
        })
}

fn sessions(suite: Suite) -> Suite {
    suite
        .rare("create_session/credentials", &["NEW-03"], "CreateSession answers credentials or is refused, and never lists the bucket.", async |fx| {
            let session = fx.raw_bucket("CreateSession", "GET", "?session").send().await;
            match session.settle() {
                Ok(answer) => {
                    for element in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
                        expect::some(element, answer.element(element))?;
                    }
                    Ok(())
                }
                Err(Refusal::Answered { status: status @ (400 | 403 | 404 | 405), code }) => lacking(format!("{status} {code}")),
                Err(other) => expect::error(Err::<(), _>(other), 501, "NotImplemented").and_then(|()| lacking("501 NotImplemented")),
            }
        })
        .dependents(&["mountpoint", "object_store"])
}

fn gateway(suite: Suite) -> Suite {
    suite
        .rare("put_object/append_query", &["NEW-04"], "A PUT with `?append&position` appends at that position.", async |fx| {
            for (position, piece) in [(0, "abc"), (3, "def")] {
                let put = fx.raw_object("PutObject", "PUT", "k", &format!("?append&position={position}")).body(piece).send().await;
                match put.settle() {
                    Ok(answer) if answer.header("x-rgw-next-append-position").is_some() => {}
                    Ok(_) => return lacking("the query is ignored"),
                    Err(Refusal::Answered { status: status @ 400..500, code }) => return lacking(format!("{status} {code}")),
                    Err(other) => return expect::lost(&other, "success"),
                }
            }
            fx.holds("k", b"abcdef").await
        })
        .rare("list_objects_v2/unordered", &["NEW-04"], "A list with `allow-unordered` shows every key once.", async |fx| {
            for name in ["a", "b", "c"] {
                fx.put(name, b"x").await?;
            }
            let list = |more: &str| {
                fx.raw_bucket("ListObjectsV2", "GET", &format!("?list-type=2&allow-unordered=true&prefix={}{more}", encode_query(fx.prefix())))
            };
            // With a delimiter the extension is refused: that tells a server that has it from one that ignores the query.
            if list("&delimiter=%2F").send().await.is_ok_and(|answer| answer.status == 200) {
                return lacking("the query is ignored");
            }
            let answer = expect::ok(list("").send().await)?;
            let text = answer.text();
            expect::eq("keys", ["a", "b", "c"].map(|name| text.matches(&format!("<Key>{}</Key>", fx.key(name))).count()), [1, 1, 1])
        })
        .rare("head_bucket/usage", &["NEW-04"], "HEAD of a bucket tells its objects and bytes.", async |fx| {
            fx.put("k", b"12345").await?;
            let head = expect::ok(fx.raw_bucket("HeadBucket", "HEAD", "").send().await)?;
            let number = |name: &str| head.header(name).and_then(|text| text.parse::<u64>().ok());
            match (number("x-rgw-object-count"), number("x-rgw-bytes-used")) {
                (Some(objects), Some(bytes)) => expect::eq("objects and bytes", (objects, bytes), (1, 5)),
                _ => lacking("no usage headers"),
            }
        })
        .own_bucket()
}

fn conditions(suite: Suite) -> Suite {
    suite
        .rare("put_object/if_none_match_etag", &["NEW-05"], "A PUT with If-None-Match and the present ETag answers 412, or 501.", async |fx| {
            let etag = fx.put("k", b"old").await?;
            let put = fx.raw_object("PutObject", "PUT", "k", "").header("If-None-Match", etag).body("new").send().await;
            fx.holds("k", b"old").await.class(UnsafeIgnore)?;
            expect::refused(put, 412, "PreconditionFailed")
        })
        .rare("delete_object/if_match_size", &["NEW-05"], "A DELETE with another x-amz-if-match-size answers 412, or 501.", async |fx| {
            fx.put("k", b"12345").await?;
            let delete = fx.raw_object("DeleteObject", "DELETE", "k", "").header("x-amz-if-match-size", "6").send().await;
            fx.holds("k", b"12345").await.class(UnsafeIgnore)?;
            expect::refused(delete, 412, "PreconditionFailed")
        })
        .rare("delete_object/if_match_size_equal", &["NEW-05"], "A DELETE with the object's own x-amz-if-match-size deletes.", async |fx| {
            fx.put("k", b"12345").await?;
            expect::ok(fx.raw_object("DeleteObject", "DELETE", "k", "").header("x-amz-if-match-size", "5").send().await)?;
            fx.absent("k").await
        })
}

/// A zip archive that holds the file `a.txt` with `hello`, uncompressed.
fn archive() -> Vec<u8> {
    const CRC: u32 = 0x3610_a686;
    let fields = |signature: u32, is_central: bool| {
        let mut bytes = signature.to_le_bytes().to_vec();
        let versions: &[u16] = if is_central { &[20, 20] } else { &[20] };
        // Flags, method (stored), time and date (1980-01-01).
        for word in versions.iter().chain(&[0, 0, 0, 0x21]) {
            bytes.extend(word.to_le_bytes());
        }
        for number in [CRC, 5, 5] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend([5, 0, 0, 0]);
        bytes
    };
    let mut zip = fields(0x0403_4b50, false);
    zip.extend(b"a.txthello");
    let start = u32::try_from(zip.len()).unwrap_or_default();
    let mut central = fields(0x0201_4b50, true);
    // No comment, disk 0, no attributes, local header at offset 0.
    central.extend([0; 14]);
    central.extend(b"a.txt");
    zip.extend(&central);
    zip.extend(0x0605_4b50_u32.to_le_bytes());
    zip.extend([0, 0, 0, 0, 1, 0, 1, 0]);
    zip.extend(u32::try_from(central.len()).unwrap_or_default().to_le_bytes());
    zip.extend(start.to_le_bytes());
    zip.extend([0, 0]);
    zip
}

fn minio(suite: Suite) -> Suite {
    suite
        .rare("list_objects_v2/metadata", &["NEW-06"], "A list with `metadata=true` shows user metadata.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-meta-colour", "red").body("x").send().await;
            fx.set_up("PutObject", put)?;
            let query = format!("?list-type=2&metadata=true&prefix={}", encode_query(fx.prefix()));
            let answer = expect::ok(fx.raw_bucket("ListObjectsV2", "GET", &query).send().await)?;
            if answer.element("UserMetadata").is_none() {
                return lacking("the query is ignored");
            }
            expect::that("UserMetadata", answer.text().to_lowercase().contains("colour>red<"), "the object's metadata", answer.text())
        })
        .rare("get_object/from_zip", &["NEW-06"], "A GET with `x-minio-extract` reads a file inside a zip archive.", async |fx| {
            fx.put("a.zip", &archive()).await?;
            let got = fx.raw_object("GetObject", "GET", "a.zip/a.txt", "").header("x-minio-extract", "true").send().await;
            match got.settle() {
                Ok(answer) => expect::bytes("body", &answer.body, b"hello"),
                Err(Refusal::Answered { status: status @ 400..500, code }) => lacking(format!("{status} {code}")),
                Err(other) => expect::lost(&other, "success"),
            }
        })
        .rare("unknown/health", &["NEW-06"], "The health probe answers 200 without a signature.", async |fx| {
            let health = fx.raw().exact("GET", "/minio/health/live").operation("Unknown").anonymous().send().await;
            match health.settle() {
                Ok(answer) => expect::eq("body", answer.body.len(), 0),
                Err(Refusal::Answered { status: status @ 400..500, code }) => lacking(format!("{status} {code}")),
                Err(other) => expect::lost(&other, "success"),
            }
        })
}
