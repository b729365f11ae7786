//! The AWS SDK over our own connector: what applications do.
//!
//! The client behaves as an SDK of 2025 does by default (checksums when supported) except that it never retries.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, ConfigBag, Intercept, Region, RuntimeComponents, SharedAsyncSleep, SharedCredentialsProvider, StalledStreamProtectionConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, Metadata};
use aws_smithy_runtime_api::client::result::ConnectorError;

use super::Account;
use super::http::{Caller, Limits, Net, WireError};
use super::record::Failure;
use crate::config::Addressing;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// For a connection, TLS included.
pub(crate) const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// For the next byte in either direction.
pub(crate) const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Builds a client of one account.
pub(crate) fn client(net: &Arc<Net>, account: Account, caller: Caller) -> aws_sdk_s3::Client {
    let timeouts = TimeoutConfig::builder().connect_timeout(caller.limits.connect).read_timeout(caller.limits.idle).disable_operation_timeout();
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(net.access.region.clone()))
        .endpoint_url(net.access.endpoints[0].to_string())
        .force_path_style(net.access.addressing == Addressing::Path)
        .credentials_provider(SharedCredentialsProvider::new(Keys { net: net.clone(), account }))
        .identity_cache(aws_sdk_s3::config::IdentityCache::no_cache())
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts.disable_operation_attempt_timeout().build())
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .interceptor(Name { net: net.clone() })
        .http_client(SharedHttpClient::new(Tap { net: net.clone(), caller }));
    aws_sdk_s3::Client::from_conf(config.build())
}

/// The keys of an account; the cache is the link's.
#[derive(Debug)]
struct Keys {
    net: Arc<Net>,
    account: Account,
}

impl ProvideCredentials for Keys {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.provide())
    }
}

impl Keys {
    async fn provide(&self) -> provider::Result {
        let keys = self.net.keys(self.account).await.map_err(CredentialsError::provider_error)?;
        let keys = keys.ok_or_else(|| CredentialsError::not_loaded("there is no second account"))?;
        let token = keys.session_token.as_ref().map(|token| token.expose().to_owned());
        Ok(aws_credential_types::Credentials::new(keys.access_key.expose(), keys.secret_key.expose(), token, None, "proofmark"))
    }
}

/// What a request needs to know below the SDK: its operation, and the endpoint that it was signed for.
#[derive(Debug, Clone)]
struct Route {
    operation: String,
    endpoint: usize,
}

/// Chooses the endpoint before the request is signed, because the signature covers its name.
#[derive(Debug)]
struct Name {
    net: Arc<Net>,
}

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for Name {
    fn name(&self) -> &'static str {
        "proofmark: operation and endpoint"
    }
    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = bag.load::<Metadata>().map(|metadata| metadata.name().to_owned()).unwrap_or_default();
        let endpoint = self.net.book.turn();
        let request = context.request_mut();
        let endpoints = &self.net.access.endpoints;
        if let Some(chosen) = endpoints.get(endpoint).filter(|_| endpoint > 0) {
            let (first, chosen) = (endpoints[0].to_string(), chosen.to_string());
            let (_, first_authority) = first.split_once("://").unwrap_or_default();
            let (scheme, authority) = chosen.split_once("://").unwrap_or_default();
            let uri = request.uri().to_owned();
            let (_, rest) = uri.split_once("://").unwrap_or_default();
            let moved = rest.replacen(first_authority, authority, 1);
            request.set_uri(format!("{scheme}://{moved}"))?;
        }
        request.add_extension(Route { operation, endpoint });
        Ok(())
    }
}

/// The SDK's HTTP client.
#[derive(Debug, Clone)]
struct Tap {
    net: Arc<Net>,
    caller: Caller,
}

impl HttpClient for Tap {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let mut tap = self.clone();
        tap.caller.limits = Limits {
            connect: settings.connect_timeout().unwrap_or(self.caller.limits.connect),
            idle: settings.read_timeout().unwrap_or(self.caller.limits.idle),
        };
        SharedHttpConnector::new(tap)
    }
}

impl HttpConnector for Tap {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let tap = self.clone();
        HttpConnectorFuture::new(async move {
            let route = request.extension::<Route>().cloned().unwrap_or(Route { operation: String::new(), endpoint: 0 });
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let response = tap.net.send(&tap.caller, &route.operation, route.endpoint, request).await.map_err(to_connector_error)?;
            aws_smithy_runtime_api::http::Response::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn to_connector_error(error: WireError) -> ConnectorError {
    let failure = error.failure;
    let error = match failure {
        Failure::Timeout | Failure::ConnectTimeout => ConnectorError::timeout(error.into()),
        Failure::Budget | Failure::Local => ConnectorError::user(error.into()),
        _ => ConnectorError::io(error.into()),
    };
    if failure.nothing_sent() { error.never_connected() } else { error }
}
