//! Suite `identity`: temporary keys from STS at the same endpoint, keys with narrow rights, and how soon a key works or stops to.

use std::time::{Duration, Instant};

use proofmark::case::values::encode_query;
use proofmark::case::{Answer as _, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::config::Secret;
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::model::{Impact, Measure};
use proofmark::wire::{Answer, Credentials, RawRequest};

const STS: &[&str] = &["sts"];
const IAM: &[&str] = &["iam"];

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("identity").source("AWS STS API reference, AssumeRole, and IAM user guide, Session policies");
    provisioning(users(bucket_policy(scoped(other_actions(roles(suite))))))
}

/// A call of the query APIs: form-encoded, signed for its own service.
fn call(fx: &Fixture, service: &'static str, version: &str, action: &str, parameters: &[(&str, &str)]) -> RawRequest {
    let fixed = [("Action", action), ("Version", version)];
    let form: Vec<String> = fixed.iter().chain(parameters).map(|(name, value)| format!("{name}={}", encode_query(value))).collect();
    let request = fx.raw().exact("POST", "/").operation(action).scope(move |scope| scope.service = service.to_owned());
    request.header("Content-Type", "application/x-www-form-urlencoded; charset=utf-8").body(form.join("&"))
}

fn sts(fx: &Fixture, action: &str, parameters: &[(&str, &str)]) -> RawRequest {
    call(fx, "sts", "2011-06-15", action, parameters)
}

const ROLE: (&str, &str) = ("RoleArn", "arn:aws:iam::123456789012:role/proofmark");
const SESSION: (&str, &str) = ("RoleSessionName", "proofmark");
const SHORT: (&str, &str) = ("DurationSeconds", "900");

/// The keys of an answer.
fn keys(answer: &Answer) -> Checked<Credentials> {
    let field = |name: &str| expect::some(name, answer.element(name)).map(Secret::new);
    Ok(Credentials { access_key: field("AccessKeyId")?, secret_key: field("SecretAccessKey")?, session_token: Some(field("SessionToken")?) })
}

async fn assume(fx: &Fixture, policy: Option<&str>) -> Checked<Credentials> {
    let policy = policy.map(|policy| ("Policy", policy));
    let parameters: Vec<_> = [ROLE, SESSION, SHORT].into_iter().chain(policy).collect();
    keys(&expect::ok(sts(fx, "AssumeRole", &parameters).send().await)?)
}

fn get(fx: &Fixture, name: &str, keys: &Credentials) -> RawRequest {
    fx.raw_object("GetObject", "GET", name, "").credentials(keys.clone())
}

