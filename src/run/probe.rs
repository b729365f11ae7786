//! The probe: about 20 requests that find out whether and how a vendor can be measured, before anything is measured.
//!
//! The main function is [`probe`]. What makes a measurement pointless is said once, in one sentence, and ends this vendor.

use std::collections::BTreeMap;

use crate::model::Probe;
use crate::wire::{Exchange, Link, Recorder};

/// Servers refuse requests whose clock is further off than this.
const SKEW_LIMIT_S: i64 = 15 * 60;
/// Requests of the cheapest kind, for the round trip.
const ROUND_TRIPS: usize = 5;

/// The harmless read of each optional feature's bucket configuration.
const READS: [(&str, &str); 10] = [
    ("GetBucketVersioning", "versioning"),
    ("GetBucketPolicy", "policy"),
    ("GetBucketLifecycleConfiguration", "lifecycle"),
    ("GetBucketCors", "cors"),
    ("GetBucketTagging", "tagging"),
    ("GetBucketEncryption", "encryption"),
    ("GetObjectLockConfiguration", "object-lock"),
    ("GetBucketNotificationConfiguration", "notification"),
    ("GetBucketWebsite", "website"),
    ("GetBucketAcl", "acl"),
];

/// Why a vendor is not measured at all: the field of its file to look at, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The field of the vendor file.
    pub field: &'static str,
    /// What was found and what to do.
    pub message: String,
}

/// Finds out how a vendor can be measured.
///
/// # Errors
/// When it does not answer, does not accept the credentials, or its clock differs by more than 15 minutes.
pub async fn probe(link: &Link) -> Result<Probe, Refusal> {
    let mut probe = Probe::default();
    let first = hello(link).await;
    judge_answer(&first)?;
    probe.clock_skew_ms = skew_ms(&first);
    judge_skew(probe.clock_skew_ms)?;
    judge_credentials(&first)?;
    probe.server = first.response_header("server").map(str::to_owned);
    probe.round_trip_ms = round_trip(link, &first).await;
    look_into_bucket(link, &mut probe).await;
    second_credential(link, &mut probe).await;
    probe.addresses = link.addresses().into_iter().map(|stats| stats.address.to_string()).collect();
    if !link.vendor.features.is_empty() {
        let missing = probe.features.iter().filter(|(name, answered)| !**answered && link.vendor.features.contains(name));
        probe.notes.extend(missing.map(|(name, _)| format!("the vendor file claims {name}, but its configuration cannot be read")));
    }
    Ok(probe)
}

/// The cheapest request that needs the credentials; with `use_bucket`, one that needs nothing but that bucket.
async fn hello(link: &Link) -> Exchange {
    let recorder = Recorder::new();
    let s3 = link.sdk(&recorder);
    // Only the record counts: every way in which it can end is judged from there.
    match &link.vendor.use_bucket {
        Some(bucket) => drop(s3.list_objects_v2().bucket(bucket).prefix(&link.prefix).max_keys(1).send().await),
        None => drop(s3.list_buckets().send().await),
    }
    recorder.last().unwrap_or_default()
}

fn judge_answer(first: &Exchange) -> Result<(), Refusal> {
    match (first.status, &first.error) {
        (0, error) => {
            let why = error.as_deref().unwrap_or("no answer");
            Err(Refusal { field: "endpoints", message: format!("the endpoint does not answer: {why}") })
        }
        (404, _) if first.operation == "ListObjectsV2" => Err(Refusal { field: "use_bucket", message: "the bucket does not exist".to_owned() }),
        _ => Ok(()),
    }
}

/// Refusals of the credentials themselves. A plain AccessDenied may mean that this one request is not allowed: that is none.
fn judge_credentials(first: &Exchange) -> Result<(), Refusal> {
    let code = error_code(&first.response_body);
    let message = match code {
        "SignatureDoesNotMatch" => "the vendor refuses the secret key (SignatureDoesNotMatch): check the variable and the region",
        "InvalidAccessKeyId" => "the vendor does not know the access key (InvalidAccessKeyId)",
        "InvalidToken" | "ExpiredToken" | "TokenRefreshRequired" => "the vendor refuses the session token: it is wrong or has expired",
        "AuthorizationHeaderMalformed" => return Err(Refusal { field: "region", message: "the vendor signs for another region".to_owned() }),
        _ if first.status == 401 => "the vendor refuses the credentials (401)",
        _ => return Ok(()),
    };
    Err(Refusal { field: "credentials", message: message.to_owned() })
}

fn judge_skew(skew_ms: Option<i64>) -> Result<(), Refusal> {
    match skew_ms {
        Some(skew) if skew.abs() > SKEW_LIMIT_S * 1000 => {
            let message =
                format!("the server's clock differs from ours by {} minutes, more than the 15 that signatures allow: set the clock", skew / 60_000);
            Err(Refusal { field: "endpoints", message })
        }
        _ => Ok(()),
    }
}

/// The `<Code>` of an error body.
fn error_code(body: &str) -> &str {
    body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code)
}

fn skew_ms(exchange: &Exchange) -> Option<i64> {
    let theirs = jiff::fmt::rfc2822::parse(exchange.response_header("date")?).ok()?.timestamp();
    let ours = jiff::Timestamp::now();
    Some((theirs.as_second() - ours.as_second()) * 1000)
}

