//! Suite `policy_public`: which policies count as public, and conditions on where a request comes from.

use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, expect};
use serde_json::{Value, json};

use super::policy::{anonymous, conditional, document, impose, impose_condition, lift_block, open, statement};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("policy_public").source("S3 user guide, Blocking public access: The meaning of \"public\"");
    network(none(open(status(suite))))
}

/// A policy of one Allow (or Deny) for a principal: id, what it is, effect, principal, condition, and whether it is public.
const SHAPES: [(&str, &str, &str, &str, &str, bool); 13] = [
    ("everybody", "for everybody", "Allow", "\"*\"", "", true),
    ("every_account", "for every account", "Allow", r#"{"AWS":"*"}"#, "", true),
    ("deny_everybody", "that denies everybody", "Deny", "\"*\"", "", false),
    ("one_address", "for one address", "Allow", "\"*\"", r#"{"IpAddress":{"aws:SourceIp":"192.0.2.7/32"}}"#, false),
    ("small_network", "for a small network", "Allow", "\"*\"", r#"{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, false),
    ("every_network", "for every network", "Allow", "\"*\"", r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}}"#, true),
    ("half_of_all_networks", "for half of all networks", "Allow", "\"*\"", r#"{"IpAddress":{"aws:SourceIp":"0.0.0.0/1"}}"#, true),
    ("not_one_network", "for all but one network", "Allow", "\"*\"", r#"{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, true),
    ("one_vpc", "for one private network by its id", "Allow", "\"*\"", r#"{"StringEquals":{"aws:SourceVpc":"vpc-91237329"}}"#, false),
    ("any_vpc", "for private networks by a pattern", "Allow", "\"*\"", r#"{"StringLike":{"aws:SourceVpc":"vpc-*"}}"#, true),
    ("one_account", "for resources of one account", "Allow", "\"*\"", r#"{"StringEquals":{"aws:SourceAccount":"111122223333"}}"#, false),
    ("secure_transport", "for everybody over TLS", "Allow", "\"*\"", r#"{"Bool":{"aws:SecureTransport":"true"}}"#, true),
    ("referer", "for a referer", "Allow", "\"*\"", r#"{"StringLike":{"aws:Referer":"https://www.example.com/*"}}"#, true),
];

/// `IsPublic` as it is spelled.
async fn is_public(fx: &Fixture) -> Checked<String> {
    let status = expect::ok(fx.raw_bucket("GetBucketPolicyStatus", "GET", "?policyStatus").send().await)?;
    expect::some("IsPublic", status.element("IsPublic"))
}

fn status(mut suite: Suite) -> Suite {
    for (id, what, effect, principal, condition, public) in SHAPES {
        let rule = format!("GetBucketPolicyStatus calls a policy {what} {}.", if public { "public" } else { "not public" });
        let case = move |fx: Fixture| async move {
            let mut one = match condition {
                "" => statement(&fx, effect, &["s3:GetObject"], &["/*"]),
                condition => conditional(&fx, effect, &["s3:GetObject"], &["/*"], condition),
            };
            one["Principal"] = serde_json::from_str(principal).unwrap_or_default();
            impose_condition(&fx, &[one]).await?;
            expect::eq("IsPublic", is_public(&fx).await?.to_lowercase(), public.to_string())
        };
        suite = open(suite.extended(&format!("get_bucket_policy_status/{id}"), &["POL-11"], &rule, case));
    }
    let rule = "GetBucketPolicyStatus calls a policy public when one of its statements is.";
    suite = suite.extended("get_bucket_policy_status/one_of_two", &["POL-11"], rule, async |fx| {
        let narrow = conditional(&fx, "Allow", &["s3:GetObject"], &["/*"], r#"{"IpAddress":{"aws:SourceIp":"192.0.2.7/32"}}"#);
        impose_condition(&fx, &[narrow, statement(&fx, "Allow", &["s3:GetObject"], &["/public/*"])]).await?;
        expect::eq("IsPublic", is_public(&fx).await?.to_lowercase(), "true".to_owned())
    });
    let rule = "GetBucketPolicyStatus spells IsPublic as XML does, true or false, so that every SDK reads it.";
    open(suite).extended("get_bucket_policy_status/spelling", &["POL-11"], rule, async |fx| {
        impose(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/*"])]).await?;
        let spelled = is_public(&fx).await?;
        expect::that("IsPublic", ["true", "false"].contains(&spelled.as_str()), "true or false", &spelled)
    })
}

fn none(suite: Suite) -> Suite {
    suite
        .extended(
            "get_bucket_policy_status/for_the_owner",
            &["POL-11"],
            "GetBucketPolicyStatus calls a policy for one known account not public.",
            async |fx| {
                lift_block(&fx).await;
                let owner = fx.set_up("ListBuckets", fx.s3().list_buckets().send().await)?.owner.and_then(|owner| owner.id).unwrap_or_default();
                let forms = [json!({"AWS": format!("arn:aws:iam:::user/{owner}")}), json!({"AWS": owner}), json!({"CanonicalUser": owner})];
                for form in forms {
                    let mut one: Value = statement(&fx, "Allow", &["s3:GetObject"], &["/*"]);
                    one["Principal"] = form;
                    if fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(document(&[one])).send().await.is_ok() {
                        return expect::eq("IsPublic", is_public(&fx).await?.to_lowercase(), "false".to_owned());
                    }
                }
                expect::unresolved("set-up: no known form of principal names the owner")
            },
        )
        .needs(&["policy"])
        .own_bucket()
        .extended(
            "get_bucket_policy_status/no_policy",
            &["POL-11"],
            "GetBucketPolicyStatus without a policy answers 404 NoSuchBucketPolicy, or not public.",
            async |fx| match fx.raw_bucket("GetBucketPolicyStatus", "GET", "?policyStatus").send().await.settle() {
                Err(Refusal::Answered { status: 404, code }) if code == "NoSuchBucketPolicy" => Ok(()),
                Ok(status) => {
                    expect::eq("IsPublic", status.element("IsPublic").unwrap_or_default().to_lowercase(), "false".to_owned())?;
                    expect::variant("200 with IsPublic false")
                }
                refused => expect::error(refused, 404, "NoSuchBucketPolicy"),
            },
        )
        .needs(&["policy"])
        .own_bucket()
}

/// Where an answer depends on how the endpoint is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Lets {
    Always,
    Never,
    OverTls,
    OverPlainHttp,
}

/// A condition beside an Allow of everything (for a Deny) or alone: id, effect, condition, when a GET is let through. 192.0.2.0/24 and
/// 2001:db8::/32 are for documentation: no client has such an address.
const ORIGINS: [(&str, &str, &str, Lets); 10] = [
    ("address_inside", "Allow", r#"{"IpAddress":{"aws:SourceIp":["0.0.0.0/0","::/0"]}}"#, Lets::Always),
    ("address_outside", "Allow", r#"{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, Lets::Never),
    ("address_outside_v6", "Allow", r#"{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}"#, Lets::Never),
    ("not_address_outside", "Allow", r#"{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, Lets::Always),
    ("deny_address_outside", "Deny", r#"{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, Lets::Always),
    ("deny_not_address_outside", "Deny", r#"{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}"#, Lets::Never),
    ("secure", "Allow", r#"{"Bool":{"aws:SecureTransport":"true"}}"#, Lets::OverTls),
    ("insecure", "Allow", r#"{"Bool":{"aws:SecureTransport":"false"}}"#, Lets::OverPlainHttp),
    ("deny_insecure", "Deny", r#"{"Bool":{"aws:SecureTransport":"false"}}"#, Lets::OverTls),
    ("deny_secure", "Deny", r#"{"Bool":{"aws:SecureTransport":"true"}}"#, Lets::OverPlainHttp),
];

fn network(suite: Suite) -> Suite {
    let mut suite = suite.source("IAM user guide, AWS global condition context keys");
    for (id, effect, condition, lets) in ORIGINS {
        let rule = match lets {
            Lets::Always => format!("A GET is let through by {effect} {condition}."),
            Lets::Never => format!("A GET is stopped by {effect} {condition}."),
            Lets::OverTls => format!("A GET is let through by {effect} {condition} over TLS, and only then."),
            Lets::OverPlainHttp => format!("A GET is let through by {effect} {condition} over plain HTTP, and only then."),
        };
        let case = move |fx: Fixture| async move {
            fx.put("k", b"x").await?;
            let mut statements = vec![conditional(&fx, effect, &["s3:GetObject"], &["/*"], condition)];
            if effect == "Deny" {
                statements.push(statement(&fx, "Allow", &["s3:GetObject"], &["/*"]));
            }
            impose_condition(&fx, &statements).await?;
            let over_tls = fx.link().access.endpoints.iter().all(|endpoint| endpoint.tls);
            let got = anonymous(&fx, "GetObject", "k", "").send().await;
            match (lets, over_tls) {
                (Lets::Always, _) | (Lets::OverTls, true) | (Lets::OverPlainHttp, false) => expect::ok(got).map(drop),
                _ => expect::refused(got, 403, "AccessDenied"),
            }
        };
        suite = open(suite.common(&format!("get_object/{id}"), &["POL-16"], &rule, case));
    }
    suite
}
