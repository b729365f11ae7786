//! What several subjects need: an S3 server in this process, and links to servers.

use std::path::Path;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use proofmark::config::{Endpoint, Secret, Vendor};
use proofmark::model::VendorId;
use proofmark::store::RunDir;
use proofmark::wire::{Access, Credentials, Link};

pub const ACCESS_KEY: &str = "support-access-key";
pub const SECRET_KEY: &str = "support-secret-key-0123456789";

/// The keys that [`Server`] knows.
pub fn credentials() -> Credentials {
    Credentials { access_key: Secret::new(ACCESS_KEY), secret_key: Secret::new(SECRET_KEY), session_token: None }
}

/// s3s-fs on a loopback port, with its data in a temporary directory. It ends with the test's runtime.
pub struct Server {
    pub endpoint: Endpoint,
    pub directory: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let mut builder = s3s::service::S3ServiceBuilder::new(s3s_fs::FileSystem::new(data).unwrap());
        builder.set_auth(s3s::auth::SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = Endpoint::try_from(format!("http://{}", listener.local_addr().unwrap())).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let service = service.clone();
                tokio::spawn(async move { hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await });
            }
        });
        Self { endpoint, directory }
    }
    /// A link straight to the server; its run directory is the server's.
    pub fn link(&self) -> Link {
        link(self.directory.path(), self.endpoint.clone(), credentials())
    }
}

/// A link to a server with these keys, with a run directory below `directory`.
pub fn link(directory: &Path, endpoint: Endpoint, credentials: Credentials) -> Link {
    let vendor: Vendor = toml::from_str("title = 'x'\ndeployment = 'self-run'\n").unwrap();
    let id = VendorId::from("support");
    let sink = RunDir::create(directory.join("run")).unwrap().vendor(&id).unwrap();
    let access = Access::direct(endpoint, "us-east-1", credentials);
    Link::open(id, Arc::new(vendor), access, Arc::new(sink), 1, "pm-12345678-").unwrap()
}
