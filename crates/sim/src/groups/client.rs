//! A consumer of the classic protocol, as clients behave.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_kernel::group::{HeartbeatAnswer, JoinedMember, MemberId};
use holdfast_model::ErrorCode;

use super::life::{Life, Turn, read_on};
use super::{PARTITIONS, SECOND};
use crate::Time;

/// How long a client waits for an answer before it asks again.
const PATIENCE: Time = 5 * SECOND;

/// A join may take as long as the others do.
const JOIN_PATIENCE: Time = 40 * SECOND;

/// Pause between heartbeats, and between commits.
const HEARTBEAT: Time = 3 * SECOND;
const COMMIT: Time = SECOND;

/// What a consumer asks for.
#[derive(Clone, Debug)]
pub(super) enum Ask {
    Join(Option<MemberId>),
    Sync {
        member: MemberId,
        generation: i32,
        assignments: Vec<(MemberId, Vec<i32>)>,
    },
    Heartbeat(MemberId, i32),
    Fetch(Vec<i32>),
    Commit {
        member: MemberId,
        generation: i32,
        rows: Vec<(i32, i64)>,
    },
    Leave(MemberId),
    /// A heartbeat of the consumer protocol.
    Beat {
        member: MemberId,
        epoch: i32,
        owned: BTreeSet<i32>,
        /// Whether everything is said, and not only what changed.
        says_all: bool,
    },
    /// As a member of the consumer protocol in an epoch.
    FetchAs(MemberId, i32, Vec<i32>),
}

/// What it is told.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Joined {
        code: ErrorCode,
        generation: i32,
        leader: MemberId,
        member: MemberId,
        members: Vec<JoinedMember>,
    },
    Synced(ErrorCode, Vec<i32>),
    Heart(ErrorCode),
    Fetched(ErrorCode, Vec<(i32, i64)>),
    Committed(ErrorCode),
    Beat(HeartbeatAnswer),
}

/// Somebody who reads: a client of either protocol.
pub(super) trait Reader: std::fmt::Debug {
    fn life(&self) -> &Life;

    fn pause(&mut self, until: Time);

    fn start(&mut self);

    /// Whether it reads what it holds.
    fn runs(&self) -> bool;

    fn held(&self) -> &[i32];

    /// Whether nobody else may hold what it holds.
    fn is_sure(&self, now: Time) -> bool;

    /// Its life ends; a polite one says so.
    fn leave(&mut self) -> Option<Ask>;

    /// What it asks for now, with the number of the request. Every offset that it commits is used
    /// once, in the whole world.
    fn step(&mut self, now: Time, next_offset: &mut i64) -> Option<(u64, Ask)>;

    /// An answer came; one that nobody waits for is dropped.
    fn told(&mut self, now: Time, number: u64, told: Told);
}

#[derive(Debug, PartialEq, Eq)]
enum Stage {
    Join,
    Sync,
    Fetch,
    Run,
}

/// A consumer.
#[derive(Debug)]
pub(super) struct Client {
    life: Life,
    stage: Stage,
    member: Option<MemberId>,
    generation: i32,
    members: Vec<JoinedMember>,
    held: Vec<i32>,
    positions: Vec<(i32, i64)>,
    next_heartbeat: Time,
    next_commit: Time,
}

impl Client {
    pub(super) fn new() -> Self {
        Self {
            life: Life::default(),
            stage: Stage::Join,
            member: None,
            generation: -1,
            members: Vec::new(),
            held: Vec::new(),
            positions: Vec::new(),
            next_heartbeat: 0,
            next_commit: 0,
        }
    }

    /// The leader divides the partitions among all.
    fn divide(&self) -> Vec<(MemberId, Vec<i32>)> {
        if self.members.is_empty() {
            return Vec::new();
        }
        let count = self.members.len() as i32;
        let shares = self.members.iter().enumerate();
        let shares = shares.map(|(index, member)| {
            let share = (0..PARTITIONS).filter(|p| p % count == index as i32);
            (Arc::clone(&member.id), share.collect())
        });
        shares.collect()
    }

