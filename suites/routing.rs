//! Suite `routing`: what a server makes of unknown queries, methods and paths, and of more requests than it can serve.

use proofmark::case::values::{camel, encode_query, md5_base64, snake};
use proofmark::case::{Answer as _, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::{Corrupt, WrongEffect};
use proofmark::model::{Impact, Measure};
use proofmark::wire::{Answer, WireError};

use super::checksum_config::CALLS;

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("routing").source("S3 API reference, Actions; S3 API reference, Error responses");
    overload(paths(methods(spared(configurations(unknown(suite))))))
}

/// Keys below the case's own prefix.
async fn keys(fx: &Fixture) -> Checked<Vec<String>> {
    let page = expect::ok(fx.list("").send().await)?;
    Ok(page.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect())
}

fn unknown(suite: Suite) -> Suite {
    suite
        .common("put_object/unknown_query", &["PRO-15"], "A PUT with an unknown query is refused, or writes its own key and no other.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "?frobnicate=1").body("body").send().await;
            if put.as_ref().is_ok_and(|answer| answer.status == 200) {
                fx.holds("k", b"body").await?;
                return expect::eq("keys", keys(&fx).await?, vec![fx.key("k")]);
            }
            expect::error_as(put, &[(501, "NotImplemented"), (400, "")])?;
            expect::eq("keys", keys(&fx).await?, Vec::<String>::new())
        })
        .common("get_object/unknown_query", &["PRO-15"], "A GET with an unknown query is refused, or answers the object.", async |fx| {
            fx.put("k", b"body").await?;
            match fx.raw_object("GetObject", "GET", "k", "?frobnicate").send().await {
                Ok(answer) if answer.status == 200 => expect::bytes("body", &answer.body, b"body"),
                refused => expect::error_as(refused, &[(501, "NotImplemented"), (400, "")]),
            }
        })
        .common("list_objects/unknown_query", &["PRO-15"], "A bucket's GET with an unknown query is refused, or lists.", async |fx| {
            fx.put("k", b"body").await?;
            let query = format!("?frobnicate&prefix={}", encode_query(fx.prefix()));
            match fx.raw_bucket("ListObjects", "GET", &query).send().await {
                Ok(answer) if answer.status == 200 => expect::eq("Key", answer.element("Key"), Some(fx.key("k"))),
                refused => expect::error_as(refused, &[(501, "NotImplemented"), (400, "")]),
            }
        })
}

/// Operation, its query, the root element of its answer, and the code of a 404 for a configuration that is not there.
type Probe = (&'static str, &'static str, &'static str, &'static str);
const PROBES: [Probe; 19] = [
    ("get_bucket_accelerate_configuration", "accelerate", "AccelerateConfiguration", ""),
    ("get_bucket_analytics_configuration", "analytics&id=none", "AnalyticsConfiguration", "NoSuchConfiguration"),
    ("get_bucket_cors", "cors", "CORSConfiguration", "NoSuchCORSConfiguration"),
    ("get_bucket_encryption", "encryption", "ServerSideEncryptionConfiguration", "ServerSideEncryptionConfigurationNotFoundError"),
    ("get_bucket_intelligent_tiering_configuration", "intelligent-tiering&id=none", "IntelligentTieringConfiguration", "NoSuchConfiguration"),
    ("get_bucket_inventory_configuration", "inventory&id=none", "InventoryConfiguration", "NoSuchConfiguration"),
    ("get_bucket_lifecycle_configuration", "lifecycle", "LifecycleConfiguration", "NoSuchLifecycleConfiguration"),
    ("get_bucket_logging", "logging", "BucketLoggingStatus", ""),
    ("get_bucket_metrics_configuration", "metrics&id=none", "MetricsConfiguration", "NoSuchConfiguration"),
    ("get_bucket_notification_configuration", "notification", "NotificationConfiguration", ""),
    ("get_bucket_ownership_controls", "ownershipControls", "OwnershipControls", "OwnershipControlsNotFoundError"),
    ("get_bucket_policy", "policy", "{", "NoSuchBucketPolicy"),
    ("get_bucket_policy_status", "policyStatus", "PolicyStatus", "NoSuchBucketPolicy"),
    ("get_bucket_replication", "replication", "ReplicationConfiguration", "ReplicationConfigurationNotFoundError"),
    ("get_bucket_request_payment", "requestPayment", "RequestPaymentConfiguration", ""),
    ("get_bucket_tagging", "tagging", "Tagging", "NoSuchTagSet"),
    ("get_bucket_website", "website", "WebsiteConfiguration", "NoSuchWebsiteConfiguration"),
    ("get_object_lock_configuration", "object-lock", "ObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"),
    ("get_public_access_block", "publicAccessBlock", "PublicAccessBlockConfiguration", "NoSuchPublicAccessBlockConfiguration"),
];

