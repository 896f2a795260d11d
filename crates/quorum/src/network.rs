//! Raft messages to the other members, over gRPC.
//!
//! Every call has a deadline: a peer that hangs may not hold up the leader. Messages name the
//! member that is meant, disk included, so that a wiped disk at the same address refuses them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_rpc::limits::{SNAPSHOT_PART_BYTES, raft_client};
use holdfast_rpc::proto::{RaftReply, RaftRequest, SnapshotPart};
use holdfast_rpc::{Address, Channel, Channels, Class, Identity, call};
use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError, Timeout,
    Unreachable,
};
use openraft::network::{Backoff, RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::storage::Snapshot;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::contacts::Contacts;
use crate::node::{NodeId, Peer, RaftTypes, SnapshotMeta, Vote};
use crate::payload;
use crate::publication::Publication;
use crate::starts::{Repeated, Starts};

/// First and longest pause after a peer was not reachable.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(200));

type CallError = RPCError<NodeId, Peer, RaftError<NodeId>>;

/// What comes before the bytes of a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SnapshotHeader {
    pub(crate) vote: Vote,
    pub(crate) meta: SnapshotMeta,
}

/// Makes the connections to members.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) identity: Identity,
    pub(crate) channels: Channels,
    pub(crate) contacts: Contacts,
    /// Told when a peer says that the cluster was recovered without this disk.
    pub(crate) foreign: Arc<watch::Sender<Option<String>>>,
    /// Which process speaks for a disk.
    pub(crate) starts: Starts,
    pub(crate) publication: Arc<Publication>,
}

impl RaftNetworkFactory<RaftTypes> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: NodeId, peer: &Peer) -> Connection {
        Connection {
            network: self.clone(),
            target,
            address: peer.address(),
        }
    }
}

/// Calls to one member.
#[derive(Debug)]
pub(crate) struct Connection {
    network: Network,
    target: NodeId,
    address: Address,
}

/// Why a call gave no usable answer.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Call(#[from] holdfast_rpc::Error),
    #[error(transparent)]
    Payload(#[from] payload::Error),
    #[error("answer of another cluster or version")]
    Foreign,
    #[error(transparent)]
    Repeated(#[from] Repeated),
}

impl Connection {
    fn request(&self, payload: Bytes) -> RaftRequest {
        RaftRequest {
            envelope: Some(self.network.identity.envelope()),
            target_broker: self.target.0.broker.0,
            target_incarnation: self.target.0.incarnation.0,
            payload,
        }
    }

    fn channel(&self, class: Class) -> Result<Channel, Error> {
        Ok(self.network.channels.get(&self.address, class)?)
    }

    fn answer<T: serde::de::DeserializeOwned>(&self, reply: &RaftReply) -> Result<T, Error> {
        let envelope = reply.envelope.as_ref();
        let sender = self
            .network
            .identity
            .check(envelope)
            .map_err(|_status| Error::Foreign)?;
        if sender.replica != self.target.0 {
            // Its address is another broker's by now.
            self.network.channels.forget(&self.address);
            return Err(Error::Foreign);
        }
        let image = self.network.publication.image();
        self.network.starts.check(&sender, &image)?;
        Ok(payload::decode(&reply.payload)?)
    }

    /// Whoever refuses may be another broker that has the address by now: it is looked up anew.
    fn refused(&self, error: holdfast_rpc::Error) -> Error {
        if matches!(error, holdfast_rpc::Error::Answered { .. }) {
            self.network.channels.forget(&self.address);
        }
        error.into()
    }

    async fn send_append(
        &self,
        rpc: &AppendEntriesRequest<RaftTypes>,
        deadline: Duration,
    ) -> Result<AppendEntriesResponse<NodeId>, Error> {
        let request = self.request(payload::encode(rpc)?);
        let mut client = raft_client(self.channel(Class::Control)?);
        let reply = call(deadline, client.append(request)).await;
        self.answer(&reply.map_err(|error| self.refused(error))?)
    }

    async fn send_vote(
        &self,
        rpc: &VoteRequest<NodeId>,
        deadline: Duration,
    ) -> Result<VoteResponse<NodeId>, Error> {
        let request = self.request(payload::encode(rpc)?);
        let mut client = raft_client(self.channel(Class::Control)?);
        let reply = call(deadline, client.vote(request)).await;
        self.answer(&reply.map_err(|error| self.refused(error))?)
    }

    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: Snapshot<RaftTypes>,
        deadline: Duration,
    ) -> Result<SnapshotResponse<NodeId>, Error> {
        let header = SnapshotHeader {
            vote,
            meta: snapshot.meta,
        };
        let first = SnapshotPart {
            header: Some(self.request(payload::encode(&header)?)),
            data: Bytes::new(),
            total_bytes: snapshot.snapshot.len() as u64,
        };
        // The bytes travel on a connection of their own, not before the heartbeats.
        let mut client = raft_client(self.channel(Class::CatchUp)?);
        let parts = Parts {
            first: Some(first),
            rest: *snapshot.snapshot,
        };
        self.answer(&call(deadline, client.install_snapshot(tokio_stream::iter(parts))).await?)
    }

    fn failed(&self, action: RPCTypes, error: &Error) -> CallError {
        if let Error::Call(holdfast_rpc::Error::Answered { message, .. }) = error
            && self.network.identity.is_told_foreign(message)
        {
            self.network.foreign.send_if_modified(|told| {
                let first = told.is_none();
                told.get_or_insert_with(|| message.clone());
                first
            });
        }
        match error {
            Error::Call(holdfast_rpc::Error::TimedOut(timeout)) => Timeout {
                action,
                id: NodeId(self.network.identity.replica),
                target: self.target,
                timeout: *timeout,
            }
            .into(),
            // A peer that refuses, or that cannot be reached, is left alone for a while.
            Error::Call(_) | Error::Foreign | Error::Repeated(_) => Unreachable::new(error).into(),
            Error::Payload(_) => NetworkError::new(error).into(),
        }
    }
}

