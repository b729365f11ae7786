//! Which S3 operation a request asks for, read from the request alone: for proxy rules, metering, evidence and the raw client.

/// The name for a request that is no operation of S3 (or of another service, such as STS).
pub const UNKNOWN: &str = "Unknown";

/// Configuration of a bucket: query name, then the operations of GET, PUT and DELETE (empty = there is none).
const BUCKET: [(&str, &str, &str, &str); 26] = [
    ("acl", "GetBucketAcl", "PutBucketAcl", ""),
    ("accelerate", "GetBucketAccelerateConfiguration", "PutBucketAccelerateConfiguration", ""),
    ("analytics", "GetBucketAnalyticsConfiguration", "PutBucketAnalyticsConfiguration", "DeleteBucketAnalyticsConfiguration"),
    ("cors", "GetBucketCors", "PutBucketCors", "DeleteBucketCors"),
    ("encryption", "GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption"),
    (
        "intelligent-tiering",
        "GetBucketIntelligentTieringConfiguration",
        "PutBucketIntelligentTieringConfiguration",
        "DeleteBucketIntelligentTieringConfiguration",
    ),
    ("inventory", "GetBucketInventoryConfiguration", "PutBucketInventoryConfiguration", "DeleteBucketInventoryConfiguration"),
    ("lifecycle", "GetBucketLifecycleConfiguration", "PutBucketLifecycleConfiguration", "DeleteBucketLifecycle"),
    ("location", "GetBucketLocation", "", ""),
    ("logging", "GetBucketLogging", "PutBucketLogging", ""),
    ("metrics", "GetBucketMetricsConfiguration", "PutBucketMetricsConfiguration", "DeleteBucketMetricsConfiguration"),
    ("notification", "GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration", ""),
    ("object-lock", "GetObjectLockConfiguration", "PutObjectLockConfiguration", ""),
    ("ownershipControls", "GetBucketOwnershipControls", "PutBucketOwnershipControls", "DeleteBucketOwnershipControls"),
    ("policy", "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    ("policyStatus", "GetBucketPolicyStatus", "", ""),
    ("publicAccessBlock", "GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"),
    ("replication", "GetBucketReplication", "PutBucketReplication", "DeleteBucketReplication"),
    ("requestPayment", "GetBucketRequestPayment", "PutBucketRequestPayment", ""),
    ("session", "CreateSession", "", ""),
    ("tagging", "GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging"),
    ("uploads", "ListMultipartUploads", "", ""),
    ("versioning", "GetBucketVersioning", "PutBucketVersioning", ""),
    ("versions", "ListObjectVersions", "", ""),
    ("website", "GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"),
    ("list-type", "ListObjectsV2", "", ""),
];

/// Properties of an object, as above.
const OBJECT: [(&str, &str, &str, &str); 8] = [
    ("acl", "GetObjectAcl", "PutObjectAcl", ""),
    ("attributes", "GetObjectAttributes", "", ""),
    ("legal-hold", "GetObjectLegalHold", "PutObjectLegalHold", ""),
    ("renameObject", "", "RenameObject", ""),
    ("retention", "GetObjectRetention", "PutObjectRetention", ""),
    ("tagging", "GetObjectTagging", "PutObjectTagging", "DeleteObjectTagging"),
    ("torrent", "GetObjectTorrent", "", ""),
    ("uploadId", "ListParts", "", "AbortMultipartUpload"),
];

/// Operations that stand in no table.
const PLAIN: [&str; 24] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjects",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "PostObject",
    "Preflight",
    "PutObject",
    "RestoreObject",
    "SelectObjectContent",
    "UploadPart",
    "UploadPartCopy",
    UNKNOWN,
];

/// Every name that [`name`] gives.
pub fn names() -> std::collections::BTreeSet<&'static str> {
    let tables = BUCKET.iter().chain(&OBJECT).flat_map(|(_, get, put, delete)| [*get, *put, *delete]);
    tables.chain(PLAIN).filter(|name| !name.is_empty()).collect()
}

/// What a request is addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Service,
    Bucket,
    Object,
}

/// Whether `host` (a Host header, with or without port) names a bucket in front of one of the `bases`, the endpoints' host names.
pub fn bucket_in_host<'a>(host: &str, bases: impl IntoIterator<Item = &'a str>) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())).map_or(host, |(name, _)| name);
    let name = name.to_ascii_lowercase();
    bases.into_iter().any(|base| {
        let is_address = base.parse::<std::net::IpAddr>().is_ok();
        !is_address && name.strip_suffix(&base.to_ascii_lowercase()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
    })
}

/// The operation in camel case, e.g. `PutObject`; [`UNKNOWN`] where there is none. `target` is path and query as sent, `in_host` tells that the
/// bucket is named in the host (see [`bucket_in_host`]), and `header` looks a request header up by its lower-case name.
pub fn name<'a>(method: &str, target: &str, in_host: bool, header: impl Fn(&str) -> Option<&'a str>) -> &'static str {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let has = |name: &str| query.split('&').any(|part| part.split('=').next() == Some(name));
    match (level(path, in_host), method) {
        (_, "OPTIONS") => "Preflight",
        (Level::Service, "GET") => "ListBuckets",
        (Level::Service, _) => UNKNOWN,
        (Level::Bucket, "POST") if has("delete") => "DeleteObjects",
        (Level::Bucket, "POST") if header("content-type").is_some_and(|kind| kind.starts_with("multipart/form-data")) => "PostObject",
        (Level::Bucket, "HEAD") => "HeadBucket",
        (Level::Bucket, _) => of_table(&BUCKET, method, has, ["ListObjects", "CreateBucket", "DeleteBucket"]),
        (Level::Object, "HEAD") => "HeadObject",
        (Level::Object, "PUT") if has("uploadId") && has("partNumber") => {
            if header("x-amz-copy-source").is_some() {
                "UploadPartCopy"
            } else {
                "UploadPart"
            }
        }
        (Level::Object, "PUT") if header("x-amz-copy-source").is_some() => "CopyObject",
        (Level::Object, "POST") => posted(has),
        (Level::Object, _) => of_table(&OBJECT, method, has, ["GetObject", "PutObject", "DeleteObject"]),
    }
}

