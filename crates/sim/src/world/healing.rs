//! The end of a run: every fault is set right, and progress is demanded.

use super::World;
use crate::Time;
use crate::replica::PartitionName;

/// Within so much virtual time a healed cluster is whole again and acknowledges, microseconds.
const PATIENCE: Time = 30_000_000;

impl World {
    /// Sets everything right that can be.
    pub(super) fn heal(&mut self) {
        self.trace.log(self.now, || "healing".to_owned());
        self.healed_at = Some(self.now);
        self.network.heal();
        self.settings.loss = 0;
        self.settings.duplicate = 0;
        self.settings.reorder = 0;
        self.settings.slow_sync = 0;
        self.settings.noise = false;
        for producer in &mut self.producers {
            producer.writes = false;
        }
        self.quorum.elect(self.now);
        for node in 0..self.nodes.len() {
            self.nodes[node].slow_until = 0;
            self.nodes[node].paused_until = 0;
            self.nodes[node].clock.put_right();
            if self.nodes[node].disk.rolled_back {
                self.replace_disk(node);
            }
            self.start(node);
            for at in std::mem::take(&mut self.nodes[node].disk.damaged) {
                self.on_node(node, |node, ctx| node.mend(at, ctx));
            }
        }
    }

    /// Whether the run has come to its end; a healed cluster that makes no progress is a failure.
    pub(super) fn is_over(&mut self) -> bool {
        let Some(healed_at) = self.healed_at else {
            return false;
        };
        if !self.events.is_multiple_of(64) {
            return false;
        }
        let waits = self.what_is_missing();
        match waits {
            None if self.last_batches_begun => true,
            None => {
                self.last_batches_begun = true;
                self.begin_last_batches();
                false
            }
            Some(missing) => {
                if self.now - healed_at > PATIENCE {
                    self.oracle.broken("PROGRESS", || missing);
                }
                false
            }
        }
    }

    fn begin_last_batches(&mut self) {
        for producer in &mut self.producers {
            let alive = self.topics.contains(&producer.at());
            if alive && !self.quorum.is_stranded(producer.at()) {
                self.next_crc += 1;
                producer.begin(self.next_crc, self.now, &mut self.rng);
            }
        }
    }

    fn what_is_missing(&mut self) -> Option<String> {
        self.stranded = 0;
        for at in &self.topics {
            if self.quorum.is_stranded(*at) {
                self.stranded += 1;
                continue;
            }
            let Some(record) = self.quorum.image.partition(*at) else {
                return Some(format!("{} does not exist", at.partition_name()));
            };
            if record.leader.is_none() || record.isr.len() != record.replicas.len() {
                return Some(format!("{} is not whole: {record:?}", at.partition_name()));
            }
        }
        // Nobody catches up in a partition that lost every holder: an operator breaks such a permit.
        if let Some(permit) = &self.quorum.image.permit
            && self.stranded == 0
        {
            return Some(format!("{permit:?} has the slot still"));
        }
        let stuck = self.producers.iter().find(|producer| {
            !producer.is_done()
                && self.topics.contains(&producer.at())
                && !self.quorum.is_stranded(producer.at())
        });
        stuck.map(|producer| format!("{producer:?} waits for an acknowledgement"))
    }
}
