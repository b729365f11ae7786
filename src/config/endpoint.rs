//! Endpoint URLs.

use serde::{Deserialize, Serialize};

/// A checked `http://` or `https://` URL without path, query or credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    /// Whether it is `https`.
    pub tls: bool,
    /// Host name or address (IPv6 without brackets).
    pub host: String,
    /// Port, also when it is the default one.
    pub port: u16,
}

impl TryFrom<String> for Endpoint {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let expected = format!("{text:?} is not an endpoint URL: expected \"http://host:port\" or \"https://host\", without a path");
        let (scheme, rest) = text.split_once("://").ok_or(&expected)?;
        let tls = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(expected),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.is_empty() || rest.contains(['/', '?', '#', '@', ' ']) {
            return Err(expected);
        }
        let default = if tls { 443 } else { 80 };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse::<u16>().map_err(|_| expected.clone())?),
            _ => (rest, default),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() || port == 0 {
            return Err(expected);
        }
        Ok(Self { tls, host, port })
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> String {
        endpoint.to_string()
    }
}

impl Endpoint {
    /// `host:port` as it stands in a Host header: the port only when it is not the scheme's default.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let default = if self.tls { 443 } else { 80 };
        if self.port == default { host } else { format!("{host}:{}", self.port) }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_urls_without_a_path() {
        for (text, authority) in
            [("http://127.0.0.1:9000", "127.0.0.1:9000"), ("https://s3.example.com/", "s3.example.com"), ("http://[::1]:80", "[::1]")]
        {
            assert_eq!(Endpoint::try_from(text.to_owned()).unwrap().authority(), authority);
        }
        for text in ["s3.example.com", "ftp://x", "http://", "http://x/bucket", "http://user:pass@x", "http://x:port", "http://x:0"] {
            assert!(Endpoint::try_from(text.to_owned()).unwrap_err().contains("is not an endpoint URL"), "{text}");
        }
    }
}
