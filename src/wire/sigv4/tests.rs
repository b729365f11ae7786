//! Golden vectors of the Amazon S3 API reference ("Signature Calculations", "Chunked Upload", "Including Trailing Headers"), and the
//! checks turned against what was signed here.

use super::aws_chunked::{Body, Chunk};
use super::*;
use crate::config::Secret;

fn example() -> Credentials {
    Credentials {
        access_key: Secret::new("AKIAIOSFODNN7EXAMPLE"),
        secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        session_token: None,
    }
}

fn scope() -> Scope {
    Scope::at("2013-05-24T00:00:00Z".parse().unwrap(), "us-east-1", "s3")
}

fn headers(pairs: &[(&str, &str)]) -> Vec<Header> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

fn valid(request: &Request<'_>) -> Verified {
    match verify(request, "s3", None, &[example()]) {
        Check::Valid(verified) => *verified,
        other => panic!("{other:?}"),
    }
}

fn signed(method: &str, target: &str, more: &[(&str, &str)], payload_hash: &str) -> (String, Vec<Header>) {
    let mut all = headers(&[("Host", "examplebucket.s3.amazonaws.com")]);
    all.extend(headers(more));
    let signature = sign_headers(method, target, &mut all, payload_hash, &example(), &scope());
    assert_eq!(valid(&Request { method, target, headers: &all }).payload_hash(), payload_hash);
    (signature.hex, all)
}

