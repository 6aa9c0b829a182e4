//! Between kamonline and a real Redis: counts its commands, and lets some of them go wrong.

use super::listener::{Listener, hang, swallow};
use super::redis::Redis;
use super::stub::flood;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a command.
#[derive(Clone)]
pub enum Fault {
    /// Redis does not hear of it, and this is the answer.
    Says(Vec<u8>),
    /// Redis runs it, and this is the answer all the same.
    Denies(Vec<u8>),
    /// Redis does not hear of it, and then ...
    Before(End),
    /// Redis runs it, its reply is cut in the middle, and then ...
    After(End),
    /// Redis runs it, and its reply comes a byte at a time.
    Drips(Duration),
    /// This happens first, and then the command goes its way.
    Meanwhile(Arc<dyn Fn() + Send + Sync>),
    /// Nobody answers: it hangs, or the connection is closed. Once the client has gone, this is waited for, and then Redis
    /// runs it.
    Late(bool, Arc<dyn Fn() + Send + Sync>),
}

#[derive(Clone)]
pub enum End {
    Close,
    Reset,
    Hang,
    /// These bytes, and then the others again and again, up to 1 GB.
    Flood(&'static [u8], &'static [u8]),
}

/// Which commands have a fault.
#[derive(Clone)]
pub struct Rule {
    pub command: &'static str,
    /// Counted from 0 among those of that name.
    pub times: Range<usize>,
    /// Everything that follows has it, too.
    pub onwards: bool,
    pub fault: Fault,
}

impl Rule {
    pub fn always(command: &'static str, fault: Fault) -> Self {
        Rule {
            command,
            times: 0..usize::MAX,
            onwards: false,
            fault,
        }
    }
}

pub struct RedisProxy {
    listener: Listener,
    script: Arc<Mutex<Script>>,
}

struct Script {
    rules: Vec<Rule>,
    seen: HashMap<String, usize>,
}

impl RedisProxy {
    pub fn new(redis: &Redis, rules: Vec<Rule>) -> Self {
        RedisProxy::to_port(redis.port(), rules)
    }

    /// To whatever speaks the protocol of Redis there, such as a sentinel.
    pub fn to_port(port: u16, rules: Vec<Rule>) -> Self {
        let seen = HashMap::new();
        let script = Arc::new(Mutex::new(Script { rules, seen }));
        let shared = script.clone();
        let listener = Listener::serve(move |client| {
            // Either side may go whenever it likes.
            let _ = serve(client, port, &shared);
        });
        RedisProxy { listener, script }
    }

    pub fn url(&self) -> String {
        format!("redis://{}/0", self.listener.address)
    }

    /// How often a command has come.
    pub fn seen(&self, command: &str) -> usize {
        let script = self.script.lock().unwrap();
        script.seen.get(command).copied().unwrap_or_default()
    }
}

impl Script {
    fn fault(&mut self, command: &str) -> Option<Fault> {
        let seen = self.seen.entry(command.to_owned()).or_default();
        *seen += 1;
        let rule = self.rules.iter_mut().find(|rule| {
            rule.command == "*" || rule.command == command && rule.times.contains(&(*seen - 1))
        })?;
        if rule.onwards {
            rule.command = "*";
        }
        Some(rule.fault.clone())
    }
}

fn serve(mut client: TcpStream, port: u16, script: &Mutex<Script>) -> Result<()> {
    let mut redis = BufReader::new(TcpStream::connect(("127.0.0.1", port))?);
    loop {
        let command = read_command(&mut client)?;
        let name = command
            .split(|byte| *byte == b'\n')
            .nth(2)
            .unwrap_or_default();
        let name = String::from_utf8_lossy(name).trim_end().to_uppercase();
        let fault = script.lock().unwrap().fault(&name);
        let mut ask = || {
            redis.get_mut().write_all(&command)?;
            read_reply(&mut redis)
        };
        match fault {
            Some(Fault::Says(answer)) => {
                swallow(&mut client);
                client.write_all(&answer)?;
            }
            Some(Fault::Denies(answer)) => {
                swallow(&mut client);
                ask()?;
                client.write_all(&answer)?;
            }
            Some(Fault::Before(end)) => return end.of(client, &[]),
            Some(Fault::After(end)) => {
                let reply = ask()?;
                return end.of(client, &reply[..reply.len() / 2]);
            }
            Some(Fault::Drips(every)) => {
                swallow(&mut client);
                for byte in ask()? {
                    std::thread::sleep(every);
                    client.write_all(&[byte])?;
                }
            }
            Some(Fault::Late(hangs, wait)) => {
                if hangs {
                    hang(&mut client);
                }
                drop(client);
                wait();
                return ask().map(drop);
            }
            meanwhile => {
                if let Some(Fault::Meanwhile(act)) = meanwhile {
                    act();
                }
                swallow(&mut client);
                client.write_all(&ask()?)?;
            }
        }
    }
}

impl End {
    /// The kernel resets a connection that is closed with something unread: the command's last byte.
    fn of(self, mut client: TcpStream, first: &[u8]) -> Result<()> {
        if !matches!(self, End::Reset) {
            swallow(&mut client);
        }
        client.write_all(first)?;
        match self {
            End::Close | End::Reset => {}
            End::Hang => hang(&mut client),
            End::Flood(head, unit) => flood(&mut client, head, unit),
        }
        Ok(())
    }
}

/// All but its last byte, as `End::Reset` needs that unread; what is returned has it.
fn read_command(client: &mut TcpStream) -> Result<Vec<u8>> {
    let mut command = Vec::new();
    let words = read_number(client, &mut command)?;
    for word in 0..words {
        let length = read_number(client, &mut command)? + 2;
        let start = command.len();
        command.resize(start + length, b'\n');
        let unread = usize::from(word + 1 == words);
        client.read_exact(&mut command[start..start + length - unread])?;
    }
    Ok(command)
}

/// The line `*3` or `$5`.
fn read_number(client: &mut TcpStream, command: &mut Vec<u8>) -> Result<usize> {
    let start = command.len();
    while command.last() != Some(&b'\n') || command.len() == start {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        command.push(byte[0]);
    }
    Ok(number(&command[start..]) as usize)
}

fn read_reply(redis: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
    let mut reply = Vec::new();
    redis.read_until(b'\n', &mut reply)?;
    match reply.first() {
        Some(b'$') if number(&reply) >= 0 => {
            let mut text = vec![0; number(&reply) as usize + 2];
            redis.read_exact(&mut text)?;
            reply.extend(text);
        }
        Some(b'*') => {
            for _ in 0..number(&reply) {
                reply.extend(read_reply(redis)?);
            }
        }
        Some(_) => {}
        None => return Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
    Ok(reply)
}

fn number(line: &[u8]) -> i64 {
    String::from_utf8_lossy(&line[1..]).trim().parse().unwrap()
}
