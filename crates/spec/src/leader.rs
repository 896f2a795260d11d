//! What a leader does. Each function says whether it could be done.

use crate::log::Batch;
use crate::members::Members;
use crate::rule::Rule;
use crate::rules::Rules;
use crate::state::{BROKERS, Breach, Broker, Late, Leadership, Proposal, Record, State};

/// Takes a batch of a client that wants it on the whole ISR.
pub(crate) fn append(state: &mut State, rules: Rules, leader: Broker) -> Option<()> {
    let replica = &mut state.replicas[leader];
    let lead = replica.lead?;
    has_minimum(&lead, rules).then_some(())?;
    let life = if rules.lacks(Rule::EpochIsOneProcess) {
        replica.process
    } else {
        0
    };
    replica.log.push(Batch {
        epoch: lead.epoch,
        life,
    });
    state.left.batches -= 1;
    Some(())
}

/// Whether the ISR that it knows has its minimum.
fn has_minimum(lead: &Leadership, rules: Rules) -> bool {
    let counted = match lead.wish {
        Some(wish) if rules.lacks(Rule::CommittedCounts) => lead.isr.union(wish),
        _ => lead.isr,
    };
    counted.len() >= lead.minimum || rules.lacks(Rule::MinimumCounts)
}

/// Whose synced ends the high watermark waits for.
fn held_by(lead: &Leadership, rules: Rules) -> Members {
    match lead.wish {
        Some(wish) if rules.have(Rule::PendingHolds) => lead.isr.union(wish),
        _ => lead.isr,
    }
}

/// Whether a conversation stands, as both sides see it.
pub(crate) fn talks(state: &State, lead: &Leadership, follower: Broker) -> bool {
    let other = &state.replicas[follower];
    lead.with[follower] == other.process && other.conversation == lead.epoch
}

/// How far a member has synced, as far as the leader can have heard: by an acknowledgement that
/// arrives at once, or by one that was held up. What arrives at once is what the disk must now keep.
fn heard(
    state: &State,
    rules: Rules,
    leader: Broker,
    lead: &Leadership,
    member: (Broker, u8),
) -> (u8, u8) {
    let (broker, disk) = member;
    let replica = &state.replicas[broker];
    let reach = state.replicas[leader].log.len();
    if broker == leader {
        return (0, if replica.disk == disk { reach } else { 0 });
    }
    let names_disk = rules.have(Rule::MembersAreDisks);
    let at_once = if talks(state, lead, broker) && (replica.disk == disk || !names_disk) {
        replica.log.len()
    } else {
        0
    };
    let late = match state.late {
        Some(Late::Acked {
            from,
            process,
            disk: of,
            epoch,
            synced,
        }) if usize::from(from) == broker
            && epoch == lead.epoch
            && (of == disk || !names_disk)
            && (process == lead.with[broker] || rules.lacks(Rule::AckNamesProcess)) =>
        {
            synced
        }
        _ => 0,
    };
    (late.min(reach), at_once.min(reach))
}

/// Moves the high watermark: not always as far as it could, because acknowledgements take their time.
pub(crate) fn advance(state: &mut State, rules: Rules, leader: Broker, to: u8) -> Option<()> {
    let lead = state.replicas[leader].lead?;
    has_minimum(&lead, rules).then_some(())?;
    let members = held_by(&lead, rules);
    let mut reached = 0;
    let mut relied_on = Vec::with_capacity(BROKERS);
    for member in members.iter() {
        let (late, at_once) = heard(state, rules, leader, &lead, member);
        reached += u8::from(late.max(at_once) >= to);
        if late < to && at_once >= to {
            relied_on.push(member.0);
        }
    }
    let wanted = if rules.have(Rule::EveryMemberHolds) {
        members.len()
    } else {
        lead.minimum.min(members.len())
    };
    (reached >= wanted).then_some(())?;
    if rules.have(Rule::CountWhatIsSynced) {
        for broker in relied_on {
            let replica = &mut state.replicas[broker];
            if replica.claimed < to {
                replica.synced = replica.synced.max(to);
            }
        }
    }
    let log = state.replicas[leader].log.first(to);
    if let Some(lead) = &mut state.replicas[leader].lead {
        lead.high_watermark = to;
    }
    if log.begins_with(&state.committed) {
        state.committed = log;
    } else if !state.committed.begins_with(&log) {
        state.breach = Some(Breach::CommittedTwice);
    }
    Some(())
}

