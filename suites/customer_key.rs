//! Suite `customer_key`: server-side encryption with keys of the customer (SSE-C).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proofmark::case::values::{encode_query, md5_base64, md5_etag};
use proofmark::case::{Answer, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::units::Bytes;
use proofmark::wire::{self, RawRequest};

/// A customer's key of the case's own.
pub fn key(fx: &Fixture) -> Vec<u8> {
    fx.random_bytes(Bytes(32))
}

/// Adds a key to a request; `kind` is empty or `copy-source-`.
pub fn raw(request: RawRequest, kind: &str, key: &[u8]) -> RawRequest {
    headers(request, kind, "AES256", &STANDARD.encode(key), &md5_base64(key))
}

/// Adds the three headers of a key; an empty value leaves its header out.
fn headers(mut request: RawRequest, kind: &str, algorithm: &str, key: &str, md5: &str) -> RawRequest {
    for (name, value) in [("algorithm", algorithm), ("key", key), ("key-MD5", md5)] {
        if !value.is_empty() {
            request = request.header(&format!("x-amz-{kind}server-side-encryption-customer-{name}"), value);
        }
    }
    request
}

/// The three fields of a form.
pub fn fields(key: &[u8]) -> [(String, String); 3] {
    let values = [("algorithm", "AES256".to_owned()), ("key", STANDARD.encode(key)), ("key-MD5", md5_base64(key))];
    values.map(|(name, value)| (format!("x-amz-server-side-encryption-customer-{name}"), value))
}

/// Whether the endpoint is reached over plain HTTP, where a vendor should not take keys.
pub fn is_plain_http(fx: &Fixture) -> bool {
    fx.link().access.endpoints.iter().any(|endpoint| !endpoint.tls)
}

/// Ends the case for a vendor that takes no keys over the plain HTTP that it is reached by.
pub fn needs_tls(fx: &Fixture, answer: Result<wire::Answer, Refusal>) -> Checked<Result<wire::Answer, Refusal>> {
    match answer {
        Err(Refusal::Answered { status: 400, code }) if code == "InvalidRequest" && is_plain_http(fx) => {
            Err(Finding::Untested("needs TLS: keys of the customer are refused over plain HTTP, as they should be".to_owned()))
        }
        answer => Ok(answer),
    }
}

/// Stores an object under a key, judged.
pub async fn store(fx: &Fixture, name: &str, body: &[u8], key: &[u8]) -> Checked<wire::Answer> {
    let put = raw(fx.raw_object("PutObject", "PUT", name, ""), "", key).body(body).send().await.settle();
    expect::ok(needs_tls(fx, put)?)
}

/// An object under a key as a preparation.
async fn prepare(fx: &Fixture, name: &str, body: &[u8], key: &[u8]) -> Checked {
    store(fx, name, body, key).await.map(drop).map_err(|finding| finding.in_set_up("PutObject with a key"))
}

/// Reads it with a key.
pub async fn read(fx: &Fixture, name: &str, key: &[u8]) -> Checked<wire::Answer> {
    expect::ok(raw(fx.raw_object("GetObject", "GET", name, ""), "", key).send().await)
}

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("customer_key").source("S3 user guide, Using server-side encryption with customer-provided keys");
    parts(mixed(bad_keys(wrong(sizes(suite)))))
}

/// What every case with keys needs.
fn keyed(suite: Suite) -> Suite {
    suite.needs(&["sse-c"]).dependents(&["object_store", "restic"])
}

const SIZES: [(&str, u64); 4] = [("1_byte", 1), ("13_bytes", 13), ("1_kib", 1 << 10), ("1_mib", 1 << 20)];

