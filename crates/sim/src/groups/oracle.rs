//! What must hold, whatever happened.

use std::collections::BTreeMap;

use holdfast_kernel::group::{
    HeartbeatAnswer, MemberId, ModernDescription, ModernKey, ModernValue, Record,
};

use super::TOPIC;
use super::coordinator::Logged;
use crate::Violation;

/// Sees the log and every answer.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// Who was given which partition in each generation.
    owners: BTreeMap<i32, BTreeMap<i32, MemberId>>,
    /// How many generations were given to anybody.
    given: u64,
    /// The last value of each partition in the committed log.
    committed: BTreeMap<i32, i64>,
    pub(super) commits: u64,
    /// The newest epoch of a target in the committed log.
    target_epoch: i32,
    /// Whether the log knows of the group, by its record of either protocol.
    is_classic: bool,
    is_modern: bool,
    /// How often one came while the other was there.
    pub(super) moved: u64,
}

fn broken(invariant: &str, detail: String) -> Violation {
    Violation {
        invariant: invariant.to_owned(),
        detail,
    }
}

impl Oracle {
    /// A record came below the high watermark.
    pub(super) fn committed(&mut self, record: &Record) {
        if let Record::Offset {
            topic,
            partition,
            value: Some(value),
            ..
        } = record
            && &**topic == TOPIC
        {
            self.committed.insert(*partition, value.offset);
        }
        if let Record::Modern {
            value: Some(ModernValue::TargetEpoch(epoch)),
            ..
        } = record
        {
            self.target_epoch = self.target_epoch.max(*epoch);
        }
        let (classic, modern) = (self.is_classic, self.is_modern);
        match record {
            Record::Group { value, .. } => self.is_classic = value.is_some(),
            Record::Modern {
                key: ModernKey::Group,
                value,
                ..
            } => self.is_modern = value.is_some(),
            _ => return,
        }
        match (classic || modern, self.is_classic || self.is_modern) {
            // A group that was forgotten begins with its first generation.
            (false, true) => self.owners.clear(),
            (true, true) if self.is_classic && self.is_modern => self.moved += 1,
            _ => {}
        }
    }

    /// The coordinator told a member of the consumer protocol what to read: it must be in the
    /// committed log.
    pub(super) fn told(answer: &HeartbeatAnswer, log: &[Logged]) -> Result<(), Violation> {
        let Some(assignment) = &answer.assignment else {
            return Ok(());
        };
        let is_it = |logged: &Logged| {
            matches!(&logged.record, Record::Modern {
                key: ModernKey::Current(member),
                value: Some(ModernValue::Current(current)),
                ..
            } if *member == answer.member
                && current.epoch == answer.epoch
                && current.assigned == *assignment)
        };
        if log.iter().rev().any(is_it) {
            return Ok(());
        }
        let detail = format!("{answer:?} is not in the committed log");
        Err(broken("ASSIGNMENT-COMMITTED", detail))
    }

    /// Two who are both sure of what they hold.
    pub(super) fn apart(one: &[i32], other: &[i32]) -> Result<(), Violation> {
        match one.iter().find(|partition| other.contains(partition)) {
            Some(partition) => Err(broken("ONE-OWNER", format!("two read {partition}"))),
            None => Ok(()),
        }
    }

    /// The coordinator takes a commit of a member of the consumer protocol: nobody else holds that.
    pub(super) fn holds(
        group: &ModernDescription,
        member: &MemberId,
        rows: &[(i32, i64)],
    ) -> Result<(), Violation> {
        for other in group.members.iter().filter(|other| other.id != *member) {
            let held: Vec<i32> = other.assigned.values().flatten().copied().collect();
            if let Some((partition, offset)) = rows.iter().find(|(at, _)| held.contains(at)) {
                let detail = format!(
                    "{member} commits {offset} of {partition}, which is {}'s",
                    other.id
                );
                return Err(broken("NO-ZOMBIES", detail));
            }
        }
        Ok(())
    }

    /// The coordinator told a member what it owns.
    pub(super) fn assigned(
        &mut self,
        generation: i32,
        member: &MemberId,
        partitions: &[i32],
    ) -> Result<(), Violation> {
        if !self.owners.contains_key(&generation) {
            self.given += 1;
        }
        let owners = self.owners.entry(generation).or_default();
        for partition in partitions {
            let owner = owners.entry(*partition).or_insert_with(|| member.clone());
            if owner != member {
                let detail =
                    format!("generation {generation}: {partition} is {owner}'s and {member}'s");
                return Err(broken("ONE-OWNER", detail));
            }
        }
        Ok(())
    }

    /// How many generations were given.
    pub(super) fn generations(&self) -> u64 {
        self.given + u64::from(self.target_epoch.unsigned_abs())
    }

    /// The coordinator answered a commit: it must be in the committed log.
    pub(super) fn acknowledged(
        &mut self,
        partition: i32,
        offset: i64,
        log: &[Logged],
    ) -> Result<(), Violation> {
        self.commits += 1;
        let is_it = |logged: &Logged| {
            matches!(&logged.record, Record::Offset { partition: at, value: Some(value), .. }
                if *at == partition && value.offset == offset)
        };
        if !log.iter().rev().any(is_it) {
            let detail = format!("{offset} of {partition} is not in the committed log");
            return Err(broken("ACK-COMMITTED", detail));
        }
        Ok(())
    }

    /// The coordinator takes a commit of a generation: nobody may know of a newer one.
    pub(super) fn accepted(&self, generation: i32, offset: i64) -> Result<(), Violation> {
        match self.owners.keys().next_back() {
            Some(newest) if *newest > generation => Err(broken(
                "NO-ZOMBIES",
                format!("{offset} of generation {generation} in {newest}"),
            )),
            _ => Ok(()),
        }
    }

    /// The coordinator shows an offset: the last one in the committed log.
    pub(super) fn shown(&self, partition: i32, offset: Option<i64>) -> Result<(), Violation> {
        let last = self.committed.get(&partition).copied();
        if last == offset {
            return Ok(());
        }
        let detail = format!("{partition} is at {last:?}, and {offset:?} is shown");
        Err(broken("NEVER-BACK", detail))
    }

    /// After the faults, once everything has settled.
    pub(super) fn settled(held: &BTreeMap<i32, Vec<u64>>, all: i32) -> Result<(), Violation> {
        for partition in 0..all {
            let owners = held.get(&partition).map_or(&[][..], Vec::as_slice);
            if owners.len() != 1 {
                let detail = format!("{partition} is held by {owners:?} after the faults");
                return Err(broken("PROGRESS", detail));
            }
        }
        Ok(())
    }
}
