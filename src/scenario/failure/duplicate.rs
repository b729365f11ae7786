//! The same signed request twice at once, and once more afterwards (F07): what a retry in a proxy, or a replay, does to an object.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;

use super::client::{Answer, Client, WRITE_ID, answer, refusal};
use super::record::{Problem, Report};
use super::verify;
use crate::check::{Op, OpOutcome};
use crate::config::{FailureSpec, PART_SIZE};
use crate::wire::RawRequest;
use crate::wire::sigv4::Scope;

/// How the copies of one request were answered.
struct Copies {
    what: String,
    answers: Vec<Answer>,
}

/// Runs the probe.
pub(super) async fn run(report: &mut Report, client: &Arc<Client>, spec: &FailureSpec) -> Result<(), String> {
    let size = spec.object_size[0].0;
    let (mut puts, mut completions) = (Vec::new(), Vec::new());
    for n in 0..spec.keys {
        puts.push(put(client, &client.key(&format!("put/{n}")), size).await);
        completions.push(complete(client, &client.key(&format!("complete/{n}")), size).await);
    }
    let quiet = verify::look(client).await?;
    let mut problems: Vec<Problem> = puts.iter().filter_map(disagreement).collect();
    let mut judged = puts.len() as u64;
    let mut odd = odd_answers(&puts, &|_| false);
    for completion in completions {
        match completion {
            Ok(copies) => {
                judged += 1;
                problems.extend(disagreement(&copies));
                odd.extend(odd_answers(&[copies], &|answer| answer.http == 404 && answer.code == "NoSuchUpload"));
            }
            Err(reason) => report.finding(format!("CompleteMultipartUpload was not sent twice: {reason}")),
        }
    }
    report.gate(
        "duplicate_is_harmless",
        "of the copies of one request at least one is answered 200, and all such answers have one ETag",
        judged,
        problems,
    );
    let right = odd.iter().filter(|(is_right, _)| *is_right).count();
    report.more("correct_error_share", "1", Some(if odd.is_empty() { 1.0 } else { right as f64 / odd.len() as f64 }), odd.len() as u64);
    if let Some((_, sentence)) = odd.iter().find(|(is_right, _)| !is_right) {
        report.finding(sentence.clone());
    }
    verify::judge(report, client, &quiet);
    Ok(())
}

/// The refused copies: whether each was refused as S3 does, and how in words.
fn odd_answers(copies: &[Copies], is_right: &dyn Fn(&Answer) -> bool) -> Vec<(bool, String)> {
    let all = copies.iter().flat_map(|copies| copies.answers.iter().map(move |answer| (copies, answer)));
    let refused = all.filter(|(_, answer)| answer.outcome != OpOutcome::Ok);
    let retryable = |answer: &Answer| matches!(answer.http, 409 | 429 | 503);
    let describe = |(copies, answer): (&Copies, &Answer)| {
        let sentence = format!("{}: a copy was answered {} {}", copies.what, answer.http, answer.code);
        (is_right(answer) || retryable(answer), sentence)
    };
    refused.map(describe).collect()
}

fn disagreement(copies: &Copies) -> Option<Problem> {
    let answered: Vec<String> = copies.answers.iter().map(|a| format!("{} {}", a.http, if a.code.is_empty() { &a.etag } else { &a.code })).collect();
    let etags: Vec<&str> = copies.answers.iter().filter(|a| a.outcome == OpOutcome::Ok).map(|a| a.etag.as_str()).collect();
    let is_fine = !etags.is_empty() && etags.windows(2).all(|pair| pair[0] == pair[1]);
    (!is_fine).then(|| Problem::from(format!("{}: the copies were answered {}", copies.what, answered.join(", "))))
}

/// Sends copies of a request: two at once, then one more.
async fn thrice(client: &Client, copy: impl Fn() -> RawRequest) -> Vec<Answer> {
    let scope = Scope::now(&client.link.access.region, "s3");
    let send = async || {
        let scope = scope.clone();
        let sent = copy().scope(move |own| *own = scope).limit(client.limit).send();
        tokio::time::timeout(client.limit, sent).await.map_or_else(|_| Answer::timeout(), answer)
    };
    let (first, second) = tokio::join!(send(), send());
    vec![first, second, send().await]
}

/// Journals the copies as the one write that they are.
fn note(client: &Client, key: &str, write: u64, start: u64, answers: &[Answer]) {
    let best = answers.iter().find(|a| a.outcome == OpOutcome::Ok).or_else(|| answers.iter().find(|a| a.outcome == OpOutcome::Info));
    let best = best.or(answers.first()).cloned().unwrap_or_else(Answer::timeout);
    client.note(Op::Put, key, Some(write), (start, client.now().as_nanos() as u64), best);
}

async fn put(client: &Client, key: &str, size: u64) -> Copies {
    let write = client.next_write();
    let body = client.body(key, write, size);
    let start = client.now().as_nanos() as u64;
    let request = || {
        let request = client.raw.request("PUT", &client.space.bucket, key).operation("PutObject");
        request.header(&format!("x-amz-meta-{WRITE_ID}"), write.to_string()).body(body.clone())
    };
    let answers = thrice(client, request).await;
    note(client, key, write, start, &answers);
    Copies { what: format!("PutObject {key}"), answers }
}

async fn complete(client: &Client, key: &str, size: u64) -> Result<Copies, String> {
    let write = client.next_write();
    let body = client.body(key, write, PART_SIZE.0 + size);
    let start = client.now().as_nanos() as u64;
    let (s3, bucket) = (&client.s3, &client.space.bucket);
    let created = s3.create_multipart_upload().bucket(bucket).key(key).metadata(WRITE_ID, write.to_string()).send().await;
    let created = created.map_err(|error| format!("CreateMultipartUpload: {}", refusal(error).code))?;
    let upload = created.upload_id().unwrap_or_default();
    let mut parts = String::new();
    for (number, part) in (1..).zip(body.chunks(PART_SIZE.0 as usize)) {
        let request = s3.upload_part().bucket(bucket).key(key).upload_id(upload).part_number(number);
        let sent = request.body(ByteStream::from(part.to_vec())).send().await.map_err(|error| format!("UploadPart: {}", refusal(error).code))?;
        let etag = sent.e_tag().unwrap_or_default().replace('"', "&quot;");
        parts.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    }
    let document = format!("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>");
    let target = format!("{key}?uploadId={}", percent_encoding::utf8_percent_encode(upload, percent_encoding::NON_ALPHANUMERIC));
    let request = || client.raw.request("POST", bucket, &target).operation("CompleteMultipartUpload").body(document.clone());
    let answers = thrice(client, request).await;
    note(client, key, write, start, &answers);
    Ok(Copies { what: format!("CompleteMultipartUpload {key}"), answers })
}
