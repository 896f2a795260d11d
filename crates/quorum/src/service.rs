//! Answers the Raft messages of other members.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use holdfast_model::{BrokerId, Incarnation, ReplicaId};
use holdfast_rpc::limits::SNAPSHOT_BYTES;
use holdfast_rpc::proto::raft_server;
use holdfast_rpc::proto::{RaftReply, RaftRequest, SnapshotPart};
use holdfast_rpc::{Identity, Request, Response, Status, Streaming, async_trait};
use openraft::raft::{AppendEntriesRequest, VoteRequest};
use openraft::storage::Snapshot;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::network::SnapshotHeader;
use crate::node::{NodeId, Raft, RaftTypes};
use crate::payload;
use crate::publication::Publication;
use crate::starts::Starts;

/// The quorum's side of the `Raft` service.
#[derive(Clone)]
pub struct RaftService {
    pub(crate) identity: Identity,
    pub(crate) raft: Raft,
    pub(crate) starts: Starts,
    pub(crate) publication: Arc<Publication>,
    /// The planted bug of tests: whichever disk was meant, this one answers.
    pub(crate) answers_for_any_disk: bool,
}

impl std::fmt::Debug for RaftService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RaftService({})", self.identity.replica)
    }
}

impl RaftService {
    /// The payload of a message of this cluster that is meant for this very disk.
    fn accept<T: DeserializeOwned>(&self, request: &RaftRequest) -> Result<T, Status> {
        let target = ReplicaId {
            broker: BrokerId(request.target_broker),
            incarnation: Incarnation(request.target_incarnation),
        };
        if target != self.identity.replica && !self.answers_for_any_disk {
            return Err(Status::failed_precondition(format!(
                "message for {target}, this is {}",
                self.identity.replica
            )));
        }
        // After the target: only the disk that is meant may say that the sender is foreign. Another
        // one at its address, formatted with a wrong generation, knows nothing.
        let sender = self.identity.check(request.envelope.as_ref())?;
        let image = self.publication.image();
        let known = self.starts.check(&sender, &image);
        known.map_err(|repeated| Status::failed_precondition(repeated.to_string()))?;
        payload::decode(&request.payload)
            .map_err(|error| Status::invalid_argument(error.to_string()))
    }

    fn reply<T: Serialize>(&self, answer: &T) -> Result<Response<RaftReply>, Status> {
        let payload =
            payload::encode(answer).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(RaftReply {
            envelope: Some(self.identity.envelope()),
            payload,
        }))
    }
}

/// The quorum stopped here; the process is about to end.
fn stopped(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

#[async_trait]
impl raft_server::Raft for RaftService {
    async fn append(&self, request: Request<RaftRequest>) -> Result<Response<RaftReply>, Status> {
        let rpc: AppendEntriesRequest<RaftTypes> = self.accept(request.get_ref())?;
        self.reply(&self.raft.append_entries(rpc).await.map_err(stopped)?)
    }

    async fn vote(&self, request: Request<RaftRequest>) -> Result<Response<RaftReply>, Status> {
        let rpc: VoteRequest<NodeId> = self.accept(request.get_ref())?;
        self.reply(&self.raft.vote(rpc).await.map_err(stopped)?)
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<SnapshotPart>>,
    ) -> Result<Response<RaftReply>, Status> {
        let mut parts = request.into_inner();
        let Some(first) = parts.message().await? else {
            return Err(Status::invalid_argument("snapshot without parts"));
        };
        let Some(request) = &first.header else {
            return Err(Status::invalid_argument("snapshot without header"));
        };
        let header: SnapshotHeader = self.accept(request)?;
        let data = receive(first.total_bytes, first.data, &mut parts).await?;
        // openraft takes whatever it is handed; damage on the way must end here.
        crate::snapshot_store::decode(&data)
            .map_err(|error| Status::data_loss(error.to_string()))?;
        let snapshot = Snapshot {
            meta: header.meta,
            snapshot: Box::new(data),
        };
        let installed = self.raft.install_full_snapshot(header.vote, snapshot).await;
        self.reply(&installed.map_err(stopped)?)
    }
}

/// Collects the bytes of a snapshot; memory grows with what arrives, not with what is claimed.
async fn receive(
    total: u64,
    first: Bytes,
    parts: &mut Streaming<SnapshotPart>,
) -> Result<Bytes, Status> {
    if total > SNAPSHOT_BYTES as u64 {
        return Err(Status::resource_exhausted(format!(
            "snapshot of {total} bytes"
        )));
    }
    let mut data = BytesMut::from(first.as_ref());
    while let Some(part) = parts.message().await? {
        if (data.len() + part.data.len()) as u64 > total {
            return Err(Status::invalid_argument("snapshot longer than announced"));
        }
        data.extend_from_slice(&part.data);
    }
    if (data.len() as u64) < total {
        return Err(Status::data_loss("snapshot shorter than announced"));
    }
    Ok(data.freeze())
}
