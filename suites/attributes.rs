//! Suite `attributes`: GetObjectAttributes.

use aws_sdk_s3::types::{CompletedPart, ObjectAttributes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proofmark::case::values::{completed, crc32_base64, encode_query, md5_base64, md5_etag, sha256_base64};
use proofmark::case::{Answer as _, Checked, Fixture, Refusal, Suite, expect};
use proofmark::units::Bytes;
use proofmark::wire::{Answer, RawRequest, WireError};

use super::multipart::PART;

/// The suite.
pub fn suite() -> Suite {
    versions(wrong(multipart(plain(Suite::new("attributes").source("S3 API reference, GetObjectAttributes")))))
}

/// Asks for attributes of `k`; the query begins with `&` or is empty. Raw, so that each claim is about one element alone.
fn ask(fx: &Fixture, attributes: &str, query: &str) -> RawRequest {
    fx.raw_object("GetObjectAttributes", "GET", "k", &format!("?attributes{query}")).header("x-amz-object-attributes", attributes)
}

/// Claims that what came back is the operation's XML and not, say, the object itself.
fn read(answer: Result<Answer, WireError>) -> Checked<Answer> {
    let answer = expect::ok(answer)?;
    expect::that("answer", answer.text().to_ascii_lowercase().contains("<getobjectattributes"), "the attributes as XML", answer.text())?;
    Ok(answer)
}

/// The texts of all elements of that name, in order.
fn elements(answer: &Answer, name: &str) -> Vec<String> {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    answer.text().split(&start).skip(1).filter_map(|rest| rest.split_once(&end)).map(|(text, _)| text.to_owned()).collect()
}

fn plain(mut suite: Suite) -> Suite {
    const BODY: &[u8] = b"seven b";
    /// What an answer may show of a plain object.
    const SHOWN: [&str; 4] = ["ETag", "ObjectSize", "StorageClass", "ChecksumCRC32"];
    let etag = md5_etag(BODY).trim_matches('"').to_owned();
    let table = [
        ("etag", "ETag", vec![("ETag", etag.clone())]),
        ("object_size", "ObjectSize", vec![("ObjectSize", "7".to_owned())]),
        ("storage_class", "StorageClass", vec![("StorageClass", "STANDARD".to_owned())]),
        ("checksum", "Checksum", vec![("ChecksumCRC32", crc32_base64(BODY))]),
        ("etag_and_size", "ETag,ObjectSize", vec![("ETag", etag), ("ObjectSize", "7".to_owned())]),
    ];
    for (name, attributes, expected) in table {
        let rule = format!("GetObjectAttributes that asks for {attributes} answers that alone, an ETag without quotes.");
        suite = suite.extended(&format!("get_object_attributes/{name}"), &["ATT-01"], &rule, move |fx| {
            let expected = expected.clone();
            async move {
                let put = fx.put_object("k").checksum_crc32(crc32_base64(BODY)).body(BODY.to_vec().into()).send().await;
                fx.set_up("PutObject", put)?;
                let got = read(ask(&fx, attributes, "").send().await)?;
                let shown: Vec<_> = SHOWN.into_iter().filter_map(|name| Some((name, got.element(name)?))).collect();
                expect::eq("elements", shown, expected)
            }
        });
        suite = suite.dependents(&["mountpoint", "iRODS"]);
    }
    suite
        .extended("get_object_attributes/read_by_sdk", &["ATT-01"], "An SDK reads the answer of GetObjectAttributes.", async |fx| {
            fx.put("k", BODY).await?;
            let get = fx.s3().get_object_attributes().bucket(fx.bucket()).key(fx.key("k")).object_attributes(ObjectAttributes::ObjectSize);
            expect::eq("ObjectSize", expect::ok(get.send().await)?.object_size(), Some(7))
        })
        .dependents(&["mountpoint", "iRODS"])
        .extended("get_object_attributes/no_parts_of_a_put", &["ATT-01"], "GetObjectAttributes of a put object answers no ObjectParts.", async |fx| {
            fx.put("k", BODY).await?;
            let got = read(ask(&fx, "ObjectParts,ObjectSize", "").send().await)?;
            expect::eq("PartsCount", got.element("PartsCount"), None::<String>)?;
            expect::eq("ObjectSize", got.element("ObjectSize").as_deref(), Some("7"))
        })
}

/// Prepares `k` of two parts, with SHA256 checksums or without; the parts' checksums.
async fn two_parts(fx: &Fixture, with_checksums: bool) -> Checked<Vec<String>> {
    let create = fx.raw_object("CreateMultipartUpload", "POST", "k", "?uploads");
    let create = if with_checksums { create.header("x-amz-checksum-algorithm", "SHA256") } else { create };
    let created = fx.set_up("CreateMultipartUpload", create.send().await)?;
    let id = expect::some("UploadId", created.element("UploadId"))?;
    let (mut parts, mut sums) = (Vec::new(), Vec::new());
    for (size, number) in [PART, Bytes(33)].into_iter().zip(1..) {
        let body = fx.random_bytes(size);
        let sum = sha256_base64(&body);
        let query = format!("?partNumber={number}&uploadId={}", encode_query(&id));
        let upload = fx.raw_object("UploadPart", "PUT", "k", &query).body(body);
        let upload = if with_checksums { upload.header("x-amz-checksum-sha256", &sum) } else { upload };
        let etag = fx.set_up("UploadPart", upload.send().await)?.header("etag").unwrap_or_default().to_owned();
        let listed = with_checksums.then(|| sum.clone());
        parts.push(CompletedPart::builder().part_number(number).e_tag(etag).set_checksum_sha256(listed).build());
        sums.push(sum);
    }
    let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
    fx.set_up("CompleteMultipartUpload", complete.multipart_upload(completed(parts)).send().await)?;
    Ok(sums)
}

fn multipart(suite: Suite) -> Suite {
    suite
        .rare(
            "get_object_attributes/object_parts",
            &["ATT-06", "ATT-01"],
            "ObjectParts answers number, size and checksum of each part.",
            async |fx| {
                let sums = two_parts(&fx, true).await?;
                let got = read(ask(&fx, "ObjectParts", "").send().await)?;
                expect::eq("PartsCount", got.element("PartsCount").as_deref(), Some("2"))?;
                expect::eq("numbers", elements(&got, "PartNumber"), vec!["1", "2"])?;
                expect::eq("sizes", elements(&got, "Size"), vec![PART.0.to_string(), "33".to_owned()])?;
                expect::eq("checksums", elements(&got, "ChecksumSHA256"), sums)
            },
        )
        .needs(&["checksums"])
        .rare(
            "get_object_attributes/parts_without_checksums",
            &["ATT-06"],
            "ObjectParts of an upload without checksums counts its parts and does not list them.",
            async |fx| {
                two_parts(&fx, false).await?;
                let got = read(ask(&fx, "ObjectParts", "").send().await)?;
                expect::eq("PartsCount", got.element("PartsCount").as_deref(), Some("2"))?;
                match elements(&got, "PartNumber").len() {
                    0 => Ok(()),
                    // Since servers add checksums of their own, some list parts of every upload.
                    2 => expect::variant("the parts are listed although they were sent without checksums"),
                    other => expect::eq("parts", other, 2),
                }
            },
        )
        .rare("get_object_attributes/pages_of_parts", &["ATT-05"], "max-parts and part-number-marker page through the parts.", async |fx| {
            two_parts(&fx, true).await?;
            let page = || ask(&fx, "ObjectParts", "").header("x-amz-max-parts", "1");
            let first = read(page().send().await)?;
            expect::eq("parts of page 1", elements(&first, "PartNumber"), vec!["1"])?;
            expect::eq("IsTruncated of page 1", first.element("IsTruncated").as_deref(), Some("true"))?;
            expect::eq("NextPartNumberMarker", first.element("NextPartNumberMarker").as_deref(), Some("1"))?;
            let second = read(page().header("x-amz-part-number-marker", "1").send().await)?;
            expect::eq("parts of page 2", elements(&second, "PartNumber"), vec!["2"])?;
            expect::eq("IsTruncated of page 2", second.element("IsTruncated").as_deref(), Some("false"))
        })
        .needs(&["checksums"])
}

fn wrong(mut suite: Suite) -> Suite {
    // The missing header is what no SDK would send.
    let table = [
        ("no_attributes", "ATT-02", None, "InvalidRequest"),
        ("empty_attributes", "ATT-02", Some(""), "InvalidRequest"),
        ("unknown_attribute", "ATT-03", Some("ETag,Colour"), "InvalidArgument"),
    ];
    for (name, row, attributes, code) in table {
        let rule = format!("GetObjectAttributes with {} answers 400 {code}.", name.replace('_', " "));
        suite = suite.extended(&format!("get_object_attributes/{name}"), &[row], &rule, move |fx| async move {
            fx.put("k", b"x").await?;
            let get = fx.raw_object("GetObjectAttributes", "GET", "k", "?attributes");
            let get = attributes.iter().fold(get, |get, value| get.header("x-amz-object-attributes", value));
            expect::error(get.send().await, 400, code)
        });
    }
    suite
        .extended("get_object_attributes/absent_key", &["ATT-04"], "GetObjectAttributes of an absent key answers 404 NoSuchKey.", async |fx| {
            expect::error(ask(&fx, "ETag", "").send().await, 404, "NoSuchKey")
        })
        .dependents(&["mountpoint"])
        .extended(
            "get_object_attributes/absent_bucket",
            &["ATT-04"],
            "GetObjectAttributes in a bucket that does not exist answers 404 NoSuchBucket.",
            async |fx| {
                let get = fx.s3().get_object_attributes().bucket(fx.missing_bucket()).key("k").object_attributes(ObjectAttributes::Etag);
                expect::error(get.send().await, 404, "NoSuchBucket")
            },
        )
}

fn versions(suite: Suite) -> Suite {
    suite
        .rare("get_object_attributes/version", &["ATT-07"], "GetObjectAttributes of a version answers that version's attributes.", async |fx| {
            fx.enable_versioning().await?;
            let first = fx.set_up("PutObject", fx.put_object("k").body(b"first".to_vec().into()).send().await)?;
            let id = expect::some("x-amz-version-id", first.version_id)?;
            fx.put("k", b"the second").await?;
            let got = read(ask(&fx, "ObjectSize", &format!("&versionId={}", encode_query(&id))).send().await)?;
            expect::eq("ObjectSize of the version", got.element("ObjectSize").as_deref(), Some("5"))?;
            let current = read(ask(&fx, "ObjectSize", "").send().await)?;
            expect::eq("ObjectSize of the current version", current.element("ObjectSize").as_deref(), Some("10"))
        })
        .versioned()
        .rare(
            "get_object_attributes/delete_marker",
            &["ATT-07"],
            "GetObjectAttributes of a key whose current version is a delete marker answers 404 NoSuchKey.",
            async |fx| {
                fx.enable_versioning().await?;
                fx.put("k", b"x").await?;
                fx.set_up("DeleteObject", fx.delete_object("k").send().await)?;
                expect::error(ask(&fx, "ETag", "").send().await, 404, "NoSuchKey")
            },
        )
        .versioned()
        .rare(
            "get_object_attributes/id_of_delete_marker",
            &["ATT-07"],
            "GetObjectAttributes of a delete marker by its version id answers 405 MethodNotAllowed.",
            async |fx| {
                fx.enable_versioning().await?;
                fx.put("k", b"x").await?;
                let marker = fx.set_up("DeleteObject", fx.delete_object("k").send().await)?.version_id.unwrap_or_default();
                match ask(&fx, "ETag", &format!("&versionId={}", encode_query(&marker))).send().await.settle() {
                    Err(Refusal::Answered { status: 404, code }) => expect::variant(format!("404 {code}")),
                    answer => expect::error(answer, 405, "MethodNotAllowed"),
                }
            },
        )
        .versioned()
        .rare(
            "get_object_attributes/customer_key_missing",
            &["ATT-07"],
            "GetObjectAttributes of an object under a customer's key answers 400 without that key, and the attributes with it.",
            async |fx| {
                let key = fx.random_bytes(Bytes(32));
                let (key, sum) = (STANDARD.encode(&key), md5_base64(&key));
                let put = fx.put_object("k").sse_customer_algorithm("AES256").sse_customer_key(&key).sse_customer_key_md5(&sum);
                let put = put.body(b"secret".to_vec().into()).send().await.settle();
                if matches!(&put, Err(Refusal::Answered { status: 400, .. })) && super::customer_key::is_plain_http(&fx) {
                    return expect::untested("needs TLS: keys of the customer are refused over plain HTTP, as they should be");
                }
                fx.set_up("PutObject with a customer's key", put)?;
                expect::refused(ask(&fx, "ObjectSize", "").send().await, 400, "InvalidRequest")?;
                let with = ask(&fx, "ObjectSize", "").header("x-amz-server-side-encryption-customer-algorithm", "AES256");
                let with = with.header("x-amz-server-side-encryption-customer-key", key);
                let got = read(with.header("x-amz-server-side-encryption-customer-key-MD5", sum).send().await)?;
                expect::eq("ObjectSize", got.element("ObjectSize").as_deref(), Some("6"))
            },
        )
        .needs(&["sse-c"])
}