/// Wishes another ISR.
pub(crate) fn propose(state: &mut State, rules: Rules, leader: Broker, isr: Members) -> Option<()> {
    let replica = state.replicas[leader];
    let lead = replica.lead?;
    // Made from another record it would be refused; as long as that is so it is no step.
    (lead.is_current || rules.lacks(Rule::ChangeNamesRecord)).then_some(())?;
    let joins = isr.minus(lead.isr).iter().next();
    if let Some((broker, _)) = joins {
        let other = &state.replicas[broker];
        let epoch_start = if rules.have(Rule::JoinAtEpochStart) {
            replica.log.start_of(lead.epoch)
        } else {
            0
        };
        let watermark = if rules.have(Rule::JoinAtHighWatermark) {
            lead.high_watermark
        } else {
            0
        };
        let wanted = epoch_start.max(watermark);
        (talks(state, &lead, broker) && other.log.len() >= wanted).then_some(())?;
        if rules.have(Rule::JoinSynced) {
            let other = &mut state.replicas[broker];
            other.synced = other.synced.max(wanted);
        }
    }
    state.left.changes -= 1;
    state.proposal = Some(Proposal {
        epoch: lead.epoch,
        isr,
        joins: joins.map(|(broker, _)| (broker as u8, state.replicas[broker].process)),
    });
    if let Some(lead) = &mut state.replicas[leader].lead {
        lead.wish = Some(isr);
    }
    Some(())
}

/// Takes a wish for failed because no answer came.
pub(crate) fn give_up(state: &mut State, leader: Broker) -> Option<()> {
    state.replicas[leader]
        .lead
        .as_mut()?
        .wish
        .take()
        .map(|_| ())
}

fn registered(record: &Record) -> [u8; BROKERS] {
    record.registered.map(|(process, _)| process)
}

/// Hears how the record stands: takes over, or goes by the new ISR.
pub(crate) fn learn(state: &mut State, rules: Rules, broker: Broker) -> Option<()> {
    let record = state.record;
    let replica = &mut state.replicas[broker];
    let (leader, process) = record.leader?;
    let mine = usize::from(leader) == broker
        && (process == replica.process || rules.lacks(Rule::EpochIsOneProcess));
    mine.then_some(())?;
    if let Some(lead) = replica
        .lead
        .as_mut()
        .filter(|lead| lead.epoch == record.epoch)
    {
        (lead.isr, lead.minimum) = (record.isr, record.minimum);
        (lead.is_current, lead.wish) = (true, None);
        lead.registered = registered(&record);
        return Some(());
    }
    (replica.accepted <= record.epoch).then_some(())?;
    // It knows of no more high watermark than there is, and perhaps of none. Where its epoch's start
    // is looked at, that makes no difference, and the one with fewer states is taken.
    let high_watermark = if rules.have(Rule::JoinAtEpochStart) {
        state.committed.len().min(replica.log.len())
    } else {
        0
    };
    (replica.accepted, replica.conversation) = (record.epoch, 0);
    replica.lead = Some(Leadership {
        epoch: record.epoch,
        isr: record.isr,
        minimum: record.minimum,
        is_current: true,
        wish: None,
        high_watermark,
        registered: registered(&record),
        with: [0; BROKERS],
    });
    if !replica.log.begins_with(&state.committed) {
        state.breach = Some(Breach::LeaderLacks);
    }
    Some(())
}
