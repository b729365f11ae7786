//! A request that is changed in its plain form (one body, no chunks, no query signature) and signed anew.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use md5::{Digest as _, Md5};

use super::super::digest;
use super::super::message::{Piece, matches};
use super::super::tamper::{self, Whole, is_aws_chunked};
use super::response::flip;
use super::text;
use crate::config::{Change, Flaw};
use crate::wire::Credentials;
use crate::wire::sigv4::aws_chunked::Body;
use crate::wire::sigv4::{Check, Header, Scope, Verified, is_trailer_signature, sha256_hex, sign_headers};

/// How far a client's clock may be off.
const SKEW: Duration = Duration::from_secs(900);
/// What belongs to a signature or to the framing, and is made anew.
const MADE_ANEW: [&str; 9] = [
    "authorization",
    "x-amz-date",
    "x-amz-content-sha256",
    "x-amz-security-token",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
    "content-length",
    "transfer-encoding",
    "expect",
];

/// A request in its plain form.
pub(super) struct Request<'a> {
    method: String,
    path: String,
    query: Vec<String>,
    headers: Vec<Header>,
    body: Vec<u8>,
    /// The body as it stood on the wire.
    coded: Vec<u8>,
    /// It is shorter than its head says.
    is_cut: bool,
    /// Why a server would not take it; none where it would, as far as can be told here.
    flaw: Option<Flaw>,
    /// Who signs it.
    account: Option<&'a Credentials>,
    /// The first account.
    owner: Option<&'a Credentials>,
    region: &'a str,
}

