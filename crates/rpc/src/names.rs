//! What the names of peers mean, remembered.
//!
//! A zone that is lost takes name servers with it, and a resolver waits for seconds for each question
//! that reached one of those: longer than a session. So a peer is also called where it was before when
//! no newer answer comes in a moment. That an address may belong to another peer by now is harmless:
//! every message says whom it is for or who answered it.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use holdfast_model::{Clock, Monotonic};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use crate::Address;

/// An answer of this age is as good as a new one.
pub(crate) const FRESH: Duration = Duration::from_secs(2);

/// How often a name is asked for that nobody dials.
const REFRESH: Duration = Duration::from_secs(20);

/// Questions at a time for names that nobody dials: each holds a thread until it is answered.
const REFRESHES_AT_ONCE: usize = 4;

type Answer = Result<Arc<[IpAddr]>, io::ErrorKind>;

/// A question under way; none until it is answered.
type Question = watch::Receiver<Option<Answer>>;

type LookUp = dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync;

/// The names that were asked for. Cheap to clone; all clones are one.
#[derive(Clone)]
pub(crate) struct Names {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Arc<dyn Clock>,
    look_up: Box<LookUp>,
    /// Most names that are kept.
    limit: usize,
    known: Mutex<HashMap<String, Known>>,
    refreshes: Semaphore,
}

#[derive(Default)]
struct Known {
    /// With the moment until which they are as good as new ones.
    addresses: Option<(Arc<[IpAddr]>, Monotonic)>,
    asked: Monotonic,
    /// A question waits for its turn.
    queued: bool,
    question: Option<Question>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// The names that the system's resolver knows.
    pub(crate) fn new(limit: usize, clock: Arc<dyn Clock>) -> Self {
        Self::of(limit, clock, |host| {
            Box::pin(async move {
                let found = tokio::net::lookup_host((host, 0)).await?;
                Ok(found.map(|address| address.ip()).collect())
            })
        })
    }

    /// With another resolver.
    pub(crate) fn of<F>(limit: usize, clock: Arc<dyn Clock>, look_up: F) -> Self
    where
        F: Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync + 'static,
    {
        Self {
            inner: Arc::new(Inner {
                clock,
                look_up: Box::new(look_up),
                limit: limit.max(1),
                known: Mutex::default(),
                refreshes: Semaphore::new(REFRESHES_AT_ONCE),
            }),
        }
    }

    /// Where a peer was when that was known last.
    pub(crate) fn before(&self, peer: &Address) -> Option<Vec<SocketAddr>> {
        let known = self.inner.known.lock();
        let (addresses, _) = known.get(&peer.host)?.addresses.as_ref()?;
        Some(with_port(addresses, peer.port))
    }

