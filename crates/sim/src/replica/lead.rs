//! Leading: produce requests, conversations with followers, acknowledgements.

use holdfast_kernel::log::SequenceCheck;
use holdfast_kernel::replica::{Acked, Opened, RefusedReason, SessionId};
use holdfast_model::{BatchInfo, BrokerId, ErrorCode, Monotonic, Offset};

use super::{PartitionName, Replica, Role, Waiter};
use crate::context::{Context, Local};
use crate::disk::Op;
use crate::message::{Message, Produce};
use crate::situation::Situation;

/// A conversation without an answer for so long is given up, nanoseconds.
const SILENCE: u64 = 300_000_000;

/// Time until a failed conversation is opened again, nanoseconds.
const RETRY: u64 = 20_000_000;

/// Records sent and not acknowledged to one follower at most.
const WINDOW: i64 = 400;

/// Where the stream to one follower stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sender {
    session: Option<SessionId>,
    /// The follower has acknowledged in this conversation: its log is ready for appends.
    started: bool,
    next: Offset,
    /// The follower last went forward, or had nothing to catch up.
    heard: Monotonic,
    retry: Monotonic,
}

impl Sender {
    fn give_up(&mut self, now: Monotonic) {
        *self = Self {
            retry: Monotonic(now.0 + RETRY),
            ..Self::default()
        };
    }
}

impl Replica {
    /// A client's batch.
    pub fn produce(&mut self, produce: &Produce, local: &mut Local, ctx: &mut Context<'_>) {
        let waiter = |base_offset| Waiter {
            producer: produce.producer,
            crc: produce.info.crc,
            base_offset,
        };
        let refused = waiter(Offset(-1));
        let Role::Leader(leader) = &mut self.role else {
            refused.answer(ErrorCode::NotLeaderOrFollower, local, ctx);
            return;
        };
        if produce.acks_all && !leader.has_min_isr() {
            ctx.oracle.saw(Situation::TooFewInSync);
            refused.answer(ErrorCode::NotEnoughReplicas, local, ctx);
            return;
        }
        let found = leader.check(&produce.info);
        let repeated = matches!(found, SequenceCheck::Duplicate { .. });
        match found {
            SequenceCheck::Duplicate { .. } => ctx.oracle.saw(Situation::Retried),
            SequenceCheck::Refused(_) => ctx.oracle.saw(Situation::OutOfOrder),
            SequenceCheck::Next => {}
        }
        let (base, last) = match found {
            SequenceCheck::Refused(code) => {
                refused.answer(code, local, ctx);
                return;
            }
            SequenceCheck::Duplicate {
                base_offset,
                last_offset,
            } => (base_offset, last_offset),
            SequenceCheck::Next => {
                let limits = ctx.settings.segment_limits();
                let placed = leader.append(produce.info, limits, local.now);
                let high_watermark = leader.high_watermark();
                ctx.oracle.appended(self.at, &placed);
                ctx.ops.push(Op::Append(self.at, placed, high_watermark));
                self.batches.push(placed);
                (placed.base_offset, placed.last_offset)
            }
        };
        if produce.acks_all {
            let waiter = waiter(base);
            if leader.is_safe(last.next(), repeated) {
                self.acknowledge(waiter, local, ctx);
            } else {
                let epoch = leader.epoch();
                self.waiters.add(epoch, last.next(), waiter);
            }
        }
        self.pump_all(false, local, ctx);
    }

    fn acknowledge(&self, waiter: Waiter, local: &Local, ctx: &mut Context<'_>) {
        ctx.trace.log(ctx.now, || {
            let name = self.at.partition_name();
            format!(
                "node {} acks {name} {} batch {}",
                local.node, waiter.base_offset, waiter.crc
            )
        });
        ctx.oracle
            .acknowledges(self.at, local.node, waiter.crc, waiter.base_offset);
        waiter.answer(ErrorCode::None, local, ctx);
    }

    /// The high watermark moved: whoever waited for it is answered.
    pub(super) fn after_advance(&mut self, local: &mut Local, ctx: &mut Context<'_>) {
        self.show(local, ctx);
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let (epoch, high_watermark) = (leader.epoch(), leader.high_watermark());
        for waiter in self.waiters.reached(epoch, high_watermark) {
            self.acknowledge(waiter, local, ctx);
        }
        // Sometimes the news travels at once, sometimes with the next timer.
        if ctx.rng.chance(400) {
            self.pump_all(true, local, ctx);
        }
    }

