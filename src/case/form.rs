//! Browser uploads: a POST policy, its signature, and the multipart/form-data body around it.
//!
//! The main types are [`Policy`] and [`Form`]. Rules: "Browser-based uploads using POST" of the Amazon S3 API reference.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::finding::{Checked, Finding};
use super::{Fixture, values};
use crate::wire::sigv4::{ALGORITHM, Scope, SigningKey};
use crate::wire::{Account, Answer, Credentials, RawRequest, WireError};

/// Between the parts of every form here; no value of a case contains it.
pub const BOUNDARY: &str = "----proofmark7MA4YWxkTrZu0gW";

/// What the signer of a form allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// When it ends; in ISO 8601.
    pub expiration: String,
    /// What each field must be.
    pub conditions: Vec<Value>,
}

impl Policy {
    /// Good for `seconds` from now (negative = over already).
    pub fn lasting(seconds: i64) -> Self {
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds);
        Self { expiration: end.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string(), conditions: Vec::new() }
    }
    /// With a further condition: `{"bucket": "b"}` or `["starts-with", "$key", "user/"]`.
    #[must_use]
    pub fn condition(mut self, condition: Value) -> Self {
        self.conditions.push(condition);
        self
    }
    /// The document as JSON.
    pub fn json(&self) -> Value {
        json!({ "expiration": self.expiration, "conditions": self.conditions })
    }
}

/// The signature of a policy in Base64.
pub fn signature(policy_base64: &str, secret_key: &str, scope: &Scope) -> String {
    SigningKey::new(secret_key, scope).sign(policy_base64)
}

/// A form as a browser posts it: fields in order, then the file, then what should not be there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    fields: Vec<(String, String)>,
    file: Option<(String, Vec<u8>)>,
    behind: Vec<(String, String)>,
}

impl Form {
    /// With a further field before the file.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }
    /// Without a field, whatever the case of its name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }
    /// With another value for a field that is there.
    #[must_use]
    pub fn replaced(mut self, name: &str, value: &str) -> Self {
        for (_, old) in self.fields.iter_mut().filter(|(known, _)| known.eq_ignore_ascii_case(name)) {
            value.clone_into(old);
        }
        self
    }
    /// The value of a field before the file.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
    /// With this file.
    #[must_use]
    pub fn file(mut self, name: &str, body: &[u8]) -> Self {
        self.file = Some((name.to_owned(), body.to_vec()));
        self
    }
    /// With a field behind the file, where S3 ignores it.
    #[must_use]
    pub fn behind(mut self, name: &str, value: &str) -> Self {
        self.behind.push((name.to_owned(), value.to_owned()));
        self
    }
    /// With the policy's own conditions for the credential fields, the policy, and its signature.
    #[must_use]
    pub fn signed(self, policy: &Policy, keys: &Credentials, scope: &Scope) -> Self {
        self.signed_as(policy, keys, scope, &[])
    }
    /// [`Form::signed`] with other values of credential fields: they stand in the form and in the policy that is signed.
    #[must_use]
    pub fn signed_as(self, policy: &Policy, keys: &Credentials, scope: &Scope, other: &[(&str, &str)]) -> Self {
        let mut proof = vec![
            ("x-amz-algorithm", ALGORITHM.to_owned()),
            ("x-amz-credential", format!("{}/{}", keys.access_key.expose(), scope.credential_scope())),
            ("x-amz-date", scope.time.clone()),
        ];
        if let Some(token) = &keys.session_token {
            proof.push(("x-amz-security-token", token.expose().to_owned()));
        }
        for (name, value) in &mut proof {
            if let Some((_, instead)) = other.iter().find(|(known, _)| known == name) {
                (*instead).clone_into(value);
            }
        }
        let policy = proof.iter().fold(policy.clone(), |policy, (name, value)| policy.condition(json!({ *name: value })));
        let form = proof.iter().fold(self, |form, (name, value)| form.field(name, value));
        form.signed_text(&policy.json().to_string(), keys, scope)
    }
    /// With this text as the policy, valid or not, and its signature.
    #[must_use]
    pub fn signed_text(self, policy: &str, keys: &Credentials, scope: &Scope) -> Self {
        self.signed_base64(&STANDARD.encode(policy), keys, scope)
    }
    /// With this value of the policy field, valid or not, and its signature.
    #[must_use]
    pub fn signed_base64(self, policy: &str, keys: &Credentials, scope: &Scope) -> Self {
        let signature = signature(policy, keys.secret_key.expose(), scope);
        self.field("policy", policy).field("x-amz-signature", &signature)
    }
    /// The `Content-Type` of the request.
    pub fn content_type() -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }
    /// The body of the request.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut field = |name: &str, value: &[u8], kind: &str| {
            body.extend_from_slice(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{kind}\r\n\r\n").as_bytes());
            body.extend_from_slice(value);
            body.extend_from_slice(b"\r\n");
        };
        for (name, value) in &self.fields {
            field(name, value.as_bytes(), "");
        }
        if let Some((name, content)) = &self.file {
            field("file", content, &format!("; filename=\"{name}\"\r\nContent-Type: application/octet-stream"));
        }
        for (name, value) in &self.behind {
            field(name, value.as_bytes(), "");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        body
    }
}

