//! Uploads with one flipped bit under the right checksum (F05): each must be refused and leave no trace.
//!
//! The checksum is the right body's, the bytes are not: what a bad cable, memory cell or proxy does between the two. Each way to
//! announce a checksum is tried on a fresh key and on one that holds an old value.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum};
use md5::{Digest as _, Md5};
use sha2::Sha256;

use super::client::{Answer, Client, WRITE_ID, answer, refusal};
use super::record::{Problem, Report};
use super::verify;
use crate::check::{JournalEntry, Op, OpOutcome};
use crate::config::FailureSpec;
use crate::wire::sigv4::aws_chunked;
use crate::wire::{Chunks, Payload, RawRequest};

/// The way in which a client announces what the body should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Announced {
    ContentMd5,
    Crc32,
    Crc32c,
    Sha256,
    Crc64Nvme,
    /// The hash that the signature covers.
    PayloadHash,
    /// A checksum that follows the body.
    Trailer,
    /// The signature of a chunk of the body.
    ChunkSignature,
}

const ALL: [Announced; 8] = [
    Announced::ContentMd5,
    Announced::Crc32,
    Announced::Crc32c,
    Announced::Sha256,
    Announced::Crc64Nvme,
    Announced::PayloadHash,
    Announced::Trailer,
    Announced::ChunkSignature,
];

/// Bytes of a chunk of an aws-chunked body.
const CHUNK: usize = 16 << 10;

fn crc(algorithm: CrcAlgorithm, width: usize, right: &[u8]) -> String {
    STANDARD.encode(&checksum(algorithm, right).to_be_bytes()[8 - width..])
}

impl Announced {
    fn header(self) -> &'static str {
        match self {
            Announced::ContentMd5 => "content-md5",
            Announced::Crc32 => "x-amz-checksum-crc32",
            Announced::Crc32c => "x-amz-checksum-crc32c",
            Announced::Sha256 => "x-amz-checksum-sha256",
            Announced::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Announced::PayloadHash => "x-amz-content-sha256",
            Announced::Trailer => "trailing-x-amz-checksum-crc32c",
            Announced::ChunkSignature => "chunk-signature",
        }
    }
    /// The request with the checksum of `right`.
    fn announce(self, request: PutObjectFluentBuilder, right: &[u8]) -> PutObjectFluentBuilder {
        match self {
            Announced::ContentMd5 => request.content_md5(STANDARD.encode(Md5::digest(right))),
            Announced::Crc32 => request.checksum_crc32(crc(CrcAlgorithm::Crc32IsoHdlc, 4, right)),
            Announced::Crc32c => request.checksum_crc32_c(crc(CrcAlgorithm::Crc32Iscsi, 4, right)),
            Announced::Sha256 => request.checksum_sha256(STANDARD.encode(Sha256::digest(right))),
            Announced::Crc64Nvme => request.checksum_crc64_nvme(crc(CrcAlgorithm::Crc64Nvme, 8, right)),
            Announced::PayloadHash | Announced::Trailer | Announced::ChunkSignature => request,
        }
    }
    /// The error codes with which S3 refuses it.
    fn is_right_refusal(self, entry: &JournalEntry) -> bool {
        let (http, codes): (u16, &[&str]) = match self {
            Announced::PayloadHash => (400, &["XAmzContentSHA256Mismatch", "BadDigest"]),
            Announced::ChunkSignature => (403, &["SignatureDoesNotMatch"]),
            _ => (400, &["BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"]),
        };
        entry.http == http && codes.contains(&entry.code.as_str())
    }
}

/// Replaces the body after the request is signed.
#[derive(Debug)]
struct ChangedOnTheWay(Vec<u8>);

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for ChangedOnTheWay {
    fn name(&self) -> &'static str {
        "proofmark: a body that changes on the way"
    }
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        *context.request_mut().body_mut() = SdkBody::from(self.0.clone());
        Ok(())
    }
}

