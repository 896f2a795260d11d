//! The follower's end of the streams.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use holdfast_kernel::replica::{AppendHeader, RefusedReason, SessionId};
use holdfast_model::{BatchInfo, TopicPartition};
use holdfast_rpc::proto::replication_server::Replication;
use holdfast_rpc::{Identity, Request, Response, Sender, Status, Streaming, async_trait};
use holdfast_runtime::budget::{BudgetPermit, MemoryBudget, Share};
use holdfast_runtime::tasks::{Class, Tasks};
use holdfast_store::{Op, Permit};
use holdfast_wire::batch;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::AckOutbox;
use super::message::{self, Assembler, Item, Refused};
use crate::partition::FollowerReply;
use crate::partitions::Partitions;

/// Frames of answers that wait for the transport.
const FRAMES_IN_FLIGHT: usize = 16;

/// How long a frame waits for memory before its stream is ended and begun anew.
const MEMORY_PATIENCE: Duration = Duration::from_secs(5);

/// How often an idle connection says that it works.
const PING_INTERVAL: Duration = Duration::from_millis(100);

/// Takes in what leaders send.
#[derive(Clone, Debug)]
pub struct ReplicationService {
    partitions: Arc<Partitions>,
    budget: MemoryBudget,
    identity: Identity,
    tasks: Tasks,
}

impl ReplicationService {
    /// A service that feeds these partitions.
    pub fn new(
        partitions: Arc<Partitions>,
        budget: MemoryBudget,
        identity: Identity,
        tasks: Tasks,
    ) -> Self {
        Self {
            partitions,
            budget,
            identity,
            tasks,
        }
    }

