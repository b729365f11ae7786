//! Suite `ownership`: who owns the objects of a bucket, and whether access control lists count there.

use aws_sdk_s3::types::{BucketCannedAcl, ObjectCannedAcl, ObjectOwnership};
use proofmark::case::values::snake;
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, expect};
use proofmark::model::Impact;

use super::grants::{ownership, tolerate};

/// The suite.
pub fn suite() -> Suite {
    let suite = settings(Suite::new("ownership").source("S3 API reference, PutBucketOwnershipControls"));
    accepted(disabled(suite.source("S3 user guide, Controlling ownership of objects and disabling ACLs")))
}

fn put(
    fx: &Fixture,
    rule: ObjectOwnership,
) -> aws_sdk_s3::operation::put_bucket_ownership_controls::builders::PutBucketOwnershipControlsFluentBuilder {
    fx.s3().put_bucket_ownership_controls().bucket(fx.bucket()).ownership_controls(ownership(rule))
}

/// The rules that are in force.
async fn present(fx: &Fixture) -> Checked<Vec<ObjectOwnership>> {
    let got = expect::ok(fx.s3().get_bucket_ownership_controls().bucket(fx.bucket()).send().await)?;
    Ok(got.ownership_controls().map(|controls| controls.rules().iter().map(|rule| rule.object_ownership().clone()).collect()).unwrap_or_default())
}

fn settings(mut suite: Suite) -> Suite {
    for rule in [ObjectOwnership::ObjectWriter, ObjectOwnership::BucketOwnerPreferred, ObjectOwnership::BucketOwnerEnforced] {
        let id = format!("put_bucket_ownership_controls/{}", snake(rule.as_str()));
        suite = suite
            .extended(&id, &["ACL-17"], "Ownership controls are stored and returned.", move |fx| {
                let rule = rule.clone();
                async move {
                    expect::ok(put(&fx, rule.clone()).send().await)?;
                    expect::eq("rules", present(&fx).await?, vec![rule])
                }
            })
            .needs(&["ownership-controls"])
            .own_bucket()
            .dependents(&["Terraform"]);
    }
    for (name, rules) in [
        ("unknown_rule", "<Rule><ObjectOwnership>Nobody</ObjectOwnership></Rule>"),
        ("empty_rule", "<Rule></Rule>"),
        ("no_rule", ""),
        (
            "two_rules",
            "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>",
        ),
    ] {
        suite = suite
            .extended(
                &format!("put_bucket_ownership_controls/{name}"),
                &["ACL-17"],
                "Ownership controls without exactly one known rule answer 400 MalformedXML and change nothing.",
                move |fx| async move {
                    fx.set_up("PutBucketOwnershipControls", put(&fx, ObjectOwnership::BucketOwnerPreferred).send().await)?;
                    let xml = format!("<OwnershipControls xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{rules}</OwnershipControls>");
                    let put = fx.raw_document("PutBucketOwnershipControls", "?ownershipControls", &xml).send().await;
                    expect::error(put, 400, "MalformedXML")?;
                    expect::eq("rules afterwards", present(&fx).await?, vec![ObjectOwnership::BucketOwnerPreferred])
                },
            )
            .needs(&["ownership-controls"])
            .own_bucket();
    }
    suite
        .extended(
            "delete_bucket_ownership_controls/unset",
            &["ACL-17"],
            "Without ownership controls the answer is 404 OwnershipControlsNotFoundError.",
            async |fx| {
                fx.set_up("PutBucketOwnershipControls", put(&fx, ObjectOwnership::BucketOwnerPreferred).send().await)?;
                expect::ok(fx.s3().delete_bucket_ownership_controls().bucket(fx.bucket()).send().await)?;
                let got = fx.s3().get_bucket_ownership_controls().bucket(fx.bucket()).send().await;
                expect::error(got, 404, "OwnershipControlsNotFoundError")
            },
        )
        .needs(&["ownership-controls"])
        .own_bucket()
        .dependents(&["Terraform"])
}

fn disabled(mut suite: Suite) -> Suite {
    suite = suite
        .common(
            "put_bucket_acl/disabled_by_default",
            &["ACL-02"],
            "In a new bucket access control lists are switched off: 400 AccessControlListNotSupported.",
            async |fx| {
                let put = fx.s3().put_bucket_acl().bucket(fx.bucket()).acl(BucketCannedAcl::PublicRead).send().await;
                match put.settle() {
                    Ok(_) => expect::variant("lists are switched on in a new bucket, as in S3 before April 2023"),
                    Err(refusal) => expect::error(Err::<(), Refusal>(refusal), 400, "AccessControlListNotSupported"),
                }
            },
        )
        .needs(&["acl"])
        .own_bucket()
        .impact(Impact::Public)
        .dependents(&["Terraform"]);
    for operation in ["put_bucket_acl", "put_object_acl", "put_object"] {
        let rule = "Where the bucket's owner owns everything, a list answers 400 AccessControlListNotSupported.";
        suite = suite
            .common(&format!("{operation}/owner_enforced"), &["ACL-02"], rule, move |fx| async move {
                fx.put("k", b"x").await?;
                fx.set_up("PutBucketOwnershipControls", put(&fx, ObjectOwnership::BucketOwnerEnforced).send().await)?;
                let answer = match operation {
                    "put_bucket_acl" => fx.s3().put_bucket_acl().bucket(fx.bucket()).acl(BucketCannedAcl::PublicRead).send().await.settle().map(drop),
                    "put_object_acl" => {
                        let put = fx.s3().put_object_acl().bucket(fx.bucket()).key(fx.key("k")).acl(ObjectCannedAcl::PublicRead);
                        put.send().await.settle().map(drop)
                    }
                    _ => fx.put_object("new").acl(ObjectCannedAcl::PublicRead).body(b"x".to_vec().into()).send().await.settle().map(drop),
                };
                expect::error(answer, 400, "AccessControlListNotSupported")?;
                fx.absent("new").await
            })
            .needs(&["acl", "ownership-controls"])
            .own_bucket()
            .impact(Impact::Public)
            .dependents(&["Terraform"]);
    }
    suite
}

fn accepted(mut suite: Suite) -> Suite {
    for acl in [ObjectCannedAcl::BucketOwnerFullControl, ObjectCannedAcl::Private] {
        let rule = format!("A PUT with x-amz-acl: {acl} is stored, also where lists are switched off.");
        suite = suite
            .common(&format!("put_object/acl_{}", acl.as_str().replace('-', "_")), &["ACL-05"], &rule, move |fx| {
                let acl = acl.clone();
                async move {
                    // A vendor without this setting has one way only.
                    tolerate(put(&fx, ObjectOwnership::BucketOwnerEnforced).send().await)?;
                    expect::ok(fx.put_object("k").acl(acl).body(b"x".to_vec().into()).send().await)?;
                    fx.holds("k", b"x").await
                }
            })
            .own_bucket()
            .dependents(&["Elasticsearch"]);
    }
    suite
}
