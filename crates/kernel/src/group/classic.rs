//! A group of the classic protocol: members join, one of them computes the assignment, all sync.
//!
//! The states and time-outs are Kafka's. The group emits [`Steps`]; the shard turns them into records
//! and answers.

mod join;
mod membership;
mod rebalance;
mod request;
mod show;
mod sync;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{ErrorCode, Monotonic};

use super::{Answer, CONSUMER_PROTOCOL, GroupValue, Member, MemberId, Planted, Ticket};

pub use request::{JoinRequest, LeavingMember, MemberHeartbeat, SyncRequest};

/// What a group does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has no members.
    Empty,
    /// Members join; who does not is removed.
    PreparingRebalance,
    /// The members know the generation and wait for the assignment.
    CompletingRebalance,
    /// Everybody has an assignment.
    Stable,
}

/// The time of a decision.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For time-outs.
    pub monotonic: Monotonic,
    /// For what is written: milliseconds since 1970.
    pub wall_ms: i64,
}

/// What a group wants done.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Answers to requests that waited.
    pub(super) answers: Vec<(Ticket, Answer)>,
    /// What must be written.
    pub(super) stores: Vec<Store>,
}

/// A value to be written, and what it is for.
#[derive(Debug)]
pub(super) enum Store {
    /// The assignment of a generation.
    Assignment { generation: i32, value: GroupValue },
    /// The last member is gone.
    Emptied(GroupValue),
    /// A static member came back under another id; its JoinGroup is answered after the write.
    Replaced {
        ticket: Ticket,
        answer: Box<super::JoinAnswer>,
        value: GroupValue,
    },
}

/// An assignment that is being written.
#[derive(Clone, Debug)]
struct Proposal {
    generation: i32,
    assignments: BTreeMap<MemberId, Arc<[u8]>>,
}

/// When the join phase ends by itself.
#[derive(Clone, Copy, Debug)]
struct JoinPhase {
    deadline: Monotonic,
    /// For a group that was empty: how much longer it may wait for more members at most. Such a
    /// phase does not end early.
    extension: Option<Duration>,
}

/// A group of the classic protocol.
#[derive(Clone, Debug)]
pub(super) struct ClassicGroup {
    state: State,
    protocol_type: Option<Arc<str>>,
    protocol: Option<Arc<str>>,
    generation: i32,
    leader: Option<MemberId>,
    members: BTreeMap<MemberId, Member>,
    /// The static members.
    instances: BTreeMap<Arc<str>, MemberId>,
    /// Ids that were handed out, to members that are to join with them.
    expected: BTreeMap<MemberId, Monotonic>,
    /// Who has not synced in this generation.
    unsynced: BTreeSet<MemberId>,
    sync_deadline: Option<Monotonic>,
    join_phase: Option<JoinPhase>,
    /// Somebody joined since the join phase was extended last.
    grew: bool,
    /// How many members know each protocol.
    known: BTreeMap<Arc<str>, usize>,
    /// How many members' JoinGroups wait.
    waiting: usize,
    /// When sessions end, of members and of expected ones.
    sessions: BTreeSet<(Monotonic, MemberId)>,
    proposal: Option<Proposal>,
    changed_ms: i64,
    planted: Planted,
}

impl ClassicGroup {
    /// A group without members.
    pub(super) fn new(now_ms: i64, planted: Planted) -> Self {
        Self {
            state: State::Empty,
            protocol_type: None,
            protocol: None,
            generation: 0,
            leader: None,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            expected: BTreeMap::new(),
            unsynced: BTreeSet::new(),
            sync_deadline: None,
            join_phase: None,
            grew: false,
            known: BTreeMap::new(),
            waiting: 0,
            sessions: BTreeSet::new(),
            proposal: None,
            changed_ms: now_ms,
            planted,
        }
    }

    /// A group without members that was of the consumer protocol before: no generation comes twice.
    pub(super) fn after(epoch: i32, now_ms: i64, planted: Planted) -> Self {
        Self {
            generation: epoch,
            ..Self::new(now_ms, planted)
        }
    }

    /// A group as it was written last. Its members' sessions begin anew: they did not know that
    /// their coordinator was away.
    pub(super) fn of_stored(value: &GroupValue, now: Now, planted: Planted) -> Self {
        let mut group = Self::new(value.changed_ms, planted);
        let kind = Some(&value.protocol_type).filter(|kind| !kind.is_empty());
        group.protocol_type = kind.map(Arc::clone);
        group.generation = value.generation;
        if value.members.is_empty() {
            return group;
        }
        group.state = State::Stable;
        group.protocol.clone_from(&value.protocol);
        for stored in &value.members {
            let member = Member::of_stored(stored, value.protocol.as_ref());
            group.insert(&stored.id, member);
            group.restart_session(&stored.id, now.monotonic);
        }
        group.leader = value
            .leader
            .clone()
            .filter(|leader| group.members.contains_key(leader));
        // Its members were to join when it was written.
        if group.leader.is_none() {
            group.prepare(now, &mut Steps::default());
        }
        group
    }

    /// A group that was of the other protocol: every member has to join.
    pub(super) fn of_members(
        members: Vec<(MemberId, Member)>,
        generation: i32,
        now: Now,
        planted: Planted,
    ) -> Self {
        let mut group = Self::new(now.wall_ms, planted);
        group.protocol_type = Some(Arc::from(CONSUMER_PROTOCOL));
        group.generation = generation;
        group.state = State::Stable;
        for (id, member) in members {
            group.insert(&id, member);
            group.restart_session(&id, now.monotonic);
        }
        group.protocol = group.choose();
        group
    }

    /// Whether a member may heartbeat: Kafka's answer.
    pub(super) fn heartbeat(&mut self, now: Now, request: &MemberHeartbeat) -> ErrorCode {
        let member = &*request.member;
        if let Err(code) = self.check(member, request.instance.as_deref()) {
            return code;
        }
        if request.generation != self.generation {
            return ErrorCode::IllegalGeneration;
        }
        let code = match self.state {
            State::Empty => return ErrorCode::UnknownMemberId,
            State::PreparingRebalance => ErrorCode::RebalanceInProgress,
            State::CompletingRebalance | State::Stable => ErrorCode::None,
        };
        self.restart_session(member, now.monotonic);
        code
    }

    /// Whether a member, or somebody outside of any generation (-1), may commit offsets.
    pub(super) fn check_commit(
        &mut self,
        now: Now,
        member: &str,
        instance: Option<&str>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        if generation < 0 && self.state == State::Empty {
            return Ok(());
        }
        if generation >= 0 || !member.is_empty() || instance.is_some() {
            self.check(member, instance)?;
            if generation != self.generation && self.planted != Planted::OldGenerationCommits {
                return Err(ErrorCode::IllegalGeneration);
            }
        } else if self.state != State::Empty {
            return Err(ErrorCode::UnknownMemberId);
        }
        match self.state {
            State::CompletingRebalance => Err(ErrorCode::RebalanceInProgress),
            State::Stable | State::PreparingRebalance => {
                self.restart_session(member, now.monotonic);
                Ok(())
            }
            State::Empty => Ok(()),
        }
    }

    /// Whether it has nobody, and nobody who is expected.
    pub(super) fn is_unused(&self) -> bool {
        self.state == State::Empty && self.members.is_empty() && self.expected.is_empty()
    }

    /// Whether a member reads a topic: then its offsets neither expire nor are deleted.
    pub(super) fn reads(&self, topic: &str) -> bool {
        self.members
            .values()
            .flat_map(|member| &member.protocols)
            .flat_map(|protocol| &*protocol.topics)
            .any(|read| &**read == topic)
    }
}
