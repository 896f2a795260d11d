//! Settings and topics that change while a broker is down.

use std::time::Duration;

use super::{Round, load};

/// A topic that comes and goes.
const OTHER: &str = "other";

/// Changes in one fault.
const CHANGES: u64 = 4;

/// How long a change may take, on a cluster that lost its controller a moment ago.
const TRIES: usize = 100;

impl Round {
    /// A broker is killed, settings change, and it comes back. How many changes there were.
    pub(super) async fn settings_change(&mut self, n: usize) -> u64 {
        self.load.cluster.kill(n).unwrap();
        for _ in 0..CHANGES {
            let minimum = ["1", "2"][self.chance.one_of(2)];
            let age = self.keeps + self.chance.millis(0..3_600_000);
            let minimum = format!("min.insync.replicas={minimum}");
            let age = format!("retention.ms={}", age.as_millis());
            match self.chance.one_of(4) {
                0 => self.change(&["alter", load::TOPIC, "-c", &minimum]).await,
                1 => self.change(&["alter", load::TOPIC, "-c", &age]).await,
                2 => self.add_partitions().await,
                _ => self.replace_topic().await,
            }
        }
        self.load.cluster.start_broker(n).unwrap();
        // The faults that follow may take a replica away for good.
        let minimum = "min.insync.replicas=2";
        self.change(&["alter", load::TOPIC, "-c", minimum]).await;
        self.load.cluster.wait_ready().await.unwrap();
        self.load.in_sync().await;
        CHANGES
    }

    async fn add_partitions(&mut self) {
        let all = self.load.cluster.client().describe_all().await;
        let other = all.ok().and_then(|all| all.topics.get(OTHER).cloned());
        let Some(other) = other else {
            return self.replace_topic().await;
        };
        let more = (other.partitions.len() + 1).to_string();
        self.change(&["alter", OTHER, "--partitions", &more]).await;
    }

    async fn replace_topic(&mut self) {
        let all = self.load.cluster.client().describe_all().await;
        if all.is_ok_and(|all| all.topics.contains_key(OTHER)) {
            self.change(&["delete", OTHER, "--yes"]).await;
        }
        // Two replicas can be placed on the brokers that are left.
        let factor = ["create", OTHER, "--replication-factor", "2"];
        self.change(&factor).await;
    }

    /// Repeats what the tool is asked until it is done. One that was done although its answer was lost says so.
    async fn change(&self, words: &[&str]) {
        let words: Vec<&str> = [&["topic"], words].concat();
        let mut said = String::new();
        for _ in 0..TRIES {
            match self.load.cluster.tool(&words) {
                Ok(_) => return,
                Err(error) => said = error.to_string(),
            }
            let done = ["exists", "does not exist", "no topic", "already"];
            if done.iter().any(|word| said.contains(word)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{words:?}: {said}");
    }
}
