//! What the broker does for its partitions as time passes, and work that they asked for.

use std::sync::Arc;
use std::time::Duration;

use holdfast_kernel::controller::{Command, Outcome};
use holdfast_kernel::log::TrustedWall;
use holdfast_model::{Clock, ErrorCode, TopicPartition};
use holdfast_runtime::budget::{MemoryBudget, Share};
use tokio_util::sync::CancellationToken;

use crate::controller::ControllerClient;
use crate::partitions::Partitions;

/// How often followers' lag is looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often checkpoints, high watermarks and gauges are looked at.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after a round of ISR wishes, so that many become one entry of the quorum.
const ISR_PAUSE: Duration = Duration::from_millis(5);

/// Most wishes of one request.
const ISR_PER_REQUEST: usize = 2_000;

/// How long a wish waits for a controller before it is made again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Looks after the partitions of a broker.
#[derive(Clone, Debug)]
pub struct Upkeep {
    /// The partitions.
    pub partitions: Arc<Partitions>,
    /// The way to the controller.
    pub controller: ControllerClient,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What the wall clock showed when this process started.
    pub wall: TrustedWall,
    /// The memory budget, which is told what the caches hold.
    pub budget: MemoryBudget,
    /// How often retention is looked at.
    pub retention_interval: Duration,
}

