//! Suite `lifecycle`: lifecycle rules as documents. What they do to objects is the suite `expiry`.

use aws_sdk_s3::types::{BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule, LifecycleRuleFilter};
use proofmark::case::{Answer, Checked, Fixture, Refusal, Suite, WithClass, expect};
use proofmark::model::FailureClass::UnsafeIgnore;
use proofmark::wire;

/// Sends rules as XML.
pub async fn put(fx: &Fixture, rules: &str) -> Result<wire::Answer, Refusal> {
    let body = format!("<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{rules}</LifecycleConfiguration>");
    fx.raw_document("PutBucketLifecycleConfiguration", "?lifecycle", &body).send().await.settle()
}

/// Prepares rules given as XML.
pub async fn impose(fx: &Fixture, rules: &str) -> Checked {
    fx.set_up("PutBucketLifecycleConfiguration", put(fx, rules).await).map(drop)
}

/// What is stored.
async fn rules(fx: &Fixture) -> Checked<Vec<LifecycleRule>> {
    let got = expect::ok(fx.s3().get_bucket_lifecycle_configuration().bucket(fx.bucket()).send().await)?;
    Ok(got.rules.unwrap_or_default())
}

async fn none(fx: &Fixture) -> Checked {
    let got = fx.s3().get_bucket_lifecycle_configuration().bucket(fx.bucket()).send().await;
    expect::error(got, 404, "NoSuchLifecycleConfiguration")
}

/// Claims that rules are refused in one of these ways and not stored.
async fn turned_down(fx: &Fixture, rules: &str, accepted: &[(u16, &str)]) -> Checked {
    expect::error_as(put(fx, rules).await, accepted)?;
    none(fx).await
}

/// A rule that expires what lies below `x/` after ten days.
fn usual(id: &str) -> LifecycleRule {
    let filter = LifecycleRuleFilter::builder().prefix("x/").build();
    let rule = LifecycleRule::builder().id(id).status(ExpirationStatus::Enabled).filter(filter);
    rule.expiration(LifecycleExpiration::builder().days(10).build()).build().expect("a status was given")
}

/// What every case with rules needs.
fn ruled(suite: Suite) -> Suite {
    suite.needs(&["lifecycle"]).own_bucket()
}

/// The suite.
pub fn suite() -> Suite {
    let suite =
        Suite::new("lifecycle").source("S3 API reference, PutBucketLifecycleConfiguration, and S3 user guide, Lifecycle configuration elements");
    header(transitions(bad_rules(ids(round_trips(life(suite))))))
}

fn life(suite: Suite) -> Suite {
    let rule = "PutBucketLifecycleConfiguration stores a rule that GetBucketLifecycleConfiguration returns.";
    let suite = ruled(suite.common("put_bucket_lifecycle_configuration/put", &["LFC-01"], rule, async |fx| {
        let configuration = BucketLifecycleConfiguration::builder().rules(usual("one")).build().expect("a rule was given");
        let put = fx.s3().put_bucket_lifecycle_configuration().bucket(fx.bucket()).lifecycle_configuration(configuration);
        expect::ok(put.send().await)?;
        let stored = rules(&fx).await?;
        let shown: Vec<_> = stored.iter().map(|rule| (rule.id(), rule.expiration().and_then(|expiration| expiration.days()))).collect();
        expect::eq("rules", shown, vec![(Some("one"), Some(10))])
    }))
    .dependents(&["Terraform", "Loki"]);
    let rule = "GetBucketLifecycleConfiguration without rules answers 404 NoSuchLifecycleConfiguration.";
    let suite = ruled(suite.common("get_bucket_lifecycle_configuration/none", &["LFC-01"], rule, async |fx| none(&fx).await));
    let rule = "DeleteBucketLifecycle answers 204 and removes the rules.";
    let suite = ruled(suite.dependents(&["Terraform"]).common("delete_bucket_lifecycle/delete", &["LFC-01"], rule, async |fx| {
        impose(&fx, RULES[0].2).await?;
        expect::ok(fx.s3().delete_bucket_lifecycle().bucket(fx.bucket()).send().await)?;
        none(&fx).await
    }));
    let rule = "A second PutBucketLifecycleConfiguration replaces all rules of the first.";
    ruled(suite.common("put_bucket_lifecycle_configuration/replaces", &["LFC-01"], rule, async |fx| {
        for id in ["first", "second"] {
            let configuration = BucketLifecycleConfiguration::builder().rules(usual(id)).build().expect("a rule was given");
            let put = fx.s3().put_bucket_lifecycle_configuration().bucket(fx.bucket()).lifecycle_configuration(configuration);
            expect::ok(put.send().await)?;
        }
        expect::eq("ids", rules(&fx).await?.iter().filter_map(|rule| rule.id()).collect::<Vec<_>>(), vec!["second"])
    }))
}

