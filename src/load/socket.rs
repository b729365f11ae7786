//! A connection's socket: opened without waiting, plain or TLS, through an HTTP proxy where the site has one.
//!
//! The main type is [`Socket`].

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, connect, recv, socket_with, sockopt};
use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::ServerName;

use super::reactor::Reactor;
use crate::config::Endpoint;

/// Bytes of a body that are thrown away in one call.
const DISCARD: usize = 1 << 20;

/// Where a connection goes.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Address of the server; absent where an HTTP proxy resolves the name.
    pub address: Option<SocketAddr>,
    /// `host:port` as a proxy is asked for it.
    pub target: String,
    /// What the certificate must be made out to, and the trust; absent for plain HTTP.
    pub tls: Option<(Arc<ClientConfig>, String)>,
    /// The site's HTTP proxy.
    pub proxy: Option<Endpoint>,
}

/// An open connection.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpStream,
    tls: Option<Box<Session>>,
}

/// A TLS session, and records that were read and not taken in yet: the session itself would read them in pieces of 4 KiB.
#[derive(Debug)]
struct Session {
    state: ClientConnection,
    records: Vec<u8>,
    taken: usize,
}

/// Bytes of records that are read in one call: four of the longest.
const RECORDS: usize = 4 * (16 << 10) + 1024;

fn is_pending(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn broken(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, message.into())
}

/// Waits for the next event, or gives up when the task's limit has passed.
async fn event(reactor: &Reactor) -> io::Result<()> {
    if reactor.is_overdue() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    reactor.park().await;
    Ok(())
}

impl Socket {
    /// Opens a connection, TLS included; ends with `TimedOut` when the task's limit passes.
    ///
    /// # Errors
    /// When there is no way to the server, or its certificate is not trusted.
    pub async fn open(reactor: &Reactor, remote: &Remote) -> io::Result<Self> {
        let address = match (&remote.proxy, remote.address) {
            (Some(proxy), _) => (proxy.host.as_str(), proxy.port).to_socket_addrs()?.next(),
            (None, address) => address,
        };
        let address = address.ok_or_else(|| broken("no address"))?;
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        sockopt::set_tcp_nodelay(&socket, true)?;
        reactor.watch(&socket)?;
        match connect(&socket, &address) {
            Ok(()) => {}
            Err(Errno::INPROGRESS) => loop {
                event(reactor).await?;
                sockopt::socket_error(&socket)??;
                // Connected once it has a peer.
                if rustix::net::getpeername(&socket).is_ok() {
                    break;
                }
            },
            Err(error) => return Err(error.into()),
        }
        let mut opened = Self { tcp: TcpStream::from(socket), tls: None };
        if remote.proxy.is_some() {
            opened.tunnel(reactor, &remote.target).await?;
        }
        if let Some((config, name)) = &remote.tls {
            let name = ServerName::try_from(name.clone()).map_err(|error| broken(error.to_string()))?;
            let session = ClientConnection::new(Arc::clone(config), name).map_err(|error| broken(error.to_string()))?;
            opened.tls = Some(Box::new(Session { state: session, records: Vec::new(), taken: 0 }));
            opened.shake_hands(reactor).await?;
        }
        Ok(opened)
    }

    async fn tunnel(&mut self, reactor: &Reactor, target: &str) -> io::Result<()> {
        let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        let mut sent = 0;
        while sent < request.len() {
            match self.tcp.write(&request.as_bytes()[sent..]) {
                Ok(written) => sent += written,
                Err(error) if is_pending(&error) => event(reactor).await?,
                Err(error) => return Err(error),
            }
        }
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            // Byte by byte, so that nothing of what follows the head is taken from the tunnel.
            let mut byte = [0];
            match self.tcp.read(&mut byte) {
                Ok(0) => return Err(broken("the proxy closed the connection")),
                Ok(_) => answer.push(byte[0]),
                Err(error) if is_pending(&error) => event(reactor).await?,
                Err(error) => return Err(error),
            }
            if answer.len() > 16 << 10 {
                return Err(broken("the proxy's answer has no end"));
            }
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let status = head.parse(&answer).ok().and(head.code).unwrap_or(0);
        if (200..300).contains(&status) { Ok(()) } else { Err(broken(format!("the proxy answered {status}"))) }
    }

    async fn shake_hands(&mut self, reactor: &Reactor) -> io::Result<()> {
        while self.tls.as_ref().is_some_and(|tls| tls.state.is_handshaking()) {
            self.flush(reactor).await?;
            if self.tls.as_ref().is_some_and(|tls| tls.state.is_handshaking() && tls.state.wants_read()) && !self.fill()? {
                event(reactor).await?;
            }
        }
        self.flush(reactor).await
    }

