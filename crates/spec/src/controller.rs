//! What the controllers agree on. Each function says whether it could be done.

use crate::members::Members;
use crate::rule::Rule;
use crate::rules::Rules;
use crate::state::{BROKERS, Broker, State};

/// The record is another one now: whatever was made from the old one is refused.
fn changed(state: &mut State, rules: Rules) {
    for replica in &mut state.replicas {
        if let Some(lead) = &mut replica.lead {
            lead.is_current = false;
        }
    }
    if rules.have(Rule::ChangeNamesRecord) {
        state.proposal = None;
    }
}

/// Sets the ISR; who leaves it below the minimum becomes eligible.
fn set_isr(state: &mut State, rules: Rules, isr: Members) {
    let record = &mut state.record;
    let reaches = isr.len() >= record.minimum;
    record.eligible = if reaches && rules.have(Rule::EligibleForgotten) {
        Members::default()
    } else if reaches {
        record.eligible.minus(isr)
    } else {
        record.isr.union(record.eligible).minus(isr)
    };
    record.isr = isr;
    changed(state, rules);
}

/// The wish that is on its way is agreed on.
pub(crate) fn commit(state: &mut State, rules: Rules) -> Option<()> {
    let proposal = state.proposal?;
    (proposal.epoch == state.record.epoch && state.record.leader.is_some()).then_some(())?;
    if let Some((broker, process)) = proposal.joins {
        let broker = usize::from(broker);
        let is_there = state.record.registered[broker].0 == process && !state.record.fenced[broker];
        (is_there || rules.lacks(Rule::JoinByRegistration)).then_some(())?;
    }
    state.proposal = None;
    set_isr(state, rules, proposal.isr);
    Some(())
}

fn present(state: &State) -> Members {
    (0..BROKERS)
        .filter(|broker| !state.record.fenced[*broker])
        .fold(Members::default(), |set, broker| {
            set.with(broker, state.record.registered[broker].1)
        })
}

/// A broker does not answer: it loses its leadership, or its place in the ISR if the leader is there.
pub(crate) fn fence(state: &mut State, rules: Rules, broker: Broker) {
    if state.record.registered[broker].0 == state.replicas[broker].process {
        state.left.changes -= 1;
    }
    state.record.fenced[broker] = true;
    let disk = state.record.registered[broker].1;
    let leader = state.record.leader.map(|(leader, _)| usize::from(leader));
    if leader == Some(broker) {
        state.record.leader = None;
        changed(state, rules);
    } else if leader.is_some_and(|leader| !state.record.fenced[leader])
        && state.record.isr.has(broker, disk)
    {
        let isr = state.record.isr.without(broker, disk);
        set_isr(state, rules, isr);
    }
}

/// A process registers, on the disk that was there or on another one.
pub(crate) fn register(state: &mut State, rules: Rules, broker: Broker) {
    let replica = state.replicas[broker];
    let (process, disk) = state.record.registered[broker];
    if disk != replica.disk {
        retire(state, rules, broker, disk);
    } else if process != replica.process
        && !state.record.fenced[broker]
        && rules.have(Rule::EpochIsOneProcess)
    {
        fence(state, rules, broker);
    }
    state.record.registered[broker] = (replica.process, replica.disk);
    state.record.fenced[broker] = false;
}

/// A disk is gone for good.
fn retire(state: &mut State, rules: Rules, broker: Broker, disk: u8) {
    let renamed = |set: Members| {
        let kept = rules.lacks(Rule::MembersAreDisks) && set.has(broker, disk);
        let set = set.without(broker, disk);
        if kept {
            set.with(broker, state.replicas[broker].disk)
        } else {
            set
        }
    };
    let (isr, eligible) = (renamed(state.record.isr), renamed(state.record.eligible));
    let record = &mut state.record;
    (record.isr, record.eligible) = (isr, eligible);
    record.leader = record
        .leader
        .filter(|(leader, _)| usize::from(*leader) != broker);
    changed(state, rules);
}

/// A broker is elected.
pub(crate) fn elect(state: &mut State, rules: Rules, broker: Broker) -> Option<()> {
    let record = state.record;
    let (process, disk) = record.registered[broker];
    let leads = record
        .leader
        .is_some_and(|(leader, _)| usize::from(leader) == broker);
    (!leads).then_some(())?;
    let present = present(state);
    let isr_gone = record.isr.minus(present) == record.isr;
    let may = record.isr.has(broker, disk) || (isr_gone && record.eligible.has(broker, disk));
    (may || rules.lacks(Rule::ElectEligible)).then_some(())?;
    // Who is not there leaves the ISR; the real controller lets go of more.
    let isr = record
        .isr
        .minus(record.isr.minus(present))
        .with(broker, disk);
    state.record.epoch += 1;
    state.left.epochs -= 1;
    state.record.leader = Some((broker as u8, process));
    set_isr(state, rules, isr);
    Some(())
}

/// The minimum is another one from now on.
pub(crate) fn set_minimum(state: &mut State, rules: Rules, minimum: u8) {
    state.left.settings -= 1;
    state.record.minimum = minimum;
    if rules.have(Rule::MinimumWithEligible) {
        let isr = state.record.isr;
        set_isr(state, rules, isr);
    } else {
        changed(state, rules);
    }
}
