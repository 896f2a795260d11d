//! Disks that are lost, set back to an older copy, or put into another broker.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use holdfast_tests::cluster::BROKERS;
use holdfast_tests::power;

use super::Round;

/// What a disk is told that was started since its copy was made.
const REFUSED: &str = "rolled back or cloned";

/// Looks at a broker that is to be refused, a tenth of a second apart.
const LOOKS: usize = 300;

impl Round {
    /// A disk is lost; an empty one is admitted in its place.
    pub(super) async fn wipe(&mut self, n: usize) {
        self.load.cluster.kill(n).unwrap();
        self.replace(n).await;
    }

    async fn replace(&mut self, n: usize) {
        self.load.cluster.lose_disk(n).unwrap();
        self.load.cluster.format_anew(n, 0).unwrap();
        self.load.cluster.start_broker(n).unwrap();
        let other = (n + 1) % BROKERS;
        let asked = self.load.cluster.rpc_address(other).to_owned();
        let words = self.load.cluster.admission(n, &asked).await.unwrap();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut said = String::new();
        for _ in 0..LOOKS {
            match self.load.cluster.tool(&words) {
                Ok(_) => return,
                Err(error) => said = error.to_string(),
            }
            // The broker that was killed a moment ago has its session still.
            assert!(said.contains("is in use as broker"), "{said}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{said}");
    }

    /// A disk is set back to what it held some starts ago: it is refused, and another takes its place.
    pub(super) async fn roll_back(&mut self, n: usize) {
        let data = self.load.cluster.data_dir(n);
        let copy = data.with_file_name("copy");
        self.load.cluster.kill(n).unwrap();
        copy_of(&data, &copy);
        self.load.cluster.start_broker(n).unwrap();
        self.load.cluster.wait_ready().await.unwrap();
        self.load.progress().await;
        self.load.in_sync().await;
        self.load.cluster.kill(n).unwrap();
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&copy, &data).unwrap();
        synced(&data);
        let before = self.load.cluster.said(n, REFUSED).unwrap();
        self.load.cluster.start_broker(n).unwrap();
        self.ends(n).await;
        let refused = self.load.cluster.said(n, REFUSED).unwrap() > before;
        assert!(refused, "it ended for another reason");
        self.load.progress().await;
        self.replace(n).await;
    }

    /// Two brokers find each other's disks: neither starts, until they are put right.
    pub(super) async fn swap(&mut self, n: usize) {
        let other = (n + 1) % BROKERS;
        for broker in [n, other] {
            self.load.cluster.kill(broker).unwrap();
        }
        self.swap_data(n, other);
        for broker in [n, other] {
            self.load.cluster.start_broker(broker).unwrap();
        }
        for broker in [n, other] {
            self.ends(broker).await;
        }
        self.swap_data(n, other);
        for broker in [n, other] {
            self.load.cluster.start_broker(broker).unwrap();
        }
    }

    /// A broker that finds the wrong disk ends by itself.
    async fn ends(&mut self, n: usize) {
        for _ in 0..LOOKS {
            if self.load.cluster.has_ended(n).unwrap() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("broker {n} runs on a disk that is not its own any more");
    }

    fn swap_data(&self, n: usize, other: usize) {
        let [one, two] = [n, other].map(|broker| self.load.cluster.data_dir(broker));
        let [here, there] = [&one, &two].map(|data| data.with_file_name("copy"));
        copy_of(&one, &there);
        copy_of(&two, &here);
        for (data, copy) in [(&one, &here), (&two, &there)] {
            fs::remove_dir_all(data).unwrap();
            fs::rename(copy, data).unwrap();
            synced(data);
        }
    }
}

fn copy_of(data: &Path, copy: &Path) {
    let mut words = Command::new("cp");
    power::run(words.arg("-a").arg(data).arg(copy)).unwrap();
    synced(copy);
}

/// What was put there by hand is on the disk: the power may go next.
fn synced(path: &Path) {
    let mut words = Command::new("sync");
    power::run(words.arg("--file-system").arg(path)).unwrap();
}
