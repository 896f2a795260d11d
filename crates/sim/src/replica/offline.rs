//! A replica whose stored bytes are damaged: out of service, and back as it was once they are mended.

use holdfast_kernel::replica::RefusedReason;
use holdfast_model::LeaderEpoch;

use super::{Replica, Role};
use crate::context::{Context, Local};
use crate::message::Message;
use crate::situation::Situation;

impl Replica {
    /// Whether it serves nothing.
    pub fn is_offline(&self) -> bool {
        matches!(self.role, Role::Offline(_))
    }

    /// Damage is found. Nothing happens where a log is just being cut, or where nobody else is in sync: such
    /// a replica keeps its place.
    pub fn go_offline(&mut self, local: &Local, ctx: &mut Context<'_>) -> bool {
        let stays = match &self.role {
            Role::Leader(leader) => leader.stands_alone(),
            Role::Follower(follower) => follower.is_cutting(),
            Role::Idle(_) => false,
            Role::Offline(_) => true,
        };
        if stays {
            return false;
        }
        if let Role::Follower(follower) = &self.role
            && let Some(session) = follower.session()
        {
            let refused = Message::Refused(self.at, session, RefusedReason::Offline);
            ctx.send(local.node, self.leader, refused);
        }
        ctx.oracle.saw(Situation::ReplicaOffline);
        self.be_offline();
        self.change_epoch(LeaderEpoch::UNKNOWN, local, ctx);
        true
    }

    /// It was damaged when its process ended.
    pub fn be_offline(&mut self) {
        let kept = std::mem::replace(&mut self.role, Role::idle());
        self.role = Role::Offline(Box::new(kept));
        self.senders.clear();
        self.checkpoint = None;
    }

    /// Its bytes are what they were.
    pub fn come_back(&mut self, local: &mut Local, ctx: &mut Context<'_>) {
        self.role = match std::mem::replace(&mut self.role, Role::idle()) {
            Role::Offline(kept) => *kept,
            role @ (Role::Idle(_) | Role::Leader(_) | Role::Follower(_)) => role,
        };
        if let Role::Follower(follower) = &mut self.role {
            follower.interrupt();
        }
        let epoch = match (&self.role, &self.view) {
            (Role::Leader(leader), _) => leader.epoch(),
            (_, Some(view)) => view.leader_epoch,
            (_, None) => LeaderEpoch::UNKNOWN,
        };
        self.change_epoch(epoch, local, ctx);
        self.reconcile(local, ctx);
        if let (Role::Leader(leader), Some(view)) = (&self.role, &self.view)
            && leader.epoch() == epoch
            && self.senders.is_empty()
        {
            ctx.oracle.saw(Situation::SameLeaderAgain);
            let view = view.clone();
            self.begin_senders(&view, local);
            self.pump_all(false, local, ctx);
        }
    }

    /// The leadership that this replica holds by the image and cannot exercise.
    pub(super) fn unfit_leadership(&self, local: &Local) -> Option<LeaderEpoch> {
        let view = self.view.as_ref().filter(|_| self.is_offline())?;
        let leads = view.leader.map(|(broker, _)| broker) == Some(local.replica.broker);
        leads.then_some(view.leader_epoch)
    }
}
