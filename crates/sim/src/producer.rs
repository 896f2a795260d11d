//! Clients that write: idempotent ones that retry with unchanged sequences, and careless ones.

use std::collections::VecDeque;

use holdfast_model::{BatchInfo, BrokerId, ErrorCode, LeaderEpoch, Offset, TopicPartition};

use crate::Time;
use crate::clock;
use crate::event::Endpoint;
use crate::message::{Message, Produce};
use crate::rng::Rng;

/// An unanswered batch is sent again after so long, microseconds.
const TIMEOUT: Time = 400_000;

/// A batch on its way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    info: BatchInfo,
    sent: Option<Time>,
    done: bool,
}

/// One client that writes to one partition.
#[derive(Debug)]
pub struct Producer {
    index: usize,
    at: TopicPartition,
    idempotent: bool,
    max_in_flight: usize,
    /// Its first batch was acknowledged.
    known: bool,
    next_sequence: i32,
    pending: VecDeque<Pending>,
    /// Whom it takes for the leader, from metadata that may be old.
    leader: usize,
    /// Whether it still begins new batches.
    pub writes: bool,
}

impl Producer {
    /// A client that takes any broker for the leader at first.
    pub fn new(index: usize, at: TopicPartition, idempotent: bool, rng: &mut Rng) -> Self {
        Self {
            index,
            at,
            idempotent,
            max_in_flight: rng.within((1, 5)) as usize,
            known: false,
            next_sequence: 0,
            pending: VecDeque::new(),
            leader: 0,
            writes: true,
        }
    }

    /// Its partition.
    pub fn at(&self) -> TopicPartition {
        self.at
    }

    /// Whether every batch it began was acknowledged.
    pub fn is_done(&self) -> bool {
        self.pending.is_empty()
    }

    /// Begins one more batch.
    pub fn begin(&mut self, crc: u32, now: Time, rng: &mut Rng) {
        let count = rng.within((1, 5)) as i32;
        let sequenced = |value| if self.idempotent { value } else { -1 };
        let info = BatchInfo {
            base_offset: Offset(0),
            last_offset: Offset(i64::from(count) - 1),
            leader_epoch: LeaderEpoch(0),
            max_timestamp: clock::true_ms(now),
            producer_id: if self.idempotent {
                self.index as i64
            } else {
                -1
            },
            producer_epoch: if self.idempotent { 0 } else { -1 },
            base_sequence: sequenced(self.next_sequence),
            record_count: count,
            attributes: 0,
            crc,
            size: 100,
        };
        self.next_sequence += count;
        self.pending.push_back(Pending {
            info,
            sent: None,
            done: false,
        });
    }

    /// The timer: begins a batch where there is room and sends what is due, in order.
    pub fn tick(
        &mut self,
        crc: u32,
        brokers: usize,
        now: Time,
        rng: &mut Rng,
    ) -> Vec<(Endpoint, Message)> {
        // A partition takes any first sequence of a producer that it does not know, as Kafka does: a
        // client that sends the second batch before the first is answered may be reordered there.
        let room = if self.known { self.max_in_flight } else { 1 };
        if self.writes && self.pending.len() < room {
            self.begin(crc, now, rng);
        }
        let timed_out = |pending: &Pending| pending.sent.is_some_and(|sent| now - sent > TIMEOUT);
        let mut messages = Vec::new();
        if self.pending.iter().any(timed_out) {
            self.resend();
            messages.push(self.ask(brokers, rng));
        }
        for pending in self
            .pending
            .iter_mut()
            .filter(|pending| pending.sent.is_none())
        {
            pending.sent = Some(now);
            let produce = Produce {
                producer: self.index,
                at: self.at,
                info: pending.info,
                acks_all: self.idempotent,
            };
            messages.push((self.leader, Message::Produce(produce)));
        }
        if !self.idempotent {
            // It waits for nothing; now and then it looks for the leader.
            self.pending.clear();
            if rng.chance(100) {
                messages.push(self.ask(brokers, rng));
            }
        }
        messages
    }

    /// What became of a batch; perhaps a question to a broker.
    pub fn on_produced(
        &mut self,
        crc: u32,
        code: ErrorCode,
        brokers: usize,
        rng: &mut Rng,
    ) -> Option<(Endpoint, Message)> {
        let pending = self
            .pending
            .iter_mut()
            .find(|pending| pending.info.crc == crc)?;
        if code == ErrorCode::None {
            pending.done = true;
            self.known = true;
            while self.pending.front().is_some_and(|first| first.done) {
                self.pending.pop_front();
            }
            return None;
        }
        self.resend();
        Some(self.ask(brokers, rng))
    }

    /// A broker says who leads.
    pub fn on_leads(&mut self, leader: Option<BrokerId>) {
        if let Some(leader) = leader {
            self.leader = leader.0 as usize;
        }
    }

    /// Everything that is not acknowledged goes again, in order, with its old sequences.
    fn resend(&mut self) {
        for pending in self.pending.iter_mut().filter(|pending| !pending.done) {
            pending.sent = None;
        }
    }

    fn ask(&self, brokers: usize, rng: &mut Rng) -> (Endpoint, Message) {
        (rng.index(brokers), Message::WhoLeads(self.index, self.at))
    }
}
