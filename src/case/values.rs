//! Values that cases compute on the client's side to compare with the vendor's: ETags, checksums, encodings.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha1::Sha1;
use sha2::Sha256;

/// What stays as it is in an encoded path: unreserved characters and the slash.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A key as it stands in a request path or a copy source: percent-encoded, slashes kept.
pub fn encode_path(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

/// A query parameter's value: everything but unreserved characters is percent-encoded.
pub fn encode_query(value: &str) -> String {
    encode_path(value).replace('/', "%2F")
}

/// A part of a URL as it was meant.
pub fn percent_decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// An operation as requests name it: `get_bucket_acl` becomes `GetBucketAcl`.
pub fn camel(operation: &str) -> String {
    let word = |word: &str| word.chars().take(1).flat_map(char::to_uppercase).chain(word.chars().skip(1)).collect::<String>();
    operation.split('_').map(word).collect()
}

/// A name as ids spell it: `GetBucketAcl` becomes `get_bucket_acl`, `object-lock` becomes `object_lock`.
pub fn snake(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(if letter == '-' { '_' } else { letter }.to_lowercase());
    }
    snake
}

/// The ETag of a plain put: quoted hexadecimal MD5.
pub fn md5_etag(body: &[u8]) -> String {
    format!("\"{}\"", hex::encode(Md5::digest(body)))
}

/// The ETag of a multipart object: quoted MD5 of the parts' MD5s, a dash and the number of parts.
pub fn multipart_etag(parts: &[&[u8]]) -> String {
    let digests: Vec<u8> = parts.iter().flat_map(Md5::digest).collect();
    format!("\"{}-{}\"", hex::encode(Md5::digest(digests)), parts.len())
}

/// `Content-MD5`.
pub fn md5_base64(body: &[u8]) -> String {
    STANDARD.encode(Md5::digest(body))
}

/// `x-amz-checksum-sha1`.
pub fn sha1_base64(body: &[u8]) -> String {
    STANDARD.encode(Sha1::digest(body))
}

/// `x-amz-checksum-sha512`.
pub fn sha512_base64(body: &[u8]) -> String {
    STANDARD.encode(sha2::Sha512::digest(body))
}

/// `x-amz-checksum-sha256`.
pub fn sha256_base64(body: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(body))
}

