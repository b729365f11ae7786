//! Suite `propagation`: how long a change of configuration takes to be in force.

use std::future::Future;
use std::time::{Duration, Instant};

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use proofmark::case::{Answer, Checked, Finding, Fixture, Suite, expect};
use proofmark::model::{Impact, Measure};

use super::cors;
use super::policy::{anonymous, document, impose, lift, lift_block, statement};

/// Changes of each case.
const CHANGES: u32 = 5;
/// How long a change may take before the case gives up.
const LIMIT: Duration = Duration::from_secs(30);

/// The suite.
pub fn suite() -> Suite {
    documents(rules(policies(Suite::new("propagation").source("Own requirement: measured delay until a change is in force"))))
}

/// What every case that waits needs; it does not write where a policy lets it only read.
fn waiting(suite: Suite) -> Suite {
    suite.own_bucket().slow().deadline(Duration::from_secs(300)).sends(4000)
}

/// Times from a change to its effect.
#[derive(Debug, Default)]
struct Delays(Vec<f64>);

impl Delays {
    /// Waits until `probe` holds after a change that was just answered; asks as often as it can.
    async fn add<F, Fut>(&mut self, fx: &Fixture, probe: F) -> Checked
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Checked>,
    {
        let changed = Instant::now();
        match fx.eventually(LIMIT, probe).await {
            Err(Finding::Broken(class, mut deviation)) => {
                deviation.expected = format!("{} within {} s", deviation.expected, LIMIT.as_secs());
                Err(Finding::Broken(class, deviation))
            }
            ended => {
                self.0.push(changed.elapsed().as_secs_f64() * 1e3);
                ended
            }
        }
    }
    /// Keeps the largest and the middle one.
    fn keep(mut self, fx: &Fixture, name: &str) {
        self.0.sort_by(f64::total_cmp);
        let n = self.0.len() as u64;
        if let (Some(max), Some(median)) = (self.0.last(), self.0.get(self.0.len() / 2)) {
            let note = "from the answer to the change to the first request that saw it, that request included; asked again every 200 ms";
            fx.measure(Measure::new(&format!("{name}_ms_max"), "ms", *max, n).noted(note));
            fx.measure(Measure::new(&format!("{name}_ms_median"), "ms", *median, n).noted(note));
        }
    }
}

async fn may_read(fx: &Fixture) -> Checked {
    expect::ok(anonymous(fx, "GetObject", "k", "").send().await).map(drop)
}

async fn may_not_read(fx: &Fixture) -> Checked {
    expect::refused(anonymous(fx, "GetObject", "k", "").send().await, 403, "AccessDenied")
}