fn roles(suite: Suite) -> Suite {
    suite
        .extended("assume_role/usable_keys", &["IAM-01"], "AssumeRole answers keys that read and write as their owner does.", async |fx| {
            let keys = assume(&fx, None).await?;
            let put = fx.raw_object("PutObject", "PUT", "k", "").credentials(keys.clone()).body("by a role").send().await;
            expect::ok(put)?;
            expect::bytes("body", &expect::ok(get(&fx, "k", &keys).send().await)?.body, b"by a role")
        })
        .needs(STS)
        .dependents(&["Spark", "Iceberg REST"])
        .extended("assume_role/expiration", &["IAM-01"], "AssumeRole answers when its keys end: after the seconds that were asked for.", async |fx| {
            let answer = expect::ok(sts(&fx, "AssumeRole", &[ROLE, SESSION, SHORT]).send().await)?;
            let text = expect::some("Expiration", answer.element("Expiration"))?;
            let Ok(end) = text.parse::<jiff::Timestamp>() else { return expect::eq("Expiration", text.as_str(), "a time in ISO 8601") };
            let left = end.as_second() - jiff::Timestamp::now().as_second();
            expect::that("Expiration", (780..=1020).contains(&left), "900 s from now, give or take two minutes", left)
        })
        .needs(STS)
        .extended("assume_role/without_token", &["IAM-01"], "Temporary keys without their session token are refused with 403.", async |fx| {
            fx.put("k", b"private").await?;
            let keys = Credentials { session_token: None, ..assume(&fx, None).await? };
            expect::refused_as(get(&fx, "k", &keys).send().await, &[(403, "")])
        })
        .needs(STS)
        .extended("assume_role/altered_token", &["IAM-01"], "Temporary keys with an altered session token are refused.", async |fx| {
            fx.put("k", b"private").await?;
            let keys = assume(&fx, None).await?;
            let token = keys.session_token.as_ref().map_or("", |token| token.expose());
            let middle = token.len() / 2;
            let other = if token.as_bytes().get(middle) == Some(&b'A') { "B" } else { "A" };
            let token = format!("{}{other}{}", &token[..middle], token.get(middle + 1..).unwrap_or_default());
            let keys = Credentials { session_token: Some(Secret::new(token)), ..keys };
            expect::refused_as(get(&fx, "k", &keys).send().await, &[(403, ""), (400, "")])
        })
        .needs(STS)
        .extended("assume_role/too_short", &["IAM-01"], "AssumeRole for less than 900 s answers 400.", async |fx| {
            let answer = sts(&fx, "AssumeRole", &[ROLE, SESSION, ("DurationSeconds", "1")]).send().await;
            expect::error_as(answer, &[(400, "")])
        })
        .needs(STS)
        .extended("assume_role/wrong_secret", &["IAM-01"], "AssumeRole with a wrong signature answers 403 and no keys.", async |fx| {
            let answer = sts(&fx, "AssumeRole", &[ROLE, SESSION, SHORT]).wrong_secret("not-the-secret-of-this-key").send().await;
            expect::refused_as(answer, &[(403, "")])
        })
        .needs(STS)
        .common("assume_role/works_at_once", &["IAM-06"], "New temporary keys work within five seconds, and the time is measured.", async |fx| {
            fx.put("k", b"x").await?;
            let keys = assume(&fx, None).await?;
            let started = Instant::now();
            fx.eventually(Duration::from_secs(5), || async { expect::ok(get(&fx, "k", &keys).send().await).map(drop) }).await?;
            fx.measure(Measure::new("new_key_propagation_ms", "ms", started.elapsed().as_secs_f64() * 1e3, 1));
            Ok(())
        })
        .needs(STS)
        .sends(60)
}

/// What a name of an action that a server does not know answers, in either spelling.
fn unless_unknown(answer: &Refusal) -> Checked {
    match answer {
        Refusal::Answered { status: 400, code } if ["InvalidAction", "InvalidParameterValue", "MissingParameter"].contains(&code.as_str()) => {
            Err(Finding::Unsupported(answer.describe()))
        }
        _ => Ok(()),
    }
}

fn other_actions(suite: Suite) -> Suite {
    suite
        .extended(
            "assume_role_with_web_identity/bad_token",
            &["IAM-03"],
            "AssumeRoleWithWebIdentity with a token that nobody signed is refused and answers no keys.",
            async |fx| {
                let token = ("WebIdentityToken", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln");
                let answer = sts(&fx, "AssumeRoleWithWebIdentity", &[ROLE, SESSION, SHORT, token]).anonymous().send().await;
                expect::refused_as(answer, &[(400, ""), (403, "")])
            },
        )
        .needs(STS)
        .dependents(&["Kubernetes (IRSA)"])
        .extended(
            "assume_role_with_web_identity/no_token",
            &["IAM-03"],
            "AssumeRoleWithWebIdentity without a token is refused and answers no keys.",
            async |fx| {
                let answer = sts(&fx, "AssumeRoleWithWebIdentity", &[ROLE, SESSION, SHORT]).anonymous().send().await;
                expect::refused_as(answer, &[(400, ""), (403, "")])
            },
        )
        .needs(STS)
        .rare("get_session_token/usable_keys", &["IAM-04"], "GetSessionToken answers keys that read as their owner does.", async |fx| {
            fx.put("k", b"x").await?;
            let answer = sts(&fx, "GetSessionToken", &[SHORT]).send().await.settle();
            if let Err(refusal) = &answer {
                unless_unknown(refusal)?;
            }
            let keys = keys(&expect::ok(answer)?)?;
            expect::ok(get(&fx, "k", &keys).send().await).map(drop)
        })
        .needs(STS)
}

/// Reading below one prefix and listing it, and nothing else.
fn read_only(fx: &Fixture) -> String {
    let (bucket, prefix) = (fx.bucket(), fx.key("mine/"));
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::{bucket}/{prefix}*"]}},{{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::{bucket}"],"Condition":{{"StringLike":{{"s3:prefix":["{prefix}*"]}}}}}}]}}"#
    )
}

