//! A consumer of the consumer protocol, as clients behave: it is told what to read, gives up first,
//! and says what it reads.

use std::collections::BTreeSet;

use holdfast_kernel::group::{LEFT, MemberId};
use holdfast_model::ErrorCode;

use super::SECOND;
use super::client::{Ask, Reader, Told};
use super::coordinator::text;
use super::life::{Life, Turn, read_on};
use crate::Time;

/// How long it waits for an answer before it asks again.
const PATIENCE: Time = 5 * SECOND;

/// Pause between heartbeats, and between commits.
const HEARTBEAT: Time = 2 * SECOND;
const COMMIT: Time = SECOND;

/// Who has heard nothing for so long may have been replaced, and cannot know.
const SURE: Time = 20 * SECOND;

/// A consumer.
#[derive(Debug)]
pub(super) struct Consumer {
    index: usize,
    life: Life,
    epoch: i32,
    /// What it reads.
    held: Vec<i32>,
    /// What it was told to read.
    told: BTreeSet<i32>,
    /// Where it reads each partition that it knows the committed offset of.
    positions: Vec<(i32, i64)>,
    /// The last answer may be lost: everything is said again.
    says_all: bool,
    last_told: Time,
    next_heartbeat: Time,
    next_commit: Time,
}

impl Consumer {
    pub(super) fn new(index: usize) -> Self {
        Self {
            index,
            life: Life::default(),
            epoch: 0,
            held: Vec::new(),
            told: BTreeSet::new(),
            positions: Vec::new(),
            says_all: true,
            last_told: 0,
            next_heartbeat: 0,
            next_commit: 0,
        }
    }

    fn member(&self) -> MemberId {
        text(&format!("consumer-{}-{}", self.index, self.life.number))
    }

    fn rejoin(&mut self) {
        self.epoch = 0;
        self.held.clear();
        self.told.clear();
        self.positions.clear();
        self.says_all = true;
        self.next_heartbeat = 0;
    }

    /// It stops to read what it is not to read any more, and says so at once.
    fn give_up(&mut self) {
        let before = self.held.len();
        let told = &self.told;
        self.held.retain(|partition| told.contains(partition));
        self.positions
            .retain(|(partition, _)| told.contains(partition));
        if self.held.len() < before {
            self.next_heartbeat = 0;
        }
    }

    /// What it is to read and does not know from where.
    fn wanted(&self) -> Vec<i32> {
        let told = self.told.iter().copied();
        told.filter(|partition| !self.held.contains(partition))
            .collect()
    }
}

impl Reader for Consumer {
    fn life(&self) -> &Life {
        &self.life
    }

    fn pause(&mut self, until: Time) {
        self.life.paused_until = until;
    }

    fn start(&mut self) {
        let life = self.life.next();
        *self = Self::new(self.index);
        self.life = life;
    }

    fn runs(&self) -> bool {
        self.life.alive
    }

    fn held(&self) -> &[i32] {
        &self.held
    }

    fn is_sure(&self, now: Time) -> bool {
        self.life.alive && now >= self.life.paused_until && now < self.last_told + SURE
    }

    fn leave(&mut self) -> Option<Ask> {
        self.life.alive = false;
        self.held.clear();
        let knows_of_it = self.epoch > 0;
        knows_of_it.then(|| Ask::Beat {
            member: self.member(),
            epoch: LEFT,
            owned: BTreeSet::new(),
            says_all: false,
        })
    }

    fn step(&mut self, now: Time, next_offset: &mut i64) -> Option<(u64, Ask)> {
        match self.life.turn(now) {
            Turn::Nothing => return None,
            Turn::Free => {}
            Turn::GivenUp => self.says_all = true,
        }
        let wanted = self.wanted();
        let ask = if now >= self.next_heartbeat {
            self.next_heartbeat = now + HEARTBEAT;
            Ask::Beat {
                member: self.member(),
                epoch: self.epoch,
                owned: self.held.iter().copied().collect(),
                says_all: std::mem::take(&mut self.says_all) || self.epoch == 0,
            }
        } else if !wanted.is_empty() {
            Ask::FetchAs(self.member(), self.epoch, wanted)
        } else if now >= self.next_commit && !self.positions.is_empty() {
            self.next_commit = now + COMMIT;
            Ask::Commit {
                generation: self.epoch,
                rows: read_on(&mut self.positions, next_offset),
                member: self.member(),
            }
        } else {
            return None;
        };
        Some((self.life.ask(now + PATIENCE), ask))
    }

    fn told(&mut self, now: Time, number: u64, told: Told) {
        if !self.life.hears(number) {
            return;
        }
        match told {
            Told::Beat(answer) if answer.code == ErrorCode::None => {
                self.last_told = now;
                self.epoch = answer.epoch;
                if let Some(assignment) = answer.assignment {
                    self.told = assignment.into_values().flatten().collect();
                    self.give_up();
                }
            }
            Told::Fetched(ErrorCode::None, positions) => {
                for (partition, position) in positions {
                    if self.told.contains(&partition) && !self.held.contains(&partition) {
                        self.held.push(partition);
                        self.positions.push((partition, position));
                    }
                }
            }
            Told::Beat(answer) => self.refused(now, answer.code),
            Told::Joined { code, .. }
            | Told::Synced(code, _)
            | Told::Fetched(code, _)
            | Told::Heart(code)
            | Told::Committed(code) => self.refused(now, code),
        }
    }
}

impl Consumer {
    fn refused(&mut self, now: Time, code: ErrorCode) {
        match code {
            ErrorCode::None => {}
            ErrorCode::UnknownMemberId
            | ErrorCode::FencedMemberEpoch
            | ErrorCode::GroupIdNotFound => {
                self.rejoin();
                self.life.rest(now + SECOND / 2);
            }
            // It is told of its epoch with the next heartbeat.
            ErrorCode::StaleMemberEpoch => self.next_heartbeat = 0,
            // Somebody coordinates soon.
            _ => {
                self.says_all = true;
                self.life.rest(now + SECOND / 2);
            }
        }
    }
}
