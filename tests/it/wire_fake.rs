//! A scripted HTTP server for the wire's tests, and links to it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proofmark::config::Vendor;
use proofmark::model::VendorId;
use proofmark::store::RunDir;
use proofmark::wire::{Access, AccessError, Link};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const KEY: &str = "wire-access-key";
pub const SECRET: &str = "wire-secret-key-0123456789";
pub const TOKEN: &str = "wire+session/token==0123456789";
pub const CREDENTIALS: &str = "[credentials]\naccess_key_env = 'K'\nsecret_key_env = 'S'\n";

/// What the server does with a request that it has read.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends these bytes and reads on.
    Say(&'static str),
    /// Sends these bytes and closes in order.
    SayAndClose(&'static str),
    /// Closes with RST.
    Reset,
    /// Sends nothing and keeps the connection.
    Hang,
    /// Answers with the request's head as body.
    Echo,
}

pub const OK: Act = Act::Say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

/// The server's view of what happened.
#[derive(Debug, Default)]
pub struct Seen {
    pub connections: AtomicUsize,
    pub heads: Mutex<Vec<String>>,
}

impl Seen {
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
    pub fn requests(&self) -> usize {
        self.heads.lock().unwrap().len()
    }
    pub fn head(&self, index: usize) -> String {
        self.heads.lock().unwrap()[index].clone()
    }
}

/// A server that does `acts[i]` with its i-th request, and the last one from then on.
pub async fn serve(acts: Vec<Act>) -> (u16, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let (seen, acts) = (shared.clone(), acts.clone());
            tokio::spawn(async move {
                // Whatever is not shut down first ends with RST.
                tcp.set_zero_linger().unwrap();
                talk(tcp, &seen, &acts).await;
            });
        }
    });
    (port, seen)
}

/// Serves one connection.
pub async fn talk(mut tcp: impl AsyncRead + AsyncWrite + Unpin, seen: &Seen, acts: &[Act]) {
    while let Some(head) = read_request(&mut tcp).await {
        let index = {
            let mut heads = seen.heads.lock().unwrap();
            heads.push(head.clone());
            heads.len() - 1
        };
        match acts.get(index).or(acts.last()).unwrap() {
            Act::Say(text) => tcp.write_all(text.as_bytes()).await.unwrap(),
            Act::SayAndClose(text) => {
                tcp.write_all(text.as_bytes()).await.unwrap();
                tcp.shutdown().await.unwrap();
                // Until the client closes, too: an earlier drop would be an RST.
                let _ = tcp.read_to_end(&mut Vec::new()).await;
                return;
            }
            Act::Reset => return,
            Act::Hang => tokio::time::sleep(Duration::from_secs(60)).await,
            Act::Echo => {
                let quoted = head.replace('<', "&lt;");
                let body = format!("<Error><Code>SignatureDoesNotMatch</Code><Message>{quoted}</Message></Error>");
                let answer = format!("HTTP/1.1 403 Forbidden\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                tcp.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    }
}

/// The head of the next request; its body is read and dropped.
async fn read_request(tcp: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = |line: &str| line.to_ascii_lowercase().strip_prefix("content-length:").and_then(|value| value.trim().parse::<usize>().ok());
    let mut body = vec![0; head.lines().find_map(length).unwrap_or(0)];
    tcp.read_exact(&mut body).await.ok()?;
    Some(head)
}

/// A proxy that opens tunnels, all to the port `to`, whatever host is asked for.
pub async fn connect_proxy(to: u16, is_willing: bool) -> (u16, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Seen::default());
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((mut tcp, _)) = listener.accept().await {
            let head = read_request(&mut tcp).await.unwrap();
            shared.heads.lock().unwrap().push(head);
            if !is_willing {
                tcp.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
                continue;
            }
            let mut upstream = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut tcp, &mut upstream).await });
        }
    });
    (port, seen)
}

/// A link made from the lines of a vendor file; `directory` is where the file would be.
pub fn try_link(directory: &Path, toml: &str, env: &[(&str, &str)]) -> Result<Link, AccessError> {
    let vendor: Vendor = toml::from_str(&format!("title = 'x'\ndeployment = 'self-run'\n{toml}")).unwrap();
    let id = VendorId::from("acme");
    let mut variables: HashMap<&str, &str> = HashMap::from([("K", KEY), ("S", SECRET)]);
    variables.extend(env.iter().copied());
    let access = Access::resolve(&id, &vendor, directory, &|name| variables.get(name).map(|value| (*value).to_owned()))?;
    let sink = RunDir::create(directory.join("run")).unwrap().vendor(&id).unwrap();
    Link::open(id, Arc::new(vendor), access, Arc::new(sink), 1, "pm-12345678-")
}

pub fn link(directory: &Path, toml: &str, env: &[(&str, &str)]) -> Link {
    try_link(directory, toml, env).unwrap()
}

/// A link to a server on a loopback port.
pub fn link_to(directory: &Path, port: u16) -> Link {
    link(directory, &format!("endpoints = ['http://127.0.0.1:{port}']\n{CREDENTIALS}"), &[])
}

/// Whether 64 hexadecimal digits follow `marker` anywhere.
pub fn has_signature(text: &str, marker: &str) -> bool {
    text.split(marker).skip(1).any(|rest| rest.len() >= 64 && rest.bytes().take(64).all(|byte| byte.is_ascii_hexdigit()))
}
