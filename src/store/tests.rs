//! What a real Redis cannot be made to do: servers that say what a test wants.

use std::io::{BufRead, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{Error, Refusal};
use super::pipeline::{Pipeline, Reach};
use super::servers::{Access, Servers, Topology};
use super::write::{Change, Fate, Verb, Write};
use super::{Store, connect, explain};
use crate::matching::{AorDomain, Rules, UserCase};
use crate::peer::limits::PUT_BACK_STEP;

/// To what it is asked about itself.
const NO: &[u8] = b"-ERR no\r\n";
const DONE: &[u8] = b":1\r\n";
const TIMEOUT: Duration = Duration::from_secs(9);

/// What is said to a command, by its name; None closes the connection.
fn server(says: impl FnMut(&str) -> Option<Vec<u8>> + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    serve(listener, says);
    address
}

fn serve(
    listener: TcpListener,
    says: impl FnMut(&str) -> Option<Vec<u8>> + Clone + Send + 'static,
) {
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let mut says = says.clone();
            thread::spawn(move || {
                let mut lines = BufReader::new(&client).lines().map_while(Result::ok);
                while let Some(parts) = lines.next() {
                    let parts: usize = parts[1..].parse().unwrap();
                    let words: Vec<_> = lines.by_ref().take(2 * parts).collect();
                    match words.get(1).and_then(|name| says(name)) {
                        Some(said) if (&client).write_all(&said).is_ok() => {}
                        _ => return,
                    }
                }
            });
        }
    });
}

fn url(address: SocketAddr) -> String {
    format!("redis://{address}")
}

/// What CLUSTER SLOTS says where each of these masters has so many of them, one behind the other.
fn slots(masters: &[(SocketAddr, usize)]) -> Vec<u8> {
    let (mut said, mut first) = (format!("*{}\r\n", masters.len()), 0);
    for (master, count) in masters {
        let (last, port) = (first + count - 1, master.port());
        let range = format!("*3\r\n:{first}\r\n:{last}\r\n");
        said += &format!("{range}*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n");
        first += count;
    }
    said.into_bytes()
}

/// The same where one master has all of them.
fn slots_of(master: SocketAddr) -> Vec<u8> {
    slots(&[(master, 16_384)])
}

/// A cluster with one master.
fn cluster_of(master: SocketAddr) -> Servers {
    let slots = slots_of(master);
    let node = server(move |_| Some(slots.clone()));
    Servers::of(&[url(node)], Topology::Cluster, TIMEOUT, 1)
}

/// An address where nothing listens.
fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("ONLINE:{number}"))
        .collect()
}

/// A member in each of these sets.
fn changes(names: &[String]) -> Vec<Change<'_, usize>> {
    let numbered = names.iter().enumerate();
    numbered
        .map(|(number, name)| Change {
            key: name.as_bytes(),
            members: vec![(number, name.as_bytes())],
        })
        .collect()
}

fn pipeline(servers: &Servers) -> Pipeline {
    let connected = connect(servers.clone(), b"ONLINE:", Access::Change, Reach::Any);
    connected.ok().unwrap()
}

#[test]
fn a_master_that_accepts_connections_and_is_silent_is_noticed_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let timeout = Duration::from_millis(300);
    let servers = cluster_of(silent.local_addr().unwrap()).within(timeout);
    let failed = Pipeline::to_cluster(servers, Reach::EveryMaster).err();
    assert!(matches!(failed.unwrap().error, Error::TimedOut));
    // As a proxy does that does not know the command.
    let closes = server(|name| (name != "HELLO").then(|| DONE.to_vec()));
    let master = Pipeline::to_cluster(cluster_of(closes), Reach::EveryMaster);
    let mut master = master.ok().unwrap();
    let sets = names(3);
    let sets = changes(&sets);
    let mut write = Write::new(Verb::Add, &sets);
    write.send(&mut master, &|| true).unwrap();
    assert_eq!(write.ended(None).with(&[Fate::Done]).len(), 3);
}

#[test]
fn what_never_found_its_server_is_untouched() {
    let sets = names(3);
    let sets = changes(&sets);
    let mut write = Write::new(Verb::Remove, &sets);
    let sent = write.send(&mut pipeline(&cluster_of(nobody())), &|| true);
    assert!(matches!(sent, Err(Error::NotListening(_))), "{sent:?}");
    let written = write.ended(None);
    assert_eq!(written.with(&[Fate::Untouched]).len(), 3);
    assert!(written.unanswered.is_empty());
}

/// What a sentinel says.
fn master_at(master: SocketAddr) -> Vec<u8> {
    let port = master.port().to_string();
    let length = port.len();
    format!("*2\r\n$9\r\n127.0.0.1\r\n${length}\r\n{port}\r\n").into_bytes()
}

