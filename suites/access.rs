//! Suite `access`: what access control lists give to a second account and to everyone.

use aws_sdk_s3::types::{BucketCannedAcl, ObjectCannedAcl};
use proofmark::case::{Checked, Fixture, Suite, expect};
use proofmark::model::Impact;

use super::grants::{allow_lists, granted};

/// The suite.
pub fn suite() -> Suite {
    let suite = matrix(Suite::new("access").source("S3 user guide, Access control list overview"));
    uploads(everyone(suite))
}

const CANNED: [&str; 3] = ["private", "public-read", "public-read-write"];

/// Prepares a bucket and the object `k` with these canned lists.
async fn prepare(fx: &Fixture, bucket: &str, object: &str) -> Checked {
    allow_lists(fx).await?;
    let put = fx.s3().put_bucket_acl().bucket(fx.bucket()).acl(BucketCannedAcl::from(bucket)).send().await;
    granted(fx, "PutBucketAcl", put)?;
    fx.put("k", b"old").await?;
    // A new object is private without being told; a vendor without lists of objects is not asked for one.
    if object != "private" {
        let put = fx.s3().put_object_acl().bucket(fx.bucket()).key(fx.key("k")).acl(ObjectCannedAcl::from(object)).send().await;
        granted(fx, "PutObjectAcl", put)?;
    }
    Ok(())
}

/// The operation's name in ids, and whether these lists allow it to a second account.
const OPERATIONS: [(&str, fn(&str, &str) -> bool); 3] = [
    ("list_objects_v2", |bucket, _| bucket != "private"),
    ("get_object", |_, object| object != "private"),
    ("put_object", |bucket, _| bucket == "public-read-write"),
];

fn matrix(mut suite: Suite) -> Suite {
    for (operation, is_allowed) in OPERATIONS {
        for bucket in CANNED {
            for object in CANNED {
                let is_allowed = is_allowed(bucket, object);
                let id = format!("{operation}/alt_{}_bucket_{}_object", bucket, object).replace('-', "_");
                let verb = if is_allowed { "allow" } else { "refuse" };
                let rule = format!("A {bucket} bucket with a {object} object {verb}s {operation} to a second account.");
                suite = suite
                    .extended(&id, &["ACL-11"], &rule, move |fx| async move {
                        prepare(&fx, bucket, object).await?;
                        as_alt(&fx, operation, is_allowed).await
                    })
                    .needs(&["acl"])
                    .own_bucket()
                    .needs_alt()
                    .impact(Impact::Public);
            }
        }
    }
    suite
}

async fn as_alt(fx: &Fixture, operation: &str, is_allowed: bool) -> Checked {
    let (alt, bucket, key) = (fx.alt()?, fx.bucket(), fx.key("k"));
    match operation {
        "list_objects_v2" => {
            let listed = alt.list_objects_v2().bucket(bucket).send().await;
            if !is_allowed {
                return expect::refused(listed, 403, "AccessDenied");
            }
            expect::eq("number of keys", expect::ok(listed)?.contents().len(), 1)
        }
        "get_object" => {
            let got = alt.get_object().bucket(bucket).key(key).send().await;
            if !is_allowed {
                return expect::refused(got, 403, "AccessDenied");
            }
            expect::bytes("body", &fx.collect(expect::ok(got)?.body).await?, b"old")
        }
        _ => {
            let put = alt.put_object().bucket(bucket).key(&key).body(b"new".to_vec().into()).send().await;
            if !is_allowed {
                expect::refused(put, 403, "AccessDenied")?;
                return fx.holds("k", b"old").await;
            }
            expect::ok(put)?;
            let got = expect::ok(alt.get_object().bucket(bucket).key(key).send().await)?;
            expect::bytes("body", &fx.collect(got.body).await?, b"new")
        }
    }
}

fn everyone(suite: Suite) -> Suite {
    let suite = suite
        .common("get_object/anonymous_private", &["ACL-12"], "A private object answers 403 AccessDenied to an unsigned request.", async |fx| {
            fx.put("k", b"old").await?;
            expect::refused(fx.raw_object("GetObject", "GET", "k", "").anonymous().send().await, 403, "AccessDenied")
        })
        .extended("put_object/anonymous_private", &["ACL-13"], "A private bucket takes no object of an unsigned request.", async |fx| {
            let put = fx.raw_object("PutObject", "PUT", "k", "").anonymous().body(b"new").send().await;
            expect::refused(put, 403, "AccessDenied")?;
            fx.absent("k").await
        });
    suite
        .common("get_object/anonymous_public_read", &["ACL-12"], "A public-read object is read by an unsigned request.", async |fx| {
            prepare(&fx, "private", "public-read").await?;
            let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "").anonymous().send().await)?;
            expect::bytes("body", &got.body, b"old")
        })
        .needs(&["acl"])
        .own_bucket()
        .impact(Impact::Public)
        .dependents(&["static assets"])
        .common("list_objects_v2/anonymous_public_read", &["ACL-12"], "A public-read bucket is listed by an unsigned request.", async |fx| {
            prepare(&fx, "public-read", "private").await?;
            let listed = expect::ok(fx.raw_bucket("ListObjectsV2", "GET", "?list-type=2").anonymous().send().await)?;
            expect::eq("Key", listed.element("Key"), Some(fx.key("k")))
        })
        .needs(&["acl"])
        .own_bucket()
        .impact(Impact::Public)
        .extended(
            "put_object/anonymous_public_read_write",
            &["ACL-13"],
            "A public-read-write bucket takes an object of an unsigned request.",
            async |fx| {
                prepare(&fx, "public-read-write", "private").await?;
                expect::ok(fx.raw_object("PutObject", "PUT", "new", "").anonymous().body(b"new").send().await)?;
                let keys: Vec<_> = expect::ok(fx.list("new").send().await)?.contents().iter().map(|object| object.size()).collect();
                expect::eq("sizes", keys, vec![Some(3)])
            },
        )
        .needs(&["acl"])
        .own_bucket()
        .impact(Impact::Public)
}

fn uploads(mut suite: Suite) -> Suite {
    for (acl, permission) in [("bucket-owner-read", "READ"), ("bucket-owner-full-control", "FULL_CONTROL")] {
        let id = format!("put_object/alt_{}", acl.replace('-', "_"));
        let rule = format!("The object of a second account with the canned list {acl} gives the bucket's owner {permission}.");
        suite = suite
            .rare(&id, &["ACL-04"], &rule, move |fx| async move {
                prepare(&fx, "public-read-write", "private").await?;
                let got = expect::ok(fx.s3().get_bucket_acl().bucket(fx.bucket()).send().await)?;
                let owner = expect::some("Owner ID", got.owner.and_then(|owner| owner.id))?;
                let put = fx.alt()?.put_object().bucket(fx.bucket()).key(fx.key("new")).acl(ObjectCannedAcl::from(acl));
                granted(&fx, "PutObject by the second account", put.body(b"new".to_vec().into()).send().await)?;
                fx.holds("new", b"new").await?;
                let got = expect::ok(fx.alt()?.get_object_acl().bucket(fx.bucket()).key(fx.key("new")).send().await)?;
                let of_owner = got.grants().iter().find(|grant| grant.grantee().and_then(|grantee| grantee.id()) == Some(owner.as_str()));
                expect::eq("grant of the bucket's owner", of_owner.and_then(|grant| grant.permission()).map(|it| it.as_str()), Some(permission))
            })
            .needs(&["acl"])
            .own_bucket()
            .needs_alt()
            .impact(Impact::Public);
    }
    suite
}
