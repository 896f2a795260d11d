//! Brokers come, go, stop and resign.

use holdfast_model::{
    BrokerEpoch, BrokerId, ErrorCode, Incarnation, LeaderEpoch, Monotonic, ReplicaId,
    TopicPartition,
};

use super::command::ReplicaReport;
use super::election::set_isr;
use super::{Controller, Draft, Failure, Outcome, Registration};
use crate::image::{BrokerRecord, Change, ClusterImage, IsrMember, PartitionRecord};
use crate::planted::Planted;

fn refuse(code: ErrorCode, message: String) -> Outcome {
    Outcome::Failed(Failure::new(code, message))
}

impl Controller {
    /// A process started: its older start is over, and with it every leadership of that start.
    pub(super) fn register(
        &mut self,
        draft: &mut Draft,
        registration: &Registration,
        now: Monotonic,
    ) -> Outcome {
        let id = registration.broker;
        let replica = ReplicaId {
            broker: id,
            incarnation: registration.incarnation,
        };
        if let Some(failure) = Self::is_no_member(draft.image(), replica) {
            return failure;
        }
        let level = draft.image().feature_level;
        if registration.max_feature_level < level {
            return refuse(
                ErrorCode::UnsupportedVersion,
                format!(
                    "broker {id} knows feature level {} and the cluster is at {level}: it could not \
                     read what others write; run a newer version",
                    registration.max_feature_level
                ),
            );
        }
        let old = draft.image().brokers.get(&id).cloned();
        if let Some(old) = &old {
            if old.incarnation == registration.incarnation {
                let repeated = registration.start == old.start;
                if repeated && registration.process == old.process {
                    // The answer to an earlier try was lost, or its report with a controller, or a
                    // controller of an older version did not write down all of it.
                    Self::complete(draft, old, registration);
                    self.take_report(registration, old.epoch);
                    return Outcome::Registered(old.epoch);
                }
                if registration.start <= old.start {
                    return refuse(
                        ErrorCode::DuplicateBrokerRegistration,
                        format!(
                            "disk {replica} starts as number {}, but {} was seen before: it was \
                             rolled back or cloned",
                            registration.start, old.start
                        ),
                    );
                }
            } else {
                self.retire(draft, old, replica);
            }
        }
        let epoch = draft.image().next_broker_epoch;
        draft.put(Change::SetNextBrokerEpoch(BrokerEpoch(epoch.0 + 1)));
        let planted_reuse = self.options.planted == Planted::EpochUsedAgain;
        if !planted_reuse && old.is_some_and(|old| old.incarnation == registration.incarnation) {
            self.fence(draft, id, now);
        }
        draft.put_broker(BrokerRecord {
            id,
            incarnation: registration.incarnation,
            start: registration.start,
            process: registration.process,
            epoch,
            rack: registration.rack.clone(),
            endpoints: registration.endpoints.clone(),
            rpc: registration.rpc.clone(),
            fenced: !planted_reuse,
            stopping: false,
            version: registration.version.clone(),
            max_feature_level: registration.max_feature_level,
        });
        if planted_reuse {
            Self::keep_leaderships(draft, id, epoch);
        }
        self.take_report(registration, epoch);
        Outcome::Registered(epoch)
    }

    /// Why a disk may not register, whatever its process says.
    fn is_no_member(image: &ClusterImage, replica: ReplicaId) -> Option<Outcome> {
        if image.retired.contains_key(&replica) {
            return Some(refuse(
                ErrorCode::InvalidRegistration,
                format!("disk {replica} was replaced and never returns; format it anew"),
            ));
        }
        if Self::is_shut_out(image, replica) {
            return Some(refuse(
                ErrorCode::DuplicateBrokerRegistration,
                format!(
                    "disk {replica} was rolled back or cloned, and nobody can tell which copy holds \
                     what was acknowledged: format a disk anew in its place"
                ),
            ));
        }
        let admitted = image.admitted.get(&replica.broker) == Some(&replica.incarnation);
        (!admitted).then(|| {
            refuse(
                ErrorCode::InvalidRegistration,
                format!("disk {replica} waits for admission to this cluster"),
            )
        })
    }

