//! Members that still speak the classic protocol, in a group that has gone over to the consumer
//! protocol.
//!
//! They are told what to read as everybody else, only in their own words: a generation is their epoch,
//! nobody leads, and whoever is to read something else is told to join again. What such a member says
//! in JoinGroup that it has not given up is what others say with each heartbeat that they read.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::{ErrorCode, consumer_protocol};

use super::super::classic::{JoinRequest, LeavingMember, MemberHeartbeat, SyncRequest};
use super::super::member::{Member, Protocol, millis_of};
use super::super::{CONSUMER_PROTOCOL, GroupOptions, JoinAnswer, MemberId, Now, SyncAnswer};
use super::reconcile::each;
use super::{
    ClassicPart, ClassicProtocol, MemberState, MemberValue, ModernGroup, ModernMember, Partitions,
    Subscription, Topics,
};

impl ModernGroup {
    /// Whether its members, all of the classic protocol, become a group of theirs with the next word
    /// of any.
    pub(in super::super) fn is_to_be_classic(&self) -> bool {
        let all = self.members.values();
        !self.members.is_empty()
            && self.members.len() <= self.most_classic
            && all.into_iter().all(|member| member.value.classic.is_some())
    }

    /// JoinGroup.
    pub(in super::super) fn join(
        &mut self,
        now: Now,
        request: &JoinRequest,
        topics: &dyn Topics,
        options: &GroupOptions,
    ) -> Result<JoinAnswer, ErrorCode> {
        if !self.understands(request) {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        let first = request.protocols.first();
        let said = first.and_then(|first| consumer_protocol::Subscription::decode(&first.metadata));
        let Some(said) = said else {
            return Err(ErrorCode::InconsistentGroupProtocol);
        };
        if request.member.is_none() && request.instance.is_none() && request.takes_id_first {
            let code = ErrorCode::MemberIdRequired;
            return Ok(JoinAnswer::refused(code, &request.fresh));
        }
        let id = self.admit_classic(request, options)?;
        let owned = known_partitions(&said.owned, topics);
        let value = MemberValue::of_classic(&Member::of_request(request.clone()), said);
        let resubscribed = self.set_value(&id, value);
        self.keep_up(now, topics, resubscribed);
        self.step(&id, Some(&owned));
        self.restart_own_session(&id, now, options);
        // It has so long to ask what to read.
        self.set_patience(&id, Some(now.monotonic.plus(request.rebalance_timeout)));
        let member = self.members.get(&id).ok_or(ErrorCode::UnknownMemberId)?;
        Ok(JoinAnswer {
            generation: member.current.epoch,
            protocol_type: Some(Arc::from(CONSUMER_PROTOCOL)),
            protocol: first.map(|first| Arc::clone(&first.name)),
            ..JoinAnswer::refused(ErrorCode::None, &id)
        })
    }

    /// Whether a member is a consumer, and knows something that every member of its kind knows.
    fn understands(&self, request: &JoinRequest) -> bool {
        let others = self.members.iter().filter_map(|(id, member)| {
            let classic = member.value.classic.as_ref()?;
            (request.member.as_ref() != Some(id)).then_some(classic)
        });
        let mut common: BTreeSet<&str> = request.protocols.iter().map(|one| &*one.name).collect();
        for other in others {
            let known: BTreeSet<&str> = other.protocols.iter().map(|one| &*one.name).collect();
            common.retain(|name| known.contains(name));
        }
        &*request.protocol_type == CONSUMER_PROTOCOL && !common.is_empty()
    }

    /// Lets a member in, or finds it.
    fn admit_classic(
        &mut self,
        request: &JoinRequest,
        options: &GroupOptions,
    ) -> Result<MemberId, ErrorCode> {
        let is_new = request.member.is_none();
        let id = request.member.as_ref().unwrap_or(&request.fresh);
        if let Some(instance) = &request.instance {
            match self.instances.get(instance).cloned() {
                Some(holder) if is_new => {
                    self.replace(&holder, id);
                    return Ok(Arc::clone(id));
                }
                Some(holder) if holder != *id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => return Ok(Arc::clone(id)),
                None if !is_new => return Err(ErrorCode::UnknownMemberId),
                None => {}
            }
        }
        match self.members.get(id) {
            Some(member) if member.value.classic.is_some() => {}
            // The ids of the others are their own.
            Some(_) => return Err(ErrorCode::UnknownMemberId),
            None if self.members.len() >= options.modern_max_size => {
                return Err(ErrorCode::GroupMaxSizeReached);
            }
            None => self.begin(id, request.instance.as_ref()),
        }
        Ok(Arc::clone(id))
    }

    /// SyncGroup: what it is to read.
    pub(in super::super) fn sync(
        &mut self,
        now: Now,
        request: &SyncRequest,
        topics: &dyn Topics,
        options: &GroupOptions,
    ) -> Result<SyncAnswer, ErrorCode> {
        let id = &request.member;
        let (member, classic) = self.classic_member(id, request.instance.as_ref())?;
        if request.generation != member.current.epoch {
            return Err(ErrorCode::IllegalGeneration);
        }
        let first = classic.protocols.first();
        let differs = |said: Option<&Arc<str>>, known: Option<&str>| {
            said.is_some_and(|said| Some(&**said) != known)
        };
        let protocol = first.map(|one| &*one.name);
        if differs(request.protocol_type.as_ref(), Some(CONSUMER_PROTOCOL))
            || differs(request.protocol.as_ref(), protocol)
        {
            return Err(ErrorCode::InconsistentGroupProtocol);
        }
        // Whoever has something to give up is told what it keeps, and joins again when it has.
        if self.epoch > member.current.epoch && member.current.state != MemberState::Unrevoked {
            self.ask_to_join(id, now);
            return Err(ErrorCode::RebalanceInProgress);
        }
        let metadata = first.map_or(&[][..], |one| &one.metadata);
        let answer = SyncAnswer {
            code: ErrorCode::None,
            protocol_type: Some(Arc::from(CONSUMER_PROTOCOL)),
            protocol: first.map(|one| Arc::clone(&one.name)),
            assignment: assignment(metadata, &member.current.assigned, topics),
        };
        self.set_patience(id, None);
        self.restart_own_session(id, now, options);
        Ok(answer)
    }

    /// Heartbeat.
    pub(in super::super) fn classic_heartbeat(
        &mut self,
        now: Now,
        request: &MemberHeartbeat,
        options: &GroupOptions,
    ) -> ErrorCode {
        let id = &request.member;
        let member = match self.classic_member(id, request.instance.as_ref()) {
            Ok((member, _)) => member,
            Err(code) => return code,
        };
        if request.generation != member.current.epoch {
            return ErrorCode::IllegalGeneration;
        }
        let must_join = member.current.epoch < self.epoch
            || match member.current.state {
                MemberState::Stable => false,
                MemberState::Unrevoked => true,
                // It is told once everything that it waits for is free.
                MemberState::Unreleased => each(&member.target).all(|at| {
                    let holder = self.holders.get(&at);
                    holder.is_none_or(|holder| holder == id)
                }),
            };
        self.restart_own_session(id, now, options);
        if !must_join {
            return ErrorCode::None;
        }
        self.ask_to_join(id, now);
        ErrorCode::RebalanceInProgress
    }

    /// LeaveGroup: an outcome for each.
    pub(in super::super) fn leave_classic(&mut self, leaving: &[LeavingMember]) -> Vec<ErrorCode> {
        let leaving = leaving.iter();
        leaving
            .map(|one| {
                let instance = one.instance.as_ref();
                let by_name = instance.and_then(|instance| self.instances.get(instance));
                let id = match by_name {
                    Some(id) if one.member.is_empty() => Arc::clone(id),
                    _ => Arc::clone(&one.member),
                };
                if let Err(code) = self.classic_member(&id, instance) {
                    return code;
                }
                self.remove(&id);
                ErrorCode::None
            })
            .collect()
    }

    /// A member of the classic protocol.
    fn classic_member(
        &self,
        id: &MemberId,
        instance: Option<&Arc<str>>,
    ) -> Result<(&ModernMember, &ClassicPart), ErrorCode> {
        if let Some(instance) = instance {
            self.check_instance(instance, id).map_err(|no| no.code)?;
        }
        let member = self.members.get(id).ok_or(ErrorCode::UnknownMemberId)?;
        let classic = member.value.classic.as_ref();
        let classic = classic.ok_or(ErrorCode::UnknownMemberId)?;
        Ok((member, classic))
    }

    /// It was told to join again, and has so long for it.
    fn ask_to_join(&mut self, id: &MemberId, now: Now) {
        let Some(member) = self.members.get(id) else {
            return;
        };
        if member.patience.is_none() {
            let timeout = millis(member.value.rebalance_timeout_ms);
            self.set_patience(id, Some(now.monotonic.plus(timeout)));
        }
    }

    /// The session of a member begins again: one of the classic protocol said how long it is.
    pub(super) fn restart_own_session(&mut self, id: &MemberId, now: Now, options: &GroupOptions) {
        let member = self.members.get(id);
        let classic = member.and_then(|member| member.value.classic.as_ref());
        let session = classic.map_or(options.modern_session_timeout, |classic| {
            millis(classic.session_timeout_ms)
        });
        self.restart_session(id, now, session);
    }
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::from(ms.max(0).unsigned_abs()))
}

