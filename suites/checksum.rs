//! Suite `checksum`: the additional checksums that SDKs send by default since 2025.

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType};
use proofmark::case::values::{crc32_base64, crc32c_base64, crc64nvme_base64, md5_base64, sha1_base64, sha256_base64, sha512_base64};
use proofmark::case::{Answer as _, Checked, Fixture, Refusal, Suite, expect};
use proofmark::units::Bytes;
use proofmark::wire::{Answer, RawRequest};

/// An additional checksum: how it is named and computed, and of which kind it can be in a multipart upload.
#[derive(Debug)]
pub(super) struct Algorithm {
    /// As it stands in ids and headers.
    pub name: &'static str,
    /// In base64.
    pub compute: fn(&[u8]) -> String,
    /// Whether parts may be combined to one checksum of the whole object.
    pub full: bool,
    /// Whether parts' checksums may be hashed to a composite one.
    pub composite: bool,
}

impl Algorithm {
    /// As it stands in `x-amz-checksum-algorithm`.
    pub fn upper(&self) -> String {
        self.name.to_ascii_uppercase()
    }
    /// The header that carries its value.
    pub fn header(&self) -> String {
        format!("x-amz-checksum-{}", self.name)
    }
    /// The XML element that carries its value.
    pub fn element(&self) -> String {
        format!("Checksum{}", self.upper())
    }
}

pub(super) const CRC32: Algorithm = Algorithm { name: "crc32", compute: crc32_base64, full: true, composite: true };
pub(super) const SHA256: Algorithm = Algorithm { name: "sha256", compute: sha256_base64, full: false, composite: true };
pub(super) const ALGORITHMS: [Algorithm; 5] = [
    CRC32,
    Algorithm { name: "crc32c", compute: crc32c_base64, full: true, composite: true },
    Algorithm { name: "crc64nvme", compute: crc64nvme_base64, full: true, composite: false },
    Algorithm { name: "sha1", compute: sha1_base64, full: false, composite: true },
    SHA256,
];

/// A PUT of `k` without any checksum of its own.
pub(super) fn put(fx: &Fixture, body: &[u8]) -> RawRequest {
    fx.raw_object("PutObject", "PUT", "k", "").body(body)
}

/// The answer to HEAD of `name` that asks for its checksum.
pub(super) async fn head(fx: &Fixture, name: &str) -> Checked<Answer> {
    expect::ok(fx.raw_object("HeadObject", "HEAD", name, "").header("x-amz-checksum-mode", "ENABLED").send().await)
}

/// The suite.
pub fn suite() -> Suite {
    stored(reading(contradictions(writing(Suite::new("checksum").source("S3 user guide, Checking object integrity")))))
}

fn writing(mut suite: Suite) -> Suite {
    for algorithm in &ALGORITHMS {
        let (name, upper) = (algorithm.name, algorithm.upper());
        let right = format!("A PUT with the right {upper} is stored and echoes it.");
        let wrong = format!("A PUT with a wrong {upper} answers 400 BadDigest and stores nothing.");
        suite = suite
            .core(&format!("put_object/{name}_right"), &["CKS-01"], &right, move |fx| async move {
                let body = fx.random_bytes(Bytes(12_345));
                let value = (algorithm.compute)(&body);
                let answer = expect::ok(put(&fx, &body).header(&algorithm.header(), &value).send().await)?;
                expect::eq("echoed checksum", answer.header(&algorithm.header()), Some(value.as_str()))?;
                fx.holds("k", &body).await
            })
            .dependents(&["aws-cli", "boto3", "mountpoint", "object_store"])
            .core(&format!("put_object/{name}_wrong"), &["CKS-02"], &wrong, move |fx| async move {
                let other = (algorithm.compute)(b"another body");
                let answer = put(&fx, &fx.random_bytes(Bytes(12_345))).header(&algorithm.header(), other).send().await;
                expect::refused(answer, 400, "BadDigest")?;
                fx.absent("k").await
            })
            .dependents(&["aws-cli", "boto3", "mountpoint", "object_store"]);
        for (form, value) in [("of_wrong_length", "AAA="), ("not_base64", "not base64!!")] {
            let rule = format!("A {upper} that is {} answers 400 InvalidRequest and stores nothing.", form.replace('_', " "));
            suite = suite.common(&format!("put_object/{name}_{form}"), &["CKS-03"], &rule, move |fx| async move {
                let answer = put(&fx, b"x").header(&algorithm.header(), value).send().await;
                expect::refused(answer, 400, "InvalidRequest")?;
                fx.absent("k").await
            });
            suite = suite.needs(&["checksums"]);
        }
    }
    suite
        .core(
            "put_object/sdk_default_checksum",
            &["CKS-07"],
            "A PUT as SDKs send it by default is stored, whether the server knows checksums or not.",
            async |fx| {
                let body = fx.random_bytes(Bytes::kib(20));
                expect::ok(fx.put_object("k").body(body.clone().into()).send().await)?;
                fx.holds("k", &body).await
            },
        )
        .dependents(&["aws-cli", "boto3"])
}

