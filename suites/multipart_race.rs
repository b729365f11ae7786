//! Suite `multipart_race`: requests to the same upload or key at once.

use proofmark::case::values::encode_query;
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, Trouble, WithClass, expect};
use proofmark::model::FailureClass::Corrupt;
use proofmark::model::Measure;
use proofmark::units::Bytes;
use proofmark::wire;

use super::multipart_size::{completion, raw_completion};

/// Repetitions of each race.
const ROUNDS: u64 = 6;

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("multipart_race")
        .source("S3 user guide, Concurrent multipart upload operations")
        .common(
            "complete_multipart_upload/two_uploads_of_one_key",
            &["MPU-22"],
            "Of two uploads of one key that are completed at once both succeed, and the object is one of them whole.",
            async |fx| {
                let (mut both, mut whole) = (0, 0);
                for round in 0..ROUNDS {
                    let key = format!("k{round}");
                    let bodies = [fx.random_bytes(Bytes::kib(40)), fx.random_bytes(Bytes::kib(60))];
                    let mut completions = Vec::new();
                    for body in &bodies {
                        let id = fx.start_upload(&key).await?;
                        let etag = fx.upload_part(&key, &id, 1, body).await?.e_tag().unwrap_or_default().to_owned();
                        completions.push(raw_completion(&fx, &key, &id, completion(&[(1, etag)])));
                    }
                    let mut sent = completions.into_iter();
                    let (Some(one), Some(two)) = (sent.next(), sent.next()) else { return expect::unresolved("harness: two completions were made") };
                    let answers = tokio::join!(one.send(), two.send());
                    let won = |answer: Result<wire::Answer, wire::WireError>| match answer.settle() {
                        Ok(answer) => Ok(answer.code().is_none()),
                        Err(Refusal::Answered { status: 400..500, .. }) => Ok(false),
                        Err(other) => expect::lost(&other, "200"),
                    };
                    both += u64::from(won(answers.0)? & won(answers.1)?);
                    whole += u64::from(bodies.contains(&fx.get(&key).await?));
                }
                fx.measure(Measure::share("both_completed_share", both, ROUNDS));
                fx.measure(Measure::share("whole_object_share", whole, ROUNDS));
                expect::eq("rounds that end with one of the objects whole", whole, ROUNDS).class(Corrupt)?;
                expect::eq("rounds in which both completions succeed", both, ROUNDS)
            },
        )
        .sends(45)
        .source("S3 API reference, AbortMultipartUpload");
    aborts(suite)
}

fn aborts(suite: Suite) -> Suite {
    suite
        .extended(
            "abort_multipart_upload/part_in_flight",
            &["MPU-27"],
            "A part that is on its way when its upload is aborted fails or is discarded: the upload is gone, at the latest after a second abort.",
            async |fx| {
                let (mut refused, mut gone, mut aborts_refused, mut aborted_again) = (0, 0, 0, 0);
                for round in 0..ROUNDS {
                    let (key, body) = (format!("k{round}"), fx.random_bytes(Bytes::mib(1)));
                    let id = fx.start_upload(&key).await?;
                    // The first kilobyte tells the server that a part comes; the rest comes while the abort is answered.
                    let upload = fx.raw_object("UploadPart", "PUT", &key, &format!("?partNumber=1&uploadId={}", encode_query(&id))).body(body);
                    let upload = upload.in_pieces(64 << 10, std::time::Duration::from_millis(1));
                    let abort = || fx.s3().abort_multipart_upload().bucket(fx.bucket()).key(fx.key(&key)).upload_id(&id).send();
                    let (uploaded, aborted) = tokio::join!(upload.send(), async {
                        // A look at the parts takes as long as the first pieces of this one.
                        fx.s3().list_parts().bucket(fx.bucket()).key(fx.key(&key)).upload_id(&id).send().await.ok();
                        abort().await
                    });
                    refused += u64::from(part_refused(uploaded)?);
                    match aborted.settle() {
                        Ok(_) => {}
                        // An abort that came too early for this server is repeated, as clients do.
                        Err(Refusal::Answered { status: 400..500, .. }) => {
                            aborts_refused += 1;
                            fx.set_up("AbortMultipartUpload", abort().await)?;
                        }
                        Err(other) => expect::lost(&other, "204")?,
                    }
                    // The part may have come in behind the abort: S3 documents that an abort may have to be repeated then.
                    let mut is_over = is_gone(&fx, &key, &id).await?;
                    if !is_over {
                        aborted_again += 1;
                        // Whatever it answers: what counts is whether the upload is gone now.
                        abort().await.ok();
                        is_over = is_gone(&fx, &key, &id).await?;
                    }
                    gone += u64::from(is_over);
                }
                fx.measure(Measure::share("part_refused_share", refused, ROUNDS));
                fx.measure(Measure::share("abort_refused_share", aborts_refused, ROUNDS));
                fx.measure(Measure::share("abort_repeated_share", aborted_again, ROUNDS));
                fx.measure(Measure::share("upload_gone_share", gone, ROUNDS));
                expect::eq("rounds after which the upload is gone", gone, ROUNDS)
            },
        )
        .sends(8 * ROUNDS)
        .dependents(&["Elasticsearch"])
}

/// Whether a part that met an abort was refused; being cut off counts, since the server may close before it has read all.
fn part_refused(answer: Result<wire::Answer, wire::WireError>) -> Checked<bool> {
    match answer.settle() {
        Ok(_) => Ok(false),
        Err(Refusal::Answered { status: 400..500, .. } | Refusal::Broken(Trouble::Reset, _)) => Ok(true),
        Err(other) => expect::lost(&other, "success or a refusal"),
    }
}

async fn is_gone(fx: &Fixture, key: &str, id: &str) -> Checked<bool> {
    match fx.s3().list_parts().bucket(fx.bucket()).key(fx.key(key)).upload_id(id).send().await.settle() {
        Ok(_) => Ok(false),
        Err(Refusal::Answered { status: 404, .. }) => Ok(true),
        Err(other) => expect::lost(&other, "404 NoSuchUpload"),
    }
}
