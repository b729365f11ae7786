//! Suite `configuration`: notification, logging, replication, and what tools read of the rest of a bucket's configuration.

use proofmark::case::values::{encode_path, md5_base64, snake};
use proofmark::case::{Answer as _, Checked, Finding, Fixture, Refusal, Suite, expect};

use super::delete_body::delete_with_md5;

/// The suite.
pub fn suite() -> Suite {
    let suite = Suite::new("configuration").source("S3 API reference, operations on buckets");
    shapes_of_xml(missing_bucket(defaults(replication(logging(notification(suite))))))
}

const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

fn notification(mut suite: Suite) -> Suite {
    suite = suite
        .extended(
            "get_bucket_notification_configuration/none",
            &["CFG-01"],
            "A bucket without notifications answers 200 and an empty configuration.",
            async |fx| {
                let got = expect::ok(fx.s3().get_bucket_notification_configuration().bucket(fx.bucket()).send().await)?;
                let rules = (got.queue_configurations().len(), got.topic_configurations().len(), got.lambda_function_configurations().len());
                expect::eq("queues, topics and functions", rules, (0, 0, 0))
            },
        )
        .needs(&["notification"])
        .own_bucket()
        .extended(
            "put_bucket_notification_configuration/empty",
            &["CFG-01"],
            "An empty notification configuration is accepted and reads back empty.",
            async |fx| {
                let xml = format!("<NotificationConfiguration {NAMESPACE}></NotificationConfiguration>");
                expect::ok(fx.raw_document("PutBucketNotificationConfiguration", "?notification", &xml).send().await)?;
                let got = expect::ok(fx.raw_bucket("GetBucketNotificationConfiguration", "GET", "?notification").send().await)?;
                expect::eq("Event", got.element("Event"), None::<String>)
            },
        )
        .needs(&["notification"])
        .own_bucket()
        .dependents(&["Terraform"]);
    for (name, arn) in [
        ("no_arn", "not an arn"),
        ("absent_queue", "arn:aws:sqs:us-east-1:123456789012:nobody-made-this"),
        ("other_service", "arn:aws:ec2:us-east-1:1:x/y"),
    ] {
        let rule =
            format!("A notification to a destination that cannot be ({}) answers 400 InvalidArgument and is not kept.", name.replace('_', " "));
        suite = suite
            .extended(&format!("put_bucket_notification_configuration/{name}"), &["CFG-01"], &rule, move |fx| async move {
                let xml = format!(
                    "<NotificationConfiguration {NAMESPACE}><QueueConfiguration><Id>a</Id><Queue>{arn}</Queue><Event>s3:ObjectCreated:*</Event></QueueConfiguration></NotificationConfiguration>"
                );
                expect::error(fx.raw_document("PutBucketNotificationConfiguration", "?notification", &xml).send().await, 400, "InvalidArgument")?;
                let got = expect::ok(fx.raw_bucket("GetBucketNotificationConfiguration", "GET", "?notification").send().await)?;
                expect::eq("Event", got.element("Event"), None::<String>)
            })
            .needs(&["notification"])
            .own_bucket();
    }
    suite
}

fn logging(suite: Suite) -> Suite {
    let to = |target: &str| {
        format!(
            "<BucketLoggingStatus {NAMESPACE}><LoggingEnabled><TargetBucket>{target}</TargetBucket><TargetPrefix>log/</TargetPrefix></LoggingEnabled></BucketLoggingStatus>"
        )
    };
    suite
        .rare("get_bucket_logging/none", &["CFG-03"], "A bucket without logging answers 200 and an empty status.", async |fx| {
            let got = expect::ok(fx.raw_bucket("GetBucketLogging", "GET", "?logging").send().await)?;
            expect::eq("TargetBucket", got.element("TargetBucket"), None::<String>)
        })
        .own_bucket()
        .dependents(&["Terraform"])
        .rare("put_bucket_logging/missing_target", &["CFG-03"], "Logging to a bucket that does not exist answers 400 InvalidTargetBucketForLogging.", move |fx| async move {
            let target = fx.missing_bucket();
            expect::error(fx.raw_document("PutBucketLogging", "?logging", &to(&target)).send().await, 400, "InvalidTargetBucketForLogging")
        })
        .needs(&["logging"])
        .own_bucket()
        .rare("put_bucket_logging/round_trip", &["CFG-03"], "Logging to a bucket that lets the log service write reads back as it was put.", move |fx| async move {
            let target = fx.other_bucket(1).await?;
            let policy = format!(
                r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"logging.s3.amazonaws.com"}},"Action":["s3:PutObject"],"Resource":["arn:aws:s3:::{target}/*"]}}]}}"#
            );
            fx.set_up("PutBucketPolicy", fx.s3().put_bucket_policy().bucket(&target).policy(policy).send().await)?;
            expect::ok(fx.raw_document("PutBucketLogging", "?logging", &to(&target)).send().await)?;
            let got = expect::ok(fx.raw_bucket("GetBucketLogging", "GET", "?logging").send().await)?;
            expect::eq("TargetBucket and TargetPrefix", (got.element("TargetBucket"), got.element("TargetPrefix")), (Some(target), Some("log/".to_owned())))
        })
        .needs(&["logging"])
        .own_bucket()
}