    /// Where a peer is, from an answer of this moment.
    pub(crate) async fn resolve_now(&self, peer: &Address) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = peer.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, peer.port)]);
        }
        if let Some(fresh) = self.fresh(&peer.host) {
            return Ok(with_port(&fresh, peer.port));
        }
        let mut question = self.ask(&peer.host);
        let answer = question.wait_for(Option::is_some).await;
        let answer = answer.ok().and_then(|answer| answer.clone());
        match answer {
            Some(Ok(addresses)) => Ok(with_port(&addresses, peer.port)),
            Some(Err(kind)) => Err(kind.into()),
            None => Err(io::Error::other("the question was given up")),
        }
    }

    /// Learns what names mean before anybody needs it. Returns at once.
    pub(crate) fn remember<'a>(&self, hosts: impl IntoIterator<Item = &'a str>) {
        let now = self.inner.clock.monotonic();
        for host in hosts {
            if host.parse::<IpAddr>().is_ok() {
                continue;
            }
            let mut known = self.inner.known.lock();
            let is_new = !known.contains_key(host);
            let entry = self.entry(&mut known, host);
            if entry.queued || (!is_new && now.since(entry.asked) < REFRESH) {
                continue;
            }
            entry.asked = now;
            entry.queued = true;
            drop(known);
            let (names, host) = (self.clone(), host.to_owned());
            in_background(async move {
                let Ok(_permit) = names.inner.refreshes.acquire().await else {
                    return;
                };
                if let Some(entry) = names.inner.known.lock().get_mut(&host) {
                    entry.queued = false;
                }
                let mut question = names.ask(&host);
                let _answered = question.wait_for(Option::is_some).await;
            });
        }
    }

    /// What is known of a name led nowhere: it is asked for again before it is used as new.
    pub(crate) fn doubt(&self, host: &str) {
        if let Some(entry) = self.inner.known.lock().get_mut(host)
            && let Some((_, until)) = &mut entry.addresses
        {
            *until = Monotonic::default();
        }
    }

    fn fresh(&self, host: &str) -> Option<Arc<[IpAddr]>> {
        let now = self.inner.clock.monotonic();
        let known = self.inner.known.lock();
        let (addresses, until) = known.get(host)?.addresses.as_ref()?;
        (now < *until).then(|| Arc::clone(addresses))
    }

    /// The question that is under way, or a new one. It goes on if nobody waits for it.
    fn ask(&self, host: &str) -> Question {
        let mut known = self.inner.known.lock();
        let entry = self.entry(&mut known, host);
        if let Some(question) = &entry.question
            && question.has_changed().is_ok()
        {
            return question.clone();
        }
        let (tell, question) = watch::channel(None);
        entry.question = Some(question.clone());
        entry.asked = self.inner.clock.monotonic();
        let (names, host, this) = (self.clone(), host.to_owned(), question.clone());
        in_background(async move {
            let found = (names.inner.look_up)(host.clone()).await;
            let answer = match found {
                Ok(found) if found.is_empty() => Err(io::ErrorKind::NotFound),
                Ok(found) => Ok(Arc::from(found)),
                Err(error) => Err(error.kind()),
            };
            names.note(&host, &this, &answer);
            tell.send_replace(Some(answer));
        });
        question
    }

    fn note(&self, host: &str, question: &Question, answer: &Answer) {
        let mut known = self.inner.known.lock();
        if let Some(entry) = known.get_mut(host) {
            // The name may have been dropped meanwhile, and asked for again.
            if entry
                .question
                .as_ref()
                .is_some_and(|q| q.same_channel(question))
            {
                entry.question = None;
            }
            if let Ok(addresses) = answer {
                let until = self.inner.clock.monotonic().plus(FRESH);
                entry.addresses = Some((Arc::clone(addresses), until));
            }
        }
    }

    /// The entry of a name; for a new one the name that was not asked for longest makes room.
    fn entry<'a>(&self, known: &'a mut HashMap<String, Known>, host: &str) -> &'a mut Known {
        if !known.contains_key(host) && known.len() >= self.inner.limit {
            let oldest = known.iter().min_by_key(|(_, entry)| entry.asked);
            if let Some(oldest) = oldest.map(|(host, _)| host.clone()) {
                known.remove(&oldest);
            }
        }
        known.entry(host.to_owned()).or_default()
    }
}

/// A question that ends by itself and goes on if nobody waits for it. At most one for each name.
#[expect(
    clippy::disallowed_methods,
    reason = "the system's resolver ends every question; there is nothing to supervise"
)]
fn in_background(question: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(question);
}

