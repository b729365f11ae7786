//! Suite `encryption`: encryption with keys of the server (SSE-S3) and of a key service (SSE-KMS).

use proofmark::case::form::Upload;
use proofmark::case::values::{crc32_base64, md5_etag};
use proofmark::case::{Answer, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::units::Bytes;
use proofmark::wire;

use super::customer_key;

/// The header that asks for a kind of encryption and that says which was used.
pub const MODE: &str = "x-amz-server-side-encryption";
const KEY_ID: &str = "x-amz-server-side-encryption-aws-kms-key-id";

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("encryption").source("S3 user guide, Protecting data with server-side encryption");
    forms(details(ranges(keys(bad_headers(defaults(echoes(suite)))))))
}

/// Stores `k` with that encryption asked for.
async fn put(fx: &Fixture, body: &[u8], headers: &[(&str, &str)]) -> Result<wire::Answer, Refusal> {
    let put = fx.raw_object("PutObject", "PUT", "k", "").body(body);
    headers.iter().fold(put, |put, (name, value)| put.header(name, value)).send().await.settle()
}

/// Prepares an object that the server says it has encrypted.
async fn encrypted(fx: &Fixture, body: &[u8]) -> Checked {
    let put = fx.set_up("PutObject with AES256", put(fx, body, &[(MODE, "AES256")]).await)?;
    match put.header(MODE) {
        Some("AES256") => Ok(()),
        _ => Err(Finding::Unsupported("AES256 is accepted and not confirmed: the object may be stored as it is".to_owned())),
    }
}

/// Needs SSE-S3.
fn sealed(suite: Suite) -> Suite {
    suite.needs(&["encryption"])
}

fn echoes(suite: Suite) -> Suite {
    let rule = "A PUT with AES256 is answered with AES256.";
    let suite = sealed(suite.common("put_object/aes256_is_confirmed", &["SSE-01"], rule, async |fx| {
        let put = expect::ok(put(&fx, b"x", &[(MODE, "AES256")]).await)?;
        expect::eq(MODE, put.header(MODE), Some("AES256")).class(UnsafeIgnore)
    }));
    let mut suite = suite;
    for (id, operation, method) in [("get_object", "GetObject", "GET"), ("head_object", "HeadObject", "HEAD")] {
        let rule = format!("{operation} of an object that was stored with AES256 answers AES256.");
        let case = move |fx: Fixture| async move {
            fx.set_up("PutObject with AES256", put(&fx, b"x", &[(MODE, "AES256")]).await)?;
            let got = expect::ok(fx.raw_object(operation, method, "k", "").send().await)?;
            expect::eq(MODE, got.header(MODE), Some("AES256")).class(UnsafeIgnore)
        };
        suite = sealed(suite.common(&format!("{id}/aes256_is_confirmed"), &["SSE-01"], &rule, case));
    }
    let rule = "An upload in parts with AES256 is answered with AES256, and so is a HEAD of the object.";
    let suite = sealed(suite.common("create_multipart_upload/aes256_is_confirmed", &["SSE-01"], rule, async |fx| {
        let create = fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k"));
        let created = create.server_side_encryption(aws_sdk_s3::types::ServerSideEncryption::Aes256).send().await;
        let created = expect::ok(created)?;
        expect::eq(MODE, created.server_side_encryption().map(|mode| mode.as_str()), Some("AES256")).class(UnsafeIgnore)?;
        let id = created.upload_id.unwrap_or_default();
        let part = fx.upload_part("k", &id, 1, b"part").await?;
        let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
        fx.set_up("CompleteMultipartUpload", complete.multipart_upload(proofmark::case::values::completed([part])).send().await)?;
        let head = expect::ok(fx.head_object("k").send().await)?;
        expect::eq(MODE, head.server_side_encryption().map(|mode| mode.as_str()), Some("AES256")).class(UnsafeIgnore)
    }));
    let rule = "A server that takes a PUT with AES256 says that it did encrypt, or refuses it.";
    suite.common("put_object/aes256_is_never_ignored", &["SSE-01"], rule, async |fx| match put(&fx, b"x", &[(MODE, "AES256")]).await {
        Err(Refusal::Answered { status: 400 | 501, .. }) => fx.absent("k").await,
        put => expect::eq(MODE, expect::ok(put)?.header(MODE), Some("AES256")).class(UnsafeIgnore),
    })
}

