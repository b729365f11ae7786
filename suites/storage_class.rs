//! Suite `storage_class`: where objects are said to be kept.

use aws_sdk_s3::types::{ObjectAttributes, StorageClass};
use proofmark::case::{Answer as _, Checked, Finding, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;

/// Classes that AWS has and others may lack.
const OPTIONAL: [(&str, &str); 5] = [
    ("reduced_redundancy", "REDUCED_REDUNDANCY"),
    ("standard_ia", "STANDARD_IA"),
    ("onezone_ia", "ONEZONE_IA"),
    ("intelligent_tiering", "INTELLIGENT_TIERING"),
    ("glacier_ir", "GLACIER_IR"),
];

const STANDARD: &str = "STANDARD";

/// The class that HEAD tells; absent means STANDARD.
async fn in_head(fx: &Fixture) -> Checked<String> {
    let head = expect::ok(fx.head_object("k").send().await)?;
    Ok(head.storage_class().map_or(STANDARD, StorageClass::as_str).to_owned())
}

/// The class that a list tells.
async fn in_list(fx: &Fixture) -> Checked<Option<String>> {
    let listed = expect::ok(fx.list("k").send().await)?;
    let entry = expect::some("the entry", listed.contents().first())?;
    Ok(entry.storage_class().map(|class| class.as_str().to_owned()))
}

/// Stores with this class and tells what HEAD says then; `None` where the class is refused as AWS refuses it.
async fn stored_as(fx: &Fixture, class: &str) -> Checked<Option<String>> {
    let put = fx.put_object("k").storage_class(StorageClass::from(class)).body(b"x".to_vec().into()).send().await;
    match put.settle() {
        Err(Refusal::Answered { status: 400, code }) if code == "InvalidStorageClass" => {
            fx.absent("k").await?;
            Ok(None)
        }
        Err(refusal @ Refusal::Answered { status: 400, .. }) => expect::lost(&refusal, "success or 400 InvalidStorageClass"),
        other => {
            expect::ok(other)?;
            fx.holds("k", b"x").await?;
            in_head(fx).await.map(Some)
        }
    }
}

/// The suite.
pub fn suite() -> Suite {
    archive(consistent(chosen(Suite::new("storage_class").source("S3 user guide, Storage classes; S3 API reference, PutObject"))))
}

fn chosen(mut suite: Suite) -> Suite {
    for (name, class) in [("unknown", "NO_SUCH_CLASS"), ("lower_case", "standard")] {
        let rule = format!("PutObject with the storage class {class} answers 400 InvalidStorageClass and stores nothing.");
        suite = suite
            .common(&format!("put_object/{name}"), &["PUT-23"], &rule, move |fx| async move {
                match stored_as(&fx, class).await?.as_deref() {
                    None => Ok(()),
                    Some(STANDARD) => expect::variant("stored as STANDARD"),
                    Some(other) => expect::eq("storage class in HEAD", other, STANDARD),
                }
            })
            .dependents(&["Veeam", "S3A", "mountpoint"]);
    }
    for (name, class) in OPTIONAL {
        let rule = format!("An object stored as {class} says so, or the class is refused with 400 InvalidStorageClass.");
        suite = suite.common(&format!("put_object/{name}"), &["PUT-23"], &rule, move |fx| async move {
            match stored_as(&fx, class).await?.as_deref() {
                None => expect::variant("400 InvalidStorageClass"),
                Some(STANDARD) => expect::variant("stored as STANDARD"),
                Some(other) => expect::eq("storage class in HEAD", other, class),
            }
        });
    }
    suite.common("put_object/standard", &["PUT-23", "PUT-24"], "An object stored as STANDARD is STANDARD in HEAD and list.", async |fx| {
        let put = fx.put_object("k").storage_class(StorageClass::Standard).body(b"x".to_vec().into()).send().await;
        expect::ok(put)?;
        expect::eq("storage class in HEAD", in_head(&fx).await?.as_str(), STANDARD)?;
        expect::eq("storage class in the list", in_list(&fx).await?.as_deref().unwrap_or(STANDARD), STANDARD)
    })
}

fn consistent(suite: Suite) -> Suite {
    suite
        .common(
            "list_objects_v2/default_class",
            &["PUT-24", "LST-03"],
            "A list shows the storage class of an object: STANDARD by default.",
            async |fx| {
                fx.put("k", b"x").await?;
                expect::eq("storage class in the list", in_list(&fx).await?.as_deref(), Some(STANDARD)).class(WrongCode)
            },
        )
        .dependents(&["lifecycle tools"])
        .common("get_object_attributes/default_class", &["PUT-24"], "GetObjectAttributes and HEAD agree on the storage class.", async |fx| {
            fx.put("k", b"x").await?;
            let attributes = fx.s3().get_object_attributes().bucket(fx.bucket()).key(fx.key("k"));
            let attributes = expect::ok(attributes.object_attributes(ObjectAttributes::StorageClass).send().await)?;
            let class = attributes.storage_class().map_or(STANDARD, StorageClass::as_str);
            expect::eq("storage class in the attributes", class, in_head(&fx).await?.as_str())
        })
        .common("copy_object/keeps_no_class", &["PUT-24"], "A copy without a storage class is STANDARD in HEAD and list.", async |fx| {
            fx.put("source", b"x").await?;
            expect::ok(fx.copy_object("source", "k").send().await)?;
            expect::eq("storage class in HEAD", in_head(&fx).await?.as_str(), STANDARD)?;
            expect::eq("storage class in the list", in_list(&fx).await?.as_deref().unwrap_or(STANDARD), STANDARD)
        })
}

fn archive(mut suite: Suite) -> Suite {
    for (name, class) in [("glacier", "GLACIER"), ("deep_archive", "DEEP_ARCHIVE")] {
        let rule = format!("A GET of an object in {class} that was not restored answers 403 InvalidObjectState.");
        suite = suite
            .rare(&format!("get_object/{name}_not_restored"), &["GET-26"], &rule, move |fx| async move {
                match stored_as(&fx, class).await {
                    Ok(Some(stored)) if stored == class => expect::error(fx.get_object("k").send().await, 403, "InvalidObjectState"),
                    // What reads back at once was not archived, whatever its class is called.
                    Ok(_) => Err(Finding::Unsupported(format!("there is no class {class}"))),
                    Err(finding) => Err(finding),
                }
            })
            .needs(&["archive"]);
    }
    suite
}
