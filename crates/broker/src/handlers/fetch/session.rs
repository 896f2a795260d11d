//! Incremental fetch sessions (KIP-227): a consumer names its partitions once, then only changes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{ErrorCode, Monotonic};
use holdfast_wire::StrBytes;
use holdfast_wire::messages::FetchRequest;
use parking_lot::Mutex;
use uuid::Uuid;

use super::IDS_FROM;
use super::gather::Gathered;

/// Sessions kept, Kafka's `max.incremental.fetch.session.cache.slots`.
const SLOTS: usize = 1000;

/// A session unused for so long gives its place to a new one, Kafka's eviction time.
const IDLE: Duration = Duration::from_mins(2);

/// The epoch of a request outside every session.
const FINAL_EPOCH: i32 = -1;

/// A topic as the consumer names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum TopicKey {
    Id(Uuid),
    Name(StrBytes),
}

/// One partition that a consumer wants.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) topic: TopicKey,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) max_bytes: usize,
    pub(crate) leader_epoch: i32,
    pub(crate) last_epoch: i32,
}

/// The sessions of all consumers.
#[derive(Debug, Default)]
pub struct FetchSessions {
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_id: HashMap<i32, (Arc<Mutex<Session>>, Monotonic)>,
}

#[derive(Debug)]
struct Session {
    uses_ids: bool,
    next_epoch: i32,
    /// In the order in which they are served: whoever got records goes to the end.
    order: BTreeMap<u64, Entry>,
    places: HashMap<(TopicKey, i32), u64>,
    next_place: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    wanted: Wanted,
    high_watermark: i64,
    log_start: i64,
    failed: bool,
}

/// The session of one request.
#[derive(Debug)]
pub(crate) struct Context {
    id: i32,
    session: Option<Arc<Mutex<Session>>>,
    incremental: bool,
    wanted: Vec<Wanted>,
}

impl FetchSessions {
    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.sessions.lock().by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens, continues or ends the session that a request names.
    ///
    /// # Errors
    /// Kafka's codes for unknown sessions, wrong epochs, and names mixed with ids.
    pub(crate) fn open(
        &self,
        request: &FetchRequest,
        version: i16,
        now: Monotonic,
    ) -> Result<Context, ErrorCode> {
        let uses_ids = version >= IDS_FROM;
        let (id, epoch) = (request.session_id, request.session_epoch);
        let mut sessions = self.sessions.lock();
        if epoch == FINAL_EPOCH || epoch == 0 {
            if id != 0 {
                sessions.by_id.remove(&id);
            }
            let wanted = wanted(request, version);
            if epoch == FINAL_EPOCH {
                return Ok(Context {
                    id: 0,
                    session: None,
                    incremental: false,
                    wanted,
                });
            }
            return Ok(sessions.create(uses_ids, wanted, now));
        }
        let (session, used) = sessions
            .by_id
            .get_mut(&id)
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        *used = now;
        let session = Arc::clone(session);
        let mut state = session.lock();
        if state.next_epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if state.uses_ids != uses_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        state.next_epoch = next_epoch(epoch);
        for one in wanted(request, version) {
            state.put(one);
        }
        for topic in &request.forgotten_topics_data {
            let key = key(uses_ids, &topic.topic.0, topic.topic_id);
            for partition in &topic.partitions {
                state.forget(&(key.clone(), *partition));
            }
        }
        let wanted = state
            .order
            .values()
            .map(|entry| entry.wanted.clone())
            .collect();
        drop(state);
        Ok(Context {
            id,
            session: Some(session),
            incremental: true,
            wanted,
        })
    }
}