fn configurations(mut suite: Suite) -> Suite {
    for (operation, query, root, code) in PROBES {
        let name = camel(operation);
        let rule = format!("{name} of a bucket where nothing is set answers its own document or its own 404, or 501 where the server lacks it.");
        suite = suite
            .common(&format!("{operation}/own_document"), &["PRO-16"], &rule, move |fx| {
                let name = name.clone();
                async move {
                    let answer = fx.raw_bucket(&name, "GET", &format!("?{query}")).send().await;
                    if let Ok(found) = answer.as_ref()
                        && found.status == 200
                    {
                        // A server that does not know the query lists the bucket instead.
                        return expect::that("document", has_root(found, root), root, head(found));
                    }
                    let missing = (404, if code.is_empty() { "(no such code)" } else { code });
                    expect::error_as(answer, &[(501, ""), missing])
                }
            })
            .dependents(&["Terraform"]);
    }
    suite
}

/// Whether the answer's first element is `root`; a policy is JSON instead.
fn has_root(answer: &Answer, root: &str) -> bool {
    let text = answer.text();
    if root == "{" {
        return text.trim_start().starts_with('{');
    }
    let start = text.find("?>").map_or(0, |end| end + 2);
    let name = text[start..].trim_start().trim_start_matches('<');
    name.strip_prefix(root).is_some_and(|rest| rest.starts_with([' ', '>', '/']))
}

/// The start of a body, for a deviation.
fn head(answer: &Answer) -> String {
    answer.text().chars().take(120).collect()
}

/// What can be deleted of a bucket without deleting it: operation and query.
const PARTS: [(&str, &str); 15] = [
    ("DeleteBucketAnalyticsConfiguration", "analytics&id=none"),
    ("DeleteBucketCors", "cors"),
    ("DeleteBucketEncryption", "encryption"),
    ("DeleteBucketIntelligentTieringConfiguration", "intelligent-tiering&id=none"),
    ("DeleteBucketInventoryConfiguration", "inventory&id=none"),
    ("DeleteBucketLifecycle", "lifecycle"),
    ("DeleteBucketMetricsConfiguration", "metrics&id=none"),
    ("DeleteBucketOwnershipControls", "ownershipControls"),
    ("DeleteBucketPolicy", "policy"),
    ("DeleteBucketReplication", "replication"),
    ("DeleteBucketTagging", "tagging"),
    ("DeleteBucketWebsite", "website"),
    ("DeletePublicAccessBlock", "publicAccessBlock"),
    // Newer than most servers, which take the request for the deletion of the bucket unless they refuse what they do not know.
    ("DeleteBucket", "metadataConfiguration"),
    ("DeleteBucket", "metadataTable"),
];

/// Queries that no operation has with DELETE: id and query. No source says what S3 makes of them.
const NO_PARTS: [(&str, &str); 4] =
    [("unknown_query", "frobnicate"), ("acl_in_query", "acl"), ("object_lock_in_query", "object-lock"), ("versioning_in_query", "versioning")];

/// Claims that the bucket is there.
async fn bucket_lasts(fx: &Fixture) -> Checked {
    match fx.s3().head_bucket().bucket(fx.bucket()).send().await.settle() {
        Err(Refusal::Answered { status: 404, .. }) => expect::that("the bucket", false, "still there", "deleted").class(Corrupt),
        found => expect::ok(found).map(drop),
    }
}