fn replication(suite: Suite) -> Suite {
    let to = |target: &str| {
        format!(
            "<ReplicationConfiguration {NAMESPACE}><Role>arn:aws:iam::123456789012:role/replicate</Role><Rule><ID>a</ID><Status>Enabled</Status><Priority>1</Priority><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication><Filter><Prefix></Prefix></Filter><Destination><Bucket>arn:aws:s3:::{target}</Bucket></Destination></Rule></ReplicationConfiguration>"
        )
    };
    suite
        .extended(
            "get_bucket_replication/none",
            &["CFG-04"],
            "A bucket without replication answers 404 ReplicationConfigurationNotFoundError.",
            async |fx| {
                let got = fx.raw_bucket("GetBucketReplication", "GET", "?replication").send().await;
                expect::error(got, 404, "ReplicationConfigurationNotFoundError")
            },
        )
        .needs(&["replication"])
        .own_bucket()
        .extended(
            "put_bucket_replication/not_versioned",
            &["CFG-04"],
            "Replication from a bucket without versioning answers 400 InvalidRequest.",
            move |fx| async move {
                let target = fx.other_bucket(1).await?;
                expect::error(fx.raw_document("PutBucketReplication", "?replication", &to(&target)).send().await, 400, "InvalidRequest")
            },
        )
        .needs(&["replication"])
        .own_bucket()
        .extended(
            "put_bucket_replication/missing_target",
            &["CFG-04"],
            "Replication to a bucket that does not exist is refused and not kept.",
            move |fx| async move {
                fx.enable_versioning().await?;
                let target = fx.missing_bucket();
                let answer = fx.raw_document("PutBucketReplication", "?replication", &to(&target)).send().await;
                expect::error_as(answer, &[(400, ""), (404, "")])?;
                let got = fx.raw_bucket("GetBucketReplication", "GET", "?replication").send().await;
                expect::error(got, 404, "ReplicationConfigurationNotFoundError")
            },
        )
        .needs(&["replication", "versioning"])
        .own_bucket()
        .extended("put_bucket_replication/malformed", &["CFG-04"], "A replication configuration without a rule answers 400.", async |fx| {
            fx.enable_versioning().await?;
            let xml =
                format!("<ReplicationConfiguration {NAMESPACE}><Role>arn:aws:iam::123456789012:role/replicate</Role></ReplicationConfiguration>");
            expect::error_as(fx.raw_document("PutBucketReplication", "?replication", &xml).send().await, &[(400, "")])
        })
        .needs(&["replication", "versioning"])
        .own_bucket()
}

/// Lists of configurations that hardly anybody has, but that tools read.
const LISTS: [(&str, &str, &str); 4] = [
    ("list_bucket_analytics_configurations", "ListBucketAnalyticsConfigurations", "?analytics"),
    ("list_bucket_inventory_configurations", "ListBucketInventoryConfigurations", "?inventory"),
    ("list_bucket_metrics_configurations", "ListBucketMetricsConfigurations", "?metrics"),
    ("list_bucket_intelligent_tiering_configurations", "ListBucketIntelligentTieringConfigurations", "?intelligent-tiering"),
];