fn by_sentinel(sentinel: SocketAddr) -> Servers {
    Servers::of(&[url(sentinel)], Topology::Sentinel("m".into()), TIMEOUT, 1)
}

/// A sentinel that names a dead master.
fn failing_over() -> Servers {
    let master = master_at(nobody());
    by_sentinel(server(move |_| Some(master.clone())))
}

/// As a removal is, whatever `--timeout` says.
#[test]
fn who_is_in_a_hurry_waits_less_long_for_another_master() {
    let servers = failing_over();
    let mut store = Store::new(&servers, b"ONLINE:", Access::Change);
    let hurried = servers.hurried(Duration::from_secs(1));
    let begun = Instant::now();
    let done = store.retrying_while(&hurried, &|| true, |_| Ok(()));
    assert!(done.is_err());
    let took = begun.elapsed();
    assert!((1..5).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn no_removal_is_tried_again_once_a_signal_came() {
    let servers = failing_over();
    let mut store = Store::new(&servers, b"ONLINE:", Access::Change);
    let (sets, begun) = (names(1), Instant::now());
    let is_silent = || begun.elapsed() < Duration::from_secs(1);
    let written = store.write(Verb::Remove, &changes(&sets), &is_silent);
    assert!(written.failure.is_some());
    let took = begun.elapsed();
    assert!((1..5).contains(&took.as_secs()), "{took:?}");
}

#[test]
fn a_batch_ends_in_time_and_a_slow_server_gets_smaller_ones() {
    let slow = server(|name| match name {
        "SADD" => {
            thread::sleep(Duration::from_millis(100));
            Some(DONE.to_vec())
        }
        _ => Some(NO.to_vec()),
    });
    for (longest, sets, in_time) in [(2_550, 50, 15..=25), (550, 15, 2..=5)] {
        let longest = Duration::from_millis(longest);
        let servers = Servers::at(&url(slow), TIMEOUT).ending_in(longest);
        let sets = names(sets);
        let sets = changes(&sets);
        let mut write = Write::new(Verb::Add, &sets);
        let begun = Instant::now();
        let sent = write.send(&mut pipeline(&servers), &|| true);
        assert!(matches!(sent, Err(Error::TimedOut)), "{sent:?}");
        assert!(begun.elapsed() < 2 * longest, "{:?}", begun.elapsed());
        let done = write.confirmations();
        assert!(in_time.contains(&done), "{done}");
        write.send(&mut pipeline(&servers), &|| true).unwrap();
        assert!(write.open().is_empty());
    }
}

#[test]
fn a_master_that_breaks_its_connection_leaves_no_doubt_of_the_others() {
    let breaks = server(|name| (name != "SREM").then(|| NO.to_vec()));
    let other = server(|name| Some(if name == "SREM" { DONE } else { NO }.to_vec()));
    let node = server(move |_| Some(slots(&[(other, 8_192), (breaks, 8_192)])));
    let servers = Servers::of(&[url(node)], Topology::Cluster, TIMEOUT, 1);
    // Their slots are 7749, 11814 and 3684.
    let sets = ["ONLINE:2", "ONLINE:1", "ONLINE:3"].map(String::from);
    let sets = changes(&sets);
    let mut write = Write::new(Verb::Remove, &sets);
    assert!(write.send(&mut pipeline(&servers), &|| true).is_err());
    let written = write.ended(None);
    let fates = [(0, Fate::Done), (1, Fate::Unconfirmed), (2, Fate::Done)];
    assert_eq!(written.fates, fates);
    assert_eq!(written.unanswered, [1]);
}

/// Confirmed, then sent again, since the connection broke.
#[test]
fn what_is_refused_once_it_was_confirmed_is_perhaps_lost() {
    let sets = names(2);
    let sets = changes(&sets);
    let mut write = Write::new(Verb::Add, &sets);
    let server = |answers: [&'static [u8]; 2]| {
        let mut answers = answers.into_iter();
        let address = server(move |name| match name {
            "SADD" => answers.next().map(<[u8]>::to_vec),
            _ => Some(NO.to_vec()),
        });
        pipeline(&Servers::at(&url(address), TIMEOUT))
    };
    let refused: &[u8] = b"-OOM command not allowed\r\n";
    let sent = write.send(&mut server([DONE, refused]), &|| true);
    assert_eq!(sent.unwrap_err().refusal(), Some(Refusal::OutOfMemory));
    write.repeat(|_, _| true);
    let sent = write.send(&mut server([refused, refused]), &|| true);
    assert!(sent.is_err());
    let fates = write.ended(None).fates;
    assert_eq!(fates, [(0, Fate::PerhapsLost), (1, Fate::Untouched)]);
}

/// It hangs, and answers again; then it dies, and has lost what it confirmed. One that does so for ever ends it.
#[test]
fn what_was_confirmed_is_sent_three_times_more_and_then_perhaps_lost() {
    let sets = names(1);
    let sets = changes(&sets);
    let mut write = Write::new(Verb::Add, &sets);
    let address = server(|name| Some(if name == "SADD" { DONE } else { NO }.to_vec()));
    let servers = Servers::at(&url(address), TIMEOUT);
    for confirmed in 1..=4 {
        write.send(&mut pipeline(&servers), &|| true).unwrap();
        assert_eq!(write.confirmations(), confirmed);
        write.repeat(|_, _| true);
    }
    assert_eq!(write.ended(None).fates, [(0, Fate::PerhapsLost)]);
}

/// Sentinels name another one, before anything is put back or while it is.
#[test]
fn what_a_demoted_master_confirms_is_put_back_on_the_new_one() {
    for adds_before_the_fail_over in [0, 2] {
        let added = || Arc::new(AtomicUsize::new(0));
        let (old_added, new_added) = (added(), added());
        let master = |added: Arc<AtomicUsize>| {
            server(move |name| match name {
                "SADD" => {
                    added.fetch_add(1, Ordering::SeqCst);
                    Some(DONE.to_vec())
                }
                _ => Some(NO.to_vec()),
            })
        };
        let (old, new) = (master(old_added.clone()), master(new_added.clone()));
        let is_over = Arc::new(AtomicBool::new(false));
        let (its_over, its_added) = (is_over.clone(), old_added.clone());
        let sentinel = server(move |_| {
            let is_over = its_over.load(Ordering::SeqCst)
                && its_added.load(Ordering::SeqCst) >= adds_before_the_fail_over;
            Some(master_at(if is_over { new } else { old }))
        });
        let servers = by_sentinel(sentinel);
        let mut store = Store::new(&servers, b"ONLINE:", Access::Change);
        store.pipeline = Some(pipeline(&servers));
        is_over.store(true, Ordering::SeqCst);
        let sets = names(2);
        let written = store.put_back(&changes(&sets));
        assert!(written.failure.is_none());
        assert_eq!(written.with(&[Fate::Done]).len(), 2);
        let added = [old_added, new_added].map(|added| added.load(Ordering::SeqCst));
        assert_eq!(added, [adds_before_the_fail_over, 2]);
    }
}

/// The connection to another master of the cluster breaks, and over the next ones the demoted one is none any more.
#[test]
fn what_an_earlier_connection_confirmed_is_put_back_on_the_new_master() {
    let counting = |added: Arc<AtomicUsize>, breaks: usize| {
        server(move |name| match name {
            "SADD" if added.fetch_add(1, Ordering::SeqCst) < breaks => None,
            "SADD" => Some(DONE.to_vec()),
            _ => Some(NO.to_vec()),
        })
    };
    let added: [Arc<AtomicUsize>; 3] = Default::default();
    let old = counting(added[0].clone(), 0);
    let new = counting(added[1].clone(), 0);
    let other = counting(added[2].clone(), 1);
    let others = added[2].clone();
    let node = server(move |_| {
        let is_over = others.load(Ordering::SeqCst) > 0;
        let master = if is_over { new } else { old };
        Some(slots(&[(master, 8_192), (other, 8_192)]))
    });
    let servers = Servers::of(&[url(node)], Topology::Cluster, TIMEOUT, 1);
    let mut store = Store::new(&servers, b"ONLINE:", Access::Change);
    // Their slots are 7749 and 11814.
    let sets = ["ONLINE:2", "ONLINE:1"].map(String::from);
    let written = store.put_back(&changes(&sets));
    assert_eq!(written.with(&[Fate::Done]).len(), 2);
    assert_eq!(added.map(|added| added.load(Ordering::SeqCst)), [1, 1, 2]);
}

/// It says where another key is, and with that the slots are learnt anew.
#[test]
fn what_a_demoted_master_confirms_beside_a_moved_key_is_put_back_on_the_new_one() {
    let added: [Arc<AtomicUsize>; 2] = Default::default();
    let (its_added, new_added) = (added[0].clone(), added[1].clone());
    let new = server(move |name| match name {
        "SADD" => {
            new_added.fetch_add(1, Ordering::SeqCst);
            Some(DONE.to_vec())
        }
        _ => Some(NO.to_vec()),
    });
    let learnt: Arc<OnceLock<Vec<u8>>> = Arc::default();
    let its_slots = learnt.clone();
    let other = server(move |name| match name {
        "SADD" => {
            its_added.fetch_add(1, Ordering::SeqCst);
            Some(DONE.to_vec())
        }
        "CLUSTER" => its_slots.get().cloned(),
        _ => Some(NO.to_vec()),
    });
    learnt.set(slots(&[(new, 8_192), (other, 8_192)])).unwrap();
    let moved = format!("-MOVED 11814 {other}\r\n").into_bytes();
    let mut answers = [moved, DONE.to_vec()].into_iter();
    let old = server(move |name| match name {
        "SADD" => answers.next(),
        _ => Some(NO.to_vec()),
    });
    let its_added = added[0].clone();
    let node = server(move |_| {
        let is_over = its_added.load(Ordering::SeqCst) > 0;
        Some(if is_over {
            learnt.get().unwrap().clone()
        } else {
            slots_of(old)
        })
    });
    let servers = Servers::of(&[url(node)], Topology::Cluster, TIMEOUT, 1);
    let mut store = Store::new(&servers, b"ONLINE:", Access::Change);
    // Their slots are 11814 and 7749.
    let sets = ["ONLINE:1", "ONLINE:2"].map(String::from);
    let written = store.put_back(&changes(&sets));
    assert_eq!(written.with(&[Fate::Done]).len(), 2);
    assert_eq!(added.map(|added| added.load(Ordering::SeqCst)), [1, 1]);
}

#[test]
fn nobody_to_put_back_costs_no_connection() {
    let servers = Servers::at(&url(server(|_| Some(NO.to_vec()))), TIMEOUT);
    let mut store = Store::new(&servers, b"ONLINE:", Access::Change);
    store.pipeline = Some(pipeline(&servers));
    assert!(store.put_back::<()>(&[]).failure.is_none());
    assert!(store.pipeline.is_some());
}

#[test]
fn a_put_back_through_a_slow_server_ends() {
    let slow = server(|name| match name {
        "SADD" => {
            thread::sleep(Duration::from_millis(400));
            Some(DONE.to_vec())
        }
        _ => Some(NO.to_vec()),
    });
    let servers = Servers::at(&url(slow), TIMEOUT);
    let names: Vec<_> = (0..6_000).map(|user| user.to_string()).collect();
    let members = names.iter().map(|name| ((), name.as_bytes()));
    let changes = [Change {
        key: b"ONLINE:a",
        members: members.collect(),
    }];
    let mut store = Store::new(&servers, b"ONLINE:", Access::Change);
    let mut write = Write::new(Verb::Add, &changes);
    // The second of three batches is over after 1.6 s.
    let longest = PUT_BACK_STEP + Duration::from_secs(1);
    let error = store.walk(&mut write, longest).unwrap_err();
    let failure = explain(error, &servers).to_string();
    let said = "it is too slow: not everyone was put back within 1s";
    assert!(failure.ends_with(said), "{failure}");
    let written = write.ended(None);
    assert_eq!(written.with(&[Fate::Done]).len(), 4_000);
    assert_eq!(written.with(&[Fate::Untouched]).len(), 2_000);
}

/// Either master gives the first page of the set, and then the other one has its slot.
#[test]
fn a_set_that_moves_on_before_it_is_read_is_told_as_one() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = listeners
        .each_ref()
        .map(|listener| listener.local_addr().unwrap());
    let [one, two] = addresses;
    for (listener, (own, other)) in listeners.into_iter().zip([(one, two), (two, one)]) {
        let moved = format!("-MOVED 1 {other}\r\n");
        let mut pages = ["*2\r\n$1\r\n7\r\n*0\r\n".to_owned(), moved]
            .into_iter()
            .cycle();
        serve(listener, move |name| match name {
            "CLUSTER" => Some(slots_of(own)),
            "SCAN" => Some(b"*2\r\n$1\r\n0\r\n*1\r\n$8\r\nONLINE:a\r\n".to_vec()),
            "SCARD" => Some(b":20000\r\n".to_vec()),
            "SSCAN" => pages.next().map(String::into_bytes),
            _ => Some(NO.to_vec()),
        });
    }
    let servers = Servers::of(&[url(one)], Topology::Cluster, TIMEOUT, 0);
    let rules = Rules::of_all(UserCase::Ignored, AorDomain::Own);
    let read = Store::new(&servers, b"ONLINE:", Access::Look).read(&rules);
    let failure = read.err().unwrap();
    let said = "a slot moves to another master again and again while its set is read";
    assert!(failure.to_string().ends_with(said), "{failure}");
    assert!(
        failure
            .hint
            .unwrap()
            .contains("when the resharding is over")
    );
}
