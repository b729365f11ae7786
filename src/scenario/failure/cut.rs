//! Uploads whose connection ends before their body does (F02): the old object, or none, must remain, and never a part of the new one.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::client::{Answer, Client, WRITE_ID, refusal};
use super::record::{Problem, Report};
use super::verify;
use crate::check::Op;
use crate::config::FailureSpec;

/// One upload that is cut.
struct Cut {
    key: String,
    size: u64,
    /// Body bytes sent.
    after: u64,
    /// Whether the key holds an old value.
    with_old: bool,
    /// Closed with RST instead of in order.
    reset: bool,
}

fn plan(client: &Client, spec: &FailureSpec) -> Vec<Cut> {
    let mut cuts = Vec::new();
    for size in spec.object_size.iter().map(|size| size.0) {
        for after in [0, size / 2, size - 1] {
            for n in 0..spec.keys {
                let (with_old, reset) = (n % 2 == 0, n % 4 >= 2);
                let key = client.key(&format!("cut/{size}-{after}-{n}"));
                cuts.push(Cut { key, size, after, with_old, reset });
            }
        }
    }
    cuts
}

/// Runs the probe.
pub(super) async fn run(report: &mut Report, client: &Arc<Client>, spec: &FailureSpec) -> Result<(), String> {
    let mut expected = BTreeMap::new();
    let mut running = JoinSet::new();
    let mut done = Vec::new();
    for cut in plan(client, spec) {
        if running.len() >= spec.concurrency as usize {
            done.extend(running.join_next().await);
        }
        let client = client.clone();
        running.spawn(async move { (cut.key.clone(), upload(&client, &cut).await) });
    }
    while let Some(result) = running.join_next().await {
        done.push(result);
    }
    for (key, old) in done.into_iter().flatten() {
        expected.insert(key, old?);
    }
    report.count("cut_uploads", expected.len() as u64);
    cut_part(report, client, spec).await;
    let quiet = verify::look(client).await?;
    // A cut upload has no answer, so there is no error to be right or wrong.
    report.more("correct_error_share", "1", Some(1.0), 0);
    let history = verify::judge(report, client, &quiet);
    verify::old_value_kept(report, &history, &quiet, &expected);
    Ok(())
}

/// Writes the old value if there is one, then cuts an upload. Returns the old value's write.
async fn upload(client: &Client, cut: &Cut) -> Result<Option<u64>, String> {
    let mut old = None;
    if cut.with_old {
        old = client.put_before(&cut.key, cut.size).await?.write_id;
    }
    let write = client.next_write();
    let start = client.now().as_nanos() as u64;
    let request = client.raw.request("PUT", &client.space.bucket, &cut.key).operation("PutObject").limit(client.limit);
    let request = request.header(&format!("x-amz-meta-{WRITE_ID}"), write.to_string()).body(client.body(&cut.key, write, cut.size));
    let sent = request.abandon_after(cut.after as usize, cut.reset).await;
    sent.map_err(|error| format!("an upload to be cut could not be begun: {error}"))?;
    // The server never had the whole body, so the write cannot have been applied: seeing it in any form is the vendor's fault.
    let answer = Answer::failed(0, format!("cut after {} of {} bytes", cut.after, cut.size), true);
    client.note(Op::Put, &cut.key, Some(write), (start, client.now().as_nanos() as u64), answer);
    Ok(old)
}

/// The same for a part of a multipart upload: it must not be listed. The upload is aborted afterwards.
async fn cut_part(report: &mut Report, client: &Client, spec: &FailureSpec) {
    let limit = "a part whose upload was cut is not listed";
    let (key, size) = (client.key("cut-part"), spec.object_size[0].0);
    let s3 = &client.s3;
    let upload = match s3.create_multipart_upload().bucket(&client.space.bucket).key(&key).send().await {
        Ok(created) => created.upload_id().unwrap_or_default().to_owned(),
        Err(error) => return report.untested_gate("cut_part_not_listed", limit, format!("CreateMultipartUpload: {}", refusal(error).code)),
    };
    let target = format!("{key}?partNumber=1&uploadId={}", percent_encoding::utf8_percent_encode(&upload, percent_encoding::NON_ALPHANUMERIC));
    let request = client.raw.request("PUT", &client.space.bucket, &target).operation("UploadPart").limit(client.limit);
    let sent = request.body(client.body(&key, client.next_write(), size)).abandon_after(size as usize / 2, false).await;
    let listed = s3.list_parts().bucket(&client.space.bucket).key(&key).upload_id(&upload).send().await;
    match (sent, listed) {
        (Ok(()), Ok(listed)) => {
            let problem = |part: &aws_sdk_s3::types::Part| {
                let (number, size) = (part.part_number().unwrap_or_default(), part.size().unwrap_or_default());
                Problem::from(format!("{key}: part {number} is listed with {size} bytes, although its upload was cut"))
            };
            report.gate("cut_part_not_listed", limit, 1, listed.parts().iter().map(problem).collect());
        }
        (Err(error), _) => report.untested_gate("cut_part_not_listed", limit, error.to_string()),
        (_, Err(error)) => report.untested_gate("cut_part_not_listed", limit, format!("ListParts: {}", refusal(error).code)),
    }
    if let Err(error) = s3.abort_multipart_upload().bucket(&client.space.bucket).key(&key).upload_id(&upload).send().await {
        report.finding(format!("AbortMultipartUpload after a cut part was refused: {}", refusal(error).code));
    }
}
