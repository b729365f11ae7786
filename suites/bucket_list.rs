//! Suite `bucket_list`: listing the account's buckets: filters, pages, many of them, nobody's.

use std::time::Duration;

use aws_sdk_s3::operation::list_buckets::ListBucketsOutput;
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::WrongCode;
use proofmark::model::{Impact, Measure};

/// Buckets of the case that creates many.
const MANY: u32 = 100;

fn names(listed: &ListBucketsOutput) -> Vec<&str> {
    listed.buckets().iter().filter_map(|bucket| bucket.name()).collect()
}

/// How often `name` is listed.
fn count(listed: &[String], name: &str) -> usize {
    listed.iter().filter(|listed| *listed == name).count()
}

/// Every page of ListBuckets with this page size.
async fn walk(fx: &Fixture, size: i32) -> Checked<Vec<Vec<String>>> {
    let mut pages: Vec<Vec<String>> = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let page = expect::ok(fx.s3().list_buckets().max_buckets(size).set_continuation_token(token.take()).send().await)?;
        pages.push(names(&page).into_iter().map(str::to_owned).collect());
        token = page.continuation_token;
        if token.is_none() {
            return Ok(pages);
        }
        expect::that("the walk", pages.len() < 30, "an end", "30 pages")?;
    }
}

/// The suite.
pub fn suite() -> Suite {
    many(filters(wrong_sizes(pages(nobody(Suite::new("bucket_list").source("S3 API reference, ListBuckets"))))))
}

fn nobody(suite: Suite) -> Suite {
    suite.extended("list_buckets/anonymous", &["BKT-32"], "ListBuckets without a signature answers 403 AccessDenied.", async |fx| {
        let answer = fx.raw().exact("GET", "/").operation("ListBuckets").anonymous().send().await;
        match answer {
            Ok(answer) if (300..400).contains(&answer.status) => expect::variant(format!("{}: a redirect, as AWS does", answer.status)),
            Ok(answer) if answer.status == 200 && answer.element("Bucket").is_none() => expect::variant("200 without a bucket"),
            other => expect::refused(other, 403, "AccessDenied"),
        }
    })
}

fn pages(suite: Suite) -> Suite {
    suite
        .extended("list_buckets/max_buckets", &["BKT-33"], "max-buckets=1 answers one bucket and a continuation token.", async |fx| {
            fx.other_bucket(1).await?;
            let page = expect::ok(fx.s3().list_buckets().max_buckets(1).send().await)?;
            expect::eq("buckets", page.buckets().len(), 1)?;
            expect::some("ContinuationToken", page.continuation_token()).map(drop)
        })
        .own_bucket()
        .dependents(&["SDK paginators since 2024"])
        .extended("list_buckets/pages", &["BKT-33"], "A walk over pages of ListBuckets shows an own bucket exactly once.", async |fx| {
            let other = fx.other_bucket(1).await?;
            let all = expect::ok(fx.s3().list_buckets().send().await)?.buckets().len();
            // Other cases create and delete buckets meanwhile, so only the own ones can be counted on.
            let size = i32::try_from(all / 3).unwrap_or(i32::MAX).max(1);
            let pages = walk(&fx, size).await?;
            expect::that("pages", pages.len() > 1, "several", pages.len())?;
            let fitting = pages.iter().all(|page| page.len() <= usize::try_from(size).unwrap_or(usize::MAX));
            expect::that("size of the pages", fitting, &format!("at most {size}"), pages.iter().map(Vec::len).collect::<Vec<_>>())?;
            let shown: Vec<String> = pages.concat();
            expect::eq("own bucket", count(&shown, fx.bucket()), 1)?;
            expect::eq("other own bucket", count(&shown, &other), 1)?;
            expect::that("order of names", shown.is_sorted(), "ascending", shown.len())
        })
        .own_bucket()
        .extended("list_buckets/no_token_at_end", &["BKT-33"], "A list that shows all buckets has no continuation token.", async |fx| {
            let page = expect::ok(fx.s3().list_buckets().max_buckets(10_000).send().await)?;
            expect::that("own bucket", names(&page).contains(&fx.bucket()), "listed", page.buckets().len())?;
            expect::eq("ContinuationToken", page.continuation_token(), None::<&str>)
        })
        .own_bucket()
}