impl Sessions {
    fn create(&mut self, uses_ids: bool, wanted: Vec<Wanted>, now: Monotonic) -> Context {
        if self.by_id.len() >= SLOTS {
            let oldest = self.by_id.iter().min_by_key(|(_, (_, used))| *used);
            match oldest
                .filter(|(_, (_, used))| now.since(*used) >= IDLE)
                .map(|(id, _)| *id)
            {
                Some(oldest) => self.by_id.remove(&oldest),
                // No room: the consumer goes on without a session.
                None => {
                    return Context {
                        id: 0,
                        session: None,
                        incremental: false,
                        wanted,
                    };
                }
            };
        }
        let id = self.unused_id();
        let mut session = Session {
            uses_ids,
            next_epoch: 1,
            order: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
        };
        wanted.iter().cloned().for_each(|one| session.put(one));
        let session = Arc::new(Mutex::new(session));
        self.by_id.insert(id, (Arc::clone(&session), now));
        Context {
            id,
            session: Some(session),
            incremental: false,
            wanted,
        }
    }
}

impl Sessions {
    /// Drawn, not counted: a consumer of this broker's last life must not meet the session of
    /// another consumer under the number it remembers.
    fn unused_id(&self) -> i32 {
        let mut drawn = Uuid::new_v4().as_u128();
        loop {
            let id = (drawn as u32 >> 1) as i32;
            if id != 0 && !self.by_id.contains_key(&id) {
                return id;
            }
            // Two billion numbers for a thousand sessions: this ends soon.
            drawn = Uuid::new_v4().as_u128();
        }
    }
}

impl Session {
    fn put(&mut self, wanted: Wanted) {
        let key = (wanted.topic.clone(), wanted.partition);
        let known = self
            .places
            .get(&key)
            .and_then(|place| self.order.get_mut(place));
        if let Some(entry) = known {
            entry.wanted = wanted;
        } else {
            let entry = Entry {
                wanted,
                high_watermark: -1,
                log_start: -1,
                failed: false,
            };
            self.append(key, entry);
        }
    }

    fn append(&mut self, key: (TopicKey, i32), entry: Entry) {
        let place = self.next_place;
        self.next_place += 1;
        self.order.insert(place, entry);
        self.places.insert(key, place);
    }

    fn forget(&mut self, key: &(TopicKey, i32)) {
        if let Some(place) = self.places.remove(key) {
            self.order.remove(&place);
        }
    }
}

impl Context {
    /// The session to name in the answer; 0 for none.
    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    /// The partitions to look at, in order.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        self.wanted.clone()
    }

    /// Whether the consumer must be told of a partition: in an incremental answer only if it has
    /// records, failed, or moved. Remembers what is told.
    pub(super) fn is_news(&self, wanted: &Wanted, gathered: &Gathered) -> bool {
        let Some(session) = &self.session else {
            return true;
        };
        let mut session = session.lock();
        let key = (wanted.topic.clone(), wanted.partition);
        let Some(place) = session.places.get(&key).copied() else {
            return true;
        };
        let Some(entry) = session.order.get_mut(&place) else {
            return true;
        };
        let failed = gathered.code != ErrorCode::None;
        let news = failed
            || entry.failed
            || gathered.is_urgent()
            || gathered.bytes() > 0
            || entry.high_watermark != gathered.high_watermark
            || entry.log_start != gathered.log_start;
        entry.high_watermark = gathered.high_watermark;
        entry.log_start = gathered.log_start;
        entry.failed = failed;
        if gathered.bytes() > 0
            && let Some(entry) = session.order.remove(&place)
        {
            session.append(key, entry);
        }
        news || !self.incremental
    }
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

fn key(uses_ids: bool, name: &StrBytes, id: Uuid) -> TopicKey {
    if uses_ids {
        TopicKey::Id(id)
    } else {
        TopicKey::Name(name.clone())
    }
}

fn wanted(request: &FetchRequest, version: i16) -> Vec<Wanted> {
    let uses_ids = version >= IDS_FROM;
    request
        .topics
        .iter()
        .flat_map(|topic| {
            let topic_key = key(uses_ids, &topic.topic.0, topic.topic_id);
            topic.partitions.iter().map(move |partition| Wanted {
                topic: topic_key.clone(),
                partition: partition.partition,
                offset: partition.fetch_offset,
                max_bytes: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
                leader_epoch: partition.current_leader_epoch,
                last_epoch: partition.last_fetched_epoch,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
