//! Offsets that are committed all the time, and a ledger of what was answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use holdfast_client::{Admin, Client, Options};
use holdfast_tests::cluster::{Cluster, Storage};
use holdfast_tests::patience::until;
use tokio::task::JoinSet;

const GROUP: &str = "ledger";
pub(crate) const TOPIC: &str = "ledger";
pub(crate) const OFFSETS: &str = "__consumer_offsets";

/// Who commits at the same time, and of how many partitions each. A log of 4 MiB, which is about a
/// thousand such requests, is rewritten.
const LANES: usize = 8;
const ROWS: usize = 50;

/// What one of them has asked for, and was answered.
#[derive(Debug, Default)]
struct Lane {
    sent: AtomicI64,
    answered: AtomicI64,
}

/// Committers, and what they were answered.
pub(crate) struct Ledger {
    pub(crate) cluster: Cluster,
    admin: Admin,
    lanes: Arc<Vec<Lane>>,
    stop: Arc<AtomicBool>,
    running: JoinSet<()>,
    /// What was shown of each partition last.
    shown: Vec<i64>,
}

fn admin(cluster: &Cluster) -> Admin {
    let options = Options {
        operation_timeout: Duration::from_secs(3),
        // A broker that is paused takes requests and answers none.
        request_timeout: Duration::from_secs(3),
        ..Options::default()
    };
    Admin::new(Client::new(&cluster.bootstrap(), options).unwrap())
}

fn partitions(lane: usize) -> std::ops::Range<usize> {
    lane * ROWS..(lane + 1) * ROWS
}

impl Ledger {
    pub(crate) async fn start(name: &str) -> Self {
        let cluster = Cluster::start(name, Storage::Directory).await.unwrap();
        let count = i32::try_from(LANES * ROWS).unwrap();
        cluster.create_topic(TOPIC, count).await.unwrap();
        let lanes: Arc<Vec<Lane>> = Arc::new((0..LANES).map(|_| Lane::default()).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        for index in 0..LANES {
            let (lanes, stop, admin) = (Arc::clone(&lanes), Arc::clone(&stop), admin(&cluster));
            running.spawn(async move {
                let lane = &lanes[index];
                while !stop.load(Ordering::Relaxed) {
                    let offset = lane.sent.fetch_add(1, Ordering::Relaxed) + 1;
                    let rows: Vec<(String, i32, i64)> = partitions(index)
                        .map(|at| (TOPIC.to_owned(), i32::try_from(at).unwrap(), offset))
                        .collect();
                    if admin.set_group_offsets(GROUP, &rows).await.is_ok() {
                        lane.answered.store(offset, Ordering::Relaxed);
                    }
                }
            });
        }
        Self {
            admin: admin(&cluster),
            cluster,
            lanes,
            stop,
            running,
            shown: vec![0; LANES * ROWS],
        }
    }

    /// Waits until everybody was answered again.
    pub(crate) async fn progress(&self) {
        let before: Vec<i64> = self.answered();
        let asked = async || {
            let now = self.answered();
            let stuck = now.iter().zip(&before).filter(|(now, then)| now <= then);
            match stuck.count() {
                0 => Ok(()),
                count => Err(format!("{count} have no answer")),
            }
        };
        until("commits are answered", asked).await.unwrap();
    }

    pub(crate) fn answered(&self) -> Vec<i64> {
        let lanes = self.lanes.iter();
        lanes
            .map(|lane| lane.answered.load(Ordering::Relaxed))
            .collect()
    }

    /// What is shown is at least what was answered before, at most what was sent, and not before what
    /// was shown last.
    pub(crate) async fn check(&mut self) {
        let answered = self.answered();
        let asked = async || {
            let shown = self.admin.group_offsets(GROUP).await;
            shown.map_err(|error| error.to_string())
        };
        let shown = until("offsets are shown", asked).await.unwrap();
        assert_eq!(shown.len(), LANES * ROWS);
        for row in shown {
            let at = usize::try_from(row.partition).unwrap();
            let lane = at / ROWS;
            let sent = self.lanes[lane].sent.load(Ordering::Relaxed);
            let least = answered[lane].max(self.shown[at]);
            assert!(
                (least..=sent).contains(&row.offset),
                "{at}: {} is shown, of {sent} sent; at least {least} was answered or shown",
                row.offset
            );
            self.shown[at] = row.offset;
        }
    }

    /// The broker that coordinates.
    pub(crate) async fn coordinator(&self) -> usize {
        let asked = async || {
            let found = self.admin.coordinator(GROUP).await;
            found.map(|(id, _)| id).map_err(|error| error.to_string())
        };
        usize::try_from(until("a coordinator", asked).await.unwrap()).unwrap()
    }

    pub(crate) async fn finish(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.running.join_next().await {
            ended.unwrap();
        }
        self.check().await;
        self.cluster.finish().unwrap();
    }

    /// The log does not hold what was written: it was rewritten meanwhile.
    pub(crate) async fn was_rewritten(&self) {
        let partition = self.partition().await;
        let start = |start| self.admin.offset_of(OFFSETS, partition, start);
        let first = start(holdfast_client::Start::Earliest).await.unwrap();
        let commits: i64 = self.answered().iter().sum();
        eprintln!("{commits} requests were answered; the log begins at {first}");
        assert!(
            first > 0,
            "the log was never rewritten in {commits} requests"
        );
    }

    /// The partition of the group: the one that was written to most.
    async fn partition(&self) -> i32 {
        let mut most = (0, 0);
        for partition in 0..50 {
            let end = self
                .admin
                .offset_of(OFFSETS, partition, holdfast_client::Start::Latest)
                .await
                .unwrap();
            most = most.max((end, partition));
        }
        most.1
    }
}
