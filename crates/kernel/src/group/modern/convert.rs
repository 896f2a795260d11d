//! A group with members goes from one protocol to the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_model::consumer_protocol;

use super::super::member::Protocol;
use super::super::{
    CONSUMER_PROTOCOL, ClassicGroup, GroupOptions, Member, MemberId, Now, Planted, StoredMember,
};
use super::classic::{assignment, known_partitions};
use super::{
    ClassicPart, Current, MemberState, MemberValue, ModernGroup, ModernKey, Partitions, Topics,
};

/// Bytes that members may say of themselves, all together, for their group to go over in one write.
const LARGEST: usize = 8 << 20;

impl ModernGroup {
    /// The group that a group of the classic protocol becomes: its members hold what they were assigned,
    /// in an epoch that is their generation.
    ///
    /// # Errors
    /// Its members are no consumers, too many, or read the same partitions: why, in words.
    pub(in super::super) fn of_classic(
        classic: &ClassicGroup,
        now: Now,
        topics: &dyn Topics,
        options: &GroupOptions,
        planted: Planted,
    ) -> Result<Self, &'static str> {
        let members = classic.members();
        if &*classic.protocol_type() != CONSUMER_PROTOCOL {
            return Err("its members are no consumers");
        }
        if members.len() > options.modern_max_size {
            return Err("it has more members than a group of this protocol may have");
        }
        let size: usize = members.values().map(size_of).sum();
        if size > LARGEST {
            return Err("what its members say of themselves is too much for one write");
        }
        let mut group = Self::after(classic.generation(), options, planted);
        let mut taken = BTreeSet::new();
        for (id, member) in members {
            let assigned = consumer_protocol::decode_share(&member.assignment);
            let value = value_of(member, classic.protocol());
            let (Some(assigned), Some(value)) = (assigned, value) else {
                return Err("what its members say of themselves is malformed");
            };
            let assigned = match planted {
                Planted::GoesOverWithNothing => Partitions::new(),
                _ => known_partitions(&assigned, topics),
            };
            let current = Current {
                epoch: group.epoch,
                previous_epoch: group.epoch,
                state: MemberState::Stable,
                assigned: assigned.clone(),
                revoking: Partitions::new(),
            };
            if !current.holds().all(|at| taken.insert(at)) {
                return Err("some of its members read the same partitions");
            }
            group.insert_stored(id, value);
            group.dirty.extend(ModernKey::of_member(id));
            if let Some(member) = group.members.get_mut(id) {
                member.target = assigned;
            }
            group.put_current(id, current);
            group.restart_own_session(id, now, options);
        }
        Ok(group)
    }

    /// The group of the classic protocol that this one becomes. What a member still holds is what it was
    /// assigned; everybody has to join.
    pub(in super::super) fn to_classic(
        &self,
        now: Now,
        topics: &dyn Topics,
        planted: Planted,
    ) -> ClassicGroup {
        let members = self.members.iter().filter_map(|(id, member)| {
            let value = &member.value;
            let classic = value.classic.as_ref()?;
            let first = classic.protocols.first();
            let metadata = first.map_or(&[][..], |one| &one.metadata);
            let mut holds = Partitions::new();
            for (topic, partition) in member.current.holds() {
                holds.entry(topic).or_default().insert(partition);
            }
            let assigned = assignment(metadata, &holds, topics);
            Some((Arc::clone(id), member_of(id, value, classic, assigned)))
        });
        let members: Vec<(MemberId, Member)> = members.collect();
        ClassicGroup::of_members(members, self.epoch, now, planted)
    }
}

/// About so many bytes a member takes in the log of the consumer protocol.
fn size_of(member: &Member) -> usize {
    let protocols = member.protocols.iter();
    let said = protocols.map(|one| one.name.len() + one.metadata.len());
    // Its topics and its assignment are said once more, in other words.
    let first = member.protocols.first();
    let topics = first.map_or(0, |one| {
        one.topics.iter().map(|topic| topic.len() + 4).sum()
    });
    said.sum::<usize>() + topics + 2 * member.assignment.len() + 256
}

/// What a member of the classic protocol says of itself, under the protocol of its group or its best.
fn value_of(member: &Member, protocol: Option<&str>) -> Option<MemberValue> {
    let chosen = protocol.and_then(|name| member.protocol(name));
    let chosen = chosen.or_else(|| member.protocols.first())?;
    let said = consumer_protocol::Subscription::decode(&chosen.metadata)?;
    Some(MemberValue::of_classic(member, said))
}

fn member_of(
    id: &MemberId,
    value: &MemberValue,
    classic: &ClassicPart,
    assignment: Arc<[u8]>,
) -> Member {
    let stored = StoredMember {
        id: Arc::clone(id),
        instance: value.instance.clone(),
        client_id: Arc::clone(&value.client_id),
        client_host: Arc::clone(&value.client_host),
        rebalance_timeout_ms: value.rebalance_timeout_ms,
        session_timeout_ms: classic.session_timeout_ms,
        subscription: Arc::from([]),
        topics: Arc::from([]),
        assignment,
    };
    let protocols = classic.protocols.iter().map(|one| Protocol {
        name: Arc::clone(&one.name),
        metadata: Arc::clone(&one.metadata),
        topics: Arc::clone(&value.subscription.topics),
    });
    Member {
        protocols: protocols.collect(),
        ..Member::of_stored(&stored, None)
    }
}
