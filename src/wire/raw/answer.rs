//! What a server sent back, exactly.

use crate::wire::WireError;
use crate::wire::record::Failure;

const LONGEST_HEAD: usize = 256 << 10;
const MOST_HEADERS: usize = 256;

/// An answer as the server sent it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Reason phrase.
    pub reason: String,
    /// Minor version: 1 for `HTTP/1.1`.
    pub version_minor: u8,
    /// Headers in order, names as written.
    pub headers: Vec<(String, String)>,
    /// Body without transfer coding.
    pub body: Vec<u8>,
    /// Trailer lines of a chunked body.
    pub trailers: Vec<(String, String)>,
    /// Statuses of interim answers (1xx) before this one; 100 is seen here.
    pub interim: Vec<u16>,
    /// Whether the server keeps the connection open for a further request.
    pub keeps_open: bool,
    /// Whether all of the request was written before the answer was complete.
    pub request_whole: bool,
}

impl Answer {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    /// The body as text, lossy.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The S3 error code: the text of `Code` in the body.
    pub fn code(&self) -> Option<String> {
        self.element("Code")
    }
    /// The text of the first XML element of that name in the body.
    pub fn element(&self, name: &str) -> Option<String> {
        let mut reader = quick_xml::Reader::from_reader(self.body.as_slice());
        let mut is_inside = false;
        let mut text = String::new();
        loop {
            match reader.read_event().ok()? {
                quick_xml::events::Event::Start(start) => is_inside |= start.local_name().as_ref() == name.as_bytes(),
                quick_xml::events::Event::Text(part) if is_inside => text.push_str(&part.decode().ok()?),
                quick_xml::events::Event::GeneralRef(entity) if is_inside => {
                    let whole = format!("&{};", entity.decode().ok()?);
                    text.push_str(&quick_xml::escape::unescape(&whole).ok()?);
                }
                quick_xml::events::Event::End(_) if is_inside => return Some(text),
                quick_xml::events::Event::Eof => return None,
                _ => {}
            }
        }
    }
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Known(u64),
    Chunked,
    UntilClose,
}

/// A head at the start of `bytes` and its length, if it is complete.
pub(super) fn parse_head(bytes: &[u8]) -> Result<Option<(Answer, usize)>, WireError> {
    let malformed = |message: String| WireError::new(Failure::Malformed, message);
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(bytes).map_err(|error| malformed(format!("the answer is not HTTP: {error}")))? {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial if bytes.len() > LONGEST_HEAD => return Err(malformed("the answer's head has no end".to_owned())),
        httparse::Status::Partial => return Ok(None),
    };
    let answer = Answer {
        status: head.code.unwrap_or_default(),
        reason: head.reason.unwrap_or_default().to_owned(),
        version_minor: head.version.unwrap_or_default(),
        headers: texts(head.headers),
        ..Answer::default()
    };
    Ok(Some((answer, length)))
}

fn texts(headers: &[httparse::Header<'_>]) -> Vec<(String, String)> {
    headers.iter().map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())).collect()
}

/// How long the body of this answer to `method` is.
pub(super) fn length_of(answer: &Answer, method: &str) -> Result<Length, WireError> {
    if method == "HEAD" || answer.status == 204 || answer.status == 304 {
        return Ok(Length::Known(0));
    }
    if answer.header("transfer-encoding").is_some_and(|coding| coding.to_ascii_lowercase().ends_with("chunked")) {
        return Ok(Length::Chunked);
    }
    let Some(text) = answer.header("content-length") else { return Ok(Length::UntilClose) };
    text.trim().parse().map(Length::Known).map_err(|_| WireError::new(Failure::Malformed, format!("Content-Length {text:?} is not a number")))
}

/// What stands at the start of `bytes` inside a chunked body.
pub(super) enum Piece {
    /// A chunk: length of its header and of its data.
    Chunk(usize, usize),
    /// The end: total length of the last chunk's header and the trailer, and the trailer's lines.
    End(usize, Vec<(String, String)>),
}

/// The next chunk's header, or the end of the body, if it is complete in `bytes`.
pub(super) fn parse_chunk(bytes: &[u8]) -> Result<Option<Piece>, WireError> {
    let malformed = || WireError::new(Failure::Malformed, "a chunk of the answer's body is malformed");
    let (start, size) = match httparse::parse_chunk_size(bytes).map_err(|_| malformed())? {
        httparse::Status::Complete(found) => found,
        httparse::Status::Partial => return Ok(None),
    };
    if size > 0 {
        return usize::try_from(size).map(|size| Some(Piece::Chunk(start, size))).map_err(|_| malformed());
    }
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    match httparse::parse_headers(&bytes[start..], &mut headers).map_err(|_| malformed())? {
        httparse::Status::Complete((length, headers)) => Ok(Some(Piece::End(start + length, texts(headers)))),
        httparse::Status::Partial => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_keeps_names_order_and_repeats() {
        let bytes = b"HTTP/1.1 206 Partial\r\nETag: \"a\"\r\nx-a: 1\r\nX-A: 2\r\n\r\nbody";
        let (answer, length) = parse_head(bytes).unwrap().unwrap();
        assert_eq!((answer.status, answer.reason.as_str(), &bytes[length..]), (206, "Partial", &b"body"[..]));
        let names: Vec<_> = answer.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(names, [("ETag", "\"a\""), ("x-a", "1"), ("X-A", "2")]);
        assert!(parse_head(&bytes[..20]).unwrap().is_none());
        assert_eq!(parse_head(b"SSH-2.0-OpenSSH\r\n").unwrap_err().failure, Failure::Malformed);
    }

    #[test]
    fn the_error_code_is_read_from_the_body_with_entities() {
        let body = b"<?xml version=\"1.0\"?><Error xmlns=\"x\"><Code>NoSuchKey</Code><Message>a &amp; b</Message></Error>".to_vec();
        let answer = Answer { body, ..Answer::default() };
        assert_eq!(answer.code().as_deref(), Some("NoSuchKey"));
        assert_eq!(answer.element("Message").as_deref(), Some("a & b"));
        assert_eq!(answer.element("Absent"), None);
        assert_eq!(Answer { body: b"not xml <".to_vec(), ..Answer::default() }.code(), None);
    }

    #[test]
    fn answers_without_a_body_are_known_by_method_and_status() {
        let answer = |status| Answer { status, headers: vec![("Content-Length".into(), "5".into())], ..Answer::default() };
        assert_eq!(length_of(&answer(200), "HEAD").unwrap(), Length::Known(0));
        assert_eq!(length_of(&answer(304), "GET").unwrap(), Length::Known(0));
        assert_eq!(length_of(&answer(200), "GET").unwrap(), Length::Known(5));
    }
}