fn defaults(mut suite: Suite) -> Suite {
    for (operation, name, query) in LISTS {
        let rule = format!("{name} answers its own empty list, or 501 where the server lacks it.");
        suite = suite
            .rare(&format!("{operation}/none"), &["CFG-05"], &rule, move |fx| async move {
                fx.put("k", b"x").await?;
                let list = expect::ok(fx.raw_bucket(name, "GET", query).send().await)?;
                let is_objects = list.text().contains("<ListBucketResult") || list.element("Key").is_some();
                expect::that("answer", !is_objects, "a list of configurations", "a list of objects")
            })
            .dependents(&["Terraform"])
            .own_bucket();
    }
    suite
        .rare(
            "get_bucket_request_payment/default",
            &["CFG-06", "CFG-05"],
            "GetBucketRequestPayment answers BucketOwner for a new bucket.",
            async |fx| {
                let got = expect::ok(fx.raw_bucket("GetBucketRequestPayment", "GET", "?requestPayment").send().await)?;
                expect::eq("Payer", got.element("Payer").as_deref(), Some("BucketOwner"))
            },
        )
        .own_bucket()
        .dependents(&["Terraform"])
        .rare(
            "get_bucket_accelerate_configuration/default",
            &["CFG-07", "CFG-05"],
            "GetBucketAccelerateConfiguration answers no status for a new bucket.",
            async |fx| {
                let got = expect::ok(fx.raw_bucket("GetBucketAccelerateConfiguration", "GET", "?accelerate").send().await)?;
                expect::eq("Status", got.element("Status"), None::<String>)
            },
        )
        .own_bucket()
        .dependents(&["Terraform"])
        .rare(
            "put_bucket_versioning/too_long",
            &["CFG-08"],
            "A configuration of 2 MiB answers 400 MaxMessageLengthExceeded and changes nothing.",
            async |fx| {
                let xml = format!("<VersioningConfiguration {NAMESPACE}><Status>Enabled</Status>{}</VersioningConfiguration>", " ".repeat(2 << 20));
                let answer = fx.raw_document("PutBucketVersioning", "?versioning", &xml).send().await;
                let refused = answer.as_ref().ok().map(|answer| (answer.status, answer.code().unwrap_or_default()));
                if let Some((status @ (400 | 413), code)) = refused.filter(|(_, code)| code != "MaxMessageLengthExceeded") {
                    unversioned(&fx).await?;
                    return expect::variant(format!("{status} {code}"));
                }
                expect::error(answer, 400, "MaxMessageLengthExceeded")?;
                unversioned(&fx).await
            },
        )
        .needs(&["versioning"])
        .own_bucket()
}

async fn unversioned(fx: &Fixture) -> Checked {
    let got = expect::ok(fx.s3().get_bucket_versioning().bucket(fx.bucket()).send().await)?;
    expect::eq("Status", got.status(), None)
}

