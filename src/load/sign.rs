//! Signed headers of the load engine's requests, with the signing key kept for the day.

use super::Bodies;
use crate::config::PayloadMode;
use crate::wire::Credentials;
use crate::wire::sigv4::{EMPTY_SHA256, Header, Request, Scope, SigningKey, UNSIGNED_PAYLOAD, sign_with};

/// Signs for one account.
pub(super) struct Signer {
    credentials: Credentials,
    region: String,
    payload: PayloadMode,
    key: Option<(String, SigningKey)>,
}

impl Signer {
    pub(super) fn new(credentials: Credentials, region: &str, payload: PayloadMode) -> Self {
        Self { credentials, region: region.to_owned(), payload, key: None }
    }

    /// All headers of a request, the signature last. `put` is the body of a PUT, as bodies and number.
    pub(super) fn headers(&mut self, method: &str, target: &str, host: &str, range: Option<String>, put: Option<(&Bodies, u64)>) -> Vec<Header> {
        let scope = Scope::now(&self.region, "s3");
        let hash = match put {
            None => EMPTY_SHA256.to_owned(),
            Some(_) if self.payload == PayloadMode::Unsigned => UNSIGNED_PAYLOAD.to_owned(),
            Some((bodies, number)) => bodies.sha256(number),
        };
        let mut headers = vec![("host".to_owned(), host.as_bytes().to_vec())];
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.as_bytes().to_vec()));
        if let Some(range) = &range {
            add("range", range);
        }
        add("x-amz-content-sha256", &hash);
        add("x-amz-date", &scope.time);
        if let Some(token) = &self.credentials.session_token {
            add("x-amz-security-token", token.expose());
        }
        let names: Vec<String> = headers.iter().map(|(name, _)| name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let key = self.key(&scope);
        let request = Request { method, target, headers: &headers };
        let signature = sign_with(&request, &names, &hash, self.credentials.access_key.expose(), key, &scope);
        headers.push(("authorization".to_owned(), signature.authorization().into_bytes()));
        headers
    }

    fn key(&mut self, scope: &Scope) -> SigningKey {
        match &self.key {
            Some((date, key)) if *date == scope.date => key.clone(),
            _ => {
                let key = SigningKey::new(self.credentials.secret_key.expose(), scope);
                self.key = Some((scope.date.clone(), key.clone()));
                key
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::wire::sigv4::sign_headers;

    fn keys() -> Credentials {
        Credentials { access_key: Secret::new("a"), secret_key: Secret::new("s"), session_token: Some(Secret::new("t")) }
    }

    fn value<'a>(headers: &'a [Header], name: &str) -> &'a [u8] {
        &headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).unwrap().1
    }

    #[test]
    fn a_kept_key_signs_as_a_fresh_one_does() {
        let mut signer = Signer::new(keys(), "us-east-1", PayloadMode::CachedSigned);
        let bodies = Bodies::new(1, 100);
        for (method, range, put) in [("GET", Some("bytes=0-9".to_owned()), None), ("PUT", None, Some((&bodies, 3)))] {
            let own = signer.headers(method, "/bucket/key", "host:1", range, put);
            let hash = put.map_or(EMPTY_SHA256.to_owned(), |(bodies, number)| bodies.sha256(number));
            let mut headers: Vec<Header> = own.iter().filter(|(name, _)| name != "authorization").cloned().collect();
            let time = String::from_utf8(value(&own, "x-amz-date").to_vec()).unwrap();
            let scope = Scope { date: time[..8].to_owned(), time, ..Scope::now("us-east-1", "s3") };
            sign_headers(method, "/bucket/key", &mut headers, &hash, &keys(), &scope);
            assert_eq!(value(&own, "authorization"), value(&headers, "authorization"), "{method}");
        }
    }

    #[test]
    fn an_unsigned_payload_is_named_and_not_hashed() {
        let bodies = Bodies::new(1, 100);
        let headers = Signer::new(keys(), "r", PayloadMode::Unsigned).headers("PUT", "/b/k", "h", None, Some((&bodies, 3)));
        assert_eq!(value(&headers, "x-amz-content-sha256"), UNSIGNED_PAYLOAD.as_bytes());
    }
}
