//! One connection to one Redis: commands go out, replies come in, each by a deadline and within a bound on its bytes.
//!
//! The redis crate reads URLs and packs commands. The socket and the reader of replies are ours, because the crate (1.8)
//!
//! - begins its time-out anew with every byte that comes, so a reply that drips never ends;
//! - keeps whatever a reply claims to be;
//! - cannot shut a connection down, so a removal that is given up may still go out;
//! - tells none of the replies of a pipeline in which one is refused;
//! - gives the first address of a host all the time;
//! - drops the words with which a login is refused.
//!
//! Members are shown where they lie in the buffer: a `Vec` for each took a tenth of a run with a million users.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memchr::memchr;
use redis::Cmd;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use socket2::{Domain, SockAddr, Socket, Type};

use super::error::{Error, Result};
use crate::peer::limits::{NAMES, NESTING, REPLY_BYTES, TEXT_BYTES, VALUE_BYTES, WORDS_BYTES};

/// How much is read at once.
const CHUNK: usize = 64 << 10;

/// Where one server listens.
#[derive(Clone, Debug)]
pub enum Address {
    Ip(SocketAddr),
    Socket(PathBuf),
}

/// The TLS configuration, and the name that the server's certificate must be for.
pub type TlsName<'a> = (Arc<ClientConfig>, &'a str);

/// A connection to one server. When it is dropped with a command unanswered it is reset, so that nothing of it is still
/// sent.
pub struct Connection {
    stream: Stream,
    /// What came and is not read yet lies between `start` and `end`.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// How many bytes the present reply may still take.
    left: usize,
    timeout: Duration,
    unanswered: usize,
}

/// What Redis answers. An error that it sends is an [`Error::Refused`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Text(Vec<u8>),
    Number(i64),
    Nil,
    List(Vec<Reply>),
}

type Visit<'a> = &'a mut dyn FnMut(&[u8]) -> Result<()>;

impl Connection {
    pub fn open(address: &Address, tls: Option<TlsName>, timeout: Duration) -> Result<Self> {
        let socket = Timed {
            socket: connected(address, timeout)?,
            until: Instant::now(),
        };
        let stream = match tls {
            None => Stream::Plain(socket),
            Some((config, name)) => {
                let name = ServerName::try_from(name.to_owned())
                    .map_err(|error| Error::Other(error.to_string()))?;
                let client = ClientConnection::new(config, name).map_err(Error::Tls)?;
                Stream::Tls(Box::new(StreamOwned::new(client, socket)))
            }
        };
        Ok(Self {
            stream,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            left: 0,
            timeout,
            unanswered: 0,
        })
    }

