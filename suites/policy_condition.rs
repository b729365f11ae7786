//! Suite `policy_condition`: conditions of bucket policies, one outcome of one condition each.

use proofmark::case::{Answer, Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;

use super::policy::{anonymous, conditional, impose_condition, open, statement};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("policy_condition").source("Service authorization reference, Condition keys for Amazon S3");
    referers(listings(encryption(copies(puts(tags(suite))))))
}

/// One request and what a condition makes of it: id, query and headers, and whether it is allowed.
type Try = (&'static str, &'static str, &'static [(&'static str, &'static str)], bool);

/// Sends a request of nobody in particular with these headers and judges whether it was let through.
async fn judge(fx: &Fixture, operation: &str, name: &str, (_, query, headers, is_allowed): Try) -> Checked {
    let mut request = anonymous(fx, operation, name, query).body(if operation == "PutObject" { "new" } else { "" });
    for (name, value) in headers {
        request = request.header(name, value.replace("BUCKET", fx.bucket()));
    }
    let answer = request.send().await;
    if is_allowed {
        return expect::ok(answer).map(drop);
    }
    expect::refused(answer, 403, "AccessDenied")?;
    if operation == "PutObject" || operation == "CopyObject" { fx.absent(name).await.class(UnsafeIgnore) } else { Ok(()) }
}

fn word(is_allowed: bool) -> &'static str {
    if is_allowed { "allowed" } else { "denied" }
}

const RED: &str = r#"{"StringEquals":{"s3:ExistingObjectTag/colour":"red"}}"#;

fn tags(mut suite: Suite) -> Suite {
    let operations = [
        ("get_object", "GetObject", "s3:GetObject", ""),
        ("get_object_tagging", "GetObjectTagging", "s3:GetObjectTagging", "?tagging"),
        ("get_object_acl", "GetObjectAcl", "s3:GetObjectAcl", "?acl"),
    ];
    for (id, operation, action, query) in operations {
        for (kind, tagging, is_allowed) in [("equal", "colour=red", true), ("other", "colour=blue", false), ("missing", "", false)] {
            let rule = format!("{operation} of an object whose tag is {kind} to that of s3:ExistingObjectTag is {}.", word(is_allowed));
            let case = move |fx: Fixture| async move {
                let put = fx.put_object("k").set_tagging(Some(tagging.to_owned()).filter(|tagging| !tagging.is_empty()));
                fx.set_up("PutObject with tags", put.body(b"x".to_vec().into()).send().await)?;
                impose_condition(&fx, &[conditional(&fx, "Allow", &[action], &["/*"], RED)]).await?;
                judge(&fx, operation, "k", ("", query, &[], is_allowed)).await
            };
            suite = open(suite.rare(&format!("{id}/existing_tag_{kind}"), &["POL-12"], &rule, case));
            suite = suite.needs(if id == "get_object_acl" { &["policy", "tagging", "acl"] } else { &["policy", "tagging"] });
        }
    }
    suite
}

/// A condition on PUT: id, effect, action, condition, requests. A Deny stands beside an Allow of everything.
const PUTS: [(&str, &str, &str, &[Try]); 4] = [
    (
        "request_tag",
        "Allow",
        r#"{"StringEquals":{"s3:RequestObjectTag/colour":"red"}}"#,
        &[
            ("equal", "", &[("x-amz-tagging", "colour=red")], true),
            ("other", "", &[("x-amz-tagging", "colour=blue")], false),
            ("missing", "", &[], false),
        ],
    ),
    (
        "acl",
        "Deny",
        r#"{"StringLike":{"s3:x-amz-acl":"public*"}}"#,
        &[
            ("public", "", &[("x-amz-acl", "public-read")], false),
            ("private", "", &[("x-amz-acl", "bucket-owner-full-control")], true),
            ("missing", "", &[], true),
        ],
    ),
    (
        "grant_read",
        "Deny",
        r#"{"StringLike":{"s3:x-amz-grant-read":"*AllUsers*"}}"#,
        &[("present", "", &[("x-amz-grant-read", "uri=\"http://acs.amazonaws.com/groups/global/AllUsers\"")], false), ("missing", "", &[], true)],
    ),
    (
        "acl_if_exists",
        "Deny",
        r#"{"StringNotEqualsIfExists":{"s3:x-amz-acl":"bucket-owner-full-control"}}"#,
        &[
            ("equal", "", &[("x-amz-acl", "bucket-owner-full-control")], true),
            ("other", "", &[("x-amz-acl", "public-read")], false),
            ("missing", "", &[], false),
        ],
    ),
];

/// A condition over the actions of a PUT, the first of which is `s3:PutObject`; where that is denied, all of them are allowed otherwise.
async fn impose_on_puts(fx: &Fixture, effect: &str, actions: &[&str], condition: &str) -> Checked {
    let mut statements = vec![conditional(fx, effect, if effect == "Deny" { &actions[..1] } else { actions }, &["/*"], condition)];
    if effect == "Deny" {
        statements.push(statement(fx, "Allow", actions, &["/*"]));
    }
    impose_condition(fx, &statements).await
}