fn level(path: &str, in_host: bool) -> Level {
    let path = path.strip_prefix('/').unwrap_or(path);
    let key = if in_host { Some(path) } else { path.split_once('/').map(|(_, key)| key) };
    match key {
        Some(key) if !key.is_empty() => Level::Object,
        _ if path.is_empty() && !in_host => Level::Service,
        _ => Level::Bucket,
    }
}

fn posted(has: impl Fn(&str) -> bool) -> &'static str {
    let names = [
        ("uploads", "CreateMultipartUpload"),
        ("uploadId", "CompleteMultipartUpload"),
        ("restore", "RestoreObject"),
        ("select", "SelectObjectContent"),
    ];
    names.iter().find(|(name, _)| has(name)).map_or(UNKNOWN, |(_, operation)| operation)
}

fn of_table(
    table: &[(&str, &'static str, &'static str, &'static str)],
    method: &str,
    has: impl Fn(&str) -> bool,
    plain: [&'static str; 3],
) -> &'static str {
    let of = |[get, put, delete]: [&'static str; 3]| match method {
        "GET" => get,
        "PUT" => put,
        "DELETE" => delete,
        _ => UNKNOWN,
    };
    let special = table.iter().filter(|row| has(row.0)).map(|(_, get, put, delete)| of([*get, *put, *delete])).find(|name| !name.is_empty());
    special.unwrap_or_else(|| of(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_named_by_method_path_query_and_headers() {
        for (method, target, header, operation) in [
            ("GET", "/", "", "ListBuckets"),
            ("PUT", "/b", "", "CreateBucket"),
            ("PUT", "/b/", "", "CreateBucket"),
            ("HEAD", "/b", "", "HeadBucket"),
            ("DELETE", "/b?x-id=DeleteBucket", "", "DeleteBucket"),
            ("GET", "/b?list-type=2&prefix=acl", "", "ListObjectsV2"),
            ("GET", "/b?prefix=a", "", "ListObjects"),
            ("GET", "/b/?versions", "", "ListObjectVersions"),
            ("GET", "/b?uploads=", "", "ListMultipartUploads"),
            ("DELETE", "/b?lifecycle", "", "DeleteBucketLifecycle"),
            ("POST", "/b?delete", "", "DeleteObjects"),
            ("POST", "/b", "content-type: multipart/form-data; boundary=x", "PostObject"),
            ("GET", "/b/k", "", "GetObject"),
            ("HEAD", "/b/k", "", "HeadObject"),
            ("PUT", "/b/a/b?x-id=PutObject", "", "PutObject"),
            ("PUT", "/b/k", "x-amz-copy-source: b/o", "CopyObject"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "", "UploadPart"),
            ("PUT", "/b/k?partNumber=1&uploadId=u", "x-amz-copy-source: b/o", "UploadPartCopy"),
            ("POST", "/b/k?uploads", "", "CreateMultipartUpload"),
            ("POST", "/b/k?uploadId=u", "", "CompleteMultipartUpload"),
            ("DELETE", "/b/k?uploadId=u", "", "AbortMultipartUpload"),
            ("GET", "/b/k?uploadId=u", "", "ListParts"),
            ("PUT", "/b/k?tagging", "", "PutObjectTagging"),
            ("DELETE", "/b/k?versionId=v", "", "DeleteObject"),
            ("GET", "/b/k?attributes", "", "GetObjectAttributes"),
            ("PUT", "/b/k?renameObject", "x-amz-rename-source: /b/o", "RenameObject"),
            ("OPTIONS", "/b/k", "", "Preflight"),
            ("POST", "/", "", UNKNOWN),
            ("PATCH", "/b/k", "", UNKNOWN),
        ] {
            let found = name(method, target, false, |name| header.split_once(": ").filter(|(present, _)| *present == name).map(|(_, value)| value));
            assert_eq!(found, operation, "{method} {target} {header}");
        }
    }

    #[test]
    fn a_bucket_may_stand_in_the_host() {
        let bases = ["s3.example.com", "localhost", "127.0.0.1"];
        for (host, expected) in [
            ("b.s3.example.com", true),
            ("B.S3.example.com:9000", true),
            ("a.b.localhost:80", true),
            ("s3.example.com", false),
            ("localhost:9000", false),
            ("127.0.0.1:9000", false),
            ("[::1]:9000", false),
        ] {
            assert_eq!(bucket_in_host(host, bases), expected, "{host}");
        }
        assert_eq!(name("GET", "/", true, |_| None), "ListObjects");
        assert_eq!(name("PUT", "/k", true, |_| None), "PutObject");
    }
}
