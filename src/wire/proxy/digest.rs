//! Checksums as S3 carries them in headers, trailers and presigned queries.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;

/// The value of a checksum header or trailer over `data`; none for a name that is no checksum we can compute.
pub(super) fn value(name: &str, data: &[u8]) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let sum: Vec<u8> = match name.strip_prefix("x-amz-checksum-").unwrap_or(&name) {
        "content-md5" | "md5" => md5::Md5::digest(data).to_vec(),
        "crc32" => crc_fast::crc32_iso_hdlc(data).to_be_bytes().to_vec(),
        "crc32c" => crc_fast::crc32_iscsi(data).to_be_bytes().to_vec(),
        "crc64nvme" => crc_fast::crc64_nvme(data).to_be_bytes().to_vec(),
        "sha1" => sha1::Sha1::digest(data).to_vec(),
        "sha256" => sha2::Sha256::digest(data).to_vec(),
        _ => return None,
    };
    Some(STANDARD.encode(sum))
}

/// The value to put in place of `old` when the data change: none if `old` was not right for the old data (it must stay wrong).
pub(super) fn replacement(name: &str, old: &str, before: &[u8], after: &[u8]) -> Option<String> {
    (value(name, before).as_deref() == Some(old)).then(|| value(name, after)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_match_their_published_check_values() {
        // The check value of each algorithm is its sum over the nine digits.
        for (name, expected) in [
            ("x-amz-checksum-crc32", "y/Q5Jg=="),
            ("X-Amz-Checksum-Crc32c", "4waSgw=="),
            ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
            ("x-amz-checksum-sha1", "98O8HYCOBHMq32eZZczDTKeuNEE="),
            ("x-amz-checksum-sha256", "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
            ("Content-MD5", "JfnnlDI7RTiF9RgfG2JNCw=="),
        ] {
            assert_eq!(value(name, b"123456789").as_deref(), Some(expected), "{name}");
        }
        assert_eq!(value("x-amz-checksum-type", b""), None);
        assert_eq!(replacement("content-md5", "wrong", b"a", b"b"), None);
    }
}
