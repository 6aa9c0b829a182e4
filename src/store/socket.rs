//! A socket to one Redis, over TCP, TLS or a unix socket, whose reads and writes end at a deadline.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, SockAddr, Socket, Type};

use super::error::{Error, Result};

/// Where one server listens.
#[derive(Clone, Debug)]
pub enum Address {
    Ip(SocketAddr),
    Socket(PathBuf),
}

/// The TLS configuration, and the name that the server's certificate must be for.
pub type TlsName<'a> = (Arc<ClientConfig>, &'a str);

pub enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Stream {
    pub fn connect(address: &Address, tls: Option<TlsName>, timeout: Duration) -> Result<Self> {
        let socket = Timed {
            socket: connected(address, timeout)?,
            until: Instant::now(),
        };
        let Some((config, name)) = tls else {
            return Ok(Stream::Plain(socket));
        };
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| Error::Other(error.to_string()))?;
        let client = ClientConnection::new(config, name).map_err(Error::Tls)?;
        Ok(Stream::Tls(Box::new(StreamOwned::new(client, socket))))
    }

    /// When reads and writes end from now on.
    pub fn end_by(&mut self, until: Instant) {
        self.socket().until = until;
    }

    /// Lets the socket be reset when it is dropped, so that nothing of it is still sent.
    pub fn reset(&mut self) {
        // A socket that does not take it is closed as any other.
        let _ = self.socket().socket.set_linger(Some(Duration::ZERO));
    }

    fn socket(&mut self) -> &mut Timed {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &mut stream.sock,
        }
    }

    /// Why the other side ended TLS. A read of rustls would first try to write, and fail.
    pub fn alert(&mut self) -> Option<rustls::Error> {
        let Stream::Tls(stream) = self else {
            return None;
        };
        let StreamOwned { conn, sock } = &mut **stream;
        while conn.read_tls(sock).is_ok_and(|length| length > 0) {
            if let Err(error) = conn.process_new_packets() {
                return Some(error);
            }
        }
        None
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buffer),
            Stream::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) => Ok(()),
            Stream::Tls(stream) => stream.flush(),
        }
    }
}

/// A socket whose reads and writes end at a deadline. A signal makes them begin again, after the deadline, too: with SIGCONT
/// there may be what came while this process was stopped.
pub struct Timed {
    socket: Socket,
    until: Instant,
}

impl Timed {
    fn by_deadline<T>(
        &mut self,
        set_timeout: fn(&Socket, Option<Duration>) -> io::Result<()>,
        mut transfer: impl FnMut(&mut Socket) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut interrupted = false;
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() && !std::mem::take(&mut interrupted) {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // Less than a microsecond would be no time-out at all.
            set_timeout(&self.socket, Some(left.max(Duration::from_millis(1))))?;
            match transfer(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => interrupted = true,
                done => return done,
            }
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.by_deadline(Socket::set_read_timeout, |socket| socket.read(buffer))
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.by_deadline(Socket::set_write_timeout, |socket| socket.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connected(address: &Address, timeout: Duration) -> Result<Socket> {
    match address {
        Address::Ip(address) => {
            let socket = Socket::new(Domain::for_address(*address), Type::STREAM, None)?;
            socket.connect_timeout(&SockAddr::from(*address), timeout)?;
            socket.set_tcp_nodelay(true)?;
            Ok(socket)
        }
        Address::Socket(path) => {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            // It bounds the connect, too: a listener whose queue is full is waited for (unix(7)).
            socket.set_write_timeout(Some(timeout))?;
            socket.connect(&SockAddr::unix(path)?)?;
            Ok(socket)
        }
    }
}
