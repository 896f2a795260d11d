//! The brokers' cluster: registrations, partitions, and the permit as its controller decides it.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_rpc::proto::admin;

use crate::Time;

/// What the cluster knows of a broker.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its disk.
    pub incarnation: String,
    /// Its registration.
    pub epoch: u64,
    /// Not heard from.
    pub fenced: bool,
    /// About to stop.
    pub stopping: bool,
    /// Its version.
    pub version: String,
    /// Its zone.
    pub zone: String,
    /// When it registered.
    pub since: Time,
}

impl Member {
    /// It registered again after that registration, and is in its place.
    pub fn is_back_since(&self, epoch: u64) -> bool {
        self.epoch > epoch && !self.fenced && !self.stopping
    }
}

/// A partition.
#[derive(Clone, Debug)]
pub struct Partition {
    /// Its replicas.
    pub replicas: Vec<i32>,
    /// Those in sync.
    pub isr: BTreeSet<i32>,
    /// Those that catch up, and until when.
    pub catching_up: BTreeMap<i32, Time>,
    /// In-sync replicas that writes need.
    pub needed: usize,
}

/// A permit.
#[derive(Clone, Debug)]
pub struct Permit {
    /// Its number.
    pub id: u64,
    /// Whose.
    pub holder: String,
    /// Its brokers, as registered at the grant.
    pub brokers: BTreeMap<i32, u64>,
    /// Its brokers stay away.
    pub park: bool,
    /// How far it is.
    pub stage: admin::PermitStage,
    /// When it changes next by itself.
    pub until: Time,
}

/// The cluster of brokers, once it is formed.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Its id.
    pub id: String,
    /// Who votes.
    pub voters: Vec<i32>,
    /// Who was let in, with its disk.
    pub admitted: BTreeMap<i32, String>,
    /// Who registered.
    pub members: BTreeMap<i32, Member>,
    /// The partitions.
    pub partitions: Vec<Partition>,
    /// The permit in force.
    pub permit: Option<Permit>,
    /// Settings changed while brokers run.
    pub settings: BTreeMap<String, String>,
    /// The feature level.
    pub level: u32,
    /// How long a broker takes to catch up, milliseconds.
    pub lag: (Time, Time),
    permits: u64,
    epochs: u64,
}

/// How long leaders take to move away, milliseconds.
const DRAIN: Time = 1_500;

/// How long a permit runs, milliseconds. Longer than any roll, so that one that its holder has
/// forgotten is not excused by its end.
const TTL: Time = 3_600_000;

/// The highest feature level that a version knows.
pub fn level_of(version: &str) -> u32 {
    if version.starts_with("1.1") { 3 } else { 2 }
}

impl Cluster {
    /// A new one of these voters.
    pub fn new(id: String, disks: BTreeMap<i32, String>, lag: (Time, Time)) -> Self {
        Self {
            id,
            voters: disks.keys().copied().collect(),
            admitted: disks,
            members: BTreeMap::new(),
            partitions: Vec::new(),
            permit: None,
            settings: BTreeMap::new(),
            level: 2,
            lag,
            permits: 0,
            epochs: 0,
        }
    }

    /// A broker registers; until `caught_up` it copies what it missed.
    pub fn register(
        &mut self,
        id: i32,
        (incarnation, version, zone): (&str, &str, &str),
        now: Time,
        caught_up: Time,
    ) {
        // Whoever registers again was away, even if nobody noticed.
        self.leaves(id);
        self.epochs += 1;
        let member = Member {
            incarnation: incarnation.to_owned(),
            epoch: self.epochs,
            fenced: false,
            stopping: false,
            version: version.to_owned(),
            zone: zone.to_owned(),
            since: now,
        };
        let is_new = self.members.insert(id, member).is_none();
        for partition in &mut self.partitions {
            if partition.replicas.contains(&id) && !partition.isr.contains(&id) {
                partition.catching_up.insert(id, caught_up);
            }
        }
        if is_new {
            self.make_partition(id);
        }
    }

    /// Somebody makes a topic whose replicas are on a new broker and on others, each in a zone of its
    /// own where there are enough.
    fn make_partition(&mut self, first: i32) {
        let mut replicas = vec![first];
        let mut live: Vec<i32> = self
            .members
            .iter()
            .filter(|(id, member)| **id != first && !member.fenced && !member.stopping)
            .map(|(id, _)| *id)
            .collect();
        live.sort_by_key(|id| (*id < first, *id));
        let zone = |id: &i32| self.members.get(id).map(|member| member.zone.clone());
        for id in &live {
            let zones: BTreeSet<_> = replicas.iter().map(zone).collect();
            if replicas.len() < 3 && !zones.contains(&zone(id)) {
                replicas.push(*id);
            }
        }
        for id in &live {
            if replicas.len() < 3 && !replicas.contains(id) {
                replicas.push(*id);
            }
        }
        // Fewer replicas could not be restarted at all.
        if replicas.len() == 3 {
            self.partitions.push(Partition {
                isr: replicas.iter().copied().collect(),
                replicas,
                catching_up: BTreeMap::new(),
                needed: 2,
            });
        }
    }

