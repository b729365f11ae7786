//! How a vendor is reached and signed for: endpoints, region, addressing, trust, credentials.
//!
//! The main type is [`Access`].

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;

use super::dial::{Dialer, tls_config};
use super::refresh::Refresher;
use crate::config::{Addressing, CredentialNames, Endpoint, Secret, Vendor};
use crate::model::VendorId;

/// Keys to sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Access key id (not a secret, but redacted in evidence all the same).
    pub access_key: Secret,
    /// Secret access key.
    pub secret_key: Secret,
    /// Evaluation token of temporary credentials.
    pub session_token: Option<Secret>,
}

/// A vendor that cannot be reached as configured; each message says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// An environment variable that the vendor file names is not set.
    #[error("vendor {vendor}: {field}: the environment variable {name} is not set")]
    MissingVariable {
        /// The vendor.
        vendor: String,
        /// The field of the vendor file that names it.
        field: String,
        /// The variable.
        name: String,
    },
    /// A PEM file, proxy or refresh command that does not work.
    #[error("vendor {vendor}: {field}: {message}")]
    Invalid {
        /// The vendor.
        vendor: String,
        /// The field of the vendor file.
        field: String,
        /// What is wrong.
        message: String,
    },
}

/// How a vendor is reached and signed for in this run.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where requests go.
    pub endpoints: Vec<Endpoint>,
    /// Signing region.
    pub region: String,
    /// How a bucket is named in a request.
    pub addressing: Addressing,
    /// First account, as it was at the start; [`Access::current`] knows refreshed ones.
    pub credentials: Credentials,
    /// Second account, as it was at the start.
    pub alt: Option<Credentials>,
    /// The address to connect to instead of the endpoints (a fault proxy); host names, signatures and URLs stay the endpoints'.
    pub dial_to: Option<Endpoint>,
    /// Opens connections.
    pub dialer: Dialer,
    refresh: Option<Arc<Refresher>>,
    refresh_alt: Option<Arc<Refresher>>,
}

/// One of a vendor's accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// `[credentials]`.
    First,
    /// `[credentials.alt]`.
    Alt,
}

struct Resolver<'a> {
    vendor: &'a str,
    base_dir: &'a Path,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl Resolver<'_> {
    fn invalid(&self, field: &str, message: impl Into<String>) -> AccessError {
        AccessError::Invalid { vendor: self.vendor.to_owned(), field: field.to_owned(), message: message.into() }
    }
    fn variable(&self, field: String, name: &str) -> Result<Secret, AccessError> {
        let missing = || AccessError::MissingVariable { vendor: self.vendor.to_owned(), field, name: name.to_owned() };
        (self.env)(name).filter(|value| !value.is_empty()).map(Secret::new).ok_or_else(missing)
    }
    fn endpoints(&self, vendor: &Vendor) -> Result<Vec<Endpoint>, AccessError> {
        let Some((name, text)) = vendor.endpoints_env.as_ref().and_then(|name| Some((name, (self.env)(name).filter(|text| !text.is_empty())?)))
        else {
            return Ok(vendor.endpoints.clone());
        };
        let parse =
            |url: &str| Endpoint::try_from(url.trim().to_owned()).map_err(|message| self.invalid("endpoints_env", format!("{name}: {message}")));
        text.split(',').filter(|url| !url.trim().is_empty()).map(parse).collect()
    }
    fn proxy(&self, vendor: &Vendor) -> Result<Option<Endpoint>, AccessError> {
        let Some(text) = &vendor.proxy else { return Ok(None) };
        let proxy = Endpoint::try_from(text.clone()).map_err(|message| self.invalid("proxy", message))?;
        if proxy.tls {
            return Err(self.invalid("proxy", format!("{text:?}: only http:// proxies are supported; TLS goes through their tunnel")));
        }
        Ok(Some(proxy))
    }
    fn credentials(&self, field: &str, names: &CredentialNames) -> Result<(Credentials, Option<Arc<Refresher>>), AccessError> {
        if let Some(command) = &names.refresh_command {
            let refresher = Refresher::start(command.clone(), self.base_dir.to_owned());
            let (first, refresher) = refresher.map_err(|message| self.invalid(&format!("{field}.refresh_command"), message))?;
            return Ok((first, Some(Arc::new(refresher))));
        }
        let read = |name: &str, variable: &str| self.variable(format!("{field}.{name}"), variable);
        let credentials = Credentials {
            access_key: read("access_key_env", &names.access_key_env)?,
            secret_key: read("secret_key_env", &names.secret_key_env)?,
            session_token: names.session_token_env.as_ref().map(|variable| read("session_token_env", variable)).transpose()?,
        };
        Ok((credentials, None))
    }
}

