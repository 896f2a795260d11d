//! A voter whose disk was wiped is nobody to those who ask for its vote: they name the disk that they mean.

use std::sync::Arc;

use holdfast_kernel::image::ClusterImage;
use holdfast_model::{BrokerId, Incarnation, ReplicaId, StartNumber};
use holdfast_rpc::proto::raft_server::Raft as _;
use holdfast_rpc::proto::{RaftReply, RaftRequest};
use holdfast_rpc::{Identity, Request, Status};
use openraft::raft::{VoteRequest, VoteResponse};

use super::vote::{FIRST, SECOND, TERM, identity, voter};
use crate::node::{NodeId, Vote};
use crate::payload;
use crate::publication::Publication;
use crate::service::RaftService;
use crate::sim_disk::SimDisk;
use crate::starts::Starts;

/// The disk that was formed, and the one in its place.
const FORMED: Incarnation = Incarnation(1);
const WIPED: Incarnation = Incarnation(77);

fn disk(incarnation: Incarnation) -> NodeId {
    NodeId(ReplicaId {
        broker: BrokerId(1),
        incarnation,
    })
}

/// What a candidate hears that asks the disk that was formed for its vote.
async fn asked(service: &RaftService, candidate: u64) -> Result<bool, Status> {
    let candidate = NodeId::from(candidate);
    let vote = VoteRequest::new(Vote::new(TERM, candidate), None);
    let from = Identity {
        replica: candidate.0,
        start: StartNumber(1),
        process: candidate.0.incarnation.0,
        ..service.identity
    };
    let request = RaftRequest {
        envelope: Some(from.envelope()),
        target_broker: 1,
        target_incarnation: FORMED.0,
        payload: payload::encode(&vote).expect("a vote"),
    };
    let reply: RaftReply = service.vote(Request::new(request)).await?.into_inner();
    let answer: VoteResponse<NodeId> = payload::decode(&reply.payload).expect("an answer");
    Ok(answer.vote_granted)
}

async fn service(on: &Arc<SimDisk>, me: NodeId, answers_for_any_disk: bool) -> RaftService {
    RaftService {
        identity: identity(me),
        raft: voter(on, me, false).await,
        starts: Starts::default(),
        publication: Arc::new(Publication::new(ClusterImage::default())),
        answers_for_any_disk,
    }
}

/// Two candidates of one term ask, the second one after the disk was wiped.
async fn asked_around_a_wipe(answers_for_any_disk: bool) -> [Result<bool, String>; 2] {
    let mut answers = Vec::new();
    for (me, candidate) in [(disk(FORMED), FIRST), (disk(WIPED), SECOND)] {
        let service = service(&SimDisk::new(), me, answers_for_any_disk).await;
        let answer = asked(&service, candidate).await;
        answers.push(answer.map_err(|status| status.message().to_owned()));
        service.raft.shutdown().await.expect("stopped");
    }
    answers.try_into().expect("two")
}

#[tokio::test]
async fn a_wiped_disk_does_not_vote_for_the_one_before_it() {
    let [before, after] = asked_around_a_wipe(false).await;
    assert_eq!(before, Ok(true));
    let refused = after.expect_err("refused");
    assert!(refused.starts_with("message for 1@"), "{refused}");
}

/// The planted bug: with it, two candidates of one term have the vote of one broker.
#[tokio::test]
async fn a_wiped_disk_that_votes_gives_two_candidates_of_one_term_their_majority() {
    assert_eq!(asked_around_a_wipe(true).await, [Ok(true), Ok(true)]);
}