impl<'a> Request<'a> {
    /// Reads a whole request; none where its body cannot be understood, or there is no key to sign with.
    pub fn read(whole: &Whole, credentials: &'a [Credentials], region: &'a str) -> Option<Self> {
        let head = &whole.head;
        let coded = whole.body();
        let decoded = if is_aws_chunked(head) { Some(Body::decode(&coded).ok()?) } else { None };
        let check = tamper::check(head, credentials);
        let flaw = flaw(whole, &coded, decoded.as_ref(), &check, region);
        let account = match &check {
            Check::Valid(verified) => credentials.iter().find(|known| known.access_key.expose() == verified.access_key()),
            Check::Anonymous => None,
            Check::Invalid(_) | Check::NotOurs => Some(named(head.target(), head.header("authorization"), credentials)?),
        };
        let (path, query) = head.target().split_once('?').unwrap_or((head.target(), ""));
        let query = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("X-Amz-")).map(str::to_owned).collect();
        let mut headers: Vec<Header> =
            head.headers.iter().filter(|(name, _)| !MADE_ANEW.iter().any(|known| name.eq_ignore_ascii_case(known))).cloned().collect();
        let body = decoded.as_ref().map_or_else(|| coded.clone(), Body::payload);
        if let Some(decoded) = decoded {
            without_coding(&mut headers);
            let trailers = decoded.trailers.into_iter().filter(|(name, _)| matches("x-amz-checksum-*", name));
            headers.extend(trailers.map(|(name, value)| (name, value.into_bytes())));
        }
        Some(Self {
            method: head.method().to_owned(),
            path: path.to_owned(),
            query,
            headers,
            body,
            is_cut: head.header("content-length").and_then(|text| text.parse().ok()).is_some_and(|length: usize| coded.len() < length),
            coded,
            flaw,
            account,
            owner: credentials.first(),
            region,
        })
    }
    /// Whether the server would take it, checksums and rights aside.
    pub fn is_right(&self) -> bool {
        self.flaw.is_none() || self.flaw == Some(Flaw::Checksum)
    }
    fn is_owners(&self) -> bool {
        let key = |account: Option<&Credentials>| account.map(|account| account.access_key.expose().to_owned());
        key(self.account) == key(self.owner)
    }
    pub fn has_text(&self, part: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(part)
    }
    /// The entity tag that a server would give.
    pub fn etag(&self) -> String {
        hex::encode(Md5::digest(&self.body))
    }

    /// Does one change. False where it is none of a request's, changes nothing, or the request is not right.
    pub fn apply(&mut self, change: &Change) -> bool {
        if let Change::Forgive { what } = change {
            return self.forgive(*what);
        }
        if let Change::KeepCut {} = change {
            return self.is_cut && self.forgive(Flaw::Payload);
        }
        if self.flaw.is_some_and(|flaw| flaw != Flaw::Anonymous && flaw != Flaw::Checksum) {
            return false;
        }
        match change {
            Change::AsOwner {} => {
                let is_other = self.flaw != Some(Flaw::Anonymous) && !self.is_owners();
                self.account = if is_other { self.owner } else { self.account };
                is_other
            }
            Change::RemoveHeader { name } => self.remove(name),
            Change::SetHeader { name, value } => {
                self.remove(name);
                self.headers.push((name.clone(), value.clone().into_bytes()));
                true
            }
            Change::RemoveQuery { name } => self.remove_query(name),
            Change::SetQuery { name, value } => {
                self.remove_query(name);
                self.query.push(format!("{name}={value}"));
                true
            }
            Change::ReplaceBody { from, to } => {
                let Ok(old) = std::str::from_utf8(&self.body) else { return false };
                let new = text::replace(old, from, to);
                self.set_body(new.into_bytes())
            }
            Change::DropMember { name } => {
                let Ok(mut document) = serde_json::from_slice(&self.body) else { return false };
                drop_member(&mut document, name);
                self.set_body(document.to_string().into_bytes())
            }
            Change::FlipBody { at } => {
                let mut body = self.body.clone();
                flip(&mut body, *at);
                self.set_body(body)
            }
            Change::KeepFraming {} if self.coded != self.body => {
                self.remove("x-amz-checksum-*");
                self.remove("content-md5");
                self.body = self.coded.clone();
                true
            }
            _ => false,
        }
    }

    fn forgive(&mut self, what: Flaw) -> bool {
        match (what, self.flaw) {
            (Flaw::Checksum, None | Some(Flaw::Checksum)) => self.mend_checksums(),
            (Flaw::Anonymous, Some(Flaw::Anonymous)) => {}
            (what, Some(flaw)) if what == flaw => {}
            _ => return false,
        }
        self.flaw = None;
        self.account = self.account.or(self.owner);
        true
    }

    /// Makes each checksum fit; one that cannot be computed, or is of another thing than the body, is left out.
    fn mend_checksums(&mut self) {
        let is_of_object = self.method == "POST" && self.query.iter().any(|part| part.starts_with("uploadId="));
        let is_checksum = |name: &str| matches("x-amz-checksum-*", name) && !["algorithm", "mode", "type"].iter().any(|end| name.ends_with(end));
        let mut seen = false;
        self.headers.retain_mut(|(name, value)| {
            if !name.eq_ignore_ascii_case("content-md5") && !is_checksum(&name.to_ascii_lowercase()) {
                return !name.eq_ignore_ascii_case("x-amz-sdk-checksum-algorithm");
            }
            match digest::value(name, &self.body) {
                Some(right) if !(is_of_object || seen && is_checksum(&name.to_ascii_lowercase())) => {
                    seen |= is_checksum(&name.to_ascii_lowercase());
                    *value = right.into_bytes();
                    true
                }
                _ => false,
            }
        });
        let is_query_checksum = |part: &String| part.to_ascii_lowercase().starts_with("x-amz-checksum-") || part.starts_with("x-amz-sdk-checksum");
        self.query.retain(|part| !is_query_checksum(part));
    }

    fn remove(&mut self, pattern: &str) -> bool {
        let before = self.headers.len();
        self.headers.retain(|(name, _)| !matches(pattern, name));
        self.headers.len() < before
    }
    fn remove_query(&mut self, name: &str) -> bool {
        let before = self.query.len();
        self.query.retain(|part| part.split('=').next() != Some(name));
        self.query.len() < before
    }
    /// Another body; checksums that fitted fit again.
    fn set_body(&mut self, body: Vec<u8>) -> bool {
        for (name, value) in &mut self.headers {
            let old = String::from_utf8_lossy(value).into_owned();
            if let Some(new) = digest::replacement(name, &old, &self.body, &body) {
                *value = new.into_bytes();
            }
        }
        let is_changed = self.body != body;
        self.body = body;
        is_changed
    }

    /// Puts the changed request in place of the old one, signed by its account now.
    pub fn write(mut self, whole: &mut Whole) {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query.join("&")) };
        let target = format!("{}{query}", self.path);
        if !self.body.is_empty() || matches!(self.method.as_str(), "PUT" | "POST") {
            self.headers.push(("Content-Length".to_owned(), self.body.len().to_string().into_bytes()));
        }
        let is_anonymous = self.flaw == Some(Flaw::Anonymous);
        if let Some(account) = self.account.filter(|_| !is_anonymous) {
            let scope = Scope::now(self.region, "s3");
            sign_headers(&self.method, &target, &mut self.headers, &sha256_hex(&self.body), account, &scope);
        }
        whole.head.headers = self.headers;
        whole.head.set_target(&target);
        whole.pieces = vec![Piece { bytes: Bytes::from(self.body), is_payload: true }];
    }
}

