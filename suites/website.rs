//! Suite `website`: the configuration of static websites, and what of it the S3 endpoint itself shows.

use aws_sdk_s3::types::{Condition, ErrorDocument, IndexDocument, Protocol, Redirect, RedirectAllRequestsTo, RoutingRule, WebsiteConfiguration};
use proofmark::case::{Checked, Fixture, Suite, expect};

const NEEDS: &[&str] = &["website"];

/// The suite.
pub fn suite() -> Suite {
    malformed(objects(rules(configuration(
        Suite::new("website").source("S3 API reference, PutBucketWebsite, and S3 user guide, Hosting a static website"),
    ))))
}

fn index(suffix: &str) -> IndexDocument {
    IndexDocument::builder().suffix(suffix).build().expect("a suffix was given")
}

async fn put(fx: &Fixture, website: WebsiteConfiguration) -> Checked {
    let put = fx.s3().put_bucket_website().bucket(fx.bucket()).website_configuration(website).send().await;
    expect::ok(put).map(drop)
}

fn configuration(suite: Suite) -> Suite {
    suite
        .extended("get_bucket_website/none", &["WEB-01"], "A bucket without a website answers 404 NoSuchWebsiteConfiguration.", async |fx| {
            expect::error(fx.s3().get_bucket_website().bucket(fx.bucket()).send().await, 404, "NoSuchWebsiteConfiguration")
        })
        .needs(NEEDS)
        .own_bucket()
        .extended("put_bucket_website/round_trip", &["WEB-01"], "Index and error document read back as they were put.", async |fx| {
            let error = ErrorDocument::builder().key("oops.html").build().expect("a key was given");
            put(&fx, WebsiteConfiguration::builder().index_document(index("start.html")).error_document(error).build()).await?;
            let got = expect::ok(fx.s3().get_bucket_website().bucket(fx.bucket()).send().await)?;
            let found = (got.index_document().map(IndexDocument::suffix), got.error_document().map(ErrorDocument::key));
            expect::eq("suffix and error key", found, (Some("start.html"), Some("oops.html")))
        })
        .needs(NEEDS)
        .own_bucket()
        .extended("put_bucket_website/replaces", &["WEB-01"], "A second configuration replaces the first one.", async |fx| {
            let error = ErrorDocument::builder().key("oops.html").build().expect("a key was given");
            put(&fx, WebsiteConfiguration::builder().index_document(index("a.html")).error_document(error).build()).await?;
            put(&fx, WebsiteConfiguration::builder().index_document(index("b.html")).build()).await?;
            let got = expect::ok(fx.s3().get_bucket_website().bucket(fx.bucket()).send().await)?;
            let found = (got.index_document().map(IndexDocument::suffix), got.error_document().map(ErrorDocument::key));
            expect::eq("suffix and error key", found, (Some("b.html"), None))
        })
        .needs(NEEDS)
        .own_bucket()
        .extended("delete_bucket_website/gone", &["WEB-01"], "A deleted website answers 404, and a second delete 204.", async |fx| {
            put(&fx, WebsiteConfiguration::builder().index_document(index("a.html")).build()).await?;
            for _ in 0..2 {
                expect::ok(fx.s3().delete_bucket_website().bucket(fx.bucket()).send().await)?;
            }
            expect::error(fx.s3().get_bucket_website().bucket(fx.bucket()).send().await, 404, "NoSuchWebsiteConfiguration")
        })
        .needs(NEEDS)
        .own_bucket()
}

fn rules(suite: Suite) -> Suite {
    suite
        .rare("put_bucket_website/redirect_all", &["WEB-03"], "RedirectAllRequestsTo reads back with its host and protocol.", async |fx| {
            let all = RedirectAllRequestsTo::builder().host_name("other.example").protocol(Protocol::Https).build().expect("a host was given");
            put(&fx, WebsiteConfiguration::builder().redirect_all_requests_to(all).build()).await?;
            let got = expect::ok(fx.s3().get_bucket_website().bucket(fx.bucket()).send().await)?;
            let all = expect::some("RedirectAllRequestsTo", got.redirect_all_requests_to())?;
            expect::eq("host and protocol", (all.host_name(), all.protocol()), ("other.example", Some(&Protocol::Https)))
        })
        .needs(NEEDS)
        .own_bucket()
        .rare("put_bucket_website/routing_rules", &["WEB-03"], "Routing rules by prefix and by error code read back in their order.", async |fx| {
            let by_prefix = RoutingRule::builder()
                .condition(Condition::builder().key_prefix_equals("docs/").build())
                .redirect(Redirect::builder().replace_key_prefix_with("documents/").http_redirect_code("302").build());
            let by_error = RoutingRule::builder()
                .condition(Condition::builder().http_error_code_returned_equals("404").build())
                .redirect(Redirect::builder().replace_key_with("lost.html").host_name("other.example").build());
            let website = WebsiteConfiguration::builder().index_document(index("a.html"));
            let rules = vec![by_prefix.build(), by_error.build()];
            put(&fx, website.set_routing_rules(Some(rules.clone())).build()).await?;
            let got = expect::ok(fx.s3().get_bucket_website().bucket(fx.bucket()).send().await)?;
            expect::eq("RoutingRules", got.routing_rules(), &rules[..])
        })
        .needs(NEEDS)
        .own_bucket()
        .rare(
            "get_object/no_redirect_on_s3_endpoint",
            &["WEB-03"],
            "RedirectAllRequestsTo changes nothing for GetObject at the S3 endpoint.",
            async |fx| {
                fx.put("k", b"x").await?;
                let all = RedirectAllRequestsTo::builder().host_name("other.example").build().expect("a host was given");
                put(&fx, WebsiteConfiguration::builder().redirect_all_requests_to(all).build()).await?;
                fx.holds("k", b"x").await
            },
        )
        .needs(NEEDS)
        .own_bucket()
}