/// A form of rule: id, what it is, the rule.
const RULES: [(&str, &str, &str); 14] = [
    (
        "prefix",
        "with a prefix",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "legacy_prefix",
        "with a prefix of the old kind",
        "<Rule><ID>r</ID><Prefix>x/</Prefix><Status>Enabled</Status><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "empty_filter",
        "with an empty filter",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "empty_prefix",
        "with an empty prefix",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "tag",
        "with a tag",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "prefix_and_tag",
        "with a prefix and a tag",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><And><Prefix>x/</Prefix><Tag><Key>a</Key><Value>b</Value></Tag></And></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "two_tags",
        "with two tags",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><And><Tag><Key>a</Key><Value>b</Value></Tag><Tag><Key>c</Key><Value>d</Value></Tag></And></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "size_greater",
        "for objects above a size",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "size_less",
        "for objects below a size",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><ObjectSizeLessThan>64000</ObjectSizeLessThan></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "size_between",
        "for a prefix and sizes between two",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><And><Prefix>x/</Prefix><ObjectSizeGreaterThan>500</ObjectSizeGreaterThan><ObjectSizeLessThan>64000</ObjectSizeLessThan></And></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "disabled",
        "that is disabled",
        "<Rule><ID>r</ID><Status>Disabled</Status><Filter><Prefix>x/</Prefix></Filter><Expiration><Days>10</Days></Expiration></Rule>",
    ),
    (
        "date",
        "with a date",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter><Expiration><Date>2040-01-01T00:00:00Z</Date></Expiration></Rule>",
    ),
    (
        "noncurrent",
        "for versions that are not current",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter><NoncurrentVersionExpiration><NoncurrentDays>3</NoncurrentDays><NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule>",
    ),
    (
        "uploads",
        "for unfinished uploads",
        "<Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>",
    ),
];

/// Elements that the rule may not lose on its way; an empty prefix may be left out, and an empty filter be spelled with one.
fn elements(answer: &wire::Answer) -> Vec<(String, String)> {
    let names = [
        "ID",
        "Status",
        "Prefix",
        "Key",
        "Value",
        "ObjectSizeGreaterThan",
        "ObjectSizeLessThan",
        "Days",
        "NoncurrentDays",
        "NewerNoncurrentVersions",
        "DaysAfterInitiation",
    ];
    let found = names.iter().filter_map(|name| Some(((*name).to_owned(), answer.element(name)?)));
    let mut found: Vec<_> = found.filter(|(_, value)| !value.is_empty()).collect();
    if let Some(date) = answer.element("Date") {
        found.push(("Date".to_owned(), date.chars().take(10).collect()));
    }
    found
}

fn round_trips(mut suite: Suite) -> Suite {
    for (id, what, text) in RULES {
        let rule = format!("A lifecycle rule {what} is returned as it was put.");
        let case = move |fx: Fixture| async move {
            expect::ok(put(&fx, text).await)?;
            let got = expect::ok(fx.raw_bucket("GetBucketLifecycleConfiguration", "GET", "?lifecycle").send().await)?;
            let wanted = wire::Answer { body: text.as_bytes().to_vec(), ..wire::Answer::default() };
            // A rule that lost its filter expires what it should not.
            expect::eq("elements", elements(&got), elements(&wanted)).class(UnsafeIgnore)?;
            let tags = |answer: &wire::Answer| answer.text().matches("<Tag>").count();
            expect::eq("tags", tags(&got), tags(&wanted)).class(UnsafeIgnore)
        };
        let id = format!("put_bucket_lifecycle_configuration/{id}_is_kept");
        suite = ruled(suite.common(&id, &["LFC-02"], &rule, case)).dependents(&["Terraform"]);
    }
    suite
}

