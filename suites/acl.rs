//! Suite `acl`: access control lists of buckets and objects, as they are set and shown.

use aws_sdk_s3::types::{AccessControlPolicy, BucketCannedAcl, Grant, Grantee, ObjectCannedAcl, Owner, Permission, Type};
use proofmark::case::values::encode_path;
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, expect};
use proofmark::model::Impact;

use super::grants::{LEVELS, allow_lists, granted, shown};

/// The suite.
pub fn suite() -> Suite {
    let suite = canned(defaults(Suite::new("acl").source("S3 user guide, Access control list overview")));
    keeps(wrong(combined(round_trips(suite.source("S3 API reference, PutBucketAcl")))))
}

/// Lists are set in a bucket of the case's own, which nobody else may see for longer than the case.
fn private(suite: Suite) -> Suite {
    suite.needs(&["acl"]).own_bucket()
}

fn open(suite: Suite) -> Suite {
    private(suite).impact(Impact::Public)
}

/// Prepares the object `k` in a bucket whose lists count.
async fn prepare(fx: &Fixture) -> Checked {
    allow_lists(fx).await?;
    fx.put("k", b"x").await.map(drop)
}

/// Sends a canned list.
async fn put_canned(fx: &Fixture, level: &str, name: &str) -> Result<(), Refusal> {
    if level == "bucket" {
        return fx.s3().put_bucket_acl().bucket(fx.bucket()).acl(BucketCannedAcl::from(name)).send().await.settle().map(drop);
    }
    fx.s3().put_object_acl().bucket(fx.bucket()).key(fx.key("k")).acl(ObjectCannedAcl::from(name)).send().await.settle().map(drop)
}

/// Sends a list as a document.
async fn put_document(fx: &Fixture, level: &str, xml: &str) -> Result<(), Refusal> {
    let (operation, target) = target(fx, level);
    fx.raw_document(operation, &target, xml).send().await.settle().map(drop)
}

fn target(fx: &Fixture, level: &str) -> (&'static str, String) {
    if level == "bucket" { ("PutBucketAcl", "?acl".to_owned()) } else { ("PutObjectAcl", format!("{}?acl", encode_path(&fx.key("k")))) }
}

const OWNER_ONLY: [&str; 1] = ["owner FULL_CONTROL"];

fn defaults(mut suite: Suite) -> Suite {
    for level in LEVELS {
        let rule = format!("The owner of a new {level} has FULL_CONTROL, and nobody else has any right.");
        suite = private(suite.extended(&format!("get_{level}_acl/owner_only"), &["ACL-01"], &rule, move |fx| async move {
            fx.put("k", b"x").await?;
            expect::eq("grants", shown(&fx, level).await?.1, OWNER_ONLY.to_vec())
        }));
    }
    suite.common(
        "get_bucket_acl/answers_cleanly",
        &["ACL-16"],
        "GetBucketAcl answers the owner's FULL_CONTROL, or 501 where there are no lists.",
        async |fx| {
            let (_, grants) = shown(&fx, "bucket").await?;
            if grants == ["nobody FULL_CONTROL"] {
                return expect::variant("one FULL_CONTROL whose grantee has no id");
            }
            expect::eq("grants", grants, OWNER_ONLY.to_vec())
        },
    )
}

/// Canned lists and what they grant beside the owner's FULL_CONTROL.
const CANNED: [(&str, &[&str]); 4] = [
    ("private", &[]),
    ("public-read", &["AllUsers READ"]),
    ("public-read-write", &["AllUsers READ", "AllUsers WRITE"]),
    ("authenticated-read", &["AuthenticatedUsers READ"]),
];

fn canned(mut suite: Suite) -> Suite {
    for level in LEVELS {
        for (name, grants) in CANNED {
            let id = format!("put_{level}_acl/canned_{}", name.replace('-', "_"));
            let rule = format!("The canned list {name} of a {level} grants what it is defined to.");
            suite = open(suite.extended(&id, &["ACL-03"], &rule, move |fx| async move {
                prepare(&fx).await?;
                // Away from the default first, so that the private list has something to change.
                let first = if name == "private" { "public-read" } else { "private" };
                granted(&fx, "a first canned list", put_canned(&fx, level, first).await)?;
                expect::ok(put_canned(&fx, level, name).await)?;
                expect::eq("grants", shown(&fx, level).await?.1, [grants, &OWNER_ONLY].concat())
            }));
        }
    }
    suite
}

