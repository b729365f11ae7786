//! Suite `checksum_config`: configuration calls prove their bodies with a checksum, as SDKs do since 2025, instead of Content-MD5.

use proofmark::case::values::{crc32_base64, encode_query, md5_base64};
use proofmark::case::{Answer as _, Checked, Finding, Fixture, Refusal, Suite, expect};
use proofmark::wire::RawRequest;

/// Operation, its name in ids, query, body (`{bucket}` stands for the bucket's name), optional feature.
pub(super) type Call = (&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

pub(super) const CALLS: [Call; 15] = [
    (
        "PutBucketVersioning",
        "put_bucket_versioning",
        "?versioning",
        "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        &["versioning"],
    ),
    (
        "PutBucketPolicy",
        "put_bucket_policy",
        "?policy",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/none"}]}"#,
        &["policy"],
    ),
    (
        "PutBucketLifecycleConfiguration",
        "put_bucket_lifecycle_configuration",
        "?lifecycle",
        "<LifecycleConfiguration><Rule><ID>a</ID><Filter><Prefix>none/</Prefix></Filter><Status>Enabled</Status><Expiration><Days>300</Days></Expiration></Rule></LifecycleConfiguration>",
        &["lifecycle"],
    ),
    ("PutBucketTagging", "put_bucket_tagging", "?tagging", TAGS, &["tagging"]),
    (
        "PutBucketCors",
        "put_bucket_cors",
        "?cors",
        "<CORSConfiguration><CORSRule><AllowedOrigin>http://a.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>",
        &["cors"],
    ),
    (
        "PutBucketEncryption",
        "put_bucket_encryption",
        "?encryption",
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
        &["encryption"],
    ),
    (
        "PutPublicAccessBlock",
        "put_public_access_block",
        "?publicAccessBlock",
        "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>",
        &["public-access-block"],
    ),
    (
        "PutBucketOwnershipControls",
        "put_bucket_ownership_controls",
        "?ownershipControls",
        "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>",
        &["ownership-controls"],
    ),
    (
        "PutBucketWebsite",
        "put_bucket_website",
        "?website",
        "<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix></IndexDocument></WebsiteConfiguration>",
        &["website"],
    ),
    (
        "PutBucketNotificationConfiguration",
        "put_bucket_notification_configuration",
        "?notification",
        "<NotificationConfiguration/>",
        &["notification"],
    ),
    ("PutBucketLogging", "put_bucket_logging", "?logging", "<BucketLoggingStatus/>", &["logging"]),
    (
        "PutBucketRequestPayment",
        "put_bucket_request_payment",
        "?requestPayment",
        "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>",
        &["request-payment"],
    ),
    (
        "PutBucketAccelerateConfiguration",
        "put_bucket_accelerate_configuration",
        "?accelerate",
        "<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>",
        &["accelerate"],
    ),
    (
        "PutBucketReplication",
        "put_bucket_replication",
        "?replication",
        "<ReplicationConfiguration><Role>arn:aws:iam::000000000000:role/none</Role><Rule><Status>Enabled</Status><Prefix></Prefix><Destination><Bucket>arn:aws:s3:::{bucket}</Bucket></Destination></Rule></ReplicationConfiguration>",
        &["replication"],
    ),
    ("DeleteObjects", "delete_objects", "?delete", "<Delete><Object><Key>absent</Key></Object></Delete>", &[]),
];

const TAGS: &str = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
const RETENTION: &str = "<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>{soon}</RetainUntilDate></Retention>";

/// Claims that a call is accepted with a CRC32 and no Content-MD5. A call that is refused with Content-MD5 too is not what this rule is about.
async fn accepted(call: impl Fn() -> RawRequest, body: &str) -> Checked {
    let call = || call().header("Content-Type", "application/xml").body(body);
    let crc32 = call().header("x-amz-sdk-checksum-algorithm", "CRC32").header("x-amz-checksum-crc32", crc32_base64(body.as_bytes()));
    let answer = crc32.send().await.settle();
    if matches!(answer, Err(Refusal::Answered { status: 400..500, .. }))
        && let Err(refusal @ Refusal::Answered { .. }) = call().header("Content-MD5", md5_base64(body.as_bytes())).send().await.settle()
    {
        return Err(Finding::Unsupported(format!("with Content-MD5 too: {}", refusal.describe())));
    }
    expect::ok(answer).map(drop)
}

/// The suite.
pub fn suite() -> Suite {
    objects(buckets(Suite::new("checksum_config").source("S3 user guide, Checking object integrity: Content-MD5 or a checksum")))
}

fn buckets(mut suite: Suite) -> Suite {
    for (operation, name, query, body, features) in CALLS {
        let rule = format!("{operation} with a CRC32 instead of Content-MD5 is accepted.");
        suite = suite.core(&format!("{name}/checksum_instead_of_md5"), &["CKS-23"], &rule, move |fx| async move {
            let body = body.replace("{bucket}", fx.bucket());
            let method = if operation == "DeleteObjects" { "POST" } else { "PUT" };
            accepted(|| fx.raw_bucket(operation, method, query), &body).await
        });
        suite = suite.own_bucket().needs(features).dependents(&["aws-cli", "boto3"]);
    }
    suite
}

async fn on_object(fx: &Fixture, operation: &str, query: &str, body: String) -> Checked {
    let put = fx.set_up("PutObject", fx.put_object("k").body(b"x".to_vec().into()).send().await)?;
    let version = put.version_id.map_or_else(String::new, |id| format!("&versionId={}", encode_query(&id)));
    accepted(|| fx.raw_object(operation, "PUT", "k", &format!("{query}{version}")), &body).await
}

fn objects(suite: Suite) -> Suite {
    suite
        .core(
            "put_object_tagging/checksum_instead_of_md5",
            &["CKS-23"],
            "PutObjectTagging with a CRC32 instead of Content-MD5 is accepted.",
            async |fx| on_object(&fx, "PutObjectTagging", "?tagging", TAGS.to_owned()).await,
        )
        .needs(&["tagging"])
        .dependents(&["aws-cli", "boto3"])
        .core(
            "put_object_retention/checksum_instead_of_md5",
            &["CKS-23"],
            "PutObjectRetention with a CRC32 instead of Content-MD5 is accepted.",
            async |fx| {
                let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
                let soon = aws_sdk_s3::primitives::DateTime::from_secs(i64::try_from(now).unwrap_or_default() + 15);
                let soon = soon.fmt(aws_sdk_s3::primitives::DateTimeFormat::DateTime).unwrap_or_default();
                on_object(&fx, "PutObjectRetention", "?retention", RETENTION.replace("{soon}", &soon)).await
            },
        )
        .lock_bucket()
        .dependents(&["Veeam", "boto3"])
        .core(
            "put_object_legal_hold/checksum_instead_of_md5",
            &["CKS-23"],
            "PutObjectLegalHold with a CRC32 instead of Content-MD5 is accepted.",
            async |fx| on_object(&fx, "PutObjectLegalHold", "?legal-hold", "<LegalHold><Status>OFF</Status></LegalHold>".to_owned()).await,
        )
        .lock_bucket()
        .dependents(&["Veeam", "boto3"])
        .core(
            "put_object_lock_configuration/checksum_instead_of_md5",
            &["CKS-23"],
            "PutObjectLockConfiguration with a CRC32 instead of Content-MD5 is accepted.",
            async |fx| {
                let body = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>".to_owned();
                accepted(|| fx.raw_bucket("PutObjectLockConfiguration", "PUT", "?object-lock"), &body).await
            },
        )
        .lock_bucket()
        .dependents(&["Veeam", "boto3"])
}