    /// Sends the TLS records that are ready.
    async fn flush(&mut self, reactor: &Reactor) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.state.wants_write() {
            match tls.state.write_tls(&mut self.tcp) {
                Ok(0) => return Err(broken("closed")),
                Ok(_) => {}
                Err(error) if is_pending(&error) => event(reactor).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes in TLS records; false when there is nothing to read yet.
    fn fill(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else { return Ok(true) };
        if tls.taken == tls.records.len() {
            tls.records.resize(RECORDS, 0);
            tls.taken = 0;
            let read = recv(&self.tcp, tls.records.as_mut_slice(), RecvFlags::empty());
            tls.records.truncate(read.as_ref().map_or(0, |(read, _)| *read));
            match read {
                Ok((0, _)) => return Err(broken("closed")),
                Ok(_) => {}
                Err(Errno::AGAIN | Errno::INTR) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        tls.taken += tls.state.read_tls(&mut &tls.records[tls.taken..])?;
        tls.state.process_new_packets().map(|_| true).map_err(|error| broken(error.to_string()))
    }

    /// Sends some of the slices: how many bytes, or `None` when it would have to wait.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<Option<usize>> {
        let Some(tls) = &mut self.tls else {
            let written = if let [only] = slices { self.tcp.write(only) } else { self.tcp.write_vectored(slices) };
            return match written {
                Ok(written) => Ok(Some(written)),
                Err(error) if is_pending(&error) => Ok(None),
                Err(error) => Err(error),
            };
        };
        // What an earlier call has left goes first, so that the session's buffer stays small.
        while tls.state.wants_write() {
            match tls.state.write_tls(&mut self.tcp) {
                Ok(0) => return Err(broken("closed")),
                Ok(_) => {}
                Err(error) if is_pending(&error) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let taken = tls.state.writer().write_vectored(slices)?;
        while tls.state.wants_write() {
            match tls.state.write_tls(&mut self.tcp) {
                Ok(_) => {}
                Err(error) if is_pending(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Some(taken))
    }

    /// Whether everything that was written has gone out; the rest is sent as far as it goes.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn is_flushed(&mut self) -> io::Result<bool> {
        Ok(self.tls.is_none() || self.write(&[]).map(|written| written.is_some())?)
    }

    /// Reads into `buffer`: how many bytes (0: the server has closed), or `None` when there is nothing yet.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if self.tls.is_none() {
            return match recv(&self.tcp, buffer, RecvFlags::empty()) {
                Ok((read, _)) => Ok(Some(read)),
                Err(Errno::AGAIN | Errno::INTR) => Ok(None),
                Err(error) => Err(error.into()),
            };
        }
        self.decrypted(|plain| {
            let length = plain.len().min(buffer.len());
            buffer[..length].copy_from_slice(&plain[..length]);
            length
        })
    }

    /// Throws away up to `most` bytes, without copying them out of the kernel where the connection is plain. As [`Socket::read`].
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn discard(&mut self, most: u64, scratch: &mut [u8]) -> io::Result<Option<usize>> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if self.tls.is_some() {
            return self.decrypted(|plain| plain.len().min(most));
        }
        // The kernel only counts; it wants a buffer of that length all the same.
        let length = most.min(DISCARD).min(scratch.len());
        match recv(&self.tcp, &mut scratch[..length], RecvFlags::TRUNC) {
            Ok((_, dropped)) => Ok(Some(dropped)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Hands decrypted bytes to `take`, which says how many it took.
    fn decrypted(&mut self, take: impl FnOnce(&[u8]) -> usize) -> io::Result<Option<usize>> {
        loop {
            let Some(tls) = &mut self.tls else { return Ok(None) };
            let mut reader = tls.state.reader();
            match reader.fill_buf() {
                Ok([]) => return Ok(Some(0)),
                Ok(plain) => {
                    let taken = take(plain);
                    reader.consume(taken);
                    return Ok(Some(taken));
                }
                Err(error) if is_pending(&error) => {}
                Err(error) => return Err(error),
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Whether the server has closed an idle connection, or has said something unasked.
    pub fn is_stale(&self) -> bool {
        let mut byte = [0];
        !matches!(recv(&self.tcp, &mut byte[..], RecvFlags::PEEK), Err(Errno::AGAIN))
    }

    /// Whether an answer is there already, before the whole request was sent. A TLS server also sends records of its own, which are none.
    pub fn has_answer(&mut self) -> bool {
        if self.tls.is_none() {
            let mut byte = [0];
            return matches!(recv(&self.tcp, &mut byte[..], RecvFlags::PEEK), Ok((1.., _)));
        }
        loop {
            match self.fill() {
                Ok(true) => {}
                Ok(false) => return self.tls.as_mut().is_some_and(|tls| tls.state.reader().fill_buf().is_ok_and(|plain| !plain.is_empty())),
                // Reading on will say what is wrong.
                Err(_) => return true,
            }
        }
    }
}
