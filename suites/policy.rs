//! Suite `policy`: the life of a bucket policy, and what all policy suites share.

use std::time::Duration;

use proofmark::case::values::encode_path;
use proofmark::case::{Answer, Checked, Finding, Fixture, Refusal, Suite, expect};
use proofmark::model::Impact;
use proofmark::wire::RawRequest;
use serde_json::{Value, json};

/// The name of a bucket's resource, or of what `rest` says below it.
pub fn arn(fx: &Fixture, rest: &str) -> String {
    format!("arn:aws:s3:::{}{rest}", fx.bucket())
}

/// A statement about everybody; `resources` begin with `/`, or are empty for the bucket itself.
pub fn statement(fx: &Fixture, effect: &str, actions: &[&str], resources: &[&str]) -> Value {
    let resources: Vec<String> = resources.iter().map(|rest| arn(fx, rest)).collect();
    json!({"Effect": effect, "Principal": "*", "Action": actions, "Resource": resources})
}

/// The same with a condition, which is JSON.
pub fn conditional(fx: &Fixture, effect: &str, actions: &[&str], resources: &[&str], condition: &str) -> Value {
    let mut statement = statement(fx, effect, actions, resources);
    statement["Condition"] = serde_json::from_str(&condition.replace("BUCKET", fx.bucket())).unwrap_or_default();
    statement
}

/// A policy of these statements.
pub fn document(statements: &[Value]) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// Lets policies speak of everybody where the vendor blocks that for new buckets. Where there is no such block, the request is refused and
/// nothing changes. Never a DELETE: a server that does not know the query would take it for the deletion of the bucket.
pub async fn lift_block(fx: &Fixture) {
    let off = aws_sdk_s3::types::PublicAccessBlockConfiguration::builder();
    let off = off.block_public_acls(false).ignore_public_acls(false).block_public_policy(false).restrict_public_buckets(false).build();
    let _ = fx.s3().put_public_access_block().bucket(fx.bucket()).public_access_block_configuration(off).send().await;
}

/// Prepares a policy.
pub async fn impose(fx: &Fixture, statements: &[Value]) -> Checked {
    lift_block(fx).await;
    fx.set_up("PutBucketPolicy", fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(document(statements)).send().await).map(drop)
}

/// Prepares a policy with an element that vendors may not have: its refusal is a clean one.
pub async fn impose_condition(fx: &Fixture, statements: &[Value]) -> Checked {
    lift_block(fx).await;
    put_if_known(fx, &document(statements)).await
}

async fn put_if_known(fx: &Fixture, policy: &str) -> Checked {
    let put = fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(policy).send().await.settle();
    if let Err(Refusal::Answered { status: 400, code }) = &put {
        return Err(Finding::Unsupported(format!("a policy with this condition or element is refused: 400 {code}")));
    }
    fx.set_up("PutBucketPolicy", put).map(drop)
}

/// Lifts a policy that a case imposed on the owner, so that the bucket can be emptied.
pub async fn lift(fx: &Fixture) -> Checked {
    fx.set_up("DeleteBucketPolicy", fx.s3().delete_bucket_policy().bucket(fx.bucket()).send().await).map(drop)
}

/// The HTTP method of an operation.
pub fn method(operation: &str) -> &'static str {
    let starts = |words: &[&str]| words.iter().any(|word| operation.starts_with(word));
    match operation {
        "DeleteObjects" => "POST",
        _ if starts(&["Get", "List"]) => "GET",
        _ if starts(&["Head"]) => "HEAD",
        _ if starts(&["Put", "Upload", "Copy"]) => "PUT",
        _ if starts(&["Delete", "Abort"]) => "DELETE",
        _ => "POST",
    }
}

/// A request of nobody for an object.
pub fn anonymous(fx: &Fixture, operation: &str, name: &str, query: &str) -> RawRequest {
    anonymous_at(fx, operation, &format!("{}{query}", encode_path(name)))
}

/// A request of nobody for what follows the bucket's name, sent as it stands.
pub fn anonymous_at(fx: &Fixture, operation: &str, rest: &str) -> RawRequest {
    fx.raw().request(method(operation), fx.bucket(), rest).operation(operation).anonymous()
}

/// What every case with a policy for everybody needs.
pub fn open(suite: Suite) -> Suite {
    suite.needs(&["policy"]).own_bucket().impact(Impact::Public)
}

/// Vendors may document that a new policy takes a moment.
const IN_FORCE: Duration = Duration::from_secs(2);

fn body_of(operation: &str) -> &'static str {
    if operation.starts_with("Put") { "new" } else { "" }
}

/// Claims that nobody in particular may do this.
pub async fn allowed(fx: &Fixture, operation: &str, name: &str, query: &str) -> Checked {
    let send = || async { expect::ok(anonymous(fx, operation, name, query).body(body_of(operation)).send().await).map(drop) };
    fx.eventually(IN_FORCE, send).await
}

/// Claims that nobody in particular may do that.
pub async fn denied(fx: &Fixture, operation: &str, name: &str, query: &str) -> Checked {
    let code = if operation.starts_with("Head") { "" } else { "AccessDenied" };
    expect::refused(anonymous(fx, operation, name, query).body(body_of(operation)).send().await, 403, code)
}

/// Claims that there is no policy.
pub async fn none(fx: &Fixture) -> Checked {
    expect::error(fx.s3().get_bucket_policy().bucket(fx.bucket()).send().await, 404, "NoSuchBucketPolicy")
}