fn reading(suite: Suite) -> Suite {
    suite
        .common("head_object/checksum_mode", &["CKS-09"], "HEAD answers the checksum only when it is asked for.", async |fx| {
            let body = fx.random_bytes(Bytes(999));
            let value = crc32_base64(&body);
            fx.set_up("PutObject", fx.put_object("k").checksum_crc32(&value).body(body.into()).send().await)?;
            let asked = expect::ok(fx.head_object("k").checksum_mode(ChecksumMode::Enabled).send().await)?;
            expect::eq("asked for", asked.checksum_crc32(), Some(value.as_str()))?;
            let silent = expect::ok(
                fx.head_object("k")
                    .customize()
                    .mutate_request(|request| {
                        request.headers_mut().remove("x-amz-checksum-mode");
                    })
                    .send()
                    .await,
            )?;
            expect::eq("not asked for", silent.checksum_crc32(), None)
        })
        .core("get_object/range_has_no_object_checksum", &["CKS-10"], "A range answers no checksum of the whole object.", async |fx| {
            let body = fx.random_bytes(Bytes(999));
            let put = fx.put_object("k").checksum_crc32(crc32_base64(&body)).body(body.clone().into()).send().await;
            fx.set_up("PutObject", put)?;
            let got = expect::ok(fx.get_object("k").range("bytes=10-19").checksum_mode(ChecksumMode::Enabled).send().await)?;
            expect::eq("x-amz-checksum-crc32", got.checksum_crc32(), None)?;
            expect::bytes("body", &fx.collect(got.body).await?, &body[10..20])
        })
        .dependents(&["boto3"])
        .core(
            "head_object/stored_checksum_is_recomputable",
            &["CKS-26"],
            "The stored CRC32 is that of the bytes, for sizes around block edges.",
            async |fx| {
                for size in [1, 63, 4095, 4096, 4097, 65_536, 1_048_577] {
                    let body = fx.random_bytes(Bytes(size));
                    let put = fx.put_object("k").checksum_algorithm(ChecksumAlgorithm::Crc32).body(body.clone().into()).send().await;
                    fx.set_up("PutObject", put)?;
                    let head = expect::ok(fx.head_object("k").checksum_mode(ChecksumMode::Enabled).send().await)?;
                    expect::eq(&format!("CRC32 of {size} bytes"), head.checksum_crc32(), Some(crc32_base64(&body).as_str()))?;
                }
                Ok(())
            },
        )
}

fn contradictions(mut suite: Suite) -> Suite {
    // Name, what the rule says of it, headers beside the body `x`.
    let crc32 = || ("x-amz-checksum-crc32", crc32_base64(b"x"));
    let asked = |name: &str| ("x-amz-sdk-checksum-algorithm", name.to_owned());
    let table = [
        ("two_checksums", "CKS-04", "with two checksums", vec![crc32(), ("x-amz-checksum-sha256", sha256_base64(b"x"))]),
        ("algorithm_without_checksum", "CKS-05", "that names an algorithm and has no checksum", vec![asked("CRC32")]),
        ("algorithm_of_another_checksum", "CKS-05", "that names another algorithm than its checksum's", vec![asked("SHA256"), crc32()]),
        ("unknown_algorithm", "CKS-06", "that names an unknown algorithm", vec![asked("CRC16")]),
    ];
    for (name, row, words, headers) in table {
        let rule = format!("A PUT {words} answers 400 InvalidRequest and stores nothing.");
        suite = suite.extended(&format!("put_object/{name}"), &[row], &rule, move |fx| {
            let headers = headers.clone();
            async move {
                let request = headers.iter().fold(put(&fx, b"x"), |request, (name, value)| request.header(name, value));
                expect::error(request.send().await, 400, "InvalidRequest")?;
                fx.absent("k").await
            }
        });
    }
    suite.extended(
        "create_multipart_upload/unknown_algorithm",
        &["CKS-06"],
        "CreateMultipartUpload with an unknown checksum algorithm answers 400 InvalidRequest.",
        async |fx| {
            let create = fx.raw_object("CreateMultipartUpload", "POST", "k", "?uploads").header("x-amz-checksum-algorithm", "CRC16");
            expect::error(create.send().await, 400, "InvalidRequest")
        },
    )
}

