//! The aws-chunked coding: `size[;chunk-signature=...]\r\n data \r\n ... 0[;chunk-signature=...]\r\n trailers \r\n`.
//!
//! It is a content coding inside the HTTP body, whatever the HTTP framing around it. The main types are [`Decoder`], which takes
//! the body in pieces of any size, and [`Chunk`]/[`Body`], a decoded body that [`Body::encode`] writes again.

/// Longest line (chunk header or trailer) that is accepted, in bytes.
const MAX_LINE: usize = 16 << 10;

/// A body that is not aws-chunked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an aws-chunked body: {0}")]
pub struct Malformed(&'static str);

/// Something found in the coded bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A chunk begins.
    Chunk {
        /// Its length in bytes; 0 for the last one.
        size: u64,
        /// `chunk-signature`, where it has one.
        signature: Option<String>,
    },
    /// Bytes of the current chunk, as a range of the piece that was pushed.
    Data(std::ops::Range<usize>),
    /// A trailer line.
    Trailer(String, String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Header,
    Data { left: u64 },
    DataEnd { seen: usize },
    Trailer,
}

/// Decodes an aws-chunked body that arrives in pieces.
#[derive(Debug, Clone)]
pub struct Decoder {
    state: State,
    line: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { state: State::Header, line: Vec::new() }
    }
}

impl Decoder {
    /// Takes the next piece and tells what was in it.
    ///
    /// # Errors
    /// At the first byte that cannot be part of such a body; the decoder is of no use afterwards.
    pub fn push(&mut self, piece: &[u8]) -> Result<Vec<Event>, Malformed> {
        let mut events = Vec::new();
        let mut at = 0;
        while at < piece.len() {
            match self.state {
                State::Data { left } => {
                    let length = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len() - at);
                    events.push(Event::Data(at..at + length));
                    at += length;
                    let left = left - length as u64;
                    self.state = if left == 0 { State::DataEnd { seen: 0 } } else { State::Data { left } };
                }
                State::DataEnd { seen } => {
                    if piece[at] != b"\r\n"[seen] {
                        return Err(Malformed("no CRLF after the data of a chunk"));
                    }
                    at += 1;
                    self.state = if seen == 1 { State::Header } else { State::DataEnd { seen: 1 } };
                }
                State::Header | State::Trailer => {
                    if let Some(line) = self.take_line(piece, &mut at)? {
                        events.extend(self.line_event(&line)?);
                    }
                }
            }
        }
        Ok(events)
    }

    /// Whether the body may end here: after the empty chunk and any number of whole trailer lines. Clients differ in where they put
    /// empty lines around the trailer, and some end without one, so no empty line is taken as the end.
    pub fn is_complete(&self) -> bool {
        self.state == State::Trailer && self.line.is_empty()
    }

    fn take_line(&mut self, piece: &[u8], at: &mut usize) -> Result<Option<String>, Malformed> {
        let rest = &piece[*at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(rest.len(), |end| end + 1);
        self.line.extend_from_slice(&rest[..taken]);
        *at += taken;
        if self.line.len() > MAX_LINE {
            return Err(Malformed("line too long"));
        }
        if end.is_none() {
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8(line).map_err(|_| Malformed("line is not text"))?;
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn line_event(&mut self, line: &str) -> Result<Option<Event>, Malformed> {
        if self.state == State::Trailer {
            if line.is_empty() {
                return Ok(None);
            }
            let (name, value) = line.split_once(':').ok_or(Malformed("trailer without a colon"))?;
            return Ok(Some(Event::Trailer(name.trim().to_owned(), value.trim().to_owned())));
        }
        let mut parts = line.split(';');
        let size = parts.next().unwrap_or_default().trim();
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Malformed("chunk size is not hexadecimal"));
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| Malformed("chunk size too large"))?;
        let signature = parts.find_map(|part| part.trim().strip_prefix("chunk-signature=")).map(str::to_owned);
        self.state = if size == 0 { State::Trailer } else { State::Data { left: size } };
        Ok(Some(Event::Chunk { size, signature }))
    }
}

/// One chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its data; empty for the last one.
    pub data: Vec<u8>,
    /// `chunk-signature`, where it has one.
    pub signature: Option<String>,
}

/// A whole body, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// The chunks, the last empty one included.
    pub chunks: Vec<Chunk>,
    /// Trailer lines in order, with `x-amz-trailer-signature` where there is one.
    pub trailers: Vec<(String, String)>,
}

impl Body {
    /// Decodes a whole body.
    ///
    /// # Errors
    /// When it is malformed or ends early.
    pub fn decode(coded: &[u8]) -> Result<Self, Malformed> {
        let mut decoder = Decoder::default();
        let mut body = Self::default();
        for event in decoder.push(coded)? {
            match event {
                Event::Chunk { signature, .. } => body.chunks.push(Chunk { data: Vec::new(), signature }),
                Event::Data(range) => {
                    if let Some(chunk) = body.chunks.last_mut() {
                        chunk.data.extend_from_slice(&coded[range]);
                    }
                }
                Event::Trailer(name, value) => body.trailers.push((name, value)),
            }
        }
        if decoder.is_complete() { Ok(body) } else { Err(Malformed("it ends early")) }
    }

    /// The bytes that a server stores.
    pub fn payload(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|chunk| chunk.data.iter().copied()).collect()
    }

    /// The coded bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut coded = Vec::new();
        for chunk in &self.chunks {
            let signature = chunk.signature.as_ref().map(|signature| format!(";chunk-signature={signature}")).unwrap_or_default();
            coded.extend_from_slice(format!("{:x}{signature}\r\n", chunk.data.len()).as_bytes());
            coded.extend_from_slice(&chunk.data);
            if !chunk.data.is_empty() {
                coded.extend_from_slice(b"\r\n");
            }
        }
        for (name, value) in &self.trailers {
            coded.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
        }
        coded.extend_from_slice(b"\r\n");
        coded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODED: &[u8] = b"5;chunk-signature=aa\r\nhello\r\n3\r\nabc\r\n0;chunk-signature=bb\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";

    #[test]
    fn a_body_survives_decoding_and_encoding() {
        let body = Body::decode(CODED).unwrap();
        assert_eq!(body.payload(), b"helloabc");
        assert_eq!(body.chunks[0].signature.as_deref(), Some("aa"));
        assert_eq!(body.trailers, [("x-amz-checksum-crc32".to_owned(), "AAAAAA==".to_owned())]);
        assert_eq!(body.encode(), CODED);
        let plain = b"0\r\n\r\n";
        assert_eq!(Body::decode(plain).unwrap().encode(), plain);
    }

    #[test]
    fn any_split_of_the_coded_bytes_decodes_alike() {
        for size in 1..CODED.len() {
            let mut decoder = Decoder::default();
            let mut payload = Vec::new();
            for piece in CODED.chunks(size) {
                for event in decoder.push(piece).unwrap() {
                    if let Event::Data(range) = event {
                        payload.extend_from_slice(&piece[range]);
                    }
                }
            }
            assert!(decoder.is_complete());
            assert_eq!(payload, b"helloabc", "pieces of {size}");
        }
    }

    #[test]
    fn malformed_bodies_are_refused() {
        for coded in
            [&b"x\r\n"[..], b"\r\n", b"5\r\nhelloX\r\n", b"5\r\nhel", b"5\r\nhello\r\n", b"0\r\nno colon\r\n\r\n", b"0\r\n\r\nmore", b"-1\r\n"]
        {
            assert!(Body::decode(coded).is_err(), "{:?}", String::from_utf8_lossy(coded));
        }
    }
}
