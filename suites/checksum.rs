//! Suite `checksum`: the additional checksums that SDKs send by default since 2025.

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::{BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, CompletedPart, VersioningConfiguration};
use proofmark::case::values::{completed, crc32_base64, crc32c_base64, crc64nvme_base64, sha256_base64};
use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::units::Bytes;

/// An algorithm: its name in ids, how a put carries a value of it, and how it is computed here.
type Algorithm = (&'static str, fn(PutObjectFluentBuilder, String) -> PutObjectFluentBuilder, fn(&[u8]) -> String);

const ALGORITHMS: [Algorithm; 4] = [
    ("crc32", |put, value| put.checksum_crc32(value), crc32_base64),
    ("crc32c", |put, value| put.checksum_crc32_c(value), crc32c_base64),
    ("crc64nvme", |put, value| put.checksum_crc64_nvme(value), crc64nvme_base64),
    ("sha256", |put, value| put.checksum_sha256(value), sha256_base64),
];

/// The suite.
pub fn suite() -> Suite {
    reading(parts(writing(Suite::new("checksum").source("S3 user guide, Checking object integrity"))))
}

fn writing(mut suite: Suite) -> Suite {
    for (name, with, compute) in ALGORITHMS {
        suite = suite
            .core(&format!("put_object/{name}_right"), &["CKS-01"], "A PUT with the right checksum is stored and echoes it.", move |fx| async move {
                let body = fx.random_bytes(Bytes(12_345));
                let value = compute(&body);
                let put = expect::ok(with(fx.put_object("k"), value.clone()).body(body.clone().into()).send().await)?;
                let echoed = [put.checksum_crc32(), put.checksum_crc32_c(), put.checksum_crc64_nvme(), put.checksum_sha256()];
                expect::eq("echoed checksum", echoed.into_iter().flatten().next(), Some(value.as_str()))?;
                fx.holds("k", &body).await
            })
            .core(
                &format!("put_object/{name}_wrong"),
                &["CKS-02"],
                "A PUT with a wrong checksum answers 400 BadDigest and stores nothing.",
                move |fx| async move {
                    let put = with(fx.put_object("k"), compute(b"another body")).body(fx.random_bytes(Bytes(12_345)).into()).send().await;
                    expect::refused(put, 400, "BadDigest")?;
                    fx.absent("k").await
                },
            )
            .dependents(&["aws-cli", "boto3", "mountpoint", "object_store"]);
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
        .common("put_object/malformed_checksum", &["CKS-03"], "A checksum that is not base64 of its length answers 400 InvalidRequest.", async |fx| {
            let put = fx.put_object("k").checksum_crc32("AAA=").body(b"x".to_vec().into()).send().await;
            expect::refused(put, 400, "InvalidRequest")?;
            fx.absent("k").await
        })
        .core(
            "put_bucket_versioning/checksum_instead_of_md5",
            &["CKS-23"],
            "Bucket configuration is accepted with a checksum instead of Content-MD5.",
            async |fx| {
                let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
                let put = fx.s3().put_bucket_versioning().bucket(fx.bucket()).versioning_configuration(enabled);
                expect::ok(put.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await).map(drop)
            },
        )
        .versioned()
}

/// Uploads `bodies` as parts of a SHA-256 upload and completes it; the stored composite checksum.
async fn composite(fx: &Fixture, bodies: &[Vec<u8>]) -> Checked<Option<String>> {
    let create = fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).checksum_algorithm(ChecksumAlgorithm::Sha256);
    let id = expect::ok(create.send().await)?.upload_id.unwrap_or_default();
    let mut parts = Vec::new();
    for (body, number) in bodies.iter().zip(1..) {
        let value = sha256_base64(body);
        let upload = fx.s3().upload_part().bucket(fx.bucket()).key(fx.key("k")).upload_id(&id).part_number(number);
        let etag = expect::ok(upload.checksum_sha256(&value).body(body.clone().into()).send().await)?.e_tag;
        parts.push(CompletedPart::builder().part_number(number).set_e_tag(etag).checksum_sha256(value).build());
    }
    let complete = fx.s3().complete_multipart_upload().bucket(fx.bucket()).key(fx.key("k")).upload_id(id);
    expect::ok(complete.multipart_upload(completed(parts)).send().await)?;
    Ok(expect::ok(fx.head_object("k").checksum_mode(ChecksumMode::Enabled).send().await)?.checksum_sha256)
}

fn parts(suite: Suite) -> Suite {
    suite.common(
        "complete_multipart_upload/composite_sha256",
        &["CKS-14"],
        "A composite checksum is the hash of the parts' hashes and their number.",
        async |fx| {
            use base64::{Engine as _, engine::general_purpose::STANDARD};
            let bodies = [fx.random_bytes(Bytes::mib(5)), fx.random_bytes(Bytes(11))];
            let hashes: Vec<u8> = bodies.iter().flat_map(|body| STANDARD.decode(sha256_base64(body)).unwrap_or_default()).collect();
            let expected = format!("{}-2", sha256_base64(&hashes));
            expect::eq("x-amz-checksum-sha256", composite(&fx, &bodies).await?, Some(expected))
        },
    )
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
