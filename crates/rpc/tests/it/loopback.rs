//! A server that answers with what it was sent.

use std::net::SocketAddr;

use bytes::Bytes;
use holdfast_model::{
    BrokerId, ClusterId, Incarnation, RecoveryGeneration, ReplicaId, StartNumber,
};
use holdfast_rpc::proto::raft_server::Raft;
use holdfast_rpc::proto::replication_server::Replication;
use holdfast_rpc::proto::{RaftReply, RaftRequest, SnapshotPart};
use holdfast_rpc::{
    Identity, Options, Request, Response, Server, Status, Streaming, limits, serve,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) fn identity() -> Identity {
    Identity {
        cluster: ClusterId(uuid::Uuid::from_u128(1)),
        replica: ReplicaId {
            broker: BrokerId(1),
            incarnation: Incarnation(1),
        },
        start: StartNumber(1),
        recovery: RecoveryGeneration(0),
        process: 5,
    }
}

pub(crate) struct Loopback {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Loopback {
    #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
    pub(crate) async fn start(at: Option<SocketAddr>) -> Self {
        let at = at.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let listener = TcpListener::bind(at).await.expect("bind");
        let address = listener.local_addr().expect("address");
        let (stop, stopped) = oneshot::channel();
        let router = Server::builder(&Options::default())
            .add_service(limits::raft_server(Echo))
            .add_service(limits::replication_server(Echo));
        let task = tokio::spawn(async move {
            let shutdown = async {
                stopped.await.ok();
            };
            serve(listener, router, shutdown).await.expect("serve");
        });
        Self {
            address,
            stop,
            task,
        }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("running");
        self.task.await.expect("ended");
    }
}

struct Echo;

#[tonic::async_trait]
impl Raft for Echo {
    async fn append(&self, request: Request<RaftRequest>) -> Result<Response<RaftReply>, Status> {
        self.vote(request).await
    }

    async fn vote(&self, request: Request<RaftRequest>) -> Result<Response<RaftReply>, Status> {
        let request = request.into_inner();
        identity().check(request.envelope.as_ref())?;
        let envelope = Some(identity().envelope());
        Ok(Response::new(RaftReply {
            envelope,
            payload: request.payload,
        }))
    }

    async fn install_snapshot(
        &self,
        _request: Request<Streaming<SnapshotPart>>,
    ) -> Result<Response<RaftReply>, Status> {
        Err(Status::unimplemented("an echo has no state"))
    }
}

#[tonic::async_trait]
impl Replication for Echo {
    type ReplicateStream = Streaming<Bytes>;
    type CatchUpStream = Streaming<Bytes>;

    async fn replicate(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Streaming<Bytes>>, Status> {
        identity().check_stream(request.metadata())?;
        Ok(Response::new(request.into_inner()))
    }

    async fn catch_up(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Streaming<Bytes>>, Status> {
        self.replicate(request).await
    }
}