/// Query and operation of what reads a bucket's configuration.
const READS: [(&str, &str); 17] = [
    ("acl", "GetBucketAcl"),
    ("cors", "GetBucketCors"),
    ("encryption", "GetBucketEncryption"),
    ("lifecycle", "GetBucketLifecycleConfiguration"),
    ("location", "GetBucketLocation"),
    ("logging", "GetBucketLogging"),
    ("notification", "GetBucketNotificationConfiguration"),
    ("object-lock", "GetObjectLockConfiguration"),
    ("ownershipControls", "GetBucketOwnershipControls"),
    ("policy", "GetBucketPolicy"),
    ("policyStatus", "GetBucketPolicyStatus"),
    ("publicAccessBlock", "GetPublicAccessBlock"),
    ("replication", "GetBucketReplication"),
    ("requestPayment", "GetBucketRequestPayment"),
    ("tagging", "GetBucketTagging"),
    ("versioning", "GetBucketVersioning"),
    ("website", "GetBucketWebsite"),
];
const DELETES: [(&str, &str); 7] = [
    ("cors", "DeleteBucketCors"),
    ("encryption", "DeleteBucketEncryption"),
    ("lifecycle", "DeleteBucketLifecycle"),
    ("ownershipControls", "DeleteBucketOwnershipControls"),
    ("policy", "DeleteBucketPolicy"),
    ("tagging", "DeleteBucketTagging"),
    ("website", "DeleteBucketWebsite"),
];
const WRITES: [(&str, &str, &str); 6] = [
    ("versioning", "PutBucketVersioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
    ("tagging", "PutBucketTagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
    (
        "cors",
        "PutBucketCors",
        "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>",
    ),
    (
        "lifecycle",
        "PutBucketLifecycleConfiguration",
        "<LifecycleConfiguration><Rule><ID>a</ID><Filter><Prefix>x</Prefix></Filter><Status>Enabled</Status><Expiration><Days>9</Days></Expiration></Rule></LifecycleConfiguration>",
    ),
    (
        "encryption",
        "PutBucketEncryption",
        "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>",
    ),
    ("website", "PutBucketWebsite", "<WebsiteConfiguration><IndexDocument><Suffix>a.html</Suffix></IndexDocument></WebsiteConfiguration>"),
];

fn missing_bucket(suite: Suite) -> Suite {
    let reads = READS.map(|(query, operation)| ("GET", query, operation, ""));
    let deletes = DELETES.map(|(query, operation)| ("DELETE", query, operation, ""));
    let writes = WRITES.map(|(query, operation, xml)| ("PUT", query, operation, xml));
    let calls = reads.into_iter().chain(deletes).chain(writes);
    calls.fold(suite, |suite, (method, query, operation, xml)| {
        let rule = format!("{operation} for a bucket that does not exist answers 404 NoSuchBucket.");
        suite.common(&format!("{}/missing_bucket", snake(operation)), &["CFG-09"], &rule, move |fx| async move {
            let request = fx.raw().request(method, &fx.missing_bucket(), &format!("?{query}")).operation(operation);
            let request = if xml.is_empty() { request } else { request.header("Content-MD5", md5_base64(xml.as_bytes())).body(xml) };
            let answer = request.send().await.settle();
            // A server that lacks the call may say so before it looks for the bucket.
            match answer {
                Err(Refusal::Answered { status: 405, code }) => Err(Finding::Unsupported(format!("405 {code}"))),
                answer => expect::error(answer, 404, "NoSuchBucket"),
            }
        })
    })
}

/// XML as hand-written clients send it: the root element of a request, and what stands around it.
const SHAPES: [(&str, &str); 6] = [
    ("namespace", "<ROOT xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">BODY</ROOT>"),
    ("no_namespace", "<ROOT>BODY</ROOT>"),
    ("prefix", "<s3:ROOT xmlns:s3=\"http://s3.amazonaws.com/doc/2006-03-01/\">PREFIXED</s3:ROOT>"),
    ("declaration_and_comment", "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<!-- by hand -->\n<ROOT>BODY</ROOT>\n"),
    ("white_space", "\n  <ROOT>\n  BODY\n  </ROOT>\n"),
    ("unknown_element", "<ROOT>BODY<Remark>by hand</Remark></ROOT>"),
];

fn shapes_of_xml(mut suite: Suite) -> Suite {
    for (name, form) in SHAPES {
        let rule = format!("DeleteObjects takes XML as hand-written clients send it ({}).", name.replace('_', " "));
        suite = suite.common(&format!("delete_objects/xml_{name}"), &["CFG-10"], &rule, move |fx| async move {
            fx.put("k", b"x").await?;
            let plain = format!("<Object><Key>{}</Key></Object>", fx.key("k"));
            let xml = form.replace("ROOT", "Delete").replace("BODY", &plain).replace("PREFIXED", &prefixed(&plain));
            lenient(name, delete_with_md5(&fx, &xml).send().await.settle())?;
            fx.absent("k").await
        });
        let rule = format!("PutObjectTagging takes XML as hand-written clients send it ({}).", name.replace('_', " "));
        suite = suite
            .common(&format!("put_object_tagging/xml_{name}"), &["CFG-10"], &rule, move |fx| async move {
                fx.put("k", b"x").await?;
                let plain = "<TagSet><Tag><Key>colour</Key><Value>blue</Value></Tag></TagSet>";
                let xml = form.replace("ROOT", "Tagging").replace("BODY", plain).replace("PREFIXED", &prefixed(plain));
                let put = fx.raw_document("PutObjectTagging", &format!("{}?tagging", encode_path(&fx.key("k"))), &xml);
                lenient(name, put.send().await.settle())?;
                let tags = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key(fx.key("k")).send().await)?;
                expect::eq("tags", tags.tag_set().len(), 1)
            })
            .needs(&["tagging"]);
    }
    suite
}

fn prefixed(xml: &str) -> String {
    xml.replace("</", "\u{0}").replace('<', "<s3:").replace('\u{0}', "</s3:")
}

/// Unknown elements may be ignored or refused: sources differ.
fn lenient<T>(name: &str, answer: Result<T, Refusal>) -> Checked {
    match answer {
        Err(Refusal::Answered { status: 400, code }) if name == "unknown_element" => {
            expect::variant(format!("400 {code}: unknown elements are refused"))
        }
        answer => expect::ok(answer).map(drop),
    }
}