/// Claims that a request was done, or refused in order.
fn in_order(answer: Result<Answer, WireError>) -> Checked {
    match answer.settle() {
        Ok(_) | Err(Refusal::Answered { status: 400..=499 | 501, .. }) => Ok(()),
        Err(other) => expect::lost(&other, "success, 4xx or 501"),
    }
}

fn spared(mut suite: Suite) -> Suite {
    for (operation, query) in PARTS {
        let name = query.split('&').next().unwrap_or(query);
        let (id, rule) = match operation {
            "DeleteBucket" => {
                (format!("delete_bucket/spares_bucket_of_{}", snake(name)), format!("DELETE of a bucket's {name} never deletes the bucket."))
            }
            _ => (format!("{}/spares_bucket", snake(operation)), format!("{operation} never deletes the bucket, even if it is empty.")),
        };
        let case = move |fx: Fixture| async move {
            let deleted = fx.raw_bucket(operation, "DELETE", &format!("?{query}")).send().await;
            bucket_lasts(&fx).await?;
            in_order(deleted)
        };
        suite = suite.common(&id, &["PRO-16", "ERR-07"], &rule, case).own_bucket().dependents(&["Terraform"]);
    }
    for (id, query) in NO_PARTS {
        let rule = format!("DELETE of a bucket with `?{query}`, which no operation has, is refused and leaves the bucket, or ignores the query.");
        let case = move |fx: Fixture| async move {
            let deleted = fx.raw_bucket("DeleteBucket", "DELETE", &format!("?{query}")).send().await;
            if deleted.as_ref().is_ok_and(|answer| answer.status == 204) {
                expect::status(fx.s3().head_bucket().bucket(fx.bucket()).send().await, 404)?;
                return expect::variant("204: the query is ignored and the bucket deleted");
            }
            bucket_lasts(&fx).await?;
            expect::error_as(deleted, &[(405, "MethodNotAllowed"), (501, "NotImplemented"), (400, "")])
        };
        suite = suite.common(&format!("delete_bucket/{id}"), &["PRO-15"], &rule, case).own_bucket();
    }
    created(suite)
}

/// A configuration that is put for a bucket that is not there must not make one.
fn created(mut suite: Suite) -> Suite {
    for (operation, name, query, body, _) in CALLS.into_iter().filter(|call| call.0.starts_with("Put")) {
        let rule = format!("{operation} never creates the bucket.");
        let case = move |fx: Fixture| async move {
            let bucket = fx.new_bucket_name(1)?;
            let body = body.replace("{bucket}", &bucket);
            let put = fx.raw().request("PUT", &bucket, query).operation(operation).header("Content-MD5", md5_base64(body.as_bytes()));
            let put = put.header("Content-Type", "application/xml").body(body).send().await;
            match fx.s3().head_bucket().bucket(&bucket).send().await.settle() {
                Err(Refusal::Answered { status: 404, .. }) => in_order(put),
                found => expect::ok(found).and_then(|_| expect::that("the bucket", false, "not there", "created")),
            }
        };
        suite = suite.common(&format!("{name}/creates_no_bucket"), &["PRO-16", "ERR-07"], &rule, case);
    }
    suite
}

/// A method that a resource does not have answers 405. RFC 9110, 15.6.2, has 501 for one that the server does not know at all.
fn not_allowed(answer: Result<Answer, WireError>, method: &str) -> Checked {
    match answer.settle() {
        Err(Refusal::Answered { status: 501, .. }) if method == "PATCH" => expect::variant("501: a method that the server does not know"),
        answer => expect::no_feature(expect::error(answer, 405, "MethodNotAllowed"), "405 MethodNotAllowed"),
    }
}

