//! A shard, its log and a clock by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{ErrorCode, Monotonic, TopicId};
use uuid::Uuid;

use super::super::{
    Answer, CommitRequest, CommittedOffset, Effects, GroupId, GroupOptions, JoinAnswer,
    JoinRequest, LeavingMember, Loader, MemberHeartbeat, MemberId, Now, OffsetRow, Planted,
    Protocol, Record, Shard, SyncAnswer, SyncRequest, Ticket, Write,
};
use super::cluster::Cluster;

pub(super) const SESSION: Duration = Duration::from_secs(10);
pub(super) const REBALANCE: Duration = Duration::from_mins(1);

pub(super) struct Rig {
    pub(super) shard: Shard,
    pub(super) now: Now,
    pub(super) answers: BTreeMap<Ticket, Answer>,
    /// Appended and not committed.
    pub(super) under_way: Vec<Write>,
    /// Committed.
    pub(super) log: Vec<Record>,
    /// Commit what is appended at once.
    pub(super) prompt: bool,
    pub(super) cluster: Cluster,
    tickets: u64,
}

pub(super) fn text(text: &str) -> Arc<str> {
    Arc::from(text)
}

pub(super) fn protocol(name: &str, topics: &[&str]) -> Protocol {
    Protocol {
        name: text(name),
        metadata: Arc::from(topics.join(",").into_bytes()),
        topics: topics.iter().map(|topic| text(topic)).collect(),
    }
}

pub(super) fn row(partition: i32, offset: i64) -> OffsetRow {
    OffsetRow {
        topic: text("orders"),
        partition,
        value: Some(CommittedOffset {
            offset,
            leader_epoch: 1,
            metadata: text("note"),
            committed_ms: 1_000,
            expires_ms: None,
            topic_id: TopicId(Uuid::from_u128(7)),
        }),
    }
}

impl Rig {
    pub(super) const MODERN_MAX_SIZE: usize = 4;

    pub(super) fn new() -> Self {
        Self::with(GroupOptions {
            max_size: 4,
            modern_max_size: Self::MODERN_MAX_SIZE,
            ..GroupOptions::default()
        })
    }

    pub(super) fn with(options: GroupOptions) -> Self {
        Self {
            shard: Shard::new(options, Planted::None),
            now: Now {
                monotonic: Monotonic(1),
                wall_ms: 1_000,
            },
            answers: BTreeMap::new(),
            under_way: Vec::new(),
            log: Vec::new(),
            prompt: true,
            cluster: Cluster::new(4),
            tickets: 0,
        }
    }

