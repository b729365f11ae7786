//! Suite `public_access`: the block of public access to a bucket.

use aws_sdk_s3::types::{BucketCannedAcl, ObjectCannedAcl, PublicAccessBlockConfiguration};
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, expect};
use proofmark::model::Impact;

use super::grants::{allow_lists, granted, shown};

/// The suite.
pub fn suite() -> Suite {
    let suite = settings(Suite::new("public_access").source("S3 API reference, PutPublicAccessBlock"));
    policies(lists(suite.source("S3 user guide, Blocking public access to your Amazon S3 storage")))
}

/// BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets.
type Flags = [bool; 4];

async fn block(fx: &Fixture, [acls, ignore, policy, restrict]: Flags) -> Result<(), Refusal> {
    let wanted = PublicAccessBlockConfiguration::builder().block_public_acls(acls).ignore_public_acls(ignore);
    let wanted = wanted.block_public_policy(policy).restrict_public_buckets(restrict).build();
    fx.s3().put_public_access_block().bucket(fx.bucket()).public_access_block_configuration(wanted).send().await.settle().map(drop)
}

fn settings(mut suite: Suite) -> Suite {
    for (at, name) in ["block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets"].into_iter().enumerate() {
        let rule = "Each setting of the block of public access is stored and returned by itself.";
        suite = suite
            .extended(&format!("put_public_access_block/{name}"), &["ACL-18"], rule, move |fx| async move {
                let mut wanted = [false; 4];
                wanted[at] = true;
                expect::ok(block(&fx, wanted).await)?;
                let got = expect::ok(fx.s3().get_public_access_block().bucket(fx.bucket()).send().await)?;
                let got = expect::some("PublicAccessBlockConfiguration", got.public_access_block_configuration)?;
                let got = [got.block_public_acls, got.ignore_public_acls, got.block_public_policy, got.restrict_public_buckets];
                expect::eq("settings", got.map(|flag| flag == Some(true)), wanted)
            })
            .needs(&["public-access-block"])
            .own_bucket()
            .dependents(&["Terraform"]);
    }
    suite
        .extended(
            "delete_public_access_block/unset",
            &["ACL-18"],
            "Without a block of public access the answer is 404 NoSuchPublicAccessBlockConfiguration.",
            async |fx| {
                fx.set_up("PutPublicAccessBlock", block(&fx, [true; 4]).await)?;
                expect::ok(fx.s3().delete_public_access_block().bucket(fx.bucket()).send().await)?;
                let got = fx.s3().get_public_access_block().bucket(fx.bucket()).send().await;
                expect::error(got, 404, "NoSuchPublicAccessBlockConfiguration")
            },
        )
        .needs(&["public-access-block"])
        .own_bucket()
        .dependents(&["Terraform"])
}

fn lists(mut suite: Suite) -> Suite {
    for operation in ["put_bucket_acl", "put_object_acl", "put_object"] {
        let rule = "BlockPublicAcls refuses a public list: 403 AccessDenied, and nothing becomes public.";
        suite = suite
            .extended(&format!("{operation}/block_public_acls"), &["ACL-19"], rule, move |fx| async move {
                allow_lists(&fx).await?;
                fx.put("k", b"x").await?;
                fx.set_up("PutPublicAccessBlock", block(&fx, [true, false, false, false]).await)?;
                let answer = match operation {
                    "put_bucket_acl" => fx.s3().put_bucket_acl().bucket(fx.bucket()).acl(BucketCannedAcl::PublicRead).send().await.settle().map(drop),
                    "put_object_acl" => {
                        let put = fx.s3().put_object_acl().bucket(fx.bucket()).key(fx.key("k")).acl(ObjectCannedAcl::PublicRead);
                        put.send().await.settle().map(drop)
                    }
                    _ => fx.put_object("k").acl(ObjectCannedAcl::PublicRead).body(b"y".to_vec().into()).send().await.settle().map(drop),
                };
                expect::refused(answer, 403, "AccessDenied")?;
                fx.holds("k", b"x").await?;
                let level = if operation == "put_bucket_acl" { "bucket" } else { "object" };
                expect::eq("grants", shown(&fx, level).await?.1, vec!["owner FULL_CONTROL"])
            })
            .needs(&["acl", "public-access-block"])
            .own_bucket()
            .impact(Impact::Public);
    }
    for operation in ["get_object", "list_objects_v2"] {
        let rule = "IgnorePublicAcls takes the effect of a public list away: 403 to an unsigned request.";
        suite = suite
            .extended(&format!("{operation}/ignore_public_acls"), &["ACL-20"], rule, move |fx| async move {
                allow_lists(&fx).await?;
                fx.put("k", b"x").await?;
                let put = fx.s3().put_bucket_acl().bucket(fx.bucket()).acl(BucketCannedAcl::PublicRead).send().await;
                granted(&fx, "PutBucketAcl", put)?;
                let put = fx.s3().put_object_acl().bucket(fx.bucket()).key(fx.key("k")).acl(ObjectCannedAcl::PublicRead).send().await;
                granted(&fx, "PutObjectAcl", put)?;
                let look = || match operation {
                    "get_object" => fx.raw_object("GetObject", "GET", "k", "").anonymous().send(),
                    _ => fx.raw_bucket("ListObjectsV2", "GET", "?list-type=2").anonymous().send(),
                };
                fx.set_up("unsigned request", look().await)?;
                fx.set_up("PutPublicAccessBlock", block(&fx, [false, true, false, false]).await)?;
                expect::refused(look().await, 403, "AccessDenied")
            })
            .needs(&["acl", "public-access-block"])
            .own_bucket()
            .impact(Impact::Public);
    }
    suite
}