impl Upkeep {
    /// Lag, checkpoints, gauges.
    pub async fn timers(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TICK);
        let mut slow = tokio::time::interval(CHECKPOINT_INTERVAL);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        slow.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = slow.tick() => {
                    let now = self.clock.monotonic();
                    self.partitions.for_each(|partition| {
                        partition.checkpoint(now, false);
                        partition.ask_to_resign();
                    });
                    self.gauges();
                }
                _ = tick.tick() => {
                    let now = self.clock.monotonic();
                    let heard = self.partitions.environment().peers.heard();
                    self.partitions.for_each(|partition| partition.tick(now, &heard));
                }
            }
        }
    }

    fn gauges(&self) {
        let metrics = &self.partitions.environment().metrics;
        let (mut leaders, mut under, mut below) = (0, 0, 0);
        let (mut offline, mut damaged) = (0, 0);
        let all = self.partitions.all();
        for partition in &all {
            offline += i64::from(partition.offline_reason().is_some());
            damaged += i64::from(partition.damaged().is_some());
            if !partition.offsets().leads {
                continue;
            }
            leaders += 1;
            if let Some(view) = partition.view() {
                under += i64::from(view.isr.len() < view.replicas.len());
                below += i64::from(view.countable_isr() < view.min_isr as usize);
            }
        }
        metrics.leaders.set(leaders);
        metrics.replicas.set(all.len() as i64);
        metrics.under_replicated.set(under);
        metrics.under_min_isr.set(below);
        metrics.offline_replicas.set(offline);
        metrics.repair.damaged_replicas.set(damaged);
        let environment = self.partitions.environment();
        let tail = environment.tail.held();
        metrics.tail_bytes.set(tail as i64);
        self.budget.show_used(Share::TailCache, tail);
        if let Ok(bytes) = environment.store.memory_bytes() {
            self.budget.show_used(Share::Store, bytes);
        }
        self.cluster_gauges();
    }

    /// The disk, the quorum, and what the controller alone counts.
    fn cluster_gauges(&self) {
        let environment = self.partitions.environment();
        let (metrics, store) = (&environment.metrics, &environment.store);
        let size = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        metrics.disk_available.set(size(store.available_bytes()));
        if let Ok(used) = store.disk_bytes() {
            metrics.disk_used.set(size(used));
        }
        metrics.disk_at_reserve.set(store.is_at_reserve().into());
        metrics.isolated.set(environment.isolated.is_set().into());
        let quorum = self.controller.quorum();
        let status = quorum.status();
        let leads = status.leader == Some(environment.replica);
        metrics.quorum_term.set(size(status.term));
        metrics.quorum_leads.set(leads.into());
        metrics
            .quorum_has_leader
            .set(status.leader.is_some().into());
        metrics.quorum_applied.set(size(status.high_watermark));
        let leaderless = if leads {
            let image = quorum.image();
            let topics = image.topics.iter();
            let partitions = topics.flat_map(|(_, topic)| &topic.partitions);
            partitions.filter(|record| record.leader.is_none()).count()
        } else {
            0
        };
        metrics.leaderless.set(leaderless as i64);
    }

    /// Carries leaders' wishes for other ISRs to the controller.
    pub async fn isr(self, stop: CancellationToken) {
        let environment = Arc::clone(self.partitions.environment());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = environment.work.isr.wait() => {}
            }
            let Some(broker_epoch) = environment.broker_epoch() else {
                tokio::time::sleep(TICK).await;
                continue;
            };
            let wanted: Vec<TopicPartition> = environment.work.isr.take().into_iter().collect();
            let proposals: Vec<_> = wanted
                .iter()
                .filter_map(|at| self.partitions.get(*at)?.propose_isr())
                .collect();
            for some in proposals.chunks(ISR_PER_REQUEST) {
                environment.metrics.isr_proposals.inc_by(some.len() as u64);
                let command = Command::AlterIsr {
                    broker: environment.replica.broker,
                    broker_epoch,
                    proposals: some.to_vec(),
                };
                self.settle(self.controller.submit(command, PATIENCE).await);
            }
            tokio::time::sleep(ISR_PAUSE).await;
        }
    }

    fn settle(&self, outcome: Outcome) {
        let Outcome::IsrAltered(results) = outcome else {
            // Asked again by the timer: a wish stays in flight until the image settles it.
            tracing::debug!(?outcome, "ISR wishes were not decided");
            return;
        };
        for (at, code) in results {
            if code != ErrorCode::None {
                tracing::debug!(partition = %at, %code, "wish for another ISR was refused");
            }
            if holdfast_kernel::controller::is_final(code)
                && let Some(partition) = self.partitions.get(at)
            {
                partition.isr_refused();
            }
        }
    }

    /// Reads logs back after a cut, off the network threads.
    pub async fn rebuilds(self, stop: CancellationToken) {
        let environment = Arc::clone(self.partitions.environment());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = environment.work.rebuild.wait() => {}
            }
            let wanted = environment.work.rebuild.take();
            let partitions = Arc::clone(&self.partitions);
            let work = tokio::task::spawn_blocking(move || {
                for at in wanted {
                    if let Some(partition) = partitions.get(at) {
                        partition.rebuild();
                    }
                }
            });
            if let Err(error) = work.await {
                tracing::error!(%error, "reading logs back failed, aborting");
                std::process::abort();
            }
        }
    }

    /// Gives away partitions whose replica here went offline, or whose disk here is too slow.
    pub async fn resignations(self, stop: CancellationToken) {
        let environment = Arc::clone(self.partitions.environment());
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = environment.work.resign.wait() => {}
            }
            let wanted = environment.work.resign.take();
            let partitions: Vec<_> = wanted
                .iter()
                .filter_map(|at| Some((*at, self.partitions.get(*at)?.leadership_to_resign()?)))
                .collect();
            let Some(broker_epoch) = environment
                .broker_epoch()
                .filter(|_| !partitions.is_empty())
            else {
                continue;
            };
            let broker = environment.replica.broker;
            let command = Command::Resign {
                broker,
                broker_epoch,
                partitions,
            };
            if matches!(
                self.controller.submit(command, PATIENCE).await,
                Outcome::Failed(_)
            ) {
                for at in wanted {
                    environment.work.resign.add(at);
                }
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }

    /// Drops expired segments.
    pub async fn retention(self, stop: CancellationToken) {
        let mut timer = tokio::time::interval(self.retention_interval);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = timer.tick() => {}
            }
            let now = self.trusted();
            self.partitions.for_each(|partition| {
                partition.retain(now);
                if let Some(now) = now {
                    partition.expire_producers(now);
                }
            });
        }
    }

    /// The wall time, or none while it is further ahead than it can be.
    fn trusted(&self) -> Option<i64> {
        let now = self.wall.now(self.clock.wall_ms(), self.clock.monotonic());
        let metrics = &self.partitions.environment().metrics;
        metrics.clock_jumped.set(now.is_none().into());
        if now.is_none() {
            tracing::warn!("the wall clock jumped ahead: nothing expires by time until it is back");
        }
        now
    }
}
