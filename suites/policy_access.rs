//! Suite `policy_access`: what bucket policies allow and deny to nobody in particular, to another account and to the owner.

use proofmark::case::{Answer, Checked, Finding, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use serde_json::{Value, json};

use super::policy::{allowed, anonymous, arn, denied, document, impose, impose_condition, lift, method, open, statement};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("policy_access").source("IAM user guide, Policy evaluation logic, and S3 user guide, Bucket policies");
    others(public(wildcards(owner(denials(readers(suite))))))
}

/// An action, the operation that it governs, and whether both orders of Allow and Deny are tried.
const DENIED: [(&str, &str, &str); 4] = [
    ("get_object/deny_beats_allow", "GetObject", "s3:GetObject"),
    ("put_object/deny_beats_allow", "PutObject", "s3:PutObject"),
    ("delete_object/deny_beats_allow", "DeleteObject", "s3:DeleteObject"),
    ("put_object_tagging/deny_beats_allow", "PutObjectTagging", "s3:PutObjectTagging"),
];

fn denials(mut suite: Suite) -> Suite {
    for (id, operation, action) in DENIED {
        let rule = format!("A Deny of {action} on some keys beats an Allow on all of them, and the object stays as it was.");
        let case = move |fx: Fixture| async move {
            fx.put("open", b"open").await?;
            fx.put("secret/k", b"secret").await?;
            let allow = statement(&fx, "Allow", &[action], &["/*"]);
            impose(&fx, &[allow, statement(&fx, "Deny", &[action], &["/secret/*"])]).await?;
            if operation == "PutObjectTagging" {
                let tag = || anonymous(&fx, operation, "secret/k", "?tagging").header("Content-MD5", proofmark::case::values::md5_base64(TAGS));
                expect::refused(tag().body(TAGS).send().await, 403, "AccessDenied")?;
                let tags = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key("secret/k").send().await)?;
                return expect::eq("tags", tags.tag_set().len(), 0).class(UnsafeIgnore);
            }
            allowed(&fx, operation, "open", "").await?;
            denied(&fx, operation, "secret/k", "").await?;
            // The owner is denied, too.
            lift(&fx).await?;
            fx.holds("secret/k", b"secret").await.class(UnsafeIgnore)
        };
        suite = open(suite.core(id, &["POL-07"], &rule, case));
    }
    suite = open(suite.core("list_objects_v2/deny_beats_allow", &["POL-07"], "A Deny of s3:ListBucket beats an Allow of it.", async |fx| {
        fx.put("open", b"open").await?;
        let allow = statement(&fx, "Allow", &["s3:GetObject", "s3:ListBucket"], &["", "/*"]);
        impose(&fx, &[allow, statement(&fx, "Deny", &["s3:ListBucket"], &[""])]).await?;
        allowed(&fx, "GetObject", "open", "").await?;
        denied(&fx, "ListObjectsV2", "", "?list-type=2").await
    }));
    suite
}

const TAGS: &[u8] = b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";