fn sizes(mut suite: Suite) -> Suite {
    for (word, size) in SIZES {
        let bytes = move |fx: &Fixture| fx.random_bytes(Bytes(size));
        let rule = format!("A PUT of {size} bytes with a customer's key answers the key's MD5, and the body reads back with the key.");
        suite = keyed(suite.extended(&format!("put_object/{word}"), &["SSE-07"], &rule, move |fx| async move {
            let (key, body) = (key(&fx), bytes(&fx));
            let put = store(&fx, "k", &body, &key).await?;
            expect::eq("algorithm", put.header("x-amz-server-side-encryption-customer-algorithm"), Some("AES256"))?;
            expect::eq("key MD5", put.header("x-amz-server-side-encryption-customer-key-md5"), Some(md5_base64(&key).as_str()))?;
            expect::bytes("body", &read(&fx, "k", &key).await?.body, &body)
        }));
        let rule = format!("A GET of {size} bytes with the key answers them and the key's MD5.");
        suite = keyed(suite.extended(&format!("get_object/{word}"), &["SSE-07"], &rule, move |fx| async move {
            let (key, body) = (key(&fx), bytes(&fx));
            prepare(&fx, "k", &body, &key).await?;
            let got = read(&fx, "k", &key).await?;
            expect::bytes("body", &got.body, &body)?;
            expect::eq("key MD5", got.header("x-amz-server-side-encryption-customer-key-md5"), Some(md5_base64(&key).as_str()))
        }));
        let rule = format!("A HEAD with the key answers the length of {size} bytes, not that of what is stored.");
        suite = keyed(suite.extended(&format!("head_object/{word}"), &["SSE-07"], &rule, move |fx| async move {
            let (key, body) = (key(&fx), bytes(&fx));
            prepare(&fx, "k", &body, &key).await?;
            let head = expect::ok(raw(fx.raw_object("HeadObject", "HEAD", "k", ""), "", &key).send().await)?;
            expect::eq("Content-Length", head.header("content-length"), Some(size.to_string().as_str()))
        }));
        let rule = format!("A copy of {size} bytes from one key to another reads back with the new key only.");
        suite = keyed(suite.extended(&format!("copy_object/{word}"), &["SSE-07"], &rule, move |fx| async move {
            let (old, new, body) = (key(&fx), key(&fx), bytes(&fx));
            prepare(&fx, "k", &body, &old).await?;
            let copy = fx.raw_object("CopyObject", "PUT", "copy", "").header("x-amz-copy-source", fx.source("k"));
            expect::ok(raw(raw(copy, "copy-source-", &old), "", &new).send().await)?;
            expect::bytes("body", &read(&fx, "copy", &new).await?.body, &body)?;
            let with_old = raw(fx.raw_object("GetObject", "GET", "copy", ""), "", &old).send().await;
            expect::refused_as(with_old, &[(403, ""), (400, "")])
        }));
        let rule = format!("An upload of one part of {size} bytes with a key reads back with it.");
        suite = keyed(suite.extended(&format!("complete_multipart_upload/{word}"), &["SSE-07"], &rule, move |fx| async move {
            let (key, body) = (key(&fx), bytes(&fx));
            upload(&fx, &key, &[&body]).await?;
            expect::bytes("body", &read(&fx, "k", &key).await?.body, &body)
        }));
    }
    suite
}

/// Starts an upload under a key.
async fn start(fx: &Fixture, key: &[u8]) -> Checked<String> {
    let created = raw(fx.raw_object("CreateMultipartUpload", "POST", "k", "?uploads"), "", key).send().await.settle();
    expect::some("UploadId", expect::ok(needs_tls(fx, created)?)?.element("UploadId"))
}

fn part(fx: &Fixture, id: &str, number: usize, body: &[u8]) -> RawRequest {
    fx.raw_object("UploadPart", "PUT", "k", &format!("?partNumber={number}&uploadId={}", encode_query(id))).body(body)
}

/// Uploads `k` in parts under a key.
async fn upload(fx: &Fixture, key: &[u8], bodies: &[&[u8]]) -> Checked {
    let id = start(fx, key).await?;
    let mut list = String::new();
    for (index, body) in bodies.iter().enumerate() {
        let done = expect::ok(raw(part(fx, &id, index + 1, body), "", key).send().await)?;
        let tag = done.header("etag").unwrap_or_default();
        list.push_str(&format!("<Part><PartNumber>{}</PartNumber><ETag>{tag}</ETag></Part>", index + 1));
    }
    let query = format!("?uploadId={}", encode_query(&id));
    let complete = raw(fx.raw_object("CompleteMultipartUpload", "POST", "k", &query), "", key);
    let list = format!("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{list}</CompleteMultipartUpload>");
    let done = expect::ok(complete.body(list).send().await)?;
    expect::some("ETag of the completion", done.element("ETag")).map(drop)
}

const READS: [(&str, &str, &str); 2] = [("get_object", "GetObject", "GET"), ("head_object", "HeadObject", "HEAD")];

