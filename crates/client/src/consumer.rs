//! The consumer: reads assigned partitions from a place, follows their leaders.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};

use crate::{Client, Error};

mod decode;
mod fetch;

use fetch::{FetchOutcome, Wanted, fetch};

/// Partitions of one consumer.
const PARTITIONS: usize = 100_000;

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first offset that is there.
    Earliest,
    /// After the last record that is there now.
    Latest,
    /// At the first record with this timestamp or a later one, in milliseconds since 1970; at the
    /// end if there is none.
    Timestamp(i64),
    /// At this offset.
    Offset(i64),
}

/// How the consumer behaves; the defaults are those of Kafka's Java client.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// How long a broker may wait for something to send.
    pub max_wait: Duration,
    /// The bytes for which a broker waits.
    pub min_bytes: i32,
    /// The most bytes of one answer; one batch larger than that comes all the same.
    pub max_bytes: i32,
    /// The most bytes of one partition in an answer.
    pub partition_max_bytes: i32,
    /// Where to go on when the offset is not there any more; `None` makes that an error.
    pub reset: Option<Start>,
}

impl Default for ConsumerOptions {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 50 * 1024 * 1024,
            partition_max_bytes: 1024 * 1024,
            reset: None,
        }
    }
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// Headers, in order; a name may come twice.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// A partition's place in its log.
#[derive(Clone, Copy, Debug)]
enum Position {
    Unresolved(Start),
    At(i64),
}

#[derive(Debug)]
struct Assigned {
    position: Position,
    /// The end of the log as the last answer told it; -1 before one came.
    high_watermark: i64,
}

type Key = (String, i32);

/// Reads assigned partitions. Dropping a poll loses nothing.
pub struct Consumer {
    client: Client,
    options: ConsumerOptions,
    assigned: BTreeMap<Key, Assigned>,
    /// One for each leader at most. Tasks, because a future that holds a lock of the client while
    /// nobody polls the consumer would stop everybody else; they end with the consumer.
    fetches: JoinSet<FetchOutcome>,
    busy: BTreeSet<i32>,
    /// Answers beyond the one that a poll returned; bounded by one answer for each leader.
    ready: VecDeque<Vec<ConsumedRecord>>,
    /// An error that a poll is to return once what came before it is handed out.
    failed: Option<Error>,
    backoff: Option<crate::backoff::Backoff>,
}