fn with_port(addresses: &[IpAddr], port: u16) -> Vec<SocketAddr> {
    let with_port = |address: &IpAddr| SocketAddr::new(*address, port);
    addresses.iter().map(with_port).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use holdfast_model::ManualClock;

    use super::*;

    /// What the name servers do, and how often they were asked.
    #[derive(Clone, Default)]
    struct Servers {
        silent: Arc<Mutex<bool>>,
        failing: Arc<Mutex<bool>>,
        address: Arc<Mutex<u8>>,
        asked: Arc<AtomicUsize>,
    }

    impl Servers {
        fn names(&self, clock: &Arc<ManualClock>, limit: usize) -> Names {
            let servers = self.clone();
            Names::of(limit, Arc::clone(clock) as Arc<dyn Clock>, move |_host| {
                servers.asked.fetch_add(1, Ordering::SeqCst);
                let (silent, failing) = (*servers.silent.lock(), *servers.failing.lock());
                let address = IpAddr::from([10, 0, 0, *servers.address.lock()]);
                Box::pin(async move {
                    if silent {
                        std::future::pending::<()>().await;
                    }
                    if failing {
                        return Err(io::ErrorKind::NotFound.into());
                    }
                    Ok(vec![address])
                })
            })
        }
    }

    /// Lets every task of the one thread do what it can.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn peer(host: &str) -> Address {
        Address::new(host, 9192)
    }

    fn at(last: u8) -> Vec<SocketAddr> {
        vec![SocketAddr::from(([10, 0, 0, last], 9192))]
    }

    #[tokio::test]
    async fn what_was_known_is_not_forgotten_and_never_passed_off_as_new() {
        let (servers, clock) = (Servers::default(), Arc::new(ManualClock::default()));
        let names = servers.names(&clock, 10);
        let b = peer("b");
        assert_eq!(names.before(&b), None);
        assert_eq!(names.resolve_now(&b).await.unwrap(), at(0));
        *servers.address.lock() = 7;
        assert_eq!(names.resolve_now(&b).await.unwrap(), at(0));
        clock.advance(FRESH);
        assert_eq!(names.resolve_now(&b).await.unwrap(), at(7));
        // What led nowhere is asked for again at once, and is still the best that is known.
        *servers.address.lock() = 8;
        names.doubt("b");
        assert_eq!(names.before(&b), Some(at(7)));
        assert_eq!(names.resolve_now(&b).await.unwrap(), at(8));
        *servers.address.lock() = 7;
        clock.advance(FRESH);
        assert_eq!(names.resolve_now(&b).await.unwrap(), at(7));
        clock.advance(FRESH);
        *servers.failing.lock() = true;
        let error = names.resolve_now(&b).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        *servers.silent.lock() = true;
        let moment = Duration::from_millis(50);
        let now = tokio::time::timeout(moment, names.resolve_now(&b)).await;
        now.unwrap_err();
        assert_eq!(names.before(&b), Some(at(7)));
    }

    #[tokio::test]
    async fn many_who_ask_at_once_ask_one_question_and_numbers_none() {
        let (servers, clock) = (Servers::default(), Arc::new(ManualClock::default()));
        let names = servers.names(&clock, 10);
        *servers.silent.lock() = true;
        let b = peer("b");
        for _ in 0..50 {
            let moment = Duration::from_millis(1);
            let wait = tokio::time::timeout(moment, names.resolve_now(&b)).await;
            wait.unwrap_err();
        }
        assert_eq!(servers.asked.load(Ordering::SeqCst), 1);
        let number = names.resolve_now(&peer("::1")).await.unwrap();
        assert_eq!(number, vec!["[::1]:9192".parse().unwrap()]);
        names.remember(["127.0.0.1"]);
        settle().await;
        assert_eq!(servers.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn names_are_learned_ahead_a_few_at_a_time_and_kept_within_the_limit() {
        let (servers, clock) = (Servers::default(), Arc::new(ManualClock::default()));
        let names = servers.names(&clock, 10);
        let peers: Vec<Address> = (0..9).map(|n| peer(&format!("b-{n}"))).collect();
        let asked = || servers.asked.load(Ordering::SeqCst);
        let all = || peers.iter().map(|peer| &*peer.host);
        names.remember(all());
        names.remember(all());
        settle().await;
        assert_eq!(asked(), 9);
        clock.advance(REFRESH);
        *servers.silent.lock() = true;
        names.remember(all());
        settle().await;
        assert_eq!(asked(), 9 + REFRESHES_AT_ONCE);
        assert_eq!(names.before(&peers[8]), Some(at(0)));
        clock.advance(Duration::from_millis(1));
        for n in 0..20 {
            names.remember([&*format!("c-{n}")]);
        }
        assert_eq!(names.inner.known.lock().len(), 10);
    }
}
