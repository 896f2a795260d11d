//! Continuous load on a cluster, and the audit that ends it.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::{Clock, SystemClock};
use holdfast_tests::cluster::{Cluster, Storage};
use holdfast_tests::ledger::{self, Recipe, RunningProducer};

/// The topic that is written to.
pub(crate) const TOPIC: &str = "ledger";

/// Its partitions: each broker leads two.
const PARTITIONS: i32 = 6;

/// Records a second and producer: enough that some are always in flight.
pub(crate) const RATE: u32 = 600;

/// How long a partition may stand still once nothing is broken any more.
const PROGRESS_WITHIN: Duration = Duration::from_mins(1);

/// How long replicas may take to catch up.
const IN_SYNC_WITHIN: Duration = Duration::from_mins(1);

/// A cluster with producers at work.
pub(crate) struct Load {
    pub(crate) cluster: Cluster,
    producers: Vec<RunningProducer>,
}

impl Load {
    pub(crate) async fn start(name: &str, storage: Storage) -> Self {
        Self::on(Cluster::start(name, storage).await.unwrap()).await
    }

    /// Load on a cluster that serves.
    pub(crate) async fn on(cluster: Cluster) -> Self {
        Self::at(cluster, RATE).await
    }

    /// The same, with so many records a second and producer.
    pub(crate) async fn at(cluster: Cluster, rate: u32) -> Self {
        cluster.create_topic(TOPIC, PARTITIONS).await.unwrap();
        let recipe = |name: &str, codec| Recipe {
            name: name.to_owned(),
            bootstrap: cluster.bootstrap(),
            topic: TOPIC.to_owned(),
            partitions: PARTITIONS,
            rate,
            codec,
        };
        let recipes = [recipe("plain", "none"), recipe("packed", "lz4")];
        let producers = recipes.map(|r| RunningProducer::start(cluster.dir(), r).unwrap());
        let mut load = Self {
            cluster,
            producers: producers.into(),
        };
        load.progress().await;
        load
    }

    /// Every partition takes records that are sent from now on, from every producer. How long the slowest
    /// took, milliseconds.
    pub(crate) async fn progress(&mut self) -> u64 {
        let from = SystemClock::new().wall_ms();
        let all: Vec<i32> = (0..PARTITIONS).collect();
        let mut slowest = Duration::ZERO;
        for producer in &mut self.producers {
            let waited = producer.wait_acked_since(from, &all, PROGRESS_WITHIN).await;
            match waited {
                Ok(waited) => slowest = slowest.max(waited),
                Err(error) => {
                    let described = self.cluster.describe(TOPIC).await;
                    panic!("{error:#}\n{described:#?}");
                }
            }
        }
        self.cluster.check_alive().unwrap();
        u64::try_from(slowest.as_millis()).unwrap()
    }

    /// When records of each partition were acknowledged, in milliseconds since 1970.
    #[allow(dead_code, reason = "for those who measure")]
    pub(crate) fn acknowledged_at(&mut self) -> anyhow::Result<BTreeMap<i32, Vec<i64>>> {
        let mut times: BTreeMap<i32, Vec<i64>> = BTreeMap::new();
        for producer in &mut self.producers {
            for (partition, acks) in &producer.entries()?.acks {
                let at = acks.iter().map(|ack| ack.acked_ms);
                times.entry(*partition).or_default().extend(at);
            }
        }
        Ok(times)
    }

    pub(crate) async fn in_sync(&mut self) {
        self.cluster
            .wait_in_sync(TOPIC, IN_SYNC_WITHIN)
            .await
            .unwrap();
    }

    /// Ends the load once everybody is back in every ISR, and compares the log with the ledgers.
    pub(crate) async fn finish(self) {
        let _counts = self.finish_counted().await;
    }

    /// The same; how many records were acknowledged, and how many batches compared between disks.
    pub(crate) async fn finish_counted(mut self) -> (usize, u64) {
        self.cluster.wait_ready().await.unwrap();
        self.progress().await;
        self.in_sync().await;
        let mut ledgers = Vec::new();
        for producer in self.producers {
            ledgers.push(producer.finish().await.unwrap());
        }
        let verdict = ledger::audit(self.cluster.client(), TOPIC, &ledgers)
            .await
            .unwrap();
        eprintln!("{verdict:?}");
        verdict.ensure_clean().unwrap();
        let failed: Vec<&String> = ledgers.iter().flat_map(|(_, e)| &e.failed).collect();
        assert!(failed.is_empty(), "errors at the application: {failed:?}");
        let compared = self.cluster.compare_disks().await.unwrap();
        assert!(compared > 0, "nothing was compared");
        self.cluster.finish().unwrap();
        (verdict.acknowledged, compared)
    }
}
