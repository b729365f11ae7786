//! Suite `bucket`: creating, finding and deleting buckets.

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use proofmark::case::{Answer as _, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;

/// The suite.
pub fn suite() -> Suite {
    naming(listing(deleting(creating(Suite::new("bucket").source("S3 API reference, CreateBucket, HeadBucket, DeleteBucket")))))
}

fn creating(suite: Suite) -> Suite {
    suite
        .core("create_bucket/default", &["BKT-01"], "CreateBucket answers 200 with a Location, and the bucket is there.", async |fx| {
            let name = fx.new_bucket_name(1)?;
            let created = expect::ok(fx.create_bucket(&name).send().await)?;
            expect::some("Location", created.location()).class(WrongCode)?;
            expect::ok(fx.s3().head_bucket().bucket(&name).send().await).map(drop)
        })
        .own_bucket()
        .core("create_bucket/location_constraint", &["BKT-02"], "CreateBucket accepts the endpoint's own region as LocationConstraint.", async |fx| {
            let name = fx.new_bucket_name(1)?;
            let region = fx.link().access.region.as_str();
            if region == "us-east-1" {
                return expect::untested("the endpoint's region is us-east-1, which has no LocationConstraint");
            }
            let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build();
            expect::ok(fx.s3().create_bucket().bucket(&name).create_bucket_configuration(place).send().await)?;
            expect::ok(fx.s3().head_bucket().bucket(&name).send().await).map(drop)
        })
        .own_bucket()
        .common("create_bucket/own_bucket_again", &["BKT-04"], "Creating an own bucket again answers 409 BucketAlreadyOwnedByYou.", async |fx| {
            match fx.create_bucket(fx.bucket()).send().await.settle() {
                Ok(_) if fx.link().access.region == "us-east-1" => expect::variant("200, as us-east-1 does for old clients"),
                other => expect::error(other, 409, "BucketAlreadyOwnedByYou"),
            }
        })
        .own_bucket()
        .core("create_bucket/again_keeps_objects", &["BKT-06"], "Creating an own bucket again leaves its objects alone.", async |fx| {
            fx.put("k", b"kept").await?;
            // Whether it is refused is the rule of another case.
            let _ = fx.create_bucket(fx.bucket()).send().await;
            fx.holds("k", b"kept").await
        })
        .own_bucket()
        .core("head_bucket/existing", &["BKT-18"], "HeadBucket of a bucket answers 200 and its region.", async |fx| {
            let head = expect::ok(fx.s3().head_bucket().bucket(fx.bucket()).send().await)?;
            expect::eq("x-amz-bucket-region", head.bucket_region(), Some(fx.link().access.region.as_str())).class(WrongCode)
        })
        .dependents(&["Snowflake", "S3A"])
        .core("head_bucket/missing", &["BKT-19"], "HeadBucket of a bucket that does not exist answers 404.", async |fx| {
            expect::status(fx.s3().head_bucket().bucket(fx.missing_bucket()).send().await, 404)
        })
        .core("head_bucket/of_another_account", &["BKT-20"], "HeadBucket of another account's bucket answers 403.", async |fx| {
            expect::status(fx.alt()?.head_bucket().bucket(fx.bucket()).send().await, 403)
        })
        .needs_alt()
}

fn deleting(suite: Suite) -> Suite {
    suite
        .core("delete_bucket/empty", &["BKT-24"], "An empty bucket can be deleted and is gone.", async |fx| {
            expect::ok(fx.s3().delete_bucket().bucket(fx.bucket()).send().await)?;
            expect::status(fx.s3().head_bucket().bucket(fx.bucket()).send().await, 404)
        })
        .own_bucket()
        .core("delete_bucket/missing", &["BKT-25"], "Deleting a bucket that does not exist answers 404 NoSuchBucket.", async |fx| {
            expect::error(fx.s3().delete_bucket().bucket(fx.missing_bucket()).send().await, 404, "NoSuchBucket")
        })
        .core(
            "delete_bucket/with_objects",
            &["BKT-26"],
            "Deleting a bucket with objects answers 409 BucketNotEmpty and deletes nothing.",
            async |fx| {
                fx.put("k", b"kept").await?;
                expect::refused(fx.s3().delete_bucket().bucket(fx.bucket()).send().await, 409, "BucketNotEmpty")?;
                fx.holds("k", b"kept").await
            },
        )
        .own_bucket()
        .core(
            "delete_bucket/with_old_versions",
            &["BKT-27"],
            "Deleting a bucket that holds only old versions answers 409 BucketNotEmpty.",
            async |fx| {
                fx.enable_versioning().await?;
                fx.put("k", b"kept").await?;
                fx.set_up("DeleteObject", fx.delete_object("k").send().await)?;
                expect::refused(fx.s3().delete_bucket().bucket(fx.bucket()).send().await, 409, "BucketNotEmpty")
            },
        )
        .versioned()
        .extended("create_bucket/after_delete", &["BKT-29"], "A name can be used again at once after its bucket was deleted.", async |fx| {
            fx.set_up("DeleteBucket", fx.s3().delete_bucket().bucket(fx.bucket()).send().await)?;
            expect::ok(fx.create_bucket(fx.bucket()).send().await).map(drop)
        })
        .own_bucket()
}

fn listing(suite: Suite) -> Suite {
    suite
        .source("S3 API reference, ListBuckets and GetBucketLocation")
        .core("list_buckets/own_buckets", &["BKT-30"], "ListBuckets shows an own bucket with its creation date, in the order of names.", async |fx| {
            let listed = expect::ok(fx.s3().list_buckets().send().await)?;
            let names: Vec<&str> = listed.buckets().iter().filter_map(|bucket| bucket.name()).collect();
            expect::that("order of names", names.is_sorted(), "ascending", names.len())?;
            let own = expect::some("the own bucket", listed.buckets().iter().find(|bucket| bucket.name() == Some(fx.bucket())))?;
            expect::some("CreationDate", own.creation_date())?;
            expect::some("Owner", listed.owner()).map(drop)
        })
        .own_bucket()
        .common("get_bucket_location/default", &["BKT-22"], "GetBucketLocation answers the region, and nothing for us-east-1.", async |fx| {
            let location = expect::ok(fx.s3().get_bucket_location().bucket(fx.bucket()).send().await)?.location_constraint;
            let region = location.as_ref().map_or("", BucketLocationConstraint::as_str);
            let expected = Some(fx.link().access.region.as_str()).filter(|region| *region != "us-east-1").unwrap_or_default();
            expect::eq("LocationConstraint", region, expected)
        })
        .common(
            "get_bucket_location/missing",
            &["BKT-23"],
            "GetBucketLocation of a bucket that does not exist answers 404 NoSuchBucket.",
            async |fx| expect::error(fx.s3().get_bucket_location().bucket(fx.missing_bucket()).send().await, 404, "NoSuchBucket"),
        )
}

fn naming(suite: Suite) -> Suite {
    suite
        .common("create_bucket/longest_name", &["BKT-08"], "A bucket name of 63 characters is valid.", async |fx| {
            let name = fx.new_bucket_name(1)?;
            let longest = format!("{name}{}", "x".repeat(63 - name.len()));
            let longest = fx.link().new_bucket(longest.trim_start_matches(fx.link().prefix.as_str())).unwrap_or(longest);
            expect::eq("length of the name", longest.len(), 63)?;
            expect::ok(fx.create_bucket(&longest).send().await)?;
            expect::ok(fx.s3().list_objects_v2().bucket(&longest).send().await).map(drop)
        })
        .own_bucket()
}
