//! A group as people see it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{DescribedGroup, DescribedMember, Member, MemberId};
use super::{ClassicGroup, State};

impl ClassicGroup {
    /// What it does.
    pub(in super::super) fn state(&self) -> State {
        self.state
    }

    /// The kind of its members; empty for a group that only has offsets.
    pub(in super::super) fn protocol_type(&self) -> Arc<str> {
        self.protocol_type.clone().unwrap_or_else(|| Arc::from(""))
    }

    /// Its members.
    pub(in super::super) fn members(&self) -> &BTreeMap<MemberId, Member> {
        &self.members
    }

    /// Its generation.
    pub(in super::super) fn generation(&self) -> i32 {
        self.generation
    }

    /// How its members divide the work.
    pub(in super::super) fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// When it came to its state, milliseconds since 1970.
    pub(in super::super) fn changed_ms(&self) -> i64 {
        self.changed_ms
    }

    /// The group in full. What members know and have is shown once it is settled.
    pub(in super::super) fn describe(&self) -> DescribedGroup {
        let settled = self.state == State::Stable;
        let name = self.protocol.as_deref().filter(|_| settled);
        let members = self.members.iter().map(|(id, member)| DescribedMember {
            id: Arc::clone(id),
            instance: member.instance.clone(),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            metadata: name.map_or_else(|| Arc::from([]), |name| member.metadata(name)),
            assignment: if settled {
                Arc::clone(&member.assignment)
            } else {
                Arc::from([])
            },
        });
        DescribedGroup {
            state: self.state.into(),
            protocol_type: self.protocol_type(),
            protocol: self.protocol.clone().filter(|_| settled),
            members: members.collect(),
        }
    }
}
