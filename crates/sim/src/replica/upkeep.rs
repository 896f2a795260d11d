//! What a replica does as time passes and as its disk syncs.

use holdfast_kernel::log::retention;
use holdfast_kernel::replica::IsrProposal;
use holdfast_model::{BatchInfo, LeaderEpoch, Offset};

use super::{PartitionName, Replica, Role};
use crate::context::{Context, Local};
use crate::disk::Op;
use crate::situation::Situation;

/// What a leader asks of the controller.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Another ISR.
    Isr(IsrProposal),
    /// Another leader.
    Resign(LeaderEpoch),
}

impl Replica {
    /// Its disk has synced up to an offset.
    pub fn on_synced(&mut self, end: Offset, local: &mut Local, ctx: &mut Context<'_>) {
        match &mut self.role {
            Role::Leader(leader) => {
                if leader.on_synced(end) {
                    self.after_advance(local, ctx);
                }
            }
            Role::Follower(follower) => {
                follower.on_synced(end);
                self.send_ack(local, ctx);
            }
            role @ (Role::Idle(_) | Role::Offline(_)) => {
                let log = role.log_mut();
                let end = end.min(log.log_end());
                log.synced(end);
            }
        }
    }

    /// The writer synced a log start.
    pub fn on_start_synced(&mut self, start: Offset, local: &mut Local, ctx: &mut Context<'_>) {
        self.role.log_mut().start_synced(start);
        if matches!(&self.role, Role::Follower(_)) {
            self.send_ack(local, ctx);
        }
    }

    /// The timer: streams, checkpoints, high watermarks; what the leader wishes.
    pub fn tick(&mut self, local: &mut Local, ctx: &mut Context<'_>) -> Option<Wish> {
        if let Some(epoch) = self.unfit_leadership(local) {
            return ctx.rng.chance(200).then_some(Wish::Resign(epoch));
        }
        if self.is_offline() {
            return None;
        }
        self.pump_all(true, local, ctx);
        self.write_checkpoint(ctx);
        let known = self.role.log().known_high_watermark();
        if known > self.high_watermark_written && ctx.rng.chance(300) {
            self.high_watermark_written = known;
            ctx.ops.push(Op::HighWatermark(self.at, known));
        }
        let Role::Leader(leader) = &mut self.role else {
            return None;
        };
        if leader.should_resign(local.now) && ctx.rng.chance(200) {
            return Some(Wish::Resign(leader.epoch()));
        }
        match leader.pending() {
            Some(pending) => ctx.rng.chance(300).then(|| Wish::Isr(pending.clone())),
            None => leader.propose(local.now).map(Wish::Isr),
        }
    }

    /// What the leader would resign from, if this replica leads.
    pub fn leadership(&self) -> Option<LeaderEpoch> {
        match &self.role {
            Role::Leader(leader) => Some(leader.epoch()),
            Role::Idle(_) | Role::Follower(_) | Role::Offline(_) => None,
        }
    }

    /// The controller refused a wish for a reason that will not pass.
    pub fn on_refused_wish(&mut self, proposal: &IsrProposal) {
        if let Role::Leader(leader) = &mut self.role
            && leader.pending() == Some(proposal)
        {
            leader.on_refused_proposal();
        }
    }

    /// A client deletes records up to a part of what is committed, in thousandths.
    pub fn delete_records(&mut self, permille: u32, ctx: &mut Context<'_>) {
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let (start, end) = (leader.log().log_start().0, leader.high_watermark().0);
        self.advance_start(
            Offset(start + (end - start) * i64::from(permille) / 1000),
            ctx,
        );
    }

    /// Drops expired segments, if this replica leads. `now_ms` is none while the wall clock is not
    /// to be trusted.
    pub fn retain(&mut self, now_ms: Option<i64>, local: &Local, ctx: &mut Context<'_>) {
        let Role::Leader(leader) = &self.role else {
            return;
        };
        let log = leader.log();
        let config = &ctx.settings.topic_config;
        let high_watermark = leader.high_watermark();
        let start = retention::expired_start(log.segments(), config, high_watermark, now_ms);
        let Some(start) = start.filter(|start| *start > log.log_start()) else {
            return;
        };
        let gone = self
            .batches
            .partition_point(|info| info.end_offset() <= start);
        let newest_ms = ctx.settings.newest_expired_ms(ctx.now);
        ctx.oracle
            .expires(self.at, local.node, &self.batches[..gone], newest_ms);
        ctx.trace.log(ctx.now, || {
            let name = self.at.partition_name();
            format!(
                "node {} lets {name} expire to {start}: {gone} batches",
                local.node
            )
        });
        self.advance_start(start, ctx);
    }

    pub(super) fn advance_start(&mut self, start: Offset, ctx: &mut Context<'_>) {
        if start <= self.role.log().log_start() {
            return;
        }
        self.role.log_mut().advance_start(start);
        let gone = self
            .batches
            .partition_point(|info| info.end_offset() <= start);
        self.batches.drain(..gone);
        let inside = |first: &BatchInfo| first.base_offset < start;
        if self.batches.first().is_some_and(inside) {
            ctx.oracle.saw(Situation::StartInsideBatch);
        }
        ctx.ops.push(Op::LogStart(self.at, start));
    }

    fn write_checkpoint(&mut self, ctx: &mut Context<'_>) {
        let log = self.role.log();
        if matches!(&self.role, Role::Follower(follower) if follower.is_cutting()) {
            return;
        }
        let Some(waiting) = &self.checkpoint else {
            if ctx.rng.chance(30) {
                self.checkpoint = Some(Box::new(log.checkpoint()));
            }
            return;
        };
        if waiting.log_end > log.log_end() || waiting.log_start < log.log_start() {
            self.checkpoint = None;
        } else if waiting.log_end <= log.known_high_watermark().min(log.synced_end()) {
            let checkpoint = self.checkpoint.take().map(|mut checkpoint| {
                checkpoint.high_watermark = log.known_high_watermark();
                Op::Checkpoint(self.at, checkpoint)
            });
            ctx.ops.extend(checkpoint);
        }
    }
}
