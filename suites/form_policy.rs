//! Suite `form_policy`: what the policy of a browser upload allows and forbids.

use proofmark::case::form::{Policy, Upload};
use proofmark::case::{Checked, Fixture, Suite, expect};
use serde_json::{Value, json};

const NEEDS: &[&str] = &["post-object"];

/// The suite.
pub fn suite() -> Suite {
    ranges(conditions(documents(Suite::new("form_policy").source("S3 API reference, Browser-based uploads using POST: POST policy"))))
}

/// Claims that the form is refused so, and that nothing was stored.
async fn refused(fx: &Fixture, form: Upload, status: u16, code: &str) -> Checked {
    let answer = form.send(fx).await;
    // What was stored weighs more than what was said.
    if answer.as_ref().is_ok_and(|answer| answer.status >= 300) {
        fx.absent("k").await?;
    }
    expect::refused(answer, status, code)
}

fn documents(mut suite: Suite) -> Suite {
    suite = suite
        .extended("post_object/expired", &["PST-10"], "A form whose policy is over answers 403 AccessDenied and stores nothing.", async |fx| {
            let mut form = Upload::begin(&fx, "k").await?.file(b"file");
            form.policy.expiration = Policy::lasting(-60).expiration;
            refused(&fx, form, 403, "AccessDenied").await
        })
        .needs(NEEDS);
    for (name, text) in [
        ("not_json", "{ this is no JSON"),
        ("no_expiration", r#"{"conditions": CONDITIONS}"#),
        ("no_conditions", r#"{"expiration": "2037-12-30T12:00:00.000Z"}"#),
        ("unknown_operator", r#"{"expiration": "2037-12-30T12:00:00.000Z", "conditions": [["ends-with", "$key", "k"]]}"#),
        ("malformed_expiration", r#"{"expiration": "tomorrow", "conditions": CONDITIONS}"#),
        ("empty", ""),
    ] {
        let rule = format!("A form whose policy is wrong ({}) answers 400 InvalidPolicyDocument and stores nothing.", name.replace('_', " "));
        suite = suite.extended(&format!("post_object/{name}"), &["PST-11"], &rule, move |fx| async move { document(&fx, text).await }).needs(NEEDS);
    }
    suite = suite
        .extended("post_object/not_base64", &["PST-11"], "A form whose policy is no Base64 answers 400 InvalidPolicyDocument.", async |fx| {
            let form = Upload::begin(&fx, "k").await?.file(b"file");
            let signed = form.signed().without("policy").without("x-amz-signature").signed_base64("!no base64!", &form.keys, &form.scope);
            expect::refused(fx.post(&signed).send().await, 400, "InvalidPolicyDocument")?;
            fx.absent("k").await
        })
        .needs(NEEDS);
    for (name, wrong, right) in [("expiration", "EXPIRATION", "expiration"), ("conditions", "CONDITIONS", "conditions")] {
        let rule = format!("The policy's member {right} is not found under a name in other case, so the form answers 400.");
        suite = suite
            .rare(&format!("post_object/{name}_in_other_case"), &["PST-13"], &rule, move |fx| async move {
                let form = Upload::begin(&fx, "k").await?.file(b"file");
                let text = form.policy.json().to_string().replace(&format!("\"{right}\""), &format!("\"{wrong}\""));
                let signed = form.signed().without("policy").without("x-amz-signature").signed_text(&text, &form.keys, &form.scope);
                expect::refused_as(fx.post(&signed).send().await, &[(400, "")])?;
                fx.absent("k").await
            })
            .needs(NEEDS);
    }
    suite
}

/// Claims that this text is no policy; `CONDITIONS` in it becomes right ones.
async fn document(fx: &Fixture, text: &str) -> Checked {
    let form = Upload::begin(fx, "k").await?.file(b"file");
    let signed = form.signed();
    let mut policy = form.policy.clone();
    for name in ["x-amz-algorithm", "x-amz-credential", "x-amz-date"] {
        policy = policy.condition(json!({ name: signed.value(name).unwrap_or_default() }));
    }
    let text = text.replace("CONDITIONS", &policy.json()["conditions"].to_string());
    let signed = signed.without("policy").without("x-amz-signature").signed_text(&text, &form.keys, &form.scope);
    expect::refused(fx.post(&signed).send().await, 400, "InvalidPolicyDocument")?;
    fx.absent("k").await
}

fn conditions(mut suite: Suite) -> Suite {
    for (name, condition) in [
        ("eq_of_object", json!({ "x-amz-meta-colour": "red" })),
        ("eq", json!(["eq", "$x-amz-meta-colour", "red"])),
        ("starts_with", json!(["starts-with", "$x-amz-meta-colour", "re"])),
        ("case_of_value", json!({ "x-amz-meta-colour": "BLUE" })),
        ("missing_field", json!({ "x-amz-meta-shape": "round" })),
    ] {
        let rule = format!("A form that breaks a condition ({}) answers 403 AccessDenied and stores nothing.", name.replace('_', " "));
        suite = suite
            .extended(&format!("post_object/broken_{name}"), &["PST-12"], &rule, move |fx| {
                let condition = condition.clone();
                async move {
                    let mut form = Upload::begin(&fx, "k").await?.file(b"file");
                    form.form = form.form.field("x-amz-meta-colour", "blue");
                    form.policy = form.policy.condition(condition);
                    refused(&fx, form, 403, "AccessDenied").await
                }
            })
            .needs(NEEDS);
    }
    for (name, condition) in [
        ("eq", json!(["eq", "$x-amz-meta-colour", "blue"])),
        ("starts_with", json!(["starts-with", "$x-amz-meta-colour", "bl"])),
        ("anything", json!(["starts-with", "$x-amz-meta-colour", ""])),
    ] {
        let rule = format!("A form that keeps a condition ({}) is stored.", name.replace('_', " "));
        suite = suite
            .extended(&format!("post_object/kept_{name}"), &["PST-12"], &rule, move |fx| {
                let condition = condition.clone();
                async move {
                    let mut form = Upload::begin(&fx, "k").await?.file(b"file");
                    form.form = form.form.field("x-amz-meta-colour", "blue");
                    form.policy = form.policy.condition(condition);
                    expect::ok(form.send(&fx).await)?;
                    fx.holds("k", b"file").await
                }
            })
            .needs(NEEDS);
    }
    whole_form(suite)
}

fn whole_form(suite: Suite) -> Suite {
    suite
        .extended(
            "post_object/key_outside_prefix",
            &["PST-12"],
            "A form with a key outside of the policy's prefix answers 403 AccessDenied.",
            async |fx| {
                let mut form = Upload::begin(&fx, "k").await?.file(b"file");
                form.policy.conditions[1] = json!(["starts-with", "$key", fx.key("elsewhere/")]);
                refused(&fx, form, 403, "AccessDenied").await
            },
        )
        .needs(NEEDS)
        .extended("post_object/extra_field", &["PST-12"], "A form with a field that no condition names answers 403 AccessDenied.", async |fx| {
            let mut form = Upload::begin(&fx, "k").await?.file(b"file");
            form.form = form.form.field("x-amz-meta-colour", "blue");
            refused(&fx, form, 403, "AccessDenied").await
        })
        .needs(NEEDS)
        .extended(
            "post_object/no_bucket_condition",
            &["PST-12"],
            "A form whose policy does not name the bucket answers 403 AccessDenied.",
            async |fx| {
                let mut form = Upload::begin(&fx, "k").await?.file(b"file");
                form.policy.conditions.remove(0);
                refused(&fx, form, 403, "AccessDenied").await
            },
        )
        .needs(NEEDS)
        .extended("post_object/other_bucket", &["PST-12"], "A form whose policy names another bucket answers 403 AccessDenied.", async |fx| {
            let mut form = Upload::begin(&fx, "k").await?.file(b"file");
            form.policy.conditions[0] = json!({ "bucket": fx.missing_bucket() });
            refused(&fx, form, 403, "AccessDenied").await
        })
        .needs(NEEDS)
        .rare("post_object/condition_names_in_other_case", &["PST-13"], "Names of fields in conditions are compared without case.", async |fx| {
            let mut form = Upload::begin(&fx, "k").await?.file(b"file");
            form.policy.conditions = vec![json!({ "bUcKeT": fx.bucket() }), json!(["StArTs-WiTh", "$KeY", fx.prefix()])];
            expect::ok(form.send(&fx).await)?;
            fx.holds("k", b"file").await
        })
        .needs(NEEDS)
}

fn ranges(mut suite: Suite) -> Suite {
    for (name, low, high) in [("exactly_the_least", 10, 20), ("exactly_the_most", 1, 10)] {
        let rule = format!("A file of {} that content-length-range allows is stored.", name.replace('_', " "));
        suite = suite
            .extended(&format!("post_object/{name}"), &["PST-14"], &rule, move |fx| async move {
                let form = ranged(&fx, json!([RANGE, low, high])).await?;
                expect::ok(form.send(&fx).await)?;
                fx.holds("k", &[b'x'; 10]).await
            })
            .needs(NEEDS);
    }
    for (name, low, high, code) in [("one_too_many", 0, 9, "EntityTooLarge"), ("one_too_few", 11, 20, "EntityTooSmall")] {
        let rule = format!("A file of {} bytes for content-length-range answers 400 {code} and stores nothing.", name.replace('_', " "));
        suite = suite
            .extended(&format!("post_object/{name}"), &["PST-14"], &rule, move |fx| async move {
                refused(&fx, ranged(&fx, json!([RANGE, low, high])).await?, 400, code).await
            })
            .needs(NEEDS);
    }
    for (name, condition) in [
        ("without_most", json!([RANGE, 0])),
        ("negative", json!([RANGE, -1, 0])),
        ("least_above_most", json!([RANGE, 1000, 10])),
        ("not_numbers", json!([RANGE, "few", "many"])),
    ] {
        let rule = format!("A content-length-range that is malformed ({}) answers 400 and stores nothing.", name.replace('_', " "));
        suite = suite
            .rare(&format!("post_object/range_{name}"), &["PST-15"], &rule, move |fx| {
                let condition = condition.clone();
                async move { refused(&fx, ranged(&fx, condition).await?, 400, "").await }
            })
            .needs(NEEDS);
    }
    suite
}

const RANGE: &str = "content-length-range";

/// A form with a file of ten bytes under this condition.
async fn ranged(fx: &Fixture, condition: Value) -> Checked<Upload> {
    let mut form = Upload::begin(fx, "k").await?.file(&[b'x'; 10]);
    form.policy = form.policy.condition(condition);
    Ok(form)
}
