//! Mends damaged replicas, one at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use holdfast_kernel::controller::Controller;
use holdfast_kernel::repair::{Answer, Repair};
use holdfast_model::{BatchInfo, BrokerId, Offset, TopicPartition};
use holdfast_rpc::{Channels, Identity};
use holdfast_store::{Checked, DataDir, Error, Op};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::ask::{self, Held};
use super::is_batch;
use crate::controller::ControllerClient;
use crate::environment::Environment;
use crate::partition::Partition;
use crate::partitions::Partitions;
use crate::replication::PeerTarget;

/// Bytes read in one step of a check.
const CHECK_BYTES: u64 = 16 * 1024 * 1024;

/// Pause before what could not be mended is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// How long the writer may take to put a mended batch on the disk.
const WRITTEN: Duration = Duration::from_secs(10);

/// How often it is looked for.
const LOOK: Duration = Duration::from_millis(10);

/// Mends replicas whose bytes are damaged.
#[derive(Clone, Debug)]
pub struct Mender {
    /// The replicas here.
    pub partitions: Arc<Partitions>,
    /// The way to the other brokers.
    pub channels: Channels,
    /// Who asks.
    pub identity: Identity,
    /// Turns at the disk.
    pub disk_reads: Arc<Semaphore>,
    /// Who says whether the cluster can do without this disk.
    pub controller: ControllerClient,
    /// The disk.
    pub directory: PathBuf,
}