    /// A broker is away.
    pub fn leaves(&mut self, id: i32) {
        let Some(member) = self.members.get_mut(&id) else {
            return;
        };
        member.fenced = true;
        member.stopping = false;
        for partition in &mut self.partitions {
            partition.catching_up.remove(&id);
            if partition.isr.len() > 1 {
                partition.isr.remove(&id);
            }
        }
    }

    fn countable(&self, id: i32) -> bool {
        let member = self.members.get(&id);
        member.is_some_and(|member| !member.fenced && !member.stopping)
    }

    /// Whether a broker serves, as the cluster sees it, and since when.
    pub fn serves_since(&self, id: i32) -> Option<Time> {
        let member = self.members.get(&id).filter(|member| !member.fenced)?;
        Some(member.since)
    }

    /// Whether a broker is in sync everywhere.
    pub fn is_caught_up(&self, id: i32) -> bool {
        let mut own = self.partitions.iter().filter(|p| p.replicas.contains(&id));
        own.all(|partition| partition.isr.contains(&id))
    }

    /// Time passes. `answering` are the voters that answer.
    pub fn tick(&mut self, now: Time, answering: &BTreeSet<i32>) {
        for index in 0..self.partitions.len() {
            let leads = self.partitions[index]
                .isr
                .iter()
                .any(|id| self.countable(*id));
            let partition = &mut self.partitions[index];
            let done: Vec<i32> = partition
                .catching_up
                .iter()
                .filter(|(_, until)| leads && **until <= now)
                .map(|(id, _)| *id)
                .collect();
            for id in done {
                partition.catching_up.remove(&id);
                partition.isr.insert(id);
            }
        }
        self.tend_permit(now, answering);
    }

    fn tend_permit(&mut self, now: Time, answering: &BTreeSet<i32>) {
        let Some(permit) = self.permit.clone() else {
            return;
        };
        if permit.stage == admin::PermitStage::Draining {
            if permit.until <= now {
                let brokers: BTreeSet<i32> = permit.brokers.keys().copied().collect();
                if self.obstacles(&brokers, answering).is_empty() {
                    let brokers = self.as_registered(&brokers);
                    self.permit = Some(Permit {
                        stage: admin::PermitStage::Granted,
                        brokers,
                        until: now + TTL,
                        ..permit
                    });
                } else {
                    self.permit = None;
                }
            }
            return;
        }
        let over = permit.brokers.iter().all(|(id, epoch)| {
            let Some(member) = self.members.get(id) else {
                return false;
            };
            if permit.park && !self.countable(*id) {
                return self
                    .partitions
                    .iter()
                    .all(|p| !p.isr.contains(id) || p.isr.len() == 1);
            }
            let again = member.epoch > *epoch || permit.stage == admin::PermitStage::Ending;
            again && self.countable(*id) && self.is_caught_up(*id)
        });
        if over && (permit.stage == admin::PermitStage::Granted || permit.until <= now) {
            self.permit = None;
        } else if permit.stage == admin::PermitStage::Granted && permit.until <= now {
            self.ends(now);
        }
    }

    fn ends(&mut self, now: Time) {
        if let Some(permit) = &mut self.permit {
            permit.stage = admin::PermitStage::Ending;
            // Each broker must be heard from once more.
            permit.until = now + 2_000;
        }
    }

    fn as_registered(&self, brokers: &BTreeSet<i32>) -> BTreeMap<i32, u64> {
        let known = brokers.iter();
        known
            .filter_map(|id| Some((*id, self.members.get(id)?.epoch)))
            .collect()
    }

    /// What speaks against stopping brokers now.
    fn obstacles(&self, brokers: &BTreeSet<i32>, answering: &BTreeSet<i32>) -> Vec<String> {
        let mut obstacles = Vec::new();
        let left = answering.difference(brokers).count();
        if left < self.voters.len() / 2 + 1 {
            obstacles.push(format!("{left} voters would be left"));
        }
        let zone = |id: &i32| self.members.get(id).map(|member| member.zone.as_str());
        let zones: BTreeSet<_> = brokers.iter().map(zone).collect();
        if zones.len() > 1 {
            obstacles.push("brokers of several zones".to_owned());
        }
        let stops: Vec<i32> = brokers
            .iter()
            .copied()
            .filter(|id| self.countable(*id))
            .collect();
        for (number, partition) in self.partitions.iter().enumerate() {
            if !partition.replicas.iter().any(|id| stops.contains(id)) {
                continue;
            }
            let stays = |id: &&i32| !brokers.contains(*id) && self.countable(**id);
            let left = partition.isr.iter().filter(stays).count();
            if left < partition.needed {
                let needed = partition.needed;
                obstacles.push(format!("partition {number} would have {left} of {needed}"));
            }
        }
        obstacles
    }