/// What somebody with such keys tries, and whether it is allowed.
const TRIES: [(&str, &str, &str, bool); 6] = [
    ("get_object/scoped_inside", "GetObject", "mine/k", true),
    ("get_object/scoped_outside", "GetObject", "yours/k", false),
    ("put_object/scoped_inside", "PutObject", "mine/k", false),
    ("delete_object/scoped_inside", "DeleteObject", "mine/k", false),
    ("list_objects_v2/scoped_inside", "ListObjectsV2", "mine/", true),
    ("list_objects_v2/scoped_outside", "ListObjectsV2", "yours/", false),
];

fn attempt(fx: &Fixture, operation: &str, name: &str) -> RawRequest {
    match operation {
        "ListObjectsV2" => fx.raw_bucket(operation, "GET", &format!("?list-type=2&prefix={}", encode_query(&fx.key(name)))),
        "PutObject" => fx.raw_object(operation, "PUT", name, "").body("changed"),
        "DeleteObject" => fx.raw_object(operation, "DELETE", name, ""),
        _ => fx.raw_object(operation, "GET", name, ""),
    }
}

fn scoped(mut suite: Suite) -> Suite {
    for (id, operation, name, is_allowed) in TRIES {
        let verb = if is_allowed { "may" } else { "may not" };
        let rule = format!("A key whose session policy allows reading below one prefix {verb} send {operation} for {name}.");
        suite = suite
            .core(id, &["IAM-07", "IAM-02"], &rule, move |fx| async move {
                fx.put("mine/k", b"mine").await?;
                fx.put("yours/k", b"yours").await?;
                let keys = assume(&fx, Some(&read_only(&fx))).await.map_err(|finding| finding.in_set_up("AssumeRole"))?;
                let answer = attempt(&fx, operation, name).credentials(keys).send().await;
                if is_allowed {
                    return expect::ok(answer).map(drop);
                }
                // What happened to the data weighs more than the answer.
                fx.holds("mine/k", b"mine").await.class(UnsafeIgnore)?;
                expect::refused(answer, 403, "AccessDenied")
            })
            .needs(STS)
            .dependents(&["Iceberg REST", "Polaris"]);
    }
    suite
}

