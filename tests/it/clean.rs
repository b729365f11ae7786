//! Clean-up against servers that list and delete in their own way.

use crate::wire_fake::{Act, OK, link_to, serve};

/// An answer of this status with this body.
fn say(status: &str, body: &str) -> Act {
    Act::Say(Box::leak(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_boxed_str()))
}

/// The server writes a plus as itself in encoded listings, and answers success to the deletion of what it does not have.
#[tokio::test]
async fn clean_up_deletes_keys_with_a_plus_whichever_way_they_are_listed() {
    let buckets = say("200 OK", "<ListAllMyBucketsResult><Buckets><Bucket><Name>pm-12345678-b</Name></Bucket></Buckets></ListAllMyBucketsResult>");
    let listed = "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%C3%A4+b</Key><Size>1</Size></Contents></ListBucketResult>";
    let (lacking, gone) = (say("501 Not Implemented", ""), Act::Say("HTTP/1.1 204 No Content\r\n\r\n"));
    let refused = say("409 Conflict", "<Error><Code>BucketNotEmpty</Code></Error>");
    // No uploads, then looks without versions and without DeleteObjects; the bucket goes after the second one.
    let mut acts = vec![buckets, lacking.clone()];
    for bucket in [refused, gone.clone()] {
        acts.extend([lacking.clone(), say("200 OK", listed), lacking.clone(), gone.clone(), bucket]);
    }
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(acts).await;
    let cleaned = proofmark::wire::clean(&link_to(directory.path(), port)).await;
    assert_eq!((cleaned.buckets, cleaned.failed), (1, Vec::new()));
    let heads = seen.heads.lock().unwrap();
    let deleted: Vec<&str> = heads.iter().filter_map(|head| head.strip_prefix("DELETE /pm-12345678-b")?.split(['?', ' ']).next()).collect();
    assert_eq!(deleted, ["/%C3%A4%20b", "/", "/%C3%A4%2Bb", "/"]);
}

#[tokio::test]
async fn clean_up_deletes_what_no_list_shows_by_its_path_and_only_what_is_ours() {
    let directory = tempfile::tempdir().unwrap();
    let (port, seen) = serve(vec![OK; 6]).await;
    let link = link_to(directory.path(), port);
    link.unlisted("theirs", "k%C3").unwrap();
    link.unlisted("pm-12345678-b", "k%C3").unwrap();
    proofmark::wire::clean(&link).await;
    let heads = seen.heads.lock().unwrap();
    assert!(heads[0].starts_with("DELETE /pm-12345678-b/k%C3 "), "{heads:?}");
    assert!(!heads.iter().any(|head| head.contains("theirs")), "{heads:?}");
}
