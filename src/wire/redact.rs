//! Removing secrets from what is recorded.
//!
//! The main type is [`Redactor`]. It works by place (header names, query parameters, elements of error bodies) and, as a second
//! net, by value: the configured secrets are replaced wherever they stand.

use std::sync::{PoisonError, RwLock};

use crate::config::Secret;

use super::Credentials;

const MASK: &str = "***";

/// Headers whose whole value is a secret.
const SECRET_HEADERS: [&str; 7] = [
    "x-amz-security-token",
    "x-amz-server-side-encryption-customer-key",
    "x-amz-copy-source-server-side-encryption-customer-key",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-amz-s3session-token",
];

/// Text before a secret, in lower case: the run of token characters behind it is masked.
const MARKERS: [&str; 20] = [
    "signature=",
    "credential=",
    "security-token=",
    "awsaccesskeyid=",
    "security-token:",
    "trailer-signature:",
    "customer-key:",
    "<signatureprovided>",
    "<awsaccesskeyid>",
    "<accesskeyid>",
    "<secretaccesskey>",
    "<sessiontoken>",
    "name=\"x-amz-signature\"\r\n\r\n",
    "name=\"x-amz-credential\"\r\n\r\n",
    "name=\"x-amz-security-token\"\r\n\r\n",
    "name=\"awsaccesskeyid\"\r\n\r\n",
    "name=\"signature\"\r\n\r\n",
    "\"secretaccesskey\":\"",
    "\"sessiontoken\":\"",
    "\"accesskeyid\":\"",
];

/// Shorter values are left alone when they stand somewhere else than where secrets belong: masking each `k` would destroy the evidence.
const LEAST_LITERAL: usize = 6;

/// Removes secrets from what is recorded.
#[derive(Debug, Default)]
pub struct Redactor {
    secrets: RwLock<Vec<Secret>>,
}

impl Redactor {
    /// One that also knows the values of these credentials.
    pub fn new<'a>(credentials: impl IntoIterator<Item = &'a Credentials>) -> Self {
        let redactor = Self::default();
        credentials.into_iter().for_each(|one| redactor.learn(one));
        redactor
    }
    /// Adds further credentials, e.g. refreshed ones.
    pub fn learn(&self, credentials: &Credentials) {
        let mut secrets = self.secrets.write().unwrap_or_else(PoisonError::into_inner);
        let values = [Some(&credentials.access_key), Some(&credentials.secret_key), credentials.session_token.as_ref()];
        for secret in values.into_iter().flatten() {
            if secret.expose().len() >= LEAST_LITERAL && !secrets.contains(secret) {
                secrets.push(secret.clone());
            }
        }
    }
    /// The value of the header `name` as it may be recorded.
    pub fn header(&self, name: &str, value: &str) -> String {
        if SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret)) {
            return MASK.to_owned();
        }
        if name.eq_ignore_ascii_case("authorization") && !value.starts_with("AWS4-") {
            return MASK.to_owned();
        }
        self.text(value)
    }
    /// A target, body or message as it may be recorded.
    pub fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), MASK);
            }
        }
        MARKERS.iter().fold(text, |text, marker| mask_after(text, marker))
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/+=%.-_*~:".contains(c)
}

fn mask_after(text: String, marker: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if !lower.contains(marker) {
        return text;
    }
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    while let Some(found) = lower[from..].find(marker) {
        let start = from + found + marker.len();
        masked.push_str(&text[from..start]);
        let rest = &text[start..];
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        // Of `access key/date/region/service/aws4_request`, only the key is masked: the scope tells why a signature was refused.
        let is_key = marker.starts_with("credential");
        let is_end = |c| !is_token(c) || (is_key && "/%".contains(c));
        let length = rest[blanks..].find(is_end).unwrap_or(rest.len() - blanks);
        if length > 0 {
            masked.push_str(MASK);
        }
        from = start + blanks + length;
    }
    masked.push_str(&text[from..]);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_tokens_and_key_ids_are_masked_by_their_place() {
        let redactor = Redactor::default();
        let authorization =
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range, Signature=f0e8bdb8";
        let seen = redactor.header("Authorization", authorization);
        assert_eq!(seen, "AWS4-HMAC-SHA256 Credential=***/20130524/us-east-1/s3/aws4_request, SignedHeaders=host;range, Signature=***");
        assert_eq!(redactor.header("authorization", "AWS AKID:abc"), "***");
        assert_eq!(redactor.header("X-Amz-Security-Token", "abc"), "***");
        let target = "/b/k?X-Amz-Credential=AKID%2F2013&X-Amz-Date=2013&X-Amz-Signature=aeee&x-amz-security-token=FwoG%2B";
        assert_eq!(redactor.text(target), "/b/k?X-Amz-Credential=***%2F2013&X-Amz-Date=2013&X-Amz-Signature=***&x-amz-security-token=***");
        assert_eq!(redactor.text("400;chunk-signature=ad80\r\nabc"), "400;chunk-signature=***\r\nabc");
        assert_eq!(redactor.text("<AWSAccessKeyId>AKID</AWSAccessKeyId><Code>x</Code>"), "<AWSAccessKeyId>***</AWSAccessKeyId><Code>x</Code>");
    }

    #[test]
    fn configured_values_are_masked_wherever_they_stand() {
        let credentials = Credentials {
            access_key: Secret::new("AKIDEXAMPLE"),
            secret_key: Secret::new("very-secret"),
            session_token: Some(Secret::new("tok/en==")),
        };
        let redactor = Redactor::new([&credentials]);
        assert_eq!(redactor.text("a AKIDEXAMPLE b very-secret c tok/en== d"), "a *** b *** c *** d");
        assert_eq!(redactor.header("x-amz-meta-note", "very-secret"), "***");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        let text = "<Error><Code>NoSuchKey</Code><Message>größer ü</Message></Error>";
        assert_eq!(Redactor::default().text(text), text);
    }
}