impl Consumer {
    /// A consumer of the given partitions.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub fn new(
        client: Client,
        options: ConsumerOptions,
        assignment: impl IntoIterator<Item = (String, i32, Start)>,
    ) -> Result<Self, Error> {
        let mut assigned = BTreeMap::new();
        for (topic, partition, start) in assignment {
            let position = match start {
                Start::Offset(offset) => Position::At(offset),
                other => Position::Unresolved(other),
            };
            assigned.insert(
                (topic, partition),
                Assigned {
                    position,
                    high_watermark: -1,
                },
            );
            if assigned.len() > PARTITIONS {
                return Err(Error::TooMany {
                    what: "partitions",
                    limit: PARTITIONS,
                });
            }
        }
        Ok(Self {
            client,
            options,
            assigned,
            fetches: JoinSet::new(),
            busy: BTreeSet::new(),
            ready: VecDeque::new(),
            failed: None,
            backoff: None,
        })
    }

    /// A consumer of every partition of a topic, all from the same start.
    ///
    /// # Errors
    /// If the topic is not there.
    pub async fn of_topic(
        client: Client,
        options: ConsumerOptions,
        topic: &str,
        start: Start,
    ) -> Result<Self, Error> {
        let known = client.topic(topic).await?;
        let assignment: Vec<(String, i32, Start)> = known
            .partitions
            .keys()
            .map(|index| (topic.to_owned(), *index, start))
            .collect();
        Self::new(client, options, assignment)
    }

    /// The next offset of a partition to be handed out by the network; `None` before its start is
    /// resolved.
    pub fn position(&self, topic: &str, partition: i32) -> Option<i64> {
        match self.assigned.get(&(topic.to_owned(), partition))?.position {
            Position::At(offset) => Some(offset),
            Position::Unresolved(_) => None,
        }
    }

    /// Whether every partition was read up to the high watermark of its last answer.
    pub fn is_caught_up(&self) -> bool {
        self.ready.is_empty()
            && self.assigned.values().all(|a| match a.position {
                Position::At(offset) => a.high_watermark >= 0 && offset >= a.high_watermark,
                Position::Unresolved(_) => false,
            })
    }

    /// The next records, of one or more partitions, in the order of each partition's log; none if
    /// nothing came within `wait`. Passing troubles (a leader that moves, a broker that is gone)
    /// are waited out.
    ///
    /// # Errors
    /// What does not pass: damaged data, an offset that is not there, a topic that is gone.
    pub async fn poll(&mut self, wait: Duration) -> Result<Vec<ConsumedRecord>, Error> {
        match tokio::time::timeout(wait, self.next()).await {
            Ok(result) => result,
            Err(_elapsed) => Ok(Vec::new()),
        }
    }

    async fn next(&mut self) -> Result<Vec<ConsumedRecord>, Error> {
        loop {
            if let Some(records) = self.ready.pop_front() {
                return Ok(records);
            }
            if let Some(error) = self.failed.take() {
                return Err(error);
            }
            self.resolve_positions().await?;
            let waiting = self.start_fetches();
            // Partitions without a leader need a refresh even while other leaders answer.
            let needs_refresh = waiting || self.fetches.is_empty();
            if needs_refresh {
                let pause = self.pause();
                tokio::select! {
                    Some(outcome) = self.fetches.join_next() => self.take(joined(outcome)),
                    () = tokio::time::sleep(pause) => self.refresh().await,
                }
            } else if let Some(outcome) = self.fetches.join_next().await {
                self.take(joined(outcome));
            }
        }
    }

    fn pause(&mut self) -> Duration {
        let client = &self.client;
        self.backoff.get_or_insert_with(|| client.backoff()).pause()
    }

    async fn refresh(&mut self) {
        if let Err(error) = self.client.refresh().await {
            tracing::debug!(%error, "no broker describes the cluster now");
        }
    }

    /// Turns starts into offsets. A future that is dropped here asks again next time.
    async fn resolve_positions(&mut self) -> Result<(), Error> {
        let unresolved: Vec<(Key, Start)> = self
            .assigned
            .iter()
            .filter_map(|(key, a)| match a.position {
                Position::Unresolved(start) => Some((key.clone(), start)),
                Position::At(_) => None,
            })
            .collect();
        for ((topic, partition), start) in unresolved {
            let admin = crate::Admin::new(self.client.clone());
            let offset = admin.offset_of(&topic, partition, start).await?;
            if let Some(assigned) = self.assigned.get_mut(&(topic, partition)) {
                assigned.position = Position::At(offset);
            }
        }
        // Also makes the client track the topics of partitions with given offsets.
        let topics: BTreeSet<String> = self.assigned.keys().map(|(t, _)| t.clone()).collect();
        for topic in topics {
            if !self.client.cluster().topics.contains_key(&topic) {
                self.client.topic(&topic).await?;
            }
        }
        Ok(())
    }

    /// Asks every leader that is not asked yet. Returns whether a partition has no leader now.
    fn start_fetches(&mut self) -> bool {
        let mut by_leader: BTreeMap<i32, Vec<Wanted>> = BTreeMap::new();
        let mut leaderless = false;
        for ((topic, index), assigned) in &self.assigned {
            let Position::At(offset) = assigned.position else {
                continue;
            };
            match self.client.leader(topic, *index) {
                Ok(partition) if self.busy.contains(&partition.leader) => {}
                Ok(partition) => by_leader.entry(partition.leader).or_default().push(Wanted {
                    topic: topic.clone(),
                    partition: *index,
                    leader_epoch: partition.leader_epoch,
                    offset,
                }),
                Err(_no_leader) => leaderless = true,
            }
        }
        for (leader, wanted) in by_leader {
            self.busy.insert(leader);
            let (client, options) = (self.client.clone(), self.options.clone());
            self.fetches.spawn(fetch(client, options, leader, wanted));
        }
        leaderless
    }

    fn take(&mut self, outcome: FetchOutcome) {
        self.busy.remove(&outcome.leader);
        let mut trouble = false;
        let mut records = Vec::new();
        for part in outcome.parts {
            let Some(assigned) = self.assigned.get_mut(&(part.topic, part.partition)) else {
                continue;
            };
            // A position that moved meanwhile (two leaders in turn) makes the answer stale.
            if !matches!(assigned.position, Position::At(at) if at == part.offset) {
                continue;
            }
            match part.result {
                Ok(read) => {
                    assigned.position = Position::At(read.next_offset);
                    assigned.high_watermark = read.high_watermark;
                    records.extend(read.records);
                }
                Err(error) if fetch::is_out_of_range(&error) && self.options.reset.is_some() => {
                    if let Some(start) = self.options.reset {
                        assigned.position = match start {
                            Start::Offset(offset) => Position::At(offset),
                            other => Position::Unresolved(other),
                        };
                    }
                }
                Err(error) if error.is_retriable() => trouble = true,
                Err(error) => self.failed = Some(error),
            }
        }
        if !records.is_empty() {
            self.ready.push_back(records);
        }
        if trouble {
            let client = self.client.clone();
            let pause = self.pause();
            let leader = outcome.leader;
            self.busy.insert(leader);
            // The leader counts as busy until the pause and the refresh are over.
            self.fetches.spawn(async move {
                tokio::time::sleep(pause).await;
                drop(client.refresh().await);
                FetchOutcome {
                    leader,
                    parts: Vec::new(),
                }
            });
        } else {
            self.backoff = None;
        }
    }
}

/// A panic of a fetch goes on in its owner; nothing else ends one before the consumer does.
fn joined(outcome: Result<FetchOutcome, JoinError>) -> FetchOutcome {
    match outcome {
        Ok(outcome) => outcome,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("assigned", &self.assigned)
            .finish_non_exhaustive()
    }
}
