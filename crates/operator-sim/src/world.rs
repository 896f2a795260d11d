//! All that there is beside the operators.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::ManualClock;
use serde_json::{Value, json};

use crate::brokers::Cluster;
use crate::machines::Node;
use crate::oracle::Oracle;
use crate::person::Wish;
use crate::processes::{Disk, Process};
use crate::profile::{Profile, Settings};
use crate::rng::Rng;
use crate::store::Store;
use crate::{Mode, Time, Trace};

/// When every run begins, milliseconds since 1970.
const BEGIN_MS: i64 = 1_780_000_000_000;

/// The world.
#[derive(Debug)]
pub struct World {
    /// The mix of faults.
    pub profile: &'static Profile,
    /// What was drawn for this run.
    pub settings: Settings,
    /// All chance.
    pub rng: Rng,
    /// Now.
    pub now: Time,
    /// The same, as operators read it.
    pub clock: Arc<ManualClock>,
    /// The API server's objects.
    pub store: Store,
    /// The machines.
    pub nodes: BTreeMap<String, Node>,
    /// What is on volumes.
    pub disks: BTreeMap<String, Disk>,
    /// The brokers' processes, by the uid of their pod.
    pub processes: BTreeMap<String, Process>,
    /// The brokers' cluster.
    pub cluster: Option<Cluster>,
    /// Brokers that died, and when the controller notices.
    pub silent: BTreeMap<i32, Time>,
    /// What must hold.
    pub oracle: Oracle,
    /// What the resource asks for.
    pub wish: Wish,
    /// When the next change comes.
    pub next_edit: Time,
    /// When a deleted resource comes back.
    pub recreate_at: Option<Time>,
    /// Volumes cannot leave their node.
    pub pinned: bool,
    /// A claim that may not grow.
    pub stuck_claim: Option<String>,
    /// Addresses that were given out.
    pub addresses: u32,
    /// Disks that were formatted.
    pub incarnations: u64,
    /// Faults that struck.
    pub faults: u64,
    trace: Trace,
}

impl World {
    /// The world of a seed.
    pub fn new(profile: &'static Profile, seed: u64, mode: Mode) -> Self {
        let mut rng = Rng::new(seed);
        let settings = profile.draw(&mut rng);
        let mut world = Self {
            profile,
            pinned: settings.pinned,
            stuck_claim: None,
            rng,
            now: 0,
            clock: Arc::new(ManualClock::at(BEGIN_MS)),
            store: Store::default(),
            nodes: BTreeMap::new(),
            disks: BTreeMap::new(),
            processes: BTreeMap::new(),
            cluster: None,
            silent: BTreeMap::new(),
            oracle: Oracle::default(),
            wish: Wish {
                spec: Value::Null,
                brokers: 0,
                left: 0,
            },
            next_edit: 0,
            recreate_at: None,
            addresses: 0,
            incarnations: 0,
            faults: 0,
            trace: Trace::new(mode),
            settings,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for zone in ["a", "b", "c"].iter().take(self.settings.zones) {
            for number in 1..=2 {
                self.nodes
                    .insert(format!("{zone}{number}"), Node::new(zone));
            }
        }
        let class = json!({
            "metadata": {}, "provisioner": "x", "allowVolumeExpansion": true,
            "volumeBindingMode": "WaitForFirstConsumer",
        });
        self.store.put("storageclasses", "fast", class);
        self.tend_nodes();
        if self.settings.manual {
            self.oracle.approved = Some(std::collections::BTreeSet::new());
        }
        self.create_resource();
        self.next_edit = self.rng.within((5_000, 40_000));
        let settings = format!("{:?}", self.settings);
        self.trace(|| settings);
    }

    /// Writes a line of the trace.
    pub fn trace(&mut self, line: impl FnOnce() -> String) {
        self.trace.log(self.now * 1_000, line);
    }

    /// The lines that were kept, and the hash of all of them.
    pub fn into_trace(self) -> (u64, Vec<String>) {
        (self.trace.hash(), self.trace.into_lines())
    }

    /// Time passes, and everybody but the operators does what there is to do.
    pub fn tick(&mut self, by: Time) {
        self.now += by;
        self.clock.advance(Duration::from_millis(by));
        self.tend_processes();
        if self.rng.chance(500) {
            self.tend_sets();
        }
        if self.rng.chance(500) {
            self.schedule();
        }
        if self.rng.chance(600) {
            self.tend_kubelets();
        }
        if self.rng.chance(300) {
            self.tend_nodes();
        }
        if self.rng.chance(100) {
            self.collect_garbage();
        }
        if self.rng.chance(200) {
            self.grow_volumes();
        }
        self.person_recreates();
    }
}
