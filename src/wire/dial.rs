//! Opening connections: TCP, TLS with a private authority and a client certificate, a tunnel through an HTTP proxy.
//!
//! The main type is [`Dialer`]. The SDK's connector and the raw client dial alike.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use crate::config::Endpoint;

use super::address::Address;
use super::record::Failure;

/// A connection that could not be opened: nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DialError {
    /// What did not work.
    pub failure: Failure,
    /// In words, with the address.
    pub message: String,
}

/// A connection to a server.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

impl Stream {
    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        }
    }
}

macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain(tcp) => {
                let $stream = Pin::new(tcp);
                $call
            }
            Stream::Tls(tls) => {
                let $stream = Pin::new(tls.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write(cx, data))
    }
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_flush(cx))
    }
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_shutdown(cx))
    }
    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write_vectored(cx, parts))
    }
    fn is_write_vectored(&self) -> bool {
        match self {
            Stream::Plain(tcp) => tcp.is_write_vectored(),
            Stream::Tls(tls) => tls.is_write_vectored(),
        }
    }
}

/// Opens connections.
#[derive(Debug, Clone)]
pub struct Dialer {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) proxy: Option<Endpoint>,
}

impl Dialer {
    /// Opens a connection within `limit`, the TLS handshake included. `server_name` is what the certificate must be made out to.
    pub(crate) async fn dial(&self, address: &Address, server_name: &str, limit: Duration) -> Result<Stream, DialError> {
        let late = |_| DialError { failure: Failure::ConnectTimeout, message: format!("no connection to {address} within {limit:?}") };
        tokio::time::timeout(limit, self.open(address, server_name)).await.map_err(late)?
    }
    async fn open(&self, address: &Address, server_name: &str) -> Result<Stream, DialError> {
        let tcp = match (&self.proxy, address.socket) {
            (Some(proxy), _) => tunnel(proxy, &format!("{address}")).await?,
            (None, Some(socket)) => connect(TcpStream::connect(socket).await, &socket)?,
            (None, None) => connect(TcpStream::connect((address.endpoint.host.as_str(), address.endpoint.port)).await, address)?,
        };
        if !address.endpoint.tls {
            return Ok(Stream::Plain(tcp));
        }
        let refused = |message: String| DialError { failure: Failure::Tls, message };
        let name = ServerName::try_from(server_name.to_owned()).map_err(|_| refused(format!("{server_name:?} is not a TLS server name")))?;
        let connector = tokio_rustls::TlsConnector::from(self.tls.clone());
        let tls = connector.connect(name, tcp).await;
        let tls = tls.map_err(|error| refused(format!("TLS handshake with {address} (server name {server_name}) failed: {error}")))?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}

fn connect(result: io::Result<TcpStream>, address: &impl std::fmt::Display) -> Result<TcpStream, DialError> {
    let tcp = result.map_err(|error| DialError { failure: Failure::Connect, message: format!("cannot connect to {address}: {error}") })?;
    // Only a hint: a connection without it works, too.
    let _ = tcp.set_nodelay(true);
    Ok(tcp)
}

/// CONNECT for plain HTTP, too: a proxy that reads requests may change them, and then it is the proxy that is evaluated.
async fn tunnel(proxy: &Endpoint, target: &str) -> Result<TcpStream, DialError> {
    let refused = |why: String| DialError { failure: Failure::Proxy, message: format!("proxy {proxy}: no tunnel to {target}: {why}") };
    let mut tcp = TcpStream::connect((proxy.host.as_str(), proxy.port)).await.map_err(|error| refused(error.to_string()))?;
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.map_err(|error| refused(error.to_string()))?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte, so that nothing of what follows the head is taken from the tunnel.
        let byte = tcp.read_u8().await.map_err(|error| refused(error.to_string()))?;
        answer.push(byte);
        if answer.len() > 16 << 10 {
            return Err(refused("its answer has no end".to_owned()));
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    match head.parse(&answer).map(|_| head.code) {
        Ok(Some(200..=299)) => {
            let _ = tcp.set_nodelay(true);
            Ok(tcp)
        }
        Ok(code) => Err(refused(format!("it answered {}", code.unwrap_or(0)))),
        Err(error) => Err(refused(error.to_string())),
    }
}

/// What to trust and how to identify: the PEM files of a vendor.
///
/// # Errors
/// With the field of the vendor file and what is wrong with it.
pub(crate) fn tls_config(
    ca_file: Option<&Path>,
    client_certificate: Option<&Path>,
    client_key: Option<&Path>,
) -> Result<ClientConfig, (&'static str, String)> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        // Only the private authority: who names one does not want every public one to vouch for this host.
        Some(path) => {
            for certificate in certificates(path).map_err(|message| ("ca_file", message))? {
                roots.add(certificate).map_err(|error| ("ca_file", format!("{}: {error}", path.display())))?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring supports the default versions")
        .with_root_certificates(roots);
    let mut config = match (client_certificate, client_key) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate).map_err(|message| ("client_certificate_file", message))?;
            let bytes = read(key).map_err(|message| ("client_key_file", message))?;
            let key_der = PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| ("client_key_file", format!("{}: {error}", key.display())))?;
            builder.with_client_auth_cert(chain, key_der).map_err(|error| ("client_certificate_file", error.to_string()))?
        }
        (None, None) => builder.with_no_client_auth(),
        (Some(_), None) => return Err(("client_key_file", "missing: client_certificate_file needs it".to_owned())),
        (None, Some(_)) => return Err(("client_certificate_file", "missing: client_key_file needs it".to_owned())),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!("{}: no PEM certificate in it", path.display())),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}
