//! Brokers are alike: of the states that differ only in who has which number, one stands for all.

use crate::state::{BROKERS, Broker, Late, Leadership, Proposal, Record, Replica, State};

/// All ways to number the brokers: broker `b` becomes `new[b]`.
const NUMBERINGS: [[Broker; BROKERS]; 6] = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
];

/// The smallest of all states that differ from this one in numbers only.
pub(crate) fn representative(state: &State) -> State {
    let others = NUMBERINGS[1..].iter().map(|new| renamed(state, new));
    others.fold(*state, State::min)
}

fn renamed(state: &State, new: &[Broker; BROKERS]) -> State {
    State {
        replicas: moved(state.replicas, new).map(|replica| Replica {
            lead: replica.lead.map(|lead| Leadership {
                isr: lead.isr.renamed(new),
                wish: lead.wish.map(|wish| wish.renamed(new)),
                registered: moved(lead.registered, new),
                with: moved(lead.with, new),
                ..lead
            }),
            ..replica
        }),
        record: Record {
            leader: state
                .record
                .leader
                .map(|(broker, process)| (number(broker, new), process)),
            isr: state.record.isr.renamed(new),
            eligible: state.record.eligible.renamed(new),
            registered: moved(state.record.registered, new),
            fenced: moved(state.record.fenced, new),
            ..state.record
        },
        proposal: state.proposal.map(|proposal| Proposal {
            isr: proposal.isr.renamed(new),
            joins: proposal
                .joins
                .map(|(broker, process)| (number(broker, new), process)),
            ..proposal
        }),
        late: state.late.map(|late| late_renamed(late, new)),
        ..*state
    }
}

fn late_renamed(late: Late, new: &[Broker; BROKERS]) -> Late {
    match late {
        Late::Acked {
            from,
            process,
            disk,
            epoch,
            synced,
        } => Late::Acked {
            from: number(from, new),
            process,
            disk,
            epoch,
            synced,
        },
        Late::Append {
            to,
            process,
            epoch,
            offset,
            previous,
            batch,
        } => Late::Append {
            to: number(to, new),
            process,
            epoch,
            offset,
            previous,
            batch,
        },
    }
}

fn number(broker: u8, new: &[Broker; BROKERS]) -> u8 {
    new[usize::from(broker)] as u8
}

fn moved<T: Copy>(all: [T; BROKERS], new: &[Broker; BROKERS]) -> [T; BROKERS] {
    let mut result = all;
    for (broker, value) in all.into_iter().enumerate() {
        result[new[broker]] = value;
    }
    result
}