/// Signature of the legacy protocol version 2: HMAC-SHA1 in base64.
pub fn sigv2(secret: &str, string_to_sign: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(string_to_sign.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Lower-case hexadecimal SHA-256, as in `x-amz-content-sha256`.
pub fn sha256_hex(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// `x-amz-checksum-crc32`.
pub fn crc32_base64(body: &[u8]) -> String {
    STANDARD.encode(crc_32(CrcAlgorithm::Crc32IsoHdlc, body).to_be_bytes())
}

/// `x-amz-checksum-crc32c`.
pub fn crc32c_base64(body: &[u8]) -> String {
    STANDARD.encode(crc_32(CrcAlgorithm::Crc32Iscsi, body).to_be_bytes())
}

/// `x-amz-checksum-crc64nvme`.
pub fn crc64nvme_base64(body: &[u8]) -> String {
    STANDARD.encode(checksum(CrcAlgorithm::Crc64Nvme, body).to_be_bytes())
}

/// The composite checksum of a multipart object: the checksum of the parts' checksums, a dash and the number of parts.
pub fn composite_base64(checksum: fn(&[u8]) -> String, parts: &[&[u8]]) -> String {
    let sums: Vec<u8> = parts.iter().flat_map(|part| STANDARD.decode(checksum(part)).expect("a checksum is base64")).collect();
    format!("{}-{}", checksum(&sums), parts.len())
}

/// The full-object checksum of a multipart object, combined from the checksums and lengths of its parts as a server does: `crc32`,
/// `crc32c` or `crc64nvme`; nothing for an algorithm that cannot be combined.
pub fn combined_base64(algorithm: &str, parts: &[&[u8]]) -> Option<String> {
    let (algorithm, skipped) = match algorithm {
        "crc32" => (CrcAlgorithm::Crc32IsoHdlc, 4),
        "crc32c" => (CrcAlgorithm::Crc32Iscsi, 4),
        "crc64nvme" => (CrcAlgorithm::Crc64Nvme, 0),
        _ => return None,
    };
    let whole =
        parts.iter().fold(checksum(algorithm, b""), |sum, part| checksum_combine(algorithm, sum, checksum(algorithm, part), part.len() as u64));
    Some(STANDARD.encode(&whole.to_be_bytes()[skipped..]))
}

fn crc_32(algorithm: CrcAlgorithm, body: &[u8]) -> u32 {
    u32::try_from(checksum(algorithm, body)).expect("a 32-bit checksum has 32 bits")
}

/// Whether `body` is well-formed XML in UTF-8; else what is wrong with it.
///
/// # Errors
/// With the first thing that is wrong.
pub fn well_formed(body: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open = 0_i64;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        open += match event {
            quick_xml::events::Event::Start(_) => 1,
            quick_xml::events::Event::End(_) => -1,
            _ => 0,
        };
        match event {
            quick_xml::events::Event::Eof if open > 0 => return Err("an element that is not closed".to_owned()),
            quick_xml::events::Event::Text(text) if text.contains(&b'<') => return Err("an unescaped < in a text".to_owned()),
            quick_xml::events::Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// A date so many seconds from now, in whole seconds.
pub fn from_now(seconds: i64) -> DateTime {
    DateTime::from_secs(jiff::Timestamp::now().as_second() + seconds)
}

/// The `multipart_upload` argument of a completion.
pub fn completed(parts: impl IntoIterator<Item = CompletedPart>) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.into_iter().collect())).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_operations_are_spelled_both_ways() {
        for (camel_case, snake_case) in [("GetBucketAcl", "get_bucket_acl"), ("PutObject", "put_object"), ("ListObjectsV2", "list_objects_v2")] {
            assert_eq!((camel(snake_case).as_str(), snake(camel_case).as_str()), (camel_case, snake_case));
        }
        assert_eq!((snake("object-lock"), snake("policyStatus")), ("object_lock".to_owned(), "policy_status".to_owned()));
    }

    #[test]
    fn checksums_match_the_published_check_values() {
        // The check input of every CRC catalogue.
        let check = b"123456789";
        assert_eq!(STANDARD.decode(crc32_base64(check)).unwrap(), 0xcbf4_3926_u32.to_be_bytes());
        assert_eq!(STANDARD.decode(crc32c_base64(check)).unwrap(), 0xe306_9283_u32.to_be_bytes());
        assert_eq!(STANDARD.decode(crc64nvme_base64(check)).unwrap(), 0xae8b_1486_0a79_9888_u64.to_be_bytes());
        assert_eq!(md5_etag(b""), "\"d41d8cd98f00b204e9800998ecf8427e\"");
    }

    #[test]
    fn hashes_match_the_published_examples() {
        // FIPS 180-4's example "abc".
        let decoded = |text: String| hex::encode(STANDARD.decode(text).unwrap());
        assert_eq!(decoded(sha1_base64(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((decoded(sha256_base64(b"abc")).as_str(), sha256_hex(b"abc").as_str()), (sha256, sha256));
        let sha512 = decoded(sha512_base64(b"abc"));
        assert!(sha512.starts_with("ddaf35a193617abacc417349ae204131") && sha512.ends_with("2a9ac94fa54ca49f"), "{sha512}");
        assert_eq!(decoded(md5_base64(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
    }

    #[test]
    fn a_composite_checksum_hashes_the_parts_checksums_and_counts_them() {
        // Computed with Python's hashlib and zlib (CRC32C bit by bit).
        assert_eq!(composite_base64(sha256_base64, &[b"a", b"b"]), "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2");
        assert_eq!(composite_base64(sha1_base64, &[b"a", b"b"]), "AFZUCsYjfQJj3Q+qRcccc7xIDzQ=-2");
        assert_eq!(composite_base64(crc32_base64, &[b"a", b"b"]), "7pJxdw==-2");
        assert_eq!(composite_base64(crc32c_base64, &[b"12345", b"6789"]), "ZrDMrw==-2");
    }

    #[test]
    fn combined_parts_have_the_checksum_of_the_whole() {
        // The check values of the CRC catalogue again, over the check input in three parts, one of them empty.
        let parts: [&[u8]; 4] = [b"1234", b"", b"56", b"789"];
        assert_eq!(STANDARD.decode(combined_base64("crc32", &parts).unwrap()).unwrap(), 0xcbf4_3926_u32.to_be_bytes());
        assert_eq!(STANDARD.decode(combined_base64("crc32c", &parts).unwrap()).unwrap(), 0xe306_9283_u32.to_be_bytes());
        assert_eq!(STANDARD.decode(combined_base64("crc64nvme", &parts).unwrap()).unwrap(), 0xae8b_1486_0a79_9888_u64.to_be_bytes());
        assert_eq!(combined_base64("sha256", &parts), None);
        // Around the size of a part, against the checksum of the whole in one go.
        let body: Vec<u8> = (0..70_001_u32).flat_map(|n| n.to_le_bytes()).collect();
        for cut in [1, 65_536, 65_537, 280_003] {
            let (head, tail) = body.split_at(cut);
            assert_eq!(combined_base64("crc64nvme", &[head, tail]), Some(crc64nvme_base64(&body)), "cut at {cut}");
            assert_eq!(combined_base64("crc32c", &[head, tail]), Some(crc32c_base64(&body)), "cut at {cut}");
            assert_eq!(combined_base64("crc32", &[head, tail]), Some(crc32_base64(&body)), "cut at {cut}");
        }
    }

    #[test]
    fn a_version_2_signature_is_that_of_the_developer_guide() {
        // S3 developer guide, Signing and authenticating REST requests, example "Object GET".
        let text = "GET\n\n\nTue, 27 Mar 2007 19:36:42 +0000\n/johnsmith/photos/puppy.jpg";
        assert_eq!(sigv2("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", text), "bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
    }

    #[test]
    fn a_multipart_etag_hashes_the_hashes_and_counts_the_parts() {
        // md5(md5("a") || md5("b")), computed with Python's hashlib.
        assert_eq!(multipart_etag(&[b"a", b"b"]), "\"96e024ba2074fe77e8e965ba43a704be-2\"");
    }

    #[test]
    fn xml_that_is_not_well_formed_is_told() {
        assert_eq!(well_formed(b"<?xml version=\"1.0\"?><a><b>x &amp; y</b></a>"), Ok(()));
        for wrong in [&b"<a><b></a>"[..], b"<a>\xff</a>", b"<html><br></html>"] {
            assert!(well_formed(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn keys_are_encoded_byte_by_byte() {
        assert_eq!(encode_path("a b/ä+%"), "a%20b/%C3%A4%2B%25");
        assert_eq!(encode_query("a/b&c"), "a%2Fb%26c");
    }
}
