//! What can happen next.

use crate::log::MOST;
use crate::members::Members;
use crate::rule::Rule;
use crate::rules::Rules;
use crate::state::{BROKERS, Broker, State};

/// A step. Brokers have the numbers that they have in the state it starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A leader takes a batch.
    Append(Broker),
    /// A leader opens a conversation, and the follower cuts its log as it is told.
    Open(Broker, Broker),
    /// A follower takes the next batch of its leader.
    Copy(Broker, Broker),
    /// A leader moves its high watermark.
    Advance(Broker, u8),
    /// A leader wishes another ISR.
    Propose(Broker, Members),
    /// A leader forgets its wish. Only where a rule is left out.
    GiveUp(Broker),
    /// The wish that is on its way is committed.
    Commit,
    /// A broker is fenced.
    Fence(Broker),
    /// A broker's process registers.
    Register(Broker),
    /// A broker is elected.
    Elect(Broker),
    /// A broker hears how the record stands. Who follows hears of it as well, which only makes him
    /// refuse more; so only a leader's news are steps.
    Learn(Broker),
    /// A broker's power is cut: of its log so much is left.
    Crash(Broker, u8),
    /// A broker's disk is lost; it starts with an empty one.
    Wipe(Broker),
    /// `min.insync.replicas` is set.
    SetMinimum(u8),
    /// An acknowledgement of a follower is held up.
    HoldAck(Broker, Broker),
    /// An append for a follower is held up.
    HoldAppend(Broker, Broker),
    /// The append that was held up arrives.
    LateAppend,
}

/// Everything that can happen in a state.
pub fn possible(state: &State, rules: Rules, actions: &mut Vec<Action>) {
    if state.breach.is_some() {
        return;
    }
    for broker in 0..BROKERS {
        of_controller(state, broker, actions);
        of_broker(state, broker, rules, actions);
    }
    if state.left.settings > 0 {
        actions.push(Action::SetMinimum(3 - state.record.minimum));
    }
    if state.proposal.is_some() {
        actions.push(Action::Commit);
    }
    if state.late.is_some() {
        actions.push(Action::LateAppend);
    }
}

fn of_controller(state: &State, broker: Broker, actions: &mut Vec<Action>) {
    let (record, replica) = (&state.record, &state.replicas[broker]);
    let is_there = record.registered[broker].0 == replica.process;
    if !record.fenced[broker] && (!is_there || state.left.changes > 0) {
        actions.push(Action::Fence(broker));
    }
    if !is_there || record.fenced[broker] {
        actions.push(Action::Register(broker));
    }
    if state.left.epochs > 0 && !record.fenced[broker] {
        actions.push(Action::Elect(broker));
    }
    let mine = record
        .leader
        .is_some_and(|(leader, _)| Broker::from(leader) == broker);
    let knows = replica.lead.is_some_and(|lead| {
        let heard = (0..BROKERS).all(|other| lead.registered[other] == record.registered[other].0);
        lead.is_current && lead.epoch == record.epoch && heard
    });
    if mine && !knows {
        actions.push(Action::Learn(broker));
    }
}

fn of_broker(state: &State, broker: Broker, rules: Rules, actions: &mut Vec<Action>) {
    let replica = &state.replicas[broker];
    if state.left.crashes > 0 {
        for kept in replica.synced..=replica.log.len() {
            actions.push(Action::Crash(broker, kept));
        }
    }
    if state.left.wipes > 0 {
        actions.push(Action::Wipe(broker));
    }
    let Some(lead) = &replica.lead else { return };
    if state.left.batches > 0 && usize::from(replica.log.len()) < MOST {
        actions.push(Action::Append(broker));
    }
    for to in lead.high_watermark + 1..=replica.log.len() {
        actions.push(Action::Advance(broker, to));
    }
    if lead.wish.is_some() && rules.lacks(Rule::ChangeUntilSettled) {
        actions.push(Action::GiveUp(broker));
    }
    for other in (0..BROKERS).filter(|other| *other != broker) {
        actions.push(Action::Open(broker, other));
        actions.push(Action::Copy(broker, other));
        if state.left.late > 0 {
            actions.push(Action::HoldAck(broker, other));
            actions.push(Action::HoldAppend(broker, other));
        }
        if state.left.changes > 0 && lead.wish.is_none() {
            let disk = state.replicas[other].disk;
            let next = if lead.isr.has(other, disk) {
                lead.isr.without(other, disk)
            } else {
                lead.isr.with(other, disk)
            };
            actions.push(Action::Propose(broker, next));
        }
    }
}