async fn upload(client: &Client, announced: Announced, key: &str, size: u64) -> JournalEntry {
    let write = client.next_write();
    let right = client.body(key, write, size);
    let mut wrong = right.clone();
    // Beside the write id that stands at every 4 KiB, so that the body still names its writer.
    wrong[right.len() / 2 + 20] ^= 1;
    let request = client.s3.put_object().bucket(&client.space.bucket).key(key).metadata(WRITE_ID, write.to_string());
    let send = async {
        let sent = match announced {
            Announced::Trailer | Announced::ChunkSignature => return answer(raw(client, announced, key, write, right, wrong).send().await),
            Announced::PayloadHash => request.body(ByteStream::from(right)).customize().interceptor(ChangedOnTheWay(wrong)).send().await,
            _ => announced.announce(request, &right).body(ByteStream::from(wrong)).send().await,
        };
        match sent {
            Ok(output) => Answer::ok(200, output.e_tag()),
            Err(error) => refusal(error),
        }
    };
    client.operation(Op::Put, key, Some(write), send).await
}

/// What the SDK does not let a caller get wrong: a checksum behind the body, or the signatures inside it.
fn raw(client: &Client, announced: Announced, key: &str, write: u64, right: Vec<u8>, wrong: Vec<u8>) -> RawRequest {
    let request = client.raw.request("PUT", &client.space.bucket, key).operation("PutObject").limit(client.limit);
    let request = request.header(&format!("x-amz-meta-{WRITE_ID}"), write.to_string());
    if announced == Announced::Trailer {
        let sum = crc(CrcAlgorithm::Crc32Iscsi, 4, &right);
        return request.body(wrong).payload(Payload::Chunks(Chunks::unsigned(CHUNK, "x-amz-checksum-crc32c", &sum)));
    }
    let swap = move |coded: &mut aws_chunked::Body| {
        for (chunk, data) in coded.chunks.iter_mut().zip(wrong.chunks(CHUNK)) {
            chunk.data = data.to_vec();
        }
    };
    request.body(right).payload(Payload::Chunks(Chunks::signed(CHUNK))).tamper_chunks(swap)
}

/// Runs the probe.
pub(super) async fn run(report: &mut Report, client: &Arc<Client>, spec: &FailureSpec) -> Result<(), String> {
    let (mut accepted, mut right, mut refused, mut sent) = (Vec::new(), 0, 0, 0);
    let mut expected = BTreeMap::new();
    for size in &spec.object_size {
        for announced in ALL {
            for with_old in [false, true] {
                let key = client.key(&format!("{}/{}-{}", announced.header(), size.0, if with_old { "old" } else { "fresh" }));
                let old = if with_old { Some(client.put_before(&key, size.0).await?) } else { None };
                let entry = upload(client, announced, &key, size.0).await;
                sent += 1;
                match entry.outcome {
                    OpOutcome::Ok => {
                        let sentence = format!("PutObject with a wrong body under the right {} was answered {}", announced.header(), entry.http);
                        accepted.push(Problem { sentence, history: vec![entry] });
                    }
                    _ if entry.http == 0 => {}
                    _ => {
                        refused += 1;
                        right += u64::from(announced.is_right_refusal(&entry));
                        if !announced.is_right_refusal(&entry) {
                            report.finding(format!("a wrong body under {} was refused with {} {}", announced.header(), entry.http, entry.code));
                        }
                    }
                }
                expected.insert(key, old.and_then(|old| old.write_id));
            }
        }
    }
    let quiet = verify::look(client).await?;
    report.gate("corrupt_upload_refused", "an upload whose body does not fit its checksum is refused", sent, accepted);
    report.more("correct_error_share", "1", Some(if refused == 0 { 1.0 } else { right as f64 / refused as f64 }), refused);
    let history = verify::judge(report, client, &quiet);
    verify::old_value_kept(report, &history, &quiet, &expected);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_announced_as_s3_encodes_them() {
        // CRC check values of the ASCII digits 1 to 9, from the catalogue of parametrised CRC algorithms.
        let (crc32, crc32c, crc64) = (0xcbf4_3926_u32, 0xe306_9283_u32, 0xae8b_1486_0a79_9888_u64);
        let digits = b"123456789";
        assert_eq!(checksum(CrcAlgorithm::Crc32IsoHdlc, digits), u64::from(crc32));
        assert_eq!(checksum(CrcAlgorithm::Crc32Iscsi, digits), u64::from(crc32c));
        assert_eq!(checksum(CrcAlgorithm::Crc64Nvme, digits), crc64);
    }
}