fn policies(suite: Suite) -> Suite {
    let public = |suite: Suite| waiting(suite).needs(&["policy"]).impact(Impact::Public);
    let rule = "An Allow for everybody is in force within seconds.";
    let suite = public(suite.common("put_bucket_policy/allow", &["POL-25"], rule, async |fx| {
        fx.put("k", b"x").await?;
        let mut delays = Delays::default();
        for _ in 0..CHANGES {
            impose(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/*"])]).await?;
            delays.add(&fx, || may_read(&fx)).await?;
            lift(&fx).await?;
            fx.eventually(LIMIT, || may_not_read(&fx)).await?;
        }
        delays.keep(&fx, "policy_propagation");
        Ok(())
    }));
    let rule = "A Deny that is added to a policy is in force within seconds.";
    let suite = public(suite.common("put_bucket_policy/deny", &["POL-25"], rule, async |fx| {
        fx.put("k", b"x").await?;
        lift_block(&fx).await;
        let mut delays = Delays::default();
        let allow = statement(&fx, "Allow", &["s3:GetObject"], &["/*"]);
        let deny = statement(&fx, "Deny", &["s3:GetObject"], &["/*"]);
        for _ in 0..CHANGES {
            impose(&fx, std::slice::from_ref(&allow)).await?;
            fx.eventually(LIMIT, || may_read(&fx)).await?;
            let both = document(&[allow.clone(), deny.clone()]);
            expect::ok(fx.s3().put_bucket_policy().bucket(fx.bucket()).policy(both).send().await)?;
            delays.add(&fx, || may_not_read(&fx)).await?;
        }
        lift(&fx).await?;
        delays.keep(&fx, "policy_denial_propagation");
        Ok(())
    }));
    let rule = "The removal of a policy is in force within seconds.";
    public(suite.common("delete_bucket_policy/delete", &["POL-25"], rule, async |fx| {
        fx.put("k", b"x").await?;
        let mut delays = Delays::default();
        for _ in 0..CHANGES {
            impose(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/*"])]).await?;
            fx.eventually(LIMIT, || may_read(&fx)).await?;
            lift(&fx).await?;
            delays.add(&fx, || may_not_read(&fx)).await?;
        }
        delays.keep(&fx, "policy_removal_propagation");
        Ok(())
    }))
}

fn rules(suite: Suite) -> Suite {
    let rule = "CORS rules are in force within seconds of their change.";
    let suite = waiting(suite.common("put_bucket_cors/put", &["COR-03"], rule, async |fx| {
        let mut delays = Delays::default();
        for number in 0..CHANGES {
            let origin = format!("https://app-{number}.example.com");
            cors::impose(&fx, &[cors::rule(&[&origin], &["GET"], &[])]).await?;
            let asks = || async {
                let asked = fx.raw_object("Preflight", "OPTIONS", "k", "").anonymous().header("Origin", &origin);
                cors::lets_in(&expect::ok(asked.header("Access-Control-Request-Method", "GET").send().await)?, &origin)
            };
            delays.add(&fx, asks).await?;
        }
        delays.keep(&fx, "cors_propagation");
        Ok(())
    }))
    .needs(&["cors"]);
    let rule = "Versioning that is switched on is in force within seconds: a PUT answers a version id.";
    waiting(suite.core("put_bucket_versioning/switch", &["VER-02"], rule, async |fx| {
        let mut delays = Delays::default();
        for _ in 0..CHANGES {
            fx.enable_versioning().await?;
            let is_on = || async {
                let put = expect::ok(fx.put_object("k").body(b"x".to_vec().into()).send().await)?;
                expect::that("x-amz-version-id", put.version_id().is_some_and(|id| id != "null"), "one of its own", put.version_id())
            };
            delays.add(&fx, is_on).await?;
            let off = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
            expect::ok(fx.s3().put_bucket_versioning().bucket(fx.bucket()).versioning_configuration(off).send().await)?;
            let is_off = || async {
                let put = expect::ok(fx.put_object("k").body(b"x".to_vec().into()).send().await)?;
                expect::that("x-amz-version-id", put.version_id().is_none_or(|id| id == "null"), "null or none", put.version_id())
            };
            delays.add(&fx, is_off).await?;
        }
        delays.keep(&fx, "versioning_propagation");
        Ok(())
    }))
    .needs(&["versioning"])
}

fn documents(suite: Suite) -> Suite {
    let rule = "Lifecycle rules are seen within seconds of their change.";
    let suite = waiting(suite.common("put_bucket_lifecycle_configuration/put", &["LFC-01"], rule, async |fx| {
        let mut delays = Delays::default();
        for number in 1..=CHANGES {
            let id = format!("rule-{number}");
            super::lifecycle::impose(
                &fx,
                &format!(
                    "<Rule><ID>{id}</ID><Status>Enabled</Status><Filter><Prefix>x/</Prefix></Filter><Expiration><Days>9</Days></Expiration></Rule>"
                ),
            )
            .await?;
            let seen = || async {
                let got = expect::ok(fx.raw_bucket("GetBucketLifecycleConfiguration", "GET", "?lifecycle").send().await)?;
                expect::eq("ID", got.element("ID"), Some(id.clone()))
            };
            delays.add(&fx, seen).await?;
        }
        delays.keep(&fx, "lifecycle_propagation");
        Ok(())
    }))
    .needs(&["lifecycle"]);
    let rule = "A block of public access stops what a policy allows within seconds.";
    let suite = waiting(suite.extended("put_public_access_block/restrict", &["ACL-18"], rule, async |fx| {
        fx.put("k", b"x").await?;
        let mut delays = Delays::default();
        for _ in 0..CHANGES {
            impose(&fx, &[statement(&fx, "Allow", &["s3:GetObject"], &["/*"])]).await?;
            fx.eventually(LIMIT, || may_read(&fx)).await?;
            let on = aws_sdk_s3::types::PublicAccessBlockConfiguration::builder().restrict_public_buckets(true).build();
            let put = fx.s3().put_public_access_block().bucket(fx.bucket()).public_access_block_configuration(on).send().await.settle();
            if put.is_err() {
                return Err(Finding::Unsupported("PutPublicAccessBlock is refused".to_owned()));
            }
            delays.add(&fx, || may_not_read(&fx)).await?;
        }
        delays.keep(&fx, "public_access_block_propagation");
        Ok(())
    }));
    let suite = suite.needs(&["policy"]).impact(Impact::Public);
    let rule = "Tags of an object are seen within seconds of their change.";
    waiting(suite.common("put_object_tagging/put", &["TAG-01"], rule, async |fx| {
        fx.put("k", b"x").await?;
        let mut delays = Delays::default();
        for number in 0..CHANGES {
            let value = number.to_string();
            let tag = aws_sdk_s3::types::Tag::builder().key("turn").value(&value).build().expect("key and value were given");
            let tags = aws_sdk_s3::types::Tagging::builder().tag_set(tag).build().expect("a tag was given");
            expect::ok(fx.s3().put_object_tagging().bucket(fx.bucket()).key("k").tagging(tags).send().await)?;
            let seen = || async {
                let got = expect::ok(fx.s3().get_object_tagging().bucket(fx.bucket()).key("k").send().await)?;
                expect::eq("value", got.tag_set().first().map(|tag| tag.value().to_owned()), Some(value.clone()))
            };
            delays.add(&fx, seen).await?;
        }
        delays.keep(&fx, "tagging_propagation");
        Ok(())
    }))
    .needs(&["tagging"])
}