    /// How long each reply may take from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// Sends commands together. A server that closes the connection instead may have said why.
    pub fn send<'a>(&mut self, commands: impl IntoIterator<Item = &'a Cmd>) -> Result<()> {
        let mut packed = Vec::new();
        for command in commands {
            command.write_packed_command(&mut packed);
            self.unanswered += 1;
        }
        self.stream.socket().until = Instant::now() + self.timeout;
        let sent = self.stream.write_all(&packed);
        let Err(error) = sent.and_then(|()| self.stream.flush()) else {
            return Ok(());
        };
        let error = Error::from(error);
        if !error.is_broken() {
            return Err(error);
        }
        if let Some(alert) = self.stream.alert() {
            return Err(Error::Tls(alert));
        }
        match self.reply() {
            Err(said @ Error::Refused(..)) => Err(said),
            _ => Err(error),
        }
    }

    pub fn query(&mut self, command: &Cmd) -> Result<Reply> {
        self.send([command])?;
        self.reply()
    }

    pub fn reply(&mut self) -> Result<Reply> {
        self.replied(VALUE_BYTES, |connection| connection.value(0))
    }

    /// A reply that lists members, as SMEMBERS has it.
    pub fn members(&mut self, visit: Visit) -> Result<()> {
        self.replied(REPLY_BYTES, |connection| connection.list_of_texts(visit))
    }

    /// A reply of SCAN or SSCAN: its next cursor.
    pub fn page(&mut self, visit: Visit) -> Result<u64> {
        self.replied(REPLY_BYTES, |connection| {
            if connection.list()? != 2 {
                return Err(Error::Foreign);
            }
            let cursor = connection.text()?;
            let cursor = std::str::from_utf8(&connection.buffer[cursor]).ok();
            let cursor = cursor.and_then(|cursor| cursor.parse().ok());
            connection.list_of_texts(visit)?;
            cursor.ok_or(Error::Foreign)
        })
    }

    /// Reads one reply. One that is not read to its end leaves its command unanswered.
    fn replied<T>(
        &mut self,
        most_bytes: usize,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.left = most_bytes;
        self.stream.socket().until = Instant::now() + self.timeout;
        let reply = read(self);
        if matches!(reply, Ok(_) | Err(Error::Refused(..))) {
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        reply
    }

    fn value(&mut self, depth: usize) -> Result<Reply> {
        // What a list takes in memory for each of its elements.
        self.take(size_of::<Reply>())?;
        let (kind, line) = self.line()?;
        match kind {
            b'+' => Ok(Reply::Text(self.buffer[line].to_vec())),
            b'-' if depth == 0 => Err(Error::refused(&self.buffer[line])),
            b':' => Ok(Reply::Number(self.number(line)?)),
            b'$' | b'*' => match (self.number(line)?, kind) {
                (-1, _) => Ok(Reply::Nil),
                (length @ 0.., b'$') if length as usize <= TEXT_BYTES => {
                    let text = self.bytes(length as usize)?;
                    Ok(Reply::Text(self.buffer[text].to_vec()))
                }
                (0.., b'$') => Err(Error::ReplyTooLarge),
                (count @ 0.., _) if depth < NESTING => {
                    let values = (0..count).map(|_| self.value(depth + 1));
                    Ok(Reply::List(values.collect::<Result<_>>()?))
                }
                _ => Err(Error::Foreign),
            },
            _ => Err(Error::Foreign),
        }
    }

    fn list_of_texts(&mut self, visit: Visit) -> Result<()> {
        let count = self.list()?;
        if count > NAMES as u64 {
            return Err(Error::ReplyTooLarge);
        }
        for _ in 0..count {
            let text = self.text()?;
            visit(&self.buffer[text])?;
        }
        Ok(())
    }

    /// The head of a list: how many elements follow.
    fn list(&mut self) -> Result<u64> {
        match self.line()? {
            (b'*', line) => self.number(line)?.try_into().map_err(|_| Error::Foreign),
            (b'-', line) => Err(Error::refused(&self.buffer[line])),
            _ => Err(Error::Foreign),
        }
    }

    fn text(&mut self) -> Result<Range<usize>> {
        let (b'$', line) = self.line()? else {
            return Err(Error::Foreign);
        };
        let length = self.number(line)?.try_into().map_err(|_| Error::Foreign)?;
        self.bytes(length)
    }

    fn number(&self, line: Range<usize>) -> Result<i64> {
        let text = std::str::from_utf8(&self.buffer[line]).ok();
        text.and_then(|text| text.parse().ok())
            .ok_or(Error::Foreign)
    }

    /// So many bytes and the end of a line. Where they lie holds until more is read.
    fn bytes(&mut self, length: usize) -> Result<Range<usize>> {
        self.take(length)?;
        while self.end - self.start < length + 2 {
            self.fill()?;
        }
        let text = self.start..self.start + length;
        self.start = text.end + 2;
        match &self.buffer[text.end..self.start] {
            b"\r\n" => Ok(text),
            _ => Err(Error::Foreign),
        }
    }

    /// The first byte of a line, and where the rest of it lies. Of a long line only the start is kept.
    fn line(&mut self) -> Result<(u8, Range<usize>)> {
        let mut searched = 0;
        loop {
            let unread = &self.buffer[self.start..self.end];
            if unread.first().is_some_and(|kind| !b"+-:$*".contains(kind)) {
                return Err(Error::Foreign);
            }
            if let Some(end) = memchr(b'\n', &unread[searched..]) {
                let (start, end) = (self.start, self.start + searched + end);
                self.start = end + 1;
                self.take(end + 1 - start)?;
                return match &self.buffer[start..end] {
                    [kind, .., b'\r'] => Ok((*kind, start + 1..end - 1)),
                    _ => Err(Error::Foreign),
                };
            }
            if unread.len() > 2 * WORDS_BYTES {
                let last = unread[unread.len() - 1];
                self.take(unread.len() - WORDS_BYTES)?;
                self.end = self.start + WORDS_BYTES + 1;
                self.buffer[self.end - 1] = last;
            }
            searched = self.end - self.start;
            self.fill()?;
        }
    }

    /// Bounds the bytes of a reply, before they are kept.
    fn take(&mut self, bytes: usize) -> Result<()> {
        self.left = self.left.checked_sub(bytes).ok_or(Error::ReplyTooLarge)?;
        Ok(())
    }

    fn fill(&mut self) -> Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == 0 && self.buffer.len() > CHUNK {
            self.buffer = vec![0; CHUNK];
        } else if self.end > self.buffer.len() / 2 {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        match self.stream.read(&mut self.buffer[self.end..])? {
            0 => Err(Error::Broken("it closed the connection".into())),
            length => {
                self.end += length;
                Ok(())
            }
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.unanswered > 0 {
            // A socket that does not take it is closed as any other.
            let _ = self.stream.socket().socket.set_linger(Some(Duration::ZERO));
        }
    }
}

impl Reply {
    pub fn into_text(self) -> Result<Vec<u8>> {
        match self {
            Reply::Text(text) => Ok(text),
            _ => Err(Error::Foreign),
        }
    }

    pub fn into_utf8(self) -> Result<String> {
        String::from_utf8(self.into_text()?).map_err(|_| Error::Foreign)
    }

    pub fn into_number<N: TryFrom<i64>>(self) -> Result<N> {
        match self {
            Reply::Number(number) => number.try_into().map_err(|_| Error::Foreign),
            _ => Err(Error::Foreign),
        }
    }

    pub fn into_list(self) -> Result<Vec<Reply>> {
        match self {
            Reply::List(list) => Ok(list),
            _ => Err(Error::Foreign),
        }
    }
}

enum Stream {
    Plain(Timed),
    Tls(Box<StreamOwned<ClientConnection, Timed>>),
}

impl Stream {
    fn socket(&mut self) -> &mut Timed {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &mut stream.sock,
        }
    }

    /// Why the other side ended TLS. A read of rustls would first try to write, and fail.
    fn alert(&mut self) -> Option<rustls::Error> {
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

/// A socket whose reads and writes end at a deadline. A signal, SIGCONT for one, makes them begin again.
struct Timed {
    socket: Socket,
    until: Instant,
}

impl Timed {
    fn by_deadline<T>(
        &mut self,
        set_timeout: fn(&Socket, Option<Duration>) -> io::Result<()>,
        mut transfer: impl FnMut(&mut Socket) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            // Less than a microsecond would be no time-out at all.
            set_timeout(&self.socket, Some(left.max(Duration::from_millis(1))))?;
            match transfer(&mut self.socket) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::error::Refusal;
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    /// A connection to a server that sends `says`, a part after the other, each `after` a while, then waits for the end; and
    /// what that server hears.
    fn server(
        says: Vec<Vec<u8>>,
        after: Duration,
        timeout: Duration,
    ) -> (Connection, JoinHandle<io::Result<Vec<u8>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Ip(listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept()?;
            for part in says {
                thread::sleep(after);
                if client.write_all(&part).is_err() {
                    break;
                }
            }
            let mut heard = Vec::new();
            client.read_to_end(&mut heard).map(|_| heard)
        });
        (Connection::open(&address, None, timeout).unwrap(), server)
    }

    fn says(reply: &[u8]) -> Connection {
        server(vec![reply.into()], Duration::ZERO, Duration::from_secs(9)).0
    }

    fn names(read: impl FnOnce(Visit) -> Result<()>) -> Result<Vec<Vec<u8>>> {
        let mut names = Vec::new();
        read(&mut |name| {
            names.push(name.to_vec());
            Ok(())
        })?;
        Ok(names)
    }

    #[test]
    fn replies_of_every_kind_are_read_whatever_their_bytes() {
        let mut connection = says(b"+OK\r\n:-7\r\n$2\r\n\r\n\r\n$-1\r\n*2\r\n*0\r\n$0\r\n\r\n-MOVED 1 a:2\r\n*2\r\n$1\r\n7\r\n*2\r\n$1\r\n\xff\r\n$0\r\n\r\n*1\r\n$3\r\na b\r\n");
        let text = |text: &[u8]| Reply::Text(text.to_vec());
        assert_eq!(connection.reply().unwrap(), text(b"OK"));
        assert_eq!(connection.reply().unwrap(), Reply::Number(-7));
        assert_eq!(connection.reply().unwrap(), text(b"\r\n"));
        assert_eq!(connection.reply().unwrap(), Reply::Nil);
        let list = Reply::List(vec![Reply::List(vec![]), text(b"")]);
        assert_eq!(connection.reply().unwrap(), list);
        let refused = connection.reply().unwrap_err();
        assert_eq!(refused.refusal(), Some(Refusal::Moved));
        let mut cursor = 0;
        let found = names(|visit| {
            cursor = connection.page(visit)?;
            Ok(())
        });
        let found = found.unwrap();
        assert_eq!((cursor, found), (7, vec![b"\xff".to_vec(), vec![]]));
        let found = names(|visit| connection.members(visit)).unwrap();
        assert_eq!(found, [b"a b"]);
    }

    #[test]
    fn every_split_of_a_reply_gives_the_same() {
        let reply = b"*2\r\n$4\r\na\r\nb\r\n$70000\r\n";
        let long = [reply, &[b'x'; 70_000][..], b"\r\n"].concat();
        for at in (0..reply.len() + 2).chain(long.len() - 3..long.len()) {
            let parts = vec![long[..at].to_vec(), long[at..].to_vec()];
            let (mut connection, _) =
                server(parts, Duration::from_millis(2), Duration::from_secs(9));
            let found = names(|visit| connection.members(visit)).unwrap();
            assert_eq!(found, [b"a\r\nb".to_vec(), vec![b'x'; 70_000]], "at {at}");
        }
    }

    #[test]
    fn what_no_redis_says_is_no_reply() {
        let deep = [&b"*1\r\n".repeat(NESTING + 1)[..], b"*0\r\n"].concat();
        let replies: [&[u8]; 11] = [
            b"HTTP/1.1 400\r\n",
            b"OK\n",
            b":1.5\r\n",
            b"$x\r\n",
            b"$-2\r\n",
            b"$1\r\nabc\r\n",
            b"*-2\r\n",
            b"*1\r\n-ERR\r\n",
            b">2\r\n+a\r\n+b\r\n",
            b"%1\r\n+a\r\n+b\r\n",
            &deep,
        ];
        for reply in replies {
            let error = says(reply).reply().unwrap_err();
            let shown = String::from_utf8_lossy(reply);
            assert!(matches!(error, Error::Foreign), "{shown}: {error:?}");
        }
    }

    #[test]
    fn a_claim_is_refused_before_anything_is_kept() {
        let endless = [b"*2000000\r\n".to_vec(), b"*0\r\n".repeat(1 << 20)].concat();
        let claims: [&[u8]; 4] = [
            b"$65537\r\n",
            b"$9223372036854775807\r\n",
            b"*1\r\n$65537\r\n",
            &endless,
        ];
        for claim in claims {
            let error = says(claim).reply().unwrap_err();
            assert!(matches!(error, Error::ReplyTooLarge), "{error:?}");
        }
        let mut connection = says(b"*1\r\n$268435457\r\n");
        let error = names(|visit| connection.members(visit)).unwrap_err();
        assert!(matches!(error, Error::ReplyTooLarge), "{error:?}");
    }

    #[test]
    fn of_a_long_error_the_start_is_kept() {
        let long = [b"-OOM ", &[b'x'; 3 << 20][..], b"\r\n+OK\r\n"].concat();
        let mut connection = says(&long);
        let Err(Error::Refused(Refusal::OutOfMemory, words)) = connection.reply() else {
            panic!("an error is no reply");
        };
        assert_eq!(words.len(), WORDS_BYTES);
        assert!(connection.buffer.len() <= 2 * CHUNK);
        assert_eq!(connection.reply().unwrap(), Reply::Text(b"OK".to_vec()));
    }

    #[test]
    fn a_reply_that_drips_ends_at_its_deadline() {
        let parts = [b"$65000\r\n".to_vec()]
            .into_iter()
            .chain(vec![b"x".to_vec(); 200]);
        let timeout = Duration::from_millis(300);
        let (mut connection, _) = server(parts.collect(), Duration::from_millis(20), timeout);
        let begun = Instant::now();
        assert!(matches!(connection.reply(), Err(Error::TimedOut)));
        assert!(begun.elapsed() < 5 * timeout, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_connection_with_a_command_unanswered_is_reset_and_another_one_closed() {
        let end = |reads: bool| {
            let reply = if reads {
                vec![b"+OK\r\n".to_vec()]
            } else {
                vec![]
            };
            let (mut connection, server) = server(reply, Duration::ZERO, Duration::from_secs(9));
            connection.send([&redis::cmd("PING")]).unwrap();
            if reads {
                connection.reply().unwrap();
            }
            drop(connection);
            server.join().unwrap()
        };
        assert_eq!(end(true).unwrap(), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(
            end(false).unwrap_err().kind(),
            io::ErrorKind::ConnectionReset
        );
    }

    #[test]
    fn why_a_server_closes_the_connection_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Ip(listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            client
                .write_all(b"-ERR max number of clients reached\r\n")
                .unwrap();
        });
        let mut connection = Connection::open(&address, None, Duration::from_secs(9)).unwrap();
        server.join().unwrap();
        let ping = redis::cmd("PING");
        let told = (0..9).find_map(|_| connection.query(&ping).err());
        let told = told.and_then(|error| error.refusal());
        assert_eq!(told, Some(Refusal::TooManyClients));
    }
}