    pub(super) fn group() -> GroupId {
        text("g")
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    pub(super) fn settle(&mut self, effects: Effects) {
        self.answers.extend(effects.answers);
        self.under_way.extend(effects.writes);
        if self.prompt && !self.under_way.is_empty() {
            self.commit_log();
        }
    }

    /// Everything appended is committed.
    pub(super) fn commit_log(&mut self) {
        let Some(last) = self.under_way.last().map(|write| write.id) else {
            return;
        };
        for write in self.under_way.drain(..) {
            self.log.extend(write.records);
        }
        let mut effects = Effects::default();
        self.shard.committed(self.now, last, &mut effects);
        self.settle(effects);
    }

    /// The coordinator dies; another one reads the log.
    pub(super) fn fail_over(&mut self) {
        self.under_way.clear();
        let mut loader = Loader::default();
        for record in &self.log {
            loader.apply(record.clone());
        }
        let shard = loader.finish(GroupOptions::default(), self.now, Planted::None);
        let before = std::mem::replace(&mut self.shard, shard);
        self.answers.extend(before.resign());
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.monotonic.plus(time);
        while let Some(next) = self.shard.next_deadline().filter(|next| *next <= end) {
            self.at(next.max(self.now.monotonic));
            let mut effects = Effects::default();
            self.shard.tick(self.now, &mut effects);
            self.settle(effects);
        }
        self.at(end);
    }

    fn at(&mut self, monotonic: Monotonic) {
        let passed = monotonic.since(self.now.monotonic);
        self.now.wall_ms += i64::try_from(passed.as_millis()).unwrap();
        self.now.monotonic = monotonic;
    }

    pub(super) fn request(&self, member: Option<&MemberId>) -> JoinRequest {
        let fresh = format!("fresh-{}", self.tickets);
        JoinRequest {
            member: member.cloned(),
            instance: None,
            fresh: text(&fresh),
            protocol_type: text("consumer"),
            protocols: vec![protocol("range", &["orders"])],
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            client_id: text("client"),
            client_host: text("/127.0.0.1"),
            takes_id_first: true,
            skips_assignment: true,
        }
    }

    pub(super) fn join(&mut self, request: JoinRequest) -> Ticket {
        let ticket = self.ticket();
        let mut effects = Effects::default();
        self.shard.join(
            self.now,
            &Self::group(),
            ticket,
            request,
            &self.cluster,
            &mut effects,
        );
        self.settle(effects);
        ticket
    }

    pub(super) fn joined(&self, ticket: Ticket) -> &JoinAnswer {
        match self.answers.get(&ticket) {
            Some(Answer::Join(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// A dynamic member gets its id, and joins with it.
    pub(super) fn newcomer(&mut self) -> (MemberId, Ticket) {
        let request = self.request(None);
        let first = self.join(request);
        let answer = self.joined(first);
        assert_eq!(answer.code, ErrorCode::MemberIdRequired);
        let id = Arc::clone(&answer.member);
        let request = self.request(Some(&id));
        let ticket = self.join(request);
        (id, ticket)
    }

    pub(super) fn sync(
        &mut self,
        member: &MemberId,
        generation: i32,
        assignments: &[(&MemberId, &str)],
    ) -> Ticket {
        let assignments = assignments.iter();
        let assignments = assignments.map(|(id, what)| (Arc::clone(id), what.as_bytes().into()));
        self.sync_with(member, generation, assignments.collect())
    }

    pub(super) fn sync_with(
        &mut self,
        member: &MemberId,
        generation: i32,
        assignments: Vec<(MemberId, Arc<[u8]>)>,
    ) -> Ticket {
        let request = SyncRequest {
            member: Arc::clone(member),
            instance: None,
            generation,
            protocol_type: Some(text("consumer")),
            protocol: Some(text("range")),
            assignments,
        };
        let ticket = self.ticket();
        let mut effects = Effects::default();
        self.shard.sync(
            self.now,
            &Self::group(),
            ticket,
            request,
            &self.cluster,
            &mut effects,
        );
        self.settle(effects);
        ticket
    }

    pub(super) fn synced(&self, ticket: Ticket) -> &SyncAnswer {
        match self.answers.get(&ticket) {
            Some(Answer::Sync(answer)) => answer,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn heartbeat(&mut self, member: &str, generation: i32) -> ErrorCode {
        self.heartbeat_as(member, None, generation)
    }

    pub(super) fn heartbeat_as(
        &mut self,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> ErrorCode {
        let request = MemberHeartbeat {
            member: text(member),
            instance: instance.map(text),
            generation,
        };
        let (now, group, cluster) = (self.now, Self::group(), &self.cluster);
        let mut effects = Effects::default();
        let code = self
            .shard
            .heartbeat(now, &group, &request, cluster, &mut effects);
        self.settle(effects);
        code
    }

    pub(super) fn leave(&mut self, members: &[&MemberId]) -> Vec<ErrorCode> {
        let leaving: Vec<_> = members
            .iter()
            .map(|id| LeavingMember {
                member: Arc::clone(id),
                instance: None,
            })
            .collect();
        let mut effects = Effects::default();
        let answer = self.shard.leave(
            self.now,
            &Self::group(),
            &leaving,
            &self.cluster,
            &mut effects,
        );
        self.settle(effects);
        answer.members
    }

    pub(super) fn commit(&mut self, member: &str, generation: i32, rows: Vec<OffsetRow>) -> Ticket {
        let request = CommitRequest {
            group: Self::group(),
            member: text(member),
            instance: None,
            generation,
            knows_missing_groups: false,
            rows,
        };
        let ticket = self.ticket();
        let mut effects = Effects::default();
        self.shard.commit(self.now, ticket, request, &mut effects);
        self.settle(effects);
        ticket
    }

    pub(super) fn done(&self, ticket: Ticket) -> Option<ErrorCode> {
        match self.answers.get(&ticket)? {
            Answer::Done(code) => Some(*code),
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn offset(&self, partition: i32) -> Option<i64> {
        let found = self.shard.offset("g", "orders", partition);
        found.map(|value| value.offset)
    }

    /// Two members in a stable group; the first one leads.
    pub(super) fn pair(&mut self) -> (MemberId, MemberId) {
        let (a, first) = self.newcomer();
        let (b, second) = self.newcomer();
        self.pass(Duration::from_secs(7));
        let leader = Arc::clone(&self.joined(first).leader);
        assert_eq!(self.joined(second).leader, leader);
        let (leader, other) = if leader == a { (a, b) } else { (b, a) };
        let generation = self.joined(first).generation;
        let follower = self.sync(&other, generation, &[]);
        let led = self.sync(&leader, generation, &[(&leader, "0"), (&other, "1")]);
        assert_eq!(&*self.synced(led).assignment, b"0");
        assert_eq!(&*self.synced(follower).assignment, b"1");
        (leader, other)
    }
}