fn puts(mut suite: Suite) -> Suite {
    for (id, effect, condition, tries) in PUTS {
        // A PUT with tags or an ACL needs their action, too. No other is named: a server may refuse a policy for an action that it does not know.
        let actions: &[&str] = if id == "request_tag" { &["s3:PutObject", "s3:PutObjectTagging"] } else { &["s3:PutObject", "s3:PutObjectAcl"] };
        for one in tries {
            let rule = format!("A PUT whose {} is {} is {} by a condition on it.", id.replace('_', " "), one.0, word(one.3));
            let case = move |fx: Fixture| async move {
                impose_on_puts(&fx, effect, actions, condition).await?;
                judge(&fx, "PutObject", "k", *one).await
            };
            let row = if id == "acl_if_exists" { "POL-17" } else { "POL-13" };
            suite = open(suite.rare(&format!("put_object/{id}_{}", one.0), &[row], &rule, case));
            suite = match id {
                "request_tag" => suite.needs(&["policy", "tagging"]),
                _ => suite.needs(&["policy", "acl"]),
            };
        }
    }
    suite
}

/// A condition on copies and requests that it decides on.
const COPIES: [(&str, &str, &[Try]); 2] = [
    (
        "source",
        r#"{"StringLike":{"s3:x-amz-copy-source":"BUCKET/public/*"}}"#,
        &[("inside", "", &[("x-amz-copy-source", "BUCKET/public/k")], true), ("outside", "", &[("x-amz-copy-source", "BUCKET/private/k")], false)],
    ),
    (
        "directive",
        r#"{"StringEquals":{"s3:x-amz-metadata-directive":"COPY"}}"#,
        &[
            ("equal", "", &[("x-amz-copy-source", "BUCKET/public/k"), ("x-amz-metadata-directive", "COPY")], true),
            ("other", "", &[("x-amz-copy-source", "BUCKET/public/k"), ("x-amz-metadata-directive", "REPLACE")], false),
            ("missing", "", &[("x-amz-copy-source", "BUCKET/public/k")], false),
        ],
    ),
];

fn copies(mut suite: Suite) -> Suite {
    for (id, condition, tries) in COPIES {
        for one in tries {
            let rule = format!("A copy whose {id} is {} to a condition on it is {}.", one.0, word(one.3));
            let case = move |fx: Fixture| async move {
                fx.put("public/k", b"x").await?;
                fx.put("private/k", b"x").await?;
                let read = statement(&fx, "Allow", &["s3:GetObject"], &["/*"]);
                impose_condition(&fx, &[read, conditional(&fx, "Allow", &["s3:PutObject"], &["/*"], condition)]).await?;
                judge(&fx, "CopyObject", "copy", *one).await
            };
            suite = open(suite.rare(&format!("copy_object/{id}_{}", one.0), &["POL-13"], &rule, case));
        }
    }
    suite
}

const AES256: &[(&str, &str)] = &[("x-amz-server-side-encryption", "AES256")];
const KMS: &[(&str, &str)] = &[("x-amz-server-side-encryption", "aws:kms")];