const AES256_RULE: &str = "<ServerSideEncryptionConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Rule><ApplyServerSideEncryptionByDefault>\
    <SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>";

async fn put_default(fx: &Fixture) -> Result<wire::Answer, Refusal> {
    fx.raw_document("PutBucketEncryption", "?encryption", AES256_RULE).send().await.settle()
}

/// Claims what a bucket without rules of its own answers: always AES256 since 2023 on AWS, or that there is none.
async fn unset(fx: &Fixture) -> Checked {
    match fx.raw_bucket("GetBucketEncryption", "GET", "?encryption").send().await.settle() {
        Err(Refusal::Answered { status: 404, code }) if code == "ServerSideEncryptionConfigurationNotFoundError" => {
            expect::variant("404 ServerSideEncryptionConfigurationNotFoundError: objects are not encrypted by default")
        }
        got => expect::eq("SSEAlgorithm", expect::ok(got)?.element("SSEAlgorithm").as_deref(), Some("AES256")),
    }
}

fn defaults(suite: Suite) -> Suite {
    let rule = "PutBucketEncryption stores AES256 as the default, and GetBucketEncryption returns it.";
    let suite = sealed(suite.common("put_bucket_encryption/aes256", &["SSE-02"], rule, async |fx| {
        expect::ok(put_default(&fx).await)?;
        let got = expect::ok(fx.raw_bucket("GetBucketEncryption", "GET", "?encryption").send().await)?;
        expect::eq("SSEAlgorithm", got.element("SSEAlgorithm").as_deref(), Some("AES256"))
    }))
    .own_bucket()
    .dependents(&["Terraform"]);
    let rule = "GetBucketEncryption of a new bucket answers AES256 or 404 ServerSideEncryptionConfigurationNotFoundError.";
    let suite =
        sealed(suite.common("get_bucket_encryption/unset", &["SSE-02"], rule, async |fx| unset(&fx).await)).own_bucket().dependents(&["Terraform"]);
    let rule = "DeleteBucketEncryption answers success, and the bucket is as a new one.";
    let suite = sealed(suite.common("delete_bucket_encryption/delete", &["SSE-02"], rule, async |fx| {
        fx.set_up("PutBucketEncryption", put_default(&fx).await)?;
        expect::ok(fx.raw_bucket("DeleteBucketEncryption", "DELETE", "?encryption").send().await)?;
        unset(&fx).await
    }))
    .own_bucket();
    let rule = "A PUT without headers in a bucket with the default AES256 is answered with AES256.";
    sealed(suite.common("put_object/default_aes256", &["SSE-02"], rule, async |fx| {
        fx.set_up("PutBucketEncryption", put_default(&fx).await)?;
        let put = expect::ok(put(&fx, b"x", &[]).await)?;
        expect::eq(MODE, put.header(MODE), Some("AES256")).class(UnsafeIgnore)?;
        fx.holds("k", b"x").await
    }))
    .own_bucket()
}

/// Headers that are wrong: id, row, words, headers.
const WRONG: [(&str, &str, &str, &[(&str, &str)]); 5] = [
    ("unknown_algorithm", "SSE-05", "an unknown algorithm", &[(MODE, "AES512")]),
    ("lower_case_algorithm", "SSE-05", "a lower-case algorithm", &[(MODE, "aes256")]),
    ("empty_algorithm", "SSE-05", "an empty algorithm", &[(MODE, "")]),
    ("key_id_with_aes256", "SSE-05", "a KMS key's id and AES256", &[(MODE, "AES256"), (KEY_ID, "some-key")]),
    ("key_id_alone", "SSE-05", "a KMS key's id and no algorithm", &[(KEY_ID, "some-key")]),
];

