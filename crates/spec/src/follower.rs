//! What a follower does, and what happens to its disk. Each function says whether it could be done.

use crate::leader::talks;
use crate::rule::Rule;
use crate::rules::Rules;
use crate::state::{Broker, Late, State};

/// What a replica counts as the newest epoch it has accepted.
fn accepted(state: &State, rules: Rules, broker: Broker) -> u8 {
    let replica = &state.replicas[broker];
    let in_log = replica.log.epoch_before(replica.log.len());
    if rules.have(Rule::LogNamesEpoch) {
        replica.accepted.max(in_log)
    } else {
        replica.accepted
    }
}

/// A leader opens a conversation: histories are compared, and the follower cuts its log.
pub(crate) fn open(
    state: &mut State,
    rules: Rules,
    leader: Broker,
    follower: Broker,
) -> Option<()> {
    let lead = state.replicas[leader].lead?;
    let newest = accepted(state, rules, follower);
    (lead.epoch >= newest || rules.lacks(Rule::OldEpochRefused)).then_some(())?;
    (!talks(state, &lead, follower)).then_some(())?;
    // Who has heard of a process has heard of every epoch that an earlier one may have accepted.
    let is_known = lead.registered[follower] == state.replicas[follower].process;
    (is_known || rules.lacks(Rule::OpenByRegistration)).then_some(())?;
    let agreed = state.replicas[leader]
        .log
        .agreement(&state.replicas[follower].log);
    let replica = &mut state.replicas[follower];
    if replica.lead.is_some_and(|other| other.epoch == lead.epoch) {
        return None;
    }
    // Otherwise to the high watermark that it knows; it may never have heard of one.
    let to = if rules.have(Rule::CompareHistories) {
        agreed
    } else {
        0
    };
    if rules.lacks(Rule::CutLowersSynced) {
        // All that is cut may have been synced.
        replica.claimed = replica.claimed.max(replica.log.len());
    }
    replica.log.cut(to);
    replica.synced = replica.synced.min(to);
    replica.lead = replica.lead.filter(|other| other.epoch > lead.epoch);
    (replica.accepted, replica.conversation) = (lead.epoch, lead.epoch);
    let process = replica.process;
    if let Some(lead) = &mut state.replicas[leader].lead {
        lead.with[follower] = process;
    }
    Some(())
}

/// The next batch of the leader arrives.
pub(crate) fn copy(state: &mut State, leader: Broker, follower: Broker) -> Option<()> {
    let from = &state.replicas[leader];
    let lead = from.lead?;
    talks(state, &lead, follower).then_some(())?;
    let to = &state.replicas[follower];
    let end = to.log.len();
    (end < from.log.len() && to.log.epoch_before(end) == from.log.epoch_before(end))
        .then_some(())?;
    let batch = from.log.at(end);
    state.replicas[follower].log.push(batch);
    Some(())
}

/// An append is held up.
pub(crate) fn hold_append(state: &mut State, leader: Broker, follower: Broker) -> Option<()> {
    let from = &state.replicas[leader];
    let lead = from.lead?;
    talks(state, &lead, follower).then_some(())?;
    let offset = state.replicas[follower].log.len();
    (offset < from.log.len()).then_some(())?;
    state.late = Some(Late::Append {
        to: follower as u8,
        process: lead.with[follower],
        epoch: lead.epoch,
        offset,
        previous: from.log.epoch_before(offset),
        batch: from.log.at(offset),
    });
    state.left.late -= 1;
    Some(())
}

/// It arrives.
pub(crate) fn late_append(state: &mut State, rules: Rules) -> Option<()> {
    let Some(Late::Append {
        to,
        process,
        epoch,
        offset,
        previous,
        batch,
    }) = state.late
    else {
        return None;
    };
    let broker = usize::from(to);
    let newest = accepted(state, rules, broker);
    let replica = &mut state.replicas[broker];
    let named = replica.process == process && replica.conversation == epoch;
    let follows = offset == replica.log.len() && previous == replica.log.epoch_before(offset);
    let fits = offset == replica.log.len() && (follows || rules.lacks(Rule::AppendNamesPrevious));
    let fenced = epoch < newest && rules.have(Rule::OldEpochRefused);
    let talks = named || rules.lacks(Rule::AppendNamesConversation);
    (fits && talks && !fenced && replica.lead.is_none()).then_some(())?;
    (replica.log.len() < crate::log::MOST as u8).then_some(())?;
    replica.log.push(batch);
    Some(())
}

/// An acknowledgement is held up; what it says is on the disk.
pub(crate) fn hold_ack(state: &mut State, leader: Broker, follower: Broker) -> Option<()> {
    let lead = state.replicas[leader].lead?;
    talks(state, &lead, follower).then_some(())?;
    let replica = &mut state.replicas[follower];
    (!replica.log.is_empty()).then_some(())?;
    replica.synced = replica.log.len();
    state.late = Some(Late::Acked {
        from: follower as u8,
        process: replica.process,
        disk: replica.disk,
        epoch: lead.epoch,
        synced: replica.synced,
    });
    state.left.late -= 1;
    Some(())
}

/// The power is cut, and another process starts with what the disk kept.
pub(crate) fn crash(state: &mut State, broker: Broker, kept: u8) {
    let replica = &mut state.replicas[broker];
    replica.log.cut(kept);
    restart(state, broker);
    state.left.crashes -= 1;
}

/// The disk is lost and an empty one put in, while another replica that may lead is intact.
pub(crate) fn wipe(state: &mut State, broker: Broker) -> Option<()> {
    let may_lead = state.record.isr.union(state.record.eligible);
    let others = may_lead
        .iter()
        .filter(|(other, _)| *other != broker)
        .count();
    (others > 0 || !may_lead.has(broker, state.replicas[broker].disk)).then_some(())?;
    let replica = &mut state.replicas[broker];
    replica.log.cut(0);
    replica.synced = 0;
    replica.disk = 1;
    restart(state, broker);
    state.left.wipes -= 1;
    Some(())
}

fn restart(state: &mut State, broker: Broker) {
    let replica = &mut state.replicas[broker];
    replica.process += 1;
    (replica.accepted, replica.conversation, replica.claimed) = (0, 0, 0);
    replica.lead = None;
}