    /// A permit is asked for.
    pub fn acquire(
        &mut self,
        wish: &admin::AcquirePermitRequest,
        now: Time,
        answering: &BTreeSet<i32>,
    ) -> admin::AcquirePermitReply {
        let refused = |obstacles| admin::AcquirePermitReply {
            permit: None,
            obstacles,
        };
        let brokers: BTreeSet<i32> = wish.brokers.iter().copied().collect();
        if let Some(held) = &self.permit {
            let same = held.holder == wish.holder
                && held.park == wish.park
                && held.stage != admin::PermitStage::Ending
                && held.brokers.keys().eq(brokers.iter());
            if !same {
                return refused(vec![format!("permit {} is in force", held.id)]);
            }
        } else {
            let unknown = brokers
                .iter()
                .find(|id| !self.members.contains_key(id))
                .map(|id| format!("broker {id} is unknown"));
            let mut obstacles: Vec<String> = unknown.into_iter().collect();
            obstacles.extend(self.obstacles(&brokers, answering));
            if !obstacles.is_empty() {
                return refused(obstacles);
            }
            self.permits += 1;
            self.permit = Some(Permit {
                id: self.permits,
                holder: wish.holder.clone(),
                brokers: self.as_registered(&brokers),
                park: wish.park,
                stage: admin::PermitStage::Draining,
                until: now + DRAIN,
            });
        }
        admin::AcquirePermitReply {
            permit: self.permit.as_ref().map(described),
            obstacles: Vec::new(),
        }
    }

    /// A permit is given back.
    pub fn end_permit(
        &mut self,
        wish: &admin::EndPermitRequest,
        now: Time,
    ) -> Result<admin::EndPermitReply, String> {
        let held = self.permit.as_ref().filter(|permit| permit.id == wish.id);
        let Some(permit) = held else {
            return Err(format!("no permit {} is known", wish.id));
        };
        if permit.holder != wish.holder {
            return Err(format!("permit {} is of {}", permit.id, permit.holder));
        }
        let untouched = permit.brokers.iter().all(|(id, epoch)| {
            let same = self.members.get(id).is_some_and(|m| m.epoch == *epoch);
            same && self.countable(*id) && self.is_caught_up(*id)
        });
        if permit.stage == admin::PermitStage::Draining && untouched {
            self.permit = None;
        } else if permit.stage != admin::PermitStage::Ending {
            self.ends(now);
        }
        Ok(admin::EndPermitReply {
            permit: self.permit.as_ref().map(described),
        })
    }

    /// The state of the cluster, as its controller tells it.
    pub fn describe(
        &self,
        controller: Option<i32>,
        answering: &BTreeSet<i32>,
    ) -> admin::DescribeClusterReply {
        let member = |id: &i32| admin::QuorumMember {
            broker: *id,
            votes: true,
            answers: answering.contains(id),
            ..admin::QuorumMember::default()
        };
        let brokers = self.members.iter();
        let brokers = brokers.map(|(id, member)| self.describe_member(*id, member));
        admin::DescribeClusterReply {
            cluster_id: self.id.clone(),
            feature_level: self.level,
            controller,
            quorum: self.voters.iter().map(member).collect(),
            brokers: brokers.collect(),
            partitions: Some(self.counts()),
            permit: self.permit.as_ref().map(described),
            settings: self.settings.clone().into_iter().collect(),
            stale: controller.is_none(),
            ..admin::DescribeClusterReply::default()
        }
    }

    fn describe_member(&self, id: i32, member: &Member) -> admin::Broker {
        let own = || self.partitions.iter().filter(|p| p.replicas.contains(&id));
        let in_sync = own().filter(|p| p.isr.contains(&id) && !member.fenced);
        admin::Broker {
            id,
            incarnation: member.incarnation.clone(),
            epoch: member.epoch,
            fenced: member.fenced,
            stopping: member.stopping,
            version: member.version.clone(),
            zone: member.zone.clone(),
            max_feature_level: level_of(&member.version),
            replicas: own().count() as u32,
            in_sync: in_sync.count() as u32,
            ..admin::Broker::default()
        }
    }

    fn counts(&self) -> admin::Partitions {
        let few = |p: &&Partition| p.isr.len() < p.needed;
        let lacks = |p: &&Partition| p.isr.len() < p.replicas.len();
        admin::Partitions {
            all: self.partitions.len() as u32,
            below_min: self.partitions.iter().filter(few).count() as u32,
            under_replicated: self.partitions.iter().filter(lacks).count() as u32,
            ..admin::Partitions::default()
        }
    }
}

fn described(permit: &Permit) -> admin::Permit {
    let broker = |(id, epoch): (&i32, &u64)| admin::PermitBroker {
        broker: *id,
        epoch: *epoch,
        ..admin::PermitBroker::default()
    };
    admin::Permit {
        id: permit.id,
        holder: permit.holder.clone(),
        park: permit.park,
        brokers: permit.brokers.iter().map(broker).collect(),
        stage: permit.stage.into(),
        ..admin::Permit::default()
    }
}