fn drop_member(value: &mut serde_json::Value, name: &str) {
    match value {
        serde_json::Value::Object(members) => {
            members.remove(name);
            members.values_mut().for_each(|member| drop_member(member, name));
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| drop_member(item, name)),
        _ => {}
    }
}

/// Why a server would not take the request.
fn flaw(whole: &Whole, coded: &[u8], decoded: Option<&Body>, check: &Check, region: &str) -> Option<Flaw> {
    let head = &whole.head;
    let verified = match check {
        Check::Valid(verified) => verified,
        Check::Anonymous => return Some(Flaw::Anonymous),
        Check::Invalid(_) | Check::NotOurs => return Some(Flaw::Signature),
    };
    let is_signed = |name: &str| verified.signed().iter().any(|signed| signed.eq_ignore_ascii_case(name));
    let announced = head.header("x-amz-decoded-content-length").and_then(|text| text.parse::<usize>().ok());
    let hash = verified.payload_hash();
    if verified.region() != region {
        Some(Flaw::Region)
    } else if !is_current(verified, head.target()) {
        Some(Flaw::Time)
    } else if head.headers.iter().any(|(name, _)| matches("x-amz-*", name) && !is_signed(name)) && !verified.is_presigned() {
        Some(Flaw::UnsignedHeader)
    } else if hash.len() != 64 && !hash.starts_with("STREAMING-") && hash != crate::wire::sigv4::UNSIGNED_PAYLOAD {
        Some(Flaw::Payload)
    } else if verified.check_body(coded).is_err() {
        Some(if verified.has_signed_chunks() { Flaw::Chunks } else { Flaw::Payload })
    } else if decoded.is_some_and(|decoded| announced != Some(decoded.payload().len())) {
        Some(Flaw::Payload)
    } else if decoded.is_some_and(|decoded| !has_announced_trailers(head.header("x-amz-trailer"), decoded)) || has_bad_md5(whole) {
        Some(Flaw::Checksum)
    } else {
        None
    }
}

/// Whether the announced trailers are the ones that came.
fn has_announced_trailers(announced: Option<&str>, decoded: &Body) -> bool {
    let mut announced: Vec<String> = announced.unwrap_or_default().split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    announced.retain(|name| !name.is_empty());
    let mut present: Vec<String> = decoded.trailers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    present.retain(|name| !is_trailer_signature(name));
    announced.sort();
    present.sort();
    announced == present
}

fn has_bad_md5(whole: &Whole) -> bool {
    whole.head.header("content-md5").is_some_and(|text| STANDARD.decode(text).is_ok_and(|sum| sum != Md5::digest(whole.body()).to_vec()))
}

/// Whether the request is neither too old nor too new, and a presigned one has not expired.
fn is_current(verified: &Verified, target: &str) -> bool {
    let moment = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", verified.time()).ok();
    let moment = moment.and_then(|moment| moment.to_zoned(jiff::tz::TimeZone::UTC).ok()).map(|zoned| zoned.timestamp());
    let Some(moment) = moment else { return false };
    let age = jiff::Timestamp::now().duration_since(moment).as_secs();
    let skew = i64::try_from(SKEW.as_secs()).unwrap_or(i64::MAX);
    if !verified.is_presigned() {
        return age.abs() <= skew;
    }
    let expires = target.split(['?', '&']).find_map(|part| part.strip_prefix("X-Amz-Expires=")).and_then(|text| text.parse::<i64>().ok());
    expires.is_some_and(|expires| (1..=604_800).contains(&expires) && age <= expires && age >= -skew)
}

/// The account whose key a broken signature names, else the first.
fn named<'a>(target: &str, authorization: Option<&str>, credentials: &'a [Credentials]) -> Option<&'a Credentials> {
    let names = |known: &&Credentials| {
        let key = known.access_key.expose();
        target.contains(key) || authorization.is_some_and(|text| text.contains(key))
    };
    credentials.iter().find(names).or_else(|| credentials.first())
}

/// Takes `aws-chunked` out of the content codings.
fn without_coding(headers: &mut Vec<Header>) {
    for (_, value) in headers.iter_mut().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding")) {
        let text = String::from_utf8_lossy(value).into_owned();
        let kept: Vec<&str> = text.split(',').map(str::trim).filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked")).collect();
        *value = kept.join(",").into_bytes();
    }
    headers.retain(|(name, value)| !(name.eq_ignore_ascii_case("content-encoding") && value.is_empty()));
}