/// The median round trip, on a warm connection.
async fn round_trip(link: &Link, first: &Exchange) -> Option<f64> {
    let mut times = Vec::new();
    for _ in 0..ROUND_TRIPS {
        let exchange = hello(link).await;
        if exchange.status == first.status {
            times.push(exchange.first_byte_ms);
        }
    }
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied()
}

/// Region and features, from a bucket of the run's own.
async fn look_into_bucket(link: &Link, probe: &mut Probe) {
    let space = match link.space("probe").await {
        Ok(space) => space,
        Err(error) => {
            probe.notes.push(format!("no bucket can be created ({error}): name an existing one in use_bucket"));
            return;
        }
    };
    let recorder = Recorder::new();
    let (s3, bucket) = (link.sdk(&recorder), space.bucket.as_str());
    let _ = s3.head_bucket().bucket(bucket).send().await;
    probe.region = recorder.last().and_then(|head| head.response_header("x-amz-bucket-region").map(str::to_owned));
    if let Some(region) = probe.region.as_ref().filter(|region| **region != link.access.region) {
        probe.notes.push(format!("requests are signed for {}, but the bucket is in {region}", link.access.region));
    }
    // Whether each is answered stands in the record; the answers themselves are of no interest.
    let _ = tokio::join!(
        s3.get_bucket_versioning().bucket(bucket).send(),
        s3.get_bucket_policy().bucket(bucket).send(),
        s3.get_bucket_lifecycle_configuration().bucket(bucket).send(),
        s3.get_bucket_cors().bucket(bucket).send(),
        s3.get_bucket_tagging().bucket(bucket).send(),
        s3.get_bucket_encryption().bucket(bucket).send(),
        s3.get_object_lock_configuration().bucket(bucket).send(),
        s3.get_bucket_notification_configuration().bucket(bucket).send(),
        s3.get_bucket_website().bucket(bucket).send(),
        s3.get_bucket_acl().bucket(bucket).send(),
    );
    probe.features = features(&recorder.exchanges());
}

/// Whether each feature's configuration was answered: with itself, or with "there is none". A refusal of rights tells nothing.
fn features(exchanges: &[Exchange]) -> BTreeMap<String, bool> {
    let of = |operation: &str| exchanges.iter().find(|exchange| exchange.operation == operation);
    let known = READS.iter().filter_map(|(operation, feature)| Some((*feature, of(operation)?)));
    known
        .filter(|(_, exchange)| ![0, 403].contains(&exchange.status))
        .map(|(feature, exchange)| (feature.to_owned(), is_known(exchange.status)))
        .collect()
}

fn is_known(status: u16) -> bool {
    matches!(status, 200..=299 | 404)
}

async fn second_credential(link: &Link, probe: &mut Probe) {
    let recorder = Recorder::new();
    let Some(s3) = link.sdk_alt(&recorder) else { return };
    let _ = s3.list_buckets().send().await;
    let answer = recorder.last().unwrap_or_default();
    probe.second_credential = answer.status != 0 && judge_credentials(&answer).is_ok();
    if !probe.second_credential {
        probe.notes.push("the second credential (credentials.alt) is not accepted: cross-account cases are unresolved".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: &str) -> Exchange {
        let response_body = format!("<Error><Code>{code}</Code></Error>");
        Exchange { status, response_body, operation: "ListBuckets".to_owned(), ..Exchange::default() }
    }

    #[test]
    fn a_wrong_secret_is_a_refusal_and_a_missing_right_is_not() {
        assert!(judge_credentials(&answer(403, "SignatureDoesNotMatch")).unwrap_err().message.contains("secret key"));
        assert!(judge_credentials(&answer(403, "InvalidAccessKeyId")).is_err());
        assert!(judge_credentials(&answer(403, "AccessDenied")).is_ok());
    }

    #[test]
    fn a_clock_16_minutes_off_is_a_refusal_and_14_minutes_are_not() {
        assert!(judge_skew(Some(16 * 60_000)).is_err() && judge_skew(Some(-16 * 60_000)).is_err());
        assert!(judge_skew(Some(14 * 60_000)).is_ok() && judge_skew(None).is_ok());
    }

    #[test]
    fn the_date_header_is_compared_with_our_clock() {
        let date = jiff::fmt::rfc2822::to_string(&jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC)).unwrap();
        let exchange = Exchange { response_headers: vec![("Date".to_owned(), date)], ..Exchange::default() };
        assert!(skew_ms(&exchange).unwrap().abs() <= 1000);
    }

    #[test]
    fn a_feature_that_answers_404_exists_and_one_that_answers_501_does_not() {
        let exchange = |operation: &str, status| Exchange { operation: operation.to_owned(), status, ..Exchange::default() };
        let found = features(&[exchange("GetBucketCors", 404), exchange("GetBucketAcl", 501), exchange("GetBucketPolicy", 403)]);
        assert_eq!(found, BTreeMap::from([("cors".to_owned(), true), ("acl".to_owned(), false)]));
    }

    #[test]
    fn no_answer_is_said_with_its_cause() {
        let silent = Exchange { error: Some("connection refused".to_owned()), ..Exchange::default() };
        assert!(judge_answer(&silent).unwrap_err().message.contains("connection refused"));
    }
}