    /// A controller of an older version keeps of a registration what it knows, and of a record that
    /// it changes too. What the process says of its program is put back.
    fn complete(draft: &mut Draft, old: &BrokerRecord, registration: &Registration) {
        if (&old.version, old.max_feature_level)
            != (&registration.version, registration.max_feature_level)
        {
            draft.change_broker(old.id, |record| {
                record.version.clone_from(&registration.version);
                record.max_feature_level = registration.max_feature_level;
            });
        }
    }

    fn take_report(&mut self, registration: &Registration, epoch: BrokerEpoch) {
        let logs = registration
            .logs
            .iter()
            .map(|(at, last, end)| (*at, (*last, *end)))
            .collect();
        let report = ReplicaReport { epoch, logs };
        self.reports.insert(registration.broker, report);
    }

    /// Two processes bear one start number: the disk was rolled back or cloned. Its next start would
    /// bear a number never seen, so no disk is admitted in this broker's place any more until an
    /// operator says which one. Whoever is registered goes on.
    pub(super) fn shut_out(draft: &mut Draft, registration: &Registration) {
        let id = registration.broker;
        let twice = draft.image().brokers.get(&id).is_some_and(|record| {
            record.incarnation == registration.incarnation
                && record.start == registration.start
                && record.process != registration.process
        });
        if twice && draft.image().admitted.get(&id) == Some(&registration.incarnation) {
            let nobody = ReplicaId {
                broker: id,
                incarnation: Incarnation(0),
            };
            draft.put(Change::Admit(nobody));
        }
    }

    /// The planted bug `EpochUsedAgain`: the new process goes on as leader of its old epochs.
    fn keep_leaderships(draft: &mut Draft, id: BrokerId, epoch: BrokerEpoch) {
        for (at, mut record) in Self::held_by(draft, id) {
            if record.leader == Some(id) {
                record.leader_registration = epoch;
            }
            for member in record.isr.iter_mut().filter(|m| m.replica.broker == id) {
                member.epoch = epoch;
            }
            draft.put_partition(at, record);
        }
    }

    /// The partitions whose ISR, eligible list or leader is a broker.
    fn held_by(draft: &Draft, id: BrokerId) -> Vec<(TopicPartition, PartitionRecord)> {
        let mut held = Vec::new();
        for (topic_id, topic) in draft.image().topics.iter() {
            for (index, record) in topic.partitions.iter().enumerate() {
                let names = record.leader == Some(id)
                    || record.isr_member(id).is_some()
                    || record.elr_member(id).is_some();
                if names {
                    let at = TopicPartition {
                        topic: *topic_id,
                        partition: index as i32,
                    };
                    held.push((at, record.clone()));
                }
            }
        }
        held
    }

    /// A broker is not to be relied on any more. It leaves every ISR that has another live member;
    /// where it led, another leads.
    pub(super) fn fence(&mut self, draft: &mut Draft, id: BrokerId, now: Monotonic) {
        draft.change_broker(id, |record| record.fenced = true);
        for (at, record) in Self::held_by(draft, id) {
            if let Some(next) = self.without(draft, at, &record, id, now) {
                draft.put_partition(at, next);
            }
        }
    }

    /// The next record of a partition that loses a broker, if it changes.
    fn without(
        &self,
        draft: &Draft,
        at: TopicPartition,
        record: &PartitionRecord,
        id: BrokerId,
        now: Monotonic,
    ) -> Option<PartitionRecord> {
        if record.leader == Some(id) {
            let elected = self.elect(draft.image(), at, record, Some(id), now);
            return Some(elected.unwrap_or_else(|| {
                let mut vacant = record.clone();
                vacant.leader = None;
                vacant.leader_epoch = record.leader_epoch.next();
                vacant
            }));
        }
        record.isr_member(id)?;
        let leader = draft.image().brokers.get(&record.leader?)?;
        if !self.is_live(leader, now) {
            return None;
        }
        let mut next = record.clone();
        let isr: Vec<IsrMember> = record
            .isr
            .iter()
            .filter(|m| m.replica.broker != id)
            .copied()
            .collect();
        if isr.is_empty() {
            return None;
        }
        set_isr(&mut next, isr);
        Some(next)
    }