    fn rejoin(&mut self, with_id: bool) {
        self.stage = Stage::Join;
        self.held.clear();
        self.positions.clear();
        self.members.clear();
        if !with_id {
            self.member = None;
        }
    }

    fn refused(&mut self, now: Time, code: ErrorCode) {
        match code {
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => self.rejoin(false),
            ErrorCode::IllegalGeneration | ErrorCode::RebalanceInProgress => self.rejoin(true),
            // Somebody coordinates soon.
            _ => self.life.rest(now + SECOND / 2),
        }
    }
}

impl Reader for Client {
    fn life(&self) -> &Life {
        &self.life
    }

    fn pause(&mut self, until: Time) {
        self.life.paused_until = until;
    }

    fn held(&self) -> &[i32] {
        &self.held
    }

    /// Its generation may be over without its knowing: generations are looked at instead.
    fn is_sure(&self, _now: Time) -> bool {
        false
    }

    fn start(&mut self) {
        let life = self.life.next();
        *self = Self::new();
        self.life = life;
    }

    fn runs(&self) -> bool {
        self.life.alive && self.stage == Stage::Run
    }

    fn leave(&mut self) -> Option<Ask> {
        self.life.alive = false;
        self.held.clear();
        self.member.take().map(Ask::Leave)
    }

    fn step(&mut self, now: Time, next_offset: &mut i64) -> Option<(u64, Ask)> {
        if self.life.turn(now) == Turn::Nothing {
            return None;
        }
        let member = self.member.clone();
        let ask = match (&self.stage, member) {
            (Stage::Join, member) => Ask::Join(member),
            (_, None) => {
                self.stage = Stage::Join;
                Ask::Join(None)
            }
            (Stage::Sync, Some(member)) => Ask::Sync {
                generation: self.generation,
                assignments: self.divide(),
                member,
            },
            (Stage::Fetch, Some(_)) => Ask::Fetch(self.held.clone()),
            (Stage::Run, Some(member)) if now >= self.next_heartbeat => {
                self.next_heartbeat = now + HEARTBEAT;
                Ask::Heartbeat(member, self.generation)
            }
            (Stage::Run, Some(member)) if now >= self.next_commit && !self.held.is_empty() => {
                self.next_commit = now + COMMIT;
                Ask::Commit {
                    member,
                    generation: self.generation,
                    rows: read_on(&mut self.positions, next_offset),
                }
            }
            (Stage::Run, Some(_)) => return None,
        };
        let patience = match ask {
            Ask::Join(_) => JOIN_PATIENCE,
            _ => PATIENCE,
        };
        Some((self.life.ask(now + patience), ask))
    }

    fn told(&mut self, now: Time, number: u64, told: Told) {
        if !self.life.hears(number) {
            return;
        }
        match told {
            Told::Joined {
                code: ErrorCode::None,
                generation,
                leader,
                member,
                members,
            } => {
                self.generation = generation;
                self.members = if leader == member {
                    members
                } else {
                    Vec::new()
                };
                self.member = Some(member);
                self.stage = Stage::Sync;
            }
            Told::Joined {
                code: ErrorCode::MemberIdRequired,
                member,
                ..
            } => self.member = Some(member),
            Told::Synced(ErrorCode::None, held) => {
                self.held = held;
                self.stage = Stage::Fetch;
                self.next_heartbeat = now + HEARTBEAT;
            }
            Told::Fetched(ErrorCode::None, positions) => {
                self.positions = positions;
                self.stage = Stage::Run;
                self.next_commit = now + COMMIT;
            }
            // Those of the other protocol are not asked for.
            Told::Heart(ErrorCode::None) | Told::Committed(ErrorCode::None) | Told::Beat(_) => {}
            Told::Joined { code, .. }
            | Told::Synced(code, _)
            | Told::Fetched(code, _)
            | Told::Heart(code)
            | Told::Committed(code) => self.refused(now, code),
        }
    }
}
