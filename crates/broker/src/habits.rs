//! What clients were seen to do that may cost records, so that `holdfast doctor` can name them.
//!
//! It is what this broker saw lately, for people to look at: nothing depends on it, and of many the
//! oldest are forgotten.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::Monotonic;
use parking_lot::Mutex;

/// Habits that are remembered at most, and rows of commits that may become one.
const MOST: usize = 1_000;

/// For so long after they were seen last.
const REMEMBERED: Duration = Duration::from_hours(1);

/// The longest name of a client that is remembered whole, in bytes.
const LONGEST: usize = 256;

/// The pause between two commits of a client that commits by itself, as clients have it by default,
/// give or take a tenth.
const AUTO_COMMIT: Duration = Duration::from_secs(5);

/// So many in a row are no chance.
const ROW: u8 = 6;

/// What a client does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Habit {
    /// It writes to a topic and does not wait for an answer.
    Unacknowledged(Arc<str>),
    /// It writes to a topic and waits for the leader alone.
    LeaderOnly(Arc<str>),
    /// It writes to a topic without idempotence: what it sends again may be there twice.
    Twice(Arc<str>),
    /// It commits for a group at fixed times, whether or not what it read was worked on.
    AutoCommit(Arc<str>),
}

/// A habit, whose, and when it was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// How the client calls itself.
    pub client: Arc<str>,
    /// Where it is.
    pub address: IpAddr,
    /// What it does.
    pub habit: Habit,
    /// Milliseconds since 1970.
    pub last_ms: i64,
}

/// The habits that were seen.
#[derive(Debug, Default)]
pub struct Habits {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    habits: BTreeMap<(Arc<str>, Habit), Last>,
    commits: BTreeMap<(Arc<str>, Arc<str>), Commits>,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    address: IpAddr,
    at: Monotonic,
    at_ms: i64,
}

/// Commits of a client for a group.
#[derive(Clone, Copy, Debug)]
struct Commits {
    at: Monotonic,
    /// How many came one after the other at fixed times.
    row: u8,
}

/// A client at a moment.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    /// How it calls itself.
    pub name: &'a str,
    /// Where it is.
    pub address: IpAddr,
    /// Now.
    pub at: Monotonic,
    /// Now, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Habits {
    /// A client has a habit.
    pub fn seen(&self, client: Client<'_>, habit: Habit) {
        self.inner.lock().seen(client, habit);
    }

    /// A client commits for a group.
    pub fn committed(&self, client: Client<'_>, group: &str) {
        let mut inner = self.inner.lock();
        let key = (name_of(client.name), name_of(group));
        let before = inner.commits.get(&key).copied();
        let row = before.map_or(0, |before| {
            let pause = client.at.since(before.at);
            let fits = pause.abs_diff(AUTO_COMMIT) <= AUTO_COMMIT / 10;
            if fits {
                before.row.saturating_add(1)
            } else {
                0
            }
        });
        let group = Arc::clone(&key.1);
        let now = Commits { at: client.at, row };
        bound(&mut inner.commits, &key, |commits| commits.at);
        inner.commits.insert(key, now);
        if row >= ROW {
            inner.seen(client, Habit::AutoCommit(group));
        }
    }

    /// What was seen lately.
    pub fn list(&self, now: Monotonic) -> Vec<Seen> {
        let inner = self.inner.lock();
        let recent = inner
            .habits
            .iter()
            .filter(|(_, last)| now.since(last.at) <= REMEMBERED);
        let seen = recent.map(|((client, habit), last)| Seen {
            client: Arc::clone(client),
            address: last.address,
            habit: habit.clone(),
            last_ms: last.at_ms,
        });
        seen.collect()
    }
}

impl Inner {
    fn seen(&mut self, client: Client<'_>, habit: Habit) {
        let key = (name_of(client.name), habit);
        let last = Last {
            address: client.address,
            at: client.at,
            at_ms: client.at_ms,
        };
        bound(&mut self.habits, &key, |last| last.at);
        self.habits.insert(key, last);
    }
}

/// Makes room for a key, if it needs any.
fn bound<K: Ord + Clone, V>(map: &mut BTreeMap<K, V>, key: &K, at: impl Fn(&V) -> Monotonic) {
    if map.len() < MOST || map.contains_key(key) {
        return;
    }
    let oldest = map.iter().min_by_key(|(_, value)| at(value));
    if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
        map.remove(&oldest);
    }
}

fn name_of(name: &str) -> Arc<str> {
    Arc::from(&name[..name.floor_char_boundary(LONGEST)])
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn client(name: &str, seconds: u64) -> Client<'_> {
        Client {
            name,
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            at: Monotonic(seconds * 1_000_000_000),
            at_ms: 0,
        }
    }

    fn now(seconds: u64) -> Monotonic {
        Monotonic(seconds * 1_000_000_000)
    }

    #[test]
    fn a_habit_is_told_once_and_forgotten_after_an_hour() {
        let habits = Habits::default();
        let habit = Habit::LeaderOnly(Arc::from("orders"));
        for at in [1, 2, 3] {
            habits.seen(client("app", at), habit.clone());
        }
        let seen = habits.list(now(3));
        assert_eq!(seen.len(), 1);
        assert_eq!((&*seen[0].client, &seen[0].habit), ("app", &habit));
        assert_eq!(habits.list(now(3_603)).len(), 1);
        assert_eq!(habits.list(now(3_604)).len(), 0);
    }

    #[test]
    fn commits_at_fixed_times_are_those_of_a_client_that_commits_by_itself() {
        let habits = Habits::default();
        for at in 0..20 {
            habits.committed(client("by hand", at * 2), "g");
        }
        assert_eq!(habits.list(now(40)), []);
        for at in 0..=u64::from(ROW) {
            assert_eq!(habits.list(now(40)), []);
            habits.committed(client("by itself", at * 5), "g");
        }
        let seen = habits.list(now(40));
        assert_eq!(seen[0].habit, Habit::AutoCommit(Arc::from("g")));
        assert_eq!(&*seen[0].client, "by itself");
    }

    #[test]
    fn however_many_clients_there_are_the_newest_are_remembered() {
        let habits = Habits::default();
        let count = MOST as u64 + 10;
        for at in 0..count {
            let name = format!("{at}");
            habits.seen(client(&name, at), Habit::Twice(Arc::from("t")));
            habits.committed(client(&name, at), "g");
        }
        let seen = habits.list(now(count));
        assert_eq!(seen.len(), MOST);
        assert!(
            seen.iter()
                .all(|one| one.client.parse::<u64>().unwrap() >= 10)
        );
        assert!(habits.inner.lock().commits.len() <= MOST);
        let long = "\u{e9}".repeat(LONGEST);
        assert!(name_of(&long).len() <= LONGEST);
    }
}
