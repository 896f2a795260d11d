//! Disks that are lost, set back to an older copy, or put into another broker.

use std::fs;

use holdfast_tests::cluster::BROKERS;
use holdfast_tests::power;

use super::Round;

/// What a disk is told that was started since its copy was made, and one of another broker.
const SET_BACK: &str = "rolled back or cloned";
const OF_ANOTHER: &str = "the disk of broker";

impl Round {
    /// A disk is lost; an empty one is admitted in its place.
    pub(super) async fn wipe(&mut self, n: usize) {
        self.load.cluster.kill(n).unwrap();
        self.load.cluster.replace_disk(n).await.unwrap();
    }

    /// A disk is set back to what it held some starts ago: it is refused, and another takes its place.
    pub(super) async fn roll_back(&mut self, n: usize) {
        self.load.cluster.kill(n).unwrap();
        self.load.cluster.copy_disk(n).unwrap();
        self.load.cluster.start_broker(n).unwrap();
        self.load.cluster.wait_ready().await.unwrap();
        self.load.progress().await;
        self.load.in_sync().await;
        self.load.cluster.kill(n).unwrap();
        self.load.cluster.lose_disk(n).unwrap();
        self.load.cluster.put_back(n).unwrap();
        self.load.cluster.start_broker(n).unwrap();
        self.load.cluster.refused(n, SET_BACK).await.unwrap();
        self.load.progress().await;
        self.load.cluster.replace_disk(n).await.unwrap();
    }

    /// Two brokers find each other's disks: neither starts, until they are put right.
    pub(super) async fn swap(&mut self, n: usize) {
        let pair = [n, (n + 1) % BROKERS];
        for broker in pair {
            self.load.cluster.kill(broker).unwrap();
        }
        self.swap_data(pair);
        for broker in pair {
            self.load.cluster.start_broker(broker).unwrap();
        }
        for broker in pair {
            self.load.cluster.refused(broker, OF_ANOTHER).await.unwrap();
        }
        self.swap_data(pair);
        for broker in pair {
            self.load.cluster.start_broker(broker).unwrap();
        }
    }

    /// By way of copies: each disk is a file system of its own.
    fn swap_data(&self, pair: [usize; 2]) {
        let [one, two] = pair.map(|broker| self.load.cluster.data_dir(broker));
        let [here, there] = [&one, &two].map(|data| data.with_file_name("copy"));
        power::copy(&one, &there).unwrap();
        power::copy(&two, &here).unwrap();
        for (data, copy) in [(&one, &here), (&two, &there)] {
            fs::remove_dir_all(data).unwrap();
            fs::rename(copy, data).unwrap();
            power::sync(data).unwrap();
        }
    }
}