fn bad_headers(mut suite: Suite) -> Suite {
    for (id, row, what, headers) in WRONG {
        let rule = format!("A PUT with {what} answers 400 and stores nothing.");
        let case = move |fx: Fixture| async move {
            let accepted = [(400, "InvalidArgument"), (400, "InvalidRequest"), (400, "InvalidEncryptionAlgorithmError")];
            expect::error_as(put(&fx, b"x", headers).await, &accepted)?;
            fx.absent("k").await
        };
        suite = sealed(suite.extended(&format!("put_object/{id}"), &[row], &rule, case));
    }
    for (id, operation, method) in [("get_object", "GetObject", "GET"), ("head_object", "HeadObject", "HEAD")] {
        for (word, mode) in [("aes256", "AES256"), ("kms", "aws:kms")] {
            let rule = format!("{operation} with the header of {mode}, which belongs to writes, answers 400.");
            let case = move |fx: Fixture| async move {
                encrypted(&fx, b"x").await?;
                expect::error_as(fx.raw_object(operation, method, "k", "").header(MODE, mode).send().await, &[(400, "")])
            };
            suite = sealed(suite.rare(&format!("{id}/with_{word}"), &["SSE-06"], &rule, case));
        }
    }
    suite
}

/// An object under the key service's default key; a vendor without such a service refuses.
async fn under_kms(fx: &Fixture, headers: &[(&str, &str)]) -> Checked<wire::Answer> {
    match put(fx, b"x", &[&[(MODE, "aws:kms")], headers].concat()).await {
        Err(Refusal::Answered { status: 400 | 403, code }) => Err(Finding::Unsupported(format!("no key service that has a key of its own: {code}"))),
        put => expect::ok(put),
    }
}

fn keys(suite: Suite) -> Suite {
    let rule = "A PUT with aws:kms and no key is answered with aws:kms and the default key's id, or refused.";
    let suite = sealed(suite.extended("put_object/kms_default_key", &["SSE-03"], rule, async |fx| {
        let put = under_kms(&fx, &[]).await?;
        expect::eq(MODE, put.header(MODE), Some("aws:kms")).class(UnsafeIgnore)?;
        expect::some(KEY_ID, put.header(KEY_ID))?;
        fx.holds("k", b"x").await
    }));
    let rule = "A PUT with aws:kms and a key's id is answered with that key's id.";
    let suite = suite.extended("put_object/kms_key_id", &["SSE-03"], rule, async |fx| {
        let default = under_kms(&fx, &[]).await?;
        let id = expect::some(KEY_ID, default.header(KEY_ID))?.to_owned();
        let put = expect::ok(put(&fx, b"y", &[(MODE, "aws:kms"), (KEY_ID, &id)]).await)?;
        expect::eq(KEY_ID, put.header(KEY_ID), Some(id.as_str())).class(UnsafeIgnore)?;
        let head = expect::ok(fx.raw_object("HeadObject", "HEAD", "k", "").send().await)?;
        expect::eq(MODE, head.header(MODE), Some("aws:kms"))
    });
    let rule = "A PUT with aws:kms and a bucket key is answered with the flag.";
    let flag = "x-amz-server-side-encryption-bucket-key-enabled";
    let suite = sealed(suite.needs(&["encryption", "sse-kms"]).extended("put_object/kms_bucket_key", &["SSE-03"], rule, move |fx| async move {
        expect::eq(flag, under_kms(&fx, &[(flag, "true")]).await?.header(flag), Some("true"))
    }));
    let rule = "A server that takes a PUT with aws:kms says that it used a key of its key service, or refuses it.";
    let suite = suite.needs(&["encryption", "sse-kms"]).extended("put_object/kms_is_never_ignored", &["SSE-03"], rule, async |fx| {
        match put(&fx, b"x", &[(MODE, "aws:kms")]).await {
            Err(Refusal::Answered { status: 400 | 403 | 501, .. }) => fx.absent("k").await,
            put => expect::eq(MODE, expect::ok(put)?.header(MODE), Some("aws:kms")).class(UnsafeIgnore),
        }
    });
    let rule = "A PUT with aws:kms and a key that does not exist is refused with 400 and stores nothing.";
    let suite = sealed(suite.extended("put_object/kms_unknown_key", &["SSE-04"], rule, async |fx| {
        let unknown = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000";
        let codes = [(400, "KMS.NotFoundException"), (400, "KMS.DisabledException"), (400, "InvalidArgument"), (403, "AccessDenied"), (404, "")];
        expect::refused_as(put(&fx, b"x", &[(MODE, "aws:kms"), (KEY_ID, unknown)]).await, &codes)?;
        fx.absent("k").await.class(UnsafeIgnore)
    }));
    let rule = "The ETag of an object under aws:kms is not the MD5 of its body.";
    let suite = suite.common("put_object/kms_etag_is_not_md5", &["SSE-17"], rule, async |fx| {
        let put = under_kms(&fx, &[]).await?;
        match put.header("etag") == Some(md5_etag(b"x").as_str()) {
            true => expect::variant("the ETag is the MD5 of the body all the same"),
            false => expect::some("ETag", put.header("etag")).map(drop),
        }
    });
    let rule = "The ETag of an object with AES256 is the MD5 of its body, as that of a plain one.";
    sealed(suite.needs(&["encryption", "sse-kms"]).common("put_object/aes256_etag_is_md5", &["SSE-17"], rule, async |fx| {
        encrypted(&fx, b"x").await?;
        let head = expect::ok(fx.head_object("k").send().await)?;
        match head.e_tag() == Some(md5_etag(b"x").as_str()) {
            true => Ok(()),
            false => expect::variant("the ETag of an encrypted object is not the MD5 of its body"),
        }
    }))
}