fn ids(suite: Suite) -> Suite {
    let expiry = "<Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter><Expiration><Days>10</Days></Expiration>";
    let rule = "A rule without an ID gets one.";
    let mut suite = ruled(suite.extended("put_bucket_lifecycle_configuration/no_id", &["LFC-03"], rule, move |fx: Fixture| async move {
        expect::ok(put(&fx, &format!("<Rule>{expiry}</Rule>")).await)?;
        let stored = rules(&fx).await?;
        expect::that("ID", stored.iter().all(|rule| rule.id().is_some_and(|id| !id.is_empty())), "one that is not empty", &stored)
    }));
    let long: String = "i".repeat(256);
    for (id, what, text) in [
        ("same_id", "Two rules with one ID", format!("<Rule><ID>r</ID>{expiry}</Rule><Rule><ID>r</ID>{}</Rule>", expiry.replace("x/", "y/"))),
        ("long_id", "An ID of 256 characters", format!("<Rule><ID>{long}</ID>{expiry}</Rule>")),
    ] {
        let rule = format!("{what} answers 400 InvalidArgument and is not stored.");
        let case = move |fx: Fixture| {
            let text = text.clone();
            async move { turned_down(&fx, &text, &[(400, "InvalidArgument")]).await }
        };
        suite = ruled(suite.extended(&format!("put_bucket_lifecycle_configuration/{id}"), &["LFC-03"], &rule, case));
    }
    let rule = "An ID of 255 characters is stored whole.";
    ruled(suite.extended("put_bucket_lifecycle_configuration/longest_id", &["LFC-03"], rule, move |fx: Fixture| async move {
        let longest = "i".repeat(255);
        expect::ok(put(&fx, &format!("<Rule><ID>{longest}</ID>{expiry}</Rule>")).await)?;
        expect::eq("ID", rules(&fx).await?.first().and_then(|rule| rule.id().map(str::to_owned)), Some(longest))
    }))
}

const EITHER: &[(u16, &str)] = &[(400, "MalformedXML"), (400, "InvalidArgument")];
const ANY: &[(u16, &str)] = &[(400, "MalformedXML"), (400, "InvalidArgument"), (400, "InvalidRequest")];

/// What is wrong: id, row, words, inside of the rule, answers.
const WRONG: [(&str, &str, &str, &str, &[(u16, &str)]); 11] = [
    ("lower_case_status", "LFC-04", "the status enabled", "<Status>enabled</Status><Filter/><Expiration><Days>1</Days></Expiration>", EITHER),
    ("unknown_status", "LFC-04", "an unknown status", "<Status>invalid</Status><Filter/><Expiration><Days>1</Days></Expiration>", EITHER),
    ("no_status", "LFC-04", "no status", "<Filter/><Expiration><Days>1</Days></Expiration>", EITHER),
    (
        "date_not_midnight",
        "LFC-04",
        "a date that is not midnight",
        "<Status>Enabled</Status><Filter/><Expiration><Date>2040-01-01T10:00:00Z</Date></Expiration>",
        EITHER,
    ),
    ("no_date", "LFC-04", "a date that is none", "<Status>Enabled</Status><Filter/><Expiration><Date>soon</Date></Expiration>", EITHER),
    (
        "days_and_date",
        "LFC-04",
        "both days and a date",
        "<Status>Enabled</Status><Filter/><Expiration><Days>1</Days><Date>2040-01-01T00:00:00Z</Date></Expiration>",
        ANY,
    ),
    ("no_action", "LFC-04", "no action", "<Status>Enabled</Status><Filter/>", ANY),
    (
        "days_0",
        "LFC-05",
        "expiration after 0 days",
        "<Status>Enabled</Status><Filter/><Expiration><Days>0</Days></Expiration>",
        &[(400, "InvalidArgument")],
    ),
    ("days_negative", "LFC-05", "expiration after -1 days", "<Status>Enabled</Status><Filter/><Expiration><Days>-1</Days></Expiration>", EITHER),
    (
        "noncurrent_days_0",
        "LFC-05",
        "expiration of old versions after 0 days",
        "<Status>Enabled</Status><Filter/><NoncurrentVersionExpiration><NoncurrentDays>0</NoncurrentDays></NoncurrentVersionExpiration>",
        EITHER,
    ),
    (
        "initiation_days_0",
        "LFC-05",
        "abortion of uploads after 0 days",
        "<Status>Enabled</Status><Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>0</DaysAfterInitiation></AbortIncompleteMultipartUpload>",
        EITHER,
    ),
];

fn bad_rules(mut suite: Suite) -> Suite {
    for (id, row, what, inside, accepted) in WRONG {
        let rule = format!("A lifecycle rule with {what} is refused with 400 and not stored.");
        let case = move |fx: Fixture| async move { turned_down(&fx, &format!("<Rule><ID>r</ID>{inside}</Rule>"), accepted).await };
        suite = ruled(suite.extended(&format!("put_bucket_lifecycle_configuration/{id}"), &[row], &rule, case));
    }
    let rule = "More than 1000 rules are refused with 400 and not stored.";
    ruled(suite.rare("put_bucket_lifecycle_configuration/rules_1001", &["LFC-06"], rule, async |fx| {
        let one = |number| {
            format!("<Rule><ID>{number}</ID><Status>Enabled</Status><Filter><Prefix>{number}/</Prefix></Filter><Expiration><Days>9</Days></Expiration></Rule>")
        };
        let all: String = (0..1001).map(one).collect();
        let put = put(&fx, &all).await;
        if put.is_err() {
            expect::error_as(put, ANY)?;
            return none(&fx).await;
        }
        expect::eq("rules", rules(&fx).await?.len(), 1001)?;
        expect::variant("1001 rules are stored")
    }))
}

