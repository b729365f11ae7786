//! Suite `bucket`: creating, finding and deleting buckets.

use aws_sdk_s3::types::{
    BucketCannedAcl, BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, ObjectLockEnabled, ObjectOwnership,
};
use proofmark::case::{Answer as _, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::model::Impact;
use proofmark::wire::{Answer, WireError};

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("bucket").source("S3 API reference, CreateBucket, HeadBucket, DeleteBucket");
    bodies(again(regions(naming(listing(deleting(creating(suite)))))))
}

fn creating(suite: Suite) -> Suite {
    suite
        .core("create_bucket/default", &["BKT-01"], "CreateBucket answers 200 with a Location, and the bucket is there.", async |fx| {
            let created = expect::ok(fx.create_bucket(fx.bucket()).send().await)?;
            expect::some("Location", created.location()).class(WrongCode)?;
            expect::ok(fx.s3().head_bucket().bucket(fx.bucket()).send().await).map(drop)
        })
        .new_bucket()
        .core("create_bucket/location_constraint", &["BKT-02"], "CreateBucket accepts the endpoint's own region as LocationConstraint.", async |fx| {
            let region = fx.link().access.region.as_str();
            if region == "us-east-1" {
                return expect::untested("the endpoint's region is us-east-1, which has no LocationConstraint");
            }
            let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region)).build();
            expect::ok(fx.s3().create_bucket().bucket(fx.bucket()).create_bucket_configuration(place).send().await)?;
            expect::ok(fx.s3().head_bucket().bucket(fx.bucket()).send().await).map(drop)
        })
        .new_bucket()
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
        .core("delete_bucket/empty", &["BKT-24"], "Deleting an empty bucket answers 204, and it is gone.", async |fx| {
            let deleted = expect::ok(fx.raw_bucket("DeleteBucket", "DELETE", "").send().await)?;
            expect::eq("status", deleted.status, 204).class(WrongCode)?;
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
        .extended(
            "delete_bucket/with_uploads_only",
            &["BKT-28"],
            "A bucket that holds nothing but an upload in progress can be deleted.",
            async |fx| {
                let id = fx.start_upload("k").await?;
                fx.upload_part("k", &id, 1, b"part").await?;
                match fx.s3().delete_bucket().bucket(fx.bucket()).send().await.settle() {
                    Err(Refusal::Answered { status: 409, code }) => expect::variant(format!("409 {code}: an upload in progress keeps the bucket")),
                    other => expect::ok(other).map(drop),
                }
            },
        )
        .own_bucket()
        .dependents(&["clean-up tools"])
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
        .common("get_bucket_location/of_another_account", &["BKT-23"], "GetBucketLocation of another account's bucket answers 403.", async |fx| {
            expect::refused(fx.alt()?.get_bucket_location().bucket(fx.bucket()).send().await, 403, "AccessDenied")
        })
        .needs_alt()
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

/// `CreateBucket` with exactly this body.
async fn create(fx: &Fixture, name: &str, body: String) -> Result<Answer, WireError> {
    fx.raw().request("PUT", name, "").operation("CreateBucket").body(body).send().await
}

/// A configuration with these elements; the endpoint's region is named where it must be.
fn configuration(fx: &Fixture, elements: &str) -> String {
    let region = fx.link().access.region.as_str();
    let place = if region == "us-east-1" { String::new() } else { format!("<LocationConstraint>{region}</LocationConstraint>") };
    format!("<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{place}{elements}</CreateBucketConfiguration>")
}

fn regions(suite: Suite) -> Suite {
    suite
        .source("S3 API reference, CreateBucket and HeadBucket; Error responses")
        .common("create_bucket/unknown_location", &["BKT-03"], "CreateBucket with an unknown LocationConstraint answers 400.", async |fx| {
            let name = fx.new_bucket_name(1)?;
            let body = "<CreateBucketConfiguration><LocationConstraint>nowhere-9</LocationConstraint></CreateBucketConfiguration>";
            let accepted = [(400, "InvalidLocationConstraint"), (400, "IllegalLocationConstraintException")];
            expect::error_as(create(&fx, &name, body.to_owned()).await, &accepted)?;
            expect::status(fx.s3().head_bucket().bucket(&name).send().await, 404)
        })
        .own_bucket()
        .extended(
            "head_bucket/signed_for_another_region",
            &["BKT-21"],
            "HeadBucket signed for another region answers 301 or 400 with the right x-amz-bucket-region.",
            async |fx| {
                let own = fx.link().access.region.clone();
                let other = if own == "eu-west-3" { "us-west-2" } else { "eu-west-3" };
                match fx.raw_bucket("HeadBucket", "HEAD", "").scope(move |scope| other.clone_into(&mut scope.region)).send().await {
                    Ok(answer) if answer.status == 200 => expect::variant("200: every region is accepted"),
                    Ok(answer) if matches!(answer.status, 301 | 307 | 400) => {
                        expect::eq("x-amz-bucket-region", answer.header("x-amz-bucket-region"), Some(own.as_str())).class(WrongCode)
                    }
                    other => expect::error_as(other, &[(301, ""), (400, "")]),
                }
            },
        )
        .dependents(&["region discovery"])
}

fn again(suite: Suite) -> Suite {
    suite
        .common("create_bucket/of_another_account", &["BKT-05"], "Creating another account's bucket answers 409 BucketAlreadyExists.", async |fx| {
            let body = if fx.link().access.region == "us-east-1" { String::new() } else { configuration(&fx, "") };
            let answer = fx.raw_alt()?.request("PUT", fx.bucket(), "").operation("CreateBucket").body(body).send().await;
            expect::error(answer, 409, "BucketAlreadyExists")?;
            expect::ok(fx.s3().head_bucket().bucket(fx.bucket()).send().await).map(drop)
        })
        .own_bucket()
        .needs_alt()
        .core("create_bucket/again_keeps_acl", &["BKT-06"], "Creating an own bucket again leaves its ACL alone.", async |fx| {
            let preferred = fx.new_bucket_name(1)?;
            // Where ACLs are off by default they are switched on with the bucket.
            let create = fx.create_bucket(&preferred).object_ownership(ObjectOwnership::BucketOwnerPreferred);
            fx.set_up("CreateBucket", create.send().await)?;
            let public = fx.s3().put_bucket_acl().bucket(&preferred).acl(BucketCannedAcl::PublicRead).send().await;
            fx.set_up("PutBucketAcl", public)?;
            let before = fx.set_up("GetBucketAcl", fx.s3().get_bucket_acl().bucket(&preferred).send().await)?;
            let _ = fx.create_bucket(&preferred).send().await;
            let after = expect::ok(fx.s3().get_bucket_acl().bucket(&preferred).send().await)?;
            fx.set_up("PutBucketAcl", fx.s3().put_bucket_acl().bucket(&preferred).acl(BucketCannedAcl::Private).send().await)?;
            expect::eq("grants", after.grants(), before.grants())
        })
        .own_bucket()
        .needs(&["acl"])
        .impact(Impact::Public)
        .extended(
            "create_bucket/acl_with_owner_enforced",
            &["BKT-14"],
            "CreateBucket with BucketOwnerEnforced and a public ACL answers 400 InvalidBucketAclWithObjectOwnership.",
            async |fx| {
                let name = fx.new_bucket_name(1)?;
                let create = fx.create_bucket(&name).acl(BucketCannedAcl::PublicRead).object_ownership(ObjectOwnership::BucketOwnerEnforced);
                let created = create.send().await.settle();
                if created.is_ok() {
                    let _ = fx.s3().put_bucket_acl().bucket(&name).acl(BucketCannedAcl::Private).send().await;
                }
                expect::refused(created, 400, "InvalidBucketAclWithObjectOwnership")
            },
        )
        .own_bucket()
        .needs(&["acl"])
        .impact(Impact::Public)
        .common("create_bucket/with_lock_is_versioned", &["BKT-15"], "A bucket created with object lock has versioning enabled.", async |fx| {
            let name = fx.new_bucket_name(1)?;
            expect::ok(fx.create_bucket(&name).object_lock_enabled_for_bucket(true).send().await)?;
            let versioning = expect::ok(fx.s3().get_bucket_versioning().bucket(&name).send().await)?;
            expect::eq("Status", versioning.status(), Some(&BucketVersioningStatus::Enabled))
        })
        .own_bucket()
        .needs(&["object-lock"])
        .dependents(&["Veeam", "Commvault"])
        .common("create_bucket/with_lock_has_configuration", &["BKT-15"], "A bucket created with object lock has a lock configuration.", async |fx| {
            let name = fx.new_bucket_name(1)?;
            expect::ok(fx.create_bucket(&name).object_lock_enabled_for_bucket(true).send().await)?;
            let lock = expect::ok(fx.s3().get_object_lock_configuration().bucket(&name).send().await)?.object_lock_configuration;
            expect::eq("ObjectLockEnabled", lock.and_then(|lock| lock.object_lock_enabled), Some(ObjectLockEnabled::Enabled))
        })
        .own_bucket()
        .needs(&["object-lock"])
        .dependents(&["Veeam", "Commvault"])
}

fn tag(key: &str, value: &str) -> String {
    format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>")
}

/// Sets of tags that no bucket may have.
fn wrong_tags() -> [(&'static str, String); 6] {
    [
        ("long_key", tag(&"k".repeat(129), "v")),
        ("long_value", tag("k", &"v".repeat(257))),
        ("invalid_character", tag("k?", "v")),
        ("empty_key", tag("", "v")),
        ("duplicate_key", tag("k", "1") + &tag("k", "2")),
        ("more_than_50", (0..51).map(|number| tag(&format!("k{number}"), "v")).collect()),
    ]
}

/// Bodies that are no configuration.
const WRONG_BODIES: [(&str, &str); 4] = [
    ("truncated", "<CreateBucketConfiguration><LocationConstraint>us"),
    ("no_xml", "this is no XML"),
    ("other_root", "<Delete><Quiet>true</Quiet></Delete>"),
    ("crossed_elements", "<CreateBucketConfiguration><Tags></CreateBucketConfiguration></Tags>"),
];

fn bodies(suite: Suite) -> Suite {
    let mut suite = suite
        .source("S3 API reference, CreateBucket, request body")
        .rare("create_bucket/tags_in_body", &["BKT-16"], "CreateBucket stores the tags of its body.", async |fx| {
            let name = fx.new_bucket_name(1)?;
            let body = configuration(&fx, &format!("<Tags>{}</Tags>", tag("colour", "red")));
            expect::ok(create(&fx, &name, body).await)?;
            let tags = expect::ok(fx.s3().get_bucket_tagging().bucket(&name).send().await)?;
            let tags: Vec<_> = tags.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect();
            expect::eq("tags", tags, vec![("colour", "red")])
        })
        .own_bucket()
        .needs(&["tagging"]);
    for (name, tags) in wrong_tags() {
        let rule = format!("CreateBucket with a set of tags that is wrong ({}) answers 400 InvalidTag.", name.replace('_', " "));
        suite = suite
            .rare(&format!("create_bucket/tags_{name}"), &["BKT-16"], &rule, move |fx| {
                let tags = tags.clone();
                async move {
                    let name = fx.new_bucket_name(1)?;
                    let created = create(&fx, &name, configuration(&fx, &format!("<Tags>{tags}</Tags>"))).await;
                    if created.as_ref().is_ok_and(|answer| answer.status == 200) {
                        let stored = fx.s3().get_bucket_tagging().bucket(&name).send().await;
                        if stored.is_err() {
                            return expect::variant("200: the tags of the body are ignored");
                        }
                    }
                    expect::error_as(created, &[(400, "InvalidTag"), (400, "BadRequest")])
                }
            })
            .own_bucket()
            .needs(&["tagging"]);
    }
    for (name, body) in WRONG_BODIES {
        let rule = format!("CreateBucket with a body that is wrong ({}) answers 400 MalformedXML and creates nothing.", name.replace('_', " "));
        suite = suite
            .extended(&format!("create_bucket/body_{name}"), &["BKT-17"], &rule, move |fx| async move {
                let name = fx.new_bucket_name(1)?;
                expect::error(create(&fx, &name, body.to_owned()).await, 400, "MalformedXML")?;
                expect::status(fx.s3().head_bucket().bucket(&name).send().await, 404)
            })
            .own_bucket();
    }
    suite
}
