//! Suite `policy_document`: bucket policies that are wrong, odd or too long.

use proofmark::case::{Answer, Checked, Fixture, Suite, expect};
use serde_json::{Value, json};

use super::policy::{document, lift_block, none, statement};

/// Claims that a policy is refused as malformed and not stored.
async fn turned_down(fx: &Fixture, policy: &str, accepted: &[(u16, &str)]) -> Checked {
    lift_block(fx).await;
    let put = fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(policy.replace("BUCKET", fx.bucket())).send().await;
    expect::error_as(put, accepted)?;
    none(fx).await
}

const MALFORMED: [(u16, &str); 1] = [(400, "MalformedPolicy")];

/// What is wrong and the policy, `BUCKET` standing for the bucket's name. All are denials, so that none opens anything if it is accepted.
const WRONG: [(&str, &str, &str); 21] = [
    ("not_json", "that is not JSON", "{\"Version\":\"2012-10-17\",\"Statement\":[}"),
    ("a_list", "that is a JSON list", "[]"),
    ("no_statement", "without Statement", r#"{"Version":"2012-10-17"}"#),
    ("empty_statement", "with an empty Statement", r#"{"Version":"2012-10-17","Statement":[]}"#),
    (
        "no_effect",
        "without Effect",
        r#"{"Version":"2012-10-17","Statement":[{"Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "empty_effect",
        "with an empty Effect",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "lower_case_effect",
        "with a lower-case Effect",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "unknown_effect",
        "with an unknown Effect",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Forbid","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    ("no_action", "without Action", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Resource":"arn:aws:s3:::BUCKET/*"}]}"#),
    (
        "empty_action",
        "with an empty list of actions",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":[],"Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "unknown_action",
        "with an action that S3 does not have",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetNothingAtAll","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "action_without_service",
        "with an action that names no service",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "action_of_another_service",
        "with an action of another service",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"ec2:RunInstances","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "no_principal",
        "without Principal",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "empty_principal",
        "with an empty Principal",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "no_name_in_principal",
        "whose Principal names nobody",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"AWS":[]},"Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    (
        "unknown_kind_of_principal",
        "with an unknown kind of principal",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":{"Person":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
    ("no_resource", "without Resource", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject"}]}"#),
    (
        "empty_resource",
        "with an empty list of resources",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":[]}]}"#,
    ),
    (
        "resource_without_arn",
        "whose resource is no ARN",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"BUCKET/*"}]}"#,
    ),
    (
        "unknown_field",
        "with an unknown field in a statement",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*","Colour":"red"}]}"#,
    ),
];

/// As above, for what is well formed and still cannot be meant.
const MISMATCHED: [(&str, &str, &str); 3] = [
    (
        "other_bucket",
        "for a resource of another bucket",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::other-BUCKET/*"}]}"#,
    ),
    (
        "object_action_on_bucket",
        "with an action on objects and the bucket as its resource",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET"}]}"#,
    ),
    (
        "bucket_action_on_objects",
        "with an action on the bucket and objects as its resource",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:ListBucket","Resource":"arn:aws:s3:::BUCKET/*"}]}"#,
    ),
];

const PRINCIPALS: [(&str, &str, &str); 3] = [
    ("account", "an account that does not exist", r#"{"AWS":"arn:aws:iam::000000000000:root"}"#),
    ("user", "a user who does not exist", r#"{"AWS":"arn:aws:iam::000000000000:user/nobody-of-this-name"}"#),
    ("word", "a word that is no ARN", r#"{"AWS":"nobody-of-this-name"}"#),
];

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("policy_document").source("S3 API reference, PutBucketPolicy, and IAM user guide, Grammar of the JSON policy language");
    oddities(versions(malformed(suite)))
}

fn malformed(mut suite: Suite) -> Suite {
    for (id, what, policy) in WRONG {
        let rule = format!("A policy {what} answers 400 MalformedPolicy and is not stored.");
        let case = move |fx| async move { turned_down(&fx, policy, &MALFORMED).await };
        suite = suite.common(&format!("put_bucket_policy/{id}"), &["POL-03"], &rule, case).needs(&["policy"]).own_bucket();
    }
    let rule = "A policy without a byte answers 400 MalformedPolicy and is not stored.";
    suite = suite.common("put_bucket_policy/empty_body", &["POL-03"], rule, async |fx| {
        turned_down(&fx, "", &[(400, "MalformedPolicy"), (400, "MissingRequestBodyError"), (400, "MissingRequestBody"), (411, "")]).await
    });
    suite = suite.needs(&["policy"]).own_bucket();
    for (id, what, policy) in MISMATCHED {
        let rule = format!("A policy {what} answers 400 MalformedPolicy and is not stored.");
        let case = move |fx| async move { turned_down(&fx, policy, &MALFORMED).await };
        suite = suite.extended(&format!("put_bucket_policy/{id}"), &["POL-04"], &rule, case).needs(&["policy"]).own_bucket();
    }
    for (id, what, principal) in PRINCIPALS {
        let rule = format!("A policy for {what} answers 400 MalformedPolicy and is not stored.");
        let case = move |fx: Fixture| async move {
            let mut statement = statement(&fx, "Deny", &["s3:GetObject"], &["/*"]);
            statement["Principal"] = serde_json::from_str(principal).unwrap_or_default();
            turned_down(&fx, &document(&[statement]), &MALFORMED).await
        };
        suite = suite.extended(&format!("put_bucket_policy/unknown_{id}"), &["POL-05"], &rule, case).needs(&["policy"]).own_bucket();
    }
    suite
}

/// Values of Version (JSON, empty = left out) and whether they are valid.
const VERSIONS: [(&str, &str, bool); 6] = [
    ("of_2012", "\"2012-10-17\"", true),
    ("of_2008", "\"2008-10-17\"", true),
    ("left_out", "", true),
    ("unknown", "\"2020-01-01\"", false),
    ("empty", "\"\"", false),
    ("a_number", "2012", false),
];

fn versions(mut suite: Suite) -> Suite {
    for (id, version, is_valid) in VERSIONS {
        let answer = if is_valid { "is accepted" } else { "answers 400 MalformedPolicy" };
        let rule = format!("A policy whose Version is {} {answer}.", id.replace('_', " "));
        let case = move |fx: Fixture| async move {
            let mut policy = json!({"Statement": [statement(&fx, "Deny", &["s3:GetObject"], &["/x/*"])]});
            if let Ok(version) = serde_json::from_str::<Value>(version) {
                policy["Version"] = version;
            }
            if !is_valid {
                return turned_down(&fx, &policy.to_string(), &MALFORMED).await;
            }
            expect::ok(fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(policy.to_string()).send().await).map(drop)
        };
        suite = suite.rare(&format!("put_bucket_policy/version_{id}"), &["POL-19"], &rule, case).needs(&["policy"]).own_bucket();
    }
    suite
}

fn oddities(suite: Suite) -> Suite {
    suite
        .rare("put_bucket_policy/sid_twice", &["POL-19"], "A policy that uses one Sid twice answers 400 MalformedPolicy.", async |fx| {
            let mut same = statement(&fx, "Deny", &["s3:GetObject"], &["/x/*"]);
            same["Sid"] = json!("Same");
            match fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(document(&[same.clone(), same])).send().await.settle() {
                // IAM demands unique Sids of its own policies and leaves them to the services otherwise.
                Ok(_) => expect::variant("accepted: Sids need not be unique"),
                refused => expect::error(refused, 400, "MalformedPolicy"),
            }
        })
        .needs(&["policy"])
        .own_bucket()
        .source("IAM user guide, AWS JSON policy elements: NotPrincipal")
        .rare("put_bucket_policy/not_principal_with_allow", &["POL-18"], "NotPrincipal with Allow answers 400 MalformedPolicy.", async |fx| {
            let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotPrincipal":{"AWS":"*"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::BUCKET/*"}]}"#;
            turned_down(&fx, policy, &MALFORMED).await
        })
        .needs(&["policy"])
        .own_bucket()
        .source("S3 user guide, Bucket policies: size limit of 20 KB")
        .rare("put_bucket_policy/over_20_kib", &["POL-24"], "A policy of more than 20 KiB is refused with 400, or stored whole.", async |fx| {
            let prefixes: Vec<String> = (0..400).map(|number| format!("/{number:040}/*")).collect();
            let resources: Vec<&str> = prefixes.iter().map(String::as_str).collect();
            let policy = document(&[statement(&fx, "Deny", &["s3:GetObject"], &resources)]);
            let put = fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(&policy).send().await.settle();
            if put.is_err() {
                let codes = [(400, "PolicyTooLarge"), (400, "MalformedPolicy"), (400, "EntityTooLarge"), (413, "EntityTooLarge"), (400, "InvalidArgument")];
                return expect::error_as(put, &codes);
            }
            let got = expect::ok(fx.s3().get_bucket_policy().bucket(fx.bucket()).send().await)?.policy.unwrap_or_default();
            let kept = (0..400).filter(|number| got.contains(&format!("{number:040}"))).count();
            expect::eq("resources of the stored policy", kept, 400)?;
            expect::variant(format!("a policy of {} bytes is stored whole", policy.len()))
        })
        .needs(&["policy"])
        .own_bucket()
}
