//! Suite `reading`: who may learn that a key is missing, and what a GET must leave as it is.

use std::time::Duration;

use proofmark::case::values::encode_path;
use proofmark::case::{Checked, Fixture, Suite, WithClass, expect};
use proofmark::model::FailureClass::{Corrupt, WrongCode};
use proofmark::model::Impact;
use proofmark::wire::{Answer, WireError};

/// "hello world" as gzip, in one stored block.
const GZIP: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x01\x0b\x00\xf4\xffhello world\x85\x11\x4a\x0d\x0b\x00\x00\x00";

/// Who asks besides the bucket's owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Anonymous,
    OtherAccount,
}

impl Reader {
    fn name(self) -> &'static str {
        if self == Reader::Anonymous { "anonymous" } else { "other_account" }
    }
    async fn get(self, fx: &Fixture, key: &str) -> Checked<Result<Answer, WireError>> {
        let client = if self == Reader::Anonymous { fx.raw() } else { fx.raw_alt()? };
        let request = client.request("GET", fx.bucket(), &encode_path(&fx.key(key))).operation("GetObject");
        let request = if self == Reader::Anonymous { request.anonymous() } else { request };
        Ok(request.send().await)
    }
}

/// Lets everybody read objects of the case's own bucket, and list it if so said.
async fn permit(fx: &Fixture, is_listing: bool) -> Checked {
    let bucket = fx.bucket();
    let statement =
        |action: &str, resource: &str| format!(r#"{{"Effect":"Allow","Principal":{{"AWS":["*"]}},"Action":["{action}"],"Resource":["{resource}"]}}"#);
    let mut statements = vec![statement("s3:GetObject", &format!("arn:aws:s3:::{bucket}/*"))];
    if is_listing {
        statements.push(statement("s3:ListBucket", &format!("arn:aws:s3:::{bucket}")));
    }
    let policy = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    fx.set_up("PutBucketPolicy", fx.s3().put_bucket_policy().bucket(bucket).policy(policy).send().await).map(drop)
}

/// The suite.
pub fn suite() -> Suite {
    torrent(encoding(missing(Suite::new("reading").source("S3 API reference, GetObject, permissions"))))
}

fn missing(mut suite: Suite) -> Suite {
    for reader in [Reader::Anonymous, Reader::OtherAccount] {
        for (name, is_listing, status, code) in [("may_list", true, 404, "NoSuchKey"), ("may_not_list", false, 403, "AccessDenied")] {
            let id = format!("get_object/missing_key_{}_{name}", reader.name());
            let may = if is_listing { "may list the bucket" } else { "may read objects but not list the bucket" };
            let rule = format!("A missing key answers {status} {code} to a reader who {may}.");
            suite = suite
                .extended(&id, &["GET-05"], &rule, move |fx| async move {
                    fx.put("k", b"public").await?;
                    permit(&fx, is_listing).await?;
                    // A policy may take a moment until it counts.
                    let here = &fx;
                    fx.eventually(Duration::from_secs(5), || async move {
                        let answer = reader.get(here, "k").await?;
                        here.set_up("GetObject of a present key", answer).map(drop)
                    })
                    .await?;
                    expect::error(reader.get(&fx, "absent").await?, status, code).class(WrongCode)
                })
                .own_bucket()
                .needs(&["policy"])
                .impact(Impact::Public)
                .dependents(&["least-privilege readers"]);
            if reader == Reader::OtherAccount {
                suite = suite.needs_alt();
            }
        }
    }
    suite
}

fn encoding(mut suite: Suite) -> Suite {
    suite = suite.source("S3 API reference, GetObject, Content-Encoding; RFC 9110, section 12.5.3");
    for (name, header) in [("without_accept_encoding", None), ("with_gzip_accepted", Some("gzip")), ("with_identity_only", Some("identity"))] {
        let asked = header.map_or("without Accept-Encoding".to_owned(), |header| format!("with Accept-Encoding: {header}"));
        let rule = format!("An object stored as gzip is answered byte for byte to a GET {asked}.");
        suite = suite
            .common(&format!("get_object/gzip_{name}"), &["GET-27"], &rule, move |fx| async move {
                let put = fx.put_object("k").content_encoding("gzip").body(GZIP.to_vec().into()).send().await;
                fx.set_up("PutObject", put)?;
                let mut get = fx.raw_object("GetObject", "GET", "k", "");
                if let Some(header) = header {
                    get = get.header("Accept-Encoding", header);
                }
                let got = expect::ok(get.send().await)?;
                expect::bytes("body", &got.body, GZIP)?;
                expect::eq("Content-Encoding", got.header("content-encoding"), Some("gzip")).class(WrongCode)
            })
            .dependents(&["rclone"]);
    }
    suite.common(
        "get_object/plain_with_gzip_accepted",
        &["GET-27"],
        "An object stored without Content-Encoding is not compressed for a client that accepts gzip.",
        async |fx| {
            let body = b"the same words again and again ".repeat(200);
            let put = fx.put_object("k").content_type("text/plain").body(body.clone().into()).send().await;
            fx.set_up("PutObject", put)?;
            let got = expect::ok(fx.raw_object("GetObject", "GET", "k", "").header("Accept-Encoding", "gzip").send().await)?;
            expect::eq("Content-Encoding", got.header("content-encoding"), None::<&str>).class(Corrupt)?;
            expect::bytes("body", &got.body, &body)
        },
    )
}

fn torrent(suite: Suite) -> Suite {
    suite.source("S3 API reference, GetObjectTorrent").rare(
        "get_object_torrent/clean_refusal",
        &["GET-28"],
        "A GET of the sub-resource torrent answers a torrent or a clean refusal, never the object itself.",
        async |fx| {
            fx.put("k", b"the object itself").await?;
            match fx.raw_object("GetObjectTorrent", "GET", "k", "?torrent").send().await {
                Ok(answer) if (400..500).contains(&answer.status) => expect::some("Code", answer.code()).class(WrongCode).map(drop),
                other => {
                    let body = expect::ok(other)?.body;
                    expect::that("body", body.starts_with(b"d8:announce"), "a torrent", String::from_utf8_lossy(&body))
                }
            }
        },
    )
}
