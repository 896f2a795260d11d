//! The target: what each member is to have, once everybody has arrived.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::assign::Subscriber;
use super::topics::Resolver;
use super::{Assignor, ModernGroup, ModernKey, Topics};

impl ModernGroup {
    /// Computes the target of the group's epoch.
    pub(super) fn compute_target(&mut self, topics: &dyn Topics) {
        let assignor = self.assignor();
        let mut resolver = Resolver::new(topics, &self.patterns);
        let subscribers: Vec<Subscriber<'_>> = self
            .members
            .iter()
            .map(|(id, member)| Subscriber {
                id,
                instance: member.value.instance.as_ref(),
                topics: resolver.topics_of(&member.value.subscription),
                before: &member.target,
            })
            .collect();
        let targets = assignor.assign(&subscribers, resolver.counts());
        drop(subscribers);
        for ((id, member), target) in self.members.iter_mut().zip(targets) {
            if member.target != target {
                member.target = target;
                self.dirty.insert(ModernKey::Target(Arc::clone(id)));
            }
        }
        self.target_epoch = self.epoch;
        self.dirty.insert(ModernKey::TargetEpoch);
    }

    /// The assignor that most members prefer.
    pub(super) fn assignor(&self) -> Assignor {
        let mut votes: BTreeMap<Assignor, usize> = BTreeMap::new();
        for member in self.members.values() {
            let name = member.value.assignor.as_deref();
            if let Some(assignor) = name.and_then(Assignor::find) {
                *votes.entry(assignor).or_default() += 1;
            }
        }
        // Of equals `max_by_key` takes the last: the order is turned round.
        let most = votes.into_iter().rev().max_by_key(|(_, count)| *count);
        most.map(|(assignor, _)| assignor).unwrap_or_default()
    }
}