/// The suite.
pub fn suite() -> Suite {
    round_trips(life(Suite::new("policy").source("S3 API reference, PutBucketPolicy, GetBucketPolicy and DeleteBucketPolicy")))
}

fn life(suite: Suite) -> Suite {
    suite
        .common(
            "put_bucket_policy/put",
            &["POL-01"],
            "PutBucketPolicy answers 204 or 200, and GetBucketPolicy answers 200 with a policy.",
            async |fx| {
                let policy = document(&[statement(&fx, "Deny", &["s3:GetObject"], &["/secret/*"])]);
                expect::ok(fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(policy).send().await)?;
                let got = expect::ok(fx.s3().get_bucket_policy().bucket(fx.bucket()).send().await)?;
                expect::some("policy", got.policy).map(drop)
            },
        )
        .needs(&["policy"])
        .own_bucket()
        .dependents(&["Terraform"])
        .common("get_bucket_policy/none", &["POL-01"], "GetBucketPolicy without a policy answers 404 NoSuchBucketPolicy.", async |fx| none(&fx).await)
        .needs(&["policy"])
        .own_bucket()
        .dependents(&["Terraform"])
        .common("delete_bucket_policy/delete", &["POL-01"], "DeleteBucketPolicy answers 204 and removes the policy.", async |fx| {
            impose(&fx, &[statement(&fx, "Deny", &["s3:GetObject"], &["/secret/*"])]).await?;
            expect::ok(fx.s3().delete_bucket_policy().bucket(fx.bucket()).send().await)?;
            none(&fx).await
        })
        .needs(&["policy"])
        .own_bucket()
        .dependents(&["Terraform"])
        .common("delete_bucket_policy/none", &["POL-01"], "DeleteBucketPolicy without a policy answers 204.", async |fx| {
            expect::ok(fx.s3().delete_bucket_policy().bucket(fx.bucket()).send().await).map(drop)
        })
        .needs(&["policy"])
        .own_bucket()
        .common("put_bucket_policy/replaces", &["POL-01"], "A second PutBucketPolicy replaces the first policy as a whole.", async |fx| {
            impose(&fx, &[statement(&fx, "Deny", &["s3:GetObject"], &["/first/*"])]).await?;
            let second = document(&[statement(&fx, "Deny", &["s3:GetObject"], &["/second/*"])]);
            expect::ok(fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(second).send().await)?;
            let got = expect::ok(fx.s3().get_bucket_policy().bucket(fx.bucket()).send().await)?.policy.unwrap_or_default();
            expect::that("policy", got.contains("/second/*") && !got.contains("/first/*"), "the second policy only", &got)
        })
        .needs(&["policy"])
        .own_bucket()
}

/// Policies of several shapes, all denials.
const SHAPES: [(&str, &str, &str); 6] = [
    ("words", "with words instead of lists", r#"[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/x/*"}]"#),
    (
        "lists",
        "with lists of actions and resources",
        r#"[{"Effect":"Deny","Principal":{"AWS":["*"]},"Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::BUCKET/x/*","arn:aws:s3:::BUCKET/y/*"]}]"#,
    ),
    (
        "two_statements",
        "with two statements and their Sids",
        r#"[{"Sid":"First","Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/x/*"},
            {"Sid":"Second","Effect":"Deny","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::BUCKET"}]"#,
    ),
    (
        "condition",
        "with a condition",
        r#"[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/x/*","Condition":{"IpAddress":{"aws:SourceIp":["192.0.2.0/24","198.51.100.0/24"]}}}]"#,
    ),
    ("not_action", "with NotAction", r#"[{"Effect":"Deny","Principal":"*","NotAction":"s3:*","Resource":"arn:aws:s3:::BUCKET/x/*"}]"#),
    ("not_resource", "with NotResource", r#"[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","NotResource":"arn:aws:s3:::BUCKET/*"}]"#),
];

/// The policy's meaning in one form: lists sorted, a single value as a list of one, everybody as `{"AWS": ["*"]}`.
fn meaning(value: &Value, field: &str) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(name, value)| !(*name == "Sid" && value.as_str() == Some("")));
            kept.map(|(name, value)| (name.clone(), meaning(value, name))).collect()
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| if item.is_string() { item.clone() } else { meaning(item, field) }).collect();
            items.sort_by_key(Value::to_string);
            Value::Array(items)
        }
        Value::String(_) if ["Version", "Effect", "Sid", "Id"].contains(&field) => value.clone(),
        Value::String(name) if field == "Principal" => json!({"AWS": [name]}),
        other => json!([other]),
    }
}

fn round_trips(mut suite: Suite) -> Suite {
    for (id, what, statements) in SHAPES {
        let rule = format!("GetBucketPolicy returns a policy {what} with the meaning that it was put with.");
        let case = move |fx: Fixture| async move {
            let statements: Value = serde_json::from_str(&statements.replace("BUCKET", fx.bucket())).unwrap_or_default();
            let policy = json!({"Version": "2012-10-17", "Statement": statements});
            put_if_known(&fx, &policy.to_string()).await?;
            let got = expect::ok(fx.s3().get_bucket_policy().bucket(fx.bucket()).send().await)?.policy.unwrap_or_default();
            let got: Value = serde_json::from_str(&got).unwrap_or_default();
            expect::eq("policy", meaning(&got, "").to_string(), meaning(&policy, "").to_string())
        };
        suite = suite.common(&format!("get_bucket_policy/{id}"), &["POL-02"], &rule, case).needs(&["policy"]).own_bucket().dependents(&["Terraform"]);
    }
    suite
}