    fn open(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<ReceiverStream<Result<Bytes, Status>>>, Status> {
        let sender = self.identity.check_stream(request.metadata())?;
        let (answers, stream) = mpsc::channel(FRAMES_IN_FLIGHT);
        let service = self.clone();
        let stop = self.tasks.shutdown_token();
        self.tasks.spawn("replication-receiver", Class::Job, async move {
            tokio::select! {
                // Cancel-safe: what was appended is in the writer's hands, the rest comes again.
                biased;
                () = stop.cancelled() => {}
                reason = service.serve(sender, request.into_inner(), answers) => {
                    tracing::debug!(leader = %sender.replica, reason, "replication stream ended");
                }
            }
        });
        let mut response = Response::new(ReceiverStream::new(stream));
        self.identity.introduce(response.metadata_mut());
        Ok(response)
    }

    async fn serve(
        &self,
        sender: Sender,
        stream: Streaming<Bytes>,
        answers: mpsc::Sender<Result<Bytes, Status>>,
    ) -> String {
        let outbox = Arc::new(AckOutbox::default());
        tokio::select! {
            // Either side ends the other.
            biased;
            reason = self.receive(sender, stream, &outbox) => reason,
            () = answer(&outbox, &answers) => "closed by the transport".to_owned(),
        }
    }

    async fn receive(
        &self,
        sender: Sender,
        mut stream: Streaming<Bytes>,
        outbox: &Arc<AckOutbox>,
    ) -> String {
        let mut assembler = Assembler::default();
        // For the message that is being put together, until it is taken in.
        let mut held: Option<BudgetPermit> = None;
        loop {
            let frame = match stream.message().await {
                Ok(Some(frame)) => frame,
                Ok(None) => return "closed by the leader".to_owned(),
                Err(status) => return status.message().to_owned(),
            };
            match self.memory_for(&frame).await {
                Ok(more) => match &mut held {
                    Some(held) => held.merge(more),
                    None => held = Some(more),
                },
                Err(reason) => return reason,
            }
            let mut message = match assembler.push(frame) {
                Ok(Some(message)) => message,
                Ok(None) => continue,
                Err(error) => return error.to_string(),
            };
            loop {
                match message::decode(&mut message) {
                    Ok(Some(item)) => {
                        if let Err(reason) = self.take(sender, item, outbox).await {
                            return reason;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return error.to_string(),
                }
            }
            held = None;
            if outbox.is_overfull() {
                return "the leader does not read its answers".to_owned();
            }
        }
    }

    /// Memory for a frame. Messages that are half there hold some while they wait for more, so that
    /// none waits for ever.
    async fn memory_for(&self, frame: &Bytes) -> Result<BudgetPermit, String> {
        let permit = self.budget.acquire(Share::Replication, frame.len() as u64);
        match tokio::time::timeout(MEMORY_PATIENCE, permit).await {
            Ok(permit) => permit.map_err(|error| error.to_string()),
            Err(_elapsed) => Err("no memory for what the leader sends".to_owned()),
        }
    }

    async fn take(
        &self,
        sender: Sender,
        item: Item,
        outbox: &Arc<AckOutbox>,
    ) -> Result<(), String> {
        match item {
            Item::Ping => {}
            Item::Open(at, open) => {
                let reply = match self.partitions.get(at) {
                    Some(partition) => partition.on_open(open.leader_epoch, open.session, outbox),
                    None => FollowerReply::Refused(RefusedReason::UnknownPartition),
                };
                outbox.reply(match reply {
                    FollowerReply::Opened(opened) => Item::Opened(at, opened),
                    FollowerReply::Refused(reason) => Item::Refused(
                        at,
                        Refused {
                            session: open.session,
                            reason,
                        },
                    ),
                });
            }
            Item::Start(at, start) => {
                let result = self
                    .partitions
                    .get(at)
                    .map(|partition| partition.on_start(&start));
                refuse(
                    outbox,
                    at,
                    start.session,
                    result.unwrap_or(Err(RefusedReason::NoSession)),
                );
            }
            Item::Append(at, header, batches) => {
                let result = self.append(at, &header, batches).await;
                refuse(outbox, at, header.session, result);
            }
            Item::Opened(..) | Item::Acked(..) | Item::Refused(..) => {
                return Err(format!(
                    "{} speaks as a follower on a leader's stream",
                    sender.replica
                ));
            }
        }
        Ok(())
    }

    async fn append(
        &self,
        at: TopicPartition,
        header: &AppendHeader,
        batches: Vec<Bytes>,
    ) -> Result<(), RefusedReason> {
        let partition = self
            .partitions
            .get(at)
            .ok_or(RefusedReason::UnknownPartition)?;
        let mut verified = Vec::with_capacity(batches.len());
        for bytes in batches {
            verified.push((verify(&bytes, at)?, bytes));
        }
        let environment = self.partitions.environment();
        let mut permits: Vec<Permit> = Vec::with_capacity(verified.len());
        for (_, bytes) in &verified {
            let reserve = environment.store.reserve(Op::append_bytes(bytes.len()));
            let waiting = reserve.map_err(|error| offline(&error))?;
            permits.push(waiting.await.map_err(|error| offline(&error))?);
        }
        environment
            .metrics
            .replicated_bytes
            .inc_by(verified.iter().map(|(_, bytes)| bytes.len() as u64).sum());
        partition.on_append(header, verified, permits)
    }
}

/// Damage on the way is found before it is written; the leader sends the batch again.
fn verify(bytes: &Bytes, at: TopicPartition) -> Result<BatchInfo, RefusedReason> {
    let info = batch::verify_crc(bytes).and_then(|()| batch::to_info(bytes));
    info.map_err(|error| {
        tracing::warn!(partition = %at, %error, "a batch was damaged on its way from the leader");
        RefusedReason::NotContiguous
    })
}

fn offline(error: &holdfast_store::Error) -> RefusedReason {
    tracing::debug!(%error, "cannot take batches in now");
    RefusedReason::Offline
}

fn refuse(
    outbox: &AckOutbox,
    at: TopicPartition,
    session: SessionId,
    result: Result<(), RefusedReason>,
) {
    if let Err(reason) = result {
        outbox.reply(Item::Refused(at, Refused { session, reason }));
    }
}

/// Sends what the outbox holds, until the stream breaks.
async fn answer(outbox: &AckOutbox, answers: &mpsc::Sender<Result<Bytes, Status>>) {
    let mut ping = tokio::time::interval(PING_INTERVAL);
    loop {
        let message = tokio::select! {
            // Cancel-safe: the outbox keeps what was not taken.
            biased;
            () = outbox.wait() => outbox.take(),
            _ = ping.tick() => {
                let mut out = BytesMut::new();
                message::encode(&Item::Ping, &mut out);
                Some(out.freeze())
            }
        };
        let Some(message) = message else {
            continue;
        };
        for frame in message::into_frames(message) {
            if answers.send(Ok(frame)).await.is_err() {
                return;
            }
        }
    }
}

#[async_trait]
impl Replication for ReplicationService {
    type ReplicateStream = ReceiverStream<Result<Bytes, Status>>;
    type CatchUpStream = ReceiverStream<Result<Bytes, Status>>;

    async fn replicate(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Self::ReplicateStream>, Status> {
        self.open(request)
    }

    async fn catch_up(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Self::CatchUpStream>, Status> {
        self.open(request)
    }
}