/// Denials of PUTs that are not encrypted as they should be.
const ENCRYPTED: [(&str, &str, &[Try]); 3] = [
    ("header_is_null", r#"{"Null":{"s3:x-amz-server-side-encryption":"true"}}"#, &[("plain", "", &[], false), ("aes256", "", AES256, true)]),
    (
        "header_not_equal",
        r#"{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}}"#,
        &[("plain", "", &[], false), ("aes256", "", AES256, true), ("kms", "", KMS, false)],
    ),
    (
        "header_not_like",
        r#"{"StringNotLike":{"s3:x-amz-server-side-encryption":"aws:*"}}"#,
        &[("plain", "", &[], false), ("aes256", "", AES256, false)],
    ),
];

fn encryption(mut suite: Suite) -> Suite {
    for (id, condition, tries) in ENCRYPTED {
        for one in tries {
            let rule = format!("A {} PUT is {} where a policy denies those whose encryption {}.", one.0, word(one.3), id.replace('_', " "));
            let case = move |fx: Fixture| async move {
                impose_on_puts(&fx, "Deny", &["s3:PutObject"], condition).await?;
                judge(&fx, "PutObject", "k", *one).await
            };
            let rows = if one.0 == "plain" { &["POL-14", "SSE-19"][..] } else { &["POL-14"] };
            suite = open(suite.extended(&format!("put_object/{id}_{}", one.0), rows, &rule, case));
            suite = if one.3 { suite.needs(&["policy", "encryption"]) } else { suite };
        }
    }
    let rule = "A PUT with a customer's key is denied where a policy denies those that name its algorithm.";
    let case = async |fx: Fixture| {
        let condition = r#"{"Null":{"s3:x-amz-server-side-encryption-customer-algorithm":"false"}}"#;
        impose_on_puts(&fx, "Deny", &["s3:PutObject"], condition).await?;
        super::policy::allowed(&fx, "PutObject", "plain", "").await?;
        let put = super::customer_key::raw(anonymous(&fx, "PutObject", "k", "").body("new"), "", &super::customer_key::key(&fx));
        expect::refused(super::customer_key::needs_tls(&fx, put.send().await.settle())?, 403, "AccessDenied")?;
        fx.absent("k").await.class(UnsafeIgnore)
    };
    open(suite.extended("put_object/customer_key_blocked", &["SSE-19"], rule, case))
}

/// Conditions on a listing: the id, the effect, the condition and requests.
const LISTINGS: [(&str, &str, &str, &[Try]); 3] = [
    (
        "prefix_equals",
        "Allow",
        r#"{"StringEquals":{"s3:prefix":"home/ann/"}}"#,
        &[
            ("same", "prefix=home%2Fann%2F", &[], true),
            ("other", "prefix=home%2Fbob%2F", &[], false),
            ("longer", "prefix=home%2Fann%2Fx", &[], false),
            ("empty", "prefix=", &[], false),
            ("none", "", &[], false),
        ],
    ),
    (
        "prefix_like",
        "Allow",
        r#"{"StringLike":{"s3:prefix":["home/ann/*"]}}"#,
        &[
            ("same", "prefix=home%2Fann%2F", &[], true),
            ("longer", "prefix=home%2Fann%2Fx", &[], true),
            ("other", "prefix=home%2Fbob%2F", &[], false),
            ("shorter", "prefix=home%2F", &[], false),
            ("none", "", &[], false),
        ],
    ),
    (
        "prefix_denied",
        "Deny",
        r#"{"StringLike":{"s3:prefix":"home/ann/*"}}"#,
        &[("same", "prefix=home%2Fann%2F", &[], false), ("other", "prefix=home%2Fbob%2F", &[], true), ("none", "", &[], true)],
    ),
];

fn listings(mut suite: Suite) -> Suite {
    for (id, effect, condition, tries) in LISTINGS {
        for one in tries {
            for (api, operation, query) in [("list_objects", "ListObjects", ""), ("list_objects_v2", "ListObjectsV2", "list-type=2&")] {
                let rule = format!("A listing whose prefix is {} is {} by a condition on s3:prefix ({id}).", one.0, word(one.3));
                let case = move |fx: Fixture| async move {
                    fx.put("home/ann/x", b"x").await?;
                    let mut statements = vec![conditional(&fx, effect, &["s3:ListBucket"], &[""], condition)];
                    if effect == "Deny" {
                        statements.push(statement(&fx, "Allow", &["s3:ListBucket"], &[""]));
                    }
                    impose_condition(&fx, &statements).await?;
                    let rest = format!("?{query}{}", one.1);
                    let listed = anonymous(&fx, operation, "", if rest == "?" { "" } else { &rest }).send().await;
                    // The owner is denied, too, and must be able to empty the bucket.
                    super::policy::lift(&fx).await?;
                    if one.3 { expect::ok(listed).map(drop) } else { expect::refused(listed, 403, "AccessDenied") }
                };
                let id = format!("{api}/{id}_{}", one.0);
                suite = open(suite.common(&id, &["POL-15"], &rule, case)).dependents(&["home folders"]);
            }
        }
    }
    suite
}

const REFERERS: [Try; 4] = [
    ("equal", "", &[("Referer", "http://www.example.com/index.html")], true),
    ("other", "", &[("Referer", "http://example.org/")], false),
    ("empty", "", &[("Referer", "")], false),
    ("missing", "", &[], true),
];

fn referers(mut suite: Suite) -> Suite {
    for one in REFERERS {
        let rule = format!("A GET whose Referer is {} is {} under StringLikeIfExists.", one.0, word(one.3));
        let case = move |fx: Fixture| async move {
            fx.put("k", b"x").await?;
            let condition = r#"{"StringLikeIfExists":{"aws:Referer":"http://www.example.com/*"}}"#;
            impose_condition(&fx, &[conditional(&fx, "Allow", &["s3:GetObject"], &["/*"], condition)]).await?;
            let result = judge(&fx, "GetObject", "k", one).await;
            if one.0 == "empty" && result.is_err() && anonymous(&fx, "GetObject", "k", "").header("Referer", "").send().await.settle().is_ok() {
                return expect::variant("an empty Referer counts as none");
            }
            result
        };
        suite = open(suite.rare(&format!("get_object/if_exists_referer_{}", one.0), &["POL-17"], &rule, case));
    }
    suite
}