/// Every permission of a bucket's list; objects have no WRITE.
const PERMISSIONS: [Permission; 5] = [Permission::FullControl, Permission::Read, Permission::ReadAcp, Permission::Write, Permission::WriteAcp];

fn permissions(level: &str) -> Vec<Permission> {
    PERMISSIONS.into_iter().filter(|permission| level == "bucket" || *permission != Permission::Write).collect()
}

fn round_trips(mut suite: Suite) -> Suite {
    for level in LEVELS {
        let expected = move || permissions(level).iter().map(|permission| format!("owner {permission}")).collect::<Vec<_>>();
        let headers = format!("put_{level}_acl/header_grants");
        suite = private(suite.rare(&headers, &["ACL-06"], "Grants in headers are stored and shown.", move |fx| async move {
            prepare(&fx).await?;
            let (owner, _) = shown(&fx, level).await?;
            granted(&fx, "a canned list", put_canned(&fx, level, "private").await)?;
            let (operation, target) = target(&fx, level);
            let put = permissions(level).into_iter().fold(fx.raw().request("PUT", fx.bucket(), &target).operation(operation), |put, permission| {
                let name = permission.as_str().to_ascii_lowercase().replace('_', "-");
                put.header(&format!("x-amz-grant-{name}"), format!("id=\"{owner}\""))
            });
            expect::ok(put.send().await)?;
            expect::eq("grants", shown(&fx, level).await?.1, expected())
        }));
        let document = format!("put_{level}_acl/document_round_trip");
        suite = private(suite.rare(&document, &["ACL-06"], "Grants in a document are stored and shown.", move |fx| async move {
            prepare(&fx).await?;
            let (owner, _) = shown(&fx, level).await?;
            granted(&fx, "a canned list", put_canned(&fx, level, "private").await)?;
            let grant = |permission| {
                let grantee = Grantee::builder().r#type(Type::CanonicalUser).id(&owner).build().expect("a type was given");
                Grant::builder().grantee(grantee).permission(permission).build()
            };
            let grants = permissions(level).into_iter().map(grant).collect();
            let policy = AccessControlPolicy::builder().owner(Owner::builder().id(&owner).build()).set_grants(Some(grants)).build();
            if level == "bucket" {
                expect::ok(fx.s3().put_bucket_acl().bucket(fx.bucket()).access_control_policy(policy).send().await)?;
            } else {
                expect::ok(fx.s3().put_object_acl().bucket(fx.bucket()).key(fx.key("k")).access_control_policy(policy).send().await)?;
            }
            expect::eq("grants", shown(&fx, level).await?.1, expected())
        }));
    }
    suite
}

/// A list with one grant; `grantee` is what stands inside `<Grantee xsi:type=..>`.
fn document(owner: &str, kind: &str, grantee: &str, permission: &str) -> String {
    let grantee = format!("<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"{kind}\">{grantee}</Grantee>");
    let list = format!("<AccessControlList><Grant>{grantee}{permission}</Grant></AccessControlList>");
    format!("<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{owner}{list}</AccessControlPolicy>")
}

