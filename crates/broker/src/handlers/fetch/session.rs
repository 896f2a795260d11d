//! Incremental fetch sessions (KIP-227): a consumer names its partitions once, then only changes.
//!
//! Sessions outlive connections, so they are bounded by their number and by their partitions, each
//! and all together. A consumer that finds no room goes on without one, as with Kafka.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use holdfast_model::{ErrorCode, Monotonic, limits};
use holdfast_wire::StrBytes;
use holdfast_wire::messages::FetchRequest;
use holdfast_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use parking_lot::Mutex;
use uuid::Uuid;

use super::IDS_FROM;
use super::gather::Gathered;

/// Sessions kept, Kafka's `max.incremental.fetch.session.cache.slots`.
const SLOTS: usize = 1000;

/// Partitions of one session: more than twice as many as Kafka advises one broker to have, and a
/// tenth of what all sessions may have with a budget of 2 GiB.
const LARGEST: usize = 10_000;

/// What a partition of a session takes at most, in bytes, in two maps that are half full, and with
/// a name of its own: see the test.
const PARTITION_BYTES: u64 = 704;

/// All sessions take the memory budget over this at most. It comes on top of the budget's shares,
/// from the 15 % by which the process may exceed it.
const BUDGET_PART: u64 = 32;

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
#[derive(Debug)]
pub struct FetchSessions {
    sessions: Mutex<Sessions>,
}

#[derive(Debug)]
struct Sessions {
    by_id: HashMap<i32, Kept>,
    /// Partitions of all of them.
    partitions: usize,
    /// How many there may be.
    most: usize,
}

/// A session, and what is known of it without its lock.
#[derive(Debug)]
struct Kept {
    session: Arc<Mutex<Session>>,
    used: Monotonic,
    partitions: usize,
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
    /// Weak: a session that was ended is gone, however long its last request waits.
    session: Weak<Mutex<Session>>,
    incremental: bool,
    wanted: Vec<Wanted>,
}

impl FetchSessions {
    /// No sessions yet, which will take a small part of a memory budget of so many bytes.
    pub fn within(budget_bytes: u64) -> Self {
        let sessions = Sessions {
            by_id: HashMap::new(),
            partitions: 0,
            most: (budget_bytes / BUDGET_PART / PARTITION_BYTES) as usize,
        };
        Self {
            sessions: Mutex::new(sessions),
        }
    }

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
        if epoch != FINAL_EPOCH && epoch != 0 {
            return sessions.go_on(request, uses_ids, now);
        }
        if id != 0 {
            sessions.end(id);
        }
        if epoch == 0
            && let Some(created) = sessions.create(request, uses_ids, now)
        {
            return Ok(created);
        }
        drop(sessions);
        Ok(Context {
            id: 0,
            session: Weak::new(),
            incremental: false,
            wanted: as_sent(request, uses_ids),
        })
    }
}

impl Sessions {
    /// A session for a full request, unless there is no room for it.
    fn create(
        &mut self,
        request: &FetchRequest,
        uses_ids: bool,
        now: Monotonic,
    ) -> Option<Context> {
        let asked = request.topics.iter().map(|topic| topic.partitions.len());
        let asked: usize = asked.sum();
        let fits = asked <= LARGEST && names_fit(request, uses_ids);
        if !fits || !self.make_room(1, asked, now) {
            return None;
        }
        let id = self.unused_id();
        let mut session = Session {
            uses_ids,
            next_epoch: 1,
            order: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
        };
        session.update(request);
        let wanted = session.wanted();
        let kept = Kept {
            partitions: session.order.len(),
            session: Arc::new(Mutex::new(session)),
            used: now,
        };
        self.partitions += kept.partitions;
        let session = Arc::downgrade(&kept.session);
        self.by_id.insert(id, kept);
        Some(Context {
            id,
            session,
            incremental: false,
            wanted,
        })
    }