/// Ranges around the borders of cipher blocks (16 bytes), pages (4 KiB) and packages (64 KiB).
const RANGES: [(&str, usize, usize); 7] = [
    ("block_end", 0, 15),
    ("across_blocks", 15, 16),
    ("page_start", 4096, 4111),
    ("across_pages", 4095, 8192),
    ("package_start", 65_536, 65_536),
    ("across_packages", 65_535, 131_072),
    ("last_byte", 200_000, 200_000),
];

fn ranges(mut suite: Suite) -> Suite {
    for (id, from, to) in RANGES {
        let rule = format!("Bytes {from} to {to} of an object with AES256 are exact.");
        let case = move |fx: Fixture| async move {
            let body = fx.random_bytes(Bytes(200_001));
            encrypted(&fx, &body).await?;
            let got = fx.raw_object("GetObject", "GET", "k", "").header("Range", format!("bytes={from}-{to}")).send().await;
            expect::bytes("range", &expect::ok(got)?.body, &body[from..=to])
        };
        suite = sealed(suite.common(&format!("get_object/aes256_{id}"), &["SSE-16"], &rule, case));
        let rule = format!("Bytes {from} to {to} of an object with a customer's key are exact.");
        let case = move |fx: Fixture| async move {
            let (body, key) = (fx.random_bytes(Bytes(200_001)), customer_key::key(&fx));
            customer_key::store(&fx, "k", &body, &key).await?;
            let get = fx.raw_object("GetObject", "GET", "k", "").header("Range", format!("bytes={from}-{to}"));
            let got = expect::ok(customer_key::raw(get, "", &key).send().await)?;
            expect::bytes("range", &got.body, &body[from..=to])?;
            expect::eq("Content-Range", got.header("content-range"), Some(format!("bytes {from}-{to}/200001").as_str()))
        };
        suite = suite.common(&format!("get_object/customer_key_{id}"), &["SSE-16"], &rule, case).needs(&["sse-c"]);
    }
    suite
}

const ATTRIBUTES: &str = "x-amz-object-attributes";

