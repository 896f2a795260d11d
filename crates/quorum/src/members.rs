//! Changes of the members.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_model::ReplicaId;
use openraft::ChangeMembers;

use crate::node::{NodeId, Peer};
use crate::{Error, Quorum};

impl Quorum {
    /// Admits a broker's disk as a member without a vote, or takes note of its new address. Older
    /// disks of the same broker that have no vote are removed; one that has a vote keeps it until
    /// [`Quorum::replace_voter`]. Only the leader can.
    pub async fn admit(&self, replica: ReplicaId, peer: Peer) -> Result<(), Error> {
        let id = NodeId(replica);
        let metrics = self.inner.raft.metrics().borrow().clone();
        let membership = metrics.membership_config.membership();
        let known = membership.get_node(&id).cloned();
        let is_voter = |id: &NodeId| membership.voter_ids().any(|voter| voter == *id);
        let older: BTreeSet<NodeId> = membership
            .nodes()
            .map(|(other, _)| *other)
            .filter(|other| other.0.broker == replica.broker && *other != id && !is_voter(other))
            .collect();
        if !older.is_empty() {
            self.change(ChangeMembers::RemoveNodes(older), true).await?;
        }
        let change = match known {
            Some(known) if known == peer => return Ok(()),
            // Messages name the disk that is meant, so a wrong address reaches nobody.
            Some(_moved) => ChangeMembers::SetNodes(BTreeMap::from([(id, peer)])),
            None => ChangeMembers::AddNodes(BTreeMap::from([(id, peer)])),
        };
        self.change(change, true).await
    }

    /// Gives the vote of one disk to another disk of the same broker that was admitted before, and
    /// forgets the old one. Only the leader can; it waits until the new disk has caught up.
    pub async fn replace_voter(&self, old: ReplicaId, new: ReplicaId) -> Result<(), Error> {
        if old.broker != new.broker {
            return Err(Error::Members(format!(
                "{old} and {new} are different brokers"
            )));
        }
        let mut voters = self.voters();
        if voters.contains(&new) && !voters.contains(&old) {
            return Ok(());
        }
        if !voters.remove(&old) {
            return Err(Error::Members(format!("{old} is no voter")));
        }
        voters.insert(new);
        self.change_voters(voters).await
    }

    /// Makes exactly these members the voters; each must have been admitted. Voters that are left
    /// out are no members any more. Only the leader can; it waits until the new ones have caught up.
    pub async fn change_voters(&self, voters: BTreeSet<ReplicaId>) -> Result<(), Error> {
        self.wait_caught_up(&voters).await?;
        let voters = voters.into_iter().map(NodeId).collect();
        self.change(ChangeMembers::ReplaceAllVoters(voters), false)
            .await
    }

    /// Those who vote.
    pub fn voters(&self) -> BTreeSet<ReplicaId> {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow();
        metrics
            .membership_config
            .membership()
            .voter_ids()
            .map(|id| id.0)
            .collect()
    }

    /// Hands leadership over, as far as openraft 0.9 can: it has no transfer. This broker stops its
    /// heartbeats and its candidacy, and the others elect once its lease has passed. True if
    /// somebody else led within `deadline`. Partition leaders do not depend on it meanwhile.
    pub async fn step_down(&self, deadline: Duration) -> bool {
        let raft = &self.inner.raft;
        let me = raft.metrics().borrow().id;
        raft.runtime_config().elect(false);
        raft.runtime_config().heartbeat(false);
        let wait = raft.wait(Some(deadline));
        let other = wait.metrics(
            move |metrics| metrics.current_leader.is_some_and(|leader| leader != me),
            "another leader",
        );
        let handed_over = other.await.is_ok();
        raft.runtime_config().heartbeat(true);
        raft.runtime_config().elect(true);
        handed_over
    }

    /// A voter that lags by a whole snapshot would hold up every commit.
    async fn wait_caught_up(&self, voters: &BTreeSet<ReplicaId>) -> Result<(), Error> {
        let raft = &self.inner.raft;
        let lag = self.inner.options.append_entries;
        let timeout = self.inner.options.snapshot_timeout;
        let wait = raft.wait(Some(timeout));
        let caught_up = wait.metrics(
            |metrics| {
                let Some(replication) = &metrics.replication else {
                    // Leads no more; the change itself will say so.
                    return true;
                };
                let end = metrics.last_log_index.unwrap_or(0);
                voters.iter().map(|voter| NodeId(*voter)).all(|id| {
                    let matched = replication.get(&id).copied().flatten();
                    id == metrics.id || matched.is_some_and(|id| id.index + lag >= end)
                })
            },
            "new voters caught up",
        );
        match caught_up.await {
            Ok(_metrics) => Ok(()),
            Err(_timeout) => Err(Error::TimedOut),
        }
    }

    async fn change(&self, change: ChangeMembers<NodeId, Peer>, retain: bool) -> Result<(), Error> {
        let changed = self.inner.raft.change_membership(change, retain);
        let changed = tokio::time::timeout(self.inner.options.propose_timeout, changed);
        changed.await.map_err(|_elapsed| Error::TimedOut)??;
        Ok(())
    }
}