fn wrong(mut suite: Suite) -> Suite {
    for (id, operation, method) in READS {
        let rule = format!("{operation} without the key of an object that was stored with one answers 400.");
        let without = move |fx: Fixture| async move {
            prepare(&fx, "k", b"secret", &key(&fx)).await?;
            expect::refused(fx.raw_object(operation, method, "k", "").send().await, 400, if method == "HEAD" { "" } else { "InvalidRequest" })
        };
        suite = keyed(suite.extended(&format!("{id}/without_key"), &["SSE-08"], &rule, without));
        let rule = format!("{operation} with another key answers 403 or 400.");
        let other = move |fx: Fixture| async move {
            prepare(&fx, "k", b"secret", &key(&fx)).await?;
            expect::refused_as(raw(fx.raw_object(operation, method, "k", ""), "", &key(&fx)).send().await, &[(403, ""), (400, "")])
        };
        suite = keyed(suite.extended(&format!("{id}/other_key"), &["SSE-09"], &rule, other));
        let rule = format!("{operation} with a key of an object that was stored without one answers 400.");
        let needless = move |fx: Fixture| async move {
            prepare(&fx, "other", b"secret", &key(&fx)).await?;
            fx.put("k", b"plain").await?;
            expect::error(
                raw(fx.raw_object(operation, method, "k", ""), "", &key(&fx)).send().await,
                400,
                if method == "HEAD" { "" } else { "InvalidRequest" },
            )
        };
        suite = keyed(suite.extended(&format!("{id}/needless_key"), &["SSE-08"], &rule, needless));
    }
    let rule = "A copy without the source's key answers 400 and copies nothing.";
    suite = keyed(suite.extended("copy_object/without_source_key", &["SSE-08"], rule, async |fx| {
        prepare(&fx, "k", b"secret", &key(&fx)).await?;
        let copy = fx.raw_object("CopyObject", "PUT", "copy", "").header("x-amz-copy-source", fx.source("k")).send().await;
        expect::refused_as(copy, &[(400, "")])?;
        fx.absent("copy").await.class(UnsafeIgnore)
    }));
    let rule = "A copy with another key than the source's answers 403 or 400 and copies nothing.";
    suite = keyed(suite.extended("copy_object/other_source_key", &["SSE-09"], rule, async |fx| {
        prepare(&fx, "k", b"secret", &key(&fx)).await?;
        let copy = fx.raw_object("CopyObject", "PUT", "copy", "").header("x-amz-copy-source", fx.source("k"));
        expect::refused_as(raw(copy, "copy-source-", &key(&fx)).send().await, &[(403, ""), (400, "")])?;
        fx.absent("copy").await.class(UnsafeIgnore)
    }));
    let rule = "A server that takes a customer's key at a PUT does not give the object away without it.";
    suite.extended("put_object/key_is_never_ignored", &["SSE-08"], rule, async |fx| {
        let put = raw(fx.raw_object("PutObject", "PUT", "k", ""), "", &key(&fx)).body("secret").send().await.settle();
        if let Err(Refusal::Answered { status: 400 | 403 | 501, .. }) = &put {
            return fx.absent("k").await;
        }
        expect::ok(put)?;
        expect::refused_as(fx.raw_object("GetObject", "GET", "k", "").send().await, &[(400, ""), (403, "")])
    })
}

/// What is wrong with the three headers: id, words, algorithm, whether there is a key, its length, and its MD5: right, wrong or none.
const BAD_KEYS: [(&str, &str, &str, Option<usize>, &str); 8] = [
    ("md5_wrong", "whose MD5 is another key's", "AES256", Some(32), "wrong"),
    ("md5_missing", "without its MD5", "AES256", Some(32), ""),
    ("md5_not_base64", "whose MD5 is not base64", "AES256", Some(32), "?"),
    ("key_missing", "that is left out although its MD5 is given", "AES256", None, "right"),
    ("key_and_md5_missing", "that is left out with its MD5", "AES256", None, ""),
    ("algorithm_missing", "without the algorithm", "", Some(32), "right"),
    ("algorithm_unknown", "for an unknown algorithm", "AES128", Some(32), "right"),
    ("key_too_short", "of 16 bytes", "AES256", Some(16), "right"),
];

fn bad_keys(mut suite: Suite) -> Suite {
    for (id, what, algorithm, length, md5) in BAD_KEYS {
        let rule = format!("A PUT with a customer's key {what} answers 400 and stores nothing.");
        suite = keyed(suite.extended(&format!("put_object/{id}"), &["SSE-10"], &rule, move |fx| async move {
            // A server that refuses all keys here would refuse this one for another reason.
            prepare(&fx, "control", b"x", &key(&fx)).await?;
            let whole = key(&fx);
            let key = &whole[..length.unwrap_or(32)];
            let md5 = match md5 {
                "right" => md5_base64(key),
                "wrong" => md5_base64(b"another key"),
                other => other.to_owned(),
            };
            let encoded = length.map(|_| STANDARD.encode(key)).unwrap_or_default();
            let put = headers(fx.raw_object("PutObject", "PUT", "k", ""), "", algorithm, &encoded, &md5).body("x").send().await;
            expect::refused_as(put, &[(400, "")])?;
            fx.absent("k").await.class(UnsafeIgnore)
        }));
    }
    suite
}