fn details(suite: Suite) -> Suite {
    let body = b"body of an encrypted object";
    let rule = "HEAD of an object with AES256 answers the checksum of its plain body.";
    let suite = sealed(suite.rare("head_object/aes256_checksum", &["SSE-18"], rule, move |fx| async move {
        let crc = crc32_base64(body);
        fx.set_up("PutObject", put(&fx, body, &[(MODE, "AES256"), ("x-amz-checksum-crc32", &crc)]).await)?;
        let head = fx.raw_object("HeadObject", "HEAD", "k", "").header("x-amz-checksum-mode", "ENABLED").send().await;
        expect::eq("x-amz-checksum-crc32", expect::ok(head)?.header("x-amz-checksum-crc32"), Some(crc.as_str()))
    }));
    let rule = "HEAD with the key of an object with a customer's key answers the checksum of its plain body.";
    let suite = suite.needs(&["encryption", "checksums"]).rare("head_object/customer_key_checksum", &["SSE-18"], rule, move |fx| async move {
        let (key, crc) = (customer_key::key(&fx), crc32_base64(body));
        customer_key::store(&fx, "control", body, &key).await?;
        let put = fx.raw_object("PutObject", "PUT", "k", "").header("x-amz-checksum-crc32", &crc).body(body);
        fx.set_up("PutObject", customer_key::raw(put, "", &key).send().await)?;
        let head = fx.raw_object("HeadObject", "HEAD", "k", "").header("x-amz-checksum-mode", "ENABLED");
        let head = expect::ok(customer_key::raw(head, "", &key).send().await)?;
        expect::eq("x-amz-checksum-crc32", head.header("x-amz-checksum-crc32"), Some(crc.as_str()))
    });
    let suite = suite.needs(&["sse-c", "checksums"]);
    let rule = "GetObjectAttributes of an object with AES256 answers the length of its plain body.";
    let suite = sealed(suite.rare("get_object_attributes/aes256_size", &["SSE-18"], rule, move |fx| async move {
        encrypted(&fx, body).await?;
        let got = expect::ok(fx.raw_object("GetObjectAttributes", "GET", "k", "?attributes").header(ATTRIBUTES, "ObjectSize").send().await)?;
        expect::eq("ObjectSize", got.element("ObjectSize"), Some(body.len().to_string()))
    }));
    let rule = "GetObjectAttributes of an object with a customer's key answers its plain length with the key, and 400 without it.";
    suite
        .rare("get_object_attributes/customer_key", &["SSE-18"], rule, move |fx| async move {
            let key = customer_key::key(&fx);
            customer_key::store(&fx, "k", body, &key).await?;
            let ask = || fx.raw_object("GetObjectAttributes", "GET", "k", "?attributes").header(ATTRIBUTES, "ObjectSize");
            let got = expect::ok(customer_key::raw(ask(), "", &key).send().await)?;
            expect::eq("ObjectSize", got.element("ObjectSize"), Some(body.len().to_string()))?;
            expect::refused_as(ask().send().await, &[(400, ""), (403, "")])
        })
        .needs(&["sse-c"])
}

fn forms(suite: Suite) -> Suite {
    let rule = "A form with a field for AES256 is answered with 204 and AES256.";
    let suite = suite.rare("post_object/aes256", &["SSE-20"], rule, async |fx| {
        let posted = expect::ok(Upload::begin(&fx, "k").await?.field(MODE, "AES256").file(b"file").send(&fx).await)?;
        fx.holds("k", b"file").await?;
        expect::eq(MODE, posted.header(MODE), Some("AES256")).class(UnsafeIgnore)?;
        expect::eq("status", posted.status, 204)
    });
    let rule = "A form with fields for a customer's key stores an object that is read with this key only.";
    suite
        .needs(&["post-object", "encryption"])
        .rare("post_object/customer_key", &["SSE-20"], rule, async |fx| {
            let key = customer_key::key(&fx);
            customer_key::store(&fx, "control", b"x", &key).await?;
            let mut form = Upload::begin(&fx, "k").await?;
            for (name, value) in customer_key::fields(&key) {
                form = form.field(&name, &value);
            }
            expect::ok(form.file(b"file").send(&fx).await)?;
            expect::bytes("body", &customer_key::read(&fx, "k", &key).await?.body, b"file")?;
            expect::refused_as(fx.raw_object("GetObject", "GET", "k", "").send().await, &[(400, ""), (403, "")])
        })
        .needs(&["post-object", "sse-c"])
}
