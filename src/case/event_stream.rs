//! Event-stream frames as SelectObjectContent answers them: lengths, headers, payload, and a CRC32 over the prelude and over all.
//!
//! The main function is [`parse`]. Rules: "Appendix: SelectObjectContent response" of the Amazon S3 API reference.

use std::collections::BTreeMap;

use crc_fast::{CrcAlgorithm, checksum};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its string headers, e.g. `:event-type`.
    pub headers: BTreeMap<String, String>,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// `:event-type`, empty where it has none.
    pub fn event(&self) -> &str {
        self.headers.get(":event-type").map_or("", String::as_str)
    }
}

/// The header type of a string, the only one that S3 uses.
const STRING: u8 = 7;
/// Total length, length of the headers and their checksum.
const PRELUDE: usize = 12;

fn number(bytes: &[u8]) -> Option<usize> {
    let bytes: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(bytes)).ok()
}

fn crc(bytes: &[u8]) -> Option<usize> {
    usize::try_from(checksum(CrcAlgorithm::Crc32IsoHdlc, bytes)).ok()
}

/// All frames of a body.
///
/// # Errors
/// With the first thing that is wrong: a length, a checksum or a header.
pub fn parse(mut body: &[u8]) -> Result<Vec<Frame>, String> {
    let mut frames = Vec::new();
    while !body.is_empty() {
        let at = frames.len();
        let wrong = |what: &str| format!("frame {at}: {what}");
        let (total, headers) = (number(body), body.get(4..).and_then(number));
        let (Some(total), Some(headers)) = (total, headers) else { return Err(wrong("it ends within its prelude")) };
        if total < PRELUDE + headers + 4 || total > body.len() {
            return Err(wrong(&format!("its length {total} does not fit: {} bytes are left", body.len())));
        }
        let (frame, rest) = body.split_at(total);
        if number(&frame[8..]) != crc(&frame[..8]) {
            return Err(wrong("the checksum of its prelude is wrong"));
        }
        if number(&frame[total - 4..]) != crc(&frame[..total - 4]) {
            return Err(wrong("its checksum is wrong"));
        }
        let fields = parse_headers(&frame[PRELUDE..PRELUDE + headers]).ok_or_else(|| wrong("a header is malformed"))?;
        frames.push(Frame { headers: fields, payload: frame[PRELUDE + headers..total - 4].to_vec() });
        body = rest;
    }
    Ok(frames)
}

fn parse_headers(mut bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut headers = BTreeMap::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    while let Some((&name_len, rest)) = bytes.split_first() {
        let (name, rest) = rest.split_at_checked(usize::from(name_len))?;
        let (kind, rest) = rest.split_at_checked(3)?;
        if kind[0] != STRING {
            return None;
        }
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([kind[1], kind[2]])))?;
        headers.insert(text(name)?, text(value)?);
        bytes = rest;
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published test vectors of the AWS event-stream encoding: an empty message, and one with a header and a payload.
    const EMPTY: &str = "000000100000000005c248eb7d98c8ff";
    const JSON: &str = "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f6e7b27666f6f273a27626172277d8d9c08b1";

    #[test]
    fn published_messages_are_read() {
        let body = hex::decode(format!("{EMPTY}{JSON}")).unwrap();
        let frames = parse(&body).unwrap();
        assert_eq!(frames[0], Frame { headers: BTreeMap::new(), payload: Vec::new() });
        assert_eq!(frames[1].headers, BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]));
        assert_eq!(frames[1].payload, b"{'foo':'bar'}");
    }

    #[test]
    fn one_wrong_bit_or_a_missing_byte_is_told() {
        let body = hex::decode(JSON).unwrap();
        for at in 0..body.len() {
            let mut altered = body.clone();
            altered[at] ^= 1;
            assert!(parse(&altered).is_err(), "byte {at}");
            assert!(at == 0 || parse(&body[..at]).is_err(), "cut at {at}");
        }
    }
}
