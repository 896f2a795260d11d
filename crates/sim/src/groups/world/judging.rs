//! What the oracle is shown: answers, and what everybody holds.

use std::collections::BTreeMap;

use holdfast_kernel::group::Answer;
use holdfast_model::ErrorCode;

use super::super::client::Reader;
use super::super::coordinator::text;
use super::super::oracle::Oracle;
use super::super::request::share_of;
use super::super::{GROUP, PARTITIONS, TOPIC};
use super::{Waiting, World};
use crate::Violation;

impl World<'_> {
    pub(super) fn judge(&mut self, waiting: &Waiting, answer: &Answer) -> Result<(), Violation> {
        match answer {
            Answer::Sync(answer) if answer.code == ErrorCode::None => {
                let share = share_of(answer);
                let member = waiting.member.clone().unwrap_or_else(|| text(""));
                self.oracle.assigned(waiting.generation, &member, &share)
            }
            Answer::Done(ErrorCode::None) => {
                for (partition, offset) in &waiting.rows {
                    let log = self.coordinator.committed_log();
                    self.oracle.acknowledged(*partition, *offset, log)?;
                }
                Ok(())
            }
            Answer::Heartbeat(answer) => Oracle::told(answer, self.coordinator.committed_log()),
            Answer::Sync(_) | Answer::Join(_) | Answer::Done(_) => Ok(()),
        }
    }

    /// Nobody reads what somebody else reads, but for those who cannot know that they were replaced.
    pub(super) fn check_owners(&self) -> Result<(), Violation> {
        let sure: Vec<&dyn Reader> = self
            .clients
            .iter()
            .map(AsRef::as_ref)
            .filter(|client| client.is_sure(self.time))
            .collect();
        for (index, one) in sure.iter().enumerate() {
            for other in &sure[index + 1..] {
                Oracle::apart(one.held(), other.held())?;
            }
        }
        Ok(())
    }

    /// What anybody would be shown now.
    pub(super) fn check_offsets(&self) -> Result<(), Violation> {
        if let Some(shard) = &self.coordinator.shard {
            for partition in 0..PARTITIONS {
                let offset = shard.offset(GROUP, TOPIC, partition);
                self.oracle
                    .shown(partition, offset.map(|value| value.offset))?;
            }
        }
        Ok(())
    }

    pub(super) fn check_end(&self) -> Result<(), Violation> {
        self.check_offsets()?;
        let mut held: BTreeMap<i32, Vec<u64>> = BTreeMap::new();
        let mut somebody = false;
        for (index, client) in self.clients.iter().enumerate() {
            somebody |= client.life().alive;
            for partition in client.held().iter().filter(|_| client.runs()) {
                held.entry(*partition).or_default().push(index as u64);
            }
        }
        if somebody {
            Oracle::settled(&held, PARTITIONS)?;
        }
        Ok(())
    }
}