/// A policy of one statement about the bucket's objects.
async fn put_policy(fx: &Fixture, effect: &str, action: &str) -> Result<(), Refusal> {
    let statement = format!(r#"{{"Effect":"{effect}","Principal":"*","Action":"{action}","Resource":"arn:aws:s3:::{}/*"}}"#, fx.bucket());
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
    fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(policy).send().await.settle().map(drop)
}

fn policies(suite: Suite) -> Suite {
    let features = &["policy", "public-access-block"];
    restricted(suite)
        .extended("put_bucket_policy/block_public_policy", &["ACL-21"], "BlockPublicPolicy refuses a public policy: 403 AccessDenied.", async |fx| {
            fx.set_up("PutPublicAccessBlock", block(&fx, [false, false, true, false]).await)?;
            expect::refused(put_policy(&fx, "Allow", "s3:GetObject").await, 403, "AccessDenied")?;
            expect::error(fx.s3().get_bucket_policy().bucket(fx.bucket()).send().await, 404, "NoSuchBucketPolicy")
        })
        .needs(features)
        .own_bucket()
        .impact(Impact::Public)
        .extended("put_bucket_policy/block_public_policy_takes_others", &["ACL-21"], "BlockPublicPolicy takes a policy that makes nothing public.", {
            async |fx| {
                fx.set_up("PutPublicAccessBlock", block(&fx, [false, false, true, false]).await)?;
                expect::ok(put_policy(&fx, "Deny", "s3:GetObjectTorrent").await)?;
                expect::ok(fx.s3().get_bucket_policy().bucket(fx.bucket()).send().await).map(drop)
            }
        })
        .needs(features)
        .own_bucket()
}

/// Prepares a bucket whose objects everyone may read, as far as its policy goes, and then restricts it.
async fn restrict(fx: &Fixture) -> Checked {
    allow_lists(fx).await?;
    fx.put("k", b"x").await?;
    fx.set_up("PutBucketPolicy", put_policy(fx, "Allow", "s3:GetObject").await)?;
    fx.set_up("unsigned GetObject", fx.raw_object("GetObject", "GET", "k", "").anonymous().send().await)?;
    fx.set_up("PutPublicAccessBlock", block(fx, [false, false, false, true]).await)
}

fn restricted(suite: Suite) -> Suite {
    let features = &["policy", "public-access-block"];
    suite
        .extended(
            "get_object/restricted_to_anonymous",
            &["ACL-22"],
            "RestrictPublicBuckets closes a public bucket to unsigned requests, not to its owner.",
            async |fx| {
                restrict(&fx).await?;
                expect::refused(fx.raw_object("GetObject", "GET", "k", "").anonymous().send().await, 403, "AccessDenied")?;
                fx.holds("k", b"x").await
            },
        )
        .needs(features)
        .own_bucket()
        .impact(Impact::Public)
        .extended("get_object/restricted_to_alt", &["ACL-22"], "RestrictPublicBuckets closes a public bucket to another account.", async |fx| {
            restrict(&fx).await?;
            let got = fx.alt()?.get_object().bucket(fx.bucket()).key(fx.key("k")).send().await;
            expect::refused(got, 403, "AccessDenied")
        })
        .needs(features)
        .own_bucket()
        .needs_alt()
        .impact(Impact::Public)
}
