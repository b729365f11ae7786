//! An answer that is changed as a whole, and framed anew with the length that it then has.

use super::super::message::Head;
use super::text;
use crate::config::Change;

/// An answer read as a whole.
#[derive(Debug, Clone)]
pub(in crate::wire::proxy) struct Edited {
    head: Head,
    body: Vec<u8>,
    /// Bytes behind an answer that may not have a body.
    stray: Vec<u8>,
    /// Whether the body's length may differ from what its head says.
    is_reframed: bool,
}

impl Edited {
    pub fn new(head: Head, body: Vec<u8>) -> Self {
        Self { head, body, stray: Vec::new(), is_reframed: false }
    }
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.head.status())
    }

    /// Does one change. False where it is none of an answer's, or changes nothing.
    pub fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::SetStatus { status } => self.set_status(*status),
            Change::Error { status, code } => {
                let body = format!(
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Answered by a mutant.</Message><Resource>/</Resource>\
                     <RequestId>MUTANT0000000000</RequestId><HostId>mutant</HostId></Error>"
                );
                self.replace_all(*status, &body)
            }
            Change::Success { status, body } => self.replace_all(*status, body),
            Change::SetResponseHeader { name, value } => {
                self.put(name, value);
                true
            }
            Change::RemoveResponseHeader { name } => self.head.remove(name),
            Change::ReplaceResponseHeader { name, from, to } => self.replace_header(name, from, to),
            Change::ShortenBody { by } => {
                let length = self.body.len().saturating_sub(*by);
                self.set_body(self.body[..length].to_vec())
            }
            Change::AppendBody { text } => self.set_body([&self.body, text.as_bytes()].concat()),
            Change::FlipAnswer { at } => {
                let mut body = self.body.clone();
                flip(&mut body, *at);
                self.set_body(body)
            }
            Change::BodyAfterHead { text } => {
                self.stray = text.clone().into_bytes();
                true
            }
            change => self.apply_to_text(change),
        }
    }

    fn apply_to_text(&mut self, change: &Change) -> bool {
        let Ok(old) = std::str::from_utf8(&self.body) else { return false };
        let new = match change {
            Change::ReplaceText { from, to } => text::replace(old, from, to),
            Change::DropElement { name, which } => text::drop_elements(old, name, *which),
            Change::RepeatElement { name, which } => text::repeat_elements(old, name, *which),
            Change::ReverseElements { name } => text::reverse_elements(old, name),
            Change::SetElement { name, value, which } => text::set_elements(old, name, value, *which),
            Change::SpellElement { name, spelling } => text::spell_elements(old, name, *spelling),
            _ => return false,
        };
        self.set_body(new.into_bytes())
    }

    fn set_body(&mut self, body: Vec<u8>) -> bool {
        let is_changed = body != self.body;
        self.is_reframed |= is_changed;
        self.body = body;
        is_changed
    }

    fn set_status(&mut self, status: u16) -> bool {
        let reason = http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown");
        self.head.line = format!("HTTP/1.1 {status} {reason}");
        self.head.touch();
        true
    }

    /// Another answer altogether: headers that describe the old body go with it.
    fn replace_all(&mut self, status: u16, body: &str) -> bool {
        for name in ["content-type", "content-encoding", "content-range", "content-length", "etag", "last-modified", "x-amz-checksum-*", "x-minio-*"]
        {
            self.head.remove(name);
        }
        if !body.is_empty() {
            self.put("content-type", "application/xml");
        }
        self.body = body.as_bytes().to_vec();
        self.is_reframed = true;
        self.set_status(status)
    }

    fn put(&mut self, name: &str, value: &str) {
        self.head.remove(name);
        self.head.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self.head.touch();
    }

    fn replace_header(&mut self, name: &str, from: &str, to: &str) -> bool {
        let Some(old) = self.head.header(name).map(str::to_owned) else { return false };
        let new = text::replace(&old, from, to);
        self.head.set(name, &new);
        new != old
    }

    /// As it goes on the wire.
    pub fn to_bytes(&self, method: &str) -> Vec<u8> {
        let mut head = self.head.clone();
        let is_bodiless = method == "HEAD" || matches!(head.status(), 204 | 304);
        let is_coded = head.remove("transfer-encoding");
        if !is_bodiless || (self.is_reframed && method != "HEAD") {
            head.remove("content-length");
            if head.status() != 204 && head.status() != 304 {
                head.headers.push(("Content-Length".to_owned(), self.body.len().to_string().into_bytes()));
            }
        } else if is_coded || head.header("content-length").is_none() {
            head.touch();
        }
        let body: &[u8] = if is_bodiless { &[] } else { &self.body };
        [&head.to_bytes(), body, &self.stray].concat()
    }
}

/// Flips the lowest bit of a byte, counted from the end where the offset is negative.
pub(super) fn flip(body: &mut [u8], at: i64) -> bool {
    let length = i64::try_from(body.len()).unwrap_or(i64::MAX);
    let position = usize::try_from(if at < 0 { length + at } else { at }).ok();
    match position.and_then(|position| body.get_mut(position)) {
        Some(byte) => {
            *byte ^= 1;
            true
        }
        None => false,
    }
}