impl Access {
    /// Reads everything that a vendor file refers to: variables through `env`, files and commands relative to `base_dir`.
    ///
    /// # Errors
    /// With the field of the vendor file. A second account whose variables are not set is no error: it is just not there.
    pub fn resolve(id: &VendorId, vendor: &Vendor, base_dir: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, AccessError> {
        let resolver = Resolver { vendor: id.as_str(), base_dir, env };
        let endpoints = resolver.endpoints(vendor)?;
        if endpoints.is_empty() {
            return Err(resolver.invalid("endpoints", "there is none: name one, or a variable in endpoints_env that is set"));
        }
        let names = vendor.credentials.as_ref().ok_or_else(|| resolver.invalid("credentials", "missing: name the variables that hold them"))?;
        let (credentials, refresh) = resolver.credentials("credentials", names)?;
        let (alt, refresh_alt) = match names.alt.as_ref().map(|alt| resolver.credentials("credentials.alt", alt)) {
            Some(Ok((alt, refresh))) => (Some(alt), refresh),
            None | Some(Err(AccessError::MissingVariable { .. })) => (None, None),
            Some(Err(error)) => return Err(error),
        };
        let file = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| base_dir.join(path));
        let (ca, certificate, key) = (file(&vendor.ca_file), file(&vendor.client_certificate_file), file(&vendor.client_key_file));
        let tls = tls_config(ca.as_deref(), certificate.as_deref(), key.as_deref()).map_err(|(field, message)| resolver.invalid(field, message))?;
        let dialer = Dialer { tls: Arc::new(tls), proxy: resolver.proxy(vendor)? };
        let (region, addressing) = (vendor.region.clone(), vendor.addressing);
        Ok(Self { endpoints, region, addressing, credentials, alt, dial_to: None, dialer, refresh, refresh_alt })
    }
    /// Access to one endpoint with known keys, path addressing and public certificate authorities: for servers that this process starts itself.
    pub fn direct(endpoint: Endpoint, region: impl Into<String>, credentials: Credentials) -> Self {
        let tls = tls_config(None, None, None).expect("no file is read");
        Self {
            endpoints: vec![endpoint],
            region: region.into(),
            addressing: Addressing::Path,
            credentials,
            alt: None,
            dial_to: None,
            dialer: Dialer { tls: Arc::new(tls), proxy: None },
            refresh: None,
            refresh_alt: None,
        }
    }
    /// The TLS client configuration: what is trusted, and the client certificate.
    pub fn tls(&self) -> Arc<ClientConfig> {
        self.dialer.tls.clone()
    }
    /// The keys of an account as they are valid now. Runs the refresh command when they are about to expire.
    ///
    /// # Errors
    /// When the command fails.
    pub async fn current(&self, account: Account) -> Result<Option<Credentials>, String> {
        let (start, refresh) = match account {
            Account::First => (Some(&self.credentials), &self.refresh),
            Account::Alt => (self.alt.as_ref(), &self.refresh_alt),
        };
        match refresh {
            Some(refresher) => refresher.current().await.map(Some),
            None => Ok(start.cloned()),
        }
    }
}
