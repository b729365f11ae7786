//! TLS of the wire: a private authority, the name in the certificate, a client certificate.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use proofmark::wire::{Failure, Link, Recorder, WireError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::wire_fake::{CREDENTIALS, OK, Seen, connect_proxy, link, talk};

pub type Authority = CertifiedIssuer<'static, KeyPair>;

/// A new certificate authority; its certificate is written to `file`.
pub fn authority(file: &Path) -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, file.display().to_string());
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    std::fs::write(file, authority.pem()).unwrap();
    authority
}

/// Certificate and key in PEM, made out to `names`.
pub fn certificate(authority: &Authority, names: &[&str], usage: ExtendedKeyUsagePurpose) -> (String, String) {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// A TLS server that answers 200. With `clients`, it wants a certificate of that authority.
pub async fn serve_tls(authority: &Authority, names: &[&str], clients: Option<&Authority>) -> (SocketAddr, Arc<Seen>) {
    let (chain, key) = certificate(authority, names, ExtendedKeyUsagePurpose::ServerAuth);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            builder.with_client_cert_verifier(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let config = builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
    let (acceptor, listener) = (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (seen, acceptor) = (shared.clone(), acceptor.clone());
            tokio::spawn(async move {
                if let Ok(tls) = acceptor.accept(tcp).await {
                    talk(tls, &seen, &[OK]).await;
                }
            });
        }
    });
    (address, seen)
}

/// The failures of a request of the SDK and of the raw client, which must agree.
async fn failures(link: &Link) -> Option<(Failure, String)> {
    let recorder = Recorder::new();
    let sdk = link.sdk(&recorder).get_object().bucket("buck").key("k").send().await;
    let raw = link.raw(&recorder).request("GET", "buck", "k").send().await;
    let sdk = sdk.err().map(|error| WireError::find(&error).unwrap().clone());
    assert_eq!(sdk.as_ref().map(|error| error.failure), raw.err().map(|error| error.failure));
    sdk.map(|error| (error.failure, error.message))
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_named_and_only_then() {
    let directory = tempfile::tempdir().unwrap();
    let ours = authority(&directory.path().join("ours.pem"));
    authority(&directory.path().join("other.pem"));
    let (address, seen) = serve_tls(&ours, &["localhost"], None).await;
    let link = |ca: &str| link(directory.path(), &format!("endpoints = ['https://localhost:{}']\n{ca}{CREDENTIALS}", address.port()), &[]);
    assert_eq!(failures(&link("ca_file = 'ours.pem'\n")).await, None);
    assert!(seen.head(0).contains(&format!("host: localhost:{}\r\n", address.port())));
    for ca in ["ca_file = 'other.pem'\n", ""] {
        let (failure, message) = failures(&link(ca)).await.unwrap();
        assert_eq!(failure, Failure::Tls);
        assert!(message.contains("TLS handshake") && message.contains("UnknownIssuer"), "{message}");
    }
    assert_eq!(seen.requests(), 2);
}

#[tokio::test]
async fn the_certificate_must_be_made_out_to_the_name_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let ours = authority(&directory.path().join("ca.pem"));
    let link = |proxy: u16, addressing: &str| {
        let reach = format!("endpoints = ['https://s3.does-not-exist.invalid']\nproxy = 'http://127.0.0.1:{proxy}'\n");
        link(directory.path(), &format!("{reach}ca_file = 'ca.pem'\naddressing = '{addressing}'\n{CREDENTIALS}"), &[])
    };
    for (name, right, wrong) in [("*.s3.does-not-exist.invalid", "virtual-host", "path"), ("s3.does-not-exist.invalid", "path", "virtual-host")] {
        let (address, seen) = serve_tls(&ours, &[name], None).await;
        let (proxy, asked) = connect_proxy(address.port(), true).await;
        assert_eq!(failures(&link(proxy, right)).await, None);
        assert!(asked.head(0).starts_with("CONNECT s3.does-not-exist.invalid:443 "), "the bucket's name is never resolved: {}", asked.head(0));
        let (failure, message) = failures(&link(proxy, wrong)).await.unwrap();
        assert!(failure == Failure::Tls && message.contains("not valid for name"), "{message}");
        assert_eq!(seen.requests(), 2);
    }
}

#[tokio::test]
async fn a_client_certificate_is_presented_when_it_is_configured() {
    let directory = tempfile::tempdir().unwrap();
    let ours = authority(&directory.path().join("ca.pem"));
    let (chain, key) = certificate(&ours, &["client"], ExtendedKeyUsagePurpose::ClientAuth);
    std::fs::write(directory.path().join("client.pem"), chain).unwrap();
    std::fs::write(directory.path().join("client.key"), key).unwrap();
    let (address, seen) = serve_tls(&ours, &["localhost"], Some(&ours)).await;
    let base = format!("endpoints = ['https://localhost:{}']\nca_file = 'ca.pem'\n", address.port());
    let files = "client_certificate_file = 'client.pem'\nclient_key_file = 'client.key'\n";
    assert_eq!(failures(&link(directory.path(), &format!("{base}{files}{CREDENTIALS}"), &[])).await, None);
    assert_eq!(seen.requests(), 2);
    // Under TLS 1.3 the refusal comes after the handshake, so that its effect counts as unknown.
    assert!(failures(&link(directory.path(), &format!("{base}{CREDENTIALS}"), &[])).await.is_some());
    assert_eq!(seen.requests(), 2);
}

#[tokio::test]
async fn tls_goes_through_the_tunnel_of_an_http_proxy() {
    let directory = tempfile::tempdir().unwrap();
    let ours = authority(&directory.path().join("ca.pem"));
    let (address, seen) = serve_tls(&ours, &["s3.does-not-exist.invalid"], None).await;
    let (proxy, asked) = connect_proxy(address.port(), true).await;
    let base = format!("endpoints = ['https://s3.does-not-exist.invalid']\nca_file = 'ca.pem'\nproxy = 'http://127.0.0.1:{proxy}'\n");
    assert_eq!(failures(&link(directory.path(), &format!("{base}{CREDENTIALS}"), &[])).await, None);
    assert!(asked.head(0).starts_with("CONNECT s3.does-not-exist.invalid:443 HTTP/1.1\r\n"));
    assert_eq!(seen.requests(), 2);
}

#[tokio::test]
async fn a_server_without_tls_fails_the_handshake() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            tcp.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        }
    });
    let link = link(directory.path(), &format!("endpoints = ['https://localhost:{port}']\n{CREDENTIALS}"), &[]);
    let (failure, message) = failures(&link).await.unwrap();
    assert!(failure == Failure::Tls && message.contains("TLS handshake"), "{message}");
}
