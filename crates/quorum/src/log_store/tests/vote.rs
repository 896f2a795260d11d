//! INV-VOTE-SYNCED, at a voter as openraft runs it: whoever loses its power keeps to every vote
//! that it answered.

use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::image::ClusterImage;
use holdfast_model::{Clock, ClusterId, RecoveryGeneration, StartNumber, SystemClock};
use holdfast_rpc::{Channels, Identity};
use openraft::raft::VoteRequest;
use tokio::sync::watch;
use uuid::Uuid;

use super::{machine, open};
use crate::contacts::Contacts;
use crate::keyspace::Keyspace;
use crate::network::Network;
use crate::node::{NodeId, Raft, Vote};
use crate::options::Options;
use crate::publication::Publication;
use crate::sim_disk::SimDisk;
use crate::starts::Starts;

/// The term of every candidate here.
pub(super) const TERM: u64 = 5;

/// openraft puts the candidates of one term in order, and a voter may go over to a greater one: so
/// the greater one asks first, and the smaller one after the power cut.
pub(super) const FIRST: u64 = 3;
pub(super) const SECOND: u64 = 2;

/// An answer that is due comes within this time.
const DUE: Duration = Duration::from_secs(30);

/// An answer that waits for a sync that hangs never comes, however long one waits for it.
const LONG_ENOUGH: Duration = Duration::from_millis(200);

pub(super) fn identity(me: NodeId) -> Identity {
    Identity {
        cluster: ClusterId(Uuid::nil()),
        replica: me.0,
        start: StartNumber(1),
        recovery: RecoveryGeneration(0),
        process: 0,
    }
}

/// Starts a voter on a disk, with the planted bug or without it.
pub(super) async fn voter(disk: &Arc<SimDisk>, me: NodeId, answers_votes_early: bool) -> Raft {
    let keyspace: Arc<dyn Keyspace> = disk.clone();
    let mut log = open(Arc::clone(&keyspace)).expect("log");
    Arc::get_mut(&mut log.inner)
        .expect("no clones yet")
        .answers_votes_early = answers_votes_early;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let network = Network {
        identity: identity(me),
        channels: Channels::new(holdfast_rpc::Options::default(), Arc::clone(&clock)),
        contacts: Contacts::new(clock),
        foreign: Arc::new(watch::channel(None).0),
        starts: Starts::default(),
        publication: Arc::new(Publication::new(ClusterImage::default())),
    };
    let config = Options::default().to_openraft().expect("options");
    Raft::new(me, Arc::new(config), network, log, machine(keyspace))
        .await
        .expect("a voter")
}

/// Whether the voter grants its vote to a candidate; none if it does not answer in time.
async fn grants(raft: &Raft, candidate: u64, patience: Duration) -> Option<bool> {
    let request = VoteRequest::new(Vote::new(TERM, NodeId::from(candidate)), None);
    let answer = tokio::time::timeout(patience, raft.vote(request)).await;
    answer
        .ok()
        .map(|answer| answer.expect("a running voter").vote_granted)
}

/// Ends a voter and closes its log.
async fn stop(raft: Raft) {
    raft.shutdown().await.expect("stopped");
    drop(raft);
}

/// Asks a voter for its vote while its disk cannot sync, cuts the power, and asks it again for
/// another candidate: to whom it granted its vote in this one term.
async fn granted_around_a_power_cut(answers_votes_early: bool) -> Vec<u64> {
    let disk = SimDisk::new();
    let raft = voter(&disk, NodeId::from(1), answers_votes_early).await;
    disk.stall();
    let patience = if answers_votes_early {
        DUE
    } else {
        LONG_ENOUGH
    };
    let first = grants(&raft, FIRST, patience).await;
    let after = disk.after_power_cut();
    // What the process without power still does reaches nobody; it only has to end.
    disk.go_on();
    stop(raft).await;
    let raft = voter(&after, NodeId::from(1), answers_votes_early).await;
    let second = grants(&raft, SECOND, DUE).await;
    stop(raft).await;
    let answers = [(FIRST, first), (SECOND, second)];
    let granted = answers.iter().filter(|(_, answer)| *answer == Some(true));
    granted.map(|(candidate, _)| *candidate).collect()
}

#[tokio::test]
async fn a_vote_whose_sync_hangs_is_not_answered_and_may_be_given_again_after_a_power_cut() {
    assert_eq!(granted_around_a_power_cut(false).await, [SECOND]);
}

/// The planted bug: with it, two candidates of one term have the vote of the same disk.
#[tokio::test]
async fn a_vote_answered_before_its_sync_is_given_twice_in_one_term() {
    assert_eq!(granted_around_a_power_cut(true).await, [FIRST, SECOND]);
}

#[tokio::test]
async fn an_answered_vote_binds_the_voter_after_a_power_cut() {
    let disk = SimDisk::new();
    let raft = voter(&disk, NodeId::from(1), false).await;
    assert_eq!(grants(&raft, FIRST, DUE).await, Some(true));
    let after = disk.after_power_cut();
    stop(raft).await;
    let raft = voter(&after, NodeId::from(1), false).await;
    assert_eq!(grants(&raft, SECOND, DUE).await, Some(false));
    stop(raft).await;
}
