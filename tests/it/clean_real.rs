//! Clean-up on a real server: everything of a run goes, versions and locks included, and nothing of anybody else.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use proofmark::run::prefix;
use proofmark::store;
use proofmark::wire::Recorder;

use crate::site::{Site, acme};
use crate::wire_fake::{KEY, SECRET, link_to};
use crate::wire_real::{minio, wait_ready};

const SAFETY: &str = "\n[safety]\nallow = [\"account\", \"irreversible\"]\n";

async fn buckets(s3: &Client) -> Vec<String> {
    s3.list_buckets().send().await.unwrap().buckets().iter().filter_map(|bucket| bucket.name().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs lab servers: tests/run runs it"]
async fn clean_removes_versions_uploads_and_locks_and_leaves_foreign_data_alone() {
    let (site, directory) = (Site::new(), tempfile::tempdir().unwrap());
    let server = minio(directory.path(), |command| command);
    let url = format!("http://127.0.0.1:{}", server.port);
    let connection = link_to(directory.path(), server.port);
    wait_ready(&connection).await;
    let s3 = connection.sdk(&Recorder::new());
    s3.create_bucket().bucket("foreign").send().await.unwrap();
    s3.put_object().bucket("foreign").key("pm-1").body(ByteStream::from_static(b"precious")).send().await.unwrap();
    let upload = s3.create_multipart_upload().bucket("foreign").key("pm-2").send().await.unwrap();

    let file = acme(&url).replace("\n[credentials]", "features = [\"versioning\", \"object-lock\"]\n\n[credentials]");
    site.write("vendors/acme.toml", &format!("{file}{SAFETY}"));
    site.quick_profile("[\"versioning\", \"lock\", \"multipart\"]");
    let ran = site.run_as(KEY, SECRET, &["run", "--profile", "quick", "--vendor", "acme", "--keep"]);
    assert!([Some(0), Some(10), Some(11)].contains(&ran.code), "{ran:?}");
    let own = prefix(&store::load(&site.only_run()).unwrap().header.run);
    assert!(buckets(&s3).await.iter().filter(|name| name.starts_with(&own)).count() > 1, "--keep keeps");

    let cleaned = site.run_as(KEY, SECRET, &["clean"]);
    assert_eq!(cleaned.code, Some(0), "{cleaned:?}");
    for left in buckets(&s3).await.iter().filter(|name| name.as_str() != "foreign") {
        assert!(cleaned.out.contains(&format!("{left}/")) && cleaned.out.contains("locked until"), "{left} is left and not quarantined: {cleaned:?}");
    }
    let kept = s3.get_object().bucket("foreign").key("pm-1").send().await.unwrap().body.collect().await.unwrap();
    assert_eq!(kept.into_bytes().as_ref(), b"precious");
    s3.list_parts().bucket("foreign").key("pm-2").upload_id(upload.upload_id().unwrap()).send().await.unwrap();
}