fn bucket_policy(mut suite: Suite) -> Suite {
    for (id, operation, name, is_allowed) in [
        ("get_object/other_key_inside", "GetObject", "mine/k", true),
        ("get_object/other_key_outside", "GetObject", "yours/k", false),
        ("put_object/other_key_inside", "PutObject", "mine/k", false),
        ("delete_object/other_key_inside", "DeleteObject", "mine/k", false),
        ("list_objects_v2/other_key", "ListObjectsV2", "mine/", false),
    ] {
        let verb = if is_allowed { "may" } else { "may not" };
        let rule = format!("A second key that the bucket's policy lets read below one prefix {verb} send {operation} for {name}.");
        suite = suite
            .core(id, &["IAM-07"], &rule, move |fx| async move {
                fx.put("mine/k", b"mine").await?;
                fx.put("yours/k", b"yours").await?;
                let policy = format!(
                    r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::{}/mine/*"]}}]}}"#,
                    fx.bucket()
                );
                fx.set_up("PutBucketPolicy", fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(policy).send().await)?;
                let alt = fx.raw_alt()?;
                let rest = match operation {
                    "ListObjectsV2" => "?list-type=2&prefix=mine%2F",
                    _ => name,
                };
                let method = match operation {
                    "PutObject" => "PUT",
                    "DeleteObject" => "DELETE",
                    _ => "GET",
                };
                let answer = alt.request(method, fx.bucket(), rest).operation(operation).body(if method == "PUT" { "changed" } else { "" }).send().await;
                if is_allowed {
                    return expect::ok(answer).map(drop);
                }
                fx.holds("mine/k", b"mine").await.class(UnsafeIgnore)?;
                expect::refused(answer, 403, "AccessDenied")
            })
            .needs(&["policy"])
            .needs_alt()
            .own_bucket()
            .impact(Impact::Public);
    }
    suite
}

fn iam(fx: &Fixture, action: &str, parameters: &[(&str, &str)]) -> RawRequest {
    call(fx, "iam", "2010-05-08", action, parameters)
}

/// A user with one inline policy and one key, and what the key's status does.
fn users(suite: Suite) -> Suite {
    suite
        .common(
            "update_access_key/disabled",
            &["IAM-06", "IAM-05"],
            "A user's key works within a minute of its creation and is refused within a minute of being disabled, and both times are measured.",
            async |fx| {
                fx.put("k", b"x").await?;
                let name = fx.missing_bucket();
                let user = ("UserName", name.as_str());
                fx.set_up("CreateUser", iam(&fx, "CreateUser", &[user]).send().await)?;
                let found = key_of_user(&fx, user).await;
                // The user goes whatever was found; a key that is left over would keep the user.
                let _ = iam(&fx, "DeleteUserPolicy", &[user, ("PolicyName", "read")]).send().await;
                fx.set_up("DeleteUser", iam(&fx, "DeleteUser", &[user]).send().await)?;
                found
            },
        )
        .needs(IAM)
        .impact(Impact::Account)
        .sends(1000)
        .slow()
        .deadline(Duration::from_secs(180))
}

async fn key_of_user(fx: &Fixture, user: (&str, &str)) -> Checked {
    let read = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::{}/*"]}}]}}"#,
        fx.bucket()
    );
    let put = iam(fx, "PutUserPolicy", &[user, ("PolicyName", "read"), ("PolicyDocument", &read)]).send().await;
    fx.set_up("PutUserPolicy", put)?;
    let made = fx.set_up("CreateAccessKey", iam(fx, "CreateAccessKey", &[user]).send().await)?;
    let field = |name: &str| expect::some(name, made.element(name));
    let id = field("AccessKeyId")?;
    let keys = Credentials { access_key: Secret::new(id.clone()), secret_key: Secret::new(field("SecretAccessKey")?), session_token: None };
    let (minute, started) = (Duration::from_secs(60), Instant::now());
    let works = fx.eventually(minute, || async { expect::ok(get(fx, "k", &keys).send().await).map(drop) }).await;
    fx.measure(Measure::new("new_key_propagation_ms", "ms", started.elapsed().as_secs_f64() * 1e3, 1));
    let key = ("AccessKeyId", id.as_str());
    let disabled = expect::ok(iam(fx, "UpdateAccessKey", &[user, key, ("Status", "Inactive")]).send().await);
    let started = Instant::now();
    let refused = fx.eventually(minute, || async { expect::refused_as(get(fx, "k", &keys).send().await, &[(403, "")]) }).await;
    fx.measure(Measure::new("disabled_key_propagation_ms", "ms", started.elapsed().as_secs_f64() * 1e3, 1));
    fx.set_up("DeleteAccessKey", iam(fx, "DeleteAccessKey", &[user, key]).send().await)?;
    works.and(disabled.map(drop)).and(refused)
}

fn provisioning(suite: Suite) -> Suite {
    suite.common(
        "create_bucket/or_provisioned_elsewhere",
        &["IAM-09"],
        "CreateBucket makes a bucket, or is cleanly refused where buckets are made in a portal.",
        async |fx| {
            let name = fx.new_bucket_name(1)?;
            match fx.create_bucket(&name).send().await.settle() {
                Err(Refusal::Answered { status: status @ (403 | 405), code }) => {
                    expect::variant(format!("{status} {code}: buckets are provisioned outside of S3"))
                }
                answer => {
                    expect::ok(answer)?;
                    expect::ok(fx.s3().head_bucket().bucket(&name).send().await).map(drop)
                }
            }
        },
    )
}