fn transitions(suite: Suite) -> Suite {
    let to = |class: &str| {
        format!(
            "<Rule><ID>r</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter><Transition><Days>90</Days><StorageClass>{class}</StorageClass></Transition></Rule>"
        )
    };
    let (known, unknown) = (to("GLACIER"), to("NO_SUCH_CLASS"));
    let rule = "A transition to GLACIER is accepted and returned, or refused as a class that the vendor does not have.";
    let suite = ruled(suite.extended("put_bucket_lifecycle_configuration/known_class", &["LFC-12"], rule, move |fx: Fixture| {
        let known = known.clone();
        async move {
            match put(&fx, &known).await {
                Err(Refusal::Answered { status: 400, code }) => {
                    none(&fx).await?;
                    expect::variant(format!("no class GLACIER: 400 {code}"))
                }
                put => {
                    expect::ok(put)?;
                    let class = rules(&fx).await?.first().and_then(|rule| rule.transitions().first()?.storage_class().cloned());
                    expect::eq("StorageClass", class.map(|class| class.as_str().to_owned()), Some("GLACIER".to_owned()))
                }
            }
        }
    }));
    let rule = "A transition to an unknown class is refused with 400 and not stored.";
    ruled(suite.extended("put_bucket_lifecycle_configuration/unknown_class", &["LFC-12"], rule, move |fx: Fixture| {
        let unknown = unknown.clone();
        let accepted = [(400, "MalformedXML"), (400, "InvalidArgument"), (400, "InvalidStorageClass"), (400, "InvalidRequest")];
        async move { turned_down(&fx, &unknown, &accepted).await }
    }))
}

/// A rule with an id of its own for what lies below `x/`, and one for a tag.
const TWO_RULES: &str = "<Rule><ID>by-prefix</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter><Expiration><Days>5</Days></Expiration></Rule>\
    <Rule><ID>by-tag</ID><Status>Enabled</Status><Filter><Tag><Key>colour</Key><Value>red</Value></Tag></Filter><Expiration><Days>5</Days></Expiration></Rule>";

/// Claims that `x-amz-expiration` names the rule and a date.
fn names(expiration: Option<&str>, rule: &str) -> Checked {
    let is_right = expiration.is_some_and(|text| text.contains(&format!("rule-id=\"{rule}\"")) && text.contains("expiry-date=\""));
    expect::that("x-amz-expiration", is_right, rule, expiration)
}

fn header(mut suite: Suite) -> Suite {
    for (id, name, tag, rule_id) in
        [("prefix", "x/k", None, Some("by-prefix")), ("tag", "k", Some("colour=red"), Some("by-tag")), ("none", "k", None, None)]
    {
        let rule = match rule_id {
            Some(_) => format!("PUT answers x-amz-expiration with rule and date for an object that a rule matches by {id}."),
            None => "PUT answers no x-amz-expiration for an object that no rule matches.".to_owned(),
        };
        let case = move |fx: Fixture| async move {
            impose(&fx, TWO_RULES).await?;
            let put = fx.put_object(name).set_tagging(tag.map(str::to_owned)).body(b"x".to_vec().into());
            let put = expect::ok(put.send().await)?;
            match rule_id {
                Some(rule) => names(put.expiration(), rule),
                None => expect::eq("x-amz-expiration", put.expiration(), None::<&str>),
            }
        };
        suite = ruled(suite.rare(&format!("put_object/expiration_by_{id}"), &["LFC-11"], &rule, case));
        let rule = match rule_id {
            Some(_) => format!("HEAD answers x-amz-expiration with rule and date for an object that a rule matches by {id}."),
            None => "HEAD answers no x-amz-expiration for an object that no rule matches.".to_owned(),
        };
        let case = move |fx: Fixture| async move {
            impose(&fx, TWO_RULES).await?;
            let put = fx.put_object(name).set_tagging(tag.map(str::to_owned)).body(b"x".to_vec().into());
            fx.set_up("PutObject", put.send().await)?;
            let head = expect::ok(fx.head_object(name).send().await)?;
            match rule_id {
                Some(rule) => names(head.expiration(), rule),
                None => expect::eq("x-amz-expiration", head.expiration(), None::<&str>),
            }
        };
        suite = ruled(suite.rare(&format!("head_object/expiration_by_{id}"), &["LFC-11"], &rule, case));
    }
    suite
}
