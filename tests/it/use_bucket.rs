//! A run inside somebody's bucket leaves what it found there byte-identical, and nothing of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::Client;
use proofmark::config::{Secret, Vendor};
use proofmark::store::RunDir;
use proofmark::wire::{Access, Credentials, Link, Recorder};

use crate::sandbox::Sandbox;

const BUCKET: &str = "somebodys-bucket";

/// The variables that `proofmark lab up` prints, set for every later command of the sandbox.
fn lab_up(sandbox: &mut Sandbox, vendor: &str) -> BTreeMap<String, String> {
    let output = sandbox.proofmark(&["lab", "up", vendor]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).unwrap();
    let variables: BTreeMap<String, String> = printed
        .lines()
        .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for (name, value) in &variables {
        sandbox.set(name, value);
    }
    variables
}

fn client(sandbox: &Sandbox, variables: &BTreeMap<String, String>) -> Client {
    let credentials = Credentials {
        access_key: Secret::new(&variables["MINIO_ACCESS_KEY"]),
        secret_key: Secret::new(&variables["MINIO_SECRET_KEY"]),
        session_token: None,
    };
    let access = Access::direct(variables["MINIO_ENDPOINT"].clone().try_into().unwrap(), "us-east-1", credentials);
    let vendor: Vendor = proofmark::config::parse(&sandbox.root().join("vendors/minio.toml")).unwrap();
    let sink = RunDir::create(sandbox.root().join("aside")).unwrap().vendor(&"minio".into()).unwrap();
    Link::open("minio".into(), Arc::new(vendor), access, Arc::new(sink), 1, "aside-".to_owned()).unwrap().sdk(&Recorder::new())
}

/// Everything that a stranger could notice: keys with tags of their content and time, bodies, metadata, uploads with their parts.
async fn snapshot(client: &Client) -> Vec<String> {
    let mut lines = Vec::new();
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    for object in listed.contents() {
        let key = object.key().unwrap();
        let got = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
        let (metadata, modified) = (format!("{:?}", got.metadata()), format!("{:?}", got.last_modified()));
        let body = got.body.collect().await.unwrap().into_bytes();
        lines.push(format!("{key} {:?} {modified} {metadata} {body:?}", object.e_tag()));
    }
    // MinIO lists the uploads of a bucket only under the exact key.
    let uploads = client.list_multipart_uploads().bucket(BUCKET).prefix("theirs/upload").send().await.unwrap();
    for upload in uploads.uploads() {
        let (key, id) = (upload.key().unwrap(), upload.upload_id().unwrap());
        let parts = client.list_parts().bucket(BUCKET).key(key).upload_id(id).send().await.unwrap();
        lines.push(format!("upload {key} {id} {:?}", parts.parts()));
    }
    lines
}

async fn fill(client: &Client) {
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    for (key, body) in [("theirs/a", "one"), ("theirs/b c+d", "two"), ("z", "")] {
        client.put_object().bucket(BUCKET).key(key).metadata("owner", "somebody").body(body.as_bytes().to_vec().into()).send().await.unwrap();
    }
    let upload = client.create_multipart_upload().bucket(BUCKET).key("theirs/upload").send().await.unwrap();
    let id = upload.upload_id().unwrap();
    client.upload_part().bucket(BUCKET).key("theirs/upload").upload_id(id).part_number(1).body(vec![7; 1024].into()).send().await.unwrap();
}

async fn empty(client: &Client) {
    for upload in client.list_multipart_uploads().bucket(BUCKET).prefix("theirs/upload").send().await.unwrap().uploads() {
        let (key, id) = (upload.key().unwrap(), upload.upload_id().unwrap());
        client.abort_multipart_upload().bucket(BUCKET).key(key).upload_id(id).send().await.unwrap();
    }
    for object in client.list_objects_v2().bucket(BUCKET).send().await.unwrap().contents() {
        client.delete_object().bucket(BUCKET).key(object.key().unwrap()).send().await.unwrap();
    }
    client.delete_bucket().bucket(BUCKET).send().await.unwrap();
}

#[test]
#[ignore = "needs the lab servers: tests/run runs it"]
fn a_run_inside_a_foreign_bucket_leaves_it_byte_identical() {
    let mut sandbox = Sandbox::new();
    let state = sandbox.root().join("lab-data");
    sandbox.set("PROOFMARK_LAB_DIR", state.to_str().unwrap());
    let variables = lab_up(&mut sandbox, "minio");
    let file = std::fs::read_to_string(sandbox.root().join("vendors/minio.toml")).unwrap();
    // Without its hooks: only what a client may do is of interest here.
    let file = file.split("[lifecycle]").next().unwrap().replace("[credentials]", &format!("use_bucket = \"{BUCKET}\"\n\n[credentials]"));
    sandbox.write("vendors/guest.toml", &file);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = client(&sandbox, &variables);
    runtime.block_on(fill(&client));
    let before = runtime.block_on(snapshot(&client));
    assert_eq!(before.len(), 4, "three objects and an upload: {before:#?}");

    let evaluation = sandbox.run(&["--profile", "demo", "--vendor", "guest"], &[0, 10]);
    let verdicts = evaluation.verdicts("guest");
    assert!(verdicts.values().filter(|verdict| *verdict == "pass").count() >= 50, "{verdicts:?}");
    assert_eq!(runtime.block_on(snapshot(&client)), before);
    let buckets = runtime.block_on(client.list_buckets().send()).unwrap();
    assert_eq!(buckets.buckets().iter().filter_map(|bucket| bucket.name()).collect::<Vec<_>>(), [BUCKET]);

    runtime.block_on(empty(&client));
    let down = sandbox.proofmark(&["lab", "down", "minio"]);
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
}