fn stored(suite: Suite) -> Suite {
    let suite = suite
        .extended(
            "put_object/crc64nvme_is_added",
            &["CKS-08"],
            "An object that was put without a checksum has the CRC64NVME that the server computed.",
            async |fx| {
                let body = fx.random_bytes(Bytes(4321));
                fx.set_up("PutObject", put(&fx, &body).send().await)?;
                let head = head(&fx, "k").await?;
                expect::eq("x-amz-checksum-crc64nvme", head.header("x-amz-checksum-crc64nvme"), Some(crc64nvme_base64(&body).as_str()))
            },
        )
        .dependents(&["mountpoint"])
        .common("get_object/checksum_mode", &["CKS-09"], "GET answers the checksum only when it is asked for.", async |fx| {
            let body = fx.random_bytes(Bytes(999));
            let value = crc32_base64(&body);
            fx.set_up("PutObject", put(&fx, &body).header("x-amz-checksum-crc32", &value).send().await)?;
            let get = || fx.raw_object("GetObject", "GET", "k", "");
            let asked = expect::ok(get().header("x-amz-checksum-mode", "ENABLED").send().await)?;
            expect::eq("asked for", asked.header("x-amz-checksum-crc32"), Some(value.as_str()))?;
            expect::eq("not asked for", expect::ok(get().send().await)?.header("x-amz-checksum-crc32"), None)
        })
        .dependents(&["boto3"])
        .extended("head_object/checksum_type", &["CKS-11"], "HEAD says that a put object's checksum is of the full object.", async |fx| {
            fx.set_up("PutObject", put(&fx, b"x").header("x-amz-checksum-crc32", crc32_base64(b"x")).send().await)?;
            expect::eq("x-amz-checksum-type", head(&fx, "k").await?.header("x-amz-checksum-type"), Some("FULL_OBJECT"))
        })
        .needs(&["checksums"])
        .extended(
            "list_objects_v2/checksum_type",
            &["CKS-11"],
            "A list says that a put object's checksum is of the full object, and its algorithm.",
            async |fx| {
                fx.set_up("PutObject", put(&fx, b"x").header("x-amz-checksum-crc32", crc32_base64(b"x")).send().await)?;
                let listed = expect::ok(fx.list("k").send().await)?;
                let object = expect::some("object", listed.contents().first())?;
                expect::eq("ChecksumAlgorithm", object.checksum_algorithm(), [ChecksumAlgorithm::Crc32].as_slice())?;
                expect::eq("ChecksumType", object.checksum_type(), Some(&ChecksumType::FullObject))
            },
        )
        .needs(&["checksums"]);
    newer(suite)
}

/// The algorithms that SDKs learnt in 2026, over the body `a`; the XXHASH values are those of the reference implementation.
fn newer(mut suite: Suite) -> Suite {
    let table = [
        ("sha512", sha512_base64(b"a")),
        ("md5", md5_base64(b"a")),
        ("xxhash64", "0k7E8amMbls=".to_owned()),
        ("xxhash3", "5sYyth6WTh8=".to_owned()),
        ("xxhash128", "qW+vcFrxaDTmxjK2HpZOHw==".to_owned()),
    ];
    for (name, value) in table {
        let header = format!("x-amz-checksum-{name}");
        let rule = format!("A PUT with the right {} is stored and echoes it, or is refused with 400.", name.to_ascii_uppercase());
        suite = suite.rare(&format!("put_object/{name}_accepted_or_refused"), &["CKS-24"], &rule, move |fx| {
            let (header, value) = (header.clone(), value.clone());
            async move {
                match put(&fx, b"a").header(&header, &value).send().await.settle() {
                    Ok(answer) => {
                        fx.holds("k", b"a").await?;
                        match answer.header(&header) {
                            None => expect::variant("stored, the checksum is not looked at"),
                            echoed => expect::eq("echoed checksum", echoed, Some(value.as_str())),
                        }
                    }
                    Err(Refusal::Answered { status: 400, code }) => {
                        fx.absent("k").await?;
                        expect::variant(format!("400 {code}"))
                    }
                    Err(other) => expect::lost(&other, "200 or 400"),
                }
            }
        });
    }
    suite
}