fn readers(suite: Suite) -> Suite {
    let suite = suite.core("get_object/deny_before_allow", &["POL-07"], "A Deny beats an Allow that stands behind it.", async |fx| {
        fx.put("open", b"open").await?;
        fx.put("secret/k", b"secret").await?;
        let deny = statement(&fx, "Deny", &["s3:GetObject"], &["/secret/*"]);
        impose(&fx, &[deny, statement(&fx, "Allow", &["s3:GetObject"], &["/*"])]).await?;
        allowed(&fx, "GetObject", "open", "").await?;
        denied(&fx, "GetObject", "secret/k", "").await
    });
    let suite = open(suite).core("get_object/deny_not_resource", &["POL-07"], "A Deny with NotResource spares only what it names.", async |fx| {
        fx.put("open/k", b"open").await?;
        fx.put("secret/k", b"secret").await?;
        let deny = json!({"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "NotResource": arn(&fx, "/open/*")});
        impose_condition(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/*"]), deny]).await?;
        allowed(&fx, "GetObject", "open/k", "").await?;
        denied(&fx, "GetObject", "secret/k", "").await
    });
    let suite = open(suite).core("get_object/deny_not_action", &["POL-07"], "A Deny with NotAction spares only what it names.", async |fx| {
        fx.put("k", b"secret").await?;
        let mut deny = json!({"Effect": "Deny", "Principal": "*", "NotAction": ["s3:ListBucket"]});
        deny["Resource"] = json!([arn(&fx, "/secret/*")]);
        fx.put("secret/k", b"secret").await?;
        impose_condition(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/*"]), deny]).await?;
        allowed(&fx, "GetObject", "k", "").await?;
        let refused = denied(&fx, "GetObject", "secret/k", "").await;
        // The owner is denied, too: the bucket could not be emptied.
        lift(&fx).await?;
        refused
    });
    let suite = open(suite).core("get_object/deny_beats_acl", &["POL-07"], "A Deny beats an ACL that makes the object public.", async |fx| {
        let put = fx.put_object("secret").acl(aws_sdk_s3::types::ObjectCannedAcl::PublicRead).body(b"x".to_vec().into());
        fx.set_up("PutObject with an ACL", put.send().await)?;
        if anonymous(&fx, "GetObject", "secret", "").send().await.settle().is_err() {
            return Err(Finding::Unsupported("an object's ACL public-read lets nobody read it".to_owned()));
        }
        impose(&fx, &[statement(&fx, "Deny", &["s3:GetObject"], &["/secret"])]).await?;
        denied(&fx, "GetObject", "secret", "").await
    });
    open(suite).needs(&["policy", "acl"])
}

/// What the owner is denied: id, operation, action, resource, query.
const OWNER: [(&str, &str, &str, &str, &str); 4] = [
    ("get_object/deny_binds_owner", "GetObject", "s3:GetObject", "/secret/*", ""),
    ("put_object/deny_binds_owner", "PutObject", "s3:PutObject", "/secret/*", ""),
    ("delete_object/deny_binds_owner", "DeleteObject", "s3:DeleteObject", "/secret/*", ""),
    ("list_objects_v2/deny_binds_owner", "ListObjectsV2", "s3:ListBucket", "", "?list-type=2"),
];

fn owner(mut suite: Suite) -> Suite {
    for denied in OWNER {
        let (id, operation, action, resource, query) = denied;
        let rule = format!("A Deny of {action} to everybody binds the bucket's owner, too.");
        let case = move |fx: Fixture| async move {
            fx.put("secret/k", b"secret").await?;
            impose(&fx, &[statement(&fx, "Deny", &[action], &[resource])]).await?;
            let name = if resource.is_empty() { "" } else { "secret/k" };
            let answer =
                fx.raw_object(operation, method(operation), name, query).body(if operation == "PutObject" { "new" } else { "" }).send().await;
            // Lifted whatever was answered, so that the bucket can be emptied.
            lift(&fx).await?;
            if answer.as_ref().is_ok_and(|answer| answer.status < 300) {
                return above_policies(&fx, denied).await;
            }
            expect::refused(answer, 403, "AccessDenied")?;
            fx.holds("secret/k", b"secret").await.class(UnsafeIgnore)
        };
        suite = suite.core(id, &["POL-07"], &rule, case).needs(&["policy"]).own_bucket();
    }
    suite
}

/// What the owner's success means. In AWS a Deny binds the root user of an account, too. The first credential of a server that one runs
/// oneself is often its administrator, whom the vendor puts above all policies; an account that is none tells whether owners are bound.
async fn above_policies(fx: &Fixture, (_, operation, action, resource, query): (&str, &str, &str, &str, &str)) -> Checked {
    let (Ok(alt), Ok(raw)) = (fx.alt(), fx.raw_alt()) else {
        return expect::variant("the first credential is above bucket policies, as administrators are; no second one shows what binds an owner");
    };
    let bucket = fx.new_bucket_name(1)?;
    let create = fx.create_bucket(&bucket).as_input().clone();
    fx.set_up("CreateBucket by the second account", create.send_with(alt).await)?;
    let put = alt.put_object().bucket(&bucket).key("secret/k").body(b"secret".to_vec().into());
    fx.set_up("PutObject by the second account", put.send().await)?;
    let mut deny = statement(fx, "Deny", &[action], &[]);
    deny["Resource"] = json!([format!("arn:aws:s3:::{bucket}{resource}")]);
    let put = alt.put_bucket_policy().bucket(&bucket).policy(document(&[deny]));
    fx.set_up("PutBucketPolicy by the second account", put.send().await)?;
    let rest = if resource.is_empty() { query.to_owned() } else { format!("secret/k{query}") };
    let request = raw.request(method(operation), &bucket, &rest).operation(operation);
    let answer = request.body(if operation == "PutObject" { "new" } else { "" }).send().await;
    // The policy may keep even its author from lifting it again.
    fx.set_up("DeleteBucketPolicy", fx.s3().delete_bucket_policy().bucket(&bucket).send().await)?;
    expect::refused(answer, 403, "AccessDenied")?;
    expect::variant("the first credential is above bucket policies, as administrators are; another account is bound in its own bucket")
}

/// A form of pattern: id, action, resource, a key that it matches and one that it does not.
const PATTERNS: [(&str, &str, &str, &str, &str); 13] = [
    ("prefix", "s3:GetObject", "/logs/*", "logs/a", "other/a"),
    ("suffix", "s3:GetObject", "/*.txt", "a.txt", "a.txt.gz"),
    ("middle", "s3:GetObject", "/a*z", "abcz", "abcy"),
    ("two_stars", "s3:GetObject", "/*/public/*", "x/public/y", "x/private/y"),
    ("star_crosses_slashes", "s3:GetObject", "/a*/z", "a/b/c/z", "b/b/c/z"),
    ("star_matches_nothing", "s3:GetObject", "/ab*", "ab", "a"),
    ("no_wildcard", "s3:GetObject", "/exact", "exact", "exactly"),
    ("question_mark", "s3:GetObject", "/k?y", "key", "keey"),
    ("question_mark_is_one", "s3:GetObject", "/key?", "key1", "key"),
    ("case_matters", "s3:GetObject", "/Key", "Key", "key"),
    ("action_star", "s3:Get*", "/k/*", "k/a", "other"),
    ("action_question_mark", "s3:G?tObject", "/k/*", "k/a", "other"),
    ("action_in_lower_case", "s3:getobject", "/k/*", "k/a", "other"),
];

/// A form of action: id, actions, the operation that is not covered.
const ACTIONS: [(&str, &str, &str); 4] = [
    ("delete_object/action_star_ends", "s3:Get*", "DeleteObject"),
    ("put_object/action_question_mark_ends", "s3:?etObject", "PutObject"),
    ("delete_object/action_suffix_star", "s3:GetObject*", "DeleteObject"),
    ("put_object/action_is_exact", "s3:GetObject", "PutObject"),
];

fn wildcards(mut suite: Suite) -> Suite {
    for (id, action, resource, inside, outside) in PATTERNS {
        let rule = format!("{action} on {resource} covers {inside} and not {outside}.");
        let case = move |fx: Fixture| async move {
            fx.put(inside, b"x").await?;
            fx.put(outside, b"x").await?;
            impose_condition(&fx, &[statement(&fx, "Allow", &[action], &[resource])]).await?;
            allowed(&fx, "GetObject", inside, "").await?;
            denied(&fx, "GetObject", outside, "").await
        };
        suite = open(suite.common(&format!("get_object/{id}"), &["POL-08"], &rule, case));
    }
    for (id, action, operation) in ACTIONS {
        let rule = format!("{action} covers GetObject and not {operation}.");
        let case = move |fx: Fixture| async move {
            fx.put("k", b"x").await?;
            impose(&fx, &[statement(&fx, "Allow", &[action], &["/*"])]).await?;
            allowed(&fx, "GetObject", "k", "").await?;
            denied(&fx, operation, "k", "").await?;
            fx.holds("k", b"x").await.class(UnsafeIgnore)
        };
        suite = open(suite.common(id, &["POL-08"], &rule, case));
    }
    suite
}

/// What nobody in particular may not do where everybody may read objects: id, operation, name, query.
const CLOSED: [(&str, &str, &str, &str); 14] = [
    ("put_object/public_read", "PutObject", "k", ""),
    ("delete_object/public_read", "DeleteObject", "k", ""),
    ("list_objects/public_read", "ListObjects", "", ""),
    ("list_objects_v2/public_read", "ListObjectsV2", "", "?list-type=2"),
    ("list_object_versions/public_read", "ListObjectVersions", "", "?versions"),
    ("list_multipart_uploads/public_read", "ListMultipartUploads", "", "?uploads"),
    ("head_bucket/public_read", "HeadBucket", "", ""),
    ("get_bucket_location/public_read", "GetBucketLocation", "", "?location"),
    ("get_bucket_policy/public_read", "GetBucketPolicy", "", "?policy"),
    ("delete_bucket_policy/public_read", "DeleteBucketPolicy", "", "?policy"),
    ("get_bucket_versioning/public_read", "GetBucketVersioning", "", "?versioning"),
    ("get_object_acl/public_read", "GetObjectAcl", "k", "?acl"),
    ("get_object_tagging/public_read", "GetObjectTagging", "k", "?tagging"),
    ("create_multipart_upload/public_read", "CreateMultipartUpload", "new", "?uploads"),
];

fn public(mut suite: Suite) -> Suite {
    for (id, operation, query) in [("get_object/public", "GetObject", ""), ("head_object/public", "HeadObject", "")] {
        let rule = format!("Everybody may {operation} where s3:GetObject is allowed to everybody.");
        let case = move |fx: Fixture| async move {
            fx.put("k", b"public").await?;
            impose(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/*"])]).await?;
            allowed(&fx, operation, "k", query).await
        };
        suite = open(suite.common(id, &["POL-10"], &rule, case)).dependents(&["public data sets"]);
    }
    for (id, operation, name, query) in CLOSED {
        let rule = format!("s3:GetObject for everybody does not allow {operation}.");
        let case = move |fx: Fixture| async move {
            fx.put("k", b"public").await?;
            impose(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/*"])]).await?;
            allowed(&fx, "GetObject", "k", "").await?;
            denied(&fx, operation, name, query).await?;
            fx.holds("k", b"public").await.class(UnsafeIgnore)
        };
        suite = open(suite.common(id, &["POL-10"], &rule, case)).dependents(&["public data sets"]);
    }
    open(suite.common("get_object/private_again", &["POL-10"], "Without its policy a bucket is private again.", async |fx| {
        fx.put("k", b"public").await?;
        impose(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/*"])]).await?;
        allowed(&fx, "GetObject", "k", "").await?;
        lift(&fx).await?;
        denied(&fx, "GetObject", "k", "").await
    }))
}

/// The second account as this vendor names it in a policy: vendors differ, so what works is found by trying.
async fn other_account(fx: &Fixture) -> Checked<Value> {
    let id = fx.set_up("ListBuckets of the second account", fx.alt()?.list_buckets().send().await)?.owner.and_then(|owner| owner.id);
    let id = id.unwrap_or_default();
    let forms = [
        json!({"CanonicalUser": id}),
        json!({"AWS": format!("arn:aws:iam:::user/{id}")}),
        json!({"AWS": id}),
        json!({"AWS": format!("arn:aws:iam::{id}:root")}),
    ];
    for form in forms {
        let mut allow = statement(fx, "Allow", &["s3:ListBucket"], &[""]);
        allow["Principal"] = form.clone();
        let put = fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(document(&[allow])).send().await;
        if put.is_ok() && fx.alt()?.list_objects_v2().bucket(fx.bucket()).send().await.is_ok() {
            return Ok(form);
        }
    }
    expect::unresolved("set-up: no known form of principal names the second account so that it may list")
}

/// What the second account is granted and then does: id, operation, action, resource, query.
const GRANTED: [(&str, &str, &str, &str, &str); 4] = [
    ("list_objects_v2", "ListObjectsV2", "s3:ListBucket", "", "?list-type=2"),
    ("get_object", "GetObject", "s3:GetObject", "/*", ""),
    ("put_object", "PutObject", "s3:PutObject", "/*", ""),
    ("delete_object", "DeleteObject", "s3:DeleteObject", "/*", ""),
];

fn others(mut suite: Suite) -> Suite {
    for (id, operation, action, resource, query) in GRANTED {
        for is_granted in [true, false] {
            let (word, rule) = match is_granted {
                true => ("granted", format!("A second account may {operation} where a policy allows it {action}.")),
                false => ("not_granted", format!("A second account that is allowed everything but {action} may not {operation}.")),
            };
            let case = move |fx: Fixture| async move {
                fx.put("k", b"mine").await?;
                let account = other_account(&fx).await?;
                let granted = GRANTED.iter().filter(|(_, _, other, _, _)| (*other == action) == is_granted);
                let statements: Vec<Value> = granted.map(|(_, _, action, resource, _)| granted_to(&fx, &account, action, resource)).collect();
                impose(&fx, &statements).await?;
                let name = if resource.is_empty() { "" } else { "k" };
                let rest = format!("{name}{query}");
                let request = fx.raw_alt()?.request(method(operation), fx.bucket(), &rest).operation(operation);
                let answer = request.body(if operation == "PutObject" { "new" } else { "" }).send().await;
                if is_granted {
                    let answer = expect::ok(answer)?;
                    return match operation {
                        "ListObjectsV2" => expect::eq("Key", answer.element("Key"), Some(fx.key("k"))),
                        "GetObject" => expect::eq("body", answer.text(), "mine"),
                        _ => Ok(()),
                    };
                }
                expect::refused(answer, 403, "AccessDenied")?;
                fx.holds("k", b"mine").await.class(UnsafeIgnore)
            };
            suite = suite.common(&format!("{id}/second_account_{word}"), &["POL-06"], &rule, case).needs(&["policy"]).needs_alt().own_bucket();
        }
    }
    suite
        .common("get_object/second_account_without_policy", &["POL-06"], "A second account may not read where no policy allows it.", async |fx| {
            fx.put("k", b"mine").await?;
            let got = fx.alt()?.get_object().bucket(fx.bucket()).key("k").send().await.settle();
            expect::refused(got, 403, "AccessDenied")
        })
        .needs_alt()
        .own_bucket()
}

fn granted_to(fx: &Fixture, account: &Value, action: &str, resource: &str) -> Value {
    let mut allow = statement(fx, "Allow", &[action], &[resource]);
    allow["Principal"] = account.clone();
    allow
}
