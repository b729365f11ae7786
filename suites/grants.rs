//! Access control lists as several suites prepare and show them.

use aws_sdk_s3::types::{Grant, ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration};
use proofmark::case::{Answer, Checked, Finding, Fixture, Refusal, expect};

/// Where a list belongs, for loops over both.
pub const LEVELS: [&str; 2] = ["bucket", "object"];

/// Ownership controls with one rule.
pub fn ownership(rule: ObjectOwnership) -> OwnershipControls {
    let rule = OwnershipControlsRule::builder().object_ownership(rule).build().expect("an ownership was given");
    OwnershipControls::builder().rules(rule).build().expect("a rule was given")
}

/// Prepares that lists may be set and count: objects belong to their writers, and nothing blocks public lists. Vendors that know neither
/// setting either have lists switched on or refuse them afterwards.
pub async fn allow_lists(fx: &Fixture) -> Checked {
    let controls = ownership(ObjectOwnership::ObjectWriter);
    tolerate(fx.s3().put_bucket_ownership_controls().bucket(fx.bucket()).ownership_controls(controls).send().await)?;
    let nothing = PublicAccessBlockConfiguration::builder().block_public_acls(false).ignore_public_acls(false);
    let nothing = nothing.block_public_policy(false).restrict_public_buckets(false).build();
    tolerate(fx.s3().put_public_access_block().bucket(fx.bucket()).public_access_block_configuration(nothing).send().await)
}

/// The refusal of an optional setting decides nothing.
pub fn tolerate<A: Answer>(answer: A) -> Checked {
    match answer.settle() {
        Ok(_) | Err(Refusal::Answered { .. } | Refusal::Unreadable { .. }) => Ok(()),
        Err(trouble) => expect::lost(&trouble, "an answer"),
    }
}

/// Judges the preparation of a list: where lists cannot be switched on, the vendor does not support them.
#[track_caller]
pub fn granted<A: Answer>(fx: &Fixture, step: &str, answer: A) -> Checked<A::Value> {
    match answer.settle() {
        Err(Refusal::Answered { status, code }) if code == "AccessControlListNotSupported" => Err(Finding::Unsupported(format!("{status} {code}"))),
        settled => fx.set_up(step, settled),
    }
}

/// Owner's id and grants (`owner READ`, `AllUsers READ`), sorted.
pub type Shown = (String, Vec<String>);

/// The list of the bucket, or of the object `k`.
pub async fn shown(fx: &Fixture, level: &str) -> Checked<Shown> {
    let (owner, grants) = if level == "bucket" {
        let got = expect::ok(fx.s3().get_bucket_acl().bucket(fx.bucket()).send().await)?;
        (got.owner, got.grants)
    } else {
        let got = expect::ok(fx.s3().get_object_acl().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
        (got.owner, got.grants)
    };
    let owner = expect::some("Owner ID", owner.and_then(|owner| owner.id))?;
    let grants = grants.unwrap_or_default().iter().map(|grant| line(grant, &owner)).collect::<std::collections::BTreeSet<_>>();
    Ok((owner, grants.into_iter().collect()))
}

fn line(grant: &Grant, owner: &str) -> String {
    let permission = grant.permission().map_or("", |permission| permission.as_str());
    let id = grant.grantee().and_then(|grantee| grantee.id()).map(|id| if id == owner { "owner" } else { id });
    let uri = grant.grantee().and_then(|grantee| grantee.uri()).map(|uri| uri.rsplit('/').next().unwrap_or(uri));
    format!("{} {permission}", id.or(uri).unwrap_or("nobody"))
}