impl Mender {
    /// Mends whatever is found damaged, until the process stops.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            // Cancel-safe: what is not mended is damaged still, and known as such at the next start.
            biased;
            () = stop.cancelled() => {}
            () = self.mend_all() => {}
        }
    }

    async fn mend_all(&self) {
        let environment = self.partitions.environment();
        // Why each could not be mended: said once, not with every try. As many as are damaged here.
        let mut said: BTreeMap<TopicPartition, String> = BTreeMap::new();
        loop {
            environment.work.damaged.wait().await;
            let wanted: BTreeSet<TopicPartition> = environment.work.damaged.take();
            let mut left = Vec::new();
            for at in wanted {
                let Some(partition) = self.partitions.get(at) else {
                    said.remove(&at);
                    continue;
                };
                let begun = environment.clock.monotonic();
                match self.mend(&partition).await {
                    Ok(batches) => {
                        said.remove(&at);
                        let took = environment.clock.monotonic().since(begun);
                        environment.metrics.repair.mended_replicas.inc();
                        tracing::info!(
                            topic = partition.topic_name(),
                            partition = at.partition,
                            batches,
                            ?took,
                            "replica is whole again"
                        );
                    }
                    Err(reason) => {
                        if said.get(&at) != Some(&reason) {
                            tracing::error!(
                                topic = partition.topic_name(),
                                partition = at.partition,
                                reason,
                                "damaged replica cannot be mended yet"
                            );
                            partition.set_repair_status(&reason);
                            said.insert(at, reason);
                        }
                        left.push(at);
                    }
                }
            }
            if !left.is_empty() {
                tokio::time::sleep(RETRY).await;
                for at in left {
                    environment.work.damaged.add(at);
                }
            }
        }
    }

    /// Reads a whole log, mends what is damaged, and lets the replica go on; how many batches were mended.
    async fn mend(&self, partition: &Arc<Partition>) -> Result<usize, String> {
        let damage = partition.damage();
        let (mut from, up_to) = {
            let offsets = partition.offsets();
            (offsets.log_start, offsets.log_end)
        };
        let mut mended = 0;
        let mut repair = Repair::default();
        loop {
            let checked = self.check(partition, from, up_to).await?;
            repair.found(&checked.damaged);
            mended += repair.wanted();
            while !repair.is_done() {
                self.one_round(partition, &mut repair).await?;
            }
            match checked.next {
                Some(next) => from = next,
                None => break,
            }
        }
        partition.is_whole(damage)?;
        Ok(mended)
    }

    async fn check(
        &self,
        partition: &Arc<Partition>,
        from: Offset,
        up_to: Offset,
    ) -> Result<Checked, String> {
        let turn = Arc::clone(&self.disk_reads).acquire_owned().await;
        let turn = turn.map_err(|_closed| "stopping".to_owned())?;
        let environment = Arc::clone(self.partitions.environment());
        let at = partition.at();
        let checking = tokio::task::spawn_blocking(move || {
            let checked = environment.store.check(at, from, up_to, CHECK_BYTES);
            drop(turn);
            checked
        });
        let checked = checking.await.map_err(|error| error.to_string())?;
        match checked {
            Ok(checked) => Ok(checked),
            Err(error @ Error::DamagedIndex { .. }) => Err(self.begin_anew(&error).await),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The tables that hold this index hold those of other partitions too, and every compaction reads
    /// them: no replica alone can be mended. The process ends, and the next start begins a new life of the
    /// disk; unless the cluster cannot do without this one. Then it goes on with what it can read.
    async fn begin_anew(&self, damage: &Error) -> String {
        let replica = self.identity.replica;
        if let Err(error) = self.controller.describe_quorum().await {
            return format!("{damage}; {error}");
        }
        let image = self.controller.quorum().image();
        if let Some((partition, more)) = Controller::holds_alone(&image, replica) {
            return format!("{damage}; only this disk holds {partition} and {more} others");
        }
        if let Err(error) = DataDir::note_damage(&self.directory, &damage.to_string()) {
            return format!("{damage}; {error}");
        }
        tracing::error!(%damage, "ends the process: the next start begins a new life of this disk");
        std::process::abort();
    }

    /// Asks every other replica once. An error if that brought nothing.
    async fn one_round(
        &self,
        partition: &Arc<Partition>,
        repair: &mut Repair,
    ) -> Result<(), String> {
        let before = repair.wanted();
        let peers = self.peers(partition);
        let mut reasons = Vec::new();
        for (id, peer) in &peers {
            if repair.is_done() {
                break;
            }
            if let Err(reason) = self.ask(partition, repair, *id, peer).await {
                reasons.push(format!("broker {id}: {reason}"));
            }
        }
        if repair.wanted() < before {
            return Ok(());
        }
        let ids: Vec<BrokerId> = peers.iter().map(|(id, _)| *id).collect();
        if let Some(lost) = repair.lost(&ids) {
            return Err(format!(
                "no other replica holds the batch at {} of epoch {}",
                lost.base_offset, lost.leader_epoch
            ));
        }
        if peers.is_empty() {
            reasons.push("no other replica is registered".to_owned());
        }
        let wanted = repair.wanted();
        Err(format!(
            "{wanted} batches are damaged; {}",
            reasons.join("; ")
        ))
    }

    /// The other brokers that have a replica, the leader first.
    fn peers(&self, partition: &Partition) -> Vec<(BrokerId, PeerTarget)> {
        let environment = self.partitions.environment();
        let Some(view) = partition.view() else {
            return Vec::new();
        };
        let leader = view.leader.map(|(leader, _)| leader);
        let me = environment.replica.broker;
        let others = view.replicas.iter().map(|replica| replica.replica.broker);
        let mut others: Vec<BrokerId> = others.filter(|id| *id != me).collect();
        others.sort_by_key(|id| Some(*id) != leader);
        let target = |id| Some((id, environment.peers.target(id)?));
        others.into_iter().filter_map(target).collect()
    }

    /// Asks one replica for everything that it may have.
    async fn ask(
        &self,
        partition: &Arc<Partition>,
        repair: &mut Repair,
        id: BrokerId,
        peer: &PeerTarget,
    ) -> Result<(), String> {
        let mut after = None;
        let mut odd = None;
        loop {
            let question = repair.question(id, after);
            let Some(last) = question.last() else {
                return odd.map_or(Ok(()), Err);
            };
            after = Some(last.base_offset);
            let answered = ask::ask(
                &self.channels,
                &self.identity,
                peer,
                partition.at(),
                &question,
            )
            .await?;
            if let Some(start) = partition.start_of_mended(repair, answered.log_start) {
                repair.log_starts_at(start);
            }
            let mut written = Vec::new();
            for (info, held) in question.iter().zip(answered.batches) {
                let answer = match held {
                    Held::Batch(bytes) if is_batch(&bytes, info) => {
                        self.write(partition.at(), info, bytes).await?;
                        written.push(*info);
                        Answer::Sent
                    }
                    Held::Absent => Answer::Absent,
                    Held::Batch(_) | Held::Unknown => {
                        odd = Some(format!("does not have {} whole", info.base_offset));
                        Answer::Unknown
                    }
                };
                repair.on_answer(id, info, answer);
            }
            self.wait_for(partition.at(), &written, repair).await?;
        }
    }

    async fn write(
        &self,
        at: TopicPartition,
        info: &BatchInfo,
        bytes: Bytes,
    ) -> Result<(), String> {
        let store = &self.partitions.environment().store;
        let room = store.reserve(Op::append_bytes(bytes.len()));
        let permit = room.map_err(|error| error.to_string())?.await;
        let op = Op::Mend {
            partition: at,
            batch: bytes,
            info: *info,
        };
        let submitted = store.submit(permit.map_err(|error| error.to_string())?, 0, op);
        submitted.map_err(|error| error.to_string())
    }

    /// Reads back what was written: it is visible once it is synced.
    async fn wait_for(
        &self,
        at: TopicPartition,
        written: &[BatchInfo],
        repair: &mut Repair,
    ) -> Result<(), String> {
        let environment = self.partitions.environment();
        let begun = environment.clock.monotonic();
        for info in written {
            while !is_whole(environment, at, *info).await? {
                if environment.clock.monotonic().since(begun) > WRITTEN {
                    return Err(format!("{} is not whole on the disk yet", info.base_offset));
                }
                tokio::time::sleep(LOOK).await;
            }
            environment.metrics.repair.mended_batches.inc();
            repair.mended(info);
        }
        Ok(())
    }
}

async fn is_whole(
    environment: &Arc<Environment>,
    at: TopicPartition,
    info: BatchInfo,
) -> Result<bool, String> {
    let environment = Arc::clone(environment);
    let reading = tokio::task::spawn_blocking(move || {
        let found = environment.store.batch_at(at, info.base_offset);
        // Cut or deleted meanwhile, it is wanted no more.
        found
            .is_ok_and(|found| found.is_none_or(|batch| batch.info.base_offset == info.base_offset))
    });
    reading.await.map_err(|error| error.to_string())
}
