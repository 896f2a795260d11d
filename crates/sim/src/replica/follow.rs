//! Following: conversations with a leader, cuts, appends.

use holdfast_kernel::log::ReplicaLog;
use holdfast_kernel::replica::{AppendHeader, RefusedReason, SessionId, Start, StartAction};
use holdfast_model::{BatchInfo, LeaderEpoch, LogCheckpoint, Offset};

use super::{PartitionName, Replica, Role};
use crate::context::{Context, Local};
use crate::disk::Op;
use crate::event::Endpoint;
use crate::message::Message;
use crate::situation::Situation;

impl Replica {
    /// A leader opens a conversation.
    pub fn on_open(
        &mut self,
        from: Endpoint,
        epoch: LeaderEpoch,
        session: SessionId,
        local: &Local,
        ctx: &mut Context<'_>,
    ) {
        let answer = match &mut self.role {
            // Only the image ends a leadership; a newer leader tries again until it has.
            Role::Leader(leader) if epoch < leader.epoch() => {
                Err(RefusedReason::Fenced(leader.epoch()))
            }
            Role::Leader(_) => Err(RefusedReason::NoSession),
            Role::Idle(_) => Err(RefusedReason::UnknownPartition),
            Role::Offline(_) => Err(RefusedReason::Offline),
            Role::Follower(follower) => follower.on_open(epoch, session),
        };
        let message = match answer {
            Ok(opened) => {
                self.leader = from;
                Message::Opened(self.at, opened)
            }
            Err(reason) => {
                if matches!(reason, RefusedReason::Fenced(_)) {
                    ctx.oracle.saw(Situation::LeaderFenced);
                }
                Message::Refused(self.at, session, reason)
            }
        };
        ctx.send(local.node, from, message);
    }

    /// The leader says where to go on.
    pub fn on_start(
        &mut self,
        from: Endpoint,
        start: &Start,
        local: &Local,
        ctx: &mut Context<'_>,
    ) {
        let Role::Follower(follower) = &mut self.role else {
            return;
        };
        let action = match follower.on_start(start) {
            Ok(action) => action,
            Err(reason) => {
                if let RefusedReason::BelowKnownHighWatermark(known) = reason {
                    let node = local.node;
                    ctx.oracle.broken("INV-KNOWN-HW-KEPT", || {
                        format!("{node} knows high watermark {known} and is told {start:?}")
                    });
                }
                ctx.send(
                    local.node,
                    from,
                    Message::Refused(self.at, start.session, reason),
                );
                return;
            }
        };
        match action {
            StartAction::GoOn => {
                self.show(local, ctx);
                self.send_ack(local, ctx);
            }
            StartAction::Truncate { to } => {
                ctx.oracle.saw(Situation::LogCut);
                self.drop_from(to, local, ctx);
                ctx.ops.push(Op::Truncate(self.at, to));
            }
            StartAction::Reset { at, producers } => {
                ctx.oracle.saw(Situation::LogBegunAnew);
                self.drop_from(at, local, ctx);
                self.batches.clear();
                let checkpoint = LogCheckpoint {
                    log_start: at,
                    log_end: at,
                    high_watermark: at.max(self.role.log().known_high_watermark()),
                    leader_epoch: start.leader_epoch,
                    epochs: Vec::new(),
                    producers,
                    segments: Vec::new(),
                };
                ctx.ops.push(Op::Reset(self.at, Box::new(checkpoint)));
            }
        }
    }

    fn drop_from(&mut self, offset: Offset, local: &Local, ctx: &mut Context<'_>) {
        // A checkpoint that waits describes a log that is no more, even if the log grows again to
        // where it was taken.
        self.checkpoint = None;
        let kept = self
            .batches
            .partition_point(|info| info.base_offset < offset);
        let gone = self.batches.split_off(kept);
        ctx.oracle.gives_up(self.at, local.node, &gone);
        if !gone.is_empty() {
            ctx.oracle.saw(Situation::BatchesGivenUp);
        }
        ctx.trace.log(ctx.now, || {
            let name = self.at.partition_name();
            format!(
                "node {} cuts {name} to {offset}: {} batches",
                local.node,
                gone.len()
            )
        });
    }

    /// A cut is on disk, and this is the log as read back.
    pub fn on_cut(&mut self, from_disk: ReplicaLog, local: &mut Local, ctx: &mut Context<'_>) {
        if let Role::Follower(follower) = &mut self.role
            && follower.is_cutting()
        {
            follower.cut(from_disk);
            self.shown = self.shown.max(self.role.log().log_start());
            self.send_ack(local, ctx);
            self.reconcile(local, ctx);
        }
    }

    /// Batches arrive, or a high watermark alone.
    pub fn on_append(
        &mut self,
        from: Endpoint,
        header: &AppendHeader,
        batches: &[BatchInfo],
        local: &Local,
        ctx: &mut Context<'_>,
    ) {
        let Role::Follower(follower) = &mut self.role else {
            let reason = RefusedReason::NoSession;
            ctx.send(
                local.node,
                from,
                Message::Refused(self.at, header.session, reason),
            );
            return;
        };
        let limits = ctx.settings.segment_limits();
        if let Err(reason) = follower.on_append(header, batches, limits) {
            ctx.send(
                local.node,
                from,
                Message::Refused(self.at, header.session, reason),
            );
            return;
        }
        let high_watermark = follower.high_watermark();
        let start = follower.allowed_start(header.log_start);
        for info in batches {
            ctx.oracle.appended(self.at, info);
            self.batches.push(*info);
            ctx.ops.push(Op::Append(self.at, *info, high_watermark));
        }
        self.show(local, ctx);
        if let Some(start) = start {
            self.advance_start(start, ctx);
        }
        if batches.is_empty() {
            self.send_ack(local, ctx);
        }
    }

    /// Tells the leader how far this replica has come.
    pub(super) fn send_ack(&self, local: &Local, ctx: &mut Context<'_>) {
        if let Role::Follower(follower) = &self.role
            && let Some(acked) = follower.acked()
        {
            ctx.send(local.node, self.leader, Message::Acked(self.at, acked));
        }
    }
}