    /// Has the stream to every follower go on; `news` sends a header even without batches.
    pub(super) fn pump_all(&mut self, news: bool, local: &mut Local, ctx: &mut Context<'_>) {
        let brokers: Vec<BrokerId> = self.senders.keys().copied().collect();
        for broker in brokers {
            self.pump(broker, news, local, ctx);
        }
    }

    fn pump(&mut self, broker: BrokerId, news: bool, local: &mut Local, ctx: &mut Context<'_>) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(sender) = self.senders.get_mut(&broker) else {
            return;
        };
        let now = local.now;
        let to = broker.0 as usize;
        if sender.session.is_none() {
            if now < sender.retry {
                return;
            }
            let session = SessionId(local.number());
            let Some(epoch) = leader.open(broker, session) else {
                return;
            };
            *sender = Sender {
                session: Some(session),
                heard: now,
                ..Sender::default()
            };
            ctx.send(local.node, to, Message::Open(self.at, epoch, session));
            return;
        }
        let known = leader
            .follower(broker)
            .filter(|progress| !progress.is_closed());
        let Some(acked) = known.map(|progress| progress.log_end) else {
            sender.give_up(now);
            return;
        };
        if now.0.saturating_sub(sender.heard.0) > SILENCE {
            leader.close(broker);
            sender.give_up(now);
            return;
        }
        if !sender.started {
            return;
        }
        let Some(header) = leader.header(broker, sender.next) else {
            return;
        };
        let from = self
            .batches
            .partition_point(|info| info.end_offset() <= sender.next);
        if from == self.batches.len() && sender.next < leader.log().log_end() {
            // What comes next was deleted meanwhile, to the last batch: the follower begins anew.
            leader.close(broker);
            sender.give_up(now);
            return;
        }
        let room = sender.next.0 - acked.0 < WINDOW;
        let take = if room { ctx.settings.append_batches } else { 0 };
        let batches: Vec<BatchInfo> = self.batches[from..].iter().take(take).copied().collect();
        if batches.is_empty() && !news {
            return;
        }
        if let Some(last) = batches.last() {
            sender.next = last.end_offset();
        }
        ctx.send(local.node, to, Message::Append(self.at, header, batches));
    }

    /// A follower says where its log stands.
    pub fn on_opened(&mut self, opened: &Opened, local: &mut Local, ctx: &mut Context<'_>) {
        let broker = opened.replica.broker;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let Some(sender) = self.senders.get_mut(&broker) else {
            return;
        };
        if sender.session != Some(opened.session) {
            return;
        }
        let Some(start) = leader.on_opened(opened, local.now) else {
            // A registration that the image does not show here yet.
            sender.give_up(local.now);
            return;
        };
        sender.next = start.from;
        sender.started = false;
        sender.heard = local.now;
        ctx.trace.log(ctx.now, || {
            let name = self.at.partition_name();
            format!(
                "node {} lets {broker} go on in {name} from {} of {}{}",
                local.node,
                start.from,
                opened.log_end,
                if start.reset { ", anew" } else { "" }
            )
        });
        ctx.send(
            local.node,
            broker.0 as usize,
            Message::Start(self.at, Box::new(start)),
        );
    }

    /// A follower reports progress.
    pub fn on_acked(&mut self, acked: &Acked, local: &mut Local, ctx: &mut Context<'_>) {
        let broker = acked.replica.broker;
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        let before = leader.follower(broker).map(|progress| progress.log_end);
        let moved = leader.on_acked(acked, local.now);
        if let Some(sender) = self.senders.get_mut(&broker)
            && sender.session == Some(acked.session)
        {
            let forward = before.is_none_or(|before| acked.log_end > before);
            if forward || !sender.started || acked.log_end >= sender.next {
                sender.heard = local.now;
            }
            sender.started = true;
        }
        if moved {
            self.after_advance(local, ctx);
        }
        self.pump(broker, false, local, ctx);
    }

    /// A follower refuses.
    pub fn on_refused(
        &mut self,
        broker: BrokerId,
        session: SessionId,
        reason: RefusedReason,
        local: &Local,
    ) {
        let Role::Leader(leader) = &mut self.role else {
            return;
        };
        leader.on_refused(broker, session, reason);
        if let Some(sender) = self.senders.get_mut(&broker)
            && sender.session == Some(session)
        {
            sender.give_up(local.now);
        }
    }
}