fn mixed(mut suite: Suite) -> Suite {
    for (id, value) in [("aes256", "AES256"), ("kms", "aws:kms")] {
        let rule = format!("A PUT with a customer's key and {value} at once answers 400 InvalidArgument and stores nothing.");
        suite = keyed(suite.rare(&format!("put_object/key_and_{id}"), &["SSE-14"], &rule, move |fx| async move {
            prepare(&fx, "control", b"x", &key(&fx)).await?;
            let put = raw(fx.raw_object("PutObject", "PUT", "k", ""), "", &key(&fx)).header("x-amz-server-side-encryption", value);
            expect::error_as(put.body("x").send().await, &[(400, "InvalidArgument"), (400, "InvalidRequest")])?;
            fx.absent("k").await
        }));
    }
    let rule = "Customers' keys over plain HTTP are refused with 400 InvalidRequest.";
    keyed(suite.extended("put_object/plain_http", &["SSE-11"], rule, async |fx| {
        if !is_plain_http(&fx) {
            return expect::untested("needs an endpoint over plain HTTP");
        }
        let put = raw(fx.raw_object("PutObject", "PUT", "k", ""), "", &key(&fx)).body("x").send().await.settle();
        if put.is_ok() {
            return expect::variant("keys are taken over plain HTTP: the server is set up so");
        }
        expect::refused(put, 400, "InvalidRequest")?;
        fx.absent("k").await
    }))
}

/// A part that does not fit its upload: id, words, whether it has a key at all.
const BAD_PARTS: [(&str, &str, bool); 2] =
    [("other_key", "another key than its upload's", true), ("without_key", "no key although its upload has one", false)];

/// Two parts, the first as long as it must be and neither a multiple of a cipher block.
const FIRST: u64 = (5 << 20) + 7;

/// Ranges of an object of parts: id and header, the part's end between two bytes of it, at its start, and elsewhere.
const RANGES: [(&str, usize, usize); 5] = [
    ("first_block", 0, 15),
    ("across_blocks", 13, 37),
    ("across_parts", (5 << 20) + 3, (5 << 20) + 25),
    ("at_the_part", (5 << 20) + 7, (5 << 20) + 7),
    ("last_bytes", (5 << 20) + 990, (5 << 20) + 1019),
];

fn parts(mut suite: Suite) -> Suite {
    for (id, what, has_key) in BAD_PARTS {
        let rule = format!("UploadPart with {what} answers 400.");
        suite = keyed(suite.rare(&format!("upload_part/{id}"), &["SSE-12"], &rule, move |fx| async move {
            let id = start(&fx, &key(&fx)).await?;
            let request = part(&fx, &id, 1, b"part");
            let request = if has_key { raw(request, "", &key(&fx)) } else { request };
            expect::refused_as(request.send().await, &[(400, ""), (403, "")])
        }));
    }
    let rule = "UploadPart with a key in an upload that has none answers 400.";
    suite = keyed(suite.rare("upload_part/needless_key", &["SSE-12"], rule, async |fx| {
        prepare(&fx, "control", b"x", &key(&fx)).await?;
        let id = fx.start_upload("k").await?;
        expect::error_as(raw(part(&fx, &id, 1, b"part"), "", &key(&fx)).send().await, &[(400, "")])
    }));
    let bodies = |fx: &Fixture| (fx.random_bytes(Bytes(FIRST)), fx.random_bytes(Bytes(1013)));
    suite = keyed(suite.extended(
        "complete_multipart_upload/unaligned_parts",
        &["SSE-13"],
        "Parts of odd lengths with a key read back as one body.",
        move |fx| async move {
            let (key, (first, second)) = (key(&fx), bodies(&fx));
            upload(&fx, &key, &[&first, &second]).await?;
            expect::bytes("body", &read(&fx, "k", &key).await?.body, &[first, second].concat())
        },
    ));
    for (id, from, to) in RANGES {
        let rule = format!("Bytes {from} to {to} of an object of odd parts with a key are exact.");
        suite = keyed(suite.extended(&format!("get_object/parts_{id}"), &["SSE-13"], &rule, move |fx| async move {
            let (key, (first, second)) = (key(&fx), bodies(&fx));
            upload(&fx, &key, &[&first, &second]).await?;
            let whole = [first, second].concat();
            let got = raw(fx.raw_object("GetObject", "GET", "k", "").header("Range", format!("bytes={from}-{to}")), "", &key).send().await;
            expect::bytes("range", &expect::ok(got)?.body, &whole[from..=to])
        }));
    }
    let rule = "The ETag of an object with a customer's key is not the MD5 of its body.";
    suite
        .source("S3 API reference, Common response headers: ETag")
        .common("put_object/etag_is_not_md5", &["SSE-17"], rule, async |fx| {
            let put = store(&fx, "k", b"secret", &key(&fx)).await?;
            let tag = expect::some("ETag", put.header("etag"))?;
            if tag == md5_etag(b"secret") {
                return expect::variant("the ETag is the MD5 of the body all the same, which tells who has a guess whether it is right");
            }
            Ok(())
        })
        .needs(&["sse-c"])
        .dependents(&["rclone"])
}