impl RaftNetwork<RaftTypes> for Connection {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<RaftTypes>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, CallError> {
        let sent = self.send_append(&rpc, option.hard_ttl()).await;
        let answer = sent.map_err(|error| self.failed(RPCTypes::AppendEntries, &error))?;
        if matches!(answer, AppendEntriesResponse::Success) {
            let last = rpc
                .entries
                .last()
                .map_or(rpc.prev_log_id, |entry| Some(entry.log_id));
            self.network
                .contacts
                .answered(self.target, last, rpc.leader_commit);
        }
        Ok(answer)
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<NodeId>,
        option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, CallError> {
        let sent = self.send_vote(&rpc, option.hard_ttl()).await;
        sent.map_err(|error| self.failed(RPCTypes::Vote, &error))
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<RaftTypes>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<RaftTypes, Fatal<NodeId>>> {
        let send = self.send_snapshot(vote, snapshot, option.hard_ttl());
        let result = tokio::select! {
            biased;
            // Dropping the call resets its stream; the peer forgets what it received.
            closed = cancel => return Err(StreamingError::Closed(closed)),
            result = send => result,
        };
        result.map_err(
            |error| match self.failed(RPCTypes::InstallSnapshot, &error) {
                RPCError::Timeout(timeout) => StreamingError::Timeout(timeout),
                RPCError::Unreachable(unreachable) => StreamingError::Unreachable(unreachable),
                _other => StreamingError::Network(NetworkError::new(&error)),
            },
        )
    }

    fn backoff(&self) -> Backoff {
        let (first, longest) = BACKOFF;
        let doubled = move |pause: &Duration| Some((*pause * 2).min(longest));
        Backoff::new(std::iter::successors(Some(first), doubled))
    }
}

/// A snapshot cut into messages.
struct Parts {
    first: Option<SnapshotPart>,
    rest: Bytes,
}

impl Iterator for Parts {
    type Item = SnapshotPart;

    fn next(&mut self) -> Option<SnapshotPart> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.rest.is_empty() {
            return None;
        }
        let length = self.rest.len().min(SNAPSHOT_PART_BYTES);
        Some(SnapshotPart {
            data: self.rest.split_to(length),
            ..Default::default()
        })
    }
}