fn methods(mut suite: Suite) -> Suite {
    for (name, method) in [("post", "POST"), ("patch", "PATCH")] {
        let rule = format!("{method} of an object without a query answers 405 MethodNotAllowed and changes nothing.");
        suite = suite.extended(&format!("unknown/{name}_on_object"), &["PRO-19"], &rule, move |fx| async move {
            fx.put("k", b"old").await?;
            let sent = fx.raw_object("Unknown", method, "k", "").body("new").send().await;
            fx.holds("k", b"old").await?;
            not_allowed(sent, method)
        });
    }
    suite
        .extended("unknown/put_on_service", &["PRO-19"], "PUT of the endpoint without a bucket answers 405 MethodNotAllowed.", async |fx| {
            not_allowed(fx.raw().exact("PUT", "/").operation("Unknown").body("x").send().await, "PUT")
        })
        .extended("unknown/delete_on_service", &["PRO-19"], "DELETE of the endpoint without a bucket answers 405 MethodNotAllowed.", async |fx| {
            not_allowed(fx.raw().exact("DELETE", "/").operation("Unknown").send().await, "DELETE")
        })
}

/// A refusal of a path that is no URI: by S3 with its code, or by HTTP itself with a bare 400.
fn no_uri(answer: Result<Answer, WireError>) -> Checked {
    match answer.settle() {
        Err(Refusal::Answered { status: 400, code }) if code.is_empty() => expect::variant("refused by HTTP itself, without a code"),
        other => expect::error(other, 400, "InvalidURI"),
    }
}

fn paths(mut suite: Suite) -> Suite {
    for (name, end) in [("invalid_utf_8", "%AE%8A-"), ("cut_utf_8", "%C3"), ("bad_escape", "%zz"), ("cut_escape", "a%2")] {
        let rule = format!("A path that ends in `{end}` answers 400 InvalidURI and stores nothing.");
        suite = suite.rare(&format!("put_object/path_with_{name}"), &["PRO-20"], &rule, move |fx| async move {
            let rest = format!("{}{end}", fx.prefix());
            fx.unlisted(&rest)?;
            let put = fx.raw().request("PUT", fx.bucket(), &rest).operation("PutObject").body("x").send().await;
            no_uri(put)?;
            expect::eq("keys", keys(&fx).await?, Vec::<String>::new())
        });
    }
    suite
}

/// Requests at once: enough to meet a limit of a small service, few enough not to be an attack.
const BURST: u64 = 192;

/// How one request of the burst ended: stored, or refused in a way that SDKs repeat.
fn stored(answer: impl proofmark::case::Answer) -> Checked<bool> {
    match answer.settle() {
        Ok(_) => Ok(true),
        Err(Refusal::Answered { status: 503, code })
            if ["SlowDown", "ServiceUnavailable", "SlowDownWrite", "SlowDownRead"].contains(&code.as_str()) =>
        {
            Ok(false)
        }
        Err(Refusal::Answered { status: 429, .. }) => Ok(false),
        Err(Refusal::NotSent(detail)) => Err(Finding::Unresolved(detail)),
        Err(other) => {
            let refused = expect::that("answer under load", false, "success, 503 with SlowDown or ServiceUnavailable, or 429", other.describe());
            refused.class(WrongEffect).map(|()| false)
        }
    }
}

fn overload(suite: Suite) -> Suite {
    suite
        .core(
            "put_object/burst",
            &["PRO-22"],
            "In a burst each PUT is stored or refused with 503 SlowDown or 429, and a refused one succeeds when it is repeated.",
            async |fx| {
                let put = |number: u64| fx.put_object(&format!("k{number}")).body(number.to_string().into_bytes().into()).send();
                let tasks: Vec<_> = (0..BURST).map(|number| tokio::spawn(put(number))).collect();
                let mut refused = Vec::new();
                for (number, task) in (0..).zip(tasks) {
                    let Ok(answer) = task.await else { return expect::unresolved("harness: a writer panicked") };
                    if !stored(answer)? {
                        refused.push(number);
                    }
                }
                fx.measure(Measure::share("burst_throttled_share", refused.len() as u64, BURST));
                for number in refused {
                    expect::ok(put(number).await)?;
                }
                expect::eq("keys", keys(&fx).await?.len() as u64, BURST)
            },
        )
        .sends(2 * BURST + 2)
        .impact(Impact::Overload)
        .dependents(&["every SDK's retries"])
}