fn combined(mut suite: Suite) -> Suite {
    for (name, is_canned, has_grants, has_body) in [
        ("canned_and_grants", true, true, false),
        ("canned_and_body", true, false, true),
        ("grants_and_body", false, true, true),
        ("all_three", true, true, true),
    ] {
        let rule = "A list that is given in two ways at once answers 400 InvalidRequest or UnexpectedContent and changes nothing.";
        suite = private(suite.rare(&format!("put_bucket_acl/{name}"), &["ACL-07"], rule, move |fx| async move {
            prepare(&fx).await?;
            granted(&fx, "a canned list", put_canned(&fx, "bucket", "private").await)?;
            let (owner, before) = shown(&fx, "bucket").await?;
            let body =
                document(&format!("<Owner><ID>{owner}</ID></Owner>"), "CanonicalUser", &format!("<ID>{owner}</ID>"), "<Permission>READ</Permission>");
            let mut put = if has_body { fx.raw_document("PutBucketAcl", "?acl", &body) } else { fx.raw_bucket("PutBucketAcl", "PUT", "?acl") };
            if is_canned {
                put = put.header("x-amz-acl", "private");
            }
            if has_grants {
                put = put.header("x-amz-grant-read", format!("id=\"{owner}\""));
            }
            expect::error_as(put.send().await, &[(400, "InvalidRequest"), (400, "UnexpectedContent")])?;
            expect::eq("grants afterwards", shown(&fx, "bucket").await?.1, before)
        }));
    }
    suite
}

/// Lists that are wrong: name, row, owner, kind of the grantee, grantee, permission, accepted answers. `OWNER` is the owner's id.
type Wrong = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str, &'static [(u16, &'static str)]);

const RIGHT_OWNER: &str = "<Owner><ID>OWNER</ID></Owner>";
const RIGHT_GRANTEE: &str = "<ID>OWNER</ID>";
const READ: &str = "<Permission>READ</Permission>";
const NOBODY: &str = "<ID>00000000000000000000000000000000000000000000000000000000000000ff</ID>";
const OTHER_OWNER: &str = "<Owner><ID>00000000000000000000000000000000000000000000000000000000000000ff</ID></Owner>";
const EMAIL: &str = "<EmailAddress>nobody@proofmark.invalid</EmailAddress>";
const MALFORMED: &[(u16, &str)] = &[(400, "MalformedACLError")];

const WRONG: [Wrong; 9] = [
    (
        "unknown_owner",
        "ACL-09",
        OTHER_OWNER,
        "CanonicalUser",
        RIGHT_GRANTEE,
        READ,
        &[(403, "AccessDenied"), (400, "MalformedACLError"), (400, "InvalidArgument")],
    ),
    ("no_owner", "ACL-09", "", "CanonicalUser", RIGHT_GRANTEE, READ, MALFORMED),
    ("unknown_permission", "ACL-09", RIGHT_OWNER, "CanonicalUser", RIGHT_GRANTEE, "<Permission>DANCE</Permission>", MALFORMED),
    ("no_permission", "ACL-09", RIGHT_OWNER, "CanonicalUser", RIGHT_GRANTEE, "", MALFORMED),
    ("unknown_grantee_type", "ACL-09", RIGHT_OWNER, "Robot", RIGHT_GRANTEE, READ, MALFORMED),
    ("grantee_without_id", "ACL-09", RIGHT_OWNER, "CanonicalUser", "", READ, &[(400, "MalformedACLError"), (400, "InvalidArgument")]),
    ("unknown_user", "ACL-10", RIGHT_OWNER, "CanonicalUser", NOBODY, READ, &[(400, "InvalidArgument")]),
    ("unknown_email", "ACL-10", RIGHT_OWNER, "AmazonCustomerByEmail", EMAIL, READ, &[(400, "UnresolvableGrantByEmailAddress")]),
    ("unknown_group", "ACL-10", RIGHT_OWNER, "Group", "<URI>http://proofmark.invalid/groups/none</URI>", READ, &[(400, "InvalidArgument")]),
];