fn objects(suite: Suite) -> Suite {
    suite
        .rare(
            "get_object/redirect_location",
            &["WEB-04"],
            "An object with a redirect location is read as it is at the S3 endpoint, with the location in a header.",
            async |fx| {
                let put = fx.put_object("k").website_redirect_location("/elsewhere").body(b"here".to_vec().into()).send().await;
                expect::ok(put)?;
                let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "").send().await)?;
                expect::bytes("body", &got.body, b"here")?;
                expect::eq("status", got.status, 200)?;
                expect::eq("x-amz-website-redirect-location", got.header("x-amz-website-redirect-location"), Some("/elsewhere"))
            },
        )
        .needs(NEEDS)
        .rare("put_object/malformed_redirect_location", &["WEB-04"], "A redirect location that is no path and no URL answers 400.", async |fx| {
            let put = fx.put_object("k").website_redirect_location("elsewhere").body(b"here".to_vec().into()).send().await;
            expect::error_as(put, &[(400, "InvalidRedirectLocation"), (400, "InvalidArgument")])?;
            fx.absent("k").await
        })
        .needs(NEEDS)
}

const INDEX: &str = "<IndexDocument><Suffix>a.html</Suffix></IndexDocument>";

/// What a configuration must not hold.
const WRONG: [(&str, &str); 10] = [
    ("empty", ""),
    ("empty_suffix", "<IndexDocument><Suffix></Suffix></IndexDocument>"),
    ("suffix_with_slash", "<IndexDocument><Suffix>/a.html</Suffix></IndexDocument>"),
    ("empty_error_key", "INDEX<ErrorDocument><Key></Key></ErrorDocument>"),
    ("protocol", "<RedirectAllRequestsTo><HostName>a.example</HostName><Protocol>ftp</Protocol></RedirectAllRequestsTo>"),
    ("redirect_all_with_index", "INDEX<RedirectAllRequestsTo><HostName>a.example</HostName></RedirectAllRequestsTo>"),
    (
        "redirect_code",
        "INDEX<RoutingRules><RoutingRule><Redirect><HostName>a.example</HostName><HttpRedirectCode>399</HttpRedirectCode></Redirect></RoutingRule></RoutingRules>",
    ),
    (
        "error_code",
        "INDEX<RoutingRules><RoutingRule><Condition><HttpErrorCodeReturnedEquals>399</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>a.example</HostName></Redirect></RoutingRule></RoutingRules>",
    ),
    (
        "key_and_prefix",
        "INDEX<RoutingRules><RoutingRule><Redirect><ReplaceKeyWith>a</ReplaceKeyWith><ReplaceKeyPrefixWith>b</ReplaceKeyPrefixWith></Redirect></RoutingRule></RoutingRules>",
    ),
    ("fifty_one_rules", "INDEX<RoutingRules>RULES</RoutingRules>"),
];

fn malformed(mut suite: Suite) -> Suite {
    for (name, inside) in WRONG {
        let rule = format!("A website configuration that is wrong ({}) answers 400 and is not kept.", name.replace('_', " "));
        suite = suite
            .rare(&format!("put_bucket_website/wrong_{name}"), &["WEB-05"], &rule, move |fx| async move {
                let rule = |n: u32| format!("<RoutingRule><Condition><KeyPrefixEquals>{n}/</KeyPrefixEquals></Condition><Redirect><ReplaceKeyPrefixWith>x{n}/</ReplaceKeyPrefixWith></Redirect></RoutingRule>");
                let inside = inside.replace("INDEX", INDEX).replace("RULES", &(0..51).map(rule).collect::<String>());
                let xml = format!("<WebsiteConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inside}</WebsiteConfiguration>");
                let put = fx.raw_bucket("PutBucketWebsite", "PUT", "?website").header("Content-MD5", proofmark::case::values::md5_base64(xml.as_bytes()));
                expect::error_as(put.body(xml).send().await, &[(400, "")])?;
                expect::error(fx.s3().get_bucket_website().bucket(fx.bucket()).send().await, 404, "NoSuchWebsiteConfiguration")
            })
            .needs(NEEDS)
            .own_bucket();
    }
    suite
}