fn wrong_sizes(mut suite: Suite) -> Suite {
    for (name, value) in [("zero", "0"), ("negative", "-1"), ("beyond_10000", "10001"), ("letters", "many")] {
        let rule = format!("max-buckets={value} answers 400 InvalidArgument.");
        suite = suite.extended(&format!("list_buckets/max_buckets_{name}"), &["BKT-33"], &rule, move |fx| async move {
            let target = format!("/?max-buckets={value}");
            expect::error(fx.raw().exact("GET", &target).operation("ListBuckets").send().await, 400, "InvalidArgument")
        });
    }
    suite
}

fn filters(suite: Suite) -> Suite {
    suite
        .rare("list_buckets/prefix", &["BKT-34"], "ListBuckets with a prefix shows exactly the buckets that begin with it.", async |fx| {
            let other = fx.other_bucket(1).await?;
            let page = expect::ok(fx.s3().list_buckets().prefix(&other).send().await)?;
            expect::eq("buckets", names(&page), vec![other.as_str()])?;
            expect::eq("Prefix", page.prefix(), Some(other.as_str())).class(WrongCode)
        })
        .own_bucket()
        .rare("list_buckets/prefix_of_none", &["BKT-34"], "ListBuckets with a prefix that no bucket has shows none.", async |fx| {
            let page = expect::ok(fx.s3().list_buckets().prefix(fx.missing_bucket()).send().await)?;
            expect::eq("buckets", names(&page), Vec::<&str>::new())
        })
        .own_bucket()
        .rare("list_buckets/own_region", &["BKT-34"], "ListBuckets with the own region shows an own bucket and its region.", async |fx| {
            let region = fx.link().access.region.as_str();
            let page = expect::ok(fx.s3().list_buckets().bucket_region(region).send().await)?;
            let own = expect::some("the own bucket", page.buckets().iter().find(|bucket| bucket.name() == Some(fx.bucket())))?;
            expect::eq("BucketRegion", own.bucket_region(), Some(region)).class(WrongCode)
        })
        .own_bucket()
        .rare("list_buckets/other_region", &["BKT-34"], "ListBuckets with another region does not show an own bucket.", async |fx| {
            let region = if fx.link().access.region == "eu-west-3" { "us-west-2" } else { "eu-west-3" };
            let target = format!("/?bucket-region={region}");
            let answer = fx.raw().exact("GET", &target).operation("ListBuckets").send().await;
            match answer {
                // A regional endpoint may refuse to speak for another region.
                Ok(answer) if answer.status == 400 => Ok(()),
                other => {
                    let text = expect::ok(other)?.text();
                    let shown = text.contains(&format!("<Name>{}</Name>", fx.bucket()));
                    expect::that("own bucket", !shown, "not listed", shown)
                }
            }
        })
        .own_bucket()
}

/// Creates up to [`MANY`] buckets; the names of those that were created, and the code of the refusal that ended it.
async fn create_many(fx: &Fixture) -> Checked<(Vec<String>, Option<String>)> {
    let mut created = Vec::new();
    for number in 1..=MANY {
        let name = fx.new_bucket_name(number)?;
        match fx.create_bucket(&name).send().await {
            Ok(_) => created.push(name),
            Err(error) => {
                let code = aws_sdk_s3::error::ProvideErrorMetadata::code(&error).unwrap_or_default().to_owned();
                if code != "TooManyBuckets" {
                    expect::ok(Err::<(), _>(error))?;
                }
                return Ok((created, Some(code)));
            }
        }
    }
    Ok((created, None))
}

fn many(suite: Suite) -> Suite {
    suite
        .extended(
            "create_bucket/a_hundred",
            &["BKT-36"],
            "100 more buckets can be created and are listed, or the vendor's limit is answered with 400 TooManyBuckets.",
            async |fx| {
                let (created, refusal) = create_many(&fx).await?;
                let listed = expect::ok(fx.s3().list_buckets().send().await)?;
                let listed: Vec<String> = names(&listed).into_iter().map(str::to_owned).collect();
                let missing = created.iter().filter(|name| count(&listed, name) != 1).count();
                let limit = Measure::new("buckets_created_max", "1", created.len() as f64, created.len() as u64);
                fx.measure(if refusal.is_some() { limit } else { limit.noted(format!("at least: the case stops at {MANY}")) });
                expect::eq("created buckets that are not listed once", missing, 0)
            },
        )
        .own_bucket()
        .impact(Impact::Account)
        .deadline(Duration::from_secs(300))
        .sends(u64::from(MANY) + 10)
        .slow()
}