impl MemberValue {
    /// What a member of the classic protocol says of itself, and as a consumer.
    pub(super) fn of_classic(member: &Member, said: consumer_protocol::Subscription) -> Self {
        Self {
            instance: member.instance.clone(),
            rack: said.rack.map(Arc::from),
            client_id: Arc::clone(&member.client_id),
            client_host: Arc::clone(&member.client_host),
            rebalance_timeout_ms: millis_of(member.rebalance_timeout),
            subscription: subscription_of(said.topics),
            assignor: None,
            classic: Some(ClassicPart::new(member.session_timeout, &member.protocols)),
        }
    }
}

impl ClassicPart {
    fn new(session_timeout: Duration, protocols: &[Protocol]) -> Self {
        let protocols = protocols.iter();
        let protocols = protocols.map(|one| ClassicProtocol {
            name: Arc::clone(&one.name),
            metadata: Arc::clone(&one.metadata),
        });
        Self {
            session_timeout_ms: millis_of(session_timeout),
            protocols: protocols.collect(),
        }
    }
}

/// The subscription to topics.
fn subscription_of(mut topics: Vec<String>) -> Subscription {
    topics.sort();
    topics.dedup();
    Subscription {
        topics: topics.into_iter().map(Arc::from).collect(),
        regex: None,
    }
}

/// The partitions of a share that there are.
pub(super) fn known_partitions(
    share: &consumer_protocol::Share,
    topics: &dyn Topics,
) -> Partitions {
    let mut known = Partitions::new();
    for (name, partitions) in share {
        let Some((id, count)) = topics.find(name) else {
            continue;
        };
        let there = partitions.iter().filter(|at| (0..count).contains(*at));
        let mut there = there.copied().peekable();
        if there.peek().is_some() {
            known.entry(id).or_default().extend(there);
        }
    }
    known
}

/// Partitions in the words of the classic protocol, in the version of a member's subscription.
pub(super) fn assignment(
    subscription: &[u8],
    partitions: &Partitions,
    topics: &dyn Topics,
) -> Arc<[u8]> {
    let said = consumer_protocol::Subscription::decode(subscription);
    let version = said.map_or(0, |said| said.version);
    let named = partitions.iter().filter_map(|(id, set)| {
        let name = topics.name_of(*id)?;
        Some((name.to_owned(), set.iter().copied().collect()))
    });
    let share: consumer_protocol::Share = named.collect();
    Arc::from(&consumer_protocol::encode_share(version, &share)[..])
}
