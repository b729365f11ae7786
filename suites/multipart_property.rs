//! Suite `multipart_property`: what is given at the start of an upload is the finished object's.

use aws_sdk_s3::operation::create_multipart_upload::builders::CreateMultipartUploadFluentBuilder;
use aws_sdk_s3::types::{ObjectCannedAcl, ObjectLockLegalHoldStatus, ServerSideEncryption, StorageClass};
use proofmark::case::{Answer, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::model::Impact;

use super::multipart::complete;

/// The suite.
pub fn suite() -> Suite {
    shared(own(Suite::new("multipart_property").source("S3 API reference, CreateMultipartUpload")))
}

fn create(fx: &Fixture) -> CreateMultipartUploadFluentBuilder {
    fx.s3().create_multipart_upload().bucket(fx.bucket()).key(fx.key("k"))
}

/// Uploads and completes what was created.
async fn finish(fx: &Fixture, id: Option<String>) -> Checked {
    let id = expect::some("UploadId", id)?;
    let one = fx.upload_part("k", &id, 1, b"x").await?;
    fx.set_up("CompleteMultipartUpload", complete(fx, &id, [one]).send().await).map(drop)
}

fn own(suite: Suite) -> Suite {
    suite
        .core("create_multipart_upload/tags", &["MPU-03"], "Tags given at the start are the finished object's.", async |fx| {
            let created = expect::ok(create(&fx).tagging("team=storage").send().await)?;
            finish(&fx, created.upload_id).await?;
            expect::eq("x-amz-tagging-count", expect::ok(fx.head_object("k").send().await)?.tag_count(), Some(1))?;
            let got = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
            expect::eq("tags", got.tag_set().iter().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>(), vec![("team", "storage")])
        })
        .needs(&["tagging"])
        .core("create_multipart_upload/storage_class", &["MPU-03"], "The storage class given at the start is the finished object's.", async |fx| {
            let created = create(&fx).storage_class(StorageClass::ReducedRedundancy).send().await.settle();
            // Not every server has this class.
            if let Err(refusal @ Refusal::Answered { status: 400, .. }) = &created {
                return Err(Finding::Unsupported(refusal.describe()));
            }
            finish(&fx, expect::ok(created)?.upload_id).await?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            expect::eq("x-amz-storage-class", head.storage_class(), Some(&StorageClass::ReducedRedundancy))
        })
        .core("create_multipart_upload/encryption", &["MPU-03"], "The encryption given at the start is the finished object's.", async |fx| {
            let created = expect::ok(create(&fx).server_side_encryption(ServerSideEncryption::Aes256).send().await)?;
            finish(&fx, created.upload_id).await?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            expect::eq("x-amz-server-side-encryption", head.server_side_encryption(), Some(&ServerSideEncryption::Aes256)).class(UnsafeIgnore)
        })
        .needs(&["encryption"])
        .core(
            "create_multipart_upload/content_headers",
            &["MPU-03"],
            "Content-Disposition, -Encoding, -Language and Expires given at the start are the finished object's.",
            async |fx| {
                let created = create(&fx).content_disposition("attachment").content_encoding("gzip").content_language("de");
                let created = expect::ok(created.expires(aws_sdk_s3::primitives::DateTime::from_secs(2_000_000_000)).send().await)?;
                finish(&fx, created.upload_id).await?;
                let head = expect::ok(fx.head_object("k").send().await)?;
                expect::eq("Content-Disposition", head.content_disposition(), Some("attachment"))?;
                expect::eq("Content-Encoding", head.content_encoding(), Some("gzip"))?;
                expect::eq("Content-Language", head.content_language(), Some("de"))?;
                expect::eq("Expires", head.expires_string(), Some("Wed, 18 May 2033 03:33:20 GMT"))
            },
        )
}

fn shared(suite: Suite) -> Suite {
    suite
        .core("create_multipart_upload/acl", &["MPU-03"], "The ACL given at the start is the finished object's.", async |fx| {
            // Where ownership controls exist, ACLs are off until they are switched on; elsewhere there is nothing to switch.
            let ownership = fx.raw_bucket("PutBucketOwnershipControls", "PUT", "?ownershipControls").header("Content-Type", "application/xml");
            let rule = "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>";
            ownership.body(rule).send().await.ok();
            let created = expect::ok(create(&fx).acl(ObjectCannedAcl::PublicRead).send().await)?;
            finish(&fx, created.upload_id).await?;
            let acl = expect::ok(fx.s3().get_object_acl().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
            let uris: Vec<_> = acl.grants().iter().filter_map(|grant| grant.grantee().and_then(|grantee| grantee.uri())).collect();
            expect::eq("groups with a grant", uris, vec!["http://acs.amazonaws.com/groups/global/AllUsers"])
        })
        .own_bucket()
        .needs(&["acl"])
        .impact(Impact::Public)
        .core("create_multipart_upload/legal_hold", &["MPU-03"], "A legal hold given at the start is the finished object's.", async |fx| {
            let created = expect::ok(create(&fx).object_lock_legal_hold_status(ObjectLockLegalHoldStatus::On).send().await)?;
            finish(&fx, created.upload_id).await?;
            let head = expect::ok(fx.head_object("k").send().await)?;
            let off = aws_sdk_s3::types::ObjectLockLegalHold::builder().status(ObjectLockLegalHoldStatus::Off).build();
            // A hold has no end of its own: it is lifted before anything is judged.
            let lift = fx.s3().put_object_legal_hold().bucket(fx.bucket()).key(fx.key("k")).legal_hold(off).send().await;
            expect::eq("x-amz-object-lock-legal-hold", head.object_lock_legal_hold_status(), Some(&ObjectLockLegalHoldStatus::On))
                .class(UnsafeIgnore)?;
            fx.set_up("PutObjectLegalHold OFF", lift).map(drop)
        })
        .lock_bucket()
}