    /// Continues the session of an incremental request.
    fn go_on(
        &mut self,
        request: &FetchRequest,
        uses_ids: bool,
        now: Monotonic,
    ) -> Result<Context, ErrorCode> {
        let id = request.session_id;
        let kept = self.by_id.get_mut(&id);
        let kept = kept.ok_or(ErrorCode::FetchSessionIdNotFound)?;
        kept.used = now;
        let session = Arc::clone(&kept.session);
        let mut state = session.lock();
        if state.next_epoch != request.session_epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if state.uses_ids != uses_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        state.next_epoch = next_epoch(request.session_epoch);
        let names_fit = names_fit(request, uses_ids);
        if names_fit {
            state.update(request);
        }
        let size = state.order.len();
        self.partitions = self.partitions - kept.partitions + size;
        kept.partitions = size;
        if !names_fit || size > LARGEST || !self.make_room(0, 0, now) {
            // It outgrew its room. An answer outside the session (id 0) would do for Java's
            // consumers but not for all, and would cost the look at every partition; an unknown
            // session is what all that use sessions must survive whenever a broker starts anew:
            // they begin with a full request, which is then answered without a session.
            self.end(id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        Ok(Context {
            id,
            session: Arc::downgrade(&session),
            incremental: true,
            wanted: state.wanted(),
        })
    }

    /// Ends idle sessions, the longest unused first, until so many more sessions and partitions
    /// have room. Whether they have.
    fn make_room(&mut self, sessions: usize, partitions: usize, now: Monotonic) -> bool {
        if partitions > self.most {
            return false;
        }
        while self.by_id.len() + sessions > SLOTS || self.partitions + partitions > self.most {
            let oldest = self.by_id.iter().min_by_key(|(_, kept)| kept.used);
            let idle = oldest.filter(|(_, kept)| now.since(kept.used) >= IDLE);
            match idle.map(|(id, _)| *id) {
                Some(id) => self.end(id),
                None => return false,
            }
        }
        true
    }

    fn end(&mut self, id: i32) {
        if let Some(kept) = self.by_id.remove(&id) {
            self.partitions -= kept.partitions;
        }
    }

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
    /// Takes in what a request adds, changes and forgets.
    fn update(&mut self, request: &FetchRequest) {
        for topic in &request.topics {
            self.put(topic);
        }
        for topic in &request.forgotten_topics_data {
            let key = TopicKey::new(self.uses_ids, &topic.topic.0, topic.topic_id);
            for partition in &topic.partitions {
                self.forget(&(key.clone(), *partition));
            }
        }
        // What was forgotten must not go on taking memory: that is bounded by what is there.
        if self.places.capacity() / 4 > self.places.len() {
            self.places.shrink_to_fit();
        }
    }

    /// Takes in the partitions of one topic. Its name is copied, once, and only for those that are
    /// new: as it came it is a slice, which would keep its whole frame in memory.
    fn put(&mut self, topic: &FetchTopic) {
        let sent = TopicKey::new(self.uses_ids, &topic.topic.0, topic.topic_id);
        let mut copy = None;
        for partition in &topic.partitions {
            let key = (sent.clone(), partition.partition);
            let place = self.places.get(&key).copied();
            let known = place.and_then(|place| self.order.get_mut(&place));
            if let Some(entry) = known {
                entry.wanted = Wanted::new(entry.wanted.topic.clone(), partition);
            } else {
                let kept: &TopicKey = copy.get_or_insert_with(|| sent.copied());
                let entry = Entry {
                    wanted: Wanted::new(kept.clone(), partition),
                    high_watermark: -1,
                    log_start: -1,
                    failed: false,
                };
                self.append((kept.clone(), partition.partition), entry);
            }
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

    fn wanted(&self) -> Vec<Wanted> {
        let entries = self.order.values();
        entries.map(|entry| entry.wanted.clone()).collect()
    }
}

impl Context {
    /// The session to name in the answer; 0 for none.
    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    /// The partitions to look at, in order. Taken once.
    pub(crate) fn take_wanted(&mut self) -> Vec<Wanted> {
        std::mem::take(&mut self.wanted)
    }

    /// Whether the consumer must be told of a partition: in an incremental answer only if it has
    /// records, failed, or moved. Remembers what is told.
    pub(super) fn is_news(&self, wanted: &Wanted, gathered: &Gathered) -> bool {
        let Some(session) = self.session.upgrade() else {
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
            // The name that is kept, not that of the request.
            let key = (entry.wanted.topic.clone(), entry.wanted.partition);
            session.append(key, entry);
        }
        news || !self.incremental
    }
}

impl TopicKey {
    fn new(uses_ids: bool, name: &StrBytes, id: Uuid) -> Self {
        if uses_ids {
            Self::Id(id)
        } else {
            Self::Name(name.clone())
        }
    }

    /// The same, in memory of its own.
    fn copied(&self) -> Self {
        match self {
            Self::Id(id) => Self::Id(*id),
            Self::Name(name) => Self::Name(StrBytes::from_string(name.to_string())),
        }
    }
}

impl Wanted {
    fn new(topic: TopicKey, partition: &FetchPartition) -> Self {
        Self {
            topic,
            partition: partition.partition,
            offset: partition.fetch_offset,
            max_bytes: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
            leader_epoch: partition.current_leader_epoch,
            last_epoch: partition.last_fetched_epoch,
        }
    }
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

/// Whether every name can be that of a topic. Longer ones would take more than a partition may.
fn names_fit(request: &FetchRequest, uses_ids: bool) -> bool {
    let mut names = request.topics.iter().map(|topic| &topic.topic);
    uses_ids || names.all(|name| name.len() <= limits::TOPIC_NAME_LENGTH)
}

/// The partitions of a request outside every session.
fn as_sent(request: &FetchRequest, uses_ids: bool) -> Vec<Wanted> {
    let topics = request.topics.iter();
    let wanted = topics.flat_map(|topic| {
        let key = TopicKey::new(uses_ids, &topic.topic.0, topic.topic_id);
        let partitions = topic.partitions.iter();
        partitions.map(move |partition| Wanted::new(key.clone(), partition))
    });
    wanted.collect()
}

#[cfg(test)]
mod tests;