    /// A disk was replaced: it leaves every ISR and eligible list in the same commit that registers
    /// its successor. A partition that loses its last holder waits for an operator.
    fn retire(&mut self, draft: &mut Draft, old: &BrokerRecord, by: ReplicaId) {
        draft.put(Change::Retire {
            replica: old.replica(),
            start: old.start,
        });
        for (at, record) in Self::held_by(draft, old.id) {
            let gone = |member: &IsrMember| member.replica == old.replica();
            let mut next = record.clone();
            if self.options.planted == Planted::WipedDiskStaysInIsr {
                let members = next.isr.iter_mut().chain(&mut next.elr);
                members
                    .filter(|member| gone(member))
                    .for_each(|member| member.replica = by);
            }
            next.isr.retain(|member| !gone(member));
            next.elr.retain(|member| !gone(member));
            if record.leader == Some(old.id) {
                next.leader = None;
                next.leader_epoch = record.leader_epoch.next();
            }
            draft.put_partition(at, next);
        }
        self.reports.remove(&old.id);
    }

    /// The refusal of a request by a process that is not the registered one.
    fn stale(draft: &Draft, id: BrokerId, epoch: BrokerEpoch) -> Option<Outcome> {
        let current = draft.image().brokers.get(&id);
        let stale = current.is_none_or(|record| record.epoch != epoch);
        stale.then(|| {
            let message = format!("broker {id} is not registered as {epoch}");
            refuse(ErrorCode::StaleBrokerEpoch, message)
        })
    }

    /// A broker is about to stop: it leaves ISRs and leaderships wherever others can do without it.
    pub(super) fn shut_down(
        &mut self,
        draft: &mut Draft,
        id: BrokerId,
        epoch: BrokerEpoch,
        now: Monotonic,
    ) -> Outcome {
        if let Some(refusal) = Self::stale(draft, id, epoch) {
            return refusal;
        }
        if draft
            .image()
            .brokers
            .get(&id)
            .is_some_and(|record| !record.stopping)
        {
            draft.change_broker(id, |record| record.stopping = true);
        }
        let mut still_led = 0;
        for (at, record) in Self::held_by(draft, id) {
            if record.leader == Some(id) {
                match self.elect(draft.image(), at, &record, Some(id), now) {
                    Some(next) => draft.put_partition(at, next),
                    None => still_led += 1,
                }
            } else if let Some(next) = self.without(draft, at, &record, id, now) {
                draft.put_partition(at, next);
            }
        }
        Outcome::Stopping { still_led }
    }

    /// A leader gives partitions away and leaves their ISR, where another can lead.
    pub(super) fn resign(
        &mut self,
        draft: &mut Draft,
        id: BrokerId,
        epoch: BrokerEpoch,
        partitions: &[(TopicPartition, LeaderEpoch)],
        now: Monotonic,
    ) -> Outcome {
        if let Some(refusal) = Self::stale(draft, id, epoch) {
            return refusal;
        }
        for (at, leader_epoch) in partitions {
            let Some(record) = draft.image().partition(*at).cloned() else {
                continue;
            };
            if record.leader == Some(id)
                && record.leader_epoch == *leader_epoch
                && let Some(next) = self.elect(draft.image(), *at, &record, Some(id), now)
            {
                draft.put_partition(*at, next);
            }
        }
        Outcome::Resigned
    }

    pub(super) fn admit(draft: &mut Draft, replica: ReplicaId) -> Outcome {
        if draft.image().retired.contains_key(&replica) {
            return refuse(
                ErrorCode::InvalidRegistration,
                format!("disk {replica} was replaced and never returns"),
            );
        }
        if let Some(reason) = Self::is_a_copy_for_ever(draft.image(), replica) {
            return refuse(ErrorCode::DuplicateBrokerRegistration, reason);
        }
        if draft.image().admitted.get(&replica.broker) != Some(&replica.incarnation) {
            draft.put(Change::Admit(replica));
        }
        Outcome::Admitted
    }

    pub(super) fn allocate_producer_ids(
        draft: &mut Draft,
        broker: BrokerId,
        epoch: BrokerEpoch,
        count: u32,
    ) -> Outcome {
        if let Some(refusal) = Self::stale(draft, broker, epoch) {
            return refusal;
        }
        let first = draft.image().next_producer_id;
        match first.checked_add(i64::from(count.clamp(1, 100_000))) {
            Some(next) => {
                draft.put(Change::SetNextProducerId(next));
                Outcome::ProducerIds(first)
            }
            None => refuse(
                ErrorCode::UnknownServerError,
                "producer ids are used up".to_owned(),
            ),
        }
    }
}