/// A form in the making for the case's key `k`, with a policy that allows its bucket, its prefix and every field that is added.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The form, unsigned.
    pub form: Form,
    /// What it will be signed for.
    pub policy: Policy,
    /// Who signs it.
    pub keys: Credentials,
    /// What the signature is good for.
    pub scope: Scope,
}

impl Upload {
    /// A form for `name` below the case's own prefix without a file.
    ///
    /// # Errors
    /// Unresolved without keys to sign with.
    pub async fn begin(fx: &Fixture, name: &str) -> Checked<Self> {
        let access = &fx.link().access;
        let keys = access.current(Account::First).await.map_err(Finding::Unresolved)?;
        let keys = keys.ok_or_else(|| Finding::Unresolved("set-up: no keys to sign a form with".to_owned()))?;
        let policy = Policy::lasting(600).condition(json!({ "bucket": fx.bucket() })).condition(json!(["starts-with", "$key", fx.prefix()]));
        let form = Form::default().field("key", &fx.key(name));
        Ok(Self { form, policy, keys, scope: Scope::now(&access.region, "s3") })
    }
    /// With a further field, and a condition that allows it.
    #[must_use]
    pub fn field(self, name: &str, value: &str) -> Self {
        Self { form: self.form.field(name, value), policy: self.policy.condition(json!({ name: value })), ..self }
    }
    /// With this file.
    #[must_use]
    pub fn file(self, body: &[u8]) -> Self {
        Self { form: self.form.file("photo.jpg", body), ..self }
    }
    /// The form with its signature.
    pub fn signed(&self) -> Form {
        self.form.clone().signed(&self.policy, &self.keys, &self.scope)
    }
    /// Signs and posts the form.
    ///
    /// # Errors
    /// When there is no complete answer.
    pub async fn send(self, fx: &Fixture) -> Result<Answer, WireError> {
        fx.post(&self.signed()).send().await
    }
}

impl Fixture {
    /// The request that posts a form to the case's bucket.
    pub fn post(&self, form: &Form) -> RawRequest {
        let post = self.raw_bucket("PostObject", "POST", "").anonymous();
        post.header("Content-Type", Form::content_type()).body(form.encode())
    }
}

/// The query that S3 appends to `success_action_redirect`.
pub fn redirect_query(bucket: &str, key: &str, etag: &str) -> String {
    let [bucket, key, etag] = [bucket, key, etag].map(values::encode_query);
    format!("bucket={bucket}&key={key}&etag={etag}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    /// "Example: Browser-based upload using HTTP POST (using AWS Signature Version 4)" of the S3 API reference.
    const EXAMPLE: &str = "{ \"expiration\": \"2015-12-30T12:00:00.000Z\",\r
  \"conditions\": [\r
    {\"bucket\": \"sigv4examplebucket\"},\r
    [\"starts-with\", \"$key\", \"user/user1/\"],\r
    {\"acl\": \"public-read\"},\r
    {\"success_action_redirect\": \"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html\"},\r
    [\"starts-with\", \"$Content-Type\", \"image/\"],\r
    {\"x-amz-meta-uuid\": \"14365123651274\"},\r
    {\"x-amz-server-side-encryption\": \"AES256\"},\r
    [\"starts-with\", \"$x-amz-meta-tag\", \"\"],\r
\r
    {\"x-amz-credential\": \"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request\"},\r
    {\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"},\r
    {\"x-amz-date\": \"20151229T000000Z\" }\r
  ]\r
}";

    fn keys() -> Credentials {
        Credentials {
            access_key: Secret::new("AKIAIOSFODNN7EXAMPLE"),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        }
    }
    fn scope() -> Scope {
        Scope::at("2015-12-29T00:00:00Z".parse().unwrap(), "us-east-1", "s3")
    }

    #[test]
    fn the_documented_policy_has_the_documented_signature() {
        let form = Form::default().signed_text(EXAMPLE, &keys(), &scope());
        assert!(form.fields[0].1.starts_with("eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAg"));
        assert_eq!(form.fields[1], ("x-amz-signature".to_owned(), "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e".to_owned()));
    }

    #[test]
    fn a_signed_form_names_what_its_policy_demands() {
        let form = Form::default().field("key", "a").signed(&Policy::lasting(60).condition(json!({ "bucket": "b" })), &keys(), &scope());
        let value = |name: &str| form.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap();
        let policy: Value = serde_json::from_slice(&STANDARD.decode(value("policy")).unwrap()).unwrap();
        assert_eq!(policy["conditions"][0], json!({ "bucket": "b" }));
        assert_eq!(policy["conditions"][2]["x-amz-credential"], value("x-amz-credential"));
        assert_eq!(value("x-amz-date"), "20151229T000000Z");
    }

    #[test]
    fn a_body_has_its_parts_in_order_and_the_file_as_it_is() {
        let form = Form::default().field("key", "k").file("f.txt", b"\r\n--x").behind("late", "1");
        let text = String::from_utf8(form.encode()).unwrap();
        let expected = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; \
             name=\"file\"; filename=\"f.txt\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--x\r\n--{BOUNDARY}\r\n\
             Content-Disposition: form-data; name=\"late\"\r\n\r\n1\r\n--{BOUNDARY}--\r\n"
        );
        assert_eq!(text, expected);
    }
}