fn wrong(mut suite: Suite) -> Suite {
    for (name, row, owner, kind, grantee, permission, accepted) in WRONG {
        let rule = "A list with a wrong owner, grantee or permission is refused and changes nothing.";
        suite = private(suite.rare(&format!("put_bucket_acl/{name}"), &[row], rule, move |fx| async move {
            prepare(&fx).await?;
            granted(&fx, "a canned list", put_canned(&fx, "bucket", "private").await)?;
            let (id, before) = shown(&fx, "bucket").await?;
            let xml = document(owner, kind, grantee, permission).replace("OWNER", &id);
            let put = put_document(&fx, "bucket", &xml).await;
            let after = shown(&fx, "bucket").await?.1;
            expect::error_as(put, accepted)?;
            expect::eq("grants afterwards", after, before)
        }));
    }
    for operation in ["put_bucket_acl", "put_object_acl", "put_object", "create_bucket"] {
        let rule = "A canned list that does not exist answers 400 InvalidArgument.";
        suite = private(suite.extended(&format!("{operation}/unknown_canned"), &["ACL-08"], rule, move |fx| async move {
            prepare(&fx).await?;
            granted(&fx, "a canned list", put_canned(&fx, "bucket", "private").await)?;
            let answer = match operation {
                "put_bucket_acl" => put_canned(&fx, "bucket", "public-dance").await,
                "put_object_acl" => put_canned(&fx, "object", "public-dance").await,
                "put_object" => fx.put_object("new").acl(ObjectCannedAcl::from("public-dance")).send().await.settle().map(drop),
                _ => {
                    let name = fx.new_bucket_name(1)?;
                    fx.create_bucket(&name).acl(BucketCannedAcl::from("public-dance")).send().await.settle().map(drop)
                }
            };
            expect::error(answer, 400, "InvalidArgument")?;
            fx.absent("new").await
        }));
    }
    suite
}

fn keeps(mut suite: Suite) -> Suite {
    for level in LEVELS {
        let rule = format!("The owner of a {level} whose list grants nothing still reads and writes the list.");
        suite = private(suite.rare(&format!("put_{level}_acl/empty_list_keeps_owner"), &["ACL-14"], &rule, move |fx| async move {
            prepare(&fx).await?;
            let (owner, _) = shown(&fx, level).await?;
            let nothing = format!("<Owner><ID>{owner}</ID></Owner><AccessControlList></AccessControlList>");
            let nothing = format!("<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{nothing}</AccessControlPolicy>");
            granted(&fx, "an empty list", put_document(&fx, level, &nothing).await)?;
            expect::eq("grants", shown(&fx, level).await?.1, Vec::<String>::new())?;
            expect::ok(put_canned(&fx, level, "private").await)?;
            expect::eq("grants afterwards", shown(&fx, level).await?.1, OWNER_ONLY.to_vec())
        }));
    }
    let suite =
        private(suite.rare("put_object_acl/object_is_untouched", &["ACL-15"], "A change of the list leaves Last-Modified and ETag.", async |fx| {
            prepare(&fx).await?;
            let before = expect::ok(fx.head_object("k").send().await)?;
            let listed = async || Ok(expect::ok(fx.list("k").send().await)?.contents().first().and_then(|object| object.last_modified().copied()));
            let listed_before = listed().await?;
            let (owner, _) = shown(&fx, "object").await?;
            let put = fx.s3().put_object_acl().bucket(fx.bucket()).key(fx.key("k")).grant_read(format!("id=\"{owner}\"")).send().await;
            granted(&fx, "PutObjectAcl", put)?;
            let after = expect::ok(fx.head_object("k").send().await)?;
            expect::eq("ETag", after.e_tag(), before.e_tag())?;
            expect::eq("Last-Modified", after.last_modified(), before.last_modified())?;
            // A list tells parts of a second where the server has them.
            expect::eq("LastModified of the list", listed().await?, listed_before)
        }));
    open(suite.extended(
        "put_object_acl/current_version_only",
        &["VER-29"],
        "A list that is put without a version id belongs to the newest version only.",
        async |fx| {
            fx.enable_versioning().await?;
            prepare(&fx).await?;
            let old = expect::some("x-amz-version-id", expect::ok(fx.head_object("k").send().await)?.version_id)?;
            fx.put("k", b"new").await?;
            granted(&fx, "PutObjectAcl", put_canned(&fx, "object", "public-read").await)?;
            let got = expect::ok(fx.s3().get_object_acl().bucket(fx.bucket()).key(fx.key("k")).version_id(old).send().await)?;
            expect::eq("grants of the old version", got.grants().len(), 1)?;
            expect::eq("grants of the new version", shown(&fx, "object").await?.1, vec!["AllUsers READ", OWNER_ONLY[0]])
        },
    ))
    .needs(&["acl", "versioning"])
}
