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

use std::io::Write;
use std::time::{Duration, Instant};

use redis::Cmd;

use super::error::{Error, Result};
use super::reply::{Replies, Reply, Visit};
use super::socket::{Address, Stream, TlsName};
use crate::peer::limits::{REPLY_BYTES, SLOTS_BYTES, VALUE_BYTES};

/// A connection to one server. When it is dropped with a command unanswered it is reset, so that nothing of it is still
/// sent.
pub struct Connection {
    replies: Replies<Stream>,
    timeout: Duration,
    /// When all ends, however long each reply may take.
    until: Option<Instant>,
    unanswered: usize,
}

impl Connection {
    pub fn open(address: &Address, tls: Option<TlsName>, timeout: Duration) -> Result<Self> {
        Ok(Self {
            replies: Replies::new(Stream::connect(address, tls, timeout)?),
            timeout,
            until: None,
            unanswered: 0,
        })
    }

    /// How long each reply may take from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// When all replies together end.
    pub fn end_by(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    fn deadline(&self) -> Instant {
        let reply = Instant::now() + self.timeout;
        self.until.map_or(reply, |until| until.min(reply))
    }

    /// Sends commands together. A server that closes the connection instead may have said why.
    pub fn send<'a>(&mut self, commands: impl IntoIterator<Item = &'a Cmd>) -> Result<()> {
        let mut packed = Vec::new();
        for command in commands {
            command.write_packed_command(&mut packed);
            self.unanswered += 1;
        }
        let deadline = self.deadline();
        let stream = &mut self.replies.stream;
        stream.end_by(deadline);
        let Err(error) = stream.write_all(&packed).and_then(|()| stream.flush()) else {
            return Ok(());
        };
        let error = Error::from(error);
        if !error.is_broken() {
            return Err(error);
        }
        if let Some(alert) = stream.alert() {
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
        self.replied(VALUE_BYTES, Replies::value)
    }

    /// The reply to CLUSTER SLOTS.
    pub fn slots(&mut self) -> Result<Reply> {
        self.replied(SLOTS_BYTES, Replies::value)
    }

    /// A reply that lists members, as SMEMBERS has it.
    pub fn members(&mut self, visit: Visit) -> Result<()> {
        self.replied(REPLY_BYTES, |replies| replies.list_of_texts(visit))
    }

    /// A reply of SCAN or SSCAN: its next cursor.
    pub fn page(&mut self, visit: Visit) -> Result<u64> {
        self.replied(REPLY_BYTES, |replies| replies.page(visit))
    }

    /// Reads one reply. One that is not read to its end leaves its command unanswered.
    fn replied<T>(
        &mut self,
        most_bytes: usize,
        read: impl FnOnce(&mut Replies<Stream>) -> Result<T>,
    ) -> Result<T> {
        self.replies.begin(most_bytes);
        let deadline = self.deadline();
        self.replies.stream.end_by(deadline);
        let reply = read(&mut self.replies);
        if matches!(reply, Ok(_) | Err(Error::Refused(..))) {
            self.unanswered = self.unanswered.saturating_sub(1);
        }
        reply
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.unanswered > 0 {
            self.replies.stream.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::limits::{NESTING, WORDS_BYTES};
    use crate::store::error::Refusal;
    use std::io::{self, Read};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};
    use std::time::Instant;

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
        let mut connection = says(
            b"+OK\r\n:-7\r\n$2\r\n\r\n\r\n$-1\r\n*2\r\n*0\r\n$0\r\n\r\n-MOVED 1 a:2\r\n\
              *2\r\n$1\r\n7\r\n*2\r\n$1\r\n\xff\r\n$0\r\n\r\n*1\r\n$3\r\na b\r\n",
        );
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
        let claims: [&[u8]; 5] = [
            b"*50000\r\n",
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
        let long = [b"-OOM ", &[b'x'; VALUE_BYTES / 2][..], b"\r\n+OK\r\n"].concat();
        let mut connection = says(&long);
        let Err(Error::Refused(Refusal::OutOfMemory, words)) = connection.reply() else {
            panic!("an error is no reply");
        };
        assert_eq!(words.len(), WORDS_BYTES);
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