#[test]
fn the_documented_get_object_with_a_range_is_signed_alike() {
    let (hex, _) = signed("GET", "/test.txt", &[("Range", "bytes=0-9")], EMPTY_SHA256);
    assert_eq!(hex, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

#[test]
fn the_documented_put_object_is_signed_alike() {
    let more = [("Date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
    let (hex, _) = signed("PUT", "/test%24file.text", &more, &sha256_hex(b"Welcome to Amazon S3."));
    assert_eq!(hex, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

#[test]
fn the_documented_bucket_requests_are_signed_alike() {
    let (lifecycle, _) = signed("GET", "/?lifecycle", &[], EMPTY_SHA256);
    assert_eq!(lifecycle, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    let (list, _) = signed("GET", "/?max-keys=2&prefix=J", &[], EMPTY_SHA256);
    assert_eq!(list, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

#[test]
fn the_documented_presigned_get_is_signed_alike_and_found_valid() {
    let host = headers(&[("host", "examplebucket.s3.amazonaws.com")]);
    let target = presign("GET", "/test.txt", &host, &example(), &scope(), "86400");
    assert!(target.ends_with("&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"), "{target}");
    let mut sent = host.clone();
    sent.extend(headers(&[("Range", "bytes=0-1")]));
    valid(&Request { method: "GET", target: &target, headers: &sent });
    for wrong in [target.replace("86400", "86401"), target.replace("test", "text"), target.replace("test.txt?", "test.txt?acl&")] {
        assert!(matches!(verify(&Request { method: "GET", target: &wrong, headers: &sent }, "s3", None, &[example()]), Check::Invalid(_)), "{wrong}");
    }
}

/// The documented 66,560 bytes of `a` in chunks of 64 KiB, with these signatures.
fn example_body(signatures: [&str; 3], trailers: &[(&str, &str)]) -> Body {
    let sizes = [65_536, 1_024, 0];
    let chunks = sizes.iter().zip(signatures).map(|(size, hex)| Chunk { data: vec![b'a'; *size], signature: Some(hex.to_owned()) });
    let trailers = trailers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Body { chunks: chunks.collect(), trailers }
}

fn chunked_request(payload_hash: &str, more: &[(&str, &str)]) -> Vec<Header> {
    let mut all = headers(&[
        ("Host", "s3.amazonaws.com"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("Content-Encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
    ]);
    all.extend(headers(more));
    sign_headers("PUT", "/examplebucket/chunkObject.txt", &mut all, payload_hash, &example(), &scope());
    all
}

#[test]
fn the_documented_chunked_upload_is_signed_alike_and_found_valid() {
    let all = chunked_request(STREAMING_SIGNED, &[("Content-Length", "66824")]);
    let verified = valid(&Request { method: "PUT", target: "/examplebucket/chunkObject.txt", headers: &all });
    assert_eq!(verified.signature(), "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
    let mut body = example_body(
        [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ],
        &[],
    );
    assert_eq!(body.encode().len(), 66_824);
    verified.check_body(&body.encode()).unwrap();
    body.chunks[1].data[0] = b'b';
    assert_eq!(verified.check_body(&body.encode()), Err("the signature of chunk 1 does not match".to_owned()));
}

#[test]
fn the_documented_signed_trailer_is_signed_alike_and_found_valid() {
    let all = chunked_request(STREAMING_SIGNED_TRAILER, &[("x-amz-trailer", "x-amz-checksum-crc32c")]);
    let verified = valid(&Request { method: "PUT", target: "/examplebucket/chunkObject.txt", headers: &all });
    assert_eq!(verified.signature(), "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e");
    let mut body = example_body(
        [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ],
        &[("x-amz-checksum-crc32c", "sOO8/Q=="), ("x-amz-trailer-signature", "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435")],
    );
    verified.check_body(&body.encode()).unwrap();
    body.trailers[0].1 = "AAAAAA==".to_owned();
    assert_eq!(verified.check_body(&body.encode()), Err("the signature of the trailer does not match".to_owned()));
}

#[test]
fn wrong_and_foreign_signatures_are_told_apart() {
    let (_, right) = signed("GET", "/b/k", &[("x-amz-meta-a", " a  b ")], UNSIGNED_PAYLOAD);
    let authorization = |change: &dyn Fn(&str) -> String| -> Vec<Header> {
        let mut all = right.clone();
        let last = all.last_mut().unwrap();
        last.1 = change(std::str::from_utf8(&last.1).unwrap()).into_bytes();
        all
    };
    let check = |headers: &[Header]| verify(&Request { method: "GET", target: "/b/k", headers }, "s3", None, &[example()]);
    assert!(matches!(check(&right), Check::Valid(_)));
    for (from, to) in
        [("us-east-1", "us-west-2"), ("/s3/", "/sts/"), ("aws4_request", "aws5_request"), ("20130524/", "20130525/"), ("Signature=", "Sig=")]
    {
        assert!(matches!(check(&authorization(&|text| text.replace(from, to))), Check::Invalid(_)), "{from}");
    }
    for (from, to) in [("AKIAIOSFODNN7EXAMPLE", "AKIAOTHER"), ("AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 "), ("AWS4-HMAC-SHA256 ", "AWS ")] {
        assert!(matches!(check(&authorization(&|text| text.replace(from, to))), Check::NotOurs), "{from}");
    }
    let mut changed = right.clone();
    changed[1].1 = b"other".to_vec();
    assert!(matches!(check(&changed), Check::Invalid(_)));
    assert!(matches!(check(&right[..right.len() - 1]), Check::Anonymous));
}

#[test]
fn a_changed_request_is_signed_anew_in_the_same_place() {
    let (_, mut all) = signed("PUT", "/b/k", &[("x-amz-meta-a", "1")], &sha256_hex(b"old"));
    let verified = valid(&Request { method: "PUT", target: "/b/k", headers: &all });
    verified.check_body(b"old").unwrap();
    assert!(verified.check_body(b"new").is_err());
    all.retain(|(name, _)| name != "x-amz-meta-a");
    all.iter_mut().find(|(name, _)| name == "x-amz-content-sha256").unwrap().1 = sha256_hex(b"new").into_bytes();
    let resigned = verified.resign("PUT", "/b/k", &all, Some(&sha256_hex(b"new")));
    all.iter_mut().find(|(name, _)| name == "Authorization").unwrap().1 = resigned.authorization.unwrap().into_bytes();
    valid(&Request { method: "PUT", target: "/b/k", headers: &all }).check_body(b"new").unwrap();

    let mut sent = headers(&[("Host", "h"), ("x-amz-meta-a", "1")]);
    let target = presign("PUT", "/b/a%20b?x-id=PutObject", &sent, &example(), &scope(), "60");
    let verified = valid(&Request { method: "PUT", target: &target, headers: &sent });
    sent.pop();
    assert!(matches!(verify(&Request { method: "PUT", target: &target, headers: &sent }, "s3", None, &[example()]), Check::Invalid(_)));
    let resigned = verified.resign("PUT", &target, &sent, None);
    valid(&Request { method: "PUT", target: &resigned.target, headers: &sent });
}

#[test]
fn requests_to_other_services_are_signed_over_the_hash_of_their_body() {
    let body_hash = sha256_hex(b"Action=GetCallerIdentity&Version=2011-06-15");
    let scope = Scope::at("2013-05-24T00:00:00Z".parse().unwrap(), "us-east-1", "sts");
    let mut all = headers(&[("Host", "sts.amazonaws.com"), ("x-amz-date", &scope.time)]);
    let signature = sign(&Request { method: "POST", target: "/", headers: &all }, &["host", "x-amz-date"], &body_hash, &example(), &scope);
    all.push(("Authorization".to_owned(), signature.authorization().into_bytes()));
    let request = Request { method: "POST", target: "/", headers: &all };
    assert!(matches!(verify(&request, "sts", Some(&body_hash), &[example()]), Check::Valid(_)));
    assert!(matches!(verify(&request, "sts", Some(EMPTY_SHA256), &[example()]), Check::Invalid(_)));
    assert!(matches!(verify(&request, "sts", None, &[example()]), Check::Invalid(_)));
}
